// SPDX-License-Identifier: GPL-2.0-only
/* The types of section of a blob. */
#include <linux/bits.h>
#include <linux/kernel.h>

#include "section.h"

const struct vmport_section vmport_sections[] = {
	{
		.type = KVM_VMPORT_SECTION_CHANNEL,
		.feature = KVM_VMPORT_FEATURE_RPC,
		.is_critical = true,
		.is_many = true,
		.pack = vmport_pack_channels,
		.unpack = vmport_unpack_channel,
	}, {
		.type = KVM_VMPORT_SECTION_TCLO,
		.feature = KVM_VMPORT_FEATURE_RPC,
		.is_critical = true,
		.pack = vmport_pack_tclo,
		.unpack = vmport_unpack_tclo,
	}, {
		.type = KVM_VMPORT_SECTION_GUESTINFO,
		.feature = KVM_VMPORT_FEATURE_RPC,
		.is_critical = true,
		.pack = vmport_pack_guestinfo,
		.unpack = vmport_unpack_guestinfo,
	}, {
		.type = KVM_VMPORT_SECTION_ORDER,
		.feature = KVM_VMPORT_FEATURE_RPC,
		.pack = vmport_pack_order,
		.unpack = vmport_unpack_order,
	}, {
		.type = KVM_VMPORT_SECTION_NAMES,
		.feature = KVM_VMPORT_FEATURE_RPC,
		.pack = vmport_pack_names,
		.unpack = vmport_unpack_names,
	}, {
		.type = KVM_VMPORT_SECTION_STEALCLOCK,
		.feature = KVM_VMPORT_FEATURE_STEALCLOCK,
		.is_critical = true,
		.pack = vmport_pack_stealclock,
		.unpack = vmport_unpack_stealclock,
	}, {
		.type = KVM_VMPORT_SECTION_MARKS,
		.feature = KVM_VMPORT_FEATURE_RPC,
		.pack = vmport_pack_marks,
		.unpack = vmport_unpack_marks,
	},
};

const unsigned int vmport_nr_sections = ARRAY_SIZE(vmport_sections);

/* Which types of section are known.  Returns a bit for each type. */
u64 vmport_section_types(void)
{
	u64 sections = 0;
	unsigned int i;

	for (i = 0; i < vmport_nr_sections; i++)
		sections |= BIT_ULL(vmport_sections[i].type);
	return sections;
}
