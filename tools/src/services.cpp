// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "commands.hpp"
#include "proc.hpp"
#include "socket_state.hpp"

namespace ipcshim::tools {

namespace {

struct service_entry final {
    published_name what{};
    pid_t pid = 0; ///< of the process whose port has the name
    std::optional<uid_t> uid{};
    std::string command{};
};

// A port that was inherited is found in several processes, and is the same one.
std::vector<service_entry> services_here() {
    std::map<std::uint64_t, service_entry> found;
    for (const pid_t holder : processes()) {
        std::error_code error; // those that may not be looked into are not visible
        for (const descriptor& each : descriptors_of(holder, error)) {
            for (const published_name& name : names_of(each)) {
                const pid_t owner =
                    parse_number<pid_t>(each.field("ipcshim-port")).value_or(holder);
                found.emplace(name.number, service_entry{.what = name,
                                                         .pid = owner,
                                                         .uid = effective_uid_of(owner),
                                                         .command = command_of(owner)});
            }
        }
    }
    std::vector<service_entry> list;
    list.reserve(found.size());
    for (const auto& [number, entry] : found) {
        list.push_back(entry);
    }
    std::sort(list.begin(), list.end(), [](const service_entry& a, const service_entry& b) {
        return std::tie(a.what.name, a.what.number) < std::tie(b.what.name, b.what.number);
    });
    return list;
}

void print_json(const std::vector<service_entry>& list) {
    auto array = nlohmann::ordered_json::array();
    for (const service_entry& each : list) {
        nlohmann::ordered_json object{{"name", each.what.name},
                                      {"service", each.what.number},
                                      {"pid", each.pid},
                                      {"command", each.command}};
        if (each.uid) {
            object["uid"] = *each.uid;
        }
        array.push_back(std::move(object));
    }
    fmt::print("{}\n", array.dump(2));
}

} // namespace

int services(const services_options& options) {
    const std::vector<service_entry> list = services_here();
    if (options.json) {
        print_json(list);
        return done;
    }
    if (list.empty()) {
        fmt::print("no service is published by a process that this user may look into\n");
        return done;
    }
    // The name comes last: it may have blanks.
    fmt::print("{:>10} {:>10}  {:<15}  {}\n", "UID", "PID", "COMMAND", "NAME");
    for (const service_entry& each : list) {
        fmt::print("{:>10} {:>10}  {:<15}  {}\n", each.uid ? std::to_string(*each.uid) : "-",
                   each.pid, each.command, each.what.name);
    }
    return done;
}

} // namespace ipcshim::tools
