// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entry points of libFuzzer, and of a replay without it: with -DREPLAY a program
 * that takes files and directories.
 */
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "input.h"

/* How often to say how many calls there were: a run that is cut short counts too. */
#define PROGRESS	1000000

unsigned long fuzz_calls;

u8 input_u8(struct input *in)
{
	return in->pos < in->size ? in->data[in->pos++] : 0;
}

u16 input_u16(struct input *in)
{
	u16 low = input_u8(in);

	return low | input_u8(in) << 8;
}

u32 input_u32(struct input *in)
{
	u32 low = input_u16(in);

	return low | (u32)input_u16(in) << 16;
}

const u8 *input_bytes(struct input *in, u32 max, u32 *size)
{
	const u8 *bytes = in->data + in->pos;

	*size = min_t(size_t, max, in->size - in->pos);
	in->pos += *size;
	return bytes;
}

u32 input_number(struct input *in)
{
	static const u32 numbers[] = {
		0, 1, 2, 3, 4, 5, 16, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1023, 1024,
		1025, 4096, 65535, 65536, 65537, 0x7fffffff, 0x80000000, 0xffffffff,
		VMPORT_MAGIC, RPCI, TCLO, RPCI | COOKIE, TCLO | COOKIE,
	};
	u8 which = input_u8(in);

	if (which < ARRAY_SIZE(numbers))
		return numbers[which];
	return which < 128 ? which : input_u32(in);
}

/* In the place of the test harness. */
void tap_fail(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "%s:%d: ", file, line);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\n");
	abort();
}

void tap_context(const char *fmt, ...)
{
}

void tap_note(const char *fmt, ...)
{
}

static void check_answer(const struct vmport_regs *in, const struct vmport_regs *out)
{
	struct vmport_regs failed = *in;

	if ((u16)in->cx != VMPORT_CMD_MESSAGE)
		return;

	failed.cx = 0;
	if (!out->cx) {
		CHECK(!memcmp(out, &failed, sizeof(failed)));
		return;
	}
	CHECK_EQ(out->ax, VMPORT_MAGIC);
	CHECK_EQ((u16)out->cx, 0);
	CHECK(out->dx == in->dx || !(u16)out->dx);
	CHECK((out->cx >> 16 & ~VMPORT_STATUS_HB) == SUCCESS ||
	      (out->cx >> 16 & ~VMPORT_STATUS_HB) == DORECV);
	CHECK(!(out->cx >> 16 & VMPORT_STATUS_HB) ||
	      in->cx >> 16 == SENDSIZE || in->cx >> 16 == RECVSIZE);
}

unsigned int fuzz_vcpu;
bool fuzz_thorough;
bool fuzz_lowered;

/* What must not change: all that a migration carries. */
struct snapshot {
	u8 *blob;
	size_t size;
};

static void take(struct vm *vm, struct snapshot *snapshot)
{
	*snapshot = (struct snapshot){ };
	if (fuzz_thorough)
		snapshot->blob = vm_pack(vm, &snapshot->size);
}

static void check_unchanged(struct vm *vm, const struct snapshot *snapshot)
{
	size_t size;
	u8 *blob;

	if (!snapshot->blob)
		return;
	blob = vm_pack(vm, &size);
	CHECK_EQ(size, snapshot->size);
	CHECK(!memcmp(blob, snapshot->blob, size));
	free(blob);
}

static bool is_refused(const struct vmport_regs *in, const struct vmport_regs *out)
{
	return (u16)in->cx == VMPORT_CMD_MESSAGE && !(out->cx >> 16);
}

static enum vmport_result try_atomic(struct vmport_call *call)
{
	unsigned long allocs = shim_allocs();
	enum vmport_result result;

	call->atomic = true;
	fuzz_calls++;
	shim_atomic_begin();
	result = vmport_command(call);
	shim_atomic_end();
	call->atomic = false;
	CHECK_EQ(shim_allocs(), allocs);
	return result;
}

enum vmport_result fuzz_call(struct vm *vm, struct vmport_regs *regs)
{
	struct vmport_call call = {
		.config = &vm->config,
		.state = vm->state,
		.vcpu = vm_vcpu(fuzz_vcpu),
		.is_privileged = fuzz_vcpu & 1,
		.regs = *regs,
	};
	bool ours = vmport_command_is_ours(&call);
	enum vmport_result result;
	struct snapshot before;

	take(vm, &before);
	result = try_atomic(&call);
	if (result == VMPORT_NEEDS_SLEEP) {
		CHECK(!memcmp(&call.regs, regs, sizeof(*regs)));
		check_unchanged(vm, &before);
		fuzz_calls++;
		result = vmport_command(&call);
		CHECK(result != VMPORT_NEEDS_SLEEP);
	}
	shim_check_idle();
	CHECK_EQ(ours, result != VMPORT_NOT_OURS);
	if (result == VMPORT_NOT_OURS)
		CHECK(!memcmp(&call.regs, regs, sizeof(*regs)));
	else
		check_answer(regs, &call.regs);
	if (result == VMPORT_NOT_OURS || is_refused(regs, &call.regs))
		check_unchanged(vm, &before);
	free(before.blob);
	*regs = call.regs;
	return result;
}

static void check_channel(const struct vmport_channel *channel)
{
	CHECK(!channel->busy);
	CHECK(channel->send_size <= KVM_VMPORT_MAX_MESSAGE);
	if (vmport_channel_is_sending(channel)) {
		CHECK(channel->send_done < channel->send_size);
		CHECK(channel->send_size <= channel->send_room);
	}
	if (vmport_channel_is_waiting(channel)) {
		CHECK(vmport_channel_recv_size(channel) <= KVM_VMPORT_MAX_REPLY);
		CHECK(channel->recv_done <= vmport_channel_recv_size(channel));
	}
}

void fuzz_check_limits(struct vm *vm)
{
	const struct kvm_vmport_limits *limits = &vm->config.limits;
	const struct vmport_guestinfo *gi = &vm->state->guestinfo;
	const struct vmport_tclo *tclo = &vm->state->tclo;
	u32 i, taken = 0, open = 0;

	CHECK(gi->count <= (fuzz_lowered ? KVM_VMPORT_MAX_KEYS : limits->keys));
	CHECK(gi->bytes <= (fuzz_lowered ? KVM_VMPORT_MAX_GUESTINFO : limits->guestinfo_bytes));
	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS; i++) {
		const struct vmport_channel *channel = vm->state->channels[i];

		if (!channel || !vmport_channel_is_open(channel))
			continue;
		open++;
		taken += !!channel->request;
		check_channel(channel);
	}
	CHECK(fuzz_lowered || open <= limits->channels);
	CHECK_EQ(taken, tclo->taken);
	CHECK(tclo->queued + tclo->unread + taken <= KVM_VMPORT_MAX_TCLO);
	/* Messages and replies of all channels, requests and results, the store. */
	CHECK(shim_live_bytes() <= KVM_VMPORT_MAX_CHANNELS * (2 * 65536 + 1024) +
	      KVM_VMPORT_MAX_TCLO * (65536 + 64) + KVM_VMPORT_MAX_GUESTINFO +
	      KVM_VMPORT_MAX_KEYS * 128 + 65536);
}

void fuzz_check_migration(struct vm *vm)
{
	size_t size, again;
	u8 *blob, *copy;
	int r;

	fuzz_calls += 5;
	blob = vm_pack(vm, &size);
	/* Under lowered limits too: they stop what is new. */
	r = vm_unpack(vm, blob, size, NULL);
	CHECK_EQ(r, 0);
	copy = vm_pack(vm, &again);
	CHECK_EQ(again, size);
	CHECK(!memcmp(blob, copy, size));
	free(copy);
	free(blob);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static unsigned long said = PROGRESS;
	struct input in = { .data = data, .size = size };

	shim_random_seed(1);
	shim_set_time(1, 0);
	shim_hold_jiffies(false);
	fuzz_vcpu = 0;
	fuzz_thorough = false;
	fuzz_lowered = false;
	fuzz_one(&in);
	shim_check_idle();
	CHECK_EQ(shim_live_bytes(), 0);
	if (fuzz_calls >= said) {
		fprintf(stderr, "%lu engine calls\n", fuzz_calls);
		said = fuzz_calls + PROGRESS;
	}
	return 0;
}

#ifdef REPLAY
static unsigned int replay(const char *path)
{
	struct stat info;
	FILE *file;
	u8 *data;

	CHECK(!stat(path, &info));
	if (S_ISDIR(info.st_mode)) {
		unsigned int count = 0;
		struct dirent *entry;
		DIR *dir = opendir(path);
		char name[4096];

		CHECK(dir);
		while ((entry = readdir(dir))) {
			if (entry->d_name[0] == '.')
				continue;
			snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
			count += replay(name);
		}
		closedir(dir);
		return count;
	}

	/* Of exactly this size, so that ASan sees what is read past it. */
	data = malloc(info.st_size);
	file = fopen(path, "rb");
	CHECK(file && data && fread(data, 1, info.st_size, file) == info.st_size);
	fclose(file);
	LLVMFuzzerTestOneInput(data, info.st_size);
	free(data);
	return 1;
}

int main(int argc, char *argv[])
{
	unsigned int count = 0;
	int i;

	for (i = 1; i < argc; i++)
		count += replay(argv[i]);
	printf("# %u inputs, %lu engine calls\n", count, fuzz_calls);
	return !count;
}
#else
static void say_calls(void)
{
	fprintf(stderr, "%lu engine calls\n", fuzz_calls);
}

static __attribute__((constructor)) void begin(void)
{
	atexit(say_calls);
}
#endif
