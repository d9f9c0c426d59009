// SPDX-License-Identifier: MIT
//
// The picture. compare.py computes it again, by itself.
#ifndef IPCSHIM_TESTS_DISPLAY_PATTERN_HPP
#define IPCSHIM_TESTS_DISPLAY_PATTERN_HPP

#include <cstdint>

namespace display {

inline constexpr std::uint32_t width = 640;
inline constexpr std::uint32_t height = 480;

// Red from left to right, green from top to bottom, blue in squares; noise in
// a block, and in a disc all colours are turned round. 0x00RRGGBB.
constexpr std::uint32_t pixel(std::uint32_t x, std::uint32_t y, std::uint32_t seed) {
    if (x >= 80 && x < 280 && y >= 60 && y < 210) {
        std::uint32_t noise = seed ^ (y * width + x);
        noise ^= noise >> 16;
        noise *= 0x7feb352dU;
        noise ^= noise >> 15;
        noise *= 0x846ca68bU;
        noise ^= noise >> 16;
        return noise & 0xffffff;
    }
    const std::uint32_t red = x * 255 / (width - 1);
    const std::uint32_t green = y * 255 / (height - 1);
    const std::uint32_t blue = (x ^ y) & 0xff;
    const std::uint32_t colour = red << 16 | green << 8 | blue;
    const std::int32_t dx = static_cast<std::int32_t>(x) - 430;
    const std::int32_t dy = static_cast<std::int32_t>(y) - 300;
    return dx * dx + dy * dy < 130 * 130 ? colour ^ 0xffffff : colour;
}

} // namespace display

#endif
