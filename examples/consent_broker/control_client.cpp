// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include "control.hpp"

#include "database.hpp"
#include "support.hpp"

#include <boost/asio/basic_socket_iostream.hpp>

#include <sys/un.h>

#include <cstddef>
#include <string>
#include <utility>

namespace consent_broker::control {

namespace local = boost::asio::local;

namespace {

constexpr auto longest_name = sizeof(sockaddr_un::sun_path) - 1;

/// A directory that is open, by a name that is short.
std::string name_of(parley::detail::posix_file const& directory) {
    return "/proc/self/fd/" + std::to_string(directory.descriptor()) + '/';
}

} // namespace

address::address(parley::consent::configuration const& config)
    : path_(beside_database(config, ".control")) {
    constexpr std::size_t longest_directory = sizeof("/proc/self/fd/4294967295/") - 1;
    auto const name = path_.filename().string();
    if (path_.native().size() <= longest_name) return;
    if (name.size() <= longest_name - longest_directory) return;
    throw command_error(exit_status::usage,
                        "storage.path: the control socket " + name + " beside it has a name of " +
                            std::to_string(name.size()) + " bytes, and " +
                            std::to_string(longest_name - longest_directory) +
                            " are possible.\nChoose a shorter name for the database.");
}

parley::result<address::endpoint_type> address::endpoint() {
    if (path_.native().size() <= longest_name) return endpoint_type(path_.native());
    if (!directory_) {
        auto opened = parley::detail::posix_file::open(path_.parent_path(), O_PATH | O_DIRECTORY);
        if (!opened) return opened.error();
        directory_.emplace(std::move(*opened));
    }
    return endpoint_type(name_of(*directory_) + path_.filename().native());
}

std::optional<boost::json::value> ask(address& broker, std::string const& request) {
    auto const endpoint = broker.endpoint();
    local::stream_protocol::iostream line;
    line.expires_after(client_deadline);
    if (endpoint) line.connect(*endpoint);
    if (!endpoint || !line) {
        auto const ec = endpoint ? line.error() : endpoint.error();
        if (ec == boost::system::errc::connection_refused ||
            ec == boost::system::errc::no_such_file_or_directory) {
            return std::nullopt;
        }
        throw command_error(exit_status::bad, "cannot speak with the broker at " +
                                                  broker.path().string() + ": " + ec.message());
    }
    line << request << '\n' << std::flush;
    std::string text;
    std::getline(line, text);
    auto answer = parley::json::parse(text);
    if (answer) return std::move(*answer);
    throw command_error(exit_status::bad,
                        "the broker at " + broker.path().string() +
                            " did not answer. It may be stopping, or of another version: look at "
                            "its log.");
}

} // namespace consent_broker::control
