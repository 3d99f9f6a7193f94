#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# test-sanitizers.sh [kasan|kcsan|rt...]: our kselftests on kernels that look for
# mistakes while they run: kasan has KASAN, UBSAN, lockdep, DEBUG_ATOMIC_SLEEP,
# kmemleak and injected faults; kcsan data races; rt is PREEMPT_RT with lockdep.  All
# three without arguments.  TAP; no report of any kind may come.  SANITIZER_LIMIT is
# the time that a boot may take, in seconds.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lane/emulator.sh"

limit=${SANITIZER_LIMIT:-5400}
[ $# -gt 0 ] || set -- kasan kcsan rt

selftests() {
	KERNEL_TREE=$build/linux-newest-$1/tree SELFTESTS=$build/sanitizers/selftests \
		"$top/scripts/setup/build-selftests.sh"
}

image() {
	MODULES=$build/linux-newest-$1/modules "$top/scripts/lane/mkinitramfs.sh" \
		-o "$build/sanitizers/$1.cpio.gz" -s "$top/scripts/lane/sanitizer-tests.sh" \
		-d "$build/sanitizers/selftests:tests"
}

suite() {
	set_up "the emulator builds" need_emulator || return 0
	for kind in "$@"; do
		export COMPILER=gcc
		# GCC has no way to tell KCSAN of compound accesses.
		[ "$kind" != kcsan ] || COMPILER=clang
		append="log_buf_len=16M LANE_WHERE=$kind"
		# KVM insists on it there, QEMU cannot emulate it on an AMD processor.
		[ "$kind" != rt ] || append="$append setcpuid=constant_tsc"
		set_up "the newest kernel builds with $kind" \
			"$top/scripts/setup/build-linux.sh" newest "newest-$kind" "$kind" || continue
		set_up "the selftests build" selftests "$kind" || continue
		set_up "the image is made" image "$kind" || continue
		note "booting with $kind: $log_dir/$kind.log"
		echo "@@LANE"
		KERNEL=$build/linux-newest-$kind/bzImage QEMU_MEMORY=4G APPEND="$append" \
			"$top/scripts/lane/boot.sh" "$build/sanitizers/$kind.cpio.gz" "$limit" 2>&1 |
			tee "$log_dir/$kind.log" || true
	done
}

mkdir -p "$build/sanitizers"
as_tap suite "$@"
