# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The guest of nested-host.sh that has a guest of its own: sourced by the init of
# mkinitramfs.sh.  It has the distribution's KVM modules and what host-lib.sh needs,
# and does what comes in on its second serial line.

load_kvm stock
. /guest-init.sh
