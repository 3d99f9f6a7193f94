#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# test-host.sh [vm|host]: the package's modules, our kselftests and the benchmark on a
# machine with hardware virtualisation.  "vm" does it in throw-away machines with nested
# virtualisation, see test-package.sh; EMULATE=1 lets it emulate them where there is
# none.  "host" installs the package here, uses its modules, and removes it again:
# nothing else may use KVM.  TAP, which also goes to a report that can be sent to
# somebody, build/test-host.txt: it names processor and kernel, and nobody.
#
# Built before, they are not built again: HOST_PACKAGE is the package, HOST_TESTS a
# directory that build-selftests.sh has left.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"

where=${1:-vm}
report=$build/test-host.txt
results=$build/test-host.tap
name=kvm-vmport-dkms
installed=

vendor=kvm_intel
if grep -qw svm /proc/cpuinfo; then
	vendor=kvm_amd
fi

need_virtualisation() {
	grep -qwE 'svm|vmx' /proc/cpuinfo ||
		die "this processor has no virtualisation, or the firmware has switched it off"
}

# Which machine this is, and not whose.
describe() {
	echo "kvm-vmport $(sed -n '1s/.*(\(.*\)).*/\1/p' "$top/packaging/debian/changelog")," \
		"$(git -C "$top" describe --always --dirty 2>/dev/null || echo "no git")"
	echo "tested: $1"
	awk -F '[\t ]*: ' '/^(vendor_id|cpu family|model|model name|stepping|microcode)[\t ]*:/ &&
		!seen[$1]++ { print $1 ": " $2 }' /proc/cpuinfo
	echo "processors: $(getconf _NPROCESSORS_ONLN)"
	! grep -qw hypervisor /proc/cpuinfo || echo "this is a virtual machine itself"
	echo "kernel: $(uname -r), $(uname -v)"
	# shellcheck disable=SC1091 # the machine's
	echo "distribution: $(. /etc/os-release && echo "${PRETTY_NAME:-unknown}")"
	for file in /sys/module/kvm/parameters/* /sys/module/"$vendor"/parameters/* \
		/sys/devices/system/cpu/vulnerabilities/*; do
		[ ! -r "$file" ] || echo "${file#/sys/}: $(cat "$file")"
	done
}

tables() {
	for log in "$@"; do
		grep -qs '^@@BENCH' "$log" || continue
		echo
		echo "$(basename "$log"): what is called instructions is ticks of the TSC here"
		python3 "$top/scripts/suite/bench.py" --partial "$log"
	done
}

check_machines() {
	if [ "${EMULATE:-}" ]; then
		what="in emulated machines, which says nothing about this processor"
		return
	fi
	need_virtualisation
	[ -e /dev/kvm ] || die "there is no /dev/kvm: run modprobe $vendor"
	[ -w /dev/kvm ] || die "/dev/kvm is not for you: join the group kvm, or run this as root"
	nested_virtualisation || die "no nested virtualisation here: load $vendor with nested=1"
	what="in machines of its own, by nested virtualisation"
}

run_machines() {
	PACKAGE_BENCH=1 "$top/scripts/suite/test-package.sh"
}

# What keeps the modules from being unloaded, a line each.
users() {
	for holder in /sys/module/kvm/holders/*; do
		[ ! -e "$holder" ] || [ "${holder##*/}" = "$vendor" ] || echo "${holder##*/}"
	done
	[ "$(cat "/sys/module/$vendor/refcnt")" = 0 ] || echo "a program, as a virtual machine"
}

check_host() {
	need_root "test-host.sh host"
	need_virtualisation
	modprobe "$vendor" || die "$vendor does not load: the firmware may have locked it"
	busy=$(users | paste -sd ,)
	[ -z "$busy" ] || die "KVM is in use by $busy: end that first"
	what="on the machine itself"
	if [ -z "${HOST_PACKAGE:-}" ]; then
		"$top/scripts/release/make-package.sh"
		HOST_PACKAGE=$(echo "$build/package/$name"_*.deb)
	fi
	if [ -z "${HOST_TESTS:-}" ]; then
		"$top/scripts/setup/build-selftests.sh"
		HOST_TESTS=$build/selftests
	fi
	ensure_packages python3 kmod
	: >"$HOST_TESTS/bench"
	trap put_back EXIT
	trap 'exit 1' HUP INT TERM
	is_installed "$name" || installed=now
}

put_back() {
	modprobe -r "$vendor" 2>/dev/null || true
	if [ "$installed" ]; then
		apt-get -y -q purge "$name" >"$log_dir/test-host-remove.log" 2>&1 </dev/null ||
			note "$name could not be removed: see $log_dir/test-host-remove.log"
	fi
	modprobe "$vendor" || note "KVM is not loaded now: run modprobe $vendor"
}

install_package() {
	DEBIAN_FRONTEND=noninteractive apt-get -y -q install "$HOST_PACKAGE" \
		>"$log_dir/test-host-install.log" 2>&1 </dev/null || {
		tail -n 5 "$log_dir/test-host-install.log" | sed 's/^/# /'
		return 1
	}
}

# Which modules modprobe would load, and if not ours the package's own words.
ours_are_chosen() {
	case $(modprobe --show-depends kvm) in
	*/updates/dkms/kvm.ko*) return 0 ;;
	esac
	for script in /usr/src/kvm-vmport-*/dkms/kernels.sh; do
		"$script" | grep -F "$(uname -r)" | sed 's/^/# /'
	done
	return 1
}

host_suite() {
	# What they cost without us.
	if grep -qs O /sys/module/kvm/taint; then
		note "the package's modules are in use: the distribution's are not measured"
	else
		"$HOST_TESTS/bin/vmport_bench" kvm _unpatched 2>&1 || true
		"$HOST_TESTS/bin/vmport_bench" vmm 2>&1 || true
	fi
	[ -z "$installed" ] || set_up "the package installs" install_package || return 0
	set_up "modprobe chooses its modules" ours_are_chosen || return 0
	set_up "the modules that are loaded unload" modprobe -r "$vendor" || return 0
	"$top/scripts/lane/package-guest.sh" "$HOST_TESTS"
}

run_host() {
	as_tap logged "$log_dir/test-host.log" host_suite
}

case $where in
vm)
	check_machines
	logs="$log_dir/package-[0-9]*.log"
	run=run_machines
	;;
host)
	check_host
	logs=$log_dir/test-host.log
	run=run_host
	;;
*)
	die "usage: test-host.sh [vm|host]"
	;;
esac
# shellcheck disable=SC2086 # a pattern
rm -f $logs
describe "$what" >"$report"
"$run" | tee "$results"
# shellcheck disable=SC2086 # a pattern
{
	cat "$results"
	tables $logs
} >>"$report"
note "the report is $report"
grep -q '^[1-9][0-9]* passed, 0 failed' "$results"
