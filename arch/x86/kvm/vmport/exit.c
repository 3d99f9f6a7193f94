// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_EXIT_VMPORT: KVM_RUN returns for an RPC that the VMM has to answer.
 */
#include <linux/kvm_host.h>

#include "ask.h"
#include "vm.h"
#include "vmport.h"

static_assert(sizeof(struct kvm_vmport_exit) <= sizeof_field(struct kvm_run, padding));

/*
 * Describe the RPC that the VMM has to answer.  Returns true when KVM_RUN is to return
 * with what is in vcpu->run; false when nothing asks any more: the channel was closed or
 * the state replaced.
 */
bool kvm_vmport_fill_exit(struct kvm_vcpu *vcpu)
{
	struct kvm_vmport *vmport = vcpu->kvm->arch.vmport;
	struct vmport_asked asked;
	bool found, more;
	int idx;

	idx = srcu_read_lock(&vmport->srcu);
	found = vmport_ask_next(srcu_dereference(vmport->state, &vmport->srcu), vcpu, &asked,
				&more);
	srcu_read_unlock(&vmport->srcu, idx);
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
		.sender = vmport_asked_sender(&asked),
	};
	return true;
}
