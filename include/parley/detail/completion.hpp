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

/// A move-only `void(Rs...)` that may be called once, from any thread; it resumes the waiting
/// coroutine on the coroutine's own executor. Destroying it uncalled destroys the waiting
/// coroutine, so whoever holds one calls it.
template <class... Rs>
class completion {
    struct base {
        base() = default;
        base(base const&) = delete;
        base& operator=(base const&) = delete;
        virtual ~base() = default;
        virtual void complete(Rs...) = 0;
    };

    template <class Handler, class Work>
    struct model final : base {
        Handler handler;
        Work work; // keeps the io_context running while the answer is on its way

        model(Handler h, Work w) : handler(std::move(h)), work(std::move(w)) {}

        void complete(Rs... values) override {
            auto ex = work;
            asio::post(ex, [h = std::move(handler), ... vs = std::move(values)]() mutable {
                std::move(h)(std::move(vs)...);
            });
        }
    };

    std::unique_ptr<base> impl_;

  public:
    template <class Handler, class Work>
    completion(Handler handler, Work work)
        : impl_(std::make_unique<model<Handler, Work>>(std::move(handler), std::move(work))) {}

    completion() = default;

    void operator()(Rs... values) { std::exchange(impl_, nullptr)->complete(std::move(values)...); }

    /// False once called, moved from, or never given.
    explicit operator bool() const noexcept { return impl_ != nullptr; }
};

/// Calls `start(completion<R>)` and suspends until that completion is called. `R` is not a bare
/// `error_code`, which Asio would turn into an exception.
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
