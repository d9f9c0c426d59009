// SPDX-License-Identifier: MIT
//
// New processes for real, on a terminal of devpts: what they have, and what
// they have not.
#include "start_child.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "fake_kernel.hpp"
#include "prepared_command.hpp"

namespace {

using namespace ipcshim;
using detail::child_failure;
using detail::child_step;
using detail::prepared_command;
namespace fs = std::filesystem;

std::size_t open_descriptors() {
    const fs::directory_iterator each("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(each), end(each)));
}

// Runs a function in a process of its own. \return its exit code
template <typename Function> int in_a_process(const Function& function) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::_exit(function());
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class start_child : public ::testing::Test {
protected:
    void SetUp() override {
        master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        ASSERT_GE(master, 0) << "a test of processes needs devpts";
        ASSERT_EQ(::grantpt(master), 0);
        ASSERT_EQ(::unlockpt(master), 0);
        std::array<char, 64> name{};
        ASSERT_EQ(::ptsname_r(master, name.data(), name.size()), 0);
        path = name.data();
        slave = ::open(path.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
        ASSERT_GE(slave, 0);
    }
    void TearDown() override {
        ::close(master);
        ::close(slave);
    }

    pid_t start(const command& what) {
        const prepared_command ready(what, environ);
        failure = {};
        return detail::start_child(ready.plan(slave), pidfd, failure);
    }
    pid_t start_script(const std::string& script) {
        return start({.arguments = {"sh", "-c", script}, .program = "/bin/sh"});
    }
    // What a script shows until its end, without carriage returns.
    std::string shown_by(const std::string& script) {
        EXPECT_GT(start_script(script), 0);
        return rest();
    }
    std::string rest() {
        ::close(slave);
        slave = -1;
        std::string text;
        std::array<char, 512> buffer{};
        for (ssize_t size = 0; (size = ::read(master, buffer.data(), buffer.size())) > 0;) {
            text.append(buffer.data(), static_cast<std::size_t>(size));
        }
        std::erase(text, '\r');
        siginfo_t info{};
        EXPECT_EQ(::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED), 0);
        EXPECT_EQ(info.si_code, CLD_EXITED);
        EXPECT_EQ(info.si_status, 0);
        ::close(pidfd);
        return text;
    }
    // Of a start that failed: no zombie, no descriptor, and the pidfd untouched.
    void expect_failure(const command& what, child_step step, int error) {
        const std::size_t before = open_descriptors();
        pidfd = -7;
        EXPECT_EQ(start(what), -error);
        EXPECT_EQ(failure.step, step);
        EXPECT_EQ(failure.error, error);
        EXPECT_EQ(pidfd, -7);
        EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child was left";
        EXPECT_EQ(errno, ECHILD);
        EXPECT_EQ(open_descriptors(), before);
    }

    int master = -1;
    int slave = -1;
    std::string path;
    int pidfd = -1;
    child_failure failure;
};

TEST_F(start_child, leads_a_session_with_the_terminal_in_the_foreground) {
    // pid (name) state parent group session terminal foreground
    const std::string text = shown_by("read -r pid name state parent group session terminal front "
                                      "rest < /proc/$$/stat; echo $$ $group $session $front; "
                                      ": < /dev/tty && echo has a terminal");
    std::istringstream words(text);
    long pid = 0;
    long group = -1;
    long session = -2;
    long front = -3;
    words >> pid >> group >> session >> front;
    EXPECT_GT(pid, 0) << text;
    EXPECT_EQ(group, pid);
    EXPECT_EQ(session, pid);
    EXPECT_EQ(front, pid);
    EXPECT_NE(text.find("has a terminal"), std::string::npos) << text;
}

TEST_F(start_child, has_the_three_standard_descriptors_and_no_other) {
    std::vector<int> others;
    for (int count = 0; count < 50; ++count) {
        others.push_back(::open("/dev/null", O_RDONLY)); // not O_CLOEXEC
    }
    others.push_back(::fcntl(others.front(), F_DUPFD, 900));
    // The shell's own look at the list is over when it asks for each.
    const std::string text = shown_by("for each in /proc/$$/fd/*; do [ -e \"$each\" ] && echo "
                                      "\"${each##*/} $(readlink \"$each\")\"; done; true");
    for (const int other : others) {
        ::close(other);
    }
    EXPECT_EQ(text, "0 " + path + "\n1 " + path + "\n2 " + path + "\n");
}

TEST_F(start_child, gets_its_descriptors_whichever_numbers_the_parent_has_free) {
    for (const int place : {0, 1, 2, 3}) {
        const int code = in_a_process([&] {
            // Terminal and report have the places that are to be filled.
            const int kept = ::fcntl(master, F_DUPFD_CLOEXEC, 20);
            const int moved = ::fcntl(slave, F_DUPFD_CLOEXEC, 20);
            for (int fd = 0; fd < 10; ++fd) {
                ::close(fd);
            }
            ::dup3(moved, place, O_CLOEXEC);
            ::close(moved);
            slave = place;
            if (start_script("test -t 0 && test -t 1 && test -t 2 && exit 5") < 0) {
                return 1;
            }
            siginfo_t info{};
            ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED);
            return kept >= 20 && info.si_status == 5 ? 0 : 2;
        });
        EXPECT_EQ(code, 0) << "the terminal was descriptor " << place;
    }
}

TEST_F(start_child, gets_default_signals_and_none_blocked) {
    struct sigaction ignored = {};
    struct sigaction before_int = {};
    struct sigaction before_rt = {};
    ignored.sa_handler = SIG_IGN;
    ::sigaction(SIGINT, &ignored, &before_int);
    ::sigaction(SIGRTMAX, &ignored, &before_rt);
    // One of the C library's own, which sigaction(3) refuses to touch.
    constexpr int internal = 32;
    constexpr std::size_t mask_bytes = 8;
    const std::array<unsigned long, 8> ignored_raw{1}; // NOLINT(google-runtime-int): SIG_IGN
    std::array<unsigned long, 8> before_raw{};         // NOLINT(google-runtime-int)
    ::syscall(SYS_rt_sigaction, internal, ignored_raw.data(), before_raw.data(), mask_bytes);
    sigset_t some;
    sigset_t before;
    sigemptyset(&some);
    sigaddset(&some, SIGUSR1);
    sigaddset(&some, SIGHUP);
    ::pthread_sigmask(SIG_BLOCK, &some, &before);
    const std::string text =
        shown_by("while read -r name value rest; do case $name in SigBlk:|SigIgn:) echo $value;; "
                 "esac; done < /proc/$$/status");
    sigset_t after;
    ::pthread_sigmask(SIG_SETMASK, &before, &after);
    ::sigaction(SIGINT, &before_int, nullptr);
    ::sigaction(SIGRTMAX, &before_rt, nullptr);
    ::syscall(SYS_rt_sigaction, internal, before_raw.data(), nullptr, mask_bytes);
    unsigned long long blocked = 1;
    unsigned long long still_ignored = 1;
    std::istringstream words(text);
    words >> std::hex >> blocked >> still_ignored;
    EXPECT_EQ(blocked, 0U) << text;
    // Some shells ignore this one themselves.
    EXPECT_EQ(still_ignored & ~(1ULL << (SIGQUIT - 1)), 0U) << text;
    EXPECT_EQ(sigismember(&after, SIGUSR1), 1) << "the parent's own mask is as it was";
    EXPECT_EQ(sigismember(&after, SIGUSR2), 0);
}

TEST_F(start_child, gets_directory_arguments_and_environment) {
    EXPECT_GT(
        start({.arguments = {"sh", "-c", "pwd; echo \"$0 $1\"; echo \"$WORD\"", "zero", "one two"},
               .program = "/bin/sh",
               .extra_environment = {"WORD=a word"},
               .directory = "/proc"}),
        0);
    EXPECT_EQ(rest(), "/proc\nzero one two\na word\n");
}

TEST_F(start_child, looks_for_the_program_where_the_path_says) {
    EXPECT_GT(
        start({.arguments = {"sh", "-c", "echo found"},
               .environment = std::vector<std::string>{"PATH=/dev/null:/no/such/place:/bin"}}),
        0);
    EXPECT_EQ(rest(), "found\n");
}

TEST_F(start_child, what_is_missing_is_told_and_nothing_is_left) {
    expect_failure({.arguments = {"/no/such/program"}}, child_step::program, ENOENT);
    expect_failure({.arguments = {"no-such-program"}}, child_step::program, ENOENT);
    expect_failure({.arguments = {"/dev/null/program"}}, child_step::program, ENOENT);
    expect_failure({.arguments = {"sh"}, .directory = "/no/such/place"}, child_step::directory,
                   ENOENT);
    expect_failure({.arguments = {"sh"}, .directory = "/dev/null"}, child_step::directory, ENOTDIR);
}

TEST_F(start_child, what_may_not_be_executed_is_told_before_what_is_missing) {
    // A directory is never executed, not even by root.
    expect_failure({.arguments = {"/proc"}}, child_step::program, EACCES);
    expect_failure({.arguments = {"self"},
                    .environment = std::vector<std::string>{"PATH=/proc:/no/such/place"}},
                   child_step::program, EACCES);
}

TEST_F(start_child, a_descriptor_that_is_no_terminal_is_told) {
    ::close(slave);
    slave = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    expect_failure({.arguments = {"sh"}}, child_step::terminal, ENOTTY);
}

TEST_F(start_child, a_terminal_of_another_session_is_not_taken_away) {
    ASSERT_GT(start_script("read -r line"), 0);
    const int first = pidfd;
    const prepared_command ready({.arguments = {"/bin/sh", "-c", "true"}}, environ);
    int none = -7;
    EXPECT_EQ(detail::start_child(ready.plan(slave), none, failure), -EPERM);
    EXPECT_EQ(failure.step, child_step::terminal);
    EXPECT_EQ(none, -7);
    EXPECT_EQ(::write(master, "\n", 1), 1);
    siginfo_t info{};
    EXPECT_EQ(::waitid(P_PIDFD, static_cast<id_t>(first), &info, WEXITED), 0);
    EXPECT_EQ(info.si_status, 0) << "the first one goes on";
    ::close(first);
}

TEST_F(start_child, one_that_nobody_waits_for_leaves_no_zombie) {
    const pid_t pid = start_script("read -r line");
    ASSERT_GT(pid, 0);
    { const child forgotten(detail::handle(detail::real_syscalls(), pidfd), pid); }
    EXPECT_EQ(::kill(pid, 0), 0) << "it still runs";
    EXPECT_EQ(::write(master, "\n", 1), 1);
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    // A zombie would still be there to be sent a signal.
    while (::kill(pid, 0) == 0 && std::chrono::steady_clock::now() < patience) {
        std::this_thread::yield();
    }
    EXPECT_EQ(::kill(pid, 0), -1);
    EXPECT_EQ(errno, ESRCH);
}

TEST_F(start_child, a_child_is_waited_for_and_killed_for_real) {
    const pid_t pid = start_script("read -r line");
    ASSERT_GT(pid, 0);
    child one(detail::handle(detail::real_syscalls(), pidfd), pid);
    EXPECT_FALSE(one.try_wait().has_value());
    EXPECT_FALSE(one.wait(deadline::clock::now()).has_value());
    one.kill(SIGKILL);
    EXPECT_EQ(one.wait(no_deadline), (child_end{.how = how::killed, .status = SIGKILL}));
    EXPECT_EQ(test::thrown_errno([&] { one.kill(SIGKILL); }), ESRCH);
}

// --- closing what is open -------------------------------------------------------

// Opens descriptors here and there, closes those from 10 on, and looks.
int closes_from_10(void (*close_them)(unsigned) noexcept) {
    constexpr unsigned lowest = 10;
    const int null = ::open("/dev/null", O_RDONLY);
    // More than one portion of the list in /proc.
    for (int fd = 8; fd < 200; ++fd) {
        ::dup2(null, fd);
    }
    ::dup2(null, 1000);
    close_them(lowest);
    for (int fd = 0; fd < 1024; ++fd) {
        const bool open = ::fcntl(fd, F_GETFD) >= 0;
        if (fd >= 10 && open) {
            return 1;
        }
        if ((fd == 8 || fd == 9) && !open) {
            return 2;
        }
    }
    return 0;
}

TEST(close_from, closes_all_above) {
    EXPECT_EQ(in_a_process([] { return closes_from_10(detail::close_from); }), 0);
}

TEST(close_from, closes_all_above_with_the_list_in_proc) {
    EXPECT_EQ(in_a_process([] { return closes_from_10(detail::close_from_slowly); }), 0);
}

TEST(close_from, closes_all_above_where_the_kernel_has_no_close_range) {
    EXPECT_EQ(in_a_process([] {
                  const std::array program{
                      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
                      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
                      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
                  const sock_fprog filter{.len = program.size(),
                                          .filter = const_cast<sock_filter*>(program.data())};
                  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
                      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0 ||
                      ::close_range(900, 901, 0) != -1 || errno != ENOSYS) {
                      return 3;
                  }
                  return closes_from_10(detail::close_from);
              }),
              0);
}

TEST(close_from, closes_all_above_where_there_is_no_proc) {
    constexpr int not_allowed = 77;
    const std::string empty = testing::TempDir() + "/close_from." + std::to_string(::getpid());
    ASSERT_TRUE(fs::create_directory(empty));
    const int code = in_a_process([&] {
        const bool root = ::geteuid() == 0 || ::unshare(CLONE_NEWUSER) == 0;
        const int null = ::open("/dev/null", O_RDONLY);
        for (int fd = 8; fd < 20; ++fd) {
            ::dup2(null, fd);
        }
        if (!root || ::chroot(empty.c_str()) != 0 || ::chdir("/") != 0) {
            return not_allowed;
        }
        detail::close_from_slowly(10);
        return ::fcntl(9, F_GETFD) >= 0 && ::fcntl(10, F_GETFD) < 0 && ::fcntl(19, F_GETFD) < 0 ? 0
                                                                                                : 1;
    });
    fs::remove(empty);
    if (code == not_allowed) {
        GTEST_SKIP() << "this user may not change its root directory";
    }
    EXPECT_EQ(code, 0);
}

} // namespace
