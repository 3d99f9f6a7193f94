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

/*
 * The channel's own buffer, when nothing counts that is in it: then the message
 * is copied once, and no memory has to be found for it.  Until it is back, what
 * needs a buffer in the channel gets another one.
 */
static void take_buffer(struct vmport_channel *channel, u32 size,
			struct vmport_hb_buffer *buffer)
{
	if (channel->send_done || channel->send_room < size)
		return;

	buffer->data = channel->send;
	buffer->room = channel->send_room;
	channel->send = NULL;
	channel->send_room = 0;
}

/**
 * vmport_hb_send_begin() - get a buffer for bytes of a message from the guest
 * @call: names the channel, as for vmport_channel_get()
 * @count: bytes that are left of the message
 * @size: how many of them are to be read at once, 1 to @count
 * @buffer: out: room for @size bytes, when true is returned; for
 *	vmport_hb_send_end()
 *
 * Context: may sleep.
 * Return: false when the channel does not take them, or when there is no memory.
 */
bool vmport_hb_send_begin(const struct vmport_call *call, u64 count, u32 size,
			  struct vmport_hb_buffer *buffer)
{
	struct vmport_channel *channel = vmport_channel_get(call);
	bool ok;

	*buffer = (struct vmport_hb_buffer) { };
	if (!channel)
		return false;

	ok = can_send(channel, count);
	if (ok)
		take_buffer(channel, size, buffer);
	vmport_channel_disown(channel);
	if (!ok || buffer->data)
		return ok;

	buffer->data = kvmalloc(size, VMPORT_GFP);
	buffer->room = size;
	return buffer->data;
}

/* The next bytes of the message; the channel is owned. */
static bool send(struct vmport_call *call, struct vmport_channel *channel, u64 count,
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
	return true;
}

/**
 * vmport_hb_send_end() - bytes of a message from the guest are there
 * @call: names the channel, as for vmport_channel_get()
 * @count: as for vmport_hb_send_begin()
 * @moved: how many bytes are in @buffer, 0 to the @size there
 * @buffer: given back
 *
 * Context: may sleep.
 * Return: false when the channel does not take them any more, or when there is no
 * memory; then nothing has changed but bytes that do not count yet.
 */
bool vmport_hb_send_end(struct vmport_call *call, u64 count, u32 moved,
			struct vmport_hb_buffer *buffer)
{
	struct vmport_channel *channel = vmport_channel_get(call);
	bool ok = false;

	if (channel) {
		ok = can_send(channel, count) && send(call, channel, count, moved, buffer);
		if (ok)
			vmport_channel_touch(channel);
		vmport_channel_disown(channel);
	}
	kvfree(buffer->data);
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
