# SPDX-License-Identifier: MIT
"""Drivers of a kernel, other than ours, for the guests whose tests need them: never
loaded at the start, only put where `load-driver NAME` (qemu/guest/load-driver) finds them."""

import lzma
import os
import re
import stat

import initramfs

GUEST_FOLDER = "/lib/drivers"

# Where a kernel has no list of what is built in, only its configuration.
OPTIONS = {
    "cirrus": "CONFIG_DRM_CIRRUS_QEMU",
    "nbd": "CONFIG_BLK_DEV_NBD",
    "vgem": "CONFIG_DRM_VGEM",
    "virtio_gpu": "CONFIG_DRM_VIRTIO_GPU",
    "virtio_pci": "CONFIG_VIRTIO_PCI",
}


def canonical(name):
    """A module's name as the kernel writes it, from any way to write it."""
    return os.path.basename(name).removesuffix(".xz").removesuffix(".ko").replace("-", "_")


def needs(content):
    """The names of the modules that this one, an ELF file, asks for."""
    found = re.search(rb"\0depends=([^\0]*)\0", b"\0" + content)
    return [canonical(name) for name in found.group(1).decode().split(",") if name] if found else []


class Drivers:
    """What a folder of build/kernel offers."""

    def __init__(self, folder):
        self._paths = {}
        modules = os.path.join(folder, "modules", "kernel")
        for place, _, files in os.walk(modules):
            for name in files:
                if name.endswith((".ko", ".ko.xz")):
                    self._paths[canonical(name)] = os.path.join(place, name)
        self._built_in = self._list_built_in(folder)

    @staticmethod
    def _list_built_in(folder):
        try:
            with open(os.path.join(folder, "modules", "modules.builtin"), encoding="utf-8") as lines:
                return {canonical(line.strip()) for line in lines}
        except OSError:
            pass
        try:
            with open(os.path.join(folder, "tree", ".config"), encoding="utf-8") as lines:
                options = {line.strip() for line in lines}
        except OSError:
            return set()
        return {name for name, option in OPTIONS.items() if f"{option}=y" in options}

    def content(self, name):
        """The bytes of a module's file."""
        path = self._paths[name]
        with lzma.open(path) if path.endswith(".xz") else open(path, "rb") as file:
            return file.read()

    def _collect(self, name, found):
        """A module after everything that it needs, as name: content, in order of loading."""
        if name in found or name not in self._paths:
            return
        content = self.content(name)
        for other in needs(content):
            self._collect(other, found)
        found[name] = content

    def entries(self, names):
        """Files for an initramfs, and the list that load-driver reads: one line for each name,
        'NAME: built-in', 'NAME: MODULE MODULE...' in order of loading, or 'NAME:' where this
        kernel has neither.  A name with a '/' is a module's file from elsewhere."""
        lines, contents = [], {}
        for name in names:
            if "/" in name:
                self._paths[canonical(name)] = name
            name = canonical(name)
            if name in self._built_in:
                lines.append(f"{name}: built-in\n")
                continue
            own = {}
            self._collect(name, own)
            contents.update(own)
            lines.append(f"{name}:{''.join(f' {each}' for each in own)}\n")
        files = [
            initramfs.Entry(f"{GUEST_FOLDER}/{name}.ko", stat.S_IFREG | 0o644, data=content)
            for name, content in contents.items()
        ]
        return [initramfs.text_entry(f"{GUEST_FOLDER}/list", "".join(lines)), *files]
