/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_COMMANDS_H
#define _VMPORT_COMMANDS_H

#include "tool.h"

/* Say what went wrong, of a file or of nothing; its exit status. */
int complain(const char *name, const struct fail *fail);
const char *input_name(const char *name);

/* Exit statuses; what is wrong has been said.  The state is for vmport_state_free(). */
int check_blob(const struct options *options, const char *name, const struct blob *blob,
	       struct vmport_state **state);
int load_blob(const struct options *options, const char *name, struct blob *blob,
	      struct vmport_state **state);

/* To -o or standard output goes what was read from @input or made of it. */
int write_output(const struct options *options, const char *input, const struct blob *data,
		 bool is_for_terminals);

/* Commands, with their arguments. */
int do_get(const struct options *options, char **args);
int do_set(const struct options *options, char **args);
int do_delete(const struct options *options, char **args);

#endif /* _VMPORT_COMMANDS_H */
