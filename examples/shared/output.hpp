// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Printing for people and for machines.

#include <boost/json/value.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace shared {

/// The text with its control characters escaped, those that are not seen and those that turn the
/// direction of writing, and what is no UTF-8: what a peer once sent must not steer a terminal, nor
/// look like something else there.
std::string printable(std::string_view text);

/// Prints a table to standard output, its columns aligned; or `if_empty`, where it has no rows.
void print_table(std::vector<std::string> const& header,
                 std::vector<std::vector<std::string>> const& rows, std::string_view if_empty);

/// Prints a value to standard output, in one line.
void print_json(boost::json::value const& value);

/// The text of a value, indented by two spaces a level, and with a newline at its end. The value is
/// not nested deeper than a stack can bear.
std::string pretty_json(boost::json::value const& value);

} // namespace shared
