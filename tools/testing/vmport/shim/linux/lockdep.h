/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_LOCKDEP_H
#define _SHIM_LINUX_LOCKDEP_H

#include "../shim.h"

#define lockdep_is_held(_lock)	((_lock)->held)

#define lockdep_assert_held(_lock) do {				\
	if (!lockdep_is_held(_lock))				\
		shim_bug("%s: %s is not held", __func__, #_lock);	\
} while (0)

#endif /* _SHIM_LINUX_LOCKDEP_H */
