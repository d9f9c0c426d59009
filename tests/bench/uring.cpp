// SPDX-License-Identifier: MIT
//
// uring_batch32_64: 32 writes of 64 bytes in one system call, and then 32 reads,
// through the same liburing calls for both.
#include "bench.hpp"

#include <fcntl.h>
#include <liburing.h>

#include <span>

namespace bench {
namespace {

constexpr unsigned int batch = 32;
constexpr std::size_t size = 64;

class ring final {
public:
    ring() {
        const int error = ::io_uring_queue_init(2 * batch, &ring_, 0);

        if (error < 0) {
            throw std::system_error(-error, std::generic_category(), "io_uring");
        }
    }
    ring(const ring&) = delete;
    ring& operator=(const ring&) = delete;
    ~ring() { ::io_uring_queue_exit(&ring_); }

    io_uring_sqe* next() {
        io_uring_sqe* const entry = ::io_uring_get_sqe(&ring_);

        if (entry == nullptr) {
            throw std::runtime_error("io_uring: no entry is free");
        }
        return entry;
    }

    // Submits what was prepared and takes the results.
    void run() {
        if (::io_uring_submit_and_wait(&ring_, batch) != static_cast<int>(batch)) {
            throw std::runtime_error("io_uring: not all was submitted");
        }
        for (unsigned int n = 0; n < batch; n++) {
            io_uring_cqe* done = nullptr;

            if (::io_uring_wait_cqe(&ring_, &done) < 0 || done->res != static_cast<int>(size)) {
                throw std::runtime_error("io_uring: an entry came out short");
            }
            ::io_uring_cqe_seen(&ring_, done);
        }
    }

private:
    io_uring ring_{};
};

// O_NONBLOCK on both sides: else io_uring gives a pipe(2) of Linux 6.1 to its
// worker threads, entry by entry, and the two would not do the same.
void dont_block(int fd) {
    if (::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK) < 0) {
        fail("O_NONBLOCK");
    }
}

void batches(benchmark::State& state, int writer, int reader) {
    dont_block(writer);
    dont_block(reader);
    ring ring;
    buffer bytes(batch * size);
    const std::span<std::byte> all(bytes.data(), batch * size);

    for (auto _ : state) {
        for (unsigned int n = 0; n < batch; n++) {
            ::io_uring_prep_write(ring.next(), writer, &all[n * size], size, 0);
        }
        ring.run();
        for (unsigned int n = 0; n < batch; n++) {
            ::io_uring_prep_read(ring.next(), reader, &all[n * size], size, 0);
        }
        ring.run();
    }
    state.counters["in_one"] = batch;
}

} // namespace

void add_uring(rows& all) {
    all.add("uring_batch32_64/ours", [](auto& state) {
        const auto port = ipcshim::port::open();
        const auto [sender, receiver] = open_pair(port, ipcshim::pipe_mode::raw, mib);

        state.SetLabel("raw pipe through io_uring");
        batches(state, sender.fd(), receiver.fd());
    });
    all.add("uring_batch32_64/peer", [](auto& state) {
        const descriptor_pair pair = make_pipe(mib);

        state.SetLabel("pipe(2), io_uring");
        batches(state, pair.writer.get(), pair.reader.get());
    });
}

} // namespace bench
