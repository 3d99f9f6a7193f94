#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# check-series-builds.sh [FIRST [LAST]]
#
# Does each patch of "make series" build?  checkpatch --strict on each patch; of those
# that change code, arch/x86/kvm and virt/kvm with the option off and on, KVM as modules
# and built in, W=1, and whether kvm.o finds all of vmport that it calls.  Files that a
# later patch begins to use are built too.  FIRST and LAST are numbers of patches, all by
# default.  After the last one also allmodconfig, sparse, coccicheck, and the pages of KVM
# by Sphinx.  The full links are make test-mainline's.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"

"$top/scripts/release/make-series.sh" --check
. "$cache/source/newest/env"
repository=$cache/series
tree=$cache/linux/series/tree
count=$(git -C "$repository" rev-list --count base..HEAD)
first=${1:-1} last=${2:-$count}
failed=0

# expect NAME COMMAND...
expect() {
	expect_name=$1
	shift
	if "$@" >"$log_dir/series.log" 2>&1; then
		echo "ok - $expect_name"
	else
		show_end "$log_dir/series.log"
		echo "not ok - $expect_name"
		failed=1
	fi
}

# Of trace headers and of the selftests' harness checkpatch does not know the style, nor
# that tests run in user space; as lint.sh has it for files.
checkpatch() {
	ignore=FILE_PATH_CHANGES,MACRO_ARG_UNUSED,NOT_UNIFIED_DIFF
	! grep -q '^+++ .*_trace\.h$' "$1" || ignore=$ignore,OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT,SPACING
	! grep -q '^+++ .*/testing/' "$1" ||
		ignore=$ignore,AVOID_EXTERNS,CAMELCASE,SPACING,TRAILING_SEMICOLON,MULTISTATEMENT_MACRO_USE_DO_WHILE,COMPLEX_MACRO,MACRO_ARG_REUSE,VOLATILE,TYPECAST_INT_CONSTANT,EMBEDDED_FUNCTION_NAME,PREFER_DEFINED_ATTRIBUTE_MACRO,BIT_MACRO
	# What its macro is given twice is the name of a field.
	! grep -q '^+++ .*/vmport/attr\.c$' "$1" || ignore=$ignore,MACRO_ARG_REUSE
	# A static key is exported behind its macro, as KVM's own are.
	! grep -q '^+++ .*/vmport/vm\.c$' "$1" || ignore=$ignore,EXPORT_SYMBOL
	# Of uapi headers it knows those that are no architecture's.
	! grep -q '^+++ .*/uapi/asm/' "$1" || ignore=$ignore,BIT_MACRO
	perl "$S_SOURCE/scripts/checkpatch.pl" --no-tree --strict --quiet --ignore "$ignore" "$1"
}

# configure NAME SETTING...: all of which come true
configure() {
	objects=$cache/linux/series/$1
	shift
	mkdir -p "$objects"
	{
		cat "$top/scripts/setup/configs/kvm.config"
		for setting in "$@"; do
			echo "$setting"
		done
	} >"$objects/fragments"
	make -C "$tree" O="$objects" KCONFIG_ALLCONFIG="$objects/fragments" allnoconfig
	for setting in "$@"; do
		grep -xF "$setting" "$objects/.config" || return
	done
}

# What W=1 says of our files is an error; of KVM's own it is not ours to mend.
compile() {
	make -C "$tree" O="$cache/linux/series/$1" W=1 -j"$jobs" arch/x86/kvm/ virt/kvm/ || return
	! grep -E 'vmport[^ ]*:[0-9]+:.*(warning|error)' "$log_dir/series.log"
}

# Of the engine's files nobody calls some before the patch that ties them to KVM.
build_all_files() {
	for file in "$tree"/arch/x86/kvm/vmport/*.c; do
		object=vmport/$(basename "$file" .c).o
		grep -qw "$object" "$tree/arch/x86/kvm/vmport/Makefile" ||
			echo "kvm-\$(CONFIG_KVM_VMPORT) += $object" >>"$tree/arch/x86/kvm/vmport/Makefile"
	done
}

# What the others call, kvm.o has; of files that are not built yet it may lack some.
defined() {
	! nm "$cache/linux/series/module/arch/x86/kvm/kvm.o" | grep ' U .*vmport'
}

prepare() {
	rm -rf "$tree.tmp"
	mkdir -p "$cache/linux/series"
	cp -al "$S_SOURCE" "$tree.tmp"
	mv "$tree.tmp" "$tree"
}

[ -d "$tree" ] || step "preparing the tree" prepare
number=0
for commit in $(git -C "$repository" rev-list --reverse base..HEAD); do
	number=$((number + 1))
	if [ $number -lt "$first" ] || [ $number -gt "$last" ]; then
		continue
	fi
	what="$number/$count $(git -C "$repository" log -1 --format=%s "$commit" | cut -c 1-50)"
	patch=$(find "$build/series-check" -name "$(printf '%04d' $number)-*.patch")
	expect "$what: checkpatch" checkpatch "$patch"
	git -C "$repository" checkout -q --force --detach "$commit"
	rsync -rc --exclude=.git --delete "$repository/arch/x86/kvm/" "$tree/arch/x86/kvm/"
	rsync -rc --exclude=.git "$repository/" "$tree/"
	grep -qE '^\+\+\+ b/(arch|include)/' "$patch" || continue
	expect "$what: configures" configure off CONFIG_KVM=m
	expect "$what: option off" compile off
	grep -qs KVM_VMPORT "$tree/arch/x86/kvm/vmport/Kconfig" || continue
	expect "$what: configures" configure module CONFIG_KVM=m CONFIG_KVM_VMPORT=y \
		CONFIG_EXPERT=y CONFIG_KVM_WERROR=y
	expect "$what: on, module" compile module
	expect "$what: on, module: nothing is missing" defined
	build_all_files
	expect "$what: on, built in: configures" configure built-in CONFIG_KVM=y CONFIG_KVM_AMD=y \
		CONFIG_KVM_INTEL=y CONFIG_KVM_VMPORT=y
	expect "$what: on, built in, with what is used later" compile built-in
done
[ "$last" = "$count" ] || exit $failed

# With lockdep, KASAN and whatever else there is.
allmodconfig() {
	objects=$cache/linux/series/allmod
	mkdir -p "$objects"
	echo CONFIG_KVM_VMPORT=y >"$objects/fragments"
	make -C "$tree" O="$objects" KCONFIG_ALLCONFIG="$objects/fragments" allmodconfig &&
		grep -q '^CONFIG_KVM_VMPORT=y' "$objects/.config"
}

# The distribution's does not know one keyword, without which the kernel refuses it.
sparse() {
	rm -f "$cache/linux/series/module/arch/x86/kvm/vmport/"*.o
	make -C "$tree" O="$cache/linux/series/module" -j"$jobs" C=1 \
		CF="-D__CHECK_ENDIAN__ -D__typeof_unqual__=__typeof__" arch/x86/kvm/ || return
	grep -q 'CHECK .*vmport/' "$log_dir/series.log" || return
	! grep -E 'vmport[^ ]*:[0-9]+:.*(warning|error)' "$log_dir/series.log"
}

# Its scripts look at the sources alone, and say what they find as FILE:LINE.  Those in
# OCaml need its compiler, and are about other things.
coccicheck() {
	grep -rlE '(script|initialize|finalize):ocaml' "$tree/scripts/coccinelle" | xargs -r rm
	make -C "$tree" coccicheck MODE=report J="$jobs" M=arch/x86/kvm/vmport || return
	! grep -E '^[^ ]*\.[ch]:[0-9]+' "$log_dir/series.log"
}

# The maintainers want no new warning; others' pages are not ours to mend.
htmldocs() {
	make -C "$tree" O="$cache/linux/series/docs" SPHINXDIRS=virt/kvm htmldocs || return
	! grep -E '(vmport[^ ]*|virt/kvm/api)\.rst:[0-9]+: (WARNING|ERROR)' "$log_dir/series.log"
}

ensure_packages sparse coccinelle python3-sphinx python3-yaml
expect "allmodconfig configures" allmodconfig
expect "allmodconfig, W=1" compile allmod
expect "sparse, with endianness" sparse
expect "coccicheck" coccicheck
expect "htmldocs of virt/kvm" htmldocs
exit $failed
