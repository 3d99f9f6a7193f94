#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# package-guest.sh [TESTS]: the package's modules on the machine that runs this, which
# uses no KVM: modprobe finds them, our kselftests in the directory TESTS, /tests, run
# with them, and the benchmark where TESTS has a file "bench".  At the end none are
# loaded.  Run as a service of the machine that test-package.sh boots, and by
# test-host.sh.  scripts/suite/tap.py reads the @@ lines.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
tests=${1:-/tests}
release=$(uname -r)

# check TEXT COMMAND...
check() {
	text=$1
	shift
	if "$@"; then
		echo "ok - $release: $text"
	else
		echo "not ok - $release: $text"
	fi
}

# Not part of the kernel that runs, says the kernel.
loaded_is_ours() {
	grep -q O "/sys/module/$(echo "$1" | tr - _)/taint"
}

signed() {
	[ -n "$(modinfo -F signer kvm)" ]
}

# The log may have had something to say before.
mark="vmport test $$ begins"
new_messages() {
	dmesg | sed "1,/$mark/d"
}

echo "@@LANE"
echo "$mark" >/dev/kmsg
vendor=kvm-intel
if grep -qw svm /proc/cpuinfo; then
	vendor=kvm-amd
fi
check "modprobe loads $vendor" modprobe "$vendor"
for module in kvm "$vendor"; do
	check "the $module that is loaded is the package's" loaded_is_ours "$module"
done
check "DKMS has signed the modules" signed
while read -r name; do
	echo "@@BEGIN $release $name"
	timeout 300 "$tests/bin/$name" </dev/null 2>&1
	echo "@@END $release $name $?"
done <"$tests/ours"
if [ -e "$tests/bench" ]; then
	check "the benchmark of KVM's own exits ends" "$tests/bin/vmport_bench" kvm ""
	check "the benchmark of the interface ends" "$tests/bin/vmport_bench" costs
	check "the benchmark of two processors ends" "$tests/bin/vmport_bench" scaling 1
fi
check "the modules unload" modprobe -r "$vendor"
if new_messages | grep -E 'WARNING: CPU|BUG:|Oops|general protection|disagrees about version'; then
	echo "@@LOG bad"
else
	echo "@@LOG clean"
fi
echo "@@DONE"
