// SPDX-License-Identifier: MIT
#include "pty_support.hpp"

#include <sys/wait.h>

#include <cstring>
#include <sstream>

namespace test {

namespace {

unique_fd open_module_master(winsize size, ipcshim_open_pty& args) {
    const auto port = ipcshim::port::open();
    args.rows = size.ws_row;
    args.columns = size.ws_col;
    args.x_pixels = size.ws_xpixel;
    args.y_pixels = size.ws_ypixel;
    CHECK_CALL(::ioctl(port.fd(), IPCSHIM_OPEN_PTY, &args));
    return unique_fd(args.fd);
}

unique_fd open_devpts_master(winsize size) {
    unique_fd fd(CHECK_CALL(::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)));
    const int unlocked = 0;
    CHECK_CALL(::ioctl(fd.get(), TIOCSPTLCK, &unlocked));
    CHECK_CALL(::ioctl(fd.get(), TIOCSWINSZ, &size));
    return fd;
}

int error_of(int fd) {
    const unique_fd closes(fd);
    return fd < 0 ? errno : 0;
}

sigset_t set_of(std::initializer_list<int> signals) {
    sigset_t set{};
    ::sigemptyset(&set);
    for (const int signo : signals)
        ::sigaddset(&set, signo);
    return set;
}

} // namespace

std::vector<pty_kind> reference_kinds() {
    const char* const debug = std::getenv("IPCSHIM_DEBUG_KERNEL");
    if (debug != nullptr && std::string_view(debug) == "1")
        return {};
    return {pty_kind::devpts};
}

terminal::terminal(pty_kind whose, bool with_slave, winsize size) : kind(whose) {
    master = kind == pty_kind::module ? open_module_master(size, args) : open_devpts_master(size);
    CHECK_CALL(::ioctl(master.get(), TIOCGPTN, &index));
    path = (kind == pty_kind::module ? "/dev/ttyIPC" : "/dev/pts/") + std::to_string(index);
    if (with_slave)
        slave = peer();
}

unique_fd terminal::peer(int flags) const {
    return unique_fd(CHECK_CALL(::ioctl(master.get(), TIOCGPTPEER, flags)));
}

unique_fd terminal::node(int flags) const {
    return unique_fd(CHECK_CALL(::open(path.c_str(), flags)));
}

int terminal::peer_error(int flags) const {
    return error_of(::ioctl(master.get(), TIOCGPTPEER, flags));
}

int terminal::node_error(int flags) const {
    return error_of(::open(path.c_str(), flags));
}

termios attributes(int fd) {
    termios current{};
    CHECK_CALL(::tcgetattr(fd, &current));
    return current;
}

void set_attributes(int fd, const termios& wanted, int when) {
    CHECK_CALL(::tcsetattr(fd, when, &wanted));
}

void change(int fd, const std::function<void(termios&)>& how) {
    auto wanted = attributes(fd);
    how(wanted);
    set_attributes(fd, wanted);
}

void make_raw(int fd) {
    change(fd, [](termios& line) { ::cfmakeraw(&line); });
}

void without_echo(int fd) {
    change(fd, [](termios& line) { line.c_lflag &= ~static_cast<tcflag_t>(ECHO); });
}

bool same(const termios& one, const termios& other) {
    return one.c_iflag == other.c_iflag && one.c_oflag == other.c_oflag &&
           one.c_cflag == other.c_cflag && one.c_lflag == other.c_lflag &&
           one.c_line == other.c_line && std::memcmp(one.c_cc, other.c_cc, sizeof(one.c_cc)) == 0 &&
           ::cfgetispeed(&one) == ::cfgetispeed(&other) &&
           ::cfgetospeed(&one) == ::cfgetospeed(&other);
}

void put(int fd, std::string_view text) {
    while (!text.empty())
        text.remove_prefix(
            static_cast<std::size_t>(CHECK_CALL(::write(fd, text.data(), text.size()))));
}

std::string take(int fd, std::size_t size) {
    std::string text(size, '\0');
    std::size_t done = 0;
    while (done < size) {
        const ssize_t count = CHECK_CALL(::read(fd, text.data() + done, size - done));
        if (count == 0)
            break;
        done += static_cast<std::size_t>(count);
    }
    text.resize(done);
    return text;
}

std::string take_some(int fd, std::size_t room) {
    std::string text(room, '\0');
    text.resize(static_cast<std::size_t>(CHECK_CALL(::read(fd, text.data(), room))));
    return text;
}

int read_error(int fd) {
    char byte = 0;
    const ssize_t count = ::read(fd, &byte, 1);
    if (count == 0)
        return -1;
    return count < 0 ? errno : 0;
}

int write_error(int fd) {
    return ::write(fd, "x", 1) < 0 ? errno : 0;
}

void nonblocking(int fd, bool on) {
    const int flags = CHECK_CALL(::fcntl(fd, F_GETFL));
    CHECK_CALL(::fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
}

std::size_t fill(int fd, std::uint64_t seed, std::uint64_t from) {
    nonblocking(fd);
    std::size_t done = 0;
    for (;;) {
        const auto bytes = patterned(1'000, seed, from + done);
        const ssize_t count = ::write(fd, bytes.data(), bytes.size());
        if (count < 0) {
            CHECK(errno == EAGAIN);
            break;
        }
        done += static_cast<std::size_t>(count);
    }
    nonblocking(fd, false);
    return done;
}

int unread(int fd) {
    int count = -1;
    CHECK_CALL(::ioctl(fd, FIONREAD, &count));
    return count;
}

int unsent(int fd) {
    int count = -1;
    CHECK_CALL(::ioctl(fd, TIOCOUTQ, &count));
    return count;
}

int ioctl_error(int fd, unsigned long number, int value) {
    return ::ioctl(fd, number, value) < 0 ? errno : 0;
}

short polled(int fd) {
    pollfd what{fd, POLLIN | POLLPRI | POLLOUT, 0};
    CHECK_CALL(::poll(&what, 1, 0));
    return what.revents;
}

void wait_for(int fd, short events) {
    pollfd what{fd, events, 0};
    do {
        CHECK(::poll(&what, 1, -1) == 1);
        CHECK((what.revents & POLLNVAL) == 0);
        // One that was not asked for, such as POLLHUP, would make this spin.
    } while ((what.revents & events) == 0 && ::poll(nullptr, 0, 1) == 0);
}

bool waits_in(pid_t tid, long call, int fd) {
    // "running", or the call's number and its arguments.
    std::istringstream text(file_content("/proc/" + std::to_string(tid) + "/syscall"));
    long number = -1;
    std::string first;
    if (!(text >> number >> first) || number != call)
        return false;
    return std::stoul(first, nullptr, 16) == static_cast<unsigned long>(fd) && sleeps(tid);
}

void wait_until_in(pid_t tid, long call, int fd) {
    wait_until([&] { return waits_in(tid, call, fd); });
}

worker::worker(std::function<void()> run)
    : thread_([this, run = std::move(run)] {
          tid_ = own_tid();
          try {
              run();
          } catch (...) {
              error_ = std::current_exception();
          }
          ended_ = true;
      }) {
    wait_until([this] { return tid_ != 0; });
}

worker::~worker() {
    // One that was left behind by a failed test may wait for ever.
    if (thread_.joinable())
        thread_.detach();
}

void worker::wait_until_idle() const {
    wait_until([this] { return ended_ || sleeps(tid_); });
}

void worker::join() {
    thread_.join();
    if (error_)
        std::rethrow_exception(error_);
}

process keeper_without(unique_fd& one, unique_fd& other) {
    return process([&](const line& parent) {
        one.reset();
        other.reset();
        parent.put(1);
        static_cast<void>(parent.get());
    });
}

void lead_session(int slave) {
    CHECK_CALL(::setsid());
    CHECK_CALL(::ioctl(slave, TIOCSCTTY, 0));
}

void block(std::initializer_list<int> signals) {
    const auto set = set_of(signals);
    CHECK(::pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
}

int take_signal(std::initializer_list<int> signals) {
    const auto set = set_of(signals);
    siginfo_t info{};
    for (;;) {
        const int signo = ::sigwaitinfo(&set, &info);
        if (signo > 0)
            return signo;
        CHECK(errno == EINTR);
    }
}

int take_signal_now(std::initializer_list<int> signals) {
    const auto set = set_of(signals);
    siginfo_t info{};
    const timespec none{};
    const int signo = ::sigtimedwait(&set, &info, &none);
    return signo > 0 ? signo : 0;
}

bool signal_waits(pid_t pid, int signo) {
    std::istringstream text(file_content("/proc/" + std::to_string(pid) + "/status"));
    for (std::string line; std::getline(text, line);)
        if (line.starts_with("SigPnd:") || line.starts_with("ShdPnd:"))
            if ((std::stoull(line.substr(7), nullptr, 16) >> (signo - 1) & 1U) != 0)
                return true;
    return false;
}

int stopped_by(pid_t child) {
    int status = 0;
    CHECK_CALL(::waitpid(child, &status, WUNTRACED));
    CHECK(WIFSTOPPED(status));
    return WSTOPSIG(status);
}

window size_of(int fd) {
    winsize size{};
    CHECK_CALL(::ioctl(fd, TIOCGWINSZ, &size));
    return {size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel};
}

int resize(int fd, unsigned short rows, unsigned short columns) {
    const winsize size{rows, columns, 0, 0};
    return ::ioctl(fd, TIOCSWINSZ, &size) < 0 ? errno : 0;
}

} // namespace test
