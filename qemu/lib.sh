# SPDX-License-Identifier: MIT
# Sourced by the scripts here: where things are, how to talk, how to fail.
# shellcheck shell=bash

IPCSHIM_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
IPCSHIM_BUILD=${IPCSHIM_BUILD:-$IPCSHIM_TOP/build}
IPCSHIM_CACHE=${IPCSHIM_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/ipcshim}
IPCSHIM_JOBS=${IPCSHIM_JOBS:-$(nproc)}
KERNEL_SERIES=6.1			# what Debian 12 ships
export IPCSHIM_TOP IPCSHIM_BUILD IPCSHIM_CACHE KERNEL_SERIES

if [ -t 2 ]; then
	_bold=$'\e[1m' _red=$'\e[31m' _off=$'\e[0m'
else
	_bold='' _red='' _off=''
fi

say() { printf '%s==>%s %s\n' "$_bold" "$_off" "$*" >&2; }
die() { printf '%serror:%s %s\n' "$_red" "$_off" "$*" >&2; exit 1; }

# step "what it does" log-name command...: the output goes to a log, and is
# shown only if the command fails.
step() {
	local what=$1 log=$IPCSHIM_BUILD/log/$2.log start=$SECONDS
	shift 2
	mkdir -p "$IPCSHIM_BUILD/log"
	say "$what"
	if ! "$@" >"$log" 2>&1 </dev/null; then
		tail -n 40 "$log" >&2
		die "this failed: $what. The whole log: $log"
	fi
	local took=$((SECONDS - start))
	[ "$took" -lt 20 ] || say "  done in $took s"
}

# The machine's architecture in Debian's words: amd64, arm64, ...
host_arch() {
	case $(uname -m) in
	x86_64) echo amd64 ;;
	aarch64) echo arm64 ;;
	*) uname -m ;;
	esac
}

# The prefix of the tools that build for arm64: nothing on an arm64 machine.
if [ "$(host_arch)" = arm64 ]; then
	CROSS_PREFIX=
else
	CROSS_PREFIX=aarch64-linux-gnu-
fi

# The compiler of the kernel and its modules: Debian 12 builds its kernel with
# gcc 12, and a module should come from the same.
kernel_cc() {
	if command -v "${CROSS_PREFIX}gcc-12" >/dev/null; then
		echo "${CROSS_PREFIX}gcc-12"
	else
		echo "${CROSS_PREFIX}gcc"
	fi
}

# kernel_release TREE: what uname -r says on the kernel whose headers are there.
# Debian gives its kernels another release than their sources have.
kernel_release() { sed -n 's/^#define UTS_RELEASE "\(.*\)"$/\1/p' "$1/include/generated/utsrelease.h"; }
