/*
 * Fuzz target: wsframe and wslay interpret a stream in the same way (see unit/wslay_oracle.h).
 *
 * Bit 0 of the first byte is the role (0 server, 1 client), bit 1 the limit of a message (0: 64 KiB,
 * 1: 125 bytes). The rest of the input is the stream.
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
