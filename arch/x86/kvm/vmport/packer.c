// SPDX-License-Identifier: GPL-2.0-only
/* What the sections of a blob are written with. */
#include <linux/align.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "packer.h"

/* The next bytes of the blob. */
void vmport_pack_bytes(struct vmport_packer *p, const void *data, size_t size)
{
	size_t room = p->packed->room;

	if (size && p->copied < room && size <= room - p->copied)
		memcpy(p->packed->buffer + p->copied, data, size);
	p->copied += size;
}

/* Up to where the next record begins. */
void vmport_pack_padding(struct vmport_packer *p)
{
	static const u8 zeroes[VMPORT_BLOB_ALIGN];
	size_t pos = p->copied + p->referenced;

	vmport_pack_bytes(p, zeroes, ALIGN(pos, VMPORT_BLOB_ALIGN) - pos);
}

/* A section, for vmport_pack_end(). */
struct vmport_place vmport_pack_begin(struct vmport_packer *p)
{
	struct vmport_place place = { .copied = p->copied, .referenced = p->referenced };

	p->copied += sizeof(struct kvm_vmport_blob_section);
	return place;
}

/* Its payload is there. */
void vmport_pack_end(struct vmport_packer *p, const struct vmport_place *place,
		     const struct vmport_section *section)
{
	u32 flags = section->is_critical ? KVM_VMPORT_SECTION_CRITICAL : 0;
	struct kvm_vmport_blob_section packed = {
		.type = cpu_to_le32(section->type),
		.flags = cpu_to_le32(flags),
		.size = cpu_to_le64(p->copied - place->copied +
				    p->referenced - place->referenced - sizeof(packed)),
	};
	size_t copied = p->copied;

	p->copied = place->copied;
	vmport_pack_bytes(p, &packed, sizeof(packed));
	p->copied = copied;
	vmport_pack_padding(p);
}
