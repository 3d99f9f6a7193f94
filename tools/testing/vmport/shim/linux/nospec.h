/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_NOSPEC_H
#define _SHIM_LINUX_NOSPEC_H

#include "../shim.h"

/* A clamp for the processor; an index past the end here is a missing check. */
#define array_index_nospec(_index, _size) ({				\
	__typeof__(_index) __index = (_index);				\
	if (__index >= (_size))						\
		shim_bug("array_index_nospec(%lu, %lu)",		\
			 (unsigned long)__index, (unsigned long)(_size));	\
	__index;							\
})

#endif /* _SHIM_LINUX_NOSPEC_H */
