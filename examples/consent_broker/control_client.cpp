// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include "control.hpp"

#include "database.hpp"
#include "support.hpp"

#include <boost/asio/basic_socket_iostream.hpp>

#include <sys/un.h>

#include <string>

namespace consent_broker::control {

namespace local = boost::asio::local;

local::stream_protocol::endpoint endpoint_of(parley::consent::configuration const& config) {
    auto const path = beside_database(config, ".control").string();
    constexpr auto longest = sizeof(sockaddr_un::sun_path) - 1;
    if (path.size() <= longest) return {path};
    throw command_error(exit_status::usage,
                        "storage.path: the control socket " + path + " beside it has a name of " +
                            std::to_string(path.size()) + " bytes, and the system allows " +
                            std::to_string(longest) +
                            ".\nChoose a shorter path, or one relative to the directory that the "
                            "broker is started in.");
}

std::optional<boost::json::value> ask(local::stream_protocol::endpoint const& broker,
                                      std::string const& request) {
    local::stream_protocol::iostream line;
    line.expires_after(client_deadline);
    line.connect(broker);
    if (!line) {
        auto const ec = line.error();
        if (ec == boost::asio::error::connection_refused ||
            ec == boost::system::errc::no_such_file_or_directory) {
            return std::nullopt;
        }
        throw command_error(exit_status::bad, "cannot speak with the broker at " + broker.path() +
                                                  ": " + ec.message());
    }
    line << request << '\n' << std::flush;
    std::string text;
    std::getline(line, text);
    auto answer = parley::json::parse(text);
    if (answer) return std::move(*answer);
    throw command_error(exit_status::bad,
                        "the broker at " + broker.path() +
                            " did not answer. It may be stopping, or of another version: look at "
                            "its log.");
}

} // namespace consent_broker::control
