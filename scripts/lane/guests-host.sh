# shellcheck shell=sh
# Options are lists of words; what stands in single quotes is expanded in the
# guest.
# shellcheck disable=SC2086,SC2016
# SPDX-License-Identifier: GPL-2.0-only
#
# What make guests does inside the booted host: sourced by the init of
# mkinitramfs.sh.  The QEMUs of host-lib.sh are here:
#
#   tools     open-vm-tools' daemon, from the first step to the last
#   cloud     cloud-init
#   linux     Linux that has VMware for its hypervisor, and a mouse
#   firmware  no system at all

. /host-lib.sh

# The daemon must have lived so long, in seconds of its guest.
daemon_age=180
address=192.0.2.10
disk_options="-m 320 -initrd /demo/disk.cpio.gz
	-drive file=/dev/vda,format=raw,if=virtio,snapshot=on"

# tclo VM REQUEST [SECONDS]: give it to the guest's tools, print what they answer
tclo() {
	id=$(qmp "$1" vmware-tclo-request "{ \"request\": \"$2\" }" '{id}') || return
	event "$1" VMWARE_TCLO_RESULT "{ \"id\": $id }" 'answered {answered}: {result}' "${3:-60}"
}

# record COMMAND...: have the calls with these commands in the trace from now on
record() {
	filter=
	for command in "$@"; do
		filter="$filter || command == $command"
	done
	trace_on kvm_vmport_call "${filter# || }"
}

# messages: what guests have sent on low-bandwidth channels, out of the trace, a
# line a message.  SENDPAYLOAD has four bytes in EBX.
messages() {
	sed -n 's/.* MESSAGE SEND\(SIZE\|PAYLOAD\) channel \([0-9]*\) ebx 0x\([0-9a-f]*\) .*/\1 \2 \3/p' $trace/trace |
		awk '
		function digit(c) { return index("0123456789abcdef", c) - 1 }
		$1 == "SIZE" { if (text[$2] != "") print text[$2]; text[$2] = "" }
		$1 == "PAYLOAD" {
			hex = substr("0000000" $3, length($3))
			for (i = 7; i > 0; i -= 2) {
				byte = digit(substr(hex, i, 1)) * 16 + digit(substr(hex, i + 1, 1))
				text[$2] = text[$2] (byte >= 32 && byte < 127 ? sprintf("%c", byte) : "")
			}
		}
		END { for (c in text) if (text[c] != "") print text[c] }'
}

# between LOW HIGH SEEN WHAT
between() {
	show "expected:" "$1 to $2 $4"
	show "seen:    " "$3 $4"
	if ! [ "$3" -ge "$1" ] || ! [ "$3" -le "$2" ]; then
		fail
	fi
	echo "  result:   ok"
}

load_kvm vmport

begin "a part without the one that it needs: QEMU says so and does not start"
refusal=$(timeout 60 qemu-system-x86_64 -L /demo/firmware -nodefaults -display none \
	$qemu_options,vmware.rpc=off 2>&1)
holds "... vmware.hb=on needs vmware.rpc=on" "$refusal" "vmware.hb=on needs vmware.rpc=on"

# ---------------------------------------------------------------------------
# open-vm-tools.  Without the high-bandwidth port the trace shows what it says.

begin "Debian boots with its root on a disk"
start_qemu tools $qemu_options,vmware.hb=off $disk_options -action shutdown=pause
seen=$(guest_read tools 300 && guest tools '. /etc/os-release; echo $ID; id -u')
same "$(printf 'debian\n0')" "$seen"

begin "vmware-checkvm finds VMware"
same "VMware software version 6 (good)" "$(guest tools vmware-checkvm)"

begin "systemd-detect-virt finds VMware"
same "vmware" "$(guest tools systemd-detect-virt)"

begin "vmware-rpctool writes and reads a value"
same "of the guest" "$(guest tools 'vmware-rpctool "info-set guestinfo.rpctool of the guest" >/dev/null; vmware-rpctool "info-get guestinfo.rpctool"')"

begin "vmware-toolbox-cmd stat hosttime is the host's time"
low=$(date +%s)
seen=$(guest tools 'date -u -d "$(vmware-toolbox-cmd stat hosttime)" +%s')
between $low "$(date +%s)" "$seen" "s"

# The host has measured it twice, a little differently when it is busy.
begin "vmware-toolbox-cmd stat speed is the host's rate"
rate=$(sed -n 's/^cpu MHz[^:]*: \([0-9]*\).*/\1/p' /proc/cpuinfo)
seen=$(guest tools 'vmware-toolbox-cmd stat speed')
between $((rate - rate / 50)) $((rate + rate / 50)) "${seen% MHz}" MHz

begin "vmware-toolbox-cmd stat says so where the host has no such statistics"
seen=$(guest tools 'vmware-toolbox-cmd stat balloon')
same "status 75: UpdateInfo failed: VMware Guest API is not enabled on the host" \
	"status $?: $seen"

begin "vmtoolsd starts as a daemon"
record 30
guest tools "ip addr add $address/24 dev dummy0; ip link set dummy0 up" >/dev/null
seen=$(guest tools 'vmtoolsd --background=/run/vmtoolsd.pid && for i in $(seq 100); do [ -s /run/vmtoolsd.pid ] && break; sleep 0.1; done; cat /proc/$(cat /run/vmtoolsd.pid)/comm')
same "vmtoolsd" "$seen"
born=$(guest tools 'cut -d . -f 1 /proc/uptime')
daemon=$(guest tools 'cat /run/vmtoolsd.pid')

begin "it answers a ping that was sent before it had begun to poll"
same "answered true: OK " "$(tclo tools ping 120)"

begin "it registers its capabilities"
same "answered true: OK " "$(tclo tools Capabilities_Register)"

begin "its messages say which"
messages >$d/messages
sed 's/^/  message:  /' $d/messages | cut -c 1-120
seen=
wanted='tools.capability.hgfs_server
tools.capability.statechange
tools.capability.softpowerop_retry
tools.capability.guest_conf_directory
tools.set.versiontype'
for word in $wanted; do
	seen="$seen $(grep -o -e "^$word" $d/messages | head -n 1)"
done
same "$wanted" "$(echo $seen | tr ' ' '\n')"

begin "Set_Option broadcastIP 1 makes it publish guestinfo.ip"
same "answered true: OK " "$(tclo tools 'Set_Option broadcastIP 1')"

begin "the host reads guestinfo.ip"
seen=
tries=10
while [ -z "$seen" ] && [ $tries -gt 0 ]; do
	sleep 1
	seen=$(guestinfo tools ip)
	tries=$((tries - 1))
done
same "$address" "$seen"

begin "timesync puts a wrong clock right by the host's"
record 23 46 55
guest tools 'date -s "2020-01-01 00:00:00"' >/dev/null
same "answered true: OK " "$(tclo tools 'Time_Synchronize 1')"

begin "the guest's clock is the host's"
low=$(($(date +%s) - 1))
seen=$(guest tools 'date +%s')
between $low "$(($(date +%s) + 1))" "$seen" "s"

begin "it asked for the time with GETTIMEFULL_WITH_LAG"
holds "... GETTIMEFULL_WITH_LAG ..." \
	"$(grep -o 'GETTIMEFULL_WITH_LAG .*' $trace/trace | head -n 1)" "GETTIMEFULL_WITH_LAG "

# ---------------------------------------------------------------------------
# cloud-init, with 50 KiB of user data that do not compress.

content_size=39000
cloud_address=192.0.2.20/24
head -c $content_size /dev/urandom | base64 >$d/content
content_sum=$(sha256sum <$d/content | cut -c 1-64)
cat >$d/userdata <<END
#cloud-config
write_files:
- path: /srv/content
  content: |
$(sed 's/^/    /' $d/content)
runcmd:
- sha256sum /srv/content >/srv/runcmd
END
cat >$d/metadata <<END
instance-id: vmport-guests
local-hostname: provisioned
redact:
- userdata
network:
  version: 2
  ethernets:
    dummy0:
      addresses: [ $cloud_address ]
END
cloud_options=
for part in metadata userdata; do
	cloud_options="$cloud_options
		-object vmware-guestinfo,id=$part,key=guestinfo.$part,file=$d/$part,encoding=gzip+base64"
done

begin "the host gives a guest gzip+base64 metadata and user data"
start_qemu cloud $qemu_options $disk_options $cloud_options
seen=$(guest_read cloud 300 && guest cloud 'vmware-rpctool "info-get guestinfo.userdata.encoding"; vmware-rpctool "info-get guestinfo.userdata" | base64 -d | gzip -dc | sha256sum | cut -c 1-64')
same "$(printf 'gzip+base64\n%s' "$(sha256sum <$d/userdata | cut -c 1-64)")" "$seen"

begin "they are more than 50 KiB"
between 51200 65536 "$(guest cloud 'vmware-rpctool "info-get guestinfo.userdata" | tr -d "\n" | wc -c')" "bytes"

# What systemd has done by then: ds-identify goes by its directory, cloud-init needs
# the user of its network daemon.
begin "the DMI product name has VMware in it"
same "VMware Virtual Platform" "$(guest cloud 'cat /sys/class/dmi/id/product_name')"

begin "cloud-init recognises the platform"
guest cloud 'ip link set lo up; mkdir -p /run/systemd /run/cloud-init; systemd-sysusers; /usr/lib/cloud-init/ds-identify --force' >/dev/null
same "VMware" "$(guest cloud 'sed -n "s/^datasource_list: \[ \([^,]*\), None \]/\1/p" /run/cloud-init/cloud.cfg')"

for stage in 'init --local' init 'modules --mode config' 'modules --mode final'; do
	begin "cloud-init $stage"
	seen=$(guest cloud "cloud-init $stage >/tmp/stage 2>&1 || { status=\$?; tail -n 15 /tmp/stage; (exit \$status); }" 300)
	status=$?
	[ $status = 0 ] || echo "$seen" | sed 's/^/  cloud-init: /'
	same "status 0" "status $status"
done

begin "cloud-init took its data from guestinfo"
same "vmware, guestinfo (guestinfo.metadata)" \
	"$(guest cloud 'cat /run/cloud-init/instance-data.json' |
		json_fields '{v1[cloud_id]}, {v1[subplatform]}')"

begin "the host name is that of the metadata"
same "provisioned" "$(guest cloud hostname)"

begin "the network's configuration has the address of the metadata"
same "$cloud_address" "$(guest cloud "grep -rhow '$cloud_address' /etc/systemd/network /etc/netplan /etc/network 2>/dev/null | head -n 1")"

begin "write_files made the file of the user data"
same "$content_sum" "$(guest cloud 'sha256sum </srv/content | cut -c 1-64')"

begin "runcmd ran"
same "$content_sum  /srv/content" "$(guest cloud 'cat /srv/runcmd')"

begin "cloud-init wiped the user data, as the metadata asked: the host sees it"
same "---" "$(guestinfo cloud userdata)"

begin "the guest's QEMU ends cleanly"
quit cloud

# ---------------------------------------------------------------------------
# Linux without KVM's signature, so that VMware is its hypervisor, and the mouse.

begin "Linux finds VMware for its hypervisor"
record 45
echo 1 >$trace/events/kvm/kvm_vmport_result/enable
start_qemu linux $qemu_options,vmware.stealclock=on -cpu host,kvm=off -machine vmport=on \
	-initrd /demo/linux.cpio.gz -acpitable sig=SSDT,rev=2,data=/demo/precision-clock.aml \
	-action reboot=reset
seen=$(guest_read linux 300 && guest linux 'dmesg | grep -o "Hypervisor detected: .*"')
echo 0 >$trace/events/kvm/kvm_vmport_result/enable
same "Hypervisor detected: VMware" "$seen"

begin "it takes its TSC rate from GETHZ"
hz=$(awk '/ GETHZ .* answered / { print $(NF - 2); exit }' $trace/trace)
hz=$((hz))
same "vmware: TSC freq read from hypervisor : $((hz / 1000000)).$(printf %03d $((hz / 1000 % 1000))) MHz" \
	"$(guest linux 'dmesg | grep -o "vmware: TSC freq.*"')"

begin "it has a steal clock of each processor"
same "vmware: vmware-stealtime: cpu 0" "$(guest linux 'dmesg | grep -o "vmware: vmware-stealtime: cpu [0-9]*"')"

# stolen: by /proc/stat of the guest, in hundredths of a second
stolen() {
	guest linux 'awk "/^cpu / { print \$9 }" /proc/stat'
}

# Without a rival it is the host itself that takes a little.
begin "its steal time goes on while its processor is shared"
before=$(stolen)
(while :; do :; done) &
rival=$!
guest linux 'end=$(($(date +%s) + 6)); while [ $(date +%s) -lt $end ]; do :; done' >/dev/null
kill $rival
between $((before + 50)) $((before + 3000)) "$(stolen)" "hundredths of a second"

begin "its driver finds VMware's precision clock"
guest linux 'insmod /ptp_vmw.ko' >/dev/null
same "ptp_vmw" "$(guest linux 'cat /sys/class/ptp/ptp0/clock_name')"

begin "/dev/ptp0 has the host's time"
low=$(date +%s)
seen=$(guest linux 'mknod -m 600 /tmp/ptp c $(tr : " " </sys/class/ptp/ptp0/dev) && ptp /tmp/ptp')
between $low "$(date +%s)" "${seen%?????????}" "s"

begin "QEMU's vmmouse answers its own commands: the version"
same "1 queued, version 0x3442554a" "$(guest linux 'vmmouse id')"

begin "QEMU's vmmouse has the position that the host sets"
guest linux 'vmmouse absolute' >/dev/null
qmp linux input-send-event '{ "events": [
	{ "type": "abs", "data": { "axis": "x", "value": 8192 } },
	{ "type": "abs", "data": { "axis": "y", "value": 16384 } },
	{ "type": "btn", "data": { "button": "left", "down": true } } ] }' >/dev/null
same "buttons 0x20 x 16384 y 32768 z 0" "$(guest linux 'vmmouse read')"

begin "KVM answers its own commands beside them"
same "VMware software version 6 (good)" "$(guest linux vmware-checkvm)"

begin "a 32-bit process reads guestinfo, by words and by blocks"
value=$(seq -s " " 700)
guest linux 'vmware-rpctool "info-set guestinfo.long $(seq -s " " 700)"' >/dev/null
same "$(printf 'words: 1 %s\nblock: 1 %s' "$value" "$value")" "$(guest linux 'rpc-32 guestinfo.long')"

begin "a program takes a request of the host's and does not answer"
id=$(qmp linux vmware-tclo-request '{ "request": "ping" }' '{id}')
seen=$(guest linux 'rpc-half take >/tmp/taken 2>&1 & until [ -s /tmp/taken ]; do sleep 0.1; done; cat /tmp/taken; vmware-rpctool "info-set guestinfo.kept over a reset"')
same "took [ping]" "$seen"

begin "the guest is reset: the host hears that the request is lost"
qmp linux system_reset >/dev/null
same "answered false: " \
	"$(event linux VMWARE_TCLO_RESULT "{ \"id\": $id }" 'answered {answered}: {result}' 60)"

begin "the guest boots again and finds what it had set"
seen=$(guest_read linux 300 && guest linux 'vmware-rpctool "info-get guestinfo.kept"')
same "over a reset" "$seen"

begin "so it does its steal clock, which the reset had stopped"
same "vmware: vmware-stealtime: cpu 0" "$(guest linux 'dmesg | grep -o "vmware: vmware-stealtime: cpu [0-9]*"')"

begin "the guest's QEMU ends cleanly"
quit linux

# ---------------------------------------------------------------------------
# What a boot loader sees before there is a system.

begin "firmware reads guestinfo as iPXE does"
start_qemu firmware $qemu_options -bios /demo/client-firmware.bin \
	-object vmware-guestinfo,id=hostname,key=guestinfo.ipxe.hostname,value=netboot
same "$(printf '16-bit code: 1 netboot\n32-bit code: 1 netboot')" "$(guest_read firmware 60)"

begin "the firmware's QEMU ends cleanly"
quit firmware

# ---------------------------------------------------------------------------
# The daemon's end.

begin "the daemon has lived for $daemon_age s, the same process all the time"
age=$(($(guest tools 'cut -d . -f 1 /proc/uptime') - born))
[ "$age" -ge $daemon_age ] || sleep $((daemon_age - age))
age=$(($(guest tools 'cut -d . -f 1 /proc/uptime') - born))
echo "  age:      $age s"
seen=$(guest tools 'pidof vmtoolsd')
same "$daemon" "$seen"

begin "it still answers a ping"
same "answered true: OK " "$(tclo tools ping)"

begin "OS_Halt is answered"
scripts=/etc/vmware-tools/scripts/poweroff-vm-default.d
guest tools "mkdir $scripts; echo '#!/bin/sh' >$scripts/halt; echo 'vmware-rpctool \"info-set guestinfo.halt \$1\"' >>$scripts/halt; chmod 755 $scripts/halt"
same "answered true: OK " "$(tclo tools OS_Halt)"

begin "the guest switches itself off"
same "guest-shutdown" "$(event tools SHUTDOWN '{ "guest": true }' '{reason}' 60)"

begin "its power-off script ran first"
same "poweroff-vm" "$(guestinfo tools halt)"

begin "the daemon's QEMU ends cleanly"
quit tools

all_passed
