#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# make-package.sh: the packages kvm-vmport-dkms, kvm-vmport-tools and kvm-vmport-dev in
# build/package, and lintian on them.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"

# Series whose modules build outside the kernel's tree and were tested so.
series="6.1 6.12 7.3"
out=$build/package
version=$(sed -n '1s/.*(\(.*\)).*/\1/p' "$top/packaging/debian/changelog")
stage=$out/kvm-vmport-$version

ensure_packages build-essential debhelper dh-dkms dpkg-dev libjansson-dev lintian zlib1g-dev

fill_in() {
	sed -i -e "s/@VERSION@/$version/" -e "s/@SERIES@/$(echo "$series" |
		sed -e 's/\./\\\\./g' -e 's/ /|/g')/" \
		-e "s/@DEPENDS@/$(echo "$series" | sed -e 's/[^ ]*/linux-source-&/g' -e 's/ / | /g')/" \
		"$@"
}

make_package() {
	rm -rf "$out"
	mkdir -p "$stage/scripts/setup" "$stage/patches" "$stage/packaging"
	cp -r "$top/arch" "$top/include" "$top/packaging/debian" "$top/packaging/dkms" "$stage/"
	cp -r "$top/packaging/README.md" "$top/packaging/moving-a-guest.md" \
		"$top/packaging/examples" "$stage/packaging/"
	mkdir -p "$stage/tools/virt" "$stage/tools/testing/vmport"
	cp -r "$top/tools/virt/vmport" "$stage/tools/virt/"
	cp -r "$top/tools/testing/vmport/shim" "$stage/tools/testing/vmport/"
	cp "$top/scripts/setup/kvm-tree.sh" "$stage/scripts/setup/"
	for one in $series; do
		cp -r "$top/patches/$one" "$stage/patches/"
	done
	# An editor's leavings and what a build made are not part of it.
	find "$stage" \( -name '*.o' -o -name '*.orig' -o -name '*~' \) -delete
	fill_in "$stage/dkms/dkms.conf" "$stage/debian/control" \
		"$stage/debian/kvm-vmport-dkms.postinst"
	(cd "$stage" && dpkg-buildpackage -b -us -uc)
}

run_lintian() {
	LC_ALL=C lintian --allow-root --fail-on error,warning "$out"/*.changes
}

step "making the packages" make_package
step "lintian" run_lintian
note "$(echo "$out"/*.deb)"
