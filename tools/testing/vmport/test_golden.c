// SPDX-License-Identifier: GPL-2.0-only
/*
 * Golden blobs: written by a released version once, and never again.  Each must
 * load for ever, mean what it meant, and, while the format stays, be packed to
 * the same bytes.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/kernel.h>
#include <linux/slab.h>

#include "ask.h"
#include "blob.h"
#include "hb.h"

#define WRITE_GOLDEN	"VMPORT_WRITE_GOLDEN"

static u8 *read_golden(const char *name, size_t *size)
{
	char path[64];
	FILE *file;
	u8 *blob;

	snprintf(path, sizeof(path), "golden/%s.bin", name);
	file = fopen(path, "rb");
	if (!file)
		FAIL("%s: %m", path);
	blob = malloc(1 << 20);
	CHECK(blob);
	*size = fread(blob, 1, 1 << 20, file);
	fclose(file);
	return realloc(blob, *size);
}

/* "make golden": what is there already is never replaced. */
static void write_golden(struct vm *vm, const char *name)
{
	char path[64];
	size_t size;
	u8 *blob;
	int fd;

	if (!getenv(WRITE_GOLDEN))
		return;
	blob = vm_pack(vm, &size);
	snprintf(path, sizeof(path), "golden/%s.bin", name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
	if (fd < 0) {
		tap_note("%s: %m", path);
	} else {
		CHECK_EQ(write(fd, blob, size), size);
		close(fd);
	}
	free(blob);
}

/* Cookies that do not change from one run to the next. */
static struct vm *seeded_vm(void)
{
	shim_random_seed(1);
	return vm_new(SLEEPING);
}

static void load_golden(struct vm *vm, const char *name)
{
	size_t size;
	u8 *blob = read_golden(name, &size);

	check_accepted(vm, blob, size);
	free(blob);
}

/* The same of one with more in its optional sections than is packed today. */
static void load_old_golden(struct vm *vm, const char *name)
{
	size_t size, again_size;
	u8 *blob = read_golden(name, &size), *again;

	CHECK_EQ(blob_load(vm, blob, size, NULL), 0);
	again = vm_pack(vm, &again_size);
	check_accepted(vm, again, again_size);
	free(again);
	free(blob);
}

TEST("golden blobs: v1-empty loads and is packed the same")
{
	struct vm *vm = seeded_vm();

	write_golden(vm, "v1-empty");
	load_golden(vm, "v1-empty");
	CHECK_EQ(vm->state->guestinfo.count, 0);
	CHECK_EQ(host_request(vm, "ping"), 1);
	vm_free(vm);
}

TEST("golden blobs: v1-guestinfo loads with all keys, values and flags")
{
	struct vm *vm = seeded_vm();
	char key[32], value[64];
	u32 size;
	int i;

	if (getenv(WRITE_GOLDEN)) {
		struct vm *writer = seeded_vm();

		for (i = 0; i < 40; i++) {
			snprintf(key, sizeof(key), "guestinfo.key%d", i * 7);
			snprintf(value, sizeof(value), "%0*d", i, i);
			CHECK_EQ(host_set(writer, key, value, i, i % 2, NULL), 0);
		}
		write_golden(writer, "v1-guestinfo");
		vm_free(writer);
	}

	load_golden(vm, "v1-guestinfo");
	CHECK_EQ(vm->state->guestinfo.count, 40);
	for (i = 0; i < 40; i++) {
		const char *text;

		snprintf(key, sizeof(key), "guestinfo.key%d", i * 7);
		snprintf(value, sizeof(value), "%0*d", i, i);
		text = host_get(vm, key, &size);
		CHECK(text);
		CHECK_EQ(size, i);
		CHECK(!memcmp(text, value, i));
		snprintf(value, sizeof(value), "info-set %s x", key);
		CHECK(!strcmp(rpc(vm, value), i % 2 ? "0 Permission denied" : "1 "));
	}
	vm_free(vm);
}

TEST("golden blobs: v1-rich loads, and each half-done thing in it can be finished")
{
	struct vm *vm = seeded_vm();
	struct chan sending, replying, giving, running, reset;
	char text[64] = "";
	u32 status, size;

	if (getenv(WRITE_GOLDEN)) {
		struct vm *writer = seeded_vm();

		rich_state(writer);
		write_golden(writer, "v1-rich");
		vm_free(writer);
	}
	load_golden(vm, "v1-rich");

	/* The cookies are in the blob and known from nowhere else. */
	sending = (struct chan) {
		.vm = vm,
		.cookie_high = vm->state->channels[0]->cookie_high,
		.cookie_low = vm->state->channels[0]->cookie_low,
	};
	CHECK(sending.cookie_high || sending.cookie_low);
	replying = (struct chan){ .vm = vm, .id = 1 };
	giving = (struct chan) {
		.vm = vm, .id = 2,
		.cookie_high = vm->state->channels[2]->cookie_high,
		.cookie_low = vm->state->channels[2]->cookie_low,
	};
	running = (struct chan) {
		.vm = vm, .id = 3,
		.cookie_high = vm->state->channels[3]->cookie_high,
		.cookie_low = vm->state->channels[3]->cookie_low,
	};
	reset = (struct chan){ .vm = vm, .id = 6 };

	CHECK_EQ(request(&sending, SENDPAYLOAD, ' ' | 'v' << 8 | 'a' << 16 | 'l' << 24), SUCCESS);
	CHECK_EQ(request(&sending, SENDPAYLOAD, 'u' | 'e' << 8), SUCCESS);
	CHECK_EQ(receive(&sending, text, sizeof(text)), 2);
	CHECK(!strcmp(host_get(vm, "guestinfo.b", NULL), "value"));

	CHECK_EQ(request(&replying, RECVPAYLOAD, 1), SUCCESS);
	CHECK_EQ(replying.regs.bx, ':' | ' ' << 8 | '1' << 16);

	CHECK_EQ(host_result(vm, &status, text, &size), 1);
	CHECK_EQ(status, KVM_VMPORT_TCLO_LOST);
	CHECK_EQ(host_result(vm, &status, text, &size), 2);
	CHECK(!strcmp(text, "OK 2"));
	CHECK_EQ(host_result(vm, NULL, NULL, NULL), 0);

	CHECK_EQ(request(&running, SENDPAYLOAD, 'h' | 'r' << 8 | 'e' << 16 | 'e' << 24), SUCCESS);
	CHECK_EQ(host_result(vm, &status, text, &size), 3);
	CHECK(!strcmp(text, "OK three"));
	CHECK_EQ(receive(&giving, text, sizeof(text)), 11);
	CHECK(!memcmp(text, "number four", 11));
	send_message(&giving, "OK 4", 4);
	CHECK_EQ(host_result(vm, &status, text, &size), 4);
	CHECK_EQ(receive(&giving, text, sizeof(text)), 4);
	CHECK(!memcmp(text, "five", 4));
	CHECK_EQ(receive(&reset, text, sizeof(text)), 5);
	CHECK(!memcmp(text, "reset", 5));
	CHECK_EQ(host_request(vm, "seven"), 7);

	CHECK(!strcmp(host_get(vm, "guestinfo.empty", &size), ""));
	CHECK(!memcmp(host_get(vm, "guestinfo.ro", &size), "a\0\xff", 3));
	CHECK_EQ(size, 3);
	CHECK(!strcmp(rpc(vm, "info-set guestinfo.ro x"), "0 Permission denied"));
	CHECK(!strcmp(rpc(vm, "machine.id.get"), "1 7"));
	vm_free(vm);
}

TEST("golden blobs: v1-order loads: who was used when")
{
	struct vm *vm = seeded_vm();
	struct chan chan;
	int i;

	if (getenv(WRITE_GOLDEN)) {
		struct vm *writer = seeded_vm();
		struct chan chans[4];

		for (i = 0; i < 4; i++)
			chans[i] = open_chan(writer, RPCI);
		for (i = 3; i >= 0; i--) {
			send_message(&chans[i], "log x", 5);
			if (i == 3)
				send_message(&chans[i], "log x", 5);
		}
		write_golden(writer, "v1-order");
		vm_free(writer);
	}

	load_old_golden(vm, "v1-order");
	vm->config.limits.channels = 4;
	shim_add_jiffies(2 * HZ);
	for (i = 3; i >= 0; i--) {
		chan = open_chan(vm, RPCI);
		CHECK_EQ(chan.id, i);
	}
	vm_free(vm);
}

TEST("golden blobs: v1-ask loads, and the message in it can be answered")
{
	struct vm *vm = seeded_vm();
	struct vmport_asked asked;
	struct chan chan = { .vm = vm };
	char text[16];

	vm->config.features |= KVM_VMPORT_FEATURE_EXIT_RPC;
	if (getenv(WRITE_GOLDEN)) {
		struct vm *writer = seeded_vm();

		writer->config.features |= KVM_VMPORT_FEATURE_EXIT_RPC;
		chan = open_chan(writer, RPCI);
		send_message(&chan, "log x", 5);
		send_message(&chan, "first", 5);
		send_message(&chan, "what is it", 10);
		write_golden(writer, "v1-ask");
		vm_free(writer);
		chan = (struct chan){ .vm = vm };
	}

	load_old_golden(vm, "v1-ask");
	CHECK_EQ(vmport_ask_read(vm->state, 0, true, 100, &asked), 0);
	/* Loaded twice, and with a number of its own each time. */
	CHECK_EQ(asked.id, 3);
	CHECK_EQ(asked.size, 10);
	CHECK(!memcmp(asked.data, "what is it", 10));
	kvfree(asked.data);
	CHECK_EQ(vmport_ask_answer(vm->state, 3, (const u8 *)"1 that", 6), 0);
	CHECK_EQ(receive(&chan, text, sizeof(text)), 6);
	CHECK(!memcmp(text, "1 that", 6));
	vm_free(vm);
}

TEST("golden blobs: v1-privileged loads: whose entries are whose, and a reply half read")
{
	struct vm *vm = seeded_vm();
	struct chan chan = { .vm = vm };
	char text[16];

	if (getenv(WRITE_GOLDEN)) {
		struct vm *writer = seeded_vm();

		CHECK_EQ(host_set(writer, "guestinfo.both", "both", 4,
				  KVM_VMPORT_GUESTINFO_READONLY | KVM_VMPORT_GUESTINFO_WIPEABLE |
				  KVM_VMPORT_GUESTINFO_PRIVILEGED, NULL), 0);
		CHECK_EQ(host_set(writer, "guestinfo.secret", "secret", 6,
				  KVM_VMPORT_GUESTINFO_PRIVILEGED, NULL), 0);
		CHECK_EQ(host_set(writer, "guestinfo.wipe", "wipe", 4,
				  KVM_VMPORT_GUESTINFO_READONLY | KVM_VMPORT_GUESTINFO_WIPEABLE,
				  NULL), 0);
		writer->is_privileged = true;
		chan = open_chan(writer, RPCI);
		send_message(&chan, "info-get guestinfo.secret", 25);
		CHECK_EQ(request(&chan, RECVPAYLOAD, 1), SUCCESS);
		write_golden(writer, "v1-privileged");
		vm_free(writer);
		chan = (struct chan){ .vm = vm };
	}

	load_golden(vm, "v1-privileged");
	CHECK_EQ(request(&chan, RECVPAYLOAD, 1), FAILED);
	vm->is_privileged = true;
	CHECK_EQ(request(&chan, RECVPAYLOAD, 1), SUCCESS);
	CHECK_EQ(chan.regs.bx, 'c' | 'r' << 8 | 'e' << 16 | 't' << 24);
	CHECK_EQ(receive(&chan, text, sizeof(text)), 8);
	CHECK(!memcmp(text, "1 secret", 8));

	vm->is_privileged = false;
	CHECK(!strcmp(rpc(vm, "info-get guestinfo.both"), "0 No value found"));
	CHECK(!strcmp(rpc(vm, "info-set guestinfo.both ---"), "0 Permission denied"));
	CHECK(!strcmp(rpc(vm, "info-get guestinfo.secret"), "0 No value found"));
	CHECK(!strcmp(rpc(vm, "info-get guestinfo.wipe"), "1 wipe"));
	CHECK(!strcmp(rpc(vm, "info-set guestinfo.wipe ---"), "1 "));
	CHECK(!strcmp(host_get(vm, "guestinfo.wipe", NULL), ""));
	vm->is_privileged = true;
	CHECK(!strcmp(rpc(vm, "info-set guestinfo.both ---"), "1 "));
	CHECK(!strcmp(host_get(vm, "guestinfo.both", NULL), ""));
	CHECK(!strcmp(rpc(vm, "info-set guestinfo.secret ---"), "1 "));
	CHECK(!strcmp(host_get(vm, "guestinfo.secret", NULL), "---"));
	vm_free(vm);
}

TEST("golden blobs: v1-names loads: who is who, and whom a request is for")
{
	static const char name[] = "toolbox-dnd";
	struct chan tools, session, nobody;
	struct vm *vm = seeded_vm();
	char text[16];

	if (getenv(WRITE_GOLDEN)) {
		struct vm *writer = seeded_vm();
		struct vmport_request *request;
		u64 id;

		open_tools(writer);
		open_daemon(writer, name);
		open_daemon(writer, "");
		host_request(writer, "ping");
		request = vmport_request_alloc(0, 4);
		CHECK(request);
		memcpy(request->data, "Copy", 4);
		vmport_name_set(&request->name, (const u8 *)name, strlen(name));
		CHECK_EQ(vmport_tclo_queue(&writer->state->tclo, request, &id), 0);
		write_golden(writer, "v1-names");
		vm_free(writer);
	}

	load_golden(vm, "v1-names");
	tools = (struct chan) {
		.vm = vm, .id = 0,
		.cookie_high = vm->state->channels[0]->cookie_high,
		.cookie_low = vm->state->channels[0]->cookie_low,
	};
	session = (struct chan) {
		.vm = vm, .id = 1,
		.cookie_high = vm->state->channels[1]->cookie_high,
		.cookie_low = vm->state->channels[1]->cookie_low,
	};
	nobody = (struct chan) {
		.vm = vm, .id = 2,
		.cookie_high = vm->state->channels[2]->cookie_high,
		.cookie_low = vm->state->channels[2]->cookie_low,
	};
	CHECK_EQ(receive(&nobody, text, sizeof(text)), -1);
	CHECK_EQ(receive(&session, text, sizeof(text)), 4);
	CHECK(!memcmp(text, "Copy", 4));
	CHECK_EQ(receive(&tools, text, sizeof(text)), 4);
	CHECK(!memcmp(text, "ping", 4));
	vm_free(vm);
}

TEST("golden blobs: v1-steal loads: whose clock runs, and where it is")
{
	struct vm *vm = seeded_vm();
	struct vmport_call call = { .config = &vm->config, .vcpu = vm_vcpu(2) };
	u64 address, cycles;

	vm->config.features |= KVM_VMPORT_FEATURE_STEALCLOCK;
	if (getenv(WRITE_GOLDEN)) {
		struct vm *writer = seeded_vm();

		host_set_text(writer, "guestinfo.a", "b");
		CHECK_EQ(vmport_steal_set(&writer->state->steals, 2, 0x3fc00040, 0), 0);
		CHECK_EQ(vmport_steal_set(&writer->state->steals, 16383, 0xfffc0, 0), 0);
		write_golden(writer, "v1-steal");
		vm_free(writer);
	}

	load_golden(vm, "v1-steal");
	call.state = vm->state;
	vm->config.identity.tsc_hz = 1000000000;
	vcpu_waited[2] = 1000;
	CHECK(!vmport_steal_take(&call.state->steals, &call, &address, &cycles));
	vcpu_waited[2] += 5;
	CHECK(vmport_steal_take(&call.state->steals, &call, &address, &cycles));
	CHECK_EQ(address, 0x3fc00040);
	CHECK_EQ(cycles, 5);
	CHECK(!strcmp(host_get(vm, "guestinfo.a", NULL), "b"));
	vm_free(vm);
}

TEST("golden blobs: v1-marks loads: a cancelled request, and who has sent what asks")
{
	struct vm *vm = seeded_vm();
	struct chan chans[3];
	struct vmport_asked asked;
	u32 status;
	char text[16];
	int i;

	vm->config.features |= KVM_VMPORT_FEATURE_EXIT_RPC;
	if (getenv(WRITE_GOLDEN)) {
		struct vm *writer = seeded_vm();

		writer->config.features |= KVM_VMPORT_FEATURE_EXIT_RPC;
		chans[0] = open_tools(writer);
		CHECK_EQ(host_request(writer, "script"), 1);
		CHECK_EQ(receive(&chans[0], text, sizeof(text)), 6);
		CHECK_EQ(vmport_requests_cancel(writer->state, 1, &status), 0);
		chans[1] = open_tools(writer);
		CHECK_EQ(host_request(writer, "another"), 2);
		CHECK_EQ(request(&chans[1], RECVSIZE, 0), DORECV);
		CHECK_EQ(vmport_requests_cancel(writer->state, 2, &status), 0);
		chans[2] = open_chan(writer, RPCI);
		writer->is_privileged = true;
		send_message(&chans[2], "reboot", 6);
		chans[2] = open_chan(writer, RPCI);
		writer->is_privileged = false;
		send_message(&chans[2], "what is it", 10);
		write_golden(writer, "v1-marks");
		vm_free(writer);
	}

	load_golden(vm, "v1-marks");
	for (i = 0; i < 2; i++) {
		chans[i] = (struct chan) {
			.vm = vm, .id = i,
			.cookie_high = vm->state->channels[i]->cookie_high,
			.cookie_low = vm->state->channels[i]->cookie_low,
		};
	}
	CHECK_EQ(receive(&chans[1], text, sizeof(text)), 7);
	CHECK(!memcmp(text, "another", 7));
	for (i = 0; i < 2; i++) {
		send_message(&chans[i], "OK ATR nobody", 13);
		CHECK_EQ(host_result(vm, NULL, NULL, NULL), 0);
		CHECK_EQ(host_request(vm, "ping"), 3 + i);
		CHECK_EQ(receive(&chans[i], text, sizeof(text)), 4);
	}
	CHECK_EQ(vmport_ask_read(vm->state, 0, true, 0, &asked), -E2BIG);
	CHECK_EQ(asked.size, 6);
	CHECK(asked.is_privileged);
	CHECK_EQ(vmport_ask_read(vm->state, asked.id, true, 0, &asked), -E2BIG);
	CHECK_EQ(asked.size, 10);
	CHECK(!asked.is_privileged);
	vm_free(vm);
}
