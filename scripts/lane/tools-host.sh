# shellcheck shell=sh
# Options are lists of words; what stands in single quotes is expanded in the
# guest.
# shellcheck disable=SC2086,SC2016
# SPDX-License-Identifier: GPL-2.0-only
#
# What make test-tools does inside the booted host: sourced by the init of
# mkinitramfs.sh.  QEMU and the distribution's open-vm-tools: what the tools report,
# requests to them, power states, snapshots of a guest that they hold still; objects that
# configure a guest.

. /host-lib.sh

address=192.0.2.10
mac=02:00:00:00:00:01

# forget_events: those that have come until now are not waited for any more
forget_events() {
	: >$d/tools.qmp.events
}

# tool COMMAND [ARGUMENTS [FORMAT]]: of the one QEMU, and its errors too
tool() {
	qmp tools "$@" 2>&1
}

# until_seen EXPECTED SECONDS COMMAND...: run it until it prints that
until_seen() {
	wanted=$1
	tries=$2
	shift 2
	seen=$("$@")
	while [ "$seen" != "$wanted" ] && [ $tries -gt 0 ]; do
		sleep 1
		tries=$((tries - 1))
		seen=$("$@")
	done
	same "$wanted" "$seen"
}

# what PYTHON: an expression of i, what the tools have reported
what() {
	qmp tools query-vmware-tools >$d/info &&
		python3 -I -S -c 'import json, sys; i = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' $d/info "$1" 2>&1 | tail -n 1
}

# snapshot STATE: wait for it; prints the error that came with it
snapshot() {
	event tools VMWARE_SNAPSHOT_STATE "{ \"state\": \"$1\" }" '{state}' 120 >/dev/null || return
	event tools VMWARE_SNAPSHOT_STATE "{ \"state\": \"$1\" }" '{error}' 1 2>/dev/null ||
		echo "no error"
}

# count: how far the writer in the guest has come
count() {
	guest tools 'cat /tmp/count'
}

# stands_still: the writer does not write
stands_still() {
	first=$(count)
	sleep 3
	same "$first" "$(count)"
}

# goes_on: the writer writes again
goes_on() {
	from=$(count)
	tries=60
	while [ "$(count)" = "$from" ] && [ $tries -gt 0 ]; do
		sleep 1
		tries=$((tries - 1))
	done
	[ "$(count)" != "$from" ] && seen="writes" || seen="stands at $from"
	same "writes" "$seen"
}

# data_writes BYTES: so many a second can be written to the second disk; 0 is no limit
data_writes() {
	tool block_set_io_throttle "{ \"device\": \"data\", \"bps\": 0, \"bps_rd\": 0, \"bps_wr\": $1, \"iops\": 0, \"iops_rd\": 0, \"iops_wr\": 0 }"
}

# freezes SECONDS: as soon as the tools have ended what they do
freezes() {
	tries=$1
	seen=
	while [ "$seen" != frozen ] && [ $tries -gt 0 ]; do
		tool vmware-snapshot-freeze '{ "timeout": 300, "scripts": false }'
		seen=freezing
		while [ "$seen" = freezing ]; do
			sleep 1
			tries=$((tries - 1))
			seen=$(what 'i["snapshot"]')
		done
	done
	same "frozen" "$seen"
}

# tools_get SIGNAL
tools_get() {
	guest tools "kill -$1 \$(cat /run/vmtoolsd.pid)" >/dev/null
}

# committed: what a program of the guest hears that says the guest is frozen
committed() {
	guest tools 'seen=$(vmware-rpctool "vmbackup.eventSet prov.snapshotCommit 0 " 2>&1); echo "status $?: $seen"'
}

# needs_recovery FILE: ext4 says so of a file system whose journal is in use
needs_recovery() {
	flags=$(od -An -tu1 -j 1120 -N 1 "$1")
	[ $((flags & 4)) = 0 ] && echo no || echo yes
}

echo "instance-id: one" >$d/metadata
echo "#cloud-config" >$d/userdata
load_kvm vmport

begin "Debian boots, with a second disk"
start_qemu tools $qemu_options -global vmware-interface.heartbeat=10 -m 320 \
	-initrd /demo/disk.cpio.gz \
	-drive file=/dev/vda,format=raw,if=virtio,snapshot=on \
	-drive file=/demo/data.ext4,format=raw,if=virtio,snapshot=on,id=data \
	-object vmware-cloud-init,id=cloud,metadata=$d/metadata,userdata=$d/userdata,wipeable=on \
	-object 'vmware-ovf-env,id=ovf,property=host=web1,property=text=a "b" <c> & d' \
	-action shutdown=pause
seen=$(guest_read tools 300 && guest tools 'mkdir /data && mount /dev/vdb /data && id -u')
same "0" "$seen"

# ---------------------------------------------------------------------------
# What objects give the guest.

begin "an object gives cloud-init its files"
same "instance-id: one #cloud-config gzip+base64" \
	"$(guest tools 'for i in metadata userdata; do vmware-rpctool "info-get guestinfo.$i" | base64 -d | gzip -dc; done; vmware-rpctool "info-get guestinfo.userdata.encoding"' | tr '\n' ' ' | sed 's/ $//')"

begin "the guest can wipe them, and not change them"
guest tools 'vmware-rpctool "info-set guestinfo.userdata x"' >/dev/null
same "''" "$(guest tools "echo \"'\$(vmware-rpctool 'info-get guestinfo.userdata')'\"")"

begin "another makes an OVF environment"
guest tools 'vmware-rpctool "info-get guestinfo.ovfEnv"' >$d/ovf
same '<Property oe:key="host" oe:value="web1"/><Property oe:key="text" oe:value="a &quot;b&quot; &lt;c&gt; &amp; d"/>' \
	"$(grep -o '<Property .*' $d/ovf | tr -d '\n')"

begin "they take their entries along"
tool object-del '{ "id": "cloud" }'
same "No value found" "$(guest tools 'vmware-rpctool "info-get guestinfo.metadata" 2>&1')"

# ---------------------------------------------------------------------------
# Without the tools.

begin "the tools do not run: QEMU says so"
same "not-running" "$(what 'i["state"]')"

begin "and neither shuts down"
holds "... VMware tools do not run" "$(tool vmware-tools-power '{ "operation": "shutdown" }')" \
	"VMware tools do not run"

begin "nor freezes"
holds "... VMware tools do not run" "$(tool vmware-snapshot-freeze)" "VMware tools do not run"

begin "a report of another program does not change that"
guest tools 'vmware-rpctool "SetGuestInfo  1 liar"' >/dev/null
same "liar, not-running" "$(what 'i["host-name"]'), $(what 'i["state"]')"

# ---------------------------------------------------------------------------
# What the tools report.

scripts=/etc/vmware-tools/backupScripts.d
guest tools "ln -sf /proc/self/mounts /etc/mtab; hostname tester" >/dev/null
guest tools "ip link add net0 type dummy; ip link set net0 address $mac; ip addr add $address/24 dev net0; ip link set net0 up" >/dev/null
guest tools "mkdir -p $scripts; echo '#!/bin/sh' >$scripts/mark; echo 'echo \$1 >/data/mark' >>$scripts/mark; chmod 755 $scripts/mark" >/dev/null

begin "the tools start: an event says so"
guest tools 'vmtoolsd --background=/run/vmtoolsd.pid' >/dev/null
same "running" "$(event tools VMWARE_TOOLS_STATE '{ "state": "running" }' '{state}' 120)"

begin "the host hears of the network"
until_seen "True" 120 what "'network' in i"

begin "with the address of the interface"
same "$address/24" "$(what "[a['address'] + '/' + str(a['prefix']) for n in i['network']['nics'] if n['mac'] == '$mac' for a in n['addresses'] if ':' not in a['address']][0]")"

begin "it knows the guest's name, and no longer the one that another program has set"
same "tester" "$(what "i['host-name']")"

begin "and its system"
same "True, True" "$(what "i['os-name'].startswith('debian')"), $(what "'Debian' in i['os-full-name'] and 'Linux' in i['os-details']")"

begin "and its file systems"
same "['/', '/data']" "$(what "sorted(d['name'] for d in i['disks'])")"

begin "and how much room they have"
same "$(guest tools 'df -B 1 --output=size /data | tail -n 1 | tr -d " "')" "$(what "[d['total'] for d in i['disks'] if d['name'] == '/data'][0]")"

begin "the tools tell their version when they are asked to"
until_seen "True" 60 what "'version' in i"

begin "and who made them"
same "4, True" "$(what "i['type']"), $(what "i['version'] > 10000")"

begin "and what they can do"
same "True" "$(what "{'statechange', 'softpowerop_retry'} <= {c['name'] for c in i['capabilities']}")"

begin "and for how long the guest is up"
same "True" "$(what "0 < i['uptime'] < 100 * 3600")"

begin "people see it in the human monitor"
tool human-monitor-command '{ "command-line": "info vmware-tools" }' | tr -d '\r' >$d/said
sed 's/^/  monitor:  /' $d/said
same "host name: tester, interface $mac $address/24" \
	"$(grep '^host name' $d/said), $(grep -o "^interface $mac $address/24" $d/said)"

begin "they set an entry there"
tool human-monitor-command '{ "command-line": "vmware_guestinfo_set guestinfo.hmp \"by hand\"" }' >/dev/null
same "by hand" "$(guest tools 'vmware-rpctool "info-get guestinfo.hmp"')"

begin "and see entries"
tool human-monitor-command '{ "command-line": "info vmware-guestinfo guestinfo.hmp" }' | tr -d '\r' >$d/said
same "guestinfo.hmp (7 bytes): by hand" "$(cat $d/said)"

begin "a malformed report is refused"
seen=$(guest tools 'for i in "9 garbage" "10 " "11 short" "7 soon" "3 "; do vmware-rpctool "SetGuestInfo  $i"; done; vmware-rpctool "SetGuestDiskInfo {"; vmware-rpctool "tools.capability."; vmware-rpctool "SetGuestInfo  x"')
same "$(for i in 1 2 3 4 5 6 7 8; do echo Malformed; done)" "$seen"

begin "and changes nothing"
same "tester, True" "$(what "i['host-name']"), $(what "'network' in i and len(i['disks']) == 2")"

begin "a line for the log is kept, without what a terminal would obey"
guest tools 'vmware-rpctool "$(printf "log it \033[31mruns")"' >/dev/null
same "it  [31mruns" "$(what "i['log'][-1]")"

begin "what the host does not know gets the reply that it got before"
same "status 1: Unknown command" "$(guest tools 'seen=$(vmware-rpctool "vmx.capability.something" 2>&1); echo "status $?: $seen"')"

# ---------------------------------------------------------------------------
# Requests.

begin "a request with a timeout is answered in time"
id=$(tool vmware-tclo-request '{ "request": "ping", "timeout": 60 }' '{id}')
same "answered: OK " "$(event tools VMWARE_TCLO_RESULT "{ \"id\": $id }" '{status}: {result}' 60)"

begin "one for a program that does not run waits: the list shows it"
id=$(tool vmware-tclo-request '{ "request": "ping", "name": "toolbox-dnd" }' '{id}')
tool query-vmware-tclo-requests >$d/requests
same "1: $id toolbox-dnd queued" \
	"$(python3 -I -S -c 'import json; l = json.load(open("/tmp/demo/requests")); print("%u: %u %s %s" % (len(l), l[0]["id"], l[0]["name"], l[0]["status"]))')"

begin "it can be cancelled"
tool vmware-tclo-cancel "{ \"id\": $id }"
same "cancelled" "$(event tools VMWARE_TCLO_RESULT "{ \"id\": $id }" '{status}' 20)"

begin "once"
holds "... there is no request $id" "$(tool vmware-tclo-cancel "{ \"id\": $id }")" "there is no request $id"

begin "one with a timeout ends by itself"
id=$(tool vmware-tclo-request '{ "request": "ping", "name": "toolbox-dnd", "timeout": 2 }' '{id}')
same "false timeout" "$(event tools VMWARE_TCLO_RESULT "{ \"id\": $id }" '{answered} {status}' 60)"

begin "a client has room for 12, and QEMU keeps the rest"
i=0
while [ $i -lt 12 ]; do
	tool vmware-tclo-request '{ "request": "ping", "name": "nobody", "timeout": 600 }' '{id}' >>$d/ids
	i=$((i + 1))
done
holds "... 12 requests to the guest's VMware tools have no result yet" \
	"$(tool vmware-tclo-request '{ "request": "ping" }')" "12 requests to the guest's VMware tools have no result yet"
while read -r id; do
	tool vmware-tclo-cancel "{ \"id\": $id }"
done <$d/ids

begin "tools that stand still do not respond: an event says so"
tools_get STOP
same "not-responding" "$(event tools VMWARE_TOOLS_STATE '{ "state": "not-responding" }' '{state}' 120)"

begin "and that they run again"
forget_events
tools_get CONT
same "running" "$(event tools VMWARE_TOOLS_STATE '{ "state": "running" }' '{state}' 120)"

# ---------------------------------------------------------------------------
# Snapshots.  A program in the guest writes all the time, a number into a new file that
# then takes the place of the old one.

guest tools '(n=0; while :; do n=$((n + 1)); echo $n >/data/new; mv /data/new /data/number; echo $n >/tmp/count; done) >/dev/null 2>&1 &' >/dev/null

begin "a program in the guest writes"
goes_on

begin "the guest freezes"
forget_events
tool vmware-snapshot-freeze '{ "timeout": 300 }'
same "no error" "$(snapshot frozen)"

begin "the program stands still"
stands_still

begin "it is frozen already"
holds "... the guest is frozen already" "$(tool vmware-snapshot-freeze)" "the guest is frozen already"

begin "the state of the machine is saved, and a backup of its disk is begun"
tool human-monitor-command '{ "command-line": "savevm frozen" }' | tr -d '\r\n' >$d/said
truncate -s 32M $d/copy
tool blockdev-add "{ \"driver\": \"raw\", \"node-name\": \"copy\", \"file\": { \"driver\": \"file\", \"filename\": \"$d/copy\" } }" >>$d/said
tool blockdev-backup '{ "device": "data", "target": "copy", "sync": "full" }' >>$d/said
same "" "$(cat $d/said)"

begin "the guest thaws"
tool vmware-snapshot-thaw
same "no error" "$(snapshot idle)"

begin "the program goes on"
goes_on

begin "the backup ends"
same "data" "$(event tools BLOCK_JOB_COMPLETED '' '{device}' 120)"
tool blockdev-del '{ "node-name": "copy" }'

begin "the file system in it is clean, and e2fsck finds nothing"
seen=$(e2fsck -fn $d/copy 2>&1)
status=$?
echo "$seen" | sed 's/^/  e2fsck:   /'
same "recovery no, status 0" "recovery $(needs_recovery $d/copy), status $status"

begin "the guest's own script ran before"
mkdir -p $d/mount
losetup /dev/loop0 $d/copy && mount -t ext4 -o ro,noload /dev/loop0 $d/mount
same "freeze" "$(cat $d/mount/mark)"

begin "the number in it is the last one before"
number=$(cat $d/mount/number)
umount $d/mount
losetup -d /dev/loop0
[ "$number" = "$first" ] || [ "$number" = $((first + 1)) ] && seen="the last one" || seen="$number, not $first"
same "the last one" "$seen"

begin "there is nothing to thaw any more"
holds "... the guest is not frozen" "$(tool vmware-snapshot-thaw)" "the guest is not frozen"

begin "one that nobody thaws is thawed in time, and the host hears that"
forget_events
tool vmware-snapshot-freeze '{ "timeout": 20, "scripts": false }'
snapshot frozen >/dev/null
same "the guest was not thawed in time" "$(snapshot idle)"

begin "the program goes on"
goes_on

begin "a freeze can be cancelled"
forget_events
tool vmware-snapshot-freeze
tool vmware-snapshot-thaw
same "it was cancelled" "$(snapshot idle)"

begin "the program goes on"
goes_on

begin "an event of the guest's own begins nothing"
same "status 1: Nobody waits for it" "$(committed)"

begin "nor does that of an earlier freeze count, before the tools have seen the new one"
forget_events
tools_get STOP
tool vmware-snapshot-freeze '{ "timeout": 300, "scripts": false }'
same "status 1: Nobody waits for it" "$(committed)"

begin "when they have seen it, theirs does"
tools_get CONT
same "no error" "$(snapshot frozen)"

begin "the guest thaws"
tool vmware-snapshot-thaw
same "no error" "$(snapshot idle)"

# The tools are in the middle of a freeze, and would forget to thaw if they aborted: when
# they are told to, when their own timer says so, when an event is refused.
begin "a disk that does not write: the guest does not freeze in time"
forget_events
data_writes 1
tool vmware-snapshot-freeze '{ "timeout": 10, "scripts": false }'
same "the guest did not freeze in time" "$(snapshot idle)"

begin "the tools have not ended: they refuse to freeze once more"
forget_events
tool vmware-snapshot-freeze
holds "... already in progress" "$(snapshot idle)" "already in progress"

begin "the program stands still, and the tools tell for some time that they are there"
sleep 10
stands_still

begin "the disk writes: the tools thaw what they have frozen, and the program goes on"
data_writes 0
goes_on

begin "the tools freeze again"
freezes 120

begin "they do not hear that the time is up"
forget_events
tools_get STOP
tool vmware-snapshot-thaw
same "the guest's VMware tools do not thaw the guest" "$(snapshot idle)"

begin "the program stands still"
stands_still

begin "they hear it: the program goes on"
tools_get CONT
goes_on

begin "the state that was saved is loaded: the guest is frozen in it"
guest tools 'hostname other' >/dev/null
forget_events
tool human-monitor-command '{ "command-line": "loadvm frozen" }' | tr -d '\r\n' >$d/said
same ", no error, frozen" "$(cat $d/said), $(snapshot frozen), $(what 'i["snapshot"]')"

begin "the program stands still"
stands_still

begin "what the tools had reported is there"
same "tester, $mac, running" "$(what "i['host-name']"), $(what "[n['mac'] for n in i['network']['nics'] if n['mac'] == '$mac'][0]"), $(what 'i["state"]')"

begin "the host has not heard that they had ended, or of a reset"
same "0" "$(grep -c -e not-running -e 'was reset' $d/tools.qmp.events)"

begin "the guest thaws"
tool vmware-snapshot-thaw
same "no error" "$(snapshot idle)"

begin "the program goes on"
goes_on

# ---------------------------------------------------------------------------
# Sockets.  Where the guest's kernel has VMware's, vmtoolsd tries them before the port.
# Another hypervisor's device does not know the number that it asks for (CID 0), and
# does not say so either.

# by_command: what vmtoolsd --cmd reads, and how many seconds that takes
by_command() {
	guest tools 'a=$(date +%s%N); vmtoolsd --cmd "info-get guestinfo.vsock" 2>/dev/null; b=$(date +%s%N); echo "$(((b - a) / 1000000000)) s"' | tr '\n' ' '
}

begin "a device for virtio's sockets comes"
tool vmware-guestinfo-set '{ "changes": [ { "key": "guestinfo.vsock", "value": "by the port" } ] }' >/dev/null
tool device_add '{ "driver": "vhost-vsock-pci", "id": "vsock", "guest-cid": 5 }'
until_seen "yes" 30 guest tools 'ls /sys/bus/virtio/drivers/vmw_vsock_virtio_transport | grep -q virtio && echo yes || echo no'

begin "VMware's socket address is not answered there"
same "timed out" "$(guest tools 'python3 -c "import socket; socket.socket(40, 1).connect((0, 976))" 2>&1 | grep -o "timed out"')"

begin "the tools' programs read guestinfo by the port"
seen=$(by_command)
echo "  vmtoolsd: $seen"
same "by the port, by the port" "${seen% [0-9]* s*}, $(guest tools 'vmware-rpctool "info-get guestinfo.vsock"')"

begin "the daemon of another start reports and answers"
guest tools 'kill $(cat /run/vmtoolsd.pid); for i in $(seq 100); do [ -d /proc/$(cat /run/vmtoolsd.pid) ] || break; sleep 0.1; done' >/dev/null
forget_events
guest tools 'vmtoolsd --background=/run/vmtoolsd.pid' >/dev/null
seen=$(event tools VMWARE_TOOLS_STATE '{ "state": "running" }' '{state}' 120)
id=$(tool vmware-tclo-request '{ "request": "ping", "timeout": 60 }' '{id}')
same "running, answered: OK " "$seen, $(event tools VMWARE_TCLO_RESULT "{ \"id\": $id }" '{status}: {result}' 60)"

# ---------------------------------------------------------------------------
# The end.

begin "a script in the guest fails: it is not shut down"
scripts=/etc/vmware-tools/scripts/poweroff-vm-default.d
guest tools "mkdir -p $scripts; echo '#!/bin/sh' >$scripts/refuse; echo 'exit 1' >>$scripts/refuse; chmod 755 $scripts/refuse; mv /etc/vmware-tools/poweroff-vm-default /etc/vmware-tools/poweroff-vm-saved; cp $scripts/refuse /etc/vmware-tools/poweroff-vm-default" >/dev/null
forget_events
tool vmware-tools-power '{ "operation": "shutdown", "timeout": 120 }'
same "shutdown failed" "$(event tools VMWARE_TOOLS_POWER '' '{operation} {result}' 130)"

begin "the script for a suspend runs"
forget_events
tool vmware-tools-power '{ "operation": "suspend", "timeout": 120 }'
same "suspend done" "$(event tools VMWARE_TOOLS_POWER '' '{operation} {result}' 130)"

begin "the script does not fail any more: the guest is shut down"
guest tools 'mv /etc/vmware-tools/poweroff-vm-saved /etc/vmware-tools/poweroff-vm-default; rm -r /etc/vmware-tools/scripts/poweroff-vm-default.d' >/dev/null
forget_events
tool vmware-tools-power '{ "operation": "shutdown", "timeout": 120 }'
same "shutdown done" "$(event tools VMWARE_TOOLS_POWER '' '{operation} {result}' 130)"

begin "it switches itself off"
same "guest-shutdown" "$(event tools SHUTDOWN '{ "guest": true }' '{reason}' 60)"

begin "a reset forgets what the tools have reported"
tool set-action '{ "reboot": "reset" }'
tool system_reset
until_seen "not-running False" 30 what 'i["state"] + " " + str("host-name" in i)'

begin "its QEMU ends cleanly"
quit tools

all_passed
