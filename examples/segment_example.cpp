// SPDX-License-Identifier: MIT
//
// Two processes use the same memory until one takes it back: mutual sharing.
// The program forks, so that it needs nobody else.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <exception>
#include <iostream>
#include <string>
#include <system_error>

#include <ipcshim/ipcshim.hpp>

namespace {

using ipcshim::bytes_of;
using ipcshim::event_code;
using ipcshim::rights;

struct weather final { // what lies in the segment: plain values, no pointers
    std::int32_t degrees;
    std::uint32_t readings;
};

// Gets the memory, looks at it, and loses it.
void reader(pid_t owner) {
    const auto port = ipcshim::port::open(); // after fork: a port of its own
    port.handle({event_code::recv_shared_mem, event_code::unshared_mem});
    const auto out = port.open_sender(owner, {.mode = ipcshim::pipe_mode::message});

    const auto memory = port.claim_segment(port.read_event());
    const auto view = memory.map_const(); // it was given to read only
    const auto& now = view.at<weather>();
    std::cout << "reader: " << now.degrees << " degrees\n";
    out.write(bytes_of("seen"));

    const auto lost = port.read_event();
    std::cout << "reader: " << lost << '\n';
    // To touch view.bytes() now would be SIGBUS. This asks instead:
    std::array<std::byte, sizeof(weather)> copy{};
    std::error_code error;
    view.copy_out(0, copy, error);
    std::cout << "reader: " << error.message() << std::endl;
    out.write(bytes_of(error == ipcshim::stale_segment() ? "gone" : "still there"));
}

int owner(const ipcshim::port& port) {
    const auto hello = port.read_event();
    const auto in = port.claim_receiver(hello);

    const auto memory = port.create_segment(sizeof(weather));
    const auto view = memory.map();
    view.at<weather>() = {.degrees = 21, .readings = 1};
    memory.share(hello.pid(), rights::read);

    std::string answer;
    if (!in.read_message(answer)) {
        return 1; // it has ended
    }
    memory.unshare(hello.pid()); // when this returns, the reader has lost it
    const bool told = in.read_message(answer);
    std::cout << "owner: the reader says '" << answer << "', and here it is still "
              << view.at<weather>().degrees << " degrees\n";
    return told && answer == "gone" ? 0 : 1;
}

} // namespace

int main() {
    try {
        const auto port = ipcshim::port::open();
        port.handle({event_code::recv_pipe});
        const pid_t here = ::getpid();
        const pid_t child = ::fork();
        if (child == 0) {
            reader(here);
            return 0;
        }
        const int result = owner(port);
        return ::waitpid(child, nullptr, 0) == child ? result : 1;
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
