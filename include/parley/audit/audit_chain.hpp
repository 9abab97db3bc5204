// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The hash chain of an audit log, as lines of text (consent broker specification, §6). Each entry
/// holds the hash of the one before, so no entry can be changed, removed or put in between unless
/// everything after it is written anew. Pure functions.

#include <parley/audit/audit_record.hpp>
#include <parley/detail/exact_json.hpp>
#include <parley/encoding.hpp>
#include <parley/timestamp.hpp>

#include <boost/json/value.hpp>

#include <cryptopp/sha.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley {

/// The longest line of a log, in bytes, without its newline.
inline constexpr std::size_t max_audit_line = std::size_t{1} << 20U;

/// What the next entry of a chain links to: the entry before it. As constructed: none yet.
struct audit_link {
    std::uint64_t sequence = 0;              ///< of that entry; the first one's is 1
    std::string hash = std::string(64, '0'); ///< of that entry, 64 lower-case hex digits

    bool operator==(audit_link const&) const = default;
};

/// What a line of a log says.
struct audit_line {
    std::optional<std::uint64_t> sequence; ///< empty when missing or mistyped
    std::optional<std::string> prev_hash;  ///< likewise
    std::optional<std::string> hash;       ///< likewise
    std::string computed_hash;             ///< of what the line says; empty when it is no object
    std::vector<std::string> faults;       ///< what is wrong with the line taken alone
};

namespace detail {

/// The hash of an entry: of its canonical form, without a member `hash`.
inline std::string audit_hash(boost::json::object const& entry) {
    std::string text;
    append_json(text, entry, member_order::canonical);
    std::array<std::uint8_t, CryptoPP::SHA256::DIGESTSIZE> digest{};
    CryptoPP::SHA256().CalculateDigest(
        digest.data(), reinterpret_cast<std::uint8_t const*>(text.data()), text.size());
    return to_hex(digest);
}

/// A member of an entry: what it is, and whether a value is that.
struct audit_member {
    std::string_view name;
    bool required;
    std::string_view expected;
    bool (*accepts)(boost::json::value const&);
};

inline bool is_audit_hash(boost::json::value const& value) {
    auto const* text = value.if_string();
    return text && text->size() == 64 &&
           std::ranges::all_of(*text, [](char c) { return hex_digits.find(c) != hex_digits.npos; });
}

inline constexpr std::array<audit_member, 8> audit_members{{
    {"sequence", true, "a whole number from 1",
     [](auto const& value) { return value.is_int64() && value.get_int64() >= 1; }},
    {"timestamp", true, "a time as in 2026-02-21T10:15:30.123Z",
     [](auto const& value) {
         return value.is_string() && parse_timestamp(as_std(value.get_string())).has_value();
     }},
    {"category", true, "a string", [](auto const& value) { return value.is_string(); }},
    {"action", true, "a string", [](auto const& value) { return value.is_string(); }},
    {"prev_hash", true, "64 lower-case hex digits", is_audit_hash},
    {"actor", false, "a string", [](auto const& value) { return value.is_string(); }},
    {"details", false, "an object", [](auto const& value) { return value.is_object(); }},
    {"hash", true, "64 lower-case hex digits", is_audit_hash},
}};

/// The value of a member, when it is there and is what it should be; else says so in `faults`.
inline boost::json::value const* check_audit_member(boost::json::object const& entry,
                                                    audit_member const& member,
                                                    std::vector<std::string>& faults) {
    auto const* value = entry.if_contains(member.name);
    if (!value && !member.required) return nullptr;
    if (value && member.accepts(*value)) return value;
    faults.push_back((value ? "mistyped" : "missing") + (" member \"" + std::string(member.name)) +
                     "\": expected " + std::string(member.expected));
    return nullptr;
}

inline void check_audit_member_names(boost::json::object const& entry,
                                     std::vector<std::string>& faults) {
    for (auto const& member : entry) {
        auto const name = as_std(member.key());
        if (std::ranges::find(audit_members, name, &audit_member::name) == audit_members.end()) {
            faults.push_back("unexpected member " + quote_for_report(name));
            return; // one is enough for the line to be bad, and there may be very many
        }
    }
}

} // namespace detail

/// The line, without a newline, of the entry that follows `last`; makes that entry the new `last`.
/// Milliseconds are what is kept of `instant`. The line may be longer than `max_audit_line`, if
/// `record` is that large: it must not be written then.
inline std::string next_audit_line(audit_link& last, audit_record record,
                                   std::chrono::system_clock::time_point instant) {
    boost::json::object entry;
    entry.reserve(detail::audit_members.size());
    entry.emplace("sequence", ++last.sequence);
    entry.emplace("timestamp", format_timestamp(instant));
    entry.emplace("category", record.category);
    entry.emplace("action", record.action);
    entry.emplace("prev_hash", last.hash);
    if (record.actor) entry.emplace("actor", *record.actor);
    if (!record.details.empty()) entry.emplace("details", std::move(record.details));
    last.hash = detail::audit_hash(entry);
    entry.emplace("hash", last.hash);

    std::string line;
    detail::append_json(line, entry, detail::member_order::as_stored);
    return line;
}

/// Reads a line, without its newline, and checks all that can be checked without the lines around
/// it. Any bytes may be given.
inline audit_line read_audit_line(std::string_view text) {
    constexpr std::size_t max_depth = 64; // a peer's message of 32 levels fits into `details`
    audit_line line;
    if (text.size() > max_audit_line) {
        line.faults.push_back("longer than " + std::to_string(max_audit_line) + " bytes");
        return line;
    }
    auto parsed = detail::parse_exact_json(text, max_depth);
    if (!parsed || !parsed->is_object()) {
        line.faults.push_back("not JSON: " + (parsed ? "not an object" : parsed.error().found));
        return line;
    }
    boost::json::object& entry = parsed->get_object();
    for (auto const& member : detail::audit_members) {
        auto const* value = detail::check_audit_member(entry, member, line.faults);
        if (!value) continue;
        if (member.name == "sequence") line.sequence = value->get_int64();
        if (member.name == "prev_hash") line.prev_hash = value->get_string();
        if (member.name == "hash") line.hash = value->get_string();
    }
    detail::check_audit_member_names(entry, line.faults);

    entry.erase("hash");
    line.computed_hash = detail::audit_hash(entry);
    if (line.hash && *line.hash != line.computed_hash) line.faults.push_back("hash mismatch");
    return line;
}

} // namespace parley
