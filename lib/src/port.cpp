// SPDX-License-Identifier: MIT
#include <ipcshim/port.hpp>

#include <fcntl.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <ostream>
#include <sstream>

#include "call.hpp"
#include "deliver.hpp"
#include "narrow.hpp"
#include "sentence.hpp"
#include "wait_time.hpp"

namespace ipcshim {

using detail::attempt;
using detail::check;
using detail::code_of;
using detail::control;
using detail::succeeded;

namespace {

template <typename Value> std::string printed(const Value& value) {
    std::ostringstream out;
    out << value;
    return out.str();
}

// Asks with the number of the whole structure, and a module that has no such
// with that of the first one: what is missing stays 0.
bool ask(detail::syscalls& calls, int fd, ::ipcshim_query& raw, std::error_code& error) noexcept {
    // NOLINTNEXTLINE(hicpp-signed-bitwise): the kernel's macro
    constexpr auto first = _IOC(_IOC_READ | _IOC_WRITE, IPCSHIM_IOC_MAGIC, _IOC_NR(IPCSHIM_QUERY),
                                IPCSHIM_QUERY_SIZE_MIN);
    int answer = calls.ioctl(fd, IPCSHIM_QUERY, &raw);
    if (answer == -ENOTTY) {
        answer = calls.ioctl(fd, first, &raw);
    }
    return succeeded(answer, error);
}

// Asks the module behind a descriptor whether this library can use it.
driver_info examine(detail::syscalls& calls, int fd, std::error_code& error) noexcept {
    ::ipcshim_query raw{};
    if (!ask(calls, fd, raw, error)) {
        return {};
    }
    const driver_info found(raw);
    if (found.abi_version() == 0 || !found.has(IPCSHIM_FEATURE_EVENTS | IPCSHIM_FEATURE_PIPES)) {
        error = code_of(ENOTSUP);
    }
    return found;
}

detail::handle open_device(const char* path, detail::syscalls& calls, driver_info& found,
                           std::error_code& error) noexcept {
    const auto flags = static_cast<unsigned>(O_RDWR) | static_cast<unsigned>(O_CLOEXEC) |
                       static_cast<unsigned>(O_NONBLOCK);
    int fd = -EINTR;
    while (fd == -EINTR) {
        fd = calls.open(path, static_cast<int>(flags));
    }
    if (!succeeded(fd, error)) {
        return {};
    }
    detail::handle opened(calls, fd);
    found = examine(calls, fd, error);
    return error ? detail::handle() : std::move(opened);
}

} // namespace

port port::open(const char* path, detail::syscalls& calls) {
    std::error_code error;
    driver_info found;
    detail::handle opened = open_device(path, calls, found, error);
    if (error == std::errc::not_supported) {
        throw abi_error(error, detail::misfit(path, found));
    }
    if (error == std::errc::inappropriate_io_control_operation) {
        throw abi_error(error, detail::sentence(attempt::open_device, error.value(), path));
    }
    check(error, attempt::open_device, path);
    return port(std::move(opened));
}

port port::open(std::error_code& error, const char* path, detail::syscalls& calls) noexcept {
    driver_info found;
    return port(open_device(path, calls, found, error));
}

port::port(adopt_fd_t /*tag*/, int fd, detail::syscalls& calls) {
    const std::string subject = "descriptor " + std::to_string(fd);
    std::error_code error;
    const driver_info found = examine(calls, fd, error);
    if (error == std::errc::not_supported) {
        throw abi_error(error, detail::misfit(subject, found));
    }
    if (error == std::errc::inappropriate_io_control_operation) {
        throw abi_error(error, detail::sentence(attempt::adopt, error.value(), subject));
    }
    check(error, attempt::adopt, subject + " as a port");
    const int flags = calls.fcntl(fd, F_GETFL, 0);
    if (succeeded(flags, error)) {
        const unsigned wanted = static_cast<unsigned>(flags) | static_cast<unsigned>(O_NONBLOCK);
        succeeded(calls.fcntl(fd, F_SETFL, static_cast<int>(wanted)), error);
    }
    check(error, attempt::descriptor_flags, {});
    handle_ = detail::handle(calls, fd);
}

void port::require_open() const {
    if (!is_open()) {
        detail::used_closed("port");
    }
}

int port::fd() const {
    require_open();
    return handle_.get();
}

int port::release() {
    require_open();
    return handle_.release();
}

// --- what is told to this port ----------------------------------------------

void port::handle(const event_set& events, notify way) const {
    require_open();
    std::error_code error;
    handle(events, way, error);
    check(error, attempt::handle, printed(events));
}

void port::handle(const event_set& events, notify way, std::error_code& error) const noexcept {
    ::ipcshim_handle raw{};
    raw.codes[0] = events.words()[0];
    raw.codes[1] = events.words()[1];
    raw.notify = way.by_signal() ? IPCSHIM_NOTIFY_SIGNAL : IPCSHIM_NOTIFY_NONE;
    raw.signo = static_cast<std::uint32_t>(way.signo());
    raw.tid = static_cast<std::uint32_t>(way.thread());
    control(handle_, IPCSHIM_HANDLE_SIGNAL, raw, error);
}

void port::unhandle(const event_set& events) const {
    require_open();
    std::error_code error;
    unhandle(events, error);
    check(error, attempt::unhandle, printed(events));
}

void port::unhandle(const event_set& events, std::error_code& error) const noexcept {
    ::ipcshim_unhandle raw{};
    raw.codes[0] = events.words()[0];
    raw.codes[1] = events.words()[1];
    control(handle_, IPCSHIM_UNHANDLE_SIGNAL, raw, error);
}

bool port::is_handled(event_code code, pid_t pid) const {
    require_open();
    std::error_code error;
    const bool result = is_handled(code, pid, error);
    check(error, attempt::is_handled, detail::process_name(pid));
    return result;
}

bool port::is_handled(event_code code, pid_t pid, std::error_code& error) const noexcept {
    ::ipcshim_is_handled raw{};
    raw.pid = static_cast<std::uint32_t>(pid);
    raw.code = static_cast<std::uint16_t>(code);
    return control(handle_, IPCSHIM_IS_HANDLED, raw, error) && raw.handled != 0;
}

void port::ready() const {
    require_open();
    std::error_code error;
    ready(error);
    check(error, attempt::ready, {});
}

void port::ready(std::error_code& error) const noexcept {
    ::ipcshim_ready raw{};
    control(handle_, IPCSHIM_READY, raw, error);
}

void port::set_access(access who) const {
    require_open();
    std::error_code error;
    set_access(who, error);
    check(error, attempt::set_access, {});
}

void port::set_access(access who, std::error_code& error) const noexcept {
    ::ipcshim_access raw{};
    raw.access = static_cast<std::uint32_t>(who);
    control(handle_, IPCSHIM_SET_ACCESS, raw, error);
}

driver_info port::query() const {
    require_open();
    std::error_code error;
    const driver_info result = query(error);
    check(error, attempt::query, {});
    return result;
}

driver_info port::query(std::error_code& error) const noexcept {
    ::ipcshim_query raw{};
    if (!is_open()) {
        error = code_of(EBADF);
        return {};
    }
    return ask(*handle_.calls(), handle_.get(), raw, error) ? driver_info(raw) : driver_info();
}

// --- events -------------------------------------------------------------------

event port::read_event() const {
    // Without a deadline there is always one.
    return read_event(no_deadline).value_or(event());
}

std::optional<event> port::read_event(deadline until) const {
    for (;;) {
        if (auto next = try_read_event()) {
            return next;
        }
        // Another thread may take what this one was woken for: look again.
        if (!wait(until)) {
            return std::nullopt;
        }
    }
}

std::optional<event> port::try_read_event() const {
    event next;
    return try_read_events(std::span(&next, 1)) == 1 ? std::optional(next) : std::nullopt;
}

std::size_t port::read_events(std::span<event> events) const {
    require_open();
    std::error_code error;
    const std::size_t count = read_events(events, error);
    check(error, attempt::read_events, {});
    return count;
}

std::size_t port::read_events(std::span<event> events, std::error_code& error) const noexcept {
    for (;;) {
        const std::size_t count = try_read_events(events, error);
        if (count != 0 || error || events.empty() || !wait(no_deadline, error)) {
            return count;
        }
    }
}

std::size_t port::try_read_events(std::span<event> events) const {
    require_open();
    std::error_code error;
    const std::size_t count = try_read_events(events, error);
    check(error, attempt::read_events, {});
    return count;
}

std::size_t port::try_read_events(std::span<event> events, std::error_code& error) const noexcept {
    if (!handle_.is_open()) {
        error = code_of(EBADF);
        return 0;
    }
    error.clear();
    if (events.empty()) {
        return 0;
    }
    const ssize_t bytes = handle_.calls()->read(handle_.get(), events.data(), events.size_bytes());
    if (bytes == -EAGAIN || !succeeded(bytes, error)) {
        return 0;
    }
    const auto count = static_cast<std::size_t>(bytes) / sizeof(event);
    if (count == 0) {
        error = code_of(EPROTO);
    }
    return std::min(count, events.size());
}

bool port::wait(deadline until) const {
    require_open();
    std::error_code error;
    const bool result = wait(until, error);
    check(error, attempt::read_events, {});
    return result;
}

bool port::wait(deadline until, std::error_code& error) const noexcept {
    if (!handle_.is_open()) {
        error = code_of(EBADF);
        return false;
    }
    for (;;) {
        const deadline now = deadline::clock::now();
        const timespec left = detail::time_left(until, now);
        pollfd entry{.fd = handle_.get(), .events = POLLIN, .revents = 0};
        const int count =
            handle_.calls()->poll(std::span(&entry, 1), until == no_deadline ? nullptr : &left);
        if (!succeeded(count, error)) {
            return false;
        }
        if (count > 0) {
            if ((static_cast<unsigned>(entry.revents) & static_cast<unsigned>(POLLNVAL)) != 0) {
                error = code_of(EBADF);
                return false;
            }
            return true;
        }
        if (until <= now) {
            return false;
        }
    }
}

std::size_t port::events_waiting() const {
    require_open();
    int bytes = 0;
    std::error_code error;
    control(handle_, FIONREAD, bytes, error);
    check(error, attempt::read_events, {});
    return bytes < 0 ? 0 : static_cast<std::size_t>(bytes) / sizeof(event);
}

std::size_t port::dispatch(const event_handlers& handlers) const {
    std::size_t count = 0;
    // One by one, so that nothing taken is lost when a handler throws.
    while (const auto next = try_read_event()) {
        ++count;
        detail::deliver(*next, handlers);
    }
    return count;
}

std::ostream& operator<<(std::ostream& out, const port& value) {
    return value ? out << "port (descriptor " << value.fd() << ')' : out << "closed port";
}

} // namespace ipcshim
