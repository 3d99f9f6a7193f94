#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# build-kvm.sh [on|off|stock] [MAKE ARGUMENT...]
#
# Build kvm.ko, kvm-amd.ko and kvm-intel.ko for the fetched kernel, outside its
# tree: "on" with patches/SERIES and arch/x86/kvm/vmport, "off" with the patches
# but without CONFIG_KVM_VMPORT, "stock" from the unchanged source.  SERIES is 6.12,
# or KVM_VMPORT_SERIES.  Prints nothing but the progress; the modules are in
# build/kvm-VARIANT/.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/lib.sh"

variant=${1:-on}
[ $# = 0 ] || shift
case $variant in
on | off | stock) ;;
*) die "usage: build-kvm.sh [on|off|stock] [MAKE ARGUMENT...]" ;;
esac
[ -f "$kernel_env" ] || "$top/scripts/fetch-kernel.sh"
. "$kernel_env"

patches=$top/patches/$kernel_series
[ -d "$patches" ] || die "there is no patches/$kernel_series"
key=$({ echo "$K_VERSION"; [ "$variant" = stock ] || cat "$patches"/*.patch; } |
	sha256sum | cut -c 1-12)
tree=$cache/kvm/$K_ABI-$variant-$key
kvm=$tree/arch/x86/kvm
mkdir -p "$cache/kvm"
# What an earlier version of this script left there.
[ ! -L "$build/kvm-$variant" ] || rm "$build/kvm-$variant"
exec 8>"$cache/kvm/.lock-$variant"
flock 8

compiler=$(sed -n 's/.*\(gcc-[0-9]*\)$/\1/p' "$K_HEADERS/.kernelvariables" | head -n 1)
ensure_packages make "${compiler:-gcc}" libelf-dev patch xz-utils

# Lines move between stable releases, what stands around them must not.
apply_patches() {
	for file in "$patches"/*.patch; do
		echo "applying ${file##*/}"
		patch -d "$tree.tmp" -p1 --fuzz=0 --no-backup-if-mismatch <"$file" || {
			echo "${file##*/} does not fit $K_VERSION"
			return 1
		}
	done
}

# KVM's files as the kernel has them, made to build from here.
prepare() {
	rm -rf "$tree" "$tree.tmp"
	mkdir -p "$tree.tmp/arch/x86/include/asm" "$tree.tmp/include/uapi/linux"
	cp -r "$K_SOURCE/arch/x86/kvm" "$tree.tmp/arch/x86/"
	cp -r "$K_SOURCE/virt" "$tree.tmp/"
	cp "$K_SOURCE/arch/x86/include/asm/kvm_host.h" "$tree.tmp/arch/x86/include/asm/"
	if [ "$variant" != stock ]; then
		apply_patches || return 1
	fi
	makefile=$tree.tmp/arch/x86/kvm/Makefile
	sed -i -e "s#-I \$(srctree)/arch/x86/kvm#-I \$(src) -I $tree/virt/kvm#" \
		-e "s#^include \$(srctree)/virt/kvm/#KVM := ../../../virt/kvm\ninclude $tree/virt/kvm/#" \
		"$makefile"
	sed -i "1i LINUXINCLUDE := -I$tree/arch/x86/include -I$tree/include \$(LINUXINCLUDE)" \
		"$makefile"
	mv "$tree.tmp" "$tree"
}

# Only what differs, so that make sees what has changed.
copy_changed() {
	for file in "$@"; do
		cmp -s "$file" "$destination/${file##*/}" || cp "$file" "$destination/"
	done
}

build_modules() {
	config=
	if [ "$variant" = on ]; then
		config="CONFIG_KVM_VMPORT=y KCFLAGS=-DCONFIG_KVM_VMPORT=1"
	fi
	# shellcheck disable=SC2086 # a list
	make -C "$K_HEADERS" M="$kvm" -j"$jobs" $config "$@" modules
}

[ -d "$tree" ] || step "preparing KVM $K_VERSION ($variant)" prepare
if [ "$variant" != stock ]; then
	mkdir -p "$kvm/vmport"
	destination=$kvm/vmport
	copy_changed "$top"/arch/x86/kvm/vmport/*
	destination=$tree/include/uapi/linux
	copy_changed "$top/include/uapi/linux/kvm_vmport.h"
fi
step "building KVM modules ($variant)" build_modules "$@"
# Copies, made under the lock: another checkout may build in the same tree next.
mkdir -p "$build/kvm-$variant"
cp "$kvm"/*.ko "$build/kvm-$variant/"
ln -sfn "$kvm" "$build/kvm-$variant/tree"
