// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the VMware guest interface costs.  No test: it prints
 *
 *	@@BENCH GROUP NAME NUMBER
 *
 * for a script.  The group "instructions" has ticks of the TSC, which under an emulator
 * can count instructions (QEMU: -icount shift=0).  A loop's own instructions are in its
 * figures: nine a call, to load the registers.
 *
 *	vmport_bench kvm NAME		exits of KVM's own, no capability; NAME is
 *					added to the names of the figures
 *	vmport_bench vmm		GETVERSION, answered by a VMM
 *	vmport_bench costs		everything that one vCPU shows
 *	vmport_bench scaling SECONDS	calls a second of one and of two
 *					vCPUs, best of some runs so long
 *	vmport_bench loop ring0|ring3|get|set|hb	one thing for ever, for a profiler
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "apic.h"

#include "vmport_bench.h"
#include "vmport_user.h"

#define KERNEL_PORT	0x4d0	/* level or edge of interrupts: one byte of KVM's */
#define X2APIC_ICR_MSR	0x830
#define NOBODYS_APIC_ID	0xfd
#define NEIGHBOUR_CHANNELS	64
#define NEIGHBOUR_VMS	7
#define ANSWERED_VERSION	6
#define ROUNDS		5
#define CALLS		100

#define VALUE_SMALL	16
#define VALUE_LARGE	(32 * 1024)
#define MESSAGE_LARGE	(64 * 1024)
#define MIB		(1024 * 1024)

#define FEATURES	(VMPORT_RING3 | (kvm_check_cap(KVM_CAP_X86_VMPORT) & \
					 KVM_VMPORT_FEATURE_HB))

static void report(const char *group, const char *name, double number)
{
	printf("@@BENCH %s %s %.3f\n", group, name, number);
	fflush(stdout);
}

static u64 ticks(void)
{
	u32 low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

/* Registers of @count calls that the guest's loops take. */
static struct kvm_regs loop_regs(const struct vmport_regs *in, u32 count)
{
	return (struct kvm_regs) {
		.r8 = count,
		.r9 = in->cx,
		.r10 = in->dx,
		.r11 = in->bx,
		.r12 = in->si,
		.r13 = in->di,
		.rsp = vmport_stack_top(0),
	};
}

/* Ticks of one run in ring 0. */
static u32 run_once(struct kvm_vcpu *vcpu, const void *rip, struct kvm_regs regs)
{
	vmport_run_done(vcpu, rip, &regs);
	return regs.rax;
}

/*
 * The fewest ticks of some rounds: others have interrupts of the host in them.
 * @prepare, if any, comes before each.
 */
static u32 run_best(struct kvm_vcpu *vcpu, const void *rip, struct kvm_regs regs,
		    void (*prepare)(const void *data), const void *data)
{
	u32 best = -1;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		if (prepare)
			prepare(data);
		best = min_t(u32, best, run_once(vcpu, rip, regs));
	}
	return best;
}

static struct vmport_regs command(u16 nr)
{
	return (struct vmport_regs) { .ax = VMPORT_MAGIC, .cx = nr, .dx = VMPORT_PORT };
}

static void report_loop(struct kvm_vcpu *vcpu, const char *name, const void *rip,
			struct kvm_regs regs)
{
	report("instructions", name, run_best(vcpu, rip, regs, NULL, NULL) / (double)CALLS);
}

/*
 * KVM's own exits: a port that KVM has; INVD, for which it does nothing; an IPI to a
 * processor that is not there, in its fast path.
 */
static void bench_kvm(const char *variant)
{
	struct vmport_regs in = { .dx = KERNEL_PORT };
	struct vmport_regs icr = { .cx = X2APIC_ICR_MSR, .dx = NOBODYS_APIC_ID };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vmport_vm_create(0, 1, &vcpu);
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	char name[64];

	snprintf(name, sizeof(name), "pio_kernel%s", variant);
	report_loop(vcpu, name, bench_port, loop_regs(&in, CALLS));

	snprintf(name, sizeof(name), "invd%s", variant);
	report_loop(vcpu, name, bench_invd, loop_regs(&in, CALLS));

	vcpu_sregs_get(vcpu, &sregs);
	sregs.apic_base |= MSR_IA32_APICBASE_ENABLE | X2APIC_ENABLE;
	vcpu_sregs_set(vcpu, &sregs);
	regs = loop_regs(&icr, CALLS);
	regs.rbp = APIC_DM_FIXED | APIC_INT_ASSERT | 0x30;
	snprintf(name, sizeof(name), "wrmsr%s", variant);
	report_loop(vcpu, name, bench_wrmsr, regs);
	kvm_vm_free(vm);
}

/*
 * Ticks of GETVERSION, answered by a VMM that does nothing else: what registers it needs lie in
 * memory, and it makes no other system call.
 */
static u32 run_answering(struct kvm_vcpu *vcpu, struct kvm_regs regs)
{
	struct kvm_run *run = vcpu->run;

	vmport_start(vcpu, bench_calls, &regs);
	run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	while (!ioctl(vcpu->fd, KVM_RUN, NULL) && run->exit_reason == KVM_EXIT_IO &&
	       run->io.port == VMPORT_PORT) {
		*(u32 *)((u8 *)run + run->io.data_offset) = ANSWERED_VERSION;
		run->s.regs.regs.rbx = VMPORT_MAGIC;
		run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	}
	TEST_ASSERT(vmport_is_done(vcpu), "Exit %u", run->exit_reason);
	return run->s.regs.regs.rax;
}

/* The floor of what can be had without this code. */
static void bench_vmm(void)
{
	struct vmport_regs in = command(VMPORT_CMD_GETVERSION);
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vmport_vm_create(0, 1, &vcpu);
	u32 best = -1;
	int i;

	for (i = 0; i < ROUNDS; i++)
		best = min_t(u32, best, run_answering(vcpu, loop_regs(&in, CALLS)));
	report("instructions", "vmm_getversion", best / (double)CALLS);
	kvm_vm_free(vm);
}

/* Ticks of bench_calls in ring 3. */
static u32 run_once_ring3(struct vmport_user *user, struct kvm_regs regs)
{
	static const u8 end[] = { INT, DONE_VECTOR };
	struct vmport_outcome outcome;
	u32 size = bench_calls_end - bench_calls;

	regs.rsp = vmport_buffer(0) + 2048;
	memcpy(addr_gva2hva(user->vm, USER_CODE), bench_calls, size);
	vmport_user_start(user, size, end, sizeof(end), &regs);
	regs.rip = vmport_user_rip(0);
	vcpu_regs_set(user->vcpu, &regs);
	outcome = vmport_user_continue(user);
	TEST_ASSERT(!outcome.nr_exits && outcome.frame.vector == DONE_VECTOR,
		    "Calls from ring 3 are not answered: vector %lu", outcome.frame.vector);
	vcpu_sregs_set(user->vcpu, &user->kernel);
	return outcome.frame.rax;
}

/* The same call in a loop, in ring 0 and in ring 3. */
static void bench_call(struct vmport_user *user, const char *name, struct vmport_regs in,
		       void (*prepare)(const void *data), const void *data)
{
	struct kvm_regs regs = loop_regs(&in, CALLS);
	char text[64];
	u32 best = -1;
	int i;

	vcpu_sregs_set(user->vcpu, &user->kernel);
	snprintf(text, sizeof(text), "%s_ring0", name);
	report("instructions", text,
	       run_best(user->vcpu, bench_calls, regs, prepare, data) / (double)CALLS);

	for (i = 0; i < ROUNDS; i++) {
		if (prepare)
			prepare(data);
		best = min_t(u32, best, run_once_ring3(user, regs));
	}
	snprintf(text, sizeof(text), "%s_ring3", name);
	report("instructions", text, best / (double)CALLS);
}

static void prepare_send(const void *data)
{
	TEST_ASSERT(vmport_msg_status(data, VMPORT_MSG_SENDSIZE, MESSAGE_LARGE) & VMPORT_SUCCESS,
		    "SENDSIZE");
}

static void prepare_receive(const void *data)
{
	vmport_send(data, "info-get guestinfo.large", 24);
}

static void bench_commands(void)
{
	static const struct {
		const char *name;
		u16 nr;
	} commands[] = {
		{ "getversion",		VMPORT_CMD_GETVERSION },
		{ "getmhz",		VMPORT_CMD_GETMHZ },
		{ "gethwversion",	VMPORT_CMD_GETHWVERSION },
		{ "getuuid",		VMPORT_CMD_GETUUID },
		{ "getmemsize",		VMPORT_CMD_GETMEMSIZE },
		{ "gettime",		VMPORT_CMD_GETTIME },
		{ "gettimefull",	VMPORT_CMD_GETTIMEFULL },
		{ "gettimefull_with_lag", VMPORT_CMD_GETTIMEFULL_WITH_LAG },
		{ "gethz",		VMPORT_CMD_GETHZ },
		{ "get_vcpu_info",	VMPORT_CMD_GET_VCPU_INFO },
	};
	struct vmport_user user = vmport_user_create(VMPORT_RING3);
	struct kvm_vmport_identity identity;
	struct vmport_channel channel;
	u8 *value = vmport_alloc(VALUE_LARGE);
	int i;

	TEST_ASSERT_EQ(vmport_get_identity(user.vm, &identity), 0);
	identity.memory_mib = 512;
	memset(identity.uuid, 0x5a, sizeof(identity.uuid));
	TEST_ASSERT_EQ(vmport_set_identity(user.vm, &identity), 0);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		bench_call(&user, commands[i].name, command(commands[i].nr), NULL, NULL);

	TEST_ASSERT_EQ(vmport_set_entry(user.vm, "guestinfo.large", 15, value, VALUE_LARGE, 0), 0);
	vcpu_sregs_set(user.vcpu, &user.kernel);
	channel = vmport_open(user.vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	/* A message that fits the buffer at hand, as all but the first do. */
	vmport_rpc_text(&channel, "info-get guestinfo.none");
	bench_call(&user, "sendsize", vmport_msg_regs(&channel, VMPORT_MSG_SENDSIZE, 40),
		   NULL, NULL);
	bench_call(&user, "sendpayload", vmport_msg_regs(&channel, VMPORT_MSG_SENDPAYLOAD, 0),
		   prepare_send, &channel);
	bench_call(&user, "recvsize", vmport_msg_regs(&channel, VMPORT_MSG_RECVSIZE, 0),
		   prepare_receive, &channel);
	bench_call(&user, "recvpayload", vmport_msg_regs(&channel, VMPORT_MSG_RECVPAYLOAD, 1),
		   prepare_receive, &channel);
	free(value);
	kvm_vm_free(user.vm);
}

/* Whole requests of an RPC on an open channel, SENDSIZE to RECVSTATUS. */
static void bench_info_get(struct vmport_channel *channel, const char *request,
			   const char *name_lb, const char *name_hb)
{
	struct vmport_regs in = vmport_msg_regs(channel, 0, strlen(request));
	u64 buffer = vmport_buffer(0);
	u32 words = (strlen(request) + 3) / 4;
	struct kvm_regs regs = loop_regs(&in, words);

	memcpy(vmport_host_buffer(channel), request, strlen(request));
	regs.rbp = buffer;
	report("instructions", name_lb, run_best(channel->vcpu, bench_rpc, regs, NULL, NULL));

	if (!(FEATURES & KVM_VMPORT_FEATURE_HB))
		return;
	regs.r8 = buffer;
	regs.r9 = buffer + words * 4;
	report("instructions", name_hb, run_best(channel->vcpu, bench_rpc_hb, regs, NULL, NULL));
}

/* An exit for a string instruction: KVM emulates it, whatever the port. */
static void bench_string(struct kvm_vcpu *vcpu)
{
	struct vmport_regs in = { .bx = 1, .dx = KERNEL_PORT };
	struct kvm_regs regs = loop_regs(&in, 0);

	regs.r8 = vmport_buffer(0);
	report("instructions", "pio_kernel_string",
	       run_best(vcpu, bench_hb_send, regs, NULL, NULL));
}

static void bench_rpc_conversations(void)
{
	struct vmport_regs in = { .bx = VMPORT_RPCI | VMPORT_COOKIE, .dx = VMPORT_PORT };
	u8 *value = vmport_alloc(VALUE_LARGE);
	struct vmport_channel channel;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vmport_vm_create(FEATURES, 1, &vcpu);
	struct kvm_regs regs;

	bench_string(vcpu);
	report("instructions", "open_close_ring0",
	       run_best(vcpu, bench_open_close, loop_regs(&in, 10), NULL, NULL) / 10.0);

	TEST_ASSERT_EQ(vmport_set_entry(vm, "guestinfo.small", 15, value, VALUE_SMALL, 0), 0);
	TEST_ASSERT_EQ(vmport_set_entry(vm, "guestinfo.large", 15, value, VALUE_LARGE, 0), 0);
	channel = vmport_open(vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	bench_info_get(&channel, "info-get guestinfo.small", "info_get_16_lb", "info_get_16_hb");
	bench_info_get(&channel, "info-get guestinfo.large", "info_get_32k_lb", "info_get_32k_hb");

	if (FEATURES & KVM_VMPORT_FEATURE_HB) {
		in = vmport_msg_regs(&channel, 0, MESSAGE_LARGE);
		regs = loop_regs(&in, 0);
		regs.r8 = vmport_buffer(0);
		memcpy(vmport_host_buffer(&channel), "log ", 4);
		report("instructions", "hb_send_64k",
		       run_best(vcpu, bench_hb_send, regs, prepare_send, &channel));
		/* It came as a whole: the reply is "1 ". */
		TEST_ASSERT_EQ(vmport_msg(&channel, VMPORT_MSG_RECVSIZE, 0).bx, 2);
	}
	free(value);
	kvm_vm_free(vm);
}

static void bench_copy(const char *name, size_t size)
{
	u8 *from = vmport_alloc(size), *to = vmport_alloc(size);
	u64 start, best = -1;
	int i;

	memset(to, 1, size);
	memset(from, 2, size);
	for (i = 0; i < ROUNDS; i++) {
		start = ticks();
		bench_copy_words(to, from, size);
		best = min_t(u64, best, ticks() - start);
	}
	report("instructions", name, best);
	free(from);
	free(to);
}

/* GET and SET of what the VM has now, into memory that is there. */
static void bench_get_set(struct kvm_vm *vm, const char *get, const char *set)
{
	struct vmport_blob blob = vmport_save(vm);
	u64 start, best_get = -1, best_set = -1;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		start = ticks();
		TEST_ASSERT_EQ(vmport_get_state(vm, blob.data, &blob.size), 0);
		best_get = min_t(u64, best_get, ticks() - start);
		start = ticks();
		TEST_ASSERT_EQ(vmport_load(vm, &blob), 0);
		best_set = min_t(u64, best_set, ticks() - start);
	}
	report("instructions", get, best_get);
	report("instructions", set, best_set);
	vmport_blob_free(&blob);
}

static u64 state_size(struct kvm_vm *vm)
{
	struct vmport_blob blob = vmport_save(vm);
	u64 size = blob.size;

	vmport_blob_free(&blob);
	return size;
}

static void fill_keys(struct kvm_vm *vm, u32 count, u32 value_size)
{
	u8 *value = vmport_alloc(value_size);
	char key[32];
	u32 i;

	for (i = 0; i < count; i++) {
		snprintf(key, sizeof(key), "guestinfo.k%05u", i);
		TEST_ASSERT(!vmport_set_entry(vm, key, strlen(key), value, value_size, 0),
			    "Key %u: error %u", i, vmport_error);
	}
	free(value);
}

/* What a guest has that cloud-init has set up and in which VMware's daemons run. */
static void fill_typical(struct kvm_vm *vm, struct kvm_vcpu *vcpu)
{
	static const struct {
		const char *key;
		u32 size;
	} values[] = {
		{ "guestinfo.metadata", 512 },
		{ "guestinfo.metadata.encoding", 11 },
		{ "guestinfo.userdata", 8192 },
		{ "guestinfo.userdata.encoding", 11 },
		{ "guestinfo.appInfo", 2048 },
	};
	u8 *value = vmport_alloc(8192);
	struct vmport_channel sending;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(values); i++)
		TEST_ASSERT(!vmport_set_entry(vm, values[i].key, strlen(values[i].key), value,
					      values[i].size, 0),
			    "%s: error %u", values[i].key, vmport_error);
	/* Two daemons, and one report on its way. */
	for (i = 0; i < 2; i++) {
		vmport_open(vcpu, VMPORT_TCLO | VMPORT_COOKIE);
		sending = vmport_open(vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	}
	TEST_ASSERT(vmport_msg_status(&sending, VMPORT_MSG_SENDSIZE, 1024) & VMPORT_SUCCESS,
		    "SENDSIZE");
	vmport_send_payload(&sending, value, 512);
	free(value);
}

static void bench_state(void)
{
	struct kvm_vm *vm = vmport_vm_create_barebones(VMPORT_RPC);
	struct kvm_vcpu *vcpu;
	int i;

	report("bytes", "state_empty", state_size(vm));
	bench_get_set(vm, "state_get_empty", "state_set_empty");

	/* All that fits: 16 keys of 16 bytes. */
	fill_keys(vm, 16, MIB / 16 - 16);
	report("bytes", "state_1m", state_size(vm));
	report("bytes", "state_1m_live", MIB);
	bench_get_set(vm, "state_get_1m", "state_set_1m");
	kvm_vm_free(vm);

	vm = vmport_vm_create(VMPORT_RPC, 1, &vcpu);
	fill_typical(vm, vcpu);
	report("bytes", "state_typical", state_size(vm));
	bench_get_set(vm, "state_get_typical", "state_set_typical");
	kvm_vm_free(vm);

	vm = vmport_vm_create_barebones(VMPORT_RPC);
	fill_keys(vm, KVM_VMPORT_MAX_KEYS, VALUE_SMALL);
	report("bytes", "state_4096_keys", state_size(vm));
	report("bytes", "state_4096_keys_live", KVM_VMPORT_MAX_KEYS * (16 + VALUE_SMALL));
	kvm_vm_free(vm);

	vm = vmport_vm_create(VMPORT_RPC, 1, &vcpu);
	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS; i++)
		vmport_open(vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	report("bytes", "state_128_channels", state_size(vm));
	kvm_vm_free(vm);

	bench_copy("copy_64k", MESSAGE_LARGE);
	bench_copy("copy_1m", MIB);
}

/* What the last word of "info-get" costs, the lookup in it; mean of 64 keys. */
static double lookup_cost(u32 keys)
{
	struct vmport_channel channel;
	struct vmport_regs in;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vmport_vm_create(VMPORT_RPC, 1, &vcpu);
	char request[32];
	double sum = 0;
	u32 i, j, best;

	fill_keys(vm, keys, VALUE_SMALL);
	channel = vmport_open(vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	for (i = 0; i < 64; i++) {
		snprintf(request, sizeof(request), "info-get guestinfo.k%05u",
			 (u32)(i * (u64)keys / 64));
		in = vmport_msg_regs(&channel, VMPORT_MSG_SENDPAYLOAD, 0);
		for (j = 0, best = -1; j < 2; j++) {
			TEST_ASSERT(vmport_msg_status(&channel, VMPORT_MSG_SENDSIZE,
						      strlen(request)) & VMPORT_SUCCESS,
				    "SENDSIZE");
			memcpy(vmport_host_buffer(&channel), request, strlen(request));
			TEST_ASSERT_EQ(vmport_loop(&channel, vmport_send_loop,
						   VMPORT_MSG_SENDPAYLOAD,
						   (strlen(request) + 3) / 4 - 1), 0);
			memcpy(&in.bx, request + (strlen(request) - 1) / 4 * 4, 4);
			best = min_t(u32, best, run_once(vcpu, bench_calls, loop_regs(&in, 1)));
		}
		TEST_ASSERT_EQ(vmport_poll(&channel), 2 + VALUE_SMALL);
		sum += best;
	}
	kvm_vm_free(vm);
	return sum / 64;
}

static void bench_lookup(void)
{
	double few = lookup_cost(4), many = lookup_cost(4096);

	report("instructions", "lookup_4", few);
	report("instructions", "lookup_4096", many);
	report("scaling", "lookup_4096_over_4", many / few);
}

/* RECVPAYLOAD of a reply that never ends: past the end there are zeroes. */
static struct kvm_regs receiving(const struct vmport_channel *channel, u32 count)
{
	struct vmport_regs in = vmport_msg_regs(channel, VMPORT_MSG_RECVPAYLOAD, 1);

	vmport_send(channel, "info-get guestinfo.none", 23);
	return loop_regs(&in, count);
}

/* What a request costs while other channels are open, and while other VMs have the interface. */
static void bench_neighbours(void)
{
	struct vmport_regs version = command(VMPORT_CMD_GETVERSION);
	struct kvm_vm *vm, *others[NEIGHBOUR_VMS];
	struct vmport_channel channel;
	double alone, many;
	struct kvm_regs regs;
	struct kvm_vcpu *vcpu;
	int i;

	vm = vmport_vm_create(VMPORT_RPC, 1, &vcpu);
	channel = vmport_open(vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	regs = receiving(&channel, CALLS);
	alone = run_best(vcpu, bench_calls, regs, NULL, NULL);
	for (i = 1; i < NEIGHBOUR_CHANNELS; i++)
		vmport_open(vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	many = run_best(vcpu, bench_calls, regs, NULL, NULL);
	report("scaling", "channels_64_over_1", many / alone);

	regs = loop_regs(&version, CALLS);
	alone = run_best(vcpu, bench_calls, regs, NULL, NULL);
	for (i = 0; i < NEIGHBOUR_VMS; i++)
		others[i] = vmport_vm_create_barebones(VMPORT_RPC);
	many = run_best(vcpu, bench_calls, regs, NULL, NULL);
	report("scaling", "vms_8_over_1", many / alone);
	for (i = 0; i < NEIGHBOUR_VMS; i++)
		kvm_vm_free(others[i]);
	kvm_vm_free(vm);
}

/*
 * Bytes of the slab allocator that enabling the capability takes, rounded up as
 * the allocator does: what its trace events say of this process.
 */
#define TRACING		"/sys/kernel/tracing/"

static bool write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	bool ok;

	if (!file)
		return false;
	ok = fputs(text, file) >= 0;
	return !fclose(file) && ok;
}

static u64 trace_number(const char *line, const char *name)
{
	const char *at = strstr(line, name);

	TEST_ASSERT(at, "No %s in: %s", name, line);
	return strtoull(at + strlen(name), NULL, 0);
}

static void bench_idle(void)
{
	static const char * const events[] = { "kmalloc", "kmem_cache_alloc", "kfree" };
	static char ptr[64][32];
	static u64 size[64];
	struct kvm_vm *vm = vm_create_barebones();
	char text[512], *at;
	u64 bytes = 0;
	FILE *trace;
	int i, n = 0;

	snprintf(text, sizeof(text), "%d", getpid());
	if (!write_file(TRACING "set_event_pid", text)) {
		report("failed", "idle_vm", 0);
		return;
	}
	write_file(TRACING "trace", "");
	for (i = 0; i < ARRAY_SIZE(events); i++) {
		snprintf(text, sizeof(text), TRACING "events/kmem/%s/enable", events[i]);
		TEST_ASSERT(write_file(text, "1"), "No event %s", events[i]);
	}
	vm_enable_cap(vm, KVM_CAP_X86_VMPORT, VMPORT_RING3);
	for (i = 0; i < ARRAY_SIZE(events); i++) {
		snprintf(text, sizeof(text), TRACING "events/kmem/%s/enable", events[i]);
		write_file(text, "0");
	}

	trace = fopen(TRACING "trace", "r");
	TEST_ASSERT(trace, "No trace");
	while (fgets(text, sizeof(text), trace)) {
		at = strstr(text, " ptr=");
		/* Of KVM's functions alone: those of our own writes are not. */
		if (!at || !strstr(text, "[kvm"))
			continue;
		if (strstr(text, " kfree: ")) {
			for (i = 0; i < n; i++) {
				if (!strncmp(ptr[i], at, strcspn(at + 1, "\n ") + 1))
					size[i] = 0;
			}
			continue;
		}
		TEST_ASSERT(n < ARRAY_SIZE(ptr), "More allocations than expected");
		snprintf(ptr[n], sizeof(ptr[n]), "%.*s", (int)strcspn(at + 1, "\n ") + 1, at);
		size[n++] = trace_number(text, "bytes_alloc=");
		printf("# %s", text);
	}
	fclose(trace);
	for (i = 0; i < n; i++)
		bytes += size[i];
	TEST_ASSERT(n, "No allocation seen");
	report("bytes", "idle_vm", bytes);
	kvm_vm_free(vm);
}

#define SCALING_CALLS	1000
#define SCALING_ROUNDS	15
#define SCALING_COPY	2048

/*
 * A vCPU that calls until the time is up.  For comparison, to show what a second
 * processor is worth here: one with another exit, CPUID, where no code is ours
 * and nothing shared; or, without a vCPU, a thread that copies.
 */
struct caller {
	pthread_t thread;
	struct kvm_vcpu *vcpu;
	const void *rip;
	struct kvm_regs regs;
	u8 copy[2 * SCALING_COPY];
	int cpu;
	u64 calls;
	double seconds;
};

static bool stop;
static pthread_barrier_t barrier;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static void call_or_copy(struct caller *caller)
{
	int i;

	if (caller->vcpu) {
		run_once(caller->vcpu, caller->rip, caller->regs);
		return;
	}
	for (i = 0; i < SCALING_CALLS; i++)
		bench_copy_words(caller->copy, caller->copy + SCALING_COPY, SCALING_COPY);
}

static void *caller_thread(void *data)
{
	struct caller *caller = data;
	cpu_set_t set;
	double start;

	CPU_ZERO(&set);
	CPU_SET(caller->cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	call_or_copy(caller);
	caller->calls = 0;
	pthread_barrier_wait(&barrier);
	start = now();
	do {
		call_or_copy(caller);
		caller->calls += SCALING_CALLS;
	} while (!READ_ONCE(stop));
	caller->seconds = now() - start;
	return NULL;
}

/* Calls a second of all callers together. */
static double run_callers(struct caller *callers, int count, double seconds)
{
	double sum = 0;
	int i;

	WRITE_ONCE(stop, false);
	pthread_barrier_init(&barrier, NULL, count + 1);
	for (i = 0; i < count; i++) {
		callers[i].cpu = i;
		pthread_create(&callers[i].thread, NULL, caller_thread, &callers[i]);
	}
	pthread_barrier_wait(&barrier);
	usleep(seconds * 1000000);
	WRITE_ONCE(stop, true);
	for (i = 0; i < count; i++) {
		pthread_join(callers[i].thread, NULL);
		sum += callers[i].calls / callers[i].seconds;
	}
	pthread_barrier_destroy(&barrier);
	return sum;
}

static struct caller caller_receiving(struct kvm_vcpu *vcpu)
{
	struct vmport_channel channel = vmport_open(vcpu, VMPORT_RPCI | VMPORT_COOKIE);

	return (struct caller) {
		.vcpu = vcpu,
		.rip = bench_calls,
		.regs = receiving(&channel, SCALING_CALLS),
	};
}

static void bench_scaling(double seconds)
{
	struct vmport_regs version = command(VMPORT_CMD_GETVERSION);
	struct caller callers[4] = { };
	struct kvm_vcpu *vcpus[2], *other[2];
	double best[10] = { };
	int i;

	/* Before any vCPU runs: enabling the first capability changes code. */
	vmport_vm_create(VMPORT_RPC, 2, vcpus);
	vmport_vm_create(VMPORT_RPC, 2, other);

	for (i = 0; i < 2; i++) {
		callers[i] = caller_receiving(vcpus[i]);
		callers[2 + i] = caller_receiving(other[i]);
	}

	/* Short and often: the best are those that nobody else disturbed. */
	for (i = 0; i < SCALING_ROUNDS; i++) {
		struct caller pair[2] = { callers[0], callers[1] };

		best[0] = max(best[0], run_callers(pair, 1, seconds));
		best[1] = max(best[1], run_callers(pair, 2, seconds));

		pair[1].regs = pair[0].regs;
		best[2] = max(best[2], run_callers(pair, 2, seconds));

		pair[0] = callers[0];
		pair[1] = callers[2];
		best[3] = max(best[3], run_callers(pair, 2, seconds));

		pair[0].regs = loop_regs(&version, SCALING_CALLS);
		pair[1] = pair[0];
		pair[1].vcpu = vcpus[1];
		best[4] = max(best[4], run_callers(pair, 1, seconds));
		best[5] = max(best[5], run_callers(pair, 2, seconds));

		pair[0].rip = bench_cpuid;
		pair[1].rip = bench_cpuid;
		best[6] = max(best[6], run_callers(pair, 1, seconds));
		best[7] = max(best[7], run_callers(pair, 2, seconds));

		pair[0].vcpu = NULL;
		pair[1].vcpu = NULL;
		best[8] = max(best[8], run_callers(pair, 1, seconds));
		best[9] = max(best[9], run_callers(pair, 2, seconds));
	}
	report("scaling", "calls_1_vcpu", best[0]);
	report("scaling", "calls_2_vcpus_2_channels", best[1]);
	report("scaling", "calls_2_vcpus_1_channel", best[2]);
	report("scaling", "calls_2_vms", best[3]);
	report("scaling", "getversion_1_vcpu", best[4]);
	report("scaling", "getversion_2_vcpus", best[5]);
	report("scaling", "cpuid_1_vcpu", best[6]);
	report("scaling", "cpuid_2_vcpus", best[7]);
	report("scaling", "copies_1_thread", best[8]);
	report("scaling", "copies_2_threads", best[9]);
	report("scaling", "two_vcpus_over_one", best[1] / best[0]);
	report("scaling", "two_vms_over_one", best[3] / best[0]);
	report("scaling", "two_vcpus_over_one_cpuid", best[7] / best[6]);
	report("scaling", "two_threads_over_one", best[9] / best[8]);
}

/* One thing for ever: "ring0" and "ring3" are GETVERSION. */
static void loop(const char *what)
{
	struct vmport_regs in = command(VMPORT_CMD_GETVERSION);
	struct vmport_user user = vmport_user_create(FEATURES);
	struct vmport_channel channel;
	struct vmport_blob blob;
	struct kvm_regs regs;

	vcpu_sregs_set(user.vcpu, &user.kernel);
	channel = vmport_open(user.vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	memcpy(vmport_host_buffer(&channel), "log ", 4);
	fill_keys(user.vm, 16, MIB / 16 - 16);
	blob = vmport_save(user.vm);
	printf("@@BENCH loops\n");
	fflush(stdout);
	for (;;) {
		if (!strcmp(what, "ring0")) {
			run_once(user.vcpu, bench_calls, loop_regs(&in, -1));
		} else if (!strcmp(what, "ring3")) {
			run_once_ring3(&user, loop_regs(&in, -1));
		} else if (!strcmp(what, "get")) {
			TEST_ASSERT_EQ(vmport_get_state(user.vm, blob.data, &blob.size), 0);
		} else if (!strcmp(what, "set")) {
			TEST_ASSERT_EQ(vmport_load(user.vm, &blob), 0);
		} else {
			prepare_send(&channel);
			in = vmport_msg_regs(&channel, 0, MESSAGE_LARGE);
			regs = loop_regs(&in, 0);
			regs.r8 = vmport_buffer(0);
			run_once(user.vcpu, bench_hb_send, regs);
		}
	}
}

int main(int argc, char *argv[])
{
	if (argc == 3 && !strcmp(argv[1], "kvm")) {
		bench_kvm(argv[2]);
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "vmm")) {
		bench_vmm();
		return 0;
	}

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_VMPORT));
	if (argc == 2 && !strcmp(argv[1], "costs")) {
		bench_commands();
		bench_rpc_conversations();
		bench_state();
		bench_lookup();
		bench_neighbours();
		bench_idle();
	} else if (argc == 3 && !strcmp(argv[1], "scaling")) {
		bench_scaling(atof(argv[2]));
	} else if (argc == 3 && !strcmp(argv[1], "loop")) {
		loop(argv[2]);
	} else {
		fprintf(stderr, "usage: %s kvm NAME | vmm | costs | scaling SECONDS | loop WHAT\n",
			argv[0]);
		return 1;
	}
	return 0;
}
