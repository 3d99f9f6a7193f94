// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory that a VMM gives to GET and SET may come as late as it likes, as that
 * of a VMM which is itself migrated does: the guest goes on meanwhile, and in the
 * end the state is whole.  So may the guest's own, in the middle of a message: all
 * but the vCPU that needs it go on.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmport_cgroup.h"
#include "vmport_test.h"

#define PAGES		24
#define PAGE		4096ul

#define GUEST_ADDRESS	0x7f1234560000ull
#define GUEST_GPA	0x140000000ull
#define GUEST_SLOT	10
#define MESSAGE_SIZE	(3 * PAGE)

#define FEATURES	(VMPORT_RPC | (kvm_check_cap(KVM_CAP_X86_VMPORT) & \
				       KVM_VMPORT_FEATURE_HB))

/* Memory that has no pages until they are given to it. */
struct late {
	int fd;
	u8 *data;
};

/* An ioctl that waits for that memory. */
struct waiter {
	pthread_t thread;
	struct kvm_vm *vm;
	u8 *data;
	u64 size;
	bool set;
	bool done;
	int r;
};

/* @data has no pages yet; those that it gets go with what it is of. */
static bool late_begin(struct late *late, void *data)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range.start = (unsigned long)data,
		.range.len = PAGES * PAGE,
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	late->fd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (late->fd < 0)
		return false;
	late->data = data;
	TEST_ASSERT(!ioctl(late->fd, UFFDIO_API, &api) &&
		    !ioctl(late->fd, UFFDIO_REGISTER, &range), "userfaultfd");
	return true;
}

static bool late_create(struct late *late)
{
	void *data = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	TEST_ASSERT(data != MAP_FAILED, "No memory");
	if (late_begin(late, data))
		return true;
	munmap(data, PAGES * PAGE);
	return false;
}

static void late_free(struct late *late)
{
	munmap(late->data, PAGES * PAGE);
	close(late->fd);
}

/* The page that somebody waits for, or -1 when nobody does for a while. */
static int late_wait(struct late *late, int ms)
{
	struct pollfd fd = { .fd = late->fd, .events = POLLIN };
	struct uffd_msg msg;

	if (poll(&fd, 1, ms) <= 0)
		return -1;
	TEST_ASSERT_EQ(read(late->fd, &msg, sizeof(msg)), sizeof(msg));
	TEST_ASSERT_EQ(msg.event, UFFD_EVENT_PAGEFAULT);
	return (msg.arg.pagefault.address - (unsigned long)late->data) / PAGE;
}

/* Page @nr comes, and has what is at @from. */
static void late_give(struct late *late, int nr, const u8 *from)
{
	static u8 page[PAGE] __aligned(PAGE);
	struct uffdio_copy copy = {
		.dst = (unsigned long)late->data + nr * PAGE,
		.src = (unsigned long)page,
		.len = PAGE,
	};

	memcpy(page, from, PAGE);
	TEST_ASSERT(!ioctl(late->fd, UFFDIO_COPY, &copy), "UFFDIO_COPY");
}

static void *wait_run(void *data)
{
	struct waiter *waiter = data;

	waiter->r = waiter->set ? vmport_set_state(waiter->vm, waiter->data, waiter->size) :
				  vmport_get_state(waiter->vm, waiter->data, &waiter->size);
	WRITE_ONCE(waiter->done, true);
	return NULL;
}

/* The guest talks, and is answered. */
static void guest_talks(struct vmport_channel *channel, int nr)
{
	char text[64], reply[64];

	snprintf(text, sizeof(text), "info-set guestinfo.talk %d", nr);
	TEST_ASSERT(!strcmp(vmport_rpc_text(channel, text), "1 "), "%s", text);
	snprintf(reply, sizeof(reply), "1 %d", nr);
	TEST_ASSERT(!strcmp(vmport_rpc_text(channel, "info-get guestinfo.talk"), reply),
		    "Not %s", reply);
}

/* Values that are copied and values that are not. */
static void fill(struct kvm_vm *vm, u8 letter)
{
	static const u32 sizes[] = { 10, 1000, 5000, 20000, 40000 };
	static u8 value[40000];
	char key[32];
	int i;

	memset(value, letter, sizeof(value));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		snprintf(key, sizeof(key), "guestinfo.%d", i);
		TEST_ASSERT_EQ(vmport_set_entry(vm, key, strlen(key), value, sizes[i], 0), 0);
	}
}

/* Serve the waiter page by page, with the guest talking between; how many came. */
static int serve(struct late *late, struct waiter *waiter, const u8 *from,
		 struct vmport_channel *channel)
{
	static const u8 zeroes[PAGE];
	int nr, pages = 0;

	while (!READ_ONCE(waiter->done)) {
		nr = late_wait(late, 100);
		if (nr < 0)
			continue;
		guest_talks(channel, pages);
		TEST_ASSERT(!READ_ONCE(waiter->done), "It did not wait");
		late_give(late, nr, from ? from + nr * PAGE : zeroes);
		pages++;
	}
	pthread_join(waiter->thread, NULL);
	return pages;
}

TEST(guest_goes_on_while_get_waits)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vmport_vm_create(VMPORT_RPC, 1, &vcpu);
	struct kvm_vm *other = vmport_vm_create_barebones(VMPORT_RPC);
	struct vmport_channel channel = vmport_open(vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	struct waiter waiter = { .vm = vm, .size = PAGES * PAGE };
	struct vmport_blob blob;
	struct late late;

	if (!late_create(&late))
		SKIP(return, "no userfaultfd");
	fill(vm, 'a');
	guest_talks(&channel, 1000);
	waiter.data = late.data;
	ASSERT_EQ(pthread_create(&waiter.thread, NULL, wait_run, &waiter), 0);
	EXPECT_GE(serve(&late, &waiter, NULL, &channel), 16);
	ASSERT_EQ(waiter.r, 0);

	/* It is of before the guest went on, and whole. */
	blob = (struct vmport_blob){ .data = late.data, .size = waiter.size };
	ASSERT_EQ(vmport_load(other, &blob), 0);
	EXPECT_STREQ(vmport_get_text(other, "guestinfo.talk"), "1000");
	EXPECT_STREQ(vmport_get_text(other, "guestinfo.0"), "aaaaaaaaaa");
	late_free(&late);
	kvm_vm_free(vm);
	kvm_vm_free(other);
}

TEST(guest_goes_on_while_set_waits)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vmport_vm_create(VMPORT_RPC, 1, &vcpu);
	struct kvm_vm *other = vmport_vm_create_barebones(VMPORT_RPC);
	struct vmport_channel channel = vmport_open(vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	struct waiter waiter = { .vm = vm, .set = true };
	u8 *padded = vmport_alloc(PAGES * PAGE);
	struct vmport_blob blob;
	struct late late;

	if (!late_create(&late))
		SKIP(return, "no userfaultfd");
	fill(other, 'b');
	blob = vmport_save(other);
	ASSERT_LE(blob.size, PAGES * PAGE);
	memcpy(padded, blob.data, blob.size);
	waiter.size = blob.size;
	fill(vm, 'a');
	waiter.data = late.data;
	ASSERT_EQ(pthread_create(&waiter.thread, NULL, wait_run, &waiter), 0);
	EXPECT_EQ(serve(&late, &waiter, padded, &channel), DIV_ROUND_UP(blob.size, PAGE));
	ASSERT_EQ(waiter.r, 0);

	/* What the guest did in the meantime was done to the old state. */
	EXPECT_TRUE(vmport_state_is(vm, &blob));
	EXPECT_EQ(vmport_msg_status(&channel, VMPORT_MSG_SENDSIZE, 4), 0);
	channel = vmport_open(vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	EXPECT_STREQ(vmport_rpc_text(&channel, "info-get guestinfo.0"), "1 bbbbbbbbbb");
	late_free(&late);
	vmport_blob_free(&blob);
	free(padded);
	kvm_vm_free(vm);
	kvm_vm_free(other);
}

/* A vCPU that sends a message whose pages come late. */
struct sending {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[2];
	struct vmport_channel channel;	/* as the second vCPU uses it */
	struct vmport_blob before;
	struct late late;
	pthread_t thread;
	struct kvm_regs regs;
	bool done;
	int awaited;			/* page */
	u8 text[PAGES * PAGE];
};

static void *send_run(void *data)
{
	struct sending *s = data;

	vmport_run_done(s->vcpus[0], vmport_rep_outsb, &s->regs);
	WRITE_ONCE(s->done, true);
	return NULL;
}

/* The next page comes; which one does not matter. */
static bool message_page(struct sending *s)
{
	int nr = late_wait(&s->late, 100);

	if (nr >= 0)
		late_give(&s->late, nr, s->text + nr * PAGE);
	return nr >= 0;
}

/* The rest of them. */
static u16 message_end(struct sending *s)
{
	TEST_ASSERT(!READ_ONCE(s->done), "It did not wait");
	late_give(&s->late, s->awaited, s->text + s->awaited * PAGE);
	while (!READ_ONCE(s->done))
		message_page(s);
	pthread_join(s->thread, NULL);
	TEST_ASSERT_EQ(s->regs.rcx, 0);
	TEST_ASSERT_EQ(s->regs.rsi, GUEST_ADDRESS + MESSAGE_SIZE);
	return s->regs.rbx >> 16;
}

static bool value_is(struct sending *s)
{
	static u8 value[MESSAGE_SIZE];
	u32 size = sizeof(value);

	return !vmport_get_entry(s->vm, "guestinfo.k", 11, value, &size, NULL) &&
	       size == MESSAGE_SIZE - 21 && !memcmp(value, s->text + 21, size);
}

/* A process of its own, but with this one's memory, which the VM is for. */
static int ask_for_events(void *data)
{
	struct kvm_vmport_attr attr = { .type = KVM_VMPORT_ATTR_EVENTS };
	struct kvm_vm *vm = data;

	return ioctl(vm->fd, KVM_GET_VMPORT_ATTR, &attr) ? 1 : 0;
}

/* Values of the largest size, and one behind them that may come late. */
#define LARGE_VALUES	15

struct changes {
	struct kvm_vm *vm;
	struct kvm_vmport_guestinfo items[LARGE_VALUES + 1];
	char keys[LARGE_VALUES + 1][16];
	int r;
};

static void *changes_run(void *data)
{
	struct changes *changes = data;
	u32 index;

	changes->r = vmport_set_many(changes->vm, changes->items, ARRAY_SIZE(changes->items),
				     &index);
	return NULL;
}

TEST(what_a_call_has_copied_when_it_waits_is_charged)
{
	u8 *value = vmport_alloc(KVM_VMPORT_MAX_VALUE);
	struct changes changes = { };
	struct kvm_vmport_guestinfo *item;
	struct late late;
	pthread_t thread;
	u64 before;
	int i;

	if (!vmport_enter_cgroup())
		SKIP(return, "no memory cgroup");
	if (!late_create(&late)) {
		vmport_leave_cgroup();
		SKIP(return, "no userfaultfd");
	}
	memset(value, 'v', KVM_VMPORT_MAX_VALUE);
	changes.vm = vmport_vm_create_barebones(VMPORT_RPC);
	for (i = 0; i <= LARGE_VALUES; i++) {
		item = &changes.items[i];
		item->key = (unsigned long)changes.keys[i];
		item->key_size = snprintf(changes.keys[i], sizeof(changes.keys[i]),
					  "guestinfo.%d", i);
		item->value = (unsigned long)value;
		item->value_size = KVM_VMPORT_MAX_VALUE;
	}
	item->value = (unsigned long)late.data;
	item->value_size = 1;

	before = vmport_cgroup_number("memory.current");
	ASSERT_EQ(pthread_create(&thread, NULL, changes_run, &changes), 0);
	ASSERT_EQ(late_wait(&late, 10000), 0);
	EXPECT_GE(vmport_cgroup_number("memory.current") - before,
		  (u64)LARGE_VALUES * KVM_VMPORT_MAX_VALUE);
	late_give(&late, 0, value);
	pthread_join(thread, NULL);
	EXPECT_EQ(changes.r, 0);
	EXPECT_STREQ(vmport_get_text(changes.vm, changes.keys[LARGE_VALUES]), "v");
	kvm_vm_free(changes.vm);
	late_free(&late);
	vmport_leave_cgroup();
	free(value);
}

/* Who waits for its turn behind an ioctl that waits for memory can be killed meanwhile. */
TEST(who_waits_for_another_ioctl_can_be_killed)
{
	static u8 stack[65536] __aligned(16);
	static const u8 zeroes[PAGE];
	struct waiter waiter = { .set = true, .size = PAGE };
	int status = 0, i;
	struct late late;
	pid_t pid;

	if (!late_create(&late))
		SKIP(return, "No userfaultfd");
	waiter.vm = vmport_vm_create_barebones(VMPORT_RPC);
	waiter.data = late.data;
	pthread_create(&waiter.thread, NULL, wait_run, &waiter);
	ASSERT_EQ(late_wait(&late, 60000), 0);

	pid = clone(ask_for_events, stack + sizeof(stack), CLONE_VM | CLONE_FILES | SIGCHLD,
		    waiter.vm);
	ASSERT_GT(pid, 0);
	/* It has not come back, so it waits, or will soon. */
	usleep(200000);
	EXPECT_EQ(waitpid(pid, &status, WNOHANG), 0);
	kill(pid, SIGKILL);
	for (i = 0; i < 600 && !waitpid(pid, &status, WNOHANG); i++)
		usleep(100000);
	EXPECT_LT(i, 600);
	EXPECT_TRUE(WIFSIGNALED(status));

	late_give(&late, 0, zeroes);
	pthread_join(waiter.thread, NULL);
	EXPECT_EQ(waiter.r, EINVAL);
	late_free(&late);
	kvm_vm_free(waiter.vm);
}

FIXTURE(message) {
	struct sending s;
};

FIXTURE_SETUP(message)
{
	struct vmport_channel sender;
	u32 i;

	if (!(FEATURES & KVM_VMPORT_FEATURE_HB))
		SKIP(return, "no high-bandwidth port");
	self->s.vm = vmport_vm_create(FEATURES, 2, self->s.vcpus);
	vmport_hb_status = VMPORT_HB;
	vm_userspace_mem_region_add(self->s.vm, VM_MEM_SRC_ANONYMOUS, GUEST_GPA, GUEST_SLOT,
				    PAGES, 0);
	virt_map(self->s.vm, GUEST_ADDRESS, GUEST_GPA, PAGES);
	if (!late_begin(&self->s.late, addr_gpa2hva(self->s.vm, GUEST_GPA)))
		SKIP(return, "no userfaultfd");

	memcpy(self->s.text, "info-set guestinfo.k ", 21);
	for (i = 21; i < MESSAGE_SIZE; i++)
		self->s.text[i] = 1 + (i * 11 + i / 256) % 255;

	self->s.before = vmport_save(self->s.vm);
	sender = vmport_open(self->s.vcpus[0], VMPORT_RPCI | VMPORT_COOKIE);
	self->s.channel = sender;
	self->s.channel.vcpu = self->s.vcpus[1];
	ASSERT_EQ(vmport_msg_status(&sender, VMPORT_MSG_SENDSIZE, MESSAGE_SIZE), 0x81);
	self->s.regs = vmport_hb_regs(&sender, VMPORT_HB_PORT, false, GUEST_ADDRESS, MESSAGE_SIZE);
	ASSERT_EQ(pthread_create(&self->s.thread, NULL, send_run, &self->s), 0);

	/* The first one is for the emulator; then all of it is read. */
	while (!message_page(&self->s))
		;
	do {
		self->s.awaited = late_wait(&self->s.late, 100);
	} while (self->s.awaited < 0);
}

FIXTURE_TEARDOWN(message)
{
	close(self->s.late.fd);
	vmport_blob_free(&self->s.before);
	kvm_vm_free(self->s.vm);
}

TEST_F(message, comes_in_the_end)
{
	EXPECT_EQ(message_end(&self->s), VMPORT_SUCCESS);
	EXPECT_TRUE(value_is(&self->s));
	EXPECT_EQ(vmport_poll(&self->s.channel), 2);
}

TEST_F(message, get_does_not_wait_and_the_message_is_there_with_nothing_of_it)
{
	struct kvm_vm *other = vmport_vm_create_barebones(FEATURES);
	struct vmport_blob blob = vmport_save(self->s.vm), again;

	EXPECT_EQ(vmport_load(other, &blob), 0);
	again = vmport_save(other);
	ASSERT_EQ(again.size, blob.size);
	EXPECT_EQ(memcmp(again.data, blob.data, blob.size), 0);
	/* A header, and a channel without payload; when it was used. */
	EXPECT_LT(blob.size, 32 + 128);
	EXPECT_GT(blob.size, self->s.before.size);
	EXPECT_EQ(message_end(&self->s), VMPORT_SUCCESS);
	EXPECT_TRUE(value_is(&self->s));
	vmport_blob_free(&blob);
	vmport_blob_free(&again);
	kvm_vm_free(other);
}

TEST_F(message, another_vcpu_sends_the_same_one_by_words)
{
	u32 word, at;

	/* The last word is left to the first vCPU. */
	for (at = 0; at < MESSAGE_SIZE - 4; at += 4) {
		memcpy(&word, self->s.text + at, 4);
		ASSERT_EQ(vmport_msg_status(&self->s.channel, VMPORT_MSG_SENDPAYLOAD, word),
			  VMPORT_SUCCESS);
	}
	EXPECT_EQ(message_end(&self->s), VMPORT_SUCCESS);
	EXPECT_TRUE(value_is(&self->s));
	EXPECT_EQ(vmport_poll(&self->s.channel), 2);
}

TEST_F(message, another_vcpu_begins_another_one)
{
	EXPECT_EQ(vmport_msg_status(&self->s.channel, VMPORT_MSG_SENDSIZE, 100), 0x81);
	EXPECT_EQ(message_end(&self->s), 0);
	EXPECT_EQ(vmport_poll(&self->s.channel), -1);
	EXPECT_STREQ(vmport_rpc_text(&self->s.channel, "info-get guestinfo.k"),
		     "0 No value found");
}

TEST_F(message, another_vcpu_closes_the_channel)
{
	vmport_close(&self->s.channel);
	EXPECT_EQ(message_end(&self->s), 0);
	EXPECT_FALSE(value_is(&self->s));
}

TEST_F(message, attributes_do_not_wait)
{
	struct kvm_vmport_identity identity;
	struct kvm_vmport_limits limits;
	u64 id;

	EXPECT_EQ(vmport_get_identity(self->s.vm, &identity), 0);
	identity.memory_mib = 77;
	EXPECT_EQ(vmport_set_identity(self->s.vm, &identity), 0);
	EXPECT_EQ(vmport_get_limits(self->s.vm, &limits), 0);
	limits.channels = 50;
	EXPECT_EQ(vmport_set_limits(self->s.vm, &limits), 0);
	EXPECT_EQ(vmport_set_text(self->s.vm, "guestinfo.k", "before the message"), 0);
	EXPECT_EQ(vmport_set_eventfd(self->s.vm, -1), 0);
	EXPECT_EQ(vmport_tclo_send(self->s.vm, "ping", 4, &id), 0);
	EXPECT_EQ(message_end(&self->s), VMPORT_SUCCESS);
	EXPECT_TRUE(value_is(&self->s));
}

TEST_F(message, reset_does_not_wait_and_the_channel_is_gone)
{
	EXPECT_EQ(vmport_reset(self->s.vm), 0);
	EXPECT_EQ(message_end(&self->s), 0);
	EXPECT_FALSE(value_is(&self->s));
}

TEST_F(message, set_does_not_wait_and_the_channel_is_gone)
{
	EXPECT_EQ(vmport_load(self->s.vm, &self->s.before), 0);
	EXPECT_EQ(message_end(&self->s), 0);
	EXPECT_TRUE(vmport_state_is(self->s.vm, &self->s.before));
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_X86_VMPORT) & KVM_VMPORT_FEATURE_RPC);

	return test_harness_run(argc, argv);
}
