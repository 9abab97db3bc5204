// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Opening the file of an audit log: alone, and where the last writer left off, however it ended.

#include <parley/audit/audit_chain.hpp>
#include <parley/detail/append_file.hpp>
#include <parley/detail/posix_file.hpp>
#include <parley/timestamp.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::detail {

/// A log that is open and locked, and can be appended to.
struct audit_log_file {
    append_file<posix_file> file;
    audit_link last;    ///< the last entry in it
    std::string notice; ///< what the operator must know about how it was found; mostly empty
};

/// Opens a log, and mends its end if that was torn. One call of `open`, then this is done with.
class audit_log_opener {
  public:
    audit_log_opener(std::filesystem::path path, std::chrono::system_clock::time_point now)
        : path_(std::move(path)), now_(now) {}

    result<audit_log_file, problem> open() {
        if (auto ec = make_private_directories(path_.parent_path())) return unusable(ec);
        auto file = posix_file::open(path_, O_RDWR | O_APPEND | O_CREAT, 0600);
        if (!file) return unusable(file.error());
        if (auto ec = file->lock()) return ec.value() == EWOULDBLOCK ? locked() : unusable(ec);
        auto size = file->size();
        if (!size) return unusable(size.error());
        // made just now, or by one who then lost power: its name is not durable yet
        if (*size == 0) {
            if (auto ec = sync_directory(path_.parent_path())) return unusable(ec);
        }
        return resume(std::move(*file), *size);
    }

  private:
    static constexpr std::size_t block_size = std::size_t{1} << 16U;

    problem unusable(error_code ec) const {
        return {path_.string(), "a file that this process can create, read and append to",
                ec.message()};
    }
    problem locked() const {
        return {path_.string(), "an audit log of this process alone",
                "another process writing it: stop that one, or choose another path"};
    }
    problem corrupt(std::string const& why) const {
        return {path_.string(), "an audit log whose last line is a valid entry",
                why + ": run `audit verify` on it, and to start a new log move it away"};
    }

    result<audit_log_file, problem> resume(posix_file file, std::uint64_t size) {
        auto const whole = line_start(file, size); // where the last whole line ends
        if (!whole) return unusable(whole.error());
        auto tail = read_line(file, *whole, size);
        if (!tail) return unusable(tail.error());
        if (auto const line = read_audit_line(*tail); line.faults.empty()) {
            // only the newline is missing
            auto ec = file.write("\n");
            if (!ec) ec = file.sync();
            if (ec) return unusable(ec);
            return audit_log_file{{std::move(file), size + 1}, {*line.sequence, *line.hash}, {}};
        }

        auto last = last_link(file, *whole);
        if (!last) return last.error();
        std::string notice;
        if (*whole < size) {
            // with nothing before it to vouch for the file, it must at least look like a log
            if (*whole == 0 && !begins_like_an_entry(*tail)) return corrupt("no entry at all");
            auto const side = path_.string() + ".torn-" + format_timestamp(now_);
            if (auto ec = move_tail(file, *whole, side)) {
                return problem{side, "a place for the torn last line of the audit log",
                               ec.message()};
            }
            notice = "audit log " + path_.string() + ": its last line was torn; " +
                     std::to_string(size - *whole) + " bytes were moved to " + side;
        }
        return audit_log_file{{std::move(file), *whole}, std::move(*last), std::move(notice)};
    }

    /// The entry whose line, with its newline, ends at `end`.
    result<audit_link, problem> last_link(posix_file const& file, std::uint64_t end) const {
        if (end == 0) return audit_link{};
        auto const begin = line_start(file, end - 1);
        if (!begin) return unusable(begin.error());
        auto const text = read_line(file, *begin, end - 1);
        if (!text) return unusable(text.error());
        auto const line = read_audit_line(*text);
        if (!line.faults.empty()) return corrupt(line.faults.front());
        return audit_link{*line.sequence, *line.hash};
    }

    /// Where the line begins that ends at `end`: after the last newline before that. Reads
    /// backwards, so that a huge log opens as fast as a small one.
    static result<std::uint64_t> line_start(posix_file const& file, std::uint64_t end) {
        std::array<char, block_size> buffer;
        while (end > 0) {
            auto const count = static_cast<std::size_t>(std::min<std::uint64_t>(end, block_size));
            if (auto ec = file.read_at(end - count, {buffer.data(), count})) return ec;
            auto const newline = std::string_view(buffer.data(), count).rfind('\n');
            if (newline != std::string_view::npos) return end - count + newline + 1;
            end -= count;
        }
        return 0;
    }

    /// The bytes from `begin` to `end`; of a longer line than any entry's only as much as shows it.
    static result<std::string> read_line(posix_file const& file, std::uint64_t begin,
                                         std::uint64_t end) {
        std::string line(
            static_cast<std::size_t>(std::min<std::uint64_t>(end - begin, max_audit_line + 1)),
            '\0');
        if (auto ec = file.read_at(begin, line)) return ec;
        return line;
    }

    /// Can this be the first bytes of a first entry? A power cut may leave zeros in their place.
    static bool begins_like_an_entry(std::string_view tail) {
        constexpr std::string_view wanted = "{\"sequence\":1,";
        auto const start = tail.substr(0, wanted.size());
        return wanted.starts_with(start) || start.find_first_not_of('\0') == start.npos;
    }

    /// Copies what is after `begin` to a new file; cuts it off only when the copy is durable.
    static error_code move_tail(posix_file& file, std::uint64_t begin,
                                std::filesystem::path const& side) {
        auto copy = posix_file::open(side, O_WRONLY | O_CREAT | O_EXCL, 0600);
        if (!copy) return copy.error();
        auto const end = file.size();
        if (!end) return end.error();
        std::vector<char> buffer(block_size);
        for (std::uint64_t at = begin; at < *end; at += buffer.size()) {
            buffer.resize(static_cast<std::size_t>(std::min<std::uint64_t>(*end - at, block_size)));
            if (auto ec = file.read_at(at, buffer)) return ec;
            if (auto ec = copy->write({buffer.data(), buffer.size()})) return ec;
        }
        if (auto ec = copy->sync()) return ec;
        if (auto ec = sync_directory(side.parent_path())) return ec;
        if (auto ec = file.truncate(begin)) return ec;
        return file.sync();
    }

    std::filesystem::path path_;
    std::chrono::system_clock::time_point now_;
};

} // namespace parley::detail
