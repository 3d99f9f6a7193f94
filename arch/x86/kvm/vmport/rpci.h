/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_RPCI_H
#define _VMPORT_RPCI_H

#include <linux/types.h>

#include "call.h"

/* Holds every reply that is not a guestinfo value. */
#define VMPORT_REPLY_INLINE	64

/**
 * struct vmport_reply - bytes that wait for the guest
 * @large: allocated when they do not fit @small, else NULL
 * @size: bytes
 * @small: most replies, without an allocation that could fail
 */
struct vmport_reply {
	u8 *large;
	u32 size;
	u8 small[VMPORT_REPLY_INLINE];
};

static inline const u8 *vmport_reply_data(const struct vmport_reply *reply)
{
	return reply->large ?: reply->small;
}

void vmport_reply_text(struct vmport_reply *reply, const char *text);
u8 *vmport_reply_alloc(struct vmport_reply *reply, u32 size);
void vmport_reply_free(struct vmport_reply *reply);

void vmport_rpci(const struct vmport_call *call, const u8 *request, u32 size,
		 struct vmport_reply *reply);

#endif /* _VMPORT_RPCI_H */
