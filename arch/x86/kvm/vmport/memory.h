/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_MEMORY_H
#define _VMPORT_MEMORY_H

#include <linux/kvm_host.h>

#include "kvm_emulate.h"

/* struct x86_exception.vector: none.  That of #DE is never met here. */
#define KVM_VMPORT_NO_VECTOR	DE_VECTOR

u32 kvm_vmport_read_guest(struct kvm_vcpu *vcpu, gva_t addr, void *data, u32 size,
			  struct x86_exception *exception);
u32 kvm_vmport_write_guest(struct kvm_vcpu *vcpu, gva_t addr, const void *data, u32 size,
			   struct x86_exception *exception);

#endif /* _VMPORT_MEMORY_H */
