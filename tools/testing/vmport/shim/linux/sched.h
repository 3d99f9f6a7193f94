/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_SCHED_H
#define _SHIM_LINUX_SCHED_H

void cond_resched(void);

#endif /* _SHIM_LINUX_SCHED_H */
