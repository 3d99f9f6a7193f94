/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_KERNEL_H
#define _SHIM_LINUX_KERNEL_H

#include <endian.h>
#include <errno.h>

#include <linux/align.h>
#include <linux/compiler.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/types.h>

#define ARRAY_SIZE(_array)	(sizeof(_array) / sizeof((_array)[0]))
#define offsetofend(_type, _member) \
	(offsetof(_type, _member) + sizeof(((_type *)0)->_member))

#define container_of(_p, _type, _member) \
	((_type *)((char *)(_p) - offsetof(_type, _member)))

#define upper_32_bits(_n)	((u32)((u64)(_n) >> 32))
#define lower_32_bits(_n)	((u32)(_n))

#define cpu_to_le16(_x)		htole16(_x)
#define cpu_to_le32(_x)		htole32(_x)
#define cpu_to_le64(_x)		htole64(_x)
#define le16_to_cpu(_x)		le16toh(_x)
#define le32_to_cpu(_x)		le32toh(_x)
#define le64_to_cpu(_x)		le64toh(_x)

#endif /* _SHIM_LINUX_KERNEL_H */
