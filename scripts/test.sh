#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# test.sh [SUITE...]: every test that belongs to a normal change.  Suites: unit
# (the engine in user space), build (the series and the modules), lane (the
# kselftests on the distribution's kernel), demo (a real guest migrates).
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/lib.sh"

[ $# -gt 0 ] || set -- unit build lane demo
for suite in "$@"; do
	case $suite in
	unit | build | lane | demo) ;;
	*) die "no suite $suite: there are unit, build, lane, demo" ;;
	esac
done

exec 6>"$build/.test-lock"
flock -n 6 || die "another make test runs in this checkout: wait for it"

# result STATUS NAME
result() {
	if [ "$1" = 0 ]; then
		echo "ok - $2"
	else
		echo "not ok - $2"
	fi
}

# set_up NAME COMMAND...: part of what a suite needs; its failure is a test's
set_up() {
	set_up_name=$1
	shift
	status=0
	"$@" 2>&1 || status=$?
	result "$status" "$set_up_name"
	return $status
}

suite_unit() {
	note "the engine in user space"
	ensure_packages gcc libc6-dev linux-libc-dev make
	status=0
	make -s -C "$top/tools/testing/vmport" check 2>&1 || status=$?
	result "$status" "the engine's unit tests end with status 0"
}

# The machine code of a module; its data has line numbers in it.
code_of() {
	objcopy -O binary -j .text -j .noinstr.text -j .init.text "$1" /dev/stdout | sha256sum
}

suite_build() {
	set_up "the kernel's source, headers and image are there" "$top/scripts/fetch-kernel.sh" ||
		return 0
	for variant in on off stock; do
		set_up "the three modules build ($variant)" "$top/scripts/build-kvm.sh" $variant ||
			return 0
	done
	for module in kvm kvm-amd kvm-intel; do
		status=0
		[ "$(code_of "$build/kvm-off/$module.ko")" = \
			"$(code_of "$build/kvm-stock/$module.ko")" ] || status=1
		result "$status" "$module.ko without CONFIG_KVM_VMPORT has the code of the stock module"
	done
}

suite_lane() {
	set_up "the modules for the lane are there" "$top/scripts/build-kvm.sh" on || return 0
	set_up "the selftests build" "$top/scripts/build-selftests.sh" || return 0
	set_up "the lane's image is made" "$top/scripts/mkinitramfs.sh" -o "$build/lane.cpio.gz" \
		-s "$top/scripts/lane-tests.sh" -d "$build/selftests:tests" || return 0
	echo "@@LANE"
	"$top/scripts/boot.sh" "$build/lane.cpio.gz" 1500 2>&1 | tee "$log_dir/lane.log" || true
}

suite_demo() {
	DEMO_TAP=1 "$top/scripts/demo.sh" 2>&1 | tee "$log_dir/demo.log" || true
	grep -qx 'demo: PASS' "$log_dir/demo.log" && status=0 || status=1
	result "$status" "the demo ends with PASS"
}

for suite in "$@"; do
	"suite_$suite"
done | python3 "$top/scripts/tap.py"
