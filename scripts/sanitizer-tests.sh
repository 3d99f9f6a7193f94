# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs inside the guest of test-sanitizers.sh, see mkinitramfs.sh: our kselftests
# once, then a look for memory that nobody has a pointer to.

mount -t debugfs debugfs /sys/kernel/debug
leaks=/sys/kernel/debug/kmemleak

if load_kvm vmport; then
	while read -r name; do
		echo "@@BEGIN $LANE_WHERE $name"
		timeout 1500 "/tests/bin/$name" </dev/null 2>&1
		echo "@@END $LANE_WHERE $name $?"
	done </tests/ours
	if [ -e "$leaks" ]; then
		# Young objects may be on their way, and a stack has old pointers.
		for round in 1 2 3; do
			sleep 6
			echo scan >"$leaks"
		done
		cat "$leaks"
		if grep -q 'kvm\|vmport' "$leaks"; then
			echo "not ok - kmemleak finds nothing ($round scans)"
		else
			echo "ok - kmemleak finds nothing ($round scans)"
		fi
	fi
	unload_kvm || echo "@@FAIL the modules unload"
else
	echo "@@FAIL the modules load"
fi
echo "@@DONE"
