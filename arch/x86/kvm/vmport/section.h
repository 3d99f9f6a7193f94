/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The types of section of a blob: one row each in section.c, and two functions.
 */
#ifndef _VMPORT_SECTION_H
#define _VMPORT_SECTION_H

#include <linux/types.h>

#include "state.h"

struct vmport_packer;
struct vmport_unpacker;

/*
 * A type of section of the blob.
 *
 * @type: KVM_VMPORT_SECTION_*, in ascending order
 * @feature: KVM_VMPORT_FEATURE_* that it needs
 * @is_critical: whoever does not know it cannot load the blob.  What is wrong in one that
 *	is not critical is left out
 * @is_many: there may be more than one; of one that is not critical always
 * @pack: write the sections of this type, none where there is nothing to say; 0 or -ENOMEM
 * @unpack: read one, of that many bytes; 0 or an error
 */
struct vmport_section {
	u32 type;
	u64 feature;
	bool is_critical;
	bool is_many;
	int (*pack)(struct vmport_packer *p, const struct vmport_section *section,
		    struct vmport_state *state);
	int (*unpack)(struct vmport_unpacker *u, u64 size);
};

/* All that are known, in the order in which they stand. */
extern const struct vmport_section vmport_sections[];
extern const unsigned int vmport_nr_sections;

u64 vmport_section_types(void);

int vmport_pack_channels(struct vmport_packer *p, const struct vmport_section *section,
			 struct vmport_state *state);
int vmport_pack_order(struct vmport_packer *p, const struct vmport_section *section,
		      struct vmport_state *state);
int vmport_pack_marks(struct vmport_packer *p, const struct vmport_section *section,
		      struct vmport_state *state);
int vmport_unpack_channel(struct vmport_unpacker *u, u64 size);
int vmport_unpack_order(struct vmport_unpacker *u, u64 size);
int vmport_unpack_marks(struct vmport_unpacker *u, u64 size);

int vmport_pack_tclo(struct vmport_packer *p, const struct vmport_section *section,
		     struct vmport_state *state);
int vmport_pack_names(struct vmport_packer *p, const struct vmport_section *section,
		      struct vmport_state *state);
int vmport_unpack_tclo(struct vmport_unpacker *u, u64 size);
int vmport_unpack_names(struct vmport_unpacker *u, u64 size);

int vmport_pack_guestinfo(struct vmport_packer *p, const struct vmport_section *section,
			  struct vmport_state *state);
int vmport_unpack_guestinfo(struct vmport_unpacker *u, u64 size);

int vmport_pack_stealclock(struct vmport_packer *p, const struct vmport_section *section,
			   struct vmport_state *state);
int vmport_unpack_stealclock(struct vmport_unpacker *u, u64 size);

#endif /* _VMPORT_SECTION_H */
