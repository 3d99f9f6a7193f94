#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# make-package-qemu.sh: the package qemu-system-x86-vmport in build/package-qemu, with
# lintian: Debian 13's QEMU with the series in vmm/qemu.  It is built in a Debian 13
# that is made for it, in build/package-qemu-root.
#
# Debian's source package stays what it is, but for debian/control and debian/rules: its
# list of what a build needs and which features it has is taken as it is.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/chroot.sh"

name=qemu-vmport
ours=$top/packaging/qemu/debian
root=$build/package-qemu-root
out=$build/package-qemu

# The first paragraph of Debian's control file: what a build needs for this package.
source_paragraph() {
	awk 'NR > 1 && /^$/ { exit }
		/^Build-Depends-Indep:/ { skip = 1; next }
		/^[^ #]/ { skip = 0 }
		/python3-sphinx/ || /^(Uploaders|Vcs-[A-Za-z]*|Homepage):/ || skip { next }
		{ print }' "$1" |
		sed -e "s/^Source: .*/Source: $name/" -e "s/^Maintainer: .*/$maintainer/"
}

changelog() {
	echo "$name ($version) unstable; urgency=medium"
	echo
	echo "  * Debian's QEMU $Q_VERSION with the VMware guest interface."
	echo
	sed -n '/^ --/{p;q}' "$top/packaging/debian/changelog"
}

fill_source() {
	rm -rf "$tree"
	dpkg-source --no-check --skip-patches -x "$Q_DSC" "$tree"
	source_paragraph "$tree/debian/control" >"$tree/control.tmp"
	mkdir "$tree/debian.tmp"
	for file in copyright patches extract-config-opts source/format; do
		mkdir -p "$(dirname "$tree/debian.tmp/$file")"
		mv "$tree/debian/$file" "$tree/debian.tmp/$file"
	done
	rm -rf "$tree/debian"
	mv "$tree/debian.tmp" "$tree/debian"
	cp "$ours"/* "$tree/debian/"
	cat "$tree/control.tmp" "$ours/control" >"$tree/debian/control"
	rm "$tree/control.tmp"
	for file in "$top"/vmm/qemu/*.patch; do
		cp "$file" "$tree/debian/patches/"
		basename "$file" >>"$tree/debian/patches/series"
	done
	changelog >"$tree/debian/changelog"
}

# dpkg-buildpackage applies the patches: no fuzz.
build_package() {
	chroot_in "$root" sh -c "cd '/src/${tree##*/}' &&
		DEB_BUILD_OPTIONS='parallel=$jobs nocheck noautodbgsym' dpkg-buildpackage -b -us -uc"
}

run_lintian() {
	chroot_in "$root" sh -c "cd /src && lintian --allow-root --fail-on error,warning ./*.changes"
}

need_root make-package-qemu.sh
find_archive || die "the machine's archive is not known: run apt-get update"
[ -e "$cache/qemu/current" ] || QEMU_SERIES=10.0 "$top/scripts/setup/fetch-qemu.sh"
. "$cache/qemu/current"
ensure_packages mmdebstrap dpkg-dev
need_space "$build" 6000
version=$Q_VERSION+vmport$(sed -n '1s/.*(\(.*\)).*/\1/p' "$top/packaging/debian/changelog")
maintainer=$(grep '^Maintainer:' "$top/packaging/debian/control")
tree=$root/src/$name-${Q_VERSION#*:}
chroot_for_builds 13 "$root"
step "preparing the package of QEMU $Q_VERSION" fill_source
step "installing what its build needs" chroot_needs "$root" "/src/${tree##*/}"
step "building the package of QEMU" build_package
step "lintian of the package of QEMU" run_lintian
rm -rf "$out"
mkdir -p "$out"
mv "$root"/src/*.deb "$root"/src/*.changes "$root"/src/*.buildinfo "$out/"
rm -rf --one-file-system "$root"
note "$(echo "$out"/*.deb)"
