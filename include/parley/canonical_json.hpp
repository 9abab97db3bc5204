// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The one text of a JSON value, for hashing and signing: RFC 8785 (consent broker specification,
/// §6).

#include <parley/detail/ecmascript_json.hpp>

#include <string>

namespace parley {

/// `value` as RFC 8785 writes it: no white space, members sorted by UTF-16 code units at every
/// level, numbers and strings as ECMAScript's `JSON.stringify` writes them. So -0 is `0`, and an
/// integer beyond 2^53 is the double that ECMAScript would have read. Pure, any thread.
///
/// What the RFC has no text for is still decided: a byte that is not well-formed UTF-8 (a
/// surrogate's included) becomes U+FFFD, and an infinity or NaN `null`. Neither can come from
/// parsed JSON.
///
/// Recurses as deep as `value` is nested: bound the depth when parsing.
inline std::string canonical_json(boost::json::value const& value) {
    std::string out;
    detail::append_json(out, value, detail::member_order::canonical);
    return out;
}

} // namespace parley
