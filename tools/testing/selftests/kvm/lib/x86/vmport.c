// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs with KVM's VMware guest interface, calls of their guests, and messages.
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

/* Guest: one MESSAGE; was it a success? */
static bool guest_message(u64 *bx, u64 cx, u64 dx, u64 si, u64 di)
{
	u64 ax = VMPORT_MAGIC;

	asm volatile("in %%dx, %%eax"
		     : "+a"(ax), "+b"(*bx), "+c"(cx), "+d"(dx), "+S"(si), "+D"(di) : : "memory");
	return cx & VMPORT_SUCCESS << 16;
}

/* Guest: tell the host how many of the calls are left, in RBX. */
static void guest_end_loop(u64 left)
{
	asm volatile("out %%al, %0" : : "i"(VMPORT_DONE_PORT), "b"(left) : "memory");
	__builtin_unreachable();
}

/*
 * Guest: loops of @left calls with these registers, of which the first that fails is the
 * last.
 */
void vmport_send_loop(const u32 *words, u64 left, u64 cx, u64 dx, u64 si, u64 di)
{
	u64 bx;

	for (; left; left--) {
		bx = *words++;
		if (!guest_message(&bx, cx, dx, si, di))
			break;
	}
	guest_end_loop(left);
}

void vmport_recv_loop(u32 *words, u64 left, u64 cx, u64 dx, u64 si, u64 di)
{
	u64 bx;

	for (; left; left--) {
		bx = VMPORT_SUCCESS;
		if (!guest_message(&bx, cx, dx, si, di))
			break;
		*words++ = bx;
	}
	guest_end_loop(left);
}

/* Nothing is remembered. */
void vmport_open_loop(u64 protocol, u64 left, u64 cx, u64 dx, u64 si, u64 di)
{
	u64 bx;

	for (; left; left--) {
		bx = protocol;
		if (!guest_message(&bx, cx, dx, si, di))
			break;
	}
	guest_end_loop(left);
}

/* The guest's memory that all VMs here have: a stack and a buffer for each vCPU. */
#define GUEST_MEMORY	0x20000000ull
#define STACK_SIZE	4096ull
#define BUFFER_ROOM	(((u64)VMPORT_BUFFER_SIZE + 4095) & ~4095ull)
#define GUEST_MEMORY_SIZE	(VMPORT_MAX_VCPUS * (STACK_SIZE + BUFFER_ROOM))

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

u16 vmport_hb_status;
u64 vmport_promised;

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

struct vmport_regs vmport_msg_regs(const struct vmport_channel *channel, u16 type, u32 bx)
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
static bool vmport_has_result(u16 type, const struct vmport_regs *in,
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
struct vmport_regs vmport_msg(const struct vmport_channel *channel, u16 type, u32 bx)
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

u16 vmport_msg_status(const struct vmport_channel *channel, u16 type, u32 bx)
{
	struct vmport_regs out = vmport_msg(channel, type, bx);

	return vmport_status(&out);
}

/* The status of OPEN; @channel is filled when that is SUCCESS. */
u16 vmport_try_open(struct kvm_vcpu *vcpu, u32 protocol, struct vmport_channel *channel)
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

struct vmport_channel vmport_open(struct kvm_vcpu *vcpu, u32 protocol)
{
	struct vmport_channel channel;

	TEST_ASSERT_EQ(vmport_try_open(vcpu, protocol, &channel), VMPORT_SUCCESS);
	return channel;
}

void vmport_close(const struct vmport_channel *channel)
{
	TEST_ASSERT_EQ(vmport_msg_status(channel, VMPORT_MSG_CLOSE, 0), VMPORT_SUCCESS);
}

/* Channels that were used before count as abandoned then. */
void vmport_abandon_all(void)
{
	usleep(1100000);
}

/* The registers of a loop that makes @count calls: its arguments. */
void vmport_loop_regs(const struct vmport_channel *channel, struct kvm_regs *regs, u16 type,
		      u32 bx, u32 count)
{
	struct vmport_regs in = vmport_msg_regs(channel, type, bx);
	struct kvm_regs call;

	vmport_set_regs(channel->vcpu, &call, &in);
	*regs = (struct kvm_regs) {
		.rdi = type == VMPORT_MSG_OPEN ? bx : vmport_buffer(channel->vcpu->id),
		.rsi = count,
		.rdx = call.rcx,
		.rcx = call.rdx,
		.r8 = call.rsi,
		.r9 = call.rdi,
		/* As behind a CALL. */
		.rsp = call.rsp - 8,
	};
}

/* Move words between the guest's buffer and the channel.  Returns words left. */
u64 vmport_loop(const struct vmport_channel *channel, const void *rip, u16 type, u32 words)
{
	struct kvm_regs regs;

	if (!words)
		return 0;

	vmport_loop_regs(channel, &regs, type, 0, words);
	vmport_run_done(channel->vcpu, rip, &regs);
	return regs.rbx;
}

u8 *vmport_host_buffer(const struct vmport_channel *channel)
{
	return addr_gva2hva(channel->vcpu->vm, vmport_buffer(channel->vcpu->id));
}

/* SENDPAYLOAD of all @size bytes. */
void vmport_send_payload(const struct vmport_channel *channel, const void *data, u32 size)
{
	u8 *buffer = vmport_host_buffer(channel);

	memcpy(buffer, data, size);
	/* Bytes past the message's end must not count. */
	memset(buffer + size, 0xee, 8);
	TEST_ASSERT_EQ(vmport_loop(channel, vmport_send_loop, VMPORT_MSG_SENDPAYLOAD,
				   (size + 3) / 4), 0);
}

/* A whole message to the host. */
void vmport_send(const struct vmport_channel *channel, const void *data, u32 size)
{
	TEST_ASSERT_EQ(vmport_msg_status(channel, VMPORT_MSG_SENDSIZE, size),
		       VMPORT_SUCCESS | (size ? vmport_hb_status : 0));
	vmport_send_payload(channel, data, size);
}

/*
 * Registers of a message at @addr by one instruction.  @dx: the port, or a
 * hypercall's flags.
 */
struct kvm_regs vmport_hb_regs(const struct vmport_channel *channel, u16 dx, bool in, u64 addr,
			       u64 count)
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
int vmport_poll(const struct vmport_channel *channel)
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
void vmport_recv_payload(const struct vmport_channel *channel, void *data, u32 size)
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
int vmport_recv(const struct vmport_channel *channel, void *data, u32 room)
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
int vmport_rpc(const struct vmport_channel *channel, const void *request, u32 size, void *reply,
	       u32 room)
{
	int n;

	vmport_send(channel, request, size);
	n = vmport_recv(channel, reply, room);
	TEST_ASSERT(n >= 0, "No reply waits after the last byte of the request");
	return n;
}

/* The same with strings; the reply is only good until the next call. */
const char *vmport_rpc_text(const struct vmport_channel *channel, const char *request)
{
	static __thread char reply[KVM_VMPORT_MAX_REPLY + 1];
	int size = vmport_rpc(channel, request, strlen(request), reply, sizeof(reply) - 1);

	TEST_ASSERT(!memchr(reply, 0, size), "A NUL in the reply to '%s'", request);
	reply[size] = '\0';
	return reply;
}
