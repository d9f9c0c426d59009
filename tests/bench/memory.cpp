// SPDX-License-Identifier: MIT
//
// idle_pipe_bytes: what the kernel's memory (slabs, vmalloc, percpu) grows by for
// each pipe that was made and never written: files and inodes included.
// idle_segment_bytes: for each segment of a mebibyte that was never touched.
// idle_pty_bytes: for each pseudo terminal whose slave is open once and through
// which nothing went so far.
// idle_connection_bytes: for each connection, both sides open here, through which
// nothing went so far.
#include "memory_file.hpp"
#include "socket_abi.hpp"
#include "terminal.hpp"

#include <ipcshim/segment.hpp>

#include <linux/membarrier.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace bench {
namespace {

constexpr std::size_t many = 4096;
// The system as it comes has no more pseudo terminals than that.
constexpr std::size_t many_terminals = 1000;

void order(const std::filesystem::path& file, const char* word) {
    std::ofstream out(file);

    out << word << std::flush;
    if (!out) {
        throw std::runtime_error(file.string() + " can't be written");
    }
}

double told_used() {
    std::ifstream info("/proc/meminfo");
    std::string name;
    double kilobytes = 0;
    std::string rest;
    double sum = 0;
    int found = 0;

    while (info >> name >> kilobytes && std::getline(info, rest)) {
        if (name == "Slab:" || name == "VmallocUsed:" || name == "Percpu:") {
            sum += kilobytes * 1024;
            found++;
        }
    }
    if (found != 3) {
        throw std::runtime_error("/proc/meminfo does not tell what the kernel uses");
    }
    return sum;
}

// What the kernel uses when nothing that was closed is still on its way to be
// free: grace periods are over, and caches hold no empty slab.  (MemFree won't
// do: freed pages lie on a processor's own list, by the ten megabytes.)
double used_bytes() {
    double before = -1;
    int same = 0;

    for (int round = 0; round < 200; round++) {
        if (::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0) < 0) {
            fail("membarrier");
        }
        for (const auto& cache : std::filesystem::directory_iterator("/sys/kernel/slab")) {
            order(cache.path() / "shrink", "1\n");
        }
        order("/proc/sys/vm/drop_caches", "3\n");
        const double now = told_used();

        // Looking takes some objects itself, by and by.
        same = std::abs(now - before) <= 64 * kib ? same + 1 : 0;
        if (same == 3) {
            return now;
        }
        before = now;
    }
    throw std::runtime_error("the memory that the kernel uses does not come to rest");
}

// make returns whatever owns one object; look is called while all are there.
template <typename Make, typename Look>
void each_costs(benchmark::State& state, Make make, Look look, std::size_t count = many) {
    double bytes = 0;

    for (auto _ : state) {
        std::vector<decltype(make())> kept(count);
        // What is made once for all is not counted: caches, the table of
        // descriptors, this vector's pages.
        for (auto& one : kept) {
            one = make();
        }
        for (auto& one : kept) {
            one = {};
        }
        const double before = used_bytes();

        for (auto& one : kept) {
            one = make();
        }
        bytes = (used_bytes() - before) / static_cast<double>(count);
        look();
    }
    state.counters["bytes"] = bytes;
}

descriptor_pair make_nothing() {
    return {descriptor(::eventfd(0, EFD_CLOEXEC), "eventfd"),
            descriptor(::eventfd(0, EFD_CLOEXEC), "eventfd")};
}

} // namespace

void add_memory(rows& all) {
    all.add("idle_pipe_bytes/ours",
            [](auto& state) {
                const auto port = ipcshim::port::open();

                state.SetLabel("raw pipe of 64 KiB");
                each_costs(
                    state, [&] { return open_pair(port, ipcshim::pipe_mode::raw, 64 * kib); },
                    [&] {
                        // Pages for the contents would not be in that sum.
                        if (port.query().totals().ring_bytes != 0) {
                            throw std::runtime_error("memory for contents of an empty pipe");
                        }
                    });
            })
        ->Iterations(1)
        ->Repetitions(3);
    all.add("idle_pipe_bytes/peer",
            [](auto& state) {
                state.SetLabel("pipe(2)");
                each_costs(
                    state, [] { return make_pipe(0); }, [] {});
            })
        ->Iterations(1)
        ->Repetitions(3);
    all.add("idle_segment_bytes/ours",
            [](auto& state) {
                const auto port = ipcshim::port::open();

                state.SetLabel("segment of 1 MiB");
                each_costs(
                    state, [&] { return port.create_segment(mib); },
                    [&] {
                        if (port.query().totals().segment_bytes != 0) {
                            throw std::runtime_error("pages of a segment that nobody touched");
                        }
                    });
            })
        ->Iterations(1)
        ->Repetitions(3);
    all.add("idle_segment_bytes/peer",
            [](auto& state) {
                state.SetLabel("memory file");
                each_costs(
                    state, [] { return make_memory_file(mib); }, [] {});
            })
        ->Iterations(1)
        ->Repetitions(3);
    all.add("idle_pty_bytes/ours",
            [](auto& state) {
                const auto port = ipcshim::port::open();

                state.SetLabel("pty, its slave open");
                each_costs(
                    state, [&] { return open_ours(port); },
                    [&] {
                        if (port.query().totals().ptys != many_terminals) {
                            throw std::runtime_error("the module counts other pseudo terminals");
                        }
                    },
                    many_terminals);
            })
        ->Iterations(1)
        ->Repetitions(3);
    all.add("idle_pty_bytes/peer",
            [](auto& state) {
                state.SetLabel("devpts");
                each_costs(
                    state, open_devpts, [] {}, many_terminals);
            })
        ->Iterations(1)
        ->Repetitions(3);
    all.add("idle_connection_bytes/ours",
            [](auto& state) {
                const descriptor port = open_port();

                state.SetLabel("connection, both its sockets");
                each_costs(
                    state, [&] { return make_connection(port); }, [] {});
            })
        ->Iterations(1)
        ->Repetitions(3);
    all.add("idle_connection_bytes/peer",
            [](auto& state) {
                state.SetLabel("unix seqpacket pair");
                each_costs(state, make_seqpacket, [] {});
            })
        ->Iterations(1)
        ->Repetitions(3);
    all.add("floor/two_eventfds",
            [](auto& state) {
                state.SetLabel("two eventfd(2)");
                each_costs(state, make_nothing, [] {});
            })
        ->Iterations(1)
        ->Repetitions(3);
}

} // namespace bench
