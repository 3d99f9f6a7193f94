// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's steal clock, in its memory: see steal.c.
 */
#include <linux/kvm_host.h>
#include <linux/uaccess.h>

#include "state.h"
#include "steal.h"
#include "vcpu.h"
#include "vmport.h"

/* Where the guest has its steal clock; error codes as of kvm_is_error_hva(). */
static unsigned long vmport_steal_clock_hva(struct kvm *kvm, gpa_t gpa)
{
	unsigned long hva = gfn_to_hva(kvm, gpa_to_gfn(gpa));

	/* KVM has memory of its own, such as that of the APIC. */
	if (kvm_is_error_hva(hva) || !kvm_is_visible_gfn(kvm, gpa_to_gfn(gpa)))
		return KVM_HVA_ERR_BAD;

	return hva + offset_in_page(gpa);
}

bool vmport_vcpu_has_memory(void *vcpu, u64 address)
{
	return !kvm_is_error_hva(vmport_steal_clock_hva(((struct kvm_vcpu *)vcpu)->kvm, address));
}

/*
 * Add to the guest's steal clock.  The memory is found anew each time, as it may have gone
 * or moved.  It is that of L1 outside SMM, wherever the vCPU is.  Another vCPU may read
 * meanwhile: it sees the clock before or after.
 *
 * May sleep until the VMM has provided the memory.
 */
void kvm_vmport_update_steal_clock(struct kvm_vcpu *vcpu)
{
	struct vmport_call call = { };
	u64 address, cycles, clock;
	unsigned long hva;
	u64 __user *at;
	bool any;
	int idx;

	if (!kvm_vmport_has_feature(vcpu->kvm, KVM_VMPORT_FEATURE_STEALCLOCK))
		return;

	idx = kvm_vmport_begin_call(vcpu, &call);
	any = vmport_steal_take(&call.state->steals, &call, &address, &cycles);
	kvm_vmport_end_call(vcpu, &call, idx);
	/* A VM can become encrypted: then nobody but the guest may write there. */
	if (!any || kvm_vmport_is_encrypted(vcpu))
		return;

	hva = vmport_steal_clock_hva(vcpu->kvm, address);
	if (kvm_is_error_hva(hva))
		return;
	at = (u64 __user *)hva;
	if (get_user(clock, at) || put_user(clock + cycles, at))
		return;
	mark_page_dirty(vcpu->kvm, gpa_to_gfn(address));
}
