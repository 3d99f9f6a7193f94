/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_SEQLOCK_H
#define _SHIM_LINUX_SEQLOCK_H

#include <linux/mutex.h>
#include <linux/types.h>

/* Writers hold the mutex and cannot sleep; readers may wait for it on PREEMPT_RT. */
typedef struct {
	unsigned int sequence;
	struct mutex *lock;
} seqcount_mutex_t;

static inline void seqcount_mutex_init(seqcount_mutex_t *s, struct mutex *lock)
{
	s->sequence = 0;
	s->lock = lock;
}

unsigned int shim_seqcount_begin(const seqcount_mutex_t *s);
bool shim_seqcount_retry(const seqcount_mutex_t *s, unsigned int start);
void shim_write_seqcount_begin(seqcount_mutex_t *s);
void shim_write_seqcount_end(seqcount_mutex_t *s);

#define read_seqcount_begin(_s)			shim_seqcount_begin(_s)
#define read_seqcount_retry(_s, _start)		shim_seqcount_retry(_s, _start)
#define write_seqcount_begin(_s)		shim_write_seqcount_begin(_s)
#define write_seqcount_end(_s)			shim_write_seqcount_end(_s)

#endif /* _SHIM_LINUX_SEQLOCK_H */
