// SPDX-License-Identifier: GPL-2.0-only
/* A state as text, for people. */
#include <stdlib.h>

#include <jansson.h>

#include "channels.h"
#include "section.h"
#include "steal.h"
#include "tool.h"

/* Bytes of the guest as text that no terminal takes for more than text. */
void print_quoted(FILE *out, const u8 *data, size_t size)
{
	size_t i;

	fputc('"', out);
	for (i = 0; i < size; i++) {
		if (data[i] >= 0x20 && data[i] < 0x7f && data[i] != '"' && data[i] != '\\')
			fputc(data[i], out);
		else
			fprintf(out, "\\x%02x", data[i]);
	}
	fputc('"', out);
}

/* UTF-8 with nothing in it that a terminal takes for more than text? */
bool is_plain(const u8 *data, size_t size, const char *also)
{
	json_t *text = json_stringn(size ? (const char *)data : "", size);
	bool plain = text;
	size_t i;

	json_decref(text);
	for (i = 0; plain && i < size; i++) {
		if ((data[i] < 0x20 && (!data[i] || !strchr(also, data[i]))) || data[i] == 0x7f ||
		    (data[i] == 0xc2 && data[i + 1] < 0xa0))
			plain = false;
	}
	return plain;
}

/* The name of a file: whoever sent it has chosen it. */
void print_name(FILE *out, const char *name)
{
	if (is_plain((const u8 *)name, strlen(name), ""))
		fputs(name, out);
	else
		print_quoted(out, (const u8 *)name, strlen(name));
}

struct shower {
	FILE *out;
	const struct options *options;
	struct vmport_state *state;
	const char *title;	/* of the list that has not begun */
};

static const char *plural(u64 count)
{
	return count == 1 ? "" : "s";
}

static void show_bytes(const struct shower *s, u32 size, const u8 *data, u32 known)
{
	fprintf(s->out, "%u byte%s", size, plural(size));
	if (s->options->values && known) {
		fprintf(s->out, ": ");
		print_quoted(s->out, data, known);
	}
	fputc('\n', s->out);
}

static void show_header(const struct shower *s, const struct blob *blob)
{
	struct kvm_vmport_blob_header header;
	u64 features;

	memcpy(&header, blob->data, sizeof(header));
	fprintf(s->out, "version %u, %zu bytes, checksum 0x%08x is right\n",
		le16_to_cpu(header.version), blob->size, le32_to_cpu(header.checksum));
	features = le64_to_cpu(header.features);
	if (!features)
		return;

	fprintf(s->out, "the guest was promised: ");
	print_features(s->out, features);
	fputc('\n', s->out);
}

static void show_waiting(const struct shower *s, const struct vmport_channel *channel)
{
	u32 size = vmport_channel_recv_size(channel);

	fprintf(s->out, "  receiving %s", channel->reply.is_privileged ? "privileged " : "");
	if (channel->request)
		fprintf(s->out, "request %llu", channel->request->id);
	else if (channel->is_cancelled)
		fprintf(s->out, "cancelled request");
	else
		fprintf(s->out, "message");
	fprintf(s->out, ": %u of ", channel->recv_done);
	show_bytes(s, size, vmport_channel_recv_data(channel), size);
}

static void show_channel(const struct shower *s, u16 id, const struct vmport_channel *channel)
{
	fprintf(s->out, "channel %u: %s, ", id,
		channel->protocol == VMPORT_PROTOCOL_TCLO ? "TCLO" : "RPCI");
	if (!channel->has_cookie)
		fprintf(s->out, "no cookie\n");
	else if (s->options->cookies)
		fprintf(s->out, "cookie %08x:%08x\n", channel->cookie_high, channel->cookie_low);
	else
		fprintf(s->out, "cookie hidden\n");

	if (vmport_channel_is_sending(channel)) {
		fprintf(s->out, "  sending: %u of ", channel->send_done);
		show_bytes(s, channel->send_size, channel->send, channel->send_done);
	}
	if (channel->activity == VMPORT_ASKING) {
		fprintf(s->out, "  asks the VMM, %srequest %llu: ",
			channel->send_is_privileged ? "privileged " : "", channel->saved_ask_id);
		show_bytes(s, channel->send_size, channel->send, channel->send_size);
	}
	if (vmport_channel_is_waiting(channel))
		show_waiting(s, channel);
	if (vmport_channel_is_running(channel)) {
		if (channel->request)
			fprintf(s->out, "  runs request %llu\n", channel->request->id);
		else
			fprintf(s->out, "  runs %s\n",
				channel->is_cancelled ? "cancelled request" : "reset");
	}
}

static void show_request(const struct shower *s, const struct vmport_request *request,
			 const char *kind)
{
	fprintf(s->out, "  request %llu: %s, ", request->id, kind);
	show_bytes(s, request->size, request->data, request->size);
}

static void show_requests(const struct shower *s)
{
	const struct vmport_tclo *tclo = &s->state->tclo;
	bool lost;
	u32 i;

	if (tclo->next_id == 1)
		return;

	fprintf(s->out, "host's requests: %u, the next is request %llu\n",
		tclo->unread + tclo->queued, tclo->next_id);
	for (i = 0; i < tclo->unread; i++) {
		lost = tclo->results[i]->status == KVM_VMPORT_TCLO_LOST;
		show_request(s, tclo->results[i], lost ? "lost" : "answered");
	}
	for (i = 0; i < tclo->queued; i++)
		show_request(s, tclo->queue[i], "queued");
}

static void show_guestinfo(const struct shower *s)
{
	struct vmport_guestinfo *gi = &s->state->guestinfo;
	struct vmport_entry **sorted;
	u32 i;

	mutex_lock(&gi->lock);
	sorted = vmport_guestinfo_sort(gi, false);
	if (IS_ERR_OR_NULL(sorted))
		goto out;

	fprintf(s->out, "guestinfo: %u entr%s, %u bytes of keys and values\n", gi->count,
		gi->count == 1 ? "y" : "ies", gi->bytes);
	for (i = 0; i < gi->count; i++) {
		const struct vmport_entry *entry = sorted[i];

		fprintf(s->out, "  ");
		print_quoted(s->out, entry->data, entry->key_size);
		fprintf(s->out, ": %u byte%s%s%s%s", entry->value_size,
			plural(entry->value_size),
			entry->flags & KVM_VMPORT_GUESTINFO_READONLY ? ", read-only" : "",
			entry->flags & KVM_VMPORT_GUESTINFO_PRIVILEGED ? ", privileged" : "",
			entry->flags & KVM_VMPORT_GUESTINFO_WIPEABLE ? ", wipeable" : "");
		if (s->options->values && entry->value_size) {
			fprintf(s->out, ": ");
			print_quoted(s->out, vmport_entry_value(entry), entry->value_size);
		}
		fputc('\n', s->out);
	}
	kvfree(sorted);
out:
	mutex_unlock(&gi->lock);
}

/* Where the blob says it, or the kernel would: not where it is that of the ids. */
static void show_order(const struct shower *s, const struct blob *blob)
{
	struct section_walk walk = { .blob = blob };
	u8 ids[KVM_VMPORT_MAX_CHANNELS], count, i;
	bool is_said, ascends;

	count = channel_order(s->state, ids, &ascends);
	for (is_said = !ascends; !is_said && next_section(&walk); )
		is_said = walk.type == KVM_VMPORT_SECTION_ORDER;
	if (!is_said)
		return;

	fprintf(s->out, "last used: channels ");
	for (i = 0; i < count; i++)
		fprintf(s->out, "%s%u", i ? ", " : "", ids[i]);
	fputc('\n', s->out);
}

static void show_name(struct shower *s, const char *text, u64 id, const struct vmport_name *name)
{
	fprintf(s->out, "%s", s->title);
	s->title = "";
	fprintf(s->out, text, id);
	if (name->size)
		print_quoted(s->out, name->text, name->size);
	else
		fprintf(s->out, "nobody");
	fputc('\n', s->out);
}

static void show_request_name(struct shower *s, const struct vmport_request *request)
{
	if (!vmport_name_is(&request->name, &vmport_toolbox))
		show_name(s, "  request %llu is for ", request->id, &request->name);
}

static void show_names(struct shower *s)
{
	const struct vmport_tclo *tclo = &s->state->tclo;
	u32 i;

	s->title = "names:\n";
	for (i = 0; i < KVM_VMPORT_MAX_CHANNELS; i++) {
		const struct vmport_channel *channel = vmport_channel_open(s->state, i);

		if (!channel)
			continue;
		if (!vmport_name_is(&channel->name, vmport_channel_default_name(channel)))
			show_name(s, "  channel %llu is ", i, &channel->name);
		if (channel->request)
			show_request_name(s, channel->request);
	}
	for (i = 0; i < tclo->unread; i++)
		show_request_name(s, tclo->results[i]);
	for (i = 0; i < tclo->queued; i++)
		show_request_name(s, tclo->queue[i]);
}

static void show_steals(const struct shower *s)
{
	const char *title = "steal clocks:\n";
	struct vmport_steal *steal;
	unsigned long id;

	xa_for_each(&s->state->steals, id, steal) {
		if (steal->address == VMPORT_STEAL_OFF)
			continue;
		fprintf(s->out, "%s  vCPU %lu: at 0x%llx\n", title, id, steal->address);
		title = "";
	}
}

/* What the kernel skips, and whether it keeps all of the rest. */
static void show_rest(const struct shower *s, const struct blob *blob)
{
	struct section_walk walk = { .blob = blob };
	struct blob again;

	while (next_section(&walk)) {
		if (!is_known_section(walk.type))
			fprintf(s->out, "section %u: not known, %llu byte%s\n", walk.type,
				walk.size, plural(walk.size));
	}
	if (engine_pack(s->state, blob_features(blob), &again))
		return;
	/* There is one blob for each state. */
	if (again.size != blob->size || memcmp(again.data, blob->data, blob->size))
		fprintf(s->out, "note: the kernel does not keep all: saved again %zu bytes\n",
			again.size);
	free(again.data);
}

void show_text(FILE *out, const struct options *options, const struct blob *blob,
	       struct vmport_state *state)
{
	struct shower s = { .out = out, .options = options, .state = state };
	u16 id;

	show_header(&s, blob);
	for (id = 0; id < KVM_VMPORT_MAX_CHANNELS; id++) {
		if (vmport_channel_open(state, id))
			show_channel(&s, id, state->channels[id]);
	}
	show_requests(&s);
	show_guestinfo(&s);
	show_order(&s, blob);
	show_names(&s);
	show_steals(&s);
	show_rest(&s, blob);
}
