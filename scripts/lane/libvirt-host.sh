#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# One of the two hosts of make test-libvirt: runs there as a service, does what comes in
# on the second serial line, and says at the end whether the kernel complained.  Its
# address is on the kernel's command line.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
address=$(sed -n 's/.*ADDRESS=\([^ ]*\).*/\1/p' /proc/cmdline)
for interface in /sys/class/net/e*; do
	ip link set "${interface##*/}" up
	ip address add "$address/24" dev "${interface##*/}"
done
mkdir -p /run/kvm-vmport
# What AppArmor refuses shall all be in the log.
echo 0 >/proc/sys/kernel/printk_ratelimit
python3 -I /usr/local/lib/kvm-vmport/libvirt-host.py /dev/ttyS1
if dmesg | grep -E 'WARNING: CPU|BUG:|Oops|general protection'; then
	echo '@@LOG bad'
else
	echo '@@LOG clean'
fi
