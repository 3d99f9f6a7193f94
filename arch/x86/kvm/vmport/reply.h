/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_REPLY_H
#define _VMPORT_REPLY_H

#include <linux/refcount.h>
#include <linux/types.h>

/* Holds every reply that is not a guestinfo value. */
#define VMPORT_REPLY_INLINE	64

/* Bytes of a large reply: the channel's, and of transfers that read them. */
struct vmport_large {
	refcount_t refs;
	u8 data[];
};

/*
 * Bytes that wait for the guest.
 *
 * @large: allocated when they do not fit @small, else NULL
 * @size: bytes
 * @is_privileged: only privileged callers may have them
 * @small: most replies, without an allocation that could fail
 */
struct vmport_reply {
	struct vmport_large *large;
	u32 size;
	bool is_privileged;
	u8 small[VMPORT_REPLY_INLINE];
};

static inline const u8 *vmport_reply_data(const struct vmport_reply *reply)
{
	return reply->large ? reply->large->data : reply->small;
}

void vmport_reply_text(struct vmport_reply *reply, const char *text);
u8 *vmport_reply_alloc(struct vmport_reply *reply, u32 size);
void vmport_reply_free(struct vmport_reply *reply);
void vmport_large_put(struct vmport_large *large);

#endif /* _VMPORT_REPLY_H */
