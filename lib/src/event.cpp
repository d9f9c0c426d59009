// SPDX-License-Identifier: MIT
#include <ipcshim/event.hpp>

#include <ostream>
#include <stdexcept>
#include <string>

#include "ending.hpp"
#include "narrow.hpp"
#include "wait_time.hpp"

namespace ipcshim {

namespace {

constexpr unsigned bits = 64;

unsigned number_of(event_code code) {
    const auto number = static_cast<unsigned>(code);
    if (number >= IPCSHIM_EVENT_CODES) {
        throw std::out_of_range("no set of events can hold the code " + std::to_string(number) +
                                ": codes end at " + std::to_string(IPCSHIM_EVENT_CODES - 1));
    }
    return number;
}

constexpr std::uint64_t bit(unsigned number) noexcept {
    return std::uint64_t{1} << (number % bits);
}

} // namespace

event_set::event_set(std::initializer_list<event_code> codes) {
    for (const event_code code : codes) {
        add(code);
    }
}

event_set& event_set::add(event_code code) {
    const unsigned number = number_of(code);
    words_[number / bits] |= bit(number);
    return *this;
}

event_set& event_set::remove(event_code code) {
    const unsigned number = number_of(code);
    words_[number / bits] &= ~bit(number);
    return *this;
}

bool event_set::contains(event_code code) const noexcept {
    const auto number = static_cast<unsigned>(code);
    return number < IPCSHIM_EVENT_CODES && (words_[number / bits] & bit(number)) != 0;
}

event_set event_set::all() {
    return {event_code::recv_pipe,
            event_code::pipe_closed,
            event_code::recv_shared_mem,
            event_code::unshared_mem,
            event_code::recv_pty,
            event_code::recv_serv_sock,
            event_code::recv_sock_msg,
            event_code::serv_sock_closed,
            event_code::service_conn_request,
            event_code::service_client_closed,
            event_code::service_client_quitted,
            event_code::service_server_quitted};
}

pid_t event::pid() const noexcept {
    return detail::to_pid(raw_.pid);
}

std::optional<ipcshim::recv_pipe> event::as_recv_pipe() const noexcept {
    if (code() != event_code::recv_pipe) {
        return std::nullopt;
    }
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-union-access): the code says which
    const ::ipcshim_recv_pipe& raw = raw_.recv_pipe;
    return ipcshim::recv_pipe{.end = pipe_end{raw.end},
                              .mode = pipe_mode{raw.mode},
                              .capacity = raw.capacity,
                              .size_hint = raw.size_hint,
                              .inode = raw.inode};
}

std::optional<ipcshim::pipe_closed> event::as_pipe_closed() const noexcept {
    if (code() != event_code::pipe_closed) {
        return std::nullopt;
    }
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-union-access): the code says which
    const ::ipcshim_pipe_closed& raw = raw_.pipe_closed;
    return ipcshim::pipe_closed{.how = ipcshim::how{raw.how},
                                .end = pipe_end{raw.end},
                                .status = raw.status,
                                .inode = raw.inode,
                                .bytes_unread = raw.bytes_unread,
                                .messages_unread = raw.messages_unread};
}

std::optional<ipcshim::recv_shared_mem> event::as_recv_shared_mem() const noexcept {
    if (code() != event_code::recv_shared_mem) {
        return std::nullopt;
    }
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-union-access): the code says which
    const ::ipcshim_recv_shared_mem& raw = raw_.recv_shared_mem;
    return ipcshim::recv_shared_mem{.length = raw.length,
                                    .mode = memory_mode{raw.mode},
                                    .rights = ipcshim::rights{raw.rights},
                                    .how = ipcshim::how{raw.how},
                                    .status = raw.status,
                                    .inode = raw.inode,
                                    .lease_end = detail::from_kernel(raw.deadline)};
}

std::optional<ipcshim::unshared_mem> event::as_unshared_mem() const noexcept {
    if (code() != event_code::unshared_mem) {
        return std::nullopt;
    }
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-union-access): the code says which
    const ::ipcshim_unshared_mem& raw = raw_.unshared_mem;
    return ipcshim::unshared_mem{
        .how = ipcshim::how{raw.how}, .status = raw.status, .inode = raw.inode};
}

std::optional<ipcshim::recv_pty> event::as_recv_pty() const noexcept {
    if (code() != event_code::recv_pty) {
        return std::nullopt;
    }
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-union-access): the code says which
    const ::ipcshim_recv_pty& raw = raw_.recv_pty;
    return ipcshim::recv_pty{.index = raw.index,
                             .size = {.rows = raw.rows,
                                      .columns = raw.columns,
                                      .x_pixels = raw.x_pixels,
                                      .y_pixels = raw.y_pixels},
                             .inode = raw.inode};
}

event::data_type event::data() const noexcept {
    if (const auto pipe = as_recv_pipe()) {
        return *pipe;
    }
    if (const auto closed = as_pipe_closed()) {
        return *closed;
    }
    if (const auto memory = as_recv_shared_mem()) {
        return *memory;
    }
    if (const auto unshared = as_unshared_mem()) {
        return *unshared;
    }
    if (const auto terminal = as_recv_pty()) {
        return *terminal;
    }
    if (const auto socket = as_recv_serv_sock()) {
        return *socket;
    }
    if (const auto message = as_recv_sock_msg()) {
        return *message;
    }
    if (const auto request = as_service_conn_request()) {
        return *request;
    }
    if (const auto ended = as_sock_closed()) {
        return *ended;
    }
    return std::monostate{};
}

std::ostream& operator<<(std::ostream& out, const recv_pipe& value) {
    out << value.end << " of a " << value.mode << " pipe, inode " << value.inode << ", "
        << value.capacity << " bytes";
    if (value.size_hint != 0) {
        out << ", " << value.size_hint << " bytes are to come";
    }
    return out;
}

std::ostream& operator<<(std::ostream& out, const pipe_closed& value) {
    out << "inode " << value.inode << " (my " << value.end << "), other end ";
    detail::print_ending(out, value.how, value.status);
    out << ", not read by then: " << value.bytes_unread << " bytes";
    if (value.messages_unread != 0) {
        out << " in " << value.messages_unread << " messages";
    }
    return out;
}

std::ostream& operator<<(std::ostream& out, const recv_shared_mem& value) {
    out << value.mode << " segment, inode " << value.inode << ", " << value.length << " bytes, "
        << value.rights;
    if (value.mode == memory_mode::returned) {
        out << ", came back: ";
        detail::print_ending(out, value.how, value.status);
    }
    if (value.lease_end != no_deadline) {
        out << ", goes back at " << detail::to_kernel(value.lease_end) << " ns";
    }
    return out;
}

std::ostream& operator<<(std::ostream& out, const unshared_mem& value) {
    out << "segment, inode " << value.inode << ", "
        << (value.is_gone() ? "is gone: " : "stays, its sharer has ended: ");
    detail::print_ending(out, value.how, value.status);
    return out;
}

std::ostream& operator<<(std::ostream& out, const recv_pty& value) {
    out << "slave of a pseudo terminal, /dev/ttyIPC" << value.index << ", inode " << value.inode;
    if (value.size != window_size{}) {
        out << ", " << value.size << " characters";
    }
    return out;
}

std::ostream& operator<<(std::ostream& out, const event& value) {
    out << '#' << value.sequence() << ' ' << value.code() << " from process " << value.pid()
        << " (uid " << value.uid() << ')';
    if (value.command() != 0) {
        out << ", command " << value.command();
    }
    if (value.token() != no_token) {
        out << ", token " << value.token();
    }
    std::visit(
        [&out](const auto& data) {
            if constexpr (!std::is_same_v<std::decay_t<decltype(data)>, std::monostate>) {
                out << ": " << data;
            }
        },
        value.data());
    return out;
}

std::ostream& operator<<(std::ostream& out, const event_set& value) {
    out << '{';
    const char* separator = "";
    for (unsigned number = 0; number < IPCSHIM_EVENT_CODES; ++number) {
        const event_code code{static_cast<std::uint16_t>(number)};
        if (value.contains(code)) {
            out << separator << code;
            separator = ", ";
        }
    }
    return out << '}';
}

} // namespace ipcshim
