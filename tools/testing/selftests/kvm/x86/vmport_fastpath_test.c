// SPDX-License-Identifier: GPL-2.0-only
/*
 * The exit fast path of the VMware guest interface: which calls are answered
 * there, which leave it, and that nobody can tell but by the counters.
 */
#include "vmport.h"

/* One vCPU's counters, by name, from its binary statistics. */
static u64 counter(struct kvm_vcpu *vcpu, const char *name)
{
	struct kvm_stats_header header;
	struct kvm_stats_desc *descs, *desc;
	int fd = vcpu_get_stats_fd(vcpu);
	bool found = false;
	u64 value = 0;
	u32 i;

	read_stats_header(fd, &header);
	descs = read_stats_descriptors(fd, &header);
	for (i = 0; i < header.num_desc; i++) {
		desc = get_stats_descriptor(descs, i, &header);
		if (strcmp(desc->name, name))
			continue;
		read_stat_data(fd, &header, desc, &value, 1);
		found = true;
	}
	TEST_ASSERT(found, "vCPUs do not count %s", name);
	free(descs);
	close(fd);
	return value;
}

struct counters {
	u64 calls;
	u64 fast;
	u64 io_exits;
};

static struct counters counters(struct kvm_vcpu *vcpu)
{
	return (struct counters) {
		.calls = counter(vcpu, "vmport_calls"),
		.fast = counter(vcpu, "vmport_fast_calls"),
		.io_exits = counter(vcpu, "io_exits"),
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
	static const u16 commands[] = {
		VMPORT_CMD_GETMHZ, VMPORT_CMD_GETVERSION, VMPORT_CMD_GETHWVERSION,
		VMPORT_CMD_GETUUID, VMPORT_CMD_GETMEMSIZE, VMPORT_CMD_GETTIME,
		VMPORT_CMD_GETHZ, VMPORT_CMD_GETTIMEFULL, VMPORT_CMD_GETTIMEFULL_WITH_LAG,
		VMPORT_CMD_GET_VCPU_INFO,
	};
	struct kvm_vmport_identity identity;
	struct counters before;
	int i;

	ASSERT_EQ(vmport_get_identity(self->vm, &identity), 0);
	identity.memory_mib = 512;
	memset(identity.uuid, 0x5a, sizeof(identity.uuid));
	ASSERT_EQ(vmport_set_identity(self->vm, &identity), 0);

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		before = counters(self->vcpu);
		vmport_call(self->vcpu, (struct vmport_regs) {
			.ax = VMPORT_MAGIC, .cx = commands[i], .dx = VMPORT_PORT,
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
	vmport_send(&channel, "OK ", 3);

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
