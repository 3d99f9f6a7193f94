#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# QEMU and the distribution's open-vm-tools: reports, requests, power states, snapshots.
# Runs tools-host.sh; ends like demo.sh, with "tools: PASS" or "tools: FAIL: STEP".
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
title=tools
. "$top/scripts/lane/steps.sh"
. "$top/scripts/lane/image.sh"

# A second disk for the guest, with a journal.
make_data() {
	rm -f "$1"
	mke2fs -q -t ext4 -O has_journal "$1" 32M
}

begun=$(date +%s)
get_host_parts
"$top/scripts/setup/guest-image.sh"
ensure_packages cpio gzip xz-utils zstd e2fsprogs
PATH=$PATH:/usr/sbin:/sbin
# The guest's tools try VMware's sockets before the port.
disk_modules="vmw_vmci vsock vmw_vsock_vmci_transport vmw_vsock_virtio_transport_common
	vmw_vsock_virtio_transport"
step "making the guest's initramfs" make_disk_initramfs "$build/tools-disk.cpio.gz"
step "making the guest's second disk" make_data "$build/tools-data.ext4"
make_host "$build/tools-host.cpio.gz" "$top/scripts/lane/tools-host.sh" -m virtio_blk -m loop \
	-m vhost_vsock -f "$build/tools-disk.cpio.gz:demo/disk.cpio.gz" \
	-f "$build/tools-data.ext4:demo/data.ext4" -f "$(command -v e2fsck):bin/e2fsck"
note "set-up: $(($(date +%s) - begun)) s"
run_host 1500 -drive "file=$cache/guest/current/root.ext4,format=raw,if=virtio,readonly=on"
