// SPDX-License-Identifier: MIT
//
// wall_*: one process writes pieces, another one reads them, each on a processor
// of its own, and what counts is time.  Everything that carries bytes holds a
// mebibyte.
#include "stream.hpp"

#include <sys/socket.h>

namespace bench {
namespace {

// write(2) and read(2) of pieces of the same size.
void move(benchmark::State& state, std::size_t size, int writer, int reader) {
    buffer bytes(size);
    std::byte* const data = bytes.data();

    stream(
        state, size,
        [&] {
            return [=] {
                if (::write(writer, data, size) != static_cast<ssize_t>(size)) {
                    fail("write");
                }
            };
        },
        [&] {
            return [=] {
                if (!read_all(reader, data, size)) {
                    fail("read");
                }
            };
        });
}

void ours(benchmark::State& state, ipcshim::pipe_mode mode, std::size_t size) {
    const auto port = ipcshim::port::open();
    const auto [sender, receiver] = open_pair(port, mode, mib);

    state.SetLabel(mode == ipcshim::pipe_mode::raw ? "raw pipe, write and read"
                                                   : "message pipe, write and read");
    move(state, size, sender.fd(), receiver.fd());
}

void peer(benchmark::State& state, std::size_t size) {
    const descriptor_pair pair = make_pipe(mib);

    state.SetLabel("pipe(2)");
    move(state, size, pair.writer.get(), pair.reader.get());
}

void seqpacket(benchmark::State& state, std::size_t size) {
    const descriptor_pair pair = make_seqpacket();
    const int capacity = mib;

    if (::setsockopt(pair.writer.get(), SOL_SOCKET, SO_SNDBUFFORCE, &capacity, sizeof capacity) <
        0) {
        fail("SO_SNDBUFFORCE");
    }
    state.SetLabel("unix seqpacket");
    move(state, size, pair.writer.get(), pair.reader.get());
}

} // namespace

void add_wall(rows& all) {
    using ipcshim::pipe_mode;

    all.add("wall_stream_64/ours", [](auto& state) { ours(state, pipe_mode::raw, 64); });
    all.add("wall_stream_64/peer", [](auto& state) { peer(state, 64); });
    all.add("wall_stream_64k/ours", [](auto& state) { ours(state, pipe_mode::raw, 64 * kib); });
    all.add("wall_stream_64k/peer", [](auto& state) { peer(state, 64 * kib); });
    all.add("wall_msg_64/ours", [](auto& state) { ours(state, pipe_mode::message, 64); });
    all.add("wall_msg_64/peer", [](auto& state) { seqpacket(state, 64); });
}

} // namespace bench
