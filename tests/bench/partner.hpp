// SPDX-License-Identifier: MIT
//
// What the rows about shared memory need: another process with a port that is
// ready, and the touching of pages.
#pragma once

#include "bench.hpp"

#include <cstdint>
#include <iostream>
#include <span>

#include <ipcshim/mapping.hpp>
#include <ipcshim/segment.hpp>

namespace bench {

inline constexpr ipcshim::rights read_write = ipcshim::rights::read | ipcshim::rights::write;

// What a producer and a consumer do to memory at the very least: a word of each
// page is written, or read and added up.
inline void write_pages(std::span<std::byte> bytes, std::uint64_t value) noexcept {
    for (std::size_t at = 0; at < bytes.size(); at += page) {
        *reinterpret_cast<volatile std::uint64_t*>(&bytes[at]) = value;
    }
}

[[nodiscard]] inline std::uint64_t read_pages(std::span<const std::byte> bytes) noexcept {
    std::uint64_t sum = 0;

    for (std::size_t at = 0; at < bytes.size(); at += page) {
        sum += *reinterpret_cast<const volatile std::uint64_t*>(&bytes[at]);
    }
    return sum;
}

// The consumer finds what the producer wrote, or the row fails.
inline void expect_pages(std::span<const std::byte> bytes, std::uint64_t value) {
    if (read_pages(bytes) != value * (bytes.size() / page)) {
        throw std::runtime_error("what was written there is not what is read here");
    }
}

// A port that is told of segments, and of the end of the process at the other
// end of a pipe, so that nobody waits for a partner that is gone.
[[nodiscard]] inline ipcshim::port listening_port() {
    ipcshim::port port = ipcshim::port::open();

    port.handle({ipcshim::event_code::recv_pipe, ipcshim::event_code::recv_shared_mem,
                 ipcshim::event_code::pipe_closed});
    return port;
}

// The next segment that comes, claimed.
[[nodiscard]] inline ipcshim::segment next_segment(const ipcshim::port& port) {
    const ipcshim::event event = port.read_event();

    if (!event.as_recv_shared_mem()) {
        throw std::runtime_error("the other process has ended");
    }
    return port.claim_segment(event);
}

// Another process that runs body(port, pid of the row's process) until it is
// killed, and with which the row's process notices if it ends before.
class partner final {
public:
    template <typename Body>
    partner(const ipcshim::port& mine, Body body)
        : ready_(make_pipe(0)), child_([&, parent = ::getpid()] { live(parent, body); }) {
        std::byte word{};

        ready_.writer = {};
        if (::read(ready_.reader.get(), &word, 1) != 1) {
            throw std::runtime_error("the row's other process did not get ready");
        }
        tie_ = mine.open_sender(child_.pid());
    }

    [[nodiscard]] pid_t pid() const noexcept { return child_.pid(); }

private:
    template <typename Body> void live(pid_t parent, Body body) noexcept {
        // They are closed last: then the row ends, and this process with it.
        ipcshim::port port;
        ipcshim::receiver tie;

        try {
            const std::byte word{1};

            port = listening_port();
            if (::write(ready_.writer.get(), &word, 1) != 1) {
                fail("the pipe that says ready");
            }
            tie = port.claim_receiver(port.read_event());
            body(port, parent);
        } catch (const std::exception& error) {
            std::cerr << "the row's other process: " << error.what() << std::endl;
        }
    }

    descriptor_pair ready_;
    ipcshim::sender tie_;
    // The first to go: it is not to notice that the tie is cut.
    child child_;
};

} // namespace bench
