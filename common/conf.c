/* libconfuse parses the syntax. The settings themselves are in conf.def, which is included for each use of the table. */
#define _GNU_SOURCE /* strchrnul */
#include "common/conf.h"

#include <arpa/inet.h>
#include <confuse.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xalloc.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)
#define ADDRESS_SIZE 64 /* larger than any numeric address */

/* The parse in progress: libconfuse's callbacks take no argument of the caller. */
static struct {
	const char *name;
	struct buf *error; /* only the first error is kept */
} parsing;

static void report(cfg_t *cfg, const char *fmt, va_list ap)
{
	if (parsing.error->len > 0)
		return;
	buf_addf(parsing.error, "%s:%d: ", parsing.name, cfg->line);
	if (strcmp(fmt, "no such option '%s'") == 0)
		fmt = "no such setting '%s'";
	buf_addfv(parsing.error, fmt, ap);
	/* The error may quote the file: it must stay one line and must not control a terminal. */
	for (size_t i = 0; i < parsing.error->len; i++)
		if (iscntrl((unsigned char)parsing.error->data[i]))
			parsing.error->data[i] = ' ';
}

static bool address_ok(const char *text)
{
	unsigned char address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

/* True if text is a port number and nothing else. */
static bool port_ok(const char *text)
{
	size_t len = strspn(text, "0123456789");

	return len >= 1 && len <= 5 && text[len] == '\0' && atol(text) <= 65535;
}

/* ADDRESS:PORT, or [ADDRESS]:PORT with an IPv6 address. */
static const char *listen_wrong(const char *text)
{
	static const char wrong[] = "is not ADDRESS:PORT with a numeric address";
	unsigned char raw[sizeof(struct in6_addr)];
	char address[ADDRESS_SIZE];
	const char *colon = strrchr(text, ':');
	bool bracketed = text[0] == '[';
	size_t len;

	if (!colon || !port_ok(colon + 1))
		return wrong;
	len = (size_t)(colon - text);
	if (bracketed) {
		if (len < 2 || text[len - 1] != ']')
			return wrong;
		text++;
		len -= 2;
	}
	if (len >= sizeof(address))
		return wrong;
	memcpy(address, text, len);
	address[len] = '\0';
	return inet_pton(bracketed ? AF_INET6 : AF_INET, address, raw) == 1 ? NULL : wrong;
}

/* SCHEME://HOST[:PORT] as a browser sends it (RFC 6454 section 7). */
static const char *origin_wrong(const char *text)
{
	static const char wrong[] = "is not SCHEME://HOST[:PORT]";
	const char *host = strstr(text, "://");
	const char *p, *end;

	if (!host || !isalpha((unsigned char)text[0]))
		return wrong;
	for (p = text; p < host; p++)
		if (!isalnum((unsigned char)*p) && !strchr("+-.", *p))
			return wrong;
	host += 3;
	if (host[0] == '[') {
		size_t len = strspn(host + 1, "0123456789abcdefABCDEF:.");

		if (len == 0 || host[len + 1] != ']')
			return wrong;
		end = host + len + 2;
	} else {
		for (end = host; isalnum((unsigned char)*end) || (*end && strchr("-._", *end));
			end++)
			;
		if (end == host)
			return wrong;
	}
	return *end == '\0' || (*end == ':' && port_ok(end + 1)) ? NULL : wrong;
}

static const char *proxy_wrong(const char *text)
{
	return address_ok(text) ? NULL : "is not an IP address";
}

static const char *log_level_wrong(const char *text)
{
	static const char *const levels[] = { "debug", "info", "warn", "error" };
	size_t i;

	for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (strcmp(text, levels[i]) == 0)
			return NULL;
	return "is not debug, info, warn or error";
}

static const char *log_target_wrong(const char *text)
{
	if (strcmp(text, "stderr") == 0 || strcmp(text, "syslog") == 0 || text[0] == '/')
		return NULL;
	return "is not stderr, syslog or an absolute path";
}

/* Checks of a text, or of each text of a list. `wrong` returns the reason for which a text is rejected, or NULL. */
static const struct {
	const char *setting;
	const char *(*wrong)(const char *text);
} text_checks[] = {
	{ "listen", listen_wrong },
	{ "allowed_origins", origin_wrong },
	{ "trusted_proxies", proxy_wrong },
	{ "log_level", log_level_wrong },
	{ "log_target", log_target_wrong },
};

static const struct {
	const char *setting;
	long min, max;
} ranges[] = {
#define TEXT(name, def, live, doc)
#define LIST(name, def, live, doc)
#define NUMBER(name, def, min, max, unit, live, doc) { #name, min, max },
#define SWITCH(name, def, live, doc)
#include "common/conf.def"
};

/* libconfuse calls the checks when a value is set, so that an error names the line. */
static int check_number(cfg_t *cfg, cfg_opt_t *opt)
{
	long value = cfg_opt_getnint(opt, 0);
	size_t i;

	for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (strcmp(ranges[i].setting, cfg_opt_name(opt)) != 0)
			continue;
		if (value >= ranges[i].min && value <= ranges[i].max)
			return 0;
		cfg_error(cfg, "%s: %ld is not between %ld and %ld", cfg_opt_name(opt), value,
			ranges[i].min, ranges[i].max);
		return -1;
	}
	return 0;
}

static int check_text(cfg_t *cfg, cfg_opt_t *opt)
{
	size_t i;
	unsigned n;

	for (i = 0; i < sizeof(text_checks) / sizeof(text_checks[0]); i++) {
		if (strcmp(text_checks[i].setting, cfg_opt_name(opt)) != 0)
			continue;
		for (n = 0; n < cfg_opt_size(opt); n++) {
			const char *text = cfg_opt_getnstr(opt, n);
			const char *wrong = text_checks[i].wrong(text);
			char quoted[ADDRESS_SIZE * 2];

			if (!wrong)
				continue;
			log_quote(quoted, sizeof(quoted), text, strlen(text));
			cfg_error(cfg, "%s: %s %s", cfg_opt_name(opt), quoted, wrong);
			return -1;
		}
	}
	return 0;
}

static struct conf_list copy_list(cfg_t *cfg, const char *name)
{
	struct conf_list list = { NULL, cfg_size(cfg, name) };
	unsigned i;

	list.items = xcalloc(list.n, sizeof(*list.items));
	for (i = 0; i < list.n; i++)
		list.items[i] = xstrdup(cfg_getnstr(cfg, name, i));
	return list;
}

static struct conf *copy_settings(cfg_t *cfg)
{
	struct conf *c = xcalloc(1, sizeof(*c));

#define TEXT(name, def, live, doc) c->name = xstrdup(cfg_getstr(cfg, #name));
#define LIST(name, def, live, doc) c->name = copy_list(cfg, #name);
#define NUMBER(name, def, min, max, unit, live, doc) c->name = cfg_getint(cfg, #name);
#define SWITCH(name, def, live, doc) c->name = cfg_getbool(cfg, #name) == cfg_true;
#include "common/conf.def"
	return c;
}

static cfg_t *new_parser(void)
{
	cfg_opt_t options[] = {
#define TEXT(name, def, live, doc) CFG_STR(#name, def, CFGF_NONE),
#define LIST(name, def, live, doc) CFG_STR_LIST(#name, (char[]){ def }, CFGF_NONE),
#define NUMBER(name, def, min, max, unit, live, doc) CFG_INT(#name, def, CFGF_NONE),
#define SWITCH(name, def, live, doc) CFG_BOOL(#name, (def) ? cfg_true : cfg_false, CFGF_NONE),
#include "common/conf.def"
		CFG_END()
	};
	cfg_t *cfg = cfg_init(options, CFGF_NONE);

	if (!cfg)
		log_fatal("out_of_memory");
	cfg_set_error_function(cfg, report);
#define TEXT(name, def, live, doc) cfg_set_validate_func(cfg, #name, check_text);
#define LIST(name, def, live, doc) cfg_set_validate_func(cfg, #name, check_text);
#define NUMBER(name, def, min, max, unit, live, doc) \
	cfg_set_validate_func(cfg, #name, check_number);
#define SWITCH(name, def, live, doc)
#include "common/conf.def"
	return cfg;
}

/* Returns the position after the quoted text that begins at p, or the end of the text. */
static char *skip_quoted(char *p)
{
	char quote = *p++;

	while (*p && *p != quote)
		p += *p == '\\' && p[1] ? 2 : 1;
	return *p ? p + 1 : p;
}

/*
 * Overwrites comments with blanks. libconfuse knows comments too, but rejects one within a list and counts its line
 * more than once. A slash in the middle of a bare word (https://...) does not begin a comment.
 * Returns false if a comment has no end.
 */
static bool blank_comments(char *text)
{
	bool in_word = false;
	char *p = text, *end;

	while (*p) {
		if (*p == '"' || *p == '\'') {
			p = skip_quoted(p);
			in_word = false;
			continue;
		}
		end = NULL;
		if (*p == '#' || (!in_word && strncmp(p, "//", 2) == 0)) {
			end = strchrnul(p, '\n');
		} else if (!in_word && strncmp(p, "/*", 2) == 0) {
			end = strstr(p + 2, "*/");
			if (!end)
				return false;
			end += 2;
		}
		in_word = !end && !strchr(" \t\r\n\f\v={}(),+", *p);
		if (!end)
			p++;
		for (; end && p < end; p++)
			if (*p != '\n')
				*p = ' ';
	}
	return true;
}

/* Windows editors write a byte order mark (U+FEFF) at the start of a UTF-8 file. */
static const char *after_bom(const char *text)
{
	static const char bom[] = "\xef\xbb\xbf";
	size_t len = sizeof(bom) - 1;

	return strncmp(text, bom, len) == 0 ? text + len : text;
}

struct conf *conf_parse(const char *name, const char *text, struct buf *error)
{
	struct conf *c = NULL;
	char *bare = xstrdup(after_bom(text));
	cfg_t *cfg;

	buf_reset(error, 0);
	parsing.name = name;
	parsing.error = error;
	cfg = new_parser();
	if (!blank_comments(bare)) {
		buf_addf(error, "%s: a comment has no end", name);
	} else if (cfg_parse_buf(cfg, bare) != CFG_SUCCESS) {
		if (error->len == 0)
			buf_addf(error, "%s: cannot be parsed", name);
	} else if (cfg_size(cfg, "listen") == 0) {
		buf_addf(error, "%s: listen: at least one address is needed", name);
	} else {
		c = copy_settings(cfg);
	}
	cfg_free(cfg);
	free(bare);
	parsing.name = NULL;
	parsing.error = NULL;
	return c;
}

/* Reads a whole file into text. Returns false with the reason in *error. */
static bool read_file(const char *path, struct buf *text, struct buf *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = -1;

	if (fd >= 0) {
		while (text->len <= FILE_BYTES_MAX) {
			got = read(fd, buf_reserve(text, 4096), 4096);
			if (got <= 0)
				break;
			text->len += (size_t)got;
		}
	}
	if (got < 0)
		buf_addf(error, "%s: %s", path, strerror(errno));
	else if (text->len > FILE_BYTES_MAX)
		buf_addf(error, "%s: longer than %zu bytes", path, FILE_BYTES_MAX);
	else if (text->len > 0 && memchr(text->data, '\0', text->len))
		buf_addf(error, "%s: not a text file: it has a NUL byte", path);
	if (fd >= 0)
		close(fd);
	return error->len == 0;
}

struct conf *conf_load(const char *path, struct buf *error)
{
	struct buf text = BUF_EMPTY;
	struct conf *c = NULL;

	buf_reset(error, 0);
	if (read_file(path, &text, error))
		c = conf_parse(path, buf_cstr(&text), error);
	buf_fini(&text);
	return c;
}

struct conf *conf_read(int fd, struct buf *error)
{
	struct buf text = BUF_EMPTY;
	struct conf *c = NULL;
	struct stat st;

	if (fstat(fd, &st) == 0) {
		char *to = buf_reserve(&text, (size_t)st.st_size + 1);
		ssize_t n = pread(fd, to, (size_t)st.st_size, 0);

		text.len = n > 0 ? (size_t)n : 0;
		c = conf_parse("config", buf_cstr(&text), error);
	} else {
		buf_addf(error, "config: %m");
	}
	buf_fini(&text);
	return c;
}

static void free_list(struct conf_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		free(list->items[i]);
	free(list->items);
}

void conf_free(struct conf *c)
{
	if (!c)
		return;
#define TEXT(name, def, live, doc) free(c->name);
#define LIST(name, def, live, doc) free_list(&c->name);
#define NUMBER(name, def, min, max, unit, live, doc)
#define SWITCH(name, def, live, doc)
#include "common/conf.def"
	free(c);
}

/* Quotes a text for libconfuse, to which \ " and ${ are special in double quotes. */
static void put_quoted(struct buf *out, const char *text)
{
	const unsigned char *p;

	buf_add_char(out, '"');
	for (p = (const unsigned char *)text; *p; p++) {
		if (*p < 0x20 || *p == 0x7f) {
			buf_addf(out, "\\x%02x", *p);
			continue;
		}
		if (*p == '"' || *p == '\\' || *p == '$')
			buf_add_char(out, '\\');
		buf_add_char(out, (char)*p);
	}
	buf_add_char(out, '"');
}

static void put_list(struct buf *out, const struct conf_list *list)
{
	size_t i;

	buf_add_char(out, '{');
	for (i = 0; i < list->n; i++) {
		if (i > 0)
			buf_add_str(out, ", ");
		put_quoted(out, list->items[i]);
	}
	buf_add_char(out, '}');
}

/* put_text, put_texts: append `name = value` for a TEXT and a LIST. */
static void put_text(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, "%s = ", name);
	put_quoted(out, value);
	buf_add_char(out, '\n');
}

static void put_texts(struct buf *out, const char *name, const struct conf_list *value)
{
	buf_addf(out, "%s = ", name);
	put_list(out, value);
	buf_add_char(out, '\n');
}

void conf_dump(const struct conf *c, struct buf *out)
{
#define TEXT(name, def, live, doc) put_text(out, #name, c->name);
#define LIST(name, def, live, doc) put_texts(out, #name, &c->name);
#define NUMBER(name, def, min, max, unit, live, doc) buf_addf(out, "%s = %ld\n", #name, c->name);
#define SWITCH(name, def, live, doc) buf_addf(out, "%s = %s\n", #name, c->name ? "true" : "false");
#include "common/conf.def"
}

static bool lists_equal(const struct conf_list *a, const struct conf_list *b)
{
	size_t i;

	if (a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return true;
}

const char *conf_needs_restart(const struct conf *a, const struct conf *b)
{
#define TEXT(name, def, live, doc)                    \
	if (!(live) && strcmp(a->name, b->name) != 0) \
		return #name;
#define LIST(name, def, live, doc)                       \
	if (!(live) && !lists_equal(&a->name, &b->name)) \
		return #name;
#define NUMBER(name, def, min, max, unit, live, doc) \
	if (!(live) && a->name != b->name)           \
		return #name;
#define SWITCH(name, def, live, doc)       \
	if (!(live) && a->name != b->name) \
		return #name;
#include "common/conf.def"
	return NULL;
}

/* A setting as both documents describe it. */
struct doc {
	const char *name;
	const char *kind;
	const char *range; /* "" if there is none */
	const char *dflt; /* in the syntax of the file */
	bool live;
	const char *text;
};

static const struct doc docs[] = {
#define TEXT(name, def, live, doc) { #name, "text", "", "\"" def "\"", live, doc },
#define LIST(name, def, live, doc) { #name, "list", "", def, live, doc },
#define NUMBER(name, def, min, max, unit, live, doc) \
	{ #name, "number", unit ", " #min " to " #max, #def, live, doc },
#define SWITCH(name, def, live, doc) { #name, "true or false", "", #def, live, doc },
#include "common/conf.def"
};

/* Escapes what troff would interpret. A doc sentence does not begin with a dot or a quote, which would be a request. */
static void put_roff(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\')
			buf_add_str(out, "\\e");
		else if (*text == '-')
			buf_add_str(out, "\\-");
		else
			buf_add_char(out, *text);
	}
}

void conf_doc_man(struct buf *out)
{
	size_t i;

	for (i = 0; i < sizeof(docs) / sizeof(docs[0]); i++) {
		const struct doc *d = &docs[i];

		buf_addf(out, ".TP\n.B %s\n", d->name);
		put_roff(out, d->text);
		buf_addf(out, "\n.br\n(%s%s%s; default\n.BR ", d->kind, *d->range ? ": " : "",
			d->range);
		buf_add_str(out, "\"");
		for (const char *p = d->dflt; *p; p++)
			buf_add_str(out, *p == '"' ? "\\(dq" : (char[]){ *p, '\0' });
		buf_addf(out, "\" ;\n%s)\n", d->live ? "changed by a reload" : "needs a restart");
	}
}

void conf_doc_sample(struct buf *out)
{
	size_t i;

	buf_add_str(out, "# parleyd.conf: every setting with its default. See parleyd.conf(5).\n");
	for (i = 0; i < sizeof(docs) / sizeof(docs[0]); i++) {
		const struct doc *d = &docs[i];

		buf_addf(out, "\n# %s\n# (%s%s%s; %s)\n#%s = %s\n", d->text, d->kind,
			*d->range ? ": " : "", d->range,
			d->live ? "changed by a reload" : "needs a restart", d->name, d->dflt);
	}
}
