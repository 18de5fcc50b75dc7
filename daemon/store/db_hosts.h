/*
 * db_hosts: the hosts of a connection string, and the start of a connection to one of them.
 *
 * libpq goes through the hosts and their addresses by itself, but leaves two things to a program that uses PQconnectPoll
 * (PostgreSQL 15 manual, 34.1.1): connect_timeout, and names, which it looks up in the call. So each attempt here is to
 * one address, and the caller limits its time.
 *
 * Owns: the lists, the look-ups. Knows nothing of: the event loop, SQL.
 *
 *   for each host:  db_hosts_resolve ──► db_hosts_resolved ──► db_hosts_connect ──failed──► db_hosts_next (address, host)
 */
#ifndef PARLEY_DB_HOSTS_H
#define PARLEY_DB_HOSTS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

struct db_hosts;

/*
 *   conninfo  a connection string or URI of libpq; copied. If it is malformed, each attempt fails with libpq's message
 *   name      the application_name; copied
 */
struct db_hosts *db_hosts_new(const char *conninfo, const char *name);
void db_hosts_free(struct db_hosts *h);

/* Makes the first host the current one. */
void db_hosts_first(struct db_hosts *h);

/* Makes the next address of the current host the current one, or the next host. Returns false if there was none: then the
 * first host is the current one. */
bool db_hosts_next(struct db_hosts *h);

/* The index of the current host. */
unsigned db_hosts_current(const struct db_hosts *h);

/* The time for one look-up or attempt: connect_timeout, or 5 s. */
unsigned db_hosts_timeout_s(const struct db_hosts *h);

/*
 * Looks up the name of the current host, unless it is an address or the path of a socket, or its addresses are known. A
 * look-up that was given up goes on, and is waited for the next time: no name server makes threads pile up.
 * Returns a descriptor that is readable when the look-up has ended, valid until db_hosts_resolved; -1 if it has ended.
 */
int db_hosts_resolve(struct db_hosts *h);

/*
 * Takes the result of the look-up.
 *   why  set to the reason of a failure, of at most size bytes
 * Returns false if it has failed or not ended.
 */
bool db_hosts_resolved(struct db_hosts *h, char *why, size_t size);

/*
 * Starts the connection to the current address. Unless the string has its own: only a primary is accepted, and a dead
 * peer is detected by keepalives and tcp_user_timeout. A string that names a service gets none of these defaults, and
 * libpq looks up its hosts.
 * Returns a connection for PQconnectPoll, whose status may be bad; the caller finishes it.
 */
PGconn *db_hosts_connect(const struct db_hosts *h);

#endif
