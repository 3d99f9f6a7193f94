// SPDX-License-Identifier: GPL-2.0-only
/*
 * Privileged callers: those whom the guest's own system lets use port 0x5658, by the
 * processor's rules.  That is ring 0, a ring that IOPL lets, and whom the I/O bitmap of
 * the TSS lets: Linux since 5.5 does iopl() and ioperm() by that bitmap alone.
 *
 * The processor applies them before it looks at an intercept: the SDM says so in "Relative
 * Priority of Faults and VM Exits", and with SVM ring 3 is known by its #GP too.  So an IN
 * or OUT that leaves the guest by itself has passed, one that comes as a #GP has not.  Of
 * all other calls the rules are looked up here.
 */
#include <linux/kvm_host.h>

#include "mmu.h"
#include "x86.h"

#include "compat.h"
#include "privilege.h"
#include "protocol.h"
#include "state.h"
#include "vm.h"
#include "vmport.h"

/* SDM volume 1, 19.5.2: where a 32-bit or 64-bit TSS says where its I/O bitmap begins. */
#define TSS_IO_MAP_BASE		102
/* Type bits of a TSS; one without this is a 16-bit one and has no bitmap. */
#define TSS_TYPE_32_BIT		BIT(3)

/* The bits of a 32-bit access lie in one byte of the bitmap. */
#define PORT_BYTE		(VMPORT_PORT / 8)
#define PORT_BITS		(0xf << VMPORT_PORT % 8)

/* Byte @offset of the TSS, as the processor reads it; -1 when there is none. */
static int vmport_tss_byte(struct kvm_vcpu *vcpu, const struct kvm_segment *tr, u32 offset)
{
	struct kvm_pagewalk *walk = &vcpu->arch.gva_walk;
	gva_t addr = tr->base + offset;
	struct x86_exception exception;
	gpa_t gpa;
	u8 byte;

	if (offset > tr->limit)
		return -1;
	if (!is_long_mode(vcpu))
		addr = (u32)addr;

	gpa = walk->gva_to_gpa(vcpu, walk, addr, 0, &exception);
	if (gpa == INVALID_GPA ||
	    kvm_vcpu_read_guest_page(vcpu, gpa_to_gfn(gpa), &byte, offset_in_page(gpa), 1))
		return -1;
	return byte;
}

static bool vmport_tss_allows(struct kvm_vcpu *vcpu)
{
	int low, high, bits, next;
	struct kvm_segment tr;
	u32 at;

	kvm_get_segment(vcpu, &tr, VCPU_SREG_TR);
	if (tr.unusable || !tr.present || !(tr.type & TSS_TYPE_32_BIT))
		return false;

	low = vmport_tss_byte(vcpu, &tr, TSS_IO_MAP_BASE);
	high = vmport_tss_byte(vcpu, &tr, TSS_IO_MAP_BASE + 1);
	if (low < 0 || high < 0)
		return false;

	/* The processor always reads two bytes of it. */
	at = (high << 8 | low) + PORT_BYTE;
	bits = vmport_tss_byte(vcpu, &tr, at);
	next = vmport_tss_byte(vcpu, &tr, at + 1);
	return bits >= 0 && next >= 0 && !(bits & PORT_BITS);
}

/* Does it matter who calls?  To entries that are privileged, and to the VMM. */
static bool vmport_privilege_counts(struct kvm_vcpu *vcpu)
{
	struct kvm_vmport *vmport = vcpu->kvm->arch.vmport;
	struct vmport_state *state;
	bool has;
	int idx;

	if (kvm_vmport_has_feature(vcpu->kvm, KVM_VMPORT_FEATURE_EXIT_RPC))
		return true;

	idx = srcu_read_lock(&vmport->srcu);
	state = srcu_dereference(vmport->state, &vmport->srcu);
	has = READ_ONCE(state->guestinfo.has_privileged);
	srcu_read_unlock(&vmport->srcu, idx);
	return has;
}

/*
 * Would the guest's system let the caller, who is not in L2, use the port?  To be asked
 * before a call begins, as it looks at the guest's memory.
 *
 * Returns false also when that does not matter at this moment.  With kvm->srcu held; may
 * sleep.
 */
bool kvm_vmport_is_privileged(struct kvm_vcpu *vcpu)
{
	unsigned long rflags;
	int cpl;

	cpl = kvm_x86_call(get_cpl)(vcpu);
	if (!cpl)
		return true;
	if (!vmport_privilege_counts(vcpu))
		return false;

	/* In virtual-8086 mode IOPL is about other instructions. */
	rflags = kvm_get_rflags(vcpu);
	if (!(rflags & X86_EFLAGS_VM) &&
	    cpl <= (rflags & X86_EFLAGS_IOPL) >> X86_EFLAGS_IOPL_BIT)
		return true;
	return vmport_tss_allows(vcpu);
}
