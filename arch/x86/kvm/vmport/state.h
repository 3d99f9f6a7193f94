/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_STATE_H
#define _VMPORT_STATE_H

#include <linux/limits.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include "abi.h"
#include "channel.h"
#include "events.h"
#include "guestinfo.h"
#include "tclo.h"

/*
 * All that a migration carries.
 *
 * @open_lock: serialises OPEN
 * @channels: by id; made when first used, never taken out
 * @guestinfo: the store
 * @tclo: requests of the VMM
 * @steals: struct vmport_steal by the number of the vCPU; made when first used, never
 *	taken out
 * @events: what the VMM hears of, of the VM's life
 *
 * Lock order: @open_lock, a channel's owner_lock, then the locks of @guestinfo or @tclo.
 */
struct vmport_state {
	struct mutex open_lock;		/* OPEN */
	struct vmport_channel *channels[KVM_VMPORT_MAX_CHANNELS];
	struct vmport_guestinfo guestinfo;
	struct vmport_tclo tclo;
	struct xarray steals;
	struct vmport_events *events;
};

/* No VM counts that far: a blob that says so must not take all numbers that are left. */
static inline u64 vmport_counted_number(u64 number)
{
	return number <= S64_MAX / 2 ? number : 0;
}

struct vmport_state *vmport_state_alloc(struct vmport_events *events);
void vmport_state_free(struct vmport_state *state);
void vmport_state_activate(struct vmport_state *state);

#endif /* _VMPORT_STATE_H */
