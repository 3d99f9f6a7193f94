/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_COMMAND_H
#define _VMPORT_COMMAND_H

#include "call.h"

/* ECX bits 0..15 of a call.  Those not named here belong to the VMM. */
#define VMPORT_CMD_GETMHZ		1
#define VMPORT_CMD_GETVERSION		10
#define VMPORT_CMD_GETHWVERSION		17
#define VMPORT_CMD_GETUUID		19
#define VMPORT_CMD_GETMEMSIZE		20
#define VMPORT_CMD_GETTIME		23
#define VMPORT_CMD_STOPCATCHUP		24
#define VMPORT_CMD_MESSAGE		30
#define VMPORT_CMD_GETHZ		45
#define VMPORT_CMD_GETTIMEFULL		46
#define VMPORT_CMD_GETTIMEFULL_WITH_LAG	55
#define VMPORT_CMD_GET_VCPU_INFO	68
#define VMPORT_CMD_STEALCLOCK		91
#define VMPORT_CMD_PRECISIONCLOCK	97

bool vmport_command_is_ours(const struct vmport_call *call);
enum vmport_result vmport_command(struct vmport_call *call);
void vmport_default_config(struct vmport_config *config, u64 features);

#endif /* _VMPORT_COMMAND_H */
