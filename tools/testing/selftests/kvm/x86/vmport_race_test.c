// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything that a VMM can do to a VM, while its vCPUs call: each answer is one of
 * those that a single vCPU could have had, and nothing else happens.  Of most use on
 * a kernel with sanitizers.  Bounded by counts, not by time.
 */
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmport_test.h"

#define NR_VCPUS	2
#define ROUNDS		150

#define FEATURES	(VMPORT_RPC | (kvm_check_cap(KVM_CAP_X86_VMPORT) & \
				       KVM_VMPORT_FEATURE_HB))

#define KEY		"guestinfo.race"
#define LARGE_KEY	"guestinfo.large"

struct racer {
	pthread_t thread;
	struct kvm_vm *vm;
	struct vmport_channel channel;
	u32 seed;
	unsigned int rounds;
	unsigned int bad;
	unsigned int refused;
	bool torn;		/* states are loaded in the middle of a reply */
};

static u32 below(struct racer *racer, u32 n)
{
	racer->seed = racer->seed * 1103515245 + 12345;
	return (racer->seed >> 8) % n;
}

/*
 * A process of the guest: sets a key to text that is all one letter, reads it, and
 * finds all one letter.  Channels vanish when a state is loaded or the VM reset; and
 * what another state has in the place of half a reply is another reply's half.
 */
static void *guest_run(void *data)
{
	struct racer *racer = data;
	struct vmport_channel *channel = &racer->channel;
	char text[128], reply[256], value[60];
	int size, i;

	while (racer->rounds--) {
		memset(value, racer->seed & 256 ? 'a' : 'b', sizeof(value));
		if (below(racer, 2))
			size = sprintf(text, "info-get " KEY);
		else
			size = sprintf(text, "info-set " KEY " %.*s",
				       1 + below(racer, sizeof(value)), value);

		if (!(vmport_msg_status(channel, VMPORT_MSG_SENDSIZE, size) & VMPORT_SUCCESS)) {
			racer->refused++;
			vmport_try_open(channel->vcpu, VMPORT_RPCI | VMPORT_COOKIE, channel);
			continue;
		}
		memcpy(vmport_host_buffer(channel), text, size);
		size = (size + 3) / 4;
		if (vmport_loop(channel, vmport_send_loop, VMPORT_MSG_SENDPAYLOAD, size) ||
		    !(vmport_msg_status(channel, VMPORT_MSG_RECVSIZE, 0) & VMPORT_DORECV)) {
			racer->refused++;
			continue;
		}
		memset(vmport_host_buffer(channel), 0, sizeof(reply));
		if (vmport_loop(channel, vmport_recv_loop, VMPORT_MSG_RECVPAYLOAD, 16)) {
			racer->refused++;
			continue;
		}
		memcpy(reply, vmport_host_buffer(channel), 64);
		reply[64] = '\0';
		vmport_msg_status(channel, VMPORT_MSG_RECVSTATUS, 1);
		if (racer->torn)
			continue;
		if (reply[1] != ' ' || (reply[0] != '0' && reply[0] != '1'))
			racer->bad++;
		else if (reply[0] == '1')
			for (i = 3; i < 64 && reply[i]; i++)
				racer->bad += reply[i] != reply[2];
	}
	return NULL;
}

static void race_states(struct racer *racer)
{
	struct vmport_blob blob = vmport_save(racer->vm);
	int r = vmport_load(racer->vm, &blob);

	/* What was saved whole can be loaded. */
	racer->bad += r != 0;
	vmport_blob_free(&blob);
}

static void race_attributes(struct racer *racer)
{
	struct kvm_vmport_guestinfo items[2] = {
		vmport_item(KEY, "cccccccc"), vmport_item("guestinfo.other", "d"),
	};
	struct kvm_vmport_identity identity;
	struct kvm_vmport_limits limits;
	u32 index, count, size, status;
	u64 id, since = 0;
	u8 value[5000];
	char names[512];

	switch (below(racer, 8)) {
	case 0:
		racer->bad += vmport_set_text(racer->vm, KEY, "eeeeeeeeeeeeee") != 0;
		/* Large enough for GET to leave it where it is until it is copied. */
		memset(value, 'a' + below(racer, 26), sizeof(value));
		racer->bad += vmport_set_entry(racer->vm, LARGE_KEY, strlen(LARGE_KEY), value,
					       1 + below(racer, sizeof(value)), 0) != 0;
		break;
	case 1:
		vmport_delete(racer->vm, KEY);
		vmport_delete(racer->vm, LARGE_KEY);
		break;
	case 2:
		racer->bad += vmport_set_many(racer->vm, items, 2, &index) != 0;
		break;
	case 3:
		size = sizeof(names);
		racer->bad += vmport_list(racer->vm, "", names, &size, &count) != 0;
		size = sizeof(names);
		racer->bad += vmport_changes(racer->vm, &since, names, &size, &count) != 0;
		break;
	case 4:
		racer->bad += vmport_get_identity(racer->vm, &identity) != 0;
		identity.memory_mib = 1 + below(racer, 100);
		racer->bad += vmport_set_identity(racer->vm, &identity) != 0;
		break;
	case 5:
		racer->bad += vmport_get_limits(racer->vm, &limits) != 0;
		limits.channels = 8 + below(racer, 100);
		racer->bad += vmport_set_limits(racer->vm, &limits) != 0;
		break;
	case 6:
		vmport_tclo_send(racer->vm, "ping", 4, &id);
		size = sizeof(names);
		vmport_tclo_result(racer->vm, names, &size, &id, &status);
		vmport_events(racer->vm);
		break;
	default:
		if (!below(racer, 8))
			racer->bad += vmport_reset(racer->vm) != 0;
	}
}

static void race_eventfd(struct racer *racer)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	racer->bad += vmport_set_eventfd(racer->vm, fd) != 0;
	usleep(below(racer, 2000));
	if (below(racer, 2))
		vmport_set_eventfd(racer->vm, -1);
	close(fd);
}

struct host {
	struct racer racer;
	void (*run)(struct racer *racer);
};

static void *host_run(void *data)
{
	struct host *host = data;

	while (host->racer.rounds--)
		host->run(&host->racer);
	return NULL;
}

/* All vCPUs call, and one thread does each of @what, @n of them. */
static void race(struct __test_metadata *_metadata, u64 features,
		 void (*const *what)(struct racer *), int n)
{
	struct kvm_vcpu *vcpus[NR_VCPUS];
	struct kvm_vm *vm = vmport_vm_create(features, NR_VCPUS, vcpus);
	struct racer guests[NR_VCPUS];
	struct host hosts[3] = { };
	unsigned int refused = 0;
	int i, j;

	for (i = 0; i < NR_VCPUS; i++) {
		guests[i] = (struct racer) { .vm = vm, .seed = i, .rounds = ROUNDS };
		for (j = 0; j < n; j++)
			guests[i].torn |= what[j] == race_states;
		guests[i].channel = vmport_open(vcpus[i], VMPORT_RPCI | VMPORT_COOKIE);
	}
	for (i = 0; i < n; i++) {
		hosts[i].racer = (struct racer) { .vm = vm, .seed = 100 + i, .rounds = ROUNDS };
		hosts[i].run = what[i];
		pthread_create(&hosts[i].racer.thread, NULL, host_run, &hosts[i]);
	}
	for (i = 0; i < NR_VCPUS; i++)
		pthread_create(&guests[i].thread, NULL, guest_run, &guests[i]);
	for (i = 0; i < NR_VCPUS; i++) {
		pthread_join(guests[i].thread, NULL);
		EXPECT_EQ(guests[i].bad, 0);
		refused += guests[i].refused;
	}
	for (i = 0; i < n; i++) {
		pthread_join(hosts[i].racer.thread, NULL);
		EXPECT_EQ(hosts[i].racer.bad, 0);
	}
	TH_LOG("%u of %u requests refused", refused, NR_VCPUS * ROUNDS);
	EXPECT_LT(refused, NR_VCPUS * ROUNDS);
	kvm_vm_free(vm);
}

#define RACE(...) do {								\
	void (*const __what[])(struct racer *) = { __VA_ARGS__ };		\
										\
	race(_metadata, VMPORT_RPC, __what, ARRAY_SIZE(__what));		\
} while (0)

TEST(vcpus_and_states)
{
	RACE(race_states, race_states);
}

TEST(vcpus_and_attributes)
{
	RACE(race_attributes, race_attributes);
}

TEST(vcpus_and_events)
{
	RACE(race_eventfd, race_attributes);
}

TEST(vcpus_states_and_attributes)
{
	RACE(race_states, race_attributes, race_eventfd);
}

static bool succeeds_or_fails(u16 status)
{
	return !(status & ~(VMPORT_SUCCESS | VMPORT_DORECV | VMPORT_HB));
}

/* Messages as blocks, on a channel that it shares. */
static void *send_blocks(void *data)
{
	struct racer *racer = data;
	struct vmport_channel *channel = &racer->channel;
	u64 buffer = vmport_buffer(channel->vcpu->id);
	struct kvm_regs regs;
	u32 size;

	memcpy(vmport_host_buffer(channel), "log ", 4);
	while (racer->rounds--) {
		size = 1 + below(racer, 5000);
		racer->bad += !succeeds_or_fails(vmport_msg_status(channel,
								   VMPORT_MSG_SENDSIZE, size));
		regs = vmport_hb_regs(channel, VMPORT_HB_PORT, false, buffer, size);
		vmport_run_done(channel->vcpu, vmport_rep_outsb, &regs);
		racer->bad += regs.rcx || regs.rsi != buffer + size ||
			      !succeeds_or_fails((u32)regs.rbx >> 16);
		racer->refused += !((u32)regs.rbx >> 16);
	}
	return NULL;
}

/* What disturbs that most. */
static void *send_words(void *data)
{
	static const u16 requests[] = {
		VMPORT_MSG_SENDSIZE, VMPORT_MSG_SENDPAYLOAD, VMPORT_MSG_SENDPAYLOAD,
		VMPORT_MSG_SENDPAYLOAD, VMPORT_MSG_RECVSIZE,
	};
	struct racer *racer = data;
	u16 status;

	while (racer->rounds--) {
		status = vmport_msg_status(&racer->channel,
					   requests[below(racer, ARRAY_SIZE(requests))],
					   1 + below(racer, 8000));
		racer->bad += !succeeds_or_fails(status);
	}
	return NULL;
}

TEST(blocks_and_words_on_one_channel)
{
	static void * (*const runs[])(void *) = { send_blocks, send_words };
	struct kvm_vcpu *vcpus[NR_VCPUS];
	struct racer racers[2], host = { .rounds = ROUNDS };
	struct vmport_channel channel;
	struct kvm_vm *vm;
	int i;

	if (!(FEATURES & KVM_VMPORT_FEATURE_HB))
		SKIP(return, "no high-bandwidth port");
	vm = vmport_vm_create(FEATURES, NR_VCPUS, vcpus);
	channel = vmport_open(vcpus[0], VMPORT_RPCI | VMPORT_COOKIE);
	for (i = 0; i < 2; i++) {
		racers[i] = (struct racer) {
			.vm = vm, .channel = channel, .seed = i, .rounds = 2 * ROUNDS,
		};
		racers[i].channel.vcpu = vcpus[i];
		pthread_create(&racers[i].thread, NULL, runs[i], &racers[i]);
	}
	/* The channel stays: it is in what is loaded. */
	host.vm = vm;
	while (host.rounds--)
		race_states(&host);
	for (i = 0; i < 2; i++) {
		pthread_join(racers[i].thread, NULL);
		EXPECT_EQ(racers[i].bad, 0);
	}
	EXPECT_EQ(host.bad, 0);
	TH_LOG("%u of %u blocks refused", racers[0].refused, 2 * ROUNDS);
	EXPECT_LT(racers[0].refused, 2 * ROUNDS);
	kvm_vm_free(vm);
}

/* Enabling takes part in the creation of vCPUs, or is too late. */
static void *enable_run(void *data)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_VMPORT, .args[0] = VMPORT_RPC };
	struct racer *racer = data;

	racer->refused = __vm_ioctl(racer->vm, KVM_ENABLE_CAP, &cap) ? errno : 0;
	return NULL;
}

TEST(enabling_and_vcpu_creation)
{
	unsigned int enabled = 0, i;

	for (i = 0; i < 60; i++) {
		struct racer racers[2] = { };
		struct kvm_vm *vm = vm_create_barebones();
		struct vmport_blob blob;
		int j, fd;

		for (j = 0; j < 2; j++) {
			racers[j].vm = vm;
			pthread_create(&racers[j].thread, NULL, enable_run, &racers[j]);
		}
		if (i & 1)
			usleep(i * 10);
		fd = __vm_ioctl(vm, KVM_CREATE_VCPU, (void *)0ul);
		ASSERT_GE(fd, 0);
		for (j = 0; j < 2; j++)
			pthread_join(racers[j].thread, NULL);

		/* At most one of them, and then it is there. */
		if (!racers[0].refused || !racers[1].refused) {
			enabled++;
			ASSERT_TRUE(racers[0].refused || racers[1].refused);
			j = racers[0].refused ? 0 : 1;
			ASSERT_TRUE(racers[j].refused == EEXIST || racers[j].refused == EBUSY);
			blob = vmport_save(vm);
			ASSERT_EQ(blob.size, 32);
			vmport_blob_free(&blob);
		} else {
			ASSERT_EQ(racers[0].refused, EBUSY);
			ASSERT_EQ(racers[1].refused, EBUSY);
		}
		close(fd);
		kvm_vm_free(vm);
	}
	TH_LOG("%u of 60 enabled in time", enabled);
}

/* The VM goes while an ioctl of another thread still runs: its file is held. */
static void *use_run(void *data)
{
	struct racer *racer = data;
	struct kvm_vmport_state state = { };

	while (!ioctl(racer->vm->fd, KVM_GET_VMPORT_STATE, &state) || errno == E2BIG)
		racer->rounds++;
	return NULL;
}

TEST(destruction)
{
	unsigned int i;

	for (i = 0; i < 60; i++) {
		struct racer racer = { .vm = vmport_vm_create_barebones(VMPORT_RPC) };
		int fd = racer.vm->fd;

		ASSERT_EQ(vmport_set_text(racer.vm, KEY, "value"), 0);
		pthread_create(&racer.thread, NULL, use_run, &racer);
		usleep(i * 20);
		close(fd);
		pthread_join(racer.thread, NULL);
		racer.vm->fd = dup(0);
		kvm_vm_free(racer.vm);
	}
}

static bool stop_answering;

static void *answer_all(void *data)
{
	struct vmport_channel *channel = data;
	char text[16];

	while (!READ_ONCE(stop_answering)) {
		if (vmport_recv(channel, text, sizeof(text)) >= 0)
			vmport_send(channel, "OK", 2);
	}
	return NULL;
}

/*
 * A state that is got while the tools take requests and answer them has each request
 * once: in the queue, in a channel or as a result.
 */
TEST(get_while_requests_change_hands)
{
	struct kvm_vcpu *vcpu, *other_vcpu;
	struct kvm_vm *vm = vmport_vm_create(VMPORT_RPC, 1, &vcpu);
	struct kvm_vm *other = vmport_vm_create(VMPORT_RPC, 1, &other_vcpu);
	struct vmport_channel channel = vmport_open(vcpu, VMPORT_TCLO | VMPORT_COOKIE);
	struct vmport_blob blob;
	pthread_t thread;
	char text[16];
	u32 size, status;
	u64 id;
	int i;

	EXPECT_EQ(vmport_recv(&channel, text, sizeof(text)), 5);
	vmport_send(&channel, "OK ATR toolbox", 14);
	/* Many to pack before the requests' turn comes. */
	for (i = 1; i < KVM_VMPORT_MAX_CHANNELS; i++)
		vmport_open(vcpu, VMPORT_RPCI | VMPORT_COOKIE);

	stop_answering = false;
	ASSERT_EQ(pthread_create(&thread, NULL, answer_all, &channel), 0);
	for (i = 0; i < 300; i++) {
		while (!vmport_tclo_send(vm, "ping", 4, &id))
			;
		blob = vmport_save(vm);
		ASSERT_EQ(vmport_load(other, &blob), 0)
			TH_LOG("error %u, round %d", vmport_error, i);
		vmport_blob_free(&blob);
		/* All places are taken, so none was lost. */
		EXPECT_EQ(vmport_tclo_send(other, "x", 1, &id), EBUSY);
		for (size = sizeof(text); !vmport_tclo_result(vm, text, &size, &id, &status);
		     size = sizeof(text))
			;
	}
	WRITE_ONCE(stop_answering, true);
	pthread_join(thread, NULL);
	kvm_vm_free(vm);
	kvm_vm_free(other);
}

#define LOOP		600
#define LOOP_VMS	8
/* Nobody's else: the limit is a user's. */
#define LOOP_UID	56580
/* A hundred of them are spared the wait for RCU, which takes a tick of the kernel at least. */
#define LOOP_LEAST_MS	500
#define LOOP_OF_VMS	200

static u64 now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ull + now.tv_nsec / 1000000;
}

/* An exit status: 0, or 1 where it was too fast.  In a process of its own, as no root. */
static int loop_of_sets(void)
{
	struct kvm_vm *vms[LOOP_VMS];
	struct vmport_blob blob;
	u64 begin, took;
	int i;

	for (i = 0; i < LOOP_VMS; i++)
		vms[i] = vmport_vm_create_barebones(VMPORT_RPC);
	blob = vmport_save(vms[0]);
	/* Of root nobody keeps count. */
	TEST_ASSERT(getuid() || !setuid(LOOP_UID), "setuid");
	begin = now_ms();
	for (i = 0; i < LOOP; i++)
		TEST_ASSERT_EQ(vmport_load(vms[i % LOOP_VMS], &blob), 0);
	took = now_ms() - begin;
	printf("# %u times in %llu ms\n", LOOP, (unsigned long long)took);
	return took < LOOP_LEAST_MS;
}

/*
 * Each SET that does not wait interrupts all processors, those of other VMs too.  Who may
 * open /dev/kvm has as many VMs as it likes.
 */
TEST(a_loop_of_sets_does_not_keep_the_host_busy)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		status = loop_of_sets();
		fflush(stdout);
		_exit(status);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
}

/* How many interrupts processors have sent each other to have a function called. */
static u64 nr_function_calls(void)
{
	char *line = NULL, *at, *end;
	u64 sum = 0, value;
	size_t size = 0;
	FILE *f = fopen("/proc/interrupts", "r");

	TEST_ASSERT(f, "No /proc/interrupts");
	while (getline(&line, &size, f) > 0) {
		at = strstr(line, "CAL:");
		if (!at)
			continue;
		for (at += 4; value = strtoull(at, &end, 10), end != at; at = end)
			sum += value;
	}
	free(line);
	fclose(f);
	return sum;
}

static u64 create_and_close(u64 features)
{
	u64 before = nr_function_calls();
	struct kvm_vm *vm;
	int i;

	for (i = 0; i < LOOP_OF_VMS; i++) {
		vm = vm_create_barebones();
		if (features)
			vm_enable_cap(vm, KVM_CAP_X86_VMPORT, features);
		kvm_vm_free(vm);
	}
	return nr_function_calls() - before;
}

/*
 * To change the code for the first VM, or behind the last one, interrupts each processor a
 * dozen times.
 */
TEST(a_loop_of_vms_does_not_keep_the_host_busy)
{
	/* Neither the first nor the last, for KVM itself. */
	struct kvm_vm *other = vm_create_barebones();
	u64 without, with;
	int i;

	create_and_close(VMPORT_RPC);
	/* Others have interrupts sent too: one quiet round is enough. */
	for (i = 0; i < 5; i++) {
		without = create_and_close(0);
		with = create_and_close(VMPORT_RPC);
		printf("# %u VMs: %llu interrupts, %llu without the interface\n", LOOP_OF_VMS,
		       (unsigned long long)with, (unsigned long long)without);
		if (with < without + 6 * LOOP_OF_VMS)
			break;
	}
	EXPECT_LT(with, without + 6 * LOOP_OF_VMS);
	kvm_vm_free(other);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_X86_VMPORT) & KVM_VMPORT_FEATURE_RPC);

	return test_harness_run(argc, argv);
}
