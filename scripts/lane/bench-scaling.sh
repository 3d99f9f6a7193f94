# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs inside the second guest of bench.sh, which has two processors that run in
# parallel.

if load_kvm vmport; then
	/tests/bin/vmport_bench scaling 0.3 || echo "@@BENCH failed the calls a second"
	unload_kvm
fi
echo "@@BENCH done"
