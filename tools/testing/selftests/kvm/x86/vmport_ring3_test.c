// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls from ring 3, against IOPL, the TSS I/O bitmap, the feature RING3 and
 * the module parameter enable_vmware_backdoor.  Whatever is not ours is
 * compared with a VM that does not have the capability: the run must hold with
 * either value of the module parameter.
 */
#include "vmport_test.h"
#include "vmport_user.h"

/* The call was answered in the kernel, and the guest went on behind it. */
#define EXPECT_SERVED(_outcome, _size)						\
do {										\
	const struct vmport_outcome __served = (_outcome);			\
										\
	EXPECT_EQ(__served.nr_exits, 0);					\
	EXPECT_EQ(__served.frame.vector, DONE_VECTOR);				\
	EXPECT_EQ(__served.frame.rip, vmport_user_rip(_size));			\
	EXPECT_EQ(__served.frame.cs, USER_CS);					\
} while (0)

/* ... and it was GETVERSION by IN. */
#define EXPECT_VERSION(_outcome, _size)						\
do {										\
	const struct vmport_outcome __o = (_outcome);				\
										\
	EXPECT_SERVED(__o, _size);						\
	EXPECT_EQ(__o.frame.rax, 6);						\
	EXPECT_EQ(__o.frame.rbx, VMPORT_HIGH_BX | VMPORT_MAGIC);		\
	EXPECT_EQ(__o.frame.rcx, VMPORT_HIGH_CX | 2);				\
	EXPECT_EQ(__o.frame.rdx, VMPORT_HIGH_DX | 0x77880000 | VMPORT_PORT);	\
	EXPECT_EQ(__o.frame.rsi, VMPORT_HIGH_SI | 0x99aabbcc);			\
	EXPECT_EQ(__o.frame.rdi, VMPORT_HIGH_DI | 0xddeeff00);			\
} while (0)

/* #GP(0), and no register has changed. */
#define EXPECT_GP(_outcome, _in)						\
do {										\
	const struct vmport_outcome __o = (_outcome);				\
	const struct vmport_regs __in = (_in);					\
										\
	EXPECT_EXCEPTION(__o, GP_VECTOR, 0, 0);					\
	EXPECT_EQ(__o.frame.rax, VMPORT_HIGH_AX | __in.ax);			\
	EXPECT_EQ(__o.frame.rbx, VMPORT_HIGH_BX | __in.bx);			\
	EXPECT_EQ(__o.frame.rcx, VMPORT_HIGH_CX | __in.cx);			\
	EXPECT_EQ(__o.frame.rdx, VMPORT_HIGH_DX | __in.dx);			\
} while (0)

/* One exit to the VMM, whose answer to IN reached the guest. */
#define EXPECT_PORT_IN(_outcome, _size)						\
do {										\
	const struct vmport_outcome __o = (_outcome);				\
										\
	EXPECT_EQ(__o.nr_exits, 1);						\
	EXPECT_EQ(__o.exit_reason, KVM_EXIT_IO);				\
	EXPECT_EQ(__o.io[0].direction, KVM_EXIT_IO_IN);				\
	EXPECT_EQ(__o.io[0].size, 4);						\
	EXPECT_EQ(__o.io[0].port, VMPORT_PORT);					\
	EXPECT_EQ(__o.io[0].count, 1);						\
	EXPECT_EQ(__o.frame.vector, DONE_VECTOR);				\
	EXPECT_EQ(__o.frame.rip, vmport_user_rip(_size));			\
	EXPECT_EQ(__o.frame.rax, 0xa5a5a5a5);					\
	EXPECT_EQ(__o.frame.rbx, VMPORT_HIGH_BX | 0x11223344);			\
} while (0)

static const u8 code_in[] = { 0xed, INT, DONE_VECTOR };
static const u8 code_out[] = { 0xef, INT, DONE_VECTOR };

FIXTURE(ring3) {
	struct vmport_user ring3;	/* RPC and RING3 */
	struct vmport_user rpc;	/* without RING3 */
	struct vmport_user plain;	/* without the capability */
	bool backdoor;		/* the module parameter */
};

FIXTURE_SETUP(ring3)
{
	self->ring3 = vmport_user_create(VMPORT_RING3);
	self->rpc = vmport_user_create(VMPORT_RPC);
	self->plain = vmport_user_create(0);
	self->backdoor = vmport_backdoor_parameter();
}

FIXTURE_TEARDOWN(ring3)
{
	kvm_vm_free(self->ring3.vm);
	kvm_vm_free(self->rpc.vm);
	kvm_vm_free(self->plain.vm);
}

TEST_F(ring3, feature_on_served_whatever_the_bitmap_says)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	enum vmport_tss_bitmap kind;

	for (kind = BITMAP_NONE; kind <= BITMAP_ALLOW; kind++) {
		vmport_user_set_bitmap(&self->ring3, kind);
		EXPECT_VERSION(vmport_user_run(&self->ring3, code_in, sizeof(code_in), in),
			       sizeof(code_in));
	}
}

TEST_F(ring3, feature_on_served_with_every_iopl)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);

	for (self->ring3.iopl = 0; self->ring3.iopl < 4; self->ring3.iopl++)
		EXPECT_VERSION(vmport_user_run(&self->ring3, code_in, sizeof(code_in), in),
			       sizeof(code_in));
}

TEST_F(ring3, feature_on_out_form)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	struct vmport_outcome outcome = vmport_user_run(&self->ring3, code_out, sizeof(code_out),
							in);

	EXPECT_SERVED(outcome, sizeof(code_out));
	EXPECT_EQ(outcome.frame.rax, VMPORT_HIGH_AX | 6);
	EXPECT_EQ(outcome.frame.rbx, VMPORT_HIGH_BX | VMPORT_MAGIC);
	EXPECT_EQ(outcome.frame.rcx, VMPORT_HIGH_CX | 2);
}

TEST_F(ring3, feature_on_every_command)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETHWVERSION);
	struct kvm_vmport_identity identity;
	struct vmport_outcome outcome;

	ASSERT_EQ(vmport_get_identity(self->ring3.vm, &identity), 0);
	memcpy(identity.uuid, "0123456789abcdef", 16);
	identity.memory_mib = 321;
	identity.tsc_hz = 0x123456789abull;
	ASSERT_EQ(vmport_set_identity(self->ring3.vm, &identity), 0);

	outcome = vmport_user_run(&self->ring3, code_in, sizeof(code_in), in);
	EXPECT_SERVED(outcome, sizeof(code_in));
	EXPECT_EQ(outcome.frame.rax, 17);

	in = vmport_cmd_regs(VMPORT_CMD_GETMHZ);
	outcome = vmport_user_run(&self->ring3, code_in, sizeof(code_in), in);
	EXPECT_SERVED(outcome, sizeof(code_in));
	EXPECT_EQ(outcome.frame.rax, 0x123456789abull / 1000000);

	in = vmport_cmd_regs(VMPORT_CMD_GETHZ);
	outcome = vmport_user_run(&self->ring3, code_in, sizeof(code_in), in);
	EXPECT_SERVED(outcome, sizeof(code_in));
	EXPECT_EQ(outcome.frame.rax, 0x456789ab);
	EXPECT_EQ(outcome.frame.rbx, VMPORT_HIGH_BX | 0x123);

	in = vmport_cmd_regs(VMPORT_CMD_GETUUID);
	outcome = vmport_user_run(&self->ring3, code_in, sizeof(code_in), in);
	EXPECT_SERVED(outcome, sizeof(code_in));
	EXPECT_EQ(outcome.frame.rax, 0x33323130);
	EXPECT_EQ(outcome.frame.rdx, VMPORT_HIGH_DX | 0x66656463);

	in = vmport_cmd_regs(VMPORT_CMD_GETMEMSIZE);
	outcome = vmport_user_run(&self->ring3, code_in, sizeof(code_in), in);
	EXPECT_SERVED(outcome, sizeof(code_in));
	EXPECT_EQ(outcome.frame.rax, 321);

	in = vmport_cmd_regs(VMPORT_CMD_GETTIMEFULL_WITH_LAG);
	outcome = vmport_user_run(&self->ring3, code_in, sizeof(code_in), in);
	EXPECT_SERVED(outcome, sizeof(code_in));
	EXPECT_EQ(outcome.frame.rax, VMPORT_MAGIC);
	EXPECT_EQ(outcome.frame.rdi, VMPORT_HIGH_DI);
}

/* A whole conversation, as every open-vm-tools process has it. */
TEST_F(ring3, feature_on_rpc)
{
	static const char request[] = "info-get guestinfo.k";
	struct vmport_channel channel = { .vcpu = self->ring3.vcpu };
	struct vmport_regs in;
	struct vmport_outcome outcome;
	u32 word;
	int i;

	ASSERT_EQ(vmport_set_text(self->ring3.vm, "guestinfo.k", "yes"), 0);

	in = vmport_msg_regs(&channel, VMPORT_MSG_OPEN, VMPORT_RPCI | VMPORT_COOKIE);
	outcome = vmport_user_run(&self->ring3, code_in, sizeof(code_in), in);
	EXPECT_SERVED(outcome, sizeof(code_in));
	EXPECT_EQ(outcome.frame.rcx, VMPORT_HIGH_CX | VMPORT_SUCCESS << 16);
	channel.id = (u32)outcome.frame.rdx >> 16;
	channel.cookie_high = outcome.frame.rsi;
	channel.cookie_low = outcome.frame.rdi;

	in = vmport_msg_regs(&channel, VMPORT_MSG_SENDSIZE, 20);
	outcome = vmport_user_run(&self->ring3, code_in, sizeof(code_in), in);
	EXPECT_EQ((u32)outcome.frame.rcx >> 16, VMPORT_SUCCESS);
	for (i = 0; i < 20; i += 4) {
		memcpy(&word, request + i, 4);
		in = vmport_msg_regs(&channel, VMPORT_MSG_SENDPAYLOAD, word);
		outcome = vmport_user_run(&self->ring3, code_in, sizeof(code_in), in);
		EXPECT_EQ((u32)outcome.frame.rcx >> 16, VMPORT_SUCCESS);
	}
	in = vmport_msg_regs(&channel, VMPORT_MSG_RECVSIZE, 0);
	outcome = vmport_user_run(&self->ring3, code_in, sizeof(code_in), in);
	EXPECT_EQ((u32)outcome.frame.rcx >> 16, VMPORT_SUCCESS | VMPORT_DORECV);
	EXPECT_EQ((u32)outcome.frame.rbx, 5);
	in = vmport_msg_regs(&channel, VMPORT_MSG_RECVPAYLOAD, 1);
	outcome = vmport_user_run(&self->ring3, code_in, sizeof(code_in), in);
	EXPECT_EQ((u32)outcome.frame.rbx, 0x65792031);	/* "1 ye" */

	/* The rest from ring 0: it is the same channel. */
	vcpu_sregs_set(self->ring3.vcpu, &self->ring3.kernel);
	EXPECT_EQ(vmport_msg(&channel, VMPORT_MSG_RECVPAYLOAD, 1).bx, 's');
	vmport_close(&channel);
}

/* The VMM is asked behind the instruction, in whatever ring that was. */
TEST(ring3_rpc_exit)
{
	struct vmport_user user = vmport_user_create(VMPORT_RING3 | KVM_VMPORT_FEATURE_EXIT_RPC);
	struct vmport_channel channel = { .vcpu = user.vcpu };
	struct kvm_vmport_exit exit;
	struct vmport_regs in;
	struct vmport_outcome outcome;
	struct kvm_regs regs;

	in = vmport_msg_regs(&channel, VMPORT_MSG_OPEN, VMPORT_RPCI);
	outcome = vmport_user_run(&user, code_in, sizeof(code_in), in);
	EXPECT_SERVED(outcome, sizeof(code_in));

	in = vmport_msg_regs(&channel, VMPORT_MSG_SENDSIZE, 0);
	outcome = vmport_user_run(&user, code_in, sizeof(code_in), in);
	EXPECT_EQ(outcome.nr_exits, 1);
	ASSERT_EQ(outcome.exit_reason, KVM_EXIT_VMPORT);
	memcpy(&exit, user.vcpu->run->padding, sizeof(exit));
	EXPECT_EQ(exit.type, KVM_VMPORT_EXIT_RPC);
	EXPECT_EQ(exit.size, 0);
	EXPECT_EQ(exit.sender, 0);
	vcpu_regs_get(user.vcpu, &regs);
	EXPECT_EQ(regs.rip, vmport_user_rip(1));
	EXPECT_EQ((u32)regs.rcx >> 16, VMPORT_SUCCESS);
	EXPECT_EQ(vmport_answer(user.vm, exit.id, "1 ", 2), 0);
	vcpu_run(user.vcpu);
	EXPECT_TRUE(vmport_is_done(user.vcpu));

	in = vmport_msg_regs(&channel, VMPORT_MSG_RECVSIZE, 0);
	outcome = vmport_user_run(&user, code_in, sizeof(code_in), in);
	EXPECT_EQ((u32)outcome.frame.rbx, 2);
	kvm_vm_free(user.vm);
}

/*
 * DS is a segment that kvm-intel does not load without unrestricted guests, as its DPL is
 * below its RPL: KVM emulates what the guest runs until DS is loaded from ESI.
 */
static struct vmport_outcome run_emulated(struct vmport_user *user, const u8 *code,
					  struct vmport_regs in)
{
	u8 whole[] = { *code, 0x8e, 0xde /* mov ds, esi */, INT, DONE_VECTOR };
	struct vmport_outcome outcome;

	user->sregs.ds.dpl = 0;
	in.si = USER_DS;
	outcome = vmport_user_run(user, whole, sizeof(whole), in);
	user->sregs.ds.dpl = 3;
	return outcome;
}

#define EMULATED_SIZE	(sizeof(code_in) + 2)

TEST_F(ring3, feature_on_served_where_kvm_emulates_the_guest)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	struct vmport_channel channel = { .vcpu = self->ring3.vcpu };
	struct vmport_outcome outcome;
	enum vmport_tss_bitmap kind;
	int out;

	for (kind = BITMAP_NONE; kind <= BITMAP_ALLOW; kind++) {
		vmport_user_set_bitmap(&self->ring3, kind);
		for (out = 0; out < 2; out++) {
			outcome = run_emulated(&self->ring3, out ? code_out : code_in, in);
			EXPECT_SERVED(outcome, EMULATED_SIZE);
			EXPECT_EQ((u32)outcome.frame.rax, 6);
			EXPECT_EQ(outcome.frame.rbx, VMPORT_HIGH_BX | VMPORT_MAGIC);
		}
	}
	vmport_user_set_bitmap(&self->ring3, BITMAP_DENY);
	outcome = run_emulated(&self->ring3, code_in,
			       vmport_msg_regs(&channel, VMPORT_MSG_OPEN, VMPORT_RPCI));
	EXPECT_SERVED(outcome, EMULATED_SIZE);
	EXPECT_EQ((u32)outcome.frame.rcx >> 16, VMPORT_SUCCESS);
}

/* A fault while KVM emulates the guest ends the guest: with or without us. */
static bool is_denied(const struct vmport_outcome *outcome)
{
	return outcome->nr_exits ? outcome->exit_reason == KVM_EXIT_INTERNAL_ERROR :
				   outcome->frame.vector == GP_VECTOR;
}

TEST_F(ring3, no_call_is_denied_where_kvm_emulates_the_guest)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	struct vmport_outcome outcome;

	if (self->backdoor)
		SKIP(return, "The module parameter opens the port to all");
	outcome = run_emulated(&self->rpc, code_in, in);
	EXPECT_TRUE(is_denied(&outcome));
	outcome = run_emulated(&self->plain, code_in, in);
	EXPECT_TRUE(is_denied(&outcome));
	in.ax++;
	outcome = run_emulated(&self->ring3, code_in, in);
	EXPECT_TRUE(is_denied(&outcome));
}

TEST_F(ring3, feature_off_gp_or_module_parameter)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	enum vmport_tss_bitmap kind;

	for (kind = BITMAP_NONE; kind < BITMAP_ALLOW; kind++) {
		vmport_user_set_bitmap(&self->rpc, kind);
		if (self->backdoor)
			EXPECT_VERSION(vmport_user_run(&self->rpc, code_in, sizeof(code_in), in),
				       sizeof(code_in));
		else
			EXPECT_GP(vmport_user_run(&self->rpc, code_in, sizeof(code_in), in), in);
	}
	for (self->rpc.iopl = 1; self->rpc.iopl < 3; self->rpc.iopl++) {
		if (!self->backdoor)
			EXPECT_GP(vmport_user_run(&self->rpc, code_out, sizeof(code_out), in), in);
	}
}

TEST_F(ring3, capability_off_gp_or_module_parameter)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);

	if (self->backdoor)
		EXPECT_PORT_IN(vmport_user_run(&self->plain, code_in, sizeof(code_in), in),
			       sizeof(code_in));
	else
		EXPECT_GP(vmport_user_run(&self->plain, code_in, sizeof(code_in), in), in);
}

TEST_F(ring3, iopl_3_needs_no_feature)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);

	self->rpc.iopl = 3;
	self->plain.iopl = 3;
	EXPECT_VERSION(vmport_user_run(&self->rpc, code_in, sizeof(code_in), in), sizeof(code_in));
	EXPECT_PORT_IN(vmport_user_run(&self->plain, code_in, sizeof(code_in), in),
		       sizeof(code_in));
}

TEST_F(ring3, allowing_bitmap_needs_no_feature)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);

	vmport_user_set_bitmap(&self->rpc, BITMAP_ALLOW);
	vmport_user_set_bitmap(&self->plain, BITMAP_ALLOW);
	EXPECT_VERSION(vmport_user_run(&self->rpc, code_in, sizeof(code_in), in), sizeof(code_in));
	EXPECT_PORT_IN(vmport_user_run(&self->plain, code_in, sizeof(code_in), in),
		       sizeof(code_in));
}

TEST_F(ring3, wrong_magic_is_as_without)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	int i;

	for (i = -1; i < 32; i++) {
		in.ax = i < 0 ? 0 : VMPORT_MAGIC ^ (1u << i);
		EXPECT_SAME(vmport_user_run(&self->ring3, code_in, sizeof(code_in), in),
			    vmport_user_run(&self->plain, code_in, sizeof(code_in), in));
		if (!self->backdoor)
			EXPECT_GP(vmport_user_run(&self->ring3, code_in, sizeof(code_in), in), in);
	}
	EXPECT_SAME(vmport_user_run(&self->ring3, code_out, sizeof(code_out), in),
		    vmport_user_run(&self->plain, code_out, sizeof(code_out), in));
	EXPECT_SAME(vmport_user_run(&self->rpc, code_in, sizeof(code_in), in),
		    vmport_user_run(&self->plain, code_in, sizeof(code_in), in));
}

/* Only the low half of RAX is the magic. */
TEST_F(ring3, high_half_of_rax_does_not_count)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	struct vmport_outcome outcome;

	/* mov %eax, %eax; in; done */
	static const u8 code[] = { 0x89, 0xc0, 0xed, INT, DONE_VECTOR };

	outcome = vmport_user_run(&self->ring3, code, sizeof(code), in);
	EXPECT_VERSION(outcome, sizeof(code));
}

TEST_F(ring3, unowned_command_reaches_the_vmm_with_the_feature)
{
	static const u16 cmds[] = { VMPORT_COMMANDS_OF_OTHERS, VMPORT_CMD_STEALCLOCK };
	struct vmport_regs in;
	struct vmport_outcome outcome;
	int i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		in = vmport_cmd_regs(cmds[i]);
		outcome = vmport_user_run(&self->ring3, code_in, sizeof(code_in), in);
		EXPECT_PORT_IN(outcome, sizeof(code_in));
		EXPECT_EQ(outcome.frame.rcx, VMPORT_HIGH_CX | in.cx);
		EXPECT_EQ(outcome.frame.rdx, VMPORT_HIGH_DX | in.dx);

		outcome = vmport_user_run(&self->ring3, code_out, sizeof(code_out), in);
		EXPECT_EQ(outcome.nr_exits, 1);
		EXPECT_EQ(outcome.exit_reason, KVM_EXIT_IO);
		EXPECT_EQ(outcome.io[0].direction, KVM_EXIT_IO_OUT);
		EXPECT_EQ(outcome.io[0].size, 4);
		EXPECT_EQ(outcome.io[0].port, VMPORT_PORT);
		EXPECT_EQ(outcome.io[0].data, VMPORT_MAGIC);
		EXPECT_EQ(outcome.frame.vector, DONE_VECTOR);
		EXPECT_EQ(outcome.frame.rax, VMPORT_HIGH_AX | VMPORT_MAGIC);
	}
}

TEST_F(ring3, unowned_command_is_as_without_when_the_feature_is_off)
{
	struct vmport_regs in = vmport_cmd_regs(4);

	EXPECT_SAME(vmport_user_run(&self->rpc, code_in, sizeof(code_in), in),
		    vmport_user_run(&self->plain, code_in, sizeof(code_in), in));
	EXPECT_SAME(vmport_user_run(&self->rpc, code_out, sizeof(code_out), in),
		    vmport_user_run(&self->plain, code_out, sizeof(code_out), in));
	if (!self->backdoor)
		EXPECT_GP(vmport_user_run(&self->rpc, code_in, sizeof(code_in), in), in);
}

TEST(ring3_without_rpc_message_reaches_the_vmm)
{
	struct vmport_user user = vmport_user_create(KVM_VMPORT_FEATURE_ENABLE |
						     KVM_VMPORT_FEATURE_RING3);
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);

	EXPECT_VERSION(vmport_user_run(&user, code_in, sizeof(code_in), in), sizeof(code_in));
	in = vmport_cmd_regs(VMPORT_CMD_MESSAGE);
	EXPECT_PORT_IN(vmport_user_run(&user, code_in, sizeof(code_in), in), sizeof(code_in));
	kvm_vm_free(user.vm);
}

static void expect_as_without(struct __test_metadata *_metadata, struct _test_data_ring3 *self,
			      const u8 *code, u32 size, struct vmport_regs in)
{
	EXPECT_SAME(vmport_user_run(&self->ring3, code, size, in),
		    vmport_user_run(&self->plain, code, size, in));
	EXPECT_SAME(vmport_user_run(&self->rpc, code, size, in),
		    vmport_user_run(&self->plain, code, size, in));
	if (!self->backdoor)
		EXPECT_GP(vmport_user_run(&self->ring3, code, size, in), in);
}

#define EXPECT_AS_WITHOUT(_code)						\
	expect_as_without(_metadata, self, _code, sizeof(_code), in)

TEST_F(ring3, other_sizes_are_as_without)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);

	CODE(inb, 0xec);
	CODE(outb, 0xee);
	CODE(inw, 0x66, 0xed);
	CODE(outw, 0x66, 0xef);

	EXPECT_AS_WITHOUT(inb);
	EXPECT_AS_WITHOUT(outb);
	EXPECT_AS_WITHOUT(inw);
	EXPECT_AS_WITHOUT(outw);
}

TEST_F(ring3, other_ports_are_as_without)
{
	static const u16 ports[] = { 0x5650, 0x5656, 0x5657, 0x5659, 0x565c, 0x0058, 0xd658, 0x80 };
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	int i;

	CODE(in_imm, 0xe5, 0x58);
	CODE(out_imm, 0xe7, 0x58);

	for (i = 0; i < ARRAY_SIZE(ports); i++) {
		in.dx = 0x77880000 | ports[i];
		EXPECT_SAME(vmport_user_run(&self->ring3, code_in, sizeof(code_in), in),
			    vmport_user_run(&self->plain, code_in, sizeof(code_in), in));
		EXPECT_SAME(vmport_user_run(&self->ring3, code_out, sizeof(code_out), in),
			    vmport_user_run(&self->plain, code_out, sizeof(code_out), in));
		/* 0x5659 is in the module parameter's reach. */
		if (!self->backdoor || ports[i] != 0x5659)
			EXPECT_GP(vmport_user_run(&self->ring3, code_in, sizeof(code_in), in), in);
	}
	in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	EXPECT_AS_WITHOUT(in_imm);
	EXPECT_AS_WITHOUT(out_imm);
}

TEST_F(ring3, string_instructions_are_as_without)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);

	/* mov %rsp, %rdi or %rsi first: memory that the user may use. */
	static const u8 insl[] = { 0x48, 0x89, 0xe7, 0x6d, INT, DONE_VECTOR };
	static const u8 outsl[] = { 0x48, 0x89, 0xe6, 0x6f, INT, DONE_VECTOR };

	EXPECT_SAME(vmport_user_run(&self->ring3, insl, sizeof(insl), in),
		    vmport_user_run(&self->plain, insl, sizeof(insl), in));
	EXPECT_SAME(vmport_user_run(&self->ring3, outsl, sizeof(outsl), in),
		    vmport_user_run(&self->plain, outsl, sizeof(outsl), in));
	if (!self->backdoor)
		EXPECT_EXCEPTION(vmport_user_run(&self->ring3, insl, sizeof(insl), in),
				 GP_VECTOR, 0, 3);
}

static void expect_still_gp(struct __test_metadata *_metadata, struct _test_data_ring3 *self,
			    const u8 *code, u32 size, struct vmport_regs in)
{
	struct vmport_outcome outcome = vmport_user_run(&self->ring3, code, size, in);
	struct vmport_outcome plain = vmport_user_run(&self->plain, code, size, in);

	EXPECT_SAME(outcome, plain);
	/* QEMU 10 emulates a processor that lets one of them pass. */
	if (plain.frame.vector == GP_VECTOR)
		EXPECT_GP(outcome, in);
	else
		TH_LOG("0x%02x 0x%02x raises no #GP here", code[0], code[1]);
}

#define EXPECT_STILL_GP(_code)							\
	expect_still_gp(_metadata, self, _code, sizeof(_code), in)

/* The registers are those of a call, the instruction is not. */
TEST_F(ring3, other_privileged_instructions_still_gp)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);

	CODE(cli, 0xfa);
	CODE(sti, 0xfb);
	CODE(hlt, 0xf4);
	CODE(clts, 0x0f, 0x06);
	CODE(invd, 0x0f, 0x08);
	CODE(rdmsr, 0x0f, 0x32);
	CODE(wrmsr, 0x0f, 0x30);
	CODE(mov_from_cr0, 0x0f, 0x20, 0xc0);
	CODE(mov_to_cr3, 0x0f, 0x22, 0xd8);
	CODE(mov_to_dr7, 0x0f, 0x23, 0xf8);
	/* mov (%rbx), %rax: RBX is not canonical. */
	CODE(load, 0x48, 0x8b, 0x03);

	EXPECT_STILL_GP(cli);
	EXPECT_STILL_GP(sti);
	EXPECT_STILL_GP(hlt);
	EXPECT_STILL_GP(clts);
	EXPECT_STILL_GP(invd);
	EXPECT_STILL_GP(rdmsr);
	EXPECT_STILL_GP(wrmsr);
	EXPECT_STILL_GP(mov_from_cr0);
	EXPECT_STILL_GP(mov_to_cr3);
	EXPECT_STILL_GP(mov_to_dr7);
	EXPECT_STILL_GP(load);
}

TEST_F(ring3, gp_with_an_error_code_keeps_it)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	struct vmport_outcome outcome;

	/* A gate that ring 3 may not use, and a selector past the GDT. */
	CODE(int_30, 0xcd, 0x30);
	CODE(mov_es, 0x8e, 0xc1);	/* mov %ecx, %es */

	/* Not the exact code: software emulation has another one for gates. */
	outcome = vmport_user_run(&self->ring3, int_30, sizeof(int_30), in);
	EXPECT_EQ(outcome.nr_exits, 0);
	EXPECT_EQ(outcome.frame.vector, GP_VECTOR);
	EXPECT_EQ(outcome.frame.error_code & 7, 2);
	EXPECT_EQ(outcome.frame.rip, vmport_user_rip(0));

	in.cx = 0xfff8;
	outcome = vmport_user_run(&self->ring3, mov_es, sizeof(mov_es), in);
	EXPECT_EXCEPTION(outcome, GP_VECTOR, 0xfff8, 0);
	EXPECT_SAME(outcome, vmport_user_run(&self->plain, mov_es, sizeof(mov_es), in));
}

TEST_F(ring3, other_exceptions_are_not_gp)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);

	CODE(ud2, 0x0f, 0x0b);
	CODE(lock_in, 0xf0, 0xed);

	EXPECT_EXCEPTION(vmport_user_run(&self->ring3, ud2, sizeof(ud2), in), UD_VECTOR, 0, 0);
	EXPECT_SAME(vmport_user_run(&self->ring3, lock_in, sizeof(lock_in), in),
		    vmport_user_run(&self->plain, lock_in, sizeof(lock_in), in));
}

TEST_F(ring3, redundant_prefixes)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);

	CODE(cs, 0x2e, 0xed);
	CODE(es, 0x26, 0xed);
	CODE(ss, 0x36, 0xed);
	CODE(ds, 0x3e, 0xed);
	CODE(fs, 0x64, 0xed);
	CODE(gs, 0x65, 0xed);
	CODE(rex, 0x40, 0xed);
	CODE(rex_w, 0x48, 0xed);
	CODE(rex_all, 0x4f, 0xed);
	CODE(several, 0x2e, 0x65, 0x3e, 0x48, 0xed);

#define EXPECT_VERSION_BY(_code)						\
	EXPECT_VERSION(vmport_user_run(&self->ring3, _code, sizeof(_code), in), sizeof(_code))

	EXPECT_VERSION_BY(cs);
	EXPECT_VERSION_BY(es);
	EXPECT_VERSION_BY(ss);
	EXPECT_VERSION_BY(ds);
	EXPECT_VERSION_BY(fs);
	EXPECT_VERSION_BY(gs);
	EXPECT_VERSION_BY(rex);
	EXPECT_VERSION_BY(rex_w);
	EXPECT_VERSION_BY(rex_all);
	EXPECT_VERSION_BY(several);
}

/* A REX that is not the last prefix is none. */
TEST_F(ring3, operand_size_prefix_in_every_place)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);

	CODE(before, 0x66, 0x2e, 0xed);
	CODE(behind, 0x2e, 0x66, 0xed);
	CODE(stale_rex, 0x48, 0x66, 0xed);
	CODE(twice, 0x66, 0x66, 0xed);

	EXPECT_AS_WITHOUT(before);
	EXPECT_AS_WITHOUT(behind);
	EXPECT_AS_WITHOUT(stale_rex);
	EXPECT_AS_WITHOUT(twice);
}

TEST_F(ring3, longest_instruction)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	u8 code[15 + 2] = { [14] = 0xed, [15] = INT, [16] = DONE_VECTOR };
	u8 longer[16 + 2] = { [15] = 0xed, [16] = INT, [17] = DONE_VECTOR };

	memset(code, 0x2e, 14);
	EXPECT_VERSION(vmport_user_run(&self->ring3, code, sizeof(code), in), sizeof(code));

	/* One more is #GP for its length alone. */
	memset(longer, 0x2e, 15);
	EXPECT_SAME(vmport_user_run(&self->ring3, longer, sizeof(longer), in),
		    vmport_user_run(&self->plain, longer, sizeof(longer), in));
	EXPECT_GP(vmport_user_run(&self->ring3, longer, sizeof(longer), in), in);
}

TEST_F(ring3, instruction_across_a_page_boundary)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	u32 at;

	CODE(prefixed, 0x2e, 0x3e, 0xed);

	for (at = 4096 - 3; at <= 4096; at++)
		EXPECT_VERSION(vmport_user_run_at(&self->ring3, at, prefixed, sizeof(prefixed), in),
			       at + sizeof(prefixed));
}

TEST_F(ring3, last_byte_before_an_unmapped_page)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	u64 *pte = vmport_user_pte(self->ring3.vm, self->ring3.kernel.cr3,
				   USER_CODE + 4096, 1);
	static const u8 in_only[] = { 0xed };
	struct vmport_outcome outcome;

	*pte &= ~(u64)PTE_PRESENT;
	outcome = vmport_user_run_at(&self->ring3, 4095, in_only, sizeof(in_only), in);
	/* Answered, and then the page fault of the next instruction. */
	EXPECT_EQ(outcome.nr_exits, 0);
	EXPECT_EQ(outcome.frame.vector, PF_VECTOR);
	EXPECT_EQ(outcome.frame.rip, vmport_user_rip(4096));
	EXPECT_EQ(outcome.frame.rax, 6);
	EXPECT_EQ(outcome.frame.rbx, VMPORT_HIGH_BX | VMPORT_MAGIC);
}

/* In compatibility mode only the low halves count. */
#define EXPECT_VERSION_LOW(_outcome, _rip)					\
do {										\
	const struct vmport_outcome __o = (_outcome);				\
										\
	EXPECT_EQ(__o.nr_exits, 0);						\
	EXPECT_EQ(__o.frame.vector, DONE_VECTOR);				\
	EXPECT_EQ(__o.frame.rip, _rip);						\
	EXPECT_EQ((u32)__o.frame.rax, 6);					\
	EXPECT_EQ((u32)__o.frame.rbx, VMPORT_MAGIC);				\
	EXPECT_EQ((u32)__o.frame.rcx, 2);					\
} while (0)

TEST_F(ring3, compatibility_mode_32_bit)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	struct vmport_outcome outcome;

	CODE(prefixed, 0x65, 0xed);
	CODE(inw, 0x66, 0xed);

	vmport_user_set_mode(&self->ring3, 32);
	vmport_user_set_mode(&self->plain, 32);
	vmport_user_set_mode(&self->rpc, 32);
	outcome = vmport_user_run(&self->ring3, code_in, sizeof(code_in), in);
	EXPECT_VERSION_LOW(outcome, vmport_user_rip(sizeof(code_in)));
	outcome = vmport_user_run(&self->ring3, prefixed, sizeof(prefixed), in);
	EXPECT_VERSION_LOW(outcome, vmport_user_rip(sizeof(prefixed)));
	EXPECT_SAME(vmport_user_run(&self->ring3, inw, sizeof(inw), in),
		    vmport_user_run(&self->plain, inw, sizeof(inw), in));
}

/* 0x48 is no prefix here, but DEC EAX: then the magic is wrong. */
TEST_F(ring3, compatibility_mode_has_no_rex)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	struct vmport_outcome outcome;

	CODE(dec_in, 0x48, 0xed);

	vmport_user_set_mode(&self->ring3, 32);
	vmport_user_set_mode(&self->plain, 32);
	EXPECT_SAME(vmport_user_run(&self->ring3, dec_in, sizeof(dec_in), in),
		    vmport_user_run(&self->plain, dec_in, sizeof(dec_in), in));
	in.ax++;
	outcome = vmport_user_run(&self->ring3, dec_in, sizeof(dec_in), in);
	EXPECT_VERSION_LOW(outcome, vmport_user_rip(sizeof(dec_in)));
}

TEST_F(ring3, compatibility_mode_segment_base)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	struct vmport_outcome outcome;

	vmport_user_set_mode(&self->ring3, 32);
	self->ring3.sregs.cs.base = 0x12340;
	outcome = vmport_user_run(&self->ring3, code_in, sizeof(code_in), in);
	EXPECT_VERSION_LOW(outcome, vmport_user_rip(sizeof(code_in)) - 0x12340);
}

TEST_F(ring3, compatibility_mode_16_bit)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	struct vmport_outcome outcome;
	u64 base;

	CODE(inl, 0x66, 0xed);

	vmport_user_set_mode(&self->ring3, 16);
	vmport_user_set_mode(&self->plain, 16);
	base = USER_CODE & ~0xffffull;
	self->ring3.sregs.cs.base = base;
	self->plain.sregs.cs.base = base;
	outcome = vmport_user_run(&self->ring3, inl, sizeof(inl), in);
	EXPECT_VERSION_LOW(outcome, vmport_user_rip(sizeof(inl)) - base);
	/* Without the prefix it is a 16-bit access. */
	EXPECT_SAME(vmport_user_run(&self->ring3, code_in, sizeof(code_in), in),
		    vmport_user_run(&self->plain, code_in, sizeof(code_in), in));
}

TEST_F(ring3, trap_flag_traps_behind_the_call)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	struct vmport_outcome outcome;

	self->ring3.rflags = X86_EFLAGS_TF;
	outcome = vmport_user_run(&self->ring3, code_in, sizeof(code_in), in);
	EXPECT_EXCEPTION(outcome, DB_VECTOR, 0, 1);
	EXPECT_EQ(outcome.frame.rax, 6);
	EXPECT_EQ(outcome.frame.rbx, VMPORT_HIGH_BX | VMPORT_MAGIC);
}

TEST_F(ring3, host_single_step_stops_behind_the_call)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	struct kvm_regs regs;
	struct vmport_outcome outcome;

	self->ring3.debug = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
	outcome = vmport_user_run(&self->ring3, code_in, sizeof(code_in), in);
	EXPECT_EQ(outcome.nr_exits, 1);
	EXPECT_EQ(outcome.exit_reason, KVM_EXIT_DEBUG);
	EXPECT_EQ(self->ring3.vcpu->run->debug.arch.pc, vmport_user_rip(1));
	vcpu_regs_get(self->ring3.vcpu, &regs);
	EXPECT_EQ(regs.rip, vmport_user_rip(1));
	EXPECT_EQ(regs.rax, 6);
}

/* A #GP of ring 0 is the kernel's own, feature or not. */
TEST_F(ring3, gp_in_ring_0_is_untouched)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	struct vmport_outcome outcome;

	CODE(load, 0x48, 0x8b, 0x03);
	CODE(store, 0x48, 0x89, 0x03);

	self->ring3.sregs = self->ring3.kernel;
	self->plain.sregs = self->plain.kernel;
	outcome = vmport_user_run(&self->ring3, load, sizeof(load), in);
	EXPECT_EQ(outcome.nr_exits, 0);
	EXPECT_EQ(outcome.frame.vector, GP_VECTOR);
	EXPECT_EQ(outcome.frame.error_code, 0);
	EXPECT_EQ(outcome.frame.rip, vmport_user_rip(0));
	EXPECT_EQ(outcome.frame.cs & 3, 0);
	EXPECT_SAME(outcome, vmport_user_run(&self->plain, load, sizeof(load), in));
	EXPECT_SAME(vmport_user_run(&self->ring3, store, sizeof(store), in),
		    vmport_user_run(&self->plain, store, sizeof(store), in));
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_VMPORT));

	return test_harness_run(argc, argv);
}
