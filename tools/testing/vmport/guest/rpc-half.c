// SPDX-License-Identifier: GPL-2.0-only
/*
 * rpc-half send|receive FIFO REQUEST: one GuestRPC, stopped half way.
 * rpc-half take: the tools' side of a request from the host, never answered.
 *
 * An ordinary process of a guest.  "send" stops half way through sending the
 * request, "receive" half way through reading the reply.  It then says so and
 * waits for a line on FIFO, goes on with the very next word, and prints the
 * reply.  What happens to the virtual machine while it waits is none of its
 * business: it opens nothing again and repeats nothing.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "message.h"

#define NO_PAUSE	SIZE_MAX

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

/* Send @text, with a pause at @pause_at where that is in it. */
static void send_text(struct channel *channel, const char *text, size_t pause_at,
		      const char *fifo)
{
	size_t size = strlen(text), i;
	uint32_t ebx = size;

	need(message(channel, SENDSIZE, &ebx), STATUS_SUCCESS, "SENDSIZE");
	for (i = 0; i < size; i += 4) {
		if (i == pause_at)
			pause_here(fifo, "sent", i, size);
		ebx = 0;
		memcpy(&ebx, text + i, size - i < 4 ? size - i : 4);
		need(message(channel, SENDPAYLOAD, &ebx), STATUS_SUCCESS, "SENDPAYLOAD");
	}
}

/*
 * What waits on the channel, NULL when there is nothing; with a pause half way
 * where there is a @fifo.
 */
static char *receive_text(struct channel *channel, const char *fifo)
{
	size_t size, pause_at, i;
	uint32_t ebx = 0, status;
	char *text;

	status = message(channel, RECVSIZE, &ebx);
	need(status, STATUS_SUCCESS, "RECVSIZE");
	if (!(status & STATUS_DORECV))
		return NULL;
	size = ebx;
	text = calloc(1, size + 4);
	if (!text)
		exit(1);
	pause_at = fifo ? size / 2 / 4 * 4 : size + 4;
	for (i = 0; i < size; i += 4) {
		if (i == pause_at)
			pause_here(fifo, "received", i, size);
		ebx = STATUS_SUCCESS;
		need(message(channel, RECVPAYLOAD, &ebx), STATUS_SUCCESS, "RECVPAYLOAD");
		memcpy(text + i, &ebx, 4);
	}
	ebx = STATUS_SUCCESS;
	need(message(channel, RECVSTATUS, &ebx), STATUS_SUCCESS, "RECVSTATUS");
	return text;
}

static void open_channel(struct channel *channel, uint32_t protocol)
{
	uint32_t ebx = protocol | FLAG_COOKIE;

	need(message(channel, OPEN, &ebx), STATUS_SUCCESS, "OPEN");
}

/* Take one request of the host's, and leave it without an answer. */
static void take(void)
{
	struct channel channel = { 0 };
	char *request;

	open_channel(&channel, TCLO);
	for (;;) {
		request = receive_text(&channel, NULL);
		if (!request) {
			usleep(100000);
			continue;
		}
		if (strcmp(request, "reset"))
			break;
		free(request);
		send_text(&channel, "OK ATR toolbox", NO_PAUSE, NULL);
	}
	printf("took [%s]\n", request);
	fflush(stdout);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	struct channel channel = { 0 };
	bool half_sent, half_received;
	const char *fifo, *request;
	uint32_t ebx = 0;
	char *reply;

	if (argc == 2 && !strcmp(argv[1], "take"))
		take();
	half_sent = argc == 4 && !strcmp(argv[1], "send");
	half_received = argc == 4 && !strcmp(argv[1], "receive");
	if (!half_sent && !half_received) {
		fprintf(stderr, "usage: rpc-half send|receive FIFO REQUEST\n"
				"       rpc-half take\n");
		return 2;
	}
	fifo = argv[2];
	request = argv[3];

	open_channel(&channel, RPCI);
	/* Whole words, as the protocol sends them. */
	send_text(&channel, request, half_sent ? strlen(request) / 2 / 4 * 4 : NO_PAUSE, fifo);
	reply = receive_text(&channel, half_received ? fifo : NULL);
	if (!reply) {
		printf("no reply\n");
		return 1;
	}
	need(message(&channel, CLOSE, &ebx), STATUS_SUCCESS, "CLOSE");
	printf("reply [%s]\n", reply);
	return 0;
}
