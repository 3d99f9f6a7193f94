# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Shared by the scripts here: errors, progress, packages, places.  Sourced, with
# $top set to the checkout.

set -eu

: "${top:?set \$top to the checkout before sourcing lib.sh}"
build=${BUILD:-$top/build}
cache=${KVM_VMPORT_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/kvm-vmport}
log_dir=$build/log
# The distribution's kernel that the modules are built for, see fetch-kernel.sh.
kernel_series=${KVM_VMPORT_SERIES:-6.12}
# shellcheck disable=SC2034 # for those who source this
kernel_env=$cache/kernel/current-$kernel_series
# The QEMU that the series is for, see fetch-qemu.sh, and where its source is said to be.
# shellcheck disable=SC2034 # for those who source this
qemu_series=${QEMU_SERIES:-10.0}
qemu_env=$cache/qemu/current
# shellcheck disable=SC2034 # for those who source this
[ "$qemu_series" = 10.0 ] || qemu_env=$qemu_env-$qemu_series
if ! mkdir -p "$log_dir" "$cache" 2>/dev/null || [ ! -w "$build" ] || [ ! -w "$log_dir" ] ||
	[ ! -w "$cache" ]; then
	echo "error: cannot write to $build and $cache: run this as root, or set BUILD and KVM_VMPORT_CACHE" >&2
	exit 1
fi
# shellcheck disable=SC2034 # for those who source this
jobs=${JOBS:-$(nproc)}

# One line that says what is wrong and what to do.
die() {
	echo "error: $*" >&2
	exit 1
}

# Progress is a TAP comment, so that it can stand among test results.
note() {
	echo "# $*"
}

# attempt TEXT COMMAND...: run a part of the set-up; its output goes to a log and
# its status to $attempt_status.  It stops at its first failing command, for
# which neither it nor this may stand in a condition: there the shell ignores
# "set -e", and a function would go on after a failed download or copy.
attempt() {
	attempt_text=$1
	shift
	attempt_log=$log_dir/$(echo "$attempt_text" | tr -c 'A-Za-z0-9._\n' '-').log
	attempt_start=$(date +%s)
	note "$attempt_text ..."
	set +e
	(
		set -e
		"$@"
	) >"$attempt_log" 2>&1 </dev/null
	attempt_status=$?
	set -e
	[ $attempt_status != 0 ] || note "$attempt_text: $(($(date +%s) - attempt_start)) s"
}

# show_end LOG: its last lines, as TAP's comments
show_end() {
	tail -n 30 "$1" | sed 's/^/#   /'
}

# step TEXT COMMAND...: the same, where there is no going on after a failure.
step() {
	attempt "$@"
	if [ $attempt_status != 0 ]; then
		show_end "$attempt_log" >&2
		die "$attempt_text failed: the whole output is in $attempt_log"
	fi
}

# result STATUS NAME: a test line
result() {
	if [ "$1" = 0 ]; then
		echo "ok - $2"
	else
		echo "not ok - $2"
	fi
}

# set_up NAME COMMAND...: part of what tests need; its failure is a failed test.
set_up() {
	set_up_name=$1
	shift
	set_up_status=0
	"$@" 2>&1 || set_up_status=$?
	result "$set_up_status" "$set_up_name"
	return "$set_up_status"
}

# attempt_test TEXT COMMAND...: the same, of which only a failure's last lines are shown
attempt_test() {
	attempt "$@"
	[ "$attempt_status" = 0 ] || show_end "$attempt_log"
	result "$attempt_status" "$1"
	return "$attempt_status"
}

# check TEXT COMMAND...: a test, which passes when the command does
check() {
	check_text=$1
	shift
	check_status=0
	"$@" || check_status=$?
	result "$check_status" "$check_text"
}

# must TEXT COMMAND...: nothing after it makes sense without
must() {
	check "$@"
	[ "$check_status" = 0 ] || exit 1
}

# fails_with LOG: fails, and shows the end of the log
fails_with() {
	show_end "$1"
	return 1
}

# quietly LOG COMMAND...: what it says goes to the log, whose end is shown if it fails
quietly() {
	quietly_log=$1
	shift
	"$@" >"$quietly_log" 2>&1 </dev/null || fails_with "$quietly_log"
}

# as_tap COMMAND...: its test lines as TAP for people and machines, see tap.py
as_tap() {
	ensure_packages python3
	{
		# As in attempt: in no condition.
		set +e
		(
			set -e
			"$@"
		)
		as_tap_status=$?
		[ "$as_tap_status" = 0 ] || echo "@@FAIL $(basename "$0") runs to its end"
	} | python3 "$top/scripts/suite/tap.py"
}

# logged LOG COMMAND...: what it says goes to the log, too; fails where it ends early
logged() {
	logged_log=$1
	shift
	rm -f "$logged_log.ended"
	{
		"$@"
		: >"$logged_log.ended"
	} | tee "$logged_log"
	rm "$logged_log.ended" 2>/dev/null
}

need_root() {
	[ "$(id -u)" = 0 ] || die "$1: run this as root"
}

# need_space DIRECTORY MIB
need_space() {
	space=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
	[ "$space" -ge "$2" ] ||
		die "$1 has $space MiB free, $2 are needed: free some, or set KVM_VMPORT_CACHE"
}

is_installed() {
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# The machine's apt, for one script at a time: they run beside each other.
one_apt() {
	flock -o "$cache/.apt-lock" apt-get -q "$@"
}

# Package lists may be missing on a new machine, or older than the archive.
apt_update() {
	one_apt update || echo "apt-get update failed"
}

install_packages() {
	export DEBIAN_FRONTEND=noninteractive
	one_apt install -y --no-install-recommends "$@" && return
	apt_update
	one_apt install -y --no-install-recommends "$@"
}

# apt_reason LOG: what to do about what apt says
apt_reason() {
	if grep -q '404 *Not Found' "$1"; then
		echo "the archive does not have a file that its index names"
	elif grep -q -e 'resolving' -e 'Could not connect' -e 'Failed to fetch' "$1"; then
		echo "the archive cannot be reached, check the network"
	elif grep -q -e 'Unable to locate package' -e 'no installation candidate' "$1"; then
		echo "the machine's apt sources do not have it, add Debian's main archive"
	elif grep -q -e 'No space left' -e 'enough free space' "$1"; then
		echo "the disk is full, free some space"
	elif grep -q -e 'Could not get lock' -e 'dpkg was interrupted' "$1"; then
		echo "another apt is at work or was interrupted, let it end or run dpkg --configure -a"
	else
		grep '^E:' "$1" | head -n 1
	fi
}

# ensure_packages PACKAGE...: install those that are missing
ensure_packages() {
	missing=
	for package in "$@"; do
		is_installed "$package" || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	command -v apt-get >/dev/null || die "install these yourself, this is no Debian:$missing"
	need_root "installing$missing"
	need_space / 1000
	# shellcheck disable=SC2086 # a list
	attempt "installing$(echo "$missing" | awk '{ print " " NF " packages" }')" \
		install_packages $missing
	[ $attempt_status = 0 ] ||
		die "cannot install$missing: $(apt_reason "$attempt_log") ($attempt_log)"
}

codename() {
	# shellcheck disable=SC1091 # the machine's
	(. /etc/os-release && echo "${VERSION_CODENAME:-unknown}")
}

# The archive that this machine installs from, out of its own configuration.
archive_uri() {
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		awk -v suite="$(codename)" '$1 == suite { print $2; exit }'
}

# Sets $archive.
find_archive() {
	[ -n "$(archive_uri)" ] || apt_update >"$log_dir/apt-update.log" 2>&1
	archive=$(archive_uri)
	[ -n "$archive" ]
}

# deb_line deb|deb-src SUITE: of $archive, for apt_private.  Of another release's
# archive the machine's apt may not know the key.
deb_line() {
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	[ -f "$keyring" ] || keyring=
	echo "$1 ${keyring:+[signed-by=$keyring] }$archive $2 main"
}

# apt_private DIRECTORY "deb LINE"...: apt for suites that the machine does not
# use, without touching its configuration.  Then: apt_in DIRECTORY COMMAND...
apt_private() {
	apt_dir=$1
	shift
	mkdir -p "$apt_dir/lists/partial" "$apt_dir/archives/partial"
	for line in "$@"; do
		echo "$line"
	done >"$apt_dir/sources.list"
	apt_in "$apt_dir" apt-get -q update
}

apt_in() {
	apt_dir=$1
	apt_command=$2
	shift 2
	"$apt_command" -o Dir::Etc::SourceList="$apt_dir/sources.list" \
		-o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$apt_dir/lists" \
		-o Dir::Cache="$apt_dir" -o APT::Sandbox::User=root "$@"
}

# The software that runs the lane's own guest: hardware where it is really
# there, for a nested guest too, else emulation.
nested_virtualisation() {
	[ -w /dev/kvm ] || return 1
	for module in kvm_amd:svm kvm_intel:vmx; do
		grep -qw "${module#*:}" /proc/cpuinfo || continue
		case $(cat "/sys/module/${module%:*}/parameters/nested" 2>/dev/null) in
		1 | Y) return 0 ;;
		esac
	done
	return 1
}

# qemu_patches VERSION: the series for that version of QEMU, a file a line: those in vmm/qemu,
# but where the folder of its own has one with the same name.  Nothing if there is none.
qemu_patches() {
	qemu_own=$(echo "$1" | sed 's/^[0-9]*://; s/^\([0-9]*\.[0-9]*\).*/qemu-\1/')
	case $qemu_own in
	qemu-10.0) qemu_own=$top/vmm/qemu ;;
	qemu-*) qemu_own=$top/vmm/$qemu_own ;;
	*) return 0 ;;
	esac
	[ -d "$qemu_own" ] || return 0
	for qemu_patch in "$top"/vmm/qemu/*.patch; do
		[ ! -e "$qemu_own/${qemu_patch##*/}" ] || qemu_patch=$qemu_own/${qemu_patch##*/}
		echo "$qemu_patch"
	done
}

# is_whole DIRECTORY: all files of its list of checksums are there, unchanged
is_whole() {
	[ -f "$1/sums" ] && (cd "$1" && sha256sum --quiet -c sums) >/dev/null 2>&1
}

# newest_whole: of the directories on standard input, whose names end in versions
newest_whole() {
	sort -rV | while read -r whole_dir; do
		if is_whole "$whole_dir"; then
			echo "$whole_dir"
			break
		fi
	done
}
