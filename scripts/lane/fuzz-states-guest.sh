# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs inside the guest of fuzz-states.sh, see mkinitramfs.sh and fuzz_states.py.

mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null

# fuzz SEED SECONDS
fuzz() {
	# shellcheck disable=SC2046 # a list
	/tests/vmport_state_fuzz -s "$1" -t "$2" $(echo "${FUZZ_ARGUMENTS:-}" | tr , ' ') \
		</dev/null 2>&1
	echo "@@FUZZED $?"
}

if load_kvm vmport; then
	fuzz "$FUZZ_SEED" $((FUZZ_SECONDS * 3 / 4))
	unload_kvm
fi
# shellcheck disable=SC2034 # of load_kvm
KVM_AMD=npt=0 KVM_INTEL=ept=0
if load_kvm vmport; then
	fuzz $((FUZZ_SEED + 1)) $((FUZZ_SECONDS / 4))
	unload_kvm
fi
