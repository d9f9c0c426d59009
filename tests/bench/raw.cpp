// SPDX-License-Identifier: MIT
//
// raw_*: write(2) and then read(2) in one process; the pipe holds a mebibyte.
#include "bench.hpp"

#include <sched.h>

namespace bench {
namespace {

void ours(benchmark::State& state, std::size_t size) {
    const auto port = ipcshim::port::open();
    const auto [sender, receiver] = open_pair(port, ipcshim::pipe_mode::raw, mib);

    state.SetLabel("raw pipe, write and read");
    write_then_read(state, sender.fd(), receiver.fd(), size);
}

void peer(benchmark::State& state, std::size_t size) {
    const descriptor_pair pair = make_pipe(mib);

    state.SetLabel("pipe(2)");
    write_then_read(state, pair.writer.get(), pair.reader.get(), size);
}

// The reader waits with its buffer before the writer comes.  It has the higher
// priority: woken, it runs until it waits again, and only then the writer goes on.
void waiting_reader(benchmark::State& state, int writer, int reader) {
    static constexpr std::size_t size = mib;
    const descriptor_pair answer = make_pipe(64 * kib);
    buffer from(size);
    const child waiter([&] {
        const sched_param priority{1};
        buffer to(size);
        const std::byte done{1};

        if (::sched_setscheduler(0, SCHED_FIFO, &priority) < 0) {
            return;
        }
        while (read_all(reader, to.data(), size) && ::write(answer.writer.get(), &done, 1) == 1) {
        }
    });
    std::byte done{};

    for (auto _ : state) {
        if (::write(writer, from.data(), size) != static_cast<ssize_t>(size) ||
            ::read(answer.reader.get(), &done, 1) != 1) {
            fail("raw_1m_waiting");
        }
    }
}

} // namespace

void add_raw(rows& all) {
    struct piece {
        const char* name;
        std::size_t size;
    };
    for (const piece& each : {piece{"raw_64", 64}, piece{"raw_4k", 4 * kib},
                              piece{"raw_64k", 64 * kib}, piece{"raw_1m", mib}}) {
        const std::string name(each.name);
        const std::size_t size = each.size;

        all.add(name + "/ours", [size](auto& state) { ours(state, size); });
        all.add(name + "/peer", [size](auto& state) { peer(state, size); });
    }
    all.add("raw_1m_waiting/ours", [](auto& state) {
        const auto port = ipcshim::port::open();
        const auto [sender, receiver] = open_pair(port, ipcshim::pipe_mode::raw, mib);

        state.SetLabel("raw pipe, write and read");
        waiting_reader(state, sender.fd(), receiver.fd());
    });
    all.add("raw_1m_waiting/peer", [](auto& state) {
        const descriptor_pair pair = make_pipe(mib);

        state.SetLabel("pipe(2)");
        waiting_reader(state, pair.writer.get(), pair.reader.get());
    });
}

} // namespace bench
