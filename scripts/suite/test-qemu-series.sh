#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# test-qemu-series.sh: QEMU builds after each patch of vmm/qemu, without a warning.  TAP.
# It is configured as build-qemu.sh does it.  QEMU_SERIES chooses which QEMU.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"

"$top/scripts/setup/build-qemu.sh"
. "$qemu_env"
work=$build/qemu-series
PATH=$cache/qemu/meson/usr/bin:$PATH
PYTHONPATH=$cache/qemu/meson/usr/lib/python3/dist-packages
export PATH PYTHONPATH

unpack() {
	rm -rf "$work"
	mkdir -p "$work/build"
	dpkg-source --no-check -x "$Q_DSC" "$work/src"
	cd "$work/build"
	# shellcheck disable=SC2046 # a list
	../src/configure $(cat "$cache/qemu/tree/$(basename "$(dirname "$Q_DSC")")/build/options") \
		--enable-werror
	compile
}

compile() {
	ninja -C "$work/build" -j"$jobs" qemu-system-x86_64
}

apply() {
	patch -d "$work/src" -p1 --fuzz=0 --no-backup-if-mismatch <"$1"
}

suite_qemu() {
	attempt_test "building QEMU $Q_VERSION as it is" unpack || return 0
	qemu_patches "$Q_VERSION" | while read -r patch; do
		name=$(basename "$patch")
		attempt_test "applying $name without fuzz" apply "$patch" || return 0
		attempt_test "building QEMU with $name" compile || true
	done
}

need_space "$build" 2000
as_tap suite_qemu
