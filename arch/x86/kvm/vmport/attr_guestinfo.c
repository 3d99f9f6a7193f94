// SPDX-License-Identifier: GPL-2.0-only
/*
 * The attributes of guestinfo: one entry, several, their names.  See attr.h.
 */
#include <linux/kvm_host.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "alloc.h"
#include "attr.h"

/*
 * The key of a guestinfo item in memory of its own, or ERR_PTR(); then @error
 * says why.
 */
static u8 *vmport_get_key(const struct kvm_vmport_guestinfo *arg, u32 *error)
{
	u8 *key;

	*error = KVM_VMPORT_ERR_NONE;
	if (arg->key_size > KVM_VMPORT_MAX_KEY) {
		*error = KVM_VMPORT_ERR_KEY_SIZE;
		return ERR_PTR(-E2BIG);
	}
	if (!arg->key_size) {
		*error = KVM_VMPORT_ERR_KEY;
		return ERR_PTR(-EINVAL);
	}

	key = kvm_vmport_dup_user(arg->key, arg->key_size);
	if (!IS_ERR(key) && !vmport_guestinfo_key_ok(key, arg->key_size)) {
		kvfree(key);
		*error = KVM_VMPORT_ERR_KEY;
		return ERR_PTR(-EINVAL);
	}
	return key;
}

int kvm_vmport_get_guestinfo(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct kvm_vmport_guestinfo *arg = &attr->u.guestinfo;
	u32 error;
	struct vmport_entry *entry;
	u32 room = arg->value_size;
	int r = 0;
	u8 *key;

	key = vmport_get_key(arg, &error);
	if (IS_ERR(key))
		return kvm_vmport_refuse(attr, PTR_ERR(key), error);

	entry = vmport_guestinfo_get(&kvm_vmport_current_state(kvm->arch.vmport)->guestinfo, key,
				     arg->key_size);
	kvfree(key);
	if (!entry)
		return -ENOENT;

	arg->value_size = entry->value_size;
	if (entry->value_size > room)
		r = kvm_vmport_refuse(attr, -E2BIG, KVM_VMPORT_ERR_BUFFER);
	else if (copy_to_user(u64_to_user_ptr(arg->value), vmport_entry_value(entry),
			      entry->value_size))
		r = -EFAULT;
	else
		arg->flags = entry->flags;
	vmport_guestinfo_put(entry);
	return r;
}

/*
 * Copy key and value of an item into @change, for vmport_put_change() in any case.
 * Returns 0 or an error; @change->error says why.
 */
static int vmport_get_change(const struct kvm_vmport_guestinfo *arg,
			     struct vmport_guestinfo_change *change)
{
	const void *copy;

	if (!vmport_guestinfo_flags_ok(arg->flags) &&
	    arg->flags != KVM_VMPORT_GUESTINFO_DELETE) {
		change->error = KVM_VMPORT_ERR_FLAGS;
		return -EINVAL;
	}

	copy = vmport_get_key(arg, &change->error);
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
	copy = kvm_vmport_dup_user(arg->value, arg->value_size);
	if (IS_ERR(copy))
		return PTR_ERR(copy);
	change->value = copy;
	change->value_size = arg->value_size;
	return 0;
}

static void vmport_put_change(const struct vmport_guestinfo_change *change)
{
	kvfree(change->key);
	kvfree(change->value);
}

int kvm_vmport_set_guestinfo(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct kvm_vmport *vmport = kvm->arch.vmport;
	struct vmport_guestinfo_change change = { };
	int r;

	r = vmport_get_change(&attr->u.guestinfo, &change);
	if (!r)
		r = vmport_guestinfo_set(&kvm_vmport_current_state(vmport)->guestinfo,
					 &kvm_vmport_current_config(vmport)->limits, &change);
	vmport_put_change(&change);
	return kvm_vmport_refuse(attr, r, change.error);
}

/* Copy all items; arg->index is the one that cannot be. */
static int vmport_get_changes(struct kvm_vmport_guestinfo_many *arg,
			      struct vmport_guestinfo_change *changes)
{
	struct kvm_vmport_guestinfo __user *items = u64_to_user_ptr(arg->items);
	struct kvm_vmport_guestinfo item;
	u64 bytes = 0;
	int r;

	for (arg->index = 0; arg->index < arg->count; arg->index++) {
		if (copy_from_user(&item, &items[arg->index], sizeof(item)))
			return -EFAULT;
		if (item.reserved32 || memchr_inv(item.reserved, 0, sizeof(item.reserved))) {
			changes[arg->index].error = KVM_VMPORT_ERR_RESERVED;
			return -EINVAL;
		}
		r = vmport_get_change(&item, &changes[arg->index]);
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

int kvm_vmport_set_guestinfo_many(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct kvm_vmport_guestinfo_many *arg = &attr->u.many;
	struct kvm_vmport *vmport = kvm->arch.vmport;
	struct vmport_guestinfo_change *changes;
	u32 i, index = arg->index;
	int r;

	if (!arg->count)
		return 0;

	arg->index = arg->count;
	if (arg->count > KVM_VMPORT_MAX_MANY)
		return kvm_vmport_refuse(attr, -E2BIG, KVM_VMPORT_ERR_MANY);

	changes = kvcalloc(arg->count, sizeof(*changes), VMPORT_GFP);
	if (!changes)
		return -ENOMEM;

	r = vmport_get_changes(arg, changes);
	if (!r)
		r = vmport_guestinfo_set_many(&kvm_vmport_current_state(vmport)->guestinfo,
					      &kvm_vmport_current_config(vmport)->limits, changes,
					      arg->count, &arg->index);
	/* What is about all of them stands with the first. */
	attr->error = changes[arg->index < arg->count ? arg->index : 0].error;
	/* After the change it would be too late for an error. */
	if (!r)
		arg->index = index;
	for (i = 0; i < arg->count; i++)
		vmport_put_change(&changes[i]);
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

static bool vmport_is_listed(const struct vmport_entry *entry, const struct name_filter *filter)
{
	return entry->change > filter->since && entry->key_size >= filter->prefix_size &&
	       !memcmp(entry->data, filter->prefix, filter->prefix_size);
}

/* The names that pass; @names NULL: only count them. */
static void vmport_list_names(struct vmport_entry **sorted, u32 count, struct name_list *list,
			      const struct name_filter *filter, u8 *names)
{
	u32 i;

	list->count = 0;
	list->size = 0;
	for (i = 0; i < count; i++) {
		if (!vmport_is_listed(sorted[i], filter))
			continue;
		if (names) {
			memcpy(names + list->size, sorted[i]->data, sorted[i]->key_size);
			names[list->size + sorted[i]->key_size] = '\0';
		}
		list->size += sorted[i]->key_size + 1;
		list->count++;
	}
}

static int vmport_list_guestinfo(struct vmport_guestinfo *gi, struct kvm_vmport_attr *attr,
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
	vmport_list_names(sorted, gi->count, list, filter, NULL);
	if (list->size > room) {
		r = kvm_vmport_refuse(attr, -E2BIG, KVM_VMPORT_ERR_BUFFER);
	} else if (list->size) {
		names = vmport_alloc_data(list->size);
		if (names)
			vmport_list_names(sorted, gi->count, list, filter, names);
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

int kvm_vmport_get_guestinfo_list(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct vmport_guestinfo *gi = &kvm_vmport_current_state(kvm->arch.vmport)->guestinfo;
	struct kvm_vmport_guestinfo_list *arg = &attr->u.list;
	struct name_list list = { .names = arg->names, .size = arg->names_size };
	struct name_filter filter = { .prefix_size = arg->prefix_size };
	u8 *prefix;
	int r;

	if (arg->prefix_size > KVM_VMPORT_MAX_KEY)
		return kvm_vmport_refuse(attr, -E2BIG, KVM_VMPORT_ERR_KEY_SIZE);

	prefix = kvm_vmport_dup_user(arg->prefix, arg->prefix_size);
	if (IS_ERR(prefix))
		return PTR_ERR(prefix);

	filter.prefix = prefix;
	r = vmport_list_guestinfo(gi, attr, &filter, &list);
	kvfree(prefix);
	arg->names_size = list.size;
	arg->count = list.count;
	return r;
}

int kvm_vmport_get_changed(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct vmport_guestinfo *gi = &kvm_vmport_current_state(kvm->arch.vmport)->guestinfo;
	struct kvm_vmport_changes *arg = &attr->u.changes;
	struct name_list list = { .names = arg->names, .size = arg->names_size };
	struct name_filter filter = { .since = arg->since, .by_change = true };
	int r;

	/* Of another host, most likely: nothing must be missed. */
	if (arg->since > atomic64_read(&gi->events->changes))
		return kvm_vmport_refuse(attr, -EINVAL, KVM_VMPORT_ERR_POSITION);

	r = vmport_list_guestinfo(gi, attr, &filter, &list);
	arg->sequence = list.sequence;
	arg->names_size = list.size;
	arg->count = list.count;
	return r;
}
