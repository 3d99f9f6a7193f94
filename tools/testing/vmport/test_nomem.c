// SPDX-License-Identifier: GPL-2.0-only
/*
 * No memory: each allocation of each operation fails once.  The operation says
 * so, the state is as before to the byte, nothing leaks, and the next try works.
 */
#include "blob.h"
#include "generator.h"

/* Try @body with the 1st, 2nd... allocation failing until none fails; returns how many did. */
static unsigned int each_failure(struct vm *vm, bool (*body)(struct vm *vm), bool unchanged)
{
	size_t size, after_size;
	unsigned int nth;
	u8 *blob, *after;
	bool ok;

	blob = vm_pack(vm, &size);
	for (nth = 1;; nth++) {
		tap_context("allocation %u fails", nth);
		shim_fail_alloc(nth);
		ok = body(vm);
		if (!shim_alloc_failed()) {
			shim_fail_alloc(0);
			CHECK(ok);
			break;
		}
		shim_fail_alloc(0);
		CHECK(!ok);
		if (!unchanged)
			continue;
		after = vm_pack(vm, &after_size);
		CHECK_EQ(after_size, size);
		CHECK(!memcmp(blob, after, size));
		free(after);
	}
	free(blob);
	return nth - 1;
}

static struct chan chan;

/* A request that fails leaves all registers but the status, see vm_call(). */
static bool do_open(struct vm *vm)
{
	return try_open(&chan, vm, RPCI | COOKIE) == SUCCESS;
}

static bool do_open_tclo(struct vm *vm)
{
	return try_open(&chan, vm, TCLO) == SUCCESS;
}

TEST("ENOMEM: OPEN fails and no channel is open")
{
	struct vm *vm = vm_new(SLEEPING);

	CHECK_EQ(each_failure(vm, do_open, true), 1);
	CHECK_EQ(chan.id, 0);
	CHECK_EQ(each_failure(vm, do_open_tclo, true), 1);
	CHECK_EQ(chan.id, 1);
	/* A channel that was open before is there already. */
	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
	CHECK_EQ(each_failure(vm, do_open_tclo, true), 0);
	vm_free(vm);
}

static bool do_sendsize(struct vm *vm)
{
	return request(&chan, SENDSIZE, 50) == SUCCESS;
}

static bool do_sendsize_large(struct vm *vm)
{
	return request(&chan, SENDSIZE, 60000) == SUCCESS;
}

static bool do_sendsize_0(struct vm *vm)
{
	return request(&chan, SENDSIZE, 0) == SUCCESS;
}

TEST("ENOMEM: SENDSIZE fails; a message in progress and a waiting reply stay")
{
	struct vm *vm = vm_new(SLEEPING);

	chan = open_chan(vm, RPCI);
	CHECK_EQ(each_failure(vm, do_sendsize, true), 1);
	CHECK(!strcmp(ask(&chan, "log x"), "1 "));

	send_part(&chan, "log 12345678", 12, 8);
	shim_fail_alloc(1);
	CHECK_EQ(request(&chan, SENDSIZE, 60000), FAILED);
	shim_fail_alloc(0);
	CHECK_EQ(request(&chan, SENDPAYLOAD, 0x38373635), SUCCESS);
	shim_fail_alloc(1);
	CHECK_EQ(request(&chan, SENDSIZE, 60000), FAILED);
	shim_fail_alloc(0);
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
	CHECK_EQ(each_failure(vm, do_sendsize_large, true), 1);
	vm_free(vm);
}

TEST("ENOMEM: SENDSIZE 0 fails with nothing changed, on RPCI and with a TCLO result")
{
	struct vm *vm = vm_new(SLEEPING);

	chan = open_chan(vm, RPCI);
	CHECK_EQ(each_failure(vm, do_sendsize_0, true), 1);
	chan = open_tools(vm);
	host_request(vm, "ping");
	CHECK_EQ(each_failure(vm, do_sendsize_0, true), 0);
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
	CHECK_EQ(request(&chan, RECVSTATUS, 1), SUCCESS);
	CHECK_EQ(each_failure(vm, do_sendsize_0, true), 1);
	CHECK_EQ(host_result(vm, NULL, NULL, NULL), 1);
	vm_free(vm);
}

static bool do_last_word(struct vm *vm)
{
	return request(&chan, SENDPAYLOAD, 'd' | 'o' << 8 | 'n' << 16 | 'e' << 24) == SUCCESS;
}

TEST("ENOMEM: the last word of a TCLO result fails and can be sent again")
{
	struct vm *vm = vm_new(SLEEPING);
	char text[32];
	u32 size;

	chan = open_tools(vm);
	host_request(vm, "ping");
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
	CHECK_EQ(request(&chan, RECVSTATUS, 1), SUCCESS);
	send_part(&chan, "OK, done", 8, 4);
	CHECK_EQ(each_failure(vm, do_last_word, true), 1);
	CHECK_EQ(host_result(vm, NULL, text, &size), 1);
	CHECK(!strcmp(text, "OK, done"));
	vm_free(vm);
}

/* The message is complete, its reply says what went wrong. */
static const char *question;

static bool do_ask(struct vm *vm)
{
	struct chan one = chan;
	const char *reply = ask(&one, question);

	if (!strncmp(reply, "1 ", 2))
		return true;
	CHECK(!strcmp(reply, "0 Out of memory"));
	return false;
}

TEST("ENOMEM: info-get of a large value replies 'Out of memory', the value stays")
{
	struct vm *vm = vm_new(SLEEPING);
	char value[201];

	memset(value, 'v', 200);
	value[200] = '\0';
	host_set_text(vm, "guestinfo.k", value);
	host_set_text(vm, "guestinfo.s", "short");
	chan = open_chan(vm, RPCI);
	CHECK(!strcmp(ask(&chan, "log x"), "1 "));
	/* From here on one message more changes nothing. */
	CHECK(!strcmp(ask(&chan, "log x"), "1 "));
	question = "info-get guestinfo.k";
	CHECK_EQ(each_failure(vm, do_ask, true), 1);
	question = "info-get guestinfo.s";
	CHECK_EQ(each_failure(vm, do_ask, true), 0);

	/* The largest reply that needs no memory, and one byte more. */
	CHECK_EQ(host_set(vm, "guestinfo.s", value, VMPORT_REPLY_INLINE - 2, 0, NULL), 0);
	CHECK_EQ(each_failure(vm, do_ask, true), 0);
	CHECK_EQ(host_set(vm, "guestinfo.s", value, VMPORT_REPLY_INLINE - 1, 0, NULL), 0);
	CHECK_EQ(each_failure(vm, do_ask, true), 1);
	vm_free(vm);
}

TEST("ENOMEM: info-set replies 'Out of memory', new or replacing, and the store is as before")
{
	struct vm *vm = vm_new(SLEEPING);

	chan = open_chan(vm, RPCI);
	CHECK(!strcmp(ask(&chan, "log x"), "1 "));
	CHECK(!strcmp(ask(&chan, "log x"), "1 "));
	/* The entry, and for the first one the table. */
	question = "info-set guestinfo.k one";
	CHECK_EQ(each_failure(vm, do_ask, true), 2);
	question = "info-set guestinfo.k two";
	CHECK_EQ(each_failure(vm, do_ask, true), 1);
	CHECK(!strcmp(host_get(vm, "guestinfo.k", NULL), "two"));
	vm_free(vm);
}

static bool do_host_set(struct vm *vm)
{
	u32 error;
	int r = host_set(vm, "guestinfo.k", "value", 5, 0, &error);

	CHECK(!r || r == -ENOMEM);
	CHECK_EQ(error, KVM_VMPORT_ERR_NONE);
	return !r;
}

TEST("ENOMEM: the VMM's set of an entry, and with a limit in the way the limit is told")
{
	u32 error;
	struct vm *vm = vm_new(SLEEPING);

	CHECK_EQ(each_failure(vm, do_host_set, true), 2);
	CHECK_EQ(each_failure(vm, do_host_set, true), 1);
	vm->config.limits.value_bytes = 1;
	shim_fail_alloc(1);
	CHECK_EQ(host_set(vm, "k", "12", 2, 0, &error), -E2BIG);
	shim_fail_alloc(0);
	vm_free(vm);
}

TEST("ENOMEM: RECVSIZE, RECVPAYLOAD, RECVSTATUS and CLOSE need no memory")
{
	struct vm *vm = vm_new(SLEEPING);
	unsigned long allocs;

	chan = open_tools(vm);
	host_request(vm, "ping");
	host_request(vm, "pong");
	allocs = shim_allocs();
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
	CHECK_EQ(request(&chan, RECVPAYLOAD, 1), SUCCESS);
	CHECK_EQ(request(&chan, RECVSTATUS, 0), SUCCESS);
	CHECK_EQ(request(&chan, RECVSIZE, 0), DORECV);
	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
	CHECK_EQ(shim_allocs(), allocs);
	vm_free(vm);
}

static bool do_pack(struct vm *vm)
{
	struct vmport_blob_form form = vm_form(vm);
	struct vmport_packed packed;
	int r = vmport_state_pack(vm->state, &form, &packed);

	CHECK(!r || r == -ENOMEM);
	/* Allowed even on an error: nothing is left there. */
	vmport_packed_free(&packed);
	return !r;
}

TEST("ENOMEM: packing fails for want of room to sort channels or keys, or for the blob")
{
	struct vm *vm = vm_new(SLEEPING);
	char value[2000];

	/* Measured, then packed: the packer, and the buffer in between. */
	CHECK_EQ(each_failure(vm, do_pack, true), 2);
	rich_state(vm);
	CHECK_EQ(each_failure(vm, do_pack, true), 4);
	/* A value that is not copied: the list of those. */
	memset(value, 'v', sizeof(value));
	CHECK_EQ(host_set(vm, "large", value, sizeof(value), 0, NULL), 0);
	CHECK_EQ(each_failure(vm, do_pack, true), 5);
	vm_free(vm);
}

static u8 *loaded;
static size_t loaded_size;

static bool do_unpack(struct vm *vm)
{
	size_t live = shim_live_bytes();
	struct vmport_blob_error why = { .error = -1 };
	struct vmport_state *state;

	state = vm_state_of(vm, loaded, loaded_size, &why);
	CHECK_EQ(why.error, KVM_VMPORT_ERR_NONE);
	if (!IS_ERR(state)) {
		vmport_state_free(state);
		CHECK_EQ(shim_live_bytes(), live);
		return true;
	}
	CHECK_EQ(PTR_ERR(state), -ENOMEM);
	CHECK_EQ(shim_live_bytes(), live);
	return false;
}

TEST("ENOMEM: loading a blob fails at each of its allocations, nothing leaks")
{
	struct vm *source = vm_new(SLEEPING), *vm = vm_new(SLEEPING);
	unsigned int failures;
	char value[80];

	rich_state(source);
	/* A reply that has memory of its own. */
	chan = open_chan(source, RPCI);
	memset(value, 'v', sizeof(value));
	CHECK_EQ(host_set(source, "guestinfo.long", value, sizeof(value), 0, NULL), 0);
	send_message(&chan, "info-get guestinfo.long", 23);
	loaded = vm_pack(source, &loaded_size);
	host_set_text(vm, "k", "v");
	failures = each_failure(vm, do_unpack, true);
	tap_note("%u allocations", failures);
	CHECK(failures > 20);
	free(loaded);
	vm_free(source);
	vm_free(vm);
}

static bool do_alloc_state(struct vm *vm)
{
	struct vmport_state *state = vmport_state_alloc(&vm->events);

	if (state)
		vmport_state_free(state);
	return state;
}

static bool do_request(struct vm *vm)
{
	struct vmport_request *req = vmport_request_alloc(1, 4);

	if (req)
		vmport_request_free(req);
	return req;
}

TEST("ENOMEM: a state and a request that cannot be made are NULL; freeing no state is fine")
{
	struct vm *vm = vm_new(SLEEPING);

	CHECK_EQ(each_failure(vm, do_alloc_state, true), 1);
	CHECK_EQ(each_failure(vm, do_request, true), 1);
	vmport_state_free(NULL);
	vm_free(vm);
}

TEST("ENOMEM: random conversations with random failures leak nothing and always pack and load")
{
	static struct outcome outcome;
	struct rng rng = { .state = 99 };
	unsigned long failures = 0;
	u64 seed, step;

	for (seed = 2001; seed <= 2020; seed++) {
		struct generator *gen = generator_new(seed);
		struct vm *vm = vm_new(SLEEPING);

		for (step = 0; step < 2000; step++) {
			const struct op *op = generator_next(gen);

			tap_context("seed %llu, step %llu", seed, step);
			/* The VMM's side of this file has its own tests. */
			if (op->kind == OP_CALL && !rng_below(&rng, 3))
				shim_fail_alloc(1 + rng_below(&rng, 2));
			vm_apply(vm, op, step, &outcome);
			failures += shim_alloc_failed();
			shim_fail_alloc(0);
			generator_learn(gen, &outcome);
			if (step % 50 == 0)
				vm_migrate(vm);
		}
		vm_free(vm);
		generator_free(gen);
		CHECK_EQ(shim_live_bytes(), 0);
	}
	tap_note("%lu failures", failures);
	CHECK(failures > 100);
}
