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
#define PAGE_NX			BIT_ULL(63)

#define HLT			0xf4
#define NOP			0x90
#define IN			0xed
#define IN_AL			0xec
#define OUT			0xef

struct vmport_mode {
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

extern const struct vmport_mode vmport_modes[NR_MODES];

struct vmport_machine {
	int vm;
	int vcpu;
	struct kvm_run *run;
	u8 *mem;		/* NR_PAGES, then the top page */
	struct kvm_sregs reset;
	bool debugged;
};

/* What a machine is put into.  Memory is as it is in the machine. */
struct vmport_machine_state {
	const struct vmport_mode *mode;
	int ring;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_debugregs debugregs;
	struct kvm_guest_debug debug;
	bool shadow;		/* behind STI or MOV SS */
	bool window;		/* stop where an interrupt could come */
	u64 answers;		/* the VMM answers what is the kernel's with these features */
	const struct kvm_regs *results;	/* or any IN there with these registers */
	bool has_exception;	/* being delivered: */
	u8 exception;
};

#define MAX_PORTS	4

struct vmport_port_access {
	__u64 rip;
	u16 port;
	u8 direction;
	u8 size;
	u32 count;
	u32 data;
	u32 pad;
};

/* What became of it. */
struct vmport_seen {
	u32 exit_reason;
	u32 suberror;
	__u64 debug_pc;
	__u64 debug_dr6;
	u32 debug_exception;
	u32 nr_ports;
	struct vmport_port_access ports[MAX_PORTS];
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

int vmport_machine_create(struct vmport_machine *m, u64 features);
int vmport_machine_create_vm(struct vmport_machine *m);
int vmport_machine_enable(struct vmport_machine *m, u64 features);
int vmport_machine_add_vcpu(struct vmport_machine *m);
void vmport_machine_destroy(struct vmport_machine *m);
bool vmport_machine_is_amd(void);
bool vmport_machine_has_la57(void);
int vmport_machine_kvm(void);

/* Memory. */
void vmport_machine_refill(struct vmport_machine *m);
void vmport_machine_allow_ports(struct vmport_machine *m, u16 first, u16 last, bool allow);
u8 *vmport_machine_at(struct vmport_machine *m, u64 addr);
void vmport_machine_set_pte(struct vmport_machine *m, const struct vmport_mode *mode, u64 addr,
			    u64 pte);
int vmport_machine_forget_tables(struct vmport_machine *m);
u64 vmport_machine_sum(const void *data, size_t size);

static inline void vmport_set_u64(u8 *mem, u64 addr, u64 value)
{
	memcpy(mem + addr, &value, sizeof(value));
}

static inline void vmport_set_u32(u8 *mem, u64 addr, u32 value)
{
	memcpy(mem + addr, &value, sizeof(value));
}

/* Counts up now and then if a test has a timer: what never ends is to be stopped. */
extern u32 vmport_machine_ticks;
extern u32 vmport_machine_max_ticks;

void vmport_machine_init(struct vmport_machine_state *s, struct vmport_machine *m, int mode,
			 int ring, u64 addr);
void vmport_machine_run(struct vmport_machine *m, struct vmport_machine_state *s,
			struct vmport_seen *seen);

static inline bool vmport_machine_is_long(const struct vmport_machine_state *s)
{
	return s->mode->efer & EFER_LMA;
}

#endif /* SELFTEST_KVM_VMPORT_MACHINE_H */
