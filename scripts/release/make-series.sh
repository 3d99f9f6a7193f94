#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# make-series.sh: the patches to send to KVM's maintainers, generated from this
# tree, against the newest kernel that there is a patches/ directory for.  Leaves
# build/series/*.patch with a cover letter, and the git tree that they come from in
# $cache/series: the first commit is the kernel's files, each further one a patch.
#
# The code comes in the order in which it can be read; the option that builds it
# comes with the last piece that it needs to link, and the capability with the
# last hook.  What only older kernels need is left out.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"

"$top/scripts/setup/fetch-source.sh" newest
. "$cache/source/newest/env"
patches=$top/patches/$S_SERIES
[ -d "$patches" ] || die "there is no patches/$S_SERIES: port the series first"
ensure_packages git python3 rsync

repository=$cache/series
vmport=arch/x86/kvm/vmport
selftests=tools/testing/selftests/kvm
tests=$selftests/x86
base="arch/x86/include/asm/kvm_host.h arch/x86/include/asm/kvm-x86-ops.h arch/x86/kvm Documentation/virt/kvm/x86/index.rst \
MAINTAINERS tools/testing/selftests/kvm/Makefile.kvm"
name=$(git -C "$top" config user.name || git -C "$top" log -1 --format=%an)
email=$(git -C "$top" config user.email || git -C "$top" log -1 --format=%ae)

in_series() {
	git -C "$repository" -c user.name="$name" -c user.email="$email" "$@"
}

# Whatever has changed; the message on standard input.
commit() {
	in_series add -A
	in_series commit -q -s -F -
}

# The compat headers are older kernels' affair, as is the old way to allocate.
add() {
	for file in "$@"; do
		mkdir -p "$repository/$(dirname "$file")"
		sed -e '/^#include ".*compat\.h"$/d' \
			-e 's/kvm_apic_bus_cycle_ns(\(.*->kvm\))/\1->arch.apic_bus_cycle_ns/' \
			-e 's/KVM_VMPORT_GUESTDBG_STEPS/(KVM_GUESTDBG_USE_HW_BP | KVM_GUESTDBG_SINGLESTEP)/' \
			-e 's/kvm_has_protected_state(kvm)/kvm->arch.has_protected_state/' \
			-e 's/kzalloc(sizeof(\(\*[a-z]*\)), /kzalloc_obj(\1, /' \
			"$top/$file" | cat -s >"$repository/$file"
	done
}

# The engine's file and its header.
add_parts() {
	for part in "$@"; do
		for file in "$vmport/$part.c" "$vmport/$part.h"; do
			[ ! -f "$top/$file" ] || add "$file"
		done
	done
}

# apply NUMBER WANTED UNWANTED: those hunks of a patch whose "file: text" matches
# WANTED, but not UNWANTED
apply() {
	python3 "$top/scripts/release/series.py" hunks "$(echo "$patches/$1"-*.patch)" \
		"$2" "$3" >"$repository/.git/hunks"
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

capability='KVM_CAP_X86_VMPORT|kvm_vmport_vm_ioctl|kvm_vmport_destroy_vm'

generate() {
	rm -rf "$repository"
	mkdir -p "$repository"
	git init -q "$repository"
	for path in $base; do
		mkdir -p "$repository/$(dirname "$path")"
		cp -a "$S_SOURCE/$path" "$repository/$path"
	done
	in_series add -A
	in_series commit -q -m "Linux $S_VERSION"
	in_series tag base

	add include/uapi/linux/kvm_vmport.h
	commit <<'END'
KVM: x86/vmport: Define the ABI of the VMware guest interface

Guests that were built for VMware talk to their hypervisor through I/O
port 0x5658.  A VMM that has KVM answer needs to turn it on, to describe
the machine, to exchange guestinfo and to migrate all of it.

Define one capability with a mask of features, typed attributes, one
format for the saved state, and the exit for messages that the kernel
does not own.
END
	add "$vmport/abi.h" "$vmport/alloc.h" "$vmport/call.h" "$vmport/events.h" "$vmport/protocol.h"
	add_parts guestinfo
	commit <<'END'
KVM: x86/vmport: Add the guestinfo store

Guests and VMM exchange variables by name.  Keep them with limits on
number, length and sum, charged to the VMM's memory cgroup.
END
	add_parts reply tclo channel channels rpci ask requests message
	commit <<'END'
KVM: x86/vmport: Add the GuestRPC channels

Above single commands VMware has messages in both directions, in
channels that a guest opens and that time out.  Add them, the RPCs on
guestinfo and those that the VMM is asked for.
END
	add_parts hb
	commit <<'END'
KVM: x86/vmport: Move whole messages by string instructions

Four bytes a call is slow for what is longer.  Add the high-bandwidth
way of moving a message, of its second port.
END
	add_parts command steal
	commit <<'END'
KVM: x86/vmport: Add the commands

One table: for each command a small function, the feature that owns it
and whether it can be answered with interrupts disabled.
END
	add_parts state blob_types packer unpacker section section_channel section_guestinfo \
		section_steal section_tclo pack unpack
	commit <<'END'
KVM: x86/vmport: Save and restore the state

Live migration must lose neither a variable nor a message that is half
sent.  Pack all of it into one versioned blob, and check every field of
one before any of it is used.
END
	add "$vmport/Kconfig" "$vmport/Makefile" "$vmport/insn.h" "$vmport/vmport.h" "$vmport/vmport_trace.h"
	add_parts attr attr_ask attr_guestinfo clock exit gp hypercall ioctl memory pmc port privilege \
		string vcpu vm
	for number in 0001 0004 0010; do
		apply "$number" 'kvm_host\.h: |kvm-x86-ops\.h: |kvm/Kconfig: |kvm/Makefile: |vmport_fast_calls' ''
	done
	commit <<'END'
KVM: x86/vmport: Tie the VMware guest interface to KVM

Give a VM its state, its ioctls and attributes, and calls their
registers, their guest memory and their instruction, from the exit
handlers, the emulator and the exit fast path.  Add CONFIG_KVM_VMPORT.

Nothing calls it yet.  The features are reached through predicates that
are false at compile time where the option is off, so that KVM's object
code does not change.
END
	apply 0001 'x86\.c: ' "$capability"
	commit <<'END'
KVM: x86: Let the VMware guest interface answer port 0x5658

KVM sends each access to the port to user space, where few VMMs know
more than a handful of its commands.

Give vmport the first look at port accesses that are not string
instructions.  Where no VM on the host has enabled it, that is a static
branch.
END
	for number in 0002 0003 0004 0005 0006 0007 0008 0009 0011; do
		hook "$number"
	done
	apply 0001 "$capability" ''
	commit <<'END'
KVM: x86: Offer the VMware guest interface to VMMs

All hooks are in place.  Report the capability, let it be enabled, and
pass the ioctls on.
END
	for file in "$top/$selftests"/x86/vmport*.[ch] "$top/$selftests"/*/x86/vmport*.[ch]; do
		case $file in
		*_compat.h) ;;
		*) add "${file#"$top/"}" ;;
		esac
	done
	add tools/testing/vmport/clients.c tools/testing/vmport/clients.h tools/testing/vmport/commands.h
	for file in "$top/$tests"/vmport_*_test.c; do
		echo "TEST_GEN_PROGS_x86 += x86/$(basename "$file" .c)"
	done >"$repository/.git/programs"
	echo 'TEST_GEN_PROGS_EXTENDED_x86 += x86/vmport_bench' >"$repository/.git/extended"
	for file in "$top/$selftests"/lib/x86/vmport*.c; do
		echo "LIBKVM_x86 += lib/x86/$(basename "$file")"
	done >"$repository/.git/library"
	sed -i -e "/^LIBKVM_x86 += lib\/x86\/ucall\.c\$/r $repository/.git/library" \
		-e "/^TEST_GEN_PROGS_x86 += x86\/userspace_msr_exit_test\$/r $repository/.git/programs" \
		-e "/^TEST_GEN_PROGS_EXTENDED_x86 += x86\/nx_huge_pages_test\$/r $repository/.git/extended" \
		"$repository/tools/testing/selftests/kvm/Makefile.kvm"
	commit <<'END'
KVM: selftests: Test the VMware guest interface

Every command, message and attribute, from ring 0 and 3, by port, #GP,
emulator and hypercall, from L1 and L2, with either setting of
enable_vmware_backdoor; state that is saved and restored in the middle
of each; and a benchmark.
END
	add Documentation/virt/kvm/x86/vmport.rst
	cp "$top"/Documentation/virt/kvm/x86/*.svg "$repository/Documentation/virt/kvm/x86/"
	sed -i 's/^   timekeeping$/&\n   vmport/' "$repository/Documentation/virt/kvm/x86/index.rst"
	commit <<'END'
Documentation: KVM: Describe the VMware guest interface

For authors of VMMs: the capability, attributes, limits, the saved state
and the exit.
END
	python3 "$top/scripts/release/series.py" maintainers "$repository/MAINTAINERS" \
		"$name" "$email"
	commit <<'END'
MAINTAINERS: Add the VMware guest interface of KVM

So that its changes find a reader.
END
}

cover() {
	rm -rf "$build/series"
	in_series format-patch -q --cover-letter -o "$build/series" base
	python3 "$top/scripts/release/series.py" cover "$build/series/0000-cover-letter.patch"
}

step "generating the series for $S_VERSION" generate
step "formatting the series" cover
note "$(in_series rev-list --count base..HEAD) patches are in $build/series"
