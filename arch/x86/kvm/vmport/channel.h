/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_CHANNEL_H
#define _VMPORT_CHANNEL_H

#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/jiffies.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "call.h"
#include "reply.h"
#include "tclo.h"

#define VMPORT_PROTOCOL_RPCI	0x49435052	/* "RPCI" */
#define VMPORT_PROTOCOL_TCLO	0x4f4c4354	/* "TCLO" */

/* Status of a request, bits 16..31.  Without SUCCESS it is a failure. */
#define VMPORT_STATUS_FAIL	0x00
#define VMPORT_STATUS_SUCCESS	0x01
#define VMPORT_STATUS_DORECV	0x02
#define VMPORT_STATUS_HB	0x80	/* the payload may go by port 0x5659 */

/*
 * What goes on in a channel.
 *
 * @VMPORT_CLOSED: nothing; no other field counts
 * @VMPORT_IDLE: nothing
 * @VMPORT_SENDING: a message from the guest has begun
 * @VMPORT_WAITING: a message waits for the guest
 * @VMPORT_WAITING_SENDING: TCLO: both
 * @VMPORT_RUNNING: TCLO: the guest has taken a request, its next message is the result
 * @VMPORT_RUNNING_SENDING: TCLO: the result has begun
 * @VMPORT_ASKING: RPCI: the message at @send waits for the VMM's reply; what the guest
 *	gets without one stands in @reply
 */
enum vmport_activity {
	VMPORT_CLOSED,
	VMPORT_IDLE,
	VMPORT_SENDING,
	VMPORT_WAITING,
	VMPORT_WAITING_SENDING,
	VMPORT_RUNNING,
	VMPORT_RUNNING_SENDING,
	VMPORT_ASKING,
};

/*
 * One GuestRPC channel.
 *
 * @owner_lock: held by whoever may sleep while it owns the channel
 * @lock: held by an owner that may not sleep, and to change @busy
 * @busy: an owner that may sleep is at work; atomic callers must come again
 * @has_cookie: the guest must show @cookie_high and @cookie_low
 * @activity: what goes on; read without owning the channel to see whether it is open
 * @protocol: VMPORT_PROTOCOL_*
 * @send_size: bytes of the message from the guest
 * @send_done: bytes of it that came
 * @send_room: bytes allocated at @send
 * @is_cancelled: TCLO: the request that waits or runs, without @request, is one of which the
 *	VMM does not want to hear any more; else it is "reset"
 * @send_is_privileged: RPCI: no unprivileged caller has sent any of the message, that which
 *	asks included
 * @recv_done: bytes that the guest has read
 * @used: when the guest last used it, in steps of a tick
 * @ask_id: number of the message while asking, as the VMM knows it
 * @saved_ask_id: the same in a blob: what it was loaded with, so that it is saved as it came
 * @asker: vCPU that has sent it, until the VMM was told; only compared
 * @send: message from the guest; may be NULL while none of it came, see hb.c
 * @reply: RPCI, and "reset" on TCLO: message to the guest
 * @request: TCLO: request given to the guest or run by it; NULL: "reset", or cancelled
 * @name: TCLO: what the guest calls itself; requests are for a name
 *
 * Once made, a channel stays until its VM's state goes: CLOSE only frees what it holds.
 * So a pointer from the table is good for as long as the state is.
 */
struct vmport_channel {
	struct mutex owner_lock;	/* owners that may sleep */
	raw_spinlock_t lock;		/* owners that may not, and @busy */
	bool busy;
	bool has_cookie;
	bool is_cancelled;
	bool send_is_privileged;
	enum vmport_activity activity;
	u32 protocol;
	u32 cookie_high;
	u32 cookie_low;
	u32 send_size;
	u32 send_done;
	u32 send_room;
	u32 recv_done;
	u64 used;
	u64 ask_id;
	u64 saved_ask_id;
	const void *asker;
	u8 *send;
	struct vmport_request *request;
	struct vmport_reply reply;
	struct vmport_name name;
} ____cacheline_aligned_in_smp;	/* two vCPUs on two channels share no line */

static inline bool vmport_channel_is_open(const struct vmport_channel *channel)
{
	return READ_ONCE(channel->activity) != VMPORT_CLOSED;
}

static inline bool vmport_channel_is_sending(const struct vmport_channel *channel)
{
	return channel->activity == VMPORT_SENDING ||
	       channel->activity == VMPORT_WAITING_SENDING ||
	       channel->activity == VMPORT_RUNNING_SENDING;
}

static inline bool vmport_channel_is_waiting(const struct vmport_channel *channel)
{
	return channel->activity == VMPORT_WAITING ||
	       channel->activity == VMPORT_WAITING_SENDING;
}

/* May the caller have the message that waits? */
static inline bool vmport_channel_can_receive(const struct vmport_channel *channel,
					      const struct vmport_call *call)
{
	return vmport_channel_is_waiting(channel) &&
	       (call->is_privileged || !channel->reply.is_privileged);
}

static inline bool vmport_channel_is_running(const struct vmport_channel *channel)
{
	return channel->activity == VMPORT_RUNNING ||
	       channel->activity == VMPORT_RUNNING_SENDING;
}

static inline const u8 *vmport_channel_recv_data(const struct vmport_channel *channel)
{
	return channel->request ? channel->request->data : vmport_reply_data(&channel->reply);
}

static inline u32 vmport_channel_recv_size(const struct vmport_channel *channel)
{
	return channel->request ? channel->request->size : channel->reply.size;
}

/*
 * What a channel calls itself, if a blob says nothing: once it has answered "reset",
 * it is the one that there always was.
 */
static inline const struct vmport_name *
vmport_channel_default_name(const struct vmport_channel *channel)
{
	static const struct vmport_name none;

	if (channel->protocol != VMPORT_PROTOCOL_TCLO ||
	    (!channel->request && (vmport_channel_is_waiting(channel) ||
				   vmport_channel_is_running(channel))))
		return &none;
	return &vmport_toolbox;
}

/* A tick has as many steps, so that channels that were loaded together keep their order. */
#define VMPORT_STEPS		KVM_VMPORT_MAX_CHANNELS

/* As of struct vmport_channel.used. */
static inline u64 vmport_now(void)
{
	return get_jiffies_64() * VMPORT_STEPS;
}

/* The guest uses it.  The caller owns it; any context, no shared cache line. */
static inline void vmport_channel_touch(struct vmport_channel *channel)
{
	WRITE_ONCE(channel->used, vmport_now());
}

/* A message waits for the guest, from its first byte on.  The caller owns the channel. */
static inline void vmport_channel_wait(struct vmport_channel *channel)
{
	channel->activity = vmport_channel_is_sending(channel) ? VMPORT_WAITING_SENDING :
								 VMPORT_WAITING;
	channel->recv_done = 0;
}

struct vmport_channel *vmport_channel_alloc(void);
void vmport_channel_free(struct vmport_channel *channel);
void vmport_channel_own(struct vmport_channel *channel);
void vmport_channel_own_nested(struct vmport_channel *channel, struct mutex *outer);
void vmport_channel_disown(struct vmport_channel *channel);
int vmport_channel_make_room(struct vmport_channel *channel, u32 size);
void vmport_channel_trim(struct vmport_channel *channel);
void vmport_channel_lose_request(struct vmport_tclo *tclo, struct vmport_channel *channel);
void vmport_channel_close(struct vmport_tclo *tclo, struct vmport_channel *channel);
int vmport_channel_forget_request(struct vmport_tclo *tclo, struct vmport_channel *channel);

#endif /* _VMPORT_CHANNEL_H */
