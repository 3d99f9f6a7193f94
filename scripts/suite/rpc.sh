#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# QEMU, a guest, and a management program that answers the guest's own RPCs, well and
# badly.  Runs rpc-host.sh; ends like demo.sh, with "rpc: PASS" or "rpc: FAIL: STEP".
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
title=rpc
. "$top/scripts/lane/steps.sh"

begun=$(date +%s)
get_host_parts
make_host "$build/rpc-host.cpio.gz" "$top/scripts/lane/rpc-host.sh" \
	-p "$top/scripts/lane/rpc-manager.py:bin/rpc-manager.py"
note "set-up: $(($(date +%s) - begun)) s"
run_host 1500
