// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What an operation on a `soci_storage` works with, and what a backend is to offer for it.

#include <parley/detail/soci_statement.hpp>
#include <parley/detail/sql.hpp>
#include <parley/error.hpp>
#include <parley/storage/table.hpp>

#include <boost/system/system_error.hpp>
#include <soci/soci.h>

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley {

/// What a database must say of itself to serve as the `Backend` of a `soci_storage`.
///
/// `options` has at least `prepare_schema` (`std::function<void(soci::session&)>`), `max_queued`
/// (`std::size_t`) and `report` (`std::function<void(std::string_view)>`). It may have `read_only`
/// (`bool`): `prepare_schema` runs in a transaction that only reads then.
template <class B>
concept soci_backend_type = requires(typename B::options o, soci::session& session,
                                     soci::soci_error const& error, std::exception const& failure) {
    o.prepare_schema(session);
    o.report(std::string_view());
    std::size_t(o.max_queued);
    // The statements that begin a transaction: one that will write, one that sees a snapshot.
    std::string_view(B::begin_write);
    std::string_view(B::begin_read);
    // A new connection; throws when there can be none.
    { B::connect(o) } -> std::same_as<std::unique_ptr<soci::session>>;
    // Called once the schema is prepared, for the connection that writes and the one that reads.
    B::make_writer(session);
    B::make_reader(session);
    // Whether a failed statement broke a rule of the schema, or the database did not work.
    { B::classify(error) } -> std::same_as<errc>;
    // What to tell the operator when opening failed.
    { B::open_problem(o, failure) } -> std::same_as<problem>;
};

/// What an operation sees and does. Values are always bound, never part of the SQL text. Everything
/// here throws `boost::system::system_error`: `errc::constraint_violated` when a constraint or a
/// trigger of the schema refused the statement, `errc::storage_unavailable` for all else; an
/// operation lets these pass.
template <soci_backend_type Backend>
class soci_transaction {
  public:
    /// The rows that meet all the criteria, in the order of their primary keys.
    template <table_row Row, criterion_for<Row>... C>
    [[nodiscard]] std::vector<Row> select(C const&... criteria) {
        return fetch<Row>(detail::select_sql<Row>(criteria...), criteria...);
    }

    /// The first row that meets all the criteria.
    template <table_row Row, criterion_for<Row>... C>
    [[nodiscard]] std::optional<Row> find(C const&... criteria) {
        auto rows = fetch<Row>(detail::select_sql<Row>(criteria...) + " LIMIT 1", criteria...);
        if (rows.empty()) return std::nullopt;
        return std::move(rows.front());
    }

    template <table_row Row>
    void insert(Row const& row) {
        static std::string const sql = detail::insert_sql<Row>();
        run(sql, [&](auto& statement) { statement.bind_row(row); });
    }

    /// Replaces the row of the same primary key; false when there is none.
    template <table_row Row>
    bool update(Row const& row) {
        static std::string const sql = detail::update_sql<Row>();
        constexpr auto key = detail::column_index<Row>(table<Row>::primary_key);
        return run(sql, [&](auto& statement) {
                   statement.bind_row(row);
                   statement.bind(detail::column<key>(row));
               }) != 0;
    }

    /// Removes the rows that meet all the criteria, and returns how many they were.
    template <table_row Row, criterion_for<Row>... C>
    std::size_t remove(C const&... criteria) {
        return run(detail::delete_sql<Row>(criteria...),
                   [&](auto& statement) { statement.bind_criteria(criteria...); });
    }

  private:
    template <soci_backend_type B>
    friend class soci_storage;
    using reporter = std::function<void(std::string_view)>;

    soci_transaction(soci::session& session, reporter const& report)
        : session_(session), report_(report) {}

    template <class Row, class... C>
    std::vector<Row> fetch(std::string const& sql, C const&... criteria) {
        return guarded([&] {
            detail::bound_statement statement(session_);
            statement.bind_criteria(criteria...);
            return statement.template fetch<Row>(sql);
        });
    }

    template <class Bind>
    std::size_t run(std::string const& sql, Bind bind) {
        return guarded([&] {
            detail::bound_statement statement(session_);
            bind(statement);
            return statement.run(sql);
        });
    }

    template <class Statement>
    auto guarded(Statement statement) {
        // The database may have ended the transaction; what came after would be one of its own.
        if (broken_) throw boost::system::system_error(errc::storage_unavailable);
        try {
            return statement();
        } catch (soci::soci_error const& e) {
            auto const kind = Backend::classify(e);
            broken_ = kind != errc::constraint_violated;
            report_(detail::message_without_values(e));
            throw boost::system::system_error(kind);
        }
    }

    soci::session& session_;
    reporter const& report_;
    bool broken_ = false;
};

} // namespace parley
