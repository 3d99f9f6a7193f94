/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random conversations: what a guest's processes and its VMM do, mostly sense,
 * some nonsense.  The same seed gives the same conversation as long as the
 * answers are the same, so it can be had with several VMs at once and with a
 * model, and the answers compared.
 */
#ifndef _GENERATOR_H
#define _GENERATOR_H

#include "guest.h"

#define OP_BYTES	(KVM_VMPORT_MAX_MESSAGE + 16)

enum op_kind {
	OP_CALL,
	OP_SET,
	OP_DELETE,
	OP_GET,
	OP_REQUEST,
	OP_RESULT,
	OP_ANSWER,		/* read the oldest message that asks and reply */
	OP_RESET,
};

struct op {
	enum op_kind kind;
	struct vmport_regs regs;
	char key[KVM_VMPORT_MAX_KEY + 8];
	u8 *data;		/* value or request; the generator's */
	u32 size;
	u32 flags;
	bool is_privileged;	/* who calls */
};

/* What came of it.  Compared whole, so what does not apply is zero. */
struct outcome {
	enum vmport_result result;
	struct vmport_regs regs;
	int r;
	u32 error;
	u64 id;
	u32 status;
	u32 size;
	u8 data[OP_BYTES];
};

struct generator {
	struct rng rng;
	struct op op;
	u32 sane;		/* percent */
	u32 large;		/* messages of many KiB: one in so many, 0 none */
	bool quiet;		/* no VMM */
	bool exit_rpc;		/* the VM has it: the VMM replies, and resets */
	struct {
		bool open;
		bool is_tclo;
		u32 cookie_high;
		u32 cookie_low;
		u32 size;	/* of the message that it is sending */
		u32 pos;
		u8 *text;
	} chans[KVM_VMPORT_MAX_CHANNELS];
	u8 data[OP_BYTES];
};

struct generator *generator_new(u64 seed);
void generator_free(struct generator *gen);
/* The next operation, valid until the next call. */
const struct op *generator_next(struct generator *gen);
void generator_learn(struct generator *gen, const struct outcome *outcome);

/* Small random limits, so that a conversation meets them. */
void random_limits(struct generator *gen, struct kvm_vmport_limits *limits);

/* Do it; random numbers that the engine takes depend on @step only. */
void vm_apply(struct vm *vm, const struct op *op, u64 step, struct outcome *outcome);

void check_same(const struct op *op, const struct outcome *seen,
		const struct outcome *expected);

#endif /* _GENERATOR_H */
