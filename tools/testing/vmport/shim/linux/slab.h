/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_SLAB_H
#define _SHIM_LINUX_SLAB_H

#include <linux/overflow.h>
#include <linux/types.h>

/*
 * Of a VM's memory all is charged to its VMM, and none may be worth a warning or
 * the OOM killer: allocations that lack one of these flags abort.
 */
#define GFP_KERNEL_ACCOUNT	((gfp_t)1)
#define __GFP_RETRY_MAYFAIL	((gfp_t)2)
#define __GFP_NOWARN		((gfp_t)4)

void *kzalloc(size_t size, gfp_t flags);
void kfree(const void *p);

void *kvmalloc(size_t size, gfp_t flags);
void *kvmalloc_array(size_t n, size_t size, gfp_t flags);
void *kvcalloc(size_t n, size_t size, gfp_t flags);
void kvfree(const void *p);

#endif /* _SHIM_LINUX_SLAB_H */
