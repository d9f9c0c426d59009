# SPDX-License-Identifier: MIT
# Sourced: packages from the archive that this machine already uses, with a
# package state of our own below build/apt.  Nothing of the system is changed:
# its source lists and its keyrings are read, lists and packages are kept here,
# and packages are unpacked, never installed.
# shellcheck shell=bash

APT_DIR=$IPCSHIM_BUILD/apt

apt_config() {
	[ ! -e "$APT_DIR/apt.conf" ] || return 0
	mkdir -p "$APT_DIR"/state/lists/partial "$APT_DIR"/cache/archives/partial "$APT_DIR/stamps"
	: >"$APT_DIR/state/status"
	# '#clear' first: what the system has set in these lists must not act here.
	cat >"$APT_DIR/apt.conf.new" <<-END
		#clear APT::Architectures;
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		#clear DPkg::Post-Invoke;
		APT::Architecture "$(host_arch)";
		APT::Architectures { "$(host_arch)"; "arm64"; };
		APT::Sandbox::User "root";
		APT::Get::AllowUnauthenticated "false";
		Acquire::Languages "none";
		Acquire::Retries "3";
		Dir::State "$APT_DIR/state";
		Dir::State::lists "$APT_DIR/state/lists";
		Dir::State::status "$APT_DIR/state/status";
		Dir::Cache "$APT_DIR/cache";
		Dir::Log "$APT_DIR/log";
	END
	mv "$APT_DIR/apt.conf.new" "$APT_DIR/apt.conf"
}

apt_get() { apt-get -q -c "$APT_DIR/apt.conf" "$@"; }
apt_cache() { apt-cache -c "$APT_DIR/apt.conf" "$@"; }

# A source list of somebody else's that does not answer is no reason to fail:
# what counts is whether the packages that we want are there, and apt refuses
# those that are not signed.
apt_update() {
	command -v apt-get >/dev/null ||
		die "the arm64 packages come through apt, and this machine has no apt-get. Run it on Debian 12 or in a container of it."
	apt_config
	say "reading the package lists for arm64 (kept in ${APT_DIR#"$IPCSHIM_TOP"/})"
	mkdir -p "$IPCSHIM_BUILD/log"
	apt_get update >"$IPCSHIM_BUILD/log/apt-update.log" 2>&1 </dev/null || true
	[ -n "$(apt_ask_candidate linux-image-arm64:arm64)" ] || {
		tail -n 20 "$IPCSHIM_BUILD/log/apt-update.log" >&2
		die "the package archive of this machine offers no linux-image-arm64 for arm64. Are Debian 12 (bookworm) sources set up, without an [arch=...] that leaves arm64 out?"
	}
	touch "$APT_DIR/stamps/updated"
}

# Lists older than a day are read again: old kernels vanish from the archive.
apt_ready() {
	if [ ! -e "$APT_DIR/stamps/updated" ] ||
	   [ -n "$(find "$APT_DIR/stamps/updated" -mmin +1440 2>/dev/null)" ]; then
		apt_update
	fi
}

# apt_remember FILE command...: the command's answer, asked once for each update.
apt_remember() {
	local file=$APT_DIR/stamps/answers/$1
	shift
	if [ ! -e "$file" ] || [ "$APT_DIR/stamps/updated" -nt "$file" ]; then
		mkdir -p "$APT_DIR/stamps/answers"
		"$@" >"$file"
	fi
	cat "$file"
}

apt_ask_candidate() {
	apt_cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: //p' | grep -vx '(none)' || true
}

apt_ask_meta() {
	apt_cache depends "$1" 2>/dev/null |
		sed -n 's/^ *|\{0,1\}Depends: <\{0,1\}\([^<>]*\)>\{0,1\}$/\1/p' |
		sed 's/:.*//' | grep -Ex "$2" | head -n 1 || true
}

# The version that would be installed, or nothing.
apt_candidate() { apt_remember "candidate-$1" apt_ask_candidate "$1"; }

# apt_meta META PATTERN: the package matching PATTERN that META depends on.
apt_meta() { apt_remember "meta-$1-$(printf %s "$2" | cksum | tr -d ' ')" apt_ask_meta "$1" "$2"; }

# apt_unpack DIR PACKAGE...: the newest version of each, unpacked into DIR.
apt_unpack() {
	local dir=$1 package debs
	shift
	debs=$APT_DIR/debs.$$
	rm -rf "$debs"
	mkdir -p "$debs" "$dir"
	if ! (cd "$debs" && apt_get download "$@") >>"$IPCSHIM_BUILD/log/apt-download.log" 2>&1 </dev/null; then
		# The lists may be older than the archive: once more with fresh ones.
		apt_update
		(cd "$debs" && apt_get download "$@") >>"$IPCSHIM_BUILD/log/apt-download.log" 2>&1 </dev/null || {
			tail -n 20 "$IPCSHIM_BUILD/log/apt-download.log" >&2
			die "could not fetch from the package archive: $*"
		}
	fi
	for package in "$debs"/*.deb; do
		dpkg-deb -x "$package" "$dir"
	done
	rm -rf "$debs"
}
