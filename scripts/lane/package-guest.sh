#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs as a service in the machine that test-package.sh boots: the modules that
# modprobe finds, and our kselftests with them.  scripts/suite/tap.py reads the @@ lines.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
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

echo "@@LANE"
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
	timeout 300 "/tests/bin/$name" </dev/null 2>&1
	echo "@@END $release $name $?"
done </tests/ours
check "the modules unload" modprobe -r "$vendor"
if dmesg | grep -E 'WARNING: CPU|BUG:|Oops|general protection|disagrees about version'; then
	echo "@@LOG bad"
else
	echo "@@LOG clean"
fi
echo "@@DONE"
