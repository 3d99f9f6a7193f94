// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an L1 of the tests of KVM's VMware guest interface needs for its L2.
 */
#include "vmx.h"

#include "vmport_nested.h"

#include "vmport_compat.h"

/* Does the host have it, so that guests may? */
bool vmport_has_nested_paging(void)
{
	const char *name = host_cpu_is_intel ? "/sys/module/kvm_intel/parameters/ept" :
					       "/sys/module/kvm_amd/parameters/npt";
	FILE *file = fopen(name, "r");
	int value = file ? fgetc(file) : 'N';

	if (file)
		fclose(file);
	return value == 'Y' || value == '1';
}

/* Can a guest have one? */
bool vmport_has_l2(void)
{
	return (kvm_cpu_has(X86_FEATURE_SVM) || kvm_cpu_has(X86_FEATURE_VMX)) &&
	       kvm_has_cap(KVM_CAP_NESTED_STATE);
}

bool vmport_is_in_l2(struct kvm_vcpu *vcpu)
{
	struct kvm_x86_state *state = vcpu_save_state(vcpu);
	bool is_in_l2 = state->nested.flags & KVM_STATE_NESTED_GUEST_MODE;

	kvm_x86_state_cleanup(state);
	return is_in_l2;
}

/* A page of tables: what an entry that points to it has for an address. */
static u64 add_table(struct kvm_vm *vm, u64 **table)
{
	gva_t gva = vm_alloc_page(vm);

	*table = addr_gva2hva(vm, gva);
	return addr_gva2gpa(vm, gva);
}

/*
 * L1's tables for L2, an EPTP without flags or a nested CR3: the first GiB is L1's own,
 * the second one lies at @second of L1's.
 */
u64 vmport_nested_tables(struct kvm_vm *vm, u64 second)
{
	/* Readable, writable, executable; or present, writable, user. */
	const u64 inner = 0x7;
	/* A page of 2 MiB; memory type WB, or accessed and dirty. */
	const u64 leaf = inner | BIT(7) | (host_cpu_is_intel ? X86_MEMTYPE_WB << 3 : 0x60);
	u64 *level4, *level3, *first_gib, *second_gib, gpa;
	u64 i;

	gpa = add_table(vm, &level4);
	level4[0] = add_table(vm, &level3) | inner;
	level3[0] = add_table(vm, &first_gib) | inner;
	level3[1] = add_table(vm, &second_gib) | inner;
	for (i = 0; i < 512; i++) {
		first_gib[i] = i << 21 | leaf;
		second_gib[i] = (second + (i << 21)) | leaf;
	}
	return gpa;
}
