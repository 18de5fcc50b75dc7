/*
 * db_value: the arguments and the columns of statements, in PostgreSQL's binary formats.
 */
#include <endian.h>
#include <string.h>

#include "common/log.h"
#include "store/db.h"

#define POSTGRES_EPOCH_US INT64_C(946684800000000) /* 2000-01-01 */

/* Arguments. */

static void arg_begin(struct db_args *a)
{
	if (a->n == DB_ARGS_MAX)
		log_fatal("arguments_too_many max=%d", DB_ARGS_MAX);
	a->at[a->n].offset = a->bytes.len;
}

static void arg_end(struct db_args *a)
{
	a->at[a->n].len = (int)(a->bytes.len - a->at[a->n].offset);
	a->n++;
}

static void add_i32(struct buf *b, int32_t n)
{
	uint32_t wire = htobe32((uint32_t)n);

	buf_add(b, &wire, sizeof(wire));
}

static void add_i64(struct buf *b, int64_t n)
{
	uint64_t wire = htobe64((uint64_t)n);

	buf_add(b, &wire, sizeof(wire));
}

void db_arg_i64(struct db_args *a, int64_t n)
{
	arg_begin(a);
	add_i64(&a->bytes, n);
	arg_end(a);
}

void db_arg_bool(struct db_args *a, bool b)
{
	arg_begin(a);
	buf_add_char(&a->bytes, b);
	arg_end(a);
}

void db_arg_bytes(struct db_args *a, const void *bytes, size_t len)
{
	arg_begin(a);
	if (len > 0)
		buf_add(&a->bytes, bytes, len);
	arg_end(a);
	if (bytes == NULL)
		a->at[a->n - 1].len = -1;
}

/* As PostgreSQL's array_send(): the number of dimensions, a flag for nulls, the type of the elements, and for each
 * dimension its size and lower bound. */
void db_arg_array(struct db_args *a, enum db_element type, size_t n)
{
	arg_begin(a);
	add_i32(&a->bytes, n > 0 ? 1 : 0);
	add_i32(&a->bytes, 1);
	add_i32(&a->bytes, (int32_t)type);
	if (n > 0) {
		add_i32(&a->bytes, (int32_t)n);
		add_i32(&a->bytes, 1);
	}
	arg_end(a);
}

/* The elements belong to the last argument. */
static void element_added(struct db_args *a)
{
	a->at[a->n - 1].len = (int)(a->bytes.len - a->at[a->n - 1].offset);
}

void db_element_i64(struct db_args *a, int64_t n)
{
	add_i32(&a->bytes, sizeof(n));
	add_i64(&a->bytes, n);
	element_added(a);
}

void db_element_bool(struct db_args *a, bool b)
{
	uint8_t byte = b;

	db_element_bytes(a, &byte, sizeof(byte));
}

void db_element_bytes(struct db_args *a, const void *bytes, size_t len)
{
	add_i32(&a->bytes, bytes == NULL ? -1 : (int32_t)len);
	if (bytes != NULL && len > 0)
		buf_add(&a->bytes, bytes, len);
	element_added(a);
}

void db_arg_i64s(struct db_args *a, const int64_t *numbers, size_t n)
{
	db_arg_array(a, DB_INT8, n);
	for (size_t i = 0; i < n; i++)
		db_element_i64(a, numbers[i]);
}

/* Columns. */

static int find_column(const struct db_result *r, const char *name)
{
	int number = PQfnumber(r->pg, name);

	if (number < 0)
		log_fatal("column_missing statement=%s column=%s", r->statement->name, name);
	return number;
}

static int column_number(const struct db_result *r, const char *name)
{
	struct db_columns *c = r->columns;
	size_t i = ((uintptr_t)name >> 2) % DB_COLUMNS_MAX;

	while (c->name[i] != name) {
		if (c->name[i] == NULL) {
			/* One place stays free, so that a search ends. */
			if (c->n == DB_COLUMNS_MAX - 1)
				return find_column(r, name);
			c->number[i] = find_column(r, name);
			c->name[i] = name;
			c->n++;
			break;
		}
		i = (i + 1) % DB_COLUMNS_MAX;
	}
	return c->number[i];
}

/* The bytes of a value; NULL if it is null. */
static const char *value_of(const struct db_result *r, int row, const char *column, size_t *len)
{
	int number = column_number(r, column);

	*len = 0;
	if (PQgetisnull(r->pg, row, number))
		return NULL;
	*len = (size_t)PQgetlength(r->pg, row, number);
	return PQgetvalue(r->pg, row, number);
}

/* Reads a value of 8 bytes. Returns false if it is null. */
static bool read_i64(const struct db_result *r, int row, const char *column, int64_t *n)
{
	uint64_t wire;
	size_t len;
	const char *value = value_of(r, row, column, &len);

	if (len != sizeof(wire))
		return false;
	memcpy(&wire, value, sizeof(wire));
	*n = (int64_t)be64toh(wire);
	return true;
}

int64_t db_i64(const struct db_result *r, int row, const char *column)
{
	int64_t n;

	return read_i64(r, row, column, &n) ? n : 0;
}

int32_t db_i32(const struct db_result *r, int row, const char *column)
{
	uint32_t wire;
	size_t len;
	const char *value = value_of(r, row, column, &len);

	if (len != sizeof(wire))
		return 0;
	memcpy(&wire, value, sizeof(wire));
	return (int32_t)be32toh(wire);
}

bool db_bool(const struct db_result *r, int row, const char *column)
{
	return db_char(r, row, column) != 0;
}

char db_char(const struct db_result *r, int row, const char *column)
{
	size_t len;
	const char *value = value_of(r, row, column, &len);

	return len > 0 ? value[0] : 0;
}

int64_t db_time_ms(const struct db_result *r, int row, const char *column)
{
	int64_t us;

	return read_i64(r, row, column, &us) ? (us + POSTGRES_EPOCH_US) / 1000 : 0;
}

const char *db_text(const struct db_result *r, int row, const char *column, size_t *len)
{
	return value_of(r, row, column, len);
}

bool db_is_null(const struct db_result *r, int row, const char *column)
{
	size_t len;

	return value_of(r, row, column, &len) == NULL;
}
