/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * KVM: the VMware guest interface ("backdoor", I/O port 0x5658), its GuestRPC
 * channels and the guestinfo store.
 *
 * Everything a VMM needs to turn the interface on, to describe the virtual
 * machine to its guest, to exchange guestinfo with it and to carry all of that
 * through a live migration.  Documentation/virt/kvm/x86/vmport.rst has the same
 * in prose.
 *
 * All structures are the same for 32-bit and 64-bit callers: fixed-size types,
 * natural alignment, no implicit padding.  Pointers are carried in __u64.
 *
 * Fields named reserved must be zero, in every call, and stay zero.  Of the others the
 * comments say which are "out": those are ignored on input, as is whatever lies behind an
 * attribute's own structure.  Fields that are "in, out", the sizes of buffers above all,
 * are set anew for the next call.  All others are input and keep their values.
 */
#ifndef _UAPI_LINUX_KVM_VMPORT_H
#define _UAPI_LINUX_KVM_VMPORT_H

#include <linux/types.h>
#include <linux/kvm.h>

/*
 * The numbers that KVM hands out.  They are provisional: they lie far from those in use
 * until the interface is upstream, and <linux/kvm.h> then has its own.
 */
#ifndef KVM_CAP_X86_VMPORT
#define KVM_CAP_X86_VMPORT		0x5658
#define KVM_EXIT_VMPORT			0x5658

#define KVM_GET_VMPORT_STATE	_IOWR(KVMIO, 0xf0, struct kvm_vmport_state)
#define KVM_SET_VMPORT_STATE	_IOWR(KVMIO, 0xf1, struct kvm_vmport_state)
#define KVM_GET_VMPORT_ATTR	_IOWR(KVMIO, 0xf2, struct kvm_vmport_attr)
#define KVM_SET_VMPORT_ATTR	_IOWR(KVMIO, 0xf3, struct kvm_vmport_attr)
#endif

/*
 * KVM_CAP_X86_VMPORT.  KVM_CHECK_EXTENSION (system or VM fd) returns the mask of
 * KVM_VMPORT_FEATURE_* that this kernel knows.  KVM_ENABLE_CAP (VM fd) takes
 * the mask to use in args[0]; the other args and flags must be zero.
 *
 * Errors of KVM_ENABLE_CAP:
 *   -EINVAL      unknown feature, other args or flags are not zero
 *   -ENXIO       a feature without KVM_VMPORT_FEATURE_ENABLE, or without another one
 *                that it needs
 *   -EBUSY       the VM has a vCPU already
 *   -EEXIST      the capability is enabled already
 *   -EOPNOTSUPP  KVM cannot read the VM's registers or memory (SEV, SEV-ES, SEV-SNP,
 *                TDX); KVM_CHECK_EXTENSION on its fd returns 0
 *   -ENOMEM      no memory
 */

/*
 * Each feature says which commands and messages the kernel answers.  That never changes:
 * what a newer kernel answers in addition has a feature bit of its own, so that nothing is
 * taken from a VMM which did not ask for it.
 */

/*
 * Port 0x5658: GETMHZ (1), GETVERSION (10), GETHWVERSION (17), GETUUID (19), GETMEMSIZE
 * (20), GETTIME (23), STOPCATCHUP (24), GETHZ (45), GETTIMEFULL (46), GETTIMEFULL_WITH_LAG
 * (55), GET_VCPU_INFO (68) and of PRECISIONCLOCK (97) sub-command 0, GETTIME.
 */
#define KVM_VMPORT_FEATURE_ENABLE	(1ULL << 0)
/*
 * GuestRPC: MESSAGE (30), its channels and guestinfo.  Of RPCI messages info-get, info-set
 * and machine.id.get; the others get the same short replies as in KVM_EXIT_VMPORT below.
 */
#define KVM_VMPORT_FEATURE_RPC		(1ULL << 1)
/* Port 0x5659: messages moved by REP INSB/OUTSB.  Needs RPC. */
#define KVM_VMPORT_FEATURE_HB		(1ULL << 2)
/* Calls from ring 3 whatever IOPL and the TSS I/O bitmap say. */
#define KVM_VMPORT_FEATURE_RING3	(1ULL << 3)
/*
 * The same calls by VMCALL/VMMCALL, magic in EAX, from ring 0, and with RING3 from any
 * ring; the VMM announces it in CPUID.
 */
#define KVM_VMPORT_FEATURE_HYPERCALL	(1ULL << 4)
/*
 * RDPMC from any ring of 0x10000 (the host's TSC), 0x10001 (ns since the host
 * booted) and 0x10002 (ns of the VM's kvmclock), the pseudo performance counters.
 */
#define KVM_VMPORT_FEATURE_PMC		(1ULL << 5)
/*
 * All RPCI messages but info-get, info-set and machine.id.get are the VMM's:
 * KVM_EXIT_VMPORT.  Needs RPC.
 */
#define KVM_VMPORT_FEATURE_EXIT_RPC	(1ULL << 6)
/*
 * Ring-3 calls of an L2 guest on port 0x5658 are answered by L0, whatever L1
 * intercepts: its processes use L1's guestinfo and host requests.  Needs RING3.
 */
#define KVM_VMPORT_FEATURE_NESTED	(1ULL << 7)
/*
 * The STEALCLOCK command, of ring 0 only: how long a vCPU has waited for a processor of
 * the host, where in its memory the guest wants to read it.
 */
#define KVM_VMPORT_FEATURE_STEALCLOCK	(1ULL << 8)

/* Limits of the interface; struct kvm_vmport_limits can lower some per VM. */
#define KVM_VMPORT_MAX_CHANNELS		128
#define KVM_VMPORT_MAX_MESSAGE		65536	/* bytes, guest to host */
#define KVM_VMPORT_MAX_REPLY		65600	/* bytes, host to guest */
#define KVM_VMPORT_MAX_KEY		256	/* bytes of a guestinfo key */
#define KVM_VMPORT_MAX_VALUE		65536	/* bytes of a guestinfo value */
#define KVM_VMPORT_MAX_KEYS		4096	/* guestinfo entries */
#define KVM_VMPORT_MAX_GUESTINFO	1048576	/* bytes: all keys and values */
#define KVM_VMPORT_MAX_TCLO		16	/* TCLO requests, taken ones, unread results */
#define KVM_VMPORT_MAX_TCLO_REQUEST	4096	/* bytes of one TCLO request */
#define KVM_VMPORT_MAX_NAME		31	/* bytes of the name of a TCLO channel */
#define KVM_VMPORT_MAX_MANY		256	/* items of KVM_VMPORT_ATTR_GUESTINFO_MANY */
#define KVM_VMPORT_MAX_STATE		33554432 /* bytes of a state blob */
#define KVM_VMPORT_MAX_VCPU_ID		16384	/* vCPU ids below have a steal clock */

/*
 * What a guest can make the host hold at one instant, whatever it does, all of it charged
 * to the VMM: so many bytes for the VM, and so many for each of its vCPUs.  While an ioctl
 * of this interface lasts it may take KVM_VMPORT_MAX_MEMORY more; they run one at a time.
 */
#define KVM_VMPORT_MAX_MEMORY		22020096
#define KVM_VMPORT_MAX_MEMORY_VCPU	163840

/*
 * Why an ioctl failed, in the error field of struct kvm_vmport_state and
 * struct kvm_vmport_attr; KVM_VMPORT_ERR_NONE when it did not.  The errno says
 * the kind, this the item, so that a VMM can name it to its user.
 */
#define KVM_VMPORT_ERR_NONE		0

/* -E2BIG, a limit */
#define KVM_VMPORT_ERR_BUFFER		1	/* the caller's buffer: GET only */
#define KVM_VMPORT_ERR_STATE_SIZE	2	/* KVM_VMPORT_MAX_STATE */
#define KVM_VMPORT_ERR_CHANNELS		3	/* limits.channels */
#define KVM_VMPORT_ERR_MESSAGE_SIZE	4	/* KVM_VMPORT_MAX_MESSAGE */
#define KVM_VMPORT_ERR_REPLY_SIZE	5	/* KVM_VMPORT_MAX_REPLY */
#define KVM_VMPORT_ERR_KEY_SIZE		6	/* KVM_VMPORT_MAX_KEY */
#define KVM_VMPORT_ERR_VALUE_SIZE	7	/* limits.value_bytes */
#define KVM_VMPORT_ERR_KEY_COUNT	8	/* limits.keys */
#define KVM_VMPORT_ERR_GUESTINFO_SIZE	9	/* limits.guestinfo_bytes */
#define KVM_VMPORT_ERR_TCLO_SIZE	10	/* KVM_VMPORT_MAX_TCLO_REQUEST */
#define KVM_VMPORT_ERR_TCLO_COUNT	11	/* KVM_VMPORT_MAX_TCLO; when queued -EBUSY */
#define KVM_VMPORT_ERR_MANY		12	/* KVM_VMPORT_MAX_MANY */

/* -EINVAL, malformed */
#define KVM_VMPORT_ERR_MAGIC		32	/* not a state blob */
#define KVM_VMPORT_ERR_LENGTH		33	/* total length is not the size given */
#define KVM_VMPORT_ERR_CHECKSUM		34
#define KVM_VMPORT_ERR_RESERVED		35	/* a reserved or padding byte is set */
#define KVM_VMPORT_ERR_SECTION		36	/* a section or record is cut or too long */
#define KVM_VMPORT_ERR_ORDER		37	/* not ascending, or twice */
#define KVM_VMPORT_ERR_FLAGS		38	/* unknown or contradictory flags */
#define KVM_VMPORT_ERR_CHANNEL_ID	39	/* not below KVM_VMPORT_MAX_CHANNELS */
#define KVM_VMPORT_ERR_PROTOCOL		40	/* neither RPCI nor TCLO */
#define KVM_VMPORT_ERR_POSITION		41	/* a position past its end, or not at it */
#define KVM_VMPORT_ERR_KEY		42	/* a key is empty or has a space or NUL */
#define KVM_VMPORT_ERR_REQUEST		43	/* an id or an empty request that cannot be */
#define KVM_VMPORT_ERR_ATTR		44	/* no such attribute, or not this way */
#define KVM_VMPORT_ERR_NAME		45	/* a name is too long or has a space or NUL */
#define KVM_VMPORT_ERR_IDENTITY		46	/* version 0, or bit 31 of vcpu_info */
#define KVM_VMPORT_ERR_VCPU_ID		47	/* not below KVM_VMPORT_MAX_VCPU_ID */
#define KVM_VMPORT_ERR_ADDRESS		48	/* not a multiple of 64 */

/* -EOPNOTSUPP */
#define KVM_VMPORT_ERR_VERSION		64	/* a blob of a newer format */
#define KVM_VMPORT_ERR_CRITICAL		65	/* a critical section that is not known */

/* -EPERM */
#define KVM_VMPORT_ERR_FEATURE		96	/* needs a feature not enabled here */

/*
 * KVM_GET_VMPORT_STATE (VM fd): pack the RPC and guestinfo state of the VM into a blob.
 *
 * @size: in: bytes at @data; out: bytes of the blob.
 * @sections: the types of section that the reader of the blob knows, bit N for type N, as
 *	KVM_VMPORT_ATTR_INFO gives them; 0: all that this kernel knows.  Of other types,
 *	what is not critical is left out of the blob.  So a host with an older kernel can
 *	be given a blob that it loads.
 * @error_mask: out: the types of section, bit N for type N, that the state has and the
 *	blob has not, as the reader does not know them; with KVM_VMPORT_ERR_CRITICAL those
 *	without which the state cannot be packed
 *
 * The vCPUs may run: the call does not wait for the guest.  The channels and requests in
 * the blob are those of one instant, and each guestinfo entry is whole.  For a snapshot,
 * stop the vCPUs first.
 *
 *   -E2BIG       the blob is larger than @size, which now says the bytes needed;
 *                nothing was written to @data
 *   -EOPNOTSUPP  the state needs a critical section that is not in @sections
 *   -EINVAL      @flags or a reserved field is not zero
 *   -EPERM       the capability is not enabled
 *   -EFAULT, -ENOMEM
 *
 * KVM_SET_VMPORT_STATE (VM fd): replace all of that state by a blob's.
 *
 * @size: in: bytes of the blob at @data.
 * @error_offset: out, on an error: where in the blob, bytes from its start
 * @error_mask: out, with KVM_VMPORT_ERR_FEATURE: KVM_VMPORT_FEATURE_* that are missing,
 *	KVM_VMPORT_FEATURE_ENABLE where the capability is
 *
 * The whole blob is checked before anything is changed.  Then it takes the place of the
 * old state in one step: a running vCPU sees the old state or the new one, never a mix,
 * and what was there before is gone.  On any error the old state is unchanged, and @error
 * says what was wrong.
 *
 * The blob names the features that its guest was promised: all that were enabled, but for
 * EXIT_RPC.  The VM must have them.  It may have more, which the guest is then promised
 * too: the way back to a VM without them is closed.  Neither the identity nor the
 * limits are in the blob: they are the VMM's configuration, which it applies to the
 * destination before it sets the state.
 *
 *   -EINVAL      malformed blob, or @flags or a reserved field is not zero
 *   -EOPNOTSUPP  a newer format, or an unknown critical section
 *   -E2BIG       past a limit above; KVM_VMPORT_ATTR_LIMITS stops what is new, and
 *                does not count here
 *   -EPERM       the capability, a feature that the guest was promised, or one that
 *                something in the blob needs, is not enabled
 *   -EFAULT, -ENOMEM
 */
struct kvm_vmport_state {
	__u32 flags;		/* must be 0 */
	__u32 error;		/* out: KVM_VMPORT_ERR_* */
	__u64 size;		/* bytes; GET: in, out */
	__u64 data;		/* user address */
	__u64 sections;		/* GET only */
	__u64 error_offset;	/* out: SET only */
	__u64 error_mask;	/* out */
	__u64 reserved[4];
};

/*
 * KVM_VMPORT_ATTR_IDENTITY: what the identity and time commands answer.
 * Not part of the state blob: it is the VMM's configuration, which the VMM
 * sets on both sides of a migration.
 *
 * SET takes all fields.  To change one, GET the others first: a version of 0, which no
 * guest accepts, is refused with -EINVAL.
 */
struct kvm_vmport_identity {
	__u32 version;		/* GETVERSION EAX, 6 */
	__u32 product_type;	/* GETVERSION ECX: 1 Express, 2 ESX, 3 GSX, 4 WS */
	__u32 hw_version;	/* GETHWVERSION EAX */
	__u32 vcpu_info;	/* GET_VCPU_INFO EAX, bits 0..30 */
	__u8  uuid[16];		/* memory order; all zero: GETUUID is the VMM's */
	__u64 memory_mib;	/* GETMEMSIZE, 2^32 - 2 at most; 0: the command is the VMM's */
	__u64 tsc_hz;		/* 0: what KVM gives the vCPU */
	__u64 apic_hz;		/* APIC bus Hz; 0: what KVM's timer runs at */
	__u32 max_time_lag_us;	/* GETTIME* ECX */
	__u32 reserved32;
	__u64 reserved[4];
};

/* In kvm_vmport_identity.vcpu_info: bits of GET_VCPU_INFO. */
#define KVM_VMPORT_VCPU_INFO_SYNC_TSC		(1U << 1)
#define KVM_VMPORT_VCPU_INFO_LEGACY_X2APIC	(1U << 3)

/*
 * KVM_VMPORT_ATTR_LIMITS: per-VM limits, each at most the constant above.
 * Lowering one below what is in use is allowed: nothing is taken away, only
 * more is refused.  With as many channels open as the limit, or more, OPEN takes one that
 * is not in use; with a limit of 0 it fails.
 */
struct kvm_vmport_limits {
	__u32 channels;		/* open at once; KVM_VMPORT_MAX_CHANNELS */
	__u32 keys;		/* KVM_VMPORT_MAX_KEYS */
	__u32 value_bytes;	/* KVM_VMPORT_MAX_VALUE */
	__u32 guestinfo_bytes;	/* KVM_VMPORT_MAX_GUESTINFO */
	__u64 reserved[4];
};

/*
 * KVM_VMPORT_ATTR_GUESTINFO: one entry.  The key is the whole name as the
 * guest writes it, "guestinfo.metadata".  Keys have 1 to KVM_VMPORT_MAX_KEY
 * bytes, none of them space or NUL.  A guest sees keys that begin with
 * "guestinfo."; "machine.id" is what machine.id.get answers; other keys stay
 * with the host.  An entry that the guest sets keeps its flags.
 *
 * GET: @value_size in: bytes at @value; out: bytes of the value.  @flags out.
 *      -ENOENT no such entry; -E2BIG does not fit, @value_size says what
 *      is needed and nothing is written.
 * SET: set, or with KVM_VMPORT_GUESTINFO_DELETE delete (-ENOENT: none).  An entry that is
 *      there gets @flags too: without READONLY or PRIVILEGED it loses them.
 *      -E2BIG past a limit (error says which), -EINVAL malformed key or flags.
 */
struct kvm_vmport_guestinfo {
	__u64 key;		/* user address, no NUL needed */
	__u64 value;		/* user address */
	__u32 key_size;		/* bytes */
	__u32 value_size;	/* bytes; GET: in, out */
	__u32 flags;		/* KVM_VMPORT_GUESTINFO_*; GET: out */
	__u32 reserved32;
	__u64 reserved[4];
};

/* The guest can read the entry but not change it. */
#define KVM_VMPORT_GUESTINFO_READONLY	(1U << 0)
/* SET only, alone: remove the entry. */
#define KVM_VMPORT_GUESTINFO_DELETE	(1U << 1)
/*
 * Only privileged callers read and change the entry: ring 0, and whom the guest's own
 * system lets use port 0x5658, by IOPL or the TSS I/O bitmap.  Not L2.  For all others
 * info-get finds no value; info-set is refused, from which they can tell that it exists.
 */
#define KVM_VMPORT_GUESTINFO_PRIVILEGED	(1U << 2)
/*
 * With READONLY: the guest can wipe the entry.  Whatever it sets it to, the entry becomes
 * empty; it stays, with its flags.
 */
#define KVM_VMPORT_GUESTINFO_WIPEABLE	(1U << 3)

/*
 * KVM_VMPORT_ATTR_GUESTINFO_MANY (SET): several entries in one step, all or
 * nothing.
 *
 * @items: user address of @count struct kvm_vmport_guestinfo, at most
 *	KVM_VMPORT_MAX_MANY, each as for SET of KVM_VMPORT_ATTR_GUESTINFO
 * @index: out, on an error only: the item that it is about; @count when it is about all
 *	of them together
 *
 * A guest sees none of the changes or all.  Limits are held against what is
 * there at the end, so that a key can be deleted to make room for another.
 * The same key twice: -EINVAL, KVM_VMPORT_ERR_ORDER.
 */
struct kvm_vmport_guestinfo_many {
	__u64 items;		/* user address */
	__u32 count;
	__u32 index;		/* out */
	__u64 reserved[4];
};

/*
 * KVM_VMPORT_ATTR_GUESTINFO_LIST (GET): the names of the entries, in byte
 * order, each followed by a NUL.
 *
 * @prefix, @prefix_size: only names that begin with it; size 0: all.
 * @names_size: in, bytes at @names; out, bytes written or needed.
 * @count: out, names in the list.
 *
 * -E2BIG does not fit: @names_size says what is needed, nothing is written.
 */
struct kvm_vmport_guestinfo_list {
	__u64 prefix;		/* user address */
	__u64 names;		/* user address */
	__u32 prefix_size;	/* bytes */
	__u32 names_size;	/* bytes; in, out */
	__u32 count;		/* out */
	__u32 reserved32;
	__u64 reserved[4];
};

/*
 * KVM_VMPORT_ATTR_CHANGES (GET): the entries that were set since.
 *
 * @since: what an earlier call gave as @sequence; 0: all entries
 * @sequence: out, also with -E2BIG: number of the newest change
 * @names_size: in, bytes at @names; out, bytes written or needed.
 * @count: out, names in the list.
 *
 * Each SET of an entry takes the next number, whether guest or VMM does it and
 * whether or not the value differs.  A name is listed once, where it was set
 * last; the names stand in the order of their changes, each followed by a NUL.
 * KVM_SET_VMPORT_STATE sets all that it loads.  What is gone is not listed:
 * only the VMM deletes.  The numbers go up for the life of the VM on this host;
 * they are not part of the state blob.
 *
 * -E2BIG does not fit: @names_size says what is needed, nothing is written.
 * -EINVAL (KVM_VMPORT_ERR_POSITION) @since is a number not reached here.
 */
struct kvm_vmport_changes {
	__u64 since;
	__u64 sequence;		/* out */
	__u64 names;		/* user address */
	__u32 names_size;	/* bytes; in, out */
	__u32 count;		/* out */
	__u64 reserved[4];
};

/*
 * KVM_VMPORT_ATTR_EVENTFD (SET): signal this eventfd whenever a guest has set a
 * guestinfo entry, a result of a TCLO request is there to be read (also when
 * one is there already, at this SET or from KVM_SET_VMPORT_STATE), or a TCLO
 * channel was closed by the guest, taken for another OPEN or closed by
 * KVM_VMPORT_ATTR_RESET.
 *
 * @fd: takes the place of the one before; -1: none
 *
 *   -EBADF   @fd is not open;  -EINVAL it is not an eventfd
 */
struct kvm_vmport_eventfd {
	__s32 fd;
	__u32 reserved32;
	__u64 reserved[4];
};

/*
 * KVM_VMPORT_ATTR_EVENTS (GET): what there is to look after, so that a VMM knows
 * why its eventfd was signalled.  All fields but the reserved ones are output.
 */
struct kvm_vmport_events {
	__u64 sequence;		/* as of KVM_VMPORT_ATTR_CHANGES */
	__u64 lost;		/* TCLO channels closed, taken, reset; only grows */
	__u32 results;		/* of TCLO requests, not read yet */
	__u32 channels;		/* TCLO channels open */
	__u64 reserved[4];
};

/*
 * KVM_VMPORT_ATTR_TCLO: a request from the host to the guest's tools, and its result.
 *
 * SET: queue the request at @data, at most KVM_VMPORT_MAX_TCLO_REQUEST bytes.
 *      @id out: its number, 1 to 2^63 - 2.  It never gives one twice, also if the VMM
 *      loads an older state.  Requests that come with a state keep their numbers: after
 *      KVM_SET_VMPORT_STATE a number may be another request's, see
 *      KVM_VMPORT_ATTR_TCLO_LIST.
 *      @name, @name_size: the daemon that it is for, by the name in that daemon's
 *      answer to "reset" ("OK ATR toolbox"), at most KVM_VMPORT_MAX_NAME bytes without
 *      space or NUL; size 0: "toolbox".  The next poll of a TCLO channel of that name
 *      gets it, in order; it waits while there is none.
 *      -EBUSY  there are KVM_VMPORT_MAX_TCLO already: requests that wait, requests that
 *      a guest has taken and not answered, and results that the VMM has not read
 *      -E2BIG  too long;  -EINVAL empty, or no name;  -EOVERFLOW no more numbers
 * GET: take the oldest result.  @id, @status out; @size in: bytes at @data,
 *      out: bytes of the result.  @name and @name_size are ignored.
 *      -ENOENT no result is there;  -E2BIG does not fit, @size says what is
 *      needed, the result stays.
 *
 * KVM_VMPORT_ATTR_TCLO_CANCEL (SET): the VMM does not want to hear of request @id any
 * more, and its place is free.  @status out: where it was.  The guest never sees one that
 * was still queued.  One that it has taken, it goes on with; what it answers is dropped,
 * after a migration too unless the destination's kernel does not know
 * KVM_VMPORT_SECTION_MARKS: such a kernel takes it for the answer to "reset".
 * A result is dropped unread.
 *      -ENOENT neither a request nor a result has that number;  -ENOMEM
 */
struct kvm_vmport_tclo {
	__u64 id;		/* out; TCLO_CANCEL: in */
	__u64 data;		/* user address */
	__u32 size;		/* bytes; GET: in, out */
	__u32 status;		/* out: KVM_VMPORT_TCLO_* */
	__u64 name;		/* user address, no NUL needed; SET only */
	__u32 name_size;	/* bytes */
	__u32 reserved32;
	__u64 reserved[2];
};

/* The guest answered; the data is what it said ("OK ..." or "ERROR ..."). */
#define KVM_VMPORT_TCLO_ANSWERED	0
/* The guest took the request and lost its channel, or could not receive it. */
#define KVM_VMPORT_TCLO_LOST		1
/* The guest has not seen the request. */
#define KVM_VMPORT_TCLO_QUEUED		2
/* The guest has been given the request and has not answered. */
#define KVM_VMPORT_TCLO_TAKEN		3

/*
 * KVM_VMPORT_ATTR_TCLO_LIST (GET): all requests, and the results that the VMM has not
 * read, in the order of their numbers.  Nothing is taken.
 *
 * @items: user address of an array of struct kvm_vmport_tclo_item
 * @count: in: room in it; out: how many there are, at most KVM_VMPORT_MAX_TCLO
 *
 * -E2BIG they do not fit: @count says what is needed, nothing is written.
 */
struct kvm_vmport_tclo_list {
	__u64 items;		/* user address */
	__u32 count;		/* in, out */
	__u32 reserved32;
	__u64 reserved[4];
};

struct kvm_vmport_tclo_item {
	__u64 id;
	__u32 status;		/* KVM_VMPORT_TCLO_* */
	__u32 size;		/* bytes of the result, or of the request while queued */
	__u8  name[KVM_VMPORT_MAX_NAME + 1];	/* whom it is for; ends with a NUL */
	__u64 reserved[2];
};

/*
 * KVM_VMPORT_ATTR_INFO (GET): what this VM has and this kernel knows.  All fields but the
 * reserved ones are output.  @features are those that KVM_ENABLE_CAP was given; without it
 * the call fails with -EPERM, as all others.  @known_features are what KVM_CHECK_EXTENSION
 * returns, and bits 31 to 63 too, which its int has no place for.
 */
struct kvm_vmport_info {
	__u64 features;		/* KVM_VMPORT_FEATURE_* enabled on this VM */
	__u64 get_attrs;	/* bit N: type N is known to KVM_GET_VMPORT_ATTR */
	__u64 set_attrs;	/* bit N: to KVM_SET_VMPORT_ATTR */
	__u64 sections;		/* bit N: section type N of a state blob is known */
	__u64 known_features;	/* KVM_VMPORT_FEATURE_* that this kernel knows */
	__u64 reserved[3];
};

/*
 * All of a message that waits for the VMM was sent by privileged callers, as
 * KVM_VMPORT_GUESTINFO_PRIVILEGED has them.  Without it any process of the guest may have
 * sent it.
 */
#define KVM_VMPORT_SENDER_PRIVILEGED	(1U << 0)

/*
 * KVM_EXIT_VMPORT, with KVM_VMPORT_FEATURE_EXIT_RPC: KVM_RUN returns because the guest
 * has sent an RPCI message that is the VMM's to answer: all but info-get, info-set and
 * machine.id.get.  The guest's instruction is complete.
 *
 * The message waits for the VMM, which reads it and sets the reply with
 * KVM_VMPORT_ATTR_RPC before it enters the guest again.  It need not do either.  If the
 * guest polls (RECVSIZE) and there is no reply, it gets "1 " to a report: SetGuestInfo,
 * log, tools.capability.*, tools.os.statechange.status, tools.set.version,
 * tools.set.versiontype, update.tools.health; and "0 Unknown command" to all else.
 * These are the replies of a VM without the feature, too.
 */
struct kvm_vmport_exit {
	__u32 type;		/* KVM_VMPORT_EXIT_RPC */
	__u32 channel;		/* id of the message's channel */
	__u64 id;		/* number of the message, for KVM_VMPORT_ATTR_RPC */
	__u32 size;		/* bytes of the message */
	__u32 sender;		/* KVM_VMPORT_SENDER_* */
	__u64 reserved[4];
};

#define KVM_VMPORT_EXIT_RPC		1

/*
 * The struct kvm_vmport_exit of a struct kvm_run.  It stands in the union that holds the
 * data of every exit, which has no member for it until the interface is upstream.
 */
#define kvm_run_vmport(_run)	((struct kvm_vmport_exit *)(_run)->padding)

/*
 * KVM_VMPORT_ATTR_RPC: a message that waits for the VMM, and the VMM's reply.
 *
 * @id: the message's number, from struct kvm_vmport_exit: 1 to 2^63 - 1, never used
 *	twice by a VM on a host.  A message that KVM_SET_VMPORT_STATE loads gets a number
 *	above all that the VM has used, so that a late reply never meets another message.
 * @flags: GET only.  With KVM_VMPORT_RPC_NEXT the call is not about message @id but
 *	about the oldest one with a larger number.  A VMM that starts with 0, and goes on
 *	with the @id that it got, sees all messages that wait: the destination of a
 *	migration finds those that came with the state that way.
 *
 * GET: @id, @channel, @sender out; @size in: bytes at @data, out: bytes of the message.
 *      -ENOENT the message does not wait any more: it was answered, the guest has
 *      polled for the reply, or the channel was closed or used for another message;
 *      with KVM_VMPORT_RPC_NEXT: there is none with a larger number
 *      -E2BIG  the message does not fit; @size says what is needed, @id stays as it
 *      was, and nothing is written
 *      -EINVAL unknown flags
 * SET: the reply, whole: "1 " and a result or "0 " and a reason, no NUL.  KVM does not
 *      look at it.
 *      -ENOENT as above;  -E2BIG longer than KVM_VMPORT_MAX_REPLY, the message still
 *      waits;  -EINVAL @flags is not 0
 */
struct kvm_vmport_rpc {
	__u64 id;		/* GET: in, out */
	__u64 data;		/* user address */
	__u32 size;		/* bytes; GET: in, out */
	__u32 flags;		/* KVM_VMPORT_RPC_*; GET only */
	__u32 channel;		/* out, GET only: id of the channel */
	__u32 sender;		/* out, GET only: KVM_VMPORT_SENDER_* */
	__u64 reserved[4];
};

#define KVM_VMPORT_RPC_NEXT		(1U << 0)

/* Attribute types: struct kvm_vmport_attr.type */
#define KVM_VMPORT_ATTR_IDENTITY	1	/* GET, SET */
#define KVM_VMPORT_ATTR_LIMITS		2	/* GET, SET */
#define KVM_VMPORT_ATTR_GUESTINFO	3	/* GET, SET */
#define KVM_VMPORT_ATTR_GUESTINFO_LIST	4	/* GET */
#define KVM_VMPORT_ATTR_TCLO		5	/* GET, SET */
#define KVM_VMPORT_ATTR_GUESTINFO_MANY	6	/* SET */
#define KVM_VMPORT_ATTR_CHANGES		7	/* GET */
#define KVM_VMPORT_ATTR_EVENTFD		8	/* SET */
#define KVM_VMPORT_ATTR_EVENTS		9	/* GET */
#define KVM_VMPORT_ATTR_RPC		10	/* GET, SET; needs EXIT_RPC */
/*
 * SET, no data: the guest is reset.  Closes all channels as the guest's CLOSE
 * does, and stops the steal clocks of all vCPUs.  Guestinfo, waiting TCLO requests and
 * unread results stay.  A vCPU that runs meanwhile, and waits for the VMM to provide the
 * memory of its steal clock, adds to it once more; so it does after KVM_SET_VMPORT_STATE.
 * Needs RPC or STEALCLOCK.
 */
#define KVM_VMPORT_ATTR_RESET		11
#define KVM_VMPORT_ATTR_INFO		12	/* GET */
#define KVM_VMPORT_ATTR_TCLO_LIST	13	/* GET */
#define KVM_VMPORT_ATTR_TCLO_CANCEL	14	/* SET */

/* What an attribute is made of: its type says which of these. */
union kvm_vmport_attr_data {
	struct kvm_vmport_identity identity;
	struct kvm_vmport_limits limits;
	struct kvm_vmport_guestinfo guestinfo;
	struct kvm_vmport_guestinfo_list list;
	struct kvm_vmport_tclo tclo;
	struct kvm_vmport_guestinfo_many many;
	struct kvm_vmport_changes changes;
	struct kvm_vmport_eventfd eventfd;
	struct kvm_vmport_events events;
	struct kvm_vmport_rpc rpc;
	struct kvm_vmport_info info;
	struct kvm_vmport_tclo_list tclo_list;
	__u64 pad[31];
};

/*
 * KVM_GET_VMPORT_ATTR, KVM_SET_VMPORT_ATTR (VM fd): one typed attribute.
 *
 *   -EPERM   the capability, or the feature of the attribute, is not enabled
 *   -EINVAL  unknown type, wrong direction, or a reserved field is not zero
 *   -E2BIG   past a limit; error says which
 *   -EFAULT, -ENOMEM, and what the attribute adds
 */
struct kvm_vmport_attr {
	__u32 type;		/* KVM_VMPORT_ATTR_* */
	__u32 error;		/* out: KVM_VMPORT_ERR_* */
	union kvm_vmport_attr_data u;
};

/*
 * The state blob.  Little-endian throughout, every record 8-byte aligned, all
 * padding zero.  A header, then sections: a section header and @size payload
 * bytes, padded to the next multiple of 8.  Sections stand in ascending order
 * of type, channels in ascending order of id, guestinfo in ascending byte
 * order of key, so that the same state has one packed form.
 *
 * An unknown section is skipped, or refused where it is marked critical.  What is wrong
 * in a known one that is not critical is left out; it does not make the blob unloadable.
 * No clock value is stored.
 *
 * The checksum is CRC-32C (Castagnoli): reflected polynomial 0x82f63b78, initial
 * value and final XOR 0xffffffff; of "123456789" it is 0xe3069283.
 */
struct kvm_vmport_blob_header {
	__le32 magic;		/* KVM_VMPORT_BLOB_MAGIC */
	__le16 version;		/* KVM_VMPORT_BLOB_VERSION */
	__le16 header_size;	/* bytes of this header, 32 */
	__le64 size;		/* bytes of the blob, this header included */
	__le32 checksum;	/* CRC32C of the blob with this field zero */
	__le32 reserved32;
	__le64 features;	/* KVM_VMPORT_FEATURE_* that the guest was promised */
};

#define KVM_VMPORT_BLOB_MAGIC		0x53504d56	/* "VMPS" */
#define KVM_VMPORT_BLOB_VERSION		1

struct kvm_vmport_blob_section {
	__le32 type;		/* KVM_VMPORT_SECTION_* */
	__le32 flags;		/* KVM_VMPORT_SECTION_CRITICAL */
	__le64 size;		/* payload bytes, padding not counted */
};

#define KVM_VMPORT_SECTION_CRITICAL	(1U << 0)

/*
 * Section types, below 64.  A type's payload never changes: what a later kernel has to
 * add gets a type of its own.
 */
#define KVM_VMPORT_SECTION_CHANNEL	1	/* critical; one per open channel */
#define KVM_VMPORT_SECTION_TCLO		2	/* critical; at most one */
#define KVM_VMPORT_SECTION_GUESTINFO	3	/* critical; at most one */
#define KVM_VMPORT_SECTION_ORDER	4	/* not critical; at most one */
#define KVM_VMPORT_SECTION_NAMES	5	/* not critical; at most one */
#define KVM_VMPORT_SECTION_STEALCLOCK	6	/* critical; at most one */
#define KVM_VMPORT_SECTION_MARKS	7	/* not critical; at most one */

/*
 * KVM_VMPORT_SECTION_CHANNEL: this, then @send_done bytes of the message that
 * the guest is sending or has asked with, then @recv_size bytes of the message
 * that waits for the guest.
 */
struct kvm_vmport_blob_channel {
	__le16 id;		/* below KVM_VMPORT_MAX_CHANNELS */
	__le16 flags;		/* KVM_VMPORT_CHANNEL_* */
	__le32 protocol;	/* RPCI 0x49435052, TCLO 0x4f4c4354 */
	__le32 cookie_high;	/* 0 without KVM_VMPORT_CHANNEL_COOKIE */
	__le32 cookie_low;
	__le32 send_size;	/* bytes announced by SENDSIZE */
	__le32 send_done;	/* bytes that came so far */
	__le32 recv_size;	/* bytes that wait for the guest */
	__le32 recv_done;	/* bytes that it has read */
	__le64 request;		/* TCLO: id of the request being given or run;
				 * RPCI: number of KVM_VMPORT_CHANNEL_ASK, for the
				 * order; the VMM may know the message by another
				 */
};

/* The guest asked for a cookie and must show it. */
#define KVM_VMPORT_CHANNEL_COOKIE	(1U << 0)
/* A message from the guest has begun: @send_size, @send_done count. */
#define KVM_VMPORT_CHANNEL_SEND		(1U << 1)
/* A message waits for the guest: @recv_size, @recv_done count. */
#define KVM_VMPORT_CHANNEL_RECV		(1U << 2)
/* TCLO: the guest has taken a request; its next message is the result. */
#define KVM_VMPORT_CHANNEL_RUN		(1U << 3)
/*
 * RPCI: the message of @send_size bytes, all of which came, waits for the VMM's
 * reply; @request is 1 to 2^63 - 1, and saved again as it is up to 2^62 - 1.  Not with
 * SEND or RECV.  Needs EXIT_RPC.
 */
#define KVM_VMPORT_CHANNEL_ASK		(1U << 4)
/*
 * RPCI, with RECV: the message holds the value of a PRIVILEGED entry; with SEND:
 * all that has come of the message is of privileged callers.
 */
#define KVM_VMPORT_CHANNEL_PRIVILEGED	(1U << 5)

/*
 * KVM_VMPORT_SECTION_TCLO: this, then @count records of struct
 * kvm_vmport_blob_request, each followed by its bytes and padding; results in
 * the order in which they came, then requests in the order of their ids.
 */
struct kvm_vmport_blob_tclo {
	__le64 next_id;		/* id of the next request, 2 to 2^63 - 1 */
	__le32 count;
	__le32 reserved32;
};

struct kvm_vmport_blob_request {
	__le64 id;
	__le32 size;		/* bytes that follow, padding not counted */
	__le16 kind;		/* KVM_VMPORT_REQUEST_* */
	__le16 reserved16;
};

#define KVM_VMPORT_REQUEST_ANSWERED	0	/* a result, not read by the VMM yet */
#define KVM_VMPORT_REQUEST_LOST		1	/* the same, but the guest gave none */
#define KVM_VMPORT_REQUEST_QUEUED	2	/* not given to a guest yet */

/*
 * KVM_VMPORT_SECTION_GUESTINFO: records of this, each followed by the key, the
 * value and padding to the next multiple of 8, to the end of the section.
 */
struct kvm_vmport_blob_guestinfo {
	__le32 value_size;
	__le16 key_size;
	__le16 flags;		/* KVM_VMPORT_GUESTINFO_*, not DELETE */
};

/*
 * KVM_VMPORT_SECTION_ORDER: one of this for each open channel, the one that was
 * used least recently first.  It decides which channel is taken when the guest
 * opens one more than there may be.  Absent where it would say nothing: the
 * channels in ascending order of id.
 */
struct kvm_vmport_blob_order {
	__u8 id;
	__u8 unused;		/* 0; ignored */
};

/*
 * KVM_VMPORT_SECTION_NAMES: records of this, each followed by the name and padding, to
 * the end of the section.  One for each TCLO channel that has answered "reset" but is not
 * called "toolbox", and for each request or result that is for another name.
 */
struct kvm_vmport_blob_name {
	__le64 id;		/* of the channel or of the request */
	__le16 kind;		/* KVM_VMPORT_NAME_* */
	__le16 size;		/* bytes; 0: the channel gave no name */
	__le32 unused;		/* 0; ignored */
};

#define KVM_VMPORT_NAME_CHANNEL		0
#define KVM_VMPORT_NAME_REQUEST		1

/*
 * KVM_VMPORT_SECTION_STEALCLOCK: one of this for each vCPU whose steal clock runs, in
 * ascending order of their ids.  The clock itself travels with the guest's memory: KVM
 * adds to what stands there.  Needs STEALCLOCK.
 */
struct kvm_vmport_blob_stealclock {
	__le64 address;		/* guest physical, a multiple of 64 */
	__le32 vcpu_id;		/* as given to KVM_CREATE_VCPU */
	__le32 reserved32;
};

/*
 * KVM_VMPORT_SECTION_MARKS: one of this for each channel that has a mark, in ascending order
 * of their ids.
 */
struct kvm_vmport_blob_mark {
	__u8 id;
	__u8 marks;		/* KVM_VMPORT_MARK_* */
};

/*
 * TCLO, with RECV or RUN and a @request of 0: a request that the VMM has cancelled, not
 * "reset".  The guest's answer is dropped.
 */
#define KVM_VMPORT_MARK_CANCELLED	(1U << 0)
/* RPCI, with ASK: KVM_VMPORT_SENDER_PRIVILEGED. */
#define KVM_VMPORT_MARK_PRIVILEGED	(1U << 1)

#endif /* _UAPI_LINUX_KVM_VMPORT_H */
