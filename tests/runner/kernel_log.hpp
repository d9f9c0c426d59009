// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "unique_fd.hpp"

namespace runner {

// The phrases by which a kernel complains: one on each line of the text, '#'
// starts a comment line.
std::vector<std::string> parse_patterns(std::string_view text);

// The message of a record as read from /dev/kmsg ("6,339,5140900,-;text"),
// without the lines of its dictionary; the whole text if it is no record.
std::string_view record_message(std::string_view record);

// Those of the messages that hold one of the phrases.
std::vector<std::string> complaints(const std::vector<std::string>& messages,
                                    const std::vector<std::string>& patterns);

// The running kernel's log, read from the moment of the construction.
class kernel_log final {
public:
    // Throws std::system_error if /dev/kmsg cannot be opened.
    kernel_log();

    // Writes a line of our own into the log.
    void mark(std::string_view text);

    // What was logged since the last call.
    std::vector<std::string> take();

private:
    unique_fd fd_;
};

} // namespace runner
