/*
 * worker: one process, one event loop; where all parts of the daemon are made and wired.
 *
 * Owns: the loop. Knows nothing of: other workers, but by the ring.
 */
#ifndef PARLEY_WORKER_H
#define PARLEY_WORKER_H

#include "heritage.h"

/*
 * A worker's whole life, in the child: until SIGTERM, or until the master is dead and what is in
 * flight is done. Returns the exit code. SIGHUP: open the log anew, read the config anew from
 * h->conf_fd; SIGUSR1: another worker died, check the heads. Both are ignored until it has its
 * handlers, SIGINT (which a terminal sends to all) and SIGPIPE for good.
 */
int worker_run(const struct heritage *h);

#endif
