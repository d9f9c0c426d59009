# SPDX-License-Identifier: MIT
"""Makes an initramfs (cpio, newc) from a text list: no root, no device files."""

import os
import stat
import string


class ListError(Exception):
    """A line of a list, or a file that it names, is no good."""


class Entry:
    """One file of the initramfs."""

    def __init__(self, path, mode, data=b"", source=None, device=(0, 0)):
        self.path = path.strip("/")
        self.mode = mode
        self.data = data
        self.source = source
        self.device = device


def _parse_line(line):
    words = line.split()
    kind, path = words[0], words[1]
    if kind == "dir":
        return Entry(path, stat.S_IFDIR | int(words[2], 8))
    if kind == "file":
        return Entry(path, stat.S_IFREG | int(words[3], 8), source=words[2])
    if kind == "link":
        return Entry(path, stat.S_IFLNK | 0o777, data=words[2].encode())
    if kind == "node":
        kinds = {"c": stat.S_IFCHR, "b": stat.S_IFBLK}
        return Entry(path, kinds[words[3]] | int(words[2], 8), device=(int(words[4]), int(words[5])))
    raise ValueError


def read_list(path, variables):
    """The entries of a list; ${name} stands for variables[name]."""
    entries = []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            line = line.split("#", 1)[0].strip()
            if not line:
                continue
            try:
                entries.append(_parse_line(string.Template(line).substitute(variables)))
            except (ValueError, IndexError, KeyError) as error:
                raise ListError(f"{path}:{number}: not an entry: '{line}'") from error
    return entries


def host_entries(host, guest):
    """A file, or a folder with all that is in it, to be found at `guest`."""
    if not os.path.exists(host):
        raise ListError(f"'{host}', which the guest should find as {guest}, does not exist")
    if not os.path.isdir(host):
        return [Entry(guest, stat.S_IFREG | (os.stat(host).st_mode & 0o777), source=host)]
    entries = [Entry(guest, stat.S_IFDIR | 0o755)]
    for name in sorted(os.listdir(host)):
        path = os.path.join(host, name)
        if os.path.islink(path):
            entries.append(Entry(f"{guest}/{name}", stat.S_IFLNK | 0o777, data=os.readlink(path).encode()))
        else:
            entries.extend(host_entries(path, f"{guest}/{name}"))
    return entries


def text_entry(path, text, mode=0o644):
    """A file with this text."""
    return Entry(path, stat.S_IFREG | mode, data=text.encode())


def _complete(entries):
    """Later entries replace earlier ones; folders that nobody named are added."""
    found = {}
    for entry in entries:
        parent = os.path.dirname(entry.path)
        missing = []
        while parent and parent not in found:
            missing.append(parent)
            parent = os.path.dirname(parent)
        for folder in reversed(missing):
            found[folder] = Entry(folder, stat.S_IFDIR | 0o755)
        found[entry.path] = entry
    return found.values()


def _write_entry(out, number, entry, data):
    name = entry.path.encode() + b"\0"
    fields = (number, entry.mode, 0, 0, 1, 0, len(data), 0, 0, *entry.device, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    out.write(header + b"\0" * (-len(header) % 4))
    out.write(data)
    out.write(b"\0" * (-len(data) % 4))


def write(path, entries):
    """Writes the archive: owner root, no dates, so that the same input gives the same bytes."""
    with open(path, "wb") as out:
        number = 0
        for number, entry in enumerate(_complete(entries), 1):
            data = entry.data
            if entry.source is not None:
                try:
                    with open(entry.source, "rb") as source:
                        data = source.read()
                except OSError as error:
                    raise ListError(f"/{entry.path} of the guest: {error}") from error
            _write_entry(out, number, entry, data)
        _write_entry(out, number + 1, Entry("TRAILER!!!", 0), b"")
