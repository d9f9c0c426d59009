// SPDX-License-Identifier: MIT
//
// Registering for events, reading them, waiting for them.
#include <gtest/gtest.h>

#include <sys/ioctl.h>

#include <array>
#include <chrono>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;
using namespace std::chrono_literals;

class port_event : public ::testing::Test {
protected:
    fake_kernel kernel;
    port opened = port::open(default_device, kernel);
};

TEST_F(port_event, handle_passes_the_set_the_signal_and_the_thread) {
    ::ipcshim_handle seen{};
    kernel.on<::ipcshim_handle>(IPCSHIM_HANDLE_SIGNAL, [&](int, ::ipcshim_handle& raw) {
        seen = raw;
        return 0;
    });
    opened.handle({event_code::pipe_closed}, notify::signal(SIGRTMIN, 5));
    EXPECT_EQ(seen.codes[0], 1ULL << IPCSHIM_EVENT_PIPE_CLOSED);
    EXPECT_EQ(seen.codes[1], 0U);
    EXPECT_EQ(seen.notify, static_cast<std::uint32_t>(IPCSHIM_NOTIFY_SIGNAL));
    EXPECT_EQ(seen.signo, static_cast<std::uint32_t>(SIGRTMIN));
    EXPECT_EQ(seen.tid, 5U);
    EXPECT_EQ(seen.flags, 0U);
    EXPECT_EQ(seen.reserved, 0U);
}

TEST_F(port_event, handle_without_a_signal_passes_zeros) {
    ::ipcshim_handle seen{};
    kernel.on<::ipcshim_handle>(IPCSHIM_HANDLE_SIGNAL, [&](int, ::ipcshim_handle& raw) {
        seen = raw;
        return 0;
    });
    opened.handle(event_set::all());
    EXPECT_EQ(seen.notify, static_cast<std::uint32_t>(IPCSHIM_NOTIFY_NONE));
    EXPECT_EQ(seen.signo, 0U);
    EXPECT_EQ(seen.tid, 0U);
}

TEST_F(port_event, handle_ebusy_names_the_events_and_what_to_do) {
    kernel.refuse(IPCSHIM_HANDLE_SIGNAL, EBUSY);
    const std::string text = thrown<std::system_error>([&] {
        opened.handle({event_code::recv_pipe, event_code::recv_pty});
    });
    EXPECT_NE(text.find("cannot handle the events {recv_pipe, recv_pty}: another port of this "
                        "process handles one of them"),
              std::string::npos)
        << text;
}

TEST_F(port_event, unhandle_passes_the_set) {
    ::ipcshim_unhandle seen{};
    kernel.on<::ipcshim_unhandle>(IPCSHIM_UNHANDLE_SIGNAL, [&](int, ::ipcshim_unhandle& raw) {
        seen = raw;
        return 0;
    });
    opened.unhandle({event_code::recv_pipe});
    EXPECT_EQ(seen.codes[0], 1ULL << IPCSHIM_EVENT_RECV_PIPE);
}

TEST_F(port_event, is_handled_tells_the_answer_of_the_kernel) {
    kernel.on<::ipcshim_is_handled>(IPCSHIM_IS_HANDLED, [](int, ::ipcshim_is_handled& raw) {
        raw.handled = raw.pid == 17 && raw.code == IPCSHIM_EVENT_PIPE_CLOSED ? 1 : 0;
        return 0;
    });
    EXPECT_TRUE(opened.is_handled(event_code::pipe_closed, 17));
    EXPECT_FALSE(opened.is_handled(event_code::recv_pipe, 17));
}

TEST_F(port_event, is_handled_esrch_names_the_process) {
    kernel.refuse(IPCSHIM_IS_HANDLED, ESRCH);
    const std::string text =
        thrown<std::system_error>([&] { (void)opened.is_handled(event_code::recv_pipe, 99999); });
    EXPECT_NE(text.find("process 99999"), std::string::npos) << text;
    EXPECT_NE(text.find("there is no such process"), std::string::npos) << text;
}

TEST_F(port_event, ready_again_is_ealready) {
    kernel.refuse(IPCSHIM_READY, EALREADY);
    EXPECT_EQ(thrown_errno([&] { opened.ready(); }), EALREADY);
}

TEST_F(port_event, set_access_passes_the_number) {
    std::uint32_t seen = 99;
    kernel.on<::ipcshim_access>(IPCSHIM_SET_ACCESS, [&](int, ::ipcshim_access& raw) {
        seen = raw.access;
        return 0;
    });
    opened.set_access(access::anybody);
    EXPECT_EQ(seen, static_cast<std::uint32_t>(IPCSHIM_ACCESS_ANYBODY));
}

TEST_F(port_event, an_inherited_port_eperm_says_to_open_one) {
    kernel.refuse(IPCSHIM_READY, EPERM);
    const std::string text = thrown<std::system_error>([&] { opened.ready(); });
    EXPECT_NE(text.find("this one inherited it"), std::string::npos) << text;
}

TEST_F(port_event, try_read_event_of_an_empty_port_is_nothing) {
    queue_events(kernel, {});
    EXPECT_FALSE(opened.try_read_event().has_value());
}

TEST_F(port_event, read_events_fills_the_span_and_counts) {
    queue_events(kernel, {raw_event(0x20, 1), raw_event(0x21, 2), raw_event(0x20, 3)});
    std::array<event, 2> events;
    EXPECT_EQ(opened.read_events(events), 2U);
    EXPECT_EQ(events[1].sequence(), 2U);
    EXPECT_EQ(opened.try_read_events(events), 1U);
    EXPECT_EQ(events[0].sequence(), 3U);
}

TEST_F(port_event, a_count_beyond_the_buffer_is_clamped) {
    kernel.on_read = [](int, void*, std::size_t) { return 6400; };
    std::array<event, 2> events;
    EXPECT_EQ(opened.try_read_events(events), 2U);
}

TEST_F(port_event, half_an_event_is_a_protocol_error) {
    kernel.on_read = [](int, void*, std::size_t) { return 63; };
    EXPECT_EQ(thrown_errno([&] { (void)opened.try_read_event(); }), EPROTO);
}

TEST_F(port_event, no_room_reads_nothing_and_does_not_ask) {
    kernel.on_read = [](int, void*, std::size_t) -> ssize_t { return -EIO; };
    EXPECT_EQ(opened.read_events({}), 0U);
}

TEST_F(port_event, a_read_error_is_told) {
    kernel.on_read = [](int, void*, std::size_t) -> ssize_t { return -EFAULT; };
    std::array<event, 1> events;
    std::error_code error;
    EXPECT_EQ(opened.read_events(events, error), 0U);
    EXPECT_EQ(error, std::errc::bad_address);
}

TEST_F(port_event, read_event_polls_until_one_is_there) {
    int polls = 0;
    kernel.on_read = [](int, void*, std::size_t) -> ssize_t { return -EAGAIN; };
    kernel.on_poll = [&](std::span<pollfd> entries, const timespec* timeout) {
        EXPECT_EQ(timeout, nullptr);
        EXPECT_EQ(entries[0].fd, opened.fd());
        EXPECT_EQ(entries[0].events, POLLIN);
        // The first time another thread took what this one was woken for.
        if (++polls == 2) {
            queue_events(kernel, {raw_event(0x21, 8)});
        }
        entries[0].revents = POLLIN;
        return 1;
    };
    EXPECT_EQ(opened.read_event().sequence(), 8U);
    EXPECT_EQ(polls, 2);
}

TEST_F(port_event, read_event_tells_eintr) {
    queue_events(kernel, {});
    kernel.on_poll = [](std::span<pollfd>, const timespec*) { return -EINTR; };
    EXPECT_EQ(thrown_errno([&] { (void)opened.read_event(); }), EINTR);
}

TEST_F(port_event, a_deadline_that_passed_is_looked_at_once_and_answers_nothing) {
    queue_events(kernel, {});
    int polls = 0;
    kernel.on_poll = [&](std::span<pollfd>, const timespec* timeout) {
        ++polls;
        EXPECT_EQ(timeout->tv_sec, 0);
        EXPECT_EQ(timeout->tv_nsec, 0);
        return 0;
    };
    EXPECT_FALSE(opened.read_event(deadline::clock::now() - 1s).has_value());
    EXPECT_EQ(polls, 1);
}

TEST_F(port_event, a_poll_that_ends_early_goes_on_until_the_deadline) {
    queue_events(kernel, {});
    const auto until = deadline::clock::now() + 20ms;
    kernel.on_poll = [](std::span<pollfd>, const timespec*) { return 0; };
    EXPECT_FALSE(opened.wait(until));
    EXPECT_GE(deadline::clock::now(), until);
}

TEST_F(port_event, wait_passes_what_is_left_of_the_deadline) {
    kernel.on_poll = [](std::span<pollfd> entries, const timespec* timeout) {
        EXPECT_GT(timeout->tv_sec, 3500);
        EXPECT_LE(timeout->tv_sec, 3600);
        entries[0].revents = POLLIN;
        return 1;
    };
    EXPECT_TRUE(opened.wait(deadline::clock::now() + 1h));
}

TEST_F(port_event, wait_on_a_dead_descriptor_is_ebadf_not_success) {
    kernel.on_poll = [](std::span<pollfd> entries, const timespec*) {
        entries[0].revents = POLLNVAL;
        return 1;
    };
    EXPECT_EQ(thrown_errno([&] { (void)opened.wait(); }), EBADF);
}

TEST_F(port_event, events_waiting_counts_whole_events) {
    kernel.on<int>(FIONREAD, [](int, int& bytes) {
        bytes = 3 * 64;
        return 0;
    });
    EXPECT_EQ(opened.events_waiting(), 3U);
    kernel.on<int>(FIONREAD, [](int, int& bytes) {
        bytes = -64;
        return 0;
    });
    EXPECT_EQ(opened.events_waiting(), 0U);
}

TEST_F(port_event, dispatch_calls_the_handler_for_each_kind) {
    queue_events(kernel, {raw_recv_pipe(pipe_end::sender), raw_pipe_closed(how::exited, 0),
                          raw_recv_shared_mem(memory_mode::mutual),
                          raw_unshared_mem(how::revoked, 0), raw_recv_pty(), raw_event(0x44, 3)});
    std::string order;
    const event_handlers handlers{.pipe =
                                      [&](const event&, const recv_pipe& pipe) {
                                          EXPECT_EQ(pipe.inode, 55U);
                                          order += 'p';
                                      },
                                  .closed =
                                      [&](const event&, const pipe_closed& closed) {
                                          EXPECT_EQ(closed.inode, 56U);
                                          order += 'c';
                                      },
                                  .memory =
                                      [&](const event&, const recv_shared_mem& memory) {
                                          EXPECT_EQ(memory.inode, 57U);
                                          order += 'm';
                                      },
                                  .unshared =
                                      [&](const event&, const unshared_mem& unshared) {
                                          EXPECT_EQ(unshared.inode, 58U);
                                          order += 'u';
                                      },
                                  .pty =
                                      [&](const event&, const recv_pty& terminal) {
                                          EXPECT_EQ(terminal.inode, 59U);
                                          order += 't';
                                      },
                                  .other =
                                      [&](const event& what) {
                                          EXPECT_EQ(what.sequence(), 3U);
                                          order += 'o';
                                      }};
    EXPECT_EQ(opened.dispatch(handlers), 6U);
    EXPECT_EQ(order, "pcmuto");
}

TEST_F(port_event, dispatch_gives_other_what_has_no_handler_and_forgets_the_rest) {
    queue_events(kernel, {raw_recv_pipe(pipe_end::sender)});
    int others = 0;
    EXPECT_EQ(opened.dispatch({.pipe = {}, .closed = {}, .other = [&](const event&) { ++others; }}),
              1U);
    EXPECT_EQ(others, 1);
    queue_events(kernel, {raw_recv_pipe(pipe_end::sender)});
    EXPECT_EQ(opened.dispatch({}), 1U);
}

TEST_F(port_event, a_handler_that_throws_loses_no_event_behind_its_own) {
    queue_events(kernel, {raw_event(0x44, 1), raw_event(0x44, 2)});
    const event_handlers handlers{
        .pipe = {}, .closed = {}, .other = [](const event&) { throw std::runtime_error("mine"); }};
    EXPECT_THROW((void)opened.dispatch(handlers), std::runtime_error);
    const auto next = opened.try_read_event();
    ASSERT_TRUE(next.has_value());
    EXPECT_EQ(next->sequence(), 2U);
}

} // namespace
