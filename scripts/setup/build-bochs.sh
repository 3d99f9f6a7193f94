#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# build-bochs.sh: build Bochs with VMX and without its debugger, which the
# distribution's has built in and which makes it several times slower.  From the
# distribution's source; of this release, or of the next where the mirror lacks
# that.  The last line of the output is the program's path.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"

suites="$(codename) trixie"
dir=$cache/bochs
program=$dir/bochs
options="--enable-cpu-level=6 --enable-x86-64 --enable-vmx=2 --enable-avx --enable-evex
	--enable-pci --enable-all-optimizations --disable-plugins --disable-docbook
	--disable-debugger --with-nogui"
key=$(echo "1 $options" | sha256sum | cut -c 1-12)

# The upstream tarball is enough.  apt has checked the list that names its
# checksum, and checks the file against that.
fetch() {
	for suite in $suites; do
		apt_private "$cache/apt/$suite-source" "deb-src $(archive_uri) $suite main" ||
			continue
		line=$(apt_in "$cache/apt/$suite-source" apt-get -q source --print-uris bochs |
			grep '\.orig\.tar\.' | head -n 1) || continue
		uri=$(echo "$line" | cut -d "'" -f 2)
		sum=$(echo "$line" | awk '{ print $4 }')
		/usr/lib/apt/apt-helper download-file "$uri" "$dir/source.tar" "$sum" && return
	done
	return 1
}

configure() {
	rm -rf "$dir/src"
	mkdir "$dir/src"
	tar -xf "$dir/source.tar" -C "$dir/src" --strip-components=1
	cd "$dir/src"
	# shellcheck disable=SC2086 # a list
	./configure $options CFLAGS=-O3 CXXFLAGS="-O3 -march=native -fomit-frame-pointer"
}

compile() {
	make -C "$dir/src" -j"$jobs"
	cp "$dir/src/bochs" "$program.tmp"
	mv "$program.tmp" "$program"
}

mkdir -p "$dir"
exec 7>"$dir/.lock"
flock 7
ensure_packages g++ make xz-utils
if [ ! -x "$program" ] || [ "$(cat "$dir/key" 2>/dev/null)" != "$key" ]; then
	need_space "$dir" 500
	step "fetching the source of Bochs" fetch
	step "configuring Bochs" configure
	step "building Bochs" compile
	rm -rf "$dir/src" "$dir/source.tar"
	echo "$key" >"$dir/key"
fi
echo "$program"
