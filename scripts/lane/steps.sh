# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Shared by the scripts that boot a host with our KVM modules and the built QEMU,
# and run steps in it (host-lib.sh): sourced, with $top set to the checkout and
# $title to the first word of the verdict.  The last line is then "TITLE: PASS" or
# "TITLE: FAIL: STEP", and the status 0 or 1.  With STEPS_TAP=1 every step is a
# test line too; with QEMU_SANITIZERS=1 the guests' QEMU has ASan and UBSan.

: "${title:?set \$title before sourcing steps.sh}"

# Whatever ends the set-up, the last line says how it went; see run_host for the rest.
why="the set-up"
trap 'echo "$title: FAIL: $why"; exit 1' EXIT
trap 'why=interrupted; exit' HUP INT TERM

. "$top/scripts/lib.sh"
. "$top/scripts/lane/emulator.sh"

tested_qemu=$build/qemu-system-x86_64
[ -z "${QEMU_SANITIZERS:-}" ] || tested_qemu=$build/qemu-sanitizers

# get_host_parts: what the images of such hosts are made of
get_host_parts() {
	[ "$(id -u)" = 0 ] || note "not root: works as long as no package is missing"
	"$top/scripts/setup/fetch-kernel.sh"
	"$top/scripts/setup/build-kvm.sh" on
	get_emulator
	[ -z "${QEMU_SANITIZERS:-}" ] || "$top/scripts/setup/build-qemu.sh"
	ensure_packages qemu-system-x86 busybox-static python3
	. "$kernel_env"
	"$top/scripts/setup/demo-guest.sh" "$build/demo-guest.cpio.gz"
}

# make_host IMAGE SCRIPT [MKINITRAMFS ARGUMENT...]: of a host that runs guests, with
# the parts that every such host has
make_host() {
	image=$1
	script=$2
	shift 2
	step "making ${image##*/}" "$top/scripts/lane/mkinitramfs.sh" -o "$image" \
		-s "$script" -f "$top/scripts/lane/host-lib.sh:host-lib.sh" \
		-p "$top/scripts/lane/qmp.py:bin/qmp.py" \
		-f "$(readlink -f "$tested_qemu"):bin/qemu-system-x86_64" \
		-f "$K_VMLINUZ:demo/vmlinuz" -f "$build/demo-guest.cpio.gz:demo/guest.cpio.gz" \
		-d "$firmware:demo/firmware" "$@"
}

# run_host SECONDS [QEMU ARGUMENT...]: boot it, show its steps, give the verdict: the
# script ends here.  One processor: with two that share a thread, each waits for the
# other.
run_host() {
	limit=$1
	shift
	tap=
	[ "${STEPS_TAP:-0}" = 0 ] || tap=--tap
	trap - EXIT HUP INT TERM
	export QEMU_CPUS=1
	# shellcheck disable=SC2086 # one argument or none
	exec python3 "$top/scripts/lane/steps.py" $tap "$title" \
		"$log_dir/$title-transcript.log" \
		"$top/scripts/lane/boot.sh" "$build/$title-host.cpio.gz" "$limit" "$@"
}
