// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SEGMENT_INFO_HPP
#define IPCSHIM_SEGMENT_INFO_HPP

#include <cstddef>
#include <cstdint>
#include <iosfwd>

#include <ipcshim/types.hpp>

namespace ipcshim {

/// What a segment looked like when segment::info() asked: a snapshot, a plain
/// value. (NightOS: MEM_SHARING_INFO.)
class IPCSHIM_API segment_info final {
public:
    segment_info() noexcept = default;
    explicit segment_info(const ::ipcshim_mem_info& raw) noexcept : raw_(raw) {}

    /// The asking handle is the owner's: it may share, take back, hand over.
    [[nodiscard]] bool is_owner() const noexcept { return has(IPCSHIM_MEM_INFO_OWNER); }
    /// A dma-buf or another module has the pages: no hand-over until they let go.
    [[nodiscard]] bool is_exported() const noexcept { return has(IPCSHIM_MEM_INFO_EXPORTED); }
    /// How this handle came to be.
    [[nodiscard]] memory_mode mode() const noexcept { return memory_mode{raw_.mode}; }
    /// What may be done through this handle.
    [[nodiscard]] ipcshim::rights rights() const noexcept { return ipcshim::rights{raw_.rights}; }
    /// Bytes.
    [[nodiscard]] std::uint64_t length() const noexcept { return raw_.length; }
    /// Bytes that have pages, because somebody touched them; never more than
    /// the length.
    [[nodiscard]] std::uint64_t allocated() const noexcept;
    /// st_ino of the handle that was asked.
    [[nodiscard]] std::uint64_t inode() const noexcept { return raw_.inode; }
    /// Mode lent: when it goes back.
    [[nodiscard]] deadline lease_end() const noexcept;
    /// Who shared it to here, or made it; 0: not visible from here.
    [[nodiscard]] pid_t sharer() const noexcept;
    /// To how many the owner has shared it as mutual; segment::holders() tells
    /// their pids.
    [[nodiscard]] std::size_t holder_count() const noexcept { return raw_.nr_holders; }

private:
    [[nodiscard]] bool has(std::uint32_t flag) const noexcept { return (raw_.flags & flag) != 0; }

    ::ipcshim_mem_info raw_{};
};

/// Prints one line without its end.
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const segment_info& value);

} // namespace ipcshim

#endif
