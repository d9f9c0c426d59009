// SPDX-License-Identifier: MIT
#include <ipcshim/pipe.hpp>

#include <algorithm>
#include <cstdint>
#include <ostream>

#include "call.hpp"
#include "check_io.hpp"
#include "sentence.hpp"
#include "wait_time.hpp"

namespace ipcshim {

namespace detail {

pipe_base::pipe_base(adopt_fd_t /*tag*/, int fd, pipe_end expected, syscalls& calls) {
    ::ipcshim_pipe_info raw{};
    std::error_code error;
    const bool answered = succeeded(calls.ioctl(fd, IPCSHIM_PIPE_INFO, &raw), error);
    const ipcshim::pipe_info found(raw);
    if (answered && found.end() != expected) {
        error = code_of(EINVAL);
    }
    check(error, attempt::adopt,
          "descriptor " + std::to_string(fd) + " as a " + std::string(to_string(expected)));
    handle_ = handle(calls, fd);
    mode_ = found.mode();
}

void pipe_base::require_open() const {
    if (!is_open()) {
        used_closed("end of a pipe");
    }
}

int pipe_base::fd() const {
    require_open();
    return handle_.get();
}

int pipe_base::release() {
    require_open();
    return handle_.release();
}

pipe_info pipe_base::info() const {
    require_open();
    std::error_code error;
    const pipe_info result = info(error);
    check(error, attempt::info, {});
    return result;
}

pipe_info pipe_base::info(std::error_code& error) const noexcept {
    ::ipcshim_pipe_info raw{};
    return control(handle_, IPCSHIM_PIPE_INFO, raw, error) ? pipe_info(raw) : pipe_info();
}

token pipe_base::send_to(pid_t pid, const send_parameters& parameters) const {
    require_open();
    std::error_code error;
    const token result = send_to(pid, parameters, error);
    check(error, attempt::send_pipe, process_name(pid));
    return result;
}

token pipe_base::send_to(pid_t pid, const send_parameters& parameters,
                         std::error_code& error) const noexcept {
    if (pid <= 0) {
        error = code_of(is_open() ? EINVAL : EBADF);
        return no_token;
    }
    ::ipcshim_send_pipe raw{};
    raw.pid = static_cast<std::uint32_t>(pid);
    raw.flags = parameters.announce ? 0 : IPCSHIM_OPEN_SKIP;
    raw.command = parameters.command;
    raw.size_hint = parameters.size_hint;
    return control(handle_, IPCSHIM_SEND_PIPE, raw, error) ? token{raw.token} : no_token;
}

void pipe_base::close_pipe() const {
    require_open();
    std::error_code error;
    close_pipe(error);
    check(error, attempt::close_pipe, {});
}

void pipe_base::close_pipe(std::error_code& error) const noexcept {
    ::ipcshim_close_pipe raw{};
    control(handle_, IPCSHIM_CLOSE_PIPE, raw, error);
}

bool pipe_base::nonblocking() const {
    require_open();
    return detail::is_nonblocking(handle_);
}

void pipe_base::set_nonblocking(bool on) const {
    require_open();
    detail::make_nonblocking(handle_, on);
}

io_result pipe_base::transfer(unsigned long request, std::uint64_t address, std::size_t size,
                              io_mode mode, deadline until, std::error_code& error) const noexcept {
    ::ipcshim_pipe_io raw{};
    raw.buffer = address;
    raw.size = size;
    raw.deadline = to_kernel(until);
    raw.mode = static_cast<std::uint32_t>(mode);
    control(handle_, request, raw, error);
    return {raw, size};
}

} // namespace detail

using detail::attempt;
using detail::bytes_name;
using detail::check_io;

namespace {

std::uint64_t address_of(const void* pointer) noexcept {
    return reinterpret_cast<std::uintptr_t>(pointer);
}

} // namespace

sender::sender(adopt_fd_t tag, int fd, detail::syscalls& calls)
    : pipe_base(tag, fd, pipe_end::sender, calls) {}

io_result sender::write(std::span<const std::byte> bytes, io_mode mode) const {
    require_open();
    std::error_code error;
    const io_result result = write(bytes, mode, error);
    check_io(error, attempt::write, bytes_name(bytes.size()), result);
    return result;
}

io_result sender::write(std::span<const std::byte> bytes, io_mode mode,
                        std::error_code& error) const noexcept {
    return transfer(IPCSHIM_PIPE_WRITE, address_of(bytes.data()), bytes.size(), mode, no_deadline,
                    error);
}

io_result sender::write(std::span<const std::byte> bytes, deadline until) const {
    require_open();
    std::error_code error;
    const io_result result = write(bytes, until, error);
    check_io(error, attempt::write, bytes_name(bytes.size()), result);
    return result;
}

io_result sender::write(std::span<const std::byte> bytes, deadline until,
                        std::error_code& error) const noexcept {
    return transfer(IPCSHIM_PIPE_WRITE, address_of(bytes.data()), bytes.size(), io_mode::all, until,
                    error);
}

receiver::receiver(adopt_fd_t tag, int fd, detail::syscalls& calls)
    : pipe_base(tag, fd, pipe_end::receiver, calls) {}

io_result receiver::read(std::span<std::byte> buffer, io_mode mode) const {
    require_open();
    std::error_code error;
    const io_result result = read(buffer, mode, error);
    check_io(error, attempt::read, bytes_name(buffer.size()), result);
    return result;
}

io_result receiver::read(std::span<std::byte> buffer, io_mode mode,
                         std::error_code& error) const noexcept {
    return transfer(IPCSHIM_PIPE_READ, address_of(buffer.data()), buffer.size(), mode, no_deadline,
                    error);
}

io_result receiver::read(std::span<std::byte> buffer, deadline until) const {
    require_open();
    std::error_code error;
    const io_result result = read(buffer, until, error);
    check_io(error, attempt::read, bytes_name(buffer.size()), result);
    return result;
}

io_result receiver::read(std::span<std::byte> buffer, deadline until,
                         std::error_code& error) const noexcept {
    return transfer(IPCSHIM_PIPE_READ, address_of(buffer.data()), buffer.size(), io_mode::all,
                    until, error);
}

namespace {

// Enough for most messages, so that the kernel is asked once.
constexpr std::size_t first_try = 4096;

template <typename Container>
bool read_whole(const receiver& from, Container& message, deadline until) {
    if (!from.is_open()) {
        detail::used_closed("end of a pipe");
    }
    if (from.mode() != pipe_mode::message) {
        throw io_error(detail::code_of(EINVAL),
                       detail::sentence(detail::attempt::read, EINVAL, "a message"), io_result());
    }
    message.resize(std::max(message.capacity(), first_try));
    for (;;) {
        std::error_code error;
        const std::span<std::byte> buffer = std::as_writable_bytes(std::span(message));
        const io_result result = from.read(buffer, until, error);
        const bool grows = error == std::errc::message_size && buffer.size() < message_max &&
                           result.remains() > buffer.size();
        if (grows) {
            message.resize(std::min(result.remains(), message_max));
            continue;
        }
        message.resize(error ? 0 : result.moved());
        check_io(error, attempt::read, bytes_name(buffer.size()), result);
        // No message is empty, so nothing moved means that none will come.
        return result.moved() != 0;
    }
}

} // namespace

bool receiver::read_message(std::vector<std::byte>& message, deadline until) const {
    return read_whole(*this, message, until);
}

bool receiver::read_message(std::string& message, deadline until) const {
    return read_whole(*this, message, until);
}

std::ostream& operator<<(std::ostream& out, const sender& value) {
    return value ? out << "sender (descriptor " << value.fd() << ')' : out << "closed sender";
}

std::ostream& operator<<(std::ostream& out, const receiver& value) {
    return value ? out << "receiver (descriptor " << value.fd() << ')' : out << "closed receiver";
}

} // namespace ipcshim
