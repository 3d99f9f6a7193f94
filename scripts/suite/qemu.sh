#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# QEMU's side: options that contradict each other, migrations between QEMUs that differ,
# snapshots; and QEMU's own tests of the series.  If build-qemu.sh has built QEMU for another
# QEMU_SERIES too, a guest migrates from one to the other and back.  Runs qemu-host.sh; ends
# like demo.sh, with "qemu: PASS" or "qemu: FAIL: STEP".
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
title=qemu
. "$top/scripts/lane/steps.sh"

pycotap=$cache/qemu/pycotap

# What the guest says, cut short and hostile: QEMU's own unit test.
test_reports() {
	"$qemu_build/tests/unit/test-vmware-report"
}

# The package that QEMU's functional tests need; Debian 12 has none.
fetch_pycotap() {
	find_archive
	apt_private "$cache/apt/trixie-main" "$(deb_line deb trixie)"
	rm -rf "$pycotap.tmp"
	mkdir -p "$pycotap.tmp"
	cd "$pycotap.tmp"
	apt_in "$cache/apt/trixie-main" apt-get -q download python3-pycotap
	dpkg-deb -x python3-pycotap_*.deb .
	rm -rf "$pycotap"
	mv "$pycotap.tmp" "$pycotap"
}

# QEMU's own tests find it where the build has it installed.
link_firmware() {
	firmware_of_build=$qemu_build/qemu-bundle/usr/local/share/qemu
	mkdir -p "$firmware_of_build"
	# Debian 13 has iPXE's with the others.
	for place in /usr/share/seabios /usr/share/qemu /usr/lib/ipxe/qemu; do
		[ ! -d "$place" ] || find "$place" -maxdepth 1 ! -type d \
			-exec ln -sf {} "$firmware_of_build/" \;
	done
}

# Every query of QMP and every command of HMP, on a machine without guest: QEMU's own.
test_monitor() {
	export QTEST_QEMU_BINARY="$tested_qemu"
	"$qemu_build/tests/qtest/qmp-cmd-test" && "$qemu_build/tests/qtest/test-hmp"
}

# Options and streams that contradict the interface: QEMU's own functional test.  Those of
# it that need KVM are steps of qemu-host.sh.
test_functional() {
	test_path=$qemu_source/python:$qemu_source/tests/functional
	PYTHONPATH=$test_path:$pycotap/usr/lib/python3/dist-packages MESON_BUILD_ROOT=$qemu_build \
		QEMU_BUILD_ROOT=$qemu_build QEMU_TEST_QEMU_BINARY=$tested_qemu \
		python3 "$(find "$qemu_source/tests/functional" -name 'test*_vmware.py')"
}

# another_qemu: what build-qemu.sh has built for another series
another_qemu() {
	for link in "$build"/qemu-[0-9]*; do
		[ "$link" = "$build/qemu-$qemu_series" ] || [ ! -x "$link" ] || readlink -f "$link"
	done | head -n 1
}

begun=$(date +%s)
get_host_parts
tested_qemu=$(readlink -f "$tested_qemu")
qemu_build=$(dirname "$tested_qemu")
qemu_source=$(dirname "$qemu_build")/src
step "running QEMU's unit test of reports" test_reports
ensure_packages ipxe-qemu
step "linking the firmware" link_firmware
step "running QEMU's tests of its monitor" test_monitor
[ -d "$pycotap" ] || step "fetching what QEMU's functional tests need" fetch_pycotap
step "running QEMU's functional test" test_functional
other=$(another_qemu)
[ -n "$other" ] || note "no migration to another QEMU: it is built by QEMU_SERIES=10.2 $(
	)scripts/setup/build-qemu.sh, or 10.0"
make_host "$build/qemu-host.cpio.gz" "$top/scripts/lane/qemu-host.sh" \
	-p "$top/scripts/lane/hostile-stream.py:bin/hostile-stream.py" \
	${other:+-f "$other:bin/qemu-other"}
note "set-up: $(($(date +%s) - begun)) s"
run_host 1500
