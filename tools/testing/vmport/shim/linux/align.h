/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_ALIGN_H
#define _SHIM_LINUX_ALIGN_H

#define IS_ALIGNED(_x, _a)	(!((_x) & ((__typeof__(_x))(_a) - 1)))
#define ALIGN(_x, _a)	(((_x) + (__typeof__(_x))(_a) - 1) & ~((__typeof__(_x))(_a) - 1))

#endif /* _SHIM_LINUX_ALIGN_H */
