// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls by IN and OUT, from the exit of a vCPU to the engine and back: in the ordinary exit
 * handler, in the exit fast path, in the emulator, and those of L2.
 */
#include <linux/kvm_host.h>

#include "kvm_emulate.h"
#include "x86.h"
#include "pmu.h"

#include "command.h"
#include "compat.h"
#include "insn.h"
#include "privilege.h"
#include "vcpu.h"
#include "vmport.h"

#define CREATE_TRACE_POINTS
#include "vmport_trace.h"

static void vmport_read_regs(struct kvm_vcpu *vcpu, struct vmport_regs *regs)
{
	regs->ax = kvm_eax_read(vcpu);
	regs->bx = kvm_ebx_read(vcpu);
	regs->cx = kvm_ecx_read(vcpu);
	regs->dx = kvm_edx_read(vcpu);
	regs->si = kvm_esi_read(vcpu);
	regs->di = kvm_edi_read(vcpu);
}

/* VMware changes the low halves only. */
static void vmport_write_low(struct kvm_vcpu *vcpu, int reg, u32 value)
{
	*(u32 *)&vcpu->arch.regs[reg] = value;
}

static void vmport_write_regs(struct kvm_vcpu *vcpu, const struct vmport_regs *regs, bool in)
{
	/* IN is a 32-bit load of EAX, and so zero-extends. */
	if (in)
		kvm_eax_write(vcpu, regs->ax);
	else
		vmport_write_low(vcpu, VCPU_REGS_RAX, regs->ax);
	vmport_write_low(vcpu, VCPU_REGS_RBX, regs->bx);
	vmport_write_low(vcpu, VCPU_REGS_RCX, regs->cx);
	vmport_write_low(vcpu, VCPU_REGS_RDX, regs->dx);
	vmport_write_low(vcpu, VCPU_REGS_RSI, regs->si);
	vmport_write_low(vcpu, VCPU_REGS_RDI, regs->di);
}

static __always_inline bool vmport_run_call(struct kvm_vcpu *vcpu, struct vmport_call *call)
{
	bool answered;
	int idx;

	if (call->atomic) {
		kvm_vmport_fill_call(vcpu, call);
		answered = vmport_command(call) == VMPORT_DONE;
	} else {
		idx = kvm_vmport_begin_call(vcpu, call);
		answered = vmport_command(call) == VMPORT_DONE;
		kvm_vmport_end_call(vcpu, call, idx);
	}

	vcpu->stat.vmport_calls += answered;
	vcpu->stat.vmport_vmm_calls += !answered && !call->atomic;
	vcpu->stat.vmport_fast_calls += answered && call->atomic;
	return answered;
}

/*
 * Trace a call on the port.  The vCPU still has the registers from before, so that nothing
 * has to be kept for the case that somebody listens.
 */
static noinline void vmport_trace_port_call(struct kvm_vcpu *vcpu, const struct vmport_call *call,
					    bool answered)
{
	struct vmport_regs before;

	vmport_read_regs(vcpu, &before);
	/* What could not be answered comes again, and others begin before they end. */
	if (call->atomic && answered)
		trace_kvm_vmport_call(vcpu->vcpu_id, &before, true);
	if (!call->atomic || answered)
		trace_kvm_vmport_result(vcpu->vcpu_id, answered, &before, &call->regs);
}

static __always_inline bool vmport_is_traced(void)
{
	return trace_kvm_vmport_call_enabled() || trace_kvm_vmport_result_enabled();
}

static __always_inline bool vmport_port_call(struct kvm_vcpu *vcpu, bool in, bool atomic,
					     bool is_privileged)
{
	struct vmport_call call = {
		.atomic = atomic,
		.is_privileged = is_privileged,
		/* Port 0x5659 of L2 is L1's. */
		.no_hb = is_guest_mode(vcpu),
	};
	bool answered;

	vmport_read_regs(vcpu, &call.regs);
	if (!atomic)
		trace_kvm_vmport_call(vcpu->vcpu_id, &call.regs, false);
	answered = vmport_run_call(vcpu, &call);
	if (vmport_is_traced())
		vmport_trace_port_call(vcpu, &call, answered);
	if (!answered)
		return false;

	vmport_write_regs(vcpu, &call.regs, in);
	return true;
}

/*
 * Answer a 32-bit IN or OUT on the port.
 * @is_privileged: the guest's own system lets the caller; L2's does not count
 *
 * Returns true when answered; false when it is not the kernel's, and nothing has changed.
 */
bool kvm_vmport_call(struct kvm_vcpu *vcpu, bool in, bool is_privileged)
{
	return kvm_vmport_can_use_port(vcpu) &&
	       vmport_port_call(vcpu, in, false, is_privileged && !is_guest_mode(vcpu));
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_vmport_call);

/*
 * Does L0 answer L2's access to the port?
 * @vcpu: left L2 for a 32-bit IN or OUT; its VM has the interface enabled
 *
 * L1's intercepts do not count then.  The command is the kernel's, or the VMM changes its
 * configuration at this very moment: then the access is the VMM's.
 *
 * Returns false when it is L1's; nothing has changed in either case.
 */
bool kvm_vmport_is_l2_call(struct kvm_vcpu *vcpu)
{
	struct vmport_call call = { };
	bool is_ours;
	int idx;

	if (!kvm_vmport_l2_can_call(vcpu))
		return false;

	vmport_read_regs(vcpu, &call.regs);
	idx = kvm_vmport_begin_call(vcpu, &call);
	is_ours = vmport_command_is_ours(&call);
	kvm_vmport_end_call(vcpu, &call, idx);
	return is_ours;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_vmport_is_l2_call);

/*
 * Answer a 32-bit IN or OUT before the exit loop ends.
 * @vcpu: the caller; its VM has the interface enabled.  The exit has told where the next
 *	instruction is, so that skipping this one needs no decoding.
 *
 * Returns EXIT_FASTPATH_NONE when it is for the ordinary handler, then nothing has
 * changed; else the instruction has been skipped.  Interrupts are disabled: nothing here
 * may sleep, fault, or look at the guest's memory.
 */
fastpath_t kvm_vmport_fastpath_call(struct kvm_vcpu *vcpu, bool in)
{
	fastpath_t ret = EXIT_FASTPATH_REENTER_GUEST;

	if (kvm_eax_read(vcpu) != VMPORT_MAGIC || !kvm_vmport_can_call(vcpu) ||
	    !kvm_pmu_is_fastpath_emulation_allowed(vcpu))
		return EXIT_FASTPATH_NONE;

	/* The guest's system has let it pass, else it would have come as a #GP. */
	if (!vmport_port_call(vcpu, in, true, true))
		return EXIT_FASTPATH_NONE;

	kvm_vcpu_srcu_read_lock(vcpu);
	if (!kvm_skip_emulated_instruction(vcpu))
		ret = EXIT_FASTPATH_EXIT_USERSPACE;
	kvm_vcpu_srcu_read_unlock(vcpu);
	return ret;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_vmport_fastpath_call);

static void vmport_write_emulated(struct x86_emulate_ctxt *ctxt, int reg, u32 value)
{
	*reg_rmw(ctxt, reg) = kvm_vmport_merge(reg_read(ctxt, reg), value);
}

/*
 * Answer a 32-bit IN or OUT in the emulator.  @val gets what EAX becomes by an IN, NULL
 * stands for an OUT.  Returns true when answered; false when it is not the kernel's, and
 * nothing has changed.
 */
bool kvm_vmport_call_emulated(struct kvm_vcpu *vcpu, u32 *val)
{
	struct x86_emulate_ctxt *ctxt = vcpu->arch.emulate_ctxt;
	struct vmport_call call = { };
	struct vmport_regs before;
	bool answered;

	/* String instructions come this way too. */
	if (!kvm_vmport_is_port_insn(ctxt) || !kvm_vmport_can_call(vcpu))
		return false;

	call.is_privileged = kvm_vmport_is_privileged(vcpu);
	call.regs.ax = reg_read(ctxt, VCPU_REGS_RAX);
	call.regs.bx = reg_read(ctxt, VCPU_REGS_RBX);
	call.regs.cx = reg_read(ctxt, VCPU_REGS_RCX);
	call.regs.dx = reg_read(ctxt, VCPU_REGS_RDX);
	call.regs.si = reg_read(ctxt, VCPU_REGS_RSI);
	call.regs.di = reg_read(ctxt, VCPU_REGS_RDI);
	before = call.regs;
	trace_kvm_vmport_call(vcpu->vcpu_id, &before, false);
	answered = vmport_run_call(vcpu, &call);
	trace_kvm_vmport_result(vcpu->vcpu_id, answered, &before, &call.regs);
	if (!answered)
		return false;

	if (val)
		*val = call.regs.ax;
	else
		vmport_write_emulated(ctxt, VCPU_REGS_RAX, call.regs.ax);
	vmport_write_emulated(ctxt, VCPU_REGS_RBX, call.regs.bx);
	vmport_write_emulated(ctxt, VCPU_REGS_RCX, call.regs.cx);
	vmport_write_emulated(ctxt, VCPU_REGS_RDX, call.regs.dx);
	vmport_write_emulated(ctxt, VCPU_REGS_RSI, call.regs.si);
	vmport_write_emulated(ctxt, VCPU_REGS_RDI, call.regs.di);
	return true;
}
