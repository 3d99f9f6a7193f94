// SPDX-License-Identifier: GPL-2.0-only
/*
 * The commands of port 0x5658 from ring 0, register by register, and that calls
 * which the kernel does not own leave the guest as without the feature.
 */
#include <time.h>

#include "vmport_test.h"

/* What the registers hold before a call; all different, all not zero. */
#define IN_BX	0x0b0b1111
#define IN_CX	0x0c0c0000	/* and the command */
#define IN_DX	(0x0d0d0000 | VMPORT_PORT)
#define IN_SI	0x05051111
#define IN_DI	0x0d1d1111

static const struct kvm_vmport_identity test_identity = {
	.version = 0x60616263,
	.product_type = 0x70717273,
	.hw_version = 0x80818283,
	.vcpu_info = 0x10203040,
	.uuid = {
		0x56, 0x4d, 0x01, 0x02, 0x83, 0x84, 0x85, 0x86,
		0x90, 0x91, 0x92, 0x93, 0xf4, 0xf5, 0xf6, 0xf7,
	},
	.memory_mib = 0x81828384,
	.tsc_hz = 0x123456789abull,
	.apic_hz = 0x98765432,
	.max_time_lag_us = 0xa1a2a3a4,
};

FIXTURE(cmd) {
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
};

FIXTURE_SETUP(cmd)
{
	self->vm = vmport_vm_create(VMPORT_RPC, 1, &self->vcpu);
	ASSERT_EQ(vmport_set_identity(self->vm, &test_identity), 0);
}

FIXTURE_TEARDOWN(cmd)
{
	kvm_vm_free(self->vm);
}

static struct vmport_regs cmd_regs(u16 cmd)
{
	return (struct vmport_regs) {
		.ax = VMPORT_MAGIC,
		.bx = IN_BX,
		.cx = IN_CX | cmd,
		.dx = IN_DX,
		.si = IN_SI,
		.di = IN_DI,
	};
}

/* Run @cmd by IN and by OUT and compare all registers with @expected. */
static void check_cmd(struct kvm_vcpu *vcpu, u16 cmd, struct vmport_regs expected)
{
	struct vmport_regs in = cmd_regs(cmd), out;
	struct kvm_regs regs;

	out = vmport_call(vcpu, in);
	TEST_ASSERT_EQ(out.ax, expected.ax);
	TEST_ASSERT_EQ(out.bx, expected.bx);
	TEST_ASSERT_EQ(out.cx, expected.cx);
	TEST_ASSERT_EQ(out.dx, expected.dx);
	TEST_ASSERT_EQ(out.si, expected.si);
	TEST_ASSERT_EQ(out.di, expected.di);

	vmport_set_regs(vcpu, &regs, &in);
	vmport_run_done(vcpu, vmport_out, &regs);
	vmport_assert_high(&regs);
	TEST_ASSERT_EQ(regs.rax, VMPORT_HIGH_AX | expected.ax);
	TEST_ASSERT_EQ((u32)regs.rbx, expected.bx);
	TEST_ASSERT_EQ((u32)regs.rcx, expected.cx);
	TEST_ASSERT_EQ((u32)regs.rdx, expected.dx);
	TEST_ASSERT_EQ((u32)regs.rsi, expected.si);
	TEST_ASSERT_EQ((u32)regs.rdi, expected.di);
}

TEST_F(cmd, getmhz)
{
	struct vmport_regs expected = cmd_regs(VMPORT_CMD_GETMHZ);

	expected.ax = test_identity.tsc_hz / 1000000;
	check_cmd(self->vcpu, VMPORT_CMD_GETMHZ, expected);
}

TEST_F(cmd, getversion)
{
	struct vmport_regs expected = cmd_regs(VMPORT_CMD_GETVERSION);

	expected.ax = test_identity.version;
	expected.bx = VMPORT_MAGIC;
	expected.cx = test_identity.product_type;
	check_cmd(self->vcpu, VMPORT_CMD_GETVERSION, expected);
}

TEST_F(cmd, gethwversion)
{
	struct vmport_regs expected = cmd_regs(VMPORT_CMD_GETHWVERSION);

	expected.ax = test_identity.hw_version;
	check_cmd(self->vcpu, VMPORT_CMD_GETHWVERSION, expected);
}

TEST_F(cmd, getuuid)
{
	struct vmport_regs expected = cmd_regs(VMPORT_CMD_GETUUID);

	expected.ax = 0x02014d56;
	expected.bx = 0x86858483;
	expected.cx = 0x93929190;
	expected.dx = 0xf7f6f5f4;
	check_cmd(self->vcpu, VMPORT_CMD_GETUUID, expected);
}

TEST_F(cmd, getmemsize)
{
	struct vmport_regs expected = cmd_regs(VMPORT_CMD_GETMEMSIZE);

	expected.ax = test_identity.memory_mib;
	check_cmd(self->vcpu, VMPORT_CMD_GETMEMSIZE, expected);
}

TEST_F(cmd, gethz)
{
	struct vmport_regs expected = cmd_regs(VMPORT_CMD_GETHZ);

	expected.ax = (u32)test_identity.tsc_hz;
	expected.bx = test_identity.tsc_hz >> 32;
	expected.cx = test_identity.apic_hz;
	check_cmd(self->vcpu, VMPORT_CMD_GETHZ, expected);
}

TEST_F(cmd, get_vcpu_info)
{
	struct vmport_regs expected = cmd_regs(VMPORT_CMD_GET_VCPU_INFO);

	expected.ax = test_identity.vcpu_info;
	check_cmd(self->vcpu, VMPORT_CMD_GET_VCPU_INFO, expected);
}

TEST_F(cmd, identity_can_change_while_the_guest_lives)
{
	struct kvm_vmport_identity identity = test_identity;
	struct vmport_regs expected = cmd_regs(VMPORT_CMD_GETHWVERSION);

	expected.ax = test_identity.hw_version;
	check_cmd(self->vcpu, VMPORT_CMD_GETHWVERSION, expected);
	identity.hw_version = 21;
	ASSERT_EQ(vmport_set_identity(self->vm, &identity), 0);
	expected.ax = 21;
	check_cmd(self->vcpu, VMPORT_CMD_GETHWVERSION, expected);
}

static u64 host_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000ull + now.tv_nsec / 1000;
}

/* A time command: the registers that are no time are as in @expected. */
static void check_time(struct kvm_vcpu *vcpu, u16 cmd, const void *rip, bool full)
{
	struct vmport_regs in = cmd_regs(cmd), out;
	struct kvm_regs regs;
	u64 before, after, seconds, seen;

	vmport_set_regs(vcpu, &regs, &in);
	before = host_us();
	vmport_run_done(vcpu, rip, &regs);
	after = host_us();
	out = vmport_low(&regs);
	vmport_assert_high(&regs);
	TEST_ASSERT_EQ(regs.rax >> 32, rip == vmport_in ? 0 : VMPORT_HIGH_AX >> 32);

	seconds = full ? (u64)out.si << 32 | out.dx : out.ax;
	TEST_ASSERT(out.bx < 1000000, "%u microseconds", out.bx);
	seen = seconds * 1000000 + out.bx;
	TEST_ASSERT(seen >= before && seen <= after,
		    "Command %u says %lu us, the host %lu to %lu", cmd,
		    (unsigned long)seen, (unsigned long)before, (unsigned long)after);

	TEST_ASSERT_EQ(out.cx, test_identity.max_time_lag_us);
	TEST_ASSERT_EQ(out.di, cmd == VMPORT_CMD_GETTIMEFULL_WITH_LAG ? 0 : in.di);
	if (full) {
		TEST_ASSERT_EQ(out.ax, VMPORT_MAGIC);
	} else {
		TEST_ASSERT_EQ(out.dx, in.dx);
		TEST_ASSERT_EQ(out.si, in.si);
	}
}

TEST_F(cmd, gettime_is_the_hosts)
{
	check_time(self->vcpu, VMPORT_CMD_GETTIME, vmport_in, false);
	check_time(self->vcpu, VMPORT_CMD_GETTIME, vmport_out, false);
}

TEST_F(cmd, gettimefull_is_the_hosts)
{
	check_time(self->vcpu, VMPORT_CMD_GETTIMEFULL, vmport_in, true);
	check_time(self->vcpu, VMPORT_CMD_GETTIMEFULL, vmport_out, true);
}

TEST_F(cmd, gettimefull_with_lag_is_the_hosts)
{
	check_time(self->vcpu, VMPORT_CMD_GETTIMEFULL_WITH_LAG, vmport_in, true);
	check_time(self->vcpu, VMPORT_CMD_GETTIMEFULL_WITH_LAG, vmport_out, true);
}

TEST_F(cmd, stopcatchup_is_accepted)
{
	check_cmd(self->vcpu, VMPORT_CMD_STOPCATCHUP, cmd_regs(VMPORT_CMD_STOPCATCHUP));
}

/* Sub-command 0 of PRECISIONCLOCK. */
static void check_precisionclock(struct kvm_vcpu *vcpu, const void *rip)
{
	struct vmport_regs in = cmd_regs(VMPORT_CMD_PRECISIONCLOCK), out;
	struct kvm_regs regs;
	u64 before, after, seen;

	in.cx = VMPORT_CMD_PRECISIONCLOCK;
	vmport_set_regs(vcpu, &regs, &in);
	before = host_us();
	vmport_run_done(vcpu, rip, &regs);
	after = host_us();
	out = vmport_low(&regs);
	vmport_assert_high(&regs);

	seen = ((u64)out.bx << 32 | out.cx) / 1000;
	TEST_ASSERT(seen >= before && seen <= after, "It says %lu us, the host %lu to %lu",
		    (unsigned long)seen, (unsigned long)before, (unsigned long)after);
	TEST_ASSERT_EQ(out.ax, 0);
	TEST_ASSERT_EQ(out.dx, in.dx);
	TEST_ASSERT_EQ(out.si, in.si);
	TEST_ASSERT_EQ(out.di, in.di);
}

TEST_F(cmd, precisionclock_gettime_is_the_hosts)
{
	check_precisionclock(self->vcpu, vmport_in);
	check_precisionclock(self->vcpu, vmport_out);
}

FIXTURE(defaults) {
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
};

FIXTURE_SETUP(defaults)
{
	self->vm = vmport_vm_create(VMPORT_BASIC, 1, &self->vcpu);
}

FIXTURE_TEARDOWN(defaults)
{
	kvm_vm_free(self->vm);
}

TEST_F(defaults, version_product_hardware)
{
	struct vmport_regs expected = cmd_regs(VMPORT_CMD_GETVERSION);

	expected.ax = 6;
	expected.bx = VMPORT_MAGIC;
	expected.cx = 2;
	check_cmd(self->vcpu, VMPORT_CMD_GETVERSION, expected);

	expected = cmd_regs(VMPORT_CMD_GETHWVERSION);
	expected.ax = 17;
	check_cmd(self->vcpu, VMPORT_CMD_GETHWVERSION, expected);
}

TEST_F(defaults, gethz_is_kvm_get_tsc_khz)
{
	struct vmport_regs expected = cmd_regs(VMPORT_CMD_GETHZ);
	int khz = __vcpu_ioctl(self->vcpu, KVM_GET_TSC_KHZ, NULL);

	ASSERT_GT(khz, 0);
	expected.ax = (u32)(khz * 1000ull);
	expected.bx = (khz * 1000ull) >> 32;
	expected.cx = 1000000000;
	check_cmd(self->vcpu, VMPORT_CMD_GETHZ, expected);

	expected = cmd_regs(VMPORT_CMD_GETMHZ);
	expected.ax = khz / 1000;
	check_cmd(self->vcpu, VMPORT_CMD_GETMHZ, expected);
}

TEST_F(defaults, gethz_follows_kvm_set_tsc_khz)
{
	struct vmport_regs expected = cmd_regs(VMPORT_CMD_GETHZ);
	int khz = __vcpu_ioctl(self->vcpu, KVM_GET_TSC_KHZ, NULL);

	ASSERT_GT(khz, 0);
	khz *= 2;
	if (__vcpu_ioctl(self->vcpu, KVM_SET_TSC_KHZ, (void *)(unsigned long)khz))
		SKIP(return, "this host cannot change the guest's TSC rate");

	expected.ax = (u32)(khz * 1000ull);
	expected.bx = (khz * 1000ull) >> 32;
	expected.cx = 1000000000;
	check_cmd(self->vcpu, VMPORT_CMD_GETHZ, expected);
}

TEST(gethz_follows_the_apic_bus_clock)
{
	struct vmport_regs expected = cmd_regs(VMPORT_CMD_GETHZ);
	struct kvm_vm *vm = vm_create(1);
	struct kvm_vcpu *vcpu;
	u64 hz;

	if (!kvm_has_cap(KVM_CAP_X86_APIC_BUS_CYCLES_NS)) {
		kvm_vm_free(vm);
		SKIP(return, "no KVM_CAP_X86_APIC_BUS_CYCLES_NS");
	}
	vm_enable_cap(vm, KVM_CAP_X86_APIC_BUS_CYCLES_NS, 40);
	vm_enable_cap(vm, KVM_CAP_X86_VMPORT, VMPORT_BASIC);
	vcpu = vm_vcpu_add(vm, 0, vmport_in);

	hz = __vcpu_ioctl(vcpu, KVM_GET_TSC_KHZ, NULL) * 1000ull;
	expected.ax = (u32)hz;
	expected.bx = hz >> 32;
	expected.cx = 25000000;
	check_cmd(vcpu, VMPORT_CMD_GETHZ, expected);
	kvm_vm_free(vm);
}

TEST_F(defaults, vcpu_info_x2apic_with_cpuid_bit)
{
	struct vmport_regs expected = cmd_regs(VMPORT_CMD_GET_VCPU_INFO);

	vcpu_set_cpuid_feature(self->vcpu, X86_FEATURE_X2APIC);
	expected.ax = KVM_VMPORT_VCPU_INFO_LEGACY_X2APIC;
	check_cmd(self->vcpu, VMPORT_CMD_GET_VCPU_INFO, expected);
}

TEST_F(defaults, vcpu_info_no_x2apic_without_cpuid_bit)
{
	struct vmport_regs expected = cmd_regs(VMPORT_CMD_GET_VCPU_INFO);

	vcpu_clear_cpuid_feature(self->vcpu, X86_FEATURE_X2APIC);
	expected.ax = 0;
	check_cmd(self->vcpu, VMPORT_CMD_GET_VCPU_INFO, expected);
}

/*
 * Calls that are not the kernel's.  A trace of all that the VMM and the guest
 * see, to be compared between a VM with the feature and one without.
 */
#define MAX_EXITS	4

struct trace {
	u32 exits;
	struct {
		u32 reason;
		u8 direction;
		u8 size;
		u16 port;
		u32 count;
		u64 data;
		struct kvm_regs regs;
	} exit[MAX_EXITS];
	bool done;
	struct kvm_regs regs;
	u64 memory[2];
};

static void trace_run(struct kvm_vcpu *vcpu, const void *rip, const struct vmport_regs *in,
		      struct trace *trace)
{
	u64 *memory = addr_gva2hva(vcpu->vm, vmport_buffer(0));
	struct kvm_run *run = vcpu->run;
	struct kvm_regs regs;
	void *data;
	u32 i;

	memset(trace, 0, sizeof(*trace));
	memory[0] = 0x0807060504030201ull;
	memory[1] = 0x100f0e0d0c0b0a09ull;
	vmport_set_regs(vcpu, &regs, in);
	/* For the string instructions. */
	regs.rsi = vmport_buffer(0);
	regs.rdi = vmport_buffer(0);
	vmport_run(vcpu, rip, &regs);

	for (i = 0; i < MAX_EXITS && !vmport_is_done(vcpu); i++) {
		trace->exits++;
		trace->exit[i].reason = run->exit_reason;
		trace->exit[i].regs = regs;
		if (run->exit_reason != KVM_EXIT_IO)
			break;
		trace->exit[i].direction = run->io.direction;
		trace->exit[i].size = run->io.size;
		trace->exit[i].port = run->io.port;
		trace->exit[i].count = run->io.count;
		data = (void *)run + run->io.data_offset;
		if (run->io.direction == KVM_EXIT_IO_OUT)
			memcpy(&trace->exit[i].data, data, run->io.size);
		else
			memset(data, 0xa5, run->io.size * run->io.count);
		vcpu_run(vcpu);
		vcpu_regs_get(vcpu, &regs);
	}
	trace->done = vmport_is_done(vcpu);
	trace->regs = regs;
	memcpy(trace->memory, memory, sizeof(trace->memory));
}

FIXTURE(foreign) {
	struct kvm_vcpu *with, *without;
};

FIXTURE_VARIANT(foreign) {
	u64 features;
};

FIXTURE_VARIANT_ADD(foreign, basic) {
	.features = VMPORT_BASIC,
};

FIXTURE_VARIANT_ADD(foreign, rpc) {
	.features = VMPORT_RPC,
};

FIXTURE_VARIANT_ADD(foreign, ring3) {
	.features = VMPORT_RING3,
};

FIXTURE_SETUP(foreign)
{
	vmport_vm_create(variant->features, 1, &self->with);
	vmport_vm_create(0, 1, &self->without);
}

FIXTURE_TEARDOWN(foreign)
{
	kvm_vm_free(self->with->vm);
	kvm_vm_free(self->without->vm);
}

/* One exit to the VMM, the same with the feature and without. */
static void check_foreign(struct kvm_vcpu *with, struct kvm_vcpu *without, const void *rip,
			  struct vmport_regs in, struct trace *trace)
{
	struct trace expected;

	trace_run(with, rip, &in, trace);
	trace_run(without, rip, &in, &expected);
	TEST_ASSERT(!memcmp(trace, &expected, sizeof(expected)),
		    "EAX 0x%x ECX 0x%x EDX 0x%x: %u exits (%u), done %d; without the feature %u exits (%u), done %d",
		    in.ax, in.cx, in.dx, trace->exits, trace->exit[0].reason, trace->done,
		    expected.exits, expected.exit[0].reason, expected.done);
	TEST_ASSERT_EQ(trace->exits, 1);
	TEST_ASSERT_EQ(trace->exit[0].reason, KVM_EXIT_IO);
	TEST_ASSERT(trace->done, "The guest did not go on");
}

static void check_foreign_in(struct kvm_vcpu *with, struct kvm_vcpu *without,
			     struct vmport_regs in)
{
	struct trace trace;

	check_foreign(with, without, vmport_in, in, &trace);
	TEST_ASSERT_EQ(trace.exit[0].direction, KVM_EXIT_IO_IN);
	TEST_ASSERT_EQ(trace.exit[0].size, 4);
	TEST_ASSERT_EQ(trace.exit[0].port, in.dx & 0xffff);
	/* The VMM sees the registers of the guest, and the guest its answer. */
	TEST_ASSERT_EQ(trace.exit[0].regs.rax, VMPORT_HIGH_AX | in.ax);
	TEST_ASSERT_EQ(trace.exit[0].regs.rbx, VMPORT_HIGH_BX | in.bx);
	TEST_ASSERT_EQ(trace.exit[0].regs.rcx, VMPORT_HIGH_CX | in.cx);
	TEST_ASSERT_EQ(trace.regs.rax, 0xa5a5a5a5);
}

static void check_foreign_out(struct kvm_vcpu *with, struct kvm_vcpu *without,
			      struct vmport_regs in)
{
	struct trace trace;

	check_foreign(with, without, vmport_out, in, &trace);
	TEST_ASSERT_EQ(trace.exit[0].direction, KVM_EXIT_IO_OUT);
	TEST_ASSERT_EQ(trace.exit[0].size, 4);
	TEST_ASSERT_EQ(trace.exit[0].port, in.dx & 0xffff);
	TEST_ASSERT_EQ(trace.exit[0].data, in.ax);
	TEST_ASSERT_EQ(trace.regs.rax, VMPORT_HIGH_AX | in.ax);
}

TEST_F(foreign, commands_of_the_vmm_reach_the_vmm)
{
	static const u16 more[] = { VMPORT_COMMANDS_OF_OTHERS, 0x7fff, 0x8000,
				    0x8000 + VMPORT_CMD_GETVERSION };
	struct vmport_regs in;
	u32 nr;

	/* Far past the last that has a name, and past what a byte holds. */
	for (nr = 0; nr < 0x100 + VMPORT_CMD_GETVERSION + 1 + ARRAY_SIZE(more); nr++) {
		in = cmd_regs(nr <= 0x100 + VMPORT_CMD_GETVERSION ? nr :
			      more[nr - 0x100 - VMPORT_CMD_GETVERSION - 1]);
		if (vmport_is_kernels(in.cx, variant->features))
			continue;
		check_foreign_in(self->with, self->without, in);
		check_foreign_out(self->with, self->without, in);
	}
}

TEST_F(foreign, wrong_magic_reaches_the_vmm)
{
	struct vmport_regs in = cmd_regs(VMPORT_CMD_GETVERSION);
	int i;

	in.ax = 0;
	check_foreign_in(self->with, self->without, in);
	check_foreign_out(self->with, self->without, in);
	for (i = 0; i < 32; i++) {
		in.ax = VMPORT_MAGIC ^ (1u << i);
		check_foreign_in(self->with, self->without, in);
	}
	in.ax = __builtin_bswap32(VMPORT_MAGIC);
	check_foreign_in(self->with, self->without, in);
}

TEST_F(foreign, other_ports_reach_the_vmm)
{
	static const u16 ports[] = {
		0x5650, 0x5654, 0x5655, 0x5656, 0x5657, 0x5659, 0x565a, 0x565c, 0x5858,
		0x5670, 0x1658, 0x0058, 0xd658, 0xffff,
	};
	struct vmport_regs in = cmd_regs(VMPORT_CMD_GETVERSION);
	int i;

	for (i = 0; i < ARRAY_SIZE(ports); i++) {
		in.dx = 0x0d0d0000 | ports[i];
		check_foreign_in(self->with, self->without, in);
		check_foreign_out(self->with, self->without, in);
	}
}

TEST_F(foreign, byte_and_word_access_reach_the_vmm)
{
	struct vmport_regs in = cmd_regs(VMPORT_CMD_GETVERSION);
	struct trace trace;

	check_foreign(self->with, self->without, vmport_inb, in, &trace);
	EXPECT_EQ(trace.exit[0].size, 1);
	EXPECT_EQ(trace.regs.rax, VMPORT_HIGH_AX | (VMPORT_MAGIC & ~0xff) | 0xa5);
	EXPECT_EQ(trace.regs.rbx, VMPORT_HIGH_BX | IN_BX);

	check_foreign(self->with, self->without, vmport_inw, in, &trace);
	EXPECT_EQ(trace.exit[0].size, 2);
	EXPECT_EQ(trace.regs.rax, VMPORT_HIGH_AX | (VMPORT_MAGIC & ~0xffff) | 0xa5a5);

	check_foreign(self->with, self->without, vmport_outb, in, &trace);
	EXPECT_EQ(trace.exit[0].size, 1);
	EXPECT_EQ(trace.exit[0].data, VMPORT_MAGIC & 0xff);

	check_foreign(self->with, self->without, vmport_outw, in, &trace);
	EXPECT_EQ(trace.exit[0].size, 2);
	EXPECT_EQ(trace.exit[0].data, VMPORT_MAGIC & 0xffff);
}

TEST_F(foreign, string_access_reaches_the_vmm)
{
	struct vmport_regs in = cmd_regs(VMPORT_CMD_GETVERSION);
	struct trace trace;

	check_foreign(self->with, self->without, vmport_insl, in, &trace);
	EXPECT_EQ(trace.exit[0].direction, KVM_EXIT_IO_IN);
	EXPECT_EQ(trace.memory[0], 0x08070605a5a5a5a5ull);
	EXPECT_EQ(trace.regs.rax, VMPORT_HIGH_AX | VMPORT_MAGIC);

	check_foreign(self->with, self->without, vmport_outsl, in, &trace);
	EXPECT_EQ(trace.exit[0].direction, KVM_EXIT_IO_OUT);
	EXPECT_EQ(trace.exit[0].data, 0x04030201);
	EXPECT_EQ(trace.regs.rax, VMPORT_HIGH_AX | VMPORT_MAGIC);
}

/* What the VMM has not configured it answers itself. */
TEST_F(foreign, getuuid_and_getmemsize_unset_reach_the_vmm)
{
	check_foreign_in(self->with, self->without, cmd_regs(VMPORT_CMD_GETUUID));
	check_foreign_out(self->with, self->without, cmd_regs(VMPORT_CMD_GETUUID));
	check_foreign_in(self->with, self->without, cmd_regs(VMPORT_CMD_GETMEMSIZE));
	check_foreign_out(self->with, self->without, cmd_regs(VMPORT_CMD_GETMEMSIZE));
}

TEST_F(foreign, message_without_rpc_reaches_the_vmm)
{
	struct vmport_regs in = cmd_regs(VMPORT_CMD_MESSAGE);
	u16 type;

	if (variant->features & KVM_VMPORT_FEATURE_RPC)
		SKIP(return, "RPC is on");

	in.bx = VMPORT_RPCI;
	for (type = 0; type < 8; type++) {
		in.cx = (u32)type << 16 | VMPORT_CMD_MESSAGE;
		check_foreign_in(self->with, self->without, in);
		check_foreign_out(self->with, self->without, in);
	}
}

/* A VM next to one with the feature has none. */
TEST_F(foreign, owned_commands_without_the_feature_reach_the_vmm)
{
	const struct command *c;
	struct vmport_regs in;
	struct trace trace;

	for (c = vmport_commands; c->name; c++) {
		in = cmd_regs(c->nr);
		trace_run(self->without, vmport_in, &in, &trace);
		EXPECT_EQ(trace.exits, 1);
		EXPECT_EQ(trace.exit[0].reason, KVM_EXIT_IO);
		EXPECT_EQ(trace.exit[0].port, VMPORT_PORT);
	}
}

/* Single-stepping. */
static struct {
	u64 count;
	u64 rip;
	u64 dr6;
	u64 rax;
	u64 rbx;
} guest_db;

static void guest_db_handler(struct ex_regs *regs)
{
	guest_db.count++;
	guest_db.rip = regs->rip;
	guest_db.rax = regs->rax;
	guest_db.rbx = regs->rbx;
	asm volatile("mov %%dr6, %0" : "=r"(guest_db.dr6));
	regs->rflags &= ~(u64)(1 << 8);
}

static void check_host_step(struct kvm_vcpu *vcpu, const void *rip, const void *end)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};
	struct vmport_regs in = cmd_regs(VMPORT_CMD_GETVERSION);
	struct kvm_regs regs;

	/* KVM steps from where the vCPU stands when that is asked for. */
	vmport_set_regs(vcpu, &regs, &in);
	vmport_start(vcpu, rip, &regs);
	vcpu_guest_debug_set(vcpu, &debug);
	vcpu_run(vcpu);
	vcpu_regs_get(vcpu, &regs);
	TEST_ASSERT_EQ(vcpu->run->exit_reason, KVM_EXIT_DEBUG);
	TEST_ASSERT_EQ(vcpu->run->debug.arch.exception, DB_VECTOR);
	TEST_ASSERT_EQ(vcpu->run->debug.arch.pc, (unsigned long)end);
	TEST_ASSERT_EQ(regs.rip, (unsigned long)end);
	TEST_ASSERT_EQ((u32)regs.rax, test_identity.version);
	TEST_ASSERT_EQ((u32)regs.rbx, VMPORT_MAGIC);

	debug.control = 0;
	vcpu_guest_debug_set(vcpu, &debug);
	vcpu_run(vcpu);
	TEST_ASSERT(vmport_is_done(vcpu), "exit %u", vcpu->run->exit_reason);
}

TEST_F(cmd, host_single_step_stops_behind_in)
{
	check_host_step(self->vcpu, vmport_in, vmport_in_end);
}

TEST_F(cmd, host_single_step_stops_behind_out)
{
	check_host_step(self->vcpu, vmport_out, vmport_out_end);
}

static void check_guest_step(struct kvm_vcpu *vcpu, const void *rip, const void *end)
{
	struct vmport_regs in = cmd_regs(VMPORT_CMD_GETVERSION);
	struct kvm_regs regs;

	memset(&guest_db, 0, sizeof(guest_db));
	sync_global_to_guest(vcpu->vm, guest_db);

	vmport_set_regs(vcpu, &regs, &in);
	regs.rip = (unsigned long)rip;
	regs.rflags = X86_EFLAGS_FIXED | 1 << 8;
	vcpu_regs_set(vcpu, &regs);
	vcpu_run(vcpu);
	TEST_ASSERT(vmport_is_done(vcpu), "exit %u", vcpu->run->exit_reason);

	sync_global_from_guest(vcpu->vm, guest_db);
	TEST_ASSERT_EQ(guest_db.count, 1);
	TEST_ASSERT_EQ(guest_db.rip, (unsigned long)end);
	TEST_ASSERT_EQ((u32)guest_db.rax, test_identity.version);
	TEST_ASSERT_EQ((u32)guest_db.rbx, VMPORT_MAGIC);
	/* DR6.BS: a single step it was. */
	TEST_ASSERT(guest_db.dr6 & 1 << 14, "DR6 is 0x%lx", (unsigned long)guest_db.dr6);
}

TEST_F(cmd, guest_trap_flag_traps_behind_in)
{
	vm_install_exception_handler(self->vm, DB_VECTOR, guest_db_handler);
	check_guest_step(self->vcpu, vmport_in, vmport_in_end);
}

TEST_F(cmd, guest_trap_flag_traps_behind_out)
{
	vm_install_exception_handler(self->vm, DB_VECTOR, guest_db_handler);
	check_guest_step(self->vcpu, vmport_out, vmport_out_end);
}

/* An instruction breakpoint right behind the call. */
TEST_F(cmd, host_breakpoint_behind_in_hits)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
	};
	struct vmport_regs in = cmd_regs(VMPORT_CMD_GETVERSION);
	struct kvm_regs regs;

	/* Software emulation of SVM may not know them at all. */
	debug.arch.debugreg[0] = (unsigned long)vmport_inb;
	debug.arch.debugreg[7] = 0x402;
	vcpu_guest_debug_set(self->vcpu, &debug);
	vmport_set_regs(self->vcpu, &regs, &in);
	vmport_run(self->vcpu, vmport_inb, &regs);
	if (self->vcpu->run->exit_reason != KVM_EXIT_DEBUG)
		SKIP(return, "this host has no instruction breakpoints for guests");

	debug.arch.debugreg[0] = (unsigned long)vmport_in_end;
	vcpu_guest_debug_set(self->vcpu, &debug);
	vmport_set_regs(self->vcpu, &regs, &in);
	vmport_run(self->vcpu, vmport_in, &regs);
	EXPECT_EQ(self->vcpu->run->exit_reason, KVM_EXIT_DEBUG);
	EXPECT_EQ(self->vcpu->run->debug.arch.pc, (unsigned long)vmport_in_end);
	EXPECT_EQ((u32)regs.rax, test_identity.version);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_VMPORT));

	return test_harness_run(argc, argv);
}
