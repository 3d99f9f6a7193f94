#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# profile.sh ring0|ring3|get|set|hb
#
# Which functions of the host's kernel the instructions of scripts/suite/bench.sh are
# spent in: a table of the functions, for one GETVERSION (ring0, ring3), one GET or
# SET of 1 MiB of state, one message of 64 KiB.  An emulator that logs every
# instruction runs vmport_bench in a loop; the table is that of the shortest round.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"

case ${1:-} in
ring0) mark=kvm_vmport_fastpath_call ;;
ring3) mark=kvm_vmport_gp ;;
get | set) mark=kvm_vmport_vm_ioctl ;;
hb) mark=kvm_vmport_string_out ;;
*) die "usage: profile.sh ring0|ring3|get|set|hb" ;;
esac

"$top/scripts/setup/fetch-kernel.sh"
"$top/scripts/setup/build-kvm.sh" on
"$top/scripts/setup/build-selftests.sh"
ensure_packages qemu-system-x86 seabios python3

work=$build/profile-$1
mkdir -p "$work"
cat >"$work/guest.sh" <<END
load_kvm vmport
echo 0 >/proc/sys/kernel/kptr_restrict
grep -i ' t ' /proc/kallsyms | cut -c 1-70
exec /tests/bin/vmport_bench loop $1
END
step "making the image" "$top/scripts/lane/mkinitramfs.sh" -o "$work/image.cpio.gz" \
	-s "$work/guest.sh" -d "$build/selftests:tests"

rm -f "$work/monitor" "$work/log"
note "profiling $1"
QEMU_CPUS=1 QEMU_ACCEL="-accel tcg,thread=single -icount shift=0,sleep=off -cpu EPYC,+svm" \
	"$top/scripts/lane/boot.sh" "$work/image.cpio.gz" 300 -D "$work/log" \
	-qmp "unix:$work/monitor,server=on,wait=off" >"$work/serial" &
qemu=$!
trap 'kill $qemu 2>/dev/null || true' EXIT
python3 "$top/scripts/suite/profile.py" "$work" "$mark"
