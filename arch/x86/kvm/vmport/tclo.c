// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCLO: the VMM's requests to the guest's tools.  They wait in a queue of the
 * VM until a TCLO channel polls, so that a restart of the daemon loses none
 * that it has not seen.  At most KVM_VMPORT_MAX_TCLO requests and results exist
 * at any time: no result is ever dropped for want of room.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "alloc.h"
#include "tclo.h"
#include "vmport_trace.h"

const struct vmport_name vmport_toolbox = { .size = 7, .text = "toolbox" };

/* Can a TCLO channel call itself that? */
bool vmport_name_ok(const u8 *text, size_t size)
{
	return size && size <= KVM_VMPORT_MAX_NAME && !memchr(text, ' ', size) &&
	       !memchr(text, '\0', size);
}

/* @text is a name, or @size 0 for none. */
void vmport_name_set(struct vmport_name *name, const u8 *text, size_t size)
{
	name->size = size;
	memcpy(name->text, text, size);
}

void vmport_tclo_init(struct vmport_tclo *tclo, struct vmport_events *events)
{
	mutex_init(&tclo->lock);
	tclo->events = events;
	tclo->next_id = 1;
}

/* Nobody else uses it any more. */
void vmport_tclo_destroy(struct vmport_tclo *tclo)
{
	unsigned int i;

	for (i = 0; i < tclo->queued; i++)
		vmport_request_free(tclo->queue[i]);
	for (i = 0; i < tclo->unread; i++)
		vmport_request_free(tclo->results[i]);
	mutex_destroy(&tclo->lock);
}

/*
 * A request or a result.  Returns the request, for "toolbox", its data still to be filled
 * in; NULL when there is no memory.  May sleep.
 */
struct vmport_request *vmport_request_alloc(u64 id, u32 size)
{
	struct vmport_request *request;

	request = vmport_alloc_data(struct_size(request, data, size));
	if (!request)
		return NULL;

	request->name = vmport_toolbox;
	request->id = id;
	request->size = size;
	request->status = KVM_VMPORT_TCLO_ANSWERED;
	return request;
}

void vmport_request_free(struct vmport_request *request)
{
	kvfree(request);
}

/*
 * Give a request to the next poll of a channel with its name.
 * @id: out: its number
 *
 * Returns 0; -EBUSY when KVM_VMPORT_MAX_TCLO requests and unread results are there, those
 * that channels hold among them; or -EOVERFLOW when there are no more numbers; the caller
 * keeps the request then.  May sleep; one at a time for a VM.
 */
int vmport_tclo_queue(struct vmport_tclo *tclo, struct vmport_request *request, u64 *id)
{
	int r = 0;
	u64 next;

	mutex_lock(&tclo->lock);
	if (tclo->queued + tclo->unread + tclo->taken >= KVM_VMPORT_MAX_TCLO) {
		r = -EBUSY;
		goto out;
	}
	/* This may be an older state than the one in which the VMM has seen the last number. */
	next = max_t(u64, tclo->next_id, tclo->events->requested + 1);
	/* Only a blob can have brought it there. */
	if (next > VMPORT_MAX_REQUEST_ID) {
		r = -EOVERFLOW;
		goto out;
	}
	tclo->events->requested = next;
	tclo->next_id = next + 1;
	/* A guest may take it, answer and have it freed as soon as it is in. */
	*id = next;
	request->id = next;
	trace_kvm_vmport_tclo(request, VMPORT_TCLO_QUEUED);
	tclo->queue[tclo->queued] = request;
	WRITE_ONCE(tclo->queued, tclo->queued + 1);
out:
	mutex_unlock(&tclo->lock);
	return r;
}

static struct vmport_request *vmport_tclo_take_out(struct vmport_request **array, u32 *count, u32 n)
{
	struct vmport_request *request = array[n];

	WRITE_ONCE(*count, *count - 1);
	memmove(array + n, array + n + 1, (*count - n) * sizeof(*array));
	return request;
}

/* Where @id is in @array of @count; @count when it is not there. */
static u32 vmport_tclo_find_request(struct vmport_request **array, u32 count, u64 id)
{
	u32 n;

	for (n = 0; n < count && array[n]->id != id; n++)
		;
	return n;
}

/*
 * Drop a request that no channel holds, or a result.
 * @status: out: KVM_VMPORT_TCLO_* that it had
 *
 * Returns 0, or -ENOENT when there is none with that number.  May sleep.
 */
int vmport_tclo_cancel(struct vmport_tclo *tclo, u64 id, u32 *status)
{
	struct vmport_request *request = NULL;
	u32 n;

	mutex_lock(&tclo->lock);
	n = vmport_tclo_find_request(tclo->queue, tclo->queued, id);
	if (n < tclo->queued) {
		request = vmport_tclo_take_out(tclo->queue, &tclo->queued, n);
		*status = KVM_VMPORT_TCLO_QUEUED;
	} else {
		n = vmport_tclo_find_request(tclo->results, tclo->unread, id);
		if (n < tclo->unread) {
			request = vmport_tclo_take_out(tclo->results, &tclo->unread, n);
			*status = request->status;
		}
	}
	mutex_unlock(&tclo->lock);

	if (!request)
		return -ENOENT;
	trace_kvm_vmport_tclo(request, VMPORT_TCLO_CANCELLED);
	vmport_request_free(request);
	return 0;
}

/* The VMM does not want to hear of a request that a channel took.  May sleep. */
void vmport_tclo_forget(struct vmport_tclo *tclo, struct vmport_request *request)
{
	mutex_lock(&tclo->lock);
	tclo->taken--;
	mutex_unlock(&tclo->lock);
	trace_kvm_vmport_tclo(request, VMPORT_TCLO_CANCELLED);
	vmport_request_free(request);
}

/*
 * Take the oldest request for a channel.  Returns the request, for vmport_tclo_finish() in
 * the end, or NULL.  May sleep.
 */
struct vmport_request *vmport_tclo_take(struct vmport_tclo *tclo,
					const struct vmport_name *name)
{
	struct vmport_request *request = NULL;
	u32 i;

	mutex_lock(&tclo->lock);
	for (i = 0; i < tclo->queued && !request; i++) {
		if (vmport_name_is(&tclo->queue[i]->name, name)) {
			request = vmport_tclo_take_out(tclo->queue, &tclo->queued, i);
			tclo->taken++;
			trace_kvm_vmport_tclo(request, VMPORT_TCLO_TAKEN);
			trace_kvm_vmport_data(VMPORT_DATA_REQUEST, request->data, request->size);
		}
	}
	mutex_unlock(&tclo->lock);
	return request;
}

/*
 * A request that a channel took has its result.
 * @result: goes to the VMM
 *
 * May sleep.
 */
void vmport_tclo_finish(struct vmport_tclo *tclo, struct vmport_request *result)
{
	mutex_lock(&tclo->lock);
	/* Before the VMM can read it, and have it freed. */
	trace_kvm_vmport_tclo(result, result->status == KVM_VMPORT_TCLO_LOST ?
				      VMPORT_TCLO_LOST : VMPORT_TCLO_ANSWERED);
	tclo->taken--;
	tclo->results[tclo->unread++] = result;
	mutex_unlock(&tclo->lock);
	vmport_signal(tclo->events);
}

/*
 * Look at the oldest result.  Returns the result, NULL when there is none.  May sleep.
 * One reader at a time: the result stays in place until that reader calls
 * vmport_tclo_drop_result().
 */
struct vmport_request *vmport_tclo_first_result(struct vmport_tclo *tclo)
{
	struct vmport_request *result;

	mutex_lock(&tclo->lock);
	result = tclo->unread ? tclo->results[0] : NULL;
	mutex_unlock(&tclo->lock);
	return result;
}

/*
 * The oldest result has been read.
 * @tclo: the queue, with a result in it
 *
 * May sleep.
 */
void vmport_tclo_drop_result(struct vmport_tclo *tclo)
{
	struct vmport_request *result;

	mutex_lock(&tclo->lock);
	result = vmport_tclo_take_out(tclo->results, &tclo->unread, 0);
	mutex_unlock(&tclo->lock);
	vmport_request_free(result);
}

/* How many results wait for the VMM.  May sleep. */
u32 vmport_tclo_unread(struct vmport_tclo *tclo)
{
	u32 unread;

	mutex_lock(&tclo->lock);
	unread = tclo->unread;
	mutex_unlock(&tclo->lock);
	return unread;
}
