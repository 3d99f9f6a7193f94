#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Real guests in the booted host: open-vm-tools' daemon, cloud-init, Linux as it
# takes VMware for its hypervisor, QEMU's vmmouse, a 32-bit process, and firmware.
# Runs guests-host.sh; ends like demo.sh, with "guests: PASS" or "guests: FAIL: STEP".
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
title=guests
. "$top/scripts/lane/steps.sh"
. "$top/scripts/lane/image.sh"

# The demo's, with the driver of VMware's precision clock.
make_linux_initramfs() {
	root=$(mktemp -d)
	unpack_module "$(find_module ptp_vmw)" "$root/ptp_vmw.ko"
	pack "$root" "$1.module"
	rm -rf "$root"
	cat "$build/demo-guest.cpio.gz" "$1.module" >"$1.tmp"
	mv "$1.tmp" "$1"
}

# Scope (\_SB) { Device (PTPV) { Name (_HID, "VMW0005") } }: what that driver looks for.
make_precision_clock() {
	printf '\020\033\\_SB_\133\202\023PTPV\010_HID\015VMW0005\000' >"$1"
}

begun=$(date +%s)
get_host_parts
"$top/scripts/setup/guest-image.sh"
ensure_packages cpio gzip xz-utils zstd gcc binutils
step "making the guests' initramfs" make_disk_initramfs "$build/guests-disk.cpio.gz"
step "making Linux' initramfs" make_linux_initramfs "$build/guests-linux.cpio.gz"
make_precision_clock "$build/precision-clock.aml"
step "making the firmware that is a client" build_firmware \
	"$top/tools/testing/vmport/guest/firmware.S" "$build/client-firmware.bin"
make_host "$build/guests-host.cpio.gz" "$top/scripts/lane/guests-host.sh" -m virtio_blk \
	-f "$build/guests-disk.cpio.gz:demo/disk.cpio.gz" \
	-f "$build/guests-linux.cpio.gz:demo/linux.cpio.gz" \
	-f "$build/precision-clock.aml:demo/precision-clock.aml" \
	-f "$build/client-firmware.bin:demo/client-firmware.bin"
note "set-up: $(($(date +%s) - begun)) s"
run_host 900 -drive "file=$cache/guest/current/root.ext4,format=raw,if=virtio,readonly=on"
