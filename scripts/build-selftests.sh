#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Build the kselftests with the kselftest Makefile of the fetched kernel: ours,
# and those of KVM's own that use what we touch.  Static, into build/selftests/;
# lists of names in build/selftests/ours and build/selftests/kvm.  The benchmark is
# built with them, but in neither list.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/lib.sh"

[ -f "$cache/kernel/current" ] || "$top/scripts/fetch-kernel.sh"
. "$cache/kernel/current"
ensure_packages make gcc libc6-dev rsync

tree=$cache/selftests/$K_ABI
tests=$tree/tools/testing/selftests/kvm
mkdir -p "$cache/selftests" "$build"
exec 7>"$cache/selftests/.lock"
flock 7

prepare() {
	rm -rf "$tree" "$tree.tmp"
	mkdir -p "$tree.tmp/usr"
	cp -r "$K_SOURCE/tools" "$K_SOURCE/scripts" "$tree.tmp/"
	cp -r "$K_SOURCE/usr/include" "$tree.tmp/usr/"
	mkdir -p "$tree.tmp/include"
	mv "$tree.tmp" "$tree"
}

[ -d "$tree" ] || step "preparing the selftests of $K_VERSION" prepare

# Up to 6.13 the x86 tests were in x86_64/.
arch_dir=x86
[ -d "$tests/x86" ] || arch_dir=x86_64

ours='' bench=$arch_dir/vmport_bench
rsync -rc --exclude='*.o' "$top/tools/testing/selftests/kvm/x86/" "$tests/$arch_dir/"
rsync -c "$top/include/uapi/linux/kvm_vmport.h" "$tree/usr/include/linux/"
for source in "$top"/tools/testing/selftests/kvm/x86/vmport_*.c; do
	name=$arch_dir/$(basename "$source" .c)
	[ "$name" = "$bench" ] || ours="$ours $name"
	grep -q "$name\$" "$tests/Makefile" ||
		sed -i "0,/^TEST_GEN_PROGS_x86_64 += /s##TEST_GEN_PROGS_x86_64 += $name\n&#" \
			"$tests/Makefile"
done
theirs="kvm_binary_stats_test"
for name in fix_hypercall_test state_test userspace_io_test xen_shinfo_test xen_vmcall_test; do
	[ ! -f "$tests/$arch_dir/$name.c" ] || theirs="$theirs $arch_dir/$name"
done

compile() {
	# shellcheck disable=SC2046 # a list
	make -C "$tests" ARCH=x86_64 -j"$jobs" OUTPUT="$tests" LDFLAGS="-static" \
		KHDR_INCLUDES="-isystem $tree/usr/include" \
		$(for name in $ours $theirs $bench; do echo "$tests/$name"; done)
}
step "building the selftests" compile

rm -rf "$build/selftests"
mkdir -p "$build/selftests/bin"
for name in $ours $theirs $bench; do
	cp "$tests/$name" "$build/selftests/bin/"
done
for name in $ours; do
	basename "$name"
done >"$build/selftests/ours"
for name in $theirs; do
	basename "$name"
done >"$build/selftests/kvm"
