// SPDX-License-Identifier: MIT
//
// A map of strings is born in a segment, and another process reads it there:
// nothing is packed, copied or unpacked.
// The program forks, so that it needs nobody else.
#include <sys/wait.h>
#include <unistd.h>

#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <memory_resource>
#include <string>
#include <string_view>
#include <utility>

#include <ipcshim/ipcshim.hpp>

namespace {

using ipcshim::event_code;
using ipcshim::rights;

// Found by string_view, so that nothing is allocated to look something up.
using dictionary = std::pmr::map<std::pmr::string, std::pmr::string, std::less<>>;

int reader(pid_t writer) {
    const auto port = ipcshim::port::open(); // after fork: a port of its own
    port.handle({event_code::recv_shared_mem});
    const auto hello = port.open_sender(writer);

    const auto memory = port.claim_segment(port.read_event());
    const ipcshim::segment_root<dictionary> words(memory);
    for (const auto& [word, meaning] : *words) {
        std::cout << word << ": " << meaning << '\n';
    }
    return words->find(std::string_view("port")) != words->end() ? 0 : 1;
}

void writer(const ipcshim::port& port) {
    const pid_t reader = port.read_event().pid();
    // Containers hold pointers, so the segment lies at the same address in both
    // processes: one that is free in both.
    ipcshim::segment_resource memory(port, 1 << 16, {.address = 0x10'0000'0000});
    auto& words = memory.make_root<dictionary>();
    words.emplace("event", "what the module tells a process of, without being asked to");
    words.emplace("port", "where a process is reached, by nothing but its pid");
    words.emplace("segment", "memory that goes from one process to another, for good if need be");
    std::move(memory).hand_over(reader, rights::read);
}

} // namespace

int main() {
    try {
        const auto port = ipcshim::port::open();
        port.handle({event_code::recv_pipe});
        const pid_t here = ::getpid();
        const pid_t child = ::fork();
        if (child == 0) {
            return reader(here);
        }
        writer(port);
        int status = 0;
        return ::waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
