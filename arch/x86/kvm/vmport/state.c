// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state of a VM's channels, guestinfo, requests and steal clocks.
 */
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/slab.h>

#include "state.h"

/* VMPORT_SECTIONS of them, or this does not compile. */
const struct vmport_section vmport_sections[] = {
	{
		.type = KVM_VMPORT_SECTION_CHANNEL,
		.feature = KVM_VMPORT_FEATURE_RPC,
		.is_critical = true,
		.is_many = true,
		.pack = vmport_pack_channels,
		.unpack = vmport_unpack_channel,
	}, {
		.type = KVM_VMPORT_SECTION_TCLO,
		.feature = KVM_VMPORT_FEATURE_RPC,
		.is_critical = true,
		.pack = vmport_pack_tclo,
		.unpack = vmport_unpack_tclo,
	}, {
		.type = KVM_VMPORT_SECTION_GUESTINFO,
		.feature = KVM_VMPORT_FEATURE_RPC,
		.is_critical = true,
		.pack = vmport_pack_guestinfo,
		.unpack = vmport_unpack_guestinfo,
	}, {
		.type = KVM_VMPORT_SECTION_ORDER,
		.feature = KVM_VMPORT_FEATURE_RPC,
		.pack = vmport_pack_order,
		.unpack = vmport_unpack_order,
	}, {
		.type = KVM_VMPORT_SECTION_NAMES,
		.feature = KVM_VMPORT_FEATURE_RPC,
		.pack = vmport_pack_names,
		.unpack = vmport_unpack_names,
	}, {
		.type = KVM_VMPORT_SECTION_STEALCLOCK,
		.feature = KVM_VMPORT_FEATURE_STEALCLOCK,
		.is_critical = true,
		.pack = vmport_pack_stealclock,
		.unpack = vmport_unpack_stealclock,
	},
};

/**
 * vmport_state_sections() - which types of section are known
 *
 * Return: a bit for each type.
 */
u64 vmport_state_sections(void)
{
	u64 sections = 0;
	unsigned int i;

	for (i = 0; i < VMPORT_SECTIONS; i++)
		sections |= BIT_ULL(vmport_sections[i].type);
	return sections;
}

/**
 * vmport_state_alloc() - the state of a VM that has just started
 * @events: of the VM; stays for longer than the state
 *
 * Context: may sleep.
 * Return: the state, NULL when there is no memory.
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

/**
 * vmport_state_free() - free a state and all that it holds
 * @state: nobody else uses it any more; may be NULL
 *
 * Context: may sleep.
 */
void vmport_state_free(struct vmport_state *state)
{
	unsigned int i;

	if (!state)
		return;

	for (i = 0; i < ARRAY_SIZE(state->channels); i++) {
		if (state->channels[i])
			vmport_channel_free(state->channels[i]);
	}
	vmport_guestinfo_destroy(&state->guestinfo);
	vmport_tclo_destroy(&state->tclo);
	vmport_steal_destroy(&state->steals);
	mutex_destroy(&state->open_lock);
	kfree(state);
}

/**
 * vmport_state_activate() - a state from a blob becomes the VM's
 * @state: from vmport_state_unpack(); vCPUs don't use it yet
 *
 * Numbers that its events will get lie above all that it came with.
 *
 * Context: may sleep.
 */
void vmport_state_activate(struct vmport_state *state)
{
	s64 asked = atomic64_read(&state->events->asked);

	/* vCPUs that still use the old state count on. */
	while (asked < state->last_ask &&
	       !atomic64_try_cmpxchg(&state->events->asked, &asked, state->last_ask))
		;

	vmport_guestinfo_set_all(&state->guestinfo);
	if (state->tclo.unread)
		vmport_signal(state->events);
}

/* Put it in its place by its number; how many there are then. */
static u32 add_item(struct kvm_vmport_tclo_item *items, u32 count,
		    const struct vmport_request *request, u32 status)
{
	u32 n = count;

	for (; n && items[n - 1].id > request->id; n--)
		items[n] = items[n - 1];

	items[n] = (struct kvm_vmport_tclo_item) {
		.id = request->id,
		.status = status,
		/* A migration leaves nothing of one that the guest has read. */
		.size = status == KVM_VMPORT_TCLO_TAKEN ? 0 : request->size,
	};
	memcpy(items[n].name, request->name.text, request->name.size);
	return count + 1;
}

/**
 * vmport_state_requests() - all requests of the VMM, and results that it has not read
 * @state: vCPUs may be using it
 * @items: out: room for KVM_VMPORT_MAX_TCLO; in the order of their numbers
 *
 * Context: may sleep.
 * Return: how many.
 */
u32 vmport_state_requests(struct vmport_state *state, struct kvm_vmport_tclo_item *items)
{
	struct vmport_tclo *tclo = &state->tclo;
	struct vmport_channel *channel;
	u32 i, count = 0;

	vmport_channels_own(state);
	mutex_lock(&tclo->lock);
	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS; i++) {
		channel = state->channels[i];
		if (channel && channel->request)
			count = add_item(items, count, channel->request, KVM_VMPORT_TCLO_TAKEN);
	}
	for (i = 0; i < tclo->unread; i++)
		count = add_item(items, count, tclo->results[i], tclo->results[i]->status);
	for (i = 0; i < tclo->queued; i++)
		count = add_item(items, count, tclo->queue[i], KVM_VMPORT_TCLO_QUEUED);
	mutex_unlock(&tclo->lock);
	vmport_channels_disown(state);
	return count;
}

/**
 * vmport_state_cancel() - the VMM does not want to hear of a request any more
 * @state: vCPUs may be using it
 * @id: number of the request
 * @status: out: KVM_VMPORT_TCLO_* that it had
 *
 * Context: may sleep.
 * Return: 0; -ENOENT when there is neither a request nor a result with that number;
 * -ENOMEM.
 */
int vmport_state_cancel(struct vmport_state *state, u64 id, u32 *status)
{
	struct vmport_channel *channel;
	int r = -ENOENT;
	u16 i;

	vmport_channels_own(state);
	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS && r == -ENOENT; i++) {
		channel = state->channels[i];
		if (channel && channel->request && channel->request->id == id) {
			*status = KVM_VMPORT_TCLO_TAKEN;
			r = vmport_channel_forget_request(state, channel);
		}
	}
	if (r == -ENOENT)
		r = vmport_tclo_cancel(&state->tclo, id, status);
	vmport_channels_disown(state);
	return r;
}
