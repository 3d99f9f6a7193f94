// SPDX-License-Identifier: GPL-2.0-only
/* What two states differ in. */
#include <stdlib.h>

#include "json.h"

struct differ {
	FILE *out;
	const struct options *options;
	bool found;
};

/* What tells one element of a list from another; NULL: its place. */
static const json_t *identity(const json_t *element)
{
	static const char *const keys[] = { "key", "id", "vcpu", "type" };
	const json_t *value = NULL;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(keys) && !value; i++)
		value = json_object_get(element, keys[i]);
	return value;
}

static bool is_list(const json_t *json)
{
	return json_is_array(json) && identity(json_array_get(json, 0));
}

static bool is_secret(const struct differ *d, const char *key)
{
	if (!strcmp(key, "cookie"))
		return !d->options->cookies;
	return (!strcmp(key, "data") || !strcmp(key, "value")) && !d->options->values;
}

/* A leaf, in one line of ASCII. */
static void print_leaf(const struct differ *d, const json_t *json)
{
	char *text = json_text(json, JSON_COMPACT);

	fprintf(d->out, "%s", json ? text ?: "?" : "nothing");
	free(text);
}

static void diff_json(struct differ *d, const char *path, const char *key, const json_t *a,
		      const json_t *b);

/* The elements of a list by their identity, for json_decref(). */
static json_t *index_list(const json_t *list)
{
	json_t *index = json_object();
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		json_t *element = json_array_get(list, i);
		char *name = json_text(identity(element), JSON_COMPACT);

		if (name)
			json_object_set(index, name, element);
		free(name);
	}
	return index;
}

static void diff_member(struct differ *d, const char *path, const char *fmt, const char *key,
			const json_t *a, const json_t *b)
{
	char *inner;

	if (json_equal(a, b))
		return;
	if (asprintf(&inner, fmt, path, key) < 0)
		return;
	diff_json(d, inner, key, a, b);
	free(inner);
}

static void diff_objects(struct differ *d, const char *path, const char *fmt, json_t *a,
			 json_t *b)
{
	const char *key;
	json_t *value;

	json_object_foreach(a, key, value)
		diff_member(d, path, fmt, key, value, json_object_get(b, key));
	json_object_foreach(b, key, value) {
		if (!json_object_get(a, key))
			diff_member(d, path, fmt, key, NULL, value);
	}
}

static void diff_json(struct differ *d, const char *path, const char *key, const json_t *a,
		      const json_t *b)
{
	json_t *index_a, *index_b;

	d->found = true;
	if (is_list(a) || is_list(b)) {
		index_a = index_list(a);
		index_b = index_list(b);
		diff_objects(d, path, "%s[%s]", index_a, index_b);
		json_decref(index_a);
		json_decref(index_b);
	} else if (json_is_object(a) && json_is_object(b) && !json_object_get(a, "hex") &&
		   !json_object_get(b, "hex")) {
		diff_objects(d, path, *path ? "%s.%s" : "%s%s", (json_t *)a, (json_t *)b);
	} else if (!a || !b) {
		fprintf(d->out, "%c %s\n", a ? '-' : '+', path);
	} else if (is_secret(d, key)) {
		fprintf(d->out, "~ %s: differs\n", path);
	} else {
		fprintf(d->out, "~ %s: ", path);
		print_leaf(d, a);
		fprintf(d->out, " -> ");
		print_leaf(d, b);
		fputc('\n', d->out);
	}
}

static json_t *comparable(const struct blob *blob, struct vmport_state *state)
{
	static const struct options all = { .cookies = true, .values = true };
	json_t *json = state_to_json(&all, blob, state);

	/* Of the blob, not the state. */
	json_object_del(json, "size");
	json_object_del(json, "checksum");
	return json;
}

/* One line for each difference; STATUS_OK, STATUS_DIFFERENT or with @fail STATUS_TROUBLE. */
int diff_states(FILE *out, const struct options *options, const struct blob *a,
		struct vmport_state *state_a, const struct blob *b,
		struct vmport_state *state_b, struct fail *fail)
{
	struct differ d = { .out = options->quiet ? NULL : out, .options = options };
	json_t *json_a = comparable(a, state_a), *json_b = comparable(b, state_b);
	int status = STATUS_TROUBLE;

	if (!json_a || !json_b) {
		fail_with(fail, STATUS_TROUBLE, "no memory");
	} else {
		if (d.out)
			diff_objects(&d, "", "%s%s", json_a, json_b);
		else
			d.found = !json_equal(json_a, json_b);
		status = d.found ? STATUS_DIFFERENT : STATUS_OK;
	}
	json_decref(json_a);
	json_decref(json_b);
	return status;
}
