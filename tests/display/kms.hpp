// SPDX-License-Identifier: MIT
//
// What a graphics driver shows, by the kernel's mode setting calls.
#ifndef IPCSHIM_TESTS_DISPLAY_KMS_HPP
#define IPCSHIM_TESTS_DISPLAY_KMS_HPP

#include <drm/drm.h>
#include <drm/drm_mode.h>

#include "../dmabuf/drm.hpp"

namespace display {

// Memory that a display can show.
class framebuffer final {
public:
    // Throws where the driver refuses it.
    framebuffer(const drm::card& card, const drm::handle& memory, std::uint32_t pitch);
    framebuffer(const framebuffer&) = delete;
    framebuffer(framebuffer&&) = delete;
    framebuffer& operator=(const framebuffer&) = delete;
    framebuffer& operator=(framebuffer&&) = delete;
    ~framebuffer();
    [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
    // Tells the driver that the contents have changed.
    void refresh() const;

private:
    const drm::card& card_;
    std::uint32_t number_ = 0;
};

// A display that is plugged in, in the mode that the picture has.
class screen final {
public:
    explicit screen(const drm::card& card);
    void show(const framebuffer& what) const;

private:
    const drm::card& card_;
    std::uint32_t connector_ = 0;
    std::uint32_t crtc_ = 0;
    drm_mode_modeinfo mode_{};
};

} // namespace display

#endif
