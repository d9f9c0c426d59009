// SPDX-License-Identifier: MIT
//
// msg_*: one whole message there, in one process, so that nobody has to wait: by the
// system calls of a file, as those of the peers; msg_*_library: by the C++ classes,
// which take PIPE_WRITE and PIPE_READ.
#include "bench.hpp"

#include <fcntl.h>
#include <mqueue.h>
#include <sys/socket.h>

#include <span>
#include <system_error>

namespace bench {
namespace {

void ours(benchmark::State& state, std::size_t size) {
    const auto port = ipcshim::port::open();
    const auto [sender, receiver] = open_pair(port, ipcshim::pipe_mode::message, mib);

    state.SetLabel("message pipe, write and read");
    write_then_read(state, sender.fd(), receiver.fd(), size);
}

void library(benchmark::State& state, std::size_t size) {
    const auto port = ipcshim::port::open();
    auto [sender, receiver] = open_pair(port, ipcshim::pipe_mode::message, mib);
    buffer from(size);
    buffer to(size);
    const std::span<const std::byte> source(from.data(), size);
    const std::span<std::byte> target(to.data(), size);
    std::error_code error;

    state.SetLabel("message pipe, PIPE_WRITE and PIPE_READ");
    for (auto _ : state) {
        sender.write(source, ipcshim::io_mode::all, error);
        if (error || receiver.read(target, ipcshim::io_mode::all, error).moved() != size) {
            throw std::system_error(error, "a message did not come through");
        }
    }
}

void seqpacket(benchmark::State& state, std::size_t size) {
    const descriptor_pair pair = make_seqpacket();
    buffer from(size);
    buffer to(size);
    std::byte* const source = from.data();
    std::byte* const target = to.data();

    state.SetLabel("unix seqpacket");
    for (auto _ : state) {
        if (::send(pair.writer.get(), source, size, 0) != static_cast<ssize_t>(size) ||
            ::recv(pair.reader.get(), target, size, 0) != static_cast<ssize_t>(size)) {
            fail("unix seqpacket");
        }
    }
}

void posix_queue(benchmark::State& state, std::size_t size) {
    static constexpr const char* name = "/ipcshim-bench";
    mq_attr attributes{};

    attributes.mq_maxmsg = 10;
    attributes.mq_msgsize = 8192;
    const descriptor queue(
        ::mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attributes), "mq_open");
    ::mq_unlink(name);

    buffer from(size);
    buffer to(8192);
    const char* const source = reinterpret_cast<const char*>(from.data());
    char* const target = reinterpret_cast<char*>(to.data());

    state.SetLabel("POSIX message queue");
    for (auto _ : state) {
        if (::mq_send(queue.get(), source, size, 0) < 0 ||
            ::mq_receive(queue.get(), target, 8192, nullptr) != static_cast<ssize_t>(size)) {
            fail("POSIX message queue");
        }
    }
}

} // namespace

void add_message(rows& all) {
    all.add("msg_64/ours", [](auto& state) { ours(state, 64); });
    all.add("msg_64/peer", [](auto& state) { seqpacket(state, 64); });
    all.add("msg_4k/ours", [](auto& state) { ours(state, 4 * kib); });
    all.add("msg_4k/peer", [](auto& state) { seqpacket(state, 4 * kib); });
    all.add("msg_64k/ours", [](auto& state) { ours(state, 64 * kib); });
    all.add("msg_64k/peer", [](auto& state) { seqpacket(state, 64 * kib); });
    all.add("msg_64_library/ours", [](auto& state) { library(state, 64); });
    all.add("msg_4k_library/ours", [](auto& state) { library(state, 4 * kib); });
    all.add("msg_64_mq/ours", [](auto& state) { ours(state, 64); });
    all.add("msg_64_mq/peer", [](auto& state) { posix_queue(state, 64); });
}

} // namespace bench
