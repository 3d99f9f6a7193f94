// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guestinfo store: what "info-get" and "info-set" and the VMM's attributes
 * read and write.  Read far more often than written, so lookups take no lock.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "call.h"
#include "guestinfo.h"

/* Four entries a bucket when the store is full. */
#define VMPORT_BUCKETS	(KVM_VMPORT_MAX_KEYS / 4)

static u32 key_hash(struct vmport_guestinfo *gi, const u8 *key, u32 size)
{
	return siphash(key, size, &gi->hash_key);
}

static bool entry_is(const struct vmport_entry *entry, u32 hash, const u8 *key, u32 size)
{
	return entry->hash == hash && entry->key_size == size &&
	       !memcmp(entry->data, key, size);
}

/* The link that points to the entry, or the one at the chain's end. */
static struct vmport_entry __rcu **find_link(struct vmport_guestinfo *gi, u32 hash,
					     const u8 *key, u32 size)
{
	struct vmport_entry __rcu **link = &gi->buckets[hash % VMPORT_BUCKETS];
	struct vmport_entry *entry;

	while ((entry = rcu_dereference_protected(*link, lockdep_is_held(&gi->lock)))) {
		if (entry_is(entry, hash, key, size))
			break;
		link = &entry->next;
	}
	return link;
}

/**
 * vmport_guestinfo_init() - an empty store
 * @gi: the store
 */
void vmport_guestinfo_init(struct vmport_guestinfo *gi)
{
	mutex_init(&gi->lock);
	get_random_bytes(&gi->hash_key, sizeof(gi->hash_key));
}

/**
 * vmport_guestinfo_destroy() - free all entries
 * @gi: the store; nobody else uses it any more
 */
void vmport_guestinfo_destroy(struct vmport_guestinfo *gi)
{
	struct vmport_entry *entry, *next;
	unsigned int i;

	for (i = 0; gi->buckets && i < VMPORT_BUCKETS; i++) {
		for (entry = rcu_dereference_protected(gi->buckets[i], true); entry;
		     entry = next) {
			next = rcu_dereference_protected(entry->next, true);
			vmport_guestinfo_put(entry);
		}
	}
	kvfree(gi->buckets);
	mutex_destroy(&gi->lock);
}

/**
 * vmport_guestinfo_key_ok() - is this a key?
 * @key: its bytes
 * @size: how many
 *
 * A space would end it in a request, a NUL in the VMM's list of names.
 */
bool vmport_guestinfo_key_ok(const u8 *key, u32 size)
{
	return size && size <= KVM_VMPORT_MAX_KEY &&
	       !memchr(key, ' ', size) && !memchr(key, '\0', size);
}

/**
 * vmport_guestinfo_get() - look an entry up
 * @gi: the store
 * @key: its bytes
 * @size: how many
 *
 * Context: any, takes no lock.
 * Return: the entry, to be given back with vmport_guestinfo_put(), or NULL.
 */
struct vmport_entry *vmport_guestinfo_get(struct vmport_guestinfo *gi,
					  const u8 *key, u32 size)
{
	struct vmport_entry __rcu **buckets;
	struct vmport_entry *entry;
	u32 hash;

	/* Pairs with the store in alloc_buckets(). */
	buckets = smp_load_acquire(&gi->buckets);
	if (!buckets)
		return NULL;

	hash = key_hash(gi, key, size);

	rcu_read_lock();
	for (entry = rcu_dereference(buckets[hash % VMPORT_BUCKETS]); entry;
	     entry = rcu_dereference(entry->next)) {
		if (entry_is(entry, hash, key, size))
			break;
	}
	/* The last reference may be gone while it is still in sight. */
	if (entry && !refcount_inc_not_zero(&entry->refs))
		entry = NULL;
	rcu_read_unlock();

	return entry;
}

/**
 * vmport_guestinfo_put() - give an entry back
 * @entry: from vmport_guestinfo_get()
 *
 * Context: may not be called with a raw spinlock held.
 */
void vmport_guestinfo_put(struct vmport_entry *entry)
{
	if (refcount_dec_and_test(&entry->refs))
		kvfree_rcu(entry, rcu);
}

static int check_change(const struct kvm_vmport_limits *limits,
			struct vmport_guestinfo_change *change)
{
	if (change->key_size > KVM_VMPORT_MAX_KEY) {
		change->error = KVM_VMPORT_ERR_KEY_SIZE;
		return -E2BIG;
	}
	if (!vmport_guestinfo_key_ok(change->key, change->key_size)) {
		change->error = KVM_VMPORT_ERR_KEY;
		return -EINVAL;
	}
	if (change->value_size > limits->value_bytes) {
		change->error = KVM_VMPORT_ERR_VALUE_SIZE;
		return -E2BIG;
	}
	return 0;
}

/* Is there room, with the entry that it replaces gone?  gi->lock is held. */
static int check_room(struct vmport_guestinfo *gi, const struct vmport_entry *old,
		      const struct kvm_vmport_limits *limits,
		      struct vmport_guestinfo_change *change)
{
	u32 freed = old ? old->key_size + old->value_size : 0;
	u32 added = change->key_size + change->value_size;

	if (!old && gi->count >= limits->keys) {
		change->error = KVM_VMPORT_ERR_KEY_COUNT;
		return -E2BIG;
	}
	/* Past a lowered limit, what does not add is still welcome. */
	if (added > freed && gi->bytes - freed + added > limits->guestinfo_bytes) {
		change->error = KVM_VMPORT_ERR_GUESTINFO_SIZE;
		return -E2BIG;
	}
	return 0;
}

static struct vmport_entry *new_entry(struct vmport_guestinfo *gi,
				      const struct vmport_guestinfo_change *change)
{
	struct vmport_entry *entry;

	entry = kvmalloc(struct_size(entry, data, change->key_size + change->value_size),
			 VMPORT_GFP);
	if (!entry)
		return NULL;

	refcount_set(&entry->refs, 1);
	entry->hash = key_hash(gi, change->key, change->key_size);
	entry->flags = change->flags;
	entry->key_size = change->key_size;
	entry->value_size = change->value_size;
	memcpy(entry->data, change->key, change->key_size);
	memcpy(entry->data + change->key_size, change->value, change->value_size);
	return entry;
}

static int alloc_buckets(struct vmport_guestinfo *gi)
{
	struct vmport_entry __rcu **buckets;

	if (gi->buckets)
		return 0;

	buckets = kvcalloc(VMPORT_BUCKETS, sizeof(*buckets), VMPORT_GFP);
	if (!buckets)
		return -ENOMEM;

	/* Pairs with the load in vmport_guestinfo_get(): zeroes before pointer. */
	smp_store_release(&gi->buckets, buckets);
	return 0;
}

/**
 * vmport_guestinfo_set() - add or replace an entry
 * @gi: the store
 * @limits: of the VM
 * @change: what to set; @change->error says why it failed
 *
 * Context: may sleep.
 * Return: 0; -EINVAL malformed key; -E2BIG past a limit; -EPERM the guest may
 * not change this entry; -ENOMEM.  Nothing has changed on an error.
 */
int vmport_guestinfo_set(struct vmport_guestinfo *gi,
			 const struct kvm_vmport_limits *limits,
			 struct vmport_guestinfo_change *change)
{
	struct vmport_entry *entry, *old;
	struct vmport_entry __rcu **link;
	int r;

	r = check_change(limits, change);
	if (r)
		return r;

	entry = new_entry(gi, change);
	if (!entry)
		return -ENOMEM;

	mutex_lock(&gi->lock);

	r = alloc_buckets(gi);
	if (r)
		goto out;

	link = find_link(gi, entry->hash, change->key, change->key_size);
	old = rcu_dereference_protected(*link, lockdep_is_held(&gi->lock));
	if (old && change->by_guest && (old->flags & KVM_VMPORT_GUESTINFO_READONLY)) {
		r = -EPERM;
		goto out;
	}
	r = check_room(gi, old, limits, change);
	if (r)
		goto out;

	rcu_assign_pointer(entry->next,
			   old ? rcu_dereference_protected(old->next,
							   lockdep_is_held(&gi->lock)) : NULL);
	rcu_assign_pointer(*link, entry);

	gi->bytes += entry->key_size + entry->value_size;
	if (old)
		gi->bytes -= old->key_size + old->value_size;
	else
		gi->count++;
	/* What is left over is what came out of the store. */
	entry = old;
out:
	mutex_unlock(&gi->lock);
	if (entry)
		vmport_guestinfo_put(entry);
	return r;
}

/**
 * vmport_guestinfo_delete() - remove an entry
 * @gi: the store
 * @key: its bytes
 * @size: how many
 *
 * Context: may sleep.
 * Return: 0, or -ENOENT when there is none.
 */
int vmport_guestinfo_delete(struct vmport_guestinfo *gi, const u8 *key, u32 size)
{
	struct vmport_entry *entry = NULL;
	struct vmport_entry __rcu **link;

	mutex_lock(&gi->lock);
	if (gi->buckets) {
		link = find_link(gi, key_hash(gi, key, size), key, size);
		entry = rcu_dereference_protected(*link, lockdep_is_held(&gi->lock));
		if (entry) {
			rcu_assign_pointer(*link,
					   rcu_dereference_protected(entry->next,
								     lockdep_is_held(&gi->lock)));
			gi->count--;
			gi->bytes -= entry->key_size + entry->value_size;
		}
	}
	mutex_unlock(&gi->lock);

	if (!entry)
		return -ENOENT;
	vmport_guestinfo_put(entry);
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	const struct vmport_entry *x = *(const struct vmport_entry * const *)a;
	const struct vmport_entry *y = *(const struct vmport_entry * const *)b;
	int r = memcmp(x->data, y->data, min(x->key_size, y->key_size));

	return r ?: (int)x->key_size - (int)y->key_size;
}

/**
 * vmport_guestinfo_sort() - all entries in byte order of their keys
 * @gi: the store; its lock is held, and as long as the entries are used
 *
 * Context: may sleep.
 * Return: an array of @gi->count entries to be freed with kvfree(), NULL when
 * there are none, or ERR_PTR(-ENOMEM).
 */
struct vmport_entry **vmport_guestinfo_sort(struct vmport_guestinfo *gi)
{
	struct vmport_entry **sorted, *entry;
	unsigned int i, n = 0;

	lockdep_assert_held(&gi->lock);

	if (!gi->count)
		return NULL;

	sorted = kvmalloc_array(gi->count, sizeof(*sorted), VMPORT_GFP);
	if (!sorted)
		return ERR_PTR(-ENOMEM);

	for (i = 0; i < VMPORT_BUCKETS; i++) {
		for (entry = rcu_dereference_protected(gi->buckets[i],
						       lockdep_is_held(&gi->lock));
		     entry;
		     entry = rcu_dereference_protected(entry->next,
						       lockdep_is_held(&gi->lock)))
			sorted[n++] = entry;
	}
	sort(sorted, n, sizeof(*sorted), compare_keys, NULL);
	return sorted;
}
