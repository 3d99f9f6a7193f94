// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kernel.h>
#include <linux/slab.h>

#include "ask.h"
#include "generator.h"

struct generator *generator_new(u64 seed)
{
	struct generator *gen = calloc(1, sizeof(*gen));
	unsigned int i;

	CHECK(gen);
	gen->rng.state = seed * 0x9e3779b97f4a7c15ull + 1;
	for (i = 0; i < 8; i++)
		rng_next(&gen->rng);
	gen->sane = 90;
	return gen;
}

void generator_free(struct generator *gen)
{
	unsigned int i;

	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS; i++)
		free(gen->chans[i].text);
	free(gen);
}

static u32 below(struct generator *gen, u32 n)
{
	return rng_below(&gen->rng, n);
}

static bool percent(struct generator *gen, u32 n)
{
	return below(gen, 100) < n;
}

void random_limits(struct generator *gen, struct kvm_vmport_limits *limits)
{
	limits->channels = 1 + below(gen, 8);
	limits->keys = 1 + below(gen, 8);
	limits->value_bytes = below(gen, 120);
	limits->guestinfo_bytes = 20 + below(gen, 400);
}

/* NUL-terminated, and so without NULs. */
static void random_key(struct generator *gen, char *key)
{
	static const char *const keys[] = {
		"guestinfo.a", "guestinfo.b", "guestinfo.metadata", "guestinfo.ab",
		"guestinfo.userdata", "guestinfo.x", "guestinfo.a.b", "machine.id",
		"guestinfo.\xff", "guestinfo.\x01", "host.key", "guestinfo.", "guestinfo", "",
		"guestinfo.a b",
	};
	u32 n = below(gen, 40);

	if (n < 38) {
		strcpy(key, keys[n < ARRAY_SIZE(keys) ? n : n % 7]);
		return;
	}
	/* As long as can be, or one more. */
	n = KVM_VMPORT_MAX_KEY - 38 + n;
	memset(key, 'k', n);
	memcpy(key, "guestinfo.", 10);
	key[n] = '\0';
}

static u32 random_bytes(struct generator *gen, u8 *data, u32 max)
{
	u32 size = below(gen, 4) ? below(gen, 30) : below(gen, 300), i;

	if (gen->large && !below(gen, gen->large))
		size = max - below(gen, 200);
	for (i = 0; i < size; i++)
		data[i] = below(gen, 8) ? 'a' + below(gen, 26) : below(gen, 256);
	return size;
}

static u32 random_text(struct generator *gen, u8 *text)
{
	static const char *const words[] = {
		"log ", "machine.id.get", "SetGuestInfo  4 ", "tools.capability.",
		"tools.set.version ", "tools.set.versiontype 1 ", "update.tools.health ",
		"tools.os.statechange.status OK ", "vmx.capability.", "", "x", " ", "info-get",
		"info-set", "info-set guestinfo.a", "OK ", "ERROR ", "OK ATR toolbox",
	};
	char key[KVM_VMPORT_MAX_KEY + 8];
	u32 size;

	switch (below(gen, 8)) {
	case 0:
	case 1:
		random_key(gen, key);
		size = sprintf((char *)text, "info-get %s", key);
		break;
	case 2:
	case 3:
	case 4:
		random_key(gen, key);
		size = sprintf((char *)text, "info-set %s ", key);
		size += random_bytes(gen, text + size, KVM_VMPORT_MAX_MESSAGE - size);
		break;
	case 5:
		size = random_bytes(gen, text, KVM_VMPORT_MAX_MESSAGE);
		break;
	default:
		size = sprintf((char *)text, "%s", words[below(gen, ARRAY_SIZE(words))]);
		if (below(gen, 2))
			size += random_bytes(gen, text + size, KVM_VMPORT_MAX_MESSAGE - size);
	}
	if (!below(gen, 6))
		text[size++] = '\0';
	return size;
}

static u32 random_word(struct generator *gen)
{
	static const u32 words[] = {
		0, 1, 2, 3, 4, 5, 127, 128, 129, 1024, 1025, 65535, 65536, 65537, ~0u,
		0x80000000, RPCI, TCLO, RPCI | COOKIE, TCLO | COOKIE,
	};

	return below(gen, 4) ? words[below(gen, ARRAY_SIZE(words))] : rng_next(&gen->rng);
}

static void nonsense(struct generator *gen, struct vmport_regs *regs)
{
	regs->bx = random_word(gen);
	regs->cx = below(gen, 9) << 16 | 30;
	if (!below(gen, 10))
		regs->cx = random_word(gen) << 16 | below(gen, 80);
	if (!below(gen, 20))
		regs->ax = random_word(gen);
	regs->dx = below(gen, 10) << 16 | 0x5658;
	if (!below(gen, 10))
		regs->dx = rng_next(&gen->rng);
	if (below(gen, 2)) {
		regs->si = 0;
		regs->di = 0;
	}
}

static void send_word(struct generator *gen, u32 id, struct vmport_regs *regs)
{
	u32 i;

	regs->cx = SENDPAYLOAD << 16 | 30;
	/* What is past the end stays as random as it is. */
	for (i = 0; i < 4 && gen->chans[id].pos + i < gen->chans[id].size; i++) {
		regs->bx &= ~(0xffu << 8 * i);
		regs->bx |= (u32)gen->chans[id].text[gen->chans[id].pos + i] << 8 * i;
	}
	gen->chans[id].pos += 4;
}

static void begin_message(struct generator *gen, u32 id, struct vmport_regs *regs)
{
	if (!gen->chans[id].text)
		gen->chans[id].text = malloc(OP_BYTES);
	CHECK(gen->chans[id].text);
	/* Else requests would find nobody. */
	if (gen->chans[id].is_tclo && below(gen, 2))
		gen->chans[id].size = sprintf((char *)gen->chans[id].text, "OK ATR toolbox");
	else
		gen->chans[id].size = random_text(gen, gen->chans[id].text);
	gen->chans[id].pos = 0;
	regs->cx = SENDSIZE << 16 | 30;
	regs->bx = gen->chans[id].size;
}

static void sense(struct generator *gen, struct vmport_regs *regs)
{
	u32 id = below(gen, 10), what = below(gen, 100);
	unsigned int i;

	for (i = 0; i < 10 && !gen->chans[id].open; i++)
		id = (id + 1) % 10;
	if (!gen->chans[id].open || !below(gen, 60)) {
		regs->cx = 30;
		regs->bx = (below(gen, 2) ? RPCI : TCLO) | (below(gen, 2) ? COOKIE : 0);
		return;
	}

	regs->dx = id << 16 | 0x5658;
	regs->si = gen->chans[id].cookie_high;
	regs->di = gen->chans[id].cookie_low;
	if (!below(gen, 50))
		regs->si ^= 1u << below(gen, 32);
	else if (!below(gen, 50))
		regs->di ^= 1u << below(gen, 32);

	if (gen->chans[id].pos < gen->chans[id].size && what < 80) {
		send_word(gen, id, regs);
	} else if (what < 35) {
		begin_message(gen, id, regs);
	} else if (what < 65) {
		regs->cx = RECVSIZE << 16 | 30;
	} else if (what < 82) {
		regs->cx = RECVPAYLOAD << 16 | 30;
		regs->bx = !!below(gen, 20);
	} else if (what < 98) {
		regs->cx = RECVSTATUS << 16 | 30;
		regs->bx = !!below(gen, 8);
	} else {
		regs->cx = CLOSE << 16 | 30;
	}
}

static void vmm(struct generator *gen, struct op *op)
{
	static const u8 kinds[] = {
		OP_SET, OP_SET, OP_DELETE, OP_GET, OP_REQUEST, OP_REQUEST, OP_RESULT, OP_RESULT,
	};
	static const u8 flags[] = {
		0, 0, 0, 0, KVM_VMPORT_GUESTINFO_READONLY, KVM_VMPORT_GUESTINFO_PRIVILEGED,
		KVM_VMPORT_GUESTINFO_READONLY | KVM_VMPORT_GUESTINFO_WIPEABLE,
		KVM_VMPORT_GUESTINFO_READONLY | KVM_VMPORT_GUESTINFO_WIPEABLE |
		KVM_VMPORT_GUESTINFO_PRIVILEGED,
	};

	op->kind = kinds[below(gen, ARRAY_SIZE(kinds))];
	if (gen->exit_rpc && below(gen, 2))
		op->kind = below(gen, 20) ? OP_ANSWER : OP_RESET;
	random_key(gen, op->key);
	op->data = gen->data;
	if (op->kind == OP_REQUEST) {
		op->size = 1 + random_bytes(gen, op->data, KVM_VMPORT_MAX_TCLO_REQUEST - 1);
	} else if (op->kind == OP_ANSWER) {
		op->size = random_bytes(gen, op->data, KVM_VMPORT_MAX_MESSAGE);
	} else if (op->kind == OP_SET) {
		op->size = random_bytes(gen, op->data, KVM_VMPORT_MAX_VALUE);
		op->flags = flags[below(gen, ARRAY_SIZE(flags))];
	}
}

const struct op *generator_next(struct generator *gen)
{
	struct vmport_regs *regs = &gen->op.regs;

	memset(&gen->op, 0, sizeof(gen->op));
	if (!gen->quiet && percent(gen, gen->exit_rpc ? 15 : 5)) {
		vmm(gen, &gen->op);
		return &gen->op;
	}

	gen->op.kind = OP_CALL;
	gen->op.is_privileged = below(gen, 4);
	*regs = (struct vmport_regs) {
		.ax = VMPORT_MAGIC,
		.bx = rng_next(&gen->rng),
		.dx = 0x5658,
		.si = rng_next(&gen->rng),
		.di = rng_next(&gen->rng),
	};
	if (percent(gen, gen->sane))
		sense(gen, regs);
	else
		nonsense(gen, regs);
	return &gen->op;
}

void generator_learn(struct generator *gen, const struct outcome *outcome)
{
	const struct vmport_regs *in = &gen->op.regs, *out = &outcome->regs;
	u32 id;

	if (gen->op.kind != OP_CALL || outcome->result != VMPORT_DONE || (u16)in->cx != 30 ||
	    !(out->cx >> 16 & SUCCESS))
		return;

	if (in->cx >> 16 == OPEN) {
		id = out->dx >> 16;
		CHECK(id < KVM_VMPORT_MAX_CHANNELS);
		gen->chans[id].open = true;
		gen->chans[id].is_tclo = (in->bx & ~COOKIE) == TCLO;
		gen->chans[id].cookie_high = out->si;
		gen->chans[id].cookie_low = out->di;
		gen->chans[id].size = 0;
		gen->chans[id].pos = 0;
	} else if (in->cx >> 16 == CLOSE) {
		gen->chans[in->dx >> 16].open = false;
	}
}

static void get_entry(struct vm *vm, const char *key, struct outcome *outcome)
{
	struct vmport_entry *entry;

	entry = vmport_guestinfo_get(&vm->state->guestinfo, (const u8 *)key, strlen(key));
	if (!entry) {
		outcome->r = -ENOENT;
		return;
	}
	outcome->status = entry->flags;
	outcome->size = entry->value_size;
	memcpy(outcome->data, vmport_entry_value(entry), entry->value_size);
	vmport_guestinfo_put(entry);
}

static void answer_oldest(struct vm *vm, const struct op *op, struct outcome *outcome)
{
	struct vmport_asked asked;

	outcome->r = vmport_ask_read(vm->state, 0, true, KVM_VMPORT_MAX_MESSAGE, &asked);
	if (outcome->r)
		return;
	outcome->id = asked.id;
	outcome->status = asked.channel;
	outcome->size = asked.size;
	if (asked.size)
		memcpy(outcome->data, asked.data, asked.size);
	kvfree(asked.data);
	outcome->r = vmport_ask_answer(vm->state, asked.id, op->data, op->size);
}

void vm_apply(struct vm *vm, const struct op *op, u64 step, struct outcome *outcome)
{
	memset(outcome, 0, offsetof(struct outcome, data));
	shim_random_seed(step);

	switch (op->kind) {
	case OP_CALL:
		outcome->regs = op->regs;
		vm->is_privileged = op->is_privileged;
		outcome->result = vm_call(vm, &outcome->regs);
		return;
	case OP_SET:
		outcome->r = host_set(vm, op->key, op->data, op->size, op->flags,
				      &outcome->error);
		break;
	case OP_DELETE:
		outcome->r = host_delete(vm, op->key);
		break;
	case OP_GET:
		get_entry(vm, op->key, outcome);
		break;
	case OP_REQUEST:
		outcome->id = host_request_bytes(vm, op->data, op->size);
		break;
	case OP_RESULT:
		outcome->id = host_result(vm, &outcome->status, (char *)outcome->data,
					  &outcome->size);
		break;
	case OP_ANSWER:
		answer_oldest(vm, op, outcome);
		break;
	case OP_RESET:
		vmport_channels_reset(vm->state);
		break;
	}
	if (vm->mode == MIGRATED)
		vm_migrate(vm);
}

void check_same(const struct op *op, const struct outcome *seen, const struct outcome *expected)
{
	static const char *const kinds[] = {
		"a call", "a set", "a delete", "a get", "a TCLO request", "a TCLO result",
		"a reply", "a reset",
	};

	if (!memcmp(seen, expected, offsetof(struct outcome, data)) &&
	    !memcmp(seen->data, expected->data, seen->size))
		return;

	tap_note("%s, key '%s', ax %#x bx %#x cx %#x dx %#x si %#x di %#x", kinds[op->kind],
		 op->key, op->regs.ax, op->regs.bx, op->regs.cx, op->regs.dx, op->regs.si,
		 op->regs.di);
	CHECK_EQ(seen->result, expected->result);
	CHECK_EQ(seen->regs.ax, expected->regs.ax);
	CHECK_EQ(seen->regs.bx, expected->regs.bx);
	CHECK_EQ(seen->regs.cx, expected->regs.cx);
	CHECK_EQ(seen->regs.dx, expected->regs.dx);
	CHECK_EQ(seen->regs.si, expected->regs.si);
	CHECK_EQ(seen->regs.di, expected->regs.di);
	CHECK_EQ(seen->r, expected->r);
	CHECK_EQ(seen->error, expected->error);
	CHECK_EQ(seen->id, expected->id);
	CHECK_EQ(seen->status, expected->status);
	CHECK_EQ(seen->size, expected->size);
	FAIL("other bytes than expected");
}
