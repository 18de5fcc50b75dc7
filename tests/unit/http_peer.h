/*
 * http_peer: a server with a table of routes that only a test has, in a child process, and bytes to
 * and from it.
 *
 * Owns: the child. Knows nothing of: what is tested. The database is a stand-in: its tokens are
 * below.
 */
#ifndef PARLEY_TEST_HTTP_PEER_H
#define PARLEY_TEST_HTTP_PEER_H

#include <stdbool.h>
#include <stddef.h>

#define GOOD_TOKEN "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* user 7, token 70 */
#define SLOW_TOKEN \
	"sssssssssssssssssssssssssssssssssssssssssss" /* the same, answered after 100 ms */
#define BAD_TOKEN "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define AWAY_TOKEN "ddddddddddddddddddddddddddddddddddddddddddd" /* the database is away */
#define FULL_TOKEN \
	"fffffffffffffffffffffffffffffffffffffffffff" /* user 9, who may open no more sockets */
#define BEARER "Authorization: Bearer " GOOD_TOKEN "\r\n"
#define HOST "Host: chat.example\r\n"
#define JSON "Content-Type: application/json\r\n"

#define PEER_REQUEST_MS 300 /* the server's patience with a request that does not end */

/* Starts it with these settings (the config file's syntax). */
void peer_start(const char *conf);
/* Ends it as a worker does, and asserts that it went well: exit code 0, so no sanitizer's report
 * and no open connection. */
void peer_stop(void);
/* SIGUSR1: http_stop. */
void peer_accept_no_more(void);
/* Connections by the shared counter; waits up to 3 s until there are n. */
bool peer_has_connections(unsigned n);
unsigned peer_accepted(void);

int peer_connect(void);
void peer_send(int fd, const char *bytes, size_t len);
void peer_send_str(int fd, const char *s);
/* What comes until the end of the stream (or 5 s: fails), NUL-terminated; freed by the next call.
 * */
const char *peer_read_all(int fd);
/* One answer with its body by Content-Length; likewise. */
const char *peer_read_answer(int fd);
/* What comes until this text is in it; likewise. */
const char *peer_read_until(int fd, const char *text);
/* One connection: sends, reads to the end, closes. */
const char *peer_talk(const char *request);

#endif
