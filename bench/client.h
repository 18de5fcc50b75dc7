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

/* Called for each text frame. The payload is valid until the callback returns. */
typedef void client_text(struct client *c, const char *payload, size_t len);

enum client_state { CLIENT_CONNECTING, CLIENT_UPGRADING, CLIENT_OPEN };

struct client {
	int64_t user_id, group_id; /* from the file of tokens */
	char token[64];
	client_text *on_text;
	unsigned n_sent; /* messages so far, for their client_ids */
	int fd;
	enum client_state state;
	struct buf in;
	struct wsframe_parser parser;
};

/* All functions exit the program after an error. */

/* Reads at most max lines `user_id,token,group_id`. Returns their number. */
size_t client_read_tokens(const char *path, struct client *clients, size_t max);

/* Sets the server's address for all clients. */
void client_loop_init(const char *address, int port);

/* Starts to connect, with the token in the Authorization header. */
void client_connect(struct client *c, client_text *on_text);

/* Sends a text frame of at most 1 KiB. The program exits if the socket's buffer is full. */
void client_send(struct client *c, const char *text, size_t len);

/* Waits up to ms milliseconds for events and handles them. The program exits if the server closes a connection. */
void client_poll(int ms);

void client_close(struct client *c);

int64_t bench_now_ns(void);
void bench_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
