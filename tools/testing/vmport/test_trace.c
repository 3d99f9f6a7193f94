// SPDX-License-Identifier: GPL-2.0-only
/* What the trace tells of messages, guestinfo, requests and RPCs, as a reader sees it. */
#include <linux/slab.h>
#include <linux/tracepoint.h>

#include "ask.h"
#include "blob.h"
#include "commands.h"
#include "hb.h"
#include "text.h"
#include "vmport_trace.h"

static char lines[64][512];
static unsigned int nr_lines;

static void keep(const char *event, const char *text)
{
	CHECK(nr_lines < ARRAY_SIZE(lines));
	snprintf(lines[nr_lines++], sizeof(lines[0]), "%s: %s", event, text);
}

static void listen(void)
{
	nr_lines = 0;
	shim_trace_hook = keep;
}

/* The next line since listen(), or since the last time, of this event, and no other. */
static const char *line_of(const char *event)
{
	static char found[512];
	size_t size = strlen(event);
	unsigned int i;

	for (i = 0; i < nr_lines; i++) {
		if (strncmp(lines[i], event, size) || strncmp(lines[i] + size, ": ", 2))
			continue;
		strcpy(found, lines[i] + size + 2);
		lines[i][0] = '\0';
		return found;
	}
	return "no such event";
}

#define CHECK_LINE(_event, _text) do {					\
	const char *__line = line_of("kvm_vmport_" _event);		\
									\
	if (strcmp(__line, _text))					\
		FAIL("%s: \"%s\", expected \"%s\"", _event, __line, _text);	\
} while (0)

#define CHECK_NO_LINE(_event)	CHECK_LINE(_event, "no such event")

static struct vm *listened_vm(void)
{
	struct vm *vm = vm_new(SLEEPING);

	listen();
	return vm;
}

TEST("trace: an RPCI message by name, key, sizes, and who answered; values in their own event")
{
	struct vm *vm = listened_vm();

	rpc(vm, "info-set guestinfo.a secret");
	CHECK_LINE("guestinfo", "guest unprivileged set 'guestinfo.a' 6 bytes flags 0x0 "
		   "change 1 error 0");
	CHECK_LINE("message", "vcpu 0 channel 0 RPCI 'info-set' key 'guestinfo.a' 27 bytes "
		   "unprivileged: kernel, success '' 2 bytes");
	CHECK_LINE("data", "message 27 bytes 'info-set guestinfo.a secret'");
	CHECK_LINE("data", "reply 2 bytes '1 '");
	vm->is_privileged = true;
	rpc(vm, "info-get guestinfo.a");
	CHECK_LINE("message", "vcpu 0 channel 0 RPCI 'info-get' key 'guestinfo.a' 20 bytes: "
		   "kernel, success '' 8 bytes");
	CHECK_LINE("data", "message 20 bytes 'info-get guestinfo.a'");
	CHECK_LINE("data", "reply 8 bytes '1 secret'");
	rpc(vm, "info-get guestinfo.b");
	CHECK_LINE("message", "vcpu 0 channel 0 RPCI 'info-get' key 'guestinfo.b' 20 bytes: "
		   "kernel, failure 'No value found' 16 bytes");
	rpc(vm, "info-set other 1");
	CHECK_LINE("message", "vcpu 0 channel 0 RPCI 'info-set' key 'other' 16 bytes: "
		   "kernel, failure 'Permission denied' 19 bytes");
	/* What comes behind other names may be anything. */
	rpc(vm, "log my password");
	CHECK_LINE("message", "vcpu 0 channel 0 RPCI 'log' key '' 15 bytes: report, success "
		   "'' 2 bytes");
	rpc(vm, "vmx.what my password");
	CHECK_LINE("message", "vcpu 0 channel 0 RPCI 'vmx.what' key '' 20 bytes: unknown, "
		   "failure 'Unknown command' 17 bytes");
	CHECK_NO_LINE("message");
	vm_free(vm);
}

TEST("trace: no value in any event but the one for values")
{
	struct vm *vm = listened_vm();
	unsigned int i;

	host_set_text(vm, "guestinfo.a", "hush");
	rpc(vm, "info-get guestinfo.a");
	rpc(vm, "info-set guestinfo.b hush");
	rpc(vm, "log hush");
	rpc(vm, "vmx.what hush");
	for (i = 0; i < nr_lines; i++)
		CHECK(!strstr(lines[i], "hush") || !strncmp(lines[i], "kvm_vmport_data", 15));
	vm_free(vm);
}

TEST("trace: a message that went as a block is as visible as one by words")
{
	static const char text[] = "info-get guestinfo.block";
	struct vm *vm = listened_vm();
	struct vmport_hb_buffer buffer;
	struct vmport_call call = { .config = &vm->config, .vcpu = vm_vcpu(2) };
	struct chan chan;

	vm->config.features |= KVM_VMPORT_FEATURE_HB;
	open_chan(vm, RPCI);
	chan = open_chan(vm, RPCI);
	call.state = vm->state;
	call.regs.dx = (u32)chan.id << 16;
	CHECK_EQ(request(&chan, SENDSIZE, strlen(text)), SUCCESS | 0x80);
	CHECK(vmport_hb_send_begin(&call, strlen(text), strlen(text), &buffer));
	memcpy(buffer.data, text, strlen(text));
	CHECK(vmport_hb_send_end(&call, strlen(text), strlen(text), &buffer));
	CHECK_LINE("message", "vcpu 2 channel 1 RPCI 'info-get' key 'guestinfo.block' 24 "
		   "bytes unprivileged: kernel, failure 'No value found' 16 bytes");
	vm_free(vm);
}

TEST("trace: guestinfo is set, deleted or refused, by guest or VMM")
{
	struct vm *vm = listened_vm();
	size_t size;
	u8 *blob;

	host_set(vm, "guestinfo.a", "12345", 5, KVM_VMPORT_GUESTINFO_READONLY, NULL);
	CHECK_LINE("guestinfo", "VMM set 'guestinfo.a' 5 bytes flags 0x1 change 1 error 0");
	rpc(vm, "info-set guestinfo.a 1");
	CHECK_LINE("guestinfo", "guest unprivileged set 'guestinfo.a' 1 bytes flags 0x0 "
		   "change 0 error -1");
	vm->config.limits.value_bytes = 2;
	rpc(vm, "info-set guestinfo.b 123");
	CHECK_LINE("guestinfo", "guest unprivileged set 'guestinfo.b' 3 bytes flags 0x0 "
		   "change 0 error -7");
	CHECK_EQ(host_delete(vm, "guestinfo.a"), 0);
	CHECK_LINE("guestinfo", "VMM delete 'guestinfo.a' 0 bytes flags 0x2 change 0 error 0");
	CHECK_EQ(host_delete(vm, "guestinfo.a"), -ENOENT);
	CHECK_LINE("guestinfo", "VMM delete 'guestinfo.a' 0 bytes flags 0x2 change 0 error -2");

	/* Loading a state is no change of each of its entries. */
	host_set_text(vm, "guestinfo.c", "1");
	blob = vm_pack(vm, &size);
	listen();
	CHECK_EQ(vm_unpack(vm, blob, size, NULL), 0);
	CHECK_NO_LINE("guestinfo");
	free(blob);
	vm_free(vm);
}

TEST("trace: a request to the tools is queued, taken, answered, lost or cancelled")
{
	struct vm *vm = listened_vm();
	struct chan tools = open_chan(vm, TCLO);
	char text[64];
	u32 status;
	u64 id;

	CHECK_EQ(receive(&tools, text, sizeof(text)), 5);
	send_message(&tools, "OK ATR toolbox", 14);
	CHECK_LINE("message", "vcpu 0 channel 0 TCLO 'OK' key 'toolbox' 14 bytes "
		   "unprivileged: name, success '' 0 bytes");
	id = host_request(vm, "Set_Option secret 1");
	CHECK_LINE("tclo", "queued 1 for 'toolbox' 'Set_Option' 19 bytes");
	CHECK_EQ(receive(&tools, text, sizeof(text)), 19);
	CHECK_LINE("tclo", "taken 1 for 'toolbox' 'Set_Option' 19 bytes");
	listen();
	send_message(&tools, "OK fine", 7);
	CHECK_LINE("tclo", "answered 1 for 'toolbox' 'OK' 7 bytes");
	CHECK_LINE("message", "vcpu 0 channel 0 TCLO 'OK' key '' 7 bytes unprivileged: "
		   "result, success '' 0 bytes");

	id = host_request(vm, "ping");
	CHECK_LINE("tclo", "queued 2 for 'toolbox' 'ping' 4 bytes");
	CHECK_EQ(vmport_requests_cancel(vm->state, id, &status), 0);
	CHECK_LINE("tclo", "cancelled 2 for 'toolbox' 'ping' 4 bytes");

	id = host_request(vm, "ping");
	CHECK_EQ(receive(&tools, text, sizeof(text)), 4);
	listen();
	CHECK_EQ(vmport_requests_cancel(vm->state, id, &status), 0);
	CHECK_LINE("tclo", "cancelled 3 for 'toolbox' 'ping' 4 bytes");
	send_message(&tools, "OK", 2);
	CHECK_NO_LINE("tclo");
	CHECK_LINE("message", "vcpu 0 channel 0 TCLO 'OK' key '' 2 bytes unprivileged: "
		   "none, success '' 0 bytes");

	host_request(vm, "ping");
	CHECK_EQ(receive(&tools, text, sizeof(text)), 4);
	listen();
	CHECK_EQ(request(&tools, CLOSE, 0), SUCCESS);
	CHECK_LINE("tclo", "lost 4 for 'toolbox' '' 0 bytes");
	vm_free(vm);
}

TEST("trace: an RPC for the VMM is asked, told, replied to or withdrawn")
{
	struct vm *vm = listened_vm();
	struct chan chan = open_chan(vm, RPCI);
	struct vmport_asked asked;
	bool more;

	vm->config.features |= KVM_VMPORT_FEATURE_EXIT_RPC;
	send_message(&chan, "vmx.what secret", 15);
	CHECK_LINE("rpc", "asked 1 'vmx.what' 15 bytes, reply 17 bytes");
	CHECK_LINE("message", "vcpu 0 channel 0 RPCI 'vmx.what' key '' 15 bytes "
		   "unprivileged: VMM, success '' 0 bytes");
	CHECK(vmport_ask_next(vm->state, vm_vcpu(0), &asked, &more));
	CHECK_LINE("rpc", "exit 1 'vmx.what' 15 bytes, reply 17 bytes");
	CHECK_EQ(vmport_ask_answer(vm->state, asked.id, (const u8 *)"1 yes", 5), 0);
	CHECK_LINE("rpc", "replied 1 'vmx.what' 15 bytes, reply 5 bytes");
	CHECK_LINE("data", "message 15 bytes 'vmx.what secret'");
	CHECK_LINE("data", "VMM reply 5 bytes '1 yes'");

	/* The guest does not wait: it polls, sends another message, or closes. */
	send_message(&chan, "a", 1);
	request(&chan, RECVSIZE, 0);
	listen();
	send_message(&chan, "b", 1);
	CHECK_LINE("rpc", "asked 3 'b' 1 bytes, reply 17 bytes");
	request(&chan, RECVSIZE, 0);
	CHECK_LINE("rpc", "withdrawn 3 'b' 1 bytes, reply 17 bytes");
	request(&chan, RECVSIZE, 0);
	CHECK_NO_LINE("rpc");
	send_message(&chan, "c", 1);
	CHECK_LINE("rpc", "asked 4 'c' 1 bytes, reply 17 bytes");
	CHECK_EQ(request(&chan, SENDSIZE, 4), SUCCESS);
	CHECK_LINE("rpc", "withdrawn 4 'c' 1 bytes, reply 17 bytes");
	/* The next one needs a larger buffer, or more memory than there is. */
	send_message(&chan, "d", 1);
	CHECK_LINE("rpc", "asked 5 'd' 1 bytes, reply 17 bytes");
	shim_fail_alloc(1);
	CHECK_EQ(request(&chan, SENDSIZE, KVM_VMPORT_MAX_MESSAGE), FAILED);
	CHECK(shim_alloc_failed());
	CHECK_NO_LINE("rpc");
	CHECK_EQ(request(&chan, SENDSIZE, KVM_VMPORT_MAX_MESSAGE), SUCCESS);
	CHECK_LINE("rpc", "withdrawn 5 'd' 1 bytes, reply 17 bytes");
	CHECK_NO_LINE("rpc");
	send_message(&chan, "e", 1);
	CHECK_LINE("rpc", "asked 6 'e' 1 bytes, reply 17 bytes");
	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
	CHECK_LINE("rpc", "withdrawn 6 'e' 1 bytes, reply 17 bytes");
	vm_free(vm);
}

TEST("trace: whatever bytes a guest sends, a line is one line of printable text")
{
	struct vm *vm = listened_vm();
	struct chan chan = open_chan(vm, RPCI);
	u8 message[300];
	unsigned int i, n;
	struct rng rng = { 1 };
	const char *c;

	for (n = 0; n < 200; n++) {
		u32 size = rng_below(&rng, sizeof(message) + 1);

		for (i = 0; i < size; i++)
			message[i] = rng_next(&rng);
		if (n % 2 && size > 19)
			memcpy(message, "info-set guestinfo.", 19);
		listen();
		send_message(&chan, message, size);
		CHECK(nr_lines >= 3);
		for (i = 0; i < nr_lines; i++) {
			for (c = lines[i]; *c; c++)
				CHECK(*c >= ' ' && *c <= '~');
		}
	}
	listen();
	send_message(&chan, "a\": kernel, success \"\\", 21);
	CHECK_LINE("message", "vcpu 0 channel 0 RPCI 'a.:' key '' 21 bytes unprivileged: "
		   "unknown, failure 'Unknown command' 17 bytes");
	vm_free(vm);
}

TEST("trace: text is bounded, and a word ends with a space, a NUL or the bytes")
{
	static const u8 text[] = "one two  four\0five";
	char to[8];

	vmport_text_copy(to, sizeof(to), (const u8 *)"0123456789", 10);
	CHECK(!strcmp(to, "0123456"));
	vmport_text_copy(to, 1, text, 3);
	CHECK(!strcmp(to, ""));
	vmport_text_copy(to, sizeof(to), NULL, 0);
	CHECK(!strcmp(to, ""));
	vmport_text_copy(to, sizeof(to), (const u8 *)"\x1f ~\x7f'\"\\", 7);
	CHECK(!strcmp(to, ". ~...."));
	vmport_text_word(to, sizeof(to), text, sizeof(text), 0);
	CHECK(!strcmp(to, "one"));
	vmport_text_word(to, sizeof(to), text, sizeof(text), 1);
	CHECK(!strcmp(to, "two"));
	vmport_text_word(to, sizeof(to), text, sizeof(text), 2);
	CHECK(!strcmp(to, ""));
	vmport_text_word(to, sizeof(to), text, sizeof(text), 3);
	CHECK(!strcmp(to, "four"));
	vmport_text_word(to, sizeof(to), text, sizeof(text), 4);
	CHECK(!strcmp(to, ""));
	vmport_text_word(to, sizeof(to), text, 6, 1);
	CHECK(!strcmp(to, "tw"));
}

TEST("trace: nothing of what was in an event's place before is behind its text")
{
	static const char none[32];
	char to[32];

	memset(to, 'x', sizeof(to));
	vmport_text_copy(to, sizeof(to), (const u8 *)"abc", 3);
	CHECK(!memcmp(to + 3, none, sizeof(to) - 3));
	memset(to, 'x', sizeof(to));
	vmport_text_word(to, sizeof(to), (const u8 *)"abc def", 7, 1);
	CHECK(!memcmp(to + 3, none, sizeof(to) - 3));
}

TEST("trace: calls and results have each command and request by its name")
{
	static const struct command commands[] = { VMPORT_COMMANDS(COMMAND_ROW) };
	static const char * const requests[] = {
		"OPEN", "SENDSIZE", "SENDPAYLOAD", "RECVSIZE", "RECVPAYLOAD", "RECVSTATUS", "CLOSE",
	};
	struct vmport_regs before = { .dx = 3 << 16, .bx = 4, .si = 5, .di = 6 };
	struct vmport_regs after = { .dx = 7 << 16, .cx = 0x830000, .ax = 1, .bx = 2 };
	char text[160];
	u32 i;

	listen();
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!strcmp(commands[i].name, "MESSAGE"))
			continue;
		/* What is no request is none, whatever stands there. */
		before.cx = 0x10000 | commands[i].nr;
		trace_kvm_vmport_call(1, &before, false);
		snprintf(text, sizeof(text), "vcpu 1 %s channel 3 ebx 0x4 esi 0x5 edi 0x6",
			 commands[i].name);
		CHECK_LINE("call", text);
		trace_kvm_vmport_result(1, true, &before, &after);
		snprintf(text, sizeof(text),
			 "vcpu 1 %s channel 3 answered status - eax 0x1 ebx 0x2",
			 commands[i].name);
		CHECK_LINE("result", text);
	}
	listen();
	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		before.cx = i << 16 | 30;
		trace_kvm_vmport_call(1, &before, true);
		snprintf(text, sizeof(text),
			 "vcpu 1 MESSAGE %s channel 3 ebx 0x4 esi 0x5 edi 0x6 fast", requests[i]);
		CHECK_LINE("call", text);
		trace_kvm_vmport_result(1, true, &before, &after);
		/* OPEN shows the channel that it gave. */
		snprintf(text, sizeof(text),
			 "vcpu 1 MESSAGE %s channel %u answered "
			 "status SUCCESS|DORECV|HB eax 0x1 ebx 0x2",
			 requests[i], i ? 3 : 7);
		CHECK_LINE("result", text);
	}
	before.cx = 41;
	trace_kvm_vmport_result(0, false, &before, &before);
	CHECK_LINE("result", "vcpu 0 ABSPOINTER_COMMAND channel 3 left to the VMM status - "
		   "eax 0x0 ebx 0x4");
	before.cx = 0x99;
	trace_kvm_vmport_call(0, &before, false);
	CHECK_LINE("call", "vcpu 0 0x99 channel 3 ebx 0x4 esi 0x5 edi 0x6");
}
