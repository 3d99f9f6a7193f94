#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# test-fresh.sh 12|13 TARGET... [VARIABLE=VALUE...]: make TARGET as on a new machine.
#
# Makes a root of that Debian with nothing in it but what is essential, apt, git and
# make; without package lists, without our cache, without /dev/kvm.  A clone of this
# checkout's last commit goes there, and make runs in it.  Each target has a root of its
# own, and a line in the table at the end; the status is 0 if all of theirs were.
#
# FRESH_CACHE=1: our cache is there, and what is written to it is thrown away.  That finds
# missing packages in a fraction of the time, and says nothing about the time.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/chroot.sh"

[ $# -ge 2 ] || die "usage: test-fresh.sh 12|13 TARGET... [VARIABLE=VALUE...]"
release=$1
shift
targets='' variables=''
for argument in "$@"; do
	case $argument in
	*=*) variables="$variables $argument" ;;
	*) targets="$targets $argument" ;;
	esac
done
[ "$targets" ] || die "no target is named: see make help"
suite=$(suite_of "$release")

# The machine's own archives as that release has them.
sources() {
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets --format '$(RELEASE) $(REPO_URI) $(COMPONENT)' 'Created-By: Packages' |
		awk -v from="$(codename)" -v to="$suite" '
			$1 == from || $1 == from "-updates" || $1 == from "-security" {
				print "deb " $2 " " to substr($1, length(from) + 1) " " $3
			}' | sort -u
}

make_base() {
	mmdebstrap --variant=apt --include=git,make,ca-certificates \
		--aptopt='APT::Install-Recommends "false"' "$suite" "$work/base.tar" \
		"$work/sources.list"
}

make_root() {
	chroot_unpack "$work/base.tar" "$root"
	rm -rf "$work/written"
	mkdir -p "$root$cache" "$work/written/files" "$work/written/work"
	git clone -q --no-hardlinks "file://$top" "$root/root/kvm-vmport"
}

# With mounts that go with the command, and no device of the machine's.
in_root() {
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount --pid --fork --kill-child sh -e -c 'root=$1 cache=$2 written=$3
		shift 3
		# What runs there may make roots of its own.
		mount --bind "$root" "$root"
		mount -t proc proc "$root/proc"
		mount -t sysfs -o ro sysfs "$root/sys"
		mount -t tmpfs -o mode=755 tmpfs "$root/dev"
		[ -z "$FRESH_CACHE" ] || mount -t overlay -o \
			"lowerdir=$cache,upperdir=$written/files,workdir=$written/work" overlay "$root$cache"
		cd "$root/dev"
		for node in null:3 zero:5 full:7 random:8 urandom:9; do
			mknod -m 666 "${node%:*}" c 1 "${node#*:}"
		done
		mknod -m 666 tty c 5 0
		ln -s /proc/self/fd fd
		ln -s fd/0 stdin
		ln -s fd/1 stdout
		ln -s fd/2 stderr
		ln -s pts/ptmx ptmx
		mkdir pts shm
		mount -t devpts -o newinstance,ptmxmode=666 devpts pts
		mount -t tmpfs tmpfs shm
		exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
			KVM_VMPORT_CACHE="$cache" make -C /root/kvm-vmport "$@"' - \
		"$root" "$cache" "$work/written" "$@"
}

# The target's own words on how it went: TAP's counts, or its last line.
summary() {
	grep -a 'passed, [0-9]* failed' "$1" || grep -a ': \(PASS\|FAIL\)' "$1" || echo -
}

# Sets $failed where make fails.
try() {
	target=$1
	logs=$log_dir/fresh-$release-$target
	rm -rf "$logs"
	mkdir "$logs"
	step "making a root for $target" make_root
	start=$(date +%s)
	# shellcheck disable=SC2086 # a list
	{ in_root "$target" $variables </dev/null 2>&1 && echo 0 >"$work/status" ||
		echo $? >"$work/status"; } | tee "$logs/output"
	status=$(cat "$work/status")
	cp -r "$root/root/kvm-vmport/build/log/." "$logs/" 2>/dev/null || true
	printf '%-22s %2s  %4s s  status %s  %s\n' "$target" "$release" \
		$(($(date +%s) - start)) "$status" "$(summary "$logs/output" | tail -n 1)" >>"$work/table"
	note "make $target in a new Debian $release: status $status; its logs: $logs"
	[ "$status" = 0 ] || failed=1
}

need_root test-fresh.sh
need_space "$build" 12000
ensure_packages mmdebstrap git
work=$(mktemp -d "$build/fresh.XXXXXX")
root=$work/root
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 1' HUP INT TERM
chmod 755 "$work"
[ -n "$(sources)" ] || apt_update >"$log_dir/apt-update.log" 2>&1
sources >"$work/sources.list"
[ -s "$work/sources.list" ] || die "apt on this machine has no archive of $(codename)"
[ -z "$(git -C "$top" status --porcelain)" ] || note "what is not committed is left out"
step "making a Debian $release" make_base

failed=0
export FRESH_CACHE="${FRESH_CACHE:-}"
for target in $targets; do
	try "$target"
done
note "in a new Debian $release${FRESH_CACHE:+, with the cache of this machine}:"
sed 's/^/# /' "$work/table"
exit $failed
