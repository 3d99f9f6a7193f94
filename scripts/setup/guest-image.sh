#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Make the root file system of the real guests: an ext4 image with the essential
# packages of this machine's release, open-vm-tools and cloud-init.  They are
# unpacked, not installed: no maintainer's script has run, and of systemd there are
# only the programs.  What is missing, busybox has.  The image is kept outside the
# checkout, by the packages' versions; $cache/guest/current is a link to it.
#
# Its /init is guest-init.sh.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"

packages='?essential passwd kmod iproute2 systemd open-vm-tools cloud-init'
guests=$cache/guest
mkdir -p "$guests/archives/partial"
exec 7>"$guests/.lock"
flock 7
: >"$guests/status"

# apt as on a machine where nothing is installed, with this machine's sources.
resolve() {
	# shellcheck disable=SC2086 # a list
	apt-get -q -y --no-install-recommends -o Dir::State::Status="$guests/status" \
		-o Dir::Cache::Archives="$guests/archives" -o Debug::NoLocking=1 \
		-o APT::Sandbox::User=root "$@" install $packages
}

# Names and versions of all packages; nothing where apt knows no such packages.
list() {
	resolve --simulate 2>/dev/null | sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1 \2/p' | sort
}

# Owners and modes as packed; Debian 12 has packages that know no merged /usr.
unpack() {
	for dir in bin sbin lib lib64; do
		mkdir -p "$1/usr/$dir"
		ln -s "usr/$dir" "$1/$dir"
	done
	cut -d ' ' -f 1 "$guests/list.tmp" | while read -r package; do
		# Version numbers have characters there that file names have not.
		file=$(find "$guests/archives" -name "${package%%:*}_*.deb")
		[ -f "$file" ] || { echo "no file of package $package: $file"; return 1; }
		dpkg-deb --fsys-tarfile "$file" | tar -x -C "$1" --keep-directory-symlink \
			--exclude './usr/share/doc/*' --exclude './usr/share/man/*' \
			--exclude './usr/share/locale/*' --exclude './usr/share/i18n/*' \
			--exclude './usr/share/info/*' --exclude './usr/share/lintian/*' ||
			return 1
	done
}

# The few things that maintainers' scripts would do and the guests need.
configure() {
	cp "$1/usr/share/base-passwd/passwd.master" "$1/etc/passwd"
	cp "$1/usr/share/base-passwd/group.master" "$1/etc/group"
	sed 's/:.*/:*:20000:0:99999:7:::/' "$1/etc/passwd" >"$1/etc/shadow"
	chmod 640 "$1/etc/shadow"
	install "$(command -v busybox)" "$1/usr/bin/busybox"
	for applet in $("$1/usr/bin/busybox" --list | grep -vx busybox); do
		[ -e "$1/usr/bin/$applet" ] || [ -L "$1/usr/bin/$applet" ] ||
			[ -e "$1/usr/sbin/$applet" ] || ln -s busybox "$1/usr/bin/$applet"
	done
	# python3-requests reads them when it is imported.
	mkdir -p "$1/etc/ssl/certs"
	cat "$1"/usr/share/ca-certificates/*/*.crt >"$1/etc/ssl/certs/ca-certificates.crt"
	# What OS_Halt and OS_Reboot run.
	cat >"$1/usr/sbin/shutdown" <<'END'
#!/bin/sh
case " $* " in
*' -r '*) exec busybox reboot -f ;;
*) exec busybox poweroff -f ;;
esac
END
	chmod 755 "$1/usr/sbin/shutdown"
	# Nothing that works on disks, locales or ssh, whose packages are not there.
	cat >"$1/etc/cloud/cloud.cfg.d/90-guests.cfg" <<'END'
cloud_init_modules: [ seed_random, write-files, set_hostname, update_hostname ]
cloud_config_modules: [ runcmd ]
cloud_final_modules: [ scripts-user, final-message ]
END
	install "$top/scripts/lane/guest-init.sh" "$1/init"
	# Imports are slow enough in the guest without compiling.
	python=$(echo "$1"/usr/bin/python3.*[0-9])
	PYTHONHOME=$1/usr "$1"/usr/lib64/ld-linux-x86-64.so.2 \
		--library-path "$1/usr/lib/x86_64-linux-gnu" "$python" -m compileall -q \
		-s "$1" "$1/usr/lib/python3" "$1/usr/lib/${python##*/}" || true
	[ -n "$(find "$1/usr/lib/python3" -name '*.pyc' | head -n 1)" ]
}

make_image() {
	rm -rf "$guests/archives" "$guests"/root.* "$1" "$1.tmp"
	mkdir -p "$guests/archives/partial" "$1.tmp"
	resolve --download-only
	root=$(mktemp -d "$guests/root.XXXXXX")
	chmod 755 "$root"
	unpack "$root"
	configure "$root"
	size=$(du -sm "$root" | cut -f 1)
	mke2fs -q -t ext4 -O ^has_journal -E root_owner=0:0 -d "$root" "$1.tmp/root.ext4" \
		"$((size * 5 / 4 + 128))M"
	rm -rf "$root" "$guests/archives"
	cp "$guests/list.tmp" "$1.tmp/packages"
	(cd "$1.tmp" && sha256sum root.ext4 packages >sums)
	mv "$1.tmp" "$1"
}

ensure_packages e2fsprogs busybox-static
PATH=$PATH:/usr/sbin:/sbin
list >"$guests/list.tmp"
if [ ! -s "$guests/list.tmp" ]; then
	apt_update >"$log_dir/apt-update.log" 2>&1
	list >"$guests/list.tmp"
fi
if [ -s "$guests/list.tmp" ]; then
	key=$(cat "$guests/list.tmp" "$0" "$top/scripts/lane/guest-init.sh" | sha256sum |
		cut -c 1-16)
	dir=$guests/$key
	if ! is_whole "$dir"; then
		need_space "$guests" 2000
		step "making the guests' file system" make_image "$dir"
		# One is enough.
		find "$guests" -mindepth 1 -maxdepth 1 -type d ! -name "$key" -exec rm -rf {} +
	fi
else
	dir=$(readlink "$guests/current") || dir=
	is_whole "$dir" || die "no packages for the guests can be fetched and no image is cached:" \
		"check the network and run apt-get update"
	note "no packages for the guests can be fetched, using the cached image"
fi
ln -sfn "$dir" "$guests/current"
note "the guests have $(grep -e '^open-vm-tools ' -e '^cloud-init ' "$dir/packages" |
	tr '\n' ',' | sed 's/,$//; s/,/, /')"
