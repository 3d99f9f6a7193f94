// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a vCPU's exit to the engine and back: port accesses.
 */
#include <linux/kvm_host.h>

#include "cpuid.h"
#include "kvm_emulate.h"
#include "lapic.h"
#include "pmu.h"
#include "x86.h"

#include "ask.h"
#include "command.h"
#include "state.h"
#include "vmport.h"

#define CREATE_TRACE_POINTS
#include "vmport_trace.h"

u64 vmport_vcpu_tsc_hz(void *vcpu)
{
	return (u64)((struct kvm_vcpu *)vcpu)->arch.virtual_tsc_khz * 1000;
}

u32 vmport_vcpu_apic_hz(void *vcpu)
{
	return div64_u64(NSEC_PER_SEC, kvm_apic_bus_cycle_ns(((struct kvm_vcpu *)vcpu)->kvm));
}

/* guest_cpuid_has() may not be used with interrupts disabled. */
bool vmport_vcpu_has_x2apic(void *data)
{
	struct kvm_vcpu *vcpu = data;
	int i;

	for (i = 0; i < vcpu->arch.cpuid_nent; i++) {
		if (vcpu->arch.cpuid_entries[i].function == 1)
			return vcpu->arch.cpuid_entries[i].ecx & feature_bit(X2APIC);
	}
	return false;
}

u32 vmport_vcpu_id(void *vcpu)
{
	return ((struct kvm_vcpu *)vcpu)->vcpu_id;
}

bool vmport_vcpu_is_ring0(void *vcpu)
{
	return kvm_x86_call(get_cpl)(vcpu) == 0;
}

u64 vmport_vcpu_waited(void *vcpu)
{
	return current->sched_info.run_delay;
}

static void read_regs(struct kvm_vcpu *vcpu, struct vmport_regs *regs)
{
	regs->ax = kvm_eax_read(vcpu);
	regs->bx = kvm_ebx_read(vcpu);
	regs->cx = kvm_ecx_read(vcpu);
	regs->dx = kvm_edx_read(vcpu);
	regs->si = kvm_esi_read(vcpu);
	regs->di = kvm_edi_read(vcpu);
}

/* VMware changes the low halves only. */
static void write_low(struct kvm_vcpu *vcpu, int reg, u32 value)
{
	*(u32 *)&vcpu->arch.regs[reg] = value;
}

static void write_regs(struct kvm_vcpu *vcpu, const struct vmport_regs *regs, bool in)
{
	/* IN is a 32-bit load of EAX, and so zero-extends. */
	if (in)
		kvm_eax_write(vcpu, regs->ax);
	else
		write_low(vcpu, VCPU_REGS_RAX, regs->ax);
	write_low(vcpu, VCPU_REGS_RBX, regs->bx);
	write_low(vcpu, VCPU_REGS_RCX, regs->cx);
	write_low(vcpu, VCPU_REGS_RDX, regs->dx);
	write_low(vcpu, VCPU_REGS_RSI, regs->si);
	write_low(vcpu, VCPU_REGS_RDI, regs->di);
}

/* Registers and memory of an encrypted guest mean nothing to the host. */
bool kvm_vmport_is_encrypted(struct kvm_vcpu *vcpu)
{
	return vcpu->arch.guest_state_protected ||
	       kvm_x86_call(has_encrypted_memory)(vcpu->kvm);
}

/* Not for L2, whose ports, counters and hypercalls are L1's affair. */
bool kvm_vmport_can_call(struct kvm_vcpu *vcpu)
{
	return !is_guest_mode(vcpu) && !kvm_vmport_is_encrypted(vcpu);
}

/* But for calls of its ring 3 on the port, where the VMM says so. */
bool kvm_vmport_l2_can_call(struct kvm_vcpu *vcpu)
{
	return is_guest_mode(vcpu) &&
	       kvm_vmport_has_feature(vcpu->kvm, KVM_VMPORT_FEATURE_NESTED) &&
	       kvm_x86_call(get_cpl)(vcpu) == 3;
}

/* An access to port 0x5658, L2's where that is answered here. */
bool kvm_vmport_can_use_port(struct kvm_vcpu *vcpu)
{
	return kvm_vmport_can_call(vcpu) || kvm_vmport_l2_can_call(vcpu);
}

/* Under kvm_vmport_srcu, or with interrupts disabled. */
static __always_inline void fill_call(struct kvm_vcpu *vcpu, struct vmport_call *call)
{
	struct kvm_vmport *vmport = vcpu->kvm->arch.vmport;

	call->vcpu = vcpu;
	call->config = rcu_dereference_check(vmport->config, rcu_read_lock_sched_held() ||
					     srcu_read_lock_held(&kvm_vmport_srcu));
	call->state = rcu_dereference_check(vmport->state, rcu_read_lock_sched_held() ||
					    srcu_read_lock_held(&kvm_vmport_srcu));
}

/**
 * kvm_vmport_begin_call() - give a call all but its registers
 * @vcpu: the caller
 * @call: filled; good until kvm_vmport_end_call()
 *
 * The guest's memory must not be touched before the end: who replaces the state
 * waits for that.
 *
 * Context: vCPU's thread, may sleep.
 * Return: for kvm_vmport_end_call().
 */
int kvm_vmport_begin_call(struct kvm_vcpu *vcpu, struct vmport_call *call)
	__acquires(&kvm_vmport_srcu)
{
	int idx = srcu_read_lock(&kvm_vmport_srcu);

	/* Up to 64 KiB of what a guest is not to see come by on the way. */
	kvm_request_l1tf_flush_l1d();
	fill_call(vcpu, call);
	return idx;
}

/**
 * kvm_vmport_end_call() - a call has been made
 * @vcpu: the caller
 * @call: the call
 * @idx: from kvm_vmport_begin_call()
 *
 * Context: as there.
 */
void kvm_vmport_end_call(struct kvm_vcpu *vcpu, const struct vmport_call *call, int idx)
	__releases(&kvm_vmport_srcu)
{
	srcu_read_unlock(&kvm_vmport_srcu, idx);
	/* The VMM is asked before the guest is entered again. */
	if (call->asks)
		kvm_make_request(KVM_REQ_VMPORT_EXIT, vcpu);
}

static __always_inline bool run_call(struct kvm_vcpu *vcpu, struct vmport_call *call)
{
	u32 bx = call->regs.bx, cx = call->regs.cx, dx = call->regs.dx;
	bool answered;
	int idx;

	if (call->atomic) {
		fill_call(vcpu, call);
		answered = vmport_command(call) == VMPORT_DONE;
	} else {
		idx = kvm_vmport_begin_call(vcpu, call);
		answered = vmport_command(call) == VMPORT_DONE;
		kvm_vmport_end_call(vcpu, call, idx);
	}

	vcpu->stat.vmport_calls += answered;
	vcpu->stat.vmport_fast_calls += answered && call->atomic;

	/* What could not be answered here comes again. */
	if (answered || !call->atomic) {
		trace_kvm_vmport_call(vcpu->vcpu_id, bx, cx, dx);
		trace_kvm_vmport_result(vcpu->vcpu_id, answered, call->regs.ax, call->regs.bx,
					call->regs.cx);
	}
	return answered;
}

static __always_inline bool port_call(struct kvm_vcpu *vcpu, bool in, bool atomic,
				      bool is_privileged)
{
	struct vmport_call call = {
		.atomic = atomic,
		.is_privileged = is_privileged,
		/* Port 0x5659 of L2 is L1's. */
		.no_hb = is_guest_mode(vcpu),
	};

	read_regs(vcpu, &call.regs);
	if (!run_call(vcpu, &call))
		return false;

	write_regs(vcpu, &call.regs, in);
	return true;
}

/**
 * kvm_vmport_call() - answer a 32-bit IN or OUT on the port
 * @vcpu: the caller; its VM has the interface enabled
 * @in: IN, not OUT
 * @is_privileged: the guest's own system lets the caller; L2's does not count
 *
 * Context: vCPU's thread, kvm->srcu held, may sleep.
 * Return: true when answered; false when it is not the kernel's, and nothing
 * has changed.
 */
bool kvm_vmport_call(struct kvm_vcpu *vcpu, bool in, bool is_privileged)
{
	return kvm_vmport_can_use_port(vcpu) &&
	       port_call(vcpu, in, false, is_privileged && !is_guest_mode(vcpu));
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_vmport_call);

/**
 * kvm_vmport_is_l2_call() - does L0 answer L2's access to the port?
 * @vcpu: left L2 for a 32-bit IN or OUT; its VM has the interface enabled
 *
 * L1's intercepts do not count then.  The command is the kernel's, or the VMM
 * changes its configuration at this very moment: then the access is the VMM's.
 *
 * Context: vCPU's thread, kvm->srcu held.
 * Return: false when it is L1's; nothing has changed in either case.
 */
bool kvm_vmport_is_l2_call(struct kvm_vcpu *vcpu)
{
	struct vmport_call call = { };
	bool is_ours;
	int idx;

	if (!kvm_vmport_l2_can_call(vcpu))
		return false;

	read_regs(vcpu, &call.regs);
	idx = kvm_vmport_begin_call(vcpu, &call);
	is_ours = vmport_command_is_ours(&call);
	kvm_vmport_end_call(vcpu, &call, idx);
	return is_ours;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_vmport_is_l2_call);

/**
 * kvm_vmport_fastpath_call() - answer a 32-bit IN or OUT before the exit loop ends
 * @vcpu: the caller; its VM has the interface enabled.  The exit has told where the
 *	next instruction is, so that skipping this one needs no decoding.
 * @in: IN, not OUT
 *
 * Context: vCPU's thread, interrupts disabled: nothing here may sleep, fault, or look
 * at the guest's memory.
 * Return: EXIT_FASTPATH_NONE when it is for the ordinary handler, then nothing
 * has changed; else the instruction has been skipped.
 */
fastpath_t kvm_vmport_fastpath_call(struct kvm_vcpu *vcpu, bool in)
{
	fastpath_t ret = EXIT_FASTPATH_REENTER_GUEST;

	if (kvm_eax_read(vcpu) != VMPORT_MAGIC || !kvm_vmport_can_call(vcpu) ||
	    !kvm_pmu_is_fastpath_emulation_allowed(vcpu))
		return EXIT_FASTPATH_NONE;

	/* The guest's system has let it pass, else it would have come as a #GP. */
	if (!port_call(vcpu, in, true, true))
		return EXIT_FASTPATH_NONE;

	kvm_vcpu_srcu_read_lock(vcpu);
	if (!kvm_skip_emulated_instruction(vcpu))
		ret = EXIT_FASTPATH_EXIT_USERSPACE;
	kvm_vcpu_srcu_read_unlock(vcpu);
	return ret;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_vmport_fastpath_call);

static void emulated_write(struct x86_emulate_ctxt *ctxt, int reg, u32 value)
{
	*reg_rmw(ctxt, reg) = kvm_vmport_merge(reg_read(ctxt, reg), value);
}

/**
 * kvm_vmport_is_port() - is this a 32-bit IN EAX, DX or OUT DX, EAX?
 * @ctxt: an instruction that is decoded
 */
bool kvm_vmport_is_port(const struct x86_emulate_ctxt *ctxt)
{
	return ctxt->opcode_len == 1 && ctxt->op_bytes != 2 &&
	       (ctxt->b == VMPORT_OPCODE_IN || ctxt->b == VMPORT_OPCODE_OUT);
}

/**
 * kvm_vmport_call_emulated() - the same for an instruction in the emulator
 * @ctxt: the emulator's registers
 * @val: IN: out: what EAX becomes; OUT: NULL
 *
 * Context: vCPU's thread, kvm->srcu held, may sleep.
 * Return: as of kvm_vmport_call().
 */
bool kvm_vmport_call_emulated(struct x86_emulate_ctxt *ctxt, u32 *val)
{
	struct vmport_call call = { };

	/* String instructions come this way too. */
	if (!kvm_vmport_is_port(ctxt) || !kvm_vmport_can_call(ctxt->vcpu))
		return false;

	call.is_privileged = kvm_vmport_is_privileged(ctxt->vcpu);
	call.regs.ax = reg_read(ctxt, VCPU_REGS_RAX);
	call.regs.bx = reg_read(ctxt, VCPU_REGS_RBX);
	call.regs.cx = reg_read(ctxt, VCPU_REGS_RCX);
	call.regs.dx = reg_read(ctxt, VCPU_REGS_RDX);
	call.regs.si = reg_read(ctxt, VCPU_REGS_RSI);
	call.regs.di = reg_read(ctxt, VCPU_REGS_RDI);
	if (!run_call(ctxt->vcpu, &call))
		return false;

	if (val)
		*val = call.regs.ax;
	else
		emulated_write(ctxt, VCPU_REGS_RAX, call.regs.ax);
	emulated_write(ctxt, VCPU_REGS_RBX, call.regs.bx);
	emulated_write(ctxt, VCPU_REGS_RCX, call.regs.cx);
	emulated_write(ctxt, VCPU_REGS_RDX, call.regs.dx);
	emulated_write(ctxt, VCPU_REGS_RSI, call.regs.si);
	emulated_write(ctxt, VCPU_REGS_RDI, call.regs.di);
	return true;
}

static_assert(sizeof(struct kvm_vmport_exit) <= sizeof_field(struct kvm_run, padding));

/**
 * kvm_vmport_fill_exit() - describe the RPC that the VMM has to answer
 * @vcpu: has made a call that asks
 *
 * Context: vCPU's thread, kvm->srcu held, may sleep.
 * Return: true when KVM_RUN is to return with what is in vcpu->run; false when
 * nothing asks any more: the channel was closed or the state replaced.
 */
bool kvm_vmport_fill_exit(struct kvm_vcpu *vcpu)
{
	struct kvm_vmport *vmport = vcpu->kvm->arch.vmport;
	struct vmport_asked asked;
	bool found, more;
	int idx;

	idx = srcu_read_lock(&kvm_vmport_srcu);
	found = vmport_ask_next(srcu_dereference(vmport->state, &kvm_vmport_srcu), vcpu, &asked,
				&more);
	srcu_read_unlock(&kvm_vmport_srcu, idx);
	if (!found)
		return false;
	/* Several instructions were emulated in a row. */
	if (more)
		kvm_make_request(KVM_REQ_VMPORT_EXIT, vcpu);

	vcpu->run->exit_reason = KVM_EXIT_VMPORT;
	*kvm_run_vmport(vcpu->run) = (struct kvm_vmport_exit) {
		.type = KVM_VMPORT_EXIT_RPC,
		.channel = asked.channel,
		.id = asked.id,
		.size = asked.size,
	};
	return true;
}
