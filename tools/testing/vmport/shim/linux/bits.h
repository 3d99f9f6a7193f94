/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_BITS_H
#define _SHIM_LINUX_BITS_H

#define BIT_ULL(_nr)	(1ULL << (_nr))

#endif /* _SHIM_LINUX_BITS_H */
