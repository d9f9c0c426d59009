// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SEGMENT_HPP
#define IPCSHIM_SEGMENT_HPP

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <system_error>
#include <utility>
#include <vector>

#include <ipcshim/detail/export.hpp>
#include <ipcshim/detail/handle.hpp>
#include <ipcshim/detail/syscalls.hpp>
#include <ipcshim/dmabuf.hpp>
#include <ipcshim/error.hpp>
#include <ipcshim/mapping.hpp>
#include <ipcshim/segment_info.hpp>
#include <ipcshim/types.hpp>

/// \file
/// Segments: memory that is shared with other processes, or handed to them.
///
/// A segment object owns a descriptor, one process's way to the pages, with the
/// rights that this process got. port::create_segment(), port::adopt_memory()
/// and port::claim_segment() give one.
///
/// Who made it, or got it by hand_over(), is its owner. Owners share() and
/// unshare(), lend() and hand_over(). The two last consume the object: they are
/// called on an rvalue, `std::move(mine).hand_over(...)`, and when they succeed
/// it is closed. When they fail nothing has changed, and it still owns.
///
/// A segment that was handed over, taken back, or whose lease has ended, is
/// stale: every mapping of it is gone in every process, and every call that
/// asks the module answers ESTALE. What that does to a mapping is told in
/// mapping.hpp.
///
/// Errors: see error.hpp. std::logic_error (twin: EBADF) when the object is
/// closed, moved-from or released. ESTALE from everything but size(), inode(),
/// rights() and mode().
///
/// Threads: all calls may run from any number of threads at once on one object,
/// except moving, close(), release() and those on an rvalue.

namespace ipcshim {

/// What a new segment is to be like.
struct segment_parameters final {
    /// Never large pages: less memory for a segment of which little is touched.
    bool small_pages = false;
    /// Rounded up to whole large pages (2 MiB where pages have 4 KiB), if there
    /// are any: the cheapest to map and to hand over, for up to that much memory
    /// more. size() tells. Not with small_pages (EINVAL).
    bool whole_large_pages = false;
};

/// How a segment is announced to who gets it.
struct share_parameters final {
    std::uint16_t command = 0; ///< command code for the event, your own word
    /// false: no event and no signal; the caller tells the token in its own
    /// way (NightOS: notification mode SKIP).
    bool announce = true;
};

/// Which part of a segment is mapped, and how.
struct mapping_parameters final {
    std::size_t offset = 0; ///< bytes, whole pages
    std::size_t length = 0; ///< bytes, 0: to the end of the segment
    /// Allocate every page now, and map all of them, instead of at first touch.
    bool populate = false;
    /// The address that it must lie at, whole pages; 0: anywhere.
    std::uintptr_t address = 0;
};

/// What was made for who gets a segment.
struct shared_grant final {
    ipcshim::token token{};  ///< that was told in the event, or is to be told
    std::uint64_t inode = 0; ///< st_ino of the descriptor that the token stands for

    friend bool operator==(const shared_grant&, const shared_grant&) = default;
};

/// One process's handle to memory that can be shared. Move-only; owns its
/// descriptor. The pages live as long as any process has them.
/// (NightOS: a shared memory segment; handles are ours.)
class IPCSHIM_API segment final {
public:
    /// A closed one.
    segment() noexcept = default;
    /// Takes over a descriptor that came by other ways (fork, SCM_RIGHTS,
    /// exec). On an error the descriptor stays the caller's.
    /// Errors: ENOTTY it is no ipcshim segment; ESTALE.
    segment(adopt_fd_t tag, int fd, detail::syscalls& calls = detail::real_syscalls());
    /// What the library knows of a segment that it got.
    struct facts final {
        std::size_t size = 0;
        std::uint64_t inode = 0;
        ipcshim::rights rights{};
        memory_mode mode{};
    };
    /// For the library: a descriptor that is known to be a segment.
    segment(detail::handle&& owned, const facts& known) noexcept
        : handle_(std::move(owned)), facts_(known) {}

    /// It holds a descriptor. (The segment may be stale.)
    [[nodiscard]] bool is_open() const noexcept { return handle_.is_open(); }
    explicit operator bool() const noexcept { return is_open(); }
    /// The descriptor, for mmap(2), poll(2) (POLLHUP once stale), SCM_RIGHTS;
    /// it stays owned by this object.
    [[nodiscard]] int fd() const;
    /// Gives the descriptor away; the caller closes it. The object is closed.
    [[nodiscard]] int release();
    /// Closes this descriptor. Mappings stay, and keep the pages. Nothing
    /// happens if it is closed already.
    void close() noexcept { handle_.reset(); }

    /// Bytes. Asks nobody, like the three that follow.
    [[nodiscard]] std::size_t size() const noexcept { return facts_.size; }
    /// st_ino: names this handle and its duplicates, never used again.
    [[nodiscard]] std::uint64_t inode() const noexcept { return facts_.inode; }
    /// What may be done through this handle.
    [[nodiscard]] ipcshim::rights rights() const noexcept { return facts_.rights; }
    /// How this handle came to be.
    [[nodiscard]] memory_mode mode() const noexcept { return facts_.mode; }

    /// What it looks like now. (NightOS: MEM_SHARING_INFO.)
    [[nodiscard]] segment_info info() const;
    [[nodiscard]] segment_info info(std::error_code& error) const noexcept;
    /// The processes that the owner has shared it with as mutual, and that
    /// still have it; 0 for one that is not visible from here.
    [[nodiscard]] std::vector<pid_t> holders() const;
    /// It was handed over, taken back, or its lease has ended. Never waits.
    [[nodiscard]] bool is_stale() const;
    [[nodiscard]] bool is_stale(std::error_code& error) const noexcept;

    // --- using -----------------------------------------------------------

    /// Maps it to read and write: what is written is seen by every holder, or
    /// stays this process's own where the right is copy_on_write instead of
    /// write.
    /// Errors: EACCES neither right; ENXIO not within the segment; EINVAL
    /// offset or address not of whole pages; EEXIST something lies at the
    /// address; ENOMEM.
    [[nodiscard]] mapping map(const mapping_parameters& parameters = {}) const;
    [[nodiscard]] mapping map(const mapping_parameters& parameters,
                              std::error_code& error) const noexcept;
    /// Maps it to read and write, and what is written stays this process's own,
    /// also where the right is write (POSIX: MAP_PRIVATE). Errors: as map().
    [[nodiscard]] mapping map_private(const mapping_parameters& parameters = {}) const;
    [[nodiscard]] mapping map_private(const mapping_parameters& parameters,
                                      std::error_code& error) const noexcept;
    /// Maps it to read. Errors: as map().
    [[nodiscard]] const_mapping map_const(const mapping_parameters& parameters = {}) const;
    [[nodiscard]] const_mapping map_const(const mapping_parameters& parameters,
                                          std::error_code& error) const noexcept;
    /// Maps it to read and to execute. Errors: as map(); EACCES without the
    /// right execute.
    [[nodiscard]] const_mapping map_executable(const mapping_parameters& parameters = {}) const;
    [[nodiscard]] const_mapping map_executable(const mapping_parameters& parameters,
                                               std::error_code& error) const noexcept;

    // --- sharing ---------------------------------------------------------

    /// Both use the pages from now on. Owner. (NightOS: SHARE_MEM, mutual.)
    /// \param pid another process, greater than 0
    /// \param granted what that process may do with it
    /// Errors: EINVAL this process itself, or rights that don't go together;
    /// EACCES a right that this handle has not; EPERM not the owner, or not
    /// allowed to reach the process; EEXIST it has it already; ESRCH no such
    /// process; ECONNREFUSED no port of it handles recv_shared_mem (unannounced:
    /// it has no port); EAGAIN its queue is full; EDQUOT a limit. Nothing
    /// changed then.
    // NOLINTNEXTLINE(modernize-use-nodiscard): only the unannounced form needs it
    shared_grant share(pid_t pid, ipcshim::rights granted,
                       const share_parameters& parameters = {}) const;
    shared_grant share(pid_t pid, ipcshim::rights granted, const share_parameters& parameters,
                       std::error_code& error) const noexcept;

    /// The process owns it from now on, and this one has lost it, together with
    /// everybody who had it through this handle: before the other is told, all
    /// their mappings are gone. Consumes the object. Owner. (NightOS: SHARE_MEM,
    /// exclusive.)
    /// Errors: as share(), and EBUSY the pages can be reached otherwise: it is
    /// shared with another process, exported, or in use by I/O that has not
    /// ended. Nothing changed then, the object still owns.
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    shared_grant hand_over(pid_t pid, ipcshim::rights granted,
                           const share_parameters& parameters = {}) &&;
    shared_grant hand_over(pid_t pid, ipcshim::rights granted, const share_parameters& parameters,
                           std::error_code& error) && noexcept;

    /// The same, and it comes back: when the process gives it back, ends, or at
    /// the deadline, in a recv_shared_mem event with mode returned, which a port
    /// of this process must handle now. The process does not own it. (Ours.)
    /// Errors: as hand_over(); ECONNREFUSED and EAGAIN of this process's own
    /// port, too; ETIMEDOUT the deadline has passed already.
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    shared_grant lend(pid_t pid, ipcshim::rights granted, deadline until = no_deadline,
                      const share_parameters& parameters = {}) &&;
    shared_grant lend(pid_t pid, ipcshim::rights granted, deadline until,
                      const share_parameters& parameters, std::error_code& error) && noexcept;

    /// Gives back what was lent to this process, before its time. Consumes the
    /// object. (Ours: RETURN_MEM.)
    /// Errors: EINVAL it was not lent; EBUSY in use by I/O that has not ended.
    /// Nothing changed then, the object still owns.
    void give_back() &&;
    void give_back(std::error_code& error) && noexcept;

    /// Takes back what was shared as mutual with one process; its mappings are
    /// gone when the call returns. Owner. (NightOS: UNSHARE_MEM.)
    /// Errors: EPERM not the owner; ESRCH no such process; ENOENT it was not
    /// given it, or has let go of it; EINVAL pid is not greater than 0.
    void unshare(pid_t pid) const;
    void unshare(pid_t pid, std::error_code& error) const noexcept;
    /// The same from everybody. \return from how many
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    std::size_t unshare_all() const;
    std::size_t unshare_all(std::error_code& error) const noexcept;

    /// Makes a dma-buf of its pages, all of which are allocated now. Owner, with
    /// the right write. (Ours.)
    /// Errors: EPERM; EACCES; ENOMEM; EOPNOTSUPP this kernel has no dma-bufs.
    [[nodiscard]] dmabuf export_dmabuf() const;
    [[nodiscard]] dmabuf export_dmabuf(std::error_code& error) const noexcept;

private:
    struct request; // of a share, in any of its three forms

    void require_open() const;
    [[nodiscard]] shared_grant give(const request& wanted, std::error_code& error) const noexcept;
    [[nodiscard]] std::span<std::byte> map_range(const mapping_parameters& parameters,
                                                 int protection, int flags,
                                                 std::error_code& error) const noexcept;
    [[nodiscard]] std::string subject() const;

    detail::handle handle_;
    facts facts_;
};

/// Prints descriptor, size and rights.
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const segment& value);

} // namespace ipcshim

#endif
