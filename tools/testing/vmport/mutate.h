/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Blobs that are wrong in ways that can be had again: the same number gives the same
 * bytes, in the unit tests and in the kselftest that asks KVM.
 */
#ifndef _MUTATE_H
#define _MUTATE_H

#include <stddef.h>

/* A blob grows by no more than that. */
#define MUTATE_ROOM	512

/*
 * Mutation @n of the blob at @from, to @to, where there are MUTATE_ROOM bytes more than
 * @size.  Returns its size.  Number 0 is the blob itself.
 */
size_t mutate(void *to, const void *from, size_t size, unsigned long long n);

#endif /* _MUTATE_H */
