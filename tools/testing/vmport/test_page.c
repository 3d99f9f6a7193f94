// SPDX-License-Identifier: GPL-2.0-only
/*
 * The code of Documentation/virt/kvm/x86/vmport.rst: the guest's, against the engine,
 * and what walks over a blob.
 */
#include "blob.h"
#include "guest.h"
#include "page.h"

static struct vm *page_vm;

static void call_engine(struct page_registers *regs)
{
	struct vmport_regs r = {
		.ax = regs->ax, .bx = regs->bx, .cx = regs->cx, .dx = regs->dx,
		.si = regs->si, .di = regs->di,
	};

	CHECK_EQ(r.ax, VMPORT_MAGIC);
	CHECK_EQ(r.dx & 0xffff, VMPORT_PORT);
	CHECK_EQ(vm_call(page_vm, &r), VMPORT_DONE);
	*regs = (struct page_registers) {
		.ax = r.ax, .bx = r.bx, .cx = r.cx, .dx = r.dx, .si = r.si, .di = r.di,
	};
}

/* The page's guest asks; the reply as text. */
static const char *page_ask(const char *text)
{
	static char reply[KVM_VMPORT_MAX_REPLY + 1];
	int size = page_rpc(call_engine, text, reply, sizeof(reply) - 1);

	CHECK(size >= 0);
	reply[size] = '\0';
	return reply;
}

TEST("vmport.rst: the guest's code gets and sets values, and hears of errors")
{
	enum mode mode;

	for (mode = SLEEPING; mode < MODES; mode++) {
		page_vm = vm_new(mode);
		host_set_text(page_vm, "guestinfo.metadata", "instance-id: one");
		CHECK(!strcmp(page_ask("info-get guestinfo.metadata"), "1 instance-id: one"));
		CHECK(!strcmp(page_ask("info-set guestinfo.ip 192.0.2.7"), "1 "));
		CHECK(!strcmp(host_get(page_vm, "guestinfo.ip", NULL), "192.0.2.7"));
		CHECK(!strcmp(page_ask("info-get guestinfo.ip"), "1 192.0.2.7"));
		CHECK(!strcmp(page_ask("info-get guestinfo.none"), "0 No value found"));
		CHECK(!strcmp(page_ask("what else"), "0 Unknown command"));
		vm_free(page_vm);
	}
}

TEST("vmport.rst: the replies to info-set that fails are those of the page's table")
{
	page_vm = vm_new(SLEEPING);
	host_set(page_vm, "guestinfo.ro", "x", 1, KVM_VMPORT_GUESTINFO_READONLY, NULL);
	CHECK(!strcmp(page_ask("info-set guestinfo.a"),
		      "0 Two and exactly two arguments expected"));
	CHECK(!strcmp(page_ask("info-set guestinfo. v"), "0 Invalid key"));
	CHECK(!strcmp(page_ask("info-set machine.id v"), "0 Permission denied"));
	CHECK(!strcmp(page_ask("info-set guestinfo.ro v"), "0 Permission denied"));
	CHECK(!strcmp(page_ask("info-get machine.id"), "0 No value found"));
	CHECK(!strcmp(page_ask("machine.id.get"), "0 No machine id"));
	CHECK(!strcmp(page_ask("log hello"), "1 "));
	vm_free(page_vm);
}

static u64 page_request;

static void ask_daemon(void)
{
	page_request = host_request(page_vm, "OS_Halt");
}

TEST("vmport.rst: the guest's daemon gets past reset, is asked, and answers")
{
	char request[16], result[16];
	u32 status, size;
	enum mode mode;

	for (mode = SLEEPING; mode < MODES; mode++) {
		page_vm = vm_new(mode);
		CHECK_EQ(page_daemon(call_engine, ask_daemon, request, sizeof(request), "OK "), 7);
		CHECK(!memcmp(request, "OS_Halt", 7));
		size = sizeof(result);
		CHECK_EQ(host_result(page_vm, &status, result, &size), page_request);
		CHECK_EQ(status, KVM_VMPORT_TCLO_ANSWERED);
		CHECK_EQ(size, 3);
		CHECK(!memcmp(result, "OK ", 3));
		vm_free(page_vm);
	}
}

TEST("vmport.rst: a walk over a blob finds its sections, and no blob that is cut")
{
	struct vm *vm = vm_new(SLEEPING);
	size_t size, cut;
	struct chan chan;
	u8 *blob;

	blob = vm_pack(vm, &size);
	CHECK_EQ(count_sections(blob, size), 0);
	free(blob);

	host_set_text(vm, "guestinfo.a", "b");
	chan = open_chan(vm, RPCI);
	CHECK_EQ(request(&chan, SENDSIZE, 8), SUCCESS);
	open_chan(vm, TCLO);
	blob = vm_pack(vm, &size);
	CHECK_EQ(count_sections(blob, size), 3);
	for (cut = 0; cut < size; cut++)
		CHECK_EQ(count_sections(blob, cut), -1);
	free(blob);
	vm_free(vm);
}
