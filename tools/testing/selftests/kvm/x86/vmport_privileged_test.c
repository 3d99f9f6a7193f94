// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guestinfo for privileged callers only: who they are, by each way to call, and what all
 * others see.  And entries that the guest can wipe.
 */
#include "vmport_test.h"
#include "vmport_user.h"

#define FEATURES	(VMPORT_HYPERCALL | KVM_VMPORT_FEATURE_RING3)

#define READONLY	KVM_VMPORT_GUESTINFO_READONLY
#define PRIVILEGED	KVM_VMPORT_GUESTINFO_PRIVILEGED
#define WIPEABLE	KVM_VMPORT_GUESTINFO_WIPEABLE

#define HYPERCALL_HB	1
#define HYPERCALL_OUT	2

CODE(port_in, 0xed);
CODE(port_out, 0xef);
CODE(rep_insb, 0xf3, 0x6c);
CODE(rep_outsb, 0xf3, 0x6e);
CODE(amd_hypercall, 0x0f, 0x01, 0xd9);
CODE(intel_hypercall, 0x0f, 0x01, 0xc1);

struct caller {
	const char *name;
	u8 ring;
	u8 iopl;
	enum vmport_tss_bitmap bitmap;
	int bits;
	bool is_privileged;
	bool is_as_it_is;	/* IOPL, TSS and mode are those of the user */
};

enum {
	RING_0,
	RING_3,
	IOPL_1,
	IOPL_2,
	IOPL_3,
	NO_BITMAP,
	DENIES_LAST,
	ALLOWS,
	RING_3_32,
	IOPL_3_32,
	ALLOWS_32,
	CALLERS
};

static const struct caller callers[CALLERS] = {
	[RING_0] = { "ring 0", 0, 0, BITMAP_DENY, 64, true },
	[RING_3] = { "ring 3", 3, 0, BITMAP_DENY, 64, false },
	[IOPL_1] = { "ring 3, IOPL 1", 3, 1, BITMAP_DENY, 64, false },
	[IOPL_2] = { "ring 3, IOPL 2", 3, 2, BITMAP_DENY, 64, false },
	[IOPL_3] = { "ring 3, IOPL 3", 3, 3, BITMAP_DENY, 64, true },
	[NO_BITMAP] = { "ring 3, no bitmap", 3, 0, BITMAP_NONE, 64, false },
	[DENIES_LAST] = { "ring 3, the last byte denied", 3, 0, BITMAP_DENY_LAST, 64, false },
	/* Linux's iopl() and ioperm(). */
	[ALLOWS] = { "ring 3, the bitmap allows", 3, 0, BITMAP_ALLOW, 64, true },
	[RING_3_32] = { "32-bit ring 3", 3, 0, BITMAP_DENY, 32, false },
	[IOPL_3_32] = { "32-bit ring 3, IOPL 3", 3, 3, BITMAP_DENY, 32, true },
	[ALLOWS_32] = { "32-bit ring 3, the bitmap allows", 3, 0, BITMAP_ALLOW, 32, true },
};

static void become(struct vmport_user *user, const struct caller *caller)
{
	vmport_user_set_bitmap(user, caller->bitmap);
	user->iopl = caller->iopl;
	vmport_user_set_mode(user, caller->bits);
}

/* Run one instruction as @caller, whose registers are @regs. */
static struct vmport_outcome run_as(struct vmport_user *user, const struct caller *caller,
				    const u8 *code, u32 size, struct kvm_regs *regs)
{
	struct vmport_user as = *user;

	if (!caller->ring)
		as.sregs = as.kernel;
	else if (!caller->is_as_it_is)
		become(&as, caller);
	vmport_user_start(&as, 0, code, size, regs);
	return vmport_user_continue(&as);
}

/* The ways to make a low-bandwidth call. */
enum way {
	BY_IN,
	BY_OUT,
	BY_HYPERCALL,
	WAYS
};

static u16 msg_as(struct vmport_user *user, const struct caller *caller, enum way way,
		  struct vmport_channel *channel, u16 type, u32 bx, u32 *result)
{
	const u8 *hypercall = host_cpu_is_amd ? amd_hypercall : intel_hypercall;
	struct vmport_regs in = vmport_msg_regs(channel, type, bx);
	struct vmport_outcome outcome;
	struct kvm_regs regs;

	if (way == BY_HYPERCALL)
		in.dx &= ~0xffffu;
	vmport_set_regs(user->vcpu, &regs, &in);
	if (way == BY_HYPERCALL)
		outcome = run_as(user, caller, hypercall, sizeof(amd_hypercall), &regs);
	else
		outcome = run_as(user, caller, way == BY_IN ? port_in : port_out,
				 sizeof(port_in), &regs);
	TEST_ASSERT(!outcome.nr_exits && outcome.frame.vector == DONE_VECTOR,
		    "%s, request %u: %u exits, vector %lu", caller->name, type,
		    outcome.nr_exits, outcome.frame.vector);
	if (type == VMPORT_MSG_OPEN)
		channel->id = (u32)outcome.frame.rdx >> 16;
	if (result)
		*result = outcome.frame.rbx;
	return (u32)outcome.frame.rcx >> 16;
}

static void send_as(struct vmport_user *user, const struct caller *caller, enum way way,
		    struct vmport_channel *channel, const char *text)
{
	u32 size = strlen(text), pos, word;

	TEST_ASSERT_EQ(msg_as(user, caller, way, channel, VMPORT_MSG_SENDSIZE, size, NULL) &
		       ~VMPORT_HB, VMPORT_SUCCESS);
	for (pos = 0; pos < size; pos += 4) {
		word = 0;
		memcpy(&word, text + pos, min(size - pos, 4u));
		TEST_ASSERT_EQ(msg_as(user, caller, way, channel, VMPORT_MSG_SENDPAYLOAD, word,
				      NULL), VMPORT_SUCCESS);
	}
}

/* A request and its reply, all of it by this caller. */
static const char *rpc_as(struct vmport_user *user, const struct caller *caller, enum way way,
			  const char *request)
{
	struct vmport_channel channel = { .vcpu = user->vcpu };
	static char reply[64];
	u32 size, pos, word;

	TEST_ASSERT_EQ(msg_as(user, caller, way, &channel, VMPORT_MSG_OPEN, VMPORT_RPCI, NULL),
		       VMPORT_SUCCESS);
	send_as(user, caller, way, &channel, request);
	TEST_ASSERT_EQ(msg_as(user, caller, way, &channel, VMPORT_MSG_RECVSIZE, 0, &size) &
		       ~VMPORT_HB, VMPORT_SUCCESS | VMPORT_DORECV);
	TEST_ASSERT(size < sizeof(reply), "A reply of %u bytes", size);
	for (pos = 0; pos < size; pos += 4) {
		TEST_ASSERT_EQ(msg_as(user, caller, way, &channel, VMPORT_MSG_RECVPAYLOAD, 1,
				      &word), VMPORT_SUCCESS);
		memcpy(reply + pos, &word, min(size - pos, 4u));
	}
	reply[size] = '\0';
	TEST_ASSERT_EQ(msg_as(user, caller, way, &channel, VMPORT_MSG_CLOSE, 0, NULL),
		       VMPORT_SUCCESS);
	return reply;
}

static int set_flags(struct vmport_user *user, const char *key, const char *value, u32 flags)
{
	return vmport_set_entry(user->vm, key, strlen(key), value, strlen(value), flags);
}

static u32 get_flags(struct vmport_user *user, const char *key)
{
	u32 flags = ~0u, size = 64;
	char value[64];

	TEST_ASSERT_EQ(vmport_get_entry(user->vm, key, strlen(key), value, &size, &flags), 0);
	return flags;
}

FIXTURE(privileged) {
	struct vmport_user user;
};

FIXTURE_SETUP(privileged)
{
	self->user = vmport_user_create(FEATURES);
	vmport_hb_status = VMPORT_HB;
	ASSERT_EQ(set_flags(&self->user, "guestinfo.secret", "hidden", PRIVILEGED), 0);
	ASSERT_EQ(set_flags(&self->user, "machine.id", "7", PRIVILEGED), 0);
	ASSERT_EQ(set_flags(&self->user, "guestinfo.open", "o", 0), 0);
}

FIXTURE_TEARDOWN(privileged)
{
	kvm_vm_free(self->user.vm);
}

#define EXPECT_RPC(_caller, _way, _request, _reply)				\
do {										\
	const struct caller *__caller = (_caller);				\
	const enum way __way = (_way);						\
										\
	EXPECT_STREQ(rpc_as(&self->user, __caller, __way, _request), _reply)	\
		TH_LOG("%s, way %u", __caller->name, __way);			\
} while (0)

TEST_F(privileged, info_get_by_each_caller_and_way)
{
	const struct caller *caller;
	enum way way;

	for (caller = callers; caller < callers + CALLERS; caller++) {
		for (way = 0; way < WAYS; way++) {
			EXPECT_RPC(caller, way, "info-get guestinfo.secret",
				   caller->is_privileged ? "1 hidden" : "0 No value found");
			EXPECT_RPC(caller, way, "machine.id.get",
				   caller->is_privileged ? "1 7" : "0 No machine id");
			EXPECT_RPC(caller, way, "info-get guestinfo.open", "1 o");
		}
	}
}

TEST_F(privileged, info_set_by_each_caller_and_way)
{
	const struct caller *caller;
	enum way way;

	for (caller = callers; caller < callers + CALLERS; caller++) {
		for (way = 0; way < WAYS; way++) {
			ASSERT_EQ(set_flags(&self->user, "guestinfo.secret", "old", PRIVILEGED), 0);
			EXPECT_RPC(caller, way, "info-set guestinfo.secret new",
				   caller->is_privileged ? "1 " : "0 Permission denied");
			EXPECT_STREQ(vmport_get_text(self->user.vm, "guestinfo.secret"),
				     caller->is_privileged ? "new" : "old");
			EXPECT_EQ(get_flags(&self->user, "guestinfo.secret"), PRIVILEGED);
		}
	}
}

/* What the exit and the attribute say of the sender of a message; they must agree. */
static u32 sender_of(struct vmport_user *user, const struct caller *caller, enum way way, u32 size)
{
	struct vmport_channel channel = { .vcpu = user->vcpu };
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_RPC,
		.u.rpc.flags = KVM_VMPORT_RPC_NEXT,
		.u.rpc.sender = ~0u,
	};
	struct kvm_vmport_exit exit;
	struct kvm_regs regs;
	struct vmport_regs in;

	TEST_ASSERT_EQ(msg_as(user, caller, way, &channel, VMPORT_MSG_OPEN, VMPORT_RPCI, NULL),
		       VMPORT_SUCCESS);
	if (size)
		TEST_ASSERT_EQ(msg_as(user, caller, way, &channel, VMPORT_MSG_SENDSIZE, size,
				      NULL) & ~VMPORT_HB, VMPORT_SUCCESS);
	in = vmport_msg_regs(&channel, size ? VMPORT_MSG_SENDPAYLOAD : VMPORT_MSG_SENDSIZE, 0);
	if (way == BY_HYPERCALL)
		in.dx &= ~0xffffu;
	vmport_set_regs(user->vcpu, &regs, &in);
	run_as(user, caller, way == BY_IN ? port_in : way == BY_OUT ? port_out :
	       host_cpu_is_amd ? amd_hypercall : intel_hypercall,
	       way == BY_HYPERCALL ? sizeof(amd_hypercall) : sizeof(port_in), &regs);
	TEST_ASSERT_EQ(user->vcpu->run->exit_reason, KVM_EXIT_VMPORT);
	exit = *kvm_run_vmport(user->vcpu->run);

	TEST_ASSERT_EQ(vmport_attr(user->vm, KVM_GET_VMPORT_ATTR, &attr), size ? E2BIG : 0);
	attr.u.rpc.data = (unsigned long)&in;
	attr.u.rpc.size = sizeof(in);
	TEST_ASSERT_EQ(vmport_attr(user->vm, KVM_GET_VMPORT_ATTR, &attr), size ? 0 : ENOENT);
	TEST_ASSERT_EQ(attr.u.rpc.id, exit.id);
	TEST_ASSERT_EQ(attr.u.rpc.sender, exit.sender);
	TEST_ASSERT_EQ(vmport_answer(user->vm, exit.id, "1 ", 2), 0);
	vcpu_run(user->vcpu);
	TEST_ASSERT_EQ(msg_as(user, caller, way, &channel, VMPORT_MSG_CLOSE, 0, NULL),
		       VMPORT_SUCCESS);
	return exit.sender;
}

/* With nothing in guestinfo that is privileged, for which the kernel would look. */
TEST(the_vmm_hears_whether_the_sender_is_privileged)
{
	struct vmport_user user = vmport_user_create(FEATURES | KVM_VMPORT_FEATURE_EXIT_RPC);
	const struct caller *caller;
	enum way way;

	for (caller = callers; caller < callers + CALLERS; caller++) {
		for (way = 0; way < WAYS; way++) {
			u32 sender = caller->is_privileged ? KVM_VMPORT_SENDER_PRIVILEGED : 0;

			EXPECT_EQ(sender_of(&user, caller, way, 0), sender)
				TH_LOG("%s, way %u", caller->name, way);
			EXPECT_EQ(sender_of(&user, caller, way, 4), sender)
				TH_LOG("%s, way %u", caller->name, way);
		}
	}
	kvm_vm_free(user.vm);
}

/* By hypercall, as the processor does not look at the TSS itself then. */
static const char *secret_by_tss(struct vmport_user *user)
{
	static const struct caller caller = { "ring 3, a TSS of its own", 3, .is_as_it_is = true };

	return rpc_as(user, &caller, BY_HYPERCALL, "info-get guestinfo.secret");
}

TEST_F(privileged, the_bitmap_counts_where_the_processor_would_look)
{
	const u32 bits = TSS_BITMAP + VMPORT_PORT / 8;
	struct vmport_user *user = &self->user;
	u8 *tss = addr_gva2hva(user->vm, user->kernel.tr.base);
	u32 limit;

	/* It always reads two bytes. */
	vmport_user_set_bitmap(user, BITMAP_ALLOW);
	user->sregs.tr.limit = bits + 1;
	EXPECT_STREQ(secret_by_tss(user), "1 hidden");
	user->sregs.tr.limit = bits;
	EXPECT_STREQ(secret_by_tss(user), "0 No value found");
	for (limit = TSS_IOMAP_BASE - 1; limit <= TSS_BITMAP; limit++) {
		user->sregs.tr.limit = limit;
		EXPECT_STREQ(secret_by_tss(user), "0 No value found");
	}

	/* The bits of other ports don't count. */
	vmport_user_set_bitmap(user, BITMAP_DENY);
	tss[bits] = 0xf0;
	EXPECT_STREQ(secret_by_tss(user), "1 hidden");
	tss[bits] = 0xf1;
	EXPECT_STREQ(secret_by_tss(user), "0 No value found");

	/* Past all that there is. */
	vmport_user_set_bitmap(user, BITMAP_ALLOW);
	memset(tss + TSS_IOMAP_BASE, 0xff, 2);
	EXPECT_STREQ(secret_by_tss(user), "0 No value found");

	/* A 16-bit TSS has none.  VMX does not enter with one. */
	vmport_user_set_bitmap(user, BITMAP_ALLOW);
	user->sregs.tr.type &= ~8;
	if (host_cpu_is_amd)
		EXPECT_STREQ(secret_by_tss(user), "0 No value found");
}

/* What the others try, the reply stays as it is, to the byte. */
static bool is_withheld(struct vmport_user *user, struct vmport_channel *channel)
{
	static const u16 receives[] = {
		VMPORT_MSG_RECVSIZE, VMPORT_MSG_RECVPAYLOAD, VMPORT_MSG_RECVSTATUS,
	};
	struct vmport_blob before = vmport_save(user->vm);
	const struct caller *caller;
	bool is_withheld = true;
	enum way way;
	u32 i;

	for (caller = callers; caller < callers + CALLERS; caller++) {
		for (i = 0; i < ARRAY_SIZE(receives) * WAYS && !caller->is_privileged; i++) {
			way = i / ARRAY_SIZE(receives);
			if (msg_as(user, caller, way, channel, receives[i % 3], 1, NULL)) {
				printf("# %s, way %u, request %u\n", caller->name, way,
				       receives[i % 3]);
				is_withheld = false;
			}
		}
	}
	is_withheld &= vmport_state_is(user->vm, &before);
	vmport_blob_free(&before);
	return is_withheld;
}

TEST_F(privileged, a_reply_is_withheld_from_all_others)
{
	struct vmport_channel channel = vmport_open(vmport_user_kernel(&self->user), VMPORT_RPCI);
	const struct caller *caller;
	enum way way;
	u32 word;

	for (caller = callers; caller < callers + CALLERS; caller++) {
		for (way = 0; way < WAYS && caller->is_privileged; way++) {
			send_as(&self->user, caller, way, &channel, "info-get guestinfo.secret");
			EXPECT_TRUE(is_withheld(&self->user, &channel));
			EXPECT_EQ(msg_as(&self->user, caller, way, &channel,
					 VMPORT_MSG_RECVPAYLOAD, 1, &word), VMPORT_SUCCESS);
			EXPECT_EQ(word, '1' | ' ' << 8 | 'h' << 16 | 'i' << 24);
			EXPECT_TRUE(is_withheld(&self->user, &channel));
			EXPECT_EQ(msg_as(&self->user, caller, way, &channel,
					 VMPORT_MSG_RECVSTATUS, 1, NULL), VMPORT_SUCCESS);
		}
	}
	/* Who may not have it may still leave it. */
	send_as(&self->user, &callers[RING_0], BY_IN, &channel, "info-get guestinfo.secret");
	send_as(&self->user, &callers[RING_3], BY_IN, &channel, "info-get guestinfo.open");
	EXPECT_EQ(msg_as(&self->user, &callers[RING_3], BY_IN, &channel, VMPORT_MSG_RECVPAYLOAD, 1,
			 &word), VMPORT_SUCCESS);
	EXPECT_EQ(word, '1' | ' ' << 8 | 'o' << 16);
	send_as(&self->user, &callers[RING_0], BY_IN, &channel, "info-get guestinfo.secret");
	EXPECT_EQ(msg_as(&self->user, &callers[RING_3], BY_IN, &channel, VMPORT_MSG_CLOSE, 0, NULL),
		  VMPORT_SUCCESS);
}

/* Move @count bytes by one instruction; was it done? */
static bool move_as(struct vmport_user *user, const struct caller *caller, bool by_hypercall,
		    bool in, const struct vmport_channel *channel, u32 count)
{
	const u8 *hypercall = host_cpu_is_amd ? amd_hypercall : intel_hypercall;
	u16 dx = by_hypercall ? HYPERCALL_HB | (in ? 0 : HYPERCALL_OUT) : VMPORT_HB_PORT;
	struct kvm_regs regs = vmport_hb_regs(channel, dx, in, vmport_user_buffer_addr(0), count);
	struct vmport_outcome outcome;

	regs.rbx &= ~0xffff0000ull;
	if (by_hypercall)
		outcome = run_as(user, caller, hypercall, sizeof(amd_hypercall), &regs);
	else
		outcome = run_as(user, caller, in ? rep_insb : rep_outsb, sizeof(rep_insb),
				 &regs);
	TEST_ASSERT(!outcome.nr_exits && outcome.frame.vector == DONE_VECTOR,
		    "%s: %u exits, vector %lu", caller->name, outcome.nr_exits,
		    outcome.frame.vector);
	return (u32)outcome.frame.rbx >> 16 & VMPORT_SUCCESS;
}

TEST_F(privileged, blocks_by_each_caller)
{
	static const char request[] = "info-get guestinfo.secret";
	u8 *buffer = vmport_user_buffer(&self->user);
	const struct caller *caller;
	struct vmport_channel channel;
	u8 untouched[64];
	u32 i, size;
	bool ok;

	memset(untouched, 0xee, sizeof(untouched));
	for (i = 0; i < CALLERS * 2; i++) {
		caller = &callers[i / 2];
		channel = vmport_open(vmport_user_kernel(&self->user), VMPORT_RPCI);

		/* Sent by this one, and received by ring 0. */
		ASSERT_EQ(vmport_msg_status(&channel, VMPORT_MSG_SENDSIZE, 25),
			  VMPORT_SUCCESS | VMPORT_HB);
		memcpy(buffer, request, 25);
		ASSERT_TRUE(move_as(&self->user, caller, i % 2, false, &channel, 25));
		vmport_user_kernel(&self->user);
		size = vmport_poll(&channel);
		EXPECT_EQ(size, caller->is_privileged ? 8 : 16) TH_LOG("%s", caller->name);

		/* Sent by ring 0, and received by this one. */
		vmport_send(&channel, request, 25);
		size = vmport_poll(&channel);
		ASSERT_EQ(size, 8);
		memset(buffer, 0xee, sizeof(untouched));
		ok = move_as(&self->user, caller, i % 2, true, &channel, size);
		EXPECT_EQ(ok, caller->is_privileged) TH_LOG("%s", caller->name);
		EXPECT_EQ(memcmp(buffer, ok ? "1 hidden" : (char *)untouched, 8), 0);
		EXPECT_EQ(memcmp(buffer + 8, untouched, 8), 0);
		vmport_user_kernel(&self->user);
		vmport_close(&channel);
	}
}

/* Ring 3 that is let in is answered in the fast path, and so must be known there. */
TEST_F(privileged, the_fast_path_knows_the_callers)
{
	struct vmport_channel channel = vmport_open(vmport_user_kernel(&self->user), VMPORT_RPCI);
	u64 fast;
	u32 word;

	vmport_send(&channel, "info-get guestinfo.secret", 25);
	fast = vmport_counter(self->user.vcpu, "vmport_fast_calls");
	EXPECT_EQ(msg_as(&self->user, &callers[RING_3], BY_IN, &channel, VMPORT_MSG_RECVPAYLOAD, 1,
			 NULL), 0);
	EXPECT_EQ(vmport_counter(self->user.vcpu, "vmport_fast_calls"), fast);
	EXPECT_EQ(msg_as(&self->user, &callers[ALLOWS], BY_IN, &channel, VMPORT_MSG_RECVPAYLOAD, 1,
			 &word), VMPORT_SUCCESS);
	EXPECT_EQ(word, '1' | ' ' << 8 | 'h' << 16 | 'i' << 24);
	EXPECT_EQ(vmport_counter(self->user.vcpu, "vmport_fast_calls"), fast + 1);
}

TEST_F(privileged, saved_and_loaded_all_of_it_is_as_before)
{
	struct vmport_channel channel = vmport_open(vmport_user_kernel(&self->user), VMPORT_RPCI);
	struct vmport_user other = vmport_user_create(FEATURES);
	struct vmport_blob blob;
	u32 word;

	ASSERT_EQ(set_flags(&self->user, "guestinfo.w", "wipe", READONLY | WIPEABLE), 0);
	vmport_send(&channel, "info-get guestinfo.secret", 25);
	EXPECT_EQ(vmport_msg_status(&channel, VMPORT_MSG_RECVPAYLOAD, 1), VMPORT_SUCCESS);
	blob = vmport_save(self->user.vm);
	ASSERT_EQ(vmport_load(other.vm, &blob), 0);
	EXPECT_TRUE(vmport_state_is(other.vm, &blob));
	vmport_blob_free(&blob);

	channel.vcpu = other.vcpu;
	EXPECT_TRUE(is_withheld(&other, &channel));
	EXPECT_EQ(msg_as(&other, &callers[ALLOWS], BY_HYPERCALL, &channel,
			 VMPORT_MSG_RECVPAYLOAD, 1, &word), VMPORT_SUCCESS);
	EXPECT_EQ(word, 'd' | 'd' << 8 | 'e' << 16 | 'n' << 24);
	EXPECT_STREQ(rpc_as(&other, &callers[RING_3], BY_IN, "info-get guestinfo.secret"),
		     "0 No value found");
	EXPECT_STREQ(rpc_as(&other, &callers[IOPL_3], BY_IN, "info-get guestinfo.secret"),
		     "1 hidden");
	EXPECT_EQ(get_flags(&other, "guestinfo.secret"), PRIVILEGED);
	EXPECT_EQ(get_flags(&other, "guestinfo.w"), READONLY | WIPEABLE);
	kvm_vm_free(other.vm);
}

TEST_F(privileged, wiping)
{
	/* The BOSH agent, cloud-init, cloud-init, Ignition, Ignition. */
	static const char *const values[] = { "", " ", "---", "e30K", "base64" };
	char request[64];
	u32 i;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		ASSERT_EQ(set_flags(&self->user, "guestinfo.w", "secret", READONLY | WIPEABLE), 0);
		snprintf(request, sizeof(request), "info-set guestinfo.w %s", values[i]);
		EXPECT_RPC(&callers[RING_3], BY_IN, request, "1 ");
		EXPECT_RPC(&callers[RING_3], BY_IN, "info-get guestinfo.w", "1 ");
		EXPECT_STREQ(vmport_get_text(self->user.vm, "guestinfo.w"), "");
		EXPECT_EQ(get_flags(&self->user, "guestinfo.w"), READONLY | WIPEABLE);
	}
	ASSERT_EQ(set_flags(&self->user, "guestinfo.w", "secret",
			    READONLY | WIPEABLE | PRIVILEGED), 0);
	EXPECT_RPC(&callers[RING_3], BY_IN, "info-set guestinfo.w e30K", "0 Permission denied");
	EXPECT_STREQ(vmport_get_text(self->user.vm, "guestinfo.w"), "secret");
	EXPECT_RPC(&callers[ALLOWS], BY_IN, "info-get guestinfo.w", "1 secret");
	EXPECT_RPC(&callers[ALLOWS], BY_IN, "info-set guestinfo.w e30K", "1 ");
	EXPECT_STREQ(vmport_get_text(self->user.vm, "guestinfo.w"), "");
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_VMPORT));

	return test_harness_run(argc, argv);
}
