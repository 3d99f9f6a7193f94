#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# demo-guest.sh IMAGE: the initramfs of the demo's guest.  busybox, open-vm-tools
# as the distribution ships it (unpacked, not installed), our programs in
# tools/testing/vmport/guest, and guest-init.sh.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lane/image.sh"

[ $# = 1 ] || die "usage: demo-guest.sh IMAGE"
output=$1
tools=$cache/open-vm-tools
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
trap 'exit 1' HUP INT TERM

download() {
	rm -rf "$tools.tmp"
	mkdir -p "$tools.tmp"
	cd "$tools.tmp"
	apt-get -q -o APT::Sandbox::User=root download open-vm-tools
	dpkg-deb -f open-vm-tools_*.deb Version >version
	# The libraries that its two programs load; they are small.
	dpkg-deb -f open-vm-tools_*.deb Depends | tr ',' '\n' |
		sed -n 's/^ *\(lib\(tirpc3\|glib2\.0-0\)[^ ]*\).*/\1/p' >libraries
	dpkg-deb -x open-vm-tools_*.deb root
	sha256sum root/usr/bin/vmware-rpctool root/usr/bin/vmware-checkvm \
		root/usr/lib/*/libvmtools.so.0 version libraries >sums
	rm -rf "$tools" open-vm-tools_*.deb
	mv "$tools.tmp" "$tools"
}

offered=$(apt-cache madison open-vm-tools 2>/dev/null | awk '{ print $3; exit }')
if ! is_whole "$tools" || { [ -n "$offered" ] && [ "$offered" != "$(cat "$tools/version")" ]; }; then
	[ -n "$offered" ] || apt_update >"$log_dir/apt-update.log" 2>&1
	if ! is_whole "$tools" || [ -n "$offered" ]; then
		step "fetching open-vm-tools" download
	fi
fi
# shellcheck disable=SC2046 # a list
ensure_packages busybox-static cpio gzip gcc libc6-dev $(cat "$tools/libraries")
note "open-vm-tools $(cat "$tools/version")"

LD_LIBRARY_PATH=$(dirname "$(echo "$tools"/root/usr/lib/*/libvmtools.so.0)")
export LD_LIBRARY_PATH

# A program with its libraries, each where the program looks for it.
add_program() {
	install -D "$1" "$root/bin/${1##*/}"
	libraries_of "$1" | while read -r library; do
		case $library in
		"$tools"/*) place=/lib/${library##*/} ;;
		*) place=$library ;;
		esac
		[ -e "$root$place" ] || install -D "$library" "$root$place"
	done
}

mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/tmp"
add_program "$tools/root/usr/bin/vmware-rpctool"
add_program "$tools/root/usr/bin/vmware-checkvm"
for program in ptp rates rpc-half rpc-raw vmmouse; do
	${CC:-gcc} -O2 -Wall -static -o "$root/bin/$program" \
		"$top/tools/testing/vmport/guest/$program.c"
done
# Without a library: the release may have none for 32 bits.
${CC:-gcc} -m32 -O2 -Wall -static -nostdlib -ffreestanding -fno-stack-protector -fno-pie \
	-no-pie -fno-tree-loop-distribute-patterns -o "$root/bin/rpc-32" \
	"$top/tools/testing/vmport/guest/rpc-32.c"
add_busybox "$root"
install "$top/scripts/lane/guest-init.sh" "$root/init"
pack "$root" "$output"
