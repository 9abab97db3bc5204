// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What a configuration's members may hold, said beside them:
///
///     struct server_section {
///         std::string host = "0.0.0.0";
///         int workers = 1;
///
///         static constexpr auto rules() {
///             return std::tuple(parley::rule(&server_section::host, parley::not_empty()),
///                               parley::rule(&server_section::workers, parley::between(1, 64)));
///         }
///     };
///
/// What a rule allows is any type with `bool operator()(T const&) const`, which tells whether a
/// value is allowed, and `std::string text() const`, which completes "expected ...", or
/// `std::string text(std::string_view type) const`, which is told what the type is: "a string". The
/// rule of a `required<T>` or an optional member is about the `T` in it.

#include <parley/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace parley {

/// What one member may hold; one rule for a member.
template <class Owner, class Member, class Allowed>
struct rule {
    Member Owner::*member;
    Allowed allowed;
};

template <class Owner, class Member, class Allowed>
rule(Member Owner::*, Allowed) -> rule<Owner, Member, Allowed>;

/// A number from `low` to `high`, both included; for a duration, its count of milliseconds. `unit`,
/// a literal, is said where the member's name does not say it: "a whole number of bytes from ...".
template <class Number>
class between {
  public:
    constexpr between(Number low, Number high, std::string_view unit = {})
        : low_(low), high_(high), unit_(unit) {}

    constexpr bool operator()(std::chrono::milliseconds v) const { return (*this)(v.count()); }

    template <class T>
    requires std::integral<T> || std::floating_point<T>
    constexpr bool operator()(T v) const {
        if constexpr (std::integral<T> && std::integral<Number>)
            return std::cmp_less_equal(low_, v) && std::cmp_less_equal(v, high_);
        else
            return static_cast<double>(low_) <= v && v <= static_cast<double>(high_);
    }

    [[nodiscard]] std::string text() const {
        std::string out = std::integral<Number> ? "a whole number" : "a number";
        if (!unit_.empty()) out.append(" of ").append(unit_);
        return out + " from " + json::describe(json::encode(low_)) + " to " +
               json::describe(json::encode(high_));
    }

  private:
    Number low_;
    Number high_;
    std::string_view unit_;
};

namespace detail {

/// Some string literals.
template <std::size_t N>
class literals {
  public:
    template <std::convertible_to<std::string_view>... Words>
    constexpr explicit literals(Words... words) : words_{std::string_view(words)...} {}

  protected:
    template <class Accept>
    [[nodiscard]] constexpr bool any(Accept accept) const {
        return std::any_of(words_.begin(), words_.end(), accept);
    }

    /// `"a", "b" or "c"`
    [[nodiscard]] std::string list() const {
        std::string out;
        for (std::size_t i = 0; i < N; ++i) {
            if (i > 0) out += i + 1 < N ? ", " : " or ";
            out.append(1, '"').append(words_[i]).append(1, '"');
        }
        return out;
    }

  private:
    std::array<std::string_view, N> words_;
};

} // namespace detail

/// One of these literals.
template <std::size_t N>
struct one_of : detail::literals<N> {
    using detail::literals<N>::literals;

    constexpr bool operator()(std::string_view v) const {
        return this->any([v](std::string_view word) { return v == word; });
    }
    [[nodiscard]] std::string text() const { return this->list(); }
};

template <class... Words>
one_of(Words...) -> one_of<sizeof...(Words)>;

/// A string that begins with one of these literals.
template <std::size_t N>
struct begins_with : detail::literals<N> {
    using detail::literals<N>::literals;

    constexpr bool operator()(std::string_view v) const {
        return this->any([v](std::string_view word) { return v.starts_with(word); });
    }
    [[nodiscard]] std::string text() const { return "a string that begins with " + this->list(); }
};

template <class... Words>
begins_with(Words...) -> begins_with<sizeof...(Words)>;

/// A string or a list with something in it.
struct not_empty {
    template <class T>
    constexpr bool operator()(T const& v) const {
        return !v.empty();
    }
    [[nodiscard]] std::string text(std::string_view type) const {
        return std::string(type) + " that is not empty";
    }
};

/// Whatever `predicate` accepts; `text`, a literal, completes "expected ...".
template <class Predicate>
class satisfying {
  public:
    constexpr satisfying(Predicate predicate, std::string_view text)
        : predicate_(std::move(predicate)), text_(text) {}

    template <class T>
    constexpr bool operator()(T const& v) const {
        return predicate_(v);
    }
    [[nodiscard]] std::string text() const { return std::string(text_); }

  private:
    Predicate predicate_;
    std::string_view text_;
};

} // namespace parley
