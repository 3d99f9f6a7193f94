// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_VMPORT_GET_ATTR and KVM_VMPORT_SET_ATTR: what the VMM tells the interface
 * and asks of it.  Everything here runs under vmport->lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "state.h"
#include "vmport.h"

static struct vmport_config *vmport_config(struct kvm_vmport *vmport)
{
	return rcu_dereference_protected(vmport->config, lockdep_is_held(&vmport->lock));
}

static struct vmport_state *vmport_state(struct kvm_vmport *vmport)
{
	return rcu_dereference_protected(vmport->state, lockdep_is_held(&vmport->lock));
}

static int refuse(struct kvm_vmport_attr *attr, int r, enum kvm_vmport_error error)
{
	attr->error = error;
	return r;
}

/* Every attribute ends with its reserved field. */
#define TAIL(_name)	offsetof(struct kvm_vmport_attr, u._name.reserved)

/* Is everything zero from @offset to the end? */
static bool tail_ok(const struct kvm_vmport_attr *attr, size_t offset)
{
	return !memchr_inv((const u8 *)attr + offset, 0, sizeof(*attr) - offset);
}

/* Replace the configuration by a changed copy. */
static int replace_config(struct kvm *kvm, const struct vmport_config *changed)
{
	struct kvm_vmport *vmport = kvm->arch.vmport;
	struct vmport_config *config;

	config = kmemdup(changed, sizeof(*changed), VMPORT_GFP);
	if (!config)
		return -ENOMEM;

	config = rcu_replace_pointer(vmport->config, config, lockdep_is_held(&vmport->lock));
	synchronize_srcu_expedited(&kvm->srcu);
	kfree(config);
	return 0;
}

static int set_identity(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct vmport_config changed = *vmport_config(kvm->arch.vmport);

	if (attr->u.identity.reserved32 || !tail_ok(attr, TAIL(identity)))
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_RESERVED);
	/* Guests take bit 31 for "command not supported". */
	if (attr->u.identity.vcpu_info & BIT(31))
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_FLAGS);

	changed.identity = attr->u.identity;
	return replace_config(kvm, &changed);
}

static int set_limits(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct vmport_config changed = *vmport_config(kvm->arch.vmport);
	const struct kvm_vmport_limits *limits = &attr->u.limits;

	if (!tail_ok(attr, TAIL(limits)))
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_RESERVED);
	if (limits->channels > KVM_VMPORT_MAX_CHANNELS)
		return refuse(attr, -E2BIG, KVM_VMPORT_ERR_CHANNELS);
	if (limits->keys > KVM_VMPORT_MAX_KEYS)
		return refuse(attr, -E2BIG, KVM_VMPORT_ERR_KEY_COUNT);
	if (limits->value_bytes > KVM_VMPORT_MAX_VALUE)
		return refuse(attr, -E2BIG, KVM_VMPORT_ERR_VALUE_SIZE);
	if (limits->guestinfo_bytes > KVM_VMPORT_MAX_GUESTINFO)
		return refuse(attr, -E2BIG, KVM_VMPORT_ERR_GUESTINFO_SIZE);

	changed.limits = *limits;
	return replace_config(kvm, &changed);
}

/* The key of a guestinfo attribute in memory of its own, or ERR_PTR(). */
static u8 *get_key(struct kvm_vmport_attr *attr)
{
	const struct kvm_vmport_guestinfo *arg = &attr->u.guestinfo;
	u8 *key;

	if (arg->reserved32 || !tail_ok(attr, TAIL(guestinfo)))
		return ERR_PTR(refuse(attr, -EINVAL, KVM_VMPORT_ERR_RESERVED));
	if (arg->key_size > KVM_VMPORT_MAX_KEY)
		return ERR_PTR(refuse(attr, -E2BIG, KVM_VMPORT_ERR_KEY_SIZE));
	if (!arg->key_size)
		return ERR_PTR(refuse(attr, -EINVAL, KVM_VMPORT_ERR_KEY));

	key = memdup_user(u64_to_user_ptr(arg->key), arg->key_size);
	if (!IS_ERR(key) && !vmport_guestinfo_key_ok(key, arg->key_size)) {
		kfree(key);
		return ERR_PTR(refuse(attr, -EINVAL, KVM_VMPORT_ERR_KEY));
	}
	return key;
}

static int get_guestinfo(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct kvm_vmport_guestinfo *arg = &attr->u.guestinfo;
	struct vmport_entry *entry;
	u32 room = arg->value_size;
	int r = 0;
	u8 *key;

	if (arg->flags)
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_FLAGS);
	key = get_key(attr);
	if (IS_ERR(key))
		return PTR_ERR(key);

	entry = vmport_guestinfo_get(&vmport_state(kvm->arch.vmport)->guestinfo, key,
				     arg->key_size);
	kfree(key);
	if (!entry)
		return -ENOENT;

	arg->value_size = entry->value_size;
	if (entry->value_size > room)
		r = refuse(attr, -E2BIG, KVM_VMPORT_ERR_BUFFER);
	else if (copy_to_user(u64_to_user_ptr(arg->value), vmport_entry_value(entry),
			      entry->value_size))
		r = -EFAULT;
	else
		arg->flags = entry->flags;
	vmport_guestinfo_put(entry);
	return r;
}

static int change_guestinfo(struct kvm *kvm, struct kvm_vmport_attr *attr, const u8 *key)
{
	const struct kvm_vmport_guestinfo *arg = &attr->u.guestinfo;
	struct vmport_state *state = vmport_state(kvm->arch.vmport);
	struct vmport_guestinfo_change change = {
		.key = key,
		.key_size = arg->key_size,
		.value_size = arg->value_size,
		.flags = arg->flags,
	};
	u8 *value;
	int r;

	if (arg->flags & KVM_VMPORT_GUESTINFO_DELETE)
		return vmport_guestinfo_delete(&state->guestinfo, key, arg->key_size);

	if (arg->value_size > KVM_VMPORT_MAX_VALUE)
		return refuse(attr, -E2BIG, KVM_VMPORT_ERR_VALUE_SIZE);
	value = vmemdup_user(u64_to_user_ptr(arg->value), arg->value_size);
	if (IS_ERR(value))
		return PTR_ERR(value);

	change.value = value;
	r = vmport_guestinfo_set(&state->guestinfo, &vmport_config(kvm->arch.vmport)->limits,
				 &change);
	kvfree(value);
	return refuse(attr, r, change.error);
}

static int set_guestinfo(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	u32 flags = attr->u.guestinfo.flags;
	u8 *key;
	int r;

	if (flags && flags != KVM_VMPORT_GUESTINFO_READONLY &&
	    flags != KVM_VMPORT_GUESTINFO_DELETE)
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_FLAGS);

	key = get_key(attr);
	if (IS_ERR(key))
		return PTR_ERR(key);

	r = change_guestinfo(kvm, attr, key);
	kfree(key);
	return r;
}

/* The names that begin with @prefix; @names NULL: only count them. */
static void list_names(struct vmport_entry **sorted, u32 count,
		       struct kvm_vmport_guestinfo_list *arg, const u8 *prefix, u8 *names)
{
	u32 i;

	arg->count = 0;
	arg->names_size = 0;
	for (i = 0; i < count; i++) {
		if (sorted[i]->key_size < arg->prefix_size ||
		    memcmp(sorted[i]->data, prefix, arg->prefix_size))
			continue;
		if (names) {
			memcpy(names + arg->names_size, sorted[i]->data, sorted[i]->key_size);
			names[arg->names_size + sorted[i]->key_size] = '\0';
		}
		arg->names_size += sorted[i]->key_size + 1;
		arg->count++;
	}
}

static int list_guestinfo(struct vmport_guestinfo *gi, struct kvm_vmport_attr *attr,
			  const u8 *prefix)
{
	struct kvm_vmport_guestinfo_list *arg = &attr->u.list;
	struct vmport_entry **sorted;
	u32 room = arg->names_size;
	u8 *names = NULL;
	int r = 0;

	mutex_lock(&gi->lock);
	sorted = vmport_guestinfo_sort(gi);
	if (IS_ERR(sorted)) {
		mutex_unlock(&gi->lock);
		return PTR_ERR(sorted);
	}
	list_names(sorted, gi->count, arg, prefix, NULL);
	if (arg->names_size > room) {
		r = refuse(attr, -E2BIG, KVM_VMPORT_ERR_BUFFER);
	} else if (arg->names_size) {
		names = kvmalloc(arg->names_size, VMPORT_GFP);
		if (names)
			list_names(sorted, gi->count, arg, prefix, names);
		else
			r = -ENOMEM;
	}
	kvfree(sorted);
	mutex_unlock(&gi->lock);

	if (names && copy_to_user(u64_to_user_ptr(arg->names), names, arg->names_size))
		r = -EFAULT;
	kvfree(names);
	return r;
}

static int get_guestinfo_list(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	const struct kvm_vmport_guestinfo_list *arg = &attr->u.list;
	u8 *prefix;
	int r;

	if (arg->count || arg->reserved32 || !tail_ok(attr, TAIL(list)))
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_RESERVED);
	if (arg->prefix_size > KVM_VMPORT_MAX_KEY)
		return refuse(attr, -E2BIG, KVM_VMPORT_ERR_KEY_SIZE);

	prefix = memdup_user(u64_to_user_ptr(arg->prefix), arg->prefix_size);
	if (IS_ERR(prefix))
		return PTR_ERR(prefix);

	r = list_guestinfo(&vmport_state(kvm->arch.vmport)->guestinfo, attr, prefix);
	kfree(prefix);
	return r;
}

static int send_tclo(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct kvm_vmport_tclo *arg = &attr->u.tclo;
	struct vmport_request *request;
	u8 *data;
	int r;

	if (arg->id || arg->status || !tail_ok(attr, TAIL(tclo)))
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_RESERVED);
	if (!arg->size)
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_REQUEST);
	if (arg->size > KVM_VMPORT_MAX_TCLO_REQUEST)
		return refuse(attr, -E2BIG, KVM_VMPORT_ERR_TCLO_SIZE);

	data = vmemdup_user(u64_to_user_ptr(arg->data), arg->size);
	if (IS_ERR(data))
		return PTR_ERR(data);
	request = vmport_request_alloc(0, data, arg->size);
	kvfree(data);
	if (!request)
		return -ENOMEM;

	r = vmport_tclo_queue(&vmport_state(kvm->arch.vmport)->tclo, request, &arg->id);
	if (r) {
		vmport_request_free(request);
		return refuse(attr, r, KVM_VMPORT_ERR_TCLO_COUNT);
	}
	return 0;
}

static int get_tclo_result(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct vmport_tclo *tclo = &vmport_state(kvm->arch.vmport)->tclo;
	struct kvm_vmport_tclo *arg = &attr->u.tclo;
	struct vmport_request *result;
	u32 room = arg->size;

	if (arg->id || arg->status || !tail_ok(attr, TAIL(tclo)))
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_RESERVED);

	/* vmport->lock makes this the only reader. */
	result = vmport_tclo_first_result(tclo);
	if (!result)
		return -ENOENT;

	arg->size = result->size;
	if (result->size > room)
		return refuse(attr, -E2BIG, KVM_VMPORT_ERR_BUFFER);
	if (copy_to_user(u64_to_user_ptr(arg->data), result->data, result->size))
		return -EFAULT;

	arg->id = result->id;
	arg->status = result->status;
	vmport_tclo_drop_result(tclo);
	return 0;
}

/* Who may use which attribute; vmport->lock is held. */
static int check_attr(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	switch (attr->type) {
	case KVM_VMPORT_ATTR_IDENTITY:
		return 0;
	case KVM_VMPORT_ATTR_LIMITS:
	case KVM_VMPORT_ATTR_GUESTINFO:
	case KVM_VMPORT_ATTR_GUESTINFO_LIST:
	case KVM_VMPORT_ATTR_TCLO:
		if (kvm_vmport_has_feature(kvm, KVM_VMPORT_FEATURE_RPC))
			return 0;
		return refuse(attr, -EPERM, KVM_VMPORT_ERR_FEATURE);
	default:
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_ATTR);
	}
}

/**
 * kvm_vmport_get_attr() - KVM_VMPORT_GET_ATTR
 * @kvm: has the interface enabled, vmport->lock is held
 * @attr: in and out
 *
 * Context: may sleep.
 * Return: 0 or an error as include/uapi/linux/kvm_vmport.h lists them.
 */
int kvm_vmport_get_attr(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	const struct vmport_config *config = vmport_config(kvm->arch.vmport);
	int r = check_attr(kvm, attr);

	if (r)
		return r;

	switch (attr->type) {
	case KVM_VMPORT_ATTR_IDENTITY:
		memset(&attr->u, 0, sizeof(attr->u));
		attr->u.identity = config->identity;
		return 0;
	case KVM_VMPORT_ATTR_LIMITS:
		memset(&attr->u, 0, sizeof(attr->u));
		attr->u.limits = config->limits;
		return 0;
	case KVM_VMPORT_ATTR_GUESTINFO:
		return get_guestinfo(kvm, attr);
	case KVM_VMPORT_ATTR_GUESTINFO_LIST:
		return get_guestinfo_list(kvm, attr);
	default:
		return get_tclo_result(kvm, attr);
	}
}

/**
 * kvm_vmport_set_attr() - KVM_VMPORT_SET_ATTR
 * @kvm: has the interface enabled, vmport->lock is held
 * @attr: in and out
 *
 * Context: may sleep.
 * Return: 0 or an error as include/uapi/linux/kvm_vmport.h lists them.
 */
int kvm_vmport_set_attr(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	int r = check_attr(kvm, attr);

	if (r)
		return r;

	switch (attr->type) {
	case KVM_VMPORT_ATTR_IDENTITY:
		return set_identity(kvm, attr);
	case KVM_VMPORT_ATTR_LIMITS:
		return set_limits(kvm, attr);
	case KVM_VMPORT_ATTR_GUESTINFO:
		return set_guestinfo(kvm, attr);
	case KVM_VMPORT_ATTR_GUESTINFO_LIST:
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_ATTR);
	default:
		return send_tclo(kvm, attr);
	}
}
