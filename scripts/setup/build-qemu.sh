#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Build the fetched QEMU with the series in vmm/qemu, outside the checkout.  The program
# is then build/qemu-system-x86_64, and build/qemu-10.0 or what QEMU_SERIES says instead.
# With the patches in vmm/qemu-tcg, and in that folder's one of the same series if there is
# one, it is also what emulates the hosts that run whole guests (steps.sh).
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"

[ -e "$qemu_env" ] || "$top/scripts/setup/fetch-qemu.sh"
. "$qemu_env"

series=$(qemu_patches "$Q_VERSION" &&
	find "$top"/vmm/qemu-tcg/*.patch "$top/vmm/qemu-tcg/$qemu_series" -name '*.patch' \
		2>/dev/null | sort)
tree=$cache/qemu/tree/$(basename "$(dirname "$Q_DSC")")
variant=${QEMU_SANITIZERS:+-sanitizers}
objects=$tree/build$variant
program=$objects/qemu-system-x86_64
key=$({
	echo "$Q_VERSION"
	echo "$series" | while read -r file; do cat "$file"; done
	cat "$top/scripts/setup/build-qemu.sh"
} | sha256sum | cut -c 1-16)
mkdir -p "$tree"
exec 7>"$cache/qemu/.lock-build"
flock 7

if [ -n "$variant" ]; then
	ln -sfn "$program" "$build/qemu$variant"
else
	ln -sfn "$program" "$build/qemu-system-x86_64"
	ln -sfn "$program" "$build/qemu-$qemu_series"
fi
# Its libraries are needed where it has been built before, too.
ensure_packages gcc make ninja-build pkg-config libglib2.0-dev zlib1g-dev libseccomp-dev \
	flex bison python3 python3-venv dpkg-dev patch rsync xz-utils
# Unchanged since the last time, and linked to the end.
if [ "$(cat "$tree/built$variant" 2>/dev/null)" = "$key $(sha256sum <"$program" 2>/dev/null)" ]; then
	exit 0
fi

need_space "$cache" 3000

# QEMU needs meson 1.5.  Where the release has an older one, that of its
# backports is unpacked, not installed.
meson_is_new() {
	[ -n "$1" ] && dpkg --compare-versions "$1" ge 1.5
}

fetch_meson() {
	apt_private "$cache/apt/backports" "deb $(archive_uri) $(codename)-backports main" ||
		return 1
	rm -rf "$cache/qemu/meson.tmp"
	mkdir -p "$cache/qemu/meson.tmp"
	cd "$cache/qemu/meson.tmp"
	apt_in "$cache/apt/backports" apt-get -q download meson
	dpkg-deb -x meson_*.deb .
	rm -rf "$cache/qemu/meson"
	mv "$cache/qemu/meson.tmp" "$cache/qemu/meson"
}

if meson_is_new "$(apt-cache madison meson 2>/dev/null | awk '{ print $3; exit }')"; then
	ensure_packages meson
else
	[ -x "$cache/qemu/meson/usr/bin/meson" ] || step "fetching meson" fetch_meson
	PYTHONPATH=$cache/qemu/meson/usr/lib/python3/dist-packages
	PATH=$cache/qemu/meson/usr/bin:$PATH
	export PYTHONPATH PATH
fi

# The series must fit exactly: no fuzz.  Nor may a line have moved, but where a patch is
# made for an older QEMU too.
apply_series() {
	echo "$series" | while read -r file; do
		echo "applying ${file#"$top"/}"
		case $Q_VERSION:$file in
		*:10.0.*:* | *:"$top"/vmm/qemu-[0-9]*) unwanted='fuzz|offset' ;;
		*) unwanted=fuzz ;;
		esac
		patch -d "$tree/src.tmp" -p1 --fuzz=0 --no-backup-if-mismatch <"$file" \
			>"$tree/patch.out" || { cat "$tree/patch.out"; return 1; }
		if grep -E "$unwanted" "$tree/patch.out"; then
			echo "${file##*/} needs a refresh for QEMU $Q_VERSION"
			return 1
		fi
	done
}

# What a compiler sees of a header.
declarations() {
	sed 's/_UAPI_LINUX_KVM_VMPORT_H/_LINUX_KVM_VMPORT_H/' "$1" |
		gcc -x c -fpreprocessed -dD -E -P -
}

# Copied over what is there, so that only what has changed is built again.
prepare() {
	rm -rf "$tree/src.tmp"
	dpkg-source --no-check -x "$Q_DSC" "$tree/src.tmp"
	apply_series || return 1
	declarations "$top/include/uapi/linux/kvm_vmport.h" >"$tree/abi.ours"
	declarations "$tree/src.tmp/linux-headers/linux/kvm_vmport.h" >"$tree/abi.series"
	if ! cmp -s "$tree/abi.ours" "$tree/abi.series"; then
		echo "the series imports another kvm_vmport.h than the one in include/uapi/linux:"
		echo "update its first patch"
		return 1
	fi
	mkdir -p "$tree/src"
	rsync -rlpc --delete "$tree/src.tmp/" "$tree/src/"
	rm -rf "$tree/src.tmp"
}

# Only what a guest under KVM needs, software emulation, the sandbox that libvirt puts
# QEMU into, and sockets between guest and host: the rest would double the time.
options="--target-list=x86_64-softmmu --without-default-features --enable-kvm --enable-tcg
	--enable-seccomp --enable-vhost-kernel --disable-fdt --disable-docs --disable-tools
	--disable-install-blobs --disable-download --disable-debug-info
	--python=/usr/bin/python3${variant:+ --enable-asan --enable-ubsan}"

configure() {
	rm -rf "$objects"
	mkdir "$objects"
	cd "$objects"
	# shellcheck disable=SC2086 # a list
	../src/configure $options
	echo "$options" >"$objects/options"
}

compile() {
	ninja -C "$objects" -j"$jobs" qemu-system-x86_64 tests/unit/test-vmware-report \
		tests/qtest/qmp-cmd-test tests/qtest/test-hmp
}

# A line now and then that says how far the build is.
progress() {
	while sleep 30; do
		tail -c 2000 "$1" 2>/dev/null | grep -o '^\[[0-9]*/[0-9]*\]' | tail -n 1 |
			sed 's/^/#   /'
	done
}

step "preparing QEMU $Q_VERSION" prepare
[ "$options" = "$(cat "$objects/options" 2>/dev/null)" ] ||
	step "configuring QEMU" configure
progress "$log_dir/building-QEMU.log" &
watcher=$!
trap 'kill $watcher 2>/dev/null' EXIT
trap 'exit 1' HUP INT TERM
step "building QEMU" compile
"$program" --version >/dev/null || die "the built QEMU does not start: see $log_dir/building-QEMU.log"
echo "$key $(sha256sum <"$program")" >"$tree/built$variant"
