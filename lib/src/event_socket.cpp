// SPDX-License-Identifier: MIT
//
// What events of services and sockets say.
#include <ipcshim/event.hpp>

#include <ostream>

#include "ending.hpp"
#include "message_words.hpp"
#include "wait_time.hpp"

namespace ipcshim {

std::optional<ipcshim::recv_serv_sock> event::as_recv_serv_sock() const noexcept {
    if (code() != event_code::recv_serv_sock) {
        return std::nullopt;
    }
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-union-access): the code says which
    const ::ipcshim_recv_serv_sock& raw = raw_.recv_serv_sock;
    return ipcshim::recv_serv_sock{.side = role{raw.role},
                                   .message_max = raw.message_max,
                                   .connection = raw.connection,
                                   .inode = raw.inode};
}

std::optional<ipcshim::recv_sock_msg> event::as_recv_sock_msg() const noexcept {
    if (code() != event_code::recv_sock_msg) {
        return std::nullopt;
    }
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-union-access): the code says which
    const ::ipcshim_recv_sock_msg& raw = raw_.recv_sock_msg;
    return ipcshim::recv_sock_msg{
        .exchange = raw.exchange,
        .code = raw.code,
        .error = raw.error,
        .concludes = detail::has_status(raw.status, IPCSHIM_MESSAGE_CLOSE),
        .opens = detail::has_status(raw.status, IPCSHIM_MESSAGE_OPENS),
        .is_notification = detail::has_status(raw.status, IPCSHIM_MESSAGE_NOTIFICATION),
        .descriptors = raw.nr_descriptors,
        .length = raw.length,
        .inode = raw.inode};
}

std::optional<ipcshim::service_conn_request> event::as_service_conn_request() const noexcept {
    if (code() != event_code::service_conn_request) {
        return std::nullopt;
    }
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-union-access): the code says which
    const ::ipcshim_service_conn_request& raw = raw_.service_conn_request;
    return ipcshim::service_conn_request{.connection = raw_.token,
                                         .service = raw.service,
                                         .message_max = raw.message_max,
                                         .until = detail::from_kernel(raw.deadline)};
}

std::optional<ipcshim::sock_closed> event::as_sock_closed() const noexcept {
    switch (code()) {
    case event_code::serv_sock_closed:
    case event_code::service_client_closed:
    case event_code::service_client_quitted:
    case event_code::service_server_quitted:
        break;
    default:
        return std::nullopt;
    }
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-union-access): the code says which
    const ::ipcshim_sock_closed& raw = raw_.sock_closed;
    return ipcshim::sock_closed{.how = ipcshim::how{raw.how},
                                .status = raw.status,
                                .side = role{raw.role},
                                .connection = raw.connection,
                                .inode = raw.inode,
                                .messages_unread = raw.messages_unread,
                                .exchanges = raw.exchanges};
}

std::ostream& operator<<(std::ostream& out, const recv_serv_sock& value) {
    return out << value.side << "'s side of a socket, connection " << value.connection << ", inode "
               << value.inode << ", messages of at most " << value.message_max << " bytes";
}

std::ostream& operator<<(std::ostream& out, const recv_sock_msg& value) {
    out << (value.is_notification ? "notification " : "method ") << value.code << ", exchange "
        << value.exchange;
    if (value.opens) {
        out << " opens";
    }
    if (value.concludes) {
        out << (value.opens ? " and ends" : " ends");
    }
    if (value.error != 0) {
        out << " with error " << value.error;
    }
    out << ", " << value.length << " bytes";
    if (value.descriptors != 0) {
        out << " and " << value.descriptors << " descriptors";
    }
    return out << ", in the socket with inode " << value.inode;
}

std::ostream& operator<<(std::ostream& out, const service_conn_request& value) {
    out << "connection " << value.connection << " to service " << value.service
        << ", messages of at most " << value.message_max << " bytes";
    if (value.until != no_deadline) {
        out << ", waits until " << detail::to_kernel(value.until) << " ns";
    }
    return out;
}

std::ostream& operator<<(std::ostream& out, const sock_closed& value) {
    out << "connection " << value.connection << ", inode " << value.inode << " (my side, the "
        << value.side << "'s), other side ";
    detail::print_ending(out, value.how, value.status);
    return out << ", not read by then: " << value.messages_unread
               << " messages, open: " << value.exchanges << " exchanges";
}

} // namespace ipcshim
