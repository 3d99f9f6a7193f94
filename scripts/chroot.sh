# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A Debian of any release in a directory: made, entered, and packages installed there.
# Sourced after lib.sh.

# suite_of RELEASE: 12 or 13
suite_of() {
	case $1 in
	12) echo bookworm ;;
	13) echo trixie ;;
	*) die "no Debian $1: 12 or 13" ;;
	esac
}

# chroot_base FILE SUITE PACKAGES [MMDEBSTRAP ARGUMENT...]: a tar file of it.  $archive
# is set, see find_archive.
chroot_base() {
	chroot_file=$1 chroot_suite=$2 chroot_packages=$3
	shift 3
	mkdir -p "$(dirname "$chroot_file")"
	mmdebstrap --variant=apt --aptopt='APT::Install-Recommends "false"' \
		--include="$chroot_packages" "$@" \
		"$chroot_suite" "$chroot_file.tmp.tar" "deb $archive $chroot_suite main"
	mv "$chroot_file.tmp.tar" "$chroot_file"
}

# chroot_unpack FILE ROOT: that Debian, with this machine's way to the archives
chroot_unpack() {
	# chroot_in's, and not everywhere.
	ensure_packages mount
	rm -rf --one-file-system "$2"
	mkdir -p "$2"
	tar -xf "$1" -C "$2" --exclude='./dev/*'
	cp -L /etc/resolv.conf /etc/hosts "$2/etc/"
	apt-config dump | grep -i -e '^Acquire::[a-z:]*Proxy' -e '^Acquire::Check-Valid-Until' \
		>"$2/etc/apt/apt.conf.d/90host" || true
}

# chroot_in ROOT COMMAND...: with mounts that go with the command
chroot_in() {
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount --pid --fork --kill-child sh -c 'root=$1; shift
		mount -t proc proc "$root/proc" && mount -t sysfs sysfs "$root/sys" &&
		mount -t devtmpfs devtmpfs "$root/dev" &&
		mount -t devpts devpts "$root/dev/pts" &&
		exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
			DEBIAN_FRONTEND=noninteractive "$@"' - "$@"
}

# chroot_for_builds RELEASE ROOT: that Debian with what builds a package; /src is for it
chroot_for_builds() {
	build_suite=$(suite_of "$1")
	build_base=$cache/package/build-$build_suite.tar
	[ -f "$build_base" ] || step "making a Debian $1" chroot_base "$build_base" "$build_suite" \
		build-essential,debhelper,dpkg-dev,fakeroot,lintian
	step "unpacking it" chroot_unpack "$build_base" "$2"
	mkdir "$2/src"
}

# chroot_needs ROOT DIRECTORY [ARGUMENT...]: what the build of a source there needs,
# by its debian/control; the arguments are for "apt-get build-dep"
chroot_needs() {
	needs_root=$1 needs_source=$2
	shift 2
	chroot_in "$needs_root" apt-get -q update
	chroot_in "$needs_root" apt-get -q -y --no-install-recommends "$@" build-dep "$needs_source"
}
