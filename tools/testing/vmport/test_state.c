// SPDX-License-Identifier: GPL-2.0-only
/* The state blob: what GET packs, SET accepts again and refuses. */
#include <linux/bits.h>

#include "blob.h"
#include "generator.h"

#define HEADER		32

CONVERSATION("the empty state is a header of 32 bytes and nothing else")
{
	static const u8 start[16] = { 'V', 'M', 'P', 'S', 1, 0, 32, 0, 32 };
	struct chan chan;
	size_t size;
	u8 *blob;

	blob = vm_pack(vm, &size);
	CHECK_EQ(size, 32);
	CHECK(!memcmp(blob, start, sizeof(start)));
	CHECK(!memchr_inv(blob + 20, 0, 12));
	free(blob);

	/* What is over leaves nothing behind. */
	host_set_text(vm, "k", "v");
	chan = open_chan(vm, RPCI | COOKIE);
	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
	CHECK_EQ(host_delete(vm, "k"), 0);
	blob = vm_pack(vm, &size);
	CHECK_EQ(size, 32);
	free(blob);
}

TEST("packing: with too little room, however much, nothing is packed and the need is said")
{
	struct vm *vm = vm_new(SLEEPING);
	size_t size, needed, room, live;
	u8 *blob;

	rich_state(vm);
	free(vm_pack(vm, &size));
	live = shim_live_bytes();
	for (room = 0; room < size; room++) {
		needed = 0;
		CHECK_EQ(vm_pack_up_to(vm, room, &blob, &needed), -E2BIG);
		CHECK(!blob);
		CHECK_EQ(needed, size);
		CHECK_EQ(shim_live_bytes(), live);
	}
	vm_free(vm);
}

TEST("packing: as much room as needed, or more, gives the same bytes")
{
	struct vm *vm = vm_new(SLEEPING);
	size_t size, needed;
	u8 *blob, *more;

	rich_state(vm);
	blob = vm_pack(vm, &size);
	CHECK_EQ(vm_pack_up_to(vm, size, &more, &needed), 0);
	CHECK_EQ(needed, size);
	CHECK(!memcmp(blob, more, size));
	free(more);
	CHECK_EQ(vm_pack_up_to(vm, size + 100, &more, &needed), 0);
	CHECK_EQ(needed, size);
	CHECK(!memcmp(blob, more, size));
	free(blob);
	free(more);
	vm_free(vm);
}

/* A stream that ends with an error. */
struct stream {
	struct vmport_sink sink;
	struct vmport_source source;
	const u8 *blob;
	size_t pos;
	size_t limit;
};

static int write_stream(struct vmport_sink *sink, const void *data, size_t size)
{
	struct stream *stream = container_of(sink, struct stream, sink);

	if (size > stream->limit - stream->pos)
		return -EFAULT;
	CHECK(!memcmp(stream->blob + stream->pos, data, size));
	stream->pos += size;
	return 0;
}

static int read_stream(struct vmport_source *source, void *to, size_t size)
{
	struct stream *stream = container_of(source, struct stream, source);

	if (size > stream->limit - stream->pos)
		return -EFAULT;
	memcpy(to, stream->blob + stream->pos, size);
	stream->pos += size;
	return 0;
}

/* Values on both sides of where they are no longer copied. */
static void large_values(struct vm *vm)
{
	static const u32 sizes[] = { 1000, 1023, 1024, 1025, 3000, 20000 };
	static char value[20000];
	unsigned int i;
	char key[16];

	rich_state(vm);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		snprintf(key, sizeof(key), "large%u", i);
		memset(value, 'a' + i, sizeof(value));
		CHECK_EQ(host_set(vm, key, value, sizes[i], 0, NULL), 0);
	}
}

TEST("packing: a value that is replaced or deleted before it is written is still the old one")
{
	struct vm *vm = vm_new(SLEEPING);
	struct stream stream = { .sink.write = write_stream };
	struct vmport_blob_form form = vm_form(vm);
	struct vmport_packed packed;
	size_t size;
	u8 *blob;

	large_values(vm);
	blob = vm_pack(vm, &size);
	CHECK_EQ(vmport_state_pack(vm->state, &form, &packed), 0);
	CHECK_EQ(host_set(vm, "large4", "new", 3, 0, NULL), 0);
	CHECK_EQ(host_delete(vm, "large5"), 0);
	stream.blob = blob;
	stream.limit = size;
	CHECK_EQ(vmport_packed_write(&packed, &stream.sink), 0);
	CHECK_EQ(stream.pos, size);
	vmport_packed_free(&packed);
	free(blob);
	vm_free(vm);
}

static struct chan growing;
static unsigned int rooms;

/* While the VMM's thread gets memory for a blob, the guest sends so much that it is too small. */
static void grow_meanwhile(size_t size)
{
	if (size < HEADER + KVM_VMPORT_MAX_MESSAGE)
		return;
	rooms++;
	shim_alloc_hook = NULL;
	CHECK_EQ(request(&growing, SENDPAYLOAD, 0x61616161), SUCCESS);
	CHECK_EQ(request(&growing, SENDPAYLOAD, 0x61616161), SUCCESS);
	shim_alloc_hook = grow_meanwhile;
}

TEST("packing: a guest that sends all the while does not make it go on and on")
{
	struct vm *vm = vm_new(SLEEPING);
	struct vmport_blob_form form = vm_form(vm);
	struct chan chan = open_chan(vm, RPCI);
	static u8 text[KVM_VMPORT_MAX_MESSAGE];
	struct vmport_packed packed;

	send_part(&chan, text, sizeof(text), sizeof(text) - 4);
	growing = open_chan(vm, RPCI);
	CHECK_EQ(request(&growing, SENDSIZE, KVM_VMPORT_MAX_MESSAGE), SUCCESS);
	rooms = 0;
	shim_alloc_hook = grow_meanwhile;
	CHECK_EQ(vmport_state_pack(vm->state, &form, &packed), 0);
	shim_alloc_hook = NULL;
	tap_note("room was made %u times", rooms);
	CHECK(rooms >= 2 && rooms < 10);
	vmport_packed_free(&packed);
	vm_free(vm);
}

TEST("a stream that fails, anywhere, ends packing and loading with its error and leaks nothing")
{
	struct vm *vm = vm_new(SLEEPING), *other = vm_new(SLEEPING);
	struct stream stream = { .sink.write = write_stream, .source.read = read_stream };
	struct vmport_blob_error why = { .error = -1 };
	struct vmport_blob_form form = vm_form(vm);
	struct vmport_packed packed;
	struct vmport_state *state;
	size_t size, live;
	u8 *blob;

	large_values(vm);
	blob = vm_pack(vm, &size);
	stream.blob = blob;
	live = shim_live_bytes();
	for (stream.limit = 0; stream.limit < size; stream.limit++) {
		stream.pos = 0;
		state = vmport_state_unpack(&other->config, &other->events, &stream.source,
					    size, &why);
		CHECK_EQ(PTR_ERR(state), -EFAULT);
		CHECK_EQ(why.error, KVM_VMPORT_ERR_NONE);
		CHECK_EQ(why.offset, 0);
		CHECK_EQ(shim_live_bytes(), live);
	}

	CHECK_EQ(vmport_state_pack(vm->state, &form, &packed), 0);
	for (stream.limit = 0; stream.limit < size; stream.limit++) {
		stream.pos = 0;
		CHECK_EQ(vmport_packed_write(&packed, &stream.sink), -EFAULT);
	}
	vmport_packed_free(&packed);
	CHECK_EQ(shim_live_bytes(), live);
	free(blob);
	vm_free(vm);
	vm_free(other);
}

TEST("loading: of two errors a wrong checksum is the one that is reported, or none can be told")
{
	struct vm *vm = vm_new(SLEEPING), *other = vm_new(SLEEPING);
	struct stream stream = { .source.read = read_stream };
	struct vmport_blob_error why;
	size_t size, pos;
	u8 *blob;

	large_values(vm);
	blob = vm_pack(vm, &size);
	for (pos = sizeof(struct kvm_vmport_blob_header); pos < size; pos += 7) {
		blob[pos] ^= 0xff;
		CHECK_EQ(vm_unpack(other, blob, size, &why), -EINVAL);
		CHECK_EQ(why.error, KVM_VMPORT_ERR_CHECKSUM);
		CHECK_EQ(why.offset, offsetof(struct kvm_vmport_blob_header, checksum));
		/* The rest is needed for that. */
		stream.blob = blob;
		stream.limit = size - 1;
		stream.pos = 0;
		CHECK_EQ(PTR_ERR(vmport_state_unpack(&other->config, &other->events,
						     &stream.source, size, &why)), -EFAULT);
		CHECK_EQ(why.error, KVM_VMPORT_ERR_NONE);
		blob[pos] ^= 0xff;
	}
	CHECK_EQ(vm_unpack(other, blob, size, &why), 0);
	free(blob);
	vm_free(vm);
	vm_free(other);
}

TEST("the format: a blob built by hand is accepted, packed again the same, and means what it says")
{
	struct kvm_vmport_blob_channel half_sent = {
		.id = cpu_to_le16(3),
		.flags = cpu_to_le16(KVM_VMPORT_CHANNEL_COOKIE | KVM_VMPORT_CHANNEL_SEND),
		.protocol = cpu_to_le32(RPCI),
		.cookie_high = cpu_to_le32(0x12345678),
		.cookie_low = cpu_to_le32(0x9abcdef0),
		.send_size = cpu_to_le32(20),
		.send_done = cpu_to_le32(16),
	};
	struct kvm_vmport_blob_channel running = {
		.id = cpu_to_le16(127),
		.flags = cpu_to_le16(KVM_VMPORT_CHANNEL_RUN),
		.protocol = cpu_to_le32(TCLO),
		.request = cpu_to_le64(7),
	};
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan = { .vm = vm, .id = 3, .cookie_high = 0x12345678,
			     .cookie_low = 0x9abcdef0 };
	struct chan tools = { .vm = vm, .id = 127 };
	char reply[32] = "", text[32] = "";
	struct blob blob;
	u32 status, size;

	blob_init(&blob);
	blob_channel(&blob, &half_sent, "info-get guestin");
	blob_channel(&blob, &running, "");
	blob_begin(&blob, KVM_VMPORT_SECTION_TCLO, KVM_VMPORT_SECTION_CRITICAL);
	blob_tclo(&blob, 10, 3);
	blob_request(&blob, 6, KVM_VMPORT_REQUEST_LOST, "");
	blob_request(&blob, 5, KVM_VMPORT_REQUEST_ANSWERED, "OK five");
	blob_request(&blob, 9, KVM_VMPORT_REQUEST_QUEUED, "OS_Halt");
	blob_end(&blob);
	blob_begin(&blob, KVM_VMPORT_SECTION_GUESTINFO, KVM_VMPORT_SECTION_CRITICAL);
	blob_entry(&blob, "fo", "", 0);
	blob_entry(&blob, "foo", "read-only value", KVM_VMPORT_GUESTINFO_READONLY);
	blob_entry(&blob, "guestinfo.", "short", 0);
	blob_end(&blob);
	blob_seal(&blob);
	check_accepted(vm, blob.data, blob.size);
	blob_free(&blob);

	CHECK_EQ(request(&chan, SENDPAYLOAD, 'f' | 'o' << 8 | '.' << 16 | 'x' << 24), SUCCESS);
	CHECK_EQ(receive(&chan, reply, sizeof(reply)), strlen("0 No value found"));
	CHECK(!strcmp(reply, "0 No value found"));

	CHECK_EQ(host_result(vm, &status, text, &size), 6);
	CHECK_EQ(status, KVM_VMPORT_TCLO_LOST);
	CHECK_EQ(host_result(vm, &status, text, &size), 5);
	CHECK_EQ(status, KVM_VMPORT_TCLO_ANSWERED);
	CHECK(!strcmp(text, "OK five"));
	CHECK_EQ(host_result(vm, NULL, NULL, NULL), 0);
	send_message(&tools, "OK", 2);
	CHECK_EQ(host_result(vm, &status, text, &size), 7);
	CHECK(!strcmp(text, "OK"));
	CHECK_EQ(receive(&tools, text, sizeof(text)), 7);
	CHECK(!memcmp(text, "OS_Halt", 7));
	CHECK_EQ(host_request(vm, "next"), 10);
	CHECK(!strcmp(host_get(vm, "foo", NULL), "read-only value"));
	vm_free(vm);
}

TEST("the format: a rich state is byte for byte what is built by hand from the description")
{
	static const char metadata[] = "1 id: 1";
	struct kvm_vmport_blob_channel channel = {
		.id = cpu_to_le16(0),
		.flags = cpu_to_le16(KVM_VMPORT_CHANNEL_RECV),
		.protocol = cpu_to_le32(RPCI),
		.recv_size = cpu_to_le32(7),
		.recv_done = cpu_to_le32(4),
	};
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan;
	struct blob blob;
	size_t size;
	u8 *packed;

	host_set_text(vm, "guestinfo.metadata", "id: 1");
	host_set_text(vm, "guestinfo.meta", "");
	host_request(vm, "OS_Halt");
	chan = open_chan(vm, RPCI);
	send_message(&chan, "info-get guestinfo.metadata", 27);
	CHECK_EQ(request(&chan, RECVPAYLOAD, 1), SUCCESS);

	blob_init(&blob);
	blob_channel(&blob, &channel, metadata);
	blob_begin(&blob, 2, 1);
	blob_tclo(&blob, 2, 1);
	blob_request(&blob, 1, KVM_VMPORT_REQUEST_QUEUED, "OS_Halt");
	blob_end(&blob);
	blob_begin(&blob, 3, 1);
	blob_entry(&blob, "guestinfo.meta", "", 0);
	blob_entry(&blob, "guestinfo.metadata", "id: 1", 0);
	blob_end(&blob);
	blob_seal(&blob);

	packed = vm_pack(vm, &size);
	CHECK_EQ(size, blob.size);
	CHECK(!memcmp(packed, blob.data, size));
	free(packed);
	blob_free(&blob);
	vm_free(vm);
}

TEST("GET, SET, GET gives the same bytes for one of everything")
{
	struct vm *vm = vm_new(SLEEPING), *other = vm_new(SLEEPING);
	size_t size;
	u8 *blob;

	rich_state(vm);
	blob = vm_pack(vm, &size);
	host_set_text(other, "guestinfo.old", "gone");
	check_accepted(other, blob, size);
	check_accepted(other, blob, size);
	free(blob);
	vm_free(vm);
	vm_free(other);
}

/* The limit that the issue sets: live data, and so much around each piece. */
static void check_blob_size(struct vm *vm)
{
	const struct vmport_state *state = vm->state;
	size_t live = state->guestinfo.bytes, bound = 256, size;
	unsigned int i;

	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS; i++) {
		const struct vmport_channel *channel = state->channels[i];

		if (!channel || !vmport_channel_is_open(channel))
			continue;
		bound += 64;
		if (vmport_channel_is_sending(channel))
			live += channel->send_done;
		if (channel->activity == VMPORT_ASKING)
			live += channel->send_size;
		if (vmport_channel_is_waiting(channel))
			live += vmport_channel_recv_size(channel);
	}
	/* A request is its record too: there is no other place for id and kind. */
	for (i = 0; i < state->tclo.queued; i++)
		live += sizeof(struct kvm_vmport_blob_request) + state->tclo.queue[i]->size;
	for (i = 0; i < state->tclo.unread; i++)
		live += sizeof(struct kvm_vmport_blob_request) + state->tclo.results[i]->size;
	bound += 16 * state->guestinfo.count;

	free(vm_pack(vm, &size));
	CHECK(size <= live + bound);
}

/* The same conversation on three VMs, each answer and in the end each state the same. */
static void converse(u64 seed, unsigned int steps, u32 sane, bool limited)
{
	static struct outcome expected, seen;
	struct generator *gen = generator_new(seed);
	struct vm *vms[MODES];
	unsigned int step, i;
	size_t size, size2;
	const struct op *op;
	u8 *blob, *blob2;

	gen->sane = sane;
	gen->exit_rpc = seed % 2;
	for (i = 0; i < MODES; i++)
		vms[i] = vm_new(i);
	if (gen->exit_rpc)
		vms[0]->config.features |= KVM_VMPORT_FEATURE_EXIT_RPC;
	if (limited)
		random_limits(gen, &vms[0]->config.limits);
	for (i = 1; i < MODES; i++)
		vms[i]->config = vms[0]->config;

	for (step = 0; step < steps; step++) {
		tap_context("seed %llu, step %u", seed, step);
		op = generator_next(gen);
		vm_apply(vms[0], op, step, &expected);
		for (i = 1; i < MODES; i++) {
			vm_apply(vms[i], op, step, &seen);
			check_same(op, &seen, &expected);
		}
		check_blob_size(vms[0]);
		generator_learn(gen, &expected);
	}

	blob = vm_pack(vms[0], &size);
	for (i = 1; i < MODES; i++) {
		blob2 = vm_pack(vms[i], &size2);
		CHECK_EQ(size2, size);
		CHECK(!memcmp(blob, blob2, size));
		free(blob2);
	}
	free(blob);
	CHECK(vms[FAST]->fast > steps / 8);
	CHECK(vms[FAST]->slow > steps / 30);
	for (i = 0; i < MODES; i++)
		vm_free(vms[i]);
	generator_free(gen);
	CHECK_EQ(shim_live_bytes(), 0);
}

TEST("round trip at every step of random conversations: migrated, fast and plain VMs agree")
{
	u64 seed;

	for (seed = 1001; seed <= 1012; seed++)
		converse(seed, 1500, 95, false);
}

TEST("the same with small limits and half of it nonsense")
{
	u64 seed;

	for (seed = 1101; seed <= 1112; seed++)
		converse(seed, 1500, seed % 2 ? 95 : 50, true);
}

/* A blob of one of everything, small enough to try each byte of. */
static u8 *rich_blob(size_t *size)
{
	struct vm *vm = vm_new(SLEEPING);
	u8 *blob;

	rich_state(vm);
	blob = vm_pack(vm, size);
	vm_free(vm);
	return blob;
}

TEST("each truncation of a valid blob is refused as too short, nothing changed")
{
	struct vm *vm = vm_new(SLEEPING);
	size_t size, cut;
	u8 *blob;

	blob = rich_blob(&size);
	host_set_text(vm, "k", "v");
	for (cut = 0; cut < size; cut++) {
		tap_context("%zu of %zu bytes", cut, size);
		check_refused(vm, blob, cut, -EINVAL, KVM_VMPORT_ERR_LENGTH, cut < HEADER ? 0 : 8);
	}
	free(blob);
	vm_free(vm);
}

TEST("each extension of a valid blob is refused: by length, and as a section cut short")
{
	struct kvm_vmport_blob_header *header;
	struct vm *vm = vm_new(SLEEPING);
	size_t size, more;
	u8 *blob;

	blob = rich_blob(&size);
	blob = realloc(blob, size + 16);
	header = (void *)blob;
	memset(blob + size, 0, 16);
	for (more = 1; more < 16; more++) {
		header->size = cpu_to_le64(size);
		blob_checksum(blob, size);
		check_refused(vm, blob, size + more, -EINVAL, KVM_VMPORT_ERR_LENGTH, 8);
		header->size = cpu_to_le64(size + more);
		blob_checksum(blob, size + more);
		check_refused(vm, blob, size + more, -EINVAL, KVM_VMPORT_ERR_SECTION, size);
	}
	free(blob);
	vm_free(vm);
}

/* Refused with nothing changed, or accepted and packed to exactly the same. */
static bool refused_or_same(struct vm *vm, const u8 *blob, size_t size)
{
	struct vmport_state *before = vm->state, *state;
	size_t live = shim_live_bytes(), again_size;
	struct vmport_blob_error why;
	u8 *again;

	state = vm_state_of(vm, blob, size, &why);
	CHECK(vm->state == before);
	if (IS_ERR(state)) {
		CHECK_EQ(shim_live_bytes(), live);
		CHECK(why.error);
		CHECK(why.offset <= size);
		return false;
	}

	CHECK_EQ(why.error, 0);
	vm->state = state;
	again = vm_pack(vm, &again_size);
	vm->state = before;
	if (!blob_may_change(blob, size)) {
		CHECK_EQ(again_size, size);
		CHECK(!memcmp(again, blob, size));
	}
	free(again);
	vmport_state_free(state);
	return true;
}

TEST("each truncation with length and checksum put right is refused, or ends between two sections")
{
	struct vm *vm = vm_new(SLEEPING);
	struct kvm_vmport_blob_header *header;
	size_t size, cut, accepted = 0;
	u8 *blob, *copy;

	blob = rich_blob(&size);
	for (cut = HEADER; cut < size; cut++) {
		tap_context("%zu of %zu bytes", cut, size);
		copy = malloc(cut);
		memcpy(copy, blob, cut);
		header = (void *)copy;
		header->size = cpu_to_le64(cut);
		blob_checksum(copy, cut);
		accepted += refused_or_same(vm, copy, cut);
		free(copy);
	}
	/*
	 * After the header, channel 0, channel 1, the TCLO and the guestinfo section.
	 * Channels 2 and 3 hold requests, which cannot be without the TCLO section.
	 */
	CHECK_EQ(accepted, 5);
	free(blob);
	vm_free(vm);
}

TEST("each change of one byte with the old checksum is refused")
{
	struct vm *vm = vm_new(SLEEPING);
	size_t size, pos;
	u8 *blob, was;
	int bits;

	blob = rich_blob(&size);
	for (pos = 0; pos < size; pos++) {
		was = blob[pos];
		for (bits = 1; bits < 256; bits++) {
			tap_context("byte %zu ^ %#x", pos, bits);
			blob[pos] = was ^ bits;
			CHECK(!refused_or_same(vm, blob, size));
		}
		blob[pos] = was;
	}
	CHECK(refused_or_same(vm, blob, size));
	free(blob);
	vm_free(vm);
}

TEST("each change of one byte with the checksum put right is refused, or packs again to itself")
{
	unsigned long accepted = 0, refused = 0;
	struct vm *vm = vm_new(SLEEPING);
	size_t size, pos;
	u8 *blob, was;
	int bits;

	blob = rich_blob(&size);
	for (pos = 0; pos < size; pos++) {
		was = blob[pos];
		for (bits = 1; bits < 256; bits++) {
			tap_context("byte %zu ^ %#x", pos, bits);
			blob[pos] = was ^ bits;
			blob_checksum(blob, size);
			if (refused_or_same(vm, blob, size))
				accepted++;
			else
				refused++;
		}
		blob[pos] = was;
	}
	tap_note("%zu bytes: %lu changes refused, %lu packed again to themselves", size, refused,
		 accepted);
	CHECK(refused > accepted);
	free(blob);
	vm_free(vm);
}

/* Several changes at once, in pieces of all widths. */
static void mutate(struct rng *rng, u8 *blob, size_t size)
{
	static const u64 values[] = {
		0, 1, 2, 3, 7, 8, 15, 16, 17, 127, 128, 256, 4096, 65535, 65536, 65537, 65600,
		65601, 1ull << 31, U32_MAX, U64_MAX, U64_MAX - 7, U64_MAX - 15,
	};
	u32 count = 1 + rng_below(rng, 4), width;
	u64 value;
	size_t pos;

	while (count--) {
		width = 1u << rng_below(rng, 4);
		pos = HEADER + rng_below(rng, (size - HEADER) / width) * width;
		value = values[rng_below(rng, ARRAY_SIZE(values))];
		if (!rng_below(rng, 4))
			value = rng_next(rng);
		if (pos + width <= size)
			memcpy(blob + pos, &value, width);
	}
}

TEST("50,000 random changes of random blobs: none crashes, leaks or half applies")
{
	static struct outcome outcome;
	unsigned long accepted = 0;
	struct rng rng = { .state = 77 };
	u64 seed, step;
	unsigned int i;

	for (seed = 1; seed <= 25; seed++) {
		struct generator *gen = generator_new(seed);
		struct vm *vm = vm_new(SLEEPING);
		size_t size;
		u8 *blob, *copy;

		vm->config.features |= KVM_VMPORT_FEATURE_EXIT_RPC;
		for (step = 0; step < 400; step++) {
			vm_apply(vm, generator_next(gen), step, &outcome);
			generator_learn(gen, &outcome);
		}
		blob = vm_pack(vm, &size);
		copy = malloc(size);
		for (i = 0; i < 2000; i++) {
			tap_context("seed %llu, change %u", seed, i);
			memcpy(copy, blob, size);
			mutate(&rng, copy, size);
			blob_checksum(copy, size);
			accepted += refused_or_same(vm, copy, size);
		}
		free(copy);
		free(blob);
		vm_free(vm);
		generator_free(gen);
	}
	tap_note("%lu accepted", accepted);
	CHECK(accepted > 100);
}

TEST("the guest goes on with each state that is accepted: random calls on changed blobs")
{
	static struct outcome outcome;
	struct rng rng = { .state = 78 };
	unsigned int accepted = 0, i;
	size_t size;
	u64 step;
	u8 *blob, *copy;

	blob = rich_blob(&size);
	copy = malloc(size);
	for (i = 0; i < 4000; i++) {
		struct vm *vm = vm_new(SLEEPING);
		struct generator *gen;

		tap_context("change %u", i);
		memcpy(copy, blob, size);
		mutate(&rng, copy, size);
		blob_checksum(copy, size);
		if (!blob_load(vm, copy, size, NULL)) {
			accepted++;
			gen = generator_new(i);
			/* It knows no cookie; half of the channels have none. */
			gen->sane = 30;
			for (step = 0; step < 100; step++) {
				vm_apply(vm, generator_next(gen), step, &outcome);
				generator_learn(gen, &outcome);
			}
			vm_migrate(vm);
			generator_free(gen);
		}
		vm_free(vm);
	}
	CHECK(accepted > 100);
	free(copy);
	free(blob);
}

/* Each id that there is, as high as a blob may have it. */
TEST("from ids at their ceiling only to states that load: random conversations")
{
	const struct kvm_vmport_blob_channel asking = {
		.flags = cpu_to_le16(KVM_VMPORT_CHANNEL_ASK),
		.protocol = cpu_to_le32(RPCI),
		.send_size = cpu_to_le32(4),
		.send_done = cpu_to_le32(4),
		.request = cpu_to_le64(S64_MAX),
	}, running = {
		.id = cpu_to_le16(1),
		.flags = cpu_to_le16(KVM_VMPORT_CHANNEL_RUN),
		.protocol = cpu_to_le32(TCLO),
		.request = cpu_to_le64(S64_MAX - 1),
	};
	static struct outcome outcome;
	unsigned int refused = 0, seed;
	struct generator *gen;
	struct blob blob;
	struct vm *vm;
	u64 step;

	blob_init(&blob);
	blob_channel(&blob, &asking, "what");
	blob_channel(&blob, &running, "");
	blob_begin(&blob, KVM_VMPORT_SECTION_TCLO, KVM_VMPORT_SECTION_CRITICAL);
	blob_tclo(&blob, S64_MAX, 1);
	blob_request(&blob, S64_MAX - 2, KVM_VMPORT_REQUEST_QUEUED, "ping");
	blob_end(&blob);
	blob_seal(&blob);

	for (seed = 0; seed < 8; seed++) {
		tap_context("seed %u", seed);
		vm = vm_new(MIGRATED);
		vm->config.features |= KVM_VMPORT_FEATURE_EXIT_RPC;
		CHECK_EQ(blob_load(vm, blob.data, blob.size, NULL), 0);
		gen = generator_new(seed);
		gen->exit_rpc = true;
		gen->sane = 80;
		for (step = 0; step < 400; step++) {
			const struct op *op = generator_next(gen);

			vm_apply(vm, op, step, &outcome);
			vm_migrate(vm);
			generator_learn(gen, &outcome);
			refused += op->kind == OP_REQUEST;
			CHECK(op->kind != OP_REQUEST || !outcome.id);
			CHECK(atomic64_read(&vm->events.asked) <= step + 1);
		}
		generator_free(gen);
		vm_free(vm);
	}
	tap_note("%u requests refused", refused);
	CHECK(refused > 20);
	blob_free(&blob);
}

TEST("sets that fill all: 128 channels, 4096 keys, 16 requests go through a blob")
{
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan;
	char key[32];
	size_t size;
	int i;

	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS; i++) {
		chan = open_chan(vm, i % 3 ? RPCI | COOKIE : TCLO);
		send_part(&chan, "log something", 13, i % 4 * 4);
	}
	for (i = 0; i < KVM_VMPORT_MAX_KEYS; i++) {
		snprintf(key, sizeof(key), "guestinfo.%d", i);
		host_set_text(vm, key, key + i % 10);
	}
	for (i = 0; i < KVM_VMPORT_MAX_TCLO; i++)
		CHECK(host_request(vm, "ping"));
	check_blob_size(vm);
	vm_migrate(vm);
	CHECK_EQ(vm->state->guestinfo.count, KVM_VMPORT_MAX_KEYS);
	CHECK_EQ(host_request(vm, "ping"), 0);
	free(vm_pack(vm, &size));
	vm_free(vm);
}

TEST("promised features: all that the VM lacks are named, before anything else is looked at")
{
	const u64 promises = KVM_VMPORT_FEATURE_ENABLE | KVM_VMPORT_FEATURE_RPC |
			     KVM_VMPORT_FEATURE_HB | KVM_VMPORT_FEATURE_RING3 | 1ULL << 63;
	struct vm *vm = vm_new(SLEEPING), *other = vm_new(SLEEPING);
	struct vmport_blob_error why;
	size_t size, again_size;
	u8 *blob, *again;

	vm->promises = promises;
	CHECK_EQ(host_set(vm, "guestinfo.a", "b", 1, 0, NULL), 0);
	blob = vm_pack(vm, &size);
	CHECK_EQ(host_set(other, "guestinfo.stays", "c", 1, 0, NULL), 0);

	CHECK_EQ(blob_load(other, blob, size, &why), -EPERM);
	CHECK_EQ(why.error, KVM_VMPORT_ERR_FEATURE);
	CHECK_EQ(why.offset, offsetof(struct kvm_vmport_blob_header, features));
	CHECK_EQ(why.features, KVM_VMPORT_FEATURE_HB | KVM_VMPORT_FEATURE_RING3 | 1ULL << 63);
	/* Whatever stands behind the header. */
	((struct kvm_vmport_blob_section *)(blob + 32))->type = cpu_to_le32(63);
	blob_checksum(blob, size);
	CHECK_EQ(blob_load(other, blob, size, &why), -EPERM);
	CHECK_EQ(why.error, KVM_VMPORT_ERR_FEATURE);
	/* But for damage on the way. */
	blob[size - 1] ^= 1;
	CHECK_EQ(blob_load(other, blob, size, &why), -EINVAL);
	CHECK_EQ(why.error, KVM_VMPORT_ERR_CHECKSUM);
	CHECK_EQ(why.features, 0);
	free(blob);
	CHECK(!strcmp(host_get(other, "guestinfo.stays", NULL), "c"));

	/* More than was promised does no harm. */
	blob = vm_pack(vm, &size);
	other->config.features = promises | KVM_VMPORT_FEATURE_PMC;
	CHECK_EQ(blob_load(other, blob, size, &why), 0);
	other->promises = promises;
	again = vm_pack(other, &again_size);
	CHECK_EQ(again_size, size);
	CHECK(!memcmp(again, blob, size));
	free(again);
	free(blob);
	vm_free(other);
	vm_free(vm);
}

#define SECTION_BIT(_name)	BIT_ULL(KVM_VMPORT_SECTION_##_name)

/* The blob for a reader of @sections is the whole one without the others. */
static void check_fewer(struct vm *vm, u64 sections)
{
	struct vmport_blob_form form = vm_form(vm);
	struct kvm_vmport_blob_section *section;
	size_t size, all_size, pos = HEADER, kept = HEADER, next;
	u8 *blob, *all = vm_pack(vm, &all_size);
	struct vmport_packed packed;
	u64 left_out = 0;

	form.sections = sections;
	CHECK_EQ(vm_pack_form(vm, &form, &blob, &size), 0);
	for (; pos < all_size; pos += next) {
		section = (void *)(all + pos);
		next = sizeof(*section) + (le64_to_cpu(section->size) + 7) / 8 * 8;
		if (!(sections & BIT_ULL(le32_to_cpu(section->type)))) {
			left_out |= BIT_ULL(le32_to_cpu(section->type));
			continue;
		}
		memmove(all + kept, all + pos, next);
		kept += next;
	}
	((struct kvm_vmport_blob_header *)all)->size = cpu_to_le64(kept);
	blob_checksum(all, kept);
	CHECK(kept < all_size);
	CHECK_EQ(size, kept);
	/* The VMM is told. */
	form.max = 0;
	CHECK_EQ(vmport_state_pack(vm->state, &form, &packed), -E2BIG);
	CHECK_EQ(packed.left_out, left_out);
	CHECK_EQ(packed.lacking, 0);
	CHECK(!memcmp(blob, all, size));
	check_accepted(vm, blob, size);
	free(blob);
	free(all);
}

TEST("a reader that knows fewer sections: the optional ones are left out, the others refused")
{
	struct vm *vm = vm_new(SLEEPING);
	struct vmport_blob_form form = vm_form(vm);
	struct chan other = open_chan(vm, RPCI | COOKIE);
	struct chan tools;
	size_t size;
	u8 *blob;

	CHECK_EQ(vmport_section_types(), SECTION_BIT(CHANNEL) | SECTION_BIT(TCLO) |
		 SECTION_BIT(GUESTINFO) | SECTION_BIT(ORDER) | SECTION_BIT(NAMES) |
		 SECTION_BIT(STEALCLOCK) | SECTION_BIT(MARKS));

	large_values(vm);
	tools = open_chan(vm, TCLO);
	send_message(&tools, "OK ATR toolbox-dnd", 18);
	shim_add_jiffies(1);
	CHECK_EQ(request(&other, RECVSIZE, 0), SUCCESS);

	/* The order of use and the names: nothing is lost but precision. */
	check_fewer(vm, vmport_section_types() & ~(SECTION_BIT(ORDER) | SECTION_BIT(NAMES)));

	form.sections = ~SECTION_BIT(GUESTINFO);
	CHECK_EQ(vm_pack_form(vm, &form, &blob, &size), -EOPNOTSUPP);
	CHECK(!blob);
	vm_free(vm);
}

TEST("which sections the state cannot do without, all of them")
{
	struct vm *vm = vm_new(SLEEPING);
	struct vmport_blob_form form = vm_form(vm);
	struct vmport_packed packed;

	CHECK_EQ(host_set(vm, "guestinfo.a", "b", 1, 0, NULL), 0);
	CHECK_EQ(host_request(vm, "ping"), 1);
	open_chan(vm, TCLO);
	form.sections = 0;
	CHECK_EQ(vmport_state_pack(vm->state, &form, &packed), -EOPNOTSUPP);
	CHECK_EQ(packed.lacking,
		 SECTION_BIT(CHANNEL) | SECTION_BIT(TCLO) | SECTION_BIT(GUESTINFO));
	form.sections = SECTION_BIT(TCLO);
	CHECK_EQ(vmport_state_pack(vm->state, &form, &packed), -EOPNOTSUPP);
	CHECK_EQ(packed.lacking, SECTION_BIT(CHANNEL) | SECTION_BIT(GUESTINFO));
	vm_free(vm);
}
