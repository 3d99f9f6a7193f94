#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# make-series.sh [--check]: the patches to send to KVM's maintainers, generated from
# this tree, against the newest kernel that there is a patches/ directory for, or the
# source that SERIES_SOURCE names.  Leaves build/series/*.patch with a cover letter, and
# the git tree that they come from in $cache/series: the first commit is the kernel's
# files, each further one a patch.
#
# Author and sign-off are git's user.name and user.email.  With --check they are nobody's,
# and the patches go to build/series-check/: to look at, not to send.
#
# The commands, their callers and a capability that offers them come first and work
# without the rest; see stages.py for what the code is in between.  samples/vmport stays
# here: it builds against the header where distributions have it, and a test of this
# repository runs it.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"

ensure_packages git make python3 rsync
out=$build/series
check=
if [ "${1:-}" = --check ]; then
	check=1
	out=$build/series-check
	name="Nobody (only a check)" email=nobody@invalid
else
	[ $# = 0 ] || die "usage: make-series.sh [--check]"
	name=$(git -C "$top" config user.name || true)
	email=$(git -C "$top" config user.email || true)
	reason=$(python3 "$top/scripts/release/series.py" author "$name" "$email") || die "$reason"
fi

if [ "${SERIES_SOURCE:-}" ]; then
	S_SOURCE=$SERIES_SOURCE
	S_SERIES=$(make -s -C "$S_SOURCE" kernelversion | cut -d. -f1-2 | cut -d- -f1)
	S_VERSION=$(make -s -C "$S_SOURCE" kernelversion)
else
	"$top/scripts/setup/fetch-source.sh" newest
	. "$cache/source/newest/env"
fi
patches=$top/patches/$S_SERIES
[ -d "$patches" ] || die "there is no patches/$S_SERIES: port the series first"

exec 7>"$cache/.series-lock"
flock 7
repository=$cache/series
stages=$cache/series-stages
# The distribution's version of a stable release is that release.
version=v$(echo "$S_VERSION" | cut -d- -f1)
base="arch/x86/include/asm/kvm_host.h arch/x86/include/asm/kvm-x86-ops.h arch/x86/kvm \
include/uapi/linux/kvm.h include/trace/events/kvm.h Documentation/virt/kvm/api.rst Documentation/virt/kvm/x86/index.rst \
MAINTAINERS tools/testing/selftests/kvm/Makefile.kvm"

in_series() {
	git -C "$repository" -c user.name="$name" -c user.email="$email" -c commit.gpgsign=false "$@"
}

series_py() {
	python3 "$top/scripts/release/series.py" "$@"
}

# Whatever has changed; the message on standard input.
commit() {
	in_series add -A
	in_series commit -q -s -F -
}

# take STAGE PATTERN...: files of the series as they are after that stage
take() {
	series_py take "$top" "$stages" "$repository" "$@"
}

# edit STAGE: the numbers and entries of a stage in KVM's own files
edit() {
	python3 "$top/scripts/release/upstream.py" edit "$S_SOURCE" "$1" "$repository"
}

# apply NUMBER WANTED UNWANTED: those hunks of a patch whose "file: text" matches
# WANTED, but not UNWANTED
apply() {
	series_py hunks "$(echo "$patches/$1"-*.patch)" "$2" "$3" >"$repository/.git/hunks"
	in_series apply --recount "$repository/.git/hunks"
}

# The message of a patch, without its mail header and signature.
message() {
	cat "$patches/$1"-*.patch |
		git -C "$repository" mailinfo "$repository/.git/body" "$repository/.git/diff" |
		sed -n 's/^Subject: //p'
	echo
	sed '/^Signed-off-by: /d; /^---$/,$d' "$repository/.git/body"
}

# A hook, without what the build needed before.
hook() {
	apply "$1" . 'kvm_host\.h: |kvm-x86-ops\.h: '
	message "$1" | commit
}

# tests TITLE PATTERN...: a patch of tests; the rest of its message on standard input
tests() {
	tests_title=$1
	shift
	take steal "$@"
	series_py programs "$repository"
	{
		echo "KVM: selftests: $tests_title"
		echo
		cat
	} | commit
}

begin() {
	rm -rf "$repository" "$stages"
	mkdir -p "$repository" "$stages"
	python3 "$top/scripts/release/upstream.py" "$top" "$S_SOURCE" "$stages/final"
	python3 "$top/scripts/release/stages.py" "$stages/final" "$stages"
	git init -q "$repository"
	for path in $base; do
		mkdir -p "$repository/$(dirname "$path")"
		cp -a "$S_SOURCE/$path" "$repository/$path"
	done
	in_series add -A
	in_series commit -q -m "Linux $version"
	in_series tag base
}

capability='KVM_CAP_X86_VMPORT|kvm_vmport_vm_ioctl|kvm_vmport_destroy_vm'

generate_base() {
	take base 'arch/x86/include/uapi/*'
	edit base
	commit <<'MESSAGE'
KVM: x86: Define the ABI of the VMware guest interface

Define one capability with a mask of features, and ioctls for typed
attributes, in a header of their own.

Guests that were built for VMware talk to their hypervisor through I/O
port 0x5658.  A VMM that has KVM answer needs to turn it on and to
describe the machine.  The header is x86's; only numbers and what is part
of struct kvm_run belong in <linux/kvm.h>.
MESSAGE
	take base @engine
	commit <<'MESSAGE'
KVM: x86: Add the commands of the VMware guest interface

Add one table, with a small function for each command and the feature
that owns it.

The commands know no struct kvm_vcpu, so that the same files can be built
and tested in user space.  Nothing calls or builds them yet.
MESSAGE
	take base 'arch/x86/kvm/vmport/*'
	for number in 0001 0010; do
		apply "$number" 'kvm_host\.h: |kvm-x86-ops\.h: |kvm/Kconfig: |kvm/Makefile: |vmport_(fast_calls|channels)' ''
	done
	commit <<'MESSAGE'
KVM: x86: Tie the VMware guest interface to KVM

Add CONFIG_KVM_VMPORT.  Give a VM its state, its ioctls and attributes,
and give calls their registers and their instruction, from the exit
handlers, the emulator, #GP and the exit fast path.

Nothing calls it yet.  The features are reached through predicates that
are false at compile time where the option is off, so that KVM's object
code does not change.
MESSAGE
	apply 0001 'x86\.c: ' "$capability"
	commit <<'MESSAGE'
KVM: x86: Let the VMware guest interface answer port 0x5658

Give vmport the first look at port accesses that are not string
instructions.

KVM sends each access to the port to user space.  Where no VM on the host
has enabled vmport, the look is a static branch.
MESSAGE
	for number in 0002 0003 0005 0006 0007 0008 0009; do
		hook "$number"
	done
	apply 0001 "$capability" ''
	commit <<'MESSAGE'
KVM: x86: Offer the VMware guest interface to VMMs

Report the capability, let it be enabled, and pass the ioctls on.

All hooks of the commands are in place.  This much stands alone: what
follows adds messages, each part with a feature of its own.
MESSAGE
	in_series tag stage-base
}

generate_rpc() {
	take rpc 'arch/x86/include/uapi/*'
	edit rpc
	commit <<'MESSAGE'
KVM: x86: Define the ABI of VMware's GuestRPC

Define attributes for the store of guestinfo, for requests to the guest's
tools, for limits and for an eventfd, and the exit KVM_EXIT_VMPORT.

Above single commands VMware has messages in both directions.  A VMM has
to exchange guestinfo with the guest, to send requests, and to answer
messages that the kernel does not own.
MESSAGE
	take rpc @engine '!*/command.c'
	commit <<'MESSAGE'
KVM: x86: Add the GuestRPC channels of VMware guests

Add the store of guestinfo, with limits on number, length and sum, all
charged to the VMM's memory cgroup; channels that a guest opens and that
time out; the messages in both directions on them, the RPCs on guestinfo
and those that the VMM is asked for.

Guests and their host exchange variables this way.  Nothing builds it
before its users are there.
MESSAGE
	take rpc 'arch/x86/kvm/vmport/*'
	edit request
	apply 0004 'x86\.c: ' ''
	commit <<'MESSAGE'
KVM: x86: Let VMware guests exchange messages with their host

Give a VM its channels and guestinfo, tie the attributes to them, leave
KVM_RUN before the guest is entered when the VMM has to answer an RPC,
and offer both to VMMs.

The reply of the VMM has to be there when the guest executes its next
instruction, whichever way the call came: port, emulator, #GP.  So the
request is looked at when a vCPU enters the guest.
MESSAGE
}

generate_state() {
	take state 'arch/x86/include/uapi/*' @engine
	edit state
	commit <<'MESSAGE'
KVM: x86: Add the saved state of the VMware guest interface

Pack channels, requests and guestinfo into one versioned blob, and check
every field of one before any of it is used.

Live migration must lose neither a variable nor a message that is half
sent.
MESSAGE
	take state 'arch/x86/kvm/vmport/*'
	commit <<'MESSAGE'
KVM: x86: Let a VMM save and restore what VMware guests left

Add KVM_GET_VMPORT_STATE and KVM_SET_VMPORT_STATE.

A running vCPU sees the old state or the new one, never a mix, and an
error changes nothing.
MESSAGE
}

generate_rest() {
	take hb 'arch/x86/*'
	edit hb
	commit <<'MESSAGE'
KVM: x86: Let VMware guests move messages by string instructions

Answer port 0x5659, the high-bandwidth way of moving a message, and the
hypercalls that do the same.

Four bytes a call is slow for what is longer.  A transfer that a fault or
a migration stops goes on where it was.
MESSAGE
	take steal 'arch/x86/*'
	edit steal
	apply 0011 . ''
	message 0011 | commit
}

generate_tests() {
	tests "Add a library for the VMware guest interface" 'tools/testing/selftests/*.h' \
		'tools/testing/selftests/*/lib/*' 'tools/testing/vmport/*' <<'MESSAGE'
Add guest code that calls by each instruction, helpers for attributes
and state, and a table of what known clients load into registers.
MESSAGE
	tests "Test commands and callers of the VMware guest interface" '*/vmport_cap_test.c' \
		'*/vmport_cmd_test.c' '*/vmport_ring3_test.c' '*/vmport_hypercall_test.c' \
		'*/vmport_pmc_test.c' '*/vmport_nested_test.c' '*/vmport_fastpath_test.c' \
		'*/vmport_xen_faults_test.c' <<'MESSAGE'
Check every command from ring 0 and 3, by port, #GP, emulator and
hypercall, from L1 and L2, and what enabling refuses.

Each test is meant for both settings of enable_vmware_backdoor.
MESSAGE
	tests "Test GuestRPC and guestinfo of VMware guests" '*/vmport_rpc_test.c' \
		'*/vmport_channel_test.c' '*/vmport_tclo_test.c' '*/vmport_guestinfo_test.c' \
		'*/vmport_privileged_test.c' '*/vmport_clients_test.c' <<'MESSAGE'
Check messages in both directions, each request, who may read what, and
what known clients do.
MESSAGE
	tests "Test the saved state of the VMware guest interface" '*/vmport_state_test.c' \
		'*/vmport_postcopy_test.c' <<'MESSAGE'
Save and restore in the middle of each message, and refuse blobs with
any field wrong.
MESSAGE
	tests "Test messages by string instructions of VMware guests" '*/vmport_hb_test.c' \
		'*/vmport_fault_test.c' <<'MESSAGE'
Check each form of the instruction, and that a transfer goes on after a
page fault and after a migration.
MESSAGE
	tests "Test the steal clock of VMware guests" '*/vmport_steal_test.c' <<'MESSAGE'
Compare it with the time that the vCPU's thread has waited.
MESSAGE
	tests "Test limits and races of the VMware guest interface" '*_test.c' <<'MESSAGE'
Let hostile guests take what they can get, and replace the state while
vCPUs call.
MESSAGE
	tests "Measure the VMware guest interface" '*/vmport_bench.c' <<'MESSAGE'
Time calls, messages and the state's ioctls.
MESSAGE
}

generate_documentation() {
	take steal 'Documentation/*'
	edit page
	sed -i 's/^   timekeeping$/&\n   vmport\n   vmport-security/' \
		"$repository/Documentation/virt/kvm/x86/index.rst"
	commit <<'MESSAGE'
Documentation: KVM: Describe the VMware guest interface

Describe attributes, limits, the saved state and the exit for authors of
VMMs, and what guests see.
MESSAGE
	series_py maintainers "$repository/MAINTAINERS" "$name" "$email"
	commit <<'MESSAGE'
MAINTAINERS: Add the VMware guest interface of KVM

Add an entry, so that changes find a reader.
MESSAGE
}

generate() {
	begin
	generate_base
	generate_rpc
	generate_state
	generate_rest
	generate_tests
	generate_documentation
}

cover() {
	rm -rf "$out"
	in_series format-patch -q --cover-letter -o "$out" base
	series_py cover "$out/0000-cover-letter.patch" "$version" \
		"$(in_series rev-list --count base..stage-base)" \
		"$top/Documentation/virt/kvm/x86/vmport-bench.svg"
}

check() {
	series_py check "$top" "$S_SOURCE" "$stages/final" "$repository" "$out"
}

step "generating the series for $S_VERSION" generate
step "formatting the series" cover
step "checking the series" check
note "$(in_series rev-list --count base..HEAD) patches are in $out${check:+, not to be sent}"
