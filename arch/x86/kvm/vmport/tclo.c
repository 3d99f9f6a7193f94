// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCLO: the VMM's requests to the guest's tools.  They wait in a queue of the
 * VM until a TCLO channel polls, so that a restart of the daemon loses none
 * that it has not seen.  At most KVM_VMPORT_MAX_TCLO requests and results exist
 * at any time: no result is ever dropped for want of room.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "alloc.h"
#include "tclo.h"

const struct vmport_name vmport_toolbox = { .size = 7, .text = "toolbox" };

/**
 * vmport_name_ok() - can a TCLO channel call itself that?
 * @text: the name, no NUL needed
 * @size: bytes
 */
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

/**
 * vmport_request_alloc() - a request or a result
 * @id: its number
 * @size: bytes
 *
 * Context: may sleep.
 * Return: the request, for "toolbox", its data still to be filled in; NULL when there
 * is no memory.
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

/**
 * vmport_tclo_queue() - give a request to the next poll of a channel with its name
 * @tclo: the queue
 * @request: to be queued
 * @id: out: its number
 *
 * Context: may sleep.
 * Return: 0; -EBUSY when KVM_VMPORT_MAX_TCLO requests and unread results are there, or
 * -EOVERFLOW when there are no more numbers; the caller keeps the request then.
 */
int vmport_tclo_queue(struct vmport_tclo *tclo, struct vmport_request *request, u64 *id)
{
	int r = 0;

	mutex_lock(&tclo->lock);
	if (tclo->queued + tclo->unread + tclo->taken >= KVM_VMPORT_MAX_TCLO) {
		r = -EBUSY;
	} else if (tclo->next_id == S64_MAX) {
		/* Only a blob can have brought it there. */
		r = -EOVERFLOW;
	} else {
		/* A guest may take it, answer and have it freed as soon as it is in. */
		*id = request->id = tclo->next_id++;
		tclo->queue[tclo->queued] = request;
		WRITE_ONCE(tclo->queued, tclo->queued + 1);
	}
	mutex_unlock(&tclo->lock);
	return r;
}

static struct vmport_request *take_out(struct vmport_request **array, u32 *count, u32 n)
{
	struct vmport_request *request = array[n];

	WRITE_ONCE(*count, *count - 1);
	memmove(array + n, array + n + 1, (*count - n) * sizeof(*array));
	return request;
}

/**
 * vmport_tclo_take() - take the oldest request for a channel
 * @tclo: the queue
 * @name: of the channel
 *
 * Context: may sleep.
 * Return: the request, for vmport_tclo_finish() in the end, or NULL.
 */
struct vmport_request *vmport_tclo_take(struct vmport_tclo *tclo,
					const struct vmport_name *name)
{
	struct vmport_request *request = NULL;
	u32 i;

	mutex_lock(&tclo->lock);
	for (i = 0; i < tclo->queued && !request; i++) {
		if (vmport_name_is(&tclo->queue[i]->name, name)) {
			request = take_out(tclo->queue, &tclo->queued, i);
			tclo->taken++;
		}
	}
	mutex_unlock(&tclo->lock);
	return request;
}

/**
 * vmport_tclo_finish() - a request that a channel took has its result
 * @tclo: the queue
 * @result: goes to the VMM
 *
 * Context: may sleep.
 */
void vmport_tclo_finish(struct vmport_tclo *tclo, struct vmport_request *result)
{
	mutex_lock(&tclo->lock);
	tclo->taken--;
	tclo->results[tclo->unread++] = result;
	mutex_unlock(&tclo->lock);
	vmport_signal(tclo->events);
}

/**
 * vmport_tclo_first_result() - look at the oldest result
 * @tclo: the queue
 *
 * Context: may sleep.  One reader at a time: the result stays in place until
 * that reader calls vmport_tclo_drop_result().
 * Return: the result, NULL when there is none.
 */
struct vmport_request *vmport_tclo_first_result(struct vmport_tclo *tclo)
{
	struct vmport_request *result;

	mutex_lock(&tclo->lock);
	result = tclo->unread ? tclo->results[0] : NULL;
	mutex_unlock(&tclo->lock);
	return result;
}

/**
 * vmport_tclo_drop_result() - the oldest result has been read
 * @tclo: the queue, with a result in it
 *
 * Context: may sleep.
 */
void vmport_tclo_drop_result(struct vmport_tclo *tclo)
{
	struct vmport_request *result;

	mutex_lock(&tclo->lock);
	result = take_out(tclo->results, &tclo->unread, 0);
	mutex_unlock(&tclo->lock);
	vmport_request_free(result);
}

/**
 * vmport_tclo_unread() - how many results wait for the VMM
 * @tclo: the queue
 *
 * Context: may sleep.
 */
u32 vmport_tclo_unread(struct vmport_tclo *tclo)
{
	u32 unread;

	mutex_lock(&tclo->lock);
	unread = tclo->unread;
	mutex_unlock(&tclo->lock);
	return unread;
}
