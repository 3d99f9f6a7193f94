// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trace events and statistics of a known conversation, and the file in debugfs.  Also through
 * trace-cmd, where there is one, as it has to parse the formats.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmport_test.h"

#define TRACING		"/sys/kernel/tracing/"
#define DEBUGFS		"/sys/kernel/debug/"

FIXTURE(trace) {
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	char *text;
};

/* Returns false where the file is not there. */
static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
	ssize_t done;

	if (fd < 0)
		return false;
	done = write(fd, text, strlen(text));
	close(fd);
	return done == strlen(text);
}

static char *read_all(FILE *file)
{
	size_t room = 1 << 20, size = 0, n;
	char *text = malloc(room);

	TEST_ASSERT(text, "No memory");
	while ((n = fread(text + size, 1, room - size - 1, file))) {
		size += n;
		if (size + 1 == room) {
			room *= 2;
			text = realloc(text, room);
			TEST_ASSERT(text, "No memory");
		}
	}
	text[size] = '\0';
	return text;
}

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text;

	TEST_ASSERT(file, "%s: errno %d", path, errno);
	text = read_all(file);
	fclose(file);
	return text;
}

static const char * const events[] = {
	"call", "result", "hb", "message", "data", "guestinfo", "tclo", "rpc", "state",
};

static void set_events(bool on)
{
	char path[128];
	int i;

	for (i = 0; i < ARRAY_SIZE(events); i++) {
		sprintf(path, TRACING "events/kvm/kvm_vmport_%s/enable", events[i]);
		TEST_ASSERT(write_file(path, on ? "1" : "0"), "%s: errno %d", path, errno);
	}
}

static bool has_tracing(void)
{
	mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	return !access(TRACING "trace", R_OK);
}

FIXTURE_SETUP(trace)
{
	if (!has_tracing())
		SKIP(return, "needs tracefs");

	vmport_hb_status = VMPORT_HB;
	self->vm = vmport_vm_create(VMPORT_EXIT_RPC | KVM_VMPORT_FEATURE_HB, 1, &self->vcpu);
}

FIXTURE_TEARDOWN(trace)
{
	if (!self->vm)
		return;
	set_events(false);
	kvm_vm_free(self->vm);
	free(self->text);
}

/* What is traced, one after the other; true when all is there in this order. */
static bool has_lines(const char *text, const char * const *lines, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		text = strstr(text, lines[i]);
		if (!text) {
			ksft_print_msg("not there: %s\n", lines[i]);
			return false;
		}
		text += strlen(lines[i]);
	}
	return true;
}

/* A conversation with each event in it. */
static void converse(struct kvm_vm *vm, struct kvm_vcpu *vcpu)
{
	struct vmport_channel rpci, tools;
	struct vmport_blob blob;
	struct kvm_regs regs;
	char text[64];
	u64 id;

	rpci = vmport_open(vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	vmport_set_text(vm, "guestinfo.host", "secret");
	vmport_rpc_text(&rpci, "info-get guestinfo.host");
	vmport_rpc_text(&rpci, "info-set guestinfo.own\x01\" 12345");
	vmport_rpc_text(&rpci, "info-set other 1");

	tools = vmport_open(vcpu, VMPORT_TCLO | VMPORT_COOKIE);
	vmport_recv(&tools, text, sizeof(text));
	vmport_send(&tools, "OK ATR toolbox", 14);
	TEST_ASSERT_EQ(vmport_tclo_send(vm, "ping", 4, &id), 0);
	vmport_recv(&tools, text, sizeof(text));
	vmport_send(&tools, "OK", 2);

	/* Four bytes in one call, so that the exit is easy to meet. */
	TEST_ASSERT_EQ(vmport_msg_status(&rpci, VMPORT_MSG_SENDSIZE, 4),
		       VMPORT_SUCCESS | vmport_hb_status);
	memcpy(vmport_host_buffer(&rpci), "what", 4);
	vmport_loop_regs(&rpci, &regs, VMPORT_MSG_SENDPAYLOAD, 0, 1);
	vmport_start(vcpu, vmport_send_loop, &regs);
	vcpu_run(vcpu);
	TEST_ASSERT_EQ(vcpu->run->exit_reason, KVM_EXIT_VMPORT);
	id = kvm_run_vmport(vcpu->run)->id;
	TEST_ASSERT_EQ(vmport_answer(vm, id, "1 ok", 4), 0);
	vcpu_run(vcpu);
	TEST_ASSERT(vmport_is_done(vcpu), "exit %u", vcpu->run->exit_reason);
	vmport_recv(&rpci, text, sizeof(text));

	blob = vmport_save(vm);
	TEST_ASSERT_EQ(vmport_load(vm, &blob), 0);
	blob.data[4] ^= 0xff;
	TEST_ASSERT(vmport_load(vm, &blob), "A wrong version is loaded");
	vmport_blob_free(&blob);
	vmport_close(&rpci);
}

static void run_block(const struct vmport_channel *channel, bool in, u32 size)
{
	struct kvm_vcpu *vcpu = channel->vcpu;
	struct kvm_regs regs = vmport_hb_regs(channel, VMPORT_HB_PORT, in, vmport_buffer(vcpu->id),
					      size);

	vmport_start(vcpu, in ? vmport_rep_insb : vmport_rep_outsb, &regs);
	vcpu_run(vcpu);
	TEST_ASSERT(vmport_is_done(vcpu), "exit %u", vcpu->run->exit_reason);
}

/* An RPC whose texts go in one piece each. */
static void converse_by_blocks(struct kvm_vcpu *vcpu)
{
	static const char request[] = "info-get guestinfo.host";
	const u32 size = sizeof(request) - 1;
	struct vmport_channel channel = vmport_open(vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	struct vmport_regs regs;

	vmport_msg(&channel, VMPORT_MSG_SENDSIZE, size);
	memcpy(vmport_host_buffer(&channel), request, size);
	run_block(&channel, false, size);
	regs = vmport_msg(&channel, VMPORT_MSG_RECVSIZE, 0);
	run_block(&channel, true, regs.bx);
	TEST_ASSERT_EQ(vmport_msg_status(&channel, VMPORT_MSG_RECVSTATUS, 1), VMPORT_SUCCESS);
	vmport_close(&channel);
}

static const char * const conversation[] = {
	"MESSAGE OPEN channel 0 answered status SUCCESS ",
	"kvm_vmport_guestinfo: VMM set 'guestinfo.host' 6 bytes flags 0x0 change 1 error 0",
	"MESSAGE SENDSIZE channel 0 ebx 0x17",
	"MESSAGE SENDPAYLOAD channel 0 ebx 0x6f666e69",
	"kvm_vmport_message: vcpu 0 channel 0 RPCI 'info-get' key 'guestinfo.host' 23 bytes: kernel, success '' 8 bytes",
	"kvm_vmport_data: message 23 bytes 'info-get guestinfo.host'",
	"kvm_vmport_data: reply 8 bytes '1 secret'",
	"MESSAGE RECVSIZE channel 0 answered status SUCCESS|DORECV|HB ",
	"kvm_vmport_guestinfo: guest set 'guestinfo.own..' 5 bytes flags 0x0 change 2 error 0",
	"kvm_vmport_message: vcpu 0 channel 0 RPCI 'info-set' key 'guestinfo.own..' 30 bytes: kernel, success '' 2 bytes",
	"RPCI 'info-set' key 'other' 16 bytes: kernel, failure 'Permission denied' 19 bytes",
	"MESSAGE OPEN channel 1 answered status SUCCESS ",
	"kvm_vmport_message: vcpu 0 channel 1 TCLO 'OK' key 'toolbox' 14 bytes: name, success",
	"kvm_vmport_tclo: queued 1 for 'toolbox' 'ping' 4 bytes",
	"kvm_vmport_tclo: taken 1 for 'toolbox' 'ping' 4 bytes",
	"kvm_vmport_tclo: answered 1 for 'toolbox' 'OK' 2 bytes",
	"kvm_vmport_rpc: asked 1 'what' 4 bytes",
	"RPCI 'what' key '' 4 bytes: VMM, success",
	"kvm_vmport_rpc: exit 1 'what' 4 bytes",
	"kvm_vmport_rpc: replied 1 'what' 4 bytes, reply 4 bytes",
	"kvm_vmport_state: save done ",
	"kvm_vmport_state: load done ",
	"kvm_vmport_state: load refused ",
	"errno -95 error 64 offset 4",
	"MESSAGE CLOSE channel 0 answered status SUCCESS ",
	"kvm_vmport_message: vcpu 0 channel 0 RPCI 'info-get' key 'guestinfo.host' 23 bytes: kernel, success '' 8 bytes",
	"kvm_vmport_data: reply 8 bytes '1 secret'",
	"kvm_vmport_hb: vcpu 0 send channel 0: 23 of 23 bytes, success",
	"kvm_vmport_hb: vcpu 0 receive channel 0: 8 of 8 bytes, success",
};

TEST_F(trace, tells_a_conversation_by_name_in_its_order)
{
	set_events(true);
	write_file(TRACING "trace", "");
	converse(self->vm, self->vcpu);
	converse_by_blocks(self->vcpu);
	set_events(false);
	self->text = read_file(TRACING "trace");
	EXPECT_TRUE(has_lines(self->text, conversation, ARRAY_SIZE(conversation)));
}

TEST_F(trace, shows_no_values_without_the_event_for_them)
{
	set_events(true);
	TEST_ASSERT(write_file(TRACING "events/kvm/kvm_vmport_data/enable", "0"), "No such event");
	write_file(TRACING "trace", "");
	converse(self->vm, self->vcpu);
	converse_by_blocks(self->vcpu);
	set_events(false);
	self->text = read_file(TRACING "trace");
	EXPECT_NE(strstr(self->text, "kvm_vmport_message"), NULL);
	EXPECT_EQ(strstr(self->text, "secret"), NULL);
}

/* What a program prints; NULL where there is no such program. */
static char *output_of(const char *command)
{
	FILE *file = popen(command, "r");
	char *text;

	TEST_ASSERT(file, "popen: errno %d", errno);
	text = read_all(file);
	if (pclose(file)) {
		ksft_print_msg("%s: %s\n", command, text);
		free(text);
		return NULL;
	}
	return text;
}

/* libtraceevent has its own idea of what a format may say; perf and trace-cmd go by it. */
TEST_F(trace, is_read_by_trace_cmd)
{
	static const char record[] =
		"trace-cmd start -e 'kvm:kvm_vmport_*' >/dev/null 2>&1";
	static const char extract[] =
		"{ trace-cmd stop && trace-cmd extract -o /tmp/vmport.dat; } >/dev/null 2>&1";
	static const char report[] =
		"trace-cmd report -i /tmp/vmport.dat 2>&1; trace-cmd reset >/dev/null 2>&1";
	char line[256];
	int i;

	if (system("command -v trace-cmd >/dev/null"))
		SKIP(return, "needs trace-cmd");

	ASSERT_EQ(system(record), 0);
	converse(self->vm, self->vcpu);
	converse_by_blocks(self->vcpu);
	ASSERT_EQ(system(extract), 0);
	self->text = output_of(report);
	ASSERT_NE(self->text, NULL);
	EXPECT_EQ(strstr(self->text, "FAILED TO PARSE"), NULL);
	EXPECT_EQ(strstr(self->text, "Error"), NULL);
	for (i = 0; i < ARRAY_SIZE(conversation); i++) {
		const char *text = strstr(conversation[i], ": ");

		/* There more spaces stand between name and text. */
		text = text && !strncmp(conversation[i], "kvm_", 4) ? text + 2 : conversation[i];
		snprintf(line, sizeof(line), "%s", text);
		EXPECT_NE(strstr(self->text, line), NULL) {
			TH_LOG("not there: %s", line);
		}
	}
	unlink("/tmp/vmport.dat");
}

FIXTURE(counts) {
	struct kvm_vcpu *vcpus[2];
	struct kvm_vm *vm;
};

FIXTURE_SETUP(counts)
{
	self->vm = vmport_vm_create(VMPORT_EXIT_RPC, 2, self->vcpus);
}

FIXTURE_TEARDOWN(counts)
{
	kvm_vm_free(self->vm);
}

TEST_F(counts, are_those_of_a_conversation)
{
	static const struct {
		const char *name;
		u64 value;
	} counts[] = {
		{ "vmport_guest_messages", 6 },
		{ "vmport_guest_bytes", 23 + 30 + 16 + 14 + 2 + 4 },
		{ "vmport_host_messages", 6 },
		{ "vmport_host_bytes", 8 + 2 + 19 + 5 + 4 + 4 },
		{ "vmport_rpcs_kernel", 3 },
		{ "vmport_rpcs_vmm", 1 },
		{ "vmport_rpcs_unknown", 0 },
		{ "vmport_refused_malformed", 0 },
		{ "vmport_refused_permission", 1 },
		{ "vmport_refused_limit", 0 },
		{ "vmport_refused_memory", 0 },
		{ "vmport_vmm_calls", 0 },
	}, held[] = {
		{ "vmport_channels", 1 },
		{ "vmport_entries", 2 },
		{ "vmport_bytes", 14 + 6 + 15 + 5 },
		{ "vmport_saves", 1 },
		{ "vmport_loads", 1 },
		{ "vmport_refused_loads", 1 },
	};
	int i;

	converse(self->vm, self->vcpus[1]);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		EXPECT_EQ(vmport_counter(self->vcpus[1], counts[i].name), counts[i].value)
			TH_LOG("%s", counts[i].name);
		EXPECT_EQ(vmport_counter(self->vcpus[0], counts[i].name), 0)
			TH_LOG("%s of another vCPU", counts[i].name);
	}
	for (i = 0; i < ARRAY_SIZE(held); i++) {
		EXPECT_EQ(vmport_vm_counter(self->vm, held[i].name), held[i].value)
			TH_LOG("%s", held[i].name);
	}
	EXPECT_GT(vmport_counter(self->vcpus[1], "vmport_calls"),
		  vmport_counter(self->vcpus[1], "vmport_fast_calls"));
}

TEST_F(counts, tell_calls_that_fail_and_those_of_the_vmm)
{
	struct kvm_vcpu *vcpu = self->vcpus[0];
	struct vmport_channel channel = vmport_open(vcpu, VMPORT_RPCI);
	u64 failed = vmport_counter(vcpu, "vmport_failed_calls");
	struct vmport_regs in = vmport_cmd_regs(4);
	struct kvm_regs regs;

	channel.id++;
	EXPECT_EQ(vmport_msg_status(&channel, VMPORT_MSG_SENDSIZE, 1), 0);
	EXPECT_EQ(vmport_counter(vcpu, "vmport_failed_calls"), failed + 1);

	vmport_set_regs(vcpu, &regs, &in);
	vmport_start(vcpu, vmport_in, &regs);
	vcpu_run(vcpu);
	EXPECT_EQ(vcpu->run->exit_reason, KVM_EXIT_IO);
	EXPECT_EQ(vmport_counter(vcpu, "vmport_vmm_calls"), 1);
	EXPECT_EQ(vmport_counter(vcpu, "vmport_failed_calls"), failed + 1);
}

FIXTURE(debugfs) {
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	char path[128];
	char *text;
};

FIXTURE_SETUP(debugfs)
{
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	if (access(DEBUGFS "kvm", X_OK))
		SKIP(return, "needs debugfs");

	self->vm = vmport_vm_create(VMPORT_EXIT_RPC, 1, &self->vcpu);
	sprintf(self->path, DEBUGFS "kvm/%d-%d/vmport", getpid(), self->vm->fd);
}

FIXTURE_TEARDOWN(debugfs)
{
	if (self->vm)
		kvm_vm_free(self->vm);
	free(self->text);
}

TEST_F(debugfs, shows_what_there_is_and_no_secrets)
{
	static const char * const lines[] = {
		"features 0x",
		"limits: channels 128 entries 4096 value 65536 bytes guestinfo 1048576 bytes\n",
		"channel 0 RPCI \"\": guest sends, sent 4 of 12 bytes, used ",
		"channel 1 TCLO \"toolbox\": guest runs request, used ",
		"channels 2\n",
		"entry \"guestinfo.a\": 6 bytes, readonly, privileged, change 1\n",
		"entry \"guestinfo.own..\": 5 bytes, change 2\n",
		"entries 2, 37 bytes\n",
		"request 1 for \"toolbox\": taken, 0 bytes\n",
		"request 2 for \"toolbox\": queued, 4 bytes\n",
		"requests 2 of 16\n",
	};
	struct vmport_channel rpci, tools;
	char text[64], cookie[16];
	struct stat stat_buf;
	u64 id;

	rpci = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	tools = vmport_open(self->vcpu, VMPORT_TCLO | VMPORT_COOKIE);
	vmport_set_entry(self->vm, "guestinfo.a", 11, "secret", 6,
			 KVM_VMPORT_GUESTINFO_READONLY | KVM_VMPORT_GUESTINFO_PRIVILEGED);
	vmport_rpc_text(&rpci, "info-set guestinfo.own\x01\" 12345");
	vmport_recv(&tools, text, sizeof(text));
	vmport_send(&tools, "OK ATR toolbox", 14);
	vmport_tclo_send(self->vm, "ping", 4, &id);
	vmport_tclo_send(self->vm, "ping", 4, &id);
	vmport_recv(&tools, text, sizeof(text));
	EXPECT_EQ(vmport_msg_status(&rpci, VMPORT_MSG_SENDSIZE, 12), VMPORT_SUCCESS);
	EXPECT_EQ(vmport_msg_status(&rpci, VMPORT_MSG_SENDPAYLOAD, 0x6f666e69), VMPORT_SUCCESS);

	ASSERT_EQ(stat(self->path, &stat_buf), 0);
	EXPECT_EQ(stat_buf.st_mode & 07777, 0400);
	self->text = read_file(self->path);
	EXPECT_TRUE(has_lines(self->text, lines, ARRAY_SIZE(lines)));
	EXPECT_EQ(strstr(self->text, "secret"), NULL);
	snprintf(cookie, sizeof(cookie), "%x", rpci.cookie_high);
	EXPECT_EQ(strstr(self->text, cookie), NULL);
}

/* More than fits into the first buffers that seq_file tries. */
TEST_F(debugfs, shows_as_many_entries_as_there_can_be)
{
	char key[64];
	int i;

	for (i = 0; i < KVM_VMPORT_MAX_KEYS; i++) {
		sprintf(key, "guestinfo.%d", i);
		TEST_ASSERT_EQ(vmport_set_text(self->vm, key, ""), 0);
	}
	self->text = read_file(self->path);
	EXPECT_NE(strstr(self->text, "entry \"guestinfo.4095\""), NULL);
	EXPECT_NE(strstr(self->text, "entries 4096, "), NULL);
}

/* What is loaded keeps its order: as if some had been used a moment later than it was. */
TEST_F(debugfs, shows_no_age_from_the_future)
{
	struct vmport_channel first = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	struct vmport_blob blob;
	const char *at;
	int i;

	vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	/* In another tick than the OPEN of the second. */
	usleep(20000);
	EXPECT_EQ(vmport_msg_status(&first, VMPORT_MSG_SENDSIZE, 12), VMPORT_SUCCESS);
	blob = vmport_save(self->vm);
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(vmport_load(self->vm, &blob), 0);
		self->text = read_file(self->path);
		at = strstr(self->text, ", used ");
		ASSERT_NE(at, NULL);
		/* Milliseconds: not yet ten minutes. */
		ASSERT_LT(strtoul(at + strlen(", used "), NULL, 10), 600000)
			TH_LOG("%s", self->text);
		free(self->text);
		self->text = NULL;
	}
	vmport_blob_free(&blob);
}

TEST_F(debugfs, stays_readable_while_held_open_when_the_vm_goes)
{
	char text[256];
	int fd;

	fd = open(self->path, O_RDONLY);
	ASSERT_GE(fd, 0);
	kvm_vm_free(self->vm);
	self->vm = NULL;
	EXPECT_GT(read(fd, text, sizeof(text)), 0);
	close(fd);
	/* The VM is gone now, and the file. */
	EXPECT_EQ(open(self->path, O_RDONLY), -1);
}

/* The VMM may close and open again at any time, also while somebody reads. */
TEST_F(debugfs, is_read_while_vms_come_and_go)
{
	pid_t reader = fork();
	int i;

	ASSERT_GE(reader, 0);
	if (!reader) {
		for (;;) {
			if (system("cat " DEBUGFS "kvm/*/vmport >/dev/null 2>&1") == -1)
				_exit(1);
		}
	}
	for (i = 0; i < 20; i++)
		kvm_vm_free(vmport_vm_create_barebones(VMPORT_RPC));
	kill(reader, SIGKILL);
	waitpid(reader, NULL, 0);
}

TEST_HARNESS_MAIN
