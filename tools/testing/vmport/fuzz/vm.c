// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM under a fuzzer: whatever it is asked, what holds for all answers is checked.
 */
#include "input.h"

static void check_answer(const struct vmport_regs *in, const struct vmport_regs *out)
{
	struct vmport_regs failed = *in;

	if ((u16)in->cx != VMPORT_CMD_MESSAGE)
		return;

	failed.cx = 0;
	if (!out->cx) {
		CHECK(!memcmp(out, &failed, sizeof(failed)));
		return;
	}
	CHECK_EQ(out->ax, VMPORT_MAGIC);
	CHECK_EQ((u16)out->cx, 0);
	CHECK(out->dx == in->dx || !(u16)out->dx);
	CHECK((out->cx >> 16 & ~VMPORT_STATUS_HB) == SUCCESS ||
	      (out->cx >> 16 & ~VMPORT_STATUS_HB) == DORECV);
	CHECK(!(out->cx >> 16 & VMPORT_STATUS_HB) ||
	      in->cx >> 16 == SENDSIZE || in->cx >> 16 == RECVSIZE);
}

/* What must not change: all that a migration carries. */
struct snapshot {
	u8 *blob;
	size_t size;
};

static void take(struct vm *vm, struct snapshot *snapshot)
{
	*snapshot = (struct snapshot){ };
	if (fuzz_thorough)
		snapshot->blob = vm_pack(vm, &snapshot->size);
}

static void check_unchanged(struct vm *vm, const struct snapshot *snapshot)
{
	size_t size;
	u8 *blob;

	if (!snapshot->blob)
		return;
	blob = vm_pack(vm, &size);
	CHECK_EQ(size, snapshot->size);
	CHECK(!memcmp(blob, snapshot->blob, size));
	free(blob);
}

static bool is_refused(const struct vmport_regs *in, const struct vmport_regs *out)
{
	return (u16)in->cx == VMPORT_CMD_MESSAGE && !(out->cx >> 16);
}

static enum vmport_result try_atomic(struct vmport_call *call)
{
	unsigned long allocs = shim_allocs();
	enum vmport_result result;

	call->atomic = true;
	fuzz_calls++;
	shim_atomic_begin();
	result = vmport_command(call);
	shim_atomic_end();
	call->atomic = false;
	CHECK_EQ(shim_allocs(), allocs);
	return result;
}

enum vmport_result fuzz_call(struct vm *vm, struct vmport_regs *regs)
{
	struct vmport_call call = {
		.config = &vm->config,
		.state = vm->state,
		.vcpu = vm_vcpu(fuzz_vcpu),
		.is_privileged = fuzz_vcpu & 1,
		.regs = *regs,
	};
	bool ours = vmport_command_is_ours(&call);
	enum vmport_result result;
	struct snapshot before;

	take(vm, &before);
	result = try_atomic(&call);
	if (result == VMPORT_NEEDS_SLEEP) {
		CHECK(!memcmp(&call.regs, regs, sizeof(*regs)));
		check_unchanged(vm, &before);
		fuzz_calls++;
		result = vmport_command(&call);
		CHECK(result != VMPORT_NEEDS_SLEEP);
	}
	shim_check_idle();
	CHECK_EQ(ours, result != VMPORT_NOT_OURS);
	if (result == VMPORT_NOT_OURS)
		CHECK(!memcmp(&call.regs, regs, sizeof(*regs)));
	else
		check_answer(regs, &call.regs);
	if (result == VMPORT_NOT_OURS || is_refused(regs, &call.regs))
		check_unchanged(vm, &before);
	free(before.blob);
	*regs = call.regs;
	return result;
}

static void check_channel(const struct vmport_channel *channel)
{
	CHECK(!channel->busy);
	CHECK(channel->send_size <= KVM_VMPORT_MAX_MESSAGE);
	if (vmport_channel_is_sending(channel)) {
		CHECK(channel->send_done < channel->send_size);
		CHECK(channel->send_size <= channel->send_room);
	}
	if (vmport_channel_is_waiting(channel)) {
		CHECK(vmport_channel_recv_size(channel) <= KVM_VMPORT_MAX_REPLY);
		CHECK(channel->recv_done <= vmport_channel_recv_size(channel));
	}
}

void fuzz_check_limits(struct vm *vm)
{
	const struct kvm_vmport_limits *limits = &vm->config.limits;
	const struct vmport_guestinfo *gi = &vm->state->guestinfo;
	const struct vmport_tclo *tclo = &vm->state->tclo;
	u32 i, taken = 0, open = 0;

	CHECK(gi->count <= (fuzz_lowered ? KVM_VMPORT_MAX_KEYS : limits->keys));
	CHECK(gi->bytes <= (fuzz_lowered ? KVM_VMPORT_MAX_GUESTINFO : limits->guestinfo_bytes));
	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS; i++) {
		const struct vmport_channel *channel = vm->state->channels[i];

		if (!channel || !vmport_channel_is_open(channel))
			continue;
		open++;
		taken += !!channel->request;
		check_channel(channel);
	}
	CHECK(fuzz_lowered || open <= limits->channels);
	CHECK_EQ(taken, tclo->taken);
	CHECK(tclo->queued + tclo->unread + taken <= KVM_VMPORT_MAX_TCLO);
	/* Messages and replies of all channels, requests and results, the store. */
	CHECK(shim_live_bytes() <= KVM_VMPORT_MAX_CHANNELS * (2 * 65536 + 1024) +
	      KVM_VMPORT_MAX_TCLO * (65536 + 64) + KVM_VMPORT_MAX_GUESTINFO +
	      KVM_VMPORT_MAX_KEYS * 128 + 65536);
}

void fuzz_check_migration(struct vm *vm)
{
	size_t size, again;
	u8 *blob, *copy;
	int r;

	fuzz_calls += 5;
	blob = vm_pack(vm, &size);
	/* Under lowered limits too: they stop what is new. */
	r = vm_unpack(vm, blob, size, NULL);
	CHECK_EQ(r, 0);
	copy = vm_pack(vm, &again);
	CHECK_EQ(again, size);
	CHECK(!memcmp(blob, copy, size));
	free(copy);
	free(blob);
}
