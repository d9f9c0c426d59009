// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_URING_HPP
#define IPCSHIM_URING_HPP

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <ipcshim/detail/export.hpp>
#include <ipcshim/detail/uring_awaitable.hpp>
#include <ipcshim/detail/uring_operation.hpp>
#include <ipcshim/event.hpp>
#include <ipcshim/pipe.hpp>
#include <ipcshim/port.hpp>
#include <ipcshim/task.hpp>
#include <ipcshim/types.hpp>

namespace ipcshim {

/// A loop over io_uring for coroutines: many pipes and ports on one thread, which never
/// waits for one of them alone. (Ours.) It is in a library of its own, ipcshim-uring
/// (CMake: ipcshim::uring), which needs liburing; this header doesn't.
///
///     ipcshim::task<> echo(ipcshim::uring& loop, ipcshim::receiver in, ipcshim::sender out) {
///         std::vector<std::byte> message;
///         while (co_await loop.read_message(in, message)) {
///             co_await loop.write(out, message);
///         }
///     }
///
/// Awaitables: each call below that says so gives something to be awaited at once, in a
/// coroutine that this loop runs. What it names (buffers, structures, errors) must stay until
/// then, and its port or end must stay open; what is in the coroutine itself does. They take
/// wait_limits: a deadline, a std::stop_token, both, or nothing.
///
/// Errors of what is awaited: std::system_error; std::errc::timed_out the deadline passed;
/// std::errc::operation_canceled it was asked to stop. A read or write of a pipe throws
/// io_error, and result() tells what had moved by then. Calls with a `std::error_code&` set it
/// and don't throw. std::logic_error, also there: a closed port or end; another thread's loop.
///
/// Destroying a coroutine that waits cancels what it waits for, and returns when the
/// kernel has let go of it. So does destroying the loop, with every task that it has.
///
/// Threads: a loop, its tasks and what they await belong to the thread that made the loop.
/// Only stop() and stop tokens may be used from others.
class IPCSHIM_API uring final {
public:
    /// \param entries how many requests go to the kernel in one system call; any number of
    ///        them can be under way
    /// Errors: EPERM and ENOSYS this system has no io_uring, or doesn't allow it; ENOMEM;
    /// EMFILE, ENFILE.
    explicit uring(unsigned entries = 64);
    uring(const uring&) = delete;
    uring(uring&&) = delete;
    uring& operator=(const uring&) = delete;
    uring& operator=(uring&&) = delete;
    /// Not from within a task of it.
    ~uring();

    // --- tasks -----------------------------------------------------------

    /// Takes over a task, to be run by run() and its kin until it has ended. It begins with
    /// the loop's next turn. An exception that leaves it comes out of them; the other tasks
    /// go on with the next call.
    /// Errors: std::logic_error an empty task.
    void spawn(task<> work);

    /// How many spawned tasks have not ended.
    [[nodiscard]] std::size_t tasks() const noexcept;

    /// Runs until no spawned task is left, or stop(). Signals don't end it: their handlers can
    /// call stop().
    /// Errors: std::logic_error from within a task of it.
    void run();

    /// Runs until this task has ended, and gives what it gives; spawned ones run, too.
    /// Errors: as run(); what the task threw; operation_canceled stop() came first. The task is
    /// destroyed when another one's exception comes out.
    template <typename T> T run(task<T> work);

    /// One turn: hands over what was asked for, waits until something has come (but not past
    /// the deadline), and resumes who waited for that. For loops of one's own.
    /// \return how many were resumed. 0: the deadline passed, stop(), a signal, or nothing is
    /// left to wait for
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    std::size_t run_once(deadline until = no_deadline);

    /// Ends the run() that runs now, or else the next one; tasks stay as they are, and go on
    /// with the one after that. Safe from any thread and from a signal handler.
    void stop() noexcept;

    // --- pipes -----------------------------------------------------------

    /// Awaitable, io_result: raw, as many bytes as the buffer has, or fewer and closed() at the
    /// pipe's end; message, one whole message. As receiver::read(), but a worker is never
    /// needed, remains() and lacks() are not told, and raw reads of more than one reader may
    /// take parts in turn.
    [[nodiscard]] detail::uring_transfer read(const receiver& from, std::span<std::byte> buffer,
                                              wait_limits limits = {});
    [[nodiscard]] detail::uring_transfer read(const receiver& from, std::span<std::byte> buffer,
                                              wait_limits limits, std::error_code& error);

    /// Awaitable, io_result: what is there, once it is a byte or more.
    [[nodiscard]] detail::uring_transfer
    read_some(const receiver& from, std::span<std::byte> buffer, wait_limits limits = {});
    [[nodiscard]] detail::uring_transfer read_some(const receiver& from,
                                                   std::span<std::byte> buffer, wait_limits limits,
                                                   std::error_code& error);

    /// Awaitable, bool: one whole message, whatever its length; the container becomes as long
    /// as it. false: the pipe is closed and drained. As receiver::read_message().
    [[nodiscard]] detail::uring_message<std::vector<std::byte>>
    read_message(const receiver& from, std::vector<std::byte>& message, wait_limits limits = {});
    [[nodiscard]] detail::uring_message<std::string>
    read_message(const receiver& from, std::string& message, wait_limits limits = {});

    /// Awaitable, io_result: writes all of it, a message in one piece, raw bytes in one piece
    /// up to IPCSHIM_PIPE_BUF bytes. As sender::write() otherwise.
    [[nodiscard]] detail::uring_transfer write(const sender& to, std::span<const std::byte> bytes,
                                               wait_limits limits = {});
    [[nodiscard]] detail::uring_transfer write(const sender& to, std::span<const std::byte> bytes,
                                               wait_limits limits, std::error_code& error);

    // --- ports, calls, and other descriptors ------------------------------

    /// Awaitable, event: the next one of the port.
    [[nodiscard]] detail::uring_event read_event(const port& from, wait_limits limits = {});

    /// Awaitable, std::size_t: how many events were read, as many as waited and fit; 0 only
    /// for an empty span.
    [[nodiscard]] detail::uring_events read_events(const port& from, std::span<event> events,
                                                   wait_limits limits = {});

    /// Awaitable, int: any call of <linux/ipcshim.h>, IPCSHIM_*, on a port or an end of a pipe,
    /// with its structure; 0 or more is its answer. What can be done at once is; a call that has
    /// to wait does so in a worker thread of the kernel.
    /// Errors: those of the call, and the structure is as it says; EOPNOTSUPP the module
    /// has no such calls (driver_info::has(IPCSHIM_FEATURE_URING)), or the descriptor is
    /// another's.
    template <typename Argument>
    [[nodiscard]] detail::uring_command command(const port& target, std::uint32_t number,
                                                Argument& argument, wait_limits limits = {}) {
        return command(target.fd(), number, argument, std::move(limits));
    }
    template <typename Argument>
    [[nodiscard]] detail::uring_command command(const detail::pipe_base& target,
                                                std::uint32_t number, Argument& argument,
                                                wait_limits limits = {}) {
        return command(target.fd(), number, argument, std::move(limits));
    }
    template <typename Argument>
    [[nodiscard]] detail::uring_command command(int fd, std::uint32_t number, Argument& argument,
                                                wait_limits limits = {}) {
        static_assert(std::is_trivially_copyable_v<Argument> && !std::is_const_v<Argument>);
        return {*state_, call(fd, number, &argument), std::move(limits), nullptr};
    }
    template <typename Argument>
    [[nodiscard]] detail::uring_command command(int fd, std::uint32_t number, Argument& argument,
                                                wait_limits limits, std::error_code& error) {
        static_assert(std::is_trivially_copyable_v<Argument> && !std::is_const_v<Argument>);
        return {*state_, call(fd, number, &argument), std::move(limits), &error};
    }

    /// Awaitable, std::size_t: one read(2) of any descriptor that can be polled, one write(2) to
    /// it; bytes, fewer than asked for where that is all that moves.
    [[nodiscard]] detail::uring_count read_some(int fd, std::span<std::byte> buffer,
                                                wait_limits limits = {});
    [[nodiscard]] detail::uring_count write_some(int fd, std::span<const std::byte> bytes,
                                                 wait_limits limits = {});

    /// Awaitable, short: POLL* of poll(2), once one of the wanted ones is there, or POLLERR or
    /// POLLHUP.
    [[nodiscard]] detail::uring_poll poll(int fd, short wanted, wait_limits limits = {});

    /// Awaitable, nothing: a point in time.
    /// Errors: operation_canceled it was asked to stop.
    [[nodiscard]] detail::uring_sleep sleep_until(deadline until, std::stop_token stop = {});

private:
    static detail::uring_request call(int fd, std::uint32_t number, void* argument) noexcept;
    void drive(task<> work, const bool& ended);

    std::unique_ptr<detail::uring_state> state_;
};

namespace detail {

/// What a task gives, for who runs it and is no coroutine.
template <typename T> struct uring_slot {
    using stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;
    std::optional<stored> value;
    std::exception_ptr failure;
    bool ended = false;

    static task<> fill(task<T> work, uring_slot& slot) {
        try {
            if constexpr (std::is_void_v<T>) {
                co_await std::move(work);
                slot.value.emplace();
            } else {
                slot.value.emplace(co_await std::move(work));
            }
        } catch (...) {
            slot.failure = std::current_exception();
        }
        slot.ended = true;
    }
};

} // namespace detail

template <typename T> T uring::run(task<T> work) {
    detail::uring_slot<T> slot;
    drive(detail::uring_slot<T>::fill(std::move(work), slot), slot.ended);
    if (slot.failure) {
        std::rethrow_exception(slot.failure);
    }
    if constexpr (!std::is_void_v<T>) {
        return *std::move(slot.value);
    }
}

} // namespace ipcshim

#endif
