// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packing a state into a blob, for KVM_GET_VMPORT_STATE.  The format is described
 * in include/uapi/linux/kvm_vmport.h.
 */
#include <linux/align.h>
#include <linux/bits.h>
#include <linux/crc32c.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "alloc.h"
#include "state.h"

/* From this size on a reference to an entry is cheaper than a copy, in bytes. */
#define MIN_REFERENCED	1024

/* When which channel was used. */
struct use {
	u64 used;
	u8 id;
};

/*
 * Past the buffer's end nothing is written, but all is counted.  The position in
 * the blob is the sum of what was copied and what was only referred to.
 */
struct vmport_packer {
	struct vmport_packed *packed;
	const struct vmport_blob_form *form;
	size_t copied;
	size_t referenced;
	struct use uses[KVM_VMPORT_MAX_CHANNELS];
	u32 channels;
};

static void pack_bytes(struct vmport_packer *p, const void *data, size_t size)
{
	size_t room = p->packed->room;

	if (size && p->copied < room && size <= room - p->copied)
		memcpy(p->packed->buffer + p->copied, data, size);
	p->copied += size;
}

static void pack_padding(struct vmport_packer *p)
{
	static const u8 zeroes[VMPORT_BLOB_ALIGN];
	size_t pos = p->copied + p->referenced;

	pack_bytes(p, zeroes, ALIGN(pos, VMPORT_BLOB_ALIGN) - pos);
}

/* Where a section's header stands. */
struct place {
	size_t copied;
	size_t referenced;
};

static struct place begin_section(struct vmport_packer *p)
{
	struct place place = { .copied = p->copied, .referenced = p->referenced };

	p->copied += sizeof(struct kvm_vmport_blob_section);
	return place;
}

static void end_section(struct vmport_packer *p, const struct place *place,
			const struct vmport_section *section)
{
	u32 flags = section->is_critical ? KVM_VMPORT_SECTION_CRITICAL : 0;
	struct kvm_vmport_blob_section packed = {
		.type = cpu_to_le32(section->type),
		.flags = cpu_to_le32(flags),
		.size = cpu_to_le64(p->copied - place->copied +
				    p->referenced - place->referenced - sizeof(packed)),
	};
	size_t copied = p->copied;

	p->copied = place->copied;
	pack_bytes(p, &packed, sizeof(packed));
	p->copied = copied;
	pack_padding(p);
}

/* KVM_VMPORT_CHANNEL_* of what goes on in an open channel. */
static u16 activity_flags(const struct vmport_channel *channel)
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

static void pack_channel(struct vmport_packer *p, const struct vmport_section *section,
			 const struct vmport_channel *channel, u16 id)
{
	struct kvm_vmport_blob_channel packed = {
		.id = cpu_to_le16(id),
		.protocol = cpu_to_le32(channel->protocol),
		.cookie_high = cpu_to_le32(channel->cookie_high),
		.cookie_low = cpu_to_le32(channel->cookie_low),
	};
	struct place place = begin_section(p);
	u16 flags = activity_flags(channel);
	u32 send = 0, recv = 0;

	if (channel->has_cookie)
		flags |= KVM_VMPORT_CHANNEL_COOKIE;
	if (flags & KVM_VMPORT_CHANNEL_SEND) {
		send = channel->send_done;
		packed.send_size = cpu_to_le32(channel->send_size);
		packed.send_done = cpu_to_le32(channel->send_done);
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
		packed.request = cpu_to_le64(channel->ask_id);
	}
	packed.flags = cpu_to_le16(flags);

	pack_bytes(p, &packed, sizeof(packed));
	pack_bytes(p, channel->send, send);
	pack_bytes(p, vmport_channel_recv_data(channel), recv);
	end_section(p, &place, section);
}

/* Channel @id when it is open; else NULL. */
static struct vmport_channel *open_channel(const struct vmport_state *state, u16 id)
{
	struct vmport_channel *channel = state->channels[id];

	return channel && channel->activity != VMPORT_CLOSED ? channel : NULL;
}

int vmport_pack_channels(struct vmport_packer *p, const struct vmport_section *section,
			 struct vmport_state *state)
{
	struct vmport_channel *channel;
	u16 id;

	for (id = 0; id < KVM_VMPORT_MAX_CHANNELS; id++) {
		channel = open_channel(state, id);
		if (!channel)
			continue;
		pack_channel(p, section, channel, id);
		p->uses[p->channels++] = (struct use) { .used = channel->used, .id = id };
	}
	return 0;
}

static int compare_uses(const void *a, const void *b)
{
	const struct use *x = a, *y = b;

	if (x->used != y->used)
		return x->used < y->used ? -1 : 1;
	return (int)x->id - (int)y->id;
}

/* Only where it is not that of the ids. */
int vmport_pack_order(struct vmport_packer *p, const struct vmport_section *section,
		      struct vmport_state *state)
{
	struct kvm_vmport_blob_order packed = { };
	struct place place;
	bool ascends = true;
	u32 i;

	sort(p->uses, p->channels, sizeof(*p->uses), compare_uses, NULL);
	for (i = 1; i < p->channels; i++)
		ascends &= p->uses[i - 1].id < p->uses[i].id;
	if (ascends)
		return 0;

	place = begin_section(p);
	for (i = 0; i < p->channels; i++) {
		packed.id = p->uses[i].id;
		pack_bytes(p, &packed, sizeof(packed));
	}
	end_section(p, &place, section);
	return 0;
}

/* A section of names, which begins with the first. */
struct names {
	struct place place;
	bool any;
};

static void pack_name(struct vmport_packer *p, struct names *names, u64 id, u16 kind,
		      const struct vmport_name *name)
{
	struct kvm_vmport_blob_name packed = {
		.id = cpu_to_le64(id),
		.kind = cpu_to_le16(kind),
		.size = cpu_to_le16(name->size),
	};

	if (!names->any)
		names->place = begin_section(p);
	names->any = true;
	pack_bytes(p, &packed, sizeof(packed));
	pack_bytes(p, name->text, name->size);
	pack_padding(p);
}

/* Whom a request is for, or a result was. */
static void pack_request_name(struct vmport_packer *p, struct names *names,
			      const struct vmport_request *request)
{
	if (!vmport_name_is(&request->name, &vmport_toolbox))
		pack_name(p, names, request->id, KVM_VMPORT_NAME_REQUEST, &request->name);
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
		channel = open_channel(state, id);
		if (!channel)
			continue;
		if (!vmport_name_is(&channel->name, vmport_channel_default_name(channel)))
			pack_name(p, &names, id, KVM_VMPORT_NAME_CHANNEL, &channel->name);
		if (channel->request)
			pack_request_name(p, &names, channel->request);
	}
	mutex_lock(&tclo->lock);
	for (i = 0; i < tclo->unread; i++)
		pack_request_name(p, &names, tclo->results[i]);
	for (i = 0; i < tclo->queued; i++)
		pack_request_name(p, &names, tclo->queue[i]);
	mutex_unlock(&tclo->lock);
	if (names.any)
		end_section(p, &names.place, section);
	return 0;
}

/* Only of vCPUs whose clock runs.  What it shows is in the guest's memory. */
int vmport_pack_stealclock(struct vmport_packer *p, const struct vmport_section *section,
			   struct vmport_state *state)
{
	struct kvm_vmport_blob_stealclock packed = { };
	struct vmport_steal *steal;
	struct place place = { };
	bool any = false;
	unsigned long id;
	u64 address;

	xa_for_each(&state->steals, id, steal) {
		address = READ_ONCE(steal->address);
		if (address == VMPORT_STEAL_OFF)
			continue;
		if (!any)
			place = begin_section(p);
		any = true;
		packed.address = cpu_to_le64(address);
		packed.vcpu_id = cpu_to_le32(id);
		pack_bytes(p, &packed, sizeof(packed));
	}
	if (any)
		end_section(p, &place, section);
	return 0;
}

static void pack_request(struct vmport_packer *p, const struct vmport_request *request, u16 kind)
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

int vmport_pack_tclo(struct vmport_packer *p, const struct vmport_section *section,
		     struct vmport_state *state)
{
	struct vmport_tclo *tclo = &state->tclo;
	struct kvm_vmport_blob_tclo packed = { };
	struct place place;
	unsigned int i;

	mutex_lock(&tclo->lock);
	/* A VM whose VMM has never queued a request has nothing to tell. */
	if (tclo->next_id == 1)
		goto out;

	place = begin_section(p);
	packed.next_id = cpu_to_le64(tclo->next_id);
	packed.count = cpu_to_le32(tclo->unread + tclo->queued);
	pack_bytes(p, &packed, sizeof(packed));
	for (i = 0; i < tclo->unread; i++)
		pack_request(p, tclo->results[i],
			     tclo->results[i]->status == KVM_VMPORT_TCLO_LOST ?
			     KVM_VMPORT_REQUEST_LOST : KVM_VMPORT_REQUEST_ANSWERED);
	for (i = 0; i < tclo->queued; i++)
		pack_request(p, tclo->queue[i], KVM_VMPORT_REQUEST_QUEUED);
	end_section(p, &place, section);
out:
	mutex_unlock(&tclo->lock);
	return 0;
}

/* Values are most of a blob.  Large ones stay where they are. */
static bool is_referenced(const struct vmport_entry *entry)
{
	return entry->value_size >= MIN_REFERENCED;
}

static void refer(struct vmport_packer *p, struct vmport_entry *entry)
{
	struct vmport_packed *packed = p->packed;

	p->referenced += entry->key_size + entry->value_size;
	if (!packed->pieces)
		return;

	refcount_inc(&entry->refs);
	packed->pieces[packed->count++] = (struct vmport_piece) {
		.entry = entry,
		.copied = p->copied,
	};
}

static void pack_entry(struct vmport_packer *p, struct vmport_entry *entry)
{
	struct kvm_vmport_blob_guestinfo packed = {
		.value_size = cpu_to_le32(entry->value_size),
		.key_size = cpu_to_le16(entry->key_size),
		.flags = cpu_to_le16(entry->flags),
	};

	pack_bytes(p, &packed, sizeof(packed));
	if (is_referenced(entry))
		refer(p, entry);
	else
		pack_bytes(p, entry->data, entry->key_size + entry->value_size);
	pack_padding(p);
}

/* Room for as many references as there will be; none while only measuring. */
static int alloc_pieces(struct vmport_packed *packed, struct vmport_entry **entries, u32 count)
{
	u32 i, referenced = 0;

	for (i = 0; i < count; i++)
		referenced += is_referenced(entries[i]);
	if (!packed->buffer || !referenced)
		return 0;

	packed->pieces = kvmalloc_array(referenced, sizeof(*packed->pieces), VMPORT_GFP);
	return packed->pieces ? 0 : -ENOMEM;
}

int vmport_pack_guestinfo(struct vmport_packer *p, const struct vmport_section *section,
			  struct vmport_state *state)
{
	struct vmport_guestinfo *gi = &state->guestinfo;
	struct vmport_entry **sorted;
	struct place place;
	unsigned int i;
	int r;

	mutex_lock(&gi->lock);
	sorted = vmport_guestinfo_sort(gi, false);
	if (IS_ERR_OR_NULL(sorted)) {
		r = PTR_ERR(sorted);
		goto out;
	}
	r = alloc_pieces(p->packed, sorted, gi->count);
	if (r)
		goto free;

	place = begin_section(p);
	for (i = 0; i < gi->count; i++)
		pack_entry(p, sorted[i]);
	end_section(p, &place, section);
free:
	kvfree(sorted);
out:
	mutex_unlock(&gi->lock);
	return r;
}

/*
 * The sections of one type.  Where the reader does not know it, what is not critical is
 * left out, and what is makes the blob one that the reader cannot have.
 */
static int pack_section(struct vmport_packer *p, const struct vmport_section *section,
			struct vmport_state *state)
{
	struct place before = { .copied = p->copied, .referenced = p->referenced };
	u64 bit = BIT_ULL(section->type);
	int r = section->pack(p, section, state);

	if (r || (p->form->sections & bit) ||
	    (p->copied == before.copied && p->referenced == before.referenced))
		return r;
	if (section->is_critical)
		p->packed->lacking |= bit;
	else
		p->copied = before.copied;
	return 0;
}

/* All but the header, whose place is left; into the buffer as far as that goes. */
static int pack_sections(struct vmport_packer *p, struct vmport_state *state)
{
	unsigned int i;
	int r = 0;

	p->copied = sizeof(struct kvm_vmport_blob_header);
	p->packed->lacking = 0;
	/* What stands in two sections must agree. */
	vmport_channels_own(state);
	for (i = 0; i < VMPORT_SECTIONS && !r; i++)
		r = pack_section(p, &vmport_sections[i], state);
	vmport_channels_disown(state);
	return r ?: p->packed->lacking ? -EOPNOTSUPP : 0;
}

/**
 * vmport_packed_write() - give a blob away
 * @packed: from vmport_state_pack()
 * @sink: is given all bytes in order; an error of its ends that
 *
 * Context: as @sink's; with no lock of the state.
 * Return: 0 or @sink's error.
 */
int vmport_packed_write(const struct vmport_packed *packed, struct vmport_sink *sink)
{
	const struct vmport_piece *piece;
	size_t done = 0;
	u32 i;
	int r;

	for (i = 0; i < packed->count; i++) {
		piece = &packed->pieces[i];
		r = sink->write(sink, packed->buffer + done, piece->copied - done);
		if (!r)
			r = sink->write(sink, piece->entry->data,
					piece->entry->key_size + piece->entry->value_size);
		if (r)
			return r;
		done = piece->copied;
	}
	return sink->write(sink, packed->buffer + done, packed->copied - done);
}

struct checksum {
	struct vmport_sink sink;
	u32 crc;
};

static int add_to_checksum(struct vmport_sink *sink, const void *data, size_t size)
{
	struct checksum *sum = container_of(sink, struct checksum, sink);

	sum->crc = crc32c(sum->crc, data, size);
	return 0;
}

static void pack_header(struct vmport_packed *packed, u64 features)
{
	struct checksum sum = { .sink.write = add_to_checksum, .crc = ~0 };
	struct kvm_vmport_blob_header header = {
		.magic = cpu_to_le32(KVM_VMPORT_BLOB_MAGIC),
		.version = cpu_to_le16(KVM_VMPORT_BLOB_VERSION),
		.header_size = cpu_to_le16(sizeof(header)),
		.size = cpu_to_le64(packed->size),
		.features = cpu_to_le64(features),
	};

	memcpy(packed->buffer, &header, sizeof(header));
	/* Over the blob, not the state: that is what the reader sees. */
	vmport_packed_write(packed, &sum.sink);
	header.checksum = cpu_to_le32(~sum.crc);
	memcpy(packed->buffer, &header, sizeof(header));
}

/* Room for what was measured; vCPUs that run may make it more meanwhile. */
static int make_room(struct vmport_packed *packed)
{
	size_t room = packed->copied;

	vmport_packed_free(packed);
	packed->buffer = vmport_alloc_data(room);
	if (!packed->buffer)
		return -ENOMEM;

	packed->room = room;
	return 0;
}

/**
 * vmport_state_pack() - make a blob
 * @state: what to pack; vCPUs may be using it
 * @form: what the blob is to be
 * @packed: out: the blob in pieces, for vmport_packed_write() and then
 *	vmport_packed_free(); on an error only its size or what is lacking, with nothing
 *	to free
 *
 * Waits for no guest.  When vCPUs run, the channels and the requests are those of one
 * instant, and every entry is packed whole.
 *
 * Context: may sleep.
 * Return: 0, -E2BIG, -EOPNOTSUPP when the state cannot do without a section that the
 * reader does not know, or -ENOMEM.
 */
int vmport_state_pack(struct vmport_state *state, const struct vmport_blob_form *form,
		      struct vmport_packed *packed)
{
	struct vmport_packer *p;
	int r;

	BUILD_BUG_ON(sizeof(struct kvm_vmport_blob_header) != 32);
	BUILD_BUG_ON(sizeof(struct kvm_vmport_blob_section) != 16);
	BUILD_BUG_ON(sizeof(struct kvm_vmport_blob_channel) != 40);
	BUILD_BUG_ON(sizeof(struct kvm_vmport_blob_tclo) != 16);
	BUILD_BUG_ON(sizeof(struct kvm_vmport_blob_request) != 16);
	BUILD_BUG_ON(sizeof(struct kvm_vmport_blob_guestinfo) != 8);
	BUILD_BUG_ON(sizeof(struct kvm_vmport_blob_order) != 2);
	BUILD_BUG_ON(sizeof(struct kvm_vmport_blob_name) != 16);
	BUILD_BUG_ON(sizeof(struct kvm_vmport_blob_stealclock) != 16);

	*packed = (struct vmport_packed) { };
	p = kvmalloc(sizeof(*p), VMPORT_GFP);
	if (!p)
		return -ENOMEM;

	for (;;) {
		*p = (struct vmport_packer) { .packed = packed, .form = form };
		r = pack_sections(p, state);
		if (r)
			break;

		packed->copied = p->copied;
		packed->size = p->copied + p->referenced;
		r = packed->size > form->max ? -E2BIG : 0;
		if (r || packed->copied <= packed->room)
			break;
		r = make_room(packed);
		if (r)
			break;
	}

	kvfree(p);
	if (r)
		vmport_packed_free(packed);
	else
		pack_header(packed, form->features);
	return r;
}

/**
 * vmport_packed_free() - free a blob
 * @packed: from vmport_state_pack(); keeps what is no memory
 *
 * Context: may sleep.
 */
void vmport_packed_free(struct vmport_packed *packed)
{
	u32 i;

	for (i = 0; i < packed->count; i++)
		vmport_guestinfo_put(packed->pieces[i].entry);
	kvfree(packed->pieces);
	kvfree(packed->buffer);
	*packed = (struct vmport_packed) {
		.size = packed->size,
		.lacking = packed->lacking,
	};
}
