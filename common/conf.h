/*
 * conf: the config file, read once into one plain struct.
 *
 * Owns: the texts it read. Knows nothing of: what a setting does.
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
#undef TEXT
#undef LIST
#undef NUMBER
#undef SWITCH

/*
 * Reads the file at path. Returns the settings, or NULL with one line in *error (buf, to be freed
 * by the caller): `FILE:LINE: no such setting 'x'`, `FILE:LINE: workers: 99 is not between 0 and
 * 64`, or why the file cannot be read. Checked besides types and ranges: every listen address is
 * ADDRESS:PORT with a numeric address and a port of 0..65535, log_level is one of the four,
 * log_target is stderr, syslog or an absolute path, origins have a scheme and a host and nothing
 * behind, proxies are addresses.
 */
struct conf *conf_load(const char *path, struct buf *error);

/* The same for a text already in memory; name stands for the file in errors. */
struct conf *conf_parse(const char *name, const char *text, struct buf *error);

void conf_free(struct conf *c);

/* Appends every setting as it is in force, in the file's own syntax (parleyd -t). */
void conf_dump(const struct conf *c, struct buf *out);

/* Name of the first setting that differs between a and b and is not live, NULL where a reload
 * covers all. */
const char *conf_needs_restart(const struct conf *a, const struct conf *b);

/* The settings as parley.conf(5) lists them (man), and as a commented sample file (sample). */
void conf_doc_man(struct buf *out);
void conf_doc_sample(struct buf *out);

#endif
