// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include "setup.hpp"

#include <examples/shared/log.hpp>
#include <examples/shared/page.hpp>
#include <examples/shared/program.hpp>
#include <examples/shared/serve.hpp>

#include <parley/encoding.hpp>
#include <parley/trusted_proxies.hpp>

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace voice_signaling {

namespace signaling = parley::signaling;
namespace log = shared::log;
using shared::refuse;

namespace {

parley::ed25519_public_key read_public_key(std::string const& text) {
    auto const bytes = parley::from_base64url(text);
    parley::ed25519_public_key key{};
    if (!bytes || bytes->size() != key.size()) {
        refuse("tokens.publicKey: expected an Ed25519 public key of 43 base64url characters, "
               "found " +
               std::to_string(text.size()) + " characters");
    }
    std::ranges::copy(*bytes, key.begin());
    return key;
}

std::string read_secret() {
    auto const* text = std::getenv(secret_variable);
    if (text == nullptr || *text == '\0') {
        refuse(std::string(secret_variable) +
               ": expected the secret of the tokens in this environment variable, found nothing.\n"
               "Set it to what the tokens are signed with, 32 bytes or more.");
    }
    return text;
}

any_floor_store make_floors(signaling::floors_section const& floors) {
    if (floors.redis.empty()) {
        return any_floor_store(std::make_unique<signaling::memory_floor_store>());
    }
    auto address = signaling::parse_redis_address(floors.redis);
    if (!address) refuse("floors.redis: " + address.error().text());
    signaling::redis_floor_store::options options;
    options.redis.address = std::move(*address);
    options.redis.log = [](std::string_view text) {
        log::warning("redis", {{"message", text}, {"setting", "floors.redis"}});
    };
    return any_floor_store(std::make_unique<signaling::redis_floor_store>(std::move(options)));
}

void log_media(signaling::mediasoup::log_level level, std::string_view text) {
    using worker_level = signaling::mediasoup::log_level;
    auto const severity = level == worker_level::debug     ? log::level::debug
                          : level == worker_level::warning ? log::level::warning
                                                           : log::level::error;
    log::write(severity, "media", {{"message", text}});
}

any_media make_media(signaling::media_section const& media) {
    if (media.worker.empty()) return any_media(std::make_unique<signaling::null_media>());
    signaling::mediasoup_options options{.workers = media.workers,
                                         .listen_address = media.listenAddress,
                                         .announced_address = media.announcedAddress};
    options.worker.binary = media.worker;
    options.worker.lowest_port = media.minPort;
    options.worker.highest_port = media.maxPort;
    options.worker.log = &log_media;
    if (auto const wrong = signaling::check(options)) {
        refuse("media: " + wrong->text() +
               ".\nscripts/mediasoup-worker.sh builds the worker and prints where it is; leave "
               "media.worker empty for signalling only.");
    }
    return any_media(std::make_unique<signaling::mediasoup_media>(std::move(options)));
}

} // namespace

parley::loaded_config<signaling::configuration>
load_configuration(std::filesystem::path const& path) {
    auto loaded = parley::load_config_file<signaling::configuration>(path, parley::environment(),
                                                                     signaling::env_prefix);
    if (!loaded.config) shared::refuse_configuration(loaded.report, path, "voice-signaling");
    return loaded;
}

parley::jwt_verifier make_verifier(std::string const& secret) {
    try {
        return parley::jwt_verifier({.key = parley::secret(secret)});
    } catch (std::invalid_argument const& e) {
        refuse(std::string(secret_variable) + ": " + e.what());
    }
}

parley::jwt_verifier make_verifier(signaling::token_section const& tokens) {
    std::chrono::seconds const leeway(tokens.leewaySeconds);
    try {
        if (tokens.algorithm == "HS256")
            return parley::jwt_verifier({.key = parley::secret(read_secret()), .leeway = leeway});
        return parley::jwt_verifier({.key = read_public_key(tokens.publicKey), .leeway = leeway});
    } catch (std::invalid_argument const& e) {
        refuse((tokens.algorithm == "HS256" ? secret_variable : "tokens.publicKey") +
               std::string(": ") + e.what());
    }
}

voice_parts make_parts(signaling::configuration config, parley::jwt_verifier tokens,
                       unsigned threads) {
    auto page = shared::load_page("voice-signaling", VOICE_SIGNALING_WEB, config.web.root);
    if (auto const read = parley::trusted_proxies::of(config.server.trustedProxies); !read) {
        refuse("server.trustedProxies" + read.error().text());
    }
    auto address = shared::resolve(config.server.host, config.server.port);
    auto floors = make_floors(config.floors);
    auto media = make_media(config.media);
    return {.config = std::move(config),
            .address = std::move(address),
            .floors = std::move(floors),
            .media = std::move(media),
            .tokens = std::move(tokens),
            .page = std::move(page),
            .threads = threads,
            .max_connections = shared::raise_file_limit(threads)};
}

std::string built_worker() {
    auto const variable = [](char const* name) {
        auto const* text = std::getenv(name);
        return std::string(text != nullptr ? text : "");
    };
    if (auto given = variable("PARLEY_MEDIASOUP_WORKER"); !given.empty()) return given;
    // Nothing is run from below a folder that is relative to wherever this program was started.
    std::filesystem::path cache = variable("XDG_CACHE_HOME");
    if (!cache.is_absolute()) cache = std::filesystem::path(variable("HOME")) / ".cache";
    if (!cache.is_absolute()) return {};
    auto const folder = "mediasoup-worker-" + std::string(signaling::mediasoup::worker_version);
    std::filesystem::path newest;
    std::filesystem::file_time_type its_time{};
    std::error_code ec; // what cannot be read is not there
    std::filesystem::directory_iterator one(cache / "parley", ec);
    for (; one != std::filesystem::directory_iterator(); one.increment(ec)) {
        if (!one->path().filename().string().starts_with(folder + '-')) continue;
        auto const program = one->path() / "mediasoup-worker";
        if (!std::filesystem::is_regular_file(program, ec)) continue;
        if (::access(program.c_str(), X_OK) != 0) continue;
        auto const written = std::filesystem::last_write_time(program, ec);
        if (ec || (!newest.empty() && written <= its_time)) continue;
        newest = program;
        its_time = written;
    }
    return newest.string();
}

} // namespace voice_signaling
