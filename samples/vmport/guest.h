/* SPDX-License-Identifier: GPL-2.0-only */
/* What the sample's guest and its VMM agree on. */
#ifndef VMPORT_SAMPLE_GUEST_H
#define VMPORT_SAMPLE_GUEST_H

/* Two ports of the VMM's, one byte each, written by the guest. */
#define PORT_CONSOLE	0xe9	/* text */
#define PORT_EVENT	0xf4	/* EVENT_* */

#define EVENT_HALF	1	/* half of the message is sent */
#define EVENT_DONE	2	/* the reply is on the console, the channel is closed */
#define EVENT_FAILED	3	/* a call has failed */

#ifndef __ASSEMBLER__
extern const unsigned char guest_start[], guest_end[];
#endif

#endif
