// SPDX-License-Identifier: GPL-2.0-only
/* A state as JSON: the schema is described in vmport-state(1). */
#include <stdlib.h>

#include "channels.h"
#include "json.h"
#include "section.h"
#include "steal.h"

/* In ASCII, for free(); without DEL, which jansson takes for a character like others. */
char *json_text(const json_t *json, size_t flags)
{
	char *plain = json_dumps(json, JSON_ENCODE_ANY | JSON_ENSURE_ASCII | flags), *text, *to;
	const char *from;
	size_t count = 0;

	for (from = plain; from && *from; from++)
		count += *from == 0x7f;
	if (!plain || !count)
		return plain;
	text = malloc(strlen(plain) + 5 * count + 1);
	for (from = plain, to = text; to && *from; from++)
		to = *from == 0x7f ? stpcpy(to, "\\u007F") : stpncpy(to, from, 1);
	if (to)
		*to = 0;
	free(plain);
	return text;
}

int print_json(FILE *out, const json_t *json, bool indent)
{
	char *text = json_text(json, indent ? JSON_INDENT(2) : JSON_COMPACT);

	if (!text)
		return -1;
	fprintf(out, "%s\n", text);
	free(text);
	return 0;
}

/* Text where it is UTF-8, else an object with all bytes in hexadecimal digits. */
static json_t *bytes_to_json(const u8 *data, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	json_t *text, *object;
	char *hex;
	size_t i;

	text = json_stringn(size ? (const char *)data : "", size);
	if (text)
		return text;
	hex = malloc(2 * size + 1);
	if (!hex)
		return NULL;
	for (i = 0; i < size; i++) {
		hex[2 * i] = digits[data[i] >> 4];
		hex[2 * i + 1] = digits[data[i] & 15];
	}
	hex[2 * size] = 0;
	object = json_pack("{s:s}", "hex", hex);
	free(hex);
	return object;
}

static void set(json_t *object, const char *key, json_t *value)
{
	/* Where there is no memory the dump fails, for a NULL inside is an error. */
	json_object_set_new(object, key, value);
}

static void set_number(json_t *object, const char *key, u64 number)
{
	set(object, key, json_integer(number));
}

static void set_hex(json_t *object, const char *key, u64 number, int digits)
{
	set(object, key, json_sprintf("0x%0*llx", digits, number));
}

static json_t *features_to_json(u64 features)
{
	json_t *array = json_array();
	unsigned int bit;

	for (bit = 0; bit < 64; bit++) {
		if (!(features >> bit & 1))
			continue;
		json_array_append_new(array, bit < nr_feature_names ?
				      json_string(feature_names[bit]) :
				      json_sprintf("0x%llx", 1ull << bit));
	}
	return array;
}

static json_t *name_to_json(const struct vmport_name *name)
{
	return name->size ? bytes_to_json(name->text, name->size) : json_null();
}

/* A message: how long, how far, and on request its bytes. */
static json_t *message_to_json(const struct options *options, u32 size, u32 done,
			       const u8 *data, u32 known)
{
	json_t *object = json_object();

	set_number(object, "size", size);
	set_number(object, "done", done);
	if (options->values)
		set(object, "data", bytes_to_json(data, known));
	return object;
}

static const char *activity_name(const struct vmport_channel *channel)
{
	static const char *const names[] = {
		[VMPORT_CLOSED] = "closed",
		[VMPORT_IDLE] = "idle",
		[VMPORT_SENDING] = "sending",
		[VMPORT_WAITING] = "receiving",
		[VMPORT_WAITING_SENDING] = "receiving-sending",
		[VMPORT_RUNNING] = "running",
		[VMPORT_RUNNING_SENDING] = "running-sending",
		[VMPORT_ASKING] = "asking",
	};

	return names[channel->activity];
}

static json_t *channel_to_json(const struct options *options, u16 id,
			       const struct vmport_channel *channel)
{
	bool tclo = channel->protocol == VMPORT_PROTOCOL_TCLO;
	bool asks = channel->activity == VMPORT_ASKING;
	u32 sent = asks ? channel->send_size : channel->send_done, size;
	json_t *object = json_object();

	set_number(object, "id", id);
	set(object, "protocol", json_string(tclo ? "TCLO" : "RPCI"));
	set(object, "activity", json_string(activity_name(channel)));
	if (!channel->has_cookie)
		set(object, "cookie", json_null());
	else if (options->cookies)
		set(object, "cookie", json_sprintf("%08x:%08x", channel->cookie_high,
						   channel->cookie_low));
	else
		set(object, "cookie", json_true());
	if (vmport_channel_is_sending(channel) || asks)
		set(object, "send",
		    message_to_json(options, channel->send_size, sent, channel->send, sent));
	if ((vmport_channel_is_sending(channel) && !tclo) || asks)
		set(object, "privileged", json_boolean(channel->send_is_privileged));
	if (vmport_channel_is_waiting(channel)) {
		size = vmport_channel_recv_size(channel);
		set(object, "receive", message_to_json(options, size, channel->recv_done,
						       vmport_channel_recv_data(channel), size));
		if (!vmport_channel_is_sending(channel))
			set(object, "privileged", json_boolean(channel->reply.is_privileged));
	}
	if (channel->request)
		set_number(object, "request", channel->request->id);
	else if (asks)
		set_number(object, "request", channel->saved_ask_id);
	if (channel->is_cancelled)
		set(object, "cancelled", json_true());
	if (channel->request)
		set(object, "for", name_to_json(&channel->request->name));
	if (tclo)
		set(object, "name", name_to_json(&channel->name));
	return object;
}

static json_t *channels_to_json(const struct options *options, struct vmport_state *state)
{
	json_t *array = json_array();
	u16 id;

	for (id = 0; id < KVM_VMPORT_MAX_CHANNELS; id++) {
		if (vmport_channel_open(state, id))
			json_array_append_new(array, channel_to_json(options, id,
								     state->channels[id]));
	}
	return array;
}

static json_t *request_to_json(const struct options *options, const struct vmport_request *request,
			       const char *kind)
{
	json_t *object = json_object();

	set_number(object, "id", request->id);
	set(object, "kind", json_string(kind));
	set(object, "for", name_to_json(&request->name));
	set_number(object, "size", request->size);
	if (options->values)
		set(object, "data", bytes_to_json(request->data, request->size));
	return object;
}

static json_t *requests_to_json(const struct options *options, const struct vmport_tclo *tclo)
{
	json_t *object = json_object(), *array = json_array();
	const char *kind;
	u32 i;

	for (i = 0; i < tclo->unread; i++) {
		kind = tclo->results[i]->status == KVM_VMPORT_TCLO_LOST ? "lost" : "answered";
		json_array_append_new(array, request_to_json(options, tclo->results[i], kind));
	}
	for (i = 0; i < tclo->queued; i++)
		json_array_append_new(array, request_to_json(options, tclo->queue[i], "queued"));
	set_number(object, "next", tclo->next_id);
	set(object, "items", array);
	return object;
}

static json_t *entry_to_json(const struct options *options, const struct vmport_entry *entry)
{
	static const struct {
		u32 flag;
		const char *name;
	} flags[] = {
		{ KVM_VMPORT_GUESTINFO_READONLY, "read-only" },
		{ KVM_VMPORT_GUESTINFO_PRIVILEGED, "privileged" },
		{ KVM_VMPORT_GUESTINFO_WIPEABLE, "wipeable" },
	};
	json_t *object = json_object(), *array = json_array();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		if (entry->flags & flags[i].flag)
			json_array_append_new(array, json_string(flags[i].name));
	}
	set(object, "key", bytes_to_json(entry->data, entry->key_size));
	set(object, "flags", array);
	set_number(object, "size", entry->value_size);
	if (options->values)
		set(object, "value", bytes_to_json(vmport_entry_value(entry), entry->value_size));
	return object;
}

static json_t *guestinfo_to_json(const struct options *options, struct vmport_guestinfo *gi)
{
	struct vmport_entry **sorted;
	json_t *array = json_array();
	u32 i;

	mutex_lock(&gi->lock);
	sorted = vmport_guestinfo_sort(gi, false);
	for (i = 0; !IS_ERR_OR_NULL(sorted) && i < gi->count; i++)
		json_array_append_new(array, entry_to_json(options, sorted[i]));
	if (!IS_ERR(sorted))
		kvfree(sorted);
	mutex_unlock(&gi->lock);
	return array;
}

static json_t *steals_to_json(struct vmport_state *state)
{
	json_t *array = json_array(), *object;
	struct vmport_steal *steal;
	unsigned long id;

	xa_for_each(&state->steals, id, steal) {
		if (steal->address == VMPORT_STEAL_OFF)
			continue;
		object = json_object();
		set_number(object, "vcpu", id);
		set_hex(object, "address", steal->address, 1);
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *order_to_json(struct vmport_state *state)
{
	u8 ids[KVM_VMPORT_MAX_CHANNELS], count, i;
	json_t *array = json_array();
	bool ascends;

	count = channel_order(state, ids, &ascends);
	for (i = 0; i < count && !ascends; i++)
		json_array_append_new(array, json_integer(ids[i]));
	return array;
}

static json_t *unknown_to_json(const struct blob *blob)
{
	struct section_walk walk = { .blob = blob };
	json_t *array = json_array(), *object;

	while (next_section(&walk)) {
		if (is_known_section(walk.type))
			continue;
		object = json_object();
		set_number(object, "type", walk.type);
		set_number(object, "size", walk.size);
		json_array_append_new(array, object);
	}
	return array;
}

/* All of it, in the order of the blob's sections; NULL without memory. */
json_t *state_to_json(const struct options *options, const struct blob *blob,
		      struct vmport_state *state)
{
	struct kvm_vmport_blob_header header;
	json_t *root = json_object();

	memcpy(&header, blob->data, sizeof(header));
	set(root, "format", json_string(JSON_FORMAT));
	set_number(root, "schema", JSON_SCHEMA);
	set_number(root, "version", le16_to_cpu(header.version));
	set_number(root, "size", blob->size);
	set_hex(root, "checksum", le32_to_cpu(header.checksum), 8);
	set(root, "features", features_to_json(le64_to_cpu(header.features)));
	set(root, "channels", channels_to_json(options, state));
	set(root, "requests", requests_to_json(options, &state->tclo));
	set(root, "guestinfo", guestinfo_to_json(options, &state->guestinfo));
	set(root, "order", order_to_json(state));
	set(root, "stealclocks", steals_to_json(state));
	set(root, "unknown", unknown_to_json(blob));
	return root;
}

json_t *verdict_to_json(const char *name, const struct blob *blob,
			const struct verdict *verdict)
{
	json_t *object = json_object();

	set(object, "file", bytes_to_json((const u8 *)name, strlen(name)));
	set(object, "at", json_integer(blob->at));
	set_number(object, "size", blob->size);
	set(object, "good", json_boolean(!verdict->r));
	set(object, "errno", json_string(errno_name(verdict->r)));
	set_number(object, "error", verdict->why.error);
	set(object, "name", json_string(error_name(verdict->why.error)));
	set_number(object, "offset", verdict->why.offset);
	set(object, "missing", features_to_json(verdict->why.features));
	return object;
}
