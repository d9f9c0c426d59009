// SPDX-License-Identifier: MIT
//
// The classic way to be notified: a real-time signal whose handler gets what
// happened as its argument. The process sends the pipe to itself.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <iostream>
#include <string>

#include <ipcshim/ipcshim.hpp>

namespace {

// All that the handler does: it is not the place for more.
void remember(const ipcshim::signal_payload& payload, void* context) noexcept {
    static_cast<std::atomic<std::uint64_t>*>(context)->store(
        static_cast<std::uint64_t>(payload.token()));
}

void run() {
    std::atomic<std::uint64_t> told{0};
    const ipcshim::signal_handler handler(SIGRTMIN, remember, &told);

    const auto port = ipcshim::port::open();
    port.handle({ipcshim::event_code::recv_pipe}, ipcshim::notify::signal(SIGRTMIN));
    port.ready();

    // Blocked but for the wait, so that the signal can't come just before it.
    sigset_t mine{};
    sigset_t before{};
    sigemptyset(&mine);
    sigaddset(&mine, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &mine, &before);
    {
        const auto out = port.open_sender(::getpid(), {.mode = ipcshim::pipe_mode::message});
        out.write(ipcshim::bytes_of("hello, me"));
    }
    while (told == 0) {
        sigsuspend(&before);
    }
    sigprocmask(SIG_SETMASK, &before, nullptr);

    const auto event = port.read_event(); // the same event, whole
    std::cout << "the signal told of token " << told << ", the event of " << event.token() << '\n';
    const auto in = port.claim_receiver(event);
    std::string message;
    while (in.read_message(message)) {
        std::cout << message << '\n';
    }
}

} // namespace

int main() {
    try {
        run();
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
