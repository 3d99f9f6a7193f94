// SPDX-License-Identifier: GPL-2.0-only
/*
 * rpc-32 KEY: a 32-bit process that reads a guestinfo entry, by words and by a block.
 *
 * It stands alone, so that no 32-bit libraries are needed: begun by _start(), and its
 * system calls are of i386.  Its stack is at the end of 4 GiB.
 */
#include <stddef.h>
#include <stdint.h>

#include "message.h"

#define NR_EXIT		1
#define NR_WRITE	4

static int system_call(int nr, int a, const void *b, size_t c)
{
	int result;

	asm volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory");
	return result;
}

static size_t length(const char *text)
{
	size_t n = 0;

	while (text[n])
		n++;
	return n;
}

static void say(const char *text)
{
	system_call(NR_WRITE, 1, text, length(text));
}

static void need(uint32_t status, uint32_t wanted, const char *what)
{
	if ((status & wanted) == wanted)
		return;
	say(what);
	say(" failed\n");
	system_call(NR_EXIT, 1, NULL, 0);
}

struct regs {
	uint32_t ax;
	uint32_t bx;
	uint32_t cx;
	uint32_t dx;
	uint32_t si;
	uint32_t di;
	uint32_t bp;
};

/* The instruction with all registers but ESP; EBX and ECX come back. */
#define BLOCK(name, instruction)			\
	asm(name ":\n\t"				\
	    "pusha\n\t"				\
	    "mov 36(%esp), %eax\n\t"			\
	    "mov 24(%eax), %ebp\n\t"			\
	    "mov 20(%eax), %edi\n\t"			\
	    "mov 16(%eax), %esi\n\t"			\
	    "mov 12(%eax), %edx\n\t"			\
	    "mov 8(%eax), %ecx\n\t"			\
	    "mov 4(%eax), %ebx\n\t"			\
	    "mov (%eax), %eax\n\t"			\
	    "cld\n\t"					\
	    instruction "\n\t"				\
	    "mov 36(%esp), %eax\n\t"			\
	    "mov %ebx, 4(%eax)\n\t"			\
	    "mov %ecx, 8(%eax)\n\t"			\
	    "popa\n\t"					\
	    "ret")

void rep_insb(struct regs *regs);
void rep_outsb(struct regs *regs);

BLOCK("rep_insb", "rep insb");
BLOCK("rep_outsb", "rep outsb");

static void send_block(const struct channel *channel, const char *data, uint32_t size)
{
	struct regs regs = {
		.ax = MAGIC,
		.bx = STATUS_SUCCESS << 16,
		.cx = size,
		.dx = channel->id << 16 | BLOCK_PORT,
		.si = (uint32_t)data,
		.di = channel->cookie_low,
		.bp = channel->cookie_high,
	};

	rep_outsb(&regs);
	need(regs.bx >> 16, STATUS_SUCCESS, "REP OUTSB");
	need(!regs.cx, 1, "all of REP OUTSB");
}

static void receive_block(const struct channel *channel, char *data, uint32_t size)
{
	struct regs regs = {
		.ax = MAGIC,
		.bx = STATUS_SUCCESS << 16,
		.cx = size,
		.dx = channel->id << 16 | BLOCK_PORT,
		.si = channel->cookie_high,
		.di = (uint32_t)data,
		.bp = channel->cookie_low,
	};

	rep_insb(&regs);
	need(regs.bx >> 16, STATUS_SUCCESS, "REP INSB");
	need(!regs.cx, 1, "all of REP INSB");
}

static void send_words(struct channel *channel, const char *data, uint32_t size)
{
	uint32_t ebx, pos, i;

	for (pos = 0; pos < size; pos += 4) {
		ebx = 0;
		for (i = 0; i < 4 && pos + i < size; i++)
			ebx |= (uint32_t)(uint8_t)data[pos + i] << 8 * i;
		need(message(channel, SENDPAYLOAD, &ebx), STATUS_SUCCESS, "SENDPAYLOAD");
	}
}

static void receive_words(struct channel *channel, char *data, uint32_t size)
{
	uint32_t ebx, pos, i;

	for (pos = 0; pos < size; pos += 4) {
		ebx = STATUS_SUCCESS;
		need(message(channel, RECVPAYLOAD, &ebx), STATUS_SUCCESS, "RECVPAYLOAD");
		for (i = 0; i < 4 && pos + i < size; i++)
			data[pos + i] = ebx >> 8 * i;
	}
}

static void ask(const char *what, const char *key, int blocks)
{
	static const char command[] = "info-get ";
	char text[4096];
	struct channel channel = { 0 };
	uint32_t ebx = RPCI | FLAG_COOKIE, size = 0, i;

	for (i = 0; command[i]; i++)
		text[size++] = command[i];
	for (i = 0; key[i] && size < 256; i++)
		text[size++] = key[i];

	need(message(&channel, OPEN, &ebx), STATUS_SUCCESS, "OPEN");
	ebx = size;
	need(message(&channel, SENDSIZE, &ebx), STATUS_SUCCESS | STATUS_HB, "SENDSIZE");
	if (blocks)
		send_block(&channel, text, size);
	else
		send_words(&channel, text, size);

	ebx = 0;
	need(message(&channel, RECVSIZE, &ebx),
	     STATUS_SUCCESS | STATUS_DORECV | STATUS_HB, "RECVSIZE");
	size = ebx;
	need(size < sizeof(text), 1, "a reply of that size");
	if (blocks)
		receive_block(&channel, text, size);
	else
		receive_words(&channel, text, size);
	text[size] = '\0';
	ebx = STATUS_SUCCESS;
	need(message(&channel, RECVSTATUS, &ebx), STATUS_SUCCESS, "RECVSTATUS");
	need(message(&channel, CLOSE, &ebx), STATUS_SUCCESS, "CLOSE");
	say(what);
	say(text);
	say("\n");
}

/* @arguments: their number, then they, as the kernel has put them on the stack. */
__attribute__((used, noreturn))
static void begin(char **arguments)
{
	need((size_t)arguments[0] == 2, 1, "usage: rpc-32 KEY:");
	ask("words: ", arguments[2], 0);
	ask("block: ", arguments[2], 1);
	for (;;)
		system_call(NR_EXIT, 0, NULL, 0);
}

asm(".globl _start\n"
	"_start:\n\t"
	"mov %esp, %eax\n\t"
	"and $-16, %esp\n\t"
	"sub $12, %esp\n\t"
	"push %eax\n\t"
	"call begin");
