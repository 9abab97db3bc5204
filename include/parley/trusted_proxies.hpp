// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Who a request comes from, where reverse proxies stand before the server.

#include <parley/error.hpp>
#include <parley/http.hpp>
#include <parley/http_fields.hpp>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace parley {

/// The proxies whose `X-Forwarded-For` is believed. Immutable.
class trusted_proxies {
    using bytes_type = boost::asio::ip::address_v6::bytes_type;

    /// The addresses whose first bits are those of `prefix`; IPv4 as `::ffff:192.0.2.1`.
    struct network {
        bytes_type prefix;
        std::size_t bits;
    };

  public:
    trusted_proxies() = default; ///< none

    /// \param networks addresses (`192.0.2.1`, `2001:db8::1`) and networks of them (`10.0.0.0/8`,
    /// `fd00::/8`).
    [[nodiscard]] static result<trusted_proxies, problem>
    of(std::vector<std::string> const& networks) {
        trusted_proxies out;
        for (auto const& text : networks) {
            auto const parsed = parse_network(text);
            if (!parsed) {
                return problem{"[" + std::to_string(out.networks_.size()) + "]",
                               "an IP address or a network like \"10.0.0.0/8\"",
                               "the string \"" + text + '"'};
            }
            out.networks_.push_back(*parsed);
        }
        return out;
    }

    /// The address that a request comes from: that of its peer, unless that is one of the proxies;
    /// then what the last of them in a row says of its own peer. What others have written into the
    /// header, or nobody could read, counts for nothing.
    [[nodiscard]] std::string client_of(http_request const& request, std::string_view peer) const {
        std::string client(peer);
        if (networks_.empty()) return client;
        auto address = parse_address(peer.substr(0, peer.find('%')));
        auto hops = hops_of(request);
        while (address && trusts(*address) && !hops.empty()) {
            address = parse_hop(hops.back());
            hops.pop_back();
            if (address) client = text_of(*address);
        }
        return client;
    }

  private:
    /// What the fields say, the nearest hop last.
    static std::vector<std::string_view> hops_of(http_request const& request) {
        std::vector<std::string_view> hops;
        auto const range = request.equal_range("X-Forwarded-For");
        for (auto field = range.first; field != range.second; ++field) {
            std::string_view list(field->value().data(), field->value().size());
            while (!list.empty())
                hops.push_back(detail::trimmed(detail::take_until(list, ',')));
        }
        return hops;
    }

    static std::optional<bytes_type> parse_address(std::string_view text) {
        namespace ip = boost::asio::ip;
        error_code ec;
        auto const parsed = ip::make_address(std::string(text), ec);
        if (ec) return std::nullopt;
        if (parsed.is_v6()) return parsed.to_v6().to_bytes();
        return ip::make_address_v6(ip::v4_mapped, parsed.to_v4()).to_bytes();
    }

    /// An address, with the port that some proxies add: `192.0.2.1:443`, `[2001:db8::1]:443`.
    static std::optional<bytes_type> parse_hop(std::string_view text) {
        auto port = std::string_view();
        if (text.starts_with('[')) {
            auto const end = text.find(']');
            if (end == text.npos) return std::nullopt;
            port = text.substr(end + 1);
            text = text.substr(1, end - 1);
            if (text.find(':') == text.npos) return std::nullopt;
        } else if (auto const colon = text.find(':');
                   colon == text.rfind(':') && colon != text.npos) {
            port = text.substr(colon);
            text = text.substr(0, colon);
        }
        bool const has_good_port = port.size() > 1 && port.front() == ':' &&
                                   port.find_first_not_of("0123456789", 1) == port.npos &&
                                   port.size() <= 6;
        if (!port.empty() && !has_good_port) return std::nullopt;
        if (text.find('%') != text.npos) return std::nullopt; // a network card of somebody else's
        return parse_address(text);
    }

    static std::optional<network> parse_network(std::string_view text) {
        auto const slash = std::min(text.find('/'), text.size());
        auto const address = text.substr(0, slash);
        auto const prefix = parse_address(address);
        if (!prefix || address.find('%') != address.npos) return std::nullopt;
        std::size_t const all = address.find(':') == address.npos ? 32 : 128;
        std::size_t bits = all;
        if (slash < text.size()) {
            auto const* const end = text.data() + text.size();
            auto const read = std::from_chars(text.data() + slash + 1, end, bits);
            if (read.ec != std::errc() || read.ptr != end || bits > all) return std::nullopt;
        }
        return network{*prefix, 128 - all + bits};
    }

    [[nodiscard]] bool trusts(bytes_type const& address) const {
        return std::ranges::any_of(networks_, [&](network const& one) {
            auto const whole = static_cast<std::ptrdiff_t>(one.bits / 8);
            if (!std::equal(address.begin(), address.begin() + whole, one.prefix.begin())) {
                return false;
            }
            auto const rest = one.bits % 8;
            if (rest == 0) return true;
            auto const at = one.bits / 8;
            return ((address[at] ^ one.prefix[at]) >> (8 - rest)) == 0;
        });
    }

    static std::string text_of(bytes_type const& bytes) {
        namespace ip = boost::asio::ip;
        ip::address_v6 const v6(bytes);
        return v6.is_v4_mapped() ? ip::make_address_v4(ip::v4_mapped, v6).to_string()
                                 : v6.to_string();
    }

    std::vector<network> networks_;
};

} // namespace parley
