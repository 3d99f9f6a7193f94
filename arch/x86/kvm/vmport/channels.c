// SPDX-License-Identifier: GPL-2.0-only
/*
 * The channels of a VM.
 */
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/nospec.h>

#include "channels.h"

/* Who uses a channel does so at least once a second. */
static bool vmport_channel_is_in_use(const struct vmport_channel *channel)
{
	u64 now = vmport_now();

	return channel->used + (u64)HZ * VMPORT_STEPS > now;
}

static struct vmport_channel *vmport_make_channel(struct vmport_state *state, u16 id)
{
	struct vmport_channel *channel = vmport_channel_alloc();

	/* Pairs with the load in vmport_channel_at(). */
	smp_store_release(&state->channels[id], channel);
	return channel;
}

/*
 * Find a channel to open, and own it.
 * @call: configuration and state, whose open_lock is held
 * @id: out: the channel's
 *
 * A closed one, or when as many are open as there may be the one used least recently.
 *
 * Returns the channel, owned by the caller from now on; NULL when there may be none, that
 * one is in use, or there is no memory.  May sleep.
 */
struct vmport_channel *vmport_channels_own_to_open(struct vmport_call *call, u16 *id)
{
	u32 limit = min_t(u32, call->config->limits.channels, KVM_VMPORT_MAX_CHANNELS);
	struct vmport_channel *channel, *closed = NULL, *oldest = NULL;
	struct vmport_state *state = call->state;
	u16 closed_id = 0, oldest_id = 0;
	u64 used, least = 0;
	u32 open = 0;
	int i;

	lockdep_assert_held(&state->open_lock);

	for (i = KVM_VMPORT_MAX_CHANNELS - 1; i >= 0; i--) {
		channel = state->channels[i];
		if (!channel || !vmport_channel_is_open(channel)) {
			closed = channel;
			closed_id = i;
			continue;
		}
		open++;
		used = READ_ONCE(channel->used);
		if (!oldest || used <= least) {
			oldest = channel;
			oldest_id = i;
			least = used;
		}
	}
	if (open < limit) {
		*id = closed_id;
		channel = closed ?: vmport_make_channel(state, closed_id);
	} else {
		*id = oldest_id;
		channel = limit ? oldest : NULL;
	}
	if (!channel)
		return NULL;

	vmport_channel_own(channel);
	/* Another vCPU may have closed it meanwhile, or used it. */
	if (channel->activity == VMPORT_CLOSED || !vmport_channel_is_in_use(channel))
		return channel;
	vmport_channel_disown(channel);
	return NULL;
}

/*
 * The channel that a call names.
 * @call: its id in EDX bits 16..31
 *
 * Returns the channel, which may be closed; NULL when it has never been open.  In any
 * context.
 */
struct vmport_channel *vmport_channels_find(const struct vmport_call *call)
{
	u32 id = call->regs.dx >> 16;

	if (id >= KVM_VMPORT_MAX_CHANNELS)
		return NULL;

	return vmport_channel_at(call->state, array_index_nospec(id, KVM_VMPORT_MAX_CHANNELS));
}

/*
 * Own the channel that a call names.
 * @call: its id in EDX bits 16..31, its cookie in ESI and EDI
 *
 * Returns the open channel, for vmport_channel_disown() in the end; NULL when there is
 * none or the cookie is wrong.  May sleep.
 */
struct vmport_channel *vmport_channels_get(const struct vmport_call *call)
{
	struct vmport_channel *channel = vmport_channels_find(call);

	if (!channel)
		return NULL;

	vmport_channel_own(channel);
	if (vmport_channel_may_use(call, channel))
		return channel;

	vmport_channel_disown(channel);
	return NULL;
}

/*
 * Become the owner of all channels.
 * @state: vCPUs may be using it
 *
 * Nothing moves then between channels, queue and results, but for what the VMM does.
 *
 * May sleep; for vmport_channels_disown().
 */
void vmport_channels_own(struct vmport_state *state)
{
	u16 id;

	mutex_lock(&state->open_lock);
	for (id = 0; id < KVM_VMPORT_MAX_CHANNELS; id++) {
		if (state->channels[id])
			vmport_channel_own_nested(state->channels[id], &state->open_lock);
	}
}

void vmport_channels_disown(struct vmport_state *state)
{
	u16 id;

	for (id = 0; id < KVM_VMPORT_MAX_CHANNELS; id++) {
		if (state->channels[id])
			vmport_channel_disown(state->channels[id]);
	}
	mutex_unlock(&state->open_lock);
}

/*
 * Close all channels, as the guest's CLOSE does.
 * @state: vCPUs may be using it; what they open meanwhile may stay
 *
 * May sleep.
 */
void vmport_channels_reset(struct vmport_state *state)
{
	struct vmport_channel *channel;
	u16 id;

	for (id = 0; id < KVM_VMPORT_MAX_CHANNELS; id++) {
		channel = vmport_channel_at(state, id);
		if (!channel)
			continue;
		vmport_channel_own(channel);
		if (channel->activity != VMPORT_CLOSED)
			vmport_channel_close(&state->tclo, channel);
		vmport_channel_disown(channel);
	}
}

/*
 * How many TCLO channels are open.
 * @state: vCPUs may be using it
 *
 * May sleep.
 */
u32 vmport_channels_tclo(struct vmport_state *state)
{
	struct vmport_channel *channel;
	u32 count = 0;
	u16 id;

	for (id = 0; id < KVM_VMPORT_MAX_CHANNELS; id++) {
		channel = vmport_channel_at(state, id);
		if (!channel)
			continue;
		vmport_channel_own(channel);
		count += channel->activity != VMPORT_CLOSED &&
			 channel->protocol == VMPORT_PROTOCOL_TCLO;
		vmport_channel_disown(channel);
	}
	return count;
}
