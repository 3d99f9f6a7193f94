// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation and every copy from and to user space fails once, in every ioctl
 * and every kind of call that has any: the right error, nothing changed, and the
 * same again succeeds.  Needs a kernel with fault injection.
 */
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmport_test.h"

#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define MOST_FAULTS	4000

#define KEY		"guestinfo.key"
#define LARGE		60000

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	/* Not every kernel can fail in every way. */
	if (fd < 0)
		return;
	TEST_ASSERT(write(fd, text, strlen(text)) > 0, "Cannot write %s", path);
	close(fd);
}

static int fail_nth = -1;

/* The @nth thing that can fail from now on does. */
static void faults_begin(unsigned int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", nth);
	TEST_ASSERT(pwrite(fail_nth, text, strlen(text), 0) > 0, "Cannot write " FAIL_NTH);
}

/* Did it?  Reading this can fail, too: then not. */
static bool faults_end(void)
{
	char text[16] = "1";
	bool failed = pread(fail_nth, text, sizeof(text) - 1, 0) > 0 && !atoi(text);

	/* Nor can writing it fail twice. */
	TEST_ASSERT(pwrite(fail_nth, "0", 1, 0) > 0 || pwrite(fail_nth, "0", 1, 0) > 0,
		    "Cannot write " FAIL_NTH);
	return failed;
}

FIXTURE(fault) {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct vmport_channel rpci;
	struct vmport_channel tclo;
	u8 *large;
	unsigned int faults;
};

FIXTURE_SETUP(fault)
{
	u64 features = kvm_check_cap(KVM_CAP_X86_VMPORT);

	fail_nth = open(FAIL_NTH, O_RDWR);
	if (fail_nth < 0)
		SKIP(return, "this kernel cannot inject faults");
	write_file("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
	write_file("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N");
	write_file("/sys/kernel/debug/fail_page_alloc/min-order", "0");
	write_file("/sys/kernel/debug/failslab/verbose", "0");
	write_file("/sys/kernel/debug/fail_page_alloc/verbose", "0");
	write_file("/sys/kernel/debug/fail_usercopy/verbose", "0");

	self->vm = vmport_vm_create(features & ~(u64)KVM_VMPORT_FEATURE_HB, 1, &self->vcpu);
	self->rpci = vmport_open(self->vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	self->tclo = vmport_open(self->vcpu, VMPORT_TCLO | VMPORT_COOKIE);
	self->large = vmport_alloc(LARGE);
	memset(self->large, 'l', LARGE);
	TEST_ASSERT_EQ(vmport_set_entry(self->vm, "guestinfo.large", 15, self->large, LARGE, 0), 0);
}

FIXTURE_TEARDOWN(fault)
{
	if (fail_nth < 0)
		return;
	TH_LOG("%u faults", self->faults);
	free(self->large);
	kvm_vm_free(self->vm);
	close(fail_nth);
}

struct fault_case {
	const char *name;
	int (*run)(FIXTURE_DATA(fault) *self);
	bool new_state;		/* what succeeds changes the state */
	bool lossy;		/* EFAULT may come when all is done: it has output */
};

static char out[128 * 1024];

static int get_state(FIXTURE_DATA(fault) *self)
{
	u64 size = sizeof(out);

	return vmport_get_state(self->vm, out, &size);
}

static struct vmport_blob other;

static int set_state(FIXTURE_DATA(fault) *self)
{
	return vmport_load(self->vm, &other);
}

static int get_identity(FIXTURE_DATA(fault) *self)
{
	struct kvm_vmport_identity identity;

	return vmport_get_identity(self->vm, &identity);
}

static int set_identity(FIXTURE_DATA(fault) *self)
{
	struct kvm_vmport_identity identity = { .version = 6, .memory_mib = 512 };

	return vmport_set_identity(self->vm, &identity);
}

static int set_limits(FIXTURE_DATA(fault) *self)
{
	struct kvm_vmport_limits limits = {
		.channels = 100,
		.keys = 100,
		.value_bytes = KVM_VMPORT_MAX_VALUE,
		.guestinfo_bytes = KVM_VMPORT_MAX_GUESTINFO,
	};

	return vmport_set_limits(self->vm, &limits);
}

static int get_limits(FIXTURE_DATA(fault) *self)
{
	struct kvm_vmport_limits limits;

	return vmport_get_limits(self->vm, &limits);
}

static int get_events(FIXTURE_DATA(fault) *self)
{
	struct kvm_vmport_attr attr = { .type = KVM_VMPORT_ATTR_EVENTS };

	return vmport_attr(self->vm, KVM_GET_VMPORT_ATTR, &attr);
}

static int set_entry(FIXTURE_DATA(fault) *self)
{
	return vmport_set_text(self->vm, KEY, "value");
}

static int set_large(FIXTURE_DATA(fault) *self)
{
	return vmport_set_entry(self->vm, KEY, strlen(KEY), self->large, LARGE, 0);
}

static int get_large(FIXTURE_DATA(fault) *self)
{
	u32 size = LARGE, flags;

	return vmport_get_entry(self->vm, "guestinfo.large", 15, out, &size, &flags);
}

static int delete_entry(FIXTURE_DATA(fault) *self)
{
	return vmport_delete(self->vm, "guestinfo.large");
}

static int set_many(FIXTURE_DATA(fault) *self)
{
	struct kvm_vmport_guestinfo items[] = {
		vmport_item("guestinfo.one", "1"),
		vmport_item("guestinfo.two", "2"),
		vmport_item("guestinfo.large", "small"),
	};
	u32 index;

	return vmport_set_many(self->vm, items, ARRAY_SIZE(items), &index);
}

static int list(FIXTURE_DATA(fault) *self)
{
	u32 size = sizeof(out), count;

	return vmport_list(self->vm, "", out, &size, &count);
}

static int changes(FIXTURE_DATA(fault) *self)
{
	u32 size = sizeof(out), count;
	u64 since = 0;

	return vmport_changes(self->vm, &since, out, &size, &count);
}

static int send_request(FIXTURE_DATA(fault) *self)
{
	u64 id;

	return vmport_tclo_send(self->vm, "ping", 4, &id);
}

static int get_info(FIXTURE_DATA(fault) *self)
{
	struct kvm_vmport_info info;

	return vmport_get_info(self->vm, &info);
}

static int list_requests(FIXTURE_DATA(fault) *self)
{
	struct kvm_vmport_tclo_item items[KVM_VMPORT_MAX_TCLO];
	u32 count = ARRAY_SIZE(items);

	return vmport_tclo_list(self->vm, items, &count);
}

/* One that waits from the beginning on. */
static u64 first_request;

static int cancel_request(FIXTURE_DATA(fault) *self)
{
	u32 status;

	return vmport_tclo_cancel(self->vm, first_request, &status);
}

static int reset(FIXTURE_DATA(fault) *self)
{
	return vmport_reset(self->vm);
}

static int use_eventfd(FIXTURE_DATA(fault) *self)
{
	int fd = eventfd(0, 0), r = vmport_set_eventfd(self->vm, fd);

	close(fd);
	return r;
}

static const struct fault_case ioctls[] = {
	{ "GET_VMPORT_STATE", get_state },
	{ "SET_VMPORT_STATE", set_state, .new_state = true },
	{ "get IDENTITY", get_identity },
	{ "set IDENTITY", set_identity },
	{ "set LIMITS", set_limits },
	{ "get LIMITS", get_limits },
	{ "get EVENTS", get_events },
	{ "set GUESTINFO", set_entry, .new_state = true },
	{ "set GUESTINFO, large", set_large, .new_state = true },
	{ "get GUESTINFO", get_large },
	{ "delete GUESTINFO", delete_entry, .new_state = true },
	{ "set GUESTINFO_MANY", set_many, .new_state = true },
	{ "get GUESTINFO_LIST", list },
	{ "get CHANGES", changes },
	{ "set TCLO", send_request, .new_state = true, .lossy = true },
	{ "get INFO", get_info },
	{ "get TCLO_LIST", list_requests },
	{ "set TCLO_CANCEL", cancel_request, .new_state = true, .lossy = true },
	{ "set RESET", reset, .new_state = true },
	{ "set EVENTFD", use_eventfd },
};

/* Fault after fault until none is left that could come. */
TEST_F(fault, every_fault_of_every_ioctl)
{
	unsigned int i, nth;

	/* What SET_VMPORT_STATE loads: a half message, a request, two entries. */
	vmport_set_text(self->vm, "guestinfo.other", "other");
	TEST_ASSERT(vmport_msg_status(&self->rpci, VMPORT_MSG_SENDSIZE, 2000), "SENDSIZE");
	ASSERT_EQ(vmport_tclo_send(self->vm, "ping", 4, &first_request), 0);
	other = vmport_save(self->vm);

	for (i = 0; i < ARRAY_SIZE(ioctls); i++) {
		const struct fault_case *c = &ioctls[i];
		struct vmport_blob before, begin = vmport_save(self->vm);
		bool injected = true;

		for (nth = 1; injected; nth++) {
			int r;

			ASSERT_LT(nth, MOST_FAULTS) TH_LOG("%s", c->name);
			before = vmport_save(self->vm);
			faults_begin(nth);
			r = c->run(self);
			injected = faults_end();
			self->faults += injected;
			if (!r) {
				if (c->new_state)
					ASSERT_EQ(vmport_load(self->vm, &begin), 0);
			} else {
				ASSERT_TRUE(injected) TH_LOG("%s: errno %d", c->name, r);
				ASSERT_TRUE(r == ENOMEM || r == EFAULT || r == EBADF)
					TH_LOG("%s, fault %u: errno %d", c->name, nth, r);
				if (c->lossy && r == EFAULT) {
					ASSERT_EQ(vmport_load(self->vm, &begin), 0);
				} else {
					ASSERT_TRUE(vmport_state_is(self->vm, &before))
						TH_LOG("%s, fault %u: the state has changed",
						       c->name, nth);
				}
			}
			vmport_blob_free(&before);
		}
		/* The last had no fault at all, and so succeeded. */
		ASSERT_GT(nth, 2) TH_LOG("%s meets no fault", c->name);
		ASSERT_EQ(vmport_load(self->vm, &begin), 0);
		vmport_blob_free(&begin);
	}
	vmport_blob_free(&other);
}

TEST_F(fault, every_fault_of_a_result)
{
	unsigned int nth;
	bool injected = true;

	/* The reset that every TCLO channel begins with. */
	TEST_ASSERT_EQ(vmport_recv(&self->tclo, out, sizeof(out)), 5);
	vmport_send(&self->tclo, "OK ATR toolbox", 14);
	for (nth = 1; injected; nth++) {
		u32 size = sizeof(out), status;
		u64 id = 0, sent;
		int r;

		/* The guest answers. */
		TEST_ASSERT_EQ(vmport_tclo_send(self->vm, "ping", 4, &sent), 0);
		TEST_ASSERT_EQ(vmport_recv(&self->tclo, out, sizeof(out)), 4);
		vmport_send(&self->tclo, "OK ", 3);

		faults_begin(nth);
		r = vmport_tclo_result(self->vm, out, &size, &id, &status);
		injected = faults_end();
		self->faults += injected;
		if (r) {
			/* It is still there. */
			ASSERT_TRUE(injected);
			ASSERT_EQ(r, EFAULT);
			size = sizeof(out);
			ASSERT_EQ(vmport_tclo_result(self->vm, out, &size, &id, &status), 0);
		}
		ASSERT_EQ(id, sent);
		size = sizeof(out);
		ASSERT_EQ(vmport_tclo_result(self->vm, out, &size, &id, &status), ENOENT);
	}
}

TEST_F(fault, every_fault_of_enabling)
{
	unsigned int nth;
	bool injected = true;

	for (nth = 1; injected; nth++) {
		struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_VMPORT, .args[0] = VMPORT_RPC };
		struct kvm_vm *vm = vm_create_barebones();
		int r;

		faults_begin(nth);
		r = __vm_ioctl(vm, KVM_ENABLE_CAP, &cap);
		injected = faults_end();
		self->faults += injected;
		if (r) {
			ASSERT_TRUE(injected);
			ASSERT_TRUE(errno == ENOMEM || errno == EFAULT);
			/* As if nobody had tried. */
			vm_enable_cap(vm, KVM_CAP_X86_VMPORT, VMPORT_RPC);
		}
		kvm_vm_free(vm);
	}
}

/* One call with a fault in it; false when KVM_RUN itself failed. */
static bool call_with_fault(FIXTURE_DATA(fault) *self, struct kvm_vcpu *vcpu,
			    struct vmport_regs in, unsigned int nth,
			    struct vmport_regs *answer, bool *injected)
{
	struct kvm_regs regs;
	int r;

	vmport_set_regs(vcpu, &regs, &in);
	vmport_start(vcpu, vmport_in, &regs);
	faults_begin(nth);
	r = __vcpu_run(vcpu);
	*injected = faults_end();
	self->faults += *injected;
	if (r) {
		TEST_ASSERT(*injected && (errno == ENOMEM || errno == EFAULT),
			    "KVM_RUN: errno %d", errno);
		/* KVM's own; the guest goes on where it is. */
		vcpu_run(vcpu);
	}
	if (vcpu->run->exit_reason == KVM_EXIT_VMPORT)
		vcpu_run(vcpu);
	TEST_ASSERT(vmport_is_done(vcpu), "Exit %u", vcpu->run->exit_reason);
	vcpu_regs_get(vcpu, &regs);
	*answer = vmport_low(&regs);
	return !r;
}

TEST_F(fault, every_fault_of_open_and_sendsize)
{
	struct vmport_regs in, answer;
	struct vmport_blob before;
	bool injected = true;
	unsigned int nth, i, refused[2] = { };

	for (i = 0; i < 2; i++) {
		for (nth = 1, injected = true; injected; nth++) {
			before = vmport_save(self->vm);
			in = i ? vmport_msg_regs(&self->rpci, VMPORT_MSG_SENDSIZE, LARGE) :
				 (struct vmport_regs) {
					.ax = VMPORT_MAGIC,
					.bx = VMPORT_RPCI | VMPORT_COOKIE,
					.cx = VMPORT_CMD_MESSAGE,
					.dx = VMPORT_PORT,
				 };
			call_with_fault(self, self->vcpu, in, nth, &answer, &injected);
			if (!(vmport_status(&answer) & VMPORT_SUCCESS)) {
				refused[i]++;
				ASSERT_TRUE(injected);
				ASSERT_TRUE(vmport_state_is(self->vm, &before));
				in.cx = 0;
				ASSERT_EQ(memcmp(&in, &answer, sizeof(in)), 0);
			}
			/* A new channel has no buffers to reuse. */
			ASSERT_EQ(vmport_load(self->vm, &before), 0);
			vmport_blob_free(&before);
		}
	}
	/* SENDSIZE has two ways to its memory, of which one fails. */
	EXPECT_GT(refused[0], 0);
}

TEST_F(fault, every_fault_of_a_request)
{
	static const char * const requests[] = {
		"info-set guestinfo.key value of some length, so that it needs memory",
		"info-get guestinfo.large",
		"info-get guestinfo.none",
		"a request that the VMM may answer",
	};
	unsigned int i, nth, refused = 0;

	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		u32 size = strlen(requests[i]) & ~3u, word;
		bool injected = true;

		for (nth = 1; injected; nth++) {
			struct vmport_blob before = vmport_save(self->vm);
			struct vmport_regs answer;

			TEST_ASSERT(vmport_msg_status(&self->rpci, VMPORT_MSG_SENDSIZE, size),
				    "SENDSIZE");
			memcpy(vmport_host_buffer(&self->rpci), requests[i], size);
			TEST_ASSERT_EQ(vmport_loop(&self->rpci, vmport_send_loop,
						   VMPORT_MSG_SENDPAYLOAD, size / 4 - 1), 0);
			memcpy(&word, requests[i] + size - 4, 4);
			call_with_fault(self, self->vcpu,
					vmport_msg_regs(&self->rpci, VMPORT_MSG_SENDPAYLOAD, word),
					nth, &answer, &injected);
			if (!(vmport_status(&answer) & VMPORT_SUCCESS)) {
				/* The guest can send the word again. */
				ASSERT_TRUE(injected);
				refused++;
				answer = vmport_msg(&self->rpci, VMPORT_MSG_SENDPAYLOAD, word);
				ASSERT_EQ(vmport_status(&answer), VMPORT_SUCCESS);
			}
			/* A reply, "0 Out of memory" perhaps, and the channel works. */
			ASSERT_GE(vmport_recv(&self->rpci, out, sizeof(out)), 2);
			ASSERT_TRUE(!memcmp(out, "1 ", 2) || !memcmp(out, "0 ", 2));
			if (!memcmp(out, "1 ", 2) && !i)
				ASSERT_EQ(strncmp(vmport_get_text(self->vm, KEY),
						  "value of some length", 20), 0);
			ASSERT_EQ(vmport_load(self->vm, &before), 0);
			vmport_blob_free(&before);
		}
	}
	TH_LOG("%u refused", refused);
}

/* The clock runs, or it does not and the guest is told so. */
TEST_F(fault, every_fault_of_starting_a_steal_clock)
{
	u64 features = VMPORT_BASIC | KVM_VMPORT_FEATURE_STEALCLOCK, address;
	unsigned int nth, refused = 0;
	struct vmport_regs in, answer;
	bool injected = true;

	if (features & ~(u64)kvm_check_cap(KVM_CAP_X86_VMPORT))
		SKIP(return, "no KVM_VMPORT_FEATURE_STEALCLOCK");

	for (nth = 1; injected; nth++) {
		/* What a clock needs is allocated once for a vCPU. */
		struct kvm_vcpu *vcpu;
		struct kvm_vm *vm = vmport_vm_create(features, 1, &vcpu);
		struct vmport_blob before = vmport_save(vm);

		ASSERT_LT(nth, MOST_FAULTS);
		address = addr_gva2gpa(vm, vmport_buffer(0));
		in = (struct vmport_regs) {
			.ax = VMPORT_MAGIC, .cx = VMPORT_CMD_STEALCLOCK, .dx = VMPORT_PORT,
			.si = address >> 32, .di = address,
		};
		/* The guest has all that it needs to get there. */
		vmport_call(vcpu, (struct vmport_regs) {
			.ax = VMPORT_MAGIC, .cx = VMPORT_CMD_GETVERSION, .dx = VMPORT_PORT,
		});
		call_with_fault(self, vcpu, in, nth, &answer, &injected);
		if (!answer.ax) {
			ASSERT_TRUE(injected);
			refused++;
			ASSERT_TRUE(vmport_state_is(vm, &before));
			answer = vmport_call(vcpu, in);
		}
		ASSERT_EQ(answer.ax, 1);
		ASSERT_FALSE(vmport_state_is(vm, &before));
		vmport_blob_free(&before);
		kvm_vm_free(vm);
	}
	EXPECT_GT(refused, 0);
}

/* A block with a fault in it; its status. */
static u16 block_with_fault(FIXTURE_DATA(fault) *self, const struct vmport_channel *channel,
			    bool in, u32 size, unsigned int nth, bool *injected)
{
	struct kvm_vcpu *vcpu = channel->vcpu;
	u64 buffer = vmport_buffer(vcpu->id);
	struct kvm_regs regs = vmport_hb_regs(channel, VMPORT_HB_PORT, in, buffer, size);
	struct kvm_run *run = vcpu->run;
	struct kvm_vcpu_events events;
	u8 *memory;
	int r;

	vmport_start(vcpu, in ? vmport_rep_insb : vmport_rep_outsb, &regs);
	faults_begin(nth);
	r = __vcpu_run(vcpu);
	*injected = faults_end();
	self->faults += *injected;
	while (r || !vmport_is_done(vcpu)) {
		TEST_ASSERT(*injected, "Exit %u, errno %d", run->exit_reason, errno);
		/* KVM's own: what it cannot reach may be a device's, if it is no code. */
		if (r) {
			TEST_ASSERT(errno == ENOMEM || errno == EFAULT, "errno %d", errno);
		} else if (run->exit_reason == KVM_EXIT_MMIO) {
			memory = addr_gpa2hva(vcpu->vm, run->mmio.phys_addr);
			if (run->mmio.is_write)
				memcpy(memory, run->mmio.data, run->mmio.len);
			else
				memcpy(run->mmio.data, memory, run->mmio.len);
		} else {
			TEST_ASSERT_EQ(run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
			TEST_ASSERT_EQ(run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
			/* #UD, for want of the instruction's bytes. */
			vcpu_events_get(vcpu, &events);
			events.exception.injected = 0;
			events.exception.pending = 0;
			vcpu_events_set(vcpu, &events);
		}
		r = __vcpu_run(vcpu);
	}
	vcpu_regs_get(vcpu, &regs);
	TEST_ASSERT_EQ(regs.rcx, 0);
	TEST_ASSERT_EQ(in ? regs.rdi : regs.rsi, buffer + size);
	return regs.rbx >> 16;
}

TEST_F(fault, every_fault_of_a_block)
{
	u64 features = VMPORT_RPC | KVM_VMPORT_FEATURE_HB;
	struct vmport_channel channel;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	unsigned int nth, refused[2] = { };
	u32 size = 21 + 50000, value_size;
	bool injected, in;
	u16 status;
	u8 *buffer;
	int i;

	if (features & ~(u64)kvm_check_cap(KVM_CAP_X86_VMPORT))
		SKIP(return, "no high-bandwidth port");
	vm = vmport_vm_create(features, 1, &vcpu);
	vmport_hb_status = VMPORT_HB;
	buffer = addr_gva2hva(vm, vmport_buffer(0));
	TEST_ASSERT_EQ(vmport_set_entry(vm, "guestinfo.large", 15, self->large, LARGE, 0), 0);

	for (i = 0; i < 4; i++) {
		in = i & 1;
		/* A short reply is copied before it is given. */
		size = i & 2 ? 21 + 20 : 21 + 50000;
		for (nth = 1, injected = true; injected; nth++) {
			/* A new channel has no buffers to reuse. */
			channel = vmport_open(vcpu, VMPORT_RPCI | VMPORT_COOKIE);
			if (in) {
				vmport_send(&channel, i & 2 ? "info-get guestinfo.other" :
							      "info-get guestinfo.large", 24);
				size = vmport_poll(&channel);
				TEST_ASSERT_EQ(size, i & 2 ? 16 : 2 + LARGE);
				memset(buffer, 0, size);
			} else {
				TEST_ASSERT(vmport_msg_status(&channel, VMPORT_MSG_SENDSIZE, size),
					    "SENDSIZE");
				memcpy(buffer, "info-set guestinfo.k ", 21);
				memset(buffer + 21, 'a' + nth % 26, size - 21);
			}

			ASSERT_LT(nth, MOST_FAULTS);
			status = block_with_fault(self, &channel, in, size, nth, &injected);
			if (!status) {
				/* The guest can do it again. */
				ASSERT_TRUE(injected);
				refused[in]++;
				status = block_with_fault(self, &channel, in, size, MOST_FAULTS,
							  &injected);
				ASSERT_FALSE(injected);
				injected = true;
			}
			ASSERT_EQ(status, VMPORT_SUCCESS);
			if (in) {
				if (i & 2) {
					ASSERT_EQ(memcmp(buffer, "0 No value found", 16), 0);
				} else {
					ASSERT_EQ(memcmp(buffer, "1 ", 2), 0);
					ASSERT_EQ(memcmp(buffer + 2, self->large, LARGE), 0);
				}
				vmport_close(&channel);
				continue;
			}
			ASSERT_GE(vmport_recv(&channel, out, sizeof(out)), 2);
			if (memcmp(out, "1 ", 2)) {
				ASSERT_TRUE(injected);
				ASSERT_EQ(memcmp(out, "0 ", 2), 0);
			} else {
				value_size = sizeof(out);
				ASSERT_EQ(vmport_get_entry(vm, "guestinfo.k", 11, out, &value_size,
							   NULL), 0);
				ASSERT_EQ(value_size, size - 21);
				ASSERT_EQ(memcmp(out, buffer + 21, value_size), 0);
			}
			vmport_close(&channel);
		}
	}
	TH_LOG("%u and %u refused", refused[0], refused[1]);
	EXPECT_GT(refused[1], 0);
	kvm_vm_free(vm);
}

/* The guest asks what only the VMM knows; KVM_RUN has returned for that. */
static void ask(const struct vmport_channel *channel)
{
	struct kvm_vcpu *vcpu = channel->vcpu;
	struct kvm_regs regs;

	TEST_ASSERT(vmport_msg_status(channel, VMPORT_MSG_SENDSIZE, 4), "SENDSIZE");
	memcpy(vmport_host_buffer(channel), "what", 4);
	vmport_loop_regs(channel, &regs, VMPORT_MSG_SENDPAYLOAD, 0, 1);
	vmport_start(vcpu, vmport_send_loop, &regs);
	vcpu_run(vcpu);
	TEST_ASSERT_EQ(vcpu->run->exit_reason, KVM_EXIT_VMPORT);
}

TEST_F(fault, every_fault_of_an_answer)
{
	unsigned int nth, i, refused[3] = { };
	bool injected;
	u32 size, channel;
	u64 id;
	int r;

	if (!(kvm_check_cap(KVM_CAP_X86_VMPORT) & KVM_VMPORT_FEATURE_EXIT_RPC))
		SKIP(return, "no RPC for the VMM");

	/* Reading the oldest, reading one by its number, answering. */
	for (i = 0; i < 3; i++) {
		for (nth = 1, injected = true; injected; nth++) {
			ask(&self->rpci);
			id = i == 1 ? kvm_run_vmport(self->vcpu->run)->id : 0;
			size = sizeof(out);
			faults_begin(i == 2 ? MOST_FAULTS : nth);
			r = vmport_read_asked(self->vm, &id, out, &size, &channel);
			injected = faults_end();
			self->faults += injected;
			if (r) {
				ASSERT_TRUE(injected);
				ASSERT_TRUE(r == EFAULT || r == ENOMEM);
				refused[i]++;
				/* It still asks. */
				id = 0;
				size = sizeof(out);
				ASSERT_EQ(vmport_read_asked(self->vm, &id, out, &size, &channel),
					  0);
			}
			ASSERT_EQ(size, 4);
			ASSERT_EQ(memcmp(out, "what", 4), 0);

			if (i == 2)
				faults_begin(nth);
			r = vmport_answer(self->vm, id, self->large, LARGE);
			if (i == 2) {
				injected = faults_end();
				self->faults += injected;
			}
			if (r) {
				ASSERT_TRUE(injected);
				ASSERT_TRUE(r == EFAULT || r == ENOMEM);
				refused[2]++;
				ASSERT_EQ(vmport_answer(self->vm, id, self->large, LARGE), 0);
			}
			vcpu_run(self->vcpu);
			ASSERT_TRUE(vmport_is_done(self->vcpu));
			ASSERT_EQ(vmport_recv(&self->rpci, out, sizeof(out)), LARGE);
			ASSERT_EQ(memcmp(out, self->large, LARGE), 0);
		}
	}
	for (i = 0; i < 3; i++) {
		EXPECT_GT(refused[i], 0)
			TH_LOG("round %u", i);
	}
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_VMPORT));

	return test_harness_run(argc, argv);
}
