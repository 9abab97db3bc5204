// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// How an operation on a database fails, as its user is told.

#include <parley/error.hpp>

#include <stdexcept>
#include <string>
#include <string_view>

namespace parley::tables {

/// What went wrong, in the terms of the wire (table editor specification, §2).
enum class failure_code {
    invalid_input,       ///< a value, name or number that is not allowed
    not_found,           ///< no such namespace, table or row
    conflict,            ///< the stored value is no longer the one the client saw
    constraint_violated, ///< the database's own rules refuse it
    permission_denied,   ///< these credentials may not do it
    wrong_credentials,   ///< these credentials may not connect
    unreachable,         ///< the database does not answer, or has gone
    timed_out,           ///< the deadline passed; the statement was stopped
    cancelled,           ///< somebody cancelled it; the statement was stopped
    overloaded,          ///< too much is waiting already; try again later
    database_error,      ///< anything else that the database reports
};

/// The `code` of an error on the wire.
[[nodiscard]] constexpr std::string_view to_string(failure_code code) {
    switch (code) {
    case failure_code::invalid_input:
        return "INVALID_INPUT";
    case failure_code::not_found:
        return "NOT_FOUND";
    case failure_code::conflict:
        return "CONFLICT";
    case failure_code::constraint_violated:
        return "CONSTRAINT_VIOLATED";
    case failure_code::permission_denied:
        return "PERMISSION_DENIED";
    case failure_code::wrong_credentials:
        return "WRONG_CREDENTIALS";
    case failure_code::unreachable:
        return "UNREACHABLE";
    case failure_code::timed_out:
        return "TIMED_OUT";
    case failure_code::cancelled:
        return "CANCELLED";
    case failure_code::overloaded:
        return "OVERLOADED";
    case failure_code::database_error:
        break;
    }
    return "DATABASE_ERROR";
}

/// Why there is no answer. `message` is for the user: a sentence that names what was found and what
/// is allowed, without hosts, ports, credentials, or SQL.
struct failure {
    failure_code code = failure_code::database_error;
    std::string message;
};

/// What `outcome<T>::value()` throws when there is no value.
[[noreturn]] inline void throw_exception_from_error(failure const& f,
                                                    boost::source_location const&) {
    throw std::runtime_error(std::string(to_string(f.code)) + ": " + f.message);
}

template <class T>
using outcome = result<T, failure>;

} // namespace parley::tables
