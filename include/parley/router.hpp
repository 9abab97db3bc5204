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
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
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

/// What a compiler complains of: its first error line names the handler and the message.
namespace errors {
template <class Handler, class Message>
struct handler_does_not_take_message;
template <class Handler>
struct handler_does_not_take_unroutable;
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
        auto at = all.begin();
        boost::hana::for_each(boost::hana::tuple_t<Messages...>, [&](auto type) {
            for (std::string_view name : names_of<typename decltype(type)::type>())
                *at++ = name;
        });
        std::ranges::sort(all);
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

    static constexpr bool names_differ() {
        auto const all = names();
        return std::ranges::adjacent_find(all) == all.end();
    }

    template <class Handler>
    struct route {
        std::string_view name;
        R (*call)(std::string_view, boost::json::value const&, Handler&) = nullptr;
    };

    template <class Handler, class M>
    static constexpr bool takes = requires(Handler& handler, M message, std::string_view name) {
        requires requires {
            { handler(std::move(message)) } -> std::same_as<R>;
        } || requires {
            { handler(std::move(message), name) } -> std::same_as<R>;
        };
    };

    template <class Handler, class M>
    static constexpr bool check() {
        if constexpr (!takes<Handler, M>) {
            return sizeof(errors::handler_does_not_take_message<Handler, M>) != 0;
        }
        return true;
    }

    template <class Handler>
    static constexpr bool takes_all() {
        static_assert(names_differ(), "two messages go by one name");
        static_assert((check<Handler, Messages>() && ...));
        if constexpr (!takes<Handler, unroutable>) {
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
