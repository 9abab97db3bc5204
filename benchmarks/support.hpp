// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What the benchmarks share besides `child_process.hpp`: how figures are summed up, and how a
/// server that is one of those compared is run.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address_v4.hpp>

#include <algorithm>
#include <cstddef>
#include <iostream>
#include <vector>

namespace benchmarks {

/// What the part `p` of the values, 0 to 1, does not exceed. There is at least one.
inline double percentile(std::vector<double> values, double p) {
    auto const nth =
        values.begin() + static_cast<std::ptrdiff_t>(p * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), nth, values.end());
    return *nth;
}

/// The median of one figure over the rounds, of which there is at least one.
template <class Measurement>
double median(std::vector<Measurement> const& rounds, double Measurement::*what) {
    std::vector<double> values;
    for (auto const& one : rounds)
        values.push_back(one.*what);
    std::ranges::sort(values);
    return values[values.size() / 2];
}

/// Serves on a free port of loopback until the process is ended, and names the port as
/// `child_process` reads it. Returns the exit status when it cannot.
template <class Server>
int serve(Server& server, boost::asio::io_context& io) {
    if (!server.start(io, {boost::asio::ip::address_v4::loopback(), 0})) return 1;
    std::cout << "port " << server.port() << std::endl;
    io.run();
    return 0;
}

} // namespace benchmarks
