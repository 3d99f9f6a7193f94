// SPDX-License-Identifier: GPL-2.0-only
/* Messages as blocks: PROTOCOL section 3, as far as the engine knows of it. */
#include <linux/slab.h>

#include "hb.h"

#include "guest.h"

static u8 message[KVM_VMPORT_MAX_MESSAGE];
static u8 seen[KVM_VMPORT_MAX_REPLY];

/* "log" and something: 64 KiB that need no store. */
static void fill_message(u32 size)
{
	u32 i;

	for (i = 0; i < size; i++)
		message[i] = i % 251 + 1;
	memcpy(message, "log ", min_t(u32, size, 4));
}

static struct vmport_call call_of(const struct chan *chan)
{
	return (struct vmport_call) {
		.config = &chan->vm->config,
		.state = chan->vm->state,
		.regs = {
			.dx = (u32)chan->id << 16,
			.si = chan->cookie_high,
			.di = chan->cookie_low,
		},
	};
}

/* Send @size bytes of the last @count of the message. */
static bool put_bytes(struct chan *chan, u64 count, const void *data, u32 size)
{
	struct vmport_call call = call_of(chan);
	u8 one = *(const u8 *)data;
	u8 *bytes = &one;
	bool ok;

	if (!vmport_hb_can_send(&call, count)) {
		shim_check_idle();
		CHECK(!vmport_hb_send(&call, count, &bytes, 1));
		return false;
	}

	if (size > 1) {
		bytes = kvmalloc(size, VMPORT_GFP);
		CHECK(bytes);
		memcpy(bytes, data, size);
	}
	ok = vmport_hb_send(&call, count, &bytes, size);
	if (size > 1)
		kvfree(bytes);
	shim_check_idle();
	if (chan->vm->mode == MIGRATED)
		vm_migrate(chan->vm);
	return ok;
}

static bool get_bytes(struct chan *chan, u64 count, void *data, u32 moved)
{
	struct vmport_call call = call_of(chan);
	struct vmport_hb_source source;

	if (!vmport_hb_receive_begin(&call, count, &source)) {
		shim_check_idle();
		return false;
	}
	memcpy(data, source.data, moved);
	vmport_hb_receive_end(&call, count, moved, &source);
	shim_check_idle();
	if (chan->vm->mode == MIGRATED)
		vm_migrate(chan->vm);
	return true;
}

static struct chan hb_chan(struct vm *vm, u32 protocol)
{
	vm->config.features |= KVM_VMPORT_FEATURE_HB;
	return open_chan(vm, protocol);
}

CONVERSATION("HB: SENDSIZE and RECVSIZE offer it where it is on, and only with a payload")
{
	struct chan chan = open_chan(vm, RPCI);

	CHECK_EQ(request(&chan, SENDSIZE, 10), SUCCESS);
	vm->config.features |= KVM_VMPORT_FEATURE_HB;
	CHECK_EQ(request(&chan, SENDSIZE, 10), SUCCESS | VMPORT_STATUS_HB);
	CHECK_EQ(request(&chan, SENDSIZE, KVM_VMPORT_MAX_MESSAGE + 1), FAILED);
	CHECK_EQ(request(&chan, SENDSIZE, 0), SUCCESS);
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV | VMPORT_STATUS_HB);
	CHECK_EQ(request(&chan, RECVSTATUS, 1), SUCCESS);
	CHECK_EQ(request(&chan, RECVSIZE, 0), SUCCESS);
}

CONVERSATION("HB: a message of every kind of size, and its reply, in one piece each")
{
	static const u32 sizes[] = { 1, 2, 3, 4, 5, 127, 128, 129, 4096, 4097, 65535, 65536 };
	struct chan chan = hb_chan(vm, RPCI | COOKIE);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		tap_context("%u bytes", sizes[i]);
		fill_message(sizes[i]);
		CHECK_EQ(request(&chan, SENDSIZE, sizes[i]), SUCCESS | VMPORT_STATUS_HB);
		CHECK(put_bytes(&chan, sizes[i], message, sizes[i]));
		CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV | VMPORT_STATUS_HB);
		CHECK(get_bytes(&chan, chan.regs.bx, seen, chan.regs.bx));
		CHECK(!memcmp(seen, sizes[i] < 3 ? "0 Unknown command" : "1 ",
			      sizes[i] < 3 ? 17 : 2));
		CHECK_EQ(request(&chan, RECVSTATUS, 1), SUCCESS);
	}
}

CONVERSATION("HB: what was sent as a block is what was meant, and can be read as a block")
{
	struct chan chan = hb_chan(vm, RPCI);
	const u32 size = 60000;
	u32 value_size;

	memcpy(message, "info-set guestinfo.k ", 21);
	memset(message + 21, 'v', size);
	message[21] = 'a';
	message[20 + size] = 'z';
	CHECK_EQ(request(&chan, SENDSIZE, 21 + size), SUCCESS | VMPORT_STATUS_HB);
	CHECK(put_bytes(&chan, 21 + size, message, 21 + size));
	CHECK(!memcmp(host_get(vm, "guestinfo.k", &value_size), message + 21, size));
	CHECK_EQ(value_size, size);

	CHECK_EQ(request(&chan, SENDSIZE, 20), SUCCESS | VMPORT_STATUS_HB);
	CHECK(put_bytes(&chan, 20, "info-get guestinfo.k", 20));
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV | VMPORT_STATUS_HB);
	CHECK_EQ(chan.regs.bx, 2 + size);
	CHECK(get_bytes(&chan, 2 + size, seen, 2 + size));
	CHECK(!memcmp(seen, "1 ", 2));
	CHECK(!memcmp(seen + 2, message + 21, size));
}

CONVERSATION("HB: a transfer goes on after any part of it, and may begin again before that")
{
	struct chan chan = hb_chan(vm, RPCI);
	const char *text = "info-get guestinfo.a";
	u32 part;

	host_set_text(vm, "guestinfo.a", "0123456789");
	for (part = 1; part < 20; part++) {
		tap_context("%u bytes first", part);
		CHECK_EQ(request(&chan, SENDSIZE, 20), SUCCESS | VMPORT_STATUS_HB);
		CHECK(put_bytes(&chan, 20, text, part));
		CHECK(put_bytes(&chan, 20, text, part));
		CHECK(!put_bytes(&chan, 20 - part - 1, text + part + 1, 1));
		CHECK(put_bytes(&chan, 20 - part, text + part, 20 - part));
		CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV | VMPORT_STATUS_HB);
		CHECK_EQ(chan.regs.bx, 12);
		if (part >= 12)
			continue;
		memset(seen, 0, 12);
		CHECK(get_bytes(&chan, 12, seen, part));
		CHECK(!get_bytes(&chan, 12 - part - 1, seen, 1));
		CHECK(get_bytes(&chan, 12 - part, seen + part, 12 - part));
		CHECK(!memcmp(seen, "1 0123456789", 12));
		CHECK(get_bytes(&chan, 12, seen, 12));
		CHECK(!memcmp(seen, "1 0123456789", 12));
	}
}

CONVERSATION("HB: both ways mix in one message")
{
	struct chan chan = hb_chan(vm, RPCI);

	host_set_text(vm, "guestinfo.a", "0123456789");
	CHECK_EQ(request(&chan, SENDSIZE, 20), SUCCESS | VMPORT_STATUS_HB);
	CHECK_EQ(request(&chan, SENDPAYLOAD, 0x6f666e69), SUCCESS);
	CHECK(put_bytes(&chan, 16, "-get guest", 10));
	CHECK_EQ(request(&chan, SENDPAYLOAD, 0x6f666e69), SUCCESS);
	CHECK(put_bytes(&chan, 2, ".a", 2));
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV | VMPORT_STATUS_HB);
	CHECK_EQ(request(&chan, RECVPAYLOAD, 1), SUCCESS);
	CHECK(get_bytes(&chan, 8, seen, 4));
	CHECK(!memcmp(seen, "2345", 4));
	CHECK_EQ(request(&chan, RECVPAYLOAD, 1), SUCCESS);
	CHECK_EQ(chan.regs.bx, 0x39383736);
}

CONVERSATION("HB: refused without a message, past its end, once closed, with a wrong cookie")
{
	struct chan chan = hb_chan(vm, RPCI | COOKIE), wrong;

	CHECK(!put_bytes(&chan, 4, "abcd", 4));
	CHECK(!get_bytes(&chan, 4, seen, 4));

	CHECK_EQ(request(&chan, SENDSIZE, 4), SUCCESS | VMPORT_STATUS_HB);
	CHECK(!put_bytes(&chan, 5, "abcde", 5));
	CHECK(!put_bytes(&chan, 3, "bcd", 3));
	CHECK(!put_bytes(&chan, 1ull << 32 | 4, "abcd", 4));
	CHECK(!put_bytes(&chan, 0, "a", 1));
	wrong = chan;
	wrong.cookie_low ^= 1;
	CHECK(!put_bytes(&wrong, 4, "abcd", 4));
	wrong = chan;
	wrong.id = 7;
	CHECK(!put_bytes(&wrong, 4, "abcd", 4));
	wrong.id = KVM_VMPORT_MAX_CHANNELS;
	CHECK(!get_bytes(&wrong, 4, seen, 4));
	CHECK(put_bytes(&chan, 4, "abcd", 4));

	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV | VMPORT_STATUS_HB);
	CHECK(!get_bytes(&chan, chan.regs.bx + 1, seen, 1));
	CHECK(!get_bytes(&chan, chan.regs.bx - 1, seen, 1));
	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
	CHECK(!get_bytes(&chan, 17, seen, 1));
	CHECK(!put_bytes(&chan, 4, "abcd", 4));
}

CONVERSATION("HB: a TCLO request and its result")
{
	struct chan chan = hb_chan(vm, TCLO);
	u32 status, size = sizeof(seen);
	u64 id;

	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV | VMPORT_STATUS_HB);
	CHECK(get_bytes(&chan, 5, seen, 5));
	CHECK(!memcmp(seen, "reset", 5));
	CHECK_EQ(request(&chan, RECVSTATUS, 1), SUCCESS);
	CHECK_EQ(request(&chan, SENDSIZE, 14), SUCCESS | VMPORT_STATUS_HB);
	CHECK(put_bytes(&chan, 14, "OK ATR toolbox", 14));

	id = host_request(vm, "ping");
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV | VMPORT_STATUS_HB);
	CHECK(get_bytes(&chan, 4, seen, 4));
	CHECK(!memcmp(seen, "ping", 4));
	CHECK_EQ(request(&chan, RECVSTATUS, 1), SUCCESS);
	CHECK_EQ(request(&chan, SENDSIZE, 3), SUCCESS | VMPORT_STATUS_HB);
	CHECK(put_bytes(&chan, 3, "OK ", 3));
	CHECK_EQ(host_result(vm, &status, (char *)seen, &size), id);
	CHECK_EQ(status, KVM_VMPORT_TCLO_ANSWERED);
	CHECK_EQ(size, 3);
}

TEST("HB: a reply stays in place for a transfer, whatever becomes of its channel")
{
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan = hb_chan(vm, RPCI);
	struct vmport_hb_source source;
	struct vmport_call call;

	memset(message, 'x', 1000);
	host_set(vm, "guestinfo.a", message, 1000, 0, NULL);
	send_message(&chan, "info-get guestinfo.a", 20);
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV | VMPORT_STATUS_HB);

	call = call_of(&chan);
	CHECK(vmport_hb_receive_begin(&call, 1002, &source));
	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
	CHECK(!memcmp(source.data, "1 xx", 4));
	CHECK_EQ(source.data[1001], 'x');
	vmport_hb_receive_end(&call, 1002, 1002, &source);

	/* The same id, another message: the transfer must not count there. */
	chan = open_chan(vm, RPCI);
	send_message(&chan, "info-get guestinfo.a", 20);
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV | VMPORT_STATUS_HB);
	CHECK(vmport_hb_receive_begin(&call, 1002, &source));
	send_message(&chan, "x", 1);
	vmport_hb_receive_end(&call, 1002, 1002, &source);
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV | VMPORT_STATUS_HB);
	CHECK(get_bytes(&chan, 17, seen, 17));
	vm_free(vm);
}

static struct chan chan;

static bool do_receive(struct vm *vm)
{
	return get_bytes(&chan, 4, seen, 4);
}

static bool do_answer(struct vm *vm)
{
	return put_bytes(&chan, 1, "O", 1);
}

/* @body fails when the first allocation does, and works when it is tried again. */
static void fails_once(struct vm *vm, bool (*body)(struct vm *vm))
{
	shim_fail_alloc(1);
	CHECK(!body(vm));
	CHECK(shim_alloc_failed());
	shim_fail_alloc(0);
	CHECK(body(vm));
}

TEST("HB: no memory: the transfer fails, and works when it is tried again")
{
	struct vm *vm = vm_new(SLEEPING);

	chan = hb_chan(vm, TCLO);
	CHECK_EQ(request(&chan, RECVSTATUS, 1), SUCCESS);
	CHECK_EQ(request(&chan, SENDSIZE, 0), SUCCESS);
	host_request(vm, "ping");
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV | VMPORT_STATUS_HB);
	fails_once(vm, do_receive);
	CHECK_EQ(request(&chan, RECVSTATUS, 1), SUCCESS);
	CHECK_EQ(request(&chan, SENDSIZE, 1), SUCCESS | VMPORT_STATUS_HB);
	fails_once(vm, do_answer);
	vm_free(vm);
}
