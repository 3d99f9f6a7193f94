/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_REQUESTS_H
#define _VMPORT_REQUESTS_H

#include <linux/types.h>

#include "abi.h"
#include "state.h"

u32 vmport_requests_list(struct vmport_state *state, struct kvm_vmport_tclo_item *items);
int vmport_requests_cancel(struct vmport_state *state, u64 id, u32 *status);

#endif /* _VMPORT_REQUESTS_H */
