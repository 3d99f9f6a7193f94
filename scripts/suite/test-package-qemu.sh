#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# test-package-qemu.sh: the package of QEMU in a Debian 13 of its own, beside Debian's
# QEMU: installed, started, removed.  TAP.  build/package-qemu has the package, which
# "make package-qemu" makes.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/chroot.sh"

suite=$(suite_of 13)
base=$cache/package/$suite-qemu.tar
root=$build/package-qemu-test
name=qemu-system-x86-vmport
program=/usr/bin/qemu-system-x86_64-vmport
profile=/etc/apparmor.d/libvirt/probe

apt_root() {
	quietly "$log_dir/package-qemu-apt.log" chroot_in "$root" apt-get -y -q "$@"
}

make_base() {
	chroot_base "$base" "$suite" "qemu-system-x86 apparmor libvirt-daemon-driver-qemu"
}

# All files but those that any installation changes.
files() {
	find "$root" -xdev ! -type d -printf '%P %s %l\n' | grep -v -e '^var/' -e '^proc/' \
		-e '^tmp/' -e '^dev/' -e '^etc/ld.so.cache ' -e '^root/' -e '^sys/' | sort
}

# shows TEXT COMMAND...
shows() {
	shows_text=$1
	shift
	chroot_in "$root" "$@" 2>&1 </dev/null | grep -q -e "$shows_text"
}

# A machine without a disk that waits for its monitor, which ends it.
starts() {
	# shellcheck disable=SC2016 # for the inner shell
	chroot_in "$root" sh -c 'echo quit | timeout 60 "$0" -accel tcg -machine q35 -S \
		-display none -nodefaults -monitor stdio -netdev user,id=n0 -device virtio-net,netdev=n0' \
		"$1" >"$log_dir/package-qemu-start.log" 2>&1
}

# libvirt's profile of a virtual machine, with only what it includes.
profile_allows() {
	{
		echo '#include <tunables/global>'
		echo 'profile probe {'
		echo '  #include <abstractions/libvirt-qemu>'
		echo '}'
	} >"$root$profile"
	chroot_in "$root" apparmor_parser -Q -p "$profile" >"$log_dir/package-qemu-profile.log" 2>&1 &&
		grep -q "^ *$program rmix," "$log_dir/package-qemu-profile.log" &&
		grep -q '/guestinfo/@{profile_name}/' "$log_dir/package-qemu-profile.log"
	profile_status=$?
	rm "$root$profile"
	return $profile_status
}

each_module_loads() {
	for module in "$root"/usr/lib/qemu-vmport/qemu/*.so; do
		[ -e "$module" ] || return 1
		if chroot_in "$root" ldd "${module#"$root"}" | grep 'not found'; then
			return 1
		fi
	done
}

suite_package() {
	must "the machine's archive is known" find_archive
	must "the package is there" test -f "$build"/package-qemu/"$name"_*.deb
	ensure_packages mmdebstrap
	[ -f "$base" ] || step "making a Debian 13 with QEMU" make_base
	step "unpacking it" chroot_unpack "$base" "$root"
	cp "$build"/package-qemu/"$name"_*.deb "$root/tmp/"
	must "the lists are there" apt_root update
	# Its libraries come with it and stay until autoremove, so they come first.
	must "what it needs installs" apt_root satisfy \
		"$(dpkg-deb -f "$build"/package-qemu/"$name"_*.deb Depends)" \
		"$(dpkg-deb -f "$build"/package-qemu/"$name"_*.deb Recommends)"
	files >"$build/package-qemu-before"

	must "it installs beside Debian's QEMU" apt_root install "/tmp/$(basename \
		"$build"/package-qemu/"$name"_*.deb)"
	check "its QEMU has the interface" shows '^  vmware=' "$program" -machine q35,help
	check "Debian's QEMU has not" test -z "$(chroot_in "$root" qemu-system-x86_64 \
		-machine q35,help | grep vmware)"
	check "its QEMU starts, with the distribution's firmware" starts "$program"
	check "Debian's QEMU starts" starts qemu-system-x86_64
	check "a display that is a module is found" shows spice "$program" -display help
	check "all modules' libraries are there" each_module_loads
	check "libvirt's profile of a virtual machine allows it" profile_allows

	check "it can be removed" apt_root purge "$name"
	files >"$build/package-qemu-after"
	check "no file of it is left" diff "$build/package-qemu-before" "$build/package-qemu-after"
	rm -rf --one-file-system "$root"
}

need_root test-package-qemu.sh
as_tap suite_package
