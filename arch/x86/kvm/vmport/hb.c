// SPDX-License-Identifier: GPL-2.0-only
/*
 * High bandwidth: whole messages by one string instruction, as open-vm-tools
 * (lib/backdoor) and Linux (drivers/gpu/drm/vmwgfx/vmwgfx_msg.c) send them.
 *
 * A transfer with a count of c concerns the last c bytes of the message, so
 * the count says where in the message it is.  An instruction that a page fault
 * has stopped goes on where it was, bytes may be moved twice, and nothing but
 * what the state holds anyway has to be remembered between two parts.
 *
 * The guest's memory is never touched with a channel owned: it may take the
 * VMM to bring it in.
 */
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "channel.h"
#include "hb.h"

/* Does a transfer of the last @count of @size bytes begin within the first @done? */
static bool position_ok(u64 count, u32 size, u32 done)
{
	return count && count <= size && size - count <= done;
}

static bool can_send(const struct vmport_channel *channel, u64 count)
{
	return channel->sending && position_ok(count, channel->send_size, channel->send_done);
}

static bool can_receive(const struct vmport_channel *channel, u64 count)
{
	return channel->receiving &&
	       position_ok(count, vmport_channel_recv_size(channel), channel->recv_done);
}

/**
 * vmport_hb_can_send() - does the channel take these bytes?
 * @call: names the channel, as for vmport_channel_get()
 * @count: bytes that are left of the message
 *
 * To be asked before the guest's memory is read; vmport_hb_send() checks again.
 *
 * Context: may sleep.
 */
bool vmport_hb_can_send(const struct vmport_call *call, u64 count)
{
	struct vmport_channel *channel = vmport_channel_get(call);
	bool ok;

	if (!channel)
		return false;

	ok = can_send(channel, count);
	vmport_channel_disown(channel);
	return ok;
}

/* The next bytes of the message; the channel is owned. */
static bool send(struct vmport_call *call, struct vmport_channel *channel, u64 count,
		 u8 **data, u32 size)
{
	u32 position = channel->send_size - count;

	if (!position && size == channel->send_size && size > 1) {
		/* The whole message: no need to copy it. */
		swap(channel->send, *data);
		channel->send_room = size;
	} else {
		memcpy(channel->send + position, *data, size);
	}

	if (size == count && vmport_message_complete(call, channel, channel->send_size))
		return false;
	channel->send_done = position + size;
	return true;
}

/**
 * vmport_hb_send() - bytes of a message from the guest
 * @call: names the channel, as for vmport_channel_get()
 * @count: bytes that are left of the message, these included
 * @data: from kvmalloc() when @size is not 1; another buffer, or NULL, after it
 * @size: bytes there, 1 to @count
 *
 * Context: may sleep.
 * Return: false when the channel does not take them, or when there is no memory;
 * then nothing has changed but bytes that do not count yet.
 */
bool vmport_hb_send(struct vmport_call *call, u64 count, u8 **data, u32 size)
{
	struct vmport_channel *channel = vmport_channel_get(call);
	bool ok;

	if (!channel)
		return false;

	ok = can_send(channel, count) && send(call, channel, count, data, size);
	if (ok)
		vmport_channel_touch(channel);
	vmport_channel_disown(channel);
	return ok;
}

/* Make the last @count bytes that wait stay in place; the channel is owned. */
static bool hold(struct vmport_channel *channel, u64 count, struct vmport_hb_source *source)
{
	const u8 *data = vmport_channel_recv_data(channel) +
			 vmport_channel_recv_size(channel) - count;

	if (!channel->request && channel->reply.large) {
		source->large = channel->reply.large;
		refcount_inc(&source->large->refs);
		source->data = data;
		return true;
	}

	/* Short: no more than a TCLO request. */
	source->copy = kvmalloc(count, VMPORT_GFP);
	if (!source->copy)
		return false;
	memcpy(source->copy, data, count);
	source->data = source->copy;
	return true;
}

/**
 * vmport_hb_receive_begin() - get at the bytes that wait for the guest
 * @call: names the channel, as for vmport_channel_get()
 * @count: bytes that are left of the message
 * @source: out: @count bytes, when true is returned; for vmport_hb_receive_end()
 *
 * Context: may sleep.
 * Return: false when the channel does not have them, or when there is no memory.
 */
bool vmport_hb_receive_begin(const struct vmport_call *call, u64 count,
			     struct vmport_hb_source *source)
{
	struct vmport_channel *channel = vmport_channel_get(call);
	bool ok;

	*source = (struct vmport_hb_source) { };
	if (!channel)
		return false;

	ok = can_receive(channel, count) && hold(channel, count, source);
	vmport_channel_disown(channel);
	return ok;
}

/**
 * vmport_hb_receive_end() - the guest has bytes
 * @call: names the channel, as for vmport_channel_get()
 * @count: as for vmport_hb_receive_begin()
 * @moved: of @count
 * @source: given back
 *
 * Context: may sleep.
 */
void vmport_hb_receive_end(const struct vmport_call *call, u64 count, u32 moved,
			   struct vmport_hb_source *source)
{
	struct vmport_channel *channel = vmport_channel_get(call);

	/* Another vCPU may have been at it meanwhile: then it is the guest's mistake. */
	if (channel) {
		if (can_receive(channel, count)) {
			channel->recv_done = vmport_channel_recv_size(channel) - count + moved;
			vmport_channel_touch(channel);
		}
		vmport_channel_disown(channel);
	}
	vmport_large_put(source->large);
	kvfree(source->copy);
}
