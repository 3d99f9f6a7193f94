// SPDX-License-Identifier: GPL-2.0-only
/*
 * A blob from JSON.  What is written here is as the JSON has it, be it right or wrong:
 * whether it is a state the kernel's code says afterwards.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "channels.h"
#include "json.h"

struct builder {
	struct blob blob;
	size_t room;
	struct fail *fail;
	bool failed;
	char path[128];		/* of what is being read, for errors */
};

static void wrong(struct builder *b, const char *key, const char *what)
{
	if (b->failed)
		return;
	b->failed = true;
	fail_with(b->fail, STATUS_TROUBLE, "%s%s%s: %s", b->path, *b->path && *key ? "." : "",
		  key, what);
}

static void __attribute__((format(printf, 2, 3)))
enter(struct builder *b, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(b->path, sizeof(b->path), fmt, args);
	va_end(args);
}

static void add(struct builder *b, const void *data, size_t size)
{
	size_t room = 2 * (b->blob.size + size) + 256;
	u8 *larger;

	if (b->failed)
		return;
	if (size > KVM_VMPORT_MAX_STATE - b->blob.size) {
		wrong(b, "", "the blob would be larger than KVM takes");
		return;
	}
	if (b->blob.size + size > b->room) {
		larger = realloc(b->blob.data, room);
		if (!larger) {
			wrong(b, "", "no memory");
			return;
		}
		b->blob.data = larger;
		b->room = room;
	}
	if (size)
		memcpy(b->blob.data + b->blob.size, data, size);
	b->blob.size += size;
}

static void pad(struct builder *b)
{
	static const u8 zeroes[VMPORT_BLOB_ALIGN];

	add(b, zeroes, ALIGN(b->blob.size, VMPORT_BLOB_ALIGN) - b->blob.size);
}

static size_t begin(struct builder *b, u32 type, u32 flags)
{
	struct kvm_vmport_blob_section section = {
		.type = cpu_to_le32(type),
		.flags = cpu_to_le32(flags),
	};
	size_t at = b->blob.size;

	add(b, &section, sizeof(section));
	return at;
}

static void end(struct builder *b, size_t at)
{
	struct kvm_vmport_blob_section section;

	if (b->failed)
		return;
	memcpy(&section, b->blob.data + at, sizeof(section));
	section.size = cpu_to_le64(b->blob.size - at - sizeof(section));
	memcpy(b->blob.data + at, &section, sizeof(section));
	pad(b);
}

/* What a string says; NULL where it is none, or has a NUL in it. */
static const char *text_of(const json_t *json)
{
	const char *text = json_string_value(json);

	return text && strlen(text) == json_string_length(json) ? text : NULL;
}

/* An object with no other fields than @names, which end with NULL: one may be misspelt. */
static void check_fields(struct builder *b, const json_t *json, const char *const *names)
{
	const char *key;
	json_t *value;
	u32 i;

	if (!json_is_object(json))
		wrong(b, "", "not an object");
	json_object_foreach((json_t *)json, key, value) {
		for (i = 0; names[i] && strcmp(names[i], key); i++)
			;
		if (!names[i])
			wrong(b, key, "no such field");
	}
}

/* A number, or where it is too large for one a string with it. */
static u64 number(struct builder *b, const json_t *object, const char *key, u64 max)
{
	const json_t *json = json_object_get(object, key);
	const char *text = text_of(json);
	u64 n = 0;

	if (json_is_integer(json)) {
		n = json_integer_value(json);
		if (json_integer_value(json) < 0 || n > max)
			wrong(b, key, "the number is out of range");
	} else if (!text || parse_number(text, max, &n)) {
		wrong(b, key, json ? "not a number, or out of range" : "not there");
	}
	return n;
}

/* The request that a channel holds; 0: none. */
static u64 request_of(struct builder *b, const json_t *channel)
{
	return json_object_get(channel, "request") ? number(b, channel, "request", S64_MAX) : 0;
}

/* True or false; false when it is not there. */
static bool flag(struct builder *b, const json_t *object, const char *key)
{
	const json_t *json = json_object_get(object, key);

	if (json && !json_is_boolean(json))
		wrong(b, key, "not true or false");
	return json_is_true(json);
}

/* One of @names, which end with NULL; its place. */
static u32 word(struct builder *b, const json_t *object, const char *key,
		const char *const *names)
{
	const char *text = text_of(json_object_get(object, key));
	u32 i;

	for (i = 0; text && names[i]; i++) {
		if (!strcmp(text, names[i]))
			return i;
	}
	wrong(b, key, text ? "no such word" : "not there, or not a string");
	return 0;
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;

	return at ? at - digits : -1;
}

struct bytes {
	u8 *data;
	size_t size;
};

/* Bytes for free(), at most @max: a string, or { "hex": "..." }. */
static struct bytes bytes(struct builder *b, const json_t *object, const char *key, size_t max)
{
	const json_t *json = json_object_get(object, key), *hex = json_object_get(json, "hex");
	const char *text = json_string_value(hex ?: json);
	size_t length = json_string_length(hex ?: json), i;
	struct bytes bytes = { };

	if (!text || (hex && json_object_size(json) > 1)) {
		wrong(b, key, "not there: make the JSON with --values and --cookies");
		return bytes;
	}
	if (length / (hex ? 2 : 1) > max || (hex && length % 2)) {
		wrong(b, key, hex && length % 2 ? "half a byte" : "too long");
		return bytes;
	}
	bytes.size = hex ? length / 2 : length;
	bytes.data = calloc(1, bytes.size + 1);
	if (!bytes.data) {
		wrong(b, key, "no memory");
		return (struct bytes){ };
	}
	if (!hex)
		memcpy(bytes.data, text, length);
	for (i = 0; hex && i < bytes.size; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0) {
			wrong(b, key, "not hexadecimal digits");
			break;
		}
		bytes.data[i] = high << 4 | low;
	}
	return bytes;
}

static const json_t *array(struct builder *b, const json_t *object, const char *key)
{
	const json_t *json = json_object_get(object, key);

	if (json && !json_is_array(json))
		wrong(b, key, "not an array");
	return json;
}

static u64 features(struct builder *b, const json_t *root)
{
	const json_t *json = array(b, root, "features");
	struct fail fail;
	u64 all = 0, some;
	size_t i;

	for (i = 0; i < json_array_size(json); i++) {
		const char *text = text_of(json_array_get(json, i));

		if (!text || parse_features(text, &some, &fail))
			wrong(b, "features", "no such feature");
		else
			all |= some;
	}
	return all;
}

static void cookie(struct builder *b, const json_t *json, struct kvm_vmport_blob_channel *channel)
{
	const json_t *cookie = json_object_get(json, "cookie");
	const char *text = text_of(cookie);
	static const char digits[] = "0123456789abcdef";
	unsigned int high, low;

	if (!cookie || json_is_null(cookie))
		return;
	if (!text || strspn(text, digits) != 8 || text[8] != ':' || strspn(text + 9, digits) != 8 ||
	    text[17] || sscanf(text, "%x:%x", &high, &low) != 2) {
		wrong(b, "cookie", "not 01234567:89abcdef: make the JSON with --cookies");
		return;
	}
	channel->flags |= KVM_VMPORT_CHANNEL_COOKIE;
	channel->cookie_high = cpu_to_le32(high);
	channel->cookie_low = cpu_to_le32(low);
}

static bool is_asking(const json_t *channel)
{
	const char *activity = text_of(json_object_get(channel, "activity"));

	return activity && !strcmp(activity, "asking");
}

/* What a channel sends or receives: its bytes, and the number that does not follow from them. */
static struct bytes message(struct builder *b, const json_t *channel, const char *key, size_t max,
			    const char *number_key, __le32 *n)
{
	static const char *const fields[] = { "size", "done", "data", NULL };
	const json_t *json = json_object_get(channel, key);
	size_t length = strlen(b->path);
	struct bytes data = { };

	if (!json)
		return data;
	snprintf(b->path + length, sizeof(b->path) - length, ".%s", key);
	check_fields(b, json, fields);
	data = bytes(b, json, "data", max);
	*n = cpu_to_le32(number(b, json, number_key, U32_MAX));
	b->path[length] = 0;
	return data;
}

static void build_channel(struct builder *b, const json_t *json)
{
	static const char *const protocols[] = { "RPCI", "TCLO", NULL };
	static const char *const activities[] = {
		"idle", "sending", "receiving", "receiving-sending", "running",
		"running-sending", "asking", NULL,
	};
	static const u16 flags[] = {
		0, KVM_VMPORT_CHANNEL_SEND, KVM_VMPORT_CHANNEL_RECV,
		KVM_VMPORT_CHANNEL_RECV | KVM_VMPORT_CHANNEL_SEND, KVM_VMPORT_CHANNEL_RUN,
		KVM_VMPORT_CHANNEL_RUN | KVM_VMPORT_CHANNEL_SEND, KVM_VMPORT_CHANNEL_ASK,
	};
	static const char *const fields[] = {
		"id", "protocol", "activity", "cookie", "send", "receive", "privileged", "request",
		"cancelled", "for", "name", NULL,
	};
	struct kvm_vmport_blob_channel packed = { };
	struct bytes sent, waits;
	size_t at;

	check_fields(b, json, fields);
	packed.id = cpu_to_le16(number(b, json, "id", U16_MAX));
	packed.protocol = cpu_to_le32(word(b, json, "protocol", protocols) ?
				      VMPORT_PROTOCOL_TCLO : VMPORT_PROTOCOL_RPCI);
	cookie(b, json, &packed);
	packed.flags |= flags[word(b, json, "activity", activities)];
	if (flag(b, json, "privileged") && !is_asking(json))
		packed.flags |= KVM_VMPORT_CHANNEL_PRIVILEGED;
	packed.flags = cpu_to_le16(packed.flags);
	packed.request = cpu_to_le64(request_of(b, json));
	sent = message(b, json, "send", KVM_VMPORT_MAX_MESSAGE, "size", &packed.send_size);
	packed.send_done = cpu_to_le32(sent.size);
	waits = message(b, json, "receive", KVM_VMPORT_MAX_REPLY, "done", &packed.recv_done);
	packed.recv_size = cpu_to_le32(waits.size);

	at = begin(b, KVM_VMPORT_SECTION_CHANNEL, KVM_VMPORT_SECTION_CRITICAL);
	add(b, &packed, sizeof(packed));
	add(b, sent.data, sent.size);
	add(b, waits.data, waits.size);
	end(b, at);
	free(sent.data);
	free(waits.data);
}

static void build_request(struct builder *b, const json_t *json)
{
	static const char *const kinds[] = { "answered", "lost", "queued", NULL };
	static const char *const fields[] = { "id", "kind", "for", "size", "data", NULL };
	struct kvm_vmport_blob_request packed = { };
	struct bytes data = bytes(b, json, "data", KVM_VMPORT_MAX_MESSAGE);

	check_fields(b, json, fields);
	packed.id = cpu_to_le64(number(b, json, "id", S64_MAX));
	packed.kind = cpu_to_le16(word(b, json, "kind", kinds));
	packed.size = cpu_to_le32(data.size);
	add(b, &packed, sizeof(packed));
	add(b, data.data, data.size);
	pad(b);
	free(data.data);
}

static void build_requests(struct builder *b, const json_t *requests)
{
	static const char *const fields[] = { "next", "items", NULL };
	const json_t *items = array(b, requests, "items");
	struct kvm_vmport_blob_tclo packed = { };
	size_t at, i;
	u64 next;

	if (!requests)
		return;
	check_fields(b, requests, fields);
	next = number(b, requests, "next", S64_MAX);
	if (next <= 1 && !json_array_size(items))
		return;
	at = begin(b, KVM_VMPORT_SECTION_TCLO, KVM_VMPORT_SECTION_CRITICAL);
	packed.next_id = cpu_to_le64(next);
	packed.count = cpu_to_le32(json_array_size(items));
	add(b, &packed, sizeof(packed));
	for (i = 0; i < json_array_size(items) && !b->failed; i++) {
		enter(b, "requests.items[%zu]", i);
		build_request(b, json_array_get(items, i));
	}
	end(b, at);
}

static void build_entry(struct builder *b, const json_t *json)
{
	static const char *const fields[] = { "key", "flags", "size", "value", NULL };
	const json_t *flags = array(b, json, "flags");
	struct kvm_vmport_blob_guestinfo packed = { };
	struct bytes key = bytes(b, json, "key", KVM_VMPORT_MAX_KEY), value;
	u32 all = 0, some;
	struct fail fail;
	size_t i;

	check_fields(b, json, fields);
	value = bytes(b, json, "value", KVM_VMPORT_MAX_VALUE);
	for (i = 0; i < json_array_size(flags); i++) {
		const char *text = text_of(json_array_get(flags, i));

		if (!text || parse_flags(text, &some, &fail))
			wrong(b, "flags", "no such flag");
		else
			all |= some;
	}
	packed.value_size = cpu_to_le32(value.size);
	packed.key_size = cpu_to_le16(key.size);
	packed.flags = cpu_to_le16(all);
	add(b, &packed, sizeof(packed));
	add(b, key.data, key.size);
	add(b, value.data, value.size);
	pad(b);
	free(key.data);
	free(value.data);
}

static void build_guestinfo(struct builder *b, const json_t *entries)
{
	size_t at, i;

	if (!json_array_size(entries))
		return;
	at = begin(b, KVM_VMPORT_SECTION_GUESTINFO, KVM_VMPORT_SECTION_CRITICAL);
	for (i = 0; i < json_array_size(entries) && !b->failed; i++) {
		enter(b, "guestinfo[%zu]", i);
		build_entry(b, json_array_get(entries, i));
	}
	end(b, at);
}

static void build_order(struct builder *b, const json_t *order)
{
	size_t at, i;

	if (!json_array_size(order))
		return;
	at = begin(b, KVM_VMPORT_SECTION_ORDER, 0);
	for (i = 0; i < json_array_size(order); i++) {
		const json_t *id = json_array_get(order, i);
		struct kvm_vmport_blob_order packed = { .id = json_integer_value(id) };

		if (!json_is_integer(id) || packed.id != json_integer_value(id))
			wrong(b, "order", "not the id of a channel");
		add(b, &packed, sizeof(packed));
	}
	end(b, at);
}

/* Where "name" or "for" is said; null: nobody. */
static void build_name(struct builder *b, const json_t *json, const char *key, u16 kind, u64 id)
{
	const json_t *name = json_object_get(json, key);
	struct kvm_vmport_blob_name packed = {
		.id = cpu_to_le64(id),
		.kind = cpu_to_le16(kind),
	};
	struct bytes text = { };

	if (!name)
		return;
	if (!json_is_null(name))
		text = bytes(b, json, key, KVM_VMPORT_MAX_NAME);
	packed.size = cpu_to_le16(text.size);
	add(b, &packed, sizeof(packed));
	add(b, text.data, text.size);
	pad(b);
	free(text.data);
}

/* All names that are said: the kernel's code keeps those that say something. */
static void build_names(struct builder *b, const json_t *channels, const json_t *requests)
{
	const json_t *items = json_object_get(requests, "items"), *json;
	size_t at = begin(b, KVM_VMPORT_SECTION_NAMES, 0), i;

	for (i = 0; i < json_array_size(channels); i++) {
		json = json_array_get(channels, i);
		enter(b, "channels[%zu]", i);
		build_name(b, json, "name", KVM_VMPORT_NAME_CHANNEL,
			   number(b, json, "id", U16_MAX));
		build_name(b, json, "for", KVM_VMPORT_NAME_REQUEST,
			   request_of(b, json));
	}
	for (i = 0; i < json_array_size(items); i++) {
		json = json_array_get(items, i);
		enter(b, "requests.items[%zu]", i);
		build_name(b, json, "for", KVM_VMPORT_NAME_REQUEST,
			   number(b, json, "id", S64_MAX));
	}
	end(b, at);
}

static void build_steals(struct builder *b, const json_t *steals)
{
	static const char *const fields[] = { "vcpu", "address", NULL };
	size_t at, i;

	if (!json_array_size(steals))
		return;
	at = begin(b, KVM_VMPORT_SECTION_STEALCLOCK, KVM_VMPORT_SECTION_CRITICAL);
	for (i = 0; i < json_array_size(steals); i++) {
		const json_t *json = json_array_get(steals, i);
		struct kvm_vmport_blob_stealclock packed = { };

		enter(b, "stealclocks[%zu]", i);
		check_fields(b, json, fields);
		packed.vcpu_id = cpu_to_le32(number(b, json, "vcpu", U32_MAX));
		packed.address = cpu_to_le64(number(b, json, "address", U64_MAX));
		add(b, &packed, sizeof(packed));
	}
	end(b, at);
}

static u8 marks_of(struct builder *b, const json_t *channel)
{
	u8 marks = 0;

	if (flag(b, channel, "cancelled"))
		marks |= KVM_VMPORT_MARK_CANCELLED;
	if (is_asking(channel) && flag(b, channel, "privileged"))
		marks |= KVM_VMPORT_MARK_PRIVILEGED;
	return marks;
}

/* An empty section is left out by the kernel's code. */
static void build_marks(struct builder *b, const json_t *channels)
{
	size_t at = begin(b, KVM_VMPORT_SECTION_MARKS, 0), i;

	for (i = 0; i < json_array_size(channels); i++) {
		const json_t *json = json_array_get(channels, i);
		struct kvm_vmport_blob_mark packed = { };

		enter(b, "channels[%zu]", i);
		packed.marks = marks_of(b, json);
		if (!packed.marks)
			continue;
		packed.id = number(b, json, "id", 255);
		add(b, &packed, sizeof(packed));
	}
	end(b, at);
}

static void check_schema(struct builder *b, const json_t *root)
{
	static const char *const fields[] = {
		"format", "schema", "version", "size", "checksum", "features", "channels",
		"requests", "guestinfo", "order", "stealclocks", "unknown", NULL,
	};
	const char *format = text_of(json_object_get(root, "format"));

	if (!format || strcmp(format, JSON_FORMAT))
		wrong(b, "format", "not \"" JSON_FORMAT "\": is this from vmport-state --json?");
	if (number(b, root, "schema", U32_MAX) != JSON_SCHEMA)
		wrong(b, "schema", "not 1: made by another version of vmport-state");
	if (json_array_size(array(b, root, "unknown")))
		wrong(b, "unknown",
		      "sections that this program does not know cannot be built: remove it");
	check_fields(b, root, fields);
}

/* The blob that @root describes; malloc()ed, sealed, not checked. */
int json_to_blob(const json_t *root, struct blob *blob, struct fail *fail)
{
	struct kvm_vmport_blob_header header = {
		.magic = cpu_to_le32(KVM_VMPORT_BLOB_MAGIC),
		.version = cpu_to_le16(KVM_VMPORT_BLOB_VERSION),
		.header_size = cpu_to_le16(sizeof(header)),
	};
	struct builder b = { .fail = fail };
	const json_t *channels, *requests = json_object_get(root, "requests");
	size_t i;

	check_schema(&b, root);
	channels = array(&b, root, "channels");
	header.features = cpu_to_le64(features(&b, root));
	add(&b, &header, sizeof(header));
	for (i = 0; i < json_array_size(channels) && !b.failed; i++) {
		enter(&b, "channels[%zu]", i);
		build_channel(&b, json_array_get(channels, i));
	}
	enter(&b, "requests");
	build_requests(&b, requests);
	enter(&b, "%s", "");
	build_guestinfo(&b, array(&b, root, "guestinfo"));
	enter(&b, "%s", "");
	build_order(&b, array(&b, root, "order"));
	build_names(&b, channels, requests);
	enter(&b, "%s", "");
	build_steals(&b, array(&b, root, "stealclocks"));
	build_marks(&b, channels);
	if (b.failed) {
		free(b.blob.data);
		return -1;
	}
	seal_blob(&b.blob);
	*blob = b.blob;
	return 0;
}
