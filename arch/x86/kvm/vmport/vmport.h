/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMware guest interface, as KVM's own files see it: what their hooks call.  Everything
 * but the predicates is called only where they are true, so that nothing of it is left
 * where CONFIG_KVM_VMPORT is off.
 *
 * All of it runs in the vCPU's thread with kvm->srcu held, and may sleep, unless it says
 * otherwise.
 */
#ifndef __KVM_X86_VMPORT_H
#define __KVM_X86_VMPORT_H

#include <linux/bits.h>
#include <linux/jump_label_ratelimit.h>
#include <linux/kvm_host.h>

#include <uapi/linux/kvm_vmport.h>

#include "x86.h"

#include "vmport/protocol.h"

/* SDM volume 3, "Exit Qualification for I/O Instructions". */
#define VMX_IO_QUAL_SIZE	GENMASK(2, 0)	/* bytes accessed, less one */
#define VMX_IO_QUAL_IN		BIT(3)
#define VMX_IO_QUAL_STRING	BIT(4)
#define VMX_IO_QUAL_PORT_SHIFT	16

/* On while any VM of the host has the interface, and for a second more. */
extern struct static_key_false_deferred kvm_vmport_enabled;

/* Of the VM. */
u64 kvm_vmport_features(struct kvm *kvm);
int kvm_vmport_enable(struct kvm *kvm, const struct kvm_enable_cap *cap);
int kvm_vmport_vm_ioctl(struct kvm *kvm, unsigned int ioctl, void __user *argp);
void kvm_vmport_destroy_vm(struct kvm *kvm);

/* Of a vCPU whose VM has the interface enabled. */
bool kvm_vmport_has_feature(struct kvm *kvm, u64 features);
bool kvm_vmport_call(struct kvm_vcpu *vcpu, bool in, bool is_privileged);
fastpath_t kvm_vmport_fastpath_call(struct kvm_vcpu *vcpu, bool in);
bool kvm_vmport_call_emulated(struct kvm_vcpu *vcpu, u32 *val);
bool kvm_vmport_string_in(struct kvm_vcpu *vcpu);
bool kvm_vmport_string_out(struct kvm_vcpu *vcpu, u8 val);
bool kvm_vmport_is_emulated_call(struct kvm_vcpu *vcpu, u16 port);
bool kvm_vmport_gp(struct kvm_vcpu *vcpu, int *r);
int kvm_vmport_emulate_gp(struct kvm_vcpu *vcpu);
bool kvm_vmport_is_l2_call(struct kvm_vcpu *vcpu);
bool kvm_vmport_is_l2_gp(struct kvm_vcpu *vcpu);
bool kvm_vmport_can_hypercall(struct kvm_vcpu *vcpu);
int kvm_vmport_hypercall(struct kvm_vcpu *vcpu);
bool kvm_vmport_find_next_rip(struct kvm_vcpu *vcpu, u64 *rip);
bool kvm_vmport_read_pmc(struct kvm_vcpu *vcpu, u32 index, u64 *value);
bool kvm_vmport_fill_exit(struct kvm_vcpu *vcpu);
void kvm_vmport_update_steal_clock(struct kvm_vcpu *vcpu);

#ifdef CONFIG_KVM_VMPORT
static inline bool kvm_vmport_is_enabled(struct kvm *kvm)
{
	return static_branch_unlikely(&kvm_vmport_enabled.key) && kvm->arch.vmport;
}

/*
 * May ring 3 use the port or read the pseudo counters, whatever IOPL, the TSS and CR4.PCE
 * say?  On hardware both need a #GP intercept.
 */
static inline bool kvm_is_vmware_ring3_allowed(struct kvm *kvm)
{
	return enable_vmware_backdoor ||
	       (kvm_vmport_is_enabled(kvm) &&
		kvm_vmport_has_feature(kvm, KVM_VMPORT_FEATURE_RING3 | KVM_VMPORT_FEATURE_PMC));
}

/* May it read the pseudo counters, whatever CR4.PCE says? */
static inline bool kvm_is_vmware_pmc_allowed(struct kvm_vcpu *vcpu)
{
	return enable_vmware_backdoor ||
	       (kvm_vmport_is_enabled(vcpu->kvm) &&
		kvm_vmport_has_feature(vcpu->kvm, KVM_VMPORT_FEATURE_PMC));
}

/* A 32-bit access on the port, to a VM that has the interface enabled? */
static inline bool kvm_vmport_is_access(struct kvm_vcpu *vcpu, int size, u16 port)
{
	return kvm_vmport_is_enabled(vcpu->kvm) && port == VMPORT_PORT && size == 4;
}

/* A byte access on the port for whole messages? */
static inline bool kvm_vmport_is_hb_access(struct kvm_vcpu *vcpu, int size, u16 port)
{
	return kvm_vmport_is_enabled(vcpu->kvm) && port == VMPORT_HB_PORT && size == 1 &&
	       kvm_vmport_has_feature(vcpu->kvm, KVM_VMPORT_FEATURE_HB);
}

/*
 * An IN or OUT that the guest's system has let pass: true when it was a call and has been
 * answered.  Then the instruction is to be skipped.
 */
static inline bool kvm_vmport_pio(struct kvm_vcpu *vcpu, int size, u16 port, bool in)
{
	return kvm_vmport_is_access(vcpu, size, port) && kvm_vmport_call(vcpu, in, true);
}

/* The same before the exit loop ends, with interrupts disabled. */
static inline fastpath_t kvm_vmport_fastpath_pio(struct kvm_vcpu *vcpu, int size, u16 port,
						 bool in)
{
	if (!kvm_vmport_is_access(vcpu, size, port))
		return EXIT_FASTPATH_NONE;

	return kvm_vmport_fastpath_call(vcpu, in);
}

/* The same of VMX, by the exit qualification; string instructions go the long way. */
static inline fastpath_t kvm_vmport_fastpath_vmx_pio(struct kvm_vcpu *vcpu, unsigned long qual)
{
	if (qual & VMX_IO_QUAL_STRING)
		return EXIT_FASTPATH_NONE;

	return kvm_vmport_fastpath_pio(vcpu, (qual & VMX_IO_QUAL_SIZE) + 1,
				       qual >> VMX_IO_QUAL_PORT_SHIFT, qual & VMX_IO_QUAL_IN);
}

/* May the emulator's instruction use the port where the guest's system denies it? */
static inline bool kvm_vmport_permits_io(struct kvm_vcpu *vcpu, u16 port)
{
	return kvm_vmport_is_enabled(vcpu->kvm) && kvm_vmport_is_emulated_call(vcpu, port);
}

/* An IN in the emulator: true when it was a call; @val gets what was read. */
static inline bool kvm_vmport_emulated_in(struct kvm_vcpu *vcpu, int size, u16 port, void *val)
{
	return kvm_vmport_is_access(vcpu, size, port) && kvm_vmport_call_emulated(vcpu, val);
}

/*
 * An INS in the emulator: true when the interface has run it.  Then the guest's memory and
 * registers are written, or the emulator has a fault to raise; the guest is to be entered.
 */
static inline bool kvm_vmport_emulated_ins(struct kvm_vcpu *vcpu, int size, u16 port)
{
	return kvm_vmport_is_hb_access(vcpu, size, port) && kvm_vmport_string_in(vcpu);
}

/* An OUT or OUTS in the emulator: true when it was a call.  @val has @size bytes. */
static inline bool kvm_vmport_emulated_out(struct kvm_vcpu *vcpu, int size, u16 port,
					   const void *val)
{
	if (kvm_vmport_is_access(vcpu, size, port))
		return kvm_vmport_call_emulated(vcpu, NULL);

	return kvm_vmport_is_hb_access(vcpu, size, port) &&
	       kvm_vmport_string_out(vcpu, *(const u8 *)val);
}

/* A hypercall to the interface rather than to KVM?  Not that of L2. */
static inline bool kvm_vmport_is_hypercall(struct kvm_vcpu *vcpu)
{
	return kvm_vmport_is_enabled(vcpu->kvm) && kvm_vmport_can_hypercall(vcpu);
}

/* An access of L2 that L0 answers, whatever L1 intercepts? */
static inline bool kvm_vmport_is_l2_pio(struct kvm_vcpu *vcpu, int size, u16 port)
{
	return kvm_vmport_is_access(vcpu, size, port) && kvm_vmport_is_l2_call(vcpu);
}

/* The same of VMX, by the exit qualification; string instructions are L1's. */
static inline bool kvm_vmport_is_l2_vmx_pio(struct kvm_vcpu *vcpu, unsigned long qual)
{
	return !(qual & VMX_IO_QUAL_STRING) &&
	       kvm_vmport_is_l2_pio(vcpu, (qual & VMX_IO_QUAL_SIZE) + 1,
				    qual >> VMX_IO_QUAL_PORT_SHIFT);
}

/* RDPMC: true when @index, from ECX, is a pseudo counter; @value is for EDX:EAX then. */
static inline bool kvm_vmport_rdpmc(struct kvm_vcpu *vcpu, u32 index, u64 *value)
{
	return kvm_vmport_is_enabled(vcpu->kvm) && kvm_vmport_read_pmc(vcpu, index, value);
}

/*
 * Before the guest is entered: does the VMM have to hear of something first?  Then KVM_RUN
 * is to return with the exit that is described in vcpu->run.
 */
static inline bool kvm_vmport_check_exit(struct kvm_vcpu *vcpu)
{
	return kvm_vmport_is_enabled(vcpu->kvm) &&
	       kvm_check_request(KVM_REQ_VMPORT_EXIT, vcpu) && kvm_vmport_fill_exit(vcpu);
}

/* The vCPU's thread may have waited for a processor: let the guest's steal clock go on. */
static inline void kvm_vmport_record_steal_time(struct kvm_vcpu *vcpu)
{
	if (kvm_vmport_is_enabled(vcpu->kvm))
		kvm_vmport_update_steal_clock(vcpu);
}
#else
/*
 * Macros, as even a constant inline function changes how the code around it is
 * compiled; with these KVM's object code is that of the unpatched source.
 */
#define kvm_vmport_is_enabled(kvm)		false
#define kvm_is_vmware_ring3_allowed(kvm)	enable_vmware_backdoor
#define kvm_is_vmware_pmc_allowed(vcpu)		enable_vmware_backdoor
#define kvm_vmport_rdpmc(vcpu, index, value)	false
#define kvm_vmport_permits_io(vcpu, port)	false
#define kvm_vmport_emulated_in(vcpu, size, port, val)	false
#define kvm_vmport_emulated_ins(vcpu, size, port)	false
#define kvm_vmport_emulated_out(vcpu, size, port, val)	false
#define kvm_vmport_pio(vcpu, size, port, in)	false
#define kvm_vmport_is_hypercall(vcpu)		false
#define kvm_vmport_is_l2_pio(vcpu, size, port)	false
#define kvm_vmport_is_l2_vmx_pio(vcpu, qual)	false
#define kvm_vmport_fastpath_pio(vcpu, size, port, in)	EXIT_FASTPATH_NONE
#define kvm_vmport_fastpath_vmx_pio(vcpu, qual)		EXIT_FASTPATH_NONE
#define kvm_vmport_check_exit(vcpu)		false
#define kvm_vmport_record_steal_time(vcpu)	do { } while (0)
#endif /* CONFIG_KVM_VMPORT */

#endif /* __KVM_X86_VMPORT_H */
