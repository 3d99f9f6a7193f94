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
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/setup/kvm-tree.sh"

variant=${1:-on}
[ $# = 0 ] || shift
case $variant in
on | off | stock) ;;
*) die "usage: build-kvm.sh [on|off|stock] [MAKE ARGUMENT...]" ;;
esac
[ -f "$kernel_env" ] || "$top/scripts/setup/fetch-kernel.sh"
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

prepare() {
	if [ "$variant" = stock ]; then
		patches=
	fi
	kvm_tree_prepare "$K_SOURCE" "$tree" "$patches"
}

[ -d "$tree" ] || step "preparing KVM $K_VERSION ($variant)" prepare
[ "$variant" = stock ] || kvm_tree_add "$top" "$tree"
step "building KVM modules ($variant)" kvm_tree_make "$K_HEADERS" "$tree" "$variant" -j"$jobs" "$@"
# Copies, made under the lock: another checkout may build in the same tree next.
mkdir -p "$build/kvm-$variant"
cp "$kvm"/*.ko "$build/kvm-$variant/"
ln -sfn "$kvm" "$build/kvm-$variant/tree"
