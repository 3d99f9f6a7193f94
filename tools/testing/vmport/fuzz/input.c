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
unsigned int fuzz_vcpu;
bool fuzz_thorough;
bool fuzz_lowered;

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
