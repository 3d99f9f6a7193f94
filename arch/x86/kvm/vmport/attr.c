// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_VMPORT_ATTR and KVM_SET_VMPORT_ATTR: what the VMM tells the interface
 * and asks of it.  Everything here runs under vmport->lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/eventfd.h>
#include <linux/kvm_host.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "alloc.h"
#include "ask.h"
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

static int refuse(struct kvm_vmport_attr *attr, int r, u32 error)
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
	kvm_vmport_wait_for_calls();
	kfree(config);
	return 0;
}

static int get_identity(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	memset(&attr->u, 0, sizeof(attr->u));
	attr->u.identity = vmport_config(kvm->arch.vmport)->identity;
	return 0;
}

static int get_limits(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	memset(&attr->u, 0, sizeof(attr->u));
	attr->u.limits = vmport_config(kvm->arch.vmport)->limits;
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

/*
 * The key of a guestinfo item in memory of its own, or ERR_PTR(); then @error
 * says why.
 */
static u8 *get_key(const struct kvm_vmport_guestinfo *arg, u32 *error)
{
	u8 *key;

	*error = KVM_VMPORT_ERR_NONE;
	if (arg->reserved32 || memchr_inv(arg->reserved, 0, sizeof(arg->reserved))) {
		*error = KVM_VMPORT_ERR_RESERVED;
		return ERR_PTR(-EINVAL);
	}
	if (arg->key_size > KVM_VMPORT_MAX_KEY) {
		*error = KVM_VMPORT_ERR_KEY_SIZE;
		return ERR_PTR(-E2BIG);
	}
	if (!arg->key_size) {
		*error = KVM_VMPORT_ERR_KEY;
		return ERR_PTR(-EINVAL);
	}

	key = memdup_user(u64_to_user_ptr(arg->key), arg->key_size);
	if (!IS_ERR(key) && !vmport_guestinfo_key_ok(key, arg->key_size)) {
		kfree(key);
		*error = KVM_VMPORT_ERR_KEY;
		return ERR_PTR(-EINVAL);
	}
	return key;
}

static int get_guestinfo(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct kvm_vmport_guestinfo *arg = &attr->u.guestinfo;
	u32 error;
	struct vmport_entry *entry;
	u32 room = arg->value_size;
	int r = 0;
	u8 *key;

	if (arg->flags)
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_FLAGS);
	if (!tail_ok(attr, TAIL(guestinfo)))
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_RESERVED);
	key = get_key(arg, &error);
	if (IS_ERR(key))
		return refuse(attr, PTR_ERR(key), error);

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

/*
 * Copy key and value of an item into @change, for put_change() in any case.
 * Returns 0 or an error; @change->error says why.
 */
static int get_change(const struct kvm_vmport_guestinfo *arg,
		      struct vmport_guestinfo_change *change)
{
	const void *copy;

	if (arg->flags && arg->flags != KVM_VMPORT_GUESTINFO_READONLY &&
	    arg->flags != KVM_VMPORT_GUESTINFO_DELETE) {
		change->error = KVM_VMPORT_ERR_FLAGS;
		return -EINVAL;
	}

	copy = get_key(arg, &change->error);
	if (IS_ERR(copy))
		return PTR_ERR(copy);
	change->key = copy;
	change->key_size = arg->key_size;
	change->flags = arg->flags;
	if (arg->flags & KVM_VMPORT_GUESTINFO_DELETE)
		return 0;

	if (arg->value_size > KVM_VMPORT_MAX_VALUE) {
		change->error = KVM_VMPORT_ERR_VALUE_SIZE;
		return -E2BIG;
	}
	copy = vmemdup_user(u64_to_user_ptr(arg->value), arg->value_size);
	if (IS_ERR(copy))
		return PTR_ERR(copy);
	change->value = copy;
	change->value_size = arg->value_size;
	return 0;
}

static void put_change(const struct vmport_guestinfo_change *change)
{
	kfree(change->key);
	kvfree(change->value);
}

static int set_guestinfo(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct kvm_vmport *vmport = kvm->arch.vmport;
	struct vmport_guestinfo_change change = { };
	int r;

	if (!tail_ok(attr, TAIL(guestinfo)))
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_RESERVED);

	r = get_change(&attr->u.guestinfo, &change);
	if (!r)
		r = vmport_guestinfo_set(&vmport_state(vmport)->guestinfo,
					 &vmport_config(vmport)->limits, &change);
	put_change(&change);
	return refuse(attr, r, change.error);
}

/* Copy all items; arg->index is the one that cannot be. */
static int get_changes(struct kvm_vmport_guestinfo_many *arg,
		       struct vmport_guestinfo_change *changes)
{
	struct kvm_vmport_guestinfo __user *items = u64_to_user_ptr(arg->items);
	struct kvm_vmport_guestinfo item;
	u64 bytes = 0;
	int r;

	for (arg->index = 0; arg->index < arg->count; arg->index++) {
		if (copy_from_user(&item, &items[arg->index], sizeof(item)))
			return -EFAULT;
		r = get_change(&item, &changes[arg->index]);
		if (r)
			return r;

		if (item.flags & KVM_VMPORT_GUESTINFO_DELETE)
			continue;

		/* No key is there twice, so all this would be in the store together. */
		bytes += item.key_size + item.value_size;
		if (bytes > KVM_VMPORT_MAX_GUESTINFO) {
			changes[arg->index].error = KVM_VMPORT_ERR_GUESTINFO_SIZE;
			return -E2BIG;
		}
	}
	return 0;
}

static int set_guestinfo_many(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct kvm_vmport_guestinfo_many *arg = &attr->u.many;
	struct kvm_vmport *vmport = kvm->arch.vmport;
	struct vmport_guestinfo_change *changes;
	u32 i;
	int r;

	if (arg->index || !tail_ok(attr, TAIL(many)))
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_RESERVED);
	if (arg->count > KVM_VMPORT_MAX_MANY)
		return refuse(attr, -E2BIG, KVM_VMPORT_ERR_MANY);
	if (!arg->count)
		return 0;

	changes = kvcalloc(arg->count, sizeof(*changes), VMPORT_GFP);
	if (!changes)
		return -ENOMEM;

	r = get_changes(arg, changes);
	if (!r)
		r = vmport_guestinfo_set_many(&vmport_state(vmport)->guestinfo,
					      &vmport_config(vmport)->limits, changes,
					      arg->count, &arg->index);
	/* What is about all of them stands with the first. */
	attr->error = changes[arg->index < arg->count ? arg->index : 0].error;
	if (!r)
		arg->index = 0;

	for (i = 0; i < arg->count; i++)
		put_change(&changes[i]);
	kvfree(changes);
	return r;
}

/* Which entries to list. */
struct name_filter {
	const u8 *prefix;
	u32 prefix_size;
	u64 since;		/* changed later than that; then in that order */
	bool by_change;
};

/* A list of names, and the room for it. */
struct name_list {
	u32 count;
	u32 size;		/* in: bytes there; out: bytes written or needed */
	u64 names;		/* user address */
	u64 sequence;		/* newest change when it was made */
};

static bool is_listed(const struct vmport_entry *entry, const struct name_filter *filter)
{
	return entry->change > filter->since && entry->key_size >= filter->prefix_size &&
	       !memcmp(entry->data, filter->prefix, filter->prefix_size);
}

/* The names that pass; @names NULL: only count them. */
static void list_names(struct vmport_entry **sorted, u32 count, struct name_list *list,
		       const struct name_filter *filter, u8 *names)
{
	u32 i;

	list->count = 0;
	list->size = 0;
	for (i = 0; i < count; i++) {
		if (!is_listed(sorted[i], filter))
			continue;
		if (names) {
			memcpy(names + list->size, sorted[i]->data, sorted[i]->key_size);
			names[list->size + sorted[i]->key_size] = '\0';
		}
		list->size += sorted[i]->key_size + 1;
		list->count++;
	}
}

static int list_guestinfo(struct vmport_guestinfo *gi, struct kvm_vmport_attr *attr,
			  const struct name_filter *filter, struct name_list *list)
{
	struct vmport_entry **sorted;
	u32 room = list->size;
	u8 *names = NULL;
	int r = 0;

	mutex_lock(&gi->lock);
	list->sequence = atomic64_read(&gi->events->changes);
	sorted = vmport_guestinfo_sort(gi, filter->by_change);
	if (IS_ERR(sorted)) {
		mutex_unlock(&gi->lock);
		return PTR_ERR(sorted);
	}
	list_names(sorted, gi->count, list, filter, NULL);
	if (list->size > room) {
		r = refuse(attr, -E2BIG, KVM_VMPORT_ERR_BUFFER);
	} else if (list->size) {
		names = vmport_alloc_data(list->size);
		if (names)
			list_names(sorted, gi->count, list, filter, names);
		else
			r = -ENOMEM;
	}
	kvfree(sorted);
	mutex_unlock(&gi->lock);

	if (names && copy_to_user(u64_to_user_ptr(list->names), names, list->size))
		r = -EFAULT;
	kvfree(names);
	return r;
}

static int get_guestinfo_list(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct kvm_vmport_guestinfo_list *arg = &attr->u.list;
	struct name_list list = { .names = arg->names, .size = arg->names_size };
	struct name_filter filter = { .prefix_size = arg->prefix_size };
	u8 *prefix;
	int r;

	if (arg->count || arg->reserved32 || !tail_ok(attr, TAIL(list)))
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_RESERVED);
	if (arg->prefix_size > KVM_VMPORT_MAX_KEY)
		return refuse(attr, -E2BIG, KVM_VMPORT_ERR_KEY_SIZE);

	prefix = memdup_user(u64_to_user_ptr(arg->prefix), arg->prefix_size);
	if (IS_ERR(prefix))
		return PTR_ERR(prefix);

	filter.prefix = prefix;
	r = list_guestinfo(&vmport_state(kvm->arch.vmport)->guestinfo, attr, &filter, &list);
	kfree(prefix);
	arg->names_size = list.size;
	arg->count = list.count;
	return r;
}

static int get_changed(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct vmport_guestinfo *gi = &vmport_state(kvm->arch.vmport)->guestinfo;
	struct kvm_vmport_changes *arg = &attr->u.changes;
	struct name_list list = { .names = arg->names, .size = arg->names_size };
	struct name_filter filter = { .since = arg->since, .by_change = true };
	int r;

	if (arg->sequence || arg->count || !tail_ok(attr, TAIL(changes)))
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_RESERVED);
	/* Of another host, most likely: nothing must be missed. */
	if (arg->since > atomic64_read(&gi->events->changes))
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_POSITION);

	r = list_guestinfo(gi, attr, &filter, &list);
	arg->sequence = list.sequence;
	arg->names_size = list.size;
	arg->count = list.count;
	return r;
}

/* vmport->lock is held. */
static void replace_eventfd(struct kvm_vmport *vmport, struct eventfd_ctx *eventfd)
{
	eventfd = rcu_replace_pointer(vmport->eventfd, eventfd, lockdep_is_held(&vmport->lock));
	if (eventfd) {
		synchronize_rcu();
		eventfd_ctx_put(eventfd);
	}
}

/**
 * kvm_vmport_put_eventfd() - let the VMM's eventfd go
 * @vmport: nobody else uses it any more
 *
 * Context: may sleep.
 */
void kvm_vmport_put_eventfd(struct kvm_vmport *vmport)
{
	struct eventfd_ctx *eventfd = rcu_dereference_protected(vmport->eventfd, true);

	if (eventfd)
		eventfd_ctx_put(eventfd);
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

static int set_eventfd(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct kvm_vmport *vmport = kvm->arch.vmport;
	struct eventfd_ctx *eventfd = NULL;
	s32 fd = attr->u.eventfd.fd;

	if (attr->u.eventfd.reserved32 || !tail_ok(attr, TAIL(eventfd)))
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_RESERVED);

	if (fd != -1) {
		eventfd = eventfd_ctx_fdget(fd);
		if (IS_ERR(eventfd))
			return PTR_ERR(eventfd);
	}
	replace_eventfd(vmport, eventfd);

	/* A result that came before this would never be heard of. */
	if (vmport_tclo_unread(&vmport_state(vmport)->tclo))
		vmport_signal(&vmport->events);
	return 0;
}

static int get_events(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct kvm_vmport *vmport = kvm->arch.vmport;
	struct vmport_state *state = vmport_state(vmport);

	if (!tail_ok(attr, offsetof(struct kvm_vmport_attr, u)))
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_RESERVED);

	attr->u.events.sequence = atomic64_read(&vmport->events.changes);
	attr->u.events.lost = atomic64_read(&vmport->events.lost);
	attr->u.events.results = vmport_tclo_unread(&state->tclo);
	attr->u.events.channels = vmport_channels_tclo(state);
	return 0;
}

static int get_rpc(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct kvm_vmport_rpc *arg = &attr->u.rpc;
	struct vmport_asked asked;
	int r;

	if (arg->channel || !tail_ok(attr, TAIL(rpc)))
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_RESERVED);

	r = vmport_ask_read(vmport_state(kvm->arch.vmport), arg->id, arg->size, &asked);
	if (r == -ENOENT)
		return r;

	arg->id = asked.id;
	arg->size = asked.size;
	arg->channel = asked.channel;
	if (r == -E2BIG)
		return refuse(attr, r, KVM_VMPORT_ERR_BUFFER);

	if (asked.data && copy_to_user(u64_to_user_ptr(arg->data), asked.data, asked.size))
		r = -EFAULT;
	kvfree(asked.data);
	return r;
}

static int set_rpc(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	const struct kvm_vmport_rpc *arg = &attr->u.rpc;
	u8 *data;
	int r;

	if (arg->channel || !tail_ok(attr, TAIL(rpc)))
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_RESERVED);
	if (!arg->id)
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_REQUEST);
	if (arg->size > KVM_VMPORT_MAX_REPLY)
		return refuse(attr, -E2BIG, KVM_VMPORT_ERR_REPLY_SIZE);

	data = vmemdup_user(u64_to_user_ptr(arg->data), arg->size);
	if (IS_ERR(data))
		return PTR_ERR(data);
	r = vmport_ask_answer(vmport_state(kvm->arch.vmport), arg->id, data, arg->size);
	kvfree(data);
	return r;
}

static int reset_channels(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	if (!tail_ok(attr, offsetof(struct kvm_vmport_attr, u)))
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_RESERVED);

	vmport_channels_reset(vmport_state(kvm->arch.vmport));
	return 0;
}

/* Whom a request is for: the system's daemon where the VMM does not say. */
static int get_name(struct kvm_vmport_attr *attr, struct vmport_name *name)
{
	const struct kvm_vmport_tclo *arg = &attr->u.tclo;
	u8 text[KVM_VMPORT_MAX_NAME];

	if (!arg->name_size)
		return 0;
	if (arg->name_size > sizeof(text))
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_NAME);
	if (copy_from_user(text, u64_to_user_ptr(arg->name), arg->name_size))
		return -EFAULT;
	if (!vmport_name_ok(text, arg->name_size))
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_NAME);

	vmport_name_set(name, text, arg->name_size);
	return 0;
}

static int send_tclo(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct kvm_vmport_tclo *arg = &attr->u.tclo;
	struct vmport_request *request;
	int r;

	if (arg->id || arg->status || arg->reserved32 || !tail_ok(attr, TAIL(tclo)))
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_RESERVED);
	if (!arg->size)
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_REQUEST);
	if (arg->size > KVM_VMPORT_MAX_TCLO_REQUEST)
		return refuse(attr, -E2BIG, KVM_VMPORT_ERR_TCLO_SIZE);

	request = vmport_request_alloc(0, arg->size);
	if (!request)
		return -ENOMEM;
	if (copy_from_user(request->data, u64_to_user_ptr(arg->data), arg->size)) {
		vmport_request_free(request);
		return -EFAULT;
	}
	r = get_name(attr, &request->name);
	if (r) {
		vmport_request_free(request);
		return r;
	}

	r = vmport_tclo_queue(&vmport_state(kvm->arch.vmport)->tclo, request, &arg->id);
	if (r) {
		vmport_request_free(request);
		return refuse(attr, r, r == -EBUSY ? KVM_VMPORT_ERR_TCLO_COUNT :
						     KVM_VMPORT_ERR_REQUEST);
	}
	return 0;
}

static int get_tclo_result(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct vmport_tclo *tclo = &vmport_state(kvm->arch.vmport)->tclo;
	struct kvm_vmport_tclo *arg = &attr->u.tclo;
	struct vmport_request *result;
	u32 room = arg->size;

	if (arg->id || arg->status || arg->name || arg->name_size || arg->reserved32 ||
	    !tail_ok(attr, TAIL(tclo)))
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
	return 0;
}

/* What can be done with a type of attribute, and which feature it needs. */
static const struct {
	int (*get)(struct kvm *kvm, struct kvm_vmport_attr *attr);
	int (*set)(struct kvm *kvm, struct kvm_vmport_attr *attr);
	u64 feature;
} vmport_attrs[] = {
	[KVM_VMPORT_ATTR_IDENTITY] = {
		get_identity, set_identity, KVM_VMPORT_FEATURE_ENABLE },
	[KVM_VMPORT_ATTR_LIMITS] = {
		get_limits, set_limits, KVM_VMPORT_FEATURE_RPC },
	[KVM_VMPORT_ATTR_GUESTINFO] = {
		get_guestinfo, set_guestinfo, KVM_VMPORT_FEATURE_RPC },
	[KVM_VMPORT_ATTR_GUESTINFO_LIST] = {
		get_guestinfo_list, NULL, KVM_VMPORT_FEATURE_RPC },
	[KVM_VMPORT_ATTR_TCLO] = {
		get_tclo_result, send_tclo, KVM_VMPORT_FEATURE_RPC },
	[KVM_VMPORT_ATTR_GUESTINFO_MANY] = {
		NULL, set_guestinfo_many, KVM_VMPORT_FEATURE_RPC },
	[KVM_VMPORT_ATTR_CHANGES] = {
		get_changed, NULL, KVM_VMPORT_FEATURE_RPC },
	[KVM_VMPORT_ATTR_EVENTFD] = {
		NULL, set_eventfd, KVM_VMPORT_FEATURE_RPC },
	[KVM_VMPORT_ATTR_EVENTS] = {
		get_events, NULL, KVM_VMPORT_FEATURE_RPC },
	[KVM_VMPORT_ATTR_RPC] = {
		get_rpc, set_rpc, KVM_VMPORT_FEATURE_EXIT_RPC },
	[KVM_VMPORT_ATTR_RESET] = {
		NULL, reset_channels, KVM_VMPORT_FEATURE_RPC },
};

static int use_attr(struct kvm *kvm, struct kvm_vmport_attr *attr, bool set)
{
	int (*use)(struct kvm *kvm, struct kvm_vmport_attr *attr);
	u32 type = attr->type;

	if (type >= ARRAY_SIZE(vmport_attrs))
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_ATTR);

	type = array_index_nospec(type, ARRAY_SIZE(vmport_attrs));
	if (!vmport_attrs[type].feature)
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_ATTR);
	if (!kvm_vmport_has_feature(kvm, vmport_attrs[type].feature))
		return refuse(attr, -EPERM, KVM_VMPORT_ERR_FEATURE);

	use = set ? vmport_attrs[type].set : vmport_attrs[type].get;
	if (!use)
		return refuse(attr, -EINVAL, KVM_VMPORT_ERR_ATTR);
	return use(kvm, attr);
}

/**
 * kvm_vmport_get_attr() - KVM_GET_VMPORT_ATTR
 * @kvm: has the interface enabled, vmport->lock is held
 * @attr: in and out
 *
 * Context: may sleep.
 * Return: 0 or an error as include/uapi/linux/kvm_vmport.h lists them.
 */
int kvm_vmport_get_attr(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	return use_attr(kvm, attr, false);
}

/**
 * kvm_vmport_attr_is_read() - the VMM has what kvm_vmport_get_attr() gave
 * @kvm: the VM, its lock held all the while
 * @attr: what was got
 *
 * A result is gone for good only then.
 *
 * Context: vmport->lock held, may sleep.
 */
void kvm_vmport_attr_is_read(struct kvm *kvm, const struct kvm_vmport_attr *attr)
{
	if (attr->type == KVM_VMPORT_ATTR_TCLO)
		vmport_tclo_drop_result(&vmport_state(kvm->arch.vmport)->tclo);
}

/**
 * kvm_vmport_set_attr() - KVM_SET_VMPORT_ATTR
 * @kvm: has the interface enabled, vmport->lock is held
 * @attr: in and out
 *
 * Context: may sleep.
 * Return: 0 or an error as include/uapi/linux/kvm_vmport.h lists them.
 */
int kvm_vmport_set_attr(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	return use_attr(kvm, attr, true);
}
