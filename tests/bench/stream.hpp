// SPDX-License-Identifier: MIT
//
// A stream from this process to another one, both of which run at once.
#pragma once

#include "bench.hpp"

#include <iostream>
#include <optional>

namespace bench {

// So many bytes go to the other process before it answers once, which is when
// all of them have arrived.
inline constexpr std::size_t burst = mib;

// make_sender(), here, and make_receiver(), in the other process, give what moves
// one piece of size bytes, or throws.
template <typename MakeSender, typename MakeReceiver>
void stream(benchmark::State& state, std::size_t size, MakeSender make_sender,
            MakeReceiver make_receiver) {
    // Large pieces: enough of them for both sides to get going.
    const std::size_t pieces = std::max(burst / size, std::size_t{256});
    descriptor_pair done = make_pipe(0);
    std::optional<child> other(std::in_place, [&] {
        const std::byte word{1};

        done.reader = {};
        try {
            auto receive = make_receiver();

            do {
                for (std::size_t n = 0; n < pieces; n++) {
                    receive();
                }
            } while (::write(done.writer.get(), &word, 1) == 1);
        } catch (const std::exception& error) {
            std::cerr << "the row's other process: " << error.what() << std::endl;
        }
    });
    done.writer = {};
    auto send = make_sender();
    const auto one_burst = [&] {
        std::byte word{};

        for (std::size_t n = 0; n < pieces; n++) {
            send();
        }
        if (::read(done.reader.get(), &word, 1) != 1) {
            throw std::runtime_error("the other process has ended");
        }
    };

    // Connections are made, and memory is touched.
    one_burst();
    for (auto _ : state) {
        one_burst();
    }
    state.counters["in_one"] = static_cast<double>(pieces);
    // Before its sender goes: it would say that it misses it.
    other.reset();
}

} // namespace bench
