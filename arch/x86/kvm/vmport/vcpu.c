// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calling vCPU: what the engine asks about it, whether it may call, and the begin and
 * end of its call.
 */
#include <linux/kvm_host.h>

#include "cpuid.h"
#include "lapic.h"
#include "x86.h"

#include "compat.h"
#include "vcpu.h"
#include "vmport.h"

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

/*
 * Begin a call: give it all but its registers, which stays good until the call ends.  The
 * guest's memory must not be touched before that, as whoever replaces the state waits for
 * it.  In the vCPU's thread; may sleep.  Returns what kvm_vmport_end_call() is to be given.
 */
int kvm_vmport_begin_call(struct kvm_vcpu *vcpu, struct vmport_call *call)
	__acquires(&vcpu->kvm->arch.vmport->srcu)
{
	int idx = srcu_read_lock(&vcpu->kvm->arch.vmport->srcu);

	kvm_vmport_fill_call(vcpu, call);
	return idx;
}

/* End a call.  If it left an RPC to the VMM, KVM_RUN returns before the guest is entered. */
void kvm_vmport_end_call(struct kvm_vcpu *vcpu, const struct vmport_call *call, int idx)
	__releases(&vcpu->kvm->arch.vmport->srcu)
{
	srcu_read_unlock(&vcpu->kvm->arch.vmport->srcu, idx);
	/* What others keep from the caller may have been copied, too. */
	if (call->copies)
		kvm_request_l1tf_flush_l1d();
	if (!call->asks)
		return;

	kvm_make_request(KVM_REQ_VMPORT_EXIT, vcpu);
	/* The one request for which kvm-intel stops to emulate big real mode. */
	kvm_make_request(KVM_REQ_EVENT, vcpu);
}
