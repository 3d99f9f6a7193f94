// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest can make its host hold at one instant: all vCPUs at once, all paths, for
 * VMPORT_SECONDS, in a memory cgroup with as much room as the interface says that it
 * needs and not a page more.  Neither may that ever be full, nor may the guest be refused
 * anything for want of memory.
 */
#include <pthread.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>

#include "vmport_cgroup.h"
#include "vmport_test.h"

#define FEATURES	(VMPORT_RPC | KVM_VMPORT_FEATURE_HB)
#define NR_VCPUS	VMPORT_MAX_VCPUS
/* One of them is that of the guest's tools. */
#define PER_VCPU	((KVM_VMPORT_MAX_CHANNELS - 1) / NR_VCPUS)
#define SECONDS		15
#define FULL		KVM_VMPORT_MAX_MESSAGE

/* The memory controller charges ahead, for each processor. */
#define CHARGED_AHEAD	(64 * 4096ul)

/* A state of all that one VM can have. */
#define STATE_ROOM	(24 << 20)

#define GET		"info-get guestinfo.v"
#define SET		"info-set guestinfo.v "
#define TOOLS		"OK ATR toolbox"

struct worker {
	pthread_t thread;
	struct vmport_channel channels[PER_VCPU];
	struct vmport_channel tools;	/* of the first only */
	u32 seed;
	unsigned int sets;
	unsigned int gets;
	unsigned int results;
};

static pthread_barrier_t filled;
static bool stop;

static u32 below(struct worker *worker, u32 n)
{
	worker->seed = worker->seed * 1103515245 + 12345;
	return (worker->seed >> 8) % n;
}

/* The guest's buffer, to the channel or from it, by one instruction. */
static void move_block(const struct vmport_channel *channel, bool in, u32 size)
{
	u64 buffer = vmport_buffer(channel->vcpu->id);
	struct kvm_regs regs = vmport_hb_regs(channel, VMPORT_HB_PORT, in, buffer, size);

	vmport_run_done(channel->vcpu, in ? vmport_rep_insb : vmport_rep_outsb, &regs);
	TEST_ASSERT((u32)regs.rbx >> 16 == VMPORT_SUCCESS && !regs.rcx,
		    "A block of %u bytes: EBX 0x%llx, RCX 0x%llx", size, regs.rbx, regs.rcx);
}

static void send_block(const struct vmport_channel *channel, const char *begin)
{
	memcpy(vmport_host_buffer(channel), begin, strlen(begin));
	TEST_ASSERT_EQ(vmport_msg_status(channel, VMPORT_MSG_SENDSIZE, FULL),
		       VMPORT_SUCCESS | VMPORT_HB);
	move_block(channel, false, FULL);
}

/* Replace the one key of all, by nearly 64 KiB. */
static void set_value(struct worker *worker, const struct vmport_channel *channel)
{
	char reply[32] = "";

	memset(vmport_host_buffer(channel), 'a' + below(worker, 26), FULL);
	send_block(channel, SET);
	vmport_recv(channel, reply, sizeof(reply) - 1);
	TEST_ASSERT(!strcmp(reply, "1 "), "The guest was refused: '%s'", reply);
	worker->sets++;
}

/* Ask for it, and let the reply wait. */
static u32 ask_for_value(const struct vmport_channel *channel)
{
	int size;

	vmport_send(channel, GET, strlen(GET));
	size = vmport_poll(channel);
	TEST_ASSERT(size > FULL - 64, "The guest was refused: a reply of %d bytes", size);
	return size;
}

static void get_value(struct worker *worker, const struct vmport_channel *channel)
{
	move_block(channel, true, ask_for_value(channel));
	TEST_ASSERT_EQ(vmport_msg_status(channel, VMPORT_MSG_RECVSTATUS, 1), VMPORT_SUCCESS);
	worker->gets++;
}

/* A reply that nobody reads, and a message that never ends: all that a channel holds. */
static void fill_channel(const struct vmport_channel *channel)
{
	ask_for_value(channel);
	TEST_ASSERT_EQ(vmport_msg_status(channel, VMPORT_MSG_SENDSIZE, FULL),
		       VMPORT_SUCCESS | VMPORT_HB);
	TEST_ASSERT_EQ(vmport_msg_status(channel, VMPORT_MSG_SENDPAYLOAD, 1), VMPORT_SUCCESS);
}

/* The guest's tools: run a request, if there is one, with the largest result. */
static void run_request(struct worker *worker)
{
	if (vmport_poll(&worker->tools) < 0)
		return;
	TEST_ASSERT_EQ(vmport_msg_status(&worker->tools, VMPORT_MSG_RECVSTATUS, 1),
		       VMPORT_SUCCESS);
	send_block(&worker->tools, "OK ");
	worker->results++;
}

static void open_tools(struct worker *worker, struct kvm_vcpu *vcpu)
{
	worker->tools = vmport_open(vcpu, VMPORT_TCLO | VMPORT_COOKIE);
	TEST_ASSERT_EQ(vmport_poll(&worker->tools), 5);
	TEST_ASSERT_EQ(vmport_msg_status(&worker->tools, VMPORT_MSG_RECVSTATUS, 1),
		       VMPORT_SUCCESS);
	vmport_send(&worker->tools, TOOLS, strlen(TOOLS));
}

static void *worker_run(void *data)
{
	struct worker *worker = data;
	struct vmport_channel *channel;
	int i;

	pthread_barrier_wait(&filled);
	while (!READ_ONCE(stop)) {
		channel = &worker->channels[below(worker, PER_VCPU)];
		for (i = 0; i < 4; i++)
			set_value(worker, channel);
		get_value(worker, channel);
		fill_channel(channel);
		if (worker->tools.vcpu)
			run_request(worker);
	}
	return NULL;
}

/* All but the one key, in pieces of which the allocator loses most. */
static void fill_store(struct kvm_vm *vm)
{
	static u8 value[480];	/* with the entry just past 512 */
	u32 left = KVM_VMPORT_MAX_GUESTINFO - FULL - 32;
	char key[8];
	int i;

	for (i = 0; left > sizeof(value) + 4; i++) {
		snprintf(key, sizeof(key), "%04x", i);
		TEST_ASSERT_EQ(vmport_set_entry(vm, key, 4, value, sizeof(value), 0), 0);
		left -= sizeof(value) + 4;
	}
}

/* The VMM: a result is read, a request takes its place; and it may save the state. */
static void be_vmm(struct kvm_vm *vm, u64 seconds, u8 *state)
{
	static u8 request[KVM_VMPORT_MAX_TCLO_REQUEST], result[FULL];
	time_t end = time(NULL) + seconds;
	u32 status, size = 0;
	u64 id, room;
	int i;

	for (i = 0; i < KVM_VMPORT_MAX_TCLO; i++)
		TEST_ASSERT_EQ(vmport_tclo_send(vm, request, sizeof(request), NULL), 0);
	while (time(NULL) < end) {
		usleep(20000);
		size = sizeof(result);
		if (!vmport_tclo_result(vm, result, &size, &id, &status))
			TEST_ASSERT_EQ(vmport_tclo_send(vm, request, sizeof(request), NULL), 0);
		room = STATE_ROOM;
		if (state)
			TEST_ASSERT_EQ(vmport_get_state(vm, state, &room), 0);
	}
}

static u64 seconds(void)
{
	const char *text = getenv("VMPORT_SECONDS");

	return text ? strtoull(text, NULL, 0) : SECONDS;
}

/* An exit status: 0, or how many things were wrong. */
static int run_bounded(bool saves)
{
	u64 bound = KVM_VMPORT_MAX_MEMORY + NR_VCPUS * KVM_VMPORT_MAX_MEMORY_VCPU +
		    (saves ? KVM_VMPORT_MAX_MEMORY : 0) + get_nprocs() * CHARGED_AHEAD;
	static struct worker workers[NR_VCPUS];
	struct kvm_vcpu *vcpus[NR_VCPUS];
	u64 start, limit, peak, full, killed;
	u8 *state = NULL;
	struct kvm_vm *vm;
	int i, j;

	if (!vmport_enter_cgroup())
		return KSFT_SKIP;
	vmport_hb_status = VMPORT_HB;
	vm = vmport_vm_create(FEATURES, NR_VCPUS, vcpus);
	if (saves)
		state = vmport_alloc(STATE_ROOM);
	pthread_barrier_init(&filled, NULL, NR_VCPUS + 1);
	/* What this process and its guest need themselves is there by the start. */
	TEST_ASSERT(!mlockall(MCL_CURRENT | MCL_FUTURE), "mlockall");
	TEST_ASSERT_EQ(vmport_set_text(vm, "guestinfo.v", ""), 0);
	for (i = 0; i < NR_VCPUS; i++) {
		workers[i].channels[0] = vmport_open(vcpus[i], VMPORT_RPCI | VMPORT_COOKIE);
		set_value(&workers[i], &workers[i].channels[0]);
		get_value(&workers[i], &workers[i].channels[0]);
		workers[i] = (struct worker) { .seed = i };
		pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]);
	}
	TEST_ASSERT_EQ(vmport_reset(vm), 0);
	TEST_ASSERT_EQ(vmport_delete(vm, "guestinfo.v"), 0);

	start = vmport_cgroup_number("memory.current");
	limit = start + bound;
	vmport_cgroup_limit(limit);
	full = vmport_cgroup_event("max");

	fill_store(vm);
	TEST_ASSERT_EQ(vmport_set_text(vm, "guestinfo.v", ""), 0);
	open_tools(&workers[0], vcpus[0]);
	for (i = 0; i < NR_VCPUS; i++) {
		for (j = 0; j < PER_VCPU; j++)
			workers[i].channels[j] = vmport_open(vcpus[i],
							     VMPORT_RPCI | VMPORT_COOKIE);
	}
	set_value(&workers[0], &workers[0].channels[0]);
	for (i = 0; i < NR_VCPUS; i++) {
		for (j = 0; j < PER_VCPU; j++)
			fill_channel(&workers[i].channels[j]);
	}
	pthread_barrier_wait(&filled);
	be_vmm(vm, seconds(), state);
	WRITE_ONCE(stop, true);
	for (i = 0; i < NR_VCPUS; i++) {
		pthread_join(workers[i].thread, NULL);
		printf("# vCPU %d: %u sets, %u gets, %u results\n", i, workers[i].sets,
		       workers[i].gets, workers[i].results);
	}
	peak = vmport_cgroup_number("memory.peak");
	full = vmport_cgroup_event("max") - full;
	killed = vmport_cgroup_event("oom_kill");
	printf("# at most %llu KiB more, %llu allowed; full %llu times\n",
	       (unsigned long long)(peak - start) >> 10, (unsigned long long)bound >> 10,
	       (unsigned long long)full);
	vmport_cgroup_limit(2 * limit);
	kvm_vm_free(vm);
	free(state);
	vmport_leave_cgroup();
	/* It has to have come near for that to say anything. */
	return (peak >= limit) + !!full + !!killed +
	       (peak - start < KVM_VMPORT_MAX_MEMORY / 4 * 3) + !workers[0].results;
}

/* In a process of its own: the kernel may kill the one that has no room. */
static int run_in_child(bool saves)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		status = run_bounded(saves);
		fflush(stdout);
		_exit(status);
	}
	TEST_ASSERT_EQ(waitpid(pid, &status, 0), pid);
	rmdir(VMPORT_CGROUP);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	printf("# killed by signal %d\n", WTERMSIG(status));
	return 1;
}

TEST(all_vcpus_on_all_paths)
{
	int status = run_in_child(false);

	if (status == KSFT_SKIP)
		SKIP(return, "no memory cgroup");
	EXPECT_EQ(status, 0);
}

TEST(all_vcpus_while_the_vmm_saves)
{
	int status = run_in_child(true);

	if (status == KSFT_SKIP)
		SKIP(return, "no memory cgroup");
	EXPECT_EQ(status, 0);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE((kvm_check_cap(KVM_CAP_X86_VMPORT) & FEATURES) == FEATURES);

	return test_harness_run(argc, argv);
}
