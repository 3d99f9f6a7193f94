// SPDX-License-Identifier: GPL-2.0-only
/*
 * State blobs of KVM's VMware guest interface: read, loaded, compared, made by hand.
 */
#include "vmport.h"

__thread u64 vmport_error_offset, vmport_error_mask;

int vmport_get_state(struct kvm_vm *vm, void *data, u64 *size)
{
	struct kvm_vmport_state state = {
		.error = 0x55555555,
		.size = *size,
		.data = (unsigned long)data,
	};
	int r = __vm_ioctl(vm, KVM_GET_VMPORT_STATE, &state);

	TEST_ASSERT(!r || r == -1, "ioctl() returned %d", r);
	vmport_error = state.error;
	*size = state.size;
	return r ? errno : 0;
}

int vmport_set_state(struct kvm_vm *vm, const void *data, u64 size)
{
	struct kvm_vmport_state state = {
		.error = 0x55555555,
		.size = size,
		.data = (unsigned long)data,
		.error_offset = 0x5555555555555555ull,
		.error_mask = 0x5555555555555555ull,
	};
	int r = __vm_ioctl(vm, KVM_SET_VMPORT_STATE, &state);

	TEST_ASSERT(!r || r == -1, "ioctl() returned %d", r);
	TEST_ASSERT_EQ(state.size, size);
	vmport_error = state.error;
	vmport_error_offset = state.error_offset;
	vmport_error_mask = state.error_mask;
	return r ? errno : 0;
}

void vmport_blob_free(struct vmport_blob *blob)
{
	free(blob->data);
	*blob = (struct vmport_blob) { };
}

bool vmport_blob_equal(const struct vmport_blob *a, const struct vmport_blob *b)
{
	return a->size == b->size && !memcmp(a->data, b->data, a->size);
}

struct vmport_blob vmport_blob_copy(const struct vmport_blob *from)
{
	struct vmport_blob blob = {
		.data = malloc(from->size),
		.size = from->size,
		.room = from->size,
	};

	TEST_ASSERT(blob.data, "No memory");
	memcpy(blob.data, from->data, from->size);
	return blob;
}

/* What the VM's state is; free with vmport_blob_free(). */
struct vmport_blob vmport_save(struct kvm_vm *vm)
{
	struct vmport_blob blob = { };
	u64 size = 0;
	int r;

	/* vCPUs may run: the size can have changed at the second call. */
	for (;;) {
		r = vmport_get_state(vm, blob.data, &size);
		if (r != E2BIG)
			break;
		TEST_ASSERT(size > blob.room, "%llu bytes do not fit %zu",
			    (unsigned long long)size, blob.room);
		blob.room = size;
		blob.data = realloc(blob.data, blob.room);
		TEST_ASSERT(blob.data, "No memory");
	}
	TEST_ASSERT(!r, "GET_VMPORT_STATE: errno %d, error %u", r, vmport_error);
	blob.size = size;
	return blob;
}

int vmport_load(struct kvm_vm *vm, const struct vmport_blob *blob)
{
	return vmport_set_state(vm, blob->data, blob->size);
}

static u32 vmport_crc32c(u32 crc, const void *data, size_t size)
{
	static u32 table[256];
	const u8 *p = data;
	u32 i, j, entry;

	if (!table[1]) {
		for (i = 0; i < 256; i++) {
			entry = i;
			for (j = 0; j < 8; j++)
				entry = entry >> 1 ^ (entry & 1 ? 0x82f63b78 : 0);
			table[i] = entry;
		}
	}
	while (size--)
		crc = crc >> 8 ^ table[(u8)crc ^ *p++];
	return crc;
}

struct kvm_vmport_blob_header *vmport_blob_header(const struct vmport_blob *blob)
{
	return (struct kvm_vmport_blob_header *)blob->data;
}

/* Make the checksum right. */
void vmport_blob_seal(struct vmport_blob *blob)
{
	struct kvm_vmport_blob_header *header = vmport_blob_header(blob);

	header->checksum = 0;
	header->checksum = ~vmport_crc32c(~0u, blob->data, blob->size);
}

/* Is @blob what the VM's state is?  It may promise less than the VM has. */
bool vmport_state_is(struct kvm_vm *vm, const struct vmport_blob *blob)
{
	struct vmport_blob now = vmport_save(vm), same = vmport_blob_copy(blob);
	bool equal = now.size == same.size;

	if (equal) {
		vmport_blob_header(&same)->features = vmport_blob_header(&now)->features;
		vmport_blob_seal(&same);
		equal = vmport_blob_equal(&now, &same);
	}
	vmport_blob_free(&now);
	vmport_blob_free(&same);
	return equal;
}

/*
 * SET @blob, in which @what at @where may be wrong: it must fail with nothing changed, or
 * succeed and be what GET says.  Returns 0 or the errno, with @old back in place.
 */
int vmport_load_or_refuse(struct kvm_vm *vm, const struct vmport_blob *blob,
			  const struct vmport_blob *old, const char *what, size_t where)
{
	int r = vmport_load(vm, blob);

	if (r) {
		TEST_ASSERT(r == EINVAL || r == E2BIG || r == EOPNOTSUPP ||
			    (r == EPERM && vmport_error == KVM_VMPORT_ERR_FEATURE),
			    "%s %zu: errno %d, error %u", what, where, r, vmport_error);
		TEST_ASSERT(vmport_error != KVM_VMPORT_ERR_NONE, "%s %zu: no error", what, where);
		TEST_ASSERT(vmport_error_offset <= blob->size, "%s %zu: error at %lu", what,
			    where, (unsigned long)vmport_error_offset);
		TEST_ASSERT(vmport_state_is(vm, old), "%s %zu: refused, but the state changed",
			    what, where);
		return r;
	}
	TEST_ASSERT_EQ(vmport_error, KVM_VMPORT_ERR_NONE);
	TEST_ASSERT(vmport_state_is(vm, blob), "%s %zu: taken, but GET says something else",
		    what, where);
	TEST_ASSERT_EQ(vmport_load(vm, old), 0);
	return 0;
}

/* A copy without the header and the order in which channels were used. */
static struct vmport_blob vmport_blob_but_order(const struct vmport_blob *from)
{
	struct vmport_blob blob = vmport_blob_copy(from);
	struct kvm_vmport_blob_section section;
	size_t pos = sizeof(struct kvm_vmport_blob_header), size;

	blob.size = 0;
	for (; pos < from->size; pos += size) {
		memcpy(&section, from->data + pos, sizeof(section));
		size = sizeof(section) + (section.size + 7) / 8 * 8;
		if (section.type == KVM_VMPORT_SECTION_ORDER)
			continue;
		memcpy(blob.data + blob.size, from->data + pos, size);
		blob.size += size;
	}
	return blob;
}

/*
 * The same but for that order: two that were used within a tick of the kernel's are
 * in that of their ids.
 */
bool vmport_state_is_but_order(struct kvm_vm *vm, const struct vmport_blob *blob)
{
	struct vmport_blob now = vmport_save(vm);
	struct vmport_blob a = vmport_blob_but_order(&now), b = vmport_blob_but_order(blob);
	bool same = a.size == b.size && !memcmp(a.data, b.data, a.size);

	vmport_blob_free(&now);
	vmport_blob_free(&a);
	vmport_blob_free(&b);
	return same;
}

/* Returns where the bytes are; @data NULL: zeroes. */
size_t vmport_blob_add(struct vmport_blob *blob, const void *data, size_t size)
{
	size_t pos = blob->size;

	if (blob->room - blob->size < size) {
		blob->room = (blob->size + size) * 2;
		blob->data = realloc(blob->data, blob->room);
		TEST_ASSERT(blob->data, "No memory");
	}
	if (data)
		memcpy(blob->data + pos, data, size);
	else
		memset(blob->data + pos, 0, size);
	blob->size += size;
	return pos;
}

static void vmport_blob_pad(struct vmport_blob *blob)
{
	vmport_blob_add(blob, NULL, -blob->size & 7);
}

void vmport_blob_begin(struct vmport_blob *blob)
{
	const struct kvm_vmport_blob_header header = {
		.magic = KVM_VMPORT_BLOB_MAGIC,
		.version = KVM_VMPORT_BLOB_VERSION,
		.header_size = sizeof(header),
		.features = vmport_promised,
	};

	*blob = (struct vmport_blob) { };
	vmport_blob_add(blob, &header, sizeof(header));
}

void vmport_blob_end(struct vmport_blob *blob)
{
	vmport_blob_header(blob)->size = blob->size;
	vmport_blob_seal(blob);
}

size_t vmport_blob_begin_section(struct vmport_blob *blob, u32 type, u32 flags)
{
	const struct kvm_vmport_blob_section section = { .type = type, .flags = flags };

	return vmport_blob_add(blob, &section, sizeof(section));
}

void vmport_blob_end_section(struct vmport_blob *blob, size_t pos)
{
	struct kvm_vmport_blob_section *section = (void *)(blob->data + pos);

	section->size = blob->size - pos - sizeof(*section);
	vmport_blob_pad(blob);
}

/* A channel's section; sizes of the data are those in @channel. */
size_t vmport_blob_add_channel(struct vmport_blob *blob,
			       const struct kvm_vmport_blob_channel *channel, const void *send,
			       const void *recv)
{
	size_t pos = vmport_blob_begin_section(blob, KVM_VMPORT_SECTION_CHANNEL,
					       KVM_VMPORT_SECTION_CRITICAL);

	vmport_blob_add(blob, channel, sizeof(*channel));
	vmport_blob_add(blob, send, channel->send_done);
	vmport_blob_add(blob, recv, channel->recv_size);
	vmport_blob_end_section(blob, pos);
	return pos;
}

size_t vmport_blob_begin_tclo(struct vmport_blob *blob, u64 next_id, u32 count)
{
	const struct kvm_vmport_blob_tclo tclo = { .next_id = next_id, .count = count };
	size_t pos = vmport_blob_begin_section(blob, KVM_VMPORT_SECTION_TCLO,
					       KVM_VMPORT_SECTION_CRITICAL);

	vmport_blob_add(blob, &tclo, sizeof(tclo));
	return pos;
}

size_t vmport_blob_add_request(struct vmport_blob *blob, u64 id, u16 kind, const void *data,
			       u32 size)
{
	const struct kvm_vmport_blob_request request = { .id = id, .size = size, .kind = kind };
	size_t pos = vmport_blob_add(blob, &request, sizeof(request));

	vmport_blob_add(blob, data, size);
	vmport_blob_pad(blob);
	return pos;
}

size_t vmport_blob_begin_guestinfo(struct vmport_blob *blob)
{
	return vmport_blob_begin_section(blob, KVM_VMPORT_SECTION_GUESTINFO,
					 KVM_VMPORT_SECTION_CRITICAL);
}

size_t vmport_blob_add_entry(struct vmport_blob *blob, const char *key, const void *value,
			     u32 value_size, u16 flags)
{
	const struct kvm_vmport_blob_guestinfo entry = {
		.value_size = value_size,
		.key_size = strlen(key),
		.flags = flags,
	};
	size_t pos = vmport_blob_add(blob, &entry, sizeof(entry));

	vmport_blob_add(blob, key, entry.key_size);
	vmport_blob_add(blob, value, value_size);
	vmport_blob_pad(blob);
	return pos;
}
