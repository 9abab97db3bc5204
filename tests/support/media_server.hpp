// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// A mediasoup media server that runs, without a signalling server around it.

#include <tests/support/browser_parameters.hpp>
#include <tests/support/run_task.hpp>

#include <parley/background.hpp>
#include <parley/signaling/mediasoup/mediasoup_media.hpp>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <unistd.h>

namespace parley::test {

using namespace parley::signaling;

/// The worker that there is to test with, or nothing.
inline std::string mediasoup_worker() {
    auto const* path = std::getenv("PARLEY_MEDIASOUP_WORKER");
    return path != nullptr ? path : "";
}

/// For tests that need it; says once what is missing.
inline boost::test_tools::assertion_result has_mediasoup_worker(boost::unit_test::test_unit_id) {
    if (!mediasoup_worker().empty()) return true;
    static bool const said = [] {
        std::cerr << "skipped: no mediasoup worker (set PARLEY_MEDIASOUP_WORKER to what "
                     "scripts/mediasoup-worker.sh prints, as scripts/test.sh does)\n";
        return true;
    }();
    boost::test_tools::assertion_result skipped(!said);
    skipped.message() << "there is no mediasoup worker";
    return skipped;
}

/// This process's children, those that nobody has waited for among them.
inline std::set<pid_t> children() {
    std::set<pid_t> out;
    for (auto const& entry : std::filesystem::directory_iterator("/proc")) {
        std::ifstream file(entry.path() / "stat");
        std::string text;
        if (!std::getline(file, text)) continue;
        auto const rest = text.substr(text.rfind(')') + 1); // " S <parent> ..."
        if (std::strtol(rest.c_str() + 3, nullptr, 10) == ::getpid())
            out.insert(std::stoi(entry.path().filename()));
    }
    return out;
}

/// The children that there were not when this was made.
class new_children {
  public:
    [[nodiscard]] std::vector<pid_t> pids() const {
        std::vector<pid_t> out;
        for (auto const pid : children())
            if (!before_.contains(pid)) out.push_back(pid);
        return out;
    }

  private:
    std::set<pid_t> before_ = children();
};

/// Runs a media server on its own context, in turns with the test.
class media_server_world {
  public:
    explicit media_server_world(mediasoup_options options)
        : media(with_log(std::move(options))), context_(clocks_, io.get_executor()) {
        media.on_restart([this](std::vector<std::string> const& channels) {
            restarted.insert(channels.begin(), channels.end());
        });
        asio::co_spawn(io, media.run(context_), [this](std::exception_ptr const& thrown) {
            BOOST_TEST(!thrown);
            over_ = true;
        });
    }
    ~media_server_world() {
        if (!abandoned) stop();
    }

    /// Waits until so many workers run.
    void wait_for_workers(std::size_t count) {
        wait_until([&] { return media.workers() == count; });
    }

    /// Waits until something holds, which is soon.
    void wait_until(std::function<bool()> const& holds) {
        auto const deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        run_until(io, [&] { return holds() || std::chrono::steady_clock::now() > deadline; });
        BOOST_REQUIRE(holds());
    }

    void stop() {
        context_.stop();
        run_until(io, [this] { return over_; });
    }

    template <class T>
    T run(task<T> work) {
        return test::run(io, std::move(work));
    }

    transport_parameters transport(std::string const& channel, media_direction direction) {
        auto made = run(media.create_transport(channel, direction));
        BOOST_REQUIRE_MESSAGE(made.has_value(), made.error().message);
        return *made;
    }

    /// The id of a browser's producer on the transport.
    std::string produce(std::string const& transport) {
        auto const made = run(media.produce(transport, "audio", browser_rtp_parameters()));
        BOOST_REQUIRE_MESSAGE(made.has_value(), made.error().message);
        return *made;
    }

    media_counts counts() { return run(media.counts()).value(); }

    asio::io_context io;
    mediasoup_media media;
    std::multiset<std::string> restarted; ///< channels
    std::vector<std::string> logged;
    bool abandoned = false; ///< true: this goes without a stop

  private:
    struct clock_transport {
        using timer_type = mediasoup::detail::bell::timer;
        static timer_type make_timer(executor const& on) { return timer_type(on); }
    };
    struct clocks {
        using transport_type = clock_transport;
        clock_transport transport;
    };

    mediasoup_options with_log(mediasoup_options options) {
        options.worker.log = [this](mediasoup::log_level, std::string_view text) {
            logged.emplace_back(text);
        };
        return options;
    }

    clocks clocks_;
    background_context<clocks> context_;
    bool over_ = false;
};

} // namespace parley::test
