# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs inside the guest of bench.sh, see mkinitramfs.sh: what the distribution's
# modules and its QEMU cost, then ours.  scripts/suite/bench.py reads the @@ lines.

# firmware MACHINE: the figures of bench-rom.S
firmware() {
	timeout 120 qemu-system-x86_64 -accel kvm -cpu host -M "$1" -m 16 -L /bench -nodefaults \
		-display none -bios /bench/rom.bin -debugcon file:/tmp/rom.log \
		-device isa-debug-exit,iobase=0xf4,iosize=1 </dev/null 2>&1
	cat /tmp/rom.log
}

fails() {
	echo "@@BENCH failed $*"
}

# What loading modules leaves for later has a processor of its own nowhere here.
load_kvm_and_wait() {
	load_kvm "$@" && sleep 5
}

mount -t tracefs tracefs /sys/kernel/tracing || fails "no tracefs"

if load_kvm_and_wait stock; then
	/tests/bin/vmport_bench kvm _unpatched || fails "exits of the unpatched modules"
	/tests/bin/vmport_bench vmm || fails "a VMM's answers"
	unload_kvm
fi
# Under Bochs there is none: too slow.
if [ -e /bench/rom.bin ] && load_kvm stock enable_vmware_backdoor=1; then
	firmware pc,vmport=on
	unload_kvm
fi
if load_kvm_and_wait vmport; then
	/tests/bin/vmport_bench kvm "" || fails "exits of our modules"
	/tests/bin/vmport_bench costs || fails "the costs"
	unload_kvm
fi
echo "@@BENCH done"
