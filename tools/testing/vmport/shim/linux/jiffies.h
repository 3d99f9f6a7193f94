/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_JIFFIES_H
#define _SHIM_LINUX_JIFFIES_H

#include <linux/types.h>

/* Each look at jiffies is as long as that, or shim_add_jiffies() says otherwise. */
#define HZ	1

u64 get_jiffies_64(void);

#endif /* _SHIM_LINUX_JIFFIES_H */
