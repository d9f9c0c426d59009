// SPDX-License-Identifier: MIT
//
// What the tests share: other processes that end with the test, waiting for a
// state, and content that tells where it belongs.
#ifndef IPCSHIM_TESTS_DEVICE_SUPPORT_HPP
#define IPCSHIM_TESTS_DEVICE_SUPPORT_HPP

#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <ipcshim/ipcshim.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace test {

// Throws a sentence with the place; for helpers and for other processes, where
// a GoogleTest assertion would not be seen. Inside a test it fails the test.
[[noreturn]] void fail(const char* file, int line, const std::string& what);

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ::test::fail(__FILE__, __LINE__, "not so: " #condition);                               \
    } while (false)

// A system call that has to succeed; gives its result.
#define CHECK_CALL(call)                                                                           \
    ([&] {                                                                                         \
        const auto check_result = (call);                                                          \
        if (check_result < 0)                                                                      \
            ::test::fail(__FILE__, __LINE__,                                                       \
                         std::string(#call " failed: ") + ::strerrorname_np(errno));               \
        return check_result;                                                                       \
    }())

// Descriptors of other kinds than the library's.
class unique_fd final {
public:
    unique_fd() noexcept = default;
    explicit unique_fd(int fd) noexcept : fd_(fd) {}
    unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    unique_fd& operator=(unique_fd&& other) noexcept {
        reset(std::exchange(other.fd_, -1));
        return *this;
    }
    unique_fd(const unique_fd&) = delete;
    unique_fd& operator=(const unique_fd&) = delete;
    ~unique_fd() { reset(); }
    [[nodiscard]] int get() const noexcept { return fd_; }
    void reset(int fd = -1) noexcept {
        if (fd_ >= 0)
            ::close(fd_);
        fd_ = fd;
    }

private:
    int fd_ = -1;
};

// A line between two processes, for what the test itself has to tell.
class line final {
public:
    line() = default;
    explicit line(unique_fd fd) noexcept : fd_(std::move(fd)) {}
    void put(std::uint64_t value) const;
    [[nodiscard]] std::uint64_t get() const;
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    void close() noexcept { fd_.reset(); }

private:
    unique_fd fd_;
};

// A forked process: it runs the function, and ends with the test. An exception
// ends it with exit code 1 and a sentence on stderr.
class process final {
public:
    using body = std::function<void(const line& parent)>;
    explicit process(const body& run);
    process(const process&) = delete;
    process(process&&) = delete;
    process& operator=(const process&) = delete;
    process& operator=(process&&) = delete;
    ~process();

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    void put(std::uint64_t value) const { line_.put(value); }
    [[nodiscard]] std::uint64_t get() const { return line_.get(); }
    [[nodiscard]] const line& wire() const noexcept { return line_; }
    // Sends SIGKILL and reaps.
    void kill();
    // Reaps; the wait status.
    [[nodiscard]] int wait();
    // Reaps; throws unless it exited with 0.
    void join();

private:
    pid_t pid_ = -1;
    line line_;
};

// Changes to an ordinary user without capabilities.
void become(uid_t uid);

// Passes a descriptor over a line.
void send_fd(const line& to, int fd);
[[nodiscard]] unique_fd receive_fd(const line& from);

// Returns when the condition holds. There is no time limit here: the runner
// has one for the test.
void wait_until(const std::function<bool()>& condition);
// The thread (or process) sleeps in the kernel, interruptibly: no processor runs it.
[[nodiscard]] bool sleeps(pid_t tid);
[[nodiscard]] pid_t own_tid();

// A port that handles both codes.
[[nodiscard]] ipcshim::port listening_port(ipcshim::notify way = ipcshim::notify::none());
[[nodiscard]] ipcshim::pipe_pair raw_pair(std::size_t capacity = ipcshim::capacity_unit);
[[nodiscard]] ipcshim::pipe_pair message_pair(std::size_t capacity = ipcshim::capacity_unit);
// The module's count of all pipes, tokens and so on.
[[nodiscard]] ipcshim::driver_totals totals();

[[nodiscard]] ipcshim_pipe_io io_args(void* buffer, std::size_t size, std::uint32_t mode,
                                      std::uint64_t deadline = 0);
// CLOCK_MONOTONIC in nanoseconds.
[[nodiscard]] std::uint64_t now();

// Byte n of a stream that begins with this seed.
[[nodiscard]] std::byte pattern(std::uint64_t place, std::uint64_t seed = 0);
[[nodiscard]] std::vector<std::byte> patterned(std::size_t size, std::uint64_t seed = 0,
                                               std::uint64_t from = 0);
// The place of the first byte that differs, or the size.
[[nodiscard]] std::size_t matching(std::span<const std::byte> bytes, std::uint64_t seed = 0,
                                   std::uint64_t from = 0);
// Reads until so many bytes came or the pipe ended.
[[nodiscard]] std::vector<std::byte> read_bytes(int fd, std::size_t size);
void write_bytes(int fd, std::span<const std::byte> bytes);

// A parameter of the module, put back by the destructor.
class parameter final {
public:
    parameter(const std::string& name, std::uint64_t value);
    parameter(const parameter&) = delete;
    parameter(parameter&&) = delete;
    parameter& operator=(const parameter&) = delete;
    parameter& operator=(parameter&&) = delete;
    ~parameter();

private:
    std::string path_;
    std::string before_;
};

[[nodiscard]] std::string file_content(const std::string& path);
[[nodiscard]] bool write_file(const std::string& path, const std::string& text);

} // namespace test

#endif
