// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// expect: compiles
// expect LACKS_READ: policy_lacks_operation<shoebox, .*read>
// expect LACKS_WRITE: policy_lacks_operation<shoebox, .*write>

#include <parley/policy_set.hpp>

struct shoebox {
    using policy_kind = parley::policy_kinds::storage;
    struct transaction {};
#ifndef LACKS_READ
    template <class F>
    parley::task<parley::result<std::invoke_result_t<F, transaction&>>> read(F);
#endif
#ifndef LACKS_WRITE
    template <class F>
    parley::task<parley::result<std::invoke_result_t<F, transaction&>>> write(F);
#endif
};

template struct parley::policy_set<shoebox>;
