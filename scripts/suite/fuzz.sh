#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# fuzz.sh: fuzz the engine in user space with libFuzzer, ASan and UBSan, each
# target for FUZZ_SECONDS, 60.  What is found and what covers more than the corpus in
# tools/testing/vmport/fuzz/corpus is kept in build/fuzz; FUZZ_MERGE=1 puts the
# smallest set of inputs that covers as much into the corpus.  FUZZ_FRESH=1 begins
# with nothing instead, and with shorter inputs: many more calls in the time.
# FUZZ_TARGETS: those of calls, rpci, blob and tool that are wanted; the last is what
# vmport-state reads.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"

seconds=${FUZZ_SECONDS:-60}
sources=$top/tools/testing/vmport
corpus=$sources/fuzz/corpus
work=$build/fuzz

clang=$(command -v clang || true)
[ "$clang" ] || ensure_packages clang
version=$(clang --version | sed -n 's/.*version \([0-9]*\)\..*/\1/p' | head -n 1)
ensure_packages make "libclang-rt-$version-dev" libjansson-dev zlib1g-dev
step "building the fuzz targets" make -C "$sources" -j"$jobs" OUT="$build/unit" fuzzers

# The shim counts what is allocated; ASan need not keep much of what is freed.
export ASAN_OPTIONS=quarantine_size_mb=4
total=0
for target in ${FUZZ_TARGETS:-calls rpci blob tool}; do
	found=$work/$target
	seeds=$corpus/$target
	longest=4096
	if [ "${FUZZ_FRESH:-}" ]; then
		found=$work/$target-fresh
		seeds=
		longest=1024
		rm -rf "$found"
	fi
	mkdir -p "$found" "$work/findings"
	dictionary=
	[ ! -f "$sources/fuzz/$target.dict" ] || dictionary=-dict=$sources/fuzz/$target.dict
	note "fuzzing $target for $seconds s"
	# shellcheck disable=SC2086 # one argument or none, twice
	if ! "$build/unit/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=$longest \
		-timeout=120 -report_slow_units=60 -rss_limit_mb=4096 -detect_leaks=0 \
		-artifact_prefix="$work/findings/$target-" $dictionary \
		"$found" $seeds >"$log_dir/fuzz-$target.log" 2>&1; then
		input=$(sed -n 's/.*Test unit written to //p' "$log_dir/fuzz-$target.log" | tail -n 1)
		show_end "$log_dir/fuzz-$target.log" >&2
		die "$target: a finding: $input; once more: $build/unit/fuzz/fuzz_$target $input"
	fi
	calls=$(sed -n 's/^\([0-9]*\) engine calls$/\1/p' "$log_dir/fuzz-$target.log" | tail -n 1)
	total=$((total + calls))
	note "$target: $calls engine calls ($((calls / seconds)) a second), 0 findings," \
		"$(sed -n 's/.*\(cov: [0-9]*\).*/\1/p' "$log_dir/fuzz-$target.log" | tail -n 1)"
	if [ "${FUZZ_MERGE:-}" ]; then
		rm -rf "$work/merged"
		mkdir -p "$work/merged" "$corpus/$target"
		# By what is reached, not how often: a tenth of the inputs.
		"$build/unit/fuzz/fuzz_$target" -merge=1 -use_counters=0 -max_len=4096 \
			"$work/merged" "$corpus/$target" "$found" \
			>"$log_dir/fuzz-merge-$target.log" 2>&1
		rm -rf "${corpus:?}/$target"
		mv "$work/merged" "$corpus/$target"
	fi
done
[ ! "${FUZZ_MERGE:-}" ] || "$sources/fuzz/seeds.py"
echo "$total engine calls, 0 findings"
