// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_VMPORT_ATTR and KVM_SET_VMPORT_ATTR: what the VMM tells the interface
 * and asks of it.  Everything here runs under vmport->lock.
 */
#include <linux/eventfd.h>
#include <linux/kvm_host.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "alloc.h"
#include "attr.h"
#include "channels.h"
#include "compat.h"
#include "section.h"
#include "steal.h"
#include "vm.h"
#include "vmport.h"

/*
 * Copy @size bytes of the VMM's.  They are charged to it, which those of memdup_user() are
 * not: a page that it does not provide can make a call wait here for as long as it likes.
 *
 * Returns memory for kvfree(), or ERR_PTR(): -ENOMEM, -EFAULT.
 */
void *kvm_vmport_dup_user(u64 address, u32 size)
{
	void *copy = vmport_alloc_data(size);

	if (!copy)
		return ERR_PTR(-ENOMEM);
	if (copy_from_user(copy, u64_to_user_ptr(address), size)) {
		kvfree(copy);
		return ERR_PTR(-EFAULT);
	}
	return copy;
}

/* Replace the configuration by a changed copy. */
static int vmport_replace_config(struct kvm *kvm, const struct vmport_config *changed)
{
	struct kvm_vmport *vmport = kvm->arch.vmport;
	struct vmport_config *config;

	config = kmemdup(changed, sizeof(*changed), VMPORT_GFP);
	if (!config)
		return -ENOMEM;

	config = rcu_replace_pointer(vmport->config, config, lockdep_is_held(&vmport->lock));
	kvm_vmport_wait_for_calls(vmport);
	kfree(config);
	return 0;
}

static int vmport_get_identity(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	attr->u.identity = kvm_vmport_current_config(kvm->arch.vmport)->identity;
	return 0;
}

static int vmport_get_limits(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	attr->u.limits = kvm_vmport_current_config(kvm->arch.vmport)->limits;
	return 0;
}

static int vmport_set_identity(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct vmport_config changed = *kvm_vmport_current_config(kvm->arch.vmport);

	/*
	 * No guest accepts version 0: somebody has set a field without getting the others
	 * first.  Guests take bit 31 of vcpu_info for "command not supported".
	 */
	if (!attr->u.identity.version || attr->u.identity.vcpu_info & BIT(31))
		return kvm_vmport_refuse(attr, -EINVAL, KVM_VMPORT_ERR_IDENTITY);

	changed.identity = attr->u.identity;
	return vmport_replace_config(kvm, &changed);
}

static int vmport_set_limits(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct vmport_config changed = *kvm_vmport_current_config(kvm->arch.vmport);
	const struct kvm_vmport_limits *limits = &attr->u.limits;

	if (limits->channels > KVM_VMPORT_MAX_CHANNELS)
		return kvm_vmport_refuse(attr, -E2BIG, KVM_VMPORT_ERR_CHANNELS);
	if (limits->keys > KVM_VMPORT_MAX_KEYS)
		return kvm_vmport_refuse(attr, -E2BIG, KVM_VMPORT_ERR_KEY_COUNT);
	if (limits->value_bytes > KVM_VMPORT_MAX_VALUE)
		return kvm_vmport_refuse(attr, -E2BIG, KVM_VMPORT_ERR_VALUE_SIZE);
	if (limits->guestinfo_bytes > KVM_VMPORT_MAX_GUESTINFO)
		return kvm_vmport_refuse(attr, -E2BIG, KVM_VMPORT_ERR_GUESTINFO_SIZE);

	changed.limits = *limits;
	return vmport_replace_config(kvm, &changed);
}

/* vmport->lock is held. */
static void vmport_replace_eventfd(struct kvm_vmport *vmport, struct eventfd_ctx *eventfd)
{
	eventfd = rcu_replace_pointer(vmport->eventfd, eventfd, lockdep_is_held(&vmport->lock));
	if (eventfd) {
		synchronize_rcu();
		eventfd_ctx_put(eventfd);
	}
}

void vmport_signal(struct vmport_events *events)
{
	struct kvm_vmport *vmport = container_of(events, struct kvm_vmport, events);
	struct eventfd_ctx *eventfd;

	rcu_read_lock();
	eventfd = rcu_dereference(vmport->eventfd);
	if (eventfd)
		eventfd_signal(eventfd);
	rcu_read_unlock();
}

static int vmport_set_eventfd(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct kvm_vmport *vmport = kvm->arch.vmport;
	struct eventfd_ctx *eventfd = NULL;
	s32 fd = attr->u.eventfd.fd;

	if (fd != -1) {
		eventfd = eventfd_ctx_fdget(fd);
		if (IS_ERR(eventfd))
			return PTR_ERR(eventfd);
	}
	vmport_replace_eventfd(vmport, eventfd);

	/* A result that came before this would never be heard of. */
	if (vmport_tclo_unread(&kvm_vmport_current_state(vmport)->tclo))
		vmport_signal(&vmport->events);
	return 0;
}

static int vmport_get_events(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct kvm_vmport *vmport = kvm->arch.vmport;
	struct vmport_state *state = kvm_vmport_current_state(vmport);

	attr->u.events = (struct kvm_vmport_events) {
		.sequence = atomic64_read(&vmport->events.changes),
		.lost = atomic64_read(&vmport->events.lost),
		.results = vmport_tclo_unread(&state->tclo),
		.channels = vmport_channels_tclo(state),
	};
	return 0;
}

static int vmport_reset_guest(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct vmport_state *state = kvm_vmport_current_state(kvm->arch.vmport);

	vmport_channels_reset(state);
	vmport_steal_reset(&state->steals);
	return 0;
}

/*
 * What can be done with a type of attribute.
 *
 * @get: KVM_GET_VMPORT_ATTR; may be NULL
 * @set: KVM_SET_VMPORT_ATTR; may be NULL
 * @feature: KVM_VMPORT_FEATURE_* of which it needs one
 * @reserved: where in struct kvm_vmport_attr its reserved fields begin
 * @end: where they end
 */
struct attr_type {
	int (*get)(struct kvm *kvm, struct kvm_vmport_attr *attr);
	int (*set)(struct kvm *kvm, struct kvm_vmport_attr *attr);
	u64 feature;
	size_t reserved;
	size_t end;
};

/* Reserved fields are the last of each structure, from @_reserved on. */
#define ATTR(_type, _feature, _get, _set, _member, _reserved)			\
	[KVM_VMPORT_ATTR_##_type] = {						\
		.get = _get,							\
		.set = _set,							\
		.feature = KVM_VMPORT_FEATURE_##_feature,			\
		.reserved = offsetof(struct kvm_vmport_attr, u._member._reserved), \
		.end = offsetofend(struct kvm_vmport_attr, u._member),		\
	}

/* Looks at the table itself. */
static int vmport_get_info(struct kvm *kvm, struct kvm_vmport_attr *attr);

static const struct attr_type vmport_attrs[] = {
	ATTR(IDENTITY, ENABLE, vmport_get_identity, vmport_set_identity, identity, reserved32),
	ATTR(LIMITS, RPC, vmport_get_limits, vmport_set_limits, limits, reserved),
	ATTR(GUESTINFO, RPC, kvm_vmport_get_guestinfo, kvm_vmport_set_guestinfo, guestinfo,
	     reserved32),
	ATTR(GUESTINFO_LIST, RPC, kvm_vmport_get_guestinfo_list, NULL, list, reserved32),
	ATTR(TCLO, RPC, kvm_vmport_get_tclo_result, kvm_vmport_send_tclo, tclo, reserved32),
	ATTR(GUESTINFO_MANY, RPC, NULL, kvm_vmport_set_guestinfo_many, many, reserved),
	ATTR(CHANGES, RPC, kvm_vmport_get_changed, NULL, changes, reserved),
	ATTR(EVENTFD, RPC, NULL, vmport_set_eventfd, eventfd, reserved32),
	ATTR(EVENTS, RPC, vmport_get_events, NULL, events, reserved),
	ATTR(RPC, EXIT_RPC, kvm_vmport_get_rpc, kvm_vmport_set_rpc, rpc, reserved),
	[KVM_VMPORT_ATTR_RESET] = {
		.set = vmport_reset_guest,
		.feature = KVM_VMPORT_FEATURE_RPC | KVM_VMPORT_FEATURE_STEALCLOCK,
	},
	ATTR(INFO, ENABLE, vmport_get_info, NULL, info, reserved),
	ATTR(TCLO_LIST, RPC, kvm_vmport_list_tclo, NULL, tclo_list, reserved32),
	ATTR(TCLO_CANCEL, RPC, NULL, kvm_vmport_cancel_tclo, tclo, reserved32),
};

static int vmport_get_info(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	u32 type;

	attr->u.info = (struct kvm_vmport_info) {
		.features = kvm->arch.vmport->features,
		.sections = vmport_section_types(),
		.known_features = KVM_VMPORT_FEATURES,
	};
	for (type = 0; type < ARRAY_SIZE(vmport_attrs); type++) {
		if (vmport_attrs[type].get)
			attr->u.info.get_attrs |= BIT_ULL(type);
		if (vmport_attrs[type].set)
			attr->u.info.set_attrs |= BIT_ULL(type);
	}
	return 0;
}

/* What is output, or belongs to other attributes, may hold anything. */
static bool vmport_attr_is_reserved_zero(const struct kvm_vmport_attr *attr,
					 const struct attr_type *type)
{
	return !memchr_inv((const u8 *)attr + type->reserved, 0, type->end - type->reserved);
}

static int vmport_use_attr(struct kvm *kvm, struct kvm_vmport_attr *attr, bool set)
{
	int (*use)(struct kvm *kvm, struct kvm_vmport_attr *attr);
	const struct attr_type *type;

	if (attr->type >= ARRAY_SIZE(vmport_attrs))
		return kvm_vmport_refuse(attr, -EINVAL, KVM_VMPORT_ERR_ATTR);

	type = &vmport_attrs[array_index_nospec(attr->type, ARRAY_SIZE(vmport_attrs))];
	if (!type->feature)
		return kvm_vmport_refuse(attr, -EINVAL, KVM_VMPORT_ERR_ATTR);
	if (!kvm_vmport_has_feature(kvm, type->feature))
		return kvm_vmport_refuse(attr, -EPERM, KVM_VMPORT_ERR_FEATURE);

	use = set ? type->set : type->get;
	if (!use)
		return kvm_vmport_refuse(attr, -EINVAL, KVM_VMPORT_ERR_ATTR);
	if (!vmport_attr_is_reserved_zero(attr, type))
		return kvm_vmport_refuse(attr, -EINVAL, KVM_VMPORT_ERR_RESERVED);
	return use(kvm, attr);
}

/*
 * KVM_GET_VMPORT_ATTR.
 * @kvm: has the interface enabled, vmport->lock is held
 *
 * Returns 0 or an error as include/uapi/linux/kvm_vmport.h lists them.  May sleep.
 */
int kvm_vmport_get_attr(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	return vmport_use_attr(kvm, attr, false);
}

/*
 * The VMM has what kvm_vmport_get_attr() gave.
 * @kvm: the VM, its lock held all the while
 *
 * A result is gone for good only then.
 *
 * Under vmport->lock; may sleep.
 */
void kvm_vmport_attr_is_read(struct kvm *kvm, const struct kvm_vmport_attr *attr)
{
	if (attr->type == KVM_VMPORT_ATTR_TCLO)
		vmport_tclo_drop_result(&kvm_vmport_current_state(kvm->arch.vmport)->tclo);
}

/*
 * KVM_SET_VMPORT_ATTR.
 * @kvm: has the interface enabled, vmport->lock is held
 *
 * Returns 0 or an error as include/uapi/linux/kvm_vmport.h lists them.  May sleep.
 */
int kvm_vmport_set_attr(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	return vmport_use_attr(kvm, attr, true);
}
