// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two tenants.  One has little processor time (cpu.max), 20 ms a second, and a guest that
 * makes RPCs in a loop.  The other's VMM loads its state, which must not wait until the
 * first may go on.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vmport_test.h"

#define TRIES	150
/* Well above what an emulated processor takes, well below what the first one waits. */
#define TOO_LONG_US	500000

static u32 guest_message(u32 request, u32 bx)
{
	u32 ax = VMPORT_MAGIC, cx = request << 16 | 30, dx = VMPORT_PORT, si = 0, di = 0;

	asm volatile("inl %%dx, %%eax"
		     : "+a" (ax), "+b" (bx), "+c" (cx), "+d" (dx), "+S" (si), "+D" (di)
		     : : "memory");
	return cx;
}

/* On channel 0: info-get guestinfo.a, for ever. */
static void guest_asks(void)
{
	for (;;) {
		guest_message(1, 20);
		guest_message(2, 0x6f666e69);	/* info */
		guest_message(2, 0x7465672d);	/* -get */
		guest_message(2, 0x65756720);	/*  gue */
		guest_message(2, 0x6e697473);	/* stin */
		guest_message(2, 0x612e6f66);	/* fo.a */
	}
}

/* The same number of exits, and none of them the interface's. */
static void guest_exits(void)
{
	u32 ax, bx, cx, dx;

	for (;;) {
		ax = 0;
		asm volatile("cpuid" : "+a" (ax), "=b" (bx), "=c" (cx), "=d" (dx));
	}
}

static void noisy(int go, void (*guest)(void))
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vmport_vm_create(VMPORT_RPC, 1, &vcpu);
	static u8 value[65000];
	struct kvm_regs regs = { };
	char c;

	vmport_open(vcpu, VMPORT_RPCI);
	TEST_ASSERT_EQ(vmport_set_entry(vm, "guestinfo.a", 11, value, sizeof(value), 0), 0);
	TEST_ASSERT_EQ(read(go, &c, 1), 1);
	regs.rsp = vmport_stack_top(vcpu->id) - 8;
	vmport_start(vcpu, guest, &regs);
	for (;;)
		__vcpu_run(vcpu);
}

static void pin(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	TEST_ASSERT(fd >= 0 && write(fd, text, strlen(text)) == strlen(text),
		    "%s: %d", path, errno);
	close(fd);
}

static u64 now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

static u64 longest(struct kvm_vm *vm, const char *what)
{
	struct vmport_blob blob = vmport_save(vm);
	u64 begin, took, most = 0, sum = 0;
	int i, slow = 0;

	for (i = 0; i < TRIES; i++) {
		begin = now_us();
		TEST_ASSERT_EQ(vmport_load(vm, &blob), 0);
		took = now_us() - begin;
		most = max(most, took);
		sum += took;
		slow += took > 100000;
		usleep(23000);
	}
	printf("# %s: SET took %lu us at most, %lu us on average, %d of %d more than 100 ms\n",
	       what, most, sum / TRIES, slow, TRIES);
	vmport_blob_free(&blob);
	return most;
}

static u64 beside(const char *what, void (*guest)(void))
{
	struct kvm_vm *vm = vmport_vm_create_barebones(VMPORT_RPC);
	char text[64];
	int go[2];
	pid_t pid;
	u64 most;

	TEST_ASSERT_EQ(pipe(go), 0);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(0);
		noisy(go[0], guest);
	}
	pin(1);
	sleep(2);
	TEST_ASSERT_EQ(write(go[1], "x", 1), 1);
	sleep(1);
	longest(vm, what);
	snprintf(text, sizeof(text), "%d", pid);
	put("/cg/a/cgroup.procs", text);
	sleep(1);
	snprintf(text, sizeof(text), "%s, throttled", what);
	most = longest(vm, text);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	kvm_vm_free(vm);
	return most;
}

/* Is there a group whose processes may be kept from running? */
static bool make_group(void)
{
	FILE *file;
	int fails;

	mkdir("/cg", 0755);
	if (mount("none", "/cg", "cgroup2", 0, NULL))
		return false;
	file = fopen("/cg/cgroup.subtree_control", "w");
	if (!file)
		return false;
	fputs("+cpu", file);
	/* A kernel without that controller says so here. */
	fails = fclose(file);
	mkdir("/cg/a", 0755);
	return !fails && !access("/cg/a/cpu.max", W_OK);
}

TEST(a_poor_neighbour_costs_nothing)
{
	if (!make_group())
		SKIP(return, "needs cgroups that limit processor time");
	put("/cg/a/cpu.max", "20000 1000000");
	/* The control: the same without a call. */
	EXPECT_LT(beside("the neighbour does CPUID", guest_exits), TOO_LONG_US);
	EXPECT_LT(beside("the neighbour asks", guest_asks), TOO_LONG_US);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_X86_VMPORT) & KVM_VMPORT_FEATURE_RPC);

	return test_harness_run(argc, argv);
}
