// SPDX-License-Identifier: MIT
// Two ends of two pipes and a port, all on one thread that never waits for one of them alone.
#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <ipcshim/ipcshim.hpp>
#include <ipcshim/uring.hpp>
#include <stop_token>
#include <string>

namespace {

using namespace std::chrono_literals;

// Sends back what comes, until the pipe ends.
ipcshim::task<> echo(ipcshim::uring& loop, ipcshim::receiver in, ipcshim::sender out) {
    std::string message;
    while (co_await loop.read_message(in, message)) {
        co_await loop.write(out, ipcshim::bytes_of(message));
    }
}

// Waits two seconds for an answer, no longer.
ipcshim::task<std::string> ask(ipcshim::uring& loop, const ipcshim::sender& out,
                               const ipcshim::receiver& in, std::string question) {
    const auto until = ipcshim::deadline::clock::now() + 2s;
    std::string answer;
    co_await loop.write(out, ipcshim::bytes_of(question), until);
    co_await loop.read_message(in, answer, until);
    co_return answer;
}

// Prints what is told to a port, until it is asked to stop.
ipcshim::task<> listen(ipcshim::uring& loop, const ipcshim::port& port, std::stop_token stop) {
    try {
        for (;;) {
            std::cout << co_await loop.read_event(port, stop) << '\n';
        }
    } catch (const std::system_error& error) {
        if (error.code() != std::errc::operation_canceled) {
            throw;
        }
    }
}

// Any call of <linux/ipcshim.h>; one that has to wait does so in a thread of the kernel's.
ipcshim::task<std::size_t> read_whole(ipcshim::uring& loop, const ipcshim::receiver& in,
                                      std::span<std::byte> buffer) {
    ipcshim_pipe_io io{};
    io.buffer = reinterpret_cast<std::uintptr_t>(buffer.data());
    io.size = buffer.size();
    io.mode = IPCSHIM_IO_ALL; // one turn for all of it: nobody else reads in between
    co_await loop.command(in, IPCSHIM_PIPE_READ, io);
    co_return io.moved;
}

int run() {
    const auto port = ipcshim::port::open();
    port.handle({ipcshim::event_code::pipe_closed});
    const ipcshim::pipe_parameters messages{.mode = ipcshim::pipe_mode::message};
    auto there = port.open_pipe(messages);
    auto back = port.open_pipe(messages);

    ipcshim::uring loop;
    std::stop_source stop;
    loop.spawn(listen(loop, port, stop.get_token()));
    loop.spawn(echo(loop, std::move(there.receiver), std::move(back.sender)));
    const std::string answer = loop.run(ask(loop, there.sender, back.receiver, "who is there?"));
    std::cout << answer << '\n';

    const auto raw = port.open_pipe();
    raw.sender.write(ipcshim::bytes_of("1234567890"));
    std::array<std::byte, 10> digits{};
    const std::size_t read = loop.run(read_whole(loop, raw.receiver, digits));

    there.sender.close(); // ends echo()
    stop.request_stop();  // ends listen(); any thread may
    loop.run();           // until nobody is left
    return answer == "who is there?" && read == digits.size() ? EXIT_SUCCESS : EXIT_FAILURE;
}

} // namespace

int main() {
    try {
        return run();
    } catch (const std::exception& error) {
        std::cerr << "uring_example: " << error.what() << '\n';
        return EXIT_FAILURE;
    }
}
