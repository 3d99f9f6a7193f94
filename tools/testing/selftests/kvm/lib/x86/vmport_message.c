// SPDX-License-Identifier: GPL-2.0-only
/*
 * MESSAGE: the guest's end of a channel, and whole messages.
 */
#include "vmport.h"

u16 vmport_hb_status;

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
