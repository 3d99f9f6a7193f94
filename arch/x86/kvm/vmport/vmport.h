/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMware guest interface, as the rest of KVM sees it.  Everything but the
 * predicates is called only where they are true, so that nothing of it is left
 * where CONFIG_KVM_VMPORT is off.
 */
#ifndef __KVM_X86_VMPORT_H
#define __KVM_X86_VMPORT_H

#include <linux/kvm_host.h>

#include "kvm_emulate.h"
#include "x86.h"

#include "vmport/call.h"
#include "vmport/compat.h"
#include "vmport/events.h"
#include "vmport/hb.h"

struct eventfd_ctx;

/* Features that this kernel knows, KVM_CHECK_EXTENSION's answer. */
#define KVM_VMPORT_FEATURES						\
	(KVM_VMPORT_FEATURE_ENABLE | KVM_VMPORT_FEATURE_RPC |		\
	 KVM_VMPORT_FEATURE_HB | KVM_VMPORT_FEATURE_RING3 |		\
	 KVM_VMPORT_FEATURE_HYPERCALL | KVM_VMPORT_FEATURE_PMC |	\
	 KVM_VMPORT_FEATURE_EXIT_RPC | KVM_VMPORT_FEATURE_NESTED |	\
	 KVM_VMPORT_FEATURE_STEALCLOCK)

/**
 * struct kvm_vmport - a VM with the interface enabled
 * @lock: serialises the ioctls; taken before the locks of the state
 * @features: KVM_VMPORT_FEATURE_*, for life
 * @config: replaced under @lock, read under kvm_vmport_srcu or without interrupts
 * @state: replaced under @lock, used as @config is
 * @eventfd: replaced under @lock, signalled under RCU; may be NULL
 * @events: what the VMM hears of
 */
struct kvm_vmport {
	struct mutex lock;		/* ioctls */
	u64 features;
	struct vmport_config __rcu *config;
	struct vmport_state __rcu *state;
	struct eventfd_ctx __rcu *eventfd;
	struct vmport_events events;
};

DECLARE_STATIC_KEY_FALSE(kvm_vmport_enabled);

bool kvm_vmport_can_call(struct kvm_vcpu *vcpu);
bool kvm_vmport_call(struct kvm_vcpu *vcpu, bool in, bool is_privileged);
bool kvm_vmport_call_emulated(struct x86_emulate_ctxt *ctxt, u32 *val);
bool kvm_vmport_string_in(struct x86_emulate_ctxt *ctxt, unsigned int *count);
bool kvm_vmport_string_out(struct x86_emulate_ctxt *ctxt, u8 val);
bool kvm_vmport_gp(struct kvm_vcpu *vcpu, int *r);
bool kvm_vmport_is_l2_call(struct kvm_vcpu *vcpu);
bool kvm_vmport_is_l2_gp(struct kvm_vcpu *vcpu);
int kvm_vmport_hypercall(struct kvm_vcpu *vcpu);
bool kvm_vmport_find_next_rip(struct kvm_vcpu *vcpu, u64 *rip);
fastpath_t kvm_vmport_fastpath_call(struct kvm_vcpu *vcpu, bool in);
bool kvm_vmport_read_pmc(struct kvm_vcpu *vcpu, u32 index, u64 *value);
bool kvm_vmport_fill_exit(struct kvm_vcpu *vcpu);
void kvm_vmport_update_steal_clock(struct kvm_vcpu *vcpu);

#ifdef CONFIG_KVM_VMPORT
static inline bool kvm_vmport_is_enabled(struct kvm *kvm)
{
	return static_branch_unlikely(&kvm_vmport_enabled) && kvm->arch.vmport;
}

static inline bool kvm_vmport_has_feature(struct kvm *kvm, u64 feature)
{
	return kvm_vmport_is_enabled(kvm) && (kvm->arch.vmport->features & feature);
}

/* VMware lets ring 3 use the port, whatever IOPL and the TSS say. */
static inline bool kvm_is_vmware_port_allowed(struct kvm *kvm)
{
	return enable_vmware_backdoor ||
	       kvm_vmport_has_feature(kvm, KVM_VMPORT_FEATURE_RING3);
}

/* And read its pseudo counters, whatever CR4.PCE says. */
static inline bool kvm_is_vmware_pmc_allowed(struct kvm_vcpu *vcpu)
{
	return enable_vmware_backdoor ||
	       kvm_vmport_has_feature(vcpu->kvm, KVM_VMPORT_FEATURE_PMC);
}

/* May ring 3 do any of that?  On hardware it needs a #GP intercept. */
static inline bool kvm_is_vmware_ring3_allowed(struct kvm *kvm)
{
	return enable_vmware_backdoor ||
	       kvm_vmport_has_feature(kvm, KVM_VMPORT_FEATURE_RING3 |
					   KVM_VMPORT_FEATURE_PMC);
}

/* A 32-bit access on the port, to a VM that has the interface enabled? */
static inline bool kvm_vmport_is_access(struct kvm_vcpu *vcpu, int size, u16 port)
{
	return kvm_vmport_is_enabled(vcpu->kvm) && port == VMPORT_PORT && size == 4;
}

/**
 * kvm_vmport_pio() - answer an IN or OUT if it is a call
 * @vcpu: the caller, whom the guest's system has let use the port
 * @size: bytes accessed
 * @port: I/O port
 * @in: IN, not OUT
 *
 * Context: vCPU's thread, kvm->srcu held, may sleep.
 * Return: true when it was; the instruction is to be skipped.
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

/* A hypercall to the interface rather than to KVM?  Not that of L2. */
static inline bool kvm_vmport_is_hypercall(struct kvm_vcpu *vcpu)
{
	return kvm_vmport_has_feature(vcpu->kvm, KVM_VMPORT_FEATURE_HYPERCALL) &&
	       kvm_eax_read(vcpu) == VMPORT_MAGIC && kvm_vmport_can_call(vcpu) &&
	       (kvm_vmport_has_feature(vcpu->kvm, KVM_VMPORT_FEATURE_RING3) ||
		kvm_x86_call(get_cpl)(vcpu) == 0);
}

/* An access of L2 that L0 answers, whatever L1 intercepts? */
static inline bool kvm_vmport_is_l2_pio(struct kvm_vcpu *vcpu, int size, u16 port)
{
	return kvm_vmport_is_access(vcpu, size, port) && kvm_vmport_is_l2_call(vcpu);
}

/* The same of VMX, by the exit qualification; string instructions are L1's. */
static inline bool kvm_vmport_is_l2_vmx_pio(struct kvm_vcpu *vcpu, unsigned long qual)
{
	return !(qual & 16) && kvm_vmport_is_l2_pio(vcpu, (qual & 7) + 1, qual >> 16);
}

/* A byte access on the port for whole messages? */
static inline bool kvm_vmport_is_hb_access(struct kvm_vcpu *vcpu, int size, u16 port)
{
	return kvm_vmport_has_feature(vcpu->kvm, KVM_VMPORT_FEATURE_HB) &&
	       port == VMPORT_HB_PORT && size == 1;
}

/**
 * kvm_vmport_emulated_in() - the same for an instruction in the emulator
 * @ctxt: the emulator
 * @size: bytes accessed at a time
 * @port: I/O port
 * @val: out: what was read
 * @count: how many times @size; out: 0 when the guest is to be entered again
 *	instead of anything written, which is what the emulator is to be told
 *
 * Context: vCPU's thread, kvm->srcu held, may sleep.
 * Return: true when it was a call.
 */
static inline bool kvm_vmport_emulated_in(struct x86_emulate_ctxt *ctxt, int size, u16 port,
					  void *val, unsigned int *count)
{
	if (kvm_vmport_is_access(ctxt->vcpu, size, port))
		return kvm_vmport_call_emulated(ctxt, val);

	return kvm_vmport_is_hb_access(ctxt->vcpu, size, port) &&
	       kvm_vmport_string_in(ctxt, count);
}

/* The same for what is written: @val has @size bytes. */
static inline bool kvm_vmport_emulated_out(struct x86_emulate_ctxt *ctxt, int size, u16 port,
					   const void *val)
{
	if (kvm_vmport_is_access(ctxt->vcpu, size, port))
		return kvm_vmport_call_emulated(ctxt, NULL);

	return kvm_vmport_is_hb_access(ctxt->vcpu, size, port) &&
	       kvm_vmport_string_out(ctxt, *(const u8 *)val);
}

/**
 * kvm_vmport_rdpmc() - read a pseudo counter if it is one
 * @vcpu: the reader
 * @index: ECX of RDPMC
 * @value: out: EDX:EAX
 *
 * Context: vCPU's thread.
 * Return: true when it was.
 */
static inline bool kvm_vmport_rdpmc(struct kvm_vcpu *vcpu, u32 index, u64 *value)
{
	return kvm_vmport_has_feature(vcpu->kvm, KVM_VMPORT_FEATURE_PMC) &&
	       kvm_vmport_read_pmc(vcpu, index, value);
}

/**
 * kvm_vmport_check_exit() - does the VMM have to hear of something first?
 * @vcpu: about to enter the guest
 *
 * Context: vCPU's thread, kvm->srcu held, may sleep.
 * Return: true when KVM_RUN is to return; the exit is described in vcpu->run.
 */
static inline bool kvm_vmport_check_exit(struct kvm_vcpu *vcpu)
{
	return kvm_vmport_is_enabled(vcpu->kvm) &&
	       kvm_check_request(KVM_REQ_VMPORT_EXIT, vcpu) && kvm_vmport_fill_exit(vcpu);
}

/**
 * kvm_vmport_record_steal_time() - let the guest's steal clock go on
 * @vcpu: its thread may have waited for a processor
 *
 * Context: vCPU's thread, kvm->srcu held, may sleep until the VMM has provided the
 * memory.
 */
static inline void kvm_vmport_record_steal_time(struct kvm_vcpu *vcpu)
{
	if (kvm_vmport_has_feature(vcpu->kvm, KVM_VMPORT_FEATURE_STEALCLOCK))
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
#define kvm_vmport_emulated_in(ctxt, size, port, val, count)	false
#define kvm_vmport_emulated_out(ctxt, size, port, val)		false
#define kvm_vmport_pio(vcpu, size, port, in)	false
#define kvm_vmport_is_hypercall(vcpu)		false
#define kvm_vmport_is_l2_pio(vcpu, size, port)	false
#define kvm_vmport_is_l2_vmx_pio(vcpu, qual)	false
#define kvm_vmport_fastpath_pio(vcpu, size, port, in)	EXIT_FASTPATH_NONE
#define kvm_vmport_check_exit(vcpu)		false
#define kvm_vmport_record_steal_time(vcpu)	do { } while (0)
#endif /* CONFIG_KVM_VMPORT */

int kvm_vmport_emulate_gp(struct kvm_vcpu *vcpu);
u64 kvm_vmport_features(struct kvm *kvm);
int kvm_vmport_enable(struct kvm *kvm, const struct kvm_enable_cap *cap);
int kvm_vmport_vm_ioctl(struct kvm *kvm, unsigned int ioctl, void __user *argp);
void kvm_vmport_destroy_vm(struct kvm *kvm);

/* Between the files of the glue. */

/* VMware changes the low halves of registers only. */
static inline unsigned long kvm_vmport_merge(unsigned long old, u32 low)
{
	return (old & ~0xfffffffful) | low;
}

extern struct srcu_struct kvm_vmport_srcu;

int kvm_vmport_begin_call(struct kvm_vcpu *vcpu, struct vmport_call *call)
	__acquires(&kvm_vmport_srcu);
void kvm_vmport_end_call(struct kvm_vcpu *vcpu, const struct vmport_call *call, int idx)
	__releases(&kvm_vmport_srcu);
void kvm_vmport_wait_for_calls(void);

#define VMPORT_OPCODE_IN	0xed	/* IN EAX, DX */
#define VMPORT_OPCODE_OUT	0xef	/* OUT DX, EAX */

bool kvm_vmport_is_encrypted(struct kvm_vcpu *vcpu);
bool kvm_vmport_l2_can_call(struct kvm_vcpu *vcpu);
bool kvm_vmport_can_use_port(struct kvm_vcpu *vcpu);
bool kvm_vmport_is_privileged(struct kvm_vcpu *vcpu);
bool kvm_vmport_is_port(const struct x86_emulate_ctxt *ctxt);
bool kvm_vmport_is_string(const struct x86_emulate_ctxt *ctxt);

/* struct x86_exception.vector: none.  That of #DE is never met here. */
#define KVM_VMPORT_NO_VECTOR	DE_VECTOR

u32 kvm_vmport_read_guest(struct kvm_vcpu *vcpu, gva_t addr, void *data, u32 size,
			  struct x86_exception *exception);
u32 kvm_vmport_write_guest(struct kvm_vcpu *vcpu, gva_t addr, const void *data, u32 size,
			   struct x86_exception *exception);
int kvm_vmport_get_attr(struct kvm *kvm, struct kvm_vmport_attr *attr);
int kvm_vmport_set_attr(struct kvm *kvm, struct kvm_vmport_attr *attr);
void kvm_vmport_attr_is_read(struct kvm *kvm, const struct kvm_vmport_attr *attr);
void kvm_vmport_put_eventfd(struct kvm_vmport *vmport);

#endif /* __KVM_X86_VMPORT_H */
