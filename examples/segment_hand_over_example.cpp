// SPDX-License-Identifier: MIT
//
// A picture goes to another process and comes back, without a copy, and at any
// time only one of the two can touch it: exclusive hand-over.
// The program forks, so that it needs nobody else.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <system_error>
#include <utility>

#include <ipcshim/ipcshim.hpp>

namespace {

using ipcshim::event_code;
using ipcshim::rights;

constexpr std::size_t picture = 1 << 20;
constexpr rights all = rights::read | rights::write;

// Makes a negative of what it gets, and sends it back.
void darkroom(pid_t client) {
    const auto port = ipcshim::port::open(); // after fork: a port of its own
    port.handle({event_code::recv_shared_mem});
    // The client learns our pid from the event.
    const auto hello = port.open_sender(client);

    auto memory = port.claim_segment(port.read_event());
    const auto view = memory.map();
    for (auto& pixel : view.as<std::uint8_t>()) {
        pixel = static_cast<std::uint8_t>(~pixel);
    }
    std::move(memory).hand_over(client, all); // 'memory' is closed, 'view' sees nothing any more
}

int client(const ipcshim::port& port) {
    const auto hello = port.read_event();
    const auto line = port.claim_receiver(hello); // if it ends, we are told

    auto memory = port.create_segment(picture);
    const auto view = memory.map({.populate = true});
    std::ranges::fill(view.as<std::uint8_t>(), std::uint8_t{0x0f});
    std::move(memory).hand_over(hello.pid(), all);

    // The mapping is there still, but nothing reaches the pages any more.
    std::array<std::byte, 1> pixel{};
    std::error_code error;
    view.copy_out(0, pixel, error);
    std::cout << "client: handed over; my mapping: " << error.message() << '\n';
    if (error != ipcshim::stale_segment()) {
        return 1;
    }

    const auto event = port.read_event();
    std::cout << "client: " << event << '\n';
    if (!event.as_recv_shared_mem()) {
        return 1; // it has ended, and the picture with it: lend() gives it back
    }
    const auto back = port.claim_segment(event).map_const();
    const auto pixels = back.as<std::uint8_t>();
    const bool negative = std::ranges::all_of(pixels, [](auto each) { return each == 0xf0; });
    std::cout << "client: " << pixels.size() << " pixels, "
              << (negative ? "all turned" : "not all turned") << '\n';
    return negative ? 0 : 1;
}

} // namespace

int main() {
    try {
        const auto port = ipcshim::port::open();
        port.handle({event_code::recv_pipe, event_code::pipe_closed, event_code::recv_shared_mem});
        const pid_t here = ::getpid();
        const pid_t child = ::fork();
        if (child == 0) {
            darkroom(here);
            return 0;
        }
        const int result = client(port);
        return ::waitpid(child, nullptr, 0) == child ? result : 1;
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
