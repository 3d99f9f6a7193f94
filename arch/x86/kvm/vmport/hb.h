/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_HB_H
#define _VMPORT_HB_H

#include <linux/types.h>

#include "call.h"

struct vmport_large;

/*
 * Bytes on their way from the guest.
 *
 * @data: where they go
 * @room: how many can
 */
struct vmport_hb_buffer {
	u8 *data;
	u32 room;
};

/*
 * Bytes on their way to the guest.
 *
 * @data: they stay in place until vmport_hb_receive_end()
 * @large: held meanwhile
 * @copy: freed then
 */
struct vmport_hb_source {
	const u8 *data;
	struct vmport_large *large;
	u8 *copy;
};

bool vmport_hb_send_begin(const struct vmport_call *call, u64 count, u32 size,
			  struct vmport_hb_buffer *buffer);
bool vmport_hb_send_end(struct vmport_call *call, u64 count, u32 moved,
			struct vmport_hb_buffer *buffer);
bool vmport_hb_receive_begin(const struct vmport_call *call, u64 count,
			     struct vmport_hb_source *source);
void vmport_hb_receive_end(const struct vmport_call *call, u64 count, u32 moved,
			   struct vmport_hb_source *source);

#endif /* _VMPORT_HB_H */
