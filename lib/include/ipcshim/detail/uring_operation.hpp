// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_DETAIL_URING_OPERATION_HPP
#define IPCSHIM_DETAIL_URING_OPERATION_HPP

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <system_error>
#include <utility>

#include <ipcshim/detail/export.hpp>
#include <ipcshim/types.hpp>

struct io_uring_sqe;

namespace ipcshim {

/// How long an operation of a uring may wait: until a point in time, until it is
/// told to stop, both, or for ever. Made from either by itself:
/// `loop.read(in, buffer, now + 2s)`, `loop.read(in, buffer, {now + 2s, stop_token})`.
class wait_limits final {
public:
    /// For ever.
    wait_limits() noexcept = default;
    /// Then std::errc::timed_out; what can be done without waiting is done also after it.
    wait_limits(deadline until) noexcept : until_(until) {}
    /// Once asked to stop, by whichever thread, std::errc::operation_canceled.
    wait_limits(std::stop_token stop) noexcept : stop_(std::move(stop)) {}
    /// Whatever comes first.
    wait_limits(deadline until, std::stop_token stop) noexcept
        : until_(until), stop_(std::move(stop)) {}

    [[nodiscard]] deadline until() const noexcept { return until_; }
    [[nodiscard]] const std::stop_token& stop() const noexcept { return stop_; }

private:
    deadline until_ = no_deadline;
    std::stop_token stop_;
};

namespace detail {

class uring_state;

/// A place in a list of things that others own; leaves it by itself. A list is a place
/// that is nobody's.
template <typename Thing> class uring_place final {
public:
    uring_place() noexcept = default;
    explicit uring_place(Thing& thing) noexcept : thing_(&thing) {}
    uring_place(const uring_place&) = delete;
    uring_place(uring_place&&) = delete;
    uring_place& operator=(const uring_place&) = delete;
    uring_place& operator=(uring_place&&) = delete;
    ~uring_place() { leave(); }

    /// In no list; of a list: it is empty.
    [[nodiscard]] bool alone() const noexcept { return next_ == this; }
    /// Of a list that is not empty.
    [[nodiscard]] Thing& first() const noexcept { return *next_->thing_; }
    void leave() noexcept {
        previous_->next_ = next_;
        next_->previous_ = previous_;
        next_ = previous_ = this;
    }
    /// To the end of this list.
    void join(uring_place& list) noexcept {
        leave();
        previous_ = list.previous_;
        next_ = &list;
        previous_->next_ = this;
        list.previous_ = this;
    }
    /// All of another list, before what is here.
    void take_in_front(uring_place& other) noexcept {
        while (!other.alone()) {
            uring_place& last = *other.previous_;
            last.leave();
            last.previous_ = this;
            last.next_ = next_;
            next_->previous_ = &last;
            next_ = &last;
        }
    }

private:
    Thing* thing_ = nullptr; // borrowed: it owns the place
    uring_place* next_ = this;
    uring_place* previous_ = this;
};

/// What is asked of the kernel.
struct uring_request final {
    enum class kind { read, write, poll, sleep, command };
    kind what{};
    int fd = -1;
    std::uint64_t address = 0; ///< of the buffer, or of the command's structure
    std::size_t size = 0;      ///< bytes of the buffer
    std::uint32_t word = 0;    ///< what to poll for, or the command's number
};

/// One thing that a coroutine waits for: what all awaitables of a uring share. It lies in
/// the coroutine's frame, so that it goes with it: the destructor returns once the kernel has
/// let go of everything that the request names.
class IPCSHIM_API uring_operation {
public:
    uring_operation(const uring_operation&) = delete;
    uring_operation(uring_operation&&) = delete;
    uring_operation& operator=(const uring_operation&) = delete;
    uring_operation& operator=(uring_operation&&) = delete;
    virtual ~uring_operation();

    [[nodiscard]] bool await_ready() const noexcept { return nothing_to_do(); }
    /// \return false: there is nothing to wait for any more
    /// Errors: std::logic_error the loop is another thread's, or gone.
    bool await_suspend(std::coroutine_handle<> waiting);

protected:
    uring_operation(uring_state& loop, const uring_request& request, wait_limits limits) noexcept;

    [[nodiscard]] uring_request& request() noexcept { return request_; }
    [[nodiscard]] const uring_request& request() const noexcept { return request_; }
    /// As the kernel has it: not below 0, or a negative errno.
    [[nodiscard]] int result() const noexcept { return result_; }
    /// The errno of the whole, 0: none.
    [[nodiscard]] int error() const noexcept { return result_ < 0 ? -result_ : 0; }
    /// There was nothing to be asked of the kernel; the result is 0.
    [[nodiscard]] virtual bool nothing_to_do() const noexcept { return false; }
    /// The kernel has answered. \return true: once more, with the request as it is now
    virtual bool advance(int& result) noexcept;

private:
    friend uring_state;
    enum class stage {
        idle,    ///< not begun, or over
        pending, ///< to be submitted
        flying,  ///< the kernel has it
        ready,   ///< the coroutine is to be resumed
    };
    struct on_stop {
        uring_operation* operation; // borrowed: it owns the callback
        void operator()() const noexcept;
    };

    void prepare(::io_uring_sqe& entry) noexcept;
    void prepare_limit(::io_uring_sqe& entry) noexcept;
    void set_time() noexcept;
    [[nodiscard]] bool has_limit() const noexcept;

    uring_state* loop_; // null once it is gone
    std::coroutine_handle<> waiting_;
    uring_place<uring_operation> place_{*this};        // by stage
    uring_place<uring_operation> cancel_place_{*this}; // under the loop's mutex
    uring_request request_;
    wait_limits limits_;
    std::optional<std::stop_callback<on_stop>> callback_;
    int result_ = 0;
    stage stage_ = stage::idle;
    bool answered_ = false;    ///< by the kernel, while flying
    bool cancellable_ = false; ///< by a stop token
    bool cancelled_ = false;   ///< it was to be cancelled
    bool abandoned_ = false;   ///< nobody is to be resumed
    unsigned cancelling_ = 0;  ///< cancellations under way
    struct {
        std::int64_t tv_sec;
        long long tv_nsec;
    } time_{}; ///< struct __kernel_timespec
};

} // namespace detail

} // namespace ipcshim

#endif
