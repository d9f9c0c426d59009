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

TEST(event, a_code_of_a_newer_module_has_no_data) {
    const event what(raw_event(0x34));
    EXPECT_TRUE(std::holds_alternative<std::monostate>(what.data()));
    EXPECT_EQ(static_cast<int>(what.code()), 0x34);
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
    EXPECT_TRUE(set.empty());
}

TEST(event_set, throws_out_of_range_for_a_code_above_127) {
    EXPECT_THROW(event_set{event_code{128}}, std::out_of_range);
    EXPECT_FALSE(event_set().contains(event_code{200}));
}

TEST(event_set, prints_its_codes) {
    std::ostringstream out;
    out << event_set::all();
    EXPECT_EQ(out.str(), "{recv_pipe, pipe_closed}");
}

} // namespace
