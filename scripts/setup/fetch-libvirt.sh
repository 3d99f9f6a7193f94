#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# fetch-libvirt.sh [DIRECTORY]: fetch the source package of Debian 13's libvirt, and unpack
# it there, without Debian's patches.  What was fetched stays in the cache.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"

tree=${1:-}
suite=trixie
sources=$cache/libvirt

private() {
	apt_in "$cache/apt/$suite-source" "$@"
}

# Its files but the signature, which not every mirror has: apt knows their checksums.
fetch() {
	find_archive
	apt_private "$cache/apt/$suite-source" "$(deb_line deb-src "$suite")"
	private apt-get -q source --print-uris libvirt >"$sources/uris"
	grep "^'" "$sources/uris" | tr -d "'" | while read -r uri file _ sum; do
		case $file in
		*.asc | *.dsc) continue ;;
		esac
		[ -f "$sources/$file" ] ||
			private /usr/lib/apt/apt-helper download-file "$uri" "$sources/$file" "$sum" >&2
		echo "$file"
	done >"$sources/files"
}

unpack() {
	rm -rf "$tree"
	mkdir -p "$tree"
	while read -r file; do
		case $file in
		*.orig.tar.*) tar -xf "$sources/$file" -C "$tree" --strip-components=1 ;;
		*.debian.tar.*) tar -xf "$sources/$file" -C "$tree" ;;
		esac
	done <"$sources/files"
}

mkdir -p "$sources"
ensure_packages patch xz-utils
step "fetching libvirt" fetch
[ -z "$tree" ] || step "unpacking libvirt" unpack
