/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_RCUPDATE_H
#define _SHIM_LINUX_RCUPDATE_H

#include <linux/compiler.h>
#include <linux/types.h>

#include "../shim.h"

struct rcu_head {
	void *next;
};

void rcu_read_lock(void);
void rcu_read_unlock(void);
bool rcu_read_lock_held(void);

#define rcu_dereference(_p) ({						\
	if (!rcu_read_lock_held())					\
		shim_bug("%s: rcu_dereference(%s)", __func__, #_p);	\
	smp_load_acquire(&(_p));					\
})

#define rcu_dereference_protected(_p, _cond) ({				\
	if (!(_cond))							\
		shim_bug("%s: rcu_dereference_protected(%s)", __func__, #_p);	\
	(_p);								\
})

#define rcu_assign_pointer(_p, _v)	smp_store_release(&(_p), _v)

/* Freed at the end of the last read side, or at once when there is none. */
#define kvfree_rcu(_p, _head)	shim_kvfree_rcu(_p, &(_p)->_head)
void shim_kvfree_rcu(void *p, struct rcu_head *head);

#endif /* _SHIM_LINUX_RCUPDATE_H */
