/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The names that the newest selftests have, for those of older kernels.
 * scripts/release/make-series.sh leaves this file out.
 */
#ifndef SELFTEST_KVM_VMPORT_COMPAT_H
#define SELFTEST_KVM_VMPORT_COMPAT_H

#if !__has_include("kvm_syscalls.h")
#define gva_t			vm_vaddr_t
#define vm_alloc		vm_vaddr_alloc
#define vm_alloc_page		vm_vaddr_alloc_page
#define vm_alloc_pages		vm_vaddr_alloc_pages
#define misc_ctl		nested_ctl
/* What there is of that name stays aside: L2's flags are in the VMCB. */
#define guest_regs		vmcb->save
/* The stack is the caller's there; ours sets it later anyway. */
#define generic_svm_setup(_svm, _rip)	(generic_svm_setup)(_svm, _rip, NULL)
#define prepare_vmcs(_vmx, _rip)	(prepare_vmcs)(_vmx, _rip, NULL)
#endif

#endif /* SELFTEST_KVM_VMPORT_COMPAT_H */
