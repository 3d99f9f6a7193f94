#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# test-mainline.sh: the newest kernel that Debian has, with the interface in its
# tree.  Builds it as it is and with ours by gcc, and with ours by clang; boots the
# first two, and runs KVM's own x86 selftests in both and ours in the second.  TAP:
# no test of KVM's own may change its result.  MAINLINE_LIMIT is the time that a
# boot may take, in seconds.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lane/emulator.sh"

limit=${MAINLINE_LIMIT:-5400}
work=$build/mainline

# These need hardware that is not emulated, hours, or do not end under emulation.
skip="access_tracking_perf_test arch_timer demand_paging_test dirty_log_test \
dirty_log_perf_test kvm_page_table_test memslot_modification_stress_test \
memslot_perf_test mmu_stress_test nx_huge_pages_test rseq_test hardware_disable_test \
kvm_create_max_vcpus"

stock() {
	STOCK=1 "$top/scripts/setup/build-linux.sh" newest newest-stock
}

ours() {
	"$top/scripts/setup/build-linux.sh" newest newest
}

with_clang() {
	COMPILER=clang "$top/scripts/setup/build-linux.sh" newest newest-clang
}

selftests() {
	KVM_TESTS=all KERNEL_TREE=$build/linux-newest/tree SELFTESTS=$work/selftests \
		"$top/scripts/setup/build-selftests.sh"
}

image() {
	MODULES=$build/linux-$1/modules "$top/scripts/lane/mkinitramfs.sh" -o "$work/$1.cpio.gz" \
		-s "$top/scripts/lane/lane-tests.sh" -d "$work/selftests:tests"
}

# boot NAME stock|vmport
boot() {
	KERNEL=$build/linux-$1/bzImage \
		APPEND="LANE_ONLY=$2 LANE_SKIP=$(echo "$skip" | tr -s ' ' ',')" \
		"$top/scripts/lane/boot.sh" "$work/$1.cpio.gz" "$limit" >"$log_dir/$1.log" 2>&1 || true
}

suite() {
	set_up "the newest kernel builds as it is" stock
	set_up "the newest kernel builds with ours" ours
	set_up "the newest kernel builds with ours, by clang" with_clang
	set_up "KVM's own selftests and ours build" selftests
	set_up "the image with the stock kernel is made" image newest-stock
	set_up "the image with ours is made" image newest
	set_up "the emulator builds" need_emulator || return 0
	note "booting both: the logs are $log_dir/newest-stock.log and newest.log"
	boot newest-stock stock &
	other=$!
	boot newest vmport
	wait $other
	for name in newest-stock newest; do
		echo "@@LANE"
		cat "$log_dir/$name.log"
	done
}

mkdir -p "$work"
as_tap suite
