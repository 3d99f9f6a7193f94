/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_CRC32C_H
#define _SHIM_LINUX_CRC32C_H

#include <linux/types.h>

/* As in the kernel: no inversion, neither before nor after. */
u32 crc32c(u32 crc, const void *address, unsigned int length);

#endif /* _SHIM_LINUX_CRC32C_H */
