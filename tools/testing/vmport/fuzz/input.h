/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the fuzz targets share: the bytes that a fuzzer gave, a VM whose every
 * answer is checked, and the count of what was done.
 */
#ifndef _FUZZ_INPUT_H
#define _FUZZ_INPUT_H

#include "guest.h"

/* The bytes; past their end all are zero. */
struct input {
	const u8 *data;
	size_t size;
	size_t pos;
};

u8 input_u8(struct input *in);
u16 input_u16(struct input *in);
u32 input_u32(struct input *in);
/* At most @max bytes; *@size says how many there are. */
const u8 *input_bytes(struct input *in, u32 max, u32 *size);
/* A number that the engine compares with something, more often than not. */
u32 input_number(struct input *in);

static inline bool input_left(const struct input *in)
{
	return in->pos < in->size;
}

/* Calls of the engine, in all inputs. */
extern unsigned long fuzz_calls;

/* The vCPU that the next calls come from. */
extern unsigned int fuzz_vcpu;

/* Also look whether a call that must not change anything does: slow. */
extern bool fuzz_thorough;

/* Limits may be below what is there, and a blob be refused for that. */
extern bool fuzz_lowered;

/* Any call, atomic first; what holds for all is checked. */
enum vmport_result fuzz_call(struct vm *vm, struct vmport_regs *regs);

/* Nothing may be past its limit. */
void fuzz_check_limits(struct vm *vm);

/* The VM's blob is taken, and given again the same. */
void fuzz_check_migration(struct vm *vm);

/* One input.  Each target has this. */
void fuzz_one(struct input *in);

#endif /* _FUZZ_INPUT_H */
