// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory by linear address, with the rights of the calling vCPU, as far as
 * it is plain memory.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>

#include "mmu.h"
#include "mmu/page_track.h"
#include "x86.h"

#include "vmport.h"

/* Where @addr lies; INVALID_GPA and the exception when the guest may not know. */
static gpa_t translate(struct kvm_vcpu *vcpu, gva_t addr, bool write,
		       struct x86_exception *exception)
{
	if (!is_64_bit_mode(vcpu)) {
		addr = (u32)addr;
	} else if (!__is_canonical_address(addr, vcpu_virt_addr_bits(vcpu))) {
		exception->vector = GP_VECTOR;
		return INVALID_GPA;
	}

	return write ? kvm_mmu_gva_to_gpa_write(vcpu, addr, exception) :
		       kvm_mmu_gva_to_gpa_read(vcpu, addr, exception);
}

/* Bytes within one page. */
static bool move(struct kvm_vcpu *vcpu, gpa_t gpa, void *data, u32 size, bool write)
{
	if (!write)
		return !kvm_vcpu_read_guest_page(vcpu, gpa_to_gfn(gpa), data,
						 offset_in_page(gpa), size);

	if (kvm_vcpu_write_guest(vcpu, gpa, data, size))
		return false;
	/* The guest may use it as a page table. */
	kvm_page_track_write(vcpu, gpa, data, size);
	return true;
}

static u32 move_pages(struct kvm_vcpu *vcpu, gva_t addr, void *data, u32 size, bool write,
		      struct x86_exception *exception)
{
	u32 done, part;
	gpa_t gpa;

	exception->vector = KVM_VMPORT_NO_VECTOR;
	for (done = 0; done < size; done += part) {
		part = min_t(u32, size - done, PAGE_SIZE - offset_in_page(addr + done));
		gpa = translate(vcpu, addr + done, write, exception);
		if (gpa == INVALID_GPA || !move(vcpu, gpa, data + done, part, write))
			break;
	}
	return done;
}

/**
 * kvm_vmport_read_guest() - read guest memory until that fails
 * @vcpu: whose rights and page tables count
 * @addr: linear address; outside 64-bit mode its low 32 bits
 * @data: out: what was read
 * @size: bytes
 * @exception: out: what the guest would have met at the byte that could not be
 *	read, #PF or #GP(0); KVM_VMPORT_NO_VECTOR for none: it is not plain memory
 *
 * Context: vCPU's thread, kvm->srcu held, may sleep until the VMM has provided
 * the memory.
 * Return: how many bytes.
 */
u32 kvm_vmport_read_guest(struct kvm_vcpu *vcpu, gva_t addr, void *data, u32 size,
			  struct x86_exception *exception)
{
	return move_pages(vcpu, addr, data, size, false, exception);
}

/* The same in the other direction. */
u32 kvm_vmport_write_guest(struct kvm_vcpu *vcpu, gva_t addr, const void *data, u32 size,
			   struct x86_exception *exception)
{
	return move_pages(vcpu, addr, (void *)data, size, true, exception);
}
