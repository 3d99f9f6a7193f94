#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# kernels.sh [build]: one line for each installed kernel: has it the modules, and
# if not what to do.  "build" makes those that can be made and are missing.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/dkms/source.sh"
name=kvm-vmport
version=${top##*/"$name"-}

installed() {
	dkms status -m "$name" -v "$version" -k "$1" 2>/dev/null | grep -q ': installed'
}

# The kernel's initramfs was made before.
make_modules() {
	dkms install -m "$name" -v "$version" -k "$1" || return 0
	if grep -qs '^kvm' /etc/initramfs-tools/modules; then
		update-initramfs -u -k "$1"
	fi
}

for dir in /lib/modules/*/kernel; do
	release=${dir%/kernel}
	release=${release##*/}
	[ -d "$dir" ] || continue
	if ! installed "$release" && find_source "$release"; then
		[ "${1:-}" != build ] || make_modules "$release"
		why="the modules are not built: run dkms install $name/$version -k $release and see"
		why="$why /var/lib/dkms/$name/$version/build/make.log"
	fi
	if installed "$release"; then
		echo "$name: $release: installed"
	else
		echo "$name: $release: $why"
	fi
done
if [ -e /sys/module/kvm ]; then
	echo "$name: KVM is loaded: what is loaded stays until its modules are loaded anew, or a reboot"
fi
if [ -e /sys/module/kvmgt ]; then
	echo "$name: kvmgt is loaded: it does not load with these modules, build it against them or do without"
fi
