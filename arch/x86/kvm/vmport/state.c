// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state of a VM's channels and guestinfo, and its packed form: the blob
 * that KVM_GET_VMPORT_STATE and KVM_SET_VMPORT_STATE move.  The format is
 * described in include/uapi/linux/kvm_vmport.h.
 */
#include <linux/align.h>
#include <linux/crc32c.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "state.h"

/* Records stand at multiples of this, so that they can be read in place. */
#define BLOB_ALIGN	8

/**
 * vmport_state_alloc() - the state of a VM that has just started
 * @events: of the VM; stays for longer than the state
 *
 * Context: may sleep.
 * Return: the state, NULL when there is no memory.
 */
struct vmport_state *vmport_state_alloc(struct vmport_events *events)
{
	struct vmport_state *state = kzalloc(sizeof(*state), VMPORT_GFP);

	if (state) {
		mutex_init(&state->open_lock);
		vmport_guestinfo_init(&state->guestinfo, events);
		vmport_tclo_init(&state->tclo, events);
		state->events = events;
	}
	return state;
}

/**
 * vmport_state_free() - free a state and all that it holds
 * @state: nobody else uses it any more; may be NULL
 *
 * Context: may sleep.
 */
void vmport_state_free(struct vmport_state *state)
{
	unsigned int i;

	if (!state)
		return;

	for (i = 0; i < ARRAY_SIZE(state->channels); i++) {
		if (state->channels[i])
			vmport_channel_free(state->channels[i]);
	}
	vmport_guestinfo_destroy(&state->guestinfo);
	vmport_tclo_destroy(&state->tclo);
	mutex_destroy(&state->open_lock);
	kfree(state);
}

static u32 blob_checksum(const void *blob, size_t size)
{
	const size_t start = offsetof(struct kvm_vmport_blob_header, checksum);
	const size_t end = offsetofend(struct kvm_vmport_blob_header, checksum);
	const __le32 zero = 0;
	u32 crc = ~0;

	crc = crc32c(crc, blob, start);
	crc = crc32c(crc, &zero, sizeof(zero));
	crc = crc32c(crc, blob + end, size - end);
	return ~crc;
}

/* Pack.  Past the buffer's end nothing is written, but all is counted. */
struct packer {
	u8 *blob;
	size_t size;
	size_t pos;
};

static void pack_bytes(struct packer *p, const void *data, size_t size)
{
	if (size && p->pos < p->size && size <= p->size - p->pos)
		memcpy(p->blob + p->pos, data, size);
	p->pos += size;
}

static void pack_padding(struct packer *p)
{
	static const u8 zeroes[BLOB_ALIGN];

	pack_bytes(p, zeroes, ALIGN(p->pos, BLOB_ALIGN) - p->pos);
}

/* KVM_VMPORT_SECTION_* that is known here. */
static u32 section_flags(u32 type)
{
	return type == KVM_VMPORT_SECTION_ORDER ? 0 : KVM_VMPORT_SECTION_CRITICAL;
}

/* Returns the position of the section's header, for end_section(). */
static size_t begin_section(struct packer *p)
{
	size_t pos = p->pos;

	p->pos += sizeof(struct kvm_vmport_blob_section);
	return pos;
}

static void end_section(struct packer *p, size_t begin, u32 type)
{
	struct kvm_vmport_blob_section section = {
		.type = cpu_to_le32(type),
		.flags = cpu_to_le32(section_flags(type)),
		.size = cpu_to_le64(p->pos - begin - sizeof(section)),
	};
	struct packer header = { .blob = p->blob, .size = p->size, .pos = begin };

	pack_bytes(&header, &section, sizeof(section));
	pack_padding(p);
}

static void pack_channel(struct packer *p, const struct vmport_channel *channel, u16 id)
{
	struct kvm_vmport_blob_channel packed = {
		.id = cpu_to_le16(id),
		.protocol = cpu_to_le32(channel->protocol),
		.cookie_high = cpu_to_le32(channel->cookie_high),
		.cookie_low = cpu_to_le32(channel->cookie_low),
	};
	size_t begin = begin_section(p);
	u32 send = 0, recv = 0;
	u16 flags = 0;

	if (channel->has_cookie)
		flags |= KVM_VMPORT_CHANNEL_COOKIE;
	if (channel->sending) {
		flags |= KVM_VMPORT_CHANNEL_SEND;
		send = channel->send_done;
		packed.send_size = cpu_to_le32(channel->send_size);
		packed.send_done = cpu_to_le32(channel->send_done);
	}
	if (channel->receiving) {
		flags |= KVM_VMPORT_CHANNEL_RECV;
		recv = vmport_channel_recv_size(channel);
		packed.recv_size = cpu_to_le32(recv);
		packed.recv_done = cpu_to_le32(channel->recv_done);
	}
	if (channel->running)
		flags |= KVM_VMPORT_CHANNEL_RUN;
	if (channel->request)
		packed.request = cpu_to_le64(channel->request->id);
	if (channel->asking) {
		flags |= KVM_VMPORT_CHANNEL_ASK;
		send = channel->send_size;
		packed.send_size = cpu_to_le32(send);
		packed.send_done = cpu_to_le32(send);
		packed.request = cpu_to_le64(channel->ask_id);
	}
	packed.flags = cpu_to_le16(flags);

	pack_bytes(p, &packed, sizeof(packed));
	pack_bytes(p, channel->send, send);
	pack_bytes(p, vmport_channel_recv_data(channel), recv);
	end_section(p, begin, KVM_VMPORT_SECTION_CHANNEL);
}

/* When which channel was used. */
struct use {
	u64 used;
	u8 id;
	u8 messages;
};

/* Returns how many there are; what is needed for their order is in @uses. */
static u32 pack_channels(struct packer *p, struct vmport_state *state, struct use *uses)
{
	struct vmport_channel *channel;
	u32 count = 0;
	u16 id;

	for (id = 0; id < KVM_VMPORT_MAX_CHANNELS; id++) {
		channel = vmport_channel_at(state, id);
		if (!channel)
			continue;
		vmport_channel_own(channel);
		if (channel->open) {
			pack_channel(p, channel, id);
			uses[count++] = (struct use) {
				.used = channel->used,
				.id = id,
				.messages = channel->messages,
			};
		}
		vmport_channel_disown(channel);
	}
	return count;
}

static int compare_uses(const void *a, const void *b)
{
	const struct use *x = a, *y = b;

	if (x->used != y->used)
		return x->used < y->used ? -1 : 1;
	return (int)x->id - (int)y->id;
}

/* Would a section of the order say what is not clear without it? */
static bool order_matters(const struct use *uses, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++) {
		if (uses[i].messages || (i && uses[i].id < uses[i - 1].id))
			return true;
	}
	return false;
}

static void pack_order(struct packer *p, struct use *uses, u32 count)
{
	struct kvm_vmport_blob_order packed;
	size_t begin;
	u32 i;

	sort(uses, count, sizeof(*uses), compare_uses, NULL);
	if (!order_matters(uses, count))
		return;

	begin = begin_section(p);
	for (i = 0; i < count; i++) {
		packed.id = uses[i].id;
		packed.messages = uses[i].messages;
		pack_bytes(p, &packed, sizeof(packed));
	}
	end_section(p, begin, KVM_VMPORT_SECTION_ORDER);
}

static void pack_request(struct packer *p, const struct vmport_request *request, u16 kind)
{
	struct kvm_vmport_blob_request packed = {
		.id = cpu_to_le64(request->id),
		.size = cpu_to_le32(request->size),
		.kind = cpu_to_le16(kind),
	};

	pack_bytes(p, &packed, sizeof(packed));
	pack_bytes(p, request->data, request->size);
	pack_padding(p);
}

static void pack_tclo(struct packer *p, struct vmport_tclo *tclo)
{
	struct kvm_vmport_blob_tclo packed = { };
	unsigned int i;
	size_t begin;

	mutex_lock(&tclo->lock);
	/* A VM whose VMM has never queued a request has nothing to tell. */
	if (tclo->next_id == 1)
		goto out;

	begin = begin_section(p);
	packed.next_id = cpu_to_le64(tclo->next_id);
	packed.count = cpu_to_le32(tclo->unread + tclo->queued);
	pack_bytes(p, &packed, sizeof(packed));
	for (i = 0; i < tclo->unread; i++)
		pack_request(p, tclo->results[i],
			     tclo->results[i]->status == KVM_VMPORT_TCLO_LOST ?
			     KVM_VMPORT_REQUEST_LOST : KVM_VMPORT_REQUEST_ANSWERED);
	for (i = 0; i < tclo->queued; i++)
		pack_request(p, tclo->queue[i], KVM_VMPORT_REQUEST_QUEUED);
	end_section(p, begin, KVM_VMPORT_SECTION_TCLO);
out:
	mutex_unlock(&tclo->lock);
}

static void pack_entry(struct packer *p, const struct vmport_entry *entry)
{
	struct kvm_vmport_blob_guestinfo packed = {
		.value_size = cpu_to_le32(entry->value_size),
		.key_size = cpu_to_le16(entry->key_size),
		.flags = cpu_to_le16(entry->flags),
	};

	pack_bytes(p, &packed, sizeof(packed));
	pack_bytes(p, entry->data, entry->key_size + entry->value_size);
	pack_padding(p);
}

static int pack_guestinfo(struct packer *p, struct vmport_guestinfo *gi)
{
	struct vmport_entry **sorted;
	unsigned int i;
	size_t begin;
	int r = 0;

	mutex_lock(&gi->lock);
	sorted = vmport_guestinfo_sort(gi, false);
	if (IS_ERR_OR_NULL(sorted)) {
		r = PTR_ERR(sorted);
		goto out;
	}

	begin = begin_section(p);
	for (i = 0; i < gi->count; i++)
		pack_entry(p, sorted[i]);
	end_section(p, begin, KVM_VMPORT_SECTION_GUESTINFO);
	kvfree(sorted);
out:
	mutex_unlock(&gi->lock);
	return r;
}

/**
 * vmport_state_pack() - write a blob
 * @state: what to pack; vCPUs may be using it
 * @blob: where to; may be NULL when @size is 0
 * @size: bytes there
 * @needed: out: bytes of the blob; when that is more than @size, what was
 *	written is of no use
 *
 * Waits for no guest.  Every channel and every entry is packed whole, though
 * not all at one instant when vCPUs run.
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int vmport_state_pack(struct vmport_state *state, void *blob, size_t size, size_t *needed)
{
	struct kvm_vmport_blob_header header = {
		.magic = cpu_to_le32(KVM_VMPORT_BLOB_MAGIC),
		.version = cpu_to_le16(KVM_VMPORT_BLOB_VERSION),
		.header_size = cpu_to_le16(sizeof(header)),
	};
	struct packer p = { .blob = blob, .size = size, .pos = sizeof(header) };
	struct packer start = { .blob = blob, .size = size };
	struct use *uses;
	u32 count;
	int r;

	BUILD_BUG_ON(sizeof(struct kvm_vmport_blob_header) != 32);
	BUILD_BUG_ON(sizeof(struct kvm_vmport_blob_section) != 16);
	BUILD_BUG_ON(sizeof(struct kvm_vmport_blob_channel) != 40);
	BUILD_BUG_ON(sizeof(struct kvm_vmport_blob_tclo) != 16);
	BUILD_BUG_ON(sizeof(struct kvm_vmport_blob_request) != 16);
	BUILD_BUG_ON(sizeof(struct kvm_vmport_blob_guestinfo) != 8);
	BUILD_BUG_ON(sizeof(struct kvm_vmport_blob_order) != 2);

	uses = kvmalloc_array(KVM_VMPORT_MAX_CHANNELS, sizeof(*uses), VMPORT_GFP);
	if (!uses)
		return -ENOMEM;

	count = pack_channels(&p, state, uses);
	pack_tclo(&p, &state->tclo);
	r = pack_guestinfo(&p, &state->guestinfo);
	if (!r)
		pack_order(&p, uses, count);
	kvfree(uses);
	if (r)
		return r;

	*needed = p.pos;
	if (p.pos > size)
		return 0;

	header.size = cpu_to_le64(p.pos);
	pack_bytes(&start, &header, sizeof(header));
	/* Over the blob, not the copy: that is what the reader sees. */
	((struct kvm_vmport_blob_header *)blob)->checksum =
		cpu_to_le32(blob_checksum(blob, p.pos));
	return 0;
}

/* Unpack.  @pos never passes @end, nor @end the blob's size. */
struct unpacker {
	const struct vmport_config *config;
	struct vmport_state *state;
	const u8 *blob;
	size_t pos;
	size_t end;
	u32 channels;			/* so far */
	u64 last_taken;			/* largest request id in a channel */
	size_t last_taken_pos;
	struct vmport_blob_error *why;
};

static int refuse_at(struct unpacker *u, size_t offset, int r, enum kvm_vmport_error error)
{
	u->why->error = error;
	u->why->offset = offset;
	return r;
}

static int malformed(struct unpacker *u, size_t offset, enum kvm_vmport_error error)
{
	return refuse_at(u, offset, -EINVAL, error);
}

static int too_big(struct unpacker *u, size_t offset, enum kvm_vmport_error error)
{
	return refuse_at(u, offset, -E2BIG, error);
}

/* The next @size bytes, NULL when there are not as many. */
static const void *unpack_bytes(struct unpacker *u, u64 size)
{
	const void *data = u->blob + u->pos;

	if (size > u->end - u->pos)
		return NULL;

	u->pos += size;
	return data;
}

static int unpack_padding(struct unpacker *u)
{
	size_t pos = u->pos;
	const u8 *padding = unpack_bytes(u, ALIGN(pos, BLOB_ALIGN) - pos);

	if (!padding)
		return malformed(u, pos, KVM_VMPORT_ERR_SECTION);
	if (memchr_inv(padding, 0, u->pos - pos))
		return malformed(u, pos, KVM_VMPORT_ERR_RESERVED);
	return 0;
}

static bool ask_id_in_use(const struct vmport_state *state, u64 id)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(state->channels); i++) {
		if (state->channels[i] && state->channels[i]->asking &&
		    state->channels[i]->ask_id == id)
			return true;
	}
	return false;
}

static bool id_in_use(const struct vmport_state *state, u64 id)
{
	const struct vmport_tclo *tclo = &state->tclo;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(state->channels); i++) {
		if (state->channels[i] && state->channels[i]->request &&
		    state->channels[i]->request->id == id)
			return true;
	}
	for (i = 0; i < tclo->unread; i++) {
		if (tclo->results[i]->id == id)
			return true;
	}
	for (i = 0; i < tclo->queued; i++) {
		if (tclo->queue[i]->id == id)
			return true;
	}
	return false;
}

#define CHANNEL_FLAGS	(KVM_VMPORT_CHANNEL_COOKIE | KVM_VMPORT_CHANNEL_SEND |	\
			 KVM_VMPORT_CHANNEL_RECV | KVM_VMPORT_CHANNEL_RUN |	\
			 KVM_VMPORT_CHANNEL_ASK)

#define FIELD_POS(_pos, _record, _field)	((_pos) + offsetof(typeof(*(_record)), _field))

/* The message from the guest: none, a part, or with ASK the whole. */
static int check_send(struct unpacker *u, size_t pos,
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
static int check_recv(struct unpacker *u, size_t pos,
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
static int check_id(struct unpacker *u, size_t pos, const struct kvm_vmport_blob_channel *packed)
{
	u32 recv_size = le32_to_cpu(packed->recv_size);
	u16 flags = le16_to_cpu(packed->flags);
	u64 id = le64_to_cpu(packed->request);

	if (flags & KVM_VMPORT_CHANNEL_ASK) {
		if (!vmport_has_feature(u->config, KVM_VMPORT_FEATURE_EXIT_RPC))
			return refuse_at(u, FIELD_POS(pos, packed, flags), -EPERM,
					 KVM_VMPORT_ERR_FEATURE);
		/* No VM gets so far by counting. */
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

/* Is it one of the states that a channel can be in? */
static bool channel_flags_ok(u16 flags, bool tclo)
{
	if (flags & ~CHANNEL_FLAGS)
		return false;
	/* Nothing else goes on in a channel that waits for the VMM. */
	if (flags & KVM_VMPORT_CHANNEL_ASK)
		return !tclo && !(flags & ~(KVM_VMPORT_CHANNEL_ASK | KVM_VMPORT_CHANNEL_COOKIE));
	/* A request is given first and run then, and on TCLO only. */
	if (flags & KVM_VMPORT_CHANNEL_RUN)
		return tclo && !(flags & KVM_VMPORT_CHANNEL_RECV);
	return true;
}

/* Does the record contradict itself?  @pos is where it stands. */
static int check_channel(struct unpacker *u, size_t pos,
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
	if (!channel_flags_ok(flags, tclo))
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
static int fill_recv(struct unpacker *u, size_t pos, struct vmport_channel *channel,
		     const struct kvm_vmport_blob_channel *packed, const u8 *data)
{
	u32 size = le32_to_cpu(packed->recv_size);
	u64 id = le64_to_cpu(packed->request);
	u8 *reply;

	if (channel->asking) {
		channel->ask_id = id;
		u->state->last_ask = max(u->state->last_ask, id);
		vmport_rpci_unknown(&channel->reply);
		return 0;
	}

	if (!id) {
		reply = vmport_reply_alloc(&channel->reply, size);
		if (!reply)
			return -ENOMEM;
		memcpy(reply, data, size);
		return 0;
	}

	if (id_in_use(u->state, id))
		return malformed(u, FIELD_POS(pos, packed, request), KVM_VMPORT_ERR_ORDER);
	if (u->state->tclo.taken == KVM_VMPORT_MAX_TCLO)
		return too_big(u, FIELD_POS(pos, packed, request), KVM_VMPORT_ERR_TCLO_COUNT);

	channel->request = vmport_request_alloc(id, data, size);
	if (!channel->request)
		return -ENOMEM;

	u->state->tclo.taken++;
	if (id > u->last_taken) {
		u->last_taken = id;
		u->last_taken_pos = FIELD_POS(pos, packed, request);
	}
	return 0;
}

static int fill_channel(struct unpacker *u, size_t pos, struct vmport_channel *channel,
			const struct kvm_vmport_blob_channel *packed, const u8 *data)
{
	u16 flags = le16_to_cpu(packed->flags);

	channel->open = true;
	channel->has_cookie = flags & KVM_VMPORT_CHANNEL_COOKIE;
	channel->sending = flags & KVM_VMPORT_CHANNEL_SEND;
	channel->receiving = flags & KVM_VMPORT_CHANNEL_RECV;
	channel->running = flags & KVM_VMPORT_CHANNEL_RUN;
	channel->asking = flags & KVM_VMPORT_CHANNEL_ASK;
	channel->protocol = le32_to_cpu(packed->protocol);
	channel->cookie_high = le32_to_cpu(packed->cookie_high);
	channel->cookie_low = le32_to_cpu(packed->cookie_low);
	channel->send_size = le32_to_cpu(packed->send_size);
	channel->send_done = le32_to_cpu(packed->send_done);
	channel->recv_done = le32_to_cpu(packed->recv_done);

	if (channel->sending || channel->asking) {
		/* Never no buffer at all: an empty message has an address too. */
		if (vmport_channel_make_room(channel, channel->send_size ?: 1))
			return -ENOMEM;
		memcpy(channel->send, data, channel->send_done);
	}
	return fill_recv(u, pos, channel, packed, data + channel->send_done);
}

static int unpack_channel(struct unpacker *u, u64 size)
{
	const struct kvm_vmport_blob_channel *packed;
	struct vmport_channel *channel;
	size_t pos = u->pos;
	const u8 *data;
	u16 id, i;
	int r;

	packed = size < sizeof(*packed) ? NULL : unpack_bytes(u, sizeof(*packed));
	if (!packed)
		return malformed(u, pos, KVM_VMPORT_ERR_SECTION);

	r = check_channel(u, pos, packed);
	if (r)
		return r;
	data = unpack_bytes(u, size - sizeof(*packed));
	if (!data || size != sizeof(*packed) + le32_to_cpu(packed->send_done) +
			     le32_to_cpu(packed->recv_size))
		return malformed(u, pos, KVM_VMPORT_ERR_SECTION);

	id = array_index_nospec(le16_to_cpu(packed->id), KVM_VMPORT_MAX_CHANNELS);
	for (i = id; i < KVM_VMPORT_MAX_CHANNELS; i++) {
		if (u->state->channels[i])
			return malformed(u, FIELD_POS(pos, packed, id), KVM_VMPORT_ERR_ORDER);
	}
	if (++u->channels > u->config->limits.channels)
		return too_big(u, pos, KVM_VMPORT_ERR_CHANNELS);

	channel = vmport_channel_alloc();
	if (!channel)
		return -ENOMEM;
	u->state->channels[id] = channel;
	return fill_channel(u, pos, channel, packed, data);
}

static int check_request(struct unpacker *u, size_t pos,
			 const struct kvm_vmport_blob_request *packed)
{
	const struct vmport_tclo *tclo = &u->state->tclo;
	u32 size = le32_to_cpu(packed->size);
	u64 id = le64_to_cpu(packed->id);

	if (packed->reserved16)
		return malformed(u, FIELD_POS(pos, packed, reserved16), KVM_VMPORT_ERR_RESERVED);
	if (!id || id >= tclo->next_id)
		return malformed(u, FIELD_POS(pos, packed, id), KVM_VMPORT_ERR_REQUEST);
	if (id_in_use(u->state, id))
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

static int unpack_request(struct unpacker *u)
{
	const struct kvm_vmport_blob_request *packed;
	struct vmport_tclo *tclo = &u->state->tclo;
	struct vmport_request *request;
	size_t pos = u->pos;
	const u8 *data;
	int r;

	packed = unpack_bytes(u, sizeof(*packed));
	if (!packed)
		return malformed(u, pos, KVM_VMPORT_ERR_SECTION);
	r = check_request(u, pos, packed);
	if (r)
		return r;
	data = unpack_bytes(u, le32_to_cpu(packed->size));
	if (!data)
		return malformed(u, pos, KVM_VMPORT_ERR_SECTION);

	request = vmport_request_alloc(le64_to_cpu(packed->id), data, le32_to_cpu(packed->size));
	if (!request)
		return -ENOMEM;

	if (le16_to_cpu(packed->kind) == KVM_VMPORT_REQUEST_QUEUED) {
		tclo->queue[tclo->queued++] = request;
	} else {
		request->status = le16_to_cpu(packed->kind) == KVM_VMPORT_REQUEST_LOST ?
				  KVM_VMPORT_TCLO_LOST : KVM_VMPORT_TCLO_ANSWERED;
		tclo->results[tclo->unread++] = request;
	}
	return unpack_padding(u);
}

static int unpack_tclo(struct unpacker *u)
{
	const struct kvm_vmport_blob_tclo *packed;
	size_t pos = u->pos;
	u32 i;
	int r;

	packed = unpack_bytes(u, sizeof(*packed));
	if (!packed)
		return malformed(u, pos, KVM_VMPORT_ERR_SECTION);
	if (packed->reserved32)
		return malformed(u, FIELD_POS(pos, packed, reserved32), KVM_VMPORT_ERR_RESERVED);

	/* Without a request ever queued the section would not be there. */
	u->state->tclo.next_id = le64_to_cpu(packed->next_id);
	/* No VM gets so far by counting, and none may come round to 0. */
	if (u->state->tclo.next_id <= 1 || u->state->tclo.next_id > S64_MAX)
		return malformed(u, FIELD_POS(pos, packed, next_id), KVM_VMPORT_ERR_REQUEST);

	for (i = 0; i < le32_to_cpu(packed->count); i++) {
		r = unpack_request(u);
		if (r)
			return r;
	}
	if (u->pos != u->end)
		return malformed(u, u->pos, KVM_VMPORT_ERR_SECTION);
	return 0;
}

static bool is_after(const u8 *key, u32 size, const u8 *last, u32 last_size)
{
	int r = memcmp(last, key, min(size, last_size));

	return r < 0 || (!r && last_size < size);
}

static int unpack_guestinfo(struct unpacker *u)
{
	const struct kvm_vmport_blob_guestinfo *packed;
	struct vmport_guestinfo_change change = { };
	u32 last_size = 0;
	const u8 *last;
	size_t pos;
	int r;

	do {
		pos = u->pos;
		packed = unpack_bytes(u, sizeof(*packed));
		if (!packed)
			return malformed(u, pos, KVM_VMPORT_ERR_SECTION);

		last = change.key;
		change.key_size = le16_to_cpu(packed->key_size);
		change.value_size = le32_to_cpu(packed->value_size);
		change.flags = le16_to_cpu(packed->flags);
		if (change.flags & ~KVM_VMPORT_GUESTINFO_READONLY)
			return malformed(u, FIELD_POS(pos, packed, flags), KVM_VMPORT_ERR_FLAGS);

		change.key = unpack_bytes(u, change.key_size);
		change.value = change.key ? unpack_bytes(u, change.value_size) : NULL;
		if (!change.value)
			return malformed(u, pos, KVM_VMPORT_ERR_SECTION);
		if (last && !is_after(change.key, change.key_size, last, last_size))
			return malformed(u, pos + sizeof(*packed), KVM_VMPORT_ERR_ORDER);
		last_size = change.key_size;

		r = vmport_guestinfo_set(&u->state->guestinfo, &u->config->limits, &change);
		if (r == -ENOMEM)
			return r;
		if (r)
			return refuse_at(u, pos, r, change.error);
		r = unpack_padding(u);
		if (r)
			return r;
	} while (u->pos < u->end);

	return 0;
}

static int unpack_order(struct unpacker *u, size_t section)
{
	const struct kvm_vmport_blob_order *packed;
	bool matters = false;
	u8 id, last = 0;
	size_t pos;
	u32 i;

	for (i = 0; i < u->channels; i++) {
		pos = u->pos;
		packed = unpack_bytes(u, sizeof(*packed));
		if (!packed)
			return malformed(u, pos, KVM_VMPORT_ERR_SECTION);

		id = packed->id;
		if (id < KVM_VMPORT_MAX_CHANNELS)
			id = array_index_nospec(id, KVM_VMPORT_MAX_CHANNELS);
		if (id >= KVM_VMPORT_MAX_CHANNELS || !u->state->channels[id])
			return malformed(u, FIELD_POS(pos, packed, id),
					 KVM_VMPORT_ERR_CHANNEL_ID);
		if (u->state->channels[id]->used)
			return malformed(u, FIELD_POS(pos, packed, id), KVM_VMPORT_ERR_ORDER);
		if (packed->messages > 2)
			return malformed(u, FIELD_POS(pos, packed, messages),
					 KVM_VMPORT_ERR_FLAGS);

		u->state->channels[id]->used = i + 1;
		u->state->channels[id]->messages = packed->messages;
		matters |= packed->messages || id < last;
		last = id;
	}
	if (u->pos != u->end)
		return malformed(u, u->pos, KVM_VMPORT_ERR_SECTION);
	/* Then it would not be there. */
	if (!matters)
		return malformed(u, section, KVM_VMPORT_ERR_ORDER);
	return 0;
}

/* One section whose header stands at @pos; its payload is next. */
static int unpack_payload(struct unpacker *u, size_t pos, u32 type, u32 flags, u64 size)
{
	if (type < KVM_VMPORT_SECTION_CHANNEL || type > KVM_VMPORT_SECTION_ORDER) {
		if (flags & KVM_VMPORT_SECTION_CRITICAL)
			return refuse_at(u, pos, -EOPNOTSUPP, KVM_VMPORT_ERR_CRITICAL);
		unpack_bytes(u, size);
		return 0;
	}

	if (flags != section_flags(type))
		return malformed(u, pos, KVM_VMPORT_ERR_FLAGS);
	if (!vmport_has_feature(u->config, KVM_VMPORT_FEATURE_RPC))
		return refuse_at(u, pos, -EPERM, KVM_VMPORT_ERR_FEATURE);

	switch (type) {
	case KVM_VMPORT_SECTION_CHANNEL:
		return unpack_channel(u, size);
	case KVM_VMPORT_SECTION_TCLO:
		return unpack_tclo(u);
	case KVM_VMPORT_SECTION_GUESTINFO:
		return unpack_guestinfo(u);
	default:
		return unpack_order(u, pos);
	}
}

static int unpack_section(struct unpacker *u, u32 *last_type)
{
	const struct kvm_vmport_blob_section *section;
	size_t end = u->end, pos = u->pos;
	u32 type, flags;
	u64 size;
	int r;

	section = unpack_bytes(u, sizeof(*section));
	if (!section)
		return malformed(u, pos, KVM_VMPORT_ERR_SECTION);

	type = le32_to_cpu(section->type);
	flags = le32_to_cpu(section->flags);
	size = le64_to_cpu(section->size);
	if (flags & ~KVM_VMPORT_SECTION_CRITICAL)
		return malformed(u, FIELD_POS(pos, section, flags), KVM_VMPORT_ERR_FLAGS);
	if (size > end - u->pos)
		return malformed(u, FIELD_POS(pos, section, size), KVM_VMPORT_ERR_SECTION);
	if (type < *last_type ||
	    (type == *last_type && type > KVM_VMPORT_SECTION_CHANNEL &&
	     type <= KVM_VMPORT_SECTION_ORDER))
		return malformed(u, pos, KVM_VMPORT_ERR_ORDER);
	*last_type = type;

	u->end = u->pos + size;
	r = unpack_payload(u, pos, type, flags, size);
	if (r)
		return r;
	u->end = end;
	return unpack_padding(u);
}

static int unpack_header(struct unpacker *u, size_t size)
{
	const struct kvm_vmport_blob_header *header;
	u16 version;

	header = unpack_bytes(u, sizeof(*header));
	if (!header)
		return malformed(u, 0, KVM_VMPORT_ERR_LENGTH);
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
	if (le32_to_cpu(header->checksum) != blob_checksum(u->blob, size))
		return malformed(u, FIELD_POS(0, header, checksum), KVM_VMPORT_ERR_CHECKSUM);
	if (header->reserved32)
		return malformed(u, FIELD_POS(0, header, reserved32), KVM_VMPORT_ERR_RESERVED);
	if (header->reserved)
		return malformed(u, FIELD_POS(0, header, reserved), KVM_VMPORT_ERR_RESERVED);
	return 0;
}

static int unpack_blob(struct unpacker *u, size_t size)
{
	u32 last_type = 0;
	int r;

	r = unpack_header(u, size);
	while (!r && u->pos < u->end)
		r = unpack_section(u, &last_type);
	if (r)
		return r;

	/* No channel can hold a request that was never queued. */
	if (u->last_taken >= u->state->tclo.next_id)
		return malformed(u, u->last_taken_pos, KVM_VMPORT_ERR_REQUEST);
	return 0;
}

/**
 * vmport_state_unpack() - make a state from a blob
 * @config: features and limits that the blob must keep to
 * @events: of the VM
 * @blob: 8-byte aligned
 * @size: bytes
 * @why: out: on an error, what was wrong and where
 *
 * Context: may sleep.
 * Return: a state that nobody else knows yet, or ERR_PTR(): -EINVAL malformed,
 * -EOPNOTSUPP newer format or unknown critical section, -E2BIG past a limit,
 * -EPERM needs a feature that is not enabled, -ENOMEM.
 */
struct vmport_state *vmport_state_unpack(const struct vmport_config *config,
					 struct vmport_events *events,
					 const void *blob, size_t size,
					 struct vmport_blob_error *why)
{
	struct unpacker u = {
		.config = config,
		.blob = blob,
		.end = size,
		.why = why,
	};
	int r;

	*why = (struct vmport_blob_error){ };

	u.state = vmport_state_alloc(events);
	if (!u.state)
		return ERR_PTR(-ENOMEM);

	r = unpack_blob(&u, size);
	if (r) {
		vmport_state_free(u.state);
		return ERR_PTR(r);
	}
	return u.state;
}

/**
 * vmport_state_activate() - a state from a blob becomes the VM's
 * @state: from vmport_state_unpack(); vCPUs don't use it yet
 *
 * Numbers that its events will get lie above all that it came with.
 *
 * Context: may sleep.
 */
void vmport_state_activate(struct vmport_state *state)
{
	s64 asked = atomic64_read(&state->events->asked);

	/* vCPUs that still use the old state count on. */
	while (asked < state->last_ask &&
	       !atomic64_try_cmpxchg(&state->events->asked, &asked, state->last_ask))
		;

	vmport_guestinfo_set_all(&state->guestinfo);
	if (state->tclo.unread)
		vmport_signal(state->events);
}
