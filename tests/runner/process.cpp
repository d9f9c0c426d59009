// SPDX-License-Identifier: MIT
#include "process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "unique_fd.hpp"

namespace runner {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t output_kept = std::size_t{64} << 10U;

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

struct pipe_ends final {
    unique_fd reader;
    unique_fd writer;
};

pipe_ends make_pipe() {
    std::array<int, 2> fds{};
    if (::pipe2(fds.data(), O_CLOEXEC) < 0) {
        fail("cannot make a pipe for a test's output");
    }
    return {unique_fd(fds[0]), unique_fd(fds[1])};
}

// Between fork and exec: only calls that are safe there.
[[noreturn]] void become(const std::vector<char*>& argv, int output) {
    ::setpgid(0, 0);
    const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || ::dup2(null, STDIN_FILENO) < 0 || ::dup2(output, STDOUT_FILENO) < 0 ||
        ::dup2(output, STDERR_FILENO) < 0) {
        ::_exit(127);
    }
    ::execv(argv.front(), argv.data());
    ::_exit(127);
}

pid_t start(const std::vector<std::string>& command, int output) {
    // execv's prototype wants char*, and does not write there.
    std::vector<std::string> words(command);
    std::vector<char*> argv;
    std::transform(words.begin(), words.end(), std::back_inserter(argv),
                   [](std::string& word) { return word.data(); });
    argv.push_back(nullptr);

    const pid_t child = ::fork();
    if (child < 0) {
        fail("cannot start a test");
    }
    if (child == 0) {
        become(argv, output);
    }
    ::setpgid(child, child); // in both, so that it holds from here on
    return child;
}

unique_fd open_pidfd(pid_t pid) {
    unique_fd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!fd) {
        fail("cannot watch a test's process");
    }
    return fd;
}

// Takes what there is; false at the end of the file.
bool drain(int fd, std::string& output) {
    std::array<char, 4096> piece{};
    for (;;) {
        const auto length = ::read(fd, piece.data(), piece.size());
        if (length > 0) {
            output.append(piece.data(), static_cast<std::size_t>(length));
            if (output.size() > 2 * output_kept) {
                output.erase(0, output.size() - output_kept);
            }
        } else if (length == 0) {
            return false;
        } else if (errno != EINTR) {
            return errno == EAGAIN;
        }
    }
}

// The parent of a process, or -1: the fourth field of /proc/PID/stat, after a
// name in parentheses that may hold anything.
pid_t parent_of(const std::string& pid) {
    std::ifstream file("/proc/" + pid + "/stat");
    std::string line;
    std::getline(file, line);
    const auto bracket = line.rfind(") ");
    if (bracket == std::string::npos || bracket + 4 >= line.size()) {
        return -1;
    }
    return static_cast<pid_t>(std::strtol(line.c_str() + bracket + 4, nullptr, 10));
}

std::vector<pid_t> children() {
    std::vector<pid_t> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        const auto name = entry.path().filename().string();
        if (name.find_first_not_of("0123456789") == std::string::npos &&
            parent_of(name) == ::getpid()) {
            found.push_back(static_cast<pid_t>(std::stol(name)));
        }
    }
    return found;
}

// As a subreaper this process is the parent of whatever a test left behind,
// even if that left the test's process group.
void end_leftovers() {
    int status = 0;
    for (;;) {
        const pid_t ended = ::waitpid(-1, &status, WNOHANG);
        if (ended < 0) {
            return; // there is none, as after nearly all tests: looking through /proc takes long
        }
        if (ended > 0) {
            continue;
        }
        for (const pid_t pid : children()) {
            ::kill(pid, SIGKILL);
            ::waitpid(pid, &status, 0);
        }
    }
}

int until(clock::time_point deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock::now());
    return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

} // namespace

outcome run(const std::vector<std::string>& command, std::chrono::milliseconds limit) {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    const auto started = clock::now();
    auto [reader, writer] = make_pipe();
    ::fcntl(reader.get(), F_SETFL, O_NONBLOCK);
    const pid_t child = start(command, writer.get());
    writer.reset();
    const auto watch = open_pidfd(child);

    outcome result;
    std::array<pollfd, 2> waits{pollfd{watch.get(), POLLIN, 0}, pollfd{reader.get(), POLLIN, 0}};
    while (waits[0].revents == 0) {
        const int ready = ::poll(waits.data(), waits.size(), until(started + limit));
        if (ready == 0) {
            result.timed_out = true;
            break;
        }
        if (ready > 0 && waits[1].revents != 0 && !drain(reader.get(), result.output)) {
            waits[1].fd = -1; // closed by a program that goes on
        }
    }
    if (result.timed_out) {
        ::kill(-child, SIGKILL);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    result.took = std::chrono::duration_cast<std::chrono::milliseconds>(clock::now() - started);
    ::kill(-child, SIGKILL);
    end_leftovers();
    drain(reader.get(), result.output);
    if (WIFEXITED(status)) {
        result.exit_code = WEXITSTATUS(status);
    } else if (WIFSIGNALED(status)) {
        result.signal = WTERMSIG(status);
    }
    return result;
}

} // namespace runner
