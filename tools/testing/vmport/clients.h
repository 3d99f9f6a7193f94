/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the known clients of the VMware guest interface do: which registers they
 * load for each request, what they check in the answer, how they move data, and in
 * which order.  One row a client in clients.c, and what runs a row.
 *
 * It knows nothing of what answers: tools/testing/vmport runs the rows against the
 * engine, tools/testing/selftests/kvm/x86/vmport_clients_test.c in a virtual machine.
 */
#ifndef _VMPORT_CLIENTS_H
#define _VMPORT_CLIENTS_H

#include <stdbool.h>

#include <linux/types.h>

struct client_regs {
	u64 ax;
	u64 bx;
	u64 cx;
	u64 dx;
	u64 si;
	u64 di;
	u64 bp;
};

enum client_instruction {
	CLIENT_IN,		/* IN EAX, DX */
	CLIENT_OUT,		/* OUT DX, EAX */
	CLIENT_REP_INSB,
	CLIENT_REP_OUTSB,
};

/**
 * struct client_machine - where a client runs
 * @call: run the instruction with these registers in the client's ring
 * @set: the host sets a guestinfo entry; flags as in the ABI
 * @has: does the host see this value of an entry?
 * @request: the host wants something of the guest's tools of this name; its number
 * @result: is this the result of that request?
 * @memory: CLIENT_MEMORY bytes of the guest's memory; @call may find them another
 *	place, with what is in them
 * @address: where the guest has them
 * @error: out: what was wrong, and at which step
 */
struct client_machine {
	void (*call)(struct client_machine *machine, enum client_instruction instruction,
		     struct client_regs *regs);
	bool (*set)(struct client_machine *machine, const char *key, const void *value,
		    u32 size, u32 flags);
	bool (*has)(struct client_machine *machine, const char *key, const void *value,
		    u32 size);
	u64 (*request)(struct client_machine *machine, const char *name, const void *data,
		       u32 size);
	bool (*result)(struct client_machine *machine, u64 id, const void *data, u32 size);
	u8 *memory;
	u64 address;
	char error[256];
};

#define CLIENT_MEMORY	16384

/* The virtual machine's UUID. */
#define CLIENT_UUID	"0123456789abcdef"

struct client_style;
struct client_step;

/**
 * struct client - one row
 * @style: how it makes requests
 * @steps: what it says, and what it must hear; the last one is empty
 * @ring3: it is a process
 * @permitted: which the guest's system lets use the port
 * @blocks: the host offers the high-bandwidth port
 * @cookie: it asks for cookies
 */
struct client {
	const struct client_style *style;
	const struct client_step *steps;
	bool ring3;
	bool permitted;
	bool blocks;
	bool cookie;
};

/* All rows: their names in C, and what tests say. */
#define CLIENTS(row)									\
	row(open_vm_tools,	   "open-vm-tools by blocks")				\
	row(open_vm_tools_words,   "open-vm-tools by words")				\
	row(open_vm_tools_plain,   "open-vm-tools where cookies were refused")		\
	row(open_vm_tools_desktop, "open-vm-tools of a desktop session")		\
	row(cloud_init,		   "cloud-init")					\
	row(linux_platform,	   "Linux's platform code")				\
	row(linux_vmwgfx,	   "Linux's vmwgfx by blocks")				\
	row(linux_vmwgfx_words,	   "Linux's vmwgfx by words")				\
	row(ignition,		   "Ignition")						\
	row(govmomi,		   "govmomi's toolbox")					\
	row(rust,		   "Rust's vmw_backdoor")				\
	row(ipxe,		   "iPXE")						\
	row(freebsd,		   "FreeBSD")						\
	row(openbsd,		   "OpenBSD")						\
	row(netbsd,		   "NetBSD")

#define CLIENT_DECLARE(_id, _name)	extern const struct client client_##_id;
CLIENTS(CLIENT_DECLARE)

/* False when the client is not content: @machine->error says why. */
bool client_run(const struct client *client, struct client_machine *machine);

#endif /* _VMPORT_CLIENTS_H */
