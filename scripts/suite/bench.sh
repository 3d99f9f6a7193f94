#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The benchmark: a table on the terminal, build/bench.json, and the chart of the
# documentation.  Instructions are counted on an emulated processor whose TSC
# counts them, the same on every run to within 1 %; calls a second are taken from
# one that runs in parallel, and move with what else this machine does.  The
# status is 0 when all was measured, whether or not the goals are met.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lane/image.sh"

"$top/scripts/setup/fetch-kernel.sh"
"$top/scripts/setup/build-kvm.sh" on
"$top/scripts/setup/build-selftests.sh"
ensure_packages qemu-system-x86 qemu-system-data seabios gcc binutils python3
. "$kernel_env"

rom=$build/bench-rom
build_rom() {
	build_firmware "$top/scripts/lane/bench-rom.S" "$rom.bin"
	for place in /usr/share/seabios /usr/share/qemu; do
		[ ! -f "$place/kvmvapic.bin" ] || cp -L "$place/kvmvapic.bin" "$build/"
	done
	[ -f "$build/kvmvapic.bin" ]
}
step "building the firmware that measures" build_rom

step "making the images" "$top/scripts/lane/mkinitramfs.sh" -o "$build/bench.cpio.gz" \
	-s "$top/scripts/lane/bench-guest.sh" -d "$build/selftests:tests" -f "$rom.bin:bench/rom.bin" \
	-f "$build/kvmvapic.bin:bench/kvmvapic.bin" \
	-f /usr/bin/qemu-system-x86_64:bin/qemu-system-x86_64
step "making the images for scaling" "$top/scripts/lane/mkinitramfs.sh" \
	-o "$build/bench-scaling.cpio.gz" -s "$top/scripts/lane/bench-scaling.sh" \
	-d "$build/selftests:tests"

count_instructions() {
	QEMU_CPUS=1 QEMU_ACCEL="-accel tcg,thread=single -icount shift=0,sleep=off -cpu EPYC,+svm" \
		"$top/scripts/lane/boot.sh" "$build/bench.cpio.gz" 900
}

# Emulated processors that run in parallel can meet an instruction that the host's
# kernel is just patching ("Oops: int3"): that says nothing about ours.
count_calls() {
	for try in 1 2 3; do
		echo "try $try"
		QEMU_CPUS=2 QEMU_ACCEL="-accel tcg,thread=multi -cpu EPYC,+svm" \
			"$top/scripts/lane/boot.sh" "$build/bench-scaling.cpio.gz" 300 \
			>"$log_dir/bench-scaling.log" 2>&1 || true
		! grep -q '^@@BENCH done' "$log_dir/bench-scaling.log" || return 0
	done
	return 1
}

attempt "counting instructions" count_instructions
counts=$attempt_log
attempt "counting calls a second" count_calls
[ "$attempt_status" = 0 ] || note "no parallel run came to its end: see $log_dir/bench-scaling.log"

python3 "$top/scripts/suite/bench.py" --json "$build/bench.json" \
	--chart "$top/Documentation/virt/kvm/x86/vmport-bench.svg" \
	"$counts" "$log_dir/bench-scaling.log"
