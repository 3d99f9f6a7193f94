#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The first process of the machines that mkinitramfs.sh makes images for: mounts what
# there is to mount, runs the script that is in /payload, and switches the machine off.
export PATH=/bin HOME=/tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/shm
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
ifconfig lo up 2>/dev/null
stty -onlcr 2>/dev/null

# shellcheck disable=SC2086 # KVM_AMD and KVM_INTEL are lists of parameters
load_kvm() {
	which=$1
	shift
	while read -r module; do
		insmod "/modules/$module.ko" 2>/dev/null
	done </modules/order
	insmod "/modules/$which/kvm.ko" "$@" || return
	if grep -qw svm /proc/cpuinfo; then
		insmod "/modules/$which/kvm-amd.ko" ${KVM_AMD:-}
	else
		insmod "/modules/$which/kvm-intel.ko" ${KVM_INTEL:-}
	fi
}

unload_kvm() {
	rmmod kvm-amd 2>/dev/null || rmmod kvm-intel
	rmmod kvm
}

# A payload may leave out what is not ours.
kernel_log() {
	dmesg
}

. /payload

# Nothing that a test does may make the kernel complain.
if kernel_log | grep -E 'WARNING: (CPU|possible|suspicious|inconsistent)|BUG:|Oops|general protection|stack-protector|UBSAN|KASAN|KCSAN|INFO: (task|rcu|possible|suspicious)|unreferenced object'; then
	kernel_log | tail -n 60
	echo '@@LOG bad'
else
	echo '@@LOG clean'
fi
sync
poweroff -f
