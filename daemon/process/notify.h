/*
 * notify: reports the daemon's state to systemd (sd_notify(3)), without its library.
 *
 * Owns: nothing. Knows nothing of: the states.
 */
#ifndef PARLEY_NOTIFY_H
#define PARLEY_NOTIFY_H

#include <stdbool.h>

/* True if the service manager wants notifications: $NOTIFY_SOCKET is set. */
bool notify_wanted(void);

/*
 * Sends one datagram to $NOTIFY_SOCKET; does nothing if that is not set. A failure is logged.
 *   state  lines such as "READY=1", separated by '\n'
 */
void notify_send(const char *state);

#endif
