#!/bin/sh
# SPDX-License-Identifier: MIT
# The bench in the guest: guest.sh counted|wall ROWS, or guest.sh profile ROW SECONDS
set -eu
if [ "$1" = profile ]; then
	# The same addresses each time.
	echo 0 >/proc/sys/kernel/randomize_va_space
	/bench/ipcshim-bench --benchmark_filter="$2" --benchmark_min_time="$3" \
		--benchmark_out=/tmp/results.json --benchmark_out_format=json
	cat /tmp/results.json /proc/kallsyms >/dev/results
	exit
fi
# Short ones: with a clock that counts instructions there is little to average.
if [ "$1" = counted ]; then
	/bench/ipcshim-bench --benchmark_filter="$2" --benchmark_min_time=0.02 --benchmark_repetitions=5 \
		--benchmark_out=/tmp/results.json --benchmark_out_format=json
	cat /tmp/results.json >/dev/results
	exit
fi
# In short rounds, so that what else this machine does for a while disturbs neighbours
# alike; as many as there is time for.
end=$(($(date +%s) + 90))
round=0
while [ "$round" -lt 3 ] || { [ "$round" -lt 25 ] && [ "$(date +%s)" -lt "$end" ]; }; do
	round=$((round + 1))
	echo "round $round of 25, or as many as there are in 90 s"
	/bench/ipcshim-bench --wall --benchmark_filter="$2" --benchmark_min_time=0.001 \
		--benchmark_out=/tmp/results.$round.json --benchmark_out_format=json
done
{
	separator='['
	while [ "$round" -gt 0 ]; do
		echo "$separator"
		cat /tmp/results.$round.json
		separator=','
		round=$((round - 1))
	done
	echo ']'
} >/dev/results
