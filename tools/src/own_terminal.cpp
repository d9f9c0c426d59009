// SPDX-License-Identifier: MIT
#include "own_terminal.hpp"

#include <signal.h> // NOLINT(modernize-deprecated-headers): pthread_sigmask
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <system_error>

namespace ipcshim::tools {

namespace {

std::optional<std::uint16_t> parse_count(std::string_view text) {
    std::uint16_t value = 0;
    const auto* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value);
    if (parsed.ec != std::errc() || parsed.ptr != end || value == 0) {
        return std::nullopt;
    }
    return value;
}

} // namespace

std::optional<window_size> parse_size(const std::string& text) {
    const auto cross = text.find('x');
    if (cross == std::string::npos) {
        return std::nullopt;
    }
    const auto columns = parse_count(std::string_view(text).substr(0, cross));
    const auto rows = parse_count(std::string_view(text).substr(cross + 1));
    if (!columns || !rows) {
        return std::nullopt;
    }
    return window_size{.rows = *rows, .columns = *columns};
}

own_terminal::own_terminal() : shows_(::isatty(STDOUT_FILENO) == 1) {
    termios found{};
    if (::tcgetattr(STDIN_FILENO, &found) == 0) {
        before_ = found;
    }
}

std::optional<window_size> size_here() {
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO}) {
        ::winsize raw{};
        if (::ioctl(fd, TIOCGWINSZ, &raw) == 0) {
            return window_size{.rows = raw.ws_row,
                               .columns = raw.ws_col,
                               .x_pixels = raw.ws_xpixel,
                               .y_pixels = raw.ws_ypixel};
        }
    }
    return std::nullopt;
}

void own_terminal::make_raw() {
    if (!before_) {
        return;
    }
    termios raw = *before_;
    ::cfmakeraw(&raw);
    if (!shows_) {
        // What others write to it still needs its carriage returns.
        raw.c_oflag = before_->c_oflag;
    }
    // Before, so that a signal's way out puts it back.
    raw_ = true;
    if (::tcsetattr(STDIN_FILENO, TCSANOW, &raw) != 0) {
        throw std::system_error(errno, std::generic_category(),
                                "cannot make this terminal raw; is it still there?");
    }
}

void own_terminal::restore() noexcept {
    if (raw_) {
        raw_ = false;
        // Also from the background, where this would stop the program.
        sigset_t background{};
        sigset_t mask{};
        sigemptyset(&background);
        sigaddset(&background, SIGTTOU);
        ::pthread_sigmask(SIG_BLOCK, &background, &mask);
        // If it is gone there is nothing to put back.
        static_cast<void>(::tcsetattr(STDIN_FILENO, TCSANOW, &*before_));
        ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
    }
}

} // namespace ipcshim::tools
