/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What stands in for the kernel under the engine, as the tests see it.  The
 * shims are strict where the kernel is only strict with debugging on: a lock
 * taken twice or in another order, sleeping where that is not allowed, memory
 * not charged to the VMM, a wrong kind of free: each ends the test.
 */
#ifndef _SHIM_H
#define _SHIM_H

#include <linux/types.h>

/* Say what is wrong and abort. */
void shim_bug(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Memory, as the kernel would count it. */
size_t shim_live_bytes(void);		/* allocated and not freed */
size_t shim_peak_bytes(void);		/* most of that since shim_reset_peak() */
void shim_reset_peak(void);
unsigned long shim_allocs(void);	/* allocations so far, failed ones too */
void shim_fail_alloc(unsigned long nth);	/* from now on, 1 the next; 0 none */
bool shim_alloc_failed(void);		/* has one, since shim_fail_alloc()? */
/* When set, it is called before each. */
extern void (*shim_alloc_hook)(size_t size);

/* Between these the caller cannot sleep, as in KVM's fast path. */
void shim_atomic_begin(void);
void shim_atomic_end(void);

/* How often others could have had the processor so far. */
unsigned long shim_rescheds(void);

/* No lock held, nothing atomic, no reader. */
void shim_check_idle(void);

void shim_random_seed(u64 seed);
/* When set, get_random_bytes() asks it. */
extern void (*shim_random_hook)(void *buf, size_t len);
/* Bits that siphash() gives; without any, all keys collide. */
extern u64 shim_hash_bits;

void shim_set_time(s64 seconds, long nanoseconds);
/* Else every look at jiffies finds them later. */
void shim_hold_jiffies(bool hold);
void shim_add_jiffies(u64 jiffies);

#endif /* _SHIM_H */
