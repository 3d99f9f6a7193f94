// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine of raw ioctls: the state that it is put into, one run, what is seen after.
 */
#include <sys/ioctl.h>

#include "vmport_machine.h"

u32 vmport_machine_ticks;
u32 vmport_machine_max_ticks = 4;

static struct kvm_segment machine_segment(u16 selector, u64 base, u32 limit, u8 type, u8 dpl)
{
	return (struct kvm_segment) {
		.base = base, .limit = limit, .selector = selector, .type = type, .present = 1,
		.dpl = dpl, .s = 1, .g = limit > 0xfffff,
	};
}

static void state_set_segments(struct vmport_machine_state *s)
{
	const struct vmport_mode *mode = s->mode;
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

static void state_set_tables(struct vmport_machine_state *s)
{
	const struct vmport_mode *mode = s->mode;
	bool real = !(mode->cr0 & CR0_PE), is_long = mode->efer & EFER_LONG;

	s->sregs.gdt = (struct kvm_dtable) { PAGE_ADDR(PAGE_GDT), 0x3f };
	s->sregs.idt = (struct kvm_dtable) {
		PAGE_ADDR(real ? PAGE_IVT : is_long ? PAGE_IDT64 : PAGE_IDT32),
		NR_VECTORS * (real ? 4 : is_long ? 16 : 8) - 1,
	};
	/* Software emulation of SVM looks into the bitmap of an idle TSS only. */
	s->sregs.tr = machine_segment(SEL_TSS, PAGE_ADDR(is_long ? PAGE_TSS64 : PAGE_TSS32), 0xfff,
				      vmport_machine_is_amd() ? 9 : 11, 0);
	s->sregs.tr.s = 0;
	s->sregs.ldt = (struct kvm_segment) { .unusable = 1, .type = 2 };
}

/* Flat segments, flags clear, the code at @addr, the registers those of GETVERSION. */
void vmport_machine_init(struct vmport_machine_state *s, struct vmport_machine *m, int mode,
			 int ring, u64 addr)
{
	memset(s, 0, sizeof(*s));
	s->mode = &vmport_modes[mode];
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

static bool has_error_code(u8 vector)
{
	return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
}

static int machine_set_state(struct vmport_machine *m, struct vmport_machine_state *s)
{
	struct kvm_vcpu_events events = {
		.flags = KVM_VCPUEVENT_VALID_SHADOW,
		.interrupt.shadow = s->shadow ? KVM_X86_SHADOW_INT_STI : 0,
		.exception.injected = s->has_exception,
		.exception.nr = s->exception,
		.exception.has_error_code = s->has_exception && has_error_code(s->exception),
	};

	/* Code that is none of ours may leave an exception there that comes in a later case. */
	struct kvm_fpu fpu = { .fcw = 0x37f, .mxcsr = 0x1f80 };
	struct kvm_guest_debug none = { };

	/* Single steps of the VMM's take TF from what comes later. */
	if (m->debugged && ioctl(m->vcpu, KVM_SET_GUEST_DEBUG, &none))
		return -errno;
	m->debugged = s->debug.control;
	if (ioctl(m->vcpu, KVM_SET_SREGS, &s->sregs) ||
	    ioctl(m->vcpu, KVM_SET_REGS, &s->regs) ||
	    ioctl(m->vcpu, KVM_SET_FPU, &fpu) ||
	    ioctl(m->vcpu, KVM_SET_VCPU_EVENTS, &events) ||
	    ioctl(m->vcpu, KVM_SET_DEBUGREGS, &s->debugregs) ||
	    ioctl(m->vcpu, KVM_SET_GUEST_DEBUG, &s->debug))
		return -errno;
	m->run->request_interrupt_window = s->window;
	return 0;
}

/* RF in the frame of a fault: set by KVM and by hardware, not by software emulation. */
static void machine_clear_rf(struct vmport_machine *m, const struct vmport_seen *seen,
			     const struct vmport_mode *mode)
{
	bool is_long = mode->efer & EFER_LMA;
	u32 vector = (seen->regs.rip - HANDLER(0)) / 8;
	u32 width = is_long ? 8 : 4;
	u64 at = seen->regs.rsp;

	if (!is_long)
		at = (u32)(seen->sregs.ss.base + (seen->sregs.ss.db ? at : (u16)at));
	if (!(mode->cr0 & CR0_PE) || at >= PAGE_ADDR(NR_PAGES) || vector >= NR_VECTORS)
		return;
	*vmport_machine_at(m, at + width * (2 + has_error_code(vector)) + 2) &= ~1;
}

static void machine_look(struct vmport_machine *m, struct vmport_machine_state *s,
			 struct vmport_seen *seen)
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
	memcpy(seen->stack, vmport_machine_at(m, KERNEL_STACK - sizeof(seen->stack)),
	       sizeof(seen->stack));
	seen->data_sum = vmport_machine_sum(vmport_machine_at(m, DATA), 2 * 4096) ^
			 vmport_machine_sum(vmport_machine_at(m, PAGE_ADDR(PAGE_USER_STACK)), 4096);
}

static void set_low(unsigned long long *reg, u32 value)
{
	*reg = (*reg & ~0xffffffffull) | value;
}

/*
 * As a VMM does that answers: with what it is told to, or as GETVERSION.  @regs become
 * those that the guest is to have, but for what the IN itself reads: @data.  Returns
 * whether it answers at all.
 */
static bool machine_answer(struct vmport_machine *m, const struct vmport_machine_state *s,
			   struct kvm_regs *regs, u32 *data)
{
	const struct kvm_run *run = m->run;

	if (run->io.port != VMPORT_PORT || run->io.count != 1)
		return false;
	if (s->results) {
		if (regs->rip != s->regs.rip)
			return false;
		*data = s->results->rax;
		memcpy(regs, s->results, offsetof(struct kvm_regs, rsp));
		return true;
	}
	if (run->io.size != 4 || (u32)regs->rax != VMPORT_MAGIC ||
	    !vmport_is_kernels(regs->rcx, s->answers))
		return false;
	/*
	 * An IN reads EAX from @data, but where KVM emulates the instruction KVM_SET_REGS makes
	 * its emulator forget that EAX is written: then the guest has the EAX that is set.
	 */
	*data = 6;
	set_low(&regs->rax, 6);
	set_low(&regs->rbx, VMPORT_MAGIC);
	set_low(&regs->rcx, 2);
	return true;
}

/* One access to a port that is the VMM's.  False: that was the last. */
static bool machine_port(struct vmport_machine *m, struct vmport_machine_state *s,
			 struct vmport_seen *seen)
{
	struct kvm_run *run = m->run;
	struct vmport_port_access *port = &seen->ports[seen->nr_ports];
	void *data = (void *)run + run->io.data_offset;
	bool answered = false;
	struct kvm_regs regs;
	u32 value = 0;

	if (run->io.port == END_PORT)
		return false;
	ioctl(m->vcpu, KVM_GET_REGS, &regs);
	if (s->answers)
		answered = machine_answer(m, s, &regs, &value);
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
	/* As QEMU sets them: before the access ends. */
	if (answered)
		ioctl(m->vcpu, KVM_SET_REGS, &regs);
	return true;
}

/* What waits for the VMM's answer would be carried on in the next state. */
static void machine_drop_pending(struct vmport_machine *m)
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

static int machine_enter(struct vmport_machine *m)
{
	u32 until = READ_ONCE(vmport_machine_ticks) + vmport_machine_max_ticks;
	int r;

	do {
		r = ioctl(m->vcpu, KVM_RUN, 0);
	} while (r && errno == EINTR && (int)(READ_ONCE(vmport_machine_ticks) - until) < 0);
	return r ? -errno : 0;
}

/* Run to the first HLT, or to whatever else ends it. */
void vmport_machine_run(struct vmport_machine *m, struct vmport_machine_state *s,
			struct vmport_seen *seen)
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
