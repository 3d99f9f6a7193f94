/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_LIMITS_H
#define _SHIM_LINUX_LIMITS_H

/* glibc's <limits.h> comes here for PATH_MAX and its like. */
#include_next <linux/limits.h>

#define U16_MAX		((u16)~0U)
#define U32_MAX		((u32)~0U)
#define U64_MAX		((u64)~0ULL)
#define S64_MAX		((s64)(U64_MAX >> 1))
#define S64_MAX		((s64)(U64_MAX >> 1))

#endif /* _SHIM_LINUX_LIMITS_H */
