// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of clients, and what runs one of its rows.
 *
 * Facts are from the clients' sources, which are named at each style and row.  None
 * of them was written for this project: what a row checks is what keeps a real guest
 * from working.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "clients.h"
#include "commands.h"

#define MAGIC		0x564d5868
#define PORT		0x5658
#define BLOCK_PORT	0x5659

/* GETMHZ and so on. */
#define COMMAND_NUMBER(_name, _nr, _feature, _flags)	_name = _nr,
enum { VMPORT_COMMANDS(COMMAND_NUMBER) };

/* KVM_VMPORT_GUESTINFO_READONLY and _WIPEABLE; _PRIVILEGED. */
#define WIPEABLE	0x9
#define PRIVILEGED	0x4

#define RPCI		0x49435052
#define TCLO		0x4f4c4354
#define FLAG_COOKIE	0x80000000

#define SUCCESS		0x01
#define DORECV		0x02
#define BLOCKS		0x80

/* ECX bits 16..31 of a MESSAGE, and then what is checked at other times. */
enum {
	OPEN,
	SENDSIZE,
	SENDPAYLOAD,
	RECVSIZE,
	RECVPAYLOAD,
	RECVSTATUS,
	CLOSE,
	REQUESTS,

	WAITING = REQUESTS,	/* RECVSIZE, when a message waits */
	BLOCK,			/* REP INSB and REP OUTSB */
	CHECKED
};

static const char *const request_names[CHECKED] = {
	"OPEN", "SENDSIZE", "SENDPAYLOAD", "RECVSIZE", "RECVPAYLOAD", "RECVSTATUS", "CLOSE",
	"RECVSIZE", "REP INSB or OUTSB",
};

/* Registers, as sets and one by one. */
enum {
	AX = 1 << 0,
	BX = 1 << 1,
	CX = 1 << 2,
	DX = 1 << 3,
	SI = 1 << 4,
	DI = 1 << 5,
	BP = 1 << 6,
};

#define NR_REGS		7

/* One condition on the low 32 bits of a register; none when @reg is 0. */
struct client_check {
	u8 reg;
	bool differs;
	u32 mask;
	u32 value;
};

#define IS(_reg, _mask, _value)		{ .reg = _reg, .mask = _mask, .value = _value }
#define IS_NOT(_reg, _mask, _value)					\
	{ .reg = _reg, .differs = true, .mask = _mask, .value = _value }

#define MAX_CHECKS	3

/* A command other than MESSAGE: @bx and @cx_high go in, @changes may change. */
struct client_command {
	u16 nr;
	u16 cx_high;
	u32 bx;
	u8 loads;
	u8 changes;
	struct client_check checks[MAX_CHECKS];
};

/**
 * struct client_style - how a client makes requests
 * @loads: registers that it loads for each request besides EAX, ECX and DX: BX, DX
 *	for the channel in the upper half, SI | DI for the cookie, BP.  What is loaded
 *	and means nothing to the request is 0.  In the others is what the compiler left.
 * @words: the instruction of its low-bandwidth calls
 * @blocks: it moves data by blocks: never, when the host offers them, or always
 * @each: holds after each request
 * @checks: what else holds
 * @room: of its buffer for messages, 0: as large as they are.  One byte stays for a
 *	NUL, what does not fit is left.
 * @gives_type: RECVPAYLOAD and RECVSTATUS get what RECVSIZE gave in the upper half
 *	of EDX for a status, not 1
 * @acks: it ends a message by RECVSTATUS
 * @whole: it loads 64 bits, and takes the size out of all 64 of RBX
 */
struct client_style {
	u8 loads[REQUESTS];
	enum client_instruction words;
	enum { NEVER, WHERE_OFFERED, ALWAYS } blocks;
	struct client_check each;
	struct client_check checks[CHECKED][MAX_CHECKS];
	u32 room;
	bool gives_type;
	bool acks;
	bool whole;
};

enum client_step_kind {
	END,
	GIVEN,		/* the host sets a guestinfo entry */
	HAS,		/* the host sees it */
	COMMAND,
	OPEN_CHANNEL,
	SAY,		/* send a message */
	HEAR,		/* receive one */
	LEAVE,		/* begin to receive one, and give up */
	NOTHING,	/* no message waits */
	CLOSE_CHANNEL,
	REFUSED,	/* the channel is closed, and the client understands that */
	WANT,		/* the host has a request */
	RESULT,		/* the host has its result */
};

/* @text and @pattern more bytes, a zero each up to @size. */
struct client_step {
	enum client_step_kind kind;
	u32 protocol;
	const char *key;
	u32 flags;
	const char *text;
	u32 text_size;
	u32 pattern;
	u32 size;
	const struct client_command *command;
};

#define TEXT(_text)			.text = _text, .text_size = sizeof(_text) - 1

#define STEP_GIVEN(_key, _text)		{ .kind = GIVEN, .key = _key, TEXT(_text) }
#define STEP_GIVEN_LONG(_key, _size)	{ .kind = GIVEN, .key = _key, .pattern = _size }
/* With flags. */
#define STEP_GIVEN_AS(_flags, _key, _text)					\
	{ .kind = GIVEN, .key = _key, .flags = _flags, TEXT(_text) }
#define STEP_GIVEN_LONG_AS(_flags, _key, _size)					\
	{ .kind = GIVEN, .key = _key, .flags = _flags, .pattern = _size }
#define STEP_HAS(_key, _text)		{ .kind = HAS, .key = _key, TEXT(_text) }
#define STEP_COMMAND(...)							\
	{ .kind = COMMAND, .command = &(const struct client_command) { __VA_ARGS__ } }
#define STEP_OPEN(_protocol)		{ .kind = OPEN_CHANNEL, .protocol = _protocol }
#define STEP_CLOSE(_protocol)		{ .kind = CLOSE_CHANNEL, .protocol = _protocol }
#define STEP_REFUSED(_protocol)		{ .kind = REFUSED, .protocol = _protocol }
#define STEP_NOTHING(_protocol)		{ .kind = NOTHING, .protocol = _protocol }
#define STEP_LEAVE(_protocol)		{ .kind = LEAVE, .protocol = _protocol }
#define STEP_SAY(_protocol, _text)	{ .kind = SAY, .protocol = _protocol, TEXT(_text) }
#define STEP_HEAR(_protocol, _text)	{ .kind = HEAR, .protocol = _protocol, TEXT(_text) }
#define STEP_HEAR_LONG(_protocol, _text, _size)					\
	{ .kind = HEAR, .protocol = _protocol, TEXT(_text), .pattern = _size }
#define STEP_WANT(_name, _text)		{ .kind = WANT, .key = _name, TEXT(_text) }
#define STEP_WANT_LONG(_name, _size)	{ .kind = WANT, .key = _name, .pattern = _size }
#define STEP_RESULT(_text)		{ .kind = RESULT, TEXT(_text) }

/* Ask and be answered. */
#define STEPS_ASK(_text, _reply)						\
	STEP_SAY(RPCI, _text),							\
	STEP_HEAR(RPCI, _reply)
/* With its NUL, or zeroes up to so many bytes. */
#define STEPS_ASK_SIZE(_text, _size, _reply)					\
	{ .kind = SAY, .protocol = RPCI, TEXT(_text), .size = _size },		\
	STEP_HEAR(RPCI, _reply)
#define STEPS_ASK_NUL(_text, _reply)	STEPS_ASK_SIZE(_text, sizeof(_text), _reply)
#define STEPS_ASK_LONG(_text, _size)						\
	STEP_SAY(RPCI, _text),							\
	STEP_HEAR_LONG(RPCI, "1 ", _size)
/* On a channel of its own. */
#define STEPS_ASK_ONCE(_text, _reply)						\
	STEP_OPEN(RPCI),							\
	STEPS_ASK(_text, _reply),						\
	STEP_CLOSE(RPCI)

/* ------------------------------------------------------------------------- */

/*
 * open-vm-tools: lib/message/message.c fills a structure on its stack only as far as
 * a request needs it; lib/backdoor/backdoorGcc64.c loads all of it.
 */
static const struct client_style open_vm_tools_style = {
	.loads = {
		[OPEN]		= BX,
		[SENDSIZE]	= BX | DX | SI | DI,
		[SENDPAYLOAD]	= BX | DX | SI | DI,
		[RECVSIZE]	= DX | SI | DI,
		[RECVPAYLOAD]	= BX | DX | SI | DI,
		[RECVSTATUS]	= BX | DX | SI | DI,
		[CLOSE]		= DX | SI | DI,
	},
	.words = CLIENT_IN,
	.blocks = WHERE_OFFERED,
	.each = IS(CX, SUCCESS << 16, SUCCESS << 16),
	.checks = {
		[WAITING]	= { IS(DX, 0xffff0000, SENDSIZE << 16) },
		[RECVPAYLOAD]	= { IS(DX, 0xffff0000, SENDPAYLOAD << 16) },
		[BLOCK]		= { IS(BX, SUCCESS << 16, SUCCESS << 16) },
	},
	.acks = true,
};

/* lib/vmCheck/vmcheck.c, services/plugins/timeSync/timeSync.c. */
static const struct client_step open_vm_tools_steps[] = {
	STEP_COMMAND(.nr = GETVERSION, .loads = BX, .bx = ~MAGIC, .cx_high = 0xffff,
		     .changes = AX | BX | CX,
		     .checks = { IS_NOT(AX, ~0u, ~0u), IS(BX, ~0u, MAGIC),
				 IS_NOT(CX, 0xffff0000, 0xffff0000) }),
	STEP_COMMAND(.nr = GETTIMEFULL_WITH_LAG, .changes = BX | CX | DX | SI | DI,
		     .checks = { IS(AX, ~0u, MAGIC), IS(SI, ~0u, 0), IS_NOT(DX, ~0u, 0) }),
	STEP_COMMAND(.nr = STOPCATCHUP, .changes = 0),
	STEP_GIVEN("guestinfo.given", "by the host"),
	STEP_GIVEN_LONG("guestinfo.long", 6000),

	/* vmware-rpctool: lib/rpcOut/rpcout.c. */
	STEPS_ASK_ONCE("info-get guestinfo.given", "1 by the host"),
	STEPS_ASK_ONCE("info-get guestinfo.none", "0 No value found"),
	STEPS_ASK_ONCE("info-set guestinfo.own of the guest", "1 "),
	STEP_HAS("guestinfo.own", "of the guest"),

	/* vmtoolsd: lib/rpcIn/rpcin.c, lib/rpcChannel/rpcChannel.c; a channel each way. */
	STEP_OPEN(TCLO),
	STEP_OPEN(RPCI),
	STEP_SAY(TCLO, ""),
	STEP_HEAR(TCLO, "reset"),
	STEP_SAY(TCLO, "OK ATR toolbox"),
	STEP_NOTHING(TCLO),
	STEP_WANT("toolbox", "Capabilities_Register"),
	STEP_SAY(TCLO, ""),
	STEP_HEAR(TCLO, "Capabilities_Register"),
	STEPS_ASK("tools.capability.statechange", "1 "),
	STEPS_ASK("tools.set.versiontype 12421 4", "1 "),
	STEP_SAY(TCLO, "OK "),
	STEP_NOTHING(TCLO),
	STEP_RESULT("OK "),
	STEP_SAY(TCLO, ""),
	STEP_NOTHING(TCLO),
	STEPS_ASK_LONG("info-get guestinfo.long", 6000),
	STEPS_ASK("log all is well", "1 "),

	/* No memory for a reply: it gives up, and the channel goes on. */
	STEP_SAY(RPCI, "info-get guestinfo.given"),
	STEP_LEAVE(RPCI),
	STEPS_ASK("info-get guestinfo.given", "1 by the host"),
	STEP_CLOSE(RPCI),
	STEP_REFUSED(RPCI),
	STEP_CLOSE(TCLO),
	STEP_REFUSED(TCLO),
	{ }
};

const struct client client_open_vm_tools = {
	.style = &open_vm_tools_style,
	.steps = open_vm_tools_steps,
	.ring3 = true,
	.blocks = true,
	.cookie = true,
};

/* The same, short. */
static const struct client_step open_vm_tools_words_steps[] = {
	STEP_GIVEN("guestinfo.given", "by the host"),
	STEPS_ASK_ONCE("info-get guestinfo.given", "1 by the host"),
	STEPS_ASK_ONCE("info-get guestinfo.none", "0 No value found"),
	STEPS_ASK_ONCE("info-set guestinfo.own", "0 Two and exactly two arguments expected"),
	STEPS_ASK_ONCE("info-set guestinfo.own ", "1 "),
	STEP_HAS("guestinfo.own", ""),
	STEP_OPEN(TCLO),
	STEP_SAY(TCLO, ""),
	STEP_HEAR(TCLO, "reset"),
	STEP_SAY(TCLO, "OK ATR toolbox"),
	STEP_NOTHING(TCLO),
	STEP_WANT("toolbox", "ping"),
	STEP_SAY(TCLO, ""),
	STEP_LEAVE(TCLO),
	STEP_HEAR(TCLO, "ping"),
	STEP_SAY(TCLO, "OK "),
	STEP_RESULT("OK "),
	STEP_NOTHING(TCLO),
	STEP_CLOSE(TCLO),
	STEP_REFUSED(TCLO),
	{ }
};

const struct client client_open_vm_tools_words = {
	.style = &open_vm_tools_style,
	.steps = open_vm_tools_words_steps,
	.ring3 = true,
	.cookie = true,
};

/*
 * Message_OpenAllocated() tries again without a cookie, and then takes for one what
 * the second OPEN left in ESI and EDI.
 */
const struct client client_open_vm_tools_plain = {
	.style = &open_vm_tools_style,
	.steps = open_vm_tools_steps,
	.ring3 = true,
	.blocks = true,
};

/* vmtoolsd -n vmusr: services/vmtoolsd/mainLoop.c has its name. */
static const struct client_step open_vm_tools_desktop_steps[] = {
	STEP_OPEN(TCLO),
	STEP_SAY(TCLO, ""),
	STEP_HEAR(TCLO, "reset"),
	STEP_SAY(TCLO, "OK ATR toolbox-dnd"),
	STEP_NOTHING(TCLO),
	STEP_WANT("toolbox-dnd", "ping"),
	STEP_SAY(TCLO, ""),
	STEP_HEAR(TCLO, "ping"),
	STEP_SAY(TCLO, "OK "),
	STEP_RESULT("OK "),
	STEP_NOTHING(TCLO),
	/* The system's daemon does not run, and this one is not asked for it. */
	STEP_WANT("toolbox", "OS_Halt"),
	STEP_SAY(TCLO, ""),
	STEP_NOTHING(TCLO),
	STEP_CLOSE(TCLO),
	{ }
};

const struct client client_open_vm_tools_desktop = {
	.style = &open_vm_tools_style,
	.steps = open_vm_tools_desktop_steps,
	.ring3 = true,
	.blocks = true,
	.cookie = true,
};

/* cloudinit/sources/DataSourceVMware.py runs vmware-rpctool. */
static const struct client_step cloud_init_steps[] = {
	STEP_GIVEN_LONG("guestinfo.userdata", 7777),
	STEP_GIVEN("guestinfo.userdata.encoding", "gzip+base64"),
	STEPS_ASK_ONCE("info-get guestinfo.metadata", "0 No value found"),
	STEP_OPEN(RPCI),
	STEPS_ASK_LONG("info-get guestinfo.userdata", 7777),
	STEP_CLOSE(RPCI),
	STEPS_ASK_ONCE("info-get guestinfo.userdata.encoding", "1 gzip+base64"),
	STEPS_ASK_ONCE("info-get guestinfo.vendordata", "0 No value found"),
	STEPS_ASK_ONCE("info-set guestinfo.userdata ---", "1 "),
	STEP_HAS("guestinfo.userdata", "---"),
	STEPS_ASK_ONCE("info-set guestinfo.userdata.encoding  ", "1 "),
	STEP_HAS("guestinfo.userdata.encoding", " "),

	/* The same where the host lets it do just that. */
	STEP_GIVEN_AS(WIPEABLE, "guestinfo.userdata", "#cloud-config"),
	STEP_GIVEN_AS(WIPEABLE, "guestinfo.userdata.encoding", "base64"),
	STEPS_ASK_ONCE("info-get guestinfo.userdata", "1 #cloud-config"),
	STEPS_ASK_ONCE("info-set guestinfo.userdata ---", "1 "),
	STEP_HAS("guestinfo.userdata", ""),
	STEPS_ASK_ONCE("info-set guestinfo.userdata.encoding  ", "1 "),
	STEP_HAS("guestinfo.userdata.encoding", ""),
	STEPS_ASK_ONCE("info-get guestinfo.userdata", "1 "),
	{ }
};

const struct client client_cloud_init = {
	.style = &open_vm_tools_style,
	.steps = cloud_init_steps,
	.ring3 = true,
	.blocks = true,
	.cookie = true,
};

/* ------------------------------------------------------------------------- */

/*
 * Linux: arch/x86/kernel/cpu/vmware.c and arch/x86/include/asm/vmware.h.  ESI and EDI
 * are the compiler's.
 */
static const struct client_step linux_platform_steps[] = {
	STEP_COMMAND(.nr = GETVERSION, .loads = BX, .bx = ~0u, .changes = AX | BX | CX,
		     .checks = { IS_NOT(AX, ~0u, ~0u), IS(BX, ~0u, MAGIC) }),
	STEP_COMMAND(.nr = GETHZ, .loads = BX, .bx = ~0u, .changes = AX | BX | CX,
		     .checks = { IS_NOT(BX, ~0u, ~0u), IS_NOT(AX, ~0u, 0),
				 IS_NOT(CX, ~0u, 0) }),
	STEP_COMMAND(.nr = GET_VCPU_INFO, .loads = BX, .bx = ~0u, .changes = AX,
		     .checks = { IS(AX, 1u << 31, 0) }),
	/* drivers/ptp/ptp_vmw.c: nanoseconds since 1970 in EBX:ECX, 0 in EAX for success. */
	STEP_COMMAND(.nr = PRECISIONCLOCK, .loads = BX | DX, .changes = AX | BX | CX,
		     .checks = { IS(AX, ~0u, 0), IS_NOT(BX, ~0u, 0) }),
	{ }
};

const struct client client_linux_platform = {
	.style = &open_vm_tools_style,
	.steps = linux_platform_steps,
};

/* Linux: drivers/gpu/drm/vmwgfx/vmwgfx_msg.c and vmwgfx_msg_x86.h. */
static const struct client_style vmwgfx_style = {
	.loads = { [OPEN ... CLOSE] = BX | DX | SI | DI },
	.words = CLIENT_IN,
	.blocks = WHERE_OFFERED,
	.each = IS(CX, SUCCESS << 16, SUCCESS << 16),
	.checks = {
		[BLOCK]		= { IS(BX, SUCCESS << 16, SUCCESS << 16) },
	},
	.acks = true,
};

static const struct client_step vmwgfx_steps[] = {
	STEP_GIVEN("guestinfo.svga.gl3", "true"),
	/* vmw_host_printf() does not wait for its reply. */
	STEP_OPEN(RPCI),
	STEP_SAY(RPCI, "log vmwgfx: Module Version: 2.20.0"),
	STEP_CLOSE(RPCI),
	STEPS_ASK_ONCE("info-get guestinfo.svga.gl3", "1 true"),
	STEP_OPEN(RPCI),
	STEPS_ASK("info-get guestinfo.svga.gl4", "0 No value found"),
	STEP_CLOSE(RPCI),
	STEP_REFUSED(RPCI),
	{ }
};

const struct client client_linux_vmwgfx = {
	.style = &vmwgfx_style,
	.steps = vmwgfx_steps,
	.blocks = true,
	.cookie = true,
};

const struct client client_linux_vmwgfx_words = {
	.style = &vmwgfx_style,
	.steps = vmwgfx_steps,
	.cookie = true,
};

/* ------------------------------------------------------------------------- */

/* A structure of zeroes for each request. */
#define LOADS_ALL	{ [OPEN ... CLOSE] = BX | DX | SI | DI | BP }

/* Go: vmw-guestinfo, message/message.go and bdoor/bdoor_amd64.s. */
static const struct client_style go_style = {
	.loads = LOADS_ALL,
	.words = CLIENT_IN,
	.blocks = WHERE_OFFERED,
	.each = IS(CX, SUCCESS << 16, SUCCESS << 16),
	.checks = {
		[WAITING]	= { IS(DX, 0xffff0000, SENDSIZE << 16) },
		[RECVPAYLOAD]	= { IS(DX, 0xffff0000, SENDPAYLOAD << 16) },
		[BLOCK]		= { IS(BX, SUCCESS << 16, SUCCESS << 16) },
	},
	.acks = true,
	.whole = true,
};

/* vmw-guestinfo, vmcheck/vmcheck.go. */
#define STEP_GO_CHECK								\
	STEP_COMMAND(.nr = GETVERSION, .loads = BX | DX | SI | DI | BP,		\
		     .changes = AX | BX | CX, .checks = { IS_NOT(AX, ~0u, 0) })

/*
 * Ignition, internal/providers/vmware/vmware_amd64.go, by vmw-guestinfo's
 * rpcvmx/rpcvmx.go and rpcout/rpcout.go.
 */
static const struct client_step ignition_steps[] = {
	/* Behind iopl(), vmcheck/bits_linux.go. */
	STEP_GO_CHECK,
	STEP_GIVEN_LONG_AS(PRIVILEGED | WIPEABLE, "guestinfo.ignition.config.data", 8000),
	STEP_GIVEN_AS(PRIVILEGED | WIPEABLE, "guestinfo.ignition.config.data.encoding",
		      "gzip+base64"),
	STEPS_ASK_ONCE("info-get guestinfo.ovfenv", "0 No value found"),
	STEP_OPEN(RPCI),
	STEPS_ASK_LONG("info-get guestinfo.ignition.config.data", 8000),
	STEP_CLOSE(RPCI),
	STEPS_ASK_ONCE("info-get guestinfo.ignition.config.data.encoding", "1 gzip+base64"),
	STEP_REFUSED(RPCI),

	/* ignition-rmcfg, once all is done: each reply but "1 " ends the boot. */
	STEP_GO_CHECK,
	STEP_OPEN(RPCI),
	STEPS_ASK_LONG("info-get guestinfo.ignition.config.data", 8000),
	STEP_CLOSE(RPCI),
	STEPS_ASK_ONCE("info-set guestinfo.ignition.config.data e30K", "1 "),
	STEPS_ASK_ONCE("info-get guestinfo.ignition.config.data.encoding", "1 gzip+base64"),
	STEPS_ASK_ONCE("info-set guestinfo.ignition.config.data.encoding base64", "1 "),
	STEPS_ASK_ONCE("info-get guestinfo.ovfenv", "0 No value found"),
	STEP_HAS("guestinfo.ignition.config.data", ""),
	STEP_HAS("guestinfo.ignition.config.data.encoding", ""),
	{ }
};

const struct client client_ignition = {
	.style = &go_style,
	.steps = ignition_steps,
	.ring3 = true,
	.permitted = true,
	.blocks = true,
	.cookie = true,
};

/* govmomi, toolbox/service.go and toolbox/backdoor.go. */
static const struct client_step govmomi_steps[] = {
	STEP_GO_CHECK,
	STEP_OPEN(TCLO),
	STEP_OPEN(RPCI),
	STEP_SAY(TCLO, ""),
	STEP_HEAR(TCLO, "reset"),
	STEPS_ASK("SetGuestInfo  10 \0\0\0\3\0\0\0\1", "1 "),
	STEP_SAY(TCLO, "OK ATR toolbox"),
	STEP_NOTHING(TCLO),
	STEP_SAY(TCLO, ""),
	STEP_NOTHING(TCLO),
	STEP_WANT("toolbox", "Set_Option broadcastIP 1"),
	STEP_WANT("toolbox", "Vix_1_Relayed_Command"),
	STEP_SAY(TCLO, ""),
	STEP_HEAR(TCLO, "Set_Option broadcastIP 1"),
	STEPS_ASK("info-set guestinfo.ip 192.0.2.1", "1 "),
	STEP_HAS("guestinfo.ip", "192.0.2.1"),
	STEP_SAY(TCLO, "OK "),
	STEP_HEAR(TCLO, "Vix_1_Relayed_Command"),
	STEP_SAY(TCLO, "Unknown Command"),
	STEP_NOTHING(TCLO),
	STEP_RESULT("OK "),
	STEP_RESULT("Unknown Command"),
	STEP_CLOSE(TCLO),
	STEP_CLOSE(RPCI),
	{ }
};

const struct client client_govmomi = {
	.style = &go_style,
	.steps = govmomi_steps,
	.ring3 = true,
	.blocks = true,
	.cookie = true,
};

/* ------------------------------------------------------------------------- */

/*
 * Rust: vmw_backdoor, src/erpc.rs and src/asm/x86_64-linux.s, as Afterburn uses it
 * (src/providers/vmware/amd64.rs).  By OUT; no status but 0 counts, and a message is
 * never acknowledged.
 */
static const struct client_style rust_style = {
	.loads = LOADS_ALL,
	.words = CLIENT_OUT,
	.blocks = ALWAYS,
	.each = IS_NOT(CX, ~0u, 0),
	.checks = {
		[BLOCK]		= { IS_NOT(BX, ~0u, 0) },
	},
};

static const struct client_step rust_steps[] = {
	/* src/low_bw.rs; by IN, this one. */
	STEP_COMMAND(.nr = GETVERSION, .loads = BX | DX | SI | DI | BP,
		     .changes = AX | BX | CX, .checks = { IS(BX, ~0u, MAGIC) }),
	STEP_GIVEN("guestinfo.afterburn.initrd.network-kargs", "ip=192.0.2.2"),
	STEP_OPEN(RPCI),
	STEPS_ASK_NUL("info-get guestinfo.afterburn.initrd.network-kargs", "1 ip=192.0.2.2"),
	STEPS_ASK_NUL("info-get guestinfo.none", "0 No value found"),
	STEPS_ASK_NUL("log from Rust", "1 "),
	STEPS_ASK_NUL("tools.set.version 2147483647", "1 "),
	STEP_CLOSE(RPCI),
	STEP_REFUSED(RPCI),
	{ }
};

const struct client client_rust = {
	.style = &rust_style,
	.steps = rust_steps,
	.ring3 = true,
	.blocks = true,
	.cookie = true,
};

/* ------------------------------------------------------------------------- */

/* Every bit of ECX counts, and HB must be offered though words are sent. */
#define CHECKS_WHOLE_ECX							\
	{									\
		[OPEN]		= { IS(CX, ~0u, SUCCESS << 16) },		\
		[SENDSIZE]	= { IS(CX, ~0u, (SUCCESS | BLOCKS) << 16) },	\
		[SENDPAYLOAD]	= { IS(CX, ~0u, SUCCESS << 16) },		\
		[RECVSIZE]	= { IS(CX, ~0u, (SUCCESS | DORECV | BLOCKS) << 16) }, \
		[RECVPAYLOAD]	= { IS(CX, ~0u, SUCCESS << 16) },		\
		[RECVSTATUS]	= { IS(CX, ~0u, SUCCESS << 16) },		\
		[CLOSE]		= { IS(CX, ~0u, SUCCESS << 16) },		\
	}

#define LOADS_FOUR	{ [OPEN ... CLOSE] = BX | DX }

/*
 * iPXE: src/arch/x86/interface/vmware/guestrpc.c, guestinfo.c and vmconsole.c there,
 * and src/arch/x86/include/ipxe/vmware.h, whose asm statements declare EAX to EDX:
 * what is in the other registers is its own.
 */
static const struct client_style ipxe_style = {
	.loads = LOADS_FOUR,
	.words = CLIENT_IN,
	.blocks = NEVER,
	.checks = CHECKS_WHOLE_ECX,
	.gives_type = true,
	.acks = true,
};

static const struct client_step ipxe_steps[] = {
	STEP_COMMAND(.nr = GETVERSION, .loads = BX, .changes = AX | BX | CX,
		     .checks = { IS(BX, ~0u, MAGIC) }),
	STEP_GIVEN("guestinfo.ipxe.net0.hostname", "netboot"),
	STEP_OPEN(RPCI),
	STEPS_ASK("info-get guestinfo.ipxe.filename", "0 No value found"),
	STEPS_ASK("info-get guestinfo.ipxe.filename.string", "0 No value found"),
	/* For the size, and for the value. */
	STEPS_ASK("info-get guestinfo.ipxe.net0.hostname", "1 netboot"),
	STEPS_ASK("info-get guestinfo.ipxe.net0.hostname", "1 netboot"),
	STEPS_ASK("log iPXE initialising devices...", "1 "),
	STEP_CLOSE(RPCI),
	STEP_REFUSED(RPCI),
	{ }
};

const struct client client_ipxe = {
	.style = &ipxe_style,
	.steps = ipxe_steps,
	.blocks = true,
};

/*
 * FreeBSD: sys/x86/x86/vmware_guestrpc.c.  It copies whole words to the end, closes
 * without RECVSTATUS, and opens for each request.
 */
static const struct client_style freebsd_style = {
	.loads = LOADS_FOUR,
	.words = CLIENT_IN,
	.blocks = NEVER,
	.checks = CHECKS_WHOLE_ECX,
	.gives_type = true,
};

static const struct client_step freebsd_steps[] = {
	/* sys/x86/x86/vmware.c and sys/x86/include/vmware.h. */
	STEP_COMMAND(.nr = GETHZ, .loads = BX, .bx = ~0u, .changes = AX | BX | CX,
		     .checks = { IS_NOT(BX, ~0u, ~0u), IS_NOT(AX, ~0u, 0) }),
	STEP_COMMAND(.nr = GET_VCPU_INFO, .loads = BX, .bx = ~0u, .changes = AX,
		     .checks = { IS(AX, 1u << 31, 0) }),
	STEPS_ASK_ONCE("info-set guestinfo.fbsd.state booting", "1 "),
	STEP_HAS("guestinfo.fbsd.state", "booting"),
	STEPS_ASK_ONCE("info-get guestinfo.fbsd.state", "1 booting"),
	STEPS_ASK_ONCE("info-get guestinfo.fbsd.none", "0 No value found"),
	STEP_REFUSED(RPCI),
	{ }
};

const struct client client_freebsd = {
	.style = &freebsd_style,
	.steps = freebsd_steps,
	.blocks = true,
};

/* ------------------------------------------------------------------------- */

/*
 * OpenBSD: sys/dev/pv/vmt.c.  NetBSD: sys/dev/vmt/vmt_subr.c and vmtreg.h, which come
 * from it.  Blocks are not asked for, a buffer has 4 KiB.
 */
static const struct client_style bsd_style = {
	.loads = LOADS_ALL,
	.words = CLIENT_IN,
	.blocks = ALWAYS,
	.checks = {
		[OPEN]		= { IS(CX, 0xffff0000, SUCCESS << 16), IS(DX, 0xffff, 0) },
		[SENDSIZE]	= { IS(CX, SUCCESS << 16, SUCCESS << 16) },
		[RECVSIZE]	= { IS(CX, SUCCESS << 16, SUCCESS << 16) },
		[RECVSTATUS]	= { IS_NOT(CX, 0xffff0000, 0) },
		[CLOSE]		= { IS_NOT(CX, 0xffff0000, 0), IS(CX, 0xffff, 0) },
		[BLOCK]		= { IS(BX, ~0u, 0x00010000) },
	},
	.room = 4096,
	.gives_type = true,
	.acks = true,
};

/* vmt_probe(): both have it. */
#define STEPS_BSD_PROBE								\
	STEP_COMMAND(.nr = GETVERSION, .loads = BX | DX | SI | DI | BP, .bx = ~MAGIC,	\
		     .cx_high = 0xffff, .changes = AX | BX | CX,		\
		     .checks = { IS_NOT(AX, ~0u, ~0u), IS(BX, ~0u, MAGIC) }),	\
	STEP_COMMAND(.nr = GETMHZ, .loads = BX | DX | SI | DI | BP, .bx = ~MAGIC,	\
		     .cx_high = 0xffff, .changes = AX,				\
		     .checks = { IS_NOT(AX, ~0u, MAGIC) })

#define STEP_BSD_TIME								\
	STEP_COMMAND(.nr = GETTIMEFULL, .loads = BX | DX | SI | DI | BP,	\
		     .changes = BX | CX | DX | SI,				\
		     .checks = { IS_NOT(AX, ~0u, ~0u), IS(SI, ~0u, 0), IS_NOT(DX, ~0u, 0) })

static const struct client_step openbsd_steps[] = {
	STEPS_BSD_PROBE,
	STEP_GIVEN("guestinfo.given", "by the host"),
	STEP_GIVEN_LONG("guestinfo.long", 6000),
	STEP_OPEN(TCLO),
	STEPS_ASK_ONCE("tools.capability.hgfs_server toolbox 1", "1 "),

	/* vmt_tick() */
	STEP_BSD_TIME,
	STEPS_ASK_ONCE("SetGuestInfo  1 openbsd.example.org", "1 "),
	STEPS_ASK_ONCE("SetGuestInfo  6 FreeBSD", "1 "),
	STEPS_ASK_ONCE("SetGuestInfo  7 4200", "1 "),
	/* vmt_nicinfo_task() */
	STEPS_ASK_ONCE("SetGuestInfo  10 \0\0\0\3\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "1 "),

	/* vmt_tclo_tick(); an empty message only when the one before was empty. */
	STEP_SAY(TCLO, ""),
	STEP_HEAR(TCLO, "reset"),
	STEP_SAY(TCLO, "OK ATR toolbox"),
	STEP_WANT("toolbox", "Capabilities_Register"),
	STEP_HEAR(TCLO, "Capabilities_Register"),
	STEPS_ASK_ONCE("vmx.capability.unified_loop toolbox", "0 Unknown command"),
	STEPS_ASK_ONCE("tools.capability.statechange ", "1 "),
	STEPS_ASK_ONCE("tools.set.version 2147483647", "1 "),
	STEP_SAY(TCLO, "OK "),
	STEP_NOTHING(TCLO),
	STEP_RESULT("OK "),
	STEP_SAY(TCLO, ""),
	STEP_NOTHING(TCLO),
	/* One byte more than its buffer has for a message. */
	STEP_WANT_LONG("toolbox", 4096),
	STEP_SAY(TCLO, ""),
	STEP_HEAR_LONG(TCLO, "", 4096),
	STEP_SAY(TCLO, "ERROR Unknown command"),
	STEP_RESULT("ERROR Unknown command"),
	STEP_NOTHING(TCLO),
	STEP_OPEN(RPCI),
	STEPS_ASK_LONG("info-get guestinfo.long", 6000),
	STEP_CLOSE(RPCI),

	/* usr.sbin/hostctl by vmt_kvop(): all of a buffer. */
	STEP_OPEN(RPCI),
	STEPS_ASK_SIZE("info-get guestinfo.given", 4096, "1 by the host"),
	STEP_CLOSE(RPCI),
	STEP_OPEN(RPCI),
	STEPS_ASK_SIZE("info-set guestinfo.own of hostctl", 4096, "1 "),
	STEP_CLOSE(RPCI),
	STEP_HAS("guestinfo.own", "of hostctl"),
	STEP_OPEN(RPCI),
	STEPS_ASK_SIZE("info-get guestinfo.none", 4096, "0 No value found"),
	STEP_CLOSE(RPCI),
	STEP_REFUSED(RPCI),

	/* vmt_shutdown() */
	STEPS_ASK_ONCE("tools.capability.hgfs_server toolbox 0", "1 "),
	STEP_SAY(TCLO, ""),
	STEP_CLOSE(TCLO),
	{ }
};

const struct client client_openbsd = {
	.style = &bsd_style,
	.steps = openbsd_steps,
	.blocks = true,
	.cookie = true,
};

static const struct client_step netbsd_steps[] = {
	STEPS_BSD_PROBE,
	STEP_COMMAND(.nr = GETUUID, .loads = BX | DX | SI | DI | BP, .bx = ~MAGIC,
		     .cx_high = 0xffff, .changes = AX | BX | CX | DX,
		     .checks = { IS(AX, ~0u, 0x33323130), IS(BX, ~0u, 0x37363534),
				 IS(DX, ~0u, 0x66656463) }),
	STEP_BSD_TIME,
	STEP_OPEN(TCLO),
	STEPS_ASK_ONCE("tools.capability.hgfs_server toolbox 1", "1 "),
	STEPS_ASK_ONCE("SetGuestInfo  1 netbsd.example.org", "1 "),
	STEP_SAY(TCLO, ""),
	STEP_HEAR(TCLO, "reset"),
	STEP_SAY(TCLO, "OK ATR toolbox"),
	STEP_NOTHING(TCLO),
	STEP_WANT("toolbox", "Set_Option broadcastIP 1"),
	STEP_SAY(TCLO, ""),
	STEP_HEAR(TCLO, "Set_Option broadcastIP 1"),
	STEPS_ASK_ONCE("info-set guestinfo.ip 192.0.2.3", "1 "),
	STEP_HAS("guestinfo.ip", "192.0.2.3"),
	STEP_SAY(TCLO, "OK "),
	STEP_RESULT("OK "),
	STEP_NOTHING(TCLO),

	/* After an error it opens again, and answers the reset before it has come. */
	STEP_CLOSE(TCLO),
	STEP_REFUSED(TCLO),
	STEP_OPEN(TCLO),
	STEP_SAY(TCLO, "OK ATR toolbox"),
	STEP_SAY(TCLO, ""),
	STEP_HEAR(TCLO, "reset"),
	STEP_SAY(TCLO, "OK ATR toolbox"),
	STEP_WANT("toolbox", "OS_Halt"),
	STEP_HEAR(TCLO, "OS_Halt"),
	STEPS_ASK_ONCE("tools.os.statechange.status 1 1", "1 "),
	STEP_SAY(TCLO, "OK "),
	STEP_RESULT("OK "),
	STEP_CLOSE(TCLO),
	{ }
};

const struct client client_netbsd = {
	.style = &bsd_style,
	.steps = netbsd_steps,
	.blocks = true,
	.cookie = true,
};

/* ------------------------------------------------------------------------- */

struct channel {
	u16 id;
	u32 cookie_high;
	u32 cookie_low;
};

/**
 * struct talk - one client at work
 * @step: where it is
 * @channels: those that it has, one a protocol
 * @poison: what is in the next register that it does not load
 * @requests: numbers of the host's, whose results are not there yet
 */
struct talk {
	const struct client *client;
	const struct client_style *style;
	struct client_machine *machine;
	const struct client_step *step;
	struct channel channels[2];
	u64 poison;
	u64 requests[4];
	unsigned int nr_requests;
};

/* Where in the machine's memory messages are: over the ends of pages. */
#define PLACE		4001
#define GUARD		0xee

static u8 message_data[CLIENT_MEMORY - PLACE];

__attribute__((format(printf, 2, 3)))
static bool complain(struct talk *talk, const char *fmt, ...)
{
	struct client_machine *machine = talk->machine;
	const struct client_step *step = talk->step;
	va_list args;
	int n;

	n = snprintf(machine->error, sizeof(machine->error), "step %d%s%.60s%s: ",
		     (int)(step - talk->client->steps) + 1, step->text ? ", '" : "",
		     step->text ?: "", step->text ? "'" : "");
	va_start(args, fmt);
	vsnprintf(machine->error + n, sizeof(machine->error) - n, fmt, args);
	va_end(args);
	return false;
}

static u64 poison(struct talk *talk)
{
	talk->poison = talk->poison * 6364136223846793005ull + 1442695040888963407ull;
	return talk->poison ^ talk->poison >> 29;
}

/* A register with @low, if that is @loaded, and what was there before around it. */
static u64 load(struct talk *talk, bool loaded, u32 low)
{
	u64 old = poison(talk);

	if (!loaded)
		low = old;
	return talk->style->whole ? low : (old & 0xffffffff00000000ull) | low;
}

static u64 reg_value(const struct client_regs *regs, u8 reg)
{
	switch (reg) {
	case AX:
		return regs->ax;
	case BX:
		return regs->bx;
	case CX:
		return regs->cx;
	case DX:
		return regs->dx;
	case SI:
		return regs->si;
	case DI:
		return regs->di;
	default:
		return regs->bp;
	}
}

static const char *reg_name(u8 reg)
{
	static const char *const names[NR_REGS] = { "AX", "BX", "CX", "DX", "SI", "DI", "BP" };

	return names[__builtin_ctz(reg)];
}

/* Of what may change, the low half. */
static bool keeps(struct talk *talk, const char *what, const struct client_regs *expected,
		  const struct client_regs *seen, u8 changes)
{
	unsigned int i;

	for (i = 0; i < NR_REGS; i++) {
		u64 a = reg_value(expected, 1 << i), b = reg_value(seen, 1 << i);
		unsigned int shift = changes >> i & 1 ? 32 : 0;

		if (a >> shift != b >> shift)
			return complain(talk, "%s made R%s 0x%llx of 0x%llx", what,
					reg_name(1 << i), (unsigned long long)b,
					(unsigned long long)a);
	}
	return true;
}

static bool holds(const struct client_check *check, const struct client_regs *regs)
{
	bool equal;

	if (!check->reg)
		return true;
	equal = ((u32)reg_value(regs, check->reg) & check->mask) == check->value;
	return equal != check->differs;
}

/* The first of the conditions that does not hold. */
static const struct client_check *broken(const struct client_check *checks,
					 const struct client_regs *regs)
{
	unsigned int i;

	for (i = 0; i < MAX_CHECKS; i++) {
		if (!holds(&checks[i], regs))
			return &checks[i];
	}
	return NULL;
}

static bool dislikes(struct talk *talk, const char *what, const struct client_check *check,
		     const struct client_regs *regs)
{
	return complain(talk, "%s: E%s is 0x%08x: & 0x%08x must %sbe 0x%08x", what,
			reg_name(check->reg), (u32)reg_value(regs, check->reg), check->mask,
			check->differs ? "not " : "", check->value);
}

/* Is the client content with an answer? */
static bool content(struct talk *talk, unsigned int what, const struct client_regs *regs)
{
	const struct client_check *check = broken(talk->style->checks[what], regs);

	if (!check && what < REQUESTS && !holds(&talk->style->each, regs))
		check = &talk->style->each;
	return !check || dislikes(talk, request_names[what], check, regs);
}

static struct channel *channel_of(struct talk *talk, u32 protocol)
{
	return &talk->channels[protocol == TCLO];
}

/* One MESSAGE; what no answer may change is checked here. */
static bool message(struct talk *talk, unsigned int request, u32 bx, struct client_regs *regs)
{
	const struct channel *channel = channel_of(talk, talk->step->protocol);
	enum client_instruction instruction = talk->style->words;
	u8 loads = talk->style->loads[request], changes = CX;
	struct channel none = { };
	struct client_regs before;

	if (request == OPEN)
		channel = &none;
	*regs = (struct client_regs) {
		.ax = load(talk, true, MAGIC),
		.bx = load(talk, loads & BX, bx),
		.cx = load(talk, true, request << 16 | MESSAGE),
		.dx = load(talk, loads & DX, (u32)channel->id << 16),
		.si = load(talk, loads & SI, channel->cookie_high),
		.di = load(talk, loads & DI, channel->cookie_low),
		.bp = load(talk, loads & BP, 0),
	};
	regs->dx = (regs->dx & ~0xffffull) | PORT;
	before = *regs;
	talk->machine->call(talk->machine, instruction, regs);

	if (instruction == CLIENT_IN)
		before.ax = (u32)before.ax;
	if (request == OPEN && regs->cx & SUCCESS << 16)
		changes |= DX | (talk->client->cookie ? SI | DI : 0);
	if (request == RECVSIZE && regs->cx & DORECV << 16)
		changes |= BX | DX;
	if (request == RECVPAYLOAD && bx & SUCCESS)
		changes |= BX | DX;
	return keeps(talk, request_names[request], &before, regs, changes);
}

/* One that the client must be content with. */
static bool ask(struct talk *talk, unsigned int request, u32 bx, struct client_regs *regs)
{
	return message(talk, request, bx, regs) && content(talk, request, regs);
}

/* All of @size bytes at PLACE by one instruction. */
static bool block(struct talk *talk, bool in, u32 size)
{
	const struct channel *channel = channel_of(talk, talk->step->protocol);
	u64 address = talk->machine->address + PLACE;
	struct client_regs regs = {
		.ax = load(talk, true, MAGIC),
		.bx = load(talk, true, SUCCESS << 16),
		.cx = size,
		.dx = load(talk, true, (u32)channel->id << 16 | BLOCK_PORT),
		.si = in ? load(talk, true, channel->cookie_high) : address,
		.di = in ? address : load(talk, true, channel->cookie_low),
		.bp = load(talk, true, in ? channel->cookie_low : channel->cookie_high),
	};
	struct client_regs after = regs;

	after.cx = 0;
	if (in)
		after.di += size;
	else
		after.si += size;
	talk->machine->call(talk->machine, in ? CLIENT_REP_INSB : CLIENT_REP_OUTSB, &regs);
	return keeps(talk, request_names[BLOCK], &after, &regs, BX) &&
	       content(talk, BLOCK, &regs);
}

static bool by_blocks(struct talk *talk, const struct client_regs *regs)
{
	return talk->style->blocks == ALWAYS ||
	       (talk->style->blocks == WHERE_OFFERED && regs->cx & BLOCKS << 16);
}

/* Bytes of the step's message, in message_data. */
static u32 compose(const struct client_step *step)
{
	u32 size = step->text_size, i;

	if (size)
		memcpy(message_data, step->text, size);
	for (i = 0; i < step->pattern; i++)
		message_data[size++] = (i * 7 + i / 256) % 251 + 1;
	for (; size < step->size; size++)
		message_data[size] = 0;
	return size;
}

static bool say(struct talk *talk)
{
	u32 size = compose(talk->step), pos, word;
	struct client_regs regs;

	if (!ask(talk, SENDSIZE, size, &regs))
		return false;
	if (!size)
		return true;

	if (by_blocks(talk, &regs)) {
		memcpy(talk->machine->memory + PLACE, message_data, size);
		return block(talk, false, size);
	}
	for (pos = 0; pos < size; pos += 4) {
		word = 0;
		memcpy(&word, message_data + pos, size - pos < 4 ? size - pos : 4);
		if (!ask(talk, SENDPAYLOAD, word, &regs))
			return false;
	}
	return true;
}

/* Everything around the @size bytes at PLACE is as it was. */
static bool guarded(const u8 *memory, u32 size)
{
	u32 i;

	for (i = 0; i < CLIENT_MEMORY; i++) {
		if ((i < PLACE || i >= PLACE + size) && memory[i] != GUARD)
			return false;
	}
	return true;
}

/* @size bytes of a message to @data; those behind them in the last word are 0. */
static bool take(struct talk *talk, u8 *data, u32 size, bool blocks, u32 status)
{
	struct client_regs regs;
	u32 pos, word;

	if (blocks) {
		memset(talk->machine->memory, GUARD, CLIENT_MEMORY);
		if (!block(talk, true, size))
			return false;
		memcpy(data, talk->machine->memory + PLACE, size);
		return guarded(talk->machine->memory, size) ||
		       complain(talk, "more came than %u bytes", size);
	}
	for (pos = 0; pos < size; pos += 4) {
		if (!ask(talk, RECVPAYLOAD, status, &regs))
			return false;
		word = regs.bx;
		memcpy(data + pos, &word, 4);
	}
	for (; size < pos; size++) {
		if (data[size])
			return complain(talk, "the last word has more than the message");
	}
	return true;
}

static bool hear(struct talk *talk)
{
	static u8 heard[sizeof(message_data)];
	u32 size = compose(talk->step), room = talk->style->room, status = SUCCESS;
	struct client_regs regs;

	if (!ask(talk, RECVSIZE, 0, &regs))
		return false;
	if (!(regs.cx & DORECV << 16))
		return complain(talk, "no message waits");
	if (!content(talk, WAITING, &regs))
		return false;
	if ((talk->style->whole ? regs.bx : (u32)regs.bx) != size)
		return complain(talk, "%u bytes wait, not %u", (u32)regs.bx, size);

	if (talk->style->gives_type)
		status = (u32)regs.dx >> 16;
	if (room && size >= room)
		size = room - 1;
	if (!take(talk, heard, size, by_blocks(talk, &regs), status))
		return false;
	if (memcmp(heard, message_data, size))
		return complain(talk, "it is '%.*s'", size < 40 ? (int)size : 40, heard);
	return !talk->style->acks || ask(talk, RECVSTATUS, status, &regs);
}

/* Nothing of the message was taken yet. */
static bool leave(struct talk *talk)
{
	struct client_regs regs;

	if (!ask(talk, RECVSIZE, 0, &regs) || !content(talk, WAITING, &regs) ||
	    !message(talk, RECVPAYLOAD, 0, &regs))
		return false;
	return holds(&talk->style->each, &regs) ||
	       dislikes(talk, "giving up", &talk->style->each, &regs);
}

static bool nothing(struct talk *talk)
{
	struct client_regs regs;

	if (!ask(talk, RECVSIZE, 0, &regs))
		return false;
	return !(regs.cx & DORECV << 16) ||
	       complain(talk, "a message of %u bytes waits", (u32)regs.bx);
}

static bool open_channel(struct talk *talk)
{
	struct channel *channel = channel_of(talk, talk->step->protocol);
	struct client_regs regs;

	if (!ask(talk, OPEN, talk->step->protocol | (talk->client->cookie ? FLAG_COOKIE : 0),
		 &regs))
		return false;

	channel->id = regs.dx >> 16;
	channel->cookie_high = regs.si;
	channel->cookie_low = regs.di;
	return true;
}

static bool close_channel(struct talk *talk)
{
	struct client_regs regs;

	return ask(talk, CLOSE, 0, &regs);
}

static bool refused(struct talk *talk)
{
	struct client_regs regs;

	if (!message(talk, SENDSIZE, 1, &regs))
		return false;
	return broken(talk->style->checks[SENDSIZE], &regs) ||
	       !holds(&talk->style->each, &regs) ||
	       complain(talk, "the channel is closed, and ECX is 0x%08x", (u32)regs.cx);
}

static bool command(struct talk *talk)
{
	const struct client_command *command = talk->step->command;
	struct client_regs regs = {
		.ax = load(talk, true, MAGIC),
		.bx = load(talk, command->loads & BX, command->bx),
		.cx = load(talk, true, (u32)command->cx_high << 16 | command->nr),
		.dx = load(talk, command->loads & DX, 0),
		.si = load(talk, command->loads & SI, 0),
		.di = load(talk, command->loads & DI, 0),
		.bp = load(talk, command->loads & BP, 0),
	}, before;
	const struct client_check *check;
	char what[32];

	regs.dx = (regs.dx & ~0xffffull) | PORT;
	before = regs;
	before.ax = (u32)before.ax;
	talk->machine->call(talk->machine, CLIENT_IN, &regs);

	snprintf(what, sizeof(what), "command %u", command->nr);
	if (!keeps(talk, what, &before, &regs, command->changes))
		return false;
	check = broken(command->checks, &regs);
	return !check || dislikes(talk, what, check, &regs);
}

static bool want(struct talk *talk)
{
	u32 size = compose(talk->step);
	u64 id;

	id = talk->machine->request(talk->machine, talk->step->key, message_data, size);
	if (!id)
		return complain(talk, "the host cannot ask");

	talk->requests[talk->nr_requests++] = id;
	return true;
}

static bool result(struct talk *talk)
{
	u32 size = compose(talk->step);
	u64 id = talk->requests[0];

	talk->nr_requests--;
	memmove(talk->requests, talk->requests + 1, talk->nr_requests * sizeof(u64));
	return talk->machine->result(talk->machine, id, message_data, size) ||
	       complain(talk, "the host has another result, or none");
}

static bool given(struct talk *talk)
{
	u32 size = compose(talk->step);

	return talk->machine->set(talk->machine, talk->step->key, message_data, size,
				  talk->step->flags) ||
	       complain(talk, "the host cannot set %s", talk->step->key);
}

static bool has(struct talk *talk)
{
	u32 size = compose(talk->step);

	return talk->machine->has(talk->machine, talk->step->key, message_data, size) ||
	       complain(talk, "%s has another value, or none", talk->step->key);
}

bool client_run(const struct client *client, struct client_machine *machine)
{
	static bool (*const run[])(struct talk *talk) = {
		[GIVEN]		= given,
		[HAS]		= has,
		[COMMAND]	= command,
		[OPEN_CHANNEL]	= open_channel,
		[SAY]		= say,
		[HEAR]		= hear,
		[LEAVE]		= leave,
		[NOTHING]	= nothing,
		[CLOSE_CHANNEL]	= close_channel,
		[REFUSED]	= refused,
		[WANT]		= want,
		[RESULT]	= result,
	};
	struct talk talk = {
		.client = client,
		.style = client->style,
		.machine = machine,
		.poison = 0x5eed,
	};

	bool ok = true;

	for (talk.step = client->steps; ok && talk.step->kind; talk.step++)
		ok = run[talk.step->kind](&talk);
	return ok;
}
