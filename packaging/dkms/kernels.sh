#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# kernels.sh [build|triggered]: one line for each installed kernel: has it the modules,
# and if not what to do.  "build" makes those that can be made and are missing;
# "triggered" too, but not what has failed to build since the last reboot.  The status
# is 1 if a kernel has not the modules.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/dkms/source.sh"
name=kvm-vmport
version=${top##*/"$name"-}
dkms_tree=/var/lib/dkms/$name/$version
failures=/run/$name-failed
status=0

# built_for RELEASE: which version of the package and of the kernel they were built from
built_for() {
	modinfo -F vmport "$dkms_tree/$1"/x86_64/module/kvm.ko* 2>/dev/null
}

# What prepare.sh writes there.
fitting() {
	echo "$version, Linux $(version_of "linux-headers-$1")"
}

# DKMS says "installed" of what has been interrupted, too.
installed() {
	for module in "$dkms_tree/$1"/x86_64/module/kvm*.ko*; do
		cmp -s "$module" "/lib/modules/$1/updates/dkms/${module##*/}" || return 1
	done
	# Without the headers nobody can tell which kernel this is, nor build anything.
	[ -z "$(version_of "linux-headers-$1")" ] || [ "$(built_for "$1")" = "$(fitting "$1")" ]
}

# Modules that are there in part are worse than none.
take_away() {
	dkms uninstall -m "$name" -v "$version" -k "$1" >/dev/null 2>&1 || true
	for module in kvm kvm-amd kvm-intel; do
		rm -f "/lib/modules/$1/updates/dkms/$module".ko*
	done
	depmod "$1" || true
}

# Sets $why if they are not there after it.  Without --force Debian 12's dkms leaves alone
# a module that has no version, as the kernel's own.
make_modules() {
	take_away "$1"
	[ "$(built_for "$1")" = "$(fitting "$1")" ] ||
		dkms unbuild -m "$name" -v "$version" -k "$1" >/dev/null 2>&1 || true
	dkms install --force -m "$name" -v "$version" -k "$1" || true
	if installed "$1"; then
		# The kernel's initramfs was made before.
		if grep -qs '^kvm' /etc/initramfs-tools/modules; then
			update-initramfs -u -k "$1"
		fi
		return
	fi
	take_away "$1"
	if [ "$(built_for "$1")" = "$(fitting "$1")" ]; then
		why="the modules could not be installed, KVM stays the distribution's: make room in"
		why="$why /lib/modules, and run $0 build"
	else
		why=$(cat "$dkms_tree/build/why" 2>/dev/null) || true
		why="the modules do not build${why:+, $why}: see $dkms_tree/build/make.log, and try again"
		why="$why with $0 build"
		echo "$1 $(fitting "$1")" >>"$failures"
	fi
}

# wants_build RELEASE MODE
wants_build() {
	case $2 in
	build) return 0 ;;
	triggered) ! grep -qsxF "$1 $(fitting "$1")" "$failures" ;;
	*) return 1 ;;
	esac
}

for dir in /lib/modules/*/kernel; do
	release=${dir%/kernel}
	release=${release##*/}
	[ -d "$dir" ] || continue
	if ! installed "$release" && find_source "$release"; then
		why="the modules are not built: run $0 build"
		! wants_build "$release" "${1:-}" || make_modules "$release"
	fi
	if installed "$release"; then
		echo "$name: $release: installed"
	else
		echo "$name: $release: $why"
		status=1
	fi
done
if [ -e /sys/module/kvm ]; then
	echo "$name: KVM is loaded: what is loaded stays until its modules are loaded anew, or a reboot"
fi
if [ -e /sys/module/kvmgt ]; then
	echo "$name: kvmgt is loaded: it does not load with these modules, build it against them or do without"
fi
exit $status
