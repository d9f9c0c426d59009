// SPDX-License-Identifier: MIT
//
// handover_*: memory goes from one process to another and back, and is touched
// by both.  One pass of the loop is two hand-overs; a figure is for one:
//
//   the producer writes a word of each page, hands the segment over while it
//   has it mapped (SHARE_MEM, exclusive), unmaps and closes what is left;
//   the consumer is woken, reads the event, claims, maps, and reads a word of
//   each page, whose sum is checked.
//
// Then they change parts.  With one processor and a clock that counts its
// instructions the time of a pass is what both processes and the kernel do.
// The segment's pages exist before, and no page is mapped ahead (no populate).
// The segments are of whole large pages, but for those of the rows that say
// otherwise: handover_1m's has 2 MiB, of which the first one is used.
//
// The peer moves the same bytes through a pipe(2) of 1 MiB there and through
// another one back, and touches them likewise.  handover_*_memfd compares with
// memory that Linux can pass without a copy, but which the sender keeps: a
// memory file through a unix socket, mapped anew by each side.
#include "memory_file.hpp"
#include "partner.hpp"

namespace bench {
namespace {

constexpr double hops = 2;

// A segment and its mapping in the hands of whose turn it is.
struct holding {
    ipcshim::segment segment;
    ipcshim::mapping mapping;
};

// Of a segment that is longer than it had to be, only what was asked for is used.
void pass_on(holding&& held, std::size_t size, pid_t to, std::uint64_t value) {
    holding mine = std::move(held);

    write_pages(mine.mapping.bytes().first(size), value);
    std::move(mine.segment).hand_over(to, read_write);
}

[[nodiscard]] holding take(const ipcshim::port& port, std::size_t size, std::uint64_t value) {
    holding got;

    got.segment = next_segment(port);
    got.mapping = got.segment.map();
    expect_pages(got.mapping.bytes().first(size), value);
    return got;
}

void ours(benchmark::State& state, std::size_t size, const ipcshim::segment_parameters& options) {
    const ipcshim::port port = listening_port();
    const partner other(port, [size](const ipcshim::port& its_port, pid_t parent) {
        for (std::uint64_t value = 1;; value += 2) {
            pass_on(take(its_port, size, value), size, parent, value + 1);
        }
    });
    holding held;
    std::uint64_t value = 1;

    held.segment = port.create_segment(size, options);
    held.mapping = held.segment.map();
    write_pages(held.mapping.bytes().first(size), 0);
    for (auto _ : state) {
        pass_on(std::move(held), size, other.pid(), value);
        held = take(port, size, value + 1);
        value += 2;
    }
    state.counters["in_one"] = hops;
}

void through_pipes(benchmark::State& state, std::size_t size) {
    const descriptor_pair there = make_pipe(mib);
    const descriptor_pair back = make_pipe(mib);
    const auto give = [size](const descriptor& writer, buffer& from, std::uint64_t value) {
        const std::span<std::byte> bytes(from.data(), size);

        write_pages(bytes, value);
        if (::write(writer.get(), bytes.data(), size) != static_cast<ssize_t>(size)) {
            fail("pipe(2)");
        }
    };
    const auto take_in = [size](const descriptor& reader, buffer& to, std::uint64_t value) {
        if (!read_all(reader.get(), to.data(), size)) {
            throw std::runtime_error("the other process has ended");
        }
        expect_pages({to.data(), size}, value);
    };
    const child echo([&] {
        buffer bytes(size);

        for (std::uint64_t value = 1;; value += 2) {
            take_in(there.reader, bytes, value);
            give(back.writer, bytes, value + 1);
        }
    });
    buffer bytes(size);
    std::uint64_t value = 1;

    state.SetLabel("pipe(2)");
    for (auto _ : state) {
        give(there.writer, bytes, value);
        take_in(back.reader, bytes, value + 1);
        value += 2;
    }
    state.counters["in_one"] = hops;
}

struct file_holding {
    descriptor file;
    file_mapping mapping;
};

void pass_file(file_holding&& held, int socket, std::uint64_t value) {
    const file_holding mine = std::move(held);

    write_pages(mine.mapping.bytes(), value);
    send_file(socket, mine.file.get());
}

[[nodiscard]] file_holding take_file(int socket, std::size_t size, std::uint64_t value) {
    file_holding got;

    got.file = receive_file(socket);
    got.mapping = file_mapping(got.file.get(), size, 0);
    expect_pages(got.mapping.bytes(), value);
    return got;
}

void memory_file(benchmark::State& state, std::size_t size) {
    const descriptor_pair pair = make_seqpacket();
    const child echo([&] {
        const int socket = pair.reader.get();

        for (std::uint64_t value = 1;; value += 2) {
            pass_file(take_file(socket, size, value), socket, value + 1);
        }
    });
    const int socket = pair.writer.get();
    file_holding held;
    std::uint64_t value = 1;

    held.file = make_memory_file(size);
    held.mapping = file_mapping(held.file.get(), size, 0);
    write_pages(held.mapping.bytes(), 0);
    state.SetLabel("memory file, SCM_RIGHTS");
    for (auto _ : state) {
        pass_file(std::move(held), socket, value);
        held = take_file(socket, size, value + 1);
        value += 2;
    }
    state.counters["in_one"] = hops;
}

// The floor: the touching alone, of memory that is mapped.
void touch(benchmark::State& state, std::size_t size) {
    buffer bytes(size);
    const std::span<std::byte> all(bytes.data(), size);
    std::uint64_t value = 1;

    state.SetLabel("a word of each page written and read");
    for (auto _ : state) {
        write_pages(all, value);
        expect_pages(all, value);
        value++;
    }
}

} // namespace

void add_handover(rows& all) {
    struct amount {
        const char* name;
        std::size_t size;
    };
    ipcshim::segment_parameters small;
    ipcshim::segment_parameters large;

    small.small_pages = true;
    large.whole_large_pages = true;
    for (const amount& each : {amount{"1m", mib}, amount{"64m", 64 * mib}}) {
        const std::string name = std::string("handover_") + each.name;
        const std::size_t size = each.size;

        all.add(name + "/ours", [size, large](auto& state) {
            state.SetLabel("segment of whole large pages, handed over");
            ours(state, size, large);
        });
        all.add(name + "/peer", [size](auto& state) { through_pipes(state, size); });
        all.add(name + "_memfd/peer", [size](auto& state) { memory_file(state, size); });
        all.add(std::string("floor/touch_") + each.name,
                [size](auto& state) { touch(state, size); });
    }
    all.add("handover_1m_exact/ours", [](auto& state) {
        state.SetLabel("segment of just 1 MiB, handed over");
        ours(state, mib, {});
    });
    all.add("handover_64m_small/ours", [small](auto& state) {
        state.SetLabel("segment of small pages, handed over");
        ours(state, 64 * mib, small);
    });
}

} // namespace bench
