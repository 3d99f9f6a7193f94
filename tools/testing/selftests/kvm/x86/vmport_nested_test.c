// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls of an L2 guest.  With the feature NESTED those of its ring 3 are L0's,
 * whatever L1 intercepts; all others, and all without the feature, are L1's.
 *
 * L1 does nothing but enter L2 as it is told; L2 loads its registers, runs the
 * bytes that the test gave it, stores its registers, and leaves with a hypercall.
 */
#include "vmport_nested.h"
#include "vmport_test.h"
#include "vmport_user.h"

#include "svm_util.h"
#include "vmx.h"

#include "vmport_compat.h"

#define VMPORT_NESTED	(VMPORT_RING3 | KVM_VMPORT_FEATURE_NESTED)

#define L2_INSN_SIZE	32

/* Where L2's page of code lies for L2, with nested paging. */
#define L2_ALIAS	BIT_ULL(30)

/* How L2 ended. */
enum l2_end {
	L2_DONE,		/* with the hypercall behind its code */
	L2_FAULT,		/* with an exception that L2 handles */
	L1_SAW_GP,
	L1_SAW_IO,
	L1_SAW_OTHER,
};

/* More than L2 has instructions. */
#define MAX_STEPS	256

/* What L1 is told. */
static struct {
	u8 ring;
	u8 iopl;
	bool intercept_gp;
	bool intercept_io;
	bool step;		/* by the Monitor Trap Flag of VMX */
	u64 nested_cr3;		/* or 0 */
	u64 iopm_gpa;
} l1_order;

/* And what it tells. */
static struct {
	u32 end;
	u32 reason;		/* the exit's, of the processor's kind */
	u64 rip;
	u32 steps;
	bool stepped;		/* L1 has stopped right behind the first byte of l2_insn */
} l1_report;

/* The exception that L2 met. */
static struct ex_regs l2_frame;

static u8 l1_iopm[4 * 4096] __aligned(4096);
static u8 l2_stack[4096] __aligned(4096);
static u8 l2_kernel_stack[4096] __aligned(4096);

/* In a page of its own, which ring 3 may use. */
asm(".pushsection .text, \"ax\"\n\t"
	".balign 4096\n"
	"l2_code:\n\t"
	"mov l2_regs+0(%rip), %rax\n\t"
	"mov l2_regs+8(%rip), %rbx\n\t"
	"mov l2_regs+16(%rip), %rcx\n\t"
	"mov l2_regs+24(%rip), %rdx\n\t"
	"mov l2_regs+32(%rip), %rsi\n\t"
	"mov l2_regs+40(%rip), %rdi\n"
	"l2_insn:\n\t"
	".fill 32, 1, 0x90\n\t"
	"mov %rax, l2_regs+0(%rip)\n\t"
	"mov %rbx, l2_regs+8(%rip)\n\t"
	"mov %rcx, l2_regs+16(%rip)\n\t"
	"mov %rdx, l2_regs+24(%rip)\n\t"
	"mov %rsi, l2_regs+32(%rip)\n\t"
	"mov %rdi, l2_regs+40(%rip)\n"
	"l2_hypercall:\n\t"
	"vmmcall\n\t"
	"ud2\n\t"
	".balign 4096\n\t"
	".popsection");

extern char l2_code[], l2_insn[], l2_hypercall[];

struct l2_regs {
	u64 ax;
	u64 bx;
	u64 cx;
	u64 dx;
	u64 si;
	u64 di;
};

struct l2_regs l2_regs __aligned(4096);

static void l2_exception(struct ex_regs *regs)
{
	l2_frame = *regs;
	if (host_cpu_is_intel)
		vmcall();
	else
		vmmcall();
}

static u64 l2_rflags(void)
{
	return X86_EFLAGS_FIXED | (u64)l1_order.iopl << 12;
}

static void svm_set_segment(struct vmcb_seg *seg, u16 selector, u16 attrib)
{
	*seg = (struct vmcb_seg) { .selector = selector, .attrib = attrib, .limit = -1u };
}

static u32 svm_end(struct vmcb *vmcb)
{
	switch (vmcb->control.exit_code) {
	case SVM_EXIT_VMMCALL:
		return vmcb->save.cpl || !l1_order.ring ? L2_DONE : L2_FAULT;
	case SVM_EXIT_EXCP_BASE + GP_VECTOR:
		GUEST_ASSERT_EQ(vmcb->control.exit_info_1, 0);
		return L1_SAW_GP;
	case SVM_EXIT_IOIO:
		return L1_SAW_IO;
	default:
		return L1_SAW_OTHER;
	}
}

static void l1_svm(struct svm_test_data *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	generic_svm_setup(svm, l2_code);
	for (;;) {
		/* L1 waits for its order. */
		vmport_guest_done();

		svm_set_segment(&vmcb->save.cs, l1_order.ring ? USER_CS : get_cs(),
				l1_order.ring ? 0xafb : 0xa9b);
		svm_set_segment(&vmcb->save.ss, l1_order.ring ? USER_DS : get_ss(),
				l1_order.ring ? 0xcf3 : 0xc93);
		vmcb->save.cpl = l1_order.ring;
		vmcb->save.rip = (u64)l2_code;
		vmcb->save.rsp = (u64)l2_stack + sizeof(l2_stack);
		/* run_guest() takes them from there. */
		guest_regs.rflags = l2_rflags();

		vmcb->control.intercept_exceptions = l1_order.intercept_gp ? BIT(GP_VECTOR) : 0;
		vmcb->control.intercept &= ~BIT_ULL(INTERCEPT_IOIO_PROT);
		if (l1_order.intercept_io)
			vmcb->control.intercept |= BIT_ULL(INTERCEPT_IOIO_PROT);
		vmcb->control.iopm_base_pa = l1_order.iopm_gpa;
		vmcb->control.misc_ctl = !!l1_order.nested_cr3;
		vmcb->control.nested_cr3 = l1_order.nested_cr3;
		/* Whatever was cached of the entry before. */
		vmcb->control.clean = 0;
		vmcb->control.tlb_ctl = TLB_CONTROL_FLUSH_ALL_ASID;

		run_guest(vmcb, svm->vmcb_gpa);

		l1_report.end = svm_end(vmcb);
		l1_report.reason = vmcb->control.exit_code;
		l1_report.rip = vmcb->save.rip;
	}
}

static u32 vmx_end(void)
{
	switch (vmreadz(VM_EXIT_REASON)) {
	case EXIT_REASON_VMCALL:
		return (vmreadz(GUEST_CS_SELECTOR) & 3) == l1_order.ring ? L2_DONE : L2_FAULT;
	case EXIT_REASON_EXCEPTION_NMI:
		GUEST_ASSERT_EQ(vmreadz(VM_EXIT_INTR_INFO) & 0xff, GP_VECTOR);
		GUEST_ASSERT_EQ(vmreadz(VM_EXIT_INTR_ERROR_CODE), 0);
		return L1_SAW_GP;
	case EXIT_REASON_IO_INSTRUCTION:
		return L1_SAW_IO;
	default:
		return L1_SAW_OTHER;
	}
}

/* L2's registers while L1 runs, which steps over instructions of L2. */
u64 l2_gprs[6];

/* Other than vmlaunch() and vmresume(): L2 has its registers when it goes on. */
static u64 vmx_enter(bool launched)
{
	u64 failed, host_rsp = HOST_RSP, host_rip = HOST_RIP, resume = launched;

	asm volatile("push %%rbp\n\t"
		     "push $0\n\t"
		     "vmwrite %%rsp, %[host_rsp]\n\t"
		     "lea 3f(%%rip), %%rax\n\t"
		     "vmwrite %%rax, %[host_rip]\n\t"
		     "test %[resume], %[resume]\n\t"
		     "mov l2_gprs+0(%%rip), %%rax\n\t"
		     "mov l2_gprs+8(%%rip), %%rbx\n\t"
		     "mov l2_gprs+16(%%rip), %%rcx\n\t"
		     "mov l2_gprs+24(%%rip), %%rdx\n\t"
		     "mov l2_gprs+32(%%rip), %%rsi\n\t"
		     "mov l2_gprs+40(%%rip), %%rdi\n\t"
		     "jnz 1f\n\t"
		     "vmlaunch\n\t"
		     "jmp 2f\n"
		     "1:\n\t"
		     "vmresume\n"
		     "2:\n\t"
		     "incq (%%rsp)\n"
		     "3:\n\t"
		     "mov %%rax, l2_gprs+0(%%rip)\n\t"
		     "mov %%rbx, l2_gprs+8(%%rip)\n\t"
		     "mov %%rcx, l2_gprs+16(%%rip)\n\t"
		     "mov %%rdx, l2_gprs+24(%%rip)\n\t"
		     "mov %%rsi, l2_gprs+32(%%rip)\n\t"
		     "mov %%rdi, l2_gprs+40(%%rip)\n\t"
		     "pop %%rax\n\t"
		     "pop %%rbp"
		     : "=&a" (failed), [host_rsp] "+c" (host_rsp), [host_rip] "+d" (host_rip),
		       [resume] "+S" (resume)
		     :
		     : "memory", "cc", "rbx", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
		       "r14", "r15");
	return failed;
}

static void l1_vmx(struct vmx_pages *vmx)
{
	u64 controls, secondary;
	bool launched = false;

	GUEST_ASSERT(prepare_for_vmx_operation(vmx));
	GUEST_ASSERT(load_vmcs(vmx));
	prepare_vmcs(vmx, l2_code);
	/* Page faults are L2's, as with SVM. */
	vmwrite(PAGE_FAULT_ERROR_CODE_MATCH, 0);
	controls = vmreadz(CPU_BASED_VM_EXEC_CONTROL) & ~(u64)CPU_BASED_UNCOND_IO_EXITING;
	secondary = vmreadz(SECONDARY_VM_EXEC_CONTROL);
	for (;;) {
		vmport_guest_done();

		vmwrite(GUEST_CS_SELECTOR, l1_order.ring ? USER_CS : get_cs());
		vmwrite(GUEST_CS_AR_BYTES, l1_order.ring ? 0xa0fb : 0xa09b);
		vmwrite(GUEST_CS_LIMIT, -1);
		vmwrite(GUEST_CS_BASE, 0);
		vmwrite(GUEST_SS_SELECTOR, l1_order.ring ? USER_DS : get_ss());
		vmwrite(GUEST_SS_AR_BYTES, l1_order.ring ? 0xc0f3 : 0xc093);
		vmwrite(GUEST_SS_LIMIT, -1);
		vmwrite(GUEST_SS_BASE, 0);
		/* None of the others is used; unusable is right in either ring. */
		vmwrite(GUEST_DS_AR_BYTES, 0x10000);
		vmwrite(GUEST_ES_AR_BYTES, 0x10000);
		vmwrite(GUEST_FS_AR_BYTES, 0x10000);
		vmwrite(GUEST_GS_AR_BYTES, 0x10000);
		vmwrite(GUEST_RIP, (u64)l2_code);
		vmwrite(GUEST_RSP, (u64)l2_stack + sizeof(l2_stack));
		vmwrite(GUEST_RFLAGS, l2_rflags());
		vmwrite(GUEST_INTERRUPTIBILITY_INFO, 0);

		vmwrite(EXCEPTION_BITMAP, l1_order.intercept_gp ? BIT(GP_VECTOR) : 0);
		if (l1_order.nested_cr3) {
			vmwrite(EPT_POINTER, l1_order.nested_cr3 | X86_MEMTYPE_WB | 3 << 3);
			GUEST_ASSERT(!vmwrite(SECONDARY_VM_EXEC_CONTROL,
					      secondary | SECONDARY_EXEC_ENABLE_EPT));
			controls |= CPU_BASED_ACTIVATE_SECONDARY_CONTROLS;
		}
		vmwrite(CPU_BASED_VM_EXEC_CONTROL,
			controls | (l1_order.intercept_io ? CPU_BASED_UNCOND_IO_EXITING : 0) |
			(l1_order.step ? CPU_BASED_MONITOR_TRAP : 0));

		l1_report.stepped = false;
		l1_report.steps = 0;
		do {
			GUEST_ASSERT(!vmx_enter(launched));
			launched = true;
			if (vmreadz(GUEST_RIP) == (u64)l2_insn + 1)
				l1_report.stepped = true;
		} while (vmreadz(VM_EXIT_REASON) == EXIT_REASON_MONITOR_TRAP_FLAG &&
			 l1_report.steps++ < MAX_STEPS);

		l1_report.end = vmx_end();
		l1_report.reason = vmreadz(VM_EXIT_REASON);
		l1_report.rip = vmreadz(GUEST_RIP);
	}
}

static void l1_main(void *pages)
{
	if (host_cpu_is_intel)
		l1_vmx(pages);
	else
		l1_svm(pages);
}

/* The VM, and how L1 is to run L2. */
struct nested {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	u8 *insn;		/* l2_insn, in the host */
	u8 ring;
	u8 iopl;
	bool intercept_gp;
	bool intercept_io;
	bool step;
	u64 nested_cr3;
};

/* All that came of one run of L2.  Compared as a whole: no padding. */
struct nested_outcome {
	u32 end;
	u32 reason;
	u64 rip;
	u32 fault_error_code;
	u32 nr_exits;		/* to the VMM */
	struct {
		u8 direction;
		u8 size;
		u16 port;
		u32 count;
	} io[4];
	struct l2_regs regs;	/* when it is L2_DONE: as they were at the end */
	u64 fault_vector;
	u64 fault_rip;
};

static void *nested_hva(struct nested *nested, void *gva)
{
	return vmport_gva2hva(nested->vm, gva);
}

/* L1 runs to where it waits for its first order. */
static struct nested nested_create(u64 features, bool paging)
{
	u64 rsp0 = (unsigned long)l2_kernel_stack + sizeof(l2_kernel_stack);
	static const u8 vectors[] = { UD_VECTOR, GP_VECTOR, PF_VECTOR };
	struct nested nested = { };
	struct vmport_user user = { };
	gva_t pages;
	int i;

	nested.vm = vm_create(1);
	if (features)
		vm_enable_cap(nested.vm, KVM_CAP_X86_VMPORT, features);
	nested.vcpu = vm_vcpu_add(nested.vm, 0, l1_main);
	if (host_cpu_is_intel)
		vcpu_alloc_vmx(nested.vm, &pages);
	else
		vcpu_alloc_svm(nested.vm, &pages);
	vcpu_args_set(nested.vcpu, 1, pages);
	for (i = 0; i < ARRAY_SIZE(vectors); i++)
		vm_install_exception_handler(nested.vm, vectors[i], l2_exception);

	user.vm = nested.vm;
	user.vcpu = nested.vcpu;
	vcpu_sregs_get(user.vcpu, &user.kernel);
	memcpy(addr_gva2hva(nested.vm, user.kernel.tr.base) + TSS_RSP0, &rsp0, sizeof(rsp0));
	vmport_user_map(&user, l2_code, 4096);
	vmport_user_map(&user, &l2_regs, sizeof(l2_regs));
	if (host_cpu_is_intel)
		memcpy(nested_hva(&nested, l2_hypercall), "\x0f\x01\xc1", 3);
	memset(nested_hva(&nested, l1_iopm), 0xff, sizeof(l1_iopm));
	nested.insn = nested_hva(&nested, l2_insn);
	if (paging) {
		/* L2's page tables say that its code is where only L1's lead back from. */
		nested.nested_cr3 = vmport_nested_tables(nested.vm, 0);
		*vmport_user_pte(nested.vm, user.kernel.cr3, (unsigned long)l2_code, 1) += L2_ALIAS;
	}

	vcpu_run(nested.vcpu);
	TEST_ASSERT(vmport_is_done(nested.vcpu), "exit %u (%s)", nested.vcpu->run->exit_reason,
		    exit_reason_str(nested.vcpu->run->exit_reason));
	nested.ring = 3;
	return nested;
}

static void nested_exit(struct nested *nested, struct nested_outcome *outcome)
{
	struct kvm_run *run = nested->vcpu->run;

	TEST_ASSERT_KVM_EXIT_REASON(nested->vcpu, KVM_EXIT_IO);
	TEST_ASSERT(outcome->nr_exits < ARRAY_SIZE(outcome->io), "Too many exits");
	outcome->io[outcome->nr_exits].direction = run->io.direction;
	outcome->io[outcome->nr_exits].size = run->io.size;
	outcome->io[outcome->nr_exits].port = run->io.port;
	outcome->io[outcome->nr_exits].count = run->io.count;
	outcome->nr_exits++;
	if (run->io.direction == KVM_EXIT_IO_IN)
		memset((void *)run + run->io.data_offset, 0xa5, run->io.size * run->io.count);
}

/* Tell L1 and L2 what to do. */
static void nested_order(struct nested *nested, const u8 *code, u32 size,
			 struct vmport_regs in)
{
	const struct l2_regs regs = {
		.ax = VMPORT_HIGH_AX | in.ax,
		.bx = VMPORT_HIGH_BX | in.bx,
		.cx = VMPORT_HIGH_CX | in.cx,
		.dx = VMPORT_HIGH_DX | in.dx,
		.si = VMPORT_HIGH_SI | in.si,
		.di = VMPORT_HIGH_DI | in.di,
	};

	l1_order.ring = nested->ring;
	l1_order.iopl = nested->iopl;
	l1_order.intercept_gp = nested->intercept_gp;
	l1_order.intercept_io = nested->intercept_io;
	l1_order.step = nested->step;
	l1_order.nested_cr3 = nested->nested_cr3;
	l1_order.iopm_gpa = addr_gva2gpa(nested->vm, (unsigned long)l1_iopm);
	sync_global_to_guest(nested->vm, l1_order);

	TEST_ASSERT(size <= L2_INSN_SIZE, "%u bytes of code", size);
	memset(nested->insn, 0x90, L2_INSN_SIZE);
	memcpy(nested->insn, code, size);
	*(struct l2_regs *)nested_hva(nested, &l2_regs) = regs;
	memset(nested_hva(nested, &l2_frame), 0, sizeof(l2_frame));
}

/* Run on, until L1 reports; @outcome has what came so far. */
static void nested_continue(struct nested *nested, struct nested_outcome *outcome)
{
	struct ex_regs *frame = nested_hva(nested, &l2_frame);

	for (;;) {
		vcpu_run(nested->vcpu);
		if (vmport_is_done(nested->vcpu))
			break;
		nested_exit(nested, outcome);
	}

	sync_global_from_guest(nested->vm, l1_report);
	outcome->end = l1_report.end;
	outcome->reason = l1_report.reason;
	outcome->rip = l1_report.rip;
	outcome->regs = *(struct l2_regs *)nested_hva(nested, &l2_regs);
	outcome->fault_vector = frame->vector;
	outcome->fault_rip = frame->rip;
	outcome->fault_error_code = frame->error_code;
}

static struct nested_outcome nested_run(struct nested *nested, const u8 *code, u32 size,
					struct vmport_regs in)
{
	struct nested_outcome outcome = { };

	nested_order(nested, code, size, in);
	nested_continue(nested, &outcome);
	return outcome;
}

#define RUN(_nested, _code, _in)	nested_run(_nested, _code, sizeof(_code), _in)

static const u8 insn_in[] = { 0xed };
static const u8 insn_out[] = { 0xef };

/* L0 has answered, and L2 went on behind the call: nobody else knows of it. */
#define EXPECT_SERVED(_outcome)							\
do {										\
	const struct nested_outcome __s = (_outcome);				\
										\
	EXPECT_EQ(__s.end, L2_DONE)						\
		TH_LOG("L1 saw exit 0x%x, L2 vector %llu", __s.reason,		\
		       (unsigned long long)__s.fault_vector);			\
	EXPECT_EQ(__s.nr_exits, 0);						\
} while (0)

/* ... and it was GETVERSION by IN. */
#define EXPECT_VERSION(_outcome)						\
do {										\
	const struct nested_outcome __o = (_outcome);				\
										\
	EXPECT_SERVED(__o);							\
	EXPECT_EQ(__o.regs.ax, 6);						\
	EXPECT_EQ(__o.regs.bx, VMPORT_HIGH_BX | VMPORT_MAGIC);			\
	EXPECT_EQ(__o.regs.cx, VMPORT_HIGH_CX | 2);				\
	EXPECT_EQ(__o.regs.dx, VMPORT_HIGH_DX | 0x77880000 | VMPORT_PORT);	\
	EXPECT_EQ(__o.regs.si, VMPORT_HIGH_SI | 0x99aabbcc);			\
	EXPECT_EQ(__o.regs.di, VMPORT_HIGH_DI | 0xddeeff00);			\
} while (0)

/* L1 has an exit at the instruction. */
#define EXPECT_L1(_outcome, _end)						\
do {										\
	const struct nested_outcome __o = (_outcome);				\
										\
	EXPECT_EQ(__o.end, _end)						\
		TH_LOG("L1 saw exit 0x%x", __o.reason);				\
	EXPECT_EQ(__o.rip, (unsigned long)l2_insn);				\
	EXPECT_EQ(__o.nr_exits, 0);						\
} while (0)

/* L2 has #GP(0) at the instruction. */
#define EXPECT_L2_GP(_outcome)							\
do {										\
	const struct nested_outcome __o = (_outcome);				\
										\
	EXPECT_EQ(__o.end, L2_FAULT)						\
		TH_LOG("L1 saw exit 0x%x", __o.reason);				\
	EXPECT_EQ(__o.fault_vector, GP_VECTOR);					\
	EXPECT_EQ(__o.fault_error_code, 0);					\
	EXPECT_EQ(__o.fault_rip, (unsigned long)l2_insn);			\
	EXPECT_EQ(__o.nr_exits, 0);						\
} while (0)

/* The VMM has a port exit. */
#define EXPECT_VMM_IN(_outcome)							\
do {										\
	const struct nested_outcome __o = (_outcome);				\
										\
	EXPECT_EQ(__o.end, L2_DONE);						\
	EXPECT_EQ(__o.nr_exits, 1);						\
	EXPECT_EQ(__o.io[0].direction, KVM_EXIT_IO_IN);				\
	EXPECT_EQ(__o.io[0].size, 4);						\
	EXPECT_EQ(__o.io[0].port, VMPORT_PORT);					\
	EXPECT_EQ(__o.regs.ax, 0xa5a5a5a5);					\
	EXPECT_EQ(__o.regs.bx, VMPORT_HIGH_BX | 0x11223344);			\
} while (0)

FIXTURE(nested) {
	struct nested on;
	struct nested off;	/* the same without NESTED */
	bool backdoor;
};

FIXTURE_VARIANT(nested) {
	bool paging;
};

FIXTURE_VARIANT_ADD(nested, shadow_paging) {
	.paging = false,
};

FIXTURE_VARIANT_ADD(nested, nested_paging) {
	.paging = true,
};

FIXTURE_SETUP(nested)
{
	u64 features = kvm_check_cap(KVM_CAP_X86_VMPORT) & ~(u64)KVM_VMPORT_FEATURE_EXIT_RPC;

	if (variant->paging && !vmport_has_nested_paging())
		SKIP(return, "no nested paging on this host");

	/* The features that L2 does not have are on too. */
	self->on = nested_create(features, variant->paging);
	self->off = nested_create(features & ~KVM_VMPORT_FEATURE_NESTED, variant->paging);
	self->backdoor = vmport_backdoor_parameter();
}

FIXTURE_TEARDOWN(nested)
{
	if (!self->on.vm)
		return;
	kvm_vm_free(self->on.vm);
	kvm_vm_free(self->off.vm);
}

/* Every way in which L1 can run L2: what it intercepts, what L2's ring 3 may do. */
#define NR_WAYS		8

static void set_way(struct nested *nested, int way)
{
	nested->intercept_gp = way & 1;
	nested->intercept_io = way & 2;
	nested->iopl = way & 4 ? 3 : 0;
}

/* Both VMs do the same. */
static void expect_as_without(struct __test_metadata *_metadata, struct _test_data_nested *self,
			      const u8 *code, u32 size, struct vmport_regs in)
{
	struct nested_outcome on, off;
	int way;

	for (way = 0; way < NR_WAYS; way++) {
		set_way(&self->on, way);
		set_way(&self->off, way);
		on = nested_run(&self->on, code, size, in);
		off = nested_run(&self->off, code, size, in);
		EXPECT_EQ(memcmp(&on, &off, sizeof(on)), 0)
			TH_LOG("way %d: end %u (0x%x) at 0x%llx, %u exits; %u (0x%x) at 0x%llx, %u",
			       way, on.end, on.reason, (unsigned long long)on.rip, on.nr_exits,
			       off.end, off.reason, (unsigned long long)off.rip, off.nr_exits);
	}
}

#define EXPECT_AS_WITHOUT(_code, _in)						\
	expect_as_without(_metadata, self, _code, sizeof(_code), _in)

TEST_F(nested, l1_steps_over_a_call)
{
	if (!host_cpu_is_intel)
		SKIP(return, "VMX has the Monitor Trap Flag, SVM has not");

	self->on.step = true;
	EXPECT_VERSION(RUN(&self->on, insn_in, vmport_cmd_regs(VMPORT_CMD_GETVERSION)));
	EXPECT_TRUE(l1_report.stepped)
		TH_LOG("%u steps, the last at l2_insn%+lld", l1_report.steps,
		       (long long)(l1_report.rip - (unsigned long)l2_insn));
}

TEST_F(nested, on_answered_whatever_l1_intercepts)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	struct nested_outcome outcome;
	int way;

	for (way = 0; way < NR_WAYS; way++) {
		set_way(&self->on, way);
		EXPECT_VERSION(RUN(&self->on, insn_in, in));

		outcome = RUN(&self->on, insn_out, in);
		EXPECT_SERVED(outcome);
		EXPECT_EQ(outcome.regs.ax, VMPORT_HIGH_AX | 6);
		EXPECT_EQ(outcome.regs.bx, VMPORT_HIGH_BX | VMPORT_MAGIC);
	}
}

TEST_F(nested, off_denied_access_is_l1s_gp_or_l2s)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	int io;

	for (io = 0; io <= 1; io++) {
		self->off.intercept_io = io;
		self->off.intercept_gp = true;
		EXPECT_L1(RUN(&self->off, insn_in, in), L1_SAW_GP);
		EXPECT_L1(RUN(&self->off, insn_out, in), L1_SAW_GP);
		/* On VMX the module parameter has always answered where L1 does not care. */
		self->off.intercept_gp = false;
		if (!self->backdoor)
			EXPECT_L2_GP(RUN(&self->off, insn_in, in));
	}
}

TEST_F(nested, off_permitted_access_is_l1s_or_the_vmms)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);

	self->off.iopl = 3;
	self->off.intercept_io = true;
	EXPECT_L1(RUN(&self->off, insn_in, in), L1_SAW_IO);
	EXPECT_L1(RUN(&self->off, insn_out, in), L1_SAW_IO);
	self->off.intercept_io = false;
	EXPECT_VMM_IN(RUN(&self->off, insn_in, in));
}

TEST_F(nested, ring_0_is_l1s)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);

	self->on.ring = 0;
	self->off.ring = 0;
	EXPECT_AS_WITHOUT(insn_in, in);
	EXPECT_AS_WITHOUT(insn_out, in);
	self->on.intercept_io = true;
	EXPECT_L1(RUN(&self->on, insn_in, in), L1_SAW_IO);
	self->on.intercept_io = false;
	EXPECT_VMM_IN(RUN(&self->on, insn_in, in));
}

TEST_F(nested, commands_of_others_are_as_without)
{
	static const u16 cmds[] = { VMPORT_COMMANDS_OF_OTHERS, VMPORT_CMD_STEALCLOCK };
	struct vmport_regs stealclock = vmport_cmd_regs(VMPORT_CMD_STEALCLOCK);
	int i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++)
		EXPECT_AS_WITHOUT(insn_in, vmport_cmd_regs(cmds[i]));

	/* As it is answered to ring 0 of L1. */
	stealclock.bx = 0;
	stealclock.cx = VMPORT_CMD_STEALCLOCK;
	EXPECT_AS_WITHOUT(insn_in, stealclock);
}

/* The VMM's, until it says what they answer. */
TEST_F(nested, uuid_and_memory_size)
{
	struct kvm_vmport_identity identity;
	struct nested_outcome outcome;

	EXPECT_AS_WITHOUT(insn_in, vmport_cmd_regs(VMPORT_CMD_GETUUID));
	EXPECT_AS_WITHOUT(insn_in, vmport_cmd_regs(VMPORT_CMD_GETMEMSIZE));

	ASSERT_EQ(vmport_get_identity(self->on.vm, &identity), 0);
	memcpy(identity.uuid, "0123456789abcdef", 16);
	identity.memory_mib = 321;
	ASSERT_EQ(vmport_set_identity(self->on.vm, &identity), 0);

	set_way(&self->on, 3);
	outcome = RUN(&self->on, insn_in, vmport_cmd_regs(VMPORT_CMD_GETUUID));
	EXPECT_SERVED(outcome);
	EXPECT_EQ(outcome.regs.ax, 0x33323130);
	set_way(&self->on, 7);
	outcome = RUN(&self->on, insn_in, vmport_cmd_regs(VMPORT_CMD_GETMEMSIZE));
	EXPECT_SERVED(outcome);
	EXPECT_EQ(outcome.regs.ax, 321);
}

TEST_F(nested, what_is_no_call_is_as_without)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	static const u8 inb[] = { 0xec };
	static const u8 inw[] = { 0x66, 0xed };
	static const u8 outw[] = { 0x66, 0xef };
	static const u8 in_imm[] = { 0xe5, 0x58 };
	/* RDI at the stack first: mov %rsp, %rdi; sub $0x40, %rdi; insl */
	static const u8 insl[] = { 0x48, 0x89, 0xe7, 0x48, 0x83, 0xef, 0x40, 0x6d };
	static const u8 cli[] = { 0xfa };
	static const u8 rdmsr[] = { 0x0f, 0x32 };
	static const u8 load[] = { 0x48, 0x8b, 0x03 };

	EXPECT_AS_WITHOUT(inb, in);
	EXPECT_AS_WITHOUT(inw, in);
	EXPECT_AS_WITHOUT(outw, in);
	EXPECT_AS_WITHOUT(in_imm, in);
	EXPECT_AS_WITHOUT(insl, in);
	EXPECT_AS_WITHOUT(cli, in);
	EXPECT_AS_WITHOUT(rdmsr, in);
	EXPECT_AS_WITHOUT(load, in);

	in.ax ^= 1;
	EXPECT_AS_WITHOUT(insn_in, in);
	in.ax ^= 1;
	in.dx ^= 1;
	EXPECT_AS_WITHOUT(insn_in, in);
}

/* The other ways of the interface are not L2's. */
TEST_F(nested, hb_and_pseudo_counters_are_as_without)
{
	struct vmport_regs in = vmport_cmd_regs(0);
	static const u8 rep_outsb[] = { 0xf3, 0x6e };
	static const u8 rep_insb[] = { 0xf3, 0x6c };
	static const u8 rdpmc[] = { 0x0f, 0x33 };

	in.bx = 0x10000;
	in.cx = 0;
	in.dx = VMPORT_PORT + 1;
	EXPECT_AS_WITHOUT(rep_outsb, in);
	EXPECT_AS_WITHOUT(rep_insb, in);

	/* Answered where neither L1 nor CR4.PCE says no, so never twice the same. */
	in.cx = 0x10003;
	EXPECT_AS_WITHOUT(rdpmc, in);
	in.cx = 0x10001;
	set_way(&self->on, 1);
	EXPECT_L1(RUN(&self->on, rdpmc, in), L1_SAW_GP);
}

TEST_F(nested, prefixes)
{
	struct vmport_regs in = vmport_cmd_regs(VMPORT_CMD_GETVERSION);
	static const u8 several[] = { 0x2e, 0x65, 0x3e, 0x48, 0xed };
	int way;

	for (way = 0; way < NR_WAYS; way++) {
		set_way(&self->on, way);
		EXPECT_VERSION(RUN(&self->on, several, in));
	}
}

/* One MESSAGE of L2; the low halves of its registers. */
static struct vmport_regs l2_message(struct nested *nested, const struct vmport_channel *channel,
				     u16 type, u32 bx)
{
	struct vmport_regs in = vmport_msg_regs(channel, type, bx);
	struct nested_outcome outcome = RUN(nested, insn_in, in);

	TEST_ASSERT(outcome.end == L2_DONE && !outcome.nr_exits, "L1 saw exit 0x%x",
		    outcome.reason);
	return (struct vmport_regs) {
		.ax = outcome.regs.ax,
		.bx = outcome.regs.bx,
		.cx = outcome.regs.cx,
		.dx = outcome.regs.dx,
		.si = outcome.regs.si,
		.di = outcome.regs.di,
	};
}

static struct vmport_channel l2_open(struct nested *nested)
{
	struct vmport_channel channel = { };
	struct vmport_regs out;

	out = l2_message(nested, &channel, VMPORT_MSG_OPEN, VMPORT_RPCI | VMPORT_COOKIE);
	TEST_ASSERT_EQ(vmport_status(&out), VMPORT_SUCCESS);
	channel.id = out.dx >> 16;
	channel.cookie_high = out.si;
	channel.cookie_low = out.di;
	return channel;
}

/* The first @words of a request. */
static void l2_send_part(struct nested *nested, const struct vmport_channel *channel,
			 const char *request, u32 words)
{
	struct vmport_regs out;
	u32 i, word;

	/* The port for whole messages is L1's, so it is not offered. */
	out = l2_message(nested, channel, VMPORT_MSG_SENDSIZE, strlen(request));
	TEST_ASSERT_EQ(out.cx, VMPORT_SUCCESS << 16);
	for (i = 0; i < words; i++) {
		memcpy(&word, request + 4 * i, 4);
		out = l2_message(nested, channel, VMPORT_MSG_SENDPAYLOAD, word);
		TEST_ASSERT_EQ(vmport_status(&out), VMPORT_SUCCESS);
	}
}

static void l2_expect_reply(struct nested *nested, const struct vmport_channel *channel,
			    const char *reply)
{
	struct vmport_regs out = l2_message(nested, channel, VMPORT_MSG_RECVSIZE, 0);
	char text[64] = { };
	u32 i;

	TEST_ASSERT_EQ(out.cx, (VMPORT_SUCCESS | VMPORT_DORECV) << 16);
	TEST_ASSERT_EQ(out.bx, strlen(reply));
	for (i = 0; i < out.bx; i += 4) {
		struct vmport_regs part = l2_message(nested, channel, VMPORT_MSG_RECVPAYLOAD, 1);

		memcpy(text + i, &part.bx, 4);
	}
	TEST_ASSERT(!strcmp(text, reply), "The reply is '%s'", text);
	out = l2_message(nested, channel, VMPORT_MSG_RECVSTATUS, 1);
	TEST_ASSERT_EQ(vmport_status(&out), VMPORT_SUCCESS);
}

/* A whole conversation, with every exit of another kind. */
TEST_F(nested, rpc)
{
	static const char request[] = "info-set guestinfo.x yes";
	struct vmport_channel channel;
	int way;

	for (way = 0; way < NR_WAYS; way++) {
		set_way(&self->on, way);
		channel = l2_open(&self->on);
		l2_send_part(&self->on, &channel, request, strlen(request) / 4);
		l2_expect_reply(&self->on, &channel, "1 ");
		EXPECT_STREQ(vmport_get_text(self->on.vm, "guestinfo.x"), "yes");
		ASSERT_EQ(vmport_delete(self->on.vm, "guestinfo.x"), 0);
	}
}

/* Whatever L1 or L2's own system lets its ring 3 do. */
TEST_F(nested, never_privileged)
{
	struct vmport_channel channel;
	int way;

	ASSERT_EQ(vmport_set_entry(self->on.vm, "guestinfo.s", 11, "old", 3,
				   KVM_VMPORT_GUESTINFO_PRIVILEGED), 0);
	for (way = 0; way < NR_WAYS; way++) {
		set_way(&self->on, way);
		channel = l2_open(&self->on);
		l2_send_part(&self->on, &channel, "info-get guestinfo.s", 5);
		l2_expect_reply(&self->on, &channel, "0 No value found");
		l2_send_part(&self->on, &channel, "info-set guestinfo.s new", 6);
		l2_expect_reply(&self->on, &channel, "0 Permission denied");
		EXPECT_STREQ(vmport_get_text(self->on.vm, "guestinfo.s"), "old");
	}
}

TEST_F(nested, off_no_channel_is_opened)
{
	struct vmport_channel channel = { };
	struct vmport_regs in;
	struct vmport_blob empty;
	int way;

	empty = vmport_save(self->off.vm);
	in = vmport_msg_regs(&channel, VMPORT_MSG_OPEN, VMPORT_RPCI);
	for (way = 0; way < NR_WAYS; way++) {
		/* On VMX the module parameter answers without asking. */
		if (self->backdoor && !(way & 1))
			continue;
		set_way(&self->off, way);
		RUN(&self->off, insn_in, in);
	}
	self->on.ring = 0;
	RUN(&self->on, insn_in, in);
	EXPECT_TRUE(vmport_state_is(self->off.vm, &empty));
	EXPECT_TRUE(vmport_state_is(self->on.vm, &empty));
	vmport_blob_free(&empty);
}

/* The VM goes to another host; the vCPU stands in L2. */
static void nested_migrate(struct nested *nested, u64 features)
{
	struct kvm_x86_state *state;
	struct vmport_blob blob;

	vcpu_run_complete_io(nested->vcpu);
	state = vcpu_save_state(nested->vcpu);
	TEST_ASSERT(state->nested.flags & KVM_STATE_NESTED_GUEST_MODE, "Not in L2");
	blob = vmport_save(nested->vm);
	kvm_vm_release(nested->vm);

	kvm_vm_restart(nested->vm);
	vm_enable_cap(nested->vm, KVM_CAP_X86_VMPORT, features);
	nested->vcpu = vm_vcpu_recreate(nested->vm, 0);
	vcpu_load_state(nested->vcpu, state);
	TEST_ASSERT_EQ(vmport_load(nested->vm, &blob), 0);
	TEST_ASSERT(vmport_state_is(nested->vm, &blob), "The state has changed");
	kvm_x86_state_cleanup(state);
	vmport_blob_free(&blob);
}

/* L2 sends half a request, is moved in the middle of its code, sends the rest. */
TEST_F(nested, migration_in_l2)
{
	static const char request[] = "info-set guestinfo.x yes";
	u64 features = kvm_check_cap(KVM_CAP_X86_VMPORT) & ~(u64)KVM_VMPORT_FEATURE_EXIT_RPC;
	struct nested_outcome outcome = { };
	struct vmport_channel channel;
	struct vmport_regs in, next;
	u32 word;

	/* IN of a command of the VMM; four MOV of immediates; IN of the next call. */
	u8 code[] = { 0xed, 0xb8, 0, 0, 0, 0, 0xbb, 0, 0, 0, 0, 0xb9, 0, 0, 0, 0,
		      0xba, 0, 0, 0, 0, 0xed };

	channel = l2_open(&self->on);
	l2_send_part(&self->on, &channel, request, strlen(request) / 4 - 1);

	memcpy(&word, request + strlen(request) - 4, 4);
	next = vmport_msg_regs(&channel, VMPORT_MSG_SENDPAYLOAD, word);
	memcpy(code + 2, &next.ax, 4);
	memcpy(code + 7, &next.bx, 4);
	memcpy(code + 12, &next.cx, 4);
	memcpy(code + 17, &next.dx, 4);
	in = next;
	in.cx = 4;

	self->on.iopl = 3;
	nested_order(&self->on, code, sizeof(code), in);
	vcpu_run(self->on.vcpu);
	ASSERT_FALSE(vmport_is_done(self->on.vcpu));
	nested_exit(&self->on, &outcome);
	nested_migrate(&self->on, features);
	nested_continue(&self->on, &outcome);

	EXPECT_EQ(outcome.end, L2_DONE);
	EXPECT_EQ(outcome.nr_exits, 1);
	EXPECT_EQ((u32)outcome.regs.ax, VMPORT_MAGIC);
	EXPECT_EQ((u32)outcome.regs.cx >> 16, VMPORT_SUCCESS);
	EXPECT_STREQ(vmport_get_text(self->on.vm, "guestinfo.x"), "yes");

	/* The reply by #GP. */
	set_way(&self->on, 3);
	l2_expect_reply(&self->on, &channel, "1 ");
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_X86_VMPORT) & KVM_VMPORT_FEATURE_NESTED);
	TEST_REQUIRE(vmport_has_l2());

	return test_harness_run(argc, argv);
}
