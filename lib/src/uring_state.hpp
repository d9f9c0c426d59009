// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_URING_STATE_HPP
#define IPCSHIM_SRC_URING_STATE_HPP

#include <liburing.h>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>

#include <ipcshim/detail/handle.hpp>
#include <ipcshim/detail/uring_operation.hpp>
#include <ipcshim/task.hpp>

namespace ipcshim::detail {

/// An io_uring, set up.
class ring_handle final {
public:
    explicit ring_handle(unsigned entries);
    ring_handle(const ring_handle&) = delete;
    ring_handle(ring_handle&&) = delete;
    ring_handle& operator=(const ring_handle&) = delete;
    ring_handle& operator=(ring_handle&&) = delete;
    ~ring_handle() { ::io_uring_queue_exit(&ring_); }

    [[nodiscard]] ::io_uring& get() noexcept { return ring_; }

private:
    ::io_uring ring_{};
};

class uring_state;

/// The outermost coroutine of a spawned task; the loop owns it by the list it is in.
struct uring_root final {
    class promise_type final {
    public:
        struct final_awaiter : std::suspend_always {
            void await_suspend(std::coroutine_handle<promise_type> finished) const noexcept;
        };

        // The coroutine's parameters.
        promise_type(uring_state& loop, const task<>& /*work*/) noexcept : loop_(&loop) {}

        [[nodiscard]] uring_root get_return_object() noexcept { return {this}; }
        // NOLINTBEGIN(readability-convert-member-functions-to-static): coroutines ask an object
        [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
        [[nodiscard]] final_awaiter final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        // NOLINTEND(readability-convert-member-functions-to-static)
        void unhandled_exception() noexcept { failure_ = std::current_exception(); }

        [[nodiscard]] uring_place<promise_type>& place() noexcept { return place_; }
        [[nodiscard]] std::exception_ptr failure() const noexcept { return failure_; }
        [[nodiscard]] std::coroutine_handle<promise_type> frame() noexcept {
            return std::coroutine_handle<promise_type>::from_promise(*this);
        }

    private:
        friend final_awaiter;
        uring_state* loop_;
        uring_place<promise_type> place_{*this};
        std::exception_ptr failure_;
    };

    promise_type* promise; ///< borrowed
};

/// What a uring is: the ring, who waits for what, and the spawned tasks. One thread's, but for
/// stop() and cancel().
class uring_state final {
public:
    explicit uring_state(unsigned entries);
    uring_state(const uring_state&) = delete;
    uring_state(uring_state&&) = delete;
    uring_state& operator=(const uring_state&) = delete;
    uring_state& operator=(uring_state&&) = delete;
    ~uring_state();

    // --- tasks
    uring_root::promise_type& spawn(task<> work);
    void destroy(uring_root::promise_type& root) noexcept;
    void finished(uring_root::promise_type& root) noexcept { root.place().join(finished_); }
    [[nodiscard]] std::size_t tasks() const noexcept { return tasks_; }

    /// One turn. \return how many were resumed
    std::size_t turn(deadline until);
    [[nodiscard]] bool anything_under_way() const noexcept;
    void enter();
    void leave() noexcept { running_ = false; }
    /// Was asked to; once.
    [[nodiscard]] bool stopped() noexcept { return stopping_.exchange(false); }
    void stop() noexcept;

    // --- operations
    void begin(uring_operation& operation);
    /// From any thread.
    void cancel(uring_operation& operation) noexcept;
    /// Returns when nothing of it is under way or will be resumed. Doesn't throw: there is
    /// nothing to go on with as long as the kernel has somebody's memory.
    void forget(uring_operation& operation) noexcept;

private:
    using stage = uring_operation::stage;
    using operations = uring_place<uring_operation>;
    using roots = uring_place<uring_root::promise_type>;

    void require_thread() const;
    [[nodiscard]] ::io_uring_sqe* slot() noexcept;
    [[nodiscard]] bool make_room(unsigned entries) noexcept;
    /// \return 0, -ETIME the deadline passed, or an error that can't be got over
    int submit(bool wait, deadline until) noexcept;
    /// For what must not fail: with memory of others in the kernel's hands there is nothing to
    /// go on with. \return false: the deadline passed
    bool submit_surely(bool wait, deadline until) noexcept;
    void watch_wake() noexcept;
    [[nodiscard]] uring_operation* next_to_cancel() noexcept;
    void submit_cancels() noexcept;
    void submit_pending() noexcept;
    void reap() noexcept;
    void settle(uring_operation& operation) noexcept;
    void make_ready(uring_operation& operation) noexcept;
    [[nodiscard]] bool anybody_ready() const noexcept;
    std::size_t resume_ready();
    void bury_finished();
    void wake() noexcept;

    std::thread::id thread_ = std::this_thread::get_id();
    ring_handle ring_;
    handle wake_;
    bool watching_ = false;
    bool running_ = false;
    std::atomic<bool> stopping_{false};
    std::atomic<bool> to_cancel_any_{false};
    std::mutex cancels_;
    operations to_cancel_; // under cancels_
    operations pending_;
    operations flying_;
    operations ready_;
    roots starting_;
    roots roots_;
    roots finished_;
    std::size_t tasks_ = 0;

    static_assert(std::atomic<bool>::is_always_lock_free, "stop() is called in signal handlers");
};

} // namespace ipcshim::detail

#endif
