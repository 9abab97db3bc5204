// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// How many of something each address has, for limits.

#include <parley/error.hpp>

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace parley::detail {

/// What a peer is counted under: its IPv4 address, also where that is written as
/// `::ffff:192.0.2.1`, or the first 64 bits of its IPv6 address, as in `2001:db8::/64`: one
/// subscriber has all the addresses of such a network. What is no IP address stands for itself.
inline std::string address_group(std::string_view address) {
    namespace ip = boost::asio::ip;
    if (address.find(':') == address.npos) return std::string(address);
    error_code ec;
    auto const v6 = ip::make_address_v6(address, ec);
    if (ec) return std::string(address);
    if (v6.is_v4_mapped()) return ip::make_address_v4(ip::v4_mapped, v6).to_string();
    auto bytes = v6.to_bytes();
    std::fill(bytes.begin() + 8, bytes.end(), static_cast<unsigned char>(0));
    return ip::address_v6(bytes, v6.scope_id()).to_string() + "/64";
}

/// Counts places by `address_group`. Thread-safe, also after it is gone; copies share the counts.
class address_counts {
    using count_map = std::map<std::string, std::size_t, std::less<>>;

    struct state {
        std::mutex mutex;
        count_map counts;
    };

  public:
    /// One counted place, given back when destroyed.
    class place {
      public:
        place(place&&) noexcept = default;
        place& operator=(place&&) = delete;
        ~place() {
            if (!state_) return;
            std::scoped_lock lock(state_->mutex);
            if (--at_->second == 0) state_->counts.erase(at_);
        }

      private:
        friend class address_counts;

        place(std::shared_ptr<state> owner, count_map::iterator at)
            : state_(std::move(owner)), at_(at) {}

        std::shared_ptr<state> state_;
        count_map::iterator at_;
    };

    /// A place for `address`, or nothing when its group has `limit` already.
    [[nodiscard]] std::optional<place> take(std::string_view address, std::size_t limit) {
        auto group = address_group(address);
        std::scoped_lock lock(state_->mutex);
        auto const at = state_->counts.try_emplace(std::move(group), 0).first;
        if (at->second >= limit) {
            if (at->second == 0) state_->counts.erase(at); // nobody at all is let in
            return std::nullopt;
        }
        ++at->second;
        return place(state_, at);
    }

  private:
    std::shared_ptr<state> state_ = std::make_shared<state>();
};

} // namespace parley::detail
