// SPDX-License-Identifier: GPL-2.0-only
/* The section STEALCLOCK of a blob. */
#include <linux/kernel.h>
#include <linux/xarray.h>

#include "packer.h"
#include "section.h"
#include "steal.h"
#include "unpacker.h"

/* Only of vCPUs whose clock runs.  What it shows is in the guest's memory. */
int vmport_pack_stealclock(struct vmport_packer *p, const struct vmport_section *section,
			   struct vmport_state *state)
{
	struct kvm_vmport_blob_stealclock packed = { };
	struct vmport_steal *steal;
	struct vmport_place place = { };
	bool any = false;
	unsigned long id;
	u64 address;

	xa_for_each(&state->steals, id, steal) {
		address = READ_ONCE(steal->address);
		if (address == VMPORT_STEAL_OFF)
			continue;
		if (!any)
			place = vmport_pack_begin(p);
		any = true;
		packed.address = cpu_to_le64(address);
		packed.vcpu_id = cpu_to_le32(id);
		vmport_pack_bytes(p, &packed, sizeof(packed));
	}
	if (any)
		vmport_pack_end(p, &place, section);
	return 0;
}

static int vmport_check_stealclock(struct vmport_unpacker *u, size_t pos,
				   const struct kvm_vmport_blob_stealclock *packed, u32 next_id)
{
	u32 id = le32_to_cpu(packed->vcpu_id);

	if (packed->reserved32)
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, reserved32),
					KVM_VMPORT_ERR_RESERVED);
	if (id >= KVM_VMPORT_MAX_VCPU_ID)
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, vcpu_id),
					KVM_VMPORT_ERR_VCPU_ID);
	if (id < next_id)
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, vcpu_id),
					KVM_VMPORT_ERR_ORDER);
	if (!IS_ALIGNED(le64_to_cpu(packed->address), VMPORT_STEAL_SIZE))
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, address),
					KVM_VMPORT_ERR_ADDRESS);
	return 0;
}

/* Whether there is memory is seen when the vCPU runs: it may come later than this. */
int vmport_unpack_stealclock(struct vmport_unpacker *u, u64 size)
{
	struct kvm_vmport_blob_stealclock packed;
	u32 next_id = 0;
	size_t pos;
	int r;

	do {
		pos = u->pos;
		r = vmport_unpack_record(u, &packed, sizeof(packed));
		if (!r)
			r = vmport_check_stealclock(u, pos, &packed, next_id);
		if (r)
			return r;

		next_id = le32_to_cpu(packed.vcpu_id) + 1;
		/* What its thread has waited here was not the guest's time. */
		r = vmport_steal_set(&u->state->steals, next_id - 1,
				     le64_to_cpu(packed.address), U64_MAX);
	} while (!r && u->pos < u->end);

	return r;
}
