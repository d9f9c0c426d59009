// SPDX-License-Identifier: MIT
#include "frame.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <type_traits>

#include <fmt/format.h>

#include "digest.hpp"

namespace demo {

namespace {

constexpr std::uint32_t frame_magic = 0x66726d31;

/// The largest values of a channel, by its type.
template <typename Sample> constexpr std::uint32_t full = static_cast<Sample>(~Sample{});

/// A picture as rows of samples; a pixel is so many of them as it has channels.
template <typename Sample> struct raster {
    std::span<Sample> samples;
    std::size_t channels;
    std::size_t width; ///< of a row, in samples
    std::size_t height;

    [[nodiscard]] std::span<Sample> row(std::size_t y) const {
        return samples.subspan(y * width, width);
    }
};

/// Calls work with the raster of that kind over these bytes.
template <typename Work>
void with_raster(const picture_kind& kind, std::span<std::byte> bytes, Work work) {
    const std::size_t channels = kind.channels();
    const std::size_t width = kind.width * channels;

    if (kind.format == pixel_format::gray16) {
        work(raster<std::uint16_t>{
            {reinterpret_cast<std::uint16_t*>(bytes.data()), bytes.size() / sizeof(std::uint16_t)},
            channels,
            width,
            kind.height});
    } else {
        work(raster<std::uint8_t>{{reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()},
                                  channels,
                                  width,
                                  kind.height});
    }
}

/// Rings around a point that wanders from frame to frame, in front of a
/// gradient that every channel sees otherwise.
template <typename Sample> void draw_raster(const raster<Sample>& into, std::uint32_t number) {
    const auto centre_x = static_cast<std::int64_t>(40 + number * 53 % 400);
    const auto centre_y = static_cast<std::int64_t>(60 + number * 37 % 300);
    const std::size_t pixels = into.width / into.channels;

    for (std::size_t y = 0; y < into.height; y++) {
        const std::span<Sample> row = into.row(y);
        const std::int64_t below = static_cast<std::int64_t>(y) - centre_y;

        for (std::size_t x = 0; x < pixels; x++) {
            const std::int64_t beside = static_cast<std::int64_t>(x) - centre_x;
            const auto ring =
                static_cast<std::uint32_t>(beside * beside + below * below) * (full<Sample> / 255);

            for (std::size_t channel = 0; channel < into.channels; channel++) {
                const auto slope = static_cast<std::uint32_t>((channel + 1) * x + 2 * y);
                row[x * into.channels + channel] =
                    static_cast<Sample>((ring >> (5 + channel)) + slope);
            }
        }
    }
}

/// In place: two rows are kept as they were, the one above and the one at work.
template <typename Sample> void blur_raster(const raster<Sample>& picture) {
    std::vector<Sample> above(picture.row(0).begin(), picture.row(0).end());
    std::vector<Sample> here(above);
    std::vector<std::uint32_t> sums(picture.width);
    const std::size_t step = picture.channels;

    for (std::size_t y = 0; y < picture.height; y++) {
        const std::span<Sample> row = picture.row(y);
        const std::span<Sample> below = picture.row(std::min(y + 1, picture.height - 1));

        std::copy(row.begin(), row.end(), here.begin());
        for (std::size_t n = 0; n < picture.width; n++) {
            sums[n] = std::uint32_t{above[n]} + here[n] + below[n];
        }
        const auto mean = [&](std::size_t left, std::size_t n, std::size_t right) {
            return static_cast<Sample>((sums[left] + sums[n] + sums[right]) / 9);
        };
        // The pixels at the borders are their own neighbours.
        const std::size_t last = picture.width - step;
        for (std::size_t n = 0; n < step; n++) {
            row[n] = mean(n, n, n + step);
            row[last + n] = mean(last + n - step, last + n, last + n);
        }
        for (std::size_t n = step; n < last; n++) {
            row[n] = mean(n - step, n, n + step);
        }
        above.swap(here);
    }
}

/// By definition, into another picture.
template <typename Sample>
void blur_by_definition(const raster<Sample>& from, const raster<Sample>& into) {
    const std::size_t pixels = from.width / from.channels;
    // A coordinate and its neighbours; at the borders it is its own.
    const auto around = [](std::size_t n, std::size_t count) {
        return std::array{n == 0 ? n : n - 1, n, std::min(n + 1, count - 1)};
    };

    for (std::size_t y = 0; y < from.height; y++) {
        for (std::size_t x = 0; x < pixels; x++) {
            for (std::size_t channel = 0; channel < from.channels; channel++) {
                std::uint32_t sum = 0;
                for (const std::size_t v : around(y, from.height)) {
                    for (const std::size_t u : around(x, pixels)) {
                        sum += from.samples[v * from.width + u * from.channels + channel];
                    }
                }
                into.samples[y * into.width + x * into.channels + channel] =
                    static_cast<Sample>(sum / 9);
            }
        }
    }
}

} // namespace

void put_header(std::span<std::byte> memory, std::uint32_t number, pid_t source) {
    const picture_kind& kind = kind_of(number);
    const frame_header header{frame_magic, number, kind.width, kind.height, kind.format, source};

    std::memcpy(memory.data(), &header, sizeof(header));
}

frame_header header_of(std::span<const std::byte> memory) {
    frame_header header;

    if (memory.size() < segment_bytes) {
        throw std::runtime_error(
            fmt::format("a segment of {} bytes is too small for a frame", memory.size()));
    }
    std::memcpy(&header, memory.data(), sizeof(header));
    const picture_kind& kind = kind_of(header.number);
    if (header.magic != frame_magic || header.width != kind.width || header.height != kind.height ||
        header.format != kind.format || header.source <= 0) {
        throw std::runtime_error("what lies in a segment is no frame");
    }
    return header;
}

void draw(std::span<std::byte> pixels, std::uint32_t number) {
    with_raster(kind_of(number), pixels, [&](const auto& it) { draw_raster(it, number); });
}

void blur(std::span<std::byte> pixels, std::uint32_t number) {
    with_raster(kind_of(number), pixels, [](const auto& it) { blur_raster(it); });
}

std::string sha256_of(std::span<const std::byte> bytes) {
    digest sum;

    sum.add(bytes);
    return sum.finish();
}

std::string expected_sha256(std::uint32_t number) {
    const picture_kind& kind = kind_of(number);
    std::vector<std::byte> sharp(kind.bytes());
    std::vector<std::byte> blurred(kind.bytes());

    draw(sharp, number);
    with_raster(kind, sharp, [&](const auto& from) {
        with_raster(kind, blurred, [&](const auto& into) {
            // Both are of one kind, which the compiler can't know.
            if constexpr (std::is_same_v<decltype(from), decltype(into)>) {
                blur_by_definition(from, into);
            }
        });
    });
    return sha256_of(blurred);
}

} // namespace demo
