#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# prepare.sh build RELEASE VERSION: run by dkms in its build directory, before the build: KVM's
# files of that kernel, with our changes, in kvm/.  Status 77 makes dkms leave that
# kernel alone: an update of the kernel must not fail because we do not fit it.
#
# prepare.sh check RELEASE: is there what that needs?
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/dkms/source.sh"
. "$top/scripts/setup/kvm-tree.sh"

find_source "$2" || {
	echo "kvm-vmport: $2: $why"
	exit 77
}
[ "$1" = build ] || exit 0
mkdir "$top/source"
tar -xf "$source_archive" -C "$top/source" --strip-components=1 --wildcards \
	'linux-source-*/arch/x86/kvm' 'linux-source-*/virt' \
	'linux-source-*/include/trace/events/kvm.h' \
	'linux-source-*/arch/x86/include/asm/kvm_host.h' \
	'linux-source-*/arch/x86/include/asm/kvm-x86-ops.h'
kvm_tree_prepare "$top/source" "$top/kvm" "$top/patches/$series" || {
	echo "the patches do not fit" | tee "$top/why"
	exit 77
}
kvm_tree_add "$top" "$top/kvm"
# modinfo shows it, and kernels.sh compares it.
cat >>"$top/kvm/arch/x86/kvm/vmport/vm.c" <<END

#include <linux/module.h>
MODULE_INFO(vmport, "$3, Linux $wanted");
END
rm -rf "$top/source"
