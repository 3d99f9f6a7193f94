// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmmouse id|absolute|read: what a guest's mouse driver asks on port 0x5658.
 *
 * An ordinary process of a guest.  The commands are the VMM's: "id" turns the
 * device on and prints the version that it queues, "absolute" asks for absolute
 * positions, "read" prints one queued packet.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC		0x564d5868
#define PORT		0x5658

#define CMD_DATA	39
#define CMD_STATUS	40
#define CMD_COMMAND	41

#define COMMAND_READ_ID		0x45414552
#define COMMAND_ABSOLUTE	0x53424152

#define PACKET_WORDS	4

struct registers {
	uint32_t eax, ebx, ecx, edx;
};

static struct registers call(uint32_t command, uint32_t argument)
{
	struct registers r = { .eax = MAGIC, .ebx = argument, .ecx = command, .edx = PORT };

	asm volatile("inl %%dx, %%eax"
		     : "+a"(r.eax), "+b"(r.ebx), "+c"(r.ecx), "+d"(r.edx)
		     :
		     : "memory", "cc");
	return r;
}

/* Words that wait in the device's queue. */
static unsigned int queued(void)
{
	uint32_t status = call(CMD_STATUS, 0).eax;

	if (status >> 16) {
		printf("status 0x%x: the device is off or there is none\n", status);
		exit(1);
	}
	return status;
}

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";
	unsigned int words;
	struct registers r;

	if (!strcmp(what, "id")) {
		call(CMD_COMMAND, COMMAND_READ_ID);
		words = queued();
		r = call(CMD_DATA, 1);
		printf("%u queued, version 0x%x\n", words, r.eax);
	} else if (!strcmp(what, "absolute")) {
		call(CMD_COMMAND, COMMAND_ABSOLUTE);
		printf("%u queued\n", queued());
	} else if (!strcmp(what, "read")) {
		words = queued();
		if (words < PACKET_WORDS) {
			printf("%u queued, no packet\n", words);
			return 1;
		}
		r = call(CMD_DATA, PACKET_WORDS);
		printf("buttons 0x%x x %u y %u z %d\n", r.eax, r.ebx, r.ecx, (int)r.edx);
	} else {
		fprintf(stderr, "usage: vmmouse id|absolute|read\n");
		return 2;
	}
	return 0;
}
