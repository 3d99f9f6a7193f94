/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The attributes of KVM_GET_VMPORT_ATTR and KVM_SET_VMPORT_ATTR.  All functions here run
 * under vmport->lock and may sleep.  They return 0 or an errno, as
 * include/uapi/linux/kvm_vmport.h lists them, and leave the reason in attr->error.
 */
#ifndef _VMPORT_ATTR_H
#define _VMPORT_ATTR_H

#include <linux/kvm_host.h>

#include "abi.h"
#include "state.h"
#include "vm.h"

static inline int kvm_vmport_refuse(struct kvm_vmport_attr *attr, int r, u32 error)
{
	attr->error = error;
	return r;
}

void *kvm_vmport_dup_user(u64 address, u32 size);

int kvm_vmport_get_attr(struct kvm *kvm, struct kvm_vmport_attr *attr);
int kvm_vmport_set_attr(struct kvm *kvm, struct kvm_vmport_attr *attr);
void kvm_vmport_attr_is_read(struct kvm *kvm, const struct kvm_vmport_attr *attr);

int kvm_vmport_get_guestinfo(struct kvm *kvm, struct kvm_vmport_attr *attr);
int kvm_vmport_set_guestinfo(struct kvm *kvm, struct kvm_vmport_attr *attr);
int kvm_vmport_set_guestinfo_many(struct kvm *kvm, struct kvm_vmport_attr *attr);
int kvm_vmport_get_guestinfo_list(struct kvm *kvm, struct kvm_vmport_attr *attr);
int kvm_vmport_get_changed(struct kvm *kvm, struct kvm_vmport_attr *attr);
int kvm_vmport_get_rpc(struct kvm *kvm, struct kvm_vmport_attr *attr);
int kvm_vmport_set_rpc(struct kvm *kvm, struct kvm_vmport_attr *attr);
int kvm_vmport_send_tclo(struct kvm *kvm, struct kvm_vmport_attr *attr);
int kvm_vmport_get_tclo_result(struct kvm *kvm, struct kvm_vmport_attr *attr);
int kvm_vmport_list_tclo(struct kvm *kvm, struct kvm_vmport_attr *attr);
int kvm_vmport_cancel_tclo(struct kvm *kvm, struct kvm_vmport_attr *attr);

#endif /* _VMPORT_ATTR_H */
