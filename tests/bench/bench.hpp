// SPDX-License-Identifier: MIT
//
// What the rows of the bench share: descriptors that close themselves, errors
// that end a row and not the program, and the names of the rows.
//
// A row is called <case>/ours, <case>/peer or floor/<what>; its label names
// the mechanism.  tests/bench/report joins them into one line for each case.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <benchmark/benchmark.h>

#include <cerrno>
#include <cstddef>
#include <exception>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <ipcshim/port.hpp>

namespace bench {

inline constexpr std::size_t kib = 1024;
inline constexpr std::size_t mib = 1024 * kib;
inline constexpr std::size_t page = 4 * kib;

[[noreturn]] inline void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

// Owns a file descriptor.
class descriptor final {
public:
    descriptor() noexcept = default;
    explicit descriptor(int fd, const char* what) : fd_(fd) {
        if (fd < 0) {
            fail(what);
        }
    }
    descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    descriptor& operator=(descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    ~descriptor() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }

    [[nodiscard]] int get() const noexcept { return fd_; }

private:
    int fd_ = -1;
};

struct descriptor_pair {
    descriptor writer;
    descriptor reader;
};

// A child process, killed and reaped when the row is over.
class child final {
public:
    // body runs in the child, which exits when it returns, and says what it threw.
    template <typename Body> explicit child(Body body) : pid_(::fork()) {
        if (pid_ < 0) {
            fail("fork");
        }
        if (pid_ == 0) {
            [&]() noexcept { body(); }();
            ::_exit(0);
        }
    }
    child(const child&) = delete;
    child& operator=(const child&) = delete;
    ~child();

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

private:
    pid_t pid_;
};

// Page-aligned memory that has been touched, so that no fault is measured.
class buffer final {
public:
    explicit buffer(std::size_t size) : bytes_(size + page, std::byte{0x5a}) {}

    [[nodiscard]] std::byte* data() noexcept;

private:
    std::vector<std::byte> bytes_;
};

// Registers rows and counts them.
class rows final {
public:
    // A row whose every pass of the loop is measured.
    template <typename Row> benchmark::internal::Benchmark* add(const std::string& name, Row body) {
        return registered(name, body)->UseRealTime();
    }

    // A row that says itself how long each pass took.
    template <typename Row>
    benchmark::internal::Benchmark* add_timed(const std::string& name, Row body) {
        return registered(name, body)->UseManualTime();
    }

    [[nodiscard]] std::size_t count() const noexcept { return count_; }

private:
    // An exception in a row becomes the row's error, with its text.
    template <typename Row>
    benchmark::internal::Benchmark* registered(const std::string& name, Row body) {
        count_++;
        return benchmark::RegisterBenchmark(name.c_str(), [body](benchmark::State& state) {
            try {
                body(state);
            } catch (const std::exception& error) {
                state.SkipWithError(error.what());
            }
        });
    }

    std::size_t count_ = 0;
};

// write and then read size bytes, which fit in between: the same code for
// every pair of descriptors, so that only the kernel's part differs.
void write_then_read(benchmark::State& state, int writer, int reader, std::size_t size);

// read exactly size bytes, or false.
[[nodiscard]] inline bool read_all(int fd, std::byte* to, std::size_t size) noexcept {
    while (size > 0) {
        const ssize_t got = ::read(fd, to, size);
        if (got <= 0) {
            return false;
        }
        to += got;
        size -= static_cast<std::size_t>(got);
    }
    return true;
}

// The peers' makers.  Capacity 0: as the system makes it.
[[nodiscard]] descriptor_pair make_pipe(std::size_t capacity);
[[nodiscard]] descriptor_pair make_seqpacket();
// Ours: both ends in this process.
[[nodiscard]] ipcshim::pipe_pair open_pair(const ipcshim::port& port, ipcshim::pipe_mode mode,
                                           std::size_t capacity);

// One function for each topic, called by main in the order of the table.
void add_floor(rows& all);
void add_raw(rows& all);
void add_message(rows& all);
void add_batch(rows& all);
void add_mapped(rows& all);
void add_pingpong(rows& all);
void add_uring(rows& all);
void add_pty(rows& all);
void add_handover(rows& all);
void add_segment(rows& all);
void add_call(rows& all);
void add_call_library(rows& all);
void add_notify(rows& all);
void add_open(rows& all);
void add_memory(rows& all);
void add_zeromq(rows& all);
void add_boost(rows& all);

// Those for two processors, where both sides run at once.
void add_wall(rows& all);
void add_wall_mapped(rows& all);
void add_wall_zeromq(rows& all);
void add_wall_boost(rows& all);

} // namespace bench
