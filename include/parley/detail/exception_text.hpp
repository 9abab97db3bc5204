// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What went wrong, for the log.

#include <exception>
#include <string>

namespace parley::detail {

/// What the exception that is being handled says of itself. To be called in a `catch`.
inline std::string exception_text() {
    try {
        throw;
    } catch (std::exception const& e) {
        return e.what();
    } catch (...) {
        return "unknown exception";
    }
}

} // namespace parley::detail
