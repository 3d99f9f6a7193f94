/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the newest kernel has and older ones don't.  scripts/make-series.sh leaves
 * this file out.
 */
#ifndef _VMPORT_COMPAT_H
#define _VMPORT_COMPAT_H

#include <linux/kvm_host.h>

#if __has_include("regs.h")
#include "regs.h"
#else
#include "kvm_cache_regs.h"
#include "pmu.h"
#include "x86.h"

/* How the guest's own page tables are walked has a structure of its own now. */
#define kvm_pagewalk		kvm_mmu
#define gva_walk		walk_mmu[0]

#define kvm_pmu_instruction_retired(_vcpu)					\
	kvm_pmu_trigger_event(_vcpu, kvm_pmu_eventsel.INSTRUCTIONS_RETIRED)

#define VMPORT_GPR_ACCESSORS(_name)						\
static __always_inline u32 kvm_e##_name##_read(struct kvm_vcpu *vcpu)		\
{										\
	return kvm_r##_name##_read(vcpu);					\
}										\
static __always_inline void kvm_e##_name##_write(struct kvm_vcpu *vcpu, u32 val)	\
{										\
	kvm_r##_name##_write(vcpu, val);					\
}										\
static __always_inline unsigned long kvm_r##_name##_read_raw(struct kvm_vcpu *vcpu)	\
{										\
	return kvm_r##_name##_read(vcpu);					\
}										\
static __always_inline void kvm_r##_name##_write_raw(struct kvm_vcpu *vcpu,	\
						     unsigned long val)		\
{										\
	kvm_r##_name##_write(vcpu, val);					\
}

VMPORT_GPR_ACCESSORS(ax)
VMPORT_GPR_ACCESSORS(bx)
VMPORT_GPR_ACCESSORS(cx)
VMPORT_GPR_ACCESSORS(dx)
VMPORT_GPR_ACCESSORS(bp)
VMPORT_GPR_ACCESSORS(si)
VMPORT_GPR_ACCESSORS(di)
#endif

/* Pasted: where there is this one, KVM's Makefile looks for the other's name. */
#ifndef EXPORT_SYMBOL_FOR_KVM_INTERNAL
#define EXPORT_SYMBOL_FOR_KVM_INTERNAL(_symbol)	__PASTE(EXPORT_, SYMBOL_GPL)(_symbol)
#endif

#endif /* _VMPORT_COMPAT_H */
