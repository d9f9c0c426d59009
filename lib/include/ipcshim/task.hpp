// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_TASK_HPP
#define IPCSHIM_TASK_HPP

#include <coroutine>
#include <exception>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace ipcshim {

template <typename T> class task;

namespace detail {

/// What the promises of all tasks share. Not to be named by programs.
class task_promise_base {
public:
    /// Goes on with who awaits the task. While that one's await_suspend() runs, by returning
    /// there: the other way, without end in a loop of tasks that never wait, needs no more stack
    /// only where the compiler makes a jump of it.
    struct final_awaiter : std::suspend_always {
        template <typename Promise>
        [[nodiscard]] std::coroutine_handle<>
        await_suspend(std::coroutine_handle<Promise> finished) const noexcept {
            const task_promise_base& promise = finished.promise();
            return promise.starting_ ? std::noop_coroutine() : promise.continuation_;
        }
    };

    // NOLINTBEGIN(readability-convert-member-functions-to-static): coroutines ask an object
    [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
    [[nodiscard]] final_awaiter final_suspend() const noexcept { return {}; }
    // NOLINTEND(readability-convert-member-functions-to-static)
    void unhandled_exception() noexcept { failure_ = std::current_exception(); }
    void continue_with(std::coroutine_handle<> awaiting) noexcept { continuation_ = awaiting; }
    void starting(bool now) noexcept { starting_ = now; }

protected:
    void rethrow() {
        if (failure_) {
            std::rethrow_exception(std::exchange(failure_, nullptr));
        }
    }

private:
    std::coroutine_handle<> continuation_ = std::noop_coroutine();
    bool starting_ = false;
    std::exception_ptr failure_;
};

template <typename T> class task_promise final : public task_promise_base {
public:
    [[nodiscard]] task<T> get_return_object() noexcept;
    template <typename Value>
    requires std::is_constructible_v<T, Value&&>
    void return_value(Value&& value) { value_.emplace(std::forward<Value>(value)); }
    T take() {
        rethrow();
        return std::move(value_).value();
    }

private:
    std::optional<T> value_;
};

template <> class task_promise<void> final : public task_promise_base {
public:
    [[nodiscard]] task<void> get_return_object() noexcept;
    // NOLINTNEXTLINE(readability-convert-member-functions-to-static)
    void return_void() const noexcept {}
    void take() { rethrow(); }
};

} // namespace detail

/// Work that can wait without holding up its thread: a coroutine that begins when
/// it is awaited, and gives a T (or nothing) to who awaits it. Owns the coroutine;
/// move-only.
///
///     ipcshim::task<int> length(ipcshim::uring& loop, const ipcshim::receiver& in);
///     const int bytes = co_await length(loop, in);
///
/// An exception that leaves the coroutine comes out of the co_await. A task that is
/// destroyed ends its coroutine where it waits, as if the scopes there were left:
/// with an operation of a uring under way that waits until the kernel has let go of
/// the buffers.
///
/// The coroutine keeps its parameters: what is passed by reference has to live until
/// it has ended. A lambda with captures has to outlive its coroutine, too.
///
/// Threads: a task stays on one thread from its beginning to its end.
template <typename T = void> class [[nodiscard]] task final {
    static_assert(std::is_void_v<T> || std::is_object_v<T>, "a task gives a value, no reference");

public:
    using promise_type = detail::task_promise<T>;
    using value_type = T;

    /// No task.
    task() noexcept = default;
    task(const task&) = delete;
    task& operator=(const task&) = delete;
    task(task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
    task& operator=(task&& other) noexcept {
        task old(std::move(other));
        std::swap(frame_, old.frame_);
        return *this;
    }
    ~task() {
        if (frame_) {
            frame_.destroy();
        }
    }

    /// There is a coroutine in it.
    explicit operator bool() const noexcept { return static_cast<bool>(frame_); }

    /// Runs the coroutine, and gives what it gives. Once: `co_await std::move(work)`.
    /// Errors: std::logic_error there is none, or it was awaited before.
    [[nodiscard]] auto operator co_await() && {
        if (!frame_ || frame_.done()) {
            throw std::logic_error("a task was awaited that is empty, or has run before");
        }
        return awaiter(frame_);
    }

private:
    using frame_type = std::coroutine_handle<promise_type>;
    friend promise_type;

    struct awaiter : std::suspend_always {
        explicit awaiter(frame_type started) noexcept : frame(started) {}
        frame_type frame;
        // false: it has ended already
        [[nodiscard]] bool await_suspend(std::coroutine_handle<> awaiting) const {
            frame.promise().continue_with(awaiting);
            frame.promise().starting(true);
            frame.resume();
            frame.promise().starting(false);
            return !frame.done();
        }
        // NOLINTNEXTLINE(modernize-use-nodiscard): what it does may be all that matters
        T await_resume() const { return frame.promise().take(); }
    };

    explicit task(frame_type frame) noexcept : frame_(frame) {}

    frame_type frame_ = nullptr;
};

namespace detail {

template <typename T> task<T> task_promise<T>::get_return_object() noexcept {
    return task<T>(std::coroutine_handle<task_promise>::from_promise(*this));
}

inline task<void> task_promise<void>::get_return_object() noexcept {
    return task<void>(std::coroutine_handle<task_promise>::from_promise(*this));
}

} // namespace detail

} // namespace ipcshim

#endif
