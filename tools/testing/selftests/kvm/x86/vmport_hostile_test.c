// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls of the VMware guest interface from any machine state that a guest can get
 * into: what is the kernel's looks as if a VMM had answered, all else as without the
 * interface, and KVM_RUN never ends with an internal error.
 */
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "vmport_machine.h"
#include "vmport_test.h"

#define FEATURES	(VMPORT_RPC | KVM_VMPORT_FEATURE_HB | KVM_VMPORT_FEATURE_RING3 | \
			 KVM_VMPORT_FEATURE_HYPERCALL | KVM_VMPORT_FEATURE_PMC)

#define MAX_CODE	32

FIXTURE(hostile)
{
	struct vmport_machine plain;
	struct vmport_machine ours;
};

FIXTURE_VARIANT(hostile)
{
	int mode;
	int ring;
};

FIXTURE_VARIANT_ADD(hostile, real) { MODE_REAL, 0 };
FIXTURE_VARIANT_ADD(hostile, vm86) { MODE_VM86, 3 };
FIXTURE_VARIANT_ADD(hostile, prot16_ring_0) { MODE_PROT16, 0 };
FIXTURE_VARIANT_ADD(hostile, prot16_ring_3) { MODE_PROT16, 3 };
FIXTURE_VARIANT_ADD(hostile, prot32_ring_0) { MODE_PROT32, 0 };
FIXTURE_VARIANT_ADD(hostile, prot32_ring_3) { MODE_PROT32, 3 };
FIXTURE_VARIANT_ADD(hostile, paged32_ring_0) { MODE_PAGED32, 0 };
FIXTURE_VARIANT_ADD(hostile, paged32_ring_3) { MODE_PAGED32, 3 };
FIXTURE_VARIANT_ADD(hostile, pae_ring_0) { MODE_PAE, 0 };
FIXTURE_VARIANT_ADD(hostile, pae_ring_3) { MODE_PAE, 3 };
FIXTURE_VARIANT_ADD(hostile, compat16_ring_0) { MODE_COMPAT16, 0 };
FIXTURE_VARIANT_ADD(hostile, compat16_ring_3) { MODE_COMPAT16, 3 };
FIXTURE_VARIANT_ADD(hostile, compat32_ring_0) { MODE_COMPAT32, 0 };
FIXTURE_VARIANT_ADD(hostile, compat32_ring_3) { MODE_COMPAT32, 3 };
FIXTURE_VARIANT_ADD(hostile, long_ring_0) { MODE_LONG, 0 };
FIXTURE_VARIANT_ADD(hostile, long_ring_3) { MODE_LONG, 3 };
FIXTURE_VARIANT_ADD(hostile, long57_ring_0) { MODE_LONG57, 0 };
FIXTURE_VARIANT_ADD(hostile, long57_ring_3) { MODE_LONG57, 3 };

FIXTURE_SETUP(hostile)
{
	if (vmport_modes[variant->mode].cr4 & CR4_LA57 && !vmport_machine_has_la57())
		SKIP(return, "The processor has no 5-level paging");
	ASSERT_EQ(vmport_machine_create(&self->plain, 0), 0);
	ASSERT_EQ(vmport_machine_create(&self->ours, FEATURES), 0);
}

FIXTURE_TEARDOWN(hostile)
{
	vmport_machine_destroy(&self->plain);
	vmport_machine_destroy(&self->ours);
}

/* One instruction in one state. */
struct test_case {
	struct vmport_machine_state state;
	u64 addr;
	u8 code[MAX_CODE];
	u32 size;
};

static void set_code(struct test_case *c, const u8 *code, u32 size)
{
	memcpy(c->code, code, size);
	c->code[size] = NOP;
	c->code[size + 1] = HLT;
	c->size = size;
}

/* @prefixes, then a 32-bit access with DX: @opcode, NOP, HLT. */
static struct test_case prefixed_case(struct vmport_machine *m, int mode, int ring, u64 addr,
				      const u8 *prefixes, u32 size, u8 opcode)
{
	struct test_case c = { .addr = addr };
	u8 code[MAX_CODE];
	u32 n = 0;

	vmport_machine_init(&c.state, m, mode, ring, addr);
	memcpy(code, prefixes, size);
	n += size;
	if (vmport_modes[mode].bits == 16)
		code[n++] = 0x66;
	code[n++] = opcode;
	set_code(&c, code, n);
	return c;
}

static struct test_case in_case(struct vmport_machine *m, int mode, int ring, u64 addr)
{
	return prefixed_case(m, mode, ring, addr, NULL, 0, IN);
}

static u64 rip_behind(const struct test_case *c)
{
	return c->addr + c->size - c->state.sregs.cs.base;
}

/* At which linear address what is @n bytes behind the first of the code lies. */
static u64 code_at(const struct test_case *c, u32 n)
{
	return c->state.mode->bits == 64 ? c->addr + n : (u32)(c->addr + n);
}

static void run(struct vmport_machine *m, struct test_case *c, struct vmport_seen *seen)
{
	u32 i;

	for (i = 0; i < c->size + 2; i++)
		*vmport_machine_at(m, code_at(c, i)) = c->code[i];
	vmport_machine_run(m, &c->state, seen);
}

static void log_seen(const char *who, const struct vmport_seen *seen)
{
	static u32 logged;
	u32 i;

	/* The first few of a test say it all. */
	if (logged++ >= 4)
		return;
	fprintf(stderr,
		"# %s: exit %u.%u error %d rip 0x%llx rax 0x%llx rbx 0x%llx rcx 0x%llx rdx 0x%llx rsi 0x%llx rdi 0x%llx rsp 0x%llx rflags 0x%llx\n",
		who, seen->exit_reason, seen->suberror, seen->error, seen->regs.rip, seen->regs.rax,
		seen->regs.rbx, seen->regs.rcx, seen->regs.rdx, seen->regs.rsi, seen->regs.rdi,
		seen->regs.rsp, seen->regs.rflags);
	fprintf(stderr,
		"#   debug 0x%llx 0x%llx %u cr2 0x%llx dr6 0x%llx shadow %u exception 0x%x data 0x%llx, on the stack",
		seen->debug_pc, seen->debug_dr6, seen->debug_exception, seen->sregs.cr2, seen->dr6,
		seen->shadow, seen->exception, seen->data_sum);
	for (i = 0; i < ARRAY_SIZE(seen->stack); i++)
		fprintf(stderr, " 0x%llx", seen->stack[i]);
	for (i = 0; i < seen->nr_ports; i++)
		fprintf(stderr, "; port 0x%x at 0x%llx: %u %u %u 0x%x", seen->ports[i].port,
			seen->ports[i].rip, seen->ports[i].direction, seen->ports[i].size,
			seen->ports[i].count, seen->ports[i].data);
	fprintf(stderr, "\n");
}

#define EXPECT_SAME_SEEN(_ours, _plain)						\
do {										\
	const struct vmport_seen *__with = (_ours), *__without = (_plain);	\
										\
	EXPECT_EQ(memcmp(__with, __without, sizeof(*__with)), 0) {		\
		log_seen("with", __with);					\
		log_seen("without", __without);					\
	}									\
} while (0)

#define RUN_ARGS	struct __test_metadata *_metadata, struct _test_data_hostile *self, \
			struct test_case *c

/* It is not the kernel's: all is as without the interface. */
static void expect_as_without(RUN_ARGS)
{
	struct vmport_seen ours, plain;

	run(&self->plain, c, &plain);
	run(&self->ours, c, &ours);
	EXPECT_EQ(plain.error, 0);
	EXPECT_SAME_SEEN(&ours, &plain);
}

/*
 * The kernel answers: all is as with a VMM that does, in a machine that has a TSS
 * whose bitmap allows it.
 */
static void expect_as_vmm(RUN_ARGS, struct vmport_seen *ours)
{
	struct vmport_seen plain;

	c->state.answers = FEATURES;
	vmport_machine_allow_ports(&self->plain, VMPORT_PORT, VMPORT_PORT + 3, true);
	run(&self->plain, c, &plain);
	vmport_machine_allow_ports(&self->plain, VMPORT_PORT, VMPORT_PORT + 3, false);

	c->state.answers = 0;
	run(&self->ours, c, ours);
	EXPECT_EQ(plain.error, 0);
	EXPECT_EQ((u32)plain.regs.rbx, VMPORT_MAGIC);
	EXPECT_SAME_SEEN(ours, &plain);
}

#define EXPECT_AS_WITHOUT(_case)	expect_as_without(_metadata, self, _case)

#define EXPECT_AS_VMM(_case)							\
({										\
	struct vmport_seen __seen;						\
										\
	expect_as_vmm(_metadata, self, _case, &__seen);				\
	__seen;									\
})

/* Behind the call there are NOP and HLT; in ring 3 HLT is #GP. */
static void expect_went_on(struct __test_metadata *_metadata, const struct test_case *c,
			   const struct vmport_seen *seen)
{
	EXPECT_EQ(seen->exit_reason, KVM_EXIT_HLT);
	EXPECT_EQ((u32)seen->regs.rax, 6);
	EXPECT_EQ((u32)seen->regs.rbx, VMPORT_MAGIC);
	EXPECT_EQ(seen->regs.rip, c->state.ring ? HANDLER(GP_VECTOR) + 1 : rip_behind(c) + 2);
}

static void expect_answered(RUN_ARGS)
{
	struct vmport_seen seen;

	run(&self->ours, c, &seen);
	EXPECT_EQ(seen.exit_reason, KVM_EXIT_HLT);
	EXPECT_EQ((u32)seen.regs.rax, 6);
	EXPECT_EQ((u32)seen.regs.rbx, VMPORT_MAGIC);
}

static bool is_vmms(struct _test_data_hostile *self, struct test_case *c)
{
	struct vmport_seen seen;

	run(&self->ours, c, &seen);
	return seen.nr_ports;
}

static bool is_64_bit(int mode)
{
	return vmport_modes[mode].bits == 64;
}

/* Where a segment limit or a type of CS counts. */
static bool has_limits(int mode)
{
	return !is_64_bit(mode);
}

TEST_F(hostile, call)
{
	static const u8 opcodes[] = { IN, OUT };
	struct test_case c;
	struct vmport_seen seen;
	int i;

	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		c = prefixed_case(&self->ours, variant->mode, variant->ring, CODE + 0x100, NULL, 0,
				  opcodes[i]);
		seen = EXPECT_AS_VMM(&c);
		expect_went_on(_metadata, &c, &seen);
	}
}

TEST_F(hostile, calls_that_are_the_vmms)
{
	struct test_case c = in_case(&self->ours, variant->mode, variant->ring, CODE + 0x100);
	struct vmport_seen seen;

	/* Another command, once in the kernel's way and once in the VMM's. */
	c.state.regs.rcx = 4;
	run(&self->ours, &c, &seen);
	ASSERT_EQ(seen.nr_ports, 1);
	EXPECT_EQ(seen.ports[0].port, VMPORT_PORT);
	EXPECT_EQ(seen.ports[0].size, 4);
	EXPECT_EQ((u32)seen.regs.rax, 0xa5a5a5a5);
	EXPECT_EQ(seen.exit_reason, KVM_EXIT_HLT);

	c.state.regs.rcx = VMPORT_CMD_GETVERSION;
	c.state.regs.rax = VMPORT_MAGIC + 1;
	EXPECT_AS_WITHOUT(&c);
}

TEST_F(hostile, prefixes)
{
	static const u8 all[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x67, 0xf2, 0xf3, 0xf0, 0x66,
				  0x40, 0x48, 0x4f };
	bool is_16_bit = vmport_modes[variant->mode].bits == 16;
	struct test_case c;
	u8 prefixes[MAX_CODE];
	int i;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		c = prefixed_case(&self->ours, variant->mode, variant->ring, CODE + 0x100, all + i,
				  1, IN);
		/* Software emulation runs LOCK IN. */
		if (all[i] == 0xf0 && !variant->ring)
			continue;
		/* 16 bits, and in 32-bit code the instructions INC and DEC of EAX. */
		if (all[i] == 0xf0 || (all[i] == 0x66 && !is_16_bit) ||
		    ((all[i] == 0x40 || all[i] == 0x48) && !is_64_bit(variant->mode)))
			EXPECT_AS_WITHOUT(&c);
		else
			EXPECT_AS_VMM(&c);
	}

	/* The longest there is, and one that is longer. */
	memset(prefixes, 0x2e, sizeof(prefixes));
	c = prefixed_case(&self->ours, variant->mode, variant->ring, CODE + 0x100, prefixes,
			  14 - is_16_bit, IN);
	EXPECT_AS_VMM(&c);
	c = prefixed_case(&self->ours, variant->mode, variant->ring, CODE + 0x100, prefixes,
			  15 - is_16_bit, IN);
	EXPECT_AS_WITHOUT(&c);
}

/*
 * Code that ends where its segment does is called; what is not all inside is not, and
 * RAX does not change.  Software emulation of SVM lets ring 0 run such code.
 */
TEST_F(hostile, end_of_the_segment)
{
	static const u32 flags[] = { 0, FLAG_TF, FLAG_RF, FLAG_TF | FLAG_RF };
	struct test_case c;
	struct vmport_seen seen;
	u32 ip, i, n;

	if (!variant->ring || !has_limits(variant->mode) || vmport_modes[variant->mode].vm86)
		return;
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		c = prefixed_case(&self->ours, variant->mode, 3, CODE + 0x100,
				  (u8 []){ 0x2e, 0x3e }, 2, IN);
		ip = c.state.regs.rip;
		c.state.regs.rflags |= flags[i];
		for (n = 0; n <= c.size; n++) {
			c.state.sregs.cs.limit = ip + n - 1;
			c.state.sregs.cs.g = 0;
			if (n == c.size) {
				EXPECT_AS_VMM(&c);
				continue;
			}
			EXPECT_AS_WITHOUT(&c);
			run(&self->ours, &c, &seen);
			EXPECT_EQ(seen.exit_reason, KVM_EXIT_HLT);
			EXPECT_EQ(seen.regs.rip, HANDLER(GP_VECTOR) + 1);
			EXPECT_EQ((u32)seen.regs.rax, VMPORT_MAGIC);
		}
	}
}

/* A code segment that is none, and those that are. */
TEST_F(hostile, types_of_the_code_segment)
{
	static const u8 types[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
	struct test_case c;
	int i, tf;

	if (!variant->ring || !has_limits(variant->mode) || vmport_modes[variant->mode].vm86)
		return;
	if (vmport_backdoor_parameter())
		SKIP(return, "needs enable_vmware_backdoor=0");
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		for (tf = 0; tf <= FLAG_TF; tf += FLAG_TF) {
			c = in_case(&self->ours, variant->mode, 3, CODE + 0x100);
			c.state.sregs.cs.type = types[i];
			c.state.regs.rflags |= tf;
			if (types[i] & 8)
				EXPECT_AS_VMM(&c);
			else
				EXPECT_AS_WITHOUT(&c);
		}
	}
}

TEST_F(hostile, trap_flag)
{
	struct test_case c = in_case(&self->ours, variant->mode, variant->ring, CODE + 0x100);
	struct vmport_seen seen;

	c.state.regs.rflags |= FLAG_TF;
	seen = EXPECT_AS_VMM(&c);
	EXPECT_EQ(seen.regs.rip, HANDLER(DB_VECTOR) + 1);
	EXPECT_EQ(seen.dr6 & 0x400f, 0x4000);
	EXPECT_EQ((u32)seen.regs.rax, 6);
}

/* Newer kernels give the VMM the guest's single steps too then. */
TEST_F(hostile, trap_flag_with_host_breakpoints)
{
	struct test_case c = in_case(&self->ours, variant->mode, variant->ring, CODE + 0x100);

	c.state.debug.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
	c.state.debug.arch.debugreg[7] = 0x400;
	c.state.regs.rflags |= FLAG_TF;
	EXPECT_AS_VMM(&c);
}

TEST_F(hostile, host_single_step)
{
	struct test_case c = in_case(&self->ours, variant->mode, variant->ring, CODE + 0x100);
	struct vmport_seen seen;
	u32 tf;

	c.state.debug.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
	for (tf = 0; tf <= FLAG_TF; tf += FLAG_TF) {
		c.state.regs.rflags |= tf;
		seen = EXPECT_AS_VMM(&c);
		EXPECT_EQ(seen.exit_reason, KVM_EXIT_DEBUG);
		EXPECT_EQ(seen.debug_pc, code_at(&c, c.size));
		EXPECT_EQ(seen.regs.rip, rip_behind(&c));
		EXPECT_EQ((u32)seen.regs.rax, 6);
	}
}

static void run_nops(struct _test_data_hostile *self, struct test_case *c,
		     struct vmport_seen *seen)
{
	struct test_case nops = *c;

	memset(nops.code, NOP, c->size);
	run(&self->plain, &nops, seen);
}

/* Does the processor do what is asked of it?  Not all software emulation does. */
static bool stops_behind(struct _test_data_hostile *self, struct test_case *c)
{
	struct vmport_seen seen;

	run_nops(self, c, &seen);
	return seen.exit_reason == KVM_EXIT_HLT ? seen.regs.rip == HANDLER(DB_VECTOR) + 1 :
						  seen.regs.rip == rip_behind(c);
}

TEST_F(hostile, host_breakpoint_behind_the_call)
{
	struct test_case c = in_case(&self->ours, variant->mode, variant->ring, CODE + 0x100);
	struct vmport_seen seen;

	c.state.debug.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
	c.state.debug.arch.debugreg[0] = c.addr + c.size;
	c.state.debug.arch.debugreg[7] = 0x402;
	if (!stops_behind(self, &c))
		SKIP(return, "The processor has no breakpoints in guests");
	run(&self->ours, &c, &seen);
	EXPECT_EQ(seen.exit_reason, KVM_EXIT_DEBUG);
	EXPECT_EQ(seen.debug_exception, DB_VECTOR);
	EXPECT_EQ(seen.debug_pc, code_at(&c, c.size));
	EXPECT_EQ(seen.regs.rip, rip_behind(&c));
	EXPECT_EQ((u32)seen.regs.rax, 6);
	EXPECT_AS_VMM(&c);
}

TEST_F(hostile, guest_breakpoint_behind_the_call)
{
	struct test_case c = in_case(&self->ours, variant->mode, variant->ring, CODE + 0x100);
	struct vmport_seen seen, nops;

	c.state.debugregs.db[0] = c.addr + c.size;
	c.state.debugregs.dr7 = 0x402;
	if (!stops_behind(self, &c))
		SKIP(return, "The processor has no breakpoints in guests");
	run(&self->ours, &c, &seen);
	EXPECT_EQ(seen.exit_reason, KVM_EXIT_HLT);
	EXPECT_EQ(seen.regs.rip, HANDLER(DB_VECTOR) + 1);
	/* Where KVM emulates real mode, it leaves DR6 as it is. */
	run_nops(self, &c, &nops);
	EXPECT_EQ(seen.dr6 & 0x400f, nops.dr6 & 0x400f);
	EXPECT_EQ((u32)seen.regs.rax, 6);
	EXPECT_AS_VMM(&c);
}

/* RF ends with the instruction, as does the shadow of STI or MOV SS. */
TEST_F(hostile, resume_flag)
{
	struct test_case c = in_case(&self->ours, variant->mode, variant->ring, CODE + 0x100);

	c.state.regs.rflags |= FLAG_RF;
	EXPECT_AS_VMM(&c);
}

static bool keeps_shadow(struct _test_data_hostile *self, struct test_case *c)
{
	struct test_case nops = *c;
	struct vmport_seen seen;

	memset(nops.code, NOP, sizeof(nops.code));
	run(&self->plain, &nops, &seen);
	return seen.exit_reason == KVM_EXIT_IRQ_WINDOW_OPEN &&
	       seen.regs.rip == c->state.regs.rip + 1;
}

TEST_F(hostile, interrupt_shadow)
{
	struct test_case c = in_case(&self->ours, variant->mode, variant->ring, CODE + 0x100);
	struct vmport_seen seen;

	c.state.regs.rflags |= FLAG_IF;
	c.state.window = true;
	c.state.shadow = true;
	if (!keeps_shadow(self, &c))
		SKIP(return, "The processor enters guests without an interrupt shadow");
	seen = EXPECT_AS_VMM(&c);
	EXPECT_EQ(seen.exit_reason, KVM_EXIT_IRQ_WINDOW_OPEN);
	EXPECT_EQ(seen.regs.rip, rip_behind(&c));
	EXPECT_EQ(seen.shadow, 0);
	EXPECT_EQ((u32)seen.regs.rax, 6);
}

/* The shadow is that of an instruction right before the call. */
static struct test_case shadow_case(struct vmport_machine *m, int mode, int ring, const u8 *code,
				    u32 size)
{
	struct test_case c = in_case(m, mode, ring, CODE + 0x100);
	u8 all[MAX_CODE];

	memcpy(all, code, size);
	memcpy(all + size, c.code, c.size);
	set_code(&c, all, size + c.size);
	c.state.regs.rflags |= FLAG_IOPL;
	return c;
}

TEST_F(hostile, behind_sti)
{
	struct test_case c = shadow_case(&self->ours, variant->mode, variant->ring,
					 (u8 []){ 0xfb }, 1);
	struct test_case nops = in_case(&self->ours, variant->mode, variant->ring, CODE + 0x100);
	struct vmport_seen seen;

	nops.state.regs.rflags |= FLAG_IF;
	nops.state.window = true;
	nops.state.shadow = true;
	if (!keeps_shadow(self, &nops))
		SKIP(return, "The processor enters guests without an interrupt shadow");

	c.state.window = true;
	seen = EXPECT_AS_VMM(&c);
	EXPECT_EQ(seen.exit_reason, KVM_EXIT_IRQ_WINDOW_OPEN);
	EXPECT_EQ(seen.regs.rip, rip_behind(&c));
}

TEST_F(hostile, behind_mov_ss)
{
	struct test_case c = shadow_case(&self->ours, variant->mode, variant->ring,
					 (u8 []){ 0x8e, 0xd3 }, 2);
	struct vmport_seen seen;

	c.state.regs.rbx = c.state.sregs.ss.selector;
	seen = EXPECT_AS_VMM(&c);
	expect_went_on(_metadata, &c, &seen);
}

/*
 * The last bytes that code can have, with a prefix: there is software emulation that
 * does not survive an instruction in the very last one.
 */
TEST_F(hostile, end_of_the_address_space)
{
	static const u64 ends_of_long[] = { 0x7fffffffffff, 0xffffffffffffffff };
	const struct vmport_mode *mode = &vmport_modes[variant->mode];
	u64 ends[2] = { 0xffffffff };
	struct test_case c;
	int i, tf, n = 1;

	if (mode->bits == 16) {
		ends[0] = CODE + 0xffff;
	} else if (mode->bits == 64) {
		n = 2;
		memcpy(ends, ends_of_long, sizeof(ends));
		if (mode->cr4 & CR4_LA57)
			ends[0] = 0xffffffffffffff;
	}

	for (i = 0; i < n; i++) {
		for (tf = 0; tf <= FLAG_TF; tf += FLAG_TF) {
			c = prefixed_case(&self->ours, variant->mode, variant->ring, ends[i] - 1,
					  (u8 []){ 0x2e }, mode->bits != 16, IN);
			c.state.regs.rflags |= tf;
			/*
			 * Software emulation does not wrap RIP, which a 64-bit frame shows.
			 * Where SVM gives no next RIP as that is 0, the VMM has the call.
			 */
			if (variant->mode == MODE_COMPAT32 && variant->ring)
				expect_answered(_metadata, self, &c);
			else if (ends[i] == 0xffffffffffffffff && is_vmms(self, &c))
				EXPECT_AS_WITHOUT(&c);
			else
				EXPECT_AS_VMM(&c);
		}
	}
}

/* Pages of code that are not there, not the user's, or no code. */
TEST_F(hostile, pages_of_code)
{
	static const u64 ptes[] = { 0, PAGE_P, PAGE_P | PAGE_W, PAGE_RWU | PAGE_NX };
	const struct vmport_mode *mode = &vmport_modes[variant->mode];
	struct test_case c;
	u64 pte;
	u32 i, before, tf;

	if (!(mode->cr0 & CR0_PG))
		return;
	for (i = 0; i < ARRAY_SIZE(ptes); i++) {
		if (ptes[i] & PAGE_NX && !(mode->cr4 & CR4_PAE))
			continue;
		/* No guest has written that, so no shadow of the tables may be left. */
		vmport_machine_destroy(&self->plain);
		vmport_machine_destroy(&self->ours);
		ASSERT_EQ(vmport_machine_create(&self->plain, 0), 0);
		ASSERT_EQ(vmport_machine_create(&self->ours, FEATURES), 0);
		pte = PAGE_ADDR(PAGE_CODE2) | ptes[i];
		vmport_machine_set_pte(&self->plain, mode, PAGE_ADDR(PAGE_CODE2), pte);
		vmport_machine_set_pte(&self->ours, mode, PAGE_ADDR(PAGE_CODE2), pte);
		for (before = 0; before < 3; before++) {
			for (tf = 0; tf <= FLAG_TF; tf += FLAG_TF) {
				c = prefixed_case(&self->ours, variant->mode, variant->ring,
						  PAGE_ADDR(PAGE_CODE2) - before,
						  (u8 []){ 0x2e, 0x3e }, 2, IN);
				c.state.regs.rflags |= tf;
				if (!variant->ring && ptes[i] & PAGE_P && !(ptes[i] & PAGE_NX))
					EXPECT_AS_VMM(&c);
				else
					EXPECT_AS_WITHOUT(&c);
			}
		}
	}
}

TEST_F(hostile, code_where_no_memory_is)
{
	struct test_case c = in_case(&self->ours, variant->mode, variant->ring, CODE + 0x100);

	c.state.regs.rip = PAGE_ADDR(PAGE_NOTHING) + 0x100 - c.state.sregs.cs.base;
	EXPECT_AS_WITHOUT(&c);
	c.state.regs.rflags |= FLAG_TF;
	EXPECT_AS_WITHOUT(&c);
}

static struct test_case string_case(struct vmport_machine *m, int mode, int ring, bool in)
{
	struct test_case c = { .addr = CODE + 0x100 };
	u8 code[] = { 0xf3, in ? 0x6c : 0x6e };

	vmport_machine_init(&c.state, m, mode, ring, c.addr);
	set_code(&c, code, sizeof(code));
	/* There is no such channel. */
	c.state.regs.rdx = 0x00050000 | VMPORT_HB_PORT;
	c.state.regs.rbx = 0x00010000;
	c.state.regs.rcx = 16;
	c.state.regs.rsi = vmport_modes[mode].bits == 16 ? 0x100 : DATA;
	c.state.regs.rdi = c.state.regs.rsi;
	if (vmport_modes[mode].bits == 16) {
		c.state.sregs.ds.base = DATA;
		c.state.sregs.ds.limit = 0xffff;
		c.state.sregs.ds.g = 0;
		if (vmport_modes[mode].vm86 || !(vmport_modes[mode].cr0 & CR0_PE))
			c.state.sregs.ds.selector = DATA >> 4;
		c.state.sregs.es = c.state.sregs.ds;
	}
	return c;
}

/* Refused, and the instruction has come to its end. */
static void expect_refused(RUN_ARGS)
{
	struct vmport_seen seen;

	run(&self->ours, c, &seen);
	EXPECT_EQ(seen.exit_reason, KVM_EXIT_HLT);
	EXPECT_EQ((u32)seen.regs.rbx, 0);
	EXPECT_EQ((u16)seen.regs.rcx, 0);
	EXPECT_EQ(seen.nr_ports, 0);
	if (seen.exit_reason != KVM_EXIT_HLT)
		log_seen("with", &seen);
}

TEST_F(hostile, string_instructions)
{
	struct test_case c;
	struct vmport_seen seen;
	int in;

	for (in = 0; in <= 1; in++) {
		c = string_case(&self->ours, variant->mode, variant->ring, in);
		expect_refused(_metadata, self, &c);
		c.state.regs.rflags |= FLAG_DF;
		expect_refused(_metadata, self, &c);

		c = string_case(&self->ours, variant->mode, variant->ring, in);
		c.state.regs.rflags |= FLAG_TF;
		run(&self->ours, &c, &seen);
		EXPECT_EQ(seen.exit_reason, KVM_EXIT_HLT);
		EXPECT_EQ(seen.regs.rip, HANDLER(DB_VECTOR) + 1);

		c.state.debug.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
		run(&self->ours, &c, &seen);
		EXPECT_EQ(seen.exit_reason, KVM_EXIT_DEBUG);
	}
}

TEST_F(hostile, string_instructions_that_cannot_be_fetched)
{
	const struct vmport_mode *mode = &vmport_modes[variant->mode];
	struct test_case c;
	u32 in, n, tf;

	for (in = 0; in <= 1; in++) {
		for (tf = 0; tf <= FLAG_TF; tf += FLAG_TF) {
			c = string_case(&self->ours, variant->mode, variant->ring, in);
			c.state.regs.rflags |= tf;
			for (n = 0; n < 2 && variant->ring && has_limits(variant->mode) &&
			     !mode->vm86; n++) {
				c.state.sregs.cs.limit = c.state.regs.rip + n - 1;
				c.state.sregs.cs.g = 0;
				EXPECT_AS_WITHOUT(&c);
			}
			/* With the parameter KVM's emulator runs these, which knows no types. */
			for (n = 0; n < 8 && variant->ring && has_limits(variant->mode) &&
			     !mode->vm86 && !vmport_backdoor_parameter(); n++) {
				c = string_case(&self->ours, variant->mode, 3, in);
				c.state.regs.rflags |= tf;
				c.state.sregs.cs.type = n;
				EXPECT_AS_WITHOUT(&c);
			}
			c = string_case(&self->ours, variant->mode, variant->ring, in);
			c.state.regs.rip = PAGE_ADDR(PAGE_NOTHING) - c.state.sregs.cs.base;
			EXPECT_AS_WITHOUT(&c);
		}
	}
}

static struct test_case hypercall_case(struct vmport_machine *m, int mode, int ring)
{
	struct test_case c = { .addr = CODE + 0x100 };
	const u8 code[] = { 0x0f, 0x01, vmport_machine_is_amd() ? 0xd9 : 0xc1 };

	vmport_machine_init(&c.state, m, mode, ring, c.addr);
	set_code(&c, code, sizeof(code));
	return c;
}

/* A hypercall is no port: nothing but RIP tells it from a call by OUT. */
TEST_F(hostile, hypercall)
{
	struct test_case c = hypercall_case(&self->ours, variant->mode, variant->ring);
	struct test_case out = prefixed_case(&self->ours, variant->mode, variant->ring,
					     CODE + 0x100, NULL, 0, OUT);
	struct vmport_seen seen;

	run(&self->ours, &c, &seen);
	expect_went_on(_metadata, &c, &seen);

	c.state.regs.rflags |= FLAG_TF;
	run(&self->ours, &c, &seen);
	EXPECT_EQ(seen.exit_reason, KVM_EXIT_HLT);
	EXPECT_EQ(seen.regs.rip, HANDLER(DB_VECTOR) + 1);
	EXPECT_EQ((u32)seen.regs.rax, 6);

	c = hypercall_case(&self->ours, variant->mode, variant->ring);
	c.state.debug.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
	run(&self->ours, &c, &seen);
	EXPECT_EQ(seen.exit_reason, KVM_EXIT_DEBUG);
	EXPECT_EQ(seen.regs.rip, rip_behind(&c));
	EXPECT_EQ((u32)seen.regs.rax, 6);

	run(&self->ours, &out, &seen);
	expect_went_on(_metadata, &out, &seen);
}

/*
 * Software emulation of SVM runs what is outside of the segment.  KVM, which has to look
 * at the instruction to skip it, does not: that is #GP, and no call has been made.
 */
TEST_F(hostile, hypercall_that_cannot_be_fetched)
{
	struct test_case c;
	struct vmport_seen seen;
	u32 n, tf;

	if (!variant->ring || !has_limits(variant->mode) || vmport_modes[variant->mode].vm86)
		return;
	for (tf = 0; tf <= FLAG_TF; tf += FLAG_TF) {
		for (n = 0; n < 3; n++) {
			c = hypercall_case(&self->ours, variant->mode, 3);
			c.state.regs.rflags |= tf;
			c.state.sregs.cs.limit = c.state.regs.rip + n - 1;
			c.state.sregs.cs.g = 0;
			run(&self->ours, &c, &seen);
			EXPECT_EQ(seen.exit_reason, KVM_EXIT_HLT);
			EXPECT_EQ(seen.regs.rip, HANDLER(GP_VECTOR) + 1);
			EXPECT_EQ((u32)seen.regs.rax, VMPORT_MAGIC);
		}
	}
}

struct rewriter {
	u8 *at;
	bool stop;
};

/* What another processor of the guest does. */
static void *rewrite(void *data)
{
	static const u8 bytes[] = { IN, 0xf0, 0x66, 0xd6, OUT, NOP, IN, IN };
	struct rewriter *r = data;
	u32 i;

	for (i = 0; !__atomic_load_n(&r->stop, __ATOMIC_RELAXED); i++)
		__atomic_store_n(r->at, bytes[i / 4 % sizeof(bytes)], __ATOMIC_RELAXED);
	return NULL;
}

TEST_F(hostile, code_that_another_vcpu_rewrites)
{
	struct test_case c = in_case(&self->ours, variant->mode, variant->ring, CODE + 0x100);
	struct rewriter r = { .at = vmport_machine_at(&self->ours, c.addr + c.size - 1) };
	struct timespec now, end;
	pthread_t thread;
	struct vmport_seen seen;
	u32 i;

	ASSERT_EQ(pthread_create(&thread, NULL, rewrite, &r), 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += 1;
	for (i = 0; ; i++) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		/* A slow machine takes longer. */
		if (i > 10 &&
		    (now.tv_sec > end.tv_sec ||
		     (now.tv_sec == end.tv_sec && now.tv_nsec > end.tv_nsec)))
			break;
		c.state.regs.rflags = (c.state.regs.rflags & ~FLAG_TF) | (i & 1 ? FLAG_TF : 0);
		run(&self->ours, &c, &seen);
		/* Either one or the other: an exception, or on to the HLT. */
		if (seen.exit_reason != KVM_EXIT_HLT)
			break;
	}
	__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	EXPECT_EQ(seen.exit_reason, KVM_EXIT_HLT)
		log_seen("with", &seen);
}

struct creation {
	struct vmport_machine m;
	pthread_barrier_t begin;
	u32 spin;
	int r;
};

static void *create_vcpu(void *data)
{
	struct creation *creation = data;
	u32 delay;

	pthread_barrier_wait(&creation->begin);
	for (delay = 0; delay < creation->spin; delay++)
		asm volatile("");
	creation->r = vmport_machine_add_vcpu(&creation->m);
	return NULL;
}

/*
 * Switch something else of the kernel's on and off by a static key, so that others wait
 * for that in the middle of what they do.
 */
static void *switch_keys(void *data)
{
	int fd = open("/proc/sys/kernel/sched_schedstats", O_RDWR | O_CLOEXEC);
	struct rewriter *r = data;
	u32 i;

	for (i = 0; fd >= 0 && !__atomic_load_n(&r->stop, __ATOMIC_RELAXED); i++) {
		if (pwrite(fd, i & 1 ? "0" : "1", 1, 0) != 1)
			break;
	}
	close(fd);
	return NULL;
}

/*
 * A vCPU is created while the interface is enabled, as exactly as can be: each that is
 * there afterwards has it.  No other VM may have it meanwhile, as what is switched on is
 * the host's.  It stays on for a second, so the first rounds only find the moment.
 */
TEST(vcpu_created_meanwhile)
{
	u32 i, refused = 0, without = 0, spin = 0;
	pthread_t thread, switching;
	struct creation creation;
	struct rewriter keys = { };
	struct vmport_machine plain;
	struct test_case c;
	struct vmport_seen seen;
	int r;

	/* What a first vCPU without a local APIC switches on is on already then. */
	ASSERT_EQ(vmport_machine_create(&plain, 0), 0);
	ASSERT_EQ(pthread_create(&switching, NULL, switch_keys, &keys), 0);
	for (i = 0; i < 60; i++) {
		if (i >= 48)
			usleep(1100000);
		ASSERT_EQ(vmport_machine_create_vm(&creation.m), 0);
		ASSERT_EQ(pthread_barrier_init(&creation.begin, NULL, 2), 0);
		creation.spin = spin;
		ASSERT_EQ(pthread_create(&thread, NULL, create_vcpu, &creation), 0);
		pthread_barrier_wait(&creation.begin);
		r = vmport_machine_enable(&creation.m, VMPORT_RING3);
		ASSERT_EQ(pthread_join(thread, NULL), 0);
		ASSERT_EQ(creation.r, 0);
		if (r) {
			ASSERT_EQ(r, -EBUSY);
			refused++;
			spin += spin / 2 + 100;
		} else {
			c = in_case(&creation.m, MODE_LONG, 3, CODE + 0x100);
			run(&creation.m, &c, &seen);
			without += (u32)seen.regs.rax != 6;
			spin -= spin / 4;
		}
		vmport_machine_destroy(&creation.m);
		pthread_barrier_destroy(&creation.begin);
	}
	__atomic_store_n(&keys.stop, true, __ATOMIC_RELAXED);
	pthread_join(switching, NULL);
	vmport_machine_destroy(&plain);
	EXPECT_EQ(without, 0);
	TH_LOG("%u vCPUs of %u came before it, %u of the others lack it", refused, i, without);
}

/* Encrypted guests, where the host has such. */
TEST(encrypted_guest)
{
	static const u32 kinds[] = { KVM_SEV_INIT, KVM_SEV_ES_INIT };
	struct kvm_sev_cmd cmd = { };
	struct vmport_machine m;
	int sev, i, done = 0;

	sev = open("/dev/sev", O_RDWR | O_CLOEXEC);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		ASSERT_EQ(vmport_machine_create_vm(&m), 0);
		EXPECT_GT(ioctl(m.vm, KVM_CHECK_EXTENSION, KVM_CAP_X86_VMPORT), 0);
		cmd.id = kinds[i];
		cmd.sev_fd = sev;
		if (sev >= 0 && !ioctl(m.vm, KVM_MEMORY_ENCRYPT_OP, &cmd)) {
			done++;
			EXPECT_EQ(ioctl(m.vm, KVM_CHECK_EXTENSION, KVM_CAP_X86_VMPORT), 0);
			EXPECT_EQ(vmport_machine_enable(&m, KVM_VMPORT_FEATURE_ENABLE), -EINVAL);
		}
		vmport_machine_destroy(&m);
	}
	close(sev);
	if (!done)
		SKIP(return, "The host has no SEV");
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_VMPORT));

	return test_harness_run(argc, argv);
}
