// SPDX-License-Identifier: MIT
#include "screen.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>

#include <fmt/format.h>

namespace demo {

void screen::type(std::string_view keys) {
    typed_at_ = lines_.size();
    master_->write(std::as_bytes(std::span(keys)));
}

std::vector<std::string> screen::until_prompt(std::string_view prompt, clock::time_point until) {
    while (typed_at_ == lines_.size() || last_ != prompt) {
        if (!read_more(until)) {
            throw std::runtime_error(
                fmt::format("the terminal ended before a prompt '{}' came", prompt));
        }
    }
    return answer();
}

std::vector<std::string> screen::answer() const {
    const std::size_t begin = std::min(typed_at_ ? *typed_at_ + 1 : 0, lines_.size());

    return {lines_.begin() + static_cast<std::ptrdiff_t>(begin), lines_.end()};
}

void screen::until_line(std::string_view line, clock::time_point until) {
    const auto begin = static_cast<std::ptrdiff_t>(typed_at_.value_or(0));

    while (std::find(lines_.begin() + begin, lines_.end(), line) == lines_.end()) {
        if (!read_more(until)) {
            throw std::runtime_error(
                fmt::format("the terminal ended before a line '{}' came", line));
        }
    }
}

void screen::until_bytes(std::uint64_t count, clock::time_point until) {
    const std::uint64_t enough = bytes_ + count;

    while (bytes_ < enough) {
        if (!read_more(until)) {
            throw std::runtime_error(fmt::format("the terminal ended within {} bytes", count));
        }
    }
}

void screen::until_end(clock::time_point until) {
    while (read_more(until)) {
    }
    if (!last_.empty()) {
        line_is_complete();
    }
}

bool screen::read_more(clock::time_point until) {
    pollfd ready{master_->fd(), POLLIN, 0};
    std::array<std::byte, 4096> bytes{};

    for (;;) {
        const int count = ::poll(&ready, 1, milliseconds(until));
        if (count > 0) {
            break;
        }
        if (count < 0 && errno != EINTR) {
            throw std::system_error(errno, std::generic_category(), "poll");
        }
        if (clock::now() >= until) {
            throw std::runtime_error(fmt::format(
                "nothing more came from the terminal in time; its last line is '{}'", last_));
        }
    }
    const std::size_t got = master_->read(bytes);
    bytes_ += got;
    for (const std::byte each : std::span(bytes).first(got)) {
        show(static_cast<char>(each));
    }
    return got > 0;
}

void screen::show(char letter) {
    switch (part_) {
    case part::escape:
        part_ = letter == '[' ? part::sequence : part::text;
        return;
    case part::sequence:
        if (letter >= '@' && letter <= '~') {
            part_ = part::text;
        }
        return;
    case part::text:
        break;
    }
    if (letter == '\033') {
        part_ = part::escape;
    } else if (letter == '\n') {
        line_is_complete();
    } else if (letter == '\b') {
        if (!last_.empty()) {
            last_.pop_back();
        }
    } else if (static_cast<unsigned char>(letter) >= ' ') {
        last_ += letter;
    }
}

void screen::line_is_complete() {
    lines_.push_back(std::move(last_));
    last_.clear();
    told_(lines_.back());
}

} // namespace demo
