#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# bench-intel.sh: what of the benchmark can run on kvm-intel, under Bochs, whose TSC
# counts instructions too; QEMU in it would take hours.  A table on the terminal and
# build/bench-intel.json.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"

log=$log_dir/intel.log
rm -f "$log"
# There are no tests in it to pass: that it came to its end is seen below.
attempt "counting instructions under Bochs" \
	"$top/scripts/suite/test-intel.sh" "$top/scripts/lane/bench-guest.sh"
grep -qs '^@@BENCH done' "$log" ||
	die "the benchmark did not come to its end: see $attempt_log and $log"
ensure_packages python3
python3 "$top/scripts/suite/bench.py" --partial --json "$build/bench-intel.json" "$log"
