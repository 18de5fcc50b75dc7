/*
 * db_hosts: the hosts of a connection string, and the start of a connection to one of them.
 *
 * libpq goes through the hosts by itself, but leaves connect_timeout to a program that uses PQconnectPoll (PostgreSQL 15
 * manual, 34.1.1). So each attempt here names one host, and the caller limits its time.
 *
 * Owns: the lists. Knows nothing of: the event loop, SQL.
 */
#ifndef PARLEY_DB_HOSTS_H
#define PARLEY_DB_HOSTS_H

#include <libpq-fe.h>

struct db_hosts;

/*
 *   conninfo  a connection string or URI of libpq; copied. If it is malformed, each attempt fails with libpq's message
 *   name      the application_name; copied
 */
struct db_hosts *db_hosts_new(const char *conninfo, const char *name);
void db_hosts_free(struct db_hosts *h);

/* The number of attempts that go through all hosts, at least 1. */
unsigned db_hosts_n(const struct db_hosts *h);

/* The time for one attempt: connect_timeout, or 5 s. */
unsigned db_hosts_timeout_s(const struct db_hosts *h);

/*
 * Starts the connection to host i. Unless the string has its own: only a primary is accepted, and a dead peer is
 * detected by keepalives and tcp_user_timeout. A string that names a service gets none of these defaults.
 * Returns a connection for PQconnectPoll, whose status may be bad; the caller finishes it.
 */
PGconn *db_hosts_connect(const struct db_hosts *h, unsigned i);

#endif
