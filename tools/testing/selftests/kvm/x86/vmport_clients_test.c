// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the known clients do and check, in a virtual machine: see
 * tools/testing/vmport/clients.c.  Each in ring 0, in ring 3, and in its own with the
 * state loaded into a new VM after each request.
 */
#include "vmport_test.h"
#include "vmport_user.h"

#include "../../../vmport/clients.c"

struct test_machine {
	struct client_machine machine;
	const struct client *client;
	struct vmport_user user;
	bool ring3;
	bool migrates;
};

static struct test_machine *test_of(struct client_machine *machine)
{
	return container_of(machine, struct test_machine, machine);
}

/* A VM as its VMM configures it. */
static void create(struct test_machine *test)
{
	u64 features = VMPORT_RING3 | (test->client->blocks ? KVM_VMPORT_FEATURE_HB : 0);
	struct kvm_vmport_identity identity;

	test->user = vmport_user_create(features);
	if (test->client->permitted)
		vmport_user_set_bitmap(&test->user, BITMAP_ALLOW);
	TEST_ASSERT_EQ(vmport_get_identity(test->user.vm, &identity), 0);
	memcpy(identity.uuid, CLIENT_UUID, sizeof(identity.uuid));
	TEST_ASSERT_EQ(vmport_set_identity(test->user.vm, &identity), 0);
	test->machine.memory = vmport_user_buffer(&test->user);
}

static void migrate(struct test_machine *test)
{
	struct kvm_vm *old = test->user.vm;
	struct vmport_blob blob = vmport_save(old);
	const u8 *memory = test->machine.memory;

	create(test);
	TEST_ASSERT_EQ(vmport_load(test->user.vm, &blob), 0);
	memcpy(test->machine.memory, memory, CLIENT_MEMORY);
	vmport_blob_free(&blob);
	kvm_vm_free(old);
}

static const void *const kernel_code[] = {
	[CLIENT_IN]		= vmport_in,
	[CLIENT_OUT]		= vmport_out,
	[CLIENT_REP_INSB]	= vmport_rep_insb,
	[CLIENT_REP_OUTSB]	= vmport_rep_outsb,
};

static const u8 process_code[][4] = {
	[CLIENT_IN]		= { 0xed, INT, DONE_VECTOR },
	[CLIENT_OUT]		= { 0xef, INT, DONE_VECTOR },
	[CLIENT_REP_INSB]	= { 0xf3, 0x6c, INT, DONE_VECTOR },
	[CLIENT_REP_OUTSB]	= { 0xf3, 0x6e, INT, DONE_VECTOR },
};

static void machine_call(struct client_machine *machine, enum client_instruction instruction,
			 struct client_regs *regs)
{
	struct test_machine *test = test_of(machine);
	struct kvm_regs guest = {
		.rax = regs->ax,
		.rbx = regs->bx,
		.rcx = regs->cx,
		.rdx = regs->dx,
		.rsi = regs->si,
		.rdi = regs->di,
		.rbp = regs->bp,
		.rsp = vmport_stack_top(0),
	};
	struct vmport_outcome outcome;

	if (test->ring3) {
		vmport_user_start(&test->user, 0, process_code[instruction],
				  sizeof(process_code[0]), &guest);
		outcome = vmport_user_continue(&test->user);
		TEST_ASSERT(!outcome.nr_exits && outcome.frame.vector == DONE_VECTOR,
			    "The call is not answered: %u exits, vector %lu", outcome.nr_exits,
			    outcome.frame.vector);
		*regs = (struct client_regs) {
			.ax = outcome.frame.rax,
			.bx = outcome.frame.rbx,
			.cx = outcome.frame.rcx,
			.dx = outcome.frame.rdx,
			.si = outcome.frame.rsi,
			.di = outcome.frame.rdi,
			.bp = outcome.frame.rbp,
		};
	} else {
		vmport_run_done(vmport_user_kernel(&test->user), kernel_code[instruction], &guest);
		*regs = (struct client_regs) {
			.ax = guest.rax,
			.bx = guest.rbx,
			.cx = guest.rcx,
			.dx = guest.rdx,
			.si = guest.rsi,
			.di = guest.rdi,
			.bp = guest.rbp,
		};
	}
	if (test->migrates)
		migrate(test);
}

static bool machine_set(struct client_machine *machine, const char *key, const void *value,
			u32 size, u32 flags)
{
	return !vmport_set_entry(test_of(machine)->user.vm, key, strlen(key), value, size,
				 flags);
}

static bool machine_has(struct client_machine *machine, const char *key, const void *value,
			u32 size)
{
	u8 seen[64];
	u32 seen_size = sizeof(seen);

	return !vmport_get_entry(test_of(machine)->user.vm, key, strlen(key), seen,
				 &seen_size, NULL) &&
	       seen_size == size && !memcmp(seen, value, size);
}

static u64 machine_request(struct client_machine *machine, const char *name, const void *data,
			   u32 size)
{
	u64 id;

	return vmport_tclo_send_to(test_of(machine)->user.vm, name, strlen(name), data, size,
				   &id) ? 0 : id;
}

static bool machine_result(struct client_machine *machine, u64 id, const void *data, u32 size)
{
	u8 seen[64];
	u32 seen_size = sizeof(seen), status;
	u64 seen_id;

	return !vmport_tclo_result(test_of(machine)->user.vm, seen, &seen_size, &seen_id,
				   &status) &&
	       seen_id == id && status == KVM_VMPORT_TCLO_ANSWERED && seen_size == size &&
	       !memcmp(seen, data, size);
}

/* What the client was not content with, NULL for nothing. */
static const char *run_client(const struct client *client, bool ring3, bool migrates)
{
	static struct test_machine test;
	bool ok;

	test = (struct test_machine) {
		.machine = {
			.call = machine_call,
			.set = machine_set,
			.has = machine_has,
			.request = machine_request,
			.result = machine_result,
			.address = vmport_user_buffer_addr(0),
		},
		.client = client,
		.ring3 = ring3,
		.migrates = migrates,
	};
	create(&test);
	ok = client_run(client, &test.machine);
	kvm_vm_free(test.user.vm);
	return ok ? NULL : test.machine.error;
}

#define EXPECT_CONTENT(...)						\
do {									\
	const char *error = run_client(__VA_ARGS__);			\
									\
	EXPECT_EQ(!error, true)						\
		TH_LOG("%s", error);					\
} while (0)

FIXTURE(client) {
};

FIXTURE_VARIANT(client) {
	const struct client *client;
};

FIXTURE_SETUP(client)
{
	TEST_ASSERT(VMPORT_BUFFER_SIZE >= CLIENT_MEMORY, "The guest's buffer is small");
}

FIXTURE_TEARDOWN(client)
{
}

#define CLIENT_VARIANT(_id, _name)					\
	FIXTURE_VARIANT_ADD(client, _id) {				\
		.client = &client_##_id,				\
	};
CLIENTS(CLIENT_VARIANT)

TEST_F(client, in_ring_0)
{
	EXPECT_CONTENT(variant->client, false, false);
}

TEST_F(client, in_ring_3)
{
	EXPECT_CONTENT(variant->client, true, false);
}

TEST_F(client, migrated_after_each_request)
{
	EXPECT_CONTENT(variant->client, variant->client->ring3, true);
}

int main(int argc, char **argv)
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_VMPORT));
	return test_harness_run(argc, argv);
}
