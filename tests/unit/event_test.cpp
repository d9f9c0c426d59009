// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <sstream>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;

TEST(event, recv_pipe_is_decoded_field_by_field) {
    const event what(raw_recv_pipe(pipe_end::receiver));
    EXPECT_EQ(what.code(), event_code::recv_pipe);
    EXPECT_EQ(what.command(), 9);
    EXPECT_EQ(what.token(), token{77});
    EXPECT_EQ(what.pid(), 321);
    EXPECT_EQ(what.uid(), 1000U);
    EXPECT_EQ(what.sequence(), 1U);
    const recv_pipe expected{pipe_end::receiver, pipe_mode::message, 65536, 1234, 55};
    EXPECT_EQ(what.as_recv_pipe(), expected);
    EXPECT_EQ(std::get<recv_pipe>(what.data()), expected);
    EXPECT_FALSE(what.as_pipe_closed().has_value());
}

TEST(event, pipe_closed_is_decoded_field_by_field) {
    const event what(raw_pipe_closed(how::killed, 9));
    const pipe_closed expected{how::killed, pipe_end::sender, 9, 56, 10, 3};
    EXPECT_EQ(what.as_pipe_closed(), expected);
    EXPECT_EQ(std::get<pipe_closed>(what.data()), expected);
    EXPECT_FALSE(what.as_recv_pipe().has_value());
}

TEST(event, recv_shared_mem_is_decoded_field_by_field) {
    ::ipcshim_event raw = raw_recv_shared_mem(memory_mode::lent);
    raw.recv_shared_mem.deadline = 123456789;
    const event what(raw);
    recv_shared_mem expected{.length = 8192,
                             .mode = memory_mode::lent,
                             .rights = rights::read | rights::write,
                             .how = how{},
                             .status = 0,
                             .inode = 57,
                             .lease_end = deadline(std::chrono::nanoseconds(123456789))};
    EXPECT_EQ(what.token(), token{78});
    EXPECT_EQ(what.as_recv_shared_mem(), expected);
    EXPECT_EQ(std::get<recv_shared_mem>(what.data()), expected);
    EXPECT_FALSE(what.as_recv_pipe() || what.as_pipe_closed() || what.as_unshared_mem());
    raw.recv_shared_mem.mode = IPCSHIM_MEM_RETURNED;
    raw.recv_shared_mem.how = IPCSHIM_HOW_KILLED;
    raw.recv_shared_mem.status = 9;
    raw.recv_shared_mem.deadline = 0;
    expected.mode = memory_mode::returned;
    expected.how = how::killed;
    expected.status = 9;
    expected.lease_end = no_deadline;
    EXPECT_EQ(event(raw).as_recv_shared_mem(), expected);
    raw.recv_shared_mem.deadline = ~std::uint64_t{0};
    EXPECT_EQ(event(raw).as_recv_shared_mem()->lease_end, no_deadline) << "no overflow";
}

TEST(event, unshared_mem_is_decoded_field_by_field) {
    const event what(raw_unshared_mem(how::exited, -3));
    const unshared_mem expected{.how = how::exited, .status = -3, .inode = 58};
    EXPECT_EQ(what.as_unshared_mem(), expected);
    EXPECT_EQ(std::get<unshared_mem>(what.data()), expected);
    EXPECT_FALSE(what.as_recv_shared_mem().has_value());
}

TEST(event, a_segment_is_gone_only_if_it_was_taken_back) {
    for (const how each : {how::revoked, how::lease_ended}) {
        EXPECT_TRUE(event(raw_unshared_mem(each, 0)).as_unshared_mem()->is_gone());
    }
    for (const how each : {how::closed, how::exited, how::killed, how::executed, how::returned}) {
        EXPECT_FALSE(event(raw_unshared_mem(each, 0)).as_unshared_mem()->is_gone());
    }
}

TEST(event, recv_pty_is_decoded_field_by_field) {
    const event what(raw_recv_pty());
    const recv_pty expected{.index = 3,
                            .size = {.rows = 24, .columns = 80, .x_pixels = 640, .y_pixels = 480},
                            .inode = 59};
    EXPECT_EQ(what.code(), event_code::recv_pty);
    EXPECT_EQ(what.token(), token{79});
    EXPECT_EQ(what.as_recv_pty(), expected);
    EXPECT_EQ(std::get<recv_pty>(what.data()), expected);
    EXPECT_FALSE(what.as_recv_pipe() || what.as_recv_shared_mem() || what.as_unshared_mem());
    EXPECT_FALSE(event(raw_recv_pipe(pipe_end::sender)).as_recv_pty().has_value());
}

TEST(event, a_code_of_a_newer_module_has_no_data) {
    const event what(raw_event(0x44));
    EXPECT_TRUE(std::holds_alternative<std::monostate>(what.data()));
    EXPECT_EQ(static_cast<int>(what.code()), 0x44);
}

TEST(event, an_impossible_pid_becomes_not_visible) {
    ::ipcshim_event raw = raw_event(IPCSHIM_EVENT_RECV_PIPE);
    raw.pid = 0xffffffffU;
    EXPECT_EQ(event(raw).pid(), 0);
}

TEST(event, prints_one_line_with_how_and_status) {
    std::ostringstream out;
    out << event(raw_pipe_closed(how::exited, 3));
    EXPECT_EQ(out.str(), "#2 pipe_closed from process 321 (uid 1000): inode 56 (my sender), other "
                         "end exited with code 3, not read by then: 10 bytes in 3 messages");
}

TEST(event, prints_one_line_of_a_segment) {
    const auto printed = [](const ::ipcshim_event& raw) {
        std::ostringstream out;
        out << event(raw);
        return out.str();
    };
    ::ipcshim_event raw = raw_recv_shared_mem(memory_mode::lent);
    raw.recv_shared_mem.deadline = 5;
    EXPECT_EQ(printed(raw),
              "#3 recv_shared_mem from process 321 (uid 1000), command 9, token 78: lent segment, "
              "inode 57, 8192 bytes, rw-, goes back at 5 ns");
    raw = raw_recv_shared_mem(memory_mode::returned);
    raw.recv_shared_mem.how = IPCSHIM_HOW_KILLED;
    raw.recv_shared_mem.status = 9;
    EXPECT_TRUE(printed(raw).ends_with("rw-, came back: killed by signal 9")) << printed(raw);
    EXPECT_TRUE(printed(raw_unshared_mem(how::revoked, 0))
                    .ends_with(": segment, inode 58, is gone: revoked"));
    EXPECT_TRUE(printed(raw_unshared_mem(how::exited, 3))
                    .ends_with("inode 58, stays, its sharer has ended: exited with code 3"));
}

TEST(event, prints_one_line_of_a_pty) {
    const auto printed = [](const ::ipcshim_event& raw) {
        std::ostringstream out;
        out << event(raw);
        return out.str();
    };
    ::ipcshim_event raw = raw_recv_pty();
    EXPECT_EQ(printed(raw),
              "#5 recv_pty from process 321 (uid 1000), command 9, token 79: slave of "
              "a pseudo terminal, /dev/ttyIPC3, inode 59, 80x24 characters");
    raw.recv_pty = {};
    raw.recv_pty.inode = 59;
    EXPECT_TRUE(printed(raw).ends_with("/dev/ttyIPC0, inode 59")) << printed(raw);
}

TEST(event_set, puts_each_code_into_its_word_and_bit) {
    const event_set set{event_code{0}, event_code{63}, event_code{64}, event_code{127}};
    EXPECT_EQ(set.words()[0], 0x8000000000000001ULL);
    EXPECT_EQ(set.words()[1], 0x8000000000000001ULL);
    EXPECT_TRUE(set.contains(event_code{127}));
    EXPECT_FALSE(set.contains(event_code{1}));
}

TEST(event_set, removes_what_was_added) {
    event_set set = event_set::all();
    EXPECT_TRUE(set.contains(event_code::pipe_closed));
    set.remove(event_code::pipe_closed).remove(event_code::recv_pipe);
    set.remove(event_code::recv_shared_mem).remove(event_code::unshared_mem);
    set.remove(event_code::recv_pty).remove(event_code::recv_serv_sock);
    set.remove(event_code::recv_sock_msg).remove(event_code::serv_sock_closed);
    set.remove(event_code::service_conn_request).remove(event_code::service_client_closed);
    set.remove(event_code::service_client_quitted).remove(event_code::service_server_quitted);
    EXPECT_TRUE(set.empty());
}

TEST(event_set, throws_out_of_range_for_a_code_above_127) {
    EXPECT_THROW(event_set{event_code{128}}, std::out_of_range);
    EXPECT_FALSE(event_set().contains(event_code{200}));
}

TEST(event_set, prints_its_codes) {
    std::ostringstream out;
    out << event_set::all();
    EXPECT_EQ(out.str(),
              "{recv_pipe, pipe_closed, recv_serv_sock, recv_sock_msg, serv_sock_closed, "
              "service_conn_request, service_client_closed, service_client_quitted, "
              "service_server_quitted, recv_shared_mem, unshared_mem, recv_pty}");
}

} // namespace
