// SPDX-License-Identifier: MIT
//
// What a socket is that came by other ways: the module tells it in /proc.
#include <ipcshim/socket.hpp>

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>

#include "call.hpp"
#include "sentence.hpp"

namespace ipcshim {

namespace {

// All of a file in /proc that is at most as long as the buffer.
std::string_view read_all(detail::syscalls& calls, const std::string& path, std::span<char> buffer,
                          std::error_code& error) {
    const auto flags = static_cast<unsigned>(O_RDONLY) | static_cast<unsigned>(O_CLOEXEC);
    const int fd = calls.open(path.c_str(), static_cast<int>(flags));
    if (!detail::succeeded(fd, error)) {
        return {};
    }
    const detail::handle file(calls, fd);
    std::size_t length = 0;
    while (length < buffer.size()) {
        const ssize_t more = calls.read(fd, buffer.data() + length, buffer.size() - length);
        if (!detail::succeeded(more, error) || more == 0) {
            break;
        }
        length += static_cast<std::size_t>(more);
    }
    return {buffer.data(), length};
}

// What stands behind "key:<tab>", empty if there is no such line.
std::string_view value_of(std::string_view text, std::string_view key) noexcept {
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        if (line.starts_with(key) && line.substr(key.size()).starts_with(":\t")) {
            return line.substr(key.size() + 2);
        }
        text.remove_prefix(std::min(line.size() + 1, text.size()));
    }
    return {};
}

template <typename Number> bool parse(std::string_view text, Number& number) noexcept {
    return std::from_chars(text.data(), text.data() + text.size(), number).ec == std::errc();
}

} // namespace

socket::socket(adopt_fd_t /*tag*/, int fd, detail::syscalls& calls) {
    std::error_code error;
    std::array<char, 4096> buffer{}; // the first lines; those of open exchanges come behind
    const std::string_view told =
        read_all(calls, "/proc/self/fdinfo/" + std::to_string(fd), buffer, error);
    const std::string_view side = value_of(told, "ipcshim-role");
    const bool is_socket = (side == "client" || side == "service") &&
                           parse(value_of(told, "ipcshim-connection"), facts_.connection) &&
                           parse(value_of(told, "ipcshim-message-max"), facts_.message_max);
    struct ::stat found {};
    if (!error && !is_socket) {
        error = detail::code_of(ENOTTY);
    }
    if (!error) {
        detail::succeeded(calls.fstat(fd, found), error);
    }
    detail::check(error, detail::attempt::adopt,
                  "descriptor " + std::to_string(fd) + " as a socket");
    facts_.side = side == "client" ? role::client : role::service;
    facts_.inode = found.st_ino;
    handle_ = detail::handle(calls, fd);
}

} // namespace ipcshim
