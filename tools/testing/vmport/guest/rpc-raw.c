// SPDX-License-Identifier: GPL-2.0-only
/*
 * rpc-raw: send standard input as one GuestRPC, whatever bytes it has, and print
 * the reply as it is.
 * rpc-raw count TEXT TIMES: send TEXT with a number behind it so often.  Say how
 * many replies had the number, how many were KVM's default, and how many something
 * else.
 * rpc-raw close|poll TEXT: send TEXT from one thread; when it has been sent, another
 * one, on another processor, closes the channel or asks for the reply.
 * rpc-raw leave TEXT: send TEXT, and end without asking for the reply.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "message.h"

#define MAX_MESSAGE	65536

static volatile bool sending_last;

static void need(uint32_t status, uint32_t wanted, const char *what)
{
	if ((status & wanted) == wanted)
		return;
	printf("%s failed with status 0x%x\n", what, status);
	exit(1);
}

static void send_bytes(struct channel *channel, const char *bytes, size_t size)
{
	uint32_t ebx = size;
	size_t i;

	need(message(channel, SENDSIZE, &ebx), STATUS_SUCCESS, "SENDSIZE");
	for (i = 0; i < size; i += 4) {
		sending_last = i + 4 >= size;
		ebx = 0;
		memcpy(&ebx, bytes + i, size - i < 4 ? size - i : 4);
		need(message(channel, SENDPAYLOAD, &ebx), STATUS_SUCCESS, "SENDPAYLOAD");
	}
}

static char *receive_bytes(struct channel *channel, size_t *size)
{
	uint32_t ebx = 0;
	char *bytes;
	size_t i;

	need(message(channel, RECVSIZE, &ebx), STATUS_SUCCESS | STATUS_DORECV, "RECVSIZE");
	*size = ebx;
	bytes = calloc(1, *size + 5);
	if (!bytes)
		exit(1);
	for (i = 0; i < *size; i += 4) {
		ebx = STATUS_SUCCESS;
		need(message(channel, RECVPAYLOAD, &ebx), STATUS_SUCCESS, "RECVPAYLOAD");
		memcpy(bytes + i, &ebx, 4);
	}
	bytes[*size] = '\0';
	ebx = STATUS_SUCCESS;
	need(message(channel, RECVSTATUS, &ebx), STATUS_SUCCESS, "RECVSTATUS");
	return bytes;
}

static void open_channel(struct channel *channel)
{
	uint32_t ebx = RPCI | FLAG_COOKIE;

	need(message(channel, OPEN, &ebx), STATUS_SUCCESS, "OPEN");
}

static int once(void)
{
	static char bytes[MAX_MESSAGE];
	size_t size = fread(bytes, 1, sizeof(bytes), stdin);
	struct channel channel = { 0 };
	uint32_t ebx = 0;
	char *reply;

	open_channel(&channel);
	send_bytes(&channel, bytes, size);
	reply = receive_bytes(&channel, &size);
	fwrite(reply, 1, size, stdout);
	need(message(&channel, CLOSE, &ebx), STATUS_SUCCESS, "CLOSE");
	return 0;
}

static int count(const char *text, unsigned long times)
{
	unsigned long i, good = 0, unknown = 0, other = 0;
	struct channel channel = { 0 };
	char line[256], *reply;
	size_t size;

	open_channel(&channel);
	for (i = 0; i < times; i++) {
		snprintf(line, sizeof(line), "%s %d.%lu", text, getpid(), i);
		send_bytes(&channel, line, strlen(line));
		reply = receive_bytes(&channel, &size);
		if (!strncmp(reply, "1 ", 2) && !strcmp(reply + 2, strchr(line, ' ') + 1))
			good++;
		else if (!strcmp(reply, "0 Unknown command"))
			unknown++;
		else
			other++;
		free(reply);
	}
	printf("%lu good, %lu unknown, %lu other\n", good, unknown, other);
	return 0;
}

static int leave(const char *text)
{
	struct channel channel = { 0 };

	open_channel(&channel);
	send_bytes(&channel, text, strlen(text));
	return 0;
}

static struct channel shared;
static const char *shared_text;
static volatile bool returned;

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		perror("sched_setaffinity");
		exit(1);
	}
}

static void *sender(void *unused)
{
	(void)unused;
	pin(1);
	send_bytes(&shared, shared_text, strlen(shared_text));
	returned = true;
	return NULL;
}

static int interfere(bool close, const char *text)
{
	uint32_t ebx = 0;
	pthread_t thread;
	size_t size;
	char *reply;

	shared_text = text;
	pin(0);
	open_channel(&shared);
	if (pthread_create(&thread, NULL, sender, NULL))
		return 1;
	/* From then on it is as long as an IN takes, and the host answers later. */
	while (!sending_last)
		usleep(1000);
	sleep(2);
	printf("the sender %s, ", returned ? "has gone on" : "waits");
	if (close) {
		need(message(&shared, CLOSE, &ebx), STATUS_SUCCESS, "CLOSE");
		printf("closed\n");
	} else {
		reply = receive_bytes(&shared, &size);
		printf("the reply is [%s]\n", reply);
	}
	fflush(stdout);
	pthread_join(thread, NULL);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 1)
		return once();
	if (argc == 4 && !strcmp(argv[1], "count"))
		return count(argv[2], strtoul(argv[3], NULL, 10));
	if (argc == 3 && (!strcmp(argv[1], "close") || !strcmp(argv[1], "poll")))
		return interfere(!strcmp(argv[1], "close"), argv[2]);
	if (argc == 3 && !strcmp(argv[1], "leave"))
		return leave(argv[2]);
	fprintf(stderr, "usage: rpc-raw [count TEXT TIMES | (close | poll | leave) TEXT]\n");
	return 2;
}
