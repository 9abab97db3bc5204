// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include "terminate.hpp"

#include "support.hpp"

#include <parley/consent/recovery.hpp>
#include <parley/consent/termination.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <thread>
#include <utility>

namespace consent_broker {

namespace consent = parley::consent;

namespace {

std::string_view name_of(consent::terminate_outcome outcome) {
    using enum consent::terminate_outcome;
    switch (outcome) {
    case terminated:
        return control::outcome::terminated;
    case not_found:
        return control::outcome::not_found;
    case not_owner:
        return control::outcome::not_owner;
    case already_terminated:
        break;
    }
    return control::outcome::already_terminated;
}

/// What a crashed broker left over comes before the new entry.
parley::task<parley::result<control::terminated>> recover_and_terminate(database& storage,
                                                                        audit_log& audit,
                                                                        std::filesystem::path log,
                                                                        control::terminate wanted) {
    if (audit.get()) {
        auto const recovered = co_await consent::recover_outbox(storage, audit, std::move(log));
        if (!recovered) co_return recovered.error();
    }
    co_return co_await terminate(storage, audit, std::move(wanted));
}

control::terminated terminate_here(consent::configuration const& config,
                                   control::terminate const& wanted) {
    parley::asio::io_context io; // outlives those who answer on it
    auto storage = open_existing_database(config);
    auto audit = open_audit(config, print_report);
    auto answer =
        parley::asio::co_spawn(io, recover_and_terminate(storage, audit, config.audit.path, wanted),
                               parley::asio::use_future);
    io.run();
    auto done = answer.get();
    if (done) return std::move(*done);
    throw command_error(exit_status::bad, "nothing was terminated: " + done.error().message());
}

control::terminated read_answer(boost::json::value const& answer) {
    if (auto done = parley::decode_message<control::terminated>(answer)) return std::move(*done);
    auto const refused = parley::decode_message<control::refused>(answer);
    throw command_error(exit_status::bad, "the broker did not terminate it: " +
                                              (refused ? refused->why : refused.error().text()));
}

} // namespace

void require_acceptable(control::terminate const& wanted) {
    require_npi(wanted.provider_npi);
    require_text("ID", wanted.relationship_id);
    require_text("--reason", wanted.reason);
}

parley::task<parley::result<control::terminated>> terminate(database& storage, audit_log& audit,
                                                            control::terminate wanted) {
    auto const done = co_await consent::terminate_and_audit(
        storage, audit, std::move(wanted.relationship_id), std::move(wanted.provider_npi),
        std::move(wanted.reason), std::chrono::system_clock::now());
    if (!done) co_return done.error();
    control::terminated answer{std::string(name_of(done->outcome)), done->audit_sequence, {}};
    if (done->audit_failure) answer.audit_failure = done->audit_failure.message();
    co_return answer;
}

control::terminated terminate_from_outside(consent::configuration const& config,
                                           control::terminate const& wanted) {
    using namespace std::chrono_literals;
    require_database(config);
    control::address broker(config);
    auto const request = parley::encode_message(wanted);
    auto const deadline = std::chrono::steady_clock::now() + 5s;
    for (;;) {
        if (auto const answer = control::ask(broker, request)) return read_answer(*answer);
        if (auto const lock = try_lock_database(config)) return terminate_here(config, wanted);
        // Somebody has the database who does not listen: a broker that starts or stops.
        if (std::chrono::steady_clock::now() > deadline) break;
        std::this_thread::sleep_for(50ms);
    }
    throw command_error(exit_status::bad,
                        "another process has the database " + config.storage.path +
                            " and does not answer.\nIf it is a broker that is starting or "
                            "stopping, try again when it has; `consent-broker status` tells.");
}

} // namespace consent_broker
