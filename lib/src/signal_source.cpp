// SPDX-License-Identifier: MIT
#include <ipcshim/signal.hpp>

#include <sys/signalfd.h>

#include <array>
#include <cerrno>
#include <string>

#include "call.hpp"
#include "sentence.hpp"
#include "wait_time.hpp"

namespace ipcshim {

namespace {

sigset_t only(int signo) noexcept {
    sigset_t set{};
    sigemptyset(&set);
    sigaddset(&set, signo);
    return set;
}

void drain(detail::syscalls& calls, int fd) noexcept {
    std::array<signalfd_siginfo, 16> taken{};
    while (calls.read(fd, taken.data(), sizeof(taken)) > 0) {
    }
}

} // namespace

signal_source::signal_source(const port& source, const event_set& events, int signo,
                             detail::syscalls& calls)
    : port_(&source), calls_(&calls), events_(events), signo_(signo) {
    const std::string subject = "signal " + std::to_string(signo);
    if (signo < SIGRTMIN || signo > SIGRTMAX) {
        detail::check(detail::code_of(EINVAL), detail::attempt::signal_source, subject);
    }
    const sigset_t mine = only(signo);
    sigset_t before{};
    std::error_code error;
    detail::succeeded(calls.signal_mask(SIG_BLOCK, &mine, &before), error);
    detail::check(error, detail::attempt::signal_source, subject);
    was_blocked_ = sigismember(&before, signo) == 1;
    try {
        const int fd = calls.signalfd(mine);
        detail::succeeded(fd, error);
        detail::check(error, detail::attempt::signal_source, subject);
        signals_ = detail::handle(calls, fd);
        source.handle(events, notify::signal(signo, calls.gettid()));
        source.ready(error);
        if (error != std::errc::connection_already_in_progress) {
            detail::check(error, detail::attempt::ready, {});
        }
    } catch (...) {
        if (!was_blocked_) {
            calls.signal_mask(SIG_UNBLOCK, &mine, nullptr);
        }
        throw;
    }
}

signal_source::~signal_source() {
    std::error_code ignored; // the port may be closed by now
    port_->handle(events_, notify::none(), ignored);
    drain(*calls_, signals_.get());
    if (!was_blocked_) {
        const sigset_t mine = only(signo_);
        calls_->signal_mask(SIG_UNBLOCK, &mine, nullptr);
    }
}

std::size_t signal_source::read_events(std::span<event> events) {
    // In this order: an event that comes in between raises a new signal.
    drain(*calls_, signals_.get());
    return port_->try_read_events(events);
}

std::optional<signal_payload> signal_source::wait(deadline until) {
    std::error_code error;
    auto payload = wait(until, error);
    detail::check(error, detail::attempt::signal_source, "signal " + std::to_string(signo_));
    return payload;
}

std::optional<signal_payload> signal_source::wait(deadline until, std::error_code& error) noexcept {
    const sigset_t mine = only(signo_);
    for (;;) {
        const deadline now = deadline::clock::now();
        const timespec left = detail::time_left(until, now);
        siginfo_t info{};
        const int taken = calls_->sigtimedwait(mine, info, until == no_deadline ? nullptr : &left);
        if (taken == -EAGAIN) {
            error.clear();
            if (until <= now) {
                return std::nullopt;
            }
            continue;
        }
        if (!detail::succeeded(taken, error)) {
            return std::nullopt;
        }
        if (auto payload = signal_payload::from(info)) {
            return payload;
        }
    }
}

} // namespace ipcshim
