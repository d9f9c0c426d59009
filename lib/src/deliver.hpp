// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_DELIVER_HPP
#define IPCSHIM_SRC_DELIVER_HPP

#include <ipcshim/port.hpp>

namespace ipcshim::detail {

/// Calls the handler that an event is for.
inline void deliver(const event& what, const event_handlers& handlers) {
    const auto pipe = what.as_recv_pipe();
    const auto closed = what.as_pipe_closed();
    if (pipe && handlers.pipe) {
        handlers.pipe(what, *pipe);
    } else if (closed && handlers.closed) {
        handlers.closed(what, *closed);
    } else if (handlers.other) {
        handlers.other(what);
    }
}

} // namespace ipcshim::detail

#endif
