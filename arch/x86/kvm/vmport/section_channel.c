// SPDX-License-Identifier: GPL-2.0-only
/* The sections CHANNEL, ORDER and MARKS of a blob. */
#include <linux/kernel.h>
#include <linux/nospec.h>
#include <linux/sort.h>

#include "channels.h"
#include "count.h"
#include "packer.h"
#include "rpci.h"
#include "section.h"
#include "unpacker.h"

/* KVM_VMPORT_CHANNEL_* of what goes on in an open channel. */
static u16 vmport_channel_activity_flags(const struct vmport_channel *channel)
{
	u16 flags = 0;

	if (vmport_channel_is_sending(channel))
		flags |= KVM_VMPORT_CHANNEL_SEND;
	if (vmport_channel_is_waiting(channel))
		flags |= KVM_VMPORT_CHANNEL_RECV;
	if (vmport_channel_is_running(channel))
		flags |= KVM_VMPORT_CHANNEL_RUN;
	if (channel->activity == VMPORT_ASKING)
		flags |= KVM_VMPORT_CHANNEL_ASK;
	return flags;
}

static void vmport_pack_channel(struct vmport_packer *p, const struct vmport_section *section,
				const struct vmport_channel *channel, u16 id)
{
	struct kvm_vmport_blob_channel packed = {
		.id = cpu_to_le16(id),
		.protocol = cpu_to_le32(channel->protocol),
		.cookie_high = cpu_to_le32(channel->cookie_high),
		.cookie_low = cpu_to_le32(channel->cookie_low),
	};
	struct vmport_place place = vmport_pack_begin(p);
	u16 flags = vmport_channel_activity_flags(channel);
	u32 send = 0, recv = 0;

	if (channel->has_cookie)
		flags |= KVM_VMPORT_CHANNEL_COOKIE;
	if (flags & KVM_VMPORT_CHANNEL_SEND) {
		send = channel->send_done;
		packed.send_size = cpu_to_le32(channel->send_size);
		packed.send_done = cpu_to_le32(channel->send_done);
		if (channel->send_is_privileged && channel->protocol == VMPORT_PROTOCOL_RPCI)
			flags |= KVM_VMPORT_CHANNEL_PRIVILEGED;
	}
	if (flags & KVM_VMPORT_CHANNEL_RECV) {
		recv = vmport_channel_recv_size(channel);
		packed.recv_size = cpu_to_le32(recv);
		if (channel->reply.is_privileged)
			flags |= KVM_VMPORT_CHANNEL_PRIVILEGED;
		packed.recv_done = cpu_to_le32(channel->recv_done);
	}
	if (channel->request)
		packed.request = cpu_to_le64(channel->request->id);
	if (flags & KVM_VMPORT_CHANNEL_ASK) {
		send = channel->send_size;
		packed.send_size = cpu_to_le32(send);
		packed.send_done = cpu_to_le32(send);
		packed.request = cpu_to_le64(channel->saved_ask_id);
	}
	packed.flags = cpu_to_le16(flags);

	vmport_pack_bytes(p, &packed, sizeof(packed));
	vmport_pack_bytes(p, channel->send, send);
	vmport_pack_bytes(p, vmport_channel_recv_data(channel), recv);
	vmport_pack_end(p, &place, section);
}

int vmport_pack_channels(struct vmport_packer *p, const struct vmport_section *section,
			 struct vmport_state *state)
{
	struct vmport_channel *channel;
	u16 id;

	for (id = 0; id < KVM_VMPORT_MAX_CHANNELS; id++) {
		channel = vmport_channel_open(state, id);
		if (!channel)
			continue;
		vmport_pack_channel(p, section, channel, id);
		p->uses[p->channels++] = (struct vmport_use) { .used = channel->used, .id = id };
	}
	return 0;
}

static int vmport_compare_uses(const void *a, const void *b)
{
	const struct vmport_use *x = a, *y = b;

	if (x->used != y->used)
		return x->used < y->used ? -1 : 1;
	return (int)x->id - (int)y->id;
}

/* Only where it is not that of the ids. */
int vmport_pack_order(struct vmport_packer *p, const struct vmport_section *section,
		      struct vmport_state *state)
{
	struct kvm_vmport_blob_order packed = { };
	struct vmport_place place;
	bool ascends = true;
	u32 i;

	sort(p->uses, p->channels, sizeof(*p->uses), vmport_compare_uses, NULL);
	for (i = 1; i < p->channels; i++)
		ascends &= p->uses[i - 1].id < p->uses[i].id;
	if (ascends)
		return 0;

	place = vmport_pack_begin(p);
	for (i = 0; i < p->channels; i++) {
		packed.id = p->uses[i].id;
		vmport_pack_bytes(p, &packed, sizeof(packed));
	}
	vmport_pack_end(p, &place, section);
	return 0;
}

/* What a channel's own section has no place for. */
static u8 vmport_channel_marks(const struct vmport_channel *channel)
{
	u8 marks = 0;

	if (channel->is_cancelled)
		marks |= KVM_VMPORT_MARK_CANCELLED;
	if (channel->activity == VMPORT_ASKING && channel->send_is_privileged)
		marks |= KVM_VMPORT_MARK_PRIVILEGED;
	return marks;
}

int vmport_pack_marks(struct vmport_packer *p, const struct vmport_section *section,
		      struct vmport_state *state)
{
	struct kvm_vmport_blob_mark packed = { };
	struct vmport_place place = { };
	struct vmport_channel *channel;
	bool any = false;
	u16 id;

	for (id = 0; id < KVM_VMPORT_MAX_CHANNELS; id++) {
		channel = vmport_channel_open(state, id);
		packed.id = id;
		packed.marks = channel ? vmport_channel_marks(channel) : 0;
		if (!packed.marks)
			continue;
		if (!any)
			place = vmport_pack_begin(p);
		any = true;
		vmport_pack_bytes(p, &packed, sizeof(packed));
	}
	if (any)
		vmport_pack_end(p, &place, section);
	return 0;
}

static bool vmport_ask_id_in_use(const struct vmport_state *state, u64 id)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(state->channels); i++) {
		if (state->channels[i] && state->channels[i]->activity == VMPORT_ASKING &&
		    state->channels[i]->saved_ask_id == id)
			return true;
	}
	return false;
}

/* The message from the guest: none, a part, or with ASK the whole. */
static int vmport_check_channel_send(struct vmport_unpacker *u, size_t pos,
				     const struct kvm_vmport_blob_channel *packed)
{
	u32 size = le32_to_cpu(packed->send_size), sent = le32_to_cpu(packed->send_done);
	u16 flags = le16_to_cpu(packed->flags);

	if (size > KVM_VMPORT_MAX_MESSAGE)
		return vmport_too_big(u, VMPORT_FIELD_POS(pos, packed, send_size),
			       KVM_VMPORT_ERR_MESSAGE_SIZE);

	if (flags & KVM_VMPORT_CHANNEL_ASK) {
		if (sent != size)
			return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, send_done),
					 KVM_VMPORT_ERR_POSITION);
	} else if (flags & KVM_VMPORT_CHANNEL_SEND) {
		/* A whole message would have been run. */
		if (sent >= size)
			return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, send_done),
					 KVM_VMPORT_ERR_POSITION);
	} else if (size) {
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, send_size),
					KVM_VMPORT_ERR_FLAGS);
	} else if (sent) {
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, send_done),
					KVM_VMPORT_ERR_FLAGS);
	}
	return 0;
}

/* The message to the guest. */
static int vmport_check_channel_recv(struct vmport_unpacker *u, size_t pos,
				     const struct kvm_vmport_blob_channel *packed)
{
	u32 size = le32_to_cpu(packed->recv_size), received = le32_to_cpu(packed->recv_done);
	u16 flags = le16_to_cpu(packed->flags);

	if (size > KVM_VMPORT_MAX_REPLY)
		return vmport_too_big(u, VMPORT_FIELD_POS(pos, packed, recv_size),
				      KVM_VMPORT_ERR_REPLY_SIZE);

	if (flags & KVM_VMPORT_CHANNEL_RECV) {
		if (received > size)
			return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, recv_done),
					 KVM_VMPORT_ERR_POSITION);
	} else if (size) {
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, recv_size),
					KVM_VMPORT_ERR_FLAGS);
	} else if (received) {
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, recv_done),
					KVM_VMPORT_ERR_FLAGS);
	}
	return 0;
}

/* A request of the VMM, given to the guest or run by it, or a message that asks. */
static int vmport_check_channel_id(struct vmport_unpacker *u, size_t pos,
				   const struct kvm_vmport_blob_channel *packed)
{
	u32 recv_size = le32_to_cpu(packed->recv_size);
	u16 flags = le16_to_cpu(packed->flags);
	u64 id = le64_to_cpu(packed->request);

	if (flags & KVM_VMPORT_CHANNEL_ASK) {
		if (!vmport_has_feature(u->config, KVM_VMPORT_FEATURE_EXIT_RPC))
			return vmport_lacks(u, VMPORT_FIELD_POS(pos, packed, flags),
				     KVM_VMPORT_FEATURE_EXIT_RPC);
		if (!id || id > S64_MAX)
			return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, request),
					 KVM_VMPORT_ERR_REQUEST);
		if (vmport_ask_id_in_use(u->state, id))
			return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, request),
					 KVM_VMPORT_ERR_ORDER);
		return 0;
	}

	if (!id)
		return 0;
	if (le32_to_cpu(packed->protocol) != VMPORT_PROTOCOL_TCLO ||
	    !(flags & (KVM_VMPORT_CHANNEL_RECV | KVM_VMPORT_CHANNEL_RUN)))
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, request),
					KVM_VMPORT_ERR_REQUEST);
	if ((flags & KVM_VMPORT_CHANNEL_RECV) && !recv_size)
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, recv_size),
					KVM_VMPORT_ERR_REQUEST);
	if (recv_size > KVM_VMPORT_MAX_TCLO_REQUEST)
		return vmport_too_big(u, VMPORT_FIELD_POS(pos, packed, recv_size),
				      KVM_VMPORT_ERR_TCLO_SIZE);
	return 0;
}

/* What goes on in a channel with these flags; VMPORT_CLOSED when there is no such thing. */
static enum vmport_activity vmport_channel_flags_activity(u16 flags, bool tclo)
{
	switch (flags & ~KVM_VMPORT_CHANNEL_COOKIE) {
	case 0:
		return VMPORT_IDLE;
	case KVM_VMPORT_CHANNEL_SEND:
		return VMPORT_SENDING;
	case KVM_VMPORT_CHANNEL_SEND | KVM_VMPORT_CHANNEL_PRIVILEGED:
		return tclo ? VMPORT_CLOSED : VMPORT_SENDING;
	case KVM_VMPORT_CHANNEL_RECV:
		return VMPORT_WAITING;
	case KVM_VMPORT_CHANNEL_RECV | KVM_VMPORT_CHANNEL_PRIVILEGED:
		return tclo ? VMPORT_CLOSED : VMPORT_WAITING;
	case KVM_VMPORT_CHANNEL_RECV | KVM_VMPORT_CHANNEL_SEND:
		return tclo ? VMPORT_WAITING_SENDING : VMPORT_CLOSED;
	case KVM_VMPORT_CHANNEL_RUN:
		return tclo ? VMPORT_RUNNING : VMPORT_CLOSED;
	case KVM_VMPORT_CHANNEL_RUN | KVM_VMPORT_CHANNEL_SEND:
		return tclo ? VMPORT_RUNNING_SENDING : VMPORT_CLOSED;
	case KVM_VMPORT_CHANNEL_ASK:
		return tclo ? VMPORT_CLOSED : VMPORT_ASKING;
	default:
		return VMPORT_CLOSED;
	}
}

/* Does the record contradict itself?  @pos is where it stands. */
static int vmport_check_channel(struct vmport_unpacker *u, size_t pos,
				const struct kvm_vmport_blob_channel *packed)
{
	u32 protocol = le32_to_cpu(packed->protocol);
	u16 flags = le16_to_cpu(packed->flags);
	bool tclo = protocol == VMPORT_PROTOCOL_TCLO;
	int r;

	if (le16_to_cpu(packed->id) >= KVM_VMPORT_MAX_CHANNELS)
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, id),
					KVM_VMPORT_ERR_CHANNEL_ID);
	if (protocol != VMPORT_PROTOCOL_RPCI && !tclo)
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, protocol),
					KVM_VMPORT_ERR_PROTOCOL);
	if (vmport_channel_flags_activity(flags, tclo) == VMPORT_CLOSED)
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, flags),
					KVM_VMPORT_ERR_FLAGS);
	if (!(flags & KVM_VMPORT_CHANNEL_COOKIE)) {
		if (packed->cookie_high)
			return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, cookie_high),
					 KVM_VMPORT_ERR_FLAGS);
		if (packed->cookie_low)
			return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, cookie_low),
					 KVM_VMPORT_ERR_FLAGS);
	}

	r = vmport_check_channel_send(u, pos, packed);
	if (!r)
		r = vmport_check_channel_recv(u, pos, packed);
	if (!r)
		r = vmport_check_channel_id(u, pos, packed);
	return r;
}

/* What waits for the guest: a request of the VMM, or a reply. */
static int vmport_fill_channel_recv(struct vmport_unpacker *u, size_t pos,
				    struct vmport_channel *channel,
				    const struct kvm_vmport_blob_channel *packed)
{
	u32 size = le32_to_cpu(packed->recv_size);
	u64 id = le64_to_cpu(packed->request);
	u8 *reply;

	if (channel->activity == VMPORT_ASKING) {
		channel->saved_ask_id = id;
		vmport_rpci_default(channel->send, channel->send_size, &channel->reply);
		return 0;
	}

	if (!id) {
		reply = vmport_reply_alloc(&channel->reply, size);
		if (!reply)
			return -ENOMEM;
		if (le16_to_cpu(packed->flags) & KVM_VMPORT_CHANNEL_PRIVILEGED) {
			channel->reply.is_privileged = true;
			u->state->guestinfo.has_privileged = true;
		}
		return vmport_unpack_bytes(u, pos, reply, size);
	}

	if (vmport_unpacked_request(u, id))
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, packed, request),
					KVM_VMPORT_ERR_ORDER);
	if (u->state->tclo.taken == KVM_VMPORT_MAX_TCLO)
		return vmport_too_big(u, VMPORT_FIELD_POS(pos, packed, request),
				      KVM_VMPORT_ERR_TCLO_COUNT);

	channel->request = vmport_request_alloc(id, size);
	if (!channel->request)
		return -ENOMEM;

	u->state->tclo.taken++;
	if (id > u->last_taken) {
		u->last_taken = id;
		u->last_taken_pos = VMPORT_FIELD_POS(pos, packed, request);
	}
	return vmport_unpack_bytes(u, pos, channel->request->data, size);
}

static int vmport_fill_channel(struct vmport_unpacker *u, size_t pos,
			       struct vmport_channel *channel,
			       const struct kvm_vmport_blob_channel *packed)
{
	u16 flags = le16_to_cpu(packed->flags);
	int r;

	channel->has_cookie = flags & KVM_VMPORT_CHANNEL_COOKIE;
	channel->protocol = le32_to_cpu(packed->protocol);
	channel->activity =
		vmport_channel_flags_activity(flags, channel->protocol == VMPORT_PROTOCOL_TCLO);
	vmport_gauge_add(u->state->events, VMPORT_GAUGE_CHANNELS, 1);
	channel->used = u->now;
	channel->cookie_high = le32_to_cpu(packed->cookie_high);
	channel->cookie_low = le32_to_cpu(packed->cookie_low);
	channel->send_size = le32_to_cpu(packed->send_size);
	channel->send_done = le32_to_cpu(packed->send_done);
	channel->recv_done = le32_to_cpu(packed->recv_done);

	if (vmport_channel_is_sending(channel) || channel->activity == VMPORT_ASKING) {
		/* Never no buffer at all: an empty message has an address too. */
		if (vmport_channel_make_room(channel, channel->send_size ?: 1))
			return -ENOMEM;
		r = vmport_unpack_bytes(u, pos, channel->send, channel->send_done);
		if (r)
			return r;
		channel->send_is_privileged = flags & KVM_VMPORT_CHANNEL_PRIVILEGED;
	}
	r = vmport_fill_channel_recv(u, pos, channel, packed);
	if (!r)
		channel->name = *vmport_channel_default_name(channel);
	return r;
}

int vmport_unpack_channel(struct vmport_unpacker *u, u64 size)
{
	struct kvm_vmport_blob_channel packed;
	struct vmport_channel *channel;
	size_t pos = u->pos;
	u16 id, i;
	int r;

	r = vmport_unpack_record(u, &packed, sizeof(packed));
	if (!r)
		r = vmport_check_channel(u, pos, &packed);
	if (r)
		return r;
	if (size != sizeof(packed) + le32_to_cpu(packed.send_done) +
		    le32_to_cpu(packed.recv_size))
		return vmport_malformed(u, pos, KVM_VMPORT_ERR_SECTION);

	id = array_index_nospec(le16_to_cpu(packed.id), KVM_VMPORT_MAX_CHANNELS);
	for (i = id; i < KVM_VMPORT_MAX_CHANNELS; i++) {
		if (u->state->channels[i])
			return vmport_malformed(u, VMPORT_FIELD_POS(pos, &packed, id),
						KVM_VMPORT_ERR_ORDER);
	}
	channel = vmport_channel_alloc();
	if (!channel)
		return -ENOMEM;
	u->state->channels[id] = channel;
	return vmport_fill_channel(u, pos, channel, &packed);
}

/* Channels that it does not name were used before all others. */
int vmport_unpack_order(struct vmport_unpacker *u, u64 size)
{
	struct kvm_vmport_blob_order packed;
	struct vmport_channel *channel;
	u8 id;
	u32 i;
	int r;

	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS && u->pos < u->end; i++) {
		r = vmport_unpack_record(u, &packed, sizeof(packed));
		if (r)
			return r;

		if (packed.id >= KVM_VMPORT_MAX_CHANNELS)
			continue;
		id = array_index_nospec(packed.id, KVM_VMPORT_MAX_CHANNELS);
		channel = u->state->channels[id];
		if (channel)
			channel->used = u->now + i;
	}
	return 0;
}

/* A request that waits or runs, of which the VMM does not hear, and that is not "reset". */
static void vmport_mark_cancelled(struct vmport_channel *channel)
{
	if (channel->protocol != VMPORT_PROTOCOL_TCLO || channel->request ||
	    (!vmport_channel_is_waiting(channel) && !vmport_channel_is_running(channel)))
		return;

	channel->is_cancelled = true;
	/* Who has been given a request has a name, if a reader without NAMES left it out. */
	if (!channel->name.size)
		channel->name = vmport_toolbox;
}

/* What makes no sense in a channel is left out. */
int vmport_unpack_marks(struct vmport_unpacker *u, u64 size)
{
	struct kvm_vmport_blob_mark packed;
	struct vmport_channel *channel;
	u8 id;
	int r;

	while (u->pos < u->end) {
		r = vmport_unpack_record(u, &packed, sizeof(packed));
		if (r)
			return r;

		if (packed.id >= KVM_VMPORT_MAX_CHANNELS)
			continue;
		id = array_index_nospec(packed.id, KVM_VMPORT_MAX_CHANNELS);
		channel = u->state->channels[id];
		if (!channel)
			continue;
		if (packed.marks & KVM_VMPORT_MARK_CANCELLED)
			vmport_mark_cancelled(channel);
		if ((packed.marks & KVM_VMPORT_MARK_PRIVILEGED) &&
		    channel->activity == VMPORT_ASKING)
			channel->send_is_privileged = true;
	}
	return 0;
}
