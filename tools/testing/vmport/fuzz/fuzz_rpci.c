// SPDX-License-Identifier: GPL-2.0-only
/* Requests of RPCI clients: lines, each a request. */
#include "input.h"
#include "rpci.h"

void fuzz_one(struct input *in)
{
	struct vm *vm = vm_new(SLEEPING);
	struct vmport_reply reply = { };
	struct vmport_call call = {
		.config = &vm->config,
		.state = vm->state,
		.vcpu = vm_vcpu(0),
	};
	u8 limited = input_u8(in);
	const u8 *at, *end, *line;

	if (limited & 1) {
		vm->config.limits.keys = 3;
		vm->config.limits.value_bytes = 40;
		vm->config.limits.guestinfo_bytes = 100;
	}
	host_set(vm, "guestinfo.readonly", "x", 1, KVM_VMPORT_GUESTINFO_READONLY, NULL);
	host_set(vm, "machine.id", "id", 2, 0, NULL);

	at = in->data + in->pos;
	end = in->data + in->size;
	while (at < end) {
		bool known;

		line = at;
		while (at < end && *at != '\n')
			at++;
		fuzz_calls++;
		known = vmport_rpci(&call, line, min_t(size_t, at - line, 65536), &reply);
		shim_check_idle();
		CHECK(reply.size >= 2 && reply.size <= KVM_VMPORT_MAX_REPLY);
		CHECK(vmport_reply_data(&reply)[0] == '0' || vmport_reply_data(&reply)[0] == '1');
		CHECK_EQ(vmport_reply_data(&reply)[1], ' ');
		CHECK(known || (reply.size == 2 && !memcmp(vmport_reply_data(&reply), "1 ", 2)) ||
		      !memcmp(vmport_reply_data(&reply), "0 Unknown command", 17));
		at++;
	}
	vmport_reply_free(&reply);
	fuzz_check_limits(vm);
	/* Nobody but the host changes these. */
	if (!(limited & 1))
		CHECK(!strcmp(host_get(vm, "guestinfo.readonly", NULL), "x"));
	CHECK(!strcmp(host_get(vm, "machine.id", NULL), "id"));
	fuzz_check_migration(vm);
	vm_free(vm);
}
