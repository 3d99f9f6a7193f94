// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMware guest interface of a VM: enabling it, and its end.
 */
#include <linux/cred.h>
#include <linux/eventfd.h>
#include <linux/kvm_host.h>
#include <linux/ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/sched/user.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "x86.h"

#include "alloc.h"
#include "command.h"
#include "compat.h"
#include "state.h"
#include "vm.h"
#include "vmport.h"

/* Does each feature have what it needs? */
static bool vmport_has_needed_features(u64 features)
{
	/* What is moved there, or given to the VMM, are messages. */
	if ((features & (KVM_VMPORT_FEATURE_HB | KVM_VMPORT_FEATURE_EXIT_RPC)) &&
	    !(features & KVM_VMPORT_FEATURE_RPC))
		return false;

	/* To L2's ring 3 the port is opened as to L1's. */
	if ((features & KVM_VMPORT_FEATURE_NESTED) && !(features & KVM_VMPORT_FEATURE_RING3))
		return false;

	/* All others stand on the port, so an empty mask is refused too. */
	return features & KVM_VMPORT_FEATURE_ENABLE;
}

/*
 * To change the code interrupts every processor: a second of rest spares them that where VMs
 * come and go.
 */
DEFINE_STATIC_KEY_DEFERRED_FALSE(kvm_vmport_enabled, HZ);
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_vmport_enabled);

/*
 * Wait until nobody uses what has been replaced.  May sleep; for what the engine may sleep
 * for, memory, but for no guest.
 */
void kvm_vmport_wait_for_calls(struct kvm_vmport *vmport)
{
	synchronize_srcu_expedited(&vmport->srcu);
	/*
	 * The fast path has interrupts disabled instead.  Not to wait for long takes an
	 * interrupt of every processor, those of other VMs too: a user can have that a
	 * hundred times a second, whatever VMs it has, and waits as everybody does when it
	 * comes in a loop.
	 */
	if (__ratelimit(&current_user()->ratelimit))
		synchronize_rcu_expedited();
	else
		synchronize_rcu();
}

static struct kvm_vmport *vmport_vm_alloc(struct kvm *kvm, u64 features)
{
	struct vmport_config *config;
	struct vmport_state *state;
	struct kvm_vmport *vmport;

	vmport = kzalloc(sizeof(*vmport), VMPORT_GFP);
	if (!vmport)
		return NULL;

	/* A state counts in the VM's statistics, when it is freed too. */
	vmport->kvm = kvm;
	config = kzalloc(sizeof(*config), VMPORT_GFP);
	state = vmport_state_alloc(&vmport->events);
	if (!config || !state || init_srcu_struct(&vmport->srcu)) {
		vmport_state_free(state);
		kfree(config);
		kfree(vmport);
		return NULL;
	}

	vmport_default_config(config, features);
	mutex_init(&vmport->lock);
	vmport->features = features;
	RCU_INIT_POINTER(vmport->config, config);
	RCU_INIT_POINTER(vmport->state, state);
	return vmport;
}

static void vmport_vm_free(struct kvm_vmport *vmport)
{
	struct eventfd_ctx *eventfd = rcu_dereference_protected(vmport->eventfd, true);

	if (eventfd)
		eventfd_ctx_put(eventfd);
	vmport_state_free(rcu_dereference_protected(vmport->state, true));
	kfree(rcu_dereference_protected(vmport->config, true));
	cleanup_srcu_struct(&vmport->srcu);
	mutex_destroy(&vmport->lock);
	kfree(vmport);
}

/* Has a VM that has the interface enabled one of these KVM_VMPORT_FEATURE_*? */
bool kvm_vmport_has_feature(struct kvm *kvm, u64 features)
{
	return kvm->arch.vmport->features & features;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_vmport_has_feature);

/*
 * KVM_CHECK_EXTENSION of KVM_CAP_X86_VMPORT.
 * @kvm: the VM; NULL: any
 *
 * Returns a mask of KVM_VMPORT_FEATURE_*; 0 for a VM whose registers or memory cannot be
 * read.  The answer for a VM stays the same only while kvm->lock is held.
 */
u64 kvm_vmport_features(struct kvm *kvm)
{
	if (kvm && (kvm_has_protected_state(kvm) || kvm_x86_call(has_encrypted_memory)(kvm)))
		return 0;

	return KVM_VMPORT_FEATURES;
}

/*
 * KVM_ENABLE_CAP of KVM_CAP_X86_VMPORT.
 * @cap: features in args[0]
 *
 * Returns 0 or an error as include/uapi/linux/kvm_vmport.h lists them.  May sleep; no lock
 * held.
 */
int kvm_vmport_enable(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	u64 features = cap->args[0];
	struct kvm_vmport *vmport;
	int r = 0;

	if ((features & ~KVM_VMPORT_FEATURES) || cap->args[1] || cap->args[2] || cap->args[3])
		return -EINVAL;
	if (!vmport_has_needed_features(features))
		return -ENXIO;

	vmport = vmport_vm_alloc(kvm, features);
	if (!vmport)
		return -ENOMEM;

	mutex_lock(&kvm->lock);
	if (!kvm_vmport_features(kvm)) {
		r = -EOPNOTSUPP;
	} else if (kvm->arch.vmport) {
		r = -EEXIST;
	} else if (kvm->created_vcpus) {
		r = -EBUSY;
	} else {
		/* First, as a vCPU that sees the interface must see all of it. */
		static_branch_inc(&kvm_vmport_enabled.key);
		kvm->arch.vmport = vmport;
	}
	mutex_unlock(&kvm->lock);

	if (r)
		vmport_vm_free(vmport);
	else
		kvm_vmport_create_debugfs(kvm);
	return r;
}

/*
 * Free what the interface holds.
 * @kvm: has no vCPU and no ioctl any more
 *
 * May sleep.
 */
void kvm_vmport_destroy_vm(struct kvm *kvm)
{
	vmport_vm_free(kvm->arch.vmport);
	kvm->arch.vmport = NULL;
	static_branch_slow_dec_deferred(&kvm_vmport_enabled);
}
