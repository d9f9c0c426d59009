// SPDX-License-Identifier: MIT
//
// What the library's classes cost on top of call_64, with the same 64 bytes there
// and back, and the same peer:
//
//   call_64_socket    sockets: call() on one side, read() and answer() on the other,
//                     in the forms that take an error_code and use their memory again
//   call_64_client    client and service: a method with a structure of 64 bytes, its
//                     handler, and the service's own loop
#include "bench.hpp"

#include <array>
#include <cstdint>
#include <iostream>
#include <span>
#include <stdexcept>

#include <ipcshim/client.hpp>
#include <ipcshim/message.hpp>
#include <ipcshim/service.hpp>
#include <ipcshim/socket.hpp>

namespace bench {
namespace {

constexpr const char* name = "bench library";

struct words final {
    std::array<std::uint64_t, 8> value{};
};
static_assert(sizeof(words) == 64);

constexpr ipcshim::method<1, words, words> echo{};

// Another process that runs body until it is killed.
template <typename Body> auto service_process(Body body) {
    return [body]() noexcept {
        try {
            body();
        } catch (const std::exception& error) {
            std::cerr << "the row's service: " << error.what() << std::endl;
        }
    };
}

void throw_if(const std::error_code& error, const char* what) {
    if (error) {
        throw std::system_error(error, what);
    }
}

void sockets(benchmark::State& state) {
    const child other(service_process([] {
        const ipcshim::port port = ipcshim::port::open();
        const ipcshim::published_service published = port.publish(name);
        const ipcshim::socket socket = port.accept(port.read_event());
        ipcshim::message question;
        std::error_code error;

        for (;;) {
            socket.read(question, {}, error);
            throw_if(error, "READ_SOCK_MSG");
            socket.answer(question.header.exchange, question.payload, {}, error);
            throw_if(error, "SEND_SOCK_MSG");
        }
    }));
    const ipcshim::port port = ipcshim::port::open();
    ipcshim::connect_parameters waiting;
    const words question{{1, 2, 3}};
    const std::span<const std::byte> bytes = std::as_bytes(std::span(question.value));
    ipcshim::message answer;
    std::error_code error;

    waiting.wait = true;
    const ipcshim::socket socket = port.connect(name, waiting);
    state.SetLabel("ipcshim::socket: call; read, answer");
    for (auto _ : state) {
        socket.call(1, bytes, answer, {}, error);
        throw_if(error, "CALL");
        if (answer.payload.size() != sizeof question) {
            throw std::runtime_error("an answer of another length");
        }
    }
}

void client_and_service(benchmark::State& state) {
    const child other(service_process([] {
        ipcshim::service service(name);

        service.on(echo, [](const words& question) { return question; });
        service.run();
    }));
    ipcshim::client_parameters waiting;
    words question{{1, 2, 3}};

    waiting.wait = true;
    ipcshim::client client(name, waiting);
    state.SetLabel("ipcshim::client and service");
    for (auto _ : state) {
        question.value.back()++;
        if (client.call(echo, question).value != question.value) {
            throw std::runtime_error("what was answered is not what was asked");
        }
    }
}

} // namespace

void add_call_library(rows& all) {
    all.add("call_64_socket/ours", sockets);
    all.add("call_64_client/ours", client_and_service);
}

} // namespace bench
