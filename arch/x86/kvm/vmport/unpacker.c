// SPDX-License-Identifier: GPL-2.0-only
/* What the sections of a blob are read with. */
#include <linux/align.h>
#include <linux/crc32c.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "unpacker.h"

/* Refuse the blob for what stands at @offset. */
int vmport_refuse_at(struct vmport_unpacker *u, size_t offset, int r, u32 error)
{
	*u->why = (struct vmport_blob_error) { .error = error, .offset = offset };
	return r;
}

int vmport_malformed(struct vmport_unpacker *u, size_t offset, u32 error)
{
	return vmport_refuse_at(u, offset, -EINVAL, error);
}

int vmport_too_big(struct vmport_unpacker *u, size_t offset, u32 error)
{
	return vmport_refuse_at(u, offset, -E2BIG, error);
}

/* The VM does not have these features. */
int vmport_lacks(struct vmport_unpacker *u, size_t offset, u64 features)
{
	int r = vmport_refuse_at(u, offset, -EPERM, KVM_VMPORT_ERR_FEATURE);

	u->why->features = features;
	return r;
}

static int vmport_read_bytes(struct vmport_unpacker *u, void *to, size_t size)
{
	int r;

	/* A blob can have millions of records that mean nothing. */
	cond_resched();
	r = u->source->read(u->source, to, size);
	if (r)
		return r;

	u->crc = crc32c(u->crc, to, size);
	u->pos += size;
	return 0;
}

/* The next @size bytes, of what stands at @pos. */
int vmport_unpack_bytes(struct vmport_unpacker *u, size_t pos, void *to, u64 size)
{
	if (size > u->end - u->pos)
		return vmport_malformed(u, pos, KVM_VMPORT_ERR_SECTION);
	return vmport_read_bytes(u, to, size);
}

/* A record that begins here. */
int vmport_unpack_record(struct vmport_unpacker *u, void *record, size_t size)
{
	return vmport_unpack_bytes(u, u->pos, record, size);
}

int vmport_unpack_padding(struct vmport_unpacker *u)
{
	size_t pos = u->pos, size = ALIGN(pos, VMPORT_BLOB_ALIGN) - pos;
	u8 padding[VMPORT_BLOB_ALIGN];
	int r;

	r = vmport_unpack_bytes(u, pos, padding, size);
	if (!r && memchr_inv(padding, 0, size))
		r = vmport_malformed(u, pos, KVM_VMPORT_ERR_RESERVED);
	return r;
}

/* What nobody wants to know, but for the checksum. */
int vmport_skip_bytes(struct vmport_unpacker *u, size_t size)
{
	u8 bytes[256];
	int r = 0;

	for (; size && !r; size -= min(size, sizeof(bytes)))
		r = vmport_read_bytes(u, bytes, min(size, sizeof(bytes)));
	return r;
}

/* The request or result with this number; NULL when there is none yet. */
struct vmport_request *vmport_unpacked_request(const struct vmport_unpacker *u, u64 id)
{
	const struct vmport_state *state = u->state;
	const struct vmport_tclo *tclo = &state->tclo;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(state->channels); i++) {
		if (state->channels[i] && state->channels[i]->request &&
		    state->channels[i]->request->id == id)
			return state->channels[i]->request;
	}
	for (i = 0; i < tclo->unread; i++) {
		if (tclo->results[i]->id == id)
			return tclo->results[i];
	}
	for (i = 0; i < tclo->queued; i++) {
		if (tclo->queue[i]->id == id)
			return tclo->queue[i];
	}
	return NULL;
}
