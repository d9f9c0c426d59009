// SPDX-License-Identifier: MIT
#include "kernel_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace runner {

std::vector<std::string> parse_patterns(std::string_view text) {
    std::vector<std::string> patterns;
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (!line.empty() && line.front() != '#') {
            patterns.emplace_back(line);
        }
    }
    return patterns;
}

std::string_view record_message(std::string_view record) {
    const auto semicolon = record.find(';');
    if (semicolon != std::string_view::npos) {
        record.remove_prefix(semicolon + 1);
    }
    return record.substr(0, record.find('\n'));
}

std::vector<std::string> complaints(const std::vector<std::string>& messages,
                                    const std::vector<std::string>& patterns) {
    std::vector<std::string> found;
    std::copy_if(messages.begin(), messages.end(), std::back_inserter(found),
                 [&patterns](const std::string& message) {
                     return std::any_of(patterns.begin(), patterns.end(),
                                        [&message](const std::string& pattern) {
                                            return message.find(pattern) != std::string::npos;
                                        });
                 });
    return found;
}

kernel_log::kernel_log() : fd_(::open("/dev/kmsg", O_RDWR | O_NONBLOCK | O_CLOEXEC)) {
    if (!fd_ || ::lseek(fd_.get(), 0, SEEK_END) < 0) {
        throw std::system_error(errno, std::generic_category(),
                                "cannot read the kernel log, /dev/kmsg");
    }
}

void kernel_log::mark(std::string_view text) {
    const std::string line(text);
    if (::write(fd_.get(), line.data(), line.size()) < 0) {
        throw std::system_error(errno, std::generic_category(), "cannot write to /dev/kmsg");
    }
}

std::vector<std::string> kernel_log::take() {
    std::vector<std::string> messages;
    std::array<char, 8192> record{}; // the kernel's own limit for one record
    for (;;) {
        const auto length = ::read(fd_.get(), record.data(), record.size());
        if (length > 0) {
            messages.emplace_back(
                record_message({record.data(), static_cast<std::size_t>(length)}));
        } else if (length < 0 && errno == EPIPE) {
            // Overwritten before it was read; what was in it is unknown, so say so
            // in words that no list of phrases can miss.
            messages.emplace_back("WARNING: the kernel log ran over, and lines of it are lost");
        } else if (length == 0 || errno != EINTR) {
            return messages;
        }
    }
}

} // namespace runner
