#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# test-intel.sh [SCRIPT]: the kselftests on kvm-intel.  Boots the fetched kernel
# under Bochs, which emulates VMX, and runs there what the lane runs under QEMU;
# or SCRIPT, as scripts/lane/mkinitramfs.sh takes it.  TAP.  BOCHS_LIMIT is the time
# that it may take, in seconds.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"

script=${1:-$top/scripts/lane/lane-tests.sh}
limit=${BOCHS_LIMIT:-14400}
work=$build/intel

# What a BIOS boots: isolinux, the kernel, the initramfs.  KVM_INTEL and what begins
# with LANE go to init: Bochs 3.0 refuses the address of a posted-interrupt
# descriptor, and KVM's own xen_shinfo_test hangs it, with the stock modules too.
make_iso() {
	rm -rf "$work/iso"
	mkdir -p "$work/iso"
	cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/iso/"
	cp "$K_VMLINUZ" "$work/iso/vmlinuz"
	cp "$work/lane.cpio.gz" "$work/iso/initrd.gz"
	cat >"$work/iso/isolinux.cfg" <<-END
		default linux
		label linux
		kernel /vmlinuz
		append initrd=/initrd.gz console=ttyS0 quiet panic=-1 oops=panic random.trust_cpu=on tsc=reliable lpj=1000000 nowatchdog nmi_watchdog=0 rcupdate.rcu_cpu_stall_suppress=1 KVM_INTEL=enable_apicv=0 LANE_LIMIT=60 LANE_SKIP=xen_shinfo_test
	END
	xorriso -as mkisofs -quiet -o "$work/lane.iso" -b isolinux.bin -c boot.cat \
		-no-emul-boot -boot-load-size 4 -boot-info-table "$work/iso"
}

write_bochsrc() {
	cat >"$work/bochsrc" <<-END
		megs: 2048
		cpu: model=corei7_skylake_x, count=1, ips=50000000, reset_on_triple_fault=0
		romimage: file=/usr/share/bochs/BIOS-bochs-latest
		vgaromimage: file=/usr/share/vgabios/vgabios.bin
		ata0-master: type=cdrom, path=$work/lane.iso, status=inserted
		boot: cdrom
		com1: enabled=1, mode=file, dev=$work/serial
		clock: sync=none
		log: $work/bochs.log
		panic: action=fatal
		error: action=ignore
		info: action=ignore
		debug: action=ignore
		display_library: nogui
	END
}

# The guest switches itself off; Bochs then ends by itself, as far as its
# emulated hardware has a switch.
run_bochs() {
	rm -f "$work/serial"
	touch "$work/serial"
	setpriv --pdeathsig TERM timeout -k 5 "$limit" "$cache/bochs/bochs" -q -f "$work/bochsrc" \
		>"$work/bochs.out" 2>&1 </dev/null &
	pid=$!
	tail -n +1 -f --pid=$pid "$work/serial" &
	reader=$!
	while kill -0 $pid 2>/dev/null && ! grep -q 'reboot: Power down' "$work/serial"; do
		sleep 1
	done
	sleep 1
	if kill $pid 2>/dev/null; then
		wait $pid || true
	else
		status=0
		wait $pid || status=$?
		[ $status != 124 ] || echo "@@TIMEOUT $limit"
	fi
	wait $reader 2>/dev/null || true
	grep -q 'reboot: Power down' "$work/serial" || {
		echo "@@QEMU $(tail -n 1 "$work/bochs.log" 2>/dev/null)"
	}
}

suite() {
	start=$(date +%s)
	set_up "Bochs is there" "$top/scripts/setup/build-bochs.sh"
	set_up "the modules are there" "$top/scripts/setup/build-kvm.sh" on
	set_up "the selftests build" "$top/scripts/setup/build-selftests.sh"
	. "$kernel_env"
	set_up "the image is made" "$top/scripts/lane/mkinitramfs.sh" -o "$work/lane.cpio.gz" \
		-s "$script" -d "$build/selftests:tests"
	make_iso
	write_bochsrc
	note "booting under Bochs"
	echo "@@LANE"
	run_bochs
	note "Bochs: $(($(date +%s) - start)) s"
}

mkdir -p "$work"
ensure_packages bochsbios isolinux syslinux-common vgabios xorriso
as_tap logged "$log_dir/intel.log" suite
