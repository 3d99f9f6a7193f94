#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# fuzz-states.sh: fuzz the kernel with random states of the guest's machine for
# FUZZ_SECONDS, 600, see vmport_state_fuzz.c: a quarter of the time without nested
# paging.  On the newest kernel with sanitizers; FUZZ_KERNEL=distribution takes the
# distribution's, which is several times as fast.  FUZZ_SEED is the first of two seeds,
# else the time.  A state that differs for the emulator's sake does not differ when it is
# repeated, with FUZZ_SEED=SEED FUZZ_ARGUMENTS="-f CASE -n 1 -v".
#
# QEMU 7.2 emulates it where the distribution has that: it has no breakpoints in guests.
# Elsewhere it is the built one, which mends what states end 10.0 with; EMULATOR chooses it
# too, see boot.sh.  But it waits for a lock of its own for ever where a guest runs a page
# table, and has to set an accessed bit there for the second page of an instruction.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lane/emulator.sh"

seconds=${FUZZ_SECONDS:-600}
seed=${FUZZ_SEED:-$(date +%s)}
kind=${FUZZ_KERNEL:-sanitizers}
work=$build/fuzz-states
log=$log_dir/fuzz-states-$seed.log
mkdir -p "$work"

export SELFTESTS="$work/selftests"
case $kind in
sanitizers)
	"$top/scripts/setup/build-linux.sh" newest newest-kasan kasan
	KERNEL_TREE=$build/linux-newest-kasan/tree "$top/scripts/setup/build-selftests.sh"
	export MODULES="$build/linux-newest-kasan/modules"
	export KERNEL="$build/linux-newest-kasan/bzImage"
	export QEMU_MEMORY=4G
	;;
distribution)
	"$top/scripts/setup/build-kvm.sh" on
	"$top/scripts/setup/build-selftests.sh"
	;;
*)
	die "FUZZ_KERNEL is sanitizers or distribution, not $kind"
	;;
esac

ensure_packages python3 qemu-system-x86
[ "${EMULATOR:-}" ] || qemu-system-x86_64 --version | grep -q 'version 7\.' || need_emulator
mkdir -p "$work/tests"
cp "$SELFTESTS/bin/vmport_state_fuzz" "$work/tests/"
"$top/scripts/lane/mkinitramfs.sh" -o "$work/$kind.cpio.gz" \
	-s "$top/scripts/lane/fuzz-states-guest.sh" -d "$work/tests:tests"
note "fuzzing machine states for $seconds s, seed $seed: $log"
# What goes to init by the kernel's command line has no spaces.
APPEND="log_buf_len=16M FUZZ_SEED=$seed FUZZ_SECONDS=$seconds FUZZ_ARGUMENTS=$(
	echo "${FUZZ_ARGUMENTS:-}" | tr ' ' ,)" QEMU_FEATURES=,+la57 \
	"$top/scripts/lane/boot.sh" "$work/$kind.cpio.gz" $((seconds + 600)) 2>&1 |
	python3 "$top/scripts/suite/fuzz_states.py" "$log"
