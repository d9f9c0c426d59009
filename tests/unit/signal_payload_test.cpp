// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <sstream>

#include "signal_support.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;

TEST(signal_payload_of, a_pipe_event_is_decoded) {
    const siginfo_t info = siginfo_of(raw_recv_pipe(pipe_end::sender, 99), SIGRTMIN + 3);
    const auto payload = signal_payload::from(info);
    ASSERT_TRUE(payload.has_value());
    EXPECT_EQ(payload->signo(), SIGRTMIN + 3);
    EXPECT_EQ(payload->code(), event_code::recv_pipe);
    EXPECT_EQ(payload->command(), 9);
    EXPECT_EQ(payload->pid(), 321);
    EXPECT_EQ(payload->token(), token{99});
    EXPECT_FALSE(payload->signals_lost());
    const recv_pipe expected{pipe_end::sender, pipe_mode::message, 65536, 1234, 0};
    EXPECT_EQ(payload->as_recv_pipe(), expected);
    EXPECT_FALSE(payload->as_pipe_closed().has_value());
}

TEST(signal_payload_of, a_closed_event_carries_how_status_and_inode) {
    const auto payload =
        signal_payload::from(siginfo_of(raw_pipe_closed(how::killed, 9), SIGRTMIN));
    ASSERT_TRUE(payload.has_value());
    const pipe_closed expected{how::killed, pipe_end::sender, 9, 56, 0, 0};
    EXPECT_EQ(payload->as_pipe_closed(), expected);
    EXPECT_FALSE(payload->as_recv_pipe().has_value());
}

TEST(signal_payload_of, the_events_of_a_segment_are_decoded_as_far_as_they_are_carried) {
    ::ipcshim_event raw = raw_recv_shared_mem(memory_mode::returned, 98);
    raw.recv_shared_mem.how = IPCSHIM_HOW_KILLED;
    raw.recv_shared_mem.status = 9;
    const auto came = signal_payload::from(siginfo_of(raw, SIGRTMIN));
    ASSERT_TRUE(came.has_value());
    const recv_shared_mem expected{.length = 8192,
                                   .mode = memory_mode::returned,
                                   .rights = rights::read | rights::write,
                                   .how = how::killed,
                                   .status = 9};
    EXPECT_EQ(came->token(), token{98});
    EXPECT_EQ(came->as_recv_shared_mem(), expected);
    EXPECT_FALSE(came->as_unshared_mem().has_value());
    const auto gone = signal_payload::from(siginfo_of(raw_unshared_mem(how::exited, 4), SIGRTMIN));
    const unshared_mem left{.how = how::exited, .status = 4, .inode = 58};
    EXPECT_EQ(gone->as_unshared_mem(), left);
    EXPECT_FALSE(gone->as_recv_shared_mem().has_value());
}

TEST(signal_payload_of, the_event_of_a_pty_carries_index_and_size) {
    const auto came = signal_payload::from(siginfo_of(raw_recv_pty(97), SIGRTMIN));
    ASSERT_TRUE(came.has_value());
    const recv_pty expected{.index = 3,
                            .size = {.rows = 24, .columns = 80, .x_pixels = 640, .y_pixels = 480}};
    EXPECT_EQ(came->token(), token{97});
    EXPECT_EQ(came->as_recv_pty(), expected);
    EXPECT_FALSE(came->as_recv_pipe().has_value());
    EXPECT_FALSE(signal_payload::from(siginfo_of(raw_unshared_mem(how::exited, 4), SIGRTMIN))
                     ->as_recv_pty()
                     .has_value());
}

TEST(signal_payload_of, enobufs_says_that_signals_were_lost) {
    siginfo_t info = siginfo_of(raw_pipe_closed(how::closed, 0), SIGRTMIN);
    info.si_errno = ENOBUFS;
    EXPECT_TRUE(signal_payload::from(info)->signals_lost());
}

TEST(signal_payload_of, a_signal_that_a_process_sent_is_not_ours) {
    siginfo_t info = siginfo_of(raw_pipe_closed(how::closed, 0), SIGRTMIN);
    info.si_code = SI_QUEUE;
    EXPECT_FALSE(signal_payload::from(info).has_value());
    info.si_code = SI_USER;
    EXPECT_FALSE(signal_payload::from(info).has_value());
}

TEST(signal_payload_of, a_standard_signal_is_not_ours) {
    siginfo_t info = siginfo_of(raw_pipe_closed(how::closed, 0), SIGRTMIN);
    info.si_signo = SIGIO;
    EXPECT_FALSE(signal_payload::from(info).has_value());
}

TEST(signal_payload_of, prints_one_line) {
    std::ostringstream out;
    out << *signal_payload::from(siginfo_of(raw_recv_pipe(pipe_end::sender, 99), SIGRTMIN));
    EXPECT_EQ(out.str(), "signal " + std::to_string(SIGRTMIN) +
                             ": recv_pipe from process 321, command 9, token 99");
}

} // namespace
