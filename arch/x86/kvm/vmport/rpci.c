// SPDX-License-Identifier: GPL-2.0-only
/*
 * RPCI: the requests that guests send over a channel.  Text up to the first
 * space names the request, the rest is its argument.  The reply is "1 " and a
 * result or "0 " and a reason, without a NUL at its end.
 */
#include <linux/kernel.h>
#include <linux/string.h>

#include "count.h"
#include "guestinfo.h"
#include "reply.h"
#include "rpci.h"
#include "state.h"

struct rpci_text {
	const u8 *data;
	u32 size;
};

/* A request that the kernel answers. */
struct rpci_request {
	const char *name;
	u64 feature;		/* owned by the kernel when this is enabled */
	void (*handler)(const struct vmport_call *call, const struct rpci_text *arg,
			struct vmport_reply *reply);
};

/* Split @text at its first space; false when there is none. */
static bool vmport_rpci_split(const struct rpci_text *text, struct rpci_text *head,
			      struct rpci_text *tail)
{
	const u8 *space = memchr(text->data, ' ', text->size);

	if (!space) {
		*head = *text;
		*tail = (struct rpci_text){ .data = text->data + text->size };
		return false;
	}
	head->data = text->data;
	head->size = space - text->data;
	tail->data = space + 1;
	tail->size = text->size - head->size - 1;
	return true;
}

static bool vmport_starts_with(const struct rpci_text *text, const char *prefix)
{
	size_t size = strlen(prefix);

	return text->size >= size && !memcmp(text->data, prefix, size);
}

static bool vmport_is_guestinfo_key(const struct rpci_text *key)
{
	static const char prefix[] = "guestinfo.";

	return vmport_starts_with(key, prefix) && key->size > strlen(prefix);
}

/* A request that is refused, and what for. */
static void vmport_rpci_refuse(const struct vmport_call *call, enum vmport_count why,
			       const char *text, struct vmport_reply *reply)
{
	vmport_count(call->vcpu, why, 1);
	vmport_reply_text(reply, text);
}

static void vmport_rpci_reply_entry(const struct vmport_call *call, const u8 *key, u32 size,
				    const char *none, struct vmport_reply *reply)
{
	struct vmport_entry *entry = vmport_guestinfo_get(&call->state->guestinfo, key, size);
	u8 *data;

	if (!entry || !vmport_entry_is_visible(entry, call->is_privileged)) {
		vmport_reply_text(reply, none);
		goto out;
	}

	data = vmport_reply_alloc(reply, 2 + entry->value_size);
	if (data) {
		memcpy(data, "1 ", 2);
		memcpy(data + 2, vmport_entry_value(entry), entry->value_size);
		reply->is_privileged = entry->flags & KVM_VMPORT_GUESTINFO_PRIVILEGED;
	} else {
		vmport_rpci_refuse(call, VMPORT_COUNT_REFUSED_MEMORY, "0 Out of memory", reply);
	}
out:
	if (entry)
		vmport_guestinfo_put(entry);
}

static void vmport_rpci_info_get(const struct vmport_call *call, const struct rpci_text *arg,
				 struct vmport_reply *reply)
{
	static const char none[] = "0 No value found";

	if (vmport_is_guestinfo_key(arg) && vmport_guestinfo_key_ok(arg->data, arg->size))
		vmport_rpci_reply_entry(call, arg->data, arg->size, none, reply);
	else
		vmport_reply_text(reply, none);
}

static enum vmport_count vmport_rpci_set_reason(int r)
{
	if (r == -EPERM)
		return VMPORT_COUNT_REFUSED_PERMISSION;
	return r == -ENOMEM ? VMPORT_COUNT_REFUSED_MEMORY : VMPORT_COUNT_REFUSED_LIMIT;
}

static const char *vmport_rpci_set_error(int r, u32 error)
{
	if (r == -EPERM)
		return "0 Permission denied";
	if (r == -ENOMEM)
		return "0 Out of memory";

	switch (error) {
	case KVM_VMPORT_ERR_KEY_SIZE:
		return "0 Key too long";
	case KVM_VMPORT_ERR_VALUE_SIZE:
		return "0 Value too long";
	case KVM_VMPORT_ERR_KEY_COUNT:
		return "0 Too many keys";
	default:
		/* KVM_VMPORT_ERR_GUESTINFO_SIZE; a malformed key does not come so far. */
		return "0 No space left";
	}
}

static void vmport_rpci_info_set(const struct vmport_call *call, const struct rpci_text *arg,
				 struct vmport_reply *reply)
{
	struct vmport_guestinfo_change change = { .by_guest = true };
	struct rpci_text key, value;
	int r;

	if (!vmport_rpci_split(arg, &key, &value)) {
		vmport_rpci_refuse(call, VMPORT_COUNT_REFUSED_MALFORMED,
				   "0 Two and exactly two arguments expected", reply);
		return;
	}
	if (!vmport_starts_with(&key, "guestinfo.")) {
		vmport_rpci_refuse(call, VMPORT_COUNT_REFUSED_PERMISSION,
				   "0 Permission denied", reply);
		return;
	}
	if (!vmport_is_guestinfo_key(&key)) {
		vmport_rpci_refuse(call, VMPORT_COUNT_REFUSED_MALFORMED, "0 Invalid key", reply);
		return;
	}

	change.key = key.data;
	change.key_size = key.size;
	change.value = value.data;
	change.value_size = value.size;
	change.is_privileged = call->is_privileged;
	r = vmport_guestinfo_set(&call->state->guestinfo, &call->config->limits, &change);
	if (r) {
		vmport_rpci_refuse(call, vmport_rpci_set_reason(r),
				   vmport_rpci_set_error(r, change.error), reply);
		return;
	}
	vmport_signal(call->state->events);
	vmport_reply_text(reply, "1 ");
}

static void vmport_rpci_machine_id(const struct vmport_call *call, const struct rpci_text *arg,
				   struct vmport_reply *reply)
{
	static const char key[] = "machine.id";

	vmport_rpci_reply_entry(call, key, strlen(key), "0 No machine id", reply);
}

/*
 * KVM_VMPORT_FEATURE_RPC will own no others: what the VMM answers today must not become the
 * kernel's while a guest runs.  A request that is added here needs a feature of its own.
 */
static const struct rpci_request rpci_requests[] = {
	{ "info-get",		KVM_VMPORT_FEATURE_RPC,	vmport_rpci_info_get },
	{ "info-set",		KVM_VMPORT_FEATURE_RPC,	vmport_rpci_info_set },
	{ "machine.id.get",	KVM_VMPORT_FEATURE_RPC,	vmport_rpci_machine_id },
};

/*
 * What guests report.  They want to hear that it has come; a '*' at the end of a name
 * matches any ending.
 */
static const char * const rpci_reports[] = {
	"SetGuestInfo",
	"log",
	"tools.capability.*",
	"tools.os.statechange.status",
	"tools.set.version",
	"tools.set.versiontype",
	"update.tools.health",
};

static bool vmport_rpci_request_is(const struct rpci_text *name, const char *pattern)
{
	size_t size = strlen(pattern);

	if (pattern[size - 1] == '*')
		return name->size >= size && !memcmp(name->data, pattern, size - 1);

	return name->size == size && !memcmp(name->data, pattern, size);
}

/* Text up to the first space, and what comes behind it. */
static void vmport_rpci_split_request(const u8 *request, u32 size, struct rpci_text *name,
				      struct rpci_text *arg)
{
	const u8 *end = size ? memchr(request, '\0', size) : NULL;
	/* Some clients count the NUL of their C string, or send a whole zeroed buffer. */
	struct rpci_text text = { .data = request, .size = end ? end - request : size };

	vmport_rpci_split(&text, name, arg);
}

/*
 * The reply to a request that the kernel does not own.
 * @reply: set; its old bytes are freed
 *
 * May sleep.
 */
void vmport_rpci_default(const u8 *request, u32 size, struct vmport_reply *reply)
{
	struct rpci_text name, arg;
	unsigned int i;

	vmport_rpci_split_request(request, size, &name, &arg);
	for (i = 0; i < ARRAY_SIZE(rpci_reports); i++) {
		if (vmport_rpci_request_is(&name, rpci_reports[i])) {
			vmport_reply_text(reply, "1 ");
			return;
		}
	}
	vmport_reply_text(reply, "0 Unknown command");
}

/*
 * Run a request.
 * @call: configuration and state; the registers don't matter
 * @reply: set in any case; its old bytes are freed
 *
 * Returns false when the kernel does not own the request; @reply is what the guest gets
 * when nobody else has an answer.  May sleep.
 */
bool vmport_rpci(const struct vmport_call *call, const u8 *request, u32 size,
		 struct vmport_reply *reply)
{
	struct rpci_text name, arg;
	unsigned int i;

	vmport_rpci_split_request(request, size, &name, &arg);
	for (i = 0; i < ARRAY_SIZE(rpci_requests); i++) {
		if (vmport_rpci_request_is(&name, rpci_requests[i].name) &&
		    vmport_has_feature(call->config, rpci_requests[i].feature)) {
			rpci_requests[i].handler(call, &arg, reply);
			return true;
		}
	}
	vmport_rpci_default(request, size, reply);
	return false;
}
