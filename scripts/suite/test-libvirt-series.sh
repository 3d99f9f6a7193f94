#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# test-libvirt-series.sh: the patches in vmm/libvirt on Debian 13's libvirt.  They apply
# without fuzz, libvirt's driver for QEMU builds after each of them without a warning,
# and the parts of libvirt's own tests that they touch pass with all.  TAP.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"

work=$build/libvirt
tree=$work/tree
tests="qemuxmlconftest virschematest qemumonitorjsontest qemucapabilitiestest sysinfotest"
patches=$top/vmm/libvirt

prepare() {
	"$top/scripts/setup/fetch-libvirt.sh" "$tree" || return 1
	cd "$tree"
	grep -v '^#' debian/patches/series | while read -r patch; do
		patch -s -p1 <"debian/patches/$patch"
	done
	meson setup -Dauto_features=disabled -Dsystem=true -Ddriver_qemu=enabled \
		-Djson_c=enabled -Ddriver_remote=enabled -Ddriver_libvirtd=enabled \
		-Dtests=enabled -Ddocs=disabled -Dgit_werror=disabled -Dlibnl=enabled \
		-Dcapng=enabled -Dnumactl=enabled -Dattr=enabled -Dblkid=enabled \
		-Dapparmor=enabled -Dsecdriver_apparmor=enabled -Dwerror=true build
}

apply() {
	patch -d "$tree" -p1 --fuzz=0 --no-backup-if-mismatch <"$1"
}

compile() {
	# shellcheck disable=SC2046 # a list
	ninja -C "$tree/build" -j"$jobs" src/libvirt_driver_qemu.so \
		$(for test in $tests; do echo "tests/$test"; done) \
		$(ninja -C "$tree/build" -t targets all |
			sed -n 's#^\(tests/lib[a-z0-9]*mock\.so\):.*#\1#p')
}

own_test() {
	cd "$tree/build/tests"
	"./$1"
}

suite_libvirt() {
	attempt_test "preparing libvirt" prepare || return 0
	for patch in "$patches"/*.patch; do
		name=$(basename "$patch")
		attempt_test "applying $name without fuzz" apply "$patch" || return 0
		attempt_test "building libvirt with $name" compile || return 0
	done
	for test in $tests; do
		attempt_test "running libvirt's own $test" own_test "$test" || true
	done
}

mkdir -p "$work"
need_space "$work" 2000
ensure_packages gcc meson ninja-build pkg-config gettext rpcsvc-proto xsltproc libxml2-utils \
	python3-docutils libxml2-dev libgnutls28-dev libglib2.0-dev libtirpc-dev \
	libnl-3-dev libnl-route-3-dev libjson-c-dev libpciaccess-dev libcap-ng-dev libnuma-dev \
	libattr1-dev libblkid-dev libapparmor-dev
as_tap suite_libvirt
