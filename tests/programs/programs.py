# SPDX-License-Identifier: MIT
"""What the guest of tests/programs has beside what others have: programs of Debian, unpacked
into build/programs, and the libraries that they need."""

import os
import re

import board
import initramfs
import libraries

FOLDER = os.path.dirname(os.path.abspath(__file__))
LIST = "guest-tests-programs.list"  # the suites, see cmake/GuestTests.cmake
PREFIX = "programs/"  # of each test's name


def entries():
    """Files for its initramfs."""
    root = os.path.join(board.BUILD, "programs")
    found = initramfs.read_list(os.path.join(FOLDER, "initramfs.list"), {"top": board.TOP, "programs": root})
    sources = [entry.source for entry in found if entry.source and entry.source.startswith(root)]
    return found + libraries.entries(sources, root)


def may_be_selected(tests):
    """Whether one of these globs, as TESTS has them, can fit a test from here: their names are
    known to the guest alone, and one that has nothing to do need not boot."""
    for glob in tests.split(","):
        literal = re.match(r"[^*?[]*", glob).group()
        if literal == glob:  # a word, anywhere in the name
            folder, slash, _ = glob.partition("/")
            if not slash or PREFIX.endswith(folder + slash):
                return True
        elif literal.startswith(PREFIX) or PREFIX.startswith(literal):
            return True
    return False
