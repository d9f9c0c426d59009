// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <ipcshim/types.hpp>

#include "commands.hpp"

namespace ipcshim::tools {

namespace {

namespace fs = std::filesystem;

// A segment can be mapped without a descriptor of it.
constexpr int none = -1;

struct descriptor final {
    int number = none;
    std::string target; ///< what /proc/PID/fd/N points to
    std::vector<std::pair<std::string, std::string>> fields{};
    std::vector<std::string> mappings{}; ///< of a segment: "START-END rw-s", hexadecimal
};

bool is_ours(std::string_view target) {
    return target == default_device || target.starts_with("/dev/ttyIPC") ||
           target.find("ipcshim:[") != std::string_view::npos;
}

// What the kernel says of every file.
bool is_common(std::string_view field) {
    constexpr std::array<std::string_view, 4> common{"pos", "flags", "mnt_id", "ino"};
    return std::find(common.begin(), common.end(), field) != common.end();
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blank = " \t";
    const auto first = text.find_first_not_of(blank);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

std::vector<std::pair<std::string, std::string>> fields_of(const fs::path& path) {
    std::vector<std::pair<std::string, std::string>> fields{};
    std::ifstream lines(path);
    for (std::string line; std::getline(lines, line);) {
        const auto colon = line.find(':');
        if (colon == std::string::npos) {
            continue;
        }
        const std::string_view name = trimmed(std::string_view(line).substr(0, colon));
        if (!is_common(name)) {
            fields.emplace_back(name, trimmed(std::string_view(line).substr(colon + 1)));
        }
    }
    return fields;
}

std::vector<descriptor> descriptors_of(pid_t pid) {
    const fs::path process = fs::path("/proc") / std::to_string(pid);
    std::error_code error;
    fs::directory_iterator each(process / "fd", error);
    if (error == std::errc::no_such_file_or_directory) {
        throw std::system_error(error,
                                fmt::format("there is no process {}; look at its pid again", pid));
    }
    if (error) {
        throw std::system_error(
            error, fmt::format("cannot look into process {}; run as its user or as root", pid));
    }
    std::vector<descriptor> found;
    for (const fs::directory_entry& entry : each) {
        const std::string name = entry.path().filename();
        // It may be closed by now: then it is nothing to tell of.
        const std::string target = fs::read_symlink(entry.path(), error);
        int number = 0;
        const auto parsed = std::from_chars(name.data(), name.data() + name.size(), number);
        if (error || parsed.ec != std::errc() || !is_ours(target)) {
            continue;
        }
        found.push_back(
            {.number = number, .target = target, .fields = fields_of(process / "fdinfo" / name)});
    }
    std::sort(found.begin(), found.end(),
              [](const descriptor& a, const descriptor& b) { return a.number < b.number; });
    return found;
}

// What of segments is mapped goes to the descriptor of the segment, or to an
// entry without one.
void add_mappings(pid_t pid, std::vector<descriptor>& found) {
    std::ifstream lines(fs::path("/proc") / std::to_string(pid) / "maps");
    for (std::string line; std::getline(lines, line);) {
        // START-END RIGHTS OFFSET DEVICE INODE TARGET
        const auto place = line.find("ipcshim:[segment:");
        if (place == std::string::npos) {
            continue;
        }
        const std::string target = line.substr(place);
        const auto range = line.find(' ');
        auto owner = std::find_if(found.begin(), found.end(),
                                  [&](const descriptor& each) { return each.target == target; });
        if (owner == found.end()) {
            found.push_back({.target = target});
            owner = std::prev(found.end());
        }
        owner->mappings.push_back(line.substr(0, line.find(' ', range + 1)));
    }
}

void print_json(const std::vector<descriptor>& found) {
    auto list = nlohmann::ordered_json::array();
    for (const descriptor& each : found) {
        nlohmann::ordered_json object;
        if (each.number != none) {
            object["fd"] = each.number;
        }
        object["target"] = each.target;
        for (const auto& [name, value] : each.fields) {
            object["info"][name] = value;
        }
        if (!each.mappings.empty()) {
            object["mappings"] = each.mappings;
        }
        list.push_back(std::move(object));
    }
    fmt::print("{}\n", list.dump(2));
}

} // namespace

int inspect(const inspect_options& options) {
    std::vector<descriptor> found = descriptors_of(options.pid);
    add_mappings(options.pid, found);
    if (options.json) {
        print_json(found);
        return done;
    }
    if (found.empty()) {
        fmt::print("process {} has nothing of ipcshim open\n", options.pid);
    }
    for (const descriptor& each : found) {
        fmt::print("{}: {}\n", each.number == none ? "-" : std::to_string(each.number),
                   each.target);
        for (const auto& [name, value] : each.fields) {
            fmt::print("    {:<20} {}\n", name, value);
        }
        for (const std::string& mapping : each.mappings) {
            fmt::print("    {:<20} {}\n", "mapped", mapping);
        }
    }
    return done;
}

} // namespace ipcshim::tools
