// SPDX-License-Identifier: GPL-2.0-only
/*
 * The requests of the VMM, wherever they are: queued, in a channel, or answered.
 */
#include <linux/mutex.h>
#include <linux/string.h>

#include "channels.h"
#include "requests.h"

/* Put it in its place by its number; how many there are then. */
static u32 vmport_add_request_item(struct kvm_vmport_tclo_item *items, u32 count,
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

/*
 * All requests of the VMM, and results that it has not read.
 * @state: vCPUs may be using it
 * @items: out: room for KVM_VMPORT_MAX_TCLO; in the order of their numbers
 *
 * Returns how many.  May sleep.
 */
u32 vmport_requests_list(struct vmport_state *state, struct kvm_vmport_tclo_item *items)
{
	struct vmport_tclo *tclo = &state->tclo;
	struct vmport_channel *channel;
	u32 i, count = 0;

	vmport_channels_own(state);
	mutex_lock(&tclo->lock);
	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS; i++) {
		channel = state->channels[i];
		if (channel && channel->request)
			count = vmport_add_request_item(items, count, channel->request,
							KVM_VMPORT_TCLO_TAKEN);
	}
	for (i = 0; i < tclo->unread; i++)
		count = vmport_add_request_item(items, count, tclo->results[i],
						tclo->results[i]->status);
	for (i = 0; i < tclo->queued; i++)
		count = vmport_add_request_item(items, count, tclo->queue[i],
						KVM_VMPORT_TCLO_QUEUED);
	mutex_unlock(&tclo->lock);
	vmport_channels_disown(state);
	return count;
}

/*
 * The VMM does not want to hear of a request any more.
 * @state: vCPUs may be using it
 * @status: out: KVM_VMPORT_TCLO_* that it had
 *
 * Returns 0; -ENOENT when there is neither a request nor a result with that number;
 * -ENOMEM.  May sleep.
 */
int vmport_requests_cancel(struct vmport_state *state, u64 id, u32 *status)
{
	struct vmport_channel *channel;
	int r = -ENOENT;
	u16 i;

	vmport_channels_own(state);
	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS && r == -ENOENT; i++) {
		channel = state->channels[i];
		if (channel && channel->request && channel->request->id == id) {
			*status = KVM_VMPORT_TCLO_TAKEN;
			r = vmport_channel_forget_request(&state->tclo, channel);
		}
	}
	if (r == -ENOENT)
		r = vmport_tclo_cancel(&state->tclo, id, status);
	vmport_channels_disown(state);
	return r;
}
