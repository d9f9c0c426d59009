// SPDX-License-Identifier: MIT
//
// How a port makes pseudo terminals.
#include <ipcshim/port.hpp>

#include "call.hpp"
#include "sentence.hpp"

namespace ipcshim {

using detail::attempt;

pty port::open_pty(const pty_parameters& parameters) const {
    require_open();
    std::error_code error;
    pty result = open_pty(parameters, error);
    detail::check(error, attempt::open_pty, {});
    return result;
}

pty port::open_pty(const pty_parameters& parameters, std::error_code& error) const noexcept {
    ::ipcshim_open_pty raw{};
    raw.flags = parameters.nonblocking ? IPCSHIM_OPEN_NONBLOCK : 0;
    raw.rows = parameters.size.rows;
    raw.columns = parameters.size.columns;
    raw.x_pixels = parameters.size.x_pixels;
    raw.y_pixels = parameters.size.y_pixels;
    raw.fd = -1;
    if (!detail::control(handle_, IPCSHIM_OPEN_PTY, raw, error)) {
        return {};
    }
    return {detail::handle(*handle_.calls(), raw.fd),
            {.index = raw.index, .inode = raw.inode, .slave_inode = raw.slave_inode}};
}

} // namespace ipcshim
