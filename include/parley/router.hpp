// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Messages of several types to the overload that takes each: a table made by the compiler.
///
///     using commands = parley::router<parley::task<>, get_tables, select_table, save_cell>;
///
///     struct handler {
///         parley::task<> operator()(get_tables command);
///         parley::task<> operator()(select_table command);
///         parley::task<> operator()(save_cell command);
///         parley::task<> operator()(parley::unroutable why);
///     };
///     co_await commands::dispatch("getTables", payload, handler);
///
/// A handler without an overload for each message does not compile, nor do two messages of one
/// name.

#include <parley/json.hpp>
#include <parley/message.hpp>

#include <boost/hana/for_each.hpp>
#include <boost/hana/tuple.hpp>
#include <boost/hana/type.hpp>

#include <algorithm>
#include <array>
#include <compare>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace parley {

/// Why a message has no handler, or did not reach it.
struct unroutable {
    std::string name;            ///< as the peer gave it
    std::optional<problem> what; ///< the member at fault; empty when no message has this name
};

/// A message that goes by several names: `static constexpr std::array<std::string_view, n> types`.
template <class M>
concept aliased_message = requires {
    { M::types.size() } -> std::convertible_to<std::size_t>;
    { M::types[0] } -> std::convertible_to<std::string_view>;
};

template <class M>
concept routable = message<M> || aliased_message<M>;

/// What a compiler complains of: its first error line names the handler and the message, or the two
/// messages.
namespace errors {
template <class Handler, class Message>
struct handler_does_not_take_message;
template <class Handler>
struct handler_does_not_take_unroutable;
template <class First, class Second>
struct two_messages_go_by_one_name;
} // namespace errors

/// \tparam R is what every overload of a handler returns: a `task`, usually. Messages are passed by
/// value, so that a coroutine that handles one owns it.
template <class R, routable... Messages>
class router {
  public:
    /// Decodes `body` as the message that goes by `name`, and passes it to `handler`; or passes it
    /// an `unroutable`. An overload may take the name as a second argument (`std::string_view`, one
    /// of the literals of the message), where several names share a message.
    template <class Handler>
    static R dispatch(std::string_view name, boost::json::value const& body, Handler& handler) {
        static_assert(takes_all<Handler>());
        static constexpr auto routes = sorted_routes<Handler>();
        auto const found = std::ranges::lower_bound(routes, name, {}, &route<Handler>::name);
        if (found == routes.end() || found->name != name) {
            return handler(unroutable{std::string(name), std::nullopt});
        }
        return found->call(found->name, body, handler);
    }

    /// All names, sorted.
    static constexpr auto names() {
        std::array<std::string_view, count> all{};
        std::ranges::transform(sorted_names(), all.begin(), &named::text);
        return all;
    }

  private:
    template <class M>
    static constexpr auto names_of() {
        if constexpr (aliased_message<M>)
            return M::types;
        else
            return std::array<std::string_view, 1>{M::type};
    }

    static constexpr std::size_t count = (std::size_t{0} + ... + names_of<Messages>().size());

    struct named {
        std::string_view text;
        std::size_t message; ///< which of `Messages`
        auto operator<=>(named const&) const = default;
    };

    static constexpr auto sorted_names() {
        std::array<named, count> all{};
        auto at = all.begin();
        std::size_t message = 0;
        boost::hana::for_each(boost::hana::tuple_t<Messages...>, [&](auto type) {
            for (std::string_view name : names_of<typename decltype(type)::type>())
                *at++ = {name, message};
            ++message;
        });
        std::ranges::sort(all);
        return all;
    }

    template <std::size_t i>
    using message_at = std::tuple_element_t<i, std::tuple<Messages...>>;

    static constexpr bool names_differ() {
        constexpr auto all = sorted_names();
        constexpr auto same = [](named const& a, named const& b) { return a.text == b.text; };
        constexpr auto at = static_cast<std::size_t>(
            std::ranges::distance(all.begin(), std::ranges::adjacent_find(all, same)));
        if constexpr (at != count) {
            using first = message_at<all[at].message>;
            using second = message_at<all[at + 1].message>;
            return sizeof(errors::two_messages_go_by_one_name<first, second>) != 0;
        }
        return true;
    }

    template <class Handler>
    struct route {
        std::string_view name;
        R (*call)(std::string_view, boost::json::value const&, Handler&) = nullptr;
    };

    /// By the overload that takes the name too, if there is one, else by one that does not.
    template <class Handler, class M>
    static constexpr bool takes() {
        if constexpr (std::invocable<Handler&, M, std::string_view>) {
            return std::same_as<std::invoke_result_t<Handler&, M, std::string_view>, R>;
        } else if constexpr (std::invocable<Handler&, M>) {
            return std::same_as<std::invoke_result_t<Handler&, M>, R>;
        }
        return false;
    }

    template <class Handler, class M>
    static constexpr bool check() {
        if constexpr (!takes<Handler, M>()) {
            return sizeof(errors::handler_does_not_take_message<Handler, M>) != 0;
        }
        return true;
    }

    template <class Handler>
    static constexpr bool takes_all() {
        static_assert(names_differ());
        static_assert((check<Handler, Messages>() && ...));
        if constexpr (!std::is_invocable_r_v<R, Handler&, unroutable>) {
            return sizeof(errors::handler_does_not_take_unroutable<Handler>) != 0;
        }
        return true;
    }

    template <class Handler, class M>
    static R call(std::string_view name, boost::json::value const& body, Handler& handler) {
        auto decoded = json::decode<M>(body);
        if (!decoded) return handler(unroutable{std::string(name), decoded.error()});
        if constexpr (std::invocable<Handler&, M, std::string_view>) {
            return handler(std::move(*decoded), name);
        } else {
            return handler(std::move(*decoded));
        }
    }

    template <class Handler>
    static constexpr auto sorted_routes() {
        std::array<route<Handler>, count> routes{};
        auto at = routes.begin();
        boost::hana::for_each(boost::hana::tuple_t<Messages...>, [&](auto type) {
            using message_type = typename decltype(type)::type;
            for (std::string_view name : names_of<message_type>())
                *at++ = {name, &call<Handler, message_type>};
        });
        std::ranges::sort(routes, {}, &route<Handler>::name);
        return routes;
    }
};

} // namespace parley
