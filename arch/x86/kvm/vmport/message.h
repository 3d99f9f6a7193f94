/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_MESSAGE_H
#define _VMPORT_MESSAGE_H

#include <linux/types.h>

#include "call.h"
#include "channel.h"

int vmport_message_complete(struct vmport_call *call, struct vmport_channel *channel, u32 size);
enum vmport_result vmport_message(struct vmport_call *call);

#endif /* _VMPORT_MESSAGE_H */
