// SPDX-License-Identifier: MIT
//
// Floors: what no mechanism that enters the kernel, or copies, can go below.
#include "bench.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>

#include <cstring>

namespace bench {
namespace {

void empty_call(benchmark::State& state) {
    state.SetLabel("getppid");
    for (auto _ : state) {
        benchmark::DoNotOptimize(::syscall(SYS_getppid));
    }
}

void copy_memory(benchmark::State& state) {
    buffer from(mib);
    buffer to(mib);

    state.SetLabel("memcpy of 1 MiB");
    for (auto _ : state) {
        std::memcpy(to.data(), from.data(), mib);
        benchmark::ClobberMemory();
    }
}

// One page of a memory file.  The difference between a long and a short piece
// of it is the kernel's copy alone: everything else is done once either way.
descriptor make_page() {
    descriptor file(::memfd_create("page", MFD_CLOEXEC), "memfd_create");

    if (::ftruncate(file.get(), page) < 0) {
        fail("ftruncate");
    }
    return file;
}

void copy_in(benchmark::State& state, std::size_t size) {
    const descriptor file = make_page();
    buffer from(page);

    state.SetLabel("pwrite to a memory file");
    for (auto _ : state) {
        if (::pwrite(file.get(), from.data(), size, 0) != static_cast<ssize_t>(size)) {
            fail("pwrite");
        }
    }
}

void copy_out(benchmark::State& state, std::size_t size) {
    const descriptor file = make_page();
    buffer to(page);

    // A hole would be read from the page of zeroes.
    if (::pwrite(file.get(), to.data(), page, 0) != static_cast<ssize_t>(page)) {
        fail("pwrite");
    }
    state.SetLabel("pread from a memory file");
    for (auto _ : state) {
        if (::pread(file.get(), to.data(), size, 0) != static_cast<ssize_t>(size)) {
            fail("pread");
        }
    }
}

} // namespace

void add_floor(rows& all) {
    all.add("floor/empty_call", empty_call);
    all.add("floor/memcpy_1m", copy_memory);
    for (const std::size_t size : {std::size_t{64}, page}) {
        const std::string bytes = std::to_string(size);

        all.add("floor/copy_in_" + bytes, [size](auto& state) { copy_in(state, size); });
        all.add("floor/copy_out_" + bytes, [size](auto& state) { copy_out(state, size); });
    }
}

} // namespace bench
