// SPDX-License-Identifier: MIT
#include "trace.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <sstream>

#include "support.hpp"

namespace test {

trace::trace(const std::string& events) {
    for (const std::string path : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"})
        if (root_.empty() && ::access((path + "/events/" + events).c_str(), R_OK) == 0)
            root_ = path;
    if (root_.empty())
        return;
    enable_ = root_ + "/events/" + events + "/enable";
    const unique_fd empty(::open((root_ + "/trace").c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
    CHECK(write_file(enable_, "1"));
    CHECK(write_file(root_ + "/tracing_on", "1"));
}

trace::~trace() {
    if (available())
        static_cast<void>(write_file(enable_, "0"));
}

std::vector<std::string> trace::lines(const std::string& name) const {
    std::istringstream text(file_content(root_ + "/trace"));
    std::vector<std::string> found;
    for (std::string line; std::getline(text, line);)
        if (const auto place = line.find(" " + name + ": "); place != std::string::npos)
            found.push_back(line.substr(place + name.size() + 2) + " ");
    return found;
}

} // namespace test
