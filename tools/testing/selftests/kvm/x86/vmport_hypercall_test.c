// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls by VMCALL and VMMCALL, from rings 0 and 3: the port's answers, whole
 * messages at linear addresses, and the hypercalls of KVM, Xen and Hyper-V as
 * they are without the feature.
 */
#include <time.h>

#include "vmport_test.h"
#include "vmport_user.h"

#include "hyperv.h"

#define FLAG_HB		BIT(0)
#define FLAG_OUT	BIT(1)

#define INSN_SIZE	3
#define CODE_SIZE	(INSN_SIZE + 2)

#define BAD_ADDRESS	0x8000000000000000ull
#define MMIO_ADDRESS	0xd0000000ull

/*
 * The processor's own instruction, and the other vendor's, in whose place KVM
 * puts the right one when ring 0 uses it.
 */
FIXTURE(hypercall) {
	struct vmport_user user;	/* with the feature */
	struct vmport_user plain;	/* without the capability, once asked for */
	u8 code[CODE_SIZE];
	u8 ring;
};

FIXTURE_VARIANT(hypercall) {
	bool other;
	u8 ring;
};

FIXTURE_VARIANT_ADD(hypercall, own_ring_0) { .ring = 0 };
FIXTURE_VARIANT_ADD(hypercall, own_ring_3) { .ring = 3 };
FIXTURE_VARIANT_ADD(hypercall, other_ring_0) { .other = true, .ring = 0 };

static struct vmport_user create(u64 features, u8 ring)
{
	struct vmport_user user;

	if (ring && features)
		features |= KVM_VMPORT_FEATURE_RING3;
	user = vmport_user_create(features);
	if (!ring)
		user.sregs = user.kernel;
	return user;
}

static void make_code(u8 *code, bool other)
{
	bool vmmcall = host_cpu_is_amd != other;
	const u8 bytes[CODE_SIZE] = { 0x0f, 0x01, vmmcall ? 0xd9 : 0xc1, INT, DONE_VECTOR };

	memcpy(code, bytes, sizeof(bytes));
}

FIXTURE_SETUP(hypercall)
{
	make_code(self->code, variant->other);
	self->ring = variant->ring;
	self->user = create(VMPORT_HYPERCALL, variant->ring);
	vmport_hb_status = VMPORT_HB;
}

FIXTURE_TEARDOWN(hypercall)
{
	kvm_vm_free(self->user.vm);
	if (self->plain.vm)
		kvm_vm_free(self->plain.vm);
}

static struct vmport_outcome hypercall_regs(struct vmport_user *user, const u8 *code,
					    struct kvm_regs *regs)
{
	vmport_user_start(user, 0, code, CODE_SIZE, regs);
	return vmport_user_continue(user);
}

static struct vmport_outcome hypercall(struct vmport_user *user, const u8 *code,
				       struct vmport_regs in)
{
	struct kvm_regs regs;

	vmport_set_regs(user->vcpu, &regs, &in);
	return hypercall_regs(user, code, &regs);
}

static struct vmport_user *plain(struct _test_data_hypercall *self)
{
	if (!self->plain.vm)
		self->plain = create(0, self->ring);
	return &self->plain;
}

/* It was handled in the kernel, and the guest went on behind it. */
#define EXPECT_DONE(_outcome)							\
do {										\
	const struct vmport_outcome __d = (_outcome);				\
										\
	EXPECT_EQ(__d.nr_exits, 0);						\
	EXPECT_EQ(__d.frame.vector, DONE_VECTOR)				\
		TH_LOG("at 0x%lx, error code 0x%lx", __d.frame.rip,		\
		       __d.frame.error_code);					\
	EXPECT_EQ(__d.frame.rip, vmport_user_rip(CODE_SIZE));		\
	EXPECT_EQ(__d.frame.cs & 3, self->ring);				\
} while (0)

#define EXPECT_REGS(_outcome, _regs)						\
do {										\
	const struct vmport_outcome __r = (_outcome);				\
	const struct vmport_regs __regs = (_regs);				\
										\
	EXPECT_DONE(__r);							\
	EXPECT_EQ(__r.frame.rax, VMPORT_HIGH_AX | __regs.ax);			\
	EXPECT_EQ(__r.frame.rbx, VMPORT_HIGH_BX | __regs.bx);			\
	EXPECT_EQ(__r.frame.rcx, VMPORT_HIGH_CX | __regs.cx);			\
	EXPECT_EQ(__r.frame.rdx, VMPORT_HIGH_DX | __regs.dx);			\
	EXPECT_EQ(__r.frame.rsi, VMPORT_HIGH_SI | __regs.si);			\
	EXPECT_EQ(__r.frame.rdi, VMPORT_HIGH_DI | __regs.di);			\
} while (0)

static struct vmport_regs call_regs(u16 cmd, u16 flags)
{
	struct vmport_regs regs = vmport_cmd_regs(cmd);

	regs.cx = cmd;
	regs.dx = (regs.dx & 0xffff0000) | flags;
	return regs;
}

/* What callers put there: no flag, OUT, a port number, rubbish. */
static const u16 lb_flags[] = { 0, FLAG_OUT, VMPORT_PORT, 0xfffe };

TEST_F(hypercall, every_command_answers_as_the_port_does)
{
	struct kvm_vmport_identity identity;
	const struct command *c;
	struct vmport_regs in, out;
	struct vmport_outcome outcome;
	int j;

	ASSERT_EQ(vmport_get_identity(self->user.vm, &identity), 0);
	memcpy(identity.uuid, "0123456789abcdef", 16);
	identity.memory_mib = 321;
	ASSERT_EQ(vmport_set_identity(self->user.vm, &identity), 0);

	for (c = vmport_commands; c->name; c++) {
		if (!(c->flags & COMMAND_FACT))
			continue;
		in = call_regs(c->nr, VMPORT_PORT);
		out = vmport_call(vmport_user_kernel(&self->user), in);
		EXPECT_NE(memcmp(&in, &out, sizeof(in)), 0);

		for (j = 0; j < ARRAY_SIZE(lb_flags); j++) {
			in = call_regs(c->nr, lb_flags[j]);
			/* A result in one, else kept. */
			if (c->nr != VMPORT_CMD_GETUUID)
				out.dx = in.dx;
			outcome = hypercall(&self->user, self->code, in);
			EXPECT_REGS(outcome, out);
		}
	}
}

TEST_F(hypercall, time_is_the_hosts)
{
	struct vmport_regs in = call_regs(VMPORT_CMD_GETTIME, 0);
	struct vmport_outcome outcome;
	time_t before, after;

	before = time(NULL);
	outcome = hypercall(&self->user, self->code, in);
	EXPECT_DONE(outcome);
	after = time(NULL);
	EXPECT_GE((u32)outcome.frame.rax, (u32)before);
	EXPECT_LE((u32)outcome.frame.rax, (u32)after);
	EXPECT_LT((u32)outcome.frame.rbx, 1000000);

	in = call_regs(VMPORT_CMD_GETTIMEFULL_WITH_LAG, 0);
	outcome = hypercall(&self->user, self->code, in);
	EXPECT_DONE(outcome);
	EXPECT_EQ(outcome.frame.rax, VMPORT_HIGH_AX | VMPORT_MAGIC);
	EXPECT_EQ(outcome.frame.rsi, VMPORT_HIGH_SI | (u64)before >> 32);
	EXPECT_GE((u32)outcome.frame.rdx, (u32)after);
	EXPECT_EQ(outcome.frame.rdi, VMPORT_HIGH_DI);
}

/* One MESSAGE by hypercall; the status. */
static u16 message(struct vmport_user *user, const u8 *code, const struct vmport_channel *channel,
		   u16 type, u32 bx, struct vmport_regs *out)
{
	struct vmport_regs in = vmport_msg_regs(channel, type, bx);
	struct vmport_outcome outcome;

	in.dx &= 0xffff0000;
	outcome = hypercall(user, code, in);
	TEST_ASSERT(!outcome.nr_exits && outcome.frame.vector == DONE_VECTOR,
		    "MESSAGE %u: vector %lu", type, outcome.frame.vector);
	out->ax = outcome.frame.rax;
	out->bx = outcome.frame.rbx;
	out->cx = outcome.frame.rcx;
	out->dx = outcome.frame.rdx;
	out->si = outcome.frame.rsi;
	out->di = outcome.frame.rdi;
	return vmport_status(out);
}

TEST_F(hypercall, conversation)
{
	static const char request[] = "info-get guestinfo.k";
	struct vmport_channel channel = { .vcpu = self->user.vcpu };
	struct vmport_user *user = &self->user;
	struct vmport_regs out;
	u32 word;
	int i;

	ASSERT_EQ(vmport_set_text(user->vm, "guestinfo.k", "yes"), 0);

	ASSERT_EQ(message(user, self->code, &channel, VMPORT_MSG_OPEN,
			  VMPORT_RPCI | VMPORT_COOKIE, &out), VMPORT_SUCCESS);
	EXPECT_EQ(out.dx & 0xffff, 0);
	channel.id = out.dx >> 16;
	channel.cookie_high = out.si;
	channel.cookie_low = out.di;

	ASSERT_EQ(message(user, self->code, &channel, VMPORT_MSG_SENDSIZE, 20, &out),
		  VMPORT_SUCCESS | VMPORT_HB);
	for (i = 0; i < 20; i += 4) {
		memcpy(&word, request + i, 4);
		ASSERT_EQ(message(user, self->code, &channel, VMPORT_MSG_SENDPAYLOAD, word,
				  &out), VMPORT_SUCCESS);
	}
	ASSERT_EQ(message(user, self->code, &channel, VMPORT_MSG_RECVSIZE, 0, &out),
		  VMPORT_SUCCESS | VMPORT_DORECV | VMPORT_HB);
	EXPECT_EQ(out.bx, 5);
	ASSERT_EQ(message(user, self->code, &channel, VMPORT_MSG_RECVPAYLOAD, 1, &out),
		  VMPORT_SUCCESS);
	EXPECT_EQ(out.bx, 0x65792031);	/* "1 ye" */
	ASSERT_EQ(message(user, self->code, &channel, VMPORT_MSG_RECVPAYLOAD, 1, &out),
		  VMPORT_SUCCESS);
	EXPECT_EQ(out.bx, 's');
	ASSERT_EQ(message(user, self->code, &channel, VMPORT_MSG_RECVSTATUS, 1, &out),
		  VMPORT_SUCCESS);
	/* What was opened by hypercall can be closed by the port. */
	channel.vcpu = vmport_user_kernel(user);
	vmport_close(&channel);
	EXPECT_EQ(message(user, self->code, &channel, VMPORT_MSG_CLOSE, 0, &out), VMPORT_FAIL);
}

TEST_F(hypercall, a_command_of_the_vmm_is_a_port_access)
{
	struct vmport_regs in = call_regs(4, 0);
	struct vmport_outcome outcome = hypercall(&self->user, self->code, in);

	EXPECT_EQ(outcome.nr_exits, 1);
	EXPECT_EQ(outcome.exit_reason, KVM_EXIT_IO);
	EXPECT_EQ(outcome.io[0].direction, KVM_EXIT_IO_IN);
	EXPECT_EQ(outcome.io[0].port, VMPORT_PORT);
	EXPECT_EQ(outcome.io[0].size, 4);
	EXPECT_EQ(outcome.io[0].count, 1);
	EXPECT_EQ(outcome.frame.vector, DONE_VECTOR);
	EXPECT_EQ(outcome.frame.rip, vmport_user_rip(CODE_SIZE));
	EXPECT_EQ((u32)outcome.frame.rax, 0xa5a5a5a5);
	EXPECT_EQ(outcome.frame.rbx, VMPORT_HIGH_BX | in.bx);

	in = call_regs(4, FLAG_OUT);
	outcome = hypercall(&self->user, self->code, in);
	EXPECT_EQ(outcome.nr_exits, 1);
	EXPECT_EQ(outcome.io[0].direction, KVM_EXIT_IO_OUT);
	EXPECT_EQ(outcome.io[0].port, VMPORT_PORT);
	EXPECT_EQ(outcome.io[0].size, 4);
	EXPECT_EQ(outcome.io[0].data, VMPORT_MAGIC);
	EXPECT_EQ(outcome.frame.vector, DONE_VECTOR);
	EXPECT_EQ(outcome.frame.rip, vmport_user_rip(CODE_SIZE));
}

/* KVM's own, and numbers that nobody knows. */
TEST_F(hypercall, without_the_magic_it_is_kvms)
{
	static const u32 numbers[] = {
		0, KVM_HC_VAPIC_POLL_IRQ, KVM_HC_SCHED_YIELD, VMPORT_MAGIC ^ 1, 0x12345678,
	};
	struct vmport_regs in = call_regs(VMPORT_CMD_GETVERSION, 0);
	struct vmport_outcome outcome;
	int i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		in.ax = numbers[i];
		outcome = hypercall(&self->user, self->code, in);
		EXPECT_DONE(outcome);
		EXPECT_SAME(outcome, hypercall(plain(self), self->code, in));
		EXPECT_EQ(outcome.frame.rbx, VMPORT_HIGH_BX | in.bx);
	}
}

TEST_F(hypercall, kvms_own_still_work)
{
	struct kvm_regs regs = { .rax = KVM_HC_VAPIC_POLL_IRQ };
	struct vmport_outcome outcome;

	regs.rsp = vmport_stack_top(0);
	outcome = hypercall_regs(&self->user, self->code, &regs);
	EXPECT_DONE(outcome);
	EXPECT_EQ(outcome.frame.rax, self->ring ? -KVM_EPERM : 0);
}

TEST_F(hypercall, feature_off_it_is_kvms)
{
	struct vmport_user rpc = create(VMPORT_HYPERCALL & ~KVM_VMPORT_FEATURE_HYPERCALL,
					self->ring);
	struct vmport_regs in = call_regs(VMPORT_CMD_GETVERSION, 0);
	struct vmport_outcome outcome = hypercall(&rpc, self->code, in);

	EXPECT_DONE(outcome);
	EXPECT_EQ(outcome.frame.rax, self->ring ? -KVM_EPERM : -KVM_ENOSYS);
	EXPECT_EQ(outcome.frame.rbx, VMPORT_HIGH_BX | in.bx);
	EXPECT_SAME(outcome, hypercall(plain(self), self->code, in));

	in = call_regs(VMPORT_CMD_GETVERSION, FLAG_HB);
	EXPECT_SAME(hypercall(&rpc, self->code, in), hypercall(plain(self), self->code, in));
	kvm_vm_free(rpc.vm);
}

/* Ring 3 is let in by RING3 alone, whichever way it comes. */
TEST_F(hypercall, without_ring3_it_is_ring_0s)
{
	struct vmport_user user = vmport_user_create(VMPORT_HYPERCALL);
	struct vmport_regs in = call_regs(VMPORT_CMD_GETVERSION, 0);
	struct vmport_outcome outcome;

	if (!self->ring)
		user.sregs = user.kernel;
	outcome = hypercall(&user, self->code, in);
	EXPECT_DONE(outcome);
	if (self->ring)
		EXPECT_SAME(outcome, hypercall(plain(self), self->code, in));
	else
		EXPECT_EQ((u32)outcome.frame.rax, 6);

	in = call_regs(VMPORT_CMD_GETVERSION, FLAG_HB);
	outcome = hypercall(&user, self->code, in);
	if (self->ring)
		EXPECT_SAME(outcome, hypercall(plain(self), self->code, in));
	kvm_vm_free(user.vm);
}

/* KVM patches VMMCALL in ring 3 too, but VMCALL in ring 0 only. */
TEST(other_vendors_instruction_in_ring_3_as_kvm_patches_it)
{
	struct vmport_user user = create(VMPORT_HYPERCALL, 3), plain = create(0, 3);
	struct vmport_regs in = call_regs(VMPORT_CMD_GETVERSION, 0);
	u8 code[CODE_SIZE], native[CODE_SIZE];
	struct vmport_outcome outcome;

	make_code(code, true);
	make_code(native, false);
	outcome = hypercall(&user, code, in);
	if (host_cpu_is_intel)
		EXPECT_SAME(outcome, hypercall(&user, native, in));
	else
		EXPECT_SAME(outcome, hypercall(&plain, code, in));
	kvm_vm_free(user.vm);
	kvm_vm_free(plain.vm);
}

static void enable_xen(struct vmport_user *user)
{
	struct kvm_xen_hvm_config config = {
		.flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL,
		.msr = 0x40000200,
	};

	vm_ioctl(user->vm, KVM_XEN_HVM_CONFIG, &config);
}

TEST_F(hypercall, xen_comes_first)
{
	struct vmport_regs in = call_regs(VMPORT_CMD_GETVERSION, 0);
	struct kvm_run *run = self->user.vcpu->run;
	struct vmport_outcome outcome;

	if (!(kvm_check_cap(KVM_CAP_XEN_HVM) & KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL))
		SKIP(return, "needs KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL");

	enable_xen(&self->user);
	enable_xen(plain(self));
	outcome = hypercall(&self->user, self->code, in);
	EXPECT_SAME(outcome, hypercall(plain(self), self->code, in));
	EXPECT_EQ(outcome.exit_reason, KVM_EXIT_XEN);
	EXPECT_EQ(run->xen.u.hcall.input, VMPORT_HIGH_AX | VMPORT_MAGIC);
}

static void enable_hyperv(struct vmport_user *user)
{
	vcpu_set_hv_cpuid(user->vcpu);
	vcpu_set_msr(user->vcpu, HV_X64_MSR_GUEST_OS_ID, HYPERV_LINUX_OS_ID);
}

TEST_F(hypercall, hyper_v_comes_first)
{
	struct vmport_regs in = call_regs(VMPORT_CMD_GETVERSION, 0);
	struct vmport_outcome outcome;

	if (!kvm_has_cap(KVM_CAP_HYPERV_CPUID))
		SKIP(return, "needs KVM_CAP_HYPERV_CPUID");

	enable_hyperv(&self->user);
	enable_hyperv(plain(self));
	outcome = hypercall(&self->user, self->code, in);
	EXPECT_SAME(outcome, hypercall(plain(self), self->code, in));
	EXPECT_NE((u32)outcome.frame.rax, 6);
	EXPECT_NE((u32)outcome.frame.rax, (u32)-KVM_ENOSYS);
}

TEST_F(hypercall, trap_flag_traps_behind_the_call)
{
	struct vmport_regs in = call_regs(VMPORT_CMD_GETVERSION, 0);
	struct vmport_outcome outcome;

	self->user.rflags = X86_EFLAGS_TF;
	make_code(self->code, false);
	outcome = hypercall(&self->user, self->code, in);
	EXPECT_EQ(outcome.nr_exits, 0);
	EXPECT_EQ(outcome.frame.vector, DB_VECTOR);
	EXPECT_EQ(outcome.frame.rip, vmport_user_rip(INSN_SIZE));
	EXPECT_EQ((u32)outcome.frame.rax, 6);
}

TEST_F(hypercall, host_single_step_stops_behind_the_call)
{
	struct vmport_regs in = call_regs(VMPORT_CMD_GETVERSION, 0);
	struct vmport_outcome outcome;

	make_code(self->code, false);
	self->user.debug = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
	outcome = hypercall(&self->user, self->code, in);
	EXPECT_EQ(outcome.nr_exits, 1);
	EXPECT_EQ(outcome.exit_reason, KVM_EXIT_DEBUG);
	EXPECT_EQ(self->user.vcpu->run->debug.arch.pc, vmport_user_rip(INSN_SIZE));
}

/*
 * Messages.
 */

static struct vmport_outcome transfer(struct vmport_user *user, const u8 *code,
				      const struct vmport_channel *channel, bool in, u64 addr,
				      u32 count)
{
	struct kvm_regs regs = vmport_hb_regs(channel, FLAG_HB | (in ? 0 : FLAG_OUT), in, addr,
					      VMPORT_HIGH_CX | count);

	return hypercall_regs(user, code, &regs);
}

/* Status, and what is left. */
#define EXPECT_TRANSFER(_outcome, _status, _in, _addr, _left)			\
do {										\
	const struct vmport_outcome __t = (_outcome);				\
										\
	EXPECT_EQ(__t.frame.rbx, VMPORT_HIGH_BX | (_status) << 16);		\
	EXPECT_EQ(__t.frame.rcx, VMPORT_HIGH_CX | (_left));			\
	EXPECT_EQ((_in) ? __t.frame.rdi : __t.frame.rsi, _addr);		\
	EXPECT_EQ(__t.frame.rax, VMPORT_HIGH_AX | VMPORT_MAGIC);		\
} while (0)

TEST_F(hypercall, message_of_64_kib_out_and_in)
{
	const u32 full = KVM_VMPORT_MAX_MESSAGE;
	struct vmport_user *user = &self->user;
	u8 *request = vmport_alloc(full), *reply = vmport_alloc(full);
	struct vmport_channel channel;
	struct vmport_outcome outcome;
	u32 size = full, i;

	memcpy(request, "info-set guestinfo.k ", 21);
	for (i = 21; i < full; i++)
		request[i] = 1 + (i * 11 + i / 256) % 255;
	channel = vmport_user_announce(user, full);
	memcpy(vmport_user_buffer(user) + 37, request, full);
	outcome = transfer(user, self->code, &channel, false, vmport_user_buffer_addr(37), full);
	EXPECT_DONE(outcome);
	EXPECT_TRANSFER(outcome, VMPORT_SUCCESS, false, vmport_user_buffer_addr(37 + full), 0);
	ASSERT_EQ(vmport_get_entry(user->vm, "guestinfo.k", 11, reply, &size, NULL), 0);
	EXPECT_EQ(size, full - 21);
	EXPECT_EQ(memcmp(reply, request + 21, size), 0);
	channel.vcpu = vmport_user_kernel(user);
	EXPECT_EQ(vmport_recv(&channel, reply, full), 2);

	channel = vmport_user_expect_reply(user, full, reply);
	memset(vmport_user_buffer(user), 0xcc, VMPORT_BUFFER_SIZE);
	outcome = transfer(user, self->code, &channel, true, vmport_user_buffer_addr(5), full);
	EXPECT_DONE(outcome);
	EXPECT_TRANSFER(outcome, VMPORT_SUCCESS, true, vmport_user_buffer_addr(5 + full), 0);
	EXPECT_EQ(memcmp(vmport_user_buffer(user) + 5, reply, full), 0);
	EXPECT_EQ(vmport_user_buffer(user)[4], 0xcc);
	EXPECT_EQ(vmport_user_buffer(user)[5 + full], 0xcc);
	free(request);
	free(reply);
}

TEST_F(hypercall, page_fault_in_the_middle_out)
{
	static const char request[] = "info-set guestinfo.k 0123456789";
	struct vmport_user *user = &self->user;
	struct vmport_channel channel = vmport_user_announce(user, sizeof(request) - 1);
	u32 size = sizeof(request) - 1, at = 4096 - 7;
	struct vmport_outcome outcome;
	u64 *pte = vmport_user_buffer_pte(user, 4096);
	struct kvm_sregs sregs;

	memcpy(vmport_user_buffer(user) + at, request, size);
	*pte &= ~(u64)PTE_PRESENT;
	outcome = transfer(user, self->code, &channel, false, vmport_user_buffer_addr(at), size);
	EXPECT_EQ(outcome.nr_exits, 0);
	EXPECT_EQ(outcome.frame.vector, PF_VECTOR);
	EXPECT_EQ(outcome.frame.error_code, self->ring ? PF_USER : 0);
	EXPECT_EQ(outcome.frame.rip, vmport_user_rip(0));
	EXPECT_TRANSFER(outcome, VMPORT_SUCCESS, false, vmport_user_buffer_addr(4096), size - 7);
	vcpu_sregs_get(user->vcpu, &sregs);
	EXPECT_EQ(sregs.cr2, vmport_user_buffer_addr(4096));
	EXPECT_EQ(vmport_get_text(user->vm, "guestinfo.k"), NULL);

	*pte |= PTE_PRESENT;
	outcome = vmport_user_continue(user);
	EXPECT_DONE(outcome);
	EXPECT_TRANSFER(outcome, VMPORT_SUCCESS, false, vmport_user_buffer_addr(at + size), 0);
	EXPECT_STREQ(vmport_get_text(user->vm, "guestinfo.k"), "0123456789");
}

TEST_F(hypercall, page_fault_in_the_middle_in)
{
	struct vmport_user *user = &self->user;
	u32 size = 3 * 4096, at = 100;
	u8 *reply = vmport_alloc(size);
	struct vmport_channel channel = vmport_user_expect_reply(user, size, reply);
	struct vmport_outcome outcome;
	struct kvm_sregs sregs;

	memset(vmport_user_buffer(user), 0xcc, 5 * 4096);
	*vmport_user_buffer_pte(user, 2 * 4096) &= ~(u64)PTE_WRITABLE;
	outcome = transfer(user, self->code, &channel, true, vmport_user_buffer_addr(at), size);
	/* Ring 0 writes there when CR0.WP is clear. */
	if (self->ring || (user->kernel.cr0 & X86_CR0_WP)) {
		EXPECT_EQ(outcome.nr_exits, 0);
		EXPECT_EQ(outcome.frame.vector, PF_VECTOR);
		EXPECT_EQ(outcome.frame.error_code,
			  PF_PRESENT | PF_WRITE | (self->ring ? PF_USER : 0));
		EXPECT_EQ(outcome.frame.rip, vmport_user_rip(0));
		EXPECT_TRANSFER(outcome, VMPORT_SUCCESS, true, vmport_user_buffer_addr(2 * 4096),
				at + size - 2 * 4096);
		vcpu_sregs_get(user->vcpu, &sregs);
		EXPECT_EQ(sregs.cr2, vmport_user_buffer_addr(2 * 4096));
		EXPECT_EQ(memcmp(vmport_user_buffer(user) + at, reply, 2 * 4096 - at), 0);
		EXPECT_EQ(vmport_user_buffer(user)[2 * 4096], 0xcc);
		*vmport_user_buffer_pte(user, 2 * 4096) |= PTE_WRITABLE;
		outcome = vmport_user_continue(user);
	}
	EXPECT_DONE(outcome);
	EXPECT_TRANSFER(outcome, VMPORT_SUCCESS, true, vmport_user_buffer_addr(at + size), 0);
	EXPECT_EQ(memcmp(vmport_user_buffer(user) + at, reply, size), 0);
	free(reply);
}

TEST_F(hypercall, ring_3_has_no_more_rights_than_it_has)
{
	struct vmport_user *user = &self->user;
	u8 reply[32];
	struct vmport_channel channel;
	struct vmport_outcome outcome;
	bool in;

	if (!self->ring)
		SKIP(return, "ring 3 only");

	for (in = false; ; in = true) {
		channel = in ? vmport_user_expect_reply(user, 32,
							reply) : vmport_user_announce(user, 32);
		memset(vmport_user_buffer(user), 0xcc, 64);
		*vmport_user_buffer_pte(user, 0) &= ~(u64)PTE_USER;
		outcome = transfer(user, self->code, &channel, in, vmport_user_buffer_addr(0), 32);
		*vmport_user_buffer_pte(user, 0) |= PTE_USER;
		EXPECT_EQ(outcome.nr_exits, 0);
		EXPECT_EQ(outcome.frame.vector, PF_VECTOR);
		EXPECT_EQ(outcome.frame.error_code, PF_PRESENT | PF_USER | (in ? PF_WRITE : 0));
		EXPECT_TRANSFER(outcome, VMPORT_SUCCESS, in, vmport_user_buffer_addr(0), 32);
		EXPECT_EQ(vmport_user_buffer(user)[0], 0xcc);
		if (in)
			break;
	}
}

TEST_F(hypercall, address_that_is_not_canonical)
{
	struct vmport_user *user = &self->user;
	struct vmport_channel channel = vmport_user_announce(user, 32);
	struct vmport_outcome outcome;

	outcome = transfer(user, self->code, &channel, false, BAD_ADDRESS, 32);
	EXPECT_EQ(outcome.nr_exits, 0);
	EXPECT_EQ(outcome.frame.vector, GP_VECTOR);
	EXPECT_EQ(outcome.frame.error_code, 0);
	EXPECT_EQ(outcome.frame.rip, vmport_user_rip(0));
	EXPECT_TRANSFER(outcome, VMPORT_SUCCESS, false, BAD_ADDRESS, 32);
}

TEST_F(hypercall, mmio_fails)
{
	struct vmport_user *user = &self->user;
	struct vmport_channel channel = vmport_user_announce(user, 32);
	struct vmport_outcome outcome;

	virt_pg_map(user->vm, MMIO_ADDRESS, MMIO_ADDRESS);
	vmport_user_map(user, (void *)MMIO_ADDRESS, 4096);
	outcome = transfer(user, self->code, &channel, false, MMIO_ADDRESS, 32);
	EXPECT_DONE(outcome);
	EXPECT_TRANSFER(outcome, VMPORT_FAIL, false, MMIO_ADDRESS, 32);
}

/* KVM may have a page of its own there, which is no memory of the guest's. */
TEST_F(hypercall, the_page_of_the_apic_fails)
{
	const u64 apic = 0xfee00000;
	struct vmport_user *user = &self->user;
	struct vmport_channel channel = vmport_user_announce(user, 40);
	struct vmport_outcome outcome;
	u8 reply[40];

	virt_pg_map(user->vm, apic, apic);
	vmport_user_map(user, (void *)apic, 4096);
	outcome = transfer(user, self->code, &channel, false, apic + 0x400, 40);
	EXPECT_DONE(outcome);
	EXPECT_EQ((u32)outcome.frame.rbx >> 16, VMPORT_FAIL);

	channel = vmport_user_expect_reply(user, 40, reply);
	outcome = transfer(user, self->code, &channel, true, apic + 0x400, 40);
	EXPECT_DONE(outcome);
	EXPECT_EQ((u32)outcome.frame.rbx >> 16, VMPORT_FAIL);
}

TEST_F(hypercall, what_does_not_fit_the_channel_fails)
{
	struct vmport_user *user = &self->user;
	u8 reply[32], untouched[64];
	struct vmport_channel channel = vmport_user_announce(user, 32), wrong;
	int i;

	memset(untouched, 0xcc, sizeof(untouched));
	/* More than the message, less than is left of it. */
	EXPECT_TRANSFER(transfer(user, self->code, &channel, false, vmport_user_buffer_addr(0), 33),
			VMPORT_FAIL, false, vmport_user_buffer_addr(0), 33);
	EXPECT_TRANSFER(transfer(user, self->code, &channel, false, vmport_user_buffer_addr(0), 31),
			VMPORT_FAIL, false, vmport_user_buffer_addr(0), 31);
	EXPECT_TRANSFER(transfer(user, self->code, &channel, false, vmport_user_buffer_addr(0),
				 ~0u),
			VMPORT_FAIL, false, vmport_user_buffer_addr(0), ~0u);
	/* Nothing waits. */
	EXPECT_TRANSFER(transfer(user, self->code, &channel, true, vmport_user_buffer_addr(0), 32),
			VMPORT_FAIL, true, vmport_user_buffer_addr(0), 32);

	channel = vmport_user_expect_reply(user, 32, reply);
	for (i = 0; i < 4; i++) {
		wrong = channel;
		if (i == 0)
			wrong.cookie_high++;
		else if (i == 1)
			wrong.cookie_low--;
		else if (i == 2)
			wrong.id++;
		else
			wrong.id = 0xffff;
		memset(vmport_user_buffer(user), 0xcc, 64);
		EXPECT_TRANSFER(transfer(user, self->code, &wrong, true, vmport_user_buffer_addr(0),
					 32),
				VMPORT_FAIL, true, vmport_user_buffer_addr(0), 32);
		EXPECT_EQ(memcmp(vmport_user_buffer(user), untouched, 64), 0);
	}
	EXPECT_TRANSFER(transfer(user, self->code, &channel, true, vmport_user_buffer_addr(0), 32),
			VMPORT_SUCCESS, true, vmport_user_buffer_addr(32), 0);
	EXPECT_EQ(memcmp(vmport_user_buffer(user), reply, 32), 0);
	/* There is no more of it; and once more, in two blocks. */
	EXPECT_TRANSFER(transfer(user, self->code, &channel, true, vmport_user_buffer_addr(0), 33),
			VMPORT_FAIL, true, vmport_user_buffer_addr(0), 33);
	vmport_user_kernel(user);
	EXPECT_EQ(vmport_poll(&channel), 32);
	memset(vmport_user_buffer(user), 0xcc, 64);
	EXPECT_TRANSFER(transfer(user, self->code, &channel, true, vmport_user_buffer_addr(0), 9),
			VMPORT_SUCCESS, true, vmport_user_buffer_addr(9), 0);
	EXPECT_EQ(memcmp(vmport_user_buffer(user), reply, 9), 0);
	EXPECT_EQ(memcmp(vmport_user_buffer(user) + 9, untouched, 55), 0);
	EXPECT_TRANSFER(transfer(user, self->code, &channel, true, vmport_user_buffer_addr(9), 23),
			VMPORT_SUCCESS, true, vmport_user_buffer_addr(32), 0);
	EXPECT_EQ(memcmp(vmport_user_buffer(user), reply, 32), 0);
}

TEST_F(hypercall, count_0_moves_nothing)
{
	struct vmport_user *user = &self->user;
	struct vmport_channel channel = vmport_user_announce(user, 32);

	EXPECT_TRANSFER(transfer(user, self->code, &channel, false, BAD_ADDRESS, 0),
			VMPORT_SUCCESS, false, BAD_ADDRESS, 0);
}

TEST_F(hypercall, other_high_bandwidth_commands_fail)
{
	struct vmport_user *user = &self->user;
	struct vmport_channel channel = vmport_user_announce(user, 32);
	struct kvm_regs regs = vmport_hb_regs(&channel, FLAG_HB | FLAG_OUT, false,
					      vmport_user_buffer_addr(0), VMPORT_HIGH_CX | 32);
	struct vmport_outcome outcome;

	regs.rbx |= 1;
	outcome = hypercall_regs(user, self->code, &regs);
	EXPECT_DONE(outcome);
	EXPECT_EQ(outcome.frame.rbx, VMPORT_HIGH_BX | 1);
	EXPECT_EQ(outcome.frame.rcx, VMPORT_HIGH_CX | 32);
	EXPECT_EQ(outcome.frame.rsi, vmport_user_buffer_addr(0));
}

TEST_F(hypercall, without_hb_messages_fail)
{
	struct vmport_user user = create(VMPORT_RPC | KVM_VMPORT_FEATURE_HYPERCALL, self->ring);
	struct vmport_channel channel;
	struct vmport_outcome outcome;

	channel = vmport_open(vmport_user_kernel(&user), VMPORT_RPCI | VMPORT_COOKIE);
	EXPECT_EQ(vmport_msg_status(&channel, VMPORT_MSG_SENDSIZE, 32), VMPORT_SUCCESS);
	outcome = transfer(&user, self->code, &channel, false, vmport_user_buffer_addr(0), 32);
	EXPECT_DONE(outcome);
	EXPECT_TRANSFER(outcome, VMPORT_FAIL, false, vmport_user_buffer_addr(0), 32);
	kvm_vm_free(user.vm);
}

/* Outside 64-bit mode only the low halves of the addresses count. */
TEST_F(hypercall, compatibility_mode)
{
	struct vmport_user *user = &self->user;
	u8 reply[64];
	struct vmport_channel channel;
	struct vmport_outcome outcome;
	int bits;

	for (bits = 32; bits >= 16; bits -= 16) {
		if (bits == 16)
			user->sregs.cs.base = USER_CODE & ~0xffffull;
		/* KVM patches at the address without the segment's base. */
		make_code(self->code, false);
		vmport_user_set_mode(user, bits);
		outcome = hypercall(user, self->code, call_regs(VMPORT_CMD_GETVERSION, 0));
		EXPECT_EQ(outcome.frame.vector, DONE_VECTOR);
		EXPECT_EQ((u32)outcome.frame.rax, 6);
		EXPECT_EQ((u32)outcome.frame.rbx, VMPORT_MAGIC);

		channel = vmport_user_expect_reply(user, 64, reply);
		memset(vmport_user_buffer(user), 0xcc, 64);
		outcome = transfer(user, self->code, &channel, true,
				   VMPORT_HIGH_DI | vmport_user_buffer_addr(0), 64);
		EXPECT_EQ(outcome.frame.vector, DONE_VECTOR);
		EXPECT_EQ((u32)outcome.frame.rbx, VMPORT_SUCCESS << 16);
		EXPECT_EQ((u32)outcome.frame.rcx, 0);
		EXPECT_EQ((u32)outcome.frame.rdi, (u32)vmport_user_buffer_addr(64));
		EXPECT_EQ(memcmp(vmport_user_buffer(user), reply, 64), 0);
	}
}

/*
 * The instruction is not there any more when the call has been made: the reply is
 * written over it, and the emulator, which skips it where the exit does not say how long
 * it is, does not know BOUND.
 */
TEST_F(hypercall, reply_over_the_instruction)
{
	struct vmport_user *user = &self->user;
	struct vmport_channel channel;
	struct vmport_outcome outcome;
	struct kvm_regs regs;

	ASSERT_EQ(vmport_set_text(user->vm, "guestinfo.k", "\x62\x62\x62"), 0);
	channel = vmport_open(vmport_user_kernel(user), VMPORT_RPCI | VMPORT_COOKIE);
	vmport_send(&channel, "info-get guestinfo.k", 20);
	ASSERT_EQ(vmport_poll(&channel), 5);

	regs = vmport_hb_regs(&channel, FLAG_HB, true, vmport_user_rip(14), VMPORT_HIGH_CX | 5);
	vmport_user_start(user, 16, self->code, CODE_SIZE, &regs);
	outcome = vmport_user_continue(user);
	EXPECT_EQ(outcome.nr_exits, 0)
		TH_LOG("exit %u", outcome.exit_reason);
	EXPECT_EQ(outcome.frame.vector, DONE_VECTOR);
	EXPECT_EQ(outcome.frame.rip, vmport_user_rip(16 + CODE_SIZE));
	EXPECT_TRANSFER(outcome, VMPORT_SUCCESS, true, vmport_user_rip(19), 0);
}

/* The same while the VMM has a command of its own. */
TEST_F(hypercall, instruction_overwritten_during_a_command_of_the_vmm)
{
	struct vmport_user *user = &self->user;
	struct kvm_run *run = user->vcpu->run;
	struct vmport_outcome outcome;
	struct vmport_regs in;
	struct kvm_regs regs;
	u32 flags;

	for (flags = 0; flags <= FLAG_OUT; flags += FLAG_OUT) {
		in = call_regs(4, flags);
		vmport_set_regs(user->vcpu, &regs, &in);
		vmport_user_start(user, 16, self->code, CODE_SIZE, &regs);
		vcpu_run(user->vcpu);
		ASSERT_EQ(run->exit_reason, KVM_EXIT_IO);
		ASSERT_EQ(run->io.port, VMPORT_PORT);

		memset(addr_gva2hva(user->vm, USER_CODE) + 16, 0x62, 3);
		outcome = vmport_user_continue(user);
		EXPECT_EQ(outcome.nr_exits, 0)
			TH_LOG("exit %u", outcome.exit_reason);
		EXPECT_EQ(outcome.frame.vector, DONE_VECTOR);
		EXPECT_EQ(outcome.frame.rip, vmport_user_rip(16 + CODE_SIZE));
	}
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_VMPORT));
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_X86_VMPORT) & KVM_VMPORT_FEATURE_HYPERCALL);

	return test_harness_run(argc, argv);
}
