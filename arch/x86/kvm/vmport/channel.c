// SPDX-License-Identifier: GPL-2.0-only
/*
 * A GuestRPC channel: what it holds, and who owns it.
 */
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "alloc.h"
#include "channel.h"
#include "count.h"
#include "vmport_trace.h"

/* A larger buffer is not kept once its message is through. */
#define SEND_ROOM_KEPT		1024
/* Requests are short: enough for most at the first try. */
#define SEND_ROOM_MIN		128

/* Make a channel, closed.  Returns the channel, NULL when there is no memory.  May sleep. */
struct vmport_channel *vmport_channel_alloc(void)
{
	struct vmport_channel *channel;

	/* Whole cache lines, and so kmalloc() begins at one. */
	channel = kzalloc(sizeof(*channel), VMPORT_GFP);
	if (channel) {
		mutex_init(&channel->owner_lock);
		raw_spin_lock_init(&channel->lock);
	}
	return channel;
}

/* Free what the channel holds.  The caller owns it; may sleep. */
static void vmport_channel_release_buffers(struct vmport_channel *channel)
{
	kvfree(channel->send);
	channel->send = NULL;
	channel->send_room = 0;
	vmport_reply_free(&channel->reply);
	vmport_request_free(channel->request);
	channel->request = NULL;
	channel->is_cancelled = false;
}

/*
 * Free a channel.
 * @channel: nobody else uses it any more
 *
 * May sleep.
 */
void vmport_channel_free(struct vmport_channel *channel)
{
	vmport_channel_release_buffers(channel);
	mutex_destroy(&channel->owner_lock);
	kfree(channel);
}

static void vmport_channel_become_owner(struct vmport_channel *channel)
{
	raw_spin_lock(&channel->lock);
	channel->busy = true;
	raw_spin_unlock(&channel->lock);
}

/*
 * Become the owner of a channel, to use all its fields.  Waits for another owner, so for
 * bounded work of the kernel, never for the guest.  The owner may sleep; atomic callers
 * are turned away meanwhile.
 *
 * May sleep.
 */
void vmport_channel_own(struct vmport_channel *channel)
{
	mutex_lock(&channel->owner_lock);
	vmport_channel_become_owner(channel);
}

/*
 * The same for whoever owns several.
 * @outer: held by the caller until the last is disowned; no two hold it
 *
 * May sleep.
 */
void vmport_channel_own_nested(struct vmport_channel *channel, struct mutex *outer)
{
	mutex_lock_nest_lock(&channel->owner_lock, outer);
	vmport_channel_become_owner(channel);
}

void vmport_channel_disown(struct vmport_channel *channel)
{
	raw_spin_lock(&channel->lock);
	channel->busy = false;
	raw_spin_unlock(&channel->lock);
	mutex_unlock(&channel->owner_lock);
}

/*
 * Get a buffer for a message from the guest.
 * @channel: owned by the caller, who may sleep
 *
 * The bytes of a message in progress are gone when the buffer is a new one.  One that asks
 * ends here in any case.
 *
 * Returns 0 or -ENOMEM; then nothing has changed.  May sleep.
 */
int vmport_channel_make_room(struct vmport_channel *channel, u32 size)
{
	u32 room = max_t(u32, size, SEND_ROOM_MIN);
	u8 *send = NULL;

	if (size > channel->send_room) {
		send = kvmalloc(room, VMPORT_GFP);
		if (!send)
			return -ENOMEM;
	}
	/* As long as its bytes are there.  One that is being loaded has none yet. */
	if (channel->send)
		trace_kvm_vmport_rpc(channel, VMPORT_RPC_WITHDRAWN);
	if (send) {
		kvfree(channel->send);
		channel->send = send;
		channel->send_room = room;
	}
	return 0;
}

/*
 * Keep no large buffer without a message in it.
 * @channel: owned by the caller, who may sleep
 */
void vmport_channel_trim(struct vmport_channel *channel)
{
	if (channel->send_room > SEND_ROOM_KEPT) {
		kvfree(channel->send);
		channel->send = NULL;
		channel->send_room = 0;
	}
}

/*
 * The request that the guest holds ends without an answer.
 * @channel: owned by the caller, who may sleep
 */
void vmport_channel_lose_request(struct vmport_tclo *tclo, struct vmport_channel *channel)
{
	struct vmport_request *request = channel->request;

	channel->is_cancelled = false;
	if (!request)
		return;

	channel->request = NULL;
	request->size = 0;
	request->status = KVM_VMPORT_TCLO_LOST;
	vmport_tclo_finish(tclo, request);
}

/*
 * Close an open channel.
 * @tclo: hears of the request that it holds
 * @channel: owned by the caller, who may sleep
 */
void vmport_channel_close(struct vmport_tclo *tclo, struct vmport_channel *channel)
{
	trace_kvm_vmport_rpc(channel, VMPORT_RPC_WITHDRAWN);
	vmport_channel_lose_request(tclo, channel);
	vmport_channel_release_buffers(channel);
	WRITE_ONCE(channel->activity, VMPORT_CLOSED);
	vmport_gauge_add(tclo->events, VMPORT_GAUGE_CHANNELS, -1);

	if (channel->protocol == VMPORT_PROTOCOL_TCLO) {
		atomic64_inc(&tclo->events->lost);
		vmport_signal(tclo->events);
	}
}

/*
 * The VMM does not want to hear of a request any more.
 * @channel: owned by the caller; holds the request
 *
 * For the guest nothing changes.  Its answer goes nowhere.
 *
 * Returns 0 or -ENOMEM; then nothing has changed.  May sleep.
 */
int vmport_channel_forget_request(struct vmport_tclo *tclo, struct vmport_channel *channel)
{
	struct vmport_request *request = channel->request;
	u8 *text;

	/* It may be in the middle of reading it. */
	if (vmport_channel_is_waiting(channel)) {
		text = vmport_reply_alloc(&channel->reply, request->size);
		if (!text)
			return -ENOMEM;
		memcpy(text, request->data, request->size);
	}
	channel->request = NULL;
	channel->is_cancelled = true;
	vmport_tclo_forget(tclo, request);
	return 0;
}
