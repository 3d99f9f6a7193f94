// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state of a VM's channels, guestinfo, requests and steal clocks.
 */
#include <linux/kernel.h>
#include <linux/slab.h>

#include "alloc.h"
#include "channel.h"
#include "count.h"
#include "state.h"
#include "steal.h"

/*
 * The state of a VM that has just started.
 * @events: of the VM; stays for longer than the state
 *
 * Returns the state, NULL when there is no memory.  May sleep.
 */
struct vmport_state *vmport_state_alloc(struct vmport_events *events)
{
	struct vmport_state *state = kzalloc(sizeof(*state), VMPORT_GFP);

	if (state) {
		mutex_init(&state->open_lock);
		vmport_guestinfo_init(&state->guestinfo, events);
		vmport_tclo_init(&state->tclo, events);
		vmport_steal_init(&state->steals);
		state->events = events;
	}
	return state;
}

/*
 * Free a state and all that it holds.
 * @state: nobody else uses it any more; may be NULL
 *
 * May sleep.
 */
void vmport_state_free(struct vmport_state *state)
{
	unsigned int i;

	if (!state)
		return;

	for (i = 0; i < ARRAY_SIZE(state->channels); i++) {
		if (!state->channels[i])
			continue;
		if (vmport_channel_is_open(state->channels[i]))
			vmport_gauge_add(state->events, VMPORT_GAUGE_CHANNELS, -1);
		vmport_channel_free(state->channels[i]);
	}
	vmport_guestinfo_destroy(&state->guestinfo);
	vmport_tclo_destroy(&state->tclo);
	vmport_steal_destroy(&state->steals);
	mutex_destroy(&state->open_lock);
	kfree(state);
}

/* Of the messages that have no number yet, the one that was saved with the smallest. */
static struct vmport_channel *vmport_state_next_ask(struct vmport_state *state)
{
	struct vmport_channel *channel, *next = NULL;
	u16 i;

	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS; i++) {
		channel = state->channels[i];
		if (channel && channel->activity == VMPORT_ASKING && !channel->ask_id &&
		    (!next || channel->saved_ask_id < next->saved_ask_id))
			next = channel;
	}
	return next;
}

/*
 * Number the messages that came with a state, in their order.
 *
 * A reply that the VMM still works on, to a message of an earlier state, must not be taken
 * for one of these.  So they keep the numbers that they were saved with only where those
 * are above all that the VM has seen.  They are saved with the same again, unless no VM
 * counts that far: the next message would have a smaller one.
 */
static void vmport_state_number_asks(struct vmport_state *state)
{
	struct vmport_channel *channel;
	u64 saved_id = 0;

	for (;;) {
		channel = vmport_state_next_ask(state);
		if (!channel)
			break;
		saved_id = vmport_counted_number(channel->saved_ask_id) ?: saved_id + 1;
		channel->saved_ask_id = saved_id;
		channel->ask_id = vmport_new_ask_id(state->events, saved_id);
	}
}

/*
 * A state from a blob becomes the VM's.
 * @state: from vmport_state_unpack(); vCPUs don't use it yet
 *
 * May sleep.
 */
void vmport_state_activate(struct vmport_state *state)
{
	vmport_state_number_asks(state);
	/* The VMM may load an older one later, and see no number twice. */
	state->events->requested = max(state->events->requested,
				       vmport_counted_number(state->tclo.next_id - 1));

	vmport_guestinfo_set_all(&state->guestinfo);
	if (state->tclo.unread)
		vmport_signal(state->events);
}
