// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// One of several backends, chosen when the program starts.

#include <parley/tables/backend.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace parley::tables {

/// A database of any of `Backends`.
template <backend... Backends>
class variant_database {
  public:
    using pointer = std::variant<std::shared_ptr<typename Backends::database_type>...>;

    explicit variant_database(pointer one) : one_(std::move(one)) {}

    [[nodiscard]] std::string version() const {
        return std::visit([](auto& d) { return std::string(d->version()); }, one_);
    }

    auto namespaces(operation_ptr op) {
        return std::visit([&](auto& d) { return d->namespaces(std::move(op)); }, one_);
    }
    auto tables(std::string const& ns, operation_ptr op) {
        return std::visit([&](auto& d) { return d->tables(ns, std::move(op)); }, one_);
    }
    auto describe(std::string const& ns, std::string const& table, operation_ptr op) {
        return std::visit([&](auto& d) { return d->describe(ns, table, std::move(op)); }, one_);
    }
    auto read_page(table_schema const& table, page_request const& request, operation_ptr op) {
        return std::visit([&](auto& d) { return d->read_page(table, request, std::move(op)); },
                          one_);
    }
    auto update_cell(table_schema const& table, cell_update const& update, operation_ptr op) {
        return std::visit([&](auto& d) { return d->update_cell(table, update, std::move(op)); },
                          one_);
    }
    auto insert_row(table_schema const& table, new_row const& row, operation_ptr op) {
        return std::visit([&](auto& d) { return d->insert_row(table, row, std::move(op)); }, one_);
    }
    auto delete_row(table_schema const& table, row_key const& key, operation_ptr op) {
        return std::visit([&](auto& d) { return d->delete_row(table, key, std::move(op)); }, one_);
    }

  private:
    pointer one_;
};

/// The backend of a program that is told by its configuration which it has.
template <backend... Backends>
class variant_backend {
  public:
    using database_type = variant_database<Backends...>;

    template <class Backend>
    explicit variant_backend(std::unique_ptr<Backend> one)
        : type(one->type), one_(std::move(one)) {}

    std::string_view type; ///< that of the one it has

    task<outcome<std::shared_ptr<database_type>>> open(credentials const& who, operation_ptr op) {
        return std::visit([&](auto& b) { return open_in(*b, who, std::move(op)); }, one_);
    }

  private:
    template <class Backend>
    static task<outcome<std::shared_ptr<database_type>>>
    open_in(Backend& backend, credentials const& who, operation_ptr op) {
        auto opened = co_await backend.open(who, std::move(op));
        if (!opened) co_return opened.error();
        co_return std::make_shared<database_type>(
            typename database_type::pointer(std::move(*opened)));
    }

    std::variant<std::unique_ptr<Backends>...> one_;
};

} // namespace parley::tables
