// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

/// Frames of the image pipeline: how one lies in a segment, how it is drawn, and
/// what is done to it, twice: once in place, and once by another way as a proof.

namespace demo {

/// What a pixel is.
enum class pixel_format : std::uint32_t { gray8, gray16, rgb24, rgba32 };

struct picture_kind final {
    pixel_format format;
    std::uint32_t width;
    std::uint32_t height;
    const char* name;

    [[nodiscard]] constexpr std::size_t channels() const noexcept {
        switch (format) {
        case pixel_format::rgb24:
            return 3;
        case pixel_format::rgba32:
            return 4;
        case pixel_format::gray8:
        case pixel_format::gray16:
            break;
        }
        return 1;
    }
    [[nodiscard]] constexpr std::size_t bytes() const noexcept {
        const std::size_t depth = format == pixel_format::gray16 ? 2 : 1;
        return std::size_t{width} * height * channels() * depth;
    }
};

/// The frames take turns in these.
inline constexpr std::array picture_kinds{
    picture_kind{pixel_format::rgba32, 640, 480, "RGBA of 640x480"},
    picture_kind{pixel_format::gray16, 1024, 768, "16-bit gray of 1024x768"},
    picture_kind{pixel_format::rgb24, 800, 600, "RGB of 800x600"},
    picture_kind{pixel_format::gray8, 1280, 960, "gray of 1280x960"},
};

[[nodiscard]] constexpr const picture_kind& kind_of(std::uint32_t number) noexcept {
    return picture_kinds[number % picture_kinds.size()];
}

/// What stands at the start of a segment that holds a frame.
struct frame_header final {
    std::uint32_t magic = 0;
    std::uint32_t number = 0;
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    pixel_format format{};
    pid_t source = 0; ///< to whom the segment goes in the end
};

/// A segment is as long as the largest frame needs, and one large page at most.
inline constexpr std::size_t segment_bytes = std::size_t{2} << 20;
/// Where the pixels begin: behind the header, on a page of their own.
inline constexpr std::size_t pixels_offset = 65536;
static_assert([] {
    for (const picture_kind& kind : picture_kinds) {
        if (pixels_offset + kind.bytes() > segment_bytes) {
            return false;
        }
    }
    return true;
}());

/// Puts a header into the memory of a segment.
void put_header(std::span<std::byte> memory, std::uint32_t number, pid_t source);
/// The header that lies there. Another process wrote it: it is checked, and
/// std::runtime_error tells what doesn't fit.
[[nodiscard]] frame_header header_of(std::span<const std::byte> memory);

/// Where the pixels of a frame of that number lie.
template <typename Byte>
[[nodiscard]] std::span<Byte> pixels_of(std::span<Byte> memory, std::uint32_t number) {
    return memory.subspan(pixels_offset, kind_of(number).bytes());
}

/// Draws the picture of a number.
void draw(std::span<std::byte> pixels, std::uint32_t number);
/// Blurs it (3 by 3, by channel) in place.
void blur(std::span<std::byte> pixels, std::uint32_t number);

[[nodiscard]] std::string sha256_of(std::span<const std::byte> bytes);

/// The checksum that the frame of a number has to have when it was blurred:
/// computed in memory of one's own and from every pixel's nine neighbours
/// alone.
[[nodiscard]] std::string expected_sha256(std::uint32_t number);

} // namespace demo
