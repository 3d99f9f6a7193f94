#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Fetch the source package of Debian 13's QEMU, the newest version there is.  With
# QEMU_SERIES=10.2, of the newest QEMU from 10.2 on that Debian 13's backports or unstable
# have and that there are patches for.  Nothing is installed.  Writes $qemu_env, to be
# sourced:
#
#   Q_VERSION   package version
#   Q_DSC       the source package's description, its files beside it
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"

if [ "$qemu_series" = 10.0 ]; then
	suites=trixie
else
	suites="trixie-backports sid"
	[ -n "$(qemu_patches "$qemu_series")" ] ||
		die "there are no patches for QEMU $qemu_series: QEMU_SERIES is 10.0 or$(
			cd "$top/vmm" && printf ' %s' qemu-[0-9]* | sed 's/qemu-//g')"
fi
sources=$cache/qemu/source
apt_name=$(echo "$suites" | tr ' ' -)-source
mkdir -p "$sources" "$cache/apt"
exec 7>"$cache/qemu/.lock-fetch"
flock 7

private() {
	apt_in "$cache/apt/$apt_name" "$@"
}

# fits VERSION: the series that was asked for, or a newer one
fits() {
	case ${1#*:} in
	"$qemu_series".*) return 0 ;;
	esac
	[ "$qemu_series" != 10.0 ] &&
		dpkg --compare-versions "${1#*:}" gt "$qemu_series"
}

# Sets $versions, newest first.
find_versions() {
	find_archive || return 1
	set --
	for suite in $suites; do
		set -- "$@" "$(deb_line deb-src "$suite")"
	done
	apt_private "$cache/apt/$apt_name" "$@" >"$log_dir/apt-$apt_name.log" 2>&1 || return 1
	versions=$(private apt-cache showsrc qemu 2>/dev/null | sed -n 's/^Version: //p' |
		sort -rVu | while read -r offer; do
		! fits "$offer" || echo "$offer"
	done)
	[ -n "$versions" ]
}

# apt checks what it fetches against the signed index.
download() {
	rm -rf "$1.tmp"
	mkdir -p "$1.tmp"
	cd "$1.tmp"
	private apt-get -q source --download-only "qemu=$version"
	cat >./env <<END
Q_VERSION='$version'
Q_DSC='$1/$(echo ./*.dsc | sed 's#^\./##')'
END
	sha256sum qemu_* >sums
	rm -rf "$1"
	mv "$1.tmp" "$1"
}

# fetch VERSION: sets $dir.  The index may name files that the archive does not have.
fetch() {
	version=$1
	dir=$sources/$(echo "$version" | tr -c 'A-Za-z0-9.+~\n-' '_')
	! is_whole "$dir" || return 0
	[ ! -d "$dir" ] || note "the cached source of QEMU $version is damaged: fetching it again"
	need_space "$sources" 200
	ensure_packages dpkg-dev xz-utils
	attempt "fetching the source of QEMU $version" download "$dir"
	[ "$attempt_status" != 0 ] || return 0
	rm -rf "$dir.tmp"
	reason="$(apt_reason "$attempt_log") ($attempt_log)"
	note "QEMU $version cannot be fetched: $reason"
	dir=
}

dir=
unpatched=
reason="check the network and run apt-get update"
if find_versions; then
	for offer in $versions; do
		if [ -z "$(qemu_patches "$offer")" ]; then
			unpatched="$unpatched, $offer"
			continue
		fi
		fetch "$offer"
		[ -z "$dir" ] || break
	done
	unpatched=${unpatched#, }
	[ "$(echo "$versions" | wc -l)" != "$(echo "$unpatched" | wc -w)" ] ||
		reason="there are no patches for QEMU $unpatched"
	[ -z "$unpatched" ] || note "there are no patches for QEMU $unpatched"
fi
if [ -z "$dir" ]; then
	dir=$(find "$sources" -mindepth 2 -maxdepth 2 -name env -printf '%h\n' |
		while read -r cached; do
			cached_version=$(sed -n "s/^Q_VERSION='\(.*\)'/\1/p" "$cached/env")
			[ -z "$(qemu_patches "$cached_version")" ] || ! fits "$cached_version" || echo "$cached"
		done | newest_whole)
	[ -n "$dir" ] || die "no source of QEMU $qemu_series can be fetched and none is cached: $reason"
	note "no source of QEMU $qemu_series can be fetched, using the cached one"
fi
ln -sfn "$dir/env" "$qemu_env"
note "QEMU $(sed -n "s/^Q_VERSION='\(.*\)'/\1/p" "$dir/env")"
