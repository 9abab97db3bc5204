// Distributed under the Boost Software License, Version 1.0. See LICENSE.
/// \file
/// `demo`: shows what a broker does, with everything real but the people.

#include "broker.hpp"
#include "commands.hpp"
#include "database.hpp"
#include "support.hpp"

#include <parley/audit/audit_verify.hpp>
#include <parley/consent/client.hpp>
#include <parley/consent/relationships.hpp>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace consent_broker {

namespace asio = parley::asio;
namespace consent = parley::consent;
namespace websocket = boost::beast::websocket;

namespace {

using namespace std::chrono_literals;
using consent::handshake_result;
using consent::handshake_step;
using outcome = handshake_result::outcome;
using parley::task;
using parley::use_task;

constexpr auto provider_npi = "1245319599";
constexpr std::size_t ceiling = 2;         // handshakes at once, unless configured
constexpr std::size_t most_places = 100;   // that strangers will hold
constexpr std::size_t patients_queued = 4; // in the last scene
constexpr auto shortest_timeout = 1s;      // everything here takes less

/// A message for those who see it for the first time.
std::string explain(handshake_step const& step) {
    std::string text(step.what == handshake_step::kind::sent ? "-> " : "<- ");
    text.append(step.type);
    text.resize(std::max<std::size_t>(text.size(), 32), ' ');
    if (step.type == consent::handshake_auth::type) {
        return text + "a signed consent, and my public key";
    }
    if (step.type == consent::handshake_challenge::type) {
        return text + "prove that the key is yours, sign " + std::string(step.detail.substr(0, 8)) +
               "...";
    }
    if (step.type == consent::handshake_challenge_response::type) return text + "signed";
    return text.append(step.detail);
}

/// What the demonstration prints: text, or JSON objects, one a line.
class narrator {
  public:
    explicit narrator(bool json) : json_(json) {}

    void introduce(consent::configuration const& config, std::string const& address) {
        auto const url = "ws://" + address + config.websocket.path;
        auto const places = config.websocket.maxConcurrentHandshakes;
        auto const directory = std::filesystem::path(config.storage.path).parent_path().string();
        if (json_) {
            print_json({{"broker", url},
                        {"organization", *config.organization.name},
                        {"max_concurrent", places},
                        {"directory", directory}});
            return;
        }
        std::cout << "A consent broker of " << printable(*config.organization.name) << " on " << url
                  << ", with at most " << places << " handshakes at once.\n"
                  << "Its database and its audit log are in " << directory << ".\n";
    }

    void title(std::string const& text) {
        ++scene_;
        began_ = std::chrono::steady_clock::now();
        if (json_) return print({{"title", text}});
        std::cout << '\n' << paint("1", std::to_string(scene_) + ". " + text) << '\n';
    }

    void message(std::string const& who, handshake_step const& step) {
        if (!json_) return say(who + " " + explain(step));
        bool const sent = step.what == handshake_step::kind::sent;
        print({{"patient", who}, {sent ? "sends" : "receives", boost::json::string(step.type)}});
    }

    void list(std::vector<consent::relationship> const& rows) {
        std::vector<std::vector<std::string>> lines;
        lines.reserve(rows.size());
        for (auto const& row : rows) {
            if (json_) print({{"relationship", parley::json::encode(row)}});
            lines.push_back({"   " + row.relationship_id, row.patient_agent_id, row.provider_npi,
                             row.status, row.consented_actions.value_or("")});
        }
        if (json_) return;
        print_table({"   RELATIONSHIP", "PATIENT", "PROVIDER", "STATUS", "CONSENTED TO"}, lines,
                    {});
    }

    /// With the time since the scene began.
    void say_when(std::string const& text) {
        auto const ms = std::chrono::duration_cast<std::chrono::milliseconds>(
            std::chrono::steady_clock::now() - began_);
        if (json_) return print({{"ms", ms.count()}, {"text", text}});
        std::cout << "   " << std::setw(4) << ms.count() << " ms  " << text << std::endl;
    }

    /// What came of a scene, and whether that is as it should be.
    void conclude(bool as_expected, std::string const& text) {
        good_ = good_ && as_expected;
        if (json_) return print({{"ok", as_expected}, {"text", text}});
        say((as_expected ? paint("32", "ok ") : paint("31", "NOT AS EXPECTED ")) + text);
    }

    [[nodiscard]] bool good() const { return good_; }

  private:
    static void say(std::string_view text) { std::cout << "   " << text << std::endl; }

    void print(boost::json::object step) const {
        boost::json::object line{{"scene", scene_}};
        for (auto& member : step)
            line.insert(std::move(member));
        print_json(line);
        std::cout << std::flush;
    }

    [[nodiscard]] std::string paint(std::string_view colour, std::string text) const {
        if (!colours_) return text;
        return "\x1b[" + std::string(colour) + "m" + text + "\x1b[0m";
    }

    static bool wants_colours() {
        auto const* no_colour = std::getenv("NO_COLOR");
        return ::isatty(STDOUT_FILENO) == 1 && (no_colour == nullptr || *no_colour == '\0');
    }

    bool json_;
    bool colours_ = wants_colours();
    bool good_ = true;
    int scene_ = 0;
    std::chrono::steady_clock::time_point began_;
};

/// A patient's agent.
struct patient {
    std::string id;
    parley::ed25519_key key = parley::ed25519_key::generate();

    /// A consent that is good for `lifetime` from now.
    [[nodiscard]] consent::token_claims consent_for(std::chrono::seconds lifetime) const {
        auto const now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
        auto const issued = static_cast<double>(now.time_since_epoch().count());
        return {id,
                provider_npi,
                {"office_visit", "lab_results"},
                {issued},
                {issued + static_cast<double>(lifetime.count())},
                {}};
    }
};

std::string describe(handshake_result const& end) {
    auto const closed =
        end.close_code ? " (closed with " + std::to_string(*end.close_code) + ")" : std::string();
    if (end.how != outcome::completed) {
        return "Refused: " + (end.code.empty() ? "" : end.code + ": ") + end.message + closed;
    }
    return "relationship " + end.agreed.relationship_id.substr(0, 8) + "... with the provider at " +
           end.agreed.provider_endpoint + closed;
}

/// One run of the demonstration: a broker and its patients, on one thread.
class demonstration {
  public:
    demonstration(consent::configuration config, bool json)
        : out_(json), config_(std::move(config)),
          server_({.path = config_.websocket.path,
                   .limits = {.max_message = config_.websocket.maxPayloadBytes}},
                  make_conversation(config_), // and the policies:
                  parley::queueing_admission(
                      {.max_concurrent = config_.websocket.maxConcurrentHandshakes,
                       .queue_timeout = config_.websocket.queueTimeoutMs}),
                  open_database(config_, print_report, nullptr),
                  open_audit(config_, print_report)) {}

    /// True when every scene ended as it should.
    bool run() {
        std::exception_ptr failure;
        asio::co_spawn(io_, play(), [&](std::exception_ptr e) {
            failure = std::move(e);
            io_.stop();
        });
        io_.run();
        if (failure) std::rethrow_exception(failure);
        return out_.good();
    }

  private:
    using server_type = broker<parley::tcp_transport>::server_type;
    using line_type = websocket::stream<parley::tcp_stream, false>;

    static consent::conversation make_conversation(consent::configuration const& config) {
        return consent::conversation({.organization_npi = *config.organization.npi,
                                      .endpoint_url = config.axon.endpointUrl,
                                      .auth_timeout = config.websocket.authTimeoutMs});
    }

    task<> play() {
        server_.start(io_, {asio::ip::address_v4::loopback(), 0}).value();
        out_.introduce(config_, host());
        co_await register_provider();
        patient const alice{"patient-001"};
        co_await meet(alice);
        co_await meet_again(alice);
        co_await meet_impostor(alice.id);
        co_await meet_expired(alice);
        co_await queue();
        co_await list_relationships();
        co_await stop();
        verify_audit();
    }

    // ---- The scenes ---------------------------------------------------------------------------

    task<> register_provider() {
        out_.title("The organisation registers a provider");
        consent::provider const ada{.npi = provider_npi,
                                    .name = "Dr. Ada Example",
                                    .endpoint_url = "wss://ada.example/agent"};
        auto const work = [&ada](auto& tx) {
            consent::add_provider(tx, ada,
                                  parley::format_timestamp(std::chrono::system_clock::now()));
        };
        auto const added = co_await server_.policies().storage.write(work);
        out_.conclude(added.has_value(), ada.npi + ", " + *ada.name);
    }

    task<> meet(patient const& who) {
        out_.title("A patient's agent connects for the first time");
        auto const end = co_await visit(who, 1h);
        first_id_ = end.agreed.relationship_id;
        out_.conclude(end.agreed.status == "new", "A new " + describe(end));
    }

    task<> meet_again(patient const& who) {
        out_.title("The same agent connects again: it is known, so there is no challenge");
        auto const end = co_await visit(who, 1h);
        out_.conclude(end.agreed.status == "existing" && end.agreed.relationship_id == first_id_,
                      "The same " + describe(end));
    }

    task<> meet_impostor(std::string id) {
        out_.title("Somebody else claims to be that patient, with another key");
        patient const impostor{std::move(id)};
        auto const end = co_await visit(impostor, 1h);
        out_.conclude(end.code == "CONSENT_FAILED", describe(end));
    }

    task<> meet_expired(patient const& who) {
        out_.title("A patient comes with a consent that expired a minute ago");
        auto const end = co_await visit(who, -1min);
        out_.conclude(end.code == "CONSENT_FAILED", describe(end));
    }

    task<> queue() {
        auto const places = config_.websocket.maxConcurrentHandshakes;
        out_.title("The house is full: silent strangers hold all " + std::to_string(places) +
                   " places, and patients come");
        std::vector<std::unique_ptr<line_type>> strangers;
        while (strangers.size() < places) {
            auto stranger = co_await hold_place();
            strangers.push_back(std::move(stranger));
        }
        for (std::size_t i = 1; i <= patients_queued; ++i) {
            patient const who{"patient-10" + std::to_string(i)};
            asio::co_spawn(io_, wait_in_line(who), asio::detached);
            co_await until([&] { return server_.policies().admission.queued() == i; });
            out_.say_when(who.id + " waits, number " + std::to_string(i) + " in the queue");
        }
        out_.say_when("the strangers leave");
        websocket::close_reason const goodbye(websocket::close_code::normal);
        for (auto const& stranger : strangers)
            co_await stranger->async_close(goodbye, use_task);
        co_await until([&] { return done_.size() == patients_queued; });

        bool const all_new = std::ranges::find(done_, false) == done_.end();
        out_.conclude(done_.size() == patients_queued && all_new && std::ranges::is_sorted(order_),
                      "Everybody got in, in the order of their coming");
    }

    task<> list_relationships() {
        out_.title("What is in the database");
        auto const query = [](auto& tx) { return consent::list_relationships(tx, {}); };
        auto const rows = co_await server_.policies().storage.read(query);
        out_.list(rows.value());
        out_.conclude(rows->size() == 1 + patients_queued,
                      std::to_string(rows->size()) + " relationships, and nothing clinical");
    }

    task<> stop() {
        co_await server_.async_stop(2s);
        auto& policies = server_.policies();
        co_await server_.conversation().settle(policies.storage, policies.audit);
    }

    void verify_audit() {
        out_.title(
            "The audit log is verified: each entry is chained to the one before by its hash");
        auto const ignore = [](auto, auto const&) {};
        auto const summary = parley::verify_audit_log(config_.audit.path, ignore).value();
        out_.conclude(summary.bad_lines == 0 && summary.lines > 0,
                      "All " + std::to_string(summary.lines) +
                          " entries are genuine; the last is " + summary.last.hash.substr(0, 16) +
                          "...");
    }

    // ---- What the scenes are made of ------------------------------------------------------------

    [[nodiscard]] std::string host() const { return "127.0.0.1:" + std::to_string(server_.port()); }

    task<parley::tcp_stream> connect() {
        parley::tcp_stream::socket_type socket(io_.get_executor());
        asio::ip::tcp::endpoint const address(asio::ip::address_v4::loopback(), server_.port());
        co_await socket.async_connect(address, use_task);
        co_return parley::tcp_stream(std::move(socket));
    }

    task<handshake_result> shake_hands(patient const& who, std::chrono::seconds lifetime,
                                       std::function<void(handshake_step const&)> on_step) {
        consent::handshake_request request{.host = host(),
                                           .path = config_.websocket.path,
                                           .key = who.key,
                                           .claims = who.consent_for(lifetime),
                                           .patient_endpoint = "wss://" + who.id + ".example/agent",
                                           .timeout = 5s,
                                           .on_step = std::move(on_step)};
        auto line = co_await connect();
        co_return co_await consent::perform_handshake(std::move(line), server_.policies().transport,
                                                      std::move(request));
    }

    /// A handshake of which each message is shown.
    task<handshake_result> visit(patient const& who, std::chrono::seconds lifetime) {
        std::function<void(handshake_step const&)> const show = [&](handshake_step const& step) {
            if (!step.type.empty()) out_.message(who.id, step);
        };
        co_return co_await shake_hands(who, lifetime, show);
    }

    /// A handshake of which only the times are shown.
    task<> wait_in_line(patient who) {
        std::function<void(handshake_step const&)> const note = [&](handshake_step const& step) {
            if (step.what == handshake_step::kind::upgraded) {
                order_.push_back(who.id);
                out_.say_when(who.id + " is let in");
            }
        };
        auto const end = co_await shake_hands(who, 1h, note);
        out_.say_when(who.id + (end.how == outcome::completed ? " has its relationship, and leaves"
                                                              : ": " + describe(end)));
        done_.push_back(end.agreed.status == "new");
    }

    /// Somebody who is let in, and says nothing.
    task<std::unique_ptr<line_type>> hold_place() {
        auto stream = co_await connect();
        auto line = std::make_unique<line_type>(std::move(stream));
        co_await line->async_handshake(host(), config_.websocket.path, use_task);
        co_return line;
    }

    template <class Condition>
    task<> until(Condition holds) {
        auto timer = server_.policies().transport.make_timer(io_.get_executor());
        for (int i = 0; i < 5'000 && !holds(); ++i) {
            timer.expires_after(1ms);
            co_await timer.async_wait(use_task);
        }
    }

    narrator out_;
    consent::configuration config_;
    std::string first_id_;
    std::vector<std::string> order_; // of being let in
    std::vector<bool> done_;         // whether they succeeded
    asio::io_context io_{1};         // outlives the server, whose policies answer on it
    server_type server_;
};

/// Where the broker keeps its files: gone at the end unless it is to be kept.
class workplace {
  public:
    explicit workplace(std::filesystem::path keep) : keep_(!keep.empty()), path_(std::move(keep)) {
        if (keep_) {
            std::filesystem::create_directories(path_);
            if (std::filesystem::is_empty(path_)) return;
            throw command_error(exit_status::usage,
                                "--keep: expected a new or an empty directory, found " +
                                    path_.string() + " with files in it");
        }
        auto pattern = std::filesystem::temp_directory_path() / "consent-broker-demo-XXXXXX";
        auto text = pattern.string();
        if (::mkdtemp(text.data()) == nullptr) {
            throw command_error(exit_status::bad, "cannot make a directory such as " + text);
        }
        path_ = text;
    }
    workplace(workplace const&) = delete;
    ~workplace() {
        std::error_code ignored;
        if (!keep_) std::filesystem::remove_all(path_, ignored);
    }

    /// The same settings, with the files here.
    [[nodiscard]] consent::configuration move_here(consent::configuration config) const {
        config.storage.path = (path_ / "neuron.db").string();
        config.audit.path = (path_ / "audit.jsonl").string();
        config.audit.enabled = true;
        return config;
    }

    /// Says what can be done with what is kept.
    void finish(consent::configuration const& config, bool json) const {
        if (!keep_) return;
        auto const file = (path_ / "neuron.config.json").string();
        std::ofstream(file) << pretty_json(parley::json::encode(config));
        if (json) return print_json({{"kept", path_.string()}, {"config", file}});
        std::cout << "\nKept in " << path_.string() << ". Go on with, for example:\n"
                  << "   consent-broker relationship list --config " << file << '\n';
    }

  private:
    bool keep_;
    std::filesystem::path path_;
};

struct demo_options {
    std::string config;
    bool config_given = false;
    bool json = false;
    std::string keep;
};

consent::configuration own_settings() {
    consent::configuration config;
    config.organization.npi.value = "1003000126";
    config.organization.name.value = "Example Practice";
    config.organization.type.value = "practice";
    config.websocket.maxConcurrentHandshakes = ceiling;
    return config;
}

/// The settings of the configuration, if there is one, as far as a demonstration can have them.
consent::configuration settings_of(demo_options const& options) {
    std::error_code ignored;
    if (!options.config_given && !std::filesystem::exists(options.config, ignored)) {
        return own_settings();
    }
    try {
        auto config = read_configuration(options.config);
        auto& limits = config.websocket;
        limits.maxConcurrentHandshakes = std::min(limits.maxConcurrentHandshakes, most_places);
        limits.authTimeoutMs =
            std::max<std::chrono::milliseconds>(limits.authTimeoutMs, shortest_timeout);
        limits.queueTimeoutMs =
            std::max<std::chrono::milliseconds>(limits.queueTimeoutMs, shortest_timeout);
        return config;
    } catch (command_error const& e) {
        if (options.config_given) throw;
        std::cerr << "warning: the demonstration has settings of its own, as " << e.what() << '\n';
        return own_settings();
    }
}

int show(demo_options const& options) {
    auto settings = settings_of(options);
    workplace const place(options.keep);
    auto const config = place.move_here(std::move(settings));
    bool const good = demonstration(config, options.json).run();
    place.finish(config, options.json);
    return good ? exit_status::ok : exit_status::bad;
}

} // namespace

void add_demo_command(CLI::App& program, int& status) {
    auto& command =
        add_command(program, "demo", "Show handshakes with a broker that lives for some seconds",
                    "demo\ndemo --keep ./demo     # and look at its files afterwards\n"
                    "demo --json");
    auto const options = std::make_shared<demo_options>();
    auto const* given = add_config_option(command, options->config)
                            .description("The configuration, if there is one; it says how the "
                                         "broker behaves, not where its files are");
    command.add_option("--keep", options->keep, "Where to keep the database and the audit log")
        ->type_name("DIR");
    add_json_flag(command, options->json);
    command.callback([options, given, &status] {
        options->config_given = given->count() > 0;
        status = show(*options);
    });
}

} // namespace consent_broker
