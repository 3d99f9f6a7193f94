/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_MEMORY_H
#define _VMPORT_MEMORY_H

#include <linux/kvm_host.h>

#include "kvm_emulate.h"

/*
 * Why an access to the guest's memory ended before its last byte.  Where that is no fault
 * of the guest's, the next byte is not plain memory.
 */
struct vmport_fault {
	bool is_guests;
	struct x86_exception exception;	/* then: #PF or #GP(0) */
};

/* The guest meets #GP(0). */
static inline void kvm_vmport_set_gp(struct vmport_fault *fault)
{
	fault->is_guests = true;
	fault->exception = (struct x86_exception) {
		.vector = GP_VECTOR,
		.error_code_valid = true,
	};
}

u32 kvm_vmport_read_guest(struct kvm_vcpu *vcpu, gva_t addr, void *data, u32 size,
			  struct vmport_fault *fault);
u32 kvm_vmport_write_guest(struct kvm_vcpu *vcpu, gva_t addr, const void *data, u32 size,
			   struct vmport_fault *fault);

#endif /* _VMPORT_MEMORY_H */
