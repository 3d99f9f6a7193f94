/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The calling vCPU: may it call, and the begin and end of its call.
 */
#ifndef _VMPORT_VCPU_H
#define _VMPORT_VCPU_H

#include <linux/kvm_host.h>

#include "call.h"
#include "vm.h"

bool kvm_vmport_is_encrypted(struct kvm_vcpu *vcpu);
bool kvm_vmport_can_call(struct kvm_vcpu *vcpu);
bool kvm_vmport_l2_can_call(struct kvm_vcpu *vcpu);
bool kvm_vmport_can_use_port(struct kvm_vcpu *vcpu);

/* VMware changes the low halves of registers only. */
static inline unsigned long kvm_vmport_merge(unsigned long old, u32 low)
{
	return (old & ~0xfffffffful) | low;
}

/*
 * Give a call all but its registers.  Under the VM's SRCU, or from before with
 * interrupts disabled until the call has been made.
 */
static __always_inline void kvm_vmport_fill_call(struct kvm_vcpu *vcpu, struct vmport_call *call)
{
	struct kvm_vmport *vmport = vcpu->kvm->arch.vmport;

	call->vcpu = vcpu;
	call->config = rcu_dereference_check(vmport->config, rcu_read_lock_sched_held() ||
					     srcu_read_lock_held(&vmport->srcu));
	call->state = rcu_dereference_check(vmport->state, rcu_read_lock_sched_held() ||
					    srcu_read_lock_held(&vmport->srcu));
}

int kvm_vmport_begin_call(struct kvm_vcpu *vcpu, struct vmport_call *call)
	__acquires(&vcpu->kvm->arch.vmport->srcu);
void kvm_vmport_end_call(struct kvm_vcpu *vcpu, const struct vmport_call *call, int idx)
	__releases(&vcpu->kvm->arch.vmport->srcu);

#endif /* _VMPORT_VCPU_H */
