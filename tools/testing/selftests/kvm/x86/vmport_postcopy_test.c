// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory that a VMM gives to GET and SET may come as late as it likes, as that
 * of a VMM which is itself migrated does: the guest goes on meanwhile, and in the
 * end the state is whole.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmport.h"

#define PAGES		24
#define PAGE		4096ul

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

static bool late_create(struct late *late)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range.len = PAGES * PAGE,
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	late->fd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (late->fd < 0)
		return false;
	late->data = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(late->data != MAP_FAILED, "No memory");
	range.range.start = (unsigned long)late->data;
	TEST_ASSERT(!ioctl(late->fd, UFFDIO_API, &api) &&
		    !ioctl(late->fd, UFFDIO_REGISTER, &range), "userfaultfd");
	return true;
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

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_X86_VMPORT) & KVM_VMPORT_FEATURE_RPC);

	return test_harness_run(argc, argv);
}
