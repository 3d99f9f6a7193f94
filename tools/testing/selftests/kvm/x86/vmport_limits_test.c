// SPDX-License-Identifier: GPL-2.0-only
/*
 * As much as a guest can take: all channels, all keys, the store to the byte, replies
 * that nobody reads; many VMs; and none of it past what the documentation allows, out
 * of the VMM's own memory cgroup, with an error for the guest when that is full.
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include "vmport_cgroup.h"
#include "vmport_test.h"

#define SOAK_ROUNDS	120

#define KIB		1024ul
#define MIB		(1024 * KIB)

static struct vmport_channel open_some(struct kvm_vcpu *vcpu)
{
	return vmport_open(vcpu, VMPORT_RPCI | VMPORT_COOKIE);
}

/* A whole message to the guest's own channel, at once. */
static void send_large(struct vmport_channel *channel, const char *begin, u32 size)
{
	u32 part = VMPORT_BUFFER_SIZE & ~3u, left;

	TEST_ASSERT(vmport_msg_status(channel, VMPORT_MSG_SENDSIZE, size), "SENDSIZE %u", size);
	memset(vmport_host_buffer(channel), 'v', part);
	memcpy(vmport_host_buffer(channel), begin, strlen(begin));
	for (left = (size + 3) / 4; left; left -= min_t(u32, left, part / 4)) {
		TEST_ASSERT_EQ(vmport_loop(channel, vmport_send_loop, VMPORT_MSG_SENDPAYLOAD,
					   min_t(u32, left, part / 4)), 0);
		memset(vmport_host_buffer(channel), 'v', 64);
	}
}

/* Every channel with a half-sent message of the largest size and an unread reply. */
static void fill_channels(struct kvm_vm *vm, struct kvm_vcpu *vcpu)
{
	u8 *value = vmport_alloc(KVM_VMPORT_MAX_VALUE);
	struct vmport_channel channel;
	int i;

	TEST_ASSERT_EQ(vmport_set_entry(vm, "guestinfo.v", 11, value, KVM_VMPORT_MAX_VALUE, 0), 0);
	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS; i++) {
		channel = open_some(vcpu);
		if (i & 1) {
			vmport_send(&channel, "info-get guestinfo.v", 20);
			TEST_ASSERT(vmport_msg_status(&channel, VMPORT_MSG_RECVSIZE, 0) &
				    VMPORT_DORECV, "No reply");
		} else {
			TEST_ASSERT(vmport_msg_status(&channel, VMPORT_MSG_SENDSIZE,
						      KVM_VMPORT_MAX_MESSAGE), "SENDSIZE");
			TEST_ASSERT(vmport_msg_status(&channel, VMPORT_MSG_SENDPAYLOAD, 1),
				    "SENDPAYLOAD");
		}
	}
	free(value);
}

TEST(all_channels_filled_and_never_closed)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vmport_vm_create(VMPORT_RPC, 1, &vcpu);
	struct vmport_channel channel;
	struct vmport_blob blob;
	int i;

	fill_channels(vm, vcpu);
	/* One more takes the place of one that nobody missed. */
	for (i = 0; i < 300; i++) {
		if (i % KVM_VMPORT_MAX_CHANNELS == 0)
			vmport_abandon_all();
		channel = open_some(vcpu);
		ASSERT_STREQ(vmport_rpc_text(&channel, "log still here"), "1 ");
	}
	blob = vmport_save(vm);
	EXPECT_LE(blob.size, KVM_VMPORT_MAX_STATE);
	EXPECT_EQ(vmport_load(vm, &blob), 0);
	ASSERT_STREQ(vmport_rpc_text(&channel, "log and here"), "1 ");
	vmport_blob_free(&blob);
	kvm_vm_free(vm);
}

TEST(all_keys_and_one_more)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vmport_vm_create(VMPORT_RPC, 1, &vcpu);
	struct vmport_channel channel = open_some(vcpu);
	char text[64];
	int i;

	for (i = 0; i < KVM_VMPORT_MAX_KEYS - 1; i++) {
		snprintf(text, sizeof(text), "guestinfo.%d", i);
		ASSERT_EQ(vmport_set_text(vm, text, "x"), 0);
	}
	ASSERT_STREQ(vmport_rpc_text(&channel, "info-set guestinfo.last x"), "1 ");
	ASSERT_STREQ(vmport_rpc_text(&channel, "info-set guestinfo.more x"), "0 Too many keys");
	ASSERT_EQ(vmport_set_text(vm, "guestinfo.more", "x"), E2BIG);
	ASSERT_EQ(vmport_error, KVM_VMPORT_ERR_KEY_COUNT);
	/* To change one is allowed, and one deleted makes room for one. */
	ASSERT_STREQ(vmport_rpc_text(&channel, "info-set guestinfo.last y"), "1 ");
	ASSERT_EQ(vmport_delete(vm, "guestinfo.0"), 0);
	ASSERT_STREQ(vmport_rpc_text(&channel, "info-set guestinfo.more x"), "1 ");
	kvm_vm_free(vm);
}

TEST(the_store_to_the_byte)
{
	u32 left = KVM_VMPORT_MAX_GUESTINFO, size;
	u8 *value = vmport_alloc(KVM_VMPORT_MAX_VALUE);
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vmport_vm_create(VMPORT_RPC, 1, &vcpu);
	struct vmport_channel channel = open_some(vcpu);
	char key[32];
	int i;

	for (i = 0; left > 100; i++) {
		snprintf(key, sizeof(key), "guestinfo.%02d", i);
		size = left - 100 - strlen(key) + 1;
		size = min_t(u32, KVM_VMPORT_MAX_VALUE, size);
		ASSERT_EQ(vmport_set_entry(vm, key, strlen(key), value, size, 0), 0);
		left -= strlen(key) + size;
	}
	/* 99 bytes: a key of 11, and 88 of value, but not 89. */
	ASSERT_EQ(left, 99);
	ASSERT_EQ(vmport_set_entry(vm, "guestinfo.x", 11, value, 89, 0), E2BIG);
	ASSERT_EQ(vmport_error, KVM_VMPORT_ERR_GUESTINFO_SIZE);
	ASSERT_EQ(vmport_set_entry(vm, "guestinfo.x", 11, value, 88, 0), 0);
	ASSERT_STREQ(vmport_rpc_text(&channel, "info-set guestinfo.y z"), "0 No space left");
	ASSERT_EQ(vmport_set_entry(vm, "guestinfo.x", 11, value, 76, 0), 0);
	ASSERT_STREQ(vmport_rpc_text(&channel, "info-set guestinfo.y z"), "1 ");
	free(value);
	kvm_vm_free(vm);
}

TEST(two_hundred_vms)
{
	struct kvm_vm *vms[200];
	int i;

	for (i = 0; i < ARRAY_SIZE(vms); i++) {
		vms[i] = vmport_vm_create_barebones(VMPORT_RPC);
		ASSERT_EQ(vmport_set_text(vms[i], "guestinfo.key", "value"), 0);
	}
	for (i = 0; i < ARRAY_SIZE(vms); i++) {
		ASSERT_STREQ(vmport_get_text(vms[i], "guestinfo.key"), "value");
		kvm_vm_free(vms[i]);
	}
}

TEST(memory_is_charged_to_the_vmm_and_bounded)
{
	struct vmport_channel channel;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	u64 before, after;

	if (!vmport_enter_cgroup())
		SKIP(return, "no memory cgroup");
	vm = vmport_vm_create(VMPORT_RPC, 1, &vcpu);
	/* The guest's memory that this touches is there by now. */
	channel = open_some(vcpu);
	vmport_close(&channel);
	before = vmport_cgroup_number("memory.current");
	fill_channels(vm, vcpu);
	after = vmport_cgroup_number("memory.current");
	TH_LOG("%llu KiB for 128 channels, half of them sending, half with replies",
	       (unsigned long long)(after - before) / KIB);
	/* 64 messages of 64 KiB at least; the replies are the value itself or copies. */
	EXPECT_GT(after - before, 64 * 64 * KIB);
	EXPECT_LT(after - before, KVM_VMPORT_MAX_MEMORY);
	kvm_vm_free(vm);
	vmport_leave_cgroup();
}

/* An exit status: 0, or how many things were wrong. */
static int fill_cgroup(void)
{
	unsigned int refused = 0, replies = 0, i;
	struct vmport_channel channels[64];
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	u64 limit;
	u16 status;

	if (!vmport_enter_cgroup())
		return KSFT_SKIP;
	vm = vmport_vm_create(VMPORT_RPC, 1, &vcpu);
	for (i = 0; i < ARRAY_SIZE(channels); i++)
		channels[i] = open_some(vcpu);
	/* All that this process itself needs in the meantime is there by then. */
	mlockall(MCL_CURRENT | MCL_FUTURE);
	for (i = 0; i < ARRAY_SIZE(channels); i++)
		TEST_ASSERT(vmport_msg_status(&channels[i], VMPORT_MSG_SENDSIZE, 4), "SENDSIZE");
	limit = vmport_cgroup_number("memory.current") + 2 * MIB;
	vmport_cgroup_limit(limit);
	for (i = 0; i < ARRAY_SIZE(channels) && !refused; i++) {
		status = vmport_msg_status(&channels[i], VMPORT_MSG_SENDSIZE,
					   KVM_VMPORT_MAX_MESSAGE);
		refused += !(status & VMPORT_SUCCESS);
	}
	/* At once: nobody else's page may be what does not fit. */
	vmport_cgroup_limit(limit + 64 * MIB);
	munlockall();
	printf("# number %u of %zu refused\n", i, ARRAY_SIZE(channels));
	/* Who was refused can still do what it wants. */
	for (i = 0; i < ARRAY_SIZE(channels); i++)
		replies += !strcmp(vmport_rpc_text(&channels[i], "log still here"), "1 ");
	kvm_vm_free(vm);
	vmport_leave_cgroup();
	return (refused != 1) + (replies != ARRAY_SIZE(channels));
}

/*
 * A page of KVM's own, or of this process, may be what does not fit, for which the
 * kernel kills; were it for one of the interface's, it would each time.
 */
TEST(a_full_cgroup_is_an_error_for_the_guest)
{
	int attempt, status;
	pid_t pid;

	for (attempt = 0; attempt < 5; attempt++) {
		fflush(stdout);
		pid = fork();
		if (!pid) {
			status = fill_cgroup();
			fflush(stdout);
			_exit(status);
		}
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		rmdir(VMPORT_CGROUP);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			break;
		TH_LOG("killed for something else");
	}
	ASSERT_TRUE(WIFEXITED(status));
	if (WEXITSTATUS(status) == KSFT_SKIP)
		SKIP(return, "no memory cgroup");
	EXPECT_EQ(WEXITSTATUS(status), 0);
}

/* What a VM goes through in an hour, in a row: messages, and moves to a new VM. */
TEST(soak)
{
	struct vmport_channel channel;
	struct kvm_vcpu *vcpu[2];
	u64 first = 0, last = 0;
	struct kvm_vm *vm[2];
	bool cgroup = vmport_enter_cgroup();
	struct vmport_blob blob;
	char text[64];
	int i, j;

	for (i = 0; i < 2; i++)
		vm[i] = vmport_vm_create(VMPORT_RPC, 1, &vcpu[i]);
	channel = open_some(vcpu[0]);
	for (i = 0; i < SOAK_ROUNDS; i++) {
		for (j = 0; j < 5; j++) {
			snprintf(text, sizeof(text), "info-set guestinfo.soak%d %d", j, i);
			ASSERT_STREQ(vmport_rpc_text(&channel, text), "1 ");
		}
		send_large(&channel, "log ", 4000);
		ASSERT_EQ(vmport_poll(&channel), 2);

		blob = vmport_save(vm[i & 1]);
		ASSERT_EQ(vmport_load(vm[!(i & 1)], &blob), 0);
		vmport_blob_free(&blob);
		channel.vcpu = vcpu[!(i & 1)];
		snprintf(text, sizeof(text), "1 %d", i);
		ASSERT_STREQ(vmport_rpc_text(&channel, "info-get guestinfo.soak4"), text);
		if (cgroup && i == 30)
			first = vmport_cgroup_number("memory.current");
		if (cgroup)
			last = vmport_cgroup_number("memory.current");
	}
	TH_LOG("%lld bytes more after %u rounds", (long long)(last - first),
	       SOAK_ROUNDS - 30);
	/* Charges are kept per CPU, 256 KiB each, and nothing per round. */
	EXPECT_LT((s64)(last - first), (s64)(2 * 256 * KIB + 64 * KIB));
	for (i = 0; i < 2; i++)
		kvm_vm_free(vm[i]);
	if (cgroup)
		vmport_leave_cgroup();
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_X86_VMPORT) & KVM_VMPORT_FEATURE_RPC);

	return test_harness_run(argc, argv);
}
