// SPDX-License-Identifier: GPL-2.0-only
/* TCLO, the host's requests: PROTOCOL section 6. */
#include "guest.h"

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

/* A TCLO channel with its reset behind it, as tools have it. */
static struct chan open_tools(struct vm *vm)
{
	struct chan chan = open_chan(vm, TCLO | COOKIE);

	send_message(&chan, "", 0);
	CHECK(!strcmp(poll_text(&chan), "reset"));
	send_message(&chan, "OK ATR toolbox", 14);
	return chan;
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
