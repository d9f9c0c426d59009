// SPDX-License-Identifier: MIT
// What the tests of io_uring share.
#ifndef IPCSHIM_TESTS_DEVICE_URING_SUPPORT_HPP
#define IPCSHIM_TESTS_DEVICE_URING_SUPPORT_HPP

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "support.hpp"

namespace test {

// The kernel's worker threads of this process's rings, as they are now. By a flag that they
// have from the beginning: their name, iou-wrk-PID, they give themselves once they run.
inline int workers() {
    constexpr unsigned long is_io_worker = 0x10; // PF_IO_WORKER of the kernel
    int count = 0;
    for (const auto& each : std::filesystem::directory_iterator("/proc/self/task")) {
        std::ifstream file(each.path() / "stat"); // it may have gone by now
        std::string line;
        std::getline(file, line);
        // After the name, in brackets: state, ppid, pgrp, session, tty, tpgid, flags.
        std::istringstream words(line.substr(std::min(line.size(), line.rfind(')') + 1)));
        std::string state;
        long number = 0;
        unsigned long flags = 0;
        words >> state;
        for (int i = 0; i < 5; ++i)
            words >> number;
        words >> flags;
        count += (flags & is_io_worker) != 0 ? 1 : 0;
    }
    return count;
}

} // namespace test

#endif
