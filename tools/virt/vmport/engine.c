// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's code for state blobs, run here: what it says of a blob is what
 * KVM_SET_VMPORT_STATE says.
 */
#include <stdarg.h>
#include <stdlib.h>

#include <linux/crc32c.h>

#include "channels.h"
#include "pack.h"
#include "section.h"
#include "tool.h"

/* What it is made of can come from a file or from QEMU: one line, nothing for terminals. */
int fail_with(struct fail *fail, int status, const char *fmt, ...)
{
	va_list args;
	char *c;

	fail->status = status;
	va_start(args, fmt);
	vsnprintf(fail->text, sizeof(fail->text), fmt, args);
	va_end(args);
	for (c = fail->text; *c; c++) {
		if ((u8)*c < 0x20 || (u8)*c >= 0x7f)
			*c = '?';
	}
	return -1;
}

static struct vmport_events events;

struct memory {
	struct vmport_source source;
	const u8 *next;
	size_t left;
};

static int read_memory(struct vmport_source *source, void *to, size_t size)
{
	struct memory *memory = container_of(source, struct memory, source);

	/* As the kernel's copy_from_user() would. */
	if (size > memory->left)
		return -EFAULT;
	memcpy(to, memory->next, size);
	memory->next += size;
	memory->left -= size;
	return 0;
}

/*
 * What the ioctl checks before it unpacks is checked here too, as set_state() of
 * arch/x86/kvm/vmport/vm.c does.  NULL when the blob is refused.
 */
struct vmport_state *engine_load(const struct vmport_config *config, const struct blob *blob,
				 struct verdict *verdict)
{
	struct memory memory = {
		.source.read = read_memory,
		.next = blob->data,
		.left = blob->size,
	};
	struct vmport_state *state;

	*verdict = (struct verdict){ };
	if (blob->size < sizeof(struct kvm_vmport_blob_header)) {
		verdict->r = -EINVAL;
		verdict->why.error = KVM_VMPORT_ERR_LENGTH;
		return NULL;
	}
	if (blob->size > KVM_VMPORT_MAX_STATE) {
		verdict->r = -E2BIG;
		verdict->why.error = KVM_VMPORT_ERR_STATE_SIZE;
		return NULL;
	}

	state = vmport_state_unpack(config, &events, &memory.source, blob->size, &verdict->why);
	if (IS_ERR(state)) {
		verdict->r = PTR_ERR(state);
		return NULL;
	}
	return state;
}

struct collector {
	struct vmport_sink sink;
	u8 *next;
};

static int collect(struct vmport_sink *sink, const void *data, size_t size)
{
	struct collector *collector = container_of(sink, struct collector, sink);

	if (size)
		memcpy(collector->next, data, size);
	collector->next += size;
	return 0;
}

/* The blob that KVM_GET_VMPORT_STATE would give; 0 or a negative errno. */
int engine_pack(struct vmport_state *state, u64 features, struct blob *blob)
{
	const struct vmport_blob_form form = {
		.max = KVM_VMPORT_MAX_STATE,
		.features = features,
		.sections = vmport_section_types(),
	};
	struct collector collector = { .sink.write = collect };
	struct vmport_packed packed;
	int r;

	r = vmport_state_pack(state, &form, &packed);
	if (r)
		return r;

	*blob = (struct blob){ .data = malloc(packed.size), .size = packed.size };
	if (blob->data) {
		collector.next = blob->data;
		vmport_packed_write(&packed, &collector.sink);
	}
	vmport_packed_free(&packed);
	return blob->data ? 0 : -ENOMEM;
}

u32 blob_crc(const void *data, size_t size)
{
	const struct kvm_vmport_blob_header none = { };
	const size_t from = offsetof(struct kvm_vmport_blob_header, checksum);
	const size_t to = offsetofend(struct kvm_vmport_blob_header, checksum);
	u32 crc = crc32c(~0, data, from);

	crc = crc32c(crc, &none.checksum, sizeof(none.checksum));
	return ~crc32c(crc, (const u8 *)data + to, size - to);
}

/* What the guest was promised, by a blob that has a header. */
u64 blob_features(const struct blob *blob)
{
	struct kvm_vmport_blob_header header;

	memcpy(&header, blob->data, sizeof(header));
	return le64_to_cpu(header.features);
}

/* Length and checksum of a blob that has a header. */
void seal_blob(struct blob *blob)
{
	struct kvm_vmport_blob_header header;

	memcpy(&header, blob->data, sizeof(header));
	header.size = cpu_to_le64(blob->size);
	memcpy(blob->data, &header, sizeof(header));
	header.checksum = cpu_to_le32(blob_crc(blob->data, blob->size));
	memcpy(blob->data, &header, sizeof(header));
}

/* Does this kernel's code have it? */
bool is_known_section(u32 type)
{
	return type < 64 && (vmport_section_types() >> type & 1);
}

bool next_section(struct section_walk *walk)
{
	struct kvm_vmport_blob_section section;
	const struct blob *blob = walk->blob;

	walk->pos = walk->pos ?: sizeof(struct kvm_vmport_blob_header);
	if (walk->pos >= blob->size || blob->size - walk->pos < sizeof(section))
		return false;
	memcpy(&section, blob->data + walk->pos, sizeof(section));
	walk->at = walk->pos;
	walk->type = le32_to_cpu(section.type);
	walk->flags = le32_to_cpu(section.flags);
	walk->size = le64_to_cpu(section.size);
	walk->pos += sizeof(section);
	if (walk->size > blob->size - walk->pos)
		return false;
	walk->pos = ALIGN(walk->pos + walk->size, VMPORT_BLOB_ALIGN);
	return true;
}

u8 channel_order(struct vmport_state *state, u8 ids[KVM_VMPORT_MAX_CHANNELS], bool *ascends)
{
	u8 count = 0, i, id;

	*ascends = true;
	/* Few enough to put each in its place; those of the same time by their ids. */
	for (id = 0; id < KVM_VMPORT_MAX_CHANNELS; id++) {
		if (!vmport_channel_open(state, id))
			continue;
		for (i = count++; i && state->channels[ids[i - 1]]->used >
				  state->channels[id]->used; i--) {
			ids[i] = ids[i - 1];
			*ascends = false;
		}
		ids[i] = id;
	}
	return count;
}
