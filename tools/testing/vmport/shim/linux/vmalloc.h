/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_VMALLOC_H
#define _SHIM_LINUX_VMALLOC_H

#include <linux/slab.h>

/* Memory for kvfree(), as that of kvmalloc(). */
void *__vmalloc(size_t size, gfp_t flags);

#endif /* _SHIM_LINUX_VMALLOC_H */
