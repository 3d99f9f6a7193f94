// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory by linear address, with the rights of the calling vCPU, as far as
 * it is plain memory.
 */
#include <linux/kvm_host.h>
#include <linux/uio.h>

#include "mmu.h"
#include "mmu/page_track.h"
#include "x86.h"

#include "abi.h"
#include "compat.h"
#include "memory.h"

/* Whose rights count for a run of pages, and in which mode: asked once. */
struct walk {
	struct kvm_pagewalk *pages;
	u64 access;
	bool is_64_bit;
};

static struct walk vmport_begin_walk(struct kvm_vcpu *vcpu, bool write)
{
	return (struct walk) {
		.pages = &vcpu->arch.gva_walk,
		.access = (kvm_x86_call(get_cpl)(vcpu) == 3 ? PFERR_USER_MASK : 0) |
			  (write ? PFERR_WRITE_MASK : 0),
		.is_64_bit = is_64_bit_mode(vcpu),
	};
}

/* Where @addr lies; INVALID_GPA and the fault when the guest may not know. */
static gpa_t vmport_translate(struct kvm_vcpu *vcpu, const struct walk *walk, gva_t addr,
			      struct vmport_fault *fault)
{
	struct x86_emulate_ctxt *ctxt = vcpu->arch.emulate_ctxt;
	gpa_t gpa;

	if (!walk->is_64_bit) {
		addr = (u32)addr;
	} else {
		/* Without the bits that the processor ignores (LAM). */
		addr = ctxt->ops->get_untagged_addr(ctxt, addr, 0);
		if (!__is_canonical_address(addr, vcpu_virt_addr_bits(vcpu))) {
			kvm_vmport_set_gp(fault);
			return INVALID_GPA;
		}
	}

	gpa = walk->pages->gva_to_gpa(vcpu, walk->pages, addr, walk->access, &fault->exception);
	fault->is_guests = gpa == INVALID_GPA;
	return gpa;
}

/* How much of @size bytes from @addr on lies in one page. */
static u32 vmport_part_in_page(gva_t addr, u32 size)
{
	return min_t(u32, size, PAGE_SIZE - offset_in_page(addr));
}

/* Is there memory of the guest?  KVM has some of its own, such as that of the APIC. */
static bool vmport_is_memory(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	return gpa != INVALID_GPA && kvm_vcpu_is_visible_gfn(vcpu, gpa_to_gfn(gpa));
}

/*
 * Read @size bytes of guest memory, KVM_VMPORT_MAX_MESSAGE at most, from linear address
 * @addr on, of which outside 64-bit mode the low 32 bits count, with the rights of @vcpu.
 * Returns how many bytes were read; where that is less than @size, @fault says why.
 *
 * All pages are found before any is read, for one copy: a copy from user space has a price
 * of its own, and what lies in a row needs but one.
 *
 * With kvm->srcu held; may sleep until the VMM has provided the memory.
 */
u32 kvm_vmport_read_guest(struct kvm_vcpu *vcpu, gva_t addr, void *data, u32 size,
			  struct vmport_fault *fault)
{
	struct iovec pieces[KVM_VMPORT_MAX_MESSAGE / PAGE_SIZE + 1];
	struct walk walk = vmport_begin_walk(vcpu, false);
	struct iovec *last = NULL;
	struct iov_iter iter;
	void __user *at;
	u32 found, part;
	size_t copied;
	gpa_t gpa;
	hva_t hva;

	fault->is_guests = false;
	if (WARN_ON_ONCE(size > KVM_VMPORT_MAX_MESSAGE))
		return 0;

	for (found = 0; found < size; found += part) {
		part = vmport_part_in_page(addr + found, size - found);
		gpa = vmport_translate(vcpu, &walk, addr + found, fault);
		if (!vmport_is_memory(vcpu, gpa))
			break;
		hva = kvm_vcpu_gfn_to_hva_prot(vcpu, gpa_to_gfn(gpa), NULL);
		if (kvm_is_error_hva(hva))
			break;

		at = (void __user *)(hva + offset_in_page(gpa));
		if (last && at == last->iov_base + last->iov_len) {
			last->iov_len += part;
		} else {
			last = last ? last + 1 : pieces;
			*last = (struct iovec) { at, part };
		}
	}
	if (!found)
		return 0;

	iov_iter_init(&iter, ITER_SOURCE, pieces, last - pieces + 1, found);
	copied = copy_from_iter(data, found, &iter);
	kvm_request_l1tf_flush_l1d();
	if (copied < found)
		fault->is_guests = false;
	return copied;
}

/* Write guest memory; all else as in kvm_vmport_read_guest(). */
u32 kvm_vmport_write_guest(struct kvm_vcpu *vcpu, gva_t addr, const void *data, u32 size,
			   struct vmport_fault *fault)
{
	struct walk walk = vmport_begin_walk(vcpu, true);
	u32 done, part;
	gpa_t gpa;

	fault->is_guests = false;
	for (done = 0; done < size; done += part) {
		part = vmport_part_in_page(addr + done, size - done);
		gpa = vmport_translate(vcpu, &walk, addr + done, fault);
		if (!vmport_is_memory(vcpu, gpa) ||
		    kvm_vcpu_write_guest_page(vcpu, gpa_to_gfn(gpa), data + done,
					      offset_in_page(gpa), part))
			break;
		/* The guest may use it as a page table. */
		kvm_page_track_write(vcpu, gpa, data + done, part);
	}
	kvm_request_l1tf_flush_l1d();
	return done;
}
