// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_TESTS_URING_SUPPORT_HPP
#define IPCSHIM_TESTS_URING_SUPPORT_HPP

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include <ipcshim/ipcshim.hpp>
#include <ipcshim/uring.hpp>

namespace ipcshim::test {

// The two ends of one of Linux's own pipes, as the library's ends.
struct plain_pipe {
    ipcshim::sender sender;
    ipcshim::receiver receiver;

    explicit plain_pipe(pipe_mode mode = pipe_mode::raw) {
        std::array<int, 2> fds{};
        // Packets are whole messages, as those of a message pipe.
        const int packets = mode == pipe_mode::message ? O_DIRECT : 0;
        // Linux 6.1 asks its own pipes without waiting only so, and the module's always.
        if (::pipe2(fds.data(), O_CLOEXEC | O_NONBLOCK | packets) != 0) {
            throw std::system_error(errno, std::generic_category(), "pipe2");
        }
        receiver = {detail::handle(detail::real_syscalls(), fds[0]), mode};
        sender = {detail::handle(detail::real_syscalls(), fds[1]), mode};
    }
};

// A loop, where this system allows one.
class loop_test : public ::testing::Test {
protected:
    void SetUp() override {
        try {
            held_.emplace();
        } catch (const std::system_error& error) {
            if (error.code() == std::errc::function_not_supported ||
                error.code() == std::errc::operation_not_permitted) {
                GTEST_SKIP() << error.what();
            }
            throw;
        }
    }

    uring& loop() { return *held_; }
    void destroy_loop() { held_.reset(); }

private:
    std::optional<uring> held_;
};

inline std::vector<std::byte> bytes(std::size_t size, unsigned seed = 0) {
    std::vector<std::byte> result(size);
    for (std::size_t i = 0; i < size; ++i) {
        result[i] = static_cast<std::byte>((i * 7 + i / 251 + seed) & 0xffU);
    }
    return result;
}

inline deadline soon(std::chrono::milliseconds after = std::chrono::milliseconds(20)) {
    return deadline::clock::now() + after;
}

// The errno of what a task throws, 0 if it throws nothing.
template <typename T> task<int> errno_of(task<T> work) {
    try {
        static_cast<void>(co_await std::move(work));
    } catch (const std::system_error& error) {
        co_return error.code().category() == std::generic_category() ? error.code().value() : -1;
    }
    co_return 0;
}
inline task<int> errno_of(task<> work) {
    try {
        co_await std::move(work);
    } catch (const std::system_error& error) {
        co_return error.code().category() == std::generic_category() ? error.code().value() : -1;
    }
    co_return 0;
}

} // namespace ipcshim::test

#endif
