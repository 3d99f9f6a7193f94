/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_LOG2_H
#define _SHIM_LINUX_LOG2_H

static inline unsigned long roundup_pow_of_two(unsigned long n)
{
	return 1ul << (64 - __builtin_clzl(n - 1));
}

#endif /* _SHIM_LINUX_LOG2_H */
