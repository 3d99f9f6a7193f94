// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interface's ioctls on the VM fd: its arguments in and out, and the state blob.
 * Attributes are attr.c's.
 */
#include <linux/kvm_host.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "attr.h"
#include "pack.h"
#include "state.h"
#include "unpack.h"
#include "vm.h"
#include "vmport.h"
#include "vmport_trace.h"

static bool vmport_state_arg_ok(const struct kvm_vmport_state *arg)
{
	return !arg->flags && !memchr_inv(arg->reserved, 0, sizeof(arg->reserved));
}

/* The VMM's memory. */
struct user_sink {
	struct vmport_sink sink;
	u8 __user *next;
};

static int vmport_write_to_user(struct vmport_sink *sink, const void *data, size_t size)
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

static int vmport_read_from_user(struct vmport_source *source, void *to, size_t size)
{
	struct user_source *user = container_of(source, struct user_source, source);

	if (copy_from_user(to, user->next, size))
		return -EFAULT;
	user->next += size;
	return 0;
}

static int vmport_get_state(struct kvm *kvm, struct kvm_vmport_state *arg)
{
	struct kvm_vmport *vmport = kvm->arch.vmport;
	struct user_sink user = {
		.sink.write = vmport_write_to_user,
		.next = u64_to_user_ptr(arg->data),
	};
	const struct vmport_blob_form form = {
		.max = arg->size,
		/* What the VMM answers, the guest was promised by the VMM. */
		.features = vmport->features & ~KVM_VMPORT_FEATURE_EXIT_RPC,
		.sections = arg->sections ?: U64_MAX,
	};
	struct vmport_packed packed;
	int r;

	lockdep_assert_held(&vmport->lock);

	r = vmport_state_pack(kvm_vmport_current_state(vmport), &form, &packed);
	if (r == -E2BIG)
		arg->error = KVM_VMPORT_ERR_BUFFER;
	if (!r || r == -E2BIG) {
		arg->size = packed.size;
		arg->error_mask = packed.left_out;
	}
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

static int vmport_set_state(struct kvm *kvm, struct kvm_vmport_state *arg)
{
	struct kvm_vmport *vmport = kvm->arch.vmport;
	struct user_source user = {
		.source.read = vmport_read_from_user,
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

	state = vmport_state_unpack(kvm_vmport_current_config(vmport), &vmport->events,
				    &user.source, arg->size, &why);
	if (IS_ERR(state)) {
		arg->error = why.error;
		arg->error_offset = why.offset;
		arg->error_mask = why.features;
		return PTR_ERR(state);
	}

	vmport_state_activate(state);
	old = rcu_replace_pointer(vmport->state, state, lockdep_is_held(&vmport->lock));
	/* vCPUs that began a call with the old state end it with the old. */
	kvm_vmport_wait_for_calls(vmport);
	vmport_state_free(old);
	return 0;
}

/* A change that has been made must not end with an error for nothing. */
static int vmport_copy_back(void __user *argp, const void *before, const void *after, size_t size)
{
	if (memcmp(before, after, size) && copy_to_user(argp, after, size))
		return -EFAULT;
	return 0;
}

/* Under the VM's lock. */
static void vmport_count_state(struct kvm *kvm, unsigned int ioctl, int r)
{
	if (ioctl == KVM_SET_VMPORT_STATE && r)
		kvm->stat.vmport_refused_loads++;
	else if (ioctl == KVM_SET_VMPORT_STATE)
		kvm->stat.vmport_loads++;
	else if (!r)
		kvm->stat.vmport_saves++;
}

static int vmport_state_ioctl(struct kvm *kvm, unsigned int ioctl, void __user *argp)
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
		arg.error_mask = KVM_VMPORT_FEATURE_ENABLE;
		r = -EPERM;
	} else if (!vmport_state_arg_ok(&arg)) {
		arg.error = KVM_VMPORT_ERR_RESERVED;
		r = -EINVAL;
	}
	/* After a change it would be too late for an error. */
	if (copy_to_user(argp, &arg, sizeof(arg)))
		return -EFAULT;
	if (r)
		return r;

	before = arg;
	if (mutex_lock_killable(&vmport->lock))
		return -EINTR;
	r = ioctl == KVM_GET_VMPORT_STATE ? vmport_get_state(kvm, &arg) :
					    vmport_set_state(kvm, &arg);
	vmport_count_state(kvm, ioctl, r);
	mutex_unlock(&vmport->lock);
	trace_kvm_vmport_state(ioctl == KVM_GET_VMPORT_STATE, arg.size, r, arg.error,
			       arg.error_offset);

	return vmport_copy_back(argp, &before, &arg, sizeof(arg)) ?: r;
}

static int vmport_attr_ioctl(struct kvm *kvm, unsigned int ioctl, void __user *argp)
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
	if (mutex_lock_killable(&vmport->lock))
		return -EINTR;
	r = ioctl == KVM_GET_VMPORT_ATTR ? kvm_vmport_get_attr(kvm, &attr) :
					   kvm_vmport_set_attr(kvm, &attr);
	fault = vmport_copy_back(argp, &before, &attr, sizeof(attr));
	if (!r && !fault && ioctl == KVM_GET_VMPORT_ATTR)
		kvm_vmport_attr_is_read(kvm, &attr);
	mutex_unlock(&vmport->lock);

	return fault ?: r;
}

/*
 * The interface's ioctls on the VM fd.
 * @ioctl: any number that the rest of KVM does not know
 * @argp: its argument
 *
 * Returns 0, -ENOTTY when the number is not known here either, or an error as
 * include/uapi/linux/kvm_vmport.h lists them.  May sleep; no lock held.
 */
int kvm_vmport_vm_ioctl(struct kvm *kvm, unsigned int ioctl, void __user *argp)
{
	bool is_state = ioctl == KVM_GET_VMPORT_STATE || ioctl == KVM_SET_VMPORT_STATE;
	bool is_attr = ioctl == KVM_GET_VMPORT_ATTR || ioctl == KVM_SET_VMPORT_ATTR;

	if (!is_state && !is_attr)
		return -ENOTTY;

	return is_state ? vmport_state_ioctl(kvm, ioctl, argp) :
			  vmport_attr_ioctl(kvm, ioctl, argp);
}
