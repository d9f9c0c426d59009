// SPDX-License-Identifier: MIT
//
// A sensor's readings go to another process through a mapped pipe: each block is made
// in the pipe itself, looked at where it lies, and never copied. While both processes
// are awake neither makes a system call for it.
// The program forks, so that it needs nobody else.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <new>
#include <span>

#include <ipcshim/ipcshim.hpp>

namespace {

constexpr std::uint32_t blocks = 2'000;

struct block {
    std::uint32_t number;
    std::array<std::int16_t, 254> readings;
};

std::int16_t reading(std::uint32_t number, std::size_t place) {
    return static_cast<std::int16_t>(number * 31 + place);
}

void fill(std::span<std::byte> room, std::uint32_t number) {
    auto* const made = new (room.data()) block{.number = number, .readings = {}};
    for (std::size_t place = 0; place < made->readings.size(); ++place) {
        made->readings[place] = reading(number, place);
    }
}

bool is_right(std::span<const std::byte> message, std::uint32_t number) {
    if (message.size() != sizeof(block)) {
        return false;
    }
    const auto* const come = reinterpret_cast<const block*>(message.data());
    return come->number == number && come->readings.back() == reading(number, 253);
}

// Opens the pipe, and makes what goes through it.
void sensor(pid_t display) {
    const auto port = ipcshim::port::open(); // after fork: a port of its own
    ipcshim::mapped_sender out(
        port.open_sender(display, {.mode = ipcshim::pipe_mode::message, .mapped = true}));
    for (std::uint32_t number = 0; number < blocks; ++number) {
        fill(out.reserve(sizeof(block)), number); // waits for room, if there is none
        out.commit(sizeof(block));
    }
}

int display(const ipcshim::port& port) {
    ipcshim::mapped_receiver in(port.claim_receiver(port.read_event()));
    std::uint32_t number = 0;
    std::uint32_t right = 0;
    for (auto message = in.peek(); !message.empty(); message = in.peek()) {
        right += is_right(message, number++) ? 1 : 0;
        in.release(); // from here on the sensor may write there
    }
    std::cout << "display: " << number << " blocks, " << right << " as they were made\n";
    return right == blocks && number == blocks ? 0 : 1;
}

} // namespace

int main() {
    try {
        const auto port = ipcshim::port::open();
        port.handle({ipcshim::event_code::recv_pipe});
        const pid_t here = ::getpid();
        const pid_t child = ::fork();
        if (child == 0) {
            sensor(here);
            return 0;
        }
        const int result = display(port);
        return ::waitpid(child, nullptr, 0) == child ? result : 1;
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
