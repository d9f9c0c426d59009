// SPDX-License-Identifier: MIT
#include "bench.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <cstdint>

namespace bench {

child::~child() {
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
}

std::byte* buffer::data() noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(bytes_.data());

    return bytes_.data() + (page - address % page) % page;
}

void write_then_read(benchmark::State& state, int writer, int reader, std::size_t size) {
    buffer from(size);
    buffer to(size);
    std::byte* const source = from.data();
    std::byte* const target = to.data();

    for (auto _ : state) {
        if (::write(writer, source, size) != static_cast<ssize_t>(size) ||
            !read_all(reader, target, size)) {
            state.SkipWithError("a write or a read came out short");
            break;
        }
    }
}

descriptor_pair make_pipe(std::size_t capacity) {
    std::array<int, 2> ends{};

    if (::pipe2(ends.data(), O_CLOEXEC) < 0) {
        fail("pipe2");
    }
    descriptor_pair pair{descriptor(ends[1], "pipe2"), descriptor(ends[0], "pipe2")};
    if (capacity != 0 && ::fcntl(ends[1], F_SETPIPE_SZ, static_cast<int>(capacity)) < 0) {
        fail("F_SETPIPE_SZ");
    }
    return pair;
}

descriptor_pair make_seqpacket() {
    std::array<int, 2> ends{};

    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) < 0) {
        fail("socketpair");
    }
    return {descriptor(ends[0], "socketpair"), descriptor(ends[1], "socketpair")};
}

ipcshim::pipe_pair open_pair(const ipcshim::port& port, ipcshim::pipe_mode mode,
                             std::size_t capacity) {
    ipcshim::pipe_parameters parameters;

    parameters.mode = mode;
    parameters.capacity = capacity;
    return port.open_pipe(parameters);
}

} // namespace bench
