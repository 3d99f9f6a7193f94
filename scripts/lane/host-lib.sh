# shellcheck shell=sh
# busybox's sh reads with a timeout; options are lists of words; some variables
# are for those who source it.
# shellcheck disable=SC3045,SC2086,SC2034
# SPDX-License-Identifier: GPL-2.0-only
#
# Steps, QEMUs and guests, for scripts that run inside the booted host (see
# mkinitramfs.sh) and have transcripts: sourced.  /demo has QEMU's firmware, the
# guests' kernel and their initramfs.
#
# QEMUs are told apart by a word.  Each has two pairs of pipes, a QMP monitor in
# $d/WORD.qmp and the guest's command line (see guest-init.sh) in $d/WORD.guest,
# and what it says goes to $d/WORD.log.

d=/tmp/demo
mkdir -p $d
# Where QEMU keeps what a guest writes to a disk with snapshot=on.
export TMPDIR=$d
dmesg -n 1

qemu_options='-accel kvm,vmware-backdoor=on'
trace=/sys/kernel/tracing
uuid=00112233-4455-6677-8899-aabbccddeeff

step=0

# begin NAME: a step; fail or same must follow.
begin() {
	step=$((step + 1))
	name=$1
	echo "step $step: $name"
}

fail() {
	echo "  result:   FAIL"
	for file in "$d"/*.log "$d"/*.console; do
		[ -s "$file" ] || continue
		echo "  last lines of ${file##*/}:"
		tail -n 4 "$file" | tr -d '\r' | cut -c 1-300 | sed 's/^/    /'
	done
	echo "@@STEPS FAIL: $name"
	leave
}

# Nothing follows: the machine is switched off.
leave() {
	sync
	poweroff -f
	sleep 60
}

# Long values are shortened for the reader, never for the comparison.
show() {
	if [ ${#2} -gt 200 ]; then
		echo "  $1 $(echo "$2" | head -n 1 | cut -c 1-160)... (${#2} characters)"
	else
		echo "$2" | sed -e "1s/^/  $1 /" -e '2,$s/^/            /'
	fi
}

# same EXPECTED SEEN
same() {
	show "expected:" "$1"
	show "seen:    " "$2"
	[ "$1" = "$2" ] || fail
	echo "  result:   ok"
}

# holds EXPECTED SEEN PATTERN: SEEN has PATTERN in it
holds() {
	show "expected:" "$1"
	show "seen:    " "$2"
	case $2 in
	*"$3"*) echo "  result:   ok" ;;
	*) fail ;;
	esac
}

start_qemu() {
	vm=$1
	shift
	for pipe in qmp guest; do
		mkfifo "$d/$vm.$pipe.in" "$d/$vm.$pipe.out"
	done
	qemu-system-x86_64 -L /demo/firmware -machine pc -cpu host -m 256 -smp 1 \
		-uuid $uuid -nodefaults -display none -no-reboot \
		-kernel /demo/vmlinuz -initrd /demo/guest.cpio.gz \
		-append "console=ttyS0 quiet panic=-1 random.trust_cpu=on mitigations=off" \
		-serial "file:$d/$vm.console" \
		-chardev "pipe,id=guest,path=$d/$vm.guest" -serial chardev:guest \
		-chardev "pipe,id=qmp,path=$d/$vm.qmp" -mon chardev=qmp,mode=control \
		"$@" >"$d/$vm.log" 2>&1 </dev/null &
	echo $! >"$d/$vm.pid"
	: >"$d/$vm.events"
}

runs() {
	kill -0 "$(cat "$d/$1.pid")" 2>/dev/null
}

# ends VM SECONDS: wait until it has gone
ends() {
	tries=$(($2 * 10))
	while runs "$1"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.1
	done
}

# qmp VM COMMAND [ARGUMENTS]: prints the reply.  The first command of a VM waits
# for the greeting.  Pipes are opened for both ways, so that a QEMU that has gone
# makes a timeout and no hang.
qmp() {
	if [ ! -e "$d/$1.greeted" ]; then
		qmp_line "$1" 60 >/dev/null || return
		: >"$d/$1.greeted"
		qmp "$1" qmp_capabilities >/dev/null || return
	fi
	echo "{ \"execute\": \"$2\"${3:+, \"arguments\": $3} }" 1<>"$d/$1.qmp.in"
	qmp_line "$1" 60
}

# qmp_line VM SECONDS: the next line of a monitor that is no event
qmp_line() {
	while read -r -t "$2" line <>"$d/$1.qmp.out"; do
		case $line in
		*'"event"'*) echo "$line" >>"$d/$1.events" ;;
		*) echo "$line" | tr -d '\r'; return 0 ;;
		esac
	done
	echo "no answer from the monitor of $1"
	return 1
}

# event VM NAME PATTERN SECONDS: wait for an event with PATTERN in it, print it
event() {
	deadline=$(($(date +%s) + $4))
	while ! grep -e "\"event\": \"$2\"" "$d/$1.events" | grep -e "$3"; do
		[ "$(date +%s)" -lt $deadline ] || return 1
		if read -r -t 1 line <>"$d/$1.qmp.out"; then
			echo "$line" | tr -d '\r' >>"$d/$1.events"
		fi
	done
}

# guest VM COMMAND [SECONDS]: runs it there, prints its output, returns its status
guest() {
	echo "$2" 1<>"$d/$1.guest.in"
	guest_read "$1" "${3:-120}"
}

# guest_read VM SECONDS
guest_read() {
	while read -r -t "$2" line <>"$d/$1.guest.out"; do
		line=$(echo "$line" | tr -d '\r')
		case $line in
		'@@ready') return 0 ;;
		'@@'*) return "${line#@@}" ;;
		'|'*) echo "${line#|}" ;;
		esac
	done
	echo "no answer from the guest of $1"
	return 1
}

# field REPLY NAME: a number or a string out of a line of JSON
field() {
	echo "$1" | sed -n "s/.*\"$2\": \"\{0,1\}\([^\",}]*\).*/\1/p"
}

# migrate VM SOCKET: prints the status that it ends with, and the last reply
migrate() {
	qmp "$1" migrate-set-capabilities \
		'{ "capabilities": [ { "capability": "return-path", "state": true } ] }' >/dev/null
	qmp "$1" migrate "{ \"uri\": \"unix:$2\" }" >/dev/null
	tries=300
	while [ $tries -gt 0 ]; do
		reply=$(qmp "$1" query-migrate) || return 1
		case $(field "${reply#*\"return\"}" status) in
		completed | failed) echo "$reply"; return 0 ;;
		esac
		tries=$((tries - 1))
		sleep 0.1
	done
	echo "$reply"
	return 1
}

# status of a migration's last reply; "status" also names no other field there
outcome() {
	field "$1" status
}

# qmp_text: what is between the quotes of {"return": "..."}
qmp_text() {
	echo "$1" | sed -n 's/^{"return": "\(.*\)"}$/\1/p'
}

# guestinfo VM KEY: as the host sees it, through QEMU's monitor
guestinfo() {
	qmp "$1" object-add "{ \"qom-type\": \"vmware-guestinfo\", \"id\": \"$2\", \"key\": \"guestinfo.$2\" }" >/dev/null
	qmp_text "$(qmp "$1" qom-get "{ \"path\": \"/objects/$2\", \"property\": \"value\" }")"
}

# trace_on EVENT [FILTER]: have these events of KVM's in the trace from now on, and
# nothing older
trace_on() {
	[ -e $trace/trace ] || mount -t tracefs tracefs $trace
	echo 0 >$trace/events/kvm/$1/enable
	echo >$trace/trace
	echo "${2:-0}" >$trace/events/kvm/$1/filter
	echo 1 >$trace/events/kvm/$1/enable
}

trace_off() {
	echo 0 >$trace/events/kvm/$1/enable
}

# blocks: messages on the high-bandwidth port out of the trace, a line each.  One
# that stopped on the way, at a page that was not there, goes on in a later event.
blocks() {
	sed -n 's/.*: vcpu .* \(send\|receive\) channel \([0-9]*\): \([0-9]*\) of \([0-9]*\) bytes, success.*/\1 \2 \3 \4/p' $trace/trace |
		awk '
		{ channel = $1 " " $2 }
		$4 != left[channel] { size[channel] = $4 }
		{ left[channel] = $4 - $3 }
		left[channel] == 0 { print $1, size[channel], "bytes" }'
}

# quit VM: end it, where that is a step
quit() {
	qmp "$1" quit >/dev/null
	ends "$1" 20
	runs "$1" && seen="still there" || seen="gone"
	same "gone" "$seen"
}
