// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// expect: compiles
// expect LACKS_POST: policy_lacks_operation<diary, .*post>
// expect LACKS_APPEND: policy_lacks_operation<diary, .*append>

#include <parley/policy_set.hpp>

struct diary {
    using policy_kind = parley::policy_kinds::audit;
#ifndef LACKS_POST
    void post(parley::audit_record);
#endif
#ifndef LACKS_APPEND
    parley::task<parley::result<std::uint64_t>> append(std::vector<parley::audit_record>);
#endif
};

template struct parley::policy_set<diary>;
