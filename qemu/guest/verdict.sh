# SPDX-License-Identifier: MIT
# Sourced by /init: the channels to the host, and the checks after the work.

reasons=

# A reason why this run is a failure; the rest is done all the same.
fail() {
	reasons="${reasons:+$reasons; }$*"
	echo "<3>ipcshim-guest: failure: $*" >/dev/kmsg
}

power_off() {
	sync
	poweroff -f
	# Some boards cannot; the host ends them.
	while :; do sleep 1000; done
}

give_up() {
	fail "$@"
	[ -z "$VERDICT_CHANNEL" ] || echo "fail: $reasons" >"$VERDICT_CHANNEL"
	power_off
}

# find_channel NAME: the virtio-serial port that bears it.
find_channel() {
	local name
	for name in /sys/class/virtio-ports/*/name; do
		[ "$(cat "$name" 2>/dev/null)" = "$1" ] || continue
		name=$(basename "$(dirname "$name")")
		[ -e "/dev/$name" ] && echo "/dev/$name"
		return
	done
	return 1
}

# The host tells the names after the ports have appeared: wait for all of them.
find_channels() {
	local tries=0 name port missing
	while [ $tries -lt 200 ]; do
		missing=
		for name in $GUEST_CHANNELS; do
			port=$(find_channel "$name") || missing=1
			case $name in
			verdict) VERDICT_CHANNEL=$port ;;
			output) OUTPUT_CHANNEL=$port ;;
			# For the work, under its own name.
			*) [ -z "$port" ] || ln -sf "$port" "/dev/$name" ;;
			esac
		done
		[ -n "$OUTPUT_CHANNEL" ] || [ -e /dev/hvc0 ] || missing=1
		[ -n "$missing" ] || return 0
		tries=$((tries + 1))
		usleep 50000
	done
	give_up "the channels to the host do not appear"
}

# What the work left running would keep the module in use.
end_processes() {
	kill -9 -1 2>/dev/null
	wait
}

# kmemleak leaves alone what is younger than five seconds, and what it sees for
# the first time: hence the wait, and two scans for each answer.
kmemleak_scan() { echo scan 2>/dev/null >/sys/kernel/debug/kmemleak; }

kmemleak_answer() {
	cat /sys/kernel/debug/kmemleak >/tmp/kmemleak
	[ -s /tmp/kmemleak ] || return 0
	sed 's/^/<3>kmemleak: /' /tmp/kmemleak >/dev/kmsg
	fail "kmemleak found $(grep -c '^unreferenced object' /tmp/kmemleak) leaks $1"
}

# Files are released a moment after the process that held them is gone.
remove_module() {
	local tries=0 name
	name=$(basename "$GUEST_MODULE" .ko)
	while ! rmmod "$name" 2>/tmp/rmmod; do
		tries=$((tries + 1))
		if [ $tries -ge 50 ]; then
			fail "the module cannot be removed: $(cat /tmp/rmmod)"
			return
		fi
		usleep 100000
	done
	! grep -q "^$name " /proc/modules || fail "the module is still listed"
	! grep "$name" /proc/slabinfo >/tmp/slabs || fail "its caches are left: $(cut -d' ' -f1 /tmp/slabs | xargs)"
	[ ! -e "/dev/$name" ] || fail "its device is left"
	[ ! -e "/sys/module/$name" ] || fail "its folder in /sys/module is left"
}

# Everything that can still find something comes before the word is written.
verdict() {
	local leaks=0
	end_processes
	if [ "$GUEST_KMEMLEAK" = 1 ]; then
		leaks=1
		# Turned off, also by itself for lack of memory, it refuses.
		kmemleak_scan || fail "kmemleak does not work, so leaks were not looked for"
		sleep 6
		kmemleak_scan
		kmemleak_answer "before rmmod"
	fi
	if [ -n "$GUEST_MODULE" ] && grep -q "^$(basename "$GUEST_MODULE" .ko) " /proc/modules; then
		remove_module
		if [ $leaks = 1 ]; then
			kmemleak_scan
			kmemleak_scan
			kmemleak_answer "after rmmod"
		fi
	fi
	if dmesg | grep -F -f /tmp/phrases >/tmp/complaints; then
		fail "the kernel complained: $(head -n 1 /tmp/complaints)"
	fi
	echo "<5>ipcshim-guest: done" >/dev/kmsg
	if [ -n "$reasons" ]; then
		echo "fail: $reasons" >"$VERDICT_CHANNEL"
	else
		echo pass >"$VERDICT_CHANNEL"
	fi
}
