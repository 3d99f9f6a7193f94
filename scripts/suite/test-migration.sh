#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# test-migration.sh: two hosts in two emulators, with a network between them, and a Debian
# guest under load that migrates there and back.  One host has the distribution's kernel,
# the other the newest.  TAP; what is measured is in build/migration.json.  MIGRATIONS is
# how many there are, 20 unless said.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
title=migration
. "$top/scripts/lane/steps.sh"
. "$top/scripts/lane/image.sh"
trap - EXIT HUP INT TERM

migrations=${MIGRATIONS:-20}
case $migrations in
'' | *[!0-9]* | 0*) die "MIGRATIONS=$migrations: give a number from 2 on" ;;
esac
[ "$migrations" -ge 2 ] || die "MIGRATIONS=$migrations: give a number from 2 on, there and back"

newest() {
	"$top/scripts/setup/build-linux.sh" newest newest-guests guests
}

make_load() {
	for program in rpc-load rates; do
		${CC:-gcc} -O2 -Wall -static -o "$build/$program" \
			"$top/tools/testing/vmport/guest/$program.c"
	done
	# A disk in the guest's memory, for what the tools freeze.
	disk_modules=brd
	make_disk_initramfs "$build/migration-disk.cpio.gz" "$build/rpc-load" "$build/rates"
}

# make_side NAME [MKINITRAMFS ARGUMENT...]
make_side() {
	side=$1
	shift
	make_host "$build/migration-$side.cpio.gz" "$top/scripts/lane/migration-host.sh" \
		-p "$top/scripts/lane/agent.py:bin/agent.py" \
		-p "$top/scripts/lane/migration-host.py:bin/migration-host.py" \
		-f "$build/migration-disk.cpio.gz:demo/disk.cpio.gz" "$@"
}

suite() {
	begun=$(date +%s)
	get_host_parts
	"$top/scripts/setup/guest-image.sh"
	ensure_packages cpio gzip xz-utils zstd gcc binutils
	set_up "the newest kernel builds" newest || return
	step "making the guest's initramfs" make_load
	make_side distribution -m virtio_blk -m virtio_net -m failover
	MODULES=$build/linux-newest-guests/modules make_side newest
	note "set-up: $(($(date +%s) - begun)) s"
	python3 "$top/scripts/suite/migration.py" "$build" "$cache/guest/current/root.ext4" \
		"$migrations"
}

as_tap suite
