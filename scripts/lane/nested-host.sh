# shellcheck shell=sh
# Options are lists of words; what stands in single quotes is expanded in the
# guest.
# shellcheck disable=SC2086,SC2016
# SPDX-License-Identifier: GPL-2.0-only
#
# What nested.sh does inside the booted host: sourced by the init of mkinitramfs.sh.
# The guest "outer" has the distribution's KVM and a QEMU that uses nothing of ours;
# in it runs the guest "inner", which finds VMware in CPUID.  The calls of inner's
# processes reach KVM here.  The high-bandwidth port there is outer's, which has none,
# so the tools must not be told of one.

. /host-lib.sh

outer_value="of the outer guest"
long_value=$(seq 1000 | tr '\n' , | head -c 3000)

# inner COMMAND: run it in the guest in the guest; no single quotes in it
inner() {
	guest outer ". /host-lib.sh; guest inner '$1'" 300
}

load_kvm vmport

begin "a guest boots that has KVM"
start_qemu outer $qemu_options,vmware.nested=on -m 768 -initrd /demo/outer.cpio.gz \
	-object "vmware-guestinfo,id=gi,key=guestinfo.outer,value=$outer_value"
seen=$(guest_read outer 300 && guest outer 'ls /dev/kvm')
same "/dev/kvm" "$seen"

# Firmware that does not look for devices.
begin "a guest boots in it"
guest outer '. /host-lib.sh; zcat /demo/guest.cpio.gz >/tmp/guest.cpio; start_qemu inner -accel kvm -cpu host,hv-relaxed,hv-vendor-id=VMwareVMware -m 192 -bios qboot.rom -kernel /demo/vmlinux -initrd /tmp/guest.cpio'
seen=$(guest outer '. /host-lib.sh; guest_read inner 300 && guest inner "uname -s; id -u"' 300)
same "$(printf 'Linux\n0')" "$seen"

begin "vmware-checkvm there finds VMware"
same "VMware software version 6 (good)" "$(inner vmware-checkvm)"

begin "vmware-rpctool there reads what the host gave the outer guest"
seen=$(inner 'vmware-rpctool "info-get guestinfo.outer"')
same "status 0: $outer_value" "status $?: $seen"

begin "it sets a value of ${#long_value} bytes"
seen=$(inner "vmware-rpctool \"info-set guestinfo.inner $long_value\"")
same "status 0: " "status $?: $seen"

begin "the host reads that value"
same "$long_value" "$(guestinfo outer inner)"

begin "so does vmware-rpctool there"
seen=$(inner 'vmware-rpctool "info-get guestinfo.inner"')
same "status 0: $long_value" "status $?: $seen"

begin "the outer guest's QEMU ends cleanly"
quit outer

all_passed
