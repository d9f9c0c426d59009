// SPDX-License-Identifier: MIT
//
// What the tests of shared memory share: the calls by their raw structures,
// mappings that end with the test, touching memory that may be gone, and a
// process that segments are handed to.
#ifndef IPCSHIM_TESTS_DEVICE_SEGMENT_SUPPORT_HPP
#define IPCSHIM_TESTS_DEVICE_SEGMENT_SUPPORT_HPP

#include <sys/mman.h>

#include <atomic>
#include <memory>
#include <optional>

#include "support.hpp"

namespace test {

inline constexpr std::size_t mib = std::size_t{1} << 20;
inline constexpr std::uint16_t right_r = IPCSHIM_RIGHT_READ;
inline constexpr std::uint16_t right_rw = IPCSHIM_RIGHT_READ | IPCSHIM_RIGHT_WRITE;
inline constexpr std::uint16_t right_rx = IPCSHIM_RIGHT_READ | IPCSHIM_RIGHT_EXECUTE;
inline constexpr std::uint16_t right_rc = IPCSHIM_RIGHT_READ | IPCSHIM_RIGHT_COPY_ON_WRITE;
inline constexpr int prot_rw = PROT_READ | PROT_WRITE;

[[nodiscard]] std::size_t page_size();

// --- the calls; each gives 0 or the errno -----------------------------------

[[nodiscard]] unique_fd create_segment(const ipcshim::port& port, std::size_t length,
                                       std::uint32_t flags = 0);

struct share_answer {
    int error = 0;
    std::uint64_t token = 0;
    std::uint64_t inode = 0;
};
[[nodiscard]] share_answer share_call(int fd, const ipcshim_share_mem& wanted);
[[nodiscard]] share_answer share(int fd, pid_t pid, std::uint16_t rights = right_rw,
                                 std::uint32_t flags = 0);
[[nodiscard]] share_answer hand_over(int fd, pid_t pid, std::uint16_t rights = right_rw,
                                     std::uint32_t flags = 0);
[[nodiscard]] share_answer lend(int fd, pid_t pid, std::uint64_t deadline = 0,
                                std::uint16_t rights = right_rw, std::uint32_t flags = 0);
[[nodiscard]] int unshare_call(int fd, pid_t pid, std::uint32_t* revoked = nullptr);
[[nodiscard]] int give_back(int fd);
[[nodiscard]] int info_error(int fd);
// MEM_SHARING_INFO that has to succeed.
[[nodiscard]] ipcshim_mem_info info_of(int fd);
[[nodiscard]] std::vector<pid_t> holders_of(int fd);
[[nodiscard]] int export_dmabuf(int fd, unique_fd& out);
[[nodiscard]] int adopt(const ipcshim::port& port, void* address, std::size_t length,
                        unique_fd& out);

struct claimed {
    int error = 0;
    unique_fd fd;
    ipcshim_claim args{};
};
[[nodiscard]] claimed claim_segment(const ipcshim::port& port, std::uint64_t token);
[[nodiscard]] ipcshim_query query_raw();
[[nodiscard]] std::uint64_t inode_of(int fd);

// A port that handles the events of pipes and of segments.
[[nodiscard]] ipcshim::port segment_port();
// The next event, which has to be of this code.
[[nodiscard]] ipcshim_event expect_event(const ipcshim::port& port, std::uint16_t code);
// Waits for the next RECV_SHARED_MEM and claims it.
[[nodiscard]] unique_fd take_segment(const ipcshim::port& port);

// --- mappings ---------------------------------------------------------------

// A mapping that the destructor unmaps.
class area final {
public:
    area() noexcept = default;
    // Of a descriptor; throws where mmap(2) fails.
    area(int fd, std::size_t length, int prot = prot_rw, int flags = MAP_SHARED, off_t offset = 0);
    // Private anonymous memory.
    [[nodiscard]] static area anonymous(std::size_t length, std::size_t alignment = 0);
    area(area&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    area& operator=(area&& other) noexcept {
        reset();
        data_ = std::exchange(other.data_, nullptr);
        size_ = std::exchange(other.size_, 0);
        return *this;
    }
    area(const area&) = delete;
    area& operator=(const area&) = delete;
    ~area() { reset(); }

    [[nodiscard]] std::byte* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {data_, size_}; }
    // Writes the pattern with this seed from one end to the other.
    void fill(std::uint64_t seed) const;
    // All of it is the pattern with this seed.
    [[nodiscard]] bool holds(std::uint64_t seed) const;
    void reset() noexcept;

private:
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

// The errno of an mmap(2) that is undone at once, 0 if it succeeded.
[[nodiscard]] int mmap_error(int fd, std::size_t length, int prot, int flags = MAP_SHARED,
                             off_t offset = 0);

// What reading or writing this byte raises: a signal's number, or 0.
[[nodiscard]] int touch(const std::byte* place);
[[nodiscard]] int poke(std::byte* place, std::byte value);
// Runs the function until it ends or a SIGBUS or SIGSEGV of this thread ends it.
[[nodiscard]] int guarded(const std::function<void()>& run);

[[nodiscard]] std::uint64_t checksum(std::span<const std::byte> bytes);

// --- the other process --------------------------------------------------------

// A process that claims what is shared with it, keeps it mapped, and does as it
// is told, one thing after another.
class taker final {
public:
    // The prologue runs in it before everything else.
    explicit taker(const std::function<void()>& prologue = {});

    [[nodiscard]] pid_t pid() const noexcept { return process_->pid(); }
    [[nodiscard]] process& as_process() noexcept { return *process_; }

    struct taken {
        ipcshim_event event;
        int error;         // of CLAIM
        std::uint64_t sum; // of all bytes, the moment it was claimed
        ipcshim_recv_shared_mem data;
    };
    // Waits for the next RECV_SHARED_MEM, claims it, and maps all of it; with
    // PROT_NONE it maps nothing.
    taken take(int prot = prot_rw, int flags = MAP_SHARED);
    // Claims what it was told a token of.
    int take_token(std::uint64_t token);
    // Maps its descriptor: 0 or the errno.
    int map(int prot, int flags = MAP_SHARED);
    // The next event, whatever it is.
    ipcshim_event event();
    std::uint64_t events_waiting();
    std::uint64_t sum();
    void fill(std::uint64_t seed);
    int touch(std::size_t offset);
    int poke(std::size_t offset, std::byte value);
    ipcshim_mem_info info();
    int info_error();
    void unmap();
    void close();
    int give_back();
    int hand_over(pid_t pid);
    int share(pid_t pid, std::uint16_t rights = right_rw);
    // Closes its port.
    void close_port();
    // Its descriptor, made one of ours.
    unique_fd descriptor();
    // Ends in one of the ways, and is reaped.
    void exit(int code);
    void execute();
    void kill() { process_->kill(); }

private:
    enum class order : std::uint64_t;
    struct state;
    static void obey(const line& parent);
    void tell(order what, std::uint64_t first = 0, std::uint64_t second = 0) const;
    std::uint64_t ask(order what, std::uint64_t first = 0, std::uint64_t second = 0) const;

    std::unique_ptr<process> process_;
};

// --- I/O that holds pages ----------------------------------------------------

// Memory whose pages come when the test says so: a copy to it stops there, and
// holds what it copies from.
class late_memory final {
public:
    explicit late_memory(std::size_t size);
    // userfaultfd can be had.
    [[nodiscard]] static bool available();
    [[nodiscard]] std::byte* data() const noexcept { return memory_.data(); }
    [[nodiscard]] std::size_t size() const noexcept { return memory_.size(); }
    // Waits until somebody waits for one of its pages.
    void wait_for_fault() const;
    // Gives zeros for all of it.
    void provide() const;

private:
    area memory_;
    unique_fd uffd_;
};

// Has the guest load a driver of the kernel's: empty, or why there is none.
[[nodiscard]] std::string missing_driver(const std::string& name);

// The value of a line of /proc/self/smaps for the mapping that holds this
// address, in KiB.
[[nodiscard]] std::uint64_t smaps_kib(const void* address, const std::string& name);

} // namespace test

#endif
