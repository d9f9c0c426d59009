# SPDX-License-Identifier: MIT
"""Asks a running QEMU, over its machine protocol (QMP)."""

import json
import socket


class Refused(Exception):
    """QEMU answered with an error."""


class Monitor:
    """A connection; use it in a 'with'."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        self._socket.connect(path)
        self._lines = self._socket.makefile("rw", encoding="utf-8")
        self._lines.readline()  # its greeting
        self.ask("qmp_capabilities")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._lines.close()
        self._socket.close()

    def ask(self, command, **arguments):
        """What a command returns; events in between are left out."""
        json.dump({"execute": command, "arguments": arguments}, self._lines)
        self._lines.flush()
        while line := self._lines.readline():
            answer = json.loads(line)
            if "error" in answer:
                raise Refused(f"QEMU refused '{command}': {answer['error'].get('desc')}")
            if "return" in answer:
                return answer["return"]
        raise Refused(f"QEMU closed its monitor at '{command}'")
