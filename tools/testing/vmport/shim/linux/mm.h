/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_MM_H
#define _SHIM_LINUX_MM_H

#include <linux/align.h>

#define PAGE_SIZE		4096ul
#define PAGE_ALIGN(_addr)	ALIGN(_addr, PAGE_SIZE)

#endif /* _SHIM_LINUX_MM_H */
