// SPDX-License-Identifier: GPL-2.0-only
/* The MESSAGE transport: PROTOCOL section 2. */
#include "guest.h"

static u8 big[KVM_VMPORT_MAX_MESSAGE + 4];

static void fill_big(u8 seed)
{
	u32 i;

	for (i = 0; i < sizeof(big); i++)
		big[i] = (i * 7 + seed) % 251 + 1;
}

CONVERSATION("OPEN: lowest free id, EBX and EAX kept, cookie where asked for")
{
	struct chan a = open_chan(vm, RPCI | COOKIE), b = open_chan(vm, TCLO | COOKIE);
	struct chan c = open_chan(vm, RPCI);

	CHECK_EQ(a.id, 0);
	CHECK_EQ(b.id, 1);
	CHECK_EQ(c.id, 2);
	CHECK(a.cookie_high || a.cookie_low);
	CHECK(a.cookie_high != b.cookie_high);
	CHECK(a.cookie_low != b.cookie_low);
	CHECK_EQ(c.cookie_high, 0);
	CHECK_EQ(c.cookie_low, 0);

	CHECK_EQ(request(&b, CLOSE, 0), SUCCESS);
	CHECK_EQ(request(&a, CLOSE, 0), SUCCESS);
	a = open_chan(vm, RPCI);
	CHECK_EQ(a.id, 0);
	b = open_chan(vm, RPCI);
	CHECK_EQ(b.id, 1);
	a = open_chan(vm, RPCI);
	CHECK_EQ(a.id, 3);
}

CONVERSATION("OPEN: unknown protocols and unknown flags fail")
{
	static const u32 unknown[] = {
		0, 1, COOKIE, RPCI + 1, TCLO ^ 0x100, RPCI | 0x80, 0x52504349, ~0u,
		0x40000000 | TCLO | 0x20000000,
	};
	struct chan chan;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(unknown); i++) {
		tap_context("protocol %#x", unknown[i]);
		CHECK_EQ(try_open(&chan, vm, unknown[i]), FAILED);
	}
	chan = open_chan(vm, RPCI);
	CHECK_EQ(chan.id, 0);
}

CONVERSATION("OPEN: 128 channels; one closed makes room for one, and its id is given again")
{
	struct chan chans[KVM_VMPORT_MAX_CHANNELS], one_more;
	int i;

	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS; i++) {
		chans[i] = open_chan(vm, RPCI | COOKIE);
		CHECK_EQ(chans[i].id, i);
	}
	CHECK_EQ(request(&chans[77], CLOSE, 0), SUCCESS);
	one_more = open_chan(vm, RPCI);
	CHECK_EQ(one_more.id, 77);
	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS; i++)
		CHECK(!strcmp(ask(i == 77 ? &one_more : &chans[i], "log x"), "1 "));
}

CONVERSATION("OPEN: a lowered limit takes none away, but no more than there are can be open")
{
	struct chan a = open_chan(vm, RPCI), b = open_chan(vm, RPCI), c;

	vm->mode = vm->mode == MIGRATED ? SLEEPING : vm->mode;
	vm->config.limits.channels = 1;
	CHECK(!strcmp(ask(&a, "log x"), "1 "));
	CHECK(!strcmp(ask(&b, "log x"), "1 "));
	/* In the place of the one that was used least recently. */
	CHECK_EQ(try_open(&c, vm, RPCI | COOKIE), SUCCESS);
	CHECK_EQ(c.id, a.id);
	CHECK_EQ(request(&a, RECVSIZE, 0), FAILED);
	CHECK(!strcmp(ask(&b, "log x"), "1 "));
	CHECK_EQ(request(&b, CLOSE, 0), SUCCESS);
	CHECK_EQ(try_open(&a, vm, RPCI), SUCCESS);
	CHECK_EQ(a.id, c.id);
	CHECK_EQ(request(&a, CLOSE, 0), SUCCESS);

	vm->config.limits.channels = 0;
	CHECK_EQ(try_open(&c, vm, RPCI), FAILED);
	vm->config.limits.channels = KVM_VMPORT_MAX_CHANNELS;
}

static void fixed_random(void *buf, size_t len)
{
	static const u8 bytes[] = { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88 };

	memset(buf, 0x42, len);
	memcpy(buf, bytes, min(len, sizeof(bytes)));
}

CONVERSATION("cookies come whole from the random source, 64 bits of it")
{
	struct chan chan;

	shim_random_hook = fixed_random;
	chan = open_chan(vm, RPCI | COOKIE);
	CHECK_EQ(chan.cookie_high, cpu_to_le32(0x44332211));
	CHECK_EQ(chan.cookie_low, cpu_to_le32(0x88776655));
	shim_random_hook = NULL;
}

CONVERSATION("a wrong cookie fails each request and changes nothing")
{
	struct chan chan = open_chan(vm, RPCI | COOKIE), thief;
	size_t size, size_after;
	u8 *before, *after;
	int nr, bit;

	send_part(&chan, "log abcdefgh", 12, 8);
	before = vm_pack(vm, &size);
	for (nr = SENDSIZE; nr <= CLOSE; nr++) {
		for (bit = 0; bit < 64; bit++) {
			thief = chan;
			if (bit < 32)
				thief.cookie_high ^= 1u << bit;
			else
				thief.cookie_low ^= 1u << (bit - 32);
			CHECK_EQ(request(&thief, nr, 1), FAILED);
		}
		thief = chan;
		thief.cookie_high = 0;
		thief.cookie_low = 0;
		CHECK_EQ(request(&thief, nr, 1), FAILED);
	}
	after = vm_pack(vm, &size_after);
	CHECK_EQ(size_after, size);
	CHECK(!memcmp(before, after, size));
	free(before);
	free(after);
	CHECK_EQ(request(&chan, SENDPAYLOAD, 0), SUCCESS);
}

CONVERSATION("without the cookie flag no cookie is checked")
{
	struct chan chan = open_chan(vm, RPCI);

	CHECK(!strcmp(ask(&chan, "log x"), "1 "));
	chan.cookie_high = 0x12345678;
	chan.cookie_low = 0x9abcdef0;
	CHECK(!strcmp(ask(&chan, "log x"), "1 "));
	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
}

CONVERSATION("requests on a channel that is not there fail: never opened, closed, past the table")
{
	static const u16 ids[] = { 0, 1, 127, 128, 129, 255, 256, 0x7fff, 0x8000, 0xffff };
	struct chan chan, none = { .vm = vm };
	unsigned int i, nr;

	chan = open_chan(vm, RPCI);
	chan = open_chan(vm, RPCI);
	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
	none.id = 0;
	CHECK_EQ(request(&none, CLOSE, 0), SUCCESS);

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		for (nr = SENDSIZE; nr <= CLOSE; nr++) {
			tap_context("channel %u, request %u", ids[i], nr);
			none.id = ids[i];
			CHECK_EQ(request(&none, nr, 1), FAILED);
		}
	}
}

CONVERSATION("unknown requests fail and change nothing")
{
	struct chan chan = open_chan(vm, RPCI);
	static const u16 unknown[] = { 7, 8, 30, 0x100, 0x7fff, 0x8000, 0xffff };
	unsigned int i;

	send_part(&chan, "log x", 5, 4);
	for (i = 0; i < ARRAY_SIZE(unknown); i++)
		CHECK_EQ(request(&chan, unknown[i], 1), FAILED);
	CHECK_EQ(request(&chan, SENDPAYLOAD, 'x'), SUCCESS);
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
}

CONVERSATION("RPCI: the reply waits right after the last SENDPAYLOAD, for one poll")
{
	struct chan chan = open_chan(vm, RPCI | COOKIE);

	CHECK_EQ(request(&chan, RECVSIZE, 0), SUCCESS);
	send_part(&chan, "machine.id.get", 14, 12);
	CHECK_EQ(request(&chan, RECVSIZE, 0), SUCCESS);
	CHECK_EQ(request(&chan, SENDPAYLOAD, 'e' | 't' << 8), SUCCESS);
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
	CHECK_EQ(chan.regs.bx, strlen("0 No machine id"));
}

CONVERSATION("RPCI: a message of size 0 is complete with SENDSIZE and has its reply")
{
	struct chan chan = open_chan(vm, RPCI);

	CHECK(!strcmp(ask_bytes(&chan, "", 0, NULL), "0 Unknown command"));
	CHECK_EQ(request(&chan, SENDSIZE, 0), SUCCESS);
	CHECK_EQ(request(&chan, SENDPAYLOAD, 0), FAILED);
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
}

CONVERSATION("messages of each size from 1 to 40 arrive whole, bytes past the end ignored")
{
	char text[64], reply[64];
	struct chan chan = open_chan(vm, RPCI);
	int size;

	for (size = 1; size <= 40; size++) {
		tap_context("%d bytes", size);
		snprintf(text, sizeof(text), "info-set guestinfo.a %.*s", size,
			 "0123456789abcdefghijklmnopqrstuvwxyzABCD");
		CHECK(!strcmp(ask(&chan, text), "1 "));
		snprintf(reply, sizeof(reply), "1 %s", text + 21);
		CHECK(!strcmp(ask(&chan, "info-get guestinfo.a"), reply));
	}
}

TEST("a message of 64 KiB goes through, and comes back")
{
	struct vm *vm = vm_new(FAST);
	struct chan chan = open_chan(vm, RPCI);
	static const char set[] = "info-set guestinfo.big ";
	const char *reply;
	int size;

	/* The fast path's blobs before and after would take a minute. */
	vm->mode = SLEEPING;
	fill_big(3);
	memcpy(big, set, strlen(set));
	CHECK(!strcmp(ask_bytes(&chan, big, KVM_VMPORT_MAX_MESSAGE, NULL), "1 "));
	reply = ask_bytes(&chan, "info-get guestinfo.big", 22, &size);
	CHECK_EQ(size, 2 + KVM_VMPORT_MAX_MESSAGE - strlen(set));
	CHECK(!memcmp(reply, "1 ", 2));
	CHECK(!memcmp(reply + 2, big + strlen(set), size - 2));
	vm_free(vm);
}

TEST("a reply may be longer than a message: a value of 64 KiB is read whole")
{
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan = open_chan(vm, RPCI);
	const char *reply;
	int size;

	fill_big(5);
	CHECK_EQ(host_set(vm, "guestinfo.big", big, KVM_VMPORT_MAX_VALUE, 0, NULL), 0);
	reply = ask_bytes(&chan, "info-get guestinfo.big", 22, &size);
	CHECK_EQ(size, 2 + KVM_VMPORT_MAX_VALUE);
	CHECK(size <= KVM_VMPORT_MAX_REPLY);
	CHECK(!memcmp(reply + 2, big, KVM_VMPORT_MAX_VALUE));
	vm_free(vm);
}

CONVERSATION("SENDSIZE past 64 KiB fails, a message in progress goes on")
{
	static const u32 sizes[] = { 65537, 65540, 0x10000000, 0x7fffffff, 0x80000000, ~0u };
	struct chan chan = open_chan(vm, RPCI);
	unsigned int i;

	send_part(&chan, "log x", 5, 4);
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		CHECK_EQ(request(&chan, SENDSIZE, sizes[i]), FAILED);
	CHECK_EQ(request(&chan, SENDPAYLOAD, 'x'), SUCCESS);
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);

	/* And the reply stays where it was. */
	CHECK_EQ(request(&chan, RECVPAYLOAD, 1), SUCCESS);
	CHECK_EQ(request(&chan, SENDSIZE, 65537), FAILED);
	CHECK_EQ(request(&chan, RECVPAYLOAD, 1), SUCCESS);
	CHECK_EQ(chan.regs.bx, 0);
	CHECK(!strcmp(ask(&chan, "log x"), "1 "));
}

CONVERSATION("SENDSIZE of 64 KiB is accepted")
{
	struct chan chan = open_chan(vm, RPCI);

	CHECK_EQ(request(&chan, SENDSIZE, KVM_VMPORT_MAX_MESSAGE), SUCCESS);
	CHECK_EQ(request(&chan, SENDPAYLOAD, 1), SUCCESS);
}

CONVERSATION("SENDSIZE in the middle of a message starts a new one")
{
	struct chan chan = open_chan(vm, RPCI);

	host_set_text(vm, "guestinfo.a", "x");
	send_part(&chan, "info-set guestinfo.a wrong", 26, 16);
	CHECK(!strcmp(ask(&chan, "info-get guestinfo.a"), "1 x"));

	/* Longer, shorter, nothing: from each size to each. */
	send_part(&chan, "log", 3, 0);
	send_part(&chan, big, 300, 12);
	send_part(&chan, big, 3000, 12);
	send_part(&chan, "log abc", 7, 4);
	CHECK(!strcmp(ask_bytes(&chan, "", 0, NULL), "0 Unknown command"));
	CHECK_EQ(request(&chan, SENDPAYLOAD, 0), FAILED);
}

CONVERSATION("SENDPAYLOAD without a message, or after its last byte, fails")
{
	struct chan chan = open_chan(vm, RPCI);

	CHECK_EQ(request(&chan, SENDPAYLOAD, 0), FAILED);
	CHECK(!strcmp(ask(&chan, "log x"), "1 "));
	CHECK_EQ(request(&chan, SENDPAYLOAD, 0), FAILED);
	send_message(&chan, "log x", 5);
	CHECK_EQ(request(&chan, SENDPAYLOAD, 0), FAILED);
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
}

CONVERSATION("RPCI: a new SENDSIZE drops the reply that was left")
{
	struct chan chan = open_chan(vm, RPCI);

	send_message(&chan, "log x", 5);
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
	CHECK_EQ(request(&chan, SENDSIZE, 5), SUCCESS);
	CHECK_EQ(request(&chan, RECVSIZE, 0), SUCCESS);
	CHECK_EQ(request(&chan, RECVPAYLOAD, 1), FAILED);
	CHECK_EQ(request(&chan, RECVSTATUS, 1), FAILED);
}

CONVERSATION("RECVSIZE with nothing waiting: SUCCESS only, EBX and EDX unchanged")
{
	struct chan chan = open_chan(vm, RPCI | COOKIE);

	CHECK_EQ(request(&chan, RECVSIZE, 0xabcd), SUCCESS);
	CHECK_EQ(chan.regs.bx, 0xabcd);
	CHECK_EQ(chan.regs.dx, (u32)chan.id << 16 | VMPORT_PORT);
	CHECK_EQ(chan.regs.si, chan.cookie_high);
	CHECK_EQ(chan.regs.di, chan.cookie_low);
}

CONVERSATION("RECVSIZE does not consume: each goes back to the first byte")
{
	struct chan chan = open_chan(vm, RPCI);
	int i;

	send_message(&chan, "machine.id.get", 14);
	for (i = 0; i < 3; i++) {
		CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
		CHECK_EQ(chan.regs.bx, 15);
		CHECK_EQ(chan.regs.dx, 1 << 16);
		CHECK_EQ(request(&chan, RECVPAYLOAD, 1), SUCCESS);
		CHECK_EQ(chan.regs.bx, '0' | ' ' << 8 | 'N' << 16 | 'o' << 24);
		CHECK_EQ(chan.regs.dx, 2 << 16);
		CHECK_EQ(request(&chan, RECVPAYLOAD, 1), SUCCESS);
		CHECK_EQ(chan.regs.bx, ' ' | 'm' << 8 | 'a' << 16 | 'c' << 24);
	}
}

CONVERSATION("RECVPAYLOAD past the end reads 0, as do the bytes after the last")
{
	struct chan chan = open_chan(vm, RPCI);
	int i;

	send_message(&chan, "log x", 5);
	CHECK_EQ(request(&chan, RECVPAYLOAD, 1), SUCCESS);
	CHECK_EQ(chan.regs.bx, '1' | ' ' << 8);
	for (i = 0; i < 5; i++) {
		CHECK_EQ(request(&chan, RECVPAYLOAD, 1), SUCCESS);
		CHECK_EQ(chan.regs.bx, 0);
	}
	CHECK_EQ(request(&chan, RECVSTATUS, 1), SUCCESS);
}

CONVERSATION("RECVPAYLOAD that gives up begins the message again and keeps EBX and EDX")
{
	static const u32 not_one[] = { 0, 2, 4, 0x10000, 0x80000000, ~1u };
	struct chan chan = open_chan(vm, RPCI);
	unsigned int i;

	send_message(&chan, "machine.id.get", 14);
	for (i = 0; i < ARRAY_SIZE(not_one); i++) {
		CHECK_EQ(request(&chan, RECVPAYLOAD, 1), SUCCESS);
		CHECK_EQ((u8)chan.regs.bx, '0');
		CHECK_EQ(request(&chan, RECVPAYLOAD, not_one[i]), SUCCESS);
		CHECK_EQ(chan.regs.bx, not_one[i]);
		CHECK_EQ(chan.regs.dx >> 16, chan.id);
	}
}

CONVERSATION("RECVPAYLOAD and RECVSTATUS with nothing waiting fail")
{
	struct chan chan = open_chan(vm, RPCI);

	CHECK_EQ(request(&chan, RECVPAYLOAD, 1), FAILED);
	CHECK_EQ(request(&chan, RECVPAYLOAD, 0), FAILED);
	CHECK_EQ(request(&chan, RECVSTATUS, 1), FAILED);
	CHECK_EQ(request(&chan, RECVSTATUS, 0), FAILED);
}

CONVERSATION("RECVSTATUS consumes the reply, received or not")
{
	static const u32 statuses[] = { 1, 0, 2, ~0u };
	struct chan chan = open_chan(vm, RPCI);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(statuses); i++) {
		send_message(&chan, "log x", 5);
		CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
		CHECK_EQ(request(&chan, RECVSTATUS, statuses[i]), SUCCESS);
		CHECK_EQ(chan.regs.bx, statuses[i]);
		CHECK_EQ(request(&chan, RECVSIZE, 0), SUCCESS);
		CHECK_EQ(request(&chan, RECVSTATUS, 1), FAILED);
	}
}

CONVERSATION("CLOSE in the middle of a message: nothing of it is left for the next user")
{
	struct chan chan = open_chan(vm, RPCI | COOKIE);

	send_part(&chan, "log secret", 10, 8);
	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
	CHECK_EQ(request(&chan, SENDPAYLOAD, 0), FAILED);

	chan = open_chan(vm, RPCI | COOKIE);
	CHECK_EQ(chan.id, 0);
	CHECK_EQ(request(&chan, SENDPAYLOAD, 0), FAILED);
	CHECK_EQ(request(&chan, RECVSIZE, 0), SUCCESS);
}

CONVERSATION("CLOSE with a reply half read: it is gone for the next user")
{
	struct chan chan = open_chan(vm, RPCI);

	host_set_text(vm, "guestinfo.secret", "0123456789");
	send_message(&chan, "info-get guestinfo.secret", 25);
	CHECK_EQ(request(&chan, RECVPAYLOAD, 1), SUCCESS);
	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);

	chan = open_chan(vm, RPCI);
	CHECK_EQ(request(&chan, RECVPAYLOAD, 1), FAILED);
	CHECK_EQ(request(&chan, RECVSTATUS, 1), FAILED);
	CHECK_EQ(request(&chan, RECVSIZE, 0), SUCCESS);
}

CONVERSATION("channels are independent: two messages word by word in turn")
{
	static const char one[] = "info-set guestinfo.1 one", two[] = "info-set guestinfo.2 two";
	struct chan a = open_chan(vm, RPCI | COOKIE), b = open_chan(vm, RPCI | COOKIE);
	__le32 word;
	u32 pos;

	CHECK_EQ(request(&a, SENDSIZE, strlen(one)), SUCCESS);
	CHECK_EQ(request(&b, SENDSIZE, strlen(two)), SUCCESS);
	for (pos = 0; pos < strlen(one); pos += 4) {
		memcpy(&word, one + pos, 4);
		CHECK_EQ(request(&a, SENDPAYLOAD, le32_to_cpu(word)), SUCCESS);
		memcpy(&word, two + pos, 4);
		CHECK_EQ(request(&b, SENDPAYLOAD, le32_to_cpu(word)), SUCCESS);
	}
	CHECK_EQ(request(&a, RECVSIZE, 0), DORECV);
	CHECK_EQ(request(&b, RECVSIZE, 0), DORECV);
	CHECK(!strcmp(host_get(vm, "guestinfo.1", NULL), "one"));
	CHECK(!strcmp(host_get(vm, "guestinfo.2", NULL), "two"));
}

CONVERSATION("the status bit HB is never offered")
{
	struct chan chan = open_chan(vm, RPCI | COOKIE);

	CHECK_EQ(request(&chan, SENDSIZE, 5), SUCCESS);
	send_message(&chan, "log x", 5);
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
}

TEST("fast path: words in the middle are answered in it, what allocates or dispatches is not")
{
	struct vm *vm = vm_new(FAST);
	struct chan chan = open_chan(vm, RPCI | COOKIE);

	CHECK_EQ(vm->slow, 1);
	/* The first message needs a buffer, the last word a dispatch. */
	send_message(&chan, "log abcdefgh", 12);
	CHECK_EQ(vm->slow, 3);
	CHECK_EQ(vm->fast, 2);
	/* The buffer is there now, and reading a reply never needs more. */
	vm->slow = 0;
	vm->fast = 0;
	CHECK(!strcmp(ask(&chan, "log abcdefgh"), "1 "));
	CHECK_EQ(vm->slow, 1);
	CHECK_EQ(vm->fast, 1 + 2 + 3);
	vm_free(vm);
}

TEST("fast path: a channel that another vCPU is at work on is not touched")
{
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan = open_chan(vm, RPCI);
	struct vmport_call call = {
		.config = &vm->config,
		.state = vm->state,
		.vcpu = vm_vcpu(0),
		.atomic = true,
	};
	int nr;

	send_part(&chan, "log abcdefgh", 12, 4);
	vmport_channel_own(vm->state->channels[0]);
	for (nr = SENDSIZE; nr <= CLOSE; nr++) {
		call.regs = (struct vmport_regs) {
			.ax = VMPORT_MAGIC, .bx = 1, .cx = nr << 16 | 30, .dx = 0x5658,
		};
		CHECK_EQ(vmport_command(&call), VMPORT_NEEDS_SLEEP);
		CHECK_EQ(call.regs.cx, nr << 16 | 30);
		CHECK_EQ(call.regs.bx, 1);
	}
	vmport_channel_disown(vm->state->channels[0]);
	CHECK_EQ(request(&chan, SENDPAYLOAD, 0), SUCCESS);
	vm_free(vm);
}

CONVERSATION("of a status that the guest hands in only SUCCESS counts")
{
	static const u32 received[] = { 1, 3, 0x83, 0x10001, ~0u };
	struct chan chan = open_chan(vm, RPCI), tools;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(received); i++) {
		send_message(&chan, "machine.id.get", 14);
		CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
		CHECK_EQ(request(&chan, RECVPAYLOAD, received[i]), SUCCESS);
		CHECK_EQ((u8)chan.regs.bx, '0');
		CHECK_EQ(request(&chan, RECVSTATUS, received[i]), SUCCESS);
		CHECK_EQ(request(&chan, RECVSTATUS, 1), FAILED);

		tools = open_tools(vm);
		host_request(vm, "ping");
		CHECK_EQ(request(&tools, RECVSIZE, 0), DORECV);
		CHECK_EQ(request(&tools, RECVSTATUS, received[i]), SUCCESS);
		send_message(&tools, "OK", 2);
		CHECK_EQ(host_result(vm, NULL, NULL, NULL), i + 1);
		CHECK_EQ(request(&tools, CLOSE, 0), SUCCESS);
	}
}

TEST("the high-bandwidth port is not offered to whom it is not")
{
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan;

	vm->config.features |= KVM_VMPORT_FEATURE_HB;
	chan = open_chan(vm, RPCI);
	CHECK_EQ(request(&chan, SENDSIZE, 5), SUCCESS | VMPORT_STATUS_HB);
	vm->no_hb = true;
	CHECK_EQ(request(&chan, SENDSIZE, 5), SUCCESS);
	send_message(&chan, "log x", 5);
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
	vm->no_hb = false;
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV | VMPORT_STATUS_HB);
	vm_free(vm);
}
