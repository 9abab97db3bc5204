// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// One SQL statement through SOCI, with its values bound and its rows received by the description
/// of the row.

#include <parley/storage/table.hpp>

#include <soci/soci.h>

#include <array>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace parley::detail {

/// What the database said, without the values that were bound, which SOCI's `what()` would tell,
/// and without the name of SOCI's function.
inline std::string message_without_values(std::exception const& e) {
    auto const* from_soci = dynamic_cast<soci::soci_error const*>(&e);
    if (!from_soci) return e.what();
    auto const text = from_soci->get_error_message();
    auto const function = text.find("_backend::");
    auto const colon = function == text.npos ? text.npos : text.find(": ", function);
    return colon == text.npos ? text : text.substr(colon + 2);
}

inline void execute(soci::session& session, std::string_view sql) {
    session << sql;
}

/// A statement with its values bound as SOCI wants them: by reference, until it has run. It is
/// prepared anew each time: with SQLite that takes some 10 µs, little beside a commit, and a
/// statement that does not outlive its use cannot hold a snapshot open.
class bound_statement {
  public:
    explicit bound_statement(soci::session& session) : statement_(session) {}

    template <class T>
    void bind(T const& value) {
        statement_.exchange(soci::use(value));
    }

    template <class T>
    void bind(std::optional<T> const& value) {
        static T const nothing{};
        if (value) {
            bind(*value);
        } else {
            statement_.exchange(soci::use(nothing, null_));
        }
    }

    template <class Row>
    void bind_row(Row const& row) {
        for_each_column(row, [this](auto const& column) { this->bind(column); });
    }

    /// As `where_sql` has placeholders for them.
    template <class... C>
    void bind_criteria(C const&... criteria) {
        [[maybe_unused]] auto const add = [this](auto const& wanted) {
            if (wanted.value) this->bind(*wanted.value);
        };
        (add(criteria), ...);
    }

    std::size_t run(std::string const& sql) {
        start(sql);
        return static_cast<std::size_t>(statement_.get_affected_rows());
    }

    template <class Row>
    std::vector<Row> fetch(std::string const& sql) {
        Row row{};
        std::array<soci::indicator, column_count<Row>> nulls{};
        receive_into(row, nulls);
        std::vector<Row> rows;
        for (bool more = start(sql); more; more = statement_.fetch()) {
            rows.push_back(row);
            set_nulls(rows.back(), nulls);
        }
        return rows;
    }

  private:
    bool start(std::string const& sql) {
        statement_.alloc();
        statement_.prepare(sql);
        statement_.define_and_bind();
        return statement_.execute(true);
    }

    template <class Row>
    void receive_into(Row& row, std::array<soci::indicator, column_count<Row>>& nulls) {
        auto null = nulls.begin();
        for_each_column(row, [&]<class T>(T& column) {
            if constexpr (column_traits<T>::nullable) {
                statement_.exchange(soci::into(column.emplace(), *null));
            } else {
                statement_.exchange(soci::into(column, *null));
            }
            ++null;
        });
    }

    template <class Row>
    static void set_nulls(Row& row, std::array<soci::indicator, column_count<Row>> const& nulls) {
        std::size_t index = 0;
        for_each_column(row, [&]<class T>(T& column) {
            if (nulls[index] == soci::i_null) {
                if constexpr (column_traits<T>::nullable) {
                    column.reset();
                } else {
                    throw soci::soci_error(std::string(table<Row>::name) + '.' +
                                           std::string(column_names<Row>[index]) + " is null");
                }
            }
            ++index;
        });
    }

    soci::statement statement_;
    soci::indicator null_ = soci::i_null;
};

} // namespace parley::detail
