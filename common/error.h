/*
 * error: the stable codes that peers are told, with their HTTP status and sentence.
 *
 * Owns: the table. Knows nothing of: how an error travels.
 */
#ifndef PARLEY_ERROR_H
#define PARLEY_ERROR_H

enum error {
	ERROR_NONE,
#define ERROR(code, status, sentence) ERROR_##code,
#include "common/error.def"
#undef ERROR
	ERROR_N
};

/* "bad_json"; "none" for ERROR_NONE. */
const char *error_code(enum error e);

/* 400..599; 200 for ERROR_NONE. */
int error_status(enum error e);

const char *error_sentence(enum error e);

/* The error whose code is name; ERROR_internal where there is none (a status the database and this
 * table do not share). */
enum error error_by_code(const char *name);

#endif
