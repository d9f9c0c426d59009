# SPDX-License-Identifier: MIT
"""Tests of what judges on the host: counting, reading KTAP and logs, making an initramfs,
finding drivers and libraries, comparing pictures, selecting; with those of the bench."""

import io
import lzma
import os
import tempfile
import unittest
import unittest.mock

import board
import compare
import drivers
import initramfs
import ktap
import libraries
import programs


def read(text, pieces=1):
    """A tally and the complaints after a runner printed this text."""
    tally = ktap.Tally(io.StringIO())
    stream = ktap.Stream(tally)
    data = text.encode()
    size = max(1, len(data) // pieces)
    for at in range(0, len(data), size):
        stream.feed(data[at : at + size])
    return tally, stream.close()


class KtapIsCounted(unittest.TestCase):
    def test_each_kind_of_result(self):
        tally, trouble = read("KTAP version 1\n1..3\nok 1 a # 3 ms\nnot ok 2 b # 4 ms\nok 3 c # SKIP no such call\n")
        self.assertEqual((tally.passed, tally.failed, tally.skipped), (1, 1, 1))
        self.assertEqual(tally.failures, ["b"])
        self.assertEqual(trouble, [])

    def test_lines_that_come_in_pieces(self):
        tally, trouble = read("1..2\nok 1 a # 3 ms\r\nok 2 b # 4 ms", pieces=11)
        self.assertEqual((tally.passed, trouble), (2, []))

    def test_planned_tests_that_never_ran_have_failed(self):
        tally, trouble = read("1..5\nok 1 a # 3 ms\n")
        self.assertEqual((tally.passed, tally.failed), (1, 4))
        self.assertIn("4 of 5 tests did not run", trouble[0])

    def test_no_plan_is_trouble(self):
        self.assertTrue(read("ok 1 a # 3 ms\n")[1])
        self.assertTrue(read("")[1])

    def test_an_empty_plan_is_trouble(self):
        self.assertTrue(read("1..0\n")[1])

    def test_a_result_given_twice_is_trouble_and_counts_once(self):
        tally, trouble = read("1..1\nok 1 a # 1 ms\nok 1 a # 1 ms\n")
        self.assertEqual(tally.passed, 1)
        self.assertTrue(trouble)

    def test_what_a_failed_test_printed_is_no_result(self):
        tally, _ = read("1..1\n#   ok 1 inner # 1 ms\n#   1..7\nnot ok 1 a # 1 ms\n")
        self.assertEqual((tally.passed, tally.failed), (0, 1))

    def test_what_a_failed_test_printed_is_kept_for_the_end(self):
        tally, _ = read("1..3\n# of a\nok 1 a # 1 ms\n# of b\nnot ok 2 b # 1 ms\n# of c\nnot ok 3 c # 1 ms\n", pieces=9)
        self.assertEqual(tally.failed_again(), "\n# of b\nnot ok 2 b # 1 ms\n\n# of c\nnot ok 3 c # 1 ms\n")

    def test_of_much_that_a_failed_test_printed_the_last_is_kept(self):
        tally, _ = read("1..1\n" + "".join(f"# {number}\n" for number in range(100)) + "not ok 1 a # 1 ms\n")
        lines = tally.failed_again().split()
        self.assertIn("99", lines)
        self.assertNotIn("60", lines)

    def test_bailing_out_is_trouble(self):
        self.assertIn("Bail out! no list", read("Bail out! no list\n")[1])


class PartsAreAddedUp(unittest.TestCase):
    def test_counts_names_and_output(self):
        whole, part = ktap.Tally(io.StringIO()), ktap.Tally(io.StringIO())
        whole.add("a", True)
        part.add("b", False, "why")
        part.skipped += 1
        whole.take_over(part)
        self.assertEqual(whole.line(), "1 passed, 1 failed, 1 skipped")
        self.assertEqual(whole.failures, ["b"])
        self.assertEqual(whole.failed_again(), "\n# why\nnot ok b\n")
        self.assertEqual(whole.show.getvalue(), "ok a\n# why\nnot ok b\n")


class KernelLogsAreRead(unittest.TestCase):
    def test_a_complaint_is_found(self):
        log = "[ 1.0] all is well\n[ 2.0] BUG: KASAN: use-after-free in f\n"
        self.assertEqual(board.complaint_in(log), "[ 2.0] BUG: KASAN: use-after-free in f")

    def test_lockdeps_report_is_one(self):
        self.assertTrue(board.complaint_in("[ 2.0] WARNING: possible circular locking dependency detected\n"))

    def test_a_boot_without_one_is_clean(self):
        self.assertIsNone(board.complaint_in("[ 0.1] kasan: KernelAddressSanitizer initialized\n[ 1] ipcshim-guest: init\n"))


class AnInitramfsIsWritten(unittest.TestCase):
    def write(self, entries):
        """The bytes of an archive."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.cpio")
            initramfs.write(path, entries)
            with open(path, "rb") as file:
                return file.read()

    def test_every_member_begins_at_a_multiple_of_four(self):
        data = self.write([initramfs.text_entry("/a", "x"), initramfs.text_entry("/bcd", "12345")])
        at, names = 0, []
        while at < len(data):
            self.assertEqual(data[at : at + 6], b"070701")
            size, name_size = (int(data[at + field : at + field + 8], 16) for field in (54, 94))
            names.append(data[at + 110 : at + 110 + name_size - 1].decode())
            at += (110 + name_size + 3) // 4 * 4 + (size + 3) // 4 * 4
        self.assertEqual(names, ["a", "bcd", "TRAILER!!!"])

    def test_folders_that_nobody_named_are_added_before_their_files(self):
        data = self.write([initramfs.text_entry("/a/b/c", "x")])
        places = [data.index(name) for name in (b"a\0", b"a/b\0", b"a/b/c\0")]
        self.assertEqual(places, sorted(places))

    def test_the_same_input_gives_the_same_bytes(self):
        entries = [initramfs.text_entry("/a", "x")]
        self.assertEqual(self.write(entries), self.write(entries))

    def test_a_file_that_is_not_there_is_named(self):
        with self.assertRaisesRegex(initramfs.ListError, "/no/such/file"):
            initramfs.host_entries("/no/such/file", "/x")

    def test_a_line_that_is_no_entry_is_named(self):
        with tempfile.NamedTemporaryFile("w", suffix=".list") as file:
            file.write("dir /a 0755\nfile /b ${nothing} 0644\n")
            file.flush()
            with self.assertRaisesRegex(initramfs.ListError, ":2: not an entry"):
                initramfs.read_list(file.name, {})


class DriversAreFound(unittest.TestCase):
    def listed(self, modules, names, built_in=()):
        """What load-driver would read, for a kernel with these modules: name: what it needs."""
        with tempfile.TemporaryDirectory() as folder:
            place = os.path.join(folder, "modules", "kernel", "drivers")
            os.makedirs(place)
            for name, needed in modules.items():
                data = b"\x7fELF\0license=GPL\0depends=" + needed.encode() + b"\0"
                with (lzma.open if name.endswith(".xz") else open)(os.path.join(place, name), "wb") as file:
                    file.write(data)
            with open(os.path.join(folder, "modules", "modules.builtin"), "w", encoding="utf-8") as file:
                file.writelines(f"kernel/drivers/{name}.ko\n" for name in built_in)
            entries = drivers.Drivers(folder).entries(names)
            return entries[0].data.decode(), sorted(os.path.basename(entry.path) for entry in entries[1:])

    def test_what_a_driver_needs_comes_before_it(self):
        modules = {"top-most.ko": "middle,low", "middle.ko": "low", "low.ko": "", "other.ko": ""}
        text, files = self.listed(modules, ["top_most"])
        self.assertEqual(text, "top_most: low middle top_most\n")
        self.assertEqual(files, ["low.ko", "middle.ko", "top_most.ko"])

    def test_packed_ones(self):
        self.assertEqual(self.listed({"a.ko.xz": "b", "b.ko.xz": ""}, ["a"]), ("a: b a\n", ["a.ko", "b.ko"]))

    def test_built_in_and_missing_ones(self):
        self.assertEqual(self.listed({}, ["a-a", "b"], built_in=["a_a"]), ("a_a: built-in\nb:\n", []))


class LibrariesAreFound(unittest.TestCase):
    def listed(self, needed, programs_of=("program",)):
        """The places of the libraries that a guest gets: file: what it needs."""
        with tempfile.TemporaryDirectory() as root:
            names = {os.path.join(root, name): needed_by for name, needed_by in needed.items()}
            for path in names:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                open(path, "wb").close()
            with unittest.mock.patch.object(libraries, "needs", names.get):
                found = libraries.entries([os.path.join(root, name) for name in programs_of], root)
            return sorted(entry.path for entry in found)

    def test_what_libraries_need_comes_too_and_once(self):
        lib, usr = libraries.FOLDERS
        needed = {"program": ["a.so", "b.so"], f"{lib}/a.so": ["b.so"], f"{usr}/b.so": ["a.so"],
                  f"{lib}/unused.so": [], f"{lib}/{libraries.LINKER}": []}
        wanted = [f"{lib}/a.so", f"{usr}/b.so", f"{lib}/{libraries.LINKER}", f"lib/{libraries.LINKER}"]
        self.assertEqual(self.listed(needed), sorted(wanted))

    def test_one_that_is_not_there_is_named(self):
        needed = {"program": ["gone.so"], f"{libraries.FOLDERS[0]}/{libraries.LINKER}": []}
        with self.assertRaisesRegex(initramfs.ListError, "gone.so"):
            self.listed(needed)

    def test_a_file_that_is_no_program_needs_nothing(self):
        self.assertEqual(libraries.needs(__file__), [])
        self.assertTrue(libraries.needs("/proc/self/exe"))


class OnlyGuestsWithWorkBoot(unittest.TestCase):
    def test_what_can_fit_a_test_of_real_programs(self):
        for tests in ("", "*", "pro*", "programs/*", "programs/Bash.*", "Bash", "grams/B", "device/*,Vim", "[a-p]*"):
            self.assertTrue(programs.may_be_selected(tests), tests)

    def test_what_cannot(self):
        for tests in ("device/*", "device/Port", "abi/*,dmabuf/*", "a*", "programs2/*", "prx*"):
            self.assertFalse(programs.may_be_selected(tests), tests)


class PicturesAreCompared(unittest.TestCase):
    def setUp(self):
        self.wanted = compare.picture(1)

    def shown(self, pixels, size=b"640 480"):
        """A PPM file."""
        return b"P6\n" + size + b"\n255\n" + pixels

    def test_the_same_picture(self):
        self.assertEqual(compare.differences(self.shown(self.wanted), self.wanted), [])

    def test_every_colour_of_a_pixel_counts(self):
        for colour in range(3):
            pixels = bytearray(self.wanted)
            pixels[3 * (2 * 640 + 5) + colour] ^= 1
            self.assertEqual(compare.differences(self.shown(pixels), self.wanted), [(5, 2)])

    def test_another_size(self):
        self.assertIn("8x1", compare.differences(self.shown(bytes(24), b"8 1"), self.wanted))

    def test_half_a_picture(self):
        self.assertIn("bytes", compare.differences(self.shown(self.wanted[:-3]), self.wanted))

    def test_another_seed_is_another_picture(self):
        self.assertNotEqual(compare.picture(2), self.wanted)


def run(tally, is_selected):
    """Runs all of them into a tally."""
    loaded = unittest.defaultTestLoader.loadTestsFromNames([__name__, "regression_test"])
    for group in (group for module in loaded for group in module):
        for test in group:
            name = f"host/{type(test).__name__}.{test._testMethodName.removeprefix('test_')}"
            if is_selected(name):
                result = unittest.TestResult()
                test.run(result)
                faults = [text for _, text in result.errors + result.failures]
                tally.add(name, not faults, "\n".join(faults).replace("\n", "\n#   "))
