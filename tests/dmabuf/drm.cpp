// SPDX-License-Identifier: MIT
#include "drm.hpp"

#include <drm/drm.h>
#include <drm/drm_mode.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>

namespace drm {

namespace {

std::string driver_of(int fd) {
    std::array<char, 64> name{};
    drm_version version{};
    version.name = name.data();
    version.name_len = name.size();
    if (::ioctl(fd, DRM_IOCTL_VERSION, &version) != 0)
        return {};
    return {name.data(), std::min<std::size_t>(version.name_len, name.size())};
}

int sync_access(int dmabuf, std::uint64_t flags) {
    dma_buf_sync args{};
    args.flags = flags;
    return ::ioctl(dmabuf, DMA_BUF_IOCTL_SYNC, &args) == 0 ? 0 : errno;
}

} // namespace

void handle::reset() noexcept {
    if (number_ == 0)
        return;
    drm_gem_close args{};
    args.handle = std::exchange(number_, 0);
    // It can only fail for a number that is not open.
    static_cast<void>(::ioctl(card_->get(), DRM_IOCTL_GEM_CLOSE, &args));
    card_.reset();
}

card::card(const std::string& driver) {
    const std::filesystem::path folder = "/dev/dri";
    if (std::filesystem::exists(folder)) {
        for (const auto& entry : std::filesystem::directory_iterator(folder)) {
            if (!entry.path().filename().string().starts_with("card"))
                continue;
            auto fd = std::make_shared<test::unique_fd>(
                CHECK_CALL(::open(entry.path().c_str(), O_RDWR | O_CLOEXEC)));
            if (driver_of(fd->get()) == driver) {
                fd_ = std::move(fd);
                return;
            }
        }
    }
    throw std::runtime_error("no /dev/dri/card* is one of the driver " + driver);
}

int card::import(int dmabuf, handle& out) const {
    drm_prime_handle args{};
    args.fd = dmabuf;
    if (::ioctl(fd(), DRM_IOCTL_PRIME_FD_TO_HANDLE, &args) != 0)
        return errno;
    out = handle(fd_, args.handle);
    return 0;
}

handle card::import(int dmabuf) const {
    handle out;
    const int error = import(dmabuf, out);
    if (error != 0)
        throw std::runtime_error(std::string("PRIME_FD_TO_HANDLE: ") + ::strerrorname_np(error));
    return out;
}

test::unique_fd card::give(const handle& memory, std::uint32_t flags) const {
    drm_prime_handle args{};
    args.handle = memory.number();
    args.flags = flags;
    CHECK_CALL(::ioctl(fd(), DRM_IOCTL_PRIME_HANDLE_TO_FD, &args));
    return test::unique_fd(args.fd);
}

int card::offset_of(const handle& memory, std::uint64_t& offset) const {
    drm_mode_map_dumb args{};
    args.handle = memory.number();
    if (::ioctl(fd(), DRM_IOCTL_MODE_MAP_DUMB, &args) != 0)
        return errno;
    offset = args.offset;
    return 0;
}

card::dumb card::create_dumb(std::uint32_t width, std::uint32_t height) const {
    drm_mode_create_dumb args{};
    args.width = width;
    args.height = height;
    args.bpp = 32;
    CHECK_CALL(::ioctl(fd(), DRM_IOCTL_MODE_CREATE_DUMB, &args));
    return {handle(fd_, args.handle), args.pitch, args.size};
}

int begin_access(int dmabuf, std::uint64_t direction) {
    return sync_access(dmabuf, DMA_BUF_SYNC_START | direction);
}

int end_access(int dmabuf, std::uint64_t direction) {
    return sync_access(dmabuf, DMA_BUF_SYNC_END | direction);
}

} // namespace drm
