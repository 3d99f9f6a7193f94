/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_BUILD_BUG_H
#define _SHIM_LINUX_BUILD_BUG_H

/* As the kernel's, with or without a text. */
#define static_assert(_cond, ...)	_Static_assert(_cond, #_cond)

#endif /* _SHIM_LINUX_BUILD_BUG_H */
