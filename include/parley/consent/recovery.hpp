// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// After a crash: every change that was committed gets its audit entry, once (consent broker
/// specification, §6).

#include <parley/audit/audit_record.hpp>
#include <parley/consent/outbox.hpp>
#include <parley/consent/records.hpp>
#include <parley/consent/relationships.hpp>
#include <parley/error.hpp>
#include <parley/json.hpp>
#include <parley/task.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::consent {

/// What was done with the records that a crash left in the outbox.
struct recovery {
    std::size_t found = 0;    ///< records whose entries were in the log already
    std::size_t appended = 0; ///< records whose entries were missing there, and were written now
};

namespace detail {

/// Finds entries of an outbox in an audit log.
class outbox_search {
  public:
    explicit outbox_search(std::vector<outbox_record> const& pending) {
        for (auto const& row : pending) {
            auto record = from_outbox(row);
            auto mark = mark_of(record);
            wanted_.push_back({std::move(record), std::move(mark)});
        }
        sequences_.resize(wanted_.size());
    }

    /// Looks at one line of the log. Lines that are no entries are passed over.
    void look_at(std::string_view line) {
        for (std::size_t i = 0; i < wanted_.size(); ++i) {
            if (sequences_[i] || line.find(wanted_[i].mark) == line.npos) continue;
            sequences_[i] = sequence_if(line, wanted_[i].record);
        }
    }

    /// For each record the sequence number of its entry, if that was seen.
    [[nodiscard]] std::vector<std::optional<std::int64_t>> const& sequences() const {
        return sequences_;
    }

  private:
    struct wanted {
        audit_record record;
        std::string mark; // found in the entry's line as it is; spares most lines the parsing
    };

    /// A UUID is written in one way only. Without one, every line is parsed.
    static std::string mark_of(audit_record const& record) {
        auto const* id = record.details.if_contains("relationship_id");
        auto const* text = id ? id->if_string() : nullptr;
        return text ? std::string(text->data(), text->size()) : std::string();
    }

    static std::optional<std::int64_t> sequence_if(std::string_view line,
                                                   audit_record const& record) {
        auto const parsed = json::parse(line);
        auto const* entry = parsed ? parsed->if_object() : nullptr;
        if (!entry) return std::nullopt;
        auto const is = [&](char const* member, boost::json::value const& value) {
            auto const* found = entry->if_contains(member);
            return found && *found == value;
        };
        if (!is("category", record.category.c_str()) || !is("action", record.action.c_str()) ||
            !is("details", record.details)) {
            return std::nullopt;
        }
        auto const* sequence = entry->if_contains("sequence");
        auto const* number = sequence ? sequence->if_int64() : nullptr;
        return number ? std::optional(*number) : std::nullopt;
    }

    std::vector<wanted> wanted_;
    std::vector<std::optional<std::int64_t>> sequences_;
};

} // namespace detail

/// Brings the outbox and the audit log together: a record whose entry is in the log is removed from
/// the outbox, any other is entered in the log first. To be done while nobody else writes either:
/// before a server starts. Reads the whole log, on the calling thread, but only when the outbox is
/// not empty. After an error it may be called again, and enters nothing twice.
/// \param log is the file that `audit` writes.
template <class Storage, class Audit>
task<result<recovery>> recover_outbox(Storage& storage, Audit& audit, std::filesystem::path log) {
    auto const look = [](auto& tx) { return pending_outbox(tx); };
    auto const pending = co_await storage.read(look);
    if (!pending) co_return pending.error();
    recovery done;
    if (pending->empty()) co_return done;

    detail::outbox_search search(*pending);
    std::ifstream lines(log, std::ios::binary);
    for (std::string line; std::getline(lines, line);)
        search.look_at(line);

    std::vector<settled_record> settled;
    for (std::size_t i = 0; i < pending->size(); ++i) {
        auto sequence = search.sequences()[i];
        ++(sequence ? done.found : done.appended);
        if (!sequence) {
            std::vector<audit_record> entries;
            entries.push_back(from_outbox((*pending)[i]));
            auto const written = co_await audit.append(std::move(entries));
            if (!written) co_return written.error();
            sequence = static_cast<std::int64_t>(*written);
        }
        settled.push_back({(*pending)[i].outbox_id, sequence});
    }
    auto const settle = [&settled](auto& tx) { settle_outbox(tx, settled); };
    auto const removed = co_await storage.write(settle);
    if (!removed) co_return removed.error();
    co_return done;
}

} // namespace parley::consent
