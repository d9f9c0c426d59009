// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_DMABUF_HPP
#define IPCSHIM_DMABUF_HPP

#include <iosfwd>
#include <utility>

#include <ipcshim/detail/export.hpp>
#include <ipcshim/detail/handle.hpp>

namespace ipcshim {

/// A dma-buf of a segment's pages, for display, camera and other drivers:
/// segment::export_dmabuf() makes it. Move-only; owns its descriptor. While it
/// lives, in any process or driver, the segment can't be handed over. (Linux.)
class IPCSHIM_API dmabuf final {
public:
    /// A closed one.
    dmabuf() noexcept = default;
    /// For the library.
    explicit dmabuf(detail::handle&& owned) noexcept : handle_(std::move(owned)) {}

    [[nodiscard]] bool is_open() const noexcept { return handle_.is_open(); }
    explicit operator bool() const noexcept { return is_open(); }
    /// The descriptor, for the import call of a driver; it stays owned by this
    /// object.
    [[nodiscard]] int fd() const;
    /// Gives the descriptor away; the caller closes it. The object is closed.
    [[nodiscard]] int release();
    void close() noexcept { handle_.reset(); }

private:
    detail::handle handle_;
};

IPCSHIM_API std::ostream& operator<<(std::ostream& out, const dmabuf& value);

} // namespace ipcshim

#endif
