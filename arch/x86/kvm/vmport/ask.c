// SPDX-License-Identifier: GPL-2.0-only
/*
 * RPCI messages that the kernel does not own, with KVM_VMPORT_FEATURE_EXIT_RPC:
 * they stay in their channel until the VMM sets a reply, or the guest polls for
 * it, sends another message or closes the channel.
 */
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "ask.h"
#include "channels.h"
#include "vmport_trace.h"

/*
 * Leave a message to the VMM.
 * @call: the call that brought its end; becomes one that asks
 * @channel: owned by the caller; the message is at @channel->send, and what the guest gets
 *	if there is no other reply in @channel->reply
 *
 * Returns false when the VMM is not to be asked.  May sleep.
 */
bool vmport_ask(struct vmport_call *call, struct vmport_channel *channel, u32 size)
{
	if (!vmport_has_feature(call->config, KVM_VMPORT_FEATURE_EXIT_RPC))
		return false;

	channel->activity = VMPORT_ASKING;
	channel->send_size = size;
	channel->send_is_privileged = call->is_privileged;
	channel->ask_id = vmport_new_ask_id(call->state->events, 0);
	channel->saved_ask_id = channel->ask_id;
	channel->asker = call->vcpu;
	call->asks = true;
	trace_kvm_vmport_rpc(channel, VMPORT_RPC_ASKED);
	return true;
}

/*
 * The reply is what stands in the channel.
 * @channel: owned by the caller, asking
 *
 * May sleep.
 */
void vmport_ask_end(struct vmport_channel *channel)
{
	vmport_channel_wait(channel);
	vmport_channel_trim(channel);
}

/* Channel @id, owned by the caller from now on, when it asks; else NULL. */
static struct vmport_channel *vmport_own_asking(struct vmport_state *state, u16 id)
{
	struct vmport_channel *channel = vmport_channel_at(state, id);

	if (!channel)
		return NULL;

	vmport_channel_own(channel);
	if (channel->activity == VMPORT_ASKING)
		return channel;
	vmport_channel_disown(channel);
	return NULL;
}

/* The channel whose message has number @id, owned by the caller from now on. */
static struct vmport_channel *vmport_own_asked(struct vmport_state *state, u64 id, u16 *channel_id)
{
	struct vmport_channel *channel;

	for (*channel_id = 0; *channel_id < KVM_VMPORT_MAX_CHANNELS; ++*channel_id) {
		channel = vmport_own_asking(state, *channel_id);
		if (!channel)
			continue;
		if (channel->ask_id == id)
			return channel;
		vmport_channel_disown(channel);
	}
	return NULL;
}

/* Which of the messages that ask. */
struct asking {
	const void *vcpu;	/* those of this vCPU, NULL: of all */
	u64 after;		/* with a larger number */
};

/* The smallest of their numbers, 0 when there is none; and how many they are. */
static u64 vmport_find_oldest_asking(struct vmport_state *state, const struct asking *which,
				     u32 *count)
{
	struct vmport_channel *channel;
	u64 id = 0;
	u16 i;

	*count = 0;
	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS; i++) {
		channel = vmport_own_asking(state, i);
		if (!channel)
			continue;
		if ((!which->vcpu || channel->asker == which->vcpu) &&
		    channel->ask_id > which->after) {
			++*count;
			if (!id || channel->ask_id < id)
				id = channel->ask_id;
		}
		vmport_channel_disown(channel);
	}
	return id;
}

/*
 * The channel of that message, owned by the caller from now on; NULL when nothing asks.
 * What is found may be answered before it is owned: then it is the next one's turn.
 */
static struct vmport_channel *vmport_own_oldest_asking(struct vmport_state *state,
						       const struct asking *which, u16 *channel_id,
						       u32 *count)
{
	struct vmport_channel *channel;
	u64 id;

	do {
		id = vmport_find_oldest_asking(state, which, count);
		channel = id ? vmport_own_asked(state, id, channel_id) : NULL;
	} while (id && !channel);

	return channel;
}

/*
 * What to tell the VMM after a call that asks.
 * @state: channels; may be another than that of the call by now
 * @vcpu: who made the call
 * @asked: out: the message, without its bytes
 * @more: out: the vCPU has asked more than once; come again
 *
 * Returns false when nothing asks any more that the VMM has not been told of.  May sleep.
 */
bool vmport_ask_next(struct vmport_state *state, const void *vcpu, struct vmport_asked *asked,
		     bool *more)
{
	const struct asking own = { .vcpu = vcpu };
	struct vmport_channel *channel;
	u16 channel_id;
	u32 count;

	channel = vmport_own_oldest_asking(state, &own, &channel_id, &count);
	*more = count > 1;
	if (!channel)
		return false;

	channel->asker = NULL;
	trace_kvm_vmport_rpc(channel, VMPORT_RPC_TOLD);
	*asked = (struct vmport_asked) {
		.id = channel->ask_id,
		.size = channel->send_size,
		.channel = channel_id,
		.is_privileged = channel->send_is_privileged,
	};
	vmport_channel_disown(channel);
	return true;
}

/*
 * Copy a message for the VMM.
 * @next: not that one, but the first with a larger number
 * @room: copy no more than that many bytes
 * @asked: out: the message; without its bytes when there are more than @room
 *
 * Returns 0; -ENOENT it does not ask; -E2BIG it does not fit; -ENOMEM.  May sleep.
 */
int vmport_ask_read(struct vmport_state *state, u64 id, bool next, u32 room,
		    struct vmport_asked *asked)
{
	const struct asking later = { .after = id };
	struct vmport_channel *channel;
	u32 count;
	int r = 0;

	*asked = (struct vmport_asked){ };
	channel = next ? vmport_own_oldest_asking(state, &later, &asked->channel, &count) :
			 vmport_own_asked(state, id, &asked->channel);
	if (!channel)
		return -ENOENT;

	asked->id = channel->ask_id;
	asked->size = channel->send_size;
	asked->is_privileged = channel->send_is_privileged;
	if (asked->size > room) {
		r = -E2BIG;
	} else if (asked->size) {
		asked->data = kvmalloc(asked->size, VMPORT_GFP);
		if (asked->data)
			memcpy(asked->data, channel->send, asked->size);
		else
			r = -ENOMEM;
	}
	vmport_channel_disown(channel);
	return r;
}

/*
 * Give the guest the VMM's reply.
 * @size: bytes of it, at most KVM_VMPORT_MAX_REPLY
 *
 * Returns 0; -ENOENT the message does not ask any more; -ENOMEM.  May sleep.
 */
int vmport_ask_answer(struct vmport_state *state, u64 id, const u8 *data, u32 size)
{
	struct vmport_reply reply = { };
	struct vmport_channel *channel;
	u16 channel_id;
	u8 *room;

	room = vmport_reply_alloc(&reply, size);
	if (!room)
		return -ENOMEM;
	memcpy(room, data, size);

	channel = vmport_own_asked(state, id, &channel_id);
	if (!channel) {
		vmport_reply_free(&reply);
		return -ENOENT;
	}
	/* What stood there is short and was not allocated. */
	channel->reply = reply;
	trace_kvm_vmport_rpc(channel, VMPORT_RPC_REPLIED);
	trace_kvm_vmport_data(VMPORT_DATA_VMM_REPLY, data, size);
	vmport_ask_end(channel);
	vmport_channel_disown(channel);
	return 0;
}
