# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs inside the guest of test-sanitizers.sh, see mkinitramfs.sh: our kselftests
# once, then a look for memory that nobody has a pointer to.

mount -t debugfs debugfs /sys/kernel/debug
leaks=/sys/kernel/debug/kmemleak
races=/sys/kernel/debug/kcsan

# KCSAN's reports, ours or the others: blocks between lines of "=", ours with one of
# vmport's functions in a call trace, but not as what was interrupted.  Much of KVM
# and of the kernel around it races on purpose or for no harm, without saying so.
reports() {
	dmesg | awk -v ours="$1" '
		{ text = $0; sub(/^\[ *[0-9.]*\] ?/, "", text) }
		/={60}/ { inside = !inside
			if (!inside && found == ours) { printf "%s", block; n++ }
			block = ""; found = interrupted = 0; next }
		inside { block = block $0 "\n" }
		text !~ /^ +[a-z0-9_.]+[+]0x/ { interrupted = 0; next }
		text ~ /^ +asm_/ { interrupted = 1 }
		text ~ /^ +[a-z0-9_]*vmport/ && !interrupted { found = 1 }
		END { exit !n }'
}

kernel_log() {
	reports 1
	dmesg | awk '/={60}/ { inside = !inside; next } !inside'
}

# It is of no use where it does not look.
begin_kcsan() {
	[ -e "$races" ] || return 0
	echo on >"$races"
	watched=$(awk '/^setup_watchpoints/ { print $2 }' "$races")
}

end_kcsan() {
	[ -e "$races" ] || return 0
	watched=$(($(awk '/^setup_watchpoints/ { print $2 }' "$races") - watched))
	echo off >"$races"
	cat "$races"
	echo "# data races that are not ours: $(reports 0 | grep -c 'BUG: KCSAN')"
	reports 0 | grep 'BUG: KCSAN' | sed 's/.*BUG/#   BUG/' | sort | uniq -c | sort -rn | head -n 40
	if [ "$watched" -gt 100000 ]; then
		echo "ok - KCSAN looked ($watched times)"
	else
		echo "not ok - KCSAN looked ($watched times)"
	fi
	if reports 1; then
		echo "not ok - KCSAN finds nothing"
	else
		echo "ok - KCSAN finds nothing"
	fi
}

if load_kvm vmport; then
	begin_kcsan
	while read -r name; do
		echo "@@BEGIN $LANE_WHERE $name"
		timeout 1500 "/tests/bin/$name" </dev/null 2>&1
		echo "@@END $LANE_WHERE $name $?"
	done </tests/ours
	end_kcsan
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
