// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMware guest interface of a VM: enabling it, its ioctls, its end.
 */
#include <linux/kvm_host.h>
#include <linux/nospec.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>

#include "alloc.h"
#include "pack.h"
#include "state.h"
#include "unpack.h"
#include "command.h"
#include "vmport.h"

/* Does each feature have what it needs? */
static bool has_needed_features(u64 features)
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

/* On while any VM of the host has the interface. */
DEFINE_STATIC_KEY_FALSE(kvm_vmport_enabled);
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_vmport_enabled);

/*
 * vCPUs use state and configuration under this, and no longer than the engine
 * works.  It is not kvm->srcu: a vCPU has that while it waits for the guest's memory,
 * and with it for the VMM, whose ioctls must not wait in turn.  It is one for
 * all VMs because each would take memory for every processor of the host.
 */
DEFINE_SRCU(kvm_vmport_srcu);

/**
 * kvm_vmport_wait_for_calls() - wait until nobody uses what has been replaced
 *
 * Context: may sleep; for what the engine may sleep for, memory, but for no guest.
 */
void kvm_vmport_wait_for_calls(void)
{
	synchronize_srcu_expedited(&kvm_vmport_srcu);
	/* The fast path has interrupts disabled instead. */
	synchronize_rcu_expedited();
}

static struct kvm_vmport *vmport_alloc(u64 features)
{
	struct vmport_config *config;
	struct vmport_state *state;
	struct kvm_vmport *vmport;

	vmport = kzalloc(sizeof(*vmport), VMPORT_GFP);
	config = kzalloc(sizeof(*config), VMPORT_GFP);
	state = vmport ? vmport_state_alloc(&vmport->events) : NULL;
	if (!vmport || !config || !state) {
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

static void vmport_free(struct kvm_vmport *vmport)
{
	kvm_vmport_put_eventfd(vmport);
	vmport_state_free(rcu_dereference_protected(vmport->state, true));
	kfree(rcu_dereference_protected(vmport->config, true));
	mutex_destroy(&vmport->lock);
	kfree(vmport);
}

/**
 * kvm_vmport_features() - KVM_CHECK_EXTENSION of KVM_CAP_X86_VMPORT
 * @kvm: the VM; NULL: any
 *
 * Context: any; the answer for a VM stays the same only while kvm->lock is held.
 * Return: a mask of KVM_VMPORT_FEATURE_*; 0 for a VM whose registers or memory cannot
 * be read.
 */
u64 kvm_vmport_features(struct kvm *kvm)
{
	if (kvm && (kvm_has_protected_state(kvm) || kvm_x86_call(has_encrypted_memory)(kvm)))
		return 0;

	return KVM_VMPORT_FEATURES;
}

/**
 * kvm_vmport_enable() - KVM_ENABLE_CAP of KVM_CAP_X86_VMPORT
 * @kvm: the VM
 * @cap: features in args[0]
 *
 * Context: VM ioctl, no lock held.
 * Return: 0 or an error as include/uapi/linux/kvm_vmport.h lists them.
 */
int kvm_vmport_enable(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	u64 features = cap->args[0];
	struct kvm_vmport *vmport;
	int r = 0;

	if ((features & ~KVM_VMPORT_FEATURES) || cap->args[1] || cap->args[2] || cap->args[3])
		return -EINVAL;
	if (!has_needed_features(features))
		return -ENXIO;

	vmport = vmport_alloc(features);
	if (!vmport)
		return -ENOMEM;

	/* First: a vCPU that sees the interface must see all of it. */
	static_branch_inc(&kvm_vmport_enabled);

	mutex_lock(&kvm->lock);
	if (!kvm_vmport_features(kvm))
		r = -EOPNOTSUPP;
	else if (kvm->arch.vmport)
		r = -EEXIST;
	else if (kvm->created_vcpus)
		r = -EBUSY;
	else
		kvm->arch.vmport = vmport;
	mutex_unlock(&kvm->lock);

	if (r) {
		static_branch_dec(&kvm_vmport_enabled);
		vmport_free(vmport);
	}
	return r;
}

/**
 * kvm_vmport_destroy_vm() - free what the interface holds
 * @kvm: has no vCPU and no ioctl any more
 *
 * Context: may sleep.
 */
void kvm_vmport_destroy_vm(struct kvm *kvm)
{
	vmport_free(kvm->arch.vmport);
	kvm->arch.vmport = NULL;
	static_branch_dec(&kvm_vmport_enabled);
}

static bool state_arg_ok(const struct kvm_vmport_state *arg)
{
	return !arg->flags && !memchr_inv(arg->reserved, 0, sizeof(arg->reserved));
}

/* The VMM's memory. */
struct user_sink {
	struct vmport_sink sink;
	u8 __user *next;
};

static int write_to_user(struct vmport_sink *sink, const void *data, size_t size)
{
	struct user_sink *user = container_of(sink, struct user_sink, sink);

	if (copy_to_user(user->next, data, size))
		return -EFAULT;
	user->next += size;
	return 0;
}

struct user_source {
	struct vmport_source source;
	const u8 __user *next;
};

static int read_from_user(struct vmport_source *source, void *to, size_t size)
{
	struct user_source *user = container_of(source, struct user_source, source);

	if (copy_from_user(to, user->next, size))
		return -EFAULT;
	user->next += size;
	return 0;
}

static int get_state(struct kvm *kvm, struct kvm_vmport_state *arg)
{
	struct kvm_vmport *vmport = kvm->arch.vmport;
	struct user_sink user = {
		.sink.write = write_to_user,
		.next = u64_to_user_ptr(arg->data),
	};
	const struct vmport_blob_form form = {
		.max = arg->size,
		/* What the VMM answers, the guest was promised by the VMM. */
		.features = vmport->features & ~KVM_VMPORT_FEATURE_EXIT_RPC,
		.sections = arg->sections ?: U64_MAX,
	};
	struct vmport_packed packed;
	struct vmport_state *state;
	int r;

	lockdep_assert_held(&vmport->lock);

	state = rcu_dereference_protected(vmport->state, lockdep_is_held(&vmport->lock));
	r = vmport_state_pack(state, &form, &packed);
	if (r == -E2BIG)
		arg->error = KVM_VMPORT_ERR_BUFFER;
	if (!r || r == -E2BIG)
		arg->size = packed.size;
	if (r == -EOPNOTSUPP) {
		arg->error = KVM_VMPORT_ERR_CRITICAL;
		arg->error_mask = packed.lacking;
	}
	if (r)
		return r;

	r = vmport_packed_write(&packed, &user.sink);
	vmport_packed_free(&packed);
	return r;
}

static int set_state(struct kvm *kvm, struct kvm_vmport_state *arg)
{
	struct kvm_vmport *vmport = kvm->arch.vmport;
	struct user_source user = {
		.source.read = read_from_user,
		.next = u64_to_user_ptr(arg->data),
	};
	struct vmport_state *state, *old;
	struct vmport_blob_error why;

	lockdep_assert_held(&vmport->lock);

	if (arg->size < sizeof(struct kvm_vmport_blob_header)) {
		arg->error = KVM_VMPORT_ERR_LENGTH;
		return -EINVAL;
	}
	if (arg->size > KVM_VMPORT_MAX_STATE) {
		arg->error = KVM_VMPORT_ERR_STATE_SIZE;
		return -E2BIG;
	}

	state = vmport_state_unpack(rcu_dereference_protected(vmport->config,
							      lockdep_is_held(&vmport->lock)),
				    &vmport->events, &user.source, arg->size, &why);
	if (IS_ERR(state)) {
		arg->error = why.error;
		arg->error_offset = why.offset;
		arg->error_mask = why.features;
		return PTR_ERR(state);
	}

	vmport_state_activate(state);
	old = rcu_replace_pointer(vmport->state, state, lockdep_is_held(&vmport->lock));
	/* vCPUs that began a call with the old state end it with the old. */
	kvm_vmport_wait_for_calls();
	vmport_state_free(old);
	return 0;
}

/* A change that has been made must not end with an error for nothing. */
static int copy_back(void __user *argp, const void *before, const void *after, size_t size)
{
	if (memcmp(before, after, size) && copy_to_user(argp, after, size))
		return -EFAULT;
	return 0;
}

static int state_ioctl(struct kvm *kvm, unsigned int ioctl, void __user *argp)
{
	struct kvm_vmport *vmport = READ_ONCE(kvm->arch.vmport);
	struct kvm_vmport_state arg, before;
	int r = 0;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;

	arg.error = KVM_VMPORT_ERR_NONE;
	arg.error_offset = 0;
	arg.error_mask = 0;
	if (!vmport) {
		arg.error = KVM_VMPORT_ERR_FEATURE;
		r = -EPERM;
	} else if (!state_arg_ok(&arg)) {
		arg.error = KVM_VMPORT_ERR_RESERVED;
		r = -EINVAL;
	}
	/* After a change it would be too late for an error. */
	if (copy_to_user(argp, &arg, sizeof(arg)))
		return -EFAULT;
	if (r)
		return r;

	before = arg;
	mutex_lock(&vmport->lock);
	r = ioctl == KVM_GET_VMPORT_STATE ? get_state(kvm, &arg) : set_state(kvm, &arg);
	mutex_unlock(&vmport->lock);

	return copy_back(argp, &before, &arg, sizeof(arg)) ?: r;
}

static int attr_ioctl(struct kvm *kvm, unsigned int ioctl, void __user *argp)
{
	struct kvm_vmport *vmport = READ_ONCE(kvm->arch.vmport);
	struct kvm_vmport_attr attr, before;
	int r, fault;

	if (copy_from_user(&attr, argp, sizeof(attr)))
		return -EFAULT;

	attr.error = vmport ? KVM_VMPORT_ERR_NONE : KVM_VMPORT_ERR_FEATURE;
	/* After a change it would be too late for an error. */
	if (copy_to_user(argp, &attr, sizeof(attr)))
		return -EFAULT;
	if (!vmport)
		return -EPERM;

	before = attr;
	mutex_lock(&vmport->lock);
	r = ioctl == KVM_GET_VMPORT_ATTR ? kvm_vmport_get_attr(kvm, &attr) :
					   kvm_vmport_set_attr(kvm, &attr);
	fault = copy_back(argp, &before, &attr, sizeof(attr));
	if (!r && !fault && ioctl == KVM_GET_VMPORT_ATTR)
		kvm_vmport_attr_is_read(kvm, &attr);
	mutex_unlock(&vmport->lock);

	return fault ?: r;
}

/**
 * kvm_vmport_vm_ioctl() - the interface's ioctls on the VM fd
 * @kvm: the VM
 * @ioctl: any number that the rest of KVM does not know
 * @argp: its argument
 *
 * Context: may sleep, no lock held.
 * Return: 0, -ENOTTY when the number is not known here either, or an error as
 * include/uapi/linux/kvm_vmport.h lists them.
 */
int kvm_vmport_vm_ioctl(struct kvm *kvm, unsigned int ioctl, void __user *argp)
{
	bool is_state = ioctl == KVM_GET_VMPORT_STATE || ioctl == KVM_SET_VMPORT_STATE;
	bool is_attr = ioctl == KVM_GET_VMPORT_ATTR || ioctl == KVM_SET_VMPORT_ATTR;

	if (!is_state && !is_attr)
		return -ENOTTY;

	return is_state ? state_ioctl(kvm, ioctl, argp) : attr_ioctl(kvm, ioctl, argp);
}
