// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// expect: compiles
// expect TWO_OF_A_KIND: two_policies_of_one_kind<.*queueing_admission, .*rejecting_admission>
// expect ONE_TWICE: two_policies_of_one_kind<.*queueing_admission, .*queueing_admission>
// expect NOT_A_POLICY: this_type_is_not_a_policy<.*string
// expect NOT_GIVEN: policy_must_be_given_to_the_constructor<needs_a_key>
// expect GIVEN_IN_VAIN: argument_is_not_a_policy_of_this_server<.*rejecting_admission
// expect GIVEN_OPTIONS: argument_is_not_a_policy_of_this_server<.*queueing_admission::options
// expect GIVEN_TWICE: policy_is_given_twice<.*queueing_admission

#include <parley/admission/rejecting_admission.hpp>
#include <parley/policy_set.hpp>

#include <string>

struct needs_a_key : parley::null_audit {
    explicit needs_a_key(int);
};

using parley::queueing_admission;
using parley::rejecting_admission;

template <class Set, class... Args>
auto make(Args... args) {
    return Set(std::make_tuple(std::move(args)...));
}

int main() {
#if defined TWO_OF_A_KIND
    make<parley::policy_set<queueing_admission, rejecting_admission>>();
#elif defined ONE_TWICE
    make<parley::policy_set<queueing_admission, parley::null_audit, queueing_admission>>();
#elif defined NOT_A_POLICY
    make<parley::policy_set<queueing_admission, std::string>>();
#elif defined NOT_GIVEN
    make<parley::policy_set<needs_a_key>>(queueing_admission());
#elif defined GIVEN_IN_VAIN
    make<parley::policy_set<queueing_admission>>(rejecting_admission());
#elif defined GIVEN_OPTIONS
    make<parley::policy_set<queueing_admission>>(queueing_admission::options{});
#elif defined GIVEN_TWICE
    make<parley::policy_set<>>(queueing_admission(), queueing_admission());
#else
    make<parley::policy_set<rejecting_admission, needs_a_key>>(needs_a_key(1));
#endif
}
