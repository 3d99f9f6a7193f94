# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# One of the two hosts of make test-migration, sourced by the init of mkinitramfs.sh.
# Its address is on the kernel's command line.

load_kvm vmport
address=$(sed -n 's/.*ADDRESS=\([^ ]*\).*/\1/p' /proc/cmdline)
ifconfig eth0 "$address" netmask 255.255.255.0 up
export TMPDIR=/tmp
python3 -I -S /bin/migration-host.py /dev/ttyS1
