// SPDX-License-Identifier: GPL-2.0-only
/* Bytes that wait for the guest in a channel. */
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "alloc.h"
#include "reply.h"

/*
 * Set a short reply.
 * @text: at most VMPORT_REPLY_INLINE characters
 */
void vmport_reply_text(struct vmport_reply *reply, const char *text)
{
	vmport_reply_free(reply);
	reply->size = min_t(size_t, strlen(text), sizeof(reply->small));
	memcpy(reply->small, text, reply->size);
}

/*
 * Make room for a reply.  Returns where to write @size bytes, or NULL when there is no
 * memory.  May sleep.
 */
u8 *vmport_reply_alloc(struct vmport_reply *reply, u32 size)
{
	vmport_reply_free(reply);
	if (size > sizeof(reply->small)) {
		reply->large = vmport_alloc_data(struct_size(reply->large, data, size));
		if (!reply->large)
			return NULL;
		refcount_set(&reply->large->refs, 1);
	}
	reply->size = size;
	return reply->large ? reply->large->data : reply->small;
}

/*
 * The bytes are needed here no more.
 * @large: of a reply, or NULL
 *
 * May sleep.
 */
void vmport_large_put(struct vmport_large *large)
{
	if (large && refcount_dec_and_test(&large->refs))
		kvfree(large);
}

/*
 * No reply.
 * @reply: becomes empty
 *
 * May sleep.
 */
void vmport_reply_free(struct vmport_reply *reply)
{
	vmport_large_put(reply->large);
	reply->large = NULL;
	reply->size = 0;
	reply->is_privileged = false;
}
