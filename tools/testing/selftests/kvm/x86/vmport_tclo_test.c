// SPDX-License-Identifier: GPL-2.0-only
/*
 * What becomes of the VMM's requests when channels come and go, what the VMM is
 * told of that, and which channels are taken when a guest opens too many.
 */
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "vmport_test.h"

FIXTURE(tclo) {
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int eventfd;
};

FIXTURE_SETUP(tclo)
{
	self->vm = vmport_vm_create(VMPORT_RPC, 1, &self->vcpu);
	self->eventfd = eventfd(0, EFD_NONBLOCK);
	ASSERT_GE(self->eventfd, 0);
}

FIXTURE_TEARDOWN(tclo)
{
	close(self->eventfd);
	kvm_vm_free(self->vm);
}

/* How often it was signalled since the last time. */
static u64 signals(int fd)
{
	u64 count;

	if (read(fd, &count, sizeof(count)) == sizeof(count))
		return count;
	TEST_ASSERT(errno == EAGAIN, "read() of an eventfd: errno %d", errno);
	return 0;
}

/* A TCLO channel of a daemon that gives this answer to its reset. */
static struct vmport_channel open_answering(struct kvm_vcpu *vcpu, const void *answer, u32 size)
{
	struct vmport_channel tools = vmport_open(vcpu, VMPORT_TCLO | VMPORT_COOKIE);
	char text[8];

	TEST_ASSERT_EQ(vmport_recv(&tools, text, sizeof(text)), 5);
	vmport_send(&tools, answer, size);
	return tools;
}

/* A TCLO channel as the tools' daemon has it. */
static struct vmport_channel open_tools(struct kvm_vcpu *vcpu)
{
	return open_answering(vcpu, "OK ATR toolbox", 14);
}

static u64 queue(struct kvm_vm *vm, const char *text)
{
	u64 id;

	TEST_ASSERT_EQ(vmport_tclo_send(vm, text, strlen(text), &id), 0);
	return id;
}

/* What the guest is given next, NULL for nothing. */
static const char *given(const struct vmport_channel *tools)
{
	static char text[KVM_VMPORT_MAX_TCLO_REQUEST + 1];
	int size = vmport_recv(tools, text, sizeof(text) - 1);

	if (size < 0)
		return NULL;
	text[size] = '\0';
	return text;
}

struct result {
	u64 id;
	u32 status;
	char text[64];
};

/* The oldest result; id 0 when there is none. */
static struct result result(struct kvm_vm *vm)
{
	struct result result = { };
	u32 size = sizeof(result.text) - 1;
	int r = vmport_tclo_result(vm, result.text, &size, &result.id, &result.status);

	if (r) {
		TEST_ASSERT_EQ(r, ENOENT);
		return (struct result){ };
	}
	result.text[size] = '\0';
	return result;
}

#define EXPECT_RESULT(_vm, _id, _status, _text) do {				\
	struct result __result = result(_vm);					\
										\
	EXPECT_EQ(__result.id, _id);						\
	EXPECT_EQ(__result.status, _status);					\
	EXPECT_STREQ(__result.text, _text);					\
} while (0)

static u64 queue_to(struct kvm_vm *vm, const char *name, const char *text)
{
	u64 id;

	TEST_ASSERT_EQ(vmport_tclo_send_to(vm, name, strlen(name), text, strlen(text), &id), 0);
	return id;
}

/* Move the VM to where it is. */
static void reload(struct kvm_vm *vm)
{
	struct vmport_blob blob = vmport_save(vm);

	TEST_ASSERT_EQ(vmport_load(vm, &blob), 0);
	TEST_ASSERT(vmport_state_is(vm, &blob), "The blob has changed");
	vmport_blob_free(&blob);
}

/* The daemon of a desktop session polls at the same time. */
TEST_F(tclo, requests_go_to_the_name_that_they_are_for)
{
	struct vmport_channel session = open_answering(self->vcpu, "OK ATR toolbox-dnd", 18);
	struct vmport_channel tools = open_tools(self->vcpu);
	u64 ids[4];

	ids[0] = queue(self->vm, "OS_Halt");
	ids[1] = queue_to(self->vm, "toolbox-dnd", "Resolution_Set 640 480");
	ids[2] = queue_to(self->vm, "toolbox", "ping");
	ids[3] = queue_to(self->vm, "toolbox-d", "nobody's");
	reload(self->vm);

	EXPECT_STREQ(given(&session), "Resolution_Set 640 480");
	vmport_send(&session, "OK 1", 4);
	EXPECT_EQ(given(&session), NULL);
	EXPECT_STREQ(given(&tools), "OS_Halt");
	reload(self->vm);
	vmport_send(&tools, "OK 0", 4);
	EXPECT_STREQ(given(&tools), "ping");
	vmport_send(&tools, "OK 2", 4);
	EXPECT_EQ(given(&tools), NULL);
	EXPECT_RESULT(self->vm, ids[1], KVM_VMPORT_TCLO_ANSWERED, "OK 1");
	EXPECT_RESULT(self->vm, ids[0], KVM_VMPORT_TCLO_ANSWERED, "OK 0");
	EXPECT_RESULT(self->vm, ids[2], KVM_VMPORT_TCLO_ANSWERED, "OK 2");

	/* It waits for its daemon, wherever the VM is then. */
	vmport_close(&session);
	session = open_answering(self->vcpu, "OK ATR toolbox-d\0nd", 19);
	reload(self->vm);
	EXPECT_STREQ(given(&session), "nobody's");
	vmport_close(&session);
	EXPECT_RESULT(self->vm, ids[3], KVM_VMPORT_TCLO_LOST, "");
}

TEST_F(tclo, without_a_name_none_is_given)
{
	static const char longest[] = "OK ATR 0123456789012345678901234567890";
	static const char too_long[] = "OK ATR 01234567890123456789012345678901";
	static const char * const answers[] = {
		"", "OK", "OK ", "OK ATR", "OK ATR ", "ERROR toolbox", "ATR toolbox",
		"OK ATRtoolbox", "ok atr toolbox", too_long,
	};
	struct vmport_channel tools;
	u64 id;
	int i;

	queue(self->vm, "ping");
	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		tools = open_answering(self->vcpu, answers[i], strlen(answers[i]));
		EXPECT_EQ(given(&tools), NULL)
			TH_LOG("'%s'", answers[i]);
		reload(self->vm);
		EXPECT_EQ(given(&tools), NULL)
			TH_LOG("'%s', moved", answers[i]);
		/* Only the answer to a reset is one. */
		vmport_send(&tools, "OK ATR toolbox", 14);
		EXPECT_EQ(given(&tools), NULL);
		vmport_close(&tools);
	}
	tools = open_answering(self->vcpu, longest, strlen(longest));
	id = queue_to(self->vm, longest + 7, "long");
	EXPECT_STREQ(given(&tools), "long");
	vmport_send(&tools, "OK", 2);
	EXPECT_RESULT(self->vm, id, KVM_VMPORT_TCLO_ANSWERED, "OK");
}

TEST_F(tclo, names_that_are_none)
{
	char name[KVM_VMPORT_MAX_NAME + 1];
	u64 id;

	memset(name, 'n', sizeof(name));
	EXPECT_EQ(vmport_tclo_send_to(self->vm, name, sizeof(name), "ping", 4, &id), EINVAL);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_NAME);
	EXPECT_EQ(vmport_tclo_send_to(self->vm, name, ~0u, "ping", 4, &id), EINVAL);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_NAME);
	EXPECT_EQ(vmport_tclo_send_to(self->vm, "a b", 3, "ping", 4, &id), EINVAL);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_NAME);
	EXPECT_EQ(vmport_tclo_send_to(self->vm, "a", 2, "ping", 4, &id), EINVAL);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_NAME);
	/* None of them was queued. */
	EXPECT_EQ(vmport_tclo_send_to(self->vm, name, sizeof(name) - 1, "ping", 4, &id), 0);
	EXPECT_EQ(id, 1);
}

/* Blobs of kernels that knew no names: who polls there is the tools' daemon. */
TEST_F(tclo, a_blob_without_names)
{
	struct vmport_channel tools = { .vcpu = self->vcpu };
	struct vmport_blob blob;
	size_t pos;

	vmport_blob_begin(&blob);
	vmport_blob_add_channel(&blob, &(struct kvm_vmport_blob_channel) {
			.protocol = VMPORT_TCLO,
		}, NULL, NULL);
	vmport_blob_add_channel(&blob, &(struct kvm_vmport_blob_channel) {
			.id = 1,
			.flags = KVM_VMPORT_CHANNEL_RUN,
			.protocol = VMPORT_TCLO,
		}, NULL, NULL);
	pos = vmport_blob_begin_tclo(&blob, 3, 2);
	vmport_blob_add_request(&blob, 1, KVM_VMPORT_REQUEST_QUEUED, "one", 3);
	vmport_blob_add_request(&blob, 2, KVM_VMPORT_REQUEST_QUEUED, "two", 3);
	vmport_blob_end_section(&blob, pos);
	vmport_blob_end(&blob);
	ASSERT_EQ(vmport_load(self->vm, &blob), 0);
	EXPECT_TRUE(vmport_state_is(self->vm, &blob));
	vmport_blob_free(&blob);

	EXPECT_STREQ(given(&tools), "one");
	/* The other has yet to say who it is. */
	tools.id = 1;
	EXPECT_EQ(given(&tools), NULL);
	vmport_send(&tools, "OK ATR toolbox", 14);
	EXPECT_STREQ(given(&tools), "two");
}

TEST_F(tclo, listed_and_cancelled)
{
	static const u32 states[] = {
		KVM_VMPORT_TCLO_ANSWERED, KVM_VMPORT_TCLO_LOST, KVM_VMPORT_TCLO_TAKEN,
		KVM_VMPORT_TCLO_QUEUED, KVM_VMPORT_TCLO_QUEUED,
	};
	struct kvm_vmport_tclo_item items[KVM_VMPORT_MAX_TCLO];
	struct vmport_channel tools;
	struct vmport_blob blob;
	u32 count = 0, status, i, again;
	u64 id;

	EXPECT_EQ(vmport_tclo_list(self->vm, NULL, &count), 0);
	EXPECT_EQ(count, 0);

	tools = open_tools(self->vcpu);
	for (i = 0; i < 4; i++)
		queue(self->vm, "ping");
	ASSERT_EQ(vmport_tclo_send_to(self->vm, "toolbox-dnd", 11, "ping", 4, &id), 0);
	EXPECT_STREQ(given(&tools), "ping");
	vmport_send(&tools, "OK 1", 4);
	EXPECT_STREQ(given(&tools), "ping");
	vmport_close(&tools);
	tools = open_tools(self->vcpu);
	EXPECT_STREQ(given(&tools), "ping");

	count = 4;
	memset(items, 0xa5, sizeof(items));
	EXPECT_EQ(vmport_tclo_list(self->vm, items, &count), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_BUFFER);
	EXPECT_EQ(count, 5);
	EXPECT_EQ(items[0].status, 0xa5a5a5a5);
	EXPECT_EQ(vmport_tclo_list(self->vm, (void *)1, &count), EFAULT);
	count = 5;
	for (again = 0; again < 2; again++) {
		EXPECT_EQ(vmport_tclo_list(self->vm, items, &count), 0);
		EXPECT_EQ(count, 5);
		for (i = 0; i < 5; i++) {
			EXPECT_EQ(items[i].id, i + 1);
			EXPECT_EQ(items[i].status, states[i]);
			EXPECT_STREQ((char *)items[i].name, i == 4 ? "toolbox-dnd" : "toolbox");
		}
		EXPECT_EQ(items[5].status, 0xa5a5a5a5);
		blob = vmport_save(self->vm);
		ASSERT_EQ(vmport_load(self->vm, &blob), 0);
		vmport_blob_free(&blob);
	}

	EXPECT_EQ(vmport_tclo_cancel(self->vm, 0, &status), ENOENT);
	EXPECT_EQ(vmport_tclo_cancel(self->vm, 6, &status), ENOENT);
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(vmport_tclo_cancel(self->vm, i + 1, &status), 0);
		EXPECT_EQ(status, states[i]);
		EXPECT_EQ(vmport_tclo_cancel(self->vm, i + 1, &status), ENOENT);
	}
	EXPECT_EQ(vmport_tclo_list(self->vm, items, &count), 0);
	EXPECT_EQ(count, 0);
	/* The guest answers what nobody waits for, and gets the next one. */
	vmport_send(&tools, "OK 3", 4);
	EXPECT_EQ(result(self->vm).id, 0);
	EXPECT_EQ(queue(self->vm, "next"), 6);
	EXPECT_STREQ(given(&tools), "next");
}

TEST_F(tclo, nobody_polls)
{
	struct vmport_blob blob;
	u64 first = queue(self->vm, "one"), second = queue(self->vm, "two");
	struct vmport_channel tools;

	EXPECT_EQ(result(self->vm).id, 0);
	/* Neither a channel that does not poll nor a move of the VM takes any. */
	tools = vmport_open(self->vcpu, VMPORT_TCLO);
	blob = vmport_save(self->vm);
	EXPECT_EQ(vmport_load(self->vm, &blob), 0);
	vmport_blob_free(&blob);
	vmport_close(&tools);
	EXPECT_EQ(vmport_reset(self->vm), 0);
	EXPECT_EQ(result(self->vm).id, 0);

	tools = open_tools(self->vcpu);
	EXPECT_STREQ(given(&tools), "one");
	vmport_send(&tools, "OK 1", 4);
	EXPECT_STREQ(given(&tools), "two");
	vmport_send(&tools, "ERROR 2", 7);
	EXPECT_RESULT(self->vm, first, KVM_VMPORT_TCLO_ANSWERED, "OK 1");
	EXPECT_RESULT(self->vm, second, KVM_VMPORT_TCLO_ANSWERED, "ERROR 2");
}

TEST_F(tclo, full_until_results_are_read)
{
	struct vmport_channel tools;
	u64 id;
	int i;

	for (i = 0; i < KVM_VMPORT_MAX_TCLO; i++)
		queue(self->vm, "ping");
	tools = open_tools(self->vcpu);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(vmport_tclo_send(self->vm, "ping", 4, &id), EBUSY);
		EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_TCLO_COUNT);
		/* Waiting, then run, then a result that is not read. */
		if (i == 0)
			TEST_ASSERT_EQ(strcmp(given(&tools), "ping"), 0);
		else if (i == 1)
			vmport_send(&tools, "OK", 2);
	}
	EXPECT_RESULT(self->vm, 1, KVM_VMPORT_TCLO_ANSWERED, "OK");
	EXPECT_EQ(queue(self->vm, "ping"), 17);
	EXPECT_EQ(vmport_tclo_send(self->vm, "ping", 4, &id), EBUSY);
}

TEST_F(tclo, closed_with_a_request_waiting_running_or_half_answered)
{
	struct vmport_channel tools;
	int how;
	u64 id;

	for (how = 0; how < 3; how++) {
		tools = open_tools(self->vcpu);
		id = queue(self->vm, "ping");
		if (how == 0)
			TEST_ASSERT_EQ(vmport_poll(&tools), 4);
		else
			TEST_ASSERT_EQ(strcmp(given(&tools), "ping"), 0);
		if (how == 2) {
			EXPECT_EQ(vmport_msg_status(&tools, VMPORT_MSG_SENDSIZE, 8),
				  VMPORT_SUCCESS);
			EXPECT_EQ(vmport_msg_status(&tools, VMPORT_MSG_SENDPAYLOAD, 0x202f4b4f),
				  VMPORT_SUCCESS);
		}
		vmport_close(&tools);
		EXPECT_RESULT(self->vm, id, KVM_VMPORT_TCLO_LOST, "");
	}
	/* With the reset only: no result. */
	tools = vmport_open(self->vcpu, VMPORT_TCLO);
	vmport_close(&tools);
	EXPECT_EQ(result(self->vm).id, 0);
}

TEST_F(tclo, saved_with_a_request_waiting_running_or_half_answered)
{
	struct vmport_channel tools = open_tools(self->vcpu);
	struct vmport_blob blob;
	char text[8];
	u64 id;

	id = queue(self->vm, "ping");
	EXPECT_EQ(vmport_poll(&tools), 4);
	blob = vmport_save(self->vm);
	EXPECT_EQ(vmport_load(self->vm, &blob), 0);
	vmport_blob_free(&blob);
	/* Its size was told before. */
	vmport_recv_payload(&tools, text, 4);
	EXPECT_EQ(memcmp(text, "ping", 4), 0);
	EXPECT_EQ(vmport_msg_status(&tools, VMPORT_MSG_RECVSTATUS, 1), VMPORT_SUCCESS);
	blob = vmport_save(self->vm);
	EXPECT_EQ(vmport_load(self->vm, &blob), 0);
	vmport_blob_free(&blob);
	EXPECT_EQ(vmport_msg_status(&tools, VMPORT_MSG_SENDSIZE, 8), VMPORT_SUCCESS);
	EXPECT_EQ(vmport_msg_status(&tools, VMPORT_MSG_SENDPAYLOAD, 0x202c4b4f), VMPORT_SUCCESS);
	blob = vmport_save(self->vm);
	EXPECT_EQ(vmport_load(self->vm, &blob), 0);
	EXPECT_EQ(vmport_msg_status(&tools, VMPORT_MSG_SENDPAYLOAD, 0x656e6f64), VMPORT_SUCCESS);
	EXPECT_RESULT(self->vm, id, KVM_VMPORT_TCLO_ANSWERED, "OK, done");
	/* Back to before: it is still to be answered. */
	EXPECT_EQ(vmport_load(self->vm, &blob), 0);
	EXPECT_EQ(result(self->vm).id, 0);
	vmport_close(&tools);
	EXPECT_RESULT(self->vm, id, KVM_VMPORT_TCLO_LOST, "");
	vmport_blob_free(&blob);
}

TEST_F(tclo, reset_closes_channels_and_keeps_the_rest)
{
	struct vmport_channel tools = open_tools(self->vcpu), other = open_tools(self->vcpu);
	struct vmport_channel rpci = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	struct kvm_vmport_events events;
	u64 answered, running, waiting;

	ASSERT_EQ(vmport_set_text(self->vm, "guestinfo.k", "v"), 0);
	answered = queue(self->vm, "ping");
	EXPECT_STREQ(given(&tools), "ping");
	vmport_send(&tools, "OK", 2);
	running = queue(self->vm, "run");
	EXPECT_STREQ(given(&tools), "run");
	waiting = queue(self->vm, "wait");
	EXPECT_EQ(vmport_poll(&other), 4);
	queue(self->vm, "queued");

	EXPECT_EQ(vmport_reset(self->vm), 0);
	EXPECT_EQ(vmport_msg_status(&tools, VMPORT_MSG_RECVSIZE, 0), VMPORT_FAIL);
	EXPECT_EQ(vmport_msg_status(&other, VMPORT_MSG_RECVSIZE, 0), VMPORT_FAIL);
	EXPECT_EQ(vmport_msg_status(&rpci, VMPORT_MSG_RECVSIZE, 0), VMPORT_FAIL);
	events = vmport_events(self->vm);
	EXPECT_EQ(events.lost, 2);
	EXPECT_EQ(events.channels, 0);
	EXPECT_EQ(events.results, 3);
	EXPECT_RESULT(self->vm, answered, KVM_VMPORT_TCLO_ANSWERED, "OK");
	EXPECT_RESULT(self->vm, running, KVM_VMPORT_TCLO_LOST, "");
	EXPECT_RESULT(self->vm, waiting, KVM_VMPORT_TCLO_LOST, "");
	EXPECT_EQ(result(self->vm).id, 0);

	tools = open_tools(self->vcpu);
	EXPECT_EQ(tools.id, 0);
	EXPECT_STREQ(given(&tools), "queued");
	rpci = vmport_open(self->vcpu, VMPORT_RPCI);
	EXPECT_STREQ(vmport_rpc_text(&rpci, "info-get guestinfo.k"), "1 v");
}

TEST_F(tclo, eventfd_says_that_and_events_say_what)
{
	struct vmport_channel rpci = vmport_open(self->vcpu, VMPORT_RPCI), tools;
	static const struct kvm_vmport_events none;
	struct kvm_vmport_events events;

	events = vmport_events(self->vm);
	EXPECT_EQ(memcmp(&events, &none, sizeof(events)), 0);
	ASSERT_EQ(vmport_set_eventfd(self->vm, self->eventfd), 0);
	EXPECT_EQ(signals(self->eventfd), 0);

	/* What the VMM does itself, and what changes nothing. */
	ASSERT_EQ(vmport_set_text(self->vm, "guestinfo.host", "1"), 0);
	EXPECT_STREQ(vmport_rpc_text(&rpci, "info-get guestinfo.host"), "1 1");
	EXPECT_STREQ(vmport_rpc_text(&rpci, "info-set other 1"), "0 Permission denied");
	tools = open_tools(self->vcpu);
	queue(self->vm, "ping");
	EXPECT_STREQ(given(&tools), "ping");
	EXPECT_EQ(signals(self->eventfd), 0);
	events = vmport_events(self->vm);
	EXPECT_EQ(events.sequence, 1);
	EXPECT_EQ(events.channels, 1);
	EXPECT_EQ(events.results, 0);
	EXPECT_EQ(events.lost, 0);

	EXPECT_STREQ(vmport_rpc_text(&rpci, "info-set guestinfo.ip 1.2.3.4"), "1 ");
	EXPECT_EQ(signals(self->eventfd), 1);
	EXPECT_EQ(vmport_events(self->vm).sequence, 2);

	vmport_send(&tools, "OK", 2);
	EXPECT_EQ(signals(self->eventfd), 1);
	EXPECT_EQ(vmport_events(self->vm).results, 1);
	EXPECT_RESULT(self->vm, 1, KVM_VMPORT_TCLO_ANSWERED, "OK");
	EXPECT_EQ(vmport_events(self->vm).results, 0);

	vmport_close(&rpci);
	EXPECT_EQ(signals(self->eventfd), 0);
	vmport_close(&tools);
	EXPECT_EQ(signals(self->eventfd), 1);
	events = vmport_events(self->vm);
	EXPECT_EQ(events.channels, 0);
	EXPECT_EQ(events.lost, 1);

	tools = open_tools(self->vcpu);
	EXPECT_EQ(vmport_reset(self->vm), 0);
	EXPECT_EQ(signals(self->eventfd), 1);
	EXPECT_EQ(vmport_events(self->vm).lost, 2);
}

TEST_F(tclo, eventfd_replaced_removed_and_wrong)
{
	struct vmport_channel rpci = vmport_open(self->vcpu, VMPORT_RPCI);
	int other = eventfd(0, EFD_NONBLOCK), pipes[2];

	ASSERT_GE(other, 0);
	ASSERT_EQ(pipe(pipes), 0);
	ASSERT_EQ(vmport_set_eventfd(self->vm, self->eventfd), 0);
	EXPECT_EQ(vmport_set_eventfd(self->vm, pipes[0]), EINVAL);
	EXPECT_EQ(vmport_set_eventfd(self->vm, 12345), EBADF);
	EXPECT_EQ(vmport_set_eventfd(self->vm, -2), EBADF);
	/* Those have changed nothing. */
	EXPECT_STREQ(vmport_rpc_text(&rpci, "info-set guestinfo.k 1"), "1 ");
	EXPECT_EQ(signals(self->eventfd), 1);

	ASSERT_EQ(vmport_set_eventfd(self->vm, other), 0);
	EXPECT_STREQ(vmport_rpc_text(&rpci, "info-set guestinfo.k 2"), "1 ");
	EXPECT_EQ(signals(self->eventfd), 0);
	EXPECT_EQ(signals(other), 1);
	ASSERT_EQ(vmport_set_eventfd(self->vm, -1), 0);
	EXPECT_STREQ(vmport_rpc_text(&rpci, "info-set guestinfo.k 3"), "1 ");
	EXPECT_EQ(signals(other), 0);
	ASSERT_EQ(vmport_set_eventfd(self->vm, -1), 0);

	/* It is the VM's for as long as it has it, whatever the VMM closes. */
	ASSERT_EQ(vmport_set_eventfd(self->vm, other), 0);
	close(other);
	EXPECT_STREQ(vmport_rpc_text(&rpci, "info-set guestinfo.k 4"), "1 ");
	close(pipes[0]);
	close(pipes[1]);
}

TEST_F(tclo, eventfd_hears_of_a_result_that_is_there_already)
{
	struct vmport_channel tools = open_tools(self->vcpu);
	struct vmport_blob blob;

	queue(self->vm, "ping");
	EXPECT_STREQ(given(&tools), "ping");
	vmport_send(&tools, "OK", 2);
	ASSERT_EQ(vmport_set_eventfd(self->vm, self->eventfd), 0);
	EXPECT_EQ(signals(self->eventfd), 1);
	blob = vmport_save(self->vm);
	EXPECT_EQ(vmport_load(self->vm, &blob), 0);
	EXPECT_EQ(signals(self->eventfd), 1);
	vmport_blob_free(&blob);

	EXPECT_EQ(result(self->vm).id, 1);
	blob = vmport_save(self->vm);
	EXPECT_EQ(vmport_load(self->vm, &blob), 0);
	EXPECT_EQ(signals(self->eventfd), 0);
	/* The VMM itself has replaced the channel. */
	EXPECT_EQ(vmport_events(self->vm).lost, 0);
	vmport_blob_free(&blob);
}

static void set_channels(struct kvm_vm *vm, u32 channels)
{
	struct kvm_vmport_limits limits;

	TEST_ASSERT_EQ(vmport_get_limits(vm, &limits), 0);
	limits.channels = channels;
	TEST_ASSERT_EQ(vmport_set_limits(vm, &limits), 0);
}

/* Some ticks of the kernel's, so that what was used before is older. */
static void wait_a_tick(void)
{
	usleep(25000);
}

/* The one used least recently, whatever it was used for. */
TEST_F(tclo, which_channel_is_taken)
{
	struct vmport_channel channels[4], extra;
	u64 id;

	set_channels(self->vm, 4);
	channels[0] = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	channels[1] = open_tools(self->vcpu);
	channels[2] = vmport_open(self->vcpu, VMPORT_RPCI);
	channels[3] = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	id = queue(self->vm, "ping");
	EXPECT_STREQ(given(&channels[1]), "ping");
	wait_a_tick();
	EXPECT_STREQ(vmport_rpc_text(&channels[3], "log"), "1 ");
	wait_a_tick();
	EXPECT_STREQ(vmport_rpc_text(&channels[0], "log"), "1 ");
	wait_a_tick();
	EXPECT_STREQ(vmport_rpc_text(&channels[2], "log"), "1 ");
	ASSERT_EQ(vmport_set_eventfd(self->vm, self->eventfd), 0);

	/* Its id is given to the new one; its cookie is good for nothing. */
	vmport_abandon_all();
	extra = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	EXPECT_EQ(extra.id, channels[1].id);
	EXPECT_EQ(vmport_msg_status(&channels[1], VMPORT_MSG_RECVSIZE, 0), VMPORT_FAIL);
	EXPECT_RESULT(self->vm, id, KVM_VMPORT_TCLO_LOST, "");
	EXPECT_GT(signals(self->eventfd), 0);
	EXPECT_EQ(vmport_events(self->vm).lost, 1);
	EXPECT_EQ(vmport_events(self->vm).channels, 0);
	EXPECT_EQ(vmport_open(self->vcpu, VMPORT_TCLO).id, channels[3].id);
	/* Who only fails does not use it. */
	channels[0].cookie_low ^= 1;
	EXPECT_EQ(vmport_msg_status(&channels[0], VMPORT_MSG_RECVSIZE, 0), VMPORT_FAIL);
	EXPECT_EQ(vmport_open(self->vcpu, VMPORT_RPCI).id, channels[0].id);
	EXPECT_EQ(vmport_open(self->vcpu, VMPORT_RPCI).id, channels[2].id);
}

TEST_F(tclo, the_order_moves_with_the_vm)
{
	struct vmport_channel channels[4];
	int i;

	set_channels(self->vm, 4);
	for (i = 0; i < 4; i++)
		channels[i] = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	for (i = 3; i >= 0; i--) {
		wait_a_tick();
		EXPECT_STREQ(vmport_rpc_text(&channels[i], "log"), "1 ");
	}
	reload(self->vm);
	wait_a_tick();
	EXPECT_STREQ(vmport_rpc_text(&channels[3], "log"), "1 ");
	reload(self->vm);
	vmport_abandon_all();
	EXPECT_EQ(vmport_open(self->vcpu, VMPORT_RPCI).id, 2);
	EXPECT_EQ(vmport_open(self->vcpu, VMPORT_RPCI).id, 1);
	EXPECT_EQ(vmport_open(self->vcpu, VMPORT_RPCI).id, 0);
	EXPECT_EQ(vmport_open(self->vcpu, VMPORT_RPCI).id, 3);
}

static u64 now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ull + now.tv_nsec / 1000000;
}

/* A vCPU that opens until it may not: how many. */
static u32 open_all(const struct vmport_channel *channel)
{
	struct kvm_regs regs;

	vmport_loop_regs(channel, &regs, VMPORT_MSG_OPEN, VMPORT_RPCI, 10000);
	vmport_run_done(channel->vcpu, vmport_open_loop, &regs);
	return 10000 - regs.rbx;
}

/* A process that opens all that it can takes nothing away that is in use. */
TEST_F(tclo, storm_of_opens_in_the_middle_of_a_message)
{
	struct vmport_channel tools = open_tools(self->vcpu), rpci, extra;
	u64 begin;
	u32 opened;

	/* A slow processor may take longer than a second for that. */
	do {
		begin = now_ms();
		EXPECT_EQ(vmport_reset(self->vm), 0);
		tools = open_tools(self->vcpu);
		rpci = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
		EXPECT_EQ(vmport_msg_status(&rpci, VMPORT_MSG_SENDSIZE, 5), VMPORT_SUCCESS);
		vmport_send_payload(&rpci, "log ", 4);
		opened = open_all(&rpci);
	} while (now_ms() - begin >= 900);
	EXPECT_EQ(opened, KVM_VMPORT_MAX_CHANNELS - 2);
	EXPECT_EQ(vmport_events(self->vm).channels, 1);
	EXPECT_EQ(vmport_msg_status(&rpci, VMPORT_MSG_SENDPAYLOAD, 'x'), VMPORT_SUCCESS);
	EXPECT_EQ(vmport_poll(&rpci), 2);
	EXPECT_EQ(vmport_poll(&tools), -1);

	/* Nor after a move, which uses all of them. */
	vmport_abandon_all();
	do {
		begin = now_ms();
		reload(self->vm);
		EXPECT_EQ(vmport_try_open(self->vcpu, VMPORT_RPCI, &extra), VMPORT_FAIL);
	} while (now_ms() - begin >= 900);

	/* What is used once a second is kept, the rest is free for others. */
	vmport_abandon_all();
	EXPECT_EQ(vmport_poll(&rpci), 2);
	EXPECT_EQ(vmport_poll(&tools), -1);
	extra = vmport_open(self->vcpu, VMPORT_RPCI);
	EXPECT_EQ(extra.id, 2);
	EXPECT_STREQ(vmport_rpc_text(&extra, "log"), "1 ");
	EXPECT_EQ(vmport_poll(&rpci), 2);
	EXPECT_EQ(vmport_poll(&tools), -1);
}

/* A vCPU that sets keys, while its VMM changes who hears of it. */
struct setter {
	pthread_t thread;
	struct kvm_vcpu *vcpu;
	unsigned int wrong;
};

#define SETS	150

static void *setter_run(void *arg)
{
	struct setter *setter = arg;
	struct vmport_channel rpci, tools;
	char text[64];
	int i;

	rpci = vmport_open(setter->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	for (i = 0; i < SETS; i++) {
		snprintf(text, sizeof(text), "info-set guestinfo.%u.%u %d", setter->vcpu->id,
			 i % 8, i);
		if (strcmp(vmport_rpc_text(&rpci, text), "1 "))
			setter->wrong++;
		if (i % 16 == 0) {
			tools = vmport_open(setter->vcpu, VMPORT_TCLO);
			vmport_close(&tools);
		}
	}
	return NULL;
}

TEST(race_eventfd_replaced_while_vcpus_set_keys)
{
	struct kvm_vcpu *vcpus[2];
	struct kvm_vm *vm = vmport_vm_create(VMPORT_RPC, 2, vcpus);
	struct setter setters[2] = { };
	u64 heard = 0, replaced = 0;
	int i, fd, old = eventfd(0, EFD_NONBLOCK);

	/* On a slow processor the vCPUs may be done before this thread runs again. */
	ASSERT_EQ(vmport_set_eventfd(vm, old), 0);
	for (i = 0; i < 2; i++) {
		setters[i].vcpu = vcpus[i];
		ASSERT_EQ(pthread_create(&setters[i].thread, NULL, setter_run, &setters[i]), 0);
	}
	do {
		fd = replaced % 5 == 4 ? -1 : eventfd(0, EFD_NONBLOCK);
		ASSERT_EQ(vmport_set_eventfd(vm, fd), 0);
		if (old >= 0) {
			heard += signals(old);
			/* Nobody signals it any more. */
			EXPECT_EQ(signals(old), 0);
			close(old);
		}
		old = fd;
		replaced++;
	} while (vmport_events(vm).sequence < 2 * SETS - 10);
	for (i = 0; i < 2; i++) {
		pthread_join(setters[i].thread, NULL);
		EXPECT_EQ(setters[i].wrong, 0);
	}
	if (old >= 0) {
		heard += signals(old);
		close(old);
	}
	TH_LOG("%llu signals, %llu eventfds", (unsigned long long)heard,
	       (unsigned long long)replaced);
	EXPECT_GT(heard, 0);
	EXPECT_EQ(vmport_events(vm).sequence, 2 * SETS);
	EXPECT_EQ(vmport_events(vm).lost, 2 * ((SETS + 15) / 16));
	kvm_vm_free(vm);
}

/* A vCPU that opens, talks and closes, whatever comes of it. */
static void *talker_run(void *arg)
{
	static const u16 types[] = {
		VMPORT_MSG_SENDSIZE, VMPORT_MSG_SENDPAYLOAD, VMPORT_MSG_RECVSIZE,
		VMPORT_MSG_RECVPAYLOAD, VMPORT_MSG_RECVSTATUS, VMPORT_MSG_RECVSIZE,
		VMPORT_MSG_RECVSTATUS, VMPORT_MSG_CLOSE,
	};
	struct setter *talker = arg;
	struct vmport_channel channel;
	int i, j;

	for (i = 0; i < SETS; i++) {
		if (vmport_try_open(talker->vcpu, (i % 2 ? VMPORT_RPCI : VMPORT_TCLO) |
				    VMPORT_COOKIE, &channel) != VMPORT_SUCCESS) {
			talker->wrong++;
			continue;
		}
		for (j = 0; j < ARRAY_SIZE(types); j++)
			vmport_msg_status(&channel, types[j], 1);
	}
	return NULL;
}

TEST(race_reset_while_vcpus_run)
{
	struct kvm_vcpu *vcpus[2];
	struct kvm_vm *vm = vmport_vm_create(VMPORT_RPC, 2, vcpus);
	struct setter talkers[2] = { };
	struct vmport_channel tools;
	u64 sent = 0, results = 0, id;
	int i;

	for (i = 0; i < 2; i++) {
		talkers[i].vcpu = vcpus[i];
		ASSERT_EQ(pthread_create(&talkers[i].thread, NULL, talker_run, &talkers[i]), 0);
	}
	for (i = 0; i < 500; i++) {
		sent += !vmport_tclo_send(vm, "ping", 4, &id);
		EXPECT_EQ(vmport_reset(vm), 0);
		results += !!result(vm).id;
	}
	for (i = 0; i < 2; i++) {
		pthread_join(talkers[i].thread, NULL);
		EXPECT_EQ(talkers[i].wrong, 0);
	}
	EXPECT_EQ(vmport_reset(vm), 0);
	EXPECT_EQ(vmport_events(vm).channels, 0);
	/* Each request has a result or still waits; none is gone. */
	tools = open_tools(vcpus[0]);
	while (result(vm).id)
		results++;
	while (given(&tools)) {
		vmport_send(&tools, "OK", 2);
		results += !!result(vm).id;
	}
	EXPECT_EQ(results, sent);
	kvm_vm_free(vm);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_VMPORT));

	return test_harness_run(argc, argv);
}
