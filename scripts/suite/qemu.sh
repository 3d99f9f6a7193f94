#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# QEMU's side: options that contradict each other, migrations between QEMUs that differ,
# snapshots; and QEMU's own test of what it reads of a guest.  Runs qemu-host.sh; ends
# like demo.sh, with "qemu: PASS" or "qemu: FAIL: STEP".
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
title=qemu
. "$top/scripts/lane/steps.sh"

# What the guest says, cut short and hostile: QEMU's own unit test.
test_reports() {
	"$(dirname "$(readlink -f "$build/qemu-system-x86_64")")/tests/unit/test-vmware-report"
}

begun=$(date +%s)
get_host_parts
step "running QEMU's unit test of reports" test_reports
make_host "$build/qemu-host.cpio.gz" "$top/scripts/lane/qemu-host.sh"
note "set-up: $(($(date +%s) - begun)) s"
run_host 1500
