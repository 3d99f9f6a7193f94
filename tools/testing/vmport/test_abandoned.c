// SPDX-License-Identifier: GPL-2.0-only
/*
 * Abandoned channels: which one an OPEN takes when as many are open as there may
 * be, and what becomes of it.
 */
#include "blob.h"

static struct chan chans[KVM_VMPORT_MAX_CHANNELS];

static void talk(struct chan *chan, unsigned int messages)
{
	while (messages--)
		CHECK(!strcmp(ask(chan, "log x"), "1 "));
}

/* Does an OPEN now take this one? */
static void check_taken(struct vm *vm, struct chan *victim)
{
	struct chan chan = open_chan(vm, RPCI | COOKIE);

	CHECK_EQ(chan.id, victim->id);
	CHECK_EQ(request(victim, RECVSIZE, 0), FAILED);
	*victim = chan;
}

CONVERSATION("abandoned: while there is room none is taken, however quiet it is")
{
	struct chan quiet = open_chan(vm, RPCI | COOKIE);
	int i;

	vm->config.limits.channels = 3;
	for (i = 0; i < 50; i++) {
		struct chan a = open_chan(vm, RPCI), b = open_chan(vm, RPCI);

		talk(&a, 1);
		CHECK_EQ(request(&a, CLOSE, 0), SUCCESS);
		CHECK_EQ(request(&b, CLOSE, 0), SUCCESS);
	}
	talk(&quiet, 1);
}

CONVERSATION("abandoned: least recently used first, whatever it is")
{
	struct chan tools;

	vm->config.limits.channels = 4;
	chans[0] = open_chan(vm, RPCI | COOKIE);
	tools = open_tools(vm);
	chans[2] = open_chan(vm, RPCI | COOKIE);
	chans[3] = open_chan(vm, RPCI);
	talk(&chans[0], 5);
	check_taken(vm, &tools);
	check_taken(vm, &chans[2]);
	check_taken(vm, &chans[3]);
	check_taken(vm, &chans[0]);
}

TEST("abandoned: none that was used within the last second; then OPEN fails")
{
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan;
	int i;

	shim_hold_jiffies(true);
	vm->config.limits.channels = 3;
	for (i = 0; i < 3; i++)
		chans[i] = open_chan(vm, RPCI | COOKIE);
	/* A process that opens all it can does no harm to those at work. */
	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS; i++)
		CHECK_EQ(try_open(&chan, vm, RPCI), FAILED);
	for (i = 0; i < 3; i++)
		talk(&chans[i], 1);
	shim_add_jiffies(HZ);
	talk(&chans[0], 1);
	/* Used at the same time: the lower id is taken. */
	check_taken(vm, &chans[1]);
	check_taken(vm, &chans[2]);
	CHECK_EQ(try_open(&chan, vm, RPCI), FAILED);
	shim_add_jiffies(HZ);
	check_taken(vm, &chans[0]);
	shim_hold_jiffies(false);
	vm_free(vm);
}

TEST("abandoned: what was loaded counts as used then")
{
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan;
	int i;

	vm->config.limits.channels = 3;
	for (i = 0; i < 3; i++)
		chans[i] = open_chan(vm, RPCI);
	talk(&chans[1], 1);
	shim_add_jiffies(100);
	shim_hold_jiffies(true);
	vm_migrate(vm);
	CHECK_EQ(try_open(&chan, vm, RPCI), FAILED);
	shim_add_jiffies(2 * HZ);
	check_taken(vm, &chans[0]);
	check_taken(vm, &chans[2]);
	check_taken(vm, &chans[1]);
	shim_hold_jiffies(false);
	vm_free(vm);
}

CONVERSATION("abandoned: whatever a request does, it uses the channel; one that fails does not")
{
	static const u16 requests[][2] = {
		{ SENDSIZE, 4 }, { SENDPAYLOAD, 1 }, { RECVSIZE, 0 }, { RECVPAYLOAD, 1 },
		{ RECVPAYLOAD, 0 }, { RECVSTATUS, 1 },
	};
	unsigned int i;

	vm->config.limits.channels = 2;
	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		chans[0] = open_chan(vm, RPCI | COOKIE);
		if (requests[i][0] == SENDPAYLOAD)
			send_part(&chans[0], "log xlog", 8, 4);
		else if (requests[i][0] >= RECVPAYLOAD)
			send_message(&chans[0], "log x", 5);
		chans[1] = open_chan(vm, RPCI | COOKIE);
		CHECK(request(&chans[0], requests[i][0], requests[i][1]) & SUCCESS);
		check_taken(vm, &chans[1]);
		CHECK_EQ(request(&chans[0], CLOSE, 0), SUCCESS);
		CHECK_EQ(request(&chans[1], CLOSE, 0), SUCCESS);
	}

	chans[0] = open_chan(vm, RPCI | COOKIE);
	chans[1] = open_chan(vm, RPCI | COOKIE);
	CHECK_EQ(request(&chans[0], SENDPAYLOAD, 1), FAILED);
	chans[0].cookie_low ^= 1;
	CHECK_EQ(request(&chans[0], RECVSIZE, 0), FAILED);
	check_taken(vm, &chans[0]);
}

CONVERSATION("abandoned: a message in the middle, either way, protects nothing")
{
	vm->config.limits.channels = 2;
	chans[0] = open_chan(vm, RPCI | COOKIE);
	chans[1] = open_chan(vm, RPCI | COOKIE);
	send_part(&chans[0], "log 4567", 8, 4);
	talk(&chans[1], 1);
	check_taken(vm, &chans[0]);
	send_message(&chans[1], "log x", 5);
	CHECK_EQ(request(&chans[1], RECVSIZE, 0), DORECV);
	CHECK_EQ(request(&chans[1], RECVPAYLOAD, 1), SUCCESS);
	talk(&chans[0], 3);
	check_taken(vm, &chans[1]);
}

CONVERSATION("abandoned: the request that a taken TCLO channel runs is LOST")
{
	struct chan a, b;
	u32 status, size;
	char text[8];
	u64 id;

	vm->config.limits.channels = 2;
	a = open_tools(vm);
	b = open_tools(vm);
	id = host_request(vm, "ping");
	CHECK_EQ(receive(&a, text, sizeof(text)), 4);
	CHECK_EQ(request(&b, RECVSIZE, 0), SUCCESS);
	/* a runs a request, b has polled since. */
	CHECK_EQ(host_result(vm, NULL, NULL, NULL), 0);
	CHECK_EQ(atomic64_read(&vm->events.lost), 0);
	vm->signals = 0;
	check_taken(vm, &a);
	/* A result and a channel that was lost; loading a result signals too. */
	CHECK(vm->mode == MIGRATED ? vm->signals > 2 : vm->signals == 2);
	CHECK_EQ(atomic64_read(&vm->events.lost), 1);
	CHECK_EQ(host_result(vm, &status, text, &size), id);
	CHECK_EQ(status, KVM_VMPORT_TCLO_LOST);
	CHECK_EQ(request(&b, RECVSIZE, 0), SUCCESS);
}

static struct vmport_call meanwhile;

/* Once, before the channel is owned that was found. */
static void call_meanwhile(struct mutex *lock)
{
	if (lock != &meanwhile.state->channels[meanwhile.regs.dx >> 16]->owner_lock)
		return;
	shim_mutex_hook = NULL;
	CHECK_EQ(vmport_command(&meanwhile), VMPORT_DONE);
	CHECK(meanwhile.regs.cx);
}

/* Another vCPU makes this request on the one channel while a second is opened. */
static u16 open_while(struct vm *vm, u16 nr)
{
	struct chan chan = open_chan(vm, RPCI), other;
	u16 status;

	meanwhile = (struct vmport_call) {
		.config = &vm->config,
		.state = vm->state,
		.vcpu = vm_vcpu(1),
		.regs = {
			.ax = VMPORT_MAGIC,
			.cx = (u32)nr << 16 | VMPORT_CMD_MESSAGE,
			.dx = (u32)chan.id << 16 | VMPORT_PORT,
		},
	};
	shim_add_jiffies(2 * HZ);
	shim_hold_jiffies(true);
	shim_mutex_hook = call_meanwhile;
	status = try_open(&other, vm, RPCI);
	CHECK(!shim_mutex_hook);
	shim_hold_jiffies(false);
	if (status)
		CHECK_EQ(other.id, chan.id);
	else
		CHECK(!strcmp(ask(&chan, "log x"), "1 "));
	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
	return status;
}

TEST("abandoned: used or closed while OPEN takes it")
{
	struct vm *vm = vm_new(SLEEPING);

	vm->config.limits.channels = 1;
	CHECK_EQ(open_while(vm, RECVSIZE), FAILED);
	CHECK_EQ(open_while(vm, CLOSE), SUCCESS);
	vm_free(vm);
}

TEST("abandoned: taking needs no memory")
{
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan;

	vm->config.limits.channels = 2;
	chans[1] = open_chan(vm, RPCI);
	chans[0] = open_chan(vm, RPCI);
	CHECK_EQ(request(&chans[1], CLOSE, 0), SUCCESS);
	chans[1] = open_chan(vm, RPCI);
	shim_fail_alloc(1);
	CHECK_EQ(try_open(&chan, vm, RPCI), SUCCESS);
	shim_fail_alloc(0);
	CHECK_EQ(chan.id, chans[0].id);
	vm_free(vm);
}

CONVERSATION("abandoned: 10,000 opened and never closed, and those that are used work on")
{
	struct chan daemon = open_chan(vm, RPCI | COOKIE), tools = open_tools(vm);
	int i, step = vm->mode == SLEEPING ? 1 : 50;

	vm->config.limits.channels = 16;
	for (i = 0; i < 10000; i += step) {
		struct chan chan = open_chan(vm, i % 2 ? RPCI | COOKIE : RPCI);

		CHECK(chan.id != daemon.id && chan.id != tools.id);
		if (i % 3)
			talk(&chan, 1);
		if (i / step % 8)
			continue;
		talk(&daemon, 1);
		CHECK_EQ(request(&tools, RECVSIZE, 0), SUCCESS);
	}
	CHECK_EQ(atomic64_read(&vm->events.lost), 0);
}

CONVERSATION("abandoned: the order goes through a blob")
{
	int i;

	vm->config.limits.channels = 8;
	for (i = 0; i < 8; i++)
		chans[i] = open_chan(vm, RPCI | COOKIE);
	for (i = 7; i >= 0; i--)
		talk(&chans[i], 1);
	vm_migrate(vm);
	check_taken(vm, &chans[7]);
	vm_migrate(vm);
	check_taken(vm, &chans[6]);
	talk(&chans[5], 1);
	check_taken(vm, &chans[4]);
	vm_migrate(vm);
	check_taken(vm, &chans[3]);
}

static struct kvm_vmport_blob_channel channel_of(u16 id)
{
	return (struct kvm_vmport_blob_channel) {
		.id = cpu_to_le16(id),
		.protocol = cpu_to_le32(RPCI),
	};
}

TEST("abandoned: a blob without the order loads in that of the ids")
{
	struct kvm_vmport_blob_channel channel;
	struct vm *vm = vm_new(SLEEPING);
	static const u16 ids[] = { 3, 4, 9 };
	struct blob blob;
	int i;

	blob_init(&blob);
	for (i = 0; i < 3; i++) {
		channel = channel_of(ids[i]);
		blob_channel(&blob, &channel, "");
	}
	blob_seal(&blob);
	check_accepted(vm, blob.data, blob.size);
	blob_free(&blob);

	vm->config.limits.channels = 3;
	for (i = 0; i < 3; i++) {
		chans[i] = (struct chan){ .vm = vm, .id = ids[i] };
		check_taken(vm, &chans[i]);
		talk(&chans[i], 2);
	}
	vm_free(vm);
}

/* Channels 3 and 7 with this order load, and then this one is the first that is taken. */
static void try_order(const struct use *order, u32 count, u16 first)
{
	struct kvm_vmport_blob_channel three = channel_of(3), seven = channel_of(7);
	struct vm *vm = vm_new(SLEEPING);
	struct blob blob;

	blob_init(&blob);
	blob_channel(&blob, &three, "");
	blob_channel(&blob, &seven, "");
	blob_order(&blob, order, count);
	blob_seal(&blob);
	CHECK_EQ(blob_load(vm, blob.data, blob.size, NULL), 0);
	blob_free(&blob);

	vm->config.limits.channels = 2;
	shim_add_jiffies(2 * HZ);
	CHECK_EQ(open_chan(vm, RPCI).id, first);
	vm_free(vm);
}

TEST("abandoned: whatever stands in the order of channels, the blob loads")
{
	static const struct use good[] = { { 7, 0 }, { 3, 0 }, { 1, 1 } };
	static const struct use counts[] = { { 7, 2 }, { 3, 200 } };
	static const struct use useless[] = { { 3, 0 }, { 7, 0 } };
	static const struct use twice[] = { { 3, 1 }, { 7, 1 }, { 7, 0 }, { 3, 0 } };
	static const struct use closed[] = { { 4, 1 }, { 7, 1 }, { 3, 1 } };
	static const struct use past[] = { { 128, 1 }, { 255, 0 }, { 7, 1 }, { 3, 1 } };
	struct use many[300] = { };

	try_order(good, 2, 7);
	try_order(good, 3, 7);
	try_order(good, 1, 3);
	try_order(good, 0, 3);
	try_order(counts, 2, 7);
	try_order(useless, 2, 3);
	try_order(twice, 4, 7);
	try_order(closed, 3, 7);
	try_order(past, 4, 7);
	try_order(many, 300, 3);
}

TEST("error FLAGS: the order marked critical; twice it loads, and the second counts")
{
	static const struct use first[] = { { 0, 1 }, { 1, 1 } }, second[] = { { 1, 1 }, { 0, 1 } };
	struct kvm_vmport_blob_channel channels[] = { channel_of(0), channel_of(1) };
	struct vm *vm = vm_new(SLEEPING);
	struct blob blob;

	blob_init(&blob);
	blob_begin(&blob, KVM_VMPORT_SECTION_ORDER, KVM_VMPORT_SECTION_CRITICAL);
	blob_end(&blob);
	blob_seal(&blob);
	check_refused(vm, blob.data, blob.size, -EINVAL, KVM_VMPORT_ERR_FLAGS, 32);
	blob_free(&blob);

	blob_init(&blob);
	blob_channel(&blob, &channels[0], "");
	blob_channel(&blob, &channels[1], "");
	blob_order(&blob, first, 2);
	blob_order(&blob, second, 2);
	blob_seal(&blob);
	CHECK_EQ(blob_load(vm, blob.data, blob.size, NULL), 0);
	CHECK(vm->state->channels[1]->used < vm->state->channels[0]->used);
	blob_free(&blob);
	vm_free(vm);
}

CONVERSATION("reset: all channels are closed, guestinfo, queue and results stay")
{
	struct chan tools = open_tools(vm), other = open_tools(vm);
	struct chan rpci = open_chan(vm, RPCI), half = open_chan(vm, RPCI | COOKIE);
	u32 status, size;
	char text[16];

	host_set_text(vm, "guestinfo.k", "v");
	host_request(vm, "ping");
	CHECK_EQ(receive(&tools, text, sizeof(text)), 4);
	send_message(&tools, "OK", 2);
	host_request(vm, "given");
	CHECK_EQ(request(&tools, RECVSIZE, 0), DORECV);
	host_request(vm, "run");
	CHECK_EQ(receive(&other, text, sizeof(text)), 3);
	host_request(vm, "queued");
	send_part(&half, "log 45678", 9, 4);
	vm->signals = 0;

	vmport_channels_reset(vm->state);
	CHECK_EQ(atomic64_read(&vm->events.lost), 2);
	CHECK(vm->signals);
	CHECK_EQ(vmport_channels_tclo(vm->state), 0);
	CHECK_EQ(request(&tools, RECVSIZE, 0), FAILED);
	CHECK_EQ(request(&other, RECVSIZE, 0), FAILED);
	CHECK_EQ(request(&rpci, RECVSIZE, 0), FAILED);
	CHECK_EQ(request(&half, SENDPAYLOAD, 0), FAILED);
	CHECK(!strcmp(host_get(vm, "guestinfo.k", NULL), "v"));
	CHECK_EQ(host_result(vm, &status, text, &size), 1);
	CHECK_EQ(status, KVM_VMPORT_TCLO_ANSWERED);
	CHECK_EQ(host_result(vm, &status, text, &size), 2);
	CHECK_EQ(status, KVM_VMPORT_TCLO_LOST);
	CHECK_EQ(host_result(vm, &status, text, &size), 3);
	CHECK_EQ(status, KVM_VMPORT_TCLO_LOST);
	CHECK_EQ(host_result(vm, &status, text, &size), 0);

	tools = open_tools(vm);
	CHECK_EQ(tools.id, 0);
	CHECK_EQ(receive(&tools, text, sizeof(text)), 6);
	CHECK(!memcmp(text, "queued", 6));
	/* Again, with some closed. */
	vmport_channels_reset(vm->state);
	vmport_channels_reset(vm->state);
	CHECK_EQ(atomic64_read(&vm->events.lost), 3);
}
