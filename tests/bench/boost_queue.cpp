// SPDX-License-Identifier: MIT
//
// *_boost: what Boost.Interprocess' message_queue takes for the same work.  It
// is shared memory with a mutex and conditions in it.
#include "stream.hpp"

#ifdef BENCH_BOOST
#include <boost/interprocess/ipc/message_queue.hpp>
#endif

namespace bench {

#ifdef BENCH_BOOST
namespace {

namespace bi = boost::interprocess;

constexpr std::size_t size = 64;

// A queue whose name is gone at once; forks share it.
class queue final {
public:
    // Room for as many bytes of messages as the other rows' pipes have.
    queue() : queue_(bi::create_only, fresh(), mib / size, size) {
        bi::message_queue::remove(name);
    }
    queue(const queue&) = delete;
    queue& operator=(const queue&) = delete;
    ~queue() = default;

    void send(const std::byte* data) { queue_.send(data, size, 0); }

    void receive(std::byte* data) {
        bi::message_queue::size_type got = 0;
        unsigned int priority = 0;

        queue_.receive(data, size, got, priority);
        if (got != size) {
            throw std::runtime_error("a message of another length");
        }
    }

private:
    static constexpr const char* name = "ipcshim-bench";

    // A run that was ended may have left it.
    static const char* fresh() {
        bi::message_queue::remove(name);
        return name;
    }

    bi::message_queue queue_;
};

void label(benchmark::State& state) {
    state.SetLabel("Boost message_queue");
}

void there_alone(benchmark::State& state) {
    queue queue;
    buffer bytes(size);
    std::byte* const data = bytes.data();

    label(state);
    for (auto _ : state) {
        queue.send(data);
        queue.receive(data);
    }
}

void there_and_back(benchmark::State& state) {
    queue there;
    queue back;
    buffer bytes(size);
    std::byte* const data = bytes.data();
    const child echo([&] {
        for (;;) {
            there.receive(data);
            back.send(data);
        }
    });

    label(state);
    for (auto _ : state) {
        there.send(data);
        back.receive(data);
    }
}

void on_two_processors(benchmark::State& state) {
    queue queue;
    buffer bytes(size);
    std::byte* const data = bytes.data();

    label(state);
    stream(
        state, size, [&] { return [&queue, data] { queue.send(data); }; },
        [&] { return [&queue, data] { queue.receive(data); }; });
}

} // namespace

void add_boost(rows& all) {
    all.add("msg_64_boost/peer", there_alone);
    all.add("pingpong_64_boost/peer", there_and_back);
}

void add_wall_boost(rows& all) {
    all.add("wall_msg_64_boost/peer", on_two_processors);
}

#else // without the library the rows say so

namespace {

void missing(benchmark::State& /*state*/) {
    throw std::runtime_error("the bench was built without Boost.Interprocess");
}

} // namespace

void add_boost(rows& all) {
    all.add("msg_64_boost/peer", missing);
    all.add("pingpong_64_boost/peer", missing);
}

void add_wall_boost(rows& all) {
    all.add("wall_msg_64_boost/peer", missing);
}

#endif

} // namespace bench
