// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs with KVM's VMware guest interface, and calls of their guests.
 */
#include "vmport.h"

#include "vmport_compat.h"

/* One instruction of the guest's, its end, and that the guest is done. */
#define GUEST_INSTRUCTION(_name, _instruction)	\
	asm(".pushsection .text, \"ax\"\n"	\
	    ".globl " #_name ", " #_name "_end\n" \
	    #_name ":\n\t"			\
	    _instruction "\n"			\
	    #_name "_end:\n\t"			\
	    VMPORT_DONE				\
	    "ud2\n\t"				\
	    ".popsection")

GUEST_INSTRUCTION(vmport_in, "in %dx, %eax");
GUEST_INSTRUCTION(vmport_out, "out %eax, %dx");
GUEST_INSTRUCTION(vmport_inb, "in %dx, %al");
GUEST_INSTRUCTION(vmport_inw, "in %dx, %ax");
GUEST_INSTRUCTION(vmport_outb, "out %al, %dx");
GUEST_INSTRUCTION(vmport_outw, "out %ax, %dx");
GUEST_INSTRUCTION(vmport_insl, "insl");
GUEST_INSTRUCTION(vmport_outsl, "outsl");
GUEST_INSTRUCTION(vmport_rep_outsb, "rep outsb");
GUEST_INSTRUCTION(vmport_rep_insb, "rep insb");

/* The guest's memory that all VMs here have: a stack and a buffer for each vCPU. */
#define GUEST_MEMORY	0x20000000ull
#define STACK_SIZE	4096ull
#define BUFFER_ROOM	(((u64)VMPORT_BUFFER_SIZE + 4095) & ~4095ull)
#define GUEST_MEMORY_SIZE	(VMPORT_MAX_VCPUS * (STACK_SIZE + BUFFER_ROOM))

u64 vmport_promised;

const struct command vmport_commands[] = { VMPORT_COMMANDS(COMMAND_ROW) { } };

bool vmport_is_kernels(u32 cx, u64 features)
{
	const struct command *c;

	for (c = vmport_commands; c->name && c->nr != (u16)cx; c++)
		;
	if (!c->name || !(features & c->feature) ||
	    (c->flags & (COMMAND_IF_SET | COMMAND_RING_0)))
		return false;
	return !(c->flags & COMMAND_SUB_0) || cx == c->nr;
}

u64 vmport_buffer(u32 vcpu_id)
{
	return GUEST_MEMORY + vcpu_id * BUFFER_ROOM;
}

u64 vmport_stack_top(u32 vcpu_id)
{
	return vmport_buffer(VMPORT_MAX_VCPUS) + (vcpu_id + 1) * STACK_SIZE;
}

static void add_guest_memory(struct kvm_vm *vm)
{
	u64 gva = vm_alloc(vm, GUEST_MEMORY_SIZE, GUEST_MEMORY);

	TEST_ASSERT_EQ(gva, GUEST_MEMORY);
}

/* The guest's memory has no room for large arrays in the test's image. */
void *vmport_alloc(size_t size)
{
	void *p = calloc(1, size);

	TEST_ASSERT(p, "No memory");
	return p;
}

static void vmport_enable(struct kvm_vm *vm, u64 features)
{
	if (features)
		vm_enable_cap(vm, KVM_CAP_X86_VMPORT, features);
	vmport_promised = features & ~KVM_VMPORT_FEATURE_EXIT_RPC;
}

/*
 * A VM with @features on, or without the capability when there are none.
 */
struct kvm_vm *vmport_vm_create(u64 features, u32 nr_vcpus, struct kvm_vcpu **vcpus)
{
	struct kvm_vm *vm = vm_create(nr_vcpus);
	u32 i;

	TEST_ASSERT(nr_vcpus <= VMPORT_MAX_VCPUS, "%u vCPUs", nr_vcpus);
	vmport_enable(vm, features);
	add_guest_memory(vm);

	for (i = 0; i < nr_vcpus; i++)
		vcpus[i] = vm_vcpu_add(vm, i, vmport_in);

	return vm;
}

/* A VM for ioctls only: no memory, no vCPU. */
struct kvm_vm *vmport_vm_create_barebones(u64 features)
{
	struct kvm_vm *vm = vm_create_barebones();

	vmport_enable(vm, features);
	return vm;
}

/* A call of a command, with a pattern in whatever else there is. */
struct vmport_regs vmport_cmd_regs(u16 cmd)
{
	return (struct vmport_regs) {
		.ax = VMPORT_MAGIC,
		.bx = 0x11223344,
		.cx = 0x55660000 | cmd,
		.dx = 0x77880000 | VMPORT_PORT,
		.si = 0x99aabbcc,
		.di = 0xddeeff00,
	};
}

void vmport_set_regs(struct kvm_vcpu *vcpu, struct kvm_regs *regs, const struct vmport_regs *in)
{
	memset(regs, 0, sizeof(*regs));
	regs->rax = VMPORT_HIGH_AX | in->ax;
	regs->rbx = VMPORT_HIGH_BX | in->bx;
	regs->rcx = VMPORT_HIGH_CX | in->cx;
	regs->rdx = VMPORT_HIGH_DX | in->dx;
	regs->rsi = VMPORT_HIGH_SI | in->si;
	regs->rdi = VMPORT_HIGH_DI | in->di;
	regs->rsp = vmport_stack_top(vcpu->id);
}

/* Make it run from @rip. */
void vmport_start(struct kvm_vcpu *vcpu, const void *rip, struct kvm_regs *regs)
{
	regs->rip = (unsigned long)rip;
	regs->rflags = X86_EFLAGS_FIXED;
	vcpu_regs_set(vcpu, regs);
}

/* Run from @rip to the next exit. */
void vmport_run(struct kvm_vcpu *vcpu, const void *rip, struct kvm_regs *regs)
{
	vmport_start(vcpu, rip, regs);
	vcpu_run(vcpu);
	vcpu_regs_get(vcpu, regs);
}

bool vmport_is_done(struct kvm_vcpu *vcpu)
{
	return vcpu->run->exit_reason == KVM_EXIT_IO &&
	       vcpu->run->io.direction == KVM_EXIT_IO_OUT &&
	       vcpu->run->io.port == VMPORT_DONE_PORT;
}

/* Run from @rip to the end; the call in between is expected to be answered. */
void vmport_run_done(struct kvm_vcpu *vcpu, const void *rip, struct kvm_regs *regs)
{
	vmport_run(vcpu, rip, regs);
	TEST_ASSERT(vmport_is_done(vcpu),
		    "The call is not answered: exit %u (%s), port 0x%x, ECX 0x%llx",
		    vcpu->run->exit_reason, exit_reason_str(vcpu->run->exit_reason),
		    vcpu->run->exit_reason == KVM_EXIT_IO ? vcpu->run->io.port : 0,
		    regs->rcx);
}

void vmport_assert_high(const struct kvm_regs *regs)
{
	const u64 mask = 0xffffffff00000000ull;

	TEST_ASSERT_EQ(regs->rbx & mask, VMPORT_HIGH_BX);
	TEST_ASSERT_EQ(regs->rcx & mask, VMPORT_HIGH_CX);
	TEST_ASSERT_EQ(regs->rdx & mask, VMPORT_HIGH_DX);
	TEST_ASSERT_EQ(regs->rsi & mask, VMPORT_HIGH_SI);
	TEST_ASSERT_EQ(regs->rdi & mask, VMPORT_HIGH_DI);
}

struct vmport_regs vmport_low(const struct kvm_regs *regs)
{
	return (struct vmport_regs) {
		.ax = regs->rax,
		.bx = regs->rbx,
		.cx = regs->rcx,
		.dx = regs->rdx,
		.si = regs->rsi,
		.di = regs->rdi,
	};
}

/* One call from ring 0 by IN, answered by the kernel. */
struct vmport_regs vmport_call(struct kvm_vcpu *vcpu, struct vmport_regs in)
{
	struct kvm_regs regs;

	vmport_set_regs(vcpu, &regs, &in);
	vmport_run_done(vcpu, vmport_in, &regs);
	vmport_assert_high(&regs);
	TEST_ASSERT(!(regs.rax >> 32), "RAX after IN is 0x%llx", regs.rax);
	TEST_ASSERT_EQ(regs.rbp, 0);
	TEST_ASSERT_EQ(regs.r8 | regs.r9 | regs.r10 | regs.r11, 0);
	TEST_ASSERT_EQ(regs.r12 | regs.r13 | regs.r14 | regs.r15, 0);
	return vmport_low(&regs);
}
