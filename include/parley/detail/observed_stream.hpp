// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// A stream that tells whether its reader has taken everything that has come.

#include <parley/error.hpp>
#include <parley/task.hpp>

#include <boost/asio/associator.hpp>
#include <boost/asio/async_result.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

namespace parley::detail {

/// Completes a read, after it has been noted.
template <class Handler>
struct observed_read {
    Handler handler;
    bool* waiting;

    void operator()(error_code ec, std::size_t n) {
        *waiting = false;
        std::move(handler)(ec, n);
    }
};

/// `Next`, with a view of its reader. A read that is pending has found nothing yet, or what it has
/// found is on its way through the executor's queue.
template <class Next>
class observed_stream : public Next {
  public:
    /// \param on_read called whenever a read begins.
    observed_stream(Next next, std::function<void()> on_read)
        : Next(std::move(next)), on_read_(std::move(on_read)) {}

    [[nodiscard]] bool reader_waits() const { return waiting_; }
    /// Since the beginning.
    [[nodiscard]] std::uint64_t reads() const { return reads_; }

    template <class Buffers, class Token>
    auto async_read_some(Buffers const& buffers, Token&& token) {
        return asio::async_initiate<Token, void(error_code, std::size_t)>(
            [this](auto handler, Buffers const& into) {
                waiting_ = true;
                ++reads_;
                on_read_();
                observed_read<decltype(handler)> observed{std::move(handler), &waiting_};
                Next::async_read_some(into, std::move(observed));
            },
            token, buffers);
    }

  private:
    std::function<void()> on_read_;
    std::uint64_t reads_ = 0;
    bool waiting_ = false;
};

} // namespace parley::detail

/// What is associated with a handler stays so: its executor, allocator and cancellation slot.
template <template <class, class> class Associator, class Handler, class Default>
struct boost::asio::associator<Associator, parley::detail::observed_read<Handler>, Default>
    : Associator<Handler, Default> {
    static auto get(parley::detail::observed_read<Handler> const& read) noexcept {
        return Associator<Handler, Default>::get(read.handler);
    }
    static auto get(parley::detail::observed_read<Handler> const& read,
                    Default const& otherwise) noexcept {
        return Associator<Handler, Default>::get(read.handler, otherwise);
    }
};
