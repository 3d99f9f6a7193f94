// SPDX-License-Identifier: GPL-2.0-only
/* The sections TCLO and NAMES of a blob. */
#include <linux/kernel.h>
#include <linux/mutex.h>
#include <linux/nospec.h>

#include "channels.h"
#include "packer.h"
#include "section.h"
#include "tclo.h"
#include "unpacker.h"

static void vmport_pack_request(struct vmport_packer *p, const struct vmport_request *request,
				u16 kind)
{
	struct kvm_vmport_blob_request packed = {
		.id = cpu_to_le64(request->id),
		.size = cpu_to_le32(request->size),
		.kind = cpu_to_le16(kind),
	};

	vmport_pack_bytes(p, &packed, sizeof(packed));
	vmport_pack_bytes(p, request->data, request->size);
	vmport_pack_padding(p);
}

int vmport_pack_tclo(struct vmport_packer *p, const struct vmport_section *section,
		     struct vmport_state *state)
{
	struct vmport_tclo *tclo = &state->tclo;
	struct kvm_vmport_blob_tclo packed = { };
	struct vmport_place place;
	unsigned int i;

	mutex_lock(&tclo->lock);
	/* A VM whose VMM has never queued a request has nothing to tell. */
	if (tclo->next_id == 1)
		goto out;

	place = vmport_pack_begin(p);
	packed.next_id = cpu_to_le64(tclo->next_id);
	packed.count = cpu_to_le32(tclo->unread + tclo->queued);
	vmport_pack_bytes(p, &packed, sizeof(packed));
	for (i = 0; i < tclo->unread; i++)
		vmport_pack_request(p, tclo->results[i],
				    tclo->results[i]->status == KVM_VMPORT_TCLO_LOST ?
				    KVM_VMPORT_REQUEST_LOST : KVM_VMPORT_REQUEST_ANSWERED);
	for (i = 0; i < tclo->queued; i++)
		vmport_pack_request(p, tclo->queue[i], KVM_VMPORT_REQUEST_QUEUED);
	vmport_pack_end(p, &place, section);
out:
	mutex_unlock(&tclo->lock);
	return 0;
}

/* A section of names, which begins with the first. */
struct names {
	struct vmport_place place;
	bool any;
};

static void vmport_pack_name(struct vmport_packer *p, struct names *names, u64 id, u16 kind,
			     const struct vmport_name *name)
{
	struct kvm_vmport_blob_name packed = {
		.id = cpu_to_le64(id),
		.kind = cpu_to_le16(kind),
		.size = cpu_to_le16(name->size),
	};

	if (!names->any)
		names->place = vmport_pack_begin(p);
	names->any = true;
	vmport_pack_bytes(p, &packed, sizeof(packed));
	vmport_pack_bytes(p, name->text, name->size);
	vmport_pack_padding(p);
}

/* Whom a request is for, or a result was. */
static void vmport_pack_request_name(struct vmport_packer *p, struct names *names,
				     const struct vmport_request *request)
{
	if (!vmport_name_is(&request->name, &vmport_toolbox))
		vmport_pack_name(p, names, request->id, KVM_VMPORT_NAME_REQUEST, &request->name);
}

int vmport_pack_names(struct vmport_packer *p, const struct vmport_section *section,
		      struct vmport_state *state)
{
	struct vmport_tclo *tclo = &state->tclo;
	struct vmport_channel *channel;
	struct names names = { };
	u16 id;
	u32 i;

	for (id = 0; id < KVM_VMPORT_MAX_CHANNELS; id++) {
		channel = vmport_channel_open(state, id);
		if (!channel)
			continue;
		if (!vmport_name_is(&channel->name, vmport_channel_default_name(channel)))
			vmport_pack_name(p, &names, id, KVM_VMPORT_NAME_CHANNEL, &channel->name);
		if (channel->request)
			vmport_pack_request_name(p, &names, channel->request);
	}
	mutex_lock(&tclo->lock);
	for (i = 0; i < tclo->unread; i++)
		vmport_pack_request_name(p, &names, tclo->results[i]);
	for (i = 0; i < tclo->queued; i++)
		vmport_pack_request_name(p, &names, tclo->queue[i]);
	mutex_unlock(&tclo->lock);
	if (names.any)
		vmport_pack_end(p, &names.place, section);
	return 0;
}

static int vmport_check_request(struct vmport_unpacker *u, size_t pos,
				const struct kvm_vmport_blob_request *packed)
{
	const struct vmport_tclo *tclo = &u->state->tclo;
	u32 size = le32_to_cpu(packed->size);
	u64 id = le64_to_cpu(packed->id);

	if (packed->reserved16)
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, reserved16),
					KVM_VMPORT_ERR_RESERVED);
	if (!id || id >= tclo->next_id)
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, id),
					KVM_VMPORT_ERR_REQUEST);
	if (vmport_unpacked_request(u, id))
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, id), KVM_VMPORT_ERR_ORDER);
	if (tclo->queued + tclo->unread + tclo->taken == KVM_VMPORT_MAX_TCLO)
		return vmport_too_big(u, pos, KVM_VMPORT_ERR_TCLO_COUNT);

	switch (le16_to_cpu(packed->kind)) {
	case KVM_VMPORT_REQUEST_ANSWERED:
		if (size > KVM_VMPORT_MAX_MESSAGE)
			return vmport_too_big(u, VMPORT_FIELD_POS(pos, packed, size),
				       KVM_VMPORT_ERR_MESSAGE_SIZE);
		break;
	case KVM_VMPORT_REQUEST_LOST:
		if (size)
			return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, size),
						KVM_VMPORT_ERR_FLAGS);
		break;
	case KVM_VMPORT_REQUEST_QUEUED:
		if (size > KVM_VMPORT_MAX_TCLO_REQUEST)
			return vmport_too_big(u, VMPORT_FIELD_POS(pos, packed, size),
				       KVM_VMPORT_ERR_TCLO_SIZE);
		if (!size)
			return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, size),
					 KVM_VMPORT_ERR_REQUEST);
		if (tclo->queued && id < tclo->queue[tclo->queued - 1]->id)
			return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, id),
						KVM_VMPORT_ERR_ORDER);
		return 0;
	default:
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, kind),
					KVM_VMPORT_ERR_FLAGS);
	}

	/* A result behind a request that still waits. */
	if (tclo->queued)
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, kind),
					KVM_VMPORT_ERR_ORDER);
	return 0;
}

static int vmport_unpack_request(struct vmport_unpacker *u)
{
	struct vmport_tclo *tclo = &u->state->tclo;
	struct kvm_vmport_blob_request packed;
	struct vmport_request *request;
	size_t pos = u->pos;
	int r;

	r = vmport_unpack_record(u, &packed, sizeof(packed));
	if (!r)
		r = vmport_check_request(u, pos, &packed);
	if (r)
		return r;

	request = vmport_request_alloc(le64_to_cpu(packed.id), le32_to_cpu(packed.size));
	if (!request)
		return -ENOMEM;
	r = vmport_unpack_bytes(u, pos, request->data, request->size);
	if (r) {
		vmport_request_free(request);
		return r;
	}

	if (le16_to_cpu(packed.kind) == KVM_VMPORT_REQUEST_QUEUED) {
		tclo->queue[tclo->queued++] = request;
	} else {
		request->status = le16_to_cpu(packed.kind) == KVM_VMPORT_REQUEST_LOST ?
				  KVM_VMPORT_TCLO_LOST : KVM_VMPORT_TCLO_ANSWERED;
		tclo->results[tclo->unread++] = request;
	}
	return vmport_unpack_padding(u);
}

int vmport_unpack_tclo(struct vmport_unpacker *u, u64 size)
{
	struct kvm_vmport_blob_tclo packed;
	size_t pos = u->pos;
	u32 i;
	int r;

	r = vmport_unpack_record(u, &packed, sizeof(packed));
	if (r)
		return r;
	if (packed.reserved32)
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, &packed, reserved32),
					KVM_VMPORT_ERR_RESERVED);

	/* Without a request ever queued the section would not be there. */
	u->state->tclo.next_id = le64_to_cpu(packed.next_id);
	if (u->state->tclo.next_id <= 1 || u->state->tclo.next_id - 1 > VMPORT_MAX_REQUEST_ID)
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, &packed, next_id),
					KVM_VMPORT_ERR_REQUEST);

	for (i = 0; i < le32_to_cpu(packed.count); i++) {
		r = vmport_unpack_request(u);
		if (r)
			return r;
	}
	return 0;
}

/* Where a name belongs; NULL: nowhere. */
static struct vmport_name *vmport_find_name(struct vmport_unpacker *u, u16 kind, u64 id)
{
	struct vmport_request *request;
	struct vmport_channel *channel;

	if (kind == KVM_VMPORT_NAME_REQUEST) {
		request = vmport_unpacked_request(u, id);
		return request ? &request->name : NULL;
	}
	if (kind != KVM_VMPORT_NAME_CHANNEL || id >= KVM_VMPORT_MAX_CHANNELS)
		return NULL;

	channel = u->state->channels[array_index_nospec(id, KVM_VMPORT_MAX_CHANNELS)];
	return channel && channel->protocol == VMPORT_PROTOCOL_TCLO ? &channel->name : NULL;
}

int vmport_unpack_names(struct vmport_unpacker *u, u64 size)
{
	struct kvm_vmport_blob_name packed;
	u8 text[KVM_VMPORT_MAX_NAME];
	struct vmport_name *name;
	u16 kind, length;
	size_t pos;
	int r;

	while (u->pos < u->end) {
		pos = u->pos;
		r = vmport_unpack_record(u, &packed, sizeof(packed));
		if (r)
			return r;
		kind = le16_to_cpu(packed.kind);
		length = le16_to_cpu(packed.size);
		if (length > sizeof(text))
			return vmport_malformed(u, VMPORT_FIELD_POS(pos, &packed, size),
						KVM_VMPORT_ERR_NAME);
		r = vmport_unpack_bytes(u, pos, text, length);
		if (!r)
			r = vmport_unpack_padding(u);
		if (r)
			return r;

		/* Only a channel can have none. */
		if (!vmport_name_ok(text, length) && (length || kind != KVM_VMPORT_NAME_CHANNEL))
			continue;
		name = vmport_find_name(u, kind, le64_to_cpu(packed.id));
		if (name)
			vmport_name_set(name, text, length);
	}
	return 0;
}
