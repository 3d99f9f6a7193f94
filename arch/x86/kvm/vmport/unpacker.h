/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the sections of a blob are read with.  Each byte is read once, into the place
 * where it is to be: what was checked cannot change.
 */
#ifndef _VMPORT_UNPACKER_H
#define _VMPORT_UNPACKER_H

#include <linux/types.h>

#include "blob_types.h"
#include "call.h"
#include "section.h"
#include "state.h"

/* @pos never passes @end, nor @end the blob's size. */
struct vmport_unpacker {
	const struct vmport_config *config;
	struct vmport_state *state;
	struct vmport_source *source;
	size_t pos;
	size_t end;
	u32 crc;			/* of what was read */
	u64 now;			/* as of struct vmport_channel.used */
	u64 last_taken;			/* largest request id in a channel */
	size_t last_taken_pos;
	struct vmport_blob_error *why;
};

/* Where a field stands of a record that stands at @_pos. */
#define VMPORT_FIELD_POS(_pos, _record, _field)	((_pos) + offsetof(typeof(*(_record)), _field))

int vmport_refuse_at(struct vmport_unpacker *u, size_t offset, int r, u32 error);
int vmport_malformed(struct vmport_unpacker *u, size_t offset, u32 error);
int vmport_too_big(struct vmport_unpacker *u, size_t offset, u32 error);
int vmport_lacks(struct vmport_unpacker *u, size_t offset, u64 features);
int vmport_unpack_bytes(struct vmport_unpacker *u, size_t pos, void *to, u64 size);
int vmport_unpack_record(struct vmport_unpacker *u, void *record, size_t size);
int vmport_unpack_padding(struct vmport_unpacker *u);
int vmport_skip_bytes(struct vmport_unpacker *u, size_t size);
struct vmport_request *vmport_unpacked_request(const struct vmport_unpacker *u, u64 id);

#endif /* _VMPORT_UNPACKER_H */
