/*
 * wslay_oracle: parses the same bytes with wsframe and with wslay and compares the results.
 *
 * Owns: nothing. Knows nothing of: the source of the bytes (a random test, a fuzzer).
 *
 * Both must return the same messages (opcode and bytes, in order) and end in the same way. These differences are
 * intended and not reported:
 *   - A close frame with a payload of one byte is an error 1002 for wsframe (RFC 6455 5.5.1 requires none or at least
 *     two bytes), and a close without a code for wslay.
 *   - The close codes 1012, 1013 and 1014, which IANA has registered since, are an error 1002 for wslay.
 *   - wslay checks a text as it arrives and may return 1007 before the frame is complete; wsframe waits for the frame.
 */
#ifndef PARLEY_TEST_WSLAY_ORACLE_H
#define PARLEY_TEST_WSLAY_ORACLE_H

#include <stddef.h>
#include <stdint.h>

#include "common/wsframe.h"

enum oracle_end {
	ORACLE_OPEN, /* all bytes were parsed, or more are needed */
	ORACLE_CLOSED, /* by the peer's close frame; code is the peer's, 1005 if it has none */
	ORACLE_FAILED /* by an error; code is the one to close with */
};

struct oracle_result {
	const char *difference; /* a constant sentence; NULL if both agree */
	enum oracle_end end; /* of wsframe */
	uint16_t code; /* 0 for ORACLE_OPEN */
	size_t messages; /* including control frames other than close */
};

/* message_max: at least 125, since wslay applies it to control frames, too. */
struct oracle_result wslay_oracle_compare(
	enum wsframe_role role, uint32_t message_max, const void *bytes, size_t len);

#endif
