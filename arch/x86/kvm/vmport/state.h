/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_STATE_H
#define _VMPORT_STATE_H

#include <linux/mutex.h>
#include <linux/types.h>

#include <uapi/linux/kvm_vmport.h>

#include "call.h"
#include "channel.h"
#include "events.h"
#include "guestinfo.h"
#include "steal.h"
#include "tclo.h"

/**
 * struct vmport_state - all that a migration carries
 * @open_lock: serialises OPEN
 * @channels: by id; made when first used, never taken out
 * @guestinfo: the store
 * @tclo: requests of the VMM
 * @steals: struct vmport_steal by the number of the vCPU; made when first used, never
 *	taken out
 * @events: what the VMM hears of, of the VM's life
 * @last_ask: largest number of a message that asked when the state was loaded
 *
 * Lock order: @open_lock, a channel's owner_lock, then the locks of @guestinfo
 * or @tclo.
 */
struct vmport_state {
	struct mutex open_lock;		/* OPEN */
	struct vmport_channel *channels[KVM_VMPORT_MAX_CHANNELS];
	struct vmport_guestinfo guestinfo;
	struct vmport_tclo tclo;
	struct xarray steals;
	struct vmport_events *events;
	u64 last_ask;
};

/* The channel with this id, NULL when it has never been open. */
static inline struct vmport_channel *vmport_channel_at(struct vmport_state *state, u16 id)
{
	/* Pairs with the store in make_channel(). */
	return smp_load_acquire(&state->channels[id]);
}

/* Records of a blob stand at multiples of this. */
#define VMPORT_BLOB_ALIGN	8

struct vmport_packer;
struct vmport_unpacker;

/**
 * struct vmport_section - a type of section of the blob
 * @type: KVM_VMPORT_SECTION_*, in ascending order
 * @feature: KVM_VMPORT_FEATURE_* that it needs
 * @is_critical: whoever does not know it cannot load the blob.  What is wrong in one
 *	that is not critical is left out
 * @is_many: there may be more than one; of one that is not critical always
 * @pack: write the sections of this type, none where there is nothing to say; 0 or
 *	-ENOMEM
 * @unpack: read one, of that many bytes; 0 or an error
 */
struct vmport_section {
	u32 type;
	u64 feature;
	bool is_critical;
	bool is_many;
	int (*pack)(struct vmport_packer *p, const struct vmport_section *section,
		    struct vmport_state *state);
	int (*unpack)(struct vmport_unpacker *u, u64 size);
};

#define VMPORT_SECTIONS	6

/* All that are known, in the order in which they stand. */
extern const struct vmport_section vmport_sections[VMPORT_SECTIONS];

/* Takes the next bytes of a blob; 0 or a negative errno. */
struct vmport_sink {
	int (*write)(struct vmport_sink *sink, const void *data, size_t size);
};

/* Has the next bytes of a blob; 0 or a negative errno. */
struct vmport_source {
	int (*read)(struct vmport_source *source, void *to, size_t size);
};

/* An entry whose key and value come in the blob behind the first @copied bytes. */
struct vmport_piece {
	struct vmport_entry *entry;
	size_t copied;
};

/**
 * struct vmport_packed - a blob in pieces
 * @size: bytes of it all
 * @lacking: with -EOPNOTSUPP: which sections the state cannot do without, a bit for
 *	each type
 * @buffer: what is not in the pieces
 * @room: bytes at @buffer
 * @copied: bytes used of them
 * @pieces: entries that are used in the place where they are
 * @count: how many
 */
struct vmport_packed {
	u64 size;
	u64 lacking;
	u8 *buffer;
	size_t room;
	size_t copied;
	struct vmport_piece *pieces;
	u32 count;
};

/**
 * struct vmport_blob_form - what a blob is to be
 * @max: bytes at most
 * @features: KVM_VMPORT_FEATURE_* that the guest was promised
 * @sections: types that its reader knows, a bit for each
 */
struct vmport_blob_form {
	u64 max;
	u64 features;
	u64 sections;
};

/* Where and why a blob was refused. */
struct vmport_blob_error {
	u32 error;
	u64 offset;		/* bytes from the blob's start */
	u64 features;		/* with KVM_VMPORT_ERR_FEATURE: those that are missing */
};

int vmport_pack_channels(struct vmport_packer *p, const struct vmport_section *section,
			 struct vmport_state *state);
int vmport_pack_tclo(struct vmport_packer *p, const struct vmport_section *section,
		     struct vmport_state *state);
int vmport_pack_guestinfo(struct vmport_packer *p, const struct vmport_section *section,
			  struct vmport_state *state);
int vmport_pack_order(struct vmport_packer *p, const struct vmport_section *section,
		      struct vmport_state *state);
int vmport_pack_names(struct vmport_packer *p, const struct vmport_section *section,
		      struct vmport_state *state);
int vmport_pack_stealclock(struct vmport_packer *p, const struct vmport_section *section,
			   struct vmport_state *state);
int vmport_unpack_channel(struct vmport_unpacker *u, u64 size);
int vmport_unpack_tclo(struct vmport_unpacker *u, u64 size);
int vmport_unpack_guestinfo(struct vmport_unpacker *u, u64 size);
int vmport_unpack_order(struct vmport_unpacker *u, u64 size);
int vmport_unpack_names(struct vmport_unpacker *u, u64 size);
int vmport_unpack_stealclock(struct vmport_unpacker *u, u64 size);

u64 vmport_state_sections(void);
u32 vmport_state_requests(struct vmport_state *state, struct kvm_vmport_tclo_item *items);
int vmport_state_cancel(struct vmport_state *state, u64 id, u32 *status);
struct vmport_state *vmport_state_alloc(struct vmport_events *events);
void vmport_state_free(struct vmport_state *state);
int vmport_state_pack(struct vmport_state *state, const struct vmport_blob_form *form,
		      struct vmport_packed *packed);
int vmport_packed_write(const struct vmport_packed *packed, struct vmport_sink *sink);
void vmport_packed_free(struct vmport_packed *packed);
struct vmport_state *vmport_state_unpack(const struct vmport_config *config,
					 struct vmport_events *events,
					 struct vmport_source *source, size_t size,
					 struct vmport_blob_error *why);
void vmport_state_activate(struct vmport_state *state);

#endif /* _VMPORT_STATE_H */
