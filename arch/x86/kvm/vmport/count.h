/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_COUNT_H
#define _VMPORT_COUNT_H

#include <linux/types.h>

struct vmport_events;

/* What the engine counts for each vCPU: vmport_failed_calls and so on of its statistics. */
enum vmport_count {
	VMPORT_COUNT_FAILED_CALLS,
	VMPORT_COUNT_GUEST_MESSAGES,
	VMPORT_COUNT_GUEST_BYTES,
	VMPORT_COUNT_HOST_MESSAGES,
	VMPORT_COUNT_HOST_BYTES,
	VMPORT_COUNT_RPCS_KERNEL,
	VMPORT_COUNT_RPCS_VMM,
	VMPORT_COUNT_RPCS_UNKNOWN,
	VMPORT_COUNT_REFUSED_MALFORMED,
	VMPORT_COUNT_REFUSED_PERMISSION,
	VMPORT_COUNT_REFUSED_LIMIT,
	VMPORT_COUNT_REFUSED_MEMORY,
	VMPORT_NR_COUNTS,
};

/* What a VM holds.  A state that is being loaded counts with the one that is in use. */
enum vmport_gauge {
	VMPORT_GAUGE_CHANNELS,
	VMPORT_GAUGE_ENTRIES,
	VMPORT_GAUGE_BYTES,
	VMPORT_NR_GAUGES,
};

/*
 * Provided by whoever links the engine.  In any context; vmport_count() in the vCPU's thread.
 */
void vmport_count(void *vcpu, enum vmport_count which, u64 n);
void vmport_gauge_add(struct vmport_events *events, enum vmport_gauge which, s64 n);

#endif /* _VMPORT_COUNT_H */
