// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whole messages by one REP OUTSB or REP INSB on port 0x5659: in every mode and
 * ring, over what memory there is, stopped in the middle and carried on, here or
 * on another host.
 */
#include <signal.h>
#include <sys/time.h>

#include "vmport_test.h"
#include "vmport_user.h"

#define FEATURES	(VMPORT_RING3 | KVM_VMPORT_FEATURE_HB)

#define INSN_SIZE	2
#define CODE_SIZE	(INSN_SIZE + 2)

#define FULL		KVM_VMPORT_MAX_MESSAGE

#define HIGH_ADDRESS	0x7f1234560000ull	/* linear */
#define HIGH_GPA	0x140000000ull
#define HIGH_PAGES	20
#define MMIO_ADDRESS	0xd0000000ull

#ifndef X86_EFLAGS_DF
#define X86_EFLAGS_DF	BIT(10)
#endif
#ifndef X86_EFLAGS_AC
#define X86_EFLAGS_AC	BIT(18)
#endif

CODE(rep_outsb, 0xf3, 0x6e);
CODE(rep_insb, 0xf3, 0x6c);

FIXTURE(hb) {
	struct vmport_user user;
	u8 *message;
	u8 ring;
};

FIXTURE_VARIANT(hb) {
	u8 ring;
	u8 iopl;
};

FIXTURE_VARIANT_ADD(hb, ring_0) { .ring = 0 };
FIXTURE_VARIANT_ADD(hb, ring_3_allowed) { .ring = 3, .iopl = 3 };
/* The TSS denies the port. */
FIXTURE_VARIANT_ADD(hb, ring_3_denied) { .ring = 3 };

FIXTURE_SETUP(hb)
{
	self->user = vmport_user_create(FEATURES);
	self->user.iopl = variant->iopl;
	self->ring = variant->ring;
	if (!variant->ring)
		self->user.sregs = self->user.kernel;
	self->message = vmport_alloc(FULL);
	vmport_hb_status = VMPORT_HB;
}

FIXTURE_TEARDOWN(hb)
{
	kvm_vm_free(self->user.vm);
	free(self->message);
}

static struct vmport_outcome run_regs(struct vmport_user *user, bool in, struct kvm_regs *regs)
{
	vmport_user_start(user, 0, in ? rep_insb : rep_outsb, CODE_SIZE, regs);
	return vmport_user_continue(user);
}

static struct vmport_outcome transfer(struct vmport_user *user,
				      const struct vmport_channel *channel,
				      bool in, u64 addr, u64 count)
{
	struct kvm_regs regs = vmport_hb_regs(channel, VMPORT_HB_PORT, in, addr, count);

	return run_regs(user, in, &regs);
}

/* Status, what is left and where; all other registers have stayed. */
#define EXPECT_TRANSFER(_outcome, _channel, _status, _in, _addr, _left)		\
do {										\
	const bool __t_in = (_in);						\
	const struct vmport_outcome __t = (_outcome);				\
	const struct vmport_channel *__c = (_channel);				\
										\
	EXPECT_EQ(__t.nr_exits, 0);						\
	EXPECT_EQ(__t.frame.rbx, VMPORT_HIGH_BX | (_status) << 16);		\
	EXPECT_EQ(__t.frame.rcx, (u64)(_left));					\
	EXPECT_EQ(__t.frame.rax, VMPORT_HIGH_AX | VMPORT_MAGIC);		\
	EXPECT_EQ(__t.frame.rdx, VMPORT_HIGH_DX | (u32)__c->id << 16 | VMPORT_HB_PORT); \
	EXPECT_EQ(__t_in ? __t.frame.rdi : __t.frame.rsi, (u64)(_addr));		\
	EXPECT_EQ(__t_in ? __t.frame.rsi : __t.frame.rdi,			\
		  __t_in ? VMPORT_HIGH_SI | __c->cookie_high :			\
			  VMPORT_HIGH_DI | __c->cookie_low);			\
	EXPECT_EQ(__t.frame.rbp, VMPORT_HIGH_BP |				\
		  (__t_in ? __c->cookie_low : __c->cookie_high));		\
} while (0)

/* The instruction is over, and the next one was reached. */
#define EXPECT_END(_outcome, _channel, _status, _in, _addr)			\
do {										\
	const struct vmport_outcome __o = (_outcome);				\
										\
	EXPECT_EQ(__o.frame.vector, DONE_VECTOR)				\
		TH_LOG("at 0x%lx, error code 0x%lx", __o.frame.rip,		\
		       __o.frame.error_code);					\
	EXPECT_EQ(__o.frame.rip, vmport_user_rip(CODE_SIZE));			\
	EXPECT_TRANSFER(__o, _channel, _status, _in, _addr, 0);			\
} while (0)

/* It was stopped by an exception with @_left bytes to go. */
#define EXPECT_STOPPED(_outcome, _channel, _vector, _code, _in, _addr, _left)	\
do {										\
	const struct vmport_outcome __o = (_outcome);				\
										\
	EXPECT_EQ(__o.frame.vector, _vector);					\
	EXPECT_EQ(__o.frame.error_code, _code);					\
	EXPECT_EQ(__o.frame.rip, vmport_user_rip(0));				\
	EXPECT_TRANSFER(__o, _channel, VMPORT_SUCCESS, _in, _addr, _left);	\
} while (0)

static u64 cr2(struct vmport_user *user)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(user->vcpu, &sregs);
	return sregs.cr2;
}

static u32 user_bit(u8 ring)
{
	return ring ? PF_USER : 0;
}

/* "info-set guestinfo.k" of @size bytes in all. */
static void make_request(u8 *message, u32 size)
{
	u32 i;

	memcpy(message, "info-set guestinfo.k ", 21);
	for (i = 21; i < size; i++)
		message[i] = 1 + (i * 11 + i / 256) % 255;
}

/* The host has what such a request says. */
static bool arrived(struct vmport_user *user, const u8 *message, u32 size)
{
	static u8 value[FULL];
	u32 value_size = sizeof(value);

	return !vmport_get_entry(user->vm, "guestinfo.k", 11, value, &value_size, NULL) &&
	       value_size == size - 21 && !memcmp(value, message + 21, value_size);
}

/* The reply is there too, as after the last low-bandwidth word. */
#define EXPECT_ARRIVED(_user, _channel, _size)					\
do {										\
	struct vmport_user *__u = (_user);					\
	char __reply[8];							\
										\
	EXPECT_TRUE(arrived(__u, self->message, _size));			\
	vmport_user_kernel(__u);						\
	EXPECT_EQ(vmport_recv(_channel, __reply, sizeof(__reply)), 2);		\
	EXPECT_EQ(memcmp(__reply, "1 ", 2), 0);					\
} while (0)

static bool all(const u8 *p, u32 size, u8 byte)
{
	while (size--) {
		if (*p++ != byte)
			return false;
	}
	return true;
}

TEST_F(hb, status_bit_says_that_it_is_there)
{
	struct vmport_channel channel = vmport_user_announce(&self->user, 4);
	struct vmport_regs out;

	EXPECT_EQ(vmport_msg_status(&channel, VMPORT_MSG_SENDPAYLOAD, 0x20676f6c), 1);
	out = vmport_msg(&channel, VMPORT_MSG_RECVSIZE, 0);
	EXPECT_EQ(vmport_status(&out), VMPORT_SUCCESS | VMPORT_DORECV | VMPORT_HB);
	EXPECT_EQ(vmport_msg_status(&channel, VMPORT_MSG_RECVSTATUS, 1), VMPORT_SUCCESS);
	/* Nothing waits: nothing is said. */
	out = vmport_msg(&channel, VMPORT_MSG_RECVSIZE, 0);
	EXPECT_EQ(vmport_status(&out), VMPORT_SUCCESS);
}

TEST_F(hb, sizes_out)
{
	static const u32 sizes[] = { 22, 23, 63, 64, 65, 255, 1024, 1025, 4095, 4096, 4097,
				     40000, FULL - 1, FULL };
	struct vmport_user *user = &self->user;
	struct vmport_channel channel;
	struct vmport_outcome outcome;
	u32 at, i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		at = i * 5 % 67;
		make_request(self->message, sizes[i]);
		channel = vmport_user_announce(user, sizes[i]);
		memcpy(vmport_user_buffer(user) + at, self->message, sizes[i]);
		outcome = transfer(user, &channel, false, vmport_user_buffer_addr(at), sizes[i]);
		EXPECT_END(outcome, &channel, VMPORT_SUCCESS, false,
			   vmport_user_buffer_addr(at + sizes[i]));
		EXPECT_ARRIVED(user, &channel, sizes[i]);
		vmport_close(&channel);
	}
}

TEST_F(hb, sizes_in)
{
	static const u32 sizes[] = { 2, 3, 63, 64, 65, 66, 255, 1024, 1025, 4095, 4096, 4097,
				     40000, FULL - 1, FULL };
	struct vmport_user *user = &self->user;
	u8 *buffer = vmport_user_buffer(user);
	struct vmport_channel channel;
	struct vmport_outcome outcome;
	u32 at, i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		at = i * 5 % 61 + 1;
		channel = vmport_user_expect_reply(user, sizes[i], self->message);
		memset(buffer, 0xcc, VMPORT_BUFFER_SIZE);
		outcome = transfer(user, &channel, true, vmport_user_buffer_addr(at), sizes[i]);
		EXPECT_END(outcome, &channel, VMPORT_SUCCESS, true,
			   vmport_user_buffer_addr(at + sizes[i]));
		EXPECT_EQ(memcmp(buffer + at, self->message, sizes[i]), 0);
		EXPECT_TRUE(all(buffer, at, 0xcc));
		EXPECT_TRUE(all(buffer + at + sizes[i],
				VMPORT_BUFFER_SIZE - at - sizes[i], 0xcc));
		vmport_user_kernel(user);
		EXPECT_EQ(vmport_msg_status(&channel, VMPORT_MSG_RECVSTATUS, 1), VMPORT_SUCCESS);
		vmport_close(&channel);
	}
}

TEST_F(hb, buffer_above_4_gib)
{
	struct vmport_user *user = &self->user;
	struct vmport_channel channel;
	struct vmport_outcome outcome;
	u8 *high;

	vm_userspace_mem_region_add(user->vm, VM_MEM_SRC_ANONYMOUS, HIGH_GPA, 10, HIGH_PAGES, 0);
	virt_map(user->vm, HIGH_ADDRESS, HIGH_GPA, HIGH_PAGES);
	vmport_user_map(user, (void *)HIGH_ADDRESS, HIGH_PAGES * 4096);
	high = addr_gpa2hva(user->vm, HIGH_GPA);

	make_request(self->message, FULL);
	channel = vmport_user_announce(user, FULL);
	memcpy(high + 9, self->message, FULL);
	outcome = transfer(user, &channel, false, HIGH_ADDRESS + 9, FULL);
	EXPECT_END(outcome, &channel, VMPORT_SUCCESS, false, HIGH_ADDRESS + 9 + FULL);
	EXPECT_ARRIVED(user, &channel, FULL);

	channel = vmport_user_expect_reply(user, FULL, self->message);
	memset(high, 0, HIGH_PAGES * 4096);
	outcome = transfer(user, &channel, true, HIGH_ADDRESS + 9, FULL);
	EXPECT_END(outcome, &channel, VMPORT_SUCCESS, true, HIGH_ADDRESS + 9 + FULL);
	EXPECT_EQ(memcmp(high + 9, self->message, FULL), 0);
}

/*
 * In a row in the guest's memory, or in the host's, or in neither, or in memory
 * that the guest must not write: all at once, and in the right order.
 */
TEST_F(hb, pages_in_any_order)
{
	static const u8 order[HIGH_PAGES] = {
		3, 4, 5, 2, 1, 0, 10, 6, 7, 11, 12, 9, 13, 14, 19, 18, 8, 15, 16, 17,
	};
	u64 addr = HIGH_ADDRESS + 4000, read_only = HIGH_GPA + HIGH_PAGES / 2 * 4096, calls;
	struct vmport_user *user = &self->user;
	struct vmport_channel channel;
	struct vmport_outcome outcome;
	u32 i, at, part, page;

	vm_userspace_mem_region_add(user->vm, VM_MEM_SRC_ANONYMOUS, HIGH_GPA, 10,
				    HIGH_PAGES / 2, 0);
	vm_userspace_mem_region_add(user->vm, VM_MEM_SRC_ANONYMOUS, read_only, 11,
				    HIGH_PAGES / 2, KVM_MEM_READONLY);
	for (i = 0; i < HIGH_PAGES; i++)
		virt_pg_map(user->vm, HIGH_ADDRESS + i * 4096, HIGH_GPA + order[i] * 4096);
	vmport_user_map(user, (void *)HIGH_ADDRESS, HIGH_PAGES * 4096);

	make_request(self->message, FULL);
	for (at = 0; at < FULL; at += part) {
		page = order[(4000 + at) / 4096];
		part = min_t(u32, FULL - at, 4096 - (4000 + at) % 4096);
		memcpy((u8 *)addr_gpa2hva(user->vm, HIGH_GPA + page * 4096) +
		       (4000 + at) % 4096, self->message + at, part);
	}
	channel = vmport_user_announce(user, FULL);
	calls = vmport_counter(user->vcpu, "vmport_calls");
	outcome = transfer(user, &channel, false, addr, FULL);
	EXPECT_EQ(vmport_counter(user->vcpu, "vmport_calls"), calls + 1);
	EXPECT_END(outcome, &channel, VMPORT_SUCCESS, false, addr + FULL);
	EXPECT_ARRIVED(user, &channel, FULL);
}

TEST_F(hb, count_0_does_nothing)
{
	struct vmport_user *user = &self->user;
	struct vmport_channel channel = vmport_user_announce(user, 32);
	u64 addr = vmport_user_buffer_addr(0);

	EXPECT_END(transfer(user, &channel, false, addr, 0), &channel, VMPORT_SUCCESS, false,
		   addr);
	EXPECT_END(transfer(user, &channel, true, addr, 0), &channel, VMPORT_SUCCESS, true,
		   addr);
}

/* What fails ends as if all had been moved, with no byte touched. */
#define EXPECT_FAILURE(_channel, _in, _count)					\
do {										\
	const bool __f_in = (_in);						\
	struct vmport_channel __f = (_channel);					\
	u64 __count = (_count);							\
										\
	memset(vmport_user_buffer(user), 0xcc, 8192);				\
	EXPECT_END(transfer(user, &__f, __f_in, vmport_user_buffer_addr(0), __count), &__f, \
		   VMPORT_FAIL, __f_in, vmport_user_buffer_addr(0) + __count);	\
	EXPECT_TRUE(all(vmport_user_buffer(user), 8192, 0xcc));			\
} while (0)

TEST_F(hb, count_that_is_not_the_messages)
{
	static const u64 counts[] = { 1, 31, 33, 4096, FULL, FULL + 1, 0xffffffff,
				      0x100000020ull, 0x7fffffffffffffffull };
	struct vmport_user *user = &self->user;
	struct vmport_channel channel = vmport_user_announce(user, 32);
	int i;

	for (i = 0; i < ARRAY_SIZE(counts); i++)
		EXPECT_FAILURE(channel, false, counts[i]);

	/* The message is still expected. */
	make_request(self->message, 32);
	memcpy(vmport_user_buffer(user), self->message, 32);
	EXPECT_END(transfer(user, &channel, false, vmport_user_buffer_addr(0), 32), &channel,
		   VMPORT_SUCCESS, false, vmport_user_buffer_addr(32));
	EXPECT_ARRIVED(user, &channel, 32);

	/* In the other direction it may be less. */
	channel = vmport_user_expect_reply(user, 32, self->message);
	for (i = 2; i < ARRAY_SIZE(counts); i++)
		EXPECT_FAILURE(channel, true, counts[i]);
	EXPECT_END(transfer(user, &channel, true, vmport_user_buffer_addr(0), 32), &channel,
		   VMPORT_SUCCESS, true, vmport_user_buffer_addr(32));
	EXPECT_EQ(memcmp(vmport_user_buffer(user), self->message, 32), 0);
	/* All of it is read: the last bytes again, but no more than there are. */
	for (i = 0; i < 2; i++) {
		memset(vmport_user_buffer(user), 0xcc, 64);
		EXPECT_END(transfer(user, &channel, true, vmport_user_buffer_addr(0), counts[i]),
			   &channel, VMPORT_SUCCESS, true, vmport_user_buffer_addr(counts[i]));
		EXPECT_EQ(memcmp(vmport_user_buffer(user), self->message + 32 - counts[i],
				 counts[i]),
			  0);
		EXPECT_TRUE(all(vmport_user_buffer(user) + counts[i], 32, 0xcc));
	}
	for (; i < ARRAY_SIZE(counts); i++)
		EXPECT_FAILURE(channel, true, counts[i]);
}

/* Drivers read what fits into a buffer of theirs, block after block. */
TEST_F(hb, blocks_shorter_than_the_message)
{
	static const u32 blocks[] = { 1, 4096, 31, 4096, 1776 };
	struct vmport_user *user = &self->user;
	struct vmport_channel channel = vmport_user_expect_reply(user, 10000, self->message);
	u32 round, at, end, i;

	/* RECVSIZE, and giving up, go back to the first byte. */
	for (round = 0; round < 3; round++) {
		memset(vmport_user_buffer(user), 0xcc, 12000);
		for (at = 0, i = 0; i < ARRAY_SIZE(blocks); at = end, i++) {
			end = at + blocks[i];
			EXPECT_END(transfer(user, &channel, true, vmport_user_buffer_addr(at),
					    blocks[i]),
				   &channel, VMPORT_SUCCESS, true, vmport_user_buffer_addr(end));
			EXPECT_EQ(memcmp(vmport_user_buffer(user), self->message, end), 0);
			EXPECT_TRUE(all(vmport_user_buffer(user) + end, 1000, 0xcc));
		}
		EXPECT_EQ(at, 10000);
		vmport_user_kernel(user);
		if (round) {
			EXPECT_EQ(vmport_poll(&channel), 10000);
		} else {
			EXPECT_EQ(vmport_msg_status(&channel, VMPORT_MSG_RECVPAYLOAD, 0),
				  VMPORT_SUCCESS);
		}
	}
	/* Words and blocks in turn. */
	vmport_recv_payload(&channel, vmport_user_buffer(user) + 12000, 16);
	EXPECT_END(transfer(user, &channel, true, vmport_user_buffer_addr(0), 100), &channel,
		   VMPORT_SUCCESS, true, vmport_user_buffer_addr(100));
	EXPECT_EQ(memcmp(vmport_user_buffer(user), self->message + 16, 100), 0);
	vmport_user_kernel(user);
	vmport_recv_payload(&channel, vmport_user_buffer(user) + 12000, 4);
	EXPECT_EQ(memcmp(vmport_user_buffer(user) + 12000, self->message + 116, 4), 0);
	EXPECT_END(transfer(user, &channel, true, vmport_user_buffer_addr(0), 1), &channel,
		   VMPORT_SUCCESS, true, vmport_user_buffer_addr(1));
	EXPECT_EQ(vmport_user_buffer(user)[0], self->message[120]);
	vmport_user_kernel(user);
	EXPECT_EQ(vmport_msg_status(&channel, VMPORT_MSG_RECVSTATUS, 1), VMPORT_SUCCESS);
	EXPECT_FAILURE(channel, true, 1);
}

TEST_F(hb, nothing_expected_nothing_waiting)
{
	struct vmport_user *user = &self->user;
	struct vmport_channel channel = vmport_open(vmport_user_kernel(user), VMPORT_RPCI);

	EXPECT_FAILURE(channel, false, 1);
	EXPECT_FAILURE(channel, true, 1);
	vmport_user_kernel(user);
	EXPECT_EQ(vmport_msg_status(&channel, VMPORT_MSG_SENDSIZE, 32), 0x81);
	EXPECT_FAILURE(channel, true, 32);
	vmport_user_kernel(user);
	vmport_close(&channel);
	EXPECT_FAILURE(channel, false, 32);
	EXPECT_FAILURE(channel, true, 32);
}

TEST_F(hb, cookie_and_channel_are_checked)
{
	struct vmport_user *user = &self->user;
	struct vmport_channel out = vmport_user_announce(user, 32), wrong;
	struct vmport_channel in = vmport_user_expect_reply(user, 32, self->message);
	int i;

	for (i = 0; i < 4; i++) {
		wrong = out;
		wrong.cookie_high ^= i == 0;
		wrong.cookie_low ^= i == 1;
		wrong.id = i == 2 ? 77 : i == 3 ? 0xffff : wrong.id;
		EXPECT_FAILURE(wrong, false, 32);
		wrong = in;
		wrong.cookie_high ^= i == 0;
		wrong.cookie_low ^= i == 1;
		wrong.id = i == 2 ? 77 : i == 3 ? 0xffff : wrong.id;
		EXPECT_FAILURE(wrong, true, 32);
	}
	EXPECT_END(transfer(user, &in, true, vmport_user_buffer_addr(0), 32), &in, VMPORT_SUCCESS,
		   true, vmport_user_buffer_addr(32));
}

TEST_F(hb, page_fault_out)
{
	struct vmport_user *user = &self->user;
	u32 size = 3 * 4096, at = 2000, page;
	struct vmport_channel channel;
	struct vmport_outcome outcome;
	u64 *pte;

	for (page = 0; page < 4; page++) {
		make_request(self->message, size);
		self->message[1000] = page + 1;
		channel = vmport_user_announce(user, size);
		memcpy(vmport_user_buffer(user) + at, self->message, size);
		pte = vmport_user_buffer_pte(user, page * 4096);
		*pte &= ~(u64)PTE_PRESENT;

		outcome = transfer(user, &channel, false, vmport_user_buffer_addr(at), size);
		EXPECT_STOPPED(outcome, &channel, PF_VECTOR, user_bit(self->ring), false,
			       vmport_user_buffer_addr(page ? page * 4096 : at),
			       page ? at + size - page * 4096 : size);
		EXPECT_EQ(cr2(user), vmport_user_buffer_addr(page ? page * 4096 : at));

		*pte |= PTE_PRESENT;
		outcome = vmport_user_continue(user);
		EXPECT_END(outcome, &channel, VMPORT_SUCCESS, false,
			   vmport_user_buffer_addr(at + size));
		EXPECT_ARRIVED(user, &channel, size);
		vmport_close(&channel);
	}
}

TEST_F(hb, page_fault_in)
{
	struct vmport_user *user = &self->user;
	u32 size = 3 * 4096, at = 2000, page, addr;
	u8 *buffer = vmport_user_buffer(user);
	struct vmport_channel channel;
	struct vmport_outcome outcome;
	u64 *pte;

	user->sregs.cr0 |= X86_CR0_WP;
	for (page = 0; page < 4; page++) {
		channel = vmport_user_expect_reply(user, size, self->message);
		memset(buffer, 0xcc, 5 * 4096);
		pte = vmport_user_buffer_pte(user, page * 4096);
		/* Absent, or not to be written. */
		*pte &= page & 1 ? ~(u64)PTE_WRITABLE : ~(u64)PTE_PRESENT;
		addr = page ? page * 4096 : at;

		outcome = transfer(user, &channel, true, vmport_user_buffer_addr(at), size);
		EXPECT_STOPPED(outcome, &channel, PF_VECTOR,
			       user_bit(self->ring) | PF_WRITE | (page & 1 ? PF_PRESENT : 0),
			       true, vmport_user_buffer_addr(addr), at + size - addr);
		EXPECT_EQ(cr2(user), vmport_user_buffer_addr(addr));
		EXPECT_EQ(memcmp(buffer + at, self->message, addr - at), 0);
		EXPECT_TRUE(all(buffer + addr, 4096, 0xcc));

		*pte |= PTE_WRITABLE | PTE_PRESENT;
		outcome = vmport_user_continue(user);
		EXPECT_END(outcome, &channel, VMPORT_SUCCESS, true,
			   vmport_user_buffer_addr(at + size));
		EXPECT_EQ(memcmp(buffer + at, self->message, size), 0);
		EXPECT_TRUE(all(buffer, at, 0xcc));
		EXPECT_TRUE(all(buffer + at + size, 1000, 0xcc));
		vmport_user_kernel(user);
		vmport_close(&channel);
	}
}

/* To another VM, with the same memory: all that a migration carries. */
static void migrate(struct vmport_user *user, u64 features)
{
	struct kvm_x86_state *state = vcpu_save_state(user->vcpu);
	struct vmport_blob blob = vmport_save(user->vm), again;

	kvm_vm_release(user->vm);
	kvm_vm_restart(user->vm);
	vm_enable_cap(user->vm, KVM_CAP_X86_VMPORT, features);
	user->vcpu = vm_vcpu_recreate(user->vm, 0);
	vcpu_load_state(user->vcpu, state);
	kvm_x86_state_cleanup(state);
	TEST_ASSERT_EQ(vmport_load(user->vm, &blob), 0);
	again = vmport_save(user->vm);
	TEST_ASSERT_EQ(again.size, blob.size);
	TEST_ASSERT(!memcmp(again.data, blob.data, blob.size), "The blob has changed");
	vmport_blob_free(&blob);
	vmport_blob_free(&again);
}

TEST_F(hb, migration_in_the_middle_out)
{
	struct vmport_user *user = &self->user;
	struct vmport_channel channel = vmport_user_announce(user, 3 * 4096);
	u32 size = 3 * 4096, page;
	struct vmport_outcome outcome;
	u64 *pte[4];

	make_request(self->message, size);
	memcpy(vmport_user_buffer(user) + 7, self->message, size);
	for (page = 1; page < 4; page++) {
		pte[page] = vmport_user_buffer_pte(user, page * 4096);
		*pte[page] &= ~(u64)PTE_PRESENT;
	}
	outcome = transfer(user, &channel, false, vmport_user_buffer_addr(7), size);
	for (page = 1; page < 4; page++) {
		EXPECT_STOPPED(outcome, &channel, PF_VECTOR, user_bit(self->ring), false,
			       vmport_user_buffer_addr(page * 4096), 7 + size - page * 4096);
		migrate(user, FEATURES);
		*pte[page] |= PTE_PRESENT;
		outcome = vmport_user_continue(user);
	}
	channel.vcpu = user->vcpu;
	EXPECT_END(outcome, &channel, VMPORT_SUCCESS, false, vmport_user_buffer_addr(7 + size));
	EXPECT_ARRIVED(user, &channel, size);
}

TEST_F(hb, migration_in_the_middle_in)
{
	struct vmport_user *user = &self->user;
	u32 size = 3 * 4096, page;
	struct vmport_channel channel = vmport_user_expect_reply(user, size, self->message);
	struct vmport_outcome outcome;
	u64 *pte[4];

	memset(vmport_user_buffer(user), 0xcc, 5 * 4096);
	for (page = 1; page < 4; page++) {
		pte[page] = vmport_user_buffer_pte(user, page * 4096);
		*pte[page] &= ~(u64)PTE_PRESENT;
	}
	outcome = transfer(user, &channel, true, vmport_user_buffer_addr(7), size);
	for (page = 1; page < 4; page++) {
		EXPECT_STOPPED(outcome, &channel, PF_VECTOR, user_bit(self->ring) | PF_WRITE,
			       true, vmport_user_buffer_addr(page * 4096), 7 + size - page * 4096);
		migrate(user, FEATURES);
		*pte[page] |= PTE_PRESENT;
		outcome = vmport_user_continue(user);
	}
	channel.vcpu = user->vcpu;
	EXPECT_END(outcome, &channel, VMPORT_SUCCESS, true, vmport_user_buffer_addr(7 + size));
	EXPECT_EQ(memcmp(vmport_user_buffer(user) + 7, self->message, size), 0);
}

/*
 * The count of what is left of a block is that of a block too: only the position in
 * the state tells them apart.
 */
TEST_F(hb, migration_in_the_middle_of_a_short_block)
{
	u32 size = 20000, block = 2 * 4096, at = 2000, page;
	struct vmport_user *user = &self->user;
	struct vmport_channel channel = vmport_user_expect_reply(user, size, self->message);
	struct vmport_outcome outcome;
	u64 *pte[3];

	memset(vmport_user_buffer(user), 0xcc, 4 * 4096);
	for (page = 0; page < 3; page++) {
		pte[page] = vmport_user_buffer_pte(user, page * 4096);
		*pte[page] &= ~(u64)PTE_PRESENT;
	}
	outcome = transfer(user, &channel, true, vmport_user_buffer_addr(at), block);
	for (page = 0; page < 3; page++) {
		u32 from = page ? page * 4096 : at;

		EXPECT_STOPPED(outcome, &channel, PF_VECTOR, user_bit(self->ring) | PF_WRITE,
			       true, vmport_user_buffer_addr(from), at + block - from);
		migrate(user, FEATURES);
		*pte[page] |= PTE_PRESENT;
		outcome = vmport_user_continue(user);
	}
	channel.vcpu = user->vcpu;
	EXPECT_END(outcome, &channel, VMPORT_SUCCESS, true, vmport_user_buffer_addr(at + block));
	EXPECT_EQ(memcmp(vmport_user_buffer(user) + at, self->message, block), 0);
	EXPECT_TRUE(all(vmport_user_buffer(user) + at + block, 1000, 0xcc));

	/* Between two blocks, and then the next one. */
	migrate(user, FEATURES);
	channel.vcpu = user->vcpu;
	outcome = transfer(user, &channel, true, vmport_user_buffer_addr(0), 100);
	EXPECT_END(outcome, &channel, VMPORT_SUCCESS, true, vmport_user_buffer_addr(100));
	EXPECT_EQ(memcmp(vmport_user_buffer(user), self->message + block, 100), 0);
}

/* Backwards: the first byte of the message has the highest address. */
static void mirror(u8 *last, const u8 *message, u32 size)
{
	u32 i;

	for (i = 0; i < size; i++)
		last[-(long)i] = message[i];
}

TEST_F(hb, direction_flag)
{
	static const u32 sizes[] = { 22, 100, 1024, 5000 };
	struct vmport_user *user = &self->user;
	u32 last = 3 * 4096 + 11, size, i, j;
	u8 *buffer = vmport_user_buffer(user);
	struct vmport_channel channel;
	struct vmport_outcome outcome;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		size = sizes[i];
		user->rflags = X86_EFLAGS_DF;
		make_request(self->message, size);
		channel = vmport_user_announce(user, size);
		mirror(buffer + last, self->message, size);
		outcome = transfer(user, &channel, false, vmport_user_buffer_addr(last), size);
		EXPECT_END(outcome, &channel, VMPORT_SUCCESS, false,
			   vmport_user_buffer_addr(last) - size);
		EXPECT_ARRIVED(user, &channel, size);

		channel = vmport_user_expect_reply(user, size, self->message);
		memset(buffer, 0xcc, last + 100);
		outcome = transfer(user, &channel, true, vmport_user_buffer_addr(last), size);
		EXPECT_END(outcome, &channel, VMPORT_SUCCESS, true,
			   vmport_user_buffer_addr(last) - size);
		for (j = 0; j < size && buffer[last - j] == self->message[j]; j++)
			;
		EXPECT_EQ(j, size);
		EXPECT_TRUE(all(buffer, last + 1 - size, 0xcc));
		EXPECT_TRUE(all(buffer + last + 1, 99, 0xcc));

		/* A failure goes the same way. */
		outcome = transfer(user, &channel, true, vmport_user_buffer_addr(last), size + 1);
		EXPECT_END(outcome, &channel, VMPORT_FAIL, true,
			   vmport_user_buffer_addr(last) - size - 1);
		outcome = transfer(user, &channel, false, vmport_user_buffer_addr(last), size + 1);
		EXPECT_END(outcome, &channel, VMPORT_FAIL, false,
			   vmport_user_buffer_addr(last) - size - 1);
	}
}

TEST_F(hb, direction_flag_and_page_fault)
{
	struct vmport_user *user = &self->user;
	u32 size = 5000, last = 3 * 4096 + 11;
	u64 *pte = vmport_user_buffer_pte(user, 2 * 4096);
	struct vmport_channel channel;
	struct vmport_outcome outcome;

	user->rflags = X86_EFLAGS_DF;
	make_request(self->message, size);
	channel = vmport_user_announce(user, size);
	mirror(vmport_user_buffer(user) + last, self->message, size);
	*pte &= ~(u64)PTE_PRESENT;
	outcome = transfer(user, &channel, false, vmport_user_buffer_addr(last), size);
	EXPECT_STOPPED(outcome, &channel, PF_VECTOR, user_bit(self->ring), false,
		       vmport_user_buffer_addr(3 * 4096 - 1), size - 12);
	*pte |= PTE_PRESENT;
	EXPECT_END(vmport_user_continue(user), &channel, VMPORT_SUCCESS, false,
		   vmport_user_buffer_addr(last) - size);
	EXPECT_ARRIVED(user, &channel, size);
}

static void on_alarm(int signal)
{
}

/* Byte by byte, and interrupted all the time: nothing is lost or doubled. */
TEST_F(hb, signals)
{
	struct itimerval timer = { .it_interval.tv_usec = 2000, .it_value.tv_usec = 2000 };
	struct sigaction action = { .sa_handler = on_alarm };
	u32 size = 20000, last = 5 * 4096 + 11, interrupted = 0;
	struct vmport_user *user = &self->user;
	struct vmport_channel channel = vmport_user_announce(user, size);
	struct kvm_regs regs;
	int r;

	make_request(self->message, size);
	mirror(vmport_user_buffer(user) + last, self->message, size);
	user->rflags = X86_EFLAGS_DF;
	regs = vmport_hb_regs(&channel, VMPORT_HB_PORT, false, vmport_user_buffer_addr(last), size);
	vmport_user_start(user, 0, rep_outsb, CODE_SIZE, &regs);

	ASSERT_EQ(sigaction(SIGALRM, &action, NULL), 0);
	ASSERT_EQ(setitimer(ITIMER_REAL, &timer, NULL), 0);
	while ((r = __vcpu_run(user->vcpu)) && errno == EINTR) {
		interrupted++;
		vcpu_regs_get(user->vcpu, &regs);
		EXPECT_EQ(regs.rsi - vmport_user_buffer_addr(last) + size, regs.rcx);
	}
	memset(&timer, 0, sizeof(timer));
	ASSERT_EQ(setitimer(ITIMER_REAL, &timer, NULL), 0);
	EXPECT_EQ(r, 0);
	EXPECT_TRUE(vmport_is_done(user->vcpu));
	EXPECT_GT(interrupted, 0);
	EXPECT_ARRIVED(user, &channel, size);
}

TEST_F(hb, immediate_exit_changes_nothing)
{
	struct vmport_user *user = &self->user;
	struct vmport_channel channel = vmport_user_announce(user, 4096);
	struct kvm_regs regs, after;

	make_request(self->message, 4096);
	memcpy(vmport_user_buffer(user), self->message, 4096);
	regs = vmport_hb_regs(&channel, VMPORT_HB_PORT, false, vmport_user_buffer_addr(0), 4096);
	vmport_user_start(user, 0, rep_outsb, CODE_SIZE, &regs);
	user->vcpu->run->immediate_exit = 1;
	EXPECT_EQ(__vcpu_run(user->vcpu), -1);
	EXPECT_EQ(errno, EINTR);
	vcpu_regs_get(user->vcpu, &after);
	EXPECT_EQ(memcmp(&regs, &after, sizeof(regs)), 0);
	user->vcpu->run->immediate_exit = 0;
	EXPECT_END(vmport_user_continue(user), &channel, VMPORT_SUCCESS, false,
		   vmport_user_buffer_addr(4096));
	EXPECT_ARRIVED(user, &channel, 4096);
}

TEST_F(hb, host_single_step)
{
	struct vmport_user *user = &self->user;
	struct vmport_channel channel = vmport_user_announce(user, 4096);
	struct kvm_regs regs;
	struct vmport_outcome outcome;
	u32 steps;

	make_request(self->message, 4096);
	memcpy(vmport_user_buffer(user), self->message, 4096);
	user->debug = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
	outcome = transfer(user, &channel, false, vmport_user_buffer_addr(0), 4096);
	/* A step may be an iteration; each makes progress. */
	for (steps = 0; steps < 4096; steps++) {
		EXPECT_EQ(outcome.exit_reason, KVM_EXIT_DEBUG);
		vcpu_regs_get(user->vcpu, &regs);
		if (regs.rip != vmport_user_rip(0))
			break;
		outcome = vmport_user_continue(user);
	}
	EXPECT_EQ(regs.rip, vmport_user_rip(INSN_SIZE));
	EXPECT_EQ(regs.rcx, 0);
	EXPECT_EQ(regs.rbx, VMPORT_HIGH_BX | VMPORT_SUCCESS << 16);
	EXPECT_TRUE(arrived(user, self->message, 4096));
}

TEST_F(hb, host_single_step_of_a_failure)
{
	struct vmport_user *user = &self->user;
	struct vmport_channel channel = vmport_user_announce(user, 4096);
	struct kvm_regs regs;
	struct vmport_outcome outcome;
	u32 steps;

	user->debug = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
	outcome = transfer(user, &channel, true, vmport_user_buffer_addr(0), 4096);
	for (steps = 0; steps < 2; steps++) {
		EXPECT_EQ(outcome.exit_reason, KVM_EXIT_DEBUG);
		vcpu_regs_get(user->vcpu, &regs);
		EXPECT_EQ(regs.rcx, 0);
		if (regs.rip != vmport_user_rip(0))
			break;
		outcome = vmport_user_continue(user);
	}
	EXPECT_EQ(regs.rip, vmport_user_rip(INSN_SIZE));
	EXPECT_EQ(regs.rbx, VMPORT_HIGH_BX);
}

TEST_F(hb, low_and_high_bandwidth_mixed)
{
	static const char request[] = "info-set guestinfo.k 0123456789abcde";
	struct vmport_user *user = &self->user;
	struct vmport_channel channel = vmport_user_announce(user, 36);
	struct vmport_outcome outcome;
	u8 reply[36];
	u64 *pte;

	memcpy(self->message, request, 36);
	/* Some words, then the rest at once. */
	vmport_send_payload(&channel, request, 16);
	memcpy(vmport_user_buffer(user), request + 16, 20);
	outcome = transfer(user, &channel, false, vmport_user_buffer_addr(0), 20);
	EXPECT_END(outcome, &channel, VMPORT_SUCCESS, false, vmport_user_buffer_addr(20));
	EXPECT_ARRIVED(user, &channel, 36);

	/* A part, then words. */
	EXPECT_EQ(vmport_delete(user->vm, "guestinfo.k"), 0);
	EXPECT_EQ(vmport_msg_status(&channel, VMPORT_MSG_SENDSIZE, 36), 0x81);
	memcpy(vmport_user_buffer(user) + 4096 - 20, request, 36);
	pte = vmport_user_buffer_pte(user, 4096);
	*pte &= ~(u64)PTE_PRESENT;
	outcome = transfer(user, &channel, false, vmport_user_buffer_addr(4096 - 20), 36);
	EXPECT_STOPPED(outcome, &channel, PF_VECTOR, user_bit(self->ring), false,
		       vmport_user_buffer_addr(4096), 16);
	*pte |= PTE_PRESENT;
	vmport_user_kernel(user);
	vmport_send_payload(&channel, request + 20, 16);
	EXPECT_ARRIVED(user, &channel, 36);

	/* Half a reply by words, the rest at once, and all again. */
	channel = vmport_user_expect_reply(user, 36, self->message);
	vmport_recv_payload(&channel, reply, 16);
	outcome = transfer(user, &channel, true, vmport_user_buffer_addr(0), 20);
	EXPECT_END(outcome, &channel, VMPORT_SUCCESS, true, vmport_user_buffer_addr(20));
	EXPECT_EQ(memcmp(vmport_user_buffer(user), self->message + 16, 20), 0);
	vmport_user_kernel(user);
	EXPECT_EQ(vmport_recv(&channel, reply, 36), 36);
	EXPECT_EQ(memcmp(reply, self->message, 36), 0);
}

/* With the bytes of memory that only the VMM has. */
TEST_F(hb, mmio_out)
{
	struct vmport_user *user = &self->user;
	struct kvm_run *run = user->vcpu->run;
	struct vmport_channel channel = vmport_user_announce(user, 40);
	struct kvm_regs regs;
	u32 i;

	virt_pg_map(user->vm, MMIO_ADDRESS, MMIO_ADDRESS);
	vmport_user_map(user, (void *)MMIO_ADDRESS, 4096);
	make_request(self->message, 40);
	regs = vmport_hb_regs(&channel, VMPORT_HB_PORT, false, MMIO_ADDRESS + 8, 40);
	vmport_user_start(user, 0, rep_outsb, CODE_SIZE, &regs);
	for (i = 0; i < 40; i++) {
		vcpu_run(user->vcpu);
		ASSERT_EQ(run->exit_reason, KVM_EXIT_MMIO);
		ASSERT_EQ(run->mmio.is_write, 0);
		ASSERT_EQ(run->mmio.len, 1);
		ASSERT_EQ(run->mmio.phys_addr, MMIO_ADDRESS + 8 + i);
		run->mmio.data[0] = self->message[i];
	}
	EXPECT_END(vmport_user_continue(user), &channel, VMPORT_SUCCESS, false, MMIO_ADDRESS + 48);
	EXPECT_ARRIVED(user, &channel, 40);
}

/* A block is for memory: refused, and as if it had not been tried. */
TEST_F(hb, mmio_in_is_refused)
{
	struct vmport_user *user = &self->user;
	struct vmport_channel channel = vmport_user_expect_reply(user, 80, self->message);
	struct kvm_regs regs;

	virt_pg_map(user->vm, MMIO_ADDRESS, MMIO_ADDRESS);
	vmport_user_map(user, (void *)MMIO_ADDRESS, 4096);
	regs = vmport_hb_regs(&channel, VMPORT_HB_PORT, true, MMIO_ADDRESS + 8, 40);
	vmport_user_start(user, 0, rep_insb, CODE_SIZE, &regs);
	EXPECT_END(vmport_user_continue(user), &channel, VMPORT_FAIL, true, MMIO_ADDRESS + 48);
	EXPECT_END(transfer(user, &channel, true, vmport_user_buffer_addr(0), 80), &channel,
		   VMPORT_SUCCESS, true, vmport_user_buffer_addr(80));
	EXPECT_EQ(memcmp(vmport_user_buffer(user), self->message, 80), 0);
}

/* A block that was moved byte by byte is at its end, and the next begins there. */
TEST_F(hb, backward_block_and_then_the_next)
{
	struct vmport_user *user = &self->user;
	u8 *buffer = vmport_user_buffer(user);
	struct vmport_channel channel = vmport_user_expect_reply(user, 9000, self->message);
	u32 last = 4096 + 11, i;

	user->rflags = X86_EFLAGS_DF;
	EXPECT_END(transfer(user, &channel, true, vmport_user_buffer_addr(last), 300), &channel,
		   VMPORT_SUCCESS, true, vmport_user_buffer_addr(last) - 300);
	for (i = 0; i < 300; i++)
		ASSERT_EQ(buffer[last - i], self->message[i]);
	user->rflags = 0;
	EXPECT_END(transfer(user, &channel, true, vmport_user_buffer_addr(0), 100), &channel,
		   VMPORT_SUCCESS, true, vmport_user_buffer_addr(100));
	EXPECT_EQ(memcmp(buffer, self->message + 300, 100), 0);
}

/* Memory first, then none: each its own way, in one instruction. */
TEST_F(hb, memory_and_then_mmio)
{
	struct vmport_user *user = &self->user;
	struct kvm_run *run = user->vcpu->run;
	struct vmport_channel channel = vmport_user_announce(user, 400);
	u64 addr = HIGH_ADDRESS + 4096 - 390;
	struct kvm_regs regs;
	u32 i;

	virt_pg_map(user->vm, HIGH_ADDRESS,
		    addr_gva2gpa(user->vm, vmport_user_buffer_addr(0)));
	virt_pg_map(user->vm, HIGH_ADDRESS + 4096, MMIO_ADDRESS);
	vmport_user_map(user, (void *)HIGH_ADDRESS, 8192);
	make_request(self->message, 400);
	memcpy(vmport_user_buffer(user) + 4096 - 390, self->message, 390);
	regs = vmport_hb_regs(&channel, VMPORT_HB_PORT, false, addr, 400);
	vmport_user_start(user, 0, rep_outsb, CODE_SIZE, &regs);
	for (i = 390; i < 400; i++) {
		vcpu_run(user->vcpu);
		ASSERT_EQ(run->exit_reason, KVM_EXIT_MMIO);
		run->mmio.data[0] = self->message[i];
	}
	EXPECT_END(vmport_user_continue(user), &channel, VMPORT_SUCCESS, false, addr + 400);
	EXPECT_ARRIVED(user, &channel, 400);
}

/*
 * Other modes.  Only the halves that count are checked of the registers, and the
 * segments' bases are not 0.
 */
#define BASE	0x3000

#define EXPECT_END_LOW(_outcome, _status, _in, _addr, _mask)			\
do {										\
	const bool __l_in = (_in);						\
	const u64 __mask = (_mask);						\
	const struct vmport_outcome __o = (_outcome);				\
										\
	EXPECT_EQ(__o.nr_exits, 0);						\
	EXPECT_EQ(__o.frame.vector, DONE_VECTOR)				\
		TH_LOG("at 0x%lx, error code 0x%lx", __o.frame.rip,		\
		       __o.frame.error_code);					\
	EXPECT_EQ((u32)__o.frame.rbx, (_status) << 16);				\
	EXPECT_EQ(__mask & __o.frame.rcx, 0);					\
	EXPECT_EQ(__mask & (__l_in ? __o.frame.rdi : __o.frame.rsi), (_addr));	\
} while (0)

TEST_F(hb, code_of_32_bits_with_segment_bases)
{
	struct vmport_user *user = &self->user;
	u64 addr = vmport_user_buffer_addr(33) - BASE;
	struct vmport_channel channel;
	struct vmport_outcome outcome;

	vmport_user_set_mode(user, 32);
	user->sregs.ds.base = BASE;
	user->sregs.es.base = BASE;

	make_request(self->message, 10000);
	channel = vmport_user_announce(user, 10000);
	memcpy(vmport_user_buffer(user) + 33, self->message, 10000);
	outcome = transfer(user, &channel, false, VMPORT_HIGH_SI | addr, 10000);
	EXPECT_END_LOW(outcome, VMPORT_SUCCESS, false, addr + 10000, ~0u);
	EXPECT_ARRIVED(user, &channel, 10000);

	channel = vmport_user_expect_reply(user, 10000, self->message);
	memset(vmport_user_buffer(user), 0xcc, 12000);
	outcome = transfer(user, &channel, true, VMPORT_HIGH_DI | addr, 10000);
	EXPECT_END_LOW(outcome, VMPORT_SUCCESS, true, addr + 10000, ~0u);
	EXPECT_EQ(memcmp(vmport_user_buffer(user) + 33, self->message, 10000), 0);
	EXPECT_TRUE(all(vmport_user_buffer(user) + 10033, 100, 0xcc));

	/* A failure. */
	outcome = transfer(user, &channel, true, addr, 10001);
	EXPECT_END_LOW(outcome, VMPORT_FAIL, true, addr + 10001, ~0u);
}

TEST_F(hb, segment_override)
{
	struct vmport_user *user = &self->user;
	u64 addr = vmport_user_buffer_addr(33) - BASE;
	struct vmport_channel channel;
	struct kvm_regs regs;

	CODE(gs_rep_outsb, 0x65, 0xf3, 0x6e);

	make_request(self->message, 10000);
	memcpy(vmport_user_buffer(user) + 33, self->message, 10000);
	user->sregs.gs.base = BASE;
	channel = vmport_user_announce(user, 10000);
	regs = vmport_hb_regs(&channel, VMPORT_HB_PORT, false, addr, 10000);
	vmport_user_start(user, 0, gs_rep_outsb, sizeof(gs_rep_outsb), &regs);
	EXPECT_END_LOW(vmport_user_continue(user), VMPORT_SUCCESS, false, addr + 10000, ~0ul);
	EXPECT_ARRIVED(user, &channel, 10000);
}

TEST_F(hb, code_of_16_bits)
{
	struct vmport_user *user = &self->user;
	struct vmport_channel channel;
	struct vmport_outcome outcome;

	vmport_user_set_mode(user, 16);
	user->sregs.cs.base = USER_CODE & ~0xffffull;
	user->sregs.ds.base = vmport_user_buffer_addr(0);
	user->sregs.es.base = vmport_user_buffer_addr(0);

	make_request(self->message, 5000);
	channel = vmport_user_announce(user, 5000);
	memcpy(vmport_user_buffer(user) + 0x1234, self->message, 5000);
	outcome = transfer(user, &channel, false, VMPORT_HIGH_SI | 0xabcd1234,
			   VMPORT_HIGH_CX | 0xdcba0000 | 5000);
	EXPECT_END_LOW(outcome, VMPORT_SUCCESS, false, 0x1234 + 5000, 0xffff);
	EXPECT_EQ(outcome.frame.rsi & 0xffff0000, 0xabcd0000);
	EXPECT_EQ(outcome.frame.rcx & 0xffff0000, 0xdcba0000);
	EXPECT_ARRIVED(user, &channel, 5000);

	channel = vmport_user_expect_reply(user, 5000, self->message);
	memset(vmport_user_buffer(user), 0xcc, FULL);
	outcome = transfer(user, &channel, true, 0x1234, 5000);
	EXPECT_END_LOW(outcome, VMPORT_SUCCESS, true, 0x1234 + 5000, 0xffff);
	EXPECT_EQ(memcmp(vmport_user_buffer(user) + 0x1234, self->message, 5000), 0);

	/* The offset wraps, as hardware's does. */
	vmport_user_kernel(user);
	EXPECT_EQ(vmport_poll(&channel), 5000);
	memset(vmport_user_buffer(user), 0xcc, FULL + 64);
	outcome = transfer(user, &channel, true, 0xff00, 5000);
	EXPECT_END_LOW(outcome, VMPORT_SUCCESS, true, (0xff00 + 5000) & 0xffff, 0xffff);
	EXPECT_EQ(memcmp(vmport_user_buffer(user) + 0xff00, self->message, 0x100), 0);
	EXPECT_EQ(memcmp(vmport_user_buffer(user), self->message + 0x100, 5000 - 0x100), 0);
	EXPECT_TRUE(all(vmport_user_buffer(user) + 0x10000, 64, 0xcc));
}

TEST_F(hb, address_size_prefix_of_64_bit_code)
{
	struct vmport_user *user = &self->user;
	struct vmport_channel channel = vmport_user_expect_reply(user, 5000, self->message);
	struct kvm_regs regs;
	struct vmport_outcome outcome;

	CODE(insb_32, 0x67, 0xf3, 0x6c);

	regs = vmport_hb_regs(&channel, VMPORT_HB_PORT, true,
			      VMPORT_HIGH_DI | vmport_user_buffer_addr(3), VMPORT_HIGH_CX | 5000);
	memset(vmport_user_buffer(user), 0xcc, 8192);
	vmport_user_start(user, 0, insb_32, sizeof(insb_32), &regs);
	outcome = vmport_user_continue(user);
	EXPECT_END_LOW(outcome, VMPORT_SUCCESS, true, vmport_user_buffer_addr(5003), ~0u);
	EXPECT_EQ(memcmp(vmport_user_buffer(user) + 3, self->message, 5000), 0);
}

TEST_F(hb, segment_limit_stops_where_it_is)
{
	struct vmport_user *user = &self->user;
	struct vmport_channel channel;
	struct vmport_outcome outcome;
	bool in;

	vmport_user_set_mode(user, 32);
	for (in = false; ; in = true) {
		struct kvm_segment *segment = in ? &user->sregs.es : &user->sregs.ds;

		segment->base = vmport_user_buffer_addr(0);
		segment->limit = 4999;
		segment->g = 0;
		if (in) {
			channel = vmport_user_expect_reply(user, 6000, self->message);
		} else {
			make_request(self->message, 6000);
			channel = vmport_user_announce(user, 6000);
		}
		memset(vmport_user_buffer(user), 0xcc, 8192);
		outcome = transfer(user, &channel, in, 100, 6000);
		EXPECT_EQ(outcome.nr_exits, 0);
		EXPECT_EQ(outcome.frame.vector, GP_VECTOR);
		EXPECT_EQ(outcome.frame.error_code, 0);
		EXPECT_EQ(outcome.frame.rip, vmport_user_rip(0));
		EXPECT_EQ((u32)outcome.frame.rcx, 6000 - 4900);
		EXPECT_EQ((u32)(in ? outcome.frame.rdi : outcome.frame.rsi), 5000);
		if (in) {
			EXPECT_EQ(memcmp(vmport_user_buffer(user) + 100, self->message, 4900), 0);
			EXPECT_TRUE(all(vmport_user_buffer(user) + 5000, 100, 0xcc));
			break;
		}
	}
}

TEST_F(hb, segment_that_is_not_writable)
{
	struct vmport_user *user = &self->user;
	struct vmport_channel channel = vmport_user_expect_reply(user, 100, self->message);
	struct vmport_outcome outcome;

	vmport_user_set_mode(user, 32);
	user->sregs.es.type = 1;
	memset(vmport_user_buffer(user), 0xcc, 200);
	outcome = transfer(user, &channel, true, vmport_user_buffer_addr(0), 100);
	EXPECT_EQ(outcome.nr_exits, 0);
	EXPECT_EQ(outcome.frame.vector, GP_VECTOR);
	EXPECT_EQ(outcome.frame.error_code, 0);
	EXPECT_EQ((u32)outcome.frame.rcx, 100);
	EXPECT_TRUE(all(vmport_user_buffer(user), 200, 0xcc));
}

TEST_F(hb, address_that_is_not_canonical)
{
	struct vmport_user *user = &self->user;
	struct vmport_channel channel = vmport_user_announce(user, 100);
	u64 edge = 0x800000000000ull;

	EXPECT_STOPPED(transfer(user, &channel, false, edge, 100), &channel, GP_VECTOR, 0,
		       false, edge, 100);
	channel = vmport_user_expect_reply(user, 100, self->message);
	EXPECT_STOPPED(transfer(user, &channel, true, edge, 100), &channel, GP_VECTOR, 0,
		       true, edge, 100);
}

/*
 * What is not ours goes to the VMM, as on a VM without the feature.
 */
#define EXPECT_VMM(_outcome, _in)						\
do {										\
	const bool __v_in = (_in);						\
	const struct vmport_outcome __v = (_outcome);				\
										\
	EXPECT_EQ(__v.nr_exits, __v_in ? 1 : 2);					\
	EXPECT_EQ(__v.exit_reason, KVM_EXIT_IO);				\
	EXPECT_EQ(__v.io[0].direction, __v_in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT); \
	EXPECT_EQ(__v.io[0].port, VMPORT_HB_PORT);				\
	EXPECT_EQ(__v.io[0].size, 1);						\
	EXPECT_EQ(__v.io[0].count, __v_in ? 2 : 1);				\
	EXPECT_EQ(__v.frame.vector, DONE_VECTOR);				\
	EXPECT_EQ(__v.frame.rip, vmport_user_rip(CODE_SIZE));			\
	EXPECT_EQ(__v.frame.rcx, 0);						\
} while (0)

TEST_F(hb, other_commands_are_the_vmms)
{
	struct vmport_user *user = &self->user;
	struct vmport_channel channel = vmport_user_announce(user, 2);
	struct kvm_regs regs;
	bool in;

	for (in = false; ; in = true) {
		regs = vmport_hb_regs(&channel, VMPORT_HB_PORT, in, vmport_user_buffer_addr(0), 2);
		regs.rbx |= 1;
		EXPECT_VMM(run_regs(user, in, &regs), in);
		if (in)
			break;
	}
}

TEST_F(hb, wrong_magic_is_as_without)
{
	struct vmport_user plain = vmport_user_create(0), *user = &self->user;
	struct vmport_channel channel = vmport_user_announce(user, 2);
	struct kvm_regs regs;
	bool in;

	if (!self->ring)
		plain.sregs = plain.kernel;
	plain.iopl = user->iopl;
	for (in = false; ; in = true) {
		regs = vmport_hb_regs(&channel, VMPORT_HB_PORT, in, vmport_user_buffer_addr(0), 2);
		regs.rax ^= 1;
		memcpy(vmport_user_buffer(&plain), vmport_user_buffer(user), 16);
		EXPECT_SAME(run_regs(user, in, &regs), run_regs(&plain, in, &regs));
		if (in)
			break;
	}
	kvm_vm_free(plain.vm);
}

TEST_F(hb, without_rep_it_is_as_without)
{
	struct vmport_user plain = vmport_user_create(0), *user = &self->user;
	struct vmport_channel channel = vmport_user_announce(user, 2);
	struct kvm_regs regs;

	CODE(outsb, 0x6e);
	CODE(insb, 0x6c);
	CODE(outb, 0xee);
	CODE(inb, 0xec);
	static const u8 *const codes[] = { outsb, insb, outb, inb };
	int i;

	if (!self->ring)
		plain.sregs = plain.kernel;
	plain.iopl = user->iopl;
	for (i = 0; i < ARRAY_SIZE(codes); i++) {
		memset(vmport_user_buffer(user), 0x77, 16);
		memset(vmport_user_buffer(&plain), 0x77, 16);
		regs = vmport_hb_regs(&channel, VMPORT_HB_PORT, i & 1, vmport_user_buffer_addr(0),
				      2);
		vmport_user_start(user, 0, codes[i], sizeof(outsb), &regs);
		vmport_user_start(&plain, 0, codes[i], sizeof(outsb), &regs);
		EXPECT_SAME(vmport_user_continue(user), vmport_user_continue(&plain));
	}
	kvm_vm_free(plain.vm);
}

TEST_F(hb, feature_off_is_as_without)
{
	struct vmport_user plain = vmport_user_create(0), rpc = vmport_user_create(VMPORT_RPC);
	struct vmport_channel channel;
	struct kvm_regs regs;
	bool in;

	if (!self->ring) {
		plain.sregs = plain.kernel;
		rpc.sregs = rpc.kernel;
	}
	plain.iopl = self->user.iopl;
	rpc.iopl = self->user.iopl;

	channel = vmport_open(vmport_user_kernel(&rpc), VMPORT_RPCI);
	/* And nothing is offered. */
	EXPECT_EQ(vmport_msg_status(&channel, VMPORT_MSG_SENDSIZE, 2), VMPORT_SUCCESS);
	for (in = false; ; in = true) {
		memcpy(vmport_user_buffer(&plain), vmport_user_buffer(&rpc), 16);
		regs = vmport_hb_regs(&channel, VMPORT_HB_PORT, in, vmport_user_buffer_addr(0), 2);
		EXPECT_SAME(run_regs(&rpc, in, &regs), run_regs(&plain, in, &regs));
		if (in)
			break;
	}
	kvm_vm_free(plain.vm);
	kvm_vm_free(rpc.vm);
}

/* The TSS denies it, and nothing says that it does not matter. */
TEST(ring_3_without_the_feature_ring3_is_as_without)
{
	struct vmport_user user = vmport_user_create(FEATURES & ~KVM_VMPORT_FEATURE_RING3);
	struct vmport_user plain = vmport_user_create(0);
	struct vmport_channel channel = { .vcpu = user.vcpu };
	struct kvm_regs regs;
	FILE *file = fopen("/sys/module/kvm/parameters/enable_vmware_backdoor", "r");
	int parameter;

	ASSERT_NE(file, NULL);
	parameter = fgetc(file);
	fclose(file);
	if (parameter == 'Y')
		SKIP(return, "needs enable_vmware_backdoor=0");

	regs = vmport_hb_regs(&channel, VMPORT_HB_PORT, false, vmport_user_buffer_addr(0), 2);
	EXPECT_EXCEPTION(run_regs(&user, false, &regs), GP_VECTOR, 0, 0);
	EXPECT_SAME(run_regs(&user, false, &regs), run_regs(&plain, false, &regs));
	regs = vmport_hb_regs(&channel, VMPORT_HB_PORT, true, vmport_user_buffer_addr(0), 2);
	EXPECT_EXCEPTION(run_regs(&user, true, &regs), GP_VECTOR, 0, 0);
	kvm_vm_free(plain.vm);
	kvm_vm_free(user.vm);
}

/* Ring 3 reaches no more memory than it may. */
TEST_F(hb, pages_of_the_kernel)
{
	struct vmport_user *user = &self->user;
	struct vmport_channel channel = vmport_user_announce(user, 100);
	u64 *pte = vmport_user_buffer_pte(user, 0);
	struct vmport_outcome outcome;

	if (!self->ring)
		SKIP(return, "ring 3 only");

	*pte &= ~(u64)PTE_USER;
	outcome = transfer(user, &channel, false, vmport_user_buffer_addr(0), 100);
	EXPECT_STOPPED(outcome, &channel, PF_VECTOR, PF_USER | PF_PRESENT, false,
		       vmport_user_buffer_addr(0), 100);
	channel = vmport_user_expect_reply(user, 100, self->message);
	memset(vmport_user_buffer(user), 0xcc, 200);
	outcome = transfer(user, &channel, true, vmport_user_buffer_addr(0), 100);
	EXPECT_STOPPED(outcome, &channel, PF_VECTOR, PF_USER | PF_PRESENT | PF_WRITE, true,
		       vmport_user_buffer_addr(0), 100);
	EXPECT_TRUE(all(vmport_user_buffer(user), 200, 0xcc));
}

/* Ring 0 and the user's memory, under SMAP and SMEP: only with AC.  The code is the kernel's. */
TEST(smap_and_smep)
{
	struct vmport_user user = vmport_user_create(FEATURES);
	struct vmport_channel channel;
	u8 message[100], reply[100];
	struct kvm_regs regs;
	bool in, ac;

	if (!kvm_cpu_has(X86_FEATURE_SMAP) || !kvm_cpu_has(X86_FEATURE_SMEP))
		SKIP(return, "needs SMAP and SMEP");

	vmport_hb_status = VMPORT_HB;
	user.sregs = user.kernel;
	user.sregs.cr4 |= X86_CR4_SMAP | X86_CR4_SMEP;
	for (in = false; ; in = true) {
		for (ac = false; ; ac = true) {
			make_request(message, 100);
			channel = in ? vmport_user_expect_reply(&user, 100, reply) :
				       vmport_user_announce(&user, 100);
			memset(vmport_user_buffer(&user), 0xcc, 200);
			if (!in)
				memcpy(vmport_user_buffer(&user), message, 100);

			regs = vmport_hb_regs(&channel, VMPORT_HB_PORT, in,
					      vmport_user_buffer_addr(0), 100);
			regs.rip = (unsigned long)(in ? vmport_rep_insb : vmport_rep_outsb);
			regs.rflags = X86_EFLAGS_FIXED | (ac ? X86_EFLAGS_AC : 0);
			memset(&vmport_user_frame, 0, sizeof(vmport_user_frame));
			sync_global_to_guest(user.vm, vmport_user_frame);
			vcpu_sregs_set(user.vcpu, &user.sregs);
			vcpu_regs_set(user.vcpu, &regs);
			vcpu_run(user.vcpu);
			ASSERT_TRUE(vmport_is_done(user.vcpu));
			sync_global_from_guest(user.vm, vmport_user_frame);
			vcpu_regs_get(user.vcpu, &regs);

			if (ac) {
				EXPECT_EQ(vmport_user_frame.vector, 0);
				EXPECT_EQ(regs.rcx, 0);
				EXPECT_EQ((u32)regs.rbx, VMPORT_SUCCESS << 16);
				EXPECT_TRUE(in ? !memcmp(vmport_user_buffer(&user), reply, 100) :
						 arrived(&user, message, 100));
				break;
			}
			EXPECT_EQ(vmport_user_frame.vector, PF_VECTOR);
			EXPECT_EQ(vmport_user_frame.error_code, PF_PRESENT | (in ? PF_WRITE : 0));
			EXPECT_EQ(vmport_user_frame.rcx, 100);
			EXPECT_EQ(cr2(&user), vmport_user_buffer_addr(0));
			EXPECT_TRUE(!in || all(vmport_user_buffer(&user), 200, 0xcc));
		}
		if (in)
			break;
	}
	kvm_vm_free(user.vm);
}

/* TCLO: a request in, its result out. */
TEST_F(hb, tclo)
{
	struct vmport_channel tclo = vmport_open(vmport_user_kernel(&self->user), VMPORT_TCLO);
	struct vmport_user *user = &self->user;
	u8 *result = vmport_alloc(FULL);
	u32 size = FULL, status;
	u64 id, seen;

	EXPECT_EQ(vmport_poll(&tclo), 5);
	EXPECT_END(transfer(user, &tclo, true, vmport_user_buffer_addr(0), 5), &tclo,
		   VMPORT_SUCCESS, true, vmport_user_buffer_addr(5));
	EXPECT_EQ(memcmp(vmport_user_buffer(user), "reset", 5), 0);
	vmport_user_kernel(user);
	EXPECT_EQ(vmport_msg_status(&tclo, VMPORT_MSG_RECVSTATUS, 1), VMPORT_SUCCESS);
	vmport_send(&tclo, "OK ATR toolbox", 14);

	memset(self->message, 'r', KVM_VMPORT_MAX_TCLO_REQUEST);
	ASSERT_EQ(vmport_tclo_send(user->vm, self->message, KVM_VMPORT_MAX_TCLO_REQUEST, &id), 0);
	EXPECT_EQ(vmport_poll(&tclo), KVM_VMPORT_MAX_TCLO_REQUEST);
	EXPECT_END(transfer(user, &tclo, true, vmport_user_buffer_addr(1),
			    KVM_VMPORT_MAX_TCLO_REQUEST),
		   &tclo, VMPORT_SUCCESS, true,
		   vmport_user_buffer_addr(1 + KVM_VMPORT_MAX_TCLO_REQUEST));
	EXPECT_EQ(memcmp(vmport_user_buffer(user) + 1, self->message, KVM_VMPORT_MAX_TCLO_REQUEST),
		  0);
	vmport_user_kernel(user);
	EXPECT_EQ(vmport_msg_status(&tclo, VMPORT_MSG_RECVSTATUS, 1), VMPORT_SUCCESS);

	make_request(self->message, FULL);
	EXPECT_EQ(vmport_msg_status(&tclo, VMPORT_MSG_SENDSIZE, FULL), 0x81);
	memcpy(vmport_user_buffer(user), self->message, FULL);
	EXPECT_END(transfer(user, &tclo, false, vmport_user_buffer_addr(0), FULL), &tclo,
		   VMPORT_SUCCESS, false, vmport_user_buffer_addr(FULL));
	EXPECT_EQ(vmport_tclo_result(user->vm, result, &size, &seen, &status), 0);
	EXPECT_EQ(seen, id);
	EXPECT_EQ(size, FULL);
	EXPECT_EQ(memcmp(result, self->message, FULL), 0);
	free(result);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_VMPORT));
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_X86_VMPORT) & KVM_VMPORT_FEATURE_HB);

	return test_harness_run(argc, argv);
}
