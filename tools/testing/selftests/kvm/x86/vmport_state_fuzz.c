// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random machine states around the instructions of the VMware guest interface, in a VM
 * that has it and in one that has not: what is no call looks the same in both, a call as
 * if a VMM had answered it, and KVM_RUN ends with no internal error that it does not end
 * with in the other too.
 *
 *   vmport_state_fuzz [-s SEED] [-f FIRST] [-n CASES] [-t SECONDS] [-v]
 *
 * A case is made of the seed and its number: "-s SEED -f CASE -n 1 -v" shows one again.
 * Without arguments it is a test of a few seconds.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "vmport_machine.h"
#include "vmport_test.h"

#define PROGRESS_SECONDS	20
#define DEFAULT_SECONDS		5
#define DEFAULT_CASES		5000
#define MAX_CODE		20
#define MAX_FAILED		20
#define TICK_US			20000
#define TICKS			4
#define PATIENT_TICKS		100

static u64 random_state;

static u32 rnd(u32 below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 16) % below;
}

static bool one_in(u32 n)
{
	return !rnd(n);
}

static u64 rnd64(void)
{
	rnd(1);
	return random_state;
}

#define PICK(...)								\
({										\
	static const u64 __from[] = { __VA_ARGS__ };				\
										\
	__from[rnd(ARRAY_SIZE(__from))];					\
})

static void seed_case(u64 seed, u64 number)
{
	random_state = (seed + 1) * 0x9e3779b97f4a7c15ull ^ (number + 1) * 0xbf58476d1ce4e5b9ull;
	if (!random_state)
		random_state = 1;
	rnd(1);
	rnd(1);
}

/* VMs that have the interface. */
static const u64 feature_sets[] = {
	VMPORT_RPC | KVM_VMPORT_FEATURE_HB | KVM_VMPORT_FEATURE_RING3 |
	KVM_VMPORT_FEATURE_HYPERCALL | KVM_VMPORT_FEATURE_PMC,
	KVM_VMPORT_FEATURE_ENABLE | KVM_VMPORT_FEATURE_RING3,
	VMPORT_RPC | KVM_VMPORT_FEATURE_HB | KVM_VMPORT_FEATURE_HYPERCALL,
};

static struct vmport_machine plain, ours[ARRAY_SIZE(feature_sets)];
static int stats[1 + ARRAY_SIZE(feature_sets)];
static u64 stats_at, exits_before;
static bool shadow_paging, has_la57, verbose;

static u64 nr_refused, nr_same, nr_answered, nr_raced, nr_endless, nr_others;

struct fuzz_case {
	u64 number;
	struct vmport_machine_state state;
	u32 set;		/* of features */
	u64 addr;		/* of the code */
	u8 code[MAX_CODE + 2];
	u32 size;
	u32 opcode_at;
	bool races;
	struct {
		u64 at;
		u64 value;
		u8 size;
	} patches[12];		/* to memory */
	u32 nr_patches;
};

static void patch(struct fuzz_case *c, u64 at, u64 value, u8 size)
{
	if (c->nr_patches == ARRAY_SIZE(c->patches))
		return;
	c->patches[c->nr_patches].at = at;
	c->patches[c->nr_patches].value = value;
	c->patches[c->nr_patches++].size = size;
}

static void make_code(struct fuzz_case *c)
{
	static const u8 prefixes[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x67, 0xf2, 0xf3, 0x66,
				       0x40, 0x48, 0x4f, 0xf0 };
	u32 i, n = one_in(3) ? rnd(4) : 0, size = 0;

	if (one_in(40))
		n = 12 + rnd(4);
	for (i = 0; i < n; i++)
		c->code[size++] = prefixes[rnd(ARRAY_SIZE(prefixes) - (one_in(4) ? 0 : 4))];
	if (c->state.mode->bits == 16 && !one_in(4))
		c->code[size++] = 0x66;

	c->opcode_at = size;
	switch (rnd(20)) {
	case 0 ... 8:
		c->code[size++] = IN;
		break;
	case 9 ... 11:
		c->code[size++] = OUT;
		break;
	case 12 ... 14:
		if (!one_in(5))
			c->code[size++] = 0xf3;
		c->opcode_at = size;
		c->code[size++] = PICK(0x6c, 0x6e, 0x6c, 0x6e, 0x6d, 0x6f);
		break;
	case 15:
		c->code[size++] = 0x0f;
		c->code[size++] = 0x33;
		break;
	case 16 ... 17:
		c->code[size++] = 0x0f;
		c->code[size++] = 0x01;
		c->code[size++] = PICK(0xd9, 0xc1);
		break;
	case 18:
		c->code[size++] = PICK(0xec, 0xee, 0xe4, 0xe5, 0xe6, 0xe7);
		break;
	default:
		/* What the processor or the emulator refuse. */
		c->code[size++] = PICK(0xd6, 0xf1, 0x06, 0xea, 0x62, 0xfa, 0xfb, 0x9d, 0xcf);
		break;
	}
	c->size = size;
	c->code[size] = NOP;
	c->code[size + 1] = HLT;
}

static void make_regs(struct fuzz_case *c)
{
	struct kvm_regs *regs = &c->state.regs;

	if (one_in(8))
		regs->rax = PICK(0, VMPORT_MAGIC + 1, 6) | (one_in(2) ? rnd64() << 32 : 0);
	if (one_in(3))
		regs->rcx = PICK(1, 4, 17, 19, 20, 23, 24, 30, 45, 46, 55, 68, 97, 255,
				 0x3001e, 0x1001e, 0x6001e, 0x10000, 0x10001, 0x10002, 0x10003, 0,
				 1, 100);
	if (one_in(4))
		regs->rcx |= rnd64() << 32;
	if (c->code[c->opcode_at] >= 0x6c && c->code[c->opcode_at] <= 0x6f) {
		regs->rdx = 0x20000 | VMPORT_HB_PORT;
		regs->rcx = PICK(0, 1, 2, 16, 4096, 0x10001);
		regs->rbx = PICK(0, 0x10000, 1);
		regs->rsi = PICK(DATA, DATA + 0xffe, DATA + 0x1fff, 0x100, 0xfff0, 0x80000);
		regs->rdi = PICK(DATA, DATA + 0xffe, DATA + 0x1fff, 0x100, 0xfff0, 0x80000);
	}
	if (one_in(8))
		regs->rdx = PICK(VMPORT_HB_PORT, VMPORT_PORT, 0x5657, 0x80, 0xffffffff5658ull,
				 0x5656);
	if (one_in(8))
		regs->rsp = PICK(KERNEL_STACK, USER_STACK, 0, 2, 0x80000, USER_STACK - 3);

	if (one_in(3))
		regs->rflags |= FLAG_TF;
	if (one_in(5))
		regs->rflags |= FLAG_RF;
	if (one_in(6))
		regs->rflags |= FLAG_DF;
	if (one_in(6))
		regs->rflags |= FLAG_IF;
	if (one_in(6))
		regs->rflags |= PICK(0x1000, 0x2000, 0x3000);
	if (one_in(16))
		regs->rflags |= PICK(0x4000, 0x40000, 0x200000, 0x8d5);
}

/* Near the code's end, or anything. */
static void make_limit(struct fuzz_case *c, struct kvm_segment *s, u64 ip)
{
	s->limit = one_in(4) ? PICK(0, 0xff, 0xffff, 0xfffff, 0xffffffff, 0xfffefff) :
		   (u32)(ip + rnd(c->size + 4) - 2);
	s->g = s->limit > 0xfffff;
	if (s->g)
		s->limit |= 0xfff;
}

static void make_segments(struct fuzz_case *c)
{
	struct kvm_sregs *sregs = &c->state.sregs;
	struct kvm_segment *data[] = { &sregs->ds, &sregs->es, &sregs->fs, &sregs->gs, &sregs->ss };
	struct kvm_segment *s;

	if (one_in(3))
		make_limit(c, &sregs->cs, c->state.regs.rip);
	/* Where it can be but one, others mean nothing. */
	if (one_in(6) && sregs->cs.type != 3)
		sregs->cs.type = rnd(16);
	if (one_in(24))
		sregs->cs.db = !sregs->cs.db && !sregs->cs.l;
	if (one_in(40))
		sregs->cs.present = 0;
	if (one_in(24))
		sregs->cs.dpl = rnd(4);
	if (one_in(16)) {
		sregs->cs.base = one_in(2) ? rnd(0x10000) : CODE;
		c->state.regs.rip = c->addr - sregs->cs.base;
	}
	if (one_in(4)) {
		s = data[rnd(ARRAY_SIZE(data))];
		make_limit(c, s, c->state.regs.rsi);
		s->type = one_in(2) ? rnd(16) : s->type;
		s->base = PICK(0, 0, DATA, 0x1000, 0xfffff000, 0xffff800000000000);
		s->unusable = one_in(8);
		s->present = !one_in(8);
	}
	if (one_in(20))
		sregs->ss.dpl = rnd(4);
	if (one_in(10))
		sregs->tr.limit = PICK(0, 0x67, 0xb33, 0xb32, 0xffff);
	/* 16 bits; a busy one ends the emulator of SVM. */
	if (one_in(20))
		sregs->tr.type &= ~8;
	if (one_in(24))
		sregs->idt.limit = PICK(0, 7, 0x6f, 0x67, 0xd7);
}

static void make_controls(struct fuzz_case *c)
{
	struct kvm_sregs *sregs = &c->state.sregs;

	if (one_in(8))
		sregs->cr0 ^= PICK(0x10000, 0x40000, 0x20, 0x8, 0x2, 0x4, 0x40000000);
	if (one_in(5))
		sregs->cr4 ^= PICK(0x1, 0x2, 0x4, 0x8, 0x10, 0x80, 0x100, 0x200, 0x10000, 0x100000,
				   0x200000);
	if (one_in(16))
		sregs->efer ^= PICK(1, EFER_NX);
	/* Without nested SVM's workaround for an erratum, #GP is not intercepted. */
	if (vmport_machine_is_amd() && one_in(2))
		sregs->efer |= EFER_SVME;
	if (one_in(40))
		sregs->cr3 ^= PICK(0x8, 0x10, 0x18, 0x1000, 0x80000, 1ull << 51);
	if (one_in(24))
		sregs->cr2 = rnd64();
}

/* Ports that the TSS allows. */
static void make_bitmap(struct fuzz_case *c)
{
	u32 base = PAGE_ADDR(vmport_machine_is_long(&c->state) ? PAGE_TSS64 : PAGE_TSS32);

	switch (rnd(6)) {
	case 0:
		patch(c, base + TSS_BITMAP_BASE + VMPORT_PORT / 8, 0, 2);
		break;
	case 1:
		patch(c, base + TSS_BITMAP_BASE + VMPORT_PORT / 8, rnd(0x10000), 2);
		break;
	case 2:
		patch(c, base + 102, PICK(0, 0x68, 0xfff, 0xffff, 0x1000, 0x67), 2);
		break;
	}
}

static void make_debug(struct fuzz_case *c)
{
	u64 at = c->addr + (one_in(2) ? c->size : rnd(c->size + 2));

	if (one_in(6)) {
		c->state.debugregs.db[0] = one_in(4) ? DATA + rnd(8) : at;
		c->state.debugregs.db[1] = HANDLER(rnd(NR_VECTORS));
		c->state.debugregs.dr7 = 0x400 | PICK(1, 2, 3, 0xa, 0x2000, 0x10001, 0x30001,
						      0x20001, 0x300);
		c->state.debugregs.dr6 = PICK(0xffff0ff0, 0xffff4ff0, 0xffff0ff1);
	}
	if (one_in(5)) {
		c->state.debug.control = KVM_GUESTDBG_ENABLE |
					 PICK(KVM_GUESTDBG_SINGLESTEP, KVM_GUESTDBG_USE_HW_BP,
					      KVM_GUESTDBG_USE_SW_BP, 0,
					      KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP);
		c->state.debug.arch.debugreg[0] = at;
		c->state.debug.arch.debugreg[7] = 0x400 | PICK(0, 2, 1, 0x10002);
	}
	c->state.shadow = one_in(12);
	c->state.window = one_in(10);
	if (one_in(24)) {
		c->state.has_exception = true;
		c->state.exception = PICK(0, 1, 6, 13, 14, 8);
	}
}

static void make_tables(struct fuzz_case *c)
{
	const struct vmport_mode *mode = c->state.mode;
	u32 size = mode->cr4 & CR4_PAE ? 8 : 4, i, n = 1 + rnd(2), table;
	u64 page, pte;
	bool ends;

	if (!(mode->cr0 & CR0_PG) || !one_in(4))
		return;
	for (i = 0; i < n; i++) {
		page = PICK(PAGE_CODE, PAGE_CODE2, PAGE_CODE, PAGE_CODE2, PAGE_DATA, PAGE_DATA2,
			    PAGE_KERNEL_STACK, PAGE_IDT32, PAGE_IDT64, PAGE_PT, PAGE_HANDLERS);
		/* Where exceptions are to end stays what it is. */
		ends = page == PAGE_KERNEL_STACK || page == PAGE_HANDLERS;
		pte = PAGE_ADDR(one_in(6) && !ends ?
				PICK(PAGE_NOTHING, PAGE_DATA, PAGE_PT, PAGE_CODE) : page) |
		      PICK(0, 1, 3, 5, 7, 0x27, 0x67, 0x107, 0x87, 0x17);
		if (size == 8 && one_in(3))
			pte |= PICK(PAGE_NX, 1ull << 51, 1ull << 52, 1ull << 40, 1ull << 62);
		table = size == 8 ? PAGE_PT : PAGE_PT32;
		if (one_in(6)) {
			/* One above, whose first entry counts. */
			table = size == 4 ? PAGE_PD32 :
				(u64)PICK(PAGE_PD, PAGE_PDPT, PAGE_PML4, PAGE_PML5, PAGE_PAE_PDPT);
			pte = (pte & ~0xffffff000ull) |
			      PAGE_ADDR(PICK(PAGE_PT, PAGE_PD, PAGE_PDPT, PAGE_PML4, PAGE_PT32));
			page = 0;
		}
		patch(c, PAGE_ADDR(table) + page * size, pte, size);
	}
}

static bool make_case(struct fuzz_case *c, u64 seed, u64 number)
{
	static const u8 rings[] = { 3, 3, 3, 3, 0, 0, 0, 1, 2 };
	int mode;

	memset(c, 0, sizeof(*c));
	seed_case(seed, number);
	c->number = number;
	c->set = one_in(4) ? rnd(ARRAY_SIZE(feature_sets)) : 0;
	do {
		mode = rnd(NR_MODES);
	} while (mode == MODE_LONG57 && !has_la57);

	c->addr = one_in(4) ? PAGE_ADDR(PAGE_CODE2) - 1 - rnd(8) : CODE + 0x100 + rnd(64);
	vmport_machine_init(&c->state, &plain, mode, mode == MODE_REAL ? 0 :
			    rings[rnd(sizeof(rings))], c->addr);
	make_code(c);
	/*
	 * The last bytes of an address space: the code ends there or is past it.  Software
	 * emulation does not wrap addresses of 32-bit code, which frames of long mode show,
	 * and KVM when it is asked for the page that would come next.
	 */
	if (one_in(24) && mode != MODE_COMPAT32) {
		c->addr = vmport_modes[mode].bits == 64 ? PICK(0x800000000000, 0x100000000000000) :
			  vmport_modes[mode].bits == 16 ? CODE + 0x10000 : 0x100000000;
		c->addr -= vmport_modes[mode].bits == 32 ? c->size + rnd(3) : 1 + rnd(c->size + 2);
		c->state.regs.rip = c->addr - c->state.sregs.cs.base;
	}
	make_regs(c);
	if (!one_in(3))
		make_segments(c);
	if (!one_in(3))
		make_controls(c);
	make_bitmap(c);
	make_debug(c);
	make_tables(c);
	c->races = one_in(200);
	return true;
}

static void apply(struct vmport_machine *m, const struct fuzz_case *c)
{
	u64 at;
	u32 i;

	/*
	 * No guest has written the page tables, so no shadow of the last ones may be left.
	 * Nor may KVM take a stack for one: it emulates the instruction that comes next
	 * when an exception is pushed there, and drops the exception.
	 */
	if (shadow_paging)
		TEST_ASSERT_EQ(vmport_machine_forget_tables(m), 0);
	vmport_machine_refill(m);
	for (i = 0; i < c->size + 2; i++) {
		at = c->addr + i;
		if (c->state.mode->bits != 64)
			at = (u32)at;
		*vmport_machine_at(m, at) = c->code[i];
	}
	for (i = 0; i < c->nr_patches; i++)
		memcpy(m->mem + c->patches[i].at, &c->patches[i].value, c->patches[i].size);
}

static u64 exits_of(int fd)
{
	u64 value = 0;

	if (pread(fd, &value, sizeof(value), stats_at) != sizeof(value))
		return 0;
	return value;
}

/* Where the counter of exits is in a vCPU's statistics. */
static void find_stats(int fd)
{
	struct kvm_stats_header header;
	struct kvm_stats_desc *desc;
	u32 i, size;

	if (pread(fd, &header, sizeof(header), 0) != sizeof(header))
		return;
	size = sizeof(*desc) + header.name_size;
	desc = malloc(size);
	for (i = 0; desc && i < header.num_desc; i++) {
		if (pread(fd, desc, size, header.desc_offset + i * size) == size &&
		    !strcmp(desc->name, "exits"))
			stats_at = header.data_offset + desc->offset;
	}
	free(desc);
}

static u64 all_exits(void)
{
	u64 sum = exits_before;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(stats); i++)
		sum += exits_of(stats[i]);
	return sum;
}

/* A signal ends KVM_CREATE_VM, and machines are made while the ticks come. */
static void hold_ticks(bool hold)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

static void create_all(void)
{
	u32 i;
	int r;

	hold_ticks(true);
	r = vmport_machine_create(&plain, 0);
	for (i = 0; !r && i < ARRAY_SIZE(ours); i++)
		r = vmport_machine_create(&ours[i], feature_sets[i]);
	hold_ticks(false);
	TEST_ASSERT(!r, "No machine: %d", r);
	for (i = 0; i < ARRAY_SIZE(stats); i++)
		stats[i] = ioctl(i ? ours[i - 1].vcpu : plain.vcpu, KVM_GET_STATS_FD, NULL);
	if (!stats_at)
		find_stats(stats[0]);
}

static void destroy_all(void)
{
	u32 i;

	exits_before = all_exits();
	for (i = 0; i < ARRAY_SIZE(stats); i++)
		close(stats[i]);
	vmport_machine_destroy(&plain);
	for (i = 0; i < ARRAY_SIZE(ours); i++)
		vmport_machine_destroy(&ours[i]);
}

static void show_seen(const char *who, const struct vmport_seen *seen)
{
	u32 i;

	fprintf(stdout,
		"# %s: exit %u.%u error %d rip 0x%llx rax 0x%llx rbx 0x%llx rcx 0x%llx rdx 0x%llx rsi 0x%llx rdi 0x%llx rsp 0x%llx rflags 0x%llx\n",
		who, seen->exit_reason, seen->suberror, seen->error, seen->regs.rip, seen->regs.rax,
		seen->regs.rbx, seen->regs.rcx, seen->regs.rdx, seen->regs.rsi, seen->regs.rdi,
		seen->regs.rsp, seen->regs.rflags);
	fprintf(stdout,
		"#   debug 0x%llx 0x%llx %u cr2 0x%llx dr6 0x%llx dr7 0x%llx shadow %u exception 0x%x data 0x%llx sregs 0x%llx, on the stack",
		seen->debug_pc, seen->debug_dr6, seen->debug_exception, seen->sregs.cr2, seen->dr6,
		seen->dr7, seen->shadow, seen->exception, seen->data_sum,
		(unsigned long long)vmport_machine_sum(&seen->sregs, sizeof(seen->sregs)));
	for (i = 0; i < ARRAY_SIZE(seen->stack); i++)
		printf(" 0x%llx", seen->stack[i]);
	for (i = 0; i < seen->nr_ports; i++)
		printf("; port 0x%x at 0x%llx: %u %u %u 0x%x", seen->ports[i].port,
		       seen->ports[i].rip, seen->ports[i].direction, seen->ports[i].size,
		       seen->ports[i].count, seen->ports[i].data);
	printf("\n");
}

static void show_segment(const char *name, const struct kvm_segment *s)
{
	printf(" %s 0x%x 0x%llx 0x%x type %u p %u dpl %u db %u l %u s %u g %u%s\n#  ", name,
	       s->selector, s->base, s->limit, s->type, s->present, s->dpl, s->db, s->l, s->s, s->g,
	       s->unusable ? " unusable" : "");
}

static void show_case(const struct fuzz_case *c)
{
	const struct vmport_machine_state *s = &c->state;
	u32 i;

	printf("# case %llu: %s ring %d, features 0x%llx, code at 0x%llx:",
	       (unsigned long long)c->number, s->mode->name, s->ring,
	       (unsigned long long)feature_sets[c->set], (unsigned long long)c->addr);
	for (i = 0; i < c->size; i++)
		printf(" %02x", c->code[i]);
	fprintf(stdout,
		"\n#   rip 0x%llx rax 0x%llx rbx 0x%llx rcx 0x%llx rdx 0x%llx rsi 0x%llx rdi 0x%llx rsp 0x%llx rflags 0x%llx\n",
		s->regs.rip, s->regs.rax, s->regs.rbx, s->regs.rcx, s->regs.rdx, s->regs.rsi,
		s->regs.rdi, s->regs.rsp, s->regs.rflags);
	printf("#   cr0 0x%llx cr3 0x%llx cr4 0x%llx efer 0x%llx idt 0x%x", s->sregs.cr0,
	       s->sregs.cr3, s->sregs.cr4, s->sregs.efer, s->sregs.idt.limit);
	show_segment("cs", &s->sregs.cs);
	show_segment("ss", &s->sregs.ss);
	show_segment("ds", &s->sregs.ds);
	show_segment("es", &s->sregs.es);
	show_segment("tr", &s->sregs.tr);
	printf(" dr7 0x%llx dr0 0x%llx debug 0x%x dr7 0x%llx dr0 0x%llx%s%s%s", s->debugregs.dr7,
	       s->debugregs.db[0], s->debug.control, s->debug.arch.debugreg[7],
	       s->debug.arch.debugreg[0], s->shadow ? " shadow" : "", s->window ? " window" : "",
	       c->races ? " races" : "");
	if (s->has_exception)
		printf(" exception %u", s->exception);
	for (i = 0; i < c->nr_patches; i++)
		printf(" [0x%llx] = 0x%llx", (unsigned long long)c->patches[i].at,
		       (unsigned long long)c->patches[i].value);
	printf("\n");
}

static bool is_opcode(const struct fuzz_case *c, u8 a, u8 b)
{
	return c->code[c->opcode_at] == a || c->code[c->opcode_at] == b;
}

static bool is_hypercall(const struct fuzz_case *c)
{
	return c->code[c->opcode_at] == 0x0f && c->code[c->opcode_at + 1] == 0x01;
}

static bool is_rdpmc(const struct fuzz_case *c)
{
	return c->code[c->opcode_at] == 0x0f && c->code[c->opcode_at + 1] == 0x33;
}

/* What a call changes in registers, other than that of GETVERSION, is for other tests. */
static void forget_results(struct vmport_seen *seen)
{
	seen->regs.rax = 0;
	seen->regs.rbx = 0;
	seen->regs.rcx = 0;
	seen->regs.rdx = 0;
	seen->regs.rsi = 0;
	seen->regs.rdi = 0;
}

/* All of the instruction is in the code segment, and that is one of code. */
static bool can_be_fetched(const struct fuzz_case *c)
{
	const struct kvm_segment *cs = &c->state.sregs.cs;
	bool low = !(c->state.sregs.cr0 & CR0_PE) || c->state.regs.rflags & FLAG_VM;

	if (c->state.sregs.efer & EFER_LMA && cs->l)
		return true;
	return (low || cs->type & 8) && c->state.regs.rip + c->size - 1 <= cs->limit;
}

/*
 * KVM's emulator, which runs what is the VMM's: it reads ahead for an IN with a REP, and
 * forgets a single step behind an OUT.
 */
static bool is_emulators(const struct fuzz_case *c, const struct vmport_seen *with,
			 const struct vmport_seen *vmm)
{
	bool steps = c->state.regs.rflags & FLAG_TF ||
		     c->state.debug.control & KVM_GUESTDBG_SINGLESTEP;

	/* A push to where no memory is has it run the instruction instead. */
	if (c->state.has_exception)
		return true;
	if (!with->nr_ports || with->nr_ports != vmm->nr_ports)
		return false;
	return is_opcode(c, IN, IN) ? with->ports[0].count > 1 : steps;
}

/* But for RSP: exceptions change no other. */
static bool same_registers(const struct vmport_seen *a, const struct vmport_seen *b)
{
	struct kvm_regs x = a->regs, y = b->regs;

	x.rsp = y.rsp;
	return !memcmp(&x, &y, offsetof(struct kvm_regs, rip));
}

static bool is_internal(const struct vmport_seen *seen, u32 suberror)
{
	return seen->exit_reason == KVM_EXIT_INTERNAL_ERROR && seen->suberror == suberror;
}

/*
 * What comes of an exception that cannot be delivered depends on who does it: KVM, who
 * has intercepted it, or the processor.
 */
static bool delivery_fails(const struct vmport_seen *seen)
{
	return seen->exit_reason == KVM_EXIT_SHUTDOWN || seen->exit_reason == KVM_EXIT_MMIO;
}

/*
 * Software emulation of SVM leaves the type of the last event that KVM injected in
 * EXITINTINFO, until an exit of any kind comes.  Newer kernels, who look there, say that
 * what they had to emulate was met while an event was delivered.
 */
static bool seems_delivery(const struct vmport_seen *a, const struct vmport_seen *b)
{
	return is_internal(a, KVM_INTERNAL_ERROR_DELIVERY_EV) && a->regs.rip == b->regs.rip &&
	       a->regs.rsp == b->regs.rsp &&
	       (b->exit_reason == KVM_EXIT_MMIO || is_internal(b, KVM_INTERNAL_ERROR_EMULATION));
}

/*
 * #GP while another exception is delivered, by an IDT that ends early, is #DF.  Software
 * emulation forgets that one is when KVM has injected it, and KVM is asked only where it
 * intercepts #GP.
 */
static bool is_double_fault(const struct fuzz_case *c, const struct vmport_seen *with,
			    const struct vmport_seen *other)
{
	u32 size = c->state.sregs.efer & EFER_LMA ? 16 : 8;

	return c->state.sregs.idt.limit < size * NR_VECTORS - 1 && same_registers(with, other) &&
	       with->regs.rsp == other->regs.rsp && with->exit_reason == other->exit_reason &&
	       with->regs.rip == HANDLER(DF_VECTOR) + 1 &&
	       other->regs.rip == HANDLER(GP_VECTOR) + 1;
}

/*
 * SVM has nothing to say of a vCPU in shutdown, and KVM resets it.  Where KVM itself has
 * found that an exception cannot be delivered, it leaves the vCPU as it is.
 */
static bool is_reset(const struct vmport_seen *seen)
{
	return seen->exit_reason == KVM_EXIT_SHUTDOWN && seen->regs.rip == 0xfff0 &&
	       seen->sregs.cs.base == 0xffff0000;
}

/* Not the same, but for reasons that have nothing to do with the interface. */
static bool ends_alike(const struct vmport_seen *a, const struct vmport_seen *b)
{
	if (is_reset(a) || is_reset(b))
		return a->exit_reason == b->exit_reason;
	if (!same_registers(a, b))
		return false;
	if (delivery_fails(a) && delivery_fails(b))
		return true;
	if (a->exit_reason == KVM_EXIT_INTERNAL_ERROR && is_internal(b, a->suberror) &&
	    a->regs.rip == b->regs.rip)
		return true;
	return seems_delivery(a, b) || seems_delivery(b, a);
}

/* With a VMM that answers, in a machine that has these flags in addition. */
static void run_with_vmm(struct fuzz_case *c, bool allow, u64 rflags, struct vmport_seen *seen)
{
	struct vmport_machine_state s = c->state;

	apply(&plain, c);
	s.answers = feature_sets[c->set];
	if (allow) {
		vmport_machine_allow_ports(&plain, VMPORT_PORT, VMPORT_PORT + 3, true);
		vmport_set_u32(plain.mem, PAGE_ADDR(PAGE_TSS32) + 100, TSS_BITMAP_BASE << 16);
		vmport_set_u32(plain.mem, PAGE_ADDR(PAGE_TSS64) + 100, TSS_BITMAP_BASE << 16);
		s.sregs.tr.limit = 0xfff;
		s.sregs.tr.type = vmport_machine_is_amd() ? 9 : 11;
	}
	s.regs.rflags |= rflags;
	/*
	 * KVM leaves RF where it skips an instruction, and a breakpoint right behind does not
	 * count.  In ring 3 the interface runs the instruction, which ends RF.
	 */
	if (allow && s.debugregs.db[0] != c->addr && s.debug.arch.debugreg[0] != c->addr)
		s.regs.rflags &= ~(u64)FLAG_RF;
	vmport_machine_run(&plain, &s, seen);
	seen->regs.rflags &= ~(rflags & ~c->state.regs.rflags);
}

/* In a machine that may use the port, if need be.  What is only slow gets its time. */
static void run_permitted(struct fuzz_case *c, bool allow, struct vmport_seen *seen)
{
	vmport_machine_max_ticks = PATIENT_TICKS;
	run_with_vmm(c, allow, 0, seen);
	/* By IOPL where no bitmap can be read, and no handler of that be found. */
	if (allow && seen->exit_reason == KVM_EXIT_SHUTDOWN)
		run_with_vmm(c, allow, FLAG_IOPL, seen);
	vmport_machine_max_ticks = TICKS;
}

/* What need not be the same where KVM skips an instruction and where another runs it. */
static void forget_skip(const struct fuzz_case *c, struct vmport_seen *seen)
{
	/* Software emulation does not wrap the RIP of 32-bit code. */
	if (c->state.mode->bits != 64)
		seen->regs.rip = (u32)seen->regs.rip;
	/* Where KVM skips an instruction, RF stays. */
	seen->regs.rflags &= ~(u64)FLAG_RF;
}

/* Of a run with the kernel's answer and of one with the VMM's, what need not be the same. */
static void forget_differences(const struct fuzz_case *c, struct vmport_seen *seen,
			       struct vmport_seen *vmm)
{
	u32 i;

	forget_skip(c, seen);
	forget_skip(c, vmm);
	/* Not of the machine, but of how it was asked. */
	vmm->sregs.tr = seen->sregs.tr;
	/* The emulator is behind an OUT when it leaves for that, all else is before it. */
	for (i = 0; i < seen->nr_ports; i++) {
		if (seen->ports[i].direction == KVM_EXIT_IO_OUT)
			vmm->ports[i].rip = seen->ports[i].rip;
	}
	if ((u16)c->state.regs.rcx != VMPORT_CMD_GETVERSION) {
		forget_results(vmm);
		forget_results(seen);
	}
}

/* INC and DEC, which are prefixes in 64-bit mode only. */
static bool changes_eax(const struct fuzz_case *c)
{
	u32 i;

	for (i = 0; i < c->opcode_at; i++) {
		if (c->state.mode->bits != 64 && c->code[i] >= 0x40 && c->code[i] <= 0x4f)
			return true;
	}
	return false;
}

/*
 * All that came behind the instruction comes without the interface too, or does not end
 * there either: a VMM answers an IN of the same size in its place with the registers that
 * the kernel left.  That is for what follows a call and is none of ours.  Where a page
 * table is run it does anything with the results, and the trap of a single step may have
 * nowhere to go.
 */
static bool goes_on_so(const struct fuzz_case *c, const struct vmport_seen *with)
{
	const struct vmport_machine_state *s = &c->state;
	bool allow = s->sregs.ss.dpl || s->regs.rflags & FLAG_VM;
	struct vmport_seen seen, expected = *with;
	struct fuzz_case in = *c;
	u32 i;

	if (changes_eax(c))
		return false;
	/* DS as the segment changes nothing. */
	for (i = 0; i + 1 < c->size; i++)
		in.code[i] = 0x3e;
	in.code[i] = IN_AL;
	in.state.results = &with->regs;
	in.state.regs.rdx = VMPORT_PORT;
	run_permitted(&in, allow, &seen);
	if (with->error)
		return seen.error == with->error;
	forget_skip(c, &expected);
	forget_skip(c, &seen);
	/* KVM's emulator enters the guest at a REP again that has nothing left to do. */
	if (is_opcode(c, 0x6c, 0x6e) && !with->regs.rcx && with->regs.rip == c->state.regs.rip)
		expected.regs.rip = seen.regs.rip;
	seen.sregs.tr = expected.sregs.tr;
	if (!memcmp(&seen, &expected, sizeof(seen)) || ends_alike(&seen, &expected))
		return true;
	show_seen("an IN in its place", &seen);
	return false;
}

/* Ring 3 got through, or a permitted call was answered: as with a VMM that answers? */
static const char *check_call(struct fuzz_case *c, struct vmport_seen *with,
			      const struct vmport_seen *without)
{
	struct vmport_seen vmm, seen = *with;
	/* Else it was #GP, if the guest could take that. */
	bool was_port = without->nr_ports && without->ports[0].port == VMPORT_PORT;

	if (!was_port && !(feature_sets[c->set] & KVM_VMPORT_FEATURE_RING3))
		return "ring 3 gets through without the feature";
	if (!was_port && !can_be_fetched(c))
		return "what is outside of the code segment is answered";

	run_permitted(c, !was_port, &vmm);
	if (vmm.error)
		return NULL;
	if (with->error)
		return "it never ends";

	forget_differences(c, &seen, &vmm);
	if (!memcmp(&vmm, &seen, sizeof(seen)) || ends_alike(&seen, &vmm) ||
	    is_double_fault(c, &seen, &vmm))
		return NULL;
	if (is_emulators(c, &seen, &vmm) || goes_on_so(c, with))
		return NULL;
	show_seen("a VMM that answers", &vmm);
	return "differs from a VMM that answers";
}

/* A message that has no channel: refused, and no byte is moved. */
static const char *check_string(struct fuzz_case *c, struct vmport_seen *with,
				const struct vmport_seen *without)
{
	if (!(feature_sets[c->set] & KVM_VMPORT_FEATURE_HB))
		return "a string instruction differs without the feature";
	if (!without->nr_ports && !can_be_fetched(c))
		return "what is outside of the code segment is run";
	if (with->nr_ports && with->ports[0].port != VMPORT_HB_PORT)
		return "another port is accessed";
	return NULL;
}

/* A call of the kernel's by IN or OUT, as far as the registers tell. */
static bool may_be_call(const struct fuzz_case *c)
{
	return (u32)c->state.regs.rax == VMPORT_MAGIC || changes_eax(c);
}

/*
 * Without NRIPS KVM decodes an instruction to skip it, which software emulation of SVM
 * may run where KVM cannot fetch it: then CPUID, of the same size, ends so too, without
 * the interface.
 */
static bool cannot_skip(const struct fuzz_case *c, const struct vmport_seen *with)
{
	struct fuzz_case cpuid = *c;
	struct vmport_seen seen;

	cpuid.code[c->opcode_at + 1] = 0xa2;
	apply(&plain, &cpuid);
	vmport_machine_run(&plain, &cpuid.state, &seen);
	return is_internal(&seen, with->suberror) && seen.regs.rip == with->regs.rip;
}

/*
 * A hypercall that is not all inside of the code segment, or in one that is not there, is
 * #GP.  Software emulation of SVM runs it, so without the interface KVM's skip fails.
 */
static bool is_as_gp(const struct fuzz_case *c, const struct vmport_seen *with)
{
	struct vmport_machine_state s = c->state;
	struct vmport_seen seen;

	if (can_be_fetched(c) && s.sregs.cs.present)
		return false;
	apply(&plain, c);
	s.has_exception = true;
	s.exception = GP_VECTOR;
	vmport_machine_run(&plain, &s, &seen);
	if (with->error)
		return seen.error == with->error;
	return !memcmp(with, &seen, sizeof(seen)) || ends_alike(with, &seen);
}

/* What is no IN or OUT: as without the interface, but where that answers. */
static const char *check_other(struct fuzz_case *c, struct vmport_seen *with,
			       struct vmport_seen *without)
{
	u64 features = feature_sets[c->set];

	if (is_hypercall(c) && is_as_gp(c, with))
		return NULL;
	/* An exception may not be delivered for ever, a string write anything. */
	if (without->error || (with->error && is_opcode(c, 0x6c, 0x6e)))
		return NULL;
	if (with->error)
		return goes_on_so(c, with) ? NULL : "it never ends";
	/* KVM's own hypercall would end so too, but with the same registers. */
	if (with->exit_reason == KVM_EXIT_INTERNAL_ERROR && is_hypercall(c) &&
	    with->regs.rip == c->state.regs.rip)
		return "internal error of a hypercall";
	if (with->exit_reason == KVM_EXIT_INTERNAL_ERROR &&
	    without->exit_reason != KVM_EXIT_INTERNAL_ERROR)
		return (is_rdpmc(c) && cannot_skip(c, with)) || goes_on_so(c, with) ?
		       NULL : "internal error";
	if (!may_be_call(c) && !is_opcode(c, 0x0f, 0x0f))
		return "differs without the magic";

	nr_answered++;
	if (is_opcode(c, 0x6c, 0x6e))
		return check_string(c, with, without);
	if (is_rdpmc(c))
		return features & KVM_VMPORT_FEATURE_PMC ? NULL : "RDPMC differs";
	if (is_hypercall(c))
		return features & KVM_VMPORT_FEATURE_HYPERCALL ? NULL : "a hypercall differs";
	return "another instruction differs";
}

/* Why what is seen is wrong, NULL when it is not. */
static const char *check(struct fuzz_case *c, struct vmport_seen *with, struct vmport_seen *without)
{
	if (!memcmp(with, without, sizeof(*with))) {
		nr_same++;
		return NULL;
	}
	/* Software emulation of SVM leaves registers of the host there. */
	if (with->exit_reason == KVM_EXIT_FAIL_ENTRY &&
	    without->exit_reason == KVM_EXIT_FAIL_ENTRY)
		return NULL;
	if (ends_alike(with, without) || is_double_fault(c, with, without))
		return NULL;
	if (!is_opcode(c, IN, OUT) || !may_be_call(c))
		return check_other(c, with, without);

	nr_answered++;
	return check_call(c, with, without);
}

/*
 * The vCPU has the first processor for itself, threads beside it have the others.  An
 * emulated host can lose the timer interrupt of a processor that runs a guest (QEMU before
 * 10.2 changes the flags of its interrupts from two threads), and get it with the next
 * interrupt of another kind: a thread elsewhere has to send that.
 */
static void use_processor(bool first)
{
	long i, count = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	if (count < 2)
		return;
	CPU_ZERO(&set);
	for (i = 0; i < count; i++)
		if (!i == first)
			CPU_SET(i, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

struct rewriter {
	u8 *at;
	u64 random;
	bool stop;
};

/* What another processor of the guest does.  Nothing there is an access to memory. */
static void *rewrite(void *data)
{
	static const u8 bytes[] = { IN, OUT, 0x6c, 0x6e, 0x66, 0xf3, 0xf0, NOP, 0xd6, IN, 0x2e,
				    IN };
	struct rewriter *r = data;

	use_processor(false);
	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		r->random = r->random * 6364136223846793005ull + 1442695040888963407ull;
		__atomic_store_n(r->at, bytes[(r->random >> 33) % sizeof(bytes)],
				 __ATOMIC_RELAXED);
	}
	return NULL;
}

/* The same state again and again, while the instruction changes. */
static const char *race(struct fuzz_case *c)
{
	bool has_hypercall = !(~feature_sets[c->set] & (KVM_VMPORT_FEATURE_HYPERCALL |
							 KVM_VMPORT_FEATURE_RING3));
	struct vmport_machine *m = &ours[c->set];
	struct rewriter r = { .random = c->number };
	const char *why = NULL;
	pthread_t thread;
	struct vmport_seen seen;
	u32 i;

	/* One that is KVM's own may fail: to skip it, KVM decodes what is there by then. */
	if (is_hypercall(c) && !has_hypercall)
		return NULL;
	/* Of a plain ring 3, which gets no further than #GP without the interface. */
	vmport_machine_init(&c->state, m, c->state.mode - vmport_modes, 3, c->addr);
	if (c->state.mode == &vmport_modes[MODE_REAL])
		return NULL;
	if (c->number & 1)
		c->state.regs.rflags |= FLAG_TF;
	c->nr_patches = 0;
	apply(m, c);
	r.at = vmport_machine_at(m, c->state.mode->bits == 64 ? c->addr + c->opcode_at :
				 (u32)(c->addr + c->opcode_at));
	if (pthread_create(&thread, NULL, rewrite, &r))
		return "no thread";
	for (i = 0; i < 100 && !why; i++) {
		vmport_machine_run(m, &c->state, &seen);
		if (seen.exit_reason == KVM_EXIT_INTERNAL_ERROR) {
			show_seen("with", &seen);
			why = "internal error while another processor writes code";
		}
	}
	__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	nr_raced += i;
	return why;
}

static void run_both(struct fuzz_case *c, struct vmport_seen *with, struct vmport_seen *without)
{
	apply(&plain, c);
	vmport_machine_run(&plain, &c->state, without);
	apply(&ours[c->set], c);
	vmport_machine_run(&ours[c->set], &c->state, with);
}

static void be_interrupted(int signal)
{
}

struct ticker {
	pthread_t thread;
	pthread_t runs;		/* who is interrupted */
	bool stop;
};

static void *tick(void *data)
{
	struct ticker *ticker = data;

	use_processor(false);
	while (!__atomic_load_n(&ticker->stop, __ATOMIC_RELAXED)) {
		usleep(TICK_US);
		WRITE_ONCE(vmport_machine_ticks, vmport_machine_ticks + 1);
		pthread_kill(ticker->runs, SIGALRM);
	}
	return NULL;
}

static bool start_ticks(struct ticker *ticker)
{
	struct sigaction action = { .sa_handler = be_interrupted };

	*ticker = (struct ticker) { .runs = pthread_self() };
	sigaction(SIGALRM, &action, NULL);
	use_processor(true);
	return !pthread_create(&ticker->thread, NULL, tick, ticker);
}

static void stop_ticks(struct ticker *ticker)
{
	__atomic_store_n(&ticker->stop, true, __ATOMIC_RELAXED);
	pthread_join(ticker->thread, NULL);
	signal(SIGALRM, SIG_DFL);
}

static const char *run_case(struct fuzz_case *c)
{
	struct vmport_seen with, without;
	const char *why;
	u32 i;

	if (c->races)
		return race(c);

	run_both(c, &with, &without);
	if (with.error == -EINTR || without.error == -EINTR) {
		/* Only slow, maybe. */
		nr_endless++;
		vmport_machine_max_ticks = PATIENT_TICKS;
		if (with.error != without.error)
			run_both(c, &with, &without);
		vmport_machine_max_ticks = TICKS;
	}
	if (with.error && with.error == without.error && !with.exit_reason) {
		nr_refused++;
		return NULL;
	}
	why = check(c, &with, &without);
	/* That the window is open is seen when the host is interrupted, at the latest. */
	for (i = 0; why && c->state.window && i < 3; i++) {
		run_both(c, &with, &without);
		why = check(c, &with, &without);
	}
	if (why || verbose) {
		show_seen("with", &with);
		show_seen("without", &without);
	}
	return why;
}

/*
 * KVM_SET_* do not reset all of a vCPU: an exception that was to come, what a processor
 * keeps of the last event.  What is wrong must be wrong in machines that have met nothing
 * else, the second time: they remember where no memory is.
 */
static const char *run_again(struct fuzz_case *c, const char *why)
{
	if (c->races)
		return why;
	destroy_all();
	create_all();
	why = run_case(c) ? run_case(c) : NULL;
	nr_others += !why;
	return why;
}

static bool parameter_is_off(const char *path)
{
	char value = 'Y';
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (read(fd, &value, 1) != 1)
			value = 'Y';
		close(fd);
	}
	return value == 'N' || value == '0';
}

static u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static void progress(u64 seed, u64 first, u64 next, u64 start)
{
	u64 exits = all_exits(), seconds = now() - start;

	fprintf(stdout,
		"# seed %llu: %llu cases, %llu exits, %llu a second; %llu the same, %llu answered, %llu raced, %llu endless, %llu refused, %llu for what others left\n",
		(unsigned long long)seed, (unsigned long long)(next - first),
		(unsigned long long)exits, (unsigned long long)(exits / (seconds ?: 1)),
		(unsigned long long)nr_same, (unsigned long long)nr_answered,
		(unsigned long long)nr_raced, (unsigned long long)nr_endless,
		(unsigned long long)nr_refused, (unsigned long long)nr_others);
	fflush(stdout);
}

/* How many cases did not end as they have to. */
static u32 fuzz(u64 seed, u64 first, u64 cases, u64 seconds)
{
	u64 number, start = now(), shown = start;
	struct ticker ticker;
	struct fuzz_case c;
	const char *why;
	u32 failed = 0;

	has_la57 = vmport_machine_has_la57();
	shadow_paging = parameter_is_off("/sys/module/kvm_amd/parameters/npt") ||
			parameter_is_off("/sys/module/kvm_intel/parameters/ept");
	create_all();
	if (!start_ticks(&ticker)) {
		printf("# no thread\n");
		destroy_all();
		return 1;
	}
	for (number = first; (!cases || number - first < cases) &&
	     (!seconds || now() - start < seconds) && failed < MAX_FAILED; number++) {
		make_case(&c, seed, number);
		why = run_case(&c);
		if (why)
			why = run_again(&c, why);
		if (why || verbose)
			show_case(&c);
		if (why) {
			printf("# seed %llu case %llu: %s\n", (unsigned long long)seed,
			       (unsigned long long)number, why);
			failed++;
		}
		if (now() - shown >= PROGRESS_SECONDS) {
			shown = now();
			progress(seed, first, number, start);
		}
	}
	stop_ticks(&ticker);
	progress(seed, first, number, start);
	destroy_all();
	return failed;
}

TEST(random_states)
{
	/* KVM's own backdoor lets ring 3 through, and knows no types of segments. */
	if (vmport_backdoor_parameter())
		SKIP(return, "needs enable_vmware_backdoor=0");
	/* The same ones everywhere, for as long as that does not take too long. */
	EXPECT_EQ(fuzz(1, 0, DEFAULT_CASES, DEFAULT_SECONDS), 0);
}

int main(int argc, char *argv[])
{
	u64 seed = 1, first = 0, cases = 0, seconds = 0;
	int option;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_VMPORT));
	if (argc == 1)
		return test_harness_run(argc, argv);

	while ((option = getopt(argc, argv, "s:f:n:t:v")) != -1) {
		switch (option) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'f':
			first = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			cases = strtoull(optarg, NULL, 0);
			break;
		case 't':
			seconds = strtoull(optarg, NULL, 0);
			break;
		case 'v':
			verbose = true;
			break;
		default:
			return KSFT_FAIL;
		}
	}
	if (fuzz(seed, first, cases, seconds))
		return KSFT_FAIL;
	return KSFT_PASS;
}
