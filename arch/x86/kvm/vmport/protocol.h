/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The numbers by which guests reach the interface.
 */
#ifndef _VMPORT_PROTOCOL_H
#define _VMPORT_PROTOCOL_H

#define VMPORT_MAGIC		0x564d5868	/* "VMXh", in EAX */
#define VMPORT_PORT		0x5658		/* "VX", in DX */

/* The high-bandwidth port, for whole messages. */
#define VMPORT_HB_PORT		0x5659		/* in DX */
#define VMPORT_HB_MESSAGE	0		/* in BX: move a message */

#endif /* _VMPORT_PROTOCOL_H */
