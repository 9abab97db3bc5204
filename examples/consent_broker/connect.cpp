// Distributed under the Boost Software License, Version 1.0. See LICENSE.
/// \file
/// `connect`: a patient's agent, as far as the handshake goes.

#include "commands.hpp"
#include "support.hpp"

#include <parley/consent/broker_url.hpp>
#include <parley/consent/client.hpp>
#include <parley/crypto/key_file.hpp>
#include <parley/encoding.hpp>
#include <parley/transport/tls_transport.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_future.hpp>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace consent_broker {

namespace asio = parley::asio;
namespace consent = parley::consent;
namespace ssl = asio::ssl;

namespace {

using consent::handshake_result;
using consent::handshake_step;
using outcome = handshake_result::outcome;
using parley::use_task;

constexpr int no_outcome = 3; // the exit status

struct connect_options {
    std::string url;
    std::string config;
    std::string provider;
    std::string key_file = "./patient-key.json";
    std::string patient;
    std::string endpoint = "wss://patient.invalid/"; // leads nowhere (RFC 2606)
    std::vector<std::string> actions;
    std::string ca_file;
    unsigned timeout = 60; // seconds
    bool json = false;
};

// ---- What to say -------------------------------------------------------------------------------

parley::ed25519_key open_key(connect_options const& options) {
    std::error_code ignored;
    bool const is_new = !std::filesystem::exists(options.key_file, ignored);
    auto key = is_new ? parley::ed25519_key::generate() : parley::load_key(options.key_file);
    if (!key) throw command_error(exit_status::usage, key.error().text());
    if (is_new) {
        auto const saved = parley::save_key(options.key_file, *key);
        if (!saved) throw command_error(exit_status::usage, saved.error().text());
    }
    if (!options.json) {
        std::cout << (is_new ? "Made the patient's key " : "The patient's key is ")
                  << options.key_file << ", public key " << parley::to_base64url(key->public_key())
                  << '\n';
    }
    return std::move(*key);
}

/// A consent that is good for an hour.
consent::token_claims make_claims(connect_options const& options, parley::ed25519_key const& key) {
    using seconds = std::chrono::duration<double>;
    auto const now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    auto const issued = seconds(now.time_since_epoch());
    auto const id = std::span(key.public_key()).first<8>();
    return {options.patient.empty() ? "patient-" + parley::to_hex(id) : options.patient,
            options.provider,
            options.actions,
            {issued.count()},
            {(issued + std::chrono::hours(1)).count()},
            {}};
}

// ---- To whom -----------------------------------------------------------------------------------

/// The URL that was given, or else that of the configuration's broker on this machine.
consent::broker_url url_of(connect_options const& options) {
    if (!options.url.empty()) {
        auto url = consent::parse_broker_url(options.url);
        if (!url) throw command_error(exit_status::usage, url.error().text());
        return std::move(*url);
    }
    auto config = read_configuration(options.config);
    if (config.server.port == 0) {
        throw command_error(exit_status::usage,
                            "server.port is 0: any free one, which the broker's log and "
                            "`consent-broker status` name.\nGive the URL.");
    }
    auto& host = config.server.host;
    if (host == "0.0.0.0") host = "127.0.0.1";
    if (host == "::") host = "::1";
    return {false, std::move(host), config.server.port, std::move(config.websocket.path)};
}

/// A line to the broker, or why there is none.
struct no_line {
    std::string why;
    outcome how = outcome::disconnected;
};
template <class Stream>
using line_to_broker = parley::result<Stream, no_line>;

parley::task<line_to_broker<parley::tcp_stream>> dial(parley::executor executor,
                                                      consent::broker_url const& url) {
    asio::ip::basic_resolver<asio::ip::tcp, parley::executor> resolver(executor);
    auto [unknown, addresses] = co_await resolver.async_resolve(url.host, std::to_string(url.port),
                                                                asio::as_tuple(use_task));
    if (unknown) co_return no_line{"cannot look up " + url.host + ": " + unknown.message()};
    parley::tcp_stream::socket_type socket(executor);
    auto [failed, address] =
        co_await asio::async_connect(socket, addresses, asio::as_tuple(use_task));
    if (failed) co_return no_line{"cannot connect to " + url.authority() + ": " + failed.message()};
    co_return parley::tcp_stream(std::move(socket));
}

/// TLS 1.2 or later, for those whom the authorities in `ca_file`, or those of the system, vouch
/// for.
ssl::context make_tls_context(std::string const& ca_file) {
    ssl::context context(ssl::context::tls_client);
    context.set_options(ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
    context.set_verify_mode(ssl::verify_peer);
    if (ca_file.empty()) {
        context.set_default_verify_paths();
        return context;
    }
    parley::error_code ec;
    context.load_verify_file(ca_file, ec);
    if (!ec) return context;
    throw command_error(exit_status::usage, "--ca: expected a PEM file with certificates, found " +
                                                ca_file + ": " + ec.message());
}

parley::task<line_to_broker<parley::tls_stream>>
dial_tls(parley::executor executor, consent::broker_url const& url, ssl::context& context) {
    auto plain = co_await dial(executor, url);
    if (!plain) co_return plain.error();
    parley::tls_stream line(std::move(*plain), context);
    auto* const handle = line.next().native_handle();
    parley::error_code no_address;
    asio::ip::make_address(url.host, no_address);
    if (no_address) SSL_set_tlsext_host_name(handle, url.host.c_str());
    line.next().set_verify_callback(ssl::host_name_verification(url.host));
    auto [failed] =
        co_await line.next().async_handshake(ssl::stream_base::client, asio::as_tuple(use_task));
    if (!failed) co_return std::move(line);
    auto const verdict = SSL_get_verify_result(handle);
    co_return no_line{"no TLS with " + url.authority() + ": " +
                      (verdict == X509_V_OK
                           ? failed.message()
                           : "its certificate is not accepted (see --ca): " +
                                 std::string(X509_verify_cert_error_string(verdict)))};
}

template <class Stream>
parley::task<line_to_broker<Stream>> within(parley::executor executor,
                                            std::chrono::milliseconds timeout,
                                            parley::task<line_to_broker<Stream>> dialling) {
    using asio::experimental::awaitable_operators::operator||;
    parley::steady_timer timer(executor, timeout);
    auto done = co_await (std::move(dialling) || timer.async_wait(use_task));
    if (done.index() == 0) co_return std::move(std::get<0>(done));
    co_return no_line{"no connection in time", outcome::timed_out};
}

/// Dials, and then does the handshake in the time that is left.
template <class Stream>
parley::task<handshake_result> shake_hands(parley::executor executor,
                                           parley::task<line_to_broker<Stream>> dialling,
                                           consent::handshake_request request) {
    parley::tcp_transport clock;
    auto const deadline = clock.now() + request.timeout;
    auto line = co_await within(executor, request.timeout, std::move(dialling));
    if (!line) {
        handshake_result nothing;
        nothing.how = line.error().how;
        nothing.message = line.error().why;
        co_return nothing;
    }
    request.timeout = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock.now());
    co_return co_await consent::perform_handshake(std::move(*line), clock, std::move(request));
}

// ---- What came of it ---------------------------------------------------------------------------

void print_step(handshake_step const& step) {
    if (step.what == handshake_step::kind::upgraded) {
        std::cout << "The broker lets us in\n";
        return;
    }
    std::cout << (step.what == handshake_step::kind::sent ? "-> " : "<- ") << step.type
              << (step.detail.empty() ? "" : "  ") << step.detail << std::endl;
}

void print(handshake_result const& result) {
    switch (result.how) {
    case outcome::completed:
        std::cout << "Relationship " << result.agreed.relationship_id << " ("
                  << result.agreed.status << "). The provider is at "
                  << result.agreed.provider_endpoint << '\n';
        return;
    case outcome::refused:
        std::cout << "Refused: " << result.code << ": " << result.message << '\n';
        return;
    case outcome::http_refused:
        std::cout << "Not let in: " << result.message
                  << (result.http_status == 503 ? ". The broker is busy: try again later" : "")
                  << '\n';
        return;
    case outcome::misbehaved:
        std::cout << "This is no consent broker: " << result.message << '\n';
        return;
    case outcome::timed_out:
    case outcome::disconnected:
        std::cout << "No outcome: " << result.message << '\n';
        return;
    }
}

boost::json::value to_json(handshake_result const& result) {
    constexpr char const* names[] = {"completed",  "refused",   "http_refused",
                                     "misbehaved", "timed_out", "disconnected"};
    boost::json::object out{{"outcome", names[static_cast<int>(result.how)]}};
    if (result.how == outcome::completed) {
        auto agreed = parley::json::encode(result.agreed);
        for (auto& member : agreed.as_object())
            out.insert(std::move(member));
    } else {
        if (!result.code.empty()) out["code"] = result.code;
        out["message"] = result.message;
    }
    if (result.http_status != 0) out["http_status"] = result.http_status;
    if (result.close_code) out["close_code"] = *result.close_code;
    return out;
}

int connect(connect_options const& options) {
    auto const url = url_of(options);
    require_npi(options.provider);
    require_text("--endpoint", options.endpoint);
    if (!options.patient.empty()) require_text("--patient", options.patient);
    for (auto const& action : options.actions)
        require_text("--action", action);
    auto key = open_key(options);
    auto claims = make_claims(options, key);
    consent::handshake_request request{.host = url.authority(),
                                       .path = url.path,
                                       .key = std::move(key),
                                       .claims = std::move(claims),
                                       .patient_endpoint = options.endpoint,
                                       .timeout = std::chrono::seconds(options.timeout)};
    if (!options.json) {
        request.on_step = print_step;
        std::cout << "Connecting to " << (url.secure ? "wss://" : "ws://") << url.authority()
                  << url.path << std::endl;
    }

    asio::io_context io(1);
    auto const executor = io.get_executor();
    auto tls = make_tls_context(options.ca_file);
    auto handshake = url.secure
                         ? shake_hands(executor, dial_tls(executor, url, tls), std::move(request))
                         : shake_hands(executor, dial(executor, url), std::move(request));
    auto end = asio::co_spawn(io, std::move(handshake), asio::use_future);
    io.run();
    auto const result = end.get();

    options.json ? print_json(to_json(result)) : print(result);
    if (result.how == outcome::completed) return exit_status::ok;
    return result.how == outcome::refused ? exit_status::bad : no_outcome;
}

constexpr auto help = R"(Examples:
  consent-broker connect --provider 1245319599
  consent-broker connect ws://localhost:3000 --provider 1245319599
  consent-broker connect wss://broker.example --provider 1245319599 --action office_visit
  consent-broker connect wss://localhost:8443 --ca ca.pem --provider 1245319599 --json

Exit status: 0 completed: there is a relationship; 1 the broker refused; 2 the command line
or a file named in it is wrong; 3 no outcome: not connected, not trusted, busy, timed out,
or what answers is no consent broker.)";

} // namespace

void add_connect_command(CLI::App& program, int& status) {
    auto& command = *program.add_subcommand(
        "connect", "Do a patient agent's handshake with a broker, and show it step by step");
    command.footer(help);
    auto const options = std::make_shared<connect_options>();
    command
        .add_option("URL", options->url,
                    "The broker: ws://host:port/path or wss://...; the path is /ws/handshake if "
                    "there is none. Without it, the configuration's broker on this machine")
        ->type_name("");
    add_config_option(command, options->config);
    command.add_option("--provider", options->provider, "Whom to have a relationship with")
        ->required()
        ->type_name("NPI");
    command.add_option("--key", options->key_file, "The patient's key; made, if missing")
        ->type_name("FILE")
        ->capture_default_str();
    command
        .add_option("--patient", options->patient,
                    "The patient agent's id; without it, one made from the key")
        ->type_name("ID");
    command.add_option("--endpoint", options->endpoint, "Where the patient's agent is reached")
        ->type_name("URL")
        ->capture_default_str();
    command
        .add_option("--action", options->actions, "What is consented to; may be given repeatedly")
        ->allow_extra_args(false)
        ->type_name("ACTION");
    command
        .add_option("--ca", options->ca_file,
                    "Certificates (PEM) of the authorities to trust, in place of the system's")
        ->type_name("FILE");
    command.add_option("--timeout", options->timeout, "Seconds to get it done in, queues included")
        ->check(CLI::Range(1, 3600))
        ->capture_default_str();
    add_json_flag(command, options->json);
    command.callback([options, &status] { status = connect(*options); });
}

} // namespace consent_broker
