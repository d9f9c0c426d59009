// SPDX-License-Identifier: MIT
#include "ready_set.hpp"

#include <array>

#include "call.hpp"
#include "wait_time.hpp"

namespace ipcshim::detail {

namespace {

::epoll_event event_of(std::uint64_t key, bool once) noexcept {
    ::epoll_event wanted{};
    wanted.events = static_cast<std::uint32_t>(EPOLLIN) | static_cast<std::uint32_t>(EPOLLRDHUP) |
                    (once ? static_cast<std::uint32_t>(EPOLLONESHOT) : 0U);
    wanted.data.u64 = key; // NOLINT(cppcoreguidelines-pro-type-union-access): ours alone
    return wanted;
}

} // namespace

ready_set::ready_set(syscalls& calls, attempt what, const std::string& subject) {
    std::error_code error;
    const int set = calls.epoll_create();
    if (succeeded(set, error)) {
        set_ = handle(calls, set);
        const int wake = calls.eventfd();
        if (succeeded(wake, error)) {
            wake_ = handle(calls, wake);
            add(wake, woken, false, error);
        }
    }
    check(error, what, subject);
}

std::optional<std::uint64_t> ready_set::wait(deadline until) const {
    for (;;) {
        const timespec left = time_left(until, deadline::clock::now());
        // One at a time: what else is ready is for other threads.
        std::array<::epoll_event, 1> found{};
        const int count =
            calls().epoll_wait(set_.get(), found, until == no_deadline ? nullptr : &left);
        if (count > 0) {
            // NOLINTNEXTLINE(cppcoreguidelines-pro-type-union-access): ours alone
            const std::uint64_t key = found[0].data.u64; // of a packed structure
            return key;
        }
        if (count == 0) {
            return std::nullopt;
        }
        std::error_code error;
        if (count != -EINTR && !succeeded(count, error)) {
            check(error, attempt::dispatch, {});
        }
    }
}

void ready_set::add(int fd, std::uint64_t key, bool once, std::error_code& error) const noexcept {
    succeeded(calls().epoll_ctl(set_.get(), EPOLL_CTL_ADD, fd, event_of(key, once)), error);
}

void ready_set::arm(int fd, std::uint64_t key, bool once) const noexcept {
    // Fails only for one that was removed in between.
    static_cast<void>(calls().epoll_ctl(set_.get(), EPOLL_CTL_MOD, fd, event_of(key, once)));
}

void ready_set::remove(int fd) const noexcept {
    static_cast<void>(calls().epoll_ctl(set_.get(), EPOLL_CTL_DEL, fd, {}));
}

void ready_set::wake() const noexcept {
    const std::uint64_t one = 1;
    static_cast<void>(calls().write(wake_.get(), &one, sizeof(one)));
}

void ready_set::calm() const noexcept {
    std::uint64_t counter = 0;
    static_cast<void>(calls().read(wake_.get(), &counter, sizeof(counter)));
}

} // namespace ipcshim::detail
