#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Build the kselftests with the kselftest Makefile of the fetched kernel: ours,
# and those of KVM's own that use what we touch.  Static, into build/selftests/;
# lists of names in build/selftests/ours and build/selftests/kvm.  The benchmark is
# built with them, but in neither list.
#
# KERNEL_TREE names a whole kernel source to build them in, SELFTESTS the directory
# to take instead of build/selftests; KVM_TESTS=all builds all of KVM's own.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"

if [ "${KERNEL_TREE:-}" ]; then
	tree=$KERNEL_TREE
	# For VFIO, with which newer kernels link all of KVM's.
	ensure_packages uuid-dev
else
	# KVM's library for tests is that of 6.12 for older kernels too: ours need it.
	kernel_env=$cache/kernel/current-6.12
	[ -f "$kernel_env" ] || KVM_VMPORT_SERIES=6.12 "$top/scripts/setup/fetch-kernel.sh"
	. "$kernel_env"
	tree=$cache/selftests/$K_ABI
	[ "$kernel_series" = 6.12 ] || tree=$tree-$kernel_series
fi
out=${SELFTESTS:-$build/selftests}
ensure_packages make gcc libc6-dev rsync

tests=$tree/tools/testing/selftests/kvm
mkdir -p "$cache/selftests" "$build"
exec 7>"$cache/selftests/.lock"
flock 7

# The newer ioctl is the old one with fields that only guest_memfd needs.
use_old_memslots() {
	sed -i -e '/define TEST_REQUIRE_SET_USER_MEMORY_REGION2/,/^$/d' \
		-e '/TEST_REQUIRE_SET_USER_MEMORY_REGION2();/d' \
		-e 's/\(ioctl([^,]*, KVM_SET_USER_MEMORY_REGION\)2, /\1, (struct kvm_userspace_memory_region *)/' \
		"$tree.tmp/tools/testing/selftests/kvm/lib/kvm_util.c"
}

prepare() {
	rm -rf "$tree" "$tree.tmp"
	mkdir -p "$tree.tmp/usr"
	cp -r "$K_SOURCE/tools" "$K_SOURCE/scripts" "$tree.tmp/"
	cp -r "$K_SOURCE/usr/include" "$tree.tmp/usr/"
	mkdir -p "$tree.tmp/include"
	[ "$kernel_series" = 6.12 ] || use_old_memslots
	mv "$tree.tmp" "$tree"
}

[ -d "$tree" ] || step "preparing the selftests of $K_VERSION" prepare
[ -d "$tree/usr/include/linux" ] ||
	step "installing the kernel's headers" make -s -C "$tree" headers_install ARCH=x86 \
		O="$tree/headers" INSTALL_HDR_PATH="$tree/usr"

# Up to 6.13 the x86 tests were in x86_64/.
arch_dir=x86
[ -d "$tests/x86" ] || arch_dir=x86_64
makefile=$tests/Makefile.kvm
[ -f "$makefile" ] || makefile=$tests/Makefile
list=TEST_GEN_PROGS_$(sed -n 's/^TEST_GEN_PROGS_\(x86[_64]*\) += .*/\1/p' "$makefile" | head -n 1)

ours='' bench=$arch_dir/vmport_bench
library=LIBKVM_$(sed -n 's/^LIBKVM_\(x86[_64]*\) += .*/\1/p' "$makefile" | head -n 1)
# A file of ours that is gone must not be found there any more.
for dir in "" include/ lib/; do
	rsync -rc --delete --include='vmport*.[ch]' --exclude='*' \
		"$top/tools/testing/selftests/kvm/${dir}x86/" "$tests/$dir$arch_dir/"
done
sed -i "/ lib\/$arch_dir\/vmport.*\.c\$/d" "$makefile"
for source in "$top"/tools/testing/selftests/kvm/lib/x86/vmport*.c; do
	sed -i "0,/^$library += /s##$library += lib/$arch_dir/$(basename "$source")\n&#" "$makefile"
done
# The tables of clients and of commands and the mutations of blobs are the unit tests'
# too.
mkdir -p "$tree/tools/testing/vmport"
rsync -c "$top"/tools/testing/vmport/clients.[ch] "$top"/tools/testing/vmport/mutate.[ch] \
	"$top/tools/testing/vmport/commands.h" "$tree/tools/testing/vmport/"
rsync -c "$top/include/uapi/linux/kvm_vmport.h" "$tree/usr/include/linux/"
# The program in vmport.rst is a test as well.
ensure_packages python3
python3 "$top/tools/testing/vmport/page.py" program >"$tests/$arch_dir/vmport_page_test.c"
for source in "$top"/tools/testing/selftests/kvm/x86/vmport_*.c vmport_page_test.c; do
	name=$arch_dir/$(basename "$source" .c)
	[ "$name" = "$bench" ] || ours="$ours $name"
	grep -q "$name\$" "$makefile" ||
		sed -i "0,/^$list += /s##$list += $name\n&#" "$makefile"
done
if [ "${KVM_TESTS:-}" = all ]; then
	theirs=$(sed -n "s/^\($list\|TEST_GEN_PROGS_COMMON\) += \([^ ]*\)\$/\2/p" "$makefile" |
		grep -v "/vmport_" | sort -u | tr '\n' ' ')
else
	theirs="kvm_binary_stats_test"
	for name in fix_hypercall_test state_test userspace_io_test xen_shinfo_test xen_vmcall_test; do
		[ ! -f "$tests/$arch_dir/$name.c" ] || theirs="$theirs $arch_dir/$name"
	done
fi

compile() {
	# shellcheck disable=SC2046 # a list
	make -k -C "$tests" ARCH=x86_64 -j"$jobs" OUTPUT="$tests" LDFLAGS="-static" \
		KHDR_INCLUDES="-isystem $tree/usr/include" \
		$(for name in $ours $theirs $bench; do echo "$tests/$name"; done)
}
step "building the selftests" compile

rm -rf "$out"
mkdir -p "$out/bin"
for name in $ours $theirs $bench; do
	cp "$tests/$name" "$out/bin/"
done
for name in $ours; do
	basename "$name"
done >"$out/ours"

# What vmport-state says of a blob is compared with what KVM says.
ensure_packages libjansson-dev zlib1g-dev
step "building vmport-state" make -C "$top/tools/virt/vmport" OUT="$build/tool-static" LDFLAGS=-static
cp "$build/tool-static/vmport-state" "$out/bin/"
cp -r "$top/tools/testing/vmport/golden" "$out/"

# The sample is a test too: as it says, with our modules, and without them.
step "building the sample" make -C "$top/samples/vmport" OUT="$out/bin" LDFLAGS=-static
cp "$top/samples/vmport/vmport-vmm-test.sh" "$out/bin/vmport_sample_test"
ln -s vmport_sample_test "$out/bin/vmport_sample_stock_test"
echo vmport_sample_test >>"$out/ours"
for name in $theirs; do
	basename "$name"
done >"$out/kvm"
