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

/* Guest: pages of user code, not at the start of 64 KiB. */
#define USER_CODE	0x30004000ull
#define USER_CODE_SIZE	(2 * 4096)

/* Guest: where the last exception came from. */
extern struct ex_regs vmport_user_frame;

enum vmport_tss_bitmap {
	BITMAP_NONE,		/* past the TSS's limit: all denied */
	BITMAP_DENY,		/* there, and all set */
	BITMAP_DENY_LAST,	/* only the last byte of the access is denied */
	BITMAP_ALLOW,
};

struct vmport_user {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct kvm_sregs kernel;
	struct kvm_sregs sregs;
	u8 iopl;
	u64 rflags;		/* more flags to set */
	u32 debug;		/* KVM_GUESTDBG_* */
};

/* All that came of one run. */
struct vmport_outcome {
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

struct vmport_user vmport_user_create(u64 features);
u64 *vmport_user_pte(struct kvm_vm *vm, u64 cr3, u64 gva, int level);
void vmport_user_map(struct vmport_user *user, void *start, size_t size);
void vmport_user_set_bitmap(struct vmport_user *user, enum vmport_tss_bitmap kind);
void vmport_user_set_mode(struct vmport_user *user, int bits);
struct vmport_outcome vmport_user_continue(struct vmport_user *user);
void vmport_user_start(struct vmport_user *user, u32 offset, const u8 *code, u32 size,
		       struct kvm_regs *regs);
struct vmport_outcome vmport_user_run_at(struct vmport_user *user, u32 offset, const u8 *code,
					 u32 size, struct vmport_regs in);
struct vmport_outcome vmport_user_run(struct vmport_user *user, const u8 *code, u32 size,
				      struct vmport_regs in);
u64 vmport_user_rip(u32 offset);
struct kvm_vcpu *vmport_user_kernel(struct vmport_user *user);
u8 *vmport_user_buffer(struct vmport_user *user);
u64 vmport_user_buffer_addr(u32 offset);
u64 *vmport_user_buffer_pte(struct vmport_user *user, u32 offset);
struct vmport_channel vmport_user_announce(struct vmport_user *user, u32 size);
struct vmport_channel vmport_user_expect_reply(struct vmport_user *user, u32 size, u8 *reply);

/* Code that ends with an exception of our own. */
#define CODE(_name, ...)	static const u8 _name[] = { __VA_ARGS__, INT, DONE_VECTOR }

#define EXPECT_EXCEPTION(_outcome, _vector, _error_code, _offset)		\
do {										\
	const struct vmport_outcome __e = (_outcome);				\
										\
	EXPECT_EQ(__e.nr_exits, 0);						\
	EXPECT_EQ(__e.frame.vector, _vector);					\
	EXPECT_EQ(__e.frame.error_code, _error_code);				\
	EXPECT_EQ(__e.frame.rip, vmport_user_rip(_offset));			\
	EXPECT_EQ(__e.frame.cs, USER_CS);					\
} while (0)

/* The same exits, the same exception, the same registers. */
#define EXPECT_SAME(_a, _b)							\
do {										\
	const struct vmport_outcome __a = (_a), __b = (_b);			\
										\
	EXPECT_EQ(memcmp(&__a, &__b, sizeof(__a)), 0)				\
		TH_LOG("%u exits, vector %lu (%lu) at 0x%lx; %u, %lu (%lu) at 0x%lx", \
		       __a.nr_exits, __a.frame.vector, __a.frame.error_code,	\
		       __a.frame.rip, __b.nr_exits, __b.frame.vector,		\
		       __b.frame.error_code, __b.frame.rip);			\
} while (0)

#endif /* SELFTEST_KVM_VMPORT_USER_H */
