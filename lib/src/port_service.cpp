// SPDX-License-Identifier: MIT
//
// How a port publishes services, and connects to them.
#include <ipcshim/port.hpp>

#include <cerrno>
#include <new>

#include "announced.hpp"
#include "call.hpp"
#include "narrow.hpp"
#include "sentence.hpp"
#include "wait_time.hpp"

namespace ipcshim {

using detail::attempt;
using detail::check;
using detail::code_of;
using detail::control;

namespace {

std::uint64_t address_of(std::string_view name) noexcept {
    return reinterpret_cast<std::uintptr_t>(name.data());
}

// A longer one than the field can tell is too long in any case.
std::uint32_t length_of(std::string_view name) noexcept {
    constexpr std::size_t too_long = service_name_max + 1;
    return static_cast<std::uint32_t>(std::min(name.size(), too_long));
}

std::string quoted(std::string_view name) {
    return "'" + std::string(name) + "'";
}

// What the module takes for no deadline at all, since 0 stands for two seconds.
constexpr std::uint64_t for_ever = INT64_MAX;

std::uint64_t connect_deadline(const connect_parameters& parameters) noexcept {
    if (!parameters.until) {
        return 0;
    }
    return *parameters.until == no_deadline ? for_ever : detail::to_kernel(*parameters.until);
}

} // namespace

published_service port::publish(std::string_view name, const publish_parameters& parameters) const {
    require_open();
    std::error_code error;
    published_service result = publish(name, parameters, error);
    check(error, attempt::publish, quoted(name));
    return result;
}

published_service port::publish(std::string_view name, const publish_parameters& parameters,
                                std::error_code& error) const noexcept {
    std::string copy;
    try {
        copy = std::string(name.substr(0, service_name_max + 1));
    } catch (const std::bad_alloc&) {
        error = code_of(ENOMEM);
        return {};
    }
    ::ipcshim_publish raw{};
    raw.name = address_of(name);
    raw.name_length = length_of(name);
    raw.message_max = parameters.message_max;
    if (!control(handle_, IPCSHIM_PUBLISH, raw, error)) {
        return {};
    }
    return {*handle_.calls(), handle_.get(), raw.service, std::move(copy)};
}

socket port::connect(std::string_view name, const connect_parameters& parameters) const {
    require_open();
    std::error_code error;
    std::uint16_t reason = 0;
    socket result = connect(name, parameters, error, reason);
    if (error == std::errc::connection_refused) {
        throw refused_error(error,
                            detail::sentence(attempt::connect, error.value(), quoted(name)) +
                                " (its word: " + std::to_string(reason) + ')',
                            reason);
    }
    check(error, attempt::connect, quoted(name));
    return result;
}

socket port::connect(std::string_view name, const connect_parameters& parameters,
                     std::error_code& error, std::uint16_t& reason) const noexcept {
    ::ipcshim_connect_service raw{};
    raw.name = address_of(name);
    raw.name_length = length_of(name);
    raw.flags = (parameters.nonblocking ? IPCSHIM_CONNECT_NONBLOCK : 0U) |
                (parameters.flexible ? IPCSHIM_CONNECT_FLEXIBLE : 0U) |
                (parameters.wait ? IPCSHIM_CONNECT_WAIT : 0U) |
                (parameters.uid ? IPCSHIM_CONNECT_UID : 0U);
    raw.deadline = connect_deadline(parameters);
    raw.uid = parameters.uid.value_or(0);
    raw.message_max = parameters.message_max;
    raw.command = parameters.command;
    raw.fd = -1;
    const bool connected = control(handle_, IPCSHIM_CONNECT_SERVICE, raw, error);
    reason = error == std::errc::connection_refused ? raw.reason : std::uint16_t{0};
    if (!connected) {
        return {};
    }
    return {detail::handle(*handle_.calls(), raw.fd),
            {.side = role::client,
             .message_max = raw.message_max,
             .connection = raw.connection,
             .inode = raw.inode}};
}

socket port::accept(const event& request, bool nonblocking) const {
    require_open();
    std::error_code error;
    socket result = accept(request, nonblocking, error);
    check(error, attempt::accept, "who asks " + detail::announced_by(request));
    return result;
}

socket port::accept(const event& request, bool nonblocking, std::error_code& error) const noexcept {
    if (!request.as_service_conn_request()) {
        error = code_of(is_open() ? EINVAL : EBADF);
        return {};
    }
    ::ipcshim_accept raw{};
    raw.request = static_cast<std::uint64_t>(request.token());
    raw.flags = nonblocking ? IPCSHIM_OPEN_NONBLOCK : 0;
    raw.fd = -1;
    if (!control(handle_, IPCSHIM_ACCEPT, raw, error)) {
        return {};
    }
    return {detail::handle(*handle_.calls(), raw.fd),
            {.side = role::service,
             .message_max = raw.message_max,
             .connection = raw.request,
             .inode = raw.inode}};
}

void port::reject(const event& request, std::uint16_t reason) const {
    require_open();
    std::error_code error;
    reject(request, reason, error);
    check(error, attempt::reject, "who asks " + detail::announced_by(request));
}

void port::reject(const event& request, std::uint16_t reason,
                  std::error_code& error) const noexcept {
    if (!request.as_service_conn_request()) {
        error = code_of(is_open() ? EINVAL : EBADF);
        return;
    }
    ::ipcshim_reject raw{};
    raw.request = static_cast<std::uint64_t>(request.token());
    raw.reason = reason;
    control(handle_, IPCSHIM_REJECT, raw, error);
}

std::optional<service_info> port::has_service(std::string_view name,
                                              std::optional<uid_t> uid) const {
    require_open();
    std::error_code error;
    const auto result = has_service(name, uid, error);
    check(error, attempt::has_service, quoted(name));
    return result;
}

std::optional<service_info> port::has_service(std::string_view name, std::optional<uid_t> uid,
                                              std::error_code& error) const noexcept {
    ::ipcshim_has_service raw{};
    raw.name = address_of(name);
    raw.name_length = length_of(name);
    raw.flags = uid ? IPCSHIM_CONNECT_UID : 0;
    raw.uid = uid.value_or(0);
    if (!control(handle_, IPCSHIM_HAS_SERVICE, raw, error) || raw.exists == 0) {
        return std::nullopt;
    }
    return service_info{
        .number = raw.service, .pid = detail::to_pid(raw.pid), .message_max = raw.message_max};
}

} // namespace ipcshim
