// SPDX-License-Identifier: MIT
//
// The master; pty_spawn.cpp has what runs on its slave.
#include <ipcshim/pty.hpp>

#include <cerrno>
#include <ostream>

#include "call.hpp"
#include "sentence.hpp"
#include "terminal.hpp"

namespace ipcshim {

using detail::attempt;
using detail::check;
using detail::code_of;
using detail::control;
using detail::control_by_value;
using detail::succeeded;

pty::pty(adopt_fd_t /*tag*/, int fd, detail::syscalls& calls) {
    // Nobody has the pid 0, so this does nothing; and only a master of ipcshim
    // knows the call at all.
    ::ipcshim_send_pty nothing{};
    unsigned index = 0;
    struct ::stat found = {};
    std::error_code error;
    succeeded(calls.ioctl(fd, IPCSHIM_SEND_PTY, &nothing), error);
    if (error == std::errc::invalid_argument) {
        succeeded(calls.ioctl(fd, TIOCGPTN, &index), error);
    }
    if (!error) {
        succeeded(calls.fstat(fd, found), error);
    }
    check(error, attempt::adopt, "descriptor " + std::to_string(fd) + " as a pty");
    handle_ = detail::handle(calls, fd);
    facts_ = {.index = index, .inode = found.st_ino};
}

void pty::require_open() const {
    if (!is_open()) {
        detail::used_closed("pty");
    }
}

int pty::fd() const {
    require_open();
    return handle_.get();
}

int pty::release() {
    require_open();
    return handle_.release();
}

std::string pty::slave_path() const {
    return detail::slave_path(index());
}

std::string pty::subject() const {
    return slave_path();
}

// --- the line -------------------------------------------------------------------

std::size_t pty::read(std::span<std::byte> buffer) const {
    require_open();
    std::error_code error;
    const std::size_t count = read(buffer, error);
    check(error, attempt::read_pty, subject());
    return count;
}

std::size_t pty::read(std::span<std::byte> buffer, std::error_code& error) const noexcept {
    if (!is_open()) {
        error = code_of(EBADF);
        return 0;
    }
    error.clear();
    const ssize_t count = handle_.calls()->read(handle_.get(), buffer.data(), buffer.size());
    if (count == -EIO || !succeeded(count, error)) {
        return 0;
    }
    return static_cast<std::size_t>(count);
}

std::size_t pty::write(std::span<const std::byte> bytes) const {
    require_open();
    std::error_code error;
    const std::size_t count = write(bytes, error);
    check(error, attempt::write_pty, std::to_string(bytes.size()) + " bytes to " + subject());
    return count;
}

std::size_t pty::write(std::span<const std::byte> bytes, std::error_code& error) const noexcept {
    if (!is_open()) {
        error = code_of(EBADF);
        return 0;
    }
    // The module itself waits until all is written.
    const ssize_t count = handle_.calls()->write(handle_.get(), bytes.data(), bytes.size());
    return succeeded(count, error) ? static_cast<std::size_t>(count) : 0;
}

window_size pty::size() const {
    require_open();
    std::error_code error;
    const window_size result = detail::get_size(handle_, error);
    check(error, attempt::window_size, subject());
    return result;
}

void pty::resize(const window_size& wanted) const {
    require_open();
    std::error_code error;
    resize(wanted, error);
    check(error, attempt::resize, subject());
}

void pty::resize(const window_size& wanted, std::error_code& error) const noexcept {
    detail::set_size(handle_, wanted, error);
}

void pty::set_packet_mode(bool on) const {
    require_open();
    int wanted = on ? 1 : 0;
    std::error_code error;
    control(handle_, TIOCPKT, wanted, error);
    check(error, attempt::packet_mode, subject());
}

void pty::signal_foreground(int signo) const {
    require_open();
    std::error_code error;
    control_by_value(handle_, TIOCSIG, static_cast<unsigned>(signo), error);
    check(error, attempt::signal_foreground, subject());
}

pid_t pty::foreground() const {
    require_open();
    pid_t group = 0;
    std::error_code error;
    control(handle_, TIOCGPGRP, group, error);
    check(error, attempt::foreground, subject());
    return group;
}

bool pty::nonblocking() const {
    require_open();
    return detail::is_nonblocking(handle_);
}

void pty::set_nonblocking(bool on) const {
    require_open();
    detail::make_nonblocking(handle_, on);
}

// --- the slave ------------------------------------------------------------------

pty_slave pty::open_slave(bool nonblocking) const {
    require_open();
    std::error_code error;
    pty_slave result = open_slave(nonblocking, error);
    check(error, attempt::open_slave, subject());
    return result;
}

pty_slave pty::open_slave(bool nonblocking, std::error_code& error) const noexcept {
    const int fd = control_by_value(handle_, TIOCGPTPEER, detail::slave_flags(nonblocking), error);
    if (error) {
        return {};
    }
    detail::handle opened(*handle_.calls(), fd);
    std::uint64_t inode = slave_inode();
    if (inode == 0) {
        struct ::stat found = {};
        if (!succeeded(handle_.calls()->fstat(fd, found), error)) {
            return {};
        }
        inode = found.st_ino;
    }
    return {std::move(opened), index(), inode};
}

void pty::lock() const {
    require_open();
    int locked = 1;
    std::error_code error;
    control(handle_, TIOCSPTLCK, locked, error);
    check(error, attempt::lock_pty, subject());
}

void pty::unlock() const {
    require_open();
    int locked = 0;
    std::error_code error;
    control(handle_, TIOCSPTLCK, locked, error);
    check(error, attempt::lock_pty, subject());
}

bool pty::is_locked() const {
    require_open();
    int locked = 0;
    std::error_code error;
    control(handle_, TIOCGPTLCK, locked, error);
    check(error, attempt::lock_pty, subject());
    return locked != 0;
}

token pty::send_to(pid_t pid, const send_pty_parameters& parameters) const {
    require_open();
    std::error_code error;
    const token result = send_to(pid, parameters, error);
    check(error, attempt::send_pty, detail::process_name(pid));
    return result;
}

token pty::send_to(pid_t pid, const send_pty_parameters& parameters,
                   std::error_code& error) const noexcept {
    if (pid <= 0) {
        error = code_of(is_open() ? EINVAL : EBADF);
        return no_token;
    }
    ::ipcshim_send_pty raw{};
    raw.pid = static_cast<std::uint32_t>(pid);
    raw.flags = parameters.announce ? 0 : IPCSHIM_OPEN_SKIP;
    raw.command = parameters.command;
    return control(handle_, IPCSHIM_SEND_PTY, raw, error) ? token{raw.token} : no_token;
}

std::ostream& operator<<(std::ostream& out, const pty& value) {
    return value ? out << "master of " << value.slave_path() : out << "closed pty";
}

} // namespace ipcshim
