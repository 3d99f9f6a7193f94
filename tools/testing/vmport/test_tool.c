// SPDX-License-Identifier: GPL-2.0-only
/*
 * tools/virt/vmport/vmport-state says of a blob what the engine says, to the number of the
 * error and to the byte: of the golden blobs and of what becomes of them.  The program is
 * in the environment, VMPORT_STATE.
 */
#include <glob.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "blob.h"
#include "mutate.h"

#define MUTATIONS	10000
#define BASIC		(KVM_VMPORT_FEATURE_ENABLE | KVM_VMPORT_FEATURE_RPC)
#define ALL		(BASIC | KVM_VMPORT_FEATURE_EXIT_RPC | KVM_VMPORT_FEATURE_STEALCLOCK)

/* The program, reading blobs and writing a line for each. */
struct tool {
	FILE *to;
	FILE *from;
	pid_t pid;
};

static struct tool start_tool(u64 features)
{
	const char *path = getenv("VMPORT_STATE");
	char text[32];
	int to[2], from[2];
	struct tool tool;

	CHECK(path);
	snprintf(text, sizeof(text), "%llu", features);
	CHECK(!pipe(to) && !pipe(from));
	tool.pid = fork();
	CHECK(tool.pid >= 0);
	if (!tool.pid) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		close(to[1]);
		close(from[0]);
		execl(path, path, "verify", "--records", "--json", "--features", text, NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	tool.to = fdopen(to[1], "w");
	tool.from = fdopen(from[0], "r");
	CHECK(tool.to && tool.from);
	return tool;
}

static void end_tool(struct tool *tool)
{
	int status;

	fclose(tool->to);
	CHECK_EQ(fgetc(tool->from), EOF);
	fclose(tool->from);
	CHECK(waitpid(tool->pid, &status, 0) == tool->pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

static void give(struct tool *tool, const void *data, u32 size)
{
	u32 length = cpu_to_le32(size);

	CHECK(fwrite(&length, sizeof(length), 1, tool->to) == 1);
	CHECK(fwrite(data, 1, size, tool->to) == size);
}

static u64 field(const char *line, const char *name)
{
	const char *at = strstr(line, name);

	if (!at)
		FAIL("no %s in %s", name, line);
	return strtoull(at + strlen(name), NULL, 10);
}

static void check_line(const char *line, int r, const struct vmport_blob_error *why)
{
	const char *name = r == -EINVAL ? "EINVAL" : r == -E2BIG ? "E2BIG" :
			   r == -EPERM ? "EPERM" : r == -EOPNOTSUPP ? "EOPNOTSUPP" : "0";
	char text[32];

	tap_context("the engine: %d, error %u at byte %llu; the tool: %s", r, why->error,
		    why->offset, line);
	snprintf(text, sizeof(text), "\"errno\":\"%s\"", name);
	CHECK(strstr(line, text));
	CHECK(strstr(line, r ? "\"good\":false" : "\"good\":true"));
	CHECK_EQ(field(line, "\"error\":"), why->error);
	CHECK_EQ(field(line, "\"offset\":"), why->offset);
	CHECK_EQ(!strstr(line, "\"missing\":[]"), !!why->features);
}

/* What the ioctl says: the glue looks at the size first. */
static int engine_says(struct vm *vm, const void *data, size_t size,
		       struct vmport_blob_error *why)
{
	*why = (struct vmport_blob_error){ };
	if (size < sizeof(struct kvm_vmport_blob_header)) {
		why->error = KVM_VMPORT_ERR_LENGTH;
		return -EINVAL;
	}
	return blob_load(vm, data, size, why);
}

struct count {
	unsigned int good;
	unsigned int refused;
	bool errors[128];
};

/* A batch is written before its answers are read: both fit the pipes. */
#define BATCH	16

static void compare(struct vm *vm, struct tool *tool, const u8 *golden, size_t size, u32 from,
		    struct count *count)
{
	struct vmport_blob_error why[BATCH];
	u8 *blob = malloc(size + MUTATE_ROOM);
	char line[4096];
	int r[BATCH];
	u32 i;

	CHECK(blob);
	for (i = 0; i < BATCH; i++) {
		size_t length = mutate(blob, golden, size, from + i);

		r[i] = engine_says(vm, blob, length, &why[i]);
		give(tool, blob, length);
		count->good += !r[i];
		count->refused += !!r[i];
		CHECK(why[i].error < 128);
		count->errors[why[i].error] = true;
	}
	free(blob);
	fflush(tool->to);
	for (i = 0; i < BATCH; i++) {
		CHECK(fgets(line, sizeof(line), tool->from));
		check_line(line, r[i], &why[i]);
	}
}

static u8 *read_golden(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	u8 *data = malloc(65536);

	CHECK(file && data);
	*size = fread(data, 1, 65536, file);
	CHECK(*size >= 32 && *size < 4096);
	fclose(file);
	return data;
}

static void compare_all(u64 features, u32 mutations, struct count *count)
{
	struct vm *vm = vm_new(SLEEPING);
	struct tool tool;
	glob_t files;
	size_t size, i;
	u32 n;

	CHECK(getenv("VMPORT_STATE"));
	vm->config.features = features;
	CHECK(!glob("golden/*.bin", 0, NULL, &files) && files.gl_pathc >= 8);
	tool = start_tool(features);
	for (i = 0; i < files.gl_pathc; i++) {
		u8 *golden = read_golden(files.gl_pathv[i], &size);

		for (n = 0; n < mutations; n += BATCH)
			compare(vm, &tool, golden, size, n, count);
		free(golden);
	}
	end_tool(&tool);
	globfree(&files);
	vm_free(vm);
}

TEST("vmport-state: verdict, error and byte are the engine's, of 10,000 mutations a golden blob")
{
	struct count count = { };
	unsigned int i, kinds = 0;

	compare_all(ALL, MUTATIONS, &count);
	for (i = 1; i < 128; i++)
		kinds += count.errors[i];
	tap_note("%u good, %u refused, for %u reasons", count.good, count.refused, kinds);
	/* Else the mutations are of no use. */
	CHECK(count.good > 8000 && count.refused > 40000 && kinds >= 20);
}

TEST("vmport-state: the same for a VM that has fewer features")
{
	struct count count = { };

	compare_all(BASIC, 1000, &count);
	CHECK(count.errors[KVM_VMPORT_ERR_FEATURE]);
}
