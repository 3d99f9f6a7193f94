#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# check-series.sh [SERIES TREE]
#
# Which hunk of which patch does not fit a kernel source?  Applies patches/SERIES
# to copies of the files of TREE, without fuzz and each patch as far as it goes;
# without arguments every series to the sources that are in the cache.  Prints a
# table, one line a patch, then the hunks that broke; status 1 when there are any.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
: >"$work/rejects"

# Files that a patch changes, new ones too.
files_of() {
	sed -n 's#^+++ b/\([^	]*\).*#\1#p' "$1"
}

# check_patch SERIES TREE PATCH
check_patch() {
	log=$work/log
	reject=$work/reject
	rm -f "$reject"
	if patch -d "$work/tree" -p1 --fuzz=0 --no-backup-if-mismatch -N -r "$reject" \
		<"$3" >"$log" 2>&1; then
		moved=$(grep -c 'succeeded at' "$log" || true)
		verdict="fits, $moved hunks moved"
	else
		{
			echo
			echo "patches/$1/${3##*/} against $2:"
			grep -e '^patching' -e 'FAILED' -e 'ignored' -e 'No file' "$log" |
				sed 's/^/    /'
			[ ! -f "$reject" ] || sed 's/^/    /' "$reject"
		} >>"$work/rejects"
		verdict="BREAKS: $(grep -c 'FAILED at' "$log" || true) hunks"
	fi
	printf '%-6s %-58s %s\n' "$1" "$(basename "$3" .patch | cut -c 1-58)" "$verdict"
}

# check_series SERIES TREE
check_series() {
	[ -d "$top/patches/$1" ] || die "there is no patches/$1"
	[ -d "$2/arch/x86/kvm" ] || die "$2 is no kernel source"
	rm -rf "$work/tree"
	mkdir -p "$work/tree"
	for patch in "$top/patches/$1"/*.patch; do
		files_of "$patch"
	done | sort -u | while read -r file; do
		[ ! -f "$2/$file" ] || install -D -m 644 "$2/$file" "$work/tree/$file"
	done
	for patch in "$top/patches/$1"/*.patch; do
		check_patch "$1" "$2" "$patch"
	done
}

ensure_packages patch
if [ $# = 2 ]; then
	check_series "$1" "$2"
elif [ $# = 0 ]; then
	checked=0
	for dir in "$top/patches"/*/; do
		series=$(basename "$dir")
		source=
		if [ -f "$cache/kernel/current-$series" ]; then
			. "$cache/kernel/current-$series"
			source=$K_SOURCE
		else
			for env in "$cache/source"/*/env; do
				[ -f "$env" ] || continue
				. "$env"
				[ "$S_SERIES" != "$series" ] || source=$S_SOURCE
			done
		fi
		if [ -z "$source" ]; then
			note "no source of $series in the cache: run fetch-kernel.sh or fetch-source.sh"
			continue
		fi
		check_series "$series" "$source"
		checked=$((checked + 1))
	done
	[ $checked -gt 0 ] || die "there is no kernel source in the cache"
else
	die "usage: check-series.sh [SERIES TREE]"
fi
[ -s "$work/rejects" ] || exit 0
cat "$work/rejects"
exit 1
