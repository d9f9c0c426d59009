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
    } else if (handlers.other) {
        handlers.other(what);
    }
}

} // namespace ipcshim::detail

#endif
