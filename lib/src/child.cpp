// SPDX-License-Identifier: MIT
#include <ipcshim/child.hpp>

#include <sys/wait.h>

#include <cerrno>
#include <ostream>
#include <span>
#include <string>

#include "call.hpp"
#include "sentence.hpp"
#include "wait_time.hpp"

namespace ipcshim {

using detail::attempt;
using detail::check;
using detail::code_of;
using detail::succeeded;

child& child::operator=(child&& other) noexcept {
    if (this != &other) {
        detach();
        handle_ = std::move(other.handle_);
        pid_ = std::exchange(other.pid_, 0);
        end_ = std::exchange(other.end_, std::nullopt);
    }
    return *this;
}

void child::require_open() const {
    if (!is_open()) {
        detail::used_closed("child");
    }
}

int child::fd() const {
    require_open();
    return handle_.get();
}

std::string child::subject() const {
    return "process " + std::to_string(pid_);
}

std::optional<child_end> child::take(bool waiting, std::error_code& error) noexcept {
    if (!is_open()) {
        error = code_of(EBADF);
        return std::nullopt;
    }
    error.clear();
    if (end_) {
        return end_;
    }
    siginfo_t info{};
    const int options =
        waiting ? WEXITED
                : static_cast<int>(static_cast<unsigned>(WEXITED) | static_cast<unsigned>(WNOHANG));
    if (!succeeded(handle_.calls()->wait_child(handle_.get(), info, options), error) ||
        info.si_pid == 0) { // NOLINT(cppcoreguidelines-pro-type-union-access): POSIX's
        return std::nullopt;
    }
    end_ = child_end{.how = info.si_code == CLD_EXITED ? how::exited : how::killed,
                     // NOLINTNEXTLINE(cppcoreguidelines-pro-type-union-access): POSIX's
                     .status = info.si_status};
    return end_;
}

child_end child::wait() {
    require_open();
    std::error_code error;
    const child_end result = wait(error);
    check(error, attempt::wait_child, subject());
    return result;
}

child_end child::wait(std::error_code& error) noexcept {
    return take(true, error).value_or(child_end());
}

std::optional<child_end> child::wait(deadline until) {
    require_open();
    std::error_code error;
    const std::optional<child_end> result = wait(until, error);
    check(error, attempt::wait_child, subject());
    return result;
}

std::optional<child_end> child::wait(deadline until, std::error_code& error) noexcept {
    for (;;) {
        const deadline now = deadline::clock::now();
        const auto result = take(false, error);
        if (result || error) {
            return result;
        }
        const timespec left = detail::time_left(until, now);
        pollfd entry{.fd = handle_.get(), .events = POLLIN, .revents = 0};
        const int count =
            handle_.calls()->poll(std::span(&entry, 1), until == no_deadline ? nullptr : &left);
        if (!succeeded(count, error) || (count == 0 && until <= now)) {
            return std::nullopt;
        }
    }
}

std::optional<child_end> child::try_wait() {
    require_open();
    std::error_code error;
    const std::optional<child_end> result = try_wait(error);
    check(error, attempt::wait_child, subject());
    return result;
}

std::optional<child_end> child::try_wait(std::error_code& error) noexcept {
    return take(false, error);
}

void child::kill(int signo) const {
    require_open();
    std::error_code error;
    kill(signo, error);
    check(error, attempt::kill_child, subject());
}

void child::kill(int signo, std::error_code& error) const noexcept {
    if (!is_open()) {
        error = code_of(EBADF);
        return;
    }
    succeeded(handle_.calls()->signal_child(handle_.get(), signo), error);
}

void child::detach() noexcept {
    if (!is_open()) {
        return;
    }
    std::error_code error;
    if (!take(false, error) && !error) {
        handle_.calls()->reap_later(handle_.release());
    }
    handle_.reset();
    end_.reset();
    pid_ = 0;
}

std::ostream& operator<<(std::ostream& out, const child_end& value) {
    if (value.how == how::exited) {
        return out << "exited with code " << value.status;
    }
    return out << value.how << " by signal " << value.status;
}

std::ostream& operator<<(std::ostream& out, const child& value) {
    return value ? out << "process " << value.pid() : out << "no process";
}

} // namespace ipcshim
