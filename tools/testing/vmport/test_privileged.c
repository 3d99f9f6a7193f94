// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entries that only privileged callers read and change, and entries that the guest can
 * wipe: what guests keep secrets from their own users with.
 */
#include <linux/slab.h>

#include "ask.h"
#include "hb.h"

#include "blob.h"

#define READONLY	KVM_VMPORT_GUESTINFO_READONLY
#define PRIVILEGED	KVM_VMPORT_GUESTINFO_PRIVILEGED
#define WIPEABLE	KVM_VMPORT_GUESTINFO_WIPEABLE

static void host_set_flags(struct vm *vm, const char *key, const char *value, u32 flags)
{
	CHECK_EQ(host_set(vm, key, value, strlen(value), flags, NULL), 0);
}

static u32 host_flags(struct vm *vm, const char *key)
{
	struct vmport_entry *entry;
	u32 flags;

	entry = vmport_guestinfo_get(&vm->state->guestinfo, (const u8 *)key, strlen(key));
	CHECK(entry);
	flags = entry->flags;
	vmport_guestinfo_put(entry);
	return flags;
}

static const char *rpc_as(struct vm *vm, bool is_privileged, const char *text)
{
	vm->is_privileged = is_privileged;
	return rpc(vm, text);
}

static u16 request_as(struct chan *chan, bool is_privileged, u16 nr, u32 bx)
{
	chan->vm->is_privileged = is_privileged;
	return request(chan, nr, bx);
}

static void send_as(struct chan *chan, bool is_privileged, const char *text)
{
	chan->vm->is_privileged = is_privileged;
	send_message(chan, text, strlen(text));
}

CONVERSATION("a privileged entry: for all others there is none")
{
	host_set_flags(vm, "guestinfo.secret", "s", PRIVILEGED);
	host_set_flags(vm, "guestinfo.fixed", "f", PRIVILEGED | READONLY);
	host_set_flags(vm, "machine.id", "7", PRIVILEGED);
	host_set_text(vm, "guestinfo.open", "o");

	CHECK(!strcmp(rpc_as(vm, false, "info-get guestinfo.secret"), "0 No value found"));
	CHECK(!strcmp(rpc_as(vm, false, "info-get guestinfo.fixed"), "0 No value found"));
	CHECK(!strcmp(rpc_as(vm, false, "machine.id.get"), "0 No machine id"));
	CHECK(!strcmp(rpc_as(vm, false, "info-get guestinfo.open"), "1 o"));
	CHECK(!strcmp(rpc_as(vm, true, "info-get guestinfo.secret"), "1 s"));
	CHECK(!strcmp(rpc_as(vm, true, "info-get guestinfo.fixed"), "1 f"));
	CHECK(!strcmp(rpc_as(vm, true, "machine.id.get"), "1 7"));
	CHECK(!strcmp(rpc_as(vm, true, "info-get guestinfo.open"), "1 o"));
}

CONVERSATION("a privileged entry: others cannot change it, and what the guest sets keeps its flags")
{
	host_set_flags(vm, "guestinfo.secret", "s", PRIVILEGED);
	host_set_flags(vm, "guestinfo.fixed", "f", PRIVILEGED | READONLY);

	CHECK(!strcmp(rpc_as(vm, false, "info-set guestinfo.secret x"), "0 Permission denied"));
	CHECK(!strcmp(rpc_as(vm, false, "info-set guestinfo.secret "), "0 Permission denied"));
	CHECK(!strcmp(host_get(vm, "guestinfo.secret", NULL), "s"));
	CHECK_EQ(vm->signals, 0);

	CHECK(!strcmp(rpc_as(vm, true, "info-set guestinfo.secret new"), "1 "));
	CHECK(!strcmp(rpc_as(vm, true, "info-set guestinfo.fixed x"), "0 Permission denied"));
	CHECK_EQ(vm->signals, 1);
	CHECK_EQ(host_flags(vm, "guestinfo.secret"), PRIVILEGED);
	CHECK(!strcmp(rpc_as(vm, false, "info-get guestinfo.secret"), "0 No value found"));
	CHECK(!strcmp(rpc_as(vm, true, "info-get guestinfo.secret"), "1 new"));

	/* What the privileged set anew is for all. */
	CHECK(!strcmp(rpc_as(vm, true, "info-set guestinfo.open o"), "1 "));
	CHECK(!strcmp(rpc_as(vm, false, "info-get guestinfo.open"), "1 o"));
	/* The VMM decides anew with each SET. */
	host_set_text(vm, "guestinfo.secret", "told");
	CHECK(!strcmp(rpc_as(vm, false, "info-get guestinfo.secret"), "1 told"));
}

CONVERSATION("a request that others have begun or completed is not privileged")
{
	struct chan chan = open_chan(vm, RPCI);
	char text[20];

	host_set_flags(vm, "guestinfo.secret", "s", PRIVILEGED);
	vm->is_privileged = true;
	send_part(&chan, "info-get guestinfo.secret", 25, 24);
	CHECK_EQ(request_as(&chan, false, SENDPAYLOAD, 't'), SUCCESS);
	CHECK_EQ(receive(&chan, text, sizeof(text)), 16);
	CHECK(!memcmp(text, "0 No value found", 16));

	vm->is_privileged = false;
	send_part(&chan, "info-get guestinfo.secret", 25, 24);
	CHECK_EQ(request_as(&chan, true, SENDPAYLOAD, 't'), SUCCESS);
	CHECK_EQ(receive(&chan, text, sizeof(text)), 16);
	CHECK(!memcmp(text, "0 No value found", 16));

	vm->is_privileged = true;
	send_part(&chan, "info-get guestinfo.secret", 25, 24);
	CHECK_EQ(request_as(&chan, true, SENDPAYLOAD, 't'), SUCCESS);
	CHECK_EQ(request_as(&chan, false, RECVSIZE, 0), FAILED);
	vm->is_privileged = true;
	CHECK_EQ(receive(&chan, text, sizeof(text)), 3);
	CHECK(!memcmp(text, "1 s", 3));
}

/* Is it refused, with nothing changed? */
static void check_withheld(struct chan *chan)
{
	static const u16 receives[] = { RECVSIZE, RECVPAYLOAD, RECVSTATUS };
	struct vm *vm = chan->vm;
	size_t size, again;
	u8 *before, *after;
	unsigned int i;
	u32 bx;

	before = vm_pack(vm, &size);
	for (i = 0; i < ARRAY_SIZE(receives); i++) {
		for (bx = 0; bx < 2; bx++) {
			tap_context("request %u, %u", receives[i], bx);
			CHECK_EQ(request_as(chan, false, receives[i], bx), FAILED);
		}
	}
	after = vm_pack(vm, &again);
	CHECK_EQ(again, size);
	CHECK(!memcmp(before, after, size));
	free(after);
	free(before);
}

CONVERSATION("a reply with a privileged value: others receive nothing of it, and lose none")
{
	struct chan chan = open_chan(vm, RPCI);

	host_set_flags(vm, "guestinfo.secret", "value", PRIVILEGED);
	send_as(&chan, true, "info-get guestinfo.secret");
	check_withheld(&chan);
	CHECK_EQ(request_as(&chan, true, RECVSIZE, 0), DORECV);
	CHECK_EQ(chan.regs.bx, 7);
	check_withheld(&chan);
	CHECK_EQ(request_as(&chan, true, RECVPAYLOAD, 1), SUCCESS);
	CHECK_EQ(chan.regs.bx, '1' | ' ' << 8 | 'v' << 16 | 'a' << 24);
	check_withheld(&chan);
	CHECK_EQ(request_as(&chan, true, RECVPAYLOAD, 1), SUCCESS);
	CHECK_EQ(chan.regs.bx, 'l' | 'u' << 8 | 'e' << 16);
	check_withheld(&chan);
	CHECK_EQ(request_as(&chan, true, RECVSTATUS, 1), SUCCESS);
	CHECK_EQ(request_as(&chan, false, RECVSIZE, 0), SUCCESS);
	/* Gone is gone. */
	CHECK_EQ(request_as(&chan, true, RECVSIZE, 0), SUCCESS);
}

CONVERSATION("a reply with a privileged value: a fast path gives others the same answer")
{
	struct chan chan = open_chan(vm, RPCI);
	unsigned long slow;

	host_set_flags(vm, "guestinfo.secret", "value", PRIVILEGED);
	send_as(&chan, true, "info-get guestinfo.secret");
	slow = vm->slow;
	check_withheld(&chan);
	CHECK_EQ(vm->slow, slow);
	CHECK_EQ(!!vm->fast, vm->mode == FAST);
}

CONVERSATION("a reply with a privileged value: others can still use the channel, or close it")
{
	struct chan chan = open_chan(vm, RPCI);
	char text[20];

	host_set_flags(vm, "guestinfo.secret", "value", PRIVILEGED);
	send_as(&chan, true, "info-get guestinfo.secret");
	/* The reply is left, as ever. */
	CHECK_EQ(request_as(&chan, false, SENDSIZE, 5), SUCCESS);
	CHECK_EQ(request(&chan, SENDPAYLOAD, 'l' | 'o' << 8 | 'g' << 16 | ' ' << 24), SUCCESS);
	CHECK_EQ(request(&chan, RECVSIZE, 0), SUCCESS);
	CHECK_EQ(request(&chan, RECVPAYLOAD, 1), FAILED);
	CHECK_EQ(request(&chan, SENDPAYLOAD, 'x'), SUCCESS);
	CHECK_EQ(receive(&chan, text, sizeof(text)), 2);

	send_as(&chan, true, "info-get guestinfo.secret");
	CHECK_EQ(request_as(&chan, false, CLOSE, 0), SUCCESS);
	/* Whatever becomes of the channel's memory. */
	chan = open_chan(vm, TCLO);
	CHECK_EQ(chan.id, 0);
	CHECK_EQ(receive(&chan, text, sizeof(text)), 5);
	CHECK(!memcmp(text, "reset", 5));
	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
	chan = open_chan(vm, RPCI);
	CHECK_EQ(request(&chan, RECVSIZE, 0), SUCCESS);
	CHECK(!strcmp(ask(&chan, "log x"), "1 "));
}

CONVERSATION("a reply of the VMM is for all, whoever has asked")
{
	struct chan chan = open_chan(vm, RPCI);
	struct vmport_asked asked;
	char text[20];

	vm->config.features |= KVM_VMPORT_FEATURE_EXIT_RPC;
	host_set_flags(vm, "guestinfo.secret", "value", PRIVILEGED);
	send_as(&chan, true, "info-get guestinfo.secret");
	send_as(&chan, true, "what is it");
	CHECK_EQ(vmport_ask_read(vm->state, 0, true, 0, &asked), -E2BIG);
	CHECK_EQ(vmport_ask_answer(vm->state, asked.id, (const u8 *)"1 that", 6), 0);
	vm->is_privileged = false;
	CHECK_EQ(receive(&chan, text, sizeof(text)), 6);
}

/* Bits of whom sends the first and the second half: privileged or not. */
CONVERSATION("the VMM is told whether all of a message is of privileged callers")
{
	struct chan chan = open_chan(vm, RPCI);
	struct vmport_asked asked;
	int who;

	vm->config.features |= KVM_VMPORT_FEATURE_EXIT_RPC;
	for (who = 0; who < 8; who++) {
		vm->is_privileged = who & 1;
		CHECK_EQ(request(&chan, SENDSIZE, 8), SUCCESS);
		vm->is_privileged = who & 2;
		CHECK_EQ(request(&chan, SENDPAYLOAD, 'r' | 'e' << 8 | 'b' << 16 | 'o' << 24),
			 SUCCESS);
		vm->is_privileged = who & 4;
		CHECK_EQ(request(&chan, SENDPAYLOAD, 'o' | 't' << 8), SUCCESS);

		/* Whoever looks at it, and fails, changes nothing. */
		vm->is_privileged = !(who & 4);
		CHECK_EQ(request(&chan, RECVPAYLOAD, 1), FAILED);
		CHECK_EQ(vmport_ask_read(vm->state, 0, true, 8, &asked), 0);
		CHECK_EQ(asked.is_privileged, who == 7);
		CHECK_EQ(vmport_asked_sender(&asked),
			 who == 7 ? KVM_VMPORT_SENDER_PRIVILEGED : 0);
		kvfree(asked.data);
	}
	/* An empty one is all in its SENDSIZE. */
	for (who = 0; who < 2; who++) {
		vm->is_privileged = who;
		CHECK_EQ(request(&chan, SENDSIZE, 0), SUCCESS);
		CHECK_EQ(vmport_ask_read(vm->state, 0, true, 0, &asked), 0);
		CHECK_EQ(asked.is_privileged, who);
	}
}

static bool get_block(struct chan *chan, bool is_privileged, u32 count, u8 *data, u32 moved)
{
	struct vmport_call call = {
		.config = &chan->vm->config,
		.state = chan->vm->state,
		.vcpu = vm_vcpu(0),
		.is_privileged = is_privileged,
		.regs.dx = (u32)chan->id << 16,
		.regs.si = chan->cookie_high,
		.regs.di = chan->cookie_low,
	};
	struct vmport_hb_source source;

	if (!vmport_hb_receive_begin(&call, count, &source))
		return false;

	memcpy(data, source.data, moved);
	vmport_hb_receive_end(&call, count, moved, &source);
	shim_check_idle();
	if (chan->vm->mode == MIGRATED)
		vm_migrate(chan->vm);
	return true;
}

/* As far as the channel's reply has been read. */
static u32 received(const struct chan *chan)
{
	return chan->vm->state->channels[chan->id]->recv_done;
}

CONVERSATION("HB: a reply with a privileged value is not for others, short or long")
{
	static char value[3000];
	static u8 data[3002];
	struct chan chan;
	unsigned int i;

	memset(value, 'v', sizeof(value) - 1);
	vm->config.features |= KVM_VMPORT_FEATURE_HB;
	host_set_flags(vm, "guestinfo.0", "0", PRIVILEGED);
	host_set_flags(vm, "guestinfo.1", value, PRIVILEGED);
	chan = open_chan(vm, RPCI);
	for (i = 0; i < 2; i++) {
		u32 size = 2 + (i ? sizeof(value) - 1 : 1);

		tap_context("%u bytes", size);
		send_as(&chan, true, i ? "info-get guestinfo.1" : "info-get guestinfo.0");
		CHECK_EQ(request_as(&chan, true, RECVSIZE, 0), DORECV | VMPORT_STATUS_HB);
		CHECK_EQ(chan.regs.bx, size);
		CHECK(!get_block(&chan, false, size, data, size));
		/* Half of it, up to a page fault. */
		CHECK(get_block(&chan, true, size, data, size / 2));
		CHECK(!get_block(&chan, false, size - size / 2, data, size - size / 2));
		CHECK_EQ(received(&chan), size / 2);
		CHECK(get_block(&chan, true, size - size / 2, data + size / 2, size - size / 2));
		CHECK(!memcmp(data, i ? "1 vvvv" : "1 0", i ? 6 : 3));
		CHECK_EQ(request_as(&chan, true, RECVSTATUS, 1), SUCCESS);
	}
}

TEST("HB: the reply that comes while another is read is not touched by one who may not")
{
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan = open_chan(vm, RPCI);
	struct vmport_hb_source source;
	struct vmport_call call = {
		.config = &vm->config, .state = vm->state, .vcpu = vm_vcpu(0),
	};

	vm->config.features |= KVM_VMPORT_FEATURE_HB;
	host_set_flags(vm, "guestinfo.secret", "s", PRIVILEGED);
	send_as(&chan, false, "info-get guestinfo.secret");
	CHECK(vmport_hb_receive_begin(&call, 16, &source));
	send_as(&chan, true, "info-get guestinfo.secret");
	vmport_hb_receive_end(&call, 3, 3, &source);
	CHECK_EQ(received(&chan), 0);
	vm_free(vm);
}

/* How the guests' own tools clear what they have used; test_clients.c has their sources. */
static const char *const wipes[] = {
	"",			/* the BOSH agent: encodings */
	" ",			/* cloud-init: encodings */
	"---",			/* cloud-init and the BOSH agent: data */
	"e30K",			/* Ignition: data */
	"base64",		/* Ignition: encodings */
	"{}", "  ", "any other value",
};

CONVERSATION("a wipeable entry: whatever the guest sets it to, it is empty, and stays so")
{
	char text[64];
	unsigned int i;
	u64 change;
	u32 size;

	for (i = 0; i < ARRAY_SIZE(wipes); i++) {
		tap_context("'%s'", wipes[i]);
		host_set_flags(vm, "guestinfo.config", "secret", READONLY | WIPEABLE);
		change = atomic64_read(&vm->events.changes);
		snprintf(text, sizeof(text), "info-set guestinfo.config %s", wipes[i]);
		CHECK(!strcmp(rpc_as(vm, false, text), "1 "));
		CHECK(atomic64_read(&vm->events.changes) > change);
		CHECK_EQ(vm->signals, 2 * i + 1);
		CHECK(!strcmp(rpc(vm, "info-get guestinfo.config"), "1 "));
		CHECK(host_get(vm, "guestinfo.config", &size));
		CHECK_EQ(size, 0);
		CHECK_EQ(host_flags(vm, "guestinfo.config"), READONLY | WIPEABLE);
		CHECK(!strcmp(rpc(vm, "info-set guestinfo.config back"), "1 "));
		CHECK(!strcmp(rpc(vm, "info-get guestinfo.config"), "1 "));
	}
	host_set_text(vm, "guestinfo.config", "again");
	CHECK(!strcmp(rpc(vm, "info-get guestinfo.config"), "1 again"));
}

CONVERSATION("a wipeable and privileged entry: only the privileged wipe it")
{
	host_set_flags(vm, "guestinfo.config", "secret", READONLY | WIPEABLE | PRIVILEGED);
	CHECK(!strcmp(rpc_as(vm, false, "info-set guestinfo.config "), "0 Permission denied"));
	CHECK(!strcmp(host_get(vm, "guestinfo.config", NULL), "secret"));
	CHECK(!strcmp(rpc_as(vm, true, "info-get guestinfo.config"), "1 secret"));
	CHECK(!strcmp(rpc_as(vm, true, "info-set guestinfo.config e30K"), "1 "));
	CHECK(!strcmp(rpc_as(vm, true, "info-get guestinfo.config"), "1 "));
	CHECK(!strcmp(rpc_as(vm, false, "info-get guestinfo.config"), "0 No value found"));
	CHECK_EQ(host_flags(vm, "guestinfo.config"), READONLY | WIPEABLE | PRIVILEGED);
}

TEST("wiping keeps no memory for what the guest has sent, and makes room in the store")
{
	static char text[KVM_VMPORT_MAX_MESSAGE + 1];
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan = open_chan(vm, RPCI);
	size_t live;
	int i;

	i = sprintf(text, "info-set guestinfo.config ");
	memset(text + i, 'x', sizeof(text) - 1 - i);
	host_set_flags(vm, "guestinfo.config", "secret", READONLY | WIPEABLE);
	CHECK(!strcmp(ask(&chan, "info-set guestinfo.config "), "1 "));
	CHECK(!strcmp(ask(&chan, "log x"), "1 "));
	CHECK_EQ(vm->state->guestinfo.bytes, strlen("guestinfo.config"));
	live = shim_live_bytes();

	CHECK(!strcmp(ask(&chan, text), "1 "));
	CHECK(!strcmp(ask(&chan, "log x"), "1 "));
	CHECK_EQ(shim_live_bytes(), live);
	CHECK_EQ(vm->state->guestinfo.bytes, strlen("guestinfo.config"));
	vm_free(vm);
}

TEST("wiping is possible in a store that is past its limits, with too long a value too")
{
	struct vm *vm = vm_new(SLEEPING);

	host_set_flags(vm, "guestinfo.config", "secret", READONLY | WIPEABLE);
	host_set_text(vm, "guestinfo.other", "other");
	vm->config.limits.keys = 1;
	vm->config.limits.guestinfo_bytes = 1;
	vm->config.limits.value_bytes = 4;
	CHECK(!strcmp(rpc(vm, "info-set guestinfo.other 12345"), "0 Value too long"));
	CHECK(!strcmp(rpc(vm, "info-set guestinfo.config 12345"), "1 "));
	CHECK(!strcmp(host_get(vm, "guestinfo.config", NULL), ""));
	vm_free(vm);
}

TEST("wiping without memory says so, and the entry is as before")
{
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan = open_chan(vm, RPCI);
	char reply[32];
	int nth;

	host_set_flags(vm, "guestinfo.config", "secret", READONLY | WIPEABLE);
	/* The buffer for messages is there, the entry and the empty one are not. */
	CHECK(!strcmp(ask(&chan, "log x"), "1 "));
	for (nth = 1; nth <= 2; nth++) {
		shim_fail_alloc(nth);
		send_message(&chan, "info-set guestinfo.config ---", 29);
		CHECK(shim_alloc_failed());
		shim_fail_alloc(0);
		CHECK_EQ(receive(&chan, reply, sizeof(reply)), 15);
		CHECK(!memcmp(reply, "0 Out of memory", 15));
		CHECK(!strcmp(host_get(vm, "guestinfo.config", NULL), "secret"));
		CHECK_EQ(vm->state->guestinfo.bytes, 16 + 6);
	}
	CHECK(!strcmp(ask(&chan, "info-set guestinfo.config ---"), "1 "));
	vm_free(vm);
}

TEST("nothing is privileged until something is: then the callers' rights are looked up")
{
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan;

	host_set_flags(vm, "guestinfo.open", "o", READONLY | WIPEABLE);
	CHECK(!vm->state->guestinfo.has_privileged);
	host_set_flags(vm, "guestinfo.secret", "s", PRIVILEGED);
	CHECK(vm->state->guestinfo.has_privileged);
	vm_migrate(vm);
	CHECK(vm->state->guestinfo.has_privileged);

	/* The reply outlives the entry. */
	chan = open_chan(vm, RPCI);
	send_as(&chan, true, "info-get guestinfo.secret");
	CHECK_EQ(host_delete(vm, "guestinfo.secret"), 0);
	vm_migrate(vm);
	CHECK(vm->state->guestinfo.has_privileged);
	check_withheld(&chan);
	CHECK_EQ(request_as(&chan, true, RECVSIZE, 0), DORECV);
	CHECK_EQ(request_as(&chan, true, CLOSE, 0), SUCCESS);
	vm_migrate(vm);
	CHECK(!vm->state->guestinfo.has_privileged);
	vm_free(vm);
}

/*
 * What several callers send on a channel without a cookie: a letter a word, "P" of a
 * privileged caller, "-" of another.  The message begins with a SENDSIZE of the first one.
 */
static void send_mixed(struct vm *vm, struct chan *chan, const char *text, const char *who,
		       bool migrated)
{
	u32 words = strlen(who), i, word;

	CHECK_EQ(strlen(text), 4 * words);
	CHECK_EQ(request_as(chan, who[0] == 'P', SENDSIZE, 4 * words), SUCCESS);
	for (i = 0; i < words; i++) {
		if (migrated)
			vm_migrate(vm);
		memcpy(&word, text + 4 * i, 4);
		CHECK_EQ(request_as(chan, who[i] == 'P', SENDPAYLOAD, word), SUCCESS);
	}
}

TEST("a message is a privileged caller's if nobody else has sent any of it")
{
	static const struct {
		const char *who;
		const char *value;
	} rows[] = {
		{ "PPPPPPP", "ab" },
		{ "-PPPPPP", "s" },
		{ "P-PPPPP", "s" },
		{ "PPPPPP-", "s" },
		{ "------P", "s" },
	};
	unsigned int i, migrated;
	struct chan chan;
	struct vm *vm;

	for (i = 0; i < ARRAY_SIZE(rows) * 2; i++) {
		migrated = i % 2;
		tap_context("%s, migrated %u", rows[i / 2].who, migrated);
		vm = vm_new(SLEEPING);
		chan = open_chan(vm, RPCI);
		host_set_flags(vm, "guestinfo.secret", "s", PRIVILEGED);
		/* One that was begun before does not count. */
		CHECK_EQ(request_as(&chan, i & 1, SENDSIZE, 28), SUCCESS);
		send_mixed(vm, &chan, "info-set guestinfo.secret ab", rows[i / 2].who, migrated);
		CHECK(!strcmp(host_get(vm, "guestinfo.secret", NULL), rows[i / 2].value));
		vm_free(vm);
	}
}

TEST("the format: flags of an entry and of a reply, byte for byte as described")
{
	struct kvm_vmport_blob_channel channel = {
		.flags = cpu_to_le16(KVM_VMPORT_CHANNEL_RECV | KVM_VMPORT_CHANNEL_PRIVILEGED),
		.protocol = cpu_to_le32(RPCI),
		.recv_size = cpu_to_le32(3),
	};
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan = open_chan(vm, RPCI);
	struct blob blob;
	size_t size;
	u8 *packed;

	host_set_flags(vm, "guestinfo.all", "a", READONLY | PRIVILEGED | WIPEABLE);
	host_set_flags(vm, "guestinfo.p", "s", PRIVILEGED);
	host_set_flags(vm, "guestinfo.w", "w", READONLY | WIPEABLE);
	send_as(&chan, true, "info-get guestinfo.p");

	blob_init(&blob);
	blob_channel(&blob, &channel, "1 s");
	blob_begin(&blob, 3, 1);
	blob_entry(&blob, "guestinfo.all", "a", 1 | 4 | 8);
	blob_entry(&blob, "guestinfo.p", "s", 4);
	blob_entry(&blob, "guestinfo.w", "w", 1 | 8);
	blob_end(&blob);
	blob_seal(&blob);
	packed = vm_pack(vm, &size);
	CHECK_EQ(size, blob.size);
	CHECK(!memcmp(packed, blob.data, size));

	/* A reply that was left is nobody's, so its flag goes too. */
	CHECK_EQ(request_as(&chan, true, RECVSTATUS, 1), SUCCESS);
	free(packed);
	packed = vm_pack(vm, &size);
	check_accepted(vm, packed, size);
	free(packed);
	blob_free(&blob);
	vm_free(vm);
}
