// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <sstream>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;

template <typename Value> std::string printed(const Value& value) {
    std::ostringstream out;
    out << value;
    return out.str();
}

TEST(types, every_named_value_prints_its_name) {
    EXPECT_EQ(printed(event_code::recv_pipe), "recv_pipe");
    EXPECT_EQ(printed(event_code::pipe_closed), "pipe_closed");
    EXPECT_EQ(printed(event_code::recv_shared_mem), "recv_shared_mem");
    EXPECT_EQ(printed(event_code::unshared_mem), "unshared_mem");
    EXPECT_EQ(printed(event_code::recv_pty), "recv_pty");
    EXPECT_EQ(printed(memory_mode::lent), "lent");
    EXPECT_EQ(printed(how::killed), "killed");
    EXPECT_EQ(printed(how::lease_ended), "lease_ended");
    EXPECT_EQ(printed(pipe_end::sender), "sender");
    EXPECT_EQ(printed(pipe_mode::message), "message");
    EXPECT_EQ(printed(io_mode::some), "some");
    EXPECT_EQ(printed(cause::too_long), "too_long");
    EXPECT_EQ(printed(access::same_executable), "same_executable");
}

TEST(types, no_two_values_share_a_name) {
    std::set<std::string_view> names;
    for (std::uint16_t number = IPCSHIM_HOW_CLOSED; number <= IPCSHIM_HOW_RETURNED; ++number) {
        names.insert(to_string(how{number}));
    }
    EXPECT_EQ(names.size(), 7U);
    EXPECT_FALSE(names.contains("unknown"));
    names.clear();
    for (std::uint32_t number = 0; number <= IPCSHIM_CAUSE_FAULT; ++number) {
        names.insert(to_string(cause{number}));
    }
    EXPECT_EQ(names.size(), 9U);
    EXPECT_FALSE(names.contains("unknown"));
    names.clear();
    for (std::uint16_t number = IPCSHIM_MEM_MUTUAL; number <= IPCSHIM_MEM_MADE; ++number) {
        names.insert(to_string(memory_mode{number}));
    }
    EXPECT_EQ(names.size(), 5U);
    EXPECT_FALSE(names.contains("unknown"));
}

TEST(types, a_value_from_a_newer_module_prints_as_unknown_with_its_number) {
    EXPECT_EQ(printed(event_code{99}), "unknown(99)");
    EXPECT_EQ(printed(cause{4000000000U}), "unknown(4000000000)");
}

TEST(types, rights_are_a_set_and_print_as_letters) {
    EXPECT_EQ(printed(rights::none), "---");
    EXPECT_EQ(printed(rights::read | rights::write | rights::execute), "rwx");
    EXPECT_EQ(printed(rights::read | rights::copy_on_write), "r--c");
    EXPECT_EQ((rights::read | rights::write) & (rights::write | rights::execute), rights::write);
    EXPECT_TRUE(has(rights::read | rights::write, rights::write));
    EXPECT_FALSE(has(rights::read | rights::write, rights::write | rights::execute));
    EXPECT_TRUE(has(rights::none, rights::none));
}

TEST(types, a_token_prints_as_a_number) {
    EXPECT_EQ(printed(token{18446744073709551615U}), "18446744073709551615");
}

TEST(types, a_window_prints_columns_first) {
    EXPECT_EQ(printed(window_size{.rows = 24, .columns = 80}), "80x24");
    EXPECT_NE((window_size{.rows = 24}), (window_size{.columns = 24}));
}

TEST(types, bytes_of_a_text_are_its_bytes) {
    const auto bytes = bytes_of("ab");
    ASSERT_EQ(bytes.size(), 2U);
    EXPECT_EQ(bytes[1], std::byte{'b'});
}

TEST(types, io_result_clamps_moved_to_the_buffer) {
    ::ipcshim_pipe_io raw{};
    raw.moved = ~0ULL;
    raw.remains = 5;
    const io_result result(raw, 16);
    EXPECT_EQ(result.moved(), 16U);
    EXPECT_EQ(result.remains(), 5U);
}

TEST(types, io_result_takes_an_impossible_pid_as_not_visible) {
    ::ipcshim_pipe_io raw{};
    raw.pid = 0x80000000U;
    EXPECT_EQ(io_result(raw, 0).pid(), 0);
    raw.pid = 0x7fffffffU;
    EXPECT_EQ(io_result(raw, 0).pid(), 0x7fffffff);
}

TEST(types, io_result_prints_what_is_missing_and_who_holds_the_lock) {
    ::ipcshim_pipe_io raw{};
    raw.moved = 3;
    raw.lacks = 7;
    raw.pid = 12;
    raw.cause = IPCSHIM_CAUSE_LOCKED;
    EXPECT_EQ(printed(io_result(raw, 10)),
              "moved 3 bytes, remains 0, cause locked, lacks 7, process 12");
}

TEST(types, pipe_info_clamps_counts_to_the_capacity) {
    ::ipcshim_pipe_info raw{};
    raw.capacity = 100;
    raw.bytes_free = 1000;
    raw.bytes_waiting = 101;
    const pipe_info info(raw);
    EXPECT_EQ(info.bytes_free(), 100U);
    EXPECT_EQ(info.bytes_waiting(), 100U);
}

TEST(types, pipe_info_reads_each_flag_apart) {
    ::ipcshim_pipe_info raw{};
    const auto with = [&raw](std::uint32_t flags) {
        raw.flags = flags;
        return pipe_info(raw);
    };
    EXPECT_TRUE(with(IPCSHIM_INFO_OPEN).is_open());
    EXPECT_FALSE(with(~IPCSHIM_INFO_OPEN).is_open());
    EXPECT_TRUE(with(IPCSHIM_INFO_FULL).is_full());
    EXPECT_TRUE(with(IPCSHIM_INFO_WRITE_LOCKED).write_locked());
    EXPECT_FALSE(with(IPCSHIM_INFO_WRITE_LOCKED).read_locked());
    EXPECT_TRUE(with(IPCSHIM_INFO_READ_LOCKED).read_locked());
    EXPECT_TRUE(with(IPCSHIM_INFO_WRITE_WAITS).write_waits());
    EXPECT_TRUE(with(IPCSHIM_INFO_READ_WAITS).read_waits());
    EXPECT_EQ(with(IPCSHIM_INFO_SENDER).end(), pipe_end::sender);
    EXPECT_EQ(with(0).end(), pipe_end::receiver);
    EXPECT_EQ(with(IPCSHIM_INFO_MESSAGE).mode(), pipe_mode::message);
    EXPECT_EQ(with(0).mode(), pipe_mode::raw);
}

TEST(types, driver_info_tells_limits_usage_and_totals_apart) {
    ::ipcshim_query raw{};
    raw.limit_ports = 1;
    raw.limit_objects = 2;
    raw.limit_bytes = 3;
    raw.limit_events = 4;
    raw.used_ports = 5;
    raw.used_objects = 6;
    raw.used_bytes = 7;
    raw.ports = 8;
    raw.pipes = 9;
    raw.tokens = 10;
    raw.events = 11;
    raw.ring_bytes = 12;
    raw.limit_segment_bytes = 13;
    raw.used_segment_bytes = 14;
    raw.segments = 15;
    raw.segment_bytes = 16;
    raw.limit_ptys = 17;
    raw.ptys = 18;
    raw.limit_exchanges = 19;
    raw.services = 20;
    raw.connections = 21;
    raw.exchanges = 22;
    raw.messages = 23;
    raw.message_bytes = 24;
    raw.capacity_max = 256;
    const driver_info info(raw);
    EXPECT_EQ(info.limits(), (driver_limits{1, 2, 3, 4, 13, 17, 19}));
    EXPECT_EQ(info.used(), (driver_usage{5, 6, 7, 14}));
    EXPECT_EQ(info.totals(), (driver_totals{8, 9, 10, 11, 12, 15, 16, 18, 20, 21, 22, 23, 24}));
    EXPECT_EQ(info.capacity_max(), 16U << 20);
    const std::string text = printed(info);
    EXPECT_NE(text.find("\nbytes of segments: 14 of 13\n"), std::string::npos) << text;
    EXPECT_NE(text.find("\npseudo terminals: 18 of 17\n"), std::string::npos) << text;
    EXPECT_NE(text.find("15 segments"), std::string::npos) << text;
    EXPECT_NE(text.find("16 bytes of segments, 20 services, 21 connections, 22 exchanges, 23 "
                        "messages of 24 bytes\n"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("\nexchanges of a connection: at most 19\n"), std::string::npos) << text;
}

TEST(types, driver_info_knows_the_events_of_each_feature) {
    const auto events = [](std::uint64_t features) {
        ::ipcshim_query raw{};
        raw.features = features;
        return driver_info(raw).events();
    };
    EXPECT_TRUE(events(IPCSHIM_FEATURE_EVENTS).empty());
    EXPECT_EQ(events(IPCSHIM_FEATURE_PIPES),
              (event_set{event_code::recv_pipe, event_code::pipe_closed}));
    EXPECT_EQ(events(IPCSHIM_FEATURE_SEGMENTS),
              (event_set{event_code::recv_shared_mem, event_code::unshared_mem}));
    EXPECT_EQ(events(IPCSHIM_FEATURE_PTYS), event_set{event_code::recv_pty});
    EXPECT_EQ(events(IPCSHIM_FEATURE_SOCKETS),
              (event_set{event_code::recv_serv_sock, event_code::recv_sock_msg,
                         event_code::serv_sock_closed, event_code::service_conn_request,
                         event_code::service_client_closed, event_code::service_client_quitted,
                         event_code::service_server_quitted}));
    EXPECT_EQ(events(~0ULL), event_set::all());
}

TEST(types, driver_info_has_a_feature_only_if_every_bit_of_it_is_set) {
    ::ipcshim_query raw{};
    raw.features = IPCSHIM_FEATURE_EVENTS;
    const driver_info info(raw);
    EXPECT_TRUE(info.has(IPCSHIM_FEATURE_EVENTS));
    EXPECT_FALSE(info.has(IPCSHIM_FEATURE_EVENTS | IPCSHIM_FEATURE_PIPES));
}

} // namespace
