// SPDX-License-Identifier: GPL-2.0-only
/*
 * What vmport-state says of a blob is what KVM says: the errno, the number of the error,
 * the byte and whether features are missing, of the golden blobs and of 10,000 mutations of
 * each.  The program is beside this one, the golden blobs are in ../golden.
 */
#include <glob.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/wait.h>

#include "vmport_test.h"

#include "../../../vmport/mutate.c"

/* Longer than other tests on a kernel with sanitizers. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	1200

#define MUTATIONS	10000
#define BASIC		(KVM_VMPORT_FEATURE_ENABLE | KVM_VMPORT_FEATURE_RPC)
#define ALL		(BASIC | KVM_VMPORT_FEATURE_EXIT_RPC | KVM_VMPORT_FEATURE_STEALCLOCK)
/* Written before the answers are read: both fit the pipes. */
#define BATCH		16
#define MAX_GOLDEN	3072

static char tool_path[PATH_MAX], golden_paths[PATH_MAX];

struct tool {
	FILE *to;
	FILE *from;
	pid_t pid;
};

struct answer {
	int r;
	u32 error;
	u64 offset;
	u64 mask;
};

struct count {
	u32 good;
	u32 refused;
	bool errors[128];
};

static struct tool start_tool(u64 features)
{
	char text[32];
	struct tool tool;
	int to[2], from[2];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)features);
	TEST_ASSERT(!pipe(to) && !pipe(from), "No pipes");
	tool.pid = fork();
	TEST_ASSERT(tool.pid >= 0, "No process");
	if (!tool.pid) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		close(to[1]);
		close(from[0]);
		execl(tool_path, tool_path, "verify", "--records", "--json", "--features", text,
		      NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	tool.to = fdopen(to[1], "w");
	tool.from = fdopen(from[0], "r");
	TEST_ASSERT(tool.to && tool.from, "No memory");
	return tool;
}

static void end_tool(struct tool *tool)
{
	int status;

	fclose(tool->to);
	TEST_ASSERT_EQ(fgetc(tool->from), EOF);
	fclose(tool->from);
	TEST_ASSERT_EQ(waitpid(tool->pid, &status, 0), tool->pid);
	TEST_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 1, "It ended with 0x%x", status);
}

static u64 field(const char *line, const char *name)
{
	const char *at = strstr(line, name);

	TEST_ASSERT(at, "No %s in %s", name, line);
	return strtoull(at + strlen(name), NULL, 10);
}

static const char *errno_name(int r)
{
	switch (r) {
	case 0:
		return "\"errno\":\"0\"";
	case EINVAL:
		return "\"errno\":\"EINVAL\"";
	case E2BIG:
		return "\"errno\":\"E2BIG\"";
	case EPERM:
		return "\"errno\":\"EPERM\"";
	case EOPNOTSUPP:
		return "\"errno\":\"EOPNOTSUPP\"";
	}
	TEST_FAIL("KVM said %d", r);
	return NULL;
}

static void check_line(const char *path, u32 n, const char *line, const struct answer *kvm)
{
	TEST_ASSERT(strstr(line, errno_name(kvm->r)) &&
		    field(line, "\"error\":") == kvm->error &&
		    field(line, "\"offset\":") == kvm->offset &&
		    !!strstr(line, "\"missing\":[]") == !kvm->mask,
		    "Mutation %u of %s: KVM says %d, error %u at byte %llu, missing 0x%llx; the tool %s",
		    n, path, kvm->r, kvm->error, (unsigned long long)kvm->offset,
		    (unsigned long long)kvm->mask, line);
}

static struct answer ask_kvm(struct kvm_vm *vm, const u8 *blob, size_t size, struct count *count)
{
	struct answer kvm = { .r = vmport_set_state(vm, blob, size) };

	kvm.error = vmport_error;
	kvm.offset = vmport_error_offset;
	kvm.mask = vmport_error_mask;
	TEST_ASSERT(kvm.error < ARRAY_SIZE(count->errors), "Error %u", kvm.error);
	count->errors[kvm.error] = true;
	count->good += !kvm.r;
	count->refused += !!kvm.r;
	return kvm;
}

static void compare(struct kvm_vm *vm, struct tool *tool, const char *path, u32 mutations,
		    struct count *count)
{
	u8 golden[MAX_GOLDEN], blob[MAX_GOLDEN + MUTATE_ROOM];
	FILE *file = fopen(path, "rb");
	struct answer kvm[BATCH];
	char line[4096];
	size_t size;
	u32 n, i;

	TEST_ASSERT(file, "Cannot open %s", path);
	size = fread(golden, 1, sizeof(golden), file);
	TEST_ASSERT(size < sizeof(golden), "%s is too large", path);
	fclose(file);

	for (n = 0; n < mutations; n += BATCH) {
		for (i = 0; i < BATCH; i++) {
			u32 length = mutate(blob, golden, size, n + i);

			kvm[i] = ask_kvm(vm, blob, length, count);
			TEST_ASSERT(fwrite(&length, sizeof(length), 1, tool->to) == 1 &&
				    fwrite(blob, 1, length, tool->to) == length,
				    "The tool is gone");
		}
		fflush(tool->to);
		for (i = 0; i < BATCH; i++) {
			TEST_ASSERT(fgets(line, sizeof(line), tool->from), "The tool is gone");
			check_line(path, n + i, line, &kvm[i]);
		}
	}
}

static struct count compare_all(u64 features, u32 mutations)
{
	struct kvm_vm *vm = vmport_vm_create_barebones(features);
	struct tool tool = start_tool(features);
	struct count count = { };
	glob_t files;
	size_t i;

	TEST_ASSERT(!glob(golden_paths, 0, NULL, &files), "No golden blobs");
	for (i = 0; i < files.gl_pathc; i++)
		compare(vm, &tool, files.gl_pathv[i], mutations, &count);
	globfree(&files);
	end_tool(&tool);
	kvm_vm_free(vm);
	return count;
}

TEST(all_features)
{
	struct count count = compare_all(ALL, MUTATIONS);
	u32 i, kinds = 0;

	for (i = 1; i < ARRAY_SIZE(count.errors); i++)
		kinds += count.errors[i];
	TH_LOG("%u good, %u refused, for %u reasons", count.good, count.refused, kinds);
	/* Else the mutations are of no use. */
	EXPECT_GT(count.good, 8000);
	EXPECT_GT(count.refused, 40000);
	EXPECT_GE(kinds, 20);
}

TEST(fewer_features)
{
	struct count count = compare_all(BASIC, 1000);

	EXPECT_TRUE(count.errors[KVM_VMPORT_ERR_FEATURE]);
}

int main(int argc, char *argv[])
{
	char self[PATH_MAX - 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	TEST_ASSERT(n > 0, "No /proc");
	self[n] = 0;
	dirname(self);
	snprintf(tool_path, sizeof(tool_path), "%s/vmport-state", self);
	snprintf(golden_paths, sizeof(golden_paths), "%s/../golden/*.bin", self);
	__TEST_REQUIRE(!access(tool_path, X_OK), "%s is needed: see tools/virt/vmport", tool_path);
	TEST_REQUIRE((kvm_check_cap(KVM_CAP_X86_VMPORT) & ALL) == ALL);

	return test_harness_run(argc, argv);
}
