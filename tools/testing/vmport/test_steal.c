// SPDX-License-Identifier: GPL-2.0-only
/* STEALCLOCK: the command, what is added to the clock, and its way through a blob. */
#include "blob.h"

#define HEADER		32
#define PAYLOAD		(HEADER + 16)

#define ON		1
#define OFF		0
#define NO_CLOCK	1	/* Linux's address for it */

static void allow(struct vm *vm)
{
	vm->config.features |= KVM_VMPORT_FEATURE_STEALCLOCK;
	vcpu_tsc_hz = 3000000000ull;
	memset(vcpu_waited, 0, sizeof(vcpu_waited[0]) * VCPUS);
}

/* As Linux makes it; EAX. */
static u32 stealclock(struct vm *vm, u64 address)
{
	struct vmport_regs regs = {
		.ax = VMPORT_MAGIC,
		.cx = 91,
		.dx = 0x5658,
		.si = address >> 32,
		.di = address,
	};
	struct vmport_regs before = regs;

	CHECK_EQ(vm_call(vm, &regs), VMPORT_DONE);
	before.ax = regs.ax;
	CHECK(!memcmp(&before, &regs, sizeof(regs)));
	return regs.ax;
}

/* What the next entry of a vCPU adds, and where; 0: nothing. */
static u64 taken(struct vm *vm, unsigned int vcpu, u64 *address)
{
	struct vmport_call call = {
		.config = &vm->config,
		.state = vm->state,
		.vcpu = vm_vcpu(vcpu),
	};
	u64 where = 0, cycles = 0;
	bool any;

	shim_atomic_begin();
	any = vmport_steal_take(&call.state->steals, &call, &where, &cycles);
	shim_atomic_end();
	CHECK_EQ(any, !!cycles);
	if (any && address)
		*address = where;
	return cycles;
}

CONVERSATION("STEALCLOCK: on at an address in ESI:EDI, off at an odd one, EAX says which")
{
	allow(vm);
	CHECK_EQ(stealclock(vm, NO_CLOCK), OFF);
	CHECK_EQ(stealclock(vm, 0x12345678c0ull), ON);
	CHECK_EQ(stealclock(vm, 0), ON);
	CHECK_EQ(stealclock(vm, NO_CLOCK), OFF);
	CHECK_EQ(stealclock(vm, NO_CLOCK), OFF);
}

CONVERSATION("STEALCLOCK: an address that is not aligned or no memory stops the clock, and says so")
{
	u64 bad;

	allow(vm);
	for (bad = 0x1001; bad < 0x1040; bad++) {
		CHECK_EQ(stealclock(vm, 0x1000), ON);
		CHECK_EQ(stealclock(vm, bad), OFF);
		vcpu_waited[0] += 1000;
		CHECK_EQ(taken(vm, 0, NULL), 0);
	}
	CHECK_EQ(stealclock(vm, memory_end - 64), ON);
	CHECK_EQ(stealclock(vm, memory_end), OFF);
	CHECK_EQ(stealclock(vm, U64_MAX), OFF);
	CHECK_EQ(stealclock(vm, U64_MAX - 63), OFF);
}

CONVERSATION("STEALCLOCK: without the feature, from ring 3, or unknown: as if there were none")
{
	static const struct vmport_regs other[] = {
		{ .cx = 91 | 1 << 16 }, { .cx = 91 | 1u << 31 }, { .cx = 91, .bx = 1 },
		{ .cx = 91, .bx = ~0u },
	};
	struct vmport_regs regs;
	unsigned int i;

	allow(vm);
	for (i = 0; i < ARRAY_SIZE(other); i++) {
		regs = other[i];
		regs.ax = VMPORT_MAGIC;
		CHECK_EQ(vm_call(vm, &regs), VMPORT_NOT_OURS);
	}

	regs = (struct vmport_regs){ .ax = VMPORT_MAGIC, .cx = 91 };
	vcpu_ring3 = true;
	CHECK_EQ(vm_call(vm, &regs), VMPORT_NOT_OURS);
	vcpu_ring3 = false;
	CHECK_EQ(vm_call(vm, &regs), VMPORT_DONE);
	CHECK_EQ(stealclock(vm, NO_CLOCK), OFF);

	vm->config.features &= ~KVM_VMPORT_FEATURE_STEALCLOCK;
	regs = (struct vmport_regs){ .ax = VMPORT_MAGIC, .cx = 91 };
	CHECK_EQ(vm_call(vm, &regs), VMPORT_NOT_OURS);
}

TEST("the clock: what was waited since, once, in units of the TSC that GETHZ gives")
{
	struct vm *vm = vm_new(FAST);
	u64 address;

	allow(vm);
	vcpu_waited[0] = 7000;
	CHECK_EQ(taken(vm, 0, NULL), 0);
	CHECK_EQ(stealclock(vm, 0x2000), ON);
	CHECK_EQ(taken(vm, 0, NULL), 0);
	vcpu_waited[0] += 1000;
	CHECK_EQ(taken(vm, 0, &address), 3000);
	CHECK_EQ(address, 0x2000);
	CHECK_EQ(taken(vm, 0, NULL), 0);

	/* The guest's own idea of the rate is the VMM's. */
	vm->config.identity.tsc_hz = 1000000000;
	vcpu_waited[0] += 1000;
	CHECK_EQ(taken(vm, 0, NULL), 1000);

	/* Another address is the same vCPU's. */
	vcpu_waited[0] += 1;
	CHECK_EQ(stealclock(vm, 0x3000), ON);
	vcpu_waited[0] += 2;
	CHECK_EQ(taken(vm, 0, &address), 2);
	CHECK_EQ(address, 0x3000);
	vm_free(vm);
}

TEST("the clock: each vCPU has its own")
{
	struct vm *vm = vm_new(SLEEPING);
	u64 address;

	allow(vm);
	vm->vcpu = 3;
	CHECK_EQ(stealclock(vm, 0x3000), ON);
	vm->vcpu = 1;
	CHECK_EQ(stealclock(vm, 0x1000), ON);
	vcpu_waited[0] = 100;
	vcpu_waited[1] = 100;
	vcpu_waited[3] = 300;
	CHECK_EQ(taken(vm, 0, NULL), 0);
	CHECK_EQ(taken(vm, 1, &address), 300);
	CHECK_EQ(address, 0x1000);
	CHECK_EQ(taken(vm, 2, NULL), 0);
	CHECK_EQ(taken(vm, 3, &address), 900);
	CHECK_EQ(address, 0x3000);
	vm->vcpu = 3;
	CHECK_EQ(stealclock(vm, NO_CLOCK), OFF);
	vcpu_waited[1] += 1;
	vcpu_waited[3] += 1;
	CHECK_EQ(taken(vm, 1, NULL), 3);
	CHECK_EQ(taken(vm, 3, NULL), 0);
	vm_free(vm);
}

TEST("the clock: never back, whatever thread runs the vCPU, and no overflow whatever the rate")
{
	struct vm *vm = vm_new(SLEEPING);

	allow(vm);
	vcpu_waited[0] = 1000000;
	CHECK_EQ(stealclock(vm, 0x1000), ON);
	vcpu_waited[0] = 10;
	CHECK_EQ(taken(vm, 0, NULL), 0);
	vcpu_waited[0] += 10;
	CHECK_EQ(taken(vm, 0, NULL), 30);

	vm->config.identity.tsc_hz = U64_MAX;
	vcpu_waited[0] = U64_MAX;
	/* An hour, and the largest rate that there is a factor for. */
	CHECK_EQ(taken(vm, 0, NULL), 3600ull * 1000 * U32_MAX);
	vm_free(vm);
}

TEST("the clock: RESET stops those of all vCPUs, with RPC or without")
{
	struct vm *vm = vm_new(SLEEPING);

	vm->config.features = KVM_VMPORT_FEATURE_ENABLE;
	allow(vm);
	for (vm->vcpu = 0; vm->vcpu < VCPUS; vm->vcpu++)
		CHECK_EQ(stealclock(vm, 0x1000), ON);
	vm->vcpu = 0;
	vmport_steal_reset(&vm->state->steals);
	vcpu_waited[0] = 1000;
	vcpu_waited[VCPUS - 1] = 1000;
	CHECK_EQ(taken(vm, 0, NULL), 0);
	CHECK_EQ(taken(vm, VCPUS - 1, NULL), 0);
	CHECK_EQ(stealclock(vm, 0x1000), ON);
	vcpu_waited[0] += 1;
	CHECK_EQ(taken(vm, 0, NULL), 3);
	vm_free(vm);
}

TEST("a blob carries the addresses of clocks that run, and none of others")
{
	struct vm *vm = vm_new(SLEEPING), *to = vm_new(SLEEPING);
	size_t size, empty;
	struct blob blob;
	u64 address;
	u8 *packed;

	allow(vm);
	allow(to);
	free(vm_pack(vm, &empty));
	vm->vcpu = 2;
	CHECK_EQ(stealclock(vm, 0x3456789c0ull), ON);
	vm->vcpu = 0;
	CHECK_EQ(stealclock(vm, 0x1000), ON);
	vm->vcpu = 1;
	CHECK_EQ(stealclock(vm, 0x2000), ON);
	CHECK_EQ(stealclock(vm, NO_CLOCK), OFF);

	blob_init(&blob);
	blob_begin(&blob, 6, 1);
	blob_stealclock(&blob, 0x1000, 0, 0);
	blob_stealclock(&blob, 0x3456789c0ull, 2, 0);
	blob_end(&blob);
	blob_seal(&blob);
	packed = vm_pack(vm, &size);
	CHECK_EQ(size, blob.size);
	CHECK(!memcmp(packed, blob.data, size));
	free(packed);

	/* What threads have waited on the destination is not the guest's affair. */
	vcpu_waited[0] = 5000000;
	check_accepted(to, blob.data, blob.size);
	CHECK_EQ(taken(to, 0, NULL), 0);
	vcpu_waited[0] += 1000;
	to->config.identity.tsc_hz = 1000000000;
	CHECK_EQ(taken(to, 0, &address), 1000);
	CHECK_EQ(address, 0x1000);
	vcpu_waited[2] = 1;
	CHECK_EQ(taken(to, 2, NULL), 0);
	vcpu_waited[2] = 11;
	CHECK_EQ(taken(to, 2, &address), 10);
	CHECK_EQ(address, 0x3456789c0ull);
	CHECK_EQ(taken(to, 1, NULL), 0);
	blob_free(&blob);

	vm->vcpu = 2;
	CHECK_EQ(stealclock(vm, NO_CLOCK), OFF);
	vm->vcpu = 0;
	CHECK_EQ(stealclock(vm, NO_CLOCK), OFF);
	free(vm_pack(vm, &size));
	CHECK_EQ(size, empty);
	vm_free(to);
	vm_free(vm);
}

/* A blob of one section with one clock behind that of vCPU 5. */
static void check_clock(u64 address, u32 vcpu_id, u32 reserved, int r,
			u32 error, size_t field)
{
	struct vm *vm = vm_new(SLEEPING);
	struct blob blob;

	allow(vm);
	blob_init(&blob);
	blob_begin(&blob, 6, 1);
	blob_stealclock(&blob, 0x1000, 5, 0);
	blob_stealclock(&blob, address, vcpu_id, reserved);
	blob_end(&blob);
	blob_seal(&blob);
	if (r)
		check_refused(vm, blob.data, blob.size, r, error, PAYLOAD + 16 + field);
	else
		check_accepted(vm, blob.data, blob.size);
	blob_free(&blob);
	vm_free(vm);
}

TEST("errors VCPU_ID, ORDER, ADDRESS, RESERVED of a clock")
{
	check_clock(0x1000, 6, 0, 0, 0, 0);
	check_clock(~63ull, 6, 0, 0, 0, 0);
	check_clock(0x1000, 16383, 0, 0, 0, 0);
	check_clock(0x1000, 16384, 0, -EINVAL, KVM_VMPORT_ERR_VCPU_ID, 8);
	check_clock(0x1000, ~0u, 0, -EINVAL, KVM_VMPORT_ERR_VCPU_ID, 8);
	check_clock(0x1000, 5, 0, -EINVAL, KVM_VMPORT_ERR_ORDER, 8);
	check_clock(0x1000, 0, 0, -EINVAL, KVM_VMPORT_ERR_ORDER, 8);
	check_clock(0x1001, 6, 0, -EINVAL, KVM_VMPORT_ERR_ADDRESS, 0);
	check_clock(0x1020, 6, 0, -EINVAL, KVM_VMPORT_ERR_ADDRESS, 0);
	check_clock(U64_MAX, 6, 0, -EINVAL, KVM_VMPORT_ERR_ADDRESS, 0);
	check_clock(0x1000, 6, 1, -EINVAL, KVM_VMPORT_ERR_RESERVED, 12);
}

TEST("error SECTION: no clock, or one that is cut; FLAGS: not critical; ORDER: twice")
{
	struct vm *vm = vm_new(SLEEPING);
	struct blob blob;
	u32 cut;

	allow(vm);
	for (cut = 0; cut < 32; cut++) {
		if (cut == 16)
			continue;
		tap_context("%u bytes", cut);
		blob_init(&blob);
		blob_begin(&blob, 6, 1);
		blob_stealclock(&blob, 0x1000, 5, 0);
		blob_stealclock(&blob, 0x1000, 6, 0);
		blob.size -= 32 - cut;
		blob_end(&blob);
		blob_seal(&blob);
		check_refused(vm, blob.data, blob.size, -EINVAL, KVM_VMPORT_ERR_SECTION,
			      PAYLOAD + (cut < 16 ? 0 : 16));
		blob_free(&blob);
	}

	blob_init(&blob);
	blob_begin(&blob, 6, 0);
	blob_stealclock(&blob, 0x1000, 5, 0);
	blob_end(&blob);
	blob_seal(&blob);
	check_refused(vm, blob.data, blob.size, -EINVAL, KVM_VMPORT_ERR_FLAGS, HEADER);
	blob_free(&blob);

	blob_init(&blob);
	blob_begin(&blob, 6, 1);
	blob_stealclock(&blob, 0x1000, 5, 0);
	blob_end(&blob);
	blob_begin(&blob, 6, 1);
	blob_stealclock(&blob, 0x1000, 6, 0);
	blob_end(&blob);
	blob_seal(&blob);
	check_refused(vm, blob.data, blob.size, -EINVAL, KVM_VMPORT_ERR_ORDER, PAYLOAD + 16);
	blob_free(&blob);
	vm_free(vm);
}

TEST("error FEATURE: clocks need STEALCLOCK, and it alone")
{
	struct vm *vm = vm_new(SLEEPING);
	struct blob blob;

	blob_init(&blob);
	blob_begin(&blob, 6, 1);
	blob_stealclock(&blob, 0x1000, 5, 0);
	blob_end(&blob);
	blob_seal(&blob);
	check_refused(vm, blob.data, blob.size, -EPERM, KVM_VMPORT_ERR_FEATURE, HEADER);
	vm->config.features = KVM_VMPORT_FEATURE_ENABLE | KVM_VMPORT_FEATURE_STEALCLOCK;
	check_accepted(vm, blob.data, blob.size);
	blob_free(&blob);
	vm_free(vm);
}

TEST("ENOMEM: the clock stays off and the guest is told, one that is on can always be stopped")
{
	struct vm *vm = vm_new(SLEEPING);
	unsigned int nth;

	allow(vm);
	for (nth = 1; nth <= 2; nth++) {
		shim_fail_alloc(nth);
		CHECK_EQ(stealclock(vm, 0x1000), OFF);
		CHECK(shim_alloc_failed());
	}
	shim_fail_alloc(0);
	CHECK_EQ(stealclock(vm, 0x1000), ON);
	shim_fail_alloc(1);
	CHECK_EQ(stealclock(vm, 0x2000), ON);
	CHECK_EQ(stealclock(vm, NO_CLOCK), OFF);
	CHECK_EQ(stealclock(vm, 0x1000), ON);
	CHECK(!shim_alloc_failed());
	shim_fail_alloc(0);
	vm_free(vm);
}

TEST("ENOMEM: a blob with clocks loads whole or not at all")
{
	struct vm *vm = vm_new(SLEEPING);
	struct blob blob;
	unsigned int nth;
	int r;

	allow(vm);
	blob_init(&blob);
	blob_begin(&blob, 6, 1);
	blob_stealclock(&blob, 0x1000, 0, 0);
	blob_stealclock(&blob, 0x1000, 1, 0);
	blob_end(&blob);
	blob_seal(&blob);
	for (nth = 1;; nth++) {
		shim_fail_alloc(nth);
		r = blob_load(vm, blob.data, blob.size, NULL);
		if (!shim_alloc_failed())
			break;
		CHECK_EQ(r, -ENOMEM);
		CHECK_EQ(vm->state->steals.count, 0);
	}
	shim_fail_alloc(0);
	CHECK_EQ(r, 0);
	/* The state, and two for each clock. */
	CHECK_EQ(nth, 1 + 5);
	CHECK_EQ(vm->state->steals.count, 2);
	blob_free(&blob);
	vm_free(vm);
}
