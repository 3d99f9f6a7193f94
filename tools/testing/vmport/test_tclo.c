// SPDX-License-Identifier: GPL-2.0-only
/* TCLO, the host's requests: PROTOCOL section 6. */
#include <linux/bits.h>

#include "blob.h"

static char data[KVM_VMPORT_MAX_MESSAGE + 1];

/* The next request that the guest is given, as text; NULL for none. */
static const char *poll_text(struct chan *chan)
{
	int size = receive(chan, data, sizeof(data) - 1);

	if (size < 0)
		return NULL;
	data[size] = '\0';
	return data;
}

static void check_result(struct vm *vm, u64 id, u32 status, const char *text)
{
	static char result[KVM_VMPORT_MAX_MESSAGE + 1];
	u32 seen, size;

	CHECK_EQ(host_result(vm, &seen, result, &size), id);
	CHECK_EQ(seen, status);
	CHECK_EQ(size, strlen(text));
	CHECK(!strcmp(result, text));
}

CONVERSATION("OPEN queues reset; the guest's answer to it goes nowhere")
{
	struct chan chan = open_tools(vm);

	CHECK(!poll_text(&chan));
	CHECK_EQ(host_result(vm, NULL, NULL, NULL), 0);
}

CONVERSATION("each OPEN has a reset of its own")
{
	struct chan chan = open_tools(vm), second = open_tools(vm);

	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
	chan = open_tools(vm);
	CHECK_EQ(chan.id, 0);
	CHECK_EQ(second.id, 1);
}

CONVERSATION("a request is given, run and answered; the VMM reads the result")
{
	struct chan chan = open_tools(vm);
	u64 id = host_request(vm, "Capabilities_Register");

	CHECK_EQ(id, 1);
	CHECK_EQ(host_result(vm, NULL, NULL, NULL), 0);
	CHECK(!strcmp(poll_text(&chan), "Capabilities_Register"));
	CHECK_EQ(host_result(vm, NULL, NULL, NULL), 0);
	send_message(&chan, "OK done", 7);
	check_result(vm, id, KVM_VMPORT_TCLO_ANSWERED, "OK done");
	CHECK_EQ(host_result(vm, NULL, NULL, NULL), 0);
	CHECK(!poll_text(&chan));
}

CONVERSATION("the daemon's loop: empty result, poll, run, result, poll, for many requests")
{
	struct chan chan = open_tools(vm);
	char text[48], answer[32];
	u64 id, last = 0;
	int i;

	send_message(&chan, "", 0);
	for (i = 0; i < 20; i++) {
		CHECK(!poll_text(&chan));
		snprintf(text, sizeof(text), "Set_Option broadcastIP %d", i);
		id = host_request(vm, text);
		CHECK(id > last);
		last = id;
		CHECK(!strcmp(poll_text(&chan), text));
		snprintf(answer, sizeof(answer), i % 3 ? "OK %d" : "ERROR %d", i);
		send_message(&chan, answer, strlen(answer));
		check_result(vm, id, KVM_VMPORT_TCLO_ANSWERED, answer);
	}
}

CONVERSATION("requests queued before any channel is open wait for one, in order")
{
	u64 first = host_request(vm, "ping"), second = host_request(vm, "OS_Halt");
	struct chan chan;

	CHECK_EQ(second, first + 1);
	chan = open_tools(vm);
	CHECK(!strcmp(poll_text(&chan), "ping"));
	send_message(&chan, "OK 1", 4);
	CHECK(!strcmp(poll_text(&chan), "OS_Halt"));
	send_message(&chan, "OK 2", 4);
	check_result(vm, first, KVM_VMPORT_TCLO_ANSWERED, "OK 1");
	check_result(vm, second, KVM_VMPORT_TCLO_ANSWERED, "OK 2");
}

CONVERSATION("the next request waits while one is being given or run")
{
	struct chan chan = open_tools(vm);

	host_request(vm, "ping");
	host_request(vm, "second");
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
	CHECK_EQ(chan.regs.bx, 4);
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
	CHECK_EQ(chan.regs.bx, 4);
	CHECK_EQ(request(&chan, RECVSTATUS, 1), SUCCESS);
	CHECK_EQ(request(&chan, RECVSIZE, 0), SUCCESS);
	send_message(&chan, "OK ", 3);
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
	CHECK_EQ(chan.regs.bx, 6);
}

CONVERSATION("RECVSTATUS 0: the request is LOST, and the next one comes")
{
	struct chan chan = open_tools(vm);
	u64 id = host_request(vm, "ping");

	host_request(vm, "second");
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
	CHECK_EQ(request(&chan, RECVSTATUS, 0), SUCCESS);
	check_result(vm, id, KVM_VMPORT_TCLO_LOST, "");
	/* No request runs: this is not its answer. */
	send_message(&chan, "OK late", 7);
	CHECK_EQ(host_result(vm, NULL, NULL, NULL), 0);
	CHECK(!strcmp(poll_text(&chan), "second"));
}

CONVERSATION("RECVSTATUS 0 for reset: consumed, and no result")
{
	struct chan chan = open_chan(vm, TCLO);

	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
	CHECK_EQ(request(&chan, RECVSTATUS, 0), SUCCESS);
	CHECK_EQ(request(&chan, RECVSIZE, 0), SUCCESS);
	CHECK_EQ(host_result(vm, NULL, NULL, NULL), 0);
}

CONVERSATION("CLOSE with a request waiting: LOST; those not handed out wait for the next channel")
{
	struct chan chan = open_tools(vm);
	u64 first = host_request(vm, "ping"), second = host_request(vm, "second");

	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
	check_result(vm, first, KVM_VMPORT_TCLO_LOST, "");

	chan = open_tools(vm);
	CHECK(!strcmp(poll_text(&chan), "second"));
	send_message(&chan, "OK ", 3);
	check_result(vm, second, KVM_VMPORT_TCLO_ANSWERED, "OK ");
}

CONVERSATION("CLOSE with a request running, or its result half sent: LOST")
{
	struct chan chan = open_tools(vm);
	u64 id = host_request(vm, "ping");

	CHECK(!strcmp(poll_text(&chan), "ping"));
	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
	check_result(vm, id, KVM_VMPORT_TCLO_LOST, "");

	chan = open_tools(vm);
	id = host_request(vm, "ping");
	CHECK(!strcmp(poll_text(&chan), "ping"));
	send_part(&chan, "OK answer", 9, 8);
	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
	check_result(vm, id, KVM_VMPORT_TCLO_LOST, "");
	CHECK_EQ(host_result(vm, NULL, NULL, NULL), 0);
}

CONVERSATION("CLOSE with nothing but reset waiting or running: no result")
{
	struct chan chan = open_chan(vm, TCLO);

	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
	chan = open_chan(vm, TCLO);
	CHECK(!strcmp(poll_text(&chan), "reset"));
	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
	CHECK_EQ(host_result(vm, NULL, NULL, NULL), 0);
}

CONVERSATION("SENDSIZE on TCLO leaves a waiting request where it is")
{
	struct chan chan = open_tools(vm);

	host_request(vm, "ping");
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
	CHECK_EQ(request(&chan, RECVPAYLOAD, 1), SUCCESS);
	/* Not its result yet: it has not been taken. */
	send_message(&chan, "OK early", 8);
	CHECK_EQ(host_result(vm, NULL, NULL, NULL), 0);
	CHECK_EQ(request(&chan, RECVPAYLOAD, 1), SUCCESS);
	CHECK_EQ(chan.regs.bx, 0);
	CHECK(!strcmp(poll_text(&chan), "ping"));
	send_message(&chan, "OK ", 3);
	check_result(vm, 1, KVM_VMPORT_TCLO_ANSWERED, "OK ");
}

CONVERSATION("a message with no request running is accepted and dropped")
{
	struct chan chan = open_tools(vm);

	send_message(&chan, "OK who asked", 12);
	send_message(&chan, "", 0);
	CHECK_EQ(host_result(vm, NULL, NULL, NULL), 0);
	CHECK(!poll_text(&chan));
}

CONVERSATION("an empty result is a result")
{
	struct chan chan = open_tools(vm);
	u64 id = host_request(vm, "ping");

	CHECK(!strcmp(poll_text(&chan), "ping"));
	send_message(&chan, "", 0);
	check_result(vm, id, KVM_VMPORT_TCLO_ANSWERED, "");
}

CONVERSATION("a result started twice: the one that is completed counts")
{
	struct chan chan = open_tools(vm);
	u64 id = host_request(vm, "ping");

	CHECK(!strcmp(poll_text(&chan), "ping"));
	send_part(&chan, "OK wrong answer", 15, 12);
	send_message(&chan, "OK right", 8);
	check_result(vm, id, KVM_VMPORT_TCLO_ANSWERED, "OK right");
}

TEST("a result of 64 KiB is kept whole")
{
	static char answer[KVM_VMPORT_MAX_MESSAGE], result[KVM_VMPORT_MAX_MESSAGE + 1];
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan = open_tools(vm);
	u32 status, size;
	u64 id = host_request(vm, "ping");

	memset(answer, 'a', sizeof(answer));
	CHECK(!strcmp(poll_text(&chan), "ping"));
	send_message(&chan, answer, sizeof(answer));
	CHECK_EQ(host_result(vm, &status, result, &size), id);
	CHECK_EQ(size, sizeof(answer));
	CHECK(!memcmp(answer, result, size));
	vm_free(vm);
}

CONVERSATION("a request of 4096 bytes is given whole")
{
	static char text[KVM_VMPORT_MAX_TCLO_REQUEST + 1];
	struct chan chan = open_tools(vm);

	memset(text, 'r', KVM_VMPORT_MAX_TCLO_REQUEST);
	/* Each of 1024 words would be a migration. */
	if (vm->mode != SLEEPING)
		memset(text + 400, 0, sizeof(text) - 400);
	host_request(vm, text);
	CHECK(!strcmp(poll_text(&chan), text));
}

CONVERSATION("two TCLO channels: each request goes to one, results to their own ids")
{
	struct chan a = open_tools(vm), b = open_tools(vm);
	u64 first = host_request(vm, "first"), second = host_request(vm, "second");

	CHECK(!strcmp(poll_text(&b), "first"));
	CHECK(!strcmp(poll_text(&a), "second"));
	send_message(&a, "OK second", 9);
	send_message(&b, "OK first", 8);
	/* In the order in which they came. */
	check_result(vm, second, KVM_VMPORT_TCLO_ANSWERED, "OK second");
	check_result(vm, first, KVM_VMPORT_TCLO_ANSWERED, "OK first");
}

CONVERSATION("16 requests and unread results, however mixed; the next is refused")
{
	struct chan chan = open_tools(vm), other = open_tools(vm);
	int i;

	for (i = 0; i < KVM_VMPORT_MAX_TCLO; i++)
		CHECK_EQ(host_request(vm, "ping"), i + 1);
	CHECK_EQ(host_request(vm, "ping"), 0);

	/* Given, run, answered, lost: it counts until the VMM has read it. */
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
	CHECK_EQ(host_request(vm, "ping"), 0);
	CHECK_EQ(request(&chan, RECVSTATUS, 1), SUCCESS);
	CHECK_EQ(host_request(vm, "ping"), 0);
	send_message(&chan, "OK ", 3);
	CHECK_EQ(host_request(vm, "ping"), 0);
	CHECK(!strcmp(poll_text(&other), "ping"));
	CHECK_EQ(request(&other, CLOSE, 0), SUCCESS);
	CHECK_EQ(host_request(vm, "ping"), 0);

	check_result(vm, 1, KVM_VMPORT_TCLO_ANSWERED, "OK ");
	CHECK_EQ(host_request(vm, "ping"), 17);
	CHECK_EQ(host_request(vm, "ping"), 0);
	check_result(vm, 2, KVM_VMPORT_TCLO_LOST, "");
	CHECK_EQ(host_request(vm, "ping"), 18);
	CHECK_EQ(host_request(vm, "ping"), 0);
}

CONVERSATION("ids are never used again, though all requests are gone")
{
	struct chan chan = open_tools(vm);
	u64 id, last = 0;
	int i;

	for (i = 0; i < 40; i++) {
		id = host_request(vm, "ping");
		CHECK(id > last);
		last = id;
		CHECK(poll_text(&chan));
		send_message(&chan, "OK ", 3);
		CHECK_EQ(host_result(vm, NULL, NULL, NULL), id);
	}
}

CONVERSATION("an RPCI channel is given no request")
{
	struct chan chan = open_chan(vm, RPCI);

	host_request(vm, "ping");
	CHECK_EQ(request(&chan, RECVSIZE, 0), SUCCESS);
	CHECK(!strcmp(ask(&chan, "log x"), "1 "));
	CHECK_EQ(request(&chan, RECVSIZE, 0), SUCCESS);
	CHECK_EQ(vm->state->tclo.queued, 1);
}

TEST("fast path: a poll that finds nothing is answered in it, one that takes a request is not")
{
	struct vm *vm = vm_new(FAST);
	struct chan chan = open_tools(vm);

	vm->fast = 0;
	vm->slow = 0;
	CHECK(!poll_text(&chan));
	CHECK_EQ(vm->fast, 1);
	CHECK_EQ(vm->slow, 0);
	host_request(vm, "ping");
	CHECK(!strcmp(poll_text(&chan), "ping"));
	CHECK_EQ(vm->fast, 3);
	CHECK_EQ(vm->slow, 1);
	vm_free(vm);
}

static u64 request_for(struct vm *vm, const char *name, const char *text)
{
	struct vmport_request *request = vmport_request_alloc(0, strlen(text));
	u64 id;

	CHECK(request);
	memcpy(request->data, text, strlen(text));
	vmport_name_set(&request->name, (const u8 *)name, strlen(name));
	CHECK_EQ(vmport_tclo_queue(&vm->state->tclo, request, &id), 0);
	if (vm->mode == MIGRATED)
		vm_migrate(vm);
	return id;
}

CONVERSATION("a request goes to the daemon that it is for, whoever polls first")
{
	struct chan desktop = open_daemon(vm, "toolbox-dnd"), tools = open_tools(vm);
	u64 halt = host_request(vm, "OS_Halt"), copy, ping;

	CHECK(!poll_text(&desktop));
	copy = request_for(vm, "toolbox-dnd", "Copy");
	ping = host_request(vm, "ping");
	CHECK(!strcmp(poll_text(&desktop), "Copy"));
	CHECK(!strcmp(poll_text(&tools), "OS_Halt"));
	send_message(&desktop, "OK copied", 9);
	CHECK(!poll_text(&desktop));
	send_message(&tools, "OK", 2);
	CHECK(!strcmp(poll_text(&tools), "ping"));
	send_message(&tools, "OK pong", 7);
	check_result(vm, copy, KVM_VMPORT_TCLO_ANSWERED, "OK copied");
	check_result(vm, halt, KVM_VMPORT_TCLO_ANSWERED, "OK");
	check_result(vm, ping, KVM_VMPORT_TCLO_ANSWERED, "OK pong");
}

CONVERSATION("a name that nobody has waits for its daemon, and so does a channel without a name")
{
	static const char *const none[] = {
		"", "OK", "OK ATR", "OK ATR ", "OK ATR a b", "ok ATR toolbox", "OK ATR  toolbox",
		"OK ATR 12345678901234567890123456789012",
	};
	struct chan chan;
	unsigned int i;
	u64 id = request_for(vm, "vmusr", "x"), ping = host_request(vm, "ping");

	for (i = 0; i < ARRAY_SIZE(none); i++) {
		chan = open_chan(vm, TCLO | COOKIE);
		CHECK(!strcmp(poll_text(&chan), "reset"));
		send_message(&chan, none[i], strlen(none[i]));
		CHECK(!poll_text(&chan));
		CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
	}

	chan = open_daemon(vm, "vmusr");
	CHECK(!strcmp(poll_text(&chan), "x"));
	send_message(&chan, "OK", 2);
	check_result(vm, id, KVM_VMPORT_TCLO_ANSWERED, "OK");
	CHECK(!poll_text(&chan));
	/* The NUL of a C string is no part of it. */
	chan = open_chan(vm, TCLO);
	CHECK(!strcmp(poll_text(&chan), "reset"));
	send_message(&chan, "OK ATR toolbox\0x", 16);
	CHECK(!strcmp(poll_text(&chan), "ping"));
	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
	check_result(vm, ping, KVM_VMPORT_TCLO_LOST, "");
}

TEST("a blob without names: who has answered reset is toolbox")
{
	struct kvm_vmport_blob_channel channel = {
		.protocol = cpu_to_le32(TCLO),
	};
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan = { .vm = vm, .id = 0 }, old = { .vm = vm, .id = 1 };
	struct blob blob;

	blob_init(&blob);
	channel.flags = cpu_to_le16(KVM_VMPORT_CHANNEL_RUN);
	blob_channel(&blob, &channel, "");
	channel.id = cpu_to_le16(1);
	channel.flags = 0;
	blob_channel(&blob, &channel, "");
	blob_seal(&blob);
	check_accepted(vm, blob.data, blob.size);
	blob_free(&blob);

	host_request(vm, "ping");
	/* It runs its reset. */
	send_message(&chan, "OK ATR other", 12);
	CHECK(!poll_text(&chan));
	CHECK(!strcmp(poll_text(&old), "ping"));
	vm_free(vm);
}

/* Two TCLO channels and a queued request with these names: what each is called then. */
static void try_names(const void *names, size_t size, const char *first, const char *queued)
{
	struct kvm_vmport_blob_channel channel = { .protocol = cpu_to_le32(TCLO) };
	struct vm *vm = vm_new(SLEEPING);
	struct vmport_name *name;
	struct blob blob;

	blob_init(&blob);
	blob_channel(&blob, &channel, "");
	channel.id = cpu_to_le16(9);
	channel.protocol = cpu_to_le32(RPCI);
	blob_channel(&blob, &channel, "");
	blob_begin(&blob, KVM_VMPORT_SECTION_TCLO, KVM_VMPORT_SECTION_CRITICAL);
	blob_tclo(&blob, 5, 1);
	blob_request(&blob, 4, KVM_VMPORT_REQUEST_QUEUED, "ping");
	blob_end(&blob);
	blob_begin(&blob, KVM_VMPORT_SECTION_NAMES, 0);
	blob_bytes(&blob, names, size);
	blob_end(&blob);
	blob_seal(&blob);
	CHECK_EQ(blob_load(vm, blob.data, blob.size, NULL), 0);
	blob_free(&blob);

	name = &vm->state->channels[0]->name;
	CHECK_EQ(name->size, strlen(first));
	CHECK(!memcmp(name->text, first, name->size));
	CHECK_EQ(vm->state->channels[9]->name.size, 0);
	name = &vm->state->tclo.queue[0]->name;
	CHECK_EQ(name->size, strlen(queued));
	CHECK(!memcmp(name->text, queued, name->size));
	vm_free(vm);
}

static size_t add_name(u8 *to, u64 id, u16 kind, u16 size, const char *text)
{
	struct kvm_vmport_blob_name name = {
		.id = cpu_to_le64(id),
		.kind = cpu_to_le16(kind),
		.size = cpu_to_le16(size),
	};

	memset(to, 0, 64);
	memcpy(to, &name, sizeof(name));
	memcpy(to + sizeof(name), text, strlen(text));
	return sizeof(name) + ALIGN(strlen(text), 8);
}

TEST("whatever stands in the names, the blob loads, and what makes sense counts")
{
	u8 names[512];
	size_t size, cut;

	size = add_name(names, 0, KVM_VMPORT_NAME_CHANNEL, 5, "vmusr");
	size += add_name(names + size, 4, KVM_VMPORT_NAME_REQUEST, 11, "toolbox-dnd");
	try_names(names, size, "vmusr", "toolbox-dnd");
	for (cut = 0; cut < size; cut++)
		try_names(names, cut, cut < 24 ? "toolbox" : "vmusr", "toolbox");

	size = add_name(names, 9, KVM_VMPORT_NAME_CHANNEL, 5, "vmusr");
	size += add_name(names + size, 128, KVM_VMPORT_NAME_CHANNEL, 5, "vmusr");
	size += add_name(names + size, 4, 7, 5, "vmusr");
	size += add_name(names + size, 3, KVM_VMPORT_NAME_REQUEST, 5, "vmusr");
	size += add_name(names + size, 4, KVM_VMPORT_NAME_REQUEST, 0, "");
	size += add_name(names + size, 4, KVM_VMPORT_NAME_REQUEST, 3, "a b");
	size += add_name(names + size, 0, KVM_VMPORT_NAME_CHANNEL, 0, "");
	try_names(names, size, "", "toolbox");
	size += add_name(names + size, 0, KVM_VMPORT_NAME_CHANNEL, 32,
			 "12345678901234567890123456789012");
	size += add_name(names + size, 4, KVM_VMPORT_NAME_REQUEST, 5, "vmusr");
	try_names(names, size, "", "toolbox");
}

TEST("ids at their ceiling: what such a blob leads to loads again")
{
	struct vm *vm = vm_new(SLEEPING);
	struct vmport_request *request;
	struct chan chan;
	u64 id;

	vm->state->tclo.next_id = S64_MAX - 1;
	vm_migrate(vm);
	chan = open_tools(vm);
	CHECK_EQ(host_request(vm, "last"), S64_MAX - 1);
	request = vmport_request_alloc(0, 4);
	memcpy(request->data, "more", 4);
	CHECK_EQ(vmport_tclo_queue(&vm->state->tclo, request, &id), -EOVERFLOW);
	vmport_request_free(request);
	vm_migrate(vm);
	CHECK(!strcmp(poll_text(&chan), "last"));
	vm_migrate(vm);
	send_message(&chan, "OK", 2);
	vm_migrate(vm);
	check_result(vm, S64_MAX - 1, KVM_VMPORT_TCLO_ANSWERED, "OK");
	vm_free(vm);
}

TEST("the VMM sees no number twice, also after it has loaded an older state")
{
	struct vm *vm = vm_new(SLEEPING);
	size_t size, again_size;
	u8 *blob, *again;

	CHECK_EQ(host_request(vm, "one"), 1);
	blob = vm_pack(vm, &size);
	CHECK_EQ(host_request(vm, "two"), 2);
	CHECK_EQ(host_request(vm, "three"), 3);
	CHECK_EQ(blob_load(vm, blob, size, NULL), 0);
	/* It is packed as it was, all the same. */
	again = vm_pack(vm, &again_size);
	CHECK_EQ(again_size, size);
	CHECK(!memcmp(again, blob, size));
	CHECK_EQ(host_request(vm, "four"), 4);
	free(again);
	free(blob);

	/* Nor that of one that had fewer here than there. */
	vm->state->tclo.next_id = 100;
	vm_migrate(vm);
	CHECK_EQ(host_request(vm, "hundred"), 100);
	vm_free(vm);
}

/* What the VMM sees of its requests: "id status name size" each. */
static const char *list(struct vm *vm)
{
	static const char * const status[] = { "answered", "lost", "queued", "taken" };
	struct kvm_vmport_tclo_item items[KVM_VMPORT_MAX_TCLO];
	static char text[1024];
	u32 i, count;
	int size = 0;

	if (vm->mode == MIGRATED)
		vm_migrate(vm);
	memset(items, 0xa5, sizeof(items));
	count = vmport_requests_list(vm->state, items);
	CHECK(count <= KVM_VMPORT_MAX_TCLO);
	text[0] = '\0';
	for (i = 0; i < count; i++) {
		CHECK(items[i].status < ARRAY_SIZE(status));
		CHECK(!memchr_inv(items[i].reserved, 0, sizeof(items[i].reserved)));
		size += sprintf(text + size, "%s%llu %s %s %u", i ? ", " : "",
				(unsigned long long)items[i].id, status[items[i].status],
				(const char *)items[i].name, items[i].size);
	}
	return text;
}

static u64 host_request_to(struct vm *vm, const char *name, const char *text)
{
	struct vmport_request *req = vmport_request_alloc(0, strlen(text));
	u64 id;

	CHECK(req);
	memcpy(req->data, text, strlen(text));
	vmport_name_set(&req->name, (const u8 *)name, strlen(name));
	CHECK_EQ(vmport_tclo_queue(&vm->state->tclo, req, &id), 0);
	return id;
}

static int cancel(struct vm *vm, u64 id, u32 expected)
{
	u32 status = 99;
	int r = vmport_requests_cancel(vm->state, id, &status);

	CHECK_EQ(status, r ? 99 : expected);
	if (vm->mode == MIGRATED)
		vm_migrate(vm);
	return r;
}

CONVERSATION("all requests and results can be listed, with whom they are for, wherever they are")
{
	struct chan desktop, tools;

	CHECK(!strcmp(list(vm), ""));
	host_request_to(vm, "toolbox-dnd", "a");
	host_request(vm, "bb");
	host_request_to(vm, "toolbox-dnd", "ccc");
	host_request(vm, "dddd");
	CHECK(!strcmp(list(vm), "1 queued toolbox-dnd 1, 2 queued toolbox 2, "
		      "3 queued toolbox-dnd 3, 4 queued toolbox 4"));

	desktop = open_chan(vm, TCLO | COOKIE);
	CHECK(!strcmp(poll_text(&desktop), "reset"));
	send_message(&desktop, "OK ATR toolbox-dnd", 18);
	CHECK_EQ(request(&desktop, RECVSIZE, 0), DORECV);
	tools = open_tools(vm);
	CHECK(!strcmp(poll_text(&tools), "bb"));
	CHECK(!strcmp(list(vm), "1 taken toolbox-dnd 0, 2 taken toolbox 0, "
		      "3 queued toolbox-dnd 3, 4 queued toolbox 4"));

	CHECK(!strcmp(poll_text(&desktop), "a"));
	send_message(&desktop, "OK A", 4);
	CHECK_EQ(request(&tools, CLOSE, 0), SUCCESS);
	CHECK(!strcmp(list(vm), "1 answered toolbox-dnd 4, 2 lost toolbox 0, "
		      "3 queued toolbox-dnd 3, 4 queued toolbox 4"));
}

CONVERSATION("cancel: queued, the guest never sees it; a result is dropped")
{
	struct chan chan = open_tools(vm);
	u64 first, second, third;

	first = host_request(vm, "one");
	second = host_request(vm, "two");
	third = host_request(vm, "three");
	CHECK_EQ(cancel(vm, 0, 0), -ENOENT);
	CHECK_EQ(cancel(vm, third + 1, 0), -ENOENT);
	CHECK_EQ(cancel(vm, second, KVM_VMPORT_TCLO_QUEUED), 0);
	CHECK_EQ(cancel(vm, second, 0), -ENOENT);

	CHECK(!strcmp(poll_text(&chan), "one"));
	send_message(&chan, "OK 1", 4);
	CHECK(!strcmp(poll_text(&chan), "three"));
	CHECK_EQ(cancel(vm, first, KVM_VMPORT_TCLO_ANSWERED), 0);
	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
	CHECK_EQ(cancel(vm, third, KVM_VMPORT_TCLO_LOST), 0);
	CHECK(!strcmp(list(vm), ""));
	CHECK_EQ(host_result(vm, NULL, NULL, NULL), 0);
}

CONVERSATION("cancel: what the guest has taken it goes on with, and its answer goes nowhere")
{
	struct chan chan = open_tools(vm);
	int when;
	u64 id;

	for (when = 0; when < 5; when++) {
		id = host_request(vm, "ping ping");
		CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
		if (when == 0)
			CHECK_EQ(cancel(vm, id, KVM_VMPORT_TCLO_TAKEN), 0);
		CHECK_EQ(request(&chan, RECVPAYLOAD, 1), SUCCESS);
		if (when == 1)
			CHECK_EQ(cancel(vm, id, KVM_VMPORT_TCLO_TAKEN), 0);
		CHECK_EQ(chan.regs.bx, 0x676e6970);
		CHECK_EQ(request(&chan, RECVPAYLOAD, 1), SUCCESS);
		CHECK_EQ(chan.regs.bx, 0x6e697020);
		CHECK_EQ(request(&chan, RECVPAYLOAD, 1), SUCCESS);
		CHECK_EQ(chan.regs.bx, 'g');
		if (when == 2)
			CHECK_EQ(cancel(vm, id, KVM_VMPORT_TCLO_TAKEN), 0);
		CHECK_EQ(request(&chan, RECVSTATUS, 1), SUCCESS);
		if (when == 3)
			CHECK_EQ(cancel(vm, id, KVM_VMPORT_TCLO_TAKEN), 0);
		CHECK_EQ(request(&chan, SENDSIZE, 6), SUCCESS);
		CHECK_EQ(request(&chan, SENDPAYLOAD, 'O' | 'K' << 8 | ' ' << 16), SUCCESS);
		if (when == 4)
			CHECK_EQ(cancel(vm, id, KVM_VMPORT_TCLO_TAKEN), 0);
		CHECK_EQ(request(&chan, SENDPAYLOAD, 'x'), SUCCESS);
		CHECK_EQ(host_result(vm, NULL, NULL, NULL), 0);
		CHECK_EQ(cancel(vm, id, 0), -ENOENT);
		CHECK(!strcmp(list(vm), ""));
	}
	/* The daemon is who it was, and gets the next one. */
	id = host_request(vm, "last");
	CHECK(!strcmp(poll_text(&chan), "last"));
	send_message(&chan, "OK", 2);
	check_result(vm, id, KVM_VMPORT_TCLO_ANSWERED, "OK");
}

CONVERSATION("cancel: the answer is no answer to reset, however much it looks like one")
{
	struct chan tools = open_tools(vm), desktop = open_daemon(vm, "toolbox-dnd");
	int when;
	u64 id;

	for (when = 0; when < 3; when++) {
		id = host_request(vm, "script");
		if (when == 0) {
			CHECK_EQ(request(&tools, RECVSIZE, 0), DORECV);
			CHECK_EQ(cancel(vm, id, KVM_VMPORT_TCLO_TAKEN), 0);
			CHECK(!strcmp(poll_text(&tools), "script"));
		} else {
			CHECK(!strcmp(poll_text(&tools), "script"));
			CHECK_EQ(cancel(vm, id, KVM_VMPORT_TCLO_TAKEN), 0);
		}
		/* It does not receive it after all, and the next one is answered as always. */
		if (when == 2) {
			CHECK_EQ(request(&tools, CLOSE, 0), SUCCESS);
			tools = open_tools(vm);
		} else {
			send_message(&tools, "OK ATR toolbox-dnd", 18);
		}
		host_request(vm, "OS_Halt");
		CHECK_EQ(request(&desktop, RECVSIZE, 0), SUCCESS);
		CHECK(!strcmp(poll_text(&tools), "OS_Halt"));
		send_message(&tools, "OK", 2);
		CHECK(host_result(vm, NULL, NULL, NULL));
	}
}

CONVERSATION("cancel: a request that is not received in the end leaves no trace")
{
	struct chan tools = open_tools(vm);
	u64 id = host_request(vm, "script");

	CHECK_EQ(request(&tools, RECVSIZE, 0), DORECV);
	CHECK_EQ(cancel(vm, id, KVM_VMPORT_TCLO_TAKEN), 0);
	CHECK_EQ(request(&tools, RECVSTATUS, 0), SUCCESS);
	CHECK(!vm->state->channels[tools.id]->is_cancelled);
	id = host_request(vm, "ping");
	CHECK(!strcmp(poll_text(&tools), "ping"));
	send_message(&tools, "OK", 2);
	check_result(vm, id, KVM_VMPORT_TCLO_ANSWERED, "OK");
}

/* A blob of @vm as a reader gets it that knows only these sections. */
static void reload_without(struct vm *vm, u32 section)
{
	struct vmport_blob_form form = vm_form(vm);
	size_t size;
	u8 *blob;

	form.sections = ~BIT_ULL(section);
	CHECK_EQ(vm_pack_form(vm, &form, &blob, &size), 0);
	CHECK_EQ(vm_unpack(vm, blob, size, NULL), 0);
	free(blob);
}

TEST("cancel: in a blob without names or without marks the daemon keeps its name")
{
	static const u32 without[] = { KVM_VMPORT_SECTION_NAMES, KVM_VMPORT_SECTION_MARKS };
	struct vm *vm;
	struct chan tools;
	u64 id;
	int i;

	for (i = 0; i < 2; i++) {
		vm = vm_new(SLEEPING);
		tools = open_tools(vm);
		id = host_request(vm, "script");
		CHECK(!strcmp(poll_text(&tools), "script"));
		CHECK_EQ(cancel(vm, id, KVM_VMPORT_TCLO_TAKEN), 0);
		reload_without(vm, without[i]);
		CHECK_EQ(vm->state->channels[0]->is_cancelled, !i);
		send_message(&tools, "OK ", 3);
		host_request(vm, "OS_Halt");
		CHECK(!strcmp(poll_text(&tools), "OS_Halt"));
		vm_free(vm);
	}
}

/* One section of marks in a blob of a channel with these flags, loaded and packed again. */
static bool keeps_mark(u32 protocol, u16 flags, u8 id, u8 marks)
{
	struct kvm_vmport_blob_channel channel = {
		.id = cpu_to_le16(1),
		.flags = cpu_to_le16(flags),
		.protocol = cpu_to_le32(protocol),
	};
	struct kvm_vmport_blob_mark mark = { .id = id, .marks = marks };
	struct vm *vm = vm_new(SLEEPING);
	size_t size;
	u8 *again;
	struct blob blob;
	bool kept;

	if (flags == KVM_VMPORT_CHANNEL_ASK)
		channel.request = cpu_to_le64(1);
	vm->config.features |= KVM_VMPORT_FEATURE_EXIT_RPC;
	blob_init(&blob);
	blob_channel(&blob, &channel, "");
	blob_begin(&blob, KVM_VMPORT_SECTION_MARKS, 0);
	blob_bytes(&blob, &mark, sizeof(mark));
	blob_end(&blob);
	blob_seal(&blob);
	CHECK_EQ(blob_load(vm, blob.data, blob.size, NULL), 0);
	again = vm_pack(vm, &size);
	/* What comes last is the mark, in eight bytes. */
	kept = again[size - 24] == KVM_VMPORT_SECTION_MARKS &&
	       again[size - 8] == id && again[size - 7] == marks;
	free(again);
	blob_free(&blob);
	vm_free(vm);
	return kept;
}

TEST("marks: one that makes no sense in its channel is left out")
{
	CHECK(keeps_mark(TCLO, KVM_VMPORT_CHANNEL_RUN, 1, KVM_VMPORT_MARK_CANCELLED));
	CHECK(keeps_mark(TCLO, KVM_VMPORT_CHANNEL_RECV, 1, KVM_VMPORT_MARK_CANCELLED));
	CHECK(!keeps_mark(TCLO, 0, 1, KVM_VMPORT_MARK_CANCELLED));
	CHECK(!keeps_mark(RPCI, KVM_VMPORT_CHANNEL_RECV, 1, KVM_VMPORT_MARK_CANCELLED));
	CHECK(!keeps_mark(TCLO, KVM_VMPORT_CHANNEL_RUN, 0, KVM_VMPORT_MARK_CANCELLED));
	CHECK(!keeps_mark(TCLO, KVM_VMPORT_CHANNEL_RUN, 255, KVM_VMPORT_MARK_CANCELLED));
	CHECK(!keeps_mark(TCLO, KVM_VMPORT_CHANNEL_RUN, 1, 0));
	CHECK(!keeps_mark(TCLO, KVM_VMPORT_CHANNEL_RUN, 1, 0x80));
	CHECK(keeps_mark(RPCI, KVM_VMPORT_CHANNEL_ASK, 1, KVM_VMPORT_MARK_PRIVILEGED));
	CHECK(!keeps_mark(RPCI, KVM_VMPORT_CHANNEL_ASK, 1, KVM_VMPORT_MARK_CANCELLED));
	CHECK(!keeps_mark(RPCI, 0, 1, KVM_VMPORT_MARK_PRIVILEGED));
	CHECK(!keeps_mark(TCLO, KVM_VMPORT_CHANNEL_RUN, 1, KVM_VMPORT_MARK_PRIVILEGED));
}

CONVERSATION("cancel: a daemon that never answers keeps no place")
{
	struct chan chans[KVM_VMPORT_MAX_TCLO];
	int i;

	for (i = 0; i < KVM_VMPORT_MAX_TCLO; i++) {
		chans[i] = open_tools(vm);
		CHECK_EQ(host_request(vm, "hang"), i + 1);
		CHECK(!strcmp(poll_text(&chans[i]), "hang"));
	}
	CHECK_EQ(host_request(vm, "OS_Halt"), 0);
	for (i = 0; i < KVM_VMPORT_MAX_TCLO; i++)
		CHECK_EQ(cancel(vm, i + 1, KVM_VMPORT_TCLO_TAKEN), 0);
	CHECK_EQ(host_request(vm, "OS_Halt"), KVM_VMPORT_MAX_TCLO + 1);
	chans[0] = open_tools(vm);
	CHECK(!strcmp(poll_text(&chans[0]), "OS_Halt"));
}

TEST("cancel: without memory for what the guest still reads nothing changes")
{
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan = open_tools(vm);
	char text[200] = "";
	u32 status;
	u64 id;

	memset(text, 'x', sizeof(text) - 1);
	id = host_request(vm, text);
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
	shim_fail_alloc(1);
	CHECK_EQ(vmport_requests_cancel(vm->state, id, &status), -ENOMEM);
	shim_fail_alloc(0);
	CHECK(!strcmp(list(vm), "1 taken toolbox 0"));
	CHECK(!strcmp(poll_text(&chan), text));
	vm_free(vm);
}
