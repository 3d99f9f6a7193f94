// SPDX-License-Identifier: GPL-2.0-only
/*
 * STEALCLOCK: a vCPU's clock in the guest's memory shows what its thread has waited for
 * a processor, whatever happens to the state and to the memory.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmport_nested.h"
#include "vmport_test.h"
#include "vmport_user.h"

#include "svm_util.h"
#include "vmx.h"

#include "vmport_compat.h"

#define STEAL			(VMPORT_BASIC | KVM_VMPORT_FEATURE_STEALCLOCK)

#define STEAL_ON		1
#define STEAL_OFF		0
#define NO_CLOCK		1ull

#define CLOCK_SLOT		10
#define CLOCK_GPA		0x40000000ull
#define CLOCK_PAGES		4
#define CLOCK			(CLOCK_GPA + 0x1040)

/* As large: where L2 has the clock's address, with nested paging. */
#define L2_SLOT			11
#define L2_GPA			(CLOCK_GPA + 0x200000)
/* As large, too: memory that is only there in SMM. */
#define SMM_ONLY_SLOT		12
#define SMM_ONLY_GPA		(CLOCK_GPA + 0x400000)
/* Of the memory slots that are there in SMM. */
#define SMM_SLOT(_slot)		(1 << 16 | (_slot))

/* What a test must have waited for, ns; and no test waits for longer than for this. */
#define ENOUGH			10000000ull
#define MAX_RUNS		20000

#define SPINS			1000000

/* Guest: keep the processor busy. */
static void guest_spin(void)
{
	u32 i;

	for (i = 0; i < SPINS; i++)
		asm volatile("");
	vmport_guest_done();
}

/* Keeps the others waiting. */
struct rival {
	struct kvm_vcpu *vcpu;
	pthread_t thread;
	atomic_bool stop;
};

FIXTURE(steal) {
	struct kvm_vcpu *vcpus[VMPORT_MAX_VCPUS];
	struct kvm_vm *vm;
	struct rival rival;
	u64 khz;
};

static void spin(struct kvm_vcpu *vcpu)
{
	struct kvm_regs regs = { .rsp = vmport_stack_top(vcpu->id) - 8 };

	vmport_run_done(vcpu, guest_spin, &regs);
}

static void *rival_run(void *data)
{
	struct rival *rival = data;

	while (!atomic_load(&rival->stop))
		spin(rival->vcpu);
	return NULL;
}

static void add_memory(struct kvm_vm *vm, u32 flags)
{
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, CLOCK_GPA, CLOCK_SLOT,
				    CLOCK_PAGES, flags);
}

/* Two vCPUs on one processor; only the first has a clock. */
FIXTURE_SETUP(steal)
{
	cpu_set_t allowed, one;
	int cpu;

	if (!(kvm_check_cap(KVM_CAP_X86_VMPORT) & KVM_VMPORT_FEATURE_STEALCLOCK))
		SKIP(return, "no KVM_VMPORT_FEATURE_STEALCLOCK");

	ASSERT_EQ(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	for (cpu = 0; !CPU_ISSET(cpu, &allowed); cpu++)
		;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);

	self->vm = vmport_vm_create(STEAL, VMPORT_MAX_VCPUS, self->vcpus);
	add_memory(self->vm, KVM_MEM_LOG_DIRTY_PAGES);
	self->khz = __vcpu_ioctl(self->vcpus[0], KVM_GET_TSC_KHZ, NULL);
	ASSERT_GT((s64)self->khz, 0);
	self->rival.vcpu = self->vcpus[1];
	ASSERT_EQ(pthread_create(&self->rival.thread, NULL, rival_run, &self->rival), 0);
}

FIXTURE_TEARDOWN(steal)
{
	if (!self->vm)
		return;
	atomic_store(&self->rival.stop, true);
	pthread_join(self->rival.thread, NULL);
	kvm_vm_free(self->vm);
}

/* Ns that this thread has waited. */
static u64 waited(void)
{
	unsigned long long ran, wait;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%ld/schedstat", syscall(SYS_gettid));
	file = fopen(path, "r");
	TEST_ASSERT(file, "%s: errno %d", path, errno);
	TEST_ASSERT_EQ(fscanf(file, "%llu %llu", &ran, &wait), 2);
	fclose(file);
	return wait;
}

static struct vmport_regs steal_regs(u64 address)
{
	return (struct vmport_regs) {
		.ax = VMPORT_MAGIC,
		.cx = VMPORT_CMD_STEALCLOCK,
		.dx = VMPORT_PORT,
		.si = address >> 32,
		.di = address,
	};
}

/* As Linux says it; EAX, and no other register. */
static u32 stealclock(struct kvm_vcpu *vcpu, u64 address)
{
	struct vmport_regs in = steal_regs(address);
	struct vmport_regs out = vmport_call(vcpu, in);

	TEST_ASSERT_EQ(out.bx, in.bx);
	TEST_ASSERT_EQ(out.cx, in.cx);
	TEST_ASSERT_EQ(out.dx, in.dx);
	TEST_ASSERT_EQ(out.si, in.si);
	TEST_ASSERT_EQ(out.di, in.di);
	return out.ax;
}

static u64 clock_now(struct kvm_vm *vm)
{
	return READ_ONCE(*(u64 *)addr_gpa2hva(vm, CLOCK));
}

/* Run until it has waited for that long.  The last entry is after that. */
static void wait_for(struct kvm_vcpu *vcpu, u64 ns)
{
	u64 end = waited() + ns;
	int i;

	for (i = 0; waited() < end; i++) {
		TEST_ASSERT(i < MAX_RUNS, "The thread is not kept waiting");
		spin(vcpu);
	}
	spin(vcpu);
}

static u64 cycles(u64 ns, u64 khz)
{
	return (__uint128_t)ns * khz / 1000000;
}

/* Each time that something is added, up to one is rounded off. */
#define ROUNDED_OFF	100000

/*
 * Exact, however busy the host is: the clock has all that was waited between a moment
 * within the call that starts it and one within the last KVM_RUN.
 */
TEST_F(steal, the_clock_shows_what_the_thread_has_waited)
{
	u64 begin, begun, end, ended, clock;

	begin = waited();
	ASSERT_EQ(stealclock(self->vcpus[0], CLOCK), STEAL_ON);
	begun = waited();
	wait_for(self->vcpus[0], ENOUGH);
	end = waited();
	spin(self->vcpus[0]);
	ended = waited();

	clock = clock_now(self->vm);
	EXPECT_GE(clock + ROUNDED_OFF, cycles(end - begun, self->khz));
	EXPECT_LE(clock, cycles(ended - begin, self->khz));
	EXPECT_GE(clock, cycles(ENOUGH / 2, self->khz));
}

TEST_F(steal, it_is_in_the_units_that_gethz_says)
{
	struct kvm_vmport_identity identity;
	u64 begin, ended, clock;

	ASSERT_EQ(vmport_get_identity(self->vm, &identity), 0);
	identity.tsc_hz = 1000000;
	ASSERT_EQ(vmport_set_identity(self->vm, &identity), 0);

	begin = waited();
	ASSERT_EQ(stealclock(self->vcpus[0], CLOCK), STEAL_ON);
	wait_for(self->vcpus[0], ENOUGH);
	ended = waited();
	clock = clock_now(self->vm);
	/* Microseconds, and short waits are rounded off. */
	EXPECT_GT(clock, 0);
	EXPECT_LE(clock, (ended - begin) / 1000);
}

TEST_F(steal, only_the_clock_is_written)
{
	u64 *page = addr_gpa2hva(self->vm, CLOCK & ~0xfffull);
	int i;

	memset(addr_gpa2hva(self->vm, CLOCK_GPA), 0xa5, CLOCK_PAGES * 4096);
	ASSERT_EQ(stealclock(self->vcpus[0], CLOCK), STEAL_ON);
	wait_for(self->vcpus[0], ENOUGH);
	for (i = -512; i < 2 * 512; i++) {
		if (i != (CLOCK & 0xfff) / 8)
			ASSERT_EQ(page[i], 0xa5a5a5a5a5a5a5a5ull);
	}
	/* It goes on from what the guest has there. */
	EXPECT_GT(clock_now(self->vm), 0xa5a5a5a5a5a5a5a5ull);
}

TEST_F(steal, it_stops_when_the_guest_says_so_and_when_the_vmm_resets)
{
	u64 clock;

	ASSERT_EQ(stealclock(self->vcpus[0], CLOCK), STEAL_ON);
	wait_for(self->vcpus[0], ENOUGH);
	ASSERT_EQ(stealclock(self->vcpus[0], NO_CLOCK), STEAL_OFF);
	clock = clock_now(self->vm);
	EXPECT_GT(clock, 0);
	wait_for(self->vcpus[0], ENOUGH);
	EXPECT_EQ(clock_now(self->vm), clock);

	/* It begins where it was left: a processor that comes back is none the wiser. */
	ASSERT_EQ(stealclock(self->vcpus[0], CLOCK), STEAL_ON);
	wait_for(self->vcpus[0], ENOUGH);
	EXPECT_GT(clock_now(self->vm), clock);

	ASSERT_EQ(vmport_reset(self->vm), 0);
	clock = clock_now(self->vm);
	wait_for(self->vcpus[0], ENOUGH);
	EXPECT_EQ(clock_now(self->vm), clock);
}

TEST_F(steal, bad_addresses_stop_it_and_the_guest_is_told)
{
	static const u64 bad[] = {
		CLOCK + 1, CLOCK + 8, CLOCK + 32, CLOCK + 63,
		CLOCK_GPA - 64, CLOCK_GPA + CLOCK_PAGES * 4096,
		0xfee00000, 1ull << 51, 1ull << 52, 1ull << 63, -64ull,
	};
	u64 clock;
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ASSERT_EQ(stealclock(self->vcpus[0], CLOCK), STEAL_ON);
		ASSERT_EQ(stealclock(self->vcpus[0], bad[i]), STEAL_OFF);
	}
	clock = clock_now(self->vm);
	wait_for(self->vcpus[0], ENOUGH);
	EXPECT_EQ(clock_now(self->vm), clock);
	EXPECT_EQ(stealclock(self->vcpus[0], CLOCK_GPA), STEAL_ON);
	EXPECT_EQ(stealclock(self->vcpus[0], CLOCK_GPA + CLOCK_PAGES * 4096 - 64), STEAL_ON);
}

TEST_F(steal, the_dirty_log_has_its_page)
{
	unsigned long dirty[1] = { };

	ASSERT_EQ(stealclock(self->vcpus[0], CLOCK), STEAL_ON);
	kvm_vm_get_dirty_log(self->vm, CLOCK_SLOT, dirty);
	wait_for(self->vcpus[0], ENOUGH);
	kvm_vm_get_dirty_log(self->vm, CLOCK_SLOT, dirty);
	EXPECT_EQ(dirty[0], 1ul << ((CLOCK - CLOCK_GPA) / 4096));

	ASSERT_EQ(stealclock(self->vcpus[0], NO_CLOCK), STEAL_OFF);
	kvm_vm_get_dirty_log(self->vm, CLOCK_SLOT, dirty);
	wait_for(self->vcpus[0], ENOUGH);
	kvm_vm_get_dirty_log(self->vm, CLOCK_SLOT, dirty);
	EXPECT_EQ(dirty[0], 0);
}

TEST_F(steal, the_state_carries_it_and_it_never_goes_back)
{
	struct vmport_blob blob, again;
	u64 last = 0, clock;
	int i;

	blob = vmport_save(self->vm);
	EXPECT_EQ(blob.size, sizeof(struct kvm_vmport_blob_header));
	vmport_blob_free(&blob);

	ASSERT_EQ(stealclock(self->vcpus[0], CLOCK), STEAL_ON);
	blob = vmport_save(self->vm);
	EXPECT_EQ(blob.size, sizeof(struct kvm_vmport_blob_header) +
			     sizeof(struct kvm_vmport_blob_section) +
			     sizeof(struct kvm_vmport_blob_stealclock));
	for (i = 0; i < 5; i++) {
		wait_for(self->vcpus[0], ENOUGH);
		clock = clock_now(self->vm);
		EXPECT_GT(clock, last);
		last = clock;
		/* A state that is as old as the first. */
		ASSERT_EQ(vmport_load(self->vm, &blob), 0);
		EXPECT_EQ(clock_now(self->vm), last);
		again = vmport_save(self->vm);
		EXPECT_TRUE(vmport_blob_equal(&blob, &again));
		vmport_blob_free(&again);
	}
	vmport_blob_free(&blob);
}

/* On the destination its threads have waited before, for something else. */
TEST_F(steal, a_new_vm_counts_from_its_first_entry_on)
{
	struct kvm_vcpu *vcpus[VMPORT_MAX_VCPUS];
	struct vmport_blob blob;
	u64 begin, ended, clock;
	struct kvm_vm *vm;

	ASSERT_EQ(stealclock(self->vcpus[0], CLOCK), STEAL_ON);
	wait_for(self->vcpus[0], ENOUGH);
	blob = vmport_save(self->vm);

	vm = vmport_vm_create(STEAL, 1, vcpus);
	add_memory(vm, 0);
	*(u64 *)addr_gpa2hva(vm, CLOCK) = clock = clock_now(self->vm);
	ASSERT_EQ(vmport_load(vm, &blob), 0);
	begin = waited();
	spin(vcpus[0]);
	wait_for(vcpus[0], ENOUGH);
	ended = waited();
	EXPECT_GT(clock_now(vm), clock);
	EXPECT_LE(clock_now(vm) - clock, cycles(ended - begin, self->khz));
	vmport_blob_free(&blob);
	kvm_vm_free(vm);

	/* One that has not the feature refuses the state. */
	vm = vmport_vm_create_barebones(VMPORT_RPC);
	blob = vmport_save(self->vm);
	EXPECT_EQ(vmport_load(vm, &blob), EPERM);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_FEATURE);
	EXPECT_EQ(vmport_error_offset, offsetof(struct kvm_vmport_blob_header, features));
	vmport_blob_free(&blob);
	kvm_vm_free(vm);
}

TEST_F(steal, memory_that_goes_and_comes)
{
	u64 clock;

	ASSERT_EQ(stealclock(self->vcpus[0], CLOCK), STEAL_ON);
	wait_for(self->vcpus[0], ENOUGH);
	EXPECT_GT(clock_now(self->vm), 0);

	vm_mem_region_delete(self->vm, CLOCK_SLOT);
	wait_for(self->vcpus[0], ENOUGH);

	add_memory(self->vm, 0);
	EXPECT_EQ(clock_now(self->vm), 0);
	wait_for(self->vcpus[0], ENOUGH);
	clock = clock_now(self->vm);
	EXPECT_GT(clock, 0);

	/* What the guest cannot write is not written for it. */
	vm_mem_region_delete(self->vm, CLOCK_SLOT);
	add_memory(self->vm, KVM_MEM_READONLY);
	wait_for(self->vcpus[0], ENOUGH);
	EXPECT_EQ(clock_now(self->vm), 0);
	EXPECT_EQ(stealclock(self->vcpus[0], CLOCK), STEAL_OFF);
}

/* Memory of the VMM's that cannot be written: no fault of the guest's. */
TEST_F(steal, memory_that_cannot_be_touched)
{
	void *page = addr_gpa2hva(self->vm, CLOCK & ~0xfffull);
	u64 clock;

	ASSERT_EQ(stealclock(self->vcpus[0], CLOCK), STEAL_ON);
	/* The thread may have waited within the call already. */
	clock = clock_now(self->vm);
	ASSERT_EQ(mprotect(page, 4096, PROT_NONE), 0);
	wait_for(self->vcpus[0], ENOUGH);
	ASSERT_EQ(mprotect(page, 4096, PROT_READ | PROT_WRITE), 0);
	EXPECT_EQ(clock_now(self->vm), clock);
	wait_for(self->vcpus[0], ENOUGH);
	EXPECT_GT(clock_now(self->vm), clock);
}

static u8 l2_stack[4096] __aligned(4096);

/* L2, and where a test has it run something else. */
static void l2_main(void)
{
	vmport_guest_done();
}

static void l1_svm(struct svm_test_data *svm, u64 nested_cr3)
{
	struct vmcb *vmcb = svm->vmcb;

	generic_svm_setup(svm, l2_main);
	vmcb->save.rsp = (u64)l2_stack + sizeof(l2_stack);
	vmcb->control.misc_ctl = !!nested_cr3;
	vmcb->control.nested_cr3 = nested_cr3;
	run_guest(vmcb, svm->vmcb_gpa);
}

static void l1_vmx(struct vmx_pages *vmx, u64 nested_cr3)
{
	u64 controls;

	GUEST_ASSERT(prepare_for_vmx_operation(vmx));
	GUEST_ASSERT(load_vmcs(vmx));
	prepare_vmcs(vmx, l2_main);
	vmwrite(GUEST_RSP, (u64)l2_stack + sizeof(l2_stack));
	controls = vmreadz(CPU_BASED_VM_EXEC_CONTROL) & ~(u64)CPU_BASED_UNCOND_IO_EXITING;
	if (nested_cr3) {
		vmwrite(EPT_POINTER, nested_cr3 | X86_MEMTYPE_WB | 3 << 3);
		vmwrite(SECONDARY_VM_EXEC_CONTROL,
			vmreadz(SECONDARY_VM_EXEC_CONTROL) | SECONDARY_EXEC_ENABLE_EPT);
		controls |= CPU_BASED_ACTIVATE_SECONDARY_CONTROLS;
	}
	vmwrite(CPU_BASED_VM_EXEC_CONTROL, controls);
	vmlaunch();
}

static void l1_main(void *pages, u64 nested_cr3)
{
	if (host_cpu_is_intel)
		l1_vmx(pages, nested_cr3);
	else
		l1_svm(pages, nested_cr3);
	GUEST_FAIL("L1 runs");
}

/* The vCPU enters L2, with L1's own memory or not; @regs: as those of a new vCPU. */
static void enter_l2(struct kvm_vcpu *vcpu, struct kvm_regs *regs, u64 nested_cr3)
{
	gva_t pages;

	if (host_cpu_is_intel)
		vcpu_alloc_vmx(vcpu->vm, &pages);
	else
		vcpu_alloc_svm(vcpu->vm, &pages);
	regs->rdi = pages;
	regs->rsi = nested_cr3;
	vmport_run_done(vcpu, l1_main, regs);
	TEST_ASSERT(vmport_is_in_l2(vcpu), "Not in L2");
}

/* The address is of L1's memory, whatever L2 has there. */
TEST_F(steal, l1s_clock_while_l2_runs)
{
	struct kvm_vcpu *vcpu = self->vcpus[0];
	unsigned long dirty[1] = { };
	u64 nested_cr3 = 0, clock;
	struct kvm_regs regs;
	u64 *l2_clock;

	if (!vmport_has_l2())
		SKIP(return, "no L2");

	vm_userspace_mem_region_add(self->vm, VM_MEM_SRC_ANONYMOUS, L2_GPA, L2_SLOT, CLOCK_PAGES,
				    KVM_MEM_LOG_DIRTY_PAGES);
	l2_clock = addr_gpa2hva(self->vm, L2_GPA + CLOCK - CLOCK_GPA);
	if (vmport_has_nested_paging())
		nested_cr3 = vmport_nested_tables(self->vm, L2_GPA);

	vcpu_regs_get(vcpu, &regs);
	ASSERT_EQ(stealclock(vcpu, CLOCK), STEAL_ON);
	enter_l2(vcpu, &regs, nested_cr3);
	kvm_vm_get_dirty_log(self->vm, CLOCK_SLOT, dirty);
	clock = clock_now(self->vm);
	wait_for(vcpu, ENOUGH);
	EXPECT_TRUE(vmport_is_in_l2(vcpu));
	EXPECT_GE(clock_now(self->vm), clock + cycles(ENOUGH / 2, self->khz));
	EXPECT_EQ(*l2_clock, 0);
	kvm_vm_get_dirty_log(self->vm, CLOCK_SLOT, dirty);
	EXPECT_EQ(dirty[0], 1ul << ((CLOCK - CLOCK_GPA) / 4096));
	kvm_vm_get_dirty_log(self->vm, L2_SLOT, dirty);
	EXPECT_EQ(dirty[0], 0);
}

static void *add_smm_memory(struct kvm_vm *vm, u32 slot, u64 gpa)
{
	size_t size = CLOCK_PAGES * 4096;
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	TEST_ASSERT(memory != MAP_FAILED, "No memory");
	vm_set_user_memory_region(vm, SMM_SLOT(slot), 0, gpa, size, memory);
	return memory;
}

/* In SMM, but with the code and the registers of now. */
static void set_smm(struct kvm_vcpu *vcpu, bool on)
{
	struct kvm_vcpu_events events;

	vcpu_events_get(vcpu, &events);
	events.flags |= KVM_VCPUEVENT_VALID_SMM;
	events.smi.smm = on;
	vcpu_events_set(vcpu, &events);
}

static bool is_in_smm(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu_events events;

	vcpu_events_get(vcpu, &events);
	return events.smi.smm;
}

/* It is the system's clock: firmware in SMM neither has it in its memory nor stops it. */
TEST_F(steal, the_systems_clock_while_in_smm)
{
	struct userspace_mem_region *image = memslot2region(self->vm, 0);
	struct kvm_vcpu *vcpu = self->vcpus[0];
	unsigned long dirty[1] = { };
	u64 clock, *smm_clock;

	if (!kvm_has_cap(KVM_CAP_X86_SMM) || kvm_check_cap(KVM_CAP_MULTI_ADDRESS_SPACE) < 2)
		SKIP(return, "no SMM");

	vm_set_user_memory_region(self->vm, SMM_SLOT(0), 0, image->region.guest_phys_addr,
				  image->region.memory_size, image->host_mem);
	smm_clock = add_smm_memory(self->vm, CLOCK_SLOT, CLOCK_GPA);
	smm_clock += (CLOCK - CLOCK_GPA) / sizeof(*smm_clock);
	add_smm_memory(self->vm, SMM_ONLY_SLOT, SMM_ONLY_GPA);

	ASSERT_EQ(stealclock(vcpu, CLOCK), STEAL_ON);
	set_smm(vcpu, true);
	kvm_vm_get_dirty_log(self->vm, CLOCK_SLOT, dirty);
	clock = clock_now(self->vm);
	wait_for(vcpu, ENOUGH);
	EXPECT_TRUE(is_in_smm(vcpu));
	EXPECT_GE(clock_now(self->vm), clock + cycles(ENOUGH / 2, self->khz));
	EXPECT_EQ(*smm_clock, 0);
	kvm_vm_get_dirty_log(self->vm, CLOCK_SLOT, dirty);
	EXPECT_EQ(dirty[0], 1ul << ((CLOCK - CLOCK_GPA) / 4096));

	/* A call from there means the same memory. */
	EXPECT_EQ(stealclock(vcpu, SMM_ONLY_GPA), STEAL_OFF);
	EXPECT_EQ(stealclock(vcpu, CLOCK), STEAL_ON);
	EXPECT_TRUE(is_in_smm(vcpu));
	set_smm(vcpu, false);
	clock = clock_now(self->vm);
	wait_for(vcpu, ENOUGH);
	EXPECT_GT(clock_now(self->vm), clock);
	EXPECT_EQ(*smm_clock, 0);
}

static void *toggle_run(void *data)
{
	struct kvm_vcpu *vcpu = data;
	int i;

	for (i = 0; i < 2000; i++) {
		stealclock(vcpu, i % 3 ? CLOCK : NO_CLOCK);
		stealclock(vcpu, i % 5 ? CLOCK + 64 : CLOCK + 1);
	}
	return NULL;
}

/* Of most use on a kernel with sanitizers. */
TEST_F(steal, while_the_state_is_read_loaded_and_reset)
{
	struct vmport_blob blob, other;
	pthread_t thread;
	int i;

	ASSERT_EQ(stealclock(self->vcpus[0], CLOCK), STEAL_ON);
	blob = vmport_save(self->vm);
	ASSERT_EQ(pthread_create(&thread, NULL, toggle_run, self->vcpus[0]), 0);
	for (i = 0; i < 200; i++) {
		other = vmport_save(self->vm);
		ASSERT_EQ(vmport_load(self->vm, i % 2 ? &blob : &other), 0);
		vmport_blob_free(&other);
		if (i % 4 == 0)
			ASSERT_EQ(vmport_reset(self->vm), 0);
	}
	pthread_join(thread, NULL);
	vmport_blob_free(&blob);
}

/* For whom there is no such command it is the VMM's. */
TEST(who_may_not_call_learns_nothing)
{
	static const u8 code[] = { 0xed, INT, DONE_VECTOR };
	struct vmport_regs in = steal_regs(CLOCK);
	struct vmport_outcome outcome, unknown;
	struct kvm_vcpu *vcpu;
	struct kvm_regs regs;
	struct kvm_vm *vm;
	struct vmport_user user;

	if (!(kvm_check_cap(KVM_CAP_X86_VMPORT) & KVM_VMPORT_FEATURE_STEALCLOCK))
		SKIP(return, "no KVM_VMPORT_FEATURE_STEALCLOCK");

	vm = vmport_vm_create(VMPORT_RPC, 1, &vcpu);
	add_memory(vm, 0);
	vmport_set_regs(vcpu, &regs, &in);
	vmport_run(vcpu, vmport_in, &regs);
	EXPECT_EQ(vcpu->run->exit_reason, KVM_EXIT_IO);
	EXPECT_EQ(vcpu->run->io.port, VMPORT_PORT);
	kvm_vm_free(vm);

	user = vmport_user_create(STEAL | KVM_VMPORT_FEATURE_RING3);
	add_memory(user.vm, 0);
	outcome = vmport_user_run(&user, code, sizeof(code), in);
	in.cx = 0x7fff;
	unknown = vmport_user_run(&user, code, sizeof(code), in);
	EXPECT_EQ(outcome.nr_exits, 1);
	EXPECT_EQ(outcome.io[0].port, VMPORT_PORT);
	EXPECT_EQ(outcome.frame.rax, unknown.frame.rax);
	EXPECT_EQ(outcome.nr_exits, unknown.nr_exits);
	kvm_vm_free(user.vm);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_VMPORT));

	return test_harness_run(argc, argv);
}
