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

# ---------------------------------------------------------------------------
# A kernel without the feature.

load_kvm stock

begin "with the next accelerator behind KVM QEMU does not go on without the interface"
refused "KVM on this host does not offer the VMware guest interface" $qemu_options -accel tcg

begin "with backend=auto it goes on, and says so"
start_qemu stock $qemu_options,vmware.backend=auto \
	-object vmware-guestinfo,id=a,key=guestinfo.a,value=1
seen=$(guest_read stock 300 && guest stock 'vmware-checkvm >/dev/null 2>&1; echo "status $?"; cat /sys/class/dmi/id/product_name')
holds "... without it the guest has QEMU's own vmport, and no guestinfo" "$(cat $d/stock.log)" \
	"without it the guest has QEMU's own vmport, and no guestinfo"

begin "nothing pretends: neither to the guest"
same "$(printf 'status 1\nStandard PC (i440FX + PIIX, 1996)')" "$seen"

begin "nor to the host"
seen=$(qmp stock query-vmware-guestinfo 2>&1)
holds "... vmware.backend=auto goes without" "$seen" "vmware.backend=auto goes without"

begin "its QEMU ends cleanly"
quit stock
unload_kvm
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

begin "with vmport=off, which virt-install writes, QEMU runs and says what is missing"
seen=$(echo quit | timeout 30 $program $qemu_options -machine vmport=off -monitor stdio 2>&1)
holds "... there are no commands of QEMU's vmport" "$seen" "there are no commands of QEMU's vmport"

begin "before the machine is there the limits count that it will have"
refused "the value has 5 bytes, and vmware-interface.max-value=4" $qemu_options \
	-global vmware-interface.max-value=4 \
	-object vmware-guestinfo,id=a,key=guestinfo.a,value=abcd \
	-object vmware-guestinfo,id=b,key=guestinfo.b,value=abcde

begin "and all of them together"
refused "all objects together have 2 entries, and vmware-interface.max-keys=1" $qemu_options \
	-global vmware-interface.max-keys=1 \
	-object vmware-guestinfo,id=a,key=guestinfo.a,value=1 \
	-object vmware-guestinfo,id=b,key=guestinfo.b,value=2

begin "Xen"
refused "a Xen guest has Xen's interface" -machine vmware.state=on \
	-accel kvm,xen-version=0x40011,kernel-irqchip=split

begin "the signature beside Hyper-V's"
refused "CPUID leaf 0x40000000 belongs to the Hyper-V enlightenments already" \
	$qemu_options,vmware.signature=on -cpu host,hv-relaxed

begin "a limit that KVM does not have"
refused "cannot describe the machine to KVM's VMware guest interface" \
	$qemu_options -global vmware-interface.max-keys=100000

begin "what KVM has already turned on is not gone without"
refused "cannot describe the machine to KVM's VMware guest interface" \
	$qemu_options,vmware.backend=auto -global vmware-interface.max-keys=100000
refused "vmware-rpc objects need -machine vmware.tools=on" \
	$qemu_options,vmware.backend=auto,vmware.tools=off -object vmware-rpc,id=a,prefix=acme.

begin "guestinfo without the interface"
refused "the VMware guest interface is off: use -machine vmware.state=on" \
	-accel kvm -object vmware-guestinfo,id=a,key=guestinfo.a,value=1

begin "guestinfo without GuestRPC"
refused "it needs a part of the VMware guest interface that is off, such as vmware.rpc" \
	$qemu_options,vmware.rpc=off,vmware.hb=off,vmware.tools=off \
	-object vmware-guestinfo,id=a,key=guestinfo.a,value=1

begin "two objects with one key"
refused "there is an object with key=guestinfo.a already, 'a'" $qemu_options \
	-object vmware-guestinfo,id=a,key=guestinfo.a,value=1,readonly=on \
	-object vmware-guestinfo,id=b,key=guestinfo.a,value=2

begin "two objects with one entry"
refused "there is an object with key=guestinfo.a.encoding already, 'a'" $qemu_options \
	-object vmware-guestinfo,id=a,key=guestinfo.a,value=1,encoding=base64 \
	-object vmware-guestinfo,id=b,key=guestinfo.a.encoding,value=gzip+base64
refused "there is an object with key=guestinfo.a.encoding already, 'b'" $qemu_options \
	-object vmware-guestinfo,id=b,key=guestinfo.a.encoding,value=gzip+base64 \
	-object vmware-guestinfo,id=a,key=guestinfo.a,value=1,encoding=base64

begin "a key that no guest can read"
refused "no guest can read key=metadata: key=guestinfo.metadata?" $qemu_options \
	-object vmware-guestinfo,id=a,key=metadata,value=1

begin "a flag without a value"
refused "the other properties need a value, a file or a secret" $qemu_options \
	-object vmware-guestinfo,id=a,key=guestinfo.a,readonly=on

begin "the options of the accelerator that there were once"
refused "Property 'kvm-accel.vmware-backdoor' not found" -accel kvm,vmware-backdoor=on

begin "no machine at all: QEMU runs"
seen=$(echo quit | timeout 30 $program -M none -accel kvm -monitor stdio 2>&1)
same "status 0" "status $?"

begin "the tools' signature beside Hyper-V's: QEMU says how"
seen=$(echo quit | timeout 30 $program $qemu_options -cpu host,hv-relaxed -monitor stdio 2>&1)
holds "... add hv-vendor-id=VMwareVMware to -cpu" "$seen" "add hv-vendor-id=VMwareVMware to -cpu"

begin "before the machine is there a bad key is an error, and QEMU goes on"
seen=$( (echo '{ "execute": "qmp_capabilities" }
{ "execute": "object-add", "arguments": { "qom-type": "vmware-guestinfo", "id": "a", "key": "a b", "value": "1" } }
{ "execute": "object-add", "arguments": { "qom-type": "vmware-guestinfo", "id": "b", "key": "guestinfo.b", "value": "good" } }
{ "execute": "x-exit-preconfig" }
{ "execute": "qom-get", "arguments": { "path": "/objects/b", "property": "value" } }'; sleep 5) |
	timeout 30 $program $qemu_options -preconfig -qmp stdio 2>&1)
holds "... no guest can read key=a b ..." "$seen" "no guest can read key=a b"

begin "a good one is there when the machine is"
holds '{"return": "good"}' "$seen" '{"return": "good"}'

# ---------------------------------------------------------------------------
# Guestinfo at run time.

# add VM ID VALUE [PROPERTIES]: an object for guestinfo.ID
add() {
	qmp "$1" object-add "{ \"qom-type\": \"vmware-guestinfo\", \"id\": \"$2\", \"key\": \"guestinfo.$2\", \"value\": \"$3\"${4:+, $4} }" 2>&1
}

set_property() {
	qmp "$1" qom-set "{ \"path\": \"/objects/$2\", \"property\": \"$3\", \"value\": $4 }" 2>&1
}

# The source of all migrations below.  Its TSC is a little faster than the host's, as
# far as KVM goes without scaling.
begin "a guest boots with a TSC rate that is not the host's"
rate=$(dmesg | sed -n 's/.*tsc: .* \([0-9]*\)\.\([0-9]*\) MHz.*/\1\2/p' | tail -n 1)
rate=$((rate * 1000 + rate / 10))
start_qemu source $qemu_options -cpu host,tsc-frequency=$rate
seen=$(guest_read source 300 && guest source 'id -u')
same "0" "$seen"

begin "GETHZ and CPUID tell that rate"
rates=$(guest source rates)
same "GETHZ $((rate / 1000 * 1000)) Hz, CPUID $((rate / 1000)) kHz" "${rates%, hypercalls*}"

begin "readonly=on at run time works"
add source run value
set_property source run readonly true
seen=$(guest source 'vmware-rpctool "info-set guestinfo.run x"')
same "status 1: Permission denied" "status $?: $seen"

begin "a new value keeps it"
set_property source run value '"another"'
seen=$(guest source 'vmware-rpctool "info-get guestinfo.run"; vmware-rpctool "info-set guestinfo.run x"')
same "$(printf 'another\nPermission denied')" "$seen"

begin "a second object cannot take it away"
seen=$(qmp source object-add '{ "qom-type": "vmware-guestinfo", "id": "two", "key": "guestinfo.run", "value": "2" }' 2>&1)
holds "... key=guestinfo.run already, 'run'" "$seen" "key=guestinfo.run already, 'run'"

begin "an object takes its entry with it"
qmp source object-del '{ "id": "run" }'
seen=$(guest source 'vmware-rpctool "info-get guestinfo.run"')
same "status 1: No value found" "status $?: $seen"

begin "its QEMU can have it once more"
add source run again
same "again" "$(guest source 'vmware-rpctool "info-get guestinfo.run"')"

begin "a wipeable entry becomes empty, and stays read-only"
add source wipe secret '"readonly": true, "wipeable": true'
seen=$(guest source 'vmware-rpctool "info-set guestinfo.wipe x"')
same "status 0: , then '', readonly true" \
	"status $?: $seen, then '$(guestinfo source wipe 2>/dev/null)', readonly $(qmp source qom-get '{ "path": "/objects/wipe", "property": "readonly" }')"

begin "a value in base64 says so"
add source text hello '"encoding": "base64"'
same "$(printf 'aGVsbG8=\nbase64')" \
	"$(guest source 'vmware-rpctool "info-get guestinfo.text"; vmware-rpctool "info-get guestinfo.text.encoding"')"

begin "the host hears that the guest has set an entry"
sequence=$(qmp source query-vmware-guestinfo '{ "values": false }' '{sequence}')
guest source 'vmware-rpctool "info-set guestinfo.news of the guest"' >/dev/null
same "change $((sequence + 1))" \
	"$(event source VMWARE_GUESTINFO_CHANGED "{ \"sequence\": $((sequence + 1)) }" 'change {sequence}' 20)"

begin "it asks what is new"
same "guestinfo.news: of the guest" \
	"$(qmp source query-vmware-guestinfo "{ \"since\": $sequence }" '{entries[0][key]}: {entries[0][value]}')"

begin "the host changes several entries, and what they are, in one step"
qmp source vmware-guestinfo-set '{ "changes": [
	{ "key": "guestinfo.news", "delete": true },
	{ "key": "guestinfo.run", "value": "Ym90aA==", "base64": true, "readonly": true } ] }'
seen=$(guest source 'vmware-rpctool "info-get guestinfo.news"; vmware-rpctool "info-get guestinfo.run"; vmware-rpctool "info-set guestinfo.run x"')
same "$(printf 'No value found\nboth\nPermission denied')" "$seen"

begin "or none of them"
seen=$(qmp source vmware-guestinfo-set '{ "changes": [
	{ "key": "guestinfo.run", "value": "one" },
	{ "key": "guestinfo.gone", "delete": true } ] }' 2>&1)
same "qmp: source.qmp: vmware-guestinfo-set: nothing was changed, because of 'guestinfo.gone': there is no entry
both" "$(echo "$seen"; guest source 'vmware-rpctool "info-get guestinfo.run"')"

begin "a NUL, which JSON can have, needs base64"
seen=$(qmp source vmware-guestinfo-set '{ "changes": [ { "key": "guestinfo.run", "value": "a\u0000b" } ] }' 2>&1
	qmp source vmware-guestinfo-set '{ "changes": [ { "key": "guestinfo.\u0000", "value": "a" } ] }' 2>&1
	qmp source vmware-tclo-request '{ "request": "a\u0000b" }' 2>&1
	set_property source text value '"a\u0000b"')
same "qmp: source.qmp: vmware-guestinfo-set: 'guestinfo.run': the value has a NUL in it: use base64
qmp: source.qmp: vmware-guestinfo-set: a key has a NUL in it
qmp: source.qmp: vmware-tclo-request: the request or its name has a NUL in it
qmp: source.qmp: qom-set: the value has a NUL in it" "$seen"

begin "what the guest has cannot be turned off"
same "qmp: source.qmp: qom-set: the guest has its VMware guest interface already" \
	"$(qmp source qom-set '{ "path": "/machine", "property": "vmware", "value": { "state": false } }' 2>&1)"

# ---------------------------------------------------------------------------
# Migrations that are refused.  RAM would take minutes at this rate; the guest sends
# messages all the time.

guest source '(good=0; bad=0; while [ ! -e /tmp/stop ]; do if vmware-rpctool "info-set guestinfo.count $((good + bad + 1))"; then good=$((good + 1)); else bad=$((bad + 1)); fi; done >/dev/null 2>&1; echo "$good good, $bad bad" >/tmp/counted) >/dev/null 2>&1 &' >/dev/null
slow='{ "max-bandwidth": 65536 }'
fast='{ "max-bandwidth": 134217728 }'
refusals=0

# forget VM: a QEMU that has gone, so that another can have its name
forget() {
	rm -f $d/$1.*
}

# refuses SOURCE NAME PATTERN OPTION...: twice, without return path and with one
refuses() {
	from=$1
	refusal=$2
	pattern=$3
	shift 3
	for path in none return-path; do
		begin "a destination with $refusal refuses; return path: $path"
		start_qemu refused "$@" -incoming "unix:$d/refused.socket"
		qmp refused query-status >/dev/null
		[ $path = none ] && on=false || on=true
		qmp $from migrate-set-capabilities "{ \"capabilities\": [ { \"capability\": \"return-path\", \"state\": $on } ] }"
		start=$(date +%s)
		ended=$(migrate $from $d/refused.socket '{status}')
		lasted=$(($(date +%s) - start))
		ends refused 10
		seen=$(head -n 1 $d/refused.log)
		holds "... $pattern" "$seen" "$pattern"
		forget refused
		ended="$ended, the source is $(qmp $from query-status '' '{status}')"
		echo "  and:      $ended, $lasted s"
		[ "$ended" = "failed, the source is running" ] || fail
		[ $lasted -lt 20 ] || fail
		refusals=$((refusals + 1))
	done
}

qmp source migrate-set-parameters "$slow"
refuses source "the interface off" "use -machine vmware.state=on" -accel kvm
refuses source "a part less" "start QEMU here with -machine vmware.hb=on" $qemu_options,vmware.hb=off
refuses source "no hypercalls" "start QEMU here with -machine vmware.hypercall=on" \
	$qemu_options,vmware.hypercall=off
refuses source "a part more" "start QEMU here with -machine vmware.nested=off" \
	$qemu_options,vmware.nested=on
refuses source "two parts that differ" \
	"start QEMU here with -machine vmware.pmc=on -machine vmware.stealclock=off" \
	$qemu_options,vmware.pmc=off,vmware.stealclock=on
refuses source "another version" "start QEMU here with -machine vmware.hw-version=17" \
	$qemu_options,vmware.hw-version=13
refuses source "another signature" "start QEMU here with -machine vmware.signature=on" \
	$qemu_options,vmware.signature=off
refuses source "other DMI tables" "start QEMU here with -machine vmware.smbios=on" \
	$qemu_options,vmware.smbios=off
refuses source "another UUID" "start QEMU here with -uuid $uuid" \
	$qemu_options -uuid 99999999-2233-4455-6677-8899aabbccdd
refuses source "another limit" "start QEMU here with -global vmware-interface.max-keys=4096" \
	$qemu_options -global vmware-interface.max-keys=100

begin "a destination with a CPUID leaf less refuses"
start_qemu leaf $qemu_options,vmware.hypercall=off -cpu host,tsc-frequency=$rate -S
qmp leaf query-status >/dev/null
start_qemu refused $qemu_options,vmware.hypercall=off -incoming "unix:$d/refused.socket"
qmp refused query-status >/dev/null
ended=$(migrate leaf $d/refused.socket '{status}')
ends refused 10
holds "failed: ... the guest was promised a CPUID leaf 0x40000010: use the source's -cpu" \
	"$ended: $(cat $d/refused.log)" \
	"the guest was promised a CPUID leaf 0x40000010: use the source's -cpu"
[ "$ended" = failed ] || fail
forget refused

begin "its source ends cleanly"
quit leaf

begin "after all of them the guest runs"
same "20 refused, running" "$refusals refused, $(qmp source query-status '' '{status}')"

# ---------------------------------------------------------------------------
# One that is not refused.

begin "a destination with the host's TSC rate says who has the guest"
qmp source migrate-set-parameters "$fast"
start_qemu destination $qemu_options -incoming "unix:$d/destination.socket"
coming="the guest has not come yet: ask its source"
seen=$(qmp destination vmware-guestinfo-set '{ "changes": [ { "key": "guestinfo.early", "value": "x" } ] }' 2>&1
	qmp destination vmware-tclo-request '{ "request": "ping" }' 2>&1
	add destination early x)
same "$(for i in vmware-guestinfo-set vmware-tclo-request object-add; do
	echo "qmp: destination.qmp: $i: $coming"
done)" "$seen"

begin "an object that has set nothing can be deleted there"
qmp destination object-add '{ "qom-type": "vmware-guestinfo", "id": "early", "key": "guestinfo.early" }'
same "" "$(qmp destination object-del '{ "id": "early" }' 2>&1)"

begin "it takes the guest"
pending=$(qmp source vmware-tclo-request '{ "request": "ping", "timeout": 600 }' '{id}')
ended=$(migrate source $d/destination.socket '{status}')
same "completed, running" "$ended, $(arrived destination)"

begin "its host hears that all guestinfo may be new"
same "change" "$(event destination VMWARE_GUESTINFO_CHANGED '' 'change' 20)"

begin "GETHZ and CPUID tell what they told at the source"
same "$rates" "$(guest destination rates)"

begin "all messages were counted"
guest destination 'sleep 1; touch /tmp/stop' >/dev/null
seen=$(guest destination 'until [ -s /tmp/counted ]; do sleep 0.1; done; cat /tmp/counted')
same "$(guestinfo destination count) good, 0 bad" "$seen"

begin "what the source's objects made is there, and read-only where it was"
seen=$(guest destination 'vmware-rpctool "info-get guestinfo.run"; vmware-rpctool "info-set guestinfo.run x"; vmware-rpctool "info-get guestinfo.text.encoding"')
same "$(printf 'both\nPermission denied\nbase64')" "$seen"

begin "a source whose guest has gone takes no request and no change, which nobody would see"
gone="the guest has migrated: ask its destination"
seen=$(qmp source vmware-tclo-request '{ "request": "ping" }' 2>&1
	qmp source vmware-tclo-cancel '{ "id": 1 }' 2>&1
	qmp source vmware-guestinfo-set '{ "changes": [ { "key": "guestinfo.late", "value": "x" } ] }' 2>&1
	qmp source vmware-tools-power '{ "operation": "shutdown" }' 2>&1
	qmp source vmware-snapshot-freeze 2>&1
	qmp source vmware-snapshot-thaw 2>&1
	set_property source text value '"x"'
	set_property source text readonly true
	add source late x
	qmp source object-del '{ "id": "text" }' 2>&1)
same "$(for i in vmware-tclo-request vmware-tclo-cancel vmware-guestinfo-set vmware-tools-power \
	vmware-snapshot-freeze vmware-snapshot-thaw qom-set qom-set object-add; do
	echo "qmp: source.qmp: $i: $gone"
done)
qmp: source.qmp: object-del: object 'text' is in use, can not be deleted" "$seen"

begin "a reset there tells nothing of the request that the destination has"
qmp source set-action '{ "reboot": "reset" }'
qmp source system_reset
event source RESET '' reset 20 >/dev/null
same "prelaunch, 0 at the source, 1 at the destination" "$(qmp source query-status '' '{status}'), $(
	)$(grep -c VMWARE_TCLO_RESULT $d/source.qmp.events) at the source, $(
	)$(qmp destination vmware-tclo-cancel "{ \"id\": $pending }" >/dev/null && echo 1) at the destination"

begin "the source's QEMU ends cleanly"
quit source

# ---------------------------------------------------------------------------
# A guest that was promised nothing.

begin "a guest without the interface boots"
start_qemu plain -accel kvm
seen=$(guest_read plain 300 && guest plain 'id -u')
same "0" "$seen"

qmp plain migrate-set-parameters "$slow"
refuses plain "the interface on" "start QEMU here with -machine vmware.state=off" $qemu_options

begin "its QEMU ends cleanly"
quit plain

begin "so does the destination's"
quit destination

# ---------------------------------------------------------------------------
# Two versions of QEMU, with a machine type that both have.

# version VM: of its QEMU
version() {
	qmp "$1" query-version '' '{qemu[major]}.{qemu[minor]}'
}

# count_messages VM: the guest sends messages until stop_messages, which prints how many
count_messages() {
	guest "$1" 'rm -f /tmp/stop /tmp/counted; (good=0; bad=0; while [ ! -e /tmp/stop ]; do if vmware-rpctool "info-set guestinfo.count $((good + bad + 1))"; then good=$((good + 1)); else bad=$((bad + 1)); fi; done >/dev/null 2>&1; echo "$good good, $bad bad" >/tmp/counted) >/dev/null 2>&1 &' >/dev/null
}

stop_messages() {
	guest "$1" 'sleep 1; touch /tmp/stop; until [ -s /tmp/counted ]; do sleep 0.1; done; cat /tmp/counted'
}

# moves SOURCE DESTINATION: what was said and set before is there, and messages go on
moves() {
	begin "a guest of QEMU $(version "$1") goes to QEMU $(version "$2")"
	count_messages "$1"
	waits=$(qmp "$1" vmware-tclo-request '{ "request": "ping", "name": "nobody" }' '{id}')
	ended=$(migrate "$1" $d/$2.socket '{status}')
	same "completed, running" "$ended, $(arrived "$2")"

	begin "no message was lost"
	seen=$(stop_messages "$2")
	same "$(qmp "$2" query-vmware-guestinfo '{ "prefix": "guestinfo.count" }' '{entries[0][value]}') good, 0 bad" "$seen"

	begin "what the host had set is there, and read-only"
	seen=$(guest "$2" 'vmware-rpctool "info-get guestinfo.both"; vmware-rpctool "info-set guestinfo.both x"')
	same "$(printf 'versions\nPermission denied')" "$seen"

	begin "the host's request waits for the guest's tools"
	holds "... \"id\": $waits ..." "$(qmp "$2" query-vmware-tclo-requests)" "\"id\": $waits"

	begin "the source's QEMU ends cleanly"
	quit "$1"
	forget "$1"
}

if [ -e /bin/qemu-other ]; then
	both="$qemu_options -machine pc-q35-10.0"
	begin "a guest with a machine type of both QEMUs boots"
	start_qemu here $both -object vmware-guestinfo,id=a,key=guestinfo.both,value=versions,readonly=on
	seen=$(guest_read here 300 && guest here 'id -u')
	same "0" "$seen"

	# shellcheck disable=SC2034 # start_qemu's
	qemu_program=qemu-other
	start_qemu there $both -incoming "unix:$d/there.socket"
	unset qemu_program
	moves here there
	start_qemu here $both -incoming "unix:$d/here.socket"
	moves there here

	begin "so does the first one's"
	quit here
fi

# ---------------------------------------------------------------------------
# A stream that says what no QEMU does.

# takes STREAM: what a QEMU says of it, and then of its guest's tools
takes() {
	start_qemu hostile $qemu_options -S -incoming defer
	qmp hostile migrate-incoming "{ \"uri\": \"file:$1\", \"exit-on-error\": false }"
	ended=$(monitor hostile ended '{status}')
	echo "$ended, $(qmp hostile query-vmware-tools '' '{state}, {snapshot}' 2>&1)"
	qmp hostile quit >/dev/null
	ends hostile 20 || kill -9 "$(cat $d/hostile.pid)"
	forget hostile
}

begin "a guest is saved into a file"
start_qemu saved $qemu_options -S
qmp saved migrate "{ \"uri\": \"file:$d/saved.stream\" }"
seen=$(monitor saved ended '{status}')
qmp saved quit >/dev/null
ends saved 20
same "completed; completed, not-running, idle" "$seen; $(takes $d/saved.stream)"

begin "states of the tools that there are none of are refused, and not kept"
same "$(for field in state power snapshot; do
	echo "$field: failed, not-running, idle"
done)" "$(for field in state power snapshot; do
	python3 -I -S /bin/hostile-stream.py $d/saved.stream $d/hostile.stream $field
	echo "$field: $(takes $d/hostile.stream)"
done)"
rm $d/*.stream

# ---------------------------------------------------------------------------
# Snapshots, in the file in which QEMU keeps what is written to the disk.

hmp() {
	qmp "$1" human-monitor-command "{ \"command-line\": \"$2\" }"
}

begin "a guest boots that has a disk for snapshots"
head -c 1048576 /dev/zero >$d/disk
start_qemu shot $qemu_options -drive file=$d/disk,format=raw,if=virtio,snapshot=on
seen=$(guest_read shot 300 && guest shot 'vmware-rpctool "info-set guestinfo.when before"')
same "status 0: " "status $?: $seen"

begin "a snapshot is made"
same "" "$(hmp shot 'savevm one' | tr -d '\r\n')"

begin "the guest goes on, and a request waits for its tools"
guest shot 'vmware-rpctool "info-set guestinfo.when after"' >/dev/null
first=$(qmp shot vmware-tclo-request '{ "request": "ping" }' '{id}')
same "after, request 1" "$(guestinfo shot when), request $first"

begin "the snapshot is loaded: the host hears that the request is lost"
same "" "$(hmp shot 'loadvm one' | tr -d '\r\n')"
same "answered false: " \
	"$(event shot VMWARE_TCLO_RESULT "{ \"id\": $first }" 'answered {answered}: {result}' 20)"

begin "the guest is as it was"
same "before" "$(guest shot 'vmware-rpctool "info-get guestinfo.when"')"

begin "the next request has another number"
second=$(qmp shot vmware-tclo-request '{ "request": "ping" }' '{id}')
[ "$second" -gt "$first" ] && seen="larger" || seen="$second after $first"
same "larger" "$seen"

begin "the snapshots' QEMU ends cleanly"
quit shot

# job VM COMMAND ARGUMENTS: "done", or what else QEMU says
job() {
	job_of=$1
	qmp $job_of "$2" "{ \"job-id\": \"job\", $3 }" 2>&1
	event $job_of JOB_STATUS_CHANGE '{ "id": "job", "status": "concluded" }' '' 60 >/dev/null
	jobs=$(qmp $job_of query-jobs)
	case $jobs in
	*error*) echo "$jobs" ;;
	*concluded*) echo "done" ;;
	*) echo "no job: $jobs" ;;
	esac
	qmp $job_of job-dismiss '{ "id": "job" }' 2>&1
	# The next one has the same name.
	: >$d/$job_of.qmp.events
}

# file VM, disk VM: the file for snapshots as the node "file", and "disk" in it
file() {
	qmp $1 blockdev-add "{ \"driver\": \"file\", \"node-name\": \"file\", \"filename\": \"$d/disk\" }"
}

disk() {
	qmp $1 blockdev-add '{ "driver": "qcow2", "node-name": "disk", "file": "file" }'
}

snapshot='"tag": "rate", "vmstate": "disk", "devices": [ "disk" ]'
begin "a guest with another TSC rate is saved in a snapshot"
: >$d/disk
start_qemu faster $qemu_options -cpu host,tsc-frequency=$rate
file faster
seen=$(job faster blockdev-create \
	'"options": { "driver": "qcow2", "file": "file", "size": 1048576 }')
disk faster
sleep 3
seen="made: $seen, saved: $(job faster snapshot-save "$snapshot")"
qmp faster quit >/dev/null
ends faster 20
same "made: done, saved: done" "$seen"

begin "a QEMU that runs with the host's rate loads it, and says what the guest sees"
start_qemu slower $qemu_options
file slower
disk slower
sleep 3
seen="$(job slower snapshot-load "$snapshot"), $(qmp slower query-status '' '{status}'), $(
	grep -c 'was promised a TSC rate of [0-9]* kHz in CPUID leaf 0x40000010' $d/slower.log)"
same "done, running, 1" "$seen"

begin "its QEMU ends cleanly, too"
quit slower

all_passed
