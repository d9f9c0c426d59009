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
    floor: Floor
    mark: float | None = None
    # The row that stands for ours, if it isn't <name>/ours.
    ours_row: str | None = None
    # The row that stands for the peer, if it isn't <name>/peer.
    peer_row: str | None = None
    peer_name: str | None = None
    # What stands in the way of the mark, as long as it is not reached.
    note: Callable[[Measured], str] | None = None
    # Measured in time, with two processors, by a verb of its own.
    wall: bool = False
    unit: str = "operation"
    # Pages of 4 KiB in one operation, for cases whose cost is to be told by page.
    pages: int = 0
    # The peer's name where it was not measured.
    against: str = "-"

    @property
    def counted(self) -> bool:
        """Whether its figure is instructions of its own, which are the same each time."""
        return not self.wall and self.unit == "operation" and self.ours_row is None


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


def scheduled(measured: Measured) -> str:
    """What there and back takes beyond the same four calls where nobody waits."""
    of = {who: measured(f"pingpong_64/{who}") - 2 * measured(f"raw_64/{who}")
          for who in ("ours", "peer")}
    return (f"without waiting its four calls take {2 * measured('raw_64/ours'):.0f}, those of the "
            f"peer {2 * measured('raw_64/peer'):.0f}; the other {of['ours']:.0f} are two sleeps, two "
            f"wake-ups and two switches by the scheduler, for which the peer takes {of['peer']:.0f}")


PAGES_1M = 256
PAGES_64M = 64 * PAGES_1M

ONE_MEMCPY = Floor("one memcpy", lambda m: m("floor/memcpy_1m"))

TWO_CALLS_FOR_32 = Floor("two empty system calls for 32", lambda m: 2 * m("floor/empty_call") / 32)


def memcpys(size: int) -> Floor:
    """In and out without the kernel."""
    return Floor("two memcpy", lambda m: 2 * m("floor/memcpy_1m") * size / KIB ** 2)


def beside(copy: Floor) -> Floor:
    """Each side does its part, at the same time."""
    return Floor(copy.name + ", each on a processor", lambda m: copy.of(m) / 2)


def wall(name: str, floor: Floor, mark: float | None = None,
         note: Callable[[Measured], str] | None = None, **more: str) -> Case:
    return Case(name, beside(floor), mark, note=note, wall=True, **more)


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
    # PIPE_WRITE and PIPE_READ, which tell more than write and read.
    Case("msg_64_library", empty_calls(2), peer_row="msg_64/peer"),
    Case("msg_4k_library", calls_and_copies(4 * KIB), peer_row="msg_4k/peer"),
    Case("batch32_64", TWO_CALLS_FOR_32, 0.13, peer_row="raw_64/peer"),
    Case("mapped_64", memcpys(64), 0.03, peer_row="raw_64/peer"),
    Case("mapped_64k", memcpys(64 * KIB), 0.28, peer_row="raw_64k/peer"),
    Case("mapped_msg_64", memcpys(64), peer_row="msg_64/peer"),
    Case("pingpong_64", empty_calls(4), 0.72, note=scheduled),
    Case("uring_batch32_64", TWO_CALLS_FOR_32, 0.85),
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
    # Libraries that somebody would take instead.
    Case("msg_64_zmq", empty_calls(2), ours_row="msg_64/ours"),
    Case("batch32_64_zmq", TWO_CALLS_FOR_32, ours_row="batch32_64/ours"),
    Case("pingpong_64_zmq", empty_calls(4), ours_row="pingpong_64/ours"),
    Case("msg_64_boost", empty_calls(2), ours_row="msg_64/ours"),
    Case("mapped_msg_64_boost", memcpys(64), ours_row="mapped_msg_64/ours",
         peer_row="msg_64_boost/peer"),
    Case("pingpong_64_boost", empty_calls(4), ours_row="pingpong_64/ours"),
    Case("notify", empty_calls(3), 1.60),
    Case("open_10", empty_calls(1), 1.20, peer_row="open_10/ours", peer_name="itself"),
    Case("open_10k", empty_calls(1), 1.20, peer_row="open_10/ours",
         peer_name="itself with 10 ports"),
    Case("idle_pipe_bytes", Floor("two eventfd(2)", lambda m: m("floor/two_eventfds")), 1.00,
         unit="bytes",
         note=lambda m: "two ends of different st_ino are two inodes, two dentries and two files; "
         "pipe(2) has one inode and one dentry for both, and that is most of either"),
    Case("idle_segment_bytes",
         Floor("one eventfd(2)", lambda m: m("floor/two_eventfds") / 2), unit="bytes"),
    Case("idle_pty_bytes", Floor("two eventfd(2)", lambda m: m("floor/two_eventfds")),
         unit="bytes"),
    Case("idle_connection_bytes", Floor("two eventfd(2)", lambda m: m("floor/two_eventfds")),
         unit="bytes"),
    wall("wall_stream_64", empty_calls(2), 0.75, against="pipe(2)",
         note=lambda m: "whichever side is ahead sleeps, and is woken for one piece or a few, as room "
         "and data count in bytes here and in pages there; docs/performance.md has the profile"),
    wall("wall_stream_64k", memcpys(64 * KIB), 0.65, against="pipe(2)"),
    wall("wall_mapped_64", memcpys(64), 0.15, peer_row="wall_stream_64/peer", against="pipe(2)"),
    wall("wall_mapped_64k", memcpys(64 * KIB), peer_row="wall_stream_64k/peer", against="pipe(2)"),
    wall("wall_msg_64", empty_calls(2), against="unix seqpacket"),
    wall("wall_msg_64_zmq", empty_calls(2), ours_row="wall_msg_64/ours", against="ZeroMQ ipc://"),
    wall("wall_msg_64_boost", empty_calls(2), ours_row="wall_msg_64/ours",
         against="Boost message_queue"),
    wall("wall_mapped_msg_64_boost", memcpys(64), ours_row="wall_mapped_msg_64/ours",
         peer_row="wall_msg_64_boost/peer", against="Boost message_queue"),
    wall("wall_mapped_msg_64_zmq", memcpys(64), ours_row="wall_mapped_msg_64/ours",
         peer_row="wall_msg_64_zmq/peer", against="ZeroMQ ipc://"),
)
