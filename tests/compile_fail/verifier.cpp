// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// expect: compiles
// expect LACKS_CREDENTIAL: policy_lacks_operation<notary, .*credential>
// expect LACKS_IDENTITY: policy_lacks_operation<notary, .*identity>
// expect LACKS_VERIFY: policy_lacks_operation<notary, .*verify>
// expect VERIFY_IS_NOT_CONST: policy_lacks_operation<notary, .*verify>

#include <parley/policy_set.hpp>

#ifdef VERIFY_IS_NOT_CONST
#define CONST
#else
#define CONST const
#endif

struct notary {
    using policy_kind = parley::policy_kinds::verifier;
#ifndef LACKS_CREDENTIAL
    using credential = std::string;
#endif
#ifndef LACKS_IDENTITY
    using identity = int;
#endif
#ifndef LACKS_VERIFY
    parley::result<int> verify(std::string const&) CONST;
#endif
};

template struct parley::policy_set<notary>;
