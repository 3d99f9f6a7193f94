#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The main job: a VMware-built guest keeps its RPC state across a live migration.
# Sets up what is missing, boots the distribution's kernel with our KVM modules,
# and runs demo-host.sh in it.  The last line is "demo: PASS" or "demo: FAIL:
# STEP", and the status 0 or 1.  With STEPS_TAP=1 every step is a test line too.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
title=demo
. "$top/scripts/lane/steps.sh"

begun=$(date +%s)
get_host_parts
make_host "$build/demo-host.cpio.gz" "$top/scripts/lane/demo-host.sh"
note "set-up: $(($(date +%s) - begun)) s"
run_host 900
