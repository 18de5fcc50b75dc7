/*
 * Fuzz target: any text as a config file. A rejection is explained in one line. An accepted config is
 * within the limits of conf.def, and its dump is parsed as an equal config with the same dump. No text
 * affects the parsing of the next one, which a reload depends on.
 */
#include <string.h>

#include "common/conf.h"
#include "tests/fuzz/fuzz.h"

/* Writes the config as text to out. */
static void dump(const struct conf *c, struct buf *out)
{
	buf_reset(out, 0);
	conf_dump(c, out);
	buf_cstr(out);
}

/* Parses the text, which must be valid, and dumps its settings to out. */
static void dump_of(const char *text, struct buf *out)
{
	struct buf why = BUF_EMPTY;
	struct conf *c = conf_parse("dump", text, &why);

	if (c == NULL)
		fprintf(stderr, "%s\n", buf_cstr(&why));
	MUST(c != NULL && why.len == 0);
	dump(c, out);
	conf_free(c);
	buf_fini(&why);
}

static void check_ranges(const struct conf *c)
{
#define TEXT(name, def, live, doc) MUST(c->name != NULL);
#define LIST(name, def, live, doc)             \
	for (size_t i = 0; i < c->name.n; i++) \
		MUST(c->name.items[i] != NULL);
#define NUMBER(name, def, min, max, unit, live, doc) MUST(c->name >= (min) && c->name <= (max));
#define SWITCH(name, def, live, doc)
#include "common/conf.def"
#undef TEXT
#undef LIST
#undef NUMBER
#undef SWITCH
	MUST(c->listen.n > 0);
}

static void check_accepted(const struct conf *c, const char *text)
{
	struct buf first = BUF_EMPTY, second = BUF_EMPTY, spaced = BUF_EMPTY, why = BUF_EMPTY;
	struct conf *parsed;

	check_ranges(c);
	dump(c, &first);
	dump_of(first.data, &second);
	MUST(strcmp(first.data, second.data) == 0);
	parsed = conf_parse("dump", first.data, &why);
	MUST(conf_needs_restart(c, parsed) == NULL);
	conf_free(parsed);
	/* White space and comments around the settings have no effect. A byte order mark is valid at the start only. */
	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	buf_addf(&spaced, " # before\n%s\n/* after */\n", text);
	dump_of(buf_cstr(&spaced), &second);
	MUST(strcmp(first.data, second.data) == 0);
	buf_fini(&first);
	buf_fini(&second);
	buf_fini(&spaced);
	buf_fini(&why);
}

/* The defaults are the same as before the first input. */
static void check_next(void)
{
	static struct buf defaults;
	struct buf now = BUF_EMPTY;

	if (defaults.len == 0)
		dump_of("", &defaults);
	dump_of("", &now);
	MUST(strcmp(defaults.data, now.data) == 0);
	buf_fini(&now);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct buf text = BUF_EMPTY, why = BUF_EMPTY;
	struct conf *c;

	check_next();
	buf_add(&text, bytes, len); /* a NUL ends it: conf_load rejects a file with one */
	c = conf_parse("fuzz", buf_cstr(&text), &why);
	if (c == NULL)
		MUST(why.len > 0 && strchr(buf_cstr(&why), '\n') == NULL);
	else
		check_accepted(c, text.data);
	conf_free(c);
	buf_fini(&text);
	buf_fini(&why);
	check_next();
	return 0;
}
