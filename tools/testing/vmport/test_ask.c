// SPDX-License-Identifier: GPL-2.0-only
/* RPCs that the kernel does not own, with EXIT_RPC. */
#include <linux/kernel.h>
#include <linux/slab.h>

#include "ask.h"
#include "blob.h"

#define UNKNOWN	"0 Unknown command"

static void feature_on(struct vm *vm)
{
	vm->config.features |= KVM_VMPORT_FEATURE_EXIT_RPC;
}

/* The VMM reads message @id, or with 0 the oldest; its number, 0 when there is none. */
static u64 read_asked(struct vm *vm, u64 id, const char *text)
{
	struct vmport_asked asked;
	int r = vmport_ask_read(vm->state, id, !id, KVM_VMPORT_MAX_MESSAGE, &asked);

	if (r) {
		CHECK_EQ(r, -ENOENT);
		CHECK(!asked.data);
		return 0;
	}
	CHECK_EQ(asked.size, strlen(text));
	CHECK(!asked.size == !asked.data);
	CHECK(!asked.size || !memcmp(asked.data, text, asked.size));
	kvfree(asked.data);
	return asked.id;
}

static int answer(struct vm *vm, u64 id, const char *reply)
{
	int r = vmport_ask_answer(vm->state, id, (const u8 *)reply, strlen(reply));

	if (vm->mode == MIGRATED)
		vm_migrate(vm);
	return r;
}

static const char *reply_of(struct chan *chan)
{
	static char text[KVM_VMPORT_MAX_REPLY + 1];
	int size = receive(chan, text, sizeof(text) - 1);

	CHECK(size >= 0);
	text[size] = '\0';
	return text;
}

CONVERSATION("EXIT_RPC: a message that nobody owns asks, and its reply is the VMM's")
{
	struct chan chan = open_chan(vm, RPCI | COOKIE);
	u64 id;

	feature_on(vm);
	send_message(&chan, "vmx.capability.unified_loop toolbox", 35);
	id = read_asked(vm, 0, "vmx.capability.unified_loop toolbox");
	CHECK_EQ(id, 1);
	CHECK_EQ(read_asked(vm, id, "vmx.capability.unified_loop toolbox"), id);
	CHECK_EQ(read_asked(vm, id + 1, ""), 0);
	CHECK_EQ(answer(vm, id, "1 yes"), 0);
	CHECK_EQ(answer(vm, id, "1 twice"), -ENOENT);
	CHECK_EQ(read_asked(vm, 0, ""), 0);
	CHECK(!strcmp(reply_of(&chan), "1 yes"));
	CHECK_EQ(answer(vm, id, "1 late"), -ENOENT);
	CHECK_EQ(request(&chan, RECVSIZE, 0), SUCCESS);
	/* What the kernel owns goes on as before. */
	host_set_text(vm, "guestinfo.a", "b");
	CHECK(!strcmp(ask(&chan, "info-get guestinfo.a"), "1 b"));
	CHECK(!strcmp(ask(&chan, "info-set guestinfo.a c"), "1 "));
	CHECK(!strcmp(ask(&chan, "machine.id.get"), "0 No machine id"));
	CHECK_EQ(read_asked(vm, 0, ""), 0);
}

/* What guests report, and what they hear when nobody has an answer. */
static const char * const reports[] = {
	"SetGuestInfo  1 2", "SetGuestInfo", "log x", "tools.capability.hgfs_server toolbox 1",
	"tools.os.statechange.status 1 0", "tools.set.version 12389", "tools.set.versiontype 1 2",
	"update.tools.health 1",
};

CONVERSATION("EXIT_RPC: reports are the VMM's too; without a reply the guest hears '1 '")
{
	struct chan chan = open_chan(vm, RPCI | COOKIE);
	unsigned int i;
	u64 id;

	for (i = 0; i < ARRAY_SIZE(reports); i++)
		CHECK(!strcmp(ask(&chan, reports[i]), "1 "));
	CHECK_EQ(read_asked(vm, 0, ""), 0);

	feature_on(vm);
	for (i = 0; i < ARRAY_SIZE(reports); i++) {
		send_message(&chan, reports[i], strlen(reports[i]));
		id = read_asked(vm, 0, reports[i]);
		CHECK_EQ(id, 2 * i + 1);
		CHECK(!strcmp(reply_of(&chan), "1 "));
		CHECK_EQ(answer(vm, id, "1 late"), -ENOENT);

		send_message(&chan, reports[i], strlen(reports[i]));
		CHECK_EQ(answer(vm, id + 1, "0 no"), 0);
		CHECK(!strcmp(reply_of(&chan), "0 no"));
	}
}

CONVERSATION("EXIT_RPC: the VMM goes through all that asks, in the order of their numbers")
{
	static const char * const texts[] = { "a", "bb", "ccc" };
	struct vmport_asked asked;
	struct chan chans[3];
	unsigned int i;
	u64 id = 0;

	feature_on(vm);
	for (i = 0; i < 3; i++)
		chans[i] = open_chan(vm, RPCI | COOKIE);
	/* Neither in the order of the channels, nor without a gap. */
	send_message(&chans[2], texts[0], 1);
	send_message(&chans[0], texts[0], 1);
	send_message(&chans[1], texts[1], 2);
	send_message(&chans[0], texts[2], 3);

	for (i = 0; i < 3; i++) {
		CHECK_EQ(vmport_ask_read(vm->state, id, true, 0, &asked), -E2BIG);
		CHECK_EQ(vmport_ask_read(vm->state, id, true, 3, &asked), 0);
		CHECK(asked.id > id);
		CHECK_EQ(asked.size, strlen(texts[i]));
		CHECK(!memcmp(asked.data, texts[i], asked.size));
		kvfree(asked.data);
		id = asked.id;
	}
	CHECK_EQ(vmport_ask_read(vm->state, id, true, 3, &asked), -ENOENT);
	CHECK_EQ(vmport_ask_read(vm->state, S64_MAX, true, 3, &asked), -ENOENT);
	CHECK_EQ(vmport_ask_read(vm->state, 0, false, 3, &asked), -ENOENT);
}

CONVERSATION("EXIT_RPC off: unknown, and nothing asks")
{
	struct chan chan = open_chan(vm, RPCI);

	CHECK(!strcmp(ask(&chan, "vmx.capability.x"), UNKNOWN));
	CHECK_EQ(read_asked(vm, 0, ""), 0);
	CHECK_EQ(atomic64_read(&vm->events.asked), 0);
}

CONVERSATION("EXIT_RPC: a poll without a reply finds it unknown, and the reply is too late")
{
	struct chan chan = open_chan(vm, RPCI);
	u64 id;

	feature_on(vm);
	send_message(&chan, "what", 4);
	id = read_asked(vm, 0, "what");
	CHECK_EQ(request(&chan, RECVPAYLOAD, 1), FAILED);
	CHECK_EQ(request(&chan, RECVSTATUS, 1), FAILED);
	CHECK_EQ(read_asked(vm, 0, "what"), id);
	CHECK(!strcmp(reply_of(&chan), UNKNOWN));
	CHECK_EQ(answer(vm, id, "1 late"), -ENOENT);
	CHECK_EQ(request(&chan, RECVSIZE, 0), SUCCESS);
	CHECK_EQ(read_asked(vm, id, ""), 0);
}

CONVERSATION("EXIT_RPC: SENDSIZE, CLOSE and reset drop the message")
{
	struct chan chan;
	u64 id;

	feature_on(vm);
	chan = open_chan(vm, RPCI | COOKIE);
	send_message(&chan, "one", 3);
	id = read_asked(vm, 0, "one");
	CHECK_EQ(request(&chan, SENDSIZE, KVM_VMPORT_MAX_MESSAGE + 1), FAILED);
	CHECK_EQ(read_asked(vm, 0, "one"), id);
	CHECK_EQ(request(&chan, SENDSIZE, 5), SUCCESS);
	CHECK_EQ(read_asked(vm, 0, ""), 0);
	CHECK_EQ(answer(vm, id, "1 "), -ENOENT);
	CHECK_EQ(request(&chan, RECVSIZE, 0), SUCCESS);

	send_message(&chan, "two", 3);
	CHECK_EQ(read_asked(vm, 0, "two"), id + 1);
	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
	CHECK_EQ(answer(vm, id + 1, "1 "), -ENOENT);

	chan = open_chan(vm, RPCI | COOKIE);
	CHECK_EQ(request(&chan, RECVSIZE, 0), SUCCESS);
	send_message(&chan, "three", 5);
	CHECK_EQ(read_asked(vm, 0, "three"), id + 2);
	vmport_channels_reset(vm->state);
	CHECK_EQ(answer(vm, id + 2, "1 "), -ENOENT);

	/* Taken for another. */
	vm->config.limits.channels = 1;
	chan = open_chan(vm, RPCI);
	send_message(&chan, "four", 4);
	CHECK_EQ(read_asked(vm, 0, "four"), id + 3);
	chan = open_chan(vm, RPCI);
	CHECK_EQ(request(&chan, RECVSIZE, 0), SUCCESS);
	CHECK_EQ(read_asked(vm, 0, ""), 0);
}

CONVERSATION("EXIT_RPC: several channels ask; oldest first, answered in any order")
{
	struct chan a = open_chan(vm, RPCI), b = open_chan(vm, RPCI | COOKIE);
	struct chan c = open_chan(vm, RPCI);

	feature_on(vm);
	send_message(&b, "bbb", 3);
	send_message(&a, "aa", 2);
	send_message(&c, "", 0);
	CHECK_EQ(read_asked(vm, 0, "bbb"), 1);
	CHECK_EQ(read_asked(vm, 2, "aa"), 2);
	CHECK_EQ(read_asked(vm, 3, ""), 3);
	CHECK_EQ(answer(vm, 2, "1 a"), 0);
	CHECK_EQ(read_asked(vm, 0, "bbb"), 1);
	CHECK_EQ(answer(vm, 1, "0 b"), 0);
	CHECK_EQ(answer(vm, 3, ""), 0);
	CHECK(!strcmp(reply_of(&c), ""));
	CHECK(!strcmp(reply_of(&a), "1 a"));
	CHECK(!strcmp(reply_of(&b), "0 b"));
}

CONVERSATION("EXIT_RPC: an empty message asks too, and asks again when it is sent again")
{
	struct chan chan = open_chan(vm, RPCI);

	feature_on(vm);
	send_message(&chan, "before", 6);
	send_message(&chan, "", 0);
	CHECK_EQ(read_asked(vm, 0, ""), 2);
	send_message(&chan, "", 0);
	CHECK_EQ(answer(vm, 2, "1 "), -ENOENT);
	CHECK_EQ(read_asked(vm, 0, ""), 3);
	CHECK_EQ(answer(vm, 3, "1 empty"), 0);
	CHECK(!strcmp(reply_of(&chan), "1 empty"));
}

CONVERSATION("EXIT_RPC: a TCLO channel never asks")
{
	struct chan chan = open_chan(vm, TCLO);

	feature_on(vm);
	send_message(&chan, "what", 4);
	CHECK_EQ(read_asked(vm, 0, ""), 0);
}

TEST("EXIT_RPC: the call says so, once, to the vCPU that made it")
{
	struct vmport_call call = { };
	struct vm *vm = vm_new(SLEEPING);
	struct vmport_asked asked;
	struct chan chan;
	bool more;
	int i;

	feature_on(vm);
	call.config = &vm->config;
	call.state = vm->state;
	CHECK(!vmport_ask_next(vm->state, vm_vcpu(0), &asked, &more));
	/* vCPU 0 has asked on two channels, 1 on one. */
	for (i = 0; i < 3; i++) {
		chan = open_chan(vm, RPCI);
		call.vcpu = vm_vcpu(i % 2);
		call.regs = (struct vmport_regs) {
			.ax = VMPORT_MAGIC,
			.cx = SENDSIZE << 16 | 30,
			.dx = (u32)chan.id << 16 | VMPORT_PORT,
		};
		call.asks = false;
		CHECK_EQ(vmport_command(&call), VMPORT_DONE);
		CHECK(call.asks);
	}
	CHECK(!vmport_ask_next(vm->state, vm_vcpu(2), &asked, &more));
	CHECK(vmport_ask_next(vm->state, vm_vcpu(1), &asked, &more));
	CHECK_EQ(asked.id, 2);
	CHECK_EQ(asked.channel, 1);
	CHECK_EQ(asked.size, 0);
	CHECK(!asked.data);
	CHECK(!more);
	CHECK(!vmport_ask_next(vm->state, vm_vcpu(1), &asked, &more));
	CHECK(vmport_ask_next(vm->state, vm_vcpu(0), &asked, &more));
	CHECK_EQ(asked.id, 1);
	CHECK(more);
	CHECK(vmport_ask_next(vm->state, vm_vcpu(0), &asked, &more));
	CHECK_EQ(asked.id, 3);
	CHECK(!more);

	/* Loaded: no vCPU has asked, the VMM looks for itself. */
	vm_migrate(vm);
	for (i = 0; i < 3; i++)
		CHECK(!vmport_ask_next(vm->state, vm_vcpu(i), &asked, &more));
	CHECK_EQ(read_asked(vm, 0, ""), 1);
	vm_free(vm);
}

static struct chan leaving;
static unsigned int looks;

/* The guest closes the channel when it is looked at for the second time. */
static void leave(struct mutex *lock)
{
	if (lock != &leaving.vm->state->channels[leaving.id]->owner_lock || ++looks < 2)
		return;
	shim_mutex_hook = NULL;
	CHECK_EQ(request(&leaving, CLOSE, 0), SUCCESS);
}

TEST("EXIT_RPC: when the oldest goes away while it is looked for, it is the next one's turn")
{
	struct vm *vm = vm_new(SLEEPING);
	struct vmport_asked asked;
	struct chan chans[4];
	bool more;
	int i;

	feature_on(vm);
	for (i = 0; i < 4; i++) {
		chans[i] = open_chan(vm, RPCI | COOKIE);
		send_message(&chans[i], "what", 4);
	}
	leaving = chans[0];
	looks = 0;
	shim_mutex_hook = leave;
	CHECK(vmport_ask_next(vm->state, vm_vcpu(0), &asked, &more));
	CHECK(!shim_mutex_hook);
	CHECK_EQ(asked.id, 2);
	CHECK(more);
	CHECK(vmport_ask_next(vm->state, vm_vcpu(0), &asked, &more));
	CHECK_EQ(asked.id, 3);

	leaving = chans[1];
	looks = 0;
	shim_mutex_hook = leave;
	CHECK_EQ(read_asked(vm, 0, "what"), 3);
	CHECK(!shim_mutex_hook);

	/* None is left. */
	CHECK_EQ(request(&chans[2], CLOSE, 0), SUCCESS);
	leaving = chans[3];
	looks = 0;
	shim_mutex_hook = leave;
	CHECK(!vmport_ask_next(vm->state, vm_vcpu(0), &asked, &more));
	CHECK(!shim_mutex_hook);
	vm_free(vm);
}

TEST("EXIT_RPC: messages and replies of 64 KiB; too little room; no memory")
{
	static char text[KVM_VMPORT_MAX_REPLY + 1];
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan = open_chan(vm, RPCI);
	struct vmport_asked asked;

	feature_on(vm);
	memset(text, 'x', KVM_VMPORT_MAX_MESSAGE);
	send_message(&chan, text, KVM_VMPORT_MAX_MESSAGE);
	CHECK_EQ(vmport_ask_read(vm->state, 0, true, KVM_VMPORT_MAX_MESSAGE - 1,
				 &asked), -E2BIG);
	CHECK_EQ(asked.size, KVM_VMPORT_MAX_MESSAGE);
	CHECK_EQ(asked.id, 1);
	CHECK(!asked.data);
	shim_fail_alloc(1);
	CHECK_EQ(vmport_ask_read(vm->state, 1, false, KVM_VMPORT_MAX_MESSAGE, &asked), -ENOMEM);
	CHECK(!asked.data);
	shim_fail_alloc(0);
	CHECK_EQ(read_asked(vm, 1, text), 1);
	vm_migrate(vm);
	CHECK_EQ(read_asked(vm, 0, text), 1);
	memset(text, 'y', KVM_VMPORT_MAX_REPLY);
	shim_fail_alloc(1);
	CHECK_EQ(answer(vm, 1, text), -ENOMEM);
	shim_fail_alloc(0);
	CHECK_EQ(answer(vm, 1, text), 0);
	CHECK(!strcmp(reply_of(&chan), text));

	/* A reply that nobody waits for leaks nothing. */
	CHECK_EQ(answer(vm, 1, text), -ENOENT);
	vm_free(vm);
	CHECK_EQ(shim_live_bytes(), 0);
}

TEST("EXIT_RPC: ids go on above what was loaded, and what is loaded above what the VM had")
{
	struct vm *vm = vm_new(SLEEPING), *other = vm_new(SLEEPING);
	struct chan chan = open_chan(other, RPCI), here;
	size_t size;
	u8 *blob;
	int i;

	feature_on(vm);
	feature_on(other);
	for (i = 0; i < 10; i++)
		send_message(&chan, "again", 5);
	blob = vm_pack(other, &size);
	CHECK_EQ(vm_unpack(vm, blob, size, NULL), 0);
	CHECK_EQ(read_asked(vm, 0, "again"), 10);
	here = open_chan(vm, RPCI);
	send_message(&here, "new", 3);
	CHECK_EQ(read_asked(vm, 11, "new"), 11);
	/* Back to the same blob: neither 10 nor 11 is given again. */
	CHECK_EQ(vm_unpack(vm, blob, size, NULL), 0);
	here = open_chan(vm, RPCI);
	send_message(&here, "newer", 5);
	CHECK_EQ(read_asked(vm, 0, "again"), 12);
	CHECK_EQ(read_asked(vm, 13, "newer"), 13);
	free(blob);
	vm_free(vm);
	vm_free(other);
}

static void ask_meanwhile(atomic64_t *v)
{
	shim_cmpxchg_hook = NULL;
	v->counter = 5;
}

TEST("EXIT_RPC: a vCPU that asks while a state is loaded takes no id away")
{
	struct vm *vm = vm_new(SLEEPING), *other = vm_new(SLEEPING);
	struct chan chan = open_chan(other, RPCI);
	size_t size;
	u8 *blob;
	int i;

	feature_on(vm);
	feature_on(other);
	for (i = 0; i < 10; i++)
		send_message(&chan, "again", 5);
	blob = vm_pack(other, &size);
	shim_cmpxchg_hook = ask_meanwhile;
	CHECK_EQ(vm_unpack(vm, blob, size, NULL), 0);
	CHECK_EQ(atomic64_read(&vm->events.asked), 10);
	free(blob);
	vm_free(vm);
	vm_free(other);
}

static struct kvm_vmport_blob_channel asking_channel(u64 id, u32 size)
{
	return (struct kvm_vmport_blob_channel) {
		.flags = cpu_to_le16(KVM_VMPORT_CHANNEL_ASK),
		.protocol = cpu_to_le32(RPCI),
		.send_size = cpu_to_le32(size),
		.send_done = cpu_to_le32(size),
		.request = cpu_to_le64(id),
	};
}

static void try_channel(struct vm *vm, const struct kvm_vmport_blob_channel *channel,
			const char *bytes, int r, u32 error, u64 offset)
{
	struct blob blob;

	blob_init(&blob);
	blob_channel(&blob, channel, bytes);
	blob_seal(&blob);
	if (r)
		check_refused(vm, blob.data, blob.size, r, error, 48 + offset);
	else
		check_accepted(vm, blob.data, blob.size);
	blob_free(&blob);
}

#define FIELD(_field)	offsetof(struct kvm_vmport_blob_channel, _field)

TEST("EXIT_RPC: a blob with a message that asks, by hand; errors FEATURE, FLAGS, POSITION, REQUEST")
{
	struct kvm_vmport_blob_channel channel = asking_channel(77, 4);
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan = { .vm = vm };

	try_channel(vm, &channel, "what", -EPERM, KVM_VMPORT_ERR_FEATURE, FIELD(flags));
	feature_on(vm);
	try_channel(vm, &channel, "what", 0, 0, 0);
	CHECK_EQ(read_asked(vm, 0, "what"), 77);
	CHECK(!strcmp(reply_of(&chan), UNKNOWN));
	try_channel(vm, &channel, "what", 0, 0, 0);
	CHECK_EQ(answer(vm, 77, "1 late"), -ENOENT);
	CHECK_EQ(answer(vm, 78, "1 that"), 0);
	CHECK(!strcmp(reply_of(&chan), "1 that"));
	channel = asking_channel(1, 0);
	try_channel(vm, &channel, "", 0, 0, 0);
	CHECK_EQ(read_asked(vm, 0, ""), 79);

	channel = asking_channel(0, 4);
	try_channel(vm, &channel, "what", -EINVAL, KVM_VMPORT_ERR_REQUEST, FIELD(request));
	channel = asking_channel(1ull << 63, 4);
	try_channel(vm, &channel, "what", -EINVAL, KVM_VMPORT_ERR_REQUEST, FIELD(request));
	channel = asking_channel(1, 4);
	channel.send_done = cpu_to_le32(3);
	try_channel(vm, &channel, "wha", -EINVAL, KVM_VMPORT_ERR_POSITION, FIELD(send_done));
	channel.send_done = cpu_to_le32(5);
	try_channel(vm, &channel, "whats", -EINVAL, KVM_VMPORT_ERR_POSITION, FIELD(send_done));
	channel = asking_channel(1, KVM_VMPORT_MAX_MESSAGE + 1);
	try_channel(vm, &channel, "", -E2BIG, KVM_VMPORT_ERR_MESSAGE_SIZE, FIELD(send_size));

	channel = asking_channel(1, 4);
	channel.flags |= cpu_to_le16(KVM_VMPORT_CHANNEL_SEND);
	try_channel(vm, &channel, "what", -EINVAL, KVM_VMPORT_ERR_FLAGS, FIELD(flags));
	channel.flags = cpu_to_le16(KVM_VMPORT_CHANNEL_ASK | KVM_VMPORT_CHANNEL_RECV);
	try_channel(vm, &channel, "what", -EINVAL, KVM_VMPORT_ERR_FLAGS, FIELD(flags));
	channel.flags = cpu_to_le16(KVM_VMPORT_CHANNEL_ASK | KVM_VMPORT_CHANNEL_RUN);
	try_channel(vm, &channel, "what", -EINVAL, KVM_VMPORT_ERR_FLAGS, FIELD(flags));
	channel.protocol = cpu_to_le32(TCLO);
	try_channel(vm, &channel, "what", -EINVAL, KVM_VMPORT_ERR_FLAGS, FIELD(flags));
	channel.flags = cpu_to_le16(KVM_VMPORT_CHANNEL_ASK);
	try_channel(vm, &channel, "what", -EINVAL, KVM_VMPORT_ERR_FLAGS, FIELD(flags));
	vm_free(vm);
}

/* No VM has counted that far, and this one does not go on from there. */
TEST("EXIT_RPC: numbers past what can be counted keep their order, and what follows loads too")
{
	static const u64 ids[] = { (1ull << 62) - 1, 1ull << 62, (1ull << 62) + 1, S64_MAX };
	struct vm *vm = vm_new(SLEEPING), *other = vm_new(SLEEPING);
	struct kvm_vmport_blob_channel channel;
	struct vmport_blob_error why;
	struct vmport_asked asked;
	struct chan chan;
	struct blob blob;
	char text[2] = "a";
	u64 id = 0;
	size_t size;
	u8 *saved;
	u16 i;

	feature_on(vm);
	feature_on(other);
	blob_init(&blob);
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		text[0] = 'a' + i;
		channel = asking_channel(ids[i], 1);
		channel.id = cpu_to_le16(i);
		blob_channel(&blob, &channel, text);
	}
	blob_seal(&blob);

	for (i = 0; i < 3; i++) {
		CHECK_EQ(blob_load(vm, blob.data, blob.size, &why), 0);
		chan = open_chan(vm, RPCI | COOKIE);
		send_message(&chan, "e", 1);

		saved = vm_pack(vm, &size);
		CHECK_EQ(blob_load(other, saved, size, &why), 0);
		CHECK_EQ(blob_load(vm, saved, size, &why), 0);
		free(saved);
	}
	for (i = 0; i <= ARRAY_SIZE(ids); i++) {
		CHECK_EQ(vmport_ask_read(other->state, id, true, 1, &asked), 0);
		CHECK_EQ(*asked.data, 'a' + i);
		CHECK(asked.id > id);
		id = asked.id;
		kvfree(asked.data);
	}
	blob_free(&blob);
	vm_free(vm);
	vm_free(other);
}

TEST("EXIT_RPC: error ORDER: the same id twice")
{
	struct kvm_vmport_blob_channel a = asking_channel(5, 1), b = asking_channel(5, 1);
	struct vm *vm = vm_new(SLEEPING);
	struct blob blob;

	feature_on(vm);
	b.id = cpu_to_le16(1);
	blob_init(&blob);
	blob_channel(&blob, &a, "a");
	blob_channel(&blob, &b, "b");
	blob_seal(&blob);
	check_refused(vm, blob.data, blob.size, -EINVAL, KVM_VMPORT_ERR_ORDER,
		      32 + 64 + 16 + FIELD(request));
	blob_free(&blob);
	vm_free(vm);
}

TEST("EXIT_RPC: no memory to load a message that asks")
{
	struct kvm_vmport_blob_channel channel = asking_channel(5, 4);
	struct vm *vm = vm_new(SLEEPING);
	struct blob blob;
	int nth;

	feature_on(vm);
	blob_init(&blob);
	blob_channel(&blob, &channel, "what");
	blob_seal(&blob);
	/* The state, the channel, the message. */
	for (nth = 1; nth <= 3; nth++) {
		shim_fail_alloc(nth);
		CHECK_EQ(blob_load(vm, blob.data, blob.size, NULL), -ENOMEM);
	}
	shim_fail_alloc(0);
	blob_free(&blob);
	vm_free(vm);
	CHECK_EQ(shim_live_bytes(), 0);
}
