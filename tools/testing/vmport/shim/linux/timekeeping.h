/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_TIMEKEEPING_H
#define _SHIM_LINUX_TIMEKEEPING_H

#include <linux/types.h>

struct timespec64 {
	s64 tv_sec;
	long tv_nsec;
};

void ktime_get_real_ts64(struct timespec64 *ts);
u64 ktime_get_real_ns(void);

#endif /* _SHIM_LINUX_TIMEKEEPING_H */
