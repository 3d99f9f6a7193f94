// SPDX-License-Identifier: GPL-2.0-only
/* What the known clients do and check, against the engine: see clients.c. */
#include "hb.h"

#include "clients.h"
#include "guest.h"

/*
 * A block that page faults stop every so many bytes: it goes on in another VM.
 */
#define PART	1500

struct test_machine {
	struct client_machine machine;
	struct vm *vm;
};

static u8 memory[CLIENT_MEMORY];

static struct vm *vm_of(struct client_machine *machine)
{
	return container_of(machine, struct test_machine, machine)->vm;
}

static struct vmport_regs low_halves(const struct client_regs *regs)
{
	return (struct vmport_regs) {
		.ax = regs->ax,
		.bx = regs->bx,
		.cx = regs->cx,
		.dx = regs->dx,
		.si = regs->si,
		.di = regs->di,
	};
}

static void set_low(u64 *reg, u32 low)
{
	*reg = (*reg & 0xffffffff00000000ull) | low;
}

static void call_words(struct vm *vm, enum client_instruction instruction,
		       struct client_regs *regs)
{
	struct vmport_regs low = low_halves(regs);

	CHECK_EQ(vm_call(vm, &low), VMPORT_DONE);
	if (instruction == CLIENT_IN)
		regs->ax = low.ax;
	else
		set_low(&regs->ax, low.ax);
	set_low(&regs->bx, low.bx);
	set_low(&regs->cx, low.cx);
	set_low(&regs->dx, low.dx);
	set_low(&regs->si, low.si);
	set_low(&regs->di, low.di);
}

/* Up to @size bytes at *@address; false when the channel does not move them. */
static bool move_part(struct vm *vm, struct vmport_call *call, bool in, u64 count, u32 size,
		      u8 *data)
{
	struct vmport_hb_buffer buffer;
	struct vmport_hb_source source;
	bool ok;

	call->state = vm->state;
	if (in) {
		ok = vmport_hb_receive_begin(call, count, &source);
		if (ok) {
			memcpy(data, source.data, size);
			vmport_hb_receive_end(call, count, size, &source);
		}
	} else {
		ok = vmport_hb_send_begin(call, count, size, &buffer);
		if (ok) {
			memcpy(buffer.data, data, size);
			ok = vmport_hb_send_end(call, count, size, &buffer);
		}
	}
	shim_check_idle();
	if (vm->mode == MIGRATED)
		vm_migrate(vm);
	return ok;
}

/* As the processor and KVM do it: registers move with the bytes. */
static void call_block(struct vm *vm, bool in, struct client_regs *regs)
{
	struct vmport_call call = {
		.config = &vm->config,
		.vcpu = vm_vcpu(0),
		.is_privileged = vm->is_privileged,
		.regs.dx = regs->dx,
		.regs.si = in ? regs->si : regs->bp,
		.regs.di = in ? regs->bp : regs->di,
	};
	u64 *address = in ? &regs->di : &regs->si;
	bool ok = true;
	u32 size;

	CHECK_EQ((u32)regs->ax, VMPORT_MAGIC);
	CHECK_EQ((u16)regs->dx, VMPORT_HB_PORT);
	while (ok && regs->cx) {
		size = min_t(u64, regs->cx, vm->mode == MIGRATED ? PART : CLIENT_MEMORY);
		ok = move_part(vm, &call, in, regs->cx, size, memory + *address);
		if (ok) {
			regs->cx -= size;
			*address += size;
		}
	}
	set_low(&regs->bx, ok ? SUCCESS << 16 : 0);
}

static void machine_call(struct client_machine *machine, enum client_instruction instruction,
			 struct client_regs *regs)
{
	if (instruction == CLIENT_IN || instruction == CLIENT_OUT)
		call_words(vm_of(machine), instruction, regs);
	else
		call_block(vm_of(machine), instruction == CLIENT_REP_INSB, regs);
}

static bool machine_set(struct client_machine *machine, const char *key, const void *value,
			u32 size, u32 flags)
{
	return !host_set(vm_of(machine), key, value, size, flags, NULL);
}

static bool machine_has(struct client_machine *machine, const char *key, const void *value,
			u32 size)
{
	u32 seen_size;
	const char *seen = host_get(vm_of(machine), key, &seen_size);

	return seen && seen_size == size && !memcmp(seen, value, size);
}

static u64 machine_request(struct client_machine *machine, const char *name, const void *data,
			   u32 size)
{
	struct vmport_request *request = vmport_request_alloc(0, size);
	u64 id = 0;

	CHECK(request);
	vmport_name_set(&request->name, (const u8 *)name, strlen(name));
	memcpy(request->data, data, size);
	CHECK_EQ(vmport_tclo_queue(&vm_of(machine)->state->tclo, request, &id), 0);
	return id;
}

static bool machine_result(struct client_machine *machine, u64 id, const void *data, u32 size)
{
	static char seen[KVM_VMPORT_MAX_MESSAGE + 1];
	u32 status, seen_size;

	return host_result(vm_of(machine), &status, seen, &seen_size) == id &&
	       status == KVM_VMPORT_TCLO_ANSWERED && seen_size == size &&
	       !memcmp(seen, data, size);
}

static void run_client(const struct client *client, struct vm *vm)
{
	struct test_machine test = {
		.machine = {
			.call = machine_call,
			.set = machine_set,
			.has = machine_has,
			.request = machine_request,
			.result = machine_result,
			.memory = memory,
		},
		.vm = vm,
	};

	memcpy(vm->config.identity.uuid, CLIENT_UUID, sizeof(vm->config.identity.uuid));
	vm->is_privileged = client->permitted || !client->ring3;
	if (client->blocks)
		vm->config.features |= KVM_VMPORT_FEATURE_HB;
	if (!client_run(client, &test.machine))
		FAIL("%s", test.machine.error);
}

#define CLIENT_TEST(_id, _name)						\
	CONVERSATION("client: " _name)					\
	{								\
		run_client(&client_##_id, vm);				\
	}

CLIENTS(CLIENT_TEST)
