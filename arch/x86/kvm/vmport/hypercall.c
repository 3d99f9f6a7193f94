// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls by VMCALL and VMMCALL, from any ring.  The registers are those of the
 * port but for the low half of EDX, which has flags in place of its number.
 * Callers that leave the number there mean the same: its low bits are the flags.
 */
#include <linux/kvm_host.h>

#include "kvm_emulate.h"
#include "x86.h"

#include "channel.h"
#include "compat.h"
#include "hb.h"
#include "memory.h"
#include "privilege.h"
#include "vcpu.h"
#include "vmport.h"
#include "vmport_trace.h"

/* EDX bits 0..15.  The others mean nothing. */
#define FLAG_HB		BIT(0)
#define FLAG_OUT	BIT(1)

/* VMMCALL: behind 0x0f. */
#define OPCODE_GROUP7	0x01
#define MODRM_VMMCALL	0xd9

/* One message, or what is left of it. */
struct transfer {
	struct kvm_vcpu *vcpu;
	struct vmport_call call;
	gva_t addr;
	u32 count;
	u32 moved;
	struct vmport_fault fault;	/* why @moved is less than @count */
};

static bool vmport_hypercall_send(struct transfer *t)
{
	struct vmport_hb_buffer buffer;
	bool ok;
	int idx;

	idx = kvm_vmport_begin_call(t->vcpu, &t->call);
	ok = vmport_hb_send_begin(&t->call, t->count, t->count, &buffer);
	kvm_vmport_end_call(t->vcpu, &t->call, idx);
	if (!ok)
		return false;

	t->moved = kvm_vmport_read_guest(t->vcpu, t->addr, buffer.data, t->count,
					 &t->fault);
	idx = kvm_vmport_begin_call(t->vcpu, &t->call);
	ok = vmport_hb_send_end(&t->call, t->count, t->moved, &buffer);
	kvm_vmport_end_call(t->vcpu, &t->call, idx);
	return ok;
}

static bool vmport_hypercall_receive(struct transfer *t)
{
	struct vmport_hb_source source;
	bool ok;
	int idx;

	idx = kvm_vmport_begin_call(t->vcpu, &t->call);
	ok = vmport_hb_receive_begin(&t->call, t->count, &source);
	kvm_vmport_end_call(t->vcpu, &t->call, idx);
	if (!ok)
		return false;

	t->moved = kvm_vmport_write_guest(t->vcpu, t->addr, source.data, t->count,
					  &t->fault);
	idx = kvm_vmport_begin_call(t->vcpu, &t->call);
	vmport_hb_receive_end(&t->call, t->count, t->moved, &source);
	kvm_vmport_end_call(t->vcpu, &t->call, idx);
	return true;
}

/* EBX bits 16..31 say what became of the transfer. */
static int vmport_hypercall_end_transfer(struct kvm_vcpu *vcpu, u32 status)
{
	unsigned long rbx = kvm_rbx_read_raw(vcpu);

	kvm_rbx_write_raw(vcpu, kvm_vmport_merge(rbx, (u16)rbx | status << 16));
	return kvm_skip_emulated_instruction(vcpu);
}

/* A fault of an access to memory: #PF or #GP(0). */
static void vmport_hypercall_raise_fault(struct kvm_vcpu *vcpu, struct x86_exception *exception)
{
	if (exception->vector == PF_VECTOR)
		kvm_inject_emulated_page_fault(vcpu, exception);
	else
		kvm_inject_gp(vcpu, 0);
}

/*
 * At linear addresses.  A transfer that a fault has stopped leaves the registers
 * for the rest of it, so that the instruction goes on when it is run again.
 */
static int vmport_hypercall_message(struct kvm_vcpu *vcpu, bool in)
{
	int addr_reg = in ? VCPU_REGS_RDI : VCPU_REGS_RSI;
	struct transfer t = {
		.vcpu = vcpu,
		.call.is_privileged = kvm_vmport_is_privileged(vcpu),
		.call.regs.dx = kvm_edx_read(vcpu),
		.call.regs.si = in ? kvm_esi_read(vcpu) : kvm_ebp_read(vcpu),
		.call.regs.di = in ? kvm_ebp_read(vcpu) : kvm_edi_read(vcpu),
		.addr = kvm_register_read(vcpu, addr_reg),
		.count = kvm_register_read(vcpu, VCPU_REGS_RCX),
	};
	bool ok;

	if (!t.count)
		return vmport_hypercall_end_transfer(vcpu, VMPORT_STATUS_SUCCESS);

	ok = in ? vmport_hypercall_receive(&t) : vmport_hypercall_send(&t);
	vcpu->stat.vmport_calls++;
	vcpu->stat.vmport_failed_calls += !ok;
	trace_kvm_vmport_hb(vcpu->vcpu_id, in, t.call.regs.dx, t.count, ok ? t.moved : 0, ok);
	if (!ok)
		return vmport_hypercall_end_transfer(vcpu, VMPORT_STATUS_FAIL);

	kvm_register_write(vcpu, addr_reg, t.addr + t.moved);
	kvm_rcx_write_raw(vcpu, kvm_vmport_merge(kvm_rcx_read_raw(vcpu), t.count - t.moved));
	if (t.moved == t.count)
		return vmport_hypercall_end_transfer(vcpu, VMPORT_STATUS_SUCCESS);

	if (!t.fault.is_guests)
		return vmport_hypercall_end_transfer(vcpu, VMPORT_STATUS_FAIL);
	vmport_hypercall_raise_fault(vcpu, &t.fault.exception);
	return 1;
}

/*
 * Is a hypercall one to the interface, and from a ring that may make it?  In ring 3 only
 * with KVM_VMPORT_FEATURE_RING3.
 */
bool kvm_vmport_can_hypercall(struct kvm_vcpu *vcpu)
{
	return kvm_vmport_has_feature(vcpu->kvm, KVM_VMPORT_FEATURE_HYPERCALL) &&
	       kvm_eax_read(vcpu) == VMPORT_MAGIC && kvm_vmport_can_call(vcpu) &&
	       (kvm_vmport_has_feature(vcpu->kvm, KVM_VMPORT_FEATURE_RING3) ||
		kvm_x86_call(get_cpl)(vcpu) == 0);
}

/*
 * Handle a hypercall with the magic in EAX.
 * @vcpu: the caller; kvm_vmport_can_hypercall() is true
 *
 * Returns what the exit handler returns.
 */
int kvm_vmport_hypercall(struct kvm_vcpu *vcpu)
{
	u16 flags = kvm_edx_read(vcpu);

	++vcpu->stat.hypercalls;

	if (flags & FLAG_HB) {
		if (kvm_vmport_has_feature(vcpu->kvm, KVM_VMPORT_FEATURE_HB) &&
		    (u16)kvm_ebx_read(vcpu) == VMPORT_HB_MESSAGE)
			return vmport_hypercall_message(vcpu, !(flags & FLAG_OUT));
		/* No port access is like this one, so the VMM cannot be asked. */
		return vmport_hypercall_end_transfer(vcpu, VMPORT_STATUS_FAIL);
	}

	/* Unlike IN this is no load of EAX: the high half of RAX stays. */
	if (kvm_vmport_call(vcpu, false, kvm_vmport_is_privileged(vcpu)))
		return kvm_skip_emulated_instruction(vcpu);

	return kvm_fast_pio(vcpu, 4, VMPORT_PORT, !(flags & FLAG_OUT));
}

/*
 * Where does the instruction behind a call by VMMCALL begin?
 * @vcpu: its VM has the interface enabled, and the exit does not say
 * @rip: out: there; unchanged when it is no call
 *
 * To find out when the call has been made may fail: another vCPU, or the call itself, can
 * write to the instruction meanwhile.
 *
 * Returns false when the guest is to be entered instead, for what is there now.
 */
bool kvm_vmport_find_next_rip(struct kvm_vcpu *vcpu, u64 *rip)
{
	struct x86_emulate_ctxt *ctxt = vcpu->arch.emulate_ctxt;

	if (!kvm_vmport_can_hypercall(vcpu))
		return true;

	if (x86_decode_emulated_instruction(vcpu, EMULTYPE_SKIP, NULL, 0) != EMULATION_OK) {
		if (ctxt->have_exception)
			vmport_hypercall_raise_fault(vcpu, &ctxt->exception);
		return false;
	}
	if (ctxt->opcode_len != 2 || ctxt->b != OPCODE_GROUP7 || ctxt->modrm != MODRM_VMMCALL)
		return false;

	*rip = ctxt->mode == X86EMUL_MODE_PROT64 ? ctxt->_eip : (u32)ctxt->_eip;
	return true;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_vmport_find_next_rip);
