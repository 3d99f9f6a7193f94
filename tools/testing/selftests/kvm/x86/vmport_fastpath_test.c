// SPDX-License-Identifier: GPL-2.0-only
/*
 * The exit fast path of the VMware guest interface: which calls are answered
 * there, which leave it, and that nobody can tell but by the counters.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "apic.h"
#include "vmport_test.h"

#define IRQ_VECTOR	0x55
#define DR6_SINGLE_STEP	BIT(14)
#ifndef X86_EFLAGS_TF
#define X86_EFLAGS_TF	BIT(8)
#endif

struct counters {
	u64 calls;
	u64 fast;
	u64 io_exits;
};

static struct counters counters(struct kvm_vcpu *vcpu)
{
	return (struct counters) {
		.calls = vmport_counter(vcpu, "vmport_calls"),
		.fast = vmport_counter(vcpu, "vmport_fast_calls"),
		.io_exits = vmport_counter(vcpu, "io_exits"),
	};
}

FIXTURE(fastpath)
{
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
};

FIXTURE_SETUP(fastpath)
{
	self->vm = vmport_vm_create(VMPORT_RPC, 1, &self->vcpu);
}

FIXTURE_TEARDOWN(fastpath)
{
	kvm_vm_free(self->vm);
}

/*
 * What a call counts as.  The end of each run is one more port access, to a port
 * that nobody owns.
 */
#define EXPECT_COUNTED(_vcpu, _before, _calls, _fast)			\
do {									\
	struct counters __after = counters(_vcpu), __b = (_before);	\
	u64 __calls = (_calls), __fast = (_fast);			\
									\
	EXPECT_EQ(__after.calls - __b.calls, __calls);			\
	EXPECT_EQ(__after.fast - __b.fast, __fast);			\
	EXPECT_EQ(__after.io_exits - __b.io_exits, 1 + __calls - __fast); \
} while (0)

TEST_F(fastpath, identity_and_time_commands_are_answered_there)
{
	struct kvm_vmport_identity identity;
	const struct command *c;
	struct counters before;

	ASSERT_EQ(vmport_get_identity(self->vm, &identity), 0);
	identity.memory_mib = 512;
	memset(identity.uuid, 0x5a, sizeof(identity.uuid));
	ASSERT_EQ(vmport_set_identity(self->vm, &identity), 0);

	for (c = vmport_commands; c->name; c++) {
		if (c->feature != KVM_VMPORT_FEATURE_ENABLE)
			continue;
		before = counters(self->vcpu);
		vmport_call(self->vcpu, (struct vmport_regs) {
			.ax = VMPORT_MAGIC, .cx = c->nr, .dx = VMPORT_PORT,
		});
		EXPECT_COUNTED(self->vcpu, before, 1, 1);
	}
}

/* One request, and whether the fast path answered it. */
#define EXPECT_REQUEST(_channel, _type, _bx, _status, _fast)		\
do {									\
	const struct vmport_channel *__channel = (_channel);		\
	struct counters __before = counters(__channel->vcpu);		\
									\
	EXPECT_EQ(vmport_msg_status(__channel, _type, _bx), _status);	\
	EXPECT_COUNTED(__channel->vcpu, __before, 1, _fast);		\
} while (0)

TEST_F(fastpath, message_requests_that_need_no_sleep_are_answered_there)
{
	struct counters before = counters(self->vcpu);
	struct vmport_channel channel = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);

	EXPECT_COUNTED(self->vcpu, before, 1, 0);

	/* No buffer yet, then one that is large enough, then not. */
	EXPECT_REQUEST(&channel, VMPORT_MSG_SENDSIZE, 100, VMPORT_SUCCESS, 0);
	EXPECT_REQUEST(&channel, VMPORT_MSG_SENDSIZE, 100, VMPORT_SUCCESS, 1);
	EXPECT_REQUEST(&channel, VMPORT_MSG_SENDSIZE, 10000, VMPORT_SUCCESS, 0);
	EXPECT_REQUEST(&channel, VMPORT_MSG_SENDSIZE, 6, VMPORT_SUCCESS, 1);
	EXPECT_REQUEST(&channel, VMPORT_MSG_SENDPAYLOAD, 0x20676f6c, VMPORT_SUCCESS, 1);
	/* The end of a message is where it is run. */
	EXPECT_REQUEST(&channel, VMPORT_MSG_SENDPAYLOAD, 0x6968, VMPORT_SUCCESS, 0);
	EXPECT_REQUEST(&channel, VMPORT_MSG_RECVSIZE, 0, VMPORT_SUCCESS | VMPORT_DORECV, 1);
	EXPECT_REQUEST(&channel, VMPORT_MSG_RECVPAYLOAD, 1, VMPORT_SUCCESS, 1);
	EXPECT_REQUEST(&channel, VMPORT_MSG_RECVSTATUS, 1, VMPORT_SUCCESS, 1);
	EXPECT_REQUEST(&channel, VMPORT_MSG_RECVSIZE, 0, VMPORT_SUCCESS, 1);
	EXPECT_REQUEST(&channel, VMPORT_MSG_SENDPAYLOAD, 0, VMPORT_FAIL, 1);
	EXPECT_REQUEST(&channel, VMPORT_MSG_SENDSIZE, 0, VMPORT_SUCCESS, 0);
	EXPECT_REQUEST(&channel, VMPORT_MSG_CLOSE, 0, VMPORT_SUCCESS, 0);
	EXPECT_REQUEST(&channel, VMPORT_MSG_RECVSIZE, 0, VMPORT_FAIL, 1);
}

TEST_F(fastpath, a_waiting_tclo_request_is_taken_by_the_ordinary_handler)
{
	struct vmport_channel channel = vmport_open(self->vcpu, VMPORT_TCLO);
	char reply[16];
	u64 id;

	ASSERT_EQ(vmport_recv(&channel, reply, sizeof(reply)), 5);
	vmport_send(&channel, "OK ATR toolbox", 14);

	EXPECT_REQUEST(&channel, VMPORT_MSG_RECVSIZE, 0, VMPORT_SUCCESS, 1);
	ASSERT_EQ(vmport_tclo_send(self->vm, "ping", 4, &id), 0);
	EXPECT_REQUEST(&channel, VMPORT_MSG_RECVSIZE, 0, VMPORT_SUCCESS | VMPORT_DORECV, 0);
	EXPECT_REQUEST(&channel, VMPORT_MSG_RECVSIZE, 0, VMPORT_SUCCESS | VMPORT_DORECV, 1);
}

/* Commands of the VMM leave with the registers as they were, exactly once. */
TEST_F(fastpath, commands_of_the_vmm_leave_once)
{
	struct vmport_regs in = { .ax = VMPORT_MAGIC, .cx = 39, .dx = VMPORT_PORT, .bx = 7 };
	struct counters before = counters(self->vcpu), after;
	struct kvm_run *run = self->vcpu->run;
	struct kvm_regs regs, seen;

	vmport_set_regs(self->vcpu, &regs, &in);
	vmport_run(self->vcpu, vmport_in, &regs);
	ASSERT_EQ(run->exit_reason, KVM_EXIT_IO);
	EXPECT_EQ(run->io.port, VMPORT_PORT);
	EXPECT_EQ(run->io.size, 4);
	vcpu_regs_get(self->vcpu, &seen);
	EXPECT_EQ(seen.rbx, regs.rbx);
	EXPECT_EQ(seen.rcx, regs.rcx);
	vcpu_run(self->vcpu);
	EXPECT_TRUE(vmport_is_done(self->vcpu));
	after = counters(self->vcpu);
	EXPECT_EQ(after.calls, before.calls);
	EXPECT_EQ(after.fast, before.fast);
	EXPECT_EQ(after.io_exits - before.io_exits, 2);
}

/* A signal that waits is seen although the guest never leaves by itself. */
TEST_F(fastpath, immediate_exit_and_signals_are_not_held_up)
{
	struct vmport_regs in = {
		.ax = VMPORT_MAGIC, .cx = VMPORT_CMD_GETVERSION, .dx = VMPORT_PORT,
	};
	struct kvm_run *run = self->vcpu->run;
	struct kvm_regs regs;

	vmport_set_regs(self->vcpu, &regs, &in);
	vmport_start(self->vcpu, vmport_in, &regs);
	run->immediate_exit = 1;
	EXPECT_EQ(__vcpu_run(self->vcpu), -1);
	EXPECT_EQ(errno, EINTR);
	run->immediate_exit = 0;
	vcpu_regs_get(self->vcpu, &regs);
	EXPECT_EQ(regs.rip, (unsigned long)vmport_in);
	vcpu_run(self->vcpu);
	EXPECT_TRUE(vmport_is_done(self->vcpu));
}

static struct kvm_regs getversion_regs(struct kvm_vcpu *vcpu)
{
	struct vmport_regs in = {
		.ax = VMPORT_MAGIC, .cx = VMPORT_CMD_GETVERSION, .dx = VMPORT_PORT,
	};
	struct kvm_regs regs;

	vmport_set_regs(vcpu, &regs, &in);
	return regs;
}

TEST_F(fastpath, host_single_step_stops_behind_the_call)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};
	struct counters before = counters(self->vcpu), after;
	struct kvm_regs regs = getversion_regs(self->vcpu);
	struct kvm_run *run = self->vcpu->run;

	vmport_start(self->vcpu, vmport_in, &regs);
	vcpu_guest_debug_set(self->vcpu, &debug);
	vcpu_run(self->vcpu);
	ASSERT_EQ(run->exit_reason, KVM_EXIT_DEBUG);
	EXPECT_EQ(run->debug.arch.exception, DB_VECTOR);
	EXPECT_EQ(run->debug.arch.pc, (unsigned long)vmport_in_end);
	EXPECT_EQ(run->debug.arch.dr6 & DR6_SINGLE_STEP, DR6_SINGLE_STEP);
	vcpu_regs_get(self->vcpu, &regs);
	EXPECT_EQ(regs.rax, 6);
	after = counters(self->vcpu);
	EXPECT_EQ(after.calls - before.calls, 1);

	debug.control = 0;
	vcpu_guest_debug_set(self->vcpu, &debug);
	vcpu_run(self->vcpu);
	EXPECT_TRUE(vmport_is_done(self->vcpu));
	EXPECT_EQ(counters(self->vcpu).calls - before.calls, 1);
}

/* Guest: where the last exception came from. */
static struct ex_regs trap_frame;

static void trap(struct ex_regs *regs)
{
	trap_frame = *regs;
	vmport_guest_done();
}

TEST_F(fastpath, trap_flag_traps_behind_the_call)
{
	struct kvm_regs regs = getversion_regs(self->vcpu);

	vm_install_exception_handler(self->vm, DB_VECTOR, trap);
	regs.rip = (unsigned long)vmport_in;
	regs.rflags = X86_EFLAGS_FIXED | X86_EFLAGS_TF;
	vcpu_regs_set(self->vcpu, &regs);
	vcpu_run(self->vcpu);
	ASSERT_TRUE(vmport_is_done(self->vcpu));
	sync_global_from_guest(self->vm, trap_frame);
	EXPECT_EQ(trap_frame.vector, DB_VECTOR);
	EXPECT_EQ(trap_frame.rip, (unsigned long)vmport_in_end);
	EXPECT_EQ(trap_frame.rax, 6);
}

static bool stops_at(struct kvm_vcpu *vcpu, const void *at, struct kvm_regs *regs)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
		.arch.debugreg = { [0] = (unsigned long)at, [7] = 0x402 },
	};

	vmport_start(vcpu, at, regs);
	vcpu_guest_debug_set(vcpu, &debug);
	vcpu_run(vcpu);
	debug.control = 0;
	vcpu_guest_debug_set(vcpu, &debug);
	return vcpu->run->exit_reason == KVM_EXIT_DEBUG;
}

TEST_F(fastpath, instruction_breakpoint_stops_before_the_call)
{
	struct counters before = counters(self->vcpu);
	struct kvm_regs regs = getversion_regs(self->vcpu);

	/* Software emulation of SVM may not know them: look at a plain access. */
	if (!stops_at(self->vcpu, vmport_in_end, &regs))
		SKIP(return, "the processor has no breakpoints in guests");

	regs = getversion_regs(self->vcpu);
	ASSERT_TRUE(stops_at(self->vcpu, vmport_in, &regs));
	EXPECT_EQ(self->vcpu->run->debug.arch.pc, (unsigned long)vmport_in);
	EXPECT_EQ(counters(self->vcpu).calls, before.calls);
	vcpu_run(self->vcpu);
	EXPECT_TRUE(vmport_is_done(self->vcpu));
	EXPECT_EQ(counters(self->vcpu).calls - before.calls, 1);
}

/* Guest: calls and nothing else, so that no exit but theirs leaves the loop. */
static u32 guest_call(void)
{
	u32 ax = VMPORT_MAGIC, bx = 0, cx = VMPORT_CMD_GETVERSION, dx = VMPORT_PORT;

	asm volatile("inl %%dx, %%eax" : "+a"(ax), "+b"(bx), "+c"(cx), "+d"(dx));
	return ax;
}

static u32 guest_ready, guest_interrupted;

static void guest_irq(struct ex_regs *regs)
{
	WRITE_ONCE(guest_interrupted, 1);
	x2apic_write_reg(APIC_EOI, 0);
}

static void guest_call_until_interrupted(void)
{
	x2apic_enable();
	asm volatile("sti");
	while (!READ_ONCE(guest_interrupted)) {
		GUEST_ASSERT_EQ(guest_call(), 6);
		WRITE_ONCE(guest_ready, 1);
	}
	GUEST_DONE();
}

static void *run_thread(void *vcpu)
{
	vcpu_run(vcpu);
	return NULL;
}

/* An interrupt that comes while the fast path enters the guest again and again. */
TEST_F(fastpath, an_interrupt_reaches_a_guest_that_only_calls)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = IRQ_VECTOR };
	u32 *ready;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	pthread_t thread;
	struct ucall uc;

	vm = vm_create(1);
	vm_enable_cap(vm, KVM_CAP_X86_VMPORT, VMPORT_RPC);
	vcpu = vm_vcpu_add(vm, 0, guest_call_until_interrupted);
	vm_install_exception_handler(vm, IRQ_VECTOR, guest_irq);
	ready = vmport_gva2hva(vm, &guest_ready);

	ASSERT_EQ(pthread_create(&thread, NULL, run_thread, vcpu), 0);
	while (!READ_ONCE(*ready))
		usleep(1000);
	EXPECT_EQ(__vm_ioctl(vm, KVM_SIGNAL_MSI, &msi), 1);
	pthread_join(thread, NULL);
	EXPECT_EQ(get_ucall(vcpu, &uc), UCALL_DONE);
	EXPECT_GT(vmport_counter(vcpu, "vmport_fast_calls"), 0);
	kvm_vm_free(vm);
}

static void nothing(int signal)
{
}

/* A signal that comes meanwhile. */
TEST_F(fastpath, a_signal_ends_the_run_of_a_guest_that_only_calls)
{
	struct sigaction action = { .sa_handler = nothing };
	struct itimerval timer = { .it_value.tv_usec = 50000 };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;

	vm = vm_create(1);
	vm_enable_cap(vm, KVM_CAP_X86_VMPORT, VMPORT_RPC);
	vcpu = vm_vcpu_add(vm, 0, guest_call_until_interrupted);
	ASSERT_EQ(sigaction(SIGALRM, &action, NULL), 0);
	ASSERT_EQ(setitimer(ITIMER_REAL, &timer, NULL), 0);
	EXPECT_EQ(__vcpu_run(vcpu), -1);
	EXPECT_EQ(errno, EINTR);
	kvm_vm_free(vm);
}

#define DIRTY_PAGES	2048
#define DIRTY_ENTRIES	1024	/* the smallest ring, where the processor logs pages itself */
#define DIRTY_SLOT	10
#define DIRTY_GPA	0x10000000ull

static void guest_dirty(void)
{
	u8 *page = (void *)DIRTY_GPA;
	u32 i;

	for (i = 0; i < DIRTY_PAGES; i++) {
		WRITE_ONCE(page[i * 4096ul], 1);
		GUEST_ASSERT_EQ(guest_call(), 6);
	}
	GUEST_DONE();
}

/* A full ring stops the vCPU before it enters the guest once more. */
TEST_F(fastpath, a_full_dirty_ring_ends_the_run)
{
	struct kvm_dirty_gfn *ring;
	u32 i, next = 0, full = 0;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct ucall uc;

	if (!kvm_has_cap(KVM_CAP_DIRTY_LOG_RING))
		SKIP(return, "no KVM_CAP_DIRTY_LOG_RING");

	vm = vm_create(1);
	vm_enable_cap(vm, KVM_CAP_X86_VMPORT, VMPORT_RPC);
	vm_enable_dirty_ring(vm, DIRTY_ENTRIES * sizeof(*ring));
	vcpu = vm_vcpu_add(vm, 0, guest_dirty);
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, DIRTY_GPA, DIRTY_SLOT,
				    DIRTY_PAGES, KVM_MEM_LOG_DIRTY_PAGES);
	virt_map(vm, DIRTY_GPA, DIRTY_GPA, DIRTY_PAGES);
	ring = vcpu_map_dirty_ring(vcpu);

	for (;;) {
		vcpu_run(vcpu);
		if (vcpu->run->exit_reason != KVM_EXIT_DIRTY_RING_FULL)
			break;
		full++;
		ASSERT_LE(full, 100);
		for (i = 0; ring[next % DIRTY_ENTRIES].flags & KVM_DIRTY_GFN_F_DIRTY; i++, next++)
			ring[next % DIRTY_ENTRIES].flags = KVM_DIRTY_GFN_F_RESET;
		EXPECT_LE(i, DIRTY_ENTRIES);
		EXPECT_EQ(kvm_vm_reset_dirty_ring(vm), i);
	}
	EXPECT_EQ(get_ucall(vcpu, &uc), UCALL_DONE);
	EXPECT_GE(full, 1);
	EXPECT_EQ(vmport_counter(vcpu, "vmport_calls"), DIRTY_PAGES);
	EXPECT_EQ(vmport_counter(vcpu, "vmport_fast_calls"), DIRTY_PAGES);
	kvm_vm_free(vm);
}

TEST_F(fastpath, without_the_capability_nothing_is_counted)
{
	struct vmport_regs in = {
		.ax = VMPORT_MAGIC, .cx = VMPORT_CMD_GETVERSION, .dx = VMPORT_PORT,
	};
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vmport_vm_create(0, 1, &vcpu);
	struct counters before = counters(vcpu);
	struct kvm_regs regs;

	vmport_set_regs(vcpu, &regs, &in);
	vmport_run(vcpu, vmport_in, &regs);
	EXPECT_EQ(vcpu->run->exit_reason, KVM_EXIT_IO);
	EXPECT_EQ(vcpu->run->io.port, VMPORT_PORT);
	EXPECT_EQ(counters(vcpu).calls, before.calls);
	EXPECT_EQ(counters(vcpu).fast, before.fast);
	kvm_vm_free(vm);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_VMPORT));

	return test_harness_run(argc, argv);
}
