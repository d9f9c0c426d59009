# SPDX-License-Identifier: MIT
"""What the host sees of the guest's display, against what should be there."""

import re

WIDTH = 640
HEIGHT = 480


def _noise(value):
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        value = ((value ^ (value >> shift)) * factor) & 0xFFFFFFFF
    return (value ^ (value >> 16)) & 0xFFFFFF


def pixel(x, y, seed):
    """The colour of a place as 0xRRGGBB; pattern.hpp says what the picture is."""
    if 80 <= x < 280 and 60 <= y < 210:
        return _noise(seed ^ (y * WIDTH + x))
    colour = (x * 255 // (WIDTH - 1)) << 16 | (y * 255 // (HEIGHT - 1)) << 8 | ((x ^ y) & 0xFF)
    return colour ^ 0xFFFFFF if (x - 430) ** 2 + (y - 300) ** 2 < 130**2 else colour


def picture(seed):
    """All of it: three bytes for each pixel, red first."""
    return b"".join(pixel(x, y, seed).to_bytes(3, "big") for y in range(HEIGHT) for x in range(WIDTH))


def read_ppm(data):
    """Width, height and the pixels of a PPM file (P6)."""
    header = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
    if not header:
        raise ValueError("no PPM file with one byte for each colour")
    return int(header.group(1)), int(header.group(2)), data[header.end() :]


def differences(data, wanted):
    """Places (x, y) where a PPM file differs from a picture; a sentence if it cannot be compared."""
    width, height, pixels = read_ppm(data)
    if (width, height) != (WIDTH, HEIGHT):
        return f"the display shows {width}x{height} pixels, not {WIDTH}x{HEIGHT}"
    if len(pixels) != len(wanted):
        return f"the picture has {len(pixels)} bytes, not {len(wanted)}"
    if pixels == wanted:
        return []
    return [
        (place % WIDTH, place // WIDTH)
        for place in range(WIDTH * HEIGHT)
        if pixels[3 * place : 3 * place + 3] != wanted[3 * place : 3 * place + 3]
    ]


def in_words(found):
    """What differences() found, for a person."""
    if isinstance(found, str):
        return found
    return f"{len(found)} pixel(s) differ, the first at {found[0]}" if found else "every pixel is as it should be"
