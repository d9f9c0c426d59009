// SPDX-License-Identifier: MIT
//
// What a port does with pipes: claiming their ends, and opening.
#include <algorithm>
#include <limits>
#include <string>

#include <ipcshim/port.hpp>

#include "announced.hpp"
#include "call.hpp"
#include "sentence.hpp"

namespace ipcshim {

using detail::attempt;
using detail::check;
using detail::code_of;
using detail::control;

namespace {

::ipcshim_open_pipe request_for(pid_t pid, pipe_end kept, const pipe_parameters& parameters,
                                bool announce) noexcept {
    ::ipcshim_open_pipe raw{};
    raw.pid = static_cast<std::uint32_t>(pid);
    raw.flags = (parameters.nonblocking ? IPCSHIM_OPEN_NONBLOCK : 0U) |
                (announce ? 0U : IPCSHIM_OPEN_SKIP) |
                (parameters.mapped ? IPCSHIM_OPEN_MAPPED : 0U);
    raw.direction = static_cast<std::uint16_t>(kept);
    raw.mode = static_cast<std::uint16_t>(parameters.mode);
    // What does not fit the field is refused by the module, as all that is
    // above its maximum.
    const std::size_t units =
        parameters.capacity / capacity_unit + (parameters.capacity % capacity_unit != 0 ? 1 : 0);
    raw.capacity = static_cast<std::uint16_t>(
        std::min<std::size_t>(units, std::numeric_limits<std::uint16_t>::max()));
    raw.command = parameters.command;
    raw.size_hint = parameters.size_hint;
    raw.fd = -1;
    raw.peer_fd = -1;
    return raw;
}

template <typename End>
unannounced<End> open_end(const detail::handle& port, pid_t pid, pipe_end kept,
                          const pipe_parameters& parameters, bool announce,
                          std::error_code& error) noexcept {
    if (pid <= 0) {
        error = code_of(port.is_open() ? EINVAL : EBADF);
        return {};
    }
    ::ipcshim_open_pipe raw = request_for(pid, kept, parameters, announce);
    if (!control(port, IPCSHIM_OPEN_PIPE, raw, error)) {
        return {};
    }
    return {.end = End(detail::handle(*port.calls(), raw.fd), parameters.mode),
            .token = token{raw.token}};
}

template <typename End>
End claim_end(const port& from, const event& announced, pipe_end wanted, bool nonblocking,
              std::error_code& error) noexcept {
    const auto pipe = announced.as_recv_pipe();
    if (!pipe || pipe->end != wanted) {
        error = code_of(from.is_open() ? EINVAL : EBADF);
        return {};
    }
    port::claimed claimed = from.claim(announced.token(), nonblocking, error);
    if (error) {
        return {};
    }
    if (auto* end = std::get_if<End>(&claimed)) {
        return std::move(*end);
    }
    error = code_of(EPROTO);
    return {};
}

} // namespace

sender port::claim_sender(const event& announced, bool nonblocking) const {
    require_open();
    std::error_code error;
    sender result = claim_sender(announced, nonblocking, error);
    check(error, attempt::claim, "a sender " + detail::announced_by(announced));
    return result;
}

sender port::claim_sender(const event& announced, bool nonblocking,
                          std::error_code& error) const noexcept {
    return claim_end<sender>(*this, announced, pipe_end::sender, nonblocking, error);
}

receiver port::claim_receiver(const event& announced, bool nonblocking) const {
    require_open();
    std::error_code error;
    receiver result = claim_receiver(announced, nonblocking, error);
    check(error, attempt::claim, "a receiver " + detail::announced_by(announced));
    return result;
}

receiver port::claim_receiver(const event& announced, bool nonblocking,
                              std::error_code& error) const noexcept {
    return claim_end<receiver>(*this, announced, pipe_end::receiver, nonblocking, error);
}

sender port::open_sender(pid_t pid, const pipe_parameters& parameters) const {
    require_open();
    std::error_code error;
    sender result = open_sender(pid, parameters, error);
    check(error, attempt::open_pipe, detail::process_name(pid));
    return result;
}

sender port::open_sender(pid_t pid, const pipe_parameters& parameters,
                         std::error_code& error) const noexcept {
    return open_end<sender>(handle_, pid, pipe_end::sender, parameters, true, error).end;
}

receiver port::open_receiver(pid_t pid, const pipe_parameters& parameters) const {
    require_open();
    std::error_code error;
    receiver result = open_receiver(pid, parameters, error);
    check(error, attempt::open_pipe, detail::process_name(pid));
    return result;
}

receiver port::open_receiver(pid_t pid, const pipe_parameters& parameters,
                             std::error_code& error) const noexcept {
    return open_end<receiver>(handle_, pid, pipe_end::receiver, parameters, true, error).end;
}

unannounced<sender> port::open_sender_unannounced(pid_t pid,
                                                  const pipe_parameters& parameters) const {
    require_open();
    std::error_code error;
    auto result = open_end<sender>(handle_, pid, pipe_end::sender, parameters, false, error);
    check(error, attempt::open_pipe, detail::process_name(pid));
    return result;
}

unannounced<receiver> port::open_receiver_unannounced(pid_t pid,
                                                      const pipe_parameters& parameters) const {
    require_open();
    std::error_code error;
    auto result = open_end<receiver>(handle_, pid, pipe_end::receiver, parameters, false, error);
    check(error, attempt::open_pipe, detail::process_name(pid));
    return result;
}

pipe_pair port::open_pipe(const pipe_parameters& parameters) const {
    require_open();
    std::error_code error;
    pipe_pair result = open_pipe(parameters, error);
    check(error, attempt::open_pipe, detail::process_name(0));
    return result;
}

pipe_pair port::open_pipe(const pipe_parameters& parameters,
                          std::error_code& error) const noexcept {
    ::ipcshim_open_pipe raw = request_for(0, pipe_end::sender, parameters, true);
    if (!control(handle_, IPCSHIM_OPEN_PIPE, raw, error)) {
        return {};
    }
    return {.sender = sender(detail::handle(*handle_.calls(), raw.fd), parameters.mode),
            .receiver = receiver(detail::handle(*handle_.calls(), raw.peer_fd), parameters.mode)};
}

} // namespace ipcshim
