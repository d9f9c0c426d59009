// SPDX-License-Identifier: MIT
#include "roles.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <span>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <ipcshim/ipcshim.hpp>
#include <nlohmann/json.hpp>

#include "actor.hpp"
#include "digest.hpp"

namespace demo {

namespace {

constexpr std::size_t kib = 1024;
constexpr std::size_t piece = 256 * kib;
constexpr std::size_t stream_capacity = 1024 * kib;

/// A role that waits longer than this is stuck.
clock::time_point patience() {
    return clock::now() + std::chrono::seconds(12);
}

double seconds_since(clock::time_point begin) {
    return std::chrono::duration<double>(clock::now() - begin).count();
}

/// A port to be addressed by; the others are told that it is there.
ipcshim::port open_ready_port() {
    ipcshim::port port = ipcshim::port::open();

    port.handle({ipcshim::event_code::recv_pipe});
    say({{"state", "ready"}});
    return port;
}

ipcshim::event next_event(const ipcshim::port& port, const char* what) {
    if (std::optional<ipcshim::event> event = port.read_event(patience())) {
        return *event;
    }
    throw std::runtime_error(fmt::format("no event came that announces {}", what));
}

template <typename Value> std::string printed(const Value& value) {
    std::ostringstream out;
    out << value;
    return out.str();
}

std::ifstream open_file(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);

    if (!in) {
        throw std::runtime_error(fmt::format("{} can't be read", file.string()));
    }
    return in;
}

} // namespace

void receive_file() {
    const ipcshim::port port = open_ready_port();
    const ipcshim::event event = next_event(port, "a pipe");
    const ipcshim::receiver receiver = port.claim_receiver(event);
    const std::uint64_t hint = event.as_recv_pipe().value_or(ipcshim::recv_pipe{}).size_hint;
    const clock::time_point begin = clock::now();
    std::vector<std::byte> buffer(piece);
    digest sum;
    std::uint64_t bytes = 0;
    ipcshim::io_result result;

    do {
        result = receiver.read(buffer, patience());
        sum.add(std::span(buffer).first(result.moved()));
        bytes += result.moved();
        say({{"state", "progress"}, {"bytes", bytes}, {"of", hint}});
    } while (!result.closed());
    say({{"state", "done"},
         {"bytes", bytes},
         {"sha256", sum.finish()},
         {"seconds", seconds_since(begin)},
         {"from", event.pid()},
         {"hint", hint}});
}

void send_file(pid_t to, const std::filesystem::path& file) {
    const ipcshim::port port = ipcshim::port::open();
    port.handle({ipcshim::event_code::pipe_closed});

    std::ifstream in = open_file(file);
    const std::uint64_t size = std::filesystem::file_size(file);
    ipcshim::pipe_parameters parameters;
    parameters.capacity = stream_capacity;
    parameters.size_hint = size;
    const ipcshim::sender sender = port.open_sender(to, parameters);
    std::vector<char> buffer(piece);
    digest sum;
    std::uint64_t bytes = 0;

    try {
        while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())),
               in.gcount() > 0) {
            const auto part =
                std::as_bytes(std::span(buffer).first(static_cast<std::size_t>(in.gcount())));
            sum.add(part);
            bytes += sender.write(part, patience()).moved();
        }
    } catch (const ipcshim::io_error& error) {
        if (error.code() != std::errc::broken_pipe) {
            throw;
        }
        bytes += error.result().moved();
        const ipcshim::event event = next_event(port, "why the pipe was closed");
        const ipcshim::pipe_closed closed = event.as_pipe_closed().value_or(ipcshim::pipe_closed{});
        say({{"state", "closed"},
             {"bytes", bytes},
             {"size", size},
             {"sentence", error.what()},
             {"errno", error.code().value()},
             {"how", printed(closed.how)},
             {"status", closed.status},
             {"unread", closed.bytes_unread},
             {"from", event.pid()}});
        return;
    }
    say({{"state", "done"}, {"bytes", bytes}, {"size", size}, {"sha256", sum.finish()}});
}

void receive_lines() {
    const ipcshim::port port = open_ready_port();
    const ipcshim::event event = next_event(port, "a message pipe");
    const ipcshim::receiver receiver = port.claim_receiver(event);
    const clock::time_point begin = clock::now();
    std::string message;
    digest sum;
    std::size_t messages = 0;
    std::size_t bytes = 0;
    std::size_t longest = 0;

    while (receiver.read_message(message, patience())) {
        messages++;
        bytes += message.size();
        longest = std::max(longest, message.size());
        sum.add(ipcshim::bytes_of(message));
    }
    say({{"state", "done"},
         {"messages", messages},
         {"bytes", bytes},
         {"longest", longest},
         {"sha256", sum.finish()},
         {"seconds", seconds_since(begin)},
         {"from", event.pid()}});
}

void send_lines(pid_t to, const std::filesystem::path& text) {
    const ipcshim::port port = ipcshim::port::open();
    std::ifstream in = open_file(text);
    ipcshim::pipe_parameters parameters;
    parameters.mode = ipcshim::pipe_mode::message;
    const ipcshim::sender sender = port.open_sender(to, parameters);
    digest sum;
    std::string line;
    std::size_t messages = 0;
    std::size_t bytes = 0;

    while (std::getline(in, line)) {
        // The line's end goes along, so that an empty line is a message too.
        if (!in.eof()) {
            line += '\n';
        }
        sender.write(ipcshim::bytes_of(line), patience());
        sum.add(ipcshim::bytes_of(line));
        messages++;
        bytes += line.size();
    }
    say({{"state", "done"}, {"messages", messages}, {"bytes", bytes}, {"sha256", sum.finish()}});
}

void hold(std::size_t bytes) {
    const ipcshim::port port = open_ready_port();
    const ipcshim::receiver receiver = port.claim_receiver(next_event(port, "a pipe"));
    std::vector<std::byte> buffer(bytes);

    const std::size_t moved = receiver.read(buffer, patience()).moved();
    // In mid-stream: the writer has filled the pipe and waits for room.
    const clock::time_point until = patience();
    while (!receiver.info().write_waits()) {
        if (clock::now() >= until) {
            throw std::runtime_error("the writer does not fill the pipe");
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    say({{"state", "holding"}, {"bytes", moved}});
    for (;;) {
        ::pause();
    }
}

void idle() {
    say({{"state", "ready"}});
    for (;;) {
        ::pause();
    }
}

void host() {
    const ipcshim::port port = open_ready_port();

    for (;;) {
        const ipcshim::event event = port.read_event();
        if (event.as_recv_pipe()) {
            [[maybe_unused]] const auto end = port.claim(event.token());
        }
    }
}

void knock(pid_t to) {
    const ipcshim::port port = ipcshim::port::open();

    try {
        [[maybe_unused]] const ipcshim::sender sender = port.open_sender(to);
        say({{"state", "done"}, {"errno", 0}, {"sentence", "opened"}});
    } catch (const std::system_error& error) {
        say({{"state", "done"}, {"errno", error.code().value()}, {"sentence", error.what()}});
    }
}

int play(const std::function<void()>& role) noexcept {
    try {
        try {
            role();
            return EXIT_SUCCESS;
        } catch (const std::exception& error) {
            say({{"state", "failed"}, {"sentence", error.what()}});
        }
    } catch (const std::exception& error) {
        // Nobody listens any more.
        std::cerr << "ipcshim-demo: " << error.what() << '\n';
    }
    return EXIT_FAILURE;
}

} // namespace demo
