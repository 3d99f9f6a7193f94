/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_JSON_H
#define _VMPORT_JSON_H

#include <jansson.h>

#include "tool.h"

#define JSON_FORMAT	"kvm-vmport-state"
#define JSON_SCHEMA	1

json_t *state_to_json(const struct options *options, const struct blob *blob,
		      struct vmport_state *state);
json_t *verdict_to_json(const char *name, const struct blob *blob,
			const struct verdict *verdict);
int json_to_blob(const json_t *root, struct blob *blob, struct fail *fail);
char *json_text(const json_t *json, size_t flags);
/* One line of ASCII, or indented; 0 or -1. */
int print_json(FILE *out, const json_t *json, bool indent);

#endif /* _VMPORT_JSON_H */
