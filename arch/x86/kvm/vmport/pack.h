/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state blob, written.  The format is described in include/uapi/linux/kvm_vmport.h.
 */
#ifndef _VMPORT_PACK_H
#define _VMPORT_PACK_H

#include <linux/types.h>

#include "blob_types.h"
#include "state.h"

int vmport_state_pack(struct vmport_state *state, const struct vmport_blob_form *form,
		      struct vmport_packed *packed);
int vmport_packed_write(const struct vmport_packed *packed, struct vmport_sink *sink);
void vmport_packed_free(struct vmport_packed *packed);

#endif /* _VMPORT_PACK_H */
