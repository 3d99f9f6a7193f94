// SPDX-License-Identifier: GPL-2.0-only
/*
 * Steal clocks: a vCPU's guest says where in its memory it wants to read how long the
 * vCPU has waited for a processor of the host.
 *
 * The clock itself is in the guest's memory and nowhere else: what has been waited is
 * added to what stands there.  So it goes where the memory goes, and never back,
 * whatever the rates of two hosts are.
 */
#include <linux/align.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "alloc.h"
#include "steal.h"

/* Nothing waits for longer, and the product below does not overflow. */
#define MAX_WAITED		(3600 * 1000000000ull)	/* ns */

/*
 * Start or stop a vCPU's clock.
 * @address: of the clock, or VMPORT_STEAL_OFF
 * @seen: where it begins to count, see struct vmport_steal
 *
 * Returns 0 or -ENOMEM, then the clock is what it was.  May sleep; not twice at once for a
 * vCPU.
 */
int vmport_steal_set(struct xarray *steals, u32 vcpu_id, u64 address, u64 seen)
{
	struct vmport_steal *steal = xa_load(steals, vcpu_id);
	int r;

	if (!steal) {
		if (address == VMPORT_STEAL_OFF)
			return 0;

		steal = kzalloc(sizeof(*steal), VMPORT_GFP);
		if (!steal)
			return -ENOMEM;
		steal->address = VMPORT_STEAL_OFF;
		r = xa_err(xa_store(steals, vcpu_id, steal, VMPORT_GFP));
		if (r) {
			kfree(steal);
			return r;
		}
	}

	steal->seen = seen;
	WRITE_ONCE(steal->address, address);
	return 0;
}

/*
 * What is to be added to the clock of a vCPU.
 * @call: the vCPU and its VM's configuration
 * @address: out: of the clock in the guest's memory
 * @cycles: out: in units of the guest's TSC
 *
 * It is given once: where it cannot be added the guest has not been waiting for it.
 *
 * Returns false when there is nothing to add.  In any context.
 */
bool vmport_steal_take(struct xarray *steals, const struct vmport_call *call, u64 *address,
		       u64 *cycles)
{
	struct vmport_steal *steal = xa_load(steals, vmport_vcpu_id(call->vcpu));
	u64 now, waited, khz;

	if (!steal)
		return false;
	*address = READ_ONCE(steal->address);
	if (*address == VMPORT_STEAL_OFF)
		return false;

	now = vmport_vcpu_waited(call->vcpu);
	/* A thread that runs the vCPU for the first time has a past of its own. */
	waited = now > steal->seen ? min_t(u64, now - steal->seen, MAX_WAITED) : 0;
	steal->seen = now;
	/* The guest has made its own factor of what GETHZ gave. */
	khz = min_t(u64, div_u64(vmport_tsc_hz(call), 1000), U32_MAX);
	*cycles = mul_u64_u32_div(waited, khz, 1000000);
	return *cycles;
}

/* No vCPU has a clock. */
void vmport_steal_init(struct xarray *steals)
{
	xa_init_flags(steals, XA_FLAGS_ACCOUNT);
}

/*
 * Stop all clocks, as the guest's memory is another's now.
 * @steals: vCPUs may be using them
 *
 * May sleep.
 */
void vmport_steal_reset(struct xarray *steals)
{
	struct vmport_steal *steal;
	unsigned long id;

	xa_for_each(steals, id, steal)
		WRITE_ONCE(steal->address, VMPORT_STEAL_OFF);
}

/*
 * Free all clocks.
 * @steals: nobody uses them any more
 */
void vmport_steal_destroy(struct xarray *steals)
{
	struct vmport_steal *steal;
	unsigned long id;

	xa_for_each(steals, id, steal)
		kfree(steal);
	xa_destroy(steals);
}
