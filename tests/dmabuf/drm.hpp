// SPDX-License-Identifier: MIT
//
// A graphics driver of the kernel, by its own calls: what the tests need of
// them to import a dma-buf.
#ifndef IPCSHIM_TESTS_DMABUF_DRM_HPP
#define IPCSHIM_TESTS_DMABUF_DRM_HPP

#include <cstdint>
#include <memory>
#include <string>

#include "../device/support.hpp"

namespace drm {

// A driver's own number for memory that it knows; it goes with the object.
class handle final {
public:
    handle() noexcept = default;
    handle(std::shared_ptr<test::unique_fd> card, std::uint32_t number) noexcept
        : card_(std::move(card)), number_(number) {}
    handle(handle&& other) noexcept
        : card_(std::move(other.card_)), number_(std::exchange(other.number_, 0)) {}
    handle& operator=(handle&& other) noexcept {
        reset();
        card_ = std::move(other.card_);
        number_ = std::exchange(other.number_, 0);
        return *this;
    }
    handle(const handle&) = delete;
    handle& operator=(const handle&) = delete;
    ~handle() { reset(); }
    [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
    void reset() noexcept;

private:
    std::shared_ptr<test::unique_fd> card_;
    std::uint32_t number_ = 0;
};

// An open /dev/dri/card*.
class card final {
public:
    // The one whose driver has this name; throws where there is none.
    explicit card(const std::string& driver);

    [[nodiscard]] int fd() const noexcept { return fd_->get(); }
    // Takes memory from elsewhere: 0 or the errno.
    [[nodiscard]] int import(int dmabuf, handle& out) const;
    [[nodiscard]] handle import(int dmabuf) const;
    // Gives memory to elsewhere.
    [[nodiscard]] test::unique_fd give(const handle& memory, std::uint32_t flags) const;
    // The place in the card's file where a handle can be mapped: 0 or the errno.
    [[nodiscard]] int offset_of(const handle& memory, std::uint64_t& offset) const;

    struct dumb {
        drm::handle memory;
        std::uint32_t pitch;
        std::uint64_t size;
    };
    // Memory of the driver's own, for 32 bits a pixel.
    [[nodiscard]] dumb create_dumb(std::uint32_t width, std::uint32_t height) const;

private:
    std::shared_ptr<test::unique_fd> fd_;
};

// Has the kernel let the processor see, or change, what a device may have: 0 or
// the errno.
[[nodiscard]] int begin_access(int dmabuf, std::uint64_t direction);
[[nodiscard]] int end_access(int dmabuf, std::uint64_t direction);

} // namespace drm

#endif
