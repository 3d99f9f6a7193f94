// SPDX-License-Identifier: GPL-2.0-only
/*
 * rpc-load DIRECTORY: GuestRPC messages all the time, counted.
 *
 * Four processes, each on channels of its own, until there is a file "stop" in
 * DIRECTORY:
 *
 *   keys   sets an entry and reads it
 *   send   stops half way through sending
 *   read   stops half way through reading the reply
 *   block  sends and receives 20 KiB by the high-bandwidth port
 *
 * Every value is a number that no other message has.  At its end a process writes
 * "NAME N good, M bad" to DIRECTORY/NAME.  A reply that is wrong or missing, and one
 * more than was asked for, is bad.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "message.h"

#define BLOCK_SIZE	20480
#define ROOM		(BLOCK_SIZE + 32)
#define PAUSE		200000		/* us in the middle of a message */

/* How a worker sends its messages. */
struct manner {
	const char *name;
	int pause_sending;
	int pause_reading;
	int block;
};

static const struct manner manners[] = {
	{ .name = "keys" },
	{ .name = "send", .pause_sending = 1 },
	{ .name = "read", .pause_reading = 1 },
	{ .name = "block", .block = 1 },
	{ }
};

/* The high-bandwidth port has a cookie in RBP, where the compiler keeps its frame. */
static int send_block(struct channel *channel, const char *data, uint64_t size)
{
	uint64_t ax = MAGIC, bx = STATUS_SUCCESS << 16, cx = size;
	uint64_t dx = channel->id << 16 | BLOCK_PORT, si = (uintptr_t)data;
	uint64_t di = channel->cookie_low;
	register uint64_t r8 asm("r8");

	r8 = channel->cookie_high;
	asm volatile("xchg %%rbp, %%r8\n\tcld\n\trep outsb\n\txchg %%rbp, %%r8"
		     : "+a"(ax), "+b"(bx), "+c"(cx), "+d"(dx), "+S"(si), "+D"(di), "+r"(r8)
		     :
		     : "memory", "cc");
	return (bx >> 16 & STATUS_SUCCESS) && !cx;
}

static int receive_block(struct channel *channel, char *data, uint64_t size)
{
	uint64_t ax = MAGIC, bx = STATUS_SUCCESS << 16, cx = size;
	uint64_t dx = channel->id << 16 | BLOCK_PORT, si = channel->cookie_high;
	uint64_t di = (uintptr_t)data;
	register uint64_t r8 asm("r8");

	r8 = channel->cookie_low;
	asm volatile("xchg %%rbp, %%r8\n\tcld\n\trep insb\n\txchg %%rbp, %%r8"
		     : "+a"(ax), "+b"(bx), "+c"(cx), "+d"(dx), "+S"(si), "+D"(di), "+r"(r8)
		     :
		     : "memory", "cc");
	return (bx >> 16 & STATUS_SUCCESS) && !cx;
}

static int send_text(struct channel *channel, const struct manner *manner, const char *text)
{
	uint32_t size = strlen(text), ebx = size, i;

	if (!(message(channel, SENDSIZE, &ebx) & STATUS_SUCCESS))
		return 0;
	if (manner->block)
		return send_block(channel, text, size);
	for (i = 0; i < size; i += 4) {
		if (manner->pause_sending && i == size / 2 / 4 * 4)
			usleep(PAUSE);
		ebx = 0;
		memcpy(&ebx, text + i, size - i < 4 ? size - i : 4);
		if (!(message(channel, SENDPAYLOAD, &ebx) & STATUS_SUCCESS))
			return 0;
	}
	return 1;
}

/* What waits on the channel is @wanted, and nothing after it. */
static int receives(struct channel *channel, const struct manner *manner, const char *wanted)
{
	static char text[ROOM];
	uint32_t size, ebx = 0, status, i;

	status = message(channel, RECVSIZE, &ebx);
	if (!(status & STATUS_SUCCESS) || !(status & STATUS_DORECV))
		return 0;
	size = ebx;
	if (size != strlen(wanted))
		return 0;
	if (manner->block && !receive_block(channel, text, size))
		return 0;
	for (i = 0; i < size && !manner->block; i += 4) {
		if (manner->pause_reading && i == size / 2 / 4 * 4)
			usleep(PAUSE);
		ebx = STATUS_SUCCESS;
		if (!(message(channel, RECVPAYLOAD, &ebx) & STATUS_SUCCESS))
			return 0;
		memcpy(text + i, &ebx, 4);
	}
	ebx = STATUS_SUCCESS;
	if (!(message(channel, RECVSTATUS, &ebx) & STATUS_SUCCESS) || memcmp(text, wanted, size))
		return 0;
	ebx = 0;
	status = message(channel, RECVSIZE, &ebx);
	return (status & STATUS_SUCCESS) && !(status & STATUS_DORECV);
}

static int ask(struct channel *channel, const struct manner *manner, const char *request,
	       const char *reply)
{
	return send_text(channel, manner, request) && receives(channel, manner, reply);
}

/* Set the entry to @number, and read it. */
static int round_trip(const struct manner *manner, unsigned int number)
{
	static char request[ROOM + 64], reply[ROOM];
	struct channel channel = { 0 };
	uint32_t ebx = RPCI | FLAG_COOKIE;
	int good;

	if (!(message(&channel, OPEN, &ebx) & STATUS_SUCCESS))
		return 0;
	snprintf(reply, sizeof(reply), "1 %0*u", manner->block ? BLOCK_SIZE : 60, number);
	snprintf(request, sizeof(request), "info-set guestinfo.load.%s %s", manner->name,
		 reply + 2);
	good = ask(&channel, manner, request, "1 ");
	snprintf(request, sizeof(request), "info-get guestinfo.load.%s", manner->name);
	good = good && ask(&channel, manner, request, reply);
	ebx = 0;
	return (message(&channel, CLOSE, &ebx) & STATUS_SUCCESS) && good;
}

static void work(const struct manner *manner)
{
	unsigned int number = 0, bad = 0;
	FILE *file;

	while (access("stop", F_OK)) {
		bad += !round_trip(manner, ++number);
		usleep(manner->block ? PAUSE : PAUSE / 10);
	}
	file = fopen(manner->name, "w");
	if (!file)
		exit(1);
	fprintf(file, "%s %u good, %u bad\n", manner->name, number - bad, bad);
	fclose(file);
	exit(0);
}

int main(int argc, char **argv)
{
	const struct manner *manner;

	if (argc != 2 || chdir(argv[1])) {
		fprintf(stderr, "usage: rpc-load DIRECTORY\n");
		return 2;
	}
	for (manner = manners; manner->name; manner++) {
		if (!fork())
			work(manner);
	}
	while (wait(NULL) > 0)
		;
	return 0;
}
