// SPDX-License-Identifier: GPL-2.0-only
/* The requests inside RPCI messages: PROTOCOL section 5. */
#include "guest.h"

struct exchange {
	const char *request;
	const char *reply;
};

static void check_exchanges(struct vm *vm, const struct exchange *exchanges, unsigned int count)
{
	struct chan chan = open_chan(vm, RPCI | COOKIE);
	unsigned int i;

	for (i = 0; i < count; i++) {
		const char *reply = ask(&chan, exchanges[i].request);

		if (strcmp(reply, exchanges[i].reply))
			FAIL("'%s' gives '%s', expected '%s'", exchanges[i].request, reply,
			     exchanges[i].reply);
	}
	CHECK_EQ(request(&chan, CLOSE, 0), SUCCESS);
}

#define CHECK_EXCHANGES(_vm, _exchanges) \
	check_exchanges(_vm, _exchanges, ARRAY_SIZE(_exchanges))

CONVERSATION("info-get of a guestinfo key: its value, whatever is in it")
{
	static const struct exchange exchanges[] = {
		{ "info-get guestinfo.metadata", "1 instance-id: 1\nname: x y" },
		{ "info-get guestinfo.empty", "1 " },
		{ "info-get guestinfo.a.b.c", "1 c" },
	};

	host_set_text(vm, "guestinfo.metadata", "instance-id: 1\nname: x y");
	host_set_text(vm, "guestinfo.empty", "");
	host_set_text(vm, "guestinfo.a.b.c", "c");
	CHECK_EXCHANGES(vm, exchanges);
}

CONVERSATION("info-get: 'No value found' where there is none, outside guestinfo, and malformed")
{
	static const struct exchange exchanges[] = {
		{ "info-get guestinfo.none", "0 No value found" },
		{ "info-get guestinfo.", "0 No value found" },
		{ "info-get guestinfo", "0 No value found" },
		{ "info-get guestinfo.k ", "0 No value found" },
		{ "info-get guestinfo.k x", "0 No value found" },
		{ "info-get  guestinfo.k", "0 No value found" },
		{ "info-get GUESTINFO.k", "0 No value found" },
		{ "info-get guestinfo.K", "0 No value found" },
		{ "info-get machine.id", "0 No value found" },
		{ "info-get host.secret", "0 No value found" },
		{ "info-get ", "0 No value found" },
		{ "info-get", "0 No value found" },
	};

	host_set_text(vm, "guestinfo.k", "v");
	host_set_text(vm, "machine.id", "id");
	host_set_text(vm, "host.secret", "s");
	CHECK_EXCHANGES(vm, exchanges);
}

CONVERSATION("info-get of a key longer than 256 bytes: 'No value found'")
{
	char text[600];

	snprintf(text, sizeof(text), "info-get guestinfo.%0*d", 256 - 10, 0);
	CHECK_EQ(strlen(text), 9 + 256);
	CHECK(!strcmp(rpc(vm, text), "0 No value found"));
	snprintf(text, sizeof(text), "info-get guestinfo.%0*d", 256 - 9, 0);
	CHECK(!strcmp(rpc(vm, text), "0 No value found"));
	snprintf(text, sizeof(text), "info-get guestinfo.%0*d", 500, 0);
	CHECK(!strcmp(rpc(vm, text), "0 No value found"));
}

CONVERSATION("info-set: the value is everything after the first space behind the key")
{
	static const struct exchange exchanges[] = {
		{ "info-set guestinfo.k v", "1 " },
		{ "info-get guestinfo.k", "1 v" },
		{ "info-set guestinfo.k one two  three ", "1 " },
		{ "info-get guestinfo.k", "1 one two  three " },
		{ "info-set guestinfo.k  leading", "1 " },
		{ "info-get guestinfo.k", "1  leading" },
		{ "info-set guestinfo.k ", "1 " },
		{ "info-get guestinfo.k", "1 " },
		{ "info-set guestinfo.k\xff\x01 \xfe", "1 " },
		{ "info-get guestinfo.k\xff\x01", "1 \xfe" },
		{ "info-get guestinfo.k", "1 " },
	};

	CHECK_EXCHANGES(vm, exchanges);
}

CONVERSATION("info-set without a second argument: 'Two and exactly two arguments expected'")
{
	static const char expected[] = "0 Two and exactly two arguments expected";
	static const struct exchange exchanges[] = {
		{ "info-set guestinfo.k", expected },
		{ "info-set other", expected },
		{ "info-set ", expected },
		{ "info-set", expected },
		{ "info-get guestinfo.k", "1 v" },
	};

	host_set_text(vm, "guestinfo.k", "v");
	CHECK_EXCHANGES(vm, exchanges);
}

CONVERSATION("info-set outside guestinfo, or of a read-only entry: 'Permission denied'")
{
	static const struct exchange exchanges[] = {
		{ "info-set machine.id x", "0 Permission denied" },
		{ "info-set guestinfo x", "0 Permission denied" },
		{ "info-set Guestinfo.k x", "0 Permission denied" },
		{ "info-set  guestinfo.k x", "0 Permission denied" },
		{ "info-set guestinfo.ro x", "0 Permission denied" },
		{ "info-set guestinfo.ro ", "0 Permission denied" },
		{ "info-get guestinfo.ro", "1 fixed" },
		{ "info-get guestinfo.k", "0 No value found" },
		{ "machine.id.get", "0 No machine id" },
	};

	CHECK_EQ(host_set(vm, "guestinfo.ro", "fixed", 5, KVM_VMPORT_GUESTINFO_READONLY, NULL), 0);
	CHECK_EXCHANGES(vm, exchanges);
}

CONVERSATION("info-set: 'Invalid key' for one that is only 'guestinfo.'")
{
	struct chan chan = open_chan(vm, RPCI);

	CHECK(!strcmp(ask(&chan, "info-set guestinfo. v"), "0 Invalid key"));
	CHECK(!host_get(vm, "guestinfo.a", NULL));
}

CONVERSATION("info-set: a key of 256 bytes is good, one of 257 is 'Key too long'")
{
	char text[600];

	snprintf(text, sizeof(text), "info-set guestinfo.%0*d v", 256 - 10, 0);
	CHECK(!strcmp(rpc(vm, text), "1 "));
	snprintf(text, sizeof(text), "info-get guestinfo.%0*d", 256 - 10, 0);
	CHECK(!strcmp(rpc(vm, text), "1 v"));
	snprintf(text, sizeof(text), "info-set guestinfo.%0*d v", 256 - 9, 0);
	CHECK(!strcmp(rpc(vm, text), "0 Key too long"));
}

CONVERSATION("info-set: limits have their own answers, and nothing changes")
{
	/* In bytes: key and value. */
	vm->config.limits.value_bytes = 8;
	vm->config.limits.keys = 2;
	vm->config.limits.guestinfo_bytes = 2 * 11 + 8 + 4;

	CHECK(!strcmp(rpc(vm, "info-set guestinfo.a 12345678"), "1 "));
	CHECK(!strcmp(rpc(vm, "info-set guestinfo.a 123456789"), "0 Value too long"));
	CHECK(!strcmp(rpc(vm, "info-set guestinfo.b 12345"), "0 No space left"));
	CHECK(!strcmp(rpc(vm, "info-set guestinfo.b 1234"), "1 "));
	CHECK(!strcmp(rpc(vm, "info-set guestinfo.c "), "0 Too many keys"));
	CHECK(!strcmp(rpc(vm, "info-set guestinfo.b 12345"), "0 No space left"));
	CHECK(!strcmp(rpc(vm, "info-get guestinfo.a"), "1 12345678"));
	CHECK(!strcmp(rpc(vm, "info-get guestinfo.b"), "1 1234"));
	CHECK(!strcmp(rpc(vm, "info-get guestinfo.c"), "0 No value found"));

	/* Replacing counts the difference. */
	CHECK(!strcmp(rpc(vm, "info-set guestinfo.a 123"), "1 "));
	CHECK(!strcmp(rpc(vm, "info-set guestinfo.b 12345678"), "1 "));
}

CONVERSATION("a text request ends at its first NUL, whatever stands behind")
{
	struct chan chan = open_chan(vm, RPCI);
	u32 size;

#define ASK(_text)	ask_bytes(&chan, _text, sizeof(_text) - 1, NULL)
	CHECK(!strcmp(ASK("log x\0"), "1 "));
	CHECK(!strcmp(ASK("machine.id.get\0"), "0 No machine id"));
	CHECK(!strcmp(ASK("machine.id.get\0\0"), "0 No machine id"));
	CHECK(!strcmp(ASK("machine.id.get\0 x\0y"), "0 No machine id"));
	CHECK(!strcmp(ASK("\0"), "0 Unknown command"));
	CHECK(!strcmp(ASK("info-set guestinfo.k v\0"), "1 "));
	CHECK(!strcmp(host_get(vm, "guestinfo.k", &size), "v"));
	CHECK_EQ(size, 1);
	CHECK(!strcmp(ASK("info-get guestinfo.k\0"), "1 v"));
	CHECK(!strcmp(ASK("info-set guestinfo.k v\0\0"), "1 "));
	host_get(vm, "guestinfo.k", &size);
	CHECK_EQ(size, 1);
	CHECK(!strcmp(ASK("info-set guestinfo.k w\0rest of the buffer"), "1 "));
	host_get(vm, "guestinfo.k", &size);
	CHECK_EQ(size, 1);
	CHECK(!strcmp(ASK("info-set guestinfo.k\0b v"),
		      "0 Two and exactly two arguments expected"));
	CHECK(!strcmp(ASK("SetGuestInfo  4 \0\x01\0"), "1 "));
	CHECK(!strcmp(ASK("info-set guestinfo.k\0"), "0 Two and exactly two arguments expected"));
#undef ASK
}

CONVERSATION("a value is bytes: those that the VMM has set come whole, NULs included")
{
	static const char text[] = "info-set guestinfo.c \x01\xff x";
	struct chan chan = open_chan(vm, RPCI);
	const char *reply;
	int size;

	CHECK_EQ(host_set(vm, "guestinfo.b", "\0\x01\xff\0\0x", 6, 0, NULL), 0);
	reply = ask_bytes(&chan, "info-get guestinfo.b", 20, &size);
	CHECK_EQ(size, 8);
	CHECK(!memcmp(reply, "1 \0\x01\xff\0\0x", 8));
	CHECK(!strcmp(ask_bytes(&chan, text, sizeof(text) - 1, NULL), "1 "));
	reply = ask_bytes(&chan, "info-get guestinfo.c", 20, &size);
	CHECK_EQ(size, 6);
	CHECK(!memcmp(reply, "1 \x01\xff x", 6));
}

CONVERSATION("reports are accepted: SetGuestInfo, log, tools.*, update.tools.health")
{
	static const struct exchange exchanges[] = {
		{ "SetGuestInfo  4 some binary", "1 " },
		{ "SetGuestInfo", "1 " },
		{ "log a line of text", "1 " },
		{ "log", "1 " },
		{ "tools.set.version 12345", "1 " },
		{ "tools.set.versiontype 12345 4", "1 " },
		{ "tools.capability.hgfs_server toolbox 1", "1 " },
		{ "tools.capability.x", "1 " },
		{ "tools.os.statechange.status OK 3", "1 " },
		{ "update.tools.health running", "1 " },
	};

	CHECK_EXCHANGES(vm, exchanges);
}

CONVERSATION("machine.id.get: the host's key machine.id, or 'No machine id'")
{
	CHECK(!strcmp(rpc(vm, "machine.id.get"), "0 No machine id"));
	host_set_text(vm, "machine.id", "abc 123");
	CHECK(!strcmp(rpc(vm, "machine.id.get"), "1 abc 123"));
	CHECK(!strcmp(rpc(vm, "machine.id.get "), "1 abc 123"));
	host_set_text(vm, "machine.id", "");
	CHECK(!strcmp(rpc(vm, "machine.id.get"), "1 "));
	CHECK_EQ(host_delete(vm, "machine.id"), 0);
	CHECK(!strcmp(rpc(vm, "machine.id.get"), "0 No machine id"));
}

CONVERSATION("anything else: 'Unknown command', also what only looks like one")
{
	static const struct exchange exchanges[] = {
		{ "vmx.capability.unified_loop toolbox", "0 Unknown command" },
		{ "vmx.capability.anything", "0 Unknown command" },
		{ "info-get2 guestinfo.k", "0 Unknown command" },
		{ "info-ge guestinfo.k", "0 Unknown command" },
		{ "INFO-GET guestinfo.k", "0 Unknown command" },
		{ " info-get guestinfo.k", "0 Unknown command" },
		{ "info-get\tguestinfo.k", "0 Unknown command" },
		{ "logx", "0 Unknown command" },
		{ "lo", "0 Unknown command" },
		{ "tools.capabilit", "0 Unknown command" },
		{ "tools.set.versio 1", "0 Unknown command" },
		{ "tools.set.versiontyp 1", "0 Unknown command" },
		{ "tools.os.statechange.statusx", "0 Unknown command" },
		{ "machine.id.getx", "0 Unknown command" },
		{ "x", "0 Unknown command" },
		{ " ", "0 Unknown command" },
	};

	host_set_text(vm, "guestinfo.k", "v");
	CHECK_EXCHANGES(vm, exchanges);
}

TEST("a request of 64 KiB without a space is unknown, one of only spaces too")
{
	static u8 text[KVM_VMPORT_MAX_MESSAGE];
	struct vm *vm = vm_new(SLEEPING);
	struct chan chan = open_chan(vm, RPCI);

	memset(text, 'x', sizeof(text));
	CHECK(!strcmp(ask_bytes(&chan, text, sizeof(text), NULL), "0 Unknown command"));
	memset(text, ' ', sizeof(text));
	CHECK(!strcmp(ask_bytes(&chan, text, sizeof(text), NULL), "0 Unknown command"));
	memset(text, 0, sizeof(text));
	CHECK(!strcmp(ask_bytes(&chan, text, sizeof(text), NULL), "0 Unknown command"));
	vm_free(vm);
}

TEST("replies without an allocation fit in the channel: the longest fixed one is 64 bytes or less")
{
	struct vm *vm = vm_new(SLEEPING);
	char text[] = "info-set guestinfo.k";
	const char *reply = rpc(vm, text);

	CHECK(strlen(reply) <= VMPORT_REPLY_INLINE);
	CHECK(strstr(reply, "expected"));
	vm_free(vm);
}
