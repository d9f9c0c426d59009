// SPDX-License-Identifier: MIT
#include "uring_state.hpp"

#include <poll.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "uring_error.hpp"
#include "wait_time.hpp"

namespace ipcshim::detail {

namespace {

// What the kernel gives back with a completion: the address of an operation, and in
// the two lowest bits what of it.
constexpr std::uint64_t of_cancel = 1;
constexpr std::uint64_t of_nobody = 0;
constexpr std::uint64_t of_wake = 2;

std::uint64_t name_of(const uring_operation& operation) noexcept {
    return reinterpret_cast<std::uintptr_t>(&operation);
}

uring_operation& operation_of(std::uint64_t name) noexcept {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): it was an address before
    return *reinterpret_cast<uring_operation*>(name & ~of_cancel);
}

} // namespace

ring_handle::ring_handle(unsigned entries) {
    // The best that this kernel has.
    constexpr std::array<unsigned, 3> choices{
        IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
        IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, 0};
    int answer = -EINVAL;
    for (const unsigned flags : choices) {
        if (answer == -EINVAL) {
            answer = ::io_uring_queue_init(entries, &ring_, flags);
        }
    }
    if (answer < 0) {
        throw std::system_error(code_of_errno(-answer), uring_sentence("make a uring", -answer));
    }
}

// NOLINTNEXTLINE(readability-convert-member-functions-to-static): coroutines ask an object
void uring_root::promise_type::final_awaiter::await_suspend(
    std::coroutine_handle<promise_type> finished) const noexcept {
    promise_type& root = finished.promise();
    root.loop_->finished(root);
}

namespace {

// NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters): the loop owns it
uring_root root_of(uring_state& /*loop*/, task<> work) {
    co_await std::move(work);
}

} // namespace

uring_state::uring_state(unsigned entries) : ring_(entries) {
    const int wake = real_syscalls().eventfd();
    if (wake < 0) {
        throw std::system_error(code_of_errno(-wake), uring_sentence("make a uring", -wake));
    }
    wake_ = handle(real_syscalls(), wake);
}

uring_state::~uring_state() {
    for (roots* list : {&starting_, &roots_, &finished_}) {
        while (!list->alone()) {
            destroy(list->first());
        }
    }
    // What others' coroutines wait for; they are never resumed.
    for (operations* list : {&pending_, &flying_, &ready_}) {
        while (!list->alone()) {
            uring_operation& operation = list->first();
            operation.callback_.reset();
            forget(operation);
            operation.loop_ = nullptr;
        }
    }
}

// --- tasks --------------------------------------------------------------------

uring_root::promise_type& uring_state::spawn(task<> work) {
    if (!work) {
        throw std::logic_error("an empty task was spawned");
    }
    uring_root::promise_type& root = *root_of(*this, std::move(work)).promise;
    root.place().join(starting_);
    ++tasks_;
    return root;
}

void uring_state::destroy(uring_root::promise_type& root) noexcept {
    --tasks_;
    root.frame().destroy();
}

void uring_state::bury_finished() {
    while (!finished_.alone()) {
        uring_root::promise_type& root = finished_.first();
        const std::exception_ptr failure = root.failure();
        destroy(root);
        if (failure) {
            std::rethrow_exception(failure);
        }
    }
}

void uring_state::enter() {
    require_thread();
    if (running_) {
        throw std::logic_error("a uring was run from within a task of it");
    }
    running_ = true;
}

void uring_state::require_thread() const {
    if (thread_ != std::this_thread::get_id()) {
        throw std::logic_error("a uring was used by another thread than the one that made it");
    }
}

void uring_state::wake() noexcept {
    const std::uint64_t one = 1;
    // Full (EAGAIN): it is awake by then.
    static_cast<void>(wake_.calls()->write(wake_.get(), &one, sizeof(one)));
}

void uring_state::stop() noexcept {
    stopping_ = true;
    wake();
}

bool uring_state::anything_under_way() const noexcept {
    return tasks_ != 0 || !pending_.alone() || !flying_.alone() || !ready_.alone();
}

bool uring_state::anybody_ready() const noexcept {
    return !ready_.alone() || !starting_.alone();
}

std::size_t uring_state::turn(deadline until) {
    bury_finished(); // one task may end another, with an exception each
    if (!anything_under_way()) {
        return 0;
    }
    submit_cancels();
    submit_pending();
    watch_wake();
    const int error = submit(!anybody_ready() && !stopping_, until);
    if (error != 0 && error != -ETIME) {
        throw std::system_error(code_of_errno(-error), uring_sentence("run a uring", -error));
    }
    reap();
    return resume_ready();
}

std::size_t uring_state::resume_ready() {
    // Those that are ready now; who becomes ready by them comes with the next turn.
    operations now;
    roots first;
    now.take_in_front(ready_);
    first.take_in_front(starting_);
    std::size_t resumed = 0;
    try {
        while (!now.alone()) {
            uring_operation& operation = now.first();
            operation.place_.leave();
            operation.stage_ = stage::idle;
            ++resumed;
            operation.waiting_.resume(); // and the operation may be gone
            bury_finished();
        }
        while (!first.alone()) {
            uring_root::promise_type& root = first.first();
            root.place().join(roots_);
            ++resumed;
            root.frame().resume();
            bury_finished();
        }
    } catch (...) {
        ready_.take_in_front(now);
        starting_.take_in_front(first);
        throw;
    }
    return resumed;
}

// --- operations -----------------------------------------------------------------

void uring_state::begin(uring_operation& operation) {
    require_thread();
    operation.stage_ = stage::pending;
    operation.place_.join(pending_);
}

void uring_state::cancel(uring_operation& operation) noexcept {
    {
        const std::lock_guard lock(cancels_);
        operation.cancel_place_.join(to_cancel_);
        to_cancel_any_ = true;
    }
    if (thread_ != std::this_thread::get_id()) {
        wake();
    }
}

void uring_state::make_ready(uring_operation& operation) noexcept {
    operation.stage_ = stage::ready;
    operation.place_.join(ready_);
}

void uring_state::forget(uring_operation& operation) noexcept {
    operation.abandoned_ = true;
    // A cancellation can miss a request that goes from one state to the next: again, then.
    constexpr std::chrono::milliseconds patience{100};
    while (operation.stage_ == stage::flying) {
        cancel(operation);
        submit_cancels();
        const deadline again = deadline::clock::now() + patience;
        while (operation.stage_ == stage::flying && submit_surely(true, again)) {
            reap();
        }
    }
    if (operation.cancellable_ || operation.cancelled_) {
        const std::lock_guard lock(cancels_);
        operation.cancel_place_.leave();
    }
    operation.place_.leave();
    operation.stage_ = stage::idle;
}

::io_uring_sqe* uring_state::slot() noexcept {
    return ::io_uring_get_sqe(&ring_.get());
}

bool uring_state::make_room(unsigned entries) noexcept {
    if (::io_uring_sq_space_left(&ring_.get()) < entries) {
        submit_surely(false, no_deadline);
    }
    return ::io_uring_sq_space_left(&ring_.get()) >= entries;
}

int uring_state::submit(bool wait, deadline until) noexcept {
    ::io_uring& ring = ring_.get();
    int answer = 0;
    if (!wait) {
        answer = ::io_uring_submit_and_get_events(&ring);
    } else if (until == no_deadline) {
        answer = ::io_uring_submit_and_wait(&ring, 1);
    } else {
        const timespec left = time_left(until, deadline::clock::now());
        ::__kernel_timespec time{.tv_sec = left.tv_sec, .tv_nsec = left.tv_nsec};
        ::io_uring_cqe* first = nullptr;
        answer = ::io_uring_submit_and_wait_timeout(&ring, &first, 1, &time, nullptr);
    }
    switch (answer) {
    case -EINTR:  // a signal
    case -EAGAIN: // no memory now: what could not be submitted waits in the ring
    case -EBUSY:  // completions come first
        return 0;
    default:
        return answer < 0 ? answer : 0;
    }
}

bool uring_state::submit_surely(bool wait, deadline until) noexcept {
    const int error = submit(wait, until);
    if (error != 0 && error != -ETIME) {
        std::terminate();
    }
    return error == 0;
}

void uring_state::watch_wake() noexcept {
    if (watching_ || !make_room(1)) {
        return;
    }
    ::io_uring_sqe* const entry = slot();
    ::io_uring_prep_poll_add(entry, wake_.get(), POLLIN);
    entry->user_data = of_wake;
    watching_ = true;
}

uring_operation* uring_state::next_to_cancel() noexcept {
    const std::lock_guard lock(cancels_);
    if (to_cancel_.alone()) {
        to_cancel_any_ = false;
        return nullptr;
    }
    uring_operation& first = to_cancel_.first();
    first.cancel_place_.leave();
    return &first;
}

void uring_state::submit_cancels() noexcept {
    while (to_cancel_any_) {
        uring_operation* const operation = next_to_cancel();
        if (operation == nullptr) {
            return;
        }
        operation->cancelled_ = true;
        if (operation->stage_ == stage::pending) {
            operation->result_ = -ECANCELED;
            make_ready(*operation);
        }
        while (operation->stage_ == stage::flying && !make_room(1)) {
            reap();
        }
        if (operation->stage_ == stage::flying && !operation->answered_) {
            ::io_uring_sqe* const entry = slot();
            ::io_uring_prep_cancel64(entry, name_of(*operation), 0);
            entry->user_data = name_of(*operation) | of_cancel;
            ++operation->cancelling_;
        }
    }
}

void uring_state::submit_pending() noexcept {
    while (!pending_.alone()) {
        uring_operation& operation = pending_.first();
        const bool limited = operation.has_limit();
        if (!make_room(limited ? 2 : 1)) {
            return; // the rest with the next turn
        }
        ::io_uring_sqe* const entry = slot();
        operation.prepare(*entry);
        entry->user_data = name_of(operation);
        operation.answered_ = false;
        operation.stage_ = stage::flying;
        operation.place_.join(flying_);
        if (limited) {
            entry->flags |= IOSQE_IO_LINK;
            ::io_uring_sqe* const limit = slot();
            operation.prepare_limit(*limit);
            limit->user_data = of_nobody;
        }
    }
}

void uring_state::reap() noexcept {
    std::array<::io_uring_cqe*, 64> entries{};
    for (;;) {
        const unsigned count = ::io_uring_peek_batch_cqe(&ring_.get(), entries.data(),
                                                         static_cast<unsigned>(entries.size()));
        if (count == 0) {
            return;
        }
        for (unsigned i = 0; i < count; ++i) {
            const std::uint64_t name = entries[i]->user_data;
            const int result = entries[i]->res;
            if (name == of_nobody) {
                continue;
            }
            if (name == of_wake) {
                std::uint64_t times = 0;
                static_cast<void>(wake_.calls()->read(wake_.get(), &times, sizeof(times)));
                watching_ = false;
                continue;
            }
            uring_operation& operation = operation_of(name);
            if ((name & of_cancel) != 0) {
                --operation.cancelling_;
                if (result == -ENOENT && !operation.answered_) {
                    cancel(operation); // it was between two states
                }
            } else {
                operation.answered_ = true;
                operation.result_ = result;
            }
            if (operation.answered_ && operation.cancelling_ == 0) {
                settle(operation);
            }
        }
        ::io_uring_cq_advance(&ring_.get(), count);
    }
}

void uring_state::settle(uring_operation& operation) noexcept {
    operation.place_.leave();
    operation.stage_ = stage::idle;
    if (operation.abandoned_) {
        return;
    }
    int result = operation.result_;
    const bool interrupted = result == -ECANCELED || result == -EINTR;
    if (interrupted && operation.cancelled_) {
        result = -ECANCELED;
    } else if (interrupted && operation.has_limit() &&
               deadline::clock::now() >= operation.limits_.until()) {
        result = -ETIMEDOUT;
    }
    const bool again = operation.advance(result);
    operation.result_ = result;
    if (!again) {
        make_ready(operation);
    } else if (operation.cancelled_) {
        operation.result_ = -ECANCELED;
        make_ready(operation);
    } else {
        operation.stage_ = stage::pending;
        operation.place_.join(pending_);
    }
}

} // namespace ipcshim::detail
