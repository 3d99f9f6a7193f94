#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Fetch the distribution's 6.12 kernel, or that of KVM_VMPORT_SERIES (6.1): source,
# headers and image of one version, the newest that has all three.  Nothing is
# installed.  Writes $kernel_env, to be sourced:
#
#   K_VERSION   package version, K_ABI its release name
#   K_SOURCE    source tree (the parts that KVM and its selftests need)
#   K_HEADERS   for building modules
#   K_VMLINUZ   the kernel, K_MODULES its modules
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"

series=$kernel_series
kernels=$cache/kernel
mkdir -p "$kernels" "$cache/apt"
exec 9>"$kernels/.lock"
flock 9

# Versions that an archive offers: "VERSION ABI", newest first.  A flavour for
# virtual machines boots faster than the general one.
offered() {
	for flavour in cloud-amd64 amd64; do
		"$@" apt-cache search --names-only "^linux-headers-$series\.[0-9.]+[^ ]*-$flavour\$" |
			sed -n "s/^linux-headers-\([^ ]*\) .*/\1/p" | grep -v -e -rt- |
			grep -x -e ".*[0-9]-$flavour" | sort -rV |
			while read -r abi; do
				version=$("$@" apt-cache madison "linux-headers-$abi" |
					awk '{ print $3; exit }')
				"$@" apt-cache madison "linux-image-$abi" | grep -qwF "$version" || continue
				"$@" apt-cache madison "linux-source-$series" | grep -qwF "$version" || continue
				echo "$version $abi"
				break
			done
	done | sort -rV | head -n 1
}

plain() {
	"$@"
}

private() {
	apt_in "$cache/apt/backports" "$@"
}

# Sets $via, $version, $abi.
find_version() {
	via=plain
	set -- "$(offered plain)"
	if [ -z "$1" ]; then
		apt_update >"$log_dir/apt-update.log" 2>&1
		set -- "$(offered plain)"
	fi
	if [ -z "$1" ] && [ -n "$(archive_uri)" ]; then
		via=private
		apt_private "$cache/apt/backports" \
			"deb $(archive_uri) $(codename)-backports main" \
			>"$log_dir/apt-backports.log" 2>&1 || return 1
		set -- "$(offered private)"
	fi
	[ -n "$1" ] || return 1
	version=${1% *}
	abi=${1#* }
}

# Into the current directory; apt checks what it fetches.
download() {
	"$via" apt-get -q -o APT::Sandbox::User=root download "$@"
}

# Everything of one version below $1, or nothing.
unpack() {
	dir=$1
	rm -rf "$dir.tmp"
	mkdir -p "$dir.tmp/debs" "$dir.tmp/source"
	cd "$dir.tmp/debs"
	common=$("$via" apt-cache show "linux-headers-$abi=$version" |
		sed -n 's/^Depends: //p' | tr ',' '\n' |
		sed -n 's/^ *\(linux-\(headers\|kbuild\)-[^ ]*\).*/\1/p' | sort -u)
	# shellcheck disable=SC2046 # a list
	download "linux-source-$series=$version" "linux-image-$abi=$version" \
		"linux-headers-$abi=$version" $(for p in $common; do echo "$p=$version"; done)
	for deb in *.deb; do
		dpkg-deb -x "$deb" ../root
	done
	tar -xf "../root/usr/src/linux-source-$series.tar.xz" -C ../source --strip-components=1 \
		--wildcards '*/arch/x86' '*/arch/Kconfig' '*/virt' '*/include' '*/scripts' \
		'*/tools' '*/lib' '*/Makefile' '*/Kbuild' '*/Kconfig'
	cd ..
	rm -rf root/usr/src/*.tar.xz root/usr/share root/usr/src/linux-source* debs
	make -s -C source headers_install ARCH=x86
	# The headers name the place where they would be installed, and type
	# information needs a kernel image that matches to the byte.
	sed -i "s#/usr/src/#$dir/root/usr/src/#" "root/usr/src/linux-headers-$abi/Makefile"
	rm -f "root/usr/src/linux-headers-$abi/vmlinux"
	# Debian 13 has no /lib of its own.
	[ -d root/usr/lib/modules ] || { mkdir -p root/usr/lib && mv root/lib/modules root/usr/lib/; }
	cat >./env <<END
K_VERSION='$version'
K_ABI='$abi'
K_SOURCE='$dir/source'
K_HEADERS='$dir/root/usr/src/linux-headers-$abi'
K_VMLINUZ='$dir/root/boot/vmlinuz-$abi'
K_MODULES='$dir/root/usr/lib/modules/$abi'
END
	checksums >sums
	rm -rf "$dir"
	mv "$dir.tmp" "$dir"
}

# What a broken disk or an interrupted copy would spoil.
checksums() {
	find root/boot root/usr/lib/modules source/arch/x86/kvm source/virt \
		source/arch/x86/include/asm root/usr/src/linux-headers-"$abi"/Module.symvers \
		-type f -exec sha256sum {} + | sort -k 2
}

newest_cached() {
	find "$kernels" -mindepth 2 -maxdepth 2 -path "$kernels/$series.*" -name env -printf '%h\n' |
		newest_whole
}

dir=
fetch_log=
for try in 1 2; do
	find_version || break
	newest=$kernels/$version-${abi##*+}
	if ! is_whole "$newest"; then
		[ ! -d "$newest" ] || note "the cached kernel $version is damaged: fetching it again"
		need_space "$kernels" 3000
		ensure_packages make gcc bison flex libelf-dev xz-utils rsync
		attempt "fetching kernel $version" unpack "$newest"
		if [ "$attempt_status" != 0 ]; then
			rm -rf "$newest.tmp"
			fetch_log=$attempt_log
			# The lists may name a version that the archive has dropped.
			[ $try = 2 ] || apt_update >"$log_dir/apt-update.log" 2>&1
			continue
		fi
	fi
	dir=$newest
	break
done
if [ -z "$dir" ]; then
	reason="check the network and run apt-get update"
	[ -z "$fetch_log" ] || reason="$(apt_reason "$fetch_log") ($fetch_log)"
	dir=$(newest_cached)
	[ -n "$dir" ] || die "no $series kernel can be fetched and none is cached: $reason"
	note "no newer $series kernel can be fetched, using the cached one: $reason"
fi
ln -sfn "$dir/env" "$kernel_env"
note "kernel $(sed -n "s/^K_VERSION='\(.*\)'/\1/p" "$dir/env")"
