# SPDX-License-Identifier: MIT
"""Reads KTAP as it arrives, shows every line, and counts."""

import collections
import re
import sys

_PLAN = re.compile(r"1\.\.(\d+)\s*$")
_RESULT = re.compile(r"(not ok|ok) (\d+) (\S+)(?: # (SKIP)?.*)?$")

# Of what a failed test printed, so many lines are shown again at the end.
_REPORT_LINES = 30


class Tally:
    """What a whole check, or a part of one, counts and shows."""

    def __init__(self, show=sys.stdout):
        self.show = show
        self.passed = 0
        self.failed = 0
        self.skipped = 0
        self._reports = []  # of failed tests: name, and what was printed

    def add(self, name, result, detail=""):
        """Counts and shows a test of the host's own, such as a run's clean end."""
        if result:
            self.passed += 1
            print(f"ok {name}{' # ' + detail if detail else ''}", file=self.show, flush=True)
        else:
            report = f"# {detail}\nnot ok {name}"
            self.fail(name, report)
            print(report, file=self.show, flush=True)

    def fail(self, name, report):
        """Counts a test that failed, and keeps what it printed for the end."""
        self.failed += 1
        self._reports.append((name, report))

    @property
    def failures(self):
        """The names of those that failed."""
        return [name for name, _ in self._reports]

    def section(self, text):
        """A heading in the stream of results."""
        print(f"# {text}", file=self.show, flush=True)

    def take_over(self, part):
        """Adds what a part counted, and shows what it showed to a buffer."""
        self.passed += part.passed
        self.failed += part.failed
        self.skipped += part.skipped
        self._reports += part._reports
        self.show.write(part.show.getvalue())
        self.show.flush()

    def failed_again(self):
        """Every failed test with what it printed, for the end: who reads thousands of lines
        begins there, and some show only the last of them."""
        return "".join(f"\n{report}\n" for _, report in self._reports)

    def line(self):
        """The last line of a check."""
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


class Stream:
    """The KTAP of one runner: feed() it bytes, close() it at the end."""

    def __init__(self, tally):
        self.tally = tally
        self.plan = None
        self.seen = set()
        self.trouble = []
        self._printed = collections.deque(maxlen=_REPORT_LINES)
        self._rest = ""

    def feed(self, data):
        """Takes the next bytes; whole lines are shown at once."""
        *lines, self._rest = (self._rest + data.decode(errors="replace")).split("\n")
        for line in lines:
            self._line(line.rstrip("\r"))
        self.tally.show.flush()

    def _line(self, line):
        print(line, file=self.tally.show)
        plan = _PLAN.match(line)
        result = _RESULT.match(line)
        if line.startswith("Bail out!"):
            self.trouble.append(line)
        elif plan and self.plan is None:
            self.plan = int(plan.group(1))
        elif result:
            self._result(line, *result.groups())
            self._printed.clear()
        elif line.startswith("#"):
            self._printed.append(line)

    def _result(self, line, word, number, name, skip):
        if int(number) in self.seen:
            self.trouble.append(f"test {number} reported twice")
            return
        self.seen.add(int(number))
        if word == "not ok":
            self.tally.fail(name, "\n".join([*self._printed, line]))
        elif skip:
            self.tally.skipped += 1
        else:
            self.tally.passed += 1

    def close(self):
        """After the end: tests that were planned and never reported have failed.
        Returns sentences about what is wrong with the stream as a whole."""
        if self._rest:
            self._line(self._rest)
            self._rest = ""
        if self.plan is None:
            return self.trouble + ["it printed no plan"]
        missing = [number for number in range(1, self.plan + 1) if number not in self.seen]
        self.tally.failed += len(missing)
        if missing:
            self.trouble.append(f"{len(missing)} of {self.plan} tests did not run (from number {missing[0]} on)")
        if not self.plan:
            self.trouble.append("it planned no test")
        return self.trouble
