// SPDX-License-Identifier: GPL-2.0-only
/*
 * GuestRPC channels: the MESSAGE command, low bandwidth.  The requests, their
 * registers and status bits are those of open-vm-tools (lib/message,
 * lib/include/guest_msg_def.h).
 *
 * Every request either succeeds or changes nothing: neither the channel nor a
 * register but the status.
 */
#include <linux/kernel.h>
#include <linux/nospec.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "ask.h"
#include "channel.h"
#include "state.h"

/* Requests: ECX bits 16..31 of the call, and of EDX in some answers. */
#define MESSAGE_OPEN		0
#define MESSAGE_SENDSIZE	1
#define MESSAGE_SENDPAYLOAD	2
#define MESSAGE_RECVSIZE	3
#define MESSAGE_RECVPAYLOAD	4
#define MESSAGE_RECVSTATUS	5
#define MESSAGE_CLOSE		6

/* OPEN, EBX: the guest wants a cookie. */
#define OPEN_FLAG_COOKIE	0x80000000u

/* A larger buffer is not kept once its message is through. */
#define SEND_ROOM_KEPT		1024
/* Requests are short: enough for most at the first try. */
#define SEND_ROOM_MIN		128

/* The low half is 0, and all of it when the request failed: clients compare it whole. */
static enum vmport_result done(struct vmport_call *call, u16 status)
{
	call->regs.cx = (u32)status << 16;
	return VMPORT_DONE;
}

static void set_dx(struct vmport_call *call, u16 value)
{
	call->regs.dx = (u32)value << 16;
}

/* The payload that follows may go over the high-bandwidth port. */
static u16 hb_status(const struct vmport_call *call)
{
	return !call->no_hb && vmport_has_feature(call->config, KVM_VMPORT_FEATURE_HB) ?
	       VMPORT_STATUS_HB : 0;
}

/**
 * vmport_channel_alloc() - make a channel, closed
 *
 * Context: may sleep.
 * Return: the channel, NULL when there is no memory.
 */
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
static void release_buffers(struct vmport_channel *channel)
{
	kvfree(channel->send);
	channel->send = NULL;
	channel->send_room = 0;
	vmport_reply_free(&channel->reply);
	vmport_request_free(channel->request);
	channel->request = NULL;
}

/**
 * vmport_channel_free() - free a channel
 * @channel: nobody else uses it any more
 *
 * Context: may sleep.
 */
void vmport_channel_free(struct vmport_channel *channel)
{
	release_buffers(channel);
	mutex_destroy(&channel->owner_lock);
	kfree(channel);
}

static void become_owner(struct vmport_channel *channel)
{
	raw_spin_lock(&channel->lock);
	channel->busy = true;
	raw_spin_unlock(&channel->lock);
}

/**
 * vmport_channel_own() - become the owner of a channel, to use all its fields
 * @channel: the channel
 *
 * Waits for another owner, so for bounded work of the kernel, never for the
 * guest.  The owner may sleep; atomic callers are turned away meanwhile.
 *
 * Context: may sleep.
 */
void vmport_channel_own(struct vmport_channel *channel)
{
	mutex_lock(&channel->owner_lock);
	become_owner(channel);
}

/**
 * vmport_channel_own_nested() - the same for whoever owns several
 * @channel: the channel
 * @outer: held by the caller until the last is disowned; no two hold it
 *
 * Context: may sleep.
 */
void vmport_channel_own_nested(struct vmport_channel *channel, struct mutex *outer)
{
	mutex_lock_nest_lock(&channel->owner_lock, outer);
	become_owner(channel);
}

void vmport_channel_disown(struct vmport_channel *channel)
{
	raw_spin_lock(&channel->lock);
	channel->busy = false;
	raw_spin_unlock(&channel->lock);
	mutex_unlock(&channel->owner_lock);
}

/**
 * vmport_channel_make_room() - get a buffer for a message from the guest
 * @channel: owned by the caller, who may sleep
 * @size: bytes
 *
 * The bytes of a message in progress are gone when the buffer is a new one.
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM; then nothing has changed.
 */
int vmport_channel_make_room(struct vmport_channel *channel, u32 size)
{
	u32 room = max_t(u32, size, SEND_ROOM_MIN);
	u8 *send;

	if (size <= channel->send_room)
		return 0;

	send = kvmalloc(room, VMPORT_GFP);
	if (!send)
		return -ENOMEM;

	kvfree(channel->send);
	channel->send = send;
	channel->send_room = room;
	return 0;
}

/**
 * vmport_channel_trim() - keep no large buffer without a message in it
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

/* The request that the guest holds ends without an answer. */
static void lose_request(struct vmport_state *state, struct vmport_channel *channel)
{
	struct vmport_request *request = channel->request;

	if (!request)
		return;

	channel->request = NULL;
	request->size = 0;
	request->status = KVM_VMPORT_TCLO_LOST;
	vmport_tclo_finish(&state->tclo, request);
}

/* Owned by the caller, who may sleep. */
static void close_channel(struct vmport_state *state, struct vmport_channel *channel)
{
	lose_request(state, channel);
	release_buffers(channel);
	WRITE_ONCE(channel->activity, VMPORT_CLOSED);

	if (channel->protocol == VMPORT_PROTOCOL_TCLO) {
		atomic64_inc(&state->events->lost);
		vmport_signal(state->events);
	}
}

/* Who uses a channel does so at least once a second. */
static bool is_in_use(const struct vmport_channel *channel)
{
	u64 now = vmport_now();

	return channel->used + (u64)HZ * VMPORT_STEPS > now;
}

static struct vmport_channel *make_channel(struct vmport_state *state, u16 id)
{
	struct vmport_channel *channel = vmport_channel_alloc();

	/* Pairs with the load in vmport_channel_at(). */
	smp_store_release(&state->channels[id], channel);
	return channel;
}

/*
 * A channel to open, owned by the caller from now on: a closed one, or when as many are
 * open as there may be the one used least recently.  NULL when there may be none, that
 * one is in use, or there is no memory.
 */
static struct vmport_channel *own_channel_to_open(struct vmport_call *call, u16 *id)
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
		channel = closed ?: make_channel(state, closed_id);
	} else {
		*id = oldest_id;
		channel = limit ? oldest : NULL;
	}
	if (!channel)
		return NULL;

	vmport_channel_own(channel);
	/* Another vCPU may have closed it meanwhile, or used it. */
	if (channel->activity == VMPORT_CLOSED || !is_in_use(channel))
		return channel;
	vmport_channel_disown(channel);
	return NULL;
}

static enum vmport_result message_open(struct vmport_call *call)
{
	u32 protocol = call->regs.bx & ~OPEN_FLAG_COOKIE;
	bool has_cookie = call->regs.bx & OPEN_FLAG_COOKIE;
	struct vmport_state *state = call->state;
	struct vmport_channel *channel;
	u32 cookie[2] = { };
	u16 id;

	if (protocol != VMPORT_PROTOCOL_RPCI && protocol != VMPORT_PROTOCOL_TCLO)
		return done(call, VMPORT_STATUS_FAIL);
	if (call->atomic)
		return VMPORT_NEEDS_SLEEP;

	/* Not a counter: a process must not guess another's. */
	if (has_cookie)
		get_random_bytes(cookie, sizeof(cookie));

	mutex_lock(&state->open_lock);
	channel = own_channel_to_open(call, &id);
	if (!channel) {
		mutex_unlock(&state->open_lock);
		return done(call, VMPORT_STATUS_FAIL);
	}

	if (channel->activity != VMPORT_CLOSED)
		close_channel(state, channel);
	channel->has_cookie = has_cookie;
	channel->cookie_high = cookie[0];
	channel->cookie_low = cookie[1];
	channel->protocol = protocol;
	channel->name.size = 0;
	vmport_channel_touch(channel);
	if (protocol == VMPORT_PROTOCOL_TCLO) {
		vmport_reply_text(&channel->reply, "reset");
		vmport_channel_wait(channel);
	} else {
		channel->activity = VMPORT_IDLE;
	}
	vmport_channel_disown(channel);
	mutex_unlock(&state->open_lock);

	set_dx(call, id);
	if (has_cookie) {
		call->regs.si = cookie[0];
		call->regs.di = cookie[1];
	}
	return done(call, VMPORT_STATUS_SUCCESS);
}

/* The answer to "reset" says who polls here: "OK ATR toolbox". */
static void take_name(struct vmport_channel *channel, u32 size)
{
	static const char prefix[] = "OK ATR ";
	const u8 *name = channel->send + strlen(prefix), *end;

	if (size <= strlen(prefix) || memcmp(channel->send, prefix, strlen(prefix)))
		return;

	size -= strlen(prefix);
	end = memchr(name, '\0', size);
	if (end)
		size = end - name;
	if (vmport_name_ok(name, size))
		vmport_name_set(&channel->name, name, size);
}

/* The result of the request that the channel runs.  0 or -ENOMEM. */
static int take_result(struct vmport_state *state, struct vmport_channel *channel, u32 size)
{
	struct vmport_request *result;

	if (!channel->request) {
		take_name(channel, size);
		return 0;
	}

	result = vmport_request_alloc(channel->request->id, size);
	if (!result)
		return -ENOMEM;
	result->name = channel->request->name;
	/* An empty one has no buffer to be copied from. */
	if (size)
		memcpy(result->data, channel->send, size);
	vmport_request_free(channel->request);
	channel->request = NULL;
	vmport_tclo_finish(&state->tclo, result);
	return 0;
}

/**
 * vmport_message_complete() - a whole message from the guest is there
 * @call: the call that brought its end
 * @channel: owned by the caller, the message is at @channel->send
 * @size: bytes of it
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM; then nothing has changed.
 */
int vmport_message_complete(struct vmport_call *call, struct vmport_channel *channel, u32 size)
{
	if (channel->protocol == VMPORT_PROTOCOL_RPCI) {
		channel->activity = VMPORT_IDLE;
		if (vmport_rpci(call, channel->send, size, &channel->reply) ||
		    !vmport_ask(call, channel, size))
			vmport_channel_wait(channel);
	} else if (vmport_channel_is_running(channel)) {
		if (take_result(call->state, channel, size))
			return -ENOMEM;
		channel->activity = VMPORT_IDLE;
	} else if (vmport_channel_is_waiting(channel)) {
		/* A result to nothing, as the first of every TCLO channel is. */
		channel->activity = VMPORT_WAITING;
	} else {
		channel->activity = VMPORT_IDLE;
	}

	if (channel->activity != VMPORT_ASKING)
		vmport_channel_trim(channel);
	return 0;
}

static enum vmport_result message_sendsize(struct vmport_call *call,
					   struct vmport_channel *channel)
{
	u32 size = call->regs.bx;

	if (size > KVM_VMPORT_MAX_MESSAGE)
		return done(call, VMPORT_STATUS_FAIL);

	if (call->atomic && (!size || size > channel->send_room))
		return VMPORT_NEEDS_SLEEP;

	/* Never no buffer at all: an empty message has an address too. */
	if (vmport_channel_make_room(channel, size ?: 1))
		return done(call, VMPORT_STATUS_FAIL);

	if (!size) {
		if (vmport_message_complete(call, channel, 0))
			return done(call, VMPORT_STATUS_FAIL);
		return done(call, VMPORT_STATUS_SUCCESS);
	}

	if (vmport_channel_is_running(channel))
		channel->activity = VMPORT_RUNNING_SENDING;
	else if (vmport_channel_is_waiting(channel) && channel->protocol == VMPORT_PROTOCOL_TCLO)
		channel->activity = VMPORT_WAITING_SENDING;
	else
		/* A reply that the guest has left is no longer asked for. */
		channel->activity = VMPORT_SENDING;
	channel->send_size = size;
	channel->send_done = 0;
	return done(call, VMPORT_STATUS_SUCCESS | hb_status(call));
}

static enum vmport_result message_sendpayload(struct vmport_call *call,
					      struct vmport_channel *channel)
{
	__le32 word = cpu_to_le32(call->regs.bx);
	u32 left, size;

	if (!vmport_channel_is_sending(channel))
		return done(call, VMPORT_STATUS_FAIL);

	left = channel->send_size - channel->send_done;
	size = min_t(u32, left, sizeof(word));
	if (call->atomic && (size == left || !channel->send))
		return VMPORT_NEEDS_SLEEP;
	/* The high-bandwidth port may have the buffer, for another vCPU. */
	if (vmport_channel_make_room(channel, channel->send_size))
		return done(call, VMPORT_STATUS_FAIL);

	memcpy(channel->send + channel->send_done, &word, size);
	if (size == left && vmport_message_complete(call, channel, channel->send_size))
		return done(call, VMPORT_STATUS_FAIL);

	channel->send_done += size;
	return done(call, VMPORT_STATUS_SUCCESS);
}

static enum vmport_result message_recvsize(struct vmport_call *call,
					   struct vmport_channel *channel)
{
	struct vmport_tclo *tclo = &call->state->tclo;

	if (channel->protocol == VMPORT_PROTOCOL_TCLO && !vmport_channel_is_waiting(channel) &&
	    !vmport_channel_is_running(channel) && vmport_tclo_pending(tclo)) {
		if (call->atomic)
			return VMPORT_NEEDS_SLEEP;
		channel->request = vmport_tclo_take(tclo, &channel->name);
		if (channel->request)
			vmport_channel_wait(channel);
	}

	if (channel->activity == VMPORT_ASKING) {
		if (call->atomic)
			return VMPORT_NEEDS_SLEEP;
		/* The VMM has entered the guest without a reply. */
		vmport_ask_end(channel);
	}

	if (!vmport_channel_is_waiting(channel))
		return done(call, VMPORT_STATUS_SUCCESS);
	if (!vmport_channel_can_receive(channel, call))
		return done(call, VMPORT_STATUS_FAIL);

	channel->recv_done = 0;
	call->regs.bx = vmport_channel_recv_size(channel);
	set_dx(call, MESSAGE_SENDSIZE);
	return done(call, VMPORT_STATUS_SUCCESS | VMPORT_STATUS_DORECV | hb_status(call));
}

/* What the guest says of the message that it receives; its other bits don't count. */
static bool is_received(const struct vmport_call *call)
{
	return call->regs.bx & VMPORT_STATUS_SUCCESS;
}

static enum vmport_result message_recvpayload(struct vmport_call *call,
					      struct vmport_channel *channel)
{
	__le32 word = 0;
	u32 size;

	if (!vmport_channel_can_receive(channel, call))
		return done(call, VMPORT_STATUS_FAIL);

	/* The guest gives up: it may begin again. */
	if (!is_received(call)) {
		channel->recv_done = 0;
		return done(call, VMPORT_STATUS_SUCCESS);
	}

	size = min_t(u32, vmport_channel_recv_size(channel) - channel->recv_done,
		     sizeof(word));
	memcpy(&word, vmport_channel_recv_data(channel) + channel->recv_done, size);
	channel->recv_done += size;
	call->regs.bx = le32_to_cpu(word);
	set_dx(call, MESSAGE_SENDPAYLOAD);
	return done(call, VMPORT_STATUS_SUCCESS);
}

static enum vmport_result message_recvstatus(struct vmport_call *call,
					     struct vmport_channel *channel)
{
	bool is_sending = vmport_channel_is_sending(channel);

	if (!vmport_channel_can_receive(channel, call))
		return done(call, VMPORT_STATUS_FAIL);

	if (channel->request && !is_received(call)) {
		if (call->atomic)
			return VMPORT_NEEDS_SLEEP;
		lose_request(call->state, channel);
	}

	if (is_received(call) && channel->protocol == VMPORT_PROTOCOL_TCLO)
		channel->activity = is_sending ? VMPORT_RUNNING_SENDING : VMPORT_RUNNING;
	else
		channel->activity = is_sending ? VMPORT_SENDING : VMPORT_IDLE;
	return done(call, VMPORT_STATUS_SUCCESS);
}

static enum vmport_result message_close(struct vmport_call *call,
					struct vmport_channel *channel)
{
	if (call->atomic)
		return VMPORT_NEEDS_SLEEP;

	close_channel(call->state, channel);
	return done(call, VMPORT_STATUS_SUCCESS);
}

static bool may_use(const struct vmport_call *call, const struct vmport_channel *channel)
{
	return channel->activity != VMPORT_CLOSED &&
	       (!channel->has_cookie || (call->regs.si == channel->cookie_high &&
					 call->regs.di == channel->cookie_low));
}

static enum vmport_result run_request(struct vmport_call *call, struct vmport_channel *channel)
{
	switch (call->regs.cx >> 16) {
	case MESSAGE_SENDSIZE:
		return message_sendsize(call, channel);
	case MESSAGE_SENDPAYLOAD:
		return message_sendpayload(call, channel);
	case MESSAGE_RECVSIZE:
		return message_recvsize(call, channel);
	case MESSAGE_RECVPAYLOAD:
		return message_recvpayload(call, channel);
	case MESSAGE_RECVSTATUS:
		return message_recvstatus(call, channel);
	case MESSAGE_CLOSE:
		return message_close(call, channel);
	default:
		return done(call, VMPORT_STATUS_FAIL);
	}
}

/* A request on a channel that the caller owns. */
static enum vmport_result message_request(struct vmport_call *call,
					  struct vmport_channel *channel)
{
	enum vmport_result result;

	if (!may_use(call, channel))
		return done(call, VMPORT_STATUS_FAIL);

	result = run_request(call, channel);
	/* Who only fails does not use it. */
	if (result == VMPORT_DONE && call->regs.cx >> 16 != VMPORT_STATUS_FAIL)
		vmport_channel_touch(channel);
	return result;
}

static struct vmport_channel *find_channel(const struct vmport_call *call)
{
	u32 id = call->regs.dx >> 16;

	if (id >= KVM_VMPORT_MAX_CHANNELS)
		return NULL;

	return vmport_channel_at(call->state, array_index_nospec(id, KVM_VMPORT_MAX_CHANNELS));
}

/**
 * vmport_channel_get() - own the channel that a call names
 * @call: its id in EDX bits 16..31, its cookie in ESI and EDI
 *
 * Context: may sleep.
 * Return: the open channel, for vmport_channel_disown() in the end; NULL when
 * there is none or the cookie is wrong.
 */
struct vmport_channel *vmport_channel_get(const struct vmport_call *call)
{
	struct vmport_channel *channel = find_channel(call);

	if (!channel)
		return NULL;

	vmport_channel_own(channel);
	if (may_use(call, channel))
		return channel;

	vmport_channel_disown(channel);
	return NULL;
}

/**
 * vmport_message() - the MESSAGE command
 * @call: the request in ECX bits 16..31, for all but OPEN the channel in EDX
 *	bits 16..31 and its cookie in ESI and EDI
 *
 * Two vCPUs on two channels share no lock here.
 *
 * Context: any when @call->atomic, else may sleep.
 * Return: VMPORT_DONE, or VMPORT_NEEDS_SLEEP when @call->atomic.
 */
enum vmport_result vmport_message(struct vmport_call *call)
{
	struct vmport_channel *channel;
	enum vmport_result result;

	if (call->regs.cx >> 16 == MESSAGE_OPEN)
		return message_open(call);

	channel = find_channel(call);
	if (!channel)
		return done(call, VMPORT_STATUS_FAIL);

	if (call->atomic) {
		raw_spin_lock(&channel->lock);
		result = channel->busy ? VMPORT_NEEDS_SLEEP : message_request(call, channel);
		raw_spin_unlock(&channel->lock);
	} else {
		vmport_channel_own(channel);
		result = message_request(call, channel);
		vmport_channel_disown(channel);
	}
	return result;
}

/**
 * vmport_channels_reset() - close all channels, as the guest's CLOSE does
 * @state: vCPUs may be using it; what they open meanwhile may stay
 *
 * Context: may sleep.
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
			close_channel(state, channel);
		vmport_channel_disown(channel);
	}
}

/**
 * vmport_channel_forget_request() - the VMM does not want to hear of a request any more
 * @state: of the channel
 * @channel: owned by the caller; holds the request
 *
 * For the guest nothing changes.  Its answer goes nowhere.
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM; then nothing has changed.
 */
int vmport_channel_forget_request(struct vmport_state *state, struct vmport_channel *channel)
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
	vmport_tclo_forget(&state->tclo, request);
	return 0;
}

/**
 * vmport_channels_own() - become the owner of all channels
 * @state: vCPUs may be using it
 *
 * Nothing moves then between channels, queue and results, but for what the VMM does.
 *
 * Context: may sleep; for vmport_channels_disown().
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

/**
 * vmport_channels_tclo() - how many TCLO channels are open
 * @state: vCPUs may be using it
 *
 * Context: may sleep.
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
