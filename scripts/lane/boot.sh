#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# boot.sh INITRAMFS TIMEOUT [QEMU ARGUMENT...]
#
# Boot the fetched kernel with an initramfs; what it writes to its serial line
# goes to standard output.  The status is 0 when it has switched itself off, 124
# when the time was up.  QEMU_MEMORY sets the guest's memory, 2G; QEMU_ACCEL what
# runs it, instead of the choice made here; QEMU_FEATURES, as in ",-cx16", changes the
# processor that is emulated; EMULATOR, a list of words, is another QEMU than the
# distribution's; KERNEL another kernel, APPEND what goes to its command line.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"

[ $# -ge 2 ] || die "usage: boot.sh INITRAMFS TIMEOUT [QEMU ARGUMENT...]"
initramfs=$1 limit=$2
shift 2
[ "${KERNEL:-}" ] || . "$kernel_env"
[ "${EMULATOR:-}" ] || ensure_packages qemu-system-x86 seabios

if [ "${QEMU_ACCEL:-}" ]; then
	accel=$QEMU_ACCEL
elif nested_virtualisation; then
	note "this machine has nested virtualisation: using it"
	accel="-accel kvm -cpu host"
else
	note "no nested virtualisation here: emulating a processor with SVM"
	# One thread for both processors: with several, QEMU 7.2 can execute a
	# breakpoint that the kernel has already patched over (static keys), and
	# the host dies of "Oops: int3".
	accel="-accel tcg,thread=single -cpu EPYC,+svm${QEMU_FEATURES:-}"
fi

qemu_log=$log_dir/qemu-$(basename "$initramfs" .cpio.gz).log
# In the background, so that a signal to this script reaches QEMU at once; and
# QEMU goes when this script is killed without one.
# shellcheck disable=SC2086 # lists
setpriv --pdeathsig TERM timeout -k 5 "$limit" \
	${EMULATOR:-qemu-system-x86_64} $accel -smp "${QEMU_CPUS:-2}" -m "${QEMU_MEMORY:-2G}" \
	-nodefaults -display none -serial stdio -no-reboot -kernel "${KERNEL:-$K_VMLINUZ}" \
	-initrd "$initramfs" \
	-append "console=ttyS0 quiet panic=-1 oops=panic random.trust_cpu=on ${APPEND:-}" "$@" \
	</dev/null 2>"$qemu_log" &
qemu=$!
trap 'kill $qemu 2>/dev/null' HUP INT TERM EXIT
status=0
wait "$qemu" || status=$?
trap - EXIT
if [ $status != 0 ]; then
	if [ $status = 124 ]; then
		echo "@@TIMEOUT $limit"
	else
		echo "@@QEMU $status"
		tail -n 3 "$qemu_log" | sed 's/^/# /'
	fi
fi
exit $status
