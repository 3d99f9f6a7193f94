// SPDX-License-Identifier: GPL-2.0-only
/*
 * The public Xen patch that saves and restores the same state has ten faults.
 * One test for each shows that this implementation does not have it.
 */
#include <time.h>

#include "vmport_test.h"

FIXTURE(xen) {
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct vmport_blob old;
};

FIXTURE_SETUP(xen)
{
	self->vm = vmport_vm_create(VMPORT_RPC, 1, &self->vcpu);
	ASSERT_EQ(vmport_set_text(self->vm, "guestinfo.old", "old"), 0);
	self->old = vmport_save(self->vm);
}

FIXTURE_TEARDOWN(xen)
{
	vmport_blob_free(&self->old);
	kvm_vm_free(self->vm);
}

/* A blob with one channel, whose data has the sizes given, not those claimed. */
static struct vmport_blob one_channel(struct kvm_vmport_blob_channel channel, u32 data_size)
{
	struct vmport_blob blob;
	size_t pos;

	vmport_blob_begin(&blob);
	pos = vmport_blob_begin_section(&blob, KVM_VMPORT_SECTION_CHANNEL,
					KVM_VMPORT_SECTION_CRITICAL);
	vmport_blob_add(&blob, &channel, sizeof(channel));
	vmport_blob_add(&blob, NULL, data_size);
	vmport_blob_end_section(&blob, pos);
	vmport_blob_end(&blob);
	return blob;
}

#define EXPECT_CHANNEL_REFUSED(_channel, _data_size, _errno, _error)			\
do {											\
	struct vmport_blob __channel = one_channel(_channel, _data_size);		\
											\
	EXPECT_REFUSED(&__channel, _errno, _error);					\
	vmport_blob_free(&__channel);							\
} while (0)

/* 1. Load trusts the lengths in the stream. */
TEST_F(xen, fault01_send_len_past_buffer)
{
	struct kvm_vmport_blob_channel send = {
		.flags = KVM_VMPORT_CHANNEL_SEND,
		.protocol = VMPORT_RPCI,
		.send_size = 4096,
		.send_done = 64,
	};
	struct kvm_vmport_blob_channel recv = {
		.flags = KVM_VMPORT_CHANNEL_RECV,
		.protocol = VMPORT_RPCI,
		.recv_size = 64,
	};
	struct vmport_blob blob;

	/* Right as it is. */
	blob = one_channel(send, 64);
	EXPECT_EQ(vmport_load(self->vm, &blob), 0);
	EXPECT_TRUE(vmport_state_is(self->vm, &blob));
	EXPECT_EQ(vmport_load(self->vm, &self->old), 0);
	vmport_blob_free(&blob);

	/* More said than there is, up to where sums wrap around. */
	send.send_done = 65;
	EXPECT_CHANNEL_REFUSED(send, 64, EINVAL, KVM_VMPORT_ERR_SECTION);
	send.send_done = 4095;
	EXPECT_CHANNEL_REFUSED(send, 64, EINVAL, KVM_VMPORT_ERR_SECTION);
	send.send_done = 0xffffffff;
	send.send_size = 0xffffffff;
	EXPECT_CHANNEL_REFUSED(send, 64, E2BIG, KVM_VMPORT_ERR_MESSAGE_SIZE);

	recv.recv_size = 65;
	EXPECT_CHANNEL_REFUSED(recv, 64, EINVAL, KVM_VMPORT_ERR_SECTION);
	recv.recv_size = 0xffffffff;
	EXPECT_CHANNEL_REFUSED(recv, 64, E2BIG, KVM_VMPORT_ERR_REPLY_SIZE);

	/* Two lengths whose sum is the right one modulo 2^32. */
	send.flags = KVM_VMPORT_CHANNEL_SEND | KVM_VMPORT_CHANNEL_RECV;
	send.protocol = VMPORT_TCLO;
	send.send_size = 65536;
	send.send_done = 128;
	send.recv_size = 64u - 128u;
	EXPECT_CHANNEL_REFUSED(send, 64, E2BIG, KVM_VMPORT_ERR_REPLY_SIZE);

	/* More there than said. */
	recv.recv_size = 56;
	EXPECT_CHANNEL_REFUSED(recv, 64, EINVAL, KVM_VMPORT_ERR_SECTION);
}

/* 2. Save cuts the data, but stores the length before the cut. */
TEST_F(xen, fault02_save_keeps_all_of_a_large_message)
{
	const u32 head = strlen("info-set guestinfo.big ");
	const u32 message_size = KVM_VMPORT_MAX_MESSAGE;
	u8 *reply = vmport_alloc(KVM_VMPORT_MAX_REPLY);
	u8 *value = vmport_alloc(KVM_VMPORT_MAX_VALUE);
	u8 *message = vmport_alloc(message_size);
	struct vmport_channel rpci = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	struct vmport_channel moved = rpci;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vmport_vm_create(VMPORT_RPC, 1, &vcpu);
	struct vmport_blob blob;
	u32 i, size;

	moved.vcpu = vcpu;
	memcpy(message, "info-set guestinfo.big ", head);
	for (i = head; i < message_size; i++)
		message[i] = 1 + (i * 7 + i / 256) % 255;

	/* All but the last word. */
	EXPECT_EQ(vmport_msg_status(&rpci, VMPORT_MSG_SENDSIZE, message_size), VMPORT_SUCCESS);
	vmport_send_payload(&rpci, message, message_size - 4);
	blob = vmport_save(self->vm);
	ASSERT_EQ(vmport_load(vm, &blob), 0);
	EXPECT_TRUE(vmport_state_is(vm, &blob));
	vmport_blob_free(&blob);
	vmport_send_payload(&moved, message + message_size - 4, 4);
	EXPECT_EQ(vmport_recv(&moved, reply, KVM_VMPORT_MAX_REPLY), 2);
	EXPECT_EQ(memcmp(reply, "1 ", 2), 0);
	size = KVM_VMPORT_MAX_VALUE;
	EXPECT_EQ(vmport_get_entry(vm, "guestinfo.big", 13, value, &size, NULL), 0);
	EXPECT_EQ(size, message_size - head);
	EXPECT_EQ(memcmp(value, message + head, size), 0);

	/* A reply of 64 KiB, the first word read. */
	vmport_send(&moved, "info-get guestinfo.big", 22);
	EXPECT_EQ(vmport_poll(&moved), size + 2);
	vmport_recv_payload(&moved, reply, 4);
	blob = vmport_save(vm);
	ASSERT_EQ(vmport_load(self->vm, &blob), 0);
	EXPECT_TRUE(vmport_state_is(self->vm, &blob));
	vmport_blob_free(&blob);
	vmport_recv_payload(&rpci, reply + 4, size - 2);
	EXPECT_EQ(memcmp(reply, "1 ", 2), 0);
	EXPECT_EQ(memcmp(reply + 2, value, size), 0);
	kvm_vm_free(vm);
	free(message);
	free(value);
	free(reply);
}

/* 3. Load keeps more entries than were used, past the array's end. */
TEST_F(xen, fault03_no_more_entries_than_there_are)
{
	u32 size = KVM_VMPORT_MAX_KEYS * 8, count, i, n;
	char *names = vmport_alloc(size);
	struct vmport_blob blob;
	char key[8];
	size_t pos;

	for (n = KVM_VMPORT_MAX_KEYS; n <= KVM_VMPORT_MAX_KEYS + 5; n++) {
		vmport_blob_begin(&blob);
		pos = vmport_blob_begin_guestinfo(&blob);
		for (i = 0; i < n; i++) {
			snprintf(key, sizeof(key), "k%05u", i);
			vmport_blob_add_entry(&blob, key, NULL, 0, 0);
		}
		vmport_blob_end_section(&blob, pos);
		vmport_blob_end(&blob);
		if (n == KVM_VMPORT_MAX_KEYS) {
			EXPECT_EQ(vmport_load(self->vm, &blob), 0);
			EXPECT_TRUE(vmport_state_is(self->vm, &blob));
			EXPECT_EQ(vmport_list(self->vm, "", names, &size, &count), 0);
			EXPECT_EQ(count, KVM_VMPORT_MAX_KEYS);
			EXPECT_EQ(vmport_load(self->vm, &self->old), 0);
		} else {
			EXPECT_REFUSED(&blob, E2BIG, KVM_VMPORT_ERR_KEY_COUNT);
		}
		vmport_blob_free(&blob);
	}
	free(names);
}

/* 4. A short entry leaves the parse misaligned and the rest silently lost. */
TEST_F(xen, fault04_short_entry_is_refused_not_misread)
{
	struct kvm_vmport_blob_guestinfo *entry;
	struct vmport_blob blob, good;
	size_t pos, first;
	u32 i;
	int r;

	vmport_blob_begin(&good);
	pos = vmport_blob_begin_guestinfo(&good);
	first = vmport_blob_add_entry(&good, "guestinfo.a", "12345678", 8, 0);
	vmport_blob_add_entry(&good, "guestinfo.b", "12345678", 8, 0);
	vmport_blob_end_section(&good, pos);
	vmport_blob_end(&good);
	EXPECT_EQ(vmport_load(self->vm, &good), 0);
	EXPECT_EQ(vmport_load(self->vm, &self->old), 0);

	/*
	 * The first entry says less, or more, than it has.  Less leaves bytes
	 * that are no padding.  More can be a state of its own, when it takes
	 * the padding, or all of the next entry; then it must be just that state.
	 */
	for (i = 0; i < 48; i++) {
		blob = vmport_blob_copy(&good);
		entry = (void *)(blob.data + first);
		entry->value_size = i;
		vmport_blob_seal(&blob);
		r = vmport_load_or_refuse(self->vm, &blob, &self->old, "value's size", i);
		EXPECT_TRUE(r ? r == EINVAL : (i >= 8 && i <= 13) || (i >= 40 && i <= 45))
			TH_LOG("a value of %u bytes", i);

		entry->value_size = 8;
		entry->key_size = i;
		vmport_blob_seal(&blob);
		r = vmport_load_or_refuse(self->vm, &blob, &self->old, "key's size", i);
		EXPECT_TRUE(r ? r == EINVAL : i >= 11 && i <= 16)
			TH_LOG("a key of %u bytes", i);
		vmport_blob_free(&blob);
	}
	/* The last entry cut: the section ends in it. */
	for (i = 8; i < 32; i += 8) {
		blob = vmport_blob_copy(&good);
		blob.size -= i;
		((struct kvm_vmport_blob_section *)(blob.data + pos))->size -= i;
		vmport_blob_end(&blob);
		EXPECT_EQ(vmport_load(self->vm, &blob), EINVAL);
		EXPECT_TRUE(vmport_state_is(self->vm, &self->old));
		vmport_blob_free(&blob);
	}
	vmport_blob_free(&good);
}

/* 5. An error half way leaves half of the new state applied. */
TEST_F(xen, fault05_error_at_the_end_applies_nothing)
{
	struct vmport_channel rpci = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	struct vmport_blob before, blob;
	char reply[16];
	size_t pos;

	EXPECT_EQ(vmport_msg_status(&rpci, VMPORT_MSG_SENDSIZE, 22), VMPORT_SUCCESS);
	vmport_send_payload(&rpci, "info-get ", 8);
	before = vmport_save(self->vm);

	/* All good up to the last entry, which is there twice. */
	vmport_blob_begin(&blob);
	vmport_blob_add_channel(&blob, &(struct kvm_vmport_blob_channel) {
			.id = 0, .protocol = VMPORT_RPCI }, NULL, NULL);
	vmport_blob_add_channel(&blob, &(struct kvm_vmport_blob_channel) {
			.id = 9, .protocol = VMPORT_TCLO }, NULL, NULL);
	pos = vmport_blob_begin_tclo(&blob, 9, 1);
	vmport_blob_add_request(&blob, 8, KVM_VMPORT_REQUEST_ANSWERED, "OK ", 3);
	vmport_blob_end_section(&blob, pos);
	pos = vmport_blob_begin_guestinfo(&blob);
	vmport_blob_add_entry(&blob, "guestinfo.new", "new", 3, 0);
	vmport_blob_add_entry(&blob, "guestinfo.new", "new", 3, 0);
	vmport_blob_end_section(&blob, pos);
	vmport_blob_end(&blob);

	EXPECT_EQ(vmport_load(self->vm, &blob), EINVAL);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_ORDER);
	EXPECT_TRUE(vmport_state_is(self->vm, &before));
	EXPECT_EQ(vmport_get_text(self->vm, "guestinfo.new"), NULL);
	EXPECT_STREQ(vmport_get_text(self->vm, "guestinfo.old"), "old");

	/* The guest goes on in the middle of its message. */
	vmport_send_payload(&rpci, " guestinfo.old", 14);
	EXPECT_EQ(vmport_recv(&rpci, reply, sizeof(reply)), 5);
	EXPECT_EQ(memcmp(reply, "1 old", 5), 0);
	vmport_blob_free(&before);
	vmport_blob_free(&blob);
}

static u64 guest_seconds(struct kvm_vcpu *vcpu)
{
	struct vmport_regs out = vmport_call(vcpu, (struct vmport_regs) {
		.ax = VMPORT_MAGIC, .cx = VMPORT_CMD_GETTIMEFULL, .dx = VMPORT_PORT });

	return (u64)out.si << 32 | out.dx;
}

/* 6. Times are the old host's clock. */
TEST_F(xen, fault06_no_clock_in_the_blob)
{
	struct vmport_channel tclo = vmport_open(self->vcpu, VMPORT_TCLO | VMPORT_COOKIE);
	struct vmport_channel rpci = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	struct vmport_blob blob;
	struct timespec before, after;
	u64 seconds;
	int i;

	EXPECT_EQ(vmport_tclo_send(self->vm, "ping", 4, NULL), 0);
	EXPECT_EQ(vmport_poll(&tclo), 5);
	EXPECT_EQ(vmport_msg_status(&rpci, VMPORT_MSG_SENDSIZE, 8), VMPORT_SUCCESS);

	/* The state does not change by waiting, nor by asking for the time. */
	blob = vmport_save(self->vm);
	for (i = 0; i < 3; i++) {
		usleep(400000);
		guest_seconds(self->vcpu);
		EXPECT_TRUE(vmport_state_is(self->vm, &blob));
	}
	/* And a blob of the past does not bring back its time. */
	EXPECT_EQ(vmport_load(self->vm, &blob), 0);
	clock_gettime(CLOCK_REALTIME, &before);
	seconds = guest_seconds(self->vcpu);
	clock_gettime(CLOCK_REALTIME, &after);
	EXPECT_GE(seconds, before.tv_sec);
	EXPECT_LE(seconds, after.tv_sec);
	EXPECT_TRUE(vmport_state_is(self->vm, &blob));
	vmport_blob_free(&blob);
}

/* 7. Save after load differs from the blob that was loaded. */
TEST_F(xen, fault07_save_after_load_is_the_same)
{
	struct vmport_channel rpci = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	struct vmport_channel tclo = vmport_open(self->vcpu, VMPORT_TCLO);
	struct kvm_vm *vm = vmport_vm_create_barebones(VMPORT_RPC);
	struct vmport_blob blob;
	int i;

	EXPECT_EQ(vmport_tclo_send(self->vm, "ping", 4, NULL), 0);
	EXPECT_EQ(vmport_poll(&tclo), 5);
	vmport_send(&rpci, "info-get guestinfo.old", 22);
	EXPECT_EQ(vmport_poll(&rpci), 5);
	EXPECT_EQ(vmport_msg_status(&rpci, VMPORT_MSG_RECVPAYLOAD, 1), VMPORT_SUCCESS);

	blob = vmport_save(self->vm);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(vmport_load(vm, &blob), 0);
		EXPECT_TRUE(vmport_state_is(vm, &blob));
		vmport_blob_free(&blob);
		blob = vmport_save(vm);
	}
	EXPECT_TRUE(vmport_state_is(self->vm, &blob));
	vmport_blob_free(&blob);
	kvm_vm_free(vm);
}

/* 8. Keys that existed before load survive it. */
TEST_F(xen, fault08_old_keys_are_gone)
{
	struct vmport_channel rpci, old_rpci = vmport_open(self->vcpu, VMPORT_RPCI);
	struct vmport_blob blob;
	char names[64];
	u32 size = sizeof(names), count;
	size_t pos;

	vmport_blob_begin(&blob);
	pos = vmport_blob_begin_guestinfo(&blob);
	vmport_blob_add_entry(&blob, "guestinfo.new", "new", 3, 0);
	vmport_blob_end_section(&blob, pos);
	vmport_blob_end(&blob);
	EXPECT_EQ(vmport_load(self->vm, &blob), 0);

	EXPECT_EQ(vmport_get_text(self->vm, "guestinfo.old"), NULL);
	EXPECT_EQ(vmport_list(self->vm, "", names, &size, &count), 0);
	EXPECT_EQ(count, 1);
	EXPECT_STREQ(names, "guestinfo.new");
	EXPECT_EQ(vmport_msg_status(&old_rpci, VMPORT_MSG_SENDSIZE, 0), VMPORT_FAIL);
	rpci = vmport_open(self->vcpu, VMPORT_RPCI);
	EXPECT_STREQ(vmport_rpc_text(&rpci, "info-get guestinfo.old"), "0 No value found");
	EXPECT_STREQ(vmport_rpc_text(&rpci, "info-get guestinfo.new"), "1 new");
	vmport_blob_free(&blob);
}

/* 9. Indexes into buffers are not checked. */
TEST_F(xen, fault09_indexes_are_checked)
{
	static const u16 ids[] = { 128, 129, 255, 256, 0x7fff, 0x8000, 0xffff };
	struct kvm_vmport_blob_channel channel = { .protocol = VMPORT_RPCI };
	struct vmport_blob blob;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		channel.id = ids[i];
		EXPECT_CHANNEL_REFUSED(channel, 0, EINVAL, KVM_VMPORT_ERR_CHANNEL_ID);
	}

	/* Reading: up to the end is right, past it is not. */
	channel = (struct kvm_vmport_blob_channel) {
		.flags = KVM_VMPORT_CHANNEL_RECV,
		.protocol = VMPORT_RPCI,
		.recv_size = 8,
	};
	for (i = 0; i < 12; i++) {
		channel.recv_done = i < 11 ? i : 0xfffffffc;
		blob = one_channel(channel, 8);
		if (channel.recv_done <= 8) {
			EXPECT_EQ(vmport_load(self->vm, &blob), 0);
			EXPECT_TRUE(vmport_state_is(self->vm, &blob));
			EXPECT_EQ(vmport_load(self->vm, &self->old), 0);
		} else {
			EXPECT_REFUSED(&blob, EINVAL, KVM_VMPORT_ERR_POSITION);
		}
		vmport_blob_free(&blob);
	}

	/* Writing: a message that is complete is none that is being sent. */
	channel = (struct kvm_vmport_blob_channel) {
		.flags = KVM_VMPORT_CHANNEL_SEND,
		.protocol = VMPORT_RPCI,
		.send_size = 8,
		.send_done = 8,
	};
	EXPECT_CHANNEL_REFUSED(channel, 8, EINVAL, KVM_VMPORT_ERR_POSITION);
	channel.send_done = 12;
	EXPECT_CHANNEL_REFUSED(channel, 12, EINVAL, KVM_VMPORT_ERR_POSITION);
}

/* 10. The next cookie is a counter. */
TEST_F(xen, fault10_next_cookie_cannot_be_told)
{
	struct vmport_channel first, second;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vmport_vm_create(VMPORT_RPC, 1, &vcpu);
	struct vmport_channel a, b;
	struct vmport_blob blob;
	int i;

	first = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	blob = vmport_save(self->vm);
	ASSERT_EQ(vmport_load(vm, &blob), 0);
	vmport_blob_free(&blob);

	/* The same state in two VMs, but not the same cookies to come. */
	for (i = 0; i < 8; i++) {
		a = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
		b = vmport_open(vcpu, VMPORT_RPCI | VMPORT_COOKIE);
		EXPECT_EQ(a.id, b.id);
		EXPECT_TRUE(a.cookie_high != b.cookie_high || a.cookie_low != b.cookie_low);
		EXPECT_TRUE(a.cookie_high != first.cookie_high);
		EXPECT_TRUE(a.cookie_low != first.cookie_low);
	}

	/* A process that knows its own cookie tries its neighbours. */
	second = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	for (i = -8; i <= 8; i++) {
		struct vmport_channel guess = second;

		guess.cookie_high = first.cookie_high;
		guess.cookie_low = first.cookie_low + i;
		EXPECT_EQ(vmport_msg_status(&guess, VMPORT_MSG_CLOSE, 0), VMPORT_FAIL);
		guess.cookie_high = first.cookie_high + i;
		guess.cookie_low = first.cookie_low;
		EXPECT_EQ(vmport_msg_status(&guess, VMPORT_MSG_CLOSE, 0), VMPORT_FAIL);
	}
	vmport_close(&second);
	kvm_vm_free(vm);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_VMPORT));

	return test_harness_run(argc, argv);
}
