/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The layout of include/uapi/linux/kvm_vmport.h: the same for 32-bit and 64-bit
 * callers, for ever.  Shared with tools/testing/vmport, which compiles it for both.
 */
#ifndef SELFTEST_KVM_VMPORT_ABI_H
#define SELFTEST_KVM_VMPORT_ABI_H

#include <stddef.h>

#include <linux/kvm_vmport.h>

#define CHECK_SIZE(_type, _size)						\
	_Static_assert(sizeof(struct _type) == (_size), "size of " #_type)
#define CHECK_FIELD(_type, _field, _offset)					\
	_Static_assert(offsetof(struct _type, _field) == (_offset),		\
		      #_type "." #_field)
#define CHECK_NUMBER(_name, _number)						\
	_Static_assert((_name) == (_number), #_name)

CHECK_SIZE(kvm_vmport_state, 80);
CHECK_FIELD(kvm_vmport_state, flags, 0);
CHECK_FIELD(kvm_vmport_state, error, 4);
CHECK_FIELD(kvm_vmport_state, size, 8);
CHECK_FIELD(kvm_vmport_state, data, 16);
CHECK_FIELD(kvm_vmport_state, sections, 24);
CHECK_FIELD(kvm_vmport_state, error_offset, 32);
CHECK_FIELD(kvm_vmport_state, error_mask, 40);
CHECK_FIELD(kvm_vmport_state, reserved, 48);

CHECK_SIZE(kvm_vmport_identity, 96);
CHECK_FIELD(kvm_vmport_identity, version, 0);
CHECK_FIELD(kvm_vmport_identity, product_type, 4);
CHECK_FIELD(kvm_vmport_identity, hw_version, 8);
CHECK_FIELD(kvm_vmport_identity, vcpu_info, 12);
CHECK_FIELD(kvm_vmport_identity, uuid, 16);
CHECK_FIELD(kvm_vmport_identity, memory_mib, 32);
CHECK_FIELD(kvm_vmport_identity, tsc_hz, 40);
CHECK_FIELD(kvm_vmport_identity, apic_hz, 48);
CHECK_FIELD(kvm_vmport_identity, max_time_lag_us, 56);
CHECK_FIELD(kvm_vmport_identity, reserved, 64);

CHECK_SIZE(kvm_vmport_limits, 48);
CHECK_FIELD(kvm_vmport_limits, channels, 0);
CHECK_FIELD(kvm_vmport_limits, keys, 4);
CHECK_FIELD(kvm_vmport_limits, value_bytes, 8);
CHECK_FIELD(kvm_vmport_limits, guestinfo_bytes, 12);
CHECK_FIELD(kvm_vmport_limits, reserved, 16);

CHECK_SIZE(kvm_vmport_guestinfo, 64);
CHECK_FIELD(kvm_vmport_guestinfo, key, 0);
CHECK_FIELD(kvm_vmport_guestinfo, value, 8);
CHECK_FIELD(kvm_vmport_guestinfo, key_size, 16);
CHECK_FIELD(kvm_vmport_guestinfo, value_size, 20);
CHECK_FIELD(kvm_vmport_guestinfo, flags, 24);
CHECK_FIELD(kvm_vmport_guestinfo, reserved, 32);

CHECK_SIZE(kvm_vmport_guestinfo_list, 64);
CHECK_FIELD(kvm_vmport_guestinfo_list, prefix, 0);
CHECK_FIELD(kvm_vmport_guestinfo_list, names, 8);
CHECK_FIELD(kvm_vmport_guestinfo_list, prefix_size, 16);
CHECK_FIELD(kvm_vmport_guestinfo_list, names_size, 20);
CHECK_FIELD(kvm_vmport_guestinfo_list, count, 24);
CHECK_FIELD(kvm_vmport_guestinfo_list, reserved, 32);

CHECK_SIZE(kvm_vmport_tclo, 56);
CHECK_FIELD(kvm_vmport_tclo, id, 0);
CHECK_FIELD(kvm_vmport_tclo, data, 8);
CHECK_FIELD(kvm_vmport_tclo, size, 16);
CHECK_FIELD(kvm_vmport_tclo, status, 20);
CHECK_FIELD(kvm_vmport_tclo, name, 24);
CHECK_FIELD(kvm_vmport_tclo, name_size, 32);
CHECK_FIELD(kvm_vmport_tclo, reserved32, 36);
CHECK_FIELD(kvm_vmport_tclo, reserved, 40);

CHECK_SIZE(kvm_vmport_guestinfo_many, 48);
CHECK_FIELD(kvm_vmport_guestinfo_many, items, 0);
CHECK_FIELD(kvm_vmport_guestinfo_many, count, 8);
CHECK_FIELD(kvm_vmport_guestinfo_many, index, 12);
CHECK_FIELD(kvm_vmport_guestinfo_many, reserved, 16);

CHECK_SIZE(kvm_vmport_changes, 64);
CHECK_FIELD(kvm_vmport_changes, since, 0);
CHECK_FIELD(kvm_vmport_changes, sequence, 8);
CHECK_FIELD(kvm_vmport_changes, names, 16);
CHECK_FIELD(kvm_vmport_changes, names_size, 24);
CHECK_FIELD(kvm_vmport_changes, count, 28);
CHECK_FIELD(kvm_vmport_changes, reserved, 32);

CHECK_SIZE(kvm_vmport_eventfd, 40);
CHECK_FIELD(kvm_vmport_eventfd, fd, 0);
CHECK_FIELD(kvm_vmport_eventfd, reserved, 8);

CHECK_SIZE(kvm_vmport_events, 56);
CHECK_FIELD(kvm_vmport_events, sequence, 0);
CHECK_FIELD(kvm_vmport_events, lost, 8);
CHECK_FIELD(kvm_vmport_events, results, 16);
CHECK_FIELD(kvm_vmport_events, channels, 20);
CHECK_FIELD(kvm_vmport_events, reserved, 24);

CHECK_SIZE(kvm_vmport_rpc, 64);
CHECK_FIELD(kvm_vmport_rpc, id, 0);
CHECK_FIELD(kvm_vmport_rpc, data, 8);
CHECK_FIELD(kvm_vmport_rpc, size, 16);
CHECK_FIELD(kvm_vmport_rpc, flags, 20);
CHECK_FIELD(kvm_vmport_rpc, channel, 24);
CHECK_FIELD(kvm_vmport_rpc, reserved, 32);

CHECK_SIZE(kvm_vmport_info, 64);
CHECK_FIELD(kvm_vmport_info, features, 0);
CHECK_FIELD(kvm_vmport_info, get_attrs, 8);
CHECK_FIELD(kvm_vmport_info, set_attrs, 16);
CHECK_FIELD(kvm_vmport_info, sections, 24);
CHECK_FIELD(kvm_vmport_info, known_features, 32);
CHECK_FIELD(kvm_vmport_info, reserved, 40);

CHECK_SIZE(kvm_vmport_tclo_list, 48);
CHECK_FIELD(kvm_vmport_tclo_list, items, 0);
CHECK_FIELD(kvm_vmport_tclo_list, count, 8);
CHECK_FIELD(kvm_vmport_tclo_list, reserved, 16);

CHECK_SIZE(kvm_vmport_tclo_item, 64);
CHECK_FIELD(kvm_vmport_tclo_item, id, 0);
CHECK_FIELD(kvm_vmport_tclo_item, status, 8);
CHECK_FIELD(kvm_vmport_tclo_item, size, 12);
CHECK_FIELD(kvm_vmport_tclo_item, name, 16);
CHECK_FIELD(kvm_vmport_tclo_item, reserved, 48);

CHECK_SIZE(kvm_vmport_exit, 56);
CHECK_FIELD(kvm_vmport_exit, type, 0);
CHECK_FIELD(kvm_vmport_exit, channel, 4);
CHECK_FIELD(kvm_vmport_exit, id, 8);
CHECK_FIELD(kvm_vmport_exit, size, 16);
CHECK_FIELD(kvm_vmport_exit, sender, 20);
CHECK_FIELD(kvm_vmport_exit, reserved, 24);

CHECK_SIZE(kvm_vmport_attr, 256);
CHECK_FIELD(kvm_vmport_attr, type, 0);
CHECK_FIELD(kvm_vmport_attr, error, 4);
CHECK_FIELD(kvm_vmport_attr, u, 8);

CHECK_SIZE(kvm_vmport_blob_header, 32);
CHECK_FIELD(kvm_vmport_blob_header, magic, 0);
CHECK_FIELD(kvm_vmport_blob_header, version, 4);
CHECK_FIELD(kvm_vmport_blob_header, header_size, 6);
CHECK_FIELD(kvm_vmport_blob_header, size, 8);
CHECK_FIELD(kvm_vmport_blob_header, checksum, 16);
CHECK_FIELD(kvm_vmport_blob_header, features, 24);
CHECK_SIZE(kvm_vmport_blob_section, 16);
CHECK_FIELD(kvm_vmport_blob_section, size, 8);
CHECK_SIZE(kvm_vmport_blob_channel, 40);
CHECK_FIELD(kvm_vmport_blob_channel, send_size, 16);
CHECK_FIELD(kvm_vmport_blob_channel, request, 32);
CHECK_SIZE(kvm_vmport_blob_tclo, 16);
CHECK_SIZE(kvm_vmport_blob_request, 16);
CHECK_SIZE(kvm_vmport_blob_guestinfo, 8);
CHECK_SIZE(kvm_vmport_blob_order, 2);
CHECK_SIZE(kvm_vmport_blob_stealclock, 16);
CHECK_FIELD(kvm_vmport_blob_stealclock, vcpu_id, 8);
CHECK_SIZE(kvm_vmport_blob_mark, 2);

CHECK_NUMBER(KVM_GET_VMPORT_STATE, 0xc050aef0);
CHECK_NUMBER(KVM_SET_VMPORT_STATE, 0xc050aef1);
CHECK_NUMBER(KVM_GET_VMPORT_ATTR, 0xc100aef2);
CHECK_NUMBER(KVM_SET_VMPORT_ATTR, 0xc100aef3);

#endif /* SELFTEST_KVM_VMPORT_ABI_H */
