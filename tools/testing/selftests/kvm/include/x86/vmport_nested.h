/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an L1 of the tests of KVM's VMware guest interface needs for its L2.
 */
#ifndef SELFTEST_KVM_VMPORT_NESTED_H
#define SELFTEST_KVM_VMPORT_NESTED_H

#include "vmport.h"

bool vmport_has_nested_paging(void);
bool vmport_has_l2(void);
bool vmport_is_in_l2(struct kvm_vcpu *vcpu);
u64 vmport_nested_tables(struct kvm_vm *vm, u64 second);

#endif /* SELFTEST_KVM_VMPORT_NESTED_H */
