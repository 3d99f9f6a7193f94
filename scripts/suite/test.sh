#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# test.sh [SUITE...]: every test that belongs to a normal change.  Suites: unit
# (the engine in user space, the scripts in Python), build (the series and the modules), lane
# (the kselftests on the distribution's kernel), kernels (KVM with the interface compiles in
# the sources of other kernels), package (it builds, lintian passes), demo (a real guest
# migrates), guests (other real guests, one in a guest, and QEMU itself).  The last two run
# beside the lane and what is after it: a host that is emulated keeps one processor busy.
# What they say comes last.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lane/emulator.sh"

# In a session of their own, see below.
suites_only=
if [ "${1:-}" = --suites ]; then
	suites_only=1
	shift
fi
all="unit build lane kernels package demo guests"
# shellcheck disable=SC2086 # a list
[ $# -gt 0 ] || set -- $all
for suite in "$@"; do
	case " $all " in
	*" $suite "*) ;;
	*) die "no suite $suite: there are $all" ;;
	esac
done

suite_unit() {
	note "the engine in user space, and what the scripts do in Python"
	ensure_packages gcc g++ libc6-dev libjansson-dev linux-libc-dev make python3 zlib1g-dev
	status=0
	# What does not build says so again below.
	make -s -j"$jobs" -C "$top/tools/testing/vmport" programs >"$log_dir/unit.log" 2>&1 || true
	make -s -C "$top/tools/testing/vmport" check 2>&1 || status=$?
	result "$status" "the engine's unit tests end with status 0"
	status=0
	python3 "$top/scripts/suite/test_scripts.py" 2>&1 || status=$?
	python3 "$top/scripts/suite/test_series.py" 2>&1 || status=$?
	result "$status" "the scripts' unit tests end with status 0"
}

# code_of MODULE FILE: the machine code and the constants of a module; its tables
# of warnings have line numbers in them.  To a file that can seek, as objcopy
# must, and never nothing, which would equal nothing.
code_of() {
	objcopy -O binary -j .text -j .noinstr.text -j .init.text -j .rodata "$1" "$2" &&
		[ -s "$2" ]
}

# same_code MODULE VARIANT VARIANT
same_code() {
	code_of "$build/kvm-$2/$1.ko" "$build/kvm-$2/$1.code" &&
		code_of "$build/kvm-$3/$1.ko" "$build/kvm-$3/$1.code" &&
		cmp "$build/kvm-$2/$1.code" "$build/kvm-$3/$1.code"
}

suite_build() {
	set_up "the kernel's source, headers and image are there" "$top/scripts/setup/fetch-kernel.sh" ||
		return 0
	for variant in on off stock; do
		set_up "the three modules build ($variant)" "$top/scripts/setup/build-kvm.sh" "$variant" ||
			return 0
	done
	for module in kvm kvm-amd kvm-intel; do
		status=0
		same_code "$module" off stock 2>&1 || status=1
		result "$status" "$module.ko without CONFIG_KVM_VMPORT has the code of the stock module"
	done
}

suite_lane() {
	set_up "the modules for the lane are there" "$top/scripts/setup/build-kvm.sh" on || return 0
	set_up "the selftests build" "$top/scripts/setup/build-selftests.sh" || return 0
	set_up "the emulator builds" need_emulator || return 0
	# vmport_trace_test reads events through it.
	ensure_packages trace-cmd
	set_up "the lane's image is made" "$top/scripts/lane/mkinitramfs.sh" -o "$build/lane.cpio.gz" \
		-s "$top/scripts/lane/lane-tests.sh" -d "$build/selftests:tests" \
		-f "$(command -v trace-cmd):bin/trace-cmd" || return 0
	run_beside
	echo "@@LANE"
	"$top/scripts/lane/boot.sh" "$build/lane.cpio.gz" 2400 2>&1 | tee "$log_dir/lane.log" || true
}

# A change may fit one kernel only.
suite_kernels() {
	for version in 6.1 newest; do
		set_up "KVM with the interface compiles in the $version source" \
			env PART=arch/x86/kvm/ "$top/scripts/setup/build-linux.sh" "$version" \
			"compiled-$version" || true
	done
}

suite_package() {
	set_up "the package is made and lintian passes" "$top/scripts/release/make-package.sh" || return 0
}

# steps SCRIPT: a script whose steps are tests
steps() {
	STEPS_TAP=1 "$top/scripts/suite/$1.sh" 2>&1 | tee "$log_dir/$1.log" || true
	grep -qx "$1: PASS" "$log_dir/$1.log" && status=0 || status=1
	result "$status" "$1 ends with PASS"
}

suite_demo() {
	steps demo
}

suite_guests() {
	steps guests
	steps qemu
	steps nested
}

# Of the suites that are left those with hosts of their own begin.
run_beside() {
	for suite_beside in $left; do
		case $suite_beside in
		demo | guests) beside="$beside $suite_beside" ;;
		esac
	done
	[ "$beside" ] || return 0
	note "beside it:$beside: what they say is in $log_dir/beside.log until then"
	# shellcheck disable=SC2086 # a list
	"$0" --suites $beside >"$log_dir/beside.log" 2>&1 &
	beside_pid=$!
}

# run_suites SUITE...: each, and last what ran beside one of them
run_suites() {
	beside=
	while [ $# -gt 0 ]; do
		suite=$1
		shift
		left=$*
		case " $beside " in
		*" $suite "*) continue ;;
		esac
		note "suite $suite${left:+, then $left}"
		start=$(date +%s)
		"suite_$suite"
		note "suite $suite: $(($(date +%s) - start)) s"
	done
	[ "$beside" ] || return 0
	wait "$beside_pid" || echo "not ok - the suites beside it run to their end"
	cat "$log_dir/beside.log"
}

if [ "$suites_only" ]; then
	# A suite that ends in the middle has not passed.
	trap '[ "$suites_only" = ended ] || echo "not ok - the suite $suite runs to its end"' EXIT
	trap 'exit 1' HUP INT TERM
	run_suites "$@"
	suites_only=ended
	exit 0
fi

ensure_packages python3
exec 6>"$build/.test-lock"
flock -n 6 || die "another make test runs in this checkout: wait for it"

# The suites run in a session of their own, so that all that they started can be
# ended with them, QEMU too, whichever process a signal was sent to.
dir=$(mktemp -d)
mkfifo "$dir/results"
setsid "$0" --suites "$@" >"$dir/results" </dev/null 6>&- &
suites=$!
trap 'rm -rf "$dir"' EXIT
trap 'kill -s TERM -- "-$suites" 2>/dev/null; exit 130' HUP INT TERM
status=0
python3 "$top/scripts/suite/tap.py" <"$dir/results" 6>&- &
wait $! || status=$?
wait "$suites" || status=1
exit $status
