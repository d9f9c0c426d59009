// SPDX-License-Identifier: MIT
//
// Events of services and sockets.
#include <gtest/gtest.h>

#include <sstream>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;

std::string printed(const ::ipcshim_event& raw) {
    std::ostringstream out;
    out << event(raw);
    return out.str();
}

::ipcshim_event raw_recv_serv_sock() {
    ::ipcshim_event raw = raw_event(IPCSHIM_EVENT_RECV_SERV_SOCK, 6);
    raw.token = 81;
    raw.recv_serv_sock.message_max = 8192;
    raw.recv_serv_sock.role = IPCSHIM_ROLE_SERVICE;
    raw.recv_serv_sock.connection = 82;
    raw.recv_serv_sock.inode = 83;
    return raw;
}

::ipcshim_event raw_recv_sock_msg() {
    ::ipcshim_event raw = raw_event(IPCSHIM_EVENT_RECV_SOCK_MSG, 7);
    raw.recv_sock_msg.exchange = 5;
    raw.recv_sock_msg.code = 17;
    raw.recv_sock_msg.status = IPCSHIM_MESSAGE_CLOSE;
    raw.recv_sock_msg.error = 18;
    raw.recv_sock_msg.nr_descriptors = 2;
    raw.recv_sock_msg.length = 19;
    raw.recv_sock_msg.inode = 84;
    return raw;
}

::ipcshim_event raw_request() {
    ::ipcshim_event raw = raw_event(IPCSHIM_EVENT_SERVICE_CONN_REQUEST, 8);
    raw.token = 85;
    raw.command = 3;
    raw.service_conn_request.deadline = 4000;
    raw.service_conn_request.service = 86;
    raw.service_conn_request.message_max = 4096;
    return raw;
}

::ipcshim_event raw_closed(std::uint16_t code) {
    ::ipcshim_event raw = raw_event(code, 9);
    raw.sock_closed.connection = 87;
    raw.sock_closed.inode = 88;
    raw.sock_closed.how = IPCSHIM_HOW_KILLED;
    raw.sock_closed.role = IPCSHIM_ROLE_CLIENT;
    raw.sock_closed.status = 9;
    raw.sock_closed.messages_unread = 10;
    raw.sock_closed.exchanges = 11;
    return raw;
}

TEST(event_socket, recv_serv_sock_is_decoded_field_by_field) {
    const event what(raw_recv_serv_sock());
    const recv_serv_sock expected{
        .side = role::service, .message_max = 8192, .connection = 82, .inode = 83};
    EXPECT_EQ(what.as_recv_serv_sock(), expected);
    EXPECT_EQ(std::get<recv_serv_sock>(what.data()), expected);
    EXPECT_FALSE(what.as_recv_sock_msg() || what.as_service_conn_request() ||
                 what.as_sock_closed() || what.as_recv_pipe());
    EXPECT_EQ(
        printed(what.raw()),
        "#6 recv_serv_sock from process 321 (uid 1000), token 81: service's side of a socket, "
        "connection 82, inode 83, messages of at most 8192 bytes");
}

TEST(event_socket, recv_sock_msg_is_decoded_field_by_field) {
    const event what(raw_recv_sock_msg());
    const recv_sock_msg expected{.exchange = 5,
                                 .code = 17,
                                 .error = 18,
                                 .concludes = true,
                                 .descriptors = 2,
                                 .length = 19,
                                 .inode = 84};
    EXPECT_EQ(what.as_recv_sock_msg(), expected);
    EXPECT_EQ(std::get<recv_sock_msg>(what.data()), expected);
    EXPECT_FALSE(what.as_recv_serv_sock());
    EXPECT_EQ(printed(what.raw()),
              "#7 recv_sock_msg from process 321 (uid 1000): method 17, exchange 5 ends with error "
              "18, 19 bytes and 2 descriptors, in the socket with inode 84");
}

TEST(event_socket, each_bit_of_the_status_has_a_word_of_its_own) {
    ::ipcshim_event raw = raw_recv_sock_msg();
    raw.recv_sock_msg.error = 0;
    raw.recv_sock_msg.nr_descriptors = 0;
    raw.recv_sock_msg.status = IPCSHIM_MESSAGE_OPENS;
    EXPECT_TRUE(event(raw).as_recv_sock_msg()->opens);
    EXPECT_FALSE(event(raw).as_recv_sock_msg()->concludes);
    EXPECT_FALSE(event(raw).as_recv_sock_msg()->is_notification);
    raw.recv_sock_msg.status =
        IPCSHIM_MESSAGE_NOTIFICATION | IPCSHIM_MESSAGE_OPENS | IPCSHIM_MESSAGE_CLOSE;
    EXPECT_TRUE(event(raw).as_recv_sock_msg()->is_notification);
    EXPECT_TRUE(printed(raw).ends_with(
        ": notification 17, exchange 5 opens and ends, 19 bytes, in the socket with inode 84"))
        << printed(raw);
}

TEST(event_socket, a_request_is_decoded_field_by_field) {
    const event what(raw_request());
    const service_conn_request expected{.connection = 85,
                                        .service = 86,
                                        .message_max = 4096,
                                        .until = deadline(std::chrono::nanoseconds(4000))};
    EXPECT_EQ(what.as_service_conn_request(), expected);
    EXPECT_EQ(std::get<service_conn_request>(what.data()), expected);
    EXPECT_FALSE(what.as_sock_closed());
    EXPECT_EQ(
        printed(what.raw()),
        "#8 service_conn_request from process 321 (uid 1000), command 3, token 85: connection "
        "85 to service 86, messages of at most 4096 bytes, waits until 4000 ns");
}

TEST(event_socket, each_of_four_codes_tells_that_a_side_has_ended) {
    const sock_closed expected{.how = how::killed,
                               .status = 9,
                               .side = role::client,
                               .connection = 87,
                               .inode = 88,
                               .messages_unread = 10,
                               .exchanges = 11};
    for (const int code :
         {IPCSHIM_EVENT_SERV_SOCK_CLOSED, IPCSHIM_EVENT_SERVICE_CLIENT_CLOSED,
          IPCSHIM_EVENT_SERVICE_CLIENT_QUITTED, IPCSHIM_EVENT_SERVICE_SERVER_QUITTED}) {
        const event what(raw_closed(static_cast<std::uint16_t>(code)));
        EXPECT_EQ(what.as_sock_closed(), expected) << code;
        EXPECT_EQ(std::get<sock_closed>(what.data()), expected) << code;
        EXPECT_NE(to_string(what.code()), "unknown") << code;
    }
    EXPECT_FALSE(event(raw_request()).as_sock_closed());
    EXPECT_EQ(printed(raw_closed(IPCSHIM_EVENT_SERVICE_SERVER_QUITTED)),
              "#9 service_server_quitted from process 321 (uid 1000): connection 87, inode 88 (my "
              "side, the client's), other side killed by signal 9, not read by then: 10 messages, "
              "open: 11 exchanges");
}

TEST(event_socket, dispatch_calls_the_function_of_each_kind) {
    fake_kernel kernel;
    const port opened = port::open(default_device, kernel);
    queue_events(kernel, {raw_recv_serv_sock(), raw_recv_sock_msg(), raw_request(),
                          raw_closed(IPCSHIM_EVENT_SERV_SOCK_CLOSED)});
    std::string order;
    const event_handlers handlers{
        .socket = [&](const event&, const recv_serv_sock&) { order += "socket "; },
        .message = [&](const event&, const recv_sock_msg&) { order += "message "; },
        .request = [&](const event&, const service_conn_request&) { order += "request "; },
        .socket_closed = [&](const event&, const sock_closed&) { order += "closed "; },
        .other = [&](const event&) { order += "other "; }};
    EXPECT_EQ(opened.dispatch(handlers), 4U);
    EXPECT_EQ(order, "socket message request closed ");
}

TEST(event_socket, a_dispatcher_calls_the_function_of_each_kind) {
    fake_kernel kernel;
    const port opened = port::open(default_device, kernel);
    queue_events(kernel, {raw_recv_serv_sock(), raw_recv_sock_msg(), raw_request(),
                          raw_closed(IPCSHIM_EVENT_SERVICE_CLIENT_CLOSED)});
    std::string order;
    dispatcher loop(opened, kernel);
    loop.on_socket([&](const event&, const recv_serv_sock& what) {
            order += std::to_string(what.connection) + ' ';
        })
        .on_message([&](const event&, const recv_sock_msg& what) {
            order += std::to_string(what.exchange) + ' ';
        })
        .on_request([&](const event&, const service_conn_request& what) {
            order += std::to_string(what.connection) + ' ';
        })
        .on_socket_closed([&](const event&, const sock_closed& what) {
            order += std::to_string(what.connection) + ' ';
        });
    EXPECT_EQ(loop.dispatch(), 4U);
    EXPECT_EQ(order, "82 5 85 87 ");
}

} // namespace
