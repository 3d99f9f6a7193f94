// SPDX-License-Identifier: GPL-2.0-only
/*
 * High bandwidth: whole messages by one string instruction, as open-vm-tools
 * (lib/backdoor) and Linux (drivers/gpu/drm/vmwgfx/vmwgfx_msg.c) send them.
 *
 * A page fault may stop such an instruction, and a migration come before it goes on:
 * then it is run again with the count of what is left.  From the guest a message comes
 * in one block, so a count of c means its last c bytes.  To the guest a block may be
 * shorter than the message, as drivers read what fits into a buffer of their own: a count
 * of c means the next c bytes.  What the guest has received is counted by what is in its
 * memory for sure, so that the rest of a block that was stopped is the next bytes too, and
 * nothing tells the two apart that would have to travel.  A count above what is left, but
 * not above the message, means the last c bytes again.
 *
 * The guest's memory is never touched with a channel owned: it may take the
 * VMM to bring it in.
 */
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "channels.h"
#include "hb.h"
#include "message.h"

/* Does a transfer of the last @count of @size bytes begin within the first @done? */
static bool vmport_hb_position_ok(u64 count, u32 size, u32 done)
{
	return count && count <= size && size - count <= done;
}

static bool vmport_hb_can_send(const struct vmport_channel *channel, u64 count)
{
	return vmport_channel_is_sending(channel) &&
	       vmport_hb_position_ok(count, channel->send_size, channel->send_done);
}

/* Can the guest receive @count bytes now, and from where on? */
static bool vmport_hb_can_receive(const struct vmport_channel *channel,
				  const struct vmport_call *call, u64 count, u32 *position)
{
	u32 size = vmport_channel_recv_size(channel);

	if (!vmport_channel_can_receive(channel, call) || !count || count > size)
		return false;

	*position = min_t(u32, channel->recv_done, size - count);
	return true;
}

/*
 * The channel's own buffer, when nothing counts that is in it: then the message
 * is copied once, and no memory has to be found for it.  Until it is back, what
 * needs a buffer in the channel gets another one.
 */
static void vmport_hb_take_buffer(struct vmport_channel *channel, u32 size,
				  struct vmport_hb_buffer *buffer)
{
	if (channel->send_done || channel->send_room < size)
		return;

	buffer->data = channel->send;
	buffer->room = channel->send_room;
	channel->send = NULL;
	channel->send_room = 0;
}

/*
 * Get a buffer for bytes of a message from the guest.
 * @call: names the channel, as for vmport_channels_get()
 * @count: bytes that are left of the message
 * @size: how many of them are to be read at once, 1 to @count
 * @buffer: out: room for @size bytes, when true is returned; for vmport_hb_send_end()
 *
 * Returns false when the channel does not take them, or when there is no memory.  May
 * sleep.
 */
bool vmport_hb_send_begin(const struct vmport_call *call, u64 count, u32 size,
			  struct vmport_hb_buffer *buffer)
{
	struct vmport_channel *channel = vmport_channels_get(call);
	bool ok;

	*buffer = (struct vmport_hb_buffer) { };
	if (!channel)
		return false;

	ok = vmport_hb_can_send(channel, count);
	if (ok) {
		vmport_hb_take_buffer(channel, size, buffer);
		/* The guest's memory may take its time. */
		vmport_channel_touch(channel);
	}
	vmport_channel_disown(channel);
	if (!ok || buffer->data)
		return ok;

	buffer->data = kvmalloc(size, VMPORT_GFP);
	buffer->room = size;
	return buffer->data;
}

/* The next bytes of the message; the channel is owned. */
static bool vmport_hb_add_bytes(struct vmport_call *call, struct vmport_channel *channel, u64 count,
				u32 moved, struct vmport_hb_buffer *buffer)
{
	u32 position = channel->send_size - count;

	if (!position && buffer->room >= channel->send_size) {
		/* No need to copy what is there. */
		swap(channel->send, buffer->data);
		swap(channel->send_room, buffer->room);
	} else {
		/* Only when another vCPU has the channel's buffer there is none. */
		if (vmport_channel_make_room(channel, channel->send_size))
			return false;
		memcpy(channel->send + position, buffer->data, moved);
	}

	if (moved == count && vmport_message_complete(call, channel, channel->send_size))
		return false;
	channel->send_done = position + moved;
	channel->send_is_privileged &= call->is_privileged;
	return true;
}

/*
 * Bytes of a message from the guest are there.
 * @call: names the channel, as for vmport_channels_get()
 * @moved: how many bytes are in @buffer, 0 to the @size there
 * @buffer: given back
 *
 * Returns false when the channel does not take them any more, or when there is no memory;
 * then nothing has changed but bytes that do not count yet.  May sleep.
 */
bool vmport_hb_send_end(struct vmport_call *call, u64 count, u32 moved,
			struct vmport_hb_buffer *buffer)
{
	struct vmport_channel *channel = vmport_channels_get(call);
	bool ok = false;

	if (channel) {
		ok = vmport_hb_can_send(channel, count) &&
		     vmport_hb_add_bytes(call, channel, count, moved, buffer);
		if (ok)
			vmport_channel_touch(channel);
		vmport_channel_disown(channel);
	}
	kvfree(buffer->data);
	return ok;
}

/* Make @count bytes that wait, from @position on, stay in place; the channel is owned. */
static bool vmport_hb_hold_bytes(struct vmport_channel *channel, u32 position, u32 count,
				 struct vmport_hb_source *source)
{
	const u8 *data = vmport_channel_recv_data(channel) + position;

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

/*
 * Get at the bytes that wait for the guest.
 * @call: names the channel, as for vmport_channels_get()
 * @count: bytes that are left of the block
 * @source: out: @count bytes, when true is returned; for vmport_hb_receive_end()
 *
 * Returns false when the channel does not have them, or when there is no memory.  May
 * sleep.
 */
bool vmport_hb_receive_begin(const struct vmport_call *call, u64 count,
			     struct vmport_hb_source *source)
{
	struct vmport_channel *channel = vmport_channels_get(call);
	u32 position;
	bool ok;

	*source = (struct vmport_hb_source) { };
	if (!channel)
		return false;

	ok = vmport_hb_can_receive(channel, call, count, &position) &&
	     vmport_hb_hold_bytes(channel, position, count, source);
	if (ok)
		vmport_channel_touch(channel);
	vmport_channel_disown(channel);
	return ok;
}

/*
 * The guest has bytes.
 * @call: names the channel, as for vmport_channels_get()
 * @moved: of @count, in the guest's memory for sure
 * @source: given back
 *
 * May sleep.
 */
void vmport_hb_receive_end(const struct vmport_call *call, u64 count, u32 moved,
			   struct vmport_hb_source *source)
{
	struct vmport_channel *channel = vmport_channels_get(call);
	u32 position;

	/* Another vCPU may have been at it meanwhile: then it is the guest's mistake. */
	if (channel) {
		if (vmport_hb_can_receive(channel, call, count, &position)) {
			channel->recv_done = position + moved;
			vmport_channel_touch(channel);
		}
		vmport_channel_disown(channel);
	}
	vmport_large_put(source->large);
	kvfree(source->copy);
}
