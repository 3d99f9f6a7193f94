// SPDX-License-Identifier: GPL-2.0-only
/*
 * The #GP that a guest meets where VMware would have let it in: ring 3 on the ports,
 * and at the pseudo performance counters.
 *
 * The instruction is fetched once, as the processor fetches it, before anything is
 * answered.  What cannot be fetched, or is another instruction by now, gets its #GP.
 */
#include <linux/kvm_host.h>

#include "kvm_emulate.h"
#include "mmu.h"
#include "pmu.h"
#include "x86.h"

#include "compat.h"
#include "insn.h"
#include "protocol.h"
#include "vcpu.h"
#include "vmport.h"

/* The longest instruction that the architecture allows. */
#define INSN_BYTES_MAX	15

#define OPCODE_RDPMC	0x33	/* after 0x0f */

/* Type of a segment: code.  SDM volume 3, 3.4.5.1. */
#define SEGMENT_CODE	BIT(3)

/* The instruction at CS:RIP. */
struct gp_insn {
	struct kvm_vcpu *vcpu;
	unsigned long ip;	/* offset in CS */
	unsigned long base;	/* of CS */
	u32 limit;		/* last offset in CS; not in 64-bit mode */
	bool is_64_bit;		/* mode of the code */
	bool is_32_bit;		/* operands, without a prefix */
	u64 access;		/* PFERR_* of the fetch */
	int fetched;		/* bytes */
	u8 bytes[INSN_BYTES_MAX];
	/* When it is one of ours: */
	int length;		/* bytes */
	bool in;		/* IN, not OUT */
};

/* The emulator does not look at the type of CS, the processor does. */
static bool vmport_is_code_segment(struct kvm_vcpu *vcpu, const struct kvm_segment *cs)
{
	/* Real mode and virtual-8086 mode run what has the type of data. */
	return (cs->type & SEGMENT_CODE) || !is_protmode(vcpu) ||
	       (kvm_get_rflags(vcpu) & X86_EFLAGS_VM);
}

static bool vmport_runs_code_segment(struct kvm_vcpu *vcpu)
{
	struct kvm_segment cs;

	kvm_get_segment(vcpu, &cs, VCPU_SREG_CS);
	return vmport_is_code_segment(vcpu, &cs);
}

static bool vmport_gp_begin_insn(struct kvm_vcpu *vcpu, struct gp_insn *insn)
{
	struct kvm_segment cs;

	kvm_get_segment(vcpu, &cs, VCPU_SREG_CS);
	insn->vcpu = vcpu;
	insn->ip = kvm_rip_read(vcpu);
	insn->base = cs.base;
	insn->limit = cs.limit;
	insn->is_64_bit = is_long_mode(vcpu) && cs.l;
	insn->is_32_bit = insn->is_64_bit || cs.db;
	insn->access = PFERR_FETCH_MASK |
		       (kvm_x86_call(get_cpl)(vcpu) == 3 ? PFERR_USER_MASK : 0);
	insn->fetched = 0;

	return vmport_is_code_segment(vcpu, &cs);
}

/* Up to the end of the page, or of the segment. */
static bool vmport_gp_fetch_bytes(struct gp_insn *insn)
{
	struct kvm_pagewalk *walk = &insn->vcpu->arch.gva_walk;
	u64 offset = (u64)insn->ip + insn->fetched;
	u32 size = INSN_BYTES_MAX - insn->fetched;
	struct x86_exception exception;
	gva_t addr;
	gpa_t gpa;

	if (insn->is_64_bit) {
		addr = offset;
		if (!__is_canonical_address(addr, vcpu_virt_addr_bits(insn->vcpu)))
			return false;
	} else {
		addr = (u32)(insn->base + offset);
		if (offset > insn->limit)
			return false;
		size = min_t(u64, size, insn->limit - offset + 1);
	}
	size = min_t(u32, size, PAGE_SIZE - offset_in_page(addr));

	gpa = walk->gva_to_gpa(insn->vcpu, walk, addr, insn->access, &exception);
	if (gpa == INVALID_GPA ||
	    kvm_vcpu_read_guest_page(insn->vcpu, gpa_to_gfn(gpa), insn->bytes + insn->fetched,
				     offset_in_page(gpa), size))
		return false;

	insn->fetched += size;
	return true;
}

/* Byte @n of the instruction, -1 where it has none. */
static int vmport_gp_insn_byte(struct gp_insn *insn, int n)
{
	if (n >= INSN_BYTES_MAX || (n >= insn->fetched && !vmport_gp_fetch_bytes(insn)))
		return -1;

	return insn->bytes[n];
}

/*
 * How many bytes stand before the opcode, and does one of them change the size of the
 * operands?  -1 when they are not those of an instruction of ours.
 */
static int vmport_gp_count_prefixes(struct gp_insn *insn, bool *opsize_prefix)
{
	bool rex = false;
	int n;

	*opsize_prefix = false;
	for (n = 0; n < INSN_BYTES_MAX; n++) {
		switch (vmport_gp_insn_byte(insn, n)) {
		case 0x66:
			*opsize_prefix = true;
			break;
		case 0x67:
		case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65:
		case 0xf2: case 0xf3:
			break;
		case 0x40 ... 0x4f:
			if (!insn->is_64_bit || rex)
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

/* Is it a 32-bit IN or OUT with DX? */
static bool vmport_gp_is_port_insn(struct kvm_vcpu *vcpu, struct gp_insn *insn)
{
	bool opsize_prefix;
	int n, opcode;

	if (!vmport_gp_begin_insn(vcpu, insn))
		return false;
	n = vmport_gp_count_prefixes(insn, &opsize_prefix);
	if (n < 0)
		return false;

	opcode = vmport_gp_insn_byte(insn, n);
	insn->length = n + 1;
	insn->in = opcode == VMPORT_OPCODE_IN;
	return (opcode == VMPORT_OPCODE_IN || opcode == VMPORT_OPCODE_OUT) &&
	       opsize_prefix != insn->is_32_bit;
}

static bool vmport_gp_is_rdpmc_insn(struct kvm_vcpu *vcpu, struct gp_insn *insn)
{
	bool opsize_prefix;
	int n;

	if (!vmport_gp_begin_insn(vcpu, insn))
		return false;
	n = vmport_gp_count_prefixes(insn, &opsize_prefix);
	if (n < 0)
		return false;

	insn->length = n + 2;
	return vmport_gp_insn_byte(insn, n) == 0x0f &&
	       vmport_gp_insn_byte(insn, n + 1) == OPCODE_RDPMC;
}

/* As KVM does it behind an instruction that was skipped. */
static int vmport_gp_single_step(struct kvm_vcpu *vcpu)
{
	struct kvm_debug_exit_arch *debug = &vcpu->run->debug.arch;

	if (!(vcpu->guest_debug & KVM_VMPORT_GUESTDBG_STEPS)) {
		kvm_queue_exception_p(vcpu, DB_VECTOR, DR6_BS);
		return 1;
	}

	debug->dr6 = DR6_BS | DR6_ACTIVE_LOW;
	debug->pc = kvm_get_linear_rip(vcpu);
	debug->exception = DB_VECTOR;
	vcpu->run->exit_reason = KVM_EXIT_DEBUG;
	return 0;
}

/*
 * The instruction is done; what the exit handler returns.  KVM's own skipping may not
 * know its length behind a #GP, and would decode it again.
 */
static int vmport_gp_finish_insn(const struct gp_insn *insn)
{
	unsigned long rip = insn->ip + insn->length;
	struct kvm_vcpu *vcpu = insn->vcpu;
	unsigned long rflags;
	int r = 1;

	rflags = kvm_x86_call(get_rflags)(vcpu);
	kvm_rip_write(vcpu, insn->is_64_bit ? rip : (u32)rip);
	/* The fault set RF, the instruction ends it; IF is as it was. */
	if (rflags & X86_EFLAGS_RF)
		kvm_x86_call(set_rflags)(vcpu, rflags & ~X86_EFLAGS_RF);
	kvm_x86_call(set_interrupt_shadow)(vcpu, 0);
	kvm_pmu_instruction_retired(vcpu);

	if (rflags & X86_EFLAGS_TF)
		r = vmport_gp_single_step(vcpu);
	/* L1 may step over the instructions of L2, by the Monitor Trap Flag. */
	kvm_x86_call(update_emulated_instruction)(vcpu);
	return r;
}

/* Do the registers say that this #GP may be that of a call on @port? */
static bool vmport_is_gp_of_call(struct kvm_vcpu *vcpu, u16 port)
{
	return (u16)kvm_edx_read(vcpu) == port && kvm_eax_read(vcpu) == VMPORT_MAGIC &&
	       (enable_vmware_backdoor ||
		kvm_vmport_has_feature(vcpu->kvm, KVM_VMPORT_FEATURE_RING3)) &&
	       /* A fault while an event was delivered is no instruction's. */
	       !kvm_event_needs_reinjection(vcpu);
}

/*
 * Run an instruction of the ports in the emulator, with the permission that VMware
 * gives.  It is decoded once: what was looked at is what runs, whatever another vCPU
 * writes there.
 */
static bool vmport_emulate_permitted(struct kvm_vcpu *vcpu,
				     bool (*is_ours)(const struct x86_emulate_ctxt *ctxt), int *r)
{
	struct x86_emulate_ctxt *ctxt = vcpu->arch.emulate_ctxt;

	if (!vmport_runs_code_segment(vcpu) ||
	    x86_decode_emulated_instruction(vcpu, 0, NULL, 0) != EMULATION_OK || !is_ours(ctxt))
		return false;

	ctxt->perm_ok = true;
	/* The processor ignores it there; the emulator would read RCX times. */
	if (kvm_vmport_is_port_insn(ctxt))
		ctxt->rep_prefix = 0;
	*r = kvm_emulate_instruction(vcpu, EMULTYPE_VMWARE_GP | EMULTYPE_NO_DECODE);
	return true;
}

static bool vmport_string_gp(struct kvm_vcpu *vcpu, int *r)
{
	return kvm_vmport_can_call(vcpu) && vmport_is_gp_of_call(vcpu, VMPORT_HB_PORT) &&
	       kvm_vmport_has_feature(vcpu->kvm, KVM_VMPORT_FEATURE_HB) &&
	       vmport_emulate_permitted(vcpu, kvm_vmport_is_string_insn, r);
}

/* The pseudo counters are ring 3's too. */
static bool vmport_rdpmc_gp(struct kvm_vcpu *vcpu, int *r)
{
	struct gp_insn insn;
	u64 value;

	if (!kvm_vmport_can_call(vcpu) || kvm_event_needs_reinjection(vcpu) ||
	    !kvm_vmport_read_pmc(vcpu, kvm_ecx_read(vcpu), &value) ||
	    !vmport_gp_is_rdpmc_insn(vcpu, &insn))
		return false;

	kvm_eax_write(vcpu, lower_32_bits(value));
	kvm_edx_write(vcpu, upper_32_bits(value));
	*r = vmport_gp_finish_insn(&insn);
	return true;
}

static bool vmport_port_gp(struct kvm_vcpu *vcpu, int *r)
{
	struct gp_insn insn;

	if (!vmport_is_gp_of_call(vcpu, VMPORT_PORT) || !kvm_vmport_can_use_port(vcpu) ||
	    !vmport_gp_is_port_insn(vcpu, &insn))
		return false;

	if (kvm_vmport_call(vcpu, insn.in, false)) {
		*r = vmport_gp_finish_insn(&insn);
		return true;
	}
	/* The command is the VMM's: a port exit. */
	return !is_guest_mode(vcpu) && vmport_emulate_permitted(vcpu, kvm_vmport_is_port_insn, r);
}

/*
 * Does L0 look at the #GP that L2 met first?
 * @vcpu: left L2 for #GP; its VM has the interface enabled
 *
 * If it turns out to be no call after all, it becomes L1's then.
 *
 * Returns false when it is L1's; nothing has changed in either case.
 */
bool kvm_vmport_is_l2_gp(struct kvm_vcpu *vcpu)
{
	return vmport_is_gp_of_call(vcpu, VMPORT_PORT) && kvm_vmport_is_l2_call(vcpu);
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_vmport_is_l2_gp);

/*
 * May the instruction that the emulator runs use the port, whatever IOPL and the TSS say?
 * It is no #GP that has brought it there, but that the processor cannot run the guest as
 * it is: kvm-intel without unrestricted guests.
 */
bool kvm_vmport_is_emulated_call(struct kvm_vcpu *vcpu, u16 port)
{
	struct x86_emulate_ctxt *ctxt = vcpu->arch.emulate_ctxt;

	if (!kvm_vmport_has_feature(vcpu->kvm, KVM_VMPORT_FEATURE_RING3) ||
	    !kvm_vmport_can_call(vcpu) || (u32)reg_read(ctxt, VCPU_REGS_RAX) != VMPORT_MAGIC ||
	    !vmport_runs_code_segment(vcpu))
		return false;

	if (port == VMPORT_HB_PORT)
		return kvm_vmport_is_string_insn(ctxt) &&
		       kvm_vmport_has_feature(vcpu->kvm, KVM_VMPORT_FEATURE_HB);
	return port == VMPORT_PORT && kvm_vmport_is_port_insn(ctxt);
}

/*
 * Handle a #GP of what VMware would have let pass.
 * @r: out: what the exit handler returns
 *
 * Returns true when handled; false when the #GP is not ours.
 */
bool kvm_vmport_gp(struct kvm_vcpu *vcpu, int *r)
{
	return vmport_rdpmc_gp(vcpu, r) || vmport_string_gp(vcpu, r) || vmport_port_gp(vcpu, r);
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_vmport_gp);

/*
 * Handle a #GP, whoever's it is.
 * @vcpu: the faulting vCPU, its VM has the interface enabled; the error code is 0
 *
 * What is not ours goes to KVM's own backdoor where that is on, else to the guest.
 *
 * Returns what the exit handler returns.
 */
int kvm_vmport_emulate_gp(struct kvm_vcpu *vcpu)
{
	int r;

	if (kvm_vmport_gp(vcpu, &r))
		return r;
	/* L2's may have been taken from L1, who gets it now. */
	if (enable_vmware_backdoor &&
	    !(is_guest_mode(vcpu) && kvm_nested_call(is_exception_vmexit)(vcpu, GP_VECTOR, 0)))
		return kvm_emulate_instruction(vcpu, EMULTYPE_VMWARE_GP);

	kvm_queue_exception_e(vcpu, GP_VECTOR, 0);
	return 1;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_vmport_emulate_gp);
