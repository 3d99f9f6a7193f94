/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A trace event is filled in and printed as the kernel does it, for a test that listens, and
 * is else nothing.
 */
#ifndef _SHIM_LINUX_TRACEPOINT_H
#define _SHIM_LINUX_TRACEPOINT_H

#include <string.h>

#include <linux/types.h>

/* When set, it is given each event, as the trace has it. */
extern void (*shim_trace_hook)(const char *event, const char *text);

void shim_trace(const char *event, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct shim_symbol {
	unsigned long value;
	const char *name;
};

/* The name, or the number as the kernel writes it; good for the rest of the event. */
const char *shim_show_symbol(unsigned long value, const struct shim_symbol *symbols, size_t count);

#define TP_PROTO(_args...)		_args
#define TP_ARGS(_args...)		_args
#define TP_CONDITION(_args...)		_args
#define TP_STRUCT__entry(_args...)	_args
#define TP_fast_assign(_args...)	_args
#define TP_printk(_fmt, _args...)	_fmt, _args
#define __field(_type, _name)		_type _name;
#define __array(_type, _name, _size)	_type _name[_size];

#define __print_symbolic(_value, _symbols...)				\
	shim_show_symbol(_value, (const struct shim_symbol[]){ _symbols },	\
			 sizeof((const struct shim_symbol[]){ _symbols }) /	\
			 sizeof(struct shim_symbol))

#define TRACE_EVENT_CONDITION(_name, _proto, _args, _condition, _struct, _assign, _print)	\
	static inline __attribute__((unused)) void trace_##_name(_proto)	\
	{								\
		struct {						\
			_struct						\
		} __e = { }, *__entry = &__e;				\
									\
		if (!shim_trace_hook || !(_condition))			\
			return;						\
		{							\
			_assign						\
		}							\
		shim_trace(#_name, _print);				\
	}

#define TRACE_EVENT(_name, _proto, _args, _struct, _assign, _print)	\
	TRACE_EVENT_CONDITION(_name, PARAMS(_proto), PARAMS(_args), true, PARAMS(_struct),	\
			      PARAMS(_assign), PARAMS(_print))
#define PARAMS(_args...)		_args

#endif /* _SHIM_LINUX_TRACEPOINT_H */
