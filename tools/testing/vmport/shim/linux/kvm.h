/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_KVM_H
#define _SHIM_LINUX_KVM_H

/* All that the uapi header takes from KVM's. */
#include <sys/ioctl.h>

#include <linux/types.h>

#define KVMIO	0xAE

#endif /* _SHIM_LINUX_KVM_H */
