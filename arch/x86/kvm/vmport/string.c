// SPDX-License-Identifier: GPL-2.0-only
/*
 * REP OUTSB and REP INSB on the high-bandwidth port.  KVM's emulator runs them:
 * it has checked the permission and read the first byte of an OUTSB when it
 * comes here.  Of an OUTSB what is plain memory is moved here at once, and the emulator
 * left with registers as if it had come that far by itself; all else, page faults,
 * segment limits, MMIO, it does byte by byte as always.  An INSB is done here.
 */
#include <linux/kvm_host.h>

#include "kvm_emulate.h"
#include "x86.h"

#include "channel.h"
#include "compat.h"
#include "hb.h"
#include "insn.h"
#include "memory.h"
#include "privilege.h"
#include "vcpu.h"
#include "vmport.h"
#include "vmport_trace.h"

/* Type bits of a segment, SDM volume 3, 3.4.5.1. */
#define SEGMENT_CODE		BIT(3)
#define SEGMENT_EXPAND_DOWN	BIT(2)
#define SEGMENT_WRITABLE	BIT(1)	/* of code: readable */

static unsigned long vmport_address_mask(const struct x86_emulate_ctxt *ctxt)
{
	return ctxt->ad_bytes == 8 ? ~0ul : BIT(8 * ctxt->ad_bytes) - 1;
}

/* What a register of the instruction's address size becomes, as hardware does it. */
static unsigned long vmport_assign_by_size(const struct x86_emulate_ctxt *ctxt, unsigned long old,
					   unsigned long new)
{
	switch (ctxt->ad_bytes) {
	case 2:
		return (old & ~0xfffful) | (u16)new;
	case 4:
		return (u32)new;
	default:
		return new;
	}
}

static void vmport_add_to_reg(struct x86_emulate_ctxt *ctxt, int reg, unsigned long value)
{
	unsigned long old = reg_read(ctxt, reg);

	*reg_rmw(ctxt, reg) = vmport_assign_by_size(ctxt, old, old + value);
}

static bool vmport_is_backward(const struct x86_emulate_ctxt *ctxt)
{
	return ctxt->eflags & X86_EFLAGS_DF;
}

/* EBX bits 16..31 say what became of the transfer. */
static unsigned long vmport_hb_result(unsigned long rbx, bool ok)
{
	u32 status = ok ? VMPORT_STATUS_SUCCESS : VMPORT_STATUS_FAIL;

	return kvm_vmport_merge(rbx, (u16)rbx | status << 16);
}

static void vmport_set_hb_result(struct x86_emulate_ctxt *ctxt, bool ok)
{
	*reg_rmw(ctxt, VCPU_REGS_RBX) = vmport_hb_result(reg_read(ctxt, VCPU_REGS_RBX), ok);
}

/*
 * How many of @count bytes from @addr on are one piece of linear memory.  0 when the
 * segment does not let the instruction use the first: #GP.
 */
static u64 vmport_linear_bytes(struct kvm_vcpu *vcpu, const struct segmented_address *addr,
			       bool write, u64 count, unsigned long *linear)
{
	struct x86_emulate_ctxt *ctxt = vcpu->arch.emulate_ctxt;
	/* Backward each byte is a piece of its own. */
	u64 size = vmport_is_backward(ctxt) ? 1 : min_t(u64, count, KVM_VMPORT_MAX_REPLY);
	bool is_real = ctxt->mode == X86EMUL_MODE_REAL;
	unsigned long ea = addr->ea & vmport_address_mask(ctxt);
	struct kvm_segment segment;
	u64 limit;

	*linear = 0;
	/* Up to where the address wraps. */
	if (ctxt->ad_bytes != 8)
		size = min_t(u64, size, (u64)vmport_address_mask(ctxt) + 1 - ea);

	kvm_get_segment(vcpu, &segment, addr->seg);
	if (ctxt->mode == X86EMUL_MODE_PROT64) {
		*linear = ea;
		if (addr->seg == VCPU_SREG_FS || addr->seg == VCPU_SREG_GS)
			*linear += segment.base;
		return size;
	}

	if (segment.unusable)
		return 0;
	/* Code is never written, and not always read. */
	if ((write || (segment.type & SEGMENT_CODE)) && !(segment.type & SEGMENT_WRITABLE))
		return 0;
	if (write && !is_real && (segment.type & SEGMENT_CODE))
		return 0;

	limit = segment.limit;
	if ((segment.type & (SEGMENT_CODE | SEGMENT_EXPAND_DOWN)) == SEGMENT_EXPAND_DOWN) {
		if (ea <= limit)
			return 0;
		limit = segment.db ? U32_MAX : U16_MAX;
	}
	if (ea > limit)
		return 0;

	*linear = (u32)(segment.base + ea);
	size = min_t(u64, size, limit - ea + 1);
	return min_t(u64, size, BIT_ULL(32) - *linear);
}

/* A transfer of a message?  Then @call names the channel, but for the cookie. */
static bool vmport_begin_string(struct kvm_vcpu *vcpu, struct vmport_call *call)
{
	struct x86_emulate_ctxt *ctxt = vcpu->arch.emulate_ctxt;

	if (!kvm_vmport_is_string_insn(ctxt) || !kvm_vmport_can_call(vcpu) ||
	    (u32)reg_read(ctxt, VCPU_REGS_RAX) != VMPORT_MAGIC ||
	    (u16)reg_read(ctxt, VCPU_REGS_RBX) != VMPORT_HB_MESSAGE)
		return false;

	call->is_privileged = kvm_vmport_is_privileged(vcpu);
	call->regs.dx = reg_read(ctxt, VCPU_REGS_RDX);
	return true;
}

/* As after the last byte: nothing was moved, and nothing will be. */
static void vmport_refuse_outs(struct x86_emulate_ctxt *ctxt, u64 count)
{
	vmport_add_to_reg(ctxt, VCPU_REGS_RSI, vmport_is_backward(ctxt) ? 1 - count : count - 1);
	vmport_add_to_reg(ctxt, VCPU_REGS_RCX, 1 - count);
}

/*
 * Run an OUTSB in the emulator: the guest sends bytes of a message.  @val is the one that
 * the emulator has read.
 *
 * Returns false when the port is the VMM's; nothing has changed then.  Else the emulator is
 * to go on behind the bytes, the last of which it takes for the one that it has read.
 */
bool kvm_vmport_string_out(struct kvm_vcpu *vcpu, u8 val)
{
	struct x86_emulate_ctxt *ctxt = vcpu->arch.emulate_ctxt;
	u64 count = reg_read(ctxt, VCPU_REGS_RCX) & vmport_address_mask(ctxt);
	struct vmport_hb_buffer buffer;
	struct vmport_call call = { };
	struct vmport_fault fault;
	u32 size, moved = 0;
	unsigned long linear;
	bool ok;
	int idx;

	if (!vmport_begin_string(vcpu, &call))
		return false;
	call.regs.si = reg_read(ctxt, VCPU_REGS_RBP);
	call.regs.di = reg_read(ctxt, VCPU_REGS_RDI);

	size = vmport_linear_bytes(vcpu, &ctxt->src.addr.mem, false, count, &linear);
	idx = kvm_vmport_begin_call(vcpu, &call);
	ok = vmport_hb_send_begin(&call, count, size ?: 1, &buffer);
	kvm_vmport_end_call(vcpu, &call, idx);
	if (ok) {
		moved = kvm_vmport_read_guest(vcpu, linear, buffer.data, size, &fault);
		if (!moved) {
			*buffer.data = val;
			moved = 1;
		}
		idx = kvm_vmport_begin_call(vcpu, &call);
		ok = vmport_hb_send_end(&call, count, moved, &buffer);
		kvm_vmport_end_call(vcpu, &call, idx);
	}

	if (ok) {
		vmport_add_to_reg(ctxt, VCPU_REGS_RSI, moved - 1);
		vmport_add_to_reg(ctxt, VCPU_REGS_RCX, 1 - (unsigned long)moved);
	} else {
		vmport_refuse_outs(ctxt, count);
	}
	vmport_set_hb_result(ctxt, ok);
	vcpu->stat.vmport_calls++;
	vcpu->stat.vmport_failed_calls += !ok;
	trace_kvm_vmport_hb(vcpu->vcpu_id, false, call.regs.dx, count, ok ? moved : 0, ok);
	return true;
}

/*
 * As after @moved bytes, but the emulator must not write any: it is sent back to the
 * guest, which finds an instruction with that much less to do, or nothing.  What it has of
 * the registers is dropped, so these go to the vCPU at once.
 */
static void vmport_leave_ins(struct x86_emulate_ctxt *ctxt, u64 moved, bool ok)
{
	unsigned long rdi = reg_read(ctxt, VCPU_REGS_RDI), rcx = reg_read(ctxt, VCPU_REGS_RCX);
	unsigned long rbx = reg_read(ctxt, VCPU_REGS_RBX);

	rdi = vmport_assign_by_size(ctxt, rdi,
				    vmport_is_backward(ctxt) ? rdi - moved : rdi + moved);
	ctxt->ops->write_gpr(ctxt, VCPU_REGS_RDI, rdi);
	ctxt->ops->write_gpr(ctxt, VCPU_REGS_RCX, vmport_assign_by_size(ctxt, rcx, rcx - moved));
	ctxt->ops->write_gpr(ctxt, VCPU_REGS_RBX, vmport_hb_result(rbx, ok));
}

/* Write to the guest's memory; what stopped that is in @fault. */
static u32 vmport_write_bytes(struct kvm_vcpu *vcpu, u64 count, const u8 *data,
			      struct vmport_fault *fault)
{
	unsigned long linear;
	u32 size;

	size = vmport_linear_bytes(vcpu, &vcpu->arch.emulate_ctxt->dst.addr.mem, true, count,
				   &linear);
	if (size)
		return kvm_vmport_write_guest(vcpu, linear, data, size, fault);

	kvm_vmport_set_gp(fault);
	return 0;
}

/*
 * Run an INSB in the emulator: the guest receives bytes of a message.  The emulator would
 * write later, and may meet a fault then: bytes that it was given could not be told from
 * those that the guest has.  So they are written here.
 *
 * Returns false when the port is the VMM's; nothing has changed then.  Else the emulator is
 * to write nothing: it raises the fault that it finds, or enters the guest again.
 */
bool kvm_vmport_string_in(struct kvm_vcpu *vcpu)
{
	struct x86_emulate_ctxt *ctxt = vcpu->arch.emulate_ctxt;
	u64 left = reg_read(ctxt, VCPU_REGS_RCX) & vmport_address_mask(ctxt);
	struct vmport_hb_source source;
	struct vmport_fault fault;
	struct vmport_call call = { };
	u32 moved = 0;
	bool ok;
	int idx;

	if (!vmport_begin_string(vcpu, &call))
		return false;
	call.regs.si = reg_read(ctxt, VCPU_REGS_RSI);
	call.regs.di = reg_read(ctxt, VCPU_REGS_RBP);

	idx = kvm_vmport_begin_call(vcpu, &call);
	ok = vmport_hb_receive_begin(&call, left, &source);
	kvm_vmport_end_call(vcpu, &call, idx);
	if (ok) {
		moved = vmport_write_bytes(vcpu, left, source.data, &fault);
		idx = kvm_vmport_begin_call(vcpu, &call);
		vmport_hb_receive_end(&call, left, moved, &source);
		kvm_vmport_end_call(vcpu, &call, idx);
		/* What is no memory receives nothing. */
		ok = moved || fault.is_guests;
	}

	if (moved || !ok) {
		vmport_leave_ins(ctxt, ok ? moved : left, ok);
	} else {
		/* The emulator raises it, and leaves the registers alone. */
		ctxt->exception = fault.exception;
		ctxt->have_exception = true;
	}
	vcpu->stat.vmport_calls++;
	vcpu->stat.vmport_failed_calls += !ok;
	trace_kvm_vmport_hb(vcpu->vcpu_id, true, call.regs.dx, left, moved, ok);
	return true;
}
