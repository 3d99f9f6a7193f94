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

# make_disk_initramfs IMAGE [PROGRAM...]: what a guest needs to have its root on a disk,
# and to get there.  With programs, which come along, nothing is written to the disk, so
# that two hosts can have it: what the guest writes stays in its memory.  $disk_modules are
# loaded too, in this order.  The kernel's command line can say disk=/dev/sda.
make_disk_initramfs() {
	disk_image=$1
	shift
	root=$(mktemp -d)
	mkdir -p "$root/bin" "$root/dev" "$root/root" "$root/disk" "$root/memory"
	for module in virtio_blk dummy ${1:+overlay} ${disk_modules:-}; do
		unpack_module "$(find_module "$module")" "$root/$module.ko"
		echo "$module" >>"$root/modules"
	done
	install "$(command -v busybox)" "$root/bin/busybox"
	cat >"$root/init" <<'END'
#!/bin/busybox sh
busybox mount -t devtmpfs devtmpfs /dev
while read -r module; do
	busybox insmod /$module.ko
done </modules
disk=${disk:-/dev/vda}
tries=300
until [ -b $disk ] || [ $tries = 0 ]; do
	busybox sleep 0.1
	tries=$((tries - 1))
done
if [ ! -e /overlay.ko ]; then
	busybox mount -t ext4 $disk /root
else
	busybox mount -t ext4 -o ro $disk /disk
	busybox mount -t tmpfs tmpfs /memory
	busybox mkdir /memory/upper /memory/work
	busybox mount -t overlay -o lowerdir=/disk,upperdir=/memory/upper,workdir=/memory/work overlay /root
	busybox cp /programs/* /root/usr/bin/
fi
exec busybox switch_root /root /init
END
	chmod 755 "$root/init"
	[ $# = 0 ] || install -D -t "$root/programs" "$@"
	pack "$root" "$disk_image"
	rm -rf "$root"
}
