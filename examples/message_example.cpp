// SPDX-License-Identifier: MIT
//
// A service for any number of clients, in one thread: the dispatcher calls a
// function for every pipe that comes and for every client that goes.
//
//   message_example                serve; tells its pid
//   message_example PID TEXT...    send each TEXT as a message to that service
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <map>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <ipcshim/ipcshim.hpp>

namespace {

using namespace std::chrono_literals;

int send(pid_t service, std::span<char*> texts) {
    const auto port = ipcshim::port::open();
    const auto out = port.open_sender(service, {.mode = ipcshim::pipe_mode::message});
    for (const char* text : texts) {
        // Two seconds at most: a service that hangs is told of, not waited for.
        out.write(ipcshim::bytes_of(text), ipcshim::deadline::clock::now() + 2s);
    }
    return 0;
}

// Prints the messages that wait, without waiting for more.
void print_waiting(const ipcshim::receiver& from) {
    std::string message(ipcshim::message_max, '\0');
    for (;;) {
        std::error_code error;
        const auto buffer = std::as_writable_bytes(std::span(message));
        const auto result = from.read(buffer, ipcshim::io_mode::fail, error);
        if (error || result.moved() == 0) {
            return;
        }
        std::cout << "  " << message.substr(0, result.moved()) << std::endl;
    }
}

int serve() {
    const auto port = ipcshim::port::open();
    port.handle(ipcshim::event_set::all());
    std::map<std::uint64_t, ipcshim::receiver> clients; // by the inode of the pipe's end

    ipcshim::dispatcher loop(port);
    loop.on_pipe([&](const ipcshim::event& event, const ipcshim::recv_pipe& pipe) {
        std::cout << "process " << event.pid() << " opened a pipe" << std::endl;
        if (pipe.end == ipcshim::pipe_end::receiver && pipe.mode == ipcshim::pipe_mode::message) {
            clients.emplace(pipe.inode, port.claim_receiver(event));
        }
    });
    loop.on_closed([&](const ipcshim::event& event, const ipcshim::pipe_closed& closed) {
        if (const auto client = clients.find(closed.inode); client != clients.end()) {
            print_waiting(client->second);
            clients.erase(client);
        }
        std::cout << "process " << event.pid() << ": " << closed << std::endl;
    });
    std::cout << "waiting for: message_example " << ::getpid() << " hello" << std::endl;
    loop.run();
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    try {
        const std::span arguments(argv, static_cast<std::size_t>(argc));
        return argc > 1 ? send(std::stoi(arguments[1]), arguments.subspan(2)) : serve();
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
