// SPDX-License-Identifier: MIT
#include "socket_support.hpp"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <sstream>

namespace test {

namespace {

std::size_t entries_of(const char* folder) {
    const std::filesystem::directory_iterator entries(folder);
    return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

} // namespace

std::size_t own_descriptors() {
    return entries_of("/proc/self/fd"); // one of them is the folder's own
}

std::size_t own_threads() {
    return entries_of("/proc/self/task");
}

Balanced::found Balanced::look() {
    return {test::totals(), own_descriptors(), own_threads()};
}

Balanced::Balanced() : before_(look()) {}

Balanced::~Balanced() {
    // A process that was killed, or a thread that was joined, is gone a moment later.
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    wait_until([&] { return look() == before_ || std::chrono::steady_clock::now() > until; });
    const auto now = look();
    EXPECT_EQ(now.descriptors, before_.descriptors) << "descriptors of this process";
    EXPECT_EQ(now.threads, before_.threads) << "threads of this process";
    const auto& left = now.totals;
    EXPECT_EQ(left.ports, before_.totals.ports);
    EXPECT_EQ(left.pipes, before_.totals.pipes);
    EXPECT_EQ(left.tokens, before_.totals.tokens);
    EXPECT_EQ(left.events, before_.totals.events);
    EXPECT_EQ(left.segments, before_.totals.segments);
    EXPECT_EQ(left.services, before_.totals.services);
    EXPECT_EQ(left.connections, before_.totals.connections);
    EXPECT_EQ(left.exchanges, before_.totals.exchanges);
    EXPECT_EQ(left.messages, before_.totals.messages);
    EXPECT_EQ(left.message_bytes, before_.totals.message_bytes);
    EXPECT_TRUE(left == before_.totals);
}

std::vector<std::string> fdinfo(int fd, std::string_view key) {
    std::vector<std::string> values;
    std::istringstream text(file_content("/proc/self/fdinfo/" + std::to_string(fd)));
    const std::string start = std::string(key) + ":\t";
    for (std::string one; std::getline(text, one);)
        if (one.starts_with(start))
            values.push_back(one.substr(start.size()));
    return values;
}

std::uint64_t fdinfo_number(int fd, std::string_view key) {
    const auto values = fdinfo(fd, key);
    CHECK(values.size() == 1);
    return std::stoull(values.front());
}

std::size_t callers_waiting(int fd) {
    const auto lines = fdinfo(fd, "ipcshim-exchange");
    return static_cast<std::size_t>(std::ranges::count_if(lines, [](const std::string& text) {
        const auto place = text.find("waits=");
        return place != std::string::npos && text[place + 6] != '0';
    }));
}

void wait_for_callers(int fd, std::size_t count) {
    wait_until([&] { return callers_waiting(fd) == count; });
}

void wait_for_readers(int fd, std::size_t count) {
    wait_until([&] { return fdinfo_number(fd, "ipcshim-readers") == count; });
}

void wait_for_messages(int fd, std::size_t count) {
    wait_until([&] { return fdinfo_number(fd, "ipcshim-messages") == count; });
}

ipcshim::socket_pair socket_pair(std::uint32_t message_max) {
    return ipcshim::port::open().open_socket_pair({.message_max = message_max});
}

bool has_ended(const ipcshim::socket& socket) {
    pollfd entry{socket.fd(), 0, 0};
    CHECK_CALL(::poll(&entry, 1, 0));
    return (entry.revents & POLLHUP) != 0;
}

int read_error(const ipcshim::socket& socket, const ipcshim::read_parameters& parameters) {
    // A twin clears what it was given.
    auto error = std::make_error_code(std::errc::io_error);
    ipcshim::message got;
    socket.read(got, parameters, error);
    CHECK(!error || error.category() == std::generic_category());
    return error.value();
}

int call_error(const ipcshim::socket& socket, const ipcshim::call_parameters& parameters) {
    auto error = std::make_error_code(std::errc::io_error);
    ipcshim::message got;
    socket.call(1, {}, got, parameters, error);
    CHECK(!error || error.category() == std::generic_category());
    return error.value();
}

} // namespace test
