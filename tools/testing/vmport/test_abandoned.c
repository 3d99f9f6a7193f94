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

/* A TCLO channel whose daemon has answered its reset. */
static struct chan open_tools(struct vm *vm)
{
	struct chan chan = open_chan(vm, TCLO | COOKIE);
	char text[8];

	CHECK_EQ(receive(&chan, text, sizeof(text)), 5);
	send_message(&chan, "OK ATR toolbox", 14);
	return chan;
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

CONVERSATION("abandoned: with at most one message first, least recently used first")
{
	int i;

	vm->config.limits.channels = 6;
	for (i = 0; i < 6; i++)
		chans[i] = open_chan(vm, RPCI | COOKIE);
	talk(&chans[0], 2);
	talk(&chans[1], 2);
	talk(&chans[3], 1);
	talk(&chans[2], 1);
	/* 4 and 5 have said nothing, 3 and 2 one thing; 0 and 1 are daemons'. */
	check_taken(vm, &chans[4]);
	check_taken(vm, &chans[5]);
	check_taken(vm, &chans[3]);
	check_taken(vm, &chans[2]);
	/* Now the ones that came in their place. */
	check_taken(vm, &chans[4]);
	talk(&chans[0], 1);
	talk(&chans[2], 2);
	talk(&chans[3], 2);
	talk(&chans[4], 2);
	talk(&chans[5], 2);
	/* All have said more: the least recently used. */
	check_taken(vm, &chans[1]);
	/* Which is new and so the first. */
	check_taken(vm, &chans[1]);
	talk(&chans[1], 2);
	check_taken(vm, &chans[0]);
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

CONVERSATION("abandoned: TCLO only where all are; its request is LOST")
{
	struct chan a, b, rpci;
	u32 status, size;
	char text[8];
	u64 id;

	vm->config.limits.channels = 3;
	a = open_tools(vm);
	b = open_tools(vm);
	rpci = open_chan(vm, RPCI | COOKIE);
	talk(&rpci, 5);
	id = host_request(vm, "ping");
	CHECK_EQ(receive(&a, text, sizeof(text)), 4);
	check_taken(vm, &rpci);
	check_taken(vm, &rpci);
	CHECK_EQ(atomic64_read(&vm->events.lost), 0);

	vm->config.limits.channels = 2;
	CHECK_EQ(request(&rpci, CLOSE, 0), SUCCESS);
	CHECK_EQ(request(&b, RECVSIZE, 0), SUCCESS);
	/* a runs a request, b has polled since. */
	CHECK_EQ(host_result(vm, NULL, NULL, NULL), 0);
	vm->signals = 0;
	check_taken(vm, &a);
	/* A result and a channel that was lost; loading a result signals too. */
	CHECK(vm->mode == MIGRATED ? vm->signals > 2 : vm->signals == 2);
	CHECK_EQ(atomic64_read(&vm->events.lost), 1);
	CHECK_EQ(host_result(vm, &status, text, &size), id);
	CHECK_EQ(status, KVM_VMPORT_TCLO_LOST);
	CHECK_EQ(request(&b, RECVSIZE, 0), SUCCESS);
}

TEST("abandoned: used at the same time, the lower id is taken")
{
	struct vm *vm = vm_new(SLEEPING);
	int i;

	shim_hold_jiffies(true);
	vm->config.limits.channels = 3;
	for (i = 0; i < 3; i++)
		chans[i] = open_chan(vm, RPCI);
	check_taken(vm, &chans[0]);
	check_taken(vm, &chans[0]);
	talk(&chans[0], 2);
	check_taken(vm, &chans[1]);
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

CONVERSATION("abandoned: 10,000 opened and never closed, and a quiet daemon's channel works on")
{
	struct chan daemon = open_chan(vm, RPCI | COOKIE), tools = open_tools(vm);
	int i, step = vm->mode == SLEEPING ? 1 : 50;

	vm->config.limits.channels = 16;
	talk(&daemon, 2);
	for (i = 0; i < 10000; i += step) {
		struct chan chan = open_chan(vm, i % 2 ? RPCI | COOKIE : RPCI);

		CHECK(chan.id != daemon.id && chan.id != tools.id);
		if (i % 3)
			talk(&chan, 1);
	}
	talk(&daemon, 1);
	CHECK_EQ(request(&tools, RECVSIZE, 0), SUCCESS);
	CHECK_EQ(atomic64_read(&vm->events.lost), 0);
}

CONVERSATION("abandoned: the order goes through a blob")
{
	int i;

	vm->config.limits.channels = 8;
	for (i = 0; i < 8; i++)
		chans[i] = open_chan(vm, RPCI | COOKIE);
	for (i = 7; i >= 0; i--)
		talk(&chans[i], i % 2 ? 1 : 2);
	vm_migrate(vm);
	check_taken(vm, &chans[7]);
	talk(&chans[7], 2);
	vm_migrate(vm);
	check_taken(vm, &chans[5]);
	talk(&chans[5], 2);
	/* One message there, one here. */
	talk(&chans[1], 1);
	check_taken(vm, &chans[3]);
	talk(&chans[3], 2);
	vm_migrate(vm);
	check_taken(vm, &chans[6]);
	talk(&chans[6], 2);
	check_taken(vm, &chans[4]);
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

/* Channels 3 and 7 with this order. */
static void try_order(const struct use *order, u32 count, int r, enum kvm_vmport_error error,
		      u64 offset)
{
	struct kvm_vmport_blob_channel three = channel_of(3), seven = channel_of(7);
	struct vm *vm = vm_new(SLEEPING);
	struct blob blob;
	size_t section;

	blob_init(&blob);
	blob_channel(&blob, &three, "");
	blob_channel(&blob, &seven, "");
	section = blob.size;
	blob_order(&blob, order, count);
	blob_seal(&blob);
	if (r)
		check_refused(vm, blob.data, blob.size, r, error, section + offset);
	else
		check_accepted(vm, blob.data, blob.size);
	blob_free(&blob);
	vm_free(vm);
}

TEST("error ORDER, CHANNEL_ID, FLAGS, SECTION of the order of channels")
{
	static const struct use good[] = { { 7, 0 }, { 3, 0 }, { 1, 1 } };
	static const struct use counts[] = { { 3, 2 }, { 7, 0 } };
	static const struct use useless[] = { { 3, 0 }, { 7, 0 } };
	static const struct use twice[] = { { 7, 1 }, { 7, 1 } };
	static const struct use closed[] = { { 7, 1 }, { 4, 1 } };
	static const struct use past[] = { { 128, 1 }, { 3, 1 } };
	static const struct use many[] = { { 7, 1 }, { 3, 3 } };

	try_order(good, 2, 0, 0, 0);
	try_order(counts, 2, 0, 0, 0);
	try_order(useless, 2, -EINVAL, KVM_VMPORT_ERR_ORDER, 0);
	try_order(twice, 2, -EINVAL, KVM_VMPORT_ERR_ORDER, 16 + 2);
	try_order(closed, 2, -EINVAL, KVM_VMPORT_ERR_CHANNEL_ID, 16 + 2);
	try_order(past, 2, -EINVAL, KVM_VMPORT_ERR_CHANNEL_ID, 16);
	try_order(many, 2, -EINVAL, KVM_VMPORT_ERR_FLAGS, 16 + 3);
	try_order(good, 1, -EINVAL, KVM_VMPORT_ERR_SECTION, 16 + 2);
	try_order(good, 3, -EINVAL, KVM_VMPORT_ERR_SECTION, 16 + 4);
	try_order(good, 0, -EINVAL, KVM_VMPORT_ERR_SECTION, 16);
}

TEST("error FLAGS, ORDER: the order marked critical, twice, or of no channel")
{
	static const struct use order[] = { { 0, 1 } };
	struct kvm_vmport_blob_channel channel = channel_of(0);
	struct vm *vm = vm_new(SLEEPING);
	struct blob blob;

	blob_init(&blob);
	blob_begin(&blob, KVM_VMPORT_SECTION_ORDER, KVM_VMPORT_SECTION_CRITICAL);
	blob_end(&blob);
	blob_seal(&blob);
	check_refused(vm, blob.data, blob.size, -EINVAL, KVM_VMPORT_ERR_FLAGS, 32);
	blob_free(&blob);

	blob_init(&blob);
	blob_order(&blob, order, 0);
	blob_seal(&blob);
	check_refused(vm, blob.data, blob.size, -EINVAL, KVM_VMPORT_ERR_ORDER, 32);
	blob_free(&blob);

	blob_init(&blob);
	blob_channel(&blob, &channel, "");
	blob_order(&blob, order, 1);
	blob_order(&blob, order, 1);
	blob_seal(&blob);
	check_refused(vm, blob.data, blob.size, -EINVAL, KVM_VMPORT_ERR_ORDER, 32 + 56 + 24);
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
