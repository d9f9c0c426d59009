// SPDX-License-Identifier: MIT
#include "waiting_call.hpp"

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>

#include <fmt/format.h>

namespace demo {

namespace {

std::optional<waiting_call> call_of(const std::filesystem::path& fdinfo) {
    std::ifstream in(fdinfo);
    waiting_call found;
    bool waits = false;

    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        std::string key;

        words >> key;
        if (key == "ipcshim-peer:") {
            words >> found.peer;
        } else if (key == "ipcshim-exchange:") {
            waiting_call one = found;
            pid_t thread = 0;

            words >> one.exchange;
            for (std::string word; words >> word;) {
                const std::size_t equals = word.find('=');
                const std::string name = word.substr(0, equals);

                if (name == "code") {
                    one.code = static_cast<std::uint16_t>(std::stoul(word.substr(equals + 1)));
                } else if (name == "waits") {
                    thread = std::stoi(word.substr(equals + 1));
                }
            }
            if (thread != 0) {
                found = one;
                waits = true;
            }
        }
    }
    return waits ? std::optional(found) : std::nullopt;
}

} // namespace

waiting_call until_it_calls(pid_t pid, clock::time_point until) {
    const std::filesystem::path folder = fmt::format("/proc/{}/fdinfo", pid);

    for (;;) {
        for (const auto& file : std::filesystem::directory_iterator(folder)) {
            if (const std::optional<waiting_call> found = call_of(file.path())) {
                return *found;
            }
        }
        if (clock::now() >= until) {
            throw std::runtime_error(fmt::format("process {} does not wait for an answer", pid));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

} // namespace demo
