// SPDX-License-Identifier: GPL-2.0-only
/* Numbers as people know them, and what people write as numbers. */
#include <inttypes.h>
#include <stdlib.h>

#include "tool.h"

/* By their bit. */
const char *const feature_names[] = {
	"ENABLE", "RPC", "HB", "RING3", "HYPERCALL", "PMC", "EXIT_RPC", "NESTED", "STEALCLOCK",
};

const unsigned int nr_feature_names = ARRAY_SIZE(feature_names);

static const struct {
	u32 error;
	const char *name;
	const char *text;
	const char *advice;
} errors[] = {
#define ERROR(_name, _text, _advice)	{ KVM_VMPORT_ERR_##_name, #_name, _text, _advice }
#define BUG	"a bug of whoever wrote it, or an attack"
	ERROR(STATE_SIZE, "more bytes than a blob can have", "is this file a blob at all?"),
	ERROR(MESSAGE_SIZE, "a message from the guest is too long", BUG),
	ERROR(REPLY_SIZE, "a message to the guest is too long", BUG),
	ERROR(KEY_SIZE, "a key is too long", BUG),
	ERROR(VALUE_SIZE, "a value is too long", BUG),
	ERROR(KEY_COUNT, "too many guestinfo entries", "delete some on the source"),
	ERROR(GUESTINFO_SIZE, "keys and values are too much together", "delete some on the source"),
	ERROR(TCLO_SIZE, "a request to the guest is too long", BUG),
	ERROR(TCLO_COUNT, "too many requests and results", BUG),
	ERROR(MAGIC, "not a state blob", "name the file or the stream that holds it"),
	ERROR(LENGTH, "the length in the header is not the blob's",
	      "it was cut or something was added: copy it again, whole"),
	ERROR(CHECKSUM, "the checksum is not that of the bytes",
	      "it was changed on its way: take it from the source again"),
	ERROR(RESERVED, "a reserved or padding byte is not 0", BUG),
	ERROR(SECTION, "a section or a record is cut or too long", BUG),
	ERROR(ORDER, "not in ascending order, or twice", BUG),
	ERROR(FLAGS, "flags that are unknown or contradict the record", BUG),
	ERROR(CHANNEL_ID, "no channel can have this number", BUG),
	ERROR(PROTOCOL, "a channel is neither RPCI nor TCLO", BUG),
	ERROR(POSITION, "a position past the end of its message, or not at it", BUG),
	ERROR(KEY, "a key is empty, or has a space or NUL in it", BUG),
	ERROR(REQUEST, "a request that cannot be: its number, or it is empty", BUG),
	ERROR(NAME, "a name is too long, or has a space or NUL in it", BUG),
	ERROR(VCPU_ID, "no vCPU can have this number", BUG),
	ERROR(ADDRESS, "the address is not a multiple of 64", BUG),
	ERROR(VERSION, "a format that this kernel does not know",
	      "use the vmport-state of a newer kernel, and load it there"),
	ERROR(CRITICAL, "a critical section that this kernel does not know",
	      "load it on a newer kernel, or let the source write what this one knows"),
	ERROR(FEATURE, "the VM lacks features that the blob needs",
	      "enable them on the destination; --features says what it has"),
#undef BUG
#undef ERROR
};

const char *errno_name(int r)
{
	switch (-r) {
	case 0:
		return "0";
	case EPERM:
		return "EPERM";
	case E2BIG:
		return "E2BIG";
	case EINVAL:
		return "EINVAL";
	case ENOENT:
		return "ENOENT";
	case ENOMEM:
		return "ENOMEM";
	case EFAULT:
		return "EFAULT";
	case EOPNOTSUPP:
		return "EOPNOTSUPP";
	default:
		return "?";
	}
}

const char *error_name(u32 error)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		if (errors[i].error == error)
			return errors[i].name;
	}
	return error ? "?" : "NONE";
}

const char *section_name(u32 type)
{
	static const char *const names[] = {
		[KVM_VMPORT_SECTION_CHANNEL] = "CHANNEL",
		[KVM_VMPORT_SECTION_TCLO] = "TCLO",
		[KVM_VMPORT_SECTION_GUESTINFO] = "GUESTINFO",
		[KVM_VMPORT_SECTION_ORDER] = "ORDER",
		[KVM_VMPORT_SECTION_NAMES] = "NAMES",
		[KVM_VMPORT_SECTION_STEALCLOCK] = "STEALCLOCK",
		[KVM_VMPORT_SECTION_MARKS] = "MARKS",
	};

	return type < ARRAY_SIZE(names) && names[type] ? names[type] : "not known";
}

void print_features(FILE *out, u64 features)
{
	const char *comma = "";
	unsigned int bit;

	for (bit = 0; bit < 64; bit++) {
		if (!(features >> bit & 1))
			continue;
		if (bit < nr_feature_names)
			fprintf(out, "%s%s", comma, feature_names[bit]);
		else
			fprintf(out, "%sbit %u", comma, bit);
		comma = ", ";
	}
}

/* In which section a byte is. */
static void print_place(FILE *out, const struct blob *blob, u64 offset)
{
	struct section_walk walk = { .blob = blob };

	if (offset < sizeof(struct kvm_vmport_blob_header))
		return;
	while (next_section(&walk)) {
		if (offset >= walk.at && offset < walk.pos) {
			fprintf(out, ", in the section at byte %zu, type %u (%s)", walk.at,
				walk.type, section_name(walk.type));
			return;
		}
	}
}

/* One line, of a blob that is refused. */
void print_verdict(FILE *out, const char *name, const struct blob *blob,
		   const struct verdict *verdict)
{
	unsigned int i;

	print_name(out, name);
	fprintf(out, ": ");
	if (blob->at)
		fprintf(out, "the blob at byte %llu: ", blob->at);
	for (i = 0; i < ARRAY_SIZE(errors) && errors[i].error != verdict->why.error; i++)
		;
	if (i == ARRAY_SIZE(errors)) {
		fprintf(out, "%s\n", strerror(-verdict->r));
		return;
	}
	fprintf(out, "byte %llu: %s", verdict->why.offset, errors[i].text);
	if (verdict->why.features) {
		fprintf(out, ": ");
		print_features(out, verdict->why.features);
	}
	print_place(out, blob, verdict->why.offset);
	fprintf(out, " (%s, KVM_VMPORT_ERR_%s): %s\n", errno_name(verdict->r), errors[i].name,
		errors[i].advice);
}

int parse_number(const char *text, u64 max, u64 *number)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	*number = strtoull(text, &end, 0);
	return errno || *end || *number > max ? -1 : 0;
}

/* Calls @take for each word between commas; the first that it does not know fails. */
static int parse_list(const char *text, const char *what, struct fail *fail, void *to,
		      int (*take)(void *to, const char *word))
{
	char *copy = strdup(text), *rest = copy, *word;
	int r = 0;

	if (!copy)
		return fail_with(fail, STATUS_TROUBLE, "no memory");
	while (!r && (word = strsep(&rest, ","))) {
		if (take(to, word))
			r = fail_with(fail, STATUS_TROUBLE, "no such %s: %s", what, word);
	}
	free(copy);
	return r;
}

static int take_feature(void *to, const char *word)
{
	u64 *features = to, mask;
	unsigned int i;

	if (!parse_number(word, U64_MAX, &mask)) {
		*features |= mask;
		return 0;
	}
	for (i = 0; i < nr_feature_names; i++) {
		if (!strcmp(word, feature_names[i])) {
			*features |= 1ull << i;
			return 0;
		}
	}
	return -1;
}

/* "ENABLE,RPC", or masks: what the VM has. */
int parse_features(const char *text, u64 *features, struct fail *fail)
{
	*features = 0;
	return parse_list(text, "feature", fail, features, take_feature);
}

static int take_flag(void *to, const char *word)
{
	u32 *flags = to;

	if (!strcmp(word, "read-only"))
		*flags |= KVM_VMPORT_GUESTINFO_READONLY;
	else if (!strcmp(word, "privileged"))
		*flags |= KVM_VMPORT_GUESTINFO_PRIVILEGED;
	else if (!strcmp(word, "wipeable"))
		*flags |= KVM_VMPORT_GUESTINFO_WIPEABLE;
	else
		return strcmp(word, "none") ? -1 : 0;
	return 0;
}

/* "read-only,wipeable", or "none". */
int parse_flags(const char *text, u32 *flags, struct fail *fail)
{
	*flags = 0;
	return parse_list(text, "flag of an entry", fail, flags, take_flag);
}

static int take_limit(void *to, const char *word)
{
	struct kvm_vmport_limits *limits = to;
	const struct {
		const char *name;
		u32 *limit;
	} known[] = {
		{ "channels=", &limits->channels },
		{ "keys=", &limits->keys },
		{ "value=", &limits->value_bytes },
		{ "guestinfo=", &limits->guestinfo_bytes },
	};
	unsigned int i;
	u64 number;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		if (strncmp(word, known[i].name, strlen(known[i].name)))
			continue;
		/* As KVM_VMPORT_ATTR_LIMITS: each can only be lowered. */
		if (parse_number(word + strlen(known[i].name), *known[i].limit, &number))
			return -1;
		*known[i].limit = number;
		return 0;
	}
	return -1;
}

/* "keys=16,value=4096": what the VM has in KVM_VMPORT_ATTR_LIMITS. */
int parse_limits(const char *text, struct kvm_vmport_limits *limits, struct fail *fail)
{
	*limits = vmport_max_limits;
	return parse_list(text, "limit, or too high", fail, limits, take_limit);
}
