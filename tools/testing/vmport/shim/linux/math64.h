/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_MATH64_H
#define _SHIM_LINUX_MATH64_H

#include <linux/types.h>

static inline u64 div_u64(u64 dividend, u32 divisor)
{
	return dividend / divisor;
}

/* As on x86: a quotient that does not fit is a fault. */
u64 mul_u64_u32_div(u64 a, u32 mul, u32 divisor);

#endif /* _SHIM_LINUX_MATH64_H */
