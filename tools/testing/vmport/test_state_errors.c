// SPDX-License-Identifier: GPL-2.0-only
/* Blobs that are refused: each error with its errno and its place, one at a time. */
#include "blob.h"

#define HEADER		32
/* Where things stand in a blob whose first section is the one in question. */
#define PAYLOAD		(HEADER + 16)
#define FIELD(_record, _field)	(PAYLOAD + offsetof(struct kvm_vmport_blob_##_record, _field))

static struct kvm_vmport_blob_channel rpci_channel(void)
{
	return (struct kvm_vmport_blob_channel){ .protocol = cpu_to_le32(RPCI) };
}

static struct kvm_vmport_blob_channel tclo_channel(u16 flags, u64 id)
{
	return (struct kvm_vmport_blob_channel) {
		.protocol = cpu_to_le32(TCLO),
		.flags = cpu_to_le16(flags),
		.request = cpu_to_le64(id),
	};
}

/* A blob of this one section. */
static void check_channel(const struct kvm_vmport_blob_channel *packed, const char *bytes, int r,
			  u32 error, u64 offset)
{
	struct blob blob;

	blob_init(&blob);
	blob_channel(&blob, packed, bytes);
	check_blob(&blob, r, error, offset);
	blob_free(&blob);
}

TEST("error SIZE: fewer bytes than a header: EINVAL, ERR_LENGTH")
{
	struct vm *vm = vm_new(SLEEPING);
	struct blob blob;
	size_t size;

	blob_init(&blob);
	blob_seal(&blob);
	for (size = 0; size < HEADER; size++)
		check_refused(vm, blob.data, size, -EINVAL, KVM_VMPORT_ERR_LENGTH, 0);
	check_accepted(vm, blob.data, blob.size);
	blob_free(&blob);
	vm_free(vm);
}

static void check_header(size_t field, size_t width, u64 value, bool reseal, int r,
			 u32 error, u64 offset)
{
	struct vm *vm = vm_new(SLEEPING);
	struct blob blob;

	value = cpu_to_le64(value);
	blob_init(&blob);
	blob_seal(&blob);
	memcpy(blob.data + field, &value, width);
	if (reseal)
		blob_checksum(blob.data, blob.size);
	check_refused(vm, blob.data, blob.size, r, error, offset);
	blob_free(&blob);
	vm_free(vm);
}

TEST("error MAGIC, VERSION: told before the checksum, newer versions EOPNOTSUPP")
{
	check_header(0, 4, 0x53504d57, false, -EINVAL, KVM_VMPORT_ERR_MAGIC, 0);
	check_header(0, 4, 0, true, -EINVAL, KVM_VMPORT_ERR_MAGIC, 0);
	check_header(4, 2, 0, true, -EINVAL, KVM_VMPORT_ERR_VERSION, 4);
	check_header(4, 2, 2, true, -EOPNOTSUPP, KVM_VMPORT_ERR_VERSION, 4);
	/* Of a newer format nothing else is known, so nothing else matters. */
	check_header(4, 2, 0xffff, false, -EOPNOTSUPP, KVM_VMPORT_ERR_VERSION, 4);
}

TEST("error LENGTH: header_size or size that is not what is given")
{
	check_header(6, 2, 31, true, -EINVAL, KVM_VMPORT_ERR_LENGTH, 6);
	check_header(6, 2, 40, true, -EINVAL, KVM_VMPORT_ERR_LENGTH, 6);
	check_header(8, 8, 31, true, -EINVAL, KVM_VMPORT_ERR_LENGTH, 8);
	check_header(8, 8, 33, true, -EINVAL, KVM_VMPORT_ERR_LENGTH, 8);
	check_header(8, 8, (1ull << 32) + 32, true, -EINVAL, KVM_VMPORT_ERR_LENGTH, 8);
	check_header(8, 8, U64_MAX, true, -EINVAL, KVM_VMPORT_ERR_LENGTH, 8);
}

TEST("error CHECKSUM, and RESERVED in the header")
{
	check_header(16, 4, 0, false, -EINVAL, KVM_VMPORT_ERR_CHECKSUM, 16);
	check_header(20, 4, 1, false, -EINVAL, KVM_VMPORT_ERR_CHECKSUM, 16);
	check_header(20, 4, 1, true, -EINVAL, KVM_VMPORT_ERR_RESERVED, 20);
	check_header(24, 8, 1ull << 63, true, -EPERM, KVM_VMPORT_ERR_FEATURE, 24);
}

TEST("error SECTION: a section header cut, a payload longer than the blob, a length that wraps")
{
	static const u64 sizes[] = { 1, 9, 1ull << 32, U64_MAX, U64_MAX - 15, U64_MAX - 47 };
	struct blob blob;
	unsigned int i;

	blob_init(&blob);
	blob_bytes(&blob, "\1\0\0\0\1\0\0\0", 8);
	check_blob(&blob, -EINVAL, KVM_VMPORT_ERR_SECTION, HEADER);
	blob_free(&blob);

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		__le64 size = cpu_to_le64(sizes[i]);

		blob_init(&blob);
		blob_begin(&blob, 99, 0);
		memcpy(blob.data + HEADER + 8, &size, sizeof(size));
		check_blob(&blob, -EINVAL, KVM_VMPORT_ERR_SECTION, HEADER + 8);
		blob_free(&blob);
	}
}

TEST("error FLAGS: unknown section flags, a known section that is not marked critical")
{
	struct blob blob;

	blob_init(&blob);
	blob_begin(&blob, 99, 2);
	check_blob(&blob, -EINVAL, KVM_VMPORT_ERR_FLAGS, HEADER + 4);
	blob_free(&blob);

	blob_init(&blob);
	blob_begin(&blob, KVM_VMPORT_SECTION_GUESTINFO, 0);
	blob_entry(&blob, "k", "v", 0);
	blob_end(&blob);
	check_blob(&blob, -EINVAL, KVM_VMPORT_ERR_FLAGS, HEADER);
	blob_free(&blob);
}

/* A type that no version knows. */
#define UNKNOWN		0x10000

TEST("error CRITICAL: an unknown critical section; an unknown optional one is skipped")
{
	struct vm *vm = vm_new(SLEEPING);
	struct blob blob;
	size_t size;
	u8 *packed;

	blob_init(&blob);
	blob_begin(&blob, UNKNOWN, KVM_VMPORT_SECTION_CRITICAL);
	blob_seal(&blob);
	check_refused(vm, blob.data, blob.size, -EOPNOTSUPP, KVM_VMPORT_ERR_CRITICAL, HEADER);
	blob_free(&blob);

	blob_init(&blob);
	blob_begin(&blob, KVM_VMPORT_SECTION_GUESTINFO, KVM_VMPORT_SECTION_CRITICAL);
	blob_entry(&blob, "k", "v", 0);
	blob_end(&blob);
	/* With bytes, without, twice the same, and the largest number. */
	blob_begin(&blob, UNKNOWN, 0);
	blob_bytes(&blob, "from the future", 15);
	blob_end(&blob);
	blob_begin(&blob, UNKNOWN, 0);
	blob_end(&blob);
	blob_begin(&blob, U32_MAX, 0);
	blob_bytes(&blob, "8 bytes.", 8);
	blob_end(&blob);
	blob_seal(&blob);
	CHECK_EQ(blob_load(vm, blob.data, blob.size, NULL), 0);
	CHECK(!strcmp(host_get(vm, "k", NULL), "v"));
	/* What was not understood is not kept. */
	packed = vm_pack(vm, &size);
	CHECK_EQ(size, HEADER + 16 + 16);
	free(packed);
	blob_free(&blob);
	vm_free(vm);
}

TEST("error RESERVED: padding after a section that is not zero, also after one that is skipped")
{
	struct blob blob;
	u32 type;
	int i;

	for (i = 0; i < 2; i++) {
		type = i ? UNKNOWN : 3;
		blob_init(&blob);
		blob_begin(&blob, type, type == 3);
		if (type == 3)
			blob_entry(&blob, "k", "v", 0);
		else
			blob_bytes(&blob, "ab", 2);
		blob_end(&blob);
		blob.data[blob.size - 1] = 1;
		check_blob(&blob, -EINVAL, KVM_VMPORT_ERR_RESERVED, PAYLOAD + (type == 3 ? 10 : 2));
		blob_free(&blob);
	}
}

TEST("error SECTION: padding that is cut off at the blob's end")
{
	struct blob blob;

	blob_init(&blob);
	blob_begin(&blob, UNKNOWN, 0);
	blob_bytes(&blob, "abc", 3);
	blob_end(&blob);
	blob.size -= 2;
	check_blob(&blob, -EINVAL, KVM_VMPORT_ERR_SECTION, PAYLOAD + 3);
	blob_free(&blob);
}

TEST("error ORDER: sections or channels not ascending, or one of them twice")
{
	struct kvm_vmport_blob_channel channel = rpci_channel();
	struct blob blob;
	size_t second;
	int i;

	blob_init(&blob);
	blob_begin(&blob, 3, 1);
	blob_entry(&blob, "k", "v", 0);
	blob_end(&blob);
	second = blob.size;
	blob_channel(&blob, &channel, "");
	check_blob(&blob, -EINVAL, KVM_VMPORT_ERR_ORDER, second);
	blob_free(&blob);

	blob_init(&blob);
	for (i = 0; i < 2; i++) {
		second = blob.size;
		blob_begin(&blob, 3, 1);
		blob_entry(&blob, i ? "l" : "k", "v", 0);
		blob_end(&blob);
	}
	check_blob(&blob, -EINVAL, KVM_VMPORT_ERR_ORDER, second);
	blob_free(&blob);

	blob_init(&blob);
	for (i = 0; i < 2; i++) {
		second = blob.size;
		blob_begin(&blob, 2, 1);
		blob_tclo(&blob, 5, 0);
		blob_end(&blob);
	}
	check_blob(&blob, -EINVAL, KVM_VMPORT_ERR_ORDER, second);
	blob_free(&blob);

	for (i = 4; i <= 5; i++) {
		blob_init(&blob);
		channel.id = cpu_to_le16(5);
		blob_channel(&blob, &channel, "");
		second = blob.size;
		channel.id = cpu_to_le16(i);
		blob_channel(&blob, &channel, "");
		check_blob(&blob, -EINVAL, KVM_VMPORT_ERR_ORDER, second + 16);
		blob_free(&blob);
	}
}

TEST("error SECTION: a channel's payload shorter than its record, or not as long as its sizes say")
{
	struct kvm_vmport_blob_channel channel = rpci_channel();
	struct blob blob;
	u32 cut;

	for (cut = 0; cut < sizeof(channel); cut++) {
		blob_init(&blob);
		blob_begin(&blob, 1, 1);
		blob_bytes(&blob, &channel, cut);
		blob_end(&blob);
		check_blob(&blob, -EINVAL, KVM_VMPORT_ERR_SECTION, PAYLOAD);
		blob_free(&blob);
	}

	check_channel(&channel, "x", -EINVAL, KVM_VMPORT_ERR_SECTION, PAYLOAD);
	channel.flags = cpu_to_le16(KVM_VMPORT_CHANNEL_SEND);
	channel.send_size = cpu_to_le32(10);
	channel.send_done = cpu_to_le32(5);
	check_channel(&channel, "12345", 0, 0, 0);
	check_channel(&channel, "1234", -EINVAL, KVM_VMPORT_ERR_SECTION, PAYLOAD);
	check_channel(&channel, "123456", -EINVAL, KVM_VMPORT_ERR_SECTION, PAYLOAD);
	channel.flags = cpu_to_le16(KVM_VMPORT_CHANNEL_RECV);
	channel.send_size = 0;
	channel.send_done = 0;
	channel.recv_size = cpu_to_le32(5);
	check_channel(&channel, "12345", 0, 0, 0);
	check_channel(&channel, "1234", -EINVAL, KVM_VMPORT_ERR_SECTION, PAYLOAD);
}

TEST("error CHANNEL_ID, PROTOCOL, FLAGS of a channel")
{
	struct kvm_vmport_blob_channel channel = rpci_channel();

	channel.id = cpu_to_le16(127);
	check_channel(&channel, "", 0, 0, 0);
	channel.id = cpu_to_le16(128);
	check_channel(&channel, "", -EINVAL, KVM_VMPORT_ERR_CHANNEL_ID, FIELD(channel, id));
	channel.id = cpu_to_le16(0xffff);
	check_channel(&channel, "", -EINVAL, KVM_VMPORT_ERR_CHANNEL_ID, FIELD(channel, id));

	channel = rpci_channel();
	channel.protocol = cpu_to_le32(RPCI | COOKIE);
	check_channel(&channel, "", -EINVAL, KVM_VMPORT_ERR_PROTOCOL, FIELD(channel, protocol));
	channel.protocol = 0;
	check_channel(&channel, "", -EINVAL, KVM_VMPORT_ERR_PROTOCOL, FIELD(channel, protocol));

	channel = rpci_channel();
	channel.flags = cpu_to_le16(1 << 6);
	check_channel(&channel, "", -EINVAL, KVM_VMPORT_ERR_FLAGS, FIELD(channel, flags));
	channel.flags = cpu_to_le16(1 << 15);
	check_channel(&channel, "", -EINVAL, KVM_VMPORT_ERR_FLAGS, FIELD(channel, flags));
	/* Only TCLO runs anything, and not while it is still given. */
	channel.flags = cpu_to_le16(KVM_VMPORT_CHANNEL_RUN);
	check_channel(&channel, "", -EINVAL, KVM_VMPORT_ERR_FLAGS, FIELD(channel, flags));
	channel = tclo_channel(KVM_VMPORT_CHANNEL_RUN, 0);
	check_channel(&channel, "", 0, 0, 0);
	channel = tclo_channel(KVM_VMPORT_CHANNEL_RUN | KVM_VMPORT_CHANNEL_RECV, 0);
	check_channel(&channel, "", -EINVAL, KVM_VMPORT_ERR_FLAGS, FIELD(channel, flags));
}

TEST("error FLAGS: PRIVILEGED of a channel where no reply waits and no message comes")
{
	static const u16 others[] = {
		0, KVM_VMPORT_CHANNEL_ASK, KVM_VMPORT_CHANNEL_RECV | KVM_VMPORT_CHANNEL_SEND,
		KVM_VMPORT_CHANNEL_RUN,
	};
	struct kvm_vmport_blob_channel channel = rpci_channel();
	unsigned int i;

	channel.flags = cpu_to_le16(KVM_VMPORT_CHANNEL_PRIVILEGED | KVM_VMPORT_CHANNEL_RECV);
	check_channel(&channel, "", 0, 0, 0);
	channel.flags |= cpu_to_le16(KVM_VMPORT_CHANNEL_COOKIE);
	check_channel(&channel, "", 0, 0, 0);
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		tap_context("flags %u", others[i]);
		channel.flags = cpu_to_le16(KVM_VMPORT_CHANNEL_PRIVILEGED | others[i]);
		check_channel(&channel, "", -EINVAL, KVM_VMPORT_ERR_FLAGS,
			      FIELD(channel, flags));
	}
	/* "reset", and what the VMM asks, are for all. */
	channel = tclo_channel(KVM_VMPORT_CHANNEL_PRIVILEGED | KVM_VMPORT_CHANNEL_RECV, 0);
	check_channel(&channel, "", -EINVAL, KVM_VMPORT_ERR_FLAGS, FIELD(channel, flags));
}

TEST("error FLAGS: a cookie, sizes or positions without the flag that makes them count")
{
	struct kvm_vmport_blob_channel channel = rpci_channel();

	channel.cookie_high = cpu_to_le32(1);
	check_channel(&channel, "", -EINVAL, KVM_VMPORT_ERR_FLAGS, FIELD(channel, cookie_high));
	channel = rpci_channel();
	channel.cookie_low = cpu_to_le32(1);
	check_channel(&channel, "", -EINVAL, KVM_VMPORT_ERR_FLAGS, FIELD(channel, cookie_low));

	channel = rpci_channel();
	channel.send_size = cpu_to_le32(1);
	check_channel(&channel, "", -EINVAL, KVM_VMPORT_ERR_FLAGS, FIELD(channel, send_size));
	channel = rpci_channel();
	channel.send_done = cpu_to_le32(1);
	check_channel(&channel, "x", -EINVAL, KVM_VMPORT_ERR_FLAGS, FIELD(channel, send_done));
	channel = rpci_channel();
	channel.recv_size = cpu_to_le32(1);
	check_channel(&channel, "x", -EINVAL, KVM_VMPORT_ERR_FLAGS, FIELD(channel, recv_size));
	channel = rpci_channel();
	channel.recv_done = cpu_to_le32(1);
	check_channel(&channel, "", -EINVAL, KVM_VMPORT_ERR_FLAGS, FIELD(channel, recv_done));
}

TEST("error POSITION: a position past its message, or a message that is whole but not run")
{
	struct kvm_vmport_blob_channel channel = rpci_channel();

	channel.flags = cpu_to_le16(KVM_VMPORT_CHANNEL_SEND);
	check_channel(&channel, "", -EINVAL, KVM_VMPORT_ERR_POSITION, FIELD(channel, send_done));
	channel.send_size = cpu_to_le32(3);
	channel.send_done = cpu_to_le32(3);
	check_channel(&channel, "abc", -EINVAL, KVM_VMPORT_ERR_POSITION,
		      FIELD(channel, send_done));
	channel.send_done = cpu_to_le32(4);
	check_channel(&channel, "abcd", -EINVAL, KVM_VMPORT_ERR_POSITION,
		      FIELD(channel, send_done));
	channel.send_done = cpu_to_le32(U32_MAX);
	check_channel(&channel, "abcd", -EINVAL, KVM_VMPORT_ERR_POSITION,
		      FIELD(channel, send_done));
	channel.send_done = cpu_to_le32(2);
	check_channel(&channel, "ab", 0, 0, 0);

	channel = rpci_channel();
	channel.flags = cpu_to_le16(KVM_VMPORT_CHANNEL_RECV);
	channel.recv_done = cpu_to_le32(1);
	check_channel(&channel, "", -EINVAL, KVM_VMPORT_ERR_POSITION, FIELD(channel, recv_done));
	channel.recv_size = cpu_to_le32(3);
	channel.recv_done = cpu_to_le32(4);
	check_channel(&channel, "abc", -EINVAL, KVM_VMPORT_ERR_POSITION,
		      FIELD(channel, recv_done));
	channel.recv_done = cpu_to_le32(U32_MAX);
	check_channel(&channel, "abc", -EINVAL, KVM_VMPORT_ERR_POSITION,
		      FIELD(channel, recv_done));
	channel.recv_done = cpu_to_le32(3);
	check_channel(&channel, "abc", 0, 0, 0);
}

static char long_bytes[KVM_VMPORT_MAX_REPLY + 2];

static const char *bytes_of(u32 size)
{
	memset(long_bytes, 'x', size);
	long_bytes[size] = '\0';
	return long_bytes;
}

TEST("error MESSAGE_SIZE and REPLY_SIZE: the largest is accepted, one byte more E2BIG")
{
	struct kvm_vmport_blob_channel channel = rpci_channel();

	channel.flags = cpu_to_le16(KVM_VMPORT_CHANNEL_SEND);
	channel.send_size = cpu_to_le32(65536);
	channel.send_done = cpu_to_le32(65535);
	check_channel(&channel, bytes_of(65535), 0, 0, 0);
	channel.send_size = cpu_to_le32(65537);
	check_channel(&channel, bytes_of(65535), -E2BIG, KVM_VMPORT_ERR_MESSAGE_SIZE,
		      FIELD(channel, send_size));
	channel.send_size = cpu_to_le32(U32_MAX);
	check_channel(&channel, "", -E2BIG, KVM_VMPORT_ERR_MESSAGE_SIZE,
		      FIELD(channel, send_size));

	channel = rpci_channel();
	channel.flags = cpu_to_le16(KVM_VMPORT_CHANNEL_RECV);
	channel.recv_size = cpu_to_le32(65600);
	channel.recv_done = cpu_to_le32(65600);
	check_channel(&channel, bytes_of(65600), 0, 0, 0);
	channel.recv_size = cpu_to_le32(65601);
	check_channel(&channel, bytes_of(65601), -E2BIG, KVM_VMPORT_ERR_REPLY_SIZE,
		      FIELD(channel, recv_size));
	channel.recv_size = cpu_to_le32(U32_MAX);
	check_channel(&channel, "", -E2BIG, KVM_VMPORT_ERR_REPLY_SIZE,
		      FIELD(channel, recv_size));
}

TEST("limits of the VM stop what is new: what is there loads")
{
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan;
	size_t size;
	u8 *blob;

	rich_state(vm);
	blob = vm_pack(vm, &size);
	vm->config.limits = (struct kvm_vmport_limits) { };
	check_accepted(vm, blob, size);
	CHECK_EQ(try_open(&chan, vm, RPCI), FAILED);
	CHECK_EQ(host_set(vm, "guestinfo.new", "", 0, 0, NULL), -E2BIG);
	free(blob);
	vm_free(vm);
}

/* A channel, then a TCLO section with next_id and a queued request per id. */
static void check_ids(const struct kvm_vmport_blob_channel *channel, const char *bytes,
		      u64 next_id, u32 count, const u64 *ids, int r,
		      u32 error, u64 offset)
{
	struct blob blob;
	u32 i;

	blob_init(&blob);
	if (channel)
		blob_channel(&blob, channel, bytes);
	blob_begin(&blob, 2, 1);
	blob_tclo(&blob, next_id, count);
	for (i = 0; i < count; i++)
		blob_request(&blob, ids[i], KVM_VMPORT_REQUEST_QUEUED, "12345678");
	blob_end(&blob);
	check_blob(&blob, r, error, offset);
	blob_free(&blob);
}

/* Record @n of check_ids() without a channel. */
#define RECORD(_n)	(PAYLOAD + 16 + (_n) * 24)

TEST("error REQUEST: ids that cannot be: 0, not below next_id, next_id 0 or 1")
{
	static const u64 ids[] = { 0, 1, 2 };

	check_ids(NULL, NULL, 3, 1, ids, -EINVAL, KVM_VMPORT_ERR_REQUEST, RECORD(0));
	check_ids(NULL, NULL, 3, 2, ids + 1, 0, 0, 0);
	check_ids(NULL, NULL, 2, 2, ids + 1, -EINVAL, KVM_VMPORT_ERR_REQUEST, RECORD(1));
	check_ids(NULL, NULL, 1, 0, NULL, -EINVAL, KVM_VMPORT_ERR_REQUEST, PAYLOAD);
	check_ids(NULL, NULL, 0, 0, NULL, -EINVAL, KVM_VMPORT_ERR_REQUEST, PAYLOAD);
	check_ids(NULL, NULL, 2, 0, NULL, 0, 0, 0);
}

TEST("error REQUEST: a next_id so large that ids would begin again at 0")
{
	check_ids(NULL, NULL, U64_MAX, 0, NULL, -EINVAL, KVM_VMPORT_ERR_REQUEST, PAYLOAD);
	check_ids(NULL, NULL, 1ull << 63, 0, NULL, -EINVAL, KVM_VMPORT_ERR_REQUEST, PAYLOAD);
	check_ids(NULL, NULL, 1ull << 62, 0, NULL, 0, 0, 0);
}

TEST("error ORDER: a request id twice, or the queue not ascending")
{
	static const u64 twice[] = { 4, 4 }, down[] = { 5, 4 };
	struct kvm_vmport_blob_channel channel = tclo_channel(KVM_VMPORT_CHANNEL_RUN, 4);

	check_ids(NULL, NULL, 9, 2, twice, -EINVAL, KVM_VMPORT_ERR_ORDER, RECORD(1));
	check_ids(NULL, NULL, 9, 2, down, -EINVAL, KVM_VMPORT_ERR_ORDER, RECORD(1));
	/* Running in a channel and in the queue. */
	check_ids(&channel, "", 9, 1, twice, -EINVAL, KVM_VMPORT_ERR_ORDER, RECORD(0) + 56);
}

TEST("error REQUEST: a channel with a request that was never queued, or on RPCI, or empty")
{
	struct kvm_vmport_blob_channel channel = tclo_channel(KVM_VMPORT_CHANNEL_RUN, 4);

	check_channel(&channel, "", -EINVAL, KVM_VMPORT_ERR_REQUEST, FIELD(channel, request));
	check_ids(&channel, "", 4, 0, NULL, -EINVAL, KVM_VMPORT_ERR_REQUEST,
		  FIELD(channel, request));
	check_ids(&channel, "", 5, 0, NULL, 0, 0, 0);

	/* Neither waiting nor running. */
	channel = tclo_channel(0, 4);
	check_ids(&channel, "", 5, 0, NULL, -EINVAL, KVM_VMPORT_ERR_REQUEST,
		  FIELD(channel, request));
	channel = tclo_channel(KVM_VMPORT_CHANNEL_RECV, 4);
	check_ids(&channel, "", 5, 0, NULL, -EINVAL, KVM_VMPORT_ERR_REQUEST,
		  FIELD(channel, recv_size));
	channel.recv_size = cpu_to_le32(4);
	check_ids(&channel, "ping", 5, 0, NULL, 0, 0, 0);
	channel.protocol = cpu_to_le32(RPCI);
	check_ids(&channel, "ping", 5, 0, NULL, -EINVAL, KVM_VMPORT_ERR_REQUEST,
		  FIELD(channel, request));
}

TEST("error TCLO_SIZE: a request of 4096 bytes is accepted in queue and channel, one more is not")
{
	struct kvm_vmport_blob_channel channel = tclo_channel(KVM_VMPORT_CHANNEL_RECV, 4);
	struct vm *vm = vm_new(SLEEPING);
	struct blob blob;
	u32 size;

	for (size = 4096; size <= 4097; size++) {
		channel.recv_size = cpu_to_le32(size);
		check_ids(&channel, bytes_of(size), 5, 0, NULL, size > 4096 ? -E2BIG : 0,
			  KVM_VMPORT_ERR_TCLO_SIZE, FIELD(channel, recv_size));

		blob_init(&blob);
		blob_begin(&blob, 2, 1);
		blob_tclo(&blob, 2, 1);
		blob_request(&blob, 1, KVM_VMPORT_REQUEST_QUEUED, bytes_of(size));
		blob_end(&blob);
		blob_seal(&blob);
		if (size > 4096)
			check_refused(vm, blob.data, blob.size, -E2BIG, KVM_VMPORT_ERR_TCLO_SIZE,
				      RECORD(0) + 8);
		else
			check_accepted(vm, blob.data, blob.size);
		blob_free(&blob);
	}
	vm_free(vm);
}

/* One result or request of this kind and length. */
static void check_kind(u16 kind, const char *bytes, int r, u32 error,
		       u64 offset)
{
	struct blob blob;

	blob_init(&blob);
	blob_begin(&blob, 2, 1);
	blob_tclo(&blob, 2, 1);
	blob_request(&blob, 1, kind, bytes);
	blob_end(&blob);
	check_blob(&blob, r, error, offset);
	blob_free(&blob);
}

TEST("TCLO results and requests: each kind's sizes, and unknown kinds")
{
	check_kind(KVM_VMPORT_REQUEST_ANSWERED, "", 0, 0, 0);
	check_kind(KVM_VMPORT_REQUEST_ANSWERED, bytes_of(65536), 0, 0, 0);
	check_kind(KVM_VMPORT_REQUEST_ANSWERED, bytes_of(65537), -E2BIG,
		   KVM_VMPORT_ERR_MESSAGE_SIZE, RECORD(0) + 8);
	check_kind(KVM_VMPORT_REQUEST_LOST, "", 0, 0, 0);
	check_kind(KVM_VMPORT_REQUEST_LOST, "x", -EINVAL, KVM_VMPORT_ERR_FLAGS, RECORD(0) + 8);
	check_kind(KVM_VMPORT_REQUEST_QUEUED, "x", 0, 0, 0);
	check_kind(KVM_VMPORT_REQUEST_QUEUED, "", -EINVAL, KVM_VMPORT_ERR_REQUEST,
		   RECORD(0) + 8);
	check_kind(3, "x", -EINVAL, KVM_VMPORT_ERR_FLAGS, RECORD(0) + 12);
	check_kind(0xffff, "", -EINVAL, KVM_VMPORT_ERR_FLAGS, RECORD(0) + 12);
}

TEST("error TCLO_COUNT: 16 requests in queue, results and channels; the 17th E2BIG")
{
	u64 ids[17];
	struct kvm_vmport_blob_channel channel = tclo_channel(KVM_VMPORT_CHANNEL_RUN, 50);
	struct blob blob;
	size_t last = 0;
	int i;

	for (i = 0; i < 17; i++)
		ids[i] = i + 1;
	check_ids(NULL, NULL, 100, 16, ids, 0, 0, 0);
	check_ids(NULL, NULL, 100, 17, ids, -E2BIG, KVM_VMPORT_ERR_TCLO_COUNT, RECORD(16));
	check_ids(&channel, "", 100, 15, ids, 0, 0, 0);
	check_ids(&channel, "", 100, 16, ids, -E2BIG, KVM_VMPORT_ERR_TCLO_COUNT,
		  RECORD(15) + 56);

	blob_init(&blob);
	for (i = 0; i < 17; i++) {
		last = blob.size;
		channel.id = cpu_to_le16(i);
		channel.request = cpu_to_le64(i + 1);
		blob_channel(&blob, &channel, "");
	}
	blob_begin(&blob, 2, 1);
	blob_tclo(&blob, 100, 0);
	blob_end(&blob);
	check_blob(&blob, -E2BIG, KVM_VMPORT_ERR_TCLO_COUNT,
		   last + 16 + offsetof(struct kvm_vmport_blob_channel, request));
	blob_free(&blob);
}

TEST("error REQUEST: of two channels the first has a request that was never queued")
{
	struct kvm_vmport_blob_channel channel = tclo_channel(KVM_VMPORT_CHANNEL_RUN, 9);
	struct blob blob;

	blob_init(&blob);
	blob_channel(&blob, &channel, "");
	channel.id = cpu_to_le16(1);
	channel.request = cpu_to_le64(3);
	blob_channel(&blob, &channel, "");
	blob_begin(&blob, 2, 1);
	blob_tclo(&blob, 9, 0);
	blob_end(&blob);
	check_blob(&blob, -EINVAL, KVM_VMPORT_ERR_REQUEST, FIELD(channel, request));
	blob_free(&blob);
}

TEST("error ORDER: one request in two channels")
{
	struct kvm_vmport_blob_channel channel = tclo_channel(KVM_VMPORT_CHANNEL_RUN, 3);
	struct blob blob;
	size_t second;

	blob_init(&blob);
	blob_channel(&blob, &channel, "");
	second = blob.size;
	channel.id = cpu_to_le16(1);
	blob_channel(&blob, &channel, "");
	blob_begin(&blob, 2, 1);
	blob_tclo(&blob, 100, 0);
	blob_end(&blob);
	check_blob(&blob, -EINVAL, KVM_VMPORT_ERR_ORDER,
		   second + 16 + offsetof(struct kvm_vmport_blob_channel, request));
	blob_free(&blob);
}

TEST("error ORDER: a result behind a request that waits")
{
	struct blob blob;

	blob_init(&blob);
	blob_begin(&blob, 2, 1);
	blob_tclo(&blob, 9, 2);
	blob_request(&blob, 5, KVM_VMPORT_REQUEST_QUEUED, "12345678");
	blob_request(&blob, 4, KVM_VMPORT_REQUEST_ANSWERED, "OK");
	blob_end(&blob);
	check_blob(&blob, -EINVAL, KVM_VMPORT_ERR_ORDER, RECORD(1) + 12);
	blob_free(&blob);
}

TEST("error SECTION, RESERVED in the TCLO section: cut records, a wrong count, set reserved fields")
{
	struct vm *vm = vm_new(SLEEPING);
	struct kvm_vmport_blob_tclo *tclo;
	struct blob blob;
	u32 cut, count;

	blob_init(&blob);
	blob_begin(&blob, 2, 1);
	blob_tclo(&blob, 3, 2);
	blob_request(&blob, 1, KVM_VMPORT_REQUEST_QUEUED, "12345678");
	blob_request(&blob, 2, KVM_VMPORT_REQUEST_QUEUED, "123");
	blob_end(&blob);
	tclo = (void *)(blob.data + PAYLOAD);

	for (count = 0; count < 2; count++) {
		tclo->count = cpu_to_le32(count);
		blob_seal(&blob);
		check_refused(vm, blob.data, blob.size, -EINVAL, KVM_VMPORT_ERR_SECTION,
			      RECORD(count));
	}
	tclo->count = cpu_to_le32(3);
	blob_seal(&blob);
	check_refused(vm, blob.data, blob.size, -EINVAL, KVM_VMPORT_ERR_SECTION, blob.size);
	tclo->count = cpu_to_le32(U32_MAX);
	blob_seal(&blob);
	check_refused(vm, blob.data, blob.size, -EINVAL, KVM_VMPORT_ERR_SECTION, blob.size);
	tclo->count = cpu_to_le32(2);

	tclo->reserved32 = 1;
	blob_seal(&blob);
	check_refused(vm, blob.data, blob.size, -EINVAL, KVM_VMPORT_ERR_RESERVED, PAYLOAD + 12);
	tclo->reserved32 = 0;
	blob.data[RECORD(0) + 14] = 1;
	blob_seal(&blob);
	check_refused(vm, blob.data, blob.size, -EINVAL, KVM_VMPORT_ERR_RESERVED,
		      RECORD(0) + 14);
	blob.data[RECORD(0) + 14] = 0;
	/* Padding of the last record. */
	blob.data[blob.size - 1] = 1;
	blob_seal(&blob);
	check_refused(vm, blob.data, blob.size, -EINVAL, KVM_VMPORT_ERR_RESERVED, blob.size - 5);
	blob.data[blob.size - 1] = 0;
	blob_seal(&blob);
	check_accepted(vm, blob.data, blob.size);

	/* The section ends at each byte of it. */
	for (cut = 0; cut < blob.size - PAYLOAD; cut++) {
		struct blob part;

		blob_init(&part);
		blob_begin(&part, 2, 1);
		blob_bytes(&part, blob.data + PAYLOAD, cut);
		blob_end(&part);
		blob_seal(&part);
		CHECK_EQ(blob_load(vm, part.data, part.size, NULL), -EINVAL);
		blob_free(&part);
	}
	blob_free(&blob);
	vm_free(vm);
}

static void check_entries(const char *first, const char *second, u16 flags, int r,
			  u32 error, u64 offset)
{
	struct blob blob;

	blob_init(&blob);
	blob_begin(&blob, 3, 1);
	blob_entry(&blob, first, "value", 0);
	if (second)
		blob_entry(&blob, second, "value", flags);
	blob_end(&blob);
	check_blob(&blob, r, error, offset);
	blob_free(&blob);
}

TEST("error ORDER: guestinfo keys not in byte order, or twice")
{
	check_entries("abc", "abd", 0, 0, 0, 0);
	check_entries("abc", "abcd", 0, 0, 0, 0);
	check_entries("abc", "b", 0, 0, 0, 0);
	check_entries("abc", "\xff", 0, 0, 0, 0);
	check_entries("abc", "abc", 0, -EINVAL, KVM_VMPORT_ERR_ORDER, PAYLOAD + 16 + 8);
	check_entries("abc", "abb", 0, -EINVAL, KVM_VMPORT_ERR_ORDER, PAYLOAD + 16 + 8);
	check_entries("abc", "ab", 0, -EINVAL, KVM_VMPORT_ERR_ORDER, PAYLOAD + 16 + 8);
	check_entries("\xff", "a", 0, -EINVAL, KVM_VMPORT_ERR_ORDER, PAYLOAD + 16 + 8);
}

TEST("error KEY, KEY_SIZE, FLAGS of a guestinfo entry")
{
	static char key[260];
	u16 flags;

	check_entries("", NULL, 0, -EINVAL, KVM_VMPORT_ERR_KEY, PAYLOAD);
	check_entries("a b", NULL, 0, -EINVAL, KVM_VMPORT_ERR_KEY, PAYLOAD);
	memset(key, 'k', 257);
	check_entries(key, NULL, 0, -E2BIG, KVM_VMPORT_ERR_KEY_SIZE, PAYLOAD);
	key[256] = '\0';
	check_entries(key, NULL, 0, 0, 0, 0);
	for (flags = 0; flags < 16; flags++) {
		tap_context("flags %u", flags);
		/* DELETE is no flag of an entry, WIPEABLE only one with READONLY. */
		if ((flags & KVM_VMPORT_GUESTINFO_DELETE) ||
		    (flags & ~KVM_VMPORT_GUESTINFO_PRIVILEGED) == KVM_VMPORT_GUESTINFO_WIPEABLE)
			check_entries("a", "b", flags, -EINVAL, KVM_VMPORT_ERR_FLAGS,
				      PAYLOAD + 16 + 6);
		else
			check_entries("a", "b", flags, 0, 0, 0);
	}
	check_entries("a", "b", 1 << 4, -EINVAL, KVM_VMPORT_ERR_FLAGS, PAYLOAD + 16 + 6);
	check_entries("a", "b", 1 << 15, -EINVAL, KVM_VMPORT_ERR_FLAGS, PAYLOAD + 16 + 6);
}

TEST("error KEY_COUNT, GUESTINFO_SIZE: the largest store loads, more does not")
{
	struct vm *vm = vm_new(SLEEPING);
	struct blob blob;
	char key[16];
	int i;

	/* Of 8 bytes each in the blob, and 8 of key. */
	for (i = KVM_VMPORT_MAX_KEYS; i <= KVM_VMPORT_MAX_KEYS + 1; i++) {
		int n;

		blob_init(&blob);
		blob_begin(&blob, 3, 1);
		for (n = 0; n < i; n++) {
			snprintf(key, sizeof(key), "%08d", n);
			blob_entry(&blob, key, "", 0);
		}
		blob_end(&blob);
		blob_seal(&blob);
		if (i == KVM_VMPORT_MAX_KEYS)
			check_accepted(vm, blob.data, blob.size);
		else
			check_refused(vm, blob.data, blob.size, -E2BIG,
				      KVM_VMPORT_ERR_KEY_COUNT, PAYLOAD + 16 * (i - 1));
		blob_free(&blob);
	}

	/* 16 values that leave room for no key. */
	blob_init(&blob);
	blob_begin(&blob, 3, 1);
	for (i = 0; i < 16; i++) {
		snprintf(key, sizeof(key), "%08d", i);
		blob_entry(&blob, key, bytes_of(KVM_VMPORT_MAX_VALUE), 0);
	}
	blob_end(&blob);
	blob_seal(&blob);
	check_refused(vm, blob.data, blob.size, -E2BIG, KVM_VMPORT_ERR_GUESTINFO_SIZE,
		      PAYLOAD + 15 * (16 + KVM_VMPORT_MAX_VALUE));
	blob_free(&blob);
	vm_free(vm);
}

TEST("error KEY: a NUL in a guestinfo key")
{
	struct blob blob;

	blob_init(&blob);
	blob_begin(&blob, 3, 1);
	blob_entry(&blob, "abc", "", 0);
	blob_end(&blob);
	blob.data[PAYLOAD + 8 + 1] = '\0';
	check_blob(&blob, -EINVAL, KVM_VMPORT_ERR_KEY, PAYLOAD);
	blob_free(&blob);
}

TEST("error VALUE_SIZE: a value of more than 64 KiB")
{
	static char value[KVM_VMPORT_MAX_VALUE + 2];
	struct blob blob;

	memset(value, 'v', KVM_VMPORT_MAX_VALUE + 1);
	blob_init(&blob);
	blob_begin(&blob, 3, 1);
	blob_entry(&blob, "a", value, 0);
	blob_end(&blob);
	check_blob(&blob, -E2BIG, KVM_VMPORT_ERR_VALUE_SIZE, PAYLOAD);
	blob_free(&blob);

	value[KVM_VMPORT_MAX_VALUE] = '\0';
	blob_init(&blob);
	blob_begin(&blob, 3, 1);
	blob_entry(&blob, "a", value, 0);
	blob_end(&blob);
	check_blob(&blob, 0, 0, 0);
	blob_free(&blob);
}

TEST("error SECTION: an empty guestinfo section, or one that ends inside a record")
{
	struct vm *vm = vm_new(SLEEPING);
	struct blob blob, part;
	u32 cut;

	blob_init(&blob);
	blob_begin(&blob, 3, 1);
	blob_entry(&blob, "abc", "12", 0);
	blob_entry(&blob, "abd", "12", 0);
	blob_end(&blob);
	blob_seal(&blob);
	check_accepted(vm, blob.data, blob.size);
	for (cut = 0; cut < 32; cut++) {
		if (cut == 16)
			continue;
		tap_context("%u bytes", cut);
		blob_init(&part);
		blob_begin(&part, 3, 1);
		blob_bytes(&part, blob.data + PAYLOAD, cut);
		blob_end(&part);
		blob_seal(&part);
		/* Where the record that lacks something stands, or its padding. */
		check_refused(vm, part.data, part.size, -EINVAL, KVM_VMPORT_ERR_SECTION,
			      PAYLOAD + (cut < 16 ? 0 : 16) + (cut % 16 > 12 ? 13 : 0));
		blob_free(&part);
	}
	blob_free(&blob);
	vm_free(vm);
}

TEST("error FEATURE: each critical section needs its feature; a header, or what is skipped, none")
{
	struct kvm_vmport_blob_channel channel = rpci_channel();
	struct vm *vm = vm_new(SLEEPING);
	struct blob blob;
	int type;

	vm->config.features = KVM_VMPORT_FEATURE_ENABLE;
	for (type = 1; type <= vmport_nr_sections; type++) {
		blob_init(&blob);
		if (type == 1) {
			blob_channel(&blob, &channel, "");
		} else {
			blob_begin(&blob, type, vmport_sections[type - 1].is_critical);
			if (type == 2)
				blob_tclo(&blob, 2, 0);
			else if (type == 3)
				blob_entry(&blob, "k", "v", 0);
			else if (type == 6)
				blob_stealclock(&blob, 0x1000, 0, 0);
			blob_end(&blob);
		}
		blob_seal(&blob);
		if (vmport_sections[type - 1].is_critical)
			check_refused(vm, blob.data, blob.size, -EPERM, KVM_VMPORT_ERR_FEATURE,
				      HEADER);
		else
			CHECK_EQ(blob_load(vm, blob.data, blob.size, NULL), 0);
		blob_free(&blob);
	}

	blob_init(&blob);
	blob_seal(&blob);
	check_accepted(vm, blob.data, blob.size);
	blob_begin(&blob, UNKNOWN, 0);
	blob_end(&blob);
	blob_seal(&blob);
	CHECK_EQ(blob_load(vm, blob.data, blob.size, NULL), 0);
	blob_free(&blob);
	vm_free(vm);
}

TEST("a load of many records that mean nothing lets others have the processor")
{
	static const u32 types[] = { KVM_VMPORT_SECTION_MARKS, KVM_VMPORT_SECTION_NAMES };
	struct kvm_vmport_blob_name name = {
		.kind = cpu_to_le16(KVM_VMPORT_NAME_CHANNEL),
		.size = cpu_to_le16(8),
	};
	struct kvm_vmport_blob_mark mark = { };
	struct vm *vm = vm_new(SLEEPING);
	struct vmport_blob_error why;
	unsigned long before;
	struct blob blob;
	unsigned int i, n;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		blob_init(&blob);
		blob_begin(&blob, types[i], 0);
		for (n = 0; n < 1024; n++) {
			if (types[i] == KVM_VMPORT_SECTION_MARKS) {
				blob_bytes(&blob, &mark, sizeof(mark));
			} else {
				blob_bytes(&blob, &name, sizeof(name));
				blob_bytes(&blob, "nobody's", 8);
			}
		}
		blob_end(&blob);
		blob_seal(&blob);
		before = shim_rescheds();
		CHECK_EQ(blob_load(vm, blob.data, blob.size, &why), 0);
		CHECK(shim_rescheds() - before >= 1024);
		blob_free(&blob);
	}
	vm_free(vm);
}
