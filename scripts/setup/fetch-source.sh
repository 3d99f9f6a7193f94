#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# fetch-source.sh VERSION|newest
#
# Fetch a whole kernel source, of a version as 6.12 or, of Debian 12, 6.1, or the newest
# that Debian 13's backports have.  Nothing is installed.  Writes $cache/source/VERSION/env, or
# .../newest/env, to be sourced:
#
#   S_SERIES    as 6.12
#   S_VERSION   package version
#   S_SOURCE    the tree
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"

[ $# = 1 ] || die "usage: fetch-source.sh VERSION|newest"
wanted=$1
suite=trixie
sources=$cache/source
mkdir -p "$sources" "$cache/apt"
exec 7>"$sources/.lock"
flock 7

private() {
	apt_in "$cache/apt/$suite-kernels" "$@"
}

# Sets $version and $series, from all suites of that release and of this machine's.
find_version() {
	find_archive || return 1
	apt_private "$cache/apt/$suite-kernels" "$(deb_line deb "$suite")" \
		"$(deb_line deb "$suite-backports")" "$(deb_line deb bookworm)" \
		"$(deb_line deb "$(codename)")" \
		"$(deb_line deb "$(codename)-backports")" \
		>"$log_dir/apt-$suite-kernels.log" 2>&1 || return 1
	if [ "$wanted" = newest ]; then
		series=$(private apt-cache search --names-only '^linux-source-[0-9.]+$' |
			sed -n 's/^linux-source-\([0-9.]*\) .*/\1/p' | sort -rV | head -n 1)
	else
		series=$wanted
	fi
	version=$(private apt-cache madison "linux-source-$series" 2>/dev/null |
		awk '{ print $3 }' | sort -rV | head -n 1)
	[ -n "$version" ]
}

# What other architectures and their hardware need is most of it.
unpack() {
	dir=$1
	rm -rf "$dir.tmp"
	mkdir -p "$dir.tmp/source"
	cd "$dir.tmp"
	private apt-get -q download "linux-source-$series=$version"
	dpkg-deb -x ./*.deb root
	tar -xf "root/usr/src/linux-source-$series.tar.xz" -C source --strip-components=1 \
		--exclude='*/drivers/gpu/drm/*.[ch]' --exclude='*/drivers/net/*/*.c' \
		--exclude='*/drivers/media/*.[ch]' --exclude='*/sound/*.[ch]' --exclude='*.dts*'
	rm -rf root ./*.deb
	cat >./env <<END
S_SERIES='$series'
S_VERSION='$version'
S_SOURCE='$dir/source'
END
	rm -rf "$dir"
	mv "$dir.tmp" "$dir"
}

if find_version; then
	dir=$sources/$version
	if [ ! -f "$dir/env" ]; then
		need_space "$sources" 4000
		ensure_packages xz-utils
		step "fetching the kernel's source $version" unpack "$dir"
	fi
	ln -sfn "$dir" "$sources/$wanted"
elif [ -f "$sources/$wanted/env" ]; then
	note "no newer kernel source can be fetched, using the cached one"
else
	die "no source of kernel $wanted can be fetched and none is cached:" \
		"check the network and run apt-get update"
fi
note "kernel source $(sed -n "s/^S_VERSION='\(.*\)'/\1/p" "$sources/$wanted/env")"
