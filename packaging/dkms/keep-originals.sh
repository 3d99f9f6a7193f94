#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# keep-originals.sh RELEASE VERSION: run by dkms before it installs the modules.
#
# Debian 13's dkms would move the distribution's modules to /var/lib/dkms.  The host then
# has no KVM if the copy of ours fails, as on a full disk, and an old module over a new one
# where the kernel is updated under one name.  It does so for the first module of a kernel
# only, which it tells by this link, and makes the link itself in the end.
set -eu
ln -sfn "$2/$1/x86_64" "/var/lib/dkms/kvm-vmport/kernel-$1-x86_64"
