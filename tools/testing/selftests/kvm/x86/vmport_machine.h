/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine in any state that KVM can be given, for one instruction: raw ioctls, no
 * guest of its own.  Whatever happens ends at a HLT, so two machines can be compared:
 * one with the VMware guest interface and one without.
 */
#ifndef SELFTEST_KVM_VMPORT_MACHINE_H
#define SELFTEST_KVM_VMPORT_MACHINE_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kvm.h>
#include <linux/kvm_vmport.h>

#include "vmport.h"

/* The guest's physical memory, by page.  Up to 2 MiB it is its linear memory too. */
enum {
	PAGE_IVT,
	PAGE_GDT,
	PAGE_IDT32,
	PAGE_IDT64,
	PAGE_TSS32,
	PAGE_TSS64,
	PAGE_HANDLERS	= 0x07,
	PAGE_KERNEL_STACK,
	PAGE_USER_STACK,
	PAGE_PML5,
	PAGE_PML4,
	PAGE_PDPT,
	PAGE_PD,
	PAGE_PT,
	PAGE_PAE_PDPT,
	PAGE_CODE	= 0x10,		/* 16-bit segments begin here, up to the next of it */
	PAGE_CODE2,
	PAGE_PD32,
	PAGE_PT32,
	PAGE_TOP_PDPT,
	PAGE_TOP_PD,
	PAGE_TOP_PT,
	PAGE_TOP_PT32,
	PAGE_DATA	= 0x1b,
	PAGE_DATA2,
	PAGE_CODE_END	= 0x1f,		/* where 16-bit code ends */
	PAGE_CODE_NEXT	= 0x20,
	NR_PAGES,
	PAGE_NOTHING	= 0x80,		/* mapped, but no memory */
};

#define PAGE_ADDR(_page)	((u64)(_page) << 12)
#define CODE			PAGE_ADDR(PAGE_CODE)
#define DATA			PAGE_ADDR(PAGE_DATA)
#define KERNEL_STACK		(PAGE_ADDR(PAGE_KERNEL_STACK) + 0xff0)
#define USER_STACK		(PAGE_ADDR(PAGE_USER_STACK) + 0xff0)
#define HANDLER(_vector)	(PAGE_ADDR(PAGE_HANDLERS) + 8 * (_vector))
#define NR_VECTORS		32

/* One more page of memory, mapped at the ends of all address spaces. */
#define TOP_ADDR		0xfffff000ull

#define SEL_CODE32		0x08
#define SEL_DATA		0x10
#define SEL_CODE64		0x18
#define SEL_USER_CODE32		0x23
#define SEL_USER_DATA		0x2b
#define SEL_USER_CODE64		0x33
#define SEL_TSS			0x38

#define TSS_BITMAP_BASE		104

/* An access ends the run, as HLT does. */
#define END_PORT		0x9b

#define CR0_PE			0x1
#define CR0_PG			0x80000000
#define CR4_PAE			0x20
#define CR4_LA57		0x1000
#define EFER_LONG		(EFER_LME | EFER_LMA)

#define FLAG_TF			0x100
#define FLAG_IF			0x200
#define FLAG_DF			0x400
#define FLAG_IOPL		0x3000
#define FLAG_RF			0x10000
#define FLAG_VM			0x20000

#define PAGE_P			0x1
#define PAGE_W			0x2
#define PAGE_U			0x4
#define PAGE_RWU		(PAGE_P | PAGE_W | PAGE_U)
#define PAGE_NX			(1ull << 63)

#define HLT			0xf4
#define NOP			0x90
#define IN			0xed
#define OUT			0xef

struct mode {
	const char *name;
	u64 cr0;		/* of PE and PG */
	u64 cr4;
	u64 efer;
	u64 cr3;
	u8 bits;		/* of code */
	bool vm86;
};

enum {
	MODE_REAL,
	MODE_VM86,
	MODE_PROT16,
	MODE_PROT32,
	MODE_PAGED32,
	MODE_PAE,
	MODE_COMPAT16,
	MODE_COMPAT32,
	MODE_LONG,
	MODE_LONG57,
	NR_MODES
};

static const struct mode modes[NR_MODES] = {
	[MODE_REAL] = { "real", .bits = 16 },
	[MODE_VM86] = { "vm86", CR0_PE, .bits = 16, .vm86 = true },
	[MODE_PROT16] = { "prot16", CR0_PE, .bits = 16 },
	[MODE_PROT32] = { "prot32", CR0_PE, .bits = 32 },
	[MODE_PAGED32] = { "paged32", CR0_PE | CR0_PG, .cr3 = PAGE_ADDR(PAGE_PD32), .bits = 32 },
	[MODE_PAE] = { "pae", CR0_PE | CR0_PG, CR4_PAE, .cr3 = PAGE_ADDR(PAGE_PAE_PDPT),
		       .bits = 32 },
	[MODE_COMPAT16] = { "compat16", CR0_PE | CR0_PG, CR4_PAE, EFER_LONG,
			    PAGE_ADDR(PAGE_PML4), 16 },
	[MODE_COMPAT32] = { "compat32", CR0_PE | CR0_PG, CR4_PAE, EFER_LONG,
			    PAGE_ADDR(PAGE_PML4), 32 },
	[MODE_LONG] = { "long", CR0_PE | CR0_PG, CR4_PAE, EFER_LONG, PAGE_ADDR(PAGE_PML4), 64 },
	[MODE_LONG57] = { "long57", CR0_PE | CR0_PG, CR4_PAE | CR4_LA57, EFER_LONG,
			  PAGE_ADDR(PAGE_PML5), 64 },
};

struct machine {
	int vm;
	int vcpu;
	struct kvm_run *run;
	u8 *mem;		/* NR_PAGES, then the top page */
	struct kvm_sregs reset;
	bool debugged;
};

/* What a machine is put into.  Memory is as it is in the machine. */
struct machine_state {
	const struct mode *mode;
	int ring;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_debugregs debugregs;
	struct kvm_guest_debug debug;
	bool shadow;		/* behind STI or MOV SS */
	bool window;		/* stop where an interrupt could come */
	u64 answers;		/* the VMM answers what is the kernel's with these features */
	bool has_exception;	/* being delivered: */
	u8 exception;
};

#define MAX_PORTS	4

struct port_access {
	__u64 rip;
	u16 port;
	u8 direction;
	u8 size;
	u32 count;
	u32 data;
	u32 pad;
};

/* What became of it. */
struct seen {
	u32 exit_reason;
	u32 suberror;
	__u64 debug_pc;
	__u64 debug_dr6;
	u32 debug_exception;
	u32 nr_ports;
	struct port_access ports[MAX_PORTS];
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	__u64 dr6;
	__u64 dr7;
	u8 shadow;
	u8 exception;		/* pending or injected, and which */
	u16 pad;
	int error;		/* of KVM_RUN or of what comes before it */
	__u64 stack[8];		/* the kernel's, RF left out */
	__u64 data_sum;
};

static inline bool machine_is_amd(void)
{
	static int is_amd = -1;
	u32 eax = 0, ebx, ecx = 0, edx;

	if (is_amd < 0) {
		asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
		is_amd = ebx == 0x68747541 || ebx == 0x6f677948;
	}
	return is_amd;
}

/* The selftests' own memcpy() goes by bytes, which takes an emulated processor long. */
static inline void machine_copy(void *to, const void *from, size_t size)
{
	typedef u64 words __attribute__((vector_size(32), aligned(8)));
	const words *w = from;
	size_t i;

	for (i = 0; i < size / sizeof(*w); i++)
		((words *)to)[i] = w[i];
}

static inline void set_u64(u8 *mem, u64 addr, u64 value)
{
	memcpy(mem + addr, &value, sizeof(value));
}

static inline void set_u32(u8 *mem, u64 addr, u32 value)
{
	memcpy(mem + addr, &value, sizeof(value));
}

static inline void machine_fill_tables(u8 *mem)
{
	u64 i;

	set_u64(mem, PAGE_ADDR(PAGE_PML5), PAGE_ADDR(PAGE_PML4) | PAGE_RWU);
	set_u64(mem, PAGE_ADDR(PAGE_PML5) + 8 * 255, PAGE_ADDR(PAGE_PML4) | PAGE_RWU);
	set_u64(mem, PAGE_ADDR(PAGE_PML5) + 8 * 511, PAGE_ADDR(PAGE_PML4) | PAGE_RWU);
	set_u64(mem, PAGE_ADDR(PAGE_PML4), PAGE_ADDR(PAGE_PDPT) | PAGE_RWU);
	set_u64(mem, PAGE_ADDR(PAGE_PML4) + 8 * 255, PAGE_ADDR(PAGE_TOP_PDPT) | PAGE_RWU);
	set_u64(mem, PAGE_ADDR(PAGE_PML4) + 8 * 511, PAGE_ADDR(PAGE_TOP_PDPT) | PAGE_RWU);
	set_u64(mem, PAGE_ADDR(PAGE_PDPT), PAGE_ADDR(PAGE_PD) | PAGE_RWU);
	set_u64(mem, PAGE_ADDR(PAGE_PDPT) + 8 * 3, PAGE_ADDR(PAGE_TOP_PD) | PAGE_RWU);
	set_u64(mem, PAGE_ADDR(PAGE_PD), PAGE_ADDR(PAGE_PT) | PAGE_RWU);
	set_u64(mem, PAGE_ADDR(PAGE_PAE_PDPT), PAGE_ADDR(PAGE_PD) | PAGE_P);
	set_u64(mem, PAGE_ADDR(PAGE_PAE_PDPT) + 8 * 3, PAGE_ADDR(PAGE_TOP_PD) | PAGE_P);
	set_u64(mem, PAGE_ADDR(PAGE_TOP_PDPT) + 8 * 511, PAGE_ADDR(PAGE_TOP_PD) | PAGE_RWU);
	set_u64(mem, PAGE_ADDR(PAGE_TOP_PD) + 8 * 511, PAGE_ADDR(PAGE_TOP_PT) | PAGE_RWU);
	set_u64(mem, PAGE_ADDR(PAGE_TOP_PT) + 8 * 511, TOP_ADDR | PAGE_RWU);
	set_u32(mem, PAGE_ADDR(PAGE_PD32), PAGE_ADDR(PAGE_PT32) | PAGE_RWU);
	set_u32(mem, PAGE_ADDR(PAGE_PD32) + 4 * 1023, PAGE_ADDR(PAGE_TOP_PT32) | PAGE_RWU);
	set_u32(mem, PAGE_ADDR(PAGE_TOP_PT32) + 4 * 1023, TOP_ADDR | PAGE_RWU);
	for (i = 0; i < 512; i++) {
		set_u64(mem, PAGE_ADDR(PAGE_PT) + 8 * i, PAGE_ADDR(i) | PAGE_RWU);
		set_u32(mem, PAGE_ADDR(PAGE_PT32) + 4 * i, PAGE_ADDR(i) | PAGE_RWU);
	}
}

static inline void machine_fill(u8 *mem)
{
	static const u64 gdt[] = {
		0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff,
		0x00cffb000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff,
	};
	static const u8 end[] = { 0xe6, END_PORT };
	u64 i;

	memset(mem, 0, PAGE_ADDR(NR_PAGES + 1));
	/* What has lost its way is to come to an end. */
	memset(mem + PAGE_ADDR(PAGE_CODE), HLT, 2 * 4096);
	memset(mem + PAGE_ADDR(PAGE_DATA), HLT, 2 * 4096);
	memset(mem + PAGE_ADDR(PAGE_CODE_END), HLT, 3 * 4096);
	memcpy(mem + PAGE_ADDR(PAGE_GDT), gdt, sizeof(gdt));
	for (i = 0; i < NR_VECTORS; i++) {
		set_u32(mem, PAGE_ADDR(PAGE_IVT) + 4 * i, HANDLER(i));
		set_u64(mem, PAGE_ADDR(PAGE_IDT32) + 8 * i,
			HANDLER(i) | SEL_CODE32 << 16 | 0x8e00ull << 32);
		set_u64(mem, PAGE_ADDR(PAGE_IDT64) + 16 * i,
			HANDLER(i) | SEL_CODE64 << 16 | 0x8e00ull << 32);
		mem[HANDLER(i)] = HLT;
	}
	/*
	 * With another privilege level than 0, which KVM takes from SS, HLT is #GP in real
	 * mode too, and #GP again in its handler.  Ports are anybody's there.
	 */
	memcpy(mem + HANDLER(NR_VECTORS), end, sizeof(end));
	set_u32(mem, PAGE_ADDR(PAGE_IVT) + 4 * GP_VECTOR, HANDLER(NR_VECTORS));

	/* A stack for exceptions of ring 3, and no port for it. */
	set_u32(mem, PAGE_ADDR(PAGE_TSS32) + 4, KERNEL_STACK);
	set_u32(mem, PAGE_ADDR(PAGE_TSS32) + 8, SEL_DATA);
	set_u64(mem, PAGE_ADDR(PAGE_TSS64) + 4, KERNEL_STACK);
	for (i = PAGE_TSS32; i <= PAGE_TSS64; i++) {
		set_u32(mem, PAGE_ADDR(i) + 100, TSS_BITMAP_BASE << 16);
		memset(mem + PAGE_ADDR(i) + TSS_BITMAP_BASE, 0xff, 4096 - TSS_BITMAP_BASE);
	}
	machine_fill_tables(mem);
}

/* Memory as it was in the beginning, where cases change it. */
static inline void machine_refill(struct machine *m)
{
	static u8 pristine[PAGE_ADDR(NR_PAGES + 1)];

	if (!pristine[HANDLER(0)])
		machine_fill(pristine);
	machine_copy(m->mem, pristine, sizeof(pristine));
}

/* The TSS's bitmap lets ring 3 have the ports @first to @last, or not. */
static inline void machine_allow_ports(struct machine *m, u16 first, u16 last, bool allow)
{
	u32 port;
	u8 *bitmap;
	int page;

	for (page = PAGE_TSS32; page <= PAGE_TSS64; page++) {
		bitmap = m->mem + PAGE_ADDR(page) + TSS_BITMAP_BASE;
		for (port = first; port <= last; port++) {
			bitmap[port / 8] &= ~(1 << port % 8);
			bitmap[port / 8] |= !allow << port % 8;
		}
	}
}

/* Where the host has what lies at a linear address. */
static inline u8 *machine_at(struct machine *m, u64 addr)
{
	if (addr < PAGE_ADDR(NR_PAGES))
		return m->mem + addr;
	return m->mem + PAGE_ADDR(NR_PAGES) + (addr & 0xfff);
}

/* The last entry of the tables for @addr, in the mode's format. */
static inline void machine_set_pte(struct machine *m, const struct mode *mode, u64 addr, u64 pte)
{
	bool top = addr >= PAGE_ADDR(NR_PAGES) && addr != PAGE_ADDR(PAGE_NOTHING);

	if (mode->cr4 & CR4_PAE)
		set_u64(m->mem, PAGE_ADDR(top ? PAGE_TOP_PT : PAGE_PT) + (addr >> 12 & 511) * 8,
			pte);
	else
		set_u32(m->mem, PAGE_ADDR(top ? PAGE_TOP_PT32 : PAGE_PT32) + (addr >> 12 & 1023) * 4,
			pte);
}

static inline int machine_kvm(void)
{
	static int kvm = -1;

	if (kvm < 0)
		kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	return kvm;
}

static inline int machine_add_vcpu(struct machine *m)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid;

	cpuid.head.nent = 256;
	m->vcpu = ioctl(m->vm, KVM_CREATE_VCPU, 0);
	if (m->vcpu < 0)
		return -errno;
	if (ioctl(machine_kvm(), KVM_GET_SUPPORTED_CPUID, &cpuid) ||
	    ioctl(m->vcpu, KVM_SET_CPUID2, &cpuid) ||
	    ioctl(m->vcpu, KVM_GET_SREGS, &m->reset))
		return -errno;
	m->run = mmap(NULL, ioctl(machine_kvm(), KVM_GET_VCPU_MMAP_SIZE, 0),
		      PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
	return m->run == MAP_FAILED ? -errno : 0;
}

static inline int machine_set_memory(struct machine *m, bool there)
{
	struct kvm_userspace_memory_region low = {
		.memory_size = there ? PAGE_ADDR(NR_PAGES) : 0,
		.userspace_addr = (unsigned long)m->mem,
	};
	struct kvm_userspace_memory_region top = {
		.slot = 1, .guest_phys_addr = TOP_ADDR, .memory_size = there ? 4096 : 0,
		.userspace_addr = (unsigned long)m->mem + PAGE_ADDR(NR_PAGES),
	};

	if (ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &low) ||
	    ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &top))
		return -errno;
	return 0;
}

/* What KVM has made of page tables that are no guest's to write is gone. */
static inline int machine_forget_tables(struct machine *m)
{
	return machine_set_memory(m, false) ?: machine_set_memory(m, true);
}

static inline int machine_add_memory(struct machine *m)
{
	m->mem = mmap(NULL, PAGE_ADDR(NR_PAGES + 1), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (m->mem == MAP_FAILED)
		return -errno;
	machine_refill(m);
	/* VMX without unrestricted guests has real mode in there. */
	if (ioctl(m->vm, KVM_SET_TSS_ADDR, 0xfffbd000))
		return -errno;
	return machine_set_memory(m, true);
}

/* A VM without a vCPU. */
static inline int machine_create_vm(struct machine *m)
{
	memset(m, 0, sizeof(*m));
	m->vcpu = -1;
	m->vm = ioctl(machine_kvm(), KVM_CREATE_VM, 0);
	return m->vm < 0 ? -errno : machine_add_memory(m);
}

static inline int machine_enable(struct machine *m, u64 features)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_VMPORT, .args = { features } };

	return ioctl(m->vm, KVM_ENABLE_CAP, &cap) ? -errno : 0;
}

/* With @features on, or without the capability when there are none. */
static inline int machine_create(struct machine *m, u64 features)
{
	int r = machine_create_vm(m);

	if (!r && features)
		r = machine_enable(m, features);
	return r ?: machine_add_vcpu(m);
}

static inline void machine_destroy(struct machine *m)
{
	if (m->run)
		munmap(m->run, ioctl(machine_kvm(), KVM_GET_VCPU_MMAP_SIZE, 0));
	if (m->vcpu >= 0)
		close(m->vcpu);
	if (m->mem)
		munmap(m->mem, PAGE_ADDR(NR_PAGES + 1));
	close(m->vm);
}

static inline bool machine_has_la57(void)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid = { .head.nent = 256 };
	u32 i;

	if (ioctl(machine_kvm(), KVM_GET_SUPPORTED_CPUID, &cpuid))
		return false;
	for (i = 0; i < cpuid.head.nent; i++) {
		if (cpuid.entries[i].function == 7 && !cpuid.entries[i].index)
			return cpuid.entries[i].ecx & 1 << 16;
	}
	return false;
}

static inline struct kvm_segment machine_segment(u16 selector, u64 base, u32 limit, u8 type, u8 dpl)
{
	return (struct kvm_segment) {
		.base = base, .limit = limit, .selector = selector, .type = type, .present = 1,
		.dpl = dpl, .s = 1, .g = limit > 0xfffff,
	};
}

static inline void state_set_segments(struct machine_state *s)
{
	const struct mode *mode = s->mode;
	bool real = !(mode->cr0 & CR0_PE), is16 = mode->bits == 16;
	bool low = real || mode->vm86;
	u32 limit = low ? 0xffff : 0xffffffff;
	u16 code = real || mode->vm86 ? CODE >> 4 : s->ring ? SEL_USER_CODE32 : SEL_CODE32;
	u16 data = low ? 0 : s->ring ? SEL_USER_DATA : SEL_DATA;

	if (mode->bits == 64)
		code = s->ring ? SEL_USER_CODE64 : SEL_CODE64;
	s->sregs.cs = machine_segment(code, is16 ? CODE : 0, is16 ? 0xffff : 0xffffffff,
				      low ? 3 : 0xb, s->ring);
	s->sregs.cs.l = mode->bits == 64;
	s->sregs.cs.db = mode->bits == 32;
	s->sregs.ss = machine_segment(data, 0, limit, 3, s->ring);
	s->sregs.ss.db = !low;
	s->sregs.ds = s->sregs.ss;
	s->sregs.es = s->sregs.ss;
	s->sregs.fs = s->sregs.ss;
	s->sregs.gs = s->sregs.ss;
}

static inline void state_set_tables(struct machine_state *s)
{
	const struct mode *mode = s->mode;
	bool real = !(mode->cr0 & CR0_PE), is_long = mode->efer & EFER_LONG;

	s->sregs.gdt = (struct kvm_dtable) { PAGE_ADDR(PAGE_GDT), 0x3f };
	s->sregs.idt = (struct kvm_dtable) {
		PAGE_ADDR(real ? PAGE_IVT : is_long ? PAGE_IDT64 : PAGE_IDT32),
		NR_VECTORS * (real ? 4 : is_long ? 16 : 8) - 1,
	};
	/* Software emulation of SVM looks into the bitmap of an idle TSS only. */
	s->sregs.tr = machine_segment(SEL_TSS, PAGE_ADDR(is_long ? PAGE_TSS64 : PAGE_TSS32), 0xfff,
				      machine_is_amd() ? 9 : 11, 0);
	s->sregs.tr.s = 0;
	s->sregs.ldt = (struct kvm_segment) { .unusable = 1, .type = 2 };
}

/* Flat segments, flags clear, the code at @addr, the registers those of GETVERSION. */
static inline void state_init(struct machine_state *s, struct machine *m, int mode, int ring,
			      u64 addr)
{
	memset(s, 0, sizeof(*s));
	s->mode = &modes[mode];
	s->ring = s->mode->vm86 ? 3 : ring;
	s->sregs = m->reset;
	s->sregs.cr0 = 0x30 | s->mode->cr0;
	s->sregs.cr3 = s->mode->cr3;
	s->sregs.cr4 = s->mode->cr4;
	s->sregs.efer = s->mode->efer | EFER_NX;
	state_set_segments(s);
	state_set_tables(s);

	s->regs = (struct kvm_regs) {
		.rax = VMPORT_MAGIC,
		.rbx = 0x22222222,
		.rcx = 0x33330000 | VMPORT_CMD_GETVERSION,
		.rdx = 0x44440000 | VMPORT_PORT,
		.rsi = 0x55555555,
		.rdi = 0x66666666,
		.rbp = 0x77777777,
		.rsp = s->ring ? USER_STACK : KERNEL_STACK,
		.rip = addr - s->sregs.cs.base,
		.rflags = 2 | (s->mode->vm86 ? FLAG_VM : 0),
	};
	s->debugregs.dr6 = 0xffff0ff0;
	s->debugregs.dr7 = 0x400;
}

static inline bool has_error_code(u8 vector)
{
	return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
}

static inline bool sregs_is_long(const struct machine_state *s)
{
	return s->mode->efer & EFER_LMA;
}

static inline int machine_set_state(struct machine *m, struct machine_state *s)
{
	struct kvm_vcpu_events events = {
		.flags = KVM_VCPUEVENT_VALID_SHADOW,
		.interrupt.shadow = s->shadow ? KVM_X86_SHADOW_INT_STI : 0,
		.exception.injected = s->has_exception,
		.exception.nr = s->exception,
		.exception.has_error_code = s->has_exception && has_error_code(s->exception),
	};

	struct kvm_guest_debug none = { };

	/* Single steps of the VMM's take TF from what comes later. */
	if (m->debugged && ioctl(m->vcpu, KVM_SET_GUEST_DEBUG, &none))
		return -errno;
	m->debugged = s->debug.control;
	if (ioctl(m->vcpu, KVM_SET_SREGS, &s->sregs) ||
	    ioctl(m->vcpu, KVM_SET_REGS, &s->regs) ||
	    ioctl(m->vcpu, KVM_SET_VCPU_EVENTS, &events) ||
	    ioctl(m->vcpu, KVM_SET_DEBUGREGS, &s->debugregs) ||
	    ioctl(m->vcpu, KVM_SET_GUEST_DEBUG, &s->debug))
		return -errno;
	m->run->request_interrupt_window = s->window;
	return 0;
}

/* RF in the frame of a fault: set by KVM and by hardware, not by software emulation. */
static inline void machine_clear_rf(struct machine *m, const struct seen *seen,
				    const struct mode *mode)
{
	bool is_long = mode->efer & EFER_LMA;
	u32 vector = (seen->regs.rip - HANDLER(0)) / 8;
	u32 width = is_long ? 8 : 4;
	u64 at = seen->regs.rsp;

	if (!is_long)
		at = (u32)(seen->sregs.ss.base + (seen->sregs.ss.db ? at : (u16)at));
	if (!(mode->cr0 & CR0_PE) || at >= PAGE_ADDR(NR_PAGES) || vector >= NR_VECTORS)
		return;
	*machine_at(m, at + width * (2 + has_error_code(vector)) + 2) &= ~1;
}

static inline u64 machine_sum(const void *data, size_t size)
{
	const u64 *words = data;
	u64 sum = 0;
	size_t i;

	for (i = 0; i < size / 8; i++)
		sum = (sum << 5 | sum >> 59) ^ words[i];
	return sum;
}

static inline void machine_look(struct machine *m, struct machine_state *s, struct seen *seen)
{
	struct kvm_debugregs debugregs = { };
	struct kvm_vcpu_events events = { };
	struct kvm_run *run = m->run;

	seen->exit_reason = run->exit_reason;
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		seen->suberror = run->internal.suberror;
	if (run->exit_reason == KVM_EXIT_DEBUG) {
		seen->debug_pc = run->debug.arch.pc;
		seen->debug_dr6 = run->debug.arch.dr6;
		seen->debug_exception = run->debug.arch.exception;
	}
	if (ioctl(m->vcpu, KVM_GET_REGS, &seen->regs) ||
	    ioctl(m->vcpu, KVM_GET_SREGS, &seen->sregs) ||
	    ioctl(m->vcpu, KVM_GET_VCPU_EVENTS, &events) ||
	    ioctl(m->vcpu, KVM_GET_DEBUGREGS, &debugregs)) {
		seen->error = -errno;
		return;
	}
	seen->dr6 = debugregs.dr6;
	seen->dr7 = debugregs.dr7;
	seen->shadow = events.interrupt.shadow;
	if (events.exception.injected || events.exception.pending)
		seen->exception = 0x80 | events.exception.nr;
	machine_clear_rf(m, seen, s->mode);
	memcpy(seen->stack, machine_at(m, KERNEL_STACK - sizeof(seen->stack)), sizeof(seen->stack));
	seen->data_sum = machine_sum(machine_at(m, DATA), 2 * 4096) ^
			 machine_sum(machine_at(m, PAGE_ADDR(PAGE_USER_STACK)), 4096);
}

/*
 * Those of the kernel's, by ECX.  Of the memory's size and the UUID it knows nothing
 * yet.
 */
static inline bool is_kernels(u32 cx, u64 features)
{
	static const u16 commands[] = {
		VMPORT_CMD_GETMHZ, VMPORT_CMD_GETVERSION, VMPORT_CMD_GETHWVERSION,
		VMPORT_CMD_GETTIME, VMPORT_CMD_STOPCATCHUP, VMPORT_CMD_GETHZ,
		VMPORT_CMD_GETTIMEFULL, VMPORT_CMD_GETTIMEFULL_WITH_LAG,
		VMPORT_CMD_GET_VCPU_INFO,
	};
	u16 command = cx;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (commands[i] == command)
			return true;
	}
	if (cx == VMPORT_CMD_PRECISIONCLOCK)
		return true;
	return command == VMPORT_CMD_MESSAGE && (features & KVM_VMPORT_FEATURE_RPC);
}

/* As a VMM does that answers them all as GETVERSION.  Returns whether it is one. */
static inline bool machine_answer(struct machine *m, const struct kvm_regs *regs, u64 features,
				  u32 *data)
{
	if (m->run->io.port != VMPORT_PORT || m->run->io.size != 4 || m->run->io.count != 1 ||
	    (u32)regs->rax != VMPORT_MAGIC || !is_kernels(regs->rcx, features))
		return false;
	*data = 6;
	return true;
}

static inline void set_low(unsigned long long *reg, u32 value)
{
	*reg = (*reg & ~0xffffffffull) | value;
}

/* The other registers of the answer, as QEMU sets them: before the access ends. */
static inline void machine_set_answer(struct machine *m, struct kvm_regs *regs)
{
	if (m->run->io.direction == KVM_EXIT_IO_OUT)
		set_low(&regs->rax, 6);
	set_low(&regs->rbx, VMPORT_MAGIC);
	set_low(&regs->rcx, 2);
	ioctl(m->vcpu, KVM_SET_REGS, regs);
}

/* One access to a port that is the VMM's.  False: that was the last. */
static inline bool machine_port(struct machine *m, struct machine_state *s, struct seen *seen)
{
	struct kvm_run *run = m->run;
	struct port_access *port = &seen->ports[seen->nr_ports];
	void *data = (void *)run + run->io.data_offset;
	bool answered = false;
	struct kvm_regs regs;
	u32 value = 0;

	if (run->io.port == END_PORT)
		return false;
	ioctl(m->vcpu, KVM_GET_REGS, &regs);
	if (s->answers)
		answered = machine_answer(m, &regs, s->answers, &value);
	if (!answered && seen->nr_ports == MAX_PORTS)
		return false;
	if (!answered) {
		seen->nr_ports++;
		port->rip = regs.rip;
		port->port = run->io.port;
		port->direction = run->io.direction;
		port->size = run->io.size;
		port->count = run->io.count;
		if (run->io.direction == KVM_EXIT_IO_OUT)
			memcpy(&port->data, data, run->io.size);
	}
	if (run->io.direction == KVM_EXIT_IO_IN) {
		memset(data, 0xa5, (size_t)run->io.size * run->io.count);
		if (answered)
			memcpy(data, &value, sizeof(value));
	}
	if (answered)
		machine_set_answer(m, &regs);
	return true;
}

/* What waits for the VMM's answer would be carried on in the next state. */
static inline void machine_drop_pending(struct machine *m)
{
	struct kvm_regs regs;
	u32 i;

	m->run->immediate_exit = 1;
	for (i = 0; i < 2000 && (!ioctl(m->vcpu, KVM_RUN, 0) || errno != EINTR); i++) {
		/* Of a string too. */
		ioctl(m->vcpu, KVM_GET_REGS, &regs);
		regs.rcx = 1;
		ioctl(m->vcpu, KVM_SET_REGS, &regs);
	}
	m->run->immediate_exit = 0;
}

/* Counts up now and then if a test has a timer: what never ends is to be stopped. */
static volatile u32 machine_ticks;
static u32 machine_max_ticks = 4;

static inline int machine_enter(struct machine *m)
{
	u32 until = machine_ticks + machine_max_ticks;
	int r;

	do {
		r = ioctl(m->vcpu, KVM_RUN, 0);
	} while (r && errno == EINTR && (int)(machine_ticks - until) < 0);
	return r ? -errno : 0;
}

/* Run to the first HLT, or to whatever else ends it. */
static inline void machine_run(struct machine *m, struct machine_state *s, struct seen *seen)
{
	u32 i;

	memset(seen, 0, sizeof(*seen));
	seen->error = machine_set_state(m, s);
	if (seen->error)
		return;

	for (i = 0; i < 64; i++) {
		seen->error = machine_enter(m);
		if (seen->error) {
			m->run->exit_reason = KVM_EXIT_UNKNOWN;
			break;
		}
		if (m->run->exit_reason != KVM_EXIT_IO)
			break;
		if (!machine_port(m, s, seen))
			break;
	}
	machine_look(m, s, seen);
	if (seen->exit_reason == KVM_EXIT_IO || seen->exit_reason == KVM_EXIT_MMIO)
		machine_drop_pending(m);
}

#endif /* SELFTEST_KVM_VMPORT_MACHINE_H */
