# shellcheck shell=sh
# Options are lists of words; what stands in single quotes is expanded in the
# guest.
# shellcheck disable=SC2086,SC2016
# SPDX-License-Identifier: GPL-2.0-only
#
# What make test-rpc does inside the booted host: sourced by the init of
# mkinitramfs.sh.  Programs in a guest send RPCs that neither KVM nor QEMU knows, and
# rpc-manager.py answers them; a message says how.

. /host-lib.sh

# rpc_qemu VM OPTION...
rpc_qemu() {
	vm=$1
	shift
	start_qemu $vm $qemu_options -smp 2 -action reboot=reset \
		-drive file=$d/disk,format=raw,if=virtio,snapshot=on \
		-object vmware-rpc,id=acme,prefix=acme.,timeout=5000,rate=1000 \
		-object vmware-rpc,id=quick,prefix=quick.,timeout=200,rate=2 \
		-qmp unix:$d/$vm.managed.socket,server=on,wait=off "$@"
}

# manage VM [MIGRATION]: from now on somebody answers; what QEMU refuses him is a line
manage() {
	python3 -I -S /bin/rpc-manager.py $d/$1.managed.socket ${2:+"$2"} >$d/$1.managed 2>&1 &
	manager=$!
	echo 0 >$d/lines
	said $1 >/dev/null
}

# said VM: the next such line
said() {
	lines=$(($(cat $d/lines) + 1))
	echo $lines >$d/lines
	tries=300
	while [ "$(wc -l <$d/$1.managed)" -lt $lines ] && [ $tries -gt 0 ]; do
		sleep 0.1
		tries=$((tries - 1))
	done
	sed -n ${lines}p $d/$1.managed
}

# asks TEXT: what a program of the guest hears
asks() {
	guest rpc "vmware-rpctool '$1' 2>&1"
}

# counts ID [VM]: of an object
counts() {
	qmp ${2:-rpc} query-vmware-rpcs >$d/rpcs
	python3 -I -S -c 'import json, sys
for o in json.load(open(sys.argv[1]))["objects"]:
	if o["id"] == sys.argv[2]:
		print("{asked} asked, {answered} answered, {timed-out} timed out, {lost} lost, {unasked} not".format_map(o))' $d/rpcs $1
}

# not_asked COUNTS: the last of them
not_asked() {
	echo "$1" | sed 's/.* \([0-9]*\) not/\1/'
}

# answered COUNTS: the second of them
answered() {
	echo "$1" | sed 's/.* \([0-9]*\) answered.*/\1/'
}

# both_ask VM TIMES: two programs ask so often
both_ask() {
	guest $1 "rm -f /tmp/one /tmp/two; for i in one two; do rpc-raw count acme.echo $2 >/tmp/\$i & done; sleep 0.2" >/dev/null
}

# both_heard VM: what they heard
both_heard() {
	guest $1 'until [ "$(cat /tmp/one /tmp/two | wc -l)" = 2 ]; do sleep 0.2; done; cat /tmp/one /tmp/two' 300
}

# add_rpc ID PREFIX [PROPERTIES]
add_rpc() {
	qmp rpc object-add "{ \"qom-type\": \"vmware-rpc\", \"id\": \"$1\", \"prefix\": \"$2\"${3:+, $3} }" 2>&1
}

load_kvm vmport
# For snapshots.
head -c 1048576 /dev/zero >$d/disk

begin "a guest boots that has RPCs for a management program, which is not there"
rpc_qemu rpc
seen=$(guest_read rpc 300 && asks "acme.echo hello")
same "status 1: Unknown command" "status $?: $seen"

begin "nobody was asked"
same "0 asked, 0 answered, 0 timed out, 0 lost, 1 not" "$(counts acme)"

begin "now it is: the guest gets its reply"
manage rpc
same "status 0: hello" "$(seen=$(asks "acme.echo hello"); echo "status $?: $seen")"

begin "or its error"
same "status 1: no licence" "$(seen=$(asks "acme.error no licence"); echo "status $?: $seen")"

begin "what no object wants gets the reply that it got before"
same "Unknown command" "$(asks "other.echo hello")"

begin "bytes that are no text arrive, and come back"
same "31 20 61 00 62 ff 63" \
	"$(guest rpc "printf 'acme.echo a\\000b\\377c' | rpc-raw | od -An -tx1" | sed 's/^ *//; s/ *$//')"

begin "so does the longest message"
same "1 65524" "$(guest rpc '(printf "acme.length "; head -c 65524 /dev/zero | tr "\000" x) | rpc-raw; echo')"

begin "one that is not answered gets the default reply in time"
same "Unknown command" "$(asks "quick.mute")"

begin "that is counted"
same "1 asked, 0 answered, 1 timed out, 0 lost, 0 not" "$(counts quick)"

begin "a reply that is late is refused"
same "Unknown command; request N has ended: its time was up, and the guest got the default reply" \
	"$(asks "quick.late"); $(said rpc)"

begin "a second reply is refused"
same "first; request N has ended: it was answered already" "$(asks "acme.twice first"); $(said rpc)"

begin "so is one to another message, and the right one goes on waiting"
same "right; no request N waits for a reply" "$(asks "acme.wrong right"); $(said rpc)"

begin "so is one that is too long, and the longest is not"
same "65600; the data has 65599 bytes, the longest has 65598" \
	"$(guest rpc 'printf acme.huge | rpc-raw | wc -c'); $(said rpc)"

begin "so is a text with a NUL, which base64 can have"
same "good; the data has a NUL in it: use base64" "$(asks "acme.nul good"); $(said rpc)"

begin "so is one that is no base64"
same "good" "$(asks "acme.malformed good")"

begin "a client that has gone and comes back finds what waits, and answers it"
same "found" "$(asks "acme.reconnect found")"

begin "the monitor reads the registers of the vCPU that waits"
same "they are there" "$(asks "acme.registers")"

begin "the machine stops for longer than a message may wait, and is answered meanwhile"
same "meanwhile" "$(asks "acme.stopped meanwhile")"

begin "or when it goes on"
same "afterwards" "$(asks "acme.paused afterwards")"

# A prefix that would take what others answer, or is none
begin "prefixes of others' messages are refused"
for prefix in tools.x t info-get info-get\ guestinfo.x log vmbackup.x machine.id.get.x; do
	add_rpc bad "$prefix"
done >$d/said
same "7 of 7" "$(grep -c 'the object would have messages that KVM or QEMU answer' $d/said) of $(wc -l <$d/said)"

begin "so are none, a long one, one that is no text, one that is there, a bad limit"
seen=$(add_rpc bad ""
	add_rpc bad "$(printf %65s x | tr ' ' x)"
	add_rpc bad "a\\u0000b"
	add_rpc bad acme.
	add_rpc bad bad. '"timeout": 5001'
	add_rpc bad bad. '"rate": 0')
same "qmp: rpc.qmp: object-add: vmware-rpc: prefix=TEXT is missing
qmp: rpc.qmp: object-add: vmware-rpc: the prefix has 65 bytes, the longest has 64
qmp: rpc.qmp: object-add: vmware-rpc: the prefix is no UTF-8
qmp: rpc.qmp: object-add: vmware-rpc: there is an object with prefix=acme. already, 'acme'
qmp: rpc.qmp: object-add: vmware-rpc: timeout is 1 to 5000
qmp: rpc.qmp: object-add: vmware-rpc: rate is 1 to 1000" "$seen"

begin "there are 16 objects at most"
i=2
while [ $i -lt 16 ]; do
	add_rpc many$i many$i.
	i=$((i + 1))
done
holds "... there are 16 objects ..." "$(add_rpc many17 many17.)" "there are 16 objects"
while [ $i -gt 2 ]; do
	i=$((i - 1))
	qmp rpc object-del "{ \"id\": \"many$i\" }"
done

begin "the longest prefix counts, here for privileged programs only"
add_rpc deep "acme.echo deep" '"privileged": true'
seen=$(asks "acme.echo deep thought")
qmp rpc object-del '{ "id": "deep" }'
same "Unknown command, then deep thought" "$seen, then $(asks "acme.echo deep thought")"

begin "people see them in the human monitor"
qmp rpc human-monitor-command '{ "command-line": "info vmware-rpcs" }' | tr -d '\r' >$d/said
sed 's/^/  monitor:  /' $d/said
same "1" "$(grep -c '^acme: prefix acme\., [0-9]* asked' $d/said)"

# ---------------------------------------------------------------------------
# In the middle.

begin "the object is deleted: the guest gets the default reply"
same "Unknown command; request N has ended: its object was deleted" "$(asks "acme.delete"); $(said rpc)"
add_rpc acme acme. '"timeout": 5000, "rate": 1000'


begin "another vCPU closes the channel: the vCPU that waits does not wait for long"
same "the sender waits, closed; request N has ended: the guest does not wait for it any more" \
	"$(guest rpc 'rpc-raw close acme.late'); $(said rpc)"

begin "or asks for the reply, and gets the default one"
same "the sender waits, the reply is [0 Unknown command]; request N has ended: the guest does not wait for it any more" \
	"$(guest rpc 'rpc-raw poll acme.late'); $(said rpc)"

begin "two programs ask all the time, and the machine stops and goes on"
both_ask rpc 200
for i in 1 2 3 4 5 6; do
	qmp rpc stop
	qmp rpc cont
done
same "$(printf '200 good, 0 unknown, 0 other\n200 good, 0 unknown, 0 other')" "$(both_heard rpc)"

begin "two flood the host with messages that nobody answers: all get the default reply"
before=$(counts quick)
start=$(date +%s)
seen=$(guest rpc 'rpc-raw count quick.mute 100 >/tmp/one & rpc-raw count quick.mute 100; wait; cat /tmp/one')
lasted=$(($(date +%s) - start))
same "$(printf '0 good, 100 unknown, 0 other\n0 good, 100 unknown, 0 other')" "$seen"

begin "and it is asked twice a second at most"
after=$(counts quick)
echo "  before:   $before"
echo "  after:    $after"
asked=$((${after%% asked*} - ${before%% asked*}))
unasked=$(($(not_asked "$after") - $(not_asked "$before")))
[ $asked -le $((2 * (lasted + 2))) ] && [ $((asked + unasked)) = 200 ] && [ $unasked -gt 0 ] &&
	seen=yes || seen="$asked and $unasked in $lasted s"
same "yes" "$seen"

begin "a client that reads nothing is sent a MiB of them, and no more"
qmp rpc qom-set '{ "path": "/objects/quick", "property": "rate", "value": 1000 }'
before=$(counts quick)
kill -STOP $manager
guest rpc 'printf "quick.mute " >/tmp/big; head -c 65000 /dev/zero | tr "\000" x >>/tmp/big; for i in $(seq 24); do rpc-raw </tmp/big >/dev/null; done' >/dev/null
after=$(counts quick)
echo "  before:   $before"
echo "  after:    $after"
kill -CONT $manager
asked=$((${after%% asked*} - ${before%% asked*}))
unasked=$(($(not_asked "$after") - $(not_asked "$before")))
[ $asked -ge 10 ] && [ $asked -le 20 ] && [ $((asked + unasked)) = 24 ] && seen=yes || seen="$asked and $unasked"
same "yes" "$seen"

begin "it reads again: it is asked again"
tries=60
until [ "$(asks "acme.echo hello")" = hello ] || [ $tries = 0 ]; do
	sleep 1
	tries=$((tries - 1))
done
same "hello" "$(asks "acme.echo hello")"

begin "a snapshot is made while a message waits: it is answered"
same "when it was saved" "$(asks "acme.save")"

begin "the snapshot is loaded: the host is asked once more, and the same program hears it"
qmp rpc human-monitor-command '{ "command-line": "loadvm waits" }' | tr -d '\r\n' >$d/said
same ", when it was loaded" "$(cat $d/said), $(guest_read rpc 60)"

begin "a message that has timed out is in no snapshot, also if its sender never asks for the reply"
guest rpc 'rpc-raw leave quick.mute'
before=$(counts quick)
for command in savevm loadvm; do
	qmp rpc human-monitor-command "{ \"command-line\": \"$command left\" }"
done >$d/said
qmp rpc query-status >/dev/null
after=$(counts quick)
same "$before" "$after"

begin "two programs ask all the time, and snapshots are made and loaded"
both_ask rpc 200
for i in 1 2; do
	qmp rpc human-monitor-command '{ "command-line": "savevm busy" }'
	qmp rpc query-status >/dev/null
	qmp rpc human-monitor-command '{ "command-line": "loadvm busy" }'
done >$d/said
same "$(printf '200 good, 0 unknown, 0 other\n200 good, 0 unknown, 0 other')" "$(both_heard rpc)"
# Some replies were to messages of a state that was there no more.
wc -l <$d/rpc.managed >$d/lines

begin "the guest is reset: nobody waits for the reply"
guest rpc 'vmware-rpctool acme.reset >/dev/null 2>&1 &' >/dev/null
same "request N has ended: the guest was reset, or another state was loaded" "$(said rpc)"

begin "it boots again, and is answered"
seen=$(guest_read rpc 300 && asks "acme.echo hello")
same "hello" "$seen"

begin "the guest migrates while a message waits: the source's reply is refused"
kill $manager
wait $manager 2>/dev/null
rpc_qemu there -incoming "unix:$d/there.socket"
qmp there query-status >/dev/null
python3 -I -S /bin/rpc-manager.py $d/there.managed.socket >$d/there.managed 2>&1 &
manage rpc $d/there.socket
echo "vmware-rpctool acme.migrate 2>&1" 1<>"$d/rpc.guest.in"
same "completed; the guest has migrated: ask its destination" "$(said rpc); $(said rpc)"

begin "the destination's manager is asked when the guest goes on, and the same program hears it"
qmp there cont
same "from the destination" "$(guest_read there 60)"

begin "the source's QEMU ends cleanly"
quit rpc

begin "the guest migrates while two programs ask all the time"
before=$(counts acme there)
both_ask there 500
rpc_qemu last -incoming "unix:$d/last.socket"
qmp last query-status >/dev/null
manage last
ended=$(migrate there $d/last.socket '{status}')
same "completed: $(printf '500 good, 0 unknown, 0 other\n500 good, 0 unknown, 0 other')" "$ended: $(both_heard last)"

begin "no message was lost, and none was answered twice"
after=$(counts acme there)
last=$(counts acme last)
echo "  before:   $before"
echo "  after:    $after"
echo "  last:     $last"
same "1000" "$(($(answered "$after") - $(answered "$before") + $(answered "$last")))"

begin "that source's QEMU ends cleanly"
quit there

begin "QEMU ends while a message waits"
echo "vmware-rpctool acme.quit 2>&1" 1<>"$d/last.guest.in"
ends last 30
runs last && seen="still there" || seen="gone"
same "gone" "$seen"

all_passed
