/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_GUESTINFO_H
#define _VMPORT_GUESTINFO_H

#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/siphash.h>
#include <linux/types.h>

#include "abi.h"
#include "events.h"

/*
 * One entry.  Once in the store only @next changes, under the store's lock; whoever has a
 * reference may read the rest.  It is freed with the last reference, at once: what a
 * guest replaces must not pile up.
 */
struct vmport_entry {
	struct vmport_entry *next;
	refcount_t refs;
	u32 hash;
	u64 change;		/* number of the change that set it */
	u32 flags;		/* KVM_VMPORT_GUESTINFO_*, not DELETE */
	u32 key_size;		/* bytes */
	u32 value_size;		/* bytes */
	u8 data[];		/* key, then value */
};

/*
 * The key-value store of a VM.
 *
 * @lock: of everything here; not held while values are copied
 * @events: where changes are numbered
 * @buckets: hash table, allocated with the first entry
 * @hash_key: random, so that a guest cannot choose keys that collide
 * @count: entries
 * @bytes: of all keys and values
 * @has_privileged: something here, or in a channel, is or was for privileged callers only;
 *	read without @lock
 */
struct vmport_guestinfo {
	struct mutex lock;		/* all below but @events */
	struct vmport_events *events;
	struct vmport_entry **buckets;
	siphash_key_t hash_key;
	u32 count;
	u32 bytes;
	bool has_privileged;
};

/* A change of one entry, by guest, VMM or state blob. */
struct vmport_guestinfo_change {
	const u8 *key;
	const u8 *value;
	u32 key_size;		/* bytes */
	u32 value_size;		/* bytes */
	u32 flags;		/* KVM_VMPORT_GUESTINFO_*; of the guest's none */
	bool by_guest;		/* the flags of the old entry count, and stay */
	bool is_privileged;	/* by_guest: as of struct vmport_call */
	bool is_loaded;		/* it comes from a state blob */
	u32 error;		/* out, with -E2BIG and -EINVAL */

	/*
	 * To go in: NULL, or one that the caller has filled with key and value, which
	 * is the store's from then on.  Then what came out.
	 */
	struct vmport_entry *entry;

	/* The store's own. */
	u32 hash;
};

/* Can an entry have these? */
static inline bool vmport_guestinfo_flags_ok(u32 flags)
{
	if (flags & ~(KVM_VMPORT_GUESTINFO_READONLY | KVM_VMPORT_GUESTINFO_PRIVILEGED |
		      KVM_VMPORT_GUESTINFO_WIPEABLE))
		return false;

	return !(flags & KVM_VMPORT_GUESTINFO_WIPEABLE) ||
	       (flags & KVM_VMPORT_GUESTINFO_READONLY);
}

/* May a caller know of the entry? */
static inline bool vmport_entry_is_visible(const struct vmport_entry *entry, bool is_privileged)
{
	return is_privileged || !(entry->flags & KVM_VMPORT_GUESTINFO_PRIVILEGED);
}

static inline const u8 *vmport_entry_value(const struct vmport_entry *entry)
{
	return entry->data + entry->key_size;
}

void vmport_guestinfo_init(struct vmport_guestinfo *gi, struct vmport_events *events);
void vmport_guestinfo_destroy(struct vmport_guestinfo *gi);
bool vmport_guestinfo_key_ok(const u8 *key, u32 size);
struct vmport_entry *vmport_guestinfo_get(struct vmport_guestinfo *gi,
					  const u8 *key, u32 size);
void vmport_guestinfo_put(struct vmport_entry *entry);
struct vmport_entry *vmport_entry_alloc(u32 key_size, u32 value_size);
int vmport_guestinfo_set(struct vmport_guestinfo *gi,
			 const struct kvm_vmport_limits *limits,
			 struct vmport_guestinfo_change *change);
int vmport_guestinfo_set_many(struct vmport_guestinfo *gi,
			      const struct kvm_vmport_limits *limits,
			      struct vmport_guestinfo_change *changes, u32 count,
			      u32 *failed);
int vmport_guestinfo_delete(struct vmport_guestinfo *gi, const u8 *key, u32 size);
void vmport_guestinfo_set_all(struct vmport_guestinfo *gi);
struct vmport_entry **vmport_guestinfo_sort(struct vmport_guestinfo *gi, bool by_change);

#endif /* _VMPORT_GUESTINFO_H */
