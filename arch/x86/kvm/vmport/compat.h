/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the newest kernel has and older ones don't.  scripts/release/make-series.sh leaves
 * this file out.
 */
#ifndef _VMPORT_COMPAT_H
#define _VMPORT_COMPAT_H

#include <linux/eventfd.h>
#include <linux/kvm_host.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
#include "regs.h"

/* With what in vcpu->guest_debug a single step ends in the VMM. */
#define KVM_VMPORT_GUESTDBG_STEPS	(KVM_GUESTDBG_USE_HW_BP | KVM_GUESTDBG_SINGLESTEP)
#else
#include "kvm_cache_regs.h"
#include "x86.h"
#include "pmu.h"

/* How the guest's own page tables are walked has a structure of its own now. */
#define kvm_pagewalk		kvm_mmu
#define gva_walk		walk_mmu[0]

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#define kvm_pmu_instruction_retired(_vcpu)					\
	kvm_pmu_trigger_event(_vcpu, PERF_COUNT_HW_INSTRUCTIONS)
#else
#define kvm_pmu_instruction_retired(_vcpu)					\
	kvm_pmu_trigger_event(_vcpu, kvm_pmu_eventsel.INSTRUCTIONS_RETIRED)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
/*
 * Nobody else uses it there.  Counting an instruction may take a mutex, and the fast
 * path cannot leave to the VMM.
 */
static inline bool kvm_pmu_is_fastpath_emulation_allowed(struct kvm_vcpu *vcpu)
{
	struct kvm_pmu *pmu = vcpu_to_pmu(vcpu);
	u64 enabled = pmu->fixed_ctr_ctrl;
	unsigned int i;

	for (i = 0; i < pmu->nr_arch_gp_counters; i++)
		enabled |= pmu->gp_counters[i].eventsel & ARCH_PERFMON_EVENTSEL_ENABLE;
	return !enabled && !vcpu->guest_debug;
}

#define EXIT_FASTPATH_EXIT_USERSPACE	EXIT_FASTPATH_EXIT_HANDLED

/*
 * No guest has LAM there, and the emulator has no such operation.  The macro takes the place
 * of its name in "ctxt->ops->...", so it needs the name of one that is there.
 */
#define get_untagged_addr(_ctxt, _addr, _flags)	cpl ? (_addr) : 0
#else
#define kvm_pmu_is_fastpath_emulation_allowed(_vcpu)	true
#endif

#if IS_ENABLED(CONFIG_KVM_INTEL)
#define kvm_request_l1tf_flush_l1d()						\
	raw_cpu_write(irq_stat.kvm_cpu_l1tf_flush_l1d, 1)
#else
#define kvm_request_l1tf_flush_l1d()	do { } while (0)
#endif

#define KVM_VMPORT_GUESTDBG_STEPS	KVM_GUESTDBG_SINGLESTEP

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

#ifndef kvm_x86_call
#define kvm_x86_call(_func)	static_call(kvm_x86_##_func)
#endif

#ifndef kvm_nested_call
#define kvm_nested_call(_func)	kvm_x86_nested_##_func
#define kvm_x86_nested_is_exception_vmexit	kvm_x86_ops.nested_ops->is_exception_vmexit
#endif

/* The clock of the APIC could not be changed, nor is a VM protected before its vCPUs. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
#define kvm_apic_bus_cycle_ns(_kvm)	APIC_BUS_CYCLE_NS
#define kvm_has_protected_state(_kvm)	false
#else
#define kvm_apic_bus_cycle_ns(_kvm)	((_kvm)->arch.apic_bus_cycle_ns)
#define kvm_has_protected_state(_kvm)	((_kvm)->arch.has_protected_state)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#define eventfd_signal(_eventfd)	eventfd_signal(_eventfd, 1)
#endif

#endif /* _VMPORT_COMPAT_H */
