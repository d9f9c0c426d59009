// SPDX-License-Identifier: MIT
#include <ipcshim/detail/uring_operation.hpp>

#include <linux/time_types.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <limits>
#include <stdexcept>
#include <type_traits>

#include "uring_state.hpp"
#include "wait_time.hpp"

namespace ipcshim::detail {

namespace {

// The kernel moves no more at once.
constexpr std::size_t request_max = std::size_t{1} << 30U;
// "Where the descriptor is", which is all that a pipe has.
constexpr std::uint64_t no_offset = std::numeric_limits<std::uint64_t>::max();

void* pointer_of(std::uint64_t address) noexcept {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): it was a pointer before
    return reinterpret_cast<void*>(address);
}

} // namespace

uring_operation::uring_operation(uring_state& loop, const uring_request& request,
                                 wait_limits limits) noexcept
    : loop_(&loop), request_(request), limits_(std::move(limits)) {}

uring_operation::~uring_operation() {
    // From here on no other thread knows it.
    callback_.reset();
    if (loop_ != nullptr) {
        loop_->forget(*this);
    }
}

void uring_operation::on_stop::operator()() const noexcept {
    operation->loop_->cancel(*operation);
}

bool uring_operation::await_suspend(std::coroutine_handle<> waiting) {
    if (loop_ == nullptr) {
        throw std::logic_error("the uring of an operation is gone");
    }
    if (limits_.stop().stop_requested()) {
        result_ = -ECANCELED;
        return false;
    }
    waiting_ = waiting;
    loop_->begin(*this);
    if (limits_.stop().stop_possible()) {
        cancellable_ = true;
        callback_.emplace(limits_.stop(), on_stop{this});
    }
    return true;
}

bool uring_operation::advance(int& result) noexcept {
    return result == -EINTR;
}

bool uring_operation::has_limit() const noexcept {
    return limits_.until() != no_deadline && request_.what != uring_request::kind::sleep;
}

void uring_operation::prepare(::io_uring_sqe& entry) noexcept {
    const auto size = static_cast<unsigned>(std::min(request_.size, request_max));
    switch (request_.what) {
    case uring_request::kind::read:
        ::io_uring_prep_read(&entry, request_.fd, pointer_of(request_.address), size, no_offset);
        break;
    case uring_request::kind::write:
        ::io_uring_prep_write(&entry, request_.fd, pointer_of(request_.address), size, no_offset);
        break;
    case uring_request::kind::poll:
        ::io_uring_prep_poll_add(&entry, request_.fd, request_.word);
        break;
    case uring_request::kind::sleep:
        set_time();
        ::io_uring_prep_timeout(&entry, reinterpret_cast<::__kernel_timespec*>(&time_), 0,
                                IORING_TIMEOUT_ABS);
        break;
    case uring_request::kind::command:
        ::io_uring_prep_rw(IORING_OP_URING_CMD, &entry, request_.fd, nullptr, 0, 0);
        // NOLINTBEGIN(cppcoreguidelines-pro-type-union-access): the kernel's structure
        entry.cmd_op = request_.word;
        entry.addr3 = request_.address; // the command's first 8 bytes
        // NOLINTEND(cppcoreguidelines-pro-type-union-access)
        break;
    }
}

void uring_operation::prepare_limit(::io_uring_sqe& entry) noexcept {
    set_time();
    ::io_uring_prep_link_timeout(&entry, reinterpret_cast<::__kernel_timespec*>(&time_),
                                 IORING_TIMEOUT_ABS);
}

void uring_operation::set_time() noexcept {
    static_assert(sizeof(time_) == sizeof(::__kernel_timespec));
    constexpr std::uint64_t second = 1'000'000'000;
    const std::uint64_t point = limits_.until() == no_deadline
                                    ? std::numeric_limits<std::int64_t>::max()
                                    : to_kernel(limits_.until());
    time_.tv_sec = static_cast<std::int64_t>(point / second);
    time_.tv_nsec = static_cast<std::int64_t>(point % second);
}

} // namespace ipcshim::detail
