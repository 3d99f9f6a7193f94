/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_MINMAX_H
#define _SHIM_LINUX_MINMAX_H

#define min(_x, _y) ({					\
	__typeof__(_x) __x = (_x);			\
	__typeof__(_y) __y = (_y);			\
	__x < __y ? __x : __y;				\
})

#define max(_x, _y) ({					\
	__typeof__(_x) __x = (_x);			\
	__typeof__(_y) __y = (_y);			\
	__x > __y ? __x : __y;				\
})

#define min_t(_type, _x, _y)	min((_type)(_x), (_type)(_y))
#define max_t(_type, _x, _y)	max((_type)(_x), (_type)(_y))

#define swap(a, b)						\
do {								\
	typeof(a) __tmp = (a);					\
								\
	(a) = (b);						\
	(b) = __tmp;						\
} while (0)

#endif /* _SHIM_LINUX_MINMAX_H */
