// SPDX-License-Identifier: MIT
#include "actor.hpp"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h> // NOLINT(modernize-deprecated-headers): kill
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace demo {

namespace {

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

/// Runs in the child, where only what is async-signal-safe may be done.
[[noreturn]] void become(int output, std::optional<uid_t> uid, pid_t parent,
                         const std::vector<char*>& words) noexcept {
    const bool ready =
        ::dup2(output, STDOUT_FILENO) >= 0 &&
        (!uid || (::setgroups(0, nullptr) == 0 && ::setgid(*uid) == 0 && ::setuid(*uid) == 0)) &&
        // After the change of user, which would undo it.
        ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::getppid() == parent;

    if (ready) {
        ::execv("/proc/self/exe", words.data());
    }
    ::_exit(127);
}

} // namespace

int milliseconds(clock::time_point until) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - clock::now()).count();

    return left <= 0 ? 0 : static_cast<int>(std::min<long long>(left + 1, 60'000));
}

actor::actor(std::vector<std::string> words, std::optional<uid_t> uid) : role_(words.at(0)) {
    std::array<int, 2> ends{};

    if (::pipe2(ends.data(), O_CLOEXEC) < 0) {
        fail("pipe2");
    }
    words.insert(words.begin(), "ipcshim-demo");
    std::vector<char*> pointers;
    pointers.reserve(words.size() + 1);
    for (std::string& word : words) {
        pointers.push_back(word.data());
    }
    pointers.push_back(nullptr);

    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
        become(ends[1], uid, parent, pointers);
    }
    const int error = errno;
    ::close(ends[1]);
    output_ = ends[0];
    if (pid_ < 0) {
        ::close(output_);
        errno = error;
        fail("fork");
    }
}

actor::actor(actor&& other) noexcept
    : role_(std::move(other.role_)), pid_(std::exchange(other.pid_, -1)),
      output_(std::exchange(other.output_, -1)), ended_(other.ended_),
      pending_(std::move(other.pending_)) {}

actor::~actor() {
    reap();
    if (output_ >= 0) {
        ::close(output_);
    }
}

void actor::reap() noexcept {
    if (pid_ <= 0) {
        return;
    }
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
}

void actor::kill() {
    reap();
}

void actor::stop() {
    int status = 0;

    if (::kill(pid_, SIGSTOP) < 0) {
        fail("SIGSTOP");
    }
    while (::waitpid(pid_, &status, WUNTRACED) < 0) {
        if (errno != EINTR) {
            fail("waitpid");
        }
    }
    if (!WIFSTOPPED(status)) {
        // It is reaped, and its pid may be another's by now.
        pid_ = -1;
        throw std::runtime_error(fmt::format("{}: ended instead of being stopped", role_));
    }
}

void actor::go_on() const {
    if (::kill(pid_, SIGCONT) < 0) {
        fail("SIGCONT");
    }
}

std::optional<nlohmann::json> actor::take_line() {
    const std::size_t end = pending_.find('\n');

    if (end == std::string::npos) {
        return {};
    }
    nlohmann::json message = nlohmann::json::parse(pending_.substr(0, end));
    pending_.erase(0, end + 1);
    if (message.at("state") == "failed") {
        throw std::runtime_error(
            fmt::format("{} (pid {}): {}", role_, pid_, message.at("sentence").get<std::string>()));
    }
    return message;
}

bool actor::fill() {
    std::array<char, 4096> bytes{};
    const ssize_t got = ::read(output_, bytes.data(), bytes.size());

    if (got < 0 && errno == EINTR) {
        return true;
    }
    if (got <= 0) {
        ended_ = true;
        return false;
    }
    pending_.append(bytes.data(), static_cast<std::size_t>(got));
    return true;
}

nlohmann::json actor::hear(clock::time_point until) {
    actor* const only = this;
    return hear_any({&only, 1}, until).what;
}

actor::heard actor::hear_any(std::span<actor* const> actors, clock::time_point until) {
    for (;;) {
        std::vector<pollfd> waiting;
        std::vector<std::size_t> whose;

        for (std::size_t n = 0; n < actors.size(); n++) {
            if (std::optional<nlohmann::json> line = actors[n]->take_line()) {
                return {n, std::move(*line)};
            }
            if (!actors[n]->ended_) {
                waiting.push_back({actors[n]->output_, POLLIN, 0});
                whose.push_back(n);
            }
        }
        if (waiting.empty()) {
            throw std::runtime_error(
                fmt::format("{}: ended without a last word", actors.front()->role_));
        }
        const int ready = ::poll(waiting.data(), waiting.size(), milliseconds(until));
        if (ready < 0 && errno != EINTR) {
            fail("poll");
        }
        if (ready == 0 && clock::now() >= until) {
            throw std::runtime_error(
                fmt::format("{}: nothing heard from it in time", actors[whose.front()]->role_));
        }
        for (std::size_t n = 0; ready > 0 && n < waiting.size(); n++) {
            if (waiting[n].revents != 0) {
                actors[whose[n]]->fill();
            }
        }
    }
}

nlohmann::json actor::expect(const std::string& state, clock::time_point until) {
    nlohmann::json message = hear(until);

    if (message.at("state") != state) {
        throw std::runtime_error(fmt::format("{} (pid {}): said '{}' instead of '{}'", role_, pid_,
                                             message.at("state").get<std::string>(), state));
    }
    return message;
}

void say(const nlohmann::json& message) {
    const std::string line = message.dump() + '\n';
    std::string_view rest = line;

    while (!rest.empty()) {
        const ssize_t put = ::write(STDOUT_FILENO, rest.data(), rest.size());
        if (put < 0 && errno != EINTR) {
            fail("standard output");
        }
        if (put > 0) {
            rest.remove_prefix(static_cast<std::size_t>(put));
        }
    }
}

} // namespace demo
