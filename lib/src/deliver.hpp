// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_DELIVER_HPP
#define IPCSHIM_SRC_DELIVER_HPP

#include <ipcshim/port.hpp>

namespace ipcshim::detail {

/// Calls the handler that an event is for.
inline void deliver(const event& what, const event_handlers& handlers) {
    const auto pipe = what.as_recv_pipe();
    const auto closed = what.as_pipe_closed();
    const auto memory = what.as_recv_shared_mem();
    const auto unshared = what.as_unshared_mem();
    const auto terminal = what.as_recv_pty();
    const auto socket = what.as_recv_serv_sock();
    const auto message = what.as_recv_sock_msg();
    const auto request = what.as_service_conn_request();
    const auto ended = what.as_sock_closed();
    if (pipe && handlers.pipe) {
        handlers.pipe(what, *pipe);
    } else if (closed && handlers.closed) {
        handlers.closed(what, *closed);
    } else if (memory && handlers.memory) {
        handlers.memory(what, *memory);
    } else if (unshared && handlers.unshared) {
        handlers.unshared(what, *unshared);
    } else if (terminal && handlers.pty) {
        handlers.pty(what, *terminal);
    } else if (socket && handlers.socket) {
        handlers.socket(what, *socket);
    } else if (message && handlers.message) {
        handlers.message(what, *message);
    } else if (request && handlers.request) {
        handlers.request(what, *request);
    } else if (ended && handlers.socket_closed) {
        handlers.socket_closed(what, *ended);
    } else if (handlers.other) {
        handlers.other(what);
    }
}

} // namespace ipcshim::detail

#endif
