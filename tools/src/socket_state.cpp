// SPDX-License-Identifier: MIT
#include "socket_state.hpp"

#include <map>
#include <sstream>

namespace ipcshim::tools {

namespace {

std::optional<role> parse_side(std::string_view text) noexcept {
    if (text == to_string(role::client)) {
        return role::client;
    }
    if (text == to_string(role::service)) {
        return role::service;
    }
    return std::nullopt;
}

// Words of the form NAME=VALUE; others are left out.
std::map<std::string, std::string> pairs_of(std::istream& in) {
    std::map<std::string, std::string> pairs;
    for (std::string word; in >> word;) {
        if (const auto equals = word.find('='); equals != std::string::npos) {
            pairs[word.substr(0, equals)] = word.substr(equals + 1);
        }
    }
    return pairs;
}

} // namespace

role other(role which) noexcept {
    return which == role::client ? role::service : role::client;
}

std::optional<open_exchange> parse_exchange(std::string_view text) {
    std::istringstream in{std::string(text)};
    std::string first;
    in >> first;
    auto pairs = pairs_of(in);
    const auto number = parse_number<std::uint64_t>(first);
    const auto code = parse_number<std::uint16_t>(pairs["code"]);
    const auto opener = parse_side(pairs["opener"]);
    const auto turn = parse_side(pairs["turn"]);
    const auto counter = parse_number<std::uint32_t>(pairs["counter"]);
    const auto waits = parse_number<pid_t>(pairs["waits"]);
    if (!number || !code || !opener || (!turn && pairs["turn"] != "none") || !counter || !waits) {
        return std::nullopt;
    }
    return open_exchange{.number = *number,
                         .code = *code,
                         .opener = *opener,
                         .turn = turn,
                         .counter = *counter,
                         .waits = *waits};
}

std::optional<socket_state> socket_of(const descriptor& from) {
    const auto mine = parse_side(from.field("ipcshim-role"));
    const auto connection = parse_number<std::uint64_t>(from.field("ipcshim-connection"));
    if (!mine || !connection) {
        return std::nullopt;
    }
    socket_state found{.mine = *mine,
                       .connection = *connection,
                       .peer = parse_number<pid_t>(from.field("ipcshim-peer")).value_or(0)};
    for (const auto& [name, value] : from.fields) {
        if (name == exchange_field) {
            if (const auto exchange = parse_exchange(value)) {
                found.exchanges.push_back(*exchange);
            }
        }
    }
    return found;
}

std::vector<published_name> names_of(const descriptor& from) {
    std::vector<published_name> names;
    for (const auto& [name, value] : from.fields) {
        // "NUMBER NAME", and a name may have blanks.
        const auto blank = value.find(' ');
        if (name != service_field || blank == std::string::npos) {
            continue;
        }
        if (const auto number = parse_number<std::uint64_t>(value.substr(0, blank))) {
            names.push_back({.number = *number, .name = value.substr(blank + 1)});
        }
    }
    return names;
}

} // namespace ipcshim::tools
