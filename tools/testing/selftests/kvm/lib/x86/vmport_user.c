// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that runs a few bytes of code in any ring and mode.
 */
#include "vmport_user.h"

#include "vmport_compat.h"

struct ex_regs vmport_user_frame;

static void user_exception(struct ex_regs *regs)
{
	vmport_user_frame = *regs;
	vmport_guest_done();
}

u64 *vmport_user_pte(struct kvm_vm *vm, u64 cr3, u64 gva, int level)
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

void vmport_user_map(struct vmport_user *user, void *start, size_t size)
{
	u64 gva;
	int level;

	for (gva = (unsigned long)start & ~0xfffull; gva < (unsigned long)start + size;
	     gva += 4096) {
		for (level = 4; level; level--)
			*vmport_user_pte(user->vm, user->kernel.cr3, gva, level) |= PTE_USER;
	}
}

void vmport_user_set_bitmap(struct vmport_user *user, enum vmport_tss_bitmap kind)
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
void vmport_user_set_mode(struct vmport_user *user, int bits)
{
	user->sregs.cs.l = bits == 64;
	user->sregs.cs.db = bits == 32;
}

struct vmport_user vmport_user_create(u64 features)
{
	static const u8 vectors[] = { DB_VECTOR, UD_VECTOR, SS_VECTOR, GP_VECTOR, PF_VECTOR,
				      DONE_VECTOR };
	u64 rsp0 = vmport_stack_top(0);
	struct vmport_user user = { };
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
	vmport_user_set_bitmap(&user, BITMAP_DENY);
	TEST_ASSERT_EQ(vm_alloc(user.vm, USER_CODE_SIZE, USER_CODE), USER_CODE);
	vmport_user_map(&user, (void *)USER_CODE, USER_CODE_SIZE);
	vmport_user_map(&user, (void *)vmport_buffer(0), VMPORT_BUFFER_SIZE);
	return user;
}

/* Run on, to the end that user_exception() is. */
struct vmport_outcome vmport_user_continue(struct vmport_user *user)
{
	struct kvm_run *run = user->vcpu->run;
	struct vmport_outcome outcome = { };
	void *data;
	int i;

	memset(&vmport_user_frame, 0, sizeof(vmport_user_frame));
	sync_global_to_guest(user->vm, vmport_user_frame);
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
	sync_global_from_guest(user->vm, vmport_user_frame);
	outcome.frame = vmport_user_frame;
	/* A fault's RF: set by KVM and by hardware, not by software emulation. */
	outcome.frame.rflags &= ~(u64)X86_EFLAGS_RF;
	return outcome;
}

/* Get ready to run @code, put at @offset of the user pages. */
void vmport_user_start(struct vmport_user *user, u32 offset, const u8 *code, u32 size,
		       struct kvm_regs *regs)
{
	struct kvm_guest_debug debug = { .control = user->debug };

	memcpy(addr_gva2hva(user->vm, USER_CODE) + offset, code, size);
	regs->rip = USER_CODE + offset - user->sregs.cs.base;
	regs->rflags = X86_EFLAGS_FIXED | (u64)user->iopl << 12 | user->rflags;
	vcpu_sregs_set(user->vcpu, &user->sregs);
	vcpu_regs_set(user->vcpu, regs);
	if (user->debug)
		vcpu_guest_debug_set(user->vcpu, &debug);
}

/* Run it in ring 3, from these registers. */
struct vmport_outcome vmport_user_run_at(struct vmport_user *user, u32 offset, const u8 *code,
					 u32 size, struct vmport_regs in)
{
	struct kvm_regs regs;

	vmport_set_regs(user->vcpu, &regs, &in);
	regs.rsp = vmport_buffer(0) + 2048;
	vmport_user_start(user, offset, code, size, &regs);
	return vmport_user_continue(user);
}

struct vmport_outcome vmport_user_run(struct vmport_user *user, const u8 *code, u32 size,
				      struct vmport_regs in)
{
	return vmport_user_run_at(user, 0, code, size, in);
}

u64 vmport_user_rip(u32 offset)
{
	return USER_CODE + offset;
}

/* The guest is in ring 0 and may use the port. */
struct kvm_vcpu *vmport_user_kernel(struct vmport_user *user)
{
	vcpu_sregs_set(user->vcpu, &user->kernel);
	return user->vcpu;
}

u8 *vmport_user_buffer(struct vmport_user *user)
{
	return addr_gva2hva(user->vm, vmport_buffer(0));
}

u64 vmport_user_buffer_addr(u32 offset)
{
	return vmport_buffer(0) + offset;
}

u64 *vmport_user_buffer_pte(struct vmport_user *user, u32 offset)
{
	return vmport_user_pte(user->vm, user->kernel.cr3, vmport_user_buffer_addr(offset), 1);
}

/* Announce a message of @size bytes. */
struct vmport_channel vmport_user_announce(struct vmport_user *user, u32 size)
{
	struct kvm_vcpu *vcpu = vmport_user_kernel(user);
	struct vmport_channel channel = vmport_open(vcpu, VMPORT_RPCI | VMPORT_COOKIE);

	TEST_ASSERT_EQ(vmport_msg_status(&channel, VMPORT_MSG_SENDSIZE, size),
		       VMPORT_SUCCESS | VMPORT_HB);
	return channel;
}

/* Make a reply of @size bytes wait, "1 " and a pattern. */
struct vmport_channel vmport_user_expect_reply(struct vmport_user *user, u32 size, u8 *reply)
{
	struct kvm_vcpu *vcpu = vmport_user_kernel(user);
	struct vmport_channel channel = vmport_open(vcpu, VMPORT_RPCI | VMPORT_COOKIE);
	u32 i;

	memcpy(reply, "1 ", 2);
	for (i = 2; i < size; i++)
		reply[i] = i * 7 + i / 256;
	TEST_ASSERT_EQ(vmport_set_entry(user->vm, "guestinfo.k", 11, reply + 2, size - 2, 0), 0);
	vmport_send(&channel, "info-get guestinfo.k", 20);
	TEST_ASSERT_EQ(vmport_poll(&channel), size);
	return channel;
}
