/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_MUTEX_H
#define _SHIM_LINUX_MUTEX_H

#include <linux/lockdep.h>
#include <linux/types.h>

/* One thread only: what is checked is who may lock what, and when. */
struct mutex {
	const char *name;
	bool held;
};

#define mutex_init(_lock)	shim_mutex_init(_lock, #_lock)

/* Called before each is taken, when set: what another CPU does meanwhile. */
extern void (*shim_mutex_hook)(struct mutex *lock);

void shim_mutex_init(struct mutex *lock, const char *name);
void mutex_destroy(struct mutex *lock);
void mutex_lock(struct mutex *lock);
void mutex_unlock(struct mutex *lock);
/* One of several of a kind that its caller holds, which only holders of @outer do. */
void mutex_lock_nest_lock(struct mutex *lock, struct mutex *outer);

#endif /* _SHIM_LINUX_MUTEX_H */
