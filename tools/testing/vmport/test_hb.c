// SPDX-License-Identifier: GPL-2.0-only
/* Messages as blocks: PROTOCOL section 3, as far as the engine knows of it. */
#include <linux/slab.h>

#include "hb.h"

#include "blob.h"

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
		.vcpu = vm_vcpu(0),
		.regs = {
			.dx = (u32)chan->id << 16,
			.si = chan->cookie_high,
			.di = chan->cookie_low,
		},
	};
}

/* Begin to send @size bytes of the last @count of the message. */
static bool begin_put(struct chan *chan, u64 count, u32 size, struct vmport_hb_buffer *buffer)
{
	struct vmport_call call = call_of(chan);
	bool ok = vmport_hb_send_begin(&call, count, size, buffer);

	shim_check_idle();
	CHECK_EQ(!!buffer->data, ok);
	CHECK(!ok || buffer->room >= size);
	return ok;
}

static bool end_put(struct chan *chan, u64 count, const void *data, u32 moved,
		    struct vmport_hb_buffer *buffer)
{
	struct vmport_call call = call_of(chan);
	bool ok;

	memcpy(buffer->data, data, moved);
	ok = vmport_hb_send_end(&call, count, moved, buffer);
	shim_check_idle();
	if (chan->vm->mode == MIGRATED)
		vm_migrate(chan->vm);
	return ok;
}

/* Send @size bytes of the last @count of the message. */
static bool put_bytes(struct chan *chan, u64 count, const void *data, u32 size)
{
	struct vmport_hb_buffer buffer;

	if (begin_put(chan, count, size, &buffer))
		return end_put(chan, count, data, size, &buffer);

	/* Asked again at the end. */
	buffer = (struct vmport_hb_buffer) { kvmalloc(1, VMPORT_GFP), 1 };
	CHECK(buffer.data);
	CHECK(!end_put(chan, count, data, 1, &buffer));
	return false;
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

	vm->config.features |= KVM_VMPORT_FEATURE_HB;
	chan = open_tools(vm);
	host_request(vm, "ping");
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV | VMPORT_STATUS_HB);
	fails_once(vm, do_receive);
	CHECK_EQ(request(&chan, RECVSTATUS, 1), SUCCESS);
	CHECK_EQ(request(&chan, SENDSIZE, 1), SUCCESS | VMPORT_STATUS_HB);
	fails_once(vm, do_answer);
	vm_free(vm);
}

/* A message of 200 bytes has begun, and its buffer is away with one vCPU. */
static void begin_message(struct vm *vm, struct chan *chan, struct vmport_hb_buffer *buffer)
{
	*chan = hb_chan(vm, RPCI);
	fill_message(200);
	CHECK_EQ(request(chan, SENDSIZE, 200), SUCCESS | VMPORT_STATUS_HB);
	CHECK(begin_put(chan, 200, 200, buffer));
}

static void check_logged(struct chan *chan)
{
	CHECK_EQ(request(chan, RECVSIZE, 0), DORECV | VMPORT_STATUS_HB);
	CHECK(get_bytes(chan, 2, seen, 2));
	CHECK(!memcmp(seen, "1 ", 2));
	CHECK_EQ(request(chan, RECVSTATUS, 1), SUCCESS);
}

TEST("HB: no memory is looked for but the channel's")
{
	struct vm *vm = vm_new(SLEEPING);
	struct vmport_hb_buffer buffer;
	unsigned long allocs;

	chan = hb_chan(vm, RPCI);
	fill_message(65536);
	CHECK_EQ(request(&chan, SENDSIZE, 65536), SUCCESS | VMPORT_STATUS_HB);
	allocs = shim_allocs();
	CHECK(begin_put(&chan, 65536, 65536, &buffer));
	/* A page fault: what came stays, and the rest needs memory of its own. */
	CHECK(end_put(&chan, 65536, message, 5000, &buffer));
	CHECK_EQ(shim_allocs(), allocs);
	CHECK(put_bytes(&chan, 60536, message + 5000, 60536));
	CHECK_EQ(shim_allocs(), allocs + 1);
	check_logged(&chan);
	vm_free(vm);
}

CONVERSATION("HB: another vCPU sends on the channel meanwhile")
{
	struct vmport_hb_buffer buffer, other;
	struct chan chan;

	/* Words first, then all of it. */
	begin_message(vm, &chan, &buffer);
	CHECK_EQ(request(&chan, SENDPAYLOAD, 0x20676f6c), SUCCESS);
	CHECK_EQ(request(&chan, SENDPAYLOAD, 0x41414141), SUCCESS);
	CHECK(end_put(&chan, 200, message, 200, &buffer));
	check_logged(&chan);

	/* Words first, then a part, then words. */
	begin_message(vm, &chan, &buffer);
	CHECK_EQ(request(&chan, SENDPAYLOAD, 0x20676f6c), SUCCESS);
	CHECK(end_put(&chan, 200, message, 196, &buffer));
	CHECK_EQ(request(&chan, SENDPAYLOAD, 0x41414141), SUCCESS);
	check_logged(&chan);

	/* Blocks, the first of them last. */
	begin_message(vm, &chan, &buffer);
	CHECK(begin_put(&chan, 200, 100, &other));
	CHECK(end_put(&chan, 200, message, 100, &other));
	CHECK(put_bytes(&chan, 100, message + 100, 50));
	CHECK(end_put(&chan, 200, message, 150, &buffer));
	CHECK(put_bytes(&chan, 50, message + 150, 50));
	check_logged(&chan);

	/* Two at once, the first with none of it read: there is no buffer for the second. */
	begin_message(vm, &chan, &buffer);
	CHECK(begin_put(&chan, 200, 100, &other));
	CHECK(end_put(&chan, 200, message, 0, &buffer));
	CHECK(end_put(&chan, 200, message, 100, &other));
	CHECK(put_bytes(&chan, 100, message + 100, 100));
	check_logged(&chan);
}

CONVERSATION("HB: meanwhile there is another message, or none, or another channel")
{
	struct vmport_hb_buffer buffer;
	struct chan chan;

	begin_message(vm, &chan, &buffer);
	CHECK_EQ(request(&chan, SENDSIZE, 300), SUCCESS | VMPORT_STATUS_HB);
	CHECK(!end_put(&chan, 200, message, 200, &buffer));
	CHECK_EQ(request(&chan, SENDSIZE, 200), SUCCESS | VMPORT_STATUS_HB);
	CHECK(put_bytes(&chan, 200, message, 200));
	check_logged(&chan);

	begin_message(vm, &chan, &buffer);
	CHECK_EQ(request(&chan, SENDSIZE, 0), SUCCESS);
	CHECK(!end_put(&chan, 200, message, 200, &buffer));
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV | VMPORT_STATUS_HB);

	begin_message(vm, &chan, &buffer);
	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
	CHECK(!end_put(&chan, 200, message, 200, &buffer));

	/* The state may go between the two, and is carried on. */
	begin_message(vm, &chan, &buffer);
	vm_migrate(vm);
	CHECK(end_put(&chan, 200, message, 100, &buffer));
	CHECK(put_bytes(&chan, 100, message + 100, 100));
	check_logged(&chan);
}

static bool do_payload(struct vm *vm)
{
	return request(&chan, SENDPAYLOAD, 0x20676f6c) == SUCCESS;
}

TEST("HB: no memory while another vCPU has the channel's buffer")
{
	struct vmport_hb_buffer buffer, part, again;
	struct vm *vm = vm_new(SLEEPING);

	begin_message(vm, &chan, &buffer);
	fails_once(vm, do_payload);
	CHECK(end_put(&chan, 200, message, 200, &buffer));
	check_logged(&chan);

	begin_message(vm, &chan, &buffer);
	CHECK(begin_put(&chan, 200, 100, &part));
	CHECK(begin_put(&chan, 200, 100, &again));
	shim_fail_alloc(1);
	CHECK(!end_put(&chan, 200, message, 100, &part));
	CHECK(shim_alloc_failed());
	shim_fail_alloc(0);
	CHECK(end_put(&chan, 200, message, 100, &again));
	CHECK(end_put(&chan, 200, message, 200, &buffer));
	check_logged(&chan);
	vm_free(vm);
}

CONVERSATION("HB: a count below the message's size moves its first bytes, the next count the next")
{
	struct chan chan = hb_chan(vm, RPCI);

	host_set_text(vm, "guestinfo.a", "0123456789abcdef");
	send_message(&chan, "info-get guestinfo.a", 20);
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV | VMPORT_STATUS_HB);
	CHECK(get_bytes(&chan, 7, seen, 7));
	CHECK(!memcmp(seen, "1 01234", 7));
	CHECK(get_bytes(&chan, 7, seen, 7));
	CHECK(!memcmp(seen, "56789ab", 7));
	CHECK(get_bytes(&chan, 4, seen, 4));
	CHECK(!memcmp(seen, "cdef", 4));
	/* More than is left: the last bytes again. */
	CHECK(get_bytes(&chan, 1, seen, 1));
	CHECK(!memcmp(seen, "f", 1));
	CHECK(get_bytes(&chan, 18, seen, 18));
	CHECK(!memcmp(seen, "1 0123456789abcdef", 18));
	CHECK(!get_bytes(&chan, 19, seen, 18));
	CHECK_EQ(request(&chan, RECVSTATUS, 1), SUCCESS);
}

CONVERSATION("HB: a short block that a page fault or a migration stops ends where it should")
{
	struct chan chan = hb_chan(vm, RPCI);
	u32 part, again;

	host_set_text(vm, "guestinfo.a", "0123456789abcdef");
	for (part = 1; part < 7; part++) {
		for (again = 0; again < 2; again++) {
			send_message(&chan, "info-get guestinfo.a", 20);
			CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV | VMPORT_STATUS_HB);
			CHECK(get_bytes(&chan, 7, seen, part));
			if (again)
				vm_migrate(vm);
			CHECK(get_bytes(&chan, 7 - part, seen + part, 7 - part));
			CHECK(!memcmp(seen, "1 01234", 7));
			if (again)
				vm_migrate(vm);
			CHECK(get_bytes(&chan, 3, seen, 3));
			CHECK(!memcmp(seen, "567", 3));
		}
	}
}

CONVERSATION("HB: what is not in the guest's memory does not count; words go on behind it")
{
	struct chan chan = hb_chan(vm, RPCI);

	host_set_text(vm, "guestinfo.a", "0123456789abcdef");
	send_message(&chan, "info-get guestinfo.a", 20);
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV | VMPORT_STATUS_HB);
	/* A page fault before the first byte, and again. */
	CHECK(get_bytes(&chan, 7, seen, 0));
	vm_migrate(vm);
	CHECK(get_bytes(&chan, 7, seen, 0));
	CHECK(get_bytes(&chan, 7, seen, 6));
	CHECK(!memcmp(seen, "1 0123", 6));
	CHECK_EQ(request(&chan, RECVPAYLOAD, 1), SUCCESS);
	CHECK_EQ(chan.regs.bx, '4' | '5' << 8 | '6' << 16 | '7' << 24);
	CHECK(get_bytes(&chan, 2, seen, 2));
	CHECK(!memcmp(seen, "89", 2));
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV | VMPORT_STATUS_HB);
	CHECK(get_bytes(&chan, 2, seen, 2));
	CHECK(!memcmp(seen, "1 ", 2));
}
