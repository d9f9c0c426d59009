// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "commands.hpp"
#include "proc.hpp"
#include "socket_state.hpp"
#include "waits.hpp"

namespace ipcshim::tools {

namespace {

std::vector<descriptor> look_into(pid_t pid) {
    std::error_code error;
    std::vector<descriptor> found = descriptors_of(pid, error);
    if (error == std::errc::no_such_file_or_directory) {
        throw std::system_error(error,
                                fmt::format("there is no process {}; look at its pid again", pid));
    }
    if (error) {
        throw std::system_error(
            error, fmt::format("cannot look into process {}; run as its user or as root", pid));
    }
    add_mappings(pid, found);
    return found;
}

nlohmann::ordered_json to_json(const open_exchange& what) {
    return {{"exchange", what.number},
            {"code", what.code},
            {"opener", to_string(what.opener)},
            {"turn", what.turn ? to_string(*what.turn) : std::string_view("none")},
            {"counter", what.counter},
            {"waits", what.waits}};
}

nlohmann::ordered_json to_json(const descriptor& what) {
    nlohmann::ordered_json object;
    if (what.number != no_descriptor) {
        object["fd"] = what.number;
    }
    object["target"] = what.target;
    for (const auto& [name, value] : what.fields) {
        // Those that come more than once have a list of their own below.
        if (name != service_field && name != exchange_field) {
            object["info"][name] = value;
        }
    }
    for (const published_name& each : names_of(what)) {
        object["services"].push_back({{"service", each.number}, {"name", each.name}});
    }
    if (const auto socket = socket_of(what)) {
        for (const open_exchange& each : socket->exchanges) {
            object["exchanges"].push_back(to_json(each));
        }
    }
    if (!what.mappings.empty()) {
        object["mappings"] = what.mappings;
    }
    return object;
}

void print_json(const std::vector<descriptor>& found) {
    auto list = nlohmann::ordered_json::array();
    for (const descriptor& each : found) {
        list.push_back(to_json(each));
    }
    fmt::print("{}\n", list.dump(2));
}

void print(const descriptor& what) {
    fmt::print("{}: {}\n", what.number == no_descriptor ? "-" : std::to_string(what.number),
               what.target);
    for (const auto& [name, value] : what.fields) {
        fmt::print("    {:<20} {}\n", name, value);
    }
    for (const std::string& mapping : what.mappings) {
        fmt::print("    {:<20} {}\n", "mapped", mapping);
    }
}

int show_waits(const inspect_options& options) {
    const std::vector<waiting> waits =
        options.pid == 0 ? waits_everywhere() : waits_around(options.pid, look_into(options.pid));
    if (options.json) {
        fmt::print("{}\n", to_json(waits).dump(2));
    } else if (waits.empty()) {
        fmt::print("nobody waits for an answer\n");
    } else {
        fmt::print("{}", to_text(waits));
    }
    return done;
}

} // namespace

int inspect(const inspect_options& options) {
    if (options.waits) {
        return show_waits(options);
    }
    const std::vector<descriptor> found = look_into(options.pid);
    if (options.json) {
        print_json(found);
        return done;
    }
    if (found.empty()) {
        fmt::print("process {} has nothing of ipcshim open\n", options.pid);
    }
    for (const descriptor& each : found) {
        print(each);
    }
    if (const std::string waits = to_text(waits_around(options.pid, found)); !waits.empty()) {
        fmt::print("\nwho waits for whom\n{}", waits);
    }
    return done;
}

} // namespace ipcshim::tools
