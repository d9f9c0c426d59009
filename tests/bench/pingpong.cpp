// SPDX-License-Identifier: MIT
//
// pingpong_64: 64 bytes to another process and back.
#include "bench.hpp"

namespace bench {
namespace {

constexpr std::size_t size = 64;

struct ways {
    int there_in, there_out, back_in, back_out;
};

void there_and_back(benchmark::State& state, const ways& fds) {
    buffer bytes(size);
    std::byte* const data = bytes.data();
    const child echo([&] {
        while (read_all(fds.there_out, data, size) &&
               ::write(fds.back_in, data, size) == static_cast<ssize_t>(size)) {
        }
    });

    for (auto _ : state) {
        if (::write(fds.there_in, data, size) != static_cast<ssize_t>(size) ||
            !read_all(fds.back_out, data, size)) {
            fail("there and back");
        }
    }
}

} // namespace

void add_pingpong(rows& all) {
    all.add("pingpong_64/ours", [](auto& state) {
        const auto port = ipcshim::port::open();
        const auto there = open_pair(port, ipcshim::pipe_mode::raw, 64 * kib);
        const auto back = open_pair(port, ipcshim::pipe_mode::raw, 64 * kib);

        state.SetLabel("raw pipes, write and read");
        there_and_back(
            state, {there.sender.fd(), there.receiver.fd(), back.sender.fd(), back.receiver.fd()});
    });
    all.add("pingpong_64/peer", [](auto& state) {
        const descriptor_pair there = make_pipe(64 * kib);
        const descriptor_pair back = make_pipe(64 * kib);

        state.SetLabel("pipe(2)");
        there_and_back(
            state, {there.writer.get(), there.reader.get(), back.writer.get(), back.reader.get()});
    });
}

} // namespace bench
