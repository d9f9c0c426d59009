// SPDX-License-Identifier: MIT
//
// How a port makes connections without a name.
#include <ipcshim/port.hpp>

#include <cerrno>

#include "call.hpp"
#include "sentence.hpp"

namespace ipcshim {

using detail::attempt;
using detail::check;
using detail::code_of;

namespace {

struct opened final {
    ipcshim::socket mine{};
    ipcshim::socket other{};
    token announced{};
};

// \param pid 0: both sides stay here
opened make(const detail::handle& from, pid_t pid, role mine, unsigned flags,
            const open_socket_parameters& parameters, std::error_code& error) noexcept {
    ::ipcshim_open_serv_sock raw{};
    raw.pid = static_cast<std::uint32_t>(pid);
    raw.flags = flags | (parameters.nonblocking ? IPCSHIM_OPEN_NONBLOCK : 0U);
    raw.role = static_cast<std::uint16_t>(mine);
    raw.command = parameters.command;
    raw.message_max = parameters.message_max;
    raw.fd = -1;
    raw.peer_fd = -1;
    if (!detail::control(from, IPCSHIM_OPEN_SERV_SOCK, raw, error)) {
        return {};
    }
    socket::facts known{.side = mine,
                        .message_max = raw.message_max,
                        .connection = raw.connection,
                        .inode = raw.inode};
    opened result{.mine = {detail::handle(*from.calls(), raw.fd), known},
                  .announced = token{raw.token}};
    if (raw.peer_fd >= 0) {
        detail::handle peer(*from.calls(), raw.peer_fd);
        known.side = mine == role::client ? role::service : role::client;
        struct ::stat found {};
        if (!detail::succeeded(from.calls()->fstat(peer.get(), found), error)) {
            return {};
        }
        known.inode = found.st_ino;
        result.other = {std::move(peer), known};
    }
    return result;
}

} // namespace

socket port::open_socket(pid_t pid, role mine, const open_socket_parameters& parameters) const {
    require_open();
    std::error_code error;
    socket result = open_socket(pid, mine, parameters, error);
    check(error, attempt::open_socket, detail::process_name(pid));
    return result;
}

socket port::open_socket(pid_t pid, role mine, const open_socket_parameters& parameters,
                         std::error_code& error) const noexcept {
    // 0 would keep both sides here.
    if (pid <= 0) {
        error = code_of(is_open() ? EINVAL : EBADF);
        return {};
    }
    return make(handle_, pid, mine, 0, parameters, error).mine;
}

unannounced<socket> port::open_socket_unannounced(pid_t pid, role mine,
                                                  const open_socket_parameters& parameters) const {
    require_open();
    std::error_code error = pid <= 0 ? code_of(EINVAL) : std::error_code();
    opened result;
    if (!error) {
        result = make(handle_, pid, mine, IPCSHIM_OPEN_SKIP, parameters, error);
    }
    check(error, attempt::open_socket, detail::process_name(pid));
    return {.end = std::move(result.mine), .token = result.announced};
}

socket_pair port::open_socket_pair(const open_socket_parameters& parameters) const {
    require_open();
    std::error_code error;
    socket_pair result = open_socket_pair(parameters, error);
    check(error, attempt::open_socket, detail::process_name(0));
    return result;
}

socket_pair port::open_socket_pair(const open_socket_parameters& parameters,
                                   std::error_code& error) const noexcept {
    opened result = make(handle_, 0, role::client, 0, parameters, error);
    return {.client = std::move(result.mine), .service = std::move(result.other)};
}

} // namespace ipcshim
