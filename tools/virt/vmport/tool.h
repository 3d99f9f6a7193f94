/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmport-state: what its parts have in common.  Everything that is read is hostile: a guest
 * wrote most of it, and whoever had the file since the rest.
 */
#ifndef _VMPORT_TOOL_H
#define _VMPORT_TOOL_H

#include <stdio.h>

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "state.h"
#include "unpack.h"

#define TOOL_NAME	"vmport-state"
#ifndef TOOL_VERSION
#define TOOL_VERSION	"unknown"
#endif

/* Exit statuses. */
enum {
	STATUS_OK = 0,
	STATUS_REFUSED = 1,	/* KVM would refuse the blob */
	STATUS_TROUBLE = 2,	/* usage, files, memory, a file that is malformed */
	STATUS_NONE = 3,	/* no blob in the input, or more than one */
	STATUS_NO_KEY = 4,
	STATUS_DIFFERENT = 5,
};

struct options {
	struct vmport_config config;	/* of the VM that is to load the blob */
	bool cookies;
	bool values;
	bool json;
	bool quiet;
	bool records;
	bool raw;			/* the input is the blob, whatever it looks like */
	bool progress;
	bool has_at;
	u64 at;				/* where in the input the blob begins */
	bool has_flags;
	u32 flags;			/* of what is set, KVM_VMPORT_GUESTINFO_* */
	const char *snapshot;
	const char *output;
	const char *value_file;
};

/* Why something did not work: the exit status, and a line without the program's name. */
struct fail {
	int status;
	char text[512];
};

/* Fill in @fail; always -1, so that it can be returned. */
int fail_with(struct fail *fail, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

struct blob {
	u8 *data;		/* malloc() */
	size_t size;
	u64 at;			/* where it began in what was read */
};

/* What KVM_SET_VMPORT_STATE says of a blob. */
struct verdict {
	int r;			/* 0 or a negative errno */
	struct vmport_blob_error why;
};

/* engine.c: the kernel's own code */
struct vmport_state *engine_load(const struct vmport_config *config, const struct blob *blob,
				 struct verdict *verdict);
int engine_pack(struct vmport_state *state, u64 features, struct blob *blob);
u32 blob_crc(const void *data, size_t size);
u64 blob_features(const struct blob *blob);
void seal_blob(struct blob *blob);

/* names.c: numbers as people know them */
extern const char *const feature_names[];
extern const unsigned int nr_feature_names;
const char *errno_name(int r);
const char *error_name(u32 error);
const char *section_name(u32 type);
void print_features(FILE *out, u64 features);
void print_verdict(FILE *out, const char *name, const struct blob *blob,
		   const struct verdict *verdict);
int parse_features(const char *text, u64 *features, struct fail *fail);
int parse_flags(const char *text, u32 *flags, struct fail *fail);
int parse_limits(const char *text, struct kvm_vmport_limits *limits, struct fail *fail);
int parse_number(const char *text, u64 max, u64 *number);

/* text.c */
void print_quoted(FILE *out, const u8 *data, size_t size);
bool is_plain(const u8 *data, size_t size, const char *also);
void print_name(FILE *out, const char *name);
void show_text(FILE *out, const struct options *options, const struct blob *blob,
	       struct vmport_state *state);

/* diff.c */
int diff_states(FILE *out, const struct options *options, const struct blob *a,
		struct vmport_state *state_a, const struct blob *b,
		struct vmport_state *state_b, struct fail *fail);

/* The channels, least recently used first; is that the order of their ids? */
u8 channel_order(struct vmport_state *state, u8 ids[KVM_VMPORT_MAX_CHANNELS], bool *ascends);

/* A walk over the sections of a blob that KVM takes. */
struct section_walk {
	const struct blob *blob;
	size_t pos;		/* of the next one */
	size_t at;		/* of this one's header */
	u32 type;
	u32 flags;
	u64 size;		/* of the payload */
};

bool is_known_section(u32 type);
bool next_section(struct section_walk *walk);

#endif /* _VMPORT_TOOL_H */
