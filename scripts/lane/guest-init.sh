#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The first process of our guests.  It runs the lines which come in on the second
# serial line:
#
#   a line       is run by sh in a process of its own
#   its output   comes back, "|" before every line
#   its status   comes back as "@@STATUS"
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mount -t tmpfs tmpfs /tmp
[ ! -d /run ] || mount -t tmpfs tmpfs /run
exec 3<>/dev/ttyS1
stty -F /dev/ttyS1 -echo -onlcr 115200
echo '@@ready' >&3
while read -r line <&3; do
	(eval "$line") >/tmp/.output 2>&1 </dev/null
	status=$?
	sed 's/^/|/' /tmp/.output >&3
	echo "@@$status" >&3
done
