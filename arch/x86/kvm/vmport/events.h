/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_EVENTS_H
#define _VMPORT_EVENTS_H

#include <linux/atomic.h>
#include <linux/minmax.h>
#include <linux/types.h>

/*
 * What the VMM hears of, numbered.
 *
 * @changes: number of the newest change of guestinfo
 * @asked: number of the newest RPC that waits, or waited, for the VMM
 * @lost: TCLO channels closed, taken or reset
 * @requested: number of the newest request to the guest's tools
 *
 * Lives as long as the VM and longer than a state, so that the numbers go up when the
 * state is replaced.
 */
struct vmport_events {
	atomic64_t changes;
	atomic64_t asked;
	atomic64_t lost;
	u64 requested;
};

/*
 * A number for a message, above all that the VMM has seen, and @least at least.  vCPUs of
 * another state of the VM may take one at the same time.
 */
static inline u64 vmport_new_ask_id(struct vmport_events *events, s64 least)
{
	s64 last = atomic64_read(&events->asked), id;

	do {
		id = max(last + 1, least);
	} while (!atomic64_try_cmpxchg(&events->asked, &last, id));
	return id;
}

/*
 * Tell the VMM that there is something to look after.  Provided by whoever
 * links the engine.  Context: may be called with mutexes held.
 */
void vmport_signal(struct vmport_events *events);

#endif /* _VMPORT_EVENTS_H */
