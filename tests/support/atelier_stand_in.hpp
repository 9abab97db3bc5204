// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What stands in for InterSystems IRIS: an HTTP server that answers as §3 of the table editor
/// specification says the Atelier API does, or does it wrong.

#include <parley/detail/exact_json.hpp>
#include <tests/support/iris_sql.hpp>
#include <tests/support/scripted_server.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::test {

/// An IRIS server with the namespaces `USER` and `%SYS`.
class atelier_stand_in {
  public:
    using request = scripted_line::request;
    /// What to do instead of answering: true when it has been done. The line is closed after it.
    using fault = std::function<bool(scripted_line&, request const&)>;

    struct options {
        std::string base = "/api/atelier/";
        std::string authorization = "Basic X1NZU1RFTTpTWVM="; // _SYSTEM:SYS
        std::optional<server_certificate> certificate = {};
    };

    atelier_stand_in() : atelier_stand_in(options{}) {}
    explicit atelier_stand_in(options o)
        : options_(std::move(o)),
          server_([this](scripted_line& line) { serve(line); }, options_.certificate) {}

    [[nodiscard]] std::uint16_t port() const { return server_.port(); }
    [[nodiscard]] scripted_server const& server() const { return server_; }
    iris_namespace& user() { return namespaces_["USER"]; }
    iris_namespace& sys() { return namespaces_["%SYS"]; }

    /// From now on, until it is told otherwise.
    void misbehave(fault how) {
        std::scoped_lock lock(mutex_);
        fault_ = std::move(how);
    }
    void behave() { misbehave(nullptr); }

    /// Before each statement that starts with this, once: what another user does just then.
    void interleave(std::string start, std::function<void()> what) {
        std::scoped_lock lock(mutex_);
        interleaved_.emplace_back(std::move(start), std::move(what));
    }

    /// Method, target, a blank, and the body of each request so far.
    std::vector<std::string> requests() {
        std::scoped_lock lock(mutex_);
        return requests_;
    }

    void change_password() {
        std::scoped_lock lock(mutex_);
        options_.authorization = "Basic b3RoZXI=";
    }

  private:
    void serve(scripted_line& line) {
        while (auto const r = line.read()) {
            fault how;
            bool knows_you = false;
            {
                std::scoped_lock lock(mutex_);
                requests_.push_back(std::string(r->method_string()) + " " +
                                    std::string(r->target()) + " " + r->body());
                how = fault_;
                knows_you = (*r)["Authorization"] == options_.authorization;
            }
            if (how && how(line, *r)) return;
            if (!knows_you) {
                line.answer("", "401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n");
            } else {
                answer(line, *r);
            }
        }
    }

    void answer(scripted_line& line, request const& r) {
        std::string const target(r.target());
        if (target == options_.base && r.method() == boost::beast::http::verb::get) {
            line.answer(R"({"status":{"errors":[],"summary":""},"console":[],"result":{"content":)"
                        R"({"version":"IRIS for UNIX, a stand-in","id":"x","api":8,)"
                        R"("namespaces":["USER","%SYS"]}}})");
            return;
        }
        for (auto const& [encoded, name] :
             std::map<std::string, std::string>{{"USER", "USER"}, {"%25SYS", "%SYS"}}) {
            if (target == options_.base + "v1/" + encoded + "/action/query" &&
                r.method() == boost::beast::http::verb::post &&
                r["Content-Type"] == "application/json")
                return run(line, namespaces_[name], r.body());
        }
        line.answer(R"({"status":{"errors":[{"error":"ERROR #16004: No such"}]},"result":{}})",
                    "404 Not Found");
    }

    void run(scripted_line& line, iris_namespace& ns, std::string const& body) {
        auto const parsed = parley::detail::parse_exact_json(body, 4).value();
        auto const& query = parsed.as_object();
        std::string const sql(query.at("query").as_string());
        before(sql);
        std::string rows;
        auto const error = ns.execute(sql, query.at("parameters").as_array(), rows);
        if (!error) {
            line.answer(
                R"({"status":{"errors":[],"summary":""},"console":[],"result":{"content":[)" +
                rows + "]}}");
            return;
        }
        std::string text;
        parley::detail::append_json_string(
            text, "ERROR #5540: SQLCODE: " + std::to_string(error->sqlcode) +
                      " Message: " + error->message);
        line.answer(R"({"status":{"errors":[{"error":)" + text +
                    R"(,"code":5540,"domain":"%ObjectErrors","id":"SQLCode"}],"summary":)" + text +
                    R"(},"console":[],"result":{}})");
    }

    void before(std::string const& sql) {
        std::function<void()> what;
        {
            std::scoped_lock lock(mutex_);
            for (auto it = interleaved_.begin(); it != interleaved_.end(); ++it) {
                if (!sql.starts_with(it->first)) continue;
                what = std::move(it->second);
                interleaved_.erase(it);
                break;
            }
        }
        if (what) what();
    }

    std::mutex mutex_;
    options options_;
    fault fault_;
    std::vector<std::pair<std::string, std::function<void()>>> interleaved_;
    std::vector<std::string> requests_;
    std::map<std::string, iris_namespace> namespaces_ = make_namespaces();
    scripted_server server_; // the last, so that it is the first to go

    static std::map<std::string, iris_namespace> make_namespaces() {
        std::map<std::string, iris_namespace> both;
        both["USER"];
        both["%SYS"];
        return both;
    }
};

} // namespace parley::test
