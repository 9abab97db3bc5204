// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Errors are values: `errc` for what can go wrong in a server, `problem` for what is wrong with
/// some input, and `result<T, E>` to carry either.

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

#include <stdexcept>
#include <string>
#include <type_traits>

namespace parley {

using boost::system::error_code;

/// A value, or the reason why there is none.
template <class T, class E = error_code>
using result = boost::system::result<T, E>;

/// What a policy reports when it cannot do what was asked.
enum class errc {
    storage_unavailable = 1, ///< the database cannot be opened, read or written
    constraint_violated,     ///< a row would break a rule of its table
    audit_unavailable,       ///< the audit log cannot be written or synced
    overloaded,              ///< a bounded queue is full; try again later
    credential_refused,      ///< the credential is not genuine
    stopping,                ///< the server is shutting down
    already_started,         ///< the server runs, and cannot be started until it has been stopped
};

namespace detail {

class errc_category final : public boost::system::error_category {
  public:
    [[nodiscard]] char const* name() const noexcept override { return "parley"; }
    [[nodiscard]] std::string message(int value) const override {
        switch (static_cast<errc>(value)) {
        case errc::storage_unavailable:
            return "storage unavailable";
        case errc::constraint_violated:
            return "constraint violated";
        case errc::audit_unavailable:
            return "audit log unavailable";
        case errc::overloaded:
            return "overloaded";
        case errc::credential_refused:
            return "credential refused";
        case errc::stopping:
            return "server stopping";
        case errc::already_started:
            return "server already started";
        }
        return "unknown error";
    }
};

inline constexpr errc_category errc_category_instance{};

} // namespace detail

inline error_code make_error_code(errc e) {
    return {static_cast<int>(e), detail::errc_category_instance};
}

/// What is wrong with a piece of input: where, what was found there, and what is allowed.
struct problem {
    std::string path; ///< the member at fault, as in `server.port` or `items[3].name`; may be empty
    std::string expected; ///< what is allowed: `a whole number from 1 to 65535`
    std::string found;    ///< what was there: `the string "abc"`, `nothing`

    /// `server.port: expected a whole number from 1 to 65535, found the string "abc"`
    [[nodiscard]] std::string text() const {
        return (path.empty() ? std::string() : path + ": ") + "expected " + expected + ", found " +
               found;
    }
};

/// What `result<T, problem>::value()` throws when there is no value.
[[noreturn]] inline void throw_exception_from_error(problem const& p,
                                                    boost::source_location const&) {
    throw std::invalid_argument(p.text());
}

} // namespace parley

template <>
struct boost::system::is_error_code_enum<parley::errc> : std::true_type {};
