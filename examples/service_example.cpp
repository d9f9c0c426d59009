// SPDX-License-Identifier: MIT
//
// A service with typed methods, and a client of it. What they tell each other are
// plain structures and texts, which go as they lie in memory.
//
//   service_example               both, in two processes
//   service_example serve         the service, for anybody of this user who calls
//   service_example divide 7 2    a call
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <ipcshim/ipcshim.hpp>

namespace {

using namespace std::chrono_literals;

constexpr std::string_view name = "example.arithmetic";

// What both sides agree on; else in a header of its own.
struct division {
    std::uint32_t dividend;
    std::uint32_t divisor;
};
struct quotient {
    std::uint32_t whole;
    std::uint32_t rest;
};
constexpr std::uint16_t by_zero = 1; // an error code, our own word

constexpr ipcshim::method<1, division, quotient> divide{};
constexpr ipcshim::method<2, std::string, std::string> shout{};

void serve(bool once) {
    ipcshim::service arithmetic(name);
    arithmetic.on(divide, [](const division& asked) {
        if (asked.divisor == 0) {
            throw ipcshim::service_error(by_zero, "nothing can be divided by 0");
        }
        return quotient{asked.dividend / asked.divisor, asked.dividend % asked.divisor};
    });
    arithmetic.on(shout, [](const std::string& text) {
        std::string loud = text;
        std::ranges::transform(loud, loud.begin(),
                               [](unsigned char each) { return std::toupper(each); });
        return loud;
    });
    arithmetic.on_client_gone([&](const ipcshim::client_gone& gone) {
        std::cout << "service: process " << gone.pid
                  << (gone.in_order ? " has finished" : " has died") << std::endl;
        if (once) {
            arithmetic.stop();
        }
    });
    std::cout << "service: process " << ::getpid() << " serves '" << name << "'" << std::endl;
    arithmetic.run();
}

quotient ask(std::uint32_t dividend, std::uint32_t divisor) {
    ipcshim::client arithmetic(name, {.call_timeout = 2s, .wait = true});
    return arithmetic.call(divide, {dividend, divisor});
}

int client() {
    ipcshim::client arithmetic(name, {.call_timeout = 2s, .wait = true});
    const auto [whole, rest] = arithmetic.call(divide, {17, 5});
    std::cout << "client: 17 / 5 is " << whole << ", rest " << rest << '\n';
    const std::string loud = arithmetic.call(shout, "hello");
    std::cout << "client: " << loud << '\n';
    try {
        arithmetic.call(divide, {17, 0});
    } catch (const ipcshim::service_error& error) {
        std::cout << "client: error " << error.reason() << ", " << error.text() << '\n';
        return whole == 3 && rest == 2 && loud == "HELLO" && error.reason() == by_zero ? 0 : 1;
    }
    return 1;
}

int both() {
    const pid_t child = ::fork();
    if (child == 0) {
        return client();
    }
    serve(true);
    int status = 0;
    return ::waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
    try {
        const std::span arguments(argv, static_cast<std::size_t>(argc));
        if (argc == 1) {
            return both();
        }
        if (argc == 4 && arguments[1] == std::string_view("divide")) {
            const quotient found = ask(static_cast<std::uint32_t>(std::stoul(arguments[2])),
                                       static_cast<std::uint32_t>(std::stoul(arguments[3])));
            std::cout << found.whole << " rest " << found.rest << '\n';
            return 0;
        }
        serve(false);
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
