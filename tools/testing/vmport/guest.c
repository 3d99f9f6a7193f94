// SPDX-License-Identifier: GPL-2.0-only
#include "guest.h"

u64 vcpu_tsc_hz = 2500000000ull;
u32 vcpu_apic_hz = 1000000000;
bool vcpu_x2apic = true;
bool vcpu_ring3;
u64 vcpu_waited[VCPUS];
u64 vcpu_counts[VCPUS][VMPORT_NR_COUNTS];
u64 memory_end = 1ull << 40;

/* The engine must not look inside. */
static char opaque_vcpus[VCPUS];

static void check_vcpu(const void *vcpu)
{
	if (vcpu < (const void *)opaque_vcpus || vcpu >= (const void *)(opaque_vcpus + VCPUS))
		shim_bug("the engine asks about another vCPU");
}

void *vm_vcpu(unsigned int n)
{
	CHECK(n < VCPUS);
	return &opaque_vcpus[n];
}

u64 vmport_vcpu_tsc_hz(void *vcpu)
{
	check_vcpu(vcpu);
	return vcpu_tsc_hz;
}

u32 vmport_vcpu_apic_hz(void *vcpu)
{
	check_vcpu(vcpu);
	return vcpu_apic_hz;
}

bool vmport_vcpu_has_x2apic(void *vcpu)
{
	check_vcpu(vcpu);
	return vcpu_x2apic;
}

u32 vmport_vcpu_id(void *vcpu)
{
	check_vcpu(vcpu);
	return (char *)vcpu - opaque_vcpus;
}

bool vmport_vcpu_is_ring0(void *vcpu)
{
	check_vcpu(vcpu);
	return !vcpu_ring3;
}

u64 vmport_vcpu_waited(void *vcpu)
{
	return vcpu_waited[vmport_vcpu_id(vcpu)];
}

bool vmport_vcpu_has_memory(void *vcpu, u64 address)
{
	check_vcpu(vcpu);
	return address < memory_end;
}

void vmport_count(void *vcpu, enum vmport_count which, u64 n)
{
	vcpu_counts[vmport_vcpu_id(vcpu)][which] += n;
}

void vmport_gauge_add(struct vmport_events *events, enum vmport_gauge which, s64 n)
{
	container_of(events, struct vm, events)->gauges[which] += n;
}

void vmport_signal(struct vmport_events *events)
{
	container_of(events, struct vm, events)->signals++;
}

struct vm *vm_new(enum mode mode)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	CHECK(vm);
	vmport_default_config(&vm->config,
			      KVM_VMPORT_FEATURE_ENABLE | KVM_VMPORT_FEATURE_RPC);
	vm->mode = mode;
	vm->state = vmport_state_alloc(&vm->events);
	CHECK(vm->state);
	return vm;
}

void vm_free(struct vm *vm)
{
	unsigned int i;

	vmport_state_free(vm->state);
	for (i = 0; i < VMPORT_NR_GAUGES; i++)
		CHECK_EQ(vm->gauges[i], 0);
	free(vm);
}

struct collector {
	struct vmport_sink sink;
	u8 *next;
	size_t left;
};

static int collect(struct vmport_sink *sink, const void *data, size_t size)
{
	struct collector *collector = container_of(sink, struct collector, sink);

	CHECK(size <= collector->left);
	memcpy(collector->next, data, size);
	collector->next += size;
	collector->left -= size;
	return 0;
}

struct vmport_blob_form vm_form(const struct vm *vm)
{
	return (struct vmport_blob_form) {
		.max = U64_MAX,
		.features = vm->promises,
		.sections = U64_MAX,
	};
}

int vm_pack_form(struct vm *vm, const struct vmport_blob_form *form, u8 **blob, size_t *size)
{
	struct collector collector = { .sink.write = collect };
	struct vmport_packed packed;
	int r;

	*blob = NULL;
	r = vmport_state_pack(vm->state, form, &packed);
	*size = packed.size;
	if (r)
		return r;

	CHECK(packed.size <= form->max);
	*blob = malloc(packed.size);
	CHECK(*blob);
	collector.next = *blob;
	collector.left = packed.size;
	CHECK_EQ(vmport_packed_write(&packed, &collector.sink), 0);
	CHECK_EQ(collector.left, 0);
	vmport_packed_free(&packed);
	return 0;
}

int vm_pack_up_to(struct vm *vm, u64 max, u8 **blob, size_t *size)
{
	struct vmport_blob_form form = vm_form(vm);

	form.max = max;
	return vm_pack_form(vm, &form, blob, size);
}

u8 *vm_pack(struct vm *vm, size_t *size)
{
	u8 *blob;

	CHECK_EQ(vm_pack_up_to(vm, U64_MAX, &blob, size), 0);
	CHECK(*size >= sizeof(struct kvm_vmport_blob_header));
	return blob;
}

struct memory {
	struct vmport_source source;
	const u8 *next;
	size_t left;
};

static int read_memory(struct vmport_source *source, void *to, size_t size)
{
	struct memory *memory = container_of(source, struct memory, source);

	/* Never a byte past what the VMM said that there is. */
	CHECK(size <= memory->left);
	memcpy(to, memory->next, size);
	memory->next += size;
	memory->left -= size;
	return 0;
}

struct vmport_state *vm_state_of(struct vm *vm, const void *blob, size_t size,
				 struct vmport_blob_error *why)
{
	struct memory memory = {
		.source.read = read_memory,
		.next = blob,
		.left = size,
	};
	struct vmport_state *state;

	state = vmport_state_unpack(&vm->config, &vm->events, &memory.source, size, why);
	/* All of it counts. */
	if (!IS_ERR(state))
		CHECK_EQ(memory.left, 0);
	return state;
}

int vm_unpack(struct vm *vm, const void *blob, size_t size, struct vmport_blob_error *why)
{
	struct vmport_blob_error ignored;
	struct vmport_state *state;

	state = vm_state_of(vm, blob, size, why ?: &ignored);
	if (IS_ERR(state))
		return PTR_ERR(state);

	vmport_state_activate(state);
	vmport_state_free(vm->state);
	vm->state = state;
	return 0;
}

void vm_migrate(struct vm *vm)
{
	s64 asked = atomic64_read(&vm->events.asked);
	size_t size, again;
	u8 *blob, *copy;

	blob = vm_pack(vm, &size);
	/* Another host has given no message a number yet; then it goes on as here. */
	atomic64_set(&vm->events.asked, 0);
	CHECK_EQ(vm_unpack(vm, blob, size, NULL), 0);
	atomic64_set(&vm->events.asked, max_t(s64, asked, atomic64_read(&vm->events.asked)));
	copy = vm_pack(vm, &again);
	CHECK_EQ(again, size);
	CHECK(!memcmp(blob, copy, size));
	free(copy);
	free(blob);
}

static bool same_regs(const struct vmport_regs *a, const struct vmport_regs *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* The atomic try: an answer, or nothing changed at all. */
static enum vmport_result fast_call(struct vm *vm, struct vmport_call *call)
{
	struct vmport_regs before = call->regs;
	size_t size, size_after;
	enum vmport_result result;
	u8 *blob, *after;

	blob = vm_pack(vm, &size);
	call->atomic = true;
	shim_atomic_begin();
	result = vmport_command(call);
	shim_atomic_end();
	call->atomic = false;

	if (result == VMPORT_NEEDS_SLEEP) {
		CHECK(same_regs(&before, &call->regs));
		after = vm_pack(vm, &size_after);
		CHECK_EQ(size_after, size);
		CHECK(!memcmp(blob, after, size));
		free(after);
		vm->slow++;
	} else {
		vm->fast++;
	}
	free(blob);
	return result;
}

/* A failed MESSAGE changes no register but ECX, which is the status alone. */
static void check_answer(const struct vmport_regs *in, const struct vmport_regs *out)
{
	struct vmport_regs failed = *in;

	if ((u16)in->cx != VMPORT_CMD_MESSAGE)
		return;

	CHECK_EQ(out->ax, VMPORT_MAGIC);
	CHECK_EQ((u16)out->cx, 0);
	CHECK(out->dx == in->dx || !(u16)out->dx);
	failed.cx = 0;
	if (!out->cx)
		CHECK(same_regs(out, &failed));
	else
		CHECK((out->cx >> 16 & ~VMPORT_STATUS_HB) == SUCCESS ||
		      (out->cx >> 16 & ~VMPORT_STATUS_HB) == DORECV);
}

enum vmport_result vm_call(struct vm *vm, struct vmport_regs *regs)
{
	struct vmport_call call = {
		.config = &vm->config,
		.state = vm->state,
		.vcpu = vm_vcpu(vm->vcpu),
		.regs = *regs,
		.no_hb = vm->no_hb,
		.is_privileged = vm->is_privileged,
	};
	enum vmport_result result = VMPORT_NEEDS_SLEEP;
	bool ours = vmport_command_is_ours(&call);

	if (vm->mode == FAST)
		result = fast_call(vm, &call);
	if (result == VMPORT_NEEDS_SLEEP)
		result = vmport_command(&call);
	CHECK(result != VMPORT_NEEDS_SLEEP);
	shim_check_idle();

	/* Whoever asks first is told what then comes. */
	CHECK_EQ(ours, result != VMPORT_NOT_OURS);
	if (result == VMPORT_NOT_OURS)
		CHECK(same_regs(&call.regs, regs));
	else
		check_answer(regs, &call.regs);
	*regs = call.regs;

	if (vm->mode == MIGRATED)
		vm_migrate(vm);
	return result;
}

/* The high half of DX is the channel's, all else has a pattern that must stay. */
u16 request(struct chan *chan, u16 nr, u32 bx)
{
	chan->regs = (struct vmport_regs) {
		.ax = VMPORT_MAGIC,
		.bx = bx,
		.cx = (u32)nr << 16 | VMPORT_CMD_MESSAGE,
		.dx = (u32)chan->id << 16 | VMPORT_PORT,
		.si = chan->cookie_high,
		.di = chan->cookie_low,
	};
	CHECK_EQ(vm_call(chan->vm, &chan->regs), VMPORT_DONE);
	return chan->regs.cx >> 16;
}

u16 try_open(struct chan *chan, struct vm *vm, u32 protocol)
{
	u16 status;

	*chan = (struct chan) {
		.vm = vm,
		.id = 0xdead,
		.cookie_high = 0x11111111,
		.cookie_low = 0x22222222,
	};
	status = request(chan, OPEN, protocol);
	if (status & SUCCESS) {
		CHECK_EQ(chan->regs.bx, protocol);
		chan->id = chan->regs.dx >> 16;
		/* Whom no cookie is given keeps what it had there. */
		if (!(protocol & COOKIE)) {
			CHECK_EQ(chan->regs.si, 0x11111111);
			CHECK_EQ(chan->regs.di, 0x22222222);
			chan->regs.si = 0;
			chan->regs.di = 0;
		}
		chan->cookie_high = chan->regs.si;
		chan->cookie_low = chan->regs.di;
	}
	return status;
}

struct chan open_chan(struct vm *vm, u32 protocol)
{
	struct chan chan;

	CHECK_EQ(try_open(&chan, vm, protocol), SUCCESS);
	return chan;
}

struct chan open_daemon(struct vm *vm, const char *name)
{
	struct chan chan = open_chan(vm, TCLO | COOKIE);
	char text[64];

	send_message(&chan, "", 0);
	CHECK_EQ(receive(&chan, text, 5), 5);
	CHECK(!memcmp(text, "reset", 5));
	snprintf(text, sizeof(text), "OK ATR %s", name);
	send_message(&chan, text, strlen(text));
	return chan;
}

struct chan open_tools(struct vm *vm)
{
	return open_daemon(vm, "toolbox");
}

void send_part(struct chan *chan, const void *data, u32 size, u32 part)
{
	u32 pos;

	CHECK_EQ(request(chan, SENDSIZE, size) & ~VMPORT_STATUS_HB, SUCCESS);
	for (pos = 0; pos < part; pos += 4) {
		__le32 word = cpu_to_le32(0xeeeeeeee);

		/* What stands past the end of the last word must not count. */
		memcpy(&word, data + pos, min_t(u32, size - pos, 4));
		CHECK_EQ(request(chan, SENDPAYLOAD, le32_to_cpu(word)), SUCCESS);
	}
}

void send_message(struct chan *chan, const void *data, u32 size)
{
	send_part(chan, data, size, size);
}

int receive(struct chan *chan, void *data, size_t room)
{
	u32 size, pos;

	if ((request(chan, RECVSIZE, 0x77777777) & ~VMPORT_STATUS_HB) != DORECV) {
		CHECK_EQ(chan->regs.cx >> 16, SUCCESS);
		CHECK_EQ(chan->regs.bx, 0x77777777);
		CHECK_EQ(chan->regs.dx >> 16, chan->id);
		return -1;
	}
	CHECK_EQ(chan->regs.dx >> 16, 1);
	size = chan->regs.bx;
	CHECK(size <= room);

	for (pos = 0; pos < size; pos += 4) {
		__le32 word;

		CHECK_EQ(request(chan, RECVPAYLOAD, 1), SUCCESS);
		CHECK_EQ(chan->regs.dx >> 16, 2);
		word = cpu_to_le32(chan->regs.bx);
		memcpy(data + pos, &word, min_t(u32, size - pos, 4));
	}
	CHECK_EQ(request(chan, RECVSTATUS, 1), SUCCESS);
	return size;
}

const char *ask_bytes(struct chan *chan, const void *data, u32 size, int *reply_size)
{
	static char reply[KVM_VMPORT_MAX_REPLY + 1];
	int n;

	send_message(chan, data, size);
	n = receive(chan, reply, sizeof(reply) - 1);
	/* Clients poll once. */
	CHECK(n >= 0);
	reply[n] = '\0';
	if (reply_size)
		*reply_size = n;
	return reply;
}

const char *ask(struct chan *chan, const char *text)
{
	int size;
	const char *reply = ask_bytes(chan, text, strlen(text), &size);

	/* No NUL in it, at its end least of all. */
	CHECK_EQ(strlen(reply), size);
	return reply;
}

const char *rpc(struct vm *vm, const char *text)
{
	struct chan chan = open_chan(vm, RPCI | COOKIE);
	const char *reply = ask(&chan, text);

	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
	return reply;
}

int host_set(struct vm *vm, const char *key, const void *value, u32 size, u32 flags,
	     u32 *error)
{
	struct vmport_guestinfo_change change = {
		.key = (const u8 *)key,
		.key_size = strlen(key),
		.value = value,
		.value_size = size,
		.flags = flags,
	};
	int r = vmport_guestinfo_set(&vm->state->guestinfo, &vm->config.limits, &change);

	if (error)
		*error = change.error;
	return r;
}

void host_set_text(struct vm *vm, const char *key, const char *value)
{
	CHECK_EQ(host_set(vm, key, value, strlen(value), 0, NULL), 0);
}

int host_delete(struct vm *vm, const char *key)
{
	return vmport_guestinfo_delete(&vm->state->guestinfo, (const u8 *)key, strlen(key));
}

const char *host_get(struct vm *vm, const char *key, u32 *size)
{
	static char value[KVM_VMPORT_MAX_VALUE + 1];
	struct vmport_entry *entry;

	entry = vmport_guestinfo_get(&vm->state->guestinfo, (const u8 *)key, strlen(key));
	if (!entry)
		return NULL;

	CHECK(entry->value_size < sizeof(value));
	memcpy(value, vmport_entry_value(entry), entry->value_size);
	value[entry->value_size] = '\0';
	if (size)
		*size = entry->value_size;
	vmport_guestinfo_put(entry);
	return value;
}

u64 host_request_bytes(struct vm *vm, const void *data, u32 size)
{
	struct vmport_request *req = vmport_request_alloc(0, size);
	struct vmport_tclo *tclo = &vm->state->tclo;
	bool is_full;
	u64 id = 0;
	int r;

	CHECK(req);
	is_full = tclo->queued + tclo->unread + tclo->taken >= KVM_VMPORT_MAX_TCLO;
	if (size)
		memcpy(req->data, data, size);
	r = vmport_tclo_queue(tclo, req, &id);
	if (r) {
		CHECK_EQ(r, is_full ? -EBUSY : -EOVERFLOW);
		CHECK(is_full || tclo->next_id > VMPORT_MAX_REQUEST_ID);
		CHECK_EQ(id, 0);
		vmport_request_free(req);
	} else {
		CHECK(id);
	}
	return id;
}

u64 host_request(struct vm *vm, const char *text)
{
	return host_request_bytes(vm, text, strlen(text));
}

u64 host_result(struct vm *vm, u32 *status, char *data, u32 *size)
{
	struct vmport_request *result = vmport_tclo_first_result(&vm->state->tclo);
	u64 id;

	if (!result)
		return 0;

	id = result->id;
	CHECK(id);
	if (status)
		*status = result->status;
	if (data) {
		memcpy(data, result->data, result->size);
		data[result->size] = '\0';
	}
	if (size)
		*size = result->size;
	vmport_tclo_drop_result(&vm->state->tclo);
	return id;
}

void conversation(void (*body)(struct vm *vm))
{
	static const char *const names[] = {
		[SLEEPING] = "sleeping",
		[FAST] = "fast path first",
		[MIGRATED] = "migrated after each call",
	};
	unsigned int mode;
	struct vm *vm;

	for (mode = 0; mode < MODES; mode++) {
		tap_context("%s", names[mode]);
		vm = vm_new(mode);
		body(vm);
		vm_migrate(vm);
		vm_free(vm);
		CHECK_EQ(shim_live_bytes(), 0);
	}
}

/* Marsaglia's xorshift64*. */
u64 rng_next(struct rng *rng)
{
	rng->state ^= rng->state >> 12;
	rng->state ^= rng->state << 25;
	rng->state ^= rng->state >> 27;
	return rng->state * 0x2545f4914f6cdd1dull;
}

u32 rng_below(struct rng *rng, u32 n)
{
	return (rng_next(rng) >> 32) * n >> 32;
}
