#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The main job: a VMware-built guest keeps its RPC state across a live migration.
# Sets up what is missing, boots the distribution's kernel with our KVM modules,
# and runs demo-host.sh in it.  The last line is "demo: PASS" or "demo: FAIL:
# STEP", and the status 0 or 1.  With DEMO_TAP=1 every step is a test line too.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)

# Whatever ends this script, the last line says how it went.
verdict="demo: FAIL: the set-up"
child=
finish() {
	status=$?
	[ -z "$child" ] || kill "$child" 2>/dev/null || true
	# What it still says comes before the verdict.
	wait
	echo "$verdict"
	[ "$verdict" = "demo: PASS" ] || exit 1
	exit "$status"
}
trap finish EXIT
trap 'verdict="demo: FAIL: interrupted"; exit 130' HUP INT TERM

. "$top/scripts/lib.sh"

limit=900
firmware=$build/demo-firmware
transcript=$log_dir/demo-transcript.log

begun=$(date +%s)
[ "$(id -u)" = 0 ] || note "not root: works as long as no package is missing"
"$top/scripts/fetch-kernel.sh"
"$top/scripts/build-kvm.sh" on
"$top/scripts/fetch-qemu.sh"
"$top/scripts/build-qemu.sh"
ensure_packages qemu-system-x86 qemu-system-data seabios busybox-static
. "$kernel_env"

# The firmware is the distribution's: the source package has none.
gather_firmware() {
	rm -rf "$firmware"
	mkdir -p "$firmware"
	for file in bios-256k.bin kvmvapic.bin linuxboot_dma.bin; do
		for place in /usr/share/seabios /usr/share/qemu; do
			[ ! -f "$place/$file" ] || cp -L "$place/$file" "$firmware/"
		done
		[ -f "$firmware/$file" ] || {
			echo "no $file in the packages seabios and qemu-system-data"
			return 1
		}
	done
}

"$top/scripts/demo-guest.sh" "$build/demo-guest.cpio.gz"
step "gathering the firmware" gather_firmware
step "making the host's image" "$top/scripts/mkinitramfs.sh" -o "$build/demo-host.cpio.gz" \
	-s "$top/scripts/demo-host.sh" \
	-f "$(readlink -f "$build/qemu-system-x86_64"):bin/qemu-system-x86_64" \
	-f "$K_VMLINUZ:demo/vmlinuz" -f "$build/demo-guest.cpio.gz:demo/guest.cpio.gz" \
	-d "$firmware:demo/firmware"
note "set-up: $(($(date +%s) - begun)) s"

# The transcript for people, and with DEMO_TAP=1 a test line a step.  Steps are
# told by the first word; whatever else the host's serial line says is shown.
format() {
	awk -v tap="${DEMO_TAP:-0}" '
		{ sub(/\r$/, "") }
		/^step [0-9]+: / { name = $0; sub(/^step [0-9]+: /, "", name) }
		tap == 1 { print /^#/ ? $0 : "# " $0 }
		tap != 1 && !/^@@(DEMO|LOG)/ { print }
		tap == 1 && /^  result:   ok/ { print "ok - demo: " name; name = "" }
		tap == 1 && /^  result:   FAIL/ { print "not ok - demo: " name; name = "" }
		/^  result:/ { name = "" }
		{ fflush() }
		END { if (tap == 1 && name != "") print "not ok - demo: " name " (it did not end)" }'
}

# A step that hangs is named by the transcript's last beginning.
last_step() {
	sed -n 's/\r$//; s/^step [0-9]*: //p' "$transcript" | tail -n 1
}

begun=$(date +%s)
verdict="demo: FAIL: booting the host"
pipe=$build/demo.pipe
rm -f "$pipe"
mkfifo "$pipe"
tee "$transcript" <"$pipe" | format &
reader=$!
# One processor: with two that share a thread, each waits for the other.
QEMU_CPUS=1 "$top/scripts/boot.sh" "$build/demo-host.cpio.gz" "$limit" >"$pipe" 2>&1 &
child=$!
status=0
wait "$child" || status=$?
child=
wait "$reader"
rm -f "$pipe"
note "the demo itself: $(($(date +%s) - begun)) s, transcript in $transcript"

if grep -q '^@@DEMO PASS' "$transcript" && grep -q '^@@LOG clean' "$transcript" &&
	[ "$status" = 0 ]; then
	verdict="demo: PASS"
elif grep -q '^@@DEMO FAIL: ' "$transcript"; then
	verdict="demo: FAIL: $(sed -n 's/\r$//; s/^@@DEMO FAIL: //p' "$transcript" | head -n 1)"
	exit 1
elif grep -q '^@@LOG bad' "$transcript"; then
	verdict="demo: FAIL: the host's kernel complained"
	exit 1
elif [ -n "$(last_step)" ]; then
	verdict="demo: FAIL: $(last_step)"
	exit 1
else
	exit 1
fi
