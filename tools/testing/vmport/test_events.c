// SPDX-License-Identifier: GPL-2.0-only
/* What the VMM hears of: changes of guestinfo, several at once, signals. */
#include <linux/slab.h>

#include "blob.h"

static u64 sequence(struct vm *vm)
{
	return atomic64_read(&vm->events.changes);
}

/* Names changed since, in that order, each followed by a space. */
static const char *changed(struct vm *vm, u64 since)
{
	static char names[1024];
	struct vmport_guestinfo *gi = &vm->state->guestinfo;
	struct vmport_entry **sorted;
	u32 i, pos = 0;

	mutex_lock(&gi->lock);
	sorted = vmport_guestinfo_sort(gi, true);
	for (i = 0; i < gi->count; i++) {
		if (sorted[i]->change > since)
			pos += snprintf(names + pos, sizeof(names) - pos, "%.*s ",
					sorted[i]->key_size, sorted[i]->data);
	}
	names[pos] = '\0';
	mutex_unlock(&gi->lock);
	kvfree(sorted);
	return names;
}

TEST("changes: each set of guest or VMM takes the next number; the order is theirs")
{
	struct vm *vm = vm_new(SLEEPING);

	CHECK_EQ(sequence(vm), 0);
	host_set_text(vm, "b", "1");
	CHECK(!strcmp(rpc(vm, "info-set guestinfo.a 1"), "1 "));
	host_set_text(vm, "c", "1");
	CHECK_EQ(sequence(vm), 3);
	CHECK(!strcmp(changed(vm, 0), "b guestinfo.a c "));
	CHECK(!strcmp(changed(vm, 1), "guestinfo.a c "));
	CHECK(!strcmp(changed(vm, 3), ""));
	/* The same value again is a change, and the name stands once. */
	host_set_text(vm, "b", "1");
	CHECK(!strcmp(changed(vm, 0), "guestinfo.a c b "));
	CHECK(!strcmp(changed(vm, 3), "b "));
	CHECK(!strcmp(rpc(vm, "info-get guestinfo.a"), "1 1"));
	CHECK(!strcmp(rpc(vm, "info-set other 1"), "0 Permission denied"));
	CHECK_EQ(sequence(vm), 4);
	CHECK_EQ(host_delete(vm, "c"), 0);
	CHECK_EQ(sequence(vm), 4);
	CHECK(!strcmp(changed(vm, 0), "guestinfo.a b "));
	vm_free(vm);
}

TEST("changes: a state that is loaded changes all of it, and the numbers go on")
{
	struct vm *vm = vm_new(SLEEPING), *source = vm_new(SLEEPING);
	size_t size;
	u8 *blob;
	int i;

	host_set_text(source, "y", "1");
	host_set_text(source, "x", "1");
	blob = vm_pack(source, &size);
	for (i = 0; i < 5; i++)
		host_set_text(vm, "old", "1");
	CHECK_EQ(vm_unpack(vm, blob, size, NULL), 0);
	CHECK_EQ(sequence(vm), 6);
	/* Loaded together: in byte order. */
	CHECK(!strcmp(changed(vm, 5), "x y "));
	host_set_text(vm, "x", "2");
	CHECK(!strcmp(changed(vm, 6), "x "));
	CHECK(!strcmp(changed(vm, 5), "y x "));
	/* A blob that is refused changes nothing. */
	blob[size - 1] ^= 1;
	CHECK(vm_unpack(vm, blob, size, NULL));
	CHECK_EQ(sequence(vm), 7);
	CHECK(!strcmp(changed(vm, 7), ""));
	free(blob);
	vm_free(vm);
	vm_free(source);
}

static int set_many(struct vm *vm, struct vmport_guestinfo_change *changes, u32 count, u32 *failed)
{
	u32 i;

	for (i = 0; i < count; i++) {
		changes[i].key_size = strlen((const char *)changes[i].key);
		changes[i].value_size = changes[i].value ?
					strlen((const char *)changes[i].value) : 0;
	}
	return vmport_guestinfo_set_many(&vm->state->guestinfo, &vm->config.limits, changes,
					 count, failed);
}

#define SET(_key, _value)	{ .key = (const u8 *)(_key), .value = (const u8 *)(_value) }
#define DELETE(_key)		{ .key = (const u8 *)(_key), .flags = KVM_VMPORT_GUESTINFO_DELETE }

TEST("many: set, replace and delete in one step, in any mix, also with keys that collide")
{
	struct vmport_guestinfo_change changes[] = {
		SET("b", "new"), DELETE("a"), SET("d", "1"), DELETE("c"), SET("e", ""),
	};
	u64 bits;
	u32 failed;

	for (bits = 0; bits <= 1; bits++) {
		struct vm *vm;

		shim_hash_bits = bits ? U64_MAX : 0;
		vm = vm_new(SLEEPING);
		host_set_text(vm, "a", "1");
		host_set_text(vm, "b", "1");
		host_set_text(vm, "c", "1");
		host_set_text(vm, "z", "1");
		CHECK_EQ(set_many(vm, changes, ARRAY_SIZE(changes), &failed), 0);
		CHECK_EQ(vm->state->guestinfo.count, 4);
		CHECK_EQ(vm->state->guestinfo.bytes, 4 + 2 + 1 + 2);
		CHECK(!host_get(vm, "a", NULL));
		CHECK(!strcmp(host_get(vm, "b", NULL), "new"));
		CHECK(!host_get(vm, "c", NULL));
		CHECK(!strcmp(host_get(vm, "d", NULL), "1"));
		CHECK(!strcmp(host_get(vm, "e", NULL), ""));
		CHECK(!strcmp(host_get(vm, "z", NULL), "1"));
		CHECK(!strcmp(changed(vm, 4), "b d e "));
		vm_free(vm);
		CHECK_EQ(shim_live_bytes(), 0);
	}
}

/* It fails at @failed for this reason and the store is as before. */
static void check_many(struct vm *vm, struct vmport_guestinfo_change *changes, u32 count,
		       int r, u32 failed, u32 error)
{
	size_t size, after_size, live;
	u8 *blob, *after;
	u32 seen;

	blob = vm_pack(vm, &size);
	live = shim_live_bytes();
	CHECK_EQ(set_many(vm, changes, count, &seen), r);
	CHECK_EQ(seen, failed);
	CHECK_EQ(changes[failed < count ? failed : 0].error, error);
	CHECK_EQ(shim_live_bytes(), live);
	after = vm_pack(vm, &after_size);
	CHECK_EQ(after_size, size);
	CHECK(!memcmp(blob, after, size));
	free(blob);
	free(after);
}

TEST("many: all or nothing, and which item was wrong")
{
	struct vmport_guestinfo_change twice[] = { SET("n", "1"), SET("o", "1"), SET("n", "2") };
	struct vmport_guestinfo_change both[] = { SET("n", "1"), DELETE("n") };
	struct vmport_guestinfo_change none[] = { SET("n", "1"), DELETE("a"), DELETE("x") };
	struct vmport_guestinfo_change bad[] = { DELETE("a"), SET("n n", "1") };
	struct vmport_guestinfo_change guest[] = { SET("n", "1"), SET("ro", "1") };
	struct vmport_guestinfo_change first[] = { DELETE("n") };
	struct vm *vm = vm_new(SLEEPING);
	u32 failed;

	check_many(vm, first, 1, -ENOENT, 0, 0);
	host_set_text(vm, "a", "1");
	CHECK_EQ(host_set(vm, "ro", "1", 1, KVM_VMPORT_GUESTINFO_READONLY, NULL), 0);
	check_many(vm, twice, 3, -EINVAL, 2, KVM_VMPORT_ERR_ORDER);
	check_many(vm, both, 2, -EINVAL, 1, KVM_VMPORT_ERR_ORDER);
	check_many(vm, none, 3, -ENOENT, 2, 0);
	check_many(vm, bad, 2, -EINVAL, 1, KVM_VMPORT_ERR_KEY);
	guest[1].by_guest = true;
	check_many(vm, guest, 2, -EPERM, 1, 0);
	guest[1].by_guest = false;
	for (failed = 1; failed <= 2; failed++) {
		u32 seen;

		shim_fail_alloc(failed);
		CHECK_EQ(set_many(vm, guest, 2, &seen), -ENOMEM);
		CHECK_EQ(seen, failed - 1);
		shim_fail_alloc(0);
	}
	CHECK(!host_get(vm, "n", NULL));
	vm_free(vm);
}

TEST("many: limits are held against what is there at the end")
{
	struct vmport_guestinfo_change swap[] = { SET("n", "123"), DELETE("a") };
	struct vmport_guestinfo_change back[] = { DELETE("n"), SET("a", "1234") };
	struct vmport_guestinfo_change more[] = { SET("n", "123"), SET("m", "1"), DELETE("a") };
	struct vmport_guestinfo_change grow[] = { SET("b", "12"), SET("a", "123") };
	struct vmport_guestinfo_change less[] = { SET("b", ""), SET("a", "1") };
	struct vm *vm = vm_new(SLEEPING);
	u32 failed;

	host_set_text(vm, "a", "123");
	host_set_text(vm, "b", "1");
	vm->config.limits.keys = 2;
	vm->config.limits.guestinfo_bytes = 6;
	CHECK_EQ(set_many(vm, swap, 2, &failed), 0);
	check_many(vm, back, 2, -E2BIG, 2, KVM_VMPORT_ERR_GUESTINFO_SIZE);
	back[1].value = (const u8 *)"123";
	CHECK_EQ(set_many(vm, back, 2, &failed), 0);
	check_many(vm, more, 3, -E2BIG, 3, KVM_VMPORT_ERR_KEY_COUNT);
	check_many(vm, grow, 2, -E2BIG, 2, KVM_VMPORT_ERR_GUESTINFO_SIZE);
	/* Past lowered limits, what does not add is welcome. */
	vm->config.limits.keys = 1;
	vm->config.limits.guestinfo_bytes = 1;
	CHECK_EQ(set_many(vm, less, 2, &failed), 0);
	vm_free(vm);
}

CONVERSATION("signals: the guest's set, a result, a TCLO channel closed; nothing else")
{
	struct chan tools, rpci = open_chan(vm, RPCI);
	enum mode mode = vm->mode;
	char text[16];

	/* Loading results signals too. */
	if (mode == MIGRATED)
		vm->mode = SLEEPING;
	tools = open_chan(vm, TCLO);
	CHECK(!strcmp(ask(&rpci, "log x"), "1 "));
	CHECK(!strcmp(ask(&rpci, "info-get guestinfo.a"), "0 No value found"));
	CHECK(!strcmp(ask(&rpci, "info-set other 1"), "0 Permission denied"));
	host_set_text(vm, "guestinfo.b", "1");
	CHECK_EQ(receive(&tools, text, sizeof(text)), 5);
	send_message(&tools, "OK ATR toolbox", 14);
	host_request(vm, "ping");
	CHECK_EQ(receive(&tools, text, sizeof(text)), 4);
	CHECK_EQ(vm->signals, 0);

	CHECK(!strcmp(ask(&rpci, "info-set guestinfo.a 1"), "1 "));
	CHECK_EQ(vm->signals, 1);
	send_message(&tools, "OK", 2);
	CHECK_EQ(vm->signals, 2);
	CHECK_EQ(vmport_tclo_unread(&vm->state->tclo), 1);
	CHECK_EQ(vmport_channels_tclo(vm->state), 1);
	CHECK_EQ(request(&rpci, CLOSE, 0), SUCCESS);
	CHECK_EQ(vm->signals, 2);
	CHECK_EQ(atomic64_read(&vm->events.lost), 0);
	CHECK_EQ(request(&tools, CLOSE, 0), SUCCESS);
	CHECK_EQ(vm->signals, 3);
	CHECK_EQ(atomic64_read(&vm->events.lost), 1);
	CHECK_EQ(vmport_channels_tclo(vm->state), 0);

	/* A state with a result in it. */
	vm_migrate(vm);
	CHECK_EQ(vm->signals, 4);
	CHECK_EQ(host_result(vm, NULL, NULL, NULL), 1);
	CHECK_EQ(vmport_tclo_unread(&vm->state->tclo), 0);
	vm_migrate(vm);
	CHECK_EQ(vm->signals, 4);
	CHECK_EQ(atomic64_read(&vm->events.lost), 1);
}
