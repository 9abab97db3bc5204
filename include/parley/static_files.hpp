// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// A folder of files served over HTTP. They are read once, at the start: no request ever names a
/// file of the system, and none waits for a disk.

#include <parley/encoding.hpp>
#include <parley/error.hpp>
#include <parley/http.hpp>
#include <parley/http_fields.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <ios>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace parley {

/// The files of one folder, and what is said with each. Immutable; copies share the files.
class static_files {
  public:
    struct options {
        std::filesystem::path root;
        /// Of the `Content-Security-Policy` of each answer; empty: none.
        std::string content_security_policy = "default-src 'self'; frame-ancestors 'none'";
        std::size_t max_bytes = 64 * 1024 * 1024; ///< of all files together
    };

    /// Reads the folder and those in it. Files whose names begin with a dot, those of a type that
    /// browsers do not ask for, and `node_modules` are left out. Blocks.
    [[nodiscard]] static result<static_files, problem> load(options o) {
        namespace fs = std::filesystem;
        static_files out;
        out.policy_ = std::move(o.content_security_policy);
        auto files = std::make_shared<file_map>();
        std::size_t total = 0;
        std::error_code ec;
        auto at = fs::recursive_directory_iterator(o.root, ec);
        if (ec) return problem{o.root, "a folder that can be read", ec.message()};
        for (; at != fs::recursive_directory_iterator(); at.increment(ec)) {
            auto const name = at->path().filename().native();
            if (name.starts_with('.') || name == "node_modules") {
                at.disable_recursion_pending();
                continue;
            }
            auto const type = type_of(at->path().extension().native());
            if (type.empty() || !at->is_regular_file(ec)) continue;
            auto const size = at->file_size(ec);
            if (!ec && size > o.max_bytes - total) {
                return problem{o.root, "files of at most " + std::to_string(o.max_bytes) + " bytes",
                               "more"};
            }
            auto bytes = ec ? std::nullopt : read(at->path(), size);
            if (!bytes) return problem{at->path(), "a file that can be read", "one that cannot"};
            total += bytes->size();
            auto tag = tag_of(*bytes);
            files->emplace("/" + fs::relative(at->path(), o.root).generic_string(),
                           file_entry{type, std::move(*bytes), std::move(tag)});
        }
        if (ec) return problem{o.root, "a folder that can be read", ec.message()};
        out.files_ = std::move(files);
        return out;
    }

    /// The answer to GET or HEAD of `path`, which begins with `/` and may be percent-encoded; a
    /// folder
    /// (`/docs/`) stands for its `index.html`. Unknown paths give the `index.html` of the root, so
    /// that a page may make up its own; 404 when there is none.
    [[nodiscard]] http_response respond(http_request const& request, std::string_view path) const {
        std::string name = percent_decoded(path).value_or(std::string());
        if (name.ends_with('/')) name += "index.html";
        auto found = files_->find(name);
        if (found == files_->end()) found = files_->find("/index.html");
        if (found == files_->end()) {
            return make_error_response(http::status::not_found, "nothing is served here");
        }
        auto const& file = found->second;
        auto const known = request[http::field::if_none_match];
        // One of a list, perhaps; `W/` before it does not matter here (RFC 9110 §13.1.2).
        bool const fresh = known.find(file.tag) != known.npos;
        auto response = fresh ? make_response(http::status::not_modified, file.type, {})
                              : make_response(http::status::ok, file.type, file.bytes);
        response.set(http::field::etag, file.tag);
        response.set(http::field::cache_control, "no-cache"); // asks each time, by its tag
        if (!policy_.empty()) response.set("Content-Security-Policy", policy_);
        response.set("X-Content-Type-Options", "nosniff");
        response.set("X-Frame-Options", "DENY");
        response.set("Referrer-Policy", "no-referrer");
        response.set("Cross-Origin-Opener-Policy", "same-origin");
        return response;
    }

    [[nodiscard]] std::size_t size() const { return files_->size(); }

  private:
    struct file_entry {
        std::string_view type;
        std::string bytes;
        std::string tag;
    };
    using file_map = std::map<std::string, file_entry, std::less<>>;

    static_files() = default;

    /// The whole of a file, which has `size` bytes.
    static std::optional<std::string> read(std::filesystem::path const& path, std::size_t size) {
        std::ifstream file(path, std::ios::binary);
        std::string bytes(size, '\0');
        if (!file.read(bytes.data(), static_cast<std::streamsize>(size))) return std::nullopt;
        return bytes;
    }

    static std::string_view type_of(std::string_view extension) {
        using pair = std::pair<std::string_view, std::string_view>;
        static constexpr std::array types{pair{".html", "text/html; charset=utf-8"},
                                          pair{".css", "text/css; charset=utf-8"},
                                          pair{".js", "text/javascript; charset=utf-8"},
                                          pair{".mjs", "text/javascript; charset=utf-8"},
                                          pair{".json", "application/json"},
                                          pair{".map", "application/json"},
                                          pair{".svg", "image/svg+xml"},
                                          pair{".png", "image/png"},
                                          pair{".jpg", "image/jpeg"},
                                          pair{".webp", "image/webp"},
                                          pair{".ico", "image/x-icon"},
                                          pair{".woff2", "font/woff2"},
                                          pair{".webmanifest", "application/manifest+json"},
                                          pair{".wasm", "application/wasm"},
                                          pair{".txt", "text/plain; charset=utf-8"}};
        auto const found = std::ranges::find(types, extension, &pair::first);
        return found == types.end() ? std::string_view() : found->second;
    }

    /// Tells versions of a file apart (FNV-1a); nobody gains by a collision but the one who wrote
    /// both.
    static std::string tag_of(std::string_view bytes) {
        std::uint64_t hash = 0xcbf29ce484222325U;
        for (char c : bytes)
            hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
        std::array<std::uint8_t, 8> digits{};
        for (auto& digit : digits) {
            digit = static_cast<std::uint8_t>(hash);
            hash >>= 8U;
        }
        return '"' + to_hex(digits) + '-' + std::to_string(bytes.size()) + '"';
    }

    std::shared_ptr<file_map const> files_ = std::make_shared<file_map>();
    std::string policy_;
};

} // namespace parley
