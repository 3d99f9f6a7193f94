/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_OVERFLOW_H
#define _SHIM_LINUX_OVERFLOW_H

#include <linux/types.h>

#define struct_size(_p, _member, _count) \
	(sizeof(*(_p)) + sizeof((_p)->_member[0]) * (size_t)(_count))

#endif /* _SHIM_LINUX_OVERFLOW_H */
