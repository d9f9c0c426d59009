// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_MESSAGE_HEADER_HPP
#define IPCSHIM_MESSAGE_HEADER_HPP

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <iosfwd>

#include <ipcshim/detail/export.hpp>
#include <ipcshim/types.hpp>

/// \file
/// What a message of a socket says about itself, and what it can carry.

namespace ipcshim {

class sender;
class receiver;
class segment;
class socket;

/// How the other side of a socket has ended. (Ours.)
struct side_end final {
    ipcshim::how how{};      ///< 0: it has not
    std::int32_t status = 0; ///< exit code or signal number, see `how`

    /// It has ended.
    explicit operator bool() const noexcept { return how != ipcshim::how{}; }
    friend bool operator==(const side_end&, const side_end&) = default;
};

/// The header of a message, as the module made and checked it; a plain value.
/// (NightOS: the header of a message; a sender can't forge it.)
struct message_header final {
    exchange_id exchange = 0;
    std::uint64_t length = 0;     ///< bytes of payload
    std::uint32_t counter = 0;    ///< of the message in its exchange: 1, 2 ...; 0 after 2^32 - 1
    std::uint16_t code = 0;       ///< of the method or notification
    std::uint16_t error = 0;      ///< 0: none, else the sender's own word; it concludes
    bool concludes = false;       ///< the exchange ends with it
    bool opens = false;           ///< it is the first of its exchange
    bool is_notification = false; ///< of an exchange that the service opened
    std::size_t descriptors = 0;  ///< how many it carries
    pid_t pid = 0;                ///< who sent it, 0: not visible here
    uid_t uid = 0;                ///< effective uid of who sent it; only of one that was read
    /// Where a call failed with EPIPE or ECONNRESET: how the other side has ended.
    side_end end{};

    friend bool operator==(const message_header&, const message_header&) = default;
};

/// Something that a message is to carry: an end of a pipe, a side of a socket, or
/// a segment. Refers to it, which must stay open and in place until the message is
/// sent; of ends and sides both processes hold one then. A plain value. (Ours.)
class IPCSHIM_API attachment final {
public:
    /// Throw std::logic_error: it is closed.
    // NOLINTNEXTLINE(google-explicit-constructor,hicpp-explicit-conversions)
    attachment(const sender& end);
    // NOLINTNEXTLINE(google-explicit-constructor,hicpp-explicit-conversions)
    attachment(const receiver& end);
    // NOLINTNEXTLINE(google-explicit-constructor,hicpp-explicit-conversions)
    attachment(const socket& side);
    /// Whoever reads the message gets the segment with these rights, as by
    /// segment::share(): both use it.
    [[nodiscard]] static attachment share(const segment& memory, rights granted);
    /// Whoever reads the message gets it alone, as by segment::hand_over(): when
    /// the message is sent the segment is stale here. It stays if sending fails.
    [[nodiscard]] static attachment hand_over(const segment& memory, rights granted);

    /// What the module is told.
    [[nodiscard]] const ::ipcshim_descriptor& raw() const noexcept { return raw_; }

private:
    explicit attachment(int fd) noexcept;

    ::ipcshim_descriptor raw_{};
};

/// Prints one line without its end.
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const message_header& value);
/// Prints "killed by signal 9".
IPCSHIM_API std::ostream& operator<<(std::ostream& out, const side_end& value);

} // namespace ipcshim

#endif
