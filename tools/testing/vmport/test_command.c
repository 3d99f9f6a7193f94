// SPDX-License-Identifier: GPL-2.0-only
/* The commands that are not MESSAGE: PROTOCOL section 1. */
#include <linux/timekeeping.h>

#include "commands.h"
#include "guest.h"

/* The table for all tests has the engine's numbers. */
#define SAME_NUMBER(_name, _nr, _feature, _flags)			\
	_Static_assert(VMPORT_CMD_##_name == (_nr), #_name);
VMPORT_COMMANDS(SAME_NUMBER)

static const struct command commands[] = { VMPORT_COMMANDS(COMMAND_ROW) };

/* A call with a pattern in all registers; @regs holds the answer. */
static enum vmport_result command(struct vm *vm, u16 nr, struct vmport_regs *regs)
{
	*regs = (struct vmport_regs) {
		.ax = VMPORT_MAGIC,
		.bx = 0xb1b2b3b4,
		.cx = 0xc1c20000 | nr,
		.dx = 0xd1d25658,
		.si = 0x51525354,
		.di = 0xd5d6d7d8,
	};
	return vm_call(vm, regs);
}

static void check_regs(const struct vmport_regs *regs, u32 ax, u32 bx, u32 cx, u32 dx, u32 si,
		       u32 di)
{
	CHECK_EQ(regs->ax, ax);
	CHECK_EQ(regs->bx, bx);
	CHECK_EQ(regs->cx, cx);
	CHECK_EQ(regs->dx, dx);
	CHECK_EQ(regs->si, si);
	CHECK_EQ(regs->di, di);
}

#define BX	0xb1b2b3b4
#define CX(_nr)	(0xc1c20000 | (_nr))
#define DX	0xd1d25658
#define SI	0x51525354
#define DI	0xd5d6d7d8

CONVERSATION("GETVERSION: version in EAX, magic in EBX, product in ECX, no other register")
{
	struct vmport_regs regs;

	CHECK_EQ(command(vm, 10, &regs), VMPORT_DONE);
	check_regs(&regs, 6, 0x564d5868, 2, DX, SI, DI);

	vm->config.identity.version = 7;
	vm->config.identity.product_type = 4;
	CHECK_EQ(command(vm, 10, &regs), VMPORT_DONE);
	check_regs(&regs, 7, 0x564d5868, 4, DX, SI, DI);
}

CONVERSATION("GETMHZ: the TSC rate in MHz, the vCPU's until the VMM sets one")
{
	struct vmport_regs regs;

	vcpu_tsc_hz = 2893299999ull;
	CHECK_EQ(command(vm, 1, &regs), VMPORT_DONE);
	check_regs(&regs, 2893, BX, CX(1), DX, SI, DI);

	vm->config.identity.tsc_hz = 1000000000;
	CHECK_EQ(command(vm, 1, &regs), VMPORT_DONE);
	check_regs(&regs, 1000, BX, CX(1), DX, SI, DI);
}

CONVERSATION("GETHWVERSION: 17 until the VMM sets another")
{
	struct vmport_regs regs;

	CHECK_EQ(command(vm, 17, &regs), VMPORT_DONE);
	check_regs(&regs, 17, BX, CX(17), DX, SI, DI);

	vm->config.identity.hw_version = 21;
	CHECK_EQ(command(vm, 17, &regs), VMPORT_DONE);
	check_regs(&regs, 21, BX, CX(17), DX, SI, DI);
}

CONVERSATION("GETUUID: 16 bytes in memory order in EAX, EBX, ECX, EDX")
{
	struct vmport_regs regs;
	int i;

	for (i = 0; i < 16; i++)
		vm->config.identity.uuid[i] = i + 1;
	CHECK_EQ(command(vm, 19, &regs), VMPORT_DONE);
	check_regs(&regs, 0x04030201, 0x08070605, 0x0c0b0a09, 0x100f0e0d, SI, DI);
}

CONVERSATION("GETUUID: the VMM's while the UUID is all zero, ours with any byte set")
{
	struct vmport_regs regs;
	int i;

	CHECK_EQ(command(vm, 19, &regs), VMPORT_NOT_OURS);
	for (i = 0; i < 16; i++) {
		vm->config.identity.uuid[i] = 1;
		CHECK_EQ(command(vm, 19, &regs), VMPORT_DONE);
		vm->config.identity.uuid[i] = 0;
	}
}

CONVERSATION("GETMEMSIZE: MiB; the VMM's while it is 0")
{
	struct vmport_regs regs;

	CHECK_EQ(command(vm, 20, &regs), VMPORT_NOT_OURS);

	vm->config.identity.memory_mib = 16384;
	CHECK_EQ(command(vm, 20, &regs), VMPORT_DONE);
	check_regs(&regs, 16384, BX, CX(20), DX, SI, DI);

	/* More than 32 bits of MiB: as much as can be said. */
	vm->config.identity.memory_mib = 1ull << 32;
	CHECK_EQ(command(vm, 20, &regs), VMPORT_DONE);
	CHECK_EQ(regs.ax, U32_MAX - 1);
}

CONVERSATION("GETTIME: seconds, microseconds, lag")
{
	struct vmport_regs regs;

	shim_set_time(1763856000, 987654321);
	CHECK_EQ(command(vm, 23, &regs), VMPORT_DONE);
	check_regs(&regs, 1763856000, 987654, 1000000, DX, SI, DI);

	vm->config.identity.max_time_lag_us = 5;
	shim_set_time(1, 999999999);
	CHECK_EQ(command(vm, 23, &regs), VMPORT_DONE);
	check_regs(&regs, 1, 999999, 5, DX, SI, DI);
}

CONVERSATION("GETTIMEFULL: magic stays in EAX, seconds high:low in ESI:EDX past 2106")
{
	struct vmport_regs regs;

	shim_set_time(0x123456789ll, 1000);
	CHECK_EQ(command(vm, 46, &regs), VMPORT_DONE);
	check_regs(&regs, VMPORT_MAGIC, 1, 1000000, 0x23456789, 1, DI);
}

CONVERSATION("GETTIMEFULL_WITH_LAG: as GETTIMEFULL, and an interrupt lag of 0 in EDI")
{
	struct vmport_regs regs;

	shim_set_time(1763856000, 999);
	CHECK_EQ(command(vm, 55, &regs), VMPORT_DONE);
	check_regs(&regs, VMPORT_MAGIC, 0, 1000000, 1763856000, 0, 0);
}

CONVERSATION("STOPCATCHUP: accepted, no register changes")
{
	struct vmport_regs regs;

	CHECK_EQ(command(vm, 24, &regs), VMPORT_DONE);
	check_regs(&regs, VMPORT_MAGIC, BX, CX(24), DX, SI, DI);
}

CONVERSATION("PRECISIONCLOCK GETTIME: 0 in EAX, nanoseconds in EBX:ECX, past 2106 too")
{
	struct vmport_regs regs = {
		.ax = VMPORT_MAGIC, .bx = BX, .cx = 97, .dx = DX, .si = SI, .di = DI,
	};
	struct vmport_regs again = regs;

	shim_set_time(1763856000, 987654321);
	CHECK_EQ(vm_call(vm, &regs), VMPORT_DONE);
	check_regs(&regs, 0, 1763856000987654321ull >> 32, (u32)1763856000987654321ull, DX, SI,
		   DI);

	shim_set_time(0x123456789ll, 1);
	CHECK_EQ(vm_call(vm, &again), VMPORT_DONE);
	check_regs(&again, 0, (0x123456789ull * 1000000000 + 1) >> 32,
		   (u32)(0x123456789ull * 1000000000 + 1), DX, SI, DI);
}

CONVERSATION("PRECISIONCLOCK: what sets a clock is the VMM's, as is what nobody knows")
{
	struct vmport_regs regs;
	u32 sub;

	for (sub = 1; sub <= 0xffff; sub++) {
		regs = (struct vmport_regs){ .ax = VMPORT_MAGIC, .cx = sub << 16 | 97 };
		CHECK_EQ(vm_call(vm, &regs), VMPORT_NOT_OURS);
	}
}

CONVERSATION("GETHZ: TSC Hz in EBX:EAX, APIC bus Hz in ECX, the vCPU's until set")
{
	struct vmport_regs regs;

	vcpu_tsc_hz = 0x123456789ull;
	vcpu_apic_hz = 1000000000;
	CHECK_EQ(command(vm, 45, &regs), VMPORT_DONE);
	check_regs(&regs, 0x23456789, 1, 1000000000, DX, SI, DI);

	vm->config.identity.tsc_hz = 3000000000ull;
	vm->config.identity.apic_hz = 66000000;
	CHECK_EQ(command(vm, 45, &regs), VMPORT_DONE);
	check_regs(&regs, 3000000000u, 0, 66000000, DX, SI, DI);

	/* An APIC rate that ECX cannot hold. */
	vm->config.identity.apic_hz = 1ull << 33;
	CHECK_EQ(command(vm, 45, &regs), VMPORT_DONE);
	CHECK_EQ(regs.cx, U32_MAX);
}

CONVERSATION("GET_VCPU_INFO: legacy x2APIC only where CPUID has x2APIC; bit 31 clear")
{
	struct vmport_regs regs;

	vcpu_x2apic = true;
	CHECK_EQ(command(vm, 68, &regs), VMPORT_DONE);
	check_regs(&regs, 1 << 3, BX, CX(68), DX, SI, DI);

	vcpu_x2apic = false;
	CHECK_EQ(command(vm, 68, &regs), VMPORT_DONE);
	check_regs(&regs, 0, BX, CX(68), DX, SI, DI);

	vm->config.identity.vcpu_info = KVM_VMPORT_VCPU_INFO_SYNC_TSC |
					KVM_VMPORT_VCPU_INFO_LEGACY_X2APIC;
	CHECK_EQ(command(vm, 68, &regs), VMPORT_DONE);
	CHECK_EQ(regs.ax, 1 << 1);
}

static bool is_ours(u16 nr)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (commands[i].nr == nr)
			return !(commands[i].flags & COMMAND_SUB_0);
	}
	return false;
}

TEST("commands that the kernel does not own: the VMM's, all 65,524 of them, nothing changed")
{
	struct vm *vm = vm_new(SLEEPING);
	struct vmport_regs regs;
	u32 nr;

	vm->config.identity.uuid[0] = 1;
	vm->config.identity.memory_mib = 1;
	for (nr = 0; nr <= 0xffff; nr++) {
		tap_context("command %u", nr);
		CHECK_EQ(command(vm, nr, &regs), is_ours(nr) ? VMPORT_DONE : VMPORT_NOT_OURS);
	}
	vm_free(vm);
}

CONVERSATION("wrong magic: not ours, whatever the command")
{
	static const u32 wrong[] = { 0, ~0u, VMPORT_MAGIC + 1, VMPORT_MAGIC ^ 0x80000000 };
	struct vmport_regs regs;
	unsigned int i, nr;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		for (nr = 0; nr < 100; nr++) {
			regs = (struct vmport_regs){ .ax = wrong[i], .cx = nr };
			CHECK_EQ(vm_call(vm, &regs), VMPORT_NOT_OURS);
		}
	}
}

CONVERSATION("ECX bits 16..31 do not choose the command")
{
	struct vmport_regs regs = { .ax = VMPORT_MAGIC, .cx = 0xffff000a };

	CHECK_EQ(vm_call(vm, &regs), VMPORT_DONE);
	CHECK_EQ(regs.ax, 6);
}

CONVERSATION("without RPC: MESSAGE is the VMM's, the other commands stay ours")
{
	struct vmport_regs regs;
	u32 nr;

	vm->config.features = KVM_VMPORT_FEATURE_ENABLE;
	for (nr = 0; nr <= 6; nr++) {
		regs = (struct vmport_regs){ .ax = VMPORT_MAGIC, .bx = RPCI, .cx = nr << 16 | 30 };
		CHECK_EQ(vm_call(vm, &regs), VMPORT_NOT_OURS);
	}
	CHECK_EQ(command(vm, 10, &regs), VMPORT_DONE);
	CHECK_EQ(command(vm, 23, &regs), VMPORT_DONE);
	/* The features that only others know of do not matter. */
	vm->config.features = KVM_VMPORT_FEATURE_RPC;
	CHECK_EQ(command(vm, 10, &regs), VMPORT_NOT_OURS);
}

TEST("all commands but MESSAGE are answered in the fast path")
{
	struct vm *vm = vm_new(FAST);
	struct vmport_regs regs;
	unsigned int i, calls = 0;

	vm->config.identity.uuid[0] = 1;
	vm->config.identity.memory_mib = 1;
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (commands[i].feature != KVM_VMPORT_FEATURE_ENABLE)
			continue;
		regs = (struct vmport_regs){ .ax = VMPORT_MAGIC, .cx = commands[i].nr };
		CHECK_EQ(vm_call(vm, &regs), VMPORT_DONE);
		CHECK_EQ(vm->fast, ++calls);
	}
	CHECK_EQ(vm->slow, 0);
	vm_free(vm);
}

TEST("defaults: identity and limits as documented, features as asked for")
{
	struct vmport_config config, again;

	memset(&config, 0xff, sizeof(config));
	vmport_default_config(&config, KVM_VMPORT_FEATURE_ENABLE);
	CHECK_EQ(config.features, 1);
	CHECK_EQ(config.identity.version, 6);
	CHECK_EQ(config.identity.product_type, 2);
	CHECK_EQ(config.identity.hw_version, 17);
	CHECK_EQ(config.identity.vcpu_info, KVM_VMPORT_VCPU_INFO_LEGACY_X2APIC);
	CHECK_EQ(config.identity.memory_mib, 0);
	CHECK_EQ(config.identity.tsc_hz, 0);
	CHECK_EQ(config.identity.apic_hz, 0);
	CHECK_EQ(config.identity.max_time_lag_us, 1000000);
	CHECK_EQ(config.limits.channels, 128);
	CHECK_EQ(config.limits.keys, 4096);
	CHECK_EQ(config.limits.value_bytes, 65536);
	CHECK_EQ(config.limits.guestinfo_bytes, 1048576);

	/* What the VMM reads of it, to the last reserved byte, is zero otherwise. */
	vmport_default_config(&again, KVM_VMPORT_FEATURE_ENABLE);
	CHECK(!memcmp(&again.identity, &config.identity, sizeof(config.identity)));
	CHECK(!memchr_inv(config.identity.uuid, 0, sizeof(config.identity.uuid)));
	CHECK(!memchr_inv(config.identity.reserved, 0, sizeof(config.identity.reserved)));
	CHECK(!memchr_inv(config.limits.reserved, 0, sizeof(config.limits.reserved)));
}
