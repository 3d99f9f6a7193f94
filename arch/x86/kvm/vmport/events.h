/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_EVENTS_H
#define _VMPORT_EVENTS_H

#include <linux/atomic.h>

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
 * Tell the VMM that there is something to look after.  Provided by whoever
 * links the engine.  Context: may be called with mutexes held.
 */
void vmport_signal(struct vmport_events *events);

#endif /* _VMPORT_EVENTS_H */
