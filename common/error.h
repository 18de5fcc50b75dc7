/*
 * error: the errors that a peer can receive: stable code, HTTP status, sentence.
 *
 * Owns: the table. Knows nothing of: how an error is sent.
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

/* Returns the code as a string, such as "bad_json"; "none" for ERROR_NONE. */
const char *error_code(enum error e);

/* Returns 400..599; 200 for ERROR_NONE. */
int error_status(enum error e);

/* Returns the sentence for people; "" for ERROR_NONE. */
const char *error_sentence(enum error e);

/* Returns the error with this code, ERROR_internal if there is none: a status of the database that this table lacks. */
enum error error_by_code(const char *name);

#endif
