// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// How a storage policy calls what it was given to run in a transaction, and how it hands back what
/// came of it.

#include <parley/error.hpp>

#include <boost/system/system_error.hpp>

#include <exception>
#include <functional>
#include <type_traits>
#include <utility>
#include <variant>

namespace parley::detail {

/// What `F` returns when called with a transaction; `std::monostate` for `void`.
template <class F, class Transaction>
using answer_of =
    std::conditional_t<std::is_void_v<std::invoke_result_t<F&, Transaction&>>, std::monostate,
                       std::remove_cvref_t<std::invoke_result_t<F&, Transaction&>>>;

/// An answer, an error, or the exception that only whoever wrote `F` can make sense of.
template <class R>
class call_outcome {
    std::variant<result<R>, std::exception_ptr> state_;

  public:
    call_outcome(result<R> answer) : state_(std::in_place_index<0>, std::move(answer)) {}
    call_outcome(std::exception_ptr thrown) : state_(std::in_place_index<1>, std::move(thrown)) {}

    /// Whether what the call did is to be kept.
    [[nodiscard]] bool succeeded() const {
        return state_.index() == 0 && std::get<0>(state_).has_value();
    }

    /// The answer or the error; throws what `F` threw.
    [[nodiscard]] result<R> get() && {
        if (auto* thrown = std::get_if<1>(&state_)) {
            // Moved out, so that the exception dies with whoever catches it, on that thread.
            std::rethrow_exception(std::exchange(*thrown, nullptr));
        }
        return std::get<0>(std::move(state_));
    }
};

/// Calls `f(transaction)` and catches what it throws: a `boost::system::system_error` (which is
/// what a transaction throws, and what `f` may throw to abandon its work) becomes its error code,
/// anything else is kept to be thrown where the answer is awaited.
template <class F, class Transaction>
call_outcome<answer_of<F, Transaction>> call_in(F& f, Transaction& transaction) {
    using answer = answer_of<F, Transaction>;
    try {
        if constexpr (std::is_void_v<std::invoke_result_t<F&, Transaction&>>) {
            std::invoke(f, transaction);
            return result<answer>(boost::system::in_place_value);
        } else {
            return result<answer>(boost::system::in_place_value, std::invoke(f, transaction));
        }
    } catch (boost::system::system_error const& e) {
        return result<answer>(boost::system::in_place_error, e.code());
    } catch (...) {
        return std::current_exception();
    }
}

} // namespace parley::detail
