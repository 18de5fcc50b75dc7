/*
 * http_peer: an HTTP server in a child process, with routes for tests, and a client.
 *
 * Owns: the child. Knows nothing of: what is tested.
 *
 * There is no database: store_authenticate is replaced, and knows the tokens below.
 */
#ifndef PARLEY_TEST_HTTP_PEER_H
#define PARLEY_TEST_HTTP_PEER_H

#include <stdbool.h>
#include <stddef.h>

#define GOOD_TOKEN "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* user 7, token 70 */
#define SLOW_TOKEN "sssssssssssssssssssssssssssssssssssssssssss" /* the same, after 100 ms */
#define BAD_TOKEN "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define AWAY_TOKEN "ddddddddddddddddddddddddddddddddddddddddddd" /* the database is away */
#define FULL_TOKEN \
	"fffffffffffffffffffffffffffffffffffffffffff" /* user 9, at the limit of sockets */
#define BEARER "Authorization: Bearer " GOOD_TOKEN "\r\n"
#define HOST "Host: chat.example\r\n"
#define JSON "Content-Type: application/json\r\n"

#define PEER_REQUEST_MS 300 /* the server's time limit for a head, and for a body, to arrive */
#define PEER_STALLED_S 2 /* and for a peer that does not read */

/* May be longer for the next peer_start. */
extern int peer_request_ms;

/* Starts the server with these settings, in the syntax of the configuration file. */
void peer_start(const char *conf);

/* Stops it as a worker stops, and asserts exit code 0: no report of a sanitizer, no open connection. */
void peer_stop(void);

/* SIGUSR1: http_stop. */
void peer_accept_no_more(void);

/* SIGUSR2: http_epoch_changed. */
void peer_change_epoch(void);

/* Waits up to 3 s until the shared counter of connections is n; returns false if it is not. */
bool peer_has_connections(unsigned n);
unsigned peer_accepted(void);

int peer_connect(void);
void peer_send(int fd, const char *bytes, size_t len);
void peer_send_str(int fd, const char *s);

/* These return NUL-terminated text, valid until the next call, and fail after 5 s without a byte. */
const char *peer_read_all(int fd); /* up to the end of the stream */
const char *peer_read_answer(int fd); /* one answer, with its body by Content-Length */
const char *peer_talk(const char *request); /* one connection: sends, reads to the end, closes */

#endif
