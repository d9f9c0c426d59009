// SPDX-License-Identifier: MIT
//
// Many short messages, and few system calls: a probe writes 100 measurements in one
// call, and who watches takes as many in one as it likes.
// The program forks, so that it needs nobody else.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include <ipcshim/ipcshim.hpp>

namespace {

constexpr std::size_t rounds = 20;
constexpr std::size_t at_once = 100;
constexpr std::size_t longest = 64;

std::string measurement(std::size_t number) {
    return "measurement " + std::to_string(number) + ": " + std::to_string(number * 7 % 1000);
}

void probe(pid_t watcher) {
    const auto port = ipcshim::port::open(); // after fork: a port of its own
    const auto out = port.open_sender(watcher, {.mode = ipcshim::pipe_mode::message});
    std::array<std::string, at_once> texts;
    ipcshim::outgoing_batch batch;
    for (std::size_t round = 0; round < rounds; ++round) {
        batch.clear();
        for (std::size_t each = 0; each < texts.size(); ++each) {
            texts[each] = measurement(round * at_once + each);
            batch.add(ipcshim::bytes_of(texts[each]));
        }
        out.write_batch(batch); // waits until there was room for all
    }
}

int watch(const ipcshim::port& port) {
    const auto in = port.claim_receiver(port.read_event());
    std::vector<std::byte> memory(at_once * longest);
    ipcshim::incoming_batch batch; // once: each call fills the same buffers
    for (std::size_t each = 0; each < at_once; ++each) {
        batch.add(std::span(memory).subspan(each * longest, longest));
    }
    std::size_t count = 0;
    std::size_t right = 0;
    std::size_t calls = 0;
    for (ipcshim::io_result result; !result.closed(); ++calls) {
        result = in.read_batch(batch); // waits until all have come, or no more will
        for (std::size_t each = 0; each < result.moved(); ++each) {
            const auto message = batch.message(each);
            const std::string text(reinterpret_cast<const char*>(message.data()), message.size());
            right += text == measurement(count++) ? 1 : 0;
        }
    }
    std::cout << "watcher: " << count << " messages in " << calls << " calls, " << right
              << " as they were sent\n";
    return count == rounds * at_once && right == count ? 0 : 1;
}

} // namespace

int main() {
    try {
        const auto port = ipcshim::port::open();
        port.handle({ipcshim::event_code::recv_pipe});
        const pid_t here = ::getpid();
        const pid_t child = ::fork();
        if (child == 0) {
            probe(here);
            return 0;
        }
        const int result = watch(port);
        return ::waitpid(child, nullptr, 0) == child ? result : 1;
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
