#!/bin/sh
# SPDX-License-Identifier: MIT
# The bench in the guest.  The same number of repetitions everywhere, short
# ones: with a clock that counts instructions there is little to average.
set -eu
/bench/ipcshim-bench --benchmark_filter="$1" --benchmark_min_time=0.02 --benchmark_repetitions=5 \
	--benchmark_out=/tmp/results.json --benchmark_out_format=json
cat /tmp/results.json >/dev/results
