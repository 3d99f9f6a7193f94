/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The commands that KVM answers, for all tests: a row each.  What is not in here is the
 * VMM's.
 *
 * X(name, number in ECX bits 0..15, feature that it needs, flags)
 */
#ifndef _VMPORT_COMMANDS_H
#define _VMPORT_COMMANDS_H

/* Each time the same answer, which changes a register. */
#define COMMAND_FACT		1
/* Only if the VMM has set the answer. */
#define COMMAND_IF_SET		2
/* Only with 0 in ECX bits 16..31: the sub-command. */
#define COMMAND_SUB_0		4
/* Only from ring 0, with 0 in EBX too. */
#define COMMAND_RING_0		8

#define VMPORT_COMMANDS(X)						\
	X(GETMHZ,		1,	ENABLE,	COMMAND_FACT)		\
	X(GETVERSION,		10,	ENABLE,	COMMAND_FACT)		\
	X(GETHWVERSION,		17,	ENABLE,	COMMAND_FACT)		\
	X(GETUUID,		19,	ENABLE,	COMMAND_FACT | COMMAND_IF_SET) \
	X(GETMEMSIZE,		20,	ENABLE,	COMMAND_FACT | COMMAND_IF_SET) \
	X(GETTIME,		23,	ENABLE,	0)			\
	X(STOPCATCHUP,		24,	ENABLE,	0)			\
	X(MESSAGE,		30,	RPC,	0)			\
	X(GETHZ,		45,	ENABLE,	COMMAND_FACT)		\
	X(GETTIMEFULL,		46,	ENABLE,	0)			\
	X(GETTIMEFULL_WITH_LAG,	55,	ENABLE,	0)			\
	X(GET_VCPU_INFO,	68,	ENABLE,	COMMAND_FACT)		\
	X(STEALCLOCK,		91,	STEALCLOCK, COMMAND_SUB_0 | COMMAND_RING_0) \
	X(PRECISIONCLOCK,	97,	ENABLE,	COMMAND_SUB_0)

/* Some of the VMM's: pointer, clipboard, display, and numbers that nobody knows. */
#define VMPORT_COMMANDS_OF_OTHERS	0, 2, 4, 5, 39, 40, 41, 69, 255, 0xffff

struct command {
	const char *name;
	unsigned short nr;
	unsigned long long feature;
	unsigned int flags;
};

/* For a table of struct command. */
#define COMMAND_ROW(_name, _nr, _feature, _flags)			\
	{ #_name, _nr, KVM_VMPORT_FEATURE_##_feature, _flags },
/* For an enum of VMPORT_CMD_GETMHZ and so on. */
#define VMPORT_CMD(_name, _nr, _feature, _flags)	VMPORT_CMD_##_name = _nr,

#endif /* _VMPORT_COMMANDS_H */
