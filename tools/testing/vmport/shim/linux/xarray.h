/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_XARRAY_H
#define _SHIM_LINUX_XARRAY_H

#include <linux/err.h>
#include <linux/types.h>

/* Pointers by index, few of them: an array that is made anew for each one more. */
struct xarray {
	struct xarray_item *items;
	unsigned long count;
};

struct xarray_item {
	unsigned long index;
	void *entry;
};

#define XA_FLAGS_ACCOUNT	1

void xa_init_flags(struct xarray *xa, gfp_t flags);
void *xa_load(struct xarray *xa, unsigned long index);
/* Never another entry in the place of one, nor none. */
void *xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp);
void xa_destroy(struct xarray *xa);
/* The first at @index or behind it, which becomes its; NULL: none. */
void *xa_find(struct xarray *xa, unsigned long *index);

static inline int xa_err(void *entry)
{
	return IS_ERR(entry) ? PTR_ERR(entry) : 0;
}

#define xa_for_each(_xa, _index, _entry)					\
	for (_index = 0, _entry = xa_find(_xa, &_index); _entry;		\
	     _index++, _entry = xa_find(_xa, &_index))

#endif /* _SHIM_LINUX_XARRAY_H */
