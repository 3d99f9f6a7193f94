// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmport-vmm: a small VMM that uses KVM's VMware guest interface.
 *
 *	vmport-vmm save FILE	runs guest.S until half of its message is sent, saves it
 *	vmport-vmm restore FILE	goes on with it in another process, as after a migration
 *
 * The functions stand in the order of a VM's life.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kvm.h>
#include <linux/kvm_vmport.h>

#include "guest.h"

#define MEMORY_SIZE	0x10000

/*
 * What this VMM promises its guests, on every host.  It does not take all that the kernel
 * offers: such a guest could not move to an older kernel.  RING3, as what calls in a real
 * guest are the processes of open-vm-tools.
 */
#define FEATURES	(KVM_VMPORT_FEATURE_ENABLE | KVM_VMPORT_FEATURE_RPC | \
			 KVM_VMPORT_FEATURE_HB | KVM_VMPORT_FEATURE_RING3)

static int kvm, vm, vcpu, events;	/* fds */
static struct kvm_run *run;

/*
 * The guest, and the head of this VMM's own file; the blob of KVM_GET_VMPORT_STATE follows,
 * to the end of the file.  This guest has nothing in MSRs, the FPU and so on; for others a
 * VMM saves those too.
 */
static struct image {
	alignas(4096) unsigned char memory[MEMORY_SIZE];
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	char magic[8];
} image;

#define IMAGE_MAGIC	"VMPORT1"

/* An ioctl of KVM's own, whose errors are an errno. */
static int kvm_ioctl(int fd, unsigned long request, const char *name, unsigned long arg)
{
	int ret = ioctl(fd, request, arg);

	if (ret < 0)
		err(1, "%s", name);
	return ret;
}

#define KVM(fd, request, arg)	kvm_ioctl(fd, request, #request, (unsigned long)(arg))

/*
 * vmport's ioctls have an error field too.  errno says what kind of error it is, and so
 * what a VMM can do about it; the field says which item is wrong.
 */
static void fail(const char *what, __u32 error)
{
	const char *todo = "a bug of the VMM";

	if (errno == EPERM)		/* mostly KVM_VMPORT_ERR_FEATURE */
		todo = "enable the feature, or leave the guest where it is";
	else if (errno == EOPNOTSUPP)	/* KVM_VMPORT_ERR_VERSION, _CRITICAL */
		todo = "save with the sections that the other kernel knows";
	else if (errno == E2BIG)	/* KVM_VMPORT_ERR_BUFFER to _MANY */
		todo = "over a limit: use less, or raise it by KVM_VMPORT_ATTR_LIMITS";
	else if (errno == EINVAL)	/* KVM_VMPORT_ERR_MAGIC to _IDENTITY */
		todo = "malformed: it will not do better a second time";
	else if (errno == ENOMEM || errno == EBUSY)
		todo = "no room: nothing was changed, try again later";
	err(1, "%s: KVM_VMPORT_ERR_* %u: %s", what, error, todo);
}

static void get_attr(struct kvm_vmport_attr *attr)
{
	if (ioctl(vm, KVM_GET_VMPORT_ATTR, attr) < 0)
		fail("KVM_GET_VMPORT_ATTR", attr->error);
}

static void set_attr(struct kvm_vmport_attr *attr)
{
	if (ioctl(vm, KVM_SET_VMPORT_ATTR, attr) < 0)
		fail("KVM_SET_VMPORT_ATTR", attr->error);
}

static void create_vm(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_VMPORT, .args = { FEATURES } };
	struct kvm_userspace_memory_region region = {
		.memory_size = MEMORY_SIZE,
		.userspace_addr = (unsigned long)image.memory,
	};
	int known;

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		err(1, "/dev/kvm");
	vm = KVM(kvm, KVM_CREATE_VM, 0);

	/* Ask the VM, not /dev/kvm: there are encrypted VMs that cannot have it. */
	known = KVM(vm, KVM_CHECK_EXTENSION, KVM_CAP_X86_VMPORT);
	if (!known)
		errx(1, "this kernel's KVM has no KVM_CAP_X86_VMPORT");
	if (FEATURES & ~known)
		errx(1, "this kernel lacks the features %#llx", FEATURES & ~known);
	KVM(vm, KVM_ENABLE_CAP, &cap);

	KVM(vm, KVM_SET_TSS_ADDR, 0xfffbd000);	/* old Intel: for real mode */
	KVM(vm, KVM_SET_USER_MEMORY_REGION, &region);
}

/* The VMM's configuration: not in the state, but the same on both sides of a migration. */
static void configure(void)
{
	struct kvm_vmport_attr attr = { .type = KVM_VMPORT_ATTR_INFO };

	get_attr(&attr);
	printf("vmm: features %#llx, sections %#llx\n", attr.u.info.features,
	       attr.u.info.sections);

	/* SET takes all fields: get them, change what is otherwise in this VM. */
	attr.type = KVM_VMPORT_ATTR_IDENTITY;
	get_attr(&attr);
	attr.u.identity.hw_version = 19;
	memcpy(attr.u.identity.uuid, "vmport-vmm's uid", 16);
	set_attr(&attr);

	/* Here would be KVM_VMPORT_ATTR_LIMITS.  A real VMM's event loop polls the fd. */
	events = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (events < 0)
		err(1, "eventfd");
	attr = (struct kvm_vmport_attr) { .type = KVM_VMPORT_ATTR_EVENTFD };
	attr.u.eventfd.fd = events;
	set_attr(&attr);
}

/* What cloud-init looks for, in one step: no guest sees the one without the other. */
static void set_guestinfo(void)
{
	static const char *const pairs[][2] = {
		{ "guestinfo.metadata", "instance-id: sample" },
		{ "guestinfo.userdata", "#cloud-config" },
	};
	struct kvm_vmport_attr attr = { .type = KVM_VMPORT_ATTR_GUESTINFO_MANY };
	struct kvm_vmport_guestinfo items[2] = { 0 };
	int i;

	for (i = 0; i < 2; i++) {
		items[i].key = (unsigned long)pairs[i][0];
		items[i].key_size = strlen(pairs[i][0]);
		items[i].value = (unsigned long)pairs[i][1];
		items[i].value_size = strlen(pairs[i][1]);
		items[i].flags = KVM_VMPORT_GUESTINFO_READONLY;
	}
	attr.u.many.items = (unsigned long)items;
	attr.u.many.count = 2;
	set_attr(&attr);
}

/* The capability can be enabled before this only. */
static void create_vcpu(void)
{
	vcpu = KVM(vm, KVM_CREATE_VCPU, 0);
	run = mmap(NULL, KVM(kvm, KVM_GET_VCPU_MMAP_SIZE, 0),
		   PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		err(1, "mapping the vCPU");
}

static void start_guest(void)
{
	memcpy(image.memory, guest_start, guest_end - guest_start);
	KVM(vcpu, KVM_GET_SREGS, &image.sregs);	/* real mode, but CS is the BIOS' */
	image.sregs.cs.base = 0;
	image.sregs.cs.selector = 0;
	image.regs = (struct kvm_regs) { .rsp = MEMORY_SIZE / 2, .rflags = 2 };
	KVM(vcpu, KVM_SET_SREGS, &image.sregs);
	KVM(vcpu, KVM_SET_REGS, &image.regs);
}

/* The guest's calls on port 0x5658 never come here: KVM answers them. */
static void run_until(int event)
{
	const char *data;

	for (;;) {
		KVM(vcpu, KVM_RUN, 0);
		if (run->exit_reason != KVM_EXIT_IO)
			errx(1, "KVM_RUN: exit reason %u", run->exit_reason);
		data = (const char *)run + run->io.data_offset;
		if (run->io.port == PORT_EVENT)
			break;
		putchar(*data);
	}
	if (*data != event)
		errx(1, "a call of the guest has failed");
}

static void save(const char *path)
{
	/* sections 0: all.  For an older host: the sections of its KVM_VMPORT_ATTR_INFO. */
	struct kvm_vmport_state state = { .size = 0 };
	void *blob = NULL;
	FILE *file;

	/* The vCPU stands in its OUT.  This completes it, and runs no more of the guest. */
	run->immediate_exit = 1;
	if (!ioctl(vcpu, KVM_RUN, 0) || errno != EINTR)
		errx(1, "KVM_RUN does not complete an OUT");
	KVM(vcpu, KVM_GET_REGS, &image.regs);
	KVM(vcpu, KVM_GET_SREGS, &image.sregs);
	memcpy(image.magic, IMAGE_MAGIC, sizeof(image.magic));

	/* While vCPUs run the state can grow between two calls. */
	while (ioctl(vm, KVM_GET_VMPORT_STATE, &state) < 0) {
		if (errno != E2BIG || state.error != KVM_VMPORT_ERR_BUFFER)
			fail("KVM_GET_VMPORT_STATE", state.error);
		blob = realloc(blob, state.size);
		if (!blob)
			err(1, "%llu bytes of state", state.size);
		state.data = (unsigned long)blob;
	}

	file = fopen(path, "w");
	if (!file || fwrite(&image, sizeof(image), 1, file) != 1 ||
	    fwrite(blob, state.size, 1, file) != 1 || fclose(file))
		err(1, "%s", path);
	printf("vmm: saved, %llu bytes are vmport's\n", state.size);
}

static void load(const char *path)
{
	struct kvm_vmport_state state = { 0 };
	void *blob = malloc(KVM_VMPORT_MAX_STATE);
	FILE *file = fopen(path, "r");
	char what[64];

	if (!file || !blob)
		err(1, "%s", path);
	if (fread(&image, sizeof(image), 1, file) != 1 ||
	    memcmp(image.magic, IMAGE_MAGIC, sizeof(image.magic)))
		errx(1, "%s: cut, or no file of vmport-vmm save", path);
	state.data = (unsigned long)blob;
	state.size = fread(blob, 1, KVM_VMPORT_MAX_STATE, file);

	/* KVM checks the blob, so the VMM need not.  On an error nothing has changed. */
	if (ioctl(vm, KVM_SET_VMPORT_STATE, &state) < 0) {
		if (state.error == KVM_VMPORT_ERR_FEATURE)
			snprintf(what, sizeof(what), "the guest needs features %#llx",
				 state.error_mask);
		else
			snprintf(what, sizeof(what), "the state, byte %llu", state.error_offset);
		fail(what, state.error);
	}
	KVM(vcpu, KVM_SET_SREGS, &image.sregs);
	KVM(vcpu, KVM_SET_REGS, &image.regs);
	free(blob);
	fclose(file);
}

static void show_entry(const char *key)
{
	static char value[KVM_VMPORT_MAX_VALUE];
	struct kvm_vmport_attr attr = { .type = KVM_VMPORT_ATTR_GUESTINFO };

	attr.u.guestinfo.key = (unsigned long)key;
	attr.u.guestinfo.key_size = strlen(key);
	attr.u.guestinfo.value = (unsigned long)value;
	attr.u.guestinfo.value_size = sizeof(value);
	get_attr(&attr);
	printf("vmm: %s = %.*s\n", key, (int)attr.u.guestinfo.value_size, value);
}

/* Shows what was set since a number; returns the number to go on with. */
static __u64 show_changes(__u64 since)
{
	struct kvm_vmport_attr attr = { .type = KVM_VMPORT_ATTR_CHANGES };
	/* Room for all; or begin with none, as for the state, and -E2BIG says the size. */
	static char names[KVM_VMPORT_MAX_GUESTINFO + KVM_VMPORT_MAX_KEYS];
	const char *name = names;
	__u32 i;

	attr.u.changes.since = since;
	attr.u.changes.names = (unsigned long)names;
	attr.u.changes.names_size = sizeof(names);
	get_attr(&attr);
	for (i = 0; i < attr.u.changes.count; i++, name += strlen(name) + 1)
		show_entry(name);
	return attr.u.changes.sequence;
}

int main(int argc, char **argv)
{
	__u64 loaded, signals;

	if (argc != 3 || (strcmp(argv[1], "save") && strcmp(argv[1], "restore")))
		errx(1, "usage: vmport-vmm save|restore FILE");

	create_vm();
	configure();
	if (!strcmp(argv[1], "save")) {
		set_guestinfo();
		create_vcpu();
		start_guest();
		run_until(EVENT_HALF);
		save(argv[2]);
	} else {
		create_vcpu();
		load(argv[2]);
		/* All that was loaded counts as set. */
		loaded = show_changes(0);
		run_until(EVENT_DONE);
		if (read(events, &signals, sizeof(signals)) < 0)
			err(1, "the eventfd");
		show_changes(loaded);
	}
	return 0;
}
