# SPDX-License-Identifier: MIT
"""Compares instruction counts with those that were accepted before."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ALLOWED = 0.03  # part by which a case may get worse
HEAD = "case\tinstructions"


class BadBaseline(Exception):
    """A file that is no baseline; the text says why."""


@dataclass(frozen=True)
class Baseline:
    """What was accepted: the kernel, and instructions for each case."""
    kernel: str
    instructions: dict[str, float]

    @classmethod
    def read(cls, path: Path) -> Baseline:
        kernel, instructions = "", {}
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if line.startswith("# kernel: "):
                kernel = line.removeprefix("# kernel: ")
            if line.startswith("#") or line == HEAD or not line:
                continue
            name, _, value = line.partition("\t")
            try:
                instructions[name] = float(value)
            except ValueError:
                raise BadBaseline(f"{path}:{number}: no case and its instructions: {line!r}") from None
            if instructions[name] <= 0:
                raise BadBaseline(f"{path}:{number}: {name} can't take {value} instructions")
        if not instructions:
            raise BadBaseline(f"{path} holds no case")
        return cls(kernel, instructions)

    def write(self, path: Path) -> None:
        rows = ["# SPDX-License-Identifier: MIT",
                "# Written by `make bench ACCEPT=1`, which accepts what it measured.",
                f"# kernel: {self.kernel}", HEAD]
        rows += [f"{name}\t{value:.1f}" for name, value in self.instructions.items()]
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Comparison:
    """Sentences about what is worse, and what else is to be known."""
    worse: list[str]
    notes: list[str]


def compare(accepted: Baseline, measured: Baseline, selected: bool = False) -> Comparison:
    """With `selected`, a case that was not measured was not meant to be."""
    worse, notes, better = [], [], []
    for name, was in accepted.instructions.items():
        if name not in measured.instructions:
            if not selected:
                worse.append(f"{name} took {was:.0f} instructions, and was not measured now.")
            continue
        now = measured.instructions[name]
        change = now / was - 1
        if now > was * (1 + ALLOWED):
            worse.append(f"{name} took {was:.0f} instructions and takes {now:.0f} now, "
                         f"{change:.1%} more; {ALLOWED:.0%} are allowed.")
        elif now < was * (1 - ALLOWED):
            better.append(name)
    if better:
        notes.append(f"More than {ALLOWED:.0%} better than accepted: {', '.join(better)}.")
    new = [name for name in measured.instructions if name not in accepted.instructions]
    if new:
        notes.append(f"Not guarded yet: {', '.join(new)}.")
    if accepted.kernel != measured.kernel:
        notes.append(f"What was accepted is of Linux {accepted.kernel}, this is {measured.kernel}.")
    return Comparison(worse, notes)
