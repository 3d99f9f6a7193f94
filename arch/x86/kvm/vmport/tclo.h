/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_TCLO_H
#define _VMPORT_TCLO_H

#include <linux/compiler.h>
#include <linux/limits.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/types.h>

#include "abi.h"
#include "events.h"

/* What a TCLO channel calls itself, or whom a request is for. */
struct vmport_name {
	u8 size;		/* bytes; 0: none */
	u8 text[KVM_VMPORT_MAX_NAME];
};

/* VMware's system daemon, for which a request is unless the VMM says another. */
extern const struct vmport_name vmport_toolbox;

static inline bool vmport_name_is(const struct vmport_name *a, const struct vmport_name *b)
{
	return a->size == b->size && !memcmp(a->text, b->text, a->size);
}

/* What becomes of a request, in the event kvm_vmport_tclo. */
#define VMPORT_TCLO_QUEUED	0
#define VMPORT_TCLO_TAKEN	1
#define VMPORT_TCLO_ANSWERED	2
#define VMPORT_TCLO_LOST	3
#define VMPORT_TCLO_CANCELLED	4

/* A request of the VMM to the guest's tools, later its result. */
struct vmport_request {
	struct vmport_name name;	/* of the channel that is to get it */
	u64 id;			/* never 0 */
	u32 size;		/* bytes */
	u32 status;		/* result: KVM_VMPORT_TCLO_* */
	u8 data[];
};

/*
 * Requests that no channel has taken, and results.
 *
 * @lock: of everything here
 * @events: where requests are numbered; told of each result
 * @queue: requests, oldest first
 * @results: not read by the VMM yet, oldest first
 * @queued: in @queue; read without @lock to see whether a poll finds something
 * @unread: in @results
 * @taken: requests that channels hold
 * @next_id: of the next request, at least
 */
struct vmport_tclo {
	struct mutex lock;		/* all below but @events */
	struct vmport_events *events;
	struct vmport_request *queue[KVM_VMPORT_MAX_TCLO];
	struct vmport_request *results[KVM_VMPORT_MAX_TCLO];
	u32 queued;
	u32 unread;
	u32 taken;
	u64 next_id;
};

/* The largest number of a request: a blob holds the next one, as a positive s64. */
#define VMPORT_MAX_REQUEST_ID	(S64_MAX - 1)

static inline bool vmport_tclo_pending(const struct vmport_tclo *tclo)
{
	return READ_ONCE(tclo->queued);
}

bool vmport_name_ok(const u8 *text, size_t size);
void vmport_name_set(struct vmport_name *name, const u8 *text, size_t size);

void vmport_tclo_init(struct vmport_tclo *tclo, struct vmport_events *events);
void vmport_tclo_destroy(struct vmport_tclo *tclo);
struct vmport_request *vmport_request_alloc(u64 id, u32 size);
void vmport_request_free(struct vmport_request *request);
int vmport_tclo_cancel(struct vmport_tclo *tclo, u64 id, u32 *status);
int vmport_tclo_queue(struct vmport_tclo *tclo, struct vmport_request *request, u64 *id);
struct vmport_request *vmport_tclo_take(struct vmport_tclo *tclo,
					const struct vmport_name *name);
void vmport_tclo_forget(struct vmport_tclo *tclo, struct vmport_request *request);
void vmport_tclo_finish(struct vmport_tclo *tclo, struct vmport_request *result);
struct vmport_request *vmport_tclo_first_result(struct vmport_tclo *tclo);
void vmport_tclo_drop_result(struct vmport_tclo *tclo);
u32 vmport_tclo_unread(struct vmport_tclo *tclo);

#endif /* _VMPORT_TCLO_H */
