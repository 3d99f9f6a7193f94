// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_CAP_X86_VMPORT and the attributes: what is refused and with which error,
 * defaults, limits, and the layout that 32-bit callers rely on.
 */
#include <signal.h>
#include <stddef.h>

#include "vmport_test.h"
#include "vmport_abi.h"

#define KNOWN_FEATURES	(VMPORT_RING3 | VMPORT_HYPERCALL | KVM_VMPORT_FEATURE_PMC |	\
			 KVM_VMPORT_FEATURE_EXIT_RPC | KVM_VMPORT_FEATURE_NESTED)

kvm_static_assert(sizeof(struct kvm_vmport_exit) <= sizeof(((struct kvm_run *)0)->padding));
kvm_static_assert(offsetof(struct kvm_run, padding) == offsetof(struct kvm_run, io));

/* Types of attribute, 0 among them, which none has. */
#define NR_ATTRS	(KVM_VMPORT_ATTR_TCLO_CANCEL + 1)

static int enable(struct kvm_vm *vm, u64 features)
{
	return __vm_enable_cap(vm, KVM_CAP_X86_VMPORT, features) ? errno : 0;
}

static int enable_raw(struct kvm_vm *vm, struct kvm_enable_cap cap)
{
	cap.cap = KVM_CAP_X86_VMPORT;
	return __vm_ioctl(vm, KVM_ENABLE_CAP, &cap) ? errno : 0;
}

/* An attribute whose contents do not matter, because it is refused before. */
static int attr_of_type(struct kvm_vm *vm, unsigned long cmd, u32 type)
{
	struct kvm_vmport_attr attr = { .type = type };

	return vmport_attr(vm, cmd, &attr);
}

FIXTURE(cap) {
	struct kvm_vm *vm;
};

FIXTURE_SETUP(cap)
{
	self->vm = vm_create_barebones();
}

FIXTURE_TEARDOWN(cap)
{
	kvm_vm_free(self->vm);
}

TEST_F(cap, check_extension_same_on_system_and_vm_fd)
{
	u32 mask = kvm_check_cap(KVM_CAP_X86_VMPORT);

	EXPECT_EQ(mask & KNOWN_FEATURES, KNOWN_FEATURES);
	EXPECT_EQ(vm_check_cap(self->vm, KVM_CAP_X86_VMPORT), mask);
}

TEST_F(cap, check_extension_same_after_enable)
{
	u32 mask = kvm_check_cap(KVM_CAP_X86_VMPORT);

	ASSERT_EQ(enable(self->vm, VMPORT_BASIC), 0);
	EXPECT_EQ(vm_check_cap(self->vm, KVM_CAP_X86_VMPORT), mask);
}

/* What a feature stands on. */
static const struct {
	u64 feature;
	u64 base;
} bases[] = {
	{ KVM_VMPORT_FEATURE_RPC,	KVM_VMPORT_FEATURE_ENABLE },
	{ KVM_VMPORT_FEATURE_HB,	KVM_VMPORT_FEATURE_ENABLE | KVM_VMPORT_FEATURE_RPC },
	{ KVM_VMPORT_FEATURE_RING3,	KVM_VMPORT_FEATURE_ENABLE },
	{ KVM_VMPORT_FEATURE_HYPERCALL,	KVM_VMPORT_FEATURE_ENABLE },
	{ KVM_VMPORT_FEATURE_PMC,	KVM_VMPORT_FEATURE_ENABLE },
	{ KVM_VMPORT_FEATURE_EXIT_RPC,	KVM_VMPORT_FEATURE_ENABLE | KVM_VMPORT_FEATURE_RPC },
	{ KVM_VMPORT_FEATURE_NESTED,	KVM_VMPORT_FEATURE_ENABLE | KVM_VMPORT_FEATURE_RING3 },
	{ KVM_VMPORT_FEATURE_STEALCLOCK, KVM_VMPORT_FEATURE_ENABLE },
};

static bool is_complete(u64 mask)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(bases); i++) {
		if ((mask & bases[i].feature) && (mask & bases[i].base) != bases[i].base)
			return false;
	}
	return mask;
}

/* Of all features there are, whether this kernel offers them or not. */
TEST_F(cap, every_mask)
{
	u64 offered = (u32)kvm_check_cap(KVM_CAP_X86_VMPORT);
	struct kvm_vmport_identity identity;
	u64 mask;
	bool ok;

	for (mask = 0; mask < 512; mask++) {
		struct kvm_vm *vm = vm_create_barebones();

		ok = !(mask & ~offered) && is_complete(mask);
		EXPECT_EQ(enable(vm, mask), ok ? 0 : mask & ~offered ? EINVAL : ENXIO)
			TH_LOG("mask 0x%llx", (unsigned long long)mask);
		/* Enabled or not, and by what the mask says. */
		EXPECT_EQ(vmport_get_identity(vm, &identity), ok ? 0 : EPERM);
		EXPECT_EQ(vmport_set_text(vm, "guestinfo.a", "b"),
			  ok && (mask & KVM_VMPORT_FEATURE_RPC) ? 0 : EPERM);
		EXPECT_EQ(enable(vm, KVM_VMPORT_FEATURE_ENABLE), ok ? EEXIST : 0);
		kvm_vm_free(vm);
	}
}

TEST_F(cap, enable_unknown_bits_einval)
{
	u64 known = (u32)kvm_check_cap(KVM_CAP_X86_VMPORT);
	int i;

	for (i = 0; i < 64; i++) {
		if (known & BIT_ULL(i))
			continue;
		EXPECT_EQ(enable(self->vm, KVM_VMPORT_FEATURE_ENABLE | BIT_ULL(i)), EINVAL)
			TH_LOG("bit %d", i);
		EXPECT_EQ(enable(self->vm, known | BIT_ULL(i)), EINVAL)
			TH_LOG("bit %d", i);
	}
	EXPECT_EQ(enable(self->vm, ~0ull), EINVAL);
	/* None of that has enabled anything. */
	EXPECT_EQ(enable(self->vm, known), 0);
}

TEST_F(cap, enable_zero_enxio)
{
	EXPECT_EQ(enable(self->vm, 0), ENXIO);
	EXPECT_EQ(enable(self->vm, VMPORT_BASIC), 0);
}

TEST_F(cap, enable_flags_or_args_einval)
{
	struct kvm_enable_cap cap = { .args = { VMPORT_BASIC } };
	int i, j;

	for (i = 0; i < 32; i++) {
		cap.flags = 1u << i;
		EXPECT_EQ(enable_raw(self->vm, cap), EINVAL);
	}
	cap.flags = 0;
	for (i = 1; i < ARRAY_SIZE(cap.args); i++) {
		for (j = 0; j < 64; j++) {
			cap.args[i] = 1ull << j;
			EXPECT_EQ(enable_raw(self->vm, cap), EINVAL);
		}
		cap.args[i] = 0;
	}
	EXPECT_EQ(enable_raw(self->vm, cap), 0);
}

TEST_F(cap, enable_twice_eexist)
{
	ASSERT_EQ(enable(self->vm, VMPORT_BASIC), 0);
	EXPECT_EQ(enable(self->vm, VMPORT_BASIC), EEXIST);
	EXPECT_EQ(enable(self->vm, VMPORT_RPC), EEXIST);
	/* Still what the first call asked for. */
	EXPECT_EQ(attr_of_type(self->vm, KVM_GET_VMPORT_ATTR, KVM_VMPORT_ATTR_LIMITS), EPERM);
}

/* Each refusal has an errno of its own; the first of several that apply. */
TEST_F(cap, enable_after_first_vcpu_ebusy)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vmport_vm_create(0, 1, &vcpu);
	struct kvm_vmport_identity identity;

	EXPECT_EQ(enable(vm, VMPORT_BASIC), EBUSY);
	EXPECT_EQ(enable(vm, VMPORT_BASIC | 1ull << 63), EINVAL);
	EXPECT_EQ(enable(vm, VMPORT_BASIC | KVM_VMPORT_FEATURE_HB), ENXIO);
	EXPECT_EQ(vmport_get_identity(vm, &identity), EPERM);
	kvm_vm_free(vm);
}

TEST_F(cap, without_capability_every_ioctl_eperm)
{
	u8 buffer[4096];
	u64 size = sizeof(buffer);
	u32 type;

	memset(buffer, 0xa5, sizeof(buffer));
	EXPECT_EQ(vmport_get_state(self->vm, buffer, &size), EPERM);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_FEATURE);
	EXPECT_EQ(buffer[0], 0xa5);
	EXPECT_EQ(vmport_set_state(self->vm, buffer, 32), EPERM);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_FEATURE);

	for (type = KVM_VMPORT_ATTR_IDENTITY; type < NR_ATTRS; type++) {
		EXPECT_EQ(attr_of_type(self->vm, KVM_GET_VMPORT_ATTR, type), EPERM);
		EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_FEATURE);
		EXPECT_EQ(attr_of_type(self->vm, KVM_SET_VMPORT_ATTR, type), EPERM);
		EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_FEATURE);
	}
}

TEST_F(cap, without_rpc_its_attributes_eperm)
{
	struct kvm_vmport_limits limits = { .channels = 1, .keys = 1 };
	struct kvm_vmport_identity identity;
	u32 size = 0, count, status, type;
	char value[8];
	u64 id;

	ASSERT_EQ(enable(self->vm, VMPORT_BASIC), 0);

	EXPECT_EQ(vmport_set_text(self->vm, "guestinfo.a", "b"), EPERM);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_FEATURE);
	EXPECT_EQ(vmport_get_entry(self->vm, "guestinfo.a", 11, value, &size, NULL), EPERM);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_FEATURE);
	EXPECT_EQ(vmport_list(self->vm, "", NULL, &size, &count), EPERM);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_FEATURE);
	EXPECT_EQ(vmport_tclo_send(self->vm, "ping", 4, NULL), EPERM);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_FEATURE);
	EXPECT_EQ(vmport_tclo_result(self->vm, value, &size, &id, &status), EPERM);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_FEATURE);
	for (type = KVM_VMPORT_ATTR_GUESTINFO_MANY; type < NR_ATTRS; type++) {
		if (type == KVM_VMPORT_ATTR_INFO)
			continue;
		EXPECT_EQ(attr_of_type(self->vm, KVM_GET_VMPORT_ATTR, type), EPERM);
		EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_FEATURE);
		EXPECT_EQ(attr_of_type(self->vm, KVM_SET_VMPORT_ATTR, type), EPERM);
		EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_FEATURE);
	}
	EXPECT_EQ(vmport_set_limits(self->vm, &limits), EPERM);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_FEATURE);
	EXPECT_EQ(vmport_get_limits(self->vm, &limits), EPERM);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_FEATURE);

	EXPECT_EQ(vmport_get_identity(self->vm, &identity), 0);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_NONE);
	EXPECT_EQ(vmport_set_identity(self->vm, &identity), 0);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_NONE);
}

TEST_F(cap, without_rpc_state_is_the_header)
{
	struct vmport_blob blob;

	ASSERT_EQ(enable(self->vm, VMPORT_BASIC), 0);
	blob = vmport_save(self->vm);
	EXPECT_EQ(blob.size, sizeof(struct kvm_vmport_blob_header));
	EXPECT_EQ(vmport_load(self->vm, &blob), 0);
	EXPECT_TRUE(vmport_state_is(self->vm, &blob));
	vmport_blob_free(&blob);
}

/* The ioctls as a 32-bit VMM makes them, through the compat system call. */
static int compat_ioctl(int fd, unsigned int cmd, void *arg)
{
	int r;

	asm volatile("int $0x80"
		     : "=a"(r)
		     : "a"(54), "b"(fd), "c"(cmd), "d"((u32)(unsigned long)arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return r;
}

static void no_compat(int sig)
{
	ksft_exit_skip("no 32-bit system calls on this host\n");
}

TEST_F(cap, ioctls_of_a_32_bit_vmm)
{
	struct kvm_vmport_state *state;
	struct kvm_vmport_attr *attr;
	char *page;

	ASSERT_EQ(enable(self->vm, VMPORT_RPC), 0);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(page, MAP_FAILED);

	signal(SIGSEGV, no_compat);
	if (compat_ioctl(-1, KVM_GET_VMPORT_STATE, page) != -EBADF)
		SKIP(return, "no 32-bit system calls on this host");

	attr = (void *)page;
	memcpy(page + 1024, "guestinfo.kvalue", 16);
	attr->type = KVM_VMPORT_ATTR_GUESTINFO;
	attr->u.guestinfo.key = (unsigned long)page + 1024;
	attr->u.guestinfo.key_size = 11;
	attr->u.guestinfo.value = (unsigned long)page + 1035;
	attr->u.guestinfo.value_size = 5;
	EXPECT_EQ(compat_ioctl(self->vm->fd, KVM_SET_VMPORT_ATTR, attr), 0);
	EXPECT_STREQ(vmport_get_text(self->vm, "guestinfo.k"), "value");

	attr->u.guestinfo.value = (unsigned long)page + 2048;
	attr->u.guestinfo.value_size = 4;
	EXPECT_EQ(compat_ioctl(self->vm->fd, KVM_GET_VMPORT_ATTR, attr), -E2BIG);
	EXPECT_EQ(attr->u.guestinfo.value_size, 5);
	EXPECT_EQ(compat_ioctl(self->vm->fd, KVM_GET_VMPORT_ATTR, attr), 0);
	EXPECT_EQ(memcmp(page + 2048, "value", 5), 0);

	state = (void *)page;
	memset(state, 0, sizeof(*state));
	EXPECT_EQ(compat_ioctl(self->vm->fd, KVM_GET_VMPORT_STATE, state), -E2BIG);
	/* Header, section, entry, "guestinfo.k" "value". */
	EXPECT_EQ(state->size, 32 + 16 + 8 + 16);
	state->data = (unsigned long)page + 2048;
	state->error = 0;
	EXPECT_EQ(compat_ioctl(self->vm->fd, KVM_GET_VMPORT_STATE, state), 0);
	EXPECT_EQ(vmport_delete(self->vm, "guestinfo.k"), 0);
	EXPECT_EQ(compat_ioctl(self->vm->fd, KVM_SET_VMPORT_STATE, state), 0);
	EXPECT_STREQ(vmport_get_text(self->vm, "guestinfo.k"), "value");
	munmap(page, 4096);
}

FIXTURE(attr) {
	struct kvm_vm *vm;
	void *bad;
};

FIXTURE_SETUP(attr)
{
	self->vm = vmport_vm_create_barebones(VMPORT_RPC);
	self->bad = mmap(NULL, 2 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->bad, MAP_FAILED);
}

FIXTURE_TEARDOWN(attr)
{
	munmap(self->bad, 2 * 4096);
	kvm_vm_free(self->vm);
}

TEST_F(attr, unknown_type_einval)
{
	static const u32 types[] = {
		0, NR_ATTRS, NR_ATTRS + 1, 0x100, 0x10001, 0x80000001, 0xffffffff,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		EXPECT_EQ(attr_of_type(self->vm, KVM_GET_VMPORT_ATTR, types[i]), EINVAL);
		EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_ATTR);
		EXPECT_EQ(attr_of_type(self->vm, KVM_SET_VMPORT_ATTR, types[i]), EINVAL);
		EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_ATTR);
	}
}

TEST_F(attr, wrong_direction_einval)
{
	static const u32 get_only[] = {
		KVM_VMPORT_ATTR_GUESTINFO_LIST, KVM_VMPORT_ATTR_CHANGES, KVM_VMPORT_ATTR_EVENTS,
		KVM_VMPORT_ATTR_INFO, KVM_VMPORT_ATTR_TCLO_LIST,
	};
	static const u32 set_only[] = {
		KVM_VMPORT_ATTR_GUESTINFO_MANY, KVM_VMPORT_ATTR_EVENTFD, KVM_VMPORT_ATTR_RESET,
		KVM_VMPORT_ATTR_TCLO_CANCEL,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(get_only); i++) {
		EXPECT_EQ(attr_of_type(self->vm, KVM_SET_VMPORT_ATTR, get_only[i]), EINVAL);
		EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_ATTR);
	}
	for (i = 0; i < ARRAY_SIZE(set_only); i++) {
		EXPECT_EQ(attr_of_type(self->vm, KVM_GET_VMPORT_ATTR, set_only[i]), EINVAL);
		EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_ATTR);
	}
}

/* Set each of the @size bytes at @offset in turn; @good is good otherwise. */
static void expect_reserved(struct __test_metadata *_metadata, struct kvm_vm *vm,
			    unsigned long cmd, const struct kvm_vmport_attr *good,
			    size_t offset, size_t size)
{
	struct kvm_vmport_attr attr;
	size_t i;

	for (i = offset; i < offset + size; i++) {
		attr = *good;
		((u8 *)&attr)[i] = 1;
		EXPECT_EQ(vmport_attr(vm, cmd, &attr), EINVAL)
			TH_LOG("type %u, byte %zu", good->type, i);
		EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_RESERVED);
	}
}

#define ATTR_OFFSET(_field)	offsetof(struct kvm_vmport_attr, u._field)

TEST_F(attr, reserved_fields_einval)
{
	struct kvm_vmport_attr identity = { .type = KVM_VMPORT_ATTR_IDENTITY };
	struct kvm_vmport_attr limits = { .type = KVM_VMPORT_ATTR_LIMITS };
	char names[64], value[64];
	struct kvm_vmport_attr entry = {
		.type = KVM_VMPORT_ATTR_GUESTINFO,
		.u.guestinfo = {
			.key = (unsigned long)"guestinfo.a",
			.key_size = 11,
			.value = (unsigned long)value,
			.value_size = 1,
		},
	};
	struct kvm_vmport_attr list = {
		.type = KVM_VMPORT_ATTR_GUESTINFO_LIST,
		.u.list = {
			.names = (unsigned long)names,
			.names_size = sizeof(names),
		},
	};
	struct kvm_vmport_attr tclo = {
		.type = KVM_VMPORT_ATTR_TCLO,
		.u.tclo = {
			.data = (unsigned long)"ping",
			.size = 4,
		},
	};

	struct kvm_vmport_attr many = { .type = KVM_VMPORT_ATTR_GUESTINFO_MANY };
	struct kvm_vmport_attr changes = { .type = KVM_VMPORT_ATTR_CHANGES };
	struct kvm_vmport_attr eventfd = { .type = KVM_VMPORT_ATTR_EVENTFD, .u.eventfd.fd = -1 };
	struct kvm_vmport_attr events = { .type = KVM_VMPORT_ATTR_EVENTS };
	struct kvm_vmport_attr info = { .type = KVM_VMPORT_ATTR_INFO };
	struct kvm_vmport_attr requests = { .type = KVM_VMPORT_ATTR_TCLO_LIST };
	struct kvm_vmport_attr cancel = { .type = KVM_VMPORT_ATTR_TCLO_CANCEL };

	const struct {
		const struct kvm_vmport_attr *attr;
		size_t offset;
		size_t size;
		bool set;
		bool get;
	} fields[] = {
		{ &identity, ATTR_OFFSET(identity.reserved32), 36, .set = true, .get = true },
		{ &limits, ATTR_OFFSET(limits.reserved), 32, .set = true, .get = true },
		{ &entry, ATTR_OFFSET(guestinfo.reserved32), 36, .set = true, .get = true },
		{ &list, ATTR_OFFSET(list.reserved32), 36, .get = true },
		{ &tclo, ATTR_OFFSET(tclo.reserved32), 20, .set = true, .get = true },
		{ &many, ATTR_OFFSET(many.reserved), 32, .set = true },
		{ &changes, ATTR_OFFSET(changes.reserved), 32, .get = true },
		{ &eventfd, ATTR_OFFSET(eventfd.reserved32), 36, .set = true },
		{ &events, ATTR_OFFSET(events.reserved), 32, .get = true },
		{ &info, ATTR_OFFSET(info.reserved), 24, .get = true },
		{ &requests, ATTR_OFFSET(tclo_list.reserved32), 36, .get = true },
		{ &cancel, ATTR_OFFSET(tclo.reserved32), 20, .set = true },
	};
	int i;

	value[0] = 'x';
	ASSERT_EQ(vmport_get_identity(self->vm, &identity.u.identity), 0);
	ASSERT_EQ(vmport_get_limits(self->vm, &limits.u.limits), 0);

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (fields[i].set)
			expect_reserved(_metadata, self->vm, KVM_SET_VMPORT_ATTR,
					fields[i].attr, fields[i].offset, fields[i].size);
	}
	/* Refused is refused. */
	EXPECT_EQ(vmport_get_text(self->vm, "guestinfo.a"), NULL);

	EXPECT_EQ(vmport_attr(self->vm, KVM_SET_VMPORT_ATTR, &entry), 0);
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (fields[i].get)
			expect_reserved(_metadata, self->vm, KVM_GET_VMPORT_ATTR,
					fields[i].attr, fields[i].offset, fields[i].size);
	}
}

/* Where the results of a call may be, and its buffers. */
struct scratch {
	u8 data[256];
	struct kvm_vmport_guestinfo item;
	struct kvm_vmport_tclo_item items[KVM_VMPORT_MAX_TCLO];
};

/*
 * Fill in what the VMM has to say and nothing else.  A call that takes something away
 * is given it first.
 */
static void fill_identity(struct kvm_vm *vm, struct kvm_vmport_attr *attr, struct scratch *s)
{
	TEST_ASSERT_EQ(vmport_get_identity(vm, &attr->u.identity), 0);
}

static void fill_limits(struct kvm_vm *vm, struct kvm_vmport_attr *attr, struct scratch *s)
{
	TEST_ASSERT_EQ(vmport_get_limits(vm, &attr->u.limits), 0);
}

static void fill_reserved_identity(struct kvm_vm *vm, struct kvm_vmport_attr *attr,
				   struct scratch *s)
{
	attr->u.identity.reserved32 = 0;
	memset(attr->u.identity.reserved, 0, sizeof(attr->u.identity.reserved));
}

static void fill_reserved_limits(struct kvm_vm *vm, struct kvm_vmport_attr *attr,
				 struct scratch *s)
{
	memset(attr->u.limits.reserved, 0, sizeof(attr->u.limits.reserved));
}

static struct kvm_vmport_guestinfo entry_arg(struct scratch *s, u32 size)
{
	return (struct kvm_vmport_guestinfo) {
		.key = (unsigned long)"guestinfo.ro",
		.key_size = 12,
		.value = (unsigned long)s->data,
		.value_size = size,
		.flags = KVM_VMPORT_GUESTINFO_READONLY,
	};
}

static void fill_set_entry(struct kvm_vm *vm, struct kvm_vmport_attr *attr, struct scratch *s)
{
	attr->u.guestinfo = entry_arg(s, 3);
}

static void fill_get_entry(struct kvm_vm *vm, struct kvm_vmport_attr *attr, struct scratch *s)
{
	TEST_ASSERT_EQ(vmport_set_entry(vm, "guestinfo.ro", 12, "abc", 3,
					KVM_VMPORT_GUESTINFO_READONLY), 0);
	attr->u.guestinfo = entry_arg(s, sizeof(s->data));
	attr->u.guestinfo.flags = 0xa5a5a5a5;
}

static void fill_list(struct kvm_vm *vm, struct kvm_vmport_attr *attr, struct scratch *s)
{
	attr->u.list = (struct kvm_vmport_guestinfo_list) {
		.names = (unsigned long)s->data,
		.names_size = sizeof(s->data),
		.count = 0xa5a5a5a5,
	};
}

static void fill_many(struct kvm_vm *vm, struct kvm_vmport_attr *attr, struct scratch *s)
{
	s->item = entry_arg(s, 3);
	attr->u.many = (struct kvm_vmport_guestinfo_many) {
		.items = (unsigned long)&s->item,
		.count = 1,
		.index = 0xa5a5a5a5,
	};
}

static void fill_changes(struct kvm_vm *vm, struct kvm_vmport_attr *attr, struct scratch *s)
{
	attr->u.changes = (struct kvm_vmport_changes) {
		.sequence = ~0ull,
		.names = (unsigned long)s->data,
		.names_size = sizeof(s->data),
		.count = 0xa5a5a5a5,
	};
}

static void fill_eventfd(struct kvm_vm *vm, struct kvm_vmport_attr *attr, struct scratch *s)
{
	attr->u.eventfd = (struct kvm_vmport_eventfd) { .fd = -1 };
}

static void fill_events(struct kvm_vm *vm, struct kvm_vmport_attr *attr, struct scratch *s)
{
	memset(attr->u.events.reserved, 0, sizeof(attr->u.events.reserved));
}

static void fill_send(struct kvm_vm *vm, struct kvm_vmport_attr *attr, struct scratch *s)
{
	attr->u.tclo = (struct kvm_vmport_tclo) {
		.id = ~0ull,
		.data = (unsigned long)"ping",
		.size = 4,
		.status = 0xa5a5a5a5,
	};
}

static void fill_info(struct kvm_vm *vm, struct kvm_vmport_attr *attr, struct scratch *s)
{
	memset(attr->u.info.reserved, 0, sizeof(attr->u.info.reserved));
}

static void fill_requests(struct kvm_vm *vm, struct kvm_vmport_attr *attr, struct scratch *s)
{
	TEST_ASSERT_EQ(vmport_tclo_send(vm, "ping", 4, NULL), 0);
	attr->u.tclo_list = (struct kvm_vmport_tclo_list) {
		.items = (unsigned long)s->items,
		.count = ARRAY_SIZE(s->items),
	};
}

static void fill_nothing(struct kvm_vm *vm, struct kvm_vmport_attr *attr, struct scratch *s)
{
}

static const struct {
	const char *name;
	u32 type;
	unsigned long cmd;
	void (*fill)(struct kvm_vm *vm, struct kvm_vmport_attr *attr, struct scratch *s);
} calls[] = {
	{ "get IDENTITY", KVM_VMPORT_ATTR_IDENTITY, KVM_GET_VMPORT_ATTR, fill_reserved_identity },
	{ "set IDENTITY", KVM_VMPORT_ATTR_IDENTITY, KVM_SET_VMPORT_ATTR, fill_identity },
	{ "get LIMITS", KVM_VMPORT_ATTR_LIMITS, KVM_GET_VMPORT_ATTR, fill_reserved_limits },
	{ "set LIMITS", KVM_VMPORT_ATTR_LIMITS, KVM_SET_VMPORT_ATTR, fill_limits },
	{ "set GUESTINFO", KVM_VMPORT_ATTR_GUESTINFO, KVM_SET_VMPORT_ATTR, fill_set_entry },
	{ "get GUESTINFO", KVM_VMPORT_ATTR_GUESTINFO, KVM_GET_VMPORT_ATTR, fill_get_entry },
	{ "get LIST", KVM_VMPORT_ATTR_GUESTINFO_LIST, KVM_GET_VMPORT_ATTR, fill_list },
	{ "set MANY", KVM_VMPORT_ATTR_GUESTINFO_MANY, KVM_SET_VMPORT_ATTR, fill_many },
	{ "get CHANGES", KVM_VMPORT_ATTR_CHANGES, KVM_GET_VMPORT_ATTR, fill_changes },
	{ "set EVENTFD", KVM_VMPORT_ATTR_EVENTFD, KVM_SET_VMPORT_ATTR, fill_eventfd },
	{ "get EVENTS", KVM_VMPORT_ATTR_EVENTS, KVM_GET_VMPORT_ATTR, fill_events },
	{ "set TCLO", KVM_VMPORT_ATTR_TCLO, KVM_SET_VMPORT_ATTR, fill_send },
	{ "get INFO", KVM_VMPORT_ATTR_INFO, KVM_GET_VMPORT_ATTR, fill_info },
	{ "get TCLO_LIST", KVM_VMPORT_ATTR_TCLO_LIST, KVM_GET_VMPORT_ATTR, fill_requests },
	{ "set RESET", KVM_VMPORT_ATTR_RESET, KVM_SET_VMPORT_ATTR, fill_nothing },
};

/* Outputs, and what belongs to other attributes, may hold anything. */
TEST_F(attr, every_call_takes_garbage_where_it_gives_output)
{
	struct kvm_vmport_attr attr, first;
	struct scratch s = { };
	int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		memset(&attr, 0xa5, sizeof(attr));
		attr.type = calls[i].type;
		calls[i].fill(self->vm, &attr, &s);
		EXPECT_EQ(vmport_attr(self->vm, calls[i].cmd, &attr), 0)
			TH_LOG("%s, error %u", calls[i].name, attr.error);
		EXPECT_EQ(attr.error, KVM_VMPORT_ERR_NONE);

		/* And so the same struct does for the next call. */
		first = attr;
		EXPECT_EQ(vmport_attr(self->vm, calls[i].cmd, &attr), 0)
			TH_LOG("%s again, error %u", calls[i].name, attr.error);
		if (calls[i].cmd == KVM_GET_VMPORT_ATTR) {
			EXPECT_EQ(memcmp(&attr, &first, sizeof(attr)), 0)
				TH_LOG("%s again", calls[i].name);
		}
	}
}

/* A buffer that is too small, then one that is large enough, in the same struct. */
TEST_F(attr, second_call_after_e2big)
{
	static const u32 types[] = {
		KVM_VMPORT_ATTR_GUESTINFO, KVM_VMPORT_ATTR_GUESTINFO_LIST, KVM_VMPORT_ATTR_CHANGES,
	};
	struct kvm_vmport_attr attr;
	struct scratch s = { };
	int i, j;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		for (j = 0; calls[j].type != types[i] || calls[j].cmd != KVM_GET_VMPORT_ATTR; j++)
			;
		memset(&attr, 0xa5, sizeof(attr));
		attr.type = types[i];
		fill_get_entry(self->vm, &attr, &s);
		calls[j].fill(self->vm, &attr, &s);
		if (types[i] == KVM_VMPORT_ATTR_GUESTINFO)
			attr.u.guestinfo.value_size = 0;
		else if (types[i] == KVM_VMPORT_ATTR_GUESTINFO_LIST)
			attr.u.list.names_size = 0;
		else
			attr.u.changes.names_size = 0;
		EXPECT_EQ(vmport_attr(self->vm, KVM_GET_VMPORT_ATTR, &attr), E2BIG)
			TH_LOG("%s", calls[j].name);
		EXPECT_EQ(attr.error, KVM_VMPORT_ERR_BUFFER);
		EXPECT_EQ(vmport_attr(self->vm, KVM_GET_VMPORT_ATTR, &attr), 0)
			TH_LOG("%s", calls[j].name);
		EXPECT_EQ(attr.error, KVM_VMPORT_ERR_NONE);
	}
}

TEST_F(attr, state_flags_and_reserved_einval)
{
	struct vmport_blob blob = vmport_save(self->vm);
	struct kvm_vmport_state state;
	u8 buffer[64];
	int i;

	for (i = 0; i < 4 + 32; i++) {
		state = (struct kvm_vmport_state) {
			.size = sizeof(buffer),
			.data = (unsigned long)buffer,
		};
		((u8 *)&state)[i < 4 ? i : offsetof(struct kvm_vmport_state, reserved) + i - 4] = 1;
		memset(buffer, 0xa5, sizeof(buffer));
		EXPECT_EQ(__vm_ioctl(self->vm, KVM_GET_VMPORT_STATE, &state), -1);
		EXPECT_EQ(errno, EINVAL);
		EXPECT_EQ(buffer[0], 0xa5);

		state.size = blob.size;
		state.data = (unsigned long)blob.data;
		EXPECT_EQ(__vm_ioctl(self->vm, KVM_SET_VMPORT_STATE, &state), -1);
		EXPECT_EQ(errno, EINVAL);
	}
	vmport_blob_free(&blob);
}

TEST_F(attr, guestinfo_unknown_flags_einval)
{
	int i;

	for (i = 4; i < 32; i++) {
		EXPECT_EQ(vmport_set_entry(self->vm, "guestinfo.a", 11, "b", 1, 1u << i), EINVAL);
		EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_FLAGS);
	}
	EXPECT_EQ(vmport_get_text(self->vm, "guestinfo.a"), NULL);
}

/* DELETE stands alone, WIPEABLE goes with READONLY; for one entry and for several. */
TEST_F(attr, guestinfo_flags_together)
{
	struct kvm_vmport_guestinfo item = vmport_item("guestinfo.a", "b");
	u32 flags, seen, size, index;
	char value[4];
	bool ok;

	for (flags = 0; flags < 16; flags++) {
		if (flags == KVM_VMPORT_GUESTINFO_DELETE)
			continue;
		ok = !(flags & KVM_VMPORT_GUESTINFO_DELETE) &&
		     (!(flags & KVM_VMPORT_GUESTINFO_WIPEABLE) ||
		      (flags & KVM_VMPORT_GUESTINFO_READONLY));
		item.flags = flags;
		EXPECT_EQ(vmport_set_entry(self->vm, "guestinfo.a", 11, "b", 1, flags),
			  ok ? 0 : EINVAL) TH_LOG("flags %u", flags);
		EXPECT_EQ(vmport_error, ok ? KVM_VMPORT_ERR_NONE : KVM_VMPORT_ERR_FLAGS);
		if (!ok) {
			EXPECT_EQ(vmport_get_text(self->vm, "guestinfo.a"), NULL);
			EXPECT_EQ(vmport_set_many(self->vm, &item, 1, &index), EINVAL);
			EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_FLAGS);
			continue;
		}
		size = sizeof(value);
		EXPECT_EQ(vmport_get_entry(self->vm, "guestinfo.a", 11, value, &size, &seen), 0);
		EXPECT_EQ(seen, flags);
		EXPECT_EQ(vmport_delete(self->vm, "guestinfo.a"), 0);
		EXPECT_EQ(vmport_set_many(self->vm, &item, 1, &index), 0);
		size = sizeof(value);
		EXPECT_EQ(vmport_get_entry(self->vm, "guestinfo.a", 11, value, &size, &seen), 0);
		EXPECT_EQ(seen, flags);
		EXPECT_EQ(vmport_delete(self->vm, "guestinfo.a"), 0);
	}
}

TEST_F(attr, guestinfo_malformed_key_einval)
{
	EXPECT_EQ(vmport_set_entry(self->vm, "", 0, "v", 1, 0), EINVAL);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_KEY);
	EXPECT_EQ(vmport_set_entry(self->vm, "a b", 3, "v", 1, 0), EINVAL);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_KEY);
	EXPECT_EQ(vmport_set_entry(self->vm, " a", 2, "v", 1, 0), EINVAL);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_KEY);
	EXPECT_EQ(vmport_set_entry(self->vm, "a\0b", 3, "v", 1, 0), EINVAL);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_KEY);
	EXPECT_EQ(vmport_set_entry(self->vm, "a", 2, "v", 1, 0), EINVAL);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_KEY);
}

TEST_F(attr, bad_address_of_the_struct_efault)
{
	struct kvm_vmport_attr *attr = self->bad;
	struct kvm_vmport_state *state = self->bad;

	EXPECT_EQ(__vm_ioctl(self->vm, KVM_GET_VMPORT_ATTR, attr), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(__vm_ioctl(self->vm, KVM_SET_VMPORT_ATTR, attr), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(__vm_ioctl(self->vm, KVM_GET_VMPORT_STATE, state), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(__vm_ioctl(self->vm, KVM_SET_VMPORT_STATE, state), -1);
	EXPECT_EQ(errno, EFAULT);
}

TEST_F(attr, bad_address_inside_efault)
{
	struct vmport_blob before, after;
	u64 id, state_size = 4096;
	u32 size, count, status;
	char value[16];
	u32 i;

	ASSERT_EQ(vmport_set_text(self->vm, "guestinfo.k", "value"), 0);
	before = vmport_save(self->vm);

	for (i = 0; i < 2; i++) {
		/* No page there, and no user address at all. */
		void *bad = i ? (void *)0x8000000000000000ull : self->bad;

		EXPECT_EQ(vmport_set_entry(self->vm, bad, 8, "v", 1, 0), EFAULT);
		EXPECT_EQ(vmport_set_entry(self->vm, "guestinfo.k", 11, bad, 1, 0), EFAULT);
		size = sizeof(value);
		EXPECT_EQ(vmport_get_entry(self->vm, bad, 8, value, &size, NULL), EFAULT);
		size = sizeof(value);
		EXPECT_EQ(vmport_get_entry(self->vm, "guestinfo.k", 11, bad, &size, NULL), EFAULT);
		size = 4096;
		EXPECT_EQ(vmport_list(self->vm, "", bad, &size, &count), EFAULT);
		EXPECT_EQ(vmport_tclo_send(self->vm, bad, 4, &id), EFAULT);
		EXPECT_EQ(vmport_tclo_send_to(self->vm, bad, 7, "ping", 4, &id), EFAULT);
		state_size = 4096;
		EXPECT_EQ(vmport_get_state(self->vm, bad, &state_size), EFAULT);
		EXPECT_EQ(vmport_set_state(self->vm, bad, 4096), EFAULT);
	}

	/* The last byte counts too. */
	EXPECT_EQ(vmport_set_entry(self->vm, "guestinfo.k", 11, (u8 *)self->bad - 1, 2, 0), EFAULT);

	after = vmport_save(self->vm);
	EXPECT_TRUE(vmport_blob_equal(&before, &after));
	size = sizeof(value);
	EXPECT_EQ(vmport_tclo_result(self->vm, value, &size, &id, &status), ENOENT);
	vmport_blob_free(&before);
	vmport_blob_free(&after);
}

TEST_F(attr, guestinfo_small_buffer_e2big_and_size)
{
	u8 value[16];
	u32 size, i, j;

	ASSERT_EQ(vmport_set_text(self->vm, "guestinfo.k", "0123456789"), 0);
	for (i = 0; i < 10; i++) {
		memset(value, 0xa5, sizeof(value));
		size = i;
		EXPECT_EQ(vmport_get_entry(self->vm, "guestinfo.k", 11, value, &size, NULL),
			  E2BIG);
		EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_BUFFER);
		EXPECT_EQ(size, 10);
		for (j = 0; j < sizeof(value); j++)
			EXPECT_EQ(value[j], 0xa5);
	}
	size = 10;
	EXPECT_EQ(vmport_get_entry(self->vm, "guestinfo.k", 11, value, &size, NULL), 0);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_NONE);
	EXPECT_EQ(size, 10);
	EXPECT_EQ(value[9], '9');
	EXPECT_EQ(value[10], 0xa5);
	/* Room to spare: only the value is written. */
	memset(value, 0xa5, sizeof(value));
	size = sizeof(value);
	EXPECT_EQ(vmport_get_entry(self->vm, "guestinfo.k", 11, value, &size, NULL), 0);
	EXPECT_EQ(size, 10);
	EXPECT_EQ(value[10], 0xa5);
}

TEST_F(attr, list_small_buffer_e2big_and_size)
{
	static const char names[] = "guestinfo.a\0guestinfo.b";
	u8 buffer[32];
	u32 size, count, i, j;

	ASSERT_EQ(vmport_set_text(self->vm, "guestinfo.b", "2"), 0);
	ASSERT_EQ(vmport_set_text(self->vm, "guestinfo.a", "1"), 0);
	for (i = 0; i < sizeof(names); i++) {
		memset(buffer, 0xa5, sizeof(buffer));
		size = i;
		EXPECT_EQ(vmport_list(self->vm, "", buffer, &size, &count), E2BIG);
		EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_BUFFER);
		EXPECT_EQ(size, sizeof(names));
		for (j = 0; j < sizeof(buffer); j++)
			EXPECT_EQ(buffer[j], 0xa5);
	}
	size = sizeof(names);
	EXPECT_EQ(vmport_list(self->vm, "", buffer, &size, &count), 0);
	EXPECT_EQ(size, sizeof(names));
	EXPECT_EQ(count, 2);
	EXPECT_EQ(memcmp(buffer, names, sizeof(names)), 0);
	EXPECT_EQ(buffer[sizeof(names)], 0xa5);
}

/* What a VMM finds that was handed the VM, and a kernel that it does not know. */
TEST(info_says_what_there_is)
{
	u64 features = (u32)kvm_check_cap(KVM_CAP_X86_VMPORT), mask;
	struct kvm_vmport_info info;
	struct kvm_vm *vm;
	u32 type;

	for (mask = KVM_VMPORT_FEATURE_ENABLE; mask <= features; mask++) {
		if ((mask & ~features) || !is_complete(mask))
			continue;
		vm = vmport_vm_create_barebones(mask);
		EXPECT_EQ(vmport_get_info(vm, &info), 0);
		EXPECT_EQ(info.features, mask);
		EXPECT_EQ(info.known_features, features);
		kvm_vm_free(vm);
	}

	/* All attributes that are said to be there are, and no others. */
	vm = vmport_vm_create_barebones(features);
	for (type = 0; type < 64; type++) {
		struct kvm_vmport_attr try = { .type = type };
		int r;

		/* Reserved fields are looked at first, so nothing happens. */
		memset(&try.u, 0xff, sizeof(try.u));
		r = vmport_attr(vm, KVM_GET_VMPORT_ATTR, &try);
		EXPECT_EQ(r, EINVAL);
		EXPECT_EQ(vmport_error != KVM_VMPORT_ERR_ATTR,
			  !!(info.get_attrs & BIT_ULL(type))) TH_LOG("type %u", type);
		if (type == KVM_VMPORT_ATTR_RESET)
			continue;
		r = vmport_attr(vm, KVM_SET_VMPORT_ATTR, &try);
		EXPECT_EQ(r, EINVAL);
		EXPECT_EQ(vmport_error != KVM_VMPORT_ERR_ATTR,
			  !!(info.set_attrs & BIT_ULL(type))) TH_LOG("type %u", type);
	}
	EXPECT_TRUE(info.set_attrs & BIT_ULL(KVM_VMPORT_ATTR_RESET));
	kvm_vm_free(vm);
}

TEST_F(attr, identity_without_a_version_einval)
{
	struct kvm_vmport_identity identity = { .memory_mib = 1 }, after;

	EXPECT_EQ(vmport_set_identity(self->vm, &identity), EINVAL);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_IDENTITY);
	ASSERT_EQ(vmport_get_identity(self->vm, &after), 0);
	EXPECT_EQ(after.version, 6);
	EXPECT_EQ(after.memory_mib, 0);
}

TEST_F(attr, identity_defaults)
{
	static const struct kvm_vmport_identity expected = {
		.version = 6,
		.product_type = 2,
		.hw_version = 17,
		.vcpu_info = KVM_VMPORT_VCPU_INFO_LEGACY_X2APIC,
		.max_time_lag_us = 1000000,
	};
	struct kvm_vmport_identity identity;

	memset(&identity, 0xff, sizeof(identity));
	ASSERT_EQ(vmport_get_identity(self->vm, &identity), 0);
	EXPECT_EQ(memcmp(&identity, &expected, sizeof(expected)), 0);
}

TEST_F(attr, identity_set_get)
{
	static const struct kvm_vmport_identity set = {
		.version = 0xfffffff6,
		.product_type = 0xfffffff2,
		.hw_version = 0xffffff17,
		.vcpu_info = 0x7fffffff,
		.uuid = "0123456789abcde",
		.memory_mib = 0xfedcba9876543210,
		.tsc_hz = 0xfedcba9876543211,
		.apic_hz = 0xfedcba9876543212,
		.max_time_lag_us = 0xfffffffe,
	};
	struct kvm_vmport_identity get, bad = set;

	EXPECT_EQ(vmport_set_identity(self->vm, &set), 0);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_NONE);
	EXPECT_EQ(vmport_get_identity(self->vm, &get), 0);
	EXPECT_EQ(memcmp(&get, &set, sizeof(set)), 0);

	/* "Reserved" in GET_VCPU_INFO means that the command failed. */
	bad.vcpu_info = 0x80000000;
	bad.version = 1;
	EXPECT_EQ(vmport_set_identity(self->vm, &bad), EINVAL);
	EXPECT_EQ(vmport_get_identity(self->vm, &get), 0);
	EXPECT_EQ(memcmp(&get, &set, sizeof(set)), 0);
}

TEST_F(attr, limits_defaults)
{
	static const struct kvm_vmport_limits expected = {
		.channels = KVM_VMPORT_MAX_CHANNELS,
		.keys = KVM_VMPORT_MAX_KEYS,
		.value_bytes = KVM_VMPORT_MAX_VALUE,
		.guestinfo_bytes = KVM_VMPORT_MAX_GUESTINFO,
	};
	struct kvm_vmport_limits limits;

	ASSERT_EQ(vmport_get_limits(self->vm, &limits), 0);
	EXPECT_EQ(memcmp(&limits, &expected, sizeof(expected)), 0);
}

TEST_F(attr, limits_set_get)
{
	struct kvm_vmport_limits set = {
		.channels = 3,
		.keys = 5,
		.value_bytes = 7,
		.guestinfo_bytes = 11,
	};
	struct kvm_vmport_limits get;

	EXPECT_EQ(vmport_set_limits(self->vm, &set), 0);
	EXPECT_EQ(vmport_get_limits(self->vm, &get), 0);
	EXPECT_EQ(memcmp(&get, &set, sizeof(set)), 0);
}

TEST_F(attr, limits_past_the_maximum_e2big)
{
	struct kvm_vmport_limits limits, get, good;
	const struct {
		u32 *field;
		u32 max;
		u32 error;
	} tests[] = {
		{ &limits.channels, KVM_VMPORT_MAX_CHANNELS, KVM_VMPORT_ERR_CHANNELS },
		{ &limits.keys, KVM_VMPORT_MAX_KEYS, KVM_VMPORT_ERR_KEY_COUNT },
		{ &limits.value_bytes, KVM_VMPORT_MAX_VALUE, KVM_VMPORT_ERR_VALUE_SIZE },
		{ &limits.guestinfo_bytes, KVM_VMPORT_MAX_GUESTINFO,
		  KVM_VMPORT_ERR_GUESTINFO_SIZE },
	};
	int i;

	ASSERT_EQ(vmport_get_limits(self->vm, &good), 0);
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		limits = good;
		*tests[i].field = tests[i].max + 1;
		EXPECT_EQ(vmport_set_limits(self->vm, &limits), E2BIG);
		EXPECT_EQ(vmport_error, tests[i].error);
		*tests[i].field = ~0u;
		EXPECT_EQ(vmport_set_limits(self->vm, &limits), E2BIG);
		EXPECT_EQ(vmport_error, tests[i].error);
	}
	EXPECT_EQ(vmport_get_limits(self->vm, &get), 0);
	EXPECT_EQ(memcmp(&get, &good, sizeof(good)), 0);
}

TEST_F(attr, limit_key_bytes)
{
	char key[KVM_VMPORT_MAX_KEY + 2];

	memset(key, 'k', sizeof(key));
	EXPECT_EQ(vmport_set_entry(self->vm, key, KVM_VMPORT_MAX_KEY, "v", 1, 0), 0);
	EXPECT_EQ(vmport_set_entry(self->vm, key, KVM_VMPORT_MAX_KEY + 1, "v", 1, 0), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_KEY_SIZE);
	EXPECT_EQ(vmport_set_entry(self->vm, key, 0xffffffff, "v", 1, 0), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_KEY_SIZE);
}

TEST_F(attr, limit_keys)
{
	struct kvm_vmport_limits limits;

	ASSERT_EQ(vmport_get_limits(self->vm, &limits), 0);
	limits.keys = 2;
	ASSERT_EQ(vmport_set_limits(self->vm, &limits), 0);
	EXPECT_EQ(vmport_set_text(self->vm, "a", "1"), 0);
	EXPECT_EQ(vmport_set_text(self->vm, "b", "1"), 0);
	EXPECT_EQ(vmport_set_text(self->vm, "c", "1"), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_KEY_COUNT);
	EXPECT_EQ(vmport_get_text(self->vm, "c"), NULL);
	/* Another value for a key that is there needs no room. */
	EXPECT_EQ(vmport_set_text(self->vm, "b", "2"), 0);
	EXPECT_EQ(vmport_delete(self->vm, "a"), 0);
	EXPECT_EQ(vmport_set_text(self->vm, "c", "1"), 0);
}

TEST_F(attr, limit_value_bytes)
{
	struct kvm_vmport_limits limits;

	ASSERT_EQ(vmport_get_limits(self->vm, &limits), 0);
	limits.value_bytes = 4;
	ASSERT_EQ(vmport_set_limits(self->vm, &limits), 0);
	EXPECT_EQ(vmport_set_text(self->vm, "a", "1234"), 0);
	EXPECT_EQ(vmport_set_text(self->vm, "a", "12345"), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_VALUE_SIZE);
	EXPECT_STREQ(vmport_get_text(self->vm, "a"), "1234");
}

TEST_F(attr, limit_guestinfo_bytes)
{
	struct kvm_vmport_limits limits;

	ASSERT_EQ(vmport_get_limits(self->vm, &limits), 0);
	limits.guestinfo_bytes = 10;
	ASSERT_EQ(vmport_set_limits(self->vm, &limits), 0);
	EXPECT_EQ(vmport_set_text(self->vm, "a", "1234"), 0);
	EXPECT_EQ(vmport_set_text(self->vm, "b", "12345"), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_GUESTINFO_SIZE);
	EXPECT_EQ(vmport_get_text(self->vm, "b"), NULL);
	EXPECT_EQ(vmport_set_text(self->vm, "b", "1234"), 0);
	/* Full: what a replaced value leaves counts. */
	EXPECT_EQ(vmport_set_text(self->vm, "b", "12345"), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_GUESTINFO_SIZE);
	EXPECT_EQ(vmport_set_text(self->vm, "b", "123"), 0);
	EXPECT_EQ(vmport_set_text(self->vm, "a", "12345"), 0);
	EXPECT_EQ(vmport_set_text(self->vm, "a", "123456"), E2BIG);
	EXPECT_STREQ(vmport_get_text(self->vm, "a"), "12345");
}

TEST_F(attr, limits_lowered_below_use_take_nothing_away)
{
	static const struct kvm_vmport_limits low = {
		.channels = 1,
		.keys = 1,
		.value_bytes = 2,
		.guestinfo_bytes = 4,
	};

	ASSERT_EQ(vmport_set_text(self->vm, "a", "12345"), 0);
	ASSERT_EQ(vmport_set_text(self->vm, "b", "12345"), 0);
	ASSERT_EQ(vmport_set_limits(self->vm, &low), 0);
	EXPECT_STREQ(vmport_get_text(self->vm, "a"), "12345");
	EXPECT_STREQ(vmport_get_text(self->vm, "b"), "12345");
	EXPECT_EQ(vmport_set_text(self->vm, "c", "1"), E2BIG);
	EXPECT_EQ(vmport_set_text(self->vm, "b", "1234"), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_VALUE_SIZE);
	/* Less than before is welcome. */
	EXPECT_EQ(vmport_set_text(self->vm, "b", "12"), 0);
	EXPECT_EQ(vmport_delete(self->vm, "a"), 0);
}

TEST(limit_channels_counts_open_ones)
{
	struct vmport_channel channels[3], extra;
	struct kvm_vmport_limits limits;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vmport_vm_create(VMPORT_RPC, 1, &vcpu);
	int i;

	ASSERT_EQ(vmport_get_limits(vm, &limits), 0);
	limits.channels = 3;
	ASSERT_EQ(vmport_set_limits(vm, &limits), 0);
	for (i = 0; i < 3; i++)
		channels[i] = vmport_open(vcpu, VMPORT_RPCI);
	/* One more takes the place of one that nobody has used for a while. */
	vmport_abandon_all();
	EXPECT_EQ(vmport_try_open(vcpu, VMPORT_RPCI | VMPORT_COOKIE, &extra), VMPORT_SUCCESS);
	EXPECT_EQ(extra.id, channels[0].id);

	/* Lower than what is open: those stay usable, and no more than they are. */
	limits.channels = 1;
	ASSERT_EQ(vmport_set_limits(vm, &limits), 0);
	EXPECT_STREQ(vmport_rpc_text(&extra, "log still here"), "1 ");
	EXPECT_STREQ(vmport_rpc_text(&channels[1], "log still here"), "1 ");
	EXPECT_STREQ(vmport_rpc_text(&channels[2], "log still here"), "1 ");
	vmport_close(&extra);
	vmport_close(&channels[1]);
	vmport_abandon_all();
	EXPECT_EQ(vmport_try_open(vcpu, VMPORT_RPCI, &extra), VMPORT_SUCCESS);
	EXPECT_EQ(extra.id, channels[2].id);
	vmport_close(&extra);

	limits.channels = 0;
	ASSERT_EQ(vmport_set_limits(vm, &limits), 0);
	EXPECT_EQ(vmport_try_open(vcpu, VMPORT_RPCI, &extra), VMPORT_FAIL);
	kvm_vm_free(vm);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_VMPORT));

	return test_harness_run(argc, argv);
}
