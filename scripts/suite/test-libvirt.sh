#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# test-libvirt.sh: two Debian 13 hosts in two emulators, with the distribution's libvirt
# and AppArmor, our modules and our QEMU: what virsh does with a guest that has the
# interface.  The guest is that of packaging/examples/cloud-init.xml.  TAP.  The commands
# of the run and what they said are in build/libvirt-transcript.log.  With LIBVIRT=series
# the hosts have libvirt with the patches in vmm/libvirt, and what they add is tested.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
title=libvirt
. "$top/scripts/lane/steps.sh"
. "$top/scripts/lane/image.sh"
. "$top/scripts/chroot.sh"
trap - EXIT HUP INT TERM

libvirt=${LIBVIRT:-distribution}
case $libvirt in
distribution | series) ;;
*) die "LIBVIRT=$libvirt: it is distribution or series" ;;
esac
suite=$(suite_of 13)
base=$cache/package/$suite-libvirt.tar
root=$build/libvirt-root
disk=$build/libvirt-root.ext4
packages="systemd-sysv udev kmod iproute2 dbus python3 apparmor libvirt-daemon-system \
libvirt-clients qemu-utils qemu-system-data seabios ipxe-qemu \
libglib2.0-0t64 libseccomp2 zlib1g"

make_base() {
	chroot_base "$base" "$suite" "$packages"
}

# The modules where DKMS puts them, and QEMU where its package does.
add_ours() {
	mkdir -p "$root/usr/lib/modules/$K_ABI/updates/dkms"
	cp -a "$K_MODULES/." "$root/usr/lib/modules/$K_ABI/"
	cp "$build"/kvm-on/*.ko "$root/usr/lib/modules/$K_ABI/updates/dkms/"
	depmod -b "$root/usr" "$K_ABI"
	install "$(readlink -f "$build/qemu-system-x86_64")" \
		"$root/usr/bin/qemu-system-x86_64-vmport"
	install -D -m 644 "$top/packaging/qemu/debian/apparmor" \
		"$root/etc/apparmor.d/abstractions/libvirt-qemu.d/qemu-system-x86-vmport"
	# The package's QEMU looks in these folders, ours in the first one.
	for file in "$root"/usr/share/seabios/* "$root"/usr/lib/ipxe/qemu/*; do
		[ -e "$root/usr/share/qemu/${file##*/}" ] ||
			ln -s "${file#"$root"}" "$root/usr/share/qemu/"
	done
}

# libvirt's packages with the patches, in the place of Debian's.
add_libvirt() {
	mkdir "$root/tmp/libvirt"
	# shellcheck disable=SC2016 # for dpkg-query
	chroot_in "$root" dpkg-query -W -f '${db:Status-Abbrev} ${source:Package} ${Package}\n' |
		sed -n 's/^ii *libvirt //p' | while read -r package; do
		cp "$build/libvirt-packages/${package}"_*.deb "$root/tmp/libvirt/"
	done
	chroot_in "$root" sh -c 'dpkg -i /tmp/libvirt/*.deb'
	rm -r "$root/tmp/libvirt"
}

add_service() {
	place=$root/usr/local/lib/kvm-vmport
	install -D -t "$place" "$top"/scripts/lane/libvirt-host.* "$top/scripts/lane/agent.py"
	cat >"$root/etc/systemd/system/kvm-vmport-test.service" <<-'UNIT'
		[Unit]
		After=libvirtd.service libvirtd-tcp.socket
		Wants=libvirtd.service
		[Service]
		Type=oneshot
		TimeoutStartSec=infinity
		ExecStart=/usr/local/lib/kvm-vmport/libvirt-host.sh
		ExecStopPost=/usr/bin/systemctl --no-block poweroff
		StandardOutput=tty
		StandardError=tty
		TTYPath=/dev/ttyS0
	UNIT
	# What takes time and is of no use here.
	for unit in serial-getty@ttyS0.service getty@tty1.service apt-daily.timer \
		apt-daily-upgrade.timer e2scrub_reap.service dpkg-db-backup.timer; do
		ln -sf /dev/null "$root/etc/systemd/system/$unit"
	done
	mkdir -p "$root/etc/systemd/system/multi-user.target.wants" \
		"$root/etc/systemd/system/sockets.target.wants"
	ln -sf ../kvm-vmport-test.service "$root/etc/systemd/system/multi-user.target.wants/"
	ln -sf /usr/lib/systemd/system/libvirtd-tcp.socket \
		"$root/etc/systemd/system/sockets.target.wants/"
	# For this test alone: everybody on this network may do everything.
	echo 'auth_tcp = "none"' >>"$root/etc/libvirt/libvirtd.conf"
	printf '10.0.0.1 host-1\n10.0.0.2 host-2\n' >>"$root/etc/hosts"
	ln -sf usr/lib/systemd/systemd "$root/init"
	: >"$root/etc/machine-id"
}

# What VMware exports: a description, checksums, a disk that is compressed.
add_ova() {
	move=$root/root/move
	mkdir -p "$move"
	chroot_in "$root" qemu-img convert -O vmdk -o subformat=streamOptimized \
		/var/lib/libvirt/images/base.raw /root/move/guest-disk1.vmdk
	cp "$top/scripts/lane/guest.ovf" "$move/"
	(cd "$move" && sha256sum guest.ovf guest-disk1.vmdk |
		sed 's/\([^ ]*\)  \(.*\)/SHA256(\2)= \1/' >guest.mf)
	tar -C "$move" -cf "$move/guest.ova" guest.ovf guest.mf guest-disk1.vmdk
	rm "$move"/guest.ovf "$move"/guest.mf "$move"/guest-disk1.vmdk
}

make_root() {
	chroot_unpack "$base" "$root"
	add_ours
	[ "$libvirt" = distribution ] || add_libvirt
	add_service
	install -D -m 644 "$K_VMLINUZ" "$root/var/lib/libvirt/boot/vmlinuz"
	install -D -m 644 "$build/libvirt-guest.cpio.gz" "$root/var/lib/libvirt/boot/guest.cpio.gz"
	# A file: libvirt's AppArmor helper does not find a device under an overlay.
	install -D -m 644 "$cache/guest/current/root.ext4" \
		"$root/var/lib/libvirt/images/base.raw"
	install -m 644 "$build/libvirt-moved.cpio.gz" "$root/var/lib/libvirt/boot/moved.cpio.gz"
	add_ova
	rm -f "$disk"
	truncate -s 3G "$disk"
	mkfs.ext4 -q -F -O ^has_journal -d "$root" "$disk"
	rm -rf --one-file-system "$root"
}

make_initramfs() {
	for program in rpc-load rpc-half rates; do
		${CC:-gcc} -O2 -Wall -static -o "$build/$program" \
			"$top/tools/testing/vmport/guest/$program.c"
	done
	# The guest's button to switch it off.
	disk_modules="button evdev"
	make_disk_initramfs "$build/libvirt-guest.cpio.gz" "$build/rpc-load" "$build/rpc-half" \
		"$build/rates"
	# What a guest of VMware's has.
	disk_modules="scsi_common scsi_mod sd_mod vmw_pvscsi vmxnet3"
	make_disk_initramfs "$build/libvirt-moved.cpio.gz"
	disk_modules=
	make_disk_initramfs "$build/libvirt-host.cpio.gz"
}

suite_libvirt() {
	begun=$(date +%s)
	PATH=$PATH:/usr/sbin:/sbin
	get_host_parts
	"$top/scripts/setup/guest-image.sh"
	ensure_packages cpio gzip xz-utils zstd gcc kmod mmdebstrap e2fsprogs
	set_up "the machine's archive is known" find_archive || return
	[ -f "$base" ] || step "making a Debian 13 with libvirt" make_base
	[ "$libvirt" = distribution ] || "$top/scripts/setup/build-libvirt.sh"
	step "making the initramfs of host and guest" make_initramfs
	step "making the hosts' disk" make_root
	note "set-up: $(($(date +%s) - begun)) s"
	python3 "$top/scripts/suite/libvirt.py" "$build" "$libvirt"
}

need_root test-libvirt.sh
as_tap suite_libvirt
