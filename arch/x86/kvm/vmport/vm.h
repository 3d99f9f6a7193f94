/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM with the interface enabled, for the glue's files.
 */
#ifndef _VMPORT_VM_H
#define _VMPORT_VM_H

#include <linux/kvm_host.h>
#include <linux/mutex.h>
#include <linux/srcu.h>

#include "abi.h"
#include "call.h"
#include "events.h"

struct eventfd_ctx;

/* Features that this kernel knows, KVM_CHECK_EXTENSION's answer. */
#define KVM_VMPORT_FEATURES						\
	(KVM_VMPORT_FEATURE_ENABLE | KVM_VMPORT_FEATURE_RPC |		\
	 KVM_VMPORT_FEATURE_HB | KVM_VMPORT_FEATURE_RING3 |		\
	 KVM_VMPORT_FEATURE_HYPERCALL | KVM_VMPORT_FEATURE_PMC |	\
	 KVM_VMPORT_FEATURE_EXIT_RPC | KVM_VMPORT_FEATURE_NESTED |	\
	 KVM_VMPORT_FEATURE_STEALCLOCK)

/*
 * @config and @state are replaced under @lock, and read under @srcu or with interrupts
 * disabled.  @lock is taken before the locks of the state.
 */
struct kvm_vmport {
	struct mutex lock;		/* serialises the ioctls */
	/*
	 * vCPUs use state and configuration under this, and no longer than the engine
	 * works.  It is not kvm->srcu: a vCPU has that while it waits for the guest's
	 * memory, and with it for the VMM, whose ioctls must not wait in turn.  Nor is it
	 * one for all VMs: a VM must not wait for what others' vCPUs do.
	 */
	struct srcu_struct srcu;
	u64 features;			/* KVM_VMPORT_FEATURE_*, for life */
	struct kvm *kvm;		/* for its statistics */
	struct vmport_config __rcu *config;
	struct vmport_state __rcu *state;
	/* Replaced under @lock, signalled under RCU; may be NULL. */
	struct eventfd_ctx __rcu *eventfd;
	struct vmport_events events;	/* what the VMM hears of */
};

void kvm_vmport_wait_for_calls(struct kvm_vmport *vmport);
void kvm_vmport_create_debugfs(struct kvm *kvm);

/* Under the VM's lock. */
static inline struct vmport_config *kvm_vmport_current_config(struct kvm_vmport *vmport)
{
	return rcu_dereference_protected(vmport->config, lockdep_is_held(&vmport->lock));
}

static inline struct vmport_state *kvm_vmport_current_state(struct kvm_vmport *vmport)
{
	return rcu_dereference_protected(vmport->state, lockdep_is_held(&vmport->lock));
}

#endif /* _VMPORT_VM_H */
