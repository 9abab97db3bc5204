// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// An HTTP server on the loopback that does to each connection what the test says, however wrong.

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>

#include <sys/socket.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace parley::test {

/// The files of a server's certificate.
struct server_certificate {
    std::filesystem::path certificate;
    std::filesystem::path key;
};

/// One accepted connection, as the test's script sees it. Blocks, for at most ten seconds at a
/// time.
class scripted_line {
    using tcp = boost::asio::ip::tcp;
    using error_code = boost::system::error_code;

  public:
    using request = boost::beast::http::request<boost::beast::http::string_body>;

    scripted_line(tcp::socket socket, boost::asio::ssl::context* tls, int number)
        : nth(number), socket_(std::move(socket)) {
        timeval const limit{10, 0};
        ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        if (tls) secured_.emplace(socket_, *tls);
    }

    int const nth; ///< of the server's connections, from 1 on

    bool shake_hands() {
        error_code ec;
        if (secured_) secured_->handshake(boost::asio::ssl::stream_base::server, ec);
        return !ec;
    }

    /// The name that a TLS client asked for.
    [[nodiscard]] std::string server_name() {
        auto const* name =
            ::SSL_get_servername(secured_->native_handle(), TLSEXT_NAMETYPE_host_name);
        return name ? name : "";
    }

    /// The next request; nothing when the client has gone.
    std::optional<request> read() {
        boost::beast::http::request_parser<boost::beast::http::string_body> parser;
        parser.body_limit(64 * 1024 * 1024);
        error_code ec;
        if (secured_) {
            boost::beast::http::read(*secured_, buffer_, parser, ec);
        } else {
            boost::beast::http::read(socket_, buffer_, parser, ec);
        }
        if (ec) return std::nullopt;
        return parser.release();
    }

    /// Sends exactly this; false when the client has gone.
    bool write(std::string_view text) {
        error_code ec;
        boost::asio::const_buffer const bytes(text.data(), text.size());
        if (secured_) {
            boost::asio::write(*secured_, bytes, ec);
        } else {
            boost::asio::write(socket_, bytes, ec);
        }
        return !ec;
    }

    /// Answers with a body of a known length.
    bool answer(std::string_view body, std::string_view status = "200 OK",
                std::string_view more = "Content-Type: application/json\r\n") {
        return write(std::string("HTTP/1.1 ")
                         .append(status)
                         .append("\r\n")
                         .append(more)
                         .append("Content-Length: ")
                         .append(std::to_string(body.size()))
                         .append("\r\n\r\n")
                         .append(body));
    }

    /// Waits until the client has closed the line.
    void wait_for_end() {
        char byte = 0;
        error_code ec;
        while (!ec)
            socket_.read_some(boost::asio::buffer(&byte, 1), ec);
    }

    /// From any thread: whatever is waited for on this line ends.
    void shut() { ::shutdown(socket_.native_handle(), SHUT_RDWR); }

  private:
    tcp::socket socket_;
    std::optional<boost::asio::ssl::stream<tcp::socket&>> secured_;
    boost::beast::flat_buffer buffer_;
};

/// Listens on 127.0.0.1 and runs the script for each connection, on a thread of its own; at its end
/// the connection is closed.
class scripted_server {
    using tcp = boost::asio::ip::tcp;

  public:
    using script = std::function<void(scripted_line&)>;

    explicit scripted_server(script what, std::optional<server_certificate> const& files = {})
        : script_(std::move(what)), acceptor_(io_, {boost::asio::ip::address_v4::loopback(), 0}) {
        if (files) {
            tls_.emplace(boost::asio::ssl::context::tls_server);
            tls_->use_certificate_chain_file(files->certificate.string());
            tls_->use_private_key_file(files->key.string(), boost::asio::ssl::context::pem);
        }
        port_ = acceptor_.local_endpoint().port();
        accepting_ = std::thread([this] { accept(); });
    }

    scripted_server(scripted_server const&) = delete;
    scripted_server& operator=(scripted_server const&) = delete;

    ~scripted_server() {
        ::shutdown(acceptor_.native_handle(), SHUT_RDWR); // wakes the blocked accept
        accepting_.join();
        {
            std::scoped_lock lock(mutex_);
            for (auto const& line : lines_)
                line->shut();
        }
        for (auto& t : serving_)
            t.join();
    }

    [[nodiscard]] std::uint16_t port() const { return port_; }

    /// How many connections there have been.
    [[nodiscard]] int connections() const { return connections_; }

    /// How many there are, and how many there have been at once.
    [[nodiscard]] int open() const { return open_; }
    [[nodiscard]] int most() const { return most_; }

  private:
    void accept() {
        for (;;) {
            boost::system::error_code ec;
            tcp::socket socket(io_);
            acceptor_.accept(socket, ec);
            if (ec) return;
            std::scoped_lock lock(mutex_);
            lines_.push_back(std::make_shared<scripted_line>(
                std::move(socket), tls_ ? &*tls_ : nullptr, ++connections_));
            serving_.emplace_back([this, line = lines_.back()] { serve(line); });
        }
    }

    void serve(std::shared_ptr<scripted_line> const& line) {
        int const now = ++open_;
        for (int most = most_; most < now && !most_.compare_exchange_weak(most, now);) {
        }
        if (line->shake_hands()) script_(*line);
        --open_;
        line->shut();
    }

    script const script_;
    boost::asio::io_context io_;
    tcp::acceptor acceptor_;
    std::optional<boost::asio::ssl::context> tls_;
    std::uint16_t port_ = 0;
    std::atomic<int> connections_ = 0;
    std::atomic<int> open_ = 0;
    std::atomic<int> most_ = 0;
    std::mutex mutex_;
    std::vector<std::shared_ptr<scripted_line>> lines_;
    std::vector<std::thread> serving_; // used by the accepting thread only, until it has ended
    std::thread accepting_;
};

} // namespace parley::test
