# SPDX-License-Identifier: MIT
"""Whether QEMU shows what a process of the guest drew into a segment and another one, who got
it exclusively, put on a display: pixel by pixel, and again after one of them was changed."""

import os
import tempfile
import time

import board
import compare
import qmp

FOLDER = os.path.dirname(os.path.abspath(__file__))
# Linux's name of a driver: QEMU's device.
DEVICES = {
    "virtio_gpu": f"virtio-gpu-pci,xres={compare.WIDTH},yres={compare.HEIGHT}",
    "cirrus": "cirrus-vga,romfile=",
}
CHANGED = (333, 222)  # the place of the pixel that is changed
LIMIT = 10  # seconds that a display may take to show what the guest says it shows


class Host:
    """Reads what the guest prints, looks at its displays, and tells it how to go on."""

    def __init__(self, folder, show):
        self._show = show
        self.monitor = os.path.join(folder, "monitor")
        self.channel = os.path.join(folder, "display")
        self.results = {}  # name of a test: whether it passed, and a sentence
        self._dump = os.path.join(folder, "screen.ppm")
        self._driver = self._wanted = None
        self._way = self._rest = ""
        for suffix in (".in", ".out"):
            os.mkfifo(self.channel + suffix)

    def hear(self, data):
        """Takes what the guest printed."""
        *lines, self._rest = (self._rest + data.decode(errors="replace")).split("\n")
        for line in lines:
            self._line(line.rstrip("\r"))

    def _line(self, line):
        word, _, rest = line.partition(" ")
        if word == "display":
            self._driver, seed = rest.split()
            self._wanted = compare.picture(int(seed))
        elif word == "shown":
            self._way = rest
            found = self._look([])
            self._result("", found == [], f"by {rest}: {compare.in_words(found)}")
            self._say("change {} {}".format(*CHANGED))
        elif word == "changed":
            found = self._look([CHANGED])
            passed = found == [CHANGED]
            self._result("_one_pixel", passed, f"it is noticed at {CHANGED}" if passed else compare.in_words(found))
            self._say("end")
        else:
            print(f"# {line}", file=self._show, flush=True)

    def _result(self, suffix, passed, detail):
        self.results[f"display/{self._driver}{suffix}"] = (passed, detail)

    def _look(self, expected):
        """Where the display differs, as soon as that is as expected, or when time is up."""
        end = time.monotonic() + LIMIT
        with qmp.Monitor(self.monitor) as monitor:
            while True:
                monitor.ask("screendump", filename=self._dump, device=self._driver)
                with open(self._dump, "rb") as file:
                    found = compare.differences(file.read(), self._wanted)
                if found == expected or time.monotonic() > end:
                    return found

    def _say(self, line):
        with open(self.channel + ".in", "w", encoding="utf-8") as channel:
            channel.write(line + "\n")


def run(tally, is_selected, kernel="stock"):
    """Boots a guest with every display."""
    selected = [driver for driver in DEVICES if is_selected(f"display/{driver}")]
    if not selected:
        return
    tally.section("what the guest's displays show")
    with tempfile.TemporaryDirectory() as folder:
        host = Host(folder, tally.show)
        guest = board.Run("display", kernel)
        guest.work = os.path.join(FOLDER, "show.sh")
        guest.arguments = selected
        guest.drivers = ["virtio_pci", "vgem", *selected]
        guest.entries += board.initramfs.host_entries(
            os.path.join(board.BUILD, "arm64", "tests", "display", "ipcshim_display"), "/bin/display"
        )
        guest.pipes["display"] = host.channel
        guest.devices = ["-qmp", f"unix:{host.monitor},server=on,wait=off"]
        for driver in selected:
            guest.devices += ["-device", f"{DEVICES[driver]},id={driver}"]
        reason = guest.execute(host.hear)
    for driver in selected:
        for name in (f"display/{driver}", f"display/{driver}_one_pixel"):
            tally.add(name, *host.results.get(name, (False, "the guest did not get as far as this")))
    if reason:
        guest.report(reason)
    tally.add("display/clean_end", reason is None, reason or "rmmod, nothing left, nothing in the kernel log")
