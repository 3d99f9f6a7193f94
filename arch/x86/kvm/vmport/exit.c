// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a vCPU's exit to the engine and back: port accesses, and the #GP that
 * ring 3 meets where VMware would have let it in.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>

#include "cpuid.h"
#include "kvm_emulate.h"
#include "lapic.h"
#include "mmu.h"
#include "pmu.h"
#include "x86.h"

#include "ask.h"
#include "command.h"
#include "state.h"
#include "vmport.h"

#define CREATE_TRACE_POINTS
#include "vmport_trace.h"

/* The longest instruction that the architecture allows. */
#define INSN_BYTES_MAX	15

#define OPCODE_IN	0xed	/* IN EAX, DX */
#define OPCODE_OUT	0xef	/* OUT DX, EAX */
#define OPCODE_RDPMC	0x33	/* after 0x0f */

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
static bool is_encrypted(struct kvm_vcpu *vcpu)
{
	return vcpu->arch.guest_state_protected ||
	       kvm_x86_call(has_encrypted_memory)(vcpu->kvm);
}

/* Not for L2, whose ports, counters and hypercalls are L1's affair. */
bool kvm_vmport_can_call(struct kvm_vcpu *vcpu)
{
	return !is_guest_mode(vcpu) && !is_encrypted(vcpu);
}

/* But for calls of its ring 3 on the port, where the VMM says so. */
static bool l2_can_call(struct kvm_vcpu *vcpu)
{
	return is_guest_mode(vcpu) &&
	       kvm_vmport_has_feature(vcpu->kvm, KVM_VMPORT_FEATURE_NESTED) &&
	       kvm_x86_call(get_cpl)(vcpu) == 3;
}

static bool can_use_port(struct kvm_vcpu *vcpu)
{
	return kvm_vmport_can_call(vcpu) || l2_can_call(vcpu);
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

static __always_inline bool port_call(struct kvm_vcpu *vcpu, bool in, bool atomic)
{
	struct vmport_call call = { .atomic = atomic };

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
 *
 * Context: vCPU's thread, kvm->srcu held, may sleep.
 * Return: true when answered; false when it is not the kernel's, and nothing
 * has changed.
 */
bool kvm_vmport_call(struct kvm_vcpu *vcpu, bool in)
{
	return can_use_port(vcpu) && port_call(vcpu, in, false);
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

	if (!l2_can_call(vcpu))
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

	if (!port_call(vcpu, in, true))
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
	if (ctxt->opcode_len != 1 || (ctxt->b != OPCODE_IN && ctxt->b != OPCODE_OUT) ||
	    !kvm_vmport_can_call(ctxt->vcpu))
		return false;

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

/* With page faults disabled it fails where it would have to wait. */
static int fetch(struct kvm_vcpu *vcpu, gva_t addr, u8 *byte)
{
	u64 access = PFERR_FETCH_MASK |
		     (kvm_x86_call(get_cpl)(vcpu) == 3 ? PFERR_USER_MASK : 0);
	struct kvm_pagewalk *walk = &vcpu->arch.gva_walk;
	struct x86_exception exception;
	gpa_t gpa = walk->gva_to_gpa(vcpu, walk, addr, access, &exception);

	if (gpa == INVALID_GPA)
		return -EFAULT;
	return kvm_vcpu_read_guest_page(vcpu, gpa_to_gfn(gpa), byte, offset_in_page(gpa), 1);
}

/* An instruction of ours that met #GP. */
struct gp_insn {
	int length;		/* bytes */
	bool in;		/* IN, not OUT */
	bool is_64_bit;		/* mode of the code */
};

/*
 * Fetch the first byte that is no prefix.  Returns how many stand before it, -1
 * when they are not those of an instruction of ours.  Guests rarely have one, so
 * bytes are fetched one by one.
 */
static int skip_prefixes(struct kvm_vcpu *vcpu, unsigned long rip, bool is_64_bit, u8 *byte,
			 bool *opsize_prefix)
{
	bool rex = false;
	int n;

	*opsize_prefix = false;
	for (n = 0; n < INSN_BYTES_MAX; n++) {
		if (fetch(vcpu, rip + n, byte))
			return -1;

		switch (*byte) {
		case 0x66:
			*opsize_prefix = true;
			break;
		case 0x67:
		case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65:
		case 0xf2: case 0xf3:
			break;
		case 0x40 ... 0x4f:
			if (!is_64_bit || rex)
				return -1;
			rex = true;
			continue;
		default:
			return n;
		}
		/* A REX counts right before the opcode only, and W not at all. */
		if (rex)
			return -1;
	}
	return -1;
}

/* Is it a 32-bit IN or OUT with DX, or RDPMC? */
static bool is_gp_insn(struct kvm_vcpu *vcpu, bool rdpmc, struct gp_insn *insn)
{
	unsigned long rip = kvm_rip_read(vcpu);
	bool opsize_prefix;
	int db, l, n;
	u8 byte;

	kvm_x86_call(get_cs_db_l_bits)(vcpu, &db, &l);
	insn->is_64_bit = is_long_mode(vcpu) && l;
	if (!insn->is_64_bit)
		rip = kvm_get_linear_rip(vcpu);

	n = skip_prefixes(vcpu, rip, insn->is_64_bit, &byte, &opsize_prefix);
	if (n < 0)
		return false;

	if (rdpmc) {
		insn->length = n + 2;
		return byte == 0x0f && insn->length <= INSN_BYTES_MAX &&
		       !fetch(vcpu, rip + n + 1, &byte) && byte == OPCODE_RDPMC;
	}
	insn->length = n + 1;
	insn->in = byte == OPCODE_IN;
	return (byte == OPCODE_IN || byte == OPCODE_OUT) &&
	       opsize_prefix != (db || insn->is_64_bit);
}

static bool is_single_stepping(struct kvm_vcpu *vcpu)
{
	return (vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP) ||
	       (kvm_get_rflags(vcpu) & X86_EFLAGS_TF);
}

/* The instruction is done; as the emulator would leave things after it. */
static void finish_insn(struct kvm_vcpu *vcpu, const struct gp_insn *insn)
{
	unsigned long rip = kvm_rip_read(vcpu) + insn->length;
	unsigned long rflags;

	kvm_rip_write(vcpu, insn->is_64_bit ? rip : (u32)rip);
	/* The fault set RF, the instruction ends it; IF is as it was. */
	rflags = kvm_x86_call(get_rflags)(vcpu);
	if (rflags & X86_EFLAGS_RF)
		kvm_x86_call(set_rflags)(vcpu, rflags & ~X86_EFLAGS_RF);
	kvm_x86_call(set_interrupt_shadow)(vcpu, 0);
	kvm_pmu_instruction_retired(vcpu);
}

/* With single-stepping too, which may leave to the VMM. */
static int finish_insn_or_step(struct kvm_vcpu *vcpu, const struct gp_insn *insn)
{
	if (unlikely(is_single_stepping(vcpu)))
		return kvm_emulate_instruction(vcpu, EMULTYPE_SKIP | EMULTYPE_COMPLETE_USER_EXIT);

	finish_insn(vcpu, insn);
	return 1;
}

/* Do the registers say that this #GP may be that of a call on @port? */
static bool is_gp_of_call(struct kvm_vcpu *vcpu, u16 port)
{
	return (u16)kvm_edx_read(vcpu) == port && kvm_eax_read(vcpu) == VMPORT_MAGIC &&
	       kvm_is_vmware_port_allowed(vcpu->kvm) &&
	       /* A fault while an event was delivered is no instruction's. */
	       !kvm_event_needs_reinjection(vcpu);
}

/* Run what was decoded, with the permission that VMware gives. */
static int emulate_permitted(struct kvm_vcpu *vcpu)
{
	vcpu->arch.emulate_ctxt->perm_ok = true;
	return kvm_emulate_instruction(vcpu, EMULTYPE_VMWARE_GP | EMULTYPE_NO_DECODE);
}

static bool string_gp(struct kvm_vcpu *vcpu, int *r)
{
	if (!kvm_vmport_can_call(vcpu) || !is_gp_of_call(vcpu, VMPORT_HB_PORT) ||
	    !kvm_vmport_has_feature(vcpu->kvm, KVM_VMPORT_FEATURE_HB) ||
	    x86_decode_emulated_instruction(vcpu, 0, NULL, 0) != EMULATION_OK ||
	    !kvm_vmport_is_string(vcpu->arch.emulate_ctxt))
		return false;

	*r = emulate_permitted(vcpu);
	return true;
}

/* The pseudo counters are ring 3's too. */
static bool rdpmc_gp(struct kvm_vcpu *vcpu, int *r)
{
	struct gp_insn insn;
	u64 value;

	if (!kvm_vmport_can_call(vcpu) || kvm_event_needs_reinjection(vcpu) ||
	    !kvm_vmport_rdpmc(vcpu, kvm_ecx_read(vcpu), &value))
		return false;

	if (!is_gp_insn(vcpu, true, &insn))
		return false;

	kvm_eax_write(vcpu, lower_32_bits(value));
	kvm_edx_write(vcpu, upper_32_bits(value));
	*r = finish_insn_or_step(vcpu, &insn);
	return true;
}

/* The command is the VMM's: a port exit. */
static bool port_exit(struct kvm_vcpu *vcpu, int *r)
{
	if (x86_decode_emulated_instruction(vcpu, 0, NULL, 0) != EMULATION_OK)
		return false;

	*r = emulate_permitted(vcpu);
	return true;
}

static bool port_gp(struct kvm_vcpu *vcpu, int *r)
{
	struct gp_insn insn;

	if (!can_use_port(vcpu) || !is_gp_of_call(vcpu, VMPORT_PORT) ||
	    !is_gp_insn(vcpu, false, &insn))
		return false;

	if (!port_call(vcpu, insn.in, false))
		return !is_guest_mode(vcpu) && port_exit(vcpu, r);

	*r = finish_insn_or_step(vcpu, &insn);
	return true;
}

/**
 * kvm_vmport_is_l2_gp() - does L0 answer the call at which L2 met #GP?
 * @vcpu: left L2 for #GP; its VM has the interface enabled
 *
 * Context: vCPU's thread, kvm->srcu held, may sleep.
 * Return: false when it is L1's; nothing has changed in either case.
 */
bool kvm_vmport_is_l2_gp(struct kvm_vcpu *vcpu)
{
	struct gp_insn insn;

	return is_gp_of_call(vcpu, VMPORT_PORT) && kvm_vmport_is_l2_call(vcpu) &&
	       is_gp_insn(vcpu, false, &insn);
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_vmport_is_l2_gp);

/**
 * kvm_vmport_gp() - handle a #GP of what VMware would have let pass
 * @vcpu: the faulting vCPU, its VM has the interface enabled
 * @r: out: what the exit handler returns
 *
 * Context: vCPU's thread, kvm->srcu held, may sleep.
 * Return: true when handled; false when the #GP is not ours.
 */
bool kvm_vmport_gp(struct kvm_vcpu *vcpu, int *r)
{
	return rdpmc_gp(vcpu, r) || string_gp(vcpu, r) || port_gp(vcpu, r);
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_vmport_gp);

/**
 * kvm_vmport_emulate_gp() - handle a #GP, whoever's it is
 * @vcpu: the faulting vCPU, its VM has the interface enabled; the error code is 0
 *
 * What is not ours goes to KVM's own backdoor where that is on, else to the guest.
 *
 * Context: vCPU's thread, kvm->srcu held, may sleep.
 * Return: what the exit handler returns.
 */
int kvm_vmport_emulate_gp(struct kvm_vcpu *vcpu)
{
	int r;

	if (kvm_vmport_gp(vcpu, &r))
		return r;
	if (enable_vmware_backdoor)
		return kvm_emulate_instruction(vcpu, EMULTYPE_VMWARE_GP);

	kvm_queue_exception_e(vcpu, GP_VECTOR, 0);
	return 1;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_vmport_emulate_gp);

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
	struct kvm_vmport_exit exit = { .type = KVM_VMPORT_EXIT_RPC };
	struct vmport_asked asked;
	bool found, more;
	int idx;

	BUILD_BUG_ON(sizeof(exit) > sizeof(vcpu->run->padding));

	idx = srcu_read_lock(&kvm_vmport_srcu);
	found = vmport_ask_next(srcu_dereference(vmport->state, &kvm_vmport_srcu), vcpu, &asked,
				&more);
	srcu_read_unlock(&kvm_vmport_srcu, idx);
	if (!found)
		return false;
	/* Several instructions were emulated in a row. */
	if (more)
		kvm_make_request(KVM_REQ_VMPORT_EXIT, vcpu);

	exit.channel = asked.channel;
	exit.id = asked.id;
	exit.size = asked.size;
	vcpu->run->exit_reason = KVM_EXIT_VMPORT;
	memcpy(vcpu->run->padding, &exit, sizeof(exit));
	return true;
}
