// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The bridge from a worker thread back to the coroutine that waits for it.

#include <parley/task.hpp>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include <memory>
#include <utility>

namespace parley::detail {

/// A move-only `void(R)` that may be called once, from any thread; it resumes the waiting coroutine
/// on the coroutine's own executor. Destroying it uncalled destroys the waiting coroutine, so
/// whoever holds one calls it.
template <class R>
class completion {
    struct base {
        base() = default;
        base(base const&) = delete;
        base& operator=(base const&) = delete;
        virtual ~base() = default;
        virtual void complete(R) = 0;
    };

    template <class Handler, class Work>
    struct model final : base {
        Handler handler;
        Work work; // keeps the io_context running while the answer is on its way

        model(Handler h, Work w) : handler(std::move(h)), work(std::move(w)) {}

        void complete(R value) override {
            auto ex = work;
            asio::post(ex, [h = std::move(handler), v = std::move(value)]() mutable {
                std::move(h)(std::move(v));
            });
        }
    };

    std::unique_ptr<base> impl_;

  public:
    template <class Handler, class Work>
    completion(Handler handler, Work work)
        : impl_(std::make_unique<model<Handler, Work>>(std::move(handler), std::move(work))) {}

    void operator()(R value) { std::exchange(impl_, nullptr)->complete(std::move(value)); }
};

/// Calls `start(completion<R>)` and suspends until that completion is called.
template <class R, class Start>
task<R> await_completion(Start start) {
    co_return co_await asio::async_initiate<asio::use_awaitable_t<executor> const, void(R)>(
        [](auto handler, Start begin) {
            auto ex = asio::get_associated_executor(handler);
            auto work = asio::prefer(ex, asio::execution::outstanding_work.tracked);
            begin(completion<R>(std::move(handler), std::move(work)));
        },
        use_task, std::move(start));
}

} // namespace parley::detail
