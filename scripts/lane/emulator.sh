# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What emulates the hosts in which our tests and whole guests run, the same on every
# distribution: the built QEMU, for the faults of TCG that vmm/qemu-tcg mends.  Debian 12's
# has no breakpoints in guests, Debian 13's dies of one in real mode, and both deliver
# interrupts to guests twice, so that guests come to hang.  Sourced, after lib.sh.

firmware=$build/demo-firmware

# The firmware is the distribution's: the source package has none.  No file is away for a
# moment: another suite may start QEMU now.
gather_firmware() {
	mkdir -p "$firmware"
	for file in bios-256k.bin kvmvapic.bin linuxboot_dma.bin qboot.rom; do
		for place in /usr/share/seabios /usr/share/qemu; do
			[ ! -f "$place/$file" ] || {
				cp -L "$place/$file" "$firmware/.$file.$$" &&
					mv "$firmware/.$file.$$" "$firmware/$file" || return 1
			}
		done
		[ -f "$firmware/$file" ] || {
			echo "no $file in the packages seabios and qemu-system-data"
			return 1
		}
	done
}

# get_emulator: build it, and have boot.sh take it
get_emulator() {
	"$top/scripts/setup/fetch-qemu.sh" || return 1
	QEMU_SANITIZERS='' "$top/scripts/setup/build-qemu.sh" || return 1
	ensure_packages qemu-system-data seabios
	step "gathering the firmware" gather_firmware
	EMULATOR="$(readlink -f "$build/qemu-system-x86_64") -L $firmware"
	export EMULATOR
}

# need_emulator: the same, where boot.sh has to emulate
need_emulator() {
	nested_virtualisation || get_emulator
}
