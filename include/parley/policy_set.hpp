// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Policies in any order, defaults for those left out, and one readable error for each mistake.

#include <parley/admission/queueing_admission.hpp>
#include <parley/audit/null_audit.hpp>
#include <parley/concepts.hpp>
#include <parley/storage/memory_storage.hpp>
#include <parley/transport/tcp_transport.hpp>
#include <parley/verifier/refuse_all_verifier.hpp>

#include <boost/hana/append.hpp>
#include <boost/hana/at.hpp>
#include <boost/hana/bool.hpp>
#include <boost/hana/core/is_a.hpp>
#include <boost/hana/filter.hpp>
#include <boost/hana/find_if.hpp>
#include <boost/hana/for_each.hpp>
#include <boost/hana/integral_constant.hpp>
#include <boost/hana/not.hpp>
#include <boost/hana/optional.hpp>
#include <boost/hana/pair.hpp>
#include <boost/hana/size.hpp>
#include <boost/hana/tuple.hpp>
#include <boost/hana/type.hpp>

#include <tuple>
#include <type_traits>
#include <utility>

namespace parley {

/// The names of the operations, as a compile error shows them.
namespace operations {
struct stream_type;
struct async_read_some;
struct async_write_some;
struct available;
struct timer_type;
struct listen;
struct now;
struct wall_time;
struct ticket;
struct enter;
struct credential;
struct identity;
struct verify;
struct read;
struct write;
struct post;
struct append;
} // namespace operations

/// What a compiler complains of when a server is composed wrongly: its first error line names one
/// of these, which are never defined, with the policy at fault.
namespace errors {
template <class Type>
struct this_type_is_not_a_policy;
template <class First, class Second>
struct two_policies_of_one_kind;
template <class Policy, class Operation>
struct policy_lacks_operation;
template <class Conversation>
struct conversation_lacks_call_operator;
template <class Policy>
struct policy_must_be_given_to_the_constructor;
template <class Argument>
struct argument_is_not_a_policy_of_this_server;
template <class Policy>
struct policy_is_given_twice;
} // namespace errors

namespace detail {

namespace hana = boost::hana;

template <class Kind, class P>
concept of_kind = requires {
    requires std::same_as<typename P::policy_kind, Kind>;
};

template <class P>
concept of_known_kind = of_kind<policy_kinds::transport, P> ||
    of_kind<policy_kinds::admission, P> || of_kind<policy_kinds::verifier, P> ||
    of_kind<policy_kinds::storage, P> || of_kind<policy_kinds::audit, P>;

template <class Operation, bool Offered>
inline constexpr auto requirement = hana::make_pair(hana::type_c<Operation>, hana::bool_c<Offered>);

/// The operations of a kind, each with whether `P` offers it, in the order they are reported.
template <class P>
constexpr auto requirements(hana::basic_type<policy_kinds::transport>) {
    return hana::make_tuple(requirement<operations::stream_type, has_stream_type<P>>,
                            requirement<operations::async_read_some, has_async_read_some<P>>,
                            requirement<operations::async_write_some, has_async_write_some<P>>,
                            requirement<operations::available, has_available<P>>,
                            requirement<operations::timer_type, has_timer_type<P>>,
                            requirement<operations::listen, has_listen<P>>,
                            requirement<operations::now, has_now<P>>,
                            requirement<operations::wall_time, has_wall_time<P>>);
}
template <class P>
constexpr auto requirements(hana::basic_type<policy_kinds::admission>) {
    return hana::make_tuple(requirement<operations::ticket, has_ticket<P>>,
                            requirement<operations::enter, has_enter<P>>);
}
template <class P>
constexpr auto requirements(hana::basic_type<policy_kinds::verifier>) {
    return hana::make_tuple(requirement<operations::credential, has_credential<P>>,
                            requirement<operations::identity, has_identity<P>>,
                            requirement<operations::verify, has_verify<P>>);
}
template <class P>
constexpr auto requirements(hana::basic_type<policy_kinds::storage>) {
    return hana::make_tuple(requirement<operations::read, has_read<P>>,
                            requirement<operations::write, has_write<P>>);
}
template <class P>
constexpr auto requirements(hana::basic_type<policy_kinds::audit>) {
    return hana::make_tuple(requirement<operations::post, has_post<P>>,
                            requirement<operations::append, has_append<P>>);
}

/// Stops the compiler, with an error that names `P` and the first operation it lacks.
template <class P>
constexpr bool check_policy() {
    if constexpr (!of_known_kind<P>) {
        return sizeof(errors::this_type_is_not_a_policy<P>) != 0;
    } else {
        using missing =
            decltype(hana::find_if(requirements<P>(hana::basic_type<typename P::policy_kind>{}),
                                   [](auto r) { return hana::not_(hana::second(r)); }));
        if constexpr (decltype(hana::is_just(std::declval<missing>()))::value) {
            using operation =
                typename std::decay_t<decltype(hana::first(std::declval<missing>().value()))>::type;
            return sizeof(errors::policy_lacks_operation<P, operation>) != 0;
        }
    }
    return true;
}

/// The one policy of a kind: the one given, or the default.
template <class Kind, class Default, class... Policies>
constexpr auto resolve() {
    using matching = decltype(hana::filter(hana::tuple_t<Policies...>, [](auto type) {
        return hana::bool_c<of_kind<Kind, typename decltype(type)::type>>;
    }));
    constexpr auto count = decltype(hana::size(std::declval<matching>()))::value;
    if constexpr (count > 1) {
        using first =
            typename std::decay_t<decltype(hana::at_c<0>(std::declval<matching>()))>::type;
        using second =
            typename std::decay_t<decltype(hana::at_c<1>(std::declval<matching>()))>::type;
        static_cast<void>(sizeof(errors::two_policies_of_one_kind<first, second>));
        return hana::type_c<first>;
    } else {
        return hana::at_c<0>(hana::append(matching{}, hana::type_c<Default>));
    }
}

} // namespace detail

/// The policies of a server, one of each kind.
template <class... Policies>
struct policy_set {
    static_assert((detail::check_policy<Policies>() && ...));

    template <class Kind, class Default>
    using policy_of = typename decltype(detail::resolve<Kind, Default, Policies...>())::type;

    using transport_type = policy_of<policy_kinds::transport, tcp_transport>;
    using admission_type = policy_of<policy_kinds::admission, queueing_admission>;
    using verifier_type = policy_of<policy_kinds::verifier, refuse_all_verifier>;
    using storage_type = policy_of<policy_kinds::storage, memory_storage>;
    using audit_type = policy_of<policy_kinds::audit, null_audit>;

    /// Takes each policy from the arguments, given in any order, and makes the others by default.
    template <class... Args>
    explicit policy_set(std::tuple<Args...> args)
        : transport(pick<transport_type>(args)), admission(pick<admission_type>(args)),
          verifier(pick<verifier_type>(args)), storage(pick<storage_type>(args)),
          audit(pick<audit_type>(args)) {
        static_assert((is_wanted<Args, Args...>() && ...));
    }

    [[no_unique_address]] transport_type transport;
    [[no_unique_address]] admission_type admission;
    [[no_unique_address]] verifier_type verifier;
    [[no_unique_address]] storage_type storage;
    [[no_unique_address]] audit_type audit;

  private:
    template <class T, class... Ts>
    static constexpr int count_of = (int{std::is_same_v<T, Ts>} + ... + 0);

    template <class Arg, class... Args>
    static constexpr bool is_wanted() {
        if constexpr (count_of<Arg, transport_type, admission_type, verifier_type, storage_type,
                               audit_type> == 0) {
            return sizeof(errors::argument_is_not_a_policy_of_this_server<Arg>) != 0;
        } else if constexpr (count_of<Arg, Args...> > 1) {
            return sizeof(errors::policy_is_given_twice<Arg>) != 0;
        }
        return true;
    }

    template <class Policy, class... Args>
    static Policy pick(std::tuple<Args...>& args) {
        if constexpr (count_of<Policy, Args...> == 1) {
            return std::move(std::get<Policy>(args));
        } else if constexpr (std::is_default_constructible_v<Policy>) {
            return Policy();
        } else {
            static_assert(sizeof(errors::policy_must_be_given_to_the_constructor<Policy>) != 0);
        }
    }
};

} // namespace parley
