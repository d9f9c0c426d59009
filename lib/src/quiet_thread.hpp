// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_QUIET_THREAD_HPP
#define IPCSHIM_SRC_QUIET_THREAD_HPP

#include <signal.h> // NOLINT(modernize-deprecated-headers): sigset_t

#include <thread>
#include <utility>

#include <ipcshim/detail/syscalls.hpp>

namespace ipcshim::detail {

/// A thread that takes no signals of the program's, which expects them on threads of its
/// own; but those that its own faults raise, since a program may handle them (a mapping that
/// went stale). Throws std::system_error: EAGAIN.
template <typename Function>
[[nodiscard]] std::thread quiet_thread(syscalls& calls, Function&& function) {
    sigset_t all{};
    sigset_t before{};
    sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) {
        sigdelset(&all, fault);
    }
    static_cast<void>(calls.signal_mask(SIG_BLOCK, &all, &before));
    struct restore final {
        restore(syscalls& kernel, const sigset_t& mask) noexcept : kernel_(kernel), mask_(mask) {}
        restore(const restore&) = delete;
        restore(restore&&) = delete;
        restore& operator=(const restore&) = delete;
        restore& operator=(restore&&) = delete;
        ~restore() { static_cast<void>(kernel_.signal_mask(SIG_SETMASK, &mask_, nullptr)); }

    private:
        syscalls& kernel_;
        const sigset_t& mask_;
    };
    const restore afterwards(calls, before);
    return std::thread(std::forward<Function>(function)); // inherits the mask
}

} // namespace ipcshim::detail

#endif
