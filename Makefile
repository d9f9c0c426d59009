# SPDX-License-Identifier: MIT
# The verbs. `make help` lists them; qemu/ has what they call.

PREFIX ?= /usr/local
DESTDIR ?=
# Headers of a kernel to build the module for, in place of Debian's arm64 one.
KDIR ?=
# A kernel that Debian has beside its own, such as 6.12 or 6.12-16k, for `check`.
KERNEL ?=
TESTS ?=
# 1: what `bench` measures is what it compares with from now on.
ACCEPT ?=
# A row of the bench, for `profile`.
ROW ?= raw_64/ours

export TESTS

.PHONY: all module library demo check check-debug bench bench-wall profile shell lint litmus install uninstall clean help \
	host-packages guest-packages program-packages bench-packages kernel debug-kernel
.NOTPARALLEL:

all: module library

help:
	@echo 'make              the module, the sample module, the library and the tools, for arm64'
	@echo 'make demo         processes talk, pass frames, drive a shell, serve each other, in a guest: installs what it needs, builds, boots, shows'
	@echo 'make check        all tests, here and in a guest with the stock Debian kernel'
	@echo 'make check-debug  the tests of the module, in 32 bits a part, on a kernel with sanitizers, which is built the first time'
	@echo '                  TESTS=GLOB[,GLOB...] selects tests for both by name'
	@echo 'make check KERNEL=6.12    those of the guest, with a newer kernel of Debian; 6.12-16k: large pages'
	@echo 'make bench        compares with what Linux has, in instructions; build/bench/ has the result'
	@echo '                  fails where a case got 3 % worse; ACCEPT=1 accepts its figures and draws docs/bench.svg'
	@echo 'make bench-wall   the same in time, for two processes that run at once'
	@echo 'make profile ROW=raw_64/ours   where the instructions of one row of the bench go, function by function'
	@echo 'make shell        a shell in a guest with the module loaded'
	@echo 'make litmus       the ordering argument of docs/ordering.md, asked of herd7; part of check, if herd7 is there'
	@echo 'make lint         sparse, checkpatch, clang-tidy, clang-format'
	@echo 'make module KDIR=FOLDER   the modules alone, for the kernel whose headers are there'
	@echo 'make install      PREFIX=/usr/local, DESTDIR= : library, tools, module, and what other modules need of it'
	@echo 'make uninstall    the same backwards'
	@echo 'make clean        removes build/; the debug kernel stays in its cache'

host-packages:
	@qemu/deps base

kernel: host-packages
	@qemu/fetch kernel

guest-packages: host-packages
	@qemu/fetch guest

program-packages: host-packages
	@qemu/fetch programs

bench-packages: guest-packages
	@qemu/fetch bench

ifeq ($(KDIR),)
module: kernel
	@qemu/module stock driver
	@qemu/module stock samples
else
module:
	@qemu/module '$(KDIR)' driver
	@qemu/module '$(KDIR)' samples
endif

library: guest-packages
	@qemu/build arm64 ipcshim_shared ipcshim_static ipcshim_uring_shared ipcshim_uring_static ipcshim

demo: module guest-packages
	@qemu/build arm64 ipcshim-demo
	@demo/run

ifeq ($(KERNEL),)
check: module guest-packages program-packages
	@qemu/build host
	@qemu/build arm64
	@qemu/check stock
else
check: guest-packages program-packages
	@qemu/fetch kernel '$(KERNEL)'
	@qemu/module '$(KERNEL)' driver
	@qemu/module '$(KERNEL)' samples
	@qemu/build arm64
	@qemu/check '$(KERNEL)'
endif

debug-kernel: host-packages
	@qemu/deps kernel
	@qemu/debug-kernel

check-debug: debug-kernel guest-packages program-packages
	@qemu/module debug driver
	@qemu/module debug samples
	@qemu/module debug faults
	@qemu/build arm64
	@qemu/check debug

bench: module bench-packages
	@qemu/build arm64 ipcshim-bench
	@tests/bench/run $(if $(ACCEPT),--accept)

bench-wall: module bench-packages
	@qemu/build arm64 ipcshim-bench
	@tests/bench/run --wall

profile: module bench-packages
	@qemu/build arm64 ipcshim-bench
	@tests/bench/run --profile '$(ROW)'

shell: module guest-packages
	@qemu/build arm64 ipcshim
	@qemu/shell

lint: kernel guest-packages
	@qemu/deps lint
	@qemu/lint

litmus:
	@tests/litmus/run --count

install:
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' KDIR='$(KDIR)' qemu/install

uninstall:
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' qemu/install --remove

clean:
	rm -rf build
