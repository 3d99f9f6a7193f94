// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_EXIT_VMPORT: RPCs that the kernel does not own are the VMM's to answer.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "vmport_test.h"

#define UNKNOWN	"0 Unknown command"

FIXTURE(rpc) {
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct vmport_channel rpci;
};

FIXTURE_SETUP(rpc)
{
	self->vm = vmport_vm_create(VMPORT_EXIT_RPC, 1, &self->vcpu);
	self->rpci = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
}

FIXTURE_TEARDOWN(rpc)
{
	kvm_vm_free(self->vm);
}

/* Make the vCPU send the last word of a message of one to four bytes by @rip. */
static void start_last_word(const struct vmport_channel *channel, const char *text,
			    const void *rip)
{
	struct kvm_regs regs;
	struct vmport_regs in;
	u32 word = 0;

	TEST_ASSERT_EQ(vmport_msg_status(channel, VMPORT_MSG_SENDSIZE, strlen(text)),
		       VMPORT_SUCCESS);
	memcpy(&word, text, strlen(text));
	in = vmport_msg_regs(channel, VMPORT_MSG_SENDPAYLOAD, word);
	vmport_set_regs(channel->vcpu, &regs, &in);
	vmport_start(channel->vcpu, rip, &regs);
}

static struct kvm_vmport_exit get_exit(struct kvm_vcpu *vcpu)
{
	static const struct kvm_vmport_exit zero;
	struct kvm_vmport_exit exit;

	TEST_ASSERT(vcpu->run->exit_reason == KVM_EXIT_VMPORT, "exit %u",
		    vcpu->run->exit_reason);
	exit = *kvm_run_vmport(vcpu->run);
	TEST_ASSERT_EQ(exit.type, KVM_VMPORT_EXIT_RPC);
	/* Ring 0 has sent it. */
	TEST_ASSERT_EQ(exit.sender, KVM_VMPORT_SENDER_PRIVILEGED);
	TEST_ASSERT(!memcmp(exit.reserved, zero.reserved, sizeof(exit.reserved)), "reserved");
	TEST_ASSERT(exit.id, "no id");
	return exit;
}

/* Send a message that must leave to the VMM. */
static struct kvm_vmport_exit ask(const struct vmport_channel *channel, const void *data, u32 size)
{
	struct kvm_vcpu *vcpu = channel->vcpu;
	struct vmport_regs in = vmport_msg_regs(channel, VMPORT_MSG_SENDSIZE, size);
	struct kvm_vmport_exit exit;
	struct kvm_regs regs;

	if (size) {
		TEST_ASSERT_EQ(vmport_msg_status(channel, VMPORT_MSG_SENDSIZE, size),
			       VMPORT_SUCCESS);
		memcpy(vmport_host_buffer(channel), data, size);
		vmport_loop_regs(channel, &regs, VMPORT_MSG_SENDPAYLOAD, 0, (size + 3) / 4);
		vmport_start(vcpu, vmport_send_loop, &regs);
	} else {
		vmport_set_regs(vcpu, &regs, &in);
		vmport_start(vcpu, vmport_in, &regs);
	}
	vcpu_run(vcpu);
	exit = get_exit(vcpu);
	TEST_ASSERT_EQ(exit.channel, channel->id);
	TEST_ASSERT_EQ(exit.size, size);
	return exit;
}

static struct kvm_vmport_exit ask_text(const struct vmport_channel *channel, const char *text)
{
	return ask(channel, text, strlen(text));
}

/* Enter the guest again: it goes on behind the instruction. */
static void go_on(struct kvm_vcpu *vcpu)
{
	vcpu_run(vcpu);
	TEST_ASSERT(vmport_is_done(vcpu), "exit %u", vcpu->run->exit_reason);
}

static const char *reply_of(const struct vmport_channel *channel)
{
	static __thread char text[KVM_VMPORT_MAX_REPLY + 1];
	int size = vmport_recv(channel, text, sizeof(text) - 1);

	TEST_ASSERT(size >= 0, "No reply");
	text[size] = '\0';
	return text;
}

static int answer(struct kvm_vm *vm, u64 id, const char *text)
{
	return vmport_answer(vm, id, text, strlen(text));
}

/* The message as the VMM reads it, NULL when there is none; its id in @id. */
static const char *read_asked(struct kvm_vm *vm, u64 *id)
{
	static char text[KVM_VMPORT_MAX_MESSAGE + 1];
	u32 size = sizeof(text) - 1, channel;
	int r = vmport_read_asked(vm, id, text, &size, &channel);

	if (r) {
		TEST_ASSERT_EQ(r, ENOENT);
		TEST_ASSERT_EQ(vmport_error, KVM_VMPORT_ERR_NONE);
		return NULL;
	}
	text[size] = '\0';
	return text;
}

static const char *oldest_asked(struct kvm_vm *vm)
{
	u64 id = 0;

	return read_asked(vm, &id);
}

TEST_F(rpc, the_vmm_reads_and_replies)
{
	struct kvm_vmport_exit exit = ask_text(&self->rpci, "vmx.capability.unified_loop toolbox");
	u32 size = 100, channel;
	char text[100];
	u64 id;

	id = exit.id;
	EXPECT_EQ(vmport_read_asked(self->vm, &id, text, &size, &channel), 0);
	EXPECT_EQ(id, exit.id);
	EXPECT_EQ(size, 35);
	EXPECT_EQ(channel, self->rpci.id);
	EXPECT_EQ(memcmp(text, "vmx.capability.unified_loop toolbox", 35), 0);
	EXPECT_EQ(answer(self->vm, exit.id, "1 from the VMM"), 0);
	go_on(self->vcpu);
	EXPECT_STREQ(reply_of(&self->rpci), "1 from the VMM");
	EXPECT_EQ(answer(self->vm, exit.id, "1 again"), ENOENT);
	EXPECT_EQ(oldest_asked(self->vm), NULL);
}

TEST_F(rpc, what_the_kernel_owns_does_not_leave)
{
	EXPECT_STREQ(vmport_rpc_text(&self->rpci, "info-get guestinfo.x"), "0 No value found");
	EXPECT_STREQ(vmport_rpc_text(&self->rpci, "info-set x y"), "0 Permission denied");
	EXPECT_EQ(oldest_asked(self->vm), NULL);
}

TEST_F(rpc, every_register_is_complete_at_the_exit)
{
	static const void * const rips[] = { vmport_in, vmport_out };
	static const void * const ends[] = { vmport_in_end, vmport_out_end };
	struct kvm_vmport_exit exit;
	struct kvm_regs regs;
	int i;

	for (i = 0; i < 2; i++) {
		start_last_word(&self->rpci, "what", rips[i]);
		vcpu_run(self->vcpu);
		exit = get_exit(self->vcpu);
		vcpu_regs_get(self->vcpu, &regs);
		EXPECT_EQ(regs.rip, (unsigned long)ends[i]);
		EXPECT_EQ(regs.rax, (i ? VMPORT_HIGH_AX : 0) | VMPORT_MAGIC);
		EXPECT_EQ((u32)regs.rcx, VMPORT_SUCCESS << 16);
		vmport_assert_high(&regs);
		/* The VMM may change them now, as behind any instruction. */
		regs.r15 = 0x1515;
		vcpu_regs_set(self->vcpu, &regs);
		EXPECT_EQ(answer(self->vm, exit.id, "1 x"), 0);
		go_on(self->vcpu);
		vcpu_regs_get(self->vcpu, &regs);
		EXPECT_EQ(regs.r15, 0x1515);
		EXPECT_STREQ(reply_of(&self->rpci), "1 x");
	}
}

TEST_F(rpc, entering_without_a_reply)
{
	struct kvm_vmport_exit exit = ask_text(&self->rpci, "what");

	go_on(self->vcpu);
	EXPECT_STREQ(oldest_asked(self->vm), "what");
	EXPECT_STREQ(reply_of(&self->rpci), UNKNOWN);
	EXPECT_EQ(oldest_asked(self->vm), NULL);
	EXPECT_EQ(answer(self->vm, exit.id, "1 late"), ENOENT);
	EXPECT_EQ(vmport_poll(&self->rpci), -1);
}

TEST_F(rpc, a_reply_after_entering_but_before_the_poll)
{
	struct kvm_vmport_exit exit = ask_text(&self->rpci, "what");

	go_on(self->vcpu);
	/* Neither reads what is not there nor consumes it. */
	EXPECT_EQ(vmport_msg_status(&self->rpci, VMPORT_MSG_RECVPAYLOAD, 1), VMPORT_FAIL);
	EXPECT_EQ(vmport_msg_status(&self->rpci, VMPORT_MSG_RECVSTATUS, 1), VMPORT_FAIL);
	EXPECT_EQ(answer(self->vm, exit.id, "1 in time"), 0);
	EXPECT_STREQ(reply_of(&self->rpci), "1 in time");
}

TEST_F(rpc, sizes_and_room)
{
	u8 *message = vmport_alloc(KVM_VMPORT_MAX_REPLY + 1);
	u8 *seen = vmport_alloc(KVM_VMPORT_MAX_REPLY + 1);
	const u32 max = KVM_VMPORT_MAX_MESSAGE;
	struct kvm_vmport_exit exit;
	u32 size, channel, i;
	u64 id;

	for (i = 0; i <= KVM_VMPORT_MAX_REPLY; i++)
		message[i] = 'a' + i % 23;
	exit = ask(&self->rpci, message, max);

	id = 0;
	size = max - 1;
	EXPECT_EQ(vmport_read_asked(self->vm, &id, seen, &size, &channel), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_BUFFER);
	EXPECT_EQ(size, max);
	EXPECT_EQ(id, 0);
	EXPECT_EQ(seen[0], 0);
	EXPECT_EQ(vmport_read_asked(self->vm, &id, seen, &size, &channel), 0);
	EXPECT_EQ(id, exit.id);
	EXPECT_EQ(memcmp(seen, message, max), 0);
	EXPECT_EQ(vmport_read_asked(self->vm, &id, (void *)1, &size, &channel), EFAULT);

	EXPECT_EQ(vmport_answer(self->vm, exit.id, message, KVM_VMPORT_MAX_REPLY + 1), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_REPLY_SIZE);
	EXPECT_EQ(vmport_answer(self->vm, exit.id, (void *)1, 10), EFAULT);
	EXPECT_EQ(vmport_answer(self->vm, 0, "1 ", 2), ENOENT);
	EXPECT_EQ(vmport_answer(self->vm, exit.id + 1, "1 ", 2), ENOENT);
	/* None of that was an answer. */
	EXPECT_EQ(vmport_answer(self->vm, exit.id, message, KVM_VMPORT_MAX_REPLY), 0);
	go_on(self->vcpu);
	EXPECT_EQ(vmport_recv(&self->rpci, seen, KVM_VMPORT_MAX_REPLY), KVM_VMPORT_MAX_REPLY);
	EXPECT_EQ(memcmp(seen, message, KVM_VMPORT_MAX_REPLY), 0);

	/* Nothing at all, either way. */
	exit = ask(&self->rpci, NULL, 0);
	size = 0;
	id = exit.id;
	EXPECT_EQ(vmport_read_asked(self->vm, &id, NULL, &size, &channel), 0);
	EXPECT_EQ(vmport_answer(self->vm, exit.id, NULL, 0), 0);
	go_on(self->vcpu);
	EXPECT_EQ(vmport_poll(&self->rpci), 0);
	free(message);
	free(seen);
}

TEST_F(rpc, reserved_fields_einval)
{
	struct kvm_vmport_exit exit = ask_text(&self->rpci, "what");
	struct kvm_vmport_attr attr;
	int i, set;

	for (set = 0; set < 2; set++) {
		for (i = offsetof(struct kvm_vmport_rpc, reserved); i < sizeof(attr.u.rpc); i++) {
			attr = (struct kvm_vmport_attr) {
				.type = KVM_VMPORT_ATTR_RPC,
				.u.rpc.id = exit.id,
			};
			((u8 *)&attr.u)[i] = 1;
			EXPECT_EQ(vmport_attr(self->vm, set ? KVM_SET_VMPORT_ATTR :
					      KVM_GET_VMPORT_ATTR, &attr), EINVAL);
			EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_RESERVED);
		}
	}
	EXPECT_EQ(answer(self->vm, exit.id, "1 "), 0);
}

TEST_F(rpc, flags_einval)
{
	struct kvm_vmport_exit exit = ask_text(&self->rpci, "what");
	struct kvm_vmport_attr attr;
	int i;

	for (i = 0; i < 32; i++) {
		attr = (struct kvm_vmport_attr) {
			.type = KVM_VMPORT_ATTR_RPC,
			.u.rpc.id = exit.id,
			.u.rpc.flags = 1u << i,
		};
		EXPECT_EQ(vmport_attr(self->vm, KVM_SET_VMPORT_ATTR, &attr), EINVAL);
		EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_FLAGS);
		if (1u << i == KVM_VMPORT_RPC_NEXT)
			continue;
		EXPECT_EQ(vmport_attr(self->vm, KVM_GET_VMPORT_ATTR, &attr), EINVAL);
		EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_FLAGS);
	}
	EXPECT_EQ(answer(self->vm, exit.id, "1 "), 0);
}

/* One struct for all calls, as a VMM's loop has it; nothing in it is set again. */
TEST_F(rpc, all_that_wait_with_one_struct)
{
	struct vmport_channel other = vmport_open(self->vcpu, VMPORT_RPCI);
	struct kvm_vmport_exit first, second;
	char text[16];
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_RPC,
		.u.rpc.data = (unsigned long)text,
		.u.rpc.flags = KVM_VMPORT_RPC_NEXT,
	};

	first = ask_text(&other, "one");
	go_on(self->vcpu);
	second = ask_text(&self->rpci, "second");
	go_on(self->vcpu);

	EXPECT_EQ(vmport_attr(self->vm, KVM_GET_VMPORT_ATTR, &attr), E2BIG);
	EXPECT_EQ(vmport_attr(self->vm, KVM_GET_VMPORT_ATTR, &attr), 0);
	EXPECT_EQ(attr.u.rpc.id, first.id);
	EXPECT_EQ(attr.u.rpc.channel, first.channel);
	EXPECT_EQ(memcmp(text, "one", 3), 0);
	EXPECT_EQ(vmport_attr(self->vm, KVM_GET_VMPORT_ATTR, &attr), E2BIG);
	EXPECT_EQ(attr.u.rpc.size, 6);
	EXPECT_EQ(vmport_attr(self->vm, KVM_GET_VMPORT_ATTR, &attr), 0);
	EXPECT_EQ(attr.u.rpc.id, second.id);
	EXPECT_EQ(memcmp(text, "second", 6), 0);
	EXPECT_EQ(vmport_attr(self->vm, KVM_GET_VMPORT_ATTR, &attr), ENOENT);
	EXPECT_EQ(attr.u.rpc.id, second.id);

	/* And once more by its number. */
	attr.u.rpc.flags = 0;
	EXPECT_EQ(vmport_attr(self->vm, KVM_GET_VMPORT_ATTR, &attr), 0);
	EXPECT_EQ(attr.u.rpc.id, second.id);
}

/* What management wants to know of a guest; without a reply the guest hears "1 ". */
TEST_F(rpc, reports_are_the_vmms)
{
	static const char stats[] = "SetGuestInfo  9 \0\1\2";
	static const char * const reports[] = {
		"log started", "tools.set.version 12389", "tools.os.statechange.status 1 0",
		"tools.capability.features 5", "update.tools.health 1",
	};
	struct kvm_vmport_exit exit;
	u32 size, channel, i;
	char text[64];
	u64 id;

	for (i = 0; i < ARRAY_SIZE(reports); i++) {
		exit = ask_text(&self->rpci, reports[i]);
		id = exit.id;
		EXPECT_STREQ(read_asked(self->vm, &id), reports[i]);
		go_on(self->vcpu);
		EXPECT_STREQ(reply_of(&self->rpci), "1 ");
	}

	/* Every byte, also behind a NUL. */
	exit = ask(&self->rpci, stats, sizeof(stats));
	id = exit.id;
	size = sizeof(text);
	EXPECT_EQ(vmport_read_asked(self->vm, &id, text, &size, &channel), 0);
	EXPECT_EQ(size, sizeof(stats));
	EXPECT_EQ(memcmp(text, stats, sizeof(stats)), 0);
	EXPECT_EQ(answer(self->vm, exit.id, "1 "), 0);
	go_on(self->vcpu);
	EXPECT_STREQ(reply_of(&self->rpci), "1 ");

	/* These stay the kernel's. */
	EXPECT_STREQ(vmport_rpc_text(&self->rpci, "machine.id.get"), "0 No machine id");
	EXPECT_STREQ(vmport_rpc_text(&self->rpci, "info-set guestinfo.a b"), "1 ");
	EXPECT_STREQ(vmport_rpc_text(&self->rpci, "info-get guestinfo.a"), "1 b");
	EXPECT_EQ(oldest_asked(self->vm), NULL);
}

TEST(off_it_is_unknown_and_never_leaves)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vmport_vm_create(VMPORT_RPC, 1, &vcpu);
	struct vmport_channel rpci = vmport_open(vcpu, VMPORT_RPCI);
	u32 size = 0, channel;
	u64 id = 0;

	EXPECT_STREQ(vmport_rpc_text(&rpci, "what"), UNKNOWN);
	EXPECT_EQ(vmport_read_asked(vm, &id, NULL, &size, &channel), EPERM);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_FEATURE);
	EXPECT_EQ(vmport_answer(vm, 1, "1 ", 2), EPERM);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_FEATURE);
	kvm_vm_free(vm);
}

TEST_F(rpc, dropped_by_the_next_message_close_and_reset)
{
	struct kvm_vmport_exit exit, next;

	exit = ask_text(&self->rpci, "one");
	go_on(self->vcpu);
	next = ask_text(&self->rpci, "two");
	EXPECT_GT(next.id, exit.id);
	EXPECT_EQ(answer(self->vm, exit.id, "1 "), ENOENT);
	go_on(self->vcpu);
	vmport_close(&self->rpci);
	EXPECT_EQ(answer(self->vm, next.id, "1 "), ENOENT);

	self->rpci = vmport_open(self->vcpu, VMPORT_RPCI);
	exit = ask_text(&self->rpci, "three");
	EXPECT_EQ(vmport_reset(self->vm), 0);
	EXPECT_EQ(answer(self->vm, exit.id, "1 "), ENOENT);
	EXPECT_EQ(oldest_asked(self->vm), NULL);
	go_on(self->vcpu);
	self->rpci = vmport_open(self->vcpu, VMPORT_RPCI);
	EXPECT_EQ(vmport_poll(&self->rpci), -1);
}

TEST_F(rpc, two_channels_of_one_vcpu)
{
	struct vmport_channel other = vmport_open(self->vcpu, VMPORT_RPCI);
	struct kvm_vmport_exit first = ask_text(&other, "other"), second;
	u64 id = 0;

	go_on(self->vcpu);
	second = ask_text(&self->rpci, "mine");
	go_on(self->vcpu);
	EXPECT_STREQ(read_asked(self->vm, &id), "other");
	EXPECT_EQ(id, first.id);
	EXPECT_EQ(answer(self->vm, second.id, "1 mine"), 0);
	EXPECT_EQ(answer(self->vm, first.id, "1 other"), 0);
	EXPECT_STREQ(reply_of(&self->rpci), "1 mine");
	EXPECT_STREQ(reply_of(&other), "1 other");
}

TEST_F(rpc, single_step_has_priority)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};
	struct kvm_vmport_exit exit;
	struct kvm_regs regs;

	start_last_word(&self->rpci, "what", vmport_in);
	vcpu_guest_debug_set(self->vcpu, &debug);
	vcpu_run(self->vcpu);
	EXPECT_EQ(self->vcpu->run->exit_reason, KVM_EXIT_DEBUG);
	EXPECT_EQ(self->vcpu->run->debug.arch.pc, (unsigned long)vmport_in_end);
	/* The guest does nothing before the VMM has heard of it. */
	vcpu_run(self->vcpu);
	exit = get_exit(self->vcpu);
	vcpu_regs_get(self->vcpu, &regs);
	EXPECT_EQ(regs.rip, (unsigned long)vmport_in_end);
	EXPECT_EQ(answer(self->vm, exit.id, "1 x"), 0);
	debug.control = 0;
	vcpu_guest_debug_set(self->vcpu, &debug);
	go_on(self->vcpu);
	EXPECT_STREQ(reply_of(&self->rpci), "1 x");
}

TEST_F(rpc, immediate_exit_loses_nothing)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};
	struct kvm_vmport_exit exit;
	int i;

	/* Before the exit was seen... */
	start_last_word(&self->rpci, "what", vmport_in);
	vcpu_guest_debug_set(self->vcpu, &debug);
	vcpu_run(self->vcpu);
	ASSERT_EQ(self->vcpu->run->exit_reason, KVM_EXIT_DEBUG);
	debug.control = 0;
	vcpu_guest_debug_set(self->vcpu, &debug);
	for (i = 0; i < 3; i++) {
		self->vcpu->run->immediate_exit = 1;
		EXPECT_EQ(__vcpu_run(self->vcpu), -1);
		EXPECT_EQ(errno, EINTR);
	}
	self->vcpu->run->immediate_exit = 0;
	vcpu_run(self->vcpu);
	exit = get_exit(self->vcpu);
	/* ... and behind it. */
	self->vcpu->run->immediate_exit = 1;
	EXPECT_EQ(__vcpu_run(self->vcpu), -1);
	EXPECT_EQ(errno, EINTR);
	self->vcpu->run->immediate_exit = 0;
	EXPECT_STREQ(oldest_asked(self->vm), "what");
	EXPECT_EQ(answer(self->vm, exit.id, "1 x"), 0);
	go_on(self->vcpu);
	EXPECT_STREQ(reply_of(&self->rpci), "1 x");
}

static void nothing(int signal)
{
}

TEST_F(rpc, a_signal_loses_nothing)
{
	struct sigaction action = { .sa_handler = nothing };
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};
	/* The length of the set, then the set: none blocked. */
	u32 unblocked[3] = { 8 };
	struct kvm_vmport_exit exit;
	sigset_t blocked;

	/* A signal that is pending, and let through in KVM_RUN only. */
	ASSERT_EQ(sigaction(SIGUSR1, &action, NULL), 0);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &blocked, NULL), 0);

	start_last_word(&self->rpci, "what", vmport_in);
	vcpu_guest_debug_set(self->vcpu, &debug);
	vcpu_run(self->vcpu);
	ASSERT_EQ(self->vcpu->run->exit_reason, KVM_EXIT_DEBUG);
	debug.control = 0;
	vcpu_guest_debug_set(self->vcpu, &debug);

	ASSERT_EQ(ioctl(self->vcpu->fd, KVM_SET_SIGNAL_MASK, unblocked), 0);
	raise(SIGUSR1);
	/* With the exit or before it: the VMM sees both. */
	if (__vcpu_run(self->vcpu)) {
		EXPECT_EQ(errno, EINTR);
		ASSERT_EQ(pthread_sigmask(SIG_UNBLOCK, &blocked, NULL), 0);
		vcpu_run(self->vcpu);
	}
	exit = get_exit(self->vcpu);
	EXPECT_EQ(answer(self->vm, exit.id, "1 x"), 0);
	ASSERT_EQ(pthread_sigmask(SIG_UNBLOCK, &blocked, NULL), 0);
	go_on(self->vcpu);
	EXPECT_STREQ(reply_of(&self->rpci), "1 x");
}

TEST(each_vcpu_leaves_for_its_own)
{
	struct kvm_vcpu *vcpus[2];
	struct kvm_vm *vm = vmport_vm_create(VMPORT_EXIT_RPC, 2, vcpus);
	struct vmport_channel channels[2];
	struct kvm_vmport_exit exits[2];
	int i;

	for (i = 0; i < 2; i++)
		channels[i] = vmport_open(vcpus[i], VMPORT_RPCI | VMPORT_COOKIE);
	/* The second before the first has gone on. */
	for (i = 0; i < 2; i++)
		exits[i] = ask_text(&channels[i], i ? "second" : "first");
	EXPECT_GT(exits[1].id, exits[0].id);
	EXPECT_EQ(answer(vm, exits[1].id, "1 second"), 0);
	EXPECT_EQ(answer(vm, exits[0].id, "1 first"), 0);
	for (i = 0; i < 2; i++)
		go_on(vcpus[i]);
	EXPECT_STREQ(reply_of(&channels[0]), "1 first");
	EXPECT_STREQ(reply_of(&channels[1]), "1 second");
	kvm_vm_free(vm);
}

TEST(another_vcpu_polls)
{
	struct kvm_vcpu *vcpus[2];
	struct kvm_vm *vm = vmport_vm_create(VMPORT_EXIT_RPC, 2, vcpus);
	struct vmport_channel channel = vmport_open(vcpus[0], VMPORT_RPCI | VMPORT_COOKIE);
	struct vmport_channel other = channel;
	struct kvm_vmport_exit exit;

	other.vcpu = vcpus[1];
	exit = ask_text(&channel, "what");
	EXPECT_STREQ(reply_of(&other), UNKNOWN);
	EXPECT_EQ(answer(vm, exit.id, "1 late"), ENOENT);
	go_on(vcpus[0]);
	EXPECT_EQ(vmport_poll(&channel), -1);
	kvm_vm_free(vm);
}

TEST_F(rpc, a_state_that_asks_is_answered_where_it_is_loaded)
{
	struct kvm_vmport_exit exit = ask_text(&self->rpci, "what");
	struct vmport_blob blob = vmport_save(self->vm);
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vmport_vm_create(VMPORT_EXIT_RPC, 1, &vcpu);
	struct vmport_channel moved = self->rpci;
	u64 id = 0, late;
	int i;

	/* The one who saved goes on as before. */
	EXPECT_EQ(answer(self->vm, exit.id, "1 here"), 0);
	go_on(self->vcpu);
	EXPECT_STREQ(reply_of(&self->rpci), "1 here");

	moved.vcpu = vcpu;
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(vmport_load(vm, &blob), 0);
		EXPECT_TRUE(vmport_state_is(vm, &blob));
		late = id;
		id = 0;
		EXPECT_STREQ(read_asked(vm, &id), "what");
		/* That of the blob, as long as the VM has used none as large. */
		EXPECT_TRUE(i ? id > late : id == exit.id);
		EXPECT_EQ(answer(vm, late, "1 late"), ENOENT);
		/* Replied to there, or not. */
		if (i)
			EXPECT_EQ(answer(vm, id, "1 there"), 0);
		EXPECT_STREQ(reply_of(&moved), i ? "1 there" : UNKNOWN);
	}
	/* Ids go on above. */
	exit = ask_text(&moved, "next");
	EXPECT_GT(exit.id, id);
	vmport_blob_free(&blob);
	kvm_vm_free(vm);
}

TEST_F(rpc, a_state_that_asks_needs_the_feature)
{
	struct kvm_vmport_exit exit = ask_text(&self->rpci, "what");
	struct vmport_blob blob = vmport_save(self->vm), before;
	struct kvm_vm *vm = vmport_vm_create_barebones(VMPORT_RPC);

	ASSERT_EQ(vmport_set_text(vm, "k", "v"), 0);
	before = vmport_save(vm);
	EXPECT_EQ(vmport_load(vm, &blob), EPERM);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_FEATURE);
	/* The flags of the first channel. */
	EXPECT_EQ(vmport_error_offset, 32 + 16 + 2);
	EXPECT_TRUE(vmport_state_is(vm, &before));
	EXPECT_EQ(answer(self->vm, exit.id, "1 "), 0);
	vmport_blob_free(&blob);
	vmport_blob_free(&before);
	kvm_vm_free(vm);
}

/*
 * The last word of a message and right behind it a poll, in real mode.  kvm-intel without
 * unrestricted guests emulates both in one go where a segment is larger than real mode's.
 */
static const u8 real_mode_code[] = {
	0x66, 0xed,			/* in eax, dx */
	0xf4,				/* hlt */
	/* At 3. */
	0x66, 0xed,			/* in eax, dx */
	0x66, 0xb9, 30, 0, 3, 0,	/* mov ecx, RECVSIZE << 16 | MESSAGE */
	0x66, 0xba, 0x58, 0x56, 0, 0,	/* mov edx, 0 << 16 | port */
	0x66, 0xed,			/* in eax, dx */
	0xf4,				/* hlt */
};

#define REAL_MODE_CODE	0x8000

/* To the next HLT, on channel 0; how many replies the VMM has given. */
static u32 run_in_real_mode(struct kvm_vcpu *vcpu, struct kvm_vm *vm, u32 offset, u16 type,
			    struct kvm_regs *regs, u32 bx)
{
	u32 replies = 0;

	*regs = (struct kvm_regs) {
		.rip = offset, .rflags = 2, .rax = VMPORT_MAGIC, .rbx = bx,
		.rcx = (u32)type << 16 | 30, .rdx = VMPORT_PORT,
	};
	vcpu_regs_set(vcpu, regs);
	for (;;) {
		vcpu_run(vcpu);
		if (vcpu->run->exit_reason == KVM_EXIT_HLT)
			break;
		TEST_ASSERT_EQ(answer(vm, get_exit(vcpu).id, "1 you"), 0);
		replies++;
	}
	vcpu_regs_get(vcpu, regs);
	return replies;
}

TEST(the_vmm_is_asked_before_the_poll_in_real_mode)
{
	struct kvm_vcpu *vcpu;
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	struct kvm_vm *vm;
	int big;

	for (big = 0; big < 2; big++) {
		vm = vmport_vm_create_barebones(VMPORT_EXIT_RPC);
		vm_ioctl(vm, KVM_SET_TSS_ADDR, (void *)0xfffbd000ul);
		vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, REAL_MODE_CODE, 0, 1, 0);
		memcpy(addr_gpa2hva(vm, REAL_MODE_CODE), real_mode_code, sizeof(real_mode_code));
		vcpu = __vm_vcpu_add(vm, 0);
		vcpu_sregs_get(vcpu, &sregs);
		sregs.cs.base = REAL_MODE_CODE;
		sregs.cs.selector = REAL_MODE_CODE >> 4;
		if (big) {
			sregs.ds.limit = ~0u;
			sregs.ds.g = 1;
		}
		vcpu_sregs_set(vcpu, &sregs);

		run_in_real_mode(vcpu, vm, 0, VMPORT_MSG_OPEN, &regs, VMPORT_RPCI);
		ASSERT_EQ((u32)regs.rcx, VMPORT_SUCCESS << 16);
		run_in_real_mode(vcpu, vm, 0, VMPORT_MSG_SENDSIZE, &regs, 4);
		ASSERT_EQ((u32)regs.rcx, VMPORT_SUCCESS << 16);
		EXPECT_EQ(run_in_real_mode(vcpu, vm, 3, VMPORT_MSG_SENDPAYLOAD, &regs,
					   0x74616877), 1) TH_LOG("big %d", big);
		EXPECT_EQ((u32)regs.rbx, 5) TH_LOG("big %d", big);
		kvm_vm_free(vm);
	}
}

TEST_F(rpc, a_state_loaded_over_one_that_asks)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};
	struct vmport_blob empty = vmport_save(self->vm), asking;
	struct kvm_vmport_exit exit = ask_text(&self->rpci, "what");
	u64 id = 0;

	EXPECT_EQ(vmport_load(self->vm, &empty), 0);
	EXPECT_EQ(answer(self->vm, exit.id, "1 "), ENOENT);
	go_on(self->vcpu);
	EXPECT_EQ(vmport_poll(&self->rpci), -1);

	/* And before the VMM was told: there is nothing to be told of. */
	start_last_word(&self->rpci, "what", vmport_in);
	vcpu_guest_debug_set(self->vcpu, &debug);
	vcpu_run(self->vcpu);
	ASSERT_EQ(self->vcpu->run->exit_reason, KVM_EXIT_DEBUG);
	debug.control = 0;
	vcpu_guest_debug_set(self->vcpu, &debug);
	asking = vmport_save(self->vm);
	EXPECT_STREQ(read_asked(self->vm, &id), "what");
	EXPECT_EQ(vmport_load(self->vm, &asking), 0);
	EXPECT_EQ(answer(self->vm, id, "1 late"), ENOENT);
	EXPECT_STREQ(oldest_asked(self->vm), "what");
	go_on(self->vcpu);
	EXPECT_STREQ(reply_of(&self->rpci), UNKNOWN);
	vmport_blob_free(&empty);
	vmport_blob_free(&asking);
}

/* Someone who replies, at any time. */
struct replier {
	pthread_t thread;
	struct kvm_vm *vm;
	u64 id;			/* to reply to; 0: none, ~0: stop */
	u64 replied;		/* last one */
	int r;
};

static void *replier_run(void *arg)
{
	struct replier *replier = arg;
	char text[32];
	u64 id;

	while ((id = READ_ONCE(replier->id)) != ~0ull) {
		if (id == replier->replied)
			continue;
		snprintf(text, sizeof(text), "1 %llu", (unsigned long long)id);
		replier->r = answer(replier->vm, id, text);
		__atomic_store_n(&replier->replied, id, __ATOMIC_RELEASE);
	}
	return NULL;
}

#define RACE_ROUNDS	400

TEST_F(rpc, race_a_reply_while_the_guest_polls)
{
	struct replier replier = { .vm = self->vm };
	unsigned int in_time = 0, late = 0;
	struct kvm_vmport_exit exit;
	char expected[32];
	const char *reply;
	int i;

	ASSERT_EQ(pthread_create(&replier.thread, NULL, replier_run, &replier), 0);
	for (i = 0; i < RACE_ROUNDS; i++) {
		exit = ask_text(&self->rpci, "what");
		WRITE_ONCE(replier.id, exit.id);
		if (i % 4 == 1)
			usleep(i % 50);
		go_on(self->vcpu);
		reply = reply_of(&self->rpci);
		while (__atomic_load_n(&replier.replied, __ATOMIC_ACQUIRE) != exit.id)
			;
		/* The one or the other, and both sides say the same. */
		snprintf(expected, sizeof(expected), "1 %llu", (unsigned long long)exit.id);
		if (replier.r) {
			ASSERT_EQ(replier.r, ENOENT);
			ASSERT_STREQ(reply, UNKNOWN);
			late++;
		} else {
			ASSERT_STREQ(reply, expected);
			in_time++;
		}
	}
	WRITE_ONCE(replier.id, ~0ull);
	pthread_join(replier.thread, NULL);
	TH_LOG("%u in time, %u late", in_time, late);
	EXPECT_EQ(in_time + late, RACE_ROUNDS);
}

/* Someone who loads a state, again and again. */
struct loader {
	pthread_t thread;
	struct kvm_vm *vm;
	struct vmport_blob blob;
	bool stop;
	unsigned int failures;
};

static void *loader_run(void *arg)
{
	struct loader *loader = arg;

	while (!READ_ONCE(loader->stop)) {
		loader->failures += !!vmport_load(loader->vm, &loader->blob);
		usleep(1000);
	}
	return NULL;
}

TEST_F(rpc, race_states_are_loaded_while_a_channel_asks)
{
	struct loader loader = { .vm = self->vm };
	unsigned int replied = 0, exits = 0;
	struct kvm_vmport_exit exit;
	struct kvm_regs regs;
	struct vmport_regs out;
	u64 last = 0;
	int i;

	loader.blob = vmport_save(self->vm);
	ASSERT_EQ(pthread_create(&loader.thread, NULL, loader_run, &loader), 0);
	for (i = 0; i < RACE_ROUNDS; i++) {
		struct vmport_regs in;

		if (!vmport_msg_status(&self->rpci, VMPORT_MSG_SENDSIZE, 4))
			continue;
		in = vmport_msg_regs(&self->rpci, VMPORT_MSG_SENDPAYLOAD, 0x74616877);
		vmport_set_regs(self->vcpu, &regs, &in);
		vmport_start(self->vcpu, vmport_in, &regs);
		vcpu_run(self->vcpu);
		if (self->vcpu->run->exit_reason == KVM_EXIT_VMPORT) {
			exits++;
			exit = get_exit(self->vcpu);
			ASSERT_GT(exit.id, last);
			last = exit.id;
			if (!answer(self->vm, exit.id, "1 "))
				replied++;
			vcpu_run(self->vcpu);
		}
		ASSERT_TRUE(vmport_is_done(self->vcpu));
		out = vmport_msg(&self->rpci, VMPORT_MSG_RECVSIZE, 0);
		ASSERT_EQ(vmport_status(&out) & VMPORT_SUCCESS, VMPORT_SUCCESS);
		if (vmport_status(&out) & VMPORT_DORECV)
			ASSERT_EQ(out.bx, 2);
	}
	WRITE_ONCE(loader.stop, true);
	pthread_join(loader.thread, NULL);
	EXPECT_EQ(loader.failures, 0);
	EXPECT_GT(replied, 0);
	EXPECT_GE(exits, replied);
	vmport_blob_free(&loader.blob);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_X86_VMPORT) & KVM_VMPORT_FEATURE_EXIT_RPC);

	return test_harness_run(argc, argv);
}
