// SPDX-License-Identifier: MIT
#include "segment_support.hpp"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <setjmp.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <sstream>

namespace test {

namespace {

// Where a fault of this thread goes on, if anywhere.
thread_local sigjmp_buf* way_out = nullptr;

void leave(int signo) {
    if (way_out != nullptr)
        ::siglongjmp(*way_out, signo);
    // Nobody expects it: the instruction runs again, and ends the process.
    ::signal(signo, SIG_DFL);
}

void handle_faults() {
    struct sigaction action {};
    action.sa_handler = leave;
    action.sa_flags = SA_NODEFER;
    for (const int signo : {SIGBUS, SIGSEGV})
        CHECK_CALL(::sigaction(signo, &action, nullptr));
}

int result_of(int returned) {
    return returned == 0 ? 0 : errno;
}

share_answer share_with(int fd, pid_t pid, std::uint16_t mode, std::uint16_t rights,
                        std::uint32_t flags, std::uint64_t deadline) {
    ipcshim_share_mem wanted{};
    wanted.pid = static_cast<std::uint32_t>(pid);
    wanted.flags = flags;
    wanted.mode = mode;
    wanted.rights = rights;
    wanted.deadline = deadline;
    return share_call(fd, wanted);
}

} // namespace

std::size_t page_size() {
    static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return size;
}

unique_fd create_segment(const ipcshim::port& port, std::size_t length, std::uint32_t flags) {
    ipcshim_create_mem args{};
    args.length = length;
    args.flags = flags;
    CHECK_CALL(::ioctl(port.fd(), IPCSHIM_CREATE_MEM, &args));
    return unique_fd(args.fd);
}

share_answer share_call(int fd, const ipcshim_share_mem& wanted) {
    ipcshim_share_mem args = wanted;
    const int error = result_of(::ioctl(fd, IPCSHIM_SHARE_MEM, &args));
    return {error, args.token, args.inode};
}

share_answer share(int fd, pid_t pid, std::uint16_t rights, std::uint32_t flags) {
    return share_with(fd, pid, IPCSHIM_MEM_MUTUAL, rights, flags, 0);
}

share_answer hand_over(int fd, pid_t pid, std::uint16_t rights, std::uint32_t flags) {
    return share_with(fd, pid, IPCSHIM_MEM_EXCLUSIVE, rights, flags, 0);
}

share_answer lend(int fd, pid_t pid, std::uint64_t deadline, std::uint16_t rights,
                  std::uint32_t flags) {
    return share_with(fd, pid, IPCSHIM_MEM_EXCLUSIVE, rights, flags | IPCSHIM_SHARE_LEND, deadline);
}

int unshare_call(int fd, pid_t pid, std::uint32_t* revoked) {
    ipcshim_unshare_mem args{};
    args.pid = static_cast<std::uint32_t>(pid);
    const int error = result_of(::ioctl(fd, IPCSHIM_UNSHARE_MEM, &args));
    if (revoked != nullptr)
        *revoked = args.revoked;
    return error;
}

int give_back(int fd) {
    ipcshim_return_mem args{};
    return result_of(::ioctl(fd, IPCSHIM_RETURN_MEM, &args));
}

int info_error(int fd) {
    ipcshim_mem_info args{};
    return result_of(::ioctl(fd, IPCSHIM_MEM_SHARING_INFO, &args));
}

ipcshim_mem_info info_of(int fd) {
    ipcshim_mem_info args{};
    CHECK_CALL(::ioctl(fd, IPCSHIM_MEM_SHARING_INFO, &args));
    return args;
}

std::vector<pid_t> holders_of(int fd) {
    std::array<std::uint32_t, 64> pids{};
    ipcshim_mem_info args{};
    args.nr_holders = pids.size();
    args.holders = reinterpret_cast<std::uintptr_t>(pids.data());
    CHECK_CALL(::ioctl(fd, IPCSHIM_MEM_SHARING_INFO, &args));
    CHECK(args.nr_holders <= pids.size());
    std::vector<pid_t> result(pids.begin(), pids.begin() + args.nr_holders);
    std::sort(result.begin(), result.end());
    return result;
}

int export_dmabuf(int fd, unique_fd& out) {
    ipcshim_export_dmabuf args{};
    const int error = result_of(::ioctl(fd, IPCSHIM_EXPORT_DMABUF, &args));
    if (error == 0)
        out = unique_fd(args.fd);
    return error;
}

int adopt(const ipcshim::port& port, void* address, std::size_t length, unique_fd& out) {
    ipcshim_adopt_mem args{};
    args.address = reinterpret_cast<std::uintptr_t>(address);
    args.length = length;
    const int error = result_of(::ioctl(port.fd(), IPCSHIM_ADOPT_MEM, &args));
    if (error == 0)
        out = unique_fd(args.fd);
    return error;
}

claimed claim_segment(const ipcshim::port& port, std::uint64_t token) {
    claimed result;
    result.args.token = token;
    result.error = result_of(::ioctl(port.fd(), IPCSHIM_CLAIM, &result.args));
    if (result.error == 0)
        result.fd = unique_fd(result.args.fd);
    return result;
}

ipcshim_query query_raw() {
    const unique_fd port(CHECK_CALL(::open(IPCSHIM_DEVICE, O_RDWR | O_CLOEXEC)));
    ipcshim_query args{};
    CHECK_CALL(::ioctl(port.get(), IPCSHIM_QUERY, &args));
    return args;
}

std::uint64_t inode_of(int fd) {
    struct stat status {};
    CHECK_CALL(::fstat(fd, &status));
    return status.st_ino;
}

ipcshim::port segment_port() {
    auto port = ipcshim::port::open();
    ipcshim::event_set events;
    for (const int code : {IPCSHIM_EVENT_RECV_PIPE, IPCSHIM_EVENT_PIPE_CLOSED,
                           IPCSHIM_EVENT_RECV_SHARED_MEM, IPCSHIM_EVENT_UNSHARED_MEM})
        events.add(static_cast<ipcshim::event_code>(code));
    port.handle(events);
    return port;
}

ipcshim_event expect_event(const ipcshim::port& port, std::uint16_t code) {
    const auto event = port.read_event();
    if (event.raw().code != code)
        fail(__FILE__, __LINE__,
             "event " + std::to_string(event.raw().code) + " in place of " + std::to_string(code));
    return event.raw();
}

unique_fd take_segment(const ipcshim::port& port) {
    auto taken = claim_segment(port, expect_event(port, IPCSHIM_EVENT_RECV_SHARED_MEM).token);
    CHECK(taken.error == 0);
    return std::move(taken.fd);
}

// --- mappings ---------------------------------------------------------------

area::area(int fd, std::size_t length, int prot, int flags, off_t offset) : size_(length) {
    void* const address = ::mmap(nullptr, length, prot, flags, fd, offset);
    if (address == MAP_FAILED)
        fail(__FILE__, __LINE__, std::string("mmap failed: ") + ::strerrorname_np(errno));
    data_ = static_cast<std::byte*>(address);
}

area area::anonymous(std::size_t length, std::size_t alignment) {
    area whole(-1, length + alignment, prot_rw, MAP_PRIVATE | MAP_ANONYMOUS);
    if (alignment == 0)
        return whole;
    const auto start = reinterpret_cast<std::uintptr_t>(whole.data_);
    const auto before = (alignment - start % alignment) % alignment;
    if (before != 0)
        CHECK_CALL(::munmap(whole.data_, before));
    CHECK_CALL(::munmap(whole.data_ + before + length, alignment - before));
    whole.data_ += before;
    whole.size_ = length;
    return whole;
}

void area::fill(std::uint64_t seed) const {
    for (std::size_t i = 0; i < size_; i++)
        data_[i] = pattern(i, seed);
}

bool area::holds(std::uint64_t seed) const {
    return matching(bytes(), seed) == size_;
}

void area::reset() noexcept {
    if (data_ != nullptr)
        ::munmap(data_, size_);
    data_ = nullptr;
    size_ = 0;
}

int mmap_error(int fd, std::size_t length, int prot, int flags, off_t offset) {
    void* const address = ::mmap(nullptr, length, prot, flags, fd, offset);
    if (address == MAP_FAILED)
        return errno;
    ::munmap(address, length);
    return 0;
}

int guarded(const std::function<void()>& run) {
    static const bool once = (handle_faults(), true);
    static_cast<void>(once);
    sigjmp_buf here;
    sigjmp_buf* const outer = way_out;
    const int signo = sigsetjmp(here, 0);
    if (signo == 0) {
        way_out = &here;
        run();
    }
    way_out = outer;
    return signo;
}

int touch(const std::byte* place) {
    return guarded([place] { static_cast<void>(*static_cast<const volatile std::byte*>(place)); });
}

int poke(std::byte* place, std::byte value) {
    return guarded([place, value] { *static_cast<volatile std::byte*>(place) = value; });
}

std::uint64_t checksum(std::span<const std::byte> bytes) {
    std::uint64_t sum = bytes.size();
    std::size_t i = 0;
    for (; i + sizeof(sum) <= bytes.size(); i += sizeof(sum)) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes.data() + i, sizeof(word));
        sum = (sum ^ word) * 0x9E3779B97F4A7C15U;
        sum ^= sum >> 29;
    }
    for (; i < bytes.size(); i++)
        sum = (sum ^ static_cast<std::uint64_t>(bytes[i])) * 0x9E3779B97F4A7C15U;
    return sum;
}

// --- I/O that holds pages ----------------------------------------------------

static unique_fd open_userfaultfd() {
    return unique_fd(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK)));
}

bool late_memory::available() {
    return open_userfaultfd().get() >= 0;
}

late_memory::late_memory(std::size_t size)
    : memory_(area::anonymous(size)), uffd_(open_userfaultfd()) {
    CHECK(uffd_.get() >= 0);
    uffdio_api api{};
    api.api = UFFD_API;
    CHECK_CALL(::ioctl(uffd_.get(), UFFDIO_API, &api));
    uffdio_register whole{};
    whole.range = {reinterpret_cast<std::uintptr_t>(memory_.data()), memory_.size()};
    whole.mode = UFFDIO_REGISTER_MODE_MISSING;
    CHECK_CALL(::ioctl(uffd_.get(), UFFDIO_REGISTER, &whole));
}

void late_memory::wait_for_fault() const {
    pollfd wait{uffd_.get(), POLLIN, 0};
    CHECK(::poll(&wait, 1, -1) == 1);
    uffd_msg message{};
    CHECK(::read(uffd_.get(), &message, sizeof(message)) == sizeof(message));
    CHECK(message.event == UFFD_EVENT_PAGEFAULT);
}

void late_memory::provide() const {
    uffdio_zeropage zero{};
    zero.range = {reinterpret_cast<std::uintptr_t>(memory_.data()), memory_.size()};
    CHECK_CALL(::ioctl(uffd_.get(), UFFDIO_ZEROPAGE, &zero));
}

std::string missing_driver(const std::string& name) {
    std::unique_ptr<FILE, int (*)(FILE*)> pipe(
        ::popen(("/bin/load-driver " + name + " 2>&1").c_str(), "re"), ::pclose);
    CHECK(pipe != nullptr);
    std::string text;
    std::array<char, 256> part{};
    while (std::fgets(part.data(), part.size(), pipe.get()) != nullptr)
        text += part.data();
    const int status = ::pclose(pipe.release());
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return "";
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 4 || WEXITSTATUS(status) == 127))
        return "the driver " + name + " is not to be had here: " + text;
    fail(__FILE__, __LINE__, "the driver " + name + " can't be loaded: " + text);
}

std::uint64_t smaps_kib(const void* address, const std::string& name) {
    const auto wanted = reinterpret_cast<std::uintptr_t>(address);
    std::istringstream text(file_content("/proc/self/smaps"));
    std::string line;
    bool inside = false;
    while (std::getline(text, line)) {
        std::uintptr_t from = 0;
        std::uintptr_t to = 0;
        if (std::sscanf(line.c_str(), "%lx-%lx ", &from, &to) == 2)
            inside = from <= wanted && wanted < to;
        else if (inside && line.rfind(name + ":", 0) == 0)
            return std::stoull(line.substr(name.size() + 1));
    }
    fail(__FILE__, __LINE__, "no line " + name + " in /proc/self/smaps for that address");
}

} // namespace test
