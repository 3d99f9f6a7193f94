#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# QEMU's side: options that contradict each other, migrations between QEMUs that differ,
# snapshots.  Runs qemu-host.sh; ends like demo.sh, with "qemu: PASS" or "qemu: FAIL:
# STEP".
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
title=qemu
. "$top/scripts/lane/steps.sh"

begun=$(date +%s)
get_host_parts
make_host "$build/qemu-host.cpio.gz" "$top/scripts/lane/qemu-host.sh"
note "set-up: $(($(date +%s) - begun)) s"
run_host 1500
