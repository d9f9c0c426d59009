// SPDX-License-Identifier: MIT
//
// *_zmq: what ZeroMQ takes for the same work over its ipc:// transport.
#include "stream.hpp"

#include <memory>

#ifdef BENCH_ZEROMQ
#include <zmq.h>
#endif

namespace bench {

#ifdef BENCH_ZEROMQ
namespace {

constexpr std::size_t size = 64;
constexpr const char* label = "ZeroMQ ipc://";

// '@': a name in no folder, which vanishes with its socket.
constexpr const char* there = "ipc://@ipcshim-bench-there";

[[noreturn]] void zmq_fail(const char* what) {
    throw std::runtime_error(std::string(what) + ": " + ::zmq_strerror(::zmq_errno()));
}

// A thread of the library's own moves the messages.  Not before a fork.
class context final {
public:
    context() : context_(::zmq_ctx_new()) {
        if (context_ == nullptr) {
            zmq_fail("zmq_ctx_new");
        }
    }
    context(const context&) = delete;
    context& operator=(const context&) = delete;
    ~context() { ::zmq_ctx_term(context_); }

    [[nodiscard]] void* get() const noexcept { return context_; }

private:
    void* context_;
};

class socket final {
public:
    socket(const context& owner, int type) : socket_(::zmq_socket(owner.get(), type)) {
        // What was not sent is not waited for at the end.
        const int linger = 0;

        if (socket_ == nullptr ||
            ::zmq_setsockopt(socket_, ZMQ_LINGER, &linger, sizeof linger) < 0) {
            zmq_fail("zmq_socket");
        }
    }
    socket(const socket&) = delete;
    socket& operator=(const socket&) = delete;
    ~socket() { ::zmq_close(socket_); }

    void bind(const char* name) const {
        if (::zmq_bind(socket_, name) < 0) {
            zmq_fail("zmq_bind");
        }
    }
    void connect(const char* name) const {
        if (::zmq_connect(socket_, name) < 0) {
            zmq_fail("zmq_connect");
        }
    }
    void send(const std::byte* data) const {
        if (::zmq_send(socket_, data, size, 0) != static_cast<int>(size)) {
            zmq_fail("zmq_send");
        }
    }
    void receive(std::byte* data) const {
        if (::zmq_recv(socket_, data, size, 0) != static_cast<int>(size)) {
            zmq_fail("zmq_recv");
        }
    }

private:
    void* socket_;
};

// So many there, and then as many taken out, in one process.
void there_alone(benchmark::State& state, std::size_t count) {
    const context context;
    const socket puller(context, ZMQ_PULL);
    const socket pusher(context, ZMQ_PUSH);
    buffer bytes(size);
    std::byte* const data = bytes.data();
    const auto move = [&] {
        for (std::size_t n = 0; n < count; n++) {
            pusher.send(data);
        }
        for (std::size_t n = 0; n < count; n++) {
            puller.receive(data);
        }
    };

    puller.bind(there);
    pusher.connect(there);
    move();
    state.SetLabel(label);
    for (auto _ : state) {
        move();
    }
    state.counters["in_one"] = static_cast<double>(count);
}

void there_and_back(benchmark::State& state) {
    buffer bytes(size);
    std::byte* const data = bytes.data();
    const child echo([&] {
        const context context;
        const socket other(context, ZMQ_PAIR);

        other.bind(there);
        for (;;) {
            other.receive(data);
            other.send(data);
        }
    });
    const context context;
    const socket mine(context, ZMQ_PAIR);
    const auto move = [&] {
        mine.send(data);
        mine.receive(data);
    };

    mine.connect(there);
    move();
    state.SetLabel(label);
    for (auto _ : state) {
        move();
    }
}

// One socket with its context, for one side of a stream.
struct side {
    explicit side(int type) : socket(context, type) {}

    bench::context context;
    bench::socket socket;
};

void on_two_processors(benchmark::State& state) {
    buffer bytes(size);
    std::byte* const data = bytes.data();

    state.SetLabel(label);
    stream(
        state, size,
        [&] {
            auto mine = std::make_shared<side>(ZMQ_PUSH);

            mine->socket.connect(there);
            return [mine, data] { mine->socket.send(data); };
        },
        [&] {
            auto other = std::make_shared<side>(ZMQ_PULL);

            other->socket.bind(there);
            return [other, data] { other->socket.receive(data); };
        });
}

} // namespace

void add_zeromq(rows& all) {
    all.add("msg_64_zmq/peer", [](auto& state) { there_alone(state, 1); });
    all.add("batch32_64_zmq/peer", [](auto& state) { there_alone(state, 32); });
    all.add("pingpong_64_zmq/peer", there_and_back);
}

void add_wall_zeromq(rows& all) {
    all.add("wall_msg_64_zmq/peer", on_two_processors);
}

#else // without the library the rows say so

namespace {

void missing(benchmark::State& /*state*/) {
    throw std::runtime_error("the bench was built without ZeroMQ's libzmq");
}

} // namespace

void add_zeromq(rows& all) {
    for (const char* const name : {"msg_64_zmq", "batch32_64_zmq", "pingpong_64_zmq"}) {
        all.add(std::string(name) + "/peer", missing);
    }
}

void add_wall_zeromq(rows& all) {
    all.add("wall_msg_64_zmq/peer", missing);
}

#endif

} // namespace bench
