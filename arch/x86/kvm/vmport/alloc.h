/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory for what guests and blobs bring.
 */
#ifndef _VMPORT_ALLOC_H
#define _VMPORT_ALLOC_H

#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "call.h"

/*
 * Memory for data of any size.  kmalloc() rounds up to a power of two: up to twice the
 * memory, charged and zeroed, for a value of 64 KiB with its key.  Pages that would be
 * left over are not taken; small sizes are not worth the mapping.
 *
 * Returns memory for kvfree(), or NULL.  May sleep.
 */
static inline void *vmport_alloc_data(size_t size)
{
	size_t pages = PAGE_ALIGN(size);

	if (pages > 8 * PAGE_SIZE && roundup_pow_of_two(pages) - pages > pages / 8)
		return __vmalloc(size, VMPORT_GFP);
	return kvmalloc(size, VMPORT_GFP);
}

#endif /* _VMPORT_ALLOC_H */
