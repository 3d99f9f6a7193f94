#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# build-linux.sh VERSION|newest NAME [FRAGMENT...]
#
# Build a whole kernel with the interface in its tree: VERSION is 6.12 or newest,
# see fetch-source.sh, NAME that of the build.  The configuration is allnoconfig,
# scripts/setup/configs/kvm.config, and FRAGMENT.config there in turn.  STOCK=1 leaves
# the source as it is; COMPILER=clang takes that; PART=arch/x86/kvm/ compiles that
# directory and leaves nothing.  Else there are in build/linux-NAME:
#
#   bzImage, modules/    KVM's modules
#   tree                 the source, for its selftests
#
# Trees and objects stay in the cache, so the second time is short.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/setup/kvm-tree.sh"

[ $# -ge 2 ] || die "usage: build-linux.sh VERSION|newest NAME [FRAGMENT...]"
wanted=$1 name=$2
shift 2
"$top/scripts/setup/fetch-source.sh" "$wanted"
. "$cache/source/$wanted/env"

patches=$top/patches/$S_SERIES
if [ -z "${STOCK:-}" ] && [ ! -d "$patches" ]; then
	die "there is no patches/$S_SERIES: port the series to $S_VERSION, see CONTRIBUTING.md"
fi
ensure_packages make gcc bc bison flex libelf-dev libssl-dev patch xz-utils rsync kmod
compiler=
if [ "${COMPILER:-gcc}" = clang ]; then
	# The kernel wants a newer one than an old release's default.
	clang=$(apt-cache search --names-only '^(clang|lld|llvm)-[0-9]+$' |
		sed 's/^[a-z]*-\([0-9]*\) .*/\1/' | sort | uniq -c |
		awk '$1 == 3 && $2 > newest { newest = $2 } END { print newest }')
	[ "$clang" ] || die "no clang can be installed: run apt-get update"
	ensure_packages "clang-$clang" "lld-$clang" "llvm-$clang"
	compiler=LLVM=-$clang
fi

tree=$cache/linux/$name/tree
objects=$cache/linux/$name/objects
mkdir -p "$cache/linux/$name" "$objects"
exec 8>"$cache/linux/$name/.lock"
flock 8

key=$({ echo "$S_VERSION ${STOCK:-}"; [ "${STOCK:-}" ] || cat "$patches"/*.patch; } | sha256sum)

# Hard links, which patch and install replace.  The files keep their times, so
# that make sees what has changed.
prepare() {
	rm -rf "$tree" "$tree.tmp"
	cp -al "$S_SOURCE" "$tree.tmp"
	[ "${STOCK:-}" ] || kvm_tree_patch "$tree.tmp" "$S_VERSION" "$patches"/*.patch || return 1
	mv "$tree.tmp" "$tree"
	echo "$key" >"$cache/linux/$name/key"
}

# Ours, as they are in this checkout; the selftests go with build-selftests.sh.
add_ours() {
	rsync -a --checksum --delete "$top/arch/x86/kvm/vmport/" "$tree/arch/x86/kvm/vmport/"
	rsync -a --checksum "$top/include/uapi/linux/kvm_vmport.h" "$tree/include/uapi/linux/"
}

# shellcheck disable=SC2086 # $compiler may be nothing, the targets are a list
build() {
	fragments=
	for fragment in kvm "$@"; do
		fragments="$fragments $top/scripts/setup/configs/$fragment.config"
	done
	# shellcheck disable=SC2086 # a list
	cat $fragments >"$objects/fragments"
	[ "${STOCK:-}" ] || echo CONFIG_KVM_VMPORT=y >>"$objects/fragments"
	# Where nothing has changed this leaves the files alone.
	make -C "$tree" O="$objects" $compiler KCONFIG_ALLCONFIG="$objects/fragments" allnoconfig
	check_config
	make -C "$tree" O="$objects" $compiler -j"$jobs" ${PART:-bzImage modules}
}

# A setting that has not come true is an error, unless this kernel has no such thing.
# Ours is one of each kernel that has our patches.
check_config() {
	awk -F= '/^CONFIG_/ { value[$1] = $2 }
		END { for (option in value) if (value[option] != "n") print option "=" value[option] }' \
		"$objects/fragments" >"$objects/wanted"
	grep -vxF -f "$objects/.config" "$objects/wanted" >"$objects/untrue" || return 0
	while IFS='=' read -r option value; do
		if [ "$option" = CONFIG_KVM_VMPORT ] ||
			grep -rqE --include='Kconfig*' "^\s*(menu)?config ${option#CONFIG_}\$" "$tree"; then
			die "$option=$value has not come true: what does it depend on?"
		fi
		echo "$option: not in $S_VERSION"
	done <"$objects/untrue"
}

if [ ! -d "$tree" ] || [ "$(cat "$cache/linux/$name/key" 2>/dev/null)" != "$key" ]; then
	need_space "$cache" 3000
	step "preparing kernel $S_VERSION ($name)" prepare
fi
[ "${STOCK:-}" ] || add_ours
step "building kernel $S_VERSION ($name)" build "$@"
[ -z "${PART:-}" ] || exit 0

out=$build/linux-$name
rm -rf "$out"
mkdir -p "$out/modules"
cp "$objects/arch/x86/boot/bzImage" "$out/"
find "$objects" -name '*.ko' -exec cp {} "$out/modules/" \;
ln -s "$tree" "$out/tree"
