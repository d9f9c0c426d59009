// SPDX-License-Identifier: MIT
//
// The classic handler, with real signals of this process.
#include <gtest/gtest.h>

#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <thread>

#include "signal_support.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;

struct seen {
    int count = 0;
    signal_payload last;
};

void remember(const signal_payload& payload, void* context) noexcept {
    auto* into = static_cast<seen*>(context);
    ++into->count;
    into->last = payload;
}

void spoil_errno(const signal_payload&, void*) noexcept {
    errno = EXDEV;
}

// For handlers that are not the library's, which have no context.
volatile sig_atomic_t plain_calls = 0;
volatile sig_atomic_t info_calls = 0;
volatile int info_code = 0;

void plain_handler(int) {
    plain_calls = plain_calls + 1;
}

void info_handler(int, siginfo_t* info, void*) {
    info_calls = info_calls + 1;
    info_code = info->si_code;
}

class classic_handler : public ::testing::Test {
protected:
    classic_handler() {
        plain_calls = 0;
        info_calls = 0;
        signal(signo, SIG_DFL);
    }
    ~classic_handler() override { signal(signo, SIG_DFL); }

    [[nodiscard]] siginfo_t from_module() const {
        return siginfo_of(raw_recv_pipe(pipe_end::receiver, 12), signo);
    }
    [[nodiscard]] struct sigaction current() const {
        struct sigaction action {};
        EXPECT_EQ(sigaction(signo, nullptr, &action), 0);
        return action;
    }

    const int signo = SIGRTMIN + 5;
};

TEST_F(classic_handler, calls_the_function_with_payload_and_context) {
    seen into;
    const signal_handler handler(signo, remember, &into);
    raise_as_module(from_module());
    EXPECT_EQ(into.count, 1);
    EXPECT_EQ(into.last.token(), token{12});
    EXPECT_EQ(into.last.signo(), signo);
}

TEST_F(classic_handler, keeps_errno) {
    const signal_handler handler(signo, spoil_errno, nullptr);
    siginfo_t info = from_module();
    errno = EDOM;
    ::syscall(SYS_rt_tgsigqueueinfo, ::getpid(), ::gettid(), signo, &info);
    EXPECT_EQ(errno, EDOM);
}

TEST_F(classic_handler, restarts_system_calls) {
    const signal_handler handler(signo, remember, nullptr);
    EXPECT_NE(current().sa_flags & SA_RESTART, 0);
}

TEST_F(classic_handler, puts_the_old_handler_back) {
    signal(signo, plain_handler);
    {
        seen into;
        const signal_handler handler(signo, remember, &into);
        EXPECT_NE(current().sa_handler, plain_handler);
    }
    EXPECT_EQ(current().sa_handler, plain_handler);
}

TEST_F(classic_handler, calls_an_old_plain_handler_afterwards) {
    signal(signo, plain_handler);
    seen into;
    const signal_handler handler(signo, remember, &into);
    raise_as_module(from_module());
    EXPECT_EQ(into.count, 1);
    EXPECT_EQ(plain_calls, 1);
}

TEST_F(classic_handler, passes_the_siginfo_on_to_an_old_siginfo_handler) {
    struct sigaction action {};
    action.sa_sigaction = info_handler;
    action.sa_flags = SA_SIGINFO;
    ASSERT_EQ(sigaction(signo, &action, nullptr), 0);
    seen into;
    const signal_handler handler(signo, remember, &into);
    raise_as_process(signo);
    EXPECT_EQ(into.count, 0) << "a signal that is not from the module is not ours";
    EXPECT_EQ(info_calls, 1);
    EXPECT_EQ(info_code, SI_QUEUE);
}

TEST_F(classic_handler, an_ignored_signal_stays_ignored_beside_it) {
    signal(signo, SIG_IGN);
    seen into;
    {
        const signal_handler handler(signo, remember, &into);
        raise_as_process(signo);
        raise_as_module(from_module());
    }
    EXPECT_EQ(into.count, 1);
    EXPECT_EQ(current().sa_handler, SIG_IGN);
}

TEST_F(classic_handler, a_foreign_signal_without_an_old_handler_ends_the_process_as_ever) {
    const pid_t child = fork();
    if (child == 0) {
        seen into;
        const signal_handler handler(signo, remember, &into);
        raise_as_module(from_module());
        if (into.count == 1) {
            raise_as_process(signo);
        }
        _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << status;
    EXPECT_EQ(WTERMSIG(status), signo);
}

TEST_F(classic_handler, a_second_one_for_the_same_signal_is_ebusy) {
    const signal_handler first(signo, remember, nullptr);
    EXPECT_EQ(thrown_errno([&] { signal_handler(signo, remember, nullptr); }), EBUSY);
    EXPECT_NO_THROW(signal_handler(signo + 1, remember, nullptr));
}

TEST_F(classic_handler, no_function_and_no_realtime_signal_are_einval) {
    EXPECT_EQ(thrown_errno([&] { signal_handler(signo, nullptr, nullptr); }), EINVAL);
    EXPECT_EQ(thrown_errno([] { signal_handler(SIGUSR1, remember, nullptr); }), EINVAL);
    EXPECT_EQ(thrown_errno([] { signal_handler(SIGRTMAX + 1, remember, nullptr); }), EINVAL);
}

TEST_F(classic_handler, a_refused_sigaction_leaves_the_signal_free) {
    fake_kernel kernel; // refuses with ENOSYS
    EXPECT_EQ(thrown_errno([&] { signal_handler(signo, remember, nullptr, kernel); }), ENOSYS);
    EXPECT_NO_THROW(signal_handler(signo, remember, nullptr));
}

struct sigaction later_previous {};

void later_handler(int number, siginfo_t* info, void* user) {
    info_calls = info_calls + 1;
    later_previous.sa_sigaction(number, info, user);
}

TEST_F(classic_handler, a_later_handler_that_chains_to_it_survives_its_end) {
    signal(signo, plain_handler);
    seen into;
    auto handler = std::make_unique<signal_handler>(signo, remember, &into);
    struct sigaction action {};
    action.sa_sigaction = later_handler;
    action.sa_flags = SA_SIGINFO;
    ASSERT_EQ(sigaction(signo, &action, &later_previous), 0);
    handler.reset();
    EXPECT_EQ(current().sa_sigaction, later_handler) << "the later handler stays installed";
    raise_as_module(from_module());
    EXPECT_EQ(info_calls, 1);
    EXPECT_EQ(into.count, 0) << "the function is gone";
    EXPECT_EQ(plain_calls, 1) << "the chain below holds";
    {
        // A new one takes its place in the chain and makes no loop of it.
        const signal_handler again(signo, remember, &into);
        raise_as_module(from_module());
        EXPECT_EQ(into.count, 1);
        EXPECT_EQ(plain_calls, 2);
    }
    // Unwind, so that the next test finds the signal as it was.
    ASSERT_EQ(sigaction(signo, &later_previous, nullptr), 0);
    { const signal_handler last(signo, remember, &into); }
    EXPECT_EQ(current().sa_handler, plain_handler);
}

std::atomic<bool> inside{false};
std::atomic<bool> let_go{false};

void linger(const signal_payload&, void* context) noexcept {
    inside = true;
    while (!let_go) {
    }
    *static_cast<std::atomic<bool>*>(context) = true;
}

TEST_F(classic_handler, its_end_waits_for_a_function_that_runs_in_another_thread) {
    inside = false;
    let_go = false;
    auto finished = std::make_unique<std::atomic<bool>>(false);
    auto handler = std::make_unique<signal_handler>(signo, linger, finished.get());
    std::thread other([this] { raise_as_module(from_module()); });
    while (!inside) {
        std::this_thread::yield();
    }
    // Not before the end of the handler has begun: it has put SIG_DFL back.
    std::thread releaser([this] {
        while (current().sa_handler != SIG_DFL) {
            std::this_thread::yield();
        }
        let_go = true;
    });
    handler.reset();
    EXPECT_TRUE(*finished) << "the context was still in use";
    finished.reset();
    releaser.join();
    other.join();
}

} // namespace
