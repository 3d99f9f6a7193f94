/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that runs a few bytes of code in any ring and mode, and tells how that
 * ended: for the tests of KVM's VMware guest interface.
 */
#ifndef SELFTEST_KVM_VMPORT_USER_H
#define SELFTEST_KVM_VMPORT_USER_H

#include "vmport.h"

#define USER_CS		0x33
#define USER_DS		0x2b

/* User code ends with INT of this vector, whose gate ring 3 may use. */
#define DONE_VECTOR	0x81
#define INT		0xcd

#ifndef X86_EFLAGS_TF
#define X86_EFLAGS_TF	BIT(8)
#endif
#ifndef X86_EFLAGS_RF
#define X86_EFLAGS_RF	BIT(16)
#endif

#define PTE_PRESENT	0x1
#define PTE_WRITABLE	0x2
#define PTE_USER	0x4

/* Error code of #PF. */
#define PF_PRESENT	BIT(0)
#define PF_WRITE	BIT(1)
#define PF_USER		BIT(2)

#define TSS_RSP0	4
#define TSS_IOMAP_BASE	102
#define TSS_BITMAP	104

/* Guest: two pages of user code, and where the last exception came from. */
static u8 user_code[2 * 4096] __aligned(4096);
static struct ex_regs user_frame;

enum tss_bitmap {
	BITMAP_NONE,		/* past the TSS's limit: all denied */
	BITMAP_DENY,		/* there, and all set */
	BITMAP_DENY_LAST,	/* only the last byte of the access is denied */
	BITMAP_ALLOW,
};

struct user {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct kvm_sregs kernel;
	struct kvm_sregs sregs;
	u8 iopl;
	u64 rflags;		/* more flags to set */
	u32 debug;		/* KVM_GUESTDBG_* */
};

/* All that came of one run. */
struct outcome {
	u32 nr_exits;
	u32 exit_reason;	/* the last one, when that is not the port of ours */
	struct {
		u8 direction;
		u8 size;
		u16 port;
		u32 count;
		u32 data;
	} io[4];
	struct ex_regs frame;	/* how it ended in ring 3 */
};

static inline void user_exception(struct ex_regs *regs)
{
	user_frame = *regs;
	asm volatile("out %%al, %0" : : "i"(VMPORT_DONE_PORT) : "memory");
}

static inline u64 *user_pte(struct kvm_vm *vm, u64 cr3, u64 gva, int level)
{
	u64 *table = addr_gpa2hva(vm, cr3 & ~0xfffull);
	u64 *pte = NULL;
	int i;

	for (i = 4; i >= level; i--) {
		pte = &table[(gva >> (12 + 9 * (i - 1))) & 0x1ff];
		TEST_ASSERT(*pte & PTE_PRESENT, "0x%llx is not mapped", (unsigned long long)gva);
		if (i > level)
			table = addr_gpa2hva(vm, *pte & 0x000ffffffffff000ull);
	}
	return pte;
}

static inline void user_map(struct user *user, void *start, size_t size)
{
	u64 gva;
	int level;

	for (gva = (unsigned long)start & ~0xfffull; gva < (unsigned long)start + size;
	     gva += 4096) {
		for (level = 4; level; level--)
			*user_pte(user->vm, user->kernel.cr3, gva, level) |= PTE_USER;
	}
}

static inline void user_set_bitmap(struct user *user, enum tss_bitmap kind)
{
	u8 *tss = addr_gva2hva(user->vm, user->kernel.tr.base);
	u16 base = TSS_BITMAP;

	memset(tss + TSS_BITMAP, 0xff, 4096 - TSS_BITMAP);
	if (kind == BITMAP_ALLOW || kind == BITMAP_DENY_LAST)
		memset(tss + TSS_BITMAP + VMPORT_PORT / 8, 0, 2);
	if (kind == BITMAP_DENY_LAST)
		tss[TSS_BITMAP + VMPORT_PORT / 8] = 1 << (VMPORT_PORT % 8 + 3);
	memcpy(tss + TSS_IOMAP_BASE, &base, sizeof(base));
	user->sregs.tr.limit = kind == BITMAP_NONE ? TSS_BITMAP - 1 : 4095;
}

/* 64: long mode; 32 and 16: compatibility mode. */
static inline void user_set_mode(struct user *user, int bits)
{
	user->sregs.cs.l = bits == 64;
	user->sregs.cs.db = bits == 32;
}

static inline struct user user_create(u64 features)
{
	static const u8 vectors[] = { DB_VECTOR, UD_VECTOR, SS_VECTOR, GP_VECTOR, PF_VECTOR,
				      DONE_VECTOR };
	u64 rsp0 = (unsigned long)vmport_stack[0] + sizeof(vmport_stack[0]);
	struct user user = { };
	struct idt_entry *idt;
	u64 *gdt;
	int i;

	user.vm = vmport_vm_create(features, 1, &user.vcpu);
	for (i = 0; i < ARRAY_SIZE(vectors); i++)
		vm_install_exception_handler(user.vm, vectors[i], user_exception);

	vcpu_sregs_get(user.vcpu, &user.kernel);
	user.sregs = user.kernel;
	user.sregs.cs = (struct kvm_segment) {
		.limit = 0xffffffff, .selector = USER_CS, .type = 0xb, .present = 1,
		.dpl = 3, .l = 1, .s = 1, .g = 1,
	};
	user.sregs.ss = (struct kvm_segment) {
		.limit = 0xffffffff, .selector = USER_DS, .type = 0x3, .present = 1,
		.dpl = 3, .db = 1, .s = 1, .g = 1,
	};
	user.sregs.ds = user.sregs.ss;
	user.sregs.es = user.sregs.ss;
	user.sregs.fs = user.sregs.ss;
	user.sregs.gs = user.sregs.ss;
	/* Software emulation of SVM looks into the bitmap of an idle TSS only. */
	if (host_cpu_is_amd)
		user.sregs.tr.type = 9;

	/* For the way back from an exception. */
	gdt = addr_gva2hva(user.vm, user.kernel.gdt.base);
	gdt[USER_DS / 8] = 0x00cff3000000ffff;
	gdt[USER_CS / 8] = 0x00affb000000ffff;

	idt = addr_gva2hva(user.vm, user.kernel.idt.base);
	idt[DONE_VECTOR].dpl = 3;
	memcpy(addr_gva2hva(user.vm, user.kernel.tr.base) + TSS_RSP0, &rsp0, sizeof(rsp0));
	user_set_bitmap(&user, BITMAP_DENY);
	user_map(&user, user_code, sizeof(user_code));
	user_map(&user, vmport_buffer[0], sizeof(vmport_buffer[0]));
	return user;
}

/* Run on, to the end that user_exception() is. */
static inline struct outcome user_continue(struct user *user)
{
	struct kvm_run *run = user->vcpu->run;
	struct outcome outcome = { };
	void *data;
	int i;

	memset(&user_frame, 0, sizeof(user_frame));
	sync_global_to_guest(user->vm, user_frame);
	vcpu_run(user->vcpu);

	for (i = 0; i < ARRAY_SIZE(outcome.io) && !vmport_is_done(user->vcpu); i++) {
		outcome.nr_exits++;
		outcome.exit_reason = run->exit_reason;
		if (run->exit_reason != KVM_EXIT_IO)
			return outcome;
		outcome.io[i].direction = run->io.direction;
		outcome.io[i].size = run->io.size;
		outcome.io[i].port = run->io.port;
		outcome.io[i].count = run->io.count;
		data = (void *)run + run->io.data_offset;
		if (run->io.direction == KVM_EXIT_IO_OUT)
			memcpy(&outcome.io[i].data, data, run->io.size);
		else
			memset(data, 0xa5, run->io.size * run->io.count);
		vcpu_run(user->vcpu);
	}
	TEST_ASSERT(vmport_is_done(user->vcpu), "exit %u", run->exit_reason);
	sync_global_from_guest(user->vm, user_frame);
	outcome.frame = user_frame;
	/* A fault's RF: set by KVM and by hardware, not by software emulation. */
	outcome.frame.rflags &= ~(u64)X86_EFLAGS_RF;
	return outcome;
}

/* Get ready to run @code, put at @offset of the user pages. */
static inline void user_start(struct user *user, u32 offset, const u8 *code, u32 size,
			      struct kvm_regs *regs)
{
	struct kvm_guest_debug debug = { .control = user->debug };

	memcpy(vmport_gva2hva(user->vm, user_code) + offset, code, size);
	regs->rip = (unsigned long)user_code + offset - user->sregs.cs.base;
	regs->rflags = X86_EFLAGS_FIXED | (u64)user->iopl << 12 | user->rflags;
	vcpu_sregs_set(user->vcpu, &user->sregs);
	vcpu_regs_set(user->vcpu, regs);
	if (user->debug)
		vcpu_guest_debug_set(user->vcpu, &debug);
}

/* Run it in ring 3, from these registers. */
static inline struct outcome user_run_at(struct user *user, u32 offset, const u8 *code,
					 u32 size, struct vmport_regs in)
{
	struct kvm_regs regs;

	vmport_set_regs(user->vcpu, &regs, &in);
	regs.rsp = (unsigned long)vmport_buffer[0] + 2048;
	user_start(user, offset, code, size, &regs);
	return user_continue(user);
}

static inline struct outcome user_run(struct user *user, const u8 *code, u32 size,
				      struct vmport_regs in)
{
	return user_run_at(user, 0, code, size, in);
}

static inline u64 user_rip(u32 offset)
{
	return (unsigned long)user_code + offset;
}

/* The guest is in ring 0 and may use the port. */
static inline struct kvm_vcpu *user_kernel(struct user *user)
{
	vcpu_sregs_set(user->vcpu, &user->kernel);
	return user->vcpu;
}

static inline u8 *user_buffer(struct user *user)
{
	return vmport_gva2hva(user->vm, vmport_buffer[0]);
}

static inline u64 user_buffer_addr(u32 offset)
{
	return (unsigned long)vmport_buffer[0] + offset;
}

static inline u64 *user_buffer_pte(struct user *user, u32 offset)
{
	return user_pte(user->vm, user->kernel.cr3, user_buffer_addr(offset), 1);
}

/* Announce a message of @size bytes. */
static inline struct vmport_channel user_announce(struct user *user, u32 size)
{
	struct vmport_channel channel = vmport_open(user_kernel(user), VMPORT_RPCI | VMPORT_COOKIE);

	TEST_ASSERT_EQ(vmport_msg_status(&channel, VMPORT_MSG_SENDSIZE, size),
		       VMPORT_SUCCESS | VMPORT_HB);
	return channel;
}

/* Make a reply of @size bytes wait, "1 " and a pattern. */
static inline struct vmport_channel user_expect_reply(struct user *user, u32 size, u8 *reply)
{
	struct vmport_channel channel = vmport_open(user_kernel(user), VMPORT_RPCI | VMPORT_COOKIE);
	u32 i;

	memcpy(reply, "1 ", 2);
	for (i = 2; i < size; i++)
		reply[i] = i * 7 + i / 256;
	TEST_ASSERT_EQ(vmport_set_entry(user->vm, "guestinfo.k", 11, reply + 2, size - 2, 0), 0);
	vmport_send(&channel, "info-get guestinfo.k", 20);
	TEST_ASSERT_EQ(vmport_poll(&channel), size);
	return channel;
}

/* Code that ends with an exception of our own. */
#define CODE(_name, ...)	static const u8 _name[] = { __VA_ARGS__, INT, DONE_VECTOR }

#define EXPECT_EXCEPTION(_outcome, _vector, _error_code, _offset)		\
do {										\
	const struct outcome __e = (_outcome);					\
										\
	EXPECT_EQ(__e.nr_exits, 0);						\
	EXPECT_EQ(__e.frame.vector, _vector);					\
	EXPECT_EQ(__e.frame.error_code, _error_code);				\
	EXPECT_EQ(__e.frame.rip, user_rip(_offset));				\
	EXPECT_EQ(__e.frame.cs, USER_CS);					\
} while (0)

/* The same exits, the same exception, the same registers. */
#define EXPECT_SAME(_a, _b)							\
do {										\
	const struct outcome __a = (_a), __b = (_b);				\
										\
	EXPECT_EQ(memcmp(&__a, &__b, sizeof(__a)), 0)				\
		TH_LOG("%u exits, vector %lu (%lu) at 0x%lx; %u, %lu (%lu) at 0x%lx", \
		       __a.nr_exits, __a.frame.vector, __a.frame.error_code,	\
		       __a.frame.rip, __b.nr_exits, __b.frame.vector,		\
		       __b.frame.error_code, __b.frame.rip);			\
} while (0)

#endif /* SELFTEST_KVM_VMPORT_USER_H */
