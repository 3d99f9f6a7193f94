/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_CHANNELS_H
#define _VMPORT_CHANNELS_H

#include <linux/types.h>

#include "call.h"
#include "channel.h"
#include "state.h"

/* The channel with this id, NULL when it has never been open. */
static inline struct vmport_channel *vmport_channel_at(struct vmport_state *state, u16 id)
{
	/* Pairs with the store in make_channel(). */
	return smp_load_acquire(&state->channels[id]);
}

/* Channel @id when it is open; else NULL.  The caller owns all of them. */
static inline struct vmport_channel *vmport_channel_open(const struct vmport_state *state, u16 id)
{
	struct vmport_channel *channel = state->channels[id];

	return channel && channel->activity != VMPORT_CLOSED ? channel : NULL;
}

/* Is it open, and does the caller show its cookie?  The caller owns it. */
static inline bool vmport_channel_may_use(const struct vmport_call *call,
					  const struct vmport_channel *channel)
{
	return channel->activity != VMPORT_CLOSED &&
	       (!channel->has_cookie || (call->regs.si == channel->cookie_high &&
					 call->regs.di == channel->cookie_low));
}

struct vmport_channel *vmport_channels_own_to_open(struct vmport_call *call, u16 *id);
struct vmport_channel *vmport_channels_find(const struct vmport_call *call);
struct vmport_channel *vmport_channels_get(const struct vmport_call *call);
void vmport_channels_own(struct vmport_state *state);
void vmport_channels_disown(struct vmport_state *state);
void vmport_channels_reset(struct vmport_state *state);
u32 vmport_channels_tclo(struct vmport_state *state);

#endif /* _VMPORT_CHANNELS_H */
