// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmport-state: what a state blob of KVM's VMware guest interface holds, what KVM would
 * say of it, and changing it.  See vmport-state.1.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "commands.h"
#include "input.h"
#include "json.h"

/* As much JSON as the largest state can be. */
#define MAX_JSON	(256u * 1024 * 1024)

int complain(const char *name, const struct fail *fail)
{
	fprintf(stderr, TOOL_NAME ": ");
	if (name) {
		print_name(stderr, name);
		fprintf(stderr, ": ");
	}
	fprintf(stderr, "%s\n", fail->text);
	return fail->status;
}

const char *input_name(const char *name)
{
	return strcmp(name, "-") ? name : "standard input";
}

int check_blob(const struct options *options, const char *name, const struct blob *blob,
	       struct vmport_state **state)
{
	struct verdict verdict;
	struct fail fail;

	*state = engine_load(&options->config, blob, &verdict);
	if (*state)
		return STATUS_OK;
	if (verdict.r == -ENOMEM) {
		fail_with(&fail, STATUS_TROUBLE, "no memory");
		return complain(name, &fail);
	}
	fflush(stdout);
	fprintf(stderr, TOOL_NAME ": ");
	print_verdict(stderr, name, blob, &verdict);
	return STATUS_REFUSED;
}

/* The blob in a file and the state in the blob. */
int load_blob(const struct options *options, const char *name, struct blob *blob,
	      struct vmport_state **state)
{
	struct fail fail;
	int status;

	if (read_blob(name, options, blob, &fail))
		return complain(input_name(name), &fail);
	status = check_blob(options, input_name(name), blob, state);
	if (status)
		free(blob->data);
	return status;
}

static int show_state(const struct options *options, const struct blob *blob,
		      struct vmport_state *state)
{
	struct fail fail = { };
	json_t *json;
	int r;

	if (!options->json) {
		show_text(stdout, options, blob, state);
		return STATUS_OK;
	}
	json = state_to_json(options, blob, state);
	r = print_json(stdout, json, true);
	json_decref(json);
	if (!r)
		return STATUS_OK;
	fail_with(&fail, STATUS_TROUBLE, "no memory");
	return complain(NULL, &fail);
}

static int do_show(const struct options *options, char **args)
{
	struct vmport_state *state;
	struct blob blob;
	int status;

	status = load_blob(options, args[0] ?: "-", &blob, &state);
	if (status)
		return status;
	status = show_state(options, &blob, state);
	vmport_state_free(state);
	free(blob.data);
	return status;
}

/* One line of a blob; its status. */
static int verify_blob(const struct options *options, const char *name, const struct blob *blob)
{
	struct verdict verdict;
	json_t *json;

	vmport_state_free(engine_load(&options->config, blob, &verdict));
	if (options->quiet && !verdict.r)
		return STATUS_OK;
	if (options->json) {
		json = verdict_to_json(name, blob, &verdict);
		print_json(stdout, json, false);
		json_decref(json);
	} else if (verdict.r) {
		print_verdict(stdout, name, blob, &verdict);
	} else {
		print_name(stdout, name);
		printf(": good, %zu bytes\n", blob->size);
	}
	return verdict.r ? STATUS_REFUSED : STATUS_OK;
}

/* Standard input is many blobs, each behind its length as 4 bytes, little-endian. */
static int verify_records(const struct options *options)
{
	struct fd_reader file = { .reader.read = fd_read, .fd = STDIN_FILENO };
	struct fail fail = { };
	struct window w = { .reader = &file.reader, .fail = &fail };
	int status = STATUS_OK;
	struct blob blob;
	char name[32];
	u32 size, n;

	for (n = 0; window_has(&w, 1); n++) {
		blob = (struct blob){ };
		if (window_has(&w, sizeof(size))) {
			memcpy(&size, window_at(&w), sizeof(size));
			blob.size = le32_to_cpu(size);
		}
		if (!window_has(&w, sizeof(size) + blob.size)) {
			fail_with(&fail, STATUS_TROUBLE, "record %u is cut, or too long", n);
			break;
		}
		window_skip(&w, sizeof(size));
		/* Of its own, so that nothing behind it is read unseen. */
		blob.data = malloc(blob.size ?: 1);
		if (!blob.data) {
			fail_with(&fail, STATUS_TROUBLE, "no memory");
			break;
		}
		memcpy(blob.data, window_at(&w), blob.size);
		window_skip(&w, blob.size);
		snprintf(name, sizeof(name), "record %u", n);
		status = max(status, verify_blob(options, name, &blob));
		/* Who writes the next may wait for this. */
		if (!window_left(&w))
			fflush(stdout);
		free(blob.data);
	}
	window_free(&w);
	return fail.status ? complain("standard input", &fail) : status;
}

static int do_verify(const struct options *options, char **args)
{
	char dash[] = "-", *standard_input[] = { dash, NULL };
	int status = STATUS_OK, one;
	struct fail fail;
	struct blob blob;

	if (options->records)
		return verify_records(options);
	for (args = args[0] ? args : standard_input; *args; args++) {
		if (read_blob(*args, options, &blob, &fail)) {
			one = complain(input_name(*args), &fail);
		} else {
			one = verify_blob(options, input_name(*args), &blob);
			free(blob.data);
		}
		status = max(status, one);
	}
	return status;
}

static int do_diff(const struct options *options, char **args)
{
	struct vmport_state *state_a, *state_b;
	struct fail fail = { };
	struct blob a, b;
	int status;

	status = load_blob(options, args[0], &a, &state_a);
	if (status)
		return status;
	status = load_blob(options, args[1], &b, &state_b);
	if (!status) {
		status = diff_states(stdout, options, &a, state_a, &b, state_b, &fail);
		if (fail.status)
			complain(NULL, &fail);
		vmport_state_free(state_b);
		free(b.data);
	}
	vmport_state_free(state_a);
	free(a.data);
	return status;
}

int write_output(const struct options *options, const char *input, const struct blob *data,
		 bool is_for_terminals)
{
	const char *name = options->output ?: "standard output";
	struct fail fail;

	if (!options->output && !is_for_terminals && isatty(STDOUT_FILENO))
		fail_with(&fail, STATUS_TROUBLE, "this is not for terminals: use -o");
	else if (options->output && is_same_file(options->output, input))
		fail_with(&fail, STATUS_TROUBLE,
			  "it was read, and would be lost: use another name");
	else if (!write_file(options->output, data->data, data->size, &fail))
		return STATUS_OK;
	return complain(name, &fail);
}

static int do_extract(const struct options *options, char **args)
{
	const char *name = args[0] ?: "-";
	struct fail fail;
	struct blob blob;
	int status;

	/* Good or bad: to look at what KVM refuses is what this is for. */
	if (read_blob(name, options, &blob, &fail))
		return complain(input_name(name), &fail);
	status = write_output(options, name, &blob, false);
	free(blob.data);
	return status;
}

static int parse_json(const char *name, json_t **root, struct fail *fail)
{
	json_error_t error;
	struct blob text;

	if (read_all(name, MAX_JSON, &text, fail))
		return -1;
	*root = json_loadb((const char *)text.data, text.size,
			   JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	free(text.data);
	if (*root)
		return 0;
	return fail_with(fail, STATUS_TROUBLE, "byte %d, line %d: %s", error.position, error.line,
			 error.text);
}

static int do_build(const struct options *options, char **args)
{
	const char *name = args[0] ?: "-";
	struct vmport_state *state;
	struct blob built, blob;
	struct fail fail;
	json_t *root;
	int r, status;

	if (parse_json(name, &root, &fail))
		return complain(input_name(name), &fail);
	r = json_to_blob(root, &built, &fail);
	json_decref(root);
	if (r)
		return complain(input_name(name), &fail);

	/* Given out as KVM would save it: without what says nothing. */
	status = check_blob(options, "the blob that this makes", &built, &state);
	if (!status) {
		if (engine_pack(state, blob_features(&built), &blob)) {
			fprintf(stderr, TOOL_NAME ": no memory\n");
			status = STATUS_TROUBLE;
		} else {
			status = write_output(options, name, &blob, false);
			free(blob.data);
		}
		vmport_state_free(state);
	}
	free(built.data);
	return status;
}

static int do_from_vm(const struct options *options, char **args)
{
	struct vmport_state *state;
	struct fail fail;
	struct blob blob;
	int status;

	if (blob_from_vm(args[0], options, &blob, &fail))
		return complain(args[0], &fail);
	if (options->output) {
		status = write_output(options, args[0], &blob, false);
	} else {
		status = check_blob(options, args[0], &blob, &state);
		if (!status) {
			status = show_state(options, &blob, state);
			vmport_state_free(state);
		}
	}
	free(blob.data);
	return status;
}

static const struct command {
	const char *name;
	int (*run)(const struct options *options, char **args);
	int min;		/* arguments */
	int max;
	const char *usage;
	bool has_output;
} commands[] = {
	{ "show", do_show, 0, 1, "[FILE]" },
	{ "verify", do_verify, 0, 1 << 20, "[FILE...]" },
	{ "diff", do_diff, 2, 2, "FILE FILE" },
	{ "get", do_get, 2, 2, "FILE KEY", true },
	{ "set", do_set, 2, 1 << 20, "FILE KEY=VALUE...", true },
	{ "delete", do_delete, 2, 1 << 20, "FILE KEY...", true },
	{ "extract", do_extract, 0, 1, "[FILE]", true },
	{ "build", do_build, 0, 1, "[JSON]", true },
	{ "from-vm", do_from_vm, 1, 1, "SOCKET", true },
};

static void usage(FILE *out)
{
	unsigned int i;

	fprintf(out, "usage: " TOOL_NAME " [OPTION...] [COMMAND] ARGUMENT...\n\n");
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  " TOOL_NAME " %s %s\n", commands[i].name, commands[i].usage);
	fprintf(out, "\nFILE: a state blob, a QEMU migration stream or a qcow2 image;\n"
		"-: standard input.\n"
		"  --cookies         show the channels' cookies\n"
		"  --values          show values and messages\n"
		"  --json            show or verify as JSON\n"
		"  --features LIST   what the VM has that is to load it: ENABLE,RPC,... or a mask; all\n"
		"  --limits LIST     of that VM, for set: channels=N,keys=N,value=N,guestinfo=N\n"
		"  --snapshot NAME   of an image: name or number\n"
		"  --at BYTE         where in the stream the blob begins\n"
		"  --raw             FILE is a blob, whatever it looks like\n"
		"  --records         verify: standard input is blobs, each behind its length\n"
		"  --flags LIST      set: read-only,privileged,wipeable or none\n"
		"  --value-file FILE set: the value\n"
		"  -o, --output FILE where it goes\n"
		"  -q, --quiet       verify, diff: only what is wrong\n"
		"  --progress        say how far it is, on a terminal or not\n"
		"  --help, --version\n\n"
		"Exit status: 0 good, 1 KVM refuses it, 2 it cannot be done, 3 no blob or several,\n"
		"4 no such key, 5 the states differ.  More in " TOOL_NAME "(1).\n");
}

enum {
	OPTION_COOKIES = 256, OPTION_VALUES, OPTION_JSON, OPTION_FEATURES, OPTION_LIMITS,
	OPTION_SNAPSHOT, OPTION_AT, OPTION_RAW, OPTION_RECORDS, OPTION_FLAGS,
	OPTION_VALUE_FILE, OPTION_PROGRESS, OPTION_HELP, OPTION_VERSION,
};

static const struct option long_options[] = {
	{ "cookies", no_argument, NULL, OPTION_COOKIES },
	{ "values", no_argument, NULL, OPTION_VALUES },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "features", required_argument, NULL, OPTION_FEATURES },
	{ "limits", required_argument, NULL, OPTION_LIMITS },
	{ "snapshot", required_argument, NULL, OPTION_SNAPSHOT },
	{ "at", required_argument, NULL, OPTION_AT },
	{ "raw", no_argument, NULL, OPTION_RAW },
	{ "records", no_argument, NULL, OPTION_RECORDS },
	{ "flags", required_argument, NULL, OPTION_FLAGS },
	{ "value-file", required_argument, NULL, OPTION_VALUE_FILE },
	{ "progress", no_argument, NULL, OPTION_PROGRESS },
	{ "output", required_argument, NULL, 'o' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ }
};

/* One option with an argument that has to be understood. */
static int take_argument(struct options *options, int option, struct fail *fail)
{
	switch (option) {
	case OPTION_FEATURES:
		return parse_features(optarg, &options->config.features, fail);
	case OPTION_LIMITS:
		return parse_limits(optarg, &options->config.limits, fail);
	case OPTION_FLAGS:
		options->has_flags = true;
		return parse_flags(optarg, &options->flags, fail);
	case OPTION_AT:
		options->has_at = true;
		if (parse_number(optarg, U64_MAX, &options->at))
			return fail_with(fail, STATUS_TROUBLE, "--at %s: not a number", optarg);
		return 0;
	}
	return 0;
}

static void take_option(struct options *options, int option)
{
	switch (option) {
	case OPTION_COOKIES:
		options->cookies = true;
		break;
	case OPTION_VALUES:
		options->values = true;
		break;
	case OPTION_JSON:
		options->json = true;
		break;
	case OPTION_SNAPSHOT:
		options->snapshot = optarg;
		break;
	case OPTION_RAW:
		options->raw = true;
		break;
	case OPTION_RECORDS:
		options->records = true;
		break;
	case OPTION_VALUE_FILE:
		options->value_file = optarg;
		break;
	case OPTION_PROGRESS:
		options->progress = true;
		break;
	case 'o':
		options->output = optarg;
		break;
	case 'q':
		options->quiet = true;
		break;
	}
}

/* A status when the program is to end with it, else -1. */
static int parse_options(int argc, char *argv[], struct options *options)
{
	struct fail fail;
	int option;

	while ((option = getopt_long(argc, argv, "o:q", long_options, NULL)) != -1) {
		switch (option) {
		case '?':
			return STATUS_TROUBLE;
		case OPTION_HELP:
			usage(stdout);
			return STATUS_OK;
		case OPTION_VERSION:
			printf(TOOL_NAME " " TOOL_VERSION ", state format %u, JSON schema %u\n",
			       KVM_VMPORT_BLOB_VERSION, JSON_SCHEMA);
			return STATUS_OK;
		}
		if (take_argument(options, option, &fail))
			return complain(NULL, &fail);
		take_option(options, option);
	}
	return -1;
}

static int run_command(const struct options *options, const struct command *command, int count,
		       char **args)
{
	if (count < command->min || count > command->max) {
		fprintf(stderr, "usage: " TOOL_NAME " %s %s\n", command->name, command->usage);
		return STATUS_TROUBLE;
	}
	if (options->output && !command->has_output) {
		fprintf(stderr, TOOL_NAME ": %s writes to standard output, not to -o\n",
			command->name);
		return STATUS_TROUBLE;
	}
	return command->run(options, args);
}

static int run(const struct options *options, int count, char **args)
{
	unsigned int i;

	for (i = 0; count && i < ARRAY_SIZE(commands); i++) {
		if (!strcmp(args[0], commands[i].name))
			return run_command(options, &commands[i], count - 1, args + 1);
	}
	if (count > 1) {
		fprintf(stderr, TOOL_NAME ": no such command: %s: see " TOOL_NAME " --help\n",
			args[0]);
		return STATUS_TROUBLE;
	}
	return run_command(options, &commands[0], count, args);
}

int main(int argc, char *argv[])
{
	struct options options = {
		.config.features = (1ull << nr_feature_names) - 1,
		.config.limits = vmport_max_limits,
	};
	int status;

	/* A file that may not grow is an error like a disk that is full. */
	signal(SIGXFSZ, SIG_IGN);
	status = parse_options(argc, argv, &options);
	if (status < 0)
		status = run(&options, argc - optind, argv + optind);
	if (fflush(stdout) || ferror(stdout)) {
		if (errno != EPIPE)
			perror(TOOL_NAME ": standard output");
		return STATUS_TROUBLE;
	}
	return status;
}
