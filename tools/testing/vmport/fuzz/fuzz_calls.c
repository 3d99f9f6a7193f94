// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes of a guest, on any vCPU, and their VMM: requests on channels, raw
 * registers, whole messages, what the attributes do, RPCs for the VMM, migration.
 */
#include <linux/slab.h>

#include "ask.h"
#include "hb.h"
#include "input.h"

#define PROCESSES	8

struct process {
	u16 id;
	u32 cookie_high;
	u32 cookie_low;
};

static struct process processes[PROCESSES];

static u32 request_regs(struct vm *vm, const struct process *process, u16 nr, u32 bx,
			struct vmport_regs *regs)
{
	*regs = (struct vmport_regs) {
		.ax = VMPORT_MAGIC,
		.bx = bx,
		.cx = (u32)nr << 16 | VMPORT_CMD_MESSAGE,
		.dx = (u32)process->id << 16 | VMPORT_PORT,
		.si = process->cookie_high,
		.di = process->cookie_low,
	};
	/* Without RPC it is the VMM's. */
	return fuzz_call(vm, regs) == VMPORT_DONE ? regs->cx >> 16 : 0;
}

static u32 call(struct vm *vm, const struct process *process, u16 nr, u32 bx)
{
	struct vmport_regs regs;

	return request_regs(vm, process, nr, bx, &regs);
}

static void fuzz_open(struct vm *vm, struct process *process, u32 protocol)
{
	struct vmport_regs regs;

	if (!(request_regs(vm, process, OPEN, protocol, &regs) & SUCCESS))
		return;
	process->id = regs.dx >> 16;
	process->cookie_high = regs.si;
	process->cookie_low = regs.di;
}

static void send(struct vm *vm, const struct process *process, const u8 *data, u32 size)
{
	u32 pos, word;

	if (!(call(vm, process, SENDSIZE, size) & SUCCESS))
		return;
	for (pos = 0; pos < size; pos += 4) {
		word = 0;
		memcpy(&word, data + pos, min_t(u32, size - pos, 4));
		if (!(call(vm, process, SENDPAYLOAD, word) & SUCCESS))
			return;
	}
}

static void receive_all(struct vm *vm, const struct process *process, u32 most, u32 accept)
{
	struct vmport_regs regs;
	u32 size, pos;

	if ((request_regs(vm, process, RECVSIZE, 0, &regs) & DORECV) != DORECV)
		return;
	size = regs.bx;
	CHECK(size <= KVM_VMPORT_MAX_REPLY);
	for (pos = 0; pos < size + 4 && pos < most; pos += 4)
		CHECK(call(vm, process, RECVPAYLOAD, 1) & SUCCESS);
	CHECK(call(vm, process, RECVSTATUS, accept) & SUCCESS);
}

static void hb_regs(struct vm *vm, const struct process *process, struct vmport_call *call)
{
	*call = (struct vmport_call) {
		.config = &vm->config,
		.state = vm->state,
		.vcpu = vm_vcpu(fuzz_vcpu),
		.is_privileged = fuzz_vcpu & 1,
		.regs.dx = (u32)process->id << 16 | VMPORT_HB_PORT,
		.regs.si = process->cookie_high,
		.regs.di = process->cookie_low,
	};
	fuzz_calls++;
}

/* Other vCPUs are at it while one reads its memory. */
static void meanwhile(struct vm *vm, const struct process *process, struct input *in)
{
	u8 n;

	for (n = input_u8(in) % 4; n; n--)
		call(vm, process, input_u8(in) % 8, input_number(in));
}

static void hb_send(struct vm *vm, const struct process *process, struct input *in,
		    bool interrupted)
{
	u64 count = input_number(in);
	struct vmport_hb_buffer buffer;
	struct vmport_call call;
	u32 size;

	hb_regs(vm, process, &call);
	/* Up to the end of a segment perhaps. */
	size = 1 + (count ? input_u32(in) % count : 0);
	if (!vmport_hb_send_begin(&call, count, size, &buffer))
		return;
	CHECK(size <= count && size <= buffer.room);
	memset(buffer.data, input_u8(in), size);
	if (interrupted) {
		meanwhile(vm, process, in);
		if (input_u8(in) & 1)
			hb_send(vm, process, in, false);
		/* Up to a page fault. */
		size = input_u32(in) % (size + 1);
		hb_regs(vm, process, &call);
	}
	vmport_hb_send_end(&call, count, size, &buffer);
	shim_check_idle();
}

static void hb_receive(struct vm *vm, const struct process *process, struct input *in)
{
	u64 count = input_number(in);
	struct vmport_hb_source source;
	struct vmport_call call;
	u32 moved, i, sum = 0;

	hb_regs(vm, process, &call);
	if (!vmport_hb_receive_begin(&call, count, &source))
		return;
	for (i = 0; i < count; i++)
		sum += source.data[i];
	CHECK(sum <= 255 * count);
	/* Meanwhile another vCPU may do anything. */
	if (input_u8(in) & 1)
		call.regs.cx = request_regs(vm, process, input_u8(in) % 7, input_number(in),
					    &(struct vmport_regs){ });
	moved = input_u32(in) % (count + 1);
	vmport_hb_receive_end(&call, count, moved, &source);
	shim_check_idle();
}

static const u8 *pick_key(struct input *in, u32 *size)
{
	static const char *const keys[] = {
		"guestinfo.a", "guestinfo.b", "guestinfo.c", "guestinfo.metadata",
		"guestinfo.userdata", "machine.id", "guestinfo.", "",
	};
	u8 which = input_u8(in);

	if (which >= ARRAY_SIZE(keys) * 2)
		return input_bytes(in, which, size);
	*size = strlen(keys[which / 2]);
	return (const u8 *)keys[which / 2];
}

static void host_many(struct vm *vm, struct input *in)
{
	static u8 zeroes[65537];
	struct vmport_guestinfo_change changes[4] = { };
	size_t size, again;
	u8 *before, *after;
	u32 count = 1 + input_u8(in) % ARRAY_SIZE(changes), failed = 0, i;
	int r;

	for (i = 0; i < count; i++) {
		changes[i].key = pick_key(in, &changes[i].key_size);
		changes[i].flags = input_u8(in) & 15;
		/* The glue lets no others through. */
		if (changes[i].flags != KVM_VMPORT_GUESTINFO_DELETE &&
		    !vmport_guestinfo_flags_ok(changes[i].flags))
			changes[i].flags &= KVM_VMPORT_GUESTINFO_READONLY |
					    KVM_VMPORT_GUESTINFO_PRIVILEGED;
		changes[i].value = zeroes;
		changes[i].value_size = min_t(u32, input_number(in), sizeof(zeroes));
		if (changes[i].flags & KVM_VMPORT_GUESTINFO_DELETE)
			changes[i].value_size = 0;
	}
	before = vm_pack(vm, &size);
	fuzz_calls += 4;
	r = vmport_guestinfo_set_many(&vm->state->guestinfo, &vm->config.limits, changes, count,
				      &failed);
	/* All of it or nothing. */
	if (r) {
		CHECK(failed <= count);
		after = vm_pack(vm, &again);
		CHECK_EQ(again, size);
		CHECK(!memcmp(before, after, size));
		free(after);
	}
	free(before);
}

/* Daemons of the guest. */
static const char *const names[] = { "toolbox", "x" };

static void host_tclo(struct vm *vm, struct input *in)
{
	u32 size;
	const u8 *bytes = input_bytes(in, input_u8(in), &size);
	struct vmport_request *request;
	const char *name;
	u64 id;

	fuzz_calls++;
	if (!size) {
		host_result(vm, NULL, NULL, NULL);
		return;
	}
	name = names[bytes[0] & 1];
	request = vmport_request_alloc(0, size);
	CHECK(request);
	memcpy(request->data, bytes, size);
	vmport_name_set(&request->name, (const u8 *)name, strlen(name));
	if (vmport_tclo_queue(&vm->state->tclo, request, &id))
		vmport_request_free(request);
}

/* A daemon comes up and says who it is, and time may stand still. */
static void fuzz_daemon(struct vm *vm, struct process *process, struct input *in)
{
	u8 how = input_u8(in);
	char answer[16];

	shim_hold_jiffies(how & 2);
	fuzz_open(vm, process, TCLO | COOKIE);
	call(vm, process, RECVSIZE, 0);
	call(vm, process, RECVSTATUS, 1);
	send(vm, process, (u8 *)answer,
	     snprintf(answer, sizeof(answer), "OK ATR %s", names[how & 1]));
}

static void host_ask(struct vm *vm, struct input *in)
{
	struct vmport_asked asked = { };
	u8 what = input_u8(in);
	bool more;
	u32 size;

	fuzz_calls += 2;
	if (what & 1) {
		vmport_ask_next(vm->state, input_u8(in) & 1 ? vm_vcpu(fuzz_vcpu) : NULL,
				&asked, &more);
		return;
	}
	if (vmport_ask_read(vm->state, what & 2 ? 0 : input_number(in), what & 16,
			    what & 4 ? 0 : KVM_VMPORT_MAX_MESSAGE, &asked))
		return;
	kvfree(asked.data);
	if (what & 8) {
		const u8 *reply = input_bytes(in, input_u8(in), &size);

		vmport_ask_answer(vm->state, asked.id, reply, size);
	}
}

/* Another vCPU owns the channel and may sleep: whoever cannot must come again. */
static void call_owned(struct vm *vm, const struct process *process, struct input *in)
{
	struct vmport_channel *channel;
	struct vmport_call call;
	struct vmport_regs regs;

	if (process->id >= KVM_VMPORT_MAX_CHANNELS)
		return;
	channel = vmport_channel_at(vm->state, process->id);
	if (!channel || !(vm->config.features & KVM_VMPORT_FEATURE_RPC))
		return;

	hb_regs(vm, process, &call);
	call.regs.ax = VMPORT_MAGIC;
	call.regs.bx = input_number(in);
	call.regs.cx = (1 + input_u8(in) % 8) << 16 | VMPORT_CMD_MESSAGE;
	call.atomic = true;
	regs = call.regs;
	vmport_channel_own(channel);
	CHECK_EQ(vmport_command(&call), VMPORT_NEEDS_SLEEP);
	CHECK(!memcmp(&regs, &call.regs, sizeof(regs)));
	vmport_channel_disown(channel);
	shim_check_idle();
}

/* The host is short of memory. */
static void call_without_memory(struct vm *vm, const struct process *process, struct input *in)
{
	shim_fail_alloc(1 + input_u8(in) % 4);
	if (input_u8(in) & 1)
		call(vm, process, input_u8(in) % 8, input_number(in));
	else
		hb_send(vm, process, in, false);
	shim_fail_alloc(0);
}

/* Many calls for few bytes: requests in the order that @in's number gives. */
static void burst(struct vm *vm, struct input *in)
{
	struct rng rng = { .state = (u64)input_u32(in) << 16 | 1 };
	u32 left = 16 << input_u8(in) % 10, nr, bx;
	struct process *process;

	while (left--) {
		u32 random = rng_next(&rng) >> 32;

		process = &processes[random % PROCESSES];
		fuzz_vcpu = random >> 4 & (VCPUS - 1);
		nr = random >> 8 & 15;
		bx = random >> 12 & 15 ? random >> 16 & 15 : random;
		if (nr == 15 || nr == 14)
			nr = OPEN;
		else if (nr > CLOSE)
			nr = nr & 1 ? SENDPAYLOAD : RECVSIZE + nr / 2 % 3;
		if (nr == OPEN)
			fuzz_open(vm, process, (random >> 20 & 3 ? RPCI : TCLO) |
				  (random >> 22 & 1 ? COOKIE : 0));
		else
			call(vm, process, nr, nr == RECVPAYLOAD || nr == RECVSTATUS ? 1 : bx);
	}
}

static void host_limits(struct vm *vm, struct input *in)
{
	fuzz_lowered = true;
	vm->config.limits.channels = input_number(in) % (KVM_VMPORT_MAX_CHANNELS + 1);
	vm->config.limits.keys = input_number(in) % (KVM_VMPORT_MAX_KEYS + 1);
	vm->config.limits.value_bytes = input_number(in) % (KVM_VMPORT_MAX_VALUE + 1);
	vm->config.limits.guestinfo_bytes = input_number(in) % (KVM_VMPORT_MAX_GUESTINFO + 1);
}

/* The names, in the order of the bytes or of the changes. */
static void host_list(struct vm *vm, bool by_change)
{
	struct vmport_guestinfo *gi = &vm->state->guestinfo;
	struct vmport_entry **sorted;
	u32 i, bytes = 0;

	mutex_lock(&gi->lock);
	sorted = vmport_guestinfo_sort(gi, by_change);
	CHECK(!IS_ERR(sorted));
	for (i = 0; i < gi->count; i++) {
		const struct vmport_entry *entry = sorted[i], *last = i ? sorted[i - 1] : NULL;

		CHECK(vmport_guestinfo_key_ok(entry->data, entry->key_size));
		CHECK(entry->value_size <= KVM_VMPORT_MAX_VALUE);
		bytes += entry->key_size + entry->value_size;
		/* Those that came in one blob have one number. */
		if (last && by_change)
			CHECK(last->change <= entry->change);
		if (last && (!by_change || last->change == entry->change))
			CHECK(memcmp(last->data, entry->data,
				     min(last->key_size, entry->key_size)) <= 0);
	}
	CHECK_EQ(bytes, gi->bytes);
	kvfree(sorted);
	mutex_unlock(&gi->lock);
}

static void host_entry(struct vm *vm, struct input *in, bool remove)
{
	struct vmport_guestinfo *gi = &vm->state->guestinfo;
	struct vmport_entry *entry;
	const u8 *key;
	u32 size, count = gi->count;

	key = pick_key(in, &size);
	entry = vmport_guestinfo_get(gi, key, size);
	if (remove)
		CHECK_EQ(vmport_guestinfo_delete(gi, key, size), entry ? 0 : -ENOENT);
	CHECK_EQ(gi->count, count - (remove && entry));
	/* Still whole, though it may be gone from the store. */
	if (entry) {
		CHECK_EQ(entry->key_size, size);
		CHECK(!memcmp(entry->data, key, size));
		vmport_guestinfo_put(entry);
	}
}

/* What is not done as often. */
static void do_other(struct vm *vm, struct process *process, struct input *in)
{
	fuzz_calls++;
	switch (input_u8(in) % 10) {
	case 0:
		vmport_channels_reset(vm->state);
		CHECK_EQ(vmport_channels_tclo(vm->state), 0);
		break;
	case 1:
		host_limits(vm, in);
		break;
	case 2:
		host_list(vm, input_u8(in) & 1);
		break;
	case 3:
		host_entry(vm, in, input_u8(in) & 1);
		break;
	case 4:
		call_owned(vm, process, in);
		break;
	case 5:
		call_without_memory(vm, process, in);
		break;
	case 6:
		fuzz_check_limits(vm);
		break;
	case 7:
		hb_send(vm, process, in, true);
		break;
	case 8:
		fuzz_daemon(vm, process, in);
		break;
	default:
		burst(vm, in);
	}
}

static void do_one(struct vm *vm, struct input *in)
{
	static u8 message[KVM_VMPORT_MAX_MESSAGE + 4];
	u8 what = input_u8(in);
	struct process *process = &processes[input_u8(in) % PROCESSES];
	struct vmport_regs regs;
	const u8 *bytes;
	u32 size, used;

	fuzz_vcpu = what >> 4 & (VCPUS - 1);
	/* Not with what takes thousands of calls. */
	fuzz_thorough = what & 128 && what % 16 != 3 && what % 16 != 5 && what % 16 != 14;

	/* Without RPC these are refused before the engine hears of them. */
	if (what % 16 >= 10 && what % 16 <= 12 &&
	    !(vm->config.features & KVM_VMPORT_FEATURE_RPC))
		return;

	switch (what % 16) {
	case 0:
		fuzz_open(vm, process, input_number(in));
		break;
	case 1:
	case 2:
		call(vm, process, input_u8(in), input_number(in));
		break;
	case 3:
		/* Of any size, for a few bytes of input. */
		size = input_number(in) % (sizeof(message) + 1);
		bytes = input_bytes(in, input_u8(in), &used);
		memset(message, 'x', size);
		memcpy(message, bytes, min(used, size));
		send(vm, process, message, size);
		break;
	case 4:
		bytes = input_bytes(in, input_u8(in), &size);
		send(vm, process, bytes, size);
		break;
	case 5:
		receive_all(vm, process, what / 16 > 12 ? -1u : 1 << what / 16, input_u8(in));
		break;
	case 6:
		regs.ax = input_u8(in) & 7 ? VMPORT_MAGIC : input_number(in);
		regs.bx = input_number(in);
		regs.cx = input_u32(in);
		regs.dx = input_u32(in);
		regs.si = input_number(in);
		regs.di = input_number(in);
		fuzz_call(vm, &regs);
		break;
	case 7:
		regs = (struct vmport_regs){ .ax = VMPORT_MAGIC, .cx = input_u8(in) };
		fuzz_call(vm, &regs);
		break;
	case 8:
		hb_send(vm, process, in, false);
		break;
	case 9:
		hb_receive(vm, process, in);
		break;
	case 10:
		host_many(vm, in);
		break;
	case 11:
		host_tclo(vm, in);
		break;
	case 12:
		host_ask(vm, in);
		break;
	case 13:
		/* Another process guesses. */
		processes[input_u8(in) % PROCESSES] = *process;
		process->cookie_low ^= input_u8(in) & 1;
		break;
	case 14:
		do_other(vm, process, in);
		break;
	default:
		fuzz_check_migration(vm);
	}
}

void fuzz_one(struct input *in)
{
	struct vm *vm = vm_new(SLEEPING);
	u8 features = input_u8(in);

	memset(processes, 0, sizeof(processes));
	vm->config.features = KVM_VMPORT_FEATURE_ENABLE;
	if (features & 7)
		vm->config.features |= KVM_VMPORT_FEATURE_RPC;
	if (features & 8)
		vm->config.features |= KVM_VMPORT_FEATURE_HB;
	if (features & 16)
		vm->config.features |= KVM_VMPORT_FEATURE_EXIT_RPC;
	if (features & 32) {
		vm->config.limits.channels = input_u8(in) % 5;
		vm->config.limits.keys = input_u8(in) % 5;
		vm->config.limits.value_bytes = input_u8(in);
		vm->config.limits.guestinfo_bytes = input_u16(in);
	}
	while (input_left(in))
		do_one(vm, in);
	fuzz_check_limits(vm);
	/* What a state without RPC holds is nothing. */
	if (vm->config.features & KVM_VMPORT_FEATURE_RPC)
		fuzz_check_migration(vm);
	vm_free(vm);
}
