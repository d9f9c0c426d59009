// SPDX-License-Identifier: MIT
//
// A child process as its parent has it.
#include <gtest/gtest.h>

#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <sstream>
#include <utility>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;
using namespace std::chrono_literals;

class child_process : public ::testing::Test {
protected:
    ~child_process() override {
        one.detach();
        EXPECT_TRUE(kernel.open_fds().empty()) << "a descriptor leaked";
        EXPECT_EQ(kernel.bad_closes(), 0) << "a descriptor was closed twice";
    }

    void ends(int code, int status) {
        kernel.on_wait_child = [=, this](int asked, siginfo_t& info, int options) {
            EXPECT_EQ(asked, fd);
            options_seen = options;
            ++asked_times;
            info = {};
            info.si_pid = 321;
            info.si_code = code;
            info.si_status = status;
            return 0;
        };
    }
    void runs() {
        kernel.on_wait_child = [this](int, siginfo_t& info, int options) {
            options_seen = options;
            ++asked_times;
            info = {};
            return 0;
        };
    }

    fake_kernel kernel;
    int fd = kernel.make_fd();
    child one{detail::handle(kernel, fd), 321};
    int options_seen = 0;
    int asked_times = 0;
};

TEST_F(child_process, an_exit_is_told_with_its_code) {
    ends(CLD_EXITED, 3);
    EXPECT_EQ(one.wait(), (child_end{.how = how::exited, .status = 3}));
    EXPECT_EQ(options_seen, WEXITED);
    EXPECT_FALSE(one.wait().is_success());
    EXPECT_EQ(one.pid(), 321);
}

TEST_F(child_process, a_kill_is_told_with_its_signal_whether_it_dumped_or_not) {
    ends(CLD_KILLED, SIGKILL);
    EXPECT_EQ(one.wait(), (child_end{.how = how::killed, .status = SIGKILL}));
    child other(detail::handle(kernel, fd = kernel.make_fd()), 322);
    ends(CLD_DUMPED, SIGSEGV);
    EXPECT_EQ(other.wait(), (child_end{.how = how::killed, .status = SIGSEGV}));
    EXPECT_FALSE(other.wait().is_success());
}

TEST_F(child_process, the_end_is_taken_once_and_told_again) {
    ends(CLD_EXITED, 0);
    EXPECT_TRUE(one.wait().is_success());
    kernel.on_wait_child = [](int, siginfo_t&, int) { return -ECHILD; };
    EXPECT_TRUE(one.wait().is_success());
    EXPECT_TRUE(one.try_wait()->is_success());
    EXPECT_TRUE(one.wait(no_deadline)->is_success());
    EXPECT_EQ(asked_times, 1);
}

TEST_F(child_process, try_wait_of_one_that_runs_is_nothing_and_does_not_wait) {
    runs();
    EXPECT_FALSE(one.try_wait().has_value());
    EXPECT_EQ(options_seen, WEXITED | WNOHANG);
    ends(CLD_EXITED, 1);
    EXPECT_EQ(one.try_wait(), (child_end{.how = how::exited, .status = 1}));
}

TEST_F(child_process, a_wait_with_a_deadline_polls_for_what_is_left) {
    runs();
    timespec left{};
    kernel.on_poll = [&](std::span<pollfd> entries, const timespec* timeout) {
        EXPECT_EQ(entries[0].fd, fd);
        EXPECT_EQ(entries[0].events, POLLIN);
        left = *timeout;
        ends(CLD_EXITED, 4);
        return 1;
    };
    EXPECT_EQ(one.wait(deadline::clock::now() + 1h), (child_end{.how = how::exited, .status = 4}));
    EXPECT_GT(left.tv_sec, 3500);
    EXPECT_LE(left.tv_sec, 3600);
    EXPECT_EQ(options_seen, WEXITED | WNOHANG);
}

TEST_F(child_process, a_deadline_that_passed_is_looked_at_once_and_answers_nothing) {
    runs();
    int polls = 0;
    kernel.on_poll = [&](std::span<pollfd>, const timespec* timeout) {
        ++polls;
        EXPECT_EQ(timeout->tv_sec + timeout->tv_nsec, 0);
        return 0;
    };
    EXPECT_FALSE(one.wait(deadline::clock::now() - 1s).has_value());
    EXPECT_EQ(polls, 1);
}

TEST_F(child_process, without_a_deadline_it_polls_for_ever) {
    runs();
    kernel.on_poll = [&](std::span<pollfd>, const timespec* timeout) {
        EXPECT_EQ(timeout, nullptr);
        ends(CLD_EXITED, 0);
        return 1;
    };
    EXPECT_TRUE(one.wait(no_deadline)->is_success());
}

TEST_F(child_process, a_signal_is_told) {
    kernel.on_wait_child = [](int, siginfo_t&, int) { return -EINTR; };
    EXPECT_EQ(thrown_errno([&] { (void)one.wait(); }), EINTR);
    runs();
    kernel.on_poll = [](std::span<pollfd>, const timespec*) { return -EINTR; };
    EXPECT_EQ(thrown_errno([&] { (void)one.wait(deadline::clock::now() + 1h); }), EINTR);
}

TEST_F(child_process, an_end_that_somebody_else_took_is_an_error_that_says_so) {
    kernel.on_wait_child = [](int, siginfo_t&, int) { return -ECHILD; };
    const std::string text = thrown<std::system_error>([&] { (void)one.wait(); });
    EXPECT_TRUE(text.starts_with("cannot wait for process 321: somebody else took its end"))
        << text;
}

TEST_F(child_process, kill_goes_by_the_pidfd) {
    int signalled = 0;
    kernel.on_signal_child = [&](int asked, int signo) {
        EXPECT_EQ(asked, fd);
        signalled = signo;
        return 0;
    };
    one.kill(SIGTERM);
    EXPECT_EQ(signalled, SIGTERM);
    kernel.on_signal_child = [](int, int) { return -ESRCH; };
    const std::string text = thrown<std::system_error>([&] { one.kill(SIGTERM); });
    EXPECT_TRUE(text.starts_with("cannot send a signal to process 321: it has ended")) << text;
}

TEST_F(child_process, one_that_runs_is_left_to_be_reaped_later) {
    runs();
    one.detach();
    EXPECT_EQ(kernel.reaped, std::vector<int>{fd});
    EXPECT_EQ(options_seen, WEXITED | WNOHANG) << "it must not wait";
    EXPECT_FALSE(one.is_open());
    EXPECT_EQ(one.pid(), 0);
    one.detach();
    EXPECT_EQ(kernel.reaped.size(), 1U);
}

TEST_F(child_process, the_destructor_takes_the_end_of_one_that_has_ended) {
    ends(CLD_EXITED, 0);
    { const child gone = std::move(one); }
    EXPECT_EQ(asked_times, 1);
    EXPECT_TRUE(kernel.reaped.empty());
    EXPECT_TRUE(kernel.open_fds().empty());
}

TEST_F(child_process, an_end_that_was_taken_is_not_taken_again_by_the_destructor) {
    ends(CLD_EXITED, 0);
    (void)one.wait();
    { const child gone = std::move(one); }
    EXPECT_EQ(asked_times, 1);
    EXPECT_TRUE(kernel.reaped.empty());
}

TEST_F(child_process, a_move_takes_all_of_it_and_lets_go_of_what_was_there) {
    runs();
    const int other_fd = kernel.make_fd();
    child other(detail::handle(kernel, other_fd), 322);
    other = std::move(one);
    EXPECT_EQ(kernel.reaped, std::vector<int>{other_fd});
    EXPECT_EQ(other.pid(), 321);
    EXPECT_EQ(other.fd(), fd);
    EXPECT_FALSE(one.is_open()); // NOLINT(bugprone-use-after-move): that is the test
    EXPECT_EQ(one.pid(), 0);
    ends(CLD_EXITED, 5);
    EXPECT_EQ(other.wait().status, 5);
    kernel.on_wait_child = [](int, siginfo_t&, int) { return -ECHILD; };
    one = std::move(other);
    EXPECT_EQ(one.wait().status, 5) << "the end goes along";
}

TEST_F(child_process, none_is_a_logic_error_and_ebadf) {
    child none;
    EXPECT_THROW((void)none.fd(), std::logic_error);
    EXPECT_THROW((void)none.wait(), std::logic_error);
    EXPECT_THROW((void)none.wait(no_deadline), std::logic_error);
    EXPECT_THROW((void)none.try_wait(), std::logic_error);
    EXPECT_THROW(none.kill(SIGTERM), std::logic_error);
    std::error_code error;
    (void)none.wait(error);
    EXPECT_EQ(error, std::errc::bad_file_descriptor);
    error.clear();
    none.kill(SIGTERM, error);
    EXPECT_EQ(error, std::errc::bad_file_descriptor);
}

TEST_F(child_process, prints_how_it_ended) {
    runs();
    std::ostringstream out;
    out << one << ", " << child() << ", " << child_end{.how = how::exited, .status = 3} << ", "
        << child_end{.how = how::killed, .status = 9};
    EXPECT_EQ(out.str(), "process 321, no process, exited with code 3, killed by signal 9");
}

} // namespace
