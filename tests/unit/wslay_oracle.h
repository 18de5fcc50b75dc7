/*
 * wslay_oracle: the same bytes through wsframe and through wslay, and what the two make of them.
 *
 * Owns: nothing. Knows nothing of: where the bytes come from (a random test, a fuzzer).
 *
 * They must deliver the same messages (opcode, bytes, in order) and come to the same end. Intended
 * differences, in which both answers count as equal:
 *   - A close frame with a payload of one byte: 1002 here (RFC 6455 5.5.1 wants none or at least
 *     two), no status to wslay.
 *   - Close codes 1012, 1013, 1014: registered with IANA since, so allowed here; 1002 to wslay.
 *   - wslay checks the text of a frame as it arrives and may answer 1007 before the frame is whole;
 *     wsframe waits for the whole frame.
 */
#ifndef PARLEY_TEST_WSLAY_ORACLE_H
#define PARLEY_TEST_WSLAY_ORACLE_H

#include <stddef.h>
#include <stdint.h>

#include "common/wsframe.h"

enum oracle_end {
	ORACLE_OPEN, /* all bytes taken, or more wanted */
	ORACLE_CLOSED, /* by the peer's close frame; code is the peer's, 1005 for none */
	ORACLE_FAILED /* by us; code is the one to close with */
};

struct oracle_verdict {
	const char *difference; /* NULL where they agree; else a constant sentence */
	enum oracle_end end; /* as wsframe says */
	uint16_t code; /* 0 for ORACLE_OPEN */
	size_t messages; /* control frames but close included */
};

/* message_max: at least 125, since wslay holds control frames to it as well. */
struct oracle_verdict wslay_oracle_compare(
	enum wsframe_role role, uint32_t message_max, const void *bytes, size_t len);

#endif
