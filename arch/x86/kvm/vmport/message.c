// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MESSAGE command: GuestRPC over the registers.  The requests, their registers and
 * status bits are those of open-vm-tools (lib/message, lib/include/guest_msg_def.h).
 *
 * Every request either succeeds or changes nothing: neither the channel nor a
 * register but the status.
 */
#include <linux/kernel.h>
#include <linux/random.h>
#include <linux/string.h>

#include "ask.h"
#include "channels.h"
#include "count.h"
#include "message.h"
#include "rpci.h"
#include "vmport_trace.h"

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

/* The low half is 0, and all of it when the request failed: clients compare it whole. */
static enum vmport_result vmport_message_end_request(struct vmport_call *call, u16 status)
{
	call->regs.cx = (u32)status << 16;
	if (!(status & VMPORT_STATUS_SUCCESS))
		vmport_count(call->vcpu, VMPORT_COUNT_FAILED_CALLS, 1);
	return VMPORT_DONE;
}

static void vmport_set_dx(struct vmport_call *call, u16 value)
{
	call->regs.dx = (u32)value << 16;
}

/* The payload that follows may go over the high-bandwidth port. */
static u16 vmport_hb_status(const struct vmport_call *call)
{
	return !call->no_hb && vmport_has_feature(call->config, KVM_VMPORT_FEATURE_HB) ?
	       VMPORT_STATUS_HB : 0;
}

static enum vmport_result vmport_message_open(struct vmport_call *call)
{
	u32 protocol = call->regs.bx & ~OPEN_FLAG_COOKIE;
	bool has_cookie = call->regs.bx & OPEN_FLAG_COOKIE;
	struct vmport_state *state = call->state;
	struct vmport_channel *channel;
	u32 cookie[2] = { };
	u16 id;

	if (protocol != VMPORT_PROTOCOL_RPCI && protocol != VMPORT_PROTOCOL_TCLO)
		return vmport_message_end_request(call, VMPORT_STATUS_FAIL);
	if (call->atomic)
		return VMPORT_NEEDS_SLEEP;

	/* Not a counter: a process must not guess another's. */
	if (has_cookie)
		get_random_bytes(cookie, sizeof(cookie));

	mutex_lock(&state->open_lock);
	channel = vmport_channels_own_to_open(call, &id);
	if (!channel) {
		mutex_unlock(&state->open_lock);
		return vmport_message_end_request(call, VMPORT_STATUS_FAIL);
	}

	if (channel->activity != VMPORT_CLOSED)
		vmport_channel_close(&state->tclo, channel);
	channel->has_cookie = has_cookie;
	channel->cookie_high = cookie[0];
	channel->cookie_low = cookie[1];
	channel->protocol = protocol;
	channel->name.size = 0;
	vmport_gauge_add(state->events, VMPORT_GAUGE_CHANNELS, 1);
	vmport_channel_touch(channel);
	if (protocol == VMPORT_PROTOCOL_TCLO) {
		vmport_reply_text(&channel->reply, "reset");
		vmport_channel_wait(channel);
	} else {
		channel->activity = VMPORT_IDLE;
	}
	vmport_channel_disown(channel);
	mutex_unlock(&state->open_lock);

	vmport_set_dx(call, id);
	if (has_cookie) {
		call->regs.si = cookie[0];
		call->regs.di = cookie[1];
	}
	return vmport_message_end_request(call, VMPORT_STATUS_SUCCESS);
}

/* The answer to "reset" says who polls here: "OK ATR toolbox". */
static void vmport_message_take_name(struct vmport_channel *channel, u32 size)
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
static int vmport_message_take_result(struct vmport_state *state, struct vmport_channel *channel,
				      u32 size)
{
	struct vmport_request *result;

	if (channel->is_cancelled) {
		channel->is_cancelled = false;
		return 0;
	}
	if (!channel->request) {
		vmport_message_take_name(channel, size);
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

/* An RPCI message from the guest is there.  Returns who answers: VMPORT_ANSWER_*. */
static unsigned int vmport_message_answer(struct vmport_call *call, struct vmport_channel *channel,
					  u32 size)
{
	const struct vmport_reply *reply = &channel->reply;
	bool is_kernels;

	/* Not only who sends its end must be: others can use a channel too. */
	call->is_privileged &= channel->send_is_privileged;
	channel->activity = VMPORT_IDLE;
	is_kernels = vmport_rpci(call, channel->send, size, &channel->reply);
	if (!is_kernels && vmport_ask(call, channel, size)) {
		vmport_count(call->vcpu, VMPORT_COUNT_RPCS_VMM, 1);
		return VMPORT_ANSWER_VMM;
	}

	vmport_channel_wait(channel);
	if (!is_kernels && *vmport_reply_data(reply) != '1') {
		vmport_count(call->vcpu, VMPORT_COUNT_RPCS_UNKNOWN, 1);
		return VMPORT_ANSWER_UNKNOWN;
	}
	vmport_count(call->vcpu, VMPORT_COUNT_RPCS_KERNEL, 1);
	return is_kernels ? VMPORT_ANSWER_KERNEL : VMPORT_ANSWER_REPORT;
}

/*
 * A whole message from the guest is there.
 * @call: the call that brought its end
 * @channel: owned by the caller, the message is at @channel->send
 *
 * Returns 0 or -ENOMEM; then nothing has changed.  May sleep.
 */
int vmport_message_complete(struct vmport_call *call, struct vmport_channel *channel, u32 size)
{
	unsigned int answer = VMPORT_ANSWER_NONE;

	call->copies = true;
	if (channel->protocol == VMPORT_PROTOCOL_RPCI) {
		answer = vmport_message_answer(call, channel, size);
	} else if (vmport_channel_is_running(channel)) {
		if (channel->request)
			answer = VMPORT_ANSWER_RESULT;
		else if (!channel->is_cancelled)
			answer = VMPORT_ANSWER_NAME;
		if (vmport_message_take_result(call->state, channel, size))
			return -ENOMEM;
		channel->activity = VMPORT_IDLE;
	} else if (vmport_channel_is_waiting(channel)) {
		/* A result to nothing, as the first of every TCLO channel is. */
		channel->activity = VMPORT_WAITING;
	} else {
		channel->activity = VMPORT_IDLE;
	}

	vmport_count(call->vcpu, VMPORT_COUNT_GUEST_MESSAGES, 1);
	vmport_count(call->vcpu, VMPORT_COUNT_GUEST_BYTES, size);
	trace_kvm_vmport_message(call, channel, size, answer);
	trace_kvm_vmport_data(VMPORT_DATA_MESSAGE, channel->send, size);
	if (answer <= VMPORT_ANSWER_UNKNOWN)
		trace_kvm_vmport_data(VMPORT_DATA_REPLY, vmport_reply_data(&channel->reply),
				      channel->reply.size);
	if (answer != VMPORT_ANSWER_VMM)
		vmport_channel_trim(channel);
	return 0;
}

static enum vmport_result vmport_message_sendsize(struct vmport_call *call,
						  struct vmport_channel *channel)
{
	u32 size = call->regs.bx;

	if (size > KVM_VMPORT_MAX_MESSAGE)
		return vmport_message_end_request(call, VMPORT_STATUS_FAIL);

	if (call->atomic && (!size || size > channel->send_room))
		return VMPORT_NEEDS_SLEEP;

	/* Never no buffer at all: an empty message has an address too. */
	if (vmport_channel_make_room(channel, size ?: 1))
		return vmport_message_end_request(call, VMPORT_STATUS_FAIL);

	channel->send_is_privileged = call->is_privileged;
	if (!size) {
		if (vmport_message_complete(call, channel, 0))
			return vmport_message_end_request(call, VMPORT_STATUS_FAIL);
		return vmport_message_end_request(call, VMPORT_STATUS_SUCCESS);
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
	return vmport_message_end_request(call, VMPORT_STATUS_SUCCESS | vmport_hb_status(call));
}

static enum vmport_result vmport_message_sendpayload(struct vmport_call *call,
						     struct vmport_channel *channel)
{
	__le32 word = cpu_to_le32(call->regs.bx);
	u32 left, size;

	if (!vmport_channel_is_sending(channel))
		return vmport_message_end_request(call, VMPORT_STATUS_FAIL);

	left = channel->send_size - channel->send_done;
	size = min_t(u32, left, sizeof(word));
	if (call->atomic && (size == left || !channel->send))
		return VMPORT_NEEDS_SLEEP;
	/* The high-bandwidth port may have the buffer, for another vCPU. */
	if (vmport_channel_make_room(channel, channel->send_size))
		return vmport_message_end_request(call, VMPORT_STATUS_FAIL);

	memcpy(channel->send + channel->send_done, &word, size);
	if (size == left && vmport_message_complete(call, channel, channel->send_size))
		return vmport_message_end_request(call, VMPORT_STATUS_FAIL);

	channel->send_done += size;
	channel->send_is_privileged &= call->is_privileged;
	return vmport_message_end_request(call, VMPORT_STATUS_SUCCESS);
}

static enum vmport_result vmport_message_recvsize(struct vmport_call *call,
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
		trace_kvm_vmport_rpc(channel, VMPORT_RPC_WITHDRAWN);
		vmport_ask_end(channel);
	}

	if (!vmport_channel_is_waiting(channel))
		return vmport_message_end_request(call, VMPORT_STATUS_SUCCESS);
	if (!vmport_channel_can_receive(channel, call))
		return vmport_message_end_request(call, VMPORT_STATUS_FAIL);

	channel->recv_done = 0;
	call->regs.bx = vmport_channel_recv_size(channel);
	vmport_set_dx(call, MESSAGE_SENDSIZE);
	return vmport_message_end_request(call, VMPORT_STATUS_SUCCESS | VMPORT_STATUS_DORECV |
					      vmport_hb_status(call));
}

/* What the guest says of the message that it receives; its other bits don't count. */
static bool vmport_message_is_received(const struct vmport_call *call)
{
	return call->regs.bx & VMPORT_STATUS_SUCCESS;
}

static enum vmport_result vmport_message_recvpayload(struct vmport_call *call,
						     struct vmport_channel *channel)
{
	__le32 word = 0;
	u32 size;

	if (!vmport_channel_can_receive(channel, call))
		return vmport_message_end_request(call, VMPORT_STATUS_FAIL);

	/* The guest gives up: it may begin again. */
	if (!vmport_message_is_received(call)) {
		channel->recv_done = 0;
		return vmport_message_end_request(call, VMPORT_STATUS_SUCCESS);
	}

	size = min_t(u32, vmport_channel_recv_size(channel) - channel->recv_done,
		     sizeof(word));
	memcpy(&word, vmport_channel_recv_data(channel) + channel->recv_done, size);
	channel->recv_done += size;
	call->regs.bx = le32_to_cpu(word);
	vmport_set_dx(call, MESSAGE_SENDPAYLOAD);
	return vmport_message_end_request(call, VMPORT_STATUS_SUCCESS);
}

static enum vmport_result vmport_message_recvstatus(struct vmport_call *call,
						    struct vmport_channel *channel)
{
	bool is_sending = vmport_channel_is_sending(channel);

	if (!vmport_channel_can_receive(channel, call))
		return vmport_message_end_request(call, VMPORT_STATUS_FAIL);

	if (!vmport_message_is_received(call)) {
		if (channel->request && call->atomic)
			return VMPORT_NEEDS_SLEEP;
		vmport_channel_lose_request(&call->state->tclo, channel);
	}

	if (vmport_message_is_received(call)) {
		vmport_count(call->vcpu, VMPORT_COUNT_HOST_MESSAGES, 1);
		vmport_count(call->vcpu, VMPORT_COUNT_HOST_BYTES,
			     vmport_channel_recv_size(channel));
	}
	if (vmport_message_is_received(call) && channel->protocol == VMPORT_PROTOCOL_TCLO)
		channel->activity = is_sending ? VMPORT_RUNNING_SENDING : VMPORT_RUNNING;
	else
		channel->activity = is_sending ? VMPORT_SENDING : VMPORT_IDLE;
	return vmport_message_end_request(call, VMPORT_STATUS_SUCCESS);
}

static enum vmport_result vmport_message_close(struct vmport_call *call,
					       struct vmport_channel *channel)
{
	if (call->atomic)
		return VMPORT_NEEDS_SLEEP;

	vmport_channel_close(&call->state->tclo, channel);
	return vmport_message_end_request(call, VMPORT_STATUS_SUCCESS);
}

static enum vmport_result vmport_run_request(struct vmport_call *call,
					     struct vmport_channel *channel)
{
	switch (call->regs.cx >> 16) {
	case MESSAGE_SENDSIZE:
		return vmport_message_sendsize(call, channel);
	case MESSAGE_SENDPAYLOAD:
		return vmport_message_sendpayload(call, channel);
	case MESSAGE_RECVSIZE:
		return vmport_message_recvsize(call, channel);
	case MESSAGE_RECVPAYLOAD:
		return vmport_message_recvpayload(call, channel);
	case MESSAGE_RECVSTATUS:
		return vmport_message_recvstatus(call, channel);
	case MESSAGE_CLOSE:
		return vmport_message_close(call, channel);
	default:
		return vmport_message_end_request(call, VMPORT_STATUS_FAIL);
	}
}

/* A request on a channel that the caller owns. */
static enum vmport_result vmport_message_request(struct vmport_call *call,
						 struct vmport_channel *channel)
{
	enum vmport_result result;

	if (!vmport_channel_may_use(call, channel))
		return vmport_message_end_request(call, VMPORT_STATUS_FAIL);

	result = vmport_run_request(call, channel);
	/* Who only fails does not use it. */
	if (result == VMPORT_DONE && call->regs.cx >> 16 != VMPORT_STATUS_FAIL)
		vmport_channel_touch(channel);
	return result;
}

/*
 * The MESSAGE command.
 * @call: the request in ECX bits 16..31, for all but OPEN the channel in EDX bits 16..31
 *	and its cookie in ESI and EDI
 *
 * Two vCPUs on two channels share no lock here.
 *
 * Returns VMPORT_DONE, or VMPORT_NEEDS_SLEEP when @call->atomic.  In any context when
 * @call->atomic, else may sleep.
 */
enum vmport_result vmport_message(struct vmport_call *call)
{
	struct vmport_channel *channel;
	enum vmport_result result;

	if (call->regs.cx >> 16 == MESSAGE_OPEN)
		return vmport_message_open(call);

	channel = vmport_channels_find(call);
	if (!channel)
		return vmport_message_end_request(call, VMPORT_STATUS_FAIL);

	if (call->atomic) {
		raw_spin_lock(&channel->lock);
		result = channel->busy ? VMPORT_NEEDS_SLEEP : vmport_message_request(call, channel);
		raw_spin_unlock(&channel->lock);
	} else {
		vmport_channel_own(channel);
		result = vmport_message_request(call, channel);
		vmport_channel_disown(channel);
	}
	return result;
}
