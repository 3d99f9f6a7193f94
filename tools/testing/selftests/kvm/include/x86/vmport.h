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

#include "kvm_util.h"
#include "processor.h"
#include "test_util.h"

#include "../../../../vmport/commands.h"

#define VMPORT_MAGIC			0x564d5868
#define VMPORT_PORT			0x5658
#define VMPORT_HB_PORT			0x5659

/* VMPORT_CMD_GETMHZ and so on, by number; and all that is known of them. */
enum { VMPORT_COMMANDS(VMPORT_CMD) };

/* The last one has no name. */
extern const struct command vmport_commands[];
/* Is a call with that in ECX the kernel's?  Not if it depends on more than that. */
bool vmport_is_kernels(u32 cx, u64 features);

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

/* Guest code of one instruction, and VMPORT_DONE. */
extern char vmport_in[], vmport_in_end[], vmport_out[], vmport_out_end[];
extern char vmport_inb[], vmport_inw[], vmport_outb[], vmport_outw[];
extern char vmport_insl[], vmport_outsl[], vmport_rep_outsb[], vmport_rep_insb[];

/* Loops of the guest's: see vmport_loop_regs(). */
void vmport_send_loop(const u32 *words, u64 left, u64 cx, u64 dx, u64 si, u64 di);
void vmport_recv_loop(u32 *words, u64 left, u64 cx, u64 dx, u64 si, u64 di);
void vmport_open_loop(u64 protocol, u64 left, u64 cx, u64 dx, u64 si, u64 di);

static inline void vmport_guest_done(void)
{
	asm volatile("out %%al, %0" : : "i"(VMPORT_DONE_PORT) : "memory");
}

#define VMPORT_MAX_VCPUS	2
#define VMPORT_BUFFER_SIZE	(KVM_VMPORT_MAX_REPLY + 64)

/* Low halves of the registers of a call. */
struct vmport_regs {
	u32 ax;
	u32 bx;
	u32 cx;
	u32 dx;
	u32 si;
	u32 di;
};

/* What the guest of the VM that was made last was promised, as its blobs say. */
extern u64 vmport_promised;

/* VMs.  Those with vCPUs have a stack and a buffer for each, at the same addresses. */
struct kvm_vm *vmport_vm_create(u64 features, u32 nr_vcpus, struct kvm_vcpu **vcpus);
struct kvm_vm *vmport_vm_create_barebones(u64 features);
u64 vmport_stack_top(u32 vcpu_id);
u64 vmport_buffer(u32 vcpu_id);

/* Zeroed memory of the host: the guest's has no room for large arrays of a test. */
void *vmport_alloc(size_t size);

static inline void *vmport_gva2hva(struct kvm_vm *vm, void *gva)
{
	return addr_gva2hva(vm, (unsigned long)gva);
}

/* The module parameter that opens the port to ring 3 in all VMs. */
bool vmport_backdoor_parameter(void);

/* What a vCPU or a VM has counted, by name. */
u64 vmport_counter(struct kvm_vcpu *vcpu, const char *name);
u64 vmport_vm_counter(struct kvm_vm *vm, const char *name);

/* Calls. */
void vmport_set_regs(struct kvm_vcpu *vcpu, struct kvm_regs *regs, const struct vmport_regs *in);
void vmport_start(struct kvm_vcpu *vcpu, const void *rip, struct kvm_regs *regs);
void vmport_run(struct kvm_vcpu *vcpu, const void *rip, struct kvm_regs *regs);
bool vmport_is_done(struct kvm_vcpu *vcpu);
void vmport_run_done(struct kvm_vcpu *vcpu, const void *rip, struct kvm_regs *regs);
void vmport_assert_high(const struct kvm_regs *regs);
struct vmport_regs vmport_cmd_regs(u16 cmd);
struct vmport_regs vmport_low(const struct kvm_regs *regs);
struct vmport_regs vmport_call(struct kvm_vcpu *vcpu, struct vmport_regs in);

/* The guest's end of a channel. */
struct vmport_channel {
	struct kvm_vcpu *vcpu;
	u16 id;
	u32 cookie_high;
	u32 cookie_low;
};

/* What SENDSIZE and RECVSIZE add to their status: VMPORT_HB where it is offered. */
extern u16 vmport_hb_status;

static inline u16 vmport_status(const struct vmport_regs *regs)
{
	return regs->cx >> 16;
}

/* One MESSAGE. */
struct vmport_regs vmport_msg_regs(const struct vmport_channel *channel, u16 type, u32 bx);
struct vmport_regs vmport_msg(const struct vmport_channel *channel, u16 type, u32 bx);
u16 vmport_msg_status(const struct vmport_channel *channel, u16 type, u32 bx);
u16 vmport_try_open(struct kvm_vcpu *vcpu, u32 protocol, struct vmport_channel *channel);
struct vmport_channel vmport_open(struct kvm_vcpu *vcpu, u32 protocol);
void vmport_close(const struct vmport_channel *channel);
void vmport_abandon_all(void);

/* Whole messages. */
void vmport_loop_regs(const struct vmport_channel *channel, struct kvm_regs *regs, u16 type,
		      u32 bx, u32 count);
u64 vmport_loop(const struct vmport_channel *channel, const void *rip, u16 type, u32 words);
u8 *vmport_host_buffer(const struct vmport_channel *channel);
void vmport_send_payload(const struct vmport_channel *channel, const void *data, u32 size);
void vmport_send(const struct vmport_channel *channel, const void *data, u32 size);
struct kvm_regs vmport_hb_regs(const struct vmport_channel *channel, u16 dx, bool in, u64 addr,
			       u64 count);
int vmport_poll(const struct vmport_channel *channel);
void vmport_recv_payload(const struct vmport_channel *channel, void *data, u32 size);
int vmport_recv(const struct vmport_channel *channel, void *data, u32 room);
int vmport_rpc(const struct vmport_channel *channel, const void *request, u32 size, void *reply,
	       u32 room);
const char *vmport_rpc_text(const struct vmport_channel *channel, const char *request);

/*
 * Attributes.  All return 0 or the errno; vmport_error has the item.
 */
extern __thread u32 vmport_error;

int vmport_attr(struct kvm_vm *vm, unsigned long cmd, struct kvm_vmport_attr *attr);
int vmport_get_info(struct kvm_vm *vm, struct kvm_vmport_info *info);
int vmport_get_identity(struct kvm_vm *vm, struct kvm_vmport_identity *identity);
int vmport_set_identity(struct kvm_vm *vm, const struct kvm_vmport_identity *identity);
int vmport_get_limits(struct kvm_vm *vm, struct kvm_vmport_limits *limits);
int vmport_set_limits(struct kvm_vm *vm, const struct kvm_vmport_limits *limits);
int vmport_set_entry(struct kvm_vm *vm, const void *key, u32 key_size, const void *value,
		     u32 value_size, u32 flags);
int vmport_get_entry(struct kvm_vm *vm, const void *key, u32 key_size, void *value, u32 *size,
		     u32 *flags);
int vmport_set_text(struct kvm_vm *vm, const char *key, const char *value);
int vmport_delete(struct kvm_vm *vm, const char *key);
const char *vmport_get_text(struct kvm_vm *vm, const char *key);
int vmport_list(struct kvm_vm *vm, const char *prefix, void *names, u32 *size, u32 *count);
int vmport_set_many(struct kvm_vm *vm, const struct kvm_vmport_guestinfo *items, u32 count,
		    u32 *index);
struct kvm_vmport_guestinfo vmport_item(const char *key, const char *value);
int vmport_changes(struct kvm_vm *vm, u64 *since, void *names, u32 *size, u32 *count);
int vmport_tclo_send_to(struct kvm_vm *vm, const void *name, u32 name_size, const void *request,
			u32 size, u64 *id);
int vmport_tclo_send(struct kvm_vm *vm, const void *request, u32 size, u64 *id);
int vmport_tclo_result(struct kvm_vm *vm, void *result, u32 *size, u64 *id, u32 *status);
int vmport_tclo_list(struct kvm_vm *vm, struct kvm_vmport_tclo_item *items, u32 *count);
int vmport_tclo_cancel(struct kvm_vm *vm, u64 id, u32 *status);
int vmport_set_eventfd(struct kvm_vm *vm, int fd);
struct kvm_vmport_events vmport_events(struct kvm_vm *vm);
int vmport_reset(struct kvm_vm *vm);
int vmport_read_asked(struct kvm_vm *vm, u64 *id, void *data, u32 *size, u32 *channel);
int vmport_answer(struct kvm_vm *vm, u64 id, const void *reply, u32 size);

/*
 * State blobs, and how to make one by hand.
 */
struct vmport_blob {
	u8 *data;
	size_t size;
	size_t room;
};

extern __thread u64 vmport_error_offset, vmport_error_mask;

int vmport_get_state(struct kvm_vm *vm, void *data, u64 *size);
int vmport_set_state(struct kvm_vm *vm, const void *data, u64 size);
struct vmport_blob vmport_save(struct kvm_vm *vm);
int vmport_load(struct kvm_vm *vm, const struct vmport_blob *blob);
int vmport_load_or_refuse(struct kvm_vm *vm, const struct vmport_blob *blob,
			  const struct vmport_blob *old, const char *what, size_t where);
bool vmport_state_is(struct kvm_vm *vm, const struct vmport_blob *blob);
bool vmport_state_is_but_order(struct kvm_vm *vm, const struct vmport_blob *blob);

void vmport_blob_free(struct vmport_blob *blob);
bool vmport_blob_equal(const struct vmport_blob *a, const struct vmport_blob *b);
struct vmport_blob vmport_blob_copy(const struct vmport_blob *from);

struct kvm_vmport_blob_header *vmport_blob_header(const struct vmport_blob *blob);
void vmport_blob_seal(struct vmport_blob *blob);
size_t vmport_blob_add(struct vmport_blob *blob, const void *data, size_t size);
void vmport_blob_begin(struct vmport_blob *blob);
void vmport_blob_end(struct vmport_blob *blob);
size_t vmport_blob_begin_section(struct vmport_blob *blob, u32 type, u32 flags);
void vmport_blob_end_section(struct vmport_blob *blob, size_t pos);
size_t vmport_blob_add_channel(struct vmport_blob *blob,
			       const struct kvm_vmport_blob_channel *channel, const void *send,
			       const void *recv);
size_t vmport_blob_begin_tclo(struct vmport_blob *blob, u64 next_id, u32 count);
size_t vmport_blob_add_request(struct vmport_blob *blob, u64 id, u16 kind, const void *data,
			       u32 size);
size_t vmport_blob_begin_guestinfo(struct vmport_blob *blob);
size_t vmport_blob_add_entry(struct vmport_blob *blob, const char *key, const void *value,
			     u32 value_size, u16 flags);

#endif /* SELFTEST_KVM_VMPORT_H */
