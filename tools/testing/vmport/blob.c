// SPDX-License-Identifier: GPL-2.0-only
#include <linux/crc32c.h>

#include "blob.h"

void blob_init(struct blob *blob)
{
	struct kvm_vmport_blob_header header = {
		.magic = cpu_to_le32(0x53504d56),
		.version = cpu_to_le16(1),
		.header_size = cpu_to_le16(32),
	};

	*blob = (struct blob){ };
	blob_bytes(blob, &header, sizeof(header));
}

void blob_free(struct blob *blob)
{
	free(blob->data);
	*blob = (struct blob){ };
}

void blob_bytes(struct blob *blob, const void *data, size_t size)
{
	blob->data = realloc(blob->data, blob->size + size + 1);
	CHECK(blob->data);
	memcpy(blob->data + blob->size, data, size);
	blob->size += size;
}

void blob_pad(struct blob *blob)
{
	while (blob->size % 8)
		blob_bytes(blob, "", 1);
}

void blob_begin(struct blob *blob, u32 type, u32 flags)
{
	struct kvm_vmport_blob_section section = {
		.type = cpu_to_le32(type),
		.flags = cpu_to_le32(flags),
	};

	blob->section = blob->size;
	blob_bytes(blob, &section, sizeof(section));
}

void blob_end(struct blob *blob)
{
	struct kvm_vmport_blob_section *section = (void *)(blob->data + blob->section);

	section->size = cpu_to_le64(blob->size - blob->section - sizeof(*section));
	blob_pad(blob);
}

void blob_channel(struct blob *blob, const struct kvm_vmport_blob_channel *packed,
		  const char *bytes)
{
	blob_begin(blob, KVM_VMPORT_SECTION_CHANNEL, KVM_VMPORT_SECTION_CRITICAL);
	blob_bytes(blob, packed, sizeof(*packed));
	blob_bytes(blob, bytes, strlen(bytes));
	blob_end(blob);
}

void blob_tclo(struct blob *blob, u64 next_id, u32 count)
{
	struct kvm_vmport_blob_tclo packed = {
		.next_id = cpu_to_le64(next_id),
		.count = cpu_to_le32(count),
	};

	blob_bytes(blob, &packed, sizeof(packed));
}

void blob_request(struct blob *blob, u64 id, u16 kind, const char *bytes)
{
	struct kvm_vmport_blob_request packed = {
		.id = cpu_to_le64(id),
		.size = cpu_to_le32(strlen(bytes)),
		.kind = cpu_to_le16(kind),
	};

	blob_bytes(blob, &packed, sizeof(packed));
	blob_bytes(blob, bytes, strlen(bytes));
	blob_pad(blob);
}

void blob_entry(struct blob *blob, const char *key, const char *value, u16 flags)
{
	struct kvm_vmport_blob_guestinfo packed = {
		.value_size = cpu_to_le32(strlen(value)),
		.key_size = cpu_to_le16(strlen(key)),
		.flags = cpu_to_le16(flags),
	};

	blob_bytes(blob, &packed, sizeof(packed));
	blob_bytes(blob, key, strlen(key));
	blob_bytes(blob, value, strlen(value));
	blob_pad(blob);
}

void blob_stealclock(struct blob *blob, u64 address, u32 vcpu_id, u32 reserved)
{
	struct kvm_vmport_blob_stealclock packed = {
		.address = cpu_to_le64(address),
		.vcpu_id = cpu_to_le32(vcpu_id),
		.reserved32 = cpu_to_le32(reserved),
	};

	blob_bytes(blob, &packed, sizeof(packed));
}

void blob_order(struct blob *blob, const struct use *order, u32 count)
{
	u32 i;

	blob_begin(blob, KVM_VMPORT_SECTION_ORDER, 0);
	for (i = 0; i < count; i++) {
		struct kvm_vmport_blob_order packed = {
			.id = order[i].id,
			.unused = order[i].messages,
		};

		blob_bytes(blob, &packed, sizeof(packed));
	}
	blob_end(blob);
}

void blob_checksum(void *data, size_t size)
{
	struct kvm_vmport_blob_header *header = data;

	header->checksum = 0;
	header->checksum = cpu_to_le32(~crc32c(~0u, data, size));
}

void blob_seal(struct blob *blob)
{
	((struct kvm_vmport_blob_header *)blob->data)->size = cpu_to_le64(blob->size);
	blob_checksum(blob->data, blob->size);
}

int blob_load(struct vm *vm, const void *data, size_t size, struct vmport_blob_error *why)
{
	void *copy = malloc(size);
	int r;

	CHECK(copy || !size);
	memcpy(copy, data, size);
	r = vm_unpack(vm, copy, size, why);
	free(copy);
	return r;
}

void check_refused(struct vm *vm, const void *data, size_t size, int r,
		   u32 error, u64 offset)
{
	const struct vmport_state *state = vm->state;
	struct vmport_blob_error why = { .error = -1, .offset = -1 };
	size_t before_size, after_size, live;
	u8 *before, *after;
	s64 changes;

	before = vm_pack(vm, &before_size);
	changes = atomic64_read(&vm->events.changes);
	live = shim_live_bytes();
	CHECK_EQ(blob_load(vm, data, size, &why), r);
	CHECK_EQ(why.error, error);
	CHECK_EQ(why.offset, offset);
	CHECK(vm->state == state);
	CHECK_EQ(shim_live_bytes(), live);
	CHECK_EQ(atomic64_read(&vm->events.changes), changes);
	after = vm_pack(vm, &after_size);
	CHECK_EQ(after_size, before_size);
	CHECK(!memcmp(before, after, after_size));
	free(before);
	free(after);
}

bool blob_may_change(const void *data, size_t size)
{
	size_t pos = sizeof(struct kvm_vmport_blob_header);

	while (pos + 16 <= size) {
		const struct kvm_vmport_blob_section *section = data + pos;
		const struct kvm_vmport_blob_channel *channel = (const void *)(section + 1);

		if (!(le32_to_cpu(section->flags) & KVM_VMPORT_SECTION_CRITICAL))
			return true;
		if (le32_to_cpu(section->type) == KVM_VMPORT_SECTION_CHANNEL &&
		    (le16_to_cpu(channel->flags) & KVM_VMPORT_CHANNEL_ASK) &&
		    le64_to_cpu(channel->request) > S64_MAX / 2)
			return true;
		pos += 16 + ALIGN(le64_to_cpu(section->size), 8);
	}
	return false;
}

void check_accepted(struct vm *vm, const void *data, size_t size)
{
	struct vmport_blob_error why;
	size_t again_size;
	u8 *again;
	int r;

	r = blob_load(vm, data, size, &why);
	if (r)
		FAIL("refused with %d, error %d at byte %llu", r, why.error, why.offset);
	CHECK_EQ(why.error, KVM_VMPORT_ERR_NONE);
	CHECK_EQ(why.offset, 0);
	again = vm_pack(vm, &again_size);
	CHECK_EQ(again_size, size);
	CHECK(!memcmp(data, again, size));
	free(again);
}

void check_blob(struct blob *blob, int r, u32 error, u64 offset)
{
	struct vm *vm = vm_new(SLEEPING);

	blob_seal(blob);
	if (r)
		check_refused(vm, blob->data, blob->size, r, error, offset);
	else
		check_accepted(vm, blob->data, blob->size);
	vm_free(vm);
}

void rich_state(struct vm *vm)
{
	struct chan sending, replying, giving, running, closed, lost;

	host_set_text(vm, "guestinfo.metadata", "id: 1");
	host_set_text(vm, "guestinfo.empty", "");
	CHECK_EQ(host_set(vm, "guestinfo.ro", "a\0\xff", 3, KVM_VMPORT_GUESTINFO_READONLY,
			  NULL), 0);
	host_set_text(vm, "machine.id", "7");

	sending = open_chan(vm, RPCI | COOKIE);
	replying = open_chan(vm, RPCI);
	giving = open_tools(vm);
	running = open_tools(vm);
	closed = open_chan(vm, RPCI);
	lost = open_tools(vm);
	open_chan(vm, TCLO);

	/* 1 LOST, 2 answered, 3 running, 4 being given, 5 and 6 in the queue. */
	host_request(vm, "one");
	CHECK_EQ(request(&lost, RECVSIZE, 0), DORECV);
	CHECK_EQ(request(&lost, CLOSE, 0), SUCCESS);
	host_request(vm, "two");
	CHECK_EQ(request(&running, RECVSIZE, 0), DORECV);
	CHECK_EQ(request(&running, RECVSTATUS, 1), SUCCESS);
	send_message(&running, "OK 2", 4);
	host_request(vm, "three");
	CHECK_EQ(request(&running, RECVSIZE, 0), DORECV);
	CHECK_EQ(request(&running, RECVSTATUS, 1), SUCCESS);
	send_part(&running, "OK three", 8, 4);
	host_request(vm, "number four");
	CHECK_EQ(request(&giving, RECVSIZE, 0), DORECV);
	CHECK_EQ(request(&giving, RECVPAYLOAD, 1), SUCCESS);
	host_request(vm, "five");
	host_request(vm, "sixth");

	send_part(&sending, "info-set guestinfo.b value", 26, 20);
	send_message(&replying, "machine.id.get", 14);
	CHECK_EQ(request(&replying, CLOSE, 0), SUCCESS);
	replying = open_chan(vm, RPCI);
	send_message(&replying, "info-get guestinfo.metadata", 27);
	CHECK_EQ(request(&replying, RECVPAYLOAD, 1), SUCCESS);
	CHECK_EQ(request(&closed, CLOSE, 0), SUCCESS);
}
