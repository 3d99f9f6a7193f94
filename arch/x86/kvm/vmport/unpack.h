/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state blob, read.  The format is described in include/uapi/linux/kvm_vmport.h.
 */
#ifndef _VMPORT_UNPACK_H
#define _VMPORT_UNPACK_H

#include <linux/types.h>

#include "blob_types.h"
#include "call.h"
#include "state.h"

struct vmport_state *vmport_state_unpack(const struct vmport_config *config,
					 struct vmport_events *events,
					 struct vmport_source *source, size_t size,
					 struct vmport_blob_error *why);

#endif /* _VMPORT_UNPACK_H */
