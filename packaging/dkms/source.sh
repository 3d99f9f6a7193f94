# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Which source belongs to a kernel.  Sourced, with $top set to what the package has
# in /usr/src.

series_supported() {
	find "$top/patches" -mindepth 1 -maxdepth 1 -printf "%f\n" | sort -V
}

version_of() {
	dpkg-query -W -f='${Version}' "$1" 2>/dev/null
}

# find_source RELEASE: sets $series and $source_archive, or $why, one line that says
# what to do.  A module that was built from another version than its kernel could
# have other structures than it: the versions must be equal.
find_source() {
	why='' series='' source_archive=''
	for known in $(series_supported); do
		case $1 in
		"$known".*) series=$known ;;
		esac
	done
	if [ -z "$series" ]; then
		why="not supported, KVM stays the distribution's: boot one of the distribution's"
		why="$why kernels $(series_supported | paste -sd ' '), or remove kvm-vmport-dkms"
		return 1
	fi
	wanted=$(version_of "linux-headers-$1")
	if [ -z "$wanted" ]; then
		why="no kernel headers from a package: apt install linux-headers-$1"
		why="$why linux-source-$series"
		return 1
	fi
	found=$(version_of "linux-source-$series")
	source_archive=/usr/src/linux-source-$series.tar.xz
	if [ "$found" != "$wanted" ] || [ ! -f "$source_archive" ]; then
		why="needs version $wanted of linux-source-$series, not ${found:-none}:"
		# What apt upgrade has brought is newer than an older kernel.
		if [ "$found" ] && dpkg --compare-versions "$found" gt "$wanted"; then
			why="$why boot a newer kernel, or"
		fi
		why="$why apt install linux-source-$series=$wanted"
		return 1
	fi
}
