/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_STRING_H
#define _SHIM_LINUX_STRING_H

#include <string.h>

#include <linux/types.h>

void *memchr_inv(const void *start, int c, size_t bytes);

#endif /* _SHIM_LINUX_STRING_H */
