// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pseudo performance counters of VMware, which are clocks.
 */
#include <linux/ktime.h>
#include <linux/kvm_host.h>
#include <linux/timekeeping.h>

#include <asm/msr.h>

#include "x86.h"
#include "pmu.h"

#include "vmport.h"

/*
 * Read a pseudo counter.
 * @index: ECX of RDPMC
 * @value: out: EDX:EAX
 *
 * Apparent time is kvmclock's, and not as with enable_vmware_backdoor the host's time
 * since boot plus its offset: those two run at slightly different rates, so that after
 * weeks a migration would set the guest back.
 *
 * Returns false when there is no such counter.
 */
bool kvm_vmport_read_pmc(struct kvm_vcpu *vcpu, u32 index, u64 *value)
{
	if (!kvm_vmport_has_feature(vcpu->kvm, KVM_VMPORT_FEATURE_PMC))
		return false;

	switch (index) {
	case VMWARE_BACKDOOR_PMC_HOST_TSC:
		*value = rdtsc();
		return true;
	case VMWARE_BACKDOOR_PMC_REAL_TIME:
		*value = ktime_get_boottime_ns();
		return true;
	case VMWARE_BACKDOOR_PMC_APPARENT_TIME:
		*value = get_kvmclock_ns(vcpu->kvm);
		return true;
	default:
		return false;
	}
}
