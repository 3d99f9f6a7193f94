// SPDX-License-Identifier: GPL-2.0-only
/* Reading and changing guestinfo in a saved blob, with the kernel's own store. */
#include <stdlib.h>
#include <sys/stat.h>

#include "commands.h"
#include "guestinfo.h"
#include "input.h"

static int no_key(const char *name, const char *key)
{
	fprintf(stderr, TOOL_NAME ": ");
	print_name(stderr, input_name(name));
	fprintf(stderr, ": no such key: ");
	print_quoted(stderr, (const u8 *)key, strlen(key));
	fputc('\n', stderr);
	return STATUS_NO_KEY;
}

int do_get(const struct options *options, char **args)
{
	struct vmport_state *state;
	struct vmport_entry *entry;
	struct blob blob, value;
	int status;

	status = load_blob(options, args[0], &blob, &state);
	if (status)
		return status;
	entry = vmport_guestinfo_get(&state->guestinfo, (const u8 *)args[1], strlen(args[1]));
	if (!entry) {
		status = no_key(args[0], args[1]);
	} else {
		value.data = (u8 *)vmport_entry_value(entry);
		value.size = entry->value_size;
		/* A guest does not get to write to a terminal. */
		status = write_output(options, args[0], &value,
				      is_plain(value.data, value.size, "\t\n"));
		vmport_guestinfo_put(entry);
	}
	vmport_state_free(state);
	free(blob.data);
	return status;
}

/* Is the input a file with the blob and nothing else? */
static bool is_only_blob(const char *name, const struct blob *blob)
{
	struct stat info;

	return !blob->at && !stat(name, &info) && S_ISREG(info.st_mode) &&
	       info.st_size == blob->size;
}

/* Where a changed blob goes: back to its file, but into no stream or image. */
static int write_changed(const struct options *options, const char *name,
			 const struct blob *old, const struct blob *blob)
{
	const char *output = options->output ?: name;
	struct fail fail;

	if (!strcmp(output, "-"))
		return write_output(options, name, blob, false);
	if (is_same_file(output, name) && is_only_blob(name, old)) {
		if (!write_file(output, blob->data, blob->size, &fail))
			return STATUS_OK;
		return complain(output, &fail);
	}
	if (options->output)
		return write_output(options, name, blob, false);
	fail_with(&fail, STATUS_TROUBLE,
		  "not a blob but a stream or an image, which is not changed: say with -o where the blob goes");
	return complain(input_name(name), &fail);
}

/* As in the kernel, what is not known does not become part of the state. */
static void tell_losses(const char *name, const struct blob *blob)
{
	struct section_walk walk = { .blob = blob };
	struct fail fail;

	while (next_section(&walk)) {
		if (is_known_section(walk.type))
			continue;
		fail_with(&fail, STATUS_OK, "note: section %u is not known and is left out",
			  walk.type);
		complain(input_name(name), &fail);
	}
}

static int change_all(const struct options *options, const char *name, struct blob *blob,
		      struct vmport_state *state, char **args,
		      int (*change)(const struct options *options, const char *name,
				    struct vmport_state *state, char *arg))
{
	struct vmport_state *again;
	struct blob changed;
	int status = STATUS_OK;

	for (; *args && !status; args++)
		status = change(options, name, state, *args);
	if (status)
		return status;
	if (engine_pack(state, blob_features(blob), &changed)) {
		fprintf(stderr, TOOL_NAME ": no memory\n");
		return STATUS_TROUBLE;
	}
	/* Nothing is written that KVM would not take. */
	status = check_blob(options, "the changed blob", &changed, &again);
	if (!status) {
		vmport_state_free(again);
		tell_losses(name, blob);
		status = write_changed(options, name, blob, &changed);
	}
	free(changed.data);
	return status;
}

static int set_one(const struct options *options, const char *name, struct vmport_state *state,
		   char *arg)
{
	char *equals = strchr(arg, '=');
	struct vmport_guestinfo_change change = { .key = (const u8 *)arg };
	struct vmport_entry *old;
	struct blob value = { };
	struct fail fail;
	int r;

	if (options->value_file) {
		if (read_all(options->value_file, KVM_VMPORT_MAX_VALUE, &value, &fail))
			return complain(input_name(options->value_file), &fail);
		equals = arg + strlen(arg);
	} else if (!equals) {
		fail_with(&fail, STATUS_TROUBLE, "no '=' behind the key, and no --value-file");
		return complain(arg, &fail);
	}
	change.key_size = equals - arg;
	change.value = value.data ?: (const u8 *)equals + 1;
	change.value_size = value.data ? value.size : strlen(equals + 1);
	change.flags = options->flags;
	old = vmport_guestinfo_get(&state->guestinfo, change.key, change.key_size);
	if (old) {
		if (!options->has_flags)
			change.flags = old->flags;
		vmport_guestinfo_put(old);
	}
	r = vmport_guestinfo_set(&state->guestinfo, &options->config.limits, &change);
	free(value.data);
	if (!r)
		return STATUS_OK;
	fprintf(stderr, TOOL_NAME ": ");
	print_quoted(stderr, change.key, change.key_size);
	fprintf(stderr, ": KVM would refuse it: %s, KVM_VMPORT_ERR_%s\n", errno_name(r),
		error_name(change.error));
	return STATUS_REFUSED;
}

static int delete_one(const struct options *options, const char *name,
		      struct vmport_state *state, char *arg)
{
	if (vmport_guestinfo_delete(&state->guestinfo, (const u8 *)arg, strlen(arg)))
		return no_key(name, arg);
	return STATUS_OK;
}

static int change_file(const struct options *options, char **args,
		       int (*change)(const struct options *options, const char *name,
				     struct vmport_state *state, char *arg))
{
	struct vmport_state *state;
	struct blob blob;
	int status;

	status = load_blob(options, args[0], &blob, &state);
	if (status)
		return status;
	status = change_all(options, args[0], &blob, state, args + 1, change);
	vmport_state_free(state);
	free(blob.data);
	return status;
}

int do_set(const struct options *options, char **args)
{
	if (options->value_file && args[2]) {
		fprintf(stderr, TOOL_NAME ": --value-file is for one key\n");
		return STATUS_TROUBLE;
	}
	return change_file(options, args, set_one);
}

int do_delete(const struct options *options, char **args)
{
	return change_file(options, args, delete_one);
}
