#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Fetch the source package of Debian 13's QEMU, the newest version there is.
# Nothing is installed.  Writes $cache/qemu/current, to be sourced:
#
#   Q_VERSION   package version
#   Q_DSC       the source package's description, its files beside it
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"

suite=trixie
series=10.0
sources=$cache/qemu/source
mkdir -p "$sources" "$cache/apt"
exec 7>"$cache/qemu/.lock-fetch"
flock 7

private() {
	apt_in "$cache/apt/$suite-source" "$@"
}

# Sets $version.
find_version() {
	find_archive || return 1
	apt_private "$cache/apt/$suite-source" "$(deb_line deb-src "$suite")" \
		>"$log_dir/apt-$suite-source.log" 2>&1 || return 1
	version=$(private apt-cache showsrc qemu 2>/dev/null |
		sed -n "s/^Version: \(.*:$series\..*\)/\1/p" | sort -rV | head -n 1)
	[ -n "$version" ]
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

if find_version; then
	dir=$sources/$(echo "$version" | tr -c 'A-Za-z0-9.+~\n-' '_')
	if ! is_whole "$dir"; then
		[ ! -d "$dir" ] || note "the cached source of QEMU $version is damaged: fetching it again"
		need_space "$sources" 200
		ensure_packages dpkg-dev xz-utils
		step "fetching the source of QEMU $version" download "$dir"
	fi
else
	dir=$(find "$sources" -mindepth 2 -maxdepth 2 -name env -printf '%h\n' | newest_whole)
	[ -n "$dir" ] || die "no source of QEMU $series can be fetched and none is cached:" \
		"check the network and run apt-get update"
	note "no source of QEMU $series can be fetched, using the cached one"
fi
ln -sfn "$dir/env" "$cache/qemu/current"
note "QEMU $(sed -n "s/^Q_VERSION='\(.*\)'/\1/p" "$dir/env")"
