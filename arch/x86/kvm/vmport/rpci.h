/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_RPCI_H
#define _VMPORT_RPCI_H

#include <linux/types.h>

#include "call.h"
#include "reply.h"

void vmport_rpci_default(const u8 *request, u32 size, struct vmport_reply *reply);
bool vmport_rpci(const struct vmport_call *call, const u8 *request, u32 size,
		 struct vmport_reply *reply);

#endif /* _VMPORT_RPCI_H */
