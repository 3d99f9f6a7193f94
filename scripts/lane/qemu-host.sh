# shellcheck shell=sh
# Options are lists of words; what stands in single quotes is expanded in the
# guest.
# shellcheck disable=SC2086,SC2016
# SPDX-License-Identifier: GPL-2.0-only
#
# What make test-qemu does inside the booted host: sourced by the init of mkinitramfs.sh.
# A destination that differs from the source is a QEMU with other options: the kernel is
# the same.

. /host-lib.sh

program="qemu-system-x86_64 -L /demo/firmware -nodefaults -display none -S"

# refused PATTERN OPTION...: QEMU does not start, and says why
refused() {
	pattern=$1
	shift
	seen=$(timeout 30 $program "$@" 2>&1)
	status=$?
	[ $status = 1 ] || seen="status $status: $seen"
	holds "$pattern" "$seen" "$pattern"
	[ $status = 1 ] || fail
}

load_kvm vmport

# ---------------------------------------------------------------------------
# Options.

begin "a part without the interface"
refused "parts of the VMware guest interface need vmware.state=on" \
	-accel kvm -machine vmware.rpc=on

begin "a part without the one that it needs"
refused "vmware.nested=on needs vmware.ring3=on" $qemu_options,vmware.nested=on,vmware.ring3=off

begin "the interface without KVM"
refused "only KVM has the VMware guest interface: use -accel kvm" -accel tcg -machine vmware.state=on

begin "vmport=off"
refused "vmport=off contradicts vmware.state=on" $qemu_options -machine vmport=off

begin "Xen"
refused "a Xen guest has Xen's interface" -machine vmware.state=on \
	-accel kvm,xen-version=0x40011,kernel-irqchip=split

begin "the signature beside Hyper-V's"
refused "CPUID leaf 0x40000000 belongs to the Hyper-V enlightenments already" \
	$qemu_options,vmware.signature=on -cpu host,hv-relaxed

begin "a limit that KVM does not have"
refused "cannot describe the machine to KVM's VMware guest interface" \
	$qemu_options -global vmware-interface.max-keys=100000

begin "guestinfo without the interface"
refused "the VMware guest interface is off: use -machine vmware.state=on" \
	-accel kvm -object vmware-guestinfo,id=a,key=guestinfo.a,value=1

begin "guestinfo without GuestRPC"
refused "it needs a part of the VMware guest interface that is off, such as vmware.rpc" \
	$qemu_options,vmware.rpc=off,vmware.hb=off \
	-object vmware-guestinfo,id=a,key=guestinfo.a,value=1

begin "two objects with one key"
refused "there is an object with key=guestinfo.a already, 'a'" $qemu_options \
	-object vmware-guestinfo,id=a,key=guestinfo.a,value=1,readonly=on \
	-object vmware-guestinfo,id=b,key=guestinfo.a,value=2

begin "a key that no guest can read"
refused "no guest can read key=metadata: key=guestinfo.metadata?" $qemu_options \
	-object vmware-guestinfo,id=a,key=metadata,value=1

begin "a flag without a value"
refused "the other properties need a value, a file or a secret" $qemu_options \
	-object vmware-guestinfo,id=a,key=guestinfo.a,readonly=on

begin "the options of the accelerator that there were once"
refused "Property 'kvm-accel.vmware-backdoor' not found" -accel kvm,vmware-backdoor=on

begin "no machine at all: QEMU runs"
start_qemu none -M none -cpu none -accel kvm -S -initrd "" -kernel "" -append ""
