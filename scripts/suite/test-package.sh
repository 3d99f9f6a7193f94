#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# test-package.sh [12|13]: the package in a Debian of its own, 13 unless said.  It is
# installed with the release's kernel, which is then updated to that of the security
# archive, and to that of the backports; each is booted from a disk and our kselftests
# run; at last the package is removed.  TAP.
#
# Packages are installed, and the modules built, in a chroot on this machine's own
# processors, where that takes minutes and not hours; what loads and runs the
# modules is the booted machine.  PACKAGE_LIMIT: seconds that a boot may take;
# PACKAGE_TESTS: names of the kselftests to run, all of ours unless said; PACKAGE_BENCH=1:
# the benchmark, too; PACKAGE_HOST=1: test-host.sh in the last machine, which builds the
# modules there; PACKAGE_KERNELS=1: the release's kernel only.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/chroot.sh"
. "$top/scripts/lane/emulator.sh"

debian=${1:-13}
suite=$(suite_of "$debian")
case $debian in
12) series=6.1 newer=6.12 ;;
13) series=6.12 newer=7.3 ;;
esac
limit=${PACKAGE_LIMIT:-2400}
base=$cache/package/$suite-cloud.tar
root=$build/package-root-$debian
disk=$build/package-disk-$debian.img
tests=$build/package-selftests-$debian
name=kvm-vmport
kernel="linux-image-cloud-amd64 linux-headers-cloud-amd64"
package_log=$log_dir/package-apt-$debian.log

in_root() {
	chroot_in "$root" "$@"
}

# What it says is kept in $package_log for the checks that follow.
apt_root() {
	quietly "$package_log" in_root apt-get -y -q -o APT::Install-Recommends=false \
		-o Dpkg::Use-Pty=0 "$@"
}

make_base() {
	chroot_base "$base" "$suite" "systemd-sysv udev kmod initramfs-tools $kernel dkms openssl patch xz-utils"
}

make_root() {
	chroot_unpack "$base" "$root"
	mkdir -p "$root/tests" "$root/etc/systemd/system/multi-user.target.wants"
	cp -r "$tests/." "$root/tests/"
	[ -z "${PACKAGE_TESTS:-}" ] || echo "$PACKAGE_TESTS" | tr -s ' ,' '\n' >"$root/tests/ours"
	[ -z "${PACKAGE_BENCH:-}" ] || : >"$root/tests/bench"
	install "$top/scripts/lane/package-guest.sh" "$root/tests/run"
	ln -sf /dev/null "$root/etc/systemd/system/serial-getty@ttyS0.service"
	cat >"$root/etc/systemd/system/package-test.service" <<-'UNIT'
		[Service]
		Type=oneshot
		TimeoutStartSec=infinity
		ExecStart=/tests/run
		ExecStopPost=/usr/bin/systemctl --no-block poweroff
		StandardOutput=tty
		StandardError=tty
		TTYPath=/dev/ttyS0
	UNIT
	ln -sf ../package-test.service "$root/etc/systemd/system/multi-user.target.wants/"
	# As if a kernel was there that the package does not know.
	mkdir -p "$root/lib/modules/9.9.9-unknown/kernel"
}

release() {
	find "$root/boot" -name 'vmlinuz-*' | sed 's#.*/vmlinuz-##' | sort -V | tail -n 1
}

says() {
	grep -q -e "$1" "$package_log" || fails_with "$package_log"
}

# The module that modprobe would load for a release.
chosen() {
	in_root modprobe -S "$1" --show-depends "$2" | sed -n "s/^insmod \([^ ]*\).*/\1/p" | tail -n 1
}

# chooses RELEASE DIRECTORY: all three are below it
chooses() {
	for module in kvm kvm-amd kvm-intel; do
		case $(chosen "$1" "$module") in
		*"/lib/modules/$1/$2/"*"$module".ko*) ;;
		*) return 1 ;;
		esac
	done
}

chooses_ours() {
	chooses "$1" updates/dkms
}

chooses_theirs() {
	chooses "$1" kernel
}

boot() {
	rm -f "$disk"
	truncate -s 6G "$disk"
	mkfs.ext4 -q -F -d "$root" "$disk"
	note "booting $1: the log is $log_dir/package-$1.log"
	# With one thread for all processors QEMU 7.2 forgets the flags behind CMPXCHG16B,
	# and the kernel dies in an allocation, of a double fault.  Not so everywhere:
	# without the instruction QEMU in that machine stands still.
	QEMU_FEATURES=,-cx16 KERNEL=$root/boot/vmlinuz-$1 \
		APPEND="root=/dev/vda rw systemd.show_status=0" \
		"$top/scripts/lane/boot.sh" "$root/boot/initrd.img-$1" "$limit" \
		-drive "file=$disk,if=virtio,format=raw" >"$log_dir/package-$1.log" 2>&1 || true
	cat "$log_dir/package-$1.log"
	check "the tests in $1 run to their end" grep -q '^@@DONE' "$log_dir/package-$1.log"
}

# What belongs to the package, or was made by it, without what only names it.
traces() {
	{
		find "$root" -xdev \( -name "*$name*" -o -path '*/lib/modules/*/updates*' \) \
			! -path "$root/tests/*" ! -path "$root/tmp/*"
		grep -l "updates/dkms\|$name" "$root"/lib/modules/*/modules.dep || true
	} | sed "s#^$root##"
	for initrd in "$root"/boot/initrd.img-*; do
		in_root lsinitramfs "${initrd#"$root"}" | grep -e updates/ || true
	done
}

no_traces() {
	[ -z "$(traces)" ] || {
		traces | sed 's/^/#   /'
		return 1
	}
}

# add_archive URI SUITE
add_archive() {
	echo "deb $1 $2 main" >>"$root/etc/apt/sources.list"
	apt_root update
}

# mark hold|unhold
mark() {
	in_root apt-mark -q "$1" "linux-source-$series" >"$package_log" 2>&1
}

# What the package says to run for a release.
advice() {
	sed -n "s/^$name: $1: needs .*: \(apt install .*\)/\1/p" "$package_log" | tail -n 1
}

# flavour_builds RELEASE: the modules of the flavour that is not for clouds, which is not
# booted.  Where its headers bring no image the package's trigger leaves it alone.
flavour_builds() {
	flavour=${1%-cloud-amd64}-amd64
	apt_root install "linux-headers-$flavour" || return
	quietly "$package_log" in_root dkms install -m "$name" -v "$(package_version)" \
		-k "$flavour" || return
	for module in kvm kvm-amd kvm-intel; do
		[ -n "$(find "$root/lib/modules/$flavour/updates/dkms" -name "$module.ko*")" ] ||
			fails_with "$package_log" || return
	done
}

package_version() {
	dpkg-deb -f "$build"/package/kvm-vmport-dkms_*.deb Version
}

# package NAME: what "make package" made of it
package() {
	basename "$build/package/$name-$1"_*.deb
}

# kernels [build]
kernels() {
	in_root "/usr/src/$name-$(package_version)/dkms/kernels.sh" "$@" >"$package_log" 2>&1
}

# What the modules of a kernel were built from, as prepare.sh writes it.
is_from_this() {
	# shellcheck disable=SC2016 # for dpkg-query
	[ "$(in_root modinfo -k "$1" -F vmport kvm)" = "$(package_version), Linux $(
		in_root dpkg-query -W -f '${Version}' "linux-headers-$1")" ]
}

# The distribution's files are all there, unchanged.
is_untouched() {
	[ -z "$(in_root dpkg -V "linux-image-$1")" ]
}

# without_room RELEASE COMMAND...: what it does while the modules of the kernel, without
# ours, are on a disk with 300 KiB left.  What it has made of them is copied back.
without_room() {
	# shellcheck disable=SC2016 # for the inner shell
	in_root sh -e -c 'modules=/lib/modules/$1
		shift
		rm -rf "$modules/updates"
		cp -a "$modules" /root/modules
		mount -t tmpfs -o size=1G tmpfs "$modules"
		cp -a /root/modules/. "$modules/"
		head -c 1G /dev/zero >"$modules/fill" || true
		truncate -s -300K "$modules/fill"
		"$@" || true
		rm -rf /root/modules "$modules/fill"
		cp -a "$modules" /root/modules
		umount "$modules"
		rm -rf "$modules"
		mv /root/modules "$modules"' - "$@" >"$package_log" 2>&1
}

# The modules are rebuilt for each of these, so it is done for one kernel only.
bad_luck() {
	for module in kvm kvm-amd; do
		rm "$root/lib/modules/$1/updates/dkms/$module".ko*
	done
	check "kernels.sh tells of modules that are gone" lacks "$1" "the modules are not built"
	must "it makes them again" kernels build
	check "its modules are chosen again" chooses_ours "$1"
	truncate -s -1000 "$root/lib/modules/$1/updates/dkms/kvm-intel".ko*
	check "kernels.sh tells of a module that is cut off" lacks "$1" "the modules are not built"

	must "a full disk can be had" without_room "$1" \
		"/usr/src/$name-$(package_version)/dkms/kernels.sh" build
	check "with a full disk it says what to do" says "^$name: $1: .*make room in /lib/modules"
	check "with a full disk KVM stays the distribution's" chooses_theirs "$1"
	check "with a full disk the distribution's modules stay as they are" is_untouched "$1"
	must "with room they install" kernels build
	check "its modules are chosen for $1 at last" chooses_ours "$1"
}

# Without a line that the patches look for, in what they are kept in.
does_not_fit() {
	patches=$root/usr/src/$name-$(package_version)/patches/$series
	cp -r "$patches" "$root/tmp/patches"
	sed -i 's/^ \(.\)/ elsewhere \1/' "$patches"/*.patch
	check "kernels.sh fails where the patches do not fit" fails kernels build
	check "it says that they do not" says "^$name: $1: .*the patches do not fit"
	check "it fails where apt calls it next" fails kernels triggered
	check "it does not try again there" lacks "$1" "the modules are not built"
	cp "$root"/tmp/patches/*.patch "$patches/"
	rm -r "$root/tmp/patches"
}

fails() {
	! "$@"
}

# An update of a kernel that keeps its name; the archive has none to offer.
same_name() {
	cp "$root/var/lib/dpkg/status" "$root/tmp/status"
	sed -i "/^Package: \(linux-headers-$1\|linux-source-$series\)\$/,/^\$/ s/^Version: .*/&.1/" \
		"$root/var/lib/dpkg/status"
	check "kernels.sh tells of modules of an older version" lacks "$1" "the modules are not built"
	does_not_fit "$1"
	must "it makes those of the newer version" kernels build
	check "modinfo shows the newer version" is_from_this "$1"
	cp "$root/tmp/status" "$root/var/lib/dpkg/status"
	must "it makes those of the older version" kernels build
	check "modinfo shows the older version" is_from_this "$1"
}

# lacks RELEASE REASON
lacks() {
	fails kernels "" && says "^$name: $1: $2"
}

first_kernel() {
	first=$(release)
	note "kernel $first: installing the package"
	must "it installs" apt_root install "/tmp/$(package dkms)"
	check "its modules are chosen for $first" chooses_ours "$first"
	check "the distribution's modules stay as they are" is_untouched "$first"
	check "modinfo shows what they were built from" is_from_this "$first"
	check "it says what to do about an unknown kernel" \
		says "^$name: 9.9.9-unknown: not supported.*: boot one of .* kernels .*$series"
	rmdir "$root/lib/modules/9.9.9-unknown/kernel"
	same_name "$first"
	bad_luck "$first"
	check "its modules build for the general flavour of $first" flavour_builds "$first"
	boot "$first"
}

# The headers come before the source: dkms must leave them alone, say why, and make up
# for it.
security_kernel() {
	must "the security archive can be used" \
		add_archive "${archive%/}-security" "$suite-security"
	# apt would bring it along, unless somebody wanted it to stay.
	must "the source's version is held" mark hold
	# shellcheck disable=SC2086 # a list
	must "the kernel's update installs without its source" apt_root install $kernel
	second=$(release)
	check "that is another kernel: $second" [ "$first" != "$second" ]
	check "it says which source is missing" says "^$name: $second: needs version .* apt install"
	check "the distribution's modules are chosen for it" chooses_theirs "$second"
	must "the source is let go" mark unhold
	must "the source's update installs" apt_root install "linux-source-$series"
	check "its modules are chosen for $second" chooses_ours "$second"
	check "they are still chosen for $first" chooses_ours "$first"
	boot "$second"
}

# Its source is another package than that of the release's kernel: somebody has to be
# told its name.
backports_kernel() {
	must "the backports can be used" add_archive "$archive" "$suite-backports"
	# shellcheck disable=SC2086 # a list
	must "the kernel of the backports installs" \
		apt_root install -t "$suite-backports" $kernel
	third=$(release)
	check "that is a kernel $newer: $third" [ "${third#"$newer".}" != "$third" ]
	check "the distribution's modules are chosen for it" chooses_theirs "$third"
	advice=$(advice "$third")
	check "it says what to install: $advice" [ -n "$advice" ]
	# shellcheck disable=SC2086 # a list
	must "that installs" apt_root ${advice#apt }
	check "its modules are chosen for $third" chooses_ours "$third"
	check "they are still chosen for $second" chooses_ours "$second"
	check "its modules build for the general flavour of $third" flavour_builds "$third"
	boot "$third"
}

# test-host.sh on a machine with hardware virtualisation, which this one has not: all of
# it is as there, but for the network, which it needs no more.
host_session() {
	must "Python installs" apt_root install python3
	mkdir -p "$root/vmport/packaging/debian"
	cp -r "$top/scripts" "$root/vmport/"
	cp "$top/packaging/debian/changelog" "$root/vmport/packaging/debian/"
	# /tmp is another one there.
	cp "$build"/package/kvm-vmport-dkms_*.deb "$root/vmport/"
	cat >"$root/vmport/session" <<-END
		#!/bin/sh
		export HOME=/root HOST_TESTS=/tests
		export HOST_PACKAGE=/vmport/$(package dkms)
		/vmport/scripts/suite/test-host.sh host && echo "@@SESSION test-host.sh host ends well"
		sed 's/^/# report: /' /vmport/build/test-host.txt
		grep -q O /sys/module/kvm/taint || echo "@@SESSION the distribution's modules are loaded again"
		[ -d /usr/src/kvm-vmport-* ] || echo "@@SESSION the package is removed again"
		echo "@@DONE"
	END
	chmod +x "$root/vmport/session"
	sed -i 's#^ExecStart=.*#ExecStart=/vmport/session#' \
		"$root/etc/systemd/system/package-test.service"
	boot "$1"
	for text in "test-host.sh host ends well" "the distribution's modules are loaded again" \
		"the package is removed again"; do
		check "in $1: $text" grep -q "^@@SESSION $text" "$log_dir/package-$1.log"
	done
}

suite_package() {
	must "the machine's archive is known" find_archive
	must "the package is made" "$top/scripts/release/make-package.sh"
	# What is built for the older kernel runs on the newer one.
	must "the selftests build" env KVM_VMPORT_SERIES="$series" SELFTESTS="$tests" \
		"$top/scripts/setup/build-selftests.sh"
	must "the emulator builds" need_emulator
	ensure_packages mmdebstrap e2fsprogs
	[ -f "$base" ] || step "making a Debian $debian" make_base
	step "unpacking it" make_root
	cp "$build"/package/kvm-vmport-dkms_*.deb "$root/tmp/"
	must "the release's archive can be used" apt_root update

	first_kernel
	kernels=$first
	if [ "${PACKAGE_KERNELS:-}" != 1 ]; then
		security_kernel
		backports_kernel
		kernels="$first $second $third"
	fi

	check "the package can be removed" apt_root purge "$name-dkms"
	for one in $kernels; do
		check "the distribution's modules are chosen for $one again" chooses_theirs "$one"
	done
	check "no file of it is left" no_traces
	[ -z "${PACKAGE_HOST:-}" ] || host_session "${kernels##* }"
}

need_root test-package.sh
as_tap suite_package
