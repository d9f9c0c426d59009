// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_DISPATCHER_HPP
#define IPCSHIM_DISPATCHER_HPP

#include <atomic>
#include <cstddef>
#include <functional>

#include <ipcshim/detail/export.hpp>
#include <ipcshim/detail/handle.hpp>
#include <ipcshim/port.hpp>
#include <ipcshim/types.hpp>

namespace ipcshim {

/// Calls a function for each event, on the thread that runs it. (Ours; the
/// modern way to be notified.)
///
/// Borrows the port, which must stay open and in place for as long; owns the
/// functions. Set the functions before the loop runs, or from within them.
/// Exceptions of a function come out of dispatch(), run() or run_until() on the
/// same thread; the events behind that one still wait.
///
/// Threads: one thread runs it. stop() may be called from any thread, and from
/// a signal handler.
class IPCSHIM_API dispatcher final {
public:
    /// Errors: EMFILE, ENFILE, ENOMEM (it needs an eventfd to be woken by).
    explicit dispatcher(const port& source, detail::syscalls& calls = detail::real_syscalls());
    dispatcher(const dispatcher&) = delete;
    dispatcher(dispatcher&&) = delete;
    dispatcher& operator=(const dispatcher&) = delete;
    dispatcher& operator=(dispatcher&&) = delete;
    ~dispatcher() = default;

    /// What to do when an end of a pipe was handed to this process.
    dispatcher& on_pipe(std::function<void(const event&, const recv_pipe&)> function);
    /// What to do when the other end of a pipe is closed.
    dispatcher& on_closed(std::function<void(const event&, const pipe_closed&)> function);
    /// What to do when a segment was shared with this process, or came back.
    dispatcher& on_memory(std::function<void(const event&, const recv_shared_mem&)> function);
    /// What to do when a segment was taken back, or its sharer has ended.
    dispatcher& on_unshared(std::function<void(const event&, const unshared_mem&)> function);
    /// What to do when the slave of a pseudo terminal was handed to this process.
    dispatcher& on_pty(std::function<void(const event&, const recv_pty&)> function);
    /// What to do when one side of a socket was handed to this process.
    dispatcher& on_socket(std::function<void(const event&, const recv_serv_sock&)> function);
    /// What to do when a message waits in a socket.
    dispatcher& on_message(std::function<void(const event&, const recv_sock_msg&)> function);
    /// What to do when somebody wants to connect to a name that the port published.
    dispatcher& on_request(std::function<void(const event&, const service_conn_request&)> function);
    /// What to do when the other side of a socket has ended, whichever way.
    dispatcher& on_socket_closed(std::function<void(const event&, const sock_closed&)> function);
    /// What to do with every other event, and with those of the kinds above that
    /// have no function.
    dispatcher& on_other(std::function<void(const event&)> function);

    /// Handles what waits; never waits itself. For a loop of your own: call it
    /// when fd() is readable. \return how many events were handled
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    std::size_t dispatch();

    /// Handles events until stop(). \return how many
    /// A signal does not end it: its handler can call stop().
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    std::size_t run();
    /// The same, until a point in time at most.
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    std::size_t run_until(deadline until);

    /// Ends the run() that runs now, or else the next one. Safe from any thread
    /// and from a signal handler.
    void stop() noexcept;

    /// Readable when an event waits: the port's descriptor, borrowed.
    [[nodiscard]] int fd() const;

private:
    const port* port_;
    detail::handle wake_;
    std::atomic<bool> stopping_{false};
    event_handlers handlers_;

    static_assert(std::atomic<bool>::is_always_lock_free, "stop() is called in signal handlers");
};

} // namespace ipcshim

#endif
