// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packing a state into a blob, for KVM_GET_VMPORT_STATE.
 */
#include <linux/bits.h>
#include <linux/crc32c.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "alloc.h"
#include "channels.h"
#include "pack.h"
#include "packer.h"
#include "section.h"

/*
 * The sections of one type.  Where the reader does not know it, what is not critical is
 * left out, and what is makes the blob one that the reader cannot have.
 */
static int vmport_pack_section(struct vmport_packer *p, const struct vmport_section *section,
			       struct vmport_state *state)
{
	struct vmport_place before = { .copied = p->copied, .referenced = p->referenced };
	u64 bit = BIT_ULL(section->type);
	int r = section->pack(p, section, state);

	if (r || (p->form->sections & bit) ||
	    (p->copied == before.copied && p->referenced == before.referenced))
		return r;
	if (section->is_critical) {
		p->packed->lacking |= bit;
	} else {
		p->packed->left_out |= bit;
		p->copied = before.copied;
	}
	return 0;
}

/* All but the header, whose place is left; into the buffer as far as that goes. */
static int vmport_pack_sections(struct vmport_packer *p, struct vmport_state *state)
{
	unsigned int i;
	int r = 0;

	p->copied = sizeof(struct kvm_vmport_blob_header);
	p->packed->lacking = 0;
	p->packed->left_out = 0;
	/* What stands in two sections must agree. */
	vmport_channels_own(state);
	for (i = 0; i < vmport_nr_sections && !r; i++)
		r = vmport_pack_section(p, &vmport_sections[i], state);
	vmport_channels_disown(state);
	return r ?: p->packed->lacking ? -EOPNOTSUPP : 0;
}

/*
 * Give a blob away.
 * @packed: from vmport_state_pack()
 * @sink: is given all bytes in order; an error of its ends that
 *
 * Returns 0 or @sink's error.  With no lock of the state; may sleep if @sink does.
 */
int vmport_packed_write(const struct vmport_packed *packed, struct vmport_sink *sink)
{
	const struct vmport_piece *piece;
	size_t done = 0;
	u32 i;
	int r;

	for (i = 0; i < packed->count; i++) {
		piece = &packed->pieces[i];
		r = sink->write(sink, packed->buffer + done, piece->copied - done);
		if (!r)
			r = sink->write(sink, piece->entry->data,
					piece->entry->key_size + piece->entry->value_size);
		if (r)
			return r;
		done = piece->copied;
	}
	return sink->write(sink, packed->buffer + done, packed->copied - done);
}

struct checksum {
	struct vmport_sink sink;
	u32 crc;
};

static int vmport_add_to_checksum(struct vmport_sink *sink, const void *data, size_t size)
{
	struct checksum *sum = container_of(sink, struct checksum, sink);

	sum->crc = crc32c(sum->crc, data, size);
	return 0;
}

static void vmport_pack_header(struct vmport_packed *packed, u64 features)
{
	struct checksum sum = { .sink.write = vmport_add_to_checksum, .crc = ~0 };
	struct kvm_vmport_blob_header header = {
		.magic = cpu_to_le32(KVM_VMPORT_BLOB_MAGIC),
		.version = cpu_to_le16(KVM_VMPORT_BLOB_VERSION),
		.header_size = cpu_to_le16(sizeof(header)),
		.size = cpu_to_le64(packed->size),
		.features = cpu_to_le64(features),
	};

	memcpy(packed->buffer, &header, sizeof(header));
	/* Over the blob, not the state: that is what the reader sees. */
	vmport_packed_write(packed, &sum.sink);
	header.checksum = cpu_to_le32(~sum.crc);
	memcpy(packed->buffer, &header, sizeof(header));
}

/*
 * Room for what was measured; vCPUs that run may make it more meanwhile.  Then there is half
 * as much again, so that a guest cannot have this done for each word that it sends.
 */
static int vmport_make_blob_room(struct vmport_packed *packed)
{
	size_t room = packed->copied + packed->room / 2;

	vmport_packed_free(packed);
	packed->buffer = vmport_alloc_data(room);
	if (!packed->buffer)
		return -ENOMEM;

	packed->room = room;
	return 0;
}

/*
 * Make a blob.
 * @form: what the blob is to be
 * @packed: out: the blob in pieces, for vmport_packed_write() and then
 *	vmport_packed_free(); on an error only its size or what is lacking, with nothing to
 *	free
 *
 * Waits for no guest.  When vCPUs run, the channels and the requests are those of one
 * instant, and every entry is packed whole.
 *
 * Returns 0, -E2BIG, -EOPNOTSUPP when the state cannot do without a section that the
 * reader does not know, or -ENOMEM.  May sleep.
 */
int vmport_state_pack(struct vmport_state *state, const struct vmport_blob_form *form,
		      struct vmport_packed *packed)
{
	struct vmport_packer *p;
	int r;

	*packed = (struct vmport_packed) { };
	p = kvmalloc(sizeof(*p), VMPORT_GFP);
	if (!p)
		return -ENOMEM;

	for (;;) {
		*p = (struct vmport_packer) { .packed = packed, .form = form };
		r = vmport_pack_sections(p, state);
		if (r)
			break;

		packed->copied = p->copied;
		packed->size = p->copied + p->referenced;
		r = packed->size > form->max ? -E2BIG : 0;
		if (r || packed->copied <= packed->room)
			break;
		r = vmport_make_blob_room(packed);
		if (r)
			break;
	}

	kvfree(p);
	if (r)
		vmport_packed_free(packed);
	else
		vmport_pack_header(packed, form->features);
	return r;
}

/*
 * Free a blob.
 * @packed: from vmport_state_pack(); keeps what is no memory
 *
 * May sleep.
 */
void vmport_packed_free(struct vmport_packed *packed)
{
	u32 i;

	for (i = 0; i < packed->count; i++)
		vmport_guestinfo_put(packed->pieces[i].entry);
	kvfree(packed->pieces);
	kvfree(packed->buffer);
	*packed = (struct vmport_packed) {
		.size = packed->size,
		.lacking = packed->lacking,
		.left_out = packed->left_out,
	};
}
