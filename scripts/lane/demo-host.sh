# shellcheck shell=sh
# Options are lists of words; what stands in single quotes is expanded in the
# guest.
# shellcheck disable=SC2086,SC2016
# SPDX-License-Identifier: GPL-2.0-only
#
# What the demo does inside the booted host: sourced by the init of
# mkinitramfs.sh, which has load_kvm and unload_kvm.  Of the QEMUs of host-lib.sh
# there are three: the source, the destination, and a destination that must
# refuse.

. /host-lib.sh

metadata='instance-id: vmport-demo'
guest_value='set by the guest before the migration'
half_value='This message was begun on one host and finished on another.'

# large VM KEY: size and checksum of a value as the guest reads it.  The tool adds
# a newline.
large() {
	guest "$1" "vmware-rpctool 'info-get $2' >/tmp/large"'; printf "%s bytes, sha256 " $(($(wc -c </tmp/large) - 1)); head -c -1 /tmp/large | sha256sum | cut -c 1-64'
}

# 60 KiB of text that is the same every time and has nothing a shell would mind.
seq 100000 | tr '\n' , | head -c 61440 >$d/userdata
userdata_sum=$(sha256sum <$d/userdata | cut -c 1-64)
head -c 65537 /dev/zero | tr '\0' x >$d/toolong

# ---------------------------------------------------------------------------

begin "a kernel without the feature: QEMU says so and does not start"
load_kvm stock
refusal=$(timeout 60 qemu-system-x86_64 -L /demo/firmware -nodefaults -display none \
	$qemu_options 2>&1)
holds "... KVM on this host does not offer the VMware guest interface ..." "$refusal" \
	"KVM on this host does not offer the VMware guest interface (KVM_CAP_X86_VMPORT)"
unload_kvm
load_kvm vmport

begin "a value past the limit: QEMU names the limit and does not start"
refusal=$(timeout 60 qemu-system-x86_64 -L /demo/firmware -nodefaults -display none $qemu_options \
	-object "vmware-guestinfo,id=gi,key=guestinfo.big,file=$d/toolong" 2>&1)
holds "... has 65537 bytes as the guest gets it: the longest value has 65536" "$refusal" \
	"has 65537 bytes as the guest gets it: the longest value has 65536"

begin "the guest boots on the source"
start_qemu source $qemu_options \
	-object "vmware-guestinfo,id=gi0,key=guestinfo.metadata,value=$metadata,readonly=on" \
	-object "vmware-guestinfo,id=gi1,key=guestinfo.userdata,file=$d/userdata"
seen=$(guest_read source 300 && guest source 'uname -s; id -u')
same "$(printf 'Linux\n0')" "$seen"

begin "vmware-checkvm finds VMware"
same "VMware software version 6 (good)" "$(guest source vmware-checkvm)"

begin "the guest reads what the host gave: guestinfo.metadata"
same "$metadata" "$(guest source 'vmware-rpctool "info-get guestinfo.metadata"')"

trace_on kvm_vmport_hb
begin "the guest reads 60 KiB that the host gave from a file: guestinfo.userdata"
same "61440 bytes, sha256 $userdata_sum" \
	"$(large source guestinfo.userdata)"

begin "the guest cannot change what the host marked read-only"
seen=$(guest source 'vmware-rpctool "info-set guestinfo.metadata x"')
same "status 1: Permission denied" "status $?: $seen"

begin "the guest sets a key of its own: guestinfo.demo"
seen=$(guest source "vmware-rpctool 'info-set guestinfo.demo $guest_value'")
same "status 0: " "status $?: $seen"

begin "the host reads the guest's key from QEMU's monitor"
same "$guest_value" "$(guestinfo source demo)"

begin "the guest sets a value of 60 KiB: guestinfo.big"
seen=$(guest source 'tr 0-9 k-t </tmp/large | head -c 61440 >/tmp/b; vmware-rpctool "info-set guestinfo.big $(cat /tmp/b)"')
same "status 0: " "status $?: $seen"
big_sum=$(tr 0-9 k-t <$d/userdata | sha256sum | cut -c 1-64)

# A reply begins with "1 ".
begin "both went over the high-bandwidth port as a block"
request="info-set guestinfo.big "
trace_off kvm_vmport_hb
same "$(printf 'receive %s bytes\nsend %s bytes' $((2 + 61440)) $((${#request} + 61440)))" \
	"$(blocks | awk '$2 >= 61440')"

begin "a program stops half way through sending a message"
guest source 'mkfifo /tmp/send.go /tmp/receive.go' >/dev/null
request="info-set guestinfo.half $half_value"
seen=$(guest source "rpc-half send /tmp/send.go '$request' >/tmp/send.out 2>&1 & echo \$! >/tmp/send.pid; until [ -s /tmp/send.out ]; do sleep 0.1; done; cat /tmp/send.out")
same "sent $((${#request} / 2 / 4 * 4)) of ${#request} bytes" "$seen"

begin "another stops half way through reading a reply"
reply="1 $guest_value"
seen=$(guest source "rpc-half receive /tmp/receive.go 'info-get guestinfo.demo' >/tmp/receive.out 2>&1 & echo \$! >/tmp/receive.pid; until [ -s /tmp/receive.out ]; do sleep 0.1; done; cat /tmp/receive.out")
same "received $((${#reply} / 2 / 4 * 4)) of ${#reply} bytes" "$seen"

# It says whether one call failed, and that the guest never stood still.
guest source '(good=0 bad=0; while :; do if vmware-rpctool "info-get guestinfo.metadata" >/dev/null; then good=$((good + 1)); else bad=$((bad + 1)); fi; echo "$good $bad" >/tmp/load.new; mv /tmp/load.new /tmp/load; done) >/dev/null 2>&1 &'

begin "a destination without the interface refuses the guest"
start_qemu refuses -accel kvm -incoming "unix:$d/refuses.socket"
qmp refuses query-status >/dev/null
ended=$(migrate source $d/refuses.socket '{status}')
ends refuses 10
holds "migration failed: ... use -machine vmware.state=on" \
	"migration $ended: $(cat $d/refuses.log)" \
	"use -machine vmware.state=on"
[ "$ended" = failed ] || fail

begin "the guest goes on at the source"
same "running, VMware software version 6 (good)" \
	"$(qmp source query-status '' '{status}'), $(guest source vmware-checkvm)"

begin "live migration to the destination"
start_qemu destination $qemu_options -incoming "unix:$d/destination.socket"
qmp destination query-status >/dev/null
before=$(guest source 'cat /tmp/load')
ended=$(migrate source $d/destination.socket \
	'{status} {downtime} ms of {total-time} ms, {ram[transferred]} bytes')
same "source: completed, destination: running" \
	"source: ${ended%% *}, destination: $(arrived destination)"
echo "  downtime: ${ended#* }"

begin "the source is gone"
quit source

begin "the half-sent message is finished and answered"
seen=$(guest destination 'kill -0 $(cat /tmp/send.pid) && echo >/tmp/send.go; while kill -0 $(cat /tmp/send.pid); do sleep 0.1; done 2>/dev/null; tail -n 1 /tmp/send.out')
same "reply [1 ]" "$seen"

begin "the half-read reply is read to its end"
seen=$(guest destination 'echo >/tmp/receive.go; while kill -0 $(cat /tmp/receive.pid); do sleep 0.1; done 2>/dev/null; tail -n 1 /tmp/receive.out')
same "reply [1 $guest_value]" "$seen"

begin "vmware-rpctool reads the host's key: guestinfo.metadata"
same "$metadata" "$(guest destination 'vmware-rpctool "info-get guestinfo.metadata"')"

begin "vmware-rpctool reads the guest's key: guestinfo.demo"
same "$guest_value" "$(guest destination 'vmware-rpctool "info-get guestinfo.demo"')"

begin "the key of the half-sent message has its whole value"
same "$half_value" "$(guest destination 'vmware-rpctool "info-get guestinfo.half"')"

begin "the guest's 60 KiB value survived"
same "61440 bytes, sha256 $big_sum" \
	"$(large destination guestinfo.big)"

begin "the host's 60 KiB value survived"
same "61440 bytes, sha256 $userdata_sum" \
	"$(large destination guestinfo.userdata)"

begin "the host's key is still read-only"
seen=$(guest destination 'vmware-rpctool "info-set guestinfo.metadata x"')
same "status 1: Permission denied" "status $?: $seen"

begin "vmware-checkvm still finds VMware"
same "VMware software version 6 (good)" "$(guest destination vmware-checkvm)"

begin "no call of the guest's load failed, before or after"
after=$(guest destination 'sleep 2; cat /tmp/load')
[ "${after% *}" -gt "${before% *}" ] && moved="more" || moved="no more"
same "0 failed, more calls after than before" "${after#* } failed, $moved calls after than before"
echo "  calls:    ${before% *} before the migration, ${after% *} now"

begin "a new host value reaches the guest at run time"
qmp destination object-add '{ "qom-type": "vmware-guestinfo", "id": "news", "key": "guestinfo.news", "value": "from the new host" }' >/dev/null
same "from the new host" "$(guest destination 'vmware-rpctool "info-get guestinfo.news"')"

begin "the destination's QEMU ends cleanly"
quit destination

all_passed
