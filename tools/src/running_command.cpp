// SPDX-License-Identifier: MIT
#include "running_command.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <sstream>
#include <system_error>

#include "commands.hpp"
#include "file.hpp"

namespace ipcshim::tools {

namespace {

[[noreturn]] void fail(int error, const std::string& sentence) {
    throw std::system_error(error, std::generic_category(), sentence);
}

// 0 or an errno.
int can_execute(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        return errno;
    }
    return S_ISREG(status.st_mode) && ::access(path.c_str(), X_OK) == 0 ? 0 : EACCES;
}

// A file without a name that holds the bytes, to be read from its start.
unique_fd file_of(std::span<const std::byte> bytes) {
    unique_fd made(::memfd_create("ipcshim-call", MFD_CLOEXEC));
    if (made.get() < 0) {
        fail(errno, "cannot make a file for what came in");
    }
    file::borrowed("what came in", made.get()).write(bytes);
    if (::lseek(made.get(), 0, SEEK_SET) != 0) {
        fail(errno, "cannot go to the start of what came in");
    }
    return made;
}

// What posix_spawn(3) takes: pointers into strings that stay where they are.
std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> list;
    list.reserve(texts.size() + 1);
    for (std::string& each : texts) {
        list.push_back(each.data());
    }
    list.push_back(nullptr);
    return list;
}

std::vector<std::string> environment_with(const std::vector<std::string>& extra) {
    std::vector<std::string> all = extra;
    for (char** each = environ; *each != nullptr; ++each) {
        const std::string text = *each;
        const std::string name = text.substr(0, text.find('=') + 1);
        if (std::none_of(extra.begin(), extra.end(),
                         [&](const std::string& one) { return one.starts_with(name); })) {
            all.push_back(text);
        }
    }
    return all;
}

class spawn_actions final {
public:
    spawn_actions() { ::posix_spawn_file_actions_init(&actions_); }
    spawn_actions(const spawn_actions&) = delete;
    spawn_actions(spawn_actions&&) = delete;
    spawn_actions& operator=(const spawn_actions&) = delete;
    spawn_actions& operator=(spawn_actions&&) = delete;
    ~spawn_actions() { ::posix_spawn_file_actions_destroy(&actions_); }

    void put(int from, int to) { ::posix_spawn_file_actions_adddup2(&actions_, from, to); }
    [[nodiscard]] const posix_spawn_file_actions_t& get() const noexcept { return actions_; }

private:
    posix_spawn_file_actions_t actions_{};
};

// No signal is blocked or ignored that was not when we started; this program
// ignores SIGPIPE for itself.
class spawn_attributes final {
public:
    explicit spawn_attributes(const sigset_t& blocked) {
        ::posix_spawnattr_init(&attributes_);
        sigset_t usual{};
        sigemptyset(&usual);
        sigaddset(&usual, SIGPIPE);
        ::posix_spawnattr_setsigdefault(&attributes_, &usual);
        ::posix_spawnattr_setsigmask(&attributes_, &blocked);
        constexpr auto flags = static_cast<unsigned>(POSIX_SPAWN_SETSIGDEF) |
                               static_cast<unsigned>(POSIX_SPAWN_SETSIGMASK);
        // NOLINTNEXTLINE(google-runtime-int): POSIX's
        ::posix_spawnattr_setflags(&attributes_, static_cast<short>(flags));
    }
    spawn_attributes(const spawn_attributes&) = delete;
    spawn_attributes(spawn_attributes&&) = delete;
    spawn_attributes& operator=(const spawn_attributes&) = delete;
    spawn_attributes& operator=(spawn_attributes&&) = delete;
    ~spawn_attributes() { ::posix_spawnattr_destroy(&attributes_); }

    [[nodiscard]] const posix_spawnattr_t& get() const noexcept { return attributes_; }

private:
    posix_spawnattr_t attributes_{};
};

} // namespace

std::string find_program(const std::string& name) {
    if (name.find('/') != std::string::npos) {
        if (const int error = can_execute(name); error != 0) {
            fail(error, "cannot run '" + name + "'");
        }
        return name;
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe): this program has one thread
    const char* const path = std::getenv("PATH");
    std::istringstream folders(path != nullptr ? path : "/usr/bin:/bin");
    int error = ENOENT;
    for (std::string folder; std::getline(folders, folder, ':');) {
        std::string candidate = (folder.empty() ? "." : folder) + "/" + name;
        const int found = name.empty() ? ENOENT : can_execute(candidate);
        if (found == 0) {
            return candidate;
        }
        error = found == EACCES ? EACCES : error;
    }
    fail(error, "cannot run '" + name + "': " +
                    (error == EACCES ? "this user may not execute it"
                                     : "there is no such program in the PATH"));
}

running_command::running_command(const std::string& program,
                                 const std::vector<std::string>& arguments,
                                 const std::vector<std::string>& extra_environment,
                                 std::span<const std::byte> input, const sigset_t& blocked,
                                 std::size_t most)
    : most_(most) {
    const unique_fd in = file_of(input);
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        fail(errno, "cannot make a pipe for the output of '" + program + "'");
    }
    const unique_fd out(ends[1]);
    output_.reset(ends[0]);
    // Ours alone: the command's end waits as any pipe.
    ::fcntl(output_.get(), F_SETFL, O_NONBLOCK);
    spawn_actions actions;
    actions.put(in.get(), STDIN_FILENO);
    actions.put(out.get(), STDOUT_FILENO);
    const spawn_attributes attributes(blocked);
    std::vector<std::string> words = arguments;
    std::vector<std::string> environment = environment_with(extra_environment);
    if (const int error = ::posix_spawn(&pid_, program.c_str(), &actions.get(), &attributes.get(),
                                        pointers_to(words).data(), pointers_to(environment).data());
        error != 0) {
        fail(error, "cannot run '" + program + "'");
    }
    ended_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    if (ended_.get() < 0) {
        const int error = errno;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        fail(error, "cannot watch '" + program + "'");
    }
}

void running_command::take_output() {
    constexpr std::size_t portion = 65536;
    while (output_.get() >= 0) {
        const std::size_t before = kept_.size();
        kept_.resize(before + portion);
        const ssize_t count = ::read(output_.get(), kept_.data() + before, portion);
        kept_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0 && errno == EAGAIN) {
            return;
        }
        if (kept_.size() > most_) {
            too_much_ = true;
        }
        if (count <= 0 || too_much_) {
            output_.reset();
        }
    }
}

std::optional<int> running_command::try_end() {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) != pid_) {
        return std::nullopt;
    }
    take_output();
    output_.reset();
    // NOLINTNEXTLINE(hicpp-signed-bitwise): POSIX's macros
    return WIFEXITED(status) ? WEXITSTATUS(status) : by_signal + WTERMSIG(status);
}

} // namespace ipcshim::tools
