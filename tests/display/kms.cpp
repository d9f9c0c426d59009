// SPDX-License-Identifier: MIT
#include "kms.hpp"

#include <sys/ioctl.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "pattern.hpp"

namespace display {

namespace {

std::uint64_t address_of(const auto& list) {
    return reinterpret_cast<std::uintptr_t>(list.data());
}

} // namespace

framebuffer::framebuffer(const drm::card& card, const drm::handle& memory, std::uint32_t pitch)
    : card_(card) {
    drm_mode_fb_cmd args{};
    args.width = width;
    args.height = height;
    args.pitch = pitch;
    args.bpp = 32;
    args.depth = 24;
    args.handle = memory.number();
    CHECK_CALL(::ioctl(card.fd(), DRM_IOCTL_MODE_ADDFB, &args));
    number_ = args.fb_id;
}

framebuffer::~framebuffer() {
    // It can only fail for a number that is not there.
    static_cast<void>(::ioctl(card_.fd(), DRM_IOCTL_MODE_RMFB, &number_));
}

void framebuffer::refresh() const {
    drm_mode_fb_dirty_cmd args{};
    args.fb_id = number_;
    CHECK_CALL(::ioctl(card_.fd(), DRM_IOCTL_MODE_DIRTYFB, &args));
}

screen::screen(const drm::card& card) : card_(card) {
    // Each list is asked for twice: how long it is, then what is in it.
    drm_mode_card_res all{};
    CHECK_CALL(::ioctl(card.fd(), DRM_IOCTL_MODE_GETRESOURCES, &all));
    std::vector<std::uint32_t> crtcs(all.count_crtcs);
    std::vector<std::uint32_t> connectors(all.count_connectors);
    all = {};
    all.count_crtcs = static_cast<std::uint32_t>(crtcs.size());
    all.crtc_id_ptr = address_of(crtcs);
    all.count_connectors = static_cast<std::uint32_t>(connectors.size());
    all.connector_id_ptr = address_of(connectors);
    CHECK_CALL(::ioctl(card.fd(), DRM_IOCTL_MODE_GETRESOURCES, &all));
    CHECK(!crtcs.empty());
    crtc_ = crtcs.front();

    for (const auto id : connectors) {
        drm_mode_get_connector one{};
        one.connector_id = id;
        CHECK_CALL(::ioctl(card.fd(), DRM_IOCTL_MODE_GETCONNECTOR, &one));
        std::vector<drm_mode_modeinfo> modes(one.count_modes);
        one = {};
        one.connector_id = id;
        one.count_modes = static_cast<std::uint32_t>(modes.size());
        one.modes_ptr = address_of(modes);
        CHECK_CALL(::ioctl(card.fd(), DRM_IOCTL_MODE_GETCONNECTOR, &one));
        const auto found = std::find_if(modes.begin(), modes.end(), [](const auto& mode) {
            return mode.hdisplay == width && mode.vdisplay == height;
        });
        if (one.connection == 1 && found != modes.end()) {
            connector_ = id;
            mode_ = *found;
            return;
        }
    }
    throw std::runtime_error("no display that is plugged in has a mode of " +
                             std::to_string(width) + "x" + std::to_string(height) + " pixels");
}

void screen::show(const framebuffer& what) const {
    drm_mode_crtc args{};
    args.crtc_id = crtc_;
    args.fb_id = what.number();
    args.set_connectors_ptr = reinterpret_cast<std::uintptr_t>(&connector_);
    args.count_connectors = 1;
    args.mode = mode_;
    args.mode_valid = 1;
    CHECK_CALL(::ioctl(card_.fd(), DRM_IOCTL_MODE_SETCRTC, &args));
    what.refresh();
}

} // namespace display
