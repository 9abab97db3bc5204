// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What is known of a query's pages for as long as its database has not changed.

#include <parley/tables/sql.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace parley::tables {

/// Where the pages of one query begin, and how many rows it has. SQLite counts rows, and finds the
/// n-th, by going through all of them: whoever turns the pages of a large table need not pay for
/// that with every page. Nothing is guessed: another version, or another query, and all is
/// forgotten. Holds up to 1 MB of filters' patterns and 640 kB of keys.
class sqlite_page_marks {
  public:
    /// Two equal ones, on one connection, mean that no row of the database has changed between.
    struct version {
        std::int64_t others; ///< of commits by other connections: `PRAGMA data_version`
        std::int64_t own;    ///< rows that this connection has changed: `sqlite3_total_changes64`

        friend bool operator==(version const&, version const&) = default;
    };

    /// To be called, within the transaction, before the rest. \param count tells the query's table
    /// and filters apart from others.
    void look_at(sql_statement const& count, version now) {
        if (now == version_ && count.text == query_.text && count.parameters == query_.parameters)
            return;
        query_ = count;
        version_ = now;
        total_.reset();
        keys_.clear();
    }

    /// Which column the marks are of, before the next two. The schema of another client's table may
    /// be older, or newer, and have another primary key.
    void look_by(std::string_view column) {
        if (column == column_) return;
        column_ = column;
        keys_.clear();
    }

    [[nodiscard]] std::optional<std::uint64_t> total() const { return total_; }
    void set_total(std::uint64_t rows) { total_ = rows; }

    /// The last row that is known, up to this position in the order of the primary key.
    [[nodiscard]] std::optional<known_row> last_up_to(std::int64_t position) const {
        auto const after = keys_.upper_bound(position);
        if (after == keys_.begin()) return std::nullopt;
        auto const& [at, key] = *std::prev(after);
        return known_row{at, key};
    }

    void add(known_row row) {
        constexpr std::size_t most = 10'000; // of 64 bytes each
        if (keys_.size() < most) keys_.emplace(row.position, row.key);
    }

  private:
    sql_statement query_; // its size: max_filters times max_pattern, and names
    std::string column_;
    version version_{};
    std::optional<std::uint64_t> total_;
    std::map<std::int64_t, std::int64_t> keys_; // by position
};

} // namespace parley::tables
