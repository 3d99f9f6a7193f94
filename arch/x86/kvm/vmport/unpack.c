// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making a state from a blob, for KVM_SET_VMPORT_STATE.  The format is described
 * in include/uapi/linux/kvm_vmport.h.  Each byte is read once, into the place
 * where it is to be: what was checked cannot change, and what is wrong with the
 * rest is found before anybody uses it.
 */
#include <linux/align.h>
#include <linux/crc32c.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "state.h"

/* @pos never passes @end, nor @end the blob's size. */
struct vmport_unpacker {
	const struct vmport_config *config;
	struct vmport_state *state;
	struct vmport_source *source;
	size_t pos;
	size_t end;
	u32 crc;			/* of what was read */
	u64 now;			/* as of struct vmport_channel.used */
	u64 last_taken;			/* largest request id in a channel */
	size_t last_taken_pos;
	struct vmport_blob_error *why;
};

static int refuse_at(struct vmport_unpacker *u, size_t offset, int r, u32 error)
{
	*u->why = (struct vmport_blob_error) { .error = error, .offset = offset };
	return r;
}

static int malformed(struct vmport_unpacker *u, size_t offset, u32 error)
{
	return refuse_at(u, offset, -EINVAL, error);
}

static int too_big(struct vmport_unpacker *u, size_t offset, u32 error)
{
	return refuse_at(u, offset, -E2BIG, error);
}

/* The VM does not have these features. */
static int lacks(struct vmport_unpacker *u, size_t offset, u64 features)
{
	int r = refuse_at(u, offset, -EPERM, KVM_VMPORT_ERR_FEATURE);

	u->why->features = features;
	return r;
}

static int read_bytes(struct vmport_unpacker *u, void *to, size_t size)
{
	int r = u->source->read(u->source, to, size);

	if (r)
		return r;

	u->crc = crc32c(u->crc, to, size);
	u->pos += size;
	return 0;
}

/* The next @size bytes, of what stands at @pos. */
static int unpack_bytes(struct vmport_unpacker *u, size_t pos, void *to, u64 size)
{
	if (size > u->end - u->pos)
		return malformed(u, pos, KVM_VMPORT_ERR_SECTION);
	return read_bytes(u, to, size);
}

/* A record that begins here. */
static int unpack_record(struct vmport_unpacker *u, void *record, size_t size)
{
	return unpack_bytes(u, u->pos, record, size);
}

/* What nobody wants to know, but for the checksum. */
static int skip_bytes(struct vmport_unpacker *u, size_t size)
{
	u8 bytes[256];
	int r = 0;

	for (; size && !r; size -= min(size, sizeof(bytes)))
		r = read_bytes(u, bytes, min(size, sizeof(bytes)));
	return r;
}

static int unpack_padding(struct vmport_unpacker *u)
{
	size_t pos = u->pos, size = ALIGN(pos, VMPORT_BLOB_ALIGN) - pos;
	u8 padding[VMPORT_BLOB_ALIGN];
	int r;

	r = unpack_bytes(u, pos, padding, size);
	if (!r && memchr_inv(padding, 0, size))
		r = malformed(u, pos, KVM_VMPORT_ERR_RESERVED);
	return r;
}

static bool ask_id_in_use(const struct vmport_state *state, u64 id)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(state->channels); i++) {
		if (state->channels[i] && state->channels[i]->activity == VMPORT_ASKING &&
		    state->channels[i]->ask_id == id)
			return true;
	}
	return false;
}

/* The request or result with this number; NULL when there is none yet. */
static struct vmport_request *find_request(const struct vmport_state *state, u64 id)
{
	const struct vmport_tclo *tclo = &state->tclo;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(state->channels); i++) {
		if (state->channels[i] && state->channels[i]->request &&
		    state->channels[i]->request->id == id)
			return state->channels[i]->request;
	}
	for (i = 0; i < tclo->unread; i++) {
		if (tclo->results[i]->id == id)
			return tclo->results[i];
	}
	for (i = 0; i < tclo->queued; i++) {
		if (tclo->queue[i]->id == id)
			return tclo->queue[i];
	}
	return NULL;
}

#define FIELD_POS(_pos, _record, _field)	((_pos) + offsetof(typeof(*(_record)), _field))

/* The message from the guest: none, a part, or with ASK the whole. */
static int check_send(struct vmport_unpacker *u, size_t pos,
		      const struct kvm_vmport_blob_channel *packed)
{
	u32 size = le32_to_cpu(packed->send_size), sent = le32_to_cpu(packed->send_done);
	u16 flags = le16_to_cpu(packed->flags);

	if (size > KVM_VMPORT_MAX_MESSAGE)
		return too_big(u, FIELD_POS(pos, packed, send_size),
			       KVM_VMPORT_ERR_MESSAGE_SIZE);

	if (flags & KVM_VMPORT_CHANNEL_ASK) {
		if (sent != size)
			return malformed(u, FIELD_POS(pos, packed, send_done),
					 KVM_VMPORT_ERR_POSITION);
	} else if (flags & KVM_VMPORT_CHANNEL_SEND) {
		/* A whole message would have been run. */
		if (sent >= size)
			return malformed(u, FIELD_POS(pos, packed, send_done),
					 KVM_VMPORT_ERR_POSITION);
	} else if (size) {
		return malformed(u, FIELD_POS(pos, packed, send_size), KVM_VMPORT_ERR_FLAGS);
	} else if (sent) {
		return malformed(u, FIELD_POS(pos, packed, send_done), KVM_VMPORT_ERR_FLAGS);
	}
	return 0;
}

/* The message to the guest. */
static int check_recv(struct vmport_unpacker *u, size_t pos,
		      const struct kvm_vmport_blob_channel *packed)
{
	u32 size = le32_to_cpu(packed->recv_size), received = le32_to_cpu(packed->recv_done);
	u16 flags = le16_to_cpu(packed->flags);

	if (size > KVM_VMPORT_MAX_REPLY)
		return too_big(u, FIELD_POS(pos, packed, recv_size), KVM_VMPORT_ERR_REPLY_SIZE);

	if (flags & KVM_VMPORT_CHANNEL_RECV) {
		if (received > size)
			return malformed(u, FIELD_POS(pos, packed, recv_done),
					 KVM_VMPORT_ERR_POSITION);
	} else if (size) {
		return malformed(u, FIELD_POS(pos, packed, recv_size), KVM_VMPORT_ERR_FLAGS);
	} else if (received) {
		return malformed(u, FIELD_POS(pos, packed, recv_done), KVM_VMPORT_ERR_FLAGS);
	}
	return 0;
}

/* A request of the VMM, given to the guest or run by it, or a message that asks. */
static int check_id(struct vmport_unpacker *u, size_t pos,
		    const struct kvm_vmport_blob_channel *packed)
{
	u32 recv_size = le32_to_cpu(packed->recv_size);
	u16 flags = le16_to_cpu(packed->flags);
	u64 id = le64_to_cpu(packed->request);

	if (flags & KVM_VMPORT_CHANNEL_ASK) {
		if (!vmport_has_feature(u->config, KVM_VMPORT_FEATURE_EXIT_RPC))
			return lacks(u, FIELD_POS(pos, packed, flags),
				     KVM_VMPORT_FEATURE_EXIT_RPC);
		if (!id || id > S64_MAX)
			return malformed(u, FIELD_POS(pos, packed, request),
					 KVM_VMPORT_ERR_REQUEST);
		if (ask_id_in_use(u->state, id))
			return malformed(u, FIELD_POS(pos, packed, request),
					 KVM_VMPORT_ERR_ORDER);
		return 0;
	}

	if (!id)
		return 0;
	if (le32_to_cpu(packed->protocol) != VMPORT_PROTOCOL_TCLO ||
	    !(flags & (KVM_VMPORT_CHANNEL_RECV | KVM_VMPORT_CHANNEL_RUN)))
		return malformed(u, FIELD_POS(pos, packed, request), KVM_VMPORT_ERR_REQUEST);
	if ((flags & KVM_VMPORT_CHANNEL_RECV) && !recv_size)
		return malformed(u, FIELD_POS(pos, packed, recv_size), KVM_VMPORT_ERR_REQUEST);
	if (recv_size > KVM_VMPORT_MAX_TCLO_REQUEST)
		return too_big(u, FIELD_POS(pos, packed, recv_size), KVM_VMPORT_ERR_TCLO_SIZE);
	return 0;
}

/* What goes on in a channel with these flags; VMPORT_CLOSED when there is no such thing. */
static enum vmport_activity flags_activity(u16 flags, bool tclo)
{
	switch (flags & ~KVM_VMPORT_CHANNEL_COOKIE) {
	case 0:
		return VMPORT_IDLE;
	case KVM_VMPORT_CHANNEL_SEND:
		return VMPORT_SENDING;
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
static int check_channel(struct vmport_unpacker *u, size_t pos,
			 const struct kvm_vmport_blob_channel *packed)
{
	u32 protocol = le32_to_cpu(packed->protocol);
	u16 flags = le16_to_cpu(packed->flags);
	bool tclo = protocol == VMPORT_PROTOCOL_TCLO;
	int r;

	if (le16_to_cpu(packed->id) >= KVM_VMPORT_MAX_CHANNELS)
		return malformed(u, FIELD_POS(pos, packed, id), KVM_VMPORT_ERR_CHANNEL_ID);
	if (protocol != VMPORT_PROTOCOL_RPCI && !tclo)
		return malformed(u, FIELD_POS(pos, packed, protocol), KVM_VMPORT_ERR_PROTOCOL);
	if (flags_activity(flags, tclo) == VMPORT_CLOSED)
		return malformed(u, FIELD_POS(pos, packed, flags), KVM_VMPORT_ERR_FLAGS);
	if (!(flags & KVM_VMPORT_CHANNEL_COOKIE)) {
		if (packed->cookie_high)
			return malformed(u, FIELD_POS(pos, packed, cookie_high),
					 KVM_VMPORT_ERR_FLAGS);
		if (packed->cookie_low)
			return malformed(u, FIELD_POS(pos, packed, cookie_low),
					 KVM_VMPORT_ERR_FLAGS);
	}

	r = check_send(u, pos, packed);
	if (!r)
		r = check_recv(u, pos, packed);
	if (!r)
		r = check_id(u, pos, packed);
	return r;
}

/* What waits for the guest: a request of the VMM, or a reply. */
static int fill_recv(struct vmport_unpacker *u, size_t pos, struct vmport_channel *channel,
		     const struct kvm_vmport_blob_channel *packed)
{
	u32 size = le32_to_cpu(packed->recv_size);
	u64 id = le64_to_cpu(packed->request);
	u8 *reply;

	if (channel->activity == VMPORT_ASKING) {
		channel->ask_id = id;
		u->state->last_ask = max(u->state->last_ask, id);
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
		return unpack_bytes(u, pos, reply, size);
	}

	if (find_request(u->state, id))
		return malformed(u, FIELD_POS(pos, packed, request), KVM_VMPORT_ERR_ORDER);
	if (u->state->tclo.taken == KVM_VMPORT_MAX_TCLO)
		return too_big(u, FIELD_POS(pos, packed, request), KVM_VMPORT_ERR_TCLO_COUNT);

	channel->request = vmport_request_alloc(id, size);
	if (!channel->request)
		return -ENOMEM;

	u->state->tclo.taken++;
	if (id > u->last_taken) {
		u->last_taken = id;
		u->last_taken_pos = FIELD_POS(pos, packed, request);
	}
	return unpack_bytes(u, pos, channel->request->data, size);
}

static int fill_channel(struct vmport_unpacker *u, size_t pos, struct vmport_channel *channel,
			const struct kvm_vmport_blob_channel *packed)
{
	u16 flags = le16_to_cpu(packed->flags);
	int r;

	channel->has_cookie = flags & KVM_VMPORT_CHANNEL_COOKIE;
	channel->protocol = le32_to_cpu(packed->protocol);
	channel->activity = flags_activity(flags, channel->protocol == VMPORT_PROTOCOL_TCLO);
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
		r = unpack_bytes(u, pos, channel->send, channel->send_done);
		if (r)
			return r;
	}
	r = fill_recv(u, pos, channel, packed);
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

	r = unpack_record(u, &packed, sizeof(packed));
	if (!r)
		r = check_channel(u, pos, &packed);
	if (r)
		return r;
	if (size != sizeof(packed) + le32_to_cpu(packed.send_done) +
		    le32_to_cpu(packed.recv_size))
		return malformed(u, pos, KVM_VMPORT_ERR_SECTION);

	id = array_index_nospec(le16_to_cpu(packed.id), KVM_VMPORT_MAX_CHANNELS);
	for (i = id; i < KVM_VMPORT_MAX_CHANNELS; i++) {
		if (u->state->channels[i])
			return malformed(u, FIELD_POS(pos, &packed, id), KVM_VMPORT_ERR_ORDER);
	}
	channel = vmport_channel_alloc();
	if (!channel)
		return -ENOMEM;
	u->state->channels[id] = channel;
	return fill_channel(u, pos, channel, &packed);
}

static int check_request(struct vmport_unpacker *u, size_t pos,
			 const struct kvm_vmport_blob_request *packed)
{
	const struct vmport_tclo *tclo = &u->state->tclo;
	u32 size = le32_to_cpu(packed->size);
	u64 id = le64_to_cpu(packed->id);

	if (packed->reserved16)
		return malformed(u, FIELD_POS(pos, packed, reserved16), KVM_VMPORT_ERR_RESERVED);
	if (!id || id >= tclo->next_id)
		return malformed(u, FIELD_POS(pos, packed, id), KVM_VMPORT_ERR_REQUEST);
	if (find_request(u->state, id))
		return malformed(u, FIELD_POS(pos, packed, id), KVM_VMPORT_ERR_ORDER);
	if (tclo->queued + tclo->unread + tclo->taken == KVM_VMPORT_MAX_TCLO)
		return too_big(u, pos, KVM_VMPORT_ERR_TCLO_COUNT);

	switch (le16_to_cpu(packed->kind)) {
	case KVM_VMPORT_REQUEST_ANSWERED:
		if (size > KVM_VMPORT_MAX_MESSAGE)
			return too_big(u, FIELD_POS(pos, packed, size),
				       KVM_VMPORT_ERR_MESSAGE_SIZE);
		break;
	case KVM_VMPORT_REQUEST_LOST:
		if (size)
			return malformed(u, FIELD_POS(pos, packed, size), KVM_VMPORT_ERR_FLAGS);
		break;
	case KVM_VMPORT_REQUEST_QUEUED:
		if (size > KVM_VMPORT_MAX_TCLO_REQUEST)
			return too_big(u, FIELD_POS(pos, packed, size),
				       KVM_VMPORT_ERR_TCLO_SIZE);
		if (!size)
			return malformed(u, FIELD_POS(pos, packed, size),
					 KVM_VMPORT_ERR_REQUEST);
		if (tclo->queued && id < tclo->queue[tclo->queued - 1]->id)
			return malformed(u, FIELD_POS(pos, packed, id), KVM_VMPORT_ERR_ORDER);
		return 0;
	default:
		return malformed(u, FIELD_POS(pos, packed, kind), KVM_VMPORT_ERR_FLAGS);
	}

	/* A result behind a request that still waits. */
	if (tclo->queued)
		return malformed(u, FIELD_POS(pos, packed, kind), KVM_VMPORT_ERR_ORDER);
	return 0;
}

static int unpack_request(struct vmport_unpacker *u)
{
	struct vmport_tclo *tclo = &u->state->tclo;
	struct kvm_vmport_blob_request packed;
	struct vmport_request *request;
	size_t pos = u->pos;
	int r;

	r = unpack_record(u, &packed, sizeof(packed));
	if (!r)
		r = check_request(u, pos, &packed);
	if (r)
		return r;

	request = vmport_request_alloc(le64_to_cpu(packed.id), le32_to_cpu(packed.size));
	if (!request)
		return -ENOMEM;
	r = unpack_bytes(u, pos, request->data, request->size);
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
	return unpack_padding(u);
}

int vmport_unpack_tclo(struct vmport_unpacker *u, u64 size)
{
	struct kvm_vmport_blob_tclo packed;
	size_t pos = u->pos;
	u32 i;
	int r;

	r = unpack_record(u, &packed, sizeof(packed));
	if (r)
		return r;
	if (packed.reserved32)
		return malformed(u, FIELD_POS(pos, &packed, reserved32), KVM_VMPORT_ERR_RESERVED);

	/* Without a request ever queued the section would not be there. */
	u->state->tclo.next_id = le64_to_cpu(packed.next_id);
	if (u->state->tclo.next_id <= 1 ||
	    u->state->tclo.next_id - 1 > VMPORT_MAX_REQUEST_ID)
		return malformed(u, FIELD_POS(pos, &packed, next_id), KVM_VMPORT_ERR_REQUEST);

	for (i = 0; i < le32_to_cpu(packed.count); i++) {
		r = unpack_request(u);
		if (r)
			return r;
	}
	return 0;
}

static bool is_after(const struct vmport_entry *entry, const struct vmport_entry *last)
{
	int r = memcmp(last->data, entry->data, min(entry->key_size, last->key_size));

	return r < 0 || (!r && last->key_size < entry->key_size);
}

/* What has to be so before there is memory for it; the store checks the rest. */
static int check_entry(struct vmport_unpacker *u, size_t pos,
		       const struct kvm_vmport_blob_guestinfo *packed)
{
	u32 key_size = le16_to_cpu(packed->key_size);
	u32 value_size = le32_to_cpu(packed->value_size);

	if (!vmport_guestinfo_flags_ok(le16_to_cpu(packed->flags)))
		return malformed(u, FIELD_POS(pos, packed, flags), KVM_VMPORT_ERR_FLAGS);
	if ((u64)key_size + value_size > u->end - u->pos)
		return malformed(u, pos, KVM_VMPORT_ERR_SECTION);
	if (key_size > KVM_VMPORT_MAX_KEY)
		return too_big(u, pos, KVM_VMPORT_ERR_KEY_SIZE);
	if (value_size > KVM_VMPORT_MAX_VALUE)
		return too_big(u, pos, KVM_VMPORT_ERR_VALUE_SIZE);
	return 0;
}

/* One entry, whose key is after that of @last; which one it was is in @last then. */
static int unpack_entry(struct vmport_unpacker *u, const struct vmport_entry **last)
{
	struct kvm_vmport_blob_guestinfo packed;
	struct vmport_guestinfo_change change = { };
	struct vmport_entry *entry;
	size_t pos = u->pos;
	int r;

	r = unpack_record(u, &packed, sizeof(packed));
	if (!r)
		r = check_entry(u, pos, &packed);
	if (r)
		return r;

	entry = vmport_entry_alloc(le16_to_cpu(packed.key_size), le32_to_cpu(packed.value_size));
	if (!entry)
		return -ENOMEM;
	r = unpack_bytes(u, pos, entry->data, entry->key_size + entry->value_size);
	if (!r && *last && !is_after(entry, *last))
		r = malformed(u, pos + sizeof(packed), KVM_VMPORT_ERR_ORDER);
	if (r) {
		vmport_guestinfo_put(entry);
		return r;
	}

	/* Whatever comes of it, the entry is the store's from here on. */
	change.entry = entry;
	change.key = entry->data;
	change.key_size = entry->key_size;
	change.value_size = entry->value_size;
	change.flags = le16_to_cpu(packed.flags);
	*last = entry;
	/* Limits of a VM stop what is new. */
	r = vmport_guestinfo_set(&u->state->guestinfo, &vmport_max_limits, &change);
	if (r && r != -ENOMEM)
		return refuse_at(u, pos, r, change.error);
	return r ?: unpack_padding(u);
}

int vmport_unpack_guestinfo(struct vmport_unpacker *u, u64 size)
{
	const struct vmport_entry *last = NULL;
	int r;

	do {
		r = unpack_entry(u, &last);
	} while (!r && u->pos < u->end);

	return r;
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
		r = unpack_record(u, &packed, sizeof(packed));
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

/* Where a name belongs; NULL: nowhere. */
static struct vmport_name *find_name(struct vmport_unpacker *u, u16 kind, u64 id)
{
	struct vmport_request *request;
	struct vmport_channel *channel;

	if (kind == KVM_VMPORT_NAME_REQUEST) {
		request = find_request(u->state, id);
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
		r = unpack_record(u, &packed, sizeof(packed));
		if (r)
			return r;
		kind = le16_to_cpu(packed.kind);
		length = le16_to_cpu(packed.size);
		if (length > sizeof(text))
			return malformed(u, FIELD_POS(pos, &packed, size), KVM_VMPORT_ERR_NAME);
		r = unpack_bytes(u, pos, text, length);
		if (!r)
			r = unpack_padding(u);
		if (r)
			return r;

		/* Only a channel can have none. */
		if (!vmport_name_ok(text, length) && (length || kind != KVM_VMPORT_NAME_CHANNEL))
			continue;
		name = find_name(u, kind, le64_to_cpu(packed.id));
		if (name)
			vmport_name_set(name, text, length);
	}
	return 0;
}

static int check_stealclock(struct vmport_unpacker *u, size_t pos,
			    const struct kvm_vmport_blob_stealclock *packed, u32 next_id)
{
	u32 id = le32_to_cpu(packed->vcpu_id);

	if (packed->reserved32)
		return malformed(u, FIELD_POS(pos, packed, reserved32), KVM_VMPORT_ERR_RESERVED);
	if (id >= KVM_VMPORT_MAX_VCPU_ID)
		return malformed(u, FIELD_POS(pos, packed, vcpu_id), KVM_VMPORT_ERR_VCPU_ID);
	if (id < next_id)
		return malformed(u, FIELD_POS(pos, packed, vcpu_id), KVM_VMPORT_ERR_ORDER);
	if (!IS_ALIGNED(le64_to_cpu(packed->address), VMPORT_STEAL_SIZE))
		return malformed(u, FIELD_POS(pos, packed, address), KVM_VMPORT_ERR_ADDRESS);
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
		r = unpack_record(u, &packed, sizeof(packed));
		if (!r)
			r = check_stealclock(u, pos, &packed, next_id);
		if (r)
			return r;

		next_id = le32_to_cpu(packed.vcpu_id) + 1;
		/* What its thread has waited here was not the guest's time. */
		r = vmport_steal_set(&u->state->steals, next_id - 1,
				     le64_to_cpu(packed.address), U64_MAX);
	} while (!r && u->pos < u->end);

	return r;
}

static const struct vmport_section *find_section(u32 type)
{
	unsigned int i;

	for (i = 0; i < VMPORT_SECTIONS; i++) {
		if (vmport_sections[i].type == type)
			return &vmport_sections[i];
	}
	return NULL;
}

/*
 * One section of a known type whose header stands at @pos; its payload is next.  What
 * is wrong in a section that nobody has to know does not make the blob unloadable: the
 * rest of it is left out.
 */
static int unpack_payload(struct vmport_unpacker *u, size_t pos,
			  const struct vmport_section *section, u32 flags, u64 size)
{
	u32 critical = section->is_critical ? KVM_VMPORT_SECTION_CRITICAL : 0;
	int r;

	if (flags != critical)
		return malformed(u, pos, KVM_VMPORT_ERR_FLAGS);
	if (!vmport_has_feature(u->config, section->feature))
		return critical ? lacks(u, pos, section->feature) : skip_bytes(u, size);

	r = section->unpack(u, size);
	if (!critical && (!r || u->why->error)) {
		*u->why = (struct vmport_blob_error){ };
		return skip_bytes(u, u->end - u->pos);
	}
	if (!r && u->pos != u->end)
		r = malformed(u, u->pos, KVM_VMPORT_ERR_SECTION);
	return r;
}

static int unpack_section(struct vmport_unpacker *u, u32 *last_type)
{
	struct kvm_vmport_blob_section section;
	const struct vmport_section *known;
	size_t end = u->end, pos = u->pos;
	u32 type, flags;
	u64 size;
	int r;

	r = unpack_record(u, &section, sizeof(section));
	if (r)
		return r;

	type = le32_to_cpu(section.type);
	flags = le32_to_cpu(section.flags);
	size = le64_to_cpu(section.size);
	if (flags & ~KVM_VMPORT_SECTION_CRITICAL)
		return malformed(u, FIELD_POS(pos, &section, flags), KVM_VMPORT_ERR_FLAGS);
	if (size > end - u->pos)
		return malformed(u, FIELD_POS(pos, &section, size), KVM_VMPORT_ERR_SECTION);
	known = find_section(type);
	if (type < *last_type ||
	    (type == *last_type && known && known->is_critical && !known->is_many))
		return malformed(u, pos, KVM_VMPORT_ERR_ORDER);
	*last_type = type;

	u->end = u->pos + size;
	if (known)
		r = unpack_payload(u, pos, known, flags, size);
	else if (flags & KVM_VMPORT_SECTION_CRITICAL)
		r = refuse_at(u, pos, -EOPNOTSUPP, KVM_VMPORT_ERR_CRITICAL);
	else
		r = skip_bytes(u, size);
	if (r)
		return r;
	u->end = end;
	return unpack_padding(u);
}

/* What has to be so for the checksum to be where it is looked for, and that. */
static int unpack_header(struct vmport_unpacker *u, struct kvm_vmport_blob_header *header)
{
	const struct kvm_vmport_blob_header without = { };
	size_t size = u->end;
	u16 version;
	int r;

	if (size < sizeof(*header))
		return malformed(u, 0, KVM_VMPORT_ERR_LENGTH);
	r = u->source->read(u->source, header, sizeof(*header));
	if (r)
		return r;
	if (le32_to_cpu(header->magic) != KVM_VMPORT_BLOB_MAGIC)
		return malformed(u, 0, KVM_VMPORT_ERR_MAGIC);

	version = le16_to_cpu(header->version);
	if (version != KVM_VMPORT_BLOB_VERSION)
		return refuse_at(u, FIELD_POS(0, header, version),
				 version ? -EOPNOTSUPP : -EINVAL, KVM_VMPORT_ERR_VERSION);
	if (le16_to_cpu(header->header_size) != sizeof(*header))
		return malformed(u, FIELD_POS(0, header, header_size), KVM_VMPORT_ERR_LENGTH);
	if (le64_to_cpu(header->size) != size)
		return malformed(u, FIELD_POS(0, header, size), KVM_VMPORT_ERR_LENGTH);

	u->pos = sizeof(*header);
	u->crc = crc32c(~0, header, offsetof(typeof(*header), checksum));
	u->crc = crc32c(u->crc, &without.checksum, sizeof(without.checksum));
	u->crc = crc32c(u->crc, (u8 *)header + offsetofend(typeof(*header), checksum),
			sizeof(*header) - offsetofend(typeof(*header), checksum));
	return 0;
}

static int unpack_sections(struct vmport_unpacker *u, const struct kvm_vmport_blob_header *header)
{
	u32 last_type = 0;
	u64 missing;
	int r = 0;

	if (header->reserved32)
		return malformed(u, FIELD_POS(0, header, reserved32), KVM_VMPORT_ERR_RESERVED);
	/* First of all: what the guest was promised, the VM must have. */
	missing = le64_to_cpu(header->features) & ~u->config->features;
	if (missing)
		return lacks(u, FIELD_POS(0, header, features), missing);

	while (!r && u->pos < u->end)
		r = unpack_section(u, &last_type);
	if (r)
		return r;

	/* No channel can hold a request that was never queued. */
	if (u->last_taken >= u->state->tclo.next_id)
		return malformed(u, u->last_taken_pos, KVM_VMPORT_ERR_REQUEST);
	return 0;
}

static int unpack_blob(struct vmport_unpacker *u)
{
	struct kvm_vmport_blob_header header;
	size_t size = u->end;
	int r, skipped;

	r = unpack_header(u, &header);
	if (r)
		return r;

	r = unpack_sections(u, &header);
	if (r && !u->why->error)
		return r;

	/* In a blob that was damaged on its way any error may be found first. */
	skipped = skip_bytes(u, size - u->pos);
	if (skipped) {
		*u->why = (struct vmport_blob_error){ };
		return skipped;
	}
	if (le32_to_cpu(header.checksum) != (u32)~u->crc)
		return malformed(u, FIELD_POS(0, &header, checksum), KVM_VMPORT_ERR_CHECKSUM);
	return r;
}

/**
 * vmport_state_unpack() - make a state from a blob
 * @config: features that the blob must keep to; its limits are for what is new
 * @events: of the VM
 * @source: of the blob
 * @size: bytes of the blob
 * @why: out: on an error, what was wrong and where
 *
 * A wrong checksum is reported rather than what is wrong behind the header.
 *
 * Context: as @source's, may sleep; no lock of a state that is in use.
 * Return: a state that nobody else knows yet, or ERR_PTR(): -EINVAL malformed,
 * -EOPNOTSUPP newer format or unknown critical section, -E2BIG past a limit of all VMs,
 * -EPERM needs a feature that is not enabled, -ENOMEM, @source's error.
 */
struct vmport_state *vmport_state_unpack(const struct vmport_config *config,
					 struct vmport_events *events,
					 struct vmport_source *source, size_t size,
					 struct vmport_blob_error *why)
{
	struct vmport_unpacker u = {
		.config = config,
		.source = source,
		.end = size,
		.now = vmport_now(),
		.why = why,
	};
	int r;

	*why = (struct vmport_blob_error){ };

	u.state = vmport_state_alloc(events);
	if (!u.state)
		return ERR_PTR(-ENOMEM);

	r = unpack_blob(&u);
	if (r) {
		vmport_state_free(u.state);
		return ERR_PTR(r);
	}
	return u.state;
}
