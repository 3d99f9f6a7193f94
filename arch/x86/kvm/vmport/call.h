/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One call of the VMware guest interface, as the engine sees it: registers, the
 * VM's configuration and its state.  No struct kvm_vcpu in sight, so the same
 * files build in the kernel and in tools/testing/vmport.
 */
#ifndef _VMPORT_CALL_H
#define _VMPORT_CALL_H

#include <linux/types.h>

#include "abi.h"
#include "protocol.h"

struct vmport_state;

/*
 * For every allocation: charged to the VMM, and when its memory cgroup is full
 * the guest gets an error, rather than the VMM killed.
 */
#define VMPORT_GFP		(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/* Low 32 bits of the guest registers that calls use. */
struct vmport_regs {
	u32 ax;
	u32 bx;
	u32 cx;
	u32 dx;
	u32 si;
	u32 di;
};

/*
 * What the VMM configured.  Immutable once published: a change replaces it.
 */
struct vmport_config {
	u64 features;			/* KVM_VMPORT_FEATURE_* */
	struct kvm_vmport_identity identity;
	struct kvm_vmport_limits limits;
};

/* Those of every VM, which its VMM can lower. */
extern const struct kvm_vmport_limits vmport_max_limits;

/*
 * What became of a call.
 *
 * @VMPORT_DONE: answered, the registers hold the result
 * @VMPORT_NOT_OURS: not a command of the kernel; nothing changed
 * @VMPORT_NEEDS_SLEEP: an atomic call met work that sleeps; nothing changed, repeat it
 *	with @vmport_call.atomic clear
 */
enum vmport_result {
	VMPORT_DONE,
	VMPORT_NOT_OURS,
	VMPORT_NEEDS_SLEEP,
};

/*
 * One call.
 *
 * @config: what the VMM configured
 * @state: channels and guestinfo; stays in place for the length of the call
 * @vcpu: the caller, for vmport_vcpu_*(); the engine doesn't look inside
 * @regs: in and out
 * @atomic: the caller cannot sleep
 * @no_hb: the caller cannot use the high-bandwidth port, and is not offered it
 * @is_privileged: the guest's own system lets the caller use the port
 * @asks: out: it ended in an RPC that waits for the VMM, see vmport_ask_next()
 * @copies: out: it ended a message, and up to 64 KiB have been copied
 */
struct vmport_call {
	const struct vmport_config *config;
	struct vmport_state *state;
	void *vcpu;
	struct vmport_regs regs;
	bool atomic;
	bool no_hb;
	bool is_privileged;
	bool asks;
	bool copies;
};

static inline bool vmport_has_feature(const struct vmport_config *config, u64 feature)
{
	return config->features & feature;
}

/*
 * Facts about the calling vCPU, provided by whoever links the engine.  Any
 * context.
 */

/* TSC rate that the guest sees, Hz. */
u64 vmport_vcpu_tsc_hz(void *vcpu);
/* Rate of the APIC timer's bus clock, Hz. */
u32 vmport_vcpu_apic_hz(void *vcpu);
/* Does the vCPU's CPUID offer x2APIC? */
bool vmport_vcpu_has_x2apic(void *vcpu);
/* Its number, as the VMM gave it. */
u32 vmport_vcpu_id(void *vcpu);
/* Does it make this call from ring 0? */
bool vmport_vcpu_is_ring0(void *vcpu);
/* Ns that its thread has waited for a processor, since that thread began. */
u64 vmport_vcpu_waited(void *vcpu);
/* Is there memory to write to at this guest physical address?  May sleep. */
bool vmport_vcpu_has_memory(void *vcpu, u64 address);

/* The rate of the TSC as the guest is told it, Hz. */
static inline u64 vmport_tsc_hz(const struct vmport_call *call)
{
	return call->config->identity.tsc_hz ?: vmport_vcpu_tsc_hz(call->vcpu);
}

#endif /* _VMPORT_CALL_H */
