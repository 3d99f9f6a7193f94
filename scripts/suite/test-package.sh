#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# test-package.sh: the package in a Debian 13 of its own.  It is installed with the
# release's kernel, which is then updated to that of the security archive; each is
# booted from a disk and our kselftests run; at last the package is removed.  TAP.
#
# Packages are installed, and the modules built, in a chroot on this machine's own
# processors, where that takes minutes and not hours; what loads and runs the
# modules is the booted machine.  PACKAGE_LIMIT: seconds that a boot may take.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"

suite=trixie
limit=${PACKAGE_LIMIT:-2400}
base=$cache/package/$suite.tar
root=$build/package-root
disk=$build/package-disk.img
name=kvm-vmport
kernel="linux-image-cloud-amd64 linux-headers-cloud-amd64"
package_log=$log_dir/package-apt.log

# check TEXT COMMAND...
check() {
	check_text=$1
	shift
	check_status=0
	"$@" || check_status=$?
	result "$check_status" "$check_text"
}

# must TEXT COMMAND...: nothing after it makes sense without
must() {
	check "$@"
	[ "$check_status" = 0 ] || exit 1
}

# With mounts that go with the command.
in_root() {
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount --pid --fork --kill-child sh -c 'root=$1; shift
		mount -t proc proc "$root/proc" && mount -t sysfs sysfs "$root/sys" &&
		mount -t devtmpfs devtmpfs "$root/dev" &&
		mount -t devpts devpts "$root/dev/pts" &&
		exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
			DEBIAN_FRONTEND=noninteractive "$@"' - "$root" "$@"
}

# What it says is kept in $package_log for the checks that follow.
apt_root() {
	in_root apt-get -y -q -o APT::Install-Recommends=false "$@" >"$package_log" 2>&1 </dev/null || {
		sed 's/^/#   /' "$package_log" | tail -n 30
		return 1
	}
}

# shellcheck disable=SC2086 # a list
make_base() {
	mkdir -p "$cache/package"
	mmdebstrap --variant=apt --aptopt='APT::Install-Recommends "false"' \
		--include="systemd-sysv udev kmod initramfs-tools $kernel linux-source-6.12 dkms openssl patch xz-utils" \
		"$suite" "$base.tmp.tar" "deb $archive $suite main"
	mv "$base.tmp.tar" "$base"
}

make_root() {
	rm -rf "$root"
	mkdir -p "$root"
	tar -xf "$base" -C "$root" --exclude='./dev/*'
	cp -L /etc/resolv.conf "$root/etc/resolv.conf"
	apt-config dump | grep -i '^Acquire::[a-z:]*Proxy' >"$root/etc/apt/apt.conf.d/90host" || true
	mkdir -p "$root/tests" "$root/etc/systemd/system/multi-user.target.wants"
	cp -r "$build/selftests/." "$root/tests/"
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
	grep -q -e "$1" "$package_log" || {
		sed 's/^/#   /' "$package_log" | tail -n 30
		return 1
	}
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
	echo "@@LANE"
	cat "$log_dir/package-$1.log"
	check "the tests in $1 run to their end" grep -q '^@@DONE' "$log_dir/package-$1.log"
	echo "@@LANE"
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

update_kernel() {
	security=${archive%/}
	echo "deb $security-security $suite-security main" >>"$root/etc/apt/sources.list"
	apt_root update
}

# mark hold|unhold
mark() {
	in_root apt-mark -q "$1" linux-source-6.12 >"$package_log" 2>&1
}

suite_package() {
	echo "@@LANE"
	must "the machine's archive is known" find_archive
	must "the package is made" "$top/scripts/release/make-package.sh"
	must "the selftests build" "$top/scripts/setup/build-selftests.sh"
	ensure_packages mmdebstrap e2fsprogs
	[ -f "$base" ] || step "making a Debian 13" make_base
	step "unpacking it" make_root
	cp "$build"/package/kvm-vmport-dkms_*.deb "$root/tmp/"

	first=$(release)
	note "kernel $first: installing the package"
	must "it installs" apt_root install "/tmp/$(basename "$build"/package/kvm-vmport-dkms_*.deb)"
	check "its modules are chosen for $first" chooses_ours "$first"
	check "it says what to do about an unknown kernel" \
		says "^$name: 9.9.9-unknown: not supported.*: boot a 6.12 kernel"
	boot "$first"

	# The headers come before the source: dkms must leave them alone, say why, and
	# make up for it.
	must "the security archive can be used" update_kernel
	# apt would bring it along, unless somebody wanted it to stay.
	must "the source's version is held" mark hold
	# shellcheck disable=SC2086 # a list
	must "the kernel's update installs without its source" apt_root install $kernel
	second=$(release)
	check "that is another kernel: $second" [ "$first" != "$second" ]
	check "it says which source is missing" says "^$name: $second: needs version .* apt install"
	check "the distribution's modules are chosen for it" chooses_theirs "$second"
	must "the source is let go" mark unhold
	must "the source's update installs" apt_root install linux-source-6.12
	check "its modules are chosen for $second" chooses_ours "$second"
	check "they are still chosen for $first" chooses_ours "$first"
	boot "$second"

	check "the package can be removed" apt_root purge "$name-dkms"
	for one in "$first" "$second"; do
		check "the distribution's modules are chosen for $one again" chooses_theirs "$one"
	done
	check "no file of it is left" no_traces
	echo "@@DONE"
}

need_root test-package.sh
as_tap suite_package
