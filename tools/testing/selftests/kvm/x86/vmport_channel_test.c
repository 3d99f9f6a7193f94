// SPDX-License-Identifier: GPL-2.0-only
/*
 * GuestRPC channels over the low-bandwidth port: every request, in order and
 * out of order, and what a guest that does not keep to the rules can do.
 */
#include <pthread.h>

#include "vmport_test.h"

FIXTURE(channel) {
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct vmport_channel rpci;
};

FIXTURE_SETUP(channel)
{
	self->vm = vmport_vm_create(VMPORT_RPC, 1, &self->vcpu);
	ASSERT_EQ(vmport_set_text(self->vm, "guestinfo.k", "value"), 0);
	self->rpci = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
}

FIXTURE_TEARDOWN(channel)
{
	kvm_vm_free(self->vm);
}

/* The channel is as good as new. */
#define EXPECT_WORKS(_channel)							\
	EXPECT_STREQ(vmport_rpc_text(_channel, "info-get guestinfo.k"), "1 value")

TEST_F(channel, request_and_reply)
{
	EXPECT_WORKS(&self->rpci);
	EXPECT_WORKS(&self->rpci);
	vmport_close(&self->rpci);
}

/* Each request by hand, each register. */
TEST_F(channel, request_and_reply_register_by_register)
{
	static const char request[] = "info-get guestinfo.k";
	struct vmport_regs out;
	u32 word, i;

	out = vmport_msg(&self->rpci, VMPORT_MSG_SENDSIZE, 20);
	EXPECT_EQ(out.cx, VMPORT_SUCCESS << 16);
	EXPECT_EQ(out.bx, 20);
	EXPECT_EQ(out.dx, (u32)self->rpci.id << 16 | VMPORT_PORT);

	for (i = 0; i < 20; i += 4) {
		memcpy(&word, request + i, 4);
		out = vmport_msg(&self->rpci, VMPORT_MSG_SENDPAYLOAD, word);
		EXPECT_EQ(out.cx, VMPORT_SUCCESS << 16);
		EXPECT_EQ(out.bx, word);
		EXPECT_EQ(out.dx, (u32)self->rpci.id << 16 | VMPORT_PORT);
	}

	out = vmport_msg(&self->rpci, VMPORT_MSG_RECVSIZE, 0xdeadbeef);
	EXPECT_EQ(out.cx, (VMPORT_SUCCESS | VMPORT_DORECV) << 16);
	EXPECT_EQ(out.bx, 7);
	EXPECT_EQ(out.dx, VMPORT_MSG_SENDSIZE << 16);

	out = vmport_msg(&self->rpci, VMPORT_MSG_RECVPAYLOAD, VMPORT_SUCCESS);
	EXPECT_EQ(out.cx, VMPORT_SUCCESS << 16);
	EXPECT_EQ(out.bx, 0x61762031);		/* "1 va" */
	EXPECT_EQ(out.dx, VMPORT_MSG_SENDPAYLOAD << 16);
	out = vmport_msg(&self->rpci, VMPORT_MSG_RECVPAYLOAD, VMPORT_SUCCESS);
	EXPECT_EQ(out.bx, 0x0065756c);		/* "lue" */

	out = vmport_msg(&self->rpci, VMPORT_MSG_RECVSTATUS, VMPORT_SUCCESS);
	EXPECT_EQ(out.cx, VMPORT_SUCCESS << 16);
	EXPECT_EQ(out.bx, VMPORT_SUCCESS);
	EXPECT_EQ(out.dx, (u32)self->rpci.id << 16 | VMPORT_PORT);

	out = vmport_msg(&self->rpci, VMPORT_MSG_RECVSIZE, 0xdeadbeef);
	EXPECT_EQ(out.cx, VMPORT_SUCCESS << 16);
	EXPECT_EQ(out.bx, 0xdeadbeef);

	out = vmport_msg(&self->rpci, VMPORT_MSG_CLOSE, 0x1234);
	EXPECT_EQ(out.cx, VMPORT_SUCCESS << 16);
	EXPECT_EQ(out.bx, 0x1234);
	EXPECT_EQ(out.dx, (u32)self->rpci.id << 16 | VMPORT_PORT);
}

/* The same by OUT: the registers are where IN has them, RAX is kept. */
TEST_F(channel, out_form)
{
	struct vmport_regs in = vmport_msg_regs(&self->rpci, VMPORT_MSG_SENDSIZE, 0);
	struct kvm_regs regs;

	vmport_set_regs(self->vcpu, &regs, &in);
	vmport_run_done(self->vcpu, vmport_out, &regs);
	vmport_assert_high(&regs);
	EXPECT_EQ(regs.rax, VMPORT_HIGH_AX | VMPORT_MAGIC);
	EXPECT_EQ((u32)regs.rcx, VMPORT_SUCCESS << 16);

	in = vmport_msg_regs(&self->rpci, VMPORT_MSG_RECVSIZE, 0);
	vmport_set_regs(self->vcpu, &regs, &in);
	vmport_run_done(self->vcpu, vmport_out, &regs);
	EXPECT_EQ((u32)regs.rcx, (VMPORT_SUCCESS | VMPORT_DORECV) << 16);
	EXPECT_EQ((u32)regs.rbx, strlen("0 Unknown command"));
}

TEST_F(channel, close_ends_it)
{
	u16 type;

	vmport_close(&self->rpci);
	for (type = VMPORT_MSG_SENDSIZE; type <= VMPORT_MSG_CLOSE; type++)
		EXPECT_EQ(vmport_msg_status(&self->rpci, type, 1), VMPORT_FAIL);
}

TEST_F(channel, open_gives_the_lowest_free_id)
{
	struct vmport_channel channels[4];
	int i;

	EXPECT_EQ(self->rpci.id, 0);
	for (i = 1; i < 4; i++) {
		channels[i] = vmport_open(self->vcpu, VMPORT_RPCI);
		EXPECT_EQ(channels[i].id, i);
	}
	vmport_close(&channels[2]);
	vmport_close(&self->rpci);
	EXPECT_EQ(vmport_open(self->vcpu, VMPORT_TCLO).id, 0);
	EXPECT_EQ(vmport_open(self->vcpu, VMPORT_RPCI).id, 2);
	EXPECT_EQ(vmport_open(self->vcpu, VMPORT_RPCI).id, 4);
}

TEST_F(channel, all_channels_are_usable)
{
	struct vmport_channel channels[KVM_VMPORT_MAX_CHANNELS], extra;
	int i;

	channels[0] = self->rpci;
	for (i = 1; i < KVM_VMPORT_MAX_CHANNELS; i++) {
		channels[i] = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
		ASSERT_EQ(channels[i].id, i);
	}
	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS; i += 31)
		EXPECT_WORKS(&channels[i]);
	EXPECT_WORKS(&channels[127]);

	vmport_close(&channels[77]);
	EXPECT_EQ(vmport_try_open(self->vcpu, VMPORT_RPCI, &extra), VMPORT_SUCCESS);
	EXPECT_EQ(extra.id, 77);
	EXPECT_WORKS(&extra);
}

TEST_F(channel, bad_protocol_opens_nothing)
{
	static const u32 bad[] = {
		0, VMPORT_COOKIE, VMPORT_RPCI ^ 1, VMPORT_TCLO | 0x20, 0x52504349,
		VMPORT_RPCI | VMPORT_COOKIE | 0x20000000, 0xffffffff,
		(VMPORT_TCLO ^ 0x40000000) | VMPORT_COOKIE,
	};
	struct vmport_channel extra;
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(vmport_try_open(self->vcpu, bad[i], &extra), VMPORT_FAIL)
			TH_LOG("protocol 0x%x", bad[i]);
	}
	/* No channel was lost to that. */
	EXPECT_EQ(vmport_open(self->vcpu, VMPORT_RPCI).id, 1);
}

TEST_F(channel, unknown_request_type_fails)
{
	static const u16 types[] = { 7, 8, 16, 100, 0x7fff, 0x8000, 0xffff };
	struct vmport_blob before = vmport_save(self->vm);
	int i;

	for (i = 0; i < ARRAY_SIZE(types); i++)
		EXPECT_EQ(vmport_msg_status(&self->rpci, types[i], 1), VMPORT_FAIL);
	EXPECT_TRUE(vmport_state_is(self->vm, &before));
	EXPECT_WORKS(&self->rpci);
	vmport_blob_free(&before);
}

/* A request that fails does so with no change at all, in any situation. */
static void prepare_situation(struct vmport_channel *rpci, int situation)
{
	switch (situation) {
	case 0:		/* nothing going on */
		break;
	case 1:		/* a half-sent message */
		TEST_ASSERT_EQ(vmport_msg_status(rpci, VMPORT_MSG_SENDSIZE, 20), VMPORT_SUCCESS);
		vmport_send_payload(rpci, "info-get", 8);
		break;
	case 2:		/* a reply waits */
		vmport_send(rpci, "info-get guestinfo.k", 20);
		break;
	case 3:		/* a reply half read */
		vmport_send(rpci, "info-get guestinfo.k", 20);
		TEST_ASSERT_EQ(vmport_poll(rpci), 7);
		TEST_ASSERT_EQ(vmport_msg_status(rpci, VMPORT_MSG_RECVPAYLOAD, 1),
			       VMPORT_SUCCESS);
		break;
	}
}

#define NR_SITUATIONS	4

TEST_F(channel, wrong_cookie_changes_nothing)
{
	struct vmport_channel wrong[6];
	struct vmport_blob before;
	int situation, i;
	u16 type;

	for (situation = 0; situation < NR_SITUATIONS; situation++) {
		for (i = 0; i < ARRAY_SIZE(wrong); i++)
			wrong[i] = self->rpci;
		wrong[0].cookie_high ^= 1;
		wrong[1].cookie_low ^= 0x80000000;
		wrong[2].cookie_high = 0;
		wrong[2].cookie_low = 0;
		wrong[3].cookie_high = self->rpci.cookie_low;
		wrong[3].cookie_low = self->rpci.cookie_high;
		wrong[4].cookie_high = ~self->rpci.cookie_high;
		wrong[5].cookie_low = ~self->rpci.cookie_low;

		prepare_situation(&self->rpci, situation);
		before = vmport_save(self->vm);
		for (i = 0; i < ARRAY_SIZE(wrong); i++) {
			for (type = VMPORT_MSG_SENDSIZE; type <= VMPORT_MSG_CLOSE; type++) {
				EXPECT_EQ(vmport_msg_status(&wrong[i], type, 1), VMPORT_FAIL)
					TH_LOG("situation %d, request %u", situation, type);
			}
		}
		EXPECT_TRUE(vmport_state_is(self->vm, &before));
		vmport_blob_free(&before);
		EXPECT_WORKS(&self->rpci);
	}
}

TEST_F(channel, wrong_channel_id_changes_nothing)
{
	static const u16 ids[] = {
		1, 2, 7, 8, 127, 128, 129, 255, 256, 0x7fff, 0x8000, 0xff80, 0xffff,
	};
	struct vmport_channel wrong = self->rpci;
	struct vmport_blob before;
	int i;
	u16 type;

	prepare_situation(&self->rpci, 3);
	before = vmport_save(self->vm);
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		wrong.id = ids[i];
		for (type = VMPORT_MSG_SENDSIZE; type <= VMPORT_MSG_CLOSE; type++) {
			EXPECT_EQ(vmport_msg_status(&wrong, type, 1), VMPORT_FAIL)
				TH_LOG("id %u, request %u", ids[i], type);
		}
	}
	EXPECT_TRUE(vmport_state_is(self->vm, &before));
	vmport_blob_free(&before);
	EXPECT_WORKS(&self->rpci);
}

TEST_F(channel, cookie_of_another_channel_is_wrong)
{
	struct vmport_channel other = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	struct vmport_channel mixed = self->rpci;

	mixed.cookie_high = other.cookie_high;
	mixed.cookie_low = other.cookie_low;
	EXPECT_EQ(vmport_msg_status(&mixed, VMPORT_MSG_SENDSIZE, 4), VMPORT_FAIL);
	EXPECT_EQ(vmport_msg_status(&mixed, VMPORT_MSG_CLOSE, 0), VMPORT_FAIL);
	EXPECT_WORKS(&self->rpci);
	EXPECT_WORKS(&other);
}

TEST_F(channel, old_cookie_is_wrong_after_reopen)
{
	struct vmport_channel old = self->rpci, new;

	vmport_close(&self->rpci);
	new = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	ASSERT_EQ(new.id, old.id);
	EXPECT_TRUE(new.cookie_high != old.cookie_high || new.cookie_low != old.cookie_low);
	EXPECT_EQ(vmport_msg_status(&old, VMPORT_MSG_SENDSIZE, 4), VMPORT_FAIL);
	EXPECT_WORKS(&new);
}

TEST_F(channel, without_cookie_flag_none_comes_and_nothing_is_checked)
{
	struct vmport_channel plain = { .vcpu = self->vcpu, .cookie_high = 1, .cookie_low = 2 };
	struct vmport_regs out = vmport_msg(&plain, VMPORT_MSG_OPEN, VMPORT_RPCI);

	/* Clients keep values of their own there. */
	EXPECT_EQ(out.si, 1);
	EXPECT_EQ(out.di, 2);
	EXPECT_EQ(out.cx, VMPORT_SUCCESS << 16);
	EXPECT_EQ(out.dx, 1 << 16);

	plain = vmport_open(self->vcpu, VMPORT_RPCI);
	EXPECT_WORKS(&plain);
	plain.cookie_high = 0x12345678;
	plain.cookie_low = 0xffffffff;
	EXPECT_WORKS(&plain);
	vmport_close(&plain);
}

TEST_F(channel, cookies_are_not_guessable)
{
	struct vmport_channel channel;
	u32 high[64], low[64];
	u32 ones = 0, zeroes = 0, ones_low = 0, zeroes_low = 0;
	int i, j;

	for (i = 0; i < 64; i++) {
		channel = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
		high[i] = channel.cookie_high;
		low[i] = channel.cookie_low;
		vmport_close(&channel);
		ones |= high[i];
		zeroes |= ~high[i];
		ones_low |= low[i];
		zeroes_low |= ~low[i];
		for (j = 0; j < i; j++) {
			EXPECT_TRUE(high[i] != high[j] || low[i] != low[j]);
			EXPECT_NE(((u64)high[i] << 32 | low[i]) - ((u64)high[j] << 32 | low[j]),
				  (u64)(i - j));
		}
	}
	/* Every bit takes both values; that fails once in 2^58 runs. */
	EXPECT_EQ(ones, 0xffffffff);
	EXPECT_EQ(zeroes, 0xffffffff);
	EXPECT_EQ(ones_low, 0xffffffff);
	EXPECT_EQ(zeroes_low, 0xffffffff);
}

TEST_F(channel, oversize_sendsize_fails_and_keeps_the_message)
{
	static const u32 sizes[] = { 65537, 65540, 0x20000, 0x7fffffff, 0x80000000, 0xffffffff };
	struct vmport_blob before;
	int situation, i;

	for (situation = 0; situation < NR_SITUATIONS; situation++) {
		prepare_situation(&self->rpci, situation);
		before = vmport_save(self->vm);
		for (i = 0; i < ARRAY_SIZE(sizes); i++)
			EXPECT_EQ(vmport_msg_status(&self->rpci, VMPORT_MSG_SENDSIZE, sizes[i]),
				  VMPORT_FAIL);
		EXPECT_TRUE(vmport_state_is(self->vm, &before));
		vmport_blob_free(&before);

		if (situation == 1) {
			char reply[16];

			/* The half that was sent still counts. */
			vmport_send_payload(&self->rpci, " guestinfo.k", 12);
			EXPECT_EQ(vmport_recv(&self->rpci, reply, sizeof(reply)), 7);
			EXPECT_EQ(memcmp(reply, "1 value", 7), 0);
		}
		EXPECT_WORKS(&self->rpci);
	}
}

TEST_F(channel, message_of_64_kib)
{
	const u32 head = strlen("info-set guestinfo.big ");
	const u32 message_size = KVM_VMPORT_MAX_MESSAGE;
	u8 *reply = vmport_alloc(KVM_VMPORT_MAX_REPLY);
	u8 *value = vmport_alloc(KVM_VMPORT_MAX_VALUE);
	u8 *message = vmport_alloc(message_size);
	u32 size = KVM_VMPORT_MAX_VALUE, i;

	memcpy(message, "info-set guestinfo.big ", head);
	for (i = head; i < message_size; i++)
		message[i] = 1 + (i * 7 + i / 256) % 255;
	message[message_size - 1] = 'E';

	EXPECT_EQ(vmport_rpc(&self->rpci, message, message_size, reply, KVM_VMPORT_MAX_REPLY), 2);
	EXPECT_EQ(memcmp(reply, "1 ", 2), 0);
	EXPECT_EQ(vmport_get_entry(self->vm, "guestinfo.big", 13, value, &size, NULL), 0);
	EXPECT_EQ(size, message_size - head);
	EXPECT_EQ(memcmp(value, message + head, size), 0);

	EXPECT_EQ(vmport_rpc(&self->rpci, "info-get guestinfo.big", 22, reply,
			     KVM_VMPORT_MAX_REPLY), 2 + size);
	EXPECT_EQ(memcmp(reply + 2, value, size), 0);
	free(message);
	free(value);
	free(reply);
}

TEST_F(channel, reply_longer_than_a_message)
{
	u8 *reply = vmport_alloc(KVM_VMPORT_MAX_REPLY);
	const u32 size = KVM_VMPORT_MAX_VALUE;
	u8 *value = vmport_alloc(size);
	u32 i;

	for (i = 0; i < size; i++)
		value[i] = i * 11 + i / 256;
	ASSERT_EQ(vmport_set_entry(self->vm, "guestinfo.big", 13, value, size, 0), 0);
	EXPECT_EQ(vmport_rpc(&self->rpci, "info-get guestinfo.big", 22, reply,
			     KVM_VMPORT_MAX_REPLY), 2 + size);
	EXPECT_EQ(memcmp(reply, "1 ", 2), 0);
	EXPECT_EQ(memcmp(reply + 2, value, size), 0);
	free(value);
	free(reply);
}

TEST_F(channel, every_size_of_the_last_word)
{
	char request[64], reply[64];
	u32 i;

	for (i = 1; i <= 8; i++) {
		const u32 head = strlen("info-set guestinfo.w ");

		memcpy(request, "info-set guestinfo.w 12345678", head + i);
		EXPECT_EQ(vmport_rpc(&self->rpci, request, head + i, reply, sizeof(reply)), 2);
		EXPECT_EQ(strlen(vmport_get_text(self->vm, "guestinfo.w")), i);
		EXPECT_EQ(memcmp(vmport_get_text(self->vm, "guestinfo.w"), "12345678", i), 0);
		EXPECT_EQ(vmport_rpc(&self->rpci, "info-get guestinfo.w", 20, reply,
				     sizeof(reply)), 2 + i);
		EXPECT_EQ(memcmp(reply + 2, "12345678", i), 0);
	}
}

TEST_F(channel, size_zero_is_complete_at_once)
{
	char reply[64];

	EXPECT_EQ(vmport_msg_status(&self->rpci, VMPORT_MSG_SENDSIZE, 0), VMPORT_SUCCESS);
	EXPECT_EQ(vmport_msg_status(&self->rpci, VMPORT_MSG_SENDPAYLOAD, 0), VMPORT_FAIL);
	EXPECT_EQ(vmport_recv(&self->rpci, reply, sizeof(reply)), 17);
	EXPECT_EQ(memcmp(reply, "0 Unknown command", 17), 0);
	EXPECT_WORKS(&self->rpci);
}

TEST_F(channel, sendpayload_without_a_message_fails)
{
	EXPECT_EQ(vmport_msg_status(&self->rpci, VMPORT_MSG_SENDPAYLOAD, 0x20676f6c), VMPORT_FAIL);
	EXPECT_EQ(vmport_poll(&self->rpci), -1);
	/* Nor one word too many. */
	vmport_send(&self->rpci, "log x", 5);
	EXPECT_EQ(vmport_msg_status(&self->rpci, VMPORT_MSG_SENDPAYLOAD, 0x20676f6c), VMPORT_FAIL);
	EXPECT_EQ(vmport_poll(&self->rpci), 2);
}

TEST_F(channel, receiving_nothing_fails)
{
	EXPECT_EQ(vmport_poll(&self->rpci), -1);
	EXPECT_EQ(vmport_msg_status(&self->rpci, VMPORT_MSG_RECVPAYLOAD, 1), VMPORT_FAIL);
	EXPECT_EQ(vmport_msg_status(&self->rpci, VMPORT_MSG_RECVPAYLOAD, 0), VMPORT_FAIL);
	EXPECT_EQ(vmport_msg_status(&self->rpci, VMPORT_MSG_RECVSTATUS, 1), VMPORT_FAIL);
	EXPECT_EQ(vmport_msg_status(&self->rpci, VMPORT_MSG_RECVSTATUS, 0), VMPORT_FAIL);
	/* Half a request has no reply yet either. */
	prepare_situation(&self->rpci, 1);
	EXPECT_EQ(vmport_poll(&self->rpci), -1);
	EXPECT_EQ(vmport_msg_status(&self->rpci, VMPORT_MSG_RECVPAYLOAD, 1), VMPORT_FAIL);
}

TEST_F(channel, restart_in_the_middle_of_sending)
{
	char reply[16];

	prepare_situation(&self->rpci, 1);
	EXPECT_WORKS(&self->rpci);

	/* Shorter, longer, and the same again. */
	prepare_situation(&self->rpci, 1);
	EXPECT_EQ(vmport_msg_status(&self->rpci, VMPORT_MSG_SENDSIZE, 4000), VMPORT_SUCCESS);
	vmport_send_payload(&self->rpci, "xxxxxxxx", 8);
	EXPECT_EQ(vmport_msg_status(&self->rpci, VMPORT_MSG_SENDSIZE, 5), VMPORT_SUCCESS);
	vmport_send_payload(&self->rpci, "log a", 5);
	EXPECT_EQ(vmport_recv(&self->rpci, reply, sizeof(reply)), 2);
	EXPECT_WORKS(&self->rpci);
}

TEST_F(channel, new_request_drops_the_waiting_reply)
{
	char reply[64];

	prepare_situation(&self->rpci, 3);
	EXPECT_EQ(vmport_msg_status(&self->rpci, VMPORT_MSG_SENDSIZE, 5), VMPORT_SUCCESS);
	/* At that moment, not at the end of the new one. */
	EXPECT_EQ(vmport_poll(&self->rpci), -1);
	vmport_send_payload(&self->rpci, "log a", 5);
	EXPECT_EQ(vmport_recv(&self->rpci, reply, sizeof(reply)), 2);
	EXPECT_EQ(vmport_poll(&self->rpci), -1);
}

TEST_F(channel, close_in_the_middle_of_sending)
{
	struct vmport_channel new;

	prepare_situation(&self->rpci, 1);
	vmport_close(&self->rpci);
	new = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	ASSERT_EQ(new.id, self->rpci.id);
	/* The old message is not the new channel's. */
	EXPECT_EQ(vmport_msg_status(&new, VMPORT_MSG_SENDPAYLOAD, 0x20202020), VMPORT_FAIL);
	EXPECT_EQ(vmport_poll(&new), -1);
	EXPECT_WORKS(&new);
}

TEST_F(channel, close_in_the_middle_of_receiving)
{
	struct vmport_channel new;

	prepare_situation(&self->rpci, 3);
	vmport_close(&self->rpci);
	new = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	ASSERT_EQ(new.id, self->rpci.id);
	EXPECT_EQ(vmport_poll(&new), -1);
	EXPECT_EQ(vmport_msg_status(&new, VMPORT_MSG_RECVPAYLOAD, 1), VMPORT_FAIL);
	EXPECT_WORKS(&new);
}

TEST_F(channel, reply_can_be_read_again)
{
	char reply[16];
	int i;

	vmport_send(&self->rpci, "info-get guestinfo.k", 20);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(vmport_poll(&self->rpci), 7);
		EXPECT_EQ(vmport_poll(&self->rpci), 7);
		memset(reply, 0, sizeof(reply));
		/* One word, then from the start again. */
		vmport_recv_payload(&self->rpci, reply, 4);
		EXPECT_EQ(memcmp(reply, "1 va", 4), 0);
		EXPECT_EQ(vmport_poll(&self->rpci), 7);
		vmport_recv_payload(&self->rpci, reply, 7);
		EXPECT_EQ(memcmp(reply, "1 value", 7), 0);
	}
	EXPECT_EQ(vmport_msg_status(&self->rpci, VMPORT_MSG_RECVSTATUS, 1), VMPORT_SUCCESS);
	EXPECT_EQ(vmport_poll(&self->rpci), -1);
}

TEST_F(channel, payload_past_the_end_is_zero)
{
	struct vmport_regs out;
	char reply[16];
	int i;

	vmport_send(&self->rpci, "info-get guestinfo.k", 20);
	EXPECT_EQ(vmport_poll(&self->rpci), 7);
	vmport_recv_payload(&self->rpci, reply, 7);
	for (i = 0; i < 5; i++) {
		out = vmport_msg(&self->rpci, VMPORT_MSG_RECVPAYLOAD, 1);
		EXPECT_EQ(vmport_status(&out), VMPORT_SUCCESS);
		EXPECT_EQ(out.bx, 0);
		EXPECT_EQ(out.dx >> 16, VMPORT_MSG_SENDPAYLOAD);
	}
	EXPECT_EQ(vmport_poll(&self->rpci), 7);
	vmport_recv_payload(&self->rpci, reply, 7);
	EXPECT_EQ(memcmp(reply, "1 value", 7), 0);
}

TEST_F(channel, recvpayload_without_recvsize)
{
	char reply[16];

	vmport_send(&self->rpci, "info-get guestinfo.k", 20);
	vmport_recv_payload(&self->rpci, reply, 7);
	EXPECT_EQ(memcmp(reply, "1 value", 7), 0);
}

TEST_F(channel, giving_up_keeps_the_reply_and_starts_over)
{
	static const u32 values[] = { 0, 2, 0xfffffffe, 0x10000 };
	struct vmport_regs out;
	char reply[16];
	int i;

	vmport_send(&self->rpci, "info-get guestinfo.k", 20);
	for (i = 0; i < ARRAY_SIZE(values); i++) {
		EXPECT_EQ(vmport_poll(&self->rpci), 7);
		vmport_recv_payload(&self->rpci, reply, 4);
		out = vmport_msg(&self->rpci, VMPORT_MSG_RECVPAYLOAD, values[i]);
		EXPECT_EQ(vmport_status(&out), VMPORT_SUCCESS);
		EXPECT_EQ(out.bx, values[i]);
		EXPECT_EQ(out.dx >> 16, self->rpci.id);
		/* No RECVSIZE in between: the position is back at 0. */
		vmport_recv_payload(&self->rpci, reply, 7);
		EXPECT_EQ(memcmp(reply, "1 value", 7), 0);
	}
}

/* Of the status that the guest hands in, only SUCCESS counts. */
TEST_F(channel, other_bits_of_the_status_are_ignored)
{
	static const u32 values[] = { 1, 3, 0x81, 0x10001, 0xffffffff };
	struct vmport_regs out;
	int i;

	vmport_send(&self->rpci, "info-get guestinfo.k", 20);
	for (i = 0; i < ARRAY_SIZE(values); i++) {
		EXPECT_EQ(vmport_poll(&self->rpci), 7);
		out = vmport_msg(&self->rpci, VMPORT_MSG_RECVPAYLOAD, values[i]);
		EXPECT_EQ(out.bx, 0x61762031);		/* "1 va" */
		out = vmport_msg(&self->rpci, VMPORT_MSG_RECVPAYLOAD, values[i]);
		EXPECT_EQ(out.bx, 0x0065756c);		/* "lue" */
	}
}

/* A client may send the whole buffer in which its request is. */
TEST_F(channel, a_text_request_ends_at_its_first_nul)
{
	char request[4096] = "info-set guestinfo.nul v\0\0 x";
	char reply[64];

	EXPECT_EQ(vmport_rpc(&self->rpci, request, sizeof(request), reply, sizeof(reply)), 2);
	EXPECT_STREQ(vmport_get_text(self->vm, "guestinfo.nul"), "v");
	memset(request, 0, sizeof(request));
	memcpy(request, "info-get guestinfo.k", 20);
	EXPECT_EQ(vmport_rpc(&self->rpci, request, sizeof(request), reply, sizeof(reply)), 7);
	EXPECT_EQ(memcmp(reply, "1 value", 7), 0);
	/* Nor does a NUL in front of it help. */
	EXPECT_EQ(vmport_rpc(&self->rpci, "\0log", 4, reply, sizeof(reply)), 17);
}

TEST_F(channel, recvstatus_consumes_whatever_it_says)
{
	static const u32 values[] = { 1, 0, 0x20, 0xffffffff };
	int i;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		vmport_send(&self->rpci, "info-get guestinfo.k", 20);
		EXPECT_EQ(vmport_msg_status(&self->rpci, VMPORT_MSG_RECVSTATUS, values[i]),
			  VMPORT_SUCCESS);
		EXPECT_EQ(vmport_poll(&self->rpci), -1);
		EXPECT_EQ(vmport_msg_status(&self->rpci, VMPORT_MSG_RECVSTATUS, values[i]),
			  VMPORT_FAIL);
	}
	EXPECT_WORKS(&self->rpci);
}

TEST_F(channel, channels_do_not_disturb_each_other)
{
	struct vmport_channel other = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	struct vmport_channel third = vmport_open(self->vcpu, VMPORT_RPCI);
	char reply[16];

	prepare_situation(&self->rpci, 1);
	prepare_situation(&other, 3);
	EXPECT_WORKS(&third);
	vmport_close(&third);
	vmport_send_payload(&self->rpci, " guestinfo.k", 12);
	/* Where the other has stopped, in the middle. */
	vmport_recv_payload(&other, reply, 3);
	EXPECT_EQ(memcmp(reply, "lue", 3), 0);
	EXPECT_EQ(vmport_recv(&self->rpci, reply, sizeof(reply)), 7);
	EXPECT_EQ(memcmp(reply, "1 value", 7), 0);
}

/* TCLO: the host asks, the guest polls. */
FIXTURE(tclo) {
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct vmport_channel tclo;
};

FIXTURE_SETUP(tclo)
{
	self->vm = vmport_vm_create(VMPORT_RPC, 1, &self->vcpu);
	self->tclo = vmport_open(self->vcpu, VMPORT_TCLO | VMPORT_COOKIE);
}

FIXTURE_TEARDOWN(tclo)
{
	kvm_vm_free(self->vm);
}

/* What the guest polls, as a string; "" when there is nothing. */
static const char *tclo_poll(struct vmport_channel *tclo)
{
	static char request[KVM_VMPORT_MAX_TCLO_REQUEST + 1];
	int size = vmport_recv(tclo, request, sizeof(request) - 1);

	request[size < 0 ? 0 : size] = '\0';
	return request;
}

static void tclo_reset(struct vmport_channel *tclo)
{
	TEST_ASSERT(!strcmp(tclo_poll(tclo), "reset"), "no reset");
	vmport_send(tclo, "OK ATR toolbox", 14);
}

static u64 tclo_request(struct kvm_vm *vm, const char *request)
{
	u64 id = 0;

	TEST_ASSERT_EQ(vmport_tclo_send(vm, request, strlen(request), &id), 0);
	return id;
}

/* The oldest result is this. */
static void tclo_expect(struct kvm_vm *vm, u64 id, u32 status, const char *text)
{
	char result[256];
	u32 size = sizeof(result), seen_status;
	u64 seen_id;

	TEST_ASSERT_EQ(vmport_tclo_result(vm, result, &size, &seen_id, &seen_status), 0);
	TEST_ASSERT_EQ(seen_id, id);
	TEST_ASSERT_EQ(seen_status, status);
	TEST_ASSERT_EQ(size, strlen(text));
	TEST_ASSERT(!memcmp(result, text, size), "result '%.*s'", size, result);
}

static void tclo_expect_none(struct kvm_vm *vm)
{
	char result[16];
	u32 size = sizeof(result), status;
	u64 id;

	TEST_ASSERT_EQ(vmport_tclo_result(vm, result, &size, &id, &status), ENOENT);
}

TEST_F(tclo, open_queues_reset)
{
	EXPECT_STREQ(tclo_poll(&self->tclo), "reset");
	EXPECT_STREQ(tclo_poll(&self->tclo), "");
	vmport_send(&self->tclo, "OK ATR toolbox", 14);
	EXPECT_STREQ(tclo_poll(&self->tclo), "");
	/* The VMM has not asked for that. */
	tclo_expect_none(self->vm);
}

TEST_F(tclo, ping_loop)
{
	u64 id, last = 0;
	int i;

	tclo_reset(&self->tclo);
	for (i = 0; i < 5; i++) {
		/* As open-vm-tools does: an empty message, then the poll. */
		vmport_send(&self->tclo, "", 0);
		EXPECT_STREQ(tclo_poll(&self->tclo), "");
		id = tclo_request(self->vm, "ping");
		EXPECT_GT(id, last);
		last = id;
		tclo_expect_none(self->vm);
		vmport_send(&self->tclo, "", 0);
		EXPECT_STREQ(tclo_poll(&self->tclo), "ping");
		tclo_expect_none(self->vm);
		vmport_send(&self->tclo, "OK ", 3);
		tclo_expect(self->vm, id, KVM_VMPORT_TCLO_ANSWERED, "OK ");
		tclo_expect_none(self->vm);
	}
}

TEST_F(tclo, reset_comes_first)
{
	u64 id = tclo_request(self->vm, "ping");

	EXPECT_STREQ(tclo_poll(&self->tclo), "reset");
	vmport_send(&self->tclo, "OK ATR toolbox", 14);
	EXPECT_STREQ(tclo_poll(&self->tclo), "ping");
	vmport_send(&self->tclo, "ERROR no", 8);
	tclo_expect(self->vm, id, KVM_VMPORT_TCLO_ANSWERED, "ERROR no");
}

TEST_F(tclo, requests_in_order_one_at_a_time)
{
	u64 a, b, c;

	tclo_reset(&self->tclo);
	a = tclo_request(self->vm, "Set_Option broadcastIP 1");
	b = tclo_request(self->vm, "Capabilities_Register");
	c = tclo_request(self->vm, "OS_Reboot");
	EXPECT_NE(a, 0);
	EXPECT_STREQ(tclo_poll(&self->tclo), "Set_Option broadcastIP 1");
	/* It runs: the next one waits. */
	EXPECT_STREQ(tclo_poll(&self->tclo), "");
	EXPECT_STREQ(tclo_poll(&self->tclo), "");
	vmport_send(&self->tclo, "OK a", 4);
	EXPECT_STREQ(tclo_poll(&self->tclo), "Capabilities_Register");
	vmport_send(&self->tclo, "OK b", 4);
	EXPECT_STREQ(tclo_poll(&self->tclo), "OS_Reboot");
	vmport_send(&self->tclo, "ERROR c", 7);
	EXPECT_STREQ(tclo_poll(&self->tclo), "");
	tclo_expect(self->vm, a, KVM_VMPORT_TCLO_ANSWERED, "OK a");
	tclo_expect(self->vm, b, KVM_VMPORT_TCLO_ANSWERED, "OK b");
	tclo_expect(self->vm, c, KVM_VMPORT_TCLO_ANSWERED, "ERROR c");
	tclo_expect_none(self->vm);
}

TEST_F(tclo, request_can_be_read_again)
{
	char request[16];
	u64 id;

	tclo_reset(&self->tclo);
	id = tclo_request(self->vm, "OS_Suspend");
	EXPECT_EQ(vmport_poll(&self->tclo), 10);
	vmport_recv_payload(&self->tclo, request, 4);
	EXPECT_EQ(vmport_msg_status(&self->tclo, VMPORT_MSG_RECVPAYLOAD, 0), VMPORT_SUCCESS);
	EXPECT_STREQ(tclo_poll(&self->tclo), "OS_Suspend");
	vmport_send(&self->tclo, "OK ", 3);
	tclo_expect(self->vm, id, KVM_VMPORT_TCLO_ANSWERED, "OK ");
}

TEST_F(tclo, sendsize_keeps_the_waiting_request)
{
	u64 id;

	tclo_reset(&self->tclo);
	id = tclo_request(self->vm, "ping");
	EXPECT_EQ(vmport_poll(&self->tclo), 4);
	vmport_send(&self->tclo, "OK to nothing", 13);
	tclo_expect_none(self->vm);
	EXPECT_STREQ(tclo_poll(&self->tclo), "ping");
	vmport_send(&self->tclo, "OK ", 3);
	tclo_expect(self->vm, id, KVM_VMPORT_TCLO_ANSWERED, "OK ");
}

TEST_F(tclo, empty_result)
{
	u64 id;

	tclo_reset(&self->tclo);
	id = tclo_request(self->vm, "ping");
	EXPECT_STREQ(tclo_poll(&self->tclo), "ping");
	vmport_send(&self->tclo, "", 0);
	tclo_expect(self->vm, id, KVM_VMPORT_TCLO_ANSWERED, "");
}

TEST_F(tclo, result_of_64_kib)
{
	const u32 full = KVM_VMPORT_MAX_MESSAGE;
	u8 *answer = vmport_alloc(full);
	u8 *result = vmport_alloc(full);
	u32 size, status, i;
	u64 id, seen;

	for (i = 0; i < full; i++)
		answer[i] = i * 13 + i / 256;
	tclo_reset(&self->tclo);
	id = tclo_request(self->vm, "ping");
	EXPECT_STREQ(tclo_poll(&self->tclo), "ping");
	vmport_send(&self->tclo, answer, full);

	size = full - 1;
	EXPECT_EQ(vmport_tclo_result(self->vm, result, &size, &seen, &status), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_BUFFER);
	EXPECT_EQ(size, full);
	EXPECT_EQ(memchr(result, answer[1], full), NULL);
	/* It stays. */
	EXPECT_EQ(vmport_tclo_result(self->vm, result, &size, &seen, &status), 0);
	EXPECT_EQ(seen, id);
	EXPECT_EQ(memcmp(answer, result, full), 0);
	tclo_expect_none(self->vm);
	free(answer);
	free(result);
}

TEST_F(tclo, result_small_buffer_e2big_and_size)
{
	u8 result[16];
	u32 size, status, i, j;
	u64 id;

	tclo_reset(&self->tclo);
	tclo_request(self->vm, "ping");
	EXPECT_STREQ(tclo_poll(&self->tclo), "ping");
	vmport_send(&self->tclo, "OK done", 7);
	for (i = 0; i < 7; i++) {
		memset(result, 0xa5, sizeof(result));
		size = i;
		EXPECT_EQ(vmport_tclo_result(self->vm, result, &size, &id, &status), E2BIG);
		EXPECT_EQ(size, 7);
		for (j = 0; j < sizeof(result); j++)
			EXPECT_EQ(result[j], 0xa5);
	}
	EXPECT_EQ(vmport_tclo_result(self->vm, result, &size, &id, &status), 0);
	EXPECT_EQ(memcmp(result, "OK done", 7), 0);
	EXPECT_EQ(result[7], 0xa5);
}

TEST_F(tclo, recvstatus_failed_is_lost)
{
	u64 a, b;

	tclo_reset(&self->tclo);
	a = tclo_request(self->vm, "ping");
	b = tclo_request(self->vm, "OS_Halt");
	EXPECT_EQ(vmport_poll(&self->tclo), 4);
	EXPECT_EQ(vmport_msg_status(&self->tclo, VMPORT_MSG_RECVSTATUS, 0), VMPORT_SUCCESS);
	tclo_expect(self->vm, a, KVM_VMPORT_TCLO_LOST, "");
	/* What comes then answers nothing. */
	vmport_send(&self->tclo, "OK ", 3);
	tclo_expect_none(self->vm);
	EXPECT_STREQ(tclo_poll(&self->tclo), "OS_Halt");
	vmport_send(&self->tclo, "OK ", 3);
	tclo_expect(self->vm, b, KVM_VMPORT_TCLO_ANSWERED, "OK ");
}

TEST_F(tclo, close_with_a_waiting_request_is_lost)
{
	u64 id;

	tclo_reset(&self->tclo);
	id = tclo_request(self->vm, "ping");
	EXPECT_EQ(vmport_poll(&self->tclo), 4);
	vmport_close(&self->tclo);
	tclo_expect(self->vm, id, KVM_VMPORT_TCLO_LOST, "");
	tclo_expect_none(self->vm);
}

TEST_F(tclo, close_with_a_running_request_is_lost)
{
	u64 id;

	tclo_reset(&self->tclo);
	id = tclo_request(self->vm, "ping");
	EXPECT_STREQ(tclo_poll(&self->tclo), "ping");
	/* Half an answer is none. */
	EXPECT_EQ(vmport_msg_status(&self->tclo, VMPORT_MSG_SENDSIZE, 8), VMPORT_SUCCESS);
	EXPECT_EQ(vmport_msg_status(&self->tclo, VMPORT_MSG_SENDPAYLOAD, 0), VMPORT_SUCCESS);
	vmport_close(&self->tclo);
	tclo_expect(self->vm, id, KVM_VMPORT_TCLO_LOST, "");
	tclo_expect_none(self->vm);
}

TEST_F(tclo, requests_not_given_survive_close)
{
	struct vmport_channel next;
	u64 a, b;

	a = tclo_request(self->vm, "one");
	b = tclo_request(self->vm, "two");
	vmport_close(&self->tclo);
	tclo_expect_none(self->vm);

	next = vmport_open(self->vcpu, VMPORT_TCLO);
	tclo_reset(&next);
	EXPECT_STREQ(tclo_poll(&next), "one");
	vmport_send(&next, "OK 1", 4);
	EXPECT_STREQ(tclo_poll(&next), "two");
	vmport_send(&next, "OK 2", 4);
	tclo_expect(self->vm, a, KVM_VMPORT_TCLO_ANSWERED, "OK 1");
	tclo_expect(self->vm, b, KVM_VMPORT_TCLO_ANSWERED, "OK 2");
}

TEST_F(tclo, requests_wait_without_a_channel)
{
	struct vmport_channel next;
	u64 id;

	vmport_close(&self->tclo);
	id = tclo_request(self->vm, "ping");
	next = vmport_open(self->vcpu, VMPORT_TCLO | VMPORT_COOKIE);
	tclo_reset(&next);
	EXPECT_STREQ(tclo_poll(&next), "ping");
	vmport_send(&next, "OK ", 3);
	tclo_expect(self->vm, id, KVM_VMPORT_TCLO_ANSWERED, "OK ");
}

TEST_F(tclo, rpci_channels_get_no_requests)
{
	struct vmport_channel rpci = vmport_open(self->vcpu, VMPORT_RPCI);

	tclo_request(self->vm, "ping");
	EXPECT_EQ(vmport_poll(&rpci), -1);
	vmport_send(&rpci, "log x", 5);
	EXPECT_EQ(vmport_poll(&rpci), 2);
}

TEST_F(tclo, ebusy_when_full_whatever_they_are)
{
	u64 id, first, second;
	int i;

	tclo_reset(&self->tclo);
	first = tclo_request(self->vm, "first");
	EXPECT_STREQ(tclo_poll(&self->tclo), "first");
	vmport_send(&self->tclo, "OK 1", 4);		/* a result unread */
	second = tclo_request(self->vm, "second");
	EXPECT_STREQ(tclo_poll(&self->tclo), "second");	/* one running */
	for (i = 2; i < KVM_VMPORT_MAX_TCLO; i++)
		tclo_request(self->vm, "more");

	EXPECT_EQ(vmport_tclo_send(self->vm, "extra", 5, &id), EBUSY);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_TCLO_COUNT);
	/* An answer changes the kind, not the number. */
	vmport_send(&self->tclo, "OK 2", 4);
	EXPECT_EQ(vmport_tclo_send(self->vm, "extra", 5, &id), EBUSY);
	tclo_expect(self->vm, first, KVM_VMPORT_TCLO_ANSWERED, "OK 1");
	EXPECT_EQ(vmport_tclo_send(self->vm, "extra", 5, &id), 0);
	EXPECT_EQ(vmport_tclo_send(self->vm, "extra", 5, &id), EBUSY);
	tclo_expect(self->vm, second, KVM_VMPORT_TCLO_ANSWERED, "OK 2");
}

TEST_F(tclo, request_sizes)
{
	static char request[KVM_VMPORT_MAX_TCLO_REQUEST + 1], seen[KVM_VMPORT_MAX_TCLO_REQUEST];
	u64 id;

	memset(request, 'r', sizeof(request));
	EXPECT_EQ(vmport_tclo_send(self->vm, request, 0, &id), EINVAL);
	EXPECT_EQ(vmport_tclo_send(self->vm, request, sizeof(request), &id), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_TCLO_SIZE);
	EXPECT_EQ(vmport_tclo_send(self->vm, request, 0xffffffff, &id), E2BIG);
	EXPECT_EQ(vmport_tclo_send(self->vm, request, sizeof(request) - 1, &id), 0);
	tclo_reset(&self->tclo);
	EXPECT_EQ(vmport_recv(&self->tclo, seen, sizeof(seen)), KVM_VMPORT_MAX_TCLO_REQUEST);
	EXPECT_EQ(memcmp(seen, request, sizeof(seen)), 0);
}

/* Two vCPUs, each with a channel of its own and values that no other has. */
#define ROUNDS	200

struct worker {
	pthread_t thread;
	struct kvm_vcpu *vcpu;
	int failures;
};

static void *worker_run(void *arg)
{
	struct worker *worker = arg;
	char request[256], expected[256];
	struct vmport_channel channel;
	int i, n = worker->vcpu->id;

	for (i = 0; i < ROUNDS; i++) {
		if (i % 20 == 0)
			channel = vmport_open(worker->vcpu, VMPORT_RPCI | VMPORT_COOKIE);

		snprintf(request, sizeof(request), "info-set guestinfo.v%d %d-%d %*d", n, n, i,
			 i % 100 + 1, i);
		if (strcmp(vmport_rpc_text(&channel, request), "1 "))
			worker->failures++;
		snprintf(request, sizeof(request), "info-get guestinfo.v%d", n);
		snprintf(expected, sizeof(expected), "1 %d-%d %*d", n, i, i % 100 + 1, i);
		if (strcmp(vmport_rpc_text(&channel, request), expected))
			worker->failures++;

		if (i % 20 == 19)
			vmport_close(&channel);
	}
	return NULL;
}

TEST(two_vcpus_on_two_channels)
{
	struct kvm_vcpu *vcpus[2];
	struct kvm_vm *vm = vmport_vm_create(VMPORT_RPC, 2, vcpus);
	struct worker workers[2] = { };
	int i;

	for (i = 0; i < 2; i++) {
		workers[i].vcpu = vcpus[i];
		ASSERT_EQ(pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]), 0);
	}
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(pthread_join(workers[i].thread, NULL), 0);
		EXPECT_EQ(workers[i].failures, 0);
	}
	kvm_vm_free(vm);
}

/* One channel, used by one vCPU and then another: it belongs to the VM. */
TEST(a_channel_is_the_vms_not_the_vcpus)
{
	struct kvm_vcpu *vcpus[2];
	struct kvm_vm *vm = vmport_vm_create(VMPORT_RPC, 2, vcpus);
	struct vmport_channel channel;
	char reply[32];

	channel = vmport_open(vcpus[0], VMPORT_RPCI | VMPORT_COOKIE);
	EXPECT_EQ(vmport_msg_status(&channel, VMPORT_MSG_SENDSIZE, 5), VMPORT_SUCCESS);
	EXPECT_EQ(vmport_msg_status(&channel, VMPORT_MSG_SENDPAYLOAD, 0x20676f6c),
		  VMPORT_SUCCESS);
	channel.vcpu = vcpus[1];
	EXPECT_EQ(vmport_msg_status(&channel, VMPORT_MSG_SENDPAYLOAD, 'x'), VMPORT_SUCCESS);
	channel.vcpu = vcpus[0];
	EXPECT_EQ(vmport_recv(&channel, reply, sizeof(reply)), 2);
	channel.vcpu = vcpus[1];
	vmport_close(&channel);
	kvm_vm_free(vm);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_VMPORT));

	return test_harness_run(argc, argv);
}
