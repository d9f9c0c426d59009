# SPDX-License-Identifier: MIT
"""Reads what a guest measured, and puts each case's figures beside each other."""
from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from pathlib import Path

from cases import Case

RUN_WALL = "'make bench-wall' measures it"


class RowFailed(Exception):
    """A row that ended with an error; the text says which."""


class RowMissing(RowFailed):
    """A row that isn't there."""


class Results:
    """The rows of one boot, in the rounds in which they were measured."""

    def __init__(self, documents: list[dict]) -> None:
        self.context: dict[str, object] = documents[0]["context"]
        self._rounds: list[dict[str, list[float]]] = []
        self._labels: dict[str, str] = {}
        self._errors: dict[str, str] = {}
        for document in documents:
            self._rounds.append({})
            for row in document["benchmarks"]:
                self._take(row)

    @classmethod
    def read(cls, path: Path) -> Results:
        """From Google Benchmark's own output: of one run, or of several in a list."""
        document = json.loads(path.read_text(encoding="utf-8"))
        return cls(document if isinstance(document, list) else [document])

    def _take(self, row: dict) -> None:
        if row["run_type"] != "iteration":
            return
        # Google Benchmark appends how it measured.
        name = "/".join(row["run_name"].split("/")[:2])
        if row.get("error_occurred"):
            self._errors[name] = row["error_message"]
            return
        # Bytes where a row counts them, else nanoseconds of the guest; a
        # row can do many operations in what it calls one.
        value = row["bytes"] if "bytes" in row else row["real_time"] / row.get("in_one", 1)
        self._rounds[-1].setdefault(name, []).append(value)
        self._labels[name] = row.get("label", name)

    @property
    def build(self) -> object:
        """Which driver and which bench that was."""
        return self.context.get("build")

    @property
    def rounds(self) -> int:
        return len(self._rounds)

    def each_round(self, name: str) -> list[float]:
        """The median of the row's repetitions in every round."""
        if name in self._errors:
            raise RowFailed(f"{name}: {self._errors[name]}")
        if not all(name in rows for rows in self._rounds):
            raise RowMissing(f"{name} was not measured")
        return [statistics.median(rows[name]) for rows in self._rounds]

    def value(self, name: str) -> float:
        return statistics.median(self.each_round(name))

    def label(self, name: str) -> str:
        return self._labels.get(name, "-")


@dataclass
class Line:
    """A case with its figures, or with the reason why it has none."""
    case: Case
    ours: float = 0.0
    peer_name: str = "-"
    peer: float = 0.0
    floor: float = 0.0
    to_peer: float = 0.0
    # The same of the best and the worst round, where there were several.
    spread: tuple[float, float] | None = None
    reason: str | None = None
    failed: bool = False
    note: str | None = None

    @property
    def to_floor(self) -> float:
        return self.ours / self.floor

    @property
    def reached(self) -> bool:
        """Of what the table shows: three digits."""
        return self.case.mark is not None and round(self.to_peer, 3) <= self.case.mark

    @property
    def verdict(self) -> str:
        if self.case.mark is None:
            return ""
        return "reached" if self.reached else "not reached"


def line_of(case: Case, results: Results, selected: bool) -> Line:
    peer_row = case.peer_row or f"{case.name}/peer"
    peer_name = case.peer_name or results.label(peer_row)
    try:
        ours = results.each_round(case.ours_row or f"{case.name}/ours")
        peer = results.each_round(peer_row)
        # What disturbs one of a round's rows is likely to disturb the other.
        ratios = [mine / theirs for mine, theirs in zip(ours, peer)]
        line = Line(case, statistics.median(ours), peer_name, statistics.median(peer),
                    case.floor.of(results.value), statistics.median(ratios),
                    (min(ratios), max(ratios)) if len(ratios) > 1 else None)
        if case.note and case.mark is not None and not line.reached:
            line.note = case.note(results.value)
        return line
    except RowMissing as missing:
        if selected:
            return Line(case, peer_name=case.against, reason="not selected")
        return Line(case, peer_name=case.against, reason=f"failed: {missing}", failed=True)
    except RowFailed as failure:
        return Line(case, peer_name=peer_name, reason=f"failed: {failure}", failed=True)


def wall_lines(cases: list[Case], wall: Results | None, counted: Results | None,
               selected: bool = False) -> list[Line]:
    """The cases on two processors, if they were measured on what `counted` was."""
    if wall is None:
        return [Line(case, peer_name=case.against, reason=RUN_WALL) for case in cases]
    if counted is not None and wall.build != counted.build:
        reason = f"the driver or the bench is another one since; {RUN_WALL}"
        return [Line(case, peer_name=case.against, reason=reason) for case in cases]
    return [line_of(case, wall, selected) for case in cases]
