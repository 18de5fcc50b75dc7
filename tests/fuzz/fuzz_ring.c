/*
 * Fuzz target: a ring in whose memory anything may stand, and the records that come out of it.
 *
 * The input is a list of steps, each an opcode byte and what that takes: publish, read, write a word
 * anywhere in the mapping (or right where the reader stands), sleep, begin anew. Whatever was written, a
 * reader answers with a record that fits, with EMPTY, or with LAPPED and stands at the tail then; it gets
 * to the end in as many steps as there is room for records; and after the scribbling the next records
 * published come whole. What comes out is given to record_decode: what that takes points into the
 * record, and makes a message as the contract has it.
 */
#define _GNU_SOURCE 1
#include <inttypes.h>
#include <string.h>

#include "common/json.h"
#include "common/proto.h"
#include "common/ring.h"
#include "common/utf8.h"
#include "tests/fuzz/fuzz.h"

#define CAPACITY ((size_t)128 << 10) /* the least */
#define TAIL_WORD 9
#define STEERING_WORDS 32 /* lock, positions, counters, slots: ring.c */
#define PUBLISHES_MAX 16 /* of one input: each may wait 2 ms for a lock that nobody holds */
#define READS_MAX (CAPACITY / 8 + 2)

static struct ring *ring;
static uint64_t *map, *data, *pristine;
static size_t mapped;

struct input {
	const uint8_t *at;
	size_t left;
};

static uint64_t take(struct input *in, size_t n)
{
	uint64_t value = 0;

	for (; n > 0 && in->left > 0; n--, in->left--)
		value = value << 8 | *in->at++;
	return value;
}

/* Where the ring lies: only a scribbler needs to know. */
static void find_mapping(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	uintptr_t from = 0, to = 0;
	char line[512];

	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
		if (strstr(line, "memfd:parley-ring") != NULL &&
			sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &from, &to) == 2)
			break;
	MUST(maps != NULL && from != 0);
	fclose(maps);
	map = (uint64_t *)from;
	mapped = to - from;
	data = map + (mapped - CAPACITY) / sizeof(*map);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	ring = ring_create(CAPACITY, 2);
	MUST(ring != NULL);
	find_mapping();
	pristine = malloc(mapped);
	MUST(pristine != NULL);
	memcpy(pristine, map, mapped);
	return 0;
}

/* A decoded record as every viewer's JSON. */
static void check_json(const struct record *r)
{
	struct buf b = BUF_EMPTY;
	const char *why, *word;
	size_t len;
	cJSON *json;

	buf_add_char(&b, '{');
	proto_put_message(&b, &r->message, &r->conv, r->message.sender_id);
	buf_add_char(&b, '}');
	json = json_parse(b.data, b.len, &why);
	MUST(json != NULL);
	MUST(json_get_str(json, "kind", &word, &len) == JSON_OK);
	MUST((strcmp(word, "text") == 0) == cJSON_HasObjectItem(json, "content"));
	cJSON_Delete(json);
	buf_fini(&b);
}

static void check_text(struct text t, const uint8_t *bytes, size_t len, size_t max)
{
	if (t.data == NULL)
		return;
	MUST(t.len <= max && t.data >= (const char *)bytes);
	MUST(t.data + t.len <= (const char *)bytes + len);
	MUST(utf8_valid(t.data, t.len));
}

static void check_record(const uint8_t *bytes, size_t len)
{
	struct record r, again;
	uint8_t fixed[RECORD_FIXED_SIZE], copy[RECORD_FIXED_SIZE + PROTO_CONTENT_MAX + 64];
	struct iovec iov[RECORD_IOV];
	size_t at = 0;

	if (!record_decode(&r, bytes, len))
		return;
	check_text(r.message.content, bytes, len, PROTO_CONTENT_MAX);
	check_text(r.message.client_id, bytes, len, PROTO_CLIENT_ID_MAX);
	MUST(r.type > 0 && r.type < RECORD_TYPE_MAX);
	if (r.type == RECORD_CHANGE)
		check_json(&r);
	record_encode(&r, fixed, iov);
	for (int i = 0; i < RECORD_IOV; i++) {
		if (iov[i].iov_len > 0)
			memcpy(copy + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	MUST(record_decode(&again, copy, at));
	MUST(again.type == r.type && again.origin == r.origin && again.conv.id == r.conv.id);
	MUST(again.message.mod == r.message.mod &&
		again.message.content.len == r.message.content.len);
}

/* A record came from this position: it lies before the end of the data and before the tail, and the next one
 * can begin behind it. */
static void check_place(const struct ring_reader *reader, uint64_t pos, size_t len)
{
	uint64_t tail = map[TAIL_WORD] & ~(uint64_t)7;

	MUST(reader->pos % 8 == 0 && reader->pos - pos >= len + 8);
	MUST((reader->pos - (len + 7) / 8 * 8 - 8) % CAPACITY + 8 + len <= CAPACITY);
	MUST(tail - reader->pos <= CAPACITY);
}

/* Reads once, into memory that ends where the longest record does, and looks at what has come. */
static enum ring_read read_one(struct ring_reader *reader)
{
	size_t max = ring_max_record(ring), len;
	uint8_t *bytes = malloc(max), *exact;
	uint64_t pos = reader->pos;
	enum ring_read got;

	MUST(bytes != NULL);
	got = ring_read(reader, bytes, max, &len);
	if (got == RING_RECORD) {
		MUST(len <= max);
		check_place(reader, pos, len);
		exact = malloc(len);
		MUST(exact != NULL || len == 0);
		if (len > 0)
			check_record(memcpy(exact, bytes, len), len);
		free(exact);
	}
	free(bytes);
	return got;
}

/* Nobody writes meanwhile: so the end is near, and one lap leads to it. */
static void read_all(struct ring_reader *reader)
{
	uint64_t laps = reader->overruns;
	enum ring_read got = RING_RECORD;

	for (size_t n = 0; got != RING_EMPTY; n++) {
		MUST(n < READS_MAX);
		got = read_one(reader);
		MUST(reader->overruns == laps || got != RING_RECORD);
	}
	MUST(reader->overruns - laps <= 1);
	MUST(ring_sleep(reader)); /* EMPTY is the truth */
	ring_awake(reader);
}

static enum ring_publish publish(struct input *in, size_t len)
{
	static uint8_t padding[RECORD_FIXED_SIZE + PROTO_CONTENT_MAX];
	size_t given = len < in->left ? len : in->left;
	struct iovec iov[2] = { { (void *)(uintptr_t)in->at, given }, { padding, len - given } };

	in->at += given;
	in->left -= given;
	return ring_publish(ring, iov, 2);
}

static void step(struct input *in, struct ring_reader *reader, unsigned *publishes)
{
	uint64_t at;

	switch (take(in, 1) % 8) {
	case 0: /* a short record */
		if ((*publishes)++ < PUBLISHES_MAX)
			publish(in, take(in, 1));
		break;
	case 1: /* one of any length */
		if ((*publishes)++ < PUBLISHES_MAX)
			publish(in, take(in, 2) % (RECORD_FIXED_SIZE + PROTO_CONTENT_MAX));
		break;
	case 2: /* among what steers */
		at = take(in, 1) % STEERING_WORDS;
		map[at] = take(in, 8);
		break;
	case 3: /* near what stands there */
		at = take(in, 1) % STEERING_WORDS;
		map[at] += (uint64_t)(int64_t)(int8_t)take(in, 1) * 8;
		break;
	case 4: /* anywhere in the data */
		at = take(in, 2) % (CAPACITY / 8);
		data[at] = take(in, 8);
		break;
	case 5: /* the reader's next header: the right mark, any size */
		at = reader->pos / 8;
		data[at % (CAPACITY / 8)] =
			take(in, 4) << 32 | (at & 0x7fffffff) | take(in, 1) >> 7 << 31;
		break;
	case 6:
		read_all(reader);
		break;
	case 7:
		ring_reader_init(reader, ring, 0);
		break;
	}
}

/* The scribbling is over: what is published from now on comes, whole. The first publish repairs. */
static void check_recovery(void)
{
	static uint8_t sent[1000];
	const struct iovec iov = { sent, sizeof(sent) };
	static uint8_t got[CAPACITY];
	struct ring_reader reader;
	size_t len = 0;

	memset(map, 0, 8); /* a lock that nobody will ever let go of is the one thing that stays */
	for (unsigned i = 0; i < 3; i++) {
		ring_reader_init(&reader, ring, 1);
		memset(sent, 'a' + (int)i, sizeof(sent));
		MUST(ring_publish(ring, &iov, 1) == RING_PUBLISHED);
		if (i == 0)
			continue;
		MUST(ring_read(&reader, got, sizeof(got), &len) == RING_RECORD);
		MUST(len == sizeof(sent) && memcmp(got, sent, len) == 0);
		MUST(ring_read(&reader, got, sizeof(got), &len) == RING_EMPTY);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len };
	struct ring_reader reader;
	unsigned publishes = 0;

	memcpy(map, pristine, mapped);
	ring_reader_init(&reader, ring, 0);
	check_record(bytes, len); /* as if the ring had brought it */
	while (in.left > 0)
		step(&in, &reader, &publishes);
	read_all(&reader);
	check_recovery();
	return 0;
}
