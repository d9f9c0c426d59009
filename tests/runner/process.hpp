// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace runner {

// How a program ended.
struct outcome final {
    bool timed_out = false;
    int exit_code = -1; // -1: did not exit by itself
    int signal = 0;     // that killed it, or 0
    std::string output; // the end of what it wrote to both its outputs
    std::chrono::milliseconds took{};
};

// Runs a program in a process group of its own, for at most `limit`; then, and
// when it has ended, whatever is left of it is killed.  Throws
// std::system_error if it cannot be started.
outcome run(const std::vector<std::string>& command, std::chrono::milliseconds limit);

} // namespace runner
