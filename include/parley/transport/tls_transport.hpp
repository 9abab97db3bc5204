// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// TLS 1.2 and 1.3 over TCP. Needs OpenSSL (CMake target `parley::tls`).

#include <parley/transport/tcp_transport.hpp>

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace parley {

/// One TLS connection, accepted by a server or made by a client. Used on its executor only.
class tls_stream {
  public:
    using executor_type = executor;
    using next_type = asio::ssl::stream<tcp_stream::socket_type>;

    tls_stream(tcp_stream stream, asio::ssl::context& context)
        : next_(std::make_unique<next_type>(std::move(stream.socket()), context)) {}

    executor_type get_executor() { return next_->get_executor(); }

    /// The TLS stream itself: a client sets it up, and shakes hands on it.
    next_type& next() { return *next_; }

    template <class Buffers, class Token>
    auto async_read_some(Buffers const& buffers, Token&& token) {
        return next_->async_read_some(buffers, std::forward<Token>(token));
    }

    template <class Buffers, class Token>
    auto async_write_some(Buffers const& buffers, Token&& token) {
        return next_->async_write_some(buffers, std::forward<Token>(token));
    }

    /// How many bytes have come, as they are on the wire, that no read has taken.
    std::size_t available() {
        error_code ignored;
        return next_->next_layer().available(ignored);
    }

    /// The TLS handshake. The caller bounds its time by closing the stream.
    task<error_code> handshake() {
        auto [ec] = co_await next_->async_handshake(next_type::server, asio::as_tuple(use_task));
        co_return ec;
    }

    /// Sends `close_notify`, and waits for the peer's, or for it to send anything else. The caller
    /// bounds its time by closing the stream.
    task<> shutdown() {
        auto [ec] = co_await next_->async_shutdown(asio::as_tuple(use_task));
        next_->next_layer().shutdown(tcp_stream::socket_type::shutdown_send, ec); // whatever it was
    }

    /// After `shutdown`: throws away what the peer still sends, as `tcp_stream::linger` does. TLS
    /// itself reads no more once it has been shut down.
    task<> linger() { return detail::discard_incoming(next_->next_layer()); }

    void close() {
        error_code ignored;
        next_->next_layer().close(ignored);
    }

    [[nodiscard]] std::string peer_address() const {
        error_code ec;
        auto const endpoint = next_->next_layer().remote_endpoint(ec);
        return ec ? std::string() : endpoint.address().to_string();
    }

  private:
    std::unique_ptr<next_type> next_; // asio::ssl::stream cannot be moved safely while in use
};

/// Transport policy: TLS, with a certificate and a key from files that can be loaded again while
/// the server runs.
class tls_transport : public tcp_transport {
  public:
    struct options {
        std::filesystem::path certificate; ///< PEM: the server's certificate, then its chain
        std::filesystem::path key;         ///< PEM: the private key
    };

    using stream_type = tls_stream;

    /// \throws boost::system::system_error that names the file, when the certificate or the key
    /// cannot be used.
    explicit tls_transport(options files) : state_(std::make_shared<state>()) {
        state_->files = std::move(files);
        reload();
    }

    /// Reads the files again; connections accepted from now on use them, earlier ones go on as they
    /// are. Thread-safe. \throws as the constructor does, and then the old ones stay in use.
    void reload() {
        auto fresh = load(state_->files);
        std::scoped_lock lock(state_->mutex);
        state_->context = std::move(fresh);
    }

    stream_type wrap(tcp_stream stream) {
        std::scoped_lock lock(state_->mutex);
        return {std::move(stream), *state_->context};
    }

  private:
    struct state {
        options files;
        std::mutex mutex;
        std::shared_ptr<asio::ssl::context> context; // OpenSSL counts its own references besides
    };

    static std::shared_ptr<asio::ssl::context> load(options const& files) {
        namespace ssl = asio::ssl;
        auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
        context->set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                             ssl::context::no_sslv3 | ssl::context::no_tlsv1 |
                             ssl::context::no_tlsv1_1 | ssl::context::no_compression);
        error_code ec;
        context->use_certificate_chain_file(files.certificate.string(), ec);
        if (ec) throw boost::system::system_error(ec, files.certificate.string());
        context->use_private_key_file(files.key.string(), ssl::context::pem, ec);
        if (ec) throw boost::system::system_error(ec, files.key.string());
        if (SSL_CTX_check_private_key(context->native_handle()) != 1) {
            throw boost::system::system_error(make_error_code(errc::credential_refused),
                                              files.key.string() + " is not the key of " +
                                                  files.certificate.string());
        }
        return context;
    }

    std::shared_ptr<state> state_;
};

} // namespace parley
