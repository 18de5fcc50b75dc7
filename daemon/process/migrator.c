#include "process/migrator.h"

#include <poll.h>
#include <stdbool.h>
#include <sys/eventfd.h>

#include "common/log.h"
#include "migrations/migrate.h"

#define RETRY_MS 250

int migrator_run(const struct heritage *h)
{
	struct pollfd master = { .fd = h->master_fd, .events = POLLIN };
	struct buf why = BUF_EMPTY;
	enum migrate_result result;
	bool logged = false;

	while ((result = migrate_run(h->conf->database, &why)) == MIGRATE_UNREACHABLE) {
		if (!logged)
			log_warn("database_unreachable why=\"%s\"", buf_cstr(&why));
		logged = true;
		if (poll(&master, 1, RETRY_MS) > 0) {
			buf_fini(&why);
			return 0;
		}
	}
	if (result == MIGRATE_DONE && eventfd_write(h->schema_fd, 1) != 0)
		log_fatal("schema_event_failed error=\"%m\"");
	if (result == MIGRATE_DONE)
		log_info("schema_ready version=%d", migrate_version());
	else
		log_error("schema_rejected why=\"%s\"", buf_cstr(&why));
	buf_fini(&why);
	return result == MIGRATE_DONE ? 0 : MIGRATOR_REJECTED;
}
