# SPDX-License-Identifier: MIT
"""The lines of the bench's table: what each is compared with, and its floor.

No measured figure stands here.  A floor is put together from floors that were
measured in the same boot; a mark is the ratio to the peer that is to be reached.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

KIB = 1024

# A lookup of a measured row by its name, in nanoseconds or bytes.
Measured = Callable[[str], float]


@dataclass(frozen=True)
class Floor:
    """What no mechanism of the kind can go below."""
    name: str
    of: Callable[[Measured], float]


@dataclass(frozen=True)
class Case:
    """One line of the table."""
    name: str
    floor: Floor | None = None
    mark: float | None = None
    # The row that stands for ours, if it isn't <name>/ours.
    ours_row: str | None = None
    # The row that stands for the peer, if it isn't <name>/peer.
    peer_row: str | None = None
    peer_name: str | None = None
    # Why the case can't run in this version, if it can't.
    absent: str | None = None
    unit: str = "operation"
    # Pages of 4 KiB in one operation, for cases whose cost is to be told by page.
    pages: int = 0
    # The peer of a case that can't run yet, for the table.
    against: str = "-"


def user_copies(measured: Measured, size: int) -> float:
    """In and out of the kernel once: the slope between two sizes."""
    total = 0.0
    for way in ("in", "out"):
        difference = (measured(f"floor/copy_{way}_4096")
                      - measured(f"floor/copy_{way}_64"))
        total += difference * size / (4096 - 64)
    return total


def empty_calls(count: int) -> Floor:
    words = {1: "one empty system call", 2: "two empty system calls",
             3: "three empty system calls", 4: "four empty system calls",
             5: "five empty system calls"}
    return Floor(words[count], lambda m: count * m("floor/empty_call"))


def calls_and_copies(size: int) -> Floor:
    return Floor("two empty system calls, two user copies",
                 lambda m: 2 * m("floor/empty_call") + user_copies(m, size))


def copies(size: int) -> Floor:
    return Floor("two user copies", lambda m: user_copies(m, size))


def handed_over(amount: str) -> Floor:
    """Tell, wake and take; map and unmap; and what is touched is touched."""
    return Floor("five empty system calls, a word of each page written and read",
                 lambda m: 5 * m("floor/empty_call") + m(f"floor/touch_{amount}"))


PAGES_1M = 256
PAGES_64M = 64 * PAGES_1M

ONE_MEMCPY = Floor("one memcpy", lambda m: m("floor/memcpy_1m"))

NO_MAPPED = "mapped pipes are not in this version"
NO_BATCH = "batches are not in this version"
NO_WALL = "needs two processors and a real clock, not in this version"

CASES = (
    Case("raw_64", empty_calls(2), 0.72),
    Case("raw_4k", calls_and_copies(4 * KIB), 0.85),
    Case("raw_64k", copies(64 * KIB), 0.64),
    Case("raw_1m", ONE_MEMCPY, 0.62),
    Case("raw_1m_waiting", ONE_MEMCPY, 0.40),
    Case("msg_64", empty_calls(2), 0.42),
    Case("msg_4k", calls_and_copies(4 * KIB), 0.55),
    Case("msg_64k", copies(64 * KIB), 0.75),
    Case("msg_64_mq", empty_calls(2), 0.65),
    Case("batch32_64", mark=0.13, absent=NO_BATCH, against="pipe(2)"),
    Case("mapped_64", mark=0.03, absent=NO_MAPPED, against="pipe(2)"),
    Case("mapped_64k", mark=0.28, absent=NO_MAPPED, against="pipe(2)"),
    Case("pingpong_64", empty_calls(4), 0.72),
    Case("uring_batch32_64", Floor("two empty system calls for 32",
                                   lambda m: 2 * m("floor/empty_call") / 32), 0.85),
    Case("pty_s2m_64", empty_calls(2), 1.00),
    Case("pty_m2s_64", empty_calls(2), 1.00),
    Case("pty_s2m_1k", calls_and_copies(1 * KIB), 1.00),
    Case("open_pty", empty_calls(4)),
    Case("handover_1m", handed_over("1m"), 0.10, pages=PAGES_1M),
    Case("handover_1m_exact", handed_over("1m"), peer_row="handover_1m/peer", pages=PAGES_1M),
    Case("handover_64m", handed_over("64m"), 0.08, pages=PAGES_64M),
    Case("handover_64m_small", handed_over("64m"), peer_row="handover_64m/peer",
         pages=PAGES_64M),
    # Linux passes memory without a copy, too; its sender keeps it.
    Case("handover_1m_memfd", handed_over("1m"), ours_row="handover_1m/ours", pages=PAGES_1M),
    Case("handover_64m_memfd", handed_over("64m"), ours_row="handover_64m/ours",
         pages=PAGES_64M),
    Case("mutual_1m", handed_over("1m"), pages=PAGES_1M),
    Case("map_64m", empty_calls(2), pages=PAGES_64M),
    Case("map_64m_small", empty_calls(2), peer_row="map_64m/peer", pages=PAGES_64M),
    Case("populate_64m", empty_calls(2), pages=PAGES_64M),
    Case("populate_64m_small", empty_calls(2), peer_row="populate_64m/peer", pages=PAGES_64M),
    Case("adopt_1m", ONE_MEMCPY, pages=PAGES_1M),
    Case("call_64", empty_calls(3), 0.75),
    Case("call_64_10", empty_calls(4), 1.20, peer_row="call_64_10/ours", peer_name="itself"),
    Case("call_64_1k", empty_calls(4), 1.20, peer_row="call_64_10/ours",
         peer_name="itself, 10 connections"),
    # What the library's classes add to it.
    Case("call_64_socket", empty_calls(3), peer_row="call_64/peer"),
    Case("call_64_client", empty_calls(3), peer_row="call_64/peer"),
    Case("connect", empty_calls(5)),
    Case("call_descriptor", handed_over("1m"), pages=PAGES_1M),
    Case("notify", empty_calls(3), 1.60),
    Case("open_10", empty_calls(1), 1.20, peer_row="open_10/ours", peer_name="itself"),
    Case("open_10k", empty_calls(1), 1.20, peer_row="open_10/ours",
         peer_name="itself with 10 ports"),
    Case("idle_pipe_bytes", Floor("two eventfd(2)", lambda m: m("floor/two_eventfds")), 1.00,
         unit="bytes"),
    Case("idle_segment_bytes",
         Floor("one eventfd(2)", lambda m: m("floor/two_eventfds") / 2), unit="bytes"),
    Case("idle_pty_bytes", Floor("two eventfd(2)", lambda m: m("floor/two_eventfds")),
         unit="bytes"),
    Case("idle_connection_bytes", Floor("two eventfd(2)", lambda m: m("floor/two_eventfds")),
         unit="bytes"),
    *(Case(name, mark=mark, absent=NO_WALL, against="pipe(2), two processors")
      for name, mark in (("wall_stream_64", 0.75), ("wall_stream_64k", 0.65),
                         ("wall_mapped_64", 0.15))),
)
