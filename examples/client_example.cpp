// SPDX-License-Identifier: MIT
//
// What a client can do beside a plain call: many calls at once, a deadline, being
// told of things, and a service that dies and comes back.
// The program forks, so that it needs nobody else: one child is the service, and is
// killed in the middle of a call, and another one takes its place then.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <exception>
#include <future>
#include <iostream>
#include <string_view>
#include <system_error>
#include <vector>

#include <ipcshim/ipcshim.hpp>

namespace {

using namespace std::chrono_literals;

constexpr std::string_view name = "example.counter";

constexpr ipcshim::method<1, std::int64_t, std::int64_t> add{};
constexpr ipcshim::method<2> never_answered{};
constexpr ipcshim::notification<1, std::int64_t> changed{};

[[noreturn]] void serve() {
    std::int64_t total = 0;
    ipcshim::service counter(name);
    counter.on(add, [&](std::int64_t number) {
        total += number;
        counter.notify_all(changed, total);
        return total;
    });
    counter.on(never_answered, [] {
        for (;;) {
            ::pause();
        }
    });
    counter.run();
    ::_exit(0);
}

struct services {
    pid_t first = 0;
    pid_t next = 0;
};

services start_services() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        throw std::system_error(errno, std::generic_category(), "cannot make a pipe");
    }
    const pid_t first = ::fork();
    if (first == 0) {
        serve();
    }
    ::close(ends[1]); // it is open in the first one only, until that dies
    const pid_t next = ::fork();
    if (next == 0) {
        char byte = 0;
        while (::read(ends[0], &byte, 1) != 0) {
        }
        serve();
    }
    ::close(ends[0]);
    return {.first = first, .next = next};
}

void kill_service(pid_t child) {
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
}

int use(pid_t service) {
    ipcshim::client counter(name, {.call_timeout = 2s, .wait = true});
    std::promise<ipcshim::disconnection> ended;
    std::promise<std::int64_t> told;
    counter.on(changed, [&](std::int64_t total) {
        if (total == 6) { // once
            told.set_value(total);
        }
    });
    counter.on_disconnect([&](const ipcshim::disconnection& how) { ended.set_value(how); });

    // Three calls under way; the answers come in any order.
    std::vector<std::future<std::int64_t>> answers;
    for (const std::int64_t number : {1, 2, 3}) {
        answers.push_back(counter.call_async(add, number));
    }
    for (auto& each : answers) {
        std::cout << "total: " << each.get() << '\n';
    }
    std::cout << "told of: " << told.get_future().get() << '\n';

    // A call that is under way when the service dies.
    std::promise<std::error_code> lost;
    counter.call_async(never_answered, [&](const ipcshim::outcome<void>& result) {
        lost.set_value(result.error());
    });
    kill_service(service);
    const std::error_code error = lost.get_future().get();
    std::cout << "the call: " << error.message() << '\n';
    std::cout << "the service: " << ended.get_future().get().end << '\n';

    // Another one has its place by now, or soon; its total begins at 0.
    counter.reconnect(ipcshim::deadline::clock::now() + 2s);
    const std::int64_t total = counter.call(add, 10);
    std::cout << "total: " << total << '\n';
    const auto late =
        counter.try_call(never_answered, {.until = ipcshim::deadline::clock::now() + 10ms});
    std::cout << "the last call: " << late.error().message() << '\n';
    const bool as_it_should =
        error == std::errc::connection_reset && total == 10 && late.error() == std::errc::timed_out;
    return as_it_should ? 0 : 1;
}

} // namespace

int main() {
    try {
        const services both = start_services();
        const int result = use(both.first);
        kill_service(both.next);
        return result;
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
