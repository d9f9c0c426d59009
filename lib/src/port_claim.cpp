// SPDX-License-Identifier: MIT
//
// How a port turns tokens into what they stand for.
#include <cerrno>
#include <string>

#include <ipcshim/port.hpp>

#include "announced.hpp"
#include "call.hpp"
#include "narrow.hpp"
#include "sentence.hpp"

namespace ipcshim {

using detail::attempt;
using detail::check;
using detail::code_of;
using detail::control;

namespace {

std::string printed(token which) {
    return "token " + std::to_string(static_cast<std::uint64_t>(which));
}

// The one kind that was asked for; another one is closed again.
template <typename Kind> Kind only(port::claimed&& found, std::error_code& error) noexcept {
    if (error) {
        return {};
    }
    if (auto* wanted = std::get_if<Kind>(&found)) {
        return std::move(*wanted);
    }
    error = code_of(EINVAL);
    return {};
}

} // namespace

port::claimed port::claim(ipcshim::token which, bool nonblocking) const {
    require_open();
    std::error_code error;
    claimed result = claim(which, nonblocking, error);
    check(error, attempt::claim, printed(which));
    return result;
}

port::claimed port::claim(ipcshim::token which, bool nonblocking,
                          std::error_code& error) const noexcept {
    ::ipcshim_claim raw{};
    raw.token = static_cast<std::uint64_t>(which);
    raw.flags = nonblocking ? IPCSHIM_CLAIM_NONBLOCK : 0;
    raw.fd = -1;
    if (!control(handle_, IPCSHIM_CLAIM, raw, error)) {
        return sender();
    }
    detail::handle found(*handle_.calls(), raw.fd);
    // Of all kinds only sockets have both: their connection's number, where segments have
    // their length, and a largest message, where pipes have their capacity.
    // NOLINTBEGIN(cppcoreguidelines-pro-type-union-access)
    if (raw.connection != 0 && raw.message_max != 0) {
        return socket(std::move(found), {.side = role{raw.role},
                                         .message_max = raw.message_max,
                                         .connection = raw.connection,
                                         .inode = raw.inode});
    }
    // Only segments have a length, and none is empty.
    if (raw.length != 0) {
        return segment(std::move(found), {.size = detail::to_size(raw.length),
                                          .inode = raw.inode,
                                          .rights = rights{raw.rights},
                                          .mode = memory_mode{raw.mode}});
    }
    // NOLINTEND(cppcoreguidelines-pro-type-union-access)
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-union-access): and here, too
    switch (pipe_end{raw.end}) {
    case pipe_end::sender:
        return sender(std::move(found), pipe_mode{raw.mode});
    case pipe_end::receiver:
        return receiver(std::move(found), pipe_mode{raw.mode});
    }
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-union-access): the end is that of no pipe
    if (raw.end == 0 && raw.mode == IPCSHIM_PTY_SLAVE) {
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-union-access): the mode says it
        return pty_slave(std::move(found), raw.index, raw.inode);
    }
    error = code_of(EPROTO);
    return sender();
}

segment port::claim_segment(const event& announced) const {
    require_open();
    std::error_code error;
    segment result = claim_segment(announced, error);
    check(error, attempt::claim, "a segment " + detail::announced_by(announced));
    return result;
}

segment port::claim_segment(const event& announced, std::error_code& error) const noexcept {
    if (!announced.as_recv_shared_mem()) {
        error = code_of(is_open() ? EINVAL : EBADF);
        return {};
    }
    return claim_segment(announced.token(), error);
}

segment port::claim_segment(ipcshim::token which) const {
    require_open();
    std::error_code error;
    segment result = claim_segment(which, error);
    check(error, attempt::claim, printed(which) + " as a segment");
    return result;
}

segment port::claim_segment(ipcshim::token which, std::error_code& error) const noexcept {
    claimed found = claim(which, false, error);
    return only<segment>(std::move(found), error);
}

pty_slave port::claim_pty(const event& announced, bool nonblocking) const {
    require_open();
    std::error_code error;
    pty_slave result = claim_pty(announced, nonblocking, error);
    check(error, attempt::claim, "a pseudo terminal " + detail::announced_by(announced));
    return result;
}

pty_slave port::claim_pty(const event& announced, bool nonblocking,
                          std::error_code& error) const noexcept {
    if (!announced.as_recv_pty()) {
        error = code_of(is_open() ? EINVAL : EBADF);
        return {};
    }
    return claim_pty(announced.token(), nonblocking, error);
}

pty_slave port::claim_pty(ipcshim::token which, bool nonblocking) const {
    require_open();
    std::error_code error;
    pty_slave result = claim_pty(which, nonblocking, error);
    check(error, attempt::claim, printed(which) + " as a pseudo terminal");
    return result;
}

pty_slave port::claim_pty(ipcshim::token which, bool nonblocking,
                          std::error_code& error) const noexcept {
    claimed found = claim(which, nonblocking, error);
    return only<pty_slave>(std::move(found), error);
}

socket port::claim_socket(const event& announced, bool nonblocking) const {
    require_open();
    std::error_code error;
    socket result = claim_socket(announced, nonblocking, error);
    check(error, attempt::claim, "a socket " + detail::announced_by(announced));
    return result;
}

socket port::claim_socket(const event& announced, bool nonblocking,
                          std::error_code& error) const noexcept {
    if (!announced.as_recv_serv_sock()) {
        error = code_of(is_open() ? EINVAL : EBADF);
        return {};
    }
    return claim_socket(announced.token(), nonblocking, error);
}

socket port::claim_socket(ipcshim::token which, bool nonblocking) const {
    require_open();
    std::error_code error;
    socket result = claim_socket(which, nonblocking, error);
    check(error, attempt::claim, printed(which) + " as a socket");
    return result;
}

socket port::claim_socket(ipcshim::token which, bool nonblocking,
                          std::error_code& error) const noexcept {
    claimed found = claim(which, nonblocking, error);
    return only<socket>(std::move(found), error);
}

} // namespace ipcshim
