/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_PRIVILEGE_H
#define _VMPORT_PRIVILEGE_H

#include <linux/kvm_host.h>

bool kvm_vmport_is_privileged(struct kvm_vcpu *vcpu);

#endif /* _VMPORT_PRIVILEGE_H */
