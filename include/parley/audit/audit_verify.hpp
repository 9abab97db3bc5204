// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Verifying an audit log, of any size, in one pass (consent broker specification, §6).

#include <parley/audit/audit_chain.hpp>
#include <parley/detail/posix_file.hpp>
#include <parley/error.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley {

/// Checks the lines of a log, one after the other.
///
/// A bad line is blamed once, and the lines after it are not: the next line may link to the hash
/// that a bad line states or to the one it should have stated, and after a line that is no JSON at
/// all, to anything. The sequence goes on from a line whose own hash is right, and is counted
/// across the others.
class audit_verifier {
  public:
    /// What is wrong with the next line, given without its newline; nothing when it is good.
    std::vector<std::string> check(std::string_view text) {
        audit_line line = read_audit_line(text);
        bool const genuine = line.faults.empty();

        std::uint64_t const wanted = last_.sequence + 1;
        if (line.sequence && *line.sequence != wanted) {
            line.faults.push_back("wrong sequence: expected " + std::to_string(wanted) +
                                  ", found " + std::to_string(*line.sequence));
        }
        if (line.prev_hash && !links_.empty() &&
            std::ranges::find(links_, *line.prev_hash) == links_.end()) {
            line.faults.push_back("broken link: prev_hash is not the hash of the line before");
        }

        last_.sequence = genuine ? *line.sequence : wanted;
        last_.hash = line.hash.value_or("");
        links_.clear();
        if (!line.computed_hash.empty()) links_.push_back(line.computed_hash);
        if (line.hash) links_.push_back(*line.hash);
        return std::move(line.faults);
    }

    /// What the last line states of itself (an empty hash if it states none).
    [[nodiscard]] audit_link const& last() const { return last_; }

  private:
    audit_link last_;
    std::vector<std::string> links_{last_.hash}; // what the next line may link to; none: anything
};

/// The outcome of verifying a log.
struct audit_summary {
    std::uint64_t lines = 0;     ///< all lines, good and bad
    std::uint64_t bad_lines = 0; ///< the log is good when this is 0
    /// The end of the chain. Nothing within a log shows that its end was cut off; a copy of this,
    /// kept elsewhere, does.
    audit_link last;
};

/// Verifies the log at `path`, which another process may be appending to. Calls `on_bad_line` for
/// each bad line, in order, with its number from 1 and all that is wrong with it. Holds one line of
/// at most `max_audit_line` bytes in memory; a longer one is bad. The error is that the file cannot
/// be read. Blocks.
inline result<audit_summary, problem>
verify_audit_log(std::filesystem::path const& path,
                 std::function<void(std::uint64_t, std::vector<std::string> const&)> on_bad_line) {
    auto const unreadable = [&](error_code ec) {
        return problem{path.string(), "an audit log that can be read", ec.message()};
    };
    auto file = detail::posix_file::open(path, O_RDONLY);
    if (!file) return unreadable(file.error());

    audit_verifier verifier;
    audit_summary summary;
    std::string line;
    auto const end_line = [&] {
        ++summary.lines;
        if (auto const faults = verifier.check(line); !faults.empty()) {
            ++summary.bad_lines;
            on_bad_line(summary.lines, faults);
        }
        line.clear();
    };
    std::vector<char> buffer(std::size_t{1} << 16U);
    for (;;) {
        auto const block = file->read(buffer);
        if (!block) return unreadable(block.error());
        if (block->empty()) break;
        for (std::string_view rest = *block; !rest.empty();) {
            auto const newline = rest.find('\n');
            // one byte too many shows that the line is too long; no need for more
            line += rest.substr(0, newline).substr(0, max_audit_line + 1 - line.size());
            if (newline != rest.npos) end_line();
            rest.remove_prefix(newline == rest.npos ? rest.size() : newline + 1);
        }
    }
    if (!line.empty()) end_line();
    summary.last = verifier.last();
    return summary;
}

} // namespace parley
