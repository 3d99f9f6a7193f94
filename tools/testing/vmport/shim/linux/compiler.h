/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_COMPILER_H
#define _SHIM_LINUX_COMPILER_H

#include <linux/types.h>

#define likely(_x)	__builtin_expect(!!(_x), 1)
#define unlikely(_x)	__builtin_expect(!!(_x), 0)

#define READ_ONCE(_x)		(*(const volatile __typeof__(_x) *)&(_x))
#define WRITE_ONCE(_x, _val)	(*(volatile __typeof__(_x) *)&(_x) = (_val))

#define smp_load_acquire(_p)		__atomic_load_n(_p, __ATOMIC_ACQUIRE)
#define smp_store_release(_p, _v)	__atomic_store_n(_p, _v, __ATOMIC_RELEASE)

#endif /* _SHIM_LINUX_COMPILER_H */
