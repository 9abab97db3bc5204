// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Rows described once: a Boost.Hana struct whose members are the columns, a `table` that names the
/// table, and criteria that name a column and are checked against the struct by the compiler.
///
/// \code
/// struct pet {
///     BOOST_HANA_DEFINE_STRUCT(pet, (std::string, name), (std::optional<std::int64_t>, age));
/// };
/// template <> struct parley::table<pet> {
///     static constexpr std::string_view name = "pets";
///     static constexpr std::string_view primary_key = "name";
/// };
/// transaction.select<pet>(parley::where<"age">(3)); // where<"aeg"> does not compile
/// \endcode

#include <boost/hana/accessors.hpp>
#include <boost/hana/at.hpp>
#include <boost/hana/concept/struct.hpp>
#include <boost/hana/define_struct.hpp>
#include <boost/hana/first.hpp>
#include <boost/hana/for_each.hpp>
#include <boost/hana/second.hpp>
#include <boost/hana/string.hpp>
#include <boost/hana/tuple.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace parley {

/// Text as a template argument: the `"status"` of `where<"status">`.
template <std::size_t N>
struct fixed_string {
    char text[N]{};

    consteval fixed_string(char const (&t)[N]) { std::copy_n(t, N, text); }
    [[nodiscard]] constexpr std::string_view view() const { return {text, N - 1}; }
};

/// To be specialised for each row type:
/// - `static constexpr std::string_view name, primary_key;` the table, and the one member that no
///   two rows share;
/// - optionally `static bool conflicts(Row const& a, Row const& b)`: a rule of the table by which
///   two rows cannot both be there;
/// - optionally `static bool may_become(Row const& before, Row const& after)`: a rule of the table
///   about updates.
///
/// The two rules are for `memory_storage`; in a database its constraints and triggers state them.
template <class Row>
struct table;

namespace detail {

template <class T>
struct column_traits {
    using value_type = T;
    static constexpr bool nullable = false;
};
template <class T>
struct column_traits<std::optional<T>> {
    using value_type = T;
    static constexpr bool nullable = true;
};

/// The type of a column without regard to whether it may be null.
template <class T>
using column_value = typename column_traits<T>::value_type;

template <class T>
concept column_type = std::same_as<column_value<T>, std::string> ||
                      std::same_as<column_value<T>, std::int64_t> || std::same_as < column_value<T>,
double > ;

template <class Row, class Accessor>
using member_type = std::remove_cvref_t<decltype(boost::hana::second(std::declval<Accessor>())(
    std::declval<Row const&>()))>;

template <class Row, class... Accessor>
std::tuple<member_type<Row, Accessor>...>
member_types(boost::hana::tuple<Accessor...> const&); // never defined: only its type is used

/// The types of the columns, in declaration order.
template <class Row>
using column_types = decltype(member_types<Row>(boost::hana::accessors<Row>()));

template <class... Accessor>
constexpr auto member_names(boost::hana::tuple<Accessor...> const&) {
    return std::array{std::string_view(
        std::remove_cvref_t<decltype(boost::hana::first(std::declval<Accessor>()))>::c_str())...};
}

/// The names of the columns, in declaration order.
template <class Row>
inline constexpr auto column_names = member_names(boost::hana::accessors<Row>());

template <class Row>
inline constexpr std::size_t column_count = std::tuple_size_v<column_types<Row>>;

/// Where the column stands in the row; `column_count` when there is none of that name.
template <class Row>
constexpr std::size_t column_index(std::string_view name) {
    auto const& names = column_names<Row>;
    return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

template <class Row>
constexpr bool has_column(std::string_view name) {
    return column_index<Row>(name) < column_count<Row>;
}

template <class Types>
inline constexpr bool all_columns = false;
template <class... T>
inline constexpr bool all_columns<std::tuple<T...>> = (column_type<T> && ...);

/// The member at `Index`, as a reference.
template <std::size_t Index, class Row>
constexpr auto& column(Row& row) {
    constexpr auto accessors = boost::hana::accessors<std::remove_const_t<Row>>();
    return boost::hana::second(boost::hana::at_c<Index>(accessors))(row);
}

/// Calls `f(member)` for each column in declaration order.
template <class Row, class F>
constexpr void for_each_column(Row& row, F f) {
    boost::hana::for_each(boost::hana::accessors<std::remove_const_t<Row>>(),
                          [&](auto const& accessor) { f(boost::hana::second(accessor)(row)); });
}

} // namespace detail

/// A row that a storage policy can hold: a Hana struct of `std::string`, `std::int64_t`, `double`
/// and `std::optional` of these, with a `table` whose primary key is one of its members.
template <class Row>
concept table_row =
    boost::hana::Struct<Row>::value && detail::all_columns<detail::column_types<Row>> && requires {
    std::string_view(table<Row>::name);
} && detail::has_column<Row>(table<Row>::primary_key);

namespace detail {

template <class T>
struct criterion_value;
template <class T>
requires std::convertible_to<T const&, std::string_view>
struct criterion_value<T> : std::type_identity<std::string> {
};
template <std::signed_integral T>
struct criterion_value<T> : std::type_identity<std::int64_t> {};
template <std::floating_point T>
struct criterion_value<T> : std::type_identity<double> {};
template <class T>
struct criterion_value<std::optional<T>> : criterion_value<T> {};

template <class T>
using criterion_value_t = typename criterion_value<std::decay_t<T>>::type;

} // namespace detail

/// What a row must hold in one column. Made by `where` and `where_if`.
template <fixed_string Column, class Value>
struct criterion {
    using value_type = Value;
    static constexpr std::string_view column = Column.view();

    std::optional<Value> value; ///< empty: the column is null
    bool any = false;           ///< every row meets it
};

/// The column equals `value`; an empty optional asks for null.
template <fixed_string Column, class T>
[[nodiscard]] criterion<Column, detail::criterion_value_t<T>> where(T const& value) {
    return {.value = std::optional<detail::criterion_value_t<T>>(value)};
}

/// The column equals `*value`; an empty optional asks for nothing, so that every row will do.
template <fixed_string Column, class T>
[[nodiscard]] criterion<Column, detail::criterion_value_t<T>>
where_if(std::optional<T> const& value) {
    return {.value = std::optional<detail::criterion_value_t<T>>(value), .any = !value};
}

/// A criterion that names a column of `Row` and compares it with a value of its own type.
template <class Criterion, class Row>
concept criterion_for =
    detail::has_column<Row>(Criterion::column) && std::same_as < detail::column_value <
    std::tuple_element_t < detail::column_index<Row>(Criterion::column)
, detail::column_types < Row >>>, typename Criterion::value_type > ;

namespace detail {

/// Whether `row` meets `wanted`.
template <table_row Row, criterion_for<Row> Criterion>
bool meets(Row const& row, Criterion const& wanted) {
    return wanted.any || column<column_index<Row>(Criterion::column)>(row) == wanted.value;
}

} // namespace detail

} // namespace parley
