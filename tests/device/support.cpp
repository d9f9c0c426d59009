// SPDX-License-Identifier: MIT
#include "support.hpp"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iostream>
#include <sstream>
#include <variant>

namespace test {

void fail(const char* file, int line, const std::string& what) {
    throw std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": " + what);
}

void line::put(std::uint64_t value) const {
    CHECK(::send(fd_.get(), &value, sizeof(value), MSG_NOSIGNAL) == sizeof(value));
}

std::uint64_t line::get() const {
    std::uint64_t value = 0;
    ssize_t count = 0;
    do {
        count = ::recv(fd_.get(), &value, sizeof(value), 0);
    } while (count < 0 && errno == EINTR);
    if (count != sizeof(value))
        fail(__FILE__, __LINE__, "the process at the other end is gone");
    return value;
}

process::process(const body& run) {
    std::array<int, 2> pair{};
    CHECK_CALL(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()));
    unique_fd mine(pair[0]);
    unique_fd theirs(pair[1]);
    std::cout.flush();
    const pid_t parent = ::getpid();
    pid_ = CHECK_CALL(::fork());
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent)
            ::_exit(1);
        mine.reset();
        try {
            const line wire(std::move(theirs));
            run(wire);
        } catch (const std::exception& error) {
            std::cerr << "process " << ::getpid() << ": " << error.what() << std::endl;
            ::_exit(1);
        }
        ::_exit(0);
    }
    line_ = line(std::move(mine));
}

process::~process() {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
}

void process::kill() {
    CHECK_CALL(::kill(pid_, SIGKILL));
    const int status = wait();
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

int process::wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0)
        CHECK(errno == EINTR);
    pid_ = -1;
    return status;
}

void process::join() {
    const int status = wait();
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail(__FILE__, __LINE__, "a process ended with wait status " + std::to_string(status));
}

void become(uid_t uid) {
    CHECK_CALL(::setgroups(0, nullptr));
    CHECK_CALL(::setresgid(uid, uid, uid));
    CHECK_CALL(::setresuid(uid, uid, uid));
    // Changed credentials clear it.
    CHECK_CALL(::prctl(PR_SET_PDEATHSIG, SIGKILL));
}

void send_fd(const line& to, int fd) {
    char byte = 0;
    iovec part{&byte, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    CHECK_CALL(::sendmsg(to.fd(), &message, MSG_NOSIGNAL));
}

unique_fd receive_fd(const line& from) {
    char byte = 0;
    iovec part{&byte, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    CHECK_CALL(::recvmsg(from.fd(), &message, MSG_CMSG_CLOEXEC));
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    CHECK(header != nullptr && header->cmsg_type == SCM_RIGHTS);
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    return unique_fd(fd);
}

void wait_until(const std::function<bool()>& condition) {
    while (!condition())
        ::poll(nullptr, 0, 1); // lets the others run between two looks
}

bool sleeps(pid_t tid) {
    const std::string place = "/proc/" + std::to_string(tid);
    const std::string text = file_content(place + "/stat");
    const auto name_end = text.rfind(')');
    if (name_end == std::string::npos || text.substr(name_end, 3) != ") S")
        return false;
    // One that is about to sleep looks once more whether it has to, and runs meanwhile.
    const std::string call = file_content(place + "/syscall");
    return !call.empty() && call != "running\n";
}

pid_t own_tid() {
    return static_cast<pid_t>(::syscall(SYS_gettid));
}

ipcshim::port listening_port(ipcshim::notify way) {
    auto port = ipcshim::port::open();
    port.handle(ipcshim::event_set::all(), way);
    return port;
}

static ipcshim::pipe_pair pair_of(ipcshim::pipe_mode mode, std::size_t capacity) {
    ipcshim::pipe_parameters parameters;
    parameters.mode = mode;
    parameters.capacity = capacity;
    return ipcshim::port::open().open_pipe(parameters);
}

ipcshim::pipe_pair raw_pair(std::size_t capacity) {
    return pair_of(ipcshim::pipe_mode::raw, capacity);
}

ipcshim::pipe_pair message_pair(std::size_t capacity) {
    return pair_of(ipcshim::pipe_mode::message, capacity);
}

ipcshim::driver_totals totals() {
    return ipcshim::port::open().query().totals();
}

ipcshim_pipe_io io_args(void* buffer, std::size_t size, std::uint32_t mode,
                        std::uint64_t deadline) {
    ipcshim_pipe_io args{};
    args.buffer = reinterpret_cast<std::uintptr_t>(buffer);
    args.size = size;
    args.mode = mode;
    args.deadline = deadline;
    return args;
}

std::uint64_t now() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(time.tv_nsec);
}

std::byte pattern(std::uint64_t place, std::uint64_t seed) {
    // Neighbours, pages and rounds of a ring all differ.
    const std::uint64_t word = place * 7 + place / 251 + place / 65'521 + seed * 31;
    return static_cast<std::byte>(word & 0xff);
}

std::vector<std::byte> patterned(std::size_t size, std::uint64_t seed, std::uint64_t from) {
    std::vector<std::byte> bytes(size);
    for (std::size_t i = 0; i < size; i++)
        bytes[i] = pattern(from + i, seed);
    return bytes;
}

std::size_t matching(std::span<const std::byte> bytes, std::uint64_t seed, std::uint64_t from) {
    for (std::size_t i = 0; i < bytes.size(); i++)
        if (bytes[i] != pattern(from + i, seed))
            return i;
    return bytes.size();
}

std::vector<std::byte> read_bytes(int fd, std::size_t size) {
    std::vector<std::byte> bytes(size);
    std::size_t done = 0;
    while (done < size) {
        const ssize_t count = CHECK_CALL(::read(fd, bytes.data() + done, size - done));
        if (count == 0)
            break;
        done += static_cast<std::size_t>(count);
    }
    bytes.resize(done);
    return bytes;
}

void write_bytes(int fd, std::span<const std::byte> bytes) {
    CHECK(::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
}

std::string file_content(const std::string& path) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

bool write_file(const std::string& path, const std::string& text) {
    const unique_fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    return fd.get() >= 0 &&
           ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

parameter::parameter(const std::string& name, std::uint64_t value)
    : path_("/sys/module/ipcshim/parameters/" + name), before_(file_content(path_)) {
    CHECK(!before_.empty());
    CHECK(write_file(path_, std::to_string(value)));
}

parameter::~parameter() {
    if (!write_file(path_, before_))
        std::cerr << path_ << " could not be put back to " << before_;
}

} // namespace test
