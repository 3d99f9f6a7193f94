/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One GuestRPC call of a guest's process.  Needs no library.
 */
#ifndef VMPORT_GUEST_MESSAGE_H
#define VMPORT_GUEST_MESSAGE_H

#include <stdint.h>

#define MAGIC		0x564d5868
#define PORT		0x5658
#define BLOCK_PORT	0x5659
#define CMD_MESSAGE	30
#define RPCI		0x49435052
#define TCLO		0x4f4c4354
#define FLAG_COOKIE	0x80000000

enum { OPEN, SENDSIZE, SENDPAYLOAD, RECVSIZE, RECVPAYLOAD, RECVSTATUS, CLOSE };

#define STATUS_SUCCESS	0x01
#define STATUS_DORECV	0x02
#define STATUS_HB	0x80

struct channel {
	uint32_t id;
	uint32_t cookie_high;
	uint32_t cookie_low;
};

/* One MESSAGE call; returns its status, and EBX in *@ebx. */
static inline uint32_t message(struct channel *channel, uint32_t type, uint32_t *ebx)
{
	uint32_t eax = MAGIC;
	uint32_t ecx = type << 16 | CMD_MESSAGE;
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

#endif /* VMPORT_GUEST_MESSAGE_H */
