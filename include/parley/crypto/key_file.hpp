// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// An Ed25519 key pair in a file, as a JSON Web Key (RFC 8037 §2):
/// `{"kty":"OKP","crv":"Ed25519","x":"<public key>","d":"<seed>"}`.

#include <parley/crypto/ed25519_key.hpp>
#include <parley/detail/posix_file.hpp>
#include <parley/encoding.hpp>
#include <parley/error.hpp>
#include <parley/json.hpp>

#include <boost/hana/define_struct.hpp>

#include <array>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

namespace parley {

namespace detail {

struct ed25519_jwk {
    BOOST_HANA_DEFINE_STRUCT(ed25519_jwk, (std::string, kty), // `OKP`
                             (std::string, crv),              // `Ed25519`
                             (std::string, x),                // base64url of the public key
                             (std::string, d));               // base64url of the seed: secret
};

inline problem file_problem(std::filesystem::path const& file, std::string expected,
                            error_code error) {
    return {file.string(), std::move(expected), error.message()};
}

/// The pair in a JWK. The problem's path is the member at fault; nothing found is repeated.
inline result<ed25519_key, problem> read_jwk(ed25519_jwk const& jwk) {
    if (jwk.kty != "OKP") return problem{"kty", "the string \"OKP\"", "another"};
    if (jwk.crv != "Ed25519") return problem{"crv", "the string \"Ed25519\"", "another"};
    auto const seed = from_base64url(jwk.d);
    if (!seed || seed->size() != ed25519_key::seed_size) {
        return problem{"d", "43 base64url characters", "something else"};
    }
    ed25519_key key{ed25519_key::seed_view(*seed)};
    if (jwk.x != to_base64url(key.public_key())) {
        return problem{"x", "the public key that belongs to d", "another"};
    }
    return key;
}

} // namespace detail

/// Writes a new file that only its owner may read (mode 0600), durably. A file that is there
/// already is never replaced: its key may be the only proof of who somebody is. Blocks.
[[nodiscard]] inline result<void, problem> save_key(std::filesystem::path const& file,
                                                    ed25519_key const& key) {
    auto opened = detail::posix_file::open(file, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (!opened) return detail::file_problem(file, "a place for a new key file", opened.error());
    detail::ed25519_jwk const jwk{"OKP", "Ed25519", to_base64url(key.public_key()),
                                  to_base64url(key.seed())};
    auto ec = opened->write(json::encode_text(jwk) + "\n");
    if (!ec) ec = opened->sync();
    if (!ec) ec = detail::sync_directory(file.parent_path());
    if (!ec) return {};
    std::error_code ignored; // half a key file is left, at worst
    std::filesystem::remove(file, ignored);
    return detail::file_problem(file, "room for a key file", ec);
}

/// Reads what `save_key` wrote. The problem's path begins with the file's name; it repeats nothing
/// secret. Blocks.
[[nodiscard]] inline result<ed25519_key, problem> load_key(std::filesystem::path const& file) {
    std::array<char, 4096> buffer; // some twenty times what is needed
    auto opened = detail::posix_file::open(file, O_RDONLY);
    auto const text = opened ? opened->read(buffer) : opened.error();
    if (!text) return detail::file_problem(file, "a readable key file", text.error());

    auto const jwk = json::decode<detail::ed25519_jwk>(*text);
    auto key = jwk ? detail::read_jwk(*jwk) : jwk.error();
    if (key) return key;
    auto wrong = key.error();
    wrong.path = file.string() + (wrong.path.empty() ? "" : ": " + wrong.path);
    return wrong;
}

} // namespace parley
