// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <sys/signalfd.h>

#include <array>
#include <chrono>

#include "signal_support.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;
using namespace std::chrono_literals;

class source_of_signals : public ::testing::Test {
protected:
    source_of_signals() {
        kernel.on<::ipcshim_handle>(IPCSHIM_HANDLE_SIGNAL, [this](int, ::ipcshim_handle& raw) {
            handled.push_back(raw);
            return handle_answer;
        });
        kernel.on<::ipcshim_ready>(IPCSHIM_READY,
                                   [this](int, ::ipcshim_ready&) { return ready_answer; });
        kernel.on_read = [](int, void*, std::size_t) { return -EAGAIN; };
    }

    fake_kernel kernel;
    port opened = port::open(default_device, kernel);
    std::vector<::ipcshim_handle> handled;
    int handle_answer = 0;
    int ready_answer = 0;
    int signo = SIGRTMIN + 1;
};

TEST_F(source_of_signals, blocks_the_signal_and_asks_for_it_in_this_thread) {
    const signal_source source(opened, event_set::all(), signo, kernel);
    EXPECT_EQ(kernel.blocked, std::set<int>{signo});
    ASSERT_EQ(handled.size(), 1U);
    EXPECT_EQ(handled[0].notify, static_cast<std::uint32_t>(IPCSHIM_NOTIFY_SIGNAL));
    EXPECT_EQ(handled[0].signo, static_cast<std::uint32_t>(signo));
    EXPECT_EQ(handled[0].tid, 4242U);
    EXPECT_EQ(kernel.ioctl_count[IPCSHIM_READY], 1);
}

TEST_F(source_of_signals, gives_everything_back_at_its_end) {
    {
        const signal_source source(opened, event_set::all(), signo, kernel);
        EXPECT_EQ(kernel.open_fds().size(), 2U);
    }
    EXPECT_TRUE(kernel.blocked.empty());
    EXPECT_EQ(kernel.open_fds(), std::set<int>{opened.fd()});
    ASSERT_EQ(handled.size(), 2U);
    EXPECT_EQ(handled[1].notify, static_cast<std::uint32_t>(IPCSHIM_NOTIFY_NONE));
}

TEST_F(source_of_signals, leaves_a_signal_blocked_that_was_blocked_before) {
    kernel.blocked = {signo};
    { const signal_source source(opened, event_set::all(), signo, kernel); }
    EXPECT_EQ(kernel.blocked, std::set<int>{signo});
}

TEST_F(source_of_signals, a_port_that_is_ready_already_is_fine) {
    ready_answer = -EALREADY;
    EXPECT_NO_THROW(signal_source(opened, event_set::all(), signo, kernel));
}

TEST_F(source_of_signals, a_refused_port_leaves_mask_and_descriptors_as_they_were) {
    handle_answer = -EBUSY;
    EXPECT_EQ(thrown_errno([&] { signal_source(opened, event_set::all(), signo, kernel); }), EBUSY);
    EXPECT_TRUE(kernel.blocked.empty());
    EXPECT_EQ(kernel.open_fds(), std::set<int>{opened.fd()});
}

TEST_F(source_of_signals, a_standard_signal_is_einval) {
    EXPECT_EQ(thrown_errno([&] { signal_source(opened, event_set::all(), SIGUSR1, kernel); }),
              EINVAL);
    EXPECT_TRUE(kernel.blocked.empty());
}

TEST_F(source_of_signals, read_events_takes_the_signals_before_the_events) {
    signal_source source(opened, event_set::all(), signo, kernel);
    std::string order;
    int signals = 2;
    kernel.on_read = [&](int fd, void* buffer, std::size_t) -> ssize_t {
        if (fd == source.fd()) {
            order += 's';
            return signals-- > 0 ? static_cast<ssize_t>(sizeof(signalfd_siginfo)) : -EAGAIN;
        }
        order += 'e';
        const ::ipcshim_event raw = raw_pipe_closed(how::closed, 0);
        std::memcpy(buffer, &raw, sizeof(raw));
        return sizeof(raw);
    };
    std::array<event, 4> events;
    EXPECT_EQ(source.read_events(events), 1U);
    EXPECT_EQ(order, "ssse");
    kernel.on_read = [](int, void*, std::size_t) { return -EAGAIN; };
}

TEST_F(source_of_signals, wait_decodes_ours_and_passes_over_others) {
    signal_source source(opened, event_set::all(), signo, kernel);
    int calls = 0;
    kernel.on_sigtimedwait = [&](siginfo_t& info, const timespec* timeout) {
        EXPECT_EQ(timeout, nullptr);
        info = siginfo_of(raw_recv_pipe(pipe_end::receiver, 31), signo);
        if (++calls == 1) {
            info.si_code = SI_QUEUE;
        }
        return signo;
    };
    const auto payload = source.wait();
    ASSERT_TRUE(payload.has_value());
    EXPECT_EQ(payload->token(), token{31});
    EXPECT_EQ(calls, 2);
}

TEST_F(source_of_signals, wait_answers_nothing_at_the_deadline) {
    signal_source source(opened, event_set::all(), signo, kernel);
    kernel.on_sigtimedwait = [](siginfo_t&, const timespec* timeout) {
        EXPECT_EQ(timeout->tv_sec + timeout->tv_nsec, 0);
        return -EAGAIN;
    };
    EXPECT_FALSE(source.wait(deadline::clock::now() - 1s).has_value());
}

TEST_F(source_of_signals, wait_tells_eintr) {
    signal_source source(opened, event_set::all(), signo, kernel);
    kernel.on_sigtimedwait = [](siginfo_t&, const timespec*) { return -EINTR; };
    EXPECT_EQ(thrown_errno([&] { (void)source.wait(); }), EINTR);
}

TEST(source_of_real_signals, a_real_signal_is_waited_for_and_decoded) {
    const int signo = SIGRTMIN + 2;
    fake_kernel kernel;
    kernel.on<::ipcshim_handle>(IPCSHIM_HANDLE_SIGNAL, [](int, ::ipcshim_handle&) { return 0; });
    kernel.on<::ipcshim_ready>(IPCSHIM_READY, [](int, ::ipcshim_ready&) { return 0; });
    kernel.on_read = [](int, void*, std::size_t) { return -EAGAIN; };
    const port opened = port::open(default_device, kernel);
    // The port is a fake, the signals go through the real calls.
    signal_source source(opened, event_set::all(), signo);
    raise_as_module(siginfo_of(raw_pipe_closed(how::exited, 4), signo));
    const auto payload = source.wait(deadline::clock::now() + 10s);
    ASSERT_TRUE(payload.has_value());
    EXPECT_EQ(payload->as_pipe_closed()->status, 4);
    EXPECT_FALSE(source.wait(deadline::clock::now()).has_value());
}

} // namespace
