/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_STEAL_H
#define _VMPORT_STEAL_H

#include <linux/types.h>
#include <linux/xarray.h>

#include "call.h"

/* The guest's clock stands in a structure of so many bytes, at a multiple of them. */
#define VMPORT_STEAL_SIZE	64

/* No address: the guest does not want to know. */
#define VMPORT_STEAL_OFF	U64_MAX

/*
 * The steal clock of a vCPU.
 *
 * @address: where in the guest's memory it is, or VMPORT_STEAL_OFF
 * @seen: ns up to which it has been counted, as vmport_vcpu_waited() gives them; more than
 *	there can be: it counts from the next time on
 */
struct vmport_steal {
	u64 address;
	u64 seen;
};

bool vmport_steal_take(struct xarray *steals, const struct vmport_call *call, u64 *address,
		       u64 *cycles);
int vmport_steal_set(struct xarray *steals, u32 vcpu_id, u64 address, u64 seen);
void vmport_steal_init(struct xarray *steals);
void vmport_steal_reset(struct xarray *steals);
void vmport_steal_destroy(struct xarray *steals);

#endif /* _VMPORT_STEAL_H */
