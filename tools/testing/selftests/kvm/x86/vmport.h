/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Helpers for the tests of KVM's VMware guest interface.
 *
 * The guest has no logic of its own: a test sets its registers, runs one
 * instruction (or a loop around one) and looks at the registers afterwards.  So
 * each check stands in the test and every register counts.
 */
#ifndef SELFTEST_KVM_VMPORT_H
#define SELFTEST_KVM_VMPORT_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kvm_vmport.h>

#include "kvm_test_harness.h"
#include "kvm_util.h"
#include "processor.h"
#include "test_util.h"

/* Emulated processors are slow, and some tests make tens of thousands of calls. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT		280

#define VMPORT_MAGIC			0x564d5868
#define VMPORT_PORT			0x5658
#define VMPORT_HB_PORT			0x5659

#define VMPORT_CMD_GETMHZ		1
#define VMPORT_CMD_GETVERSION		10
#define VMPORT_CMD_GETHWVERSION		17
#define VMPORT_CMD_GETUUID		19
#define VMPORT_CMD_GETMEMSIZE		20
#define VMPORT_CMD_GETTIME		23
#define VMPORT_CMD_STOPCATCHUP		24
#define VMPORT_CMD_MESSAGE		30
#define VMPORT_CMD_GETHZ		45
#define VMPORT_CMD_GETTIMEFULL		46
#define VMPORT_CMD_GETTIMEFULL_WITH_LAG	55
#define VMPORT_CMD_GET_VCPU_INFO	68
#define VMPORT_CMD_STEALCLOCK		91
#define VMPORT_CMD_PRECISIONCLOCK	97

#define VMPORT_MSG_OPEN			0
#define VMPORT_MSG_SENDSIZE		1
#define VMPORT_MSG_SENDPAYLOAD		2
#define VMPORT_MSG_RECVSIZE		3
#define VMPORT_MSG_RECVPAYLOAD		4
#define VMPORT_MSG_RECVSTATUS		5
#define VMPORT_MSG_CLOSE		6

#define VMPORT_FAIL			0x00
#define VMPORT_SUCCESS			0x01
#define VMPORT_DORECV			0x02
#define VMPORT_HB			0x80

#define VMPORT_RPCI			0x49435052
#define VMPORT_TCLO			0x4f4c4354
#define VMPORT_COOKIE			0x80000000

#define VMPORT_BASIC			KVM_VMPORT_FEATURE_ENABLE
#define VMPORT_RPC			(KVM_VMPORT_FEATURE_ENABLE | KVM_VMPORT_FEATURE_RPC)
#define VMPORT_RING3			(VMPORT_RPC | KVM_VMPORT_FEATURE_RING3)
#define VMPORT_HYPERCALL		(VMPORT_RPC | KVM_VMPORT_FEATURE_HB | \
					 KVM_VMPORT_FEATURE_HYPERCALL)
#define VMPORT_EXIT_RPC			(VMPORT_RPC | KVM_VMPORT_FEATURE_EXIT_RPC)

/* The guest says that it is done by OUT to this port, which nobody owns. */
#define VMPORT_DONE_PORT		0x9b
#define VMPORT_DONE			"out %al, $0x9b\n\t"

/* What the high halves of the registers hold around a call. */
#define VMPORT_HIGH_BX			0xb0b1b2b300000000ull
#define VMPORT_HIGH_CX			0xc0c1c2c300000000ull
#define VMPORT_HIGH_DX			0xd0d1d2d300000000ull
#define VMPORT_HIGH_SI			0x5051525300000000ull
#define VMPORT_HIGH_DI			0xd8d9dadb00000000ull
#define VMPORT_HIGH_AX			0xa0a1a2a300000000ull
#define VMPORT_HIGH_BP			0xb8b9babb00000000ull

/*
 * The guest.  The loops take the words at RBP, R8 of them, and the registers of
 * each call from R9 (RCX), R10 (RDX), R12 (RSI) and R13 (RDI); they end early
 * when a call fails, with R8 not zero.
 */
asm(".pushsection .text, \"ax\"\n\t"
	".balign 64\n"
	"vmport_in:\n\t"
	"in %dx, %eax\n"
	"vmport_in_end:\n\t"
	VMPORT_DONE
	"ud2\n"
	"vmport_out:\n\t"
	"out %eax, %dx\n"
	"vmport_out_end:\n\t"
	VMPORT_DONE
	"ud2\n"
	"vmport_inb:\n\t"
	"in %dx, %al\n\t"
	VMPORT_DONE
	"ud2\n"
	"vmport_inw:\n\t"
	"in %dx, %ax\n\t"
	VMPORT_DONE
	"ud2\n"
	"vmport_outb:\n\t"
	"out %al, %dx\n\t"
	VMPORT_DONE
	"ud2\n"
	"vmport_outw:\n\t"
	"out %ax, %dx\n\t"
	VMPORT_DONE
	"ud2\n"
	"vmport_insl:\n\t"
	"insl\n\t"
	VMPORT_DONE
	"ud2\n"
	"vmport_outsl:\n\t"
	"outsl\n\t"
	VMPORT_DONE
	"ud2\n"
	"vmport_rep_outsb:\n\t"
	"rep outsb\n\t"
	VMPORT_DONE
	"ud2\n"
	"vmport_rep_insb:\n\t"
	"rep insb\n\t"
	VMPORT_DONE
	"ud2\n"
	"vmport_send_loop:\n\t"
	"mov $0x564d5868, %eax\n\t"
	"mov (%rbp), %ebx\n\t"
	"mov %r9, %rcx\n\t"
	"mov %r10, %rdx\n\t"
	"mov %r12, %rsi\n\t"
	"mov %r13, %rdi\n\t"
	"in %dx, %eax\n\t"
	"test $0x10000, %ecx\n\t"
	"jz 1f\n\t"
	"add $4, %rbp\n\t"
	"dec %r8\n\t"
	"jnz vmport_send_loop\n"
	"1:\n\t"
	VMPORT_DONE
	"ud2\n"
	"vmport_recv_loop:\n\t"
	"mov $0x564d5868, %eax\n\t"
	"mov $1, %ebx\n\t"
	"mov %r9, %rcx\n\t"
	"mov %r10, %rdx\n\t"
	"mov %r12, %rsi\n\t"
	"mov %r13, %rdi\n\t"
	"in %dx, %eax\n\t"
	"test $0x10000, %ecx\n\t"
	"jz 1f\n\t"
	"mov %ebx, (%rbp)\n\t"
	"add $4, %rbp\n\t"
	"dec %r8\n\t"
	"jnz vmport_recv_loop\n"
	"1:\n\t"
	VMPORT_DONE
	"ud2\n"
	/* R8 times OPEN with R11 as EBX; nothing is remembered. */
	"vmport_open_loop:\n\t"
	"mov $0x564d5868, %eax\n\t"
	"mov %r11, %rbx\n\t"
	"mov %r9, %rcx\n\t"
	"mov %r10, %rdx\n\t"
	"in %dx, %eax\n\t"
	"test $0x10000, %ecx\n\t"
	"jz 1f\n\t"
	"dec %r8\n\t"
	"jnz vmport_open_loop\n"
	"1:\n\t"
	VMPORT_DONE
	"ud2\n\t"
	".popsection");

extern char vmport_in[], vmport_in_end[], vmport_out[], vmport_out_end[];
extern char vmport_inb[], vmport_inw[], vmport_outb[], vmport_outw[];
extern char vmport_insl[], vmport_outsl[], vmport_rep_outsb[], vmport_rep_insb[];
extern char vmport_send_loop[], vmport_recv_loop[], vmport_open_loop[];

#define VMPORT_MAX_VCPUS	2
#define VMPORT_BUFFER_SIZE	(KVM_VMPORT_MAX_REPLY + 64)

/* Guest memory, one for each vCPU; the host goes through addr_gva2hva(). */
static u8 vmport_buffer[VMPORT_MAX_VCPUS][VMPORT_BUFFER_SIZE] __aligned(4096);
static u8 vmport_stack[VMPORT_MAX_VCPUS][4096] __aligned(4096);

/* Low halves of the registers of a call. */
struct vmport_regs {
	u32 ax;
	u32 bx;
	u32 cx;
	u32 dx;
	u32 si;
	u32 di;
};

/* What SENDSIZE and RECVSIZE add to their status: VMPORT_HB where it is offered. */
static u16 vmport_hb_status;

/* The guest's memory has no room for large arrays in the test's image. */
static inline void *vmport_alloc(size_t size)
{
	void *p = calloc(1, size);

	TEST_ASSERT(p, "No memory");
	return p;
}

static inline void *vmport_gva2hva(struct kvm_vm *vm, void *gva)
{
	return addr_gva2hva(vm, (unsigned long)gva);
}

/* What the guest of the VM that was made last was promised, as its blobs say. */
static u64 vmport_promised;

static inline void vmport_enable(struct kvm_vm *vm, u64 features)
{
	if (features)
		vm_enable_cap(vm, KVM_CAP_X86_VMPORT, features);
	vmport_promised = features & ~KVM_VMPORT_FEATURE_EXIT_RPC;
}

/*
 * A VM with @features on, or without the capability when there are none.
 */
static inline struct kvm_vm *vmport_vm_create(u64 features, u32 nr_vcpus,
					      struct kvm_vcpu **vcpus)
{
	struct kvm_vm *vm = vm_create(nr_vcpus);
	u32 i;

	vmport_enable(vm, features);

	for (i = 0; i < nr_vcpus; i++)
		vcpus[i] = vm_vcpu_add(vm, i, vmport_in);

	return vm;
}

/* A VM for ioctls only: no memory, no vCPU. */
static inline struct kvm_vm *vmport_vm_create_barebones(u64 features)
{
	struct kvm_vm *vm = vm_create_barebones();

	vmport_enable(vm, features);
	return vm;
}

static inline void vmport_set_regs(struct kvm_vcpu *vcpu, struct kvm_regs *regs,
				   const struct vmport_regs *in)
{
	memset(regs, 0, sizeof(*regs));
	regs->rax = VMPORT_HIGH_AX | in->ax;
	regs->rbx = VMPORT_HIGH_BX | in->bx;
	regs->rcx = VMPORT_HIGH_CX | in->cx;
	regs->rdx = VMPORT_HIGH_DX | in->dx;
	regs->rsi = VMPORT_HIGH_SI | in->si;
	regs->rdi = VMPORT_HIGH_DI | in->di;
	regs->rsp = (unsigned long)vmport_stack[vcpu->id] + sizeof(vmport_stack[0]);
}

/* Make it run from @rip. */
static inline void vmport_start(struct kvm_vcpu *vcpu, const void *rip, struct kvm_regs *regs)
{
	regs->rip = (unsigned long)rip;
	regs->rflags = X86_EFLAGS_FIXED;
	vcpu_regs_set(vcpu, regs);
}

/* Run from @rip to the next exit. */
static inline void vmport_run(struct kvm_vcpu *vcpu, const void *rip, struct kvm_regs *regs)
{
	vmport_start(vcpu, rip, regs);
	vcpu_run(vcpu);
	vcpu_regs_get(vcpu, regs);
}

static inline bool vmport_is_done(struct kvm_vcpu *vcpu)
{
	return vcpu->run->exit_reason == KVM_EXIT_IO &&
	       vcpu->run->io.direction == KVM_EXIT_IO_OUT &&
	       vcpu->run->io.port == VMPORT_DONE_PORT;
}

/* Run from @rip to the end; the call in between is expected to be answered. */
static inline void vmport_run_done(struct kvm_vcpu *vcpu, const void *rip,
				   struct kvm_regs *regs)
{
	vmport_run(vcpu, rip, regs);
	TEST_ASSERT(vmport_is_done(vcpu),
		    "The call is not answered: exit %u (%s), port 0x%x, ECX 0x%llx",
		    vcpu->run->exit_reason, exit_reason_str(vcpu->run->exit_reason),
		    vcpu->run->exit_reason == KVM_EXIT_IO ? vcpu->run->io.port : 0,
		    regs->rcx);
}

static inline void vmport_assert_high(const struct kvm_regs *regs)
{
	const u64 mask = 0xffffffff00000000ull;

	TEST_ASSERT_EQ(regs->rbx & mask, VMPORT_HIGH_BX);
	TEST_ASSERT_EQ(regs->rcx & mask, VMPORT_HIGH_CX);
	TEST_ASSERT_EQ(regs->rdx & mask, VMPORT_HIGH_DX);
	TEST_ASSERT_EQ(regs->rsi & mask, VMPORT_HIGH_SI);
	TEST_ASSERT_EQ(regs->rdi & mask, VMPORT_HIGH_DI);
}

static inline struct vmport_regs vmport_low(const struct kvm_regs *regs)
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
static inline struct vmport_regs vmport_call(struct kvm_vcpu *vcpu, struct vmport_regs in)
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

/* The guest's end of a channel. */
struct vmport_channel {
	struct kvm_vcpu *vcpu;
	u16 id;
	u32 cookie_high;
	u32 cookie_low;
};

static inline u16 vmport_status(const struct vmport_regs *regs)
{
	return regs->cx >> 16;
}

static inline struct vmport_regs vmport_msg_regs(const struct vmport_channel *channel,
						 u16 type, u32 bx)
{
	return (struct vmport_regs) {
		.ax = VMPORT_MAGIC,
		.bx = bx,
		.cx = (u32)type << 16 | VMPORT_CMD_MESSAGE,
		.dx = (u32)channel->id << 16 | VMPORT_PORT,
		.si = channel->cookie_high,
		.di = channel->cookie_low,
	};
}

/* Is there one in EDX? */
static inline bool vmport_has_result(u16 type, const struct vmport_regs *in,
				     const struct vmport_regs *out)
{
	switch (type) {
	case VMPORT_MSG_OPEN:
		return out->cx;
	case VMPORT_MSG_RECVSIZE:
		return vmport_status(out) & VMPORT_DORECV;
	case VMPORT_MSG_RECVPAYLOAD:
		return out->cx && (in->bx & VMPORT_SUCCESS);
	default:
		return false;
	}
}

/* One MESSAGE; what holds for all of them is checked here. */
static inline struct vmport_regs vmport_msg(const struct vmport_channel *channel,
					    u16 type, u32 bx)
{
	struct vmport_regs in = vmport_msg_regs(channel, type, bx);
	struct vmport_regs out = vmport_call(channel->vcpu, in);

	TEST_ASSERT_EQ(out.ax, in.ax);
	/* The status and nothing else, not even that when it is a failure. */
	TEST_ASSERT_EQ(out.cx & 0xffff, 0);
	TEST_ASSERT(!out.cx || (vmport_status(&out) & VMPORT_SUCCESS), "ECX is 0x%x", out.cx);

	if (vmport_has_result(type, &in, &out)) {
		TEST_ASSERT_EQ(out.dx & 0xffff, 0);
	} else {
		TEST_ASSERT_EQ(out.bx, in.bx);
		TEST_ASSERT_EQ(out.dx, in.dx);
	}
	if (!out.cx || type != VMPORT_MSG_OPEN || !(bx & VMPORT_COOKIE)) {
		TEST_ASSERT_EQ(out.si, in.si);
		TEST_ASSERT_EQ(out.di, in.di);
	}
	return out;
}

static inline u16 vmport_msg_status(const struct vmport_channel *channel, u16 type, u32 bx)
{
	struct vmport_regs out = vmport_msg(channel, type, bx);

	return vmport_status(&out);
}

/* The status of OPEN; @channel is filled when that is SUCCESS. */
static inline u16 vmport_try_open(struct kvm_vcpu *vcpu, u32 protocol,
				  struct vmport_channel *channel)
{
	struct vmport_regs out;

	/* What the registers held before must not matter. */
	*channel = (struct vmport_channel) {
		.vcpu = vcpu,
		.id = 0x7777,
		.cookie_high = 0x33333333,
		.cookie_low = 0x44444444,
	};
	out = vmport_msg(channel, VMPORT_MSG_OPEN, protocol);
	if (vmport_status(&out) & VMPORT_SUCCESS) {
		TEST_ASSERT_EQ(out.bx, protocol);
		channel->id = out.dx >> 16;
		channel->cookie_high = protocol & VMPORT_COOKIE ? out.si : 0;
		channel->cookie_low = protocol & VMPORT_COOKIE ? out.di : 0;
	}
	return vmport_status(&out);
}

static inline struct vmport_channel vmport_open(struct kvm_vcpu *vcpu, u32 protocol)
{
	struct vmport_channel channel;

	TEST_ASSERT_EQ(vmport_try_open(vcpu, protocol, &channel), VMPORT_SUCCESS);
	return channel;
}

/* Channels that were used before count as abandoned then. */
static inline void vmport_abandon_all(void)
{
	usleep(1100000);
}

static inline void vmport_close(const struct vmport_channel *channel)
{
	TEST_ASSERT_EQ(vmport_msg_status(channel, VMPORT_MSG_CLOSE, 0), VMPORT_SUCCESS);
}

/* The registers of a loop that makes @count calls. */
static inline void vmport_loop_regs(const struct vmport_channel *channel, struct kvm_regs *regs,
				    u16 type, u32 bx, u32 count)
{
	struct vmport_regs in = vmport_msg_regs(channel, type, bx);

	vmport_set_regs(channel->vcpu, regs, &in);
	regs->rbp = (unsigned long)vmport_buffer[channel->vcpu->id];
	regs->r8 = count;
	regs->r9 = regs->rcx;
	regs->r10 = regs->rdx;
	regs->r11 = bx;
	regs->r12 = regs->rsi;
	regs->r13 = regs->rdi;
}

/* Move words between the guest's buffer and the channel.  Returns words left. */
static inline u64 vmport_loop(const struct vmport_channel *channel, const void *rip,
			      u16 type, u32 words)
{
	struct kvm_regs regs;

	if (!words)
		return 0;

	vmport_loop_regs(channel, &regs, type, 0, words);
	vmport_run_done(channel->vcpu, rip, &regs);
	return regs.r8;
}

static inline u8 *vmport_host_buffer(const struct vmport_channel *channel)
{
	return vmport_gva2hva(channel->vcpu->vm, vmport_buffer[channel->vcpu->id]);
}

/* SENDPAYLOAD of all @size bytes. */
static inline void vmport_send_payload(const struct vmport_channel *channel,
				       const void *data, u32 size)
{
	u8 *buffer = vmport_host_buffer(channel);

	memcpy(buffer, data, size);
	/* Bytes past the message's end must not count. */
	memset(buffer + size, 0xee, 8);
	TEST_ASSERT_EQ(vmport_loop(channel, vmport_send_loop, VMPORT_MSG_SENDPAYLOAD,
				   (size + 3) / 4), 0);
}

/* A whole message to the host. */
static inline void vmport_send(const struct vmport_channel *channel,
			       const void *data, u32 size)
{
	TEST_ASSERT_EQ(vmport_msg_status(channel, VMPORT_MSG_SENDSIZE, size),
		       VMPORT_SUCCESS | (size ? vmport_hb_status : 0));
	vmport_send_payload(channel, data, size);
}

/*
 * Registers of a message at @addr by one instruction.  @dx: the port, or a
 * hypercall's flags.
 */
static inline struct kvm_regs vmport_hb_regs(const struct vmport_channel *channel, u16 dx,
					     bool in, u64 addr, u64 count)
{
	struct vmport_regs low = {
		.ax = VMPORT_MAGIC,
		.bx = VMPORT_SUCCESS << 16,
		.dx = (u32)channel->id << 16 | dx,
		.si = channel->cookie_high,
		.di = channel->cookie_low,
	};
	struct kvm_regs regs;

	vmport_set_regs(channel->vcpu, &regs, &low);
	regs.rcx = count;
	if (in) {
		regs.rdi = addr;
		regs.rbp = VMPORT_HIGH_BP | channel->cookie_low;
	} else {
		regs.rsi = addr;
		regs.rbp = VMPORT_HIGH_BP | channel->cookie_high;
	}
	return regs;
}

/* Bytes that wait for the guest, -1 when nothing does. */
static inline int vmport_poll(const struct vmport_channel *channel)
{
	struct vmport_regs out = vmport_msg(channel, VMPORT_MSG_RECVSIZE, 0x99999999);

	if (vmport_status(&out) == VMPORT_SUCCESS) {
		TEST_ASSERT_EQ(out.bx, 0x99999999);
		TEST_ASSERT_EQ(out.dx >> 16, channel->id);
		return -1;
	}
	TEST_ASSERT_EQ(vmport_status(&out), VMPORT_SUCCESS | VMPORT_DORECV | vmport_hb_status);
	TEST_ASSERT_EQ(out.dx >> 16, VMPORT_MSG_SENDSIZE);
	return out.bx;
}

/* RECVPAYLOAD of @size bytes; the bytes behind the last one are zero. */
static inline void vmport_recv_payload(const struct vmport_channel *channel,
				       void *data, u32 size)
{
	u8 *buffer = vmport_host_buffer(channel);
	u32 words = (size + 3) / 4;
	u32 i;

	memset(buffer, 0xee, words * 4);
	TEST_ASSERT_EQ(vmport_loop(channel, vmport_recv_loop, VMPORT_MSG_RECVPAYLOAD,
				   words), 0);
	for (i = size; i < words * 4; i++)
		TEST_ASSERT_EQ(buffer[i], 0);
	memcpy(data, buffer, size);
}

/* A whole message from the host: its size, -1 when there is none. */
static inline int vmport_recv(const struct vmport_channel *channel, void *data, u32 room)
{
	int size = vmport_poll(channel);

	if (size < 0)
		return size;

	TEST_ASSERT(size <= room, "A message of %d bytes for a buffer of %u", size, room);
	vmport_recv_payload(channel, data, size);
	TEST_ASSERT_EQ(vmport_msg_status(channel, VMPORT_MSG_RECVSTATUS, 1), VMPORT_SUCCESS);
	return size;
}

/* Ask and be answered, as every RPCI client does. */
static inline int vmport_rpc(const struct vmport_channel *channel, const void *request,
			     u32 size, void *reply, u32 room)
{
	int n;

	vmport_send(channel, request, size);
	n = vmport_recv(channel, reply, room);
	TEST_ASSERT(n >= 0, "No reply waits after the last byte of the request");
	return n;
}

/* The same with strings; the reply is only good until the next call. */
static inline const char *vmport_rpc_text(const struct vmport_channel *channel,
					  const char *request)
{
	static __thread char reply[KVM_VMPORT_MAX_REPLY + 1];
	int size = vmport_rpc(channel, request, strlen(request), reply, sizeof(reply) - 1);

	TEST_ASSERT(!memchr(reply, 0, size), "A NUL in the reply to '%s'", request);
	reply[size] = '\0';
	return reply;
}

/*
 * Attributes.  All return 0 or the errno; vmport_error has the item.
 */
static __thread u32 vmport_error;

static inline int vmport_attr(struct kvm_vm *vm, unsigned long cmd,
			      struct kvm_vmport_attr *attr)
{
	int r;

	/* Only an output. */
	attr->error = 0x55555555;
	if (cmd == KVM_SET_VMPORT_ATTR)
		r = __vm_ioctl(vm, KVM_SET_VMPORT_ATTR, attr);
	else
		r = __vm_ioctl(vm, KVM_GET_VMPORT_ATTR, attr);
	TEST_ASSERT(!r || r == -1, "ioctl() returned %d", r);

	vmport_error = attr->error;
	return r ? errno : 0;
}

static inline int vmport_get_identity(struct kvm_vm *vm, struct kvm_vmport_identity *identity)
{
	struct kvm_vmport_attr attr = { .type = KVM_VMPORT_ATTR_IDENTITY };
	int r = vmport_attr(vm, KVM_GET_VMPORT_ATTR, &attr);

	*identity = attr.u.identity;
	return r;
}

/* The module parameter that opens the port to ring 3 in all VMs. */
static inline bool backdoor_parameter(void)
{
	FILE *file = fopen("/sys/module/kvm/parameters/enable_vmware_backdoor", "r");
	int value;

	TEST_ASSERT(file, "No module parameter enable_vmware_backdoor");
	value = fgetc(file);
	fclose(file);
	return value == 'Y';
}

static inline int vmport_set_identity(struct kvm_vm *vm,
				      const struct kvm_vmport_identity *identity)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_IDENTITY,
		.u.identity = *identity,
	};

	return vmport_attr(vm, KVM_SET_VMPORT_ATTR, &attr);
}

static inline int vmport_get_limits(struct kvm_vm *vm, struct kvm_vmport_limits *limits)
{
	struct kvm_vmport_attr attr = { .type = KVM_VMPORT_ATTR_LIMITS };
	int r = vmport_attr(vm, KVM_GET_VMPORT_ATTR, &attr);

	*limits = attr.u.limits;
	return r;
}

static inline int vmport_set_limits(struct kvm_vm *vm, const struct kvm_vmport_limits *limits)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_LIMITS,
		.u.limits = *limits,
	};

	return vmport_attr(vm, KVM_SET_VMPORT_ATTR, &attr);
}

static inline int vmport_set_entry(struct kvm_vm *vm, const void *key, u32 key_size,
				   const void *value, u32 value_size, u32 flags)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_GUESTINFO,
		.u.guestinfo = {
			.key = (unsigned long)key,
			.key_size = key_size,
			.value = (unsigned long)value,
			.value_size = value_size,
			.flags = flags,
		},
	};

	return vmport_attr(vm, KVM_SET_VMPORT_ATTR, &attr);
}

/* @size: in, bytes at @value; out, as the kernel says. */
static inline int vmport_get_entry(struct kvm_vm *vm, const void *key, u32 key_size,
				   void *value, u32 *size, u32 *flags)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_GUESTINFO,
		.u.guestinfo = {
			.key = (unsigned long)key,
			.key_size = key_size,
			.value = (unsigned long)value,
			.value_size = *size,
		},
	};
	int r = vmport_attr(vm, KVM_GET_VMPORT_ATTR, &attr);

	*size = attr.u.guestinfo.value_size;
	if (flags)
		*flags = attr.u.guestinfo.flags;
	return r;
}

static inline int vmport_set_text(struct kvm_vm *vm, const char *key, const char *value)
{
	return vmport_set_entry(vm, key, strlen(key), value, strlen(value), 0);
}

static inline int vmport_delete(struct kvm_vm *vm, const char *key)
{
	return vmport_set_entry(vm, key, strlen(key), NULL, 0, KVM_VMPORT_GUESTINFO_DELETE);
}

/* The value as a string, only good until the next call; NULL: no entry. */
static inline const char *vmport_get_text(struct kvm_vm *vm, const char *key)
{
	static __thread char value[KVM_VMPORT_MAX_VALUE + 1];
	u32 size = sizeof(value) - 1;
	int r = vmport_get_entry(vm, key, strlen(key), value, &size, NULL);

	if (r == ENOENT)
		return NULL;
	TEST_ASSERT(!r, "Reading '%s': errno %d, error %u", key, r, vmport_error);
	value[size] = '\0';
	return value;
}

static inline int vmport_list(struct kvm_vm *vm, const char *prefix, void *names,
			      u32 *size, u32 *count)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_GUESTINFO_LIST,
		.u.list = {
			.prefix = (unsigned long)prefix,
			.prefix_size = strlen(prefix),
			.names = (unsigned long)names,
			.names_size = *size,
		},
	};
	int r = vmport_attr(vm, KVM_GET_VMPORT_ATTR, &attr);

	*size = attr.u.list.names_size;
	*count = attr.u.list.count;
	return r;
}

/* Queue a request to the daemon of the guest with that name; size 0: its tools. */
static inline int vmport_tclo_send_to(struct kvm_vm *vm, const void *name, u32 name_size,
				      const void *request, u32 size, u64 *id)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_TCLO,
		.u.tclo = {
			.data = (unsigned long)request,
			.size = size,
			.name = (unsigned long)name,
			.name_size = name_size,
		},
	};
	int r = vmport_attr(vm, KVM_SET_VMPORT_ATTR, &attr);

	if (id)
		*id = attr.u.tclo.id;
	return r;
}

static inline int vmport_tclo_send(struct kvm_vm *vm, const void *request, u32 size, u64 *id)
{
	return vmport_tclo_send_to(vm, NULL, 0, request, size, id);
}

/* Take a result.  @size: in, bytes at @result; out, as the kernel says. */
static inline int vmport_tclo_result(struct kvm_vm *vm, void *result, u32 *size,
				     u64 *id, u32 *status)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_TCLO,
		.u.tclo = {
			.data = (unsigned long)result,
			.size = *size,
		},
	};
	int r = vmport_attr(vm, KVM_GET_VMPORT_ATTR, &attr);

	*size = attr.u.tclo.size;
	*id = attr.u.tclo.id;
	*status = attr.u.tclo.status;
	return r;
}

/* Several entries in one step.  @index: out, what the kernel says. */
static inline int vmport_set_many(struct kvm_vm *vm, const struct kvm_vmport_guestinfo *items,
				  u32 count, u32 *index)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_GUESTINFO_MANY,
		.u.many = {
			.items = (unsigned long)items,
			.count = count,
		},
	};
	int r = vmport_attr(vm, KVM_SET_VMPORT_ATTR, &attr);

	if (index)
		*index = attr.u.many.index;
	return r;
}

/* An item for it; a value of NULL deletes. */
static inline struct kvm_vmport_guestinfo vmport_item(const char *key, const char *value)
{
	return (struct kvm_vmport_guestinfo) {
		.key = (unsigned long)key,
		.key_size = strlen(key),
		.value = (unsigned long)value,
		.value_size = value ? strlen(value) : 0,
		.flags = value ? 0 : KVM_VMPORT_GUESTINFO_DELETE,
	};
}

/* The entries that were set since.  All but @vm and @names: in and out. */
static inline int vmport_changes(struct kvm_vm *vm, u64 *since, void *names, u32 *size,
				 u32 *count)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_CHANGES,
		.u.changes = {
			.since = *since,
			.names = (unsigned long)names,
			.names_size = *size,
		},
	};
	int r = vmport_attr(vm, KVM_GET_VMPORT_ATTR, &attr);

	*since = attr.u.changes.sequence;
	*size = attr.u.changes.names_size;
	*count = attr.u.changes.count;
	return r;
}

static inline int vmport_set_eventfd(struct kvm_vm *vm, int fd)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_EVENTFD,
		.u.eventfd.fd = fd,
	};

	return vmport_attr(vm, KVM_SET_VMPORT_ATTR, &attr);
}

static inline struct kvm_vmport_events vmport_events(struct kvm_vm *vm)
{
	struct kvm_vmport_attr attr = { .type = KVM_VMPORT_ATTR_EVENTS };
	int r = vmport_attr(vm, KVM_GET_VMPORT_ATTR, &attr);

	TEST_ASSERT(!r, "KVM_VMPORT_ATTR_EVENTS: errno %d", r);
	return attr.u.events;
}

static inline int vmport_reset(struct kvm_vm *vm)
{
	struct kvm_vmport_attr attr = { .type = KVM_VMPORT_ATTR_RESET };

	return vmport_attr(vm, KVM_SET_VMPORT_ATTR, &attr);
}

/* A message that asks, the oldest when @id is 0.  @id and @size: in and out. */
static inline int vmport_read_asked(struct kvm_vm *vm, u64 *id, void *data, u32 *size,
				    u32 *channel)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_RPC,
		.u.rpc = {
			.id = *id,
			.data = (unsigned long)data,
			.size = *size,
			.flags = *id ? 0 : KVM_VMPORT_RPC_NEXT,
		},
	};
	int r = vmport_attr(vm, KVM_GET_VMPORT_ATTR, &attr);

	*id = attr.u.rpc.id;
	*size = attr.u.rpc.size;
	*channel = attr.u.rpc.channel;
	return r;
}

static inline int vmport_answer(struct kvm_vm *vm, u64 id, const void *reply, u32 size)
{
	struct kvm_vmport_attr attr = {
		.type = KVM_VMPORT_ATTR_RPC,
		.u.rpc = {
			.id = id,
			.data = (unsigned long)reply,
			.size = size,
		},
	};

	return vmport_attr(vm, KVM_SET_VMPORT_ATTR, &attr);
}

/*
 * State blobs, and how to make one by hand.
 */
struct vmport_blob {
	u8 *data;
	size_t size;
	size_t room;
};

static __thread u64 vmport_error_offset, vmport_error_mask;

static inline int vmport_get_state(struct kvm_vm *vm, void *data, u64 *size)
{
	struct kvm_vmport_state state = {
		.error = 0x55555555,
		.size = *size,
		.data = (unsigned long)data,
	};
	int r = __vm_ioctl(vm, KVM_GET_VMPORT_STATE, &state);

	TEST_ASSERT(!r || r == -1, "ioctl() returned %d", r);
	vmport_error = state.error;
	*size = state.size;
	return r ? errno : 0;
}

static inline int vmport_set_state(struct kvm_vm *vm, const void *data, u64 size)
{
	struct kvm_vmport_state state = {
		.error = 0x55555555,
		.size = size,
		.data = (unsigned long)data,
		.error_offset = 0x5555555555555555ull,
		.error_mask = 0x5555555555555555ull,
	};
	int r = __vm_ioctl(vm, KVM_SET_VMPORT_STATE, &state);

	TEST_ASSERT(!r || r == -1, "ioctl() returned %d", r);
	TEST_ASSERT_EQ(state.size, size);
	vmport_error = state.error;
	vmport_error_offset = state.error_offset;
	vmport_error_mask = state.error_mask;
	return r ? errno : 0;
}

/* What the VM's state is; free with vmport_blob_free(). */
static inline struct vmport_blob vmport_save(struct kvm_vm *vm)
{
	struct vmport_blob blob = { };
	u64 size = 0;
	int r;

	/* vCPUs may run: the size can have changed at the second call. */
	for (;;) {
		r = vmport_get_state(vm, blob.data, &size);
		if (r != E2BIG)
			break;
		TEST_ASSERT(size > blob.room, "%llu bytes do not fit %zu",
			    (unsigned long long)size, blob.room);
		blob.room = size;
		blob.data = realloc(blob.data, blob.room);
		TEST_ASSERT(blob.data, "No memory");
	}
	TEST_ASSERT(!r, "GET_VMPORT_STATE: errno %d, error %u", r, vmport_error);
	blob.size = size;
	return blob;
}

static inline int vmport_load(struct kvm_vm *vm, const struct vmport_blob *blob)
{
	return vmport_set_state(vm, blob->data, blob->size);
}

static inline void vmport_blob_free(struct vmport_blob *blob)
{
	free(blob->data);
	*blob = (struct vmport_blob) { };
}

static inline bool vmport_blob_equal(const struct vmport_blob *a, const struct vmport_blob *b)
{
	return a->size == b->size && !memcmp(a->data, b->data, a->size);
}

static inline struct vmport_blob vmport_blob_copy(const struct vmport_blob *from)
{
	struct vmport_blob blob = {
		.data = malloc(from->size),
		.size = from->size,
		.room = from->size,
	};

	TEST_ASSERT(blob.data, "No memory");
	memcpy(blob.data, from->data, from->size);
	return blob;
}

/* A copy without the header and the order in which channels were used. */
static inline struct vmport_blob vmport_blob_but_order(const struct vmport_blob *from)
{
	struct vmport_blob blob = vmport_blob_copy(from);
	struct kvm_vmport_blob_section section;
	size_t pos = sizeof(struct kvm_vmport_blob_header), size;

	blob.size = 0;
	for (; pos < from->size; pos += size) {
		memcpy(&section, from->data + pos, sizeof(section));
		size = sizeof(section) + (section.size + 7) / 8 * 8;
		if (section.type == KVM_VMPORT_SECTION_ORDER)
			continue;
		memcpy(blob.data + blob.size, from->data + pos, size);
		blob.size += size;
	}
	return blob;
}

/*
 * The same but for that order: two that were used within a tick of the kernel's are
 * in that of their ids.
 */
static inline bool vmport_state_is_but_order(struct kvm_vm *vm, const struct vmport_blob *blob)
{
	struct vmport_blob now = vmport_save(vm);
	struct vmport_blob a = vmport_blob_but_order(&now), b = vmport_blob_but_order(blob);
	bool same = a.size == b.size && !memcmp(a.data, b.data, a.size);

	vmport_blob_free(&now);
	vmport_blob_free(&a);
	vmport_blob_free(&b);
	return same;
}

static inline u32 vmport_crc32c(u32 crc, const void *data, size_t size)
{
	static u32 table[256];
	const u8 *p = data;
	u32 i, j, entry;

	if (!table[1]) {
		for (i = 0; i < 256; i++) {
			entry = i;
			for (j = 0; j < 8; j++)
				entry = entry >> 1 ^ (entry & 1 ? 0x82f63b78 : 0);
			table[i] = entry;
		}
	}
	while (size--)
		crc = crc >> 8 ^ table[(u8)crc ^ *p++];
	return crc;
}

static inline struct kvm_vmport_blob_header *vmport_blob_header(const struct vmport_blob *blob)
{
	return (struct kvm_vmport_blob_header *)blob->data;
}

/* Make the checksum right. */
static inline void vmport_blob_seal(struct vmport_blob *blob)
{
	struct kvm_vmport_blob_header *header = vmport_blob_header(blob);

	header->checksum = 0;
	header->checksum = ~vmport_crc32c(~0u, blob->data, blob->size);
}

/* Is @blob what the VM's state is?  It may promise less than the VM has. */
static inline bool vmport_state_is(struct kvm_vm *vm, const struct vmport_blob *blob)
{
	struct vmport_blob now = vmport_save(vm), same = vmport_blob_copy(blob);
	bool equal = now.size == same.size;

	if (equal) {
		vmport_blob_header(&same)->features = vmport_blob_header(&now)->features;
		vmport_blob_seal(&same);
		equal = vmport_blob_equal(&now, &same);
	}
	vmport_blob_free(&now);
	vmport_blob_free(&same);
	return equal;
}

/* Returns where the bytes are; @data NULL: zeroes. */
static inline size_t vmport_blob_add(struct vmport_blob *blob, const void *data, size_t size)
{
	size_t pos = blob->size;

	if (blob->room - blob->size < size) {
		blob->room = (blob->size + size) * 2;
		blob->data = realloc(blob->data, blob->room);
		TEST_ASSERT(blob->data, "No memory");
	}
	if (data)
		memcpy(blob->data + pos, data, size);
	else
		memset(blob->data + pos, 0, size);
	blob->size += size;
	return pos;
}

static inline void vmport_blob_pad(struct vmport_blob *blob)
{
	vmport_blob_add(blob, NULL, -blob->size & 7);
}

static inline void vmport_blob_begin(struct vmport_blob *blob)
{
	const struct kvm_vmport_blob_header header = {
		.magic = KVM_VMPORT_BLOB_MAGIC,
		.version = KVM_VMPORT_BLOB_VERSION,
		.header_size = sizeof(header),
		.features = vmport_promised,
	};

	*blob = (struct vmport_blob) { };
	vmport_blob_add(blob, &header, sizeof(header));
}

static inline void vmport_blob_end(struct vmport_blob *blob)
{
	vmport_blob_header(blob)->size = blob->size;
	vmport_blob_seal(blob);
}

static inline size_t vmport_blob_begin_section(struct vmport_blob *blob, u32 type, u32 flags)
{
	const struct kvm_vmport_blob_section section = { .type = type, .flags = flags };

	return vmport_blob_add(blob, &section, sizeof(section));
}

static inline void vmport_blob_end_section(struct vmport_blob *blob, size_t pos)
{
	struct kvm_vmport_blob_section *section = (void *)(blob->data + pos);

	section->size = blob->size - pos - sizeof(*section);
	vmport_blob_pad(blob);
}

/* A channel's section; sizes of the data are those in @channel. */
static inline size_t vmport_blob_add_channel(struct vmport_blob *blob,
					     const struct kvm_vmport_blob_channel *channel,
					     const void *send, const void *recv)
{
	size_t pos = vmport_blob_begin_section(blob, KVM_VMPORT_SECTION_CHANNEL,
					       KVM_VMPORT_SECTION_CRITICAL);

	vmport_blob_add(blob, channel, sizeof(*channel));
	vmport_blob_add(blob, send, channel->send_done);
	vmport_blob_add(blob, recv, channel->recv_size);
	vmport_blob_end_section(blob, pos);
	return pos;
}

static inline size_t vmport_blob_begin_tclo(struct vmport_blob *blob, u64 next_id, u32 count)
{
	const struct kvm_vmport_blob_tclo tclo = { .next_id = next_id, .count = count };
	size_t pos = vmport_blob_begin_section(blob, KVM_VMPORT_SECTION_TCLO,
					       KVM_VMPORT_SECTION_CRITICAL);

	vmport_blob_add(blob, &tclo, sizeof(tclo));
	return pos;
}

static inline size_t vmport_blob_add_request(struct vmport_blob *blob, u64 id, u16 kind,
					     const void *data, u32 size)
{
	const struct kvm_vmport_blob_request request = { .id = id, .size = size, .kind = kind };
	size_t pos = vmport_blob_add(blob, &request, sizeof(request));

	vmport_blob_add(blob, data, size);
	vmport_blob_pad(blob);
	return pos;
}

static inline size_t vmport_blob_begin_guestinfo(struct vmport_blob *blob)
{
	return vmport_blob_begin_section(blob, KVM_VMPORT_SECTION_GUESTINFO,
					 KVM_VMPORT_SECTION_CRITICAL);
}

static inline size_t vmport_blob_add_entry(struct vmport_blob *blob, const char *key,
					   const void *value, u32 value_size, u16 flags)
{
	const struct kvm_vmport_blob_guestinfo entry = {
		.value_size = value_size,
		.key_size = strlen(key),
		.flags = flags,
	};
	size_t pos = vmport_blob_add(blob, &entry, sizeof(entry));

	vmport_blob_add(blob, key, entry.key_size);
	vmport_blob_add(blob, value, value_size);
	vmport_blob_pad(blob);
	return pos;
}

/* What a vCPU has counted, by name, from its binary statistics. */
static inline u64 vmport_counter(struct kvm_vcpu *vcpu, const char *name)
{
	struct kvm_stats_header header;
	struct kvm_stats_desc *descs, *desc;
	int fd = vcpu_get_stats_fd(vcpu);
	bool found = false;
	u64 value = 0;
	u32 i;

	read_stats_header(fd, &header);
	descs = read_stats_descriptors(fd, &header);
	for (i = 0; i < header.num_desc; i++) {
		desc = get_stats_descriptor(descs, i, &header);
		if (strcmp(desc->name, name))
			continue;
		read_stat_data(fd, &header, desc, &value, 1);
		found = true;
	}
	TEST_ASSERT(found, "vCPUs do not count %s", name);
	free(descs);
	close(fd);
	return value;
}

#endif /* SELFTEST_KVM_VMPORT_H */
