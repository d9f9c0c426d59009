// SPDX-License-Identifier: MIT
#include "proc.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <ipcshim/types.hpp>

namespace ipcshim::tools {

namespace {

namespace fs = std::filesystem;

fs::path folder_of(pid_t pid) {
    return fs::path("/proc") / std::to_string(pid);
}

bool is_ours(std::string_view target) {
    return target == default_device || target.starts_with("/dev/ttyIPC") ||
           target.find("ipcshim:[") != std::string_view::npos;
}

// What the kernel says of every file.
bool is_common(std::string_view field) {
    constexpr std::array<std::string_view, 4> common{"pos", "flags", "mnt_id", "ino"};
    return std::find(common.begin(), common.end(), field) != common.end();
}

// Without blanks in front. Those at the end stay: a name may have them.
std::string_view from_first_word(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

std::vector<std::pair<std::string, std::string>> fields_of(const fs::path& path) {
    std::vector<std::pair<std::string, std::string>> fields{};
    std::ifstream lines(path);
    for (std::string line; std::getline(lines, line);) {
        const auto colon = line.find(':');
        if (colon == std::string::npos) {
            continue;
        }
        const std::string_view name = std::string_view(line).substr(0, colon);
        if (!is_common(name)) {
            fields.emplace_back(name, from_first_word(std::string_view(line).substr(colon + 1)));
        }
    }
    return fields;
}

// The words behind a name in /proc/PID/status; empty if there is none.
std::vector<std::string> status_of(pid_t pid, std::string_view name) {
    for (const auto& [found, words] : fields_of(folder_of(pid) / "status")) {
        if (found == name) {
            std::istringstream in(words);
            std::vector<std::string> list;
            for (std::string word; in >> word;) {
                list.push_back(word);
            }
            return list;
        }
    }
    return {};
}

} // namespace

std::string_view descriptor::field(std::string_view name) const noexcept {
    const auto found = std::find_if(fields.begin(), fields.end(),
                                    [&](const auto& each) { return each.first == name; });
    return found == fields.end() ? std::string_view() : std::string_view(found->second);
}

std::vector<descriptor> descriptors_of(pid_t pid, std::error_code& error) {
    const fs::path process = folder_of(pid);
    fs::directory_iterator each(process / "fd", error);
    std::vector<descriptor> found;
    if (error) {
        return found;
    }
    for (; each != fs::directory_iterator(); each.increment(error)) {
        const std::string name = each->path().filename();
        // It may be closed by now: then it is nothing to tell of.
        std::error_code gone;
        const std::string target = fs::read_symlink(each->path(), gone);
        const auto number = parse_number<int>(name);
        if (!gone && number && is_ours(target)) {
            found.push_back({.number = *number,
                             .target = target,
                             .fields = fields_of(process / "fdinfo" / name)});
        }
    }
    error.clear(); // at worst it has ended meanwhile
    std::sort(found.begin(), found.end(),
              [](const descriptor& a, const descriptor& b) { return a.number < b.number; });
    return found;
}

void add_mappings(pid_t pid, std::vector<descriptor>& found) {
    std::ifstream lines(folder_of(pid) / "maps");
    for (std::string line; std::getline(lines, line);) {
        // START-END RIGHTS OFFSET DEVICE INODE TARGET
        const auto place = line.find("ipcshim:[");
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

std::vector<pid_t> processes() {
    std::vector<pid_t> found;
    for (const fs::directory_entry& entry : fs::directory_iterator("/proc")) {
        if (const auto pid = parse_number<pid_t>(entry.path().filename().string())) {
            found.push_back(*pid);
        }
    }
    std::sort(found.begin(), found.end());
    return found;
}

std::string command_of(pid_t pid) {
    std::ifstream in(folder_of(pid) / "comm");
    std::string name;
    std::getline(in, name);
    // Whoever runs it chose the name; it may go to somebody else's terminal.
    std::replace_if(
        name.begin(), name.end(), [](char each) { return each < ' ' || each > '~'; }, '?');
    return name;
}

std::optional<uid_t> effective_uid_of(pid_t pid) {
    // Real, effective, saved, file system.
    const auto words = status_of(pid, "Uid");
    return words.size() > 1 ? parse_number<uid_t>(words[1]) : std::nullopt;
}

pid_t process_of(pid_t thread) {
    const auto words = status_of(thread, "Tgid");
    return words.empty() ? 0 : parse_number<pid_t>(words[0]).value_or(0);
}

} // namespace ipcshim::tools
