# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Shared by the scripts that boot a host with our KVM modules and the built QEMU,
# and run steps in it (host-lib.sh): sourced, with $top set to the checkout and
# $title to the first word of the verdict.  The last line is then "TITLE: PASS" or
# "TITLE: FAIL: STEP", and the status 0 or 1.  With STEPS_TAP=1 every step is a
# test line too.

: "${title:?set \$title before sourcing steps.sh}"

# Whatever ends the script, the last line says how it went.
verdict="$title: FAIL: the set-up"
child=
finish() {
	status=$?
	[ -z "$child" ] || kill "$child" 2>/dev/null || true
	# What it still says comes before the verdict.
	wait
	echo "$verdict"
	[ "$verdict" = "$title: PASS" ] || exit 1
	exit "$status"
}
trap finish EXIT
trap 'verdict="$title: FAIL: interrupted"; exit 130' HUP INT TERM

. "$top/scripts/lib.sh"

firmware=$build/demo-firmware

# The firmware is the distribution's: the source package has none.
gather_firmware() {
	rm -rf "$firmware"
	mkdir -p "$firmware"
	for file in bios-256k.bin kvmvapic.bin linuxboot_dma.bin qboot.rom; do
		for place in /usr/share/seabios /usr/share/qemu; do
			[ ! -f "$place/$file" ] || cp -L "$place/$file" "$firmware/"
		done
		[ -f "$firmware/$file" ] || {
			echo "no $file in the packages seabios and qemu-system-data"
			return 1
		}
	done
}

# get_host_parts: what the images of such hosts are made of
get_host_parts() {
	[ "$(id -u)" = 0 ] || note "not root: works as long as no package is missing"
	"$top/scripts/setup/fetch-kernel.sh"
	"$top/scripts/setup/build-kvm.sh" on
	"$top/scripts/setup/fetch-qemu.sh"
	"$top/scripts/setup/build-qemu.sh"
	ensure_packages qemu-system-x86 qemu-system-data seabios busybox-static
	. "$kernel_env"
	"$top/scripts/setup/demo-guest.sh" "$build/demo-guest.cpio.gz"
	step "gathering the firmware" gather_firmware
}

# make_host IMAGE SCRIPT [MKINITRAMFS ARGUMENT...]: of a host that runs guests, with
# the parts that every such host has
make_host() {
	image=$1
	script=$2
	shift 2
	step "making ${image##*/}" "$top/scripts/lane/mkinitramfs.sh" -o "$image" \
		-s "$script" -f "$top/scripts/lane/host-lib.sh:host-lib.sh" \
		-f "$(readlink -f "$build/qemu-system-x86_64"):bin/qemu-system-x86_64" \
		-f "$K_VMLINUZ:demo/vmlinuz" -f "$build/demo-guest.cpio.gz:demo/guest.cpio.gz" \
		-d "$firmware:demo/firmware" "$@"
}

# The transcript for people, and with STEPS_TAP=1 a test line a step.  Steps are
# told by the first word; whatever else the host's serial line says is shown.
format() {
	# mawk would keep lines back until it has a block of them.
	case $(awk -W version 2>&1 </dev/null) in
	mawk*) set -- -W interactive ;;
	esac
	awk "$@" -v tap="${STEPS_TAP:-0}" -v title="$title" '
		{ sub(/\r$/, "") }
		/^step [0-9]+: / { name = $0; sub(/^step [0-9]+: /, "", name) }
		tap == 1 { print /^#/ ? $0 : "# " $0 }
		tap != 1 && !/^@@(STEPS|LOG)/ { print }
		tap == 1 && /^  result:   ok/ { print "ok - " title ": " name; name = "" }
		tap == 1 && /^  result:   FAIL/ { print "not ok - " title ": " name; name = "" }
		/^  result:/ { name = "" }
		{ fflush() }
		END { if (tap == 1 && name != "") print "not ok - " title ": " name " (it did not end)" }'
}

# A step that hangs is named by the transcript's last beginning.
last_step() {
	sed -n 's/\r$//; s/^step [0-9]*: //p' "$transcript" | tail -n 1
}

# run_host SECONDS [QEMU ARGUMENT...]: boot it, show its steps, give the verdict
run_host() {
	limit=$1
	shift
	transcript=$log_dir/$title-transcript.log
	begun=$(date +%s)
	verdict="$title: FAIL: booting the host"
	pipe=$build/$title.pipe
	rm -f "$pipe"
	mkfifo "$pipe"
	tee "$transcript" <"$pipe" | format &
	reader=$!
	# One processor: with two that share a thread, each waits for the other.
	QEMU_CPUS=1 "$top/scripts/lane/boot.sh" "$build/$title-host.cpio.gz" "$limit" "$@" \
		>"$pipe" 2>&1 &
	child=$!
	status=0
	wait "$child" || status=$?
	child=
	wait "$reader"
	rm -f "$pipe"
	note "the steps themselves: $(($(date +%s) - begun)) s, transcript in $transcript"

	if grep -q '^@@STEPS PASS' "$transcript" && grep -q '^@@LOG clean' "$transcript" &&
		[ "$status" = 0 ]; then
		verdict="$title: PASS"
	elif grep -q '^@@STEPS FAIL: ' "$transcript"; then
		verdict="$title: FAIL: $(sed -n 's/\r$//; s/^@@STEPS FAIL: //p' "$transcript" | head -n 1)"
		exit 1
	elif grep -q '^@@LOG bad' "$transcript"; then
		verdict="$title: FAIL: the host's kernel complained"
		exit 1
	elif [ -n "$(last_step)" ]; then
		verdict="$title: FAIL: $(last_step)"
		exit 1
	else
		exit 1
	fi
}
