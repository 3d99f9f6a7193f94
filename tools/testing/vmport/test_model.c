// SPDX-License-Identifier: GPL-2.0-only
/*
 * A model of the interface written from its description, not from the engine:
 * plain arrays, no locks, no fast path.  Engine and model have the same random
 * conversations, and every register of every answer must be the same.
 */
#include "blob.h"
#include "generator.h"

struct model_message {
	bool there;
	bool secret;
	u32 size;
	u32 pos;
	u8 bytes[OP_BYTES];
};

struct model_channel {
	bool open;
	bool cookie_wanted;
	u32 cookie[2];
	bool is_tclo;
	bool runs;		/* TCLO: next message is a result */
	bool is_toolbox;	/* TCLO: has answered "reset" so */
	bool asks;		/* RPCI: the message waits for the VMM */
	u64 ask_id;
	const char *unanswered;	/* the reply when the VMM gives none */
	bool mixed;		/* RPCI: an unprivileged caller has sent some of it */
	u64 used;		/* m->clock then */
	u64 request;		/* of the VMM, waiting or running; 0 none */
	struct model_message in;
	struct model_message out;
};

struct model_entry {
	char key[KVM_VMPORT_MAX_KEY + 1];
	u32 flags;
	u32 size;
	u8 *bytes;
};

struct model_item {
	u64 id;
	u32 status;
	u32 size;
	u8 *bytes;
};

struct model {
	const struct vmport_config *config;
	struct model_channel *channels[KVM_VMPORT_MAX_CHANNELS];
	struct model_entry entries[64];
	u32 entry_count;
	struct model_item queue[16], results[16];
	u32 queued, unread, taken;
	u64 last_id;
	u64 clock;
	u64 last_ask;
	bool privileged;	/* who calls */
};

static struct model *model_new(const struct vmport_config *config)
{
	struct model *m = calloc(1, sizeof(*m));

	CHECK(m);
	m->config = config;
	return m;
}

static void model_free(struct model *m)
{
	u32 i;

	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS; i++)
		free(m->channels[i]);
	for (i = 0; i < m->entry_count; i++)
		free(m->entries[i].bytes);
	for (i = 0; i < m->queued; i++)
		free(m->queue[i].bytes);
	for (i = 0; i < m->unread; i++)
		free(m->results[i].bytes);
	free(m);
}

static u8 *copy_of(const u8 *bytes, u32 size)
{
	u8 *copy = malloc(size + 1);

	CHECK(copy);
	memcpy(copy, bytes, size);
	return copy;
}

/* Guestinfo */

static struct model_entry *model_find(struct model *m, const char *key)
{
	u32 i;

	for (i = 0; i < m->entry_count; i++) {
		if (!strcmp(m->entries[i].key, key))
			return &m->entries[i];
	}
	return NULL;
}

static void model_remove(struct model *m, struct model_entry *entry)
{
	free(entry->bytes);
	*entry = m->entries[--m->entry_count];
}

static u32 model_limit(struct model *m, const char *key, u32 size)
{
	const struct kvm_vmport_limits *limits = &m->config->limits;
	struct model_entry *old = model_find(m, key);
	u32 total = 0, i;

	if (size > limits->value_bytes)
		return KVM_VMPORT_ERR_VALUE_SIZE;
	if (!old && m->entry_count >= limits->keys)
		return KVM_VMPORT_ERR_KEY_COUNT;
	for (i = 0; i < m->entry_count; i++)
		total += strlen(m->entries[i].key) + m->entries[i].size;
	if (!old)
		total += strlen(key) + size;
	else
		total += size - old->size;
	if (total > limits->guestinfo_bytes)
		return KVM_VMPORT_ERR_GUESTINFO_SIZE;
	return KVM_VMPORT_ERR_NONE;
}

/* The key is good and the limits are kept. */
static void model_store(struct model *m, const char *key, const u8 *bytes, u32 size, u32 flags)
{
	struct model_entry *entry = model_find(m, key);

	if (!entry) {
		CHECK(m->entry_count < ARRAY_SIZE(m->entries));
		entry = &m->entries[m->entry_count++];
		strcpy(entry->key, key);
	} else {
		free(entry->bytes);
	}
	entry->bytes = copy_of(bytes, size);
	entry->size = size;
	entry->flags = flags;
}

/* RPCI */

static void reply(struct model_channel *c, const char *text)
{
	c->out.there = true;
	c->out.secret = false;
	c->out.pos = 0;
	c->out.size = strlen(text);
	memcpy(c->out.bytes, text, c->out.size);
}

static bool model_hides(struct model *m, const struct model_entry *entry)
{
	return (entry->flags & KVM_VMPORT_GUESTINFO_PRIVILEGED) && !m->privileged;
}

static void reply_value(struct model *m, struct model_channel *c, struct model_entry *entry,
			const char *none)
{
	if (!entry || model_hides(m, entry)) {
		reply(c, none);
		return;
	}
	reply(c, "1 ");
	memcpy(c->out.bytes + 2, entry->bytes, entry->size);
	c->out.size += entry->size;
	c->out.secret = entry->flags & KVM_VMPORT_GUESTINFO_PRIVILEGED;
}

static void model_info_set(struct model *m, struct model_channel *c, u8 *arg, u32 size)
{
	u8 *space = memchr(arg, ' ', size);
	u32 key_size = space - arg, value_size = size - key_size - 1;
	struct model_entry *old;
	char *key = (char *)arg;

	if (!space) {
		reply(c, "0 Two and exactly two arguments expected");
		return;
	}
	*space = '\0';
	if (key_size < 10 || memcmp(key, "guestinfo.", 10)) {
		reply(c, "0 Permission denied");
		return;
	}
	if (key_size > 256) {
		reply(c, "0 Key too long");
		return;
	}
	if (key_size == 10 || strlen(key) != key_size) {
		reply(c, "0 Invalid key");
		return;
	}
	old = model_find(m, key);
	if (old && (model_hides(m, old) ||
		    (old->flags & ~KVM_VMPORT_GUESTINFO_PRIVILEGED) ==
		    KVM_VMPORT_GUESTINFO_READONLY)) {
		reply(c, "0 Permission denied");
		return;
	}
	if (old && (old->flags & KVM_VMPORT_GUESTINFO_WIPEABLE))
		value_size = 0;
	if (value_size > m->config->limits.value_bytes) {
		reply(c, "0 Value too long");
		return;
	}
	switch (model_limit(m, key, value_size)) {
	case KVM_VMPORT_ERR_NONE:
		model_store(m, key, space + 1, value_size, old ? old->flags : 0);
		reply(c, "1 ");
		break;
	case KVM_VMPORT_ERR_KEY_COUNT:
		reply(c, "0 Too many keys");
		break;
	default:
		reply(c, "0 No space left");
		break;
	}
}

static void model_info_get(struct model *m, struct model_channel *c, const u8 *arg, u32 size)
{
	char key[KVM_VMPORT_MAX_KEY + 1];

	if (size <= 10 || size > 256 || memcmp(arg, "guestinfo.", 10) || memchr(arg, 0, size)) {
		reply(c, "0 No value found");
		return;
	}
	memcpy(key, arg, size);
	key[size] = '\0';
	reply_value(m, c, model_find(m, key), "0 No value found");
}

static bool is_report(const char *word)
{
	static const char *const reports[] = {
		"SetGuestInfo", "log", "tools.set.version", "tools.set.versiontype",
		"tools.os.statechange.status", "update.tools.health",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(reports); i++) {
		if (!strcmp(word, reports[i]))
			return true;
	}
	return !strncmp(word, "tools.capability.", 17) && word[17];
}

/* Not the kernel's: the VMM's, where it wants them. */
static void model_ask(struct model *m, struct model_channel *c, const char *unanswered)
{
	if (!(m->config->features & KVM_VMPORT_FEATURE_EXIT_RPC)) {
		reply(c, unanswered);
		return;
	}
	c->asks = true;
	c->ask_id = ++m->last_ask;
	c->unanswered = unanswered;
	c->out.there = false;
}

/* The VMM replies to the oldest. */
static void model_answer(struct model *m, const struct op *op, struct outcome *outcome)
{
	struct model_channel *c, *oldest = NULL;
	u32 id;

	outcome->r = -ENOENT;
	for (id = 0; id < KVM_VMPORT_MAX_CHANNELS; id++) {
		c = m->channels[id];
		if (!c || !c->open || !c->asks || (oldest && oldest->ask_id < c->ask_id))
			continue;
		oldest = c;
		outcome->status = id;
	}
	if (!oldest)
		return;
	outcome->r = 0;
	outcome->id = oldest->ask_id;
	outcome->size = oldest->in.size;
	memcpy(outcome->data, oldest->in.bytes, oldest->in.size);
	oldest->asks = false;
	oldest->out.there = true;
	oldest->out.secret = false;
	oldest->out.pos = 0;
	oldest->out.size = op->size;
	memcpy(oldest->out.bytes, op->data, op->size);
}

static void model_rpci(struct model *m, struct model_channel *c)
{
	u8 *text = c->in.bytes, *arg;
	u32 size = c->in.size, word_size;
	char word[64] = "";

	/* The arguments of the one binary request say nothing here. */
	size = strnlen((char *)text, size);
	for (word_size = 0; word_size < size && text[word_size] != ' '; word_size++)
		;
	arg = text + min(word_size + 1, size);

	/* None of the words that are known is as long. */
	if (word_size < sizeof(word))
		memcpy(word, text, word_size);
	else if (word_size > 17 && !memcmp(text, "tools.capability.", 17))
		strcpy(word, "tools.capability.x");

	if (!strcmp(word, "info-get"))
		model_info_get(m, c, arg, text + size - arg);
	else if (!strcmp(word, "info-set"))
		model_info_set(m, c, arg, text + size - arg);
	else if (!strcmp(word, "machine.id.get"))
		reply_value(m, c, model_find(m, "machine.id"), "0 No machine id");
	else
		model_ask(m, c, is_report(word) ? "1 " : "0 Unknown command");
}

/* TCLO */

static void model_result(struct model *m, struct model_channel *c, u32 status, const u8 *bytes,
			 u32 size)
{
	if (!c->request)
		return;
	m->results[m->unread++] = (struct model_item) {
		.id = c->request,
		.status = status,
		.size = size,
		.bytes = copy_of(bytes, size),
	};
	m->taken--;
	c->request = 0;
}

static void model_take(struct model *m, struct model_channel *c)
{
	struct model_item *first = &m->queue[0];

	if (!m->queued)
		return;
	c->request = first->id;
	c->out.there = true;
	c->out.secret = false;
	c->out.size = first->size;
	memcpy(c->out.bytes, first->bytes, first->size);
	free(first->bytes);
	memmove(first, first + 1, --m->queued * sizeof(*first));
	m->taken++;
}

/* Transport */

static void message_is_whole(struct model *m, struct model_channel *c)
{
	/* The call ends with this. */
	m->privileged &= !c->mixed;
	c->in.there = false;
	if (!c->is_tclo) {
		model_rpci(m, c);
	} else if (c->runs) {
		if (!c->request)
			c->is_toolbox = c->in.size >= 14 &&
					!memcmp(c->in.bytes, "OK ATR toolbox", 14) &&
					(c->in.size == 14 || !c->in.bytes[14]);
		model_result(m, c, KVM_VMPORT_TCLO_ANSWERED, c->in.bytes, c->in.size);
		c->runs = false;
	}
}

static void set_status(struct vmport_regs *regs, u32 status)
{
	regs->cx = status << 16;
}

/* Room for one more, in whose place it is. */
static u32 model_take_abandoned(struct model *m)
{
	struct model_channel *c, *worst = NULL;
	u32 id, found = 0;

	for (id = 0; id < KVM_VMPORT_MAX_CHANNELS; id++) {
		c = m->channels[id];
		if (!c || !c->open || (worst && c->used >= worst->used))
			continue;
		worst = c;
		found = id;
	}
	model_result(m, worst, KVM_VMPORT_TCLO_LOST, (u8 *)"", 0);
	worst->open = false;
	return found;
}

static void model_reset(struct model *m)
{
	u32 id;

	for (id = 0; id < KVM_VMPORT_MAX_CHANNELS; id++) {
		if (!m->channels[id] || !m->channels[id]->open)
			continue;
		model_result(m, m->channels[id], KVM_VMPORT_TCLO_LOST, (u8 *)"", 0);
		m->channels[id]->open = false;
	}
}

static void model_open(struct model *m, struct vmport_regs *regs, const struct vmport_regs *seen)
{
	u32 protocol = regs->bx & 0x7fffffff, open = 0, id, i;
	struct model_channel *c;

	set_status(regs, 0);
	if (protocol != 0x49435052 && protocol != 0x4f4c4354)
		return;
	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS; i++)
		open += m->channels[i] && m->channels[i]->open;
	if (!m->config->limits.channels)
		return;

	for (id = 0; id < KVM_VMPORT_MAX_CHANNELS; id++) {
		if (!m->channels[id] || !m->channels[id]->open)
			break;
	}
	if (open >= m->config->limits.channels)
		id = model_take_abandoned(m);
	if (!m->channels[id])
		m->channels[id] = calloc(1, sizeof(*c));
	c = m->channels[id];
	CHECK(c);
	c->open = true;
	c->is_tclo = protocol == 0x4f4c4354;
	c->cookie_wanted = regs->bx >> 31;
	c->in.there = false;
	c->out.there = false;
	c->runs = false;
	c->is_toolbox = false;
	c->request = 0;
	c->asks = false;
	c->used = ++m->clock;
	if (c->is_tclo)
		reply(c, "reset");
	if (c->cookie_wanted) {
		/* Nobody can foresee it: what the engine said. */
		regs->si = seen->si;
		regs->di = seen->di;
	}
	c->cookie[0] = regs->si;
	c->cookie[1] = regs->di;
	regs->dx = id << 16;
	set_status(regs, 1);
}

static u32 word_at(const struct model_message *message)
{
	u32 word = 0, i;

	for (i = 0; i < 4; i++) {
		if (message->pos + i < message->size)
			word |= (u32)message->bytes[message->pos + i] << 8 * i;
	}
	return word;
}

/* Returns the status. */
static u32 model_request(struct model *m, struct model_channel *c, u32 nr,
			 struct vmport_regs *regs)
{
	u32 i;

	switch (nr) {
	case 1:
		if (regs->bx > 65536)
			return 0;
		c->asks = false;
		c->in.there = true;
		c->in.size = regs->bx;
		c->in.pos = 0;
		c->mixed = !m->privileged;
		if (!c->is_tclo)
			c->out.there = false;
		if (!regs->bx)
			message_is_whole(m, c);
		return 1;
	case 2:
		if (!c->in.there)
			return 0;
		c->mixed |= !m->privileged;
		for (i = 0; i < 4 && c->in.pos < c->in.size; i++)
			c->in.bytes[c->in.pos++] = regs->bx >> 8 * i;
		if (c->in.pos == c->in.size)
			message_is_whole(m, c);
		return 1;
	case 3:
		if (c->asks) {
			c->asks = false;
			reply(c, c->unanswered);
		}
		if (c->is_toolbox && !c->out.there && !c->runs)
			model_take(m, c);
		if (!c->out.there)
			return 1;
		if (c->out.secret && !m->privileged)
			return 0;
		c->out.pos = 0;
		regs->bx = c->out.size;
		regs->dx = 1 << 16;
		return 3;
	case 4:
		if (!c->out.there || (c->out.secret && !m->privileged))
			return 0;
		if (!(regs->bx & 1)) {
			c->out.pos = 0;
			return 1;
		}
		regs->bx = word_at(&c->out);
		regs->dx = 2 << 16;
		c->out.pos = min(c->out.pos + 4, c->out.size);
		return 1;
	case 5:
		if (!c->out.there || (c->out.secret && !m->privileged))
			return 0;
		c->out.there = false;
		if (c->is_tclo && (regs->bx & 1))
			c->runs = true;
		else
			model_result(m, c, KVM_VMPORT_TCLO_LOST, (u8 *)"", 0);
		return 1;
	case 6:
		model_result(m, c, KVM_VMPORT_TCLO_LOST, (u8 *)"", 0);
		c->open = false;
		return 1;
	default:
		return 0;
	}
}

static void model_message(struct model *m, struct vmport_regs *regs,
			  const struct vmport_regs *seen)
{
	u32 nr = regs->cx >> 16, id = regs->dx >> 16, status = 0;
	struct model_channel *c;

	if (!nr) {
		model_open(m, regs, seen);
		return;
	}
	c = id < KVM_VMPORT_MAX_CHANNELS ? m->channels[id] : NULL;
	if (c && c->open && (!c->cookie_wanted || (c->cookie[0] == regs->si &&
						   c->cookie[1] == regs->di)))
		status = model_request(m, c, nr, regs);
	if (status)
		c->used = ++m->clock;
	set_status(regs, status);
}

static void model_call(struct model *m, const struct outcome *seen, struct outcome *outcome)
{
	struct vmport_regs *regs = &outcome->regs;

	outcome->result = VMPORT_NOT_OURS;
	if (regs->ax != 0x564d5868)
		return;
	switch (regs->cx & 0xffff) {
	case 10:
		regs->ax = 6;
		regs->bx = 0x564d5868;
		regs->cx = 2;
		break;
	case 17:
		regs->ax = 17;
		break;
	case 30:
		model_message(m, regs, &seen->regs);
		break;
	case 1:
	case 23:
	case 45:
	case 46:
	case 55:
	case 68:
		/* Clocks and rates: test_command.c. */
		*regs = seen->regs;
		break;
	case 24:
		break;
	case 97:
		if (regs->cx >> 16)
			return;
		*regs = seen->regs;
		break;
	default:
		return;
	}
	outcome->result = VMPORT_DONE;
}

static void model_set(struct model *m, const struct op *op, struct outcome *outcome)
{
	u32 size = strlen(op->key);

	outcome->r = -EINVAL;
	if (size > 256) {
		outcome->r = -E2BIG;
		outcome->error = KVM_VMPORT_ERR_KEY_SIZE;
	} else if (!size || strchr(op->key, ' ')) {
		outcome->error = KVM_VMPORT_ERR_KEY;
	} else {
		outcome->error = model_limit(m, op->key, op->size);
		outcome->r = outcome->error ? -E2BIG : 0;
		if (!outcome->r)
			model_store(m, op->key, op->data, op->size, op->flags);
	}
}

static void model_apply(struct model *m, const struct op *op, const struct outcome *seen,
			struct outcome *outcome)
{
	struct model_entry *entry = model_find(m, op->key);

	memset(outcome, 0, offsetof(struct outcome, data));
	switch (op->kind) {
	case OP_CALL:
		outcome->regs = op->regs;
		m->privileged = op->is_privileged;
		model_call(m, seen, outcome);
		break;
	case OP_SET:
		model_set(m, op, outcome);
		break;
	case OP_DELETE:
		outcome->r = entry ? 0 : -ENOENT;
		if (entry)
			model_remove(m, entry);
		break;
	case OP_GET:
		outcome->r = entry ? 0 : -ENOENT;
		if (!entry)
			break;
		outcome->status = entry->flags;
		outcome->size = entry->size;
		memcpy(outcome->data, entry->bytes, entry->size);
		break;
	case OP_REQUEST:
		if (m->queued + m->unread + m->taken == 16)
			break;
		outcome->id = ++m->last_id;
		m->queue[m->queued++] = (struct model_item) {
			.id = outcome->id,
			.size = op->size,
			.bytes = copy_of(op->data, op->size),
		};
		break;
	case OP_RESULT:
		if (!m->unread)
			break;
		outcome->id = m->results[0].id;
		outcome->status = m->results[0].status;
		outcome->size = m->results[0].size;
		memcpy(outcome->data, m->results[0].bytes, outcome->size);
		free(m->results[0].bytes);
		memmove(m->results, m->results + 1, --m->unread * sizeof(m->results[0]));
		break;
	case OP_ANSWER:
		model_answer(m, op, outcome);
		break;
	case OP_RESET:
		model_reset(m);
		break;
	}
}

/* What a run met; a model that never gets to the interesting parts shows nothing. */
struct met {
	unsigned long statuses[4];	/* 0 failed, 1 success, 3 with DORECV */
	unsigned long whole;		/* guestinfo sets by either */
	unsigned long results;
	unsigned long answers;		/* of the VMM to what asked */
};

/* Into a VM that knows nothing but the blob; the blob that it gives is the same. */
static struct vm *migrate_to_fresh(struct vm *source)
{
	struct vm *vm = vm_new(source->mode);
	size_t size;
	u8 *blob;

	vm->config = source->config;
	blob = vm_pack(source, &size);
	vm_free(source);
	check_accepted(vm, blob, size);
	free(blob);
	return vm;
}

static void converse(u64 seed, unsigned int steps, u32 sane, bool limited, u32 large,
		     bool exit_rpc, bool migrate, struct met *met)
{
	static struct outcome seen, expected;
	struct generator *gen = generator_new(seed);
	struct vm *vm = vm_new(SLEEPING);
	struct model *m = model_new(&vm->config);
	const struct op *op;
	unsigned int step;

	gen->sane = sane;
	gen->large = large;
	gen->exit_rpc = exit_rpc;
	if (exit_rpc)
		vm->config.features |= KVM_VMPORT_FEATURE_EXIT_RPC;
	if (limited)
		random_limits(gen, &vm->config.limits);
	for (step = 0; step < steps; step++) {
		tap_context("seed %llu, step %u", seed, step);
		op = generator_next(gen);
		vm_apply(vm, op, step, &seen);
		model_apply(m, op, &seen, &expected);
		check_same(op, &seen, &expected);
		generator_learn(gen, &seen);
		if (migrate) {
			vm = migrate_to_fresh(vm);
			m->config = &vm->config;
		}

		if (op->kind == OP_CALL && (u16)op->regs.cx == 30)
			met->statuses[seen.regs.cx >> 16 & 3]++;
		met->results += op->kind == OP_RESULT && seen.id;
		met->answers += op->kind == OP_ANSWER && !seen.r;
	}
	met->whole += vm->state->guestinfo.count;
	CHECK_EQ(vm->state->guestinfo.count, m->entry_count);
	vm_free(vm);
	model_free(m);
	generator_free(gen);
}

static void check_met(const struct met *met)
{
	CHECK(met->statuses[0] > 100);
	CHECK(met->statuses[1] > 100);
	CHECK(met->statuses[3] > 100);
	CHECK(met->whole > 10);
	CHECK(met->results > 10);
}

TEST("model: 40 random conversations of 5000 steps, each register of each answer as described")
{
	struct met met = { };
	u64 seed;

	for (seed = 1; seed <= 40; seed++)
		converse(seed, 5000, 95, false, 0, false, false, &met);
	check_met(&met);
}

TEST("model: the same with small limits, so that they are met")
{
	struct met met = { };
	u64 seed;

	for (seed = 101; seed <= 140; seed++)
		converse(seed, 3000, 95, true, 0, false, false, &met);
	check_met(&met);
}

TEST("model: the same with half of it nonsense")
{
	struct met met = { };
	u64 seed;

	for (seed = 201; seed <= 240; seed++)
		converse(seed, 3000, 50, seed % 2, 0, false, false, &met);
	check_met(&met);
}

TEST("model: the same with messages and values of up to 64 KiB")
{
	struct met met = { };
	u64 seed;

	for (seed = 301; seed <= 304; seed++)
		converse(seed, 150000, 99, false, 12, false, false, &met);
	check_met(&met);
}

TEST("model: the same with a VMM that replies to what the kernel does not own, and resets")
{
	struct met met = { };
	u64 seed;

	for (seed = 401; seed <= 440; seed++)
		converse(seed, 5000, 95, seed % 2, seed % 4 ? 0 : 100, true, false, &met);
	check_met(&met);
	tap_note("%lu replies", met.answers);
	CHECK(met.answers > 100);
}

TEST("model: the same, migrated into a fresh VM after each single step")
{
	struct met met = { };
	u64 seed;

	for (seed = 501; seed <= 520; seed++)
		converse(seed, 2000, seed % 4 ? 95 : 50, seed % 2, 0, false, true, &met);
	check_met(&met);
}
