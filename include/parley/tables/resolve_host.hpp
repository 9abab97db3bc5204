// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The addresses of a host, within a deadline.

#include <parley/detail/completion.hpp>
#include <parley/tables/blocking_call.hpp>
#include <parley/tables/failure.hpp>
#include <parley/tables/operation.hpp>
#include <parley/task.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

namespace parley::tables {

namespace detail {

/// One lookup, which whoever comes first ends: the resolver, the deadline or a cancellation. Used
/// on the thread of its executor only.
struct host_lookup : std::enable_shared_from_this<host_lookup> {
    using resolver_type = asio::ip::basic_resolver<asio::ip::tcp, executor>;
    using timer_type =
        asio::basic_waitable_timer<std::chrono::steady_clock,
                                   asio::wait_traits<std::chrono::steady_clock>, executor>;

    host_lookup(executor ex, time_point deadline) : resolver(ex), timer(ex, deadline) {}

    void start(std::string const& host,
               parley::detail::completion<outcome<std::string>> when_done) {
        done = std::move(when_done);
        auto const self = this->shared_from_this();
        timer.async_wait([self](error_code ec) {
            if (!ec) self->finish(stopped_failure(failure_code::timed_out));
        });
        resolver.async_resolve(host, "",
                               [self](error_code ec, resolver_type::results_type const& found) {
                                   self->finish(ec ? unknown() : list(found));
                               });
    }

    void finish(outcome<std::string> answer) {
        if (!done) return;
        timer.cancel();
        resolver.cancel(); // which still ends only when the operating system has answered
        done(std::move(answer));
    }

    static outcome<std::string> unknown() {
        return failure{failure_code::unreachable, "The host's name is not known"};
    }

    static outcome<std::string> list(resolver_type::results_type const& found) {
        constexpr int most = 4;
        std::string addresses;
        int count = 0;
        for (auto const& entry : found) {
            if (++count > most) break;
            addresses += (addresses.empty() ? "" : ",") + entry.endpoint().address().to_string();
        }
        if (addresses.empty()) return unknown();
        return addresses;
    }

    resolver_type resolver;
    timer_type timer;
    parley::detail::completion<outcome<std::string>> done;
};

} // namespace detail

/// The addresses of `host`, separated by commas; of many, the first few. `unreachable` when there
/// are none.
inline task<outcome<std::string>> resolve_host(std::string host, operation_ptr op) {
    error_code no_address;
    auto const address = asio::ip::make_address(host, no_address);
    if (!no_address) co_return address.to_string();

    auto const ex = co_await asio::this_coro::executor;
    auto const lookup = std::make_shared<detail::host_lookup>(ex, op->deadline());
    operation::interruption const on_cancel(*op, [lookup, ex] {
        asio::post(ex, [lookup] { lookup->finish(stopped_failure(failure_code::cancelled)); });
    });
    auto start = [&](parley::detail::completion<outcome<std::string>> done) {
        lookup->start(host, std::move(done));
    };
    co_return co_await parley::detail::await_completion<outcome<std::string>>(start);
}

} // namespace parley::tables
