/*
 * client: many WebSocket clients in one thread, on epoll and common/wsframe.
 *
 * Owns: the sockets. Knows nothing of: what is measured.
 */
#ifndef PARLEY_BENCH_CLIENT_H
#define PARLEY_BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/wsframe.h"

struct client;

/* A text frame has come. The payload is the callback's to read until it returns. */
typedef void client_text(struct client *c, const char *payload, size_t len);

enum client_state { CLIENT_CONNECTING, CLIENT_UPGRADING, CLIENT_OPEN };

struct client {
	int64_t user_id, group_id; /* as the tokens file says */
	char token[64];
	client_text *on_text;
	unsigned n_sent; /* messages, for their client_ids */
	int fd;
	enum client_state state;
	struct buf in;
	struct wsframe_parser parser;
};

/* Reads lines `user_id,token,group_id`, at most max; returns how many. Ends the program where it
 * cannot. */
size_t client_read_tokens(const char *path, struct client *clients, size_t max);

void client_loop_init(const char *address, int port);

/* Begins to connect with the token in the Authorization header. */
void client_connect(struct client *c, client_text *on_text);

/* Sends one text frame; the socket takes it whole or the program ends (a benchmark's frames are
 * small). */
void client_send(struct client *c, const char *text, size_t len);

/* Handles what happens within ms. Ends the program where the server closes a connection. */
void client_poll(int ms);

void client_close(struct client *c);

int64_t bench_now_ns(void);
void bench_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
