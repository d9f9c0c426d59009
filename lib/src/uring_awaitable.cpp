// SPDX-License-Identifier: MIT
#include <ipcshim/detail/uring_awaitable.hpp>

#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <string_view>

#include <ipcshim/detail/syscalls.hpp>
#include <ipcshim/error.hpp>

#include "uring_error.hpp"

namespace ipcshim::detail {

namespace {

std::uint64_t address_of(const void* pointer) noexcept {
    return reinterpret_cast<std::uintptr_t>(pointer);
}

void check(int error, std::string_view what) {
    if (error != 0) {
        throw std::system_error(code_of_errno(error), uring_sentence(what, error));
    }
}

std::uint32_t cause_of(int error) noexcept {
    switch (error) {
    case EPIPE:
        return IPCSHIM_CAUSE_CLOSED;
    case ETIMEDOUT:
        return IPCSHIM_CAUSE_DEADLINE;
    case EMSGSIZE:
        return IPCSHIM_CAUSE_TOO_LONG;
    case EFAULT:
        return IPCSHIM_CAUSE_FAULT;
    default:
        return IPCSHIM_CAUSE_NONE;
    }
}

io_result told_of(std::size_t moved, std::uint32_t cause, std::size_t size) noexcept {
    ::ipcshim_pipe_io raw{};
    raw.moved = moved;
    raw.cause = cause;
    return {raw, size};
}

void check_io(int error, std::string_view verb, const io_result& result) {
    if (error != 0) {
        std::string what(verb);
        if (result.moved() != 0) {
            what += " (after " + std::to_string(result.moved()) + " bytes)";
        }
        throw io_error(code_of_errno(error), uring_sentence(what, error), result);
    }
}

} // namespace

// --- pipes --------------------------------------------------------------------

bool uring_transfer::advance(int& result) noexcept {
    if (result < 0) {
        return result == -EINTR;
    }
    const auto count = std::min(static_cast<std::size_t>(result), request().size);
    ended_ = count == 0;
    moved_ += count;
    request().address += count;
    request().size -= count;
    return extent_ == uring_extent::all && !ended_ && request().size != 0;
}

io_result uring_transfer::told() const noexcept {
    return told_of(moved_, ended_ ? IPCSHIM_CAUSE_CLOSED : cause_of(error()), size_);
}

io_result uring_transfer::await_resume() {
    const io_result result = told();
    if (error_ != nullptr) {
        *error_ = code_of_errno(error());
        return result;
    }
    check_io(error(),
             request().what == uring_request::kind::read ? "read from the pipe"
                                                         : "write to the pipe",
             result);
    return result;
}

uring_message_base::uring_message_base(uring_state& loop, int fd, wait_limits limits) noexcept
    : uring_operation(loop, {.what = uring_request::kind::read, .fd = fd}, std::move(limits)) {}

void uring_message_base::begin(std::size_t capacity) {
    // Enough for most messages, so that the kernel is asked once.
    constexpr std::size_t first_try = 4096;
    const std::span<std::byte> buffer = resized(std::max(capacity, first_try));
    request().address = address_of(buffer.data());
    request().size = buffer.size();
}

bool uring_message_base::advance(int& result) noexcept {
    try {
        if (result == -EMSGSIZE && request().size < message_max) {
            // The message stays, so that it can be asked for its length.
            int length = 0;
            const int answer = real_syscalls().ioctl(request().fd, FIONREAD, &length);
            const auto wanted = answer < 0 ? message_max : static_cast<std::size_t>(length);
            const std::span<std::byte> buffer =
                resized(std::clamp(wanted, request().size + 1, message_max));
            request().address = address_of(buffer.data());
            request().size = buffer.size();
            return true;
        }
        if (result == -EINTR) {
            return true;
        }
        static_cast<void>(resized(result < 0 ? 0 : static_cast<std::size_t>(result)));
    } catch (const std::bad_alloc&) {
        result = -ENOMEM;
    }
    return false;
}

bool uring_message_base::await_resume() {
    check_io(error(), "read a message from the pipe", told_of(0, cause_of(error()), 0));
    // No message is empty, so nothing means that none will come.
    return result() != 0;
}

// --- ports, calls, and other descriptors -----------------------------------------

std::size_t uring_count::await_resume() {
    check(error(), request().what == uring_request::kind::read ? "read from the descriptor"
                                                               : "write to the descriptor");
    return static_cast<std::size_t>(result());
}

uring_events::uring_events(uring_state& loop, int fd, std::span<event> events,
                           wait_limits limits) noexcept
    : uring_operation(loop,
                      {.what = uring_request::kind::read,
                       .fd = fd,
                       .address = address_of(events.data()),
                       .size = events.size_bytes()},
                      std::move(limits)) {}

bool uring_events::nothing_to_do() const noexcept {
    return request().size == 0;
}

std::size_t uring_events::await_resume() {
    check(error(), "read events from the port");
    return static_cast<std::size_t>(result()) / sizeof(event);
}

uring_event::uring_event(uring_state& loop, int fd, wait_limits limits) noexcept
    : uring_operation(loop,
                      {.what = uring_request::kind::read,
                       .fd = fd,
                       .address = address_of(&event_),
                       .size = sizeof(event_)},
                      std::move(limits)) {}

event uring_event::await_resume() {
    const bool whole = error() != 0 || static_cast<std::size_t>(result()) == sizeof(event_);
    check(whole ? error() : EPROTO, "read an event from the port");
    return event_;
}

short uring_poll::await_resume() {
    check(error(), "poll the descriptor");
    return static_cast<short>(result());
}

uring_sleep::uring_sleep(uring_state& loop, deadline until, std::stop_token stop) noexcept
    : uring_operation(loop, {.what = uring_request::kind::sleep}, {until, std::move(stop)}) {}

bool uring_sleep::advance(int& result) noexcept {
    if (result == -ETIME) {
        result = 0;
    }
    return false;
}

void uring_sleep::await_resume() {
    check(error(), "sleep");
}

int uring_command::await_resume() {
    if (error_ != nullptr) {
        *error_ = code_of_errno(error());
    } else {
        check(error(), "make the call");
    }
    return result();
}

} // namespace ipcshim::detail
