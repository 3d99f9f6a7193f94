#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs vmport-vmm, which stands beside this, and compares all that it says; TAP.  As
# vmport_sample_stock_test on a host whose KVM has no vmport.
dir=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# check NAME STATUS TEXT COMMAND...: it ends with STATUS and says TEXT, and no more.  What
# a later kernel may have otherwise is "...".
check() {
	name=$1 wanted="$3
status $2"
	shift 3
	got=$({ "$@" 2>&1; echo "status $?"; } |
		sed -e 's/\(sections\) 0x[0-9a-f]*/\1 .../' -e 's/\(saved,\) [0-9]*/\1 .../')
	if [ "$got" = "$wanted" ]; then
		echo "ok - $name"
	else
		echo "$got" | sed 's/^/# /'
		echo "not ok - $name"
		failed=1
	fi
}

vmm() {
	(cd "$work" && "$dir/vmport-vmm" "$@")
}

# A root with nothing in it, so without /dev/kvm
vmm_alone() {
	mkdir -p "$work/root"
	cp "$dir/vmport-vmm" "$work/root/"
	chroot "$work/root" /vmport-vmm "$@"
}

# cut_file BYTES: the saved file without its last bytes
cut_file() {
	head -c $(($(wc -c <"$work/saved") - $1)) "$work/saved" >"$work/cut"
}

check "a host without /dev/kvm is named" 1 \
	"vmport-vmm: /dev/kvm: No such file or directory" vmm_alone save saved

case $0 in
*_stock_test)
	check "a kernel without the capability is named" 1 \
		"vmport-vmm: this kernel's KVM has no KVM_CAP_X86_VMPORT" vmm save saved
	exit $failed
	;;
esac

head="vmm: features 0xf, sections ..."
check "a guest runs until half of its message is sent, and is saved" 0 "$head
vmm: saved, ... bytes are vmport's" vmm save saved
check "it sends the rest and reads the reply in a second process" 0 "$head
vmm: guestinfo.metadata = instance-id: sample
vmm: guestinfo.userdata = #cloud-config
guest: the reply is \"1 \"
vmm: guestinfo.hello = world" vmm restore saved

# refused BYTE: what is said of a state that is wrong there
refused() {
	echo "vmport-vmm: the state, byte $1: KVM_VMPORT_ERR_* 33: malformed: it will not do\
 better a second time: Invalid argument
$head"
}

cut_file 1
check "a state that is cut by one byte is refused" 1 "$(refused 8)" vmm restore cut
size=$(vmm save saved | sed -n 's/^vmm: saved, \([0-9]*\) .*/\1/p')
cut_file "$size"
check "a file without a state is refused" 1 "$(refused 0)" vmm restore cut
cut_file $((size + 1))
check "a file that is cut before the state is refused" 1 \
	"vmport-vmm: cut: cut, or no file of vmport-vmm save
$head" vmm restore cut
check "a file that is not there is named" 1 "vmport-vmm: missing: No such file or directory
$head" vmm restore missing
exit $failed
