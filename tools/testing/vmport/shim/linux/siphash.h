/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_SIPHASH_H
#define _SHIM_LINUX_SIPHASH_H

#include <linux/types.h>

typedef struct {
	u64 key[2];
} siphash_key_t;

/* Not SipHash: any hash that depends on the key does. */
u64 siphash(const void *data, size_t len, const siphash_key_t *key);

#endif /* _SHIM_LINUX_SIPHASH_H */
