// SPDX-License-Identifier: MIT
//
// batch32_64: 32 messages of 64 bytes written by one call, and read by another.
#include "bench.hpp"

#include <ipcshim/batch.hpp>

namespace bench {
namespace {

constexpr std::size_t count = 32;
constexpr std::size_t size = 64;

void batches(benchmark::State& state) {
    const auto port = ipcshim::port::open();
    const auto [sender, receiver] = open_pair(port, ipcshim::pipe_mode::message, mib);
    buffer from(count * size);
    buffer to(count * size);
    ipcshim::outgoing_batch out;
    ipcshim::incoming_batch in;
    std::error_code error;

    for (std::size_t n = 0; n < count; n++) {
        out.add({from.data() + n * size, size});
        in.add({to.data() + n * size, size});
    }
    state.SetLabel("WRITE_BATCH and READ_BATCH");
    for (auto _ : state) {
        sender.write_batch(out, ipcshim::io_mode::all, error);
        if (error || receiver.read_batch(in, ipcshim::io_mode::all, error).moved() != count) {
            throw std::system_error(error, "a batch did not come through");
        }
    }
    state.counters["in_one"] = count;
}

} // namespace

void add_batch(rows& all) {
    all.add("batch32_64/ours", batches);
}

} // namespace bench
