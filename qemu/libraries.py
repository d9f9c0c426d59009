# SPDX-License-Identifier: MIT
"""The shared libraries that programs of a guest need, out of a folder of unpacked packages."""

import os
import re
import stat
import subprocess

import initramfs

TRIPLET = "aarch64-linux-gnu"
FOLDERS = (f"lib/{TRIPLET}", f"usr/lib/{TRIPLET}")  # where the guest's dynamic linker looks
LINKER = "ld-linux-aarch64.so.1"


def needs(path):
    """The names of the libraries that an ELF file asks for; none for any other file."""
    with open(path, "rb") as file:
        if file.read(4) != b"\x7fELF":
            return []
    shown = subprocess.run(["readelf", "-d", path], check=True, capture_output=True, text=True).stdout
    return re.findall(r"\(NEEDED\).*\[(.*)\]", shown)


def find(name, root):
    """The place of a library below `root`, without it; follows no link, some lead nowhere here."""
    for folder in FOLDERS:
        if os.path.lexists(os.path.join(root, folder, name)):
            return f"{folder}/{name}"
    raise initramfs.ListError(f"{name} is in no package of {root}: does qemu/packages.list lack one?")


def entries(programs, root):
    """Files for an initramfs: every library that these programs, or their libraries, need."""
    found, waiting = {}, [LINKER]
    for path in programs:
        waiting += needs(path)
    while waiting:
        name = waiting.pop()
        if name not in found:
            place = find(name, root)
            found[name] = initramfs.Entry(place, stat.S_IFREG | 0o755, source=os.path.join(root, place))
            waiting += needs(found[name].source)
    # By this path, which every program names.
    linker = initramfs.Entry(f"lib/{LINKER}", stat.S_IFLNK | 0o777, data=f"/{found[LINKER].path}".encode())
    return [*found.values(), linker]
