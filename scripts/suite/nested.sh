#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A guest in a guest of the booted host, with open-vm-tools' client in it: runs
# nested-host.sh; ends like demo.sh, with "nested: PASS" or "nested: FAIL: STEP".
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
title=nested
. "$top/scripts/lane/steps.sh"

# The kernel as it is after it has unpacked itself, which takes the inner guest the
# longest otherwise.
unpack_kernel() {
	sh "$K_SOURCE/scripts/extract-vmlinux" "$K_VMLINUZ" >"$1.tmp"
	mv "$1.tmp" "$1"
}

begun=$(date +%s)
get_host_parts
ensure_packages binutils xz-utils zstd
step "unpacking the kernel" unpack_kernel "$build/nested-vmlinux"
make_host "$build/nested-outer.cpio.gz" "$top/scripts/lane/nested-outer.sh" \
	-f "$top/scripts/lane/guest-init.sh:guest-init.sh" -f "$build/nested-vmlinux:demo/vmlinux"
make_host "$build/nested-host.cpio.gz" "$top/scripts/lane/nested-host.sh" \
	-f "$build/nested-outer.cpio.gz:demo/outer.cpio.gz"
note "set-up: $(($(date +%s) - begun)) s"
# Time is what the emulated processor has done.  By the clock on the wall an exit of
# the inner guest takes milliseconds, and on a busy machine it gets no further than
# from one timer interrupt to the next.
QEMU_ACCEL="-accel tcg,thread=single -icount shift=0,sleep=off -cpu EPYC,+svm"
export QEMU_ACCEL
run_host 900
