/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_MESSAGE_H
#define _VMPORT_MESSAGE_H

#include <linux/types.h>

#include "call.h"
#include "channel.h"

/*
 * Who answers a message from the guest.  Up to UNKNOWN there is a reply in the channel.
 */
#define VMPORT_ANSWER_KERNEL	0	/* a request that the kernel owns */
#define VMPORT_ANSWER_REPORT	1	/* one that needs no more than to be taken */
#define VMPORT_ANSWER_UNKNOWN	2	/* nobody */
#define VMPORT_ANSWER_VMM	3	/* it waits for the VMM */
#define VMPORT_ANSWER_RESULT	4	/* TCLO: it is the VMM's result */
#define VMPORT_ANSWER_NAME	5	/* TCLO: it answers "reset" */
#define VMPORT_ANSWER_NONE	6	/* TCLO: it answers nothing */

/* Bytes in the event kvm_vmport_data. */
#define VMPORT_DATA_MESSAGE	0
#define VMPORT_DATA_REPLY	1
#define VMPORT_DATA_VMM_REPLY	2
#define VMPORT_DATA_REQUEST	3

int vmport_message_complete(struct vmport_call *call, struct vmport_channel *channel, u32 size);
enum vmport_result vmport_message(struct vmport_call *call);

#endif /* _VMPORT_MESSAGE_H */
