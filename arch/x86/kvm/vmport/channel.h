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
#include "rpci.h"
#include "tclo.h"

#define VMPORT_PROTOCOL_RPCI	0x49435052	/* "RPCI" */
#define VMPORT_PROTOCOL_TCLO	0x4f4c4354	/* "TCLO" */

/* Status of a request, bits 16..31.  Without SUCCESS it is a failure. */
#define VMPORT_STATUS_FAIL	0x00
#define VMPORT_STATUS_SUCCESS	0x01
#define VMPORT_STATUS_DORECV	0x02
#define VMPORT_STATUS_HB	0x80	/* the payload may go by port 0x5659 */

/**
 * struct vmport_channel - one GuestRPC channel
 * @owner_lock: held by whoever may sleep while it owns the channel
 * @lock: held by an owner that may not sleep, and to change @busy
 * @busy: an owner that may sleep is at work; atomic callers must come again
 * @open: the guest has it open; nothing below counts otherwise
 * @has_cookie: the guest must show @cookie_high and @cookie_low
 * @sending: a message from the guest has begun
 * @receiving: a message waits for the guest
 * @running: TCLO: the guest has taken a request, its next message is the result
 * @asking: RPCI: the message at @send waits for the VMM's reply; what the guest
 *	gets without one stands in @reply
 * @messages: that the guest has sent, 0, 1, or 2 for more
 * @protocol: VMPORT_PROTOCOL_*
 * @send_size: bytes of the message from the guest
 * @send_done: bytes of it that came
 * @send_room: bytes allocated at @send
 * @recv_done: bytes that the guest has read
 * @used: when the guest last used it, in jiffies; 1 to 128 where that was before
 *	the state was loaded, in that order, or 0
 * @ask_id: number of the message while @asking
 * @asker: vCPU that has sent it, until the VMM was told; only compared
 * @send: message from the guest; may be NULL while none of it came, see hb.c
 * @reply: RPCI, and "reset" on TCLO: message to the guest
 * @request: TCLO: request given to the guest or run by it; NULL: "reset"
 *
 * Once made, a channel stays until its VM's state goes: CLOSE only frees what
 * it holds.  So a pointer from the table is good for as long as the state is.
 */
struct vmport_channel {
	struct mutex owner_lock;	/* owners that may sleep */
	raw_spinlock_t lock;		/* owners that may not, and @busy */
	bool busy;
	bool open;
	bool has_cookie;
	bool sending;
	bool receiving;
	bool running;
	bool asking;
	u8 messages;
	u32 protocol;
	u32 cookie_high;
	u32 cookie_low;
	u32 send_size;
	u32 send_done;
	u32 send_room;
	u32 recv_done;
	u64 used;
	u64 ask_id;
	const void *asker;
	u8 *send;
	struct vmport_request *request;
	struct vmport_reply reply;
} ____cacheline_aligned_in_smp;	/* two vCPUs on two channels share no line */

static inline const u8 *vmport_channel_recv_data(const struct vmport_channel *channel)
{
	return channel->request ? channel->request->data : vmport_reply_data(&channel->reply);
}

static inline u32 vmport_channel_recv_size(const struct vmport_channel *channel)
{
	return channel->request ? channel->request->size : channel->reply.size;
}

/* The guest uses it.  The caller owns it; any context, no shared cache line. */
static inline void vmport_channel_touch(struct vmport_channel *channel)
{
	WRITE_ONCE(channel->used, get_jiffies_64());
}

struct vmport_channel *vmport_channel_alloc(void);
void vmport_channel_free(struct vmport_channel *channel);
void vmport_channel_own(struct vmport_channel *channel);
void vmport_channel_disown(struct vmport_channel *channel);
int vmport_channel_make_room(struct vmport_channel *channel, u32 size);
struct vmport_channel *vmport_channel_get(const struct vmport_call *call);
int vmport_message_complete(struct vmport_call *call, struct vmport_channel *channel, u32 size);
void vmport_channel_trim(struct vmport_channel *channel);
void vmport_channels_reset(struct vmport_state *state);
u32 vmport_channels_tclo(struct vmport_state *state);
enum vmport_result vmport_message(struct vmport_call *call);

#endif /* _VMPORT_CHANNEL_H */
