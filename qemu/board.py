# SPDX-License-Identifier: MIT
"""Boots a guest in QEMU, watches it, and judges how it went."""

import ctypes
import os
import platform
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import time

import drivers
import initramfs

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("IPCSHIM_BUILD", os.path.join(TOP, "build"))

INIT_REACHED = b"ipcshim-guest: init"
POWER_OFF_LIMIT = 20  # seconds that a guest may take to end after its verdict
LOG_TAIL = 40  # lines of the log that a failure shows
CHANNEL_DRIVERS = ("virtio_mmio", "virtio_console")


class Problem(Exception):
    """Something that a person has to put right before a guest can run."""


def die_with_parent():
    """In the child: no QEMU outlives its runner, however that ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def phrases():
    """How a kernel complains."""
    path = os.path.join(TOP, "qemu", "kernel-log.patterns")
    with open(path, encoding="utf-8") as lines:
        return [line.rstrip("\n") for line in lines if line.strip() and not line.startswith("#")]


def complaint_in(log, known=None):
    """The first line of a kernel log that is a complaint, or None."""
    known = phrases() if known is None else known
    for line in log.splitlines():
        if any(phrase in line for phrase in known):
            return line.strip()
    return None


class Kernel:
    """One of build/kernel/{stock,debug,SERIES}, as qemu/fetch and qemu/debug-kernel make them."""

    def __init__(self, name):
        self.name = name
        self.folder = os.path.join(BUILD, "kernel", name)
        try:
            with open(os.path.join(self.folder, "release"), encoding="utf-8") as file:
                self.release = file.read().strip()
        except OSError as error:
            verb = {"stock": "make", "debug": "make check-debug"}.get(name, f"make check KERNEL={name}")
            raise Problem(f"there is no {name} kernel in build/kernel yet: '{verb}' gets it") from error
        self.image = os.path.join(self.folder, "Image")
        self.build = os.path.join(BUILD, "module", self.release)
        self.module = os.path.join(self.build, "ipcshim.ko")

    def driver_entries(self, names):
        """The drivers of the channels, and those that the tests of a run load."""
        return drivers.Drivers(self.folder).entries([*CHANNEL_DRIVERS, *names])


class Run:
    """What to boot, with what, and where its logs go."""

    def __init__(self, name, kernel):
        self.name = name
        self.kernel = Kernel(kernel)
        self.board = "virt"
        self.entries = []
        self.module = self.kernel.module
        self.variables = {}
        self.arguments = []
        self.append = []
        self.memory = 1024
        self.timeout = 120
        self.boot_limit = 120 if kernel == "debug" else 60
        self.interactive = False
        self.tty = False
        self.results = None
        self.drivers = []  # names, for load-driver in the guest
        self.pipes = {}  # name of a channel of both directions: path of the FIFOs .in and .out
        self.devices = []  # more words for QEMU
        self.work = None
        self.kmemleak = False
        self.started = 0.0
        self.quiet = False

    def log(self, suffix):
        """The path of one of this run's logs."""
        return os.path.join(BUILD, "log", f"{self.name}.{suffix}")

    def _channels(self):
        """The names of the channels that the guest has to find."""
        names = ["verdict"]
        if not self.interactive and not self.tty:
            names.append("output")
        return names + (["results"] if self.results else []) + list(self.pipes)

    def _environment(self):
        values = dict(self.variables)
        if self.kernel.name == "debug":
            values["IPCSHIM_DEBUG_KERNEL"] = "1"
        if self.kmemleak:
            values["IPCSHIM_KMEMLEAK"] = "1"
        if self.board == "icount":
            values["IPCSHIM_ICOUNT"] = "1"
        if self.tty or self.interactive:
            size = shutil.get_terminal_size()
            values.update(IPCSHIM_TTY="1", COLUMNS=str(size.columns), LINES=str(size.lines))
            values["TERM"] = os.environ.get("TERM", "linux")
        lines = [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
        lines.append(f"GUEST_MODULE={'/lib/' + os.path.basename(self.module) if self.module else ''}")
        lines.append(f"GUEST_INTERACTIVE={int(self.interactive)}")
        lines.append(f"GUEST_TTY={int(self.tty)}")
        lines.append(f"GUEST_KMEMLEAK={int(self.kmemleak)}")
        lines.append(f"GUEST_CHANNELS={shlex.quote(' '.join(self._channels()))}")
        lines.append("set -- " + " ".join(shlex.quote(word) for word in self.arguments))
        return "\n".join(lines) + "\n"

    def _write_initramfs(self):
        folder = os.path.join(BUILD, "run")
        os.makedirs(folder, exist_ok=True)
        sysroot = os.path.join(BUILD, "sysroot")
        entries = initramfs.read_list(os.path.join(TOP, "qemu", "initramfs.list"), {"top": TOP, "sysroot": sysroot})
        entries += self.kernel.driver_entries(self.drivers)
        entries.append(initramfs.text_entry("/etc/guest.env", self._environment()))
        if self.work:
            entries += initramfs.host_entries(self.work, "/work")
        if self.module:
            entries += initramfs.host_entries(self.module, "/lib/" + os.path.basename(self.module))
        path = os.path.join(folder, f"{self.name}.cpio")
        initramfs.write(path, entries + self.entries)
        return path

    def _command_line(self):
        words = ["console=ttyAMA0", "panic=-1", "oops=panic", "cryptomgr.notests", "slab_nomerge", "log_buf_len=4M",
                 "printk.devkmsg=on"]
        if not self.interactive:
            words += ["panic_on_warn=1", "hung_task_panic=1"]
        words.append("quiet" if self.quiet else "ignore_loglevel")
        if self.kernel.name == "debug" and not self.kmemleak:
            words.append("kmemleak=off")
        return " ".join(words + self.append)

    def _qemu(self):
        kvm = platform.machine() == "aarch64" and os.access("/dev/kvm", os.W_OK) and self.board == "virt"
        command = ["qemu-system-aarch64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-nic", "none"]
        if kvm:
            command += ["-machine", "virt,accel=kvm,gic-version=host", "-cpu", "host"]
        else:
            # Without 'impdef' the pointer authentication of 'max' takes most of the time.
            command += ["-machine", "virt,gic-version=3", "-cpu", "max,pauth-impdef=on"]
        if self.board == "icount":
            command += ["-smp", "1", "-icount", "shift=0,sleep=off"]
        else:
            command += ["-smp", "2"]
        command += ["-m", str(self.memory), "-kernel", self.kernel.image, "-initrd", self._write_initramfs()]
        command += ["-append", self._command_line(), "-serial", "file:" + self.log("console")]
        command += ["-global", "virtio-mmio.force-legacy=false", "-device", "virtio-serial-device"]
        command += ["-chardev", "file,id=verdict,path=" + self.log("verdict")]
        command += ["-device", "virtserialport,chardev=verdict,name=verdict"]
        if self.interactive:
            command += ["-chardev", "stdio,id=output,mux=on,signal=off", "-mon", "chardev=output"]
        else:
            # Not 'stdio': that one counts as unplugged at the end of its input.
            command += ["-chardev", "file,id=output,path=/dev/stdout"]
        if self.interactive or self.tty:
            command += ["-device", "virtconsole,chardev=output"]
        else:
            command += ["-device", "virtserialport,chardev=output,name=output"]
        if self.results:
            command += ["-chardev", "file,id=results,path=" + self.results]
            command += ["-device", "virtserialport,chardev=results,name=results"]
        for name, path in self.pipes.items():
            command += ["-chardev", f"pipe,id={name},path={path}", "-device", f"virtserialport,chardev={name},name={name}"]
        return command + self.devices

    def console(self):
        """What the kernel said so far."""
        try:
            with open(self.log("console"), "rb") as file:
                return file.read().decode(errors="replace").replace("\r", "")
        except OSError:
            return ""

    def _verdict(self):
        try:
            with open(self.log("verdict"), encoding="utf-8", errors="replace") as file:
                return file.read().strip()
        except OSError:
            return ""

    def _boot(self, on_output):
        """One QEMU from its start to its end; a reason why it had to be ended, or None."""
        os.makedirs(os.path.join(BUILD, "log"), exist_ok=True)
        for suffix in ("console", "verdict"):
            open(self.log(suffix), "wb").close()
        self.started = time.monotonic()
        with open(self.log("qemu"), "wb") as errors, subprocess.Popen(
            self._qemu(),
            stdin=None if self.interactive else subprocess.DEVNULL,
            stdout=None if self.interactive else subprocess.PIPE,
            stderr=errors,
            preexec_fn=die_with_parent,
        ) as qemu:
            try:
                if self.interactive:
                    qemu.wait()
                    return None
                return self._watch(qemu, on_output)
            finally:
                qemu.kill()

    def _watch(self, qemu, on_output):
        reached = False
        verdict_at = None
        selector = selectors.DefaultSelector()
        selector.register(qemu.stdout, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select(timeout=0.25):
                data = os.read(key.fd, 65536)
                if data:
                    on_output(data)
                else:
                    selector.unregister(qemu.stdout)
            now = time.monotonic()
            if not selector.get_map():
                qemu.wait(timeout=POWER_OFF_LIMIT)
                return None
            if not reached:
                with open(self.log("console"), "rb") as file:
                    reached = INIT_REACHED in file.read()
            if verdict_at is None and self._verdict():
                verdict_at = now
            if verdict_at is not None and now - verdict_at > POWER_OFF_LIMIT:
                return None
            if not reached and now - self.started > min(self.boot_limit, self.timeout):
                return f"it did not get to /init within {min(self.boot_limit, self.timeout)} s"
            if verdict_at is None and now - self.started > self.timeout:
                return f"it was still running after {self.timeout} s, and was ended"

    def reached_init(self):
        """Whether the guest's first process ran."""
        return INIT_REACHED.decode() in self.console()

    def judge(self, ended):
        """The reason why this run is a failure, or None.  What the kernel says comes first."""
        console = self.console()
        verdict = self._verdict()
        complaint = complaint_in(console)
        if complaint:
            return f"the kernel complained: {complaint}"
        if verdict.startswith("fail"):
            return verdict.partition(": ")[2] or "the guest said 'fail'"
        if verdict == "pass":
            return None
        if ended:
            return ended
        if not self.reached_init():
            return "QEMU ended before the guest got to /init"
        return f"the guest ended without a verdict ('{verdict}')" if verdict else "the guest ended without a verdict"

    def execute(self, on_output):
        """Boots, and once more if the first QEMU never got to /init; the reason of a failure, or None."""
        ended = self._boot(on_output)
        if self.interactive:
            return None
        if not self.reached_init():
            print(f"qemu/run: {self.name}: no /init in {self.log('console')}; trying once more", file=sys.stderr)
            ended = self._boot(on_output)
        return self.judge(ended)

    def report(self, reason):
        """Tells a person about a failure."""
        tail = "\n".join("    " + line for line in self.console().splitlines()[-LOG_TAIL:])
        with open(self.log("qemu"), encoding="utf-8", errors="replace") as file:
            own = file.read().strip()
        print(f"\n{tail}", file=sys.stderr)
        if own:
            print(f"    QEMU itself said: {own}", file=sys.stderr)
        print(f"error: the run '{self.name}' failed: {reason}.", file=sys.stderr)
        print(f"       The end of its kernel log is above, all of it in {self.log('console')}", file=sys.stderr)
