// SPDX-License-Identifier: MIT
//
// How a command comes to run on a pseudo terminal.
#include <ipcshim/pty.hpp>

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include "call.hpp"
#include "prepared_command.hpp"
#include "sentence.hpp"
#include "start_child.hpp"
#include "terminal.hpp"

namespace ipcshim {

using detail::attempt;
using detail::child_step;
using detail::succeeded;

namespace {

// The kernel tells a device in 32 bits, stat(2) in 64.
dev_t device_from_kernel(unsigned device) noexcept {
    constexpr unsigned minor_low = 0xff;
    constexpr unsigned major_mask = 0xfff;
    constexpr unsigned major_shift = 8;
    constexpr unsigned minor_shift = 12;
    return makedev((device >> major_shift) & major_mask,
                   (device & minor_low) | ((device >> minor_shift) & ~minor_low));
}

bool is_terminal(detail::syscalls& calls, int fd, dev_t device) noexcept {
    struct ::stat found = {};
    return calls.fstat(fd, found) == 0 && S_ISCHR(found.st_mode) && found.st_rdev == device;
}

// The slave by its path, where that leads to it. Nothing that is something else
// is opened but by O_PATH, which does nothing to it.
detail::handle open_by_path(const detail::handle& master, const char* path) noexcept {
    detail::syscalls& calls = *master.calls();
    unsigned raw = 0;
    std::error_code error;
    if (!detail::control(master, TIOCGDEV, raw, error)) {
        return {};
    }
    const dev_t device = device_from_kernel(raw);
    const auto place = static_cast<unsigned>(O_PATH) | static_cast<unsigned>(O_CLOEXEC);
    const detail::handle looked_at(calls, calls.open(path, static_cast<int>(place)));
    if (!looked_at.is_open() || !is_terminal(calls, looked_at.get(), device)) {
        return {};
    }
    detail::handle opened(calls, calls.open(path, static_cast<int>(detail::slave_flags(false))));
    if (opened.is_open() && !is_terminal(calls, opened.get(), device)) {
        opened.reset();
    }
    return opened;
}

detail::handle open_terminal(const detail::handle& master, const std::string& path,
                             std::error_code& error) noexcept {
    detail::handle opened = open_by_path(master, path.c_str());
    if (opened.is_open()) {
        error.clear();
        return opened;
    }
    const int fd = detail::control_by_value(master, TIOCGPTPEER, detail::slave_flags(false), error);
    return error ? detail::handle() : detail::handle(*master.calls(), fd);
}

attempt attempt_of(child_step step) noexcept {
    switch (step) {
    case child_step::terminal:
        return attempt::spawn_terminal;
    case child_step::directory:
        return attempt::spawn_directory;
    case child_step::program:
        return attempt::spawn_program;
    case child_step::none:
    case child_step::process:
    case child_step::descriptors:
        break;
    }
    return attempt::spawn_process;
}

} // namespace

child pty::spawn(const command& what) const {
    require_open();
    const detail::prepared_command prepared(what, environ);
    std::error_code error;
    const detail::handle terminal = open_terminal(handle_, slave_path(), error);
    detail::check(error, attempt::open_slave, subject());
    int pidfd = -1;
    detail::child_failure failure;
    const pid_t pid = handle_.calls()->start(prepared.plan(terminal.get()), pidfd, failure);
    if (!succeeded(pid, error)) {
        const attempt tried = attempt_of(failure.step);
        detail::check(error, tried,
                      tried == attempt::spawn_terminal    ? subject()
                      : tried == attempt::spawn_directory ? prepared.directory()
                                                          : prepared.program());
    }
    return {detail::handle(*handle_.calls(), pidfd), pid};
}

} // namespace ipcshim
