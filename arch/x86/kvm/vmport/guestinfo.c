// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guestinfo store: what "info-get" and "info-set" and the VMM's attributes
 * read and write.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "alloc.h"
#include "call.h"
#include "count.h"
#include "guestinfo.h"
#include "vmport_trace.h"

/* Four entries a bucket when the store is full. */
#define VMPORT_BUCKETS	(KVM_VMPORT_MAX_KEYS / 4)

/* What the store holds. */
struct totals {
	u32 count;
	u32 bytes;
};

static u32 vmport_key_hash(struct vmport_guestinfo *gi, const u8 *key, u32 size)
{
	return siphash(key, size, &gi->hash_key);
}

static bool vmport_entry_is(const struct vmport_entry *entry, u32 hash, const u8 *key, u32 size)
{
	return entry->hash == hash && entry->key_size == size &&
	       !memcmp(entry->data, key, size);
}

/* The link that points to the entry, or the one at the chain's end. */
static struct vmport_entry **vmport_guestinfo_find_link(struct vmport_guestinfo *gi, u32 hash,
							const u8 *key, u32 size)
{
	struct vmport_entry **link = &gi->buckets[hash % VMPORT_BUCKETS];
	struct vmport_entry *entry;

	while ((entry = *link)) {
		if (vmport_entry_is(entry, hash, key, size))
			break;
		link = &entry->next;
	}
	return link;
}

/* An empty store. */
void vmport_guestinfo_init(struct vmport_guestinfo *gi, struct vmport_events *events)
{
	mutex_init(&gi->lock);
	gi->events = events;
	get_random_bytes(&gi->hash_key, sizeof(gi->hash_key));
}

/*
 * Free all entries.
 * @gi: the store; nobody else uses it any more
 */
void vmport_guestinfo_destroy(struct vmport_guestinfo *gi)
{
	struct vmport_entry *entry, *next;
	unsigned int i;

	for (i = 0; gi->buckets && i < VMPORT_BUCKETS; i++) {
		for (entry = gi->buckets[i]; entry; entry = next) {
			next = entry->next;
			vmport_guestinfo_put(entry);
		}
	}
	vmport_gauge_add(gi->events, VMPORT_GAUGE_ENTRIES, -(s64)gi->count);
	vmport_gauge_add(gi->events, VMPORT_GAUGE_BYTES, -(s64)gi->bytes);
	kvfree(gi->buckets);
	mutex_destroy(&gi->lock);
}

/* Is this a key?  A space would end it in a request, a NUL in the VMM's list of names. */
bool vmport_guestinfo_key_ok(const u8 *key, u32 size)
{
	return size && size <= KVM_VMPORT_MAX_KEY &&
	       !memchr(key, ' ', size) && !memchr(key, '\0', size);
}

/*
 * Look an entry up.  Returns the entry, to be given back with vmport_guestinfo_put(), or
 * NULL.  May sleep.
 */
struct vmport_entry *vmport_guestinfo_get(struct vmport_guestinfo *gi,
					  const u8 *key, u32 size)
{
	struct vmport_entry *entry = NULL;
	u32 hash = vmport_key_hash(gi, key, size);

	mutex_lock(&gi->lock);
	if (gi->buckets)
		entry = *vmport_guestinfo_find_link(gi, hash, key, size);
	if (entry)
		refcount_inc(&entry->refs);
	mutex_unlock(&gi->lock);
	return entry;
}

/*
 * Give an entry back.
 * @entry: from vmport_guestinfo_get()
 *
 * May sleep.
 */
void vmport_guestinfo_put(struct vmport_entry *entry)
{
	if (refcount_dec_and_test(&entry->refs))
		kvfree(entry);
}

static int vmport_guestinfo_check_size(const struct kvm_vmport_limits *limits,
				       struct vmport_guestinfo_change *change)
{
	if (change->value_size <= limits->value_bytes)
		return 0;

	change->error = KVM_VMPORT_ERR_VALUE_SIZE;
	return -E2BIG;
}

/* What the guest may not set at all, or only wipes, is not too long: that comes later. */
static int vmport_guestinfo_check_change(const struct kvm_vmport_limits *limits,
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
	return change->by_guest ? 0 : vmport_guestinfo_check_size(limits, change);
}

/*
 * An entry that is in no store yet.
 * @key_size: bytes of its key
 * @value_size: bytes of its value
 *
 * Returns the entry, its data still to be filled in, for vmport_guestinfo_set_many() or
 * vmport_guestinfo_put(); NULL when there is no memory.  May sleep.
 */
struct vmport_entry *vmport_entry_alloc(u32 key_size, u32 value_size)
{
	struct vmport_entry *entry;

	entry = vmport_alloc_data(struct_size(entry, data, key_size + value_size));
	if (!entry)
		return NULL;

	refcount_set(&entry->refs, 1);
	entry->key_size = key_size;
	entry->value_size = value_size;
	return entry;
}

static struct vmport_entry *vmport_new_entry(const struct vmport_guestinfo_change *change)
{
	struct vmport_entry *entry = vmport_entry_alloc(change->key_size, change->value_size);

	if (entry) {
		memcpy(entry->data, change->key, change->key_size);
		memcpy(entry->data + change->key_size, change->value, change->value_size);
	}
	return entry;
}

static int vmport_guestinfo_alloc_buckets(struct vmport_guestinfo *gi)
{
	if (!gi->buckets)
		gi->buckets = kvcalloc(VMPORT_BUCKETS, sizeof(*gi->buckets), VMPORT_GFP);
	return gi->buckets ? 0 : -ENOMEM;
}

static bool vmport_guestinfo_is_delete(const struct vmport_guestinfo_change *change)
{
	return change->flags & KVM_VMPORT_GUESTINFO_DELETE;
}

/* All that can sleep or fail for one change alone. */
static int vmport_guestinfo_prepare_change(struct vmport_guestinfo *gi,
					   const struct kvm_vmport_limits *limits,
					   struct vmport_guestinfo_change *change)
{
	int r;

	if (!vmport_guestinfo_is_delete(change)) {
		r = vmport_guestinfo_check_change(limits, change);
		if (r)
			return r;
	}

	change->hash = vmport_key_hash(gi, change->key, change->key_size);
	if (vmport_guestinfo_is_delete(change))
		return 0;

	if (!change->entry)
		change->entry = vmport_new_entry(change);
	if (!change->entry)
		return -ENOMEM;

	change->entry->hash = change->hash;
	change->entry->flags = change->flags;
	return 0;
}

/* What the guest sends to wipe an entry counts for nothing, and is not kept. */
static int vmport_guestinfo_drop_value(struct vmport_guestinfo_change *change)
{
	struct vmport_entry *empty = vmport_entry_alloc(change->key_size, 0);

	if (!empty)
		return -ENOMEM;

	memcpy(empty->data, change->key, change->key_size);
	empty->hash = change->hash;
	vmport_guestinfo_put(change->entry);
	change->entry = empty;
	change->value_size = 0;
	return 0;
}

/* May the guest change @old?  The new entry becomes what the flags of @old make of it. */
static int vmport_guestinfo_check_guest(const struct vmport_entry *old,
					struct vmport_guestinfo_change *change)
{
	int r = 0;

	if (!vmport_entry_is_visible(old, change->is_privileged))
		return -EPERM;
	if (old->flags & KVM_VMPORT_GUESTINFO_WIPEABLE)
		r = vmport_guestinfo_drop_value(change);
	else if (old->flags & KVM_VMPORT_GUESTINFO_READONLY)
		r = -EPERM;

	if (!r)
		change->entry->flags = old->flags;
	return r;
}

static void vmport_guestinfo_set_totals(struct vmport_guestinfo *gi, const struct totals *totals)
{
	vmport_gauge_add(gi->events, VMPORT_GAUGE_ENTRIES, (s64)totals->count - gi->count);
	vmport_gauge_add(gi->events, VMPORT_GAUGE_BYTES, (s64)totals->bytes - gi->bytes);
	gi->count = totals->count;
	gi->bytes = totals->bytes;
}

/* May change @n be, and what would the store hold then?  gi->lock is held. */
static int vmport_guestinfo_check_one(struct vmport_guestinfo *gi,
				      const struct kvm_vmport_limits *limits,
				      struct vmport_guestinfo_change *changes, u32 n,
				      struct totals *totals)
{
	struct vmport_guestinfo_change *change = &changes[n], *other;
	struct vmport_entry *old = NULL;
	int r;

	for (other = changes; other < change; other++) {
		if (other->hash == change->hash && other->key_size == change->key_size &&
		    !memcmp(other->key, change->key, change->key_size)) {
			change->error = KVM_VMPORT_ERR_ORDER;
			return -EINVAL;
		}
	}

	if (gi->buckets)
		old = *vmport_guestinfo_find_link(gi, change->hash, change->key, change->key_size);
	if (!old && vmport_guestinfo_is_delete(change))
		return -ENOENT;
	if (change->by_guest) {
		r = old ? vmport_guestinfo_check_guest(old, change) : 0;
		if (!r)
			r = vmport_guestinfo_check_size(limits, change);
		if (r)
			return r;
	}

	if (old) {
		totals->count--;
		totals->bytes -= old->key_size + old->value_size;
	}
	if (!vmport_guestinfo_is_delete(change)) {
		totals->count++;
		totals->bytes += change->key_size + change->value_size;
	}
	return 0;
}

/* May all be together?  Past a lowered limit, what does not add is still welcome. */
static int vmport_guestinfo_check_and_count(struct vmport_guestinfo *gi,
					    const struct kvm_vmport_limits *limits,
					    struct vmport_guestinfo_change *changes, u32 count,
					    u32 *failed)
{
	struct totals totals = { .count = gi->count, .bytes = gi->bytes };
	int r;

	for (*failed = 0; *failed < count; ++*failed) {
		r = vmport_guestinfo_check_one(gi, limits, changes, *failed, &totals);
		if (r)
			return r;
	}
	if (totals.count > gi->count && totals.count > limits->keys) {
		changes[0].error = KVM_VMPORT_ERR_KEY_COUNT;
		return -E2BIG;
	}
	if (totals.bytes > gi->bytes && totals.bytes > limits->guestinfo_bytes) {
		changes[0].error = KVM_VMPORT_ERR_GUESTINFO_SIZE;
		return -E2BIG;
	}

	vmport_guestinfo_set_totals(gi, &totals);
	return 0;
}

/* Put the new entry in the old one's place, or nothing. */
static void vmport_guestinfo_replace_entry(struct vmport_guestinfo *gi,
					   struct vmport_guestinfo_change *change)
{
	struct vmport_entry *old, *entry = change->entry, **link;

	link = vmport_guestinfo_find_link(gi, change->hash, change->key, change->key_size);
	old = *link;
	if (entry) {
		if (entry->flags & KVM_VMPORT_GUESTINFO_PRIVILEGED)
			WRITE_ONCE(gi->has_privileged, true);
		/* Those of a state that is loaded get theirs when it is activated, if ever. */
		entry->change = change->is_loaded ? 0 : atomic64_inc_return(&gi->events->changes);
		entry->next = old ? old->next : NULL;
		*link = entry;
	} else if (old) {
		*link = old->next;
	}
	change->entry = old;
	/* A state that is loaded tells of itself. */
	if (!change->is_loaded)
		trace_kvm_vmport_guestinfo(change, entry ? entry->change : 0, 0);
}

/*
 * Change several entries in one step.
 * @limits: of the VM; not looked at where entries are only deleted
 * @changes: what to set and delete; @error of the one that failed says why, that of the
 *	first when it is about all of them together
 * @count: how many, 1 or more
 * @failed: out, on an error: which one; @count when it is about all together
 *
 * A reader sees none of the changes or all.
 *
 * Returns 0; -EINVAL malformed key or the same one twice; -E2BIG past a limit; -EPERM the
 * guest may not change this entry; -ENOENT none to delete; -ENOMEM.  Nothing has changed
 * on an error.  May sleep.
 */
int vmport_guestinfo_set_many(struct vmport_guestinfo *gi,
			      const struct kvm_vmport_limits *limits,
			      struct vmport_guestinfo_change *changes, u32 count,
			      u32 *failed)
{
	bool adds = false;
	int r = 0;
	u32 i;

	for (*failed = 0; *failed < count; ++*failed) {
		r = vmport_guestinfo_prepare_change(gi, limits, &changes[*failed]);
		if (r)
			goto out;
		adds |= !vmport_guestinfo_is_delete(&changes[*failed]);
	}

	mutex_lock(&gi->lock);
	if (adds)
		r = vmport_guestinfo_alloc_buckets(gi);
	if (!r)
		r = vmport_guestinfo_check_and_count(gi, limits, changes, count, failed);
	for (i = 0; i < count && !r; i++)
		vmport_guestinfo_replace_entry(gi, &changes[i]);
	mutex_unlock(&gi->lock);
out:
	if (r)
		trace_kvm_vmport_guestinfo(&changes[*failed < count ? *failed : 0], 0, r);
	/* What is left over is what came out of the store, or did not go in. */
	for (i = 0; i < count; i++) {
		if (changes[i].entry)
			vmport_guestinfo_put(changes[i].entry);
		changes[i].entry = NULL;
	}
	return r;
}

/*
 * Add or replace an entry.
 * @change: what to set; @change->error says why it failed
 *
 * Returns as of vmport_guestinfo_set_many().  May sleep.
 */
int vmport_guestinfo_set(struct vmport_guestinfo *gi,
			 const struct kvm_vmport_limits *limits,
			 struct vmport_guestinfo_change *change)
{
	u32 failed;

	return vmport_guestinfo_set_many(gi, limits, change, 1, &failed);
}

/* Remove an entry.  Returns 0, or -ENOENT when there is none.  May sleep. */
int vmport_guestinfo_delete(struct vmport_guestinfo *gi, const u8 *key, u32 size)
{
	struct vmport_guestinfo_change change = {
		.key = key,
		.key_size = size,
		.flags = KVM_VMPORT_GUESTINFO_DELETE,
	};

	return vmport_guestinfo_set(gi, NULL, &change);
}

/*
 * All entries count as set now.
 * @gi: the store; nobody else uses it yet
 */
void vmport_guestinfo_set_all(struct vmport_guestinfo *gi)
{
	struct vmport_entry *entry;
	unsigned int i;
	u64 change;

	if (!gi->count)
		return;

	change = atomic64_inc_return(&gi->events->changes);
	for (i = 0; i < VMPORT_BUCKETS; i++) {
		for (entry = gi->buckets[i]; entry; entry = entry->next)
			entry->change = change;
	}
}

static int vmport_guestinfo_compare_keys(const void *a, const void *b)
{
	const struct vmport_entry *x = *(const struct vmport_entry * const *)a;
	const struct vmport_entry *y = *(const struct vmport_entry * const *)b;
	int r = memcmp(x->data, y->data, min(x->key_size, y->key_size));

	return r ?: (int)x->key_size - (int)y->key_size;
}

static int vmport_guestinfo_compare_changes(const void *a, const void *b)
{
	const struct vmport_entry *x = *(const struct vmport_entry * const *)a;
	const struct vmport_entry *y = *(const struct vmport_entry * const *)b;

	if (x->change != y->change)
		return x->change < y->change ? -1 : 1;
	/* Loaded together. */
	return vmport_guestinfo_compare_keys(a, b);
}

/*
 * All entries in the order of their keys or changes.
 * @gi: the store; its lock is held, and as long as the entries are used
 * @by_change: oldest change first, rather than byte order of the keys
 *
 * Returns an array of @gi->count entries to be freed with kvfree(), NULL when there are
 * none, or ERR_PTR(-ENOMEM).  May sleep.
 */
struct vmport_entry **vmport_guestinfo_sort(struct vmport_guestinfo *gi, bool by_change)
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
		for (entry = gi->buckets[i]; entry; entry = entry->next)
			sorted[n++] = entry;
	}
	sort(sorted, n, sizeof(*sorted),
	     by_change ? vmport_guestinfo_compare_changes : vmport_guestinfo_compare_keys, NULL);
	return sorted;
}
