# SPDX-License-Identifier: MIT
"""Tests of what the bench's figures are judged by."""

import pathlib
import tempfile
import unittest

import cases
import regression
import results


def baseline(kernel="6.1", **instructions):
    return regression.Baseline(kernel, instructions)


def rounds(*each, build="1"):
    """Results of rounds, each a row's name and its nanoseconds."""
    return results.Results([{"context": {"build": build}, "benchmarks": [
        {"run_type": "iteration", "run_name": f"{name}/real_time", "real_time": value}
        for name, value in rows.items()]} for rows in each])


def case(**more):
    return cases.Case("case", cases.Floor("one", lambda m: m("floor/one")), against="them", **more)


class InstructionCountsAreCompared(unittest.TestCase):
    def test_three_percent_more_is_allowed(self):
        for now in (900.0, 1000.0, 1030.0):
            self.assertEqual(regression.compare(baseline(a=1000.0), baseline(a=now)).worse, [])

    def test_more_is_told_with_both_figures(self):
        worse = regression.compare(baseline(a=1000.0, b=50.0), baseline(a=1031.0, b=50.0)).worse
        self.assertEqual(worse, ["a took 1000 instructions and takes 1031 now, 3.1% more; 3% are allowed."])

    def test_every_case_counts_for_itself(self):
        worse = regression.compare(baseline(a=100.0, b=100.0, c=100.0), baseline(a=10.0, b=200.0, c=104.0)).worse
        self.assertEqual([line.split()[0] for line in worse], ["b", "c"])

    def test_a_case_that_vanished_is_worse_unless_others_were_selected(self):
        accepted, now = baseline(a=1000.0, b=1.0), baseline(b=1.0)
        self.assertEqual(len(regression.compare(accepted, now).worse), 1)
        self.assertEqual(regression.compare(accepted, now, selected=True).worse, [])

    def test_better_and_new_cases_and_another_kernel_are_noted(self):
        found = regression.compare(baseline(a=1000.0), baseline("6.2", a=900.0, b=1.0))
        self.assertEqual(found.worse, [])
        for note, word in zip(found.notes, ("better than accepted: a.", "guarded yet: b.", "Linux 6.1, this is 6.2.")):
            self.assertIn(word, note)
        self.assertEqual(len(found.notes), 3)

    def test_what_is_written_is_read_again(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "baseline.tsv")
            wanted = baseline(a=2361.1, b=594767.3)
            wanted.write(path)
            self.assertEqual(regression.Baseline.read(path), wanted)

    def test_what_is_no_baseline_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "baseline.tsv")
            for text in ("", regression.HEAD + "\n", "a\tmany\n", "a\t0\n", "a 5\n"):
                path.write_text(text, encoding="utf-8")
                with self.assertRaisesRegex(regression.BadBaseline, "baseline.tsv"):
                    regression.Baseline.read(path)


class FiguresOfABenchAreJoined(unittest.TestCase):
    def test_a_ratio_is_the_median_of_the_rounds_ratios(self):
        # Of the rows' medians it would be 30 to 20.
        found = rounds({"case/ours": 10, "case/peer": 20, "floor/one": 1}, {"case/ours": 30, "case/peer": 10, "floor/one": 1},
                       {"case/ours": 40, "case/peer": 80, "floor/one": 1})
        line = results.line_of(case(mark=0.5), found, False)
        self.assertEqual((line.to_peer, line.spread, line.verdict), (0.5, (0.5, 3.0), "reached"))

    def test_a_mark_that_is_missed_by_little_is_missed(self):
        found = rounds({"case/ours": 501, "case/peer": 1000, "floor/one": 1})
        self.assertEqual(results.line_of(case(mark=0.5), found, False).verdict, "not reached")

    def test_a_row_that_is_missing_in_one_round_is_a_failure_unless_others_were_selected(self):
        found = rounds({"case/ours": 1, "case/peer": 1, "floor/one": 1}, {"case/ours": 1, "floor/one": 1})
        line = results.line_of(case(), found, False)
        self.assertTrue(line.failed)
        self.assertIn("case/peer was not measured", line.reason)
        self.assertFalse(results.line_of(case(), found, True).failed)

    def test_a_row_that_failed_says_why(self):
        found = results.Results([{"context": {}, "benchmarks": [
            {"run_type": "iteration", "run_name": "case/ours", "error_occurred": True, "error_message": "no room"}]}])
        line = results.line_of(case(), found, True)
        self.assertTrue(line.failed)
        self.assertIn("no room", line.reason)

    def test_figures_of_two_processors_count_for_the_same_driver_alone(self):
        wall = rounds({"case/ours": 1, "case/peer": 2, "floor/one": 1})
        same, other = rounds({}), rounds({}, build="2")
        self.assertIsNone(results.wall_lines([case()], wall, same)[0].reason)
        for line in (results.wall_lines([case()], wall, other)[0], results.wall_lines([case()], None, same)[0]):
            self.assertIn("make bench-wall", line.reason)
            self.assertFalse(line.failed)


if __name__ == "__main__":
    unittest.main()
