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
# Of a QEMU that has sanitizers (QEMU_SANITIZERS=1), a file for each process.
reports=$d/sanitizers
export ASAN_OPTIONS=log_path=$reports:fast_unwind_on_malloc=0
# QEMU's own: neither frees the channel of what it saves.
printf 'leak:%s\n' save_snapshot load_snapshot >$d/leaks
export LSAN_OPTIONS=suppressions=$d/leaks:print_suppressions=0
export UBSAN_OPTIONS=log_path=$reports:print_stacktrace=1
dmesg -n 1

# Members of vmware can follow, after a comma.
qemu_options='-accel kvm -machine vmware.state=on'
trace=/sys/kernel/tracing
uuid=00112233-4455-6677-8899-aabbccddeeff

step=0

# begin NAME: a step; fail or same must follow.
begin() {
	step=$((step + 1))
	name=$1
	echo "step $step: $name"
}

# found: the reports that are more than ASan's warning of makecontext()
found() {
	grep -l -e ERROR: -e 'runtime error:' "$reports".* 2>/dev/null
}

fail() {
	echo "  result:   FAIL"
	for file in "$d"/*.log "$d"/*.console; do
		[ -s "$file" ] || continue
		echo "  last lines of ${file##*/}:"
		tail -n 4 "$file" | tr -d '\r' | cut -c 1-300 | sed 's/^/    /'
	done
	for file in $(found); do
		sed 's/^/    /' "$file" | head -n 60
	done
	echo "@@STEPS FAIL: $name"
	leave
}

# all_passed: the last line of a script
all_passed() {
	[ -z "$(found)" ] || { begin "the sanitizers have found nothing"; fail; }
	echo "@@STEPS PASS"
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

# start_qemu WORD OPTION...: $qemu_program can be another QEMU than the one that is tested
start_qemu() {
	vm=$1
	shift
	for pipe in qmp guest; do
		mkfifo "$d/$vm.$pipe.in" "$d/$vm.$pipe.out"
	done
	${qemu_program:-qemu-system-x86_64} -L /demo/firmware -machine pc -cpu host -m 256 -smp 1 \
		-uuid $uuid -nodefaults -display none -no-reboot \
		-kernel /demo/vmlinuz -initrd /demo/guest.cpio.gz \
		-append "console=ttyS0 quiet panic=-1 random.trust_cpu=on mitigations=off" \
		-serial "file:$d/$vm.console" \
		-chardev "pipe,id=guest,path=$d/$vm.guest" -serial chardev:guest \
		-chardev "pipe,id=qmp,path=$d/$vm.qmp" -mon chardev=qmp,mode=control \
		"$@" >"$d/$vm.log" 2>&1 </dev/null &
	echo $! >"$d/$vm.pid"
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

# monitor VM ACTION ARGUMENT...: see qmp.py
monitor() {
	monitor_of=$1
	shift
	python3 -I -S /bin/qmp.py "$d/$monitor_of.qmp" "$@"
}

# qmp VM COMMAND [ARGUMENTS [FORMAT]]: prints the answer.  The first command of a VM
# waits for the greeting.
qmp() {
	qmp_of=$1
	shift
	monitor "$qmp_of" run "$@"
}

# event VM NAME CONDITIONS FORMAT SECONDS: wait for an event, print what it says
event() {
	monitor "$1" wait "$2" "$5" "$3" "$4"
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

# json_fields FORMAT: of the object on standard input, as with qmp
json_fields() {
	python3 -I -S -c 'import json, sys; print(sys.argv[1].format_map(json.load(sys.stdin)))' "$1"
}

# migrate VM SOCKET FORMAT [CAPABILITY]...: prints how it ended
migrate() {
	migrate_of=$1
	shift
	monitor "$migrate_of" migrate "$@"
}

# arrived VM: its state when a guest has come and runs
arrived() {
	event "$1" RESUME '' '' 60 >/dev/null
	qmp "$1" query-status '' '{status}'
}

# guestinfo VM KEY: as the host sees it, through QEMU's monitor
guestinfo() {
	qmp "$1" object-add "{ \"qom-type\": \"vmware-guestinfo\", \"id\": \"$2\", \"key\": \"guestinfo.$2\" }" >/dev/null
	qmp "$1" qom-get "{ \"path\": \"/objects/$2\", \"property\": \"value\" }"
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
