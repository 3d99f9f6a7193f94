/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _PAGE_H
#define _PAGE_H

/*
 * What the program in Documentation/virt/kvm/x86/vmport.rst has for the tests here.  It
 * is built with the headers of this machine, so that nothing of the shims is in here.
 */
#include <stdint.h>

/* The low 32 bits of the registers of a call, as the page's program has them. */
struct page_registers {
	uint32_t ax, bx, cx, dx, si, di;
};

/* Ask on an RPCI channel; bytes of the reply, or -1. */
int page_rpc(void (*call)(struct page_registers *regs), const char *text, char *reply,
	     uint32_t room);

/*
 * Be the daemon that the host asks: open a TCLO channel, get past "reset", let @ask make
 * the host ask, answer with @answer.  Bytes of the request, or -1.
 */
int page_daemon(void (*call)(struct page_registers *regs), void (*ask)(void), char *request,
		uint32_t room, const char *answer);

/* Sections of a blob, or -1. */
int count_sections(const uint8_t *blob, uint64_t size);

#endif /* _PAGE_H */
