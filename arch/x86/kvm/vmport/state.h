/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_STATE_H
#define _VMPORT_STATE_H

#include <linux/mutex.h>
#include <linux/types.h>

#include "call.h"
#include "channel.h"
#include "events.h"
#include "guestinfo.h"
#include "tclo.h"

/**
 * struct vmport_state - all that a migration carries
 * @open_lock: serialises OPEN
 * @channels: by id; made when first used, never taken out
 * @guestinfo: the store
 * @tclo: requests of the VMM
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
	struct vmport_events *events;
	u64 last_ask;
};

/* The channel with this id, NULL when it has never been open. */
static inline struct vmport_channel *vmport_channel_at(struct vmport_state *state, u16 id)
{
	/* Pairs with the store in find_channel_to_open(). */
	return smp_load_acquire(&state->channels[id]);
}

/* Where and why a blob was refused. */
struct vmport_blob_error {
	enum kvm_vmport_error error;
	u64 offset;		/* bytes from the blob's start */
};

struct vmport_state *vmport_state_alloc(struct vmport_events *events);
void vmport_state_free(struct vmport_state *state);
int vmport_state_pack(struct vmport_state *state, void *blob, size_t size, size_t *needed);
struct vmport_state *vmport_state_unpack(const struct vmport_config *config,
					 struct vmport_events *events,
					 const void *blob, size_t size,
					 struct vmport_blob_error *why);
void vmport_state_activate(struct vmport_state *state);

#endif /* _VMPORT_STATE_H */
