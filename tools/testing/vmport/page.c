// SPDX-License-Identifier: GPL-2.0-only
/*
 * The program in Documentation/virt/kvm/x86/vmport.rst as a part of the tests: page.py
 * takes it out of the page.
 */
#include "page.h"

#define main page_main
#include "page-program.h"
#undef main

_Static_assert(sizeof(struct page_registers) == sizeof(struct registers), "registers");

static void (*page_call)(struct page_registers *regs);

static void call_for_test(struct registers *regs)
{
	struct page_registers copy;

	memcpy(&copy, regs, sizeof(copy));
	page_call(&copy);
	memcpy(regs, &copy, sizeof(copy));
}

int page_rpc(void (*call)(struct page_registers *regs), const char *text, char *reply,
	     uint32_t room)
{
	page_call = call;
	return rpc(call_for_test, text, reply, room);
}

int page_daemon(void (*call)(struct page_registers *regs), void (*ask)(void), char *request,
		uint32_t room, const char *answer)
{
	struct registers channel;
	int size;

	page_call = call;
	if (open_daemon(call_for_test, &channel))
		return -1;
	ask();
	size = receive(call_for_test, &channel, request, room);
	if (send_text(call_for_test, &channel, answer))
		return -1;
	close_channel(call_for_test, &channel);
	return size;
}
