# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Parts of images for emulated machines: sourced, after lib.sh.

# find_module NAME: its file in the fetched kernel's tree, nothing if built in
find_module() {
	find "$K_MODULES" -name "$(echo "$1" | tr '_-' '??').ko*" | head -n 1
}

unpack_module() {
	case $1 in
	*.xz) xz -dc "$1" ;;
	*.zst) zstd -dcq "$1" ;;
	*) cat "$1" ;;
	esac >"$2"
}

# add_busybox ROOT: with a link for each of its programs
add_busybox() {
	install -D "$(command -v busybox)" "$1/bin/busybox"
	for applet in $("$1/bin/busybox" --list | grep -vx busybox); do
		ln -sf busybox "$1/bin/$applet"
	done
}

# libraries_of PROGRAM: their paths.  A static program has none, and that is no error.
libraries_of() {
	{ ldd "$1" 2>/dev/null || true; } | sed -n 's#.*\(=> \|\t\)\(/[^ ]*\) (.*#\2#p'
}

# pack ROOT IMAGE: an initramfs
pack() {
	(cd "$1" && find . | cpio -o -H newc --quiet) | gzip -1 >"$2.tmp"
	mv "$2.tmp" "$2"
}

# build_firmware SOURCE OUTPUT: the processor begins in its last 16 bytes
build_firmware() {
	gcc -m32 -c -o "$2.o" "$1"
	ld -m elf_i386 -Ttext 0xf0000 --oformat binary -e 0xf0000 -o "$2" "$2.o"
}
