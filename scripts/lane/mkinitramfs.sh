#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# mkinitramfs.sh -o IMAGE -s SCRIPT [-f FILE:DESTINATION]... [-d DIR:DESTINATION]...
#	[-p PROGRAM:DESTINATION]... [-m MODULE]...
#
# An initramfs for the fetched kernel: busybox, KVM's modules as the distribution
# has them and as we build them, other modules that are loaded before them, and the
# given files; with a PROGRAM in Python also its interpreter and what it imports.
# SCRIPT is run by sh when all is mounted, see init.sh; it can call
#
#   load_kvm stock|vmport [PARAMETER...]    (kvm.ko's parameters)
#   unload_kvm
#
# The machine is switched off after it.  A program's libraries come along.  MODULES is
# a directory with all modules of another kernel: "stock" and "vmport" are those.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lane/image.sh"

output='' script='' extra=''
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
trap 'exit 1' HUP INT TERM

if [ "${MODULES:-}" ]; then
	K_MODULES=$MODULES
	ours=$MODULES
else
	. "$kernel_env"
	ours=$build/kvm-on
fi
ensure_packages binutils busybox-static kmod cpio gzip xz-utils zstd

add_file() {
	install -D "$1" "$root/$2"
	libraries_of "$1" | while read -r library; do
		[ -e "$root$library" ] || install -D "$library" "$root$library"
	done
}

# Of Python the distribution's, whatever else the machine has.
add_python() {
	ensure_packages python3
	files=$(/usr/bin/python3 "$top/scripts/lane/add-python.py" "$root" "$1")
	for file in $files; do
		add_file "$file" "$file"
	done
	ln -sf "$(readlink -f /usr/bin/python3)" "$root/bin/python3"
	install -D "$1" "$root/$2"
}

add_dir() {
	mkdir -p "$root/$2"
	cp -a "$1/." "$root/$2/"
}

mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/tmp" "$root/modules"
while getopts o:s:f:d:p:m: option; do
	case $option in
	o) output=$OPTARG ;;
	s) script=$OPTARG ;;
	f) add_file "${OPTARG%%:*}" "${OPTARG#*:}" ;;
	d) add_dir "${OPTARG%%:*}" "${OPTARG#*:}" ;;
	p) add_python "${OPTARG%%:*}" "${OPTARG#*:}" ;;
	m) extra="$extra $OPTARG" ;;
	*) exit 1 ;;
	esac
done
if [ -z "$output" ] || [ -z "$script" ]; then
	die "usage: mkinitramfs.sh -o IMAGE -s SCRIPT [...]"
fi

# add_dependencies FILE: what it needs, in the order of loading.  A subshell: it
# calls itself, and variables are shared otherwise.
add_dependencies() (
	for module in $(modinfo -F depends "$1" | tr ',' ' '); do
		[ "$module" = kvm ] || add_module "$module"
	done
)

# add_module NAME: to those that are loaded first, with what it needs
add_module() {
	file=$(find_module "$1")
	if [ -z "$file" ] || grep -qx "$1" "$root/modules/order"; then
		return
	fi
	add_dependencies "$file"
	unpack_module "$file" "$root/modules/$1.ko"
	echo "$1" >>"$root/modules/order"
}

: >"$root/modules/order"
# Faster checksums where the processor has them; not a dependency by name.
for module in crc32c-intel $extra; do
	add_module "$module"
done
for module in kvm kvm-amd kvm-intel; do
	file=$(find_module "$module")
	[ -n "$file" ] || die "the kernel's image has no module $module"
	add_dependencies "$file"
	mkdir -p "$root/modules/stock"
	unpack_module "$file" "$root/modules/stock/$module.ko"
	if [ -e "$ours/$module.ko" ]; then
		add_dependencies "$ours/$module.ko"
		mkdir -p "$root/modules/vmport"
		cp "$ours/$module.ko" "$root/modules/vmport/"
		strip --strip-debug "$root/modules/vmport/$module.ko"
	fi
done

add_busybox "$root"
install "$script" "$root/payload"
install "$top/scripts/lane/init.sh" "$root/init"
pack "$root" "$output"
