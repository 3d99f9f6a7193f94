// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine of raw ioctls: its memory, and how it comes and goes.
 */
#include <fcntl.h>
#include <sys/ioctl.h>

#include "vmport_machine.h"

const struct vmport_mode vmport_modes[NR_MODES] = {
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

bool vmport_machine_is_amd(void)
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
static void machine_copy(void *to, const void *from, size_t size)
{
	typedef u64 words __attribute__((vector_size(32))) __aligned(8);
	const words *w = from;
	size_t i;

	for (i = 0; i < size / sizeof(*w); i++)
		((words *)to)[i] = w[i];
}

static void machine_fill_tables(u8 *mem)
{
	u64 i;

	vmport_set_u64(mem, PAGE_ADDR(PAGE_PML5), PAGE_ADDR(PAGE_PML4) | PAGE_RWU);
	vmport_set_u64(mem, PAGE_ADDR(PAGE_PML5) + 8 * 255, PAGE_ADDR(PAGE_PML4) | PAGE_RWU);
	vmport_set_u64(mem, PAGE_ADDR(PAGE_PML5) + 8 * 511, PAGE_ADDR(PAGE_PML4) | PAGE_RWU);
	vmport_set_u64(mem, PAGE_ADDR(PAGE_PML4), PAGE_ADDR(PAGE_PDPT) | PAGE_RWU);
	vmport_set_u64(mem, PAGE_ADDR(PAGE_PML4) + 8 * 255, PAGE_ADDR(PAGE_TOP_PDPT) | PAGE_RWU);
	vmport_set_u64(mem, PAGE_ADDR(PAGE_PML4) + 8 * 511, PAGE_ADDR(PAGE_TOP_PDPT) | PAGE_RWU);
	vmport_set_u64(mem, PAGE_ADDR(PAGE_PDPT), PAGE_ADDR(PAGE_PD) | PAGE_RWU);
	vmport_set_u64(mem, PAGE_ADDR(PAGE_PDPT) + 8 * 3, PAGE_ADDR(PAGE_TOP_PD) | PAGE_RWU);
	vmport_set_u64(mem, PAGE_ADDR(PAGE_PD), PAGE_ADDR(PAGE_PT) | PAGE_RWU);
	vmport_set_u64(mem, PAGE_ADDR(PAGE_PAE_PDPT), PAGE_ADDR(PAGE_PD) | PAGE_P);
	vmport_set_u64(mem, PAGE_ADDR(PAGE_PAE_PDPT) + 8 * 3, PAGE_ADDR(PAGE_TOP_PD) | PAGE_P);
	vmport_set_u64(mem, PAGE_ADDR(PAGE_TOP_PDPT) + 8 * 511, PAGE_ADDR(PAGE_TOP_PD) | PAGE_RWU);
	vmport_set_u64(mem, PAGE_ADDR(PAGE_TOP_PD) + 8 * 511, PAGE_ADDR(PAGE_TOP_PT) | PAGE_RWU);
	vmport_set_u64(mem, PAGE_ADDR(PAGE_TOP_PT) + 8 * 511, TOP_ADDR | PAGE_RWU);
	vmport_set_u32(mem, PAGE_ADDR(PAGE_PD32), PAGE_ADDR(PAGE_PT32) | PAGE_RWU);
	vmport_set_u32(mem, PAGE_ADDR(PAGE_PD32) + 4 * 1023, PAGE_ADDR(PAGE_TOP_PT32) | PAGE_RWU);
	vmport_set_u32(mem, PAGE_ADDR(PAGE_TOP_PT32) + 4 * 1023, TOP_ADDR | PAGE_RWU);
	for (i = 0; i < 512; i++) {
		vmport_set_u64(mem, PAGE_ADDR(PAGE_PT) + 8 * i, PAGE_ADDR(i) | PAGE_RWU);
		vmport_set_u32(mem, PAGE_ADDR(PAGE_PT32) + 4 * i, PAGE_ADDR(i) | PAGE_RWU);
	}
}

static void machine_fill(u8 *mem)
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
		vmport_set_u32(mem, PAGE_ADDR(PAGE_IVT) + 4 * i, HANDLER(i));
		vmport_set_u64(mem, PAGE_ADDR(PAGE_IDT32) + 8 * i,
			       HANDLER(i) | SEL_CODE32 << 16 | 0x8e00ull << 32);
		vmport_set_u64(mem, PAGE_ADDR(PAGE_IDT64) + 16 * i,
			       HANDLER(i) | SEL_CODE64 << 16 | 0x8e00ull << 32);
		mem[HANDLER(i)] = HLT;
	}
	/*
	 * With another privilege level than 0, which KVM takes from SS, HLT is #GP in real
	 * mode too, and #GP again in its handler.  Ports are anybody's there.
	 */
	memcpy(mem + HANDLER(NR_VECTORS), end, sizeof(end));
	vmport_set_u32(mem, PAGE_ADDR(PAGE_IVT) + 4 * GP_VECTOR, HANDLER(NR_VECTORS));

	/* A stack for exceptions of ring 3, and no port for it. */
	vmport_set_u32(mem, PAGE_ADDR(PAGE_TSS32) + 4, KERNEL_STACK);
	vmport_set_u32(mem, PAGE_ADDR(PAGE_TSS32) + 8, SEL_DATA);
	vmport_set_u64(mem, PAGE_ADDR(PAGE_TSS64) + 4, KERNEL_STACK);
	for (i = PAGE_TSS32; i <= PAGE_TSS64; i++) {
		vmport_set_u32(mem, PAGE_ADDR(i) + 100, TSS_BITMAP_BASE << 16);
		memset(mem + PAGE_ADDR(i) + TSS_BITMAP_BASE, 0xff, 4096 - TSS_BITMAP_BASE);
	}
	machine_fill_tables(mem);
}

/* Memory as it was in the beginning, where cases change it. */
void vmport_machine_refill(struct vmport_machine *m)
{
	const size_t size = PAGE_ADDR(NR_PAGES + 1);
	static u8 *pristine;

	if (!pristine) {
		pristine = vmport_alloc(size);
		machine_fill(pristine);
	}
	machine_copy(m->mem, pristine, size);
}

/* The TSS's bitmap lets ring 3 have the ports @first to @last, or not. */
void vmport_machine_allow_ports(struct vmport_machine *m, u16 first, u16 last, bool allow)
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
u8 *vmport_machine_at(struct vmport_machine *m, u64 addr)
{
	if (addr < PAGE_ADDR(NR_PAGES))
		return m->mem + addr;
	return m->mem + PAGE_ADDR(NR_PAGES) + (addr & 0xfff);
}

/* The last entry of the tables for @addr, in the mode's format. */
void vmport_machine_set_pte(struct vmport_machine *m, const struct vmport_mode *mode, u64 addr,
			    u64 pte)
{
	bool top = addr >= PAGE_ADDR(NR_PAGES) && addr != PAGE_ADDR(PAGE_NOTHING);

	u64 table, nr = addr >> 12;

	if (mode->cr4 & CR4_PAE) {
		table = PAGE_ADDR(top ? PAGE_TOP_PT : PAGE_PT);
		vmport_set_u64(m->mem, table + (nr & 511) * 8, pte);
	} else {
		table = PAGE_ADDR(top ? PAGE_TOP_PT32 : PAGE_PT32);
		vmport_set_u32(m->mem, table + (nr & 1023) * 4, pte);
	}
}

int vmport_machine_kvm(void)
{
	static int kvm = -1;

	if (kvm < 0)
		kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	return kvm;
}

int vmport_machine_add_vcpu(struct vmport_machine *m)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid;

	cpuid.head.nent = 256;
	m->vcpu = ioctl(m->vm, KVM_CREATE_VCPU, 0);
	if (m->vcpu < 0)
		return -errno;
	if (ioctl(vmport_machine_kvm(), KVM_GET_SUPPORTED_CPUID, &cpuid) ||
	    ioctl(m->vcpu, KVM_SET_CPUID2, &cpuid) ||
	    ioctl(m->vcpu, KVM_GET_SREGS, &m->reset))
		return -errno;
	m->run = mmap(NULL, ioctl(vmport_machine_kvm(), KVM_GET_VCPU_MMAP_SIZE, 0),
		      PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
	return m->run == MAP_FAILED ? -errno : 0;
}

static int machine_set_memory(struct vmport_machine *m, bool there)
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
int vmport_machine_forget_tables(struct vmport_machine *m)
{
	return machine_set_memory(m, false) ?: machine_set_memory(m, true);
}

static int machine_add_memory(struct vmport_machine *m)
{
	m->mem = mmap(NULL, PAGE_ADDR(NR_PAGES + 1), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (m->mem == MAP_FAILED)
		return -errno;
	vmport_machine_refill(m);
	/* VMX without unrestricted guests has real mode in there. */
	if (ioctl(m->vm, KVM_SET_TSS_ADDR, 0xfffbd000))
		return -errno;
	return machine_set_memory(m, true);
}

/* A VM without a vCPU. */
int vmport_machine_create_vm(struct vmport_machine *m)
{
	memset(m, 0, sizeof(*m));
	m->vcpu = -1;
	m->vm = ioctl(vmport_machine_kvm(), KVM_CREATE_VM, 0);
	return m->vm < 0 ? -errno : machine_add_memory(m);
}

int vmport_machine_enable(struct vmport_machine *m, u64 features)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_VMPORT, .args = { features } };

	return ioctl(m->vm, KVM_ENABLE_CAP, &cap) ? -errno : 0;
}

/* With @features on, or without the capability when there are none. */
int vmport_machine_create(struct vmport_machine *m, u64 features)
{
	int r = vmport_machine_create_vm(m);

	if (!r && features)
		r = vmport_machine_enable(m, features);
	return r ?: vmport_machine_add_vcpu(m);
}

void vmport_machine_destroy(struct vmport_machine *m)
{
	if (m->run)
		munmap(m->run, ioctl(vmport_machine_kvm(), KVM_GET_VCPU_MMAP_SIZE, 0));
	if (m->vcpu >= 0)
		close(m->vcpu);
	if (m->mem)
		munmap(m->mem, PAGE_ADDR(NR_PAGES + 1));
	close(m->vm);
}

bool vmport_machine_has_la57(void)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid = { .head.nent = 256 };
	u32 i;

	if (ioctl(vmport_machine_kvm(), KVM_GET_SUPPORTED_CPUID, &cpuid))
		return false;
	for (i = 0; i < cpuid.head.nent; i++) {
		if (cpuid.entries[i].function == 7 && !cpuid.entries[i].index)
			return cpuid.entries[i].ecx & 1 << 16;
	}
	return false;
}

u64 vmport_machine_sum(const void *data, size_t size)
{
	const u64 *words = data;
	u64 sum = 0;
	size_t i;

	for (i = 0; i < size / 8; i++)
		sum = (sum << 5 | sum >> 59) ^ words[i];
	return sum;
}
