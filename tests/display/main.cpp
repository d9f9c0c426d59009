// SPDX-License-Identifier: MIT
//
// display DRIVER SEED: one process draws a picture into a segment and hands it
// over, another one shows it on that driver's display.  It prints
//   shown import        the display reads the segment's own pages
//   shown copy REASON   the driver takes no memory of others; through vgem, copied
// and obeys what the host writes to /dev/display:
//   change X Y          one pixel's colour, in the segment; prints 'changed'
//   end
#include <drm/drm.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <sys/mman.h>

#include <cstring>
#include <fstream>
#include <iostream>
#include <ipcshim/ipcshim.hpp>
#include <optional>
#include <sstream>

#include "kms.hpp"
#include "pattern.hpp"

namespace {

constexpr std::uint32_t pitch = display::width * sizeof(std::uint32_t);
constexpr std::size_t size = std::size_t{pitch} * display::height;

// The dma-buf as vgem gives it out again, mapped to read.
class view_through_vgem final {
public:
    explicit view_through_vgem(int dmabuf)
        : memory_(card_.import(dmabuf)), fd_(card_.give(memory_, DRM_CLOEXEC)),
          address_(::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd_.get(), 0)) {
        CHECK(address_ != MAP_FAILED);
    }
    view_through_vgem(const view_through_vgem&) = delete;
    view_through_vgem(view_through_vgem&&) = delete;
    view_through_vgem& operator=(const view_through_vgem&) = delete;
    view_through_vgem& operator=(view_through_vgem&&) = delete;
    ~view_through_vgem() { ::munmap(address_, size); }

    void copy_to(std::byte* to, std::uint32_t to_pitch) const {
        CHECK(drm::begin_access(fd_.get(), DMA_BUF_SYNC_READ) == 0);
        const auto* const from = static_cast<const std::byte*>(address_);
        for (std::size_t y = 0; y < display::height; y++)
            std::memcpy(to + y * to_pitch, from + y * pitch, pitch);
        CHECK(drm::end_access(fd_.get(), DMA_BUF_SYNC_READ) == 0);
    }

private:
    drm::card card_{"vgem"};
    drm::handle memory_;
    test::unique_fd fd_;
    void* address_;
};

// A segment on a display, whichever way the driver has it.
class exhibition final {
public:
    exhibition(const std::string& driver, int dmabuf) : card_(driver), screen_(card_) {
        const int error = card_.import(dmabuf, memory_);
        if (error == 0) {
            way_ = "import";
            framebuffer_.emplace(card_, memory_, pitch);
        } else {
            way_ = std::string("copy ") + ::strerrorname_np(error);
            view_.emplace(dmabuf);
            prepare_copy();
        }
        screen_.show(*framebuffer_);
    }
    exhibition(const exhibition&) = delete;
    exhibition(exhibition&&) = delete;
    exhibition& operator=(const exhibition&) = delete;
    exhibition& operator=(exhibition&&) = delete;
    ~exhibition() {
        if (own_ != nullptr)
            ::munmap(own_, own_size_);
    }

    [[nodiscard]] const std::string& way() const noexcept { return way_; }
    void refresh() {
        if (view_)
            view_->copy_to(static_cast<std::byte*>(own_), own_pitch_);
        framebuffer_->refresh();
    }

private:
    void prepare_copy() {
        auto dumb = card_.create_dumb(display::width, display::height);
        std::uint64_t offset = 0;
        CHECK(card_.offset_of(dumb.memory, offset) == 0);
        own_pitch_ = dumb.pitch;
        own_size_ = dumb.size;
        memory_ = std::move(dumb.memory);
        void* const address = ::mmap(nullptr, own_size_, PROT_READ | PROT_WRITE, MAP_SHARED,
                                     card_.fd(), static_cast<off_t>(offset));
        CHECK(address != MAP_FAILED);
        own_ = address;
        view_->copy_to(static_cast<std::byte*>(own_), own_pitch_);
        framebuffer_.emplace(card_, memory_, own_pitch_);
    }

    drm::card card_;
    display::screen screen_;
    std::string way_;
    drm::handle memory_;
    std::optional<view_through_vgem> view_;
    void* own_ = nullptr;
    std::size_t own_size_ = 0;
    std::uint32_t own_pitch_ = 0;
    std::optional<display::framebuffer> framebuffer_;
};

// The second process: gets the picture, shows it, and does as the host says.
void present(const std::string& driver, const test::line& artist) {
    const auto port = ipcshim::port::open();
    port.handle({ipcshim::event_code::recv_shared_mem});
    artist.put(1);
    const auto segment = port.claim_segment(port.read_event());
    const auto picture = segment.map();
    const auto dmabuf = segment.export_dmabuf();
    exhibition shown(driver, dmabuf.fd());
    std::cout << "shown " << shown.way() << std::endl;

    std::ifstream host("/dev/display");
    for (std::string line; std::getline(host, line) && line != "end";) {
        std::istringstream words(line);
        std::string verb;
        std::uint32_t x = 0;
        std::uint32_t y = 0;
        CHECK(words >> verb >> x >> y && verb == "change");
        picture.as<std::uint32_t>()[y * display::width + x] ^= 0x010101;
        shown.refresh();
        std::cout << "changed" << std::endl;
    }
}

void run(const std::string& driver, std::uint32_t seed) {
    test::process presenter([&driver](const test::line& artist) { present(driver, artist); });
    static_cast<void>(presenter.get());

    const auto port = ipcshim::port::open();
    auto segment = port.create_segment(size);
    const auto picture = segment.map();
    const auto pixels = picture.as<std::uint32_t>();
    for (std::uint32_t y = 0; y < display::height; y++)
        for (std::uint32_t x = 0; x < display::width; x++)
            pixels[y * display::width + x] = display::pixel(x, y, seed);
    std::move(segment).hand_over(presenter.pid(), ipcshim::rights::read | ipcshim::rights::write);

    // It is the other one's alone: what is shown can't be touched from here.
    std::byte first{};
    std::error_code error;
    picture.copy_out(0, {&first, 1}, error);
    CHECK(error.value() == ESTALE);
    presenter.join();
}

} // namespace

int main(int argc, char** argv) {
    try {
        if (argc != 3)
            throw std::invalid_argument("usage: display DRIVER SEED");
        run(argv[1], static_cast<std::uint32_t>(std::stoul(argv[2])));
        return 0;
    } catch (const std::exception& error) {
        std::cerr << "display: " << error.what() << '\n';
        return 1;
    }
}
