/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the sections of a blob are written with.
 */
#ifndef _VMPORT_PACKER_H
#define _VMPORT_PACKER_H

#include <linux/types.h>

#include "blob_types.h"
#include "section.h"

/* When which channel was used. */
struct vmport_use {
	u64 used;
	u8 id;
};

/*
 * Past the buffer's end nothing is written, but all is counted.  The position in
 * the blob is the sum of what was copied and what was only referred to.
 */
struct vmport_packer {
	struct vmport_packed *packed;
	const struct vmport_blob_form *form;
	size_t copied;
	size_t referenced;
	struct vmport_use uses[KVM_VMPORT_MAX_CHANNELS];
	u32 channels;
};

/* Where a section's header stands. */
struct vmport_place {
	size_t copied;
	size_t referenced;
};

void vmport_pack_bytes(struct vmport_packer *p, const void *data, size_t size);
void vmport_pack_padding(struct vmport_packer *p);
struct vmport_place vmport_pack_begin(struct vmport_packer *p);
void vmport_pack_end(struct vmport_packer *p, const struct vmport_place *place,
		     const struct vmport_section *section);

#endif /* _VMPORT_PACKER_H */
