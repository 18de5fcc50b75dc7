/*
 * Fuzz target: any bytes mean the same to wsframe and to wslay (unit/wslay_oracle.h says how far).
 *
 * The first byte of the input chooses: bit 0 the role (0 server, 1 client), bit 1 the limit of a
 * message (0: 64 KiB, 1: 125 bytes). What follows is the stream.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/wslay_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct oracle_result result;

	if (len == 0)
		return 0;
	result = wslay_oracle_compare(bytes[0] & 1 ? WSFRAME_CLIENT : WSFRAME_SERVER,
		bytes[0] & 2 ? WSFRAME_CONTROL_MAX : 65536, bytes + 1, len - 1);
	if (result.difference != NULL) {
		fprintf(stderr, "%s (end %d, code %u)\n", result.difference, result.end,
			result.code);
		abort();
	}
	return 0;
}
