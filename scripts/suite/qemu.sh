#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# QEMU's side: options that contradict each other, migrations between QEMUs that differ,
# snapshots; and QEMU's own test of what it reads of a guest.  If build-qemu.sh has built
# QEMU for another QEMU_SERIES too, a guest migrates from one to the other and back.  Runs
# qemu-host.sh; ends like demo.sh, with "qemu: PASS" or "qemu: FAIL: STEP".
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
title=qemu
. "$top/scripts/lane/steps.sh"

# What the guest says, cut short and hostile: QEMU's own unit test.
test_reports() {
	"$(dirname "$(readlink -f "$build/qemu-system-x86_64")")/tests/unit/test-vmware-report"
}

# another_qemu: what build-qemu.sh has built for another series
another_qemu() {
	for link in "$build"/qemu-[0-9]*; do
		[ "$link" = "$build/qemu-$qemu_series" ] || [ ! -x "$link" ] || readlink -f "$link"
	done | head -n 1
}

begun=$(date +%s)
get_host_parts
step "running QEMU's unit test of reports" test_reports
other=$(another_qemu)
[ -n "$other" ] || note "no migration to another QEMU: it is built by QEMU_SERIES=10.2 $(
	)scripts/setup/build-qemu.sh, or 10.0"
make_host "$build/qemu-host.cpio.gz" "$top/scripts/lane/qemu-host.sh" \
	${other:+-f "$other:bin/qemu-other"}
note "set-up: $(($(date +%s) - begun)) s"
run_host 1500
