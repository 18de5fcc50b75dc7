/*
 * store_writes: notices that the server cannot store what is sent, and when it can again.
 *
 *   a change fails by a full disk or an I/O error, or has no answer ──► in doubt ──a probe is stored──► as before
 *
 * The probe writes, and is executed only while in doubt. Changes are still tried meanwhile: a small one may fit.
 */
#include "common/log.h"
#include "store/store_private.h"

#define PROBE_S 2

static void probe_done(void *arg, const struct db_result *r);

static void probe_later(struct store *s)
{
	event_add(s->write_probe, &(const struct timeval){ PROBE_S, 0 });
}

static void on_write_probe(evutil_socket_t fd, short what, void *arg)
{
	DECLARE_QUERY(probe_write);
	struct db_args args = DB_ARGS_EMPTY;
	struct store *s = arg;

	(void)fd;
	(void)what;
	s->writes_failed = false;
	if (!db_query(s->db[STORE_WRITER], &query_probe_write, &args, probe_done, s))
		probe_later(s);
}

/* An error that is not one of the server's resources says nothing about changes. */
static void probe_done(void *arg, const struct db_result *r)
{
	struct store *s = arg;

	store_result_error(r);
	if (r == NULL || s->writes_failed) {
		probe_later(s);
		return;
	}
	s->writes_doubted = false;
	log_info("writes_resumed");
}

void store_writes_fail(void *store)
{
	struct store *s = store;

	s->writes_failed = true;
	if (s->writes_doubted)
		return;
	s->writes_doubted = true;
	log_warn("writes_failing");
	probe_later(s);
}

bool store_takes_writes(const struct store *s)
{
	return !s->writes_doubted;
}

void store_writes_init(struct store *s)
{
	s->write_probe = evtimer_new(s->base, on_write_probe, s);
	if (s->write_probe == NULL)
		log_fatal("out_of_memory");
}

void store_writes_fini(struct store *s)
{
	event_free(s->write_probe);
}
