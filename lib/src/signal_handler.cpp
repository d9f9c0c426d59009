// SPDX-License-Identifier: MIT
#include <ipcshim/signal.hpp>

#include <sched.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <string>

#include "sentence.hpp"

namespace ipcshim {

namespace {

using function_type = signal_handler::function_type;

enum class state {
    free,
    busy,      ///< somebody installs or takes away
    installed, ///< a signal_handler owns it
    left,      ///< without an owner, kept because a later handler chains to it
};

struct entry {
    std::atomic<state> use{state::free};
    std::atomic<function_type> function{nullptr};
    std::atomic<void*> context{nullptr};
    std::atomic<int> running{0};
    // Written only while no handler of ours is installed for the signal.
    struct sigaction previous {};
    detail::syscalls* calls = nullptr;
};

static_assert(std::atomic<function_type>::is_always_lock_free &&
              std::atomic<void*>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

constexpr int first_realtime = 32;
constexpr int last_realtime = 64;

// A handler gets nothing but the number of its signal: this table is the way
// from there to its function. It is the library's only state.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables)
constinit std::array<entry, last_realtime - first_realtime + 1> table{};

entry& entry_of(int signo) noexcept {
    return table[static_cast<std::size_t>(signo - first_realtime)];
}

// What the signal would have done without us.
void chain(entry& mine, int signo, siginfo_t* info, void* user_context, bool ours) noexcept {
    const struct sigaction& before = mine.previous;
    if ((static_cast<unsigned>(before.sa_flags) & static_cast<unsigned>(SA_SIGINFO)) != 0) {
        before.sa_sigaction(signo, info, user_context);
    } else if (before.sa_handler == SIG_DFL) {
        if (!ours) {
            // Its default effect: it stays blocked until this handler returns,
            // and ends the process then.
            mine.calls->sigaction(signo, &before, nullptr);
            static_cast<void>(::raise(signo));
        }
    } else if (before.sa_handler != SIG_IGN) {
        before.sa_handler(signo);
    }
}

extern "C" void ipcshim_on_signal(int signo, siginfo_t* info, void* user_context) {
    const int kept = errno;
    entry& mine = entry_of(signo);
    mine.running.fetch_add(1);
    const std::optional<signal_payload> payload = signal_payload::from(*info);
    if (payload) {
        // The context was stored before the function, and is changed only when
        // no handler that could have seen the function is running.
        if (const function_type function = mine.function.load()) {
            function(*payload, mine.context.load());
        }
    }
    chain(mine, signo, info, user_context, payload.has_value());
    mine.running.fetch_sub(1);
    errno = kept;
}

int install(entry& mine, int signo, detail::syscalls& calls) noexcept {
    // Asked first, so that a signal that comes at once finds what to chain to.
    if (const int failed = calls.sigaction(signo, nullptr, &mine.previous); failed < 0) {
        return -failed;
    }
    mine.calls = &calls;
    struct sigaction action {};
    action.sa_mask = mine.previous.sa_mask;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    action.sa_sigaction = ipcshim_on_signal;
    const int failed = calls.sigaction(signo, &action, nullptr);
    return failed < 0 ? -failed : 0;
}

} // namespace

signal_handler::signal_handler(int signo, function_type function, void* context,
                               detail::syscalls& calls)
    : calls_(&calls), signo_(signo) {
    const std::string subject = "signal " + std::to_string(signo);
    const auto refuse = [&subject](int error) {
        detail::check(detail::code_of(error), detail::attempt::signal_handler, subject);
    };
    if (signo < SIGRTMIN || signo > SIGRTMAX || function == nullptr) {
        refuse(EINVAL);
    }
    entry& mine = entry_of(signo);
    state found = state::free;
    if (!mine.use.compare_exchange_strong(found, state::busy)) {
        if (found != state::left || !mine.use.compare_exchange_strong(found, state::busy)) {
            refuse(EBUSY);
        }
    }
    mine.context.store(context);
    mine.function.store(function);
    // One that was left behind is installed still, below a later handler.
    if (found == state::free) {
        if (const int error = install(mine, signo, calls); error != 0) {
            mine.function.store(nullptr);
            mine.use.store(state::free);
            refuse(error);
        }
    }
    mine.use.store(state::installed);
}

signal_handler::~signal_handler() {
    entry& mine = entry_of(signo_);
    mine.use.store(state::busy);
    mine.function.store(nullptr);
    struct sigaction current {};
    const bool known = calls_->sigaction(signo_, nullptr, &current) == 0;
    const bool last =
        known &&
        (static_cast<unsigned>(current.sa_flags) & static_cast<unsigned>(SA_SIGINFO)) != 0 &&
        current.sa_sigaction == ipcshim_on_signal;
    if (last) {
        calls_->sigaction(signo_, &mine.previous, nullptr);
    }
    // Handlers that run in other threads may hold the context.
    while (mine.running.load() != 0) {
        ::sched_yield();
    }
    mine.use.store(last ? state::free : state::left);
}

} // namespace ipcshim
