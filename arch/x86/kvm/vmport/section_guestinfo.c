// SPDX-License-Identifier: GPL-2.0-only
/* The section GUESTINFO of a blob. */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "guestinfo.h"
#include "packer.h"
#include "section.h"
#include "unpacker.h"

/* From this size on a reference to an entry is cheaper than a copy, in bytes. */
#define MIN_REFERENCED	1024

/* Values are most of a blob.  Large ones stay where they are. */
static bool vmport_is_referenced(const struct vmport_entry *entry)
{
	return entry->value_size >= MIN_REFERENCED;
}

static void vmport_refer_to_entry(struct vmport_packer *p, struct vmport_entry *entry)
{
	struct vmport_packed *packed = p->packed;

	p->referenced += entry->key_size + entry->value_size;
	if (!packed->pieces)
		return;

	refcount_inc(&entry->refs);
	packed->pieces[packed->count++] = (struct vmport_piece) {
		.entry = entry,
		.copied = p->copied,
	};
}

static void vmport_pack_entry(struct vmport_packer *p, struct vmport_entry *entry)
{
	struct kvm_vmport_blob_guestinfo packed = {
		.value_size = cpu_to_le32(entry->value_size),
		.key_size = cpu_to_le16(entry->key_size),
		.flags = cpu_to_le16(entry->flags),
	};

	vmport_pack_bytes(p, &packed, sizeof(packed));
	if (vmport_is_referenced(entry))
		vmport_refer_to_entry(p, entry);
	else
		vmport_pack_bytes(p, entry->data, entry->key_size + entry->value_size);
	vmport_pack_padding(p);
}

/* Room for as many references as there will be; none while only measuring. */
static int vmport_alloc_pieces(struct vmport_packed *packed, struct vmport_entry **entries,
			       u32 count)
{
	u32 i, referenced = 0;

	for (i = 0; i < count; i++)
		referenced += vmport_is_referenced(entries[i]);
	if (!packed->buffer || !referenced)
		return 0;

	packed->pieces = kvmalloc_array(referenced, sizeof(*packed->pieces), VMPORT_GFP);
	return packed->pieces ? 0 : -ENOMEM;
}

int vmport_pack_guestinfo(struct vmport_packer *p, const struct vmport_section *section,
			  struct vmport_state *state)
{
	struct vmport_guestinfo *gi = &state->guestinfo;
	struct vmport_entry **sorted;
	struct vmport_place place;
	unsigned int i;
	int r;

	mutex_lock(&gi->lock);
	sorted = vmport_guestinfo_sort(gi, false);
	if (IS_ERR_OR_NULL(sorted)) {
		r = PTR_ERR(sorted);
		goto out;
	}
	r = vmport_alloc_pieces(p->packed, sorted, gi->count);
	if (r)
		goto free;

	place = vmport_pack_begin(p);
	for (i = 0; i < gi->count; i++)
		vmport_pack_entry(p, sorted[i]);
	vmport_pack_end(p, &place, section);
free:
	kvfree(sorted);
out:
	mutex_unlock(&gi->lock);
	return r;
}

static bool vmport_key_is_after(const struct vmport_entry *entry, const struct vmport_entry *last)
{
	int r = memcmp(last->data, entry->data, min(entry->key_size, last->key_size));

	return r < 0 || (!r && last->key_size < entry->key_size);
}

/* What has to be so before there is memory for it; the store checks the rest. */
static int vmport_check_entry(struct vmport_unpacker *u, size_t pos,
			      const struct kvm_vmport_blob_guestinfo *packed)
{
	u32 key_size = le16_to_cpu(packed->key_size);
	u32 value_size = le32_to_cpu(packed->value_size);

	if (!vmport_guestinfo_flags_ok(le16_to_cpu(packed->flags)))
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, flags),
					KVM_VMPORT_ERR_FLAGS);
	if ((u64)key_size + value_size > u->end - u->pos)
		return vmport_malformed(u, pos, KVM_VMPORT_ERR_SECTION);
	if (key_size > KVM_VMPORT_MAX_KEY)
		return vmport_too_big(u, pos, KVM_VMPORT_ERR_KEY_SIZE);
	if (value_size > KVM_VMPORT_MAX_VALUE)
		return vmport_too_big(u, pos, KVM_VMPORT_ERR_VALUE_SIZE);
	return 0;
}

/* One entry, whose key is after that of @last; which one it was is in @last then. */
static int vmport_unpack_entry(struct vmport_unpacker *u, const struct vmport_entry **last)
{
	struct kvm_vmport_blob_guestinfo packed;
	struct vmport_guestinfo_change change = { };
	struct vmport_entry *entry;
	size_t pos = u->pos;
	int r;

	r = vmport_unpack_record(u, &packed, sizeof(packed));
	if (!r)
		r = vmport_check_entry(u, pos, &packed);
	if (r)
		return r;

	entry = vmport_entry_alloc(le16_to_cpu(packed.key_size), le32_to_cpu(packed.value_size));
	if (!entry)
		return -ENOMEM;
	r = vmport_unpack_bytes(u, pos, entry->data, entry->key_size + entry->value_size);
	if (!r && *last && !vmport_key_is_after(entry, *last))
		r = vmport_malformed(u, pos + sizeof(packed), KVM_VMPORT_ERR_ORDER);
	if (r) {
		vmport_guestinfo_put(entry);
		return r;
	}

	/* Whatever comes of it, the entry is the store's from here on. */
	change.is_loaded = true;
	change.entry = entry;
	change.key = entry->data;
	change.key_size = entry->key_size;
	change.value_size = entry->value_size;
	change.flags = le16_to_cpu(packed.flags);
	*last = entry;
	/* Limits of a VM stop what is new. */
	r = vmport_guestinfo_set(&u->state->guestinfo, &vmport_max_limits, &change);
	if (r && r != -ENOMEM)
		return vmport_refuse_at(u, pos, r, change.error);
	return r ?: vmport_unpack_padding(u);
}

int vmport_unpack_guestinfo(struct vmport_unpacker *u, u64 size)
{
	const struct vmport_entry *last = NULL;
	int r;

	do {
		r = vmport_unpack_entry(u, &last);
	} while (!r && u->pos < u->end);

	return r;
}
