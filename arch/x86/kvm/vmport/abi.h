/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The structures that the VMM sees, and their sizes, which never change.
 */
#ifndef _VMPORT_ABI_H
#define _VMPORT_ABI_H

#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/types.h>

#include <uapi/linux/kvm_vmport.h>

/* Arguments of ioctls, and what they point to. */
static_assert(sizeof(struct kvm_vmport_state) == 80);
static_assert(sizeof(struct kvm_vmport_attr) == 256);
static_assert(offsetof(struct kvm_vmport_attr, u) == 8);
static_assert(sizeof(struct kvm_vmport_guestinfo) == 64);
static_assert(sizeof(struct kvm_vmport_tclo_item) == 64);

/* What a struct kvm_vmport_attr holds; reserved fields follow those with a meaning. */
static_assert(sizeof(struct kvm_vmport_identity) == 96);
static_assert(offsetof(struct kvm_vmport_identity, reserved32) == 60);
static_assert(sizeof(struct kvm_vmport_limits) == 48);
static_assert(offsetof(struct kvm_vmport_limits, reserved) == 16);
static_assert(offsetof(struct kvm_vmport_guestinfo, reserved32) == 28);
static_assert(sizeof(struct kvm_vmport_guestinfo_many) == 48);
static_assert(offsetof(struct kvm_vmport_guestinfo_many, reserved) == 16);
static_assert(sizeof(struct kvm_vmport_guestinfo_list) == 64);
static_assert(offsetof(struct kvm_vmport_guestinfo_list, reserved32) == 28);
static_assert(sizeof(struct kvm_vmport_changes) == 64);
static_assert(offsetof(struct kvm_vmport_changes, reserved) == 32);
static_assert(sizeof(struct kvm_vmport_eventfd) == 40);
static_assert(offsetof(struct kvm_vmport_eventfd, reserved32) == 4);
static_assert(sizeof(struct kvm_vmport_events) == 56);
static_assert(offsetof(struct kvm_vmport_events, reserved) == 24);
static_assert(sizeof(struct kvm_vmport_tclo) == 56);
static_assert(offsetof(struct kvm_vmport_tclo, reserved32) == 36);
static_assert(sizeof(struct kvm_vmport_tclo_list) == 48);
static_assert(offsetof(struct kvm_vmport_tclo_list, reserved32) == 12);
static_assert(sizeof(struct kvm_vmport_info) == 64);
static_assert(offsetof(struct kvm_vmport_info, reserved) == 40);
static_assert(sizeof(struct kvm_vmport_rpc) == 64);
static_assert(offsetof(struct kvm_vmport_rpc, reserved) == 32);

/* What stands in struct kvm_run. */
static_assert(sizeof(struct kvm_vmport_exit) == 56);
static_assert(offsetof(struct kvm_vmport_exit, reserved) == 24);

/* What a blob is made of. */
static_assert(sizeof(struct kvm_vmport_blob_header) == 32);
static_assert(sizeof(struct kvm_vmport_blob_section) == 16);
static_assert(sizeof(struct kvm_vmport_blob_channel) == 40);
static_assert(sizeof(struct kvm_vmport_blob_tclo) == 16);
static_assert(sizeof(struct kvm_vmport_blob_request) == 16);
static_assert(sizeof(struct kvm_vmport_blob_guestinfo) == 8);
static_assert(sizeof(struct kvm_vmport_blob_order) == 2);
static_assert(sizeof(struct kvm_vmport_blob_name) == 16);
static_assert(sizeof(struct kvm_vmport_blob_stealclock) == 16);
static_assert(sizeof(struct kvm_vmport_blob_mark) == 2);

#endif /* _VMPORT_ABI_H */
