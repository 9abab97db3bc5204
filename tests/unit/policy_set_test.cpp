// Distributed under the Boost Software License, Version 1.0. See LICENSE.

#include <parley/admission/rejecting_admission.hpp>
#include <parley/admission/unlimited_admission.hpp>
#include <parley/audit/memory_audit.hpp>
#include <parley/policy_set.hpp>
#include <parley/transport/memory_transport.hpp>

#include <boost/test/unit_test.hpp>

#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

using namespace parley;

namespace {

/// Empty, as a policy without state is.
struct forgetful_storage {
    using policy_kind = policy_kinds::storage;
    struct transaction {};

    template <class F>
    task<result<std::invoke_result_t<F, transaction&>>> read(F f) {
        transaction nothing;
        co_return f(nothing);
    }
    template <class F>
    task<result<std::invoke_result_t<F, transaction&>>> write(F f) {
        return read(std::move(f));
    }
};

/// Can be moved and not copied, and has no default.
class signed_audit {
  public:
    using policy_kind = policy_kinds::audit;

    explicit signed_audit(std::string name)
        : name_(std::make_unique<std::string>(std::move(name))) {}

    static void post(audit_record const&) {}
    static task<result<std::uint64_t>> append(std::vector<audit_record>) { co_return 1U; }

    [[nodiscard]] std::string const& name() const { return *name_; }

  private:
    std::unique_ptr<std::string> name_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(policy_sets)

BOOST_AUTO_TEST_CASE(a_missing_policy_has_a_default) {
    using defaults = policy_set<>;
    static_assert(std::is_same_v<defaults::transport_type, tcp_transport>);
    static_assert(std::is_same_v<defaults::admission_type, queueing_admission>);
    static_assert(std::is_same_v<defaults::verifier_type, refuse_all_verifier>);
    static_assert(std::is_same_v<defaults::storage_type, memory_storage>);
    static_assert(std::is_same_v<defaults::audit_type, null_audit>);
    defaults const policies{std::tuple()};
    BOOST_TEST(policies.admission.active() == 0u);
}

BOOST_AUTO_TEST_CASE(policies_are_named_in_any_order) {
    using one = policy_set<memory_audit, rejecting_admission, memory_transport>;
    using other = policy_set<memory_transport, memory_audit, rejecting_admission>;
    static_assert(std::is_same_v<one::transport_type, other::transport_type>);
    static_assert(std::is_same_v<one::admission_type, rejecting_admission>);
    static_assert(std::is_same_v<other::admission_type, rejecting_admission>);
    static_assert(std::is_same_v<one::audit_type, memory_audit>);
    static_assert(std::is_same_v<other::audit_type, memory_audit>);
    static_assert(std::is_same_v<other::storage_type, memory_storage>);
}

BOOST_AUTO_TEST_CASE(each_argument_finds_its_place) {
    rejecting_admission const door({.max_concurrent = 1});
    auto const ticket = rejecting_admission(door).enter({});
    memory_transport const transport;
    transport.clock().advance(std::chrono::seconds(5));

    using policies = policy_set<memory_transport, rejecting_admission>;
    policies const given{std::tuple(door, transport)};
    BOOST_TEST(given.admission.active() == 1u); // a copy shares its state
    BOOST_TEST((given.transport.now() == transport.now()));
    policies const half{std::tuple(transport)};
    BOOST_TEST(half.admission.active() == 0u);
}

BOOST_AUTO_TEST_CASE(a_policy_may_be_one_that_only_moves) {
    using policies = policy_set<signed_audit, unlimited_admission>;
    policies const given{std::tuple(signed_audit("Ann"))};
    BOOST_TEST(given.audit.name() == "Ann");
}

BOOST_AUTO_TEST_CASE(policies_without_state_take_no_room) {
    using empty = policy_set<tcp_transport, unlimited_admission, refuse_all_verifier,
                             forgetful_storage, null_audit>;
    static_assert(std::is_empty_v<empty>);
    using one = policy_set<tcp_transport, unlimited_admission, forgetful_storage, signed_audit>;
    static_assert(sizeof(one) == sizeof(signed_audit));
    BOOST_TEST(sizeof(one) == sizeof(void*));
}

BOOST_AUTO_TEST_SUITE_END()
