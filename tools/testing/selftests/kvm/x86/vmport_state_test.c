// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_VMPORT_STATE and KVM_SET_VMPORT_STATE: a conversation that moves to
 * another VM at any point goes on as if nothing had happened, and no blob,
 * however wrong, does anything but fail.
 */
#include <pthread.h>

#include "vmport_test.h"

/*
 * A conversation on three channels with the VMM's part in it.  Each step's
 * registers are recorded; where it runs must not show in them.
 */
enum step_kind {
	STEP_CALL,
	STEP_TCLO_SEND,		/* the VMM queues a request */
	STEP_TCLO_RESULT,	/* the VMM takes a result */
	STEP_SET,		/* the VMM sets guestinfo.host to the step's number */
};

struct step {
	enum step_kind kind;
	u8 channel;
	u16 type;
	u32 bx;
};

#define CALL(_channel, _type, _bx)	{ STEP_CALL, _channel, VMPORT_MSG_##_type, _bx }
#define TEXT(_a, _b, _c, _d)		((u32)(_d) << 24 | (_c) << 16 | (_b) << 8 | (_a))

/* The first two channels have cookies, which are random: both open at once. */
static const struct step steps[] = {
	CALL(0, OPEN, VMPORT_RPCI | VMPORT_COOKIE),
	CALL(1, OPEN, VMPORT_TCLO | VMPORT_COOKIE),
#define FIRST_MOVE	2
	CALL(0, SENDSIZE, 23),
	CALL(0, SENDPAYLOAD, TEXT('i', 'n', 'f', 'o')),
	CALL(1, RECVSIZE, 0),
	CALL(0, SENDPAYLOAD, TEXT('-', 's', 'e', 't')),
	CALL(1, RECVPAYLOAD, 1),
	CALL(0, SENDPAYLOAD, TEXT(' ', 'g', 'u', 'e')),
	CALL(1, RECVPAYLOAD, 1),
	CALL(0, SENDPAYLOAD, TEXT('s', 't', 'i', 'n')),
	{ STEP_TCLO_SEND },
	CALL(0, SENDPAYLOAD, TEXT('f', 'o', '.', 'k')),
	CALL(1, RECVSTATUS, 1),
	CALL(0, SENDPAYLOAD, TEXT(' ', 'v', 'a', 0xee)),	/* 23 bytes: all there */
	CALL(0, RECVSIZE, 0),
	CALL(0, RECVPAYLOAD, 1),
	CALL(2, OPEN, VMPORT_RPCI),
	CALL(0, RECVSTATUS, 1),
	CALL(1, SENDSIZE, 14),
	CALL(1, SENDPAYLOAD, TEXT('O', 'K', ' ', 'A')),		/* to the reset */
	CALL(1, SENDPAYLOAD, TEXT('T', 'R', ' ', 't')),
	CALL(1, SENDPAYLOAD, TEXT('o', 'o', 'l', 'b')),
	CALL(1, SENDPAYLOAD, TEXT('o', 'x', 0, 0)),
	{ STEP_TCLO_RESULT },
	CALL(1, RECVSIZE, 0),
	CALL(2, SENDSIZE, 20),
	CALL(2, SENDPAYLOAD, TEXT('i', 'n', 'f', 'o')),
	CALL(2, SENDPAYLOAD, TEXT('-', 'g', 'e', 't')),
	CALL(1, RECVPAYLOAD, 1),
	{ STEP_SET },
	CALL(2, SENDSIZE, 20),					/* from the start */
	CALL(2, SENDPAYLOAD, TEXT('i', 'n', 'f', 'o')),
	CALL(2, SENDPAYLOAD, TEXT('-', 'g', 'e', 't')),
	CALL(2, SENDPAYLOAD, TEXT(' ', 'g', 'u', 'e')),
	CALL(2, SENDPAYLOAD, TEXT('s', 't', 'i', 'n')),
	CALL(1, RECVPAYLOAD, 0),				/* given up */
	CALL(1, RECVPAYLOAD, 1),
	CALL(2, SENDPAYLOAD, TEXT('f', 'o', '.', 'k')),
	CALL(2, RECVSIZE, 0),
	CALL(2, RECVPAYLOAD, 1),
	CALL(2, RECVSIZE, 0),					/* read again */
	CALL(2, RECVPAYLOAD, 1),
	CALL(2, RECVPAYLOAD, 1),				/* past the end */
	CALL(1, RECVSTATUS, 1),
	{ STEP_TCLO_SEND },
	CALL(1, RECVSIZE, 0),					/* one runs: nothing */
	CALL(1, SENDSIZE, 5),
	CALL(1, SENDPAYLOAD, TEXT('O', 'K', ' ', 'x')),
	CALL(2, RECVSTATUS, 0),
	CALL(1, SENDPAYLOAD, TEXT('y', 0xff, 0, 0)),		/* the answer */
	CALL(1, RECVSIZE, 0),
	{ STEP_TCLO_RESULT },
	CALL(1, CLOSE, 0),					/* the second is lost */
	{ STEP_TCLO_RESULT },
	{ STEP_TCLO_SEND },
	CALL(0, SENDSIZE, 0),
	CALL(0, RECVSIZE, 0),
	CALL(2, CLOSE, 0),
	CALL(0, RECVPAYLOAD, 1),
	CALL(2, OPEN, VMPORT_TCLO),
	CALL(2, RECVSIZE, 0),
	CALL(2, RECVSTATUS, 1),
	CALL(2, SENDSIZE, 11),
	CALL(2, SENDPAYLOAD, TEXT('O', 'K', ' ', 'A')),
	CALL(2, SENDPAYLOAD, TEXT('T', 'R', ' ', 'o')),
	CALL(2, SENDPAYLOAD, TEXT('t', 'h', 'r', 0)),		/* another daemon */
	CALL(2, RECVSIZE, 0),					/* and not its request */
	CALL(2, CLOSE, 0),
	CALL(2, OPEN, VMPORT_TCLO),
	CALL(2, RECVSIZE, 0),
	CALL(2, RECVSTATUS, 1),
	CALL(2, SENDSIZE, 14),
	CALL(2, SENDPAYLOAD, TEXT('O', 'K', ' ', 'A')),
	CALL(2, SENDPAYLOAD, TEXT('T', 'R', ' ', 't')),
	CALL(2, SENDPAYLOAD, TEXT('o', 'o', 'l', 'b')),
	CALL(2, SENDPAYLOAD, TEXT('o', 'x', 0, 0)),
	CALL(2, RECVSIZE, 0),					/* the third request */
	CALL(0, CLOSE, 0),
};

#define NR_STEPS	ARRAY_SIZE(steps)
#define NR_CHANNELS	3

struct conversation {
	struct vmport_channel channels[NR_CHANNELS];
};

/* What came of a step: the registers, or what an ioctl said. */
struct vmport_seen {
	struct vmport_regs regs;
	int r;
	u64 id;
	u32 status;
	u32 size;
	u8 data[32];
};

static struct vmport_seen run_step(struct kvm_vcpu *vcpu, struct conversation *c, unsigned int nr)
{
	const struct step *step = &steps[nr];
	struct vmport_seen seen = { };
	struct vmport_channel *channel = &c->channels[step->channel];
	char text[32];

	snprintf(text, sizeof(text), "request %u", nr);
	switch (step->kind) {
	case STEP_CALL:
		channel->vcpu = vcpu;
		if (step->type == VMPORT_MSG_OPEN) {
			*channel = vmport_open(vcpu, step->bx);
			break;
		}
		seen.regs = vmport_msg(channel, step->type, step->bx);
		TEST_ASSERT(vmport_status(&seen.regs) & VMPORT_SUCCESS, "Step %u fails", nr);
		break;
	case STEP_TCLO_SEND:
		seen.r = vmport_tclo_send(vcpu->vm, text, strlen(text), &seen.id);
		break;
	case STEP_TCLO_RESULT:
		seen.size = sizeof(seen.data);
		seen.r = vmport_tclo_result(vcpu->vm, seen.data, &seen.size, &seen.id,
					    &seen.status);
		break;
	case STEP_SET:
		seen.r = vmport_set_text(vcpu->vm, "guestinfo.host", text);
		break;
	}
	return seen;
}

/* Load the blob of every point into a new VM and let the guest go on there. */
TEST(move_at_every_point_of_a_conversation)
{
	struct conversation c = { }, channels_at[NR_STEPS];
	struct vmport_blob blobs[NR_STEPS];
	struct vmport_seen seen[NR_STEPS];
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vmport_vm_create(VMPORT_RPC, 1, &vcpu);
	struct vmport_seen moved;
	unsigned int i, j;

	/* The run that never moves; the blob is the state before the step. */
	for (i = 0; i < NR_STEPS; i++) {
		blobs[i] = vmport_save(vm);
		channels_at[i] = c;
		seen[i] = run_step(vcpu, &c, i);
	}

	for (i = FIRST_MOVE; i < NR_STEPS; i++) {
		/* The one that has been there knows more numbers than those of the blob. */
		kvm_vm_free(vm);
		vm = vmport_vm_create(VMPORT_RPC, 1, &vcpu);
		c = channels_at[i];
		ASSERT_EQ(vmport_load(vm, &blobs[i]), 0)
			TH_LOG("step %u: error %u at %llu", i, vmport_error,
			       (unsigned long long)vmport_error_offset);
		ASSERT_TRUE(vmport_state_is(vm, &blobs[i]));
		for (j = i; j < NR_STEPS; j++) {
			moved = run_step(vcpu, &c, j);
			ASSERT_EQ(memcmp(&moved, &seen[j], sizeof(moved)), 0)
				TH_LOG("moved before step %u, step %u differs", i, j);
			if (j + 1 == NR_STEPS)
				break;
			ASSERT_TRUE(vmport_state_is_but_order(vm, &blobs[j + 1]))
				TH_LOG("moved before step %u, state after %u", i, j);
		}
	}
	for (i = 0; i < NR_STEPS; i++)
		vmport_blob_free(&blobs[i]);
	kvm_vm_free(vm);
}

/* The same with a VM of its own at every step, as in a real migration. */
TEST(move_to_a_fresh_vm_at_every_step)
{
	struct conversation c = { }, still = { };
	struct kvm_vcpu *vcpu, *next_vcpu, *still_vcpu;
	struct kvm_vm *vm = vmport_vm_create(VMPORT_RPC, 1, &vcpu), *next;
	struct kvm_vm *still_vm = vmport_vm_create(VMPORT_RPC, 1, &still_vcpu);
	struct vmport_blob blob;
	struct vmport_seen a, b;
	unsigned int i;

	for (i = 0; i < NR_STEPS; i++) {
		a = run_step(vcpu, &c, i);
		b = run_step(still_vcpu, &still, i);
		/* Cookies aside, which are random. */
		a.regs.si = b.regs.si;
		a.regs.di = b.regs.di;
		ASSERT_EQ(memcmp(&a, &b, sizeof(a)), 0)
			TH_LOG("step %u differs", i);

		blob = vmport_save(vm);
		next = vmport_vm_create(VMPORT_RPC, 1, &next_vcpu);
		ASSERT_EQ(vmport_load(next, &blob), 0);
		ASSERT_TRUE(vmport_state_is(next, &blob));
		vmport_blob_free(&blob);
		kvm_vm_free(vm);
		vm = next;
		vcpu = next_vcpu;
	}
	kvm_vm_free(vm);
	kvm_vm_free(still_vm);
}

/*
 * One of everything, a few hundred bytes: half-sent messages, replies half
 * read, requests given, running, queued and answered, entries.
 */
static const u8 recv_text[] = "1 a reply";

struct offsets {
	size_t rpci;		/* section of channel 0 */
	size_t rpci2;		/* 3: a reply half read */
	size_t tclo_given;	/* 5 */
	size_t tclo_run;	/* 127 */
	size_t tclo;		/* section of requests */
	size_t answered;
	size_t lost;
	size_t queued;
	size_t guestinfo;	/* section of entries */
	size_t entry;
	size_t entry2;
};

static struct vmport_blob build_blob(struct offsets *o)
{
	struct vmport_blob blob;
	struct offsets unused;

	o = o ?: &unused;
	vmport_blob_begin(&blob);
	o->rpci = vmport_blob_add_channel(&blob, &(struct kvm_vmport_blob_channel) {
			.id = 0,
			.flags = KVM_VMPORT_CHANNEL_COOKIE | KVM_VMPORT_CHANNEL_SEND,
			.protocol = VMPORT_RPCI,
			.cookie_high = 0x12345678,
			.cookie_low = 0x9abcdef0,
			.send_size = 20,
			.send_done = 9,
		}, "info-get ", NULL);
	o->rpci2 = vmport_blob_add_channel(&blob, &(struct kvm_vmport_blob_channel) {
			.id = 3,
			.flags = KVM_VMPORT_CHANNEL_RECV,
			.protocol = VMPORT_RPCI,
			.recv_size = 9,
			.recv_done = 4,
		}, NULL, recv_text);
	o->tclo_given = vmport_blob_add_channel(&blob, &(struct kvm_vmport_blob_channel) {
			.id = 5,
			.flags = KVM_VMPORT_CHANNEL_COOKIE | KVM_VMPORT_CHANNEL_RECV |
				 KVM_VMPORT_CHANNEL_SEND,
			.protocol = VMPORT_TCLO,
			.cookie_high = 1,
			.cookie_low = 2,
			.send_size = 3,
			.send_done = 0,
			.recv_size = 4,
			.recv_done = 4,
			.request = 4,
		}, NULL, "ping");
	o->tclo_run = vmport_blob_add_channel(&blob, &(struct kvm_vmport_blob_channel) {
			.id = 127,
			.flags = KVM_VMPORT_CHANNEL_RUN | KVM_VMPORT_CHANNEL_SEND,
			.protocol = VMPORT_TCLO,
			.send_size = 8,
			.send_done = 4,
			.request = 3,
		}, "OK a", NULL);
	o->tclo = vmport_blob_begin_tclo(&blob, 7, 4);
	o->answered = vmport_blob_add_request(&blob, 2, KVM_VMPORT_REQUEST_ANSWERED, "OK ", 3);
	o->lost = vmport_blob_add_request(&blob, 1, KVM_VMPORT_REQUEST_LOST, NULL, 0);
	o->queued = vmport_blob_add_request(&blob, 5, KVM_VMPORT_REQUEST_QUEUED, "OS_Halt", 7);
	vmport_blob_add_request(&blob, 6, KVM_VMPORT_REQUEST_QUEUED, "x", 1);
	vmport_blob_end_section(&blob, o->tclo);
	o->guestinfo = vmport_blob_begin_guestinfo(&blob);
	o->entry = vmport_blob_add_entry(&blob, "guestinfo.a", "value", 5, 0);
	o->entry2 = vmport_blob_add_entry(&blob, "guestinfo.b", NULL, 0,
					  KVM_VMPORT_GUESTINFO_READONLY);
	vmport_blob_add_entry(&blob, "machine.id", "m", 1, 0);
	vmport_blob_end_section(&blob, o->guestinfo);
	vmport_blob_end(&blob);
	return blob;
}

/*
 * build_blob() as the first version wrote it.  These bytes load for ever: never
 * change them, add a new array with a new version.
 */
static const u8 golden_v1[] = {
	0x56, 0x4d, 0x50, 0x53, 0x01, 0x00, 0x20, 0x00, 0x00, 0x02, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x27, 0x45, 0x02, 0xea, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
	0x01, 0x00, 0x00, 0x00, 0x31, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x03, 0x00, 0x52, 0x50, 0x43, 0x49, 0x78, 0x56, 0x34, 0x12,
	0xf0, 0xde, 0xbc, 0x9a, 0x14, 0x00, 0x00, 0x00, 0x09, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x69, 0x6e, 0x66, 0x6f, 0x2d, 0x67, 0x65, 0x74,
	0x20, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
	0x01, 0x00, 0x00, 0x00, 0x31, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x03, 0x00, 0x04, 0x00, 0x52, 0x50, 0x43, 0x49, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x09, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x31, 0x20, 0x61, 0x20, 0x72, 0x65, 0x70, 0x6c,
	0x79, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
	0x01, 0x00, 0x00, 0x00, 0x2c, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x05, 0x00, 0x07, 0x00, 0x54, 0x43, 0x4c, 0x4f, 0x01, 0x00, 0x00, 0x00,
	0x02, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x04, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x70, 0x69, 0x6e, 0x67, 0x00, 0x00, 0x00, 0x00,
	0x01, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x2c, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x7f, 0x00, 0x0a, 0x00, 0x54, 0x43, 0x4c, 0x4f,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00,
	0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x4f, 0x4b, 0x20, 0x61,
	0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
	0x68, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x4f, 0x4b, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x01, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x07, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x4f, 0x53, 0x5f, 0x48,
	0x61, 0x6c, 0x74, 0x00, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x01, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x78, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
	0x48, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00,
	0x0b, 0x00, 0x00, 0x00, 0x67, 0x75, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x66,
	0x6f, 0x2e, 0x61, 0x76, 0x61, 0x6c, 0x75, 0x65, 0x00, 0x00, 0x00, 0x00,
	0x0b, 0x00, 0x01, 0x00, 0x67, 0x75, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x66,
	0x6f, 0x2e, 0x62, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
	0x0a, 0x00, 0x00, 0x00, 0x6d, 0x61, 0x63, 0x68, 0x69, 0x6e, 0x65, 0x2e,
	0x69, 0x64, 0x6d, 0x00, 0x00, 0x00, 0x00, 0x00,
};

FIXTURE(state) {
	struct kvm_vm *vm;
	struct vmport_blob old;		/* what is in the VM */
};

FIXTURE_SETUP(state)
{
	/* All that a section needs: a change of its type must not end at that. */
	self->vm = vmport_vm_create_barebones(VMPORT_RPC | KVM_VMPORT_FEATURE_STEALCLOCK);
	ASSERT_EQ(vmport_set_text(self->vm, "guestinfo.old", "old"), 0);
	ASSERT_EQ(vmport_tclo_send(self->vm, "old", 3, NULL), 0);
	self->old = vmport_save(self->vm);
}

FIXTURE_TEARDOWN(state)
{
	vmport_blob_free(&self->old);
	kvm_vm_free(self->vm);
}

/* Refused, and the offset lies in the @_size bytes at @_start. */
#define EXPECT_REFUSED_AT(_blob, _errno, _error, _start, _size)				\
do {											\
	const size_t __start = (_start);						\
											\
	EXPECT_REFUSED(_blob, _errno, _error);						\
	EXPECT_GE(vmport_error_offset, __start);					\
	EXPECT_LT(vmport_error_offset, __start + (_size));				\
} while (0)

TEST_F(state, empty_is_the_header)
{
	struct kvm_vm *vm = vmport_vm_create_barebones(VMPORT_RPC);
	struct vmport_blob empty = vmport_save(vm), built;

	vmport_blob_begin(&built);
	vmport_blob_end(&built);
	EXPECT_TRUE(vmport_blob_equal(&empty, &built));
	EXPECT_EQ(vmport_load(self->vm, &empty), 0);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_NONE);
	EXPECT_TRUE(vmport_state_is(self->vm, &empty));
	EXPECT_EQ(vmport_get_text(self->vm, "guestinfo.old"), NULL);
	vmport_blob_free(&empty);
	vmport_blob_free(&built);
	kvm_vm_free(vm);
}

TEST_F(state, get_set_get_same_bytes_same_vm)
{
	struct vmport_blob blob = build_blob(NULL);

	ASSERT_EQ(vmport_load(self->vm, &blob), 0)
		TH_LOG("error %u at %llu", vmport_error, (unsigned long long)vmport_error_offset);
	EXPECT_TRUE(vmport_state_is(self->vm, &blob));
	EXPECT_EQ(vmport_load(self->vm, &blob), 0);
	EXPECT_TRUE(vmport_state_is(self->vm, &blob));
	/* GET changes nothing. */
	EXPECT_TRUE(vmport_state_is(self->vm, &blob));
	EXPECT_EQ(vmport_load(self->vm, &self->old), 0);
	EXPECT_TRUE(vmport_state_is(self->vm, &self->old));
	vmport_blob_free(&blob);
}

TEST_F(state, get_set_get_same_bytes_fresh_vm)
{
	struct kvm_vm *vm = vmport_vm_create_barebones(VMPORT_RPC);
	struct vmport_blob blob = build_blob(NULL);

	EXPECT_EQ(vmport_load(vm, &blob), 0);
	EXPECT_TRUE(vmport_state_is(vm, &blob));
	EXPECT_TRUE(vmport_state_is(self->vm, &self->old));
	vmport_blob_free(&blob);
	kvm_vm_free(vm);
}

TEST_F(state, golden_blob_of_version_1)
{
	const struct vmport_blob golden = { .data = (u8 *)golden_v1, .size = sizeof(golden_v1) };

	ASSERT_EQ(vmport_load(self->vm, &golden), 0)
		TH_LOG("error %u at %llu", vmport_error, (unsigned long long)vmport_error_offset);
	EXPECT_TRUE(vmport_state_is(self->vm, &golden));
	EXPECT_STREQ(vmport_get_text(self->vm, "guestinfo.a"), "value");
	EXPECT_STREQ(vmport_get_text(self->vm, "machine.id"), "m");
}

/* The builder of these tests and the golden bytes are of one mind. */
TEST_F(state, golden_blob_is_what_the_tests_build)
{
	const struct vmport_blob golden = { .data = (u8 *)golden_v1, .size = sizeof(golden_v1) };
	struct vmport_blob blob = build_blob(NULL);

	/* It was written when blobs did not say what was promised. */
	vmport_blob_header(&blob)->features = 0;
	vmport_blob_seal(&blob);
	EXPECT_TRUE(vmport_blob_equal(&golden, &blob));
	vmport_blob_free(&blob);
}

TEST(golden_blob_goes_on_in_the_guest)
{
	const struct vmport_blob golden = { .data = (u8 *)golden_v1, .size = sizeof(golden_v1) };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vmport_vm_create(VMPORT_RPC, 1, &vcpu);
	struct vmport_channel rpci = { vcpu, 0, 0x12345678, 0x9abcdef0 };
	struct vmport_channel rpci2 = { vcpu, 3, 0, 0 };
	struct vmport_channel given = { vcpu, 5, 1, 2 };
	struct vmport_channel running = { vcpu, 127, 0, 0 };
	static const struct {
		u64 id;
		u32 status;
		const char *text;
	} results[] = {
		{ 2, KVM_VMPORT_TCLO_ANSWERED, "OK " },
		{ 1, KVM_VMPORT_TCLO_LOST, "" },
		{ 3, KVM_VMPORT_TCLO_ANSWERED, "OK a res" },
		{ 4, KVM_VMPORT_TCLO_ANSWERED, "OK" },
	};
	u32 size, status, i;
	char data[32];
	u64 id;

	ASSERT_EQ(vmport_load(vm, &golden), 0);

	/* The message half sent, at an odd byte: "info-get " and the rest. */
	vmport_send_payload(&rpci, "guestinfo.a", 11);
	EXPECT_EQ(vmport_recv(&rpci, data, sizeof(data)), 7);
	EXPECT_EQ(memcmp(data, "1 value", 7), 0);

	/* The reply half read. */
	vmport_recv_payload(&rpci2, data, 5);
	EXPECT_EQ(memcmp(data, "reply", 5), 0);

	/* The answer half given. */
	vmport_send_payload(&running, " res", 4);
	/* The request given, to be read again and answered. */
	EXPECT_EQ(vmport_recv(&given, data, sizeof(data)), 4);
	EXPECT_EQ(memcmp(data, "ping", 4), 0);
	vmport_send(&given, "OK", 2);

	for (i = 0; i < ARRAY_SIZE(results); i++) {
		size = sizeof(data);
		EXPECT_EQ(vmport_tclo_result(vm, data, &size, &id, &status), 0);
		EXPECT_EQ(id, results[i].id);
		EXPECT_EQ(status, results[i].status);
		EXPECT_EQ(size, strlen(results[i].text));
		EXPECT_EQ(memcmp(data, results[i].text, size), 0);
	}

	/* What waits, in order, and the number that comes next. */
	EXPECT_EQ(vmport_recv(&running, data, sizeof(data)), 7);
	EXPECT_EQ(memcmp(data, "OS_Halt", 7), 0);
	EXPECT_EQ(vmport_recv(&given, data, sizeof(data)), 1);
	EXPECT_EQ(data[0], 'x');
	EXPECT_EQ(vmport_tclo_send(vm, "next", 4, &id), 0);
	EXPECT_EQ(id, 7);

	EXPECT_STREQ(vmport_rpc_text(&rpci, "info-set guestinfo.b x"), "0 Permission denied");
	EXPECT_STREQ(vmport_rpc_text(&rpci, "machine.id.get"), "1 m");
	EXPECT_EQ(vmport_open(vcpu, VMPORT_RPCI).id, 1);
	kvm_vm_free(vm);
}

TEST_F(state, small_buffer_of_every_size)
{
	struct vmport_blob blob = build_blob(NULL);
	u8 *buffer = malloc(blob.size + 64);
	u64 size, i, j;

	ASSERT_EQ(vmport_load(self->vm, &blob), 0);
	for (i = 0; i < blob.size; i++) {
		memset(buffer, 0xa5, blob.size + 64);
		size = i;
		ASSERT_EQ(vmport_get_state(self->vm, buffer, &size), E2BIG);
		ASSERT_EQ(vmport_error, KVM_VMPORT_ERR_BUFFER);
		ASSERT_EQ(size, blob.size);
		for (j = 0; j < blob.size + 64; j++)
			ASSERT_EQ(buffer[j], 0xa5);
	}
	size = 0;
	EXPECT_EQ(vmport_get_state(self->vm, NULL, &size), E2BIG);
	EXPECT_EQ(size, blob.size);

	/* More than enough: only the blob is written. */
	size = blob.size + 64;
	EXPECT_EQ(vmport_get_state(self->vm, buffer, &size), 0);
	EXPECT_EQ(size, blob.size);
	EXPECT_EQ(memcmp(buffer, blob.data, blob.size), 0);
	for (j = blob.size; j < blob.size + 64; j++)
		EXPECT_EQ(buffer[j], 0xa5);
	free(buffer);
	vmport_blob_free(&blob);
}

TEST_F(state, every_truncation_refused)
{
	struct vmport_blob blob = build_blob(NULL), cut;
	size_t size;

	for (size = 0; size < blob.size; size++) {
		cut = vmport_blob_copy(&blob);
		cut.size = size;
		EXPECT_REFUSED(&cut, EINVAL, KVM_VMPORT_ERR_LENGTH);
		vmport_blob_free(&cut);
	}
	vmport_blob_free(&blob);
}

TEST_F(state, every_truncation_with_a_new_header)
{
	struct vmport_blob blob = build_blob(NULL), cut;
	size_t size;

	for (size = sizeof(struct kvm_vmport_blob_header); size < blob.size; size++) {
		cut = vmport_blob_copy(&blob);
		cut.size = size;
		vmport_blob_end(&cut);
		vmport_load_or_refuse(self->vm, &cut, &self->old, "cut at", size);
		vmport_blob_free(&cut);
	}
	vmport_blob_free(&blob);
}

TEST_F(state, every_extension_refused)
{
	struct vmport_blob blob, copy;
	int i;

	for (i = 1; i < 32; i++) {
		blob = build_blob(NULL);
		copy = vmport_blob_copy(&blob);
		vmport_blob_add(&copy, NULL, i);
		EXPECT_REFUSED(&copy, EINVAL, KVM_VMPORT_ERR_LENGTH);
		/* In the header too: no section, or one of type 0 behind the others. */
		vmport_blob_end(&copy);
		EXPECT_REFUSED(&copy, EINVAL, i < 16 ? KVM_VMPORT_ERR_SECTION :
			       KVM_VMPORT_ERR_ORDER);
		vmport_blob_free(&copy);
		vmport_blob_free(&blob);
	}
}

static const u8 mutations[] = { 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff, 0x7f };

TEST_F(state, every_byte_changed_checksum_stale)
{
	struct vmport_blob blob = build_blob(NULL);
	size_t pos;
	int i;

	for (pos = 0; pos < blob.size; pos++) {
		for (i = 0; i < ARRAY_SIZE(mutations); i++) {
			blob.data[pos] ^= mutations[i];
			ASSERT_NE(vmport_load_or_refuse(self->vm, &blob, &self->old, "byte", pos),
				  0)
				TH_LOG("byte %zu", pos);
			blob.data[pos] ^= mutations[i];
		}
	}
	ASSERT_EQ(vmport_load(self->vm, &blob), 0);
	vmport_blob_free(&blob);
}

TEST_F(state, every_byte_changed_checksum_right)
{
	struct vmport_blob blob = build_blob(NULL);
	unsigned int taken = 0;
	size_t pos;
	int i;

	for (pos = 0; pos < blob.size; pos++) {
		/* The checksum itself would be made right again. */
		if (pos >= 16 && pos < 20)
			continue;
		for (i = 0; i < ARRAY_SIZE(mutations); i++) {
			blob.data[pos] ^= mutations[i];
			vmport_blob_seal(&blob);
			taken += !vmport_load_or_refuse(self->vm, &blob, &self->old, "byte", pos);
			blob.data[pos] ^= mutations[i];
		}
	}
	/* Cookies, keys and values are free: not everything can be refused. */
	EXPECT_GT(taken, 100);
	vmport_blob_free(&blob);
}

TEST_F(state, every_word_replaced_by_extremes)
{
	static const u32 words[] = { 0, 1, 0x7f, 0x80, 0x7fffffff, 0x80000000, 0xffffffff,
				     65536, 65537, 0xfffffff8 };
	struct vmport_blob blob = build_blob(NULL), copy;
	size_t pos;
	int i;

	for (pos = 0; pos + 4 <= blob.size; pos += 4) {
		if (pos == 16)
			continue;
		for (i = 0; i < ARRAY_SIZE(words); i++) {
			copy = vmport_blob_copy(&blob);
			memcpy(copy.data + pos, &words[i], 4);
			vmport_blob_seal(&copy);
			vmport_load_or_refuse(self->vm, &copy, &self->old, "word at", pos);
			vmport_blob_free(&copy);
		}
	}
	vmport_blob_free(&blob);
}

/*
 * A good blob with the field of @bytes bytes at @field in the record of @size
 * bytes at @pos changed to @value and the checksum right: refused, for this record.
 */
static void expect_field(struct __test_metadata *_metadata, struct _test_data_state *self, int line,
			 size_t pos, size_t size, size_t field, size_t bytes, u64 value,
			 int expected, u32 error)
{
	struct vmport_blob blob = build_blob(NULL);

	memcpy(blob.data + pos + field, &value, bytes);
	vmport_blob_seal(&blob);
	EXPECT_EQ(vmport_load(self->vm, &blob), expected)
		TH_LOG("line %d", line);
	EXPECT_EQ(vmport_error, error)
		TH_LOG("line %d", line);
	EXPECT_TRUE(vmport_error_offset >= pos && vmport_error_offset < pos + size)
		TH_LOG("line %d: error at %llu, the record is at %zu", line,
		       (unsigned long long)vmport_error_offset, pos);
	EXPECT_TRUE(vmport_state_is(self->vm, &self->old))
		TH_LOG("line %d", line);
	vmport_blob_free(&blob);
}

#define SECTION		sizeof(struct kvm_vmport_blob_section)
#define UNKNOWN_SECTION	0x1000

TEST_F(state, header_errors)
{
	struct vmport_blob blob = build_blob(NULL);

#define EXPECT_HEADER(_field, _bytes, _value, _errno, _error)	\
	expect_field(_metadata, self, __LINE__, 0,			\
		     sizeof(struct kvm_vmport_blob_header),			\
		     offsetof(struct kvm_vmport_blob_header, _field),		\
		     _bytes, _value, _errno, _error)

	EXPECT_HEADER(magic, 4, 0x53504d57, EINVAL, KVM_VMPORT_ERR_MAGIC);
	EXPECT_HEADER(magic, 4, 0, EINVAL, KVM_VMPORT_ERR_MAGIC);
	EXPECT_HEADER(version, 2, 2, EOPNOTSUPP, KVM_VMPORT_ERR_VERSION);
	EXPECT_EQ(vmport_error_offset, 4);
	EXPECT_HEADER(version, 2, 0xffff, EOPNOTSUPP, KVM_VMPORT_ERR_VERSION);
	EXPECT_HEADER(version, 2, 0, EINVAL, KVM_VMPORT_ERR_VERSION);
	EXPECT_HEADER(header_size, 2, 24, EINVAL, KVM_VMPORT_ERR_LENGTH);
	EXPECT_HEADER(header_size, 2, 40, EINVAL, KVM_VMPORT_ERR_LENGTH);
	EXPECT_HEADER(size, 8, 0, EINVAL, KVM_VMPORT_ERR_LENGTH);
	EXPECT_HEADER(size, 8, blob.size - 8, EINVAL, KVM_VMPORT_ERR_LENGTH);
	EXPECT_HEADER(size, 8, blob.size + 8, EINVAL, KVM_VMPORT_ERR_LENGTH);
	EXPECT_HEADER(size, 8, blob.size | 1ull << 32, EINVAL, KVM_VMPORT_ERR_LENGTH);
	EXPECT_HEADER(reserved32, 4, 1, EINVAL, KVM_VMPORT_ERR_RESERVED);
	EXPECT_HEADER(features, 8, 1ull << 63, EPERM, KVM_VMPORT_ERR_FEATURE);
	EXPECT_EQ(vmport_error_mask, 1ull << 63);

	/* A newer format is that before all else, whatever it looks like. */
	vmport_blob_header(&blob)->version = 2;
	EXPECT_REFUSED(&blob, EOPNOTSUPP, KVM_VMPORT_ERR_VERSION);
	vmport_blob_header(&blob)->version = 1;
	vmport_blob_header(&blob)->checksum ^= 1;
	EXPECT_REFUSED_AT(&blob, EINVAL, KVM_VMPORT_ERR_CHECKSUM, 16, 4);
	vmport_blob_free(&blob);
}

TEST_F(state, blob_too_large_e2big)
{
	struct vmport_blob blob = build_blob(NULL);

	EXPECT_EQ(vmport_set_state(self->vm, blob.data, KVM_VMPORT_MAX_STATE + 1), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_STATE_SIZE);
	EXPECT_EQ(vmport_set_state(self->vm, blob.data, ~0ull), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_STATE_SIZE);
	EXPECT_EQ(vmport_set_state(self->vm, blob.data, 1ull << 32), E2BIG);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_STATE_SIZE);
	EXPECT_TRUE(vmport_state_is(self->vm, &self->old));
	vmport_blob_free(&blob);
}

TEST_F(state, section_errors)
{
	struct vmport_blob unchanged;
	struct offsets o;

	unchanged = build_blob(&o);
	vmport_blob_free(&unchanged);

#define EXPECT_SECTION(_which, _field, _bytes, _value, _errno, _error)	\
	expect_field(_metadata, self, __LINE__, (o)._which,			\
		     sizeof(struct kvm_vmport_blob_section),			\
		     offsetof(struct kvm_vmport_blob_section, _field),		\
		     _bytes, _value, _errno, _error)

	EXPECT_SECTION(rpci, flags, 4, 0, EINVAL, KVM_VMPORT_ERR_FLAGS);
	EXPECT_SECTION(guestinfo, flags, 4, 0, EINVAL, KVM_VMPORT_ERR_FLAGS);
	EXPECT_SECTION(tclo, flags, 4, 3, EINVAL, KVM_VMPORT_ERR_FLAGS);
	EXPECT_SECTION(guestinfo, size, 8, ~0ull, EINVAL, KVM_VMPORT_ERR_SECTION);
	EXPECT_SECTION(guestinfo, size, 8, 1ull << 32, EINVAL, KVM_VMPORT_ERR_SECTION);
	EXPECT_SECTION(guestinfo, type, 4, 4, EINVAL, KVM_VMPORT_ERR_FLAGS);
	EXPECT_SECTION(guestinfo, type, 4, UNKNOWN_SECTION, EOPNOTSUPP, KVM_VMPORT_ERR_CRITICAL);
	EXPECT_SECTION(guestinfo, type, 4, 0x80000001, EOPNOTSUPP, KVM_VMPORT_ERR_CRITICAL);
	EXPECT_SECTION(guestinfo, type, 4, KVM_VMPORT_SECTION_TCLO, EINVAL, KVM_VMPORT_ERR_ORDER);
	EXPECT_SECTION(guestinfo, type, 4, KVM_VMPORT_SECTION_CHANNEL, EINVAL,
		       KVM_VMPORT_ERR_ORDER);
}

TEST_F(state, channel_errors)
{
	struct vmport_blob unchanged;
	struct offsets o;

	unchanged = build_blob(&o);
	vmport_blob_free(&unchanged);

#define EXPECT_CHANNEL(_which, _field, _bytes, _value, _errno, _error)	\
	expect_field(_metadata, self, __LINE__, (_which) + SECTION,			\
		     sizeof(struct kvm_vmport_blob_channel),			\
		     offsetof(struct kvm_vmport_blob_channel, _field),		\
		     _bytes, _value, _errno, _error)

	EXPECT_CHANNEL(o.tclo_run, id, 2, 128, EINVAL, KVM_VMPORT_ERR_CHANNEL_ID);
	EXPECT_CHANNEL(o.tclo_run, id, 2, 0xffff, EINVAL, KVM_VMPORT_ERR_CHANNEL_ID);
	EXPECT_CHANNEL(o.rpci2, id, 2, 0, EINVAL, KVM_VMPORT_ERR_ORDER);
	EXPECT_CHANNEL(o.tclo_given, id, 2, 3, EINVAL, KVM_VMPORT_ERR_ORDER);
	EXPECT_CHANNEL(o.tclo_given, id, 2, 2, EINVAL, KVM_VMPORT_ERR_ORDER);
	EXPECT_CHANNEL(o.rpci, protocol, 4, 0, EINVAL, KVM_VMPORT_ERR_PROTOCOL);
	EXPECT_CHANNEL(o.rpci, protocol, 4, VMPORT_RPCI | VMPORT_COOKIE, EINVAL,
		       KVM_VMPORT_ERR_PROTOCOL);
	EXPECT_CHANNEL(o.rpci, flags, 2, 0x40 | KVM_VMPORT_CHANNEL_COOKIE | KVM_VMPORT_CHANNEL_SEND,
		       EINVAL, KVM_VMPORT_ERR_FLAGS);
	/* A cookie that nobody asked for. */
	EXPECT_CHANNEL(o.rpci, flags, 2, KVM_VMPORT_CHANNEL_SEND, EINVAL, KVM_VMPORT_ERR_FLAGS);
	EXPECT_CHANNEL(o.rpci2, cookie_low, 4, 1, EINVAL, KVM_VMPORT_ERR_FLAGS);
	/* A message without its flag. */
	EXPECT_CHANNEL(o.rpci, flags, 2, KVM_VMPORT_CHANNEL_COOKIE, EINVAL, KVM_VMPORT_ERR_FLAGS);
	EXPECT_CHANNEL(o.rpci2, flags, 2, 0, EINVAL, KVM_VMPORT_ERR_FLAGS);
	/* Only TCLO does two things at once. */
	EXPECT_CHANNEL(o.rpci2, flags, 2, KVM_VMPORT_CHANNEL_RECV | KVM_VMPORT_CHANNEL_SEND, EINVAL,
		       KVM_VMPORT_ERR_FLAGS);
	/* Only TCLO runs anything, and not while it is being given. */
	EXPECT_CHANNEL(o.rpci2, flags, 2, KVM_VMPORT_CHANNEL_RECV | KVM_VMPORT_CHANNEL_RUN, EINVAL,
		       KVM_VMPORT_ERR_FLAGS);
	/* Sizes and positions. */
	EXPECT_CHANNEL(o.rpci, send_size, 4, 65537, E2BIG, KVM_VMPORT_ERR_MESSAGE_SIZE);
	EXPECT_CHANNEL(o.rpci, send_size, 4, 8, EINVAL, KVM_VMPORT_ERR_POSITION);
	EXPECT_CHANNEL(o.rpci, send_size, 4, 9, EINVAL, KVM_VMPORT_ERR_POSITION);
	EXPECT_CHANNEL(o.rpci2, recv_done, 4, 10, EINVAL, KVM_VMPORT_ERR_POSITION);
	EXPECT_CHANNEL(o.rpci2, recv_done, 4, 0xffffffff, EINVAL, KVM_VMPORT_ERR_POSITION);
	EXPECT_CHANNEL(o.rpci2, recv_size, 4, KVM_VMPORT_MAX_REPLY + 1, E2BIG,
		       KVM_VMPORT_ERR_REPLY_SIZE);
	/* Requests. */
	EXPECT_CHANNEL(o.rpci2, request, 8, 3, EINVAL, KVM_VMPORT_ERR_REQUEST);
	EXPECT_CHANNEL(o.tclo_given, request, 8, 7, EINVAL, KVM_VMPORT_ERR_REQUEST);
	EXPECT_CHANNEL(o.tclo_given, request, 8, ~0ull, EINVAL, KVM_VMPORT_ERR_REQUEST);
}

TEST_F(state, channel_data_cut)
{
	struct kvm_vmport_blob_channel *channel;
	struct offsets o;
	struct vmport_blob blob = build_blob(&o);

	/* Another split of the same bytes is another state; one too many is not. */
	channel = (void *)(blob.data + o.rpci + SECTION);
	channel->send_done = 8;
	vmport_blob_seal(&blob);
	EXPECT_REFUSED_AT(&blob, EINVAL, KVM_VMPORT_ERR_SECTION, o.rpci, o.rpci2 - o.rpci);
	channel->send_done = 10;
	vmport_blob_seal(&blob);
	EXPECT_REFUSED_AT(&blob, EINVAL, KVM_VMPORT_ERR_SECTION, o.rpci, o.rpci2 - o.rpci);
	channel->send_done = 9;

	channel = (void *)(blob.data + o.rpci2 + SECTION);
	channel->recv_size = 16;
	vmport_blob_seal(&blob);
	EXPECT_REFUSED_AT(&blob, EINVAL, KVM_VMPORT_ERR_SECTION, o.rpci2,
			  o.tclo_given - o.rpci2);
	vmport_blob_free(&blob);
}

TEST_F(state, tclo_errors)
{
	struct vmport_blob unchanged;
	struct offsets o;

	unchanged = build_blob(&o);
	vmport_blob_free(&unchanged);

#define EXPECT_TCLO(_field, _bytes, _value, _errno, _error)	\
	expect_field(_metadata, self, __LINE__, o.tclo + SECTION,			\
		     sizeof(struct kvm_vmport_blob_tclo),			\
		     offsetof(struct kvm_vmport_blob_tclo, _field),		\
		     _bytes, _value, _errno, _error)
#define EXPECT_REQUEST(_which, _field, _bytes, _value, _errno, _error)	\
	expect_field(_metadata, self, __LINE__, (o)._which,			\
		     sizeof(struct kvm_vmport_blob_request),			\
		     offsetof(struct kvm_vmport_blob_request, _field),		\
		     _bytes, _value, _errno, _error)

	EXPECT_TCLO(next_id, 8, 0, EINVAL, KVM_VMPORT_ERR_REQUEST);
	/* So large that the next ones would wrap around. */
	EXPECT_TCLO(next_id, 8, ~0ull, EINVAL, KVM_VMPORT_ERR_REQUEST);
	EXPECT_TCLO(reserved32, 4, 1, EINVAL, KVM_VMPORT_ERR_RESERVED);
	EXPECT_REQUEST(queued, id, 8, 7, EINVAL, KVM_VMPORT_ERR_REQUEST);
	EXPECT_REQUEST(queued, id, 8, 0, EINVAL, KVM_VMPORT_ERR_REQUEST);
	EXPECT_REQUEST(queued, id, 8, 4, EINVAL, KVM_VMPORT_ERR_ORDER);	/* given already */
	EXPECT_REQUEST(queued, id, 8, 2, EINVAL, KVM_VMPORT_ERR_ORDER);	/* answered already */
	EXPECT_REQUEST(queued, kind, 2, 3, EINVAL, KVM_VMPORT_ERR_FLAGS);
	EXPECT_REQUEST(queued, reserved16, 2, 1, EINVAL, KVM_VMPORT_ERR_RESERVED);
	EXPECT_REQUEST(queued, size, 4, KVM_VMPORT_MAX_TCLO_REQUEST + 1, E2BIG,
		       KVM_VMPORT_ERR_TCLO_SIZE);
	EXPECT_REQUEST(answered, size, 4, KVM_VMPORT_MAX_MESSAGE + 1, E2BIG,
		       KVM_VMPORT_ERR_MESSAGE_SIZE);
}

TEST_F(state, tclo_results_before_requests)
{
	struct vmport_blob blob;
	size_t pos;

	vmport_blob_begin(&blob);
	pos = vmport_blob_begin_tclo(&blob, 3, 2);
	vmport_blob_add_request(&blob, 1, KVM_VMPORT_REQUEST_QUEUED, "ping", 4);
	vmport_blob_add_request(&blob, 2, KVM_VMPORT_REQUEST_ANSWERED, "OK ", 3);
	vmport_blob_end_section(&blob, pos);
	vmport_blob_end(&blob);
	EXPECT_REFUSED(&blob, EINVAL, KVM_VMPORT_ERR_ORDER);
	vmport_blob_free(&blob);

	vmport_blob_begin(&blob);
	pos = vmport_blob_begin_tclo(&blob, 3, 2);
	vmport_blob_add_request(&blob, 2, KVM_VMPORT_REQUEST_QUEUED, "ping", 4);
	vmport_blob_add_request(&blob, 1, KVM_VMPORT_REQUEST_QUEUED, "ping", 4);
	vmport_blob_end_section(&blob, pos);
	vmport_blob_end(&blob);
	EXPECT_REFUSED(&blob, EINVAL, KVM_VMPORT_ERR_ORDER);
	vmport_blob_free(&blob);
}

TEST_F(state, tclo_count)
{
	struct vmport_blob blob;
	size_t pos;
	u64 id;

	/* As many as there can be load; then the VMM can add none. */
	vmport_blob_begin(&blob);
	pos = vmport_blob_begin_tclo(&blob, 99, KVM_VMPORT_MAX_TCLO);
	for (id = 1; id <= KVM_VMPORT_MAX_TCLO; id++)
		vmport_blob_add_request(&blob, id, KVM_VMPORT_REQUEST_QUEUED, "ping", 4);
	vmport_blob_end_section(&blob, pos);
	vmport_blob_end(&blob);
	EXPECT_EQ(vmport_load(self->vm, &blob), 0);
	EXPECT_EQ(vmport_tclo_send(self->vm, "ping", 4, &id), EBUSY);
	EXPECT_TRUE(vmport_state_is(self->vm, &blob));
	EXPECT_EQ(vmport_load(self->vm, &self->old), 0);
	vmport_blob_free(&blob);

	vmport_blob_begin(&blob);
	pos = vmport_blob_begin_tclo(&blob, 99, KVM_VMPORT_MAX_TCLO + 1);
	for (id = 1; id <= KVM_VMPORT_MAX_TCLO + 1; id++)
		vmport_blob_add_request(&blob, id, KVM_VMPORT_REQUEST_QUEUED, "ping", 4);
	vmport_blob_end_section(&blob, pos);
	vmport_blob_end(&blob);
	EXPECT_REFUSED(&blob, E2BIG, KVM_VMPORT_ERR_TCLO_COUNT);
	vmport_blob_free(&blob);
}

TEST_F(state, guestinfo_errors)
{
	struct offsets o;
	struct vmport_blob blob = build_blob(&o);

#define EXPECT_ENTRY(_which, _field, _bytes, _value, _errno, _error)	\
	expect_field(_metadata, self, __LINE__, (o)._which,			\
		     sizeof(struct kvm_vmport_blob_guestinfo),			\
		     offsetof(struct kvm_vmport_blob_guestinfo, _field),		\
		     _bytes, _value, _errno, _error)

	EXPECT_ENTRY(entry, flags, 2, 2, EINVAL, KVM_VMPORT_ERR_FLAGS);
	EXPECT_ENTRY(entry, key_size, 2, 0, EINVAL, KVM_VMPORT_ERR_KEY);
	EXPECT_ENTRY(entry, value_size, 4, 0xfffffff0, EINVAL, KVM_VMPORT_ERR_SECTION);

	/* A key with a space, with a NUL, twice, out of order, bytes in the padding. */
	blob.data[o.entry + 8 + 3] = ' ';
	vmport_blob_seal(&blob);
	EXPECT_REFUSED(&blob, EINVAL, KVM_VMPORT_ERR_KEY);
	blob.data[o.entry + 8 + 3] = 0;
	vmport_blob_seal(&blob);
	EXPECT_REFUSED(&blob, EINVAL, KVM_VMPORT_ERR_KEY);
	blob.data[o.entry + 8 + 3] = 's';
	blob.data[o.entry2 + 8 + 10] = 'a';
	vmport_blob_seal(&blob);
	EXPECT_REFUSED_AT(&blob, EINVAL, KVM_VMPORT_ERR_ORDER, o.entry2, 24);
	blob.data[o.entry2 + 8 + 10] = 'A';
	vmport_blob_seal(&blob);
	EXPECT_REFUSED_AT(&blob, EINVAL, KVM_VMPORT_ERR_ORDER, o.entry2, 24);
	blob.data[o.entry2 + 8 + 10] = 'b';
	blob.data[o.entry2 + 8 + 11] = 1;
	vmport_blob_seal(&blob);
	EXPECT_REFUSED_AT(&blob, EINVAL, KVM_VMPORT_ERR_RESERVED, o.entry2, 24);
	vmport_blob_free(&blob);
}

TEST_F(state, unknown_optional_section_is_skipped)
{
	struct vmport_blob blob = build_blob(NULL), more = vmport_blob_copy(&blob);
	size_t pos;

	pos = vmport_blob_begin_section(&more, UNKNOWN_SECTION, 0);
	vmport_blob_add(&more, "whatever it is", 13);
	vmport_blob_end_section(&more, pos);
	pos = vmport_blob_begin_section(&more, 0xffffffff, 0);
	vmport_blob_end_section(&more, pos);
	vmport_blob_end(&more);

	EXPECT_EQ(vmport_load(self->vm, &more), 0);
	/* It is gone; the rest is what it was. */
	EXPECT_TRUE(vmport_state_is(self->vm, &blob));
	vmport_blob_free(&blob);
	vmport_blob_free(&more);
}

TEST_F(state, unknown_critical_section_is_refused)
{
	struct vmport_blob blob = build_blob(NULL);
	size_t pos = vmport_blob_begin_section(&blob, UNKNOWN_SECTION,
					       KVM_VMPORT_SECTION_CRITICAL);

	vmport_blob_end_section(&blob, pos);
	vmport_blob_end(&blob);
	EXPECT_REFUSED_AT(&blob, EOPNOTSUPP, KVM_VMPORT_ERR_CRITICAL, pos, SECTION);
	vmport_blob_free(&blob);
}

TEST_F(state, sections_twice_or_out_of_order_refused)
{
	struct vmport_blob blob;
	size_t pos;

	vmport_blob_begin(&blob);
	pos = vmport_blob_begin_guestinfo(&blob);
	vmport_blob_add_entry(&blob, "a", "1", 1, 0);
	vmport_blob_end_section(&blob, pos);
	pos = vmport_blob_begin_guestinfo(&blob);
	vmport_blob_add_entry(&blob, "b", "1", 1, 0);
	vmport_blob_end_section(&blob, pos);
	vmport_blob_end(&blob);
	EXPECT_REFUSED_AT(&blob, EINVAL, KVM_VMPORT_ERR_ORDER, pos, SECTION);
	vmport_blob_free(&blob);

	vmport_blob_begin(&blob);
	pos = vmport_blob_begin_guestinfo(&blob);
	vmport_blob_add_entry(&blob, "a", "1", 1, 0);
	vmport_blob_end_section(&blob, pos);
	pos = vmport_blob_add_channel(&blob, &(struct kvm_vmport_blob_channel) {
			.protocol = VMPORT_RPCI }, NULL, NULL);
	vmport_blob_end(&blob);
	EXPECT_REFUSED_AT(&blob, EINVAL, KVM_VMPORT_ERR_ORDER, pos, SECTION);
	vmport_blob_free(&blob);
}

/* Sections that would not be there: one state has one packed form. */
TEST_F(state, empty_sections_refused)
{
	struct vmport_blob blob;
	size_t pos;

	vmport_blob_begin(&blob);
	pos = vmport_blob_begin_guestinfo(&blob);
	vmport_blob_end_section(&blob, pos);
	vmport_blob_end(&blob);
	EXPECT_EQ(vmport_load(self->vm, &blob), EINVAL);
	EXPECT_TRUE(vmport_state_is(self->vm, &self->old));
	vmport_blob_free(&blob);

	vmport_blob_begin(&blob);
	pos = vmport_blob_begin_tclo(&blob, 1, 0);
	vmport_blob_end_section(&blob, pos);
	vmport_blob_end(&blob);
	EXPECT_EQ(vmport_load(self->vm, &blob), EINVAL);
	EXPECT_TRUE(vmport_state_is(self->vm, &self->old));
	vmport_blob_free(&blob);
}

/* Limits stop what is new: what this VM has given, or another, is loaded. */
TEST_F(state, limits_of_the_destination_do_not_count)
{
	static const struct kvm_vmport_limits none;
	struct kvm_vm *vm = vmport_vm_create_barebones(VMPORT_RPC);
	struct vmport_blob blob = build_blob(NULL);

	EXPECT_EQ(vmport_load(self->vm, &blob), 0);
	ASSERT_EQ(vmport_set_limits(self->vm, &none), 0);
	EXPECT_TRUE(vmport_state_is(self->vm, &blob));
	EXPECT_EQ(vmport_load(self->vm, &blob), 0);
	EXPECT_TRUE(vmport_state_is(self->vm, &blob));
	EXPECT_EQ(vmport_set_text(self->vm, "guestinfo.c", ""), E2BIG);

	ASSERT_EQ(vmport_set_limits(vm, &none), 0);
	EXPECT_EQ(vmport_load(vm, &blob), 0);
	EXPECT_TRUE(vmport_state_is(vm, &blob));
	vmport_blob_free(&blob);
	kvm_vm_free(vm);
}

TEST_F(state, rpc_state_needs_rpc)
{
	struct kvm_vm *vm = vmport_vm_create_barebones(VMPORT_BASIC);
	struct vmport_blob empty, blob = build_blob(NULL);

	EXPECT_EQ(vmport_load(vm, &blob), EPERM);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_FEATURE);
	EXPECT_EQ(vmport_load(vm, &self->old), EPERM);
	EXPECT_EQ(vmport_error, KVM_VMPORT_ERR_FEATURE);
	empty = vmport_save(vm);
	EXPECT_EQ(empty.size, sizeof(struct kvm_vmport_blob_header));
	vmport_blob_free(&empty);
	vmport_blob_free(&blob);
	kvm_vm_free(vm);
}

/* A VM of every set of features into one of every other. */
TEST(what_the_guest_was_promised_must_be_there)
{
	static const u64 sets[] = {
		VMPORT_BASIC, VMPORT_RPC, VMPORT_RING3, VMPORT_HYPERCALL, VMPORT_EXIT_RPC,
		VMPORT_RPC | KVM_VMPORT_FEATURE_HB, VMPORT_BASIC | KVM_VMPORT_FEATURE_PMC,
		VMPORT_RING3 | KVM_VMPORT_FEATURE_NESTED,
	};
	u64 offered = (u32)kvm_check_cap(KVM_CAP_X86_VMPORT), missing;
	struct kvm_vm *from, *to;
	struct vmport_blob blob;
	int i, j;

	for (i = 0; i < ARRAY_SIZE(sets); i++) {
		if (sets[i] & ~offered)
			continue;
		from = vmport_vm_create_barebones(sets[i]);
		blob = vmport_save(from);
		kvm_vm_free(from);
		EXPECT_EQ(vmport_blob_header(&blob)->features,
			  sets[i] & ~KVM_VMPORT_FEATURE_EXIT_RPC);
		for (j = 0; j < ARRAY_SIZE(sets); j++) {
			if (sets[j] & ~offered)
				continue;
			to = vmport_vm_create_barebones(sets[j]);
			missing = sets[i] & ~sets[j] & ~KVM_VMPORT_FEATURE_EXIT_RPC;
			EXPECT_EQ(vmport_load(to, &blob), missing ? EPERM : 0);
			EXPECT_EQ(vmport_error,
				  missing ? KVM_VMPORT_ERR_FEATURE : KVM_VMPORT_ERR_NONE);
			EXPECT_EQ(vmport_error_mask, missing);
			EXPECT_EQ(vmport_error_offset,
				  missing ? offsetof(struct kvm_vmport_blob_header, features) : 0);
			kvm_vm_free(to);
		}
		vmport_blob_free(&blob);
	}
}

/* What GET says to a reader that knows these types of section. */
static int save_for(struct kvm_vm *vm, u64 sections, void *data, struct kvm_vmport_state *state)
{
	*state = (struct kvm_vmport_state) {
		.size = 4096,
		.data = (unsigned long)data,
		.sections = sections,
		.error_mask = ~0ull,
		.error_offset = ~0ull,
	};
	return __vm_ioctl(vm, KVM_GET_VMPORT_STATE, state) ? errno : 0;
}

TEST_F(state, a_blob_for_a_reader_that_knows_less)
{
	struct vmport_blob whole = vmport_save(self->vm), less = { };
	struct kvm_vmport_state state;
	struct kvm_vmport_info info;
	u8 data[4096];
	u64 id;

	ASSERT_EQ(vmport_get_info(self->vm, &info), 0);
	EXPECT_EQ(save_for(self->vm, 0, data, &state), 0);
	EXPECT_EQ(state.size, whole.size);
	EXPECT_EQ(memcmp(data, whole.data, whole.size), 0);
	EXPECT_EQ(state.error_mask, 0);
	EXPECT_EQ(save_for(self->vm, info.sections, data, &state), 0);
	EXPECT_EQ(memcmp(data, whole.data, whole.size), 0);
	vmport_blob_free(&whole);

	/* A name is optional, a request is not. */
	ASSERT_EQ(vmport_tclo_send_to(self->vm, "toolbox-dnd", 11, "ping", 4, &id), 0);
	whole = vmport_save(self->vm);
	memset(data, 0xa5, sizeof(data));
	EXPECT_EQ(save_for(self->vm, ~BIT_ULL(KVM_VMPORT_SECTION_TCLO), data, &state), EOPNOTSUPP);
	EXPECT_EQ(state.error, KVM_VMPORT_ERR_CRITICAL);
	EXPECT_EQ(state.error_mask, BIT_ULL(KVM_VMPORT_SECTION_TCLO));
	EXPECT_EQ(data[0], 0xa5);
	EXPECT_EQ(save_for(self->vm, ~BIT_ULL(KVM_VMPORT_SECTION_NAMES), data, &state), 0);
	/* The VMM is told what its guest loses there. */
	EXPECT_EQ(state.error, KVM_VMPORT_ERR_NONE);
	EXPECT_EQ(state.error_mask, BIT_ULL(KVM_VMPORT_SECTION_NAMES));
	EXPECT_LT(state.size, whole.size);
	less.data = data;
	less.size = state.size;
	EXPECT_EQ(vmport_load(self->vm, &less), 0);
	EXPECT_TRUE(vmport_state_is(self->vm, &less));
	vmport_blob_free(&whole);
}

TEST_F(state, bad_address_efault)
{
	u8 *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vmport_blob blob = build_blob(NULL);
	u64 size;

	ASSERT_NE(pages, MAP_FAILED);
	ASSERT_EQ(mprotect(pages + 4096, 4096, PROT_NONE), 0);

	EXPECT_EQ(vmport_set_state(self->vm, pages + 4096, blob.size), EFAULT);
	/* All of it but the last byte can be read. */
	memcpy(pages + 4096 - blob.size + 1, blob.data, blob.size - 1);
	EXPECT_EQ(vmport_set_state(self->vm, pages + 4096 - blob.size + 1, blob.size), EFAULT);
	size = blob.size;
	EXPECT_EQ(vmport_get_state(self->vm, pages + 4096, &size), EFAULT);
	EXPECT_TRUE(vmport_state_is(self->vm, &self->old));
	vmport_blob_free(&blob);
	munmap(pages, 3 * 4096);
}

TEST_F(state, odd_addresses)
{
	struct vmport_blob blob = build_blob(NULL), copy;
	u8 *buffer = malloc(blob.size + 16);
	u64 size;
	int i;

	for (i = 0; i < 8; i++) {
		copy = (struct vmport_blob) { .data = buffer + i, .size = blob.size };
		memcpy(copy.data, blob.data, blob.size);
		EXPECT_EQ(vmport_load(self->vm, &copy), 0);
		memset(buffer, 0, blob.size + 16);
		size = blob.size;
		EXPECT_EQ(vmport_get_state(self->vm, buffer + i, &size), 0);
		EXPECT_TRUE(vmport_blob_equal(&copy, &blob));
	}
	free(buffer);
	vmport_blob_free(&blob);
}

/* The VMM's configuration is not in the blob. */
TEST_F(state, identity_and_limits_do_not_travel)
{
	struct vmport_blob blob = build_blob(NULL);
	struct kvm_vmport_identity before, after;
	struct kvm_vmport_limits limits = { 100, 200, 300, 4000 }, limits_after;

	ASSERT_EQ(vmport_get_identity(self->vm, &before), 0);
	before.hw_version = 99;
	ASSERT_EQ(vmport_set_identity(self->vm, &before), 0);
	ASSERT_EQ(vmport_set_limits(self->vm, &limits), 0);
	EXPECT_EQ(vmport_load(self->vm, &blob), 0);
	EXPECT_EQ(vmport_get_identity(self->vm, &after), 0);
	EXPECT_EQ(memcmp(&before, &after, sizeof(before)), 0);
	EXPECT_EQ(vmport_get_limits(self->vm, &limits_after), 0);
	EXPECT_EQ(memcmp(&limits, &limits_after, sizeof(limits)), 0);
	vmport_blob_free(&blob);
}

/* Everything full: the largest state there is. */
TEST_F(state, the_largest_state)
{
	struct kvm_vm *vm = vmport_vm_create_barebones(VMPORT_RPC);
	u8 *data = vmport_alloc(KVM_VMPORT_MAX_REPLY);
	struct vmport_blob blob;
	unsigned int i;
	size_t pos;
	char key[8];

	for (i = 0; i < KVM_VMPORT_MAX_REPLY; i++)
		data[i] = i * 5 + i / 256;
	vmport_blob_begin(&blob);
	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS; i++)
		vmport_blob_add_channel(&blob, &(struct kvm_vmport_blob_channel) {
			.id = i,
			.flags = KVM_VMPORT_CHANNEL_SEND | KVM_VMPORT_CHANNEL_RECV,
			.protocol = VMPORT_TCLO,
			.send_size = KVM_VMPORT_MAX_MESSAGE,
			.send_done = KVM_VMPORT_MAX_MESSAGE - 1,
			.recv_size = KVM_VMPORT_MAX_REPLY,
			.recv_done = KVM_VMPORT_MAX_REPLY,
		}, data, data);
	pos = vmport_blob_begin_tclo(&blob, 99, KVM_VMPORT_MAX_TCLO);
	for (i = 0; i < KVM_VMPORT_MAX_TCLO; i++)
		vmport_blob_add_request(&blob, i + 1, KVM_VMPORT_REQUEST_ANSWERED, data,
					KVM_VMPORT_MAX_MESSAGE);
	vmport_blob_end_section(&blob, pos);
	pos = vmport_blob_begin_guestinfo(&blob);
	for (i = 0; i < 16; i++) {
		snprintf(key, sizeof(key), "%02u", i);
		vmport_blob_add_entry(&blob, key, data, KVM_VMPORT_MAX_VALUE - 2, 0);
	}
	vmport_blob_end_section(&blob, pos);
	vmport_blob_end(&blob);

	ASSERT_LE(blob.size, KVM_VMPORT_MAX_STATE);
	EXPECT_EQ(vmport_load(vm, &blob), 0)
		TH_LOG("error %u at %llu", vmport_error, (unsigned long long)vmport_error_offset);
	EXPECT_TRUE(vmport_state_is(vm, &blob));
	vmport_blob_free(&blob);
	kvm_vm_free(vm);
	free(data);
}

/* GET and SET while a vCPU runs. */
struct runner {
	pthread_t thread;
	struct kvm_vcpu *vcpu;
	bool stop;
	unsigned int rounds;
	unsigned int answers;	/* right ones, at calls that did not fail */
	unsigned int wrong;
};

/* Each request may fail when the state is replaced; a reply must be right. */
static void *runner_run(void *arg)
{
	static const char request[] = "info-get guestinfo.k";
	struct runner *runner = arg;
	struct vmport_channel channel;
	struct vmport_regs regs;
	u32 word, i;

	for (runner->rounds = 0; !READ_ONCE(runner->stop); runner->rounds++) {
		if (!(vmport_try_open(runner->vcpu, VMPORT_RPCI | VMPORT_COOKIE,
				      &channel) & VMPORT_SUCCESS))
			continue;
		if (!vmport_msg_status(&channel, VMPORT_MSG_SENDSIZE, 20))
			continue;
		for (i = 0; i < 20; i += 4) {
			memcpy(&word, request + i, 4);
			if (!vmport_msg_status(&channel, VMPORT_MSG_SENDPAYLOAD, word))
				break;
		}
		regs = vmport_msg(&channel, VMPORT_MSG_RECVSIZE, 0);
		if (i == 20 && vmport_status(&regs) & VMPORT_DORECV) {
			if (regs.bx == 3)
				runner->answers++;
			else
				runner->wrong++;
			regs = vmport_msg(&channel, VMPORT_MSG_RECVPAYLOAD, 1);
			if (vmport_status(&regs) && regs.bx != TEXT('1', ' ', 'a', 0) &&
			    regs.bx != TEXT('1', ' ', 'b', 0))
				runner->wrong++;
		}
		vmport_msg_status(&channel, VMPORT_MSG_CLOSE, 0);
	}
	return NULL;
}

#define RUNNING_ROUNDS	300

TEST(get_while_vcpus_run)
{
	struct kvm_vcpu *vcpus[2];
	struct kvm_vm *vm = vmport_vm_create(VMPORT_RPC, 2, vcpus);
	struct kvm_vm *other = vmport_vm_create_barebones(VMPORT_RPC);
	struct runner runners[2] = { };
	struct vmport_blob blob;
	int i;

	ASSERT_EQ(vmport_set_text(vm, "guestinfo.k", "a"), 0);
	for (i = 0; i < 2; i++) {
		runners[i].vcpu = vcpus[i];
		ASSERT_EQ(pthread_create(&runners[i].thread, NULL, runner_run, &runners[i]), 0);
	}
	for (i = 0; i < RUNNING_ROUNDS; i++) {
		blob = vmport_save(vm);
		/* Whatever moment it was, another VM can take it. */
		ASSERT_EQ(vmport_load(other, &blob), 0)
			TH_LOG("error %u at %llu", vmport_error,
			       (unsigned long long)vmport_error_offset);
		ASSERT_TRUE(vmport_state_is(other, &blob));
		vmport_blob_free(&blob);
	}
	for (i = 0; i < 2; i++) {
		WRITE_ONCE(runners[i].stop, true);
		pthread_join(runners[i].thread, NULL);
		EXPECT_EQ(runners[i].wrong, 0);
		/* GET disturbs nobody: every request was answered. */
		EXPECT_EQ(runners[i].answers, runners[i].rounds);
		EXPECT_GT(runners[i].rounds, 0);
	}
	kvm_vm_free(vm);
	kvm_vm_free(other);
}

TEST(set_while_vcpus_run)
{
	struct kvm_vcpu *vcpus[2];
	struct kvm_vm *vm = vmport_vm_create(VMPORT_RPC, 2, vcpus);
	struct runner runners[2] = { };
	struct vmport_blob blobs[2];
	unsigned int answers = 0;
	int i;

	/* Two states, with other entries and channels; a key with one letter each. */
	for (i = 0; i < 2; i++) {
		size_t pos;

		vmport_blob_begin(&blobs[i]);
		if (i)
			vmport_blob_add_channel(&blobs[i], &(struct kvm_vmport_blob_channel) {
					.id = 1,
					.flags = KVM_VMPORT_CHANNEL_COOKIE,
					.protocol = VMPORT_TCLO,
					.cookie_high = 1,
				}, NULL, NULL);
		pos = vmport_blob_begin_guestinfo(&blobs[i]);
		vmport_blob_add_entry(&blobs[i], "guestinfo.k", i ? "b" : "a", 1, 0);
		vmport_blob_end_section(&blobs[i], pos);
		vmport_blob_end(&blobs[i]);
	}
	ASSERT_EQ(vmport_load(vm, &blobs[0]), 0);

	for (i = 0; i < 2; i++) {
		runners[i].vcpu = vcpus[i];
		ASSERT_EQ(pthread_create(&runners[i].thread, NULL, runner_run, &runners[i]), 0);
	}
	for (i = 0; i < RUNNING_ROUNDS; i++) {
		ASSERT_EQ(vmport_load(vm, &blobs[i & 1]), 0);
		/* Let them get somewhere. */
		usleep(2000);
	}
	for (i = 0; i < 2; i++) {
		WRITE_ONCE(runners[i].stop, true);
		pthread_join(runners[i].thread, NULL);
		EXPECT_EQ(runners[i].wrong, 0);
		answers += runners[i].answers;
	}
	EXPECT_GT(answers, 0);

	/* And with all quiet the state is just what SET says. */
	EXPECT_EQ(vmport_load(vm, &blobs[1]), 0);
	EXPECT_TRUE(vmport_state_is(vm, &blobs[1]));
	vmport_blob_free(&blobs[0]);
	vmport_blob_free(&blobs[1]);
	kvm_vm_free(vm);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_VMPORT));

	return test_harness_run(argc, argv);
}
