/*
 * conf: the settings of parleyd.conf(5) in one plain struct.
 *
 * Owns: the values. Knows nothing of: what a setting does.
 */
#ifndef PARLEY_CONF_H
#define PARLEY_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

struct conf_list {
	char **items;
	size_t n;
};

#define TEXT(name, def, live, doc) char *name;
#define LIST(name, def, live, doc) struct conf_list name;
#define NUMBER(name, def, min, max, unit, live, doc) long name;
#define SWITCH(name, def, live, doc) bool name;
struct conf {
#include "common/conf.def"
};

/*
 * Reads and checks a configuration file. Checked are types, ranges, and the syntax of addresses, origins, log_level
 * and log_target. A byte order mark at the start is skipped.
 *   path   the file, at most 1 MiB, without NUL bytes
 *   error  receives one line if the file is rejected, e.g. `FILE:LINE: no such setting 'x'`; freed by the caller
 * Returns the settings, to be freed with conf_free, or NULL.
 */
struct conf *conf_load(const char *path, struct buf *error);

/*
 * As conf_load, for a text in memory.
 *   name  stands for the file's name in errors
 *   text  NUL-terminated; not modified
 */
struct conf *conf_parse(const char *name, const char *text, struct buf *error);

/* As conf_load, from the file of an open descriptor, whose offset does not matter. */
struct conf *conf_read(int fd, struct buf *error);

/* c may be NULL. */
void conf_free(struct conf *c);

/* Appends every setting with its value, in the syntax of the file (parleyd -t). */
void conf_dump(const struct conf *c, struct buf *out);

/* Returns the name of the first setting that differs between a and b and is not live; NULL if there is none. */
const char *conf_needs_restart(const struct conf *a, const struct conf *b);

/* Append the list of settings for parleyd.conf(5), and the commented sample file. */
void conf_doc_man(struct buf *out);
void conf_doc_sample(struct buf *out);

#endif
