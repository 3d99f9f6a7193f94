#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# checkpatch --strict on our C and on the series, sparse and W=1 on the subsystem,
# the scripts with shellcheck, the documentation with docutils, SPDX lines everywhere,
# and no name of a file that is not there.  One line a check; the status is 1 when any complains.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
cd "$top"

ensure_packages git perl sparse shellcheck python3 python3-docutils python3-pygments \
	mandoc
[ -f "$kernel_env" ] || scripts/setup/fetch-kernel.sh
. "$kernel_env"
failed=0

# check NAME COMMAND...: fine when it succeeds and says nothing
check() {
	check_name=$1
	shift
	if output=$("$@" 2>&1) && [ -z "$output" ]; then
		echo "ok - $check_name"
	else
		echo "$output"
		echo "not ok - $check_name"
		failed=1
	fi
}

# Series have no MAINTAINERS file to change, and what is left of the hooks where
# the option is off must not even look at its arguments.
checkpatch() {
	perl "$K_SOURCE/scripts/checkpatch.pl" --no-tree --strict --quiet \
		--ignore FILE_PATH_CHANGES,MACRO_ARG_UNUSED "$@"
}

# Trace headers have a style of their own that checkpatch does not know.
checkpatch_files() {
	git ls-files '*.c' '*.h' | grep -v -e '^vmm/' -e '^tools/testing/vmport/' -e '^tools/virt/' -e '_trace.h$' | while read -r file; do
		case $file in
		# No part of what goes upstream.
		*compat.h) checkpatch --ignore LINUX_VERSION_CODE,CONSTANT_COMPARISON,COMPLEX_MACRO -f "$file" ;;
		# A static key is exported behind its macro, as KVM's own are.
		arch/x86/kvm/vmport/vm.c) checkpatch --ignore EXPORT_SYMBOL -f "$file" ;;
		# What its macro is given twice is the name of a field.
		arch/x86/kvm/vmport/attr.c) checkpatch --ignore MACRO_ARG_REUSE -f "$file" ;;
		# The harness' name for a pointer to its data looks like a product.
		tools/testing/selftests/*_fault_test.c) checkpatch --ignore SPACING -f "$file" ;;
		# A table's rows become variants, which end in a semicolon.
		tools/testing/selftests/*_clients_test.c) checkpatch --ignore TRAILING_SEMICOLON,MULTISTATEMENT_MACRO_USE_DO_WHILE,LINE_SPACING -f "$file" ;;
		# Guest code in assembly is declared beside it.
		tools/testing/selftests/*) checkpatch --ignore AVOID_EXTERNS,CAMELCASE -f "$file" ;;
		*) checkpatch -f "$file" ;;
		esac
	done
}

# User space: what checkpatch asks of kernel code only is left out.
checkpatch_user() {
	git ls-files 'tools/testing/vmport/*.[ch]' 'tools/virt/vmport/*.[ch]' | while read -r file; do
		checkpatch --ignore NEW_TYPEDEFS,AVOID_EXTERNS,SPLIT_STRING,MACRO_ARG_REUSE,PREFER_KERNEL_TYPES,CONST_STRUCT,STRCPY,AVOID_BUG,SYMBOLIC_PERMS,COMPLEX_MACRO,MACRO_ARG_PRECEDENCE,UNCOMMENTED_DEFINITION,CONSTANT_COMPARISON,VOLATILE,MEMORY_BARRIER,STORAGE_CLASS,DATA_RACE,EMBEDDED_FUNCTION_NAME,TRAILING_SEMICOLON,PREFER_DEFINED_ATTRIBUTE_MACRO,PREFER_ALIGNED,CAMELCASE,MULTISTATEMENT_MACRO_USE_DO_WHILE,LINE_SPACING -f "$file"
	done
}

checkpatch_series() {
	for file in patches/*/*.patch; do
		ignore=
		# A name in a list that is there with the option only.
		! grep -q '^+#define ERSN_VMPORT' "$file" || ignore="--ignore SPACING,COMPLEX_MACRO"
		# shellcheck disable=SC2086 # two words or none
		checkpatch $ignore --patch - <"$file"
	done
}

# What the compiler or sparse says of our files; KVM's own are not ours to mend.
ours_only() {
	scripts/setup/build-kvm.sh on >"$log_dir/lint-build.log" 2>&1 || {
		tail -n 5 "$log_dir/lint-build.log"
		return 1
	}
	find "$build/kvm-on/tree/vmport/" -name '*.o' -delete
	# shellcheck disable=SC2046 # a list
	flock "$cache/kvm/.lock-on" make -C "$K_HEADERS" M="$(readlink "$build/kvm-on/tree")" CONFIG_KVM_VMPORT=y \
		KCFLAGS=-DCONFIG_KVM_VMPORT=1 "$@" \
		$(sed -n 's#.*+=##p; s#^\t##p' arch/x86/kvm/vmport/Makefile | tr -d '\\') \
		>"$log_dir/lint-make.log" 2>&1 || { tail -n 20 "$log_dir/lint-make.log"; return 1; }
	grep -E '(vmport|uapi/linux/kvm_vmport)[^ ]*:[0-9]+:.*(warning|error)' "$log_dir/lint-make.log" ||
		true
}

spdx() {
	git ls-files | grep -v -e '\.bin$' -e '\.patch$' -e '\.svg$' -e '\.dts$' \
		-e '/fuzz/corpus/' -e '^packaging/\(qemu/\)\?debian/' | while read -r file; do
		[ ! -s "$file" ] || head -n 5 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0' ||
			echo "$file: no SPDX line"
	done
}

scripts_ok() {
	git ls-files '*.sh' | xargs shellcheck -x -s sh -e SC1003,SC1090,SC1091,SC2154,SC2317
	shellcheck -e SC1091 .ci/run
	shellcheck tools/virt/vmport/vmport-state.bash
	git ls-files '*.py' | while read -r file; do
		python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' "$file"
	done
}

structure() {
	python3 scripts/suite/structure.py
}

references() {
	python3 scripts/suite/references.py
}

# Without the user's own Python, which may have no docutils.
documentation() {
	for file in Documentation/virt/kvm/x86/*.rst; do
		/usr/bin/python3 -m docutils --halt=2 "$file" >/dev/null
		awk 'length > 100 { print FILENAME ":" FNR ": more than 100 columns" }' "$file"
	done
}

# The man page.  That of qemu-img need not be installed here.
manual() {
	mandoc -T lint -W style tools/virt/vmport/vmport-state.1 2>&1 |
		grep -v -e 'referenced manual not found' -e 'mandoc\.db' || true
}

check "checkpatch --strict: kernel, selftests" checkpatch_files
check "checkpatch --strict: user space" checkpatch_user
check "checkpatch --strict: the series" checkpatch_series
check "W=1" ours_only W=1
check "sparse, with endianness" ours_only C=2 CF=-D__CHECK_ENDIAN__
check "shellcheck, python" scripts_ok
check "every file that another one names is there" references
check "includes go one way, files and functions are short" structure
check "SPDX lines" spdx
check "the man page" manual
check "documentation: reStructuredText, 100 columns" documentation
exit $failed
