/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A state blob: what it is to be, what it is made of, and why one was refused.  The
 * format is described in include/uapi/linux/kvm_vmport.h.
 */
#ifndef _VMPORT_BLOB_TYPES_H
#define _VMPORT_BLOB_TYPES_H

#include <linux/types.h>

#include "guestinfo.h"

/* Records of a blob stand at multiples of this. */
#define VMPORT_BLOB_ALIGN	8

/* Takes the next bytes of a blob; 0 or a negative errno. */
struct vmport_sink {
	int (*write)(struct vmport_sink *sink, const void *data, size_t size);
};

/* Has the next bytes of a blob; 0 or a negative errno. */
struct vmport_source {
	int (*read)(struct vmport_source *source, void *to, size_t size);
};

/* An entry whose key and value come in the blob behind the first @copied bytes. */
struct vmport_piece {
	struct vmport_entry *entry;
	size_t copied;
};

/*
 * A blob in pieces.
 *
 * @size: bytes of it all
 * @lacking: with -EOPNOTSUPP: which sections the state cannot do without, a bit for each
 *	type
 * @left_out: which the state has and the blob has not
 * @buffer: what is not in the pieces
 * @room: bytes at @buffer
 * @copied: bytes used of them
 * @pieces: entries that are used in the place where they are
 * @count: how many
 */
struct vmport_packed {
	u64 size;
	u64 lacking;
	u64 left_out;
	u8 *buffer;
	size_t room;
	size_t copied;
	struct vmport_piece *pieces;
	u32 count;
};

/*
 * What a blob is to be.
 *
 * @max: bytes at most
 * @features: KVM_VMPORT_FEATURE_* that the guest was promised
 * @sections: types that its reader knows, a bit for each
 */
struct vmport_blob_form {
	u64 max;
	u64 features;
	u64 sections;
};

/* Where and why a blob was refused. */
struct vmport_blob_error {
	u32 error;
	u64 offset;		/* bytes from the blob's start */
	u64 features;		/* with KVM_VMPORT_ERR_FEATURE: those that are missing */
};

#endif /* _VMPORT_BLOB_TYPES_H */
