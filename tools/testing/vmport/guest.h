/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM for the tests: what its guest does, what its VMM does, and what must
 * hold around each of that, whatever the test is about.
 */
#ifndef _GUEST_H
#define _GUEST_H

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "channels.h"
#include "command.h"
#include "count.h"
#include "message.h"
#include "pack.h"
#include "requests.h"
#include "section.h"
#include "state.h"
#include "steal.h"
#include "unpack.h"

#include "shim.h"
#include "tap.h"

#define RPCI	0x49435052u
#define TCLO	0x4f4c4354u
#define COOKIE	0x80000000u

/* Requests, ECX.H. */
enum {
	OPEN,
	SENDSIZE,
	SENDPAYLOAD,
	RECVSIZE,
	RECVPAYLOAD,
	RECVSTATUS,
	CLOSE,
};

/* Answers, ECX.H. */
#define FAILED		0
#define SUCCESS		1
#define DORECV		3

/* How calls are made. */
enum mode {
	SLEEPING,	/* may sleep, at once */
	FAST,		/* atomic first, as the fast path does */
	MIGRATED,	/* the state goes through a blob after each call */
	MODES
};

struct vm {
	struct vmport_config config;
	struct vmport_events events;
	unsigned long signals;	/* as its VMM's eventfd counts them */
	s64 gauges[VMPORT_NR_GAUGES];	/* as its statistics have them */
	struct vmport_state *state;
	enum mode mode;
	u64 promises;		/* features that its blobs ask for */
	unsigned int vcpu;	/* which one calls */
	bool no_hb;		/* its callers cannot use the port for blocks */
	bool is_privileged;	/* its callers are */
	unsigned long fast;	/* calls that were answered atomically */
	unsigned long slow;	/* and those that were not */
};

/* What the vCPU is. */
extern u64 vcpu_tsc_hz;
extern u32 vcpu_apic_hz;
extern bool vcpu_x2apic;
extern bool vcpu_ring3;
/* How long each has waited, and where the memory of all ends. */
extern u64 vcpu_waited[];
extern u64 vcpu_counts[][VMPORT_NR_COUNTS];
extern u64 memory_end;

struct vm *vm_new(enum mode mode);
void vm_free(struct vm *vm);

/* Of a blob with everything in it. */
struct vmport_blob_form vm_form(const struct vm *vm);
/* A blob from malloc(), exactly as long as it says, and the state unchanged. */
u8 *vm_pack(struct vm *vm, size_t *size);
/* The same, as @form has it; -E2BIG, or -EOPNOTSUPP. */
int vm_pack_form(struct vm *vm, const struct vmport_blob_form *form, u8 **blob, size_t *size);
/* The same, of at most so many bytes; how many it takes also with -E2BIG. */
int vm_pack_up_to(struct vm *vm, u64 max, u8 **blob, size_t *size);
/* A state made from a blob that is nobody's yet, or ERR_PTR(). */
struct vmport_state *vm_state_of(struct vm *vm, const void *blob, size_t size,
				 struct vmport_blob_error *why);
/* Replace the VM's state by a blob's; 0 or why not. */
int vm_unpack(struct vm *vm, const void *blob, size_t size, struct vmport_blob_error *why);
void vm_migrate(struct vm *vm);

/* One of the VM's vCPUs; others than the first are for tests that need several. */
#define VCPUS	4
void *vm_vcpu(unsigned int n);

/* Any call; checks what holds for all. */
enum vmport_result vm_call(struct vm *vm, struct vmport_regs *regs);

/* An end of a channel, as a guest process holds it. */
struct chan {
	struct vm *vm;
	u16 id;
	u32 cookie_high;
	u32 cookie_low;
	struct vmport_regs regs;	/* of the last answer */
};

/* One request on a channel; returns the status. */
u16 request(struct chan *chan, u16 nr, u32 bx);
/* OPEN; returns the status. */
u16 try_open(struct chan *chan, struct vm *vm, u32 protocol);
/* OPEN that must succeed. */
struct chan open_chan(struct vm *vm, u32 protocol);
/* A TCLO channel whose daemon has answered its reset, and goes by this name. */
struct chan open_daemon(struct vm *vm, const char *name);
struct chan open_tools(struct vm *vm);
/* Whole messages; these must succeed.  receive() gives -1 when none waits. */
void send_message(struct chan *chan, const void *data, u32 size);
void send_part(struct chan *chan, const void *data, u32 size, u32 part);
int receive(struct chan *chan, void *data, size_t room);
/* Ask on an RPCI channel; the reply as text. */
const char *ask(struct chan *chan, const char *text);
const char *ask_bytes(struct chan *chan, const void *data, u32 size, int *reply_size);
/* The same on a channel of its own. */
const char *rpc(struct vm *vm, const char *text);

/* The VMM. */
int host_set(struct vm *vm, const char *key, const void *value, u32 size, u32 flags,
	     u32 *error);
void host_set_text(struct vm *vm, const char *key, const char *value);
int host_delete(struct vm *vm, const char *key);
/* The value, or NULL; good until the next call. */
const char *host_get(struct vm *vm, const char *key, u32 *size);
/* Its id, or 0 when there is no room. */
u64 host_request(struct vm *vm, const char *text);
u64 host_request_bytes(struct vm *vm, const void *data, u32 size);
/* Id of the oldest result, 0 when there is none. */
u64 host_result(struct vm *vm, u32 *status, char *data, u32 *size);

/* CONVERSATION("what it shows") { uses vm }: runs in each mode. */
void conversation(void (*body)(struct vm *vm));
#define CONVERSATION(_name)		CONVERSATION1(_name, __COUNTER__)
#define CONVERSATION1(_name, _n)	CONVERSATION2(_name, _n)
#define CONVERSATION2(_name, _n)					\
	static void body_##_n(struct vm *vm);				\
	TEST(_name)							\
	{								\
		conversation(body_##_n);				\
	}								\
	static void body_##_n(struct vm *vm)

/* Random numbers of the tests' own. */
struct rng {
	u64 state;
};

u64 rng_next(struct rng *rng);
/* Below @n. */
u32 rng_below(struct rng *rng, u32 n);

#endif /* _GUEST_H */
