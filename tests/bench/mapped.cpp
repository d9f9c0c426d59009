// SPDX-License-Identifier: MIT
//
// mapped_*: through the ring that both sides have mapped, by the C++ classes.  Their
// peers write and read the same pieces by system calls.
#include "stream.hpp"

#include <type_traits>

#include <ipcshim/mapped.hpp>

namespace bench {
namespace {

ipcshim::pipe_pair open_mapped(ipcshim::pipe_mode mode) {
    const auto port = ipcshim::port::open();
    ipcshim::pipe_parameters parameters;

    parameters.mode = mode;
    parameters.capacity = mib;
    parameters.mapped = true;
    return port.open_pipe(parameters);
}

const char* label_of(ipcshim::pipe_mode mode) {
    return mode == ipcshim::pipe_mode::raw ? "mapped raw pipe" : "mapped message pipe";
}

// Size as a constant, as that of a struct is to who sends it, or a number.
template <typename Size>
void in_one_process(benchmark::State& state, ipcshim::pipe_mode mode, Size size) {
    ipcshim::pipe_pair ends = open_mapped(mode);
    ipcshim::mapped_sender sender(std::move(ends.sender));
    ipcshim::mapped_receiver receiver(std::move(ends.receiver));
    buffer from(size);
    buffer to(size);
    std::byte* const source = from.data();
    std::byte* const target = to.data();
    const auto move = [&]() __attribute__((always_inline)) {
        sender.write({source, size});
        if (receiver.read({target, size}).moved() != size) [[unlikely]] {
            throw std::runtime_error("a piece did not come through");
        }
    };

    // Once around the ring: its pages are in the tables of this process then.
    for (std::size_t n = 0; n <= 2 * mib / size; n++) {
        move();
    }
    state.SetLabel(label_of(mode));
    for (auto _ : state) {
        move();
    }
}

// Each end is mapped by the one process that uses it.
void on_two_processors(benchmark::State& state, ipcshim::pipe_mode mode, std::size_t size) {
    ipcshim::pipe_pair ends = open_mapped(mode);
    buffer bytes(size);
    const std::span<std::byte> data(bytes.data(), size);

    state.SetLabel(label_of(mode));
    stream(
        state, size,
        [&] {
            ends.receiver.close();
            return [data, mine = ipcshim::mapped_sender(std::move(ends.sender))]() mutable {
                mine.write(data);
            };
        },
        [&] {
            ends.sender.close();
            return [data, other = ipcshim::mapped_receiver(std::move(ends.receiver))]() mutable {
                if (other.read(data).moved() != data.size()) {
                    throw std::runtime_error("the sender has ended");
                }
            };
        });
}

} // namespace

void add_mapped(rows& all) {
    using ipcshim::pipe_mode;

    const std::integral_constant<std::size_t, 64> constant;

    all.add("mapped_64/ours",
            [=](auto& state) { in_one_process(state, pipe_mode::raw, constant); });
    all.add("mapped_64k/ours",
            [](auto& state) { in_one_process(state, pipe_mode::raw, std::size_t{64 * kib}); });
    all.add("mapped_msg_64/ours",
            [=](auto& state) { in_one_process(state, pipe_mode::message, constant); });
}

void add_wall_mapped(rows& all) {
    using ipcshim::pipe_mode;

    all.add("wall_mapped_64/ours",
            [](auto& state) { on_two_processors(state, pipe_mode::raw, 64); });
    all.add("wall_mapped_64k/ours",
            [](auto& state) { on_two_processors(state, pipe_mode::raw, 64 * kib); });
    all.add("wall_mapped_msg_64/ours",
            [](auto& state) { on_two_processors(state, pipe_mode::message, 64); });
}

} // namespace bench
