#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# build.sh HEADERS JOBS: run by dkms in its build directory.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/setup/kvm-tree.sh"

kvm_tree_make "$1" "$top/kvm" on -j"${2:-1}"
