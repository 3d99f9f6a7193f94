// SPDX-License-Identifier: GPL-2.0-only
/*
 * rpc-half send|receive FIFO REQUEST: one GuestRPC, stopped half way.
 *
 * An ordinary process of a guest.  "send" stops half way through sending the
 * request, "receive" half way through reading the reply.  It then says so and
 * waits for a line on FIFO, goes on with the very next word, and prints the
 * reply.  What happens to the virtual machine while it waits is none of its
 * business: it opens nothing again and repeats nothing.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC		0x564d5868
#define PORT		0x5658
#define CMD_MESSAGE	30
#define RPCI		0x49435052
#define FLAG_COOKIE	0x80000000

enum { OPEN, SENDSIZE, SENDPAYLOAD, RECVSIZE, RECVPAYLOAD, RECVSTATUS, CLOSE };

#define STATUS_SUCCESS	0x01
#define STATUS_DORECV	0x02

struct channel {
	uint32_t id;
	uint32_t cookie_high;
	uint32_t cookie_low;
};

/* One MESSAGE call; returns its status, and EBX in *@ebx. */
static uint32_t message(struct channel *channel, int type, uint32_t *ebx)
{
	uint32_t eax = MAGIC;
	uint32_t ecx = (uint32_t)type << 16 | CMD_MESSAGE;
	uint32_t edx = channel->id << 16 | PORT;
	uint32_t esi = channel->cookie_high;
	uint32_t edi = channel->cookie_low;

	asm volatile("inl %%dx, %%eax"
		     : "+a"(eax), "+b"(*ebx), "+c"(ecx), "+d"(edx), "+S"(esi), "+D"(edi)
		     :
		     : "memory", "cc");
	if (type == OPEN) {
		channel->id = edx >> 16;
		channel->cookie_high = esi;
		channel->cookie_low = edi;
	}
	return ecx >> 16;
}

static void need(uint32_t status, uint32_t wanted, const char *what)
{
	if ((status & wanted) == wanted)
		return;
	printf("%s failed with status 0x%x\n", what, status);
	exit(1);
}

static void pause_here(const char *fifo, const char *what, size_t done, size_t size)
{
	char line[16];
	FILE *file;

	printf("%s %zu of %zu bytes\n", what, done, size);
	fflush(stdout);
	file = fopen(fifo, "r");
	if (!file || !fgets(line, sizeof(line), file)) {
		perror(fifo);
		exit(1);
	}
	fclose(file);
}

int main(int argc, char **argv)
{
	struct channel channel = { 0 };
	const char *fifo, *request;
	size_t size, pause_at, i;
	uint32_t ebx, status;
	char *reply;

	if (argc != 4 || (strcmp(argv[1], "send") && strcmp(argv[1], "receive"))) {
		fprintf(stderr, "usage: rpc-half send|receive FIFO REQUEST\n");
		return 2;
	}
	fifo = argv[2];
	request = argv[3];
	size = strlen(request);

	ebx = RPCI | FLAG_COOKIE;
	need(message(&channel, OPEN, &ebx), STATUS_SUCCESS, "OPEN");
	ebx = size;
	need(message(&channel, SENDSIZE, &ebx), STATUS_SUCCESS, "SENDSIZE");

	/* Whole words, as the protocol sends them. */
	pause_at = strcmp(argv[1], "send") ? size + 4 : size / 2 / 4 * 4;
	for (i = 0; i < size; i += 4) {
		if (i == pause_at)
			pause_here(fifo, "sent", i, size);
		ebx = 0;
		memcpy(&ebx, request + i, size - i < 4 ? size - i : 4);
		need(message(&channel, SENDPAYLOAD, &ebx), STATUS_SUCCESS, "SENDPAYLOAD");
	}

	ebx = 0;
	status = message(&channel, RECVSIZE, &ebx);
	need(status, STATUS_SUCCESS | STATUS_DORECV, "RECVSIZE");
	size = ebx;
	reply = calloc(1, size + 4);
	if (!reply)
		return 1;
	pause_at = strcmp(argv[1], "receive") ? size + 4 : size / 2 / 4 * 4;
	for (i = 0; i < size; i += 4) {
		if (i == pause_at)
			pause_here(fifo, "received", i, size);
		ebx = STATUS_SUCCESS;
		need(message(&channel, RECVPAYLOAD, &ebx), STATUS_SUCCESS, "RECVPAYLOAD");
		memcpy(reply + i, &ebx, 4);
	}
	ebx = STATUS_SUCCESS;
	need(message(&channel, RECVSTATUS, &ebx), STATUS_SUCCESS, "RECVSTATUS");
	ebx = 0;
	need(message(&channel, CLOSE, &ebx), STATUS_SUCCESS, "CLOSE");

	printf("reply [%.*s]\n", (int)size, reply);
	return 0;
}
