// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// How a command speaks with a running broker: over a Unix domain socket beside the database, one
/// request and one answer for each connection, each a message in a line of JSON.

#include <parley/consent/configuration.hpp>
#include <parley/detail/posix_file.hpp>
#include <parley/error.hpp>
#include <parley/message.hpp>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/hana/define_struct.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace consent_broker::control {

inline constexpr std::size_t max_request = 4096;          ///< bytes of one line
inline constexpr std::size_t max_clients = 8;             ///< at once; others wait
inline constexpr std::size_t max_sessions = 1000;         ///< listed in one answer
inline constexpr std::chrono::seconds server_deadline{5}; ///< for each of request and answer
inline constexpr std::chrono::seconds client_deadline{10};

/// Request: end a relationship. Answered by `terminated`.
struct terminate {
    static constexpr std::string_view type = "terminate";
    BOOST_HANA_DEFINE_STRUCT(terminate, (std::string, relationship_id), (std::string, provider_npi),
                             (std::string, reason));
};

/// Request: how are you? Answered by `running`.
struct status {
    static constexpr std::string_view type = "status";
    BOOST_HANA_DEFINE_STRUCT(status);
};

/// Answer: what became of `terminate`.
struct terminated {
    static constexpr std::string_view type = "terminated";
    BOOST_HANA_DEFINE_STRUCT(terminated, (std::string, outcome), // one of `outcome`
                             (std::optional<std::uint64_t>, audit_sequence),
                             (std::optional<std::string>, audit_failure));
};

/// The values of `terminated::outcome`.
namespace outcome {
inline constexpr std::string_view terminated = "terminated";
inline constexpr std::string_view not_found = "not_found";
inline constexpr std::string_view not_owner = "not_owner"; ///< it is another provider's
inline constexpr std::string_view already_terminated = "already_terminated";
} // namespace outcome

/// A session between upgrade and close.
struct session {
    BOOST_HANA_DEFINE_STRUCT(session, (std::string, id), (std::string, subject),
                             (std::string, target), (std::string, started_at),
                             (std::string, status));
};

/// Answer: what a broker says of itself.
struct running {
    static constexpr std::string_view type = "running";
    BOOST_HANA_DEFINE_STRUCT(running, (std::string, version), (std::int64_t, pid),
                             (std::int64_t, uptime), // seconds
                             (std::string, address), (std::uint16_t, port), (bool, tls),
                             (std::size_t, active), // peers that were let in
                             (std::size_t, queued), // peers that wait for that
                             (std::uint64_t, completed), (std::uint64_t, failed), // handshakes
                             (std::vector<session>, sessions));
};

/// Answer: why there is no other.
struct refused {
    static constexpr std::string_view type = "refused";
    BOOST_HANA_DEFINE_STRUCT(refused, (std::string, why));
};

/// Where the socket of the broker on a database is.
class address {
  public:
    using endpoint_type = boost::asio::local::stream_protocol::endpoint;

    /// \throws command_error when the file's name alone is too long for a socket.
    explicit address(parley::consent::configuration const& config);

    [[nodiscard]] std::filesystem::path const& path() const { return path_; }

    /// By what name to bind it or to connect to it, which is good for as long as this object lives:
    /// a path that is too long for a socket is shortened by opening its directory. The error says
    /// why that cannot be opened.
    parley::result<endpoint_type> endpoint();

  private:
    std::filesystem::path path_;
    std::optional<parley::detail::posix_file> directory_;
};

/// Sends a request to the broker and waits for the answer, for `client_deadline` at most. Nothing
/// when no broker listens there. \throws command_error when it does not answer as it should.
std::optional<boost::json::value> ask(address& broker, std::string const& request);

} // namespace consent_broker::control
