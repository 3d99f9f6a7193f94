# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Shared by the builds and the package: KVM's files out of a kernel's source, made
# to build outside its tree.  Sourced; needs nothing but sh, patch and make.

# kvm_tree_patch TREE KERNEL PATCH...  Lines move between stable releases, what stands
# around them must not.
kvm_tree_patch() {
	kvm_tree_patched=$1 kvm_tree_kernel=$2
	shift 2
	for kvm_tree_file in "$@"; do
		echo "applying ${kvm_tree_file##*/}"
		patch -d "$kvm_tree_patched" -p1 --fuzz=0 --no-backup-if-mismatch <"$kvm_tree_file" || {
			echo "${kvm_tree_file##*/} does not fit $kvm_tree_kernel"
			return 1
		}
	done
}

# kvm_tree_prepare SOURCE TREE PATCHES: TREE gets KVM's files from SOURCE with the
# patches of a directory, none where PATCHES is empty.
kvm_tree_prepare() {
	rm -rf "$2" "$2.tmp"
	mkdir -p "$2.tmp/arch/x86/include/asm" "$2.tmp/include/uapi/linux" \
		"$2.tmp/include/trace/events"
	cp -r "$1/arch/x86/kvm" "$2.tmp/arch/x86/"
	cp -r "$1/virt" "$2.tmp/"
	cp "$1/arch/x86/include/asm/kvm_host.h" "$1/arch/x86/include/asm/kvm-x86-ops.h" \
		"$2.tmp/arch/x86/include/asm/"
	cp "$1/include/trace/events/kvm.h" "$2.tmp/include/trace/events/"
	[ -z "$3" ] || kvm_tree_patch "$2.tmp" "this kernel" "$3"/*.patch || return 1
	sed -i -e "s#-I \$(srctree)/arch/x86/kvm#-I \$(src) -I $2/virt/kvm#" \
		-e "s#^include \$(srctree)/virt/kvm/#KVM := ../../../virt/kvm\ninclude $2/virt/kvm/#" \
		-e "1i LINUXINCLUDE := -I$2/arch/x86/include -I$2/include \$(LINUXINCLUDE)" \
		"$2.tmp/arch/x86/kvm/Makefile"
	mv "$2.tmp" "$2"
}

# kvm_tree_add TOP TREE: the subsystem.  Only what differs, so that make sees what
# has changed.
kvm_tree_add() {
	mkdir -p "$2/arch/x86/kvm/vmport"
	for kvm_tree_file in "$1"/arch/x86/kvm/vmport/* "$1/include/uapi/linux/kvm_vmport.h"; do
		kvm_tree_to=$2/${kvm_tree_file#"$1"/}
		cmp -s "$kvm_tree_file" "$kvm_tree_to" || cp "$kvm_tree_file" "$kvm_tree_to"
	done
}

# kvm_tree_make HEADERS TREE on|off|stock [MAKE ARGUMENT...]
kvm_tree_make() {
	kvm_tree_headers=$1 kvm_tree_kvm=$2/arch/x86/kvm kvm_tree_variant=$3
	shift 3
	[ "$kvm_tree_variant" != on ] ||
		set -- CONFIG_KVM_VMPORT=y KCFLAGS=-DCONFIG_KVM_VMPORT=1 "$@"
	make -C "$kvm_tree_headers" M="$kvm_tree_kvm" "$@" modules
}
