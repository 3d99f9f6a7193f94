/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_ATOMIC_H
#define _SHIM_LINUX_ATOMIC_H

#include <linux/types.h>

/* One thread only. */
typedef struct {
	s64 counter;
} atomic64_t;

/* Called before each compare-and-exchange, when set: what another CPU does meanwhile. */
extern void (*shim_cmpxchg_hook)(atomic64_t *v);

static inline s64 atomic64_read(const atomic64_t *v)
{
	return v->counter;
}

static inline void atomic64_set(atomic64_t *v, s64 i)
{
	v->counter = i;
}

static inline s64 atomic64_inc_return(atomic64_t *v)
{
	return ++v->counter;
}

static inline void atomic64_inc(atomic64_t *v)
{
	v->counter++;
}

static inline s64 atomic64_fetch_add_unless(atomic64_t *v, s64 add, s64 unless)
{
	s64 old = v->counter;

	if (old != unless)
		v->counter += add;
	return old;
}

static inline bool atomic64_try_cmpxchg(atomic64_t *v, s64 *old, s64 new)
{
	if (shim_cmpxchg_hook)
		shim_cmpxchg_hook(v);
	if (v->counter != *old) {
		*old = v->counter;
		return false;
	}
	v->counter = new;
	return true;
}

#endif /* _SHIM_LINUX_ATOMIC_H */
