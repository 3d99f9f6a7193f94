/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state blob, read.  The format is described in include/uapi/linux/kvm_vmport.h.
 */
#ifndef _VMPORT_UNPACK_H
#define _VMPORT_UNPACK_H

#include <linux/types.h>

#include "call.h"
#include "state.h"

/* Has the next bytes of a blob; 0 or a negative errno. */
struct vmport_source {
	int (*read)(struct vmport_source *source, void *to, size_t size);
};

/* Where and why a blob was refused. */
struct vmport_blob_error {
	u32 error;
	u64 offset;		/* bytes from the blob's start */
	u64 features;		/* with KVM_VMPORT_ERR_FEATURE: those that are missing */
};

struct vmport_state *vmport_state_unpack(const struct vmport_config *config,
					 struct vmport_events *events,
					 struct vmport_source *source, size_t size,
					 struct vmport_blob_error *why);

#endif /* _VMPORT_UNPACK_H */
