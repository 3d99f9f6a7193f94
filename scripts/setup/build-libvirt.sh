#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Build the packages of Debian 13's libvirt with the patches in vmm/libvirt, in a Debian 13
# that is made for it, in build/libvirt-build.  They are not to be installed elsewhere than
# in the test: their version is Debian's.  They stay in the cache, by the source and the
# patches, and build/libvirt-packages is a link to them.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/chroot.sh"

root=$build/libvirt-build
tree=$root/src/libvirt
patches=$top/vmm/libvirt

# libvirt's own tests are those of test-libvirt-series.sh; half of the build is theirs, and
# Debian builds them even where it does not run them.
prepare() {
	sed -i 's/-Dtests=enabled/-Dtests=disabled/' "$tree/debian/rules"
	for patch in "$patches"/*.patch; do
		cp "$patch" "$tree/debian/patches/"
		basename "$patch" >>"$tree/debian/patches/series"
	done
}

# dpkg-buildpackage applies the patches: no fuzz.
build_packages() {
	chroot_in "$root" sh -c "cd /src/libvirt &&
		DEB_BUILD_PROFILES=nocheck DEB_BUILD_OPTIONS='parallel=$jobs nocheck noautodbgsym' \
		dpkg-buildpackage -b -us -uc"
}

keep() {
	rm -rf "$packages.tmp"
	mkdir -p "$packages.tmp"
	mv "$root"/src/*.deb "$packages.tmp/"
	(cd "$packages.tmp" && sha256sum ./*.deb >sums)
	rm -rf "$cache"/libvirt/packages-????????????????
	mv "$packages.tmp" "$packages"
}

need_root build-libvirt.sh
find_archive || die "the machine's archive is not known: run apt-get update"
ensure_packages mmdebstrap
"$top/scripts/setup/fetch-libvirt.sh"
packages=$cache/libvirt/packages-$(cat "$cache/libvirt/files" "$patches"/*.patch "$0" |
	sha256sum | cut -c 1-16)
ln -sfn "$packages" "$build/libvirt-packages"
if ! is_whole "$packages"; then
	need_space "$build" 5000
	chroot_for_builds 13 "$root"
	"$top/scripts/setup/fetch-libvirt.sh" "$tree"
	prepare
	step "installing what libvirt's build needs" chroot_needs "$root" /src/libvirt -P nocheck
	step "building the packages of libvirt" build_packages
	step "keeping them" keep
	rm -rf --one-file-system "$root"
fi
