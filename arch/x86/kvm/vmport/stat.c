// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM's binary statistics of what the engine counts.  Each vCPU has counters of its own, so
 * that two that send messages share no cache line; what the VM holds changes rarely.
 */
#include <linux/kvm_host.h>

#include "count.h"
#include "vm.h"

static u64 *vmport_counter(struct kvm_vcpu_stat *stat, enum vmport_count which)
{
	switch (which) {
	case VMPORT_COUNT_FAILED_CALLS:
		return &stat->vmport_failed_calls;
	case VMPORT_COUNT_GUEST_MESSAGES:
		return &stat->vmport_guest_messages;
	case VMPORT_COUNT_GUEST_BYTES:
		return &stat->vmport_guest_bytes;
	case VMPORT_COUNT_HOST_MESSAGES:
		return &stat->vmport_host_messages;
	case VMPORT_COUNT_HOST_BYTES:
		return &stat->vmport_host_bytes;
	case VMPORT_COUNT_RPCS_KERNEL:
		return &stat->vmport_rpcs_kernel;
	case VMPORT_COUNT_RPCS_VMM:
		return &stat->vmport_rpcs_vmm;
	case VMPORT_COUNT_RPCS_UNKNOWN:
		return &stat->vmport_rpcs_unknown;
	case VMPORT_COUNT_REFUSED_MALFORMED:
		return &stat->vmport_refused_malformed;
	case VMPORT_COUNT_REFUSED_PERMISSION:
		return &stat->vmport_refused_permission;
	case VMPORT_COUNT_REFUSED_LIMIT:
		return &stat->vmport_refused_limit;
	default:
		return &stat->vmport_refused_memory;
	}
}

void vmport_count(void *vcpu, enum vmport_count which, u64 n)
{
	*vmport_counter(&((struct kvm_vcpu *)vcpu)->stat, which) += n;
}

static atomic64_t *vmport_gauge(struct kvm_vm_stat *stat, enum vmport_gauge which)
{
	switch (which) {
	case VMPORT_GAUGE_CHANNELS:
		return &stat->vmport_channels;
	case VMPORT_GAUGE_ENTRIES:
		return &stat->vmport_entries;
	default:
		return &stat->vmport_bytes;
	}
}

void vmport_gauge_add(struct vmport_events *events, enum vmport_gauge which, s64 n)
{
	struct kvm *kvm = container_of(events, struct kvm_vmport, events)->kvm;

	atomic64_add(n, vmport_gauge(&kvm->stat, which));
}
