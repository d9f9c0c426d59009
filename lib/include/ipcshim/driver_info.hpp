// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_DRIVER_INFO_HPP
#define IPCSHIM_DRIVER_INFO_HPP

#include <cstdint>
#include <iosfwd>
#include <string>

#include <ipcshim/event.hpp>
#include <ipcshim/types.hpp>

namespace ipcshim {

/// What one uid may have, and what each port may hold. The module's parameters
/// set it; CAP_SYS_RESOURCE is exempt from all but `events`, `ptys` and `exchanges`. (Ours.)
struct driver_limits final {
    std::uint64_t ports = 0; ///< open ports for each uid
    /// Pipes, segments, ptys, names, connections and tokens never claimed, for each uid.
    std::uint64_t objects = 0;
    /// Capacity of all pipes of a uid, pty_bytes for each pty, and messages in sockets.
    std::uint64_t bytes = 0;
    std::uint64_t events = 0;        ///< events waiting in each port, beside pipe_closed
    std::uint64_t segment_bytes = 0; ///< lengths of all segments of a uid
    /// Pseudo terminals in the whole driver; 0: the module knows none.
    std::uint64_t ptys = 0;
    /// Open exchanges in each connection; 0: the module knows no sockets.
    std::uint64_t exchanges = 0;

    friend bool operator==(const driver_limits&, const driver_limits&) = default;
};

/// What the caller's uid uses of its limits.
struct driver_usage final {
    std::uint64_t ports = 0;
    std::uint64_t objects = 0;
    std::uint64_t bytes = 0;
    std::uint64_t segment_bytes = 0;

    friend bool operator==(const driver_usage&, const driver_usage&) = default;
};

/// What exists in the whole driver, of all users.
struct driver_totals final {
    std::uint64_t ports = 0;
    std::uint64_t pipes = 0;
    std::uint64_t tokens = 0;     ///< handed over and not yet claimed
    std::uint64_t events = 0;     ///< waiting in ports
    std::uint64_t ring_bytes = 0; ///< bytes allocated for the pipes' contents
    std::uint64_t segments = 0;
    std::uint64_t segment_bytes = 0; ///< bytes allocated for the segments' contents
    std::uint64_t ptys = 0;          ///< pseudo terminals
    std::uint64_t services = 0;      ///< names published
    std::uint64_t connections = 0;
    std::uint64_t exchanges = 0;     ///< that are open
    std::uint64_t messages = 0;      ///< waiting in sockets
    std::uint64_t message_bytes = 0; ///< payload of those

    friend bool operator==(const driver_totals&, const driver_totals&) = default;
};

/// What port::query() found: a snapshot, a plain value. (Ours: QUERY.)
class IPCSHIM_API driver_info final {
public:
    driver_info() noexcept = default;
    explicit driver_info(const ::ipcshim_query& raw) noexcept : raw_(raw) {}

    /// The module's; IPCSHIM_ABI_VERSION is the one that this library was
    /// compiled against.
    [[nodiscard]] std::uint32_t abi_version() const noexcept { return raw_.abi_version; }
    /// IPCSHIM_FEATURE_* of the module.
    [[nodiscard]] std::uint64_t features() const noexcept { return raw_.features; }
    [[nodiscard]] bool has(std::uint64_t feature) const noexcept {
        return (raw_.features & feature) == feature;
    }
    /// The event codes that the module knows, of those that this library knows.
    [[nodiscard]] event_set events() const;
    /// Bytes of a page of the running kernel.
    [[nodiscard]] std::uint32_t page_size() const noexcept { return raw_.page_size; }
    /// The largest pipe, in bytes.
    [[nodiscard]] std::uint64_t capacity_max() const noexcept;
    /// The longest message of a pipe, in bytes.
    [[nodiscard]] std::uint32_t message_max() const noexcept { return raw_.message_max; }
    /// A raw write(2) of at most so many bytes is one piece even where it does
    /// not wait.
    [[nodiscard]] std::uint32_t pipe_buf() const noexcept { return raw_.pipe_buf; }
    [[nodiscard]] driver_limits limits() const noexcept;
    [[nodiscard]] driver_usage used() const noexcept;
    [[nodiscard]] driver_totals totals() const noexcept;

    /// A sentence if module and library are of different versions, else empty.
    [[nodiscard]] std::string abi_note() const;

private:
    ::ipcshim_query raw_{};
};

/// Prints several lines, "name: value" each.
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const driver_info& value);

} // namespace ipcshim

#endif
