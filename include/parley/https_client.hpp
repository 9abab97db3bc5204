// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// HTTPS for `http_client`. Needs OpenSSL (CMake target `parley::tls`).

#include <parley/error.hpp>
#include <parley/http_client.hpp>
#include <parley/task.hpp>
#include <parley/transport/tcp_transport.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

namespace parley {

/// A client's connection, over TLS or plain. Used on its executor only.
class http_client_stream {
  public:
    using executor_type = executor;
    using tls_type = asio::ssl::stream<tcp_stream::socket_type>;

    http_client_stream(std::unique_ptr<tls_type> next, bool tls)
        : next_(std::move(next)), tls_(tls) {}

    executor_type get_executor() { return next_->get_executor(); }
    tcp_stream::socket_type& socket() { return next_->next_layer(); }

    template <class Buffers, class Token>
    auto async_read_some(Buffers const& buffers, Token&& token) {
        return tls_ ? next_->async_read_some(buffers, std::forward<Token>(token))
                    : socket().async_read_some(buffers, std::forward<Token>(token));
    }

    template <class Buffers, class Token>
    auto async_write_some(Buffers const& buffers, Token&& token) {
        return tls_ ? next_->async_write_some(buffers, std::forward<Token>(token))
                    : socket().async_write_some(buffers, std::forward<Token>(token));
    }

    /// The TLS handshake, if there is to be one. The caller bounds its time by closing the stream.
    task<error_code> handshake() {
        if (!tls_) co_return error_code{};
        auto [ec] = co_await next_->async_handshake(tls_type::client, asio::as_tuple(use_task));
        co_return ec;
    }

    /// Without `close_notify`: HTTP says by itself where an answer ends.
    void close() {
        error_code ignored;
        socket().close(ignored);
    }

  private:
    std::unique_ptr<tls_type> next_; // asio::ssl::stream cannot be moved safely while in use
    bool tls_;
};

/// Plain HTTP, and HTTPS with TLS 1.2 and 1.3. A server must prove, with a certificate that the
/// authorities vouch for, that it has the name (or the address) it is called by; there is no way
/// around it. Copies share what they loaded.
class tls_connector {
  public:
    struct options {
        std::filesystem::path authorities; ///< PEM file of whom to trust; empty: whom the system
                                           ///< trusts
    };

    using stream_type = http_client_stream;

    tls_connector() : tls_connector(options{}) {}

    /// \throws boost::system::system_error that names the file, when it cannot be used.
    explicit tls_connector(options const& o) : context_(load(o)) {}

    result<stream_type> wrap(tcp_stream stream, http_origin const& origin) const {
        namespace ssl = asio::ssl;
        auto next = std::make_unique<stream_type::tls_type>(std::move(stream.socket()), *context_);
        if (!origin.tls) return stream_type(std::move(next), false);

        error_code ec;
        next->set_verify_mode(ssl::verify_peer, ec);
        if (!ec) next->set_verify_callback(ssl::host_name_verification(origin.host), ec);
        if (!ec) ec = name_server(*next, origin.host);
        if (ec) return ec;
        return stream_type(std::move(next), true);
    }

  private:
    /// Server Name Indication, which is for names only (RFC 6066 §3).
    static error_code name_server(stream_type::tls_type& next, std::string const& host) {
        error_code not_numeric;
        static_cast<void>(asio::ip::make_address(host, not_numeric));
        if (!not_numeric || SSL_set_tlsext_host_name(next.native_handle(), host.c_str()) == 1)
            return {};
        return http_errc::tls;
    }

    static std::shared_ptr<asio::ssl::context> load(options const& o) {
        namespace ssl = asio::ssl;
        auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
        context->set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                             ssl::context::no_sslv3 | ssl::context::no_tlsv1 |
                             ssl::context::no_tlsv1_1 | ssl::context::no_compression);
        error_code ec;
        if (o.authorities.empty()) {
            context->set_default_verify_paths(ec);
        } else {
            context->load_verify_file(o.authorities.string(), ec);
        }
        if (ec) throw boost::system::system_error(ec, o.authorities.string());
        return context;
    }

    std::shared_ptr<asio::ssl::context> context_;
};

} // namespace parley
