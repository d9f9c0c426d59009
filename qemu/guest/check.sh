# SPDX-License-Identifier: MIT
# The work of a check: all tests of the list.
set -- --list /etc/tests.list --kernel-log /lib/kernel-log.patterns
[ -z "$TESTS" ] || set -- "$@" --filter "$TESTS"
# The sanitised kernel is several times slower.
[ "$IPCSHIM_DEBUG_KERNEL" != 1 ] || set -- "$@" --time-factor 5
exec /bin/ipcshim-runner "$@"
