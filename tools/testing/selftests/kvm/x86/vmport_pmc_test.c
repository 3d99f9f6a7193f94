// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMware's pseudo performance counters: RDPMC from ring 0 and ring 3, against
 * CR4.PCE, the guest's PMU, the feature PMC and the module parameter
 * enable_vmware_backdoor.  The run must hold with either value of that.
 */
#include <time.h>

#include "vmport_test.h"
#include "vmport_user.h"

#ifndef X86_CR4_PCE
#define X86_CR4_PCE	BIT(8)
#endif

#define VMPORT_PMC	(VMPORT_BASIC | KVM_VMPORT_FEATURE_PMC)

#define PMC_HOST_TSC	0x10000
#define PMC_REAL	0x10001
#define PMC_APPARENT	0x10002

CODE(code_rdpmc, 0x0f, 0x33);
CODE(code_in, 0xed);

/* The clock behind a counter, as the host sees it. */
static u64 clock_now(struct kvm_vm *vm, u32 index)
{
	struct kvm_clock_data clock;
	struct timespec now;

	switch (index) {
	case PMC_HOST_TSC:
		return rdtsc();
	case PMC_REAL:
		clock_gettime(CLOCK_BOOTTIME, &now);
		return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
	default:
		vm_ioctl(vm, KVM_GET_CLOCK, &clock);
		return clock.clock;
	}
}

/* All registers but those that RDPMC writes. */
static struct vmport_regs pmc_regs(u32 index)
{
	return (struct vmport_regs) {
		.ax = 0xaabbccdd,
		.bx = 0x11223344,
		.cx = index,
		.dx = 0x55667788,
		.si = 0x99aabbcc,
		.di = 0xddeeff00,
	};
}

static struct vmport_outcome pmc_run(struct vmport_user *user, u32 index)
{
	return vmport_user_run(user, code_rdpmc, sizeof(code_rdpmc), pmc_regs(index));
}

static u64 pmc_value(const struct vmport_outcome *outcome)
{
	return outcome->frame.rdx << 32 | (u32)outcome->frame.rax;
}

/* Read by the code's first instructions, with the guest going on behind it. */
static void expect_counter(struct __test_metadata *_metadata, struct vmport_user *user, u32 index,
			   const u8 *code, u32 size)
{
	struct vmport_regs in = pmc_regs(index);
	u64 before = clock_now(user->vm, index);
	struct vmport_outcome outcome = vmport_user_run(user, code, size, in);
	u64 after = clock_now(user->vm, index);

	EXPECT_EQ(outcome.nr_exits, 0);
	EXPECT_EQ(outcome.frame.vector, DONE_VECTOR);
	EXPECT_EQ(outcome.frame.rip, vmport_user_rip(size));
	EXPECT_EQ(outcome.frame.rax >> 32, 0);
	EXPECT_EQ(outcome.frame.rdx >> 32, 0);
	EXPECT_LE(before, pmc_value(&outcome));
	EXPECT_GE(after, pmc_value(&outcome));
	EXPECT_EQ(outcome.frame.rbx, VMPORT_HIGH_BX | in.bx);
	EXPECT_EQ(outcome.frame.rcx, VMPORT_HIGH_CX | in.cx);
	EXPECT_EQ(outcome.frame.rsi, VMPORT_HIGH_SI | in.si);
	EXPECT_EQ(outcome.frame.rdi, VMPORT_HIGH_DI | in.di);
}

#define EXPECT_COUNTER_BY(_user, _index, _code)					\
	expect_counter(_metadata, _user, _index, _code, sizeof(_code))
#define EXPECT_COUNTER(_user, _index)						\
	EXPECT_COUNTER_BY(_user, _index, code_rdpmc)

/* #GP(0) at the instruction, and no register has changed. */
#define EXPECT_PMC_GP(_outcome)							\
do {										\
	const struct vmport_outcome __o = (_outcome);				\
										\
	EXPECT_EQ(__o.nr_exits, 0);						\
	EXPECT_EQ(__o.frame.vector, GP_VECTOR);					\
	EXPECT_EQ(__o.frame.error_code, 0);					\
	EXPECT_EQ(__o.frame.rip, vmport_user_rip(0));				\
	EXPECT_EQ(__o.frame.rax, VMPORT_HIGH_AX | 0xaabbccdd);			\
	EXPECT_EQ(__o.frame.rdx, VMPORT_HIGH_DX | 0x55667788);			\
} while (0)

/* Both #GP, or both answered: then the counters have moved on in between. */
static void expect_as_without(struct __test_metadata *_metadata, struct vmport_user *user,
			      struct vmport_user *plain, u32 index)
{
	struct vmport_outcome outcome = pmc_run(user, index);
	struct vmport_outcome without = pmc_run(plain, index);

	EXPECT_EQ(outcome.frame.vector, without.frame.vector)
		TH_LOG("index 0x%x", index);
	if (without.frame.vector == GP_VECTOR)
		EXPECT_SAME(outcome, without);
	else
		EXPECT_EQ(outcome.frame.rip, without.frame.rip);
}

#define EXPECT_AS_WITHOUT(_user, _plain, _index)				\
	expect_as_without(_metadata, _user, _plain, _index)

static void set_ring(struct vmport_user *user, const struct kvm_sregs *ring_3, int ring)
{
	u64 cr4 = user->sregs.cr4;

	user->sregs = ring ? *ring_3 : user->kernel;
	user->sregs.cr4 = cr4;
}

static void set_pce(struct vmport_user *user, bool pce)
{
	user->sregs.cr4 &= ~(u64)X86_CR4_PCE;
	if (pce)
		user->sregs.cr4 |= X86_CR4_PCE;
}

/* A guest that is told of no PMU, for all that KVM can do about it. */
static void hide_pmu(struct kvm_vcpu *vcpu)
{
	struct kvm_cpuid_entry2 *entry;

	if (host_cpu_is_intel) {
		entry = __vcpu_get_cpuid_entry(vcpu, 0xa, 0);
		if (entry) {
			entry->eax = 0;
			entry->ebx = 0;
			entry->ecx = 0;
			entry->edx = 0;
		}
	} else {
		vcpu_get_cpuid_entry(vcpu, 0x80000001)->ecx &= ~BIT(23);
	}
	vcpu_set_cpuid(vcpu);
}

FIXTURE(pmc) {
	struct vmport_user pmc;
	struct vmport_user rest;	/* with all that the kernel offers but PMC */
	struct vmport_user plain;	/* without the capability */
	bool backdoor;
};

FIXTURE_SETUP(pmc)
{
	self->pmc = vmport_user_create(VMPORT_PMC);
	self->rest = vmport_user_create(VMPORT_RING3);
	self->plain = vmport_user_create(0);
	self->backdoor = vmport_backdoor_parameter();
}

FIXTURE_TEARDOWN(pmc)
{
	kvm_vm_free(self->pmc.vm);
	kvm_vm_free(self->rest.vm);
	kvm_vm_free(self->plain.vm);
}

TEST_F(pmc, every_counter_in_every_ring_whatever_pce_says)
{
	struct kvm_sregs ring_3 = self->pmc.sregs;
	int ring, pce;
	u32 index;

	for (ring = 0; ring <= 3; ring += 3) {
		for (pce = 0; pce <= 1; pce++) {
			set_ring(&self->pmc, &ring_3, ring);
			set_pce(&self->pmc, pce);
			for (index = PMC_HOST_TSC; index <= PMC_APPARENT; index++)
				EXPECT_COUNTER(&self->pmc, index);
		}
	}
}

TEST_F(pmc, every_counter_without_a_pmu)
{
	struct kvm_sregs ring_3 = self->pmc.sregs;
	int ring, pce;
	u32 index;

	hide_pmu(self->pmc.vcpu);
	for (ring = 0; ring <= 3; ring += 3) {
		for (pce = 0; pce <= 1; pce++) {
			set_ring(&self->pmc, &ring_3, ring);
			set_pce(&self->pmc, pce);
			for (index = PMC_HOST_TSC; index <= PMC_APPARENT; index++)
				EXPECT_COUNTER(&self->pmc, index);
		}
	}
}

TEST_F(pmc, feature_off_is_as_without_the_capability)
{
	struct kvm_sregs ring_3 = self->rest.sregs, plain_3 = self->plain.sregs;
	int ring, pce;
	u32 index;

	for (ring = 0; ring <= 3; ring += 3) {
		for (pce = 0; pce <= 1; pce++) {
			set_ring(&self->rest, &ring_3, ring);
			set_ring(&self->plain, &plain_3, ring);
			set_pce(&self->rest, pce);
			set_pce(&self->plain, pce);
			for (index = PMC_HOST_TSC; index <= PMC_APPARENT; index++)
				EXPECT_AS_WITHOUT(&self->rest, &self->plain, index);
		}
	}
	set_pce(&self->rest, false);
	if (!self->backdoor)
		EXPECT_PMC_GP(pmc_run(&self->rest, PMC_REAL));
}

TEST_F(pmc, other_indices_are_as_without)
{
	static const u32 indices[] = {
		0, 1, 6, 0xffff, 0x10003, 0x10004, 0x10010, 0x11000, 0x1ffff, 0x20000, 0x20001,
		0x40000000, 0x40010000, 0x80010000, 0x80010001, 0xffffffff,
	};
	struct kvm_sregs ring_3 = self->pmc.sregs, plain_3 = self->plain.sregs;
	int i, ring, pce;

	for (ring = 0; ring <= 3; ring += 3) {
		for (pce = 0; pce <= 1; pce++) {
			set_ring(&self->pmc, &ring_3, ring);
			set_ring(&self->plain, &plain_3, ring);
			set_pce(&self->pmc, pce);
			set_pce(&self->plain, pce);
			for (i = 0; i < ARRAY_SIZE(indices); i++)
				EXPECT_AS_WITHOUT(&self->pmc, &self->plain, indices[i]);
		}
	}
	set_pce(&self->pmc, false);
	EXPECT_PMC_GP(pmc_run(&self->pmc, 0x10003));
}

TEST_F(pmc, counters_go_forward)
{
	u64 last = 0, value;
	struct vmport_outcome outcome;
	u32 index;
	int i;

	for (index = PMC_HOST_TSC; index <= PMC_APPARENT; index++, last = 0) {
		for (i = 0; i < 20; i++, last = value) {
			outcome = pmc_run(&self->pmc, index);
			value = pmc_value(&outcome);
			EXPECT_GT(value, last);
		}
	}
}

/* What a VMM does when the guest moves to another host. */
TEST_F(pmc, apparent_time_is_the_guests_clock)
{
	struct kvm_clock_data clock = { .clock = 0x123456789abcdef0ull };
	u64 real_before, real_after;
	struct vmport_outcome outcome;

	vm_ioctl(self->pmc.vm, KVM_SET_CLOCK, &clock);
	EXPECT_COUNTER(&self->pmc, PMC_APPARENT);
	outcome = pmc_run(&self->pmc, PMC_APPARENT);
	EXPECT_GT(pmc_value(&outcome), clock.clock);
	EXPECT_LT(pmc_value(&outcome), clock.clock + 60 * NSEC_PER_SEC);

	/* The other two are the host's. */
	real_before = clock_now(self->pmc.vm, PMC_REAL);
	outcome = pmc_run(&self->pmc, PMC_REAL);
	real_after = clock_now(self->pmc.vm, PMC_REAL);
	EXPECT_GE(pmc_value(&outcome), real_before);
	EXPECT_LE(pmc_value(&outcome), real_after);
}

TEST_F(pmc, prefixes)
{
	CODE(cs, 0x2e, 0x0f, 0x33);
	CODE(opsize, 0x66, 0x0f, 0x33);
	CODE(rep, 0xf3, 0x0f, 0x33);
	CODE(rex_w, 0x48, 0x0f, 0x33);
	CODE(several, 0x2e, 0x66, 0x4f, 0x0f, 0x33);
	CODE(lock, 0xf0, 0x0f, 0x33);
	CODE(other, 0x0f, 0x32);

	EXPECT_COUNTER_BY(&self->pmc, PMC_REAL, cs);
	EXPECT_COUNTER_BY(&self->pmc, PMC_REAL, opsize);
	EXPECT_COUNTER_BY(&self->pmc, PMC_REAL, rep);
	EXPECT_COUNTER_BY(&self->pmc, PMC_REAL, rex_w);
	EXPECT_COUNTER_BY(&self->pmc, PMC_REAL, several);

	EXPECT_SAME(vmport_user_run(&self->pmc, lock, sizeof(lock), pmc_regs(PMC_REAL)),
		    vmport_user_run(&self->plain, lock, sizeof(lock), pmc_regs(PMC_REAL)));
	/* The registers are those of a counter, the instruction is RDMSR. */
	EXPECT_PMC_GP(vmport_user_run(&self->pmc, other, sizeof(other), pmc_regs(PMC_REAL)));
}

TEST_F(pmc, longest_instruction)
{
	u8 longest[15 + 2] = { [13] = 0x0f, [14] = 0x33, [15] = INT, [16] = DONE_VECTOR };
	u8 longer[16 + 2] = { [14] = 0x0f, [15] = 0x33, [16] = INT, [17] = DONE_VECTOR };

	memset(longest, 0x2e, 13);
	EXPECT_COUNTER_BY(&self->pmc, PMC_REAL, longest);
	memset(longer, 0x2e, 14);
	EXPECT_PMC_GP(vmport_user_run(&self->pmc, longer, sizeof(longer), pmc_regs(PMC_REAL)));
}

TEST_F(pmc, instruction_across_a_page_boundary)
{
	struct vmport_outcome outcome = vmport_user_run_at(&self->pmc, 4095, code_rdpmc,
							   sizeof(code_rdpmc), pmc_regs(PMC_REAL));

	EXPECT_EQ(outcome.frame.vector, DONE_VECTOR);
	EXPECT_EQ(outcome.frame.rip, vmport_user_rip(4095 + sizeof(code_rdpmc)));
	EXPECT_EQ(outcome.frame.rdx >> 32, 0);
}

/* Only the low halves are to be seen from there. */
TEST_F(pmc, compatibility_mode)
{
	int bits;

	for (bits = 16; bits <= 32; bits += 16) {
		u64 base = bits == 16 ? USER_CODE & ~0xffffull : 0;
		u64 before = clock_now(self->pmc.vm, PMC_REAL);
		struct vmport_outcome outcome;

		vmport_user_set_mode(&self->pmc, bits);
		self->pmc.sregs.cs.base = base;
		outcome = pmc_run(&self->pmc, PMC_REAL);
		EXPECT_EQ(outcome.nr_exits, 0);
		EXPECT_EQ(outcome.frame.vector, DONE_VECTOR);
		EXPECT_EQ(outcome.frame.rip, vmport_user_rip(sizeof(code_rdpmc)) - base);
		EXPECT_GE((u64)(u32)outcome.frame.rdx << 32 | (u32)outcome.frame.rax, before);
	}
}

TEST_F(pmc, trap_flag_traps_behind_it)
{
	struct vmport_outcome outcome;

	self->pmc.rflags = X86_EFLAGS_TF;
	outcome = pmc_run(&self->pmc, PMC_REAL);
	EXPECT_EXCEPTION(outcome, DB_VECTOR, 0, 2);
	EXPECT_EQ(outcome.frame.rdx >> 32, 0);
}

TEST_F(pmc, host_single_step_stops_behind_it)
{
	struct vmport_outcome outcome;
	struct kvm_regs regs;

	self->pmc.debug = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
	outcome = pmc_run(&self->pmc, PMC_REAL);
	EXPECT_EQ(outcome.nr_exits, 1);
	EXPECT_EQ(outcome.exit_reason, KVM_EXIT_DEBUG);
	vcpu_regs_get(self->pmc.vcpu, &regs);
	EXPECT_EQ(regs.rip, vmport_user_rip(2));
	EXPECT_EQ(regs.rdx >> 32, 0);
}

/* KVM's emulator has checks of its own. */
TEST_F(pmc, in_the_emulator)
{
	FILE *parameter = fopen("/sys/module/kvm/parameters/force_emulation_prefix", "w");
	struct kvm_sregs ring_3 = self->pmc.sregs;
	int ring;

	/* ud2; "kvm" */
	CODE(forced, 0x0f, 0x0b, 0x6b, 0x76, 0x6d, 0x0f, 0x33);

	if (!parameter)
		SKIP(return, "emulation cannot be forced on this host");
	fputs("1", parameter);
	fclose(parameter);

	for (ring = 0; ring <= 3; ring += 3) {
		set_ring(&self->pmc, &ring_3, ring);
		EXPECT_COUNTER_BY(&self->pmc, PMC_HOST_TSC, forced);
		EXPECT_COUNTER_BY(&self->pmc, PMC_APPARENT, forced);
	}
	if (!self->backdoor)
		EXPECT_EQ(vmport_user_run(&self->rest, forced, sizeof(forced),
					  pmc_regs(PMC_REAL)).frame.vector, GP_VECTOR);

	parameter = fopen("/sys/module/kvm/parameters/force_emulation_prefix", "w");
	ASSERT_NE(parameter, NULL);
	fputs("0", parameter);
	fclose(parameter);
}

/* Each feature opens its own to ring 3, though both need the #GP intercept. */
TEST_F(pmc, the_port_is_another_feature)
{
	struct vmport_regs in = {
		.ax = VMPORT_MAGIC,
		.cx = VMPORT_CMD_GETVERSION,
		.dx = VMPORT_PORT,
	};
	struct vmport_outcome outcome = vmport_user_run(&self->pmc, code_in, sizeof(code_in), in);

	EXPECT_EQ(outcome.frame.vector, self->backdoor ? DONE_VECTOR : GP_VECTOR);
	EXPECT_EQ(outcome.frame.rax, self->backdoor ? 6 : VMPORT_HIGH_AX | in.ax);

	/* IN and RDPMC with the registers of both. */
	in.cx = PMC_REAL;
	outcome = vmport_user_run(&self->pmc, code_in, sizeof(code_in), in);
	EXPECT_EQ(outcome.frame.vector, self->backdoor ? DONE_VECTOR : GP_VECTOR);
	EXPECT_EQ(outcome.frame.rdx, VMPORT_HIGH_DX | in.dx);
	outcome = vmport_user_run(&self->pmc, code_rdpmc, sizeof(code_rdpmc), in);
	EXPECT_EQ(outcome.frame.vector, DONE_VECTOR);
	EXPECT_EQ(outcome.frame.rdx >> 32, 0);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_X86_VMPORT) & KVM_VMPORT_FEATURE_PMC);

	return test_harness_run(argc, argv);
}
