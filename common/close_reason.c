#include "common/close_reason.h"

static const struct {
	const char *word;
	uint16_t code;
	const char *sentence;
} reasons[CLOSE_N] = {
#define CLOSE(name, code, sentence) [CLOSE_##name] = { #name, code, sentence },
#include "common/close_reason.def"
#undef CLOSE
};

const char *close_reason_word(enum close_reason r)
{
	return reasons[r].word;
}

uint16_t close_reason_code(enum close_reason r)
{
	return reasons[r].code;
}

const char *close_reason_sentence(enum close_reason r)
{
	return reasons[r].sentence;
}

enum close_reason close_reason_of_codec(uint16_t code)
{
	switch (code) {
	case 1003:
		return CLOSE_binary;
	case 1007:
		return CLOSE_bad_utf8;
	case 1009:
		return CLOSE_too_big;
	default:
		return CLOSE_protocol_error;
	}
}
