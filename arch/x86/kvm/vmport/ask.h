/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_ASK_H
#define _VMPORT_ASK_H

#include "channel.h"

/*
 * A message that waits for the VMM's reply.
 *
 * @id: its number
 * @size: bytes
 * @channel: where it came from
 * @is_privileged: no unprivileged caller has sent any of it
 * @data: its bytes, for kvfree(); or NULL
 */
struct vmport_asked {
	u64 id;
	u32 size;
	u16 channel;
	bool is_privileged;
	u8 *data;
};

/* KVM_VMPORT_SENDER_* of a message. */
static inline u32 vmport_asked_sender(const struct vmport_asked *asked)
{
	return asked->is_privileged ? KVM_VMPORT_SENDER_PRIVILEGED : 0;
}

/* What becomes of it, in the event kvm_vmport_rpc. */
#define VMPORT_RPC_ASKED	0
#define VMPORT_RPC_TOLD		1	/* the VMM has its exit */
#define VMPORT_RPC_REPLIED	2
#define VMPORT_RPC_WITHDRAWN	3	/* the guest did not wait */

bool vmport_ask(struct vmport_call *call, struct vmport_channel *channel, u32 size);
void vmport_ask_end(struct vmport_channel *channel);
bool vmport_ask_next(struct vmport_state *state, const void *vcpu, struct vmport_asked *asked,
		     bool *more);
int vmport_ask_read(struct vmport_state *state, u64 id, bool next, u32 room,
		    struct vmport_asked *asked);
int vmport_ask_answer(struct vmport_state *state, u64 id, const u8 *data, u32 size);

#endif /* _VMPORT_ASK_H */
