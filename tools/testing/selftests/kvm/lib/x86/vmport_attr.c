// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes of KVM's VMware guest interface, and what else a VMM reads of it.
 */
#include "vmport.h"

__thread u32 vmport_error;

int vmport_attr(struct kvm_vm *vm, unsigned long cmd, struct kvm_vmport_attr *attr)
{
	int r;

	/* Only an output. */
	attr->error = 0x55555555;
	if (cmd == KVM_SET_VMPORT_ATTR)
		r = __vm_ioctl(vm, KVM_SET_VMPORT_ATTR, attr);
	else
		r = __vm_ioctl(vm, KVM_GET_VMPORT_ATTR, attr);
	TEST_ASSERT(!r || r == -1, "ioctl() returned %d", r);

	vmport_error = attr->error;
	return r ? errno : 0;
}

int vmport_get_info(struct kvm_vm *vm, struct kvm_vmport_info *info)
{
	struct kvm_vmport_attr attr = { .type = KVM_VMPORT_ATTR_INFO };
	int r = vmport_attr(vm, KVM_GET_VMPORT_ATTR, &attr);

	*info = attr.u.info;
	return r;
}

int vmport_get_identity(struct kvm_vm *vm, struct kvm_vmport_identity *identity)
{
	struct kvm_vmport_attr attr = { .type = KVM_VMPORT_ATTR_IDENTITY };
	int r = vmport_attr(vm, KVM_GET_VMPORT_ATTR, &attr);

	*identity = attr.u.identity;
	return r;
}

int vmport_set_identity(struct kvm_vm *vm, const struct kvm_vmport_identity *identity)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_IDENTITY,
		.u.identity = *identity,
	};

	return vmport_attr(vm, KVM_SET_VMPORT_ATTR, &attr);
}

int vmport_get_limits(struct kvm_vm *vm, struct kvm_vmport_limits *limits)
{
	struct kvm_vmport_attr attr = { .type = KVM_VMPORT_ATTR_LIMITS };
	int r = vmport_attr(vm, KVM_GET_VMPORT_ATTR, &attr);

	*limits = attr.u.limits;
	return r;
}

int vmport_set_limits(struct kvm_vm *vm, const struct kvm_vmport_limits *limits)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_LIMITS,
		.u.limits = *limits,
	};

	return vmport_attr(vm, KVM_SET_VMPORT_ATTR, &attr);
}

int vmport_set_entry(struct kvm_vm *vm, const void *key, u32 key_size, const void *value,
		     u32 value_size, u32 flags)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_GUESTINFO,
		.u.guestinfo = {
			.key = (unsigned long)key,
			.key_size = key_size,
			.value = (unsigned long)value,
			.value_size = value_size,
			.flags = flags,
		},
	};

	return vmport_attr(vm, KVM_SET_VMPORT_ATTR, &attr);
}

/* @size: in, bytes at @value; out, as the kernel says. */
int vmport_get_entry(struct kvm_vm *vm, const void *key, u32 key_size, void *value, u32 *size,
		     u32 *flags)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_GUESTINFO,
		.u.guestinfo = {
			.key = (unsigned long)key,
			.key_size = key_size,
			.value = (unsigned long)value,
			.value_size = *size,
		},
	};
	int r = vmport_attr(vm, KVM_GET_VMPORT_ATTR, &attr);

	*size = attr.u.guestinfo.value_size;
	if (flags)
		*flags = attr.u.guestinfo.flags;
	return r;
}

int vmport_set_text(struct kvm_vm *vm, const char *key, const char *value)
{
	return vmport_set_entry(vm, key, strlen(key), value, strlen(value), 0);
}

int vmport_delete(struct kvm_vm *vm, const char *key)
{
	return vmport_set_entry(vm, key, strlen(key), NULL, 0, KVM_VMPORT_GUESTINFO_DELETE);
}

/* The value as a string, only good until the next call; NULL: no entry. */
const char *vmport_get_text(struct kvm_vm *vm, const char *key)
{
	static __thread char value[KVM_VMPORT_MAX_VALUE + 1];
	u32 size = sizeof(value) - 1;
	int r = vmport_get_entry(vm, key, strlen(key), value, &size, NULL);

	if (r == ENOENT)
		return NULL;
	TEST_ASSERT(!r, "Reading '%s': errno %d, error %u", key, r, vmport_error);
	value[size] = '\0';
	return value;
}

int vmport_list(struct kvm_vm *vm, const char *prefix, void *names, u32 *size, u32 *count)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_GUESTINFO_LIST,
		.u.list = {
			.prefix = (unsigned long)prefix,
			.prefix_size = strlen(prefix),
			.names = (unsigned long)names,
			.names_size = *size,
		},
	};
	int r = vmport_attr(vm, KVM_GET_VMPORT_ATTR, &attr);

	*size = attr.u.list.names_size;
	*count = attr.u.list.count;
	return r;
}

/* Several entries in one step.  @index: out, what the kernel says. */
int vmport_set_many(struct kvm_vm *vm, const struct kvm_vmport_guestinfo *items, u32 count,
		    u32 *index)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_GUESTINFO_MANY,
		.u.many = {
			.items = (unsigned long)items,
			.count = count,
		},
	};
	int r = vmport_attr(vm, KVM_SET_VMPORT_ATTR, &attr);

	if (index)
		*index = attr.u.many.index;
	return r;
}

/* An item for it; a value of NULL deletes. */
struct kvm_vmport_guestinfo vmport_item(const char *key, const char *value)
{
	return (struct kvm_vmport_guestinfo) {
		.key = (unsigned long)key,
		.key_size = strlen(key),
		.value = (unsigned long)value,
		.value_size = value ? strlen(value) : 0,
		.flags = value ? 0 : KVM_VMPORT_GUESTINFO_DELETE,
	};
}

/* The entries that were set since.  All but @vm and @names: in and out. */
int vmport_changes(struct kvm_vm *vm, u64 *since, void *names, u32 *size, u32 *count)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_CHANGES,
		.u.changes = {
			.since = *since,
			.names = (unsigned long)names,
			.names_size = *size,
		},
	};
	int r = vmport_attr(vm, KVM_GET_VMPORT_ATTR, &attr);

	*since = attr.u.changes.sequence;
	*size = attr.u.changes.names_size;
	*count = attr.u.changes.count;
	return r;
}

/* Queue a request to the daemon of the guest with that name; size 0: its tools. */
int vmport_tclo_send_to(struct kvm_vm *vm, const void *name, u32 name_size, const void *request,
			u32 size, u64 *id)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_TCLO,
		.u.tclo = {
			.data = (unsigned long)request,
			.size = size,
			.name = (unsigned long)name,
			.name_size = name_size,
		},
	};
	int r = vmport_attr(vm, KVM_SET_VMPORT_ATTR, &attr);

	if (id)
		*id = attr.u.tclo.id;
	return r;
}

int vmport_tclo_send(struct kvm_vm *vm, const void *request, u32 size, u64 *id)
{
	return vmport_tclo_send_to(vm, NULL, 0, request, size, id);
}

/* Take a result.  @size: in, bytes at @result; out, as the kernel says. */
int vmport_tclo_result(struct kvm_vm *vm, void *result, u32 *size, u64 *id, u32 *status)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_TCLO,
		.u.tclo = {
			.data = (unsigned long)result,
			.size = *size,
		},
	};
	int r = vmport_attr(vm, KVM_GET_VMPORT_ATTR, &attr);

	*size = attr.u.tclo.size;
	*id = attr.u.tclo.id;
	*status = attr.u.tclo.status;
	return r;
}

/* All requests and results.  @count: in, room at @items; out, how many there are. */
int vmport_tclo_list(struct kvm_vm *vm, struct kvm_vmport_tclo_item *items, u32 *count)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_TCLO_LIST,
		.u.tclo_list.items = (unsigned long)items,
		.u.tclo_list.count = *count,
	};
	int r = vmport_attr(vm, KVM_GET_VMPORT_ATTR, &attr);

	*count = attr.u.tclo_list.count;
	return r;
}

int vmport_tclo_cancel(struct kvm_vm *vm, u64 id, u32 *status)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_TCLO_CANCEL,
		.u.tclo.id = id,
		.u.tclo.status = 0x55555555,
	};
	int r = vmport_attr(vm, KVM_SET_VMPORT_ATTR, &attr);

	*status = attr.u.tclo.status;
	return r;
}

int vmport_set_eventfd(struct kvm_vm *vm, int fd)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_EVENTFD,
		.u.eventfd.fd = fd,
	};

	return vmport_attr(vm, KVM_SET_VMPORT_ATTR, &attr);
}

struct kvm_vmport_events vmport_events(struct kvm_vm *vm)
{
	struct kvm_vmport_attr attr = { .type = KVM_VMPORT_ATTR_EVENTS };
	int r = vmport_attr(vm, KVM_GET_VMPORT_ATTR, &attr);

	TEST_ASSERT(!r, "KVM_VMPORT_ATTR_EVENTS: errno %d", r);
	return attr.u.events;
}

int vmport_reset(struct kvm_vm *vm)
{
	struct kvm_vmport_attr attr = { .type = KVM_VMPORT_ATTR_RESET };

	return vmport_attr(vm, KVM_SET_VMPORT_ATTR, &attr);
}

/* A message that asks, the oldest when @id is 0.  @id and @size: in and out. */
int vmport_read_asked(struct kvm_vm *vm, u64 *id, void *data, u32 *size, u32 *channel)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_RPC,
		.u.rpc = {
			.id = *id,
			.data = (unsigned long)data,
			.size = *size,
			.flags = *id ? 0 : KVM_VMPORT_RPC_NEXT,
		},
	};
	int r = vmport_attr(vm, KVM_GET_VMPORT_ATTR, &attr);

	*id = attr.u.rpc.id;
	*size = attr.u.rpc.size;
	*channel = attr.u.rpc.channel;
	return r;
}

int vmport_answer(struct kvm_vm *vm, u64 id, const void *reply, u32 size)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_RPC,
		.u.rpc = {
			.id = id,
			.data = (unsigned long)reply,
			.size = size,
		},
	};

	return vmport_attr(vm, KVM_SET_VMPORT_ATTR, &attr);
}

/* The module parameter that opens the port to ring 3 in all VMs. */
bool vmport_backdoor_parameter(void)
{
	FILE *file = fopen("/sys/module/kvm/parameters/enable_vmware_backdoor", "r");
	int value;

	TEST_ASSERT(file, "No module parameter enable_vmware_backdoor");
	value = fgetc(file);
	fclose(file);
	return value == 'Y';
}

static u64 read_counter(int fd, const char *name)
{
	struct kvm_stats_header header;
	struct kvm_stats_desc *descs, *desc;
	bool found = false;
	u64 value = 0;
	u32 i;

	read_stats_header(fd, &header);
	descs = read_stats_descriptors(fd, &header);
	for (i = 0; i < header.num_desc; i++) {
		desc = get_stats_descriptor(descs, i, &header);
		if (strcmp(desc->name, name))
			continue;
		read_stat_data(fd, &header, desc, &value, 1);
		found = true;
	}
	TEST_ASSERT(found, "Nobody counts %s", name);
	free(descs);
	close(fd);
	return value;
}

/* What a vCPU or a VM has counted, by name, from its binary statistics. */
u64 vmport_counter(struct kvm_vcpu *vcpu, const char *name)
{
	return read_counter(vcpu_get_stats_fd(vcpu), name);
}

u64 vmport_vm_counter(struct kvm_vm *vm, const char *name)
{
	return read_counter(vm_get_stats_fd(vm), name);
}
