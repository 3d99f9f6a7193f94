#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Real guests in the booted host: open-vm-tools' daemon, cloud-init, Linux as it
# takes VMware for its hypervisor, and QEMU's vmmouse.  Runs guests-host.sh; ends
# like demo.sh, with "guests: PASS" or "guests: FAIL: STEP".
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
title=guests
. "$top/scripts/steps.sh"

# What a guest needs to have its root on a disk, and to get there.
make_initramfs() {
	root=$(mktemp -d)
	mkdir -p "$root/bin" "$root/dev" "$root/root"
	for module in virtio_blk dummy; do
		unpack_module "$(find_module $module)" "$root/$module.ko"
	done
	install "$(command -v busybox)" "$root/bin/busybox"
	cat >"$root/init" <<'END'
#!/bin/busybox sh
busybox mount -t devtmpfs devtmpfs /dev
busybox insmod /virtio_blk.ko
busybox insmod /dummy.ko
busybox mount -t ext4 /dev/vda /root
exec busybox switch_root /root /init
END
	chmod 755 "$root/init"
	(cd "$root" && find . | cpio -o -H newc --quiet) | gzip -1 >"$1.tmp"
	rm -rf "$root"
	mv "$1.tmp" "$1"
}

begun=$(date +%s)
"$top/scripts/fetch-kernel.sh"
. "$kernel_env"
"$top/scripts/guest-image.sh"
ensure_packages busybox-static cpio gzip xz-utils zstd
step "making the guests' initramfs" make_initramfs "$build/guests-disk.cpio.gz"
make_host "$top/scripts/guests-host.sh" -m virtio_blk \
	-f "$build/guests-disk.cpio.gz:demo/disk.cpio.gz"
note "set-up: $(($(date +%s) - begun)) s"
run_host 900 -drive "file=$cache/guest/current/root.ext4,format=raw,if=virtio,readonly=on"
