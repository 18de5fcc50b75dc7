/*
 * parley-mock: fills a database with realistic people, groups and conversations (parley-mock(1)). world generates them,
 * load stores them.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/password.h"
#include "migrations/migrate.h"
#include "mock/load.h"

#define EXIT_USAGE 2
#define PASSWORD "correct-horse" /* of all users */
#define BAR_WIDTH 30

struct options {
	const char *conf_path;
	const char *tokens_path;
	struct world_size size;
};

static int64_t started_ms;

static int fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static int fail(const char *fmt, ...)
{
	va_list ap;

	fputs("parley-mock: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_FAILURE;
}

static void draw_bar(uint64_t done, uint64_t all)
{
	int filled = (int)(done * BAR_WIDTH / all), i;

	fputs("\rmessages [", stderr);
	for (i = 0; i < BAR_WIDTH; i++)
		fputc(i < filled ? '#' : '.', stderr);
	fprintf(stderr, "] %3d%% %llu of %llu, %lld s", (int)(done * 100 / all),
		(unsigned long long)done, (unsigned long long)all,
		(long long)((clock_mono_ms() - started_ms) / 1000));
	if (done == all)
		fputs("\nstoring...\n", stderr);
	fflush(stderr);
}

static void draw_nothing(uint64_t done, uint64_t all)
{
	(void)done;
	(void)all;
}

/* Opens the file for the tokens, which only its owner can read. */
static FILE *open_tokens(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;

	if (!file && fd >= 0)
		close(fd);
	return file;
}

/* Returns the number of direct chats with a message. */
static uint32_t count_chats(const struct world *w)
{
	uint32_t i, n = 0;

	for (i = w->size.groups; i < w->n_conversations; i++)
		n += w->conversations[i].last_seq > 0;
	return n;
}

static void print_result(const struct world *w)
{
	int i;

	printf("%u people, %u groups, %u direct chats, %llu messages in %.1f s\n", w->size.users,
		w->size.groups, count_chats(w), (unsigned long long)world_n_messages(w),
		(double)(clock_mono_ms() - started_ms) / 1000);
	for (i = 0; i < 2; i++)
		printf("log in as %s with the password %s\n", w->people[i].username, PASSWORD);
}

static int load_into(PGconn *db, const struct options *o, const struct conf *conf)
{
	struct load load = { .db = db, .token_lifetime_s = conf->token_lifetime };
	char password[PASSWORD_STORED_MAX];
	struct buf why = BUF_EMPTY;
	int rc = EXIT_SUCCESS;

	if (PQstatus(db) != CONNECTION_OK)
		return fail("%.*s", (int)strcspn(PQerrorMessage(db), "\n"), PQerrorMessage(db));
	if (!password_hash(PASSWORD, strlen(PASSWORD), password))
		return fail("cannot hash the password");
	if (o->tokens_path && !(load.tokens = open_tokens(o->tokens_path)))
		return fail("%s: %s", o->tokens_path, strerror(errno));
	load.world = world_new(&o->size);
	load.password = password;
	load.progress = isatty(STDERR_FILENO) ? draw_bar : draw_nothing;
	if (load_world(&load, &why))
		print_result(load.world);
	else
		rc = fail("%s", buf_cstr(&why));
	if (load.tokens)
		fclose(load.tokens);
	world_free(load.world);
	buf_fini(&why);
	return rc;
}

static int run(const struct options *o)
{
	struct buf why = BUF_EMPTY;
	struct conf *conf = conf_load(o->conf_path, &why);
	int rc = EXIT_USAGE;

	if (!conf) {
		fail("%s", buf_cstr(&why));
	} else if (migrate_run(conf->database, &why) != MIGRATE_DONE) {
		rc = fail("%s", buf_cstr(&why));
	} else {
		PGconn *db = PQconnectdb(conf->database);

		PQsetClientEncoding(db, "UTF8");
		rc = load_into(db, o, conf);
		PQfinish(db);
	}
	conf_free(conf);
	buf_fini(&why);
	return rc;
}

static const char usage[] =
	"usage: parley-mock -c FILE [OPTION...]\n\n"
	"  -c FILE          configuration file of the daemon, which names the database\n"
	"  --users N        number of people (200)\n"
	"  --groups G       number of groups (12)\n"
	"  --members M      members of each group (20)\n"
	"  --messages K     number of messages in all chats (20000)\n"
	"  --seed S         seed of the generator; the same seed gives the same data (1)\n"
	"  --tokens FILE    create a token for each user and write lines of "
	"user_id,token,group_id\n"
	"  --help           print this text, and exit\n"
	"  --version        print the version, and exit\n";

/* Parses an integer of min..max. Returns false after printing an error. */
static bool parse_number(
	const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *n)
{
	char *end;

	errno = 0;
	*n = strtoull(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *n >= min &&
		*n <= max)
		return true;
	fail("--%s: %s is not a number from %llu to %llu", option, text, (unsigned long long)min,
		(unsigned long long)max);
	return false;
}

enum {
	OPTION_USERS = 256,
	OPTION_GROUPS,
	OPTION_MEMBERS,
	OPTION_MESSAGES,
	OPTION_SEED,
	OPTION_TOKENS
};

static const struct option longs[] = {
	{ "users", required_argument, NULL, OPTION_USERS },
	{ "groups", required_argument, NULL, OPTION_GROUPS },
	{ "members", required_argument, NULL, OPTION_MEMBERS },
	{ "messages", required_argument, NULL, OPTION_MESSAGES },
	{ "seed", required_argument, NULL, OPTION_SEED },
	{ "tokens", required_argument, NULL, OPTION_TOKENS },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'v' },
	{ NULL, 0, NULL, 0 },
};

/* Applies an option. Returns false if its argument is invalid. */
static bool take_option(struct options *o, int option, const char *text)
{
	uint64_t n;

	switch (option) {
	case 'c':
		o->conf_path = text;
		return true;
	case OPTION_USERS:
		if (!parse_number("users", text, 2, 1000000, &n))
			return false;
		o->size.users = (uint32_t)n;
		return true;
	case OPTION_GROUPS:
		if (!parse_number("groups", text, 0, 100000, &n))
			return false;
		o->size.groups = (uint32_t)n;
		return true;
	case OPTION_MEMBERS:
		if (!parse_number("members", text, 1, 10000, &n))
			return false;
		o->size.members = (uint32_t)n;
		return true;
	case OPTION_MESSAGES:
		return parse_number("messages", text, 0, 100000000, &o->size.messages);
	case OPTION_SEED:
		return parse_number("seed", text, 0, UINT64_MAX, &o->size.seed);
	case OPTION_TOKENS:
		o->tokens_path = text;
		return true;
	default:
		return false; /* getopt has printed the reason */
	}
}

int main(int argc, char **argv)
{
	struct options o = {
		.size = { .users = 200, .groups = 12, .members = 20, .messages = 20000, .seed = 1 }
	};
	int option;

	started_ms = clock_mono_ms();
	while ((option = getopt_long(argc, argv, "c:", longs, NULL)) != -1) {
		if (option == 'h' || option == 'v') {
			fputs(option == 'h' ? usage : "parley-mock " PACKAGE_VERSION "\n", stdout);
			return EXIT_SUCCESS;
		}
		if (!take_option(&o, option, optarg))
			return EXIT_USAGE;
	}
	if (!o.conf_path || optind < argc) {
		fail("%s (see parley-mock --help)",
			o.conf_path ? "unexpected argument" : "-c FILE is missing");
		return EXIT_USAGE;
	}
	if (o.size.members > o.size.users)
		o.size.members = o.size.users;
	return run(&o);
}
