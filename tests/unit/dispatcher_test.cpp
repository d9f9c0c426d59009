// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;
using namespace std::chrono_literals;

class dispatch_loop : public ::testing::Test {
protected:
    fake_kernel kernel;
    port opened = port::open(default_device, kernel);
};

TEST_F(dispatch_loop, run_until_a_deadline_handles_what_waits_first) {
    queue_events(kernel, {raw_recv_pipe(pipe_end::receiver), raw_pipe_closed(how::closed, 0),
                          raw_recv_shared_mem(memory_mode::mutual),
                          raw_unshared_mem(how::revoked, 0), raw_recv_pty()});
    dispatcher loop(opened, kernel);
    int pipes = 0;
    int closed = 0;
    int segments = 0;
    int unshared = 0;
    int terminals = 0;
    loop.on_pipe([&](const event&, const recv_pipe&) { ++pipes; })
        .on_closed([&](const event&, const pipe_closed&) { ++closed; })
        .on_memory([&](const event&, const recv_shared_mem&) { ++segments; })
        .on_unshared([&](const event&, const unshared_mem&) { ++unshared; })
        .on_pty([&](const event&, const recv_pty&) { ++terminals; });
    EXPECT_EQ(loop.run_until(deadline::clock::now() - 1s), 5U);
    EXPECT_EQ(terminals, 1);
    EXPECT_EQ(segments, 1);
    EXPECT_EQ(unshared, 1);
    EXPECT_EQ(pipes, 1);
    EXPECT_EQ(closed, 1);
}

TEST_F(dispatch_loop, stop_from_a_function_ends_the_run_before_the_next_event) {
    queue_events(kernel, {raw_event(0x44, 1), raw_event(0x44, 2)});
    kernel.on_write = [](int, const void*, std::size_t size) { return static_cast<ssize_t>(size); };
    dispatcher loop(opened, kernel);
    loop.on_other([&](const event&) { loop.stop(); });
    EXPECT_EQ(loop.run(), 1U);
    EXPECT_EQ(opened.try_read_event()->sequence(), 2U);
}

TEST_F(dispatch_loop, stop_wakes_a_run_that_waits) {
    queue_events(kernel, {});
    std::uint64_t counter = 0;
    kernel.on_write = [&](int, const void* from, std::size_t size) {
        EXPECT_EQ(size, sizeof(counter));
        counter += *static_cast<const std::uint64_t*>(from);
        return static_cast<ssize_t>(size);
    };
    dispatcher loop(opened, kernel);
    kernel.on_poll = [&](std::span<pollfd> entries, const timespec*) {
        EXPECT_EQ(entries.size(), 2U);
        loop.stop(); // as another thread would
        EXPECT_EQ(counter, 1U);
        entries[1].revents = POLLIN;
        return 1;
    };
    EXPECT_EQ(loop.run(), 0U);
}

TEST_F(dispatch_loop, stop_before_run_ends_the_next_run_only) {
    kernel.on_write = [](int, const void*, std::size_t size) { return static_cast<ssize_t>(size); };
    queue_events(kernel, {raw_event(0x44, 1)});
    dispatcher loop(opened, kernel);
    loop.stop();
    EXPECT_EQ(loop.run(), 0U);
    EXPECT_EQ(loop.run_until(deadline::clock::now() - 1s), 1U);
}

TEST_F(dispatch_loop, a_signal_does_not_end_a_run) {
    queue_events(kernel, {});
    dispatcher loop(opened, kernel);
    kernel.on_write = [](int, const void*, std::size_t size) { return static_cast<ssize_t>(size); };
    int polls = 0;
    kernel.on_poll = [&](std::span<pollfd>, const timespec*) {
        if (++polls == 3) {
            loop.stop(); // as the handler would
        }
        return -EINTR;
    };
    EXPECT_EQ(loop.run(), 0U);
    EXPECT_EQ(polls, 3);
}

TEST_F(dispatch_loop, an_error_of_poll_is_told) {
    queue_events(kernel, {});
    kernel.on_poll = [](std::span<pollfd>, const timespec*) { return -ENOMEM; };
    dispatcher loop(opened, kernel);
    EXPECT_EQ(thrown_errno([&] { loop.run(); }), ENOMEM);
}

TEST_F(dispatch_loop, without_an_eventfd_there_is_no_dispatcher) {
    kernel.eventfd_answer = -EMFILE;
    EXPECT_EQ(thrown_errno([&] { dispatcher loop(opened, kernel); }), EMFILE);
}

TEST_F(dispatch_loop, owns_its_eventfd_and_borrows_the_port) {
    {
        const dispatcher loop(opened, kernel);
        EXPECT_EQ(loop.fd(), opened.fd());
        EXPECT_EQ(kernel.open_fds().size(), 2U);
    }
    EXPECT_EQ(kernel.open_fds(), std::set<int>{opened.fd()});
}

} // namespace
